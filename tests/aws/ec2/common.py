"""What EC2's actions have in common: refusals, tags, filters, pages, moto's store."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.ec2.models import ec2_backends

from ..errors import AwsError
from ..registry import Call, Service, paged

# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
ACTIONS = Service("ec2", throttle=("RequestLimitExceeded", 503), invalid="InvalidParameterValue")


def backend(account: str, region: str) -> Any:
    return ec2_backends[account][region]


def refuse(code: str, message: str) -> AwsError:
    return AwsError(code, message)


def dry_run(call: Call) -> None:
    if call.input.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.",
                       412)


def tags_of(given: dict[str, Any], kind: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for specification in given.get("TagSpecifications", []):
        if specification.get("ResourceType") != kind:
            raise refuse("InvalidParameterValue", f"'{specification.get('ResourceType')}' is not "
                         "a valid taggable resource type for this operation.")
        for tag in specification.get("Tags", []):
            tag_check(tag)
            if tag["Key"] in tags:
                raise refuse("InvalidParameterValue",
                             f"Duplicate tag key '{tag['Key']}' specified.")
            tags[tag["Key"]] = tag.get("Value", "")
    if len(tags) > 50:
        raise refuse("TagLimitExceeded", "The maximum number of Tags for a resource has been "
                     "reached.")
    return tags


def tag_check(tag: dict[str, str]) -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions; the words
    are those of iriusrisk/GoCD-EC2-Elastic-Agent-Plugin#24."""
    if tag["Key"].lower().startswith("aws:"):
        raise refuse("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for "
                     "internal use")
    for member, most in (("Key", 128), ("Value", 256)):
        if len(tag.get(member, "")) > most:
            raise refuse("InvalidParameterValue", f"Tag {member.lower()} exceeds the maximum length "
                         f"of {most} characters")


def tags_show(resource: Any) -> list[dict[str, str]]:
    return [{"Key": tag["key"], "Value": tag["value"]} for tag in resource.get_tags()]


def matches(patterns: list[str], values: list[Any]) -> bool:
    """EC2's filters: any of the values fits any of the patterns, with * and ?."""
    texts = ["^" + re.escape(p).replace(r"\*", ".*").replace(r"\?", ".") + "$" for p in patterns]
    return any(re.match(text, str(value)) for text in texts for value in values
               if value is not None)


def filtered(items: list[Any], filters: list[dict[str, Any]],
             known: dict[str, Callable[[Any], list[Any]]]) -> list[Any]:
    for one in filters:
        name, values = one.get("Name", ""), one.get("Values", [])
        if name.startswith("tag:"):
            key = name[4:]
            items = [i for i in items if matches(values, [
                t["value"] for t in i.get_tags() if t["key"] == key])]
        elif name in known:
            items = [i for i in items if matches(values, known[name](i))]
        else:
            raise refuse("InvalidParameterValue", f"The filter '{name}' is invalid")
    return items


def page_of(items: list[Any], call: Call) -> tuple[list[Any], dict[str, str]]:
    """EC2's pages: everything unless MaxResults is given, which is 5 to 1000."""
    size = call.input.get("MaxResults")
    if size is not None and not 5 <= size <= 1000:
        raise refuse("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is "
                     "invalid. Expecting a value between 5 and 1000.")
    return paged(items, call, "MaxResults", "NextToken", max(1000, len(items)),
                 max(1000, len(items)),
                 lambda text: refuse("InvalidNextToken", text))
