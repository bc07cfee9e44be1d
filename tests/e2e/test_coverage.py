# SPDX-License-Identifier: MIT
"""The gate of <module>-test: real reports of coverage.py, and what a script can leave instead.

The witness of a total is coverage.py itself, asked by the script for the same data.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from executorhost import is_alive, wait_for
from runner import Result, start_job
from toolhost import ToolHost, errors

USER, SYSTEM = 1, 2
# As docs/drivers/coverage.md has it, and as GitLab's page has it for pytest-cov:
# https://docs.gitlab.com/ci/testing/code_coverage/coverage_reporting/
OURS = r"Total coverage: (\d+\.\d+)%"
GITLABS = r"TOTAL.*? (100(?:\.0+)?\%|[1-9]?\d(?:\.\d+)?\%)$"
APP = """
def sign(n):
    if n < 0:
        return "-"
    if n > 0:
        return "+"
    return "0"


def spell(n):
    words = []
    for digit in str(n):
        words.append("zero one two".split()[int(digit)])
    return " ".join(words)
"""
TEST = "from app import sign\nassert sign(1) == '+'\n"
WHOLE = TEST + "assert [sign(0), sign(-1)] == ['0', '-']\nfrom app import spell\nspell(12)\n"
MEASURE = "cd notifier && python3 -m coverage run --branch --include=app.py check.py"
# coverage.py's own word on the same data.
ASK = 'echo "coverage.py says $(python3 -m coverage report --precision=2 --format=total)"'
DATA = "echo 'SQLite format 3' > .coverage"
LCOV = "printf 'SF:app.py\\nLF:{0}\\nLH:{1}\\nend_of_record\\n' > notifier/lcov.info"


@pytest.fixture
def host(tmp_path: Path) -> ToolHost:
    host = ToolHost(tmp_path)
    # `python3` is the one that has what tests/requirements.txt asks for.
    host.environ["PATH"] = f"{Path(sys.executable).parent}:{host.environ['PATH']}"
    host.put("notifier/app.py", APP)
    host.put("notifier/check.py", TEST)
    set_coverage(host)
    return host


def set_coverage(host: ToolHost, **coverage: Any) -> None:
    host.modules({"notifier": {"coverage": coverage}})


def lines_of(result: Result) -> list[str]:
    """What berth has said at the end: the runner's own lines cut off."""
    lines = result.log.rstrip().splitlines()
    while lines and (lines[-1].startswith(("ERROR: Job failed", "Job succeeded", "Cleaning up",
                                           "section_")) or not lines[-1].strip()):
        lines.pop()
    return lines


def failed(result: Result, *says: str) -> None:
    assert (result.exit_code, result.failure_reason) == (USER, "script_failure"), result.log
    for text in says:
        assert text in result.log, result.log


@pytest.mark.parametrize(
    ("report", "name"),
    [("xml -q", "coverage.xml"), ("json -q", "coverage.json"), (None, ".coverage")],
)
def test_the_total_is_coverage_pys(host: ToolHost, report: str | None, name: str) -> None:
    write = "; ".join(["", f"python3 -m coverage {report}", "rm .coverage"]) if report else ""
    result = host.play("notifier-test", script=f"{MEASURE}; {ASK}{write}")
    says = re.search(r"coverage\.py says (\d+\.\d\d)", result.log)
    assert says is not None, result.log
    failed(result, f"read 'notifier/{name}' (coverage.py): lines and branches of 1 file")
    assert "app.py: lines 4, 7, 11-14" in result.log
    assert lines_of(result)[-1] == (f"FAIL Required test coverage of 80% not reached. "
                                    f"Total coverage: {says[1]}%")
    assert not errors(result.log)
    assert re.findall(OURS, result.log)[-1] == says[1]


def test_enough(host: ToolHost) -> None:
    host.put("notifier/check.py", WHOLE)
    set_coverage(host, minimum=99.99)
    result = host.play("notifier-test", script=f"{MEASURE}; {ASK}; python3 -m coverage xml -q")
    assert result.exit_code == 0, result.log
    assert "coverage.py says 100.00" in result.log
    assert lines_of(result)[-1] == ("Required test coverage of 99.99% reached. "
                                    "Total coverage: 100.00%")
    assert "where most is missed" not in result.log
    assert re.findall(OURS, result.log)[-1] == "100.00"
    assert [found for line in result.log.splitlines()
            for found in re.findall(GITLABS, line)][-1] == "100.00%"


@pytest.mark.parametrize(
    ("covered", "code", "shown"), [(80000, 0, "80.00"), (79999, USER, "79.99")]
)
def test_the_minimum_is_exact(host: ToolHost, covered: int, code: int, shown: str) -> None:
    result = host.play("notifier-test", script=LCOV.format(100000, covered))
    assert result.exit_code == code, result.log
    assert re.findall(OURS, result.log)[-1] == shown


def test_a_failed_script_is_not_judged(host: ToolHost) -> None:
    result = host.play("notifier-test", script=LCOV.format(10, 10) + "; exit 7")
    assert (result.exit_code, result.script_exit_code) == (USER, 7)
    assert "otal coverage" not in result.log


