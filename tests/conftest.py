# SPDX-License-Identifier: MIT
"""For all suites: one that is told to end takes its jobs, servers and directories with it."""

from __future__ import annotations

import signal

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM is what `timeout` and make send; by itself it would end Python on the spot."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
