"""What there is in CloudWatch: alarms of an account and region, dashboards of an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, Service

if TYPE_CHECKING:
    from ..world import World

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html
ACTIONS = Service("monitoring", exclusive=True, throttle=("Throttling", 400),
                  invalid="ValidationError")
TAGS_MOST = 50


@dataclass
class Alarm:
    """An alarm; `fields` as the API gives them."""

    fields: dict[str, Any]
    tags: dict[str, str]

    @property
    def arn(self) -> str:
        return str(self.fields["AlarmArn"])


@dataclass
class Dashboard:
    """A dashboard; its body is kept as it was put."""

    name: str
    arn: str
    body: str
    modified: float
    tags: dict[str, str] = field(default_factory=dict)


class Alarms:
    """The alarms of an account and region, by name."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.by_name: dict[str, Alarm] = {}


class Dashboards:
    """The dashboards of an account, by name: "All dashboards in your account are global"."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account = world, account
        self.by_name: dict[str, Dashboard] = {}


def alarms_of(call: Call) -> Alarms:
    return call.store(Alarms)


def dashboards_of(call: Call) -> Dashboards:
    return call.world.store(Dashboards, call.account, "aws")


def refuse(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def clash(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def tags_read(given: list[dict[str, str]]) -> dict[str, str]:
    tags = {tag["Key"]: tag["Value"] for tag in given}
    if any(key.lower().startswith("aws:") for key in tags):
        raise AwsError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for "
                       "internal use.")
    if len(tags) > TAGS_MOST:
        raise AwsError("InvalidParameterValue", f"A resource has at most {TAGS_MOST} tags.")
    return tags
