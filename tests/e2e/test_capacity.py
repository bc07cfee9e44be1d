# SPDX-License-Identifier: MIT
"""Room for an environment: known before the first write, with numbers, and what could go."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aws.build import Builder
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World, environment_of

CHECK = "check-ecs-resources-branches"
USER, SYSTEM = 1, 2
ON_DEMAND = ("fargate", "L-3032A538")
CAPACITY_READS = {"servicequotas.ListServiceQuotas", "ecs.ListClusters", "ecs.ListTasks",
                  "route53.GetAccountLimit"}
# What the small environment wants: a service of 2 tasks with 1 vCPU, one of 1 with 0.25.
TASKS, VCPU = 3, 2.25


@pytest.fixture
def small(ready: World) -> World:
    ready.keep_services("bruin-bridge", "notifier")
    return ready


def other(world: World, branch: str, pipeline: int, tasks: int) -> None:
    """Another branch's environment, with tasks of 256 units on Fargate."""
    name = environment_of(branch)
    build = Builder(world.aws, name)
    build.ecs.create_cluster(clusterName=name, tags=[
        {"key": key, "value": value} for key, value in (
            ("Environment", name), ("berth:project", str(PROJECT_ID)), ("berth:ref", branch),
            ("berth:pipeline", str(pipeline)))])
    build.service(build.definition(f"{name}-web", health=False), f"{name}-web", count=tasks)
    world.aws.advance(120)


def limit(world: World, **capacity: float) -> None:
    world.write_spec(world.spec() | {"capacity": capacity})


def change(world: World, name: str, **members: Any) -> None:
    spec = world.spec()
    spec["services"][name].update(members)
    world.write_spec(spec)


def refused(world: World, code: int, *words: str, job: str = "deploy-branches") -> str:
    """The job ends with that code, its last lines hold WORDS, and nothing was written."""
    world.aws.record_clear()
    result = world.job(job)
    assert result.exit_code == code, result.log
    last = "\n".join(result.log.splitlines()[-8:])
    for word in words:
        assert word in last, result.log
    assert world.writes() == []
    return result.log


def rows(log: str) -> dict[str, list[str]]:
    """The table of limits: in use, wanted, limit."""
    names = ("tasks in all clusters", "Fargate vCPU in all clusters", "Fargate On-Demand vCPU",
             "load balancers", "target groups", "Cloud Map namespaces", "hosted zones",
             "security groups", "ElastiCache nodes", "ECS clusters",
             "addresses in private subnets")
    found = {}
    for line in log.splitlines():
        for name in names:
            _, there, rest = line.partition(f"  {name} ")
            if there:
                found[name] = rest.split()[:3]
    return found


# --- the job ---

def test_an_empty_account_has_room(world: World) -> None:
    """In the first pipeline of a project no image is built yet when it is asked."""
    result = world.job(CHECK)
    assert result.exit_code == 0, result.log
    assert f"there is room for {ENVIRONMENT}" in result.log
    assert f"{ENVIRONMENT} wants 18 tasks and 10 Fargate vCPU" in result.log
    zones = len(world.aws.client("route53").list_hosted_zones()["HostedZones"])
    groups = len(world.aws.client("ec2").describe_security_groups()["SecurityGroups"])
    free = sum(s["AvailableIpAddressCount"] for s in world.aws.client("ec2").describe_subnets(
        Filters=[{"Name": "tag:Name", "Values": ["mettel-automation-private-subnet-*-dev"]}],
    )["Subnets"])
    assert rows(result.log) == {
        "tasks in all clusters": ["0", "18", "49"], "Fargate On-Demand vCPU": ["0", "10", "4000"],
        "load balancers": ["0", "1", "50"], "target groups": ["0", "2", "3000"],
        "Cloud Map namespaces": ["0", "1", "50"], "hosted zones": [str(zones), "1", "500"],
        "security groups": [str(groups), "16", "2500"], "ElastiCache nodes": ["0", "1", "300"],
        "ECS clusters": ["0", "1", "10000"],
        "addresses in private subnets": ["0", "19", str(free)]}
    assert world.writes() == []


