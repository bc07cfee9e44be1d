# SPDX-License-Identifier: MIT
"""Canaries: secrets that every job of every test has, and that no output may hold in any encoding.

`install` plants a masked variable in each job that the played runner runs, and looks at all that
comes out: what the programs write, before the runner masks it; the files that they leave in the
project's directory; what the commands for people print. The other secrets of a test's world, AWS
keys, session tokens, registry logins, tokens and passwords, bear the same mark or are known here.
What was found is told by `take`, which conftest.py calls after each test.

What a job's script prints of its own environment is the script's: the planted variable may stand
behind its name.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "runner")]

import runner  # noqa: E402
from aws.identity import CANARY, JOBS_SECRET, SECRET_KEY  # noqa: E402
from contract.build import BuildRun  # noqa: E402
from contract.errors import StageError  # noqa: E402
from contract.options import Variable  # noqa: E402
from contract.trace import Masker, Trace  # noqa: E402

VARIABLE = "CANARY_MASKED"
# GitLab masks what has no blanks and one line; every encoding has something to do here.
VALUE = f'{CANARY}"\\/+&<é>=%41?~{CANARY}'
OTHERS = (SECRET_KEY, JOBS_SECRET, "example-gf_security", "example-grafana_", "glpat-only-for-tests",
          "wJalrXUtnFEMI-K7MDENG-bPxRfiCY-of-the-host")
NAMED = VARIABLE.encode() + b"="
# All alternatives begin with a known character: texts are long, and re skips to the next such one.
OWN = re.compile(NAMED + rb"[^\n\0]*")
BROKEN = re.compile(rb"\n[ \t]*")
# What colours a terminal, and the NULs of UTF-16, as they are and as berth shows them.
COLOUR = rb"\[[0-9;?]*[A-Za-z]"
UNSEEN = re.compile(b"|".join(
    [escape + COLOUR for escape in (rb"\x1b", rb"\\x1b", rb"\\u001b", rb"\\033")] +
    [rb"\0", rb"\\x00", rb"\\u0000"]))


def cores(plain: bytes, encode: Callable[[bytes], bytes], bits: int) -> Iterator[bytes]:
    """The digits that depend on it alone, at each offset in a longer text."""
    for before in range({6: 3, 5: 5}[bits]):
        digits = encode(bytes(before) + plain)
        first, end = -(-8 * before // bits), 8 * (before + len(plain)) // bits
        yield digits[first:end]


def base64_cores(plain: bytes) -> Iterator[bytes]:
    return cores(plain, base64.b64encode, 6)


def encoded(plain: bytes) -> Iterator[bytes]:
    """As digits, also of what is encoded already, or in UTF-16."""
    for core in base64_cores(plain):
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
        yield from base64_cores(core)
    for core in cores(plain, base64.b32encode, 5):
        yield core
        yield core.lower()
    for wide in (plain.decode().encode("utf-16-le"), plain.decode().encode("utf-16-be")):
        yield from base64_cores(wide)
        yield wide.hex().encode()
    yield from base64_cores(plain.hex().encode())


def forms(secret: str) -> set[bytes]:
    """All that a text may hold it as."""
    plain = secret.encode()
    per_byte = ("%{:02x}", "%{:02X}", "\\x{:02x}", "\\u{:04x}", "\\u{:04X}", "&#{};", "&#x{:x};",
                "&#x{:X};", "\\{:03o}", "{:02x}", "{:02X}", "{:02x} ", "{:02X} ", "{:02x}:",
                "{:02X}:", "{:02X}-", "0x{:02x},", "0x{:02x}, ", "{:d},", "{:d}, ")
    found = {plain} | {"".join(map(form.format, plain)).encode().rstrip(b", ") for form in per_byte}
    found |= set(encoded(plain))
    for old, new in (("/", "\\/"), ("/", "%2F"), ("/", "%2f"), ("/", "&#47;"), ("/", "\\u002f")):
        found.add(secret.replace(old, new).encode())
    return found


def beginning(secret: str) -> bytes:
    """What is left of it where a line is cut. That of many, which ends in '_', is no more."""
    if secret.endswith("_"):
        return secret.encode()
    return secret[:max(8, len(secret) // 2)].encode()


def joined(text: bytes) -> bytes:
    """Without what may part a secret. No form has anything of it, so that none is hidden."""
    text = OWN.sub(b"", text.replace(b"CUSTOM_ENV_" + NAMED, NAMED))
    return UNSEEN.sub(b"", BROKEN.sub(b"", text.replace(b"\r\n", b"\n")))


class Watch:
    """Finds secrets in what it is shown."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.forms = {form: secret for secret in secrets
                      for form in (*forms(secret), beginning(secret))}
        self.found: list[str] = []

    def look(self, data: bytes, where: str) -> None:
        if not data:
            return
        text = joined(data)
        for form, secret in self.forms.items():
            at = text.find(form)
            if at >= 0:
                self.found.append(f"{where} holds '{secret}' as {form!r}: "
                                  f"{text[max(0, at - 100):at + len(form) + 60]!r}")

    def look_at_files(self, directory: Path, where: str) -> None:
        """What berth leaves there; the rest is the repository's."""
        for path in directory.glob("berth*"):
            if path.is_file() and not path.is_symlink():
                self.look(path.read_bytes(), f"{path.name} of {where}")

    def take(self) -> list[str]:
        found, self.found = self.found, []
        return found


WATCH = Watch((CANARY, *OTHERS))


class Tee(Masker):
    """A stream of the job log that is looked at before it is masked."""

    def __init__(self, trace: WatchedTrace, *rest: Any) -> None:
        super().__init__(*rest)
        self.raw = bytearray()
        trace.streams.append(self)

    def write(self, data: bytes) -> None:
        self.raw += data
        super().write(data)


class WatchedTrace(Trace):
    def __init__(self, *rest: Any) -> None:
        super().__init__(*rest)
        self.streams: list[Tee] = []

    def stream(self) -> Masker:
        return Tee(self, self._phrases, self._append)


class WatchedRun(BuildRun):
    def run(self) -> StageError | None:
        error = super().run()
        job = self.job
        where = f"job '{job.options.job}'"
        assert isinstance(job.trace, WatchedTrace)
        WATCH.look(b"\n".join(bytes(stream.raw) for stream in job.trace.streams),
                   f"the log of {where}")
        if self.executor is not None and self.executor.build_dir:
            WATCH.look_at_files(Path(self.executor.build_dir), where)
        return error


def plant(variables: list[Variable]) -> list[Variable]:
    return [*variables, Variable(VARIABLE, VALUE, masked=True, raw=True)]


def watch_commands() -> None:
    """What is asked of berth's programs by their command lines."""
    original = subprocess.Popen.communicate

    def communicate(self: Any, *rest: Any, **named: Any) -> Any:
        said = original(self, *rest, **named)
        program = str(self.args if isinstance(self.args, (str, bytes, Path)) else self.args[0])
        if Path(program).parent.name in ("bin", "berth") and "/build" in program:
            for data in said:
                WATCH.look(data.encode() if isinstance(data, str) else data or b"",
                           f"what '{Path(program).name}' has said")
        return said

    subprocess.Popen.communicate = communicate  # type: ignore[method-assign]


def install() -> None:
    server_variables = runner.server_variables
    runner.server_variables = lambda *rest: plant(server_variables(*rest))
    runner.Trace = WatchedTrace  # type: ignore[misc]
    runner.BuildRun = WatchedRun  # type: ignore[misc]
    watch_commands()
