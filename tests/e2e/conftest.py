# SPDX-License-Identifier: MIT
"""One endpoint for the whole session, reset before each test that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from world import Endpoint, World


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(speed="instant") as started:
        yield started


@pytest.fixture
def world(endpoint: Endpoint, tmp_path: Path) -> World:
    endpoint.reset()
    return World(endpoint, tmp_path)


@pytest.fixture(scope="session")
def prepared(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a saved state: repositories, roles and images are there."""
    endpoint.reset()
    World(endpoint, tmp_path_factory.mktemp("prepared")).prepare()
    endpoint.save("prepared")
    return "prepared"


@pytest.fixture
def ready(endpoint: Endpoint, prepared: str, tmp_path: Path) -> World:
    """A world in which a branch can be deployed."""
    endpoint.restore(prepared)
    return World(endpoint, tmp_path)
