"""CloudWatch: alarms and dashboards."""

from __future__ import annotations

import json
from typing import Any

from ..build import Builder
from . import CLOUDWATCH, Row

TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
INVALID, CLASH = "ValidationError", "InvalidParameterCombination"
METRIC = {"AlarmName": "E-a", "Namespace": "N", "MetricName": "m", "Statistic": "Sum",
          "Period": 60, "EvaluationPeriods": 2, "Threshold": 1.0,
          "ComparisonOperator": "LessThanThreshold"}
ONE = ("Namespace", "MetricName", "Statistic", "Period")
QUERY = {"Id": "m", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60,
                                   "Stat": "Sum"}}
SUM = {"Id": "s", "Expression": "m * 2", "ReturnData": False}
CRITERIA = {**dict.fromkeys(("Threshold", "ComparisonOperator", "EvaluationPeriods", *ONE)),
            "EvaluationCriteria": {"PromQLCriteria": {"Query": "up == 0"}},
            "EvaluationInterval": 60}
BAND = {"ThresholdMetricId": "s", "Threshold": None,
        "ComparisonOperator": "GreaterThanUpperThreshold"}
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:none"


def alarm(**given: Any) -> Any:
    """Put an alarm: METRIC with these members; None takes one out."""
    members = {k: v for k, v in {**METRIC, **given}.items() if v is not None}
    return lambda b: b.client("cloudwatch").put_metric_alarm(**members)


def math(*queries: Any, **given: Any) -> Any:
    return alarm(**{**dict.fromkeys(ONE), "Metrics": list(queries), **given})


def call(action: str, **given: Any) -> Any:
    return lambda b: getattr(b.client("cloudwatch"), action)(**given)


def board(body: Any, name: str = "E") -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return call("put_dashboard", DashboardName=name, DashboardBody=text)


def widget(**given: Any) -> Any:
    return board({"widgets": [{"type": "text", "properties": {"markdown": "x"}, **given}]})


def deleted_in_part(build: Builder) -> Any:
    """The others go all the same; that they have is in test_cloudwatch."""
    alarm()(build)
    return build.client("cloudwatch").delete_alarms(AlarmNames=["none", "E-a"])


