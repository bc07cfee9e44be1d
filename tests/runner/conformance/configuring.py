# SPDX-License-Identifier: MIT
"""Chapter 2: what config answers."""

from __future__ import annotations

import json
import re
from typing import Any

from contract.configexec import ConfigOutput, parse_config
from contract.errors import StageError
from contract.options import Variable

from .bench import Attempt, Bench
from .cases import Broken, case, require

# What a job's author can set of what the runner hands on (build.go:1960).
SETTABLE = (
    "CI_JOB_ID", "CI_JOB_NAME", "CI_JOB_NAME_SLUG", "CI_JOB_STAGE", "CI_JOB_IMAGE", "CI_JOB_URL",
    "CI_PROJECT_ID", "CI_PROJECT_NAME", "CI_PROJECT_PATH", "CI_PROJECT_PATH_SLUG",
    "CI_PROJECT_NAMESPACE", "CI_PROJECT_DIR", "CI_BUILDS_DIR", "CI_PIPELINE_ID", "CI_PIPELINE_IID",
    "CI_COMMIT_REF_NAME", "CI_COMMIT_REF_SLUG", "CI_COMMIT_BRANCH", "CI_COMMIT_SHA",
    "CI_CONCURRENT_ID", "CI_CONCURRENT_PROJECT_ID", "CI_RUNNER_ID", "CI_RUNNER_SHORT_TOKEN",
    "CI_RUNNER_DESCRIPTION", "CI_SERVER_HOST", "CI_SERVER_URL", "CI_ENVIRONMENT_NAME",
    "CI_ENVIRONMENT_SLUG", "CI_DEFAULT_BRANCH", "GITLAB_USER_ID", "GITLAB_USER_LOGIN", "USER",
    "HOSTNAME", "HOME",
)
HARMLESS = re.compile(r"[A-Za-z0-9._/-]*")
# The contract's names, and those by which a process is made to run other code.
RESERVED = re.compile(
    r"PATH|TMPDIR|JOB_RESPONSE_FILE|BUILD_EXIT_CODE_FILE|(BUILD|SYSTEM)_FAILURE_EXIT_CODE|IFS|ENV|"
    r"BASH_ENV|LD_.*|BASH_FUNC_.*|PYTHON(PATH|STARTUP)|PERL5OPT|NODE_OPTIONS|CUSTOM_ENV_.*"
)


def set_all(value: str) -> list[Variable]:
    return [Variable(key, value, raw=True) for key in SETTABLE]


def ask(attempt: Attempt, **environ: str) -> tuple[bytes, ConfigOutput]:
    attempt.make_temp()
    ended = attempt.call("config", **environ).end()
    require(ended.code == 0, f"config ended with {ended.code}: {ended.said}")
    try:
        return ended.out, parse_config(ended.out)
    except StageError as error:
        raise Broken(str(error)) from error


def ask_once(bench: Bench, environ: dict[str, str] | None = None, **options: Any) -> \
        tuple[bytes, ConfigOutput]:
    attempt = bench.raw_attempt(**options)
    try:
        return ask(attempt, **(environ or {}))
    finally:
        attempt.close()


def places(output: ConfigOutput) -> dict[str, str]:
    names = ("hostname", "builds_dir", "cache_dir")
    return {name: value for name in names if (value := getattr(output, name)) is not None}


@case("2.1")
def one_object(bench: Bench) -> str:
    """Standard output is nothing or one JSON object."""
    raw, _ = ask_once(bench)
    if not raw:
        return "nothing"
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise Broken(f"no JSON alone: {error}") from error
    require(isinstance(document, dict), f"not an object but a {type(document).__name__}")
    return f"an object of {', '.join(sorted(document)) or 'nothing'}"


@case("2.1", "2.2")
def debugging_is_not_output(bench: Bench) -> str:
    """Asked to say more, config says it elsewhere."""
    variables = [Variable("CI_DEBUG_TRACE", "true"), Variable("CI_DEBUG_SERVICES", "true")]
    loud = {"DEBUG": "1", "VERBOSE": "1", "BERTH_DEBUG": "1", "CUSTOM_ENV_DEBUG": "1"}
    raw, _ = ask_once(bench, loud, variables=variables)
    quiet, _ = ask_once(bench)
    require(bool(raw) == bool(quiet), f"standard output became {raw[:80]!r}")
    return "still one answer"


