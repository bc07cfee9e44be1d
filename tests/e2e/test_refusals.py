# SPDX-License-Identifier: MIT
"""What people get wrong: one message that says what, where and what to do; the exit code that says
whose fault it is; nothing changed in AWS."""

from __future__ import annotations

import socket
from typing import Any

from world import BRANCH, ENVIRONMENT, Result, World

USER, SYSTEM = 1, 2


def refused(world: World, code: int, *words: str, job: str = "deploy-branches", ref: str = BRANCH,
            **rest: Any) -> Result:
    """The job fails with that code, says all of `words` in its last lines, and writes nothing."""
    world.aws.record_clear()
    result = world.job(job, ref, **rest)
    assert result.exit_code == code, result.log
    last = "\n".join(result.log.splitlines()[-12:])
    for word in words:
        assert word in last, result.log
    assert world.writes() == []
    return result


def test_a_wrong_spec(ready: World) -> None:
    spec = ready.spec()
    spec["services"]["notifier"]["memory"] = "512M"
    spec["services"]["notifier"]["memroy"] = 512
    ready.write_spec(spec)
    result = refused(ready, USER, ".berth/environment.json:", "services.notifier.memory: must be a whole number",
                     'is "512M"', "services.notifier.memroy: unknown key; did you mean 'memory'?")
    assert ready.reads() == []
    line = next(i for i, text in enumerate(ready.spec_path.read_text().splitlines(), 1)
                if '"512M"' in text)
    assert f".berth/environment.json:{line}:" in result.log


def test_a_spec_that_is_no_json(ready: World) -> None:
    ready.spec_path.write_text('{ "network": }')
    refused(ready, USER, ".berth/environment.json: line 1, column 14: not valid JSON")


def test_no_spec(ready: World) -> None:
    ready.spec_path.unlink()
    refused(ready, USER, "'.berth/environment.json' does not exist in the repository", "add it")


def test_an_unknown_variable(ready: World) -> None:
    spec = ready.spec()
    spec["services"]["notifier"]["environment"] = {"X": "${LAST_CONTACT_RECIPENT}"}
    ready.write_spec(spec)
    refused(ready, USER, "services.notifier.environment.X", "LAST_CONTACT_RECIPENT", "LAST_CONTACT_RECIPIENT")


def test_an_impossible_size(ready: World) -> None:
    spec = ready.spec()
    spec["services"]["notifier"]["memory"] = 4096
    ready.write_spec(spec)
    refused(ready, USER, "services.notifier", "256", "4096")


def test_a_wrong_member_of_a_task_definition(ready: World) -> None:
    spec = ready.spec()
    spec["services"]["notifier"]["taskDefinition"] = {"ephemeralStorag": {"sizeInGiB": 30}}
    ready.write_spec(spec)
    refused(ready, USER, "services.notifier.taskDefinition", "ephemeralStorag", "ephemeralStorage")
    assert ready.reads() == []


def test_a_variable_that_is_a_secret_too(ready: World) -> None:
    """Where both are in the spec, and where an overlay adds the other; which it can take out, too."""
    spec = ready.spec()
    notifier = spec["services"]["notifier"]
    name = next(iter(notifier["secrets"]))
    both = f"the container 'notifier' has '{name}' in 'environment' and in 'secrets'"
    notifier.setdefault("environment", {})[name] = "x"
    ready.write_spec(spec)
    refused(ready, USER, f"services.notifier: {both}; take one out")
    assert ready.reads() == []
    over = spec.setdefault("overlays", {}).setdefault("ephemeral", {}).setdefault("services", {})
    over["notifier"] = {"environment": {name: None}}
    ready.write_spec(spec)
    assert ready.job("plan-branches").exit_code == 0
    container = {"name": "notifier", "secrets": [{"name": "A", "valueFrom": "/mettel/a"}]}
    side = {"name": "side", "image": "x", "secrets": [container["secrets"][0]] * 2}
    notifier["taskDefinition"] = {"containerDefinitions": [container, side]}
    ready.write_spec(spec)
    refused(ready, USER, "services.notifier.taskDefinition: the container 'side' has 'A' in 'secrets' twice")


def test_a_dependency_on_nothing(ready: World) -> None:
    spec = ready.spec()
    spec["services"]["notifier"]["dependsOn"] = ["nats-servr"]
    ready.write_spec(spec)
    refused(ready, USER, "services.notifier.dependsOn[0]: there is no service 'nats-servr'; did you mean 'nats-server'?")


