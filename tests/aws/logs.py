"""CloudWatch Logs: what AWS refuses of groups, retention and filters, over moto's store.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html and
its kin. Streams and events are in `logevents`.
"""

from __future__ import annotations

import re
from typing import Any

from moto.logs.models import logs_backends

from . import logevents
from .errors import AwsError
from .logwriters import Writers
from .registry import Call, Raw, Service, paged

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
ACTIONS = Service("logs", throttle=("ThrottlingException", 400),
                  invalid="InvalidParameterException")
GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
# API_PutRetentionPolicy: "Possible values are ..."
RETENTION = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
             2922, 3288, 3653}
FILTERS_PER_GROUP = 100


def refuse(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def backend(call: Call) -> Any:
    return logs_backends[call.account][call.region]


def group_get(call: Call, name: str) -> Any:
    groups = backend(call).groups
    if name not in groups:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return groups[name]


@ACTIONS.action("CreateLogGroup")
def create_group(call: Call) -> Raw:
    name, tags = call.input["logGroupName"], call.input.get("tags", {})
    if not GROUP.fullmatch(name):
        raise refuse(f"1 validation error detected: Value '{name}' at 'logGroupName' failed to "
                     "satisfy constraint: Member must satisfy regular expression pattern: "
                     "[\\.\\-_/#A-Za-z0-9]+")
    if name.startswith("aws/"):
        raise refuse("Log groups starting with AWS/ are reserved for AWS.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise refuse("Tag keys must not start with 'aws:'.")
    if name in backend(call).groups:
        raise AwsError("ResourceAlreadyExistsException",
                       "The specified log group already exists")
    return call.forward()


@ACTIONS.action("DeleteLogGroup")
def delete_group(call: Call) -> Raw:
    """Its filters go with it (API_DeleteLogGroup)."""
    name = call.input["logGroupName"]
    group_get(call, name)
    for one in filters_of(call, name):
        backend(call).filters.metric_filters.remove(one)
    call.store(Writers).deleted(name)
    return call.forward()


@ACTIONS.action("DescribeLogGroups")
def describe_groups(call: Call) -> dict[str, Any]:
    given = call.input
    prefix, pattern = given.get("logGroupNamePrefix"), given.get("logGroupNamePattern")
    if prefix is not None and pattern is not None:
        raise refuse("LogGroup name prefix and LogGroup name pattern are mutually exclusive "
                     "parameters.")
    groups = [group for name, group in sorted(backend(call).groups.items())
              if name.startswith(prefix or "") and (pattern or "").lower() in name.lower()]
    names = [i.partition(":log-group:")[2].removesuffix(":*") if i.startswith("arn:") else i
             for i in given.get("logGroupIdentifiers", [])]
    if names:
        groups = [group for group in groups if group.name in names]
    page, more = paged(groups, call, "limit", "nextToken", 50, 50, refuse)
    token = {"nextToken": more["nextToken"]} if more else {}
    return {"logGroups": [group_show(call, group) for group in page], **token}


def group_show(call: Call, group: Any) -> dict[str, Any]:
    """`arn` ends with :*, `logGroupArn` does not (API_LogGroup)."""
    shown = {"logGroupName": group.name, "creationTime": group.creation_time,
             "metricFilterCount": len(filters_of(call, group.name)), "storedBytes": 0,
             "arn": f"{group.arn}:*", "logGroupArn": group.arn, "logGroupClass": "STANDARD"}
    if group.retention_in_days:
        shown["retentionInDays"] = int(group.retention_in_days)
    if group.kms_key_id:
        shown["kmsKeyId"] = group.kms_key_id
    return shown


@ACTIONS.action("PutRetentionPolicy")
def put_retention(call: Call) -> Raw:
    group_get(call, call.input["logGroupName"])
    if call.input["retentionInDays"] not in RETENTION:
        raise refuse(f"1 validation error detected: Value '{call.input['retentionInDays']}' at "
                     "'retentionInDays' failed to satisfy constraint: Member must satisfy enum "
                     f"value set: {sorted(RETENTION)}")
    return call.forward()


# --- streams and events ---

@ACTIONS.action("DescribeLogStreams")
def describe_streams(call: Call) -> dict[str, Any]:
    return logevents.streams_page(call, _of(call), refuse)


@ACTIONS.action("FilterLogEvents")
def filter_events(call: Call) -> dict[str, Any]:
    return logevents.filter_page(call, _of(call), refuse)


@ACTIONS.action("GetLogEvents")
def get_events(call: Call) -> dict[str, Any]:
    stream = _of(call).streams.get(call.input["logStreamName"])
    if stream is None:
        raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
    return logevents.events_page(call, stream, refuse)


def _of(call: Call) -> Any:
    """The group that is named, or whose ARN is given: either, but not both (API_GetLogEvents)."""
    name, identifier = call.input.get("logGroupName"), call.input.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise refuse("Specify either logGroupName or logGroupIdentifier.")
    return group_get(call, name or identifier.rpartition(":log-group:")[2] or identifier)


# --- metric filters ---

def filters_of(call: Call, group: str) -> list[dict[str, Any]]:
    return [f for f in backend(call).filters.metric_filters if f["logGroupName"] == group]


def filter_check(pattern: str, transformation: dict[str, Any]) -> None:
    """aws/aws-cdk#15047, aws-cloudformation/cfn-lint#1525, hashicorp/terraform-provider-aws#28881,
    aws-solutions-library-samples/guidance-for-claude-code-with-amazon-bedrock#632."""
    opening = pattern.strip()[:1]
    closing = {"{": "}", "[": "]"}.get(opening)
    if closing and (not pattern.strip().endswith(closing) or opening == "{" and "$" not in pattern):
        raise refuse("Invalid metric filter pattern")
    value = transformation["metricValue"]
    if not re.fullmatch(r"\$.+|-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value):
        raise refuse("Invalid metric transformation: metric value must be a number or begin with $")
    if "dimensions" in transformation and "defaultValue" in transformation:
        raise refuse("Invalid metric transformation: dimensions and default value are mutually "
                     "exclusive properties")
    if "dimensions" in transformation and not closing:
        raise refuse("The specified filter pattern does not support dimensions")


@ACTIONS.action("PutMetricFilter")
def put_filter(call: Call) -> dict[str, Any]:
    """Creates the filter or replaces it (API_PutMetricFilter); one transformation, no more."""
    given = call.input
    group, name = given["logGroupName"], given["filterName"]
    group_get(call, group)
    if len(given["metricTransformations"]) != 1:
        raise refuse("metricTransformations must have exactly one element.")
    if ":" in name or "*" in name:
        raise refuse("The filter name must match [^:*]*")
    filter_check(given["filterPattern"], given["metricTransformations"][0])
    present = filters_of(call, group)
    old = next((f for f in present if f["filterName"] == name), None)
    if old is None and len(present) >= FILTERS_PER_GROUP:
        raise AwsError("LimitExceededException", "Resource limit exceeded.")
    known = backend(call).filters.metric_filters
    if old is not None:
        known.remove(old)
    known.append({"filterName": name, "filterPattern": given["filterPattern"],
                  "logGroupName": group, "metricTransformations": given["metricTransformations"],
                  "creationTime": int(call.world.clock.now() * 1000)})
    return {}


@ACTIONS.action("DescribeMetricFilters")
def describe_filters(call: Call) -> dict[str, Any]:
    given = call.input
    if "logGroupName" in given:
        group_get(call, given["logGroupName"])
    if "filterNamePrefix" in given and "logGroupName" not in given:
        raise refuse("filterNamePrefix requires logGroupName.")
    if ("metricName" in given) != ("metricNamespace" in given):
        raise refuse("metricName and metricNamespace must be given together.")
    found = [f for f in backend(call).filters.metric_filters
             if f["logGroupName"] == given.get("logGroupName", f["logGroupName"])
             and f["filterName"].startswith(given.get("filterNamePrefix", ""))
             and ("metricName" not in given or any(
                 t["metricName"] == given["metricName"]
                 and t["metricNamespace"] == given["metricNamespace"]
                 for t in f["metricTransformations"]))]
    page, more = paged(sorted(found, key=lambda f: (f["logGroupName"], f["filterName"])), call,
                       "limit", "nextToken", 50, 50, refuse)
    return {"metricFilters": page, **more}


@ACTIONS.action("DeleteMetricFilter")
def delete_filter(call: Call) -> dict[str, Any]:
    group, name = call.input["logGroupName"], call.input["filterName"]
    group_get(call, group)
    found = [f for f in filters_of(call, group) if f["filterName"] == name]
    if not found:
        raise AwsError("ResourceNotFoundException", "The specified metric filter does not exist.")
    backend(call).filters.metric_filters.remove(found[0])
    return {}


# --- tags: by the ARN without :* (API_ListTagsForResource) ---

def _tagged(call: Call) -> Any:
    return group_get(call, call.input["resourceArn"].partition(":log-group:")[2])


@ACTIONS.action("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    if any(key.lower().startswith("aws:") for key in call.input["tags"]):
        raise refuse("Tag keys must not start with 'aws:'.")
    backend(call).tag_resource(_tagged(call).arn, call.input["tags"])
    return {}


@ACTIONS.action("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    backend(call).untag_resource(_tagged(call).arn, call.input["tagKeys"])
    return {}


@ACTIONS.action("ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    return {"tags": backend(call).list_tags_for_resource(_tagged(call).arn)}