def test_tests_are_no_environments_business(host: ToolHost) -> None:
    """Neither a branch that no kind of environment has, nor a plan."""
    for job, ref in (("notifier-test", "wip/anything"), ("plan-notifier-test", "dev/feature/x")):
        result = host.play(job, ref=ref, script=LCOV.format(10, 9))
        assert result.exit_code == 0, result.log
        assert lines_of(result)[-1].endswith("Total coverage: 90.00%")


def test_only_what_the_script_has_written_counts(host: ToolHost) -> None:
    host.put("notifier/lcov.info", "SF:a\nLF:1\nLH:1\nend_of_record\n")
    failed(host.play("notifier-test", script="echo no tests"),
           "'notifier/lcov.info' is from ", "before this job began",
           "let the job's script write one ('pytest --cov --cov-report=xml'")
    failed(host.play("notifier-test", script="rm notifier/lcov.info"),
           "the tests of 'notifier' have written no coverage report: looked in 'notifier' and the "
           "project's directory for coverage.xml, ", "modules.notifier.coverage.report")


def test_a_clock_that_was_ahead_makes_no_report_fresh(host: ToolHost) -> None:
    """As a cache or an artifact brings it: before the stage, with the time of whoever wrote it."""
    host.put("notifier/lcov.info", "SF:a\nLF:1\nLH:1\nend_of_record\n")
    ahead = time.time() + 3600
    os.utime(host.project / "notifier/lcov.info", (ahead, ahead))
    failed(host.play("notifier-test", script="echo no tests"), "before this job began")


def test_a_file_is_not_where_a_report_would_be(host: ToolHost) -> None:
    host.put("notifier/build", "a script\n")
    (host.project / "notifier/target").symlink_to("/nowhere")
    failed(host.play("notifier-test", script="echo no tests"),
           "the tests of 'notifier' have written no coverage report: looked in")


def test_which_report(host: ToolHost) -> None:
    both = LCOV.format(10, 9) + "; sed s/LH:9/LH:1/ notifier/lcov.info > lcov.info"
    result = host.play("notifier-test", script=both)
    assert result.exit_code == 0, result.log
    assert "'lcov.info' is passed over: 'notifier/lcov.info' comes before it" in result.log
    set_coverage(host, report="out/*.info")
    out = "mkdir notifier/out; " + both + "; cp notifier/lcov.info notifier/out/{0}.info"
    two = out.format("a") + "; cp lcov.info notifier/out/b.info"
    failed(host.play("notifier-test", script=two),
           "ERROR: .berth/environment.json:12: modules.notifier.coverage.report: 'out/*.info' "
           "matches 2 reports", "'notifier/out/a.info' and 'notifier/out/b.info'")
    result = host.play("notifier-test", script=out.format("a"))
    assert "read 'notifier/out/a.info' (lcov): lines of 1 file" in result.log, result.log


LAUGHS = """cat > coverage.xml <<'END'
<!DOCTYPE coverage [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<coverage lines-valid="1" lines-covered="1">&b;</coverage>
END"""


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (LAUGHS, "the report 'coverage.xml' declares XML entities, which are not read"),
        ("truncate -s 200M coverage.xml", "'coverage.xml' has 200 MiB"),
        ("mkfifo coverage.xml", "'coverage.xml' is not a regular file"),
        (DATA, "coverage.py makes no report of '.coverage': it ended with 1 and "),
    ],
    ids=["laughs", "large", "fifo", "no data"],
)
def test_what_is_no_report(host: ToolHost, script: str, says: str) -> None:
    failed(host.play("notifier-test", script=script), says)


@pytest.mark.parametrize(
    "program", [["/nowhere/coverage"], [sys.executable, "-IS", "-m", "coverage"]]
)
def test_the_host_lacks_coverage_py(host: ToolHost, program: list[str]) -> None:
    host.config["tools"] = {"coverage": program}
    result = host.play("notifier-test", script=DATA)
    assert result.exit_code == SYSTEM, result.log
    assert "which only coverage.py can read, and this host has none" in result.log
    assert "python3-coverage" in result.log


@pytest.fixture
def hanging(host: ToolHost, tmp_path: Path) -> Path:
    """Where a coverage.py that never ends writes the id of a process that it has started."""
    mark = tmp_path / "mark"
    program = host.put_program("hang", f"sleep 1000 &\necho $! > {mark}\nwait\n")
    host.config["tools"] = {"coverage": [str(program)]}
    return mark


def test_a_cancel_ends_coverage_py(host: ToolHost, hanging: Path) -> None:
    with start_job(**host.options("notifier-test", script=DATA)) as running:
        running.wait_stage("build_script")
        pid = int(wait_for(hanging))
        running.cancel("canceling")
        result = running.wait()
    assert result.status == "canceled", result.log
    assert not is_alive(pid)
    assert "otal coverage" not in result.log


def test_coverage_py_hangs(host: ToolHost, hanging: Path) -> None:
    host.config["tools"]["seconds"] = 1
    result = host.play("notifier-test", script=DATA)
    assert result.exit_code == SYSTEM, result.log
    assert "cannot read '.coverage': '" in result.log
    assert "took longer than 1 s and was ended" in result.log
    begun = hanging.read_text() if hanging.exists() else ""  # a second may be too short for it
    assert begun == "" or not is_alive(int(begun))
