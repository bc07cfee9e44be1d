# SPDX-License-Identifier: MIT
"""How a run looks while it goes on: as a job's log, and on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runner import Result, Variable
from twoservices import change, make_small
from waiting import SECONDS, frozen, until
from world import BRANCH, BUILD, ENVIRONMENT, ROOT, World

MARK = re.compile(r"section_(start|end):[0-9]+:([A-Za-z0-9_.-]+)(\[collapsed=true\])?\r\x1b\[0K")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
SPAN = r"(?:[0-9.]+ s|[0-9]+ min [0-9]+ s)"
SYSTEM = 2


# --- a job's log ---

def shown(result: Result) -> list[str]:
    """The job's log, as GitLab shows it before anybody unfolds anything: empty lines it leaves out
    (lib/gitlab/ci/ansi2json/converter.rb, flush_current_line)."""
    lines, collapsed = [], None
    for line in result.raw_log.decode().split("\n"):
        marks, text = list(MARK.finditer(line)), MARK.sub("", line)
        for mark in marks:
            if mark[1] == "end" and mark[2] == collapsed:
                collapsed = None
        text = STYLE.sub("", text).rpartition("\r")[2]
        if collapsed is None and text.strip():
            lines.append(text)
        for mark in marks:
            if mark[1] == "start" and mark[3]:
                collapsed = mark[2]
    assert collapsed is None
    return lines


def seen(result: Result) -> list[str]:
    """What the driver has said of that."""
    lines = shown(result)
    first = next(n for n, line in enumerate(lines) if re.match(r"(deploy|destroy): ", line))
    last = next(n for n, line in enumerate(lines)
                if re.match(rf"({ENVIRONMENT} is as|nothing is left of|ERROR: )", line))
    return lines[first:last + 1]


def folded(result: Result, name: str) -> list[str]:
    """The lines of a section."""
    log = result.raw_log.decode()
    start = re.search(rf"section_start:[0-9]+:{name}\[collapsed=true\]\r\x1b\[0K.*\n", log)
    end = re.search(rf"section_end:[0-9]+:{name}\r", log)
    assert start and end, log
    return log[start.end():end.start()].splitlines()


ENDED = re.compile(rf".*: (?:[0-9]+ )?(?:created|updated|replaced|removed), {SPAN}")


def seen_beside() -> int:
    """How many lines test_report.c, which has what AWS's own time adds, counts on beside those of
    what has ended."""
    source = (ROOT / "tests" / "unit" / "test_report.c").read_text()
    found = re.search(r"#define SEEN_BESIDE ([0-9]+)", source)
    assert found
    return int(found[1])


def test_the_whole_example(ready: World) -> None:
    """A line for each service and each kind, and the whole log is less than 60 lines, the runner's
    and two that only this host has among them: a warning of its scripts' user, a missing
    gitlab-runner."""
    made = ready.deploy()
    whole, lines = shown(made), seen(made)
    assert len(whole) < 60, "\n".join(whole)
    beside = [line for line in whole if not ENDED.fullmatch(line)
              and not re.match("WARNING: scripts run as root|note: there is no 'gitlab-r", line)]
    assert len(beside) == seen_beside(), "\n".join(beside)
    text = "\n".join(lines)
    for service in ready.spec()["services"]:
        assert len(re.findall(rf"(?m)^service {service}: created, {SPAN}$", text)) == 1
    assert re.search(rf"(?m)^security groups: 16 created, {SPAN}$", text)
    assert re.match(rf"deploy: {ENVIRONMENT} \(ephemeral, us-east-1\) from '{BRANCH}'", lines[0])
    assert lines[1] == "plan: 87 to create, 16 unchanged"
    assert re.fullmatch(rf"took {SPAN} and [0-9]+ calls: [0-9]+ reads, 104 writes, 0 retries, "
                        r"0 throttled", lines[-3])
    assert lines[-2] == f"https://{ENVIRONMENT[11:]}.mettel-automation.net/"
    assert lines[-1] == f"{ENVIRONMENT} is as the spec wants it: 87 created"
    assert "+ service notifier (automation-8527fec8-notifier)" in folded(made, "berth_plan")
    table = folded(made, "berth_calls")
    assert any(re.match(r"  apply +[0-9.]+ s$", line) for line in table)
    assert any(re.match(r"  ecs +[0-9]+ +[0-9]+ +0 +0$", line) for line in table)
    again = seen(ready.deploy())
    assert len(again) == 5 and again[1] == "plan: 103 unchanged"
    gone = seen(ready.job("destroy-branches"))
    assert len(gone) < 40, "\n".join(gone)


@pytest.mark.parametrize("host, job", [({}, ""), ({"NO_COLOR": "1"}, ""), ({"TERM": "dumb"}, ""),
                                       ({}, "NO_COLOR")])
def test_colours(ready: World, host: dict[str, str], job: str) -> None:
    """The verdict, what the job is and the plan: no more, and nothing for whom that is a nuisance,
    on the host or in the job."""
    make_small(ready)
    environ = {k: v for k, v in ready.environ().items() if k not in ("NO_COLOR", "TERM")} | host
    variables = [Variable(job, "1")] if job else []
    result = ready.job("plan", environ=environ, variables=variables)
    log = result.raw_log.decode()
    told = log[log.index("plan of deploy"):log.index("nothing was changed")]
    painted = f"\x1b[32mthis was a plan of {ENVIRONMENT}: nothing was changed\x1b[0m" in log
    assert painted == (not host and not job)
    assert ("\x1b[1mplan of deploy: " in log) == painted
    assert ("\x1b[1mplan: " in told) == painted
    assert len(STYLE.findall(told)) == (4 if painted else 0)


# --- a terminal ---

class Screen:
    """What a terminal of one size shows after these bytes: of all there is, only what berth uses."""

    def __init__(self) -> None:
        self.lines, self.row = [""], 0

    def feed(self, text: str) -> None:
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
            if part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif part.startswith("\x1b["):
                self.control(part)
            elif part != "\r":
                self.lines[self.row] += part

    def control(self, sequence: str) -> None:
        if sequence.endswith("A"):
            self.row -= int(sequence[2:-1])
        elif sequence == "\x1b[J":
            self.lines = self.lines[:self.row] + [""]
        else:
            assert sequence.endswith("m"), repr(sequence)


class Terminal:
    """A command that runs on a terminal of 24 lines, 60 columns wide."""

    def __init__(self, world: World, *arguments: str, term: str = "xterm") -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        environ = {k: v for k, v in world.environ().items() if k != "NO_COLOR"} | {"TERM": term}
        self.process = subprocess.Popen(
            [BUILD / "bin" / "berth", *arguments], cwd=world.project, env=environ, stdin=slave,
            stdout=subprocess.DEVNULL, stderr=slave, start_new_session=True)
        os.close(slave)
        self.shown = b""

    def read(self, seconds: float) -> bool:
        """Whether there may be more."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # Linux says so when nobody has the other end open any more
            chunk = b""
        self.shown += chunk
        return chunk != b""

    def screen(self) -> Screen:
        screen = Screen()
        screen.feed(self.shown.decode())
        return screen

    def await_text(self, pattern: str) -> None:
        end = time.monotonic() + SECONDS
        while not any(re.search(pattern, line) for line in self.screen().lines):
            assert self.read(0.1) and time.monotonic() < end, self.shown.decode()

    def end(self, signum: int | None = None) -> int:
        if signum is not None:
            self.process.send_signal(signum)
        end = time.monotonic() + SECONDS
        while self.read(0.1):
            assert time.monotonic() < end, self.shown.decode()
        return self.process.wait(SECONDS)


