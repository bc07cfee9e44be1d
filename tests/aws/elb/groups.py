"""Target groups.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
"""

from __future__ import annotations

import copy
import re
from typing import Any

from .. import ec2
from ..errors import AwsError
from ..registry import Call
from .attributes import GROUP, attributes_show, attributes_update
from .model import ACTIONS, Elb, Group, name_check, page_of, refuse, store_of, tags_check

CHECK = {"HealthCheckProtocol": "HTTP", "HealthCheckPort": "traffic-port",
         "HealthCheckEnabled": True, "HealthCheckPath": "/", "HealthCheckIntervalSeconds": 30,
         "HealthCheckTimeoutSeconds": 5, "HealthyThresholdCount": 5, "UnhealthyThresholdCount": 2,
         "Matcher": {"HttpCode": "200"}}


def _fields(elb: Elb, given: dict[str, Any]) -> dict[str, Any]:
    """A new group as AWS completes it, or the error."""
    name_check("Target group", given["Name"])
    if given.get("Protocol") not in ("HTTP", "HTTPS"):
        raise refuse("A target group's protocol must be HTTP or HTTPS for an application load "
                     "balancer")
    if "Port" not in given:
        raise refuse("A port must be specified")
    vpc = given.get("VpcId")
    if vpc is None:
        raise refuse("A VPC ID must be specified")
    if vpc not in ec2.backend(elb.account, elb.region).vpcs:
        raise refuse(f"The VPC ID '{vpc}' is not found")
    fields: dict[str, Any] = {
        "TargetGroupName": given["Name"], "Protocol": given["Protocol"], "Port": given["Port"],
        "VpcId": vpc, "TargetType": given.get("TargetType", "instance"),
        "ProtocolVersion": given.get("ProtocolVersion", "HTTP1"),
        "IpAddressType": given.get("IpAddressType", "ipv4"),
        **{m: copy.deepcopy(given.get(m, default)) for m, default in CHECK.items()}}
    _check(fields)
    return fields


def _check(fields: dict[str, Any]) -> None:
    interval, timeout = (fields[f"HealthCheck{m}Seconds"] for m in ("Interval", "Timeout"))
    if timeout >= interval:
        raise refuse(f"Health check interval '{interval}' must be greater than the timeout "
                     f"'{timeout}'")
    if not fields["HealthCheckPath"].startswith("/"):
        raise refuse(f"Health check path '{fields['HealthCheckPath']}' must begin with a '/' "
                     "character, and can only contain printable ASCII characters")
    if fields["HealthCheckPort"] != "traffic-port" and not (
            fields["HealthCheckPort"].isdigit() and 1 <= int(fields["HealthCheckPort"]) <= 65535):
        raise refuse(f"Health check port '{fields['HealthCheckPort']}' must be between 1 and "
                     "65535, or 'traffic-port'")
    codes = fields["Matcher"].get("HttpCode", "")
    if fields["ProtocolVersion"] != "GRPC" and not re.fullmatch(
            r"[2-4]\d\d([,-][2-4]\d\d)*", codes):
        raise refuse(f"Health check matcher HTTP code '{codes}' must be within '200-499' "
                     "inclusive")


def group_show(elb: Elb, group: Group) -> dict[str, Any]:
    return {"TargetGroupArn": group.arn, **group.fields,
            "LoadBalancerArns": [b.arn for b in elb.users(group)]}


@ACTIONS.action("CreateTargetGroup")
def create(call: Call) -> dict[str, Any]:
    """"Each call succeeds" that asks for the same settings under a name."""
    elb, given = store_of(call), call.input
    fields, tags = _fields(elb, given), tags_check(given.get("Tags", []))
    there = next((g for g in elb.groups.values() if g.name == given["Name"]), None)
    if there is not None:
        if there.fields != fields:
            raise AwsError("DuplicateTargetGroupName", "A target group with the same name "
                           f"'{there.name}' exists, but with different settings")
        return {"TargetGroups": [group_show(elb, there)]}
    if len(elb.groups) >= 3000:
        raise AwsError("TooManyTargetGroups", "You've reached the limit on the number of target "
                       "groups for your account")
    group = Group(elb.arn("targetgroup", given["Name"]), fields, tags, dict(GROUP))
    elb.groups[group.arn] = group
    return {"TargetGroups": [group_show(elb, group)]}


@ACTIONS.action("DescribeTargetGroups")
def describe(call: Call) -> dict[str, Any]:
    elb, given = store_of(call), call.input
    found = list(elb.groups.values())
    if len([m for m in ("LoadBalancerArn", "TargetGroupArns", "Names") if given.get(m)]) > 1:
        raise refuse("Target group names, target group ARNs, and a load balancer ARN cannot be "
                     "specified at the same time")
    for name in given.get("Names", []):
        if all(group.name != name for group in found):
            raise AwsError("TargetGroupNotFound", f"One or more target groups not found: {name}")
    if given.get("Names"):
        found = [g for g in found if g.name in given["Names"]]
    if given.get("TargetGroupArns"):
        found = [elb.group(arn) for arn in given["TargetGroupArns"]]
    if given.get("LoadBalancerArn"):
        balancer = elb.balancer(given["LoadBalancerArn"])
        found = [g for g in found if balancer in elb.users(g)]
    page, more = page_of(found, call)
    return {"TargetGroups": [group_show(elb, group) for group in page], **more}


@ACTIONS.action("ModifyTargetGroup")
def modify(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    group = elb.group(call.input["TargetGroupArn"])
    fields = {**group.fields, **{m: v for m, v in call.input.items() if m in CHECK}}
    _check(fields)
    group.fields = fields
    return {"TargetGroups": [group_show(elb, group)]}


@ACTIONS.action("DeleteTargetGroup")
def delete(call: Call) -> dict[str, Any]:
    """Refused while a listener or rule uses it, and for a moment longer: what one part of AWS has
    removed another still knows (terraform-provider-aws retries for two minutes)."""
    elb = store_of(call)
    group = elb.groups.get(call.input["TargetGroupArn"])
    if group is None:
        return {}
    if elb.users(group) or group.busy_until > elb.world.clock.now():
        raise AwsError("ResourceInUse", f"Target group '{group.arn}' is currently in use by a "
                       "listener or a rule")
    del elb.groups[group.arn]
    return {}


@ACTIONS.action("DescribeTargetGroupAttributes")
def describe_attributes(call: Call) -> dict[str, Any]:
    group = store_of(call).group(call.input["TargetGroupArn"])
    return {"Attributes": attributes_show(group.attributes)}


@ACTIONS.action("ModifyTargetGroupAttributes")
def modify_attributes(call: Call) -> dict[str, Any]:
    group = store_of(call).group(call.input["TargetGroupArn"])
    attributes_update("Target group", group.attributes, call.input["Attributes"])
    return {"Attributes": attributes_show(group.attributes)}
