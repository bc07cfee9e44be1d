# SPDX-License-Identifier: MIT
"""Several pytest processes share the files of tests: each takes the next that none has begun.

With BERTH_SHARE=DIRECTORY, which is empty when they are started, all of them collect the same tests in
the same order, and whoever makes a file's mark in the directory runs that file's tests, and nobody
else. So they end at about the same time, whatever the files cost, and a new one needs no entry in any
list. A process that finds nothing left has run no test, which is no failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


class Share:
    """A pytest plugin: which files are this process's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ours: dict[Path, bool] = {}

    def is_ours(self, path: Path) -> bool:
        if path not in self.ours:
            try:
                (self.directory / str(path).replace("/", "%")).touch(exist_ok=False)
                self.ours[path] = True
            except FileExistsError:
                self.ours[path] = False
        return self.ours[path]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The files with the most tests first: a long one that is begun last would be waited for."""
        tests: dict[Path, int] = {}
        for item in items:
            tests[item.path] = tests.get(item.path, 0) + 1
        items.sort(key=lambda item: (-tests[item.path], item.path))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """True: the item has been dealt with; None: pytest is to run it."""
        return None if self.is_ours(item.path) else True


def register(config: pytest.Config) -> None:
    directory = os.environ.get("BERTH_SHARE")
    if directory:
        config.pluginmanager.register(Share(Path(directory)), "berth-share")
