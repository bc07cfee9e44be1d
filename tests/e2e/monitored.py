# SPDX-License-Identifier: MIT
"""What boto3 sees of alarms and dashboards, and how tests change what is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from world import ENVIRONMENT, World

BODY = {"widgets": [{"type": "text", "x": 0, "y": 0, "width": 6, "height": 3,
                     "properties": {"markdown": "hello"}}]}
METRIC = {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Statistic": "Average",
          "Period": 60, "EvaluationPeriods": 3, "Threshold": 80,
          "ComparisonOperator": "GreaterThanThreshold"}


@pytest.fixture
def small(ready: World) -> World:
    """A world with one service, one alarm of the spec's own and the default dashboard."""
    ready.keep_services("notifier")
    change(ready, alarms={"runningTasks": True, "metricAlarms": {"cpu": METRIC}})
    return ready


def change(world: World, **members: Any) -> None:
    world.write_spec(world.spec() | members)


def alarms(world: World) -> dict[str, dict[str, Any]]:
    """The environment's alarms by the spec's names."""
    found = world.aws.client("cloudwatch").get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=ENVIRONMENT).build_full_result()["MetricAlarms"]
    return {a["AlarmName"].removeprefix(ENVIRONMENT + "-"): a for a in found}


def body(world: World, name: str = "cluster") -> Any:
    return json.loads(world.aws.client("cloudwatch").get_dashboard(
        DashboardName=f"{name}-{ENVIRONMENT}")["DashboardBody"])
