# SPDX-License-Identifier: MIT
"""What `berth doctor` says of the host config's "images.cache"."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobhost import make_users, processes_of, remove_users
from test_doctor import Host
from world import World

# A builder that takes what it is told, and ones that do not.
WORKS = "exit 0\n"
REFUSES = """case "$*" in *"{}"*) echo "overlay: not on this kernel" >&2; exit 125;; esac
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps layers")


@pytest.fixture(scope="module")
def users() -> Iterator[list[str]]:
    names = make_users(2)
    yield names
    remove_users(names)


class CachedHost(Host):
    """Jobs' users can reach what is in `place`, as in /var/lib/berth."""

    place: Path

    def directory(self, name: str) -> Path:
        path = self.place / name
        path.mkdir(mode=0o711, exist_ok=True)
        return path

    def keep_in(self, path: Path) -> Path:
        self.world.config["images"] = {"cache": {"directory": str(path), "gigabytes": 1}}
        return path

    def build_with(self, script: str, name: str = "buildah") -> None:
        program = self.directory("bin") / name
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        self.world.config["builder"] = [str(program)]


@pytest.fixture
def cached(world: World, tmp_path_factory: pytest.TempPathFactory, users: list[str]
           ) -> Iterator[CachedHost]:
    host = CachedHost(world, tmp_path_factory.mktemp("host"))
    host.place = Path(tempfile.mkdtemp(prefix="berth-doctor-", dir="/var/lib"))
    host.place.chmod(0o711)
    world.config |= {"user": users, "buildsDir": str(host.directory("builds"))}
    host.build_with(WORKS)
    host.keep_in(host.place / "layers")
    yield host
    shutil.rmtree(host.place)


def layers_of(host: CachedHost) -> Path:
    path = host.directory("layers")
    path.chmod(0o700)
    return path


def said(host: CachedHost) -> list[str]:
    host.write()
    done = host.examine()
    lines = [line for line in done.stdout.splitlines() if "  images.cache: " in line]
    assert done.returncode == 1 or not any(line.startswith("FAIL") for line in lines), done.stdout
    return lines


def put(layers: Path, slot: str, user: str, days: float, megabytes: int) -> None:
    storage = layers / slot / "storage"
    storage.mkdir(parents=True)
    (layers / slot).chmod(0o700)
    os.chown(storage, pwd.getpwnam(user).pw_uid, -1)
    (layers / slot / "note").write_text(json.dumps({
        "stamp": "x", "made": int(time.time() - days * 86400), "bytes": megabytes * 1_000_000,
        "files": 9}))


@contextmanager
def mounted(path: Path, size: str) -> Iterator[Path]:
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "tmpfs", path],
                   check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_cache_that_works(cached: CachedHost, users: list[str]) -> None:
    """It is tried, and neither made nor changed."""
    layers = cached.place / "layers"
    assert said(cached) == [f"ok    images.cache: '{layers}' will be made by the first build"]
    assert not layers.exists()
    layers_of(cached)
    assert said(cached) == [f"ok    images.cache: '{layers}' works, and is empty"]
    put(layers, "998.77.ephemeral.api", users[0], 1, 200)
    put(layers, "998.77.production.web", users[0], 5.1, 100)
    before = sorted(layers.rglob("*"))
    assert said(cached) == [
        f"ok    images.cache: '{layers}' has 2 storages of layers, 0.3 GB of 1.0 GB; the oldest, "
        "'998.77.production.web', was begun 5 days ago"]
    assert sorted(layers.rglob("*")) == before
    assert list((cached.place / "builds").iterdir()) == []


def test_a_directory_that_others_could_write(cached: CachedHost) -> None:
    layers_of(cached).chmod(0o755)
    line, = said(cached)
    assert line.startswith("FAIL") and "make it root's, with mode 0700" in line
    above = cached.directory("above")
    above.chmod(0o777)
    cached.keep_in(above / "layers")
    line, = said(cached)
    assert line.startswith("FAIL") and f"'{above}'" in line


def test_builds_where_others_could_swap_what_is_tried(cached: CachedHost, users: list[str]) -> None:
    """As root it gives a directory to a jobs' user: no other than the one that it has made."""
    builds = cached.directory("builds")
    layers_of(cached)
    builds.chmod(0o777)
    line, = said(cached)
    assert line.startswith("FAIL") and f"'{builds}' above it is user 0's, with mode 0777" in line
    builds.chmod(0o711)
    os.chown(builds, pwd.getpwnam(users[0]).pw_uid, -1)
    line, = said(cached)
    assert line.startswith("FAIL") and f"'{builds}' above it is user" in line
    assert list(builds.iterdir()) == []
    assert any(line.startswith("FAIL") and f"'{builds}' is user" in line
               for line in cached.examine().stdout.splitlines() if "  buildsDir: " in line)


def test_users_of_whom_nobody_believes_another(cached: CachedHost, users: list[str]) -> None:
    cached.world.config["user"] = users[0]
    line, = said(cached)
    assert line.startswith("FAIL") and "name a list of users as 'user'" in line


def test_another_file_system(cached: CachedHost) -> None:
    with mounted(cached.place / "elsewhere", "20m") as elsewhere:
        layers = cached.keep_in(elsewhere / "layers")
        line, = said(cached)
        assert line.startswith("FAIL") and "would be in another file system than" in line
        layers.mkdir(mode=0o700)
        line, = said(cached)
        assert line.startswith("FAIL") and "cannot be moved to" in line
        assert "which must be in the file system of 'buildsDir'" in line
        assert list(layers.iterdir()) == []
        (cached.place / "builds").rmdir()
        line, = said(cached)
        assert line.startswith("FAIL") and "would be in another file system than" in line


