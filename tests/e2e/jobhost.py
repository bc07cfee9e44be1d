# SPDX-License-Identifier: MIT
"""A runner host whose jobs run as users of their own, for the tests of isolation and the soak."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "runner")]

import canary  # noqa: E402
from runner import Result, make_options, play_job  # noqa: E402

PROGRAMS = ROOT / os.environ.get("BERTH_BUILD", "build") / "libexec" / "berth"
BRANCH = "dev/feature/login"
# A program that a script may leave running.
LEAVE = r"""
cat > $TMPDIR/leave <<'END'
trap '' TERM INT HUP
while :; do sleep 0.3; done
END
chmod +x $TMPDIR/leave
"""
SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCY-of-the-host"


def run_account_tool(*command: str) -> None:
    """useradd and userdel: the account files are locked by whoever else changes them just now."""
    for _ in range(200):
        done = subprocess.run(command, capture_output=True, text=True)
        if "cannot lock" not in done.stderr:
            break
        time.sleep(0.05)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def make_users(n: int) -> list[str]:
    names = [f"berth-t{os.getpid()}-{i}" for i in range(n)]
    for name in names:
        run_account_tool("useradd", "--system", "--user-group", "--no-create-home",
                         "--shell", "/usr/sbin/nologin", name)
    return names


def remove_users(names: list[str]) -> None:
    for name in names:
        run_account_tool("userdel", name)


class JobHost:
    """Its directory can be passed through by everyone, as /var/lib/berth can."""

    def __init__(self, users: list[str]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="berth-isolation-", dir="/var/lib"))
        self.directory.chmod(0o711)
        self.builds, self.locks = self.directory / "builds", self.directory / "locks"
        self.runner_tmp = self.directory / "tmp"
        self.runner_tmp.mkdir(mode=0o755)
        self.project = self.directory / "project"
        self.project.mkdir()
        (self.project / "README").write_text("a project\n")
        self.programs = PROGRAMS
        self.found = self.directory / "found"
        self.mode = 0o600
        kind = {"region": "us-east-1"}
        self.config: dict[str, Any] = {
            "projects": {"77": {"prefix": "automation",
                                "production": {"refs": ["master"], **kind},
                                "ephemeral": {"refs": ["dev/feature*"], **kind}}},
            "user": users,
            "buildsDir": str(self.builds),
            "cacheDir": str(self.directory / "cache"),
            "lockDir": str(self.locks),
        }
        self.environ = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "LC_ALL": "C.UTF-8", "NO_COLOR": "1",
            "TMPDIR": str(self.runner_tmp), "BERTH_CONFIG": str(self.directory / "berth.json"),
        }

    def remove(self) -> None:
        """What a program of its own has found is told by whoever looks at all."""
        if self.found.exists():
            canary.WATCH.found += self.found.read_text().splitlines()
        shutil.rmtree(self.directory, ignore_errors=True)

    def claims(self) -> list[Path]:
        """What berth has written down about who runs as whom."""
        return list((self.locks / "jobs").glob("*/*"))

    def write_config(self, mode: int | None = None) -> None:
        path = Path(self.environ["BERTH_CONFIG"])
        path.write_text(json.dumps(self.config))
        path.chmod(self.mode if mode is None else mode)

    def options(self, job: str, **more: Any) -> dict[str, Any]:
        self.write_config()
        return {
            "job": job, "ref": BRANCH, "project": self.project, "executors": self.programs,
            "environ": self.environ, "retry_pause": 0.01, "attempt_pause": 0.01,
            "graceful_kill_timeout": 10.0, **more,
        }

    def play(self, job: str, **more: Any) -> Result:
        return play_job(make_options(**self.options(job, **more)))

    def program(self, job: str, script: str) -> str:
        """A Python program that plays a job: a runner that can be killed. It prints the log, and
        leaves what it finds of secrets in it where `remove` looks."""
        self.write_config()
        options = {"job": job, "ref": BRANCH, "project": str(self.project), "script": script,
                   "executors": str(self.programs), "environ": self.environ}
        return (f"import sys\nfrom pathlib import Path\n"
                f"sys.path[:0] = [{str(ROOT / 'tests' / 'e2e')!r}]\n"
                "import canary\ncanary.install()\nimport runner\n"
                f"print(runner.run_job(**{options!r}).log)\n"
                f"Path({str(self.found)!r}).write_text('\\n'.join(canary.WATCH.take()))\n")

    # One stage, called as the runner calls it.

    def script(self, text: str) -> Path:
        path = self.directory / "script"
        path.write_text(text)
        path.chmod(0o700)
        return path

    def response(self, directory: Path) -> Path:
        path = self.directory / "response.json"
        path.write_text(json.dumps({
            "id": 5001, "token": "t", "steps": [],
            "variables": [{"key": canary.VARIABLE, "value": canary.VALUE, "masked": True}],
            "job_info": {"name": "plain", "stage": "test", "pipeline_id": 1001, "project_id": 77,
                         "project_full_path": "mettel/automation"},
            "git_info": {"ref": BRANCH, "sha": "0" * 40, "ref_type": "branch", "protected": False,
                         "repo_url": "https://gitlab.example.com/mettel/automation.git"},
        }))
        return path

    def stage_environ(self, directory: Path) -> dict[str, str]:
        return {
            **self.environ, f"CUSTOM_ENV_{canary.VARIABLE}": canary.VALUE,
            "TMPDIR": str(directory),
            "BUILD_FAILURE_EXIT_CODE": "1", "SYSTEM_FAILURE_EXIT_CODE": "2",
            "BUILD_EXIT_CODE_FILE": str(directory / "build_exit_code"),
            "JOB_RESPONSE_FILE": str(directory / "response.json"),
        }

    def call(self, program: str) -> None:
        subprocess.run([self.programs / program], env=self.stage_environ(self.job), check=True,
                       cwd=self.job, capture_output=True, timeout=30)

    @contextmanager
    def stage(self, script: Path, claim: bool = True, inherit: int | None = None
              ) -> Iterator[subprocess.Popen[str]]:
        """config, one stage, cleanup."""
        self.write_config()
        self.job = self.runner_tmp / "custom-executor1"
        self.job.mkdir(mode=0o700)
        shutil.copy(self.response(self.job), self.job / "response.json")
        if claim:
            self.call("config")
        process = subprocess.Popen(
            [self.programs / "run", script, "get_sources"], env=self.stage_environ(self.job),
            cwd=self.job, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, process_group=0, pass_fds=() if inherit is None else (inherit,),
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        self.call("cleanup")
        shutil.rmtree(self.job)

    def code(self) -> int | None:
        path = self.job / "build_exit_code"
        return int(path.read_text()) if path.exists() else None


def output(host: JobHost, script: str, **more: Any) -> str:
    """What a job's script has said, in a job that succeeded; without its commands, which the runner
    says."""
    result = host.play("look", script=script, **more)
    assert result.exit_code == 0, result.log
    assert SECRET not in result.log
    return re.sub(r"(?m)^\$ .*\n", "", result.log)


def processes() -> list[tuple[int, str]]:
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            found.append((pid, stat.partition("(")[2].rpartition(")")[0]))
    return found


def cwd_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def processes_of(users: list[str]) -> list[tuple[int, str]]:
    uids = [pwd.getpwnam(name).pw_uid for name in users]
    found = []
    for pid, name in processes():
        try:
            if os.stat(f"/proc/{pid}").st_uid in uids:
                found.append((pid, name))
        except OSError:
            continue
    return found
