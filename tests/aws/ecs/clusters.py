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


def providers_of(given: dict[str, Any]) -> dict[str, Any]:
    """A cluster's capacity providers and its default strategy, of a call that sets both.

    There are no others here than Fargate's: terraform-aws-modules/terraform-aws-ecs#53 has what AWS
    says of one that is not there.
    """
    providers = given.get("capacityProviders", [])
    if not set(providers) <= {"FARGATE", "FARGATE_SPOT"}:
        raise invalid("The specified capacity provider was not found. Specify a valid capacity "
                      "provider and try again.")
    strategy = given.get("defaultCapacityProviderStrategy", [])
    return {"capacityProviders": providers,
            "defaultCapacityProviderStrategy": strategy_read(strategy, providers)}


def strategy_read(strategy: list[dict[str, Any]], providers: list[str]) -> list[dict[str, Any]]:
    """A strategy as it is shown, or what is wrong with it in a cluster with these providers.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
    and dask/dask-cloudprovider#328.
    """
    full = [{"weight": 0, "base": 0, **item} for item in strategy]
    if len(full) > 20:
        raise invalid("A capacity provider strategy can contain a maximum of 20 capacity providers.")
    if any(item["capacityProvider"] not in providers for item in full):
        raise invalid("The specified capacity provider strategy cannot contain a capacity provider "
                      "that is not associated with the cluster. Associate the capacity provider "
                      "with the cluster or specify a valid capacity provider and try again.")
    if len(full) > 1 and not any(item["weight"] for item in full):
        raise invalid("At least one capacity provider of a strategy must have a weight.")
    if sum(bool(item["base"]) for item in full) > 1:
        raise invalid("Only one capacity provider of a strategy can have a base.")
    return full


@ACTIONS.action("CreateCluster")
def create_cluster(call: Call) -> dict[str, Any]:
    """An ACTIVE cluster of that name is returned as it is, an INACTIVE one is made anew.

    aws/containers-roadmap and moby's kecs issue 79 have the answers of the real API,
    hashicorp/terraform-provider-aws#12749 the one for other capacity providers.
    """
    ecs = store_of(call)
    name = call.input.get("clusterName", "default")
    if not NAME.fullmatch(name):
        raise invalid("Cluster name must match [a-zA-Z0-9_-]{1,255}")
    cluster = ecs.clusters.get(name)
    fields = providers_of(call.input)
    if cluster is None or cluster.status == "INACTIVE":
        for member in ("configuration", "serviceConnectDefaults"):
            if member in call.input:
                fields[member] = call.input[member]
        settings = settings_check(call.input.get("settings", []))
        cluster = Cluster(name, ecs.arn("cluster", name), fields,
                          settings or [{"name": "containerInsights", "value": "disabled"}],
                          tags_check(call.input.get("tags", [])))
        ecs.clusters[name] = cluster
    elif any(fields[member] != cluster.fields[member] for member in fields if member in call.input):
        raise invalid("Arguments on this idempotent request are inconsistent with arguments used "
                      "in previous request(s).")
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
    """All that the cluster is to have: what is left out it has no longer."""
    ecs = store_of(call)
    cluster = ecs.cluster(call.input["cluster"])
    fields = providers_of(call.input)
    used = {item["capacityProvider"] for s in ecs.services_of(cluster) if s.status != "INACTIVE"
            for item in s.fields.get("capacityProviderStrategy", [])}
    if (set(cluster.fields["capacityProviders"]) - set(fields["capacityProviders"])) & used:
        raise AwsError("ResourceInUseException", "The specified capacity provider is in use and "
                       "cannot be removed.")
    cluster.fields.update(fields)
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
