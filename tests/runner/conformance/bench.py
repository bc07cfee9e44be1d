# SPDX-License-Identifier: MIT
"""What a case works with: a throwaway runner host around the executables under test."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.command import exit_error
from contract.configexec import ConfigOutput, parse_config
from contract.context import Context
from contract.errors import BuildError, StageError
from contract.executor import Executor, Job
from contract.options import Options, Variable
from contract.repository import make_repository
from contract.response import job_response
from contract.trace import Trace
from contract.variables import ConcurrentSlot, server_variables
from runner import Result, RunningJob, StageRecord, make_options

from .cases import Broken, NotApplicable, require
from .program import Program

NAMES = ("config", "prepare", "run", "cleanup")
SECRET = "swordfish-9f31c7-is-nobodys-business"


@dataclass(frozen=True)
class Subject:
    """The executables under test with their arguments, and what their jobs need to run."""

    commands: Mapping[str, Sequence[str]]
    job: str = "conformance"
    ref: str = "dev/feature/login"
    variables: tuple[Variable, ...] = ()
    image: str = ""
    output_bytes: int = 200 << 20
    moments: int = 12


class Bench:
    """One case's own directory, host environment and jobs. `close` ends what is left of them."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.directory = Path(tempfile.mkdtemp(prefix="conform-"))
        self.directory.chmod(0o755)
        self.temp = self.directory / "tmp"
        self.project = self.directory / "project"
        for path in (self.temp, self.project):
            path.mkdir()
        (self.project / "README").write_text("a project\n")
        self.job_id = random.randrange(10**6, 10**9)
        # Long enough to be there when it is looked for, and found by its argument alone.
        self.sleep = f"sleep {random.randrange(3000, 4000)}.{random.randrange(10**8, 10**9)}"

    # A whole job.

    def options(self, **more: Any) -> dict[str, Any]:
        subject = self.subject
        environ = dict(os.environ, TMPDIR=str(self.temp)) | dict(more.pop("environ", {}))
        variables = [*subject.variables, *more.pop("variables", ())]
        return {
            "job": subject.job, "ref": subject.ref, "image": subject.image,
            "commands": subject.commands, "project": self.project, "job_id": self.job_id,
            "environ": environ, "variables": variables, "retry_pause": 0.0,
            "attempt_pause": 0.05, "graceful_kill_timeout": 20.0, "force_kill_timeout": 3.0,
            "exec_timeout": 60.0, "build_finish_timeout": 40.0,
        } | more

    def start(
        self, on_stage: Callable[[StageRecord], None] | None = None, **more: Any
    ) -> PlayedJob:
        return PlayedJob(make_options(**self.options(**more)), on_stage)

    def play(
        self, on_stage: Callable[[StageRecord], None] | None = None, **more: Any
    ) -> Result:
        with self.start(on_stage, **more) as job:
            return job.end()

    # One executable after the other.

    @contextlib.contextmanager
    def attempt(self, prepare: bool = True, **more: Any) -> Iterator[Attempt]:
        """One try: config and, if asked for, prepare have run when the block is entered; cleanup
        runs when it is left."""
        attempt = Attempt(self, make_options(**self.options(**more)))
        try:
            attempt.configure()
            if prepare:
                attempt.prepare()
            yield attempt
        finally:
            attempt.close()

    def raw_attempt(self, **more: Any) -> Attempt:
        """The same with nothing called yet; the caller closes it."""
        return Attempt(self, make_options(**self.options(**more)))

    # What a case may look for.

    def living(self) -> list[str]:
        """The processes of this bench's jobs that are still there: "sleep (123)"."""
        mark = self.sleep.partition(" ")[2].encode()
        return [f"{name} ({pid})" for pid, name, words in processes() if mark in words]

    def path_without(self, lacking: str) -> str:
        """A PATH that has every program of this one but one: where a directory holds that, a
        directory of links stands for it."""
        places = []
        for place in dict.fromkeys(map(os.path.realpath, host_path().split(":"))):
            if os.path.exists(os.path.join(place, lacking)):
                links = Path(tempfile.mkdtemp(prefix="path", dir=self.directory))
                for name in os.listdir(place):
                    if name != lacking:
                        (links / name).symlink_to(os.path.join(place, name))
                links.chmod(0o755)
                place = str(links)
            places.append(place)
        return ":".join(places)

    def path_with(self, **programs: str) -> str:
        """PATH with some bash scripts of our own before it."""
        directory = self.directory / "bin"
        directory.mkdir(exist_ok=True)
        for name, body in programs.items():
            path = directory / name.replace("_", "-")
            path.write_text(f"#!/bin/bash\n{body}\n")
            path.chmod(0o755)
        return f"{directory}:{host_path()}"

    def close(self) -> None:
        mark = self.sleep.partition(" ")[2].encode()
        ours = str(self.directory).encode()
        for pid, _, words in processes(environment=True):
            if pid != os.getpid() and (mark in words or ours in words):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        for _ in range(3):
            shutil.rmtree(self.directory, ignore_errors=True)


def host_path() -> str:
    return os.environ.get("PATH", os.defpath)


