# SPDX-License-Identifier: MIT
"""Mutations: named mistakes in the product's source, each with the test that must notice it.

They are in the *.txt files beside this one, in paragraphs:

    = retry: a throttled call is not tried again
    file drivers/aws/retry.c
    in case_find
    - c->class == err->class
    + c->class == err->class && c->class != ERR_THROTTLED
    test unit/test_retry test_throttled

"in" narrows the search of what follows it to one function. What stands behind "-" must occur there
exactly once, line breaks and blanks aside; the "+" takes its place (no "+": nothing does). There may be several "-"
paragraphs, each with its "+". "test" names what turns red: a unit test program and one of its
tests, or a test of pytest; its output must hold what "says" says, if there is such a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


class Stale(Exception):
    """A mutation does not fit the source any more, or a line of it says nothing."""


@dataclass
class Edit:
    """Text that goes, and what comes in its place."""

    function: str = ""
    old: str = ""
    new: str = ""


@dataclass
class Mutation:
    """One mistake. TESTS: (target, name within it); all of them must turn red."""

    name: str
    file: str = ""
    function: str = ""
    edits: list[Edit] = field(default_factory=list)
    tests: list[tuple[str, str]] = field(default_factory=list)
    says: str = ""

    @property
    def is_unit(self) -> bool:
        return all(target.startswith("unit/") for target, _ in self.tests)

    def apply(self, source: str) -> str:
        """SOURCE with the mistake in it."""
        for edit in self.edits:
            source = self._substitute(source, edit)
        return source

    def _substitute(self, source: str, edit: Edit) -> str:
        start, end = self._span(source, edit.function)
        words = (re.escape(word) for word in edit.old.split())
        found = list(re.compile(r"\s+".join(words)).finditer(source, start, end))
        if len(found) != 1:
            where = f"{self.file}, in {edit.function}" if edit.function else self.file
            raise Stale(f"'{self.name}': '{edit.old.strip()}' is {len(found)} times in {where}: "
                        "make the mutation fit the source again")
        return source[:found[0].start()] + edit.new + source[found[0].end():]

    def _span(self, source: str, function: str) -> tuple[int, int]:
        """From the definition's first line to the brace in the first column, as K&R has it."""
        if not function:
            return 0, len(source)
        name = re.escape(function)
        found = re.search(rf"^\w[^;{{}}]*?\b{name}\((?:[^;{{}}])*?\)\n\{{$(?:.|\n)*?^\}}$", source,
                          re.MULTILINE)
        if found is None:
            raise Stale(f"'{self.name}': {self.file} has no function '{function}'")
        return found.start(), found.end()


def _read(path: Path) -> Iterator[Mutation]:
    mutation: Mutation | None = None
    before = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        kind, _, text = line.partition(" ")
        if not kind or kind.startswith("#"):
            before = ""
            continue
        if kind == "=":
            if mutation is not None:
                yield mutation
            mutation = Mutation(text)
        elif mutation is None:
            raise Stale(f"{path}:{number}: this line belongs to no mutation")
        else:
            _take(mutation, kind, text, before, f"{path}:{number}")
        before = kind
    if mutation is not None:
        yield mutation


def _take(mutation: Mutation, kind: str, text: str, before: str, where: str) -> None:
    if kind == "-":
        if before != "-":
            mutation.edits.append(Edit(mutation.function))
        mutation.edits[-1].old += text + "\n"
    elif kind == "+" and before in "-+":
        edit = mutation.edits[-1]
        edit.new += ("\n" if edit.new else "") + text
    elif kind == "test":
        target, _, name = text.partition(" ")
        mutation.tests.append((target, name))
    elif kind in ("file", "in", "says"):
        setattr(mutation, "function" if kind == "in" else kind, text)
    else:
        raise Stale(f"{where}: a line cannot begin with '{kind}' here")


def mutations_read(directory: Path = HERE) -> list[Mutation]:
    """All mutations there are. Raises Stale if one is not whole, or two have one name."""
    found = [m for path in sorted(directory.glob("*.txt")) for m in _read(path)]
    for mutation in found:
        if not (mutation.file and mutation.edits and mutation.tests):
            raise Stale(f"'{mutation.name}' lacks its file, what changes, or its test")
    names = [m.name for m in found]
    for name in names:
        if names.count(name) > 1:
            raise Stale(f"'{name}' is the name of two mutations")
    return found


def mutations_fit(mutations: list[Mutation], root: Path) -> None:
    """Raise Stale unless every mutation fits the sources under ROOT and changes them."""
    for mutation in mutations:
        source = (root / mutation.file).read_text()
        if mutation.apply(source) == source:
            raise Stale(f"'{mutation.name}' changes nothing")
