"""What AWS refuses of an alarm.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

import re
from typing import Any

from .model import clash, refuse

# Members that describe one metric, and stand in `Metrics` where that is given.
OF_ONE_METRIC = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic",
                 "ExtendedStatistic")
# Members that an alarm with EvaluationCriteria does not have.
OF_THRESHOLDS = (*OF_ONE_METRIC, "Metrics", "Threshold", "ComparisonOperator",
                 "ThresholdMetricId", "EvaluationPeriods", "DatapointsToAlarm")
MISSING = {"breaching", "notBreaching", "ignore", "missing"}
EXTENDED = re.compile(r"(p|tm|tc|ts|wm)(\d{1,2}(\.\d{1,10})?|100)|IQM"
                      r"|(PR|TC|TM|TS|WM)\((\d+(\.\d+)?%?)?:(\d+(\.\d+)?%?)?\)")
ACTION = re.compile(r"arn:aws[a-z-]*:(sns|lambda|autoscaling|swf|ssm|ssm-incidents|automate|aiops)"
                    r":([a-z0-9-]*):.+")
DAY, WEEK, HOUR = 86400, 604800, 3600


def alarm_check(given: dict[str, Any], region: str) -> None:
    """Raise what AWS refuses PutMetricAlarm's input with."""
    if re.search(r"[\x00-\x1f\x7f]", given["AlarmName"]):
        raise refuse("AlarmName must not contain ASCII control characters")
    _actions_check(given, region)
    if given.get("TreatMissingData", "missing") not in MISSING:
        raise refuse("TreatMissingData must be one of breaching, notBreaching, ignore, missing")
    if given.get("EvaluateLowSampleCountPercentile", "evaluate") not in ("evaluate", "ignore"):
        raise refuse("EvaluateLowSampleCountPercentile must be evaluate or ignore")
    kinds = [m for m in ("MetricName", "Metrics", "EvaluationCriteria") if m in given]
    if len(kinds) != 1:
        raise clash("Exactly one of MetricName, Metrics and EvaluationCriteria must be specified")
    if kinds == ["EvaluationCriteria"]:
        _criteria_check(given)
        return
    if "EvaluationInterval" in given:
        raise clash("EvaluationInterval cannot be specified with MetricName or Metrics")
    for member in ("ComparisonOperator", "EvaluationPeriods"):
        if member not in given:
            raise refuse(f"{member} must not be null")
    periods = _metrics_check(given) if "Metrics" in given else _metric_check(given)
    _span_check(periods, given)


def _actions_check(given: dict[str, Any], region: str) -> None:
    for member in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        for arn in given.get(member, []):
            found = ACTION.fullmatch(arn)
            if not found:
                raise refuse(f"Invalid arn syntax: {arn}")
            if found.group(2) not in ("", region):
                raise refuse(f"Invalid region {found.group(2)} specified. Only {region} is "
                             "supported.")


def _criteria_check(given: dict[str, Any]) -> None:
    for member in OF_THRESHOLDS:
        if member in given:
            raise clash(f"{member} cannot be specified with EvaluationCriteria")
    if "EvaluationInterval" not in given:
        raise refuse("EvaluationInterval must not be null")
    _period_check(given["EvaluationInterval"])


def _period_check(period: int) -> None:
    if period not in (10, 20, 30) and period % 60:
        raise refuse("Period must be 10, 20, 30 or a multiple of 60")


def _metric_check(given: dict[str, Any]) -> list[int]:
    for member in ("Namespace", "Period", "Threshold"):
        if member not in given:
            raise refuse(f"{member} must not be null")
    if "ThresholdMetricId" in given:
        raise clash("ThresholdMetricId can only be specified with Metrics")
    if ("Statistic" in given) == ("ExtendedStatistic" in given):
        raise clash("Exactly one of Statistic and ExtendedStatistic must be specified")
    if "ExtendedStatistic" in given and not EXTENDED.fullmatch(given["ExtendedStatistic"]):
        raise refuse(f"The value {given['ExtendedStatistic']} for parameter ExtendedStatistic is "
                     "not supported.")
    if "EvaluateLowSampleCountPercentile" in given and "ExtendedStatistic" not in given:
        raise refuse("Option EvaluateLowSampleCountPercentile must be used with percentiles")
    _bands_check(given, bands=False)
    _period_check(given["Period"])
    return [given["Period"]]


def _bands_check(given: dict[str, Any], bands: bool) -> None:
    """Anomaly detection has operators of its own."""
    own = given["ComparisonOperator"] in (
        "LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold",
        "GreaterThanUpperThreshold")
    if own != bands:
        raise refuse(f"ComparisonOperator {given['ComparisonOperator']} is not for this alarm")


def _metrics_check(given: dict[str, Any]) -> list[int]:
    for member in OF_ONE_METRIC:
        if member in given:
            raise clash(f"{member} cannot be specified with Metrics")
    queries = given["Metrics"]
    ids = [query["Id"] for query in queries]
    if not queries or len(set(ids)) != len(ids):
        raise refuse("The Ids of Metrics must be unique")
    for query in queries:
        if not re.fullmatch(r"[a-z][A-Za-z0-9_]*", query["Id"]):
            raise refuse(f"Invalid metrics list: id '{query['Id']}' is not valid")
        if ("MetricStat" in query) == ("Expression" in query):
            raise refuse(f"Metric '{query['Id']}' must have exactly one of MetricStat and "
                         "Expression")
    if len([q for q in queries if q.get("ReturnData", True)]) != \
            (2 if "ThresholdMetricId" in given else 1):
        raise refuse("Exactly one element of the metrics list should return data.")
    if ("ThresholdMetricId" in given) == ("Threshold" in given):
        raise clash("Exactly one of Threshold and ThresholdMetricId must be specified")
    if given.get("ThresholdMetricId", ids[0]) not in ids:
        raise refuse("Metrics list must contain exactly one metric matching the "
                     "ThresholdMetricId parameter")
    _bands_check(given, bands="ThresholdMetricId" in given)
    periods = [q["MetricStat"]["Period"] for q in queries if "MetricStat" in q]
    periods += [q["Period"] for q in queries if "Period" in q]
    for period in periods:
        _period_check(period)
    return periods


def _span_check(periods: list[int], given: dict[str, Any]) -> None:
    """"no longer than seven days ... For alarms with a period of less than one hour (3,600
    seconds), the total evaluation period can't be longer than one day (86,400 seconds)"."""
    if given.get("DatapointsToAlarm", 1) > given["EvaluationPeriods"]:
        raise refuse("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    for period in periods:
        if period * given["EvaluationPeriods"] > (DAY if period < HOUR else WEEK):
            raise refuse("Metrics cannot be checked across more than a day (EvaluationPeriods * "
                         f"Period must be <= {DAY if period < HOUR else WEEK}).")
