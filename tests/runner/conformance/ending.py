# SPDX-License-Identifier: MIT
"""Chapter 3: how an executable ends, and what the runner makes of it."""

from __future__ import annotations

import re

from .bench import Attempt, Bench
from .cases import case, require
from .program import Program


def check_end(attempt: Attempt, ended: Program, wanted: int) -> None:
    require(ended.code == 1, f"run ended with {ended.code}, not with the build failure's 1: "
            f"{ended.said}")
    found = attempt.script_code(ended)
    require(found == wanted, f"the script's code was {wanted}, the runner sees {found} (the code "
            f"file holds {ended.code_text()!r})")


@case("3.1", "3.2")
def own_codes(bench: Bench) -> str:
    """A script's own code reaches the runner, and 2 is the job's failure too."""
    codes = (1, 2, 3, 42, 126, 127, 254, 255)
    with bench.attempt() as attempt:
        for code in codes:
            check_end(attempt, attempt.run(f"exit {code}").end(), code)
        ended = attempt.run("exit 0").end()
        require(ended.code == 0, f"'exit 0' ended with {ended.code}")
    return f"{', '.join(map(str, codes))} and 0"


@case("3.2")
def code_of_a_job(bench: Bench) -> str:
    """allow_failure:exit_codes sees a job's code."""
    result = bench.play(script="exit 42")
    require(result.failure_reason == "script_failure",
            f"the job's end was {result.failure_reason}: {result.error}")
    require(result.script_exit_code == 42, f"the runner sees {result.script_exit_code}")
    return "script_failure, 42"


@case("3.2")
def code_of_every_stage(bench: Bench) -> str:
    """Also the stages that the runner writes have their code, not the user's script alone."""
    with bench.attempt() as attempt:
        for stage in ("prepare_script", "get_sources", "after_script", "archive_cache"):
            check_end(attempt, attempt.run("exit 9", stage).end(), 9)
    return "9 in four stages"


@case("3.3")
def ended_by_signals(bench: Bench) -> str:
    """A script that a signal has ended has failed with 128 and its number."""
    with bench.attempt() as attempt:
        for name, code in (("KILL", 137), ("TERM", 143), ("SEGV", 139), ("USR1", 138)):
            ended = attempt.run(f"ulimit -c 0; kill -{name} $$; sleep 5").end()
            check_end(attempt, ended, code)
    return "137, 143, 139, 138"


@case("3.4")
def stale_code_file(bench: Bench) -> str:
    """An earlier stage's code says nothing about this one."""
    with bench.attempt() as attempt:
        for code in (3, 1):
            attempt.code_file.write_text("99\n")
            check_end(attempt, attempt.run(f"exit {code}").end(), code)
        attempt.code_file.write_text("99\n")
        ended = attempt.run("exit 0").end()
        require(ended.code == 0, f"'exit 0' beside an old file ended with {ended.code}")
        attempt.code_file.write_text("not a number")
        check_end(attempt, attempt.run("exit 5").end(), 5)
    return "99 and 'not a number' had no say"


@case("3.4", "3.7")
def stale_code_file_in_prepare(bench: Bench) -> str:
    """Nor does it in prepare: what an older file says is no verdict on this one."""
    with bench.attempt(prepare=False) as attempt:
        attempt.code_file.write_text("99\n")
        ended = attempt.call("prepare").end()
        require(ended.code == 0, f"prepare beside an old code file ended with {ended.code}")
        ended = attempt.run("exit 6").end()
        check_end(attempt, ended, 6)
    return "prepare 0, then the script's 6"


@case("3.5")
def code_file_is_digits(bench: Bench) -> str:
    """The code file holds what strconv.Atoi takes."""
    with bench.attempt() as attempt:
        text = attempt.run("exit 42").end().code_text()
    require(text is None or re.fullmatch(rb"[0-9]+\r?\n?", text), f"it holds {text!r}")
    require(text is not None, "there is no code file")
    return repr(text)


@case("3.5")
def linked_code_file(bench: Bench) -> str:
    """A link in the code file's place is replaced, not followed."""
    with bench.attempt() as attempt:
        victim = attempt.directory / "victim"
        victim.write_text("untouched\n")
        attempt.code_file.symlink_to(victim)
        ended = attempt.run("exit 4").end()
        require(victim.exists() and victim.read_text() == "untouched\n",
                "what the link names was changed")
        check_end(attempt, ended, 4)
        made = attempt.directory / "made"
        attempt.code_file.unlink(missing_ok=True)
        attempt.code_file.symlink_to(made)
        attempt.run("exit 4").end()
        require(not made.exists(), "what the link names was made")
    return "what it names stayed as it was"


@case("3.6")
def code_file_that_cannot_be(bench: Bench) -> str:
    """Where the code cannot be written, a failure stays one."""
    with bench.attempt() as attempt:
        directory = attempt.directory / "a-directory"
        (directory / "full").mkdir(parents=True)
        ends = []
        for path in ("/nowhere/at/all/code", str(directory), "/proc/version", ""):
            ended = attempt.run("exit 3", BUILD_EXIT_CODE_FILE=path).end()
            require(ended.code in (1, 2), f"'{path}': run ended with {ended.code}")
            ends.append(f"'{path}': {ended.code}")
    return ", ".join(ends).replace(str(attempt.directory), "...")


@case("3.7", "3.1")
def lost_script(bench: Bench) -> str:
    """A script that is not there is the host's failure, not the job's."""
    with bench.attempt() as attempt:
        ended = attempt.call("run", str(attempt.temp / "no-such-script"), "get_sources").end()
    require(ended.code == 2, f"run ended with {ended.code}: {ended.said}")
    return "2"
