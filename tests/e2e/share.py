# SPDX-License-Identifier: MIT
"""Several processes share the tests that one has collected: each takes the next file that none has begun.

With BERTH_SHARES=N pytest forks N processes once it knows the tests, which costs it more than many a
file does, and reports what they tell it. So they end at about the same time, whatever the files cost,
and a new one needs no entry in any list.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection, wait
from pathlib import Path

import pytest

PLAYED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


class Teller:
    """In a process that plays tests: its reports go to the one that forked it."""

    def __init__(self, config: pytest.Config, writer: Connection) -> None:
        self.config, self.writer = config, writer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.writer.send(self.config.hook.pytest_report_to_serializable(config=self.config,
                                                                        report=report))


class Share:
    """A pytest plugin: forks the processes, and knows which files are this one's."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.begun = multiprocessing.get_context("fork").Value("i", 0)
        self.files: list[Path] = []  # all of them in one order, of which so many are begun
        self.ours: dict[Path, bool] = {}

    def is_ours(self, path: Path) -> bool:
        if path not in self.ours:
            with self.begun.get_lock():
                self.ours[path] = self.begun.value == self.files.index(path)
                self.begun.value += self.ours[path]
        return self.ours[path]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Files that wait by the clock first, then those with the most tests: a long one that is begun
        last would be waited for."""
        tests: dict[Path, int] = {}
        waits: dict[Path, bool] = {}
        for item in items:
            tests[item.path] = tests.get(item.path, 0) + 1
            waits[item.path] = item.get_closest_marker("by_the_clock") is not None
        items.sort(key=lambda item: (not waits[item.path], -tests[item.path], item.path))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """True: the tests have been played; None: pytest is to do it, which in the forked is what
        `pytest_runtest_protocol` lets it."""
        if session.testsfailed or session.config.option.collectonly:
            return None
        self.files = list(dict.fromkeys(item.path for item in session.items))
        crew: dict[Connection, int] = {}
        for _ in range(self.count):
            reader, writer = multiprocessing.Pipe(duplex=False)
            crew[reader] = os.fork()
            if crew[reader] == 0:
                settle(session.config, writer)
                return None
            writer.close()
        try:
            reports_take(session, crew)
        finally:
            for pid in crew.values():
                os.kill(pid, signal.SIGTERM)
                os.waitpid(pid, 0)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """True: the item is dealt with elsewhere."""
        return None if self.is_ours(item.path) else True


def settle(config: pytest.Config, writer: Connection) -> None:
    """In a forked process: it prints nothing, and what its tests print it keeps in files of its own."""
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(Teller(config, writer), "berth-teller")
    capture = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()


def reports_take(session: pytest.Session, crew: dict[Connection, int]) -> None:
    """Until all of them have ended; they are then no longer in CREW."""
    hook, played = session.config.hook, 0
    while crew:
        for reader in wait(list(crew)):
            assert isinstance(reader, Connection)
            try:
                told = reader.recv()
            except EOFError:
                code = os.waitstatus_to_exitcode(os.waitpid(crew.pop(reader), 0)[1])
                if code not in PLAYED:
                    raise RuntimeError(f"a process that plays tests has ended with {code}") from None
                continue
            report = hook.pytest_report_from_serializable(config=session.config, data=told)
            hook.pytest_runtest_logreport(report=report)
            if report.when == "teardown":
                played += 1
                hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)
    if played != len(session.items) and not session.testsfailed:
        raise RuntimeError(f"{played} of {len(session.items)} tests have been played")


def register(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "by_the_clock: of a file, that its tests wait for many seconds")
    count = int(os.environ.get("BERTH_SHARES", "0"))
    if count:
        config.pluginmanager.register(Share(count), "berth-share")
