# SPDX-License-Identifier: MIT
"""Deploys that are cancelled, and whose time is over: what the log says, and what is there then."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import Result, RunningJob
from twoservices import NOTIFIER, T7, change, make_small
from waiting import SECONDS, frozen, until
from world import ENVIRONMENT, Endpoint, World, spawned

SYSTEM = 2
LIMIT = 60.0  # seconds by which a job that is cancelled has ended
CANCELLED = re.compile(r"ERROR: cancelled: ([0-9]+) of ([0-9]+) done; run the job again to go on "
                       r"from there(.*)")


@pytest.fixture(scope="module")
def deployed(endpoint: Endpoint, prepared: str,
             tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An endpoint of its own with a saved state in which both services run."""
    with spawned(endpoint, prepared, tmp_path_factory.mktemp("deployed"), make_small) as own:
        yield own


@pytest.fixture
def small(deployed: Endpoint, tmp_path: Path) -> World:
    deployed.restore("deployed")
    world = World(deployed, tmp_path)
    world.pipeline += 1
    make_small(world)
    return world


def take_back(world: World, **more: Any) -> None:
    world.config |= {"onCancel": "rollback"} | more
    world.write_config()


def asked(world: World, action: str, service: str, times: int = 1) -> bool:
    """Whether so many calls have been made for a service, whether answered or not."""
    made = [call for call in world.aws.calls("ecs", action)
            if service in json.dumps(call["input"])]
    return len(made) >= times


def awaited(world: World) -> bool:
    """Whether a service that was updated has been looked at since, and that was taken note of: the
    next look follows, even if the first is what an update reads by itself."""
    made = [call["action"] for call in world.aws.record("action")]
    return "UpdateService" in made and \
        made[made.index("UpdateService"):].count("DescribeServices") > 2


def nothing() -> None:
    pass


def asked_back(world: World) -> None:
    """Until it is asked for what was before, which is there at once then: the time that it has is
    over late."""
    until(lambda: asked(world, "UpdateService", NOTIFIER, 2) or world.aws.calls("ecs", "DeleteService"))
    world.aws.speed("instant")


def cancel(running: RunningJob, kind: str = "canceling",
           then: Callable[[], None] = nothing) -> Result:
    began = time.monotonic()
    running.cancel(kind)
    then()
    result = running.wait(2 * SECONDS)
    assert time.monotonic() - began < LIMIT, result.log
    return result


def cancelled(world: World, seen: Callable[[], Any], kind: str = "canceling",
              then: Callable[[], None] = nothing, **options: Any) -> Result:
    """A deploy that is cancelled as soon as something is so, and says that it was."""
    with world.start(**options) as running:
        until(seen)
        result = cancel(running, kind, then)
    assert result.stage("build_script").returncode == SYSTEM, result.log
    assert "WARNING: SIGTERM: nothing more is started" in result.log
    return result


def last_line(result: Result) -> str:
    """berth's own: the runner's comes after it."""
    return [line for line in result.log.splitlines()
            if line.startswith("ERROR: ") and "Job failed" not in line][-1]


def words(result: Result) -> re.Match[str]:
    """What the last line says beyond that the job was cancelled."""
    [line] = [line for line in result.log.splitlines() if line.startswith("ERROR: ")
              and "Job failed" not in line]
    found = CANCELLED.fullmatch(line)
    assert found, result.log
    return found


def revision(world: World, name: str) -> int:
    return int(world.service(name)["taskDefinition"].rpartition(":")[2])


def mark(world: World, key: str = "berth:run") -> str | None:
    """Which run has marked the cluster as its own."""
    [cluster] = world.aws.client("ecs").describe_clusters(
        clusters=[ENVIRONMENT], include=["TAGS"])["clusters"]
    return {tag["key"]: tag["value"] for tag in cluster["tags"]}.get(key)


def put_marks(world: World, *marks: tuple[str, str]) -> None:
    world.aws.client("ecs").tag_resource(
        resourceArn=world.service("notifier")["clusterArn"],
        tags=[{"key": key, "value": value} for key, value in marks])


def converges(world: World) -> None:
    """The next deploy ends where an undisturbed one does."""
    world.deploy()
    for name in ("notifier", "t7-bridge"):
        [container] = world.definition(name)["containerDefinitions"]
        assert {"name": "CHANGED", "value": "1"} in container["environment"]
        service = world.service(name)
        assert service["runningCount"] == service["desiredCount"] == 1
        assert len(service["deployments"]) == 1


# --- before anything is written ---

@pytest.mark.parametrize("service, action, last", [
    ("ecs", "DescribeServices", "cancelled while reading what is there; nothing changed"),
    ("servicequotas", "ListServiceQuotas", "cancelled while checking the plan; nothing changed"),
    ("ecs", "TagResource", "cancelled: 0 of 4 done; run the job again to go on from there"),
])
def test_the_last_line_says_how_far_it_was(small: World, service: str, action: str,
                                           last: str) -> None:
    take_back(small)
    change(small)
    small.aws.fault(service=service, action=action, fault="slow", seconds=5)
    result = cancelled(small, lambda: small.aws.calls(action=action))
    assert f"ERROR: {last}\nERROR: Job failed: canceled" in result.log
    assert set(small.writes()) <= {"ecs.TagResource"}  # the mark that it has begun


