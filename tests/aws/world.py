"""All that exists: the clock, the stores of each service, the faults. `reset` makes a new one."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

from .clock import Clock
from .faults import Faults

ACCOUNT = "123456789012"
T = TypeVar("T")


class World:
    """The state of one AWS, which lives until the next reset."""

    def __init__(self, speed: float, instant: bool) -> None:
        self.clock = Clock(speed, instant)
        self.faults = Faults()
        self.page_size: int | None = None  # no page of a list holds more, whatever is asked for
        self.registry: str | None = None  # where images are pushed to, if not at AWS's own names
        self.random = random.Random(20191201)
        self._stores: dict[tuple[Any, ...], Any] = {}

    def store(self, kind: Callable[[World, str, str], T], account: str, region: str) -> T:
        """The store KIND(world, account, region), made when it is first asked for."""
        key = (kind, account, region)
        if key not in self._stores:
            self._stores[key] = kind(self, account, region)
        return self._stores[key]

    def stores(self, kind: Callable[[World, str, str], T], account: str) -> list[T]:
        """The stores of that KIND that there are, of all regions."""
        return [store for key, store in self._stores.items() if key[:2] == (kind, account)]

    def hex(self, digits: int) -> str:
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def letters(self, length: int) -> str:
        """An id as Cloud Map and IAM make them: lower case letters and digits."""
        return "".join(self.random.choices("abcdefghijklmnopqrstuvwxyz234567", k=length))

    def digits(self, length: int) -> str:
        return "".join(self.random.choices("123456789", k=length))

    def uuid(self) -> str:
        raw = self.hex(32)
        return "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
