# SPDX-License-Identifier: MIT
"""Old revisions of task definitions go: after a deploy all but the two newest that have run.

With the environment go all of them, and the tags of its images. boto3 is the witness of what is
left, and the endpoint's record of what that took.
"""

from __future__ import annotations

import re

import pytest

from world import ENVIRONMENT, World

FAMILY = f"{ENVIRONMENT}-notifier"


@pytest.fixture
def small(ready: World) -> World:
    """One service, deployed: revision 1."""
    ready.keep_services("notifier")
    ready.deploy()
    return ready


def revisions(world: World, status: str = "ACTIVE", family: str = FAMILY) -> list[int]:
    arns = world.aws.client("ecs").list_task_definitions(
        familyPrefix=family, status=status)["taskDefinitionArns"]
    return sorted(int(arn.rpartition(":")[2]) for arn in arns)


def change(world: World, number: int, **service: object) -> None:
    """Whatever it is, it takes another revision."""
    spec = world.spec()
    spec["services"]["notifier"].setdefault("environment", {})["NUMBER"] = str(number)
    spec["services"]["notifier"] |= service
    world.write_spec(spec)


def deploy(world: World, number: int) -> str:
    change(world, number)
    return world.deploy().log


def calls(world: World, *actions: str) -> list[str]:
    return [c["action"] for c in world.aws.calls() if c["action"] in actions]


def test_two_revisions_stay(small: World) -> None:
    log = deploy(small, 2)
    assert revisions(small) == [1, 2] and "deregistered" not in log
    small.aws.record_clear()
    log = deploy(small, 3)
    small.aws.expect("ecs", "DeregisterTaskDefinition", times=1)
    assert calls(small, "ListTaskDefinitions") == []
    assert revisions(small) == [2, 3] and revisions(small, "INACTIVE") == [1]
    assert "1 old revision of task definitions deregistered" in log
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []
    assert calls(small, "ListTasks", "DescribeTasks", "ListTaskDefinitions") == []


def test_all_services_at_once(ready: World) -> None:
    for number in range(3):
        spec = ready.spec()
        spec["serviceDefaults"].setdefault("environment", {})["NUMBER"] = str(number)
        for service in spec["services"].values():
            service.setdefault("environment", {})["NUMBER"] = str(number)
        ready.write_spec(spec)
        ready.aws.record_clear()
        ready.deploy()
    ready.aws.expect("ecs", "DeregisterTaskDefinition", times=14)
    ready.aws.expect("ecs", "ListTasks", times=1)
    ready.aws.expect("ecs", "DescribeTasks", times=1)
    assert calls(ready, "ListTaskDefinitions") == []
    for name in ready.spec()["services"]:
        assert revisions(ready, family=f"{ENVIRONMENT}-{name}") == [2, 3]


def test_what_a_rollback_goes_back_to_stays(small: World) -> None:
    """The third is rolled back by ECS to the second, which is what runs when the fourth comes."""
    deploy(small, 2)
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    small.aws.fault(fault="unhealthy", service="ecs", match={"serviceName": FAMILY})
    change(small, 3, deployment=breaker)
    assert small.job().exit_code == 1
    assert revisions(small) == [1, 2, 3]
    small.aws.clear_faults()
    change(small, 4)
    small.deploy()
    assert revisions(small) == [2, 4]
    assert small.definition("notifier")["revision"] == 4


def test_one_that_nobody_waited_for_goes_too(small: World) -> None:
    """RegisterTaskDefinition was carried out, and its answer came too late."""
    deploy(small, 2)
    ecs = small.aws.client("ecs")
    late = ecs.describe_task_definition(taskDefinition=FAMILY, include=["TAGS"])
    ecs.register_task_definition(
        family=FAMILY, tags=late["tags"],
        containerDefinitions=[{"name": "late", "image": "busybox", "memory": 64}])
    deploy(small, 4)
    assert revisions(small) == [2, 4] and revisions(small, "INACTIVE") == [1, 3]
    small.deploy(pipeline=small.pipeline - 1)  # another job of the same pipeline
    assert revisions(small) == [2, 4]


