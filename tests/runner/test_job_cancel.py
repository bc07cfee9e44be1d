# SPDX-License-Identifier: MIT
"""Cancellation, time limits and processes that stay: helpers/process/killer.go,
buildtest/abort.go."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from contract.context import Context
from runner import start_job

HERE = Path(__file__).resolve().parent
FOREVER = "sleep 300"


def names(result) -> list[str]:
    return [record.name for record in result.stages]


def wait_for(path: Path, seconds: float = 20.0) -> None:
    """Until an executable has made that file: it is then where the test wants it."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not come"
        time.sleep(0.01)


def cancel_at(host, kind: str, mark: str, **options):
    """Cancels once an executable or script has touched $NOTES/<mark>."""
    with start_job(**host.options(**options)) as running:
        wait_for(host.note(mark))
        running.cancel(kind)
        return running.wait(60)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


SCRIPT = f'touch "$NOTES/started"; {FOREVER}'


def test_canceling_ends_the_script_alone(host):
    host.write("cleanup", 'echo "$CUSTOM_ENV_CI_JOB_STATUS" > "$NOTES/status"')
    result = cancel_at(
        host, "canceling", "started", script=SCRIPT, after_script="echo after $CI_JOB_STATUS",
        artifacts=["README"], artifacts_when="always",
    )
    assert names(result)[4:] == [
        "build_script", "after_script", "upload_artifacts_on_failure", "cleanup",
    ]
    assert "after canceled\n" in result.log
    assert host.lines("status") == ["canceled"]
    assert result.stage("build_script").returncode == 1, "its trap ends a script with 1"
    assert (result.exit_code, result.failure_reason) == (1, "job_canceled")
    assert result.log.endswith("ERROR: Job failed: canceled\n")


@pytest.mark.parametrize(("kind", "status", "reason"), [
    ("abort", "canceled", "job_canceled"), ("timeout", "timedout", "job_execution_timeout"),
])
def test_abort_and_timeout_end_the_whole_job(host, kind, status, reason):
    host.write("cleanup", 'echo "$CUSTOM_ENV_CI_JOB_STATUS" > "$NOTES/status"')
    result = cancel_at(
        host, kind, "started", script=SCRIPT, after_script="echo after",
        artifacts=["README"], artifacts_when="always",
    )
    assert names(result)[4:] == ["build_script", "cleanup"]
    assert host.lines("status") == [status]
    assert (result.exit_code, result.failure_reason) == (1, reason)


def test_job_timeout(host):
    result = host.run(script=FOREVER, timeout=1)
    assert result.failure_reason == "job_execution_timeout"
    assert "Job failed: execution took longer than 1s seconds" in result.log


def test_script_timeout(host):
    result = host.run(
        script=FOREVER, after_script="echo after $CI_JOB_STATUS",
        variables={"RUNNER_SCRIPT_TIMEOUT": "500ms"},
    )
    assert "after timedout\n" in result.log
    assert result.failure_reason == "job_execution_timeout"


def test_canceling_before_the_script_ends_the_whole_job(host):
    host.write("run", f"""
        [ "$2" = get_sources ] && touch "$NOTES/started" && exec {FOREVER}
        exec "$1" """)
    result = cancel_at(host, "canceling", "started", after_script="echo after")
    assert names(result)[3:] == ["get_sources", "cleanup"]
    assert result.failure_reason == "job_canceled"


@pytest.mark.parametrize(("status", "reason"), [(1, "script_failure"), (2, "job_canceled")])
def test_prepare_that_is_cancelled_is_not_retried(host, status, reason):
    host.write("prepare", f"""
        trap 'exit {status}' TERM; touch "$NOTES/started"; {FOREVER} & wait""")
    result = cancel_at(host, "abort", "started")
    assert names(result) == ["config", "prepare", "cleanup"]
    assert result.failure_reason == reason


def test_exit_0_after_sigterm_is_a_success(host):
    """A prepare that runs into its time limit and then ends with 0 has succeeded."""
    host.write("prepare", f"trap 'exit 0' TERM; {FOREVER} & wait")
    result = host.run(exec_timeout=0.5)
    assert result.exit_code == 0
    assert names(result)[1:3] == ["prepare", "prepare_script"]


def test_prepare_timeout_is_tried_again(host):
    host.write("prepare", FOREVER)
    result = host.run(exec_timeout=0.2)
    assert names(result).count("prepare") == 3
    assert "exit code -1; executable execution terminated with: signal: terminated" in result.log


def test_sigterm_goes_to_the_group_and_sigkill_follows(host):
    host.write("run", f"""
        [ "$2" = build_script ] || exec "$1"
        trap 'echo got it' TERM
        {FOREVER} & echo $! > "$NOTES/child"
        (trap '' TERM; {FOREVER}) & echo $! > "$NOTES/deaf"
        touch "$NOTES/started"; while :; do wait; done""")
    begin = time.monotonic()
    result = cancel_at(host, "abort", "started", graceful_kill_timeout=1.0)
    assert time.monotonic() - begin < 30
    assert "got it" in result.log
    assert result.stage("build_script").returncode == -signal.SIGKILL
    assert not is_alive(int(host.lines("child")[0]))
    assert not is_alive(int(host.lines("deaf")[0]))


