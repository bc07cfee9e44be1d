"""The HTTP side: HTTP/1.1 with keep-alive on 127.0.0.1, a thread for each connection.

Order of things for one AWS call: half of the latency; then, under the lock, the fault that strikes if
any, the call itself, the record; then the answer, once the latency has passed since the call came. So a
call takes that long, however slow the machine, as long as work here fits into the other half.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import struct
import threading
import time
import uuid
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import metadata, wire
from .control import Control
from .dispatch import Dispatcher, is_write
from .errors import AwsError
from .headers import headers_read
from .processes import Processes
from .registry import Raw, service_find
from .sigv4 import refusal, signature_check
from .world import World

HTML = (b"<html><head><title>503 Service Temporarily Unavailable</title></head><body><center>"
        b"<h1>503 Service Temporarily Unavailable</h1></center></body></html>\n")
PHRASES = {int(status): status.phrase for status in HTTPStatus}

# Faults that keep a good answer from the client.
UNANSWERED = ("lost", "kill", "truncated", "garbage")


class Front(ThreadingHTTPServer):
    """The server; it owns the world, the lock and the record."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port: int, latency: float, speed: float, instant: bool, seed: bool) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.latency = latency
        self.answers = False  # whether the record has them
        self.speed, self.instant, self.seed = speed, instant, seed
        self.lock = threading.RLock()
        self.record: list[dict[str, Any]] = []
        self.failed: dict[str, int] = {}  # calls whose last tries have failed, and how many
        self.connections = 0
        self.open: set[socket.socket] = set()
        self.refusals = 0  # that are not over yet
        self.asked: set[socket.socket] = set()  # by tests, for what is no call of AWS's
        self.dispatcher = Dispatcher(World(speed, instant))
        self.control = Control(self)
        self.control.reset()
        self.processes = Processes(self)

    @property
    def world(self) -> World:
        return self.dispatcher.world

    def connection_number(self) -> int:
        with self.lock:
            self.connections += 1
            return self.connections

    def attempt(self, entry: dict[str, Any]) -> int:
        """Which try of the same call by the same caller this is, as far as a server can see.

        A call that did not succeed, or whose answer did not arrive, may be tried again: with the
        same input, and so with the same idempotency token.
        """
        failed = (entry["status"] is None or entry["status"] >= 400
                  or entry["fault"] in UNANSWERED)
        if not failed and not self.failed:
            return 1
        call = json.dumps([entry[m] for m in ("service", "action", "input", "principal")],
                          default=str)
        number = self.failed.pop(call, 0) + 1
        if failed:
            self.failed[call] = number
        return number

    def refuse(self, seconds: float) -> None:
        """End all connections, and refuse new ones for a while.

        Others have the socket, too: shut down it listens for none of them. It is bound anew at once,
        so that nobody takes its port meanwhile. Shut down once more, by a call that was under way, it
        would never be the same: what is then accepted would be shut down from the start.
        """
        if self.refusals == 0:
            self.socket.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):  # of a port that was asked for: it has kept it
                self.socket.bind(self.server_address)
        self.refusals += 1
        self.connections_close()
        threading.Timer(seconds, self.refuse_no_more).start()

    def refuse_no_more(self) -> None:
        with self.lock:
            self.refusals -= 1
            if self.refusals == 0:
                self.listen()

    def connections_close(self, but: socket.socket | None = None) -> None:
        """End all connections, but not those of tests; or all but one. Clients then make new ones."""
        ended = set(self.open) if but is None else (self.open | self.asked) - {but}
        self.open -= ended
        self.asked -= ended
        for connection in ended:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def connection_asks(self, connection: socket.socket) -> bool:
        """That of a test, which no fault may end once it is heard; False if one has ended it."""
        if connection not in self.open | self.asked:
            return False
        self.open.discard(connection)
        self.asked.add(connection)
        return True

    def listen(self) -> None:
        self.refusals = 0
        self.socket.listen(self.request_queue_size)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.01)  # it does not listen: the next look would be at once
            raise

    def connections_forget(self) -> None:
        """Close what is another process's, and leave it to that one."""
        for connection in self.open | self.asked:
            connection.close()
        self.open.clear()
        self.asked.clear()


