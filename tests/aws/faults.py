"""Faults on demand: rules that say which call goes wrong, and how.

A rule: `service`, `action` (absent: any), `match` (members of the input), and when: `nth`, or
`from`/`to` (counted over the calls that the rule fits, from 1), or `probability` with `seed`;
`times` bounds how often it strikes, and `lasts` for how many seconds (real ones) from the first
time on. What: `fault`, one of

  throttle   the service's own throttling error, not carried out; with `rate`, of the calls beyond
             so many in a second (real ones), which is how AWS limits an account
  error      `code`, `message`, `status`, not carried out
  http       `status` with an HTML body, as a load balancer answers, not carried out
  reset      the connection is reset, not carried out
  refused    the same, and for `seconds` (real ones) every new connection is refused
  lost       carried out, but the connection ends without an answer
  slow       carried out, answered `seconds` (real ones) later
  garbage    carried out, answered with what is neither JSON nor XML
  truncated  carried out, half of the answer, then the connection ends
  kill       `pgid` is killed, `when` "before" or "after" the call is carried out, no answer
  cancel     `pgid` is sent SIGTERM, the call carried out and answered `seconds` (real ones) later

and states of the world, which last until they are cleared and fit by `match` alone:

  newborn    what a create call (`service`, `action`, `match`) makes is not found by others for
             `seconds` of the virtual clock, see `newborn`
  failed     what is created does not come up: it ends in the status `code`, for the reason
             `message` (`match` names it as its create call does)
  unhealthy  tasks start but never get healthy (those without a health check exit with 1); of the
             service elasticloadbalancing, targets do (`match` TargetGroupName), with the reason
             `code` and its `message`
  crash      a service's tasks run (`match` serviceName), and their containers exit with `code`
             `seconds` later, 5 unless given: before they are healthy
  writes     what a service's containers (`match` serviceName) write when they have started: the
             lines of `message`, into the stream of the awslogs driver
  unplaced   no place is found for a service's tasks, for the reason `message`
  unvalidated  certificates that are requested (`match` DomainName) stay without validation
"""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .registry import MODULES
from .wire import model_load

STATES = {"unhealthy", "newborn", "failed", "unvalidated", "crash", "writes", "unplaced"}
CALLS = {"throttle", "error", "http", "reset", "refused", "lost", "slow", "garbage", "truncated",
         "kill", "cancel"}
KEYS = {"service", "action", "match", "nth", "from", "to", "probability", "seed", "times",
        "fault", "code", "message", "status", "seconds", "pgid", "when", "rate", "lasts"}


def target_check(service: str | None, action: str | None) -> None:
    """Raise ValueError for a service or an action that there is none of: it would never strike."""
    if service is not None and service not in MODULES:
        raise ValueError(f"no service signs as '{service}' here, but {', '.join(MODULES)}")
    services = MODULES if service is None else [service]
    if action is not None and not any(action in model_load(name).operation_names
                                      for name in services):
        raise ValueError(f"no action '{action}'" + (f" of {service}" if service else ""))


@dataclass
class Rule:
    """A rule as given, and how many calls it has seen and struck."""

    given: dict[str, Any]
    seen: int = 0
    struck: int = 0
    since: float | None = None  # when it struck first
    random: random.Random = field(default_factory=random.Random)
    let: deque[float] = field(default_factory=deque)  # when calls were let through, of late

    def fits(self, service: str, action: str, members: dict[str, Any]) -> bool:
        rule = self.given
        if rule.get("service", service) != service or rule.get("action", action) != action:
            return False
        return all(members.get(key) == value for key, value in rule.get("match", {}).items())

    def strikes(self) -> bool:
        """Count one more call that fits, and say whether this one is to fail."""
        rule = self.given
        self.seen += 1
        if "times" in rule and self.struck >= rule["times"]:
            return False
        if "nth" in rule and self.seen != rule["nth"]:
            return False
        if not rule.get("from", 1) <= self.seen <= rule.get("to", self.seen):
            return False
        if "probability" in rule and self.random.random() >= rule["probability"]:
            return False
        if "rate" in rule and self.has_room(rule["rate"]):
            return False
        if "lasts" in rule and self.is_over(rule["lasts"]):
            return False
        self.struck += 1
        return True

    def is_over(self, seconds: float) -> bool:
        """Whether its time is up; the first time that this is asked, it begins."""
        now = time.monotonic()
        self.since = self.since if self.since is not None else now
        return now - self.since >= seconds

    def has_room(self, rate: int) -> bool:
        """Whether this second has not yet seen RATE calls; if so, this one is of them."""
        now = time.monotonic()
        while self.let and now - self.let[0] >= 1:
            self.let.popleft()
        if len(self.let) >= rate:
            return False
        self.let.append(now)
        return True


class Faults:
    """The rules that are in force, in the order given: the first that strikes counts."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.missed = False  # the call that is carried out has asked for what is newborn

    def add(self, given: dict[str, Any]) -> None:
        unknown = set(given) - KEYS
        if unknown:
            raise ValueError(f"unknown member of a fault: {', '.join(sorted(unknown))}")
        if given.get("fault") not in STATES | CALLS:
            raise ValueError(f"unknown fault '{given.get('fault')}'")
        target_check(given.get("service"), given.get("action"))
        self.rules.append(Rule(given, random=random.Random(given.get("seed", 0))))

    def clear(self) -> None:
        self.rules.clear()

    def strike(self, service: str, action: str, members: dict[str, Any]) -> dict[str, Any] | None:
        """The fault that this call is to have, if any."""
        found = None
        for rule in self.rules:
            if rule.given["fault"] in STATES or not rule.fits(service, action, members):
                continue
            if found is None and rule.strikes():
                found = rule.given
        return found

    def seconds(self, state: str, service: str, action: str, members: dict[str, Any]) -> float:
        """For how long a state of the world is set for what a call does; 0 if it is not."""
        return max((float(rule.given.get("seconds", 30)) for rule in self.rules
                    if rule.given["fault"] == state and rule.fits(service, action, members)),
                   default=0.0)

    def found(self, state: str, service: str, **members: Any) -> dict[str, Any] | None:
        """The rule that sets a state of the world for what these members describe."""
        return next((rule.given for rule in self.rules if rule.given["fault"] == state
                     and rule.fits(service, "", members)), None)

    def holds(self, state: str, service: str, **members: Any) -> bool:
        return self.found(state, service, **members) is not None
