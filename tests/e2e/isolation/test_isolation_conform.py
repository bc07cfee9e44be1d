# SPDX-License-Identifier: MIT
"""The runner's contract, with users for jobs: where it is held in other ways than without."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from jobhost import ROOT, JobHost, make_users, remove_users

# What a job is given, who it is, how it ends, and what it leaves; the last of what it says.
CASES = ["1", "2.6", "9", "3.1", "3.3", "5.5", "6.1", "6.6", "7.6", "8.1", "8.2", "8.3"]
AT_A_TIME = 3


@pytest.fixture
def many() -> Iterator[list[str]]:
    if os.geteuid() != 0:
        pytest.skip("only root can run scripts as another user")
    names = make_users(2 * AT_A_TIME)  # some cases have two jobs at a time
    yield names
    remove_users(names)


def test_the_contract_is_held_with_users(many: list[str]) -> None:
    host = JobHost(many)
    host.write_config()
    only = [word for name in CASES for word in ("--only", name)]
    try:
        done = subprocess.run(
            [ROOT / "tests" / "runner" / "conform", "--jobs", str(AT_A_TIME), "--output-size", "8",
             "--moments", "3", *only, host.programs],
            env={**os.environ, "BERTH_CONFIG": host.environ["BERTH_CONFIG"], "NO_COLOR": "1"},
            capture_output=True, text=True, timeout=300)
        said = [line for line in done.stdout.splitlines() if not line.startswith("held")]
        assert done.returncode == 0 and " cases: " in said[-1], "\n".join(said) + done.stderr
        assert "not applicable" not in done.stdout
        assert not host.claims() and not list(host.builds.glob("*/tmp/*"))
    finally:
        host.remove()
