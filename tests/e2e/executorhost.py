# SPDX-License-Identifier: MIT
"""A runner host without users for jobs, for the tests of the four programs that GitLab Runner calls.

Most tests play a whole job. Where the runner would not make a case, a program is called as the
runner calls it (GitLab Runner, executors/custom/command/command.go). `drive` is replaced by a small
script in a copy of the programs' directory, so that what calls it can be seen without an account.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "runner")]

from runner import Result, make_options, play_job  # noqa: E402

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
