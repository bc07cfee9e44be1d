"""Quotas, container instances, and the tasks that are put on them."""

from __future__ import annotations

import json
from typing import Any

from .build import Builder, code_of
from .endpoint import Endpoint

RESOURCES = [{"name": "CPU", "type": "INTEGER", "integerValue": 1024},
             {"name": "MEMORY", "type": "INTEGER", "integerValue": 1900},
             {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22"]}]


def values(endpoint: Endpoint, service: str) -> dict[str, float]:
    pages = endpoint.client("service-quotas").get_paginator("list_service_quotas")
    return {q["QuotaCode"]: q["Value"] for page in pages.paginate(ServiceCode=service)
            for q in page["Quotas"]}


def test_quotas_are_listed_and_raised(endpoint: Endpoint) -> None:
    api = endpoint.client("service-quotas")
    endpoint.pages(1)
    assert values(endpoint, "elasticloadbalancing")["L-53DA6B97"] == 50
    given = {"ServiceCode": "elasticloadbalancing", "QuotaCode": "L-53DA6B97"}
    api.request_service_quota_increase(**given, DesiredValue=80)
    assert api.get_service_quota(**given)["Quota"]["Value"] == 80
    assert code_of(lambda: api.request_service_quota_increase(**given, DesiredValue=80)) == \
        "IllegalArgumentException"
    endpoint.quota("elasticloadbalancing", "L-53DA6B97", None)
    assert "L-53DA6B97" not in values(endpoint, "elasticloadbalancing")
    assert code_of(lambda: api.get_service_quota(**given)) == "NoSuchResourceException"
    assert code_of(lambda: api.list_service_quotas(ServiceCode="xyz")) == "NoSuchResourceException"


def test_the_account_has_a_limit_of_zones(endpoint: Endpoint) -> None:
    endpoint.quota("route53", "L-4EA4796A", 7)
    told = endpoint.client("route53").get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")
    zones = endpoint.client("route53").list_hosted_zones()["HostedZones"]
    assert (told["Limit"]["Value"], told["Count"]) == (7, len(zones))


def registered(build: Builder, name: str) -> str:
    return str(build.ecs.register_container_instance(
        cluster=build.name, totalResources=RESOURCES,
        instanceIdentityDocument=json.dumps({"instanceId": name}),
    )["containerInstance"]["containerInstanceArn"])


def remaining(build: Builder) -> dict[str, tuple[int, int]]:
    arns = build.ecs.list_container_instances(cluster=build.name)["containerInstanceArns"]
    shown: dict[str, tuple[int, int]] = {}
    for one in build.ecs.describe_container_instances(
            cluster=build.name, containerInstances=arns)["containerInstances"]:
        rest: dict[str, Any] = {r["name"]: r.get("integerValue") for r in one["remainingResources"]}
        shown[one["ec2InstanceId"]] = (rest["CPU"], rest["MEMORY"])
    return shown


def test_tasks_take_room_on_instances_and_wait_for_it(endpoint: Endpoint) -> None:
    build = Builder(endpoint)
    build.ecs.create_cluster(clusterName=build.name)
    definition = build.definition(requiresCompatibilities=["EC2"], cpu="512", memory="900",
                                  health=False)
    registered(build, "i-1")
    build.service(definition, count=3, launchType="EC2")
    endpoint.advance(90)
    assert build.described()["runningCount"] == 2
    assert remaining(build) == {"i-1": (0, 100)}
    assert "no container instance met all" in build.described()["events"][0]["message"]
    registered(build, "i-2")
    endpoint.advance(120)
    assert build.described()["runningCount"] == 3
    assert remaining(build) == {"i-1": (0, 100), "i-2": (512, 1000)}
    assert code_of(lambda: build.ecs.deregister_container_instance(
        cluster=build.name, containerInstance=registered(build, "i-3"))) == ""
    arn = build.ecs.list_container_instances(cluster=build.name)["containerInstanceArns"][0]
    assert code_of(lambda: build.ecs.deregister_container_instance(
        cluster=build.name, containerInstance=arn)) == "InvalidParameterException"
    build.ecs.update_container_instances_state(cluster=build.name, containerInstances=[arn],
                                               status="DRAINING")
    assert arn not in build.ecs.list_container_instances(
        cluster=build.name, status="ACTIVE")["containerInstanceArns"]
