# SPDX-License-Identifier: MIT
"""Layers of earlier builds: which are used again, whose, and what becomes of them when something
goes wrong. What a build has made once is known by random bytes that a step of it writes: in the
registry's manifests that layer has the same digest only if the step was not run again.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

import canary
from imagehost import (  # noqa: F401
    PODMAN, SYSTEM, USER, ImageHost, compiled, drive_of, error_of, host, registry, running, users)
from registry import public
from runner import Result
from waiting import until
from world import ENVIRONMENT

pytestmark = pytest.mark.by_the_clock

USERS = 2
STEPS = """FROM scratch
COPY api/random /srv/
RUN ["/srv/random", "/made"]
COPY api/program /srv/
"""
RANDOM = """
#include <stdio.h>
#include <sys/random.h>
int main(int n, char **v)
{
    char bytes[64];
    FILE *file = fopen(v[n - 1], "w");
    return file == NULL || getrandom(bytes, sizeof(bytes), 0) != (long)sizeof(bytes) ||
           fwrite(bytes, sizeof(bytes), 1, file) != 1 || fclose(file) != 0;
}
"""


@pytest.fixture(scope="module")
def random_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("random")
    (directory / "random.c").write_text(RANDOM)
    subprocess.run(["gcc", "-static", "-Os", "-o", directory / "random", directory / "random.c"],
                   check=True)
    return (directory / "random").read_bytes()


@pytest.fixture
def cached(host: ImageHost, random_program: bytes) -> ImageHost:  # noqa: F811
    host.config["images"] = {"cache": {"directory": str(host.directory / "layers")}}
    host.put("api/Dockerfile", STEPS)
    host.put("api/random", random_program)
    host.module({})
    return host


def slots(host: ImageHost) -> list[Path]:
    return sorted((host.directory / "layers").iterdir())


def kinds(host: ImageHost) -> list[str]:
    return [slot.name.partition(".")[2] for slot in slots(host)]


def layers(host: ImageHost, tag: str = ENVIRONMENT) -> list[str]:
    image = host.ecr.batch_get_image(repositoryName="automation-api",
                                     imageIds=[{"imageTag": tag}])["images"][0]
    return [layer["digest"] for layer in json.loads(image["imageManifest"])["layers"]]


def build(host: ImageHost, **more: object) -> str:
    """The log of a build that succeeds, of a program that changes each time."""
    host.put("api/program", f"program {host.pipeline}")
    result = host.build(**more)
    assert result.exit_code == 0, result.log
    assert host.left() == []
    return result.log


def test_what_has_not_changed_is_not_built_again(cached: ImageHost) -> None:
    """Neither by what the same kind has built, nor by anything that another kind has."""
    cached.config["allowUnisolatedProduction"] = True
    assert "no layers of earlier builds: none is there" in build(cached)
    first = layers(cached)
    assert "with layers of earlier builds" in build(cached)
    second = layers(cached)
    assert first[:2] == second[:2] and first[2] != second[2]
    log = build(cached, ref="master", protected=True)
    assert "no layers of earlier builds: none is there" in log
    production = layers(cached, "automation-master")
    assert not set(production) & set(second)
    build(cached, ref="master", protected=True)
    assert layers(cached, "automation-master")[:2] == production[:2]
    assert kinds(cached) == ["77.ephemeral.api", "77.production.api"]


def sandbox(host: ImageHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.config["sandbox"] = "bubblewrap"
    monkeypatch.setattr(tempfile, "tempdir", str(host.directory))  # it hides /tmp


def hang(host: ImageHost) -> Result:
    """A build whose second step has no end, cancelled in that."""
    host.put("api/Dockerfile", STEPS.replace("random", "hang"))
    with running(host) as job:
        until(lambda: "hang" in host.left())
        job.cancel()
        result = job.wait(240)
    host.put("api/Dockerfile", STEPS)
    assert host.left() == []
    return result


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bwrap")
def test_layers_in_a_sandbox(cached: ImageHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not to be known outside is not in them either (canary.py), and one that is cancelled
    leaves nothing: neither processes nor layers, in /tmp or elsewhere."""
    sandbox(cached, monkeypatch)
    before = set(Path("/tmp").iterdir())
    build(cached)
    first = layers(cached)
    assert "with layers of earlier builds" in build(cached)
    assert layers(cached)[:2] == first[:2]
    for path in slots(cached)[0].rglob("*"):
        if path.is_file() and not path.is_symlink():
            canary.WATCH.look(path.read_bytes(), str(path))
    cancelled = hang(cached)
    assert cancelled.status == "canceled" and "with layers of earlier builds" in cancelled.log
    assert slots(cached) == [] and layers(cached)[:2] == first[:2]
    assert "no layers of earlier builds: none is there" in build(cached)
    again = layers(cached)
    assert again[1] != first[1]
    assert "with layers of earlier builds" in build(cached)
    assert layers(cached)[:2] == again[:2]
    mine = pwd.getpwnam(cached.config["user"][0]).pw_uid
    assert not [p for p in set(Path("/tmp").iterdir()) - before if p.lstat().st_uid == mine]