@case("2.3")
def directories_are_absolute(bench: Bench) -> str:
    """builds_dir and cache_dir are absolute where they are given."""
    _, output = ask_once(bench)
    for name in ("builds_dir", "cache_dir"):
        value = getattr(output, name)
        require(value is None or value.startswith("/"), f"{name} is '{value}'")
    return f"builds_dir {output.builds_dir}, cache_dir {output.cache_dir}"


@case("2.4", "9.1")
def hostile_variables(bench: Bench) -> str:
    """Variables that a job's author has set bring no shell into hostname and directories."""
    mark = bench.directory / "executed"
    for value in (f"a$(touch {mark})`touch {mark}`\";touch {mark};'", "../../../tmp/x", "a\nb c"):
        _, output = ask_once(bench, variables=set_all(value))
        for name, place in places(output).items():
            require(HARMLESS.fullmatch(place), f"{name} is {place!r}")
            require(".." not in place.split("/"), f"{name} is {place!r}")
    require(not mark.exists(), "config has executed a variable's value")
    return "letters, digits and . _ - / only"


@case("2.4", "9.1")
def hostile_names(bench: Bench) -> str:
    """Nor does the name of a branch, a job or a project."""
    mark = bench.directory / "executed"
    for text in (f"$(touch {mark})", f"`touch {mark}`", "a/../../b", "ä'\"\\;|&", "x" * 300):
        _, output = ask_once(bench, ref=text, stage=text, message=text)
        for name, place in places(output).items():
            require(HARMLESS.fullmatch(place), f"ref {text!r}: {name} is {place!r}")
            require(".." not in place.split("/"), f"ref {text!r}: {name} is {place!r}")
    require(not mark.exists(), "config has executed a name")
    return "letters, digits and . _ - / only"


@case("2.5")
def job_environment(bench: Bench) -> str:
    """job_env is of a fixed list of names, none of them reserved."""
    _, plain = ask_once(bench)
    extra = [Variable("LD_PRELOAD", "/tmp/x.so"), Variable("EVIL=1\nPATH", "/tmp")]
    extra += set_all("4711")
    _, hostile = ask_once(bench, variables=extra)
    require(set(plain.job_env) == set(hostile.job_env), "the names depend on the job's variables: "
            f"{sorted(set(plain.job_env) ^ set(hostile.job_env))}")
    for key, value in hostile.job_env.items():
        require(not RESERVED.fullmatch(key), f"job_env sets '{key}'")
        require("=" not in key and "\0" not in key + value, f"job_env's '{key}' cannot be exported")
        require(len(f"{key}={value}".encode()) < 131072, f"job_env's '{key}' is too long")
    return ", ".join(sorted(plain.job_env)) or "no job_env"


@case("2.6")
def config_three_times(bench: Bench) -> str:
    """config called three times says the same."""
    answers = [ask_once(bench)[1] for _ in range(3)]
    kept = {(a.builds_dir_is_shared, a.shell, tuple(sorted(a.job_env))) for a in answers}
    require(len(kept) == 1, f"different answers: {kept}")
    return "three answers of one kind"


@case("9.1")
def identity_of_directories(bench: Bench) -> str:
    """Where a job works does not follow from variables that its author can set."""
    names = ("hostname", "builds_dir", "cache_dir", "job_env")
    for _ in range(5):  # an executor may have several places, and give the next job another one
        _, own = ask_once(bench)
        _, other = ask_once(bench, variables=set_all("4711"))
        differing = [name for name in names if getattr(own, name) != getattr(other, name)]
        if not differing:
            return "the same with every variable set to 4711"
    before, after = getattr(own, differing[0]), getattr(other, differing[0])
    raise Broken(f"{differing[0]} is '{before}', and '{after}' when the author says 4711")
