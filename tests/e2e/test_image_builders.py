# SPDX-License-Identifier: MIT
"""podman and docker build as buildah does (test_image.py). docker's daemon is started here, where
the machine has one (Debian's package docker.io) and lets it run; podman's service answers
docker's client likewise, without a RUN, for which it has a container of a runtime's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagehost import (  # noqa: F401
    PLAIN, PODMAN, SYSTEM, USER, ImageHost, compiled, error_of, host, registry, running, users)
from jobhost import processes
from registry import Registry
from waiting import until
from world import ENVIRONMENT

pytestmark = pytest.mark.by_the_clock

HANG = f"hang-{os.getpid()}"
# A builder that writes down what it was called with, and whether it finds a login.
WATCHER = """login=none; test -e /dev/fd/9 && login=9
for word; do case $word in build|pull|push) echo $word $login >> {seen};; esac; done
exec {builder} "$@"
"""
# Neither iptables nor a bridge nor a storage that a kernel must have: what any root can have.
DOCKERD = ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none",
           "--storage-driver=vfs"]


# What docker's daemon takes for granted of a registry on its own machine.
INSECURE = '[[registry]]\nlocation = "{}"\ninsecure = true\n'


class Daemon:
    """docker's, or podman's, for this module alone."""

    def __init__(self, directory: Path, insecure: str = "") -> None:
        self.socket, self.said = directory / "socket", directory / "said"
        socket = f"unix://{self.socket}"
        self.client = ["docker", "-H", socket]
        words = [*DOCKERD, "-H", socket, f"--data-root={directory}/data",
                 f"--exec-root={directory}/exec", f"--pidfile={directory}/pid"]
        if insecure:
            words = [*PODMAN, f"--root={directory}/data", f"--runroot={directory}/run",
                     "--storage-driver=vfs", "system", "service", "--time=0", socket]
        registries = directory / "registries.conf"
        registries.write_text(INSECURE.format(insecure))
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                words, stdout=said, stderr=said,
                env=os.environ | {"CONTAINERS_REGISTRIES_CONF": str(registries)})

    def say(self, *words: str) -> list[str]:
        return subprocess.run([*self.client, *words], capture_output=True, text=True,
                              check=True).stdout.split()

    def is_up(self) -> bool:
        return self.process.poll() is not None or subprocess.run(
            [*self.client, "info"], capture_output=True).returncode == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no '{program}': Debian's package docker.io has it")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    need("docker", "dockerd")
    yield from started("")


@pytest.fixture(scope="module")
def service(registry: Registry) -> Iterator[Daemon]:  # noqa: F811
    need("docker")
    yield from started(registry.host)


def started(insecure: str) -> Iterator[Daemon]:
    directory = Path(tempfile.mkdtemp(prefix="berth-docker-", dir="/var/lib"))
    directory.chmod(0o711)
    daemon = Daemon(directory, insecure)
    try:
        until(daemon.is_up)
        if daemon.process.poll() is not None:
            pytest.skip(f"dockerd does not run here: {daemon.said.read_text().splitlines()[-1]}")
        daemon.socket.chmod(0o666)
        yield daemon
    finally:
        daemon.stop()
        shutil.rmtree(directory, ignore_errors=True)


def check_builds(host: ImageHost, builder: str, step: str = 'RUN ["/srv/program", "x"]') -> None:
    """Built, pushed without a login in the build's reach, and skipped the next time."""
    seen = host.shared() / "seen"
    words = host.config["builder"]
    wrapper = host.build_with(WATCHER.format(seen=seen, builder=shutil.which(words[0])), builder)
    host.config["builder"] = [str(wrapper), *words[1:]]
    host.put("api/Dockerfile", f"{PLAIN}{step}\n")
    result = host.build()
    assert result.exit_code == 0, result.log
    images = host.images()
    assert len(set(images.values())) == 1 and f"{ENVIRONMENT}-{host.pipeline}" in images
    assert f"api: {images[ENVIRONMENT]}, " in result.log
    assert seen.read_text().splitlines() == ["build none", "push 9"]
    assert "nothing to build" in host.build().log
    assert host.left() == []


def check_fails(host: ImageHost, builder: str) -> None:
    host.put("api/Dockerfile", PLAIN + "COPY ../outside /x\n")
    result = host.build()
    assert result.exit_code == USER, result.log
    assert re.search(rf"modules.api: the image was not built: '\S*{builder} build' of "
                     "'api/Dockerfile' ended with", error_of(result))


def is_hanging() -> bool:
    return HANG in [name for _, name in processes()]


def check_cancelled(host: ImageHost) -> None:
    host.put(f"api/{HANG}", (host.project / "api/hang").read_bytes())
    host.put("api/Dockerfile", PLAIN + f'RUN ["/srv/{HANG}"]\n')
    before = host.images()
    with running(host) as job:
        until(is_hanging)
        job.cancel()
        result = job.wait(240)
    assert result.status == "canceled", result.log
    until(lambda: not is_hanging())
    assert host.images() == before and host.left() == []


def test_podman_builds(host: ImageHost) -> None:
    host.config["builder"] = PODMAN
    check_builds(host, "podman")
    check_fails(host, "podman")
    check_cancelled(host)
    user = host.config["user"][0]
    assert not [path for path in Path("/tmp").glob("berth-run-*") if path.owner() == user]


def test_docker_builds(host: ImageHost, daemon: Daemon) -> None:
    """The daemon has no image of ours afterwards, and no container."""
    host.config["builder"] = daemon.client
    check_builds(host, "docker")
    check_fails(host, "docker")
    check_cancelled(host)
    until(lambda: not daemon.say("ps", "--all", "--quiet"))
    assert host.registry.host not in " ".join(
        daemon.say("images", "--format", "{{.Repository}}"))


def test_dockers_client_builds_with_podmans_service(host: ImageHost, service: Daemon) -> None:
    host.config["builder"] = service.client
    check_builds(host, "docker", "LABEL step=none")
    check_fails(host, "docker")
    host.module({})
    host.put("api/Dockerfile", "FROM 127.0.0.1:9/base:1\nCOPY api/ /srv/\n")
    unreachable = host.build()
    assert unreachable.exit_code == SYSTEM, unreachable.log
    assert "'127.0.0.1:9/base:1', which 'api/Dockerfile' fetches, cannot be reached" in \
        error_of(unreachable)
    assert host.left() == []
    assert host.registry.host not in " ".join(
        service.say("images", "--format", "{{.Repository}}"))
