# SPDX-License-Identifier: MIT
"""Two pipelines of one branch, job by job as the example's .gitlab-ci.yml has them: what has not
changed is neither built nor restarted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gitlabci import load_jobs, pipeline_of
from registry import Registry
from world import BRANCH, ENVIRONMENT, ROOT, Endpoint, World

# Two services of modules of their own, so that there is one that must not be touched.
SERVICES = ["bruin-bridge", "notifier"]


@pytest.fixture
def pushing(endpoint: Endpoint, world: World) -> Iterator[World]:
    """A world whose images are pushed to a registry; it goes with the endpoint's next reset."""
    with Registry(endpoint.url) as registry:
        world.config["registry"] = {"certificates": registry.certificates}
        world.write_config()
        world.keep_services(*SERVICES)
        yield world
    endpoint.control("POST", "registry", {"host": None})


def play(world: World, pipeline: int) -> None:
    """What makes and deploys images, of a whole pipeline: the rest has tests of its own."""
    jobs = load_jobs(world.project, {"platform/berth": ROOT})
    of_images = ["basic-infra", *(f"{name}-build" for name in SERVICES), "deploy-branches"]
    played = []
    for job in pipeline_of(jobs, {"CI_COMMIT_BRANCH": BRANCH}):
        if job.name in of_images:
            result = world.job(job.name, stage=job.stage, script=job.script, pipeline=pipeline)
            assert result.exit_code == 0, result.log
            played.append(job.name)
    assert played == of_images


def pushed(world: World, pipeline: int) -> dict[str, str]:
    """The digest of each module's image with the pipeline's tag."""
    found = {}
    for name in SERVICES:
        images = world.aws.client("ecr").describe_images(
            repositoryName=f"automation-{name}",
            imageIds=[{"imageTag": f"{ENVIRONMENT}-{pipeline}"}])["imageDetails"]
        assert len(images) == 1 and ENVIRONMENT in images[0]["imageTags"]
        found[name] = images[0]["imageDigest"]
    return found


def tasks(world: World) -> dict[str, set[str]]:
    """The running tasks of each service."""
    ecs = world.aws.client("ecs")
    return {name: set(ecs.list_tasks(cluster=ENVIRONMENT, desiredStatus="RUNNING",
                                     serviceName=f"{ENVIRONMENT}-{name}")["taskArns"])
            for name in SERVICES}


def run_digests(world: World) -> dict[str, str]:
    """The digest that each service's tasks run."""
    return {name: world.definition(name)["containerDefinitions"][0]["image"].partition("@")[2]
            for name in SERVICES}



def test_one_module_changes_in_a_second_pipeline(pushing: World) -> None:
    play(pushing, 101)
    images, before = pushed(pushing, 101), tasks(pushing)
    assert run_digests(pushing) == images
    assert [len(before[name]) for name in SERVICES] == [2, 1]

    source = pushing.project / "notifier" / "notifier" / "slack.py"
    source.write_text(source.read_text().replace("LIMIT = 40000", "LIMIT = 39000"))
    pushing.aws.record_clear()
    play(pushing, 102)

    again, after = pushed(pushing, 102), tasks(pushing)
    assert again["bruin-bridge"] == images["bruin-bridge"]
    assert again["notifier"] != images["notifier"]
    assert run_digests(pushing) == again
    assert after["bruin-bridge"] == before["bruin-bridge"]
    assert not after["notifier"] & before["notifier"] and len(after["notifier"]) == 1
    updated = pushing.aws.calls("ecs", "UpdateService")
    assert [call["input"]["service"] for call in updated] == [f"{ENVIRONMENT}-notifier"]
    registered = pushing.aws.calls("ecs", "RegisterTaskDefinition")
    assert [call["input"]["family"] for call in registered] == [f"{ENVIRONMENT}-notifier"]
