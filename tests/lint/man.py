#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages are what programs and schemas say now, and right by mandoc's own judgement.

They are those that docs/man/pages.py would write; `mandoc -Tlint` has no complaint; the synopsis of
each program is what its --help says, and each member of the schemas is on its page, as a reader sees
it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAN = ROOT / "docs" / "man"
BUILD = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build")
SCHEMAS = {"berth.json.5": "host.schema.json",
           "berth-environment.json.5": "environment.schema.json"}


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pages() -> list[Path]:
    return [source.with_suffix("") for source in sorted(MAN.glob("*.in"))]


def complaints() -> list[str]:
    """The pages refer to one another, which mandoc looks up where it is called."""
    done = subprocess.run(["mandoc", "-Tlint", *(page.name for page in pages())], cwd=MAN,
                          capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines()


def shown(page: str) -> str:
    """As a reader sees it, without bold."""
    return re.sub(".\b", "", run("mandoc", "-Tutf8", "-Owidth=200", MAN / page))


def synopsis(page: str) -> str:
    text = shown(page).partition("SYNOPSIS\n")[2].partition("\nDESCRIPTION")[0]
    return " ".join(text.split())


def usage(program: Path, *arguments: str) -> str:
    text = run(program, *arguments, "--help").partition("\n\n")[0]
    return " ".join(text.removeprefix("usage: ").split())


def wrong_usages() -> Iterator[str]:
    berth = BUILD / "bin" / "berth"
    listed = run(berth, "--help").partition("commands:\n")[2].partition("\n\n")[0]
    commands = re.findall(r"(?m)^  (\S+) ", listed)
    told = synopsis("berth.1")
    expected = " ".join([*[usage(berth, command) for command in commands],
                         "berth help [COMMAND] berth --version"])
    if not commands or told != expected:
        yield f"berth.1: its SYNOPSIS is\n  {told}\nand the commands say\n  {expected}"
    programs = ("config", "prepare", "run", "cleanup", "drive")
    told = synopsis("berth-executor.8")
    expected = " ".join(usage(BUILD / "libexec" / "berth" / program) for program in programs)
    if told != expected:
        yield f"berth-executor.8: its SYNOPSIS is\n  {told}\nand the programs say\n  {expected}"


def members(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from members(one)
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from members(value)


def missing_members() -> Iterator[str]:
    for page, schema in SCHEMAS.items():
        text = shown(page)
        wanted = set(members(json.loads((ROOT / "config" / schema).read_text())))
        for name in sorted(wanted):
            if not re.search(rf"(?m)^ +{re.escape(name)}(?: |$)", text):
                yield f"{page}: '{name}' of {schema} is missing"


def main() -> int:
    if shutil.which("mandoc") is None:
        print("man: mandoc is missing: run 'make deps'", file=sys.stderr)
        return 1
    if subprocess.run([sys.executable, MAN / "pages.py", "--check", "--build", BUILD]).returncode:
        return 1
    found = [*complaints(), *wrong_usages(), *missing_members()]
    for one in found:
        print(f"man: {one}", file=sys.stderr)
    if not found:
        print(f"man: {len(pages())} pages are what programs and schemas say")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
