# SPDX-License-Identifier: MIT
"""How stages end: told to, killed, and with what their scripts have left."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from executorhost import Host, is_alive, wait_for
from runner import start_job


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


# What scripts leave behind.

@pytest.mark.parametrize("how", ["sleep 60 &", "setsid sleep 60 &", "(setsid sleep 60 &) &"])
def test_background_processes_end_with_their_stage(host: Host, how: str) -> None:
    result = host.play("leaves", script=f"{how} echo done")
    assert result.exit_code == 0
    left = re.search(r"has left 1 process running, which was ended: (?:sleep|setsid|bash) \((\d+)\)", result.log)
    assert left, result.log
    assert not is_alive(int(left[1]))


def test_one_that_ignores_sigterm_is_killed(host: Host) -> None:
    pid_file = host.directory / "pid"
    script = host.script(
        f"(trap '' TERM; echo $BASHPID > {pid_file}; while :; do sleep 1; done) &\n"
        f"until test -s {pid_file}; do sleep 0.01; done\n"
    )
    code, out, _ = host.call("run", script, "get_sources")
    assert code == 0 and "has left" in out
    assert not is_alive(int(wait_for(pid_file)))


# Signals.

def test_cancelled_job(host: Host) -> None:
    options = host.options("slow", script="echo begun; sleep 60", after_script="echo after")
    with start_job(**options) as running:
        running.wait_stage("build_script")
        running.cancel("canceling")
        result = running.wait(30)
    assert result.status == "canceled", result.log
    assert re.search(r"(?m)^after$", result.log)


def test_a_script_that_ends_with_zero_on_sigterm_is_no_success(host: Host) -> None:
    mark = host.directory / "ready"
    script = host.script(
        f"trap 'exit 0' TERM\necho > {mark}\nwhile :; do sleep 0.05; done\n"
    )
    with host.start("run", script, "get_sources") as process:
        wait_for(mark)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=20)
    assert (process.returncode, host.code_file()) == (1, None)


def test_sigterm_to_run_alone_reaches_the_script(host: Host) -> None:
    mark = host.directory / "ready"
    script = host.script(f"trap 'exit 9' TERM\necho > {mark}\nwhile :; do sleep 0.05; done\n")
    with host.start("run", script, "get_sources") as process:
        wait_for(mark)
        process.terminate()
        process.communicate(timeout=20)
    assert (process.returncode, host.code_file()) == (1, "9\n")


def test_sigterm_in_prepare_is_a_system_failure(host: Host) -> None:
    mark = host.directory / "ready"
    host.put_drive(f"trap 'exit 1' TERM; echo > {mark}; while :; do sleep 0.05; done\n")
    with start_job(**host.options("deploy-branches")) as running:
        wait_for(mark)
        running.cancel("abort")
        result = running.wait(30)
    assert result.stage("prepare").returncode == 2, result.log


# Killed.

def worker_of(guard: int) -> int:
    return int(Path(f"/proc/{guard}/task/{guard}/children").read_text().split()[0])


@pytest.mark.parametrize("whom", ["group", "guard", "worker"])
def test_what_a_killed_stage_has_started_ends_with_it(host: Host, whom: str) -> None:
    """Otherwise it would hold the log open, for which the runner waits."""
    pid_file = host.directory / "pid"
    script = host.script(
        f"env -i setsid bash -c 'trap \"\" TERM; echo $$ > {pid_file}; while :; do sleep 0.2; done' &\n"
        "while :; do sleep 0.1; done\n"
    )
    with host.start("run", script, "get_sources") as process:
        pid = int(wait_for(pid_file))
        if whom == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid if whom == "guard" else worker_of(process.pid), signal.SIGKILL)
        process.communicate(timeout=20)  # to the end of the log
    assert process.returncode == (2 if whom == "worker" else -signal.SIGKILL)
    assert not is_alive(pid)


# cleanup.

def test_cleanup_stands_everything_missing(host: Host) -> None:
    empty = {"TMPDIR": "", "JOB_RESPONSE_FILE": "", "BUILD_EXIT_CODE_FILE": "", "BERTH_CONFIG": ""}
    assert host.call("cleanup", **empty)[0] == 0
    assert host.call("cleanup", TMPDIR="/nowhere", BUILD_EXIT_CODE_FILE="/nowhere/code")[0] == 0
    assert host.call("cleanup")[0] == 0
    assert host.call("cleanup")[0] == 0


def test_cleanup_ends_what_a_killed_stage_has_left_and_spares_one_that_lives(host: Host) -> None:
    left, kept = host.directory / "left", host.directory / "kept"
    orphan = host.script(f"setsid bash -c 'echo $$ > {left}; exec sleep 60' & wait\n")
    with host.start("run", orphan, "get_sources") as killed:
        left_pid = int(wait_for(left))
        worker = worker_of(killed.pid)
        os.kill(worker, signal.SIGSTOP)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait(10)
        os.kill(worker, signal.SIGKILL)
        script = host.script(f"echo $$ > {kept}; while :; do sleep 0.05; done\n")
        with host.start("run", script, "get_sources") as living:
            kept_pid = int(wait_for(kept))
            code, _, err = host.call("cleanup")
            assert code == 0 and f"sleep ({left_pid})" in err
            assert not is_alive(left_pid)
            assert is_alive(kept_pid) and living.poll() is None
            os.killpg(living.pid, signal.SIGTERM)
            living.communicate(timeout=20)
