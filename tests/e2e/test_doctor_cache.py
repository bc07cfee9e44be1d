# SPDX-License-Identifier: MIT
"""What `berth doctor` says of the host config's "images.cache"."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobhost import make_users, remove_users
from test_doctor import Host, host  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps layers")


@pytest.fixture(scope="module")
def users() -> Iterator[list[str]]:
    names = make_users(2)
    yield names
    remove_users(names)


@pytest.fixture
def cached(host: Host, users: list[str]) -> Host:  # noqa: F811
    host.world.config |= {"user": users, "buildsDir": str(directory(host, "builds"))}
    keep_in(host, host.world.directory / "layers")
    return host


def directory(host: Host, name: str) -> Path:  # noqa: F811
    path = host.world.directory / name
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def keep_in(host: Host, path: Path) -> Path:  # noqa: F811
    host.world.config["images"] = {"cache": {"directory": str(path), "gigabytes": 1}}
    return path


def said(host: Host) -> list[str]:  # noqa: F811
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


def test_a_cache_that_works(cached: Host, users: list[str]) -> None:
    """It is tried, and neither made nor changed."""
    layers = cached.world.directory / "layers"
    assert said(cached) == [f"ok    images.cache: '{layers}' will be made by the first build"]
    assert not layers.exists()
    directory(cached, "layers")
    assert said(cached) == [f"ok    images.cache: '{layers}' works, and is empty"]
    put(layers, "998.77.ephemeral.api", users[0], 1, 200)
    put(layers, "998.77.production.web", users[0], 5.1, 100)
    before = sorted(layers.rglob("*"))
    assert said(cached) == [
        f"ok    images.cache: '{layers}' has 2 storages of layers, 0.3 GB of 1.0 GB; the oldest, "
        "'998.77.production.web', was begun 5 days ago"]
    assert sorted(layers.rglob("*")) == before
    assert list((cached.world.directory / "builds").iterdir()) == []


def test_a_directory_that_others_could_write(cached: Host) -> None:
    directory(cached, "layers").chmod(0o755)
    line, = said(cached)
    assert line.startswith("FAIL") and "make it root's, with mode 0700" in line
    above = directory(cached, "above")
    above.chmod(0o777)
    keep_in(cached, above / "layers")
    line, = said(cached)
    assert line.startswith("FAIL") and f"'{above}'" in line


def test_builds_where_others_could_swap_what_is_tried(cached: Host, users: list[str]) -> None:
    """As root it gives a directory to a jobs' user: no other than the one that it has made."""
    builds = directory(cached, "builds")
    directory(cached, "layers")
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


def test_users_of_whom_nobody_believes_another(cached: Host, users: list[str]) -> None:
    cached.world.config["user"] = users[0]
    line, = said(cached)
    assert line.startswith("FAIL") and "name a list of users as 'user'" in line


def test_another_file_system(cached: Host) -> None:
    with mounted(cached.world.directory / "elsewhere", "20m") as elsewhere:
        layers = keep_in(cached, elsewhere / "layers")
        line, = said(cached)
        assert line.startswith("FAIL") and "would be in another file system than" in line
        layers.mkdir(mode=0o700)
        line, = said(cached)
        assert line.startswith("FAIL") and "cannot be moved to" in line
        assert "which must be in the file system of 'buildsDir'" in line
        assert list(layers.iterdir()) == []
        (cached.world.directory / "builds").rmdir()
        line, = said(cached)
        assert line.startswith("FAIL") and "would be in another file system than" in line


def test_builds_that_the_first_job_makes(cached: Host) -> None:
    """Nothing can be tried there yet, so nothing works yet."""
    layers = directory(cached, "layers")
    builds = cached.world.directory / "builds"
    builds.rmdir()
    line, = said(cached)
    assert line.startswith(f"ok    images.cache: '{layers}' is empty") and f"'{builds}'" in line
    assert not builds.exists()


def test_builds_where_nothing_can_be_made(cached: Host) -> None:
    """The cure is another directory only where two file systems are what is wrong."""
    directory(cached, "layers")
    builds = cached.world.directory / "builds"
    subprocess.run(["mount", "--bind", builds, builds], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", builds], check=True)
        line, = said(cached)
        report = cached.examine().stdout
    finally:
        subprocess.run(["umount", builds], check=True)
    assert line.startswith("FAIL") and "Read-only file system" in line
    assert "name a directory of root's in the file system" not in report


def test_room(cached: Host) -> None:
    with mounted(cached.world.directory / "disk", "20m") as disk:
        layers = keep_in(cached, disk / "layers")
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
