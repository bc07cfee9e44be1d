# SPDX-License-Identifier: MIT
"""What nobody should do, and somebody will: specs made to break a reader, jobs that are cancelled at
the worst moment, two deploys of one environment at once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from runner import Variable
from waiting import wait_for_call
from world import BUILD, Result, World

USER, SYSTEM = 1, 2


@pytest.fixture
def small(ready: World) -> World:
    ready.keep_services("notifier")
    return ready


def last_error(result: Result) -> str:
    """The last line that is berth's own: behind it, the runner says how the job ended."""
    errors = [line for line in result.log.splitlines() if line.startswith("ERROR: ")]
    return errors[-2]


def notifier_with(**members: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        spec = world.spec()
        spec["services"]["notifier"] |= members
        world.write_spec(spec)
    return change


def write(text: str | bytes) -> Callable[[World], None]:
    raw = text if isinstance(text, bytes) else text.encode()

    def change(world: World) -> None:
        world.spec_path.write_bytes(raw)
    return change


def make_link(world: World) -> None:
    real = world.project / "real"
    world.spec_path.parent.rename(real)
    world.spec_path.parent.symlink_to("real")


def make_directory(world: World) -> None:
    world.spec_path.unlink()
    world.spec_path.mkdir()
    (world.spec_path / "kept-by-git").touch()


SPECS = {
    "deep": (write('{"a":' * 500 + "1" + "}" * 500), "nested too deeply"),
    "large": (write('{"a":"' + "x" * (5 << 20) + '"}'), "larger than"),
    "NUL": (write(b'{"network":\0}'), "a NUL byte"),
    "not UTF-8": (write(b'{"network": "\xe4"}'), "not UTF-8"),
    "beyond numbers": (write('{"network": 1e999}'), "too large for a number"),
    "comment without end": (write("{} /*"), "a comment without its '*/'"),
    "linked directory": (make_link, "symbolic link"),
    "directory": (make_directory, "is not a regular file"),
    "open variable": (notifier_with(environment={"X": "${A"}), "'${' without its '}'"),
    "variable in a variable": (notifier_with(environment={"X": "${A${B}}"}),
                               "'${A${B}' is not a variable"),
    "variable as a key": (notifier_with(environment={"${x}": "1"}),
                          "variables stand in values only"),
    "key that looks like a path": (notifier_with(taskDefinition={"a": {}, 'a"[': "${A"}),
                                   r'services.notifier.taskDefinition."a\"[": ' "'${' without"),
    "key of two lines": (notifier_with(taskDefinition={"a\nERROR: b": "${A"}),
                         r'services.notifier.taskDefinition."a\nERROR: b": ' "'${' without"),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_hostile_spec(small: World, name: str) -> None:
    change, words = SPECS[name]
    change(small)
    result = small.job()
    assert result.exit_code == USER, result.log
    assert words in last_error(result)
    assert small.aws.calls() == []


def test_thousands_of_problems_are_not_thousands_of_lines(small: World) -> None:
    spec = small.spec()
    spec["services"] = {f"s{i}": {"image": "x", "cpux": 1} for i in range(3000)}
    small.write_spec(spec)
    result = small.job()
    assert result.exit_code == USER
    assert result.log.count("unknown key; did you mean 'cpu'?") == 25
    assert "2975 more of this kind" in last_error(result)


def test_a_role_that_the_host_does_not_allow_is_not_made(small: World) -> None:
    small.config["projects"]["77"]["limits"] = {"ephemeral": {"roles": ["ecs_*"]}}
    small.write_config()
    spec = small.spec()
    spec["roles"]["backdoor"] = spec["roles"]["ecs_role"]
    small.write_spec(spec)
    result = small.job("basic-infra")
    assert result.exit_code == USER, result.log
    assert "roles.backdoor: this runner does not make a role of that name" in last_error(result)
    assert small.writes() == []


def test_a_contradiction_is_said_once(small: World) -> None:
    result = small.job(variables=[Variable("CI_COMMIT_REF_NAME", "master")])
    assert result.exit_code == 0, result.log
    assert result.log.count("variable 'CI_COMMIT_REF_NAME' says 'master'") == 1
    assert "automation-8527fec8 is as the spec wants it" in result.log


def test_a_part_does_not_speak_for_the_rest(ready: World) -> None:
    ready.keep_services("notifier", "t7-bridge")
    ready.deploy()
    spec = ready.spec()
    spec["services"]["t7-bridge"] |= {"cpu": 512, "memory": 1024}
    ready.write_spec(spec)
    result = ready.job("deploy-notifier")
    assert result.exit_code == 0, result.log
    plan = re.search(r"^plan: (.*)$", result.log, re.MULTILINE)
    assert plan is not None and plan[1].startswith("1 left to another job, ")
    assert "; 1 not as wanted, which this job leaves to another" in result.log


def test_a_misspelt_service_does_not_pass_for_deployed(small: World) -> None:
    result = small.job("deploy-notifer")
    assert result.exit_code == 0, result.log
    assert "WARNING: nothing is deployed: the repository's spec declares no service" in result.log
    assert "nothing is deployed" not in small.job("notifer-test").log
    assert small.writes() == []


def test_cancelled_before_the_first_answer(small: World) -> None:
    small.aws.fault(service="sts", action="GetCallerIdentity", fault="slow", seconds=3)
    with small.start() as running:
        group = running.wait_stage("build_script").pid
        wait_for_call(small, "GetCallerIdentity")
        os.killpg(group, signal.SIGTERM)
        result = running.wait(60)
    assert result.exit_code == SYSTEM, result.log
    assert last_error(result) == "ERROR: cancelled before anything was read or changed"
    assert small.writes() == []


def test_an_output_that_cannot_be_printed(small: World) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "bin" / "berth", "name", "dev/feature/login"], stdout=full,
                              stderr=subprocess.PIPE, text=True, env=small.environ(), timeout=30)
    assert done.returncode == SYSTEM
    assert "cannot write to the standard output" in done.stderr
