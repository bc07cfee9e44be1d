# SPDX-License-Identifier: MIT
"""A throwaway runner host: a project, and executables written by the test that needs them."""

from __future__ import annotations

import os
import stat
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner import Result, make_options, play_job

CONFIG = """echo '{}'"""
RUN = """exec "$1" """


class Host:
    """`write` makes one executable in bash; `run` plays a job on those that are there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.executors = directory / "executors"
        self.project = directory / "project"
        self.temp = directory / "tmp"
        for path in (self.executors, self.project, self.temp):
            path.mkdir()
        (self.project / "README").write_text("a project\n")
        self.write("config", CONFIG)
        self.write("prepare", "exit 0")
        self.write("run", RUN)
        self.write("cleanup", "exit 0")

    def write(self, name: str, body: str, interpreter: str = "/bin/bash") -> None:
        path = self.executors / name
        path.write_text(f"#!{interpreter}\n{textwrap.dedent(body)}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def note(self, name: str) -> Path:
        """A file that executables may write to: $NOTES/<name>."""
        return self.directory / name

    def lines(self, name: str) -> list[str]:
        path = self.note(name)
        return path.read_text().splitlines() if path.exists() else []

    def options(self, **options: Any) -> dict[str, Any]:
        environ = dict(os.environ, TMPDIR=str(self.temp), NOTES=str(self.directory))
        environ.update(options.pop("environ", {}))
        defaults: dict[str, Any] = {
            "job": "a job", "ref": "dev/feature/login", "executors": self.executors,
            "project": self.project, "environ": environ, "retry_pause": 0.0,
            "attempt_pause": 0.0, "graceful_kill_timeout": 10.0, "force_kill_timeout": 2.0,
        }
        return defaults | options

    def run(self, **options: Any) -> Result:
        return play_job(make_options(**self.options(**options)))


@pytest.fixture(name="host")
def make_host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture(name="run_stage")
def make_run_stage(host: Host) -> Callable[..., Result]:
    """Plays a job whose build_script is `body`, run by the executable itself, not by a script."""

    def play(body: str, **options: Any) -> Result:
        host.write("run", f'[ "$2" = build_script ] || exec "$1"\n{textwrap.dedent(body)}')
        return host.run(**options)

    return play
