# SPDX-License-Identifier: MIT
"""What can go wrong with which call: cases, and the endpoint's rules that make them happen.

A case is one word, `SCENE/FAULT/WHERE/N`, e.g. `small-from-nothing/lost/ecs.CreateService/2`: the
answer of the second CreateService is lost. Which cases there are follows from the calls that a job
has made undisturbed, so a new kind of resource is covered as soon as a scene's spec has it.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from aws import newborn, wire

# What a service itself says when it has failed, where it is not InternalFailure: the errors of each
# service's API reference, for EC2
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
BROKEN = {"ecs": "ServerException", "ecr": "ServerException", "iam": "ServiceFailure",
          "ec2": "InternalError", "logs": "ServiceUnavailableException"}
# How a principal is refused, by protocol: the "Common Errors" of any service's API reference.
DENIED = {"ec2": ("UnauthorizedOperation", 403), "query": ("AccessDenied", 403),
          "rest-xml": ("AccessDenied", 403), "json": ("AccessDeniedException", 400)}

# Each can happen to every call. What follows: see `judge`.
OF_CALLS = ("throttle", "error", "http", "reset", "refused", "lost", "slow", "truncated", "garbage",
            "denied")
# What a create call makes is not found at first; of these the endpoint knows how it is missed.
NEWBORN = {(kind.service, kind.create) for kind in newborn.KINDS}
# At the n-th call of all: the process group is killed, or told to end.
ENDS = {"kill-before": "before", "kill-after": "after", "cancel": "during"}
# Of several calls at once.
MIXED = ("throttle", "error", "http", "reset", "refused", "lost", "slow", "truncated")


@dataclass(frozen=True)
class Case:
    """WHERE is the call that has the fault, `service.Action`; the service whose tasks never get
    healthy; or `-` for all calls. N says which call of these; of a random schedule, its seed."""

    scene: str
    fault: str
    where: str
    n: int

    def __str__(self) -> str:
        return f"{self.scene}/{self.fault}/{self.where}/{self.n}"

    @classmethod
    def parse(cls, text: str) -> Case:
        scene, fault, where, n = text.split("/")
        return cls(scene, fault, where, int(n))

    @property
    def part(self) -> str:
        """The part of the suite that it counts for."""
        return {"random": "random", "cancel": "cancel", "kill-before": "kill",
                "kill-after": "kill"}.get(self.fault, "fault")

    @property
    def call(self) -> tuple[str, str]:
        service, _, action = self.where.partition(".")
        return service, action


@dataclass(frozen=True)
class Made:
    """What a job has done undisturbed: its calls, which of all of them have written something, and
    the services that it has had started, each with whether ECS's circuit breaker watches over it."""

    calls: Counter[tuple[str, str]]
    writes: list[int]
    started: dict[str, bool]


def rule_of(case: Case) -> dict[str, Any]:
    """The one rule of a case of part `fault`, see `aws.faults`."""
    if case.fault == "unhealthy":
        return {"fault": "unhealthy", "service": "ecs", "match": {"serviceName": case.where}}
    service, action = case.call
    call: dict[str, Any] = {"service": service, "action": action}
    if case.fault == "newborn":  # some two seconds of an instant world's time
        return call | {"fault": "newborn", "seconds": 2000}
    if case.fault == "denied":
        protocol = wire.model_load(service).metadata["protocol"]
        code, status = DENIED.get(protocol, DENIED["query"])
        return call | {"fault": "error", "from": case.n, "code": code, "status": status,
                       "message": f"not authorized to perform: {action}"}
    return call | {"fault": case.fault, "nth": case.n} | details(case.fault, service)


def details(fault: str, service: str) -> dict[str, Any]:
    rest = {"error": {"code": BROKEN.get(service, "InternalFailure"), "status": 500},
            "http": {"status": 503}, "slow": {"seconds": 0.3}, "refused": {"seconds": 0.1}}
    return rest.get(fault, {})


