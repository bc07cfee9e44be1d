# SPDX-License-Identifier: MIT
"""The custom executor of one try: executors/custom/custom.go."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .command import Call, Sink, run_command
from .configexec import ConfigOutput, parse_config
from .context import Context
from .errors import ConfigurationError, StageError
from .options import Options, Variable, host_environment
from .repository import Repository
from .response import services_variable, write_response
from .shell import SHELLS, Build
from .trace import Trace
from .variables import RUNNER_TOKEN, expand, fixed_variables, runner_variables


@dataclass
class StageRecord:
    """One call of one executable. `seconds` and `returncode` are None while it runs, and for one
    that never started or never ended; a negative `returncode` is a signal's number, as Python's."""

    name: str
    attempt: int
    temp_dir: str
    pid: int | None = None
    started: float = 0.0
    seconds: float | None = None
    returncode: int | None = None
    error: str | None = None


class Buffer:
    """Takes the config executable's standard output."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        pass


class RunnerLog:
    """The log of the runner itself, here standard error: not the job's log, and not masked."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._rest = b""

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._show(line)

    def close(self) -> None:
        if self._rest:
            self._show(self._rest)
        self._rest = b""

    def _show(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        print(f"runner log: {self._label}: {text}", file=sys.stderr, flush=True)


@dataclass
class Job:
    """What every try of one job shares. `status` is CI_JOB_STATUS."""

    options: Options
    repository: Repository
    server_variables: Sequence[Variable]
    response: Mapping[str, object]
    trace: Trace
    concurrent: int
    default_dirs: str
    records: list[StageRecord]
    on_stage: Callable[[StageRecord], None]
    status: str = "running"


class Executor:
    """Made anew for each try: job_env and the driver's name do not survive a failed one."""

    def __init__(self, job: Job, attempt: int) -> None:
        self.job = job
        self.attempt = attempt
        self.temp_dir = ""
        self.response_file = ""
        self.config = ConfigOutput()
        self.build_dir = ""
        self.root_dir = ""
        self.new_dirs: list[str] = []  # of the build's, those that this job will have made
        self.shell = "bash"

    # What the executables see.

    def variables(self) -> list[Variable]:
        """common/build.go, GetAllVariables: runner, server and job, then what none can override."""
        options = self.job.options
        first = runner_variables(options, self.build_dir, self.root_dir, self.job.concurrent)
        first.append(Variable("CI_JOB_STATUS", self.job.status, public=True))
        last = fixed_variables(self.build_dir)
        everything = [*first, *self.job.server_variables, *last]
        return expand(everything, f"{self.build_dir}.tmp" if self.build_dir else "")

    def environment(self) -> list[str]:
        """command.go, New, and custom.go, prepareCommand, in their order: the host's own
        environment, the contract's variables, job_env, the job's, CI_JOB_SERVICES."""
        code_file = os.path.join(self.temp_dir, "build_exit_code") if self.temp_dir else ""
        result = [f"{key}={value}" for key, value in host_environment(self.job.options).items()]
        result += [
            f"TMPDIR={self.temp_dir}",
            "BUILD_FAILURE_EXIT_CODE=1",
            "SYSTEM_FAILURE_EXIT_CODE=2",
            f"BUILD_EXIT_CODE_FILE={code_file}",
            f"JOB_RESPONSE_FILE={self.response_file}",
        ]
        result += [f"{key}={value}" for key, value in self.config.job_env.items()]
        result += [f"CUSTOM_ENV_{v.key}={v.value}" for v in self.variables()]
        result.append(f"CUSTOM_ENV_CI_JOB_SERVICES={services_variable(self.job.options)}")
        return result

    def executable(self, name: str) -> list[str] | None:
        """With its configured arguments. None: config.toml does not name one."""
        commands = self.job.options.commands
        if commands is not None:
            return list(commands[name]) if name in commands else None
        path = self.job.options.executors / name
        return [str(path.absolute())] if path.exists() else None

    def call(
        self, name: str, arguments: Sequence[str], stdout: Sink, stderr: Sink, context: Context,
        stage: str | None = None, timeout: float | None = None,
    ) -> None:
        """One executable in the try's temporary directory, recorded."""
        options = self.job.options
        record = StageRecord(stage or name, self.attempt, self.temp_dir, started=time.time())
        self.job.records.append(record)
        code_file = os.path.join(self.temp_dir, "build_exit_code") if self.temp_dir else ""

        def started(pid: int) -> None:
            record.pid = pid
            self.job.on_stage(record)

        def ended(returncode: int) -> None:
            record.returncode = returncode

        call = Call(
            argv=[*(self.executable(name) or [""]), *arguments], cwd=self.temp_dir or None,
            environ=self.environment(), stdout=stdout, stderr=stderr, code_file=code_file,
            graceful_kill_timeout=options.graceful_kill_timeout,
            force_kill_timeout=options.force_kill_timeout,
            warn=self.job.trace.warning, started=started, ended=ended, timeout=timeout,
        )
        try:
            run_command(call, context)
        except StageError as error:
            record.error = str(error)
            raise
        finally:
            record.seconds = round(time.time() - record.started, 6)
            self.job.on_stage(record)

    # custom.go's four methods.

    def prepare(self, context: Context) -> None:
        if self.executable("run") is None:
            raise ConfigurationError("custom executor is missing RunExec")
        self.make_temp_dir()
        self.configure(context)
        self._say_driver()
        self.start_build()
        if self.executable("prepare") is not None:
            out, err = self.job.trace.stream(), self.job.trace.stream()
            timeout = self.job.options.exec_timeout
            self.call("prepare", (), out, err, context, timeout=timeout)

    def make_temp_dir(self) -> None:
        parent = host_environment(self.job.options).get("TMPDIR") or "/tmp"
        try:
            self.temp_dir = tempfile.mkdtemp(prefix="custom-executor", dir=parent)
            path = os.path.join(self.temp_dir, "response.json")
            write_response(path, dict(self.job.response))
        except OSError as error:
            raise StageError(f"creating job response file: {error}") from error
        self.response_file = path

    def configure(self, context: Context) -> None:
        if self.executable("config") is None:
            return
        buffer = Buffer()
        stderr = self.job.trace.stream()
        self.call("config", (), buffer, stderr, context, timeout=self.job.options.exec_timeout)
        self.config = parse_config(bytes(buffer.data))

    def _say_driver(self) -> None:
        """logStartupMessage: a version alone is not worth a word."""
        name, version = self.config.driver_name, self.config.driver_version
        driver = "" if name is None else f" with driver {name}"
        if name is not None and version is not None:
            driver += f" {version}"
        self.job.trace.plain(f"Using Custom executor{driver}...")

    def start_build(self) -> None:
        """executors/executor_abstract.go, startBuild and generateShellConfiguration; the
        directories are common/build.go's, StartBuild."""
        options = self.job.options
        builds = self._directory(self.config.builds_dir, options.builds_dir, "builds")
        cache = self._directory(self.config.cache_dir, options.cache_dir, "cache")
        for name, value in (("builds_dir", builds), ("cache_dir", cache)):
            if not value:
                raise ConfigurationError(f"the {name} is not configured")
        parts = [options.project_path]
        if self.config.builds_dir_is_shared:
            parts = [RUNNER_TOKEN, str(self.job.concurrent), options.project_path]
        self.root_dir = builds
        self.build_dir = os.path.join(builds, *parts)
        both = (self.build_dir, f"{self.build_dir}.tmp")
        self.new_dirs = [path for path in both if not os.path.lexists(path)]
        self.shell = "bash" if self.config.shell is None else self.config.shell
        if self.shell not in SHELLS:
            raise StageError(f"shell {self.shell} not found")

    def _directory(self, said: str | None, configured: str | None, name: str) -> str:
        if said is not None:
            return said
        return os.path.join(self.job.default_dirs, name) if configured is None else configured

    def build(self) -> Build:
        return Build(
            self.job.options, self.job.repository, self.variables(), self.build_dir,
            self.config.hostname or "", self.shell,
        )

    def run(self, script: str, stage: str, context: Context) -> None:
        """A script is readable until cleanup: each call has a directory of its own for it."""
        path = self._write_script(script)
        if stage == "step_script":
            self.job.trace.warning(
                "Starting with version 17.0 the 'build_script' stage will be replaced with "
                "'step_script': https://gitlab.com/groups/gitlab-org/-/epics/6112"
            )
            stage = "build_script"
        out, err = self.job.trace.stream(), self.job.trace.stream()
        self.call("run", (path, stage), out, err, context, stage=stage)

    def _write_script(self, script: str) -> str:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            path = os.path.join(tempfile.mkdtemp(prefix="script", dir=self.temp_dir), "script")
            with os.fdopen(os.open(path, flags, 0o700), "wb") as file:
                file.write(os.fsencode(script))
        except OSError as error:
            raise StageError(f"writing the script: {error}") from error
        return path

    def cleanup(self) -> None:
        """In a context of its own, which nothing but its time limit ends. Its output and its
        failure are the runner's, never the job's."""
        if self.executable("run") is None:
            self.job.trace.warning("custom executor is missing RunExec")
            return
        context = Context()
        out, err = RunnerLog("cleanup_std=out"), RunnerLog("cleanup_std=err")
        try:
            if self.executable("cleanup") is not None:
                timeout = self.job.options.exec_timeout
                self.call("cleanup", (), out, err, context, timeout=timeout)
        except StageError as error:
            self.job.trace.warning(f"Cleanup script failed: {error}")
            RunnerLog("warning").write(f"Cleanup script failed: {error}\n".encode())
        finally:
            context.close()
            if self.temp_dir:
                shutil.rmtree(self.temp_dir, ignore_errors=True)


