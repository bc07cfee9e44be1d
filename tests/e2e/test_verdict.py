# SPDX-License-Identifier: MIT
"""The whole log of deploys that go wrong: the cause is its last line, the evidence stands above it.

boto3 is the witness for what the log tells: the tasks' ends, the containers' streams.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

import whole
from runner import Result
from test_progress import seen
from waiting import SECONDS, frozen, until, wait_for_call
from world import ENVIRONMENT, Endpoint, World

pytestmark = pytest.mark.by_the_clock

NAME = f"{ENVIRONMENT}-notifier"
USER, SYSTEM = 1, 2
LINES = "starting\nTraceback (most recent call last):\nKeyError: 'SLACK_URL'"
ARN = r"arn:aws:\S+"


def tiny(world: World) -> World:
    """One service, and what it cannot be without."""
    world.keep_services("notifier")
    spec = world.spec()
    for member in ("redis", "loadBalancer", "records", "stacks", "dashboards", "alarms",
                   "discovery", "capacity", "grafana"):
        spec.pop(member, None)
    spec["logs"].pop("metricFilters")
    world.write_spec(spec)
    return world


@pytest.fixture
def small(ready: World) -> World:
    return tiny(ready)


def set_service(world: World, **members: Any) -> None:
    spec = world.spec()
    spec["services"]["notifier"] |= members
    world.write_spec(spec)


def service_fault(world: World, fault: str, **rest: Any) -> None:
    world.aws.fault(service="ecs", fault=fault, match={"serviceName": NAME}, **rest)


# -- a log, as the one who reads it sees it --------------------------------------------------------

def last(result: Result) -> str:
    """The last line of berth's; behind it the runner says that the job has failed."""
    line = result.log.rstrip().splitlines()[-2]
    assert line.startswith("ERROR: "), result.log
    return line.removeprefix("ERROR: ")


def sections(result: Result) -> dict[str, list[str]]:
    """The folded sections that tell why, by their titles."""
    found = re.findall(
        rb"section_start:\d+:(berth_why_\d+)\[collapsed=true\]\r\x1b\[0K([^\n]*)\n(.*?)"
        rb"section_end:\d+:\1\r", result.raw_log, re.DOTALL)
    return {title.decode(): body.decode().splitlines() for _, title, body in found}


def section(result: Result, begin: str) -> list[str]:
    [lines] = [lines for title, lines in sections(result).items() if title.startswith(begin)]
    return lines


def tasks(world: World) -> list[dict[str, Any]]:
    ecs = world.aws.client("ecs")
    arns = ecs.list_tasks(cluster=ENVIRONMENT, serviceName=NAME,
                          desiredStatus="STOPPED")["taskArns"]
    return list(ecs.describe_tasks(cluster=ENVIRONMENT, tasks=arns)["tasks"]) if arns else []


def fails(world: World, code: int, cause: str) -> Result:
    """Deploy; the cause in one sentence is the last line, and stands in the list of failures."""
    result = world.job()
    assert result.exit_code == code, result.log
    assert re.fullmatch(cause, last(result)), last(result)
    assert result.log.count("ERROR: ") == 2, result.log
    return result


# -- the application ------------------------------------------------------------------------------

def test_a_crash_loop(small: World) -> None:
    """ECS's breaker does not count what has run; berth does, and shows the end of its log."""
    service_fault(small, "crash", code=3)
    service_fault(small, "writes", message="\n".join(f"line {n}" for n in range(60)) + "\n" + LINES)
    result = fails(small, USER, r"service 'notifier': its container 'notifier' exits with 3, again "
                   r"and again \(\d+ tasks\); see the end of its log")
    whole.check(result, "crash-loop")
    assert "failed: service 'notifier': its container" in result.log
    assert "\nreading what AWS and the logs tell of this, for 30 s at most\n" in result.log
    assert list(sections(result)) == [
        "events of service 'notifier' since the deployment began (UTC)",
        "tasks of service 'notifier' that have stopped (UTC)",
        title_of_log(small, result)]
    assert re.fullmatch(r"\d\d:\d\d:\d\d has started 1 tasks: \(task [0-9a-f]{32}\)\.",
                        section(result, "events")[0])
    [stop] = section(result, "tasks of")
    assert "EssentialContainerExited: Essential container in task exited; container 'notifier' " \
        "ended with 3" in stop
    shown = section(result, "the last 50 lines")
    assert shown == [f"line {n}" for n in range(13, 60)] + LINES.split("\n")
    assert len(small.aws.calls(action="GetLogEvents")) <= 2
    small.aws.clear_faults()  # what was wrong lay outside the spec, and is mended
    small.deploy()
    assert small.service("notifier")["runningCount"] == 1


