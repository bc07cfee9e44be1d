"""CloudFormation and SNS: what takes time, fails and rolls back there, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .build import code_of, error_of
from .endpoint import Endpoint

TEMPLATE: dict[str, Any] = {
    "Description": "a topic",
    "Parameters": {"OperatorEmail": {"Type": "String", "AllowedPattern": r"[^@\s]+@[^@\s]+",
                                     "ConstraintDescription": "must be an e-mail address"}},
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Mail": {"Type": "AWS::SNS::Subscription", "Properties": {
            "TopicArn": {"Ref": "Topic"}, "Protocol": "email",
            "Endpoint": {"Ref": "OperatorEmail"}}}},
    "Outputs": {"TopicARN": {"Value": {"Ref": "Topic"}}},
}
HANDLE = {"Resources": {"H": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}
NAMED_ROLE = {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {
    "RoleName": "made-by-a-stack", "AssumeRolePolicyDocument": {}}}}}
YAML = """
Parameters:
  Word: {Type: String, Default: x, NoEcho: true}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !Sub "${Word}-${AWS::Region}"}
Outputs:
  Name: {Value: !GetAtt Topic.TopicName}
"""


class Stacks:
    """Makes the usual stack, and looks at it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.api, self.sns = endpoint.client("cloudformation"), endpoint.client("sns")

    def given(self, template: Any = TEMPLATE, mail: str = "ops@example.com",
              **more: Any) -> dict[str, Any]:
        body = template if isinstance(template, str) else json.dumps(template)
        parameters = [{"ParameterKey": "OperatorEmail", "ParameterValue": mail}]
        return {"StackName": "S", "TemplateBody": body, "Parameters": parameters
                if "OperatorEmail" in body else [], **more}

    def create(self, *given: Any, **more: Any) -> str:
        return str(self.api.create_stack(**self.given(*given, **more))["StackId"])

    def made(self, *given: Any, **more: Any) -> str:
        made = self.create(*given, **more)
        self.endpoint.advance(100)
        return made

    def update(self, *given: Any, **more: Any) -> None:
        self.api.update_stack(**self.given(*given, **more))

    def seen(self, name: str = "S") -> dict[str, Any]:
        return dict(self.api.describe_stacks(StackName=name)["Stacks"][0])

    def status(self, name: str = "S") -> str:
        return str(self.seen(name)["StackStatus"])

    def topics(self) -> list[str]:
        return [t["TopicArn"] for t in self.sns.list_topics()["Topics"]]

    def fails(self, logical: str, message: str, **match: str) -> None:
        self.endpoint.fault(fault="failed", service="cloudformation", message=message,
                            match={"LogicalResourceId": logical, **match})

    def failures(self, name: str = "S") -> list[tuple[str, str, str]]:
        events = self.api.describe_stack_events(StackName=name)["StackEvents"]
        return [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", ""))
                for e in events if e["ResourceStatus"].endswith("_FAILED")]


@pytest.fixture
def stacks(endpoint: Endpoint) -> Stacks:
    endpoint.speed(0.001)
    return Stacks(endpoint)


def test_a_stack_takes_its_time(stacks: Stacks) -> None:
    made = stacks.create(Tags=[{"Key": "Environment", "Value": "E"}])
    assert stacks.status() == "CREATE_IN_PROGRESS" and "Outputs" not in stacks.seen()
    stacks.endpoint.advance(20)
    assert stacks.status() == "CREATE_IN_PROGRESS" and len(stacks.topics()) == 1
    stacks.endpoint.advance(20)
    assert stacks.status(made) == "CREATE_COMPLETE"
    [output] = stacks.seen()["Outputs"]
    [topic] = stacks.topics()
    assert (output["OutputKey"], output["OutputValue"]) == ("TopicARN", topic)
    tags = stacks.sns.list_tags_for_resource(ResourceArn=topic)["Tags"]
    assert {"Key": "Environment", "Value": "E"} in tags
    assert {"Key": "aws:cloudformation:stack-name", "Value": "S"} in tags
    events = stacks.api.describe_stack_events(StackName=made)["StackEvents"]
    assert [(e["LogicalResourceId"], e["ResourceStatus"]) for e in events[::-1]] == [
        ("S", "CREATE_IN_PROGRESS"), ("Topic", "CREATE_IN_PROGRESS"), ("Topic", "CREATE_COMPLETE"),
        ("Mail", "CREATE_IN_PROGRESS"), ("Mail", "CREATE_COMPLETE"), ("S", "CREATE_COMPLETE")]


