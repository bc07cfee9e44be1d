"""Tags of all kinds.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html
"""

from __future__ import annotations

from typing import Any

from ..registry import Call
from .model import ACTIONS, Elb, refuse, store_of, tags_check


def tagged(elb: Elb, arn: str) -> dict[str, str]:
    kind = arn.split(":", 5)[5].partition("/")[0] if arn.count(":") >= 5 else ""
    if kind == "loadbalancer":
        return elb.balancer(arn).tags
    if kind == "listener":
        return elb.listener(arn).tags
    if kind == "listener-rule":
        return elb.rule(arn)[1].tags
    if kind == "targetgroup":
        return elb.group(arn).tags
    raise refuse(f"'{arn}' is not a valid load balancer ARN")


def _all(call: Call) -> list[tuple[str, dict[str, str]]]:
    arns = call.input["ResourceArns"]
    if len(arns) > 20:
        raise refuse("Cannot have more than 20 resources described")
    return [(arn, tagged(store_of(call), arn)) for arn in arns]


@ACTIONS.action("DescribeTags")
def describe(call: Call) -> dict[str, Any]:
    return {"TagDescriptions": [
        {"ResourceArn": arn, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        for arn, tags in _all(call)]}


@ACTIONS.action("AddTags")
def add(call: Call) -> dict[str, Any]:
    new = tags_check(call.input["Tags"])
    for _, tags in _all(call):
        tags_check([{"Key": key} for key in {**tags, **new}])
        tags.update(new)
    return {}


@ACTIONS.action("RemoveTags")
def remove(call: Call) -> dict[str, Any]:
    for _, tags in _all(call):
        for key in call.input["TagKeys"]:
            tags.pop(key, None)
    return {}
