# SPDX-License-Identifier: MIT
"""Destroying what is half there, and what something keeps: nothing is left, or it says why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import Result, RunningJob, make_options
from waiting import SECONDS, frozen, until
from world import ENVIRONMENT, Endpoint, World, spawned

S = ENVIRONMENT.removeprefix("automation-")
STACK = f"SnsTopicMetTelAutomationAlarms-{ENVIRONMENT}"


def make_small(world: World) -> None:
    world.keep_services("notifier", "metrics-grafana", "t7-bridge")


@pytest.fixture(scope="module")
def deployed(endpoint: Endpoint, prepared: str,
             tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An endpoint of its own with a saved state: a small environment with one of each kind."""
    with spawned(endpoint, prepared, tmp_path_factory.mktemp("deployed"), make_small) as own:
        yield own


@pytest.fixture
def small(deployed: Endpoint, tmp_path: Path) -> World:
    deployed.restore("deployed")
    world = World(deployed, tmp_path)
    make_small(world)
    return world


def destroy(world: World, code: int = 0) -> Result:
    result = world.job("destroy-branches")
    assert result.exit_code == code, result.log
    return result


def rest(world: World) -> list[str]:
    """What has the environment's name, or its record's."""
    world.aws.advance(3000)
    taken = world.aws.snapshot()
    found = [f"{kind} {name}" for kind, part in taken.items() for name in part
             if ENVIRONMENT in name]
    records = taken["zones"]["mettel-automation.net"]["records"]
    return found + [r["Name"] for r in records if S in r["Name"]]


def destroyed(world: World) -> Result:
    """A destroy that must succeed, and that must be right."""
    result = destroy(world)
    assert rest(world) == [], result.log
    assert f"nothing is left of {ENVIRONMENT}" in result.log
    return result


def group_id(world: World, name: str) -> str:
    [group] = world.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [name]}])["SecurityGroups"]
    return str(group["GroupId"])


def cancelled(world: World, job: str, call: str, times: int = 1) -> Result:
    """A job that is cancelled as soon as it has made a call so many times."""
    with world.start(job) as running:
        until(lambda: len(world.aws.calls(action=call)) >= times)
        running.cancel("canceling")
        return running.wait(SECONDS)


# --- states ---

def test_what_is_half_deleted_by_hand(small: World) -> None:
    ecs, logs = small.aws.client("ecs"), small.aws.client("logs")
    ecs.delete_service(cluster=ENVIRONMENT, service=f"{ENVIRONMENT}-notifier", force=True)
    ecs.deregister_task_definition(taskDefinition=f"{ENVIRONMENT}-t7-bridge:1")
    logs.delete_log_group(logGroupName=ENVIRONMENT)
    elb = small.aws.client("elbv2")
    [balancer] = elb.describe_load_balancers(Names=[ENVIRONMENT])["LoadBalancers"]
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    small.aws.client("cloudwatch").delete_dashboards(DashboardNames=[f"cluster-{ENVIRONMENT}"])
    destroyed(small)


def test_what_is_left_of_a_cluster_that_is_gone(small: World) -> None:
    """INACTIVE, it has neither tags nor services, and the rest is found all the same."""
    ecs = small.aws.client("ecs")
    for arn in ecs.list_services(cluster=ENVIRONMENT)["serviceArns"]:
        ecs.delete_service(cluster=ENVIRONMENT, service=arn, force=True)
    ecs.delete_cluster(cluster=ENVIRONMENT)
    destroyed(small)


def test_a_deploy_that_failed(ready: World) -> None:
    """Its stack is left in a state that nobody can update; the rest is half there."""
    make_small(ready)
    ready.aws.fault(fault="failed", service="cloudformation", message="no such thing",
                    match={"StackName": STACK})
    assert ready.job().exit_code != 0
    [stack] = ready.aws.client("cloudformation").describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    destroyed(ready)


def test_a_stack_that_cannot_be_deleted(small: World) -> None:
    """Everything else goes; what is left is named with AWS's reason, and goes when it can."""
    small.aws.fault(fault="failed", service="cloudformation", message="a bucket is not empty",
                    match={"StackName": STACK, "Operation": "delete"})
    log = destroy(small, code=2).log
    assert "a bucket is not empty" in log and f"left: stack '{STACK}'" in log
    [stack] = small.aws.client("cloudformation").describe_stacks()["Stacks"]
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert {name.split()[0] for name in rest(small)} == {"stacks", "topics"}
    small.aws.clear_faults()
    destroyed(small)


def test_what_is_still_being_created(ready: World) -> None:
    """A deploy is cancelled as it begins: nothing is ready, and some cannot be deleted yet."""
    make_small(ready)
    with frozen(ready):
        result = cancelled(ready, "deploy-branches", "CreateCacheCluster")
        assert result.exit_code != 0
        [cache] = ready.aws.client("elasticache").describe_cache_clusters()["CacheClusters"]
        assert cache["CacheClusterStatus"] == "creating"
        ready.aws.speed(400)
        log = destroyed(ready).log
    assert "cache cluster: 1 removed" in log


