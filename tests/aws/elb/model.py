"""What there is in Elastic Load Balancing, in one account and region, and how it is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, Service, paged

if TYPE_CHECKING:
    from ..world import World

# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html
ACTIONS = Service("elasticloadbalancing", exclusive=True, throttle=("Throttling", 400),
                  invalid="ValidationError")
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


@dataclass
class Target:
    """An address and port in a target group; `changed` is told of every new state."""

    id: str
    port: int
    zone: str
    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    since: int = 0  # counts the beginnings of health checks: what an older one brings is void
    changed: Callable[[Target], None] = lambda _: None


@dataclass
class Group:
    """A target group; `fields` as the API gives it, without its load balancers."""

    arn: str
    fields: dict[str, Any]
    tags: dict[str, str]
    attributes: dict[str, str]
    targets: dict[tuple[str, int], Target] = field(default_factory=dict)
    busy_until: float = 0.0  # a listener or rule that is gone is still known to some

    @property
    def name(self) -> str:
        return str(self.fields["TargetGroupName"])


@dataclass
class Rule:
    """A rule of a listener; the default one has the priority "default" and no conditions."""

    arn: str
    priority: str
    conditions: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    tags: dict[str, str]
    transforms: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Listener:
    """A listener; `fields` as the API gives it, without actions and certificates."""

    arn: str
    balancer: Balancer
    fields: dict[str, Any]
    certificate: str | None
    tags: dict[str, str]
    attributes: dict[str, str]
    given: dict[str, Any]
    certificates: list[str] = field(default_factory=list)  # beyond the default one
    rules: list[Rule] = field(default_factory=list)  # the default one first

    @property
    def actions(self) -> list[dict[str, Any]]:
        return self.rules[0].actions


@dataclass
class Balancer:
    """A load balancer; `fields` as the API gives it."""

    arn: str
    fields: dict[str, Any]
    tags: dict[str, str]
    attributes: dict[str, str]
    interfaces: list[str]
    listeners: list[Listener] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.fields["LoadBalancerName"])


class Elb:
    """All of Elastic Load Balancing in an account and region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.balancers: dict[str, Balancer] = {}  # by ARN
        self.groups: dict[str, Group] = {}

    def arn(self, kind: str, *names: str) -> str:
        path = "/".join((kind, *names, self.world.hex(16)))
        return f"arn:aws:elasticloadbalancing:{self.region}:{self.account}:{path}"

    def child_arn(self, parent: str, kind: str, of: str) -> str:
        """A listener's ARN from its load balancer's, a rule's from its listener's."""
        return parent.replace(f":{of}/", f":{kind}/") + "/" + self.world.hex(16)

    def balancer(self, arn: str) -> Balancer:
        if arn not in self.balancers:
            raise AwsError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return self.balancers[arn]

    def listeners(self) -> list[Listener]:
        return [one for b in self.balancers.values() for one in b.listeners]

    def listener(self, arn: str) -> Listener:
        found = next((one for one in self.listeners() if one.arn == arn), None)
        if found is None:
            raise AwsError("ListenerNotFound", f"Listener '{arn}' not found")
        return found

    def rule(self, arn: str) -> tuple[Listener, Rule]:
        for listener in self.listeners():
            for rule in listener.rules:
                if rule.arn == arn:
                    return listener, rule
        raise AwsError("RuleNotFound", f"Rule '{arn}' not found")

    def group(self, arn: str) -> Group:
        if arn not in self.groups:
            raise AwsError("TargetGroupNotFound", f"Target group '{arn}' not found")
        return self.groups[arn]

    def users(self, group: Group) -> list[Balancer]:
        """The load balancers whose listeners or rules forward to a group."""
        return [b for b in self.balancers.values() if any(
            group.arn in targets_of(action) for one in b.listeners for rule in one.rules
            for action in rule.actions)]


def targets_of(action: dict[str, Any]) -> list[str]:
    """The target groups that an action forwards to."""
    return [t["TargetGroupArn"] for t in action.get("ForwardConfig", {}).get("TargetGroups", [])]


def store_of(call: Call) -> Elb:
    return call.store(Elb)


def refuse(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def configuration(message: str) -> AwsError:
    return AwsError("InvalidConfigurationRequest", message)


def name_check(kind: str, name: str) -> None:
    """What names may hold (API_CreateLoadBalancer, API_CreateTargetGroup)."""
    if len(name) > 32:
        raise refuse(f"{kind} name '{name}' cannot be longer than '32' characters")
    if not NAME.fullmatch(name):
        raise refuse(f"{kind} name '{name}' can only contain characters that are alphanumeric "
                     "characters and hyphens(-), and cannot begin or end with a hyphen")
    if kind == "Load balancer" and name.startswith("internal-"):
        raise refuse("Load balancer name cannot begin with 'internal-'")


def tags_check(tags: list[dict[str, str]]) -> dict[str, str]:
    if len(tags) > 50:
        raise AwsError("TooManyTags", "The quota of tags per resource has been reached")
    if len({tag["Key"] for tag in tags}) < len(tags):
        raise AwsError("DuplicateTagKeys", "A tag key was specified more than once")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise refuse("Tag keys beginning with 'aws:' are reserved")
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


def page_of(items: list[Any], call: Call) -> tuple[list[Any], dict[str, str]]:
    page, more = paged(items, call, "PageSize", "Marker", 400, 400, refuse)
    return page, {"NextMarker": more["Marker"]} if more else {}
