# SPDX-License-Identifier: MIT
"""What goes wrong when all seems well: the job's verdict is about what runs in the end.

boto3 is the witness for what does.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from test_verdict import USER, last, section, service_fault, set_service, tiny
from twoservices import NOTIFIER, T7, change, make_small
from waiting import SECONDS, frozen, until
from world import ENVIRONMENT, World

pytestmark = pytest.mark.by_the_clock


@pytest.fixture
def two(ready: World) -> World:
    """Two services, neither of which needs the other; they run."""
    make_small(ready)
    spec = ready.spec()
    spec["services"]["t7-bridge"]["dependsOn"] = []
    ready.write_spec(spec)
    ready.deploy()
    spec["services"]["t7-bridge"]["environment"] = {"CHANGED": "1"}
    ready.write_spec(spec)
    ready.aws.record_clear()
    return ready


def stop_tasks(world: World, service: str) -> None:
    ecs = world.aws.client("ecs")
    for arn in ecs.list_tasks(cluster=ENVIRONMENT, serviceName=service)["taskArns"]:
        ecs.stop_task(cluster=ENVIRONMENT, task=arn)


def looks(world: World, service: str) -> list[set[str]]:
    """Which services each DescribeServices asked for that one was part of."""
    return [asked for call in world.aws.calls("ecs", "DescribeServices")
            if service in (asked := set(call["input"]["services"]))]


def tasks_of(world: World, service: str, desired: str) -> list[dict[str, Any]]:
    """Those that are to run, or to stop, by boto3."""
    ecs = world.aws.client("ecs")
    arns = ecs.list_tasks(cluster=ENVIRONMENT, serviceName=service,
                          desiredStatus=desired)["taskArns"]
    return ecs.describe_tasks(cluster=ENVIRONMENT, tasks=arns)["tasks"] if arns else []


def test_a_service_that_is_left_as_it_is_breaks(two: World) -> None:
    """Nothing was to be done to it, and when the run began it was well."""
    with frozen(two), two.start() as job:
        until(lambda: two.aws.calls("ecs", "UpdateService"))
        two.aws.fault(service="ecs", fault="crash", code=7, match={"serviceName": NOTIFIER})
        stop_tasks(two, NOTIFIER)
        two.aws.speed(20)
        result = job.wait(2 * SECONDS)
    assert 7 in {container.get("exitCode") for task in tasks_of(two, NOTIFIER, "STOPPED")
                 for container in task["containers"]}
    assert two.service("t7-bridge")["runningCount"] == 1
    assert result.exit_code == USER, result.log
    assert re.fullmatch(r"service 'notifier': its container 'notifier' exits with 7, again and "
                        r"again \(\d tasks\)", last(result)), result.log
    assert "is as the spec wants it" not in result.log
    assert any("ended with 7" in line for line in section(result, "tasks of"))


def test_a_service_that_is_left_as_it_is_comes_back(two: World) -> None:
    """A task that somebody, or AWS, stops is replaced: that is awaited, and its health."""
    with frozen(two), two.start() as job:
        until(lambda: two.aws.calls("ecs", "UpdateService"))
        stop_tasks(two, NOTIFIER)
        two.aws.speed(20)
        result = job.wait(2 * SECONDS)
    assert result.exit_code == 0, result.log
    assert [task["healthStatus"] for task in tasks_of(two, NOTIFIER, "RUNNING")] == ["HEALTHY"]
    assert "is as the spec wants it: 2 updated" in result.log, result.log
    lists = two.aws.calls("ecs", "ListTasks")
    assert NOTIFIER in {call["input"].get("serviceName") for call in lists}


def test_what_is_left_as_it_is_costs_one_look(two: World) -> None:
    two.deploy()
    assert looks(two, NOTIFIER)[1:] == [{NOTIFIER, T7}]
    two.aws.record_clear()
    two.deploy()
    assert len(looks(two, NOTIFIER)) == 1


def ends(world: World, service: str) -> int:
    """How many tasks have ended by themselves, and done so altogether."""
    return sum(task["stopCode"] == "EssentialContainerExited" and task["lastStatus"] == "STOPPED"
               for task in tasks_of(world, service, "STOPPED"))


def test_a_loop_of_a_deployment_that_ecs_calls_complete(ready: World) -> None:
    """An application that dies after ten minutes runs whenever it is looked at, and has no health
    check; the deployment of the one that needs it is refused until it has died three times."""
    make_small(ready)
    spec = ready.spec()
    del spec["serviceDefaults"]["healthCheck"]
    spec["services"]["t7-bridge"]["desiredCount"] = 0
    ready.write_spec(spec)
    ready.deploy()
    change(ready)
    ready.aws.record_clear()
    ready.aws.fault(service="ecs", fault="crash", code=7, seconds=600,
                    match={"serviceName": NOTIFIER})
    ready.aws.fault(service="ecs", action="UpdateService", fault="throttle", match={"service": T7})
    ready.aws.speed(40)
    with ready.start() as job:
        until(lambda: any(call["input"]["service"] == T7
                          for call in ready.aws.calls("ecs", "UpdateService")))
        assert ends(ready, NOTIFIER) == 0
        ready.aws.speed(400)
        until(lambda: ends(ready, NOTIFIER) > 2 and ready.service("notifier")["runningCount"])
        ready.aws.speed(5)
        ready.aws.clear_faults()
        result = job.wait(SECONDS)
    service = ready.service("notifier")
    assert service["runningCount"] == 1 and service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert result.exit_code == USER, result.log
    assert re.fullmatch(r"service 'notifier': its container 'notifier' exits with 7, again and "
                        r"again \(\d tasks\)", last(result)), result.log
    assert "ended with 7" in section(result, "tasks of")[0]


def test_a_rollout_that_is_not_healthy_in_time(ready: World) -> None:
    """The old task runs beside the new one as long as that is not healthy; the log is the new's."""
    tiny(ready)
    service_fault(ready, "writes", message="all is well")
    ready.deploy()
    ready.aws.clear_faults()
    service_fault(ready, "writes", message="cannot reach the database")
    service_fault(ready, "unhealthy")
    set_service(ready, cpu=512, memory=1024, deadline="1m")
    ready.aws.speed(2)
    result = ready.job()
    assert result.exit_code == USER, result.log
    assert last(result) == ("service 'notifier' is not ready after 1 min 0 s: 1 of 1 tasks of "
                            f"'{NOTIFIER}:2' run, not all healthy yet"), result.log
    assert section(result, "the last line of container 'notifier'") == ["cannot reach the database"]
    started = {task["startedBy"]: task["taskDefinitionArn"].rpartition(":")[2]
               for task in tasks_of(ready, NOTIFIER, "RUNNING")}
    assert sorted(started.values()) == ["1", "2"]
