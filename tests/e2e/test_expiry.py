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


def set_left(world: World, span: timedelta) -> None:
    ecs = world.aws.client("ecs")
    [cluster] = ecs.describe_clusters(clusters=[ENVIRONMENT])["clusters"]
    date = (datetime.now(timezone.utc) + span).strftime(DATE)
    ecs.tag_resource(resourceArn=cluster["clusterArn"], tags=[{"key": TAG, "value": date}])


def test_a_deploy_sets_it_and_renews_it_when_a_quarter_is_over(small: World) -> None:
    small.deploy()
    assert TAG not in tags(small)
    set_time_to_live(small, "72h")
    small.aws.record_clear()
    log = small.deploy().log  # of an environment that has been there before
    assert f"'{ENVIRONMENT}' lives until {tags(small)[TAG]}, and longer if it" in log
    assert small.writes() == ["ecs.TagResource"]
    assert timedelta() <= 72 * HOUR - left(small) < HOUR

    set_left(small, 55 * HOUR)
    small.aws.record_clear()
    assert "lives until" not in small.deploy().log
    assert small.writes() == [] and left(small) < 56 * HOUR

    set_left(small, 53 * HOUR)
    small.aws.record_clear()
    small.berth("plan", "--ref=dev/feature/login", *small.given_variables())
    assert small.writes() == []
    small.deploy()
    assert small.writes() == ["ecs.TagResource"] and left(small) > 71 * HOUR

    set_time_to_live(small, "1h")
    small.deploy()
    assert left(small) <= HOUR


def test_a_new_environment_has_it_from_the_first(small: World) -> None:
    set_time_to_live(small, "2w")
    small.deploy()
    assert timedelta() <= timedelta(days=14) - left(small) < HOUR
    assert small.writes().count("ecs.TagResource") == 0


def test_that_it_cannot_be_renewed_is_a_warning(small: World) -> None:
    small.deploy()
    set_time_to_live(small, "1d")
    small.aws.fault(service="ecs", action="TagResource", fault="error",
                    code="AccessDeniedException", message="no", status=400, times=1)
    log = small.deploy().log
    assert f"WARNING: how long '{ENVIRONMENT}' lives was not renewed" in log
    assert TAG not in tags(small)


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
