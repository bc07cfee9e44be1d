"""An AWS endpoint of one's own for tests, and what tests ask it: calls, faults, end states."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import boto3
import botocore.loaders
from botocore.config import Config

from .identity import ACCESS_KEY, SECRET_KEY
from .transport import Connection, Transport

if TYPE_CHECKING:
    from .jwt import Issuer

SERVE = Path(__file__).with_name("serve")
REGION = "us-east-1"
ACCOUNT = "123456789012"
# The role that host configurations in tests and in the demo may name; the seed plants it.
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/berth-deploy"
# The models of AWS's services: each session would read them anew for its clients.
LOADER = botocore.loaders.create_loader()
# Held while a session makes a client: sessions are not for several threads at once.
SESSIONS = threading.Lock()


@functools.lru_cache(16)
def session_of(access_key: str, secret_key: str, token: str | None) -> boto3.session.Session:
    """One session for all clients of a key: making one takes three times as long as a client."""
    session = boto3.session.Session(aws_access_key_id=access_key, region_name=REGION,
                                    aws_secret_access_key=secret_key, aws_session_token=token)
    session._session.register_component("data_loader", LOADER)
    return session


class Endpoint:
    """A running `serve`, stopped by its process id on leaving the context.

    OPTIONS are serve's: speed="instant", latency_ms=20, seed=False.
    """

    def __init__(self, port: int = 0, speed: float | str = 20, latency_ms: float = 0,
                 seed: bool = True, plain_moto: bool = False) -> None:
        self.arguments = [sys.executable, str(SERVE), "--port", str(port), "--speed", str(speed),
                          "--latency-ms", str(latency_ms)] + ([] if seed else ["--no-seed"])
        self.arguments += ["--plain-moto"] if plain_moto else []
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.spawned = False
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Endpoint:
        if not self.spawned:
            self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url.startswith("http://127.0.0.1:"):
            raise RuntimeError(f"serve did not start: exit code {self.process.wait()}")

    def stop(self) -> int:
        """Ask it to end, and give its exit code."""
        if self.spawned:
            self.control("POST", "stop", {})
            return 0
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None
        return code

    # --- clients ---

    def client(self, service: str) -> Any:
        """A boto3 client that tries each call once."""
        if service not in self._clients:
            self._clients[service] = self.client_as(service, ACCESS_KEY, SECRET_KEY)
        return self._clients[service]

    def unchecked(self, service: str) -> Any:
        """One that leaves it to the endpoint to find what is wrong with an input."""
        name = f"{service} unchecked"
        if name not in self._clients:
            self._clients[name] = self.client_as(service, ACCESS_KEY, SECRET_KEY,
                                                 parameter_validation=False)
        return self._clients[name]

    def client_as(self, service: str, access_key: str, secret_key: str,
                  token: str | None = None, **config: Any) -> Any:
        settings = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5,
                    "read_timeout": 30, "inject_host_prefix": False,
                    # botocore would put its own together anew for each call, which takes longer
                    # than to sign it.
                    "user_agent": "berth-tests", **config}
        with SESSIONS:
            client = session_of(access_key, secret_key, token).client(
                service, endpoint_url=self.url, config=Config(**settings))
        client._endpoint.http_session = Transport(self.url, settings["read_timeout"])
        return client

    def environ(self) -> dict[str, str]:
        """Variables that lead a child process here, without the ones that lead elsewhere."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return {**kept, "AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    # --- control ---

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        until = time.monotonic() + 3
        while True:
            try:
                status, content = self._ask(method, path, data)
                break
            except ConnectionError:  # by a fault, for a moment: nothing has been done then
                if time.monotonic() > until:
                    raise
            time.sleep(0.05)
        if status >= 400:
            raise ValueError(f"{method} /_berth/{path}: {status}: {content.decode()}")
        return json.loads(content)

    def _ask(self, method: str, path: str, data: bytes) -> tuple[int, bytes]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        connection = Connection((host, int(port)), 60)
        try:
            status, _, content = connection.ask(method, f"/_berth/{path}", [
                ("Host", f"{host}:{port}"), ("Content-Length", str(len(data)))], data)
        finally:
            connection.close()
        return status, content

    def reset(self) -> None:
        self.control("POST", "reset", {})

    def save(self, name: str = "saved") -> None:
        """Keep the present state, to come back to by `restore`, in milliseconds."""
        self.control("POST", "save", {"name": name})

    def restore(self, name: str = "saved") -> None:
        """Everything as it was at `save`: resources, clock, record, faults."""
        self.control("POST", "restore", {"name": name})

    def spawn(self) -> Endpoint:
        """Another server, with a copy of this one's world and a port of its own.

        It ends with its `stop`, or with this one.
        """
        other = Endpoint()
        other.url, other.spawned = str(self.control("POST", "spawn", {})["url"]), True
        return other

    def record(self, *members: str) -> list[dict[str, Any]]:
        """Every AWS call since the reset, in order; see `front`. Only its MEMBERS, if there are any
        named: reading thousands of whole calls takes a while."""
        if members:
            return list(self.control("POST", "record", {"members": members}))
        return list(self.control("GET", "record"))

    def record_clear(self) -> None:
        self.control("DELETE", "record")

    def calls(self, service: str | None = None, action: str | None = None,
              writes: bool | None = None) -> list[dict[str, Any]]:
        return [c for c in self.record() if service in (None, c["service"])
                and action in (None, c["action"]) and writes in (None, c["write"])]

    def expect(self, service: str, action: str, times: int | None = None, attempts: int | None
               = None, code: str | None = None, **members: Any) -> list[dict[str, Any]]:
        """Assert that such calls were made: TIMES of them (default: any), with these members in
        their inputs, the most persistent in ATTEMPTS tries, the last one ending with CODE."""
        found = [c for c in self.calls(service, action) if all(
            (c["input"] or {}).get(k) == v for k, v in members.items())]
        seen = [f"{c['service']}.{c['action']}" for c in self.record()]
        what = f"{service}.{action} {members or ''}"
        assert found if times is None else len(found) == times, \
            f"{len(found)} of {what}, expected {times or 'some'}; all calls: {seen}"
        most = max((c["attempt"] for c in found), default=0)
        assert attempts in (None, most), f"{what} was tried {most} times, expected {attempts}"
        assert code is None or found[-1]["code"] == code, f"{what} ended with {found[-1]['code']}"
        return found

    def expect_no_writes(self) -> None:
        """Assert that nothing was changed since the record began."""
        writes = [f"{c['service']}.{c['action']}" for c in self.calls(writes=True)]
        assert not writes, f"these calls changed something: {writes}"

    def pages(self, size: int | None) -> None:
        """No page of a list holds more than SIZE items, whatever is asked for."""
        self.control("POST", "pages", {"size": size})

    def now(self) -> float:
        """The virtual time."""
        return float(self.control("GET", "health")["now"])

    def advance(self, seconds: float) -> None:
        self.control("POST", "clock", {"advance": seconds})

    def speed(self, speed: float | str) -> None:
        self.control("POST", "clock", {"speed": speed})

    def fault(self, **rule: Any) -> None:
        """A rule as `faults` describes them; `from_` and `to` for the range of calls."""
        if "from_" in rule:
            rule["from"] = rule.pop("from_")
        self.control("POST", "faults", rule)

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def kill_at(self, n: int, when: str, pgid: int) -> None:
        """Kill a process group at the n-th AWS call from now, "before" or "after" it is done; or
        send it SIGTERM "during" that call."""
        self.control("POST", "kill", {"n": n, "when": when, "pgid": pgid})

    def enforce(self, on: bool = True) -> None:
        """Hold every principal to its policies in IAM, or nobody to any."""
        self.control("POST", "enforce", {"on": on})

    def enforce_on(self, principal: str, policy: dict[str, Any] | None = None,
                   log: str = "", asks_for: str = "") -> None:
        """Hold a user or role (its ARN) to POLICY, or to its policies in IAM. LOG: a file that
        says which statements allowed what, and for whom it was."""
        self.control("POST", "enforce", {"principal": principal, "policy": policy, "log": log,
                                         "for": asks_for})

    def expire(self, access_key: str | None = None) -> int:
        """End a session, or all of them, now; how many there were."""
        return int(self.control("POST", "expire", {"key": access_key})["expired"])

    def issuer(self, url: str, *audiences: str) -> Issuer:
        """An issuer of identity tokens that the account knows; none else signs for it."""
        from .jwt import Issuer
        made = Issuer(url)
        self.control("POST", "issuer", {"url": url, "key": made.public, "audiences": audiences})
        return made

    def quota(self, service: str, code: str, value: float | None) -> None:
        """What Service Quotas says applies to the account; None: it does not list that quota."""
        self.control("POST", "quota", {"service": service, "code": code, "value": value})

    def instance_role(self, role: str | None) -> None:
        """Which role the metadata service at this URL gives the instance."""
        self.control("POST", "host", {"role": role})

    def confirm(self, address: str) -> int:
        """Follow the link in every mail of SNS's that waits at ADDRESS; how many there were."""
        return int(self.control("POST", "confirm", {"endpoint": address})["confirmed"])

    def container(self, role: str, token: str | None = None) -> str:
        """The URL at which a new container finds its role's credentials."""
        answer = self.control("POST", "host", {"container": role, "token": token})
        return self.url + str(answer["path"])

    # --- set-up and witness ---

    def put_image(self, repository: str, tags: list[str] | str, content: str = "") -> str:
        """Put a small valid image into a repository that is there; its digest.

        Equal CONTENT gives an equal digest; nothing but the image, its layers and its tags is made.
        """
        ecr = self.client("ecr")
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                             "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        layer = (content or repository).encode()
        parts = [self._put_layer(ecr, repository, blob) for blob in (config, layer)]
        kind = "application/vnd.docker.container.image.v1+json"
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": kind, **parts[0]},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        **parts[1]}]})
        for tag in [tags] if isinstance(tags, str) else tags:
            try:
                ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
            except ecr.exceptions.ImageAlreadyExistsException:
                pass
        return "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()

    def put_list(self, repository: str, tags: list[str], digests: list[str]) -> None:
        """Put a list of images that are there, as for several platforms."""
        kind = "application/vnd.oci.image.index.v1+json"
        item = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [
            {**item, "digest": digest} for digest in digests]})
        for tag in tags:
            self.client("ecr").put_image(repositoryName=repository, imageManifest=manifest,
                                         imageTag=tag)

    @staticmethod
    def _put_layer(ecr: Any, repository: str, blob: bytes) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        known = ecr.batch_check_layer_availability(repositoryName=repository,
                                                   layerDigests=[digest])["layers"]
        if known[0]["layerAvailability"] != "AVAILABLE":
            upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
            ecr.upload_layer_part(repositoryName=repository, uploadId=upload, partFirstByte=0,
                                  partLastByte=len(blob) - 1, layerPartBlob=blob)
            ecr.complete_layer_upload(repositoryName=repository, uploadId=upload,
                                      layerDigests=[digest])
        return {"size": len(blob), "digest": digest}

    def snapshot(self, environment: str | None = None) -> dict[str, Any]:
        """A comparable description of all there is; see `snapshot`."""
        from .snapshot import Snapshot
        return Snapshot(self, environment).take()
