# SPDX-License-Identifier: MIT
"""The project directory as the repository that GitLab would serve.

The commit is made of the directory's content, the commit message and nothing else (fixed author and
dates), so that an unchanged project has an unchanged tree and, by default, an unchanged commit.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .options import Options, UsageError

VARIABLES_FILE = "ci-variables.json"
GIT_DEPTH = 20  # GitLab's default for a new project
AUTHOR = ("MetTel Automation", "ops@example.com", "1577836800 +0000")


@dataclass(frozen=True)
class Repository:
    """Served by its path. `ref` and `refspecs` are git_info's."""

    path: Path
    sha: str
    ref: str
    refspecs: tuple[str, ...]


def git_environment() -> dict[str, str]:
    """No configuration of the user or the machine takes part."""
    name, mail, date = AUTHOR
    environ = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environ.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull, LC_ALL="C")
    for role in ("AUTHOR", "COMMITTER"):
        environ.update({f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": mail})
        environ[f"GIT_{role}_DATE"] = date
    return environ


def git(*arguments: str | Path) -> str:
    """The output of one git command without its last newline."""
    result = subprocess.run(
        ["git", *arguments], env=git_environment(), stdin=subprocess.DEVNULL,
        capture_output=True, check=False,
    )
    if result.returncode:
        reason = os.fsdecode(result.stderr).strip()
        raise UsageError(f"cannot serve the project directory: git {arguments[-1]}: {reason}")
    return os.fsdecode(result.stdout).removesuffix("\n")


def commit_directory(bare: Path, options: Options) -> str:
    """ci-variables.json stays out: at GitLab it is the project's settings, not its content."""
    where = ("--git-dir", bare, "--work-tree", options.project.resolve())
    config = ("-c", "core.excludesFile=/dev/null", "-c", "core.autocrlf=false")
    git(*where, *config, "add", "--all", "--", ".", f":(exclude){VARIABLES_FILE}")
    tree = git(*where, "write-tree")
    return git(*where, "commit-tree", "-m", options.message, tree)


def ref_names(options: Options) -> tuple[str, str]:
    """git_info.ref and the ref in the repository: for a merge request both are
    refs/merge-requests/N/head (gitlab-org/gitlab-runner#32741), else the first is the bare name."""
    if options.mr is not None:
        name = f"refs/merge-requests/{options.mr}/head"
        return name, name
    kind = "tags" if options.ref_type == "tag" else "heads"
    return options.ref, f"refs/{kind}/{options.ref}"


def refspecs_of(full: str, pipeline: str) -> tuple[str, ...]:
    """GitLab, app/presenters/ci/build_runner_presenter.rb, refspecs."""
    first = f"+{pipeline}:{pipeline}"
    if full.startswith("refs/heads/"):
        return first, f"+{full}:refs/remotes/origin/{full.removeprefix('refs/heads/')}"
    return (first, f"+{full}:{full}") if full.startswith("refs/tags/") else (first,)


def make_repository(options: Options, directory: Path) -> Repository:
    """A bare repository in `directory`, which must not be there yet.

    A ref that git cannot store (GitLab would not have it either, but a test may ask for it) is left
    out: the commit is then reached by the pipeline's own ref alone.
    """
    if not options.project.is_dir():
        raise UsageError(f"the project directory '{options.project}' is not a directory")
    git("init", "--quiet", "--bare", "--initial-branch", "none", directory)
    sha = commit_directory(directory, options)
    ref, full = ref_names(options)
    pipeline = f"refs/pipelines/{options.pipeline}"
    git("--git-dir", directory, "update-ref", pipeline, sha)
    try:
        git("--git-dir", directory, "check-ref-format", full)
        git("--git-dir", directory, "update-ref", full, sha)
        refspecs = refspecs_of(full, pipeline)
    except UsageError:
        refspecs = refspecs_of("", pipeline)
    return Repository(directory, sha, ref, refspecs)
