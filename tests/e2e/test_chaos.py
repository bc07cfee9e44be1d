# SPDX-License-Identifier: MIT
"""Whatever goes wrong with whichever call, the job is honest and the next one ends where an
undisturbed job ends.

Three jobs on a small environment with one of each kind: `basic-infra` in an empty account, a deploy
where nothing of the branch is there, and a deploy of a changed spec, in which services come, change
and go. Each is recorded undisturbed. Then, for the first and the last call of every action that it
makes and every fault that such a call can have, it runs again from the same state with that fault,
and once more without if it failed. By boto3's description of everything the end is the undisturbed
one's, with as many of each kind: no duplicate, no orphan. Green is only what is right at once; what
passes (a throttled call, a 5xx, a lost answer, ...) is green at once; what lasts ends as a system
failure whose last line names the call. A job that is cancelled at a call ends within seconds.

`make check` runs a sample, another one with BERTH_CHAOS_SEED, a larger one with BERTH_CHAOS (cases
of each job); `make chaos` runs all: BERTH_CHAOS=all.
"""

from __future__ import annotations

import copy
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from test_kill import change
from world import Endpoint, Result, World

CASES = os.environ.get("BERTH_CHAOS", "5")
ALL = CASES == "all"
SEED = int(os.environ.get("BERTH_CHAOS_SEED", "1"))
PIPELINE = 4711
SYSTEM = 2
WORKERS = 2  # of `make chaos`; a sample is not worth a second endpoint
# Calls in flight may end, nothing new begins: this is generous on a busy machine.
CANCEL_SECONDS = 10.0

# What a service itself says when it has failed, and when it refuses a principal: the "Common
# Errors" of each service's API reference, for EC2
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
BROKEN = {"ecs": "ServerException", "ecr": "ServerException", "iam": "ServiceFailure",
          "ec2": "InternalError", "logs": "ServiceUnavailableException"}
DENIED = {"ec2": ("UnauthorizedOperation", 403), "iam": ("AccessDenied", 403),
          "sts": ("AccessDenied", 403)}
# Of these the endpoint knows how what is new is missed: `aws.newborn`.
NEWBORN = {("iam", "CreateRole"), ("ec2", "CreateSecurityGroup"), ("ecr", "CreateRepository"),
           ("ecs", "CreateCluster"), ("ecs", "CreateService"), ("logs", "CreateLogGroup"),
           ("servicediscovery", "CreateService")}

FAULTS = ("throttle", "error", "http", "reset", "lost", "slow", "truncated", "garbage", "denied",
          "newborn")


@dataclass(frozen=True)
class Case:
    """The n-th call of an action (of any, if there is none) and what becomes of it."""

    fault: str
    n: int
    service: str = ""
    action: str = ""

    def __str__(self) -> str:
        return f"{self.fault} at call {self.n} of {self.service}.{self.action or 'all'}"

    def rule(self) -> dict[str, Any]:
        call = {"service": self.service, "action": self.action}
        if self.fault == "cancel":
            return {"nth": self.n, "fault": "slow", "seconds": 0.7}
        if self.fault == "newborn":  # some two seconds of an instant world's time
            return call | {"fault": "newborn", "seconds": 2000}
        if self.fault == "denied":
            code, status = DENIED.get(self.service, ("AccessDeniedException", 400))
            return call | {"fault": "error", "from": self.n, "code": code, "status": status,
                           "message": f"not authorized to perform: {self.action}"}
        rest = {"error": {"code": BROKEN.get(self.service, "InternalFailure"), "status": 500},
                "http": {"status": 503}, "slow": {"seconds": 0.3}}
        return call | {"fault": self.fault, "nth": self.n} | rest.get(self.fault, {})


@dataclass
class Undisturbed:
    """What a job does and leaves when nothing goes wrong."""

    calls: Counter[tuple[str, str]]
    end: dict[str, Any]


@dataclass
class Outcome:
    """Of all cases so far: how many ran, how many had their fault, and what did not hold."""

    ran: int = 0
    struck: int = 0
    broken: list[str] = field(default_factory=list)


# --- the three jobs ---

def infra(_: World) -> str:
    return "basic-infra"


def from_nothing(world: World) -> str:
    world.basic_infra()
    world.put_images()
    iam = world.aws.client("iam")
    for role in ("ecs_role", "ecs_task_execution_role"):  # a deploy makes them, too
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
        iam.delete_role(RoleName=role)
    return "deploy-branches"


