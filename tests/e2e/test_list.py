# SPDX-License-Identifier: MIT
"""berth list: all environments, whatever is left of them, and nothing that is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_expiry import set_time_to_live
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World

FIX, FIX_ENVIRONMENT = "dev/fix/JIRA-12", "automation-36763184"


@pytest.fixture
def small(ready: World) -> World:
    ready.keep_services("notifier")
    return ready


def listed(world: World, *arguments: str) -> dict[str, dict[str, Any]]:
    told = json.loads(world.unpoliced().berth("list", "--json", *arguments).stdout)
    assert told["schema"] == "berth-list/1"
    return {one["environment"]: one for one in told["environments"]}


def test_all_environments_are_listed_as_they_are(small: World) -> None:
    assert listed(small) == {}
    small.deploy()
    set_time_to_live(small, "72h")
    small.deploy(FIX)
    small.deploy("master")
    aws = small.aws
    # What another project made, and what nobody of berth's did.
    aws.client("ecs").create_cluster(clusterName="automation-other", tags=[
        {"key": "Environment", "value": "automation-other"}, {"key": "berth:project", "value": "78"}])
    aws.client("ecs").create_cluster(clusterName="automation-foreign")
    aws.record_clear()
    found = listed(small)
    assert small.writes() == []
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
    lines = small.berth("list").stdout.splitlines()
    assert lines[0].split() == ["ENVIRONMENT", "KIND", "STATE", "RESOURCES", "AGE", "PIPELINE",
                                "EXPIRES", "BRANCH"]
    [line] = [one.split() for one in lines if one.startswith(FIX_ENVIRONMENT)]
    assert line[:3] == [FIX_ENVIRONMENT, "ephemeral", "up"] and line[-1] == FIX
    assert line[-3:-1] == ["71", "h"]


def test_what_is_left_of_one_is_listed_and_what_is_gone_is_not(small: World) -> None:
    small.deploy()
    small.deploy(FIX)
    ecs = small.aws.client("ecs")
    for environment in (ENVIRONMENT, FIX_ENVIRONMENT):
        ecs.delete_service(cluster=environment, service=f"{environment}-notifier", force=True)
    assert listed(small)[ENVIRONMENT]["state"] == "half"
    ecs.delete_cluster(cluster=ENVIRONMENT)
    left = listed(small)[ENVIRONMENT]
    assert left["state"] == "left" and "changedBy" not in left and left["resources"] > 10
    small.berth("destroy", "--yes", f"--ref={BRANCH}")
    assert list(listed(small)) == [FIX_ENVIRONMENT]


def test_what_the_host_config_does_not_know_is_named(small: World) -> None:
    small.deploy(FIX)
    ephemeral = small.config["projects"][str(PROJECT_ID)]["ephemeral"]
    ephemeral["refs"] = ["dev/feature*"]
    small.write_config()
    one = listed(small)[FIX_ENVIRONMENT]
    assert one["state"] == "unknown" and "gets no environment" in one["why"] and "kind" not in one
    ephemeral |= {"refs": ["dev/*"], "region": "eu-west-1"}
    small.write_config()
    one = listed(small)[FIX_ENVIRONMENT]
    assert one["state"] == "unknown" and "it would be in eu-west-1" in one["why"]
    assert listed(small, "--project=77") == listed(small)
    assert "has no project 78" in small.berth("list", "--project=78", code=1).stderr
