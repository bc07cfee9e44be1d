# SPDX-License-Identifier: MIT
"""Stacks that AWS, or somebody else, does not let be made or changed: why, and what to do."""

from __future__ import annotations

import json

import pytest

from stacked import (HANDLE, NAME, YAML, Json, fails, last_lines, mails, outputs, set_notifications,
                     set_stacks, settled, stack, template, writes)
from stacked import small  # noqa: F401
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World


def test_a_failed_creation_says_why_and_is_made_anew(small: World) -> None:
    fails(small, "OperatorSubscription", "no mail today (Service: Sns, Status Code: 400)")
    failed = small.job()
    assert failed.exit_code == 2
    last = last_lines(failed.log)
    assert (f"stack '{NAME}' failed: ROLLBACK_COMPLETE: OperatorSubscription "
            "(AWS::SNS::Subscription) CREATE_FAILED: no mail today") in last
    assert small.service("notifier")["runningCount"] == 1  # nothing else suffers
    small.aws.clear_faults()
    small.aws.record_clear()
    small.deploy()
    assert writes(small) == ["DeleteStack", "CreateStack"]
    assert stack(small)["StackStatus"] == "CREATE_COMPLETE"
    settled(small)


def test_a_reason_of_several_lines_is_in_the_last_one(small: World) -> None:
    fails(small, "OperatorSubscription",
          "Properties validation failed with message:\n#: required key [Endpoint] not found")
    failed = small.job()
    assert failed.exit_code == 2
    [error, _] = [line for line in failed.log.splitlines() if "ERROR: " in line]  # the runner's
    assert f"stack '{NAME}'" in error and "message: #: required key [Endpoint] not found" in error


def test_an_old_stack_that_cannot_be_deleted_is_said(small: World) -> None:
    fails(small, "OperatorSubscription", "no mail today")
    fails(small, "AlarmTopic", "still in use", Operation="rollback")
    assert small.job().exit_code == 2
    assert stack(small)["StackStatus"] == "ROLLBACK_FAILED"
    small.aws.clear_faults()
    fails(small, "AlarmTopic", "still in use", Operation="delete")
    failed = small.job()
    assert failed.exit_code == 2
    assert "could not be deleted: AlarmTopic (AWS::SNS::Topic) DELETE_FAILED: still in use" \
        in last_lines(failed.log)
    small.aws.clear_faults()
    small.deploy()


def test_an_update_that_is_rolled_back_is_a_failure(small: World) -> None:
    small.deploy()
    small.aws.confirm("ops@example.com")
    before = outputs(small)
    set_notifications(small, "two@example.com")
    fails(small, "OperatorSubscription", "not today")
    for _ in range(2):  # a later run tries again, and does not take the old one for good
        failed = small.job()
        assert failed.exit_code == 2
        assert (f"stack '{NAME}' failed: UPDATE_ROLLBACK_COMPLETE: OperatorSubscription "
                "(AWS::SNS::Subscription) UPDATE_FAILED: not today") in last_lines(failed.log)
    assert stack(small)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    small.aws.clear_faults()
    small.deploy()
    assert set(mails(small)) == {"two@example.com"} and outputs(small) == before
    settled(small)


def test_a_change_that_is_taken_back_after_its_rollback_is_nothing(small: World) -> None:
    small.deploy()
    template(small, YAML)
    set_stacks(small, notifications={
        "template": "topic.yaml", "name": "SnsTopicMetTelAutomationAlarms-${ENVIRONMENT}"})
    fails(small, "Topic", "not today")
    assert small.job().exit_code == 2
    small.aws.clear_faults()
    set_notifications(small)
    small.aws.record_clear()
    small.deploy()
    assert writes(small) == []


def test_a_failed_rollback_says_what_to_do(small: World) -> None:
    template(small, YAML)
    set_stacks(small, notifications=None, other={"template": "topic.yaml"})
    small.deploy()
    more = YAML.replace("Outputs:", "  Wait: {Type: 'AWS::CloudFormation::WaitConditionHandle'}\n"
                        "Outputs:").replace("${Word}", "new")
    template(small, more)
    fails(small, "Wait", "not today")
    fails(small, "Topic", "not back", Operation="rollback")
    for _ in range(2):
        failed = small.job()
        assert failed.exit_code == 2
        last = last_lines(failed.log)
        assert "UPDATE_ROLLBACK_FAILED: Wait (" in last and "continue-update-rollback" in last


@pytest.mark.parametrize("change,says", [
    ({"parameters": {}}, "Parameters: [OperatorEmail] must have values"),
    ({"parameters": {"OperatorEmail": "nobody"}}, "must be an e-mail address"),
    ({"parameters": {"OperatorEmail": "a@example.com", "More": "1"}},
     "Parameters: [More] do not exist in the template")])
def test_what_aws_refuses_is_the_users(small: World, change: Json, says: str) -> None:
    set_notifications(small, **change)
    refused = small.job()
    assert refused.exit_code == 1
    assert f"stacks.notifications: CloudFormation refuses it: " in refused.log
    assert says in last_lines(refused.log)


def test_a_broken_template_is_the_users(small: World) -> None:
    template(small, "Resources: [")
    set_stacks(small, other={"template": "topic.yaml"})
    refused = small.job()
    assert refused.exit_code == 1
    assert "stacks.other: CloudFormation refuses it" in refused.log
    assert "YAML not well-formed" in last_lines(refused.log)


def test_a_review_is_left_to_who_began_it(small: World) -> None:
    small.aws.client("cloudformation").create_change_set(
        StackName=NAME, ChangeSetName="c", ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"H": HANDLE}}),
        Tags=[{"Key": "Environment", "Value": ENVIRONMENT}, {"Key": "berth:ref", "Value": BRANCH},
              {"Key": "berth:project", "Value": str(PROJECT_ID)}])
    failed = small.job()
    assert failed.exit_code == 2 and "change set waits to be reviewed" in last_lines(failed.log)
    assert writes(small) == ["CreateChangeSet"]


def test_somebody_elses_stack_is_left_alone(small: World) -> None:
    small.aws.client("cloudformation").create_stack(
        StackName=NAME, TemplateBody=json.dumps({"Resources": {"H": HANDLE}}))
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and f"stack '{NAME}' (without our tags)" in refused.log
    assert small.writes() == []


def test_an_output_that_there_is_not(small: World) -> None:
    spec = small.spec()
    spec["services"]["notifier"]["environment"] = {"TOPIC": "${notifications.Topic}"}
    small.write_spec(spec)
    refused = small.job()
    assert refused.exit_code == 1 and "notifications.Topic" in last_lines(refused.log)
