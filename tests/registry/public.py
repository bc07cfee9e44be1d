"""A registry that anybody may read, after a token, as Docker Hub's: one image for one platform.

It has nothing of ECR's, and can answer as a registry must not: `mode` names how. What it was asked
is in `asked`, a line "METHOD path" for each request.

https://distribution.github.io/distribution/spec/api/#pulling-an-image
https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import ssl
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .certificates import make

NAME, TAG = "library/base", "1"
TOKEN = "anybodys-token"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def image(content: str) -> dict[str, bytes]:
    """What a registry has of an image with one file: its parts by their digests, the manifest as
    "manifest"."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("base")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content.encode()))
    layer = gzip.compress(archive.getvalue(), mtime=0)
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [digest_of(archive.getvalue())]},
                         "history": [{"created_by": "a test"}]}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest_of(config)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest_of(layer)}]}).encode()
    return {digest_of(layer): layer, digest_of(config): config, "manifest": manifest}


class Public(ThreadingHTTPServer):
    """The registry; `certificates` is for the host config."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.host = "%s:%d" % self.server_address[:2]
        self.image = f"{self.host}/{NAME}:{TAG}"
        self.certificates = directory / "certs"
        self.certificates.mkdir(mode=0o755)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(make(directory, self.certificates))
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.mode, self.asked = "", list[str]()
        self.put("first")

    def put(self, content: str) -> None:
        self.parts = image(content)

    def handle_error(self, *_: object) -> None:
        """Clients that do not trust it leave."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Public

    def log_message(self, *_: object) -> None:
        """`asked` has it."""

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.path.startswith("/token"):
            self._token()
        elif self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._challenge()
        elif "/manifests/" in self.path:
            self._manifest()
        else:
            digest = self.path.rpartition("/")[2]
            self._send(200 if digest in self.server.parts else 404,
                       self.server.parts.get(digest, b""))

    do_HEAD = do_GET

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _challenge(self) -> None:
        scheme = "http" if self.server.mode == "realm in clear" else "https"
        realm = f'realm="{scheme}://{self.server.host}/token"'
        if self.server.mode == "basic":
            self._send(401, WWW_Authenticate=f"Basic {realm}")
        else:
            self._send(401, WWW_Authenticate=f'Bearer {realm},service="tests",'
                                             f'scope="repository:{NAME}:pull"')

    def _token(self) -> None:
        token = {"token with a line": f"{TOKEN}\r\nX-Evil: 1", "token of 1 MB": "x" * 10**6,
                 "no token": None}.get(self.server.mode, TOKEN)
        self._send(200, json.dumps({"token": token}).encode())

    def _manifest(self) -> None:
        manifest = self.server.parts["manifest"]
        digest = {"no digest": "", "digest of no form": "sha256:../../x"}.get(
            self.server.mode, digest_of(manifest))
        status = {"elsewhere": 307, "too often": 429, "broken": 500,
                  "no pulls": 403 if self.command == "GET" else None}.get(self.server.mode)
        known = (TAG, digest_of(manifest))
        if status:
            self._send(status, Location=f"https://{self.server.host}/v2/else/manifests/1")
        elif self.path.rpartition("/")[2] not in known:
            self._send(404, b"{}")
        else:
            self._send(200, manifest, Content_Type=MANIFEST,
                       **({"Docker_Content_Digest": digest} if digest else {}))


@contextmanager
def public() -> Iterator[Public]:
    """It serves until the block ends."""
    with tempfile.TemporaryDirectory(prefix="public-", dir="/var/lib") as name:
        Path(name).chmod(0o711)
        with Public(Path(name)) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
