# SPDX-License-Identifier: MIT
"""Chapter 8: cleanup, and what is left behind."""

from __future__ import annotations

import shutil
import time

from .bench import Bench
from .cases import NotApplicable, case, require


def check_cleanup(bench: Bench) -> None:
    if "cleanup" not in bench.subject.commands:
        raise NotApplicable("there is no cleanup")


@case("8.1")
def nothing_to_clean(bench: Bench) -> str:
    """After a full disk: the names are empty, there is no variable, the directory is a foreign
    one."""
    check_cleanup(bench)
    place = bench.directory / "foreign"
    place.mkdir()
    (place / "kept").write_text("kept\n")
    (place / "build_exit_code").write_text("kept\n")
    attempt = bench.raw_attempt()
    empty = {name: "" for name in ("TMPDIR", "JOB_RESPONSE_FILE", "BUILD_EXIT_CODE_FILE")}
    bare = [e for e in attempt.environ(**empty) if not e.startswith("CUSTOM_ENV_")]
    for entries in (attempt.environ(**empty), bare):
        ended = attempt.call("cleanup", cwd=str(place), entries=entries).end()
        require(ended.code == 0, f"cleanup ended with {ended.code}: {ended.said}")
    kept = sorted(path.name for path in place.iterdir())
    require(kept == ["build_exit_code", "kept"], f"of the foreign directory is left: {kept}")
    attempt.close()
    return "0, and the foreign directory is whole"


@case("8.1", "8.2")
def cleanup_of_what_is_gone(bench: Bench) -> str:
    """The temporary directory is gone, or was never filled."""
    check_cleanup(bench)
    attempt = bench.raw_attempt()
    attempt.make_temp()
    ended = attempt.call("cleanup").end()
    require(ended.code == 0, f"after nothing: cleanup ended with {ended.code}: {ended.said}")
    shutil.rmtree(attempt.temp)
    ended = attempt.call("cleanup", cwd=str(attempt.directory)).end()
    require(ended.code == 0, f"of what is gone: cleanup ended with {ended.code}: {ended.said}")
    attempt.close()
    return "0 both times"


@case("8.2")
def cleanup_again(bench: Bench) -> str:
    """cleanup three times after a job, the last time without job_env."""
    check_cleanup(bench)
    with bench.attempt() as attempt:
        attempt.run("exit 0").end()
        for turn in range(3):
            if turn == 2:
                attempt.executor.config.job_env = {}
            ended = attempt.call("cleanup").end()
            require(ended.code == 0, f"call {turn + 1} ended with {ended.code}: {ended.said}")
    return "0 three times"


@case("8.2")
def cleanup_after_any_status(bench: Bench) -> str:
    """cleanup after every end that a job can have."""
    check_cleanup(bench)
    for status in ("running", "success", "failed", "canceled", "timedout", ""):
        with bench.attempt(prepare=False) as attempt:
            attempt.job.status = status
            ended = attempt.call("cleanup").end()
            require(ended.code == 0, f"'{status}': cleanup ended with {ended.code}: {ended.said}")
    return "0 six times"


@case("8.3")
def cleanup_beside_a_run(bench: Bench) -> str:
    """cleanup beside a run that still lives."""
    check_cleanup(bench)
    with bench.attempt() as attempt:
        running = attempt.run("echo ready; sleep 1; echo whole; exit 0")
        running.await_output(b"ready")
        beside = attempt.call("cleanup").end()
        ended = running.end()
    whole = b"whole" in ended.out
    require(beside.code == 0, f"cleanup ended with {beside.code}: {beside.said}")
    require(whole or ended.code != 0, "the script was cut short, and run ended with 0")
    return f"run ended with {ended.code}, its script {'was let be' if whole else 'was ended'}"


@case("8.3", "3.6")
def directory_gone_beneath_a_run(bench: Bench) -> str:
    """The temporary directory is removed beneath a run whose script then fails."""
    with bench.attempt() as attempt:
        running = attempt.run("echo ready; sleep 0.7; exit 7")
        running.await_output(b"ready")
        shutil.rmtree(attempt.temp)
        ended = running.end()
    require(ended.code in (1, 2), f"run ended with {ended.code}")
    return f"run ended with {ended.code}"


@case("8.4", "8.5")
def background_processes(bench: Bench) -> str:
    """Background processes that hold the output do not hold the job, nor outlive it."""
    ways = {
        "&": f"{bench.sleep} &", "setsid": f"setsid {bench.sleep} &",
        "double fork": f"(setsid {bench.sleep} &) &", "nohup": f"nohup {bench.sleep} &",
    }
    longest = 0.0
    with bench.attempt() as attempt:
        for how, command in ways.items():
            begin = time.monotonic()
            ended = attempt.run(f"{command}\necho said all; exit 0", "get_sources").end(20)
            longest = max(longest, time.monotonic() - begin)
            require(ended.code == 0, f"{how}: run ended with {ended.code}: {ended.said}")
            require(b"said all" in ended.out, f"{how}: its output is lost")
    left = bench.living()
    require(not left, f"still there: {', '.join(left)}")
    return f"four ways, {longest:.1f} s at most, none left"


@case("8.4", "8.5")
def daemons_that_ignore_sigterm(bench: Bench) -> str:
    """Nor do those that ignore SIGTERM and have closed their output."""
    script = f"(trap '' TERM; setsid {bench.sleep} >/dev/null 2>&1 </dev/null &)\nexit 0"
    result = bench.play(script=script)
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    left = bench.living()
    require(not left, f"still there: {', '.join(left)}")
    return "none left"
