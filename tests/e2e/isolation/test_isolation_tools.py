# SPDX-License-Identifier: MIT
"""Tools that read what a repository holds run as the job's user, also in a sandbox."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from jobhost import SECRET, JobHost, processes_of
from runner import start_job
from toolhost import write_project
from waiting import until

LOOK = """echo app/x.py:1:1: USER $(id -un) $(id -Gn)
test -w . && echo app/x.py:2:1: WRITES
test -r "$1" || echo app/x.py:3:1: SHUT
tr '\\0' '\\n' < /proc/self/environ | grep -c "$2" | sed 's/^/app\\/x.py:4:1: SECRETS /'
echo app/x.py:5:1: HOME $HOME
exit 0
"""
SLOW = """trap '' TERM
touch $TMPDIR/ready
sleep 100 & setsid sleep 100 &
while :; do sleep 1; done
"""

MODES = [
    pytest.param(None, id="plain"),
    pytest.param("bubblewrap", id="sandbox", marks=pytest.mark.skipif(
        shutil.which("bwrap") is None, reason="bubblewrap is missing")),
]


@pytest.fixture(params=MODES)
def tools(request: pytest.FixtureRequest, host: JobHost, monkeypatch: pytest.MonkeyPatch) -> JobHost:
    if request.param:
        # The repository that the tests serve must not lie in /tmp, which a sandbox hides.
        monkeypatch.setattr(tempfile, "tempdir", str(host.directory))
        host.config["sandbox"] = request.param
    write_project(host.project, {"app": {}})
    (host.project / "app").mkdir()
    (host.project / "app" / "x.py").write_text("")
    return host


def put_linter(host: JobHost, text: str, *arguments: str) -> None:
    program: Path = host.directory / "linter"
    program.write_text("#!/bin/bash\n" + text)
    program.chmod(0o755)
    host.config["tools"] = {"linter": [str(program), *arguments]}


def test_who_runs_it(tools: JobHost, users: list[str]) -> None:
    put_linter(tools, LOOK, tools.environ["BERTH_CONFIG"], SECRET)
    result = tools.play("app-linter", script="ls -l gl-code-quality-report.json")
    assert result.exit_code == 0, result.log
    assert f"USER {users[0]} {users[0]}\n" in result.log
    for line in ("app/x.py:2:1: WRITES", "app/x.py:3:1: SHUT", "app/x.py:4:1: SECRETS 0"):
        assert line in result.log, result.log
    assert f"app/x.py:5:1: HOME {tools.builds}/{users[0]}/tmp/" in result.log


def test_a_cancelled_one_leaves_nothing(tools: JobHost, users: list[str]) -> None:
    put_linter(tools, SLOW)
    with start_job(**tools.options("app-linter") | {"graceful_kill_timeout": 60.0}) as running:
        until(lambda: list(tools.builds.glob("*/tmp/*/ready")))
        running.cancel("abort")
        result = running.wait(60)
    assert result.status == "canceled" and "cancelled while" in result.log, result.log
    assert processes_of(users) == []
