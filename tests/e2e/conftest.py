# SPDX-License-Identifier: MIT
"""One endpoint for the whole session, reset before each test that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import canary
import share
from world import BRANCH, FIX, Endpoint, World


def pytest_configure(config: pytest.Config) -> None:
    share.register(config)
    canary.install()


@pytest.fixture(autouse=True)
def no_secret_comes_out() -> Iterator[None]:
    """In whatever the test's jobs and commands have written."""
    yield
    found = canary.WATCH.take()
    assert not found, "\n".join(found)


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


@pytest.fixture(scope="module")
def deployed(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a saved state: two branches and production have small environments.

    An earlier state does not know of later ones, so a module's tests of it come after those in a
    `ready` world.
    """
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("deployed"))
    world.keep_services("notifier")
    for ref in (BRANCH, FIX, "master"):
        world.deploy(ref)
    endpoint.save("deployed")
    return "deployed"


@pytest.fixture
def three(endpoint: Endpoint, deployed: str, tmp_path: Path) -> World:
    """A world with these environments."""
    endpoint.restore(deployed)
    world = World(endpoint, tmp_path)
    world.keep_services("notifier")
    world.pipeline += 3
    world.aws.record_clear()
    return world
