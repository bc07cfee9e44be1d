# SPDX-License-Identifier: MIT
"""A runner host with two users for jobs, which are made for the tests and removed after them.

The secret that a script must not find is in the environment of the runner's programs, as an
administrator's AWS_SECRET_ACCESS_KEY would be. Only root can run scripts as another user.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jobhost import SECRET, JobHost, make_users, remove_users  # noqa: E402


@pytest.fixture(scope="module")
def users() -> Iterator[list[str]]:
    if os.geteuid() != 0:
        pytest.skip("only root can run scripts as another user")
    names = make_users(2)
    yield names
    remove_users(names)


@pytest.fixture
def host(users: list[str]) -> Iterator[JobHost]:
    host = JobHost(users)
    host.environ |= {"AWS_SECRET_ACCESS_KEY": SECRET}
    yield host
    host.remove()
