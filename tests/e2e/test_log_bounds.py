# SPDX-License-Identifier: MIT
"""A job's log has room for its last line, whatever containers write: GitLab Runner takes 4 MiB
(output_limit in config.toml) and nothing behind them."""

from __future__ import annotations

import re

from contract.trace import LIMIT
from test_verdict import last, sections
from world import World

NAMES = ("notifier", "t7-bridge")


def fail_with_long_logs(world: World) -> None:
    """Two services crash after sixty lines that are four times as long when they are shown."""
    world.keep_services(*NAMES)
    binary = "\x1b" * 15000
    lines = [f"line {n} {binary}" for n in range(60)] + ["the end of it"]
    world.aws.fault(service="ecs", fault="crash", code=3)
    world.aws.fault(service="ecs", fault="writes", message="\n".join(lines))


def test_long_logs(ready: World) -> None:
    fail_with_long_logs(ready)
    result = ready.job()
    assert result.exit_code == 1
    assert len(result.raw_log) < LIMIT / 8
    assert re.match(r"2 services failed; service '[a-z0-9-]+': its container '", last(result))
    logs = {title: lines for title, lines in sections(result).items() if "the last 50" in title}
    assert len(logs) == 2
    for lines in logs.values():
        assert re.match(r"\(\d\d lines before the following left out", lines[0])
        assert lines[-1] == "the end of it" and len(lines) > 10
        assert all(len(line) < 2100 for line in lines)
