# SPDX-License-Identifier: MIT
"""What a case is, and what can come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .rules import find_rule

if TYPE_CHECKING:
    from .bench import Bench


class Broken(Exception):
    """The executor breaks the rule; the text is the evidence."""


class NotApplicable(Exception):
    """The case says nothing about this executor; the text is why."""


def require(holds: object, evidence: str) -> None:
    if not holds:
        raise Broken(evidence)


@dataclass(frozen=True)
class Case:
    """`play` returns the evidence that the rules hold, or raises one of the two above."""

    name: str
    rules: tuple[str, ...]
    title: str
    play: Callable[[Bench], str]

    def concerns(self, wanted: str) -> bool:
        """A rule's number, a chapter's, or the case's own name."""
        return self.name == wanted or any(
            number == wanted or number.startswith(f"{wanted}.") for number in self.rules
        )


CASES: list[Case] = []


def case(*rules: str) -> Callable[[Callable[[Bench], str]], Callable[[Bench], str]]:
    """Registers a function as a case: its name is the case's, its first line the title."""
    for number in rules:
        find_rule(number)

    def register(play: Callable[[Bench], str]) -> Callable[[Bench], str]:
        title = " ".join((play.__doc__ or "").partition("\n\n")[0].split()).rstrip(".")
        CASES.append(Case(play.__name__.replace("_", "-"), rules, title, play))
        return play

    return register
