# SPDX-License-Identifier: MIT
"""A GitLab for the tests: the list of a project's branches, right and wrong, on a loopback port.

https://docs.gitlab.com/api/branches/ and https://docs.gitlab.com/api/rest/#pagination; as GitLab
does, it says the total for lists by number of page alone, and links keyset pages by the name of
the last branch on each.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

TOKEN = "glpat-only-for-tests-123456"
Answer = tuple[int, dict[str, str], str]


class GitLab:
    """Holds branches, and what it does wrong: `wrong` may change or replace each answer."""

    def __init__(self, project: int, branches: list[str], default: str = "master") -> None:
        self.project, self.branches, self.default = project, list(branches), default
        self.per_page = 100  # at most
        self.wrong: Callable[[str, Answer], Answer | None] = lambda path, answer: answer
        self.requests: list[str] = []
        self.secure = False
        handler = type("Handler", (Handler,), {"gitlab": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def use_certificate(self, certificate: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.secure = True

    @property
    def url(self) -> str:
        scheme = "https" if self.secure else "http"
        return f"{scheme}://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> GitLab:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, path: str, token: str | None) -> Answer:
        if token != TOKEN:
            return 401, {}, json.dumps({"message": "401 Unauthorized"})
        parts = urlsplit(path)
        prefix = f"/api/v4/projects/{self.project}/repository/branches"
        if not parts.path.startswith(prefix):
            return 404, {}, json.dumps({"message": "404 Project Not Found"})
        rest = unquote(parts.path[len(prefix):]).lstrip("/")
        if rest:
            if rest not in self.branches:
                return 404, {}, json.dumps({"message": "404 Branch Not Found"})
            return 200, {}, json.dumps(self.entry(rest))
        return self.page({k: v[0] for k, v in parse_qs(parts.query).items()}, prefix)

    def page(self, query: dict[str, str], prefix: str) -> Answer:
        names = sorted(self.branches)
        size = min(int(query.get("per_page", 20)), self.per_page)
        headers: dict[str, str] = {}
        if query.get("pagination") == "keyset":
            names = [n for n in names if n > query.get("page_token", "")]
            found = names[:size]
            if len(found) == size:
                headers["Link"] = (f"<{self.url}{prefix}?page_token={quote(found[-1], safe='')}"
                                   f"&pagination=keyset&per_page={size}>; rel=\"next\"")
        else:
            page = int(query.get("page", 1))
            found = names[(page - 1) * size:page * size]
            headers["X-Total"] = str(len(names))
        return 200, headers, json.dumps([self.entry(name) for name in found])

    def entry(self, name: str) -> dict[str, Any]:
        return {"name": name, "default": name == self.default, "protected": name == self.default,
                "merged": False, "commit": {"id": "0" * 40}}


class Handler(BaseHTTPRequestHandler):
    gitlab: GitLab
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.gitlab.requests.append(self.path)
        answer = self.gitlab.wrong(
            self.path, self.gitlab.answer(self.path, self.headers.get("PRIVATE-TOKEN")))
        if answer is None:  # the connection ends without one
            self.close_connection = True
            return
        status, headers, text = answer
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or "Content-Length" in headers

    def log_message(self, *_: object) -> None:
        pass
