# SPDX-License-Identifier: MIT
"""Two jobs of one branch on two hosts, one of which is cancelled: neither takes from the other what
that relies on, nor is green over what is gone."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from cancelling import (SYSTEM, asked, asked_back, cancel, converges, last_line, mark, put_marks,
                        revision, take_back, words)
from cancelling import deployed, small  # noqa: F401
from runner import RunningJob
from twoservices import NOTIFIER, T7, change, make_small
from waiting import SECONDS, frozen, until
from world import ENVIRONMENT, World


def another_host(world: World, directory: Path) -> World:
    """Where the next pipeline's jobs run: what they want is the same, and no lock is shared."""
    other = World(world.aws, directory / "another")
    other.write_spec(world.spec())
    other.pipeline = world.pipeline + 10
    return other


@contextlib.contextmanager
def half_done(world: World) -> Iterator[RunningJob]:
    """A job whose notifier is as it wants it, and whose other service is never ready."""
    take_back(world)
    change(world)
    world.aws.fault(service="ecs", action="UpdateService", match={"service": T7}, fault="slow",
                    seconds=5)
    with world.start() as running:
        until(lambda: asked(world, "UpdateService", T7))
        with frozen(world):
            assert world.service("notifier")["deployments"][0]["rolloutState"] == "COMPLETED"
            yield running
    world.aws.clear_faults()


def test_what_a_later_job_has_found_as_it_wants_it_is_left(small: World, tmp_path: Path) -> None:
    """That job had nothing to write of its own, and has ended: nothing else tells of it."""
    other = another_host(small, tmp_path)
    with half_done(small) as running:
        other.write_spec(small.spec())
        assert mark(small) is not None and mark(small) != "none"
        later = other.job("deploy-notifier")
        assert later.exit_code == 0 and "notifier of" in later.log, later.log
        result = cancel(running)
    assert "service 'notifier' is left: another job has been there since, and may have found it " \
        "as it wants it" in result.log, result.log
    assert revision(small, "notifier") == 2
    small.aws.clear_faults()
    converges(small)
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


def test_a_job_that_begins_while_another_takes_back_waits(small: World) -> None:
    """The other's service is as it was when that has ended, and the job goes on from there."""
    change(small)
    name = "berth-77-1-0a1b2c3d"
    put_marks(small, ("berth:run", name), ("berth:recall", f"{time.time() + 55:.0f} {name}"))
    with small.start() as running:
        until(lambda: mark(small) != name)
        read = len(small.aws.calls("ecs", "DescribeClusters"))
        until(lambda: len(small.aws.calls("ecs", "DescribeClusters")) > read)
        assert not small.aws.calls("ecs", "UpdateService")
        put_marks(small, ("berth:recall", "none"))
        result = running.wait(SECONDS)
    assert result.exit_code == 0, result.log
    assert f"waiting for another job, '{name}', which was cancelled, and takes back what it has " \
        "deployed" in result.log, result.log
    converges(small)


def test_what_is_taken_back_while_a_later_job_looks_is_red(small: World, tmp_path: Path) -> None:
    """It was as that job wants it when it began, and is not in the end."""
    other = another_host(small, tmp_path)
    ecs = small.aws.client("ecs")
    with half_done(small) as running:
        other.write_spec(small.spec())
        small.aws.fault(service="ecs", action="TagResource", fault="slow", seconds=3)
        with other.start("deploy-notifier") as later:
            until(lambda: len(small.aws.calls("ecs", "TagResource")) > 1)
            ecs.update_service(cluster=ENVIRONMENT, service=NOTIFIER,
                               taskDefinition=f"{NOTIFIER}:1")
            result = later.wait(SECONDS)
        assert result.exit_code != 0, result.log
        assert "it is no longer as this job has found it" in last_line(result), result.log
        cancel(running)


@contextlib.contextmanager
def stopped(running: RunningJob) -> Iterator[None]:
    """Nothing of the job goes on."""
    group = running.wait_stage("build_script").pid
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


@contextlib.contextmanager
def two_first_deploys(world: World, directory: Path) -> Iterator[tuple[RunningJob, RunningJob]]:
    """Neither has found anything. The second has made what does not need a service that runs before
    the first, which is of the older pipeline, writes anything: CreateCluster gives that the other's,
    and it goes on from there, with a revision of its own. No task is ready yet."""
    make_small(world)
    other = another_host(world, directory)
    for host in (world, other):
        take_back(host)
    world.aws.fault(action="ListServiceQuotas", fault="slow", seconds=5, times=1)
    with frozen(world), world.start() as first:
        until(lambda: world.aws.calls(action="ListServiceQuotas"))
        with other.start() as second:
            with stopped(first):
                until(lambda: asked(world, "CreateService", NOTIFIER))
                assert len(world.aws.calls("ecs", "CreateCluster")) == 1
                name = mark(world)
            until(lambda: asked(world, "UpdateService", NOTIFIER))
            assert len(world.aws.calls("ecs", "CreateCluster")) == 2 and mark(world) != name
            yield first, second


def ends_well(world: World) -> None:
    """The next deploy has what there is as it wants it, or makes it so; the one after has nothing
    to do."""
    world.aws.clear_faults()
    world.deploy(pipeline=world.pipeline + 20)
    for name in ("notifier", "t7-bridge"):
        service = world.service(name)
        assert service["runningCount"] == service["desiredCount"] == 1
        assert len(service["deployments"]) == 1
    world.aws.record_clear()
    world.deploy(pipeline=world.pipeline + 20)
    assert world.writes() == []


def test_of_two_first_deploys_the_one_that_took_over_is_cancelled(ready: World,
                                                                  tmp_path: Path) -> None:
    """It takes back what it wrote, to what the other had made; the other's deployment is gone all
    the same, and it says so rather than to be green by chance."""
    with two_first_deploys(ready, tmp_path) as (first, second):
        result = cancel(first, then=lambda: asked_back(ready))
        other = second.wait(SECONDS)
    assert result.stage("build_script").returncode == SYSTEM, result.log
    assert "service 'notifier' is taken back" in result.log, result.log
    assert words(result)[3].startswith("; 1 service taken back")
    assert other.exit_code == 1 and re.fullmatch(
        r"ERROR: service 'notifier': its deployment was replaced by pipeline \d+, which runs "
        rf"'{NOTIFIER}:[12]'", last_line(other)), other.log
    ends_well(ready)


def test_of_two_first_deploys_the_one_that_was_overtaken_is_cancelled(ready: World,
                                                                      tmp_path: Path) -> None:
    """It made the service, and leaves it: the other has taken it over, and ends green."""
    with two_first_deploys(ready, tmp_path) as (first, second):
        result = cancel(second)
        ready.aws.speed("instant")
        other = first.wait(SECONDS)
    assert result.stage("build_script").returncode == SYSTEM, result.log
    assert f"service 'notifier' is left: another deployment, of '{NOTIFIER}:2', has taken over" \
        in result.log, result.log
    assert not ready.aws.calls("ecs", "DeleteService")
    assert other.exit_code == 0 and revision(ready, "notifier") == 2, other.log
    ends_well(ready)
