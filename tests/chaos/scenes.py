# SPDX-License-Identifier: MIT
"""Where cases happen: a job, and the account as it finds it.

The small environment has one of each kind: all that the example has, but of its services only three
and those with a part of their own, such as a load balancer's targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws.endpoint import Endpoint
from unowned import strip
from world import BRANCH, ENVIRONMENT, World

from .cases import Case, Made, ends_of, ends_once_of, faults_of, schedules_of
from .rare import ADOPT, adopt_run, change_rare, change_token, make_rare, strew
from .rich import change_rich, change_shared, make_rich, make_shared
from .state import state_of

PIPELINE = 4711
DESTROY = "destroy-branches"
MASTER = "master"
FEW = {"nats-server", "notifier", "t7-bridge"}
# What any service may have; one with more than that brings a kind of its own.
PLAIN = {"module", "image", "container", "cpu", "memory", "desiredCount", "ports", "environment",
         "secrets", "healthCheck", "discovery", "dependsOn", "deployment"}


@dataclass(frozen=True)
class Scene:
    """PREPARE is given a world in the state `origin`; `cases` says what it is the scene of."""

    name: str
    origin: str  # "empty", or "ready": repositories, roles and images are there
    job: str
    prepare: Callable[[World], None]
    cases: Callable[[str, Made, int, int], list[Case]]
    # At least so many cases: fewer would mean that calls, or faults, have got lost.
    least: int
    # The job that runs next, whatever has become of the first; "": the same, unless it was green.
    then: str = ""
    ref: str = BRANCH
    # Only with faults of calls that no scene before it has: it is there for these.
    fresh: bool = False

    @property
    def ends_in(self) -> str:
        """The job whose end is the scene's."""
        return self.then or self.job


@dataclass(frozen=True)
class Recorded:
    """A scene, what its job does when nothing goes wrong, and what is left in the end."""

    scene: Scene
    spec: dict[str, Any]
    config: dict[str, Any]  # the runner host's
    before: dict[str, Any]
    made: Made
    end: dict[str, Any]


