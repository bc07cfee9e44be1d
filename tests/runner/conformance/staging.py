# SPDX-License-Identifier: MIT
"""Chapter 5: the stages of run, and the jobs beside each other of chapter 9."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contract.options import Variable
from runner import Result, StageRecord

from .bench import Bench, PlayedJob
from .cases import NotApplicable, case, require
from .configuring import SETTABLE

STAGES = (
    "prepare_script", "get_sources", "clear_worktree", "restore_cache", "download_artifacts",
    "build_script", "step_script", "step_release", "after_script", "archive_cache",
    "archive_cache_on_failure", "upload_artifacts_on_success", "upload_artifacts_on_failure",
    "cleanup_file_variables", "a_stage_of_tomorrow",
)
# Says what it sees when it is told to stop, so that the other job's deeds show.
WATCHER = "trap 'ls; cat README mine; exit 3' TERM; echo own > mine; echo \"watcher is\" in; " \
          "while :; do sleep 0.1; done"


@case("5.1")
def every_stage(bench: Bench) -> str:
    """Fifteen stages, undocumented and unknown ones among them, are their scripts."""
    with bench.attempt() as attempt:
        for stage in STAGES:
            ended = attempt.run(f"echo this is {stage}; exit 0", stage).end()
            require(ended.code == 0, f"{stage} ended with {ended.code}: {ended.said}")
            require(f"this is {stage}".encode() in ended.out, f"{stage} was not carried out")
    return f"{len(STAGES)} stages"


@case("5.2")
def killed_and_called_again(bench: Bench) -> str:
    """get_sources is killed, the tree cleared, get_sources called again."""
    seen: list[str] = []

    def kill(record: StageRecord) -> None:
        seen.append(record.name)
        if seen.count("get_sources") == 1 and record.name == "get_sources":
            assert record.pid is not None
            os.killpg(record.pid, signal.SIGKILL)

    attempts = Variable("GET_SOURCES_ATTEMPTS", "3")
    result = bench.play(kill, script="cat README", variables=[attempts])
    require("clear_worktree" in seen, "get_sources was too quick to be killed")
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    return " ".join(name for name in seen if name not in ("config", "prepare", "cleanup"))


@case("5.2")
def called_twice(bench: Bench) -> str:
    """A stage called twice is carried out twice."""
    with bench.attempt() as attempt:
        for turn in ("first", "second"):
            ended = attempt.run(f"echo {turn} turn", "get_sources").end()
            require(ended.code == 0 and f"{turn} turn".encode() in ended.out,
                    f"the {turn} call ended with {ended.code}: {ended.said}")
    return "both times"


@case("5.3")
def files_between_stages(bench: Bench) -> str:
    """What the sources and the script have brought, after_script sees."""
    result = bench.play(script="cat README; echo kept > made", after_script="cat README made")
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    require(result.log.count("a project") == 2 and "\nkept\n" in result.log,
            f"after_script did not see the files: {result.log[-300:]}")
    return "sources and the script's file"


@contextmanager
def watcher(bench: Bench) -> Iterator[PlayedJob]:
    with bench.start(script=WATCHER) as job:
        job.await_log(b"watcher is in")
        yield job


def end_watcher(job: PlayedJob) -> Result:
    job.cancel("canceling")
    result = job.end()
    require("a project" in result.log and "\nown" in result.log,
            f"the first job's files are gone: {result.log[-300:]}")
    return result


@case("5.3")
def two_jobs_of_one_project(bench: Bench) -> str:
    """Two jobs of one project at one time do not see each other's files."""
    with watcher(bench) as first:
        other = bench.play(job_id=bench.job_id + 1, script="ls; echo other > theirs")
        require(other.exit_code == 0, f"the second job: {other.error}: {other.log[-200:]}")
        require("\nmine\n" not in other.log, "the second job sees the first one's files")
        result = end_watcher(first)
        require("\ntheirs\n" not in result.log, "the first job sees the second one's files")
    return "each saw its own"


@case("9.1", "5.3")
def a_job_that_says_it_is_another(bench: Bench) -> str:
    """A job that sets the variables of one beside it does not reach that one's files."""
    variables: list[Any] = [
        Variable(key, str(bench.job_id)) for key in SETTABLE
        if key.startswith("CI_") and not key.endswith(("_DIR", "_NAME", "_PATH", "_SHA", "_URL"))
    ]
    with watcher(bench) as first:
        other = bench.play(job_id=bench.job_id + 1, variables=variables, script="rm -rf * || :")
        end_watcher(first)
    return f"the first job kept its files; the other ended with {other.exit_code}"


@case("5.4")
def large_script(bench: Bench) -> str:
    """A script of four megabytes with a line of one."""
    filler = "# filler, to make this script a long one\n" * 75_000
    with bench.attempt() as attempt:
        ended = attempt.run(f"{filler}x='{'y' * (1 << 20)}'\necho length ${{#x}}\nexit 0").end()
    require(ended.code == 0, f"run ended with {ended.code}: {ended.said}")
    require(b"length 1048576" in ended.out, f"it was not carried out to its end: {ended.said}")
    return "carried out to its end"


@case("5.4")
def script_is_bash(bench: Bench) -> str:
    """A script finds a bash, and its exit in the middle is its end."""
    with bench.attempt() as attempt:
        ended = attempt.run("set -o pipefail; a=(1 2 3); [[ ${#a[@]} = 3 ]] && echo bash is it\n"
                            "exit 0\necho never").end()
    require(ended.code == 0 and b"bash is it" in ended.out,
            f"ended with {ended.code}: {ended.said}")
    require(b"never" not in ended.out, "it went on after its exit")
    return "bash"


@case("5.5", "3.1")
def script_that_signals_its_group(bench: Bench) -> str:
    """`kill 0` in a script is the job's failure."""
    result = bench.play(script=f"kill 0; {bench.sleep}")
    if result.exit_code == 0:
        raise NotApplicable("the script has survived it")
    require(result.failure_reason == "script_failure", f"the runner calls it "
            f"{result.failure_reason}: {result.error}")
    return f"script_failure, {result.script_exit_code}"