def test_a_foreign_revision_of_our_family_stays(small: World) -> None:
    """It has become the newest meanwhile, so that it is in the way until somebody removes it."""
    deploy(small, 2)
    register(small, FAMILY)
    result = small.job()
    assert result.exit_code == 1 and f"task definition '{FAMILY}'" in result.log
    register(small, FAMILY, like=f"{FAMILY}:2")
    deploy(small, 5)
    assert revisions(small) == [2, 3, 5]


def test_a_killed_job_is_finished_by_the_next_of_its_pipeline(small: World) -> None:
    """It had brought the third revision, and was killed before it deregistered the first."""
    deploy(small, 2)
    small.aws.fault(fault="error", code="ServerException", status=500, service="ecs",
                    action="DeregisterTaskDefinition")
    deploy(small, 3)
    assert revisions(small) == [1, 2, 3]
    small.aws.clear_faults()
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == [] and calls(small, "ListTasks") == []
    small.deploy(pipeline=small.pipeline - 1)
    assert revisions(small) == [2, 3]


def test_what_somebody_runs_by_hand_stays(small: World) -> None:
    deploy(small, 2)
    service = small.service("notifier")
    small.aws.client("ecs").run_task(
        cluster=ENVIRONMENT, taskDefinition=f"{FAMILY}:1", launchType="FARGATE",
        networkConfiguration=service["networkConfiguration"])
    deploy(small, 3)
    assert revisions(small) == [1, 2, 3]


@pytest.mark.parametrize("action", ["DeregisterTaskDefinition", "ListTasks"])
def test_a_failure_is_a_warning(small: World, action: str) -> None:
    deploy(small, 2)
    small.aws.fault(fault="error", code="AccessDeniedException", status=400, service="ecs",
                    action=action)
    change(small, 3)
    result = small.deploy()
    assert any("WARNING" in line and f"ecs:{action}" in line for line in result.log.splitlines())
    assert revisions(small) == [1, 2, 3]


# -- the end of the environment ------------------------------------------------------------------


def destroy(world: World) -> str:
    result = world.job("destroy-branches")
    assert result.exit_code == 0, result.log
    return result.log


def families(world: World) -> set[str]:
    """Of all states: a family whose last revision is deleted is listed no more."""
    return set(world.aws.client("ecs").list_task_definition_families()["families"])


def register(world: World, family: str, like: str | None = None) -> None:
    """A revision by hand; with the tags of another family's newest, or without any."""
    ecs = world.aws.client("ecs")
    tags = {"tags": ecs.describe_task_definition(
        taskDefinition=like, include=["TAGS"])["tags"]} if like else {}
    ecs.register_task_definition(
        family=family, **tags,
        containerDefinitions=[{"name": "a", "image": "busybox", "memory": 64}])


def test_a_destroy_leaves_no_revision(small: World) -> None:
    """Of ours: one that is inactive goes too, and what others have registered stays."""
    deploy(small, 2)
    deploy(small, 3)
    mixed, foreign, longer = f"{ENVIRONMENT}-mixed", f"{ENVIRONMENT}-tool", f"{ENVIRONMENT}9-x"
    register(small, mixed, like=FAMILY)
    register(small, mixed)
    register(small, foreign)
    register(small, longer)
    log = destroy(small)
    assert families(small) == {mixed, foreign, longer}
    assert revisions(small, family=mixed) == [2]
    assert f"left alone: task definition '{foreign}'" in log
    small.aws.expect("ecs", "DeleteTaskDefinitions", times=2)
    assert "there is nothing of" in destroy(small)


def tags(world: World, repository: str = "automation-notifier") -> set[str]:
    images = world.aws.client("ecr").list_images(repositoryName=repository)["imageIds"]
    return {image["imageTag"] for image in images if "imageTag" in image}


KEPT = {"latest", "automation-master", "automation-master-7", f"{ENVIRONMENT}9",
        f"{ENVIRONMENT}9-1001", f"{ENVIRONMENT}-rc", f"{ENVIRONMENT}-1001-rc", "automation-8527fec"}


