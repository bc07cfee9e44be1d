# SPDX-License-Identifier: MIT
"""What must hold: the job that was disturbed was honest, and the end is an undisturbed job's.

Green is only what is right at once. What passes (a throttled call, a 5xx, a lost answer, ...) is
green at once. What lasts ends as a system failure whose last line names the call, or, where it was only to check
the plan, as a warning that names it; an application
that does not get healthy is the user's. A job that is cancelled ends within seconds and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from world import ENVIRONMENT

from .cases import Case, Disturbance
from .rare import Ended

USERS, SYSTEM = 1, 2
# Calls in flight may end, nothing new begins: this is generous on a busy machine.
CANCEL_SECONDS = 10.0
# A client that tries a few times within a second may have found nobody there each time, and what
# a service answers to a call, if it is garbage, is not worth a second try.
MAY_FAIL = ("refused", "garbage")
# How often a call is tried whose failure passes (drivers/aws/retry.c).
TRIES = 6
# As a message names a call: "ecs:CreateService".
CALL = re.compile(r"\b[a-z0-9]+:[A-Z][A-Za-z0-9]+\b")
# Calls that only find out what a person should be told: without them a job says that it could not.
TELLING = ("sns.ListSubscriptionsByTopic", "iam.SimulatePrincipalPolicy", "ssm.DescribeParameters",
           "secretsmanager.DescribeSecret", "secretsmanager.GetResourcePolicy")
# Asked, or taken away, only where a security group cannot go yet; groups go at the same time, so what
# has kept it may be gone when that is denied.
WAITING = ("ec2.DescribeNetworkInterfaces", "ec2.RevokeSecurityGroupEgress",
           "ec2.RevokeSecurityGroupIngress")


def last_error(result: Ended) -> str:
    """The last line that is berth's own: behind it, the runner says how the job ended."""
    errors = [line for line in result.log.splitlines() if line.startswith("ERROR: ")]
    return errors[-2] if len(errors) > 1 else ""


def warns_of(action: str, result: Ended) -> bool:
    """Whether it says of a check before the first write that it could not be made: that stops
    nothing, for what would have been checked may well be right."""
    return any(line.startswith("WARNING: ") and f":{action}: " in line
               for line in result.log.splitlines())


def names_left(case: Case, result: Ended) -> bool:
    """Whether it is said of what a destroy has left, in a line of its own."""
    return any(line.startswith("left: ") and f":{case.call[1]}" in line
               for line in result.log.splitlines())


def judge_fault(case: Case, result: Ended) -> Iterator[str]:
    """What was not honest about a job one of whose calls had a fault."""
    if result.exit_code not in (0, SYSTEM):
        yield f"exit code {result.exit_code}: the fault is not the user's"
    if case.fault == "denied" and case.where in TELLING:
        if result.exit_code != 0 or f":{case.call[1]}" not in result.log:
            yield f"exit code {result.exit_code}, or the log does not name {case.call[1]}"
    elif case.fault == "denied" and result.exit_code == 0 and (
            case.where in WAITING or warns_of(case.call[1], result)):
        return
    elif case.fault == "denied":
        if result.exit_code != SYSTEM:
            yield f"exit code {result.exit_code} where a call is refused for good"
        elif f":{case.call[1]}" not in last_error(result) and not names_left(case, result):
            yield f"the last line does not name {case.call[1]}: {last_error(result)}"
    elif result.exit_code == 0:
        return
    elif case.fault not in MAY_FAIL:
        yield f"not green at once: {last_error(result)}"
    elif not CALL.search(last_error(result)) and not names_left(case, result):
        yield f"the last line does not name the call: {last_error(result)}"


def judge_unhealthy(case: Case, result: Ended) -> Iterator[str]:
    """Without a circuit breaker berth itself ends the wait for tasks that end again and again."""
    if result.exit_code != USERS:
        yield f"exit code {result.exit_code} instead of {USERS} where '{case.where}' is unhealthy"
    elif f"'{case.where.removeprefix(f'{ENVIRONMENT}-')}'" not in last_error(result):
        yield f"the last line does not name '{case.where}': {last_error(result)}"


def judge_end(when: str, result: Ended, seconds: float) -> Iterator[str]:
    """Of a job that was killed, or told to end during a call, and ended so many seconds later."""
    if result.exit_code != SYSTEM:
        yield f"exit code {result.exit_code} where the job was ended {when} a call"
    if when != "during":
        return
    if "cancelled" not in last_error(result):
        yield f"the last line does not say that it was cancelled: {last_error(result)}"
    if seconds > CANCEL_SECONDS:
        yield f"ended {seconds:.1f} s after it was told to"


def must_pass(rules: list[dict[str, Any]]) -> bool:
    """Whether these faults together are too few for any call to use up its tries."""
    return sum(rule.get("times", 0) for rule in rules) < TRIES \
        and not any(rule["fault"] in MAY_FAIL for rule in rules)


def judge_disturbed(disturbance: Disturbance, result: Ended) -> Iterator[str]:
    """Of a job with several faults."""
    if result.exit_code == 0 or disturbance.end is not None:
        return
    if disturbance.unhealthy:
        if result.exit_code == SYSTEM and must_pass(disturbance.rules):
            yield f"a system failure for what is not healthy: {last_error(result)}"
    elif result.exit_code == USERS:
        yield f"exit code {result.exit_code}: the faults are not the user's: {last_error(result)}"
    elif must_pass(disturbance.rules):
        yield f"not green at once: {last_error(result)}"
    if not CALL.search(last_error(result)) and result.exit_code == SYSTEM:
        yield f"the last line does not name the call: {last_error(result)}"
