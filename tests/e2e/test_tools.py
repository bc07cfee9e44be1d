# SPDX-License-Identifier: MIT
"""What all tools have in common: who they run as, where, with what, and how they end."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from executorhost import is_alive, wait_for
from runner import start_job
from toolhost import ToolHost, errors

pytestmark = pytest.mark.by_the_clock

USER, SYSTEM = 1, 2
SECRET = "wJalrXUtnFEMI-K7MDENG-of-the-host"


@pytest.fixture
def host(tmp_path: Path) -> ToolHost:
    return ToolHost(tmp_path)


def test_where_and_with_what_it_runs(host: ToolHost) -> None:
    host.environ |= {"AWS_SECRET_ACCESS_KEY": SECRET, "GITLAB_TOKEN": SECRET}
    seen = host.directory / "seen"
    host.linter(f'{{ pwd; env; ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; '
                f'printf "<%s>" "$@"; }} > {seen}\n', "a b")
    result = host.play("app-linter", variables={"MY_VARIABLE": "mine"})
    assert result.exit_code == 0, result.log
    text = seen.read_text()
    lines = text.splitlines()
    assert lines[0] == result.build_dir and lines[-1] == "<a b><app>"
    assert lines[-2] == "/dev/null" and lines[-3] == "4"  # 0, 1, 2 and the listing's own
    for unwanted in (SECRET, "CUSTOM_ENV", "JOB_RESPONSE", "BERTH_", "MY_VARIABLE"):
        assert unwanted not in text, text


def test_a_tool_that_is_missing(host: ToolHost) -> None:
    host.config["tools"] = {"linter": ["no-such-linter", "--strict"]}
    result = host.play("app-linter", script="echo scr''ipt")
    assert result.exit_code == SYSTEM
    assert errors(result.log) == [
        "there is no program 'no-such-linter' in PATH: install it on the runner host, or name "
        "another linter in the host config's tools.linter"]
    assert "\nscript\n" not in result.log
    host.config["tools"] = {"linter": [str(host.bin / "none")]}
    assert f"there is no program '{host.bin}/none'" in host.play("app-linter").log


def test_a_tool_that_hangs_is_ended(host: ToolHost) -> None:
    pids = host.directory / "pids"
    host.linter(f"trap '' TERM; sleep 100 & echo $$ $! > {pids}; while :; do sleep 1; done\n")
    host.config["tools"]["seconds"] = 1
    result = host.play("app-linter")
    assert result.exit_code == SYSTEM
    assert f"'{host.bin}/linter' took longer than 1 s and was ended" in errors(result.log)[0]
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_cancelled_job_leaves_no_process(host: ToolHost, stubborn: bool) -> None:
    pids = host.directory / "pids"
    trap = "trap '' TERM; " if stubborn else ""
    host.linter(f"{trap}sleep 100 & setsid sleep 100 & echo $$ $! > {pids}; wait; "
                "while :; do sleep 1; done\n")
    with start_job(**host.options("app-linter", graceful_kill_timeout=60.0)) as running:
        started = wait_for(pids).split()
        running.cancel("abort")
        result = running.wait(60)
    assert result.status == "canceled", result.log
    assert "cancelled while" in result.log and "which was ended" in result.log
    assert not any(is_alive(int(pid)) for pid in started)


def test_a_second_signal_ends_it_all_at_once(host: ToolHost) -> None:
    pids = host.directory / "pids"
    host.linter(f"trap '' TERM; sleep 100 & echo $$ $! > {pids}; while :; do sleep 1; done\n")
    with start_job(**host.options("app-linter")) as running:
        stage = running.wait_stage("build_script")
        started = wait_for(pids).split()
        for _ in range(2):
            os.killpg(stage.pid, signal.SIGTERM)
        result = running.wait(60)
    assert result.exit_code == SYSTEM, result.log
    assert not any(is_alive(int(pid)) for pid in started)


def test_what_a_tool_leaves_running_is_ended(host: ToolHost) -> None:
    pids = host.directory / "pids"
    host.linter(f"setsid sleep 100 & echo $! > {pids}\n")
    result = host.play("app-linter")
    assert result.exit_code == 0
    assert re.search(r"WARNING: '\S+/linter' has left 1 process running, which was ended", result.log)
    assert not is_alive(int(pids.read_text()))


def test_a_tool_that_says_much_is_read_to_its_end(host: ToolHost) -> None:
    host.linter('head -c 200000000 /dev/zero; head -c 70000000 /dev/zero >&2; exit 0\n')
    result = host.play("app-linter")
    assert result.exit_code == 0, result.log[-2000:]


@pytest.mark.parametrize("path, why", [
    ("../../etc", "leads out of its directory"),
    ("/etc", "leads out of its directory"),
    ("link", "goes through a symbolic link, which is not followed"),
    ("link/deep", "goes through a symbolic link, which is not followed"),
    ("none", "does not exist"),
    ("README", "Not a directory"),
    ("app/../../..", "leads out of its directory"),
])
def test_a_module_beneath_the_checkout_only(host: ToolHost, path: str, why: str) -> None:
    (host.project / "link").symlink_to("/etc")
    host.modules({"app": {"path": path}})
    mark = host.directory / "ran"
    host.linter(f"touch {mark}\n")
    result = host.play("app-linter")
    assert result.exit_code == USER, result.log
    [error] = errors(result.log)
    assert error.startswith(".berth/environment.json:") and why in error, error
    assert "modules.app.path: the module's directory: " in error and f"'{path}'" in error
    assert not mark.exists()


def test_a_module_that_has_no_directory(host: ToolHost) -> None:
    host.modules({"app": {}, "other": {}})
    result = host.play("other-linter")
    assert result.exit_code == USER
    [error] = errors(result.log)
    assert "modules.other: the module's directory: 'other' does not exist" in error


@pytest.mark.parametrize("more", [{"ref_type": "tag", "ref": "v1.0"},
                                  {"ref": "refs/merge-requests/3/head"}, {"ref": "some/other"}])
def test_any_ref_will_do(host: ToolHost, more: dict[str, str]) -> None:
    host.linter("exit 0\n")
    result = host.play("app-linter", **more)
    assert result.exit_code == 0 and "has nothing to say against 'app'" in result.log, result.log


def test_another_project_has_just_its_script(host: ToolHost) -> None:
    host.linter("exit 3\n")
    host.config["projects"] = {"78": host.config["projects"]["77"]}
    for job in ("app-linter", "terraform-validate-infra"):
        result = host.play(job, script="echo the-scr''ipt")
        assert result.exit_code == 0 and "\nthe-script\n" in result.log, result.log
        if job.startswith("terraform"):
            assert "project 77 is not among the 'projects' of the host config" in result.log


def test_the_script_runs_after_it_and_a_broken_spec_is_told(host: ToolHost) -> None:
    host.linter("exit 0\n")
    result = host.play("app-linter", script="echo scr''ipt; ls gl-*")
    assert result.exit_code == 0
    assert re.search(r"has nothing to say.*\n(.*\n)*script\ngl-code-quality-report.json", result.log)
    assert host.play("plan-app-linter", script="exit 7").script_exit_code == 7
    host.modules({"app": {"pth": "app"}})
    result = host.play("app-linter")
    assert result.exit_code == USER and "did you mean 'path'" in result.log
