# SPDX-License-Identifier: MIT
"""berth list: all environments, whatever is left of them, and nothing that is gone."""

from __future__ import annotations

import json
from typing import Any

from policed import Police, actions_for
from test_expiry import HOUR, set_left, set_time_to_live
from world import BRANCH, ENVIRONMENT, FIX, FIX_ENVIRONMENT, PROJECT_ID, World


def listed(world: World, *arguments: str) -> dict[str, dict[str, Any]]:
    told = json.loads(world.unpoliced().berth("list", "--json", *arguments).stdout)
    assert told["schema"] == "berth-list/1"
    return {one["environment"]: one for one in told["environments"]}


def test_where_nothing_is_nothing_is_listed(ready: World) -> None:
    assert listed(ready) == {}


def test_all_environments_are_listed_as_they_are(three: World) -> None:
    set_time_to_live(three, "72h")
    set_left(three, 71.5 * HOUR, FIX_ENVIRONMENT)
    aws = three.aws
    # What another project made, and what nobody of berth's did.
    aws.client("ecs").create_cluster(clusterName="automation-other", tags=[
        {"key": "Environment", "value": "automation-other"}, {"key": "berth:project", "value": "78"}])
    aws.client("ecs").create_cluster(clusterName="automation-foreign")
    aws.record_clear()
    found = listed(three)
    assert three.writes() == []
    assert sorted(found) == sorted([ENVIRONMENT, FIX_ENVIRONMENT, "automation-master"])
    login, fix = found[ENVIRONMENT], found[FIX_ENVIRONMENT]
    assert {e["state"] for e in found.values()} == {"up"}
    assert found["automation-master"]["kind"] == "production" and login["kind"] == "ephemeral"
    assert login["ref"] == BRANCH and fix["ref"] == FIX
    assert login["project"] == PROJECT_ID and login["region"] == "us-east-1"
    assert fix["changedBy"] == login["changedBy"] + 1 and login["resources"] > 15
    assert login["created"] <= fix["created"] and "why" not in login
    assert "expires" in fix and "expires" not in login and \
        "expires" not in found["automation-master"]
    done = three.berth("list")
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0].split() == ["ENVIRONMENT", "KIND", "STATE", "RESOURCES", "AGE", "PIPELINE",
                                "EXPIRES", "BRANCH"]
    [line] = [one.split() for one in lines if one.startswith(FIX_ENVIRONMENT)]
    assert line[:3] == [FIX_ENVIRONMENT, "ephemeral", "up"] and line[-1] == FIX
    assert line[-3:-1] == ["71", "h"]


def test_two_roles_of_one_account_see_one_environment(three: World) -> None:
    arn = three.aws.client("iam").create_role(
        RoleName="berth-ephemeral", AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
    )["Role"]["Arn"]
    three.config["projects"][str(PROJECT_ID)]["ephemeral"]["roleArn"] = arn
    three.write_config()
    assert sorted(listed(three)) == sorted([ENVIRONMENT, FIX_ENVIRONMENT, "automation-master"])
    lines = three.berth("list").stdout.splitlines()
    assert len(lines) == 4
    assert all(line.endswith("  (us-east-1, 123456789012)") for line in lines[1:])
    # Of one that the host config does not know there is only what the index says: once.
    three.config["projects"][str(PROJECT_ID)]["ephemeral"]["refs"] = ["dev/feature*"]
    three.write_config()
    [known, unknown] = [listed(three)[name] for name in (ENVIRONMENT, FIX_ENVIRONMENT)]
    assert unknown["state"] == "unknown" and unknown["resources"] < 1.5 * known["resources"]


def test_what_is_left_of_one_is_listed_and_what_is_gone_is_not(three: World) -> None:
    ecs = three.aws.client("ecs")
    for environment in (ENVIRONMENT, FIX_ENVIRONMENT):
        ecs.delete_service(cluster=environment, service=f"{environment}-notifier", force=True)
    assert listed(three)[ENVIRONMENT]["state"] == "half"
    ecs.delete_cluster(cluster=ENVIRONMENT)
    left = listed(three)[ENVIRONMENT]
    assert left["state"] == "left" and "changedBy" not in left and left["resources"] > 10
    three.berth("destroy", "--yes", f"--ref={BRANCH}")
    assert list(listed(three)) == [FIX_ENVIRONMENT, "automation-master"]