def test_background_child_that_holds_a_pipe_holds_the_stage(run_stage):
    result = run_stage("(sleep 1; echo late) & echo early; exit 0")
    assert result.stage("build_script").seconds >= 1
    assert "early\nlate\n" in result.log


def test_background_child_without_a_pipe_does_not(run_stage):
    begin = time.monotonic()
    result = run_stage(f"{FOREVER} >/dev/null 2>&1 & echo $!")
    assert time.monotonic() - begin < 30
    pid = int(result.log.splitlines()[-2])
    assert is_alive(pid), "nobody ends what the executable leaves behind"
    os.kill(pid, signal.SIGKILL)


def test_session_of_its_own_that_holds_a_pipe_outlives_both_signals(host):
    host.write("run", f"""
        [ "$2" = build_script ] || exec "$1"
        setsid bash -c 'echo $$ > "$NOTES/pid"; touch "$NOTES/started"; exec {FOREVER}' &
        exit 0""")
    result = cancel_at(
        host, "canceling", "started", graceful_kill_timeout=0.3, force_kill_timeout=0.3,
    )
    os.kill(int(host.lines("pid")[0]), signal.SIGKILL)
    assert "Failed to terminate process: no such process" in result.log
    error = result.stage("build_script").error
    assert error.startswith("failed to kill process PID=")
    assert result.stage("build_script").returncode is None


def test_cleanup_may_meet_a_run_that_still_lives(host):
    host.write("run", f"""
        [ "$2" = build_script ] || exec "$1"
        trap '' TERM; echo $$ > "$NOTES/pid"; touch "$NOTES/started"; {FOREVER}""")
    host.write("cleanup", 'kill -0 "$(cat "$NOTES/pid")" && touch "$NOTES/met"')
    begin = time.monotonic()
    result = cancel_at(
        host, "abort", "started", graceful_kill_timeout=60, build_finish_timeout=0.5,
    )
    os.killpg(int(host.lines("pid")[0]), signal.SIGKILL)
    assert time.monotonic() - begin < 30
    assert host.note("met").exists()
    assert result.failure_reason == "job_canceled"


def test_cleanup_is_not_cancelled(host):
    host.write("cleanup", """
        touch "$NOTES/started"
        until [ -e "$NOTES/go" ]; do sleep 0.01; done; touch "$NOTES/cleaned" """)
    with start_job(**host.options()) as running:
        wait_for(host.note("started"))
        running.cancel("abort")
        host.note("go").touch()
        assert running.wait(30).exit_code == 0
    assert host.note("cleaned").exists()


def test_running_stage_can_be_found_and_killed(host):
    seen: list[tuple[str, int]] = []
    with start_job(
        on_stage=lambda record: seen.append((record.name, record.pid)),
        **host.options(script=FOREVER),
    ) as running:
        record = running.wait_stage("build_script")
        assert record.pid == running.pgid == os.getpgid(record.pid)
        os.killpg(record.pid, signal.SIGKILL)
        result = running.wait(30)
    assert ("build_script", record.pid) in seen
    assert [name for name, _ in seen] == names(result)
    assert result.failure_reason == "runner_system_failure"
    with pytest.raises(LookupError):
        running.wait_stage("build_script")


def test_two_jobs_of_one_project_have_numbers_of_their_own(host):
    host.write("config", "echo '{\"builds_dir_is_shared\": true}'")
    script = 'until [ -e "$NOTES/go" ]; do sleep .01; done'
    with start_job(**host.options(script=script, job_id=1)) as first:
        first.wait_stage("build_script")
        with start_job(**host.options(script=script, job_id=2)) as second:
            second.wait_stage("build_script")
            host.note("go").touch()
            results = [job.wait(30) for job in (first, second)]
    assert len({result.build_dir for result in results}) == 2
    assert [result.exit_code for result in results] == [0, 0]


def test_sigterm_to_the_program_aborts_the_job(host):
    script = host.note("script")
    script.write_text(SCRIPT)
    command = [HERE / "job", "--job", "j", "--ref", "r", "--project", host.project,
               "--executors", host.executors, "--script", script]
    environ = host.options()["environ"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as program:
        wait_for(host.note("started"))
        program.terminate()
        log, _ = program.communicate(timeout=30)
    assert program.returncode == 1
    assert log.endswith("ERROR: Job failed: canceled\n")
    assert not list(host.temp.iterdir())


def test_program_cancels_after_a_time(host):
    result = host.run(script=FOREVER, cancel_after=1.0, cancel_kind="abort")
    assert result.failure_reason == "job_canceled"


def test_contexts():
    parent = Context()
    child = Context(parent)
    parent.cancel("first")
    parent.cancel("second")
    assert (child.cause, Context(parent).cause) == ("first", "first")
    parent.close()
    parent.cancel("late")
    assert parent.cause == "first"
