# SPDX-License-Identifier: MIT
"""Alarms and dashboards: exactly those that are asked for, put only when different, ours alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import mettel
from monitored import BODY, METRIC, alarms, body, change
from monitored import small  # noqa: F401
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World, environment_of

pytestmark = pytest.mark.by_the_clock

Spec = dict[str, Any]
TOPIC = "arn:aws:sns:us-east-1:123456789012:operators"
OURS = {"Environment": ENVIRONMENT, "berth:project": str(PROJECT_ID), "berth:ref": BRANCH}


def dashboards(world: World) -> list[str]:
    found = world.aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
    return [d["DashboardName"] for d in found]


def tags(world: World, arn: str) -> dict[str, str]:
    found = world.aws.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


def writes(world: World) -> list[str]:
    return [c["action"] for c in world.aws.calls(service="monitoring", writes=True)]


def planned(world: World) -> dict[str, str]:
    plan = world.berth_json("plan")
    return {r["address"].removeprefix("cloudwatch."): r["action"] for r in plan["resources"]
            if r["action"] != "none"}


def deploy(world: World) -> list[str]:
    """What a deploy writes to CloudWatch; the one after it writes nothing."""
    world.aws.record_clear()
    world.deploy()
    written = writes(world)
    world.aws.record_clear()
    world.deploy()
    assert world.writes() == []
    return written


# --- mettel's own ---

def test_sixteen_alarms_and_a_dashboard(ready: World) -> None:
    ready.deploy()
    found = alarms(ready)
    [stack] = ready.aws.client("cloudformation").describe_stacks(
        StackName=mettel.STACK.format(ENVIRONMENT))["Stacks"]
    [topic] = [o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == "TopicARN"]
    assert len(found) == 16 == len(mettel.SERVICES) + len(mettel.LOG_METRICS)
    metrics = {a["MetricName"]: a for a in found.values() if a["Namespace"] == "LogMetrics"}
    assert set(metrics) == {f"{name}-{ENVIRONMENT}" for name in mettel.LOG_METRICS}
    for alarm in metrics.values():
        assert alarm.items() >= mettel.LOG_ALARM.items() and alarm["Dimensions"] == []
    for name in mettel.SERVICES:
        alarm = found[f"running-tasks-{name}"]
        assert alarm.items() >= mettel.RUNNING_TASKS.items()
        assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
            "ServiceName": f"{ENVIRONMENT}-{name}", "ClusterName": ENVIRONMENT}
    for label, alarm in found.items():
        assert alarm["StateValue"] == "INSUFFICIENT_DATA" and alarm["ActionsEnabled"]
        assert alarm["AlarmActions"] == [topic]
        assert tags(ready, alarm["AlarmArn"]) == OURS | {"berth:name": label}
    check_dashboard(ready)


def check_dashboard(world: World) -> None:
    assert dashboards(world) == [f"cluster-{ENVIRONMENT}"]
    arn = f"arn:aws:cloudwatch::123456789012:dashboard/cluster-{ENVIRONMENT}"
    assert tags(world, arn) == OURS | {"berth:name": "cluster"}
    widgets = body(world)["widgets"]
    assert len(widgets) == 5
    for widget, expected in zip(widgets, mettel.WIDGETS):
        kind, *place, what = expected
        properties = widget["properties"]
        assert widget["type"] == kind
        assert [widget[m] for m in ("x", "y", "width", "height")] == place
        assert properties["region"] == "us-east-1"
        if kind == "log":
            assert f"SOURCE '{ENVIRONMENT}'" in properties["query"]
            assert what in properties["query"] and properties["view"] == "table"
            continue
        assert (properties["stat"], properties["period"]) == what[1:]
        assert properties["metrics"] == [
            ["ECS/ContainerInsights", what[0], "ServiceName", f"{ENVIRONMENT}-{name}",
             "ClusterName", ENVIRONMENT] for name in mettel.SERVICES]


def test_a_branch_leaves_the_others_alarms_alone(small: World) -> None:
    small.deploy()
    other = environment_of("dev/feature/other")
    small.deploy("dev/feature/other")
    assert set(dashboards(small)) == {f"cluster-{ENVIRONMENT}", f"cluster-{other}"}
    change(small, alarms={}, dashboards={})
    small.deploy("dev/feature/other")
    assert dashboards(small) == [f"cluster-{ENVIRONMENT}"]
    assert set(alarms(small)) == {"cpu", "running-tasks-notifier"}


# --- runningTasks ---

def running(world: World, *services: str, **members: Any) -> dict[str, dict[str, Any]]:
    world.keep_services(*services)
    change(world, alarms={"runningTasks": members or True})
    world.deploy()
    return alarms(world)


def test_a_threshold_follows_from_the_desired_count(ready: World) -> None:
    found = running(ready, "bruin-bridge", "notifier", "service-outage-monitor")
    assert {k: (a["Threshold"], a["ComparisonOperator"], a["Statistic"], a["Period"])
            for k, a in found.items()} == {
        "running-tasks-bruin-bridge": (2.0, "LessThanThreshold", "Average", 300),
        "running-tasks-notifier": (1.0, "LessThanThreshold", "Average", 300)}


def test_a_sum_counts_once_a_minute(ready: World) -> None:
    found = running(ready, "bruin-bridge", Statistic="Sum", Period=180)
    assert found["running-tasks-bruin-bridge"]["Threshold"] == 6.0


def test_a_service_may_differ_or_go_without(ready: World) -> None:
    found = running(ready, "bruin-bridge", "notifier", "service-outage-monitor", Threshold=3,
                    services={"bruin-bridge": {"Threshold": 1, "EvaluationPeriods": 5},
                              "notifier": False, "service-outage-monitor": True})
    assert {k: (a["Threshold"], a["EvaluationPeriods"]) for k, a in found.items()} == {
        "running-tasks-bruin-bridge": (1.0, 5), "running-tasks-service-outage-monitor": (3.0, 2)}


def test_alarms_have_the_defaults(small: World) -> None:
    change(small, alarms={
        "defaults": {"AlarmActions": [TOPIC], "TreatMissingData": "breaching"},
        "runningTasks": True, "metricAlarms": {"cpu": METRIC | {"OKActions": [TOPIC]}}})
    small.deploy()
    assert all(a["AlarmActions"] == [TOPIC] and a["TreatMissingData"] == "breaching"
               for a in alarms(small).values())
    assert alarms(small)["cpu"]["OKActions"] == [TOPIC]


# --- changes: on one alarm, one after the other; a change of the spec, what is there then ---

QUERIES = [{"Id": "used", "Expression": "100 * m1 / m2", "Label": "share"},
           {"Id": "m1", "ReturnData": False, "MetricStat": {
               "Metric": {"Namespace": "N", "MetricName": "a", "Dimensions": [
                   {"Name": "B", "Value": "1"}, {"Name": "A", "Value": "2"}]},
               "Period": 60, "Stat": "Sum"}},
           {"Id": "m2", "ReturnData": False, "MetricStat": {
               "Metric": {"Namespace": "N", "MetricName": "b"}, "Period": 60, "Stat": "p90"}}]
ONE_METRIC = ("Namespace", "MetricName", "Statistic", "Period")
CHANGES: list[tuple[Spec, Callable[[dict[str, Any]], bool]]] = [
    ({"Threshold": 90.5}, lambda a: a["Threshold"] == 90.5),
    ({"AlarmDescription": "hot"}, lambda a: a["AlarmDescription"] == "hot"),
    ({"ActionsEnabled": False}, lambda a: a["ActionsEnabled"] is False),
    ({"AlarmActions": [TOPIC, TOPIC + "2"]}, lambda a: a["AlarmActions"] == [TOPIC, TOPIC + "2"]),
    ({"OKActions": [TOPIC]}, lambda a: a["OKActions"] == [TOPIC]),
    ({"InsufficientDataActions": [TOPIC]}, lambda a: a["InsufficientDataActions"] == [TOPIC]),
    ({"MetricName": "MemoryUtilization"}, lambda a: a["MetricName"] == "MemoryUtilization"),
    ({"Namespace": "Other"}, lambda a: a["Namespace"] == "Other"),
    ({"Dimensions": [{"Name": "B", "Value": "1"}, {"Name": "A", "Value": "2"}]},
     lambda a: {d["Name"] for d in a["Dimensions"]} == {"A", "B"}),
    ({"Period": 30}, lambda a: a["Period"] == 30),
    ({"Unit": "Percent"}, lambda a: a["Unit"] == "Percent"),
    ({"EvaluationPeriods": 4}, lambda a: a["EvaluationPeriods"] == 4),
    ({"DatapointsToAlarm": 2}, lambda a: a["DatapointsToAlarm"] == 2),
    ({"ComparisonOperator": "LessThanThreshold"},
     lambda a: a["ComparisonOperator"] == "LessThanThreshold"),
    ({"TreatMissingData": "ignore"}, lambda a: a["TreatMissingData"] == "ignore"),
    ({"Statistic": "Maximum"}, lambda a: a["Statistic"] == "Maximum"),
    ({"Statistic": None, "ExtendedStatistic": "p99.9", "EvaluateLowSampleCountPercentile": "ignore"},
     lambda a: a["ExtendedStatistic"] == "p99.9" and "Statistic" not in a
        and a["EvaluateLowSampleCountPercentile"] == "ignore"),
    ({**dict.fromkeys(ONE_METRIC), "Metrics": QUERIES},
     lambda a: len(a["Metrics"]) == 3 and "MetricName" not in a),
    ({**dict.fromkeys(ONE_METRIC), "Threshold": None, "ThresholdMetricId": "band",
      "ComparisonOperator": "GreaterThanUpperThreshold", "Metrics": [
          {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m, 2)"},
          {"Id": "m", "MetricStat": QUERIES[1]["MetricStat"]}]},
     lambda a: a["ThresholdMetricId"] == "band" and "Threshold" not in a),
    ({**dict.fromkeys([*ONE_METRIC, "Threshold", "ComparisonOperator", "EvaluationPeriods"]),
      "EvaluationInterval": 60, "EvaluationCriteria": {"PromQLCriteria": {"Query": "up == 0"}}},
     lambda a: a["EvaluationCriteria"] == {"PromQLCriteria": {"Query": "up == 0"}}),
]


def with_alarm(world: World, members: Spec) -> None:
    alarm = {k: v for k, v in {**METRIC, **members}.items() if v is not None}
    change(world, alarms={"metricAlarms": {"cpu": alarm}}, dashboards={})


def test_each_field_is_changed_in_place_and_back(small: World) -> None:
    """With the state and the tags kept; a field that is taken out has its default again."""
    with_alarm(small, {})
    small.deploy()
    small.aws.client("cloudwatch").set_alarm_state(
        AlarmName=f"{ENVIRONMENT}-cpu", StateValue="OK", StateReason="x")
    volatile = {"AlarmConfigurationUpdatedTimestamp"}
    plain = {k: v for k, v in alarms(small)["cpu"].items() if k not in volatile}
    for members, holds in [*CHANGES, ({}, bool)]:
        with_alarm(small, members)
        small.aws.record_clear()
        small.deploy()
        assert writes(small) == ["PutMetricAlarm"], members
        now = {k: v for k, v in alarms(small)["cpu"].items() if k not in volatile}
        assert holds(now) if members else now == plain, members
        assert {k: v for k, v in now.items() if k not in members} == {
            k: v for k, v in plain.items() if k not in members} or "MetricName" in members
        assert planned(small) == {}, members
    assert tags(small, plain["AlarmArn"]) == OURS | {"berth:name": "cpu"}


@pytest.mark.parametrize("members", [
    {"AlarmDescription": ""}, {"ActionsEnabled": True}, {"AlarmActions": []}, {"Dimensions": []},
    {"TreatMissingData": "missing"}, {"DatapointsToAlarm": 3}], ids=lambda m: next(iter(m)))
def test_a_default_said_aloud_is_no_change(small: World, members: Spec) -> None:
    with_alarm(small, {})
    small.deploy()
    with_alarm(small, members)
    assert planned(small) == {}


def test_the_order_of_a_set_is_no_change(small: World) -> None:
    dimensions = [{"Name": "B", "Value": "1"}, {"Name": "A", "Value": "2"}]
    with_alarm(small, {"Dimensions": dimensions, "AlarmActions": [TOPIC, TOPIC + "2"]})
    small.deploy()
    with_alarm(small, {"Dimensions": dimensions[::-1], "AlarmActions": [TOPIC + "2", TOPIC]})
    assert planned(small) == {}
    with_alarm(small, {**dict.fromkeys(ONE_METRIC), "Metrics": QUERIES})
    small.deploy()
    with_alarm(small, {**dict.fromkeys(ONE_METRIC), "Metrics": QUERIES[::-1]})
    assert planned(small) == {}


# --- what goes ---

def test_what_the_spec_drops_goes(small: World) -> None:
    change(small, dashboards={"cluster": True, "other": BODY})
    small.deploy()
    change(small, alarms={"runningTasks": True}, dashboards={"other": BODY})
    assert planned(small) == {"alarm/" + f"{ENVIRONMENT}-cpu": "remove",
                              "dashboard/" + f"cluster-{ENVIRONMENT}": "remove"}
    assert sorted(deploy(small)) == ["DeleteAlarms", "DeleteDashboards"]
    assert set(alarms(small)) == {"running-tasks-notifier"}
    assert dashboards(small) == [f"other-{ENVIRONMENT}"]


def test_a_service_takes_its_alarm_along(ready: World) -> None:
    """First the alarm, which would else tell of a service that nobody wants."""
    running(ready, "bruin-bridge", "notifier")
    ready.keep_services("notifier")
    ready.aws.record_clear()
    ready.deploy()
    assert set(alarms(ready)) == {"running-tasks-notifier"}
    assert f"{ENVIRONMENT}-bruin-bridge" not in json.dumps(body(ready))
    done = ready.writes()
    assert done.index("monitoring.DeleteAlarms") < done.index("ecs.DeleteService")


def test_alarms_go_together(small: World) -> None:
    """DeleteAlarms takes 100 names and three calls a second."""
    many = {f"a{i:02}": METRIC for i in range(30)}
    change(small, alarms={"metricAlarms": many}, dashboards={})
    small.config["rates"] = {"monitoring.PutMetricAlarm": 100}
    small.write_config()
    small.deploy()
    change(small, alarms={})
    small.aws.record_clear()
    small.deploy()
    calls = small.aws.calls(service="monitoring", action="DeleteAlarms")
    names = [name for call in calls for name in call["input"]["AlarmNames"]]
    assert sorted(names) == [f"{ENVIRONMENT}-{label}" for label in sorted(many)]
    assert len(calls) <= 10 and alarms(small) == {}


# --- drift ---

def watching(world: World) -> Any:
    """All alarms and dashboards with their tags."""
    found = world.aws.snapshot()
    return found["alarms"], found["dashboards"]


def test_what_was_changed_by_hand_is_put_back(small: World) -> None:
    small.deploy()
    before = watching(small)
    cloudwatch = small.aws.client("cloudwatch")
    cloudwatch.disable_alarm_actions(AlarmNames=[f"{ENVIRONMENT}-cpu"])
    cloudwatch.put_dashboard(DashboardName=f"cluster-{ENVIRONMENT}",
                             DashboardBody=json.dumps(BODY))
    cloudwatch.delete_alarms(AlarmNames=[f"{ENVIRONMENT}-running-tasks-notifier"])
    assert planned(small) == {"alarm/cpu": "update", "dashboard/cluster": "update",
                              "alarm/running-tasks-notifier": "create"}
    assert sorted(deploy(small)) == ["PutDashboard", "PutMetricAlarm", "PutMetricAlarm"]
    assert watching(small) == before


def test_a_name_in_the_tags_is_put_back_with_the_next_change(small: World) -> None:
    small.deploy()
    arn = alarms(small)["cpu"]["AlarmArn"]
    small.aws.client("cloudwatch").tag_resource(
        ResourceARN=arn, Tags=[{"Key": "berth:name", "Value": "x"}, {"Key": "team", "Value": "y"}])
    with_alarm(small, {"Threshold": 1})
    change(small, dashboards={"cluster": True})
    deploy(small)
    assert tags(small, arn) == OURS | {"berth:name": "cpu", "team": "y"}


def test_a_dashboard_is_compared_as_json(small: World) -> None:
    small.deploy()
    small.aws.client("cloudwatch").put_dashboard(
        DashboardName=f"cluster-{ENVIRONMENT}",
        DashboardBody=json.dumps(body(small), indent=4, sort_keys=True))
    assert planned(small) == {}


# --- whose they are ---

def put_foreign(world: World, label: str, **members: Any) -> None:
    given = METRIC | {"AlarmName": f"{ENVIRONMENT}-{label}"} | members
    world.aws.client("cloudwatch").put_metric_alarm(**given)


def test_a_foreign_alarm_is_a_conflict(small: World) -> None:
    put_foreign(small, "cpu", Threshold=1, Tags=[{"Key": "Environment", "Value": "other"}])
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1
    assert f"alarm '{ENVIRONMENT}-cpu' (Environment=other)" in refused.log
    assert small.writes() == []


def test_a_foreign_dashboard_is_a_conflict(small: World) -> None:
    small.aws.client("cloudwatch").put_dashboard(
        DashboardName=f"cluster-{ENVIRONMENT}", DashboardBody=json.dumps(BODY))
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1
    assert f"dashboard 'cluster-{ENVIRONMENT}' (without our tags)" in refused.log
    assert small.writes() == []


def test_foreign_ones_by_our_names_are_not_removed(small: World) -> None:
    put_foreign(small, "theirs")
    small.aws.client("cloudwatch").put_dashboard(
        DashboardName=f"theirs-{ENVIRONMENT}", DashboardBody=json.dumps(BODY))
    small.deploy()
    assert {"theirs", "cpu"} <= set(alarms(small))
    assert f"theirs-{ENVIRONMENT}" in dashboards(small)


def test_one_that_came_to_be_foreign_is_not_removed(small: World) -> None:
    """It is as it is wanted, so nobody asked for its tags; before it goes they are read."""
    small.deploy()
    small.aws.client("cloudwatch").untag_resource(
        ResourceARN=alarms(small)["cpu"]["AlarmArn"], TagKeys=["berth:project"])
    assert planned(small) == {}
    change(small, alarms={})
    small.deploy()
    assert set(alarms(small)) == {"cpu"}


# --- what is refused before the first call ---

@pytest.mark.parametrize("members,says", [
    ({"Period": 45}, "alarms.metricAlarms.cpu.Period: must be 10, 20, 30 or a multiple of 60"),
    ({"Period": 60, "EvaluationPeriods": 1441}, "EvaluationPeriods: with a period of 60 seconds"),
    ({"Period": 3600, "EvaluationPeriods": 169}, "looks back seven days at most"),
    ({"ExtendedStatistic": "p99"}, "needs one of 'Statistic' and 'ExtendedStatistic', not both"),
    ({"Statistic": None}, "needs one of 'Statistic' and 'ExtendedStatistic', not both"),
    ({"Namespace": None}, "'Namespace' is missing"),
    ({"MetricName": None}, "needs one of 'MetricName', 'Metrics' and 'EvaluationCriteria'"),
    ({"Threshold": None}, "'Threshold' is missing"),
    ({"ComparisonOperator": None}, "'ComparisonOperator' is missing"),
    ({"DatapointsToAlarm": 4}, "DatapointsToAlarm: must be at most 'EvaluationPeriods', 3"),
    ({"Metrics": QUERIES}, "cannot stand beside 'Metrics'"),
    ({**dict.fromkeys(ONE_METRIC), "Metrics": QUERIES[1:]}, "exactly one must return data"),
    ({**dict.fromkeys(ONE_METRIC), "Metrics": [QUERIES[0] | {"Id": "Used"}]},
     "Metrics[0].Id: must begin with a small letter"),
    ({"AlarmRule": "ALARM(x)"}, "unknown key"),
    ({"Dimensions": [{"Name": "A", "Value": str(i)} for i in range(31)]}, "Dimensions"),
    ({"Unit": "Parsecs"}, "Parsecs"),
])
def test_an_alarm_that_aws_would_refuse(small: World, members: Spec, says: str) -> None:
    with_alarm(small, members)
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and "alarms.metricAlarms.cpu" in refused.log
    assert says in refused.log
    assert small.writes() == []


def test_alarms_may_notify_and_nothing_else(small: World) -> None:
    act = "arn:aws:automate:us-east-1:ec2:terminate"
    with_alarm(small, {"AlarmActions": [TOPIC, act]})
    refused = small.job()
    assert refused.exit_code == 1 and "alarms.metricAlarms.cpu.AlarmActions[1]" in refused.log
    assert "limits.ephemeral.alarmActions" in refused.log
    small.config["projects"][str(PROJECT_ID)]["limits"] = {
        "ephemeral": {"alarmActions": ["arn:aws:automate:*"]}}
    small.write_config()
    small.deploy()
    assert alarms(small)["cpu"]["AlarmActions"] == [TOPIC, act]


def test_a_service_that_is_not_there(small: World) -> None:
    change(small, alarms={"runningTasks": {"services": {"notifer": True}}})
    refused = small.job()
    assert refused.exit_code == 1 and "did you mean 'notifier'?" in refused.log


@pytest.mark.parametrize("running", [{"ComparisonOperator": "GreaterThanThreshold"},
                                     {"Statistic": "Sum", "Period": 30}])
def test_a_threshold_that_cannot_be_told(small: World, running: Spec) -> None:
    change(small, alarms={"runningTasks": running})
    refused = small.job()
    assert refused.exit_code == 1 and "alarms.runningTasks.Threshold: is missing" in refused.log


# --- faults ---

@pytest.mark.parametrize("action", ["PutMetricAlarm", "PutDashboard"])
@pytest.mark.parametrize("fault", ["throttle", "lost", "reset"])
def test_what_passes_by_itself(small: World, action: str, fault: str) -> None:
    small.aws.fault(service="monitoring", action=action, fault=fault, nth=1)
    small.deploy()
    assert set(alarms(small)) == {"cpu", "running-tasks-notifier"}
    assert all(tags(small, a["AlarmArn"]).items() >= OURS.items() for a in alarms(small).values())
    assert deploy(small) == []


def test_lists_are_read_to_their_last_page(small: World) -> None:
    small.aws.pages(1)
    small.deploy()
    assert deploy(small) == []
    change(small, alarms={}, dashboards={})
    small.deploy()
    assert alarms(small) == {} and dashboards(small) == []


def test_only_that_part(small: World) -> None:
    small.aws.record_clear()
    result = small.job("deploy-cloudwatch")
    assert result.exit_code == 0, result.log
    assert set(w.partition(".")[0] for w in small.writes()) <= {"monitoring"}
    assert len(writes(small)) == 3
