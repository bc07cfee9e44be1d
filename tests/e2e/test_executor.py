# SPDX-License-Identifier: MIT
"""The four programs that GitLab Runner calls, on jobs that need no AWS."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from executorhost import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


# Plain jobs.

def test_plain_job_runs_its_script_in_the_checkout(host: Host) -> None:
    result = host.play("greet", script="cat README; pwd")
    assert result.exit_code == 0, result.log
    assert "a project" in result.log
    assert str(host.builds) in result.log
    assert "its script, as with the shell executor" in result.log


@pytest.mark.parametrize("code", [1, 2, 7, 255])
def test_the_scripts_own_exit_code_reaches_gitlab(host: Host, code: int) -> None:
    result = host.play("fails", script=f"exit {code}")
    assert (result.exit_code, result.script_exit_code) == (1, code)
    assert result.failure_reason == "script_failure"


def test_script_ended_by_a_signal(host: Host) -> None:
    code, out, _ = host.call("run", host.script("kill -KILL $$\n"), "get_sources")
    assert (code, host.code_file()) == (1, "137\n")
    assert "signal 9" in out


def test_after_script_runs_after_a_failure(host: Host) -> None:
    result = host.play("fails", script="exit 3", after_script="echo status=$CI_JOB_STATUS")
    assert result.script_exit_code == 3
    assert "status=failed" in result.log


@pytest.mark.parametrize("stage", ["clear_worktree", "step_release", "some_day"])
def test_unknown_stages_are_executed(host: Host, stage: str) -> None:
    code, out, _ = host.call("run", host.script("echo here\n"), stage)
    assert (code, out) == (0, "here\n")


def test_an_old_code_file_says_nothing_about_this_stage(host: Host) -> None:
    host.stage_environ()
    (host.job_directory / "build_exit_code").write_text("42\n")
    code, _, _ = host.call("run", host.script(":\n"), "get_sources", PATH="/nowhere")
    assert (code, host.code_file()) == (2, None)


def test_codes_are_the_runners_to_name(host: Host) -> None:
    names = {"BUILD_FAILURE_EXIT_CODE": "71", "SYSTEM_FAILURE_EXIT_CODE": "72"}
    assert host.call("run", host.script("exit 5\n"), "get_sources", **names)[0] == 71
    assert host.call("run", host.script(":\n"), "get_sources", **names, PATH="/nowhere")[0] == 72


def test_the_scripts_environment_is_a_list(host: Host) -> None:
    host.environ |= {
        "AWS_SECRET_ACCESS_KEY": "of-the-host", "AWS_PROFILE": "deploy", "SOMETHING": "else",
        "BASH_ENV": "/nowhere", "TZ": "UTC", "https_proxy": "http://proxy.example.com:3128",
    }
    result = host.play("look", script="tr '\\0' '\\n' < /proc/$$/environ", variables={"MINE": "x"})
    assert result.exit_code == 0, result.log
    assert "TZ=UTC" in result.log and "https_proxy=" in result.log and "LC_ALL=" in result.log
    for name in ("AWS_", "SOMETHING", "BASH_ENV", "CUSTOM_ENV_", "JOB_RESPONSE_FILE", "BERTH_"):
        assert not re.search(rf"(?m)^{name}", result.log), name


def test_standard_input_is_empty_and_no_descriptor_is_left_open(host: Host) -> None:
    script = host.script(
        "cat; readlink /proc/$$/fd/0; for f in /proc/$$/fd/*; do echo ${f##*/}; done\n"
    )
    with open(host.directory / "open", "w") as extra:
        number = os.dup2(extra.fileno(), 77, inheritable=True)
    with host.start("run", script, "get_sources", pass_fds=[number]) as process:
        os.close(number)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.splitlines()[0] == "/dev/null"
    assert "77" not in out.splitlines()


def test_output_keeps_its_order_and_its_last_byte(host: Host) -> None:
    script = host.script("exec > >(cat; sleep 0.2; printf end)\nseq 1 200000\n")
    code, out, _ = host.call("run", script, "get_sources")
    assert code == 0
    assert out == "".join(f"{n}\n" for n in range(1, 200001)) + "end"


def test_masked_values_stay_masked(host: Host) -> None:
    result = host.play("show", script="echo $WORD", masked={"WORD": "open-sesame"})
    assert "open-sesame" not in result.log and "[MASKED]" in result.log


# config and prepare.

def test_config_prints_nothing_but_its_object(host: Host) -> None:
    code, out, err = host.call("config")
    assert (code, err) == (0, "")
    value = json.loads(out)
    assert value["builds_dir"] == str(host.builds)
    assert value["builds_dir_is_shared"] is True
    assert value["driver"]["name"] == "berth"
    assert "job_env" not in value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "workers": "many"\n}', r"berth\.json:2: workers: must be a whole number"),
        ('{ "wrokers": 1 }', r"did you mean 'workers'"),
        ('{ "user": "Robert; drop" }', r"user: must match"),
        ('{ "sandbox": "bubblewrap" }', r"'sandbox' needs 'user'"),
        ('{ "onCancel": "undo" }', r"onCancel: must be"),
        ('{ "buildsDir": "/srv/$(id)" }', r"buildsDir: must match"),
        ("{ ", r"berth\.json: line 1, column \d+: not valid JSON"),
    ],
)
def test_a_wrong_host_config_is_a_system_failure(host: Host, text: str, message: str) -> None:
    host.write_config(text)
    host.write_config = lambda *_: None  # type: ignore[method-assign]
    code, out, err = host.call("config")
    assert (code, out) == (2, "")
    assert re.search(message, err), err


def test_a_host_config_that_others_can_write_is_refused(host: Host) -> None:
    host.write_config()
    (host.directory / "berth.json").chmod(0o664)
    code, out, err = host.call("config")
    assert (code, out) == (2, "") and "chmod go-w" in err


def test_prepare_says_what_is_not_honoured(host: Host) -> None:
    result = host.play("plain", image="alpine:3")
    assert "'image:' is not honoured" in result.log


def tools(host: Host, *names: str) -> str:
    directory = host.directory / "tools"
    directory.mkdir()
    for name in names:
        (directory / name).symlink_to(shutil.which(name) or "/bin/true")
    return str(directory)


@pytest.mark.parametrize(("there", "lacking"), [(["git"], "bash"), (["bash"], "git")])
def test_prepare_looks_for_the_tools(host: Host, there: list[str], lacking: str) -> None:
    host.environ["PATH"] = tools(host, *there)
    result = host.play("plain")
    assert result.exit_code == 2 and f"there is no '{lacking}'" in result.log


def test_artifacts_without_gitlab_runner_are_an_error(host: Host) -> None:
    host.environ["PATH"] = tools(host, "bash", "git")
    result = host.play("plain", artifacts=["out"])
    assert result.exit_code == 2 and "there is no 'gitlab-runner'" in result.log
    assert "build_script" not in [stage.name for stage in result.stages]