def title_of_log(world: World, result: Result) -> str:
    """The stream of a task that boto3 says has exited with 3, with what boto3 reads there."""
    [title] = [t for t in sections(result) if t.startswith("the last 50 lines")]
    task = re.search(r"\(task ([0-9a-f]{32})\)", title)
    assert task is not None
    [ended] = [t for t in tasks(world) if t["taskArn"].endswith(task[1])]
    assert [c["exitCode"] for c in ended["containers"]] == [3]
    events = world.aws.client("logs").get_log_events(
        logGroupName=ENVIRONMENT, logStreamName=f"{ENVIRONMENT}/notifier/{task[1]}")["events"]
    assert [e["message"] for e in events][-3:] == LINES.split("\n")
    return f"the last 50 lines of container 'notifier' (task {task[1]})"


def test_what_a_container_writes_steers_nothing(small: World) -> None:
    hostile = ("section_start:1:evil[collapsed=true]\r\x1b[0Kfolded\n\x1b[2J\x1b[31mred \u202egnp\n"
               "the word is open-sesame-77\n" + "x" * 5000 + "\nsection_end:1:berth_why_3\r\x1b[0K")
    service_fault(small, "crash", code=137)
    service_fault(small, "writes", message=hostile)
    result = small.job(masked={"WORD": "open-sesame-77"})
    assert "exits with 137 (SIGKILL), again and again" in last(result)
    shown = section(result, "the last 5 lines of container 'notifier'")
    assert shown[0] == r"section_start:1:evil[collapsed=true]\x0d\x1b[0Kfolded"
    assert shown[1] == r"\x1b[2J\x1b[31mred \u202egnp" and shown[2] == "the word is [MASKED]"
    assert shown[3] == "x" * 2000 + " ... (3000 bytes more)"
    assert shown[4] == r"section_end:1:berth_why_3\x0d\x1b[0K" and len(shown) == 5
    assert b"open-sesame-77" not in result.raw_log


def test_a_health_check_that_never_passes(small: World) -> None:
    """The breaker ends it; there is nothing to roll back to."""
    service_fault(small, "unhealthy")
    service_fault(small, "writes", message="cannot bind to port 5000")
    result = fails(small, USER, r"service 'notifier': its deployment failed: its container "
                   r"'notifier' fails its health check, again and again \(\d tasks\); see the end "
                   r"of its log")
    assert section(result, "the last line of container 'notifier'") == ["cannot bind to port 5000"]
    assert any("failed container health checks" in line for line in section(result, "events"))


def test_an_image_that_is_not_there(small: World) -> None:
    """Of a module before anything is written; by its full name when it cannot be pulled."""
    small.aws.client("ecr").batch_delete_image(
        repositoryName="automation-notifier", imageIds=[{"imageTag": "automation-master"}])
    result = small.job()
    assert result.exit_code == USER and "no image of 'notifier'" in last(result), result.log
    assert "notifier-build" in last(result) and not small.aws.calls(action="CreateCluster")
    whole.check(result, "image-missing")
    spec = small.spec()
    del spec["services"]["notifier"]["module"], spec["modules"]["notifier"]
    small.write_spec(spec)
    small.aws.fault(service="ecr", action="BatchGetImage", fault="error", status=400,
                    code="AccessDeniedException", message="not today")
    set_service(small, image="210987654321.dkr.ecr.us-east-1.amazonaws.com/gone:1")
    result = fails(small, USER, r"service 'notifier': its deployment failed: its image cannot "
                   r"be pulled: CannotPullContainerError: .*gone:1: name unknown: .* does not "
                   r"exist in the registry \(\d tasks\); push it, or let the execution role pull "
                   r"it, and run the job again")
    whole.check(result, "image-not-pulled")
    assert not [t for t in sections(result) if t.startswith(("the last", "the log"))]
    assert "TaskFailedToStart" in section(result, "tasks of")[0]


