# SPDX-License-Identifier: MIT
"""What boto3 sees of a load balancer, and how tests change what is asked for."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from world import ENVIRONMENT, World

GRAFANA = f"{ENVIRONMENT}-mts-grafana"


class Balanced:
    """What boto3 sees of the environment's load balancer."""

    def __init__(self, world: World) -> None:
        self.world, self.elb = world, world.aws.client("elbv2")

    @property
    def balancer(self) -> dict[str, Any]:
        return self.elb.describe_load_balancers(Names=[ENVIRONMENT])["LoadBalancers"][0]

    def listeners(self) -> dict[int, dict[str, Any]]:
        found = self.elb.describe_listeners(LoadBalancerArn=self.balancer["LoadBalancerArn"])
        return {listener["Port"]: listener for listener in found["Listeners"]}

    def rules(self, port: int = 443) -> dict[str, dict[str, Any]]:
        found = self.elb.describe_rules(ListenerArn=self.listeners()[port]["ListenerArn"])["Rules"]
        return {rule["Priority"]: rule for rule in found if not rule["IsDefault"]}

    def groups(self) -> dict[str, dict[str, Any]]:
        found = self.elb.describe_target_groups()["TargetGroups"]
        return {group["TargetGroupName"]: group for group in found
                if group["TargetGroupName"].startswith(ENVIRONMENT)}

    def tags(self, arn: str) -> dict[str, str]:
        [found] = self.elb.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        return {tag["Key"]: tag["Value"] for tag in found["Tags"]}

    def attributes(self, group: str = "") -> dict[str, str]:
        if group:
            found = self.elb.describe_target_group_attributes(
                TargetGroupArn=self.groups()[group]["TargetGroupArn"])
        else:
            found = self.elb.describe_load_balancer_attributes(
                LoadBalancerArn=self.balancer["LoadBalancerArn"])
        return {a["Key"]: a["Value"] for a in found["Attributes"]}

    def health(self, group: str = GRAFANA) -> list[str]:
        found = self.elb.describe_target_health(
            TargetGroupArn=self.groups()[group]["TargetGroupArn"])["TargetHealthDescriptions"]
        return sorted(t["TargetHealth"]["State"] for t in found)

    def inbound(self) -> dict[str, Any]:
        [group] = self.world.aws.client("ec2").describe_security_groups(Filters=[
            {"Name": "group-name", "Values": [f"{ENVIRONMENT}-inbound"]}])["SecurityGroups"]
        return group


def change(world: World, edit: Callable[[dict[str, Any]], Any]) -> None:
    spec = world.spec()
    edit(spec)
    world.write_spec(spec)


def writes(world: World) -> list[str]:
    """Without the cluster's tag that names the pipeline."""
    return [w.removeprefix("elasticloadbalancing.") for w in world.writes()
            if w != "ecs.TagResource"]


@pytest.fixture(scope="module")
def small_saved(endpoint: Any, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a saved state: Grafana behind its load balancer, deployed."""
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("small"))
    world.keep_services("metrics-grafana")
    world.deploy()
    endpoint.save("grafana")
    return "grafana"


@pytest.fixture
def small(endpoint: Any, small_saved: str, tmp_path: Any) -> World:
    endpoint.restore(small_saved)
    world = World(endpoint, tmp_path)
    world.keep_services("metrics-grafana")
    world.aws.record_clear()
    return world


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(spec: dict[str, Any]) -> None:
        at = spec
        for step in path[:-1]:
            at = at.setdefault(step, {})
        if value is None:
            at.pop(path[-1], None)
        else:
            at[path[-1]] = value
    return edit


def rule(priority: int, **conditions: Any) -> dict[str, Any]:
    return {"priority": priority, "action": {"forward": "mts-grafana"}, **conditions}


def put_rules(world: World, **rules: dict[str, Any]) -> None:
    change(world, put("loadBalancer", "listeners", "443", "rules", value=rules))


def ipv6_give(ec2: Any, vpc: str) -> None:
    """IPv6 addresses for all subnets of a VPC, which a load balancer of both kinds needs."""
    given = ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
    block = ipaddress.ip_network(given["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"])
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    for subnet, part in zip(subnets, block.subnets(new_prefix=64)):
        ec2.associate_subnet_cidr_block(SubnetId=subnet["SubnetId"], Ipv6CidrBlock=str(part))
