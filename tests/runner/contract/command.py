# SPDX-License-Identifier: MIT
"""One call of one executable: executors/custom/command/command.go and helpers/process.

The executable gets a process group of its own (helpers/process/group_unix.go, Setpgid), /dev/null
as its standard input and two separate pipes. The call is over when it has ended *and* both pipes
are at their end: Go's exec.Cmd.Wait waits for the copying goroutines, so that a background child
that holds a pipe holds the stage.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .context import Context
from .errors import BuildError, KillProcessError, StageError, UnknownFailureError

BUILD_FAILURE = 1  # common/const.go, BuildFailureExitCode
SYSTEM_FAILURE = 2  # common/const.go, SystemFailureExitCode
INT64 = range(-(2**63), 2**63)


class Sink(Protocol):
    """Where the bytes of one pipe go."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass
class Call:
    """What to start, and where its output goes. `environ` holds KEY=VALUE strings, in order."""

    argv: Sequence[str]
    cwd: str | None
    environ: Sequence[str]
    stdout: Sink
    stderr: Sink
    code_file: str
    graceful_kill_timeout: float
    force_kill_timeout: float
    warn: Callable[[str], None]
    started: Callable[[int], None] = field(default=lambda pid: None)
    ended: Callable[[int], None] = field(default=lambda returncode: None)
    timeout: float | None = None


def dedup_environment(environ: Sequence[str]) -> dict[str, str]:
    """os/exec, dedupEnv: the last of several values of a key stays, in its own place."""
    result: dict[str, str] = {}
    for entry in environ:
        key, _, value = entry.partition("=")
        result.pop(key, None)
        result[key] = value
    return result


def parse_int(text: str) -> int | None:
    """strconv.Atoi: a sign, digits, nothing else; what no int64 holds is an error."""
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        return None
    number = int(text)
    return number if number in INT64 else None


def describe_exit(returncode: int) -> str:
    """os.ProcessState.String."""
    if returncode >= 0:
        return f"exit status {returncode}"
    name = signal.strsignal(-returncode) or f"signal {-returncode}"
    return f"signal: {name.lower()}"


def exit_error(returncode: int, code_file: str) -> StageError | None:
    """command.go, waitForCommand and getExitCode: what an exit status means to the runner.

    1 is the job's fault, and then the first line of BUILD_EXIT_CODE_FILE, if there is such a file,
    is the code that `allow_failure:exit_codes` sees; a first line that is no number makes it a
    system failure. 2 is a system failure as it is, everything else an unknown one.
    """
    inner = describe_exit(returncode)
    if returncode == 0:
        return None
    if returncode == SYSTEM_FAILURE:
        return StageError(inner, SYSTEM_FAILURE)
    if returncode != BUILD_FAILURE:
        return UnknownFailureError(max(returncode, -1), inner)
    try:
        with open(code_file, "rb") as file:
            line = file.readline()
    except FileNotFoundError:
        return BuildError(inner, BUILD_FAILURE)
    except OSError:
        return UnknownFailureError(SYSTEM_FAILURE, inner)
    code = parse_int(line.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1"))
    if code is None:
        return UnknownFailureError(SYSTEM_FAILURE, inner)
    return BuildError(f"exit status {code}", code)


# Those that subprocess puts back by itself.
RESTORED = {signal.SIGPIPE, signal.SIGXFSZ}
INHERITED = signal.valid_signals() - RESTORED


def ignored_signals() -> list[signal.Signals]:
    """What the runner was started with ignored, as under nohup(1) or in a shell's background, and
    a child would inherit."""
    return [number for number in INHERITED if signal.getsignal(number) == signal.SIG_IGN]


def default_signals(numbers: Sequence[signal.Signals]) -> Callable[[], None] | None:
    """For the child, between fork and exec; None where there is nothing to do."""

    def reset() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    return reset if numbers else None


def start_process(call: Call) -> subprocess.Popen[bytes]:
    """Nothing is blocked or ignored in the child, whatever is in this process."""
    try:
        return subprocess.Popen(
            list(call.argv),
            cwd=call.cwd,
            env=dedup_environment(call.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            restore_signals=True,
            preexec_fn=default_signals(ignored_signals()),
        )
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise StageError(f"failed to start command: fork/exec {call.argv[0]}: {text}") from error
    except ValueError as error:
        # Python's subprocess says it in its own words; the runner's are os/exec's.
        raise StageError(
            "failed to start command: exec: environment variable contains NUL"
        ) from error


class Execution:
    """A call under way: moves its output and, once its context is done, ends it as the runner does.

    helpers/process/killer.go, KillAndWait: SIGTERM to the group, `graceful_kill_timeout`, SIGKILL
    to the group, `force_kill_timeout`, KillProcessError.
    """

    def __init__(self, call: Call, context: Context) -> None:
        self.call = call
        self.context = context
        self.process = start_process(call)
        self.deadline = None if call.timeout is None else time.monotonic() + call.timeout
        self.step: Callable[[], None] = self._terminate
        self.selector = selectors.DefaultSelector()

    def run(self) -> int:
        pidfd = os.pidfd_open(self.process.pid)
        try:
            self.call.started(self.process.pid)
            return self._loop(pidfd)
        finally:
            self.selector.close()
            os.close(pidfd)
            for pipe in (self.process.stdout, self.process.stderr):
                assert pipe is not None
                pipe.close()
            self.call.stdout.close()
            self.call.stderr.close()

    def _loop(self, pidfd: int) -> int:
        self.selector.register(self.process.stdout, selectors.EVENT_READ, self.call.stdout)
        self.selector.register(self.process.stderr, selectors.EVENT_READ, self.call.stderr)
        self.selector.register(pidfd, selectors.EVENT_READ)
        self.selector.register(self.context, selectors.EVENT_READ)
        waiting = 3
        while waiting:
            wait = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            for key, _ in self.selector.select(wait):
                if key.fileobj is self.context:
                    self.selector.unregister(self.context)
                    if self.step == self._terminate:
                        self._terminate()
                elif key.data is None:
                    # As Wait does, before the pipes end: signals then find the group's others only.
                    self.process.wait()
                    self.selector.unregister(pidfd)
                    waiting -= 1
                elif not self._move(key):
                    self.selector.unregister(key.fileobj)
                    waiting -= 1
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.step()
        return self.process.wait()

    @staticmethod
    def _move(key: selectors.SelectorKey) -> bool:
        data = os.read(key.fd, 65536)
        if data:
            key.data.write(data)
        return bool(data)

    def _signal(self, number: signal.Signals, word: str) -> None:
        try:
            os.killpg(self.process.pid, number)
        except OSError as error:
            self.call.warn(f"Failed to {word} process: {(error.strerror or '').lower()}")

    def _terminate(self) -> None:
        self._signal(signal.SIGTERM, "terminate")
        self.deadline = time.monotonic() + self.call.graceful_kill_timeout
        self.step = self._kill

    def _kill(self) -> None:
        self._signal(signal.SIGKILL, "force-kill")
        self.deadline = time.monotonic() + self.call.force_kill_timeout
        self.step = self._give_up

    def _give_up(self) -> None:
        self.process.poll()
        raise KillProcessError(self.process.pid)


def run_command(call: Call, context: Context) -> None:
    """Raises what the end of the executable means. An exit 0 after SIGTERM is a success: so in
    command.go, which translates the status alike whether the context was done or not."""
    returncode = Execution(call, context).run()
    call.ended(returncode)
    error = exit_error(returncode, call.code_file)
    if error is not None:
        raise error
