# SPDX-License-Identifier: MIT
"""Chapter 4: prepare, and the job response."""

from __future__ import annotations

import os
import signal
from typing import Any

from runner import Result, StageRecord

from .bench import Bench
from .cases import Broken, NotApplicable, case, require

FAKE_RUNNER = 'case "$1" in --version) echo "Version: 19.4.0";; esac\nexit 0'


def kill_twice(bench: Bench, name: str) -> str:
    if name not in bench.subject.commands:
        raise NotApplicable(f"there is no {name}")

    def kill(record: StageRecord) -> None:
        if record.name == name and record.attempt < 3 and record.pid is not None:
            os.killpg(record.pid, signal.SIGKILL)

    for _ in range(10):
        result = bench.play(kill, script="cat README")
        killed = [r for r in result.stages if r.name == name and r.returncode == -signal.SIGKILL]
        if killed:
            break
    else:
        raise NotApplicable(f"{name} ends before it can be killed")
    require(result.exit_code == 0, f"after {len(killed)} killed tries: {result.error}: "
            f"{result.log[-200:]}")
    directories = {r.temp_dir for r in result.stages if r.name == name}
    bad = [r.returncode for r in result.stages if r.name == "cleanup" and r.returncode]
    require(not bad, f"a cleanup ended with {bad}")
    return f"{len(killed)} tries killed, {len(directories)} directories, then success"


@case("4.1", "8.2")
def killed_in_prepare(bench: Bench) -> str:
    """prepare is killed in two tries; the third brings the job to its end."""
    return kill_twice(bench, "prepare")


@case("4.1", "2.6", "8.2")
def killed_in_config(bench: Bench) -> str:
    """config is killed in two tries; the third brings the job to its end."""
    return kill_twice(bench, "config")


def require_refused(bench: Bench, result: Result, word: str) -> str:
    """A system failure of prepare, told in a line that names what is missing."""
    stages = [r.name for r in result.stages if r.name not in ("config", "prepare", "cleanup")]
    require(result.exit_code != 0, "the job is green")
    require(not stages, f"prepare let it pass, the job failed in '{stages[-1] if stages else ''}' "
            f"({result.failure_reason})")
    require(result.failure_reason == "runner_system_failure", "prepare called it the job's own "
            f"failure ({result.failure_reason})")
    require(word in result.log, f"the log does not name '{word}': {result.log[-200:]}")
    return f"refused by {[r.name for r in result.stages if r.name != 'cleanup'][-1]}"


def play_without(bench: Bench, tool: str, **options: Any) -> str:
    if "prepare" not in bench.subject.commands:
        raise NotApplicable("there is no prepare")
    result = bench.play(environ={"PATH": bench.path_without(tool)}, **options)
    skipped = "Missing gitlab-runner" in result.log
    if result.exit_code == 0 and not skipped:
        return f"the job's own environment has a {tool}"
    require(not (result.exit_code == 0 and skipped), "the job is green, its artifacts are lost")
    return require_refused(bench, result, tool)


@case("4.2", "3.7")
def without_git(bench: Bench) -> str:
    """git is not in PATH."""
    return play_without(bench, "git")


@case("4.2", "3.7")
def without_bash(bench: Bench) -> str:
    """bash is not in PATH."""
    return play_without(bench, "bash")


@case("4.2", "3.7")
def artifacts_without_gitlab_runner(bench: Bench) -> str:
    """gitlab-runner is not in PATH, and the job has artifacts."""
    return play_without(bench, "gitlab-runner", artifacts=["README"])


@case("4.2")
def artifacts_with_gitlab_runner(bench: Bench) -> str:
    """With a gitlab-runner in PATH artifacts are uploaded."""
    path = bench.path_with(gitlab_runner=FAKE_RUNNER)
    result = bench.play(artifacts=["README"], environ={"PATH": path})
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    require("Uploading artifacts..." in result.log, f"none were uploaded: {result.log[-200:]}")
    return "uploaded"


@case("4.3", "3.7")
def steps_without_step_runner(bench: Bench) -> str:
    """A `run:` job where there is no step-runner."""
    run = [{"name": "hello", "script": "echo hello"}]
    return play_without(bench, "step-runner", run=run)


@case("4.3")
def steps_with_step_runner(bench: Bench) -> str:
    """A `run:` job where there is one."""
    path = bench.path_with(step_runner='printf "steps: %s\\n" "$STEPS"')
    run = [{"name": "hello", "script": "echo hello"}]
    result = bench.play(run=run, environ={"PATH": path})
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    require('steps: [{"name": "hello"' in result.log, f"it got no steps: {result.log[-200:]}")
    return "it got its steps"


