"""Clusters. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .instances import instances_of
from .logging import insights_watch
from .model import ACTIONS, NAME, Cluster, Ecs, invalid
from .tags import tags_check


def store_of(call: Call) -> Ecs:
    return call.store(Ecs)


def cluster_show(ecs: Ecs, cluster: Cluster, include: list[str]) -> dict[str, Any]:
    """A cluster as the API gives it; settings and tags only when they are asked for."""
    tasks = ecs.tasks_of(cluster)
    shown = {
        "clusterArn": cluster.arn, "clusterName": cluster.name, "status": cluster.status,
        "registeredContainerInstancesCount": len(instances_of(ecs).of(cluster)),
        "runningTasksCount": sum(t.status == "RUNNING" for t in tasks),
        "pendingTasksCount": sum(t.status in ("PROVISIONING", "PENDING") for t in tasks),
        "activeServicesCount": sum(s.status == "ACTIVE" for s in ecs.services_of(cluster)),
        "statistics": [], "tags": [], "settings": [],
        "capacityProviders": cluster.fields["capacityProviders"],
        "defaultCapacityProviderStrategy": cluster.fields["defaultCapacityProviderStrategy"],
    }
    if "SETTINGS" in include:
        shown["settings"] = cluster.settings
    if "TAGS" in include:
        shown["tags"] = cluster.tags
    if "CONFIGURATIONS" in include and "configuration" in cluster.fields:
        shown["configuration"] = cluster.fields["configuration"]
    if "serviceConnectDefaults" in cluster.fields:
        shown["serviceConnectDefaults"] = cluster.fields["serviceConnectDefaults"]
    return shown


def settings_check(settings: list[dict[str, str]]) -> list[dict[str, str]]:
    for setting in settings:
        if setting.get("value") not in ("enabled", "disabled", "enhanced"):
            raise invalid(f"Invalid value for cluster setting: {setting.get('value')}")
    return settings


@ACTIONS.action("CreateCluster")
def create_cluster(call: Call) -> dict[str, Any]:
    """An ACTIVE cluster of that name is returned as it is, an INACTIVE one is made anew.

    aws/containers-roadmap and moby's kecs issue 79 have the answers of the real API.
    """
    ecs = store_of(call)
    name = call.input.get("clusterName", "default")
    if not NAME.fullmatch(name):
        raise invalid("Cluster name must match [a-zA-Z0-9_-]{1,255}")
    cluster = ecs.clusters.get(name)
    if cluster is None or cluster.status == "INACTIVE":
        fields = {
            "capacityProviders": call.input.get("capacityProviders", []),
            "defaultCapacityProviderStrategy":
                call.input.get("defaultCapacityProviderStrategy", [])}
        for member in ("configuration", "serviceConnectDefaults"):
            if member in call.input:
                fields[member] = call.input[member]
        settings = settings_check(call.input.get("settings", []))
        cluster = Cluster(name, ecs.arn("cluster", name), fields,
                          settings or [{"name": "containerInsights", "value": "disabled"}],
                          tags_check(call.input.get("tags", [])))
        ecs.clusters[name] = cluster
    return {"cluster": cluster_show(ecs, cluster, ["SETTINGS", "TAGS", "CONFIGURATIONS"])}


@ACTIONS.action("DescribeClusters")
def describe_clusters(call: Call) -> dict[str, Any]:
    ecs = store_of(call)
    names = call.input.get("clusters") or ["default"]
    if len(names) > 100:
        raise invalid("Clusters cannot have more than 100 elements.")
    found, failures = [], []
    for name in names:
        cluster = ecs.cluster_find(name)
        if cluster:
            found.append(cluster_show(ecs, cluster, call.input.get("include", [])))
        else:
            short = name.rpartition("/")[2]
            failures.append({"arn": ecs.arn("cluster", short), "reason": "MISSING"})
    return {"clusters": found, "failures": failures}


@ACTIONS.action("ListClusters")
def list_clusters(call: Call) -> dict[str, Any]:
    ecs = store_of(call)
    arns = [c.arn for c in ecs.clusters.values() if c.status == "ACTIVE"]
    page, more = paged(arns, call, "maxResults", "nextToken", 100, 100, invalid)
    return {"clusterArns": page, **more}


def _update(call: Call) -> dict[str, Any]:
    ecs = store_of(call)
    cluster = ecs.cluster(call.input["cluster"])
    for setting in settings_check(call.input.get("settings", [])):
        cluster.settings = [s for s in cluster.settings if s["name"] != setting["name"]]
        cluster.settings.append(setting)
    for member in ("configuration", "serviceConnectDefaults"):
        if member in call.input:
            cluster.fields[member] = call.input[member]
    insights_watch(ecs, cluster)
    return {"cluster": cluster_show(ecs, cluster, ["SETTINGS", "TAGS", "CONFIGURATIONS"])}


ACTIONS.action("UpdateCluster")(_update)
ACTIONS.action("UpdateClusterSettings")(_update)


@ACTIONS.action("PutClusterCapacityProviders")
def put_capacity_providers(call: Call) -> dict[str, Any]:
    ecs = store_of(call)
    cluster = ecs.cluster(call.input["cluster"])
    cluster.fields["capacityProviders"] = call.input["capacityProviders"]
    cluster.fields["defaultCapacityProviderStrategy"] = \
        call.input["defaultCapacityProviderStrategy"]
    return {"cluster": cluster_show(ecs, cluster, ["SETTINGS", "TAGS"])}


@ACTIONS.action("DeleteCluster")
def delete_cluster(call: Call) -> dict[str, Any]:
    """Refused while it holds services or tasks; afterwards it stays readable as INACTIVE."""
    ecs = store_of(call)
    cluster = ecs.cluster(call.input["cluster"])
    if any(s.status != "INACTIVE" for s in ecs.services_of(cluster)):
        raise AwsError("ClusterContainsServicesException",
                       "The Cluster cannot be deleted while Services are active.")
    if any(t.status != "STOPPED" for t in ecs.tasks_of(cluster)):
        raise AwsError("ClusterContainsTasksException",
                       "The Cluster cannot be deleted while Tasks are active.")
    if instances_of(ecs).of(cluster):
        raise AwsError("ClusterContainsContainerInstancesException", "The Cluster cannot be deleted "
                       "while Container Instances are active or draining.")
    cluster.status = "INACTIVE"
    shown = cluster_show(ecs, cluster, ["SETTINGS"])
    cluster.tags = []
    return {"cluster": shown}