def test_a_mail_is_pending_until_it_is_confirmed(stacks: Stacks) -> None:
    stacks.made()
    [topic] = stacks.topics()

    def arns() -> list[str]:
        return [s["SubscriptionArn"] for s in stacks.sns.list_subscriptions_by_topic(
            TopicArn=topic)["Subscriptions"]]
    assert arns() == ["PendingConfirmation"]
    assert stacks.endpoint.confirm("ops@example.com") == 1
    assert arns()[0].startswith(topic + ":")
    again = stacks.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="b@example.com")
    assert again["SubscriptionArn"] == "pending confirmation"
    assert code_of(lambda: stacks.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="x")) \
        == "InvalidParameter"


def test_a_failed_creation_rolls_back(stacks: Stacks) -> None:
    stacks.fails("Mail", "no mail today")
    made = stacks.create()
    stacks.endpoint.advance(100)
    assert stacks.status() == "ROLLBACK_COMPLETE" and stacks.topics() == []
    assert stacks.failures() == [("Mail", "CREATE_FAILED", "no mail today")]
    assert "ROLLBACK_COMPLETE state and can not be updated" in error_of(stacks.update)[1]
    assert code_of(stacks.create) == "AlreadyExistsException"
    stacks.endpoint.clear_faults()
    stacks.api.delete_stack(StackName="S")
    stacks.endpoint.advance(100)
    assert error_of(stacks.status)[:2] == (
        "ValidationError", "Stack with id S does not exist")
    assert stacks.status(made) == "DELETE_COMPLETE"
    stacks.made()
    assert stacks.status() == "CREATE_COMPLETE"


def test_an_update_keeps_the_topic(stacks: Stacks) -> None:
    stacks.made()
    before = stacks.topics()
    assert error_of(stacks.update)[:2] == ("ValidationError", "No updates are to be performed.")
    stacks.update(mail="two@example.com")
    assert stacks.status() == "UPDATE_IN_PROGRESS"
    assert "UPDATE_IN_PROGRESS state and can not be updated" in error_of(
        lambda: stacks.update(mail="three@example.com"))[1]
    stacks.endpoint.advance(100)
    assert stacks.status() == "UPDATE_COMPLETE" and stacks.topics() == before
    mails = stacks.sns.list_subscriptions()["Subscriptions"]
    # Nobody can take back the one that waits for its confirmation.
    assert [m["Endpoint"] for m in mails] == ["ops@example.com", "two@example.com"]


def test_what_changes_in_place_stays(stacks: Stacks) -> None:
    """Also when it is set back, by an update or by a rollback."""
    stacks.made(YAML)
    before = stacks.topics()
    for text in (YAML.replace("${Word}", "new"), YAML):
        stacks.update(text)
        stacks.endpoint.advance(100)
        assert stacks.status() == "UPDATE_COMPLETE" and stacks.topics() == before
    more = "Outputs:\n  More: {Value: x}"
    stacks.fails("Mail", "no")
    stacks.update(YAML.replace("${Word}", "new").replace("Outputs:", """  Mail:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Topic, Protocol: email, Endpoint: a@example.com}
""" + more))
    stacks.endpoint.advance(200)
    assert stacks.status() == "UPDATE_ROLLBACK_COMPLETE" and stacks.topics() == before
    shown = stacks.sns.get_topic_attributes(TopicArn=before[0])["Attributes"]
    assert shown["DisplayName"] == "x-us-east-1"


