"""The tagging API: late, and with what once had tags.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html:
"Returns all the tagged or previously tagged resources". What it says is as old as its index.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .errors import AwsError
from .registry import Call, Service, paged
from .resources import Tagged, all_resources, resources_of

if TYPE_CHECKING:
    from .world import World

ACTIONS = Service("tagging", exclusive=True, throttle=("ThrottledException", 400),
                  invalid="InvalidParameterException")
# Roles are not among what it knows, nor are dashboards, whose ARNs have no region:
# https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/supported-services.html
# https://github.com/cloud-custodian/cloud-custodian/issues/11029
UNKNOWN = (":iam:", ":cloudwatch::")
# Whose resources go by a service's actions, by the names in ARNs, where not its own alone.
TAKEN = {"monitoring": ("cloudwatch",), "cloudformation": ("cloudformation", "sns")}
# Actions that take away neither a resource nor a tag begin so.
GIVING = ("Create", "Put", "Register", "Run", "Authorize", "Update")


class Index:
    """Everything with tags as it was after each write, until that is old enough to be seen.

    Where nothing takes time, nothing is described until it is asked for, or may go.
    """

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.views: deque[tuple[float, list[Tagged]]] = deque()
        self.seen: list[Tagged] = []
        self.once: dict[str, None] = {}  # every ARN that ever had a tag

    def note_before(self, service: str, action: str) -> None:
        """Note what an action may take away, or take tags from."""
        if self._lag() > 0 or action.startswith(GIVING):
            return
        if service == "tagging":
            self._view()
            return
        of = resources_of(self.world, self.account, self.region, *TAKEN.get(service, (service,)))
        self.once.update({arn: None for arn, tags in of if tags and _is_known(arn)})

    def note(self) -> None:
        """Note what an action has made of it."""
        if self._lag() > 0:
            self._view()

    def settle(self) -> None:
        """Note all that there is where nothing takes time, since from now on something may."""
        if self._lag() == 0:
            self._view()

    def _lag(self) -> float:
        return self.world.clock.duration("tagging.index")

    def _view(self) -> None:
        now, lag = self.world.clock.now(), self._lag()
        view = [(arn, tags) for arn, tags in all_resources(self.world, self.account, self.region)
                if _is_known(arn)]
        self.views.append((now + lag, view))
        self.resources()  # so that the queue stays short

    def resources(self) -> list[Tagged]:
        while self.views and self.views[0][0] <= self.world.clock.now():
            self.seen = self.views.popleft()[1]
            self.once.update({arn: None for arn, tags in self.seen if tags})
        there = dict(self.seen)
        return [(arn, there.get(arn, {})) for arn in self.once]


def _is_known(arn: str) -> bool:
    return not any(kind in arn for kind in UNKNOWN)


def refuse(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


@ACTIONS.action("GetResources")
def get_resources(call: Call) -> dict[str, Any]:
    given = call.input
    index: Index = call.store(Index)
    index.note_before(call.service, call.action)
    found = index.resources()
    if given.get("ResourceARNList"):
        found = [r for r in found if r[0] in given["ResourceARNList"]]
    for one in given.get("TagFilters", []):
        key, values = one.get("Key"), one.get("Values") or []
        found = [(arn, tags) for arn, tags in found
                 if key in tags and (not values or tags[key] in values)]
    kinds = given.get("ResourceTypeFilters", [])
    if kinds:
        found = [r for r in found if any(_is_of(r[0], kind) for kind in kinds)]
    page, more = paged(found, call, "ResourcesPerPage", "PaginationToken", 50, 100, refuse)
    return {"PaginationToken": more.get("PaginationToken", ""), "ResourceTagMappingList": [
        {"ResourceARN": arn, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        for arn, tags in page]}


def _is_of(arn: str, kind: str) -> bool:
    """ecs, or ecs:service."""
    service, _, name = kind.partition(":")
    parts = arn.split(":", 5)
    return parts[2] == service and (not name or parts[5].replace(":", "/").split("/")[0] == name)