def test_podmans_layers_are_kept_likewise(cached: ImageHost, monkeypatch: pytest.MonkeyPatch
                                          ) -> None:
    """Also in a sandbox, where the host has one."""
    cached.config["builder"] = PODMAN
    if shutil.which("bwrap"):
        sandbox(cached, monkeypatch)
    build(cached)
    first = layers(cached)
    assert "with layers of earlier builds" in build(cached)
    assert layers(cached)[:2] == first[:2]


def test_layers_that_are_no_good(cached: ImageHost) -> None:
    """The build does without, whatever is wrong with them, and leaves others."""
    build(cached)
    (slots(cached)[0] / "storage/overlay-layers/layers.json").write_text("{")
    assert "are dropped" in build(cached)
    first = layers(cached)
    for directory in (slots(cached)[0] / "storage/overlay").glob("*/diff"):
        directory.rename(directory.with_name("lost"))
    log = build(cached)
    assert "that this has failed: the image is built once more without" in log
    assert "it was for the layers of earlier builds, which are dropped" in log
    assert layers(cached)[1] != first[1]
    (cached.directory / "layers").chmod(0o777)
    log = build(cached)
    assert "built without layers of earlier builds: " in log
    assert "make it root's, with mode 0700" in log


@pytest.mark.parametrize("word", ["=overlay", "--layers=true"])
def test_a_builder_that_mounts_no_layers(cached: ImageHost, word: str) -> None:
    """The image is built without, also where the builder says so only when it builds."""
    cached.build_with(f'case "$*" in *{word}*) echo "fuse: no device" >&2; exit 125;; esac\n'
                      'exec buildah "$@"\n')
    log = build(cached)
    assert "built without layers of earlier builds: '" in log and ": fuse: no device" in log
    assert layers(cached) and slots(cached) == []


def test_a_mistake_is_not_taken_for_layers_that_cannot_be_mounted(cached: ImageHost) -> None:
    cached.put("api/Dockerfile", STEPS + "COPY none /\n")
    failed = cached.build()
    assert failed.exit_code == USER and "without layers" not in failed.log, failed.log
    assert cached.left() == [] and kinds(cached) == ["77.ephemeral.api"]
    cached.put("api/Dockerfile", STEPS)
    assert "with layers of earlier builds" in build(cached)


def test_a_step_that_fails_keeps_those_before(cached: ImageHost) -> None:
    build(cached)
    first = layers(cached)
    cached.put("api/Dockerfile", STEPS + 'RUN ["/srv/none"]\n')
    failed = cached.build()
    assert failed.exit_code == USER, failed.log
    assert "once more" not in failed.log
    cached.put("api/Dockerfile", STEPS)
    cached.deny("ecr:InitiateLayerUpload", "ecr:PutImage")
    cached.put("api/program", "not to be pushed")
    denied = cached.build()
    assert denied.exit_code == SYSTEM and "does not let berth push" in denied.log, denied.log
    cached.deny()
    build(cached)
    assert layers(cached)[:2] == first[:2]


