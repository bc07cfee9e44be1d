"""What there is in CloudFormation, in one account and region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, Service

if TYPE_CHECKING:
    from ..world import World

# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
ACTIONS = Service("cloudformation", exclusive=True, throttle=("Throttling", 400),
                  invalid="ValidationError")
Tags = dict[str, str]


@dataclass
class Made:
    """A resource of a stack: what it was made from, and as what."""

    logical: str
    kind: str
    physical: str
    properties: dict[str, Any]
    status: str = "CREATE_COMPLETE"
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Version:
    """What an operation brings a stack to; after a rollback it is again what it was before."""

    body: str
    template: dict[str, Any]
    parameters: dict[str, str]
    tags: Tags
    capabilities: list[str]


@dataclass
class Stack:
    """A stack, also one that is deleted: it is found by its id alone then."""

    name: str
    id: str
    created: float
    version: Version
    status: str = "CREATE_IN_PROGRESS"
    reason: str = ""
    protected: bool = False
    on_failure: str = "ROLLBACK"
    token: str = ""
    operation: Any = None  # the last one that was begun, see lifecycle
    updated: float | None = None
    deleted: float | None = None
    resources: dict[str, Made] = field(default_factory=dict)
    outputs: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)  # oldest first

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


class CloudFormation:
    """All of CloudFormation in an account and region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.stacks: dict[str, Stack] = {}  # by id
        # What was asked for with a request token: the action, its input, its answer.
        self.tokens: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {}

    def now(self) -> float:
        return round(self.world.clock.now(), 3)

    def new_id(self, name: str) -> str:
        return (f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{name}/"
                f"{self.world.uuid()}")

    def find(self, name_or_id: str) -> Stack | None:
        """By id, or the one of that name that is not deleted."""
        if name_or_id in self.stacks:
            return self.stacks[name_or_id]
        return next((s for s in self.stacks.values()
                     if s.name == name_or_id and s.status != "DELETE_COMPLETE"), None)

    def note(self, stack: Stack, logical: str, kind: str, physical: str, status: str,
             reason: str = "") -> None:
        """An event, as DescribeStackEvents tells it."""
        event = {"StackId": stack.id, "StackName": stack.name, "EventId": self.world.uuid(),
                 "LogicalResourceId": logical, "PhysicalResourceId": physical,
                 "ResourceType": kind, "ResourceStatus": status, "Timestamp": self.now()}
        if reason:
            event["ResourceStatusReason"] = reason
        if stack.token:
            event["ClientRequestToken"] = stack.token
        stack.events.append(event)

    def become(self, stack: Stack, status: str, reason: str = "") -> None:
        stack.status, stack.reason = status, reason
        self.note(stack, stack.name, "AWS::CloudFormation::Stack", stack.id, status, reason)


def store_of(call: Call) -> CloudFormation:
    return call.store(CloudFormation)


def refuse(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def found(call: Call, words: str = "Stack [{}] does not exist") -> Stack:
    """The stack that the input names; AWS words its absence differently from action to action."""
    name = call.input["StackName"]
    stack = store_of(call).find(name)
    if stack is None:
        raise refuse(words.format(name))
    return stack