def test_a_secret_that_is_not_there(small: World) -> None:
    """Where berth may not look for it beforehand; without a breaker berth itself ends the wait."""
    small.aws.client("ssm").delete_parameter(Name="/mettel/SLACK_URL")
    set_service(small, deployment={"deploymentCircuitBreaker": {"enable": False}})
    small.aws.fault(service="ssm", fault="error", code="AccessDeniedException", status=400,
                    message="not authorized to perform: ssm:DescribeParameters")
    result = fails(small, USER, r"service 'notifier': a secret cannot be read: "
                   r"ResourceInitializationError: unable to pull secrets or registry auth: "
                   rf".*: {ARN}:parameter/mettel/SLACK_URL \(\d tasks\); create it, "
                   r"or let the execution role read it, and run the job again")
    whole.check(result, "secret-missing")


def test_targets_that_are_unhealthy(ready: World) -> None:
    ready.keep_services("metrics-grafana")
    spec = ready.spec()
    for member in ("redis", "records", "stacks", "dashboards", "discovery", "capacity", "grafana"):
        spec.pop(member, None)
    spec["alarms"] = {"runningTasks": {
        "Statistic": "Sum", "ComparisonOperator": "LessThanOrEqualToThreshold", "Threshold": 0,
        "Period": 300, "EvaluationPeriods": 2}}
    ready.write_spec(spec)
    ready.aws.fault(service="elasticloadbalancing", fault="unhealthy")
    result = fails(ready, USER, r"service 'metrics-grafana': its deployment failed: its container "
                   r"'grafana' fails the load balancer's health check: Health checks failed with "
                   r"these codes: \[502\], again and again \(\d tasks\); see what it answers there, "
                   r"and path and port of the target group's healthCheck")
    whole.check(result, "unhealthy-target")
    group = f"{ENVIRONMENT}-mts-grafana"
    assert f"targets in target group '{group}'" in sections(result)
    assert any("Health checks failed with these codes: [502]" in line
               for line in section(result, "events"))
    alarm = f"{ENVIRONMENT}-running-tasks-metrics-grafana INSUFFICIENT_DATA"
    assert section(result, "alarms of")[0].startswith(alarm)
    assert section(result, "the log of container 'grafana'") == [f"it has written nothing to '{ENVIRONMENT}'"]


# -- not the application's -------------------------------------------------------------------------

def test_no_place_for_tasks(small: World) -> None:
    reason = "You've reached the limit on the number of vCPUs you can run concurrently"
    service_fault(small, "unplaced", message=reason)
    result = fails(small, SYSTEM,
                   f"service 'notifier': ECS finds no place for its tasks: {reason}; stop tasks that "
                   "nobody needs, or ask AWS for a higher quota, and run the job again")
    whole.check(result, "no-capacity")
    assert section(result, "events")[0].endswith(f"was unable to place a task. Reason: {reason}.")
    assert tasks(small) == []


def delete_role(world: World, name: str) -> None:
    iam = world.aws.client("iam")
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    for inline in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=inline)
    iam.delete_role(RoleName=name)