# --- left as it is ---

def test_what_was_begun_goes_on_by_default(small: World) -> None:
    """The log says of each service where it is; after_script and cleanup have their turn."""
    change(small)
    with frozen(small):
        result = cancelled(small, lambda: awaited(small),
                           after_script=["echo afterwards: $CI_JOB_STATUS"])
        assert result.status == "canceled"
        assert words(result)[3] == ""
        assert "not finished: service notifier: service 'automation-8527fec8-notifier' is no " \
            "longer awaited, since the job was cancelled: 0 of 1 tasks of" in result.log
        assert "not tried: service t7-bridge: the job was cancelled\n" in result.log
        assert "onCancel: leave: what this job has begun goes on in AWS, and nobody awaits it: " \
            "service notifier; 'berth status' shows how it is\n" in result.log
        assert "afterwards: canceled" in result.log
        assert result.stage("cleanup").returncode == 0
        assert (revision(small, "notifier"), revision(small, "t7-bridge")) == (2, 1)
        assert len(small.aws.calls("ecs", "UpdateService")) == 1
    converges(small)
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


# --- taken back ---

def test_services_go_back_to_what_they_were(small: World) -> None:
    """The one that is done, the one that is awaited, and the number of tasks, too."""
    take_back(small)
    change(small, desiredCount=2)
    small.aws.fault(service="ecs", action="UpdateService", nth=2, fault="slow", seconds=2)
    result = cancelled(small, lambda: asked(small, "UpdateService", T7))
    assert re.search("(?m)^service notifier: updated, ", result.log)
    for name in ("notifier", "t7-bridge"):
        assert f"service '{name}' is taken back: it goes back to '{ENVIRONMENT}-{name}:1'" \
            in result.log
    assert words(result)[3] == "; 2 services taken back"
    small.aws.clear_faults()
    small.aws.advance(600)
    assert (revision(small, "notifier"), revision(small, "t7-bridge")) == (1, 1)
    notifier = small.service("notifier")
    assert notifier["desiredCount"] == notifier["runningCount"] == 1
    assert len(notifier["deployments"]) == 1
    small.deploy()
    assert small.service("notifier")["runningCount"] == 2
    assert (revision(small, "notifier"), revision(small, "t7-bridge")) == (2, 2)


def test_a_call_that_is_under_way_is_taken_back(small: World) -> None:
    """Its answer is awaited, so that it is known what there is to take back."""
    take_back(small)
    change(small)
    small.aws.fault(service="ecs", action="UpdateService", nth=1, fault="slow", seconds=2)
    with frozen(small):
        result = cancelled(small, lambda: asked(small, "UpdateService", NOTIFIER),
                           then=lambda: asked_back(small))
        assert words(result)[3] == "; 1 service taken back"
        assert (revision(small, "notifier"), revision(small, "t7-bridge")) == (1, 1)
    small.aws.clear_faults()
    converges(small)


def test_before_a_service_is_changed_there_is_nothing_to_take_back(small: World) -> None:
    take_back(small)
    change(small)
    small.aws.fault(service="ecs", action="RegisterTaskDefinition", fault="slow", seconds=2)
    result = cancelled(small, lambda: small.aws.calls("ecs", "RegisterTaskDefinition"))
    assert words(result)[3] == ""
    assert "there is nothing to take back\n" in result.log
    assert "goes on in AWS" not in result.log
    assert not small.aws.calls("ecs", "UpdateService")


def test_what_the_job_has_created_goes(small: World) -> None:
    """And the next deploy creates it again, when it is gone."""
    take_back(small)
    small.aws.client("ecs").delete_service(cluster=ENVIRONMENT, service=NOTIFIER, force=True)
    small.aws.advance(600)
    change(small)
    with frozen(small):
        result = cancelled(small, lambda: asked(small, "CreateService", NOTIFIER),
                           then=lambda: asked_back(small))
        assert "service 'notifier' is taken back: deleted, since this job has created it" \
            in result.log
        assert words(result)[3] == "; 1 service taken back"
        assert small.service("notifier")["status"] == "INACTIVE"
    converges(small)


def test_a_later_deployment_is_left_alone(small: World) -> None:
    """Somebody else has deployed meanwhile: what runs is theirs."""
    take_back(small)
    change(small)
    ecs = small.aws.client("ecs")
    with frozen(small):
        with small.start() as running:
            until(lambda: asked(small, "UpdateService", NOTIFIER))
            until(lambda: revision(small, "notifier") == 2)
            ecs.update_service(cluster=ENVIRONMENT, service=NOTIFIER, forceNewDeployment=True)
            result = cancel(running)
        assert "service 'notifier' is left: another deployment, of " \
            "'automation-8527fec8-notifier:2', has taken over" in result.log
        assert revision(small, "notifier") == 2


