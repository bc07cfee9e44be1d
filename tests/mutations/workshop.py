# SPDX-License-Identifier: MIT
"""A copy of the tree in which mutations are built and tested, without touching the tree itself.

It lies in build/mutations/N and keeps its objects from one run to the next: a mutation costs the
compilation of one file, the links, and its tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mutation import Mutation

BUILD_SECONDS = 600
UNIT_SECONDS = 60  # mutated code may wait for ever; a program takes a few seconds
E2E_SECONDS = 300
# What is linked from objects. make takes archives for secondary: with one missing it would not link
# a program anew that is newer than all sources.
LINKED = ("libberth*.a", "bin/berth", "libexec/berth/*")


class Broken(Exception):
    """What keeps a mutation from being judged: it does not compile, or all is red without it."""


@dataclass
class Verdict:
    """What a test said of a mutation."""

    killed: bool
    red: list[str]  # the names of the tests that failed
    output: str


def _newer(source: Path, copy: Path) -> bool:
    if not copy.exists():
        return True
    one, other = source.stat(), copy.stat()
    return one.st_mtime_ns != other.st_mtime_ns or one.st_size != other.st_size


class Workshop:
    """One copy; used by one thread."""

    def __init__(self, root: Path, number: int) -> None:
        self.root = root
        self.tree = root / "build" / "mutations" / str(number)
        self.green: dict[str, bool] = {}

    def prepare(self) -> None:
        """Make the copy equal to the tree, and take over what the tree has built already."""
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"],
                                cwd=self.root, check=True, capture_output=True, text=True)
        wanted = {name for name in listed.stdout.split("\0") if (self.root / name).is_file()}
        for path in [p for p in self.tree.rglob("*") if p.is_file()]:
            name = str(path.relative_to(self.tree))
            if not name.startswith("build/") and name not in wanted:
                path.unlink()
        for name in wanted:
            if _newer(self.root / name, self.tree / name):
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / name, self.tree / name)
        build = self.root / "build"
        if not (self.tree / "build").exists() and (build / "flags").exists():
            (self.tree / "build").mkdir()
            shutil.copytree(build / "obj", self.tree / "build" / "obj")
            shutil.copy2(build / "flags", self.tree / "build" / "flags")
        (self.tree / "build").mkdir(exist_ok=True)

    def try_out(self, mutation: Mutation) -> list[Verdict]:
        """Make the mistake, build, test, and put everything back."""
        for target, _ in mutation.tests:
            self._check_green(target)
        source = self.tree / mutation.file
        objects = self.tree / "build" / "obj" / (mutation.file.removesuffix(".c") + ".o")
        kept = {path: path.with_name(path.name + ".kept") for path in (source, objects)}
        for path, copy in kept.items():
            shutil.copy2(path, copy)
        try:
            source.write_text(mutation.apply(source.read_text()))
            return [self._ask(target, name, mutation.says) for target, name in mutation.tests]
        finally:
            for path, copy in kept.items():
                copy.replace(path)
            # What was linked is newer than the objects that are back, but holds the mistake.
            units = [f"tests/{t}" for t, _ in mutation.tests if t.startswith("unit/")]
            for pattern in (*LINKED, *units):
                for path in (self.tree / "build").glob(pattern):
                    path.unlink()

    def _check_green(self, target: str) -> None:
        """What is red without a mistake cannot tell of one. Asked once for each target."""
        if target not in self.green:
            code, output = self._run(target)
            self.green[target] = code == 0
            if code != 0:
                print(output)
        if not self.green[target]:
            raise Broken(f"{target} fails without any mutation")

    def _ask(self, target: str, name: str, says: str) -> Verdict:
        code, output = self._run(target)
        red = self._red(target, output) if code != 0 else []
        if code != 0 and not red:  # a program that aborts names no test
            red = [f"exit code {code}"]
        killed = code != 0 and (not name or name in red) and says in output
        return Verdict(killed, red, output)

    @staticmethod
    def _red(target: str, output: str) -> list[str]:
        mark = "[  FAILED  ] " if target.startswith("unit/") else "FAILED "
        found = [line.removeprefix(mark) for line in output.splitlines() if line.startswith(mark)]
        names = [line.split()[0].rpartition("::")[2] for line in found if line]
        return list(dict.fromkeys(n for n in names if n.isidentifier()))

    def _run(self, target: str) -> tuple[int, str]:
        unit = target.startswith("unit/")
        self._build(f"build/tests/{target}" if unit else "all")
        if unit:
            command = [str(self.tree / "build" / "tests" / target)]
        else:
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                       "--tb=line", f"tests/{target}"]
        return self._bounded(command, UNIT_SECONDS if unit else E2E_SECONDS)

    def _build(self, *targets: str) -> None:
        code, output = self._bounded(["make", "--no-print-directory", *targets], BUILD_SECONDS)
        if code != 0:
            raise Broken(f"does not build:\n{output[-2000:]}")

    def _bounded(self, command: list[str], seconds: float) -> tuple[int, str]:
        """The exit code and the output; what takes too long ends. Nothing of it is left running."""
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            child = subprocess.Popen(command, cwd=self.tree, stdout=output,
                                     stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                     env=self._environ(), start_new_session=True)
            try:
                child.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                output.write(f"\nnot done after {seconds:.0f} s\n")
            self._end_all()
            child.wait()
            output.seek(0)
            return child.returncode, output.read()

    def _end_all(self) -> None:
        """Mutated code may leave processes behind, in sessions of their own: all that work here."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "cwd").resolve().is_relative_to(self.tree):
                    os.kill(int(entry.name), signal.SIGKILL)

    @staticmethod
    def _environ() -> dict[str, str]:
        """Without what an outer make or test would set; python3 is the one with the packages."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("MAKE", "MFLAGS", "BERTH_", "AWS_", "PYTEST"))}
        kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}
