# SPDX-License-Identifier: MIT
"""Plays GitLab Runner for one job, for other tests to import.

    result = run_job(job="deploy-branches", ref="dev/feature/login", project=directory)
    assert result.exit_code == 0, result.log

    with start_job(job="deploy-branches", ref="dev/feature/login") as running:
        os.killpg(running.wait_stage("build_script").pid, signal.SIGKILL)
        result = running.wait()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contract.build import BuildRun
from contract.errors import BuildError, StageError
from contract.executor import Job, StageRecord
from contract.options import CANCEL_KINDS, Options, UsageError, Variable
from contract.repository import make_repository
from contract.response import job_response
from contract.trace import Trace, readable
from contract.variables import ConcurrentSlot, expand, server_variables

__all__ = [
    "Options", "Result", "RunningJob", "StageRecord", "UsageError", "Variable",
    "make_options", "play_job", "run_job", "start_job",
]

SUCCESS, BUILD_FAILURE, SYSTEM_FAILURE = 0, 1, 2


@dataclass(frozen=True)
class Result:
    """How a job ended. `exit_code` is 0, 1 (the job failed) or 2 (system failure);
    `script_exit_code` is what GitLab's `allow_failure:exit_codes` would be compared with."""

    exit_code: int
    status: str
    failure_reason: str | None
    error: str | None
    script_exit_code: int | None
    log: str
    raw_log: bytes
    stages: tuple[StageRecord, ...]
    sha: str
    build_dir: str

    def stage(self, name: str) -> StageRecord:
        """The last call for a stage (`config`, `prepare` and `cleanup` are called so, too)."""
        return [record for record in self.stages if record.name == name][-1]

    def as_json(self) -> dict[str, Any]:
        """For machines: everything but the log."""
        document = {k: v for k, v in vars(self).items() if k not in ("log", "raw_log", "stages")}
        return document | {"version": 1, "stages": [asdict(record) for record in self.stages]}