def processes(environment: bool = False) -> Iterator[tuple[int, str, bytes]]:
    """Each living process: its number, name and command line, with its environment if wanted."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text(errors="replace")
            words = Path(f"/proc/{entry}/cmdline").read_bytes()
            if environment:
                words += Path(f"/proc/{entry}/environ").read_bytes()
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            yield int(entry), stat.partition("(")[2].rpartition(")")[0], words


class PlayedJob(RunningJob):
    """A job under way whose log can be waited for."""

    def __init__(
        self, options: Options, on_stage: Callable[[StageRecord], None] | None = None
    ) -> None:
        self._said = bytearray()
        self._more = threading.Condition()
        super().__init__(options, self._hear, on_stage)

    def _hear(self, data: bytes) -> None:
        with self._more:
            self._said += data
            self._more.notify_all()

    def await_log(self, text: bytes, timeout: float = 30.0) -> None:
        """Until a line of the log ends with that text: the commands themselves are shown, too."""
        def found() -> bool:
            lines = bytes(self._said).replace(b"\r", b"\n").split(b"\n")
            return not self._thread.is_alive() or text in lines

        with self._more:
            if not self._more.wait_for(found, timeout) or text not in bytes(self._said):
                tail = bytes(self._said[-300:]).decode("utf-8", "replace")
                raise Broken(f"the log never had '{text.decode()}': {' '.join(tail.split())}")

    def end(self, timeout: float = 90.0) -> Result:
        try:
            return self.wait(timeout)
        except TimeoutError as error:
            raise Broken(f"the job had not ended after {timeout:g} s") from error


class Attempt:
    """One try, its temporary directory, and its executables, called one by one."""

    def __init__(self, bench: Bench, options: Options) -> None:
        self.bench = bench
        self.directory = bench.directory / f"try-{random.randrange(10**9)}"
        self.directory.mkdir()
        repository = make_repository(options, self.directory / "repository.git")
        variables = server_variables(options, repository)
        self.slot = ConcurrentSlot(options.project_id)
        self.job = Job(
            options, repository, variables, job_response(options, repository, variables),
            Trace([], lambda data: None), self.slot.number, str(self.directory), [],
            lambda record: None,
        )
        self.executor = Executor(self.job, 1)
        self.context = Context()
        self.programs: list[Program] = []
        self.scripts = 0

    @property
    def temp(self) -> Path:
        return Path(self.executor.temp_dir)

    @property
    def code_file(self) -> Path:
        return self.temp / "build_exit_code"

    def make_temp(self) -> None:
        if not self.executor.temp_dir:
            self.executor.make_temp_dir()

    def configure(self) -> ConfigOutput:
        self.make_temp()
        if "config" in self.bench.subject.commands:
            ended = self.call("config").end()
            require(ended.code == 0, f"config ended with {ended.code}: {ended.said}")
            try:
                self.executor.config = parse_config(ended.out)
            except StageError as error:
                raise Broken(f"config: {error}") from error
        try:
            self.executor.start_build()
        except StageError as error:
            raise Broken(str(error)) from error
        return self.executor.config

    def prepare(self) -> None:
        if "prepare" in self.bench.subject.commands:
            ended = self.call("prepare").end()
            require(ended.code == 0, f"prepare ended with {ended.code}: {ended.said}")

    def environ(self, **more: str | None) -> list[str]:
        """As the runner makes it; with entries of our own, or without those that are None."""
        entries = [e for e in self.executor.environment() if e.partition("=")[0] not in more]
        return entries + [f"{key}={value}" for key, value in more.items() if value is not None]

    def call(
        self, name: str, *arguments: str, read: bool = True, cwd: str | None = None,
        entries: Sequence[str] | None = None, **environ: str | None,
    ) -> Program:
        command = self.bench.subject.commands.get(name)
        if command is None:
            raise NotApplicable(f"there is no {name}")
        program = Program(
            name, [*command, *arguments], cwd or self.executor.temp_dir or None,
            self.environ(**environ) if entries is None else entries, str(self.code_file), read,
        )
        self.programs.append(program)
        return program

    def script(self, text: str) -> str:
        """As the runner writes one: a directory for each, mode 0700."""
        self.scripts += 1
        path = Path(tempfile.mkdtemp(prefix="script", dir=self.temp)) / "script"
        path.write_bytes(os.fsencode("#!/usr/bin/env bash\n" + text + "\n"))
        path.chmod(0o700)
        return str(path)

    def run(self, text: str, stage: str = "build_script", **environ: str | None) -> Program:
        return self.call("run", self.script(text), stage, **environ)

    def verdict(self, ended: Program) -> StageError | None:
        """What the runner makes of an end (command.go:95)."""
        assert ended.code is not None
        return exit_error(ended.code, ended.code_file)

    def script_code(self, ended: Program) -> int | None:
        """The code that allow_failure:exit_codes would see; None if it is no failure of a job."""
        error = self.verdict(ended)
        return error.exit_code if isinstance(error, BuildError) else None

    def close(self) -> None:
        for program in self.programs:
            if program.code is None:
                program.kill()
                with contextlib.suppress(Broken):
                    program.end(5)
        if "cleanup" in self.bench.subject.commands and self.executor.temp_dir and \
                self.temp.is_dir():
            with contextlib.suppress(Broken):
                self.call("cleanup").end()
        self.context.close()
        if self.executor.temp_dir:
            shutil.rmtree(self.executor.temp_dir, ignore_errors=True)
        for path in self.executor.new_dirs:
            shutil.rmtree(path, ignore_errors=True)
        self.slot.release()
