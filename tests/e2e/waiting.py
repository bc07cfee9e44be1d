# SPDX-License-Identifier: MIT
"""Waiting for what a test needs to have happened, instead of for a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from world import World

SECONDS = 120.0  # many times what anything takes on a busy machine

Seen = TypeVar("Seen")


def until(look: Callable[[], Seen | None], seconds: float = SECONDS) -> Seen:
    """What `look` finds, as soon as that is true of anything."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def wait_for_call(world: World, action: str) -> None:
    """Until the endpoint has been asked for it; it notes a call before a fault delays the answer."""
    until(lambda: world.aws.calls(action=action))


@contextlib.contextmanager
def frozen(world: World) -> Iterator[None]:
    """Nothing that takes time ends."""
    world.aws.speed(0.001)
    try:
        yield
    finally:
        world.aws.speed("instant")
