# SPDX-License-Identifier: MIT
"""The four programs that GitLab Runner calls, on jobs that need no AWS.

Most tests play a whole job. Where the runner would not make a case, a program is called as the
runner calls it (GitLab Runner, executors/custom/command/command.go). `drive` is replaced by a small
script in a copy of the programs' directory, so that what calls it can be seen without an account.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "runner")]

from runner import Result, make_options, play_job, start_job  # noqa: E402

PROGRAMS = ROOT / os.environ.get("BERTH_BUILD", "build") / "libexec" / "berth"
BRANCH = "dev/feature/login"


class Host:
    """A runner host with a host config of its own, and a project in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = directory / "project"
        self.project.mkdir()
        (self.project / "README").write_text("a project\n")
        self.builds = directory / "builds"
        self.programs = PROGRAMS
        self.config: dict[str, Any] = {
            "projects": {
                "77": {
                    "prefix": "automation",
                    "ephemeral": {"refs": ["dev/feature*"], "region": "us-east-1"},
                }
            },
            "buildsDir": str(self.builds),
            "cacheDir": str(directory / "cache"),
        }
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "BERTH_CONFIG": str(directory / "berth.json"),
        }
        self.job_directory = directory / "custom-executor1"

    def write_config(self, text: str | None = None) -> None:
        path = self.directory / "berth.json"
        path.write_text(text if text is not None else json.dumps(self.config))

    def options(self, job: str, **more: Any) -> dict[str, Any]:
        self.write_config()
        return {
            "job": job, "ref": BRANCH, "project": self.project, "executors": self.programs,
            "environ": self.environ, "retry_pause": 0.01, "attempt_pause": 0.01, **more,
        }

    def play(self, job: str, **more: Any) -> Result:
        return play_job(make_options(**self.options(job, **more)))

    def put_drive(self, text: str) -> None:
        """A `drive` of our own, beside copies of the programs."""
        self.programs = self.directory / "programs"
        shutil.rmtree(self.programs, ignore_errors=True)
        self.programs.mkdir()
        for name in ("config", "prepare", "run", "cleanup"):
            shutil.copy(PROGRAMS / name, self.programs / name)
        drive = self.programs / "drive"
        drive.write_text("#!/bin/bash\n" + text)
        drive.chmod(0o755)

    def stage_environ(self) -> dict[str, str]:
        self.job_directory.mkdir(exist_ok=True)
        return {
            **self.environ,
            "TMPDIR": str(self.job_directory),
            "BUILD_FAILURE_EXIT_CODE": "1",
            "SYSTEM_FAILURE_EXIT_CODE": "2",
            "BUILD_EXIT_CODE_FILE": str(self.job_directory / "build_exit_code"),
            "JOB_RESPONSE_FILE": str(self.job_directory / "response.json"),
        }

    def script(self, text: str) -> Path:
        path = self.directory / "script"
        path.write_text("#!/usr/bin/env bash\n" + text)
        path.chmod(0o700)
        return path

    @contextmanager
    def start(
        self, program: str, *arguments: str | Path, pass_fds: Sequence[int] = (), **environ: str
    ) -> Iterator[subprocess.Popen[str]]:
        """A program as the runner starts it; its group is gone when the `with` block is left."""
        self.write_config()
        process = subprocess.Popen(
            [self.programs / program, *arguments], env={**self.stage_environ(), **environ},
            cwd=self.job_directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, process_group=0, pass_fds=pass_fds,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def call(self, program: str, *arguments: str | Path, **environ: str) -> tuple[int, str, str]:
        with self.start(program, *arguments, **environ) as process:
            out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def code_file(self) -> str | None:
        path = self.job_directory / "build_exit_code"
        return path.read_text() if path.exists() else None


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def wait_for(path: Path) -> str:
    """The content of a file that a process is about to write."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.01)
    raise AssertionError(f"{path} was never written")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# Plain jobs.

def test_plain_job_runs_its_script_in_the_checkout(host: Host) -> None:
    result = host.play("greet", script="cat README; pwd")
    assert result.exit_code == 0, result.log
    assert "a project" in result.log
    assert str(host.builds) in result.log
    assert "the script, as with the shell executor" in result.log


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
        ('{ "onCancel": "rollback" }', r"onCancel: must be"),
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


# Jobs of a driver.

DRIVE = 'test "$1" = check || echo "drive $1"\n'


@pytest.mark.parametrize(
    ("job", "variables", "order"),
    [
        ("deploy-branches", {}, ["drive run", "script"]),
        ("destroy-branches", {}, ["script", "drive run"]),
        ("deploy-branches", {"BERTH_WHEN": "before"}, ["script", "drive run"]),
        ("destroy-branches", {"BERTH_WHEN": "after"}, ["drive run", "script"]),
        ("deploy: [a, b]", {}, ["drive run", "script"]),
        ("deploy 1/3", {}, ["drive run", "script"]),
        ("redeploy", {}, ["script"]),
    ],
)
def test_script_and_drive_in_their_order(
    host: Host, job: str, variables: dict[str, str], order: list[str]
) -> None:
    host.put_drive(DRIVE)
    result = host.play(job, script="echo script", variables=variables)
    assert result.exit_code == 0, result.log
    assert re.findall(r"(?m)^(drive run|script)$", result.log) == order


def test_a_job_that_may_not_act_fails_before_any_stage(host: Host) -> None:
    host.put_drive('test "$1" != check || { echo "not on this branch"; exit 1; }\n')
    result = host.play("deploy-branches", script="echo script")
    assert result.exit_code == 1 and "not on this branch" in result.log
    assert [stage.name for stage in result.stages] == ["config", "prepare", "cleanup"]


@pytest.mark.parametrize("code", [1, 2])
def test_drives_failure_is_the_jobs(host: Host, code: int) -> None:
    host.put_drive(f'test "$1" = check || exit {code}\n')
    result = host.play("deploy-branches", script="echo scr''ipt")
    assert result.exit_code == code
    assert not re.search(r"(?m)^script$", result.log)


def test_a_failed_script_keeps_drive_from_running(host: Host) -> None:
    host.put_drive(DRIVE)
    result = host.play("destroy-branches", script="exit 4")
    assert result.script_exit_code == 4 and "drive run" not in result.log


@pytest.mark.parametrize(
    ("end", "message"),
    [("kill -SEGV $$", "ended by signal 11"), ("exit 3", "unexpected code 3")],
)
def test_a_crash_of_drive_is_a_system_failure(host: Host, end: str, message: str) -> None:
    host.put_drive(f'test "$1" = check || {end}\n')
    result = host.play("deploy-branches", script="echo scr''ipt")
    assert result.exit_code == 2 and message in result.log
    assert not re.search(r"(?m)^script$", result.log)


def test_a_missing_drive_is_a_system_failure(host: Host) -> None:
    host.put_drive("")
    (host.programs / "drive").unlink()
    result = host.play("deploy-branches")
    assert result.exit_code == 2 and "berth is not installed whole" in result.log


def test_outputs_reach_the_script(host: Host) -> None:
    outputs = {f"BERTH_{n}": str(n) for n in range(20)} | {"LD_PRELOAD": "/nowhere"}
    host.put_drive(f"""echo '{json.dumps(outputs)}' > "$TMPDIR/berth-outputs.json"\n""")
    result = host.play("deploy-branches", script="echo got $(compgen -v | grep -c ^BERTH_)")
    assert re.search(r"(?m)^got 15$", result.log), result.log
    assert "'LD_PRELOAD' is not handed to the script" in result.log


def test_an_output_that_a_job_has_put_there_counts_for_nothing(host: Host) -> None:
    host.put_drive(
        """test "$1" = run || echo '{"BERTH_URL": "forged"}' > "$TMPDIR/berth-outputs.json"\n"""
    )
    result = host.play("deploy-branches", script="echo url=$BERTH_URL")
    assert re.search(r"(?m)^url=$", result.log), result.log


def write_spec(host: Host, text: str) -> None:
    (host.project / ".berth").mkdir()
    (host.project / ".berth" / "environment.json").write_text(text)


def test_the_spec_says_which_modules_there_are(host: Host) -> None:
    write_spec(host, '// comment\n{ "modules": { "notifier": { "path": "notifier" } } }')
    host.put_drive(DRIVE)
    assert "drive run" in host.play("notifier-linter").log
    assert "drive run" not in host.play("other-linter").log


def test_a_broken_spec_breaks_no_script_but_every_deploy(host: Host) -> None:
    write_spec(host, "{ not JSON")
    host.put_drive('test "$1" = check || { echo "the spec is broken"; exit 1; }\n')
    plain = host.play("unit-test", script="echo ran")
    assert plain.exit_code == 0 and "cannot be told: .berth/environment.json: line 1" in plain.log
    deploy = host.play("deploy-notifier")
    assert deploy.exit_code == 1 and "the spec is broken" in deploy.log


def test_the_checkout_must_lie_beneath_the_builds_directory(host: Host) -> None:
    write_spec(host, '{ "modules": { "notifier": {} } }')
    host.put_drive(DRIVE)
    result = host.play("notifier-test", variables={"CI_PROJECT_DIR": str(host.project)})
    assert "drive run" not in result.log
    assert "does not lie beneath" in result.log


def test_the_host_configs_own_names(host: Host) -> None:
    host.config["dispatch"] = [{"job": "ship-*", "as": "deploy"}, {"job": "deploy", "as": "script"}]
    host.put_drive(DRIVE)
    assert "drive run" in host.play("ship-it").log
    assert "drive run" not in host.play("deploy").log


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
