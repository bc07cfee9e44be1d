# SPDX-License-Identifier: MIT
"""A deploy that AWS throttles until berth gives up: three minutes that the test waits for, so that
`make chaos` plays it, and `make check` does not."""

from __future__ import annotations

import re

from test_progress import SPAN, SYSTEM, shown
from twoservices import make_small
from world import ENVIRONMENT, World


def test_throttled_to_the_end(ready: World) -> None:
    """Who opens the job's log sees its last lines: what was done, what failed and why, what was not
    tried; in the last what to do. Then a deploy goes on from there."""
    make_small(ready)
    ready.aws.fault(service="ecs", action="CreateService", fault="throttle")
    result = ready.job()
    assert result.exit_code == SYSTEM, result.log
    lines = shown(result)
    why = (rf"cannot create service '{ENVIRONMENT}-notifier': ecs:CreateService: AWS still throttles "
           rf"this call after [0-9]+ tries in {SPAN}; run the job again later, or lower 'rates' and "
           r"'workers' in the host config: Rate exceeded \(ThrottlingException, request [0-9a-f-]+\)")
    expected = [rf"service notifier: failed, {SPAN}", r"done: [0-9]+ created",
                rf"failed: service notifier: {why} \[too many requests\]",
                rf"not tried: service t7-bridge: needs service '{ENVIRONMENT}-notifier', which failed",
                rf"took {SPAN} and [0-9]+ calls: .*, [0-9]+ throttled", rf"ERROR: {why}"]
    for pattern, line in zip(expected, lines[-len(expected) - 1:-1], strict=True):
        assert re.fullmatch(pattern, line), result.log
    assert "\n".join(lines).count("throttles calls of ecs") == 1 and len(lines) < 40
    calls = ready.aws.record("fault", "start")
    refused = [call["start"] for call in calls if call["fault"] == "throttle"]
    assert refused[-1] - refused[0] > 120 and len(refused) < 100
    ready.aws.clear_faults()
    assert "2 created" in ready.deploy().log
