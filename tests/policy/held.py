# SPDX-License-Identifier: MIT
"""pytest's part in `tests/policy/needed`: which test asks, and tests with an action less.

`-p held` tells tests/e2e/policed.py which test is played, and leaves in the file BERTH_POLICY a
line of JSON for each that passed: ["took", seconds, test]. With BERTH_POLICY_LESS=FILE, which has a
list of [sid, action, test], these tests are played and no others, each without that action of that
statement. That it fails is what is wanted, and reported as an expected failure; one that passes is
reported as failed. Either is left as ["less", sid, action, test, reason], where the reason is the
failure's first line, empty if there is none. The endpoint knows such a test by its name with
" without ACTION of SID", so a denial of one is not taken for another's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

LESS = os.environ.get("BERTH_POLICY_LESS", "")
SEPARATOR = " without "
WITHOUT = pytest.StashKey[tuple[str, str]]()


def less(test: str, pair: tuple[str, str]) -> str:
    """What the endpoint calls a test with an action less."""
    return f"{test}{SEPARATOR}{pair[1]} of {pair[0]}"


def without(item: pytest.Function, pair: tuple[str, str]) -> pytest.Function:
    """The same test, which must fail for want of an action."""
    clone: pytest.Function = type(item).from_parent(
        item.parent, name=less(item.name, pair),
        originalname=item.originalname, callspec=getattr(item, "callspec", None),
        fixtureinfo=item._fixtureinfo)
    clone.stash[WITHOUT] = pair
    return clone


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not LESS:
        return
    wanted: dict[str, list[tuple[str, str]]] = {}
    for sid, action, test in json.loads(Path(LESS).read_text()):
        wanted.setdefault(test, []).append((sid, action))
    items[:] = [without(item, pair) for item in items if isinstance(item, pytest.Function)
                for pair in wanted.get(item.nodeid, [])]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    import policed
    pair = item.stash.get(WITHOUT, None)
    policed.played.test = item.nodeid if pair is None else less(item.nodeid, pair)
    policed.played.without = pair
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    import policed
    if fixturedef.scope == "function":
        return (yield)
    with policed.shared():
        return (yield)


def note(*line: object) -> None:
    with open(os.environ["BERTH_POLICY"], "a") as file:  # the endpoint writes there, too
        os.write(file.fileno(), json.dumps(line).encode() + b"\n")


def reason_of(report: pytest.TestReport) -> str:
    """Why it failed: the first line of what was raised."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr).strip()
    return (text.splitlines() or [""])[0][:200] or "it failed"


def turn(report: pytest.TestReport, pair: tuple[str, str], test: str) -> None:
    """Of a test with an action less a failure is what is expected, and the contrary is not."""
    if report.outcome == "failed":
        reason = reason_of(report)
        note("less", *pair, test, reason)
        report.outcome, report.wasxfail = "skipped", reason  # as pytest reports an xfail
    elif report.when == "call" and report.outcome == "passed":
        note("less", *pair, test, "")
        report.outcome = "failed"
        report.longrepr = f"it passes without '{pair[1]}' of statement '{pair[0]}'"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report: pytest.TestReport = yield
    pair = item.stash.get(WITHOUT, None)
    if pair is not None and report.when != "teardown":
        turn(report, pair, item.nodeid)
    elif pair is None and report.when == "call" and report.outcome == "passed":
        note("took", report.duration, item.nodeid)
    return report
