"""Tags and events.

Clusters and replication groups tell and take tags only while they are available, and a change of a
group's tags has it modifying for a moment: hashicorp/terraform-provider-aws#30444, #33859, #40320.
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call
from .model import (ACTIONS, Cache, Cluster, Group, SubnetGroup, page_of, refuse, store_of,
                    tags_check)


def _tagged(store: Cache, arn: str) -> SubnetGroup | Cluster | Group:
    parts = arn.split(":")
    if len(parts) != 7 or parts[2] != "elasticache":
        raise AwsError("InvalidARN", f"The ARN {arn} is not valid.")
    kind, name = parts[5], parts[6]
    if kind == "subnetgroup":
        return store.subnet_group(name)
    if kind == "cluster":
        cluster = store.cluster(name)
        if cluster.status not in ("available", "create-failed"):
            raise AwsError("CacheClusterNotFound",
                           f"{name} is either not present or not available.", 404)
        return cluster
    if kind == "replicationgroup":
        group = store.group(name)
        if group.status not in ("available", "create-failed"):
            raise AwsError("InvalidReplicationGroupState", "Cluster not in available state to "
                           "perform tagging operations.")
        return group
    raise AwsError("InvalidARN", f"The ARN {arn} is not one of a kind that is known here.")


def _changed(call: Call, one: SubnetGroup | Cluster | Group) -> dict[str, Any]:
    if isinstance(one, Group):
        store, clock = store_of(call), call.world.clock
        one.fields["Status"] = "modifying"
        clock.after(clock.duration("cache.tagging"),
                    lambda: one.fields.update(Status="available")
                    if one.name in store.groups else None)
    return {"TagList": one.tags}


@ACTIONS.action("ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    return {"TagList": _tagged(store_of(call), call.input["ResourceName"]).tags}


@ACTIONS.action("AddTagsToResource")
def add_tags(call: Call) -> dict[str, Any]:
    one = _tagged(store_of(call), call.input["ResourceName"])
    keys = {tag["Key"] for tag in call.input["Tags"]}
    one.tags = tags_check([t for t in one.tags if t["Key"] not in keys] + call.input["Tags"])
    return _changed(call, one)


@ACTIONS.action("RemoveTagsFromResource")
def remove_tags(call: Call) -> dict[str, Any]:
    one = _tagged(store_of(call), call.input["ResourceName"])
    one.tags = [t for t in one.tags if t["Key"] not in call.input["TagKeys"]]
    return _changed(call, one)


@ACTIONS.action("DescribeEvents")
def describe_events(call: Call) -> dict[str, Any]:
    """Of the last hour, or of `Duration` minutes."""
    store, given = store_of(call), call.input
    if "SourceIdentifier" in given and "SourceType" not in given:
        raise refuse("SourceType must be specified when SourceIdentifier is.")
    since = store.now() - 60 * given.get("Duration", 60)
    found = [e for e in store.events if e["Date"] >= since
             and e["SourceType"] == given.get("SourceType", e["SourceType"])
             and e["SourceIdentifier"] == given.get("SourceIdentifier", e["SourceIdentifier"])]
    page, more = page_of(found, call)
    return {"Events": page, **more}