def test_what_cannot_be_looked_at_is_unknown_beside_the_others(three: World) -> None:
    three.aws.fault(service="elasticache", action="DescribeCacheClusters", fault="error",
                    match={"CacheClusterId": FIX_ENVIRONMENT}, code="AccessDenied", message="no",
                    status=403)
    three = three.unpoliced()
    told = json.loads(three.berth("list", "--json", code=2).stdout)
    states = {one["environment"]: one["state"] for one in told["environments"]}
    assert states == {ENVIRONMENT: "up", FIX_ENVIRONMENT: "unknown", "automation-master": "up"}
    [unknown] = [one for one in told["environments"] if one["state"] == "unknown"]
    assert "DescribeCacheClusters" in unknown["why"] and "AccessDenied" in unknown["why"]
    assert not told["succeeded"] and unknown["why"] in told["error"] and told["unread"] == []
    done = three.berth("list", code=2)
    assert len(done.stdout.splitlines()) == 4
    assert "1 environment could not be looked at" in done.stderr


def deny_role(world: World, kind: str) -> str:
    """A role for one kind of branch, in the account of the others, that nobody may assume."""
    arn = "arn:aws:iam::123456789012:role/denied"
    world.config["projects"][str(PROJECT_ID)][kind]["roleArn"] = arn
    world.write_config()
    world.aws.fault(service="sts", action="AssumeRole", match={"RoleArn": arn}, fault="error",
                    code="AccessDenied", message="no", status=403)
    return arn


def test_what_one_role_cannot_read_hides_nothing_of_another(three: World) -> None:
    three = three.unpoliced()
    arn = deny_role(three, "production")
    done = three.berth("list", "--json", code=2)
    told = json.loads(done.stdout)
    states = {one["environment"]: one["state"] for one in told["environments"]}
    # The other role sees it, but not that it is where it belongs.
    assert states == {ENVIRONMENT: "up", FIX_ENVIRONMENT: "up", "automation-master": "unknown"}
    [unread] = told["unread"]
    assert unread["region"] == "us-east-1" and unread["roleArn"] == arn
    assert f"the environments in us-east-1 as {arn}: " in unread["error"]
    assert told["error"] == unread["error"] and unread["error"] in done.stderr


def test_the_printed_policy_is_enough_and_no_more(three: World) -> None:
    three.police = Police(three, "list")
    three.police.without = {("Look", "cloudwatch:DescribeAlarms")}
    told = json.loads(three.berth("list", "--json", code=2).stdout)
    assert {one["state"] for one in told["environments"]} == {"unknown"}
    assert "allows the cloudwatch:DescribeAlarms action" in told["error"]
    three.police.without = set()
    told = json.loads(three.berth("list", "--json").stdout)
    assert [one["state"] for one in told["environments"]] == ["up"] * 3
    actions = actions_for(three, "ephemeral", "list")
    assert not [a for a in actions if not a.partition(":")[2].startswith(
        ("Describe", "Get", "List"))]
    assert not [a for a in actions if a.startswith(("secretsmanager:", "ssm:"))]


def test_what_the_host_config_does_not_know_is_named(three: World) -> None:
    ephemeral = three.config["projects"][str(PROJECT_ID)]["ephemeral"]
    ephemeral["refs"] = ["dev/feature*"]
    three.write_config()
    one = listed(three)[FIX_ENVIRONMENT]
    assert one["state"] == "unknown" and "gets no environment" in one["why"] and "kind" not in one
    ephemeral |= {"refs": ["dev/*"], "region": "eu-west-1"}
    three.write_config()
    one = listed(three)[FIX_ENVIRONMENT]
    assert one["state"] == "unknown" and "it would be in eu-west-1" in one["why"]
    assert listed(three, "--project=77") == listed(three)
    assert "has no project 78" in three.berth("list", "--project=78", code=1).stderr
