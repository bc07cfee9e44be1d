# SPDX-License-Identifier: MIT
"""A runner host on which images are built, and the registry that they are pushed to: fixtures and
helpers for the tests of <module>-build."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import policed
from jobhost import JobHost, make_users, processes, processes_of, remove_users
from registry import Registry
from runner import Result, RunningJob, make_options
from world import BRANCH, Endpoint

USER, SYSTEM = 1, 2
PRINCIPAL = "arn:aws:iam::123456789012:user/berth"
PROBE = "int main(int n, char **v) { (void)v; return n > 9; }\n"
HANG = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"
# One that is gone when it is looked at, and always there: it counts in the file that it is given.
CHAIN = """
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int fd = open(argv[argc - 1], O_RDWR | O_CREAT, 0666);
    unsigned long *count = ftruncate(fd, 8) == 0
        ? mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : NULL;
    time_t end = time(NULL) + 60;
    signal(SIGTERM, SIG_IGN);
    setsid();
    while (time(NULL) < end) {
        if (fork() > 0)
            _exit(0);
        ++*count;
    }
    return 0;
}
"""
# On a host without systemd, as this one may be.
PODMAN = ["podman", "--cgroup-manager=cgroupfs"]
PLAIN = "FROM scratch\nCOPY api/ /srv/\nENTRYPOINT [\"/srv/program\"]\n"


@pytest.fixture(scope="module")
def users(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """As many as the module's USERS says, one if it says nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can run builds as another user")
    names = make_users(getattr(request.module, "USERS", 1))
    yield names
    remove_users(names)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Static programs, since an image built on nothing has no libraries."""
    directory = tmp_path_factory.mktemp("compiled")
    for name, text in (("program", PROBE), ("hang", HANG), ("chain", CHAIN)):
        (directory / f"{name}.c").write_text(text)
        subprocess.run(["gcc", "-static", "-Os", "-o", directory / name, directory / f"{name}.c"],
                       check=True)
    return directory


@pytest.fixture(scope="module")
def registry(endpoint: Endpoint) -> Iterator[Registry]:
    with Registry(endpoint.url) as started:
        yield started
    endpoint.control("POST", "registry", {"host": None})


class ImageHost(JobHost):
    """A project with a module `api`, whose repository is there."""

    def __init__(self, users: list[str], aws: Endpoint, registry: Registry, compiled: Path) -> None:
        super().__init__(users)
        self.aws, self.registry, self.pipeline, self.denied = aws, registry, 100, False
        self.config_path = Path(self.environ["BERTH_CONFIG"])
        self.environ |= {"AWS_ENDPOINT_URL": aws.url, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
                         "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
        self.police = policed.Police(self) if policed.WANTED else None  # type: ignore[arg-type]
        self.environ |= self.police.environ() if self.police else {}
        certificates = shutil.copytree(registry.certificates, self.directory / "certificates")
        self.config |= {"builder": "buildah", "registry": {"certificates": str(certificates)}}
        self.ecr = aws.client("ecr")
        self.ecr.create_repository(repositoryName="automation-api")
        self.put("api/Dockerfile", PLAIN)
        for name in ("program", "hang"):
            self.put(f"api/{name}", (compiled / name).read_bytes())
        self.module({"paths": ["api"]})

    def trust(self, more: Path) -> Path:
        """A directory with the authorities of our registry, and of one more."""
        found = self.directory / "trust"
        shutil.rmtree(found, ignore_errors=True)
        shutil.copytree(self.registry.certificates, found)
        shutil.copy(more / "ca.crt", found / "more.crt")
        return found

    def put(self, path: str, content: str | bytes) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o755)

    def module(self, module: dict[str, Any], **others: dict[str, Any]) -> None:
        self.put(".berth/environment.json", json.dumps(
            {"network": {"vpc": "vpc-1", "privateSubnets": ["subnet-1"]}, "services": {},
             "modules": {"api": module, **others}}, indent=2))

    def shared(self) -> Path:
        """A directory in which jobs' users and the test can write."""
        directory = self.directory / "shared"
        directory.mkdir(exist_ok=True)
        directory.chmod(0o777)
        return directory

    def build_with(self, script: str, name: str = "buildah") -> Path:
        """From now on a shell script builds, in the name of the builder that it calls, or plays."""
        builder = self.shared() / name
        builder.write_text("#!/bin/sh\n" + script)
        builder.chmod(0o755)
        self.config["builder"] = [str(builder)]
        return builder

    def options(self, job: str = "api-build", **more: Any) -> dict[str, Any]:
        self.pipeline += 1
        given = {"ref": BRANCH, "pipeline": self.pipeline, "timeout": 600, **more}
        self.write_config()
        if self.police and not self.denied:
            self.police.hold("production" if given["ref"] == "master" else "ephemeral")
        return super().options(job, **given)

    def deny(self, *actions: str) -> None:
        """Some actions to whom jobs run as, who may do all else."""
        self.denied = bool(actions)
        statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        if actions:
            statements.append({"Effect": "Deny", "Action": list(actions), "Resource": "*"})
        self.aws.enforce_on(policed.JOBS if self.police else PRINCIPAL,
                            {"Version": "2012-10-17", "Statement": statements})

    def build(self, job: str = "api-build", **more: Any) -> Result:
        return self.play(job, **more)

    def images(self) -> dict[str, str]:
        """Digests by tag."""
        found = self.ecr.describe_images(repositoryName="automation-api")["imageDetails"]
        return {tag: i["imageDigest"] for i in found for tag in i.get("imageTags", [])}

    def left(self) -> list[str]:
        """What is on the host of the jobs that have ended."""
        users = self.config["user"]
        found = [str(p) for user in users for p in (self.builds / user / "tmp").glob("*")]
        found += [str(p) for p in (self.directory / "cache").rglob("*images*")]
        return found + [name for _, name in processes_of(users)]


@pytest.fixture
def host(users: list[str], endpoint: Endpoint, registry: Registry, compiled: Path
         ) -> Iterator[ImageHost]:
    endpoint.reset()
    host = ImageHost(users, endpoint, registry, compiled)
    yield host
    host.remove()


def error_of(result: Result) -> str:
    errors = re.findall(r"(?m)^ERROR: (.*)$", result.log)
    return str([e for e in errors if not e.startswith("Job failed")][-1])


@contextmanager
def running(host: ImageHost) -> Iterator[RunningJob]:
    """A build that goes on while the test looks on."""
    with RunningJob(make_options(**host.options(graceful_kill_timeout=120.0))) as job:
        yield job


def drive_of(host: ImageHost) -> int | None:
    """The program of berth's that builds."""
    config = f"BERTH_CONFIG={host.config_path}".encode()
    return next((pid for pid, name in processes()
                 if name == "drive" and config in environ_of(pid)), None)


def environ_of(pid: int) -> bytes:
    """Empty where the process has ended."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
