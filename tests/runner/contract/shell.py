# SPDX-License-Identifier: MIT
"""The scripts that the runner hands to the run executable: shells/bash.go and
shells/abstract.go."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .options import Options, Variable
from .repository import GIT_DEPTH, Repository
from .response import job_token
from .trace import GREEN, RESET, YELLOW
from .variables import RUNNER_VERSION, SERVER, lookup

SHELLS = ("bash", "sh")
SAFE = re.compile(rb"[A-Za-z0-9_.,:/@+=-]+")
NAMED = {7: "a", 8: "b", 12: "f", 10: "n", 13: "r", 9: "t", 11: "v", 92: "\\", 39: "'"}


def escape(text: str) -> str:
    """helpers/shell_escape.go, ShellEscape: bash's $'…', every unprintable byte by its number."""
    data = os.fsencode(text)
    if not data:
        return "''"
    if SAFE.fullmatch(data):
        return data.decode()
    return "$'" + data.decode("latin-1").translate(ESCAPES) + "'"


def escape_byte(byte: int) -> str:
    if byte in NAMED:
        return "\\" + NAMED[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"


ESCAPES = {byte: escape_byte(byte) for byte in range(256)}


def quote(text: str) -> str:
    """Go's %q, which is what the runner writes around directories: `$` and backticks stay alive."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass
class Build:
    """What a script is made of. `variables` are all variables, expanded, in order."""

    options: Options
    repository: Repository
    variables: Sequence[Variable]
    build_dir: str
    hostname: str = ""
    shell: str = "bash"

    @property
    def tmp_dir(self) -> str:
        """common/build.go, TmpProjectDir: where file variables and git's template are."""
        return f"{self.build_dir}.tmp"


class Writer:
    """BashWriter: collects commands; `finish` wraps them as bash.go does."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def command(self, *arguments: str) -> None:
        self.line(" ".join(map(escape, arguments)))

    def notice(self, text: str) -> None:
        self.line("echo " + escape(f"{GREEN}{text}{RESET}"))

    def warning(self, text: str) -> None:
        self.line("echo " + escape(f"{YELLOW}{text}{RESET}"))

    def plain(self, text: str) -> None:
        self.line("echo " + escape(f"{RESET}{text}"))

    def finish(self, shell: str, trace: bool) -> str:
        """A script that gets SIGTERM ends with 1: bash would otherwise dump it into the log."""
        body = escape("".join(f"{line}\n" for line in self.lines))
        head = [f"#!/usr/bin/env {shell}", "", "trap 'exit 1' TERM", ""]
        if trace:
            head.append("set -o xtrace")
        head += [
            "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit",
            "set +o noclobber",
            f"(trap 'exit 1' TERM; eval {body}) < /dev/null",
            "exit 0",
        ]
        return "".join(f"{line}\n" for line in head)


def write_exports(w: Writer, build: Build) -> None:
    """abstract.go, writeExports: every variable; one of type file as a file that it names."""
    for v in build.variables:
        if v.file:
            path = quote(f"{build.tmp_dir}/{v.key}")
            w.line(f"mkdir -p {quote(build.tmp_dir)}")
            w.line(f"printf '%s' {escape(v.value)} > {path}")
            w.line(f"export {escape(v.key)}={path}")
        else:
            w.line(f"export {escape(v.key)}={escape(v.value)}")


def write_commands(w: Writer, commands: Sequence[str]) -> None:
    """abstract.go, writeCommands: each command is shown, then run."""
    for command in commands:
        text = command.strip()
        first, newline, _ = text.partition("\n")
        if text:
            w.notice(f"$ {first} # collapsed multi-line command" if newline else f"$ {first}")
        else:
            w.line("echo")
        w.line(text)


def write_prepare(w: Writer, build: Build) -> None:
    """bash.go, ensurePrepareStageHostnameMessage: quoted for Go, not for the shell."""
    via = f" via {build.hostname}" if build.hostname else ""
    w.line("echo " + quote(f"Running on $(hostname){via}..."))


def write_get_sources(w: Writer, build: Build) -> None:
    write_exports(w, build)
    strategy = lookup(build.variables, "GIT_STRATEGY")
    if strategy not in ("clone", "fetch", "none", "empty"):
        strategy = "fetch" if build.options.allow_git_fetch else "clone"
    if strategy == "none":
        w.notice("Skipping Git repository setup")
        w.command("mkdir", "-p", build.build_dir)
        w.notice("Skipping Git checkout")
        return
    if strategy in ("clone", "empty"):
        w.command("rm", "-r", "-f", build.build_dir)
    if strategy == "empty":
        w.notice("Skipping Git repository setup and creating an empty build directory")
        w.command("mkdir", "-p", build.build_dir)
        return
    write_fetch(w, build)
    write_checkout(w, build)
    w.notice("Skipping Git submodules setup")


def write_fetch(w: Writer, build: Build) -> None:
    """abstract.go, writeRefspecFetchCmd.

    What the runner does not write are two settings of the fetch. `remote.origin.uploadpack`: the
    repository is reached by its path and belongs to whoever plays the runner, and git refuses
    another user's (git-config(1), safe.directory), which a script may run as. `fetch.unpackLimit`:
    what is fetched stays one file, which is quicker than one for each object.
    """
    depth = lookup(build.variables, "GIT_DEPTH") or str(GIT_DEPTH)
    url = str(build.repository.path)
    template = f"{build.tmp_dir}/git-template"
    w.notice(f"Fetching changes with git depth set to {depth}...")
    w.command("mkdir", "-p", template)
    w.command("git", "config", "-f", f"{template}/config", "init.defaultBranch", "none")
    w.command("git", "config", "-f", f"{template}/config", "fetch.recurseSubmodules", "false")
    for name in ("index.lock", "shallow.lock", "HEAD.lock", "hooks/post-checkout", "config.lock"):
        w.command("rm", "-f", f"{build.build_dir}/.git/{name}")
    w.command("git", "init", build.build_dir, "--template", template)
    w.command("cd", build.build_dir)
    w.line(f"if git remote add origin {escape(url)} >/dev/null 2>&1; then")
    w.notice("Created fresh repository.")
    w.line("else")
    w.command("git", "remote", "set-url", "origin", url)
    w.line("fi")
    agent = f"http.userAgent=gitlab-runner {RUNNER_VERSION} linux/amd64"
    uploadpack = f"remote.origin.uploadpack=git -c safe.directory={url} upload-pack"
    fetch = ["git", "-c", agent, "-c", uploadpack, "-c", "fetch.unpackLimit=1",
             "fetch", "origin", "--no-recurse-submodules"]
    w.command(*fetch, *build.repository.refspecs, "--depth", depth, "--prune", "--quiet")


def write_checkout(w: Writer, build: Build) -> None:
    sha = build.repository.sha
    w.notice(f"Checking out {sha[:8]} as detached HEAD (ref is {build.repository.ref})...")
    w.command("git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", sha)
    w.command("git", "clean", "-ffdx")


def write_clear_worktree(w: Writer, build: Build) -> None:
    """abstract.go, writeClearWorktreeScript: before each further attempt at get_sources."""
    tree = quote(build.build_dir)
    w.line(f"if [ -d {tree} ]; then")
    w.line(f"find {tree} -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {{}} +")
    w.line("fi")


def write_script(w: Writer, build: Build) -> None:
    """A job of the `run:` keyword has no native way through a custom executor: it is a script that
    hands the steps, in the variable STEPS, to a step-runner that must be there."""
    write_exports(w, build)
    w.command("cd", build.build_dir)
    if build.options.run:
        w.line("export STEPS=" + escape(json.dumps(build.options.run)))
        write_commands(w, ["step-runner ci"])
        return
    write_commands(w, build.options.script)


def write_after_script(w: Writer, build: Build) -> None:
    write_exports(w, build)
    w.command("cd", build.build_dir)
    w.notice("Running after script...")
    write_commands(w, build.options.after_script)


def write_upload(w: Writer, build: Build) -> None:
    """abstract.go, uploadArtifacts and guardRunnerCommand: without the program there are no
    artifacts, and the job is green all the same."""
    write_exports(w, build)
    w.command("cd", build.build_dir)
    w.line("if gitlab-runner --version >/dev/null 2>&1; then")
    w.notice("Uploading artifacts...")
    paths = [argument for path in build.options.artifacts for argument in ("--path", path)]
    w.command(
        "gitlab-runner", "artifacts-uploader", "--url", SERVER + "/", "--token",
        job_token(build.options), "--id", str(build.options.job_id), *paths,
        "--artifact-format", "zip", "--artifact-type", "archive",
    )
    w.line("else")
    w.warning("Missing gitlab-runner. Uploading artifacts is disabled.")
    w.line("fi")


def write_cleanup_files(w: Writer, build: Build) -> None:
    for v in build.variables:
        if v.file:
            w.command("rm", "-f", f"{build.tmp_dir}/{v.key}")


WRITERS: dict[str, Callable[[Writer, Build], None]] = {
    "prepare_script": write_prepare,
    "get_sources": write_get_sources,
    "clear_worktree": write_clear_worktree,
    "step_script": write_script,
    "after_script": write_after_script,
    "upload_artifacts_on_success": write_upload,
    "upload_artifacts_on_failure": write_upload,
    "cleanup_file_variables": write_cleanup_files,
}


def is_skipped(stage: str, build: Build) -> bool:
    """abstract.go, ErrSkipBuildStage: a stage with nothing to do is not given to the executor."""
    when = build.options.artifacts_when
    if stage == "after_script":
        return not build.options.after_script
    if stage.startswith("upload_artifacts_"):
        fits = when in ("always", stage.removeprefix("upload_artifacts_"))
        return not build.options.artifacts or not fits
    if stage == "cleanup_file_variables":
        return not any(v.file for v in build.variables)
    return stage not in WRITERS


def generate_script(stage: str, build: Build) -> str:
    w = Writer()
    WRITERS[stage](w, build)
    trace = lookup(build.variables, "CI_DEBUG_TRACE").lower() in ("1", "t", "true")
    return w.finish(build.shell, trace)