def test_what_could_go_is_listed_oldest_pipeline_first(small: World) -> None:
    other(small, "dev/feature/new", 900, 4)
    other(small, "dev/fix/old", 17, 3)
    other(small, "master", 1, 5)
    limit(small, maxTasks=TASKS + 4 + 3 + 5)
    small.aws.pages(1)
    result = small.job(CHECK)
    assert result.exit_code == 0, result.log
    assert rows(result.log)["tasks in all clusters"] == ["12", "3", "15"]
    assert rows(result.log)["Fargate On-Demand vCPU"] == ["3", "2.25", "4000"]
    listed = [line.split("  ")[-1] for line in result.log.splitlines() if ", pipeline " in line
              and " of 'dev/" in line]
    assert listed == [
        f"{environment_of('dev/fix/old')} of 'dev/fix/old': 3 tasks, 0.75 vCPU, pipeline 17",
        f"{environment_of('dev/feature/new')} of 'dev/feature/new': 4 tasks, 1 vCPU, "
        "pipeline 900"]


def test_its_own_tasks_are_taken_off(small: World) -> None:
    limit(small, maxTasks=TASKS)
    small.deploy()
    result = small.job(CHECK)
    assert result.exit_code == 0, result.log
    assert rows(result.log)["tasks in all clusters"] == ["0", "3", "3"]


def test_a_person_gets_the_same_as_json(small: World) -> None:
    other(small, "dev/fix/old", 17, 3)
    limit(small, maxTasks=5)
    arguments = ["capacity", "--json", f"--project={PROJECT_ID}", f"--ref={BRANCH}",
                 *small.given_variables()]
    report = json.loads(small.berth(*arguments, code=USER).stdout)
    assert report["schema"] == "berth-capacity/1" and report["enough"] is False
    assert report["wants"] == {"tasks": TASKS, "vcpu": VCPU}
    assert report["limits"][0] == {
        "name": "tasks in all clusters", "used": 3, "wanted": 3, "limit": 5,
        "source": "the spec's capacity.maxTasks", "enough": False}
    assert [p["where"] for p in report["problems"]] == ["capacity.maxTasks"]
    assert [e["ref"] for e in report["environments"]] == ["dev/fix/old"]


# --- each limit, in the job and in a deploy ---

Setup = Callable[[World], None]


def crowded(**capacity: float) -> Setup:
    def make(world: World) -> None:
        other(world, "dev/fix/old", 17, 5)
        limit(world, **capacity)
    return make


def quota(service: str, code: str, value: float) -> Setup:
    def make(world: World) -> None:
        other(world, "dev/fix/old", 17, 5)
        world.aws.quota(service, code, value)
    return make