class StageWatch:
    """Knows the executable that runs now; who waits for one is woken as soon as it has a pid."""

    def __init__(self, callback: Callable[[StageRecord], None] | None = None) -> None:
        self._changed = threading.Condition()
        self._callback = callback
        self._running: StageRecord | None = None
        self._over = False

    def __call__(self, record: StageRecord) -> None:
        with self._changed:
            self._running = record if record.seconds is None else None
            self._changed.notify_all()
        if self._callback is not None and record.seconds is None:
            self._callback(record)

    def finish(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    @property
    def running(self) -> StageRecord | None:
        with self._changed:
            return self._running

    def wait(self, name: str | None, timeout: float) -> StageRecord:
        def found() -> bool:
            running = self._running
            return self._over or (running is not None and name in (None, running.name))

        with self._changed:
            if not self._changed.wait_for(found, timeout):
                raise TimeoutError(f"no executable runs stage '{name}' after {timeout:g} s")
            if self._running is None:
                raise LookupError(f"the job has ended without a stage '{name}' under way")
            return self._running


def make_options(
    variables: Mapping[str, str] | Sequence[Variable] = (),
    masked: Mapping[str, str] | None = None,
    script: str | Sequence[str] = (":",),
    after_script: str | Sequence[str] = (),
    project: str | Path | None = None,
    executors: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    **rest: Any,
) -> Options:
    """Options with the conveniences of a test: mappings, plain strings for paths and scripts."""
    if isinstance(variables, Mapping):
        variables = [Variable(key, value) for key, value in variables.items()]
    hidden = [Variable(key, value, masked=True) for key, value in (masked or {}).items()]
    rest["variables"] = [*variables, *hidden]
    rest["script"] = [script] if isinstance(script, str) else list(script)
    rest["after_script"] = [after_script] if isinstance(after_script, str) else list(after_script)
    for name, path in (("project", project), ("executors", executors)):
        if path is not None:
            rest[name] = Path(path)
    if environ is not None:
        rest["environ"] = environ
    return Options(**rest)


def check_options(options: Options) -> None:
    if options.cancel_kind not in CANCEL_KINDS:
        raise UsageError(f"'{options.cancel_kind}' is no kind of cancellation")
    if options.ref_type not in ("branch", "tag"):
        raise UsageError(f"'{options.ref_type}' is no type of ref: it is 'branch' or 'tag'")
    if options.commands is None and not options.executors.is_dir():
        raise UsageError(
            f"the executors' directory '{options.executors}' is not there; build it with 'make'"
        )


class RunningJob:
    """A job in a thread of its own. Leaving the `with` block aborts one that still runs."""

    def __init__(
        self, options: Options, show: Callable[[bytes], None] | None = None,
        on_stage: Callable[[StageRecord], None] | None = None,
    ) -> None:
        check_options(options)
        self.options = options
        self._show = show or (lambda data: None)
        self._watch = StageWatch(on_stage)
        self._result: Result | None = None
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._cancelled: str | None = None
        self._build: BuildRun | None = None
        self._thread = threading.Thread(target=self._main, name="job", daemon=True)

    def __enter__(self) -> RunningJob:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._thread.is_alive():
            self.cancel("abort")
            self._thread.join()

    @property
    def pgid(self) -> int | None:
        """The process group of the executable that runs now."""
        running = self._watch.running
        return None if running is None else running.pid

    def wait_stage(self, name: str | None = None, timeout: float = 60.0) -> StageRecord:
        """The executable of that stage (of any, without a name) as soon as it runs. Its `pid` is
        its process group's id. LookupError if the job has ended instead."""
        return self._watch.wait(name, timeout)

    def cancel(self, kind: str = "canceling") -> None:
        with self._lock:
            self._cancelled = kind
            build = self._build
        if build is not None:
            build.cancel(kind)

    def wait(self, timeout: float | None = None) -> Result:
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the job still runs after {timeout} s")
        if self._failure is not None:
            raise self._failure
        assert self._result is not None
        return self._result

    def _main(self) -> None:
        try:
            with work_directory(self.options.keep) as directory, concurrent_slot(self.options) as n:
                self._result = self._play(directory, n)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self._failure = error
        finally:
            self._watch.finish()

    def _play(self, directory: Path, concurrent: int) -> Result:
        options = self.options
        repository = make_repository(options, directory / "repository.git")
        variables = server_variables(options, repository)
        phrases = [os.fsencode(v.value) for v in expand(variables, "") if v.masked]
        job = Job(
            options, repository, variables, job_response(options, repository, variables),
            Trace(phrases, self._show), concurrent, str(directory), [], self._watch,
        )
        build = BuildRun(job)
        with self._lock:
            self._build = build
            cancelled = self._cancelled
        if cancelled is not None:
            build.cancel(cancelled)
        timer = start_timer(options, build)
        try:
            error = build.run()
        finally:
            timer.cancel()
        if build.executor is not None and not options.keep:
            for path in build.executor.new_dirs:
                shutil.rmtree(path, ignore_errors=True)
        return make_result(job, build, error)


def start_timer(options: Options, build: BuildRun) -> threading.Timer:
    timer = threading.Timer(options.cancel_after or 0.0, build.cancel, (options.cancel_kind,))
    timer.daemon = True
    if options.cancel_after is not None:
        timer.start()
    return timer


def make_result(job: Job, build: BuildRun, error: StageError | None) -> Result:
    """build.go, setTraceStatus: a BuildError has its own reason, all else is the system's."""
    exit_code, status, reason, script_code = SUCCESS, "success", None, None
    if isinstance(error, BuildError):
        exit_code, reason = BUILD_FAILURE, error.reason
        status = "canceled" if reason == "job_canceled" else "failed"
        script_code = error.exit_code if reason == "script_failure" else None
    elif error is not None:
        exit_code, status, reason = SYSTEM_FAILURE, "failed", "runner_system_failure"
    raw = job.trace.content
    return Result(
        exit_code=exit_code, status=status, failure_reason=reason,
        error=None if error is None else str(error), script_exit_code=script_code,
        log=readable(raw).decode("utf-8", "replace"), raw_log=raw, stages=tuple(job.records),
        sha=job.repository.sha, build_dir=build.executor.build_dir if build.executor else "",
    )


@contextlib.contextmanager
def work_directory(keep: bool) -> Iterator[Path]:
    """Ours, beside the runner's: the repository, and the builds if config.toml has no place for
    them. Open to others for reading: scripts may run as another user."""
    directory = Path(tempfile.mkdtemp(prefix="berth-runner-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def concurrent_slot(options: Options) -> Iterator[int]:
    if options.concurrent is not None:
        yield options.concurrent
        return
    slot = ConcurrentSlot(options.project_id)
    try:
        yield slot.number
    finally:
        slot.release()


def start_job(
    show: Callable[[bytes], None] | None = None,
    on_stage: Callable[[StageRecord], None] | None = None,
    **options: Any,
) -> RunningJob:
    """To be entered with `with`. `on_stage` is called, by another thread, with each executable as
    soon as it has started; `show` with each piece of the raw, masked job log."""
    return RunningJob(make_options(**options), show, on_stage)


def play_job(options: Options, show: Callable[[bytes], None] | None = None) -> Result:
    with RunningJob(options, show) as running:
        return running.wait()


def run_job(**options: Any) -> Result:
    """One job, to its end. The keywords are those of `make_options` and `Options`."""
    return play_job(make_options(**options))
