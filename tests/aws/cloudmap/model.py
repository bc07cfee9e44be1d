"""What there is in Cloud Map, in one account and region, and the operations that change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, Service

if TYPE_CHECKING:
    from ..world import World

# https://docs.aws.amazon.com/cloud-map/latest/api/CommonErrors.html
ACTIONS = Service("servicediscovery", exclusive=True, throttle=("ThrottlingException", 400),
                  invalid="InvalidInput")


@dataclass
class Namespace:
    """A namespace; `fields` as the API gives it, without its count of services."""

    fields: dict[str, Any]
    vpc: str | None
    zone: str | None
    tags: list[dict[str, str]]
    deletion: str = ""  # the operation that deletes it, while that is under way


@dataclass
class Registry:
    """What Cloud Map calls a service; `fields` as the API gives it, without counts."""

    fields: dict[str, Any]
    tags: list[dict[str, str]]
    instances: dict[str, dict[str, str]] = field(default_factory=dict)
    health: dict[str, str] = field(default_factory=dict)


class CloudMap:
    """All of Cloud Map in an account and region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.namespaces: dict[str, Namespace] = {}
        self.services: dict[str, Registry] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        # Name and VPC of the namespaces that are being created, with their operations.
        self.creating: dict[tuple[str, str | None], str] = {}

    def now(self) -> float:
        return round(self.world.clock.now(), 3)

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:servicediscovery:{self.region}:{self.account}:{kind}/{name}"

    def namespace(self, name: str) -> Namespace:
        name = name.rpartition("/")[2]
        if name not in self.namespaces:
            raise AwsError("NamespaceNotFound", f"Namespace not found with id: {name}.")
        return self.namespaces[name]

    def service(self, name: str) -> Registry:
        name = name.rpartition("/")[2]
        if name not in self.services:
            raise AwsError("ServiceNotFound", f"Service not found with id: {name}.")
        return self.services[name]

    def services_of(self, namespace: str) -> list[Registry]:
        return [s for s in self.services.values() if s.fields["NamespaceId"] == namespace]

    def operation(self, kind: str, targets: dict[str, str], duration: str,
                  finish: Callable[[], str | None]) -> str:
        """Start an operation; FINISH carries it out when it is due, and says why it FAILed."""
        name = f"{self.world.letters(32)}-{self.world.hex(8)}"
        entry = {"Id": name, "OwnerAccount": self.account, "Type": kind, "Status": "SUBMITTED",
                 "CreateDate": self.now(), "UpdateDate": self.now(), "Targets": targets}
        self.operations[name] = entry
        clock = self.world.clock

        def pending() -> None:
            entry.update(Status="PENDING", UpdateDate=self.now())
            clock.after(clock.duration(duration), finished)

        def finished() -> None:
            fault = finish()
            entry.update(Status="FAIL" if fault else "SUCCESS", UpdateDate=self.now())
            if fault:
                entry["ErrorCode"], _, entry["ErrorMessage"] = fault.partition(": ")

        share = duration in ("cloudmap.namespace",)
        clock.after(clock.duration("cloudmap.submitted") if share else 0.0, pending)
        return name


def store_of(call: Call) -> CloudMap:
    return call.store(CloudMap)


def refuse(message: str) -> AwsError:
    return AwsError("InvalidInput", message)


def tags_check(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(tags) > 50:
        raise AwsError("TooManyTagsException", "A resource can have at most 50 tags.")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise refuse("Tag keys starting with 'aws:' are reserved for internal use.")
    return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]


def filtered(call: Call, known: dict[str, Callable[[Any], str]], items: list[Any]) -> list[Any]:
    """Filters: EQ is the default, and takes one value; IN is of RESOURCE_OWNER and TYPE."""
    for one in call.input.get("Filters", []):
        name, values = one["Name"], one["Values"]
        condition = one.get("Condition", "EQ")
        if name not in known or not values:
            raise refuse(f"Invalid filter {name}.")
        if condition == "EQ" and len(values) != 1:
            raise refuse("The condition EQ takes exactly one value.")
        if condition == "BEGINS_WITH":
            items = [i for i in items if known[name](i).startswith(values[0])]
        else:
            items = [i for i in items if known[name](i) in values]
    return items


def owner(_: Any) -> str:
    return "SELF"