@pytest.mark.parametrize("boxed", [False, True])
def test_a_builder_that_is_killed(cached: ImageHost, boxed: bool, monkeypatch: pytest.MonkeyPatch
                                  ) -> None:
    """As by the kernel, for want of memory: nobody's mistake, and nobody knows what it has left."""
    if boxed:
        sandbox(cached, monkeypatch)
    cached.build_with('case " $* " in *" build "*) buildah "$@"; kill -9 $$;; esac\n'
                      'exec buildah "$@"\n')
    killed = cached.build()
    assert killed.exit_code == SYSTEM, killed.log
    assert "was killed, by signal 9 (Killed): has the host run out of memory?" in killed.log
    assert slots(cached) == [] and cached.left() == []


def test_no_old_base_is_built_on(cached: ImageHost) -> None:
    """Where the registry says which is new, and does not give it; nor do the layers go for that."""
    with public() as base:
        cached.config["registry"]["certificates"] = str(cached.trust(base.certificates))
        cached.put("api/Dockerfile", STEPS.replace("scratch", base.image))
        build(cached)
        first = layers(cached)
        base.put("second")
        base.mode = "no pulls"
        failed = cached.build()
        assert failed.exit_code == USER, failed.log
        assert "was not built without the layers of earlier builds either" in failed.log
        assert "the layers are kept" in failed.log and cached.left() == []
        assert layers(cached) == first
        base.put("first")
        base.mode = ""
        assert "with layers of earlier builds" in build(cached)
        assert layers(cached)[:-1] == first[:-1]


def test_a_build_that_is_killed_leaves_no_layers(cached: ImageHost) -> None:
    """They are in one place at a time, and go with the job."""
    build(cached)
    first = layers(cached)
    cached.put("api/Dockerfile", STEPS.replace("random", "hang"))
    with running(cached) as job:
        until(lambda: "hang" in cached.left())
        assert slots(cached) == []
        os.kill(drive_of(cached) or 0, signal.SIGKILL)
        result = job.wait(240)
    assert result.exit_code == SYSTEM, result.log
    assert cached.left() == [] and slots(cached) == []
    cached.put("api/Dockerfile", STEPS)
    assert "no layers of earlier builds: none is there" in build(cached)
    assert layers(cached)[1] != first[1]


def test_two_builds_at_once_have_layers_each(cached: ImageHost) -> None:
    """Each is another user's, which nobody else can write."""
    cached.put("api/Dockerfile", STEPS.replace("random", "hang"))
    with running(cached) as one, running(cached) as two:
        until(lambda: cached.left().count("hang") == 2)
        for job in (one, two):
            job.cancel()
        assert [job.wait(240).status for job in (one, two)] == ["canceled", "canceled"]
    assert cached.left() == []


def test_one_user_for_all_jobs_has_no_layers(cached: ImageHost) -> None:
    cached.config["user"] = cached.config["user"][0]
    assert "'images.cache' takes a list of users" in cached.build().log
    assert not (cached.directory / "layers").exists()


def test_a_full_disk_has_no_room_for_layers(cached: ImageHost) -> None:
    """What is kept makes room for what is built, also another module's."""
    disk = cached.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m,mode=0711", "tmpfs", disk], check=True)
    try:
        cached.config |= {"buildsDir": str(disk / "builds"), "images": {
            "cache": {"directory": str(disk / "layers")}}}
        cached.put("web/Dockerfile", "FROM scratch\nCOPY big /a\nCOPY big /b\nCOPY big /c\n")
        cached.ecr.create_repository(repositoryName="automation-web")
        cached.module({}, web={})
        cached.put("big", 8_000_000 * "x")
        assert cached.build("web-build").exit_code == 0
        room = shutil.disk_usage(disk).free
        (disk / "other").write_bytes(bytes(room - 8_000_000 - 12_000_000))
        cached.put("api/Dockerfile", "FROM scratch\nCOPY big /srv/\n")
        log = build(cached)
        assert "is full: all layers of earlier builds are removed, and the image is built once " \
            "more without" in log
    finally:
        subprocess.run(["umount", disk], check=True)
