#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages: what a person has written, in *.in, with what the programs and schemas say.

    docs/man/pages.py [--build build]            writes the pages beside their sources
    docs/man/pages.py [--build build] --check    fails where they are not what would be written

A line of a source that is `@synopsis`, `@commands`, `@usage PROGRAM` or `@schema FILE` is replaced:
by the usage lines of `berth help COMMAND`, by each command's help, by a program's own `--help`, by
all members of a JSON schema. The language is mdoc (mandoc's mdoc(7)), one sentence a line.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WIDTH = 78

# What the parts of the schemas are called; a part that has members of its own needs a name.
TITLES = {
    "project": "A project", "production": "Production", "ephemeral": "Ephemeral environments",
    "limits": "Limits", "filters": "Filters", "network": "The network", "module": "A module",
    "coverage": "Coverage", "lint": "Linting", "repository": "A repository", "record": "A record", "role": "A role",
    "cluster": "The cluster", "discovery": "Service discovery", "redis": "Redis",
    "grafana": "Grafana", "grafanaUser": "A user of Grafana", "stack": "A stack", "logs": "Logs",
    "alarms": "Alarms", "alarmDefaults": "What all alarms have",
    "runningTasks": "Alarms of running tasks", "runningTasksOf": "The alarm of one service",
    "metricAlarm": "An alarm", "attributes": "Attributes", "listener": "A listener",
    "targetGroup": "A target group", "loadBalancer": "The load balancer", "service": "A service",
    "action": "An action", "port": "A port", "healthCheck": "A container's health check",
    "serviceDiscovery": "A service's registration", "dimensions": "Dimensions",
    "subnets": "Subnets", "conditionValues": "Values of a condition",
    "alarmActions": "An alarm's actions",
}


def escape(text: str) -> str:
    text = text.replace("\\", "\\e").replace("`", "'")
    return re.sub(r"^([.'])", r"\\&\1", text)


def prose(text: str) -> Iterator[str]:
    """One sentence a line, as mdoc wants it, and none too long."""
    text = " ".join(text.split())
    if text and text[-1] not in ".:!?":
        text += "."
    for sentence in re.split(r"(?<=[a-z0-9)'\"\]][.;:!?]) (?=[A-Z\"'(*])|(?<=\.) (?=Default)", text):
        for line in textwrap.wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False):
            yield escape(line)


# -- what the programs say -----------------------------------------------------------------------


def said(program: Path, *arguments: str) -> str:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


def usage_of(text: str) -> str:
    usage = text.partition("\n\n")[0]
    return " ".join(usage.removeprefix("usage: ").split())


def commands(build: Path) -> list[str]:
    listed = said(build / "bin" / "berth", "--help").partition("commands:\n")[2]
    return re.findall(r"(?m)^  (\S+) ", listed.partition("\n\n")[0])


def synopsis_line(usage: str) -> Iterator[str]:
    """ "berth plan --ref BRANCH [--json]" as .Nm, .Cm, .Fl and .Op. """
    words = re.findall(r"\[[^\]]*\](?:\.\.\.)?|--\S+ [A-Z=]+(?= |$)|\S+", usage)
    yield f".Nm {words[0]}"
    for word in words[1:]:
        bare, dots = word.strip("[]."), " Ns ..." if word.endswith("...") else ""
        flag, _, argument = bare.partition(" ")
        if flag.startswith("--"):
            text = f"Fl -{flag[2:]}" + (f" Ar {argument}" if argument else "")
        elif flag.isupper():
            text = f"Ar {flag}"
        else:
            text = f"Cm {flag}"
        if not word.startswith("["):
            yield f".{text}"
        elif dots:
            yield f".Oo {text} Oc{dots}"
        else:
            yield f".Op {text}"


def synopsis(build: Path) -> Iterator[str]:
    for command in commands(build):
        yield from synopsis_line(usage_of(said(build / "bin" / "berth", command, "--help")))
    yield from (".Nm berth", ".Cm help", ".Op Ar COMMAND", ".Nm berth", ".Fl -version")


Option = tuple[str, str, str]


def options_of(build: Path, command: str) -> list[Option]:
    """Name, argument and meaning of each."""
    listed = said(build / "bin" / "berth", command, "--help").partition("\noptions:\n")[2]
    return re.findall(r"(?m)^  --(\S+)(?: (\S+))? {2,}(.*)$", listed)


def option_list(options: list[Option]) -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    for option, argument, help_text in options:
        yield f".It Fl -{option}" + (f" Ar {argument}" if argument else "")
        yield from prose(help_text[0].upper() + help_text[1:])
    yield ".El"


def command_section(build: Path, command: str, common: list[Option]) -> Iterator[str]:
    text = said(build / "bin" / "berth", command, "--help")
    what = text.partition("\n\n")[2].partition("\n\noptions:\n")[0]
    yield f".Ss berth {command}"
    for n, paragraph in enumerate(what.strip().split("\n\n")):
        if n:
            yield ".Pp"
        yield from prose(paragraph)
    own = [option for option in options_of(build, command) if option not in common]
    if own:
        yield from option_list(own)


def command_sections(build: Path) -> Iterator[str]:
    """What most commands take is told once."""
    taken = {command: options_of(build, command) for command in commands(build)}
    every = [option for options in taken.values() for option in options]
    common = [one for one in dict.fromkeys(every) if every.count(one) > 3]
    for command in taken:
        yield from command_section(build, command, common)
    yield ".Ss Options of several commands"
    yield from option_list(common)


