# SPDX-License-Identifier: MIT
"""What somebody changed by hand is put back; what berth does not manage is left alone.

The calls that change things by hand are boto3's, one for each field that the drivers' pages in
docs/drivers/ say berth manages.
"""

from __future__ import annotations

from typing import Any

import pytest

from world import ENVIRONMENT, World

NAME = f"{ENVIRONMENT}-bruin-bridge"


@pytest.fixture
def small(ready: World) -> World:
    """An environment of one service that is in Cloud Map, deployed."""
    ready.keep_services("bruin-bridge")
    ready.deploy()
    return ready


def group_of(world: World) -> dict[str, Any]:
    [group] = world.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [NAME]}])["SecurityGroups"]
    return group


def namespace_of(world: World) -> dict[str, Any]:
    [namespace] = [n for n in world.aws.client("servicediscovery").list_namespaces()["Namespaces"]
                   if n["Name"] == f"{ENVIRONMENT}.local"]
    return namespace


def discovery_of(world: World) -> dict[str, Any]:
    [service] = world.aws.client("servicediscovery").list_services(
        Filters=[{"Name": "NAMESPACE_ID", "Values": [namespace_of(world)["Id"]]}])["Services"]
    return service


def service_state(world: World) -> dict[str, Any]:
    """The service without what every deployment changes, and without defaults said aloud."""
    passing = {"deployments", "events", "taskDefinition", "currentServiceDeployment",
               "currentServiceRevisions"}
    state = {k: v for k, v in world.service("bruin-bridge").items() if k not in passing}
    for default in ("alarms", "lifecycleHooks", "strategy"):
        said = state["deploymentConfiguration"].pop(default, None)
        assert not said or said == "ROLLING" or said["enable"] is False
    assert state.pop("healthCheckGracePeriodSeconds", 0) in (0, None)
    return state


def settle(world: World) -> None:
    """A deploy, after which the next one finds nothing to do."""
    world.deploy()
    world.aws.record_clear()
    world.deploy()
    assert world.writes() == []


@pytest.mark.parametrize("change", [
    {"desiredCount": 5},
    {"deploymentConfiguration": {"maximumPercent": 150, "minimumHealthyPercent": 50}},
    {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}},
    {"enableExecuteCommand": True},
    {"propagateTags": "TASK_DEFINITION"},
    {"enableECSManagedTags": False},
    {"availabilityZoneRebalancing": "DISABLED"},
    {"healthCheckGracePeriodSeconds": 60},
    {"serviceRegistries": []},
    {"serviceConnectConfiguration": {"enabled": True, "namespace": f"{ENVIRONMENT}.local"}},
], ids=lambda change: "".join(change))
def test_a_services_settings_are_put_back(small: World, change: dict[str, Any]) -> None:
    before = service_state(small)
    small.aws.client("ecs").update_service(cluster=ENVIRONMENT, service=NAME, **change)
    settle(small)
    assert service_state(small) == before
    primary = small.service("bruin-bridge")["deployments"][0]
    assert not primary.get("serviceConnectConfiguration", {}).get("enabled")


def test_the_network_and_an_older_revision_are_put_back(small: World) -> None:
    ecs, before = small.aws.client("ecs"), service_state(small)
    network = before["networkConfiguration"]["awsvpcConfiguration"]
    wrong = {**network, "subnets": network["subnets"][:1], "assignPublicIp": "ENABLED"}
    first = small.service("bruin-bridge")["taskDefinition"]
    spec = small.spec()
    spec["services"]["bruin-bridge"]["environment"]["NEW"] = "1"
    small.write_spec(spec)
    small.deploy()
    second = small.service("bruin-bridge")["taskDefinition"]
    ecs.update_service(cluster=ENVIRONMENT, service=NAME, taskDefinition=first,
                       networkConfiguration={"awsvpcConfiguration": wrong})
    settle(small)
    assert small.service("bruin-bridge")["taskDefinition"] == second != first
    assert service_state(small)["networkConfiguration"] == before["networkConfiguration"]


def test_rules_are_put_back_and_egress_is_left_alone(small: World) -> None:
    ec2, before = small.aws.client("ec2"), group_of(small)
    group = before["GroupId"]
    by_hand = [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "198.51.100.0/24", "Description": "x"}]},
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
        {"IpProtocol": "udp", "FromPort": 1, "ToPort": 65535,
         "UserIdGroupPairs": [{"GroupId": group}]},
    ]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=by_hand)
    [web] = [p for p in before["IpPermissions"] if p.get("FromPort") == 5000]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[web])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
         "IpRanges": [{"CidrIp": "198.51.100.0/24"}]}])
    ec2.create_tags(Resources=[group], Tags=[{"Key": "Owner", "Value": "ops"}])
    settle(small)
    after = group_of(small)
    assert rules(after) == rules(before)
    assert len(after["IpPermissionsEgress"]) == len(before["IpPermissionsEgress"]) + 1
    assert {"Key": "Owner", "Value": "ops"} in after["Tags"]


