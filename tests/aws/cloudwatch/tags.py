"""Tags of alarms and dashboards.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call
from .model import ACTIONS, TAGS_MOST, alarms_of, dashboards_of, tags_read


def _tags(call: Call) -> dict[str, str]:
    """The tags of the resource that the call names."""
    arn = call.input["ResourceARN"]
    for resource in [*alarms_of(call).by_name.values(), *dashboards_of(call).by_name.values()]:
        if resource.arn == arn:
            return resource.tags
    if not arn.startswith("arn:aws:cloudwatch:"):
        raise AwsError("InvalidParameterValue", f"Invalid ARN: {arn}")
    raise AwsError("ResourceNotFoundException", "The named resource does not exist.", 404)


@ACTIONS.action("TagResource")
def tag(call: Call) -> dict[str, Any]:
    tags = _tags(call)
    new = {**tags, **tags_read(call.input["Tags"])}
    if len(new) > TAGS_MOST:
        raise AwsError("InvalidParameterValue", f"A resource has at most {TAGS_MOST} tags.")
    tags.update(new)
    return {}


@ACTIONS.action("UntagResource")
def untag(call: Call) -> dict[str, Any]:
    tags = _tags(call)
    for key in call.input["TagKeys"]:
        tags.pop(key, None)
    return {}


@ACTIONS.action("ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    return {"Tags": [{"Key": k, "Value": v} for k, v in _tags(call).items()]}
