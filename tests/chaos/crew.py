# SPDX-License-Identifier: MIT
"""Plays a scene's cases by several processes, each on an endpoint of its own, and counts."""

from __future__ import annotations

import gc
import multiprocessing
import queue
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws.endpoint import Endpoint
from aws.processes import RARELY
from world import World

from .cases import Case
from .play import Player
from .scenes import Recorded

FORK = multiprocessing.get_context("fork")
REPORT_SECONDS = 30.0
SILENCE_SECONDS = 600.0  # longer than any case is bounded to


@dataclass
class Count:
    """Of cases: how many ran, came about, and held; and how long they took."""

    ran: int = 0
    met: int = 0
    held: int = 0
    seconds: float = 0.0

    def add(self, met: bool, held: bool, seconds: float) -> None:
        self.ran, self.met, self.held = self.ran + 1, self.met + met, self.held + held
        self.seconds += seconds


@dataclass
class Tally:
    """What became of all cases."""

    parts: dict[str, Count] = field(default_factory=dict)
    broken: list[tuple[Case, list[str]]] = field(default_factory=list)
    cpu: float = 0.0

    def total(self) -> Count:
        counts = self.parts.values()
        return Count(*(sum(getattr(c, name) for c in counts)
                       for name in ("ran", "met", "held", "seconds")))


@dataclass
class Work:
    """What the processes of a scene share."""

    recorded: Recorded
    cases: list[Case]
    until: float  # time.monotonic() after which no case begins
    next: Any
    results: Any

    def taken(self) -> Iterator[Case]:
        """Cases that no other process takes, until there is no more or the time is over."""
        while time.monotonic() < self.until:
            with self.next.get_lock():
                i = self.next.value
                self.next.value += 1
            if i >= len(self.cases):
                return
            yield self.cases[i]


def cpu_of_this() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def work(one: Work, endpoint: Endpoint, directory: Path) -> None:
    """In a process of its own."""
    gc.set_threshold(*RARELY)
    player = None
    with endpoint:
        try:
            player = Player(World(endpoint, directory), one.recorded)
            for case in one.taken():
                started = time.monotonic()
                verdict = player.play(case)
                one.results.put((case, verdict.met, verdict.broken, time.monotonic() - started))
        except SystemExit:
            pass  # the suite is told to end
        finally:
            one.results.put(cpu_of_this() + (player.cpu if player else 0.0))


def cases_play(recorded: Recorded, cases: list[Case], endpoint: Endpoint, directory: Path,
               workers: int, until: float, tally: Tally) -> None:
    """Play the cases of a scene at whose start the endpoint is."""
    one = Work(recorded, cases, until, FORK.Value("i", 0), FORK.Queue())
    crew = []
    for i in range(min(workers, len(cases))):
        place = directory / f"worker-{i}"
        place.mkdir()
        crew.append(FORK.Process(target=work, args=(one, endpoint.spawn(), place), daemon=True))
    gc.freeze()  # what is shared with them stays so
    for member in crew:
        member.start()
    collect(one, len(crew), tally)
    for member in crew:
        member.join(30)
        if member.exitcode != 0:
            raise RuntimeError(f"{recorded.scene.name}: a process that plays cases has died")


def collect(one: Work, workers: int, tally: Tally) -> None:
    done = Counter[str]()
    said = time.monotonic()
    while workers > 0:
        try:
            result = one.results.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            raise RuntimeError(f"{one.recorded.scene.name}: no case has ended for "
                               f"{SILENCE_SECONDS:.0f} s") from None
        if isinstance(result, float):
            tally.cpu += result
            workers -= 1
            continue
        case, met, broken, seconds = result
        tally.parts.setdefault(case.part, Count()).add(met, not broken, seconds)
        done["ran"] += 1
        if broken:
            tally.broken.append((case, broken))
            print(f"{case}:", *broken, f"again: tests/chaos/run {case}", sep="\n    ", flush=True)
        if time.monotonic() - said > REPORT_SECONDS:
            said = time.monotonic()
            print(f"{one.recorded.scene.name}: {done['ran']} of {len(one.cases)} cases", flush=True)
