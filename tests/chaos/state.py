# SPDX-License-Identifier: MIT
"""All that is in the account, by boto3: what `aws.snapshot` describes by name, and how many there
are of what can be there twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from aws.endpoint import Endpoint
from aws.snapshot import Snapshot

# Parts that take many calls to describe and change by this service's writes alone.
STILL = {"roles": "iam", "repositories": "ecr"}
# Whose resources' tags would take a call each.
TAGGED = ["cloudwatch", "elasticloadbalancing", "servicediscovery"]

# Of the run that changes an environment, and of the one that takes back (drivers/ecs_run.c).
NO_RUN = [{"key": "berth:run", "value": "none"}, {"key": "berth:recall", "value": "none"}]


class State(Snapshot):
    """Describes everything, but copies what nobody can have changed from an earlier description."""

    def __init__(self, endpoint: Endpoint, before: dict[str, Any] | None,
                 written: set[str]) -> None:
        super().__init__(endpoint)
        self.same = {part: before[part] for part, service in STILL.items()
                     if before is not None and service not in written}
        self.tagged: dict[str, Any] | None = None

    def tags(self, service: str, arn: str) -> Any:
        """All at once, by the API for tags, whose index has followed by now: see `state_of`."""
        if ":dashboard/" in arn:  # of which that API does not know
            return super().tags(service, arn)
        if self.tagged is None:
            self.tagged = {one["ResourceARN"]: one["Tags"] for one in self.pages(
                "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList",
                ResourcesPerPage=100, ResourceTypeFilters=TAGGED)}
        return self.tagged.get(arn, [])

    def take(self) -> dict[str, Any]:
        return super().take() | self.same | {"counts": self.counts()}

    def clusters(self) -> Iterator[tuple[str, Any]]:
        """Without marks that say that there is no such run: they stay where once there was one."""
        for name, one in super().clusters():
            yield name, one | {"tags": [tag for tag in one["tags"] if tag not in NO_RUN]}

    def roles(self) -> Iterator[tuple[str, Any]]:
        return iter(()) if "roles" in self.same else super().roles()

    def repositories(self) -> Iterator[tuple[str, Any]]:
        return iter(()) if "repositories" in self.same else super().repositories()

    def counts(self) -> dict[str, Any]:
        ecs = self.client("ecs")
        revisions = Counter(arn.rpartition("/")[2].rpartition(":")[0] for arn in self.pages(
            "ecs", "list_task_definitions", "taskDefinitionArns", status="ACTIVE"))
        return {
            "zones": Counter(z["Name"] for z in self.pages(
                "route53", "list_hosted_zones", "HostedZones")),
            "namespaces": Counter(n["Name"] for n in self.pages(
                "servicediscovery", "list_namespaces", "Namespaces")),
            "discovery": Counter(s["Name"] for s in self.pages(
                "servicediscovery", "list_services", "Services")),
            "revisions": revisions,
            "tasks": {cluster.rpartition("/")[2]: len(ecs.list_tasks(cluster=cluster)["taskArns"])
                      for cluster in self.pages("ecs", "list_clusters", "clusterArns")},
        }


def state_of(endpoint: Endpoint, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """The state once all that is under way has ended, and what is new is found everywhere.

    BEFORE describes the state at which the record begins.
    """
    written = {call["service"] for call in endpoint.record("service", "write") if call["write"]}
    endpoint.advance(3000)
    return State(endpoint, before, written).take()


def differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from differences(found.get(key), wanted.get(key), f"{path}/{key}")
    elif found != wanted:
        yield f"{path}: {found!r} instead of {wanted!r}"