def make_small(world: World) -> None:
    services = world.spec()["services"]
    world.keep_services(*(name for name in services
                          if name in FEW or set(services[name]) - PLAIN))
    spec = world.spec()  # and one whose deployment nobody watches over
    spec["services"]["t7-bridge"]["deployment"] = {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    world.write_spec(spec)


def change(world: World) -> None:
    """A change of every sort: a service goes, another one changes, a third one comes."""
    spec = world.spec()
    spec["services"]["notifier"]["cpu"] = 512
    spec["services"]["notifier"]["memory"] = 1024
    spec["services"]["late"] = dict(spec["services"]["notifier"], discovery=True)
    del spec["services"]["nats-server"]
    for service in [spec["serviceDefaults"], *spec["services"].values()]:
        service["dependsOn"] = []
    world.write_spec(spec)


def nothing(_: World) -> None:
    pass


def small_from_nothing(world: World) -> None:
    make_small(world)
    iam = world.aws.client("iam")
    for role in ("ecs_role", "ecs_task_execution_role"):  # a deploy makes them, too
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
        iam.delete_role(RoleName=role)


def small_from_change(world: World) -> None:
    make_small(world)
    mettel_from_change(world)


def mettel_from_change(world: World) -> None:
    world.deploy(pipeline=PIPELINE - 1)
    change(world)


def small_taken_back(world: World) -> None:
    """On a host on which a cancelled job has its services as they were before."""
    small_from_change(world)
    world.config |= {"onCancel": "rollback"}
    world.write_config()


def small_from_another_vpc(world: World) -> None:
    """Everything that lies in a VPC is replaced, with all that hangs on it."""
    make_small(world)
    world.deploy(pipeline=PIPELINE - 1)
    world.allow_replace("alb", "cloudmap", "elasticache")
    world.move("production")


def mettel_deployed(world: World) -> None:
    """By the same pipeline: the cluster's tag names the last one that has changed something."""
    world.deploy(pipeline=PIPELINE)


def small_deployed(world: World) -> None:
    make_small(world)
    mettel_deployed(world)


def rich_from_nothing(world: World) -> None:
    make_small(world)
    make_rich(world)


def rich_from_change(world: World) -> None:
    rich_from_nothing(world)
    world.deploy(pipeline=PIPELINE - 1)
    change_rich(world)


def rich_deployed(world: World) -> None:
    rich_from_nothing(world)
    world.deploy(pipeline=PIPELINE)


def rare_from_change(world: World) -> None:
    make_small(world)
    make_rare(world)
    world.deploy(pipeline=PIPELINE - 1)
    change_rare(world)


def rare_deployed(world: World) -> None:
    small_deployed(world)
    strew(world)


def token_from_change(world: World) -> None:
    rich_from_nothing(world)
    world.deploy(pipeline=PIPELINE - 1)
    change_token(world)


def small_disowned(world: World) -> None:
    small_deployed(world)
    strip(world)


def shared_from_change(world: World) -> None:
    make_shared(world)
    made = world.job("basic-infra", MASTER, protected=True)
    assert made.exit_code == 0, made.log
    change_shared(world)


def faults(scene: str, made: Made, _: int, __: int) -> list[Case]:
    return faults_of(scene, made)


def ends(scene: str, made: Made, _: int, __: int) -> list[Case]:
    return ends_once_of(scene, made)


def faults_and_ends(scene: str, made: Made, _: int, __: int) -> list[Case]:
    return faults_of(scene, made) + ends_once_of(scene, made)


def ends_and_schedules(scene: str, made: Made, seed: int, count: int) -> list[Case]:
    return ends_of(scene, made) + schedules_of(scene, seed, count)


def schedules(scene: str, _: Made, seed: int, count: int) -> list[Case]:
    return schedules_of(scene, seed, count)


SCENES = [
    Scene("infra", "empty", "basic-infra", make_small, faults_and_ends, 310),
    Scene("small-from-nothing", "ready", "deploy-branches", small_from_nothing, faults, 640),
    Scene("small-from-change", "ready", "deploy-branches", small_from_change, faults, 600),
    Scene("small-taken-back", "ready", "deploy-branches", small_taken_back, ends, 100),
    Scene("small-from-another-vpc", "ready", "deploy-branches", small_from_another_vpc,
          ends, 175),
    Scene("mettel-from-nothing", "ready", "deploy-branches", nothing, ends_and_schedules, 545),
    Scene("mettel-from-change", "ready", "deploy-branches", mettel_from_change,
          ends_and_schedules, 355),
    Scene("small-to-nothing", "ready", DESTROY, small_deployed, faults_and_ends, 1030),
    Scene("small-half-made", "ready", "deploy-branches", make_small, ends, 130, then=DESTROY),
    Scene("small-half-gone", "ready", DESTROY, small_deployed, ends, 210, then="deploy-branches"),
    Scene("mettel-to-nothing", "ready", DESTROY, mettel_deployed, schedules, 1),
    Scene("shared-from-change", "ready", "basic-infra", shared_from_change, faults, 35, ref=MASTER,
          fresh=True),
    Scene("rich-from-nothing", "ready", "deploy-branches", rich_from_nothing, faults, 35, fresh=True),
    Scene("rich-from-change", "ready", "deploy-branches", rich_from_change, faults, 120, fresh=True),
    Scene("rare-from-change", "ready", "deploy-branches", rare_from_change, faults, 145, fresh=True),
    Scene("token-from-change", "ready", "deploy-branches", token_from_change, faults, 28, fresh=True),
    Scene("rare-to-nothing", "ready", DESTROY, rare_deployed, faults, 57, fresh=True),
    Scene("small-adopted", "ready", ADOPT, small_disowned, faults, 85, fresh=True),
    Scene("rich-to-nothing", "ready", DESTROY, rich_deployed, faults, 8, fresh=True),
]


def origins_make(endpoint: Endpoint, directory: Path) -> dict[str, Endpoint]:
    """An endpoint for each origin, which this one's end also ends.

    What the endpoint's libraries remember of the models of AWS's actions stays when the account is
    reset, and comes back with every state that is saved later: calls then cost a third. So all that
    scenes do is done once before.
    """
    world = World(endpoint, directory)
    world.prepare()
    spec = world.spec()
    make_small(world)
    world.deploy()
    change(world)
    world.deploy()
    state_of(endpoint)
    world.job(DESTROY)
    world.write_spec(spec)
    endpoint.reset()
    empty = endpoint.spawn()
    world.prepare()
    origins = {"empty": empty, "ready": endpoint}
    for one in origins.values():
        one.save("origin")
    return origins


def scene_record(scene: Scene, endpoint: Endpoint, directory: Path) -> Recorded:
    """Run the scene's job undisturbed; the endpoint is then at the scene's start again."""
    endpoint.restore("origin")
    world = World(endpoint, directory)
    scene.prepare(world)
    endpoint.record_clear()
    endpoint.save("start")
    before = state_of(endpoint)
    endpoint.restore("start")
    result = adopt_run(world) if scene.job == ADOPT else world.job(
        scene.job, scene.ref, pipeline=PIPELINE, protected=scene.ref == MASTER)
    assert result.exit_code == 0, result.log
    record = endpoint.record()
    if scene.then:
        result = world.job(scene.then, pipeline=PIPELINE)
        assert result.exit_code == 0, result.log
    end = state_of(endpoint, before)
    assert scene.ends_in != DESTROY or not of_environment(end), of_environment(end)
    endpoint.restore("start")
    return Recorded(scene, world.spec(), world.config, before, made_of(record, end), end)


def of_environment(state: dict[str, Any]) -> list[str]:
    """What has the environment's name."""
    return [f"{kind} {name}" for kind, part in state.items() for name in part
            if ENVIRONMENT in name]


def made_of(record: list[dict[str, Any]], end: dict[str, Any]) -> Made:
    calls = Counter((call["service"], call["action"]) for call in record)
    writes = [n for n, call in enumerate(record, 1) if call["write"]]
    deployed = {call["input"].get("serviceName") or call["input"].get("service")
                for call in record if call["action"] == "CreateService" and call["service"] == "ecs"
                or call["action"] == "UpdateService" and "taskDefinition" in call["input"]}
    started = {}
    for key, service in end["services"].items():
        name = key.rpartition("/")[2]
        if name in deployed and service["desiredCount"] > 0:
            breaker = service["deploymentConfiguration"].get("deploymentCircuitBreaker", {})
            started[name] = bool(breaker.get("enable"))
    return Made(calls, writes, started)
