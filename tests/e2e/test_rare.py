# SPDX-License-Identifier: MIT
"""What few specs ask for, each of which takes a call, and a permission, of its own."""

from __future__ import annotations

from typing import Any

from world import ENVIRONMENT, World

REPOSITORY, ROLE = "automation-tools", "ecs_role"


def infra(world: World, ref: str) -> None:
    world.aws.record_clear()
    result = world.job("basic-infra", ref, protected=ref == "master")
    assert result.exit_code == 0, result.log


def repository(world: World) -> tuple[str, bool]:
    [found] = world.aws.client("ecr").describe_repositories(
        repositoryNames=[REPOSITORY])["repositories"]
    return found["imageTagMutability"], found["imageScanningConfiguration"]["scanOnPush"]


def test_shared_settings_are_changed_by_production_alone(ready: World) -> None:
    """How images are tagged and scanned, and what a role says of itself; no more of the role."""
    iam = ready.aws.client("iam")
    iam.update_role(RoleName=ROLE, Description="", MaxSessionDuration=7200)
    ready.write_spec(ready.spec() | {"repositories": {REPOSITORY: {}}})
    infra(ready, "dev/feature/login")
    assert repository(ready) == ("MUTABLE", False)
    spec = ready.spec()
    spec["repositories"][REPOSITORY] = {"imageTagMutability": "IMMUTABLE",
                                        "imageScanningConfiguration": {"scanOnPush": True}}
    spec["roles"][ROLE]["description"] = "What ECS does for services"
    ready.write_spec(spec)
    infra(ready, "dev/feature/login")
    assert ready.writes() == [] and repository(ready) == ("MUTABLE", False)
    infra(ready, "master")
    assert sorted(ready.writes()) == ["ecr.PutImageScanningConfiguration",
                                      "ecr.PutImageTagMutability", "iam.UpdateRole"]
    assert repository(ready) == ("IMMUTABLE", True)
    role = iam.get_role(RoleName=ROLE)["Role"]
    assert role["Description"] == "What ECS does for services"
    assert role["MaxSessionDuration"] == 7200


def namespace(world: World) -> dict[str, Any]:
    client = world.aws.client("servicediscovery")
    [found] = client.list_namespaces()["Namespaces"]
    return client.get_namespace(Id=found["Id"])["Namespace"]


def describe(world: World, text: str | None) -> None:
    """Deploy with this description of the namespace."""
    world.write_spec(world.spec() | {"discovery": {} if text is None else {"description": text}})
    world.aws.record_clear()
    world.deploy()


def test_a_namespace_is_described_anew(ready: World) -> None:
    """And, without a description in the spec, has none again."""
    ready.keep_services("nats-server")
    describe(ready, None)
    made = namespace(ready)
    describe(ready, "who is where")
    assert ready.writes().count("servicediscovery.UpdatePrivateDnsNamespace") == 1
    assert namespace(ready)["Id"] == made["Id"]
    assert namespace(ready)["Description"] == "who is where"
    describe(ready, None)
    assert namespace(ready)["Id"] == made["Id"] and not namespace(ready).get("Description")


def test_instances_that_somebody_registered_go_with_their_service(ready: World) -> None:
    """Cloud Map deletes no service that has an instance; ECS deregisters only its tasks."""
    ready.keep_services("nats-server", "notifier")
    spec = ready.spec()
    spec["services"]["notifier"]["discovery"] = True
    ready.write_spec(spec)
    ready.deploy()
    client = ready.aws.client("servicediscovery")
    [old] = [s for s in client.list_services()["Services"]
             if s["Name"] == f"notifier-{ENVIRONMENT}"]
    client.register_instance(ServiceId=old["Id"], InstanceId="by-hand",
                             Attributes={"AWS_INSTANCE_IPV4": "10.2.11.99"})
    spec["services"]["notifier"]["discovery"] = False
    ready.write_spec(spec)
    ready.aws.record_clear()
    ready.deploy()
    [gone] = ready.aws.calls(action="DeregisterInstance")
    assert gone["input"]["InstanceId"] == "by-hand"
    assert old["Id"] not in [s["Id"] for s in client.list_services()["Services"]]
    assert ready.service("notifier")["serviceRegistries"] == []


def test_who_names_a_record_waits_for_the_name_servers(ready: World) -> None:
    """They are asked for nobody else; and the name comes from the record."""
    ready.keep_services("nats-server", "notifier")
    spec = ready.spec()
    name = "here.${SUBDOMAIN}.mettel-automation.net"
    spec["records"] = {"here": {"name": name, "type": "A", "values": ["192.0.2.1"]}}
    ready.write_spec(spec)
    ready.deploy()
    assert not ready.aws.calls(action="GetChange")
    spec["records"]["here"]["values"] = ["192.0.2.2"]
    spec["services"]["notifier"]["environment"] = {"HERE": "https://${records.here}/"}
    ready.write_spec(spec)
    ready.aws.record_clear()
    ready.deploy()
    order = [call["action"] for call in ready.aws.record()]
    waits = [n for n, action in enumerate(order) if action == "GetChange"]
    assert waits and order.index("ChangeResourceRecordSets") < waits[0]
    assert waits[-1] < order.index("RegisterTaskDefinition")
    [container] = ready.definition("notifier")["containerDefinitions"]
    assert {"name": "HERE", "value": f"https://here.{ENVIRONMENT[11:]}.mettel-automation.net/"} \
        in container["environment"]


def test_a_role_that_trusts_a_new_one(world: World) -> None:
    """IAM does not know it as a principal at once: hashicorp/terraform#7076."""
    spec = world.spec()
    spec["roles"]["helper"] = {"trust": {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "${iam.role/ecs_role.Arn}"}}]}, "policies": {}}
    world.write_spec(spec)
    world.aws.fault(fault="newborn", service="iam", action="CreateRole", seconds=3000,
                    match={"RoleName": "ecs_role"})
    world.basic_infra()
    refused = [c["code"] for c in world.aws.calls("iam", "CreateRole") if c["status"] >= 400]
    assert refused and set(refused) == {"MalformedPolicyDocument"}
    made = world.aws.client("iam").get_role(RoleName="helper")["Role"]
    assert made["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
        "AWS": "arn:aws:iam::123456789012:role/ecs_role"}
