# SPDX-License-Identifier: MIT
"""Jobs by their names: parts, plans, outputs. A plan never writes; a part leaves the rest alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from world import ENVIRONMENT, ROOT, World

DRIVERS = ("acm", "alb", "cloudformation", "cloudmap", "cloudwatch", "dns", "ec2", "ecr", "ecs",
           "elasticache", "iam", "logs", "redis", "route53", "security_group", "sns")
PARTS = (*DRIVERS, "notifier", "nats-server")
PLANS = ("plan", "plan-branches", "plan-deploy", "plan-deploy-branches", "plan-basic-infra",
         "plan-destroy", "plan-destroy-branches", "plan-check-ecs-resources",
         "plan-check-ecs-resources-branches",
         "plan-notifier-build", "plan-deploy-dns", "plan-deploy-notifier",
         *(f"plan-{part}" for part in PARTS))
USER = 1


@pytest.fixture
def small(ready: World) -> World:
    ready.keep_services("nats-server", "notifier")
    ready.deploy()
    ready.aws.record_clear()
    return ready


def change_all(world: World) -> None:
    """A change for each of most drivers."""
    spec = world.spec()
    spec["services"]["notifier"] |= {"cpu": 512, "memory": 1024, "ports": [5000, 5001]}
    spec["logs"]["retentionInDays"] = 60
    spec["redis"]["snapshotRetentionLimit"] = 3
    spec["loadBalancer"]["attributes"] = {"idle_timeout.timeout_seconds": 90}
    world.write_spec(spec)


def test_no_plan_writes(small: World) -> None:
    change_all(small)
    said = {job: small.job(job).log for job in PLANS}
    assert small.writes() == []
    for job in ("plan", "plan-deploy-branches", "plan-notifier", "plan-ecs", "plan-redis",
                "plan-logs", "plan-basic-infra"):
        assert f"this was a plan of {ENVIRONMENT}: nothing was changed" in said[job], said[job]
    assert "~ service notifier" in said["plan"] and "~ log group" in said["plan"]
    assert "~ service notifier" in said["plan-notifier"]
    assert "~ log group" not in said["plan-notifier"]
    assert "~ log group" in said["plan-logs"] and "~ service" not in said["plan-logs"]
    assert "~ cache cluster redis" in said["plan-redis"]


def test_a_plan_of_nothing_yet_writes_nothing(ready: World) -> None:
    ready.keep_services("nats-server", "notifier")
    result = ready.job("plan", script=['echo "url=$BERTH_URL= changes=$BERTH_CHANGES"'])
    assert result.exit_code == 0, result.log
    assert re.search(r"url== changes=[1-9]\d*", result.log)
    assert ready.job("plan-notifier").exit_code == USER
    assert ready.writes() == []


def test_a_driver_deploys_its_own(small: World) -> None:
    change_all(small)
    result = small.job("deploy-logs")
    assert result.exit_code == 0, result.log
    assert small.writes() == ["ecs.TagResource", "logs.PutRetentionPolicy"]
    assert re.search(r"logs of \S+ is as the spec wants it: 1 updated; \d+ not as wanted",
                     result.log)
    small.aws.record_clear()
    assert small.job("deploy-redis").exit_code == 0
    assert "elasticache.ModifyCacheCluster" in small.writes()
    assert not [w for w in small.writes() if w.startswith(("logs.", "ec2."))]
    [cluster] = small.aws.client("elasticache").describe_cache_clusters()["CacheClusters"]
    assert cluster["SnapshotRetentionLimit"] == 3


def test_a_service_with_what_only_it_needs(ready: World) -> None:
    ready.keep_services("nats-server", "notifier", "t7-bridge")
    whole = ready.spec()
    ready.keep_services("nats-server", "notifier")
    ready.deploy()
    whole["services"]["notifier"] |= {"cpu": 512, "memory": 1024}
    ready.write_spec(whole)
    ready.aws.record_clear()
    result = ready.job("deploy-t7-bridge")
    assert result.exit_code == 0, result.log
    writes = ready.writes()
    assert writes.count("ecs.CreateService") == writes.count("ecs.RegisterTaskDefinition") == 1
    assert writes.count("servicediscovery.CreateService") == 1
    assert writes.count("ec2.CreateSecurityGroup") == 1
    assert "ecs.UpdateService" not in writes
    assert ready.service("t7-bridge")["runningCount"] == 1
    assert ready.definition("notifier")["cpu"] == "256"


def test_a_service_before_the_first_deploy(ready: World) -> None:
    ready.keep_services("nats-server", "notifier")
    result = ready.job("deploy-notifier")
    assert result.exit_code == USER
    assert "run the job 'deploy' first" in result.log
    assert ready.writes() == []


def test_a_driver_comes_before_a_service_of_its_name(small: World) -> None:
    spec = small.spec()
    spec["services"]["logs"] = spec["services"]["notifier"]
    spec["logs"]["retentionInDays"] = 60
    small.write_spec(spec)
    result = small.job("deploy-logs")
    assert result.exit_code == 0, result.log
    assert "not the service 'logs' of the spec" in result.log
    assert "logs.PutRetentionPolicy" in small.writes()
    assert "ecs.CreateService" not in small.writes()


def test_a_driver_that_only_looks_up(small: World) -> None:
    for job in ("deploy-acm", "plan-ec2"):
        result = small.job(job)
        assert result.exit_code == USER, result.log
        assert "so that there is nothing to deploy" in result.log
    done = small.berth("plan", "--project=77", "--ref=dev/feature/login", "--only=notifer",
                       *small.given_variables(), code=USER)
    assert "--only: there is no driver 'notifer'" in done.stderr
    assert "did you mean 'notifier'?" in done.stderr


@pytest.mark.parametrize("job, says", [
    ("deploy-notifer", "did you mean 'deploy-notifier'?"),
    ("plan-notifer", "did you mean 'plan-notifier'?"),
    ("depoly-branches", "berth knows no job 'depoly-branches', so it is just its script; "
                        "did you mean 'deploy-branches'?"),
])
def test_a_slip_is_named(small: World, job: str, says: str) -> None:
    result = small.job(job, script=["echo the script"])
    assert result.exit_code == 0 and "the script" in result.log
    assert "WARNING: " in result.log and says in result.log, result.log
    assert small.aws.calls() == []


@pytest.mark.parametrize("job", [
    "deploy-../notifier", "deploy-$(touch x)", "deploy-%n%s%d", "deploy-\x1b[31mred",
    "deploy-notifier\n", "plan-" + "n" * 4000, "deploy-notifier;", "plan-\u202eredilved",
    "deploy- notifier", "deploy-NOTIFIER ", "plan--", "deploy-{}", "deploy-''",
])
def test_a_hostile_name_is_just_its_script(small: World, job: str) -> None:
    result = small.job(job, script=["echo the script"])
    assert result.exit_code == 0 and "the script" in result.log, result.log
    assert b"\x1b[31mred" not in result.raw_log and "\u202e" not in result.log
    assert small.aws.calls() == []


# -- outputs ---------------------------------------------------------------------------------------

SHOW = ["cat berth.env | sort | sed 's/^/file: /'", "env | grep ^BERTH_ | sort | sed 's/^/env: /'"]


def outputs_in(log: str, place: str) -> dict[str, str]:
    found = re.findall(rf"^{place}: (BERTH_\w+)=(.*)$", log, re.MULTILINE)
    return dict(found)


def documented() -> set[str]:
    table = (ROOT / "docs" / "jobs.md").read_text().split("## Outputs")[1].split("\n## ")[0]
    return {name for row in re.findall(r"^\| (`BERTH_.*?) \|", table, re.MULTILINE)
            for name in re.findall(r"`(BERTH_\w+)`", row)}


def test_outputs_of_every_job(small: World) -> None:
    whole = small.job("deploy-branches", script=SHOW)
    given = outputs_in(whole.log, "file")
    assert given == outputs_in(whole.log, "env"), whole.log
    assert set(given) == documented() and len(given) <= 15
    assert given["BERTH_ENVIRONMENT"] == given["BERTH_CLUSTER"] == ENVIRONMENT
    assert given["BERTH_CHANGES"] == "0" and given["BERTH_ACCOUNT_ID"] == "123456789012"
    [node] = small.aws.client("elasticache").describe_cache_clusters(
        ShowCacheNodeInfo=True)["CacheClusters"]
    assert given["BERTH_REDIS_HOST"] == node["CacheNodes"][0]["Endpoint"]["Address"]
    [balancer] = small.aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert given["BERTH_LOAD_BALANCER_HOST"] == balancer["DNSName"]
    for job in ("deploy-notifier", "deploy-redis", "plan", "plan-notifier"):
        log = small.job(job, script=SHOW).log
        same = given | {"BERTH_PIPELINE_ID": str(small.pipeline)}
        assert outputs_in(log, "file") == outputs_in(log, "env") == same, log


def test_a_link_in_the_outputs_way_is_not_followed(small: World, tmp_path: Path) -> None:
    """The checkout is the job's: what it leaves under the file's name must not lead elsewhere."""
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    (small.project / "berth.env").symlink_to(target)
    result = small.job("deploy-branches", script=SHOW)
    assert target.read_text() == "untouched", result.log
