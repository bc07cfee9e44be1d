# SPDX-License-Identifier: MIT
"""One job from its first try to its cleanup: common/build.go."""

from __future__ import annotations

import select
import threading
import time

from .context import Context
from .errors import BuildError, StageError
from .executor import Executor, Job
from .options import Variable
from .shell import generate_script, is_skipped
from .variables import RUNNER_NAME, RUNNER_REVISION, RUNNER_TOKEN, RUNNER_VERSION, lookup

PREPARE_TRIES = 3  # common/const.go, PreparationRetries
AFTER_SCRIPT_TIMEOUT = 300.0  # common/build.go, RUNNER_AFTER_SCRIPT_TIMEOUT
MAX_ATTEMPT_PAUSE = 300.0
HEADERS = {
    "prepare_script": "Preparing environment",
    "get_sources": "Getting source from Git repository",
    "clear_worktree": "Deleting all tracked and untracked files due to source fetch failure",
    "step_script": 'Executing "step_script" stage of the job script',
    "after_script": "Running after_script",
    "upload_artifacts_on_success": "Uploading artifacts for successful job",
    "upload_artifacts_on_failure": "Uploading artifacts for failed job",
    "cleanup_file_variables": "Cleaning up project directory and file based variables",
}
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str, default: float) -> float:
    """Go's time.ParseDuration for one number and unit; anything else is the default."""
    for unit in ("ms", "h", "m", "s"):
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * UNITS[unit]
    return default


