"""The types of resources that a stack may have here, made in the services that own them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-template-resource-type-ref.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import sns
from ..identity import iam_of

if TYPE_CHECKING:
    from .model import CloudFormation, Made, Stack


class Failure(Exception):
    """A resource could not be made, changed or deleted, for this reason."""


class Kind:
    """A type. A change of one of `replaced` makes a new one, and the old one goes afterwards."""

    known: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    tagged = False  # with the stack's tags, which an update of these alone writes, too

    def __init__(self, store: CloudFormation, stack: Stack) -> None:
        self.store, self.stack = store, stack

    def check(self, properties: dict[str, Any]) -> None:
        unknown = sorted(set(properties) - set(self.known))
        if unknown:
            raise Failure(f"Encountered unsupported property {unknown[0]}")
        missing = [p for p in self.required if p not in properties]
        if missing:
            raise Failure(f"Property {missing[0]} cannot be empty.")

    def physical(self, logical: str) -> str:
        """The name of what is not named: the stack's, the resource's, and 12 of its own."""
        return f"{self.stack.name}-{logical}-{self.store.world.letters(12).upper()}"

    def make(self, made: Made) -> None:
        made.physical = self.physical(made.logical)

    def change(self, made: Made) -> None:
        """In place: `made.properties` are the new ones."""

    def delete(self, made: Made) -> None:
        pass


class Topic(Kind):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-sns-topic.html"""

    known = ("TopicName", "DisplayName", "KmsMasterKeyId", "Subscription", "Tags")
    replaced = ("TopicName",)
    tagged = True

    def make(self, made: Made) -> None:
        name = made.properties.get("TopicName") or self.physical(made.logical)
        own = {t["Key"]: t["Value"] for t in made.properties.get("Tags", [])}
        backend = sns.backend(self.store.account, self.store.region)
        if any(t.name == name for t in backend.topics.values()):
            raise Failure(f"{name} already exists")
        system = {"aws:cloudformation:stack-name": self.stack.name,
                  "aws:cloudformation:stack-id": self.stack.id,
                  "aws:cloudformation:logical-id": made.logical}
        topic = backend.create_topic(name, {}, {**self.stack.version.tags, **own, **system})
        made.physical, made.attributes = topic.arn, {"TopicArn": topic.arn, "TopicName": name}
        self.change(made)

    def change(self, made: Made) -> None:
        backend = sns.backend(self.store.account, self.store.region)
        backend.topics[made.physical].display_name = made.properties.get("DisplayName", "")
        tags = backend.topics[made.physical]._tags  # moto has no other way
        tags.update(self.stack.version.tags)
        for one in made.properties.get("Subscription", []):
            sns.subscribe(self.store.account, self.store.region, made.physical, one["Protocol"],
                          one["Endpoint"])

    def delete(self, made: Made) -> None:
        sns.topic_delete(self.store.world, self.store.account, self.store.region, made.physical)


class Subscription(Kind):
    """.../aws-resource-sns-subscription.html"""

    known = ("Endpoint", "Protocol", "TopicArn", "FilterPolicy", "RawMessageDelivery")
    required = ("TopicArn", "Protocol")
    replaced = ("Endpoint", "Protocol", "TopicArn")

    def make(self, made: Made) -> None:
        given = made.properties
        found = sns.subscribe(self.store.account, self.store.region, given["TopicArn"],
                              given["Protocol"], given.get("Endpoint", ""))
        made.physical = found.arn

    def delete(self, made: Made) -> None:
        sns.subscription_delete(self.store.world, self.store.account, self.store.region,
                                made.physical)


class Role(Kind):
    """.../aws-resource-iam-role.html"""

    known = ("RoleName", "AssumeRolePolicyDocument", "Description")
    required = ("AssumeRolePolicyDocument",)
    replaced = ("RoleName",)

    def make(self, made: Made) -> None:
        name = made.properties.get("RoleName") or self.physical(made.logical)
        role = iam_of(self.store.account).create_role(
            role_name=name, path="/", permissions_boundary=None, description="", tags=[],
            assume_role_policy_document=str(made.properties["AssumeRolePolicyDocument"]),
            max_session_duration="3600")
        made.physical, made.attributes = name, {"Arn": role.arn, "RoleId": role.id}

    def delete(self, made: Made) -> None:
        iam_of(self.store.account).delete_role(made.physical)


class Handle(Kind):
    """A handle of a wait condition: a stack's resource that is nothing outside of it."""


KINDS: dict[str, type[Kind]] = {
    "AWS::SNS::Topic": Topic, "AWS::SNS::Subscription": Subscription, "AWS::IAM::Role": Role,
    "AWS::CloudFormation::WaitConditionHandle": Handle,
}


def capability_of(resource: dict[str, Any]) -> str:
    """What must be acknowledged for a resource; "" for nothing."""
    if not resource["Type"].startswith("AWS::IAM::"):
        return ""
    named = "RoleName" in resource.get("Properties", {})
    return "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
