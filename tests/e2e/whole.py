# SPDX-License-Identifier: MIT
"""The whole log of a job, against the one that is checked in: `logs/NAME.log`.

What differs from run to run is put into words of one form: times, tasks, revisions of git, where the
test's directories are, how often AWS was asked; of lines that say that one kind is done, the order; of
tasks that end one after the other, how many there were. All else is compared line by line, so that a
sentence that is lost, told twice or untrue is seen. With BERTH_WRITE_LOGS=1 the files are written anew,
and their difference is there to be read.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from runner import Result

LOGS = Path(__file__).parent / "logs"

MARKER = re.compile(r"section_(start|end):\d+:(\w+)(?:\[collapsed=true\])?\r\x1b\[0K")
COLOURS = re.compile(r"\x1b\[[0-9;]*[mK]")

# The first that fits is put in place; later ones see what it has left.
VARIES = [(re.compile(pattern), word) for pattern, word in [
    (r"\S*/builds/\S+?/mettel/automation", "CHECKOUT"),
    (r"^Running on \S+\.\.\.", "Running on HOST..."),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (r"(?i)\brequest [0-9A-Z-]{12,}", "request ID"),
    (r"(Checking out|automation, branch '\S+'|from '\S+'|tag '\S+') (as |at )?[0-9a-f]{8}\b", r"\1 \2SHA"),
    (r"\bat [0-9a-f]{8}\b", "at SHA"),
    (r"\b[0-9a-f]{32}\b", "TASK"),
    (r"ecs-svc/\d+", "ecs-svc/ID"),
    (r"/[0-9a-f]{16}\b", "/ID"),
    (r"\b(sg|subnet|vpc|eni)-[0-9a-f]{8,17}\b", r"\1-ID"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "DATE"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"\b\d+ min \d+ s\b|\b\d+\.\d s\b", "N s"),
    (r"\(\d+ tasks\)", "(N tasks)"),
    (r"^the same \d+ times more", "the same N times more"),
    (r", as \d+ others?\b", ", as N others"),
    (r"\d+ calls: \d+ reads", "N calls: N reads"),
    (r"[1-9]\d* retries, [1-9]\d* throttled", "N retries, N throttled"),
    (r"^((?:TIME )?)has started \d+ tasks:", r"\1has started N tasks:"),
]]
# What is so on the machine that the tests run on.
OF_HOST = re.compile(r"note: there is no 'gitlab-runner' in|WARNING: scripts run as root and can read ")
# "  ecs        10       3        0          0", "  observe    0.1 s": what AWS was asked, and how long.
TABLE = re.compile(r"^  (\w[\w ]*?) +(?:(?:\d+ +){3}\d+|N s)$")
# "security groups: 2 created, 0.1 s", in the order in which they are done; "AWS throttles calls of ec2".
DONE = re.compile(r"^(?:service )?[\w' -]+: (?:\d+ )?(?:created|updated|removed|replaced).*, N s$|"
                  r"^AWS throttles calls of ")


def plain(line: str) -> str:
    for pattern, word in VARIES:
        line = pattern.sub(word, line)
    return TABLE.sub(r"  \1 ...", line)


def unfolded(raw: str) -> Iterator[tuple[str, str]]:
    """The log's lines, each with the section of berth's that it is in, or ""; a section's title has
    "> " before it."""
    section = ""
    for line in raw.split("\n"):
        for part in re.split(r"(?=section_(?:start|end):)", line):
            marker = MARKER.match(part)
            text = MARKER.sub("", part)
            if marker:
                own = marker[1] == "start" and marker[2].startswith("berth_")
                section = marker[2] if own else ""
            if marker and marker[1] == "start":
                yield "", "> " + text
            elif text or not marker and part == line:
                yield section, text


def normal(raw_log: bytes) -> list[str]:
    lines: list[str] = []
    events: set[tuple[str, str]] = set()
    for section, line in unfolded(raw_log.decode()):
        line = plain(COLOURS.sub("", line).rstrip())
        if OF_HOST.match(line):
            continue
        if not section:
            lines.append(line)
        elif not line.startswith("TIME ") or (section, line) not in events:
            lines.append("    " + line)
        events.add((section, line))
    return in_order(lines)


def in_order(lines: list[str]) -> list[str]:
    """Of kinds that are done at about the same time, any may be the first."""
    ordered: list[str] = []
    done: list[str] = []
    for line in [*lines, ""]:
        if DONE.match(line):
            done.append(line)
            continue
        ordered += sorted(done) + [line]
        done = []
    return ordered[:-1]


def check(result: Result, name: str) -> None:
    """The log is the one that is checked in under this name."""
    path = LOGS / f"{name}.log"
    found = normal(result.raw_log)
    if os.environ.get("BERTH_WRITE_LOGS"):
        path.write_text("\n".join(found) + "\n")
    wanted = path.read_text().splitlines() if path.exists() else []
    difference = list(difflib.unified_diff(wanted, found, str(path), "this job's log", lineterm=""))
    assert found == wanted or not difference, "\n".join(
        ["the log differs; BERTH_WRITE_LOGS=1 takes it over:", *difference])
