# SPDX-License-Identifier: MIT
"""Plays cases on a subject and tells what came of each."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from . import (  # noqa: F401 - each registers its cases
    configuring, ending, given, leaving, preparing, staging, stopping, talking,
)
from .bench import Bench, Subject
from .cases import CASES, Broken, Case, NotApplicable

HELD, BROKEN, NOT_APPLICABLE, ERROR = "held", "broken", "not applicable", "error"


@dataclass(frozen=True)
class Outcome:
    case: Case
    result: str
    evidence: str
    seconds: float


def chosen(only: Sequence[str]) -> list[Case]:
    """The cases for rules, chapters or case names; all of them for none."""
    ordered = sorted(CASES, key=lambda case: [int(n) for n in case.rules[0].split(".")])
    return [c for c in ordered if not only or any(c.concerns(wanted) for wanted in only)]


def play_case(case: Case, subject: Subject) -> Outcome:
    begin = time.monotonic()
    bench = Bench(subject)
    try:
        result, evidence = HELD, case.play(bench)
    except Broken as broken:
        result, evidence = BROKEN, str(broken)
    except NotApplicable as reason:
        result, evidence = NOT_APPLICABLE, str(reason)
    except Exception:  # noqa: BLE001 - the suite's own fault, told as such
        result, evidence = ERROR, traceback.format_exc(limit=-4)
    finally:
        bench.close()
    evidence = evidence.replace(str(bench.directory), "...")
    return Outcome(case, result, " ".join(evidence.split()), time.monotonic() - begin)


def play_cases(
    subject: Subject, cases: Sequence[Case], jobs: int, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Several at a time, since most of them wait, each in a process of its own, so that none waits
    for another's turn to run Python. `tell` gets each outcome as soon as it is known."""
    outcomes: list[Outcome] = []
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        futures = [pool.submit(play_case, case, subject) for case in cases]
        for future in as_completed(futures):
            outcomes.append(future.result())
            tell(outcomes[-1])
    return outcomes
