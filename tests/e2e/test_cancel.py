# SPDX-License-Identifier: MIT
"""Deploys that are cancelled, and whose time is over: what the log says, and what is there then."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator

import pytest

import whole
from cancelling import (SYSTEM, asked, asked_back, awaited, cancel, cancelled, converges, last_line,
                        mark, put_marks, revision, take_back, words)
from cancelling import deployed, small  # noqa: F401
from runner import RunningJob
from twoservices import NOTIFIER, T7, change
from waiting import SECONDS, frozen, until
from world import ENVIRONMENT, World

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

@pytest.mark.parametrize("mode", ["leave", "rollback"])
def test_cancelled_when_all_was_done(small: World, mode: str) -> None:
    """While old revisions are tidied away, which is the last of it: both services are as wanted."""
    small.config["onCancel"] = mode
    small.write_config()
    spec = small.spec()
    spec["serviceDefaults"]["environment"]["CHANGED"] = "0"
    small.write_spec(spec)
    small.deploy()  # leaves revisions that are too many after the next
    small.aws.record_clear()
    change(small)
    small.aws.fault(service="ecs", action="ListTasks", fault="slow", seconds=3)
    result = cancelled(small, lambda: small.aws.calls("ecs", "ListTasks"))
    assert last_line(result).startswith("ERROR: cancelled when all was done; run the job again")
    assert re.search("(?m)^done: .*[1-9] updated", result.log), result.log
    small.aws.clear_faults()
    converges(small)


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
    whole.check(result, "cancelled")
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
    assert re.search("(?m)^onCancel: rollback: what this job has changed of services is taken back, "
                     "and awaited for 4[0-5] s at most$", result.log), result.log
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


def see_again(world: World) -> None:
    """Services can be read only when the job has begun to take back: had it seen before that what
    became of them, it would have failed by itself."""
    until(lambda: asked(world, "TagResource", "berth:recall"))
    world.aws.clear_faults()


def test_a_later_deployment_is_left_alone(small: World) -> None:
    """Somebody else has deployed meanwhile: what runs is theirs."""
    take_back(small)
    change(small)
    ecs = small.aws.client("ecs")
    with frozen(small):
        with small.start() as running:
            until(lambda: asked(small, "UpdateService", NOTIFIER))
            until(lambda: revision(small, "notifier") == 2)
            small.aws.fault(service="ecs", action="DescribeServices", fault="throttle")
            ecs.update_service(cluster=ENVIRONMENT, service=NOTIFIER, forceNewDeployment=True)
            result = cancel(running, then=lambda: see_again(small))
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


def test_a_timeout_is_not_told_as_a_cancel(small: World) -> None:
    """By the runner's own clock; the service waits for a task that does not start."""
    change(small)
    with frozen(small):
        result = small.job(timeout=15)
    assert result.failure_reason == "job_execution_timeout"
    assert re.fullmatch(r"ERROR: the job's timeout in GitLab \(15\.0 s\) is over: cancelled: "
                        r"[0-9] of [0-9] done; run the job again to go on from there",
                        last_line(result)), result.log
    whole.check(result, "timed-out")
    small.deploy()


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
