"""What there is in ECS, in one account and region, and how it is named."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Service as Registry

if TYPE_CHECKING:
    from ..world import World

# Throttling: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
ACTIONS = Registry("ecs", exclusive=True, throttle=("ThrottlingException", 400),
                   invalid="InvalidParameterException")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def client_error(message: str) -> AwsError:
    return AwsError("ClientException", message)


@dataclass
class Cluster:
    """A cluster; `fields` as the API gives it, without what is counted or asked for by include."""

    name: str
    arn: str
    fields: dict[str, Any]
    settings: list[dict[str, str]]
    tags: list[dict[str, str]]
    status: str = "ACTIVE"


@dataclass
class Definition:
    """A revision of a task definition, as DescribeTaskDefinition gives it."""

    arn: str
    fields: dict[str, Any]
    tags: list[dict[str, str]]

    @property
    def containers(self) -> list[dict[str, Any]]:
        return self.fields["containerDefinitions"]


@dataclass
class Task:
    """A task; `fields` as the API gives it."""

    arn: str
    cluster: Cluster
    definition: Definition
    fields: dict[str, Any]
    tags: list[dict[str, str]]
    service: Service | None = None
    deployment: Deployment | None = None
    interface: str | None = None
    address: str = ""
    groups: list[str] = field(default_factory=list)
    targets: dict[tuple[str, int], str] = field(default_factory=dict)  # their states, see lifecycle

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def status(self) -> str:
        return self.fields["lastStatus"]

    @property
    def wanted(self) -> bool:
        return self.fields["desiredStatus"] == "RUNNING"

    @property
    def has_health_check(self) -> bool:
        return any("healthCheck" in c for c in self.definition.containers)

    @property
    def healthy(self) -> bool:
        """RUNNING and, where a container has a health check, HEALTHY; as targets, healthy."""
        return self.wanted and self.status == "RUNNING" and (
            not self.has_health_check or self.fields["healthStatus"] == "HEALTHY") and all(
                state == "healthy" for state in self.targets.values())


@dataclass
class Deployment:
    """A deployment of a service and, seen from the newer API, its service deployment."""

    id: str
    service: Service
    definition: Definition
    revision: dict[str, Any]  # the settings that make a service revision
    created: float
    updated: float
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""
    failed: int = 0
    failed_in_a_row: int = 0
    next_start: float = 0.0
    rolled_back: Deployment | None = None  # the one that this one was returned to for
    record: dict[str, Any] = field(default_factory=dict)  # as DescribeServiceDeployments gives it

    def tasks(self) -> list[Task]:
        return [task for task in self.service.tasks if task.deployment is self]

    @property
    def revision_arn(self) -> str:
        return (self.service.arn.replace(":service/", ":service-revision/") + "/"
                + self.id.partition("/")[2])


@dataclass
class Service:
    """A service; `fields` holds what clients set, the rest is counted when it is described."""

    name: str
    arn: str
    cluster: Cluster
    fields: dict[str, Any]
    tags: list[dict[str, str]]
    created: float
    created_by: str
    token: str | None
    given: dict[str, Any]  # CreateService's input, for its idempotency
    status: str = "ACTIVE"
    deployments: list[Deployment] = field(default_factory=list)
    history: list[Deployment] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    steady_at: float | None = None

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def desired(self) -> int:
        return int(self.fields["desiredCount"])


class Ecs:
    """All of ECS in an account and region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.clusters: dict[str, Cluster] = {}
        self.definitions: dict[str, dict[int, Definition]] = {}  # family -> revision
        self.revisions: dict[str, int] = {}  # family -> the highest ever given out
        self.services: dict[str, Service] = {}  # by ARN
        self.tasks: dict[str, Task] = {}  # by ARN

    def now(self) -> float:
        return round(self.world.clock.now(), 3)

    def arn(self, kind: str, *names: str) -> str:
        return f"arn:aws:ecs:{self.region}:{self.account}:{kind}/{'/'.join(names)}"

    def cluster(self, name: str | None) -> Cluster:
        """The ACTIVE cluster of a name or ARN; "default" if none is given."""
        cluster = self.cluster_find(name)
        if cluster is None or cluster.status != "ACTIVE":
            raise AwsError("ClusterNotFoundException", "Cluster not found.")
        return cluster

    def cluster_find(self, name: str | None) -> Cluster | None:
        name = name or "default"
        return self.clusters.get(name.rpartition("/")[2] if name.startswith("arn:") else name)

    def service_find(self, cluster: Cluster, name: str) -> Service | None:
        short = name.rpartition("/")[2] if name.startswith("arn:") else name
        return self.services.get(self.arn("service", cluster.name, short))

    def definition_find(self, name: str) -> Definition | None:
        """By ARN, family:revision, or family: the newest ACTIVE revision."""
        short = name.rpartition("/")[2] if name.startswith("arn:") else name
        family, _, revision = short.partition(":")
        known = self.definitions.get(family, {})
        if revision:
            return known.get(int(revision)) if revision.isdigit() else None
        active = [r for r, d in known.items() if d.fields["status"] == "ACTIVE"]
        return known[max(active)] if active else None

    def services_of(self, cluster: Cluster) -> list[Service]:
        return [s for s in self.services.values() if s.cluster is cluster]

    def tasks_of(self, cluster: Cluster) -> list[Task]:
        return [t for t in self.tasks.values() if t.cluster is cluster]