def from_a_change(world: World) -> str:
    world.basic_infra()
    world.put_images()
    world.deploy(pipeline=PIPELINE - 1)
    change(world)
    return "deploy-branches"


# How many cases each has at least; a suite that runs fewer has lost some.
JOBS: dict[str, tuple[Callable[[World], str], int]] = {
    "infra": (infra, 150), "from-nothing": (from_nothing, 330),
    "from-a-change": (from_a_change, 330)}


# --- what is there ---

def counts(aws: Endpoint) -> dict[str, Any]:
    """How many there are of what the snapshot gives by name only once.

    Of task definitions, which families there are: RegisterTaskDefinition has no idempotency token,
    so one whose answer is lost leaves a revision more. Revisions cost nothing, and go with their
    family.
    """
    ecs = aws.client("ecs")

    def pages(service: str, action: str, member: str, **given: Any) -> Iterator[Any]:
        for page in aws.client(service).get_paginator(action).paginate(**given):
            yield from page[member]

    definitions = {arn.rpartition("/")[2].rpartition(":")[0] for arn in pages(
        "ecs", "list_task_definitions", "taskDefinitionArns", status="ACTIVE")}
    return {
        "zones": Counter(z["Name"] for z in pages("route53", "list_hosted_zones", "HostedZones")),
        "namespaces": Counter(n["Name"] for n in pages(
            "servicediscovery", "list_namespaces", "Namespaces")),
        "discovery": Counter(s["Name"] for s in pages(
            "servicediscovery", "list_services", "Services")),
        "definitions": definitions,
        "tasks": {cluster.rpartition("/")[2]: len(ecs.list_tasks(cluster=cluster)["taskArns"])
                  for cluster in pages("ecs", "list_clusters", "clusterArns")},
    }


def state(aws: Endpoint) -> dict[str, Any]:
    return aws.snapshot() | {"counts": counts(aws)}


def differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from differences(found.get(key), wanted.get(key), f"{path}/{key}")
    elif found != wanted:
        yield f"{path}: {found!r} instead of {wanted!r}"


# --- a case ---

def run(world: World, job: str, case: Case | None = None) -> Result:
    if case is not None and case.fault == "cancel":
        return run_cancelled(world, job, case)
    return world.job(job, pipeline=PIPELINE)


def struck(world: World, case: Case) -> bool:
    """Whether the fault has been met: its call may not have come to be."""
    if case.fault == "newborn":
        return bool(world.aws.calls(case.service, case.action))
    kind = case.rule()["fault"]
    return any(call["fault"] == kind for call in world.aws.record())


def run_cancelled(world: World, job: str, case: Case) -> Result:
    """The job, sent SIGTERM while its n-th call is under way."""
    with world.start(job, pipeline=PIPELINE) as running:
        group = running.wait_stage("build_script").pid
        while not struck(world, case):
            if running.pgid != group:
                return running.wait(60)
            time.sleep(0.02)  # between two questions to the endpoint
        sent = time.monotonic()
        try:
            os.killpg(group, signal.SIGTERM)
        except ProcessLookupError:
            pass
        result = running.wait(60)
        assert time.monotonic() - sent < CANCEL_SECONDS, f"{case}: ended late\n{result.log}"
        return result


def last_error(result: Result) -> str:
    """The last line that is berth's own: behind it, the runner says how the job ended."""
    errors = [line for line in result.log.splitlines() if line.startswith("ERROR: ")]
    return errors[-2] if len(errors) > 1 else ""


def judge_first(case: Case, result: Result) -> Iterator[str]:
    """What was not honest about the job that had the fault."""
    if result.exit_code not in (0, SYSTEM):
        yield f"exit code {result.exit_code}: the fault is not the user's"
    if case.fault == "denied":
        if result.exit_code != SYSTEM:
            yield f"exit code {result.exit_code} where a call is refused for good"
        elif f":{case.action}" not in last_error(result):
            yield f"the last line does not name {case.action}: {last_error(result)}"
    elif case.fault == "cancel":
        if result.exit_code == SYSTEM and "cancelled" not in last_error(result):
            yield f"the last line does not say that it was cancelled: {last_error(result)}"
    elif case.fault != "garbage" and result.exit_code != 0:
        yield f"not green at once: {last_error(result)}"


