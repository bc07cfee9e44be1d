"""Alarms: put whole, in the state INSUFFICIENT_DATA at first, listed in pages.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
"""

from __future__ import annotations

import copy
from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .checks import alarm_check
from .model import ACTIONS, Alarm, Alarms, alarms_of, clash, refuse, tags_read

LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions")


def alarm_get(store: Alarms, name: str) -> Alarm:
    if name not in store.by_name:
        raise AwsError("ResourceNotFound", f"Alarm {name} not found", 404)
    return store.by_name[name]


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """What DescribeAlarms gives of an input: lists are there, also where nothing was said."""
    fields = {k: copy.deepcopy(v) for k, v in given.items() if k != "Tags"}
    fields.setdefault("ActionsEnabled", True)
    for member in LISTS:
        if member != "Dimensions" or "MetricName" in given:
            fields.setdefault(member, [])
    for query in fields.get("Metrics", []):
        query.setdefault("ReturnData", True)
    return fields


@ACTIONS.action("PutMetricAlarm")
def put_alarm(call: Call) -> dict[str, Any]:
    """"If you are using this operation to update an existing alarm, any tags you specify in this
    parameter are ignored"; its state stays."""
    store, given = alarms_of(call), call.input
    alarm_check(given, call.region)
    tags = tags_read(given.get("Tags", []))
    now, name = round(store.world.clock.now(), 3), given["AlarmName"]
    old = store.by_name.get(name)
    if old is not None:
        kept = {k: v for k, v in old.fields.items() if k.startswith(("State", "AlarmArn"))}
        old.fields = {**_fields(given), **kept, "AlarmConfigurationUpdatedTimestamp": now}
        return {}
    arn = f"arn:aws:cloudwatch:{store.region}:{store.account}:alarm:{name}"
    store.by_name[name] = Alarm({
        **_fields(given), "AlarmArn": arn, "AlarmConfigurationUpdatedTimestamp": now,
        "StateValue": "INSUFFICIENT_DATA", "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": now, "StateTransitionedTimestamp": now}, tags)
    return {}


def bad_page(message: str) -> AwsError:
    return AwsError("InvalidNextToken" if "NextToken" in message else "ValidationError", message)


@ACTIONS.action("DescribeAlarms")
def describe_alarms(call: Call) -> dict[str, Any]:
    store, given = alarms_of(call), call.input
    if "AlarmNames" in given and "AlarmNamePrefix" in given:
        raise clash("AlarmNamePrefix and AlarmNames cannot be specified together")
    found = [alarm.fields for _, alarm in sorted(store.by_name.items())
             if "MetricAlarm" in given.get("AlarmTypes", ["MetricAlarm"])]
    if "AlarmNames" in given:
        found = [f for f in found if f["AlarmName"] in given["AlarmNames"]]
    found = [f for f in found if f["AlarmName"].startswith(given.get("AlarmNamePrefix", ""))
             and f["StateValue"] == given.get("StateValue", f["StateValue"])]
    if "ActionPrefix" in given:
        found = [f for f in found if any(
            action.startswith(given["ActionPrefix"]) for action in f["AlarmActions"])]
    page, more = paged(found, call, "MaxRecords", "NextToken", 50, 100, bad_page)
    return {"MetricAlarms": page, "CompositeAlarms": [], **more}


@ACTIONS.action("DeleteAlarms")
def delete_alarms(call: Call) -> dict[str, Any]:
    """"If you specify any incorrect alarm names, the alarms you specify with correct names are
    still deleted.\""""
    store = alarms_of(call)
    unknown = [n for n in call.input["AlarmNames"] if store.by_name.pop(n, None) is None]
    if unknown:
        raise AwsError("ResourceNotFound", f"Alarm {unknown[0]} not found", 404)
    return {}


@ACTIONS.action("SetAlarmState")
def set_state(call: Call) -> dict[str, Any]:
    alarm = alarm_get(alarms_of(call), call.input["AlarmName"])
    now = round(call.world.clock.now(), 3)
    alarm.fields |= {"StateValue": call.input["StateValue"], "StateUpdatedTimestamp": now,
                     "StateReason": call.input["StateReason"], "StateTransitionedTimestamp": now}
    return {}


def _enable(call: Call, enabled: bool) -> dict[str, Any]:
    store = alarms_of(call)
    if not call.input["AlarmNames"]:
        raise refuse("AlarmNames must not be empty")
    for name in call.input["AlarmNames"]:
        alarm_get(store, name).fields["ActionsEnabled"] = enabled
    return {}


@ACTIONS.action("EnableAlarmActions")
def enable_actions(call: Call) -> dict[str, Any]:
    return _enable(call, True)


@ACTIONS.action("DisableAlarmActions")
def disable_actions(call: Call) -> dict[str, Any]:
    return _enable(call, False)
