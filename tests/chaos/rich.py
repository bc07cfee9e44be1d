# SPDX-License-Identifier: MIT
"""What the example does not have, and a change of all that AWS can change in place: for calls that no
other scene knows."""

from __future__ import annotations

from aws.endpoint import ROLE_ARN
from balanced import rule
from world import PROJECT_ID, World

TOKEN = "/mettel/REDIS_TOKEN"


def make_rich(world: World) -> None:
    """A replication group with a token instead of a cluster, rules of a listener, and a host that
    takes a role."""
    world.aws.client("ssm").put_parameter(Name=TOKEN, Value="a-token-of-redis-1",
                                          Type="SecureString")
    spec = world.spec()
    spec["redis"] = {"engine": "valkey", "engineVersion": "8.0", "cacheNodeType": "cache.t3.small",
                     "replicas": 2, "transitEncryptionEnabled": True, "authToken": TOKEN}
    spec["loadBalancer"]["listeners"]["443"]["rules"] = {
        "stays": rule(1, path="/a"), "moves": rule(2, path="/b"), "goes": rule(3, path="/c")}
    world.write_spec(spec)
    world.config["projects"][str(PROJECT_ID)]["ephemeral"]["roleArn"] = ROLE_ARN
    world.write_config()


def change_rich(world: World) -> None:
    """Each kind in the ways in which it can change without being replaced."""
    spec = world.spec()
    spec["cluster"]["settings"] = [{"name": "containerInsights", "value": "disabled"}]
    spec["redis"] |= {"replicas": 1, "snapshotRetentionLimit": 2}
    spec["services"]["t7-bridge"]["discovery"] = {"ttl": 30}
    spec["stacks"]["notifications"]["parameters"]["OperatorEmail"] = "others@example.com"
    spec["logs"]["retentionInDays"] = 14
    spec["logs"]["metricFilters"].pop()
    del spec["alarms"]["metricAlarms"]["exceptions"]
    balancer = spec["loadBalancer"]
    balancer["allow"] = [{"port": [80, 443, 8222], "from": ["203.0.113.0/24"]}]
    balancer["attributes"] = {"idle_timeout.timeout_seconds": 120}
    balancer["subnets"] = "private"
    balancer["listeners"]["80"]["defaultAction"]["redirect"]["statusCode"] = "HTTP_302"
    balancer["listeners"]["443"]["rules"] = {
        "stays": rule(1, path="/d"), "moves": rule(5, path="/b"), "comes": rule(4, path="/e")}
    group = balancer["targetGroups"]["mts-grafana"]
    group["healthCheck"]["interval"] = 10
    group["attributes"] = {"deregistration_delay.timeout_seconds": 5}
    world.write_spec(spec)


def make_shared(world: World) -> None:
    """What all branches share: a repository and a role more than the example has."""
    spec = world.spec()
    spec["repositories"] = {"automation-tools": {}}
    spec["roles"]["tools"] = {"trust": "policies/ecs-tasks-trust.json", "description": "before",
                              "policies": {"stays": "policies/ecs-execution.json",
                                           "goes": "policies/ecs-service.json"}}
    world.write_spec(spec)


def change_shared(world: World) -> None:
    spec = world.spec()
    spec["repositories"]["automation-tools"] = {
        "imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
    spec["roles"]["tools"] = {"trust": "policies/ecs-trust.json", "description": "after",
                              "policies": {"stays": "policies/ecs-service.json",
                                           "comes": "policies/ecs-execution.json"}}
    world.write_spec(spec)
