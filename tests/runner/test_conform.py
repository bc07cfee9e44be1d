# SPDX-License-Identifier: MIT
"""The conformance suite on three executors: berth holds every rule, a plain one in Python does, and
of a naive one it finds every fault."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance.cases import CASES
from conformance.rules import RULES, as_markdown
from conformance.suite import chosen

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAMS = ROOT / os.environ.get("BERTH_BUILD", "build") / "libexec" / "berth"
TIMEOUT = 600

# What the naive executor does wrong, and the words by which the suite must say so.
FAULTS = {
    "codes-named-otherwise": "BUILD_FAILURE_EXIT_CODE=41, run ended with 1",
    "host-environment-kept": "the script has AWS_ACCESS_KEY_ID",
    "hostile-variables": "error while parsing JSON output",
    "identity-of-directories": "when the author says 4711",
    "own-codes": "the script's code was 2, the runner sees 1",
    "code-of-a-job": "the runner sees 1",
    "code-of-every-stage": "the script's code was 9, the runner sees 1",
    "ended-by-signals": "the script's code was 137, the runner sees 1",
    "stale-code-file": "the script's code was 3, the runner sees 99",
    "stale-code-file-in-prepare": "the script's code was 6, the runner sees 99",
    "code-file-is-digits": "there is no code file",
    "linked-code-file": "the script's code was 4, the runner sees None",
    "lost-script": "run ended with 1",
    "without-git": "failed in 'get_sources' (script_failure)",
    "without-bash": "failed in 'prepare_script' (script_failure)",
    "artifacts-without-gitlab-runner": "the job is green, its artifacts are lost",
    "steps-without-step-runner": "failed in 'build_script' (script_failure)",
    "image-is-told": "none of image",
    "services-are-told": "none of service",
    "every-stage": "unknown stage clear_worktree",
    "killed-and-called-again": "unknown stage clear_worktree",
    "a-job-that-says-it-is-another": "the first job's files are gone",
    "script-that-signals-its-group": "the runner calls it runner_system_failure",
    "nobody-listens": "prepare ended with -13",
    "prepare-at-any-moment": "prepare ended with 0",
    "last-words": "run ended with -15",
    "script-that-ignores-it": "still there: sleep",
    "background-processes": "a process still held its output",
    "daemons-that-ignore-sigterm": "still there: sleep",
}


def conform(directory: Path, *arguments: str | Path, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [HERE / "conform", *arguments, directory], env=dict(os.environ, **environ), text=True,
        capture_output=True, timeout=TIMEOUT, check=False,
    )
    return done.returncode, done.stdout + done.stderr


def outcomes(path: Path) -> dict[str, dict[str, Any]]:
    return {entry["case"]: entry for entry in json.loads(path.read_text())["outcomes"]}


def only(names: Any) -> list[str]:
    return [word for name in names for word in ("--only", name)]


def test_berth_holds_every_rule(tmp_path: Path) -> None:
    config = {"projects": {}, "buildsDir": str(tmp_path / "builds"),
              "cacheDir": str(tmp_path / "cache")}
    (tmp_path / "berth.json").write_text(json.dumps(config))
    (tmp_path / "berth.json").chmod(0o644)
    report = tmp_path / "report.json"
    code, said = conform(
        PROGRAMS, "--json", report, BERTH_CONFIG=str(tmp_path / "berth.json"), NO_COLOR="1",
    )
    assert code == 0, "\n".join(line for line in said.splitlines() if not line.startswith("held"))
    results = outcomes(report)
    assert set(results) == {case.name for case in CASES}
    assert {entry["result"] for entry in results.values()} == {"held"}, said


def test_another_executor_holds_the_rules_that_a_naive_one_breaks(tmp_path: Path) -> None:
    code, said = conform(
        HERE / "plain", "--output-size", "8", "--moments", "4", *only(FAULTS),
        PLAIN_DIRECTORY=str(tmp_path / "plain"),
    )
    assert code == 0, said


def test_every_fault_of_the_naive_executor_is_found(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    code, said = conform(HERE / "naive", "--json", report, *only(FAULTS))
    assert code == 1, said
    results = outcomes(report)
    missed = {name for name, entry in results.items() if entry["result"] != "broken"}
    assert not missed, said
    unsaid = {name for name, words in FAULTS.items() if words not in results[name]["evidence"]}
    assert not unsaid, said


# The rules, their cases and their documentation.

def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    numbers = [rule.number for rule in RULES]
    assert len(set(numbers)) == len(numbers)
    cited = {number for case in CASES for number in case.rules}
    assert cited == set(numbers)
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(rule.source and case.title for rule in RULES for case in CASES)


def test_the_documentation_lists_the_rules() -> None:
    assert as_markdown() in (ROOT / "docs" / "conformance.md").read_text()


def test_choosing_cases() -> None:
    assert {c.name for c in chosen(["3.5"])} == {"code-file-is-digits", "linked-code-file"}
    assert {c.name for c in chosen(["every-byte"])} == {"every-byte"}
    assert all(any(n.startswith("7.") for n in c.rules) for c in chosen(["7"]))
    assert chosen(["10"]) == [] and len(chosen([])) == len(CASES)


@pytest.mark.parametrize(("arguments", "words"), [
    ([], "there is no run executable"),
    (["/nowhere"], "there is no run executable"),
    (["--run", "/nowhere/run"], "'/nowhere/run' for run is no program"),
    ([str(HERE / "plain"), "--only", "99"], "no case is for 99"),
    ([str(HERE / "plain"), "--var", "novalue"], "--var takes KEY=VALUE"),
])
def test_wrong_use_ends_with_3(arguments: list[str], words: str) -> None:
    done = subprocess.run([HERE / "conform", *arguments], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 3 and words in done.stderr


def test_executables_one_by_one(tmp_path: Path) -> None:
    """Without config and cleanup, each with arguments of its own; what needs them says so."""
    report = tmp_path / "report.json"
    run = tmp_path / "run"
    run.write_text('#!/bin/bash\n[ "$1" = "an argument" ] || exit 2\n'
                   f'exec {HERE}/plain/run "${{@:2}}"\n')
    run.chmod(0o755)
    done = subprocess.run(
        [HERE / "conform", "--run", f"{run} 'an argument'", "--json", report, "--only", "8.2",
         "--only", "2.3", "--only", "own-codes"],
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = outcomes(report)
    assert results["own-codes"]["result"] == "held"
    assert results["cleanup-again"]["evidence"] == "there is no cleanup"
    assert results["directories-are-absolute"]["result"] == "not applicable"


def test_list_of_rules() -> None:
    done = subprocess.run([HERE / "conform", "--list"], capture_output=True, text=True, timeout=60,
                          check=True)
    for rule in RULES:
        assert re.search(rf"^{re.escape(rule.number)}  ", done.stdout, re.MULTILINE)
    assert "- stale-code-file: " in done.stdout