def test_a_circle_of_dependencies(ready: World) -> None:
    spec = ready.spec()
    spec["services"]["nats-server"]["dependsOn"] = ["notifier"]
    ready.write_spec(spec)
    refused(ready, USER, "nats-server", "notifier")


def test_an_unknown_branch(ready: World) -> None:
    refused(ready, USER, "feature/x", "dev/feature*", ref="feature/x")


def test_a_project_that_the_host_does_not_know(ready: World) -> None:
    refused(ready, USER, "project 78 ('mettel/automation')", "berth.json", "ask the administrator",
            project_id=78)


def test_a_tag_named_master(ready: World) -> None:
    refused(ready, USER, "tag", "branch pipeline", job="deploy-master", ref="master", ref_type="tag",
            protected=True)


def test_a_merge_request(ready: World) -> None:
    refused(ready, USER, "branch pipeline", mr=7)


def test_an_unprotected_master(ready: World) -> None:
    refused(ready, USER, "protected", job="deploy-master", ref="master")


def test_deploy_master_on_another_branch(ready: World) -> None:
    refused(ready, USER, "deploy-master", BRANCH, job="deploy-master")


def test_no_image(world: World) -> None:
    world.basic_infra()
    refused(world, USER, "automation-", "no image", "-build")


def test_no_credentials(ready: World) -> None:
    environ = {k: v for k, v in ready.environ().items()
               if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    environ |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(ready.directory)}
    refused(ready, SYSTEM, "credentials", "AWS_ACCESS_KEY_ID", environ=environ)


def test_an_unreachable_endpoint(ready: World) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        environ = ready.environ() | {"AWS_ENDPOINT_URL": url}
        refused(ready, SYSTEM, "127.0.0.1", environ=environ)


def test_access_denied(ready: World) -> None:
    ready.aws.fault(service="ecs", action="DescribeClusters", fault="error",
                    code="AccessDeniedException", status=400,
                    message="User: arn:aws:iam::123456789012:user/x is not authorized to perform: "
                            "ecs:DescribeClusters")
    refused(ready, SYSTEM, "ecs:DescribeClusters", "AccessDenied", "not authorized")


def test_a_foreign_service_of_the_same_name(ready: World) -> None:
    ecs = ready.aws.client("ecs")
    ecs.create_cluster(clusterName=ENVIRONMENT)
    refused(ready, USER, ENVIRONMENT, "and not its own: cluster",
            "without our tags", "rename or remove")
    ecs.delete_cluster(cluster=ENVIRONMENT)


def test_a_foreign_service_in_our_cluster(ready: World) -> None:
    ready.keep_services("notifier", "t7-bridge")
    spec = ready.spec()
    ready.keep_services("notifier")
    ready.deploy()
    ecs = ready.aws.client("ecs")
    network = ready.service("notifier")["networkConfiguration"]
    definition = ecs.register_task_definition(
        family="foreign", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
        memory="512", containerDefinitions=[{"name": "x", "image": "x"}])["taskDefinition"]
    ecs.create_service(cluster=ENVIRONMENT, serviceName=f"{ENVIRONMENT}-t7-bridge", desiredCount=0,
                       taskDefinition=definition["taskDefinitionArn"], launchType="FARGATE",
                       networkConfiguration=network)
    ready.write_spec(spec)
    refused(ready, USER, f"{ENVIRONMENT}-t7-bridge", "and not its own: service",
            "without our tags", "rename or remove")


def test_what_aws_says_in_several_lines_is_one(ready: World) -> None:
    """A refusal of several lines is one problem, and named in the log's last line."""
    ready.keep_services("notifier")
    ready.aws.fault(service="ecs", action="CreateService", fault="error", status=400,
                    code="InvalidParameterException",
                    message="Validation failed with message:\n#: key [Y] not found\n#/Z: unknown key")
    result = ready.job()
    assert result.exit_code == SYSTEM, result.log
    [error, _] = [line for line in result.log.splitlines() if "ERROR: " in line]  # the runner's
    assert "Validation failed with message: #: key [Y] not found; #/Z: unknown key (In" in error
    assert f"cannot create service '{ENVIRONMENT}-notifier': " in error