def test_a_later_pipeline_has_begun(small: World) -> None:
    """It may have found the service as it wants it, and would be green over something else."""
    take_back(small)
    change(small)
    with frozen(small):
        with small.start() as running:
            until(lambda: asked(small, "UpdateService", NOTIFIER))
            put_marks(small, ("berth:pipeline", "999999"))
            result = cancel(running)
        assert "service 'notifier' is left: pipeline 999999 has begun to deploy" in result.log
        assert words(result)[3] == "; no service taken back, 1 left as it is"
        assert revision(small, "notifier") == 2


def test_what_is_only_awaited_and_taken_back_meanwhile_is_red(small: World) -> None:
    """A retry finds the service as it wants it, while the job that was cancelled takes it back."""
    change(small)
    ecs = small.aws.client("ecs")
    with frozen(small):
        cancelled(small, lambda: asked(small, "UpdateService", NOTIFIER))
        small.aws.record_clear()
        with small.start() as running:
            until(lambda: len(small.aws.calls("ecs", "DescribeServices")) > 3)
            ecs.update_service(cluster=ENVIRONMENT, service=NOTIFIER, taskDefinition=f"{NOTIFIER}:1")
            result = running.wait(2 * SECONDS)
        assert result.exit_code != 0 and "not finished" not in result.log, result.log
        assert "it is no longer as this job has found it: another job, or somebody, has changed " \
            "it meanwhile; run the job again" in last_line(result), result.log


def test_what_is_only_awaited_and_fails_by_itself_says_why(small: World) -> None:
    """A retry finds the service as it wants it; what is wrong is the application's own."""
    change(small)
    small.aws.fault(service="ecs", fault="crash", match={"serviceName": NOTIFIER}, code=1)
    with contextlib.ExitStack() as stack:
        with frozen(small):
            cancelled(small, lambda: asked(small, "UpdateService", NOTIFIER))
            small.aws.record_clear()
            running = stack.enter_context(small.start())
            until(lambda: len(small.aws.calls("ecs", "DescribeServices")) > 3)
        result = running.wait(2 * SECONDS)
    assert not asked(small, "UpdateService", NOTIFIER), result.log
    assert "service 'notifier': its container 'notifier' exits with 1, again and again" \
        in last_line(result), result.log


def test_what_cannot_be_taken_back_is_said(small: World) -> None:
    """Why, and the rest is taken back all the same; a kind's own setting is what counts."""
    project = small.config["projects"]["77"]
    project["ephemeral"]["onCancel"] = "rollback"
    take_back(small, onCancel="leave")
    change(small)
    small.aws.client("ecs").deregister_task_definition(taskDefinition=f"{NOTIFIER}:1")
    with frozen(small):
        result = cancelled(small, lambda: asked(small, "UpdateService", NOTIFIER))
        assert "service 'notifier' could not be taken back: ecs:UpdateService: " in result.log
        assert words(result)[3] == "; no service taken back, 1 left as it is"


@contextlib.contextmanager
def taking_back(world: World, seconds: float) -> Iterator[tuple[RunningJob, int]]:
    """A job that was cancelled, whose call that takes the notifier back is under way so long; and
    its process group."""
    take_back(world)
    change(world)
    with frozen(world), world.start() as running:
        group = running.wait_stage("build_script").pid
        until(lambda: asked(world, "UpdateService", NOTIFIER))
        until(lambda: revision(world, "notifier") == 2)
        world.aws.fault(service="ecs", action="UpdateService", fault="slow", seconds=seconds)
        os.killpg(group, signal.SIGTERM)
        until(lambda: asked(world, "UpdateService", NOTIFIER, 2))
        yield running, group
    world.aws.clear_faults()


def test_killed_while_it_takes_back(small: World) -> None:
    """The next deploy finds something of both, goes on from there, and leaves no mark of a run."""
    with taking_back(small, 5) as (running, group):
        os.killpg(group, signal.SIGKILL)
        assert running.wait(SECONDS).exit_code != 0
    assert mark(small, "berth:recall") != "none"
    put_marks(small, ("berth:recall", "1 berth-77-1-00000000"))  # as if it were years ago
    converges(small)
    assert mark(small) == "none"


def test_a_second_signal_ends_it_at_once(small: World) -> None:
    with taking_back(small, 30) as (running, group):
        os.killpg(group, signal.SIGTERM)
        result = running.wait(SECONDS)
    assert result.stage("build_script").returncode == SYSTEM, result.log
    assert "SIGTERM again: berth ends at once; run the job again to converge" in result.log


@pytest.mark.parametrize("kind", ["timeout", "abort"])
def test_a_job_whose_time_is_over(small: World, kind: str) -> None:
    """GitLab's timeout comes as SIGTERM, too, and so does its "force cancel"; neither has an
    after_script."""
    take_back(small)
    change(small)
    with frozen(small):
        result = cancelled(small, lambda: asked(small, "UpdateService", NOTIFIER), kind,
                           then=lambda: asked_back(small), after_script=["echo afterwards"])
        assert words(result)[3] == "; 1 service taken back"
        assert result.stage("cleanup").returncode == 0
        assert "\nafterwards" not in result.log
        assert revision(small, "notifier") == 1


# --- two jobs of one branch, on two hosts ---

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