def require_told(log: str, words: tuple[str, ...]) -> str:
    before = log.partition("Preparing environment")[0]
    found = [word for word in words if word in before]
    require(found, f"none of {', '.join(words)} is named before the first stage")
    return f"the log names {', '.join(found)}"


@case("4.4")
def image_is_told(bench: Bench) -> str:
    """A job that asks for an image learns what became of it."""
    image = bench.subject.image or "alpine:3.20"
    return require_told(bench.play(image=image).log, ("image", image))


@case("4.4")
def services_are_told(bench: Bench) -> str:
    """A job that asks for services learns what became of them."""
    result = bench.play(services=[{"name": "redis:5", "alias": "redis"}])
    return require_told(result.log, ("service", "redis"))


def play_response(bench: Bench, change: dict[str, Any]) -> str:
    attempt = bench.raw_attempt()
    try:
        attempt.job.response = merge(dict(attempt.job.response), change)
        attempt.configure()
        attempt.prepare()
        for stage in ("get_sources", "build_script"):
            ended = attempt.run("exit 0", stage).end()
            require(ended.code == 0, f"{stage} ended with {ended.code}: {ended.said}")
    finally:
        attempt.close()
    return "config, prepare and two stages ended with 0"


def merge(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    for key, value in change.items():
        old = document.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        document[key] = merge(dict(old), value) if both and old is not None else value
    return document


@case("4.5")
def response_with_nulls(bench: Bench) -> str:
    """A job response with null for every list and optional value."""
    names = ("services", "artifacts", "cache", "credentials", "dependencies", "hooks", "secrets",
             "run", "inputs")
    return play_response(bench, {
        **dict.fromkeys(names), "git_info": {"refspecs": None, "protected": None},
        "policy_options": {"policy_name": None},
    })


@case("4.5")
def response_of_tomorrow(bench: Bench) -> str:
    """A job response with members that nobody knows yet."""
    new = {"list": [1, 2.5, None, {"deep": [[[]]]}], "text": "<>&\u2028ä\U0001f600", "big": 2**63}
    return play_response(bench, {
        "new_of_tomorrow": new, "job_info": {"new_of_tomorrow": new},
        "git_info": {"new_of_tomorrow": new}, "features": {"new_of_tomorrow": new},
        "image": {"new_of_tomorrow": new},
    })


@case("4.5")
def large_response(bench: Bench) -> str:
    """A job response of three megabytes with a thousand variables."""
    lines = [f"echo {'x' * 1000}"] * 3000
    many = [
        {"key": f"MANY_{n}", "value": "<&>" * 20, "public": True, "file": False, "masked": False,
         "raw": True} for n in range(1000)
    ]
    step = {"name": "script", "script": lines, "timeout": 3600, "when": "on_success",
            "allow_failure": False}
    attempt = bench.raw_attempt()
    known = list(attempt.job.response["variables"])  # type: ignore[call-overload]
    attempt.close()
    return play_response(bench, {"steps": [step], "variables": known + many})


BROKEN_RESPONSES = {
    "missing": None, "empty": b"", "no JSON": b"{\"id\": 1,", "a list": b"[]", "null": b"null",
    "bytes": bytes(range(256)), "of wrong types": b'{"id":"x","job_info":[],"git_info":7}',
    "very deep": b"[" * 100_000,
}


@case("4.6", "3.7")
def broken_response(bench: Bench) -> str:
    """A job response that nobody can read is not the job's fault."""
    attempt = bench.raw_attempt()
    try:
        attempt.configure()
        ends = {}
        for what, content in BROKEN_RESPONSES.items():
            path = attempt.directory / "broken.json"
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
            for name in ("config", "prepare"):
                if name not in bench.subject.commands:
                    continue
                code = attempt.call(name, JOB_RESPONSE_FILE=str(path)).end().code
                require(code in (0, 2), f"{what}: {name} ended with {code}")
                ends.setdefault(name, set()).add(code)
        if not ends:
            raise NotApplicable("there is neither config nor prepare")
    finally:
        attempt.close()
    return ", ".join(f"{name}: {'/'.join(map(str, sorted(c)))}" for name, c in ends.items())


@case("4.6", "3.7")
def no_response_named(bench: Bench) -> str:
    """Nor is a JOB_RESPONSE_FILE that is empty or unset."""
    attempt = bench.raw_attempt()
    try:
        attempt.configure()
        for value in ("", None):
            code = attempt.call("prepare", JOB_RESPONSE_FILE=value).end().code
            if code not in (0, 2):
                raise Broken(f"{value!r}: prepare ended with {code}")
    finally:
        attempt.close()
    return f"prepare ended with {code}"
