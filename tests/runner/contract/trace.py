# SPDX-License-Identifier: MIT
"""The job log: masked as it comes in, limited in size, and as GitLab's page shows it.

helpers/trace/buffer.go and internal (masker, token_sanitizer, urlsanitizer). Each stream that
writes to the log has a masker of its own, so that a secret that is split over two streams is not
masked.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence

LIMIT = 4 * 1024 * 1024  # common/const.go, DefaultTraceOutputLimit
MASK = b"[MASKED]"
TOKEN_PREFIXES = (b"glpat-", b"gldt-", b"glrt-", b"glcbt-", b"glptt-", b"glsoat-", b"glagent-")
URL_PARAMETERS = (
    b"private_token", b"authenticity_token", b"rss_token", b"x-amz-signature",
    b"x-amz-security-token", b"x-amz-credential",
)
URL_PREFIXES = tuple(mark + name + b"=" for name in URL_PARAMETERS for mark in (b"?", b"&"))
PREFIX_FIRSTS = b"".join(p[:1].lower() + p[:1].upper() for p in TOKEN_PREFIXES + URL_PREFIXES)
PREFIX = rb"(?P<prefix>(?i:" + b"|".join(
    re.escape(p) for p in TOKEN_PREFIXES + URL_PREFIXES) + rb"))"
TOKEN_BYTES = re.compile(rb"[A-Za-z0-9_.\-]*")
URL_BYTES = re.compile(rb"[^&\s]*")
SECTION = re.compile(rb"section_(?:start|end):\d+:[^\r\n]*\r(?:\x1b\[0K)?")
COLOUR = re.compile(rb"\x1b\[[0-9;]*[mK]")

RESET, GREEN, RED, YELLOW, CLEAR = "\x1b[0;m", "\x1b[32;1m", "\x1b[31;1m", "\x1b[0;33m", "\x1b[0K"


class Masker:
    """Replaces secrets in one stream; keeps back no more than what may be the start of one."""

    def __init__(self, phrases: Sequence[bytes], output: Callable[[bytes], None]) -> None:
        self._phrases = sorted({p for p in phrases if p}, key=len, reverse=True)
        self._prefixes = TOKEN_PREFIXES + URL_PREFIXES
        self._output = output
        self._kept = b""
        self._eating: re.Pattern[bytes] | None = None
        self._firsts = {p[0] for p in self._phrases} | set(PREFIX_FIRSTS)
        alternatives = [re.escape(p) for p in self._phrases]
        alternatives.append(PREFIX)
        self._pattern = re.compile(b"|".join(alternatives))

    def write(self, data: bytes) -> None:
        self._process(self._kept + data, final=False)

    def close(self) -> None:
        self._process(self._kept, final=True)

    def _process(self, data: bytes, final: bool) -> None:
        result = bytearray()
        limit = len(data) if final else self._safe_length(data)
        position = 0
        while position < len(data):
            if self._eating is not None:
                eaten = self._eating.match(data, position)
                position = eaten.end() if eaten else position
                if position == len(data):
                    break
                self._eating = None
            match = self._pattern.search(data, position)
            if match is None or match.start() >= limit:
                break
            result += data[position : match.start()] + (match["prefix"] or b"") + MASK
            position = match.end()
            if match["prefix"]:
                url = match["prefix"][:1] in b"?&"
                self._eating = URL_BYTES if url else TOKEN_BYTES
        cut = max(position, limit)
        result += data[position:cut]
        self._kept = data[cut:]
        if result:
            self._output(bytes(result))

    def _safe_length(self, data: bytes) -> int:
        """Up to here nothing can turn into a secret by what comes next."""
        wanted = [(p, False) for p in self._phrases] + [(p, True) for p in self._prefixes]
        longest = max(len(p) for p, _ in wanted) - 1
        for start in range(max(0, len(data) - longest), len(data)):
            if data[start] not in self._firsts:
                continue
            tail = data[start:]
            lower = tail.lower()
            for phrase, fold in wanted:
                if len(phrase) > len(tail) and phrase.startswith(lower if fold else tail):
                    return start
        return len(data)


class Trace:
    """The job log. `finish` ends it: what is written after that goes nowhere, as with the
    runner."""

    def __init__(self, phrases: Sequence[bytes], show: Callable[[bytes], None]) -> None:
        self._phrases = phrases
        self._show = show
        self._lock = threading.Lock()
        self._content = bytearray()
        self._finished = False

    def stream(self) -> Masker:
        """A new sink for one pipe."""
        return Masker(self._phrases, self._append)

    def _append(self, data: bytes) -> None:
        with self._lock:
            if self._finished or len(self._content) > LIMIT:
                return
            if len(self._content) + len(data) > LIMIT:
                data = data[: LIMIT - len(self._content)] + (
                    f"\n{YELLOW}Job's log exceeded limit of {LIMIT} bytes.\n"
                    f"Job execution will continue but no more output will be collected.{RESET}\n"
                ).encode()
            self._content += data
            self._show(data)

    def _line(self, text: str) -> None:
        masker = self.stream()
        masker.write(text.encode("utf-8", "surrogateescape") + b"\n")
        masker.close()

    def plain(self, text: str) -> None:
        self._line(f"{RESET}{text}{RESET}")

    def info(self, text: str) -> None:
        self._line(f"{GREEN}{text}{RESET}")

    def warning(self, text: str) -> None:
        self._line(f"{YELLOW}WARNING: {text}{RESET}")

    def error(self, text: str) -> None:
        self._line(f"{RED}ERROR: {text}{RESET}")

    def section(self, name: str, header: str) -> Callable[[], None]:
        """helpers/trace sections (common/build_section.go); the result ends the section."""
        self._raw(f"section_start:{int(time.time())}:{name}\r{CLEAR}{RESET}{CLEAR}")
        self._line(f"\x1b[36;1m{header}{RESET}{CLEAR}")
        return lambda: self._raw(f"section_end:{int(time.time())}:{name}\r{CLEAR}")

    def _raw(self, text: str) -> None:
        self._append(text.encode())

    def finish(self) -> None:
        with self._lock:
            self._finished = True

    @property
    def content(self) -> bytes:
        with self._lock:
            return bytes(self._content)


def readable(content: bytes, colours: bool = False) -> bytes:
    """As GitLab's page shows it: without the marks of sections, and, for a file, without
    colours."""
    text = SECTION.sub(b"", content)
    return text if colours else COLOUR.sub(b"", text)


class Viewer:
    """Shows the log while it grows, line by line."""

    def __init__(self, write: Callable[[bytes], None], colours: bool) -> None:
        self._write = write
        self._colours = colours
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        lines, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if newline:
            self._write(readable(lines + newline, self._colours))

    def close(self) -> None:
        rest = readable(self._rest, self._colours)
        if rest:
            self._write(rest + b"\n")
        self._rest = b""
