# SPDX-License-Identifier: MIT
"""The repository that a job is served: as git would have made it, the second time as the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.options import Options
from contract.repository import Repository, git, make_repository


def of(repository: Repository, *command: str) -> str:
    return git("--git-dir", repository.path, *command)


@pytest.fixture(name="project")
def make_project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "deep" / "er").mkdir(parents=True)
    (project / "deep" / "er" / "file").write_text("content\n")
    (project / "ignored").write_text("x")
    (project / ".gitignore").write_text("ignored\n")
    (project / "ci-variables.json").write_text("{}")
    (project / "program").write_text("#!/bin/sh\n")
    (project / "program").chmod(0o755)
    (project / "link").symlink_to("deep")
    return project


@pytest.mark.parametrize("message", ["one line", "", "a title\n\nand more\n", "ünïcode"])
def test_a_repository_is_what_git_would_make(project: Path, tmp_path: Path, message: str) -> None:
    both = [make_repository(Options("j", "dev/feature/x", project=project, message=message),
                            tmp_path / name) for name in ("first", "second")]
    assert both[0].sha == both[1].sha
    for one in both:
        tree = of(one, "rev-parse", f"{one.sha}^{{tree}}")
        assert one.sha == of(one, "commit-tree", "-m", message, tree)
        assert of(one, "ls-tree", "-r", "--format=%(objectmode) %(path)", tree) == (
            "100644 .gitignore\n100644 deep/er/file\n120000 link\n100755 program")
        of(one, "fsck", "--strict")
        assert of(one, "for-each-ref", "--format=%(refname) %(objectname)") == "\n".join(
            f"{ref} {one.sha}" for ref in ("refs/heads/dev/feature/x", "refs/pipelines/1001"))


def test_what_has_changed_is_seen(project: Path, tmp_path: Path) -> None:
    changes = [lambda: (project / "deep" / "er" / "file").write_text("content!\n"),
               lambda: (project / "program").chmod(0o644),
               lambda: (project / "new").touch(), lambda: (project / "new").rename(project / "n"),
               lambda: (project / "link").unlink()]
    seen = set()
    for number, change in enumerate([lambda: None, *changes]):
        change()
        seen.add(make_repository(Options("j", "r", project=project), tmp_path / str(number)).sha)
    assert len(seen) == len(changes) + 1


def test_a_ref_that_git_cannot_store_is_left_out(project: Path, tmp_path: Path) -> None:
    for number, ref in enumerate(["a..b", "x" * 300]):
        one = make_repository(Options("j", ref, project=project), tmp_path / str(number))
        assert one.refspecs == ("+refs/pipelines/1001:refs/pipelines/1001",)
        assert of(one, "for-each-ref", "--format=%(refname)") == "refs/pipelines/1001"
