# SPDX-License-Identifier: MIT
"""Deploys that are cancelled, where `onCancel` is rollback, while something is being made that takes
minutes: services go back, the rest goes on in AWS and is named, and the next job goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from cancelling import (SYSTEM, asked, asked_back, cancel, cancelled, converges, revision, take_back,
                        words)
from cancelling import deployed, small  # noqa: F401
from runner import Result
from specfile import spec_read
from twoservices import NOTIFIER, T7, change, make_small
from waiting import SECONDS, frozen, until
from world import ENVIRONMENT, EXAMPLE, World

STACK = f"SnsTopicMetTelAutomationAlarms-{ENVIRONMENT}"


def cache_state(world: World) -> str:
    [found] = world.aws.client("elasticache").describe_cache_clusters(
        CacheClusterId=ENVIRONMENT)["CacheClusters"]
    return str(found["CacheClusterStatus"])


def group_state(world: World) -> str:
    [found] = world.aws.client("elasticache").describe_replication_groups(
        ReplicationGroupId=ENVIRONMENT)["ReplicationGroups"]
    return str(found["Status"])


def balancer_state(world: World) -> str:
    [found] = world.aws.client("elbv2").describe_load_balancers(Names=[ENVIRONMENT])["LoadBalancers"]
    return str(found["State"]["Code"])


def stack_state(world: World) -> str:
    [found] = world.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return str(found["StackStatus"])


class Made(NamedTuple):
    """What of the example's spec, the calls that make it and look at it, its name in the log, its
    state in AWS at first and in the end."""

    key: str
    service: str
    action: str
    look: str
    name: str
    state: Callable[[World], str]
    first: str
    last: str
    more: dict[str, Any] = {}


CACHE = Made("redis", "elasticache", "CreateCacheCluster", "DescribeCacheClusters",
             "cache cluster redis", cache_state, "creating", "available")
MADE = [
    CACHE,
    Made("redis", "elasticache", "CreateReplicationGroup", "DescribeReplicationGroups",
         "replication group redis", group_state, "creating", "available", {"replicas": 1}),
    Made("loadBalancer", "elasticloadbalancing", "CreateLoadBalancer", "DescribeLoadBalancers",
         "load balancer loadBalancer", balancer_state, "provisioning", "active"),
    Made("stacks", "cloudformation", "CreateStack", "DescribeStacks", "stack notifications",
         stack_state, "CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
]
kinds = pytest.mark.parametrize("made", MADE, ids=[m.name.rpartition(" ")[0] for m in MADE])


def want(world: World, made: Made) -> None:
    """As well as what the spec has."""
    example = spec_read(EXAMPLE)
    world.write_spec(world.spec() | {made.key: example[made.key] | made.more})


def awaited(world: World, made: Made) -> bool:
    """Whether it is being made, and has been looked at twice since: what the first look told has
    been taken note of."""
    called = [call["action"] for call in world.aws.record("action")]
    return made.action in called and called[called.index(made.action):].count(made.look) > 1


def goes_on(result: Result, *names: str) -> None:
    """Said once, before the last line; it is no failure of its own."""
    said = "\nwhat this job has begun goes on in AWS, and nobody awaits it: " \
        f"{', '.join(names)}; 'berth status' shows how it is\n"
    assert result.log.count(said) == 1, result.log
    assert "onCancel: rollback: what this job has changed of services is taken back" in result.log
    assert "there is nothing to take back" not in result.log


def settles(world: World, made: Made) -> None:
    """What goes on in AWS has ended well, by itself, and the next job does not make it again."""
    converges(world)
    assert made.state(world) == made.last
    assert len(world.aws.calls(made.service, made.action)) == 1
    world.aws.record_clear()
    world.deploy()
    assert world.writes() == []


# --- nothing of services is changed ---

@kinds
def test_what_is_made_goes_on_alone(small: World, made: Made) -> None:
    """No service is touched, so that none is taken back; the job is out at once."""
    take_back(small)
    want(small, made)
    with frozen(small):
        result = cancelled(small, lambda: awaited(small, made))
        goes_on(result, made.name)
        assert words(result)[3] == ""
        assert made.state(small) == made.first
        assert not small.aws.calls("ecs", "UpdateService")
    change(small)
    settles(small, made)


# --- services are changed already ---

@kinds
def test_services_go_back_while_it_goes_on(small: World, made: Made) -> None:
    """The one whose tasks are on their way; what waits for both is not tried."""
    take_back(small)
    want(small, made)
    change(small)
    with frozen(small):
        result = cancelled(small, lambda: awaited(small, made) and asked(
            small, "UpdateService", NOTIFIER) and revision(small, "notifier") == 2,
                           then=lambda: asked_back(small))
        goes_on(result, made.name)
        assert words(result)[3] == "; 1 service taken back"
        assert f"service 'notifier' is taken back: it goes back to '{NOTIFIER}:1'\n" in result.log
        assert "not tried: service t7-bridge: the job was cancelled\n" in result.log
        assert (revision(small, "notifier"), revision(small, "t7-bridge")) == (1, 1)
    settles(small, made)


def test_services_that_are_done_go_back(small: World) -> None:
    """The one whose deployment is complete, and the one that waited for it."""
    take_back(small)
    want(small, CACHE)
    change(small)
    with frozen(small):
        with small.start() as running:
            until(lambda: awaited(small, CACHE) and asked(small, "UpdateService", NOTIFIER))
            while not asked(small, "UpdateService", T7):
                small.aws.advance(1)  # tasks come up in less time than a cache
                assert cache_state(small) == "creating"
            result = cancel(running, then=lambda: asked_back(small))
        assert result.stage("build_script").returncode == SYSTEM, result.log
        assert "\nservice notifier: updated, " in result.log
        goes_on(result, CACHE.name)
        assert words(result)[3] == "; 2 services taken back"
        assert (revision(small, "notifier"), revision(small, "t7-bridge")) == (1, 1)
    settles(small, CACHE)


# --- nothing was there before ---

def tasks_end(world: World) -> None:
    """Time passes in which a service's tasks end, and in which no cache is made."""
    until(lambda: world.aws.calls("ecs", "DeleteService"))
    world.aws.advance(120)


def test_a_first_deploy_leaves_the_cache_alone(ready: World) -> None:
    """The service that it has created goes; a job that comes while the cache is still being made
    waits for it, and tells its address to who names it."""
    make_small(ready)
    take_back(ready)
    want(ready, CACHE)
    change(ready)
    spec = ready.spec()
    spec["services"]["t7-bridge"]["environment"]["REDIS"] = "${redis.host}"
    ready.write_spec(spec)
    with frozen(ready):
        result = cancelled(ready, lambda: awaited(ready, CACHE) and asked(
            ready, "CreateService", NOTIFIER), then=lambda: tasks_end(ready))
        goes_on(result, "namespace discovery", CACHE.name)
        assert words(result)[3] == "; 1 service taken back"
        assert "service 'notifier' is taken back: deleted, since this job has created it" \
            in result.log
        assert ready.service("notifier")["status"] == "INACTIVE"
        assert cache_state(ready) == "creating"
        with ready.start() as next_one:
            until(lambda: asked(ready, "CreateService", NOTIFIER, 2))
            assert cache_state(ready) == "creating"
            ready.aws.speed("instant")
            second = next_one.wait(SECONDS)
    assert second.exit_code == 0, second.log
    [container] = ready.definition("t7-bridge")["containerDefinitions"]
    assert any(e["name"] == "REDIS" and ENVIRONMENT in e["value"] for e in container["environment"])
    settles(ready, CACHE)