def test_builds_that_the_first_job_makes(cached: CachedHost) -> None:
    """Nothing can be tried there yet, so nothing works yet."""
    layers = layers_of(cached)
    builds = cached.place / "builds"
    builds.rmdir()
    line, = said(cached)
    assert line.startswith(f"ok    images.cache: '{layers}' is empty") and f"'{builds}'" in line
    assert not builds.exists()


def test_builds_where_nothing_can_be_made(cached: CachedHost) -> None:
    """The cure is another directory only where two file systems are what is wrong."""
    layers_of(cached)
    builds = cached.place / "builds"
    subprocess.run(["mount", "--bind", builds, builds], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", builds], check=True)
        line, = said(cached)
        report = cached.examine().stdout
    finally:
        subprocess.run(["umount", builds], check=True)
    assert line.startswith("FAIL") and "Read-only file system" in line
    assert "name a directory of root's in the file system" not in report


def test_room(cached: CachedHost) -> None:
    with mounted(cached.place / "disk", "20m") as disk:
        layers = cached.keep_in(disk / "layers")
        layers.mkdir(mode=0o700)
        (disk / "builds").mkdir(mode=0o711)
        cached.world.config["buildsDir"] = str(disk / "builds")
        few, works = said(cached)
        assert few.startswith(f"warn  images.cache: '{layers}' may take 1.0 GB, and there is room "
                              "for 0.0 GB")
        assert works == f"ok    images.cache: '{layers}' works, and is empty"
        (disk / "other").write_bytes(bytes(19 << 20))
        full, = said(cached)
        assert full.startswith("FAIL") and "less than a tenth of its file system's room" in full
        with (disk / "rest").open("wb", buffering=0) as rest, pytest.raises(OSError):
            while rest.write(bytes(4096)):
                pass
        full, = said(cached)
        assert full.startswith("FAIL") and "less than a tenth of its file system's room" in full


def real(host: CachedHost) -> None:
    """The host's own builder."""
    del host.world.config["builder"]
    (host.bin / "buildah").unlink()


@pytest.mark.parametrize("sandbox", [False, True])
def test_it_is_used_as_a_build_uses_it(cached: CachedHost, users: list[str], sandbox: bool) -> None:
    """By the user, on the storage driver that builds have; and all of that is gone afterwards."""
    if sandbox:
        if shutil.which("bwrap") is None:
            pytest.skip("there is no bwrap")
        cached.world.config["sandbox"] = "bubblewrap"
    real(cached)
    layers = layers_of(cached)
    assert said(cached) == [f"ok    images.cache: '{layers}' works, and is empty"]
    assert list(layers.iterdir()) == [] and list((cached.place / "builds").iterdir()) == []
    assert processes_of(users) == []


def test_a_file_system_that_no_overlay_is_mounted_upon(cached: CachedHost, users: list[str]
                                                       ) -> None:
    """As that of a container is. Builds work there, but not by layers."""
    real(cached)
    with on_overlay(cached) as disk:
        layers = cached.keep_in(disk / "layers")
        cached.world.config["buildsDir"] = str(disk / "builds")
        for directory, mode in ((layers, 0o700), (disk / "builds", 0o711)):
            directory.mkdir()
            directory.chmod(mode)
        line, = said(cached)
        assert line.startswith(f"FAIL  images.cache: nothing is kept: of images that user "
                               f"'{users[0]}' builds in '{disk}/builds' no layers can be used")
        assert "overlay" in line and "neither overlayfs nor NFS" in line
        assert list((disk / "builds").iterdir()) == []
    assert f"ok    builder: 'buildah' builds images as user '{users[0]}'" in \
        cached.examine().stdout.splitlines()


@contextmanager
def on_overlay(host: CachedHost) -> Iterator[Path]:
    disk, lower, upper, work = (host.directory(name) for name in ("disk", "lower", "upper", "work"))
    subprocess.run(["mount", "-t", "overlay", "-o",
                    f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", disk],
                   check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("word", ["=overlay", "--layers=true"])
def test_layers_that_no_build_can_use(cached: CachedHost, word: str) -> None:
    """What the builder says of itself, or only when it builds. Without layers it does."""
    cached.build_with(REFUSES.format(word))
    for _ in range(2):
        line, = said(cached)
        assert line.startswith("FAIL  images.cache: nothing is kept: of images that user ")
        assert "builds no image: overlay: not on this kernel; that takes Linux 5.11" in line
        layers_of(cached)


def test_a_builder_that_is_killed_meanwhile(cached: CachedHost) -> None:
    """When a job ends, so does what else runs as its user."""
    layers = layers_of(cached)
    once = cached.place / "once"
    once.mkdir(mode=0o777)
    once.chmod(0o777)
    cached.build_with(f'case "$*" in *--layers=true*) mkdir {once}/x && kill -KILL $$;; esac; exit 0')
    assert said(cached) == [f"ok    images.cache: '{layers}' works, and is empty"]
    assert (once / "x").exists()


def test_a_builder_that_fails_without_layers_too(cached: CachedHost) -> None:
    """That is said of the builder, and not a fault of the cache's."""
    cached.build_with(REFUSES.format(" build "))
    line, = said(cached)
    assert line.startswith("warn  images.cache: whether builds can use ")
    assert "see what is said of 'builder'" in line
    report = cached.examine().stdout
    assert "warn  builder: " in report and "overlay: not on this kernel" in report


def test_docker_keeps_layers_itself(cached: CachedHost) -> None:
    cached.build_with(WORKS, "docker")
    line, = said(cached)
    assert line.startswith("warn  images.cache: nothing is kept in ") and "docker" in line
