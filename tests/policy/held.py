# SPDX-License-Identifier: MIT
"""pytest's part in `tests/policy/needed`: which test asks, and tests with an action less.

`-p held` tells tests/e2e/policed.py which test is played, and leaves in the file BERTH_POLICY a
line of JSON for each that passed: ["took", seconds, test]. With BERTH_POLICY_LESS=FILE, which has a
list of [sid, action, test], these tests are played and no others, each without that action of that
statement; that it fails is what is wanted, and left as ["failed", sid, action, test].
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


def without(item: pytest.Function, pair: tuple[str, str]) -> pytest.Function:
    """The same test, which must fail for want of an action."""
    clone: pytest.Function = type(item).from_parent(
        item.parent, name=f"{item.name}{SEPARATOR}{pair[1]} of {pair[0]}",
        originalname=item.originalname, callspec=getattr(item, "callspec", None),
        fixtureinfo=item._fixtureinfo)
    clone.stash[WITHOUT] = pair
    clone.add_marker(pytest.mark.xfail(strict=True, reason=f"{pair[1]} of {pair[0]}"))
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
    policed.played.test = item.nodeid.partition(SEPARATOR)[0]
    policed.played.without = item.stash.get(WITHOUT, None)
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report: pytest.TestReport = yield
    pair = item.stash.get(WITHOUT, None)
    test = item.nodeid.partition(SEPARATOR)[0]
    if pair is None and report.when == "call" and report.outcome == "passed":
        note("took", report.duration, test)
    if pair is not None and hasattr(report, "wasxfail") and report.outcome == "skipped":
        note("failed", *pair, test)
    return report
