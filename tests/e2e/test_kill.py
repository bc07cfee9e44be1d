# SPDX-License-Identifier: MIT
"""The process group is killed before or after its n-th call; the job again ends where an
undisturbed run ends, by boto3's description of everything.

`make check` kills a deploy of two services at a sample of its calls. `make chaos` kills the deploy of
all 14 services at every call: BERTH_KILL=all.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from world import BUILD, ENVIRONMENT, World

ALL = os.environ.get("BERTH_KILL") == "all"
PIPELINE = 4711

# Runs `run` as it is, after telling the endpoint which process group to kill at which call.
WRAPPER = """#!/bin/bash
if [ "${@: -1}" = build_script ]; then
    curl -fsS -X POST "$AWS_ENDPOINT_URL/_berth/kill" -d "{\\"n\\": $KILL_N, \\"when\\": \\"$KILL_WHEN\\", \\"pgid\\": $$}" >/dev/null || exit 2
fi
exec "%s/run" "$@"
"""


def make_executors(directory: Path) -> Path:
    real = BUILD / "libexec" / "berth"
    executors = directory / "executors"
    executors.mkdir()
    for name in ("config", "prepare", "cleanup"):
        (executors / name).symlink_to(real / name)
    run = executors / "run"
    run.write_text(WRAPPER % real)
    run.chmod(run.stat().st_mode | stat.S_IXUSR)
    return executors


def change(world: World) -> None:
    """A change of every sort: a service goes, another one changes, a third one comes."""
    spec = world.spec()
    spec["services"]["notifier"]["cpu"] = 512
    spec["services"]["notifier"]["memory"] = 1024
    spec["services"]["late"] = dict(spec["services"]["notifier"], discovery=True)
    del spec["services"]["nats-server"]
    for service in [spec["serviceDefaults"], *spec["services"].values()]:
        service["dependsOn"] = []
    world.write_spec(spec)


def killed_at(world: World, executors: Path, n: int, when: str) -> bool:
    """Whether the deploy was killed at its n-th call; false if it had ended before that."""
    environ = world.environ() | {"KILL_N": str(n), "KILL_WHEN": when}
    result = world.job(pipeline=PIPELINE, environ=environ, executors=executors)
    world.aws.clear_faults()
    assert result.exit_code in (0, 2), result.log
    return result.exit_code == 2


def calls_of_a_deploy(world: World) -> int:
    world.aws.record_clear()
    world.deploy(pipeline=PIPELINE)
    return len(world.aws.record())


@pytest.mark.parametrize("changed", [False, True], ids=["from-nothing", "from-a-change"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_call(ready: World, tmp_path: Path, when: str, changed: bool) -> None:
    world = ready
    executors = make_executors(tmp_path)
    if not ALL:
        world.keep_services("nats-server", "notifier")
    if changed:
        world.deploy(pipeline=PIPELINE - 1)
        change(world)
    world.aws.save("start")
    calls = calls_of_a_deploy(world)
    undisturbed = world.aws.snapshot(ENVIRONMENT)
    stride = 1 if ALL else max(1, calls // 8)
    held = []
    for n in range(1, calls + 1, stride):
        world.aws.restore("start")
        if killed_at(world, executors, n, when):
            held.append(n)
        world.deploy(pipeline=PIPELINE)
        assert world.aws.snapshot(ENVIRONMENT) == undisturbed, f"killed {when} call {n} of {calls}"
    print(f"killed {when} {len(held)} of {calls} calls: every end state equals an undisturbed run's")
    assert len(held) >= calls // stride // 2
