# SPDX-License-Identifier: MIT
"""The project directory as the repository that GitLab would serve.

The commit is made of the directory's content, the commit message and nothing else (fixed author and
dates), so that an unchanged project has an unchanged tree and, by default, an unchanged commit.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from .options import Options, UsageError

VARIABLES_FILE = "ci-variables.json"
GIT_DEPTH = 20  # GitLab's default for a new project
REMEMBERED_BYTES = 1 << 20
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


def file_read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def project_digest(project: Path) -> str:
    """The same for the same content: names, modes and links as git sees them, and what they hold."""
    digest, skipped = hashlib.sha256(), len(str(project)) + 1
    for directory, names, files in os.walk(project):
        names[:] = sorted(name for name in names if name != ".git")
        links = [name for name in names if os.path.islink(os.path.join(directory, name))]
        for name in sorted([*files, *links]):
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                content = os.fsencode(os.readlink(path))
            else:
                content = file_read(path) if stat.S_ISREG(mode) else b""
            head = f"{path[skipped:]}\0{mode:o}\0{len(content)}\0"
            digest.update(os.fsencode(head) + content)
    return digest.hexdigest()


class Trees:
    """The trees that this process has served, with the objects that git has made of each.

    Most jobs of a test serve what the one before has served; git would need four processes for it.
    """

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, dict[str, bytes]]] = {}

    def put(self, bare: Path, project: Path) -> str:
        """Write the tree of the project's content into a repository; its name."""
        digest = project_digest(project)
        if digest in self.known:
            tree, objects = self.known[digest]
            for name, content in objects.items():
                write_object(bare, name, content)
            return tree
        tree = write_tree(bare, project)
        objects = {str(path.relative_to(bare / "objects")): path.read_bytes()
                   for path in bare.glob("objects/*/*")}
        if sum(map(len, objects.values())) < REMEMBERED_BYTES:
            self.known[digest] = tree, objects
        return tree


TREES = Trees()


def write_object(bare: Path, name: str, content: bytes) -> None:
    """NAME: as it is in the repository's objects/, where all are one directory deep."""
    path = f"{bare}/objects/{name}"
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(path))
    with open(path, "wb", buffering=0) as file:
        file.write(content)


def write_tree(bare: Path, project: Path) -> str:
    """ci-variables.json stays out: at GitLab it is the project's settings, not its content.

    Files above the threshold, so all of them, get into one pack, which is served and removed in less
    time than a file for each.
    """
    where = ("--git-dir", bare, "--work-tree", project.resolve())
    config = ("-c", "core.excludesFile=/dev/null", "-c", "core.autocrlf=false",
              "-c", "core.bigFileThreshold=1")
    git(*where, *config, "add", "--all", "--", ".", f":(exclude){VARIABLES_FILE}")
    return git(*where, "write-tree")


def init_repository(directory: Path) -> None:
    """What git needs of what `git init --bare` makes (gitrepository-layout(5))."""
    for name in ("objects", "refs"):
        (directory / name).mkdir(parents=True)
    (directory / "HEAD").write_text("ref: refs/heads/none\n")
    (directory / "config").write_text(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")


def write_commit(directory: Path, tree: str, message: str) -> str:
    """git-commit-tree(1) -m, in what repositories hold: a header, and zlib around it."""
    name, mail, date = AUTHOR
    text = message if message.endswith("\n") or not message else f"{message}\n"
    who = f"{name} <{mail}> {date}"
    content = os.fsencode(f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{text}")
    content = b"commit %d\0" % len(content) + content
    sha = hashlib.sha1(content).hexdigest()
    write_object(directory, f"{sha[:2]}/{sha[2:]}", zlib.compress(content))
    return sha


@functools.cache
def is_ref(name: str) -> bool:
    """Whether git can store a ref of that name."""
    try:
        git("check-ref-format", name)
    except UsageError:
        return False
    return True


def write_ref(directory: Path, name: str, sha: str) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{sha}\n")


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
    init_repository(directory)
    tree = TREES.put(directory, options.project)
    sha = write_commit(directory, tree, options.message)
    ref, full = ref_names(options)
    pipeline = f"refs/pipelines/{options.pipeline}"
    write_ref(directory, pipeline, sha)
    refspecs = refspecs_of("", pipeline)
    if is_ref(full):
        with contextlib.suppress(OSError):  # too long a name, for instance
            write_ref(directory, full, sha)
            refspecs = refspecs_of(full, pipeline)
    return Repository(directory, sha, ref, refspecs)
