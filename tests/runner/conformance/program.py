# SPDX-License-Identifier: MIT
"""One call of one executable, started as the runner starts it, under a case's control."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

from contract.command import Call, start_process
from contract.errors import StageError

from .cases import Broken

KEPT = 8 << 20  # bytes of each stream that a case can look at
PATIENCE = 30.0


class Stream:
    """Reads a pipe to its end: counts all, keeps the first and the last of it."""

    def __init__(self, pipe: object, changed: threading.Condition) -> None:
        self._fd = pipe.fileno()  # type: ignore[attr-defined]
        self._pipe = pipe
        self._changed = changed
        self.content = bytearray()
        self.tail = b""
        self.count = 0
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._fd, 1 << 16):
                with self._changed:
                    self.content += data[:max(0, KEPT - len(self.content))]
                    self.tail = (self.tail + data)[-64:]
                    self.count += len(data)
                    self._changed.notify_all()
        except (OSError, ValueError):
            pass


class Program:
    """`end` waits for the process and for the end of both pipes, as the runner does."""

    def __init__(
        self, name: str, argv: Sequence[str], cwd: str | None, environ: Sequence[str],
        code_file: str = "", read: bool = True,
    ) -> None:
        self.name = name
        self.code_file = code_file
        self.started = time.monotonic()
        try:
            self.process: subprocess.Popen[bytes] = start_process(
                Call(argv=argv, cwd=cwd, environ=environ, stdout=None, stderr=None,  # type: ignore
                     code_file=code_file, graceful_kill_timeout=0, force_kill_timeout=0,
                     warn=lambda text: None)
            )
        except StageError as error:
            raise Broken(f"{name}: {error}") from error
        self.pid = self.process.pid
        self.seconds = 0.0
        self.peak_kib = 0
        self.code: int | None = None
        self._changed = threading.Condition()
        pipes = (self.process.stdout, self.process.stderr)
        if not read:
            for pipe in pipes:
                assert pipe is not None
                pipe.close()
        self.streams = [Stream(pipe, self._changed) for pipe in pipes] if read else []

    @property
    def out(self) -> bytes:
        return bytes(self.streams[0].content) if self.streams else b""

    @property
    def err(self) -> bytes:
        return bytes(self.streams[1].content) if self.streams else b""

    @property
    def said(self) -> str:
        """The last of what it said, for evidence."""
        text = (self.out[-400:] + self.err[-400:]).decode("utf-8", "replace")
        return " ".join(text.split())[-200:]

    def await_output(self, text: bytes, timeout: float = PATIENCE) -> float:
        """The moment at which that text has been written by the script."""
        with self._changed:
            if not self._changed.wait_for(lambda: text in self.streams[0].content, timeout):
                self.kill()
                raise Broken(f"{self.name}: no '{text.decode()}' of the script's in {timeout:g} s: "
                             f"{self.said}")
        return time.monotonic()

    def signal(self, number: signal.Signals) -> None:
        """To the whole group, as the runner does (helpers/process/group_unix.go)."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def stop_and_terminate(self) -> bool:
        """SIGTERM at this very moment: the group is stopped, told, and goes on, so that nothing
        more of it is carried out before the signal. False if it had ended by then."""
        self.signal(signal.SIGSTOP)
        deadline = time.monotonic() + 1
        while (state := self._state()) not in "TtZX" and time.monotonic() < deadline:
            time.sleep(0.0002)
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        return state in "Tt"

    def _state(self) -> str:
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0]
        except OSError:
            return "X"

    def end(self, timeout: float = PATIENCE) -> Program:
        deadline = time.monotonic() + timeout
        if self.code is None and not self._reap(deadline):
            self.kill()
            self._reap(time.monotonic() + 5)
            raise Broken(f"{self.name} had not ended after {timeout:g} s: {self.said}")
        for stream in self.streams:
            stream.thread.join(max(0.0, deadline - time.monotonic()))
            if stream.thread.is_alive():
                raise Broken(f"{self.name} had ended with {self.code}, but after {timeout:g} s a "
                             "process still held its output, and with it the job")
        return self

    def _reap(self, deadline: float) -> bool:
        """wait4(2), for the peak of memory; awakened by a descriptor of the process."""
        waiter = threading.Thread(target=self._wait, daemon=True)
        waiter.start()
        waiter.join(max(0.0, deadline - time.monotonic()))
        return self.code is not None

    def _wait(self) -> None:
        try:
            _, status, usage = os.wait4(self.pid, 0)
        except ChildProcessError:
            return
        self.seconds = time.monotonic() - self.started
        self.peak_kib = usage.ru_maxrss
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.code = self.process.returncode

    def code_text(self) -> bytes | None:
        """What stands in the code file."""
        try:
            with open(self.code_file, "rb") as file:
                return file.read()
        except OSError:
            return None
