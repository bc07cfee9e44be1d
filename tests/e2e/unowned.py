# SPDX-License-Identifier: MIT
"""Takes berth's ownership tags off an environment: what Terraform would have made.

Terraform of an environment like the example tags everything with Environment, and writes no TXT
record beside a DNS record.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from world import ENVIRONMENT, World


def is_ours(key: str) -> bool:
    return key.startswith("berth:")


def ours(tags: Iterable[dict[str, str]], key: str = "Key") -> list[str]:
    return [tag[key] for tag in tags if is_ours(tag[key])]


def arns(world: World, environment: str = ENVIRONMENT) -> dict[str, list[str]]:
    """What has the tag Environment, by service."""
    found: dict[str, list[str]] = {}
    pages = world.aws.client("resourcegroupstaggingapi").get_paginator("get_resources")
    for page in pages.paginate(TagFilters=[{"Key": "Environment", "Values": [environment]}]):
        for one in page["ResourceTagMappingList"]:
            if ours(one["Tags"]):
                arn = one["ResourceARN"]
                found.setdefault(arn.split(":")[2], []).append(arn)
    return found


def strip_stack(world: World, arn: str) -> None:
    client = world.aws.client("cloudformation")
    [stack] = client.describe_stacks(StackName=arn)["Stacks"]
    client.update_stack(
        StackName=arn, UsePreviousTemplate=True, Capabilities=stack.get("Capabilities", []),
        Parameters=[{"ParameterKey": p["ParameterKey"], "UsePreviousValue": True}
                    for p in stack.get("Parameters", [])],
        Tags=[tag for tag in stack["Tags"] if not is_ours(tag["Key"])])


def strip_one(world: World, service: str, arn: str, keys: list[str]) -> None:
    aws = world.aws
    if service == "ecs":
        aws.client("ecs").untag_resource(resourceArn=arn, tagKeys=keys)
    elif service == "ec2":
        aws.client("ec2").delete_tags(Resources=[arn.rpartition("/")[2]],
                                      Tags=[{"Key": key} for key in keys])
    elif service == "elasticloadbalancing":
        aws.client("elbv2").remove_tags(ResourceArns=[arn], TagKeys=keys)
    elif service == "elasticache":
        aws.client("elasticache").remove_tags_from_resource(ResourceName=arn, TagKeys=keys)
    elif service == "logs":
        aws.client("logs").untag_resource(resourceArn=arn, tagKeys=keys)
    elif service == "servicediscovery":
        aws.client("servicediscovery").untag_resource(ResourceARN=arn, TagKeys=keys)
    elif service == "cloudwatch":
        aws.client("cloudwatch").untag_resource(ResourceARN=arn, TagKeys=keys)
    elif service == "cloudformation":
        strip_stack(world, arn)
    elif service != "sns":  # a stack's topics have the stack's tags
        raise AssertionError(arn)


def owner_records(world: World, environment: str) -> list[tuple[str, dict[str, Any]]]:
    """The TXT records of an environment's DNS records, each with its zone."""
    own = environment.partition("-")[2]
    route53 = world.aws.client("route53")
    found = []
    for zone in route53.list_hosted_zones()["HostedZones"]:
        for page in route53.get_paginator("list_resource_record_sets").paginate(
                HostedZoneId=zone["Id"]):
            found += [(zone["Id"], record) for record in page["ResourceRecordSets"]
                      if record["Name"].startswith("_berth-") and own in record["Name"]]
    return found


def strip(world: World, environment: str = ENVIRONMENT) -> None:
    keys = ["berth:project", "berth:ref", "berth:name", "berth:pipeline", "berth:expires"]
    dashboards = world.aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
    found = arns(world, environment)
    # The index does not know dashboards.
    found.setdefault("cloudwatch", []).extend(
        d["DashboardArn"] for d in dashboards if d["DashboardName"].endswith(environment))
    for service, named in found.items():
        for arn in named:
            strip_one(world, service, arn, keys)
    for zone, record in owner_records(world, environment):
        world.aws.client("route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [
                {"Action": "DELETE", "ResourceRecordSet": record}]})
