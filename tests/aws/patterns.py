"""The models' regular expressions, which are Java's, for Python's `re`.

What differs: \\p{..} classes, which Python lacks, and \\w and \\d, which are ASCII in Java
(https://docs.oracle.com/javase/8/docs/api/java/util/regex/Pattern.html).
"""

from __future__ import annotations

import functools
import re
import unicodedata

CLASS = re.compile(r"\\p\{(?:Is)?([A-Z][a-z]?)\}|\\p\{(Alpha|Digit|Alnum|Punct|Graph|Print)\}")
POSIX = {"Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9", "Graph": "!-~", "Print": " -~",
         "Punct": r"!-/:-@\[-`{-~"}


@functools.lru_cache(None)
def category(name: str) -> str:
    """The characters of a Unicode category (L) or subcategory (Lu), as ranges for a [class]."""
    ranges: list[list[int]] = []
    for code in range(0x10000):
        if not unicodedata.category(chr(code)).startswith(name):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(rf"\u{first:04x}-\u{last:04x}" for first, last in ranges)


def translate(pattern: str) -> str:
    """PATTERN for Python. A \\p outside of a [class] gets one of its own."""
    text, inside, last = "", False, 0
    for found in CLASS.finditer(pattern):
        before = pattern[last:found.start()]
        for char in re.sub(r"\\.", "", before):
            inside = char == "[" if char in "[]" else inside
        members = category(found.group(1)) if found.group(1) else POSIX[found.group(2)]
        text += before + (members if inside else f"[{members}]")
        last = found.end()
    return text + pattern[last:]


@functools.lru_cache(None)
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern), re.ASCII)


def satisfies(pattern: str, value: str) -> bool:
    """Whether the whole of VALUE is as a model's pattern has it."""
    return bool(compiled(pattern).fullmatch(value))
