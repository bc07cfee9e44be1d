"""Every resource that can have tags, with its ARN: for conditions on tags and the tagging API."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .world import World

Tagged = tuple[str, dict[str, str]]


def all_resources(world: World, account: str, region: str) -> Iterator[Tagged]:
    for source in SOURCES.values():
        yield from source(world, account, region)


def resources_of(world: World, account: str, region: str, *services: str) -> Iterator[Tagged]:
    """Those of some services, by the names that these have in ARNs."""
    for service in services:
        if service in SOURCES:
            yield from SOURCES[service](world, account, region)


def tags_of(world: World, account: str, region: str, arn: str) -> dict[str, str]:
    """The tags of one resource; none if it is not there."""
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    if service == "logs":  # actions on a group are checked against its streams
        arn = arn.partition(":log-stream:")[0]
    found = resources_of(world, account, region, service)
    return next((tags for name, tags in found if name == arn), {})


def _ecs(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .ecs.model import Ecs
    ecs = world.store(Ecs, account, region)
    for cluster in ecs.clusters.values():
        yield cluster.arn, {t["key"]: t["value"] for t in cluster.tags}
    for family in ecs.definitions.values():
        for definition in family.values():
            yield definition.arn, {t["key"]: t["value"] for t in definition.tags}
    for service in ecs.services.values():
        yield service.arn, {t["key"]: t["value"] for t in service.tags}
    for task in ecs.tasks.values():
        yield task.arn, {t["key"]: t["value"] for t in task.tags}


def _ec2(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .ec2 import backend
    ec2 = backend(account, region)
    found = {"security-group": [g for groups in ec2.groups.values() for g in groups.values()],
             "vpc": list(ec2.vpcs.values()), "network-interface": list(ec2.enis.values()),
             "subnet": [s for zone in ec2.subnets.values() for s in zone.values()]}
    for kind, resources in found.items():
        for one in resources:
            yield (f"arn:aws:ec2:{region}:{account}:{kind}/{one.id}",
                   {t["key"]: t["value"] for t in one.get_tags()})


def _cloudmap(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .cloudmap.model import CloudMap
    store = world.store(CloudMap, account, region)
    for resource in [*store.namespaces.values(), *store.services.values()]:
        yield resource.fields["Arn"], {t["Key"]: t["Value"] for t in resource.tags}


def _ecr(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .ecr import Ecr
    for repository in world.store(Ecr, account, region).repositories.values():
        yield repository.fields["repositoryArn"], {t["Key"]: t["Value"] for t in repository.tags}


def _logs(_: World, account: str, region: str) -> Iterator[Tagged]:
    from moto.logs.models import logs_backends
    backend = logs_backends[account][region]
    for group in backend.groups.values():
        yield group.arn, dict(backend.list_tags_for_resource(group.arn))


def _iam(_: World, account: str, __: str) -> Iterator[Tagged]:
    from .identity import iam_of
    for role in iam_of(account).roles.values():
        yield role.arn, {t["Key"]: t["Value"] for t in role.tags or []}


def _elasticache(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .elasticache.model import Cache
    store = world.store(Cache, account, region)
    for resource in [*store.subnet_groups.values(), *store.clusters.values(),
                     *store.groups.values()]:
        yield resource.fields["ARN"], {t["Key"]: t["Value"] for t in resource.tags}


def _elb(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .elb.model import Elb
    elb = world.store(Elb, account, region)
    for resource in [*elb.balancers.values(), *elb.groups.values(), *elb.listeners()]:
        yield resource.arn, resource.tags
    for listener in elb.listeners():
        for rule in listener.rules:
            yield rule.arn, rule.tags


def _acm(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .acm import Acm
    for certificate in world.store(Acm, account, region).certificates.values():
        yield certificate.arn, {t["Key"]: t.get("Value", "") for t in certificate.tags}


def _cloudformation(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .cloudformation.model import CloudFormation
    for stack in world.store(CloudFormation, account, region).stacks.values():
        if stack.status != "DELETE_COMPLETE":
            yield stack.id, stack.version.tags


def _sns(_: World, account: str, region: str) -> Iterator[Tagged]:
    from .sns import backend
    for topic in backend(account, region).topics.values():
        yield topic.arn, dict(topic._tags)


def _cloudwatch(world: World, account: str, region: str) -> Iterator[Tagged]:
    from .cloudwatch.model import Alarms, Dashboards
    for alarm in world.store(Alarms, account, region).by_name.values():
        yield alarm.arn, alarm.tags
    for dashboard in world.store(Dashboards, account, "aws").by_name.values():
        yield dashboard.arn, dashboard.tags


SOURCES: dict[str, Callable[[World, str, str], Iterator[Tagged]]] = {
    "ecs": _ecs, "ec2": _ec2, "servicediscovery": _cloudmap, "ecr": _ecr, "logs": _logs,
    "iam": _iam, "elasticache": _elasticache, "elasticloadbalancing": _elb, "acm": _acm,
    "cloudformation": _cloudformation, "sns": _sns, "cloudwatch": _cloudwatch}
