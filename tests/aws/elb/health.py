"""Targets: how they get healthy, unhealthy, and go.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call
from .model import ACTIONS, Elb, Group, Target, refuse, store_of, targets_of

if TYPE_CHECKING:
    from ..world import World

DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.ResponseCodeMismatch": "Health checks failed with these codes: [502]",
    "Target.Timeout": "Request timed out",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
    "Target.NotRegistered": "Target is not registered to the target group",
}


def groups_named(elb: Elb, actions: list[dict[str, Any]]) -> list[Group]:
    return [elb.groups[arn] for action in actions for arn in targets_of(action)
            if arn in elb.groups]


def groups_check(elb: Elb, groups: list[Group]) -> None:
    """After a change of listeners or rules: begin to check targets, or stop it."""
    for group in groups:
        used = bool(elb.users(group))
        if not used:
            clock = elb.world.clock
            group.busy_until = clock.now() + clock.duration("elb.detach")
        for target in list(group.targets.values()):
            if used and target.state == "unused":
                _begin(elb, group, target)
            elif not used and target.state not in ("unused", "draining"):
                _state(target, "unused", "Target.NotInUse")


def _state(target: Target, state: str, reason: str = "", description: str = "") -> None:
    target.state, target.reason = state, reason
    target.description = description or DESCRIPTIONS.get(reason, "")
    target.changed(target)


def _begin(elb: Elb, group: Group, target: Target) -> None:
    """The first checks decide after the threshold's number of intervals."""
    if not elb.users(group):
        _state(target, "unused", "Target.NotInUse")
        return
    target.since += 1
    _state(target, "initial", "Elb.RegistrationInProgress")
    _later(elb, group, target, "HealthyThresholdCount")


def _later(elb: Elb, group: Group, target: Target, threshold: str) -> None:
    clock, since = elb.world.clock, target.since
    seconds = group.fields["HealthCheckIntervalSeconds"] * group.fields[threshold]

    def decide() -> None:
        if target.since == since and target.state in ("initial", "unhealthy"):
            _decide(elb, group, target)

    clock.after(clock.span(seconds), decide)


def _decide(elb: Elb, group: Group, target: Target) -> None:
    fault = elb.world.faults.found("unhealthy", "elasticloadbalancing",
                                   TargetGroupName=group.name, Id=target.id)
    if fault is None:
        _state(target, "healthy")
        return
    _state(target, "unhealthy", fault.get("code", "Target.ResponseCodeMismatch"),
           fault.get("message", ""))
    if target.state == "unhealthy":  # whoever is told may have deregistered it
        clock, since = elb.world.clock, target.since
        clock.after(group.fields["HealthCheckIntervalSeconds"],
                    lambda: _again(elb, group, target, since))


def _again(elb: Elb, group: Group, target: Target, since: int) -> None:
    if target.since == since and target.state == "unhealthy" and group.arn in elb.groups:
        _decide(elb, group, target)


def _register(elb: Elb, group: Group, target: Target) -> None:
    known = group.targets.get((target.id, target.port))
    if known is not None and known.state != "draining":
        return
    group.targets[target.id, target.port] = target
    _begin(elb, group, target)


def _deregister(elb: Elb, group: Group, target: Target) -> None:
    """It drains: requests in flight have the deregistration delay to end."""
    target.since += 1
    since = target.since

    def gone() -> None:
        if target.since == since and group.targets.get((target.id, target.port)) is target:
            del group.targets[target.id, target.port]

    if target.state == "unused":
        gone()
        return
    _state(target, "draining", "Target.DeregistrationInProgress")
    clock = elb.world.clock
    clock.after(clock.span(float(group.attributes["deregistration_delay.timeout_seconds"])), gone)


# --- for ECS ---

def group_problem(world: World, account: str, region: str, arn: str) -> str:
    """Why a service cannot use a target group, in ECS's words, or ''."""
    elb = world.store(Elb, account, region)
    if arn not in elb.groups:
        return f"The target group {arn} does not exist."
    group = elb.groups[arn]
    if not elb.users(group):
        return (f"The target group with targetGroupArn {arn} does not have an associated load "
                "balancer.")
    if group.fields["TargetType"] != "ip":
        return (f"The provided target group {arn} has target type "
                f"{group.fields['TargetType']}, which is incompatible with the awsvpc network "
                "mode specified in the task definition.")
    return ""


def target_register(world: World, account: str, region: str, arn: str, address: str, port: int,
                    changed: Callable[[Target], None]) -> None:
    elb = world.store(Elb, account, region)
    group = elb.groups.get(arn)
    if group is not None:
        _register(elb, group, Target(address, port, "", changed=changed))


def target_deregister(world: World, account: str, region: str, arn: str, address: str, port: int,
                      ) -> None:
    elb = world.store(Elb, account, region)
    group = elb.groups.get(arn)
    target = group.targets.get((address, port)) if group else None
    if group is not None and target is not None and target.state != "draining":
        target.changed = lambda _: None
        _deregister(elb, group, target)


def drain_seconds(world: World, account: str, region: str, arn: str) -> float:
    """How long ECS waits before it stops a task that was a target."""
    group = world.store(Elb, account, region).groups.get(arn)
    if group is None:
        return 0.0
    return float(group.attributes["deregistration_delay.timeout_seconds"])


# --- the API ---

def _port(group: Group, given: dict[str, Any]) -> int:
    return int(given.get("Port", group.fields["Port"]))


@ACTIONS.action("RegisterTargets")
def register(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    group = elb.group(call.input["TargetGroupArn"])
    for one in call.input["Targets"]:
        if group.fields["TargetType"] == "ip" and one["Id"].count(".") != 3:
            raise AwsError("InvalidTarget", f"The IP address '{one['Id']}' is not a valid IPv4 "
                           "address")
    for one in call.input["Targets"]:
        _register(elb, group, Target(one["Id"], _port(group, one),
                                     one.get("AvailabilityZone", "")))
    return {}


@ACTIONS.action("DeregisterTargets")
def deregister(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    group = elb.group(call.input["TargetGroupArn"])
    for one in call.input["Targets"]:
        target = group.targets.get((one["Id"], _port(group, one)))
        if target is not None and target.state != "draining":
            _deregister(elb, group, target)
    return {}


@ACTIONS.action("DescribeTargetHealth")
def describe_health(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    group = elb.group(call.input["TargetGroupArn"])
    if "Targets" in call.input and not call.input["Targets"]:
        raise refuse("At least one target must be specified")
    known = group.targets
    asked = [(one["Id"], _port(group, one)) for one in call.input.get("Targets", [])] or known
    return {"TargetHealthDescriptions": [_health_show(group, key, known.get(key))
                                         for key in asked]}


def _health_show(group: Group, key: tuple[str, int], target: Target | None) -> dict[str, Any]:
    if target is None:
        target = Target(key[0], key[1], "", "unused", "Target.NotRegistered",
                        DESCRIPTIONS["Target.NotRegistered"])
    health = {"State": target.state}
    if target.reason:
        health.update(Reason=target.reason, Description=target.description)
    port = group.fields["HealthCheckPort"]
    shown: dict[str, Any] = {"Target": {"Id": target.id, "Port": target.port},
                             "TargetHealth": health,
                             "HealthCheckPort": str(target.port) if port == "traffic-port"
                             else port}
    if target.zone:
        shown["Target"]["AvailabilityZone"] = target.zone
    return shown
