"""Which module knows the behaviour of which service. A further service is a file and a line here.

A behaviour module has `ACTIONS`, a `Service`; each action is a function of a `Call` that gives
the answer in the field names of the AWS API. An action that it lacks goes to moto as it came.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .world import World

MODULES = {  # by signing name
    "acm": "acm",
    "cloudformation": "cloudformation",
    "ec2": "ec2",
    "ecr": "ecr",
    "ecs": "ecs",
    "elasticache": "elasticache",
    "elasticloadbalancing": "elb",
    "iam": "iam",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "route53": "route53",
    "secretsmanager": "secretsmanager",
    "servicediscovery": "cloudmap",
    "servicequotas": "servicequotas",
    "sns": "sns",
    "ssm": "ssm",
    "sts": "sts",
    "tagging": "tagging",
}
# Where botocore's name of a service is not its signing name.
MODEL_NAMES = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch",
               "servicequotas": "service-quotas", "tagging": "resourcegroupstaggingapi"}


@dataclass
class Call:
    """One request as a behaviour sees it. `forward` has moto carry it out, as it came."""

    world: World
    service: str
    action: str
    input: dict[str, Any]
    region: str
    account: str
    principal: str
    access_key: str
    forward: Callable[[], "Raw"]

    def store(self, kind: Any) -> Any:
        return self.world.store(kind, self.account, self.region)


@dataclass
class Raw:
    """An answer that is already in wire format."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


Action = Callable[[Call], "dict[str, Any] | Raw | None"]


@dataclass
class Service:
    """A service's actions; `exclusive` if moto knows nothing of what they manage."""

    name: str
    exclusive: bool = False
    throttle: tuple[str, int] = ("ThrottlingException", 400)
    # What AWS answers when an input does not fit the model.
    invalid: str = "ValidationException"
    functions: dict[str, Action] = field(default_factory=dict)

    def action(self, name: str) -> Callable[[Action], Action]:
        def add(function: Action) -> Action:
            self.functions[name] = function
            return function
        return add


def service_find(signing_name: str) -> Service | None:
    """The behaviour of a service, or None where moto's is all there is."""
    module = MODULES.get(signing_name)
    return _actions_of(module) if module else None


@functools.lru_cache(None)
def _actions_of(module: str) -> Service:
    actions: Service = importlib.import_module(f".{module}", __package__).ACTIONS
    return actions


def paged(items: list[Any], call: Call, size: str, token: str, default: int, largest: int,
          refuse: Callable[[str], Exception]) -> tuple[list[Any], dict[str, str]]:
    """One page of ITEMS, and the member with the next token, if there is more.

    SIZE and TOKEN name the input's members; an answer's token has the same name as the input's.
    A page may hold less than was asked for, and does if a test has set the world's page size.
    """
    limit = call.input.get(size) or default
    if not 1 <= limit <= largest:
        raise refuse(f"{size} must be between 1 and {largest}")
    limit = min(limit, call.world.page_size or limit)
    start = 0
    if call.input.get(token):
        try:
            start = int(bytes.fromhex(call.input[token]).decode())
        except ValueError:
            raise refuse(f"Invalid {token}") from None
    page = items[start:start + limit]
    if start + limit >= len(items):
        return page, {}
    return page, {token: str(start + limit).encode().hex()}