def test_a_role_that_goes_away(small: World) -> None:
    """ECS makes no task then, and says so in an event."""
    with frozen(small), small.start() as job:
        until(lambda: small.aws.calls("ecs", "RegisterTaskDefinition"))
        [family] = small.aws.client("ecs").list_task_definitions()["taskDefinitionArns"]
        definition = small.aws.client("ecs").describe_task_definition(taskDefinition=family)
        role = definition["taskDefinition"]["executionRoleArn"]
        delete_role(small, role.rpartition("/")[2])
        small.aws.speed(100)
        result = job.wait(SECONDS)
    assert result.exit_code == USER, result.log
    assert last(result).startswith("service 'notifier': its tasks cannot be launched: ECS was unable "
                                   f"to assume the role '{role}' that"), last(result)
    assert any("failed to launch a task with" in line for line in section(result, "events"))
    assert tasks(small) == []


def test_a_call_that_is_denied(small: World) -> None:
    small.aws.fault(
        service="ecs", action="CreateService", fault="error", code="AccessDeniedException",
        status=400, message="User: arn:aws:iam::123456789012:user/x is not authorized to perform: "
        "ecs:CreateService on resource: arn:aws:ecs:us-east-1:123456789012:service/y because no "
        "identity-based policy allows the ecs:CreateService action")
    result = fails(small, SYSTEM, r"cannot create service 'automation-8527fec8-notifier': "
                   r"ecs:CreateService: .*is not authorized to perform: ecs:CreateService.*; allow "
                   r"'ecs:CreateService' on '.*': 'berth iam-policy' prints the policy that it "
                   r"takes")
    whole.check(result, "access-denied")
    assert sections(result) == {}


def test_a_stack_that_is_rolled_back(ready: World) -> None:
    full = ready.spec()
    tiny(ready)
    ready.write_spec(ready.spec() | {"stacks": full["stacks"]})
    ready.aws.fault(fault="failed", service="cloudformation", message="no mail today",
                    match={"LogicalResourceId": "OperatorSubscription"})
    result = fails(ready, SYSTEM, r"stack '.*' failed: ROLLBACK_COMPLETE: .*no mail today.*")
    whole.check(result, "stack-rollback")
    assert "service notifier" in result.log


def test_throttling_passes(small: World) -> None:
    """What AWS refuses to answer for a while is asked again, and the table tells of it."""
    for action in ("CreateService", "DescribeServices"):
        small.aws.fault(service="ecs", action=action, fault="throttle", times=2)
    result = small.deploy()
    assert f"{ENVIRONMENT} is as the spec wants it" in result.log and not sections(result)
    for action in ("CreateService", "DescribeServices"):
        small.aws.expect("ecs", action, attempts=3)
    [row] = re.findall(r"(?m)^  ecs +(\d+) +(\d+) +(\d+) +(\d+)$", result.log)
    assert row[2:] == ("4", "4")


def test_throttling_that_goes_on_is_told_of_once(small: World) -> None:
    """Of each service, however many of its calls AWS refuses to answer, and for how long."""
    def refused() -> Counter[str]:
        return Counter(call["action"] for call in small.aws.record("action", "fault")
                       if call["fault"] == "throttle")

    small.aws.fault(service="ecs", fault="throttle")
    with small.start() as job:
        until(lambda: max(refused().values(), default=0) > 4)
        small.aws.clear_faults()
        result = job.wait(SECONDS)
    assert result.exit_code == 0, result.log
    told = "AWS throttles calls of ecs: they are made again, ever more slowly"
    assert result.log.count(told) == 1 and result.log.count("throttles") == 1, result.log
    [row] = re.findall(r"(?m)^  ecs +(\d+) +(\d+) +(\d+) +(\d+)$", result.log)
    assert int(row[3]) == refused().total()


