# SPDX-License-Identifier: MIT
"""Stacks: made, changed and explained; nothing is written where nothing differs."""

from __future__ import annotations

from typing import Any

import pytest

from aws.build import code_of
from stacked import (HANDLE, NAME, YAML, Json, fails, last_lines, mails, outputs, set_notifications,
                     set_stacks, settled, stack, template, writes)
from stacked import small  # noqa: F401
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World

EVENTS = {"DescribeStackEvents", "GetTemplate"}
OTHER = "dev/fix/JIRA-12"


def set_limits(world: World, **limits: Any) -> None:
    world.config["projects"][str(PROJECT_ID)]["limits"] = {"ephemeral": limits}
    world.write_config()


def names(world: World) -> set[str]:
    found = world.aws.client("cloudformation").describe_stacks()["Stacks"]
    return {s["StackName"] for s in found}


def tags(world: World, name: str = NAME) -> dict[str, str]:
    return {t["Key"]: t["Value"] for t in stack(world, name)["Tags"]}


# --- what is made ---

def test_the_stack_of_the_alarms(small: World) -> None:
    done = small.deploy()
    assert names(small) == {NAME} and stack(small)["StackStatus"] == "CREATE_COMPLETE"
    [topic] = small.aws.client("sns").list_topics()["Topics"]
    assert outputs(small) == {"TopicARN": topic["TopicArn"]}
    ours = {"Environment": ENVIRONMENT, "berth:project": str(PROJECT_ID), "berth:ref": BRANCH,
            "berth:name": "notifications"}
    assert tags(small).items() >= ours.items()
    spread = small.aws.client("sns").list_tags_for_resource(ResourceArn=topic["TopicArn"])["Tags"]
    assert {t["Key"]: t["Value"] for t in spread}.items() >= ours.items()
    assert "nobody has confirmed the subscription of 'ops@example.com'" in done.log
    settled(small)


def test_a_mail_that_nobody_confirms_is_said_whenever_something_changes(small: World) -> None:
    small.deploy()
    spec = small.spec()
    spec["services"]["notifier"]["cpu"] = 512
    spec["services"]["notifier"]["memory"] = 1024
    small.write_spec(spec)
    assert "nobody has confirmed" in small.deploy().log
    small.aws.confirm("ops@example.com")
    spec["services"]["notifier"]["memory"] = 2048
    small.write_spec(spec)
    small.aws.record_clear()
    assert "confirmed" not in small.deploy().log
    assert len(small.aws.calls(service="sns")) == 1


def test_outputs_are_used_elsewhere(small: World) -> None:
    spec = small.spec()
    spec["services"]["notifier"]["environment"] = {"TOPIC": "${notifications.TopicARN}"}
    small.write_spec(spec)
    small.deploy()
    [container] = small.definition("notifier")["containerDefinitions"]
    values = {e["name"]: e["value"] for e in container["environment"]}
    assert values["TOPIC"] == outputs(small)["TopicARN"]
    settled(small)


def test_a_template_beside_the_spec(small: World) -> None:
    template(small, YAML)
    set_stacks(small, notifications=None, other={"template": "topic.yaml", "parameters": {
        "Word": "loud", "Address": "${network.CidrBlock}"}})
    small.deploy()
    name = f"{ENVIRONMENT}-other"
    assert names(small) == {name}
    topic = small.aws.client("sns").get_topic_attributes(
        TopicArn=outputs(small, name)["TopicARN"])["Attributes"]
    assert topic["DisplayName"] == "loud 10.2.0.0/16 none"
    settled(small)


def test_the_stack_is_awaited_by_its_id(small: World) -> None:
    small.aws.speed(100)
    try:
        small.deploy()
    finally:
        small.aws.speed("instant")
    asked = [c["input"]["StackName"] for c in small.aws.calls(action="DescribeStacks")]
    made = stack(small)["StackId"]
    assert asked[0] == NAME and len(asked) > 1 and set(asked[1:]) == {made}


