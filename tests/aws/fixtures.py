"""Pytest fixtures: one server for the session, a fresh world for each test.

A conftest.py takes them by `from aws.fixtures import aws_server, endpoint`, with tests/ on the path.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .endpoint import Endpoint


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Endpoint]:
    """A server that all tests of the session share."""
    with Endpoint() as server:
        yield server


@pytest.fixture
def endpoint(aws_server: Endpoint) -> Endpoint:
    """The shared server, with nothing in it but the seed."""
    aws_server.reset()
    aws_server.speed(20)
    return aws_server