def test_a_minute_of_throttling_passes(small: World) -> None:
    """Every call of every service is refused for a minute in the midst of a deploy's writes: it
    ends green, says what it waited for, and its log is hardly longer for it. The test has nothing
    to do meanwhile."""
    for action in ("CreateLogGroup", "CreateSecurityGroup", "CreateCluster"):
        small.aws.fault(action=action, fault="slow", seconds=5)
    with small.start() as job:
        for action in ("CreateCluster", "RegisterTaskDefinition"):
            wait_for_call(small, action)
        small.aws.fault(fault="throttle", lasts=60)
        result = job.wait(2 * SECONDS)
    assert result.exit_code == 0, result.log
    whole.check(result, "throttled")
    refused = [call for call in small.aws.record("service", "fault", "write", "start")
               if call["fault"] == "throttle"]
    assert refused[-1]["start"] - refused[0]["start"] > 20 and any(c["write"] for c in refused)
    services = {call["service"] for call in refused}
    assert len(services) > 1
    for service in services:
        assert result.log.count(f"AWS throttles calls of {service}: ") == 1, result.log
    assert f"{len(refused)} throttled" in result.log
    lines = seen(result)
    assert len(lines) < 20 and lines[-1] == f"{ENVIRONMENT} is as the spec wants it: 5 created"


# -- several ---------------------------------------------------------------------------------------

def test_several_services_are_counted(ready: World) -> None:
    """The first failure is the run's; each has its own evidence, as far as it can be read."""
    tiny(ready)
    spec = ready.spec()
    spec["services"] |= {f"notifier-{n}": dict(spec["services"]["notifier"]) for n in (2, 3)}
    ready.write_spec(spec)
    ready.aws.fault(service="ecs", fault="crash", code=1)
    ready.aws.fault(service="logs", action="GetLogEvents", fault="error", status=400,
                    code="AccessDeniedException", message="not today")
    result = fails(ready, USER, r"3 services failed; service 'notifier(-\d)?': its container '\S+' "
                   r"exits with 1, again and again \(\d+ tasks\)")  # and no word of a log
    found = sections(result)
    assert sum(title.startswith("events of") for title in found) == 3
    logs = [lines for title, lines in found.items() if title.startswith("the log of")]
    assert len(logs) == 3
    for unread, command in logs:
        assert unread.startswith("cannot read its log: logs:GetLogEvents: ")
        assert command.startswith("to read it yourself: aws logs get-log-events --region ")


# -- what ran before: the state that these begin with is saved after the tests above ---------------

@pytest.fixture(scope="module")
def up_saved(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    endpoint.restore(prepared)
    tiny(World(endpoint, tmp_path_factory.mktemp("up"))).deploy()
    endpoint.save("up")
    return "up"


@pytest.fixture
def up(endpoint: Endpoint, up_saved: str, tmp_path: Any) -> World:
    """The service runs, and what is deployed next differs from it."""
    endpoint.restore(up_saved)
    world = tiny(World(endpoint, tmp_path))
    set_service(world, cpu=512, memory=1024)
    world.pipeline += 1
    return world


def test_a_rollback_by_the_breaker(up: World) -> None:
    service_fault(up, "unhealthy")
    before = up.service("notifier")["taskDefinition"]
    result = fails(up, USER, rf"service 'notifier': its deployment failed and was rolled back to "
                   rf"'{NAME}:1': its container 'notifier' fails its health check, again and again "
                   r"\(\d tasks\); see what the spec's 'healthCheck' runs")
    whole.check(result, "breaker-rollback")
    assert any("rolling back to deployment" in line for line in section(result, "events"))
    assert up.service("notifier")["taskDefinition"] == before


def test_an_environment_that_is_taken_over(up: World) -> None:
    """While the job waits for its deployment, a later pipeline begins another."""
    up.aws.speed(0.01)  # no task will be there before that
    with up.start() as job:
        wait_for_call(up, "UpdateService")
        take_over(up)
        result = job.wait()
    up.aws.speed("instant")
    assert result.exit_code == USER
    assert last(result) == (f"service 'notifier': its deployment was replaced by pipeline 4711, "
                            f"which runs '{NAME}:2'"), result.log
    whole.check(result, "taken-over")
    assert "the application did not become healthy" not in result.log


def take_over(up: World) -> None:
    ecs = up.aws.client("ecs")
    arn = ecs.describe_clusters(clusters=[ENVIRONMENT])["clusters"][0]["clusterArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "berth:pipeline", "value": "4711"}])
    ecs.update_service(cluster=ENVIRONMENT, service=NAME, forceNewDeployment=True)
