# SPDX-License-Identifier: MIT
"""For all suites: one that is told to end takes its jobs, servers and directories with it."""

from __future__ import annotations

import gc
import signal

import pytest
from background import signals_put_back


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM is what `timeout` and make send; by itself it would end Python on the spot."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signals_put_back()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there now stays, and nobody has to look for garbage in it again."""
    gc.collect()
    gc.freeze()
