"""Pytest fixtures: one server for the session, a fresh world for each test.

A conftest.py takes them by `from aws.fixtures import aws_server, endpoint`, with tests/ on
the path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .endpoint import Endpoint


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Endpoint]:
    """A server that all tests of the session share.

    BERTH_PLAIN_MOTO=1 takes all behaviours out of it: the tests that then fail are those that
    would not have noticed if it were only moto.
    """
    with Endpoint(plain_moto=bool(os.environ.get("BERTH_PLAIN_MOTO"))) as server:
        yield server


@pytest.fixture
def endpoint(aws_server: Endpoint) -> Endpoint:
    """The shared server, with nothing in it but the seed."""
    aws_server.reset()
    aws_server.speed(20)
    return aws_server