def test_what_is_going_already(small: World) -> None:
    """A destroy is cancelled when all that takes minutes is on its way; the next one goes on."""
    with frozen(small):
        log = cancelled(small, "destroy-branches", "DeleteCacheCluster").log
        assert "cancelled" in log
        services = [small.service(n)["status"] for n in ("notifier", "metrics-grafana")]
        small.aws.speed(400)
        destroyed(small)
    assert "DRAINING" in services


def test_a_deploy_after_a_destroy_that_was_cancelled(small: World) -> None:
    """What is going has to be gone before it comes back."""
    before = small.aws.snapshot(ENVIRONMENT)
    with frozen(small):
        cancelled(small, "destroy-branches", "DeleteCacheCluster")
        small.aws.speed(400)
        small.deploy()
    small.aws.advance(3000)
    after = small.aws.snapshot(ENVIRONMENT)
    for kind in before.keys() - {"topics"}:
        assert after[kind].keys() == before[kind].keys(), kind
    assert {name: s["runningCount"] for name, s in after["services"].items()} == {
        name: s["desiredCount"] for name, s in before["services"].items()}


# --- what keeps something ---

def going(world: World) -> set[str]:
    """What has an interface in a security group, and is asked to go: all of it by another call."""
    calls = [*world.aws.calls("ecs", "DeleteService"),
             *world.aws.calls("elasticache", "DeleteCacheCluster"),
             *world.aws.calls("elasticloadbalancing", "DeleteLoadBalancer")]
    return {str(call["input"]) for call in calls}


def test_an_interface_that_goes_by_itself_is_named(small: World) -> None:
    """The cache is gone, but its interface holds the security group a while longer."""
    with frozen(small):
        with small.start("destroy-branches") as running:
            until(lambda: len(going(small)) == 5)
            small.aws.advance(121)  # cache.deleting, but not cache.interface
            until(lambda: small.aws.calls(action="DeleteCacheSubnetGroup"))
            group = group_id(small, f"{ENVIRONMENT}-redis-sg")
            # The second time: by then it has been asked who holds it, and that is written down.
            until(lambda: [c["input"].get("GroupId") for c in small.aws.calls(
                action="DeleteSecurityGroup") if c["code"]].count(group) > 1)
            running.cancel("canceling")
            log = running.wait(SECONDS).log
    assert f"ElastiCache {ENVIRONMENT}" in log.replace("\n", " "), log
    destroyed(small)


def test_somebodys_interface_ends_it(small: World) -> None:
    """Nothing that berth waits for would take it away."""
    ec2 = small.aws.client("ec2")
    group = group_id(small, f"{ENVIRONMENT}-notifier")
    [subnet] = ec2.describe_subnets(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-private-subnet-1a-dev"]}])["Subnets"]
    name = ec2.create_network_interface(
        SubnetId=subnet["SubnetId"], Groups=[group],
        Description="the bastion")["NetworkInterface"]["NetworkInterfaceId"]
    log = destroy(small, code=1).log
    assert name in log and "the bastion" in log
    assert rest(small) == [f"security_groups <mettel-automation-vpc-dev>/{ENVIRONMENT}-notifier"]
    ec2.delete_network_interface(NetworkInterfaceId=name)
    destroyed(small)


def refer(world: World, name: str, to: str) -> str:
    """A rule of a new security group of somebody's refers to ours."""
    ec2, ours = world.aws.client("ec2"), group_id(world, to)
    [group] = ec2.describe_security_groups(GroupIds=[ours])["SecurityGroups"]
    made = ec2.create_security_group(GroupName=name, Description="x", VpcId=group["VpcId"])
    ec2.authorize_security_group_ingress(GroupId=made["GroupId"], IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
         "UserIdGroupPairs": [{"GroupId": ours}]}])
    return str(made["GroupId"])


def test_a_rule_of_somebodys_ends_it(small: World) -> None:
    name = refer(small, "jump-host", f"{ENVIRONMENT}-notifier")
    log = destroy(small, code=1).log
    assert name in log and "jump-host" in log and "remove that rule" in log
    assert rest(small) == [f"security_groups <mettel-automation-vpc-dev>/{ENVIRONMENT}-notifier"]
    ec2 = small.aws.client("ec2")
    [group] = ec2.describe_security_groups(GroupIds=[name])["SecurityGroups"]
    assert len(group["IpPermissions"]) == 1  # it has not been touched
    ec2.delete_security_group(GroupId=name)
    destroyed(small)


def test_rules_of_our_own_refer_to_each_other(small: World) -> None:
    ec2 = small.aws.client("ec2")
    one, other = (group_id(small, f"{ENVIRONMENT}-{n}") for n in ("notifier", "t7-bridge"))
    for group, source in ((one, other), (other, one)):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
             "UserIdGroupPairs": [{"GroupId": source}]}])
    destroyed(small)