# --- changes ---

def test_another_address(small: World) -> None:
    small.deploy()
    assert small.aws.confirm("ops@example.com") == 1  # one that waits could not be taken back
    before = outputs(small)
    set_notifications(small, "two@example.com")
    small.aws.record_clear()
    assert "two@example.com" in small.deploy().log
    assert writes(small) == ["UpdateStack"] and outputs(small) == before
    assert set(mails(small)) == {"two@example.com"}
    settled(small)


def test_another_template_and_back(small: World) -> None:
    """The way back is another operation, though it asks for what has been asked for before."""
    template(small, YAML)
    set_stacks(small, notifications=None, other={"template": "topic.yaml"})
    small.deploy()
    name, asked = f"{ENVIRONMENT}-other", []
    for text in (YAML.replace("${Word}", "new"), YAML, YAML.replace("${Word}", "new")):
        template(small, text)
        small.aws.record_clear()
        small.deploy()
        [call] = small.aws.calls(service="cloudformation", action="UpdateStack")
        asked.append(call["input"]["ClientRequestToken"])
        shown = small.aws.client("sns").get_topic_attributes(
            TopicArn=outputs(small, name)["TopicARN"])["Attributes"]["DisplayName"]
        assert shown.startswith("new" if "new" in text else "plain")
    assert len(set(asked)) == 3
    settled(small)


@pytest.mark.parametrize("first,then,shown", [
    ({"Word": "a"}, {}, "plain  none"), ({}, {"Word": "a"}, "a  none"),
    ({"Secret": "a"}, {"Secret": "b"}, "plain  b"), ({"Secret": "a"}, {}, "plain  none"),
    ({"Word": "a", "Secret": "s"}, {"Word": "b", "Secret": "s"}, "b  s")])
def test_parameters_come_change_and_go(small: World, first: Json, then: Json, shown: str) -> None:
    """Also one whose value NoEcho hides."""
    template(small, YAML)
    for given in (first, then):
        set_stacks(small, notifications=None,
                   other={"template": "topic.yaml", "parameters": given})
        small.deploy()
        settled(small)
    topic = outputs(small, f"{ENVIRONMENT}-other")["TopicARN"]
    assert small.aws.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"][
        "DisplayName"] == shown


def test_a_parameter_changed_by_hand_is_set_back(small: World) -> None:
    small.deploy()
    small.aws.client("cloudformation").update_stack(
        StackName=NAME, UsePreviousTemplate=True, Parameters=[
            {"ParameterKey": "OperatorEmail", "ParameterValue": "hand@example.com"}])
    assert stack(small)["StackStatus"] == "UPDATE_COMPLETE"
    assert small.aws.confirm("hand@example.com") == 1
    small.deploy()
    assert set(mails(small)) == {"ops@example.com"}


def test_nothing_to_update_is_success(small: World) -> None:
    """Somebody has done the same in the meantime."""
    small.deploy()
    set_notifications(small, "two@example.com")
    small.aws.fault(fault="error", service="cloudformation", action="UpdateStack",
                    code="ValidationError", message="No updates are to be performed.")
    small.deploy()


def test_an_operation_of_somebody_elses_is_awaited(small: World) -> None:
    small.deploy()
    small.aws.confirm("ops@example.com")
    small.aws.speed(100)
    try:
        small.aws.client("cloudformation").update_stack(
            StackName=NAME, UsePreviousTemplate=True, Parameters=[
                {"ParameterKey": "OperatorEmail", "ParameterValue": "hand@example.com"}])
        set_notifications(small, "two@example.com")
        small.deploy()
    finally:
        small.aws.speed("instant")
    # Nobody has confirmed what was there between the two: it stays for a while.
    assert set(mails(small)) - {"hand@example.com"} == {"two@example.com"}
    refused = [c for c in small.aws.calls(service="cloudformation") if c["status"] >= 400
               and c["action"] == "UpdateStack"]
    assert refused == []


