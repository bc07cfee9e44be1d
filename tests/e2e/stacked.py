# SPDX-License-Identifier: MIT
"""What boto3 sees of stacks, and how tests change what is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from world import ENVIRONMENT, World

Json = dict[str, Any]
NAME = f"SnsTopicMetTelAutomationAlarms-{ENVIRONMENT}"
HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
YAML = """
Parameters:
  Word: {Type: String, Default: plain}
  Secret: {Type: String, Default: none, NoEcho: true}
  Address: {Type: String, Default: ""}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !Sub "${Word} ${Address} ${Secret}"}
Outputs:
  TopicARN: {Value: !Ref Topic}
  Name: {Value: !GetAtt Topic.TopicName}
"""


@pytest.fixture
def small(ready: World) -> World:
    """A world with one service, without what takes longest elsewhere."""
    ready.keep_services("notifier")
    spec = ready.spec()
    for member in ("redis", "loadBalancer", "records", "alarms", "dashboards"):
        spec.pop(member, None)
    ready.write_spec(spec)
    return ready


def set_stacks(world: World, **stacks: Json | None) -> None:
    """Change the spec's stacks; None takes one out."""
    spec = world.spec()
    merged = {**spec.get("stacks", {}), **stacks}
    spec["stacks"] = {name: stack for name, stack in merged.items() if stack is not None}
    world.write_spec(spec)


def set_notifications(world: World, mail: str = "ops@example.com", **members: Any) -> None:
    set_stacks(world, notifications={
        "builtin": "sns-alarms", "name": "SnsTopicMetTelAutomationAlarms-${ENVIRONMENT}",
        "parameters": {"OperatorEmail": mail}, **members})


def template(world: World, text: str | Json, name: str = "topic.yaml") -> None:
    (world.project / ".berth" / name).write_text(
        text if isinstance(text, str) else json.dumps(text))


def stack(world: World, name: str = NAME) -> Json:
    [found] = world.aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return found


def outputs(world: World, name: str = NAME) -> dict[str, str]:
    return {o["OutputKey"]: o["OutputValue"] for o in stack(world, name)["Outputs"]}


def mails(world: World) -> dict[str, str]:
    """Of the topics that there are: what nobody has confirmed outlives its topic by two days
    (https://docs.aws.amazon.com/sns/latest/dg/sns-delete-subscription-topic.html)."""
    sns = world.aws.client("sns")
    return {s["Endpoint"]: s["SubscriptionArn"]
            for topic in sns.list_topics()["Topics"]
            for s in sns.list_subscriptions_by_topic(TopicArn=topic["TopicArn"])["Subscriptions"]}


def writes(world: World) -> list[str]:
    return [c["action"] for c in world.aws.calls(service="cloudformation", writes=True)]


def fails(world: World, logical: str, message: str, **match: str) -> None:
    world.aws.fault(fault="failed", service="cloudformation", message=message,
                    match={"LogicalResourceId": logical, **match})


def settled(world: World) -> None:
    """Nothing is written, and a stack costs one read; so does the look for stray ones."""
    world.aws.record_clear()
    world.deploy()
    assert world.writes() == []
    reads = [c["action"] for c in world.aws.calls(writes=False)
             if c["service"] in ("cloudformation", "tagging", "sns")]
    assert sorted(reads) == ["DescribeStacks"] * len(world.spec()["stacks"]) + ["GetResources"]


def last_lines(log: str, n: int = 10) -> str:
    return "\n".join(log.rstrip().splitlines()[-n:])
