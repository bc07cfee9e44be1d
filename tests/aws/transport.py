# SPDX-License-Identifier: MIT
"""HTTP/1.1 to the endpoint for boto3's clients, and for what tests ask the endpoint itself.

boto3 still makes, signs and understands every call. Only what carries it is ours: urllib3 allows for
proxies, TLS, redirects and whatever servers may send, and took as much of the processor as all else
that boto3 does for a call to this machine.
"""

from __future__ import annotations

import io
import select
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from .headers import headers_read

Header = tuple[str, str | bytes]


class Connection:
    """One connection, request after request. OSError if it breaks, TimeoutError if it takes too long."""

    def __init__(self, address: tuple[str, int], seconds: float) -> None:
        self.socket = socket.create_connection(address, seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")
        self.over = False  # no further request: the server ends it

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def usable(self) -> bool:
        """Whether the server, which says nothing unasked, has not ended it."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not self.over and not poll.poll(0)

    def ask(self, method: str, target: str, headers: Iterable[Header],
            body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers by their names in lower case, and the content of the answer."""
        lines = [f"{method} {target} HTTP/1.1".encode("ascii")]
        for name, value in headers:
            lines.append(name.encode("ascii") + b": " +
                         (value if isinstance(value, bytes) else value.encode("iso-8859-1")))
        self.socket.sendall(b"\r\n".join((*lines, b"", body)))
        version, _, rest = self._line().partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise ConnectionResetError("what came back is no answer")
        answered = headers_read(self.stream)
        content = self._content(method, answered)
        self.over = self.over or answered.get("connection", "").lower() == "close"
        return int(rest[:3]), answered, content

    def _line(self) -> bytes:
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the connection has ended without an answer")
        return line

    def _content(self, method: str, headers: dict[str, str]) -> bytes:
        if method == "HEAD":
            return b""
        if "content-length" not in headers:
            self.over = True
            return self.stream.read()
        length = int(headers["content-length"])
        content = self.stream.read(length)
        if len(content) < length:
            raise ConnectionResetError("the connection has ended within an answer")
        return content


class Transport:
    """What botocore calls an HTTP session; clients that share threads share it, too."""

    def __init__(self, url: str, seconds: float) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self.address = (str(parts.hostname), int(parts.port or 80))
        self.seconds = seconds
        self.idle: list[Connection] = []

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()

    def connection(self) -> Connection:
        while self.idle:
            one = self.idle.pop()
            if one.usable():
                return one
            one.close()
        return Connection(self.address, self.seconds)

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        parts = urlsplit(request.url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        body = request.body or b""
        if not isinstance(body, (bytes, bytearray)):
            body = body.encode() if isinstance(body, str) else body.read()
        try:
            connection = self.connection()
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=request.url, error=error) from error
        try:
            status, headers, content = connection.ask(
                request.method, target, [("Host", self.host), *request.headers.items()], body)
        except (OSError, ValueError) as error:
            connection.close()
            kind = ReadTimeoutError if isinstance(error, TimeoutError) else ConnectionClosedError
            raise kind(endpoint_url=request.url, error=error, request=request) from error
        self.idle.append(connection)
        answer = AWSResponse(request.url, status, headers, io.BytesIO(content))
        answer._content = content
        return answer