# -- what the schemas say --------------------------------------------------------------------------


class Schema:
    """A JSON schema as sections of a page: its members, then each part that has members."""

    def __init__(self, path: Path) -> None:
        self.root = json.loads(path.read_text())
        self.defs: dict[str, Any] = self.root.get("$defs", {})

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            rest = {k: v for k, v in schema.items() if k != "$ref"}
            schema = self.defs[schema["$ref"].rpartition("/")[2]] | rest
        return schema

    def part(self, schema: dict[str, Any]) -> str | None:
        """The section that tells of it."""
        name = schema.get("$ref", "").rpartition("/")[2]
        return TITLES[name] if name and self.inner(self.defs[name]) else None

    def type_of(self, schema: dict[str, Any]) -> str:
        """In words."""
        title = self.part(schema)
        if title:
            return f"see \"{title}\""
        schema = self.resolve(schema)
        if "enum" in schema:
            values = [json.dumps(value) for value in schema["enum"]]
            return values[0] if len(values) == 1 else ", ".join(values[:-1]) + f" or {values[-1]}"
        if "const" in schema:
            return json.dumps(schema["const"])
        if "anyOf" in schema or "oneOf" in schema:
            kinds = [self.type_of(one) for one in schema.get("anyOf", schema.get("oneOf"))]
            return ", or ".join(dict.fromkeys(kinds))
        kind = schema.get("type", "any value")
        if isinstance(kind, list):
            return " or ".join("null" if k == "null" else self.type_of(schema | {"type": k})
                               for k in kind)
        if kind == "array":
            return f"list, each item {self.type_of(schema.get('items', {}))}"
        if kind in ("integer", "number"):
            return self.number_of(schema)
        return {"boolean": "true or false", "string": "text", "null": "null"}.get(kind, kind)

    @staticmethod
    def number_of(schema: dict[str, Any]) -> str:
        word = "whole number" if schema["type"] == "integer" else "number"
        least, most = schema.get("minimum"), schema.get("maximum")
        if least is not None and most is not None:
            return f"{word} from {least} to {most}"
        return word if least is None else f"{word} from {least}"

    def entry(self, name: str, schema: dict[str, Any], argument: bool = False) -> Iterator[str]:
        whole = self.resolve(schema)
        yield f".It {'Ar' if argument else 'Cm'} {escape(name)}"
        kind = self.type_of(schema)
        default = whole.get("default", schema.get("default"))
        if default is not None and "efault" not in whole.get("description", ""):
            kind += f"; default {default if isinstance(default, str) else json.dumps(default)}"
        yield from prose(kind[0].upper() + kind[1:])
        if "description" in whole:
            yield from prose(whole["description"])
        if self.part(schema) is None:
            inner = self.inner(whole)
            if inner:
                yield from self.members(inner)

    def inner(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        """The object within a list, or among several kinds."""
        if "properties" in schema or "patternProperties" in schema or \
                isinstance(schema.get("additionalProperties"), dict):
            return schema
        items = [schema["items"]] if isinstance(schema.get("items"), dict) else []
        kinds = [self.inner(one) for one in [*items, *schema.get("anyOf", []),
                                             *schema.get("oneOf", [])] if "$ref" not in one]
        found = [kind for kind in kinds if kind]
        if len(found) < 2:
            return found[0] if found else None
        return {"properties": {name: member for kind in found
                               for name, member in kind.get("properties", {}).items()}}

    def members(self, schema: dict[str, Any]) -> Iterator[str]:
        yield ".Bl -tag -width Ds"
        for name, member in schema.get("properties", {}).items():
            if name == "$schema":
                yield from self.entry(name, {
                    "type": "string", "description": "The schema's address, for editors."})
            else:
                yield from self.entry(name, member)
        for member in schema.get("patternProperties", {}).values():
            yield from self.entry("name", member, argument=True)
        if isinstance(schema.get("additionalProperties"), dict):
            yield from self.entry("name", schema["additionalProperties"], argument=True)
        yield ".El"

    def sections(self) -> Iterator[str]:
        yield from self.members(self.root)
        for name, part in self.defs.items():
            inner = self.inner(part)
            if inner is None:
                continue
            yield f".Ss {TITLES[name]}"
            if "description" in part:
                yield from prose(part["description"])
            yield from self.members(inner)


# -- the pages -------------------------------------------------------------------------------------


def replace(line: str, build: Path) -> Iterator[str]:
    word, _, argument = line.partition(" ")
    if word == "@synopsis":
        yield from synopsis(build)
    elif word == "@commands":
        yield from command_sections(build)
    elif word == "@usage":
        yield from synopsis_line(usage_of(said(build / "libexec" / "berth" / argument, "--help")))
    elif word == "@schema":
        yield from Schema(ROOT / "config" / argument).sections()
    else:
        yield line


def page(source: Path, build: Path) -> str:
    lines = source.read_text().split("\n")
    return "\n".join(made for line in lines for made in replace(line, build))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = []
    for source in sorted(HERE.glob("*.in")):
        path = source.with_suffix("")
        text = page(source, options.build)
        if not options.check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        print(f"man: {', '.join(stale)}: run 'make man'", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