def test_a_destroy_takes_the_branchs_tags_off(small: World) -> None:
    ours = {ENVIRONMENT, f"{ENVIRONMENT}-1001", f"{ENVIRONMENT}-1002"}
    small.aws.put_image("automation-notifier", sorted(ours | KEPT), content="shared")
    alone = small.aws.put_image("automation-notifier", [f"{ENVIRONMENT}-7"], content="alone")
    plan = small.job("plan-destroy-branches")
    assert plan.exit_code == 0 and tags(small) == ours | KEPT | {f"{ENVIRONMENT}-7"}
    assert "repository's image tags automation-notifier" in plan.log
    destroy(small)
    assert tags(small) == KEPT
    # What no tag names any more AWS has deleted; nobody asked for that by digest.
    images = small.aws.client("ecr").list_images(repositoryName="automation-notifier")["imageIds"]
    assert alone not in {image["imageDigest"] for image in images}
    asked = [c["input"] for c in small.aws.calls(service="ecr", action="BatchDeleteImage")]
    assert all(set(image) == {"imageTag"} for one in asked for image in one["imageIds"])


def test_the_projects_repositories_are_found_without_a_spec(small: World) -> None:
    """By their tag, whatever they are called; another project's are not touched."""
    small.unpoliced()
    ecr = small.aws.client("ecr")
    for repository, project in (("elsewhere", "78"), ("automation-tools", "78"),
                                ("tools/mine", "77")):
        ecr.create_repository(repositoryName=repository,
                              tags=[{"Key": "berth:project", "Value": project}])
        small.aws.put_image(repository, [ENVIRONMENT])
    small.aws.put_image("automation-t7-bridge", [ENVIRONMENT])
    small.aws.put_image("tools/mine", [f"{ENVIRONMENT}-{n}" for n in range(1, 120)])
    platform = small.aws.put_image("tools/mine", [f"{ENVIRONMENT}-1001"], content="arm64")
    small.aws.put_list("tools/mine", [ENVIRONMENT], [platform])
    destroy(small)
    assert tags(small, "elsewhere") == tags(small, "automation-tools") == {ENVIRONMENT}
    assert tags(small, "tools/mine") == set()
    assert tags(small, "automation-t7-bridge") == {"automation-master"}
    asked = [c["input"] for c in small.aws.calls(service="ecr", action="BatchDeleteImage")]
    assert max(len(one["imageIds"]) for one in asked) == 100


def test_a_repository_that_it_may_not_look_into_is_said(small: World) -> None:
    small.aws.put_image("automation-t7-bridge", [ENVIRONMENT])
    small.aws.fault(fault="error", code="AccessDeniedException", status=400, service="ecr",
                    action="ListImages", match={"repositoryName": "automation-t7-bridge"})
    log = destroy(small)
    assert "'automation-t7-bridge' is left out" in log
    assert re.search(rf"(?m)^nothing is left of {ENVIRONMENT}: [0-9]+ removed; "
                     "not looked into: 1 that berth may not see$", log)
    small.aws.clear_faults()
    assert tags(small, "automation-t7-bridge") == {"automation-master", ENVIRONMENT}


@pytest.mark.parametrize("look, outcome", [
    (2, "left alone"), (3, "removed"), (4, "removed"),
], ids=["before the removal", "from the removal on", "at the last look"])
def test_a_repository_that_later_looks_may_not_see_is_said_once(small: World, look: int,
                                                                outcome: str) -> None:
    """What the looks are refused differs in the request's number."""
    small.aws.put_image("automation-t7-bridge", [ENVIRONMENT])
    small.aws.fault(fault="error", code="AccessDeniedException", status=400, service="ecr",
                    action="ListImages", match={"repositoryName": "automation-t7-bridge"},
                    from_=look)
    log = destroy(small)
    assert log.count("'automation-t7-bridge' is left out") == 1
    assert f"repository's image tags: 1 {outcome}" in log
    assert re.search(rf"(?m)^nothing is left of {ENVIRONMENT}: [0-9]+ removed; "
                     "not looked into: 1 that berth may not see$", log)
    small.aws.clear_faults()
    assert (ENVIRONMENT in tags(small, "automation-t7-bridge")) == (outcome == "left alone")


def test_a_repository_says_whose_it_is(ready: World) -> None:
    ecr = ready.aws.client("ecr")
    for repository in ecr.describe_repositories()["repositories"]:
        assert ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"] == [
            {"Key": "berth:project", "Value": "77"}]


def test_a_deploy_looks_for_no_tags(small: World) -> None:
    small.aws.record_clear()
    deploy(small, 2)
    assert calls(small, "ListImages", "BatchDeleteImage") == []