def faults_of(scene: str, made: Made) -> list[Case]:
    """Every fault of the first and of the last call of every action."""
    cases = [Case(scene, fault, ".".join(call), n)
             for call, times in sorted(made.calls.items()) for n in sorted({1, times})
             for fault in OF_CALLS]
    cases += [Case(scene, "newborn", ".".join(call), 1)
              for call in sorted(made.calls) if call in NEWBORN]
    return cases + [Case(scene, "unhealthy", name, 1) for name in sorted(made.started)]


def ends_of(scene: str, made: Made) -> list[Case]:
    """Each of ENDS at every call."""
    return [Case(scene, end, "-", n) for n in range(1, made.calls.total() + 1) for end in ENDS]


def ends_once_of(scene: str, made: Made) -> list[Case]:
    """A cancel at every call, and a kill after every one that writes.

    A kill before a call leaves in AWS what one after the call before it does, one after a read what
    one after the write before it does, and the host keeps nothing.
    """
    cancels = [Case(scene, "cancel", "-", n) for n in range(1, made.calls.total() + 1)]
    return cancels + [Case(scene, "kill-after", "-", n) for n in made.writes]


def schedules_of(scene: str, seed: int, count: int) -> list[Case]:
    return [Case(scene, "random", "-", seed + i) for i in range(count)]


@dataclass(frozen=True)
class Disturbance:
    """What goes wrong in one run of a random schedule: rules, and perhaps an end at a call."""

    rules: list[dict[str, Any]]
    end: tuple[str, int] | None  # one of ENDS' values, and at which call

    def __str__(self) -> str:
        rules = [" ".join(f"{k}={v}" for k, v in rule.items()) for rule in self.rules]
        if self.end is not None:
            rules.append(f"ended {self.end[0]} call {self.end[1]}")
        return "; ".join(rules)

    @property
    def unhealthy(self) -> bool:
        return any(rule["fault"] == "unhealthy" for rule in self.rules)


def disturbances_of(seed: int, made: Made) -> list[Disturbance]:
    """What goes wrong in the runs of the schedule with this seed, one after the other."""
    chance = random.Random(seed)
    return [disturbance(chance, made) for _ in range(chance.choice((1, 1, 2)))]


def disturbance(chance: random.Random, made: Made) -> Disturbance:
    rules = [random_rule(chance, made) for _ in range(chance.randint(1, 4))]
    watched = sorted(name for name, breaker in made.started.items() if breaker)
    if watched and chance.random() < 0.1:
        rules.append({"fault": "unhealthy", "service": "ecs",
                      "match": {"serviceName": chance.choice(watched)}})
    end = None
    if chance.random() < 0.5:
        end = chance.choice(sorted(ENDS.values())), chance.randint(1, made.calls.total())
    return Disturbance(rules, end)


def random_rule(chance: random.Random, made: Made) -> dict[str, Any]:
    """A fault of some calls of one action, or of any; at most three times, for a client that tries
    six times is right to give up then."""
    fault = chance.choice(MIXED)
    service, action = chance.choice(sorted(made.calls))
    born = [call for call in sorted(made.calls) if call in NEWBORN]
    if born and chance.random() < 0.1:
        service, action = chance.choice(born)
        return {"fault": "newborn", "service": service, "action": action,
                "seconds": chance.randint(100, 3000)}
    rule: dict[str, Any] = {"fault": fault, "times": chance.randint(1, 3)} | details(fault, service)
    if fault == "slow":
        rule["seconds"] = round(chance.uniform(0.02, 0.4), 2)
    if fault == "error" or chance.random() < 0.6:  # an error has its service's own code
        rule |= {"service": service, "action": action}
        rule["from"] = chance.randint(1, made.calls[service, action])
        return rule
    return rule | {"probability": round(chance.uniform(0.01, 0.2), 3),
                   "seed": chance.randint(1, 10**6)}