def test_a_failed_update_rolls_back(stacks: Stacks) -> None:
    stacks.made(Tags=[{"Key": "v", "Value": "1"}])
    stacks.fails("Mail", "no")
    stacks.update(mail="two@example.com", Tags=[{"Key": "v", "Value": "2"}])
    stacks.endpoint.advance(100)
    seen = stacks.seen()
    assert seen["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert seen["Parameters"][0]["ParameterValue"] == "ops@example.com"
    assert seen["Tags"] == [{"Key": "v", "Value": "1"}]
    assert [m["Endpoint"] for m in stacks.sns.list_subscriptions()["Subscriptions"]] == [
        "ops@example.com"]
    stacks.endpoint.clear_faults()
    stacks.update(mail="two@example.com")
    stacks.endpoint.advance(100)
    assert stacks.status() == "UPDATE_COMPLETE"


def test_a_failed_rollback_stays(stacks: Stacks) -> None:
    more = {**TEMPLATE["Resources"], "Topic": {"Type": "AWS::SNS::Topic", "Properties": {
        "DisplayName": "new"}}}
    stacks.made()
    stacks.fails("Mail", "no")
    stacks.fails("Topic", "not back", Operation="rollback")
    stacks.update({**TEMPLATE, "Resources": more}, mail="two@example.com")
    stacks.endpoint.advance(200)
    assert stacks.status() == "UPDATE_ROLLBACK_FAILED"
    assert "can not be updated" in error_of(stacks.update)[1]


def test_a_failed_deletion_names_what_stays(stacks: Stacks) -> None:
    made = stacks.made()
    stacks.fails("Topic", "in use", Operation="delete")
    stacks.api.delete_stack(StackName=made)
    stacks.endpoint.advance(100)
    assert stacks.seen()["StackStatusReason"].startswith(
        "The following resource(s) failed to delete: [Topic]")
    assert stacks.failures()[1] == ("Topic", "DELETE_FAILED", "in use")
    stacks.api.delete_stack(StackName=made, RetainResources=["Topic"])
    stacks.endpoint.advance(100)
    assert stacks.status(made) == "DELETE_COMPLETE" and len(stacks.topics()) == 1


def test_a_token_is_for_one_request(stacks: Stacks) -> None:
    first = stacks.create(ClientRequestToken="one")
    assert stacks.create(ClientRequestToken="one") == first
    assert code_of(lambda: stacks.create(HANDLE, StackName="T", ClientRequestToken="one")) \
        == "TokenAlreadyExistsException"
    stacks.endpoint.advance(100)
    stacks.api.delete_stack(StackName=first)
    stacks.endpoint.advance(100)
    assert code_of(lambda: stacks.create(ClientRequestToken="one")) \
        == "TokenAlreadyExistsException"


def test_yaml_and_what_is_hidden(stacks: Stacks) -> None:
    stacks.made(YAML)
    seen = stacks.seen()
    assert seen["Parameters"] == [{"ParameterKey": "Word", "ParameterValue": "****"}]
    [topic] = stacks.topics()
    assert topic.endswith(":" + seen["Outputs"][0]["OutputValue"])
    assert stacks.sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] \
        == "x-us-east-1"


def test_a_protected_stack_stays(stacks: Stacks) -> None:
    stacks.made(HANDLE, EnableTerminationProtection=True)
    assert "cannot be deleted while TerminationProtection is enabled" in error_of(
        lambda: stacks.api.delete_stack(StackName="S"))[1]
    stacks.api.update_termination_protection(StackName="S", EnableTerminationProtection=False)
    stacks.api.delete_stack(StackName="S")
    stacks.endpoint.advance(100)
    assert code_of(stacks.seen) == "ValidationError"


def test_a_review_is_somebodys(stacks: Stacks) -> None:
    stacks.api.create_change_set(ChangeSetName="c", ChangeSetType="CREATE", **stacks.given())
    assert stacks.status() == "REVIEW_IN_PROGRESS"
    assert code_of(stacks.create) == "AlreadyExistsException"


def test_a_role_takes_a_capability(stacks: Stacks) -> None:
    code, message, _ = error_of(lambda: stacks.create(NAMED_ROLE))
    assert (code, message) == ("InsufficientCapabilitiesException",
                               "Requires capabilities : [CAPABILITY_NAMED_IAM]")
    stacks.made(NAMED_ROLE, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert stacks.endpoint.client("iam").get_role(RoleName="made-by-a-stack")
