"""The registry's front: TLS and ECR's ways before Debian's docker-registry.

https://distribution.github.io/distribution/spec/api/ is the protocol,
https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html which of the API's actions
each request is, https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html
what is answered where one is refused.
"""

from __future__ import annotations

import ctypes
import hashlib
import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .certificates import make

PR_SET_PDEATHSIG = 1
START_SECONDS = 60
PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>blobs/uploads|blobs|manifests)/(?P<rest>[^/]*)")
# What a registry's own words are for the API's codes.
WORDS = {"RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
         "AccessDeniedException": (403, "DENIED"),
         "NotAuthorized": (401, "UNAUTHORIZED"),
         "TOOMANYREQUESTS": (429, "TOOMANYREQUESTS"),
         "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
         "LayersNotFoundException": (400, "MANIFEST_BLOB_UNKNOWN"),
         "InvalidParameterException": (400, "MANIFEST_INVALID")}
FORWARDED = ("content-type", "content-range", "accept", "range")
GIVEN_BACK = ("content-type", "location", "range", "docker-upload-uuid", "docker-content-digest",
              "docker-distribution-api-version")
CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {0}/data}}, delete: {{enabled: true}}}}
http: {{net: unix, addr: {0}/socket, relativeurls: true}}
"""


class Refused(Exception):
    """An answer other than the one hoped for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Behind(http.client.HTTPConnection):
    """A connection to docker-registry."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Front(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, endpoint: str, work: Path, chain: Path) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.endpoint, self.behind = endpoint, str(work / "socket")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(chain)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        # The handshake is the handler's thread's: a client that does not make it keeps nobody else.
        return self.tls.wrap_socket(connection, server_side=True,
                                    do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may leave at any time."""
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)

    def control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.endpoint}/_berth/{path}",
                                         json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return dict(json.load(answer))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def log_message(self, *_: Any) -> None:
        """The endpoint has the record."""

    def do_any(self) -> None:
        self.body = self._body()
        try:
            self._answer()
        except Refused as refused:
            body = json.dumps({"errors": [{"code": refused.code, "message": refused.message}]})
            headers = [("Content-Type", "application/json")]
            if refused.status == 401:
                host = "%s:%d" % self.server.server_address[:2]
                headers.append(("WWW-Authenticate",
                                f'Basic realm="https://{host}/",service="ecr.amazonaws.com"'))
            self._send(refused.status, headers, body.encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_any

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes,
              length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # --- ECR ---

    def _ecr(self, action: str | None, ask: bool = False, **details: Any) -> Any:
        """An action of the API, as whoever has logged in; its answer."""
        layer = {name: details.pop(name) for name in ("layer", "size") if name in details}
        answer = self.server.control("push", {
            "authorization": self.headers.get("authorization", ""), "action": action,
            "input": details, "ask": ask, **layer})
        if answer["status"] >= 300:
            status, code = WORDS.get(answer["code"], (answer["status"], answer["code"]))
            raise Refused(status, code, answer["message"])
        time.sleep(answer.get("seconds", 0))  # a fault that the test asked for
        return answer.get("answer")

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        match = PATH.fullmatch(path)
        if match is None:
            self._ecr(None)
            if path.rstrip("/") != "/v2":
                raise Refused(404, "UNSUPPORTED", f"{self.command} {path}")
            self._send(200, [("Docker-Distribution-Api-Version", "registry/2.0")], b"{}")
        else:
            {"manifests": self._manifest, "blobs": self._blob, "blobs/uploads": self._upload}[
                match["kind"]](match["name"], match["rest"])

    def _forward(self, path: str | None = None) -> tuple[int, list[tuple[str, str]], bytes, int]:
        """The request, carried out by docker-registry."""
        behind = Behind(self.server.behind)
        try:
            behind.request(self.command, path or self.path, self.body or None,
                           {name: self.headers[name] for name in FORWARDED if name in self.headers})
            answer = behind.getresponse()
            body = answer.read()
            headers = [(name, value) for name, value in answer.getheaders()
                       if name.lower() in GIVEN_BACK]
            return answer.status, headers, body, int(answer.getheader("content-length") or 0)
        finally:
            behind.close()

    def _upload(self, name: str, _: str) -> None:
        """A layer in parts; its last request is a PUT with the digest."""
        if self.command == "POST":
            self._ecr("InitiateLayerUpload", ask=True, repositoryName=name)
            self._send(*self._forward(f"/v2/{name}/blobs/uploads/"))  # never from another repository
            return
        self._ecr("UploadLayerPart", ask=True, repositoryName=name)
        answer = self._forward()
        if self.command == "PUT" and answer[0] == 201:
            digest = dict((k.lower(), v) for k, v in answer[1])["docker-content-digest"]
            self._ecr("CompleteLayerUpload", repositoryName=name, layer=digest,
                      size=self._layer_size(name, digest))
        self._send(*answer)

    def _layer_size(self, name: str, digest: str) -> int:
        behind = Behind(self.server.behind)
        behind.request("HEAD", f"/v2/{name}/blobs/{digest}")
        size = int(behind.getresponse().getheader("content-length") or 0)
        behind.close()
        return size

    def _blob(self, name: str, digest: str) -> None:
        if self.command == "HEAD":
            layer = self._ecr("BatchCheckLayerAvailability", repositoryName=name,
                              layerDigests=[digest])["layers"]
            if not layer or layer[0]["layerAvailability"] != "AVAILABLE":
                raise Refused(404, "BLOB_UNKNOWN", "blob unknown to registry")
        else:
            self._ecr("GetDownloadUrlForLayer", ask=True, repositoryName=name)
        self._send(*self._forward())

    def _manifest(self, name: str, reference: str) -> None:
        key = "imageDigest" if ":" in reference else "imageTag"
        if self.command == "PUT":
            self._manifest_put(name, {key: reference})
            return
        images = self._ecr("BatchGetImage", repositoryName=name, imageIds=[{key: reference}])
        if not images["images"]:
            raise Refused(404, "MANIFEST_UNKNOWN", "Requested image not found")
        image = images["images"][0]
        self._send(200, [("Content-Type", image["imageManifestMediaType"]),
                         ("Docker-Content-Digest", image["imageId"]["imageDigest"])],
                   image["imageManifest"].encode())

    def _manifest_put(self, name: str, key: dict[str, str]) -> None:
        """The endpoint has tags, docker-registry keeps it by its digest."""
        digest = "sha256:" + hashlib.sha256(self.body).hexdigest()
        try:
            self._ecr("PutImage", repositoryName=name, imageManifest=self.body.decode(), **key,
                      imageManifestMediaType=self.headers.get("content-type"))
        except Refused as refused:
            if refused.code != "ImageAlreadyExistsException":
                raise
        status, headers, body, _ = self._forward(f"/v2/{name}/manifests/{digest}")
        self._send(status, headers, body)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _start_behind(work: Path) -> subprocess.Popen[bytes]:
    program = shutil.which("docker-registry")
    if program is None:
        raise SystemExit("serve: docker-registry is missing; make deps installs it")
    config = work / "config.yml"
    config.write_text(CONFIG.format(work))
    child = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL,
                             preexec_fn=_die_with_parent)
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            behind = Behind(str(work / "socket"))
            behind.connect()
            behind.close()
            return child
        except OSError:
            if child.poll() is not None or time.monotonic() > until:
                raise SystemExit("serve: docker-registry does not start") from None
            time.sleep(0.02)


def serve(endpoint: str, port: int) -> int:
    """Serve until SIGTERM or SIGINT."""
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before threads and children are made
    work = Path(tempfile.mkdtemp(prefix="registry-"))
    child = None
    try:
        work.chmod(0o711)
        public = work / "certs"
        public.mkdir(mode=0o755)
        chain = make(work, public)
        chain.chmod(0o600)
        child = _start_behind(work)
        front = Front(port, endpoint, work, chain)
        host = "%s:%d" % front.server_address[:2]
        front.control("registry", {"host": host})
        threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
        print(f"{host}\n{public}", flush=True)
        signal.sigwait(stop)
    finally:
        if child is not None:
            child.kill()
            child.wait()
        shutil.rmtree(work, ignore_errors=True)
    return 0