def test_a_task_that_was_started_by_hand(small: World) -> None:
    ecs = small.aws.client("ecs")
    service = small.service("notifier")
    ecs.run_task(cluster=ENVIRONMENT, taskDefinition=service["taskDefinition"],
                 launchType="FARGATE", networkConfiguration=service["networkConfiguration"])
    destroyed(small)


def test_what_failed_is_named_though_it_is_gone_by_now(small: World) -> None:
    """Its stop was carried out, and what waited for it is left for a reason that must be told."""
    service = small.service("notifier")
    small.aws.client("ecs").run_task(
        cluster=ENVIRONMENT, taskDefinition=service["taskDefinition"], launchType="FARGATE",
        networkConfiguration=service["networkConfiguration"])
    small.aws.fault(fault="garbage", service="ecs", action="StopTask", times=1)
    result = small.job("destroy-branches")
    assert result.exit_code == 2, result.log
    assert re.search(r"(?m)^left: nothing of task '\w+', whose removal failed: .*ecs:StopTask: ",
                     result.log), result.log
    small.aws.clear_faults()
    destroyed(small)


# --- Container Insights ---

INSIGHTS = f"/aws/ecs/containerinsights/{ENVIRONMENT}/performance"


def has_insights(world: World) -> bool:
    groups = world.aws.client("logs").describe_log_groups(logGroupNamePrefix=INSIGHTS)["logGroups"]
    return bool(groups)


def deploy_quick(world: World) -> None:
    """What is gone long before Container Insights has told of the last task's last minute."""
    world.keep_services("notifier")
    spec = world.spec()
    for slow in ("redis", "loadBalancer", "records", "stacks", "alarms", "dashboards"):
        spec.pop(slow, None)
    world.write_spec(spec)
    world.deploy()


def test_what_container_insights_writes_last_goes_too(ready: World) -> None:
    """A minute is three seconds here; berth looks three minutes after the end."""
    deploy_quick(ready)
    ready.config["poll"]["last"] = 9
    ready.write_config()
    ready.aws.speed(20)
    log = destroy(ready).log
    ready.aws.advance(100)
    ready.aws.speed("instant")
    assert rest(ready) == [] and not has_insights(ready), log
    assert f"nothing is left of {ENVIRONMENT}" in log


def test_until_the_last_look_a_job_can_be_cancelled(ready: World) -> None:
    """And the next one looks for what has come meanwhile."""
    deploy_quick(ready)
    ready.config["poll"]["last"] = 600
    ready.write_config()
    shown: list[bytes] = []
    with RunningJob(make_options(**ready.options("destroy-branches")), show=shown.append) as running:
        until(lambda: b"the last look at what is left is in 9 min" in b"".join(shown))
        assert not has_insights(ready)
        ready.aws.client("logs").create_log_group(logGroupName=INSIGHTS)
        running.cancel("canceling")
        result = running.wait(SECONDS)
    assert re.search("ERROR: cancelled after [1-9][0-9]* were removed, before it was seen whether "
                     f"anything of '{ENVIRONMENT}' is left; run the job again\n", result.log)
    ready.config["poll"]["last"] = 0
    ready.write_config()
    assert "to remove: 1 Container Insights log group" in destroyed(ready).log


def test_what_a_cancelled_destroy_has_begun_is_said(ready: World) -> None:
    """It goes on in AWS, which cannot be stopped."""
    deploy_quick(ready)
    with frozen(ready):
        log = cancelled(ready, "destroy-branches", "DeleteService").log
    [begun] = [line for line in log.splitlines() if line.startswith("what this job has begun")]
    assert "goes on in AWS, and nobody awaits it: " in begun and "service notifier" in begun
    destroyed(ready)


def test_a_cluster_that_nobody_watches_is_not_waited_for(ready: World) -> None:
    deploy_quick(ready)
    spec = ready.spec()
    spec["cluster"]["settings"] = [{"name": "containerInsights", "value": "disabled"}]
    ready.write_spec(spec)
    ready.deploy()
    ready.aws.client("logs").delete_log_group(logGroupName=INSIGHTS)
    ready.config["poll"]["last"] = 30
    ready.write_config()
    assert "the last look" not in destroyed(ready).log


def test_what_has_our_name_and_is_not_ours(ready: World) -> None:
    """It is told, not touched, and no reason to fail."""
    ec2, logs = ready.aws.client("ec2"), ready.aws.client("logs")
    logs.create_log_group(logGroupName=ENVIRONMENT)
    vpc = ec2.describe_vpcs(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-vpc-dev"]}])["Vpcs"][0]["VpcId"]
    ec2.create_security_group(GroupName=f"{ENVIRONMENT}-redis-sg", Description="x", VpcId=vpc)
    before = rest(ready)
    ready.aws.record_clear()
    log = destroy(ready).log
    assert "there is nothing of" in log and "left alone" in log
    assert f"log group '{ENVIRONMENT}'" in log.replace("\n", " ")
    assert rest(ready) == before and len(before) == 2
    assert ready.writes() == []
