# SPDX-License-Identifier: MIT
"""berth list: all environments, whatever is left of them, and nothing that is gone."""

from __future__ import annotations

import json
from typing import Any

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