class Handler(BaseHTTPRequestHandler):
    """One connection, request after request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: Front

    def setup(self) -> None:
        super().setup()
        self.number = self.server.connection_number()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        self.server.asked.discard(self.connection)
        with contextlib.suppress(OSError):  # its client may be gone
            super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ValueError):
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        """The client waits for this line before it sends the body: it must not stay buffered."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def parse_request(self) -> bool:
        """The request line and the headers, as the base class does it, which has email read these."""
        self.requestline = self.raw_requestline.decode("iso-8859-1").rstrip("\r\n")
        self.command, self.request_version = "", "HTTP/1.1"
        self.close_connection = True
        try:
            self.command, self.path, version = self.requestline.split()
            if version not in ("HTTP/1.0", "HTTP/1.1"):
                raise ValueError(f"'{version}' is not HTTP/1.1")
            self.headers = headers_read(self.rfile)  # type: ignore[assignment]
        except ValueError as error:
            self.send_error(400, str(error))
            return False
        self.request_version = version
        wanted = self.headers.get("connection", "").lower()
        self.close_connection = wanted == "close" or (version == "HTTP/1.0"
                                                      and wanted != "keep-alive")
        if self.headers.get("expect", "").lower() == "100-continue" and version == "HTTP/1.1":
            return self.handle_expect_100()
        return True

    def log_message(self, *_: Any) -> None:
        """Say nothing: the record has it."""

    def do_any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else b""
        request = wire.Request(self.command, self.path, self.headers, body)
        if self.path.startswith("/_berth/"):
            self.control_call(request)
        else:
            self.aws_call(request)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_any

    def control_call(self, request: wire.Request) -> None:
        path, front = request.path.removeprefix("/_berth/"), self.server
        with front.lock:
            if not front.connection_asks(self.connection):
                self.close_connection = True
                return  # not carried out: who asked finds that out, and asks again
            processes = {"save": front.processes.save, "restore": front.processes.restore}
            if self.command == "POST" and path in processes:
                name = json.loads(request.body or b"{}").get("name", "saved")
                processes[path](name, self)
                return
            if self.command == "POST" and path == "stop":
                front.processes.stop(self)
            status, answer = front.control.handle(self.command, path, request.body)
        self.answer_json(status, answer)

    def answer_json(self, status: int, answer: Any) -> None:
        self.answer(Raw(status, [("Content-Type", "application/json")],
                        json.dumps(answer, default=str).encode()))

    def aws_call(self, request: wire.Request) -> None:
        started, latency = time.time(), self.server.latency
        if latency:
            time.sleep(latency / 2)
        asked = time.time()
        with self.server.lock:
            begun = time.time()
            entry = {"service": "", "action": "", "input": None, "write": False, "fault": None,
                     "principal": None}
            fault, raw = self.carried_out(request, entry)
            done, due = time.time(), started + latency
            entry.update(
                n=len(self.server.record) + 1, status=raw.status if raw else None,
                start=started * 1000, end=max(done, due) * 1000,
                # How much later this one ends for having waited until others were answered.
                waited=(max(done, due) - max(done - (begun - asked), due)) * 1000,
                connection=self.number,
                bytes_in=len(request.body), bytes_out=len(raw.body) if raw else 0)
            entry.update(_error_of(raw))
            entry["attempt"] = self.server.attempt(entry)
            if self.server.answers:
                entry["answer"] = raw.body.decode("utf-8", "replace") if raw else None
            entry["invocation"] = request.headers.get("amz-sdk-invocation-id")
            self.server.record.append(entry)
        if latency:
            time.sleep(max(0.0, due - time.time()))
        if raw is None:
            self.drop(hard=fault.get("fault") in ("reset", "refused"))
        elif fault.get("fault") == "lost" or fault.get("fault") == "kill":
            self.drop(hard=False)
        else:
            if fault.get("fault") in ("slow", "cancel"):
                time.sleep(float(fault.get("seconds", 1)))
            self.answer(raw, cut=fault.get("fault") == "truncated")

    def carried_out(self, request: wire.Request, entry: dict[str, Any],
                    ) -> tuple[dict[str, Any], Raw | None]:
        """The fault that this call has ({} for none), and its answer (None: there is none)."""
        request_id = str(uuid.uuid4())
        world = self.server.world
        if request.path.startswith(metadata.PREFIXES):
            entry.update(service="metadata", action=f"{request.method} {request.path}")
            return {}, metadata.answer(world, request)
        try:
            signed = wire.service_read(request)
            if signed:
                entry["principal"] = signature_check(world, request).arn
            elif not wire.may_be_unsigned(request):
                raise refusal(request, "missing")
            wire.request_read(request)
        except AwsError as error:
            entry.update(service=request.service, action=request.action)
            return {}, _with_id(Raw(*wire.error_write(request, error, request_id)), request_id)
        entry.update(service=request.service, action=request.action, input=request.input,
                     write=is_write(request.action))
        fault = (self.server.control.kill_due()
                 or world.faults.strike(request.service, request.action, request.input or {})
                 or {})
        kind = entry["fault"] = fault.get("fault")
        if kind == "kill" and fault.get("when") == "before":
            _send(fault["pgid"], signal.SIGKILL)
            return fault, None
        if kind == "cancel":
            _send(fault["pgid"], signal.SIGTERM)
        if kind == "refused":
            self.server.refuse(float(fault.get("seconds", 1)))
        if kind in ("reset", "refused"):
            return fault, None
        if kind in ("throttle", "error", "http"):
            return fault, _with_id(_refusal(request, fault, request_id), request_id)
        world.faults.missed = False
        raw = _with_id(self.server.dispatcher.carry_out(request, request_id), request_id)
        if world.faults.missed and kind is None:  # for the record alone: the answer says so itself
            entry["fault"] = "newborn"
        if kind == "kill":
            _send(fault["pgid"], signal.SIGKILL)
        if kind == "garbage":
            raw = Raw(200, [("Content-Type", "text/plain")], b"\x00\xff}{<garbage")
        return fault, raw

    def answer(self, raw: Raw, cut: bool = False) -> None:
        if cut and not raw.body:  # half of nothing is all of it
            raw = Raw(raw.status, raw.headers, b"{}")
        headers = raw.headers + [("Date", _date(int(time.time()))),
                                 ("Content-Length", str(len(raw.body)))]
        lines = [f"{self.protocol_version} {raw.status} {PHRASES.get(raw.status, '')}",
                 *(f"{name}: {value}" for name, value in headers), "\r\n"]
        self.wfile.write("\r\n".join(lines).encode("iso-8859-1"))
        if self.command != "HEAD":
            self.wfile.write(raw.body[:len(raw.body) // 2] if cut else raw.body)
        self.wfile.flush()
        if cut:
            self.drop(hard=False)

    def drop(self, hard: bool) -> None:
        """End the connection without (the rest of) an answer; hard: by a reset."""
        self.close_connection = True
        if hard:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            # shutdown_request would send a FIN first, and a FIN is no reset.
            self.connection.close()
        else:
            with contextlib.suppress(OSError):  # its client may be gone
                self.connection.shutdown(socket.SHUT_RDWR)


@functools.lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _send(group: int, number: signal.Signals) -> None:
    """Signal a process group; one that is gone already has ended as it should."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _with_id(raw: Raw, request_id: str) -> Raw:
    name = "x-amzn-RequestId"
    return Raw(raw.status, raw.headers + [(name, request_id)], raw.body)


def _refusal(request: wire.Request, fault: dict[str, Any], request_id: str) -> Raw:
    """The answer of a call that a fault keeps from being carried out."""
    if fault["fault"] == "http":
        return Raw(fault.get("status", 503), [("Content-Type", "text/html")], HTML)
    code, status = fault.get("code", "InternalFailure"), fault.get("status", 400)
    message = fault.get("message", "a fault that the test asked for")
    if fault["fault"] == "throttle":
        code, status = THROTTLES.get(request.service, ("Throttling", 400))
        service = service_find(request.service)
        if service:
            code, status = service.throttle
        message = fault.get("message", "Rate exceeded")
    return Raw(*wire.error_write(request, AwsError(code, message, status), request_id))


def _error_of(raw: Raw | None) -> dict[str, Any]:
    """The error code and message in an answer, for the record."""
    if raw is None or raw.status < 300:
        return {"code": None, "message": None}
    text = raw.body.decode("utf-8", "replace")
    if text.startswith("{"):
        try:
            body = json.loads(text)
            return {"code": body.get("__type", "").rpartition("#")[2],
                    "message": body.get("message") or body.get("Message")}
        except ValueError:
            pass
    return {"code": _between(text, "<Code>", "</Code>"),
            "message": _between(text, "<Message>", "</Message>")}


def _between(text: str, before: str, after: str) -> str | None:
    start = text.find(before)
    return text[start + len(before):text.find(after, start)] if start >= 0 else None


# Services without a behaviour of their own here; the others' codes are in their modules.
# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html and others.
THROTTLES = {"cloudformation": ("Throttling", 400), "monitoring": ("Throttling", 400),
             "route53": ("Throttling", 400), "acm": ("ThrottlingException", 400)}
