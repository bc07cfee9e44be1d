# SPDX-License-Identifier: MIT
"""What a later pipeline does: nothing where nothing changed, else just the change; plan says so."""

from __future__ import annotations

import threading

from world import BRANCH, ENVIRONMENT, World, environment_of

# AWS's own numbers are not at issue here: this is what an unchanged environment of 14 services, 12
# repositories, 2 roles, a Redis, a stack, 16 alarms and a dashboard may cost.
READS_OF_A_NO_OP = 68


def test_an_unchanged_environment_costs_only_reads(ready: World) -> None:
    ready.deploy()
    tasks = ready.aws.client("ecs").list_tasks(cluster=ENVIRONMENT)["taskArns"]
    before = ready.aws.snapshot()
    ready.aws.record_clear()
    result = ready.deploy()
    assert ready.writes() == []
    assert len(ready.reads()) <= READS_OF_A_NO_OP, sorted(ready.reads())
    assert ready.aws.client("ecs").list_tasks(cluster=ENVIRONMENT)["taskArns"] == tasks
    assert ready.aws.snapshot() == before
    assert "nothing to do" in result.log.lower()


def make_others(world: World, number: int) -> None:
    """So many other environments: of each kind what a listing for ours might come upon."""
    clients = {name: world.aws.client(name) for name in (
        "ecs", "ec2", "elbv2", "elasticache", "logs", "servicediscovery")}
    vpc = clients["ec2"].describe_vpcs(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-vpc-dev"]}])["Vpcs"][0]["VpcId"]
    for name in (f"automation-{i:08x}" for i in range(number)):
        clients["ecs"].create_cluster(clusterName=name)
        clients["logs"].create_log_group(logGroupName=name)
        clients["servicediscovery"].create_private_dns_namespace(Name=f"{name}.local", Vpc=vpc)
        clients["ec2"].create_security_group(GroupName=f"{name}-notifier", Description="d", VpcId=vpc)
        clients["elasticache"].create_cache_cluster(
            CacheClusterId=name, Engine="redis", CacheNodeType="cache.m4.large", NumCacheNodes=1,
            CacheSubnetGroupName=f"{ENVIRONMENT}-redis-subnet")
        for group in ("mts-grafana", "frontend"):
            clients["elbv2"].create_target_group(
                Name=f"{name}-{group}", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
        clients["ecs"].register_task_definition(
            family=f"{name}-notifier", containerDefinitions=[{"name": "a", "image": "a", "memory": 9}])


def test_others_cost_no_read(ready: World) -> None:
    ready.deploy()
    ready.aws.record_clear()
    ready.deploy()
    alone = sorted(ready.reads())
    make_others(ready, 20)
    ready.aws.record_clear()
    ready.deploy()
    assert sorted(ready.reads()) == alone and ready.writes() == []
    assert len(alone) <= READS_OF_A_NO_OP


def test_a_changed_cpu_is_one_revision_and_one_update(ready: World) -> None:
    ready.deploy()
    spec = ready.spec()
    spec["services"]["notifier"]["cpu"] = 512
    spec["services"]["notifier"]["memory"] = 1024
    ready.write_spec(spec)
    planned = changes_of(ready.berth_json("plan"))
    assert planned == {("ecs.task_definition/notifier", "update"), ("ecs.service/notifier", "update")}
    ready.aws.record_clear()
    ready.deploy()
    writes = [w for w in ready.writes() if w != "ecs.TagResource"]  # the cluster's berth:pipeline
    assert writes == ["ecs.RegisterTaskDefinition", "ecs.UpdateService"]
    assert ready.definition("notifier")["cpu"] == "512"
    assert changes_of(ready.berth_json("plan")) == set()


def test_a_service_taken_out_is_removed_last(ready: World) -> None:
    ready.deploy()
    spec = ready.spec()
    del spec["services"]["t7-bridge"]
    spec["services"]["notifier"]["desiredCount"] = 2
    ready.write_spec(spec)
    planned = changes_of(ready.berth_json("plan"))
    assert ("ecs.service/t7-bridge", "remove") in planned
    assert ("security_group/t7-bridge", "remove") in planned
    assert ("cloudmap.service/t7-bridge", "remove") in planned
    ready.aws.record_clear()
    ready.deploy()
    writes = ready.writes()
    changed = writes.index("ecs.UpdateService")
    assert changed < writes.index("ecs.DeleteService")
    assert writes.index("ecs.DeleteService") < writes.index("servicediscovery.DeleteService")
    assert writes.index("ecs.DeleteService") < writes.index("ec2.DeleteSecurityGroup")
    ecs = ready.aws.client("ecs")
    assert ready.service("t7-bridge")["status"] == "INACTIVE"
    groups = ready.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"{ENVIRONMENT}-t7-bridge"]}])["SecurityGroups"]
    assert groups == []
    revisions = ecs.list_task_definitions(familyPrefix=f"{ENVIRONMENT}-t7-bridge", status="ACTIVE")
    assert revisions["taskDefinitionArns"] == []
    assert changes_of(ready.berth_json("plan")) == set()


