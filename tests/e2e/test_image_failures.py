# SPDX-License-Identifier: MIT
"""Builds that fail: whose it is to mend. The registry is one that anybody may read, which answers as
it is told; the kernel is this machine's, and ends what takes more memory than its group may have.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagehost import (  # noqa: F401
    PLAIN, PODMAN, SYSTEM, USER, ImageHost, compiled, error_of, host, registry, running, users)
from jobhost import processes
from registry import Public, public
from waiting import until

pytestmark = pytest.mark.by_the_clock

NOBODY = "127.0.0.1:9/base:1"
ON = "FROM {}\nCOPY api/program /srv/\n"
# Each waits to be told, and ends if nobody does.
WAIT = """
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
    sigset_t told;
    int n;
    alarm(120);
    sigemptyset(&told);
    sigaddset(&told, SIGUSR1);
    sigprocmask(SIG_BLOCK, &told, NULL);
    sigwait(&told, &n);
"""
HOG = WAIT + "    for (;;)\n        memset(malloc(1 << 20), 1, 1 << 20);\n}\n"
KILLED = WAIT + "    raise(SIGKILL);\n}\n"
BYTES = "20000000"


@pytest.fixture(scope="module")
def base() -> Iterator[Public]:
    with public() as server:
        yield server


@pytest.fixture(params=["buildah", "podman"])
def built(request: pytest.FixtureRequest, host: ImageHost, base: Public) -> ImageHost:  # noqa: F811
    """On a base whose registry is trusted, and what is asked of it is asked by the build."""
    host.config["builder"] = PODMAN if request.param == "podman" else "buildah"
    host.config["registry"]["certificates"] = str(host.trust(base.certificates))
    host.module({})
    base.mode = ""
    return host


def fail(host: ImageHost, dockerfile: str, code: int) -> str:  # noqa: F811
    host.put("api/Dockerfile", dockerfile)
    result = host.build()
    assert result.exit_code == code, result.log
    assert host.left() == []
    error = error_of(result)
    assert "modules.api: the image was not built: " in error
    return error


def check_refusals(host: ImageHost, base: Public, dockerfile: str) -> None:  # noqa: F811
    for mode, code, words in (
            ("broken", SYSTEM, f"a server does not give '{base.image}', which 'api/Dockerfile' "
                               "fetches, for the moment"),
            ("too often", SYSTEM, f"the registry of '{base.image}', on which 'api/Dockerfile' "
                                  "builds, is asked too often from this host"),
            ("no pulls", USER, f"the registry does not give '{base.image}', on which "
                               "'api/Dockerfile' builds, to whoever has no login")):
        base.mode = mode
        assert words in fail(host, dockerfile, code), mode


def test_a_base_that_cannot_be_fetched(built: ImageHost, base: Public) -> None:
    """The Dockerfile may be right, but for one that is not there, or that takes a login."""
    assert f"'{NOBODY}', which 'api/Dockerfile' fetches, cannot be reached from this host" in \
        fail(built, ON.format(NOBODY), SYSTEM)
    assert "'nowhere.invalid/a:1', which 'api/Dockerfile' fetches, cannot be reached" in \
        fail(built, ON.format("nowhere.invalid/a:1"), SYSTEM)
    check_refusals(built, base, ON.format(base.image))
    base.mode = "basic"
    assert f"the registry does not give '{base.image}', on which" in \
        fail(built, ON.format(base.image), USER)
    base.mode = ""
    assert f"there is no '{base.image}23', on which 'api/Dockerfile' builds" in \
        fail(built, ON.format(base.image + "23"), USER)
    built.config["registry"]["certificates"] = str(built.registry.certificates)
    assert "the registry's certificate is not trusted" in fail(built, ON.format(base.image), SYSTEM)


def test_what_a_step_fetches_cannot_be_reached(built: ImageHost) -> None:
    assert f"'{NOBODY}', which 'api/Dockerfile' fetches, cannot be reached" in \
        fail(built, f"FROM scratch\nCOPY --from={NOBODY} /a /b\n", SYSTEM)
    assert "something, which 'api/Dockerfile' fetches, cannot be reached" in \
        fail(built, "FROM scratch\nADD http://127.0.0.1:9/x /b\n", SYSTEM)


def test_what_a_step_fetches_is_refused(built: ImageHost, base: Public) -> None:
    """The builder says of it that there is no stage or image of that name, whatever the registry has
    said; alone it is asked for once more."""
    step = f"FROM scratch\nCOPY --from={base.image} /a /b\n"
    check_refusals(built, base, step)
    base.mode = ""
    assert f"there is no '{base.image}23', on which 'api/Dockerfile' builds" in \
        fail(built, step.replace(base.image, base.image + "23"), USER)
    assert "'api/Dockerfile' ended with 125" in fail(built, step.replace(base.image, "api"), USER)


def test_what_a_step_says_is_the_developers(built: ImageHost) -> None:
    """As are names of files and images, and what has the words of a registry."""
    for step in ("COPY denied-connection-refused /x", 'RUN ["/srv/none", "dial tcp: i/o timeout"]',
                 "COPY ../outside /x", "TIMEOUT 5"):
        assert "'api/Dockerfile' ended with " in fail(built, PLAIN + step + "\n", USER), step


@pytest.fixture
def little() -> Iterator[Path]:
    """A control group of the kernel's with little memory: a directory."""
    top = Path("/sys/fs/cgroup")
    old = (top / "memory").is_dir()
    group = top / ("memory" if old else ".") / f"berth-tests-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(BYTES)
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    yield group
    until(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


def run_step(host: ImageHost, source: str, group: Path | None) -> tuple[int, str]:  # noqa: F811
    """A build whose step runs this, in the control group."""
    name = f"step-{uuid.uuid4().hex[:6]}"
    (host.directory / "step.c").write_text(source)
    subprocess.run(["gcc", "-static", "-O1", "-o", host.project / "api" / name,
                    host.directory / "step.c"], check=True)
    host.put("api/Dockerfile", f'FROM scratch\nCOPY api/{name} /\nRUN ["/{name}"]\n')

    def find() -> int | None:
        return next((pid for pid, found in processes() if found == name), None)

    with running(host) as job:
        pid = until(find)
        if group:
            (group / "cgroup.procs").write_text(str(pid))
        os.kill(pid, signal.SIGUSR1)
        result = job.wait(240)
    assert host.left() == []
    return result.exit_code, error_of(result)


@pytest.mark.parametrize("sandbox", [False, True])
def test_a_step_is_killed(built: ImageHost, little: Path, sandbox: bool,
                          monkeypatch: pytest.MonkeyPatch) -> None:
    """For want of memory, which the kernel counts; or by itself."""
    if sandbox:
        built.config["sandbox"] = "bubblewrap"
        monkeypatch.setattr(tempfile, "tempdir", str(built.directory))  # it hides /tmp
    code, error = run_step(built, HOG, little)
    assert code == SYSTEM, error
    assert "a step of 'api/Dockerfile' was killed, and the host's kernel has ended 1 process for " \
        "want of memory meanwhile" in error
    code, error = run_step(built, KILLED, None)
    assert code == USER, error
    assert "'api/Dockerfile' ended with 1; its own last lines, above" in error


def test_the_disk_is_full(built: ImageHost) -> None:
    """Of which the builder tells, or the step that has filled it."""
    disk = built.directory / "builds"
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0711", "tmpfs", disk], check=True)
    try:
        built.put("large", os.urandom(10_000_000))
        error = fail(built, "FROM scratch\nCOPY large /1\nCOPY large /2\nCOPY large /3\n", SYSTEM)
        assert "there is no room left on the disk that" in error
    finally:
        subprocess.run(["umount", disk], check=True)