class BuildRun:
    """`run` blocks until cleanup has ended; `cancel` may be called at any time, by any thread."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.context = Context()
        self.script_context: Context | None = None
        self.executor: Executor | None = None
        self.error: StageError | None = None
        self.worker: threading.Thread | None = None

    def cancel(self, kind: str) -> None:
        """common/trace.go and buildtest/abort.go.

        "canceling", a click in the page, ends the script alone, once there is one; before that, and
        with "abort" (forced, or the runner told to stop) and "timeout", all of the job ends.
        """
        script = self.script_context
        if kind == "canceling" and script is not None:
            script.cancel("canceled")
        else:
            self.context.cancel("timedout" if kind == "timeout" else "canceled")

    def run(self) -> StageError | None:
        trace = self.job.trace
        trace.plain(f"Running with gitlab-runner {RUNNER_VERSION} ({RUNNER_REVISION})")
        trace.plain(f"  on {RUNNER_NAME} {RUNNER_TOKEN}, system ID: s_5b1f0c2d9a77")
        self.context.cancel_after(self.job.options.timeout, "timedout")
        try:
            end = trace.section("prepare_executor", 'Preparing the "custom" executor')
            self.error = self._prepare()
            end()
            if self.error is None:
                self.error = self._run_stages()
            self._say_status()
        finally:
            trace.finish()
            if self.executor is not None:
                self.executor.cleanup()
        if self.worker is None or not self.worker.is_alive():
            self.context.close()
        return self.error

    # Prepare: build.go, retryCreateExecutor.

    def _prepare(self) -> StageError | None:
        """Three tries; after each failed one its own cleanup. A BuildError stops before the context
        is looked at: an exit 1 on SIGTERM is the job's failure, not its cancellation. The runner
        sleeps after the third failure, too."""
        trace, pause = self.job.trace, self.job.options.retry_pause
        error: StageError | None = None
        for attempt in range(1, PREPARE_TRIES + 1):
            executor = Executor(self.job, attempt)
            try:
                executor.prepare(self.context)
                self.executor = executor
                return None
            except StageError as caught:
                error = caught
            executor.cleanup()
            if isinstance(error, BuildError):
                return error
            if self.context.done:
                return self._context_error()
            trace.error(f"Preparation failed: {error}")
            trace.info(f"Will be retried in {pause:g}s ...")
            time.sleep(pause)
        return error

    # The stages: build.go, run and executeScript.

    def _run_stages(self) -> StageError | None:
        """The stages run beside us, so that an aborted job is waited for no longer than
        WaitForBuildFinishTimeout: cleanup may then meet a run that still lives."""
        finished = Context()
        result: list[StageError | None] = []

        def work() -> None:
            try:
                result.append(self._execute())
            finally:
                finished.cancel("finished")

        self.worker = threading.Thread(target=work, name="stages", daemon=True)
        self.worker.start()
        wait_any(self.context, finished)
        finished.close()
        if not self.context.done:
            self.worker.join()
            return result[0] if result else StageError("internal error: the stages broke off")
        self.worker.join(self.job.options.build_finish_timeout)
        return self._context_error()

    def _context_error(self) -> BuildError:
        """build.go, handleError."""
        if self.context.cause == "timedout":
            text = f"execution took longer than {self.job.options.timeout}s seconds"
            return BuildError(text, reason="job_execution_timeout")
        return BuildError("canceled", reason="job_canceled")

    def _execute(self) -> StageError | None:
        try:
            self._stage("prepare_script", self.context)
        except StageError as error:
            return wrap_environment_error(error)
        error = self._get_sources()
        if error is None:
            error = self._user_script()
        if self.context.done:
            return error
        name = "upload_artifacts_on_failure" if error else "upload_artifacts_on_success"
        uploaded = self._try_stage(name, self.context)
        if (file_error := self._try_stage("cleanup_file_variables", self.context)) is not None:
            text = "Error while executing file based variables removal script"
            self.job.trace.warning(f"{text}: {file_error}")
        return error or uploaded

    def _get_sources(self) -> StageError | None:
        """build.go, attemptExecuteStage: any failure counts, the pause doubles, and the work tree
        is cleared before each further attempt."""
        attempts = self._attempts("GET_SOURCES_ATTEMPTS")
        pause = self.job.options.attempt_pause
        error = None
        for attempt in range(attempts):
            if attempt and not self.context.done:
                wait_any(self.context, seconds=pause)
                pause = min(2 * pause, MAX_ATTEMPT_PAUSE)
                error = self._try_stage("clear_worktree", self.context)
                if error is not None:
                    continue
            error = self._try_stage("get_sources", self.context)
            if error is None or self.context.done:
                break
        return error

    def _attempts(self, name: str) -> int:
        value = lookup(self._variables(), name)
        number = int(value) if value.isascii() and value.isdigit() else 1
        return number if 1 <= number <= 10 else 1

    def _variables(self) -> list[Variable]:
        assert self.executor is not None
        return self.executor.variables()

    def _user_script(self) -> StageError | None:
        """Each has a context of its own: the script's ends with a click on cancel, after_script
        still runs and sees how the script ended in CI_JOB_STATUS."""
        limit = parse_duration(lookup(self._variables(), "RUNNER_SCRIPT_TIMEOUT"), 0.0)
        context = Context(self.context)
        if limit:
            context.cancel_after(limit, "timedout")
        self.script_context = context
        error = self._try_stage("step_script", context)
        cause = context.cause
        context.close()
        self.job.status = self._status(error, cause)
        if error is not None and cause is not None and not self.context.done:
            reason = "job_execution_timeout" if cause == "timedout" else "job_canceled"
            text = "canceled" if cause == "canceled" else f"script took longer than {limit:g}s"
            error = BuildError(text, reason=reason)
        if not self.context.done:
            self._after_script()
        return error

    @staticmethod
    def _status(error: StageError | None, cause: str | None) -> str:
        """build.go, runtimeStateAndError: a script that ends with 0 on SIGTERM has succeeded."""
        if error is None:
            return "success"
        return cause or "failed"

    def _after_script(self) -> None:
        """Its failure is said, and otherwise without consequence."""
        text = lookup(self._variables(), "RUNNER_AFTER_SCRIPT_TIMEOUT")
        context = Context(self.context)
        context.cancel_after(parse_duration(text, AFTER_SCRIPT_TIMEOUT), "timedout")
        error = self._try_stage("after_script", context)
        context.close()
        if error is not None:
            text = "after_script failed, but job will continue unaffected"
            self.job.trace.warning(f"{text}: {error}")

    def _try_stage(self, name: str, context: Context) -> StageError | None:
        try:
            self._stage(name, context)
        except StageError as error:
            return error
        return None

    def _stage(self, name: str, context: Context) -> None:
        """build.go, executeStage: nothing starts in a context that has ended."""
        assert self.executor is not None
        build = self.executor.build()
        if is_skipped(name, build):
            return
        if context.done:
            raise StageError("context canceled")
        end = self.job.trace.section(name, HEADERS[name])
        try:
            self.executor.run(generate_script(name, build), name, context)
        finally:
            end()

    def _say_status(self) -> None:
        """build.go, setTraceStatus."""
        trace, error = self.job.trace, self.error
        if error is None:
            trace.info("Job succeeded")
        elif isinstance(error, BuildError):
            trace.error(f"Job failed: {error}")
        else:
            trace.error(f"Job failed (system failure): {error}")


def wrap_environment_error(error: StageError) -> StageError:
    """build.go, executeScript: the first stage's failure is told as the environment's."""
    text = (
        f"prepare environment: {error}. Check "
        "https://docs.gitlab.com/runner/shells/#shell-profile-loading for more information"
    )
    if isinstance(error, BuildError):
        return BuildError(text, error.exit_code, error.reason)
    return StageError(text, error.exit_code)


def wait_any(*contexts: Context, seconds: float | None = None) -> None:
    """Until one of them is done, or for so long."""
    poll = select.poll()
    for context in contexts:
        poll.register(context, select.POLLIN)
    poll.poll(None if seconds is None else seconds * 1000)