def test_a_field_taken_out_goes_back_to_its_default(ready: World) -> None:
    ready.keep_services("notifier")
    spec = ready.spec()
    spec["services"]["notifier"]["deployment"] = {"minimumHealthyPercent": 0}
    spec["services"]["notifier"]["service"] = {"enableExecuteCommand": True}
    ready.write_spec(spec)
    ready.deploy()
    assert ready.service("notifier")["deploymentConfiguration"]["minimumHealthyPercent"] == 0
    del spec["services"]["notifier"]["deployment"], spec["services"]["notifier"]["service"]
    ready.write_spec(spec)
    ready.deploy()
    service = ready.service("notifier")
    assert service["deploymentConfiguration"]["minimumHealthyPercent"] == 100
    assert service["enableExecuteCommand"] is False


def test_every_list_is_read_to_its_last_page(ready: World) -> None:
    ready.aws.pages(1)
    ready.deploy()
    spec = ready.spec()
    del spec["services"]["t7-bridge"]
    ready.write_spec(spec)
    assert ("ecs.service/t7-bridge", "remove") in changes_of(ready.berth_json("plan"))
    ready.deploy()
    ready.aws.record_clear()
    ready.deploy()
    assert ready.writes() == []


def test_a_failed_deployment_is_tried_again(ready: World) -> None:
    """What was wrong may lie outside the spec. A first deployment has nothing to roll back to, so it
    stays the primary one, failed."""
    ready.keep_services("notifier")
    ready.aws.fault(service="ecs", fault="unhealthy")
    failed = ready.job()
    assert failed.exit_code == 1
    assert "its deployment failed" in failed.log.splitlines()[-2]
    ready.aws.clear_faults()
    planned = ready.berth_json("plan")
    assert changes_of(planned) == {("ecs.service/notifier", "update")}
    result = ready.deploy()
    assert ready.service("notifier")["runningCount"] == 1
    assert "1 updated" in result.log
    assert changes_of(ready.berth_json("plan")) == set()


def test_desired_count_null_is_left_to_scaling(ready: World) -> None:
    ready.keep_services("notifier")
    spec = ready.spec()
    spec["services"]["notifier"]["desiredCount"] = None
    ready.write_spec(spec)
    ready.deploy()
    assert ready.service("notifier")["desiredCount"] == 1
    ready.aws.client("ecs").update_service(cluster=ENVIRONMENT, desiredCount=3,
                                           service=f"{ENVIRONMENT}-notifier")
    ready.aws.record_clear()
    ready.deploy()
    assert ready.writes() == []
    assert ready.service("notifier")["desiredCount"] == 3


def test_a_new_image_restarts_its_service_alone(ready: World) -> None:
    ready.deploy()
    ready.aws.put_image("automation-notifier", [ENVIRONMENT], content="2")
    ready.aws.record_clear()
    ready.deploy()
    updated = ready.aws.calls(service="ecs", action="UpdateService")
    assert [c["input"]["service"] for c in updated] == [f"{ENVIRONMENT}-notifier"]


def test_two_branches_at_once_do_not_disturb_each_other(ready: World) -> None:
    """Both alone first, on accounts of their own; then both at once: each looks as it did alone."""
    other = "dev/fix/JIRA-12"
    alone = {}
    for ref in (BRANCH, other):
        ready.deploy(ref)
        alone[ref] = ready.aws.snapshot(environment_of(ref))
        ready.aws.restore("prepared")
    shared = ready.aws.snapshot()
    results = {}

    def deploy(ref: str, pipeline: int) -> None:
        results[ref] = ready.job(ref=ref, pipeline=pipeline)

    threads = [threading.Thread(target=deploy, args=(ref, 5000 + i))
               for i, ref in enumerate((BRANCH, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ref in (BRANCH, other):
        assert results[ref].exit_code == 0, results[ref].log
        assert without_pipeline(ready.aws.snapshot(environment_of(ref))) == without_pipeline(alone[ref])
    after = ready.aws.snapshot()
    for kind in ("ecr.repository", "iam.role"):
        assert after.get(kind) == shared.get(kind)


def without_pipeline(snapshot: dict) -> dict:
    """A snapshot without the tag that names the pipeline."""
    def cut(value):  # type: ignore[no-untyped-def]
        if isinstance(value, dict):
            return {k: cut(v) for k, v in value.items() if k != "berth:pipeline"}
        if isinstance(value, list):
            return [cut(v) for v in value
                    if not (isinstance(v, dict) and "berth:pipeline" in v.values())]
        return value
    return cut(snapshot)


def changes_of(plan: dict) -> set[tuple[str, str]]:
    return {(r["address"], r["action"]) for r in plan["resources"] if r["action"] != "none"}
