# SPDX-License-Identifier: MIT
"""berth status: how each resource is, what is wrong first. It never writes."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import urlsplit

from world import BRANCH, ENVIRONMENT, PROJECT_ID, World

WRONG_FIRST = ["failed", "foreign", "absent", "differs", "unwanted", "waiting", "ready"]


def status(world: World) -> str:
    done: subprocess.CompletedProcess[str] = world.berth(
        "status", f"--project={PROJECT_ID}", f"--ref={BRANCH}", *world.given_variables())
    return done.stdout


def test_of_nothing_deployed_and_what_is_in_the_way(ready: World) -> None:
    ready.keep_services("nats-server", "notifier")
    ready.aws.client("logs").create_log_group(logGroupName=ENVIRONMENT)
    ready.aws.record_clear()
    told = ready.berth_json("status")
    assert ready.writes() == []
    states = {r["address"]: r["state"] for r in told["resources"]}
    assert states["logs.group/logs"] == "foreign" and states["ecs.service/notifier"] == "absent"
    assert states["iam.role/ecs_task_execution_role"] == "ready" and not told["well"]
    assert "changedBy" not in told and told["resources"][0]["state"] == "foreign"
    assert "none of berth's tags" in told["resources"][0]["why"]


def test_from_well_to_wrong(ready: World) -> None:
    ready.keep_services("nats-server", "notifier")
    ready.deploy()
    told = ready.berth_json("status")
    assert told["schema"] == "berth-status/2" and told["well"], told["counts"]
    assert told["changedBy"] == ready.pipeline
    for resource in told["resources"]:
        link = urlsplit(resource["link"])
        assert link.scheme == "https" and link.hostname == "us-east-1.console.aws.amazon.com"
        assert re.fullmatch(r"[!-~]+", resource["link"]) and "{" not in resource["link"]
    ready.aws.client("ecs").delete_service(cluster=ENVIRONMENT, force=True,
                                           service=f"{ENVIRONMENT}-nats-server")
    ready.aws.client("logs").put_retention_policy(logGroupName=ENVIRONMENT, retentionInDays=60)
    for task in ready.aws.client("ecs").list_tasks(
            cluster=ENVIRONMENT, serviceName=f"{ENVIRONMENT}-notifier")["taskArns"]:
        ready.aws.client("ecs").stop_task(cluster=ENVIRONMENT, task=task, reason="tried by hand")
    ready.aws.record_clear()
    told = ready.berth_json("status")
    states = {r["address"]: r["state"] for r in told["resources"]}
    assert states["ecs.service/nats-server"] == "absent"
    assert states["logs.group/logs"] == "differs"
    order = [WRONG_FIRST.index(r["state"]) for r in told["resources"]]
    assert order == sorted(order) and sum(told["counts"].values()) == len(order)
    lines = status(ready).splitlines()
    assert lines[0] == (f"{ENVIRONMENT}: ephemeral, us-east-1, of '{BRANCH}', last changed by "
                        f"pipeline {ready.pipeline}")
    assert any(line.startswith("differs  log group logs") and "retentionInDays" in line
               for line in lines)
    assert ready.writes() == []


def test_tasks_that_stop_say_why(ready: World) -> None:
    ready.keep_services("notifier")
    ready.aws.fault(service="ecs", fault="unhealthy")
    assert ready.job("deploy-branches").exit_code != 0
    ready.aws.record_clear()
    told = ready.berth_json("status")
    [service] = [r for r in told["resources"] if r["address"] == "ecs.service/notifier"]
    assert service["state"] == "failed" and told["resources"][0] == service
    assert service["stops"] and "health" in service["stops"][0]["reason"]
    assert "task " in status(ready) and "stopped at 20" in status(ready)
    assert ready.writes() == []
