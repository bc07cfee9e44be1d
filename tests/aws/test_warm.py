# SPDX-License-Identifier: MIT
"""What is made ready before a state is saved is what calls need, and nothing that they could see."""

from __future__ import annotations

import pytest

from .dispatch import Dispatcher
from .registry import MODULES
from .warm import READS, patterns_used, request_make
from .world import World

OUR_OWN = {"servicequotas", "tagging"}  # moto has no part in these


def test_each_service_has_its_read() -> None:
    assert set(READS) == set(MODULES) - OUR_OWN


@pytest.fixture(scope="module")
def dispatcher() -> Dispatcher:
    return Dispatcher(World(1.0, True))


@pytest.mark.parametrize("service", READS)
def test_moto_carries_it_out(dispatcher: Dispatcher, service: str) -> None:
    answer = dispatcher.forward(request_make(service, READS[service]), "1")
    assert answer.status == 200, answer.body


def test_patterns_of_nested_members_are_found() -> None:
    found = set(patterns_used())
    assert r"[\.\-_/#A-Za-z0-9]+" in found  # a log group's name
    assert len(found) > 30