def rules(group: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {(p["IpProtocol"], p.get("FromPort"), p.get("ToPort"), kind, str(sorted(source.items())))
            for p in group["IpPermissions"]
            for kind in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs") for source in p[kind]}


def test_cluster_logs_and_names_are_put_back(small: World) -> None:
    logs, sd, ecs = (small.aws.client(s) for s in ("logs", "servicediscovery", "ecs"))
    filters = sorted(f["filterName"] for f in
                     logs.describe_metric_filters(logGroupName=ENVIRONMENT)["metricFilters"])
    ecs.update_cluster_settings(cluster=ENVIRONMENT, settings=[
        {"name": "containerInsights", "value": "disabled"}])
    logs.put_retention_policy(logGroupName=ENVIRONMENT, retentionInDays=7)
    logs.delete_metric_filter(logGroupName=ENVIRONMENT, filterName=filters[0])
    logs.put_metric_filter(
        logGroupName=ENVIRONMENT, filterName="by-hand", filterPattern="x",
        metricTransformations=[{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}])
    sd.update_service(Id=discovery_of(small)["Id"], Service={
        "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 300}]}})
    settle(small)
    [cluster] = ecs.describe_clusters(clusters=[ENVIRONMENT], include=["SETTINGS"])["clusters"]
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    [group] = logs.describe_log_groups(logGroupNamePrefix=ENVIRONMENT)["logGroups"]
    assert group["retentionInDays"] == 30
    assert filters == sorted(f["filterName"] for f in logs.describe_metric_filters(
        logGroupName=ENVIRONMENT)["metricFilters"])
    assert discovery_of(small)["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 10}]


def test_a_log_group_deleted_by_hand_comes_back_whole(small: World) -> None:
    logs = small.aws.client("logs")
    before = logs.describe_metric_filters(logGroupName=ENVIRONMENT)["metricFilters"]
    logs.delete_log_group(logGroupName=ENVIRONMENT)
    settle(small)
    after = logs.describe_metric_filters(logGroupName=ENVIRONMENT)["metricFilters"]
    assert [f["filterName"] for f in after] == [f["filterName"] for f in before]
    [group] = logs.describe_log_groups(logGroupNamePrefix=ENVIRONMENT)["logGroups"]
    assert group["retentionInDays"] == 30


def test_a_namespace_deleted_by_hand_is_made_anew(small: World) -> None:
    """Its id of old is in the service's registry; Cloud Map remembers the request that made it."""
    sd, ecs = small.aws.client("servicediscovery"), small.aws.client("ecs")
    old = namespace_of(small)["Id"]
    ecs.delete_service(cluster=ENVIRONMENT, service=NAME, force=True)
    for instance in sd.list_instances(ServiceId=discovery_of(small)["Id"])["Instances"]:
        sd.deregister_instance(ServiceId=discovery_of(small)["Id"], InstanceId=instance["Id"])
    sd.delete_service(Id=discovery_of(small)["Id"])
    sd.delete_namespace(Id=old)
    settle(small)
    assert namespace_of(small)["Id"] != old
    registry = small.service("bruin-bridge")["serviceRegistries"][0]["registryArn"]
    assert registry == discovery_of(small)["Arn"]


def test_members_of_a_service_settle_and_go_back(small: World) -> None:
    """Service Connect is told of the deployment alone; the order of subnets is nobody's."""
    before, spec = service_state(small), small.spec()
    subnets = before["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    spec["services"]["bruin-bridge"]["service"] = {
        "serviceConnectConfiguration": {"enabled": True, "namespace": f"{ENVIRONMENT}.local"},
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": sorted(subnets, reverse=True)}},
    }
    spec["services"]["bruin-bridge"]["taskDefinition"] = {"cpu": "1 vCPU", "memory": "2 GB"}
    small.write_spec(spec)
    settle(small)
    deployment = small.service("bruin-bridge")["deployments"][0]
    assert deployment["serviceConnectConfiguration"]["enabled"] is True
    del spec["services"]["bruin-bridge"]["service"]
    small.write_spec(spec)
    settle(small)
    deployment = small.service("bruin-bridge")["deployments"][0]
    assert not deployment.get("serviceConnectConfiguration", {}).get("enabled")
    assert service_state(small) == before


def test_every_creations_answer_may_be_lost(world: World) -> None:
    """Carried out, but not answered: the repetition neither fails nor makes a second one."""
    world.keep_services("bruin-bridge", "notifier")
    for service, action in (("ecr", "CreateRepository"), ("iam", "CreateRole"),
                            ("iam", "PutRolePolicy")):
        world.aws.fault(service=service, action=action, nth=1, fault="lost")
    world.basic_infra()
    world.put_images()
    for service, action in (
            ("ec2", "CreateSecurityGroup"), ("ec2", "AuthorizeSecurityGroupIngress"),
            ("logs", "CreateLogGroup"), ("logs", "PutMetricFilter"), ("ecs", "CreateCluster"),
            ("servicediscovery", "CreatePrivateDnsNamespace"),
            ("servicediscovery", "CreateService"), ("ecs", "RegisterTaskDefinition"),
            ("ecs", "CreateService")):
        world.aws.fault(service=service, action=action, nth=1, fault="lost")
    world.deploy()
    world.aws.clear_faults()
    world.aws.record_clear()
    world.deploy()
    assert world.writes() == []
    assert len(world.aws.client("servicediscovery").list_namespaces()["Namespaces"]) == 1