# --- removal ---

def test_what_the_spec_drops_goes(small: World) -> None:
    set_stacks(small, other={"builtin": "sns-alarms",
                             "parameters": {"OperatorEmail": "b@example.com"}})
    small.deploy()
    assert names(small) == {NAME, f"{ENVIRONMENT}-other"}
    set_stacks(small, notifications=None)
    gone = stack(small)["StackId"]
    small.aws.record_clear()
    small.deploy()
    [call] = small.aws.calls(service="cloudformation", action="DeleteStack")
    assert call["input"]["StackName"] == gone and names(small) == {f"{ENVIRONMENT}-other"}
    assert stack(small, gone)["StackStatus"] == "DELETE_COMPLETE"
    assert set(mails(small)) == {"b@example.com"}
    settled(small)


def test_a_deletion_that_fails_names_what_holds(small: World) -> None:
    small.deploy()
    set_stacks(small, notifications=None)
    fails(small, "AlarmTopic", "somebody uses it", Operation="delete")
    failed = small.job()
    assert failed.exit_code == 2
    assert "could not be deleted: AlarmTopic (AWS::SNS::Topic) DELETE_FAILED: somebody uses it" \
        in last_lines(failed.log)
    again = small.job()
    assert again.exit_code == 2
    small.aws.clear_faults()
    small.deploy()
    assert names(small) == set()


def test_what_a_stack_holds_is_the_stacks(small: World) -> None:
    """CloudFormation passes a stack's tags on to its resources, whose names begin with the stack's:
    neither is a reason to remove them.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
    """
    set_stacks(small, other={"builtin": "sns-alarms",
                             "parameters": {"OperatorEmail": "b@example.com"}})
    small.deploy()
    name = f"{ENVIRONMENT}-other"
    passed_on = [{"Key": k, "Value": v} for k, v in tags(small, name).items()]
    small.aws.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{name}-Alarm-1ABCDEF", Namespace="N", MetricName="M", Statistic="Sum",
        Period=60, EvaluationPeriods=1, Threshold=1, Tags=passed_on,
        ComparisonOperator="GreaterThanThreshold")
    ec2 = small.aws.client("ec2")
    [near] = [g for g in ec2.describe_security_groups()["SecurityGroups"]
              if g["GroupName"] == f"{ENVIRONMENT}-notifier"]
    group = ec2.create_security_group(
        GroupName=f"{name}-Group-1ABCDEF", Description="made by the stack", VpcId=near["VpcId"],
        TagSpecifications=[{"ResourceType": "security-group", "Tags": passed_on}])["GroupId"]
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []
    assert len(ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]) == 1


def test_a_protected_stack_stays(small: World) -> None:
    small.deploy()
    small.aws.client("cloudformation").update_termination_protection(
        StackName=NAME, EnableTerminationProtection=True)
    set_stacks(small, notifications=None)
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and "--no-enable-termination-protection" in refused.log
    assert writes(small) == [] and names(small) == {NAME}


# --- limits, and stacks of others ---

def test_capabilities_are_the_administrators(small: World) -> None:
    template(small, {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {
        "RoleName": "branch-role", "AssumeRolePolicyDocument": {}}}}})
    set_stacks(small, other={"template": "topic.yaml", "capabilities": ["CAPABILITY_NAMED_IAM"]})
    small.aws.record_clear()
    for limits in (None, {}, {"stackCapabilities": ["CAPABILITY_IAM"]}):
        if limits is not None:
            set_limits(small, **limits)
        refused = small.job()
        assert refused.exit_code == 1 and small.aws.calls() == []
        assert ("stacks.other.capabilities[0]: this runner's stacks may not use "
                "'CAPABILITY_NAMED_IAM': the host's administrator may add it") in refused.log
    set_limits(small, stackCapabilities=["CAPABILITY_NAMED_IAM"])
    small.deploy()
    assert small.aws.client("iam").get_role(RoleName="branch-role")


