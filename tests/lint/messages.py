#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each message that people can see is on docs/messages.md, with its cause and its cure.

A message is a format that the source hands to what makes errors and warnings. The page tells it if
the words of one of its rows stand in it, in their order; "…" on the page stands for whatever the
source puts in. Words of the page that no source says are wrong, too. What has no row:
errors in berth itself (ERR_BUG), what `berth doctor` says (docs/doctor.md).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "messages.md"
SAYS = re.compile(r"\b(?:err_set|err_set_errno|err_wrap|log_warn|log_error|graph_warn|warning|"
                  r"usage_error|resource_set_missing|preflight_problem|capacity_problem|capacity_note|problem|"
                  r"grafana_fail|fail|strlist_addf)\(")
# Where the last line is put together of pieces.
SAYS_MORE = {"executor/engine/step.c": "strbuf_adds",
             "executor/engine/rollback.c": "strbuf_adds",
             "executor/deploy.c": "strbuf_add[fs]",
             "drivers/ecs_judge.c": "strbuf_add[fs]",
             "drivers/ecs_service_back.c": "strbuf_add[fs]",
             "drivers/ecs_restart.c": "strbuf_add[fs]",
             "drivers/ecs_run.c": "xasprintf|xstrdup",
             "drivers/ecs_stopped.c": "strbuf_add[fs]",
             "drivers/ecs_targets.c": "strbuf_add[fs]",
             "drivers/cloudformation_events.c": "strbuf_add[fs]",
             "drivers/cloudformation_stack.c": "strbuf_add[fs]",
             "drivers/elasticache_node.c": "strbuf_add[fs]"}
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
VALUE = re.compile(r"%[-+#0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|j)?[a-zA-Z]?")
# What an error needs of its own to be told from others, letters.
OWN = 7
# A format with fewer letters, and a value at its end, only says where something is.
FRAME = 10
# Where what is said is of no job and no command.
ELSEWHERE = ("doctor.c", "doctor_aws.c", "doctor_host.c", "doctor_runner.c", "doctor_user.c",
             "doctor_bench.c", "doctor_tools.c", "doctor_cache.c")
# Said of berth itself; headers and variables.
UNTOLD = ("ERR_BUG", "&headers", "headers,", "env,")


def arguments(source: str, at: int) -> str:
    """What stands between the parentheses that begin there."""
    depth, position = 0, at
    while True:
        literal = LITERAL.match(source, position)
        if literal:
            position = literal.end()
            continue
        depth += {"(": 1, ")": -1}.get(source[position], 0)
        if depth == 0:
            return source[at + 1:position]
        position += 1


def is_frame(text: str) -> bool:
    """Around words of somebody else's, or before them: "line %u: %s", "sts:%s of '%s'"."""
    return text.endswith(("%s", "%s'")) and len(re.findall("[A-Za-z]", VALUE.sub("", text))) < FRAME


def said(source: str, says: re.Pattern[str] = SAYS) -> Iterator[str]:
    for found in says.finditer(source):
        given = arguments(source, found.end() - 1)
        if any(word in given for word in UNTOLD):
            continue
        literals = re.sub(r'(?<!\\)"\s*PRI\w+\s*"', "d", given)
        literals = re.sub(r'(?<!\\)"\s*[A-Z_]*\s*"', "", literals)
        every = LITERAL.findall(literals)
        words = [text for text in every if " " in text.strip()]
        if not words or is_frame("".join(words)):
            continue
        text = "".join(every).replace('\\"', '"').replace("\\n", " ")
        if not text.startswith("--") and len(re.findall(r"[a-z]{2,}", VALUE.sub("", text))) > 1:
            yield text


def messages() -> dict[str, str]:
    """Each with where it is said."""
    found: dict[str, str] = {}
    for path in sorted([*ROOT.glob("executor/**/*.c"), *ROOT.glob("drivers/**/*.c")]):
        if path.name not in ELSEWHERE:
            where, source = str(path.relative_to(ROOT)), path.read_text()
            more = re.compile(rf"\b(?:{SAYS_MORE.get(where, 'err_set')})\(")
            for text in [*said(source), *said(source, more)]:
                found.setdefault(VALUE.sub("\0", text.replace("%%", "%")), where)
    return found


def rows() -> list[str]:
    """The words of the tables' first columns."""
    page = PAGE.read_text()
    found = []
    for line in page.splitlines():
        if line.startswith("| `") or line.startswith("| …"):
            found += re.findall(r"`([^`]+)`", re.split(r"(?<!\\) \| ", line[2:])[0])
    return found


def pattern(row: str) -> re.Pattern[str]:
    pieces = [piece for piece in row.strip("… ").split("…") if piece.strip()]
    return re.compile(".*?".join(map(re.escape, pieces)), re.DOTALL)


def main() -> int:
    told = {row: pattern(row) for row in rows()}
    used: set[str] = set()
    missing = []
    for text, where in messages().items():
        fitting = [row for row, words in told.items() if words.search(text)]
        used.update(fitting)
        if not fitting:
            missing.append(f"docs/messages.md does not tell what {where} says: "
                           f"{text.replace(chr(0), '…')}")
    vague = [f"docs/messages.md has words that say too little: {row}" for row in told
             if len(re.findall("[A-Za-z]", row)) < OWN]
    stale = [f"docs/messages.md tells of what nothing says: {row}" for row in told
             if row not in used and row not in SPOKEN_BY_OTHERS]
    print("\n".join([*missing, *vague, *stale]) or
          f"messages: {len(messages())} are told in {len(told)} words")
    return 1 if missing or vague or stale else 0


# AWS's own words, GitLab's, and what is put together of several pieces.
SPOKEN_BY_OTHERS = ("is not authorized to perform", "exit status 1", "system failure",
                    "exit status N")

if __name__ == "__main__":
    sys.exit(main())
