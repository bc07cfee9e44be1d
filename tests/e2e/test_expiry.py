# SPDX-License-Identifier: MIT
"""How long an environment lives without a deploy: a tag on its cluster."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from world import ENVIRONMENT, PROJECT_ID, World

TAG = "berth:expires"
DATE = "%Y-%m-%dT%H:%M:%SZ"
HOUR = timedelta(hours=1)


@pytest.fixture
def small(ready: World) -> World:
    ready.keep_services("notifier")
    return ready


def set_time_to_live(world: World, text: str | None) -> None:
    ephemeral = world.config["projects"][str(PROJECT_ID)]["ephemeral"]
    ephemeral.pop("timeToLive", None)
    if text is not None:
        ephemeral["timeToLive"] = text
    world.write_config()


def tags(world: World) -> dict[str, str]:
    [cluster] = world.aws.client("ecs").describe_clusters(
        clusters=[ENVIRONMENT], include=["TAGS"])["clusters"]
    return {t["key"]: t["value"] for t in cluster["tags"]}


def left(world: World) -> timedelta:
    expires = datetime.strptime(tags(world)[TAG], DATE).replace(tzinfo=timezone.utc)
    return expires - datetime.now(timezone.utc)


def set_left(world: World, span: timedelta, environment: str = ENVIRONMENT) -> None:
    ecs = world.aws.client("ecs")
    [cluster] = ecs.describe_clusters(clusters=[environment])["clusters"]
    date = (datetime.now(timezone.utc) + span).strftime(DATE)
    ecs.tag_resource(resourceArn=cluster["clusterArn"], tags=[{"key": TAG, "value": date}])


def test_a_new_environment_has_it_from_the_first(small: World) -> None:
    set_time_to_live(small, "2w")
    small.deploy()
    assert timedelta() <= timedelta(days=14) - left(small) < HOUR
    assert small.writes().count("ecs.TagResource") == 0


@pytest.mark.parametrize("wrong", ["72", "1.5h", "0d", "3 days", "", 72])
def test_a_span_that_is_none_is_refused(small: World, wrong: object) -> None:
    small.config["projects"][str(PROJECT_ID)]["ephemeral"]["timeToLive"] = wrong
    small.write_config()
    done = small.berth("name", "dev/feature/login", code=None)
    assert done.returncode != 0 and "timeToLive" in done.stderr


def test_production_has_none(small: World) -> None:
    small.config["projects"][str(PROJECT_ID)]["production"]["timeToLive"] = "72h"
    small.write_config()
    done = small.berth("name", "master", code=None)
    assert done.returncode != 0 and "production.timeToLive" in done.stderr


def test_a_deploy_sets_it_and_renews_it_when_a_quarter_is_over(three: World) -> None:
    assert TAG not in tags(three)
    set_time_to_live(three, "72h")
    three.aws.record_clear()
    log = three.deploy().log  # of an environment that has been there before
    assert f"'{ENVIRONMENT}' lives until {tags(three)[TAG]}, and longer if it" in log
    assert three.writes() == ["ecs.TagResource"]
    assert timedelta() <= 72 * HOUR - left(three) < HOUR

    set_left(three, 55 * HOUR)
    three.aws.record_clear()
    assert "lives until" not in three.deploy().log
    assert three.writes() == [] and left(three) < 56 * HOUR

    set_left(three, 53 * HOUR)
    three.aws.record_clear()
    three.berth("plan", "--ref=dev/feature/login", *three.given_variables())
    assert three.writes() == []
    three.deploy()
    assert three.writes() == ["ecs.TagResource"] and left(three) > 71 * HOUR

    set_time_to_live(three, "1h")
    three.deploy()
    assert left(three) <= HOUR


def test_that_it_cannot_be_renewed_is_a_warning(three: World) -> None:
    set_time_to_live(three, "1d")
    three.aws.fault(service="ecs", action="TagResource", fault="error",
                    code="AccessDeniedException", message="no", status=400, times=1)
    log = three.deploy().log
    assert f"WARNING: how long '{ENVIRONMENT}' lives was not renewed" in log
    assert TAG not in tags(three)