def run_case(world: World, job: str, case: Case,
             undisturbed: Undisturbed) -> tuple[bool, list[str]]:
    """Whether the case was met, and what did not hold."""
    world.aws.restore("start")
    world.aws.record_clear()
    world.aws.fault(**case.rule())
    result = run(world, job, case)
    met = struck(world, case)
    world.aws.clear_faults()
    if not met:
        return False, []
    broken = list(judge_first(case, result))
    after = "the job was green"
    if result.exit_code != 0:
        again = run(world, job)
        after = "the next job"
        if again.exit_code != 0:
            return True, broken + [f"the next job failed, too: {last_error(again)}"]
    world.aws.advance(3000)  # what is new is found by now
    found = differences(state(world.aws), undisturbed.end)
    return True, broken + [f"{after}, but {line}" for line in found]


# --- all cases ---

def cases_of(undisturbed: Undisturbed) -> list[Case]:
    cases = [Case(fault, n, *call) for call, times in sorted(undisturbed.calls.items())
             for n in sorted({1, times}) for fault in FAULTS
             if fault != "newborn" or (call in NEWBORN and n == 1)]
    return cases + [Case("cancel", n) for n in range(1, undisturbed.calls.total() + 1)]


def record_undisturbed(world: World, job: str) -> Undisturbed:
    world.aws.record_clear()
    result = run(world, job)
    assert result.exit_code == 0, result.log
    calls = Counter((c["service"], c["action"]) for c in world.aws.record())
    world.aws.advance(3000)
    undisturbed = Undisturbed(calls, copy.deepcopy(state(world.aws)))
    world.aws.restore("start")
    return undisturbed


class Worker(threading.Thread):
    """Takes cases from a list that it shares with others, on an endpoint of its own."""

    def __init__(self, world: World, job: str, cases: list[Case], undisturbed: Undisturbed,
                 outcome: Outcome, lock: threading.Lock) -> None:
        super().__init__()
        self.world, self.job, self.cases, self.undisturbed = world, job, cases, undisturbed
        self.outcome, self.lock = outcome, lock

    def run(self) -> None:
        while self.cases:
            with self.lock:
                case = self.cases.pop() if self.cases else None
            if case is not None:
                self.run_one(case)

    def run_one(self, case: Case) -> None:
        try:
            met, broken = run_case(self.world, self.job, case, self.undisturbed)
        except Exception as error:  # noqa: BLE001 - a case that broke down has not held
            met, broken = True, [f"{type(error).__name__}: {error}"]
        with self.lock:
            self.outcome.ran += 1
            self.outcome.struck += met
            if self.outcome.ran % 50 == 0:
                print(f"{self.outcome.ran} cases", flush=True)
            if broken:
                self.outcome.broken.append(f"{case}: " + "\n    ".join(broken))
                print(self.outcome.broken[-1], flush=True)


def worlds_of(world: World, directory: Path, spawned: ExitStack) -> list[World]:
    """This one and others: the same project and host, each on a copy of the account."""
    worlds = [world]
    for i in range(1, WORKERS if ALL else 1):
        (directory / f"worker-{i}").mkdir()
        other = World(spawned.enter_context(world.aws.spawn()), directory / f"worker-{i}")
        other.write_spec(world.spec())
        other.aws.save("start")
        worlds.append(other)
    return worlds


@pytest.mark.parametrize("name", JOBS)
def test_every_fault_at_every_call(world: World, tmp_path: Path, name: str) -> None:
    prepare, least = JOBS[name]
    world.keep_services("nats-server", "notifier", "t7-bridge")
    job = prepare(world)
    world.aws.save("start")
    undisturbed = record_undisturbed(world, job)
    cases = cases_of(undisturbed)
    random.Random(SEED).shuffle(cases)
    if not ALL:
        cases = cases[:int(CASES)]
        least = len(cases)
    outcome, lock = Outcome(), threading.Lock()
    started = time.monotonic()
    with ExitStack() as spawned:
        workers = [Worker(one, job, cases, undisturbed, outcome, lock)
                   for one in worlds_of(world, tmp_path, spawned)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    held = outcome.ran - len(outcome.broken)
    print(f"{name}: {outcome.ran} cases in {time.monotonic() - started:.0f} s, {outcome.struck} met"
          f" their fault, {held} held (seed {SEED})")
    assert not outcome.broken, "\n".join(outcome.broken)
    assert outcome.ran >= least
    # Which calls are made depends a little on time: a poll more or less.
    assert outcome.struck >= 0.9 * outcome.ran