def balancer_there(world: World) -> None:
    build = Builder(world.aws)
    subnets = world.aws.client("ec2").describe_subnets(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-public-subnet-*-dev"]}])["Subnets"]
    world.aws.client("elbv2").create_load_balancer(
        Name="another", Subnets=[s["SubnetId"] for s in subnets],
        SecurityGroups=[build.group()])
    world.aws.quota("elasticloadbalancing", "L-53DA6B97", 1)


def zones_full(world: World) -> None:
    zones = world.aws.client("route53").list_hosted_zones()["HostedZones"]
    world.aws.quota("route53", "L-4EA4796A", len(zones))


def many_rules(world: World) -> None:
    spec = world.spec()
    spec["loadBalancer"]["allow"] = [
        {"port": 80, "from": [f"10.{i}.0.0/16" for i in range(62)]}]
    world.write_spec(spec)


def narrow(world: World, kind: str, third: int, taken: int) -> None:
    """Subnets of eleven addresses, of which all but a few are taken."""
    ec2 = world.aws.client("ec2")
    vpc = Builder(world.aws).vpc
    ids = []
    for i, zone in enumerate(("us-east-1a", "us-east-1b")):
        made = ec2.create_subnet(VpcId=vpc, AvailabilityZone=zone,
                                 CidrBlock=f"10.2.{third}.{16 * i}/28")["Subnet"]["SubnetId"]
        for _ in range(taken):
            ec2.create_network_interface(SubnetId=made)
        ids.append(made)
    spec = world.spec()
    spec["network"][kind] = ids
    world.write_spec(spec)


LIMITS: list[tuple[str, Setup, int, tuple[str, ...]]] = [
    ("tasks", crowded(maxTasks=7), USER, (
        ".berth/environment.json:", "capacity.maxTasks: ",
        f"'{ENVIRONMENT}' wants 3 tasks and 2.25 vCPU; 5 of 7 tasks are in use in 1 other cluster, "
        "1 too many; 'destroy-branches' of 'dev/fix/old' would free 5 tasks, or raise it")),
    ("vcpu", crowded(maxVcpu=3), USER, (
        "capacity.maxVcpu: ", "1.25 of 3 vCPU are in use in 1 other cluster, 0.5 too many")),
    ("quota", quota(*ON_DEMAND, 3), SYSTEM, (
        "services: ", "1.25 of 3 Fargate On-Demand vCPU are in use in 1 other cluster, 0.5 too "
        "many", "ask AWS for a higher quota")),
    ("balancers", balancer_there, SYSTEM, (
        "loadBalancer: 1 more of load balancers are wanted and 1 are there, of 1 that the "
        "account's quota allows (code L-53DA6B97)",)),
    ("groups", quota("elasticloadbalancing", "L-B22855CB", 1), SYSTEM, (
        "2 more of target groups are wanted and 0 are there, of 1",)),
    ("namespaces", quota("AWSCloudMap", "L-0FE3F50E", 0), SYSTEM, (
        "1 more of Cloud Map namespaces are wanted and 0 are there, of 0",)),
    ("zones", zones_full, SYSTEM, ("1 more of hosted zones are wanted",)),
    ("security groups", quota("vpc", "L-E79EC296", 4), SYSTEM, (
        "4 more of security groups are wanted",)),
    ("rules", many_rules, SYSTEM, (
        f"loadBalancer: security group '{ENVIRONMENT}-inbound' would have 63 rules, and the "
        "account's quota allows 60 (code L-0EA8095F)",)),
    ("nodes", quota("elasticache", "L-DFE45DF3", 0), SYSTEM, (
        "redis: 1 more of ElastiCache nodes are wanted and 0 are there, of 0",)),
    ("addresses", lambda w: narrow(w, "privateSubnets", 99, 10), SYSTEM, (
        "network.privateSubnets: 4 addresses are wanted, one a task and node, and 2 are "
        "left (subnet-",)),
    ("balancer's addresses", lambda w: narrow(w, "publicSubnets", 98, 4), SYSTEM, (
        "has 7 addresses left, and a load balancer wants 8",)),
]


@pytest.mark.parametrize("job", [CHECK, "deploy-branches"])
@pytest.mark.parametrize(("setup", "code", "words"), [row[1:] for row in LIMITS],
                         ids=[row[0] for row in LIMITS])
def test_what_is_not_enough_is_said_before_anything_is_written(
        small: World, job: str, setup: Setup, code: int, words: tuple[str, ...]) -> None:
    setup(small)
    refused(small, code, *words, job=job)


def test_all_of_it_is_said_at_once(small: World) -> None:
    crowded(maxTasks=7)(small)
    small.aws.quota("elasticache", "L-DFE45DF3", 0)
    small.aws.quota("AWSCloudMap", "L-0FE3F50E", 0)
    refused(small, USER, "capacity.maxTasks: ", "ElastiCache nodes", "Cloud Map namespaces")


def test_the_host_bounds_the_vcpu_of_an_environment(small: World) -> None:
    small.config["projects"][str(PROJECT_ID)]["limits"] = {"ephemeral": {"maxVcpu": 2}}
    small.write_config()
    refused(small, USER, "services: 2.25 vCPU are wanted, this runner allows 2 ")
    assert small.reads() == []


# --- a deploy: only what it creates or enlarges ---

def test_nothing_to_do_reads_nothing_of_it(small: World) -> None:
    small.deploy()
    small.aws.record_clear()
    limit(small, maxTasks=0)
    small.deploy()
    assert small.writes() == []
    assert not CAPACITY_READS & set(small.reads())


def test_what_is_not_enlarged_is_not_refused(small: World) -> None:
    """The account has filled up since: a change that adds no task is nobody's business."""
    small.deploy()
    other(small, "dev/fix/old", 17, 5)
    limit(small, maxTasks=1, maxVcpu=0)
    change(small, "notifier", cpu=512, memory=1024, desiredCount=0)
    small.deploy()
    assert small.service("notifier")["desiredCount"] == 0


def test_what_is_enlarged_is_refused(small: World) -> None:
    limit(small, maxTasks=3, maxVcpu=2.25)
    small.deploy()
    change(small, "notifier", desiredCount=2)
    refused(small, USER, "capacity.maxTasks: ", "wants 4 tasks and 2.5 vCPU", "capacity.maxVcpu: ")
    change(small, "notifier", desiredCount=1, cpu=512, memory=1024)
    refused(small, USER, "capacity.maxVcpu: ", "wants 3 tasks and 2.5 vCPU")
    limit(small, maxTasks=3, maxVcpu=2.5)
    small.deploy()


def test_a_rollout_must_fit_beside_what_runs(small: World) -> None:
    """With a circuit breaker, to which a task that cannot start is one that failed."""
    small.deploy()
    small.aws.quota(*ON_DEMAND, VCPU + 0.5)
    change(small, "bruin-bridge", environment={"NEW": "1"})
    refused(small, SYSTEM, "services: ", "Fargate On-Demand vCPU", "1.5 too many")
    change(small, "bruin-bridge", deployment={"deploymentCircuitBreaker": {"enable": False}})
    refused(small, SYSTEM, "services: ", "Fargate On-Demand vCPU", "0.5 too many")
    small.aws.quota(*ON_DEMAND, VCPU + 1)
    small.deploy()


# --- what cannot be asked ---

def test_without_service_quotas_the_rest_decides(small: World) -> None:
    small.aws.fault(fault="error", service="servicequotas", action="ListServiceQuotas",
                    code="AccessDeniedException", status=400, message="not you")
    result = small.job(CHECK)
    assert result.exit_code == 0, result.log
    assert "the account's quota of Fargate On-Demand vCPU is not known, and not checked" \
        in result.log
    assert "AWS's documented defaults count" in result.log and "AWS's default" in result.log
    limit(small, maxTasks=2)
    refused(small, USER, "capacity.maxTasks: ", job=CHECK)
    limit(small, maxTasks=3)
    small.deploy()


def test_a_count_that_cannot_be_read_stops_nothing(small: World) -> None:
    small.aws.fault(fault="error", service="route53", action="GetAccountLimit",
                    code="AccessDenied", status=403, message="not you")
    log = small.deploy().log
    assert "cannot find out how many hosted zones there are, which is not checked" in log


# --- tasks on EC2 ---

def on_instances(world: World) -> None:
    change(world, "notifier", service={"launchType": "EC2"}, desiredCount=2,
           taskDefinition={"requiresCompatibilities": ["EC2"]})


def register(world: World, name: str, cpu: int, memory: int) -> None:
    world.aws.client("ecs").register_container_instance(
        cluster=ENVIRONMENT, instanceIdentityDocument=json.dumps({"instanceId": name}),
        totalResources=[{"name": "CPU", "type": "INTEGER", "integerValue": cpu},
                        {"name": "MEMORY", "type": "INTEGER", "integerValue": memory}])


def test_tasks_on_instances_must_fit_there(small: World) -> None:
    small.deploy()
    on_instances(small)
    refused(small, USER, "services.notifier: 1 of 1 new tasks do not fit, each of 256 cpu units "
            "and 512 MiB: no container instance of the cluster is active and connected", job=CHECK)
    register(small, "i-1", 300, 1024)
    change(small, "notifier", desiredCount=3)
    small.aws.pages(1)
    refused(small, USER, "services.notifier: 1 of 2 new tasks do not fit", "the most that any of 1 "
            "container instances has left is 44 cpu units and 512 MiB ('i-1')", job=CHECK)
    register(small, "i-2", 256, 512)
    assert small.job(CHECK).exit_code == 0
