"""Tags of clusters, task definitions, services and tasks.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html: at most 50, keys
up to 128 characters, values up to 256, none that starts with aws:.
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call
from .model import ACTIONS, Ecs, invalid


def tags_check(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(tags) > 50:
        raise invalid("The number of tags exceeds the limit of 50.")
    keys = [tag.get("key", "") for tag in tags]
    if len(set(keys)) != len(keys):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    for tag in tags:
        if not 1 <= len(tag.get("key", "")) <= 128 or len(tag.get("value", "")) > 256:
            raise invalid("Invalid tag: a key has 1 to 128 characters, a value at most 256.")
        if tag["key"].lower().startswith("aws:"):
            raise invalid("Tag keys starting with 'aws:' are reserved for internal use.")
    return [{"key": tag["key"], "value": tag.get("value", "")} for tag in tags]


def _tagged(call: Call) -> Any:
    ecs: Ecs = call.store(Ecs)
    arn = call.input["resourceArn"]
    kind = arn.split(":")[5].partition("/")[0] if arn.count(":") >= 5 else ""
    if kind == "cluster":
        found: Any = ecs.cluster_find(arn)
        missing = AwsError("ClusterNotFoundException", "Cluster not found.")
    elif kind == "task-definition":
        found = ecs.definition_find(arn)
        missing = invalid("The specified task definition does not exist.")
    elif kind == "service":
        found = ecs.services.get(arn)
        missing = AwsError("ServiceNotFoundException", "Service not found.")
    else:
        found = ecs.tasks.get(arn)
        missing = AwsError("ResourceNotFoundException", "The specified resource was not found.")
    if found is None or getattr(found, "status", "ACTIVE") == "INACTIVE":
        raise missing
    return found


@ACTIONS.action("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    found = _tagged(call)
    given = tags_check(call.input["tags"])
    keys = {tag["key"] for tag in given}
    found.tags = tags_check([t for t in found.tags if t["key"] not in keys] + given)
    return {}


@ACTIONS.action("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    found = _tagged(call)
    found.tags = [t for t in found.tags if t["key"] not in call.input["tagKeys"]]
    return {}


@ACTIONS.action("ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    return {"tags": _tagged(call).tags}
