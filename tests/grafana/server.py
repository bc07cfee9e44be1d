# SPDX-License-Identifier: MIT
"""A Grafana behind a load balancer, for tests and demo: HTTPS on a loopback port.

Names in DNS are not ours to make, so a proxy leads to it, as a host's HTTPS_PROXY does: it takes
CONNECT (RFC 9110, 9.3.6) to any name that the certificate is for, and knows no other.
"""

from __future__ import annotations

import fnmatch
import json
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from grafana.api import Api, State

ADMIN = "admin"


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of that method to that path (* matches all).

    `status` and `body`: the load balancer's answer instead of Grafana's; `after`: Grafana has
    answered already, and the answer is lost. `delay`: seconds. `drop`: the connection ends.
    """

    path: str = "*"
    method: str = "*"
    times: int = 1
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drop: bool = False
    after: bool = False


@dataclass
class Request:
    method: str
    path: str
    body: Any
    status: int = 0

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


def make_certificate(directory: Path, names: Iterable[str], days: int = 2) -> tuple[Path, Path]:
    """A certificate that signs itself, for these names and 127.0.0.1, and its key."""
    certificate, key = directory / "grafana.pem", directory / "grafana.key"
    alternatives = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", str(days), "-subj", "/CN=Grafana of the tests", "-addext",
                    f"subjectAltName={alternatives}"], check=True, capture_output=True)
    return certificate, key


class Grafana:
    """Serves a State over TLS; with `proxy`, by CONNECT to any of `names`."""

    def __init__(self, directory: Path, password: str,
                 names: Iterable[str] = ("*.mettel-automation.net",)) -> None:
        self.names = list(names)
        self.certificate, key = make_certificate(directory, self.names)
        self.password = password
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.mutex = threading.Lock()
        self.server = Server(type("Bound", (Handler,), {"grafana": self}), self.context)
        self.tunnel = Server(type("Bound", (Tunnel,), {"grafana": self}), None)
        self.reset()

    def reset(self) -> None:
        """As a new installation: one user, the administrator of all."""
        self.state = State()
        self.state.add_user(ADMIN, self.password, "admin@localhost", role="Admin",
                            server_admin=True)
        self.requests: list[Request] = []
        self.faults: list[Fault] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_port}/"

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.tunnel.server_port}"

    def writes(self) -> list[str]:
        return [f"{r.method} {r.path}" for r in self.requests if r.is_write]

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method in ("*", method) and \
                    fnmatch.fnmatchcase(path, fault.path):
                fault.times -= 1
                return fault
        return None

    def __enter__(self) -> Grafana:
        self.server.start()
        self.tunnel.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.tunnel.stop()
        self.server.stop()


class Server(ThreadingHTTPServer):
    """The handshake is the connection's own thread's to make: nobody waits for another."""

    daemon_threads = True

    def __init__(self, handler: type, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.context = context
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            if self.context is not None:
                request = self.context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except (ssl.SSLError, ConnectionError):
            pass
        finally:
            if self.context is not None:
                request.close()

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(BaseHTTPRequestHandler):
    grafana: Grafana
    protocol_version = "HTTP/1.1"

    def serve(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(text) if text else None
        except ValueError:
            body = None
        request = Request(self.command, self.path, body)
        grafana = self.grafana
        with grafana.mutex:
            grafana.requests.append(request)
            fault = grafana.take_fault(self.command, self.path)
            if fault is None or fault.after or not (fault.status or fault.drop):
                request.status, answer = Api(grafana.state).answer(
                    self.command, self.path, self.headers.get("Authorization"), text)
        if fault:
            time.sleep(fault.delay)
        if fault and fault.drop:
            self.close_connection = True
        elif fault and fault.status:
            request.status = fault.status
            self.reply(fault.status, fault.body, fault.headers)
        else:
            self.reply(request.status, json.dumps(answer), {})

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve

    def reply(self, status: int, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json; charset=UTF-8",
                             "Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Tunnel(BaseHTTPRequestHandler):
    grafana: Grafana
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        name = self.path.rpartition(":")[0]
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in self.grafana.names):
            self.send_error(502, "no such host")
            return
        with socket.create_connection(
                ("127.0.0.1", self.grafana.server.server_port)) as inner:
            self.send_response(200)
            self.end_headers()
            self.pump(inner)
        self.close_connection = True

    def pump(self, inner: socket.socket) -> None:
        other = {self.connection: inner, inner: self.connection}
        try:
            while True:
                for ready in select.select(list(other), [], [], 60)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    other[ready].sendall(data)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass
