# SPDX-License-Identifier: MIT
"""The end of an environment, as jobs and `berth destroy` bring it about."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from runner import Result, Variable
from waiting import until, wait_for_call
from world import BRANCH, ENVIRONMENT, PROJECT_ID, Endpoint, World

USER, SYSTEM = 1, 2
SERVICES = ("notifier", "metrics-grafana")


@pytest.fixture(scope="module")
def deployed(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved state: a small environment that is up, with one that is registered by name and one
    behind the load balancer."""
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("deployed"))
    world.keep_services(*SERVICES)
    world.deploy()
    endpoint.save("small, up")
    return "small, up"


@pytest.fixture
def up(endpoint: Endpoint, deployed: str, tmp_path: Path) -> World:
    endpoint.restore(deployed)
    world = World(endpoint, tmp_path)
    world.keep_services(*SERVICES)
    world.aws.record_clear()
    return world


def destroy(world: World, **rest: Any) -> Result:
    return world.job("destroy-branches", **rest)


def last_error(result: Result) -> str:
    """The last line that is berth's own: behind it, the runner says how the job ended."""
    return [line for line in result.log.splitlines() if line.startswith("ERROR: ")][-2]


def there(world: World) -> list[str]:
    """What there is of the environment, but for what AWS keeps of what is gone."""
    return [f"{kind} {name}" for kind, part in world.aws.snapshot(ENVIRONMENT).items()
            for name in part if kind not in ("repositories", "roles")]


def own_lines(result: Result) -> list[str]:
    """What berth says of the destroy, without what differs from run to run."""
    lines = result.log.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(("destroy: ", "plan of ")))
    last = next(i for i, line in enumerate(lines) if line.startswith(("Job succeeded", "ERROR: J")))
    return [re.sub(r"[0-9.]+ s\b", "N s", line) for line in lines[first:last] if line.strip()]


def test_all_of_it_goes_and_the_log_says_so(up: World) -> None:
    result = destroy(up)
    assert result.exit_code == 0, result.log
    lines = own_lines(result)
    assert lines[0].startswith(f"destroy: {ENVIRONMENT} (ephemeral, us-east-1) from '{BRANCH}'")
    assert lines[1].startswith("to remove: ")
    for part in ("1 cluster", "2 services", "1 load balancer", "1 cache cluster", "1 namespace"):
        assert part in lines[1].removeprefix("to remove: ").split(", ")
    assert f"- service notifier ({ENVIRONMENT}-notifier)" in lines
    assert "services: 2 removed, N s" in lines and "cache cluster: 1 removed, N s" in lines
    count = re.fullmatch(f"nothing is left of {ENVIRONMENT}: ([0-9]+) removed", lines[-1])
    assert count is not None
    assert int(count[1]) == sum(int(part.split()[0]) for part in lines[1].split(": ")[1].split(", "))
    assert there(up) == []
    up.aws.record_clear()
    again = destroy(up)
    assert again.exit_code == 0, again.log
    assert own_lines(again)[-1] == f"there is nothing of {ENVIRONMENT}"
    up.aws.expect_no_writes()


def test_what_is_quick_to_say_is_said_first(up: World) -> None:
    """Alarms would tell of tasks that end on purpose; a target group would let its clients stay."""
    assert destroy(up).exit_code == 0
    writes = [call["action"] for call in up.aws.calls(writes=True)]
    started = min(writes.index(a) for a in ("DeleteService", "DeleteLoadBalancer"))
    assert "DeleteAlarms" in writes[:started]
    assert "ModifyTargetGroupAttributes" in writes[:started]
    assert writes.index("DeleteCluster") > writes.index("DeleteService")
    assert "DeleteListener" not in writes, "they go with the load balancer"


def test_without_spec_and_checkout(up: World) -> None:
    """GitLab stops an environment after its branch is gone: nothing is fetched."""
    (up.spec_path).write_text("{ broken")
    result = destroy(up, variables=[Variable("GIT_STRATEGY", "none")], script="ls; echo script ran")
    assert result.exit_code == 0, result.log
    assert "Skipping Git repository setup" in result.log
    assert result.log.index("\nscript ran") < result.log.index("\ndestroy: ")
    assert there(up) == []


def test_a_script_that_fails_keeps_the_environment(up: World) -> None:
    result = destroy(up, script="exit 3")
    assert result.exit_code == USER and result.script_exit_code == 3
    up.aws.expect_no_writes()


def test_a_plan_removes_nothing(up: World) -> None:
    result = up.job("plan-destroy-branches")
    assert result.exit_code == 0, result.log
    lines = own_lines(result)
    assert lines[1].startswith("to remove: ")
    assert lines[-1] == \
        f"nothing was removed: this is what destroying {ENVIRONMENT} would remove"
    up.aws.expect_no_writes()


def test_a_job_for_another_kind_of_branch(up: World) -> None:
    result = up.job("destroy-master")
    assert result.exit_code == USER
    assert "job 'destroy-master' is for production branches" in result.log
    assert up.aws.calls() == []


def production(world: World, **members: Any) -> None:
    world.config["projects"][str(PROJECT_ID)]["production"] |= members
    world.write_config()


def test_production_needs_the_hosts_leave(up: World) -> None:
    result = up.job("destroy-master", "master", protected=True, script="echo script ran")
    assert result.exit_code == USER
    assert ("'automation-master' is production, and '" in result.log
            and "set projects.77.production.allowDestroy to true" in result.log)
    assert "\nscript ran" not in result.log
    done = up.berth("destroy", "--ref=master", "--yes", code=USER)
    assert "set projects.77.production.allowDestroy to true" in done.stderr
    assert up.aws.calls() == []
    assert "there is nothing of automation-master" in \
        up.job("plan-destroy-master", "master", protected=True).log
    put_production(up)
    plan = up.job("plan-destroy-master", "master", protected=True)
    assert plan.exit_code == 0, plan.log
    assert "\nto remove: 1 log group\n" in plan.log
    assert "WARNING: this would be refused: 'automation-master' is production" in plan.log


def put_production(world: World) -> None:
    """All that there is of production."""
    world.aws.client("logs").create_log_group(logGroupName="automation-master", tags={
        "Environment": "automation-master", "berth:project": str(PROJECT_ID),
        "berth:ref": "master", "berth:name": "logs"})


def test_production_must_be_protected(up: World) -> None:
    put_production(up)
    production(up, allowDestroy=True)
    up.aws.record_clear()
    result = up.job("destroy-master", "master", protected=False)
    assert result.exit_code == USER and "is production's, but not protected" in result.log
    assert up.aws.calls() == []
    result = up.job("destroy-master", "master", protected=True)
    assert result.exit_code == 0, result.log
    assert "nothing is left of automation-master: 1 removed" in result.log
    assert "would be refused" not in result.log


def test_what_only_looks_like_it_stays(up: World) -> None:
    aws = up.aws.client("logs")
    aws.create_log_group(logGroupName=f"{ENVIRONMENT}-mine")
    client = up.aws.client("ec2")
    vpc = client.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [
        "mettel-automation-vpc-dev"]}])["Vpcs"][0]["VpcId"]
    client.create_security_group(GroupName=f"{ENVIRONMENT}-mine", Description="mine", VpcId=vpc)
    result = destroy(up)
    assert result.exit_code == 0, result.log
    assert (f"WARNING: not this environment's, and left alone: security group '{ENVIRONMENT}-mine' "
            "(without our tags)") in result.log
    assert re.search(rf"(?m)^nothing is left of {ENVIRONMENT}: [0-9]+ removed; "
                     "left alone: 1 that only looks like it$", result.log)
    assert client.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"{ENVIRONMENT}-mine"]}])["SecurityGroups"]
    assert aws.describe_log_groups(logGroupNamePrefix=f"{ENVIRONMENT}-mine")["logGroups"]


DENIED = {"fault": "error", "code": "AccessDenied", "status": 403,
          "message": "User: berth is not authorized to perform: x:Delete"}


def test_a_failure_stops_only_what_comes_after_it(up: World) -> None:
    up.aws.fault(service="elasticache", action="DeleteCacheCluster", **DENIED)
    result = destroy(up)
    assert result.exit_code == SYSTEM, result.log
    left = [line for line in result.log.splitlines() if line.startswith("left: ")]
    assert len(left) == 3
    assert any(line.startswith(f"left: cache cluster '{ENVIRONMENT}': cannot remove cache cluster "
                               f"'{ENVIRONMENT}': ") for line in left)
    because = f"not removed: first must go cache cluster '{ENVIRONMENT}', which failed"
    assert f"left: cache subnet group '{ENVIRONMENT}-redis-subnet': {because}" in left
    assert any(re.fullmatch(f"left: security groups? '.*': {because}", line) for line in left)
    error = last_error(result)
    assert re.search(rf"[0-9]+ resources of '{ENVIRONMENT}' are left \([0-9]+ removed\)", error)
    assert not any(line.startswith(("clusters", "services", "load_balancers"))
                   for line in there(up))
    up.aws.clear_faults()
    assert destroy(up).exit_code == 0
    assert there(up) == []


@pytest.mark.parametrize("n", [2, 9, 17])
def test_killed_at_a_call_the_next_one_goes_on(up: World, n: int) -> None:
    with up.start("destroy-branches") as running:
        up.aws.kill_at(n, "after", running.wait_stage("build_script").pid)
        assert running.wait(60).exit_code != 0
    up.aws.clear_faults()
    result = destroy(up)
    assert result.exit_code == 0, result.log
    assert there(up) == []


def test_cancelled_it_says_what_is_done_and_what_is_not(up: World) -> None:
    up.aws.fault(service="ecs", action="DeleteService", fault="slow", seconds=1.5)
    with up.start("destroy-branches") as running:
        group = running.wait_stage("build_script").pid
        wait_for_call(up, "DeleteService")
        os.killpg(group, signal.SIGTERM)
        result = running.wait(60)
    assert result.exit_code == SYSTEM, result.log
    assert re.search(r"(?m)^done: [0-9]+ removed$", result.log)
    assert "not tried: cluster cluster" in result.log
    assert re.search(r"cancelled: [0-9]+ of [0-9]+ done; run the job again", last_error(result))
    assert "DeleteCluster" not in [call["action"] for call in up.aws.calls(writes=True)]
    up.aws.clear_faults()
    assert destroy(up).exit_code == 0
    assert there(up) == []


def alarm_of(world: World, environment: str) -> dict[str, Any]:
    """What makes an alarm of the environment once more."""
    client = world.aws.client("cloudwatch")
    alarm = client.describe_alarms(AlarmNamePrefix=f"{environment}-running")["MetricAlarms"][0]
    tags = client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    members = ("AlarmName", "Namespace", "MetricName", "Statistic", "Dimensions", "Period",
               "EvaluationPeriods", "Threshold", "ComparisonOperator")
    return {name: alarm[name] for name in members} | {"Tags": tags}


def test_what_comes_back_is_removed_once_more(up: World) -> None:
    """As a log group does that something writes to after its end; here an alarm, put there by
    hand while the services still go."""
    alarm = alarm_of(up, ENVIRONMENT)
    up.aws.fault(service="ecs", action="DeleteService", fault="slow", seconds=2)
    with up.start("destroy-branches") as running:
        wait_for_call(up, "DeleteService")
        up.aws.client("cloudwatch").put_metric_alarm(**alarm)
        result = running.wait(60)
    assert result.exit_code == 0, result.log
    assert "came back, and is removed once more: 1 alarm" in result.log
    assert there(up) == []


def test_it_waits_for_the_deploy_that_has_the_lock(up: World) -> None:
    directory = up.directory / "locks"
    directory.mkdir(mode=0o755)
    with (directory / f"{ENVIRONMENT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("job 12 ('deploy-branches') of pipeline 34")
        lock.flush()
        with up.start("destroy-branches") as running:
            wait_for_waiter(os.fstat(lock.fileno()).st_ino)
            up.aws.expect_no_writes()
            fcntl.flock(lock, fcntl.LOCK_UN)
            result = running.wait(60)
    assert result.exit_code == 0, result.log
    assert ("waiting for job 12 ('deploy-branches') of pipeline 34, which is working on "
            f"'{ENVIRONMENT}'") in result.log
    assert there(up) == []


def wait_for_waiter(inode: int) -> None:
    """Until somebody waits for the lock on that file: proc_locks(5) has them behind an arrow."""
    until(lambda: re.search(rf"-> FLOCK .*:{inode} ", Path("/proc/locks").read_text()))


def test_on_the_command_line(up: World) -> None:
    shown = up.berth("destroy", f"--ref={BRANCH}")
    assert f"- cluster cluster ({ENVIRONMENT})\n" in shown.stdout
    assert re.search(r"(?m)^plan: [0-9]+ to remove$", shown.stdout)
    assert "nothing is removed without '--yes'" in shown.stderr
    up.aws.expect_no_writes()
    plan = json.loads(up.berth("destroy", f"--ref={BRANCH}", "--json").stdout)
    assert plan["schema"] == "berth-plan/1" and plan["counts"]["remove"] > 20
    up.aws.fault(service="elasticache", action="DeleteCacheCluster", **DENIED)
    failed = json.loads(up.berth("destroy", f"--ref={BRANCH}", "--yes", "--json",
                                 code=SYSTEM).stdout)
    assert failed["schema"] == "berth-destroy/1" and failed["succeeded"] is False
    assert {item["type"] for item in failed["left"]} == {
        "elasticache.cluster", "elasticache.subnet_group", "security_group"}
    assert all(item["why"] for item in failed["left"])
    up.aws.clear_faults()
    done = json.loads(up.berth("destroy", f"--ref={BRANCH}", "--yes", "--json").stdout)
    assert done["succeeded"] is True and done["left"] == []
    assert done["removed"] == len(failed["left"])
    assert {item["result"] for item in done["resources"]} == {"done"}
    assert there(up) == []
    nothing = up.berth("destroy", f"--ref={BRANCH}")
    assert f"there is nothing of {ENVIRONMENT}" in nothing.stderr


def test_what_cannot_be_read_is_not_taken_for_gone(up: World) -> None:
    up.aws.fault(service="elasticache", action="DescribeCacheClusters", **DENIED)
    result = destroy(up)
    assert result.exit_code == SYSTEM
    assert "cannot read cache clusters" in last_error(result)
    up.aws.expect_no_writes()
