# SPDX-License-Identifier: MIT
"""The example is a monorepo that works, without berth: its modules' own tests, its linter, its
Terraform files, and the program of its images."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mettel
from specfile import spec_read
from world import EXAMPLE

SPEC = spec_read(EXAMPLE)
MODULES = ["bruin-bridge", "last-contact-report", "notifier"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("example") / "project"
    shutil.copytree(EXAMPLE, copy)
    return copy


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_tested(project: Path, module: str) -> None:
    directory = project / module
    coverage = (sys.executable, "-m", "coverage")
    done = run(*coverage, "run", "--source=.", "-m", "unittest", "discover", cwd=directory)
    assert done.returncode == 0, done.stderr
    assert int(re.findall(r"Ran (\d+) tests", done.stderr)[0]) >= 5
    report = run(*coverage, "json", "-q", "-o", "-", cwd=directory)
    totals = json.loads(report.stdout)["totals"]
    assert totals["percent_covered"] > 80 and totals["num_statements"] > 20


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_style(project: Path, module: str) -> None:
    done = run(sys.executable, "-m", "pycodestyle", "--max-line-length=120", ".",
               cwd=project / module)
    assert (done.returncode, done.stdout) == (0, "")


def test_terraform_files_are_formatted(project: Path) -> None:
    """`fmt` reads each file, so each is valid HCL."""
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("there is neither terraform nor tofu on this machine")
    directories = sorted(path.name for path in (project / "infra-as-code").iterdir())
    assert directories == ["basic-infra", "dev", "network-resources"]
    done = run(terraform, "fmt", "-check", "-recursive", "infra-as-code", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_repository_has_an_image(project: Path) -> None:
    made = {}
    for name, module in SPEC["modules"].items():
        dockerfile = project / module.get("path", name) / "Dockerfile"
        made[module.get("repository", f"automation-{name}")] = dockerfile.read_text()
    assert sorted(made) == sorted(mettel.REPOSITORIES)
    for text in made.values():
        assert "\nFROM scratch\n" in text
        for source in re.findall(r"(?m)^COPY (\S+) ", text):
            assert source == "health/health" or (project / source).exists()


@pytest.fixture(scope="module")
def health(project: Path) -> Iterator[tuple[Path, int]]:
    """The program of the images, and the port on which it answers /_health."""
    done = run("make", "-C", "health", "CFLAGS=-Werror", cwd=project)
    assert done.returncode == 0, done.stderr
    program = project / "health" / "health"
    with subprocess.Popen([program, "0", "/_health"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield program, int(server.stdout.readline().rsplit(" ", 1)[1])
        server.terminate()
        assert server.wait(timeout=30) in (-15, 15)


def test_the_images_need_nothing_of_a_base_image(health: tuple[Path, int]) -> None:
    """Neither an interpreter nor libraries: FROM scratch has none."""
    headers = run("readelf", "--program-headers", health[0], cwd=health[0].parent).stdout
    assert "LOAD" in headers and "INTERP" not in headers


@pytest.mark.parametrize(("command", "code"), [
    ("curl -f http://localhost:{port}/_health || exit 1", 0),
    ("wget -O- http://localhost:{port}/_health || exit 1", 0),
    ("curl -f http://localhost:{port}/varz || exit 1", 1),
    ("curl -f http://localhost:1/_health || exit 1", 1),
    ("curl -f https://example.com/ || exit 1", 2),
])
def test_their_health_checks_are_answered(
        health: tuple[Path, int], command: str, code: int) -> None:
    program, port = health
    done = run(program, "-c", command.format(port=port), cwd=program.parent)
    assert done.returncode == code, done.stderr


def test_every_health_check_of_the_spec_is_such_a_command() -> None:
    checks = [SPEC["serviceDefaults"], *SPEC["services"].values()]
    for check in (c["healthCheck"] for c in checks if "healthCheck" in c):
        text = check if isinstance(check, str) else check["command"][1]
        assert re.fullmatch(r"(curl -f|wget -O-) http://localhost:\d+/\S+ \|\| exit 1", text)
