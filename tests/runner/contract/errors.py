# SPDX-License-Identifier: MIT
"""How a stage can fail, in the runner's terms (common/executor.go, executors/custom/command)."""

from __future__ import annotations


class StageError(Exception):
    """Any failure of a stage. If it is no BuildError, the job ends as a system failure.

    `exit_code` is what the executable ended with, -1 when a signal ended it or it never started.
    """

    def __init__(self, text: str, exit_code: int = -1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class BuildError(StageError):
    """The job's own fault: never retried, "Job failed: …" (common/build.go, setTraceStatus)."""

    def __init__(self, text: str, exit_code: int = 0, reason: str = "script_failure") -> None:
        super().__init__(text, exit_code)
        self.reason = reason


class ConfigurationError(BuildError):
    """config.toml or the config executable leaves out what a build needs; not retried."""

    def __init__(self, text: str) -> None:
        super().__init__(text, reason="configuration_error")


class UnknownFailureError(StageError):
    """executors/custom/command/errors.go: an exit status that the contract does not name."""

    def __init__(self, exit_code: int, inner: str) -> None:
        super().__init__(
            f"unknown Custom executor executable exit code {exit_code}; "
            f"executable execution terminated with: {inner}",
            exit_code,
        )


class KillProcessError(StageError):
    """helpers/process/killer.go: neither SIGTERM nor SIGKILL brought the end of the process."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"failed to kill process PID={pid}, likely process is dormant")