def test_a_capability_that_is_not_asked_for(small: World) -> None:
    template(small, {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {
        "AssumeRolePolicyDocument": {}}}}})
    set_stacks(small, other={"template": "topic.yaml"})
    refused = small.job()
    assert refused.exit_code == 1 and "add 'capabilities' as AWS says" in refused.log
    assert "[CAPABILITY_IAM]" in refused.log


def test_types_of_resources_are_the_administrators(small: World) -> None:
    template(small, {"Resources": {"H": HANDLE}})
    set_stacks(small, other={"template": "topic.yaml"})
    set_limits(small, stackResources=[])
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and small.aws.calls() == []
    assert "stacks.other.template: this runner makes no stacks from a repository's" in refused.log
    set_limits(small, stackResources=["AWS::SNS::*"])
    refused = small.job()
    assert refused.exit_code == 1 and "is not allowed by parameter ResourceTypes" in refused.log
    set_limits(small, stackResources=["AWS::CloudFormation::*"])
    small.deploy()


def test_environments_share_a_topic(small: World) -> None:
    """Production's, which two branches use and neither changes nor removes."""
    shared = "SnsTopicMetTelAutomationAlarms-automation-master"
    spec = small.spec()
    own = spec.pop("stacks")
    spec["overlays"]["production"]["stacks"] = own
    spec["overlays"]["ephemeral"] = {"stacks": {"notifications": {"shared": shared}}}
    spec["services"]["notifier"]["environment"] = {"TOPIC": "${notifications.TopicARN}"}
    small.write_spec(spec)
    refused = small.job()
    assert refused.exit_code == 1
    assert f"there is no stack '{shared}' with outputs" in refused.log
    small.deploy("master")
    topic = outputs(small, shared)["TopicARN"]
    small.aws.record_clear()
    for branch, environment in ((BRANCH, ENVIRONMENT), (OTHER, "automation-36763184")):
        assert "nobody has confirmed" in small.deploy(branch).log
        [container] = small.definition("notifier", environment)["containerDefinitions"]
        assert {"name": "TOPIC", "value": topic} in container["environment"]
    assert writes(small) == [] and names(small) == {shared}
    set_limits(small, sharedStacks=["Other-*"])
    refused = small.job()
    assert refused.exit_code == 1
    assert "stacks.notifications.shared: this runner does not let specs use the outputs" \
        in refused.log


@pytest.mark.parametrize("given,says", [
    ({"builtin": "sns-alarms", "template": "topic.yaml"}, "needs one of"), ({}, "needs one of"),
    ({"shared": "a", "parameters": {}}, "remove either 'shared' or 'parameters'"),
    ({"builtin": "sns-alarms", "name": "a_b"}, "cannot be the name of a stack"),
    ({"builtin": "sns-alarms", "name": "a" * 129}, "too long for a stack's name"),
    ({"shared": "${cluster.Name}"}, "stacks.other.shared: "),
    ({"builtin": "sns-alarms", "name": "${cluster.Name}"}, "stacks.other.name: "),
    ({"template": "none.yaml"}, "stacks.other.template: "),
    ({"template": "big.yaml"}, "has 51201 bytes, CloudFormation takes at most 51200")])
def test_what_the_spec_may_not_say(small: World, given: Json, says: str) -> None:
    template(small, "#" * 51201, "big.yaml")
    set_stacks(small, other=given)
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and says in refused.log
    assert small.aws.calls() == []


def test_a_job_for_the_stacks_alone(small: World) -> None:
    job = small.job("deploy-sns")
    assert job.exit_code == 0, job.log
    assert names(small) == {NAME}
    assert {c["service"] for c in small.aws.calls(writes=True)} == {"cloudformation"}
    assert code_of(lambda: small.service("notifier")) == "ClusterNotFoundException"
