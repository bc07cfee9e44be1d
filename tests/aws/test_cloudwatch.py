"""CloudWatch: what plain moto does otherwise, and what is no refusal."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from .build import code_of, error_of, signed
from .endpoint import ACCESS_KEY, SECRET_KEY, Endpoint
from .refused.cloudwatch import METRIC, TOPIC

TAGS = [{"Key": "Environment", "Value": "E"}]
BODY = {"widgets": [{"type": "text", "properties": {"markdown": "x"}}]}


@pytest.fixture
def api(endpoint: Endpoint) -> Any:
    return endpoint.client("cloudwatch")


def names(answer: dict[str, Any]) -> list[str]:
    return [alarm["AlarmName"] for alarm in answer["MetricAlarms"]]


def tags(api: Any, arn: str) -> dict[str, str]:
    return {t["Key"]: t["Value"] for t in api.list_tags_for_resource(ResourceARN=arn)["Tags"]}


def seen(api: Any) -> dict[str, Any]:
    return dict(api.describe_alarms(AlarmNames=["E-a"])["MetricAlarms"][0])


def test_a_new_alarm_has_no_data_yet(api: Any) -> None:
    api.put_metric_alarm(**METRIC)
    assert seen(api)["StateValue"] == "INSUFFICIENT_DATA"
    assert seen(api)["ActionsEnabled"] is True and seen(api)["AlarmActions"] == []


def test_a_put_replaces_all_but_state_and_tags(api: Any) -> None:
    api.put_metric_alarm(**METRIC, Tags=TAGS, AlarmDescription="x", OKActions=[TOPIC])
    api.set_alarm_state(AlarmName="E-a", StateValue="OK", StateReason="r")
    api.put_metric_alarm(**METRIC | {"Threshold": 7.0}, Tags=[{"Key": "more", "Value": "x"}])
    alarm = seen(api)
    assert alarm["Threshold"] == 7.0 and alarm["StateValue"] == "OK"
    assert "AlarmDescription" not in alarm and alarm["OKActions"] == []
    assert tags(api, alarm["AlarmArn"]) == {"Environment": "E"}


def test_alarms_come_in_pages(api: Any) -> None:
    for number in range(60):
        api.put_metric_alarm(**METRIC | {"AlarmName": f"E-{number:02}"})
    first = api.describe_alarms(AlarmNamePrefix="E-")
    assert len(first["MetricAlarms"]) == 50
    rest = api.describe_alarms(AlarmNamePrefix="E-", NextToken=first["NextToken"])
    assert names(rest) == [f"E-{number}" for number in range(50, 60)] and "NextToken" not in rest
    assert len(api.describe_alarms(MaxRecords=100)["MetricAlarms"]) == 60
    assert names(api.describe_alarms(AlarmNamePrefix="E-5")) == [f"E-5{i}" for i in range(10)]
    assert names(api.describe_alarms(AlarmTypes=["CompositeAlarm"])) == []


def test_a_wrong_name_does_not_keep_the_others(api: Any) -> None:
    api.put_metric_alarm(**METRIC)
    code, message, status = error_of(lambda: api.delete_alarms(AlarmNames=["none", "E-a"]))
    assert (code, status) == ("ResourceNotFound", 404) and "none" in message
    assert names(api.describe_alarms()) == []


def test_tags_come_and_go(api: Any) -> None:
    api.put_metric_alarm(**METRIC, Tags=TAGS)
    api.put_dashboard(DashboardName="E", DashboardBody=json.dumps(BODY), Tags=TAGS)
    arns = [seen(api)["AlarmArn"], api.get_dashboard(DashboardName="E")["DashboardArn"]]
    assert arns[1] == "arn:aws:cloudwatch::123456789012:dashboard/E"
    for arn in arns:
        assert tags(api, arn) == {"Environment": "E"}
        api.tag_resource(ResourceARN=arn, Tags=[{"Key": "Environment", "Value": "F"},
                                                {"Key": "b", "Value": "c"}])
        api.untag_resource(ResourceARN=arn, TagKeys=["b"])
        assert tags(api, arn) == {"Environment": "F"}


def test_the_tagging_api_knows_alarms_and_no_dashboards(endpoint: Endpoint, api: Any) -> None:
    api.put_metric_alarm(**METRIC, Tags=TAGS)
    api.put_dashboard(DashboardName="E", DashboardBody=json.dumps(BODY), Tags=TAGS)
    endpoint.advance(60)
    found = endpoint.client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "Environment", "Values": ["E"]}])["ResourceTagMappingList"]
    assert [f["ResourceARN"] for f in found] == [seen(api)["AlarmArn"]]


def test_a_dashboard_is_kept_as_it_was_put(api: Any) -> None:
    text = '{ "widgets" :\n[] }'
    api.put_dashboard(DashboardName="E", DashboardBody=text, Tags=TAGS)
    api.put_dashboard(DashboardName="E", DashboardBody=text, Tags=[{"Key": "x", "Value": "y"}])
    found = api.get_dashboard(DashboardName="E")
    assert found["DashboardBody"] == text
    assert tags(api, found["DashboardArn"]) == {"Environment": "E"}
    [entry] = api.list_dashboards(DashboardNamePrefix="E")["DashboardEntries"]
    assert entry["Size"] == len(text)
    assert api.list_dashboards(DashboardNamePrefix="F")["DashboardEntries"] == []
    assert code_of(lambda: api.delete_dashboards(DashboardNames=["F", "E"])) == "ResourceNotFound"
    assert api.list_dashboards()["DashboardEntries"] == []


def test_dashboards_are_of_no_region(endpoint: Endpoint, api: Any) -> None:
    api.put_dashboard(DashboardName="E", DashboardBody=json.dumps(BODY))
    elsewhere = endpoint.client_as("cloudwatch", ACCESS_KEY, SECRET_KEY, region_name="eu-west-1")
    assert elsewhere.get_dashboard(DashboardName="E")["DashboardName"] == "E"
    assert elsewhere.describe_alarms()["MetricAlarms"] == []


def test_warnings_come_with_the_path_of_the_widget(api: Any) -> None:
    odd = {"widgets": [*BODY["widgets"], {"type": "hologram", "properties": {}}], "extra": 1}
    [extra, widget] = api.put_dashboard(DashboardName="E", DashboardBody=json.dumps(odd))[
        "DashboardValidationMessages"]
    assert extra["DataPath"] == "" and widget["DataPath"] == "/widgets/1/type"
    assert api.put_dashboard(DashboardName="E", DashboardBody=json.dumps(BODY)).get(
        "DashboardValidationMessages", []) == []


def test_an_error_lists_what_is_wrong(api: Any) -> None:
    wrong = {"widgets": [{"type": "metric", "properties": {}}]}
    code, message, _ = error_of(
        lambda: api.put_dashboard(DashboardName="E", DashboardBody=json.dumps(wrong)))
    assert code == "InvalidParameterInput"
    assert '"dataPath": "/widgets/0/properties"' in message
    assert api.list_dashboards()["DashboardEntries"] == []


def test_an_error_tells_the_query_protocols_code(endpoint: Endpoint) -> None:
    """https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait"""
    host = endpoint.url.removeprefix("http://")
    headers = {"Content-Type": "application/x-amz-json-1.0",
               "X-Amz-Target": "GraniteServiceVersion20100801.GetDashboard"}
    body = json.dumps({"DashboardName": "none"})
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("POST", "/", body, signed(host, "monitoring", headers, body))
        answer = connection.getresponse()
        text = json.loads(answer.read())
    finally:
        connection.close()
    assert answer.status == 404
    assert answer.getheader("x-amzn-query-error") == "ResourceNotFound;Sender"
    assert text["__type"].endswith("#ResourceNotFound")
