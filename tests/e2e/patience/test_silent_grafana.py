# SPDX-License-Identifier: MIT
"""A Grafana that takes requests and does not answer them, as long as berth waits where nobody has
set a time: a minute and a half, so that `make chaos` plays it, and `make check` does not."""

from __future__ import annotations

import time

from grafanasite import MAIN, NAME, SYSTEM, add_user, roles, run
from grafanasite import grafana, server, site  # noqa: F401
from world import World

from grafana.server import Fault, Grafana

CREATE = "POST /api/admin/users"
ANSWER = 30  # seconds, docs/drivers/grafana.md
TRIES = 3


def test_one_answer_has_half_a_minute(site: World, grafana: Grafana) -> None:  # noqa: F811
    """It is asked three times for the first of ten users, and then for nothing more: what has not
    been answered for one would not be for the others. The next job makes them all."""
    for n in range(8):
        add_user(site, login=f"user-{n}", email=f"user-{n}@example.com")
    grafana.faults = [Fault("/api/admin/users", "POST", times=99, delay=10 * ANSWER)]
    began = time.monotonic()
    log = run(site, code=SYSTEM).log
    assert time.monotonic() - began >= TRIES * ANSWER
    assert log.splitlines()[-2] == (
        f"ERROR: Grafana at 'https://{NAME}/' has not answered '{CREATE}' within {ANSWER} s, tried "
        f"{TRIES} times: see its service's log, cpu and memory, and run the job again, which goes "
        "on where this one ended")
    asked = [f"{r.method} {r.path}" for r in grafana.requests]
    assert asked[-TRIES:] == [CREATE] * TRIES and asked.count(CREATE) == TRIES
    grafana.faults = []
    run(site)
    assert {f"user-{n}" for n in range(8)} | {"ada"} <= set(roles(grafana))
    assert MAIN < grafana.state.permissions("example-networks")
