# SPDX-License-Identifier: MIT
"""Chapter 7: being stopped."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from contract.options import Variable

from .bench import Attempt, Bench
from .cases import NotApplicable, case, require
from .program import Program

SYSTEM_FAILURE = 2
PROMPT = 30.0


def terminate_at_moments(
    bench: Bench, start: Callable[[], Program], longest: float, allowed: set[int]
) -> str:
    """SIGTERM at the very first moments and at random ones. An executable that has ended before its
    signal does not count; the moments then draw together."""
    count = bench.subject.moments
    ends: Counter[int] = Counter()
    latest = 0.0
    for turn in range(10 * count):
        moment = 0.0 if turn < 3 else random.uniform(0, longest)
        program = start()
        time.sleep(moment)
        told = program.stop_and_terminate()
        program.end()
        assert program.code is not None
        if told:
            require(program.code in allowed, f"SIGTERM after {moment * 1000:.1f} ms: "
                    f"{program.name} ended with {program.code}: {program.said}")
            ends[program.code] += 1
            latest = max(latest, moment)
        else:
            longest *= 0.95
        if ends.total() >= count:
            break
    if not ends:
        raise NotApplicable("it ends before it can be told to")
    told_ends = ", ".join(f"{n} with {code}" for code, n in sorted(ends.items()))
    return f"{ends.total()} signals at 0 to {latest * 1000:.2f} ms: {told_ends}"


def terminate_executable(bench: Bench, name: str) -> str:
    if name not in bench.subject.commands:
        raise NotApplicable(f"there is no {name}")
    allowed = {SYSTEM_FAILURE, -signal.SIGTERM}
    with bench.attempt() as attempt:
        usual = min(attempt.call(name).end().seconds for _ in range(3))
        return terminate_at_moments(bench, lambda: attempt.call(name), usual * 0.9, allowed)


@case("7.1")
def config_at_any_moment(bench: Bench) -> str:
    """SIGTERM in config."""
    return terminate_executable(bench, "config")


@case("7.1")
def prepare_at_any_moment(bench: Bench) -> str:
    """SIGTERM in prepare."""
    return terminate_executable(bench, "prepare")


@case("7.1")
def cleanup_at_any_moment(bench: Bench) -> str:
    """SIGTERM in cleanup, whose time is up: it ends."""
    if "cleanup" not in bench.subject.commands:
        raise NotApplicable("there is no cleanup")
    with bench.attempt() as attempt:
        for moment in (0.0, 0.001, 0.005):
            program = attempt.call("cleanup")
            time.sleep(moment)
            program.stop_and_terminate()
            program.end(PROMPT)
    return "it did, three times"


@case("7.2")
def run_at_any_moment(bench: Bench) -> str:
    """SIGTERM in run, before, while and after its script begins."""
    allowed = {1, SYSTEM_FAILURE, -signal.SIGTERM}
    with bench.attempt() as attempt:
        usual = attempt.run("exit 0").end().seconds
        return terminate_at_moments(bench, lambda: attempt.run(bench.sleep), usual * 1.5, allowed)


@case("7.2")
def script_that_ends_with_zero(bench: Bench) -> str:
    """A script whose trap ends it with 0 is no success."""
    with bench.attempt() as attempt:
        program = attempt.run("trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
        program.await_output(b"ready")
        program.signal(signal.SIGTERM)
        ended = program.end(PROMPT)
    require(ended.code != 0, "run ended with 0")
    require(ended.code in (1, SYSTEM_FAILURE, -signal.SIGTERM), f"run ended with {ended.code}")
    return f"run ended with {ended.code}"


def cancel_script(attempt: Attempt, script: str) -> Program:
    program = attempt.run(script)
    program.await_output(b"ready")
    program.signal(signal.SIGTERM)
    return program.end(PROMPT)


@case("7.3")
def last_words(bench: Bench) -> str:
    """A script gets the signal, and its last words arrive."""
    with bench.attempt() as attempt:
        ended = cancel_script(attempt, "trap 'echo caught it; sleep 0.5; echo last words; exit 3' "
                                       "TERM; echo ready; while :; do sleep 0.05; done")
    require(b"caught it" in ended.out, f"the script never got it: {ended.said}")
    require(b"last words" in ended.out, f"its last words are lost: {ended.said}")
    require(ended.code in (1, SYSTEM_FAILURE), f"run ended with {ended.code}")
    return f"caught, last words, run ended with {ended.code}"


@case("7.4")
def prompt_end(bench: Bench) -> str:
    """A script that does not mind ends at once."""
    with bench.attempt() as attempt:
        begin = time.monotonic()
        ended = cancel_script(attempt, f"echo ready; {bench.sleep}")
    seconds = time.monotonic() - begin
    require(ended.code in (1, SYSTEM_FAILURE, -signal.SIGTERM), f"run ended with {ended.code}")
    return f"after {seconds:.1f} s with {ended.code}"


@case("7.5")
def after_a_click_on_cancel(bench: Bench) -> str:
    """after_script runs, and knows, after the script was cancelled."""
    with bench.start(script=f"echo script is \"in\"; {bench.sleep}",
                     after_script="cat README; echo after says $CI_JOB_STATUS") as job:
        job.await_log(b"script is in")
        job.cancel("canceling")
        result = job.end()
    require("after says canceled" in result.log, f"it did not: {result.log[-300:]}")
    require("a project" in result.log, "it had no sources")
    require(result.status == "canceled", f"the job's status is {result.status}")
    return "after says canceled"


@case("7.5")
def after_a_script_timeout(bench: Bench) -> str:
    """after_script runs, and knows, after the script's own time was up."""
    result = bench.play(
        script=f"echo at work; {bench.sleep}", after_script="echo after says $CI_JOB_STATUS",
        variables=[Variable("RUNNER_SCRIPT_TIMEOUT", "1s")],
    )
    require("after says timedout" in result.log, f"it did not: {result.log[-300:]}")
    require(result.failure_reason == "job_execution_timeout", f"{result.failure_reason}")
    return "after says timedout"


@case("7.6", "8.5")
def script_that_ignores_it(bench: Bench) -> str:
    """An aborted job whose script ignores SIGTERM, in its group and outside, leaves nothing."""
    script = f"trap '' TERM; setsid {bench.sleep} & echo script is \"in\"; " \
             f"while :; do {bench.sleep}; done"
    with bench.start(script=script, graceful_kill_timeout=1.0, force_kill_timeout=1.0) as job:
        job.await_log(b"script is in")
        begin = time.monotonic()
        job.cancel("abort")
        result = job.end()
    seconds = time.monotonic() - begin
    left = bench.living()
    require(not left, f"still there: {', '.join(left)}")
    require(result.status == "canceled", f"the job's status is {result.status}")
    return f"nothing left after {seconds:.0f} s"
