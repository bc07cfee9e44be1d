# SPDX-License-Identifier: MIT
"""Scripts in a sandbox of bubblewrap."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from jobhost import LEAVE, JobHost, output, processes_of
from runner import start_job
from waiting import until


# The sandbox.

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is missing")


@pytest.fixture
def sandbox(host: JobHost, monkeypatch: pytest.MonkeyPatch) -> JobHost:
    """The repository that the tests serve must not lie in /tmp, which scripts cannot see."""
    monkeypatch.setattr(tempfile, "tempdir", str(host.directory))
    host.config["sandbox"] = "bubblewrap"
    return host


@needs_bubblewrap
def test_sandbox(sandbox: JobHost, users: list[str]) -> None:
    log = output(sandbox, "id -un; touch here $TMPDIR/there ~/home /tmp/tmp && echo may=write; "
                          f"touch {sandbox.directory}/x /var/lib/x /run/lock/x /etc/x && echo may=all; "
                          "ls -d /proc/[0-9]* | wc -l; ls /tmp; git status --short")
    assert users[0] in log and "may=write" in log and "may=all" not in log
    assert int(re.search(r"(?m)^(\d+)$", log)[1]) < 12  # type: ignore[index]
    assert not list(Path("/tmp").glob("tmp"))


@needs_bubblewrap
def test_sandbox_exit_codes(sandbox: JobHost) -> None:
    assert sandbox.play("fails", script="exit 42").script_exit_code == 42
    assert sandbox.play("fails", script="kill -KILL $$").script_exit_code == 137


@needs_bubblewrap
def test_sandbox_last_byte_and_leftovers(sandbox: JobHost, users: list[str]) -> None:
    log = output(sandbox, LEAVE + "bash $TMPDIR/leave & exec > >(cat; sleep 0.2; echo the-end); seq 1 20000")
    assert "\n20000\nthe-end\n" in log
    assert processes_of(users) == []


@needs_bubblewrap
@pytest.mark.parametrize("whom", ["group", "run"])
def test_sandbox_sigterm_reaches_the_script_once(sandbox: JobHost, users: list[str], whom: str) -> None:
    script = sandbox.script("trap 'echo told; n=$((n + 1))' TERM\ntouch $TMPDIR/ready\n"
                            "until [ \"$n\" ]; do sleep 0.05; done\nsleep 0.3\nexit $((n + 6))\n")
    with sandbox.stage(script) as process:
        until(lambda: list(sandbox.builds.glob("*/tmp/*/ready")))
        (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert (out.count("told\n"), process.returncode, sandbox.code()) == (1, 1, 7)


@needs_bubblewrap
def test_sandbox_is_killed(sandbox: JobHost, users: list[str]) -> None:
    with start_job(**sandbox.options("killed", script=LEAVE + "setsid bash $TMPDIR/leave & "
                                     "touch $TMPDIR/ready; sleep 60")) as running:
        stage = running.wait_stage("build_script")
        until(lambda: list(sandbox.builds.glob("*/tmp/*/ready")))
        os.killpg(stage.pid, signal.SIGKILL)
        running.wait(30)
    assert processes_of(users) == []


def test_sandbox_without_bubblewrap(sandbox: JobHost) -> None:
    tools = sandbox.directory / "tools"
    tools.mkdir()
    for name in ("bash", "git", "env", "rm", "id"):
        (tools / name).symlink_to(shutil.which(name) or "")
    sandbox.environ["PATH"] = str(tools)
    result = sandbox.play("plain")
    assert result.exit_code == 2 and "there is no 'bwrap' in the runner's PATH" in result.log