PUT = [
    ("a period", {"Period": 45}, INVALID),
    ("a period of a minute's part", {"Period": 20}, ""),
    ("more than a day", {"Period": 60, "EvaluationPeriods": 1441}, INVALID),
    ("a day", {"Period": 60, "EvaluationPeriods": 1440}, ""),
    ("hours for more than a week", {"Period": 3600, "EvaluationPeriods": 169}, INVALID),
    ("hours for a week", {"Period": 3600, "EvaluationPeriods": 168}, ""),
    ("two statistics", {"ExtendedStatistic": "p90"}, CLASH),
    ("no statistic", {"Statistic": None}, CLASH),
    ("a percentile", {"Statistic": None, "ExtendedStatistic": "p90.5"}, ""),
    ("an odd percentile", {"Statistic": None, "ExtendedStatistic": "q90"}, INVALID),
    ("few samples without a percentile", {"EvaluateLowSampleCountPercentile": "ignore"}, INVALID),
    ("a statistic's name", {"Statistic": "Median"}, INVALID),
    ("no metric", {"MetricName": None, "Namespace": None}, CLASH),
    ("no namespace", {"Namespace": None}, INVALID),
    ("a namespace", {"Namespace": ":N"}, INVALID),
    ("no threshold", {"Threshold": None}, INVALID),
    ("no operator", {"ComparisonOperator": None}, INVALID),
    ("an operator", {"ComparisonOperator": "Less"}, INVALID),
    ("an operator of bands", {"ComparisonOperator": "GreaterThanUpperThreshold"}, INVALID),
    ("no periods", {"EvaluationPeriods": None}, INVALID),
    ("more points than periods", {"DatapointsToAlarm": 3}, INVALID),
    ("31 dimensions", {"Dimensions": [{"Name": f"d{i}", "Value": "v"} for i in range(31)]},
     INVALID),
    ("missing data", {"TreatMissingData": "bad"}, INVALID),
    ("six actions", {"AlarmActions": [f"{TOPIC}{i}" for i in range(6)]}, INVALID),
    ("an action that is no ARN", {"AlarmActions": ["operators"]}, INVALID),
    ("an action of another region", {"OKActions": [TOPIC.replace("us-east-1", "eu-west-1")]},
     INVALID),
    ("an action on instances", {"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, ""),
    ("an alarm's name", {"AlarmName": "a\nb"}, INVALID),
    ("a name of 256 characters", {"AlarmName": "a" * 256}, INVALID),
    ("a description of 1025 characters", {"AlarmDescription": "a" * 1025}, INVALID),
    ("tags of AWS's", {"Tags": [{"Key": "aws:x", "Value": "y"}]}, "InvalidParameterValue"),
    ("an interval without criteria", {"EvaluationInterval": 60}, CLASH),
    ("criteria", CRITERIA, ""),
    ("criteria and a threshold", {**CRITERIA, "Threshold": 1.0}, CLASH),
    ("criteria without an interval", {**CRITERIA, "EvaluationInterval": None}, INVALID),
]
MATH = [
    ("metric math", (QUERY, SUM), {}, ""),
    ("metric math beside a metric", (QUERY,), {"Namespace": "N"}, CLASH),
    ("two that return data", (QUERY, SUM | {"ReturnData": True}), {}, INVALID),
    ("none that returns data", (SUM,), {}, INVALID),
    ("one id twice", (QUERY, SUM | {"Id": "m"}), {}, INVALID),
    ("an id", (QUERY | {"Id": "M"},), {}, INVALID),
    ("a metric and an expression", (QUERY | {"Expression": "1"},), {}, INVALID),
    ("a band", (QUERY, SUM | {"ReturnData": True}), BAND, ""),
    ("a band and a threshold", (QUERY, SUM | {"ReturnData": True}), {**BAND, "Threshold": 1.0},
     CLASH),
    ("a band that is not there", (QUERY, SUM | {"ReturnData": True}),
     {**BAND, "ThresholdMetricId": "x"}, INVALID),
]
ROWS = [
    *(Row(f"an alarm: {rule}", CLOUDWATCH + "PutMetricAlarm.html", alarm(**given), code)
      for rule, given, code in PUT),
    *(Row(f"an alarm: {rule}", CLOUDWATCH + "PutMetricAlarm.html", math(*queries, **given), code)
      for rule, queries, given, code in MATH),
    Row("names and a prefix", CLOUDWATCH + "DescribeAlarms.html",
        call("describe_alarms", AlarmNames=["a"], AlarmNamePrefix="a"), CLASH),
    Row("101 names", CLOUDWATCH + "DescribeAlarms.html",
        call("describe_alarms", AlarmNames=[f"a{i}" for i in range(101)]), INVALID),
    Row("101 alarms in a page", CLOUDWATCH + "DescribeAlarms.html",
        call("describe_alarms", MaxRecords=101), INVALID),
    Row("a page's token", CLOUDWATCH + "DescribeAlarms.html",
        call("describe_alarms", NextToken="x"), "InvalidNextToken"),
    Row("101 alarms to delete", CLOUDWATCH + "DeleteAlarms.html",
        call("delete_alarms", AlarmNames=[f"a{i}" for i in range(101)]), INVALID),
    Row("one of two alarms to delete is not there", CLOUDWATCH + "DeleteAlarms.html",
        deleted_in_part, "ResourceNotFound"),
    Row("tags of an alarm that is not there", CLOUDWATCH + "ListTagsForResource.html",
        call("list_tags_for_resource", ResourceARN=ARN), "ResourceNotFoundException"),
    Row("tags for an alarm that is not there", CLOUDWATCH + "TagResource.html",
        call("tag_resource", ResourceARN=ARN, Tags=[{"Key": "a", "Value": "b"}]),
        "ResourceNotFoundException"),
    Row("a dashboard that is not there", CLOUDWATCH + "GetDashboard.html",
        call("get_dashboard", DashboardName="none"), "ResourceNotFound"),
    Row("a dashboard to delete that is not there", CLOUDWATCH + "DeleteDashboards.html",
        call("delete_dashboards", DashboardNames=["none"]), "ResourceNotFound"),
    Row("101 dashboards to delete", CLOUDWATCH + "DeleteDashboards.html",
        call("delete_dashboards", DashboardNames=[f"d{i}" for i in range(101)]),
        "InvalidParameterValue"),
    *(Row(f"a dashboard: {rule}", CLOUDWATCH + "PutDashboard.html", made, code)
      for rule, made, code in (
          ("its name", board({"widgets": []}, "a.b"), "InvalidParameterInput"),
          ("no JSON", board("{"), "InvalidParameterInput"),
          ("no widgets", board({}), "InvalidParameterInput"),
          ("501 widgets", board({"widgets": [
              {"type": "text", "properties": {"markdown": "x"}}] * 501}), "InvalidParameterInput"),
          ("a megabyte", board({"widgets": [], "start": "x" * (1 << 20)}),
           "InvalidParameterInput"),
          ("a widget without properties", board({"widgets": [{"type": "text"}]}),
           "InvalidParameterInput"),
          ("a widget beyond the edge", widget(width=25), "InvalidParameterInput"),
          ("a metric widget without metrics", widget(type="metric"), "InvalidParameterInput"),
          ("an alarm widget without alarms", widget(type="alarm", properties={"alarms": []}),
           "InvalidParameterInput"),
          ("a widget of an unknown type", widget(type="hologram"), ""),
          ("an empty one", board({"widgets": []}), ""))),
]
