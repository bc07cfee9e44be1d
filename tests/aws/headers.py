# SPDX-License-Identifier: MIT
"""The headers of HTTP/1.1 messages, for both ends: Python's own are a mail parser's."""

from __future__ import annotations

from typing import BinaryIO

LINES, LINE_BYTES = 100, 65536


def headers_read(stream: BinaryIO) -> dict[str, str]:
    """The headers of a message, by their names in lower case; of several of a name, all values.

    ValueError for what is no header (https://www.rfc-editor.org/rfc/rfc9112#section-5), or too much.
    """
    headers: dict[str, str] = {}
    for _ in range(LINES):
        line = stream.readline(LINE_BYTES + 1)
        if line in (b"\r\n", b"\n", b""):
            return headers
        name, colon, value = line.decode("iso-8859-1").partition(":")
        if not colon or not name or name != name.strip() or len(line) > LINE_BYTES:
            raise ValueError(f"no header: '{line[:40]!r}'")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raise ValueError(f"more than {LINES} headers")
