# SPDX-License-Identifier: MIT
"""The command for people: name, check, plan, apply, status, each with --json."""

from __future__ import annotations

import json

from world import BRANCH, ENVIRONMENT, World


def test_name(world: World) -> None:
    assert world.berth("name", "--project=77", BRANCH).stdout.strip() == ENVIRONMENT
    assert world.berth("name", "--project=77", "dev/fix/JIRA-12").stdout.strip() == "automation-36763184"
    named = json.loads(world.berth("name", "--json", "--project=77", "master").stdout)
    assert named["environment"] == "automation-master" and named["kind"] == "production"


def test_name_of_a_branch_without_environment(world: World) -> None:
    done = world.berth("name", "--project=77", "feature/x", code=1)
    assert "feature/x" in done.stderr and "dev/feature*" in done.stderr


def test_check(world: World) -> None:
    assert json.loads(world.berth("check", "--json", *world.given_variables()).stdout)["valid"]
    spec = world.spec()
    spec["services"]["notifier"]["cpu"] = "256"
    spec["network"]["vcp"] = {}
    world.write_spec(spec)
    done = world.berth("check", *world.given_variables(), code=1)
    assert "services.notifier.cpu: must be a whole number" in done.stderr
    assert "network.vcp: unknown key; did you mean 'vpc'?" in done.stderr


def test_plan_apply_status(ready: World) -> None:
    ready.keep_services("nats-server", "notifier")
    plan = ready.berth_json("plan")
    assert {r["action"] for r in plan["resources"]} == {"create", "none"}
    assert plan["counts"]["create"] == sum(r["action"] == "create" for r in plan["resources"]) > 5
    assert ready.writes() == []
    ready.berth_json("apply")
    assert ready.service("notifier")["runningCount"] == 1
    assert {r["action"] for r in ready.berth_json("plan")["resources"]} == {"none"}
    states = {r["address"]: r["state"] for r in ready.berth_json("status")["resources"]}
    assert states["ecs.service/notifier"] == "ready"
    ready.aws.client("ecs").delete_service(cluster=ENVIRONMENT, service=f"{ENVIRONMENT}-notifier",
                                           force=True)
    states = {r["address"]: r["state"] for r in ready.berth_json("status")["resources"]}
    assert states["ecs.service/notifier"] == "absent"


def test_an_apply_that_fails_is_one_json(ready: World) -> None:
    """What was done and what failed, for a program that reads one text."""
    ready.keep_services("notifier")
    ready.unpoliced().aws.enforce_on("arn:aws:iam::123456789012:user/berth", {
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "ecs:CreateService", "Resource": "*"}]})
    done = ready.berth("apply", "--json", "--project=77", f"--ref={BRANCH}",
                       *ready.given_variables(), code=2)
    applied = json.loads(done.stdout)
    assert applied["schema"] == "berth-apply/1" and not applied["succeeded"]
    results = {r["address"]: r["result"] for r in applied["resources"]}
    assert results["ecs.cluster/cluster"] == "done" and results["ecs.service/notifier"] == "failed"
    assert "ecs:CreateService" in applied["error"] and "ecs:CreateService" in done.stderr


def test_usage(world: World) -> None:
    assert "usage: berth" in world.berth("--help").stdout
    assert world.berth("help").stdout == world.berth("--help").stdout
    plan = world.berth("plan", "--help").stdout
    assert plan.startswith("usage: berth plan --ref BRANCH [--project N]")
    assert world.berth("help", "plan").stdout == plan
    assert world.berth("--version").stdout.startswith("berth ")
    done = world.berth("plna", code=1)
    assert "plna" in done.stderr and len(done.stderr.splitlines()) <= 2