@contextmanager
def terminal(world: World, *arguments: str, term: str = "xterm") -> Iterator[Terminal]:
    started = Terminal(world, *arguments, term=term)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()
        os.close(started.master)


def apply(world: World) -> list[str]:
    return ["apply", "--project=77", f"--ref={BRANCH}", "--pipeline=1", *world.given_variables()]


def test_a_terminal_shows_what_goes_on(ready: World) -> None:
    """Lines that are drawn anew, as many as it has room for; in the end none of them is left, and
    whoever kills berth finds the cursor where a prompt can stand."""
    make_small(ready)
    with frozen(ready):
        with terminal(ready, *apply(ready)) as killed:
            killed.await_text(r"^ +[0-9]+:[0-9]+  service notifier: 0 of 1 tasks of ")
            assert max(map(len, killed.screen().lines)) > 60  # a line that is said is whole
            for line in killed.screen().lines:
                assert len(line) < 60 or not re.match(r" +[0-9]+:[0-9]+  ", line)
            killed.end(signal.SIGKILL)
            assert killed.shown.endswith(b"\n")
            assert b"\x1b[?" not in killed.shown  # nothing is hidden that would have to come back
        with terminal(ready, *apply(ready)) as stopped:
            stopped.await_text(r"^ +[0-9]+:[0-9]+  apply: [0-9]+ of [0-9]+ done$")
            stopped.await_text(r"^ +[0-9]+:[0-9]+  service notifier: ")
            assert stopped.end(signal.SIGINT) == SYSTEM
            screen = stopped.screen()
            text = "\n".join(screen.lines)
            assert "not finished: service notifier: " in text
            assert not re.search(r"(?m)^ +[0-9]+:[0-9]+  ", text), text
            assert screen.lines[-2].startswith("ERROR: cancelled: ") and screen.lines[-1] == ""
    with terminal(ready, *apply(ready)) as good:
        assert good.end() == 0
        lines = good.screen().lines
        assert lines[-2] == f"{ENVIRONMENT} is as the spec wants it: " + lines[-2].split(": ")[1]
        assert not any(re.match(r" +[0-9]+:[0-9]+  ", line) for line in lines)
        assert "section_" not in "".join(lines)


@pytest.mark.parametrize("options, term", [(["--json"], "xterm"), ([], "dumb")])
def test_no_such_lines_for_who_cannot_use_them(ready: World, options: list[str],
                                               term: str) -> None:
    make_small(ready)
    with frozen(ready):
        with terminal(ready, *apply(ready), *options, term=term) as running:
            until(lambda: running.read(0.1) and ready.aws.calls("ecs", "CreateService"))
            running.end(signal.SIGINT)
            assert b"\x1b[J" not in running.shown and b" done\r\n" not in running.shown
            assert (b"\x1b[" in running.shown) == (term != "dumb")


def test_a_file_has_plain_lines(ready: World) -> None:
    make_small(ready)
    change(ready)
    done = ready.berth(*apply(ready))
    assert "\x1b" not in done.stderr and "section_" not in done.stderr
    assert re.search(r"(?m)^service notifier: created, ", done.stderr)
