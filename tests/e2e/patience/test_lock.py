# SPDX-License-Identifier: MIT
"""A job that waits for another's lock says every 30 s that it does: the test waits for two of these
lines."""

from __future__ import annotations

import fcntl
import time

from world import ENVIRONMENT, World

HOLDER = "job 12 ('deploy-branches') of pipeline 34"
SECONDS = 70.0


def test_a_job_that_waits_for_another_says_so(ready: World) -> None:
    ready.keep_services("notifier")
    directory = ready.directory / "locks"
    directory.mkdir(mode=0o755)
    with (directory / f"{ENVIRONMENT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(HOLDER)
        lock.flush()
        with ready.start("deploy-branches") as running:
            time.sleep(SECONDS)  # what is awaited is the time itself
            ready.aws.expect_no_writes()
            fcntl.flock(lock, fcntl.LOCK_UN)
            result = running.wait(120)
    assert result.exit_code == 0, result.log
    lines = [line for line in result.log.splitlines() if f"waiting for {HOLDER}" in line]
    assert lines[0] == f"waiting for {HOLDER}, which is working on '{ENVIRONMENT}'"
    [title, *folded] = lines[1:]
    assert title.endswith(f"still waiting for {HOLDER}")
    assert [line.partition(":")[0] for line in folded] == ["30.0 s", "1 min 0 s"]
