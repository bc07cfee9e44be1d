# SPDX-License-Identifier: MIT
"""A service whose deadline passes, which is a minute at least: the test waits for it, so that
`make chaos` plays it, and `make check` does not."""

from __future__ import annotations

from test_verdict import NAME, USER, fails, section, set_service, tiny
from waiting import frozen
from world import World


def test_a_deadline_that_passes(ready: World) -> None:
    """Its task neither comes up nor fails: the log says how far it is, and since when."""
    tiny(ready)
    set_service(ready, deadline="1m")
    with frozen(ready):
        result = fails(ready, USER, r"service 'notifier' is not ready after 1 min 0 s: 0 of 1 tasks of "
                       rf"'{NAME}:1' run")
    assert "service notifier: failed, 1 min " in result.log
    assert section(result, "events of service 'notifier'") == ["ECS tells of none"]
