"""ECS: what plain moto accepts or never shows, each with its source in the behaviour's module."""

from __future__ import annotations

from typing import Any

import pytest

from .build import ROLE, Builder, code_of, error_of, until
from .endpoint import Endpoint


@pytest.fixture
def build(endpoint: Endpoint) -> Builder:
    return Builder(endpoint)


def test_cluster_created_again_is_the_one_there_is(build: Builder) -> None:
    build.ecs.create_cluster(clusterName="E", tags=[{"key": "a", "value": "b"}],
                             settings=[{"name": "containerInsights", "value": "enabled"}])
    again = build.ecs.create_cluster(clusterName="E")["cluster"]
    assert again["tags"] == [{"key": "a", "value": "b"}]
    assert again["settings"] == [{"name": "containerInsights", "value": "enabled"}]


def test_cluster_shows_tags_and_settings_on_request_only(build: Builder) -> None:
    build.ecs.create_cluster(clusterName="E", tags=[{"key": "a", "value": "b"}])
    plain = build.ecs.describe_clusters(clusters=["E"])["clusters"][0]
    assert plain["tags"] == [] and plain["settings"] == []
    full = build.ecs.describe_clusters(clusters=["E"], include=["TAGS", "SETTINGS"])
    assert full["clusters"][0]["tags"] and full["clusters"][0]["settings"]


def test_deleted_cluster_is_inactive_hidden_and_made_anew(build: Builder) -> None:
    build.ecs.create_cluster(clusterName="E", tags=[{"key": "a", "value": "b"}])
    build.ecs.delete_cluster(cluster="E")
    assert build.ecs.list_clusters()["clusterArns"] == []
    assert build.ecs.describe_clusters(clusters=["E"])["clusters"][0]["status"] == "INACTIVE"
    assert code_of(lambda: build.ecs.list_services(cluster="E")) == "ClusterNotFoundException"
    assert build.ecs.create_cluster(clusterName="E")["cluster"]["tags"] == []


def test_cluster_with_services_or_tasks_stays(build: Builder, endpoint: Endpoint) -> None:
    build.running()
    remove = lambda: build.ecs.delete_cluster(cluster="E")  # noqa: E731
    assert code_of(remove) == "ClusterContainsServicesException"
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    assert code_of(remove) == "ClusterContainsServicesException"
    endpoint.advance(10)
    assert build.described()["status"] == "INACTIVE"
    assert code_of(remove) == "ClusterContainsTasksException"
    endpoint.advance(60)
    assert code_of(remove) == ""


REFUSED = [  # what is changed in a good definition, and a word of the refusal
    ({"cpu": "512", "memory": "512"}, "No Fargate configuration"),
    ({"cpu": "300"}, "No Fargate configuration"),
    ({"networkMode": "bridge"}, "awsvpc"),
    ({"containerDefinitions": []}, "empty"),
    ({"containerDefinitions": [{"name": "a", "image": "i", "essential": False}]}, "essential"),
    ({"containerDefinitions": [{"name": "a"}]}, "image"),
    ({"containerDefinitions": [{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]},
     "duplicate"),
    ({"containerDefinitions": [{"name": "a", "image": "i", "portMappings": [
        {"containerPort": 1, "hostPort": 2}]}]}, "must match"),
    ({"containerDefinitions": [{"name": "a", "image": "i", "logConfiguration": {
        "logDriver": "awslogs", "options": {"awslogs-group": "E", "awslogs-region": "us-east-1"}}}]},
     "execution role"),
    ({"executionRoleArn": "ecs_role"}, "Role is not valid"),
    ({"family": "a b"}, "Family"),
]


@pytest.mark.parametrize("change,word", REFUSED)
def test_task_definition_refused(build: Builder, change: dict[str, Any], word: str) -> None:
    code, message, status = error_of(lambda: build.definition(**change))
    assert (code, status) == ("ClientException", 400) and word in message


def test_task_definition_gets_what_aws_adds(build: Builder) -> None:
    arn = build.definition(tags=[{"key": "a", "value": "b"}])
    answer = build.ecs.describe_task_definition(taskDefinition="E-web")
    shown = answer["taskDefinition"]
    container = shown["containerDefinitions"][0]
    assert shown["taskDefinitionArn"] == arn and "tags" not in answer
    assert container["portMappings"] == [
        {"containerPort": 5000, "hostPort": 5000, "protocol": "tcp"}]
    assert container["cpu"] == 0 and container["essential"] is True
    assert [container[m] for m in ("environment", "mountPoints", "volumesFrom")] == [[], [], []]
    assert shown["compatibilities"] == ["EC2", "FARGATE"] and shown["volumes"] == []
    assert shown["registeredBy"].startswith("arn:aws:") and shown["requiresAttributes"]


def test_revisions_count_on(build: Builder) -> None:
    first, second = build.definition(), build.definition()
    assert (first[-2:], second[-2:]) == (":1", ":2")
    build.ecs.deregister_task_definition(taskDefinition=second)
    newest = build.ecs.describe_task_definition(taskDefinition="E-web")["taskDefinition"]
    assert newest["revision"] == 1
    assert build.definition().endswith(":3")
    deleted = build.ecs.delete_task_definitions(taskDefinitions=[second, first])
    assert [d["revision"] for d in deleted["taskDefinitions"]] == [2]
    assert len(deleted["failures"]) == 1
    assert build.definition().endswith(":4")


def test_service_settles_and_completes(build: Builder) -> None:
    """At the default speed, without stepping the clock."""
    build.ecs.create_cluster(clusterName="E")
    new = build.service(build.definition(), count=2)
    assert (new["runningCount"], new["deployments"][0]["rolloutState"]) == (0, "IN_PROGRESS")
    assert new["deployments"][0]["id"].startswith("ecs-svc/")
    until(lambda: build.described()["pendingCount"] == 2)
    until(lambda: build.described()["runningCount"] == 2)
    assert build.described()["deployments"][0]["rolloutState"] == "IN_PROGRESS"  # not yet healthy
    steady = until(lambda: build.described()["deployments"][0]["rolloutState"] == "COMPLETED"
                   and build.described())
    assert "has reached a steady state" in steady["events"][0]["message"]
    record = build.ecs.describe_service_deployments(
        serviceDeploymentArns=[steady["currentServiceDeployment"]])["serviceDeployments"][0]
    assert record["status"] == "SUCCESSFUL"
    assert record["targetServiceRevision"]["runningTaskCount"] == 2


def test_service_keeps_what_was_given(build: Builder) -> None:
    given: dict[str, Any] = {
        "deploymentConfiguration": {"maximumPercent": 150, "minimumHealthyPercent": 50,
                                    "deploymentCircuitBreaker": {"enable": True,
                                                                 "rollback": True}},
        "enableExecuteCommand": True, "propagateTags": "SERVICE", "enableECSManagedTags": True}
    build.ecs.create_cluster(clusterName="E")
    shown = build.service(build.definition(taskRoleArn=ROLE), **given)
    assert given["deploymentConfiguration"].items() <= shown["deploymentConfiguration"].items()
    assert all(shown[m] == v for m, v in given.items() if m != "deploymentConfiguration")
    assert shown["availabilityZoneRebalancing"] == "ENABLED"
    assert shown["launchType"] == "FARGATE" and shown["createdBy"]


def test_service_name_in_use(build: Builder, endpoint: Endpoint) -> None:
    build.running()
    again = lambda: build.service("E-web")  # noqa: E731
    assert error_of(again)[:2] == ("InvalidParameterException",
                                   "Creation of service was not idempotent.")
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    assert "still Draining" in error_of(again)[1]
    update = lambda: build.ecs.update_service(cluster="E", service="E-web")  # noqa: E731
    assert code_of(update) == "ServiceNotActiveException"
    assert build.ecs.list_services(cluster="E")["serviceArns"] == []
    endpoint.advance(10)
    assert build.described()["status"] == "INACTIVE"
    assert code_of(again) == ""


def test_client_token_makes_create_idempotent(build: Builder) -> None:
    build.ecs.create_cluster(clusterName="E")
    arn = build.definition()
    first = build.service(arn, clientToken="t1")
    assert build.service(arn, clientToken="t1")["serviceArn"] == first["serviceArn"]
    assert "not idempotent" in error_of(lambda: build.service(arn, clientToken="t1", count=2))[1]
    assert "not idempotent" in error_of(lambda: build.service(arn, clientToken="t2"))[1]


def test_service_refused(build: Builder) -> None:
    build.ecs.create_cluster(clusterName="E")
    arn = build.definition()
    network = {"subnets": ["subnet-00000000"], "securityGroups": []}
    rows: list[tuple[dict[str, Any], str]] = [
        ({"networkConfiguration": {}}, "Network Configuration must be provided"),
        ({"networkConfiguration": {"awsvpcConfiguration": network}}, "InvalidSubnetID.NotFound"),
        ({"groups": ["sg-00000000"]}, "InvalidGroup.NotFound"),
        ({"count": -1}, "must not be negative"),
        ({"taskDefinition": "nothing"}, "TaskDefinition not found"),
        ({"serviceName": "a b"}, "Service name"),
        ({"serviceRegistries": [{"registryArn": "arn:aws:servicediscovery:x"}]}, "registry"),
        ({"loadBalancers": [{"targetGroupArn": "arn:x", "containerName": "web",
                             "containerPort": 5000}]}, "target group"),
    ]
    for change, word in rows:
        assert word in error_of(lambda: build.service(arn, **change))[1], change
    build.ecs.delete_cluster(cluster="E")
    assert code_of(lambda: build.service(arn)) == "ClusterNotFoundException"


def test_update_makes_a_deployment_only_when_the_revision_changes(
        build: Builder, endpoint: Endpoint) -> None:
    build.role()
    build.ecs.create_cluster(clusterName="E")
    old = build.service(build.definition(taskRoleArn=ROLE))["deployments"][0]["id"]
    endpoint.advance(90)
    update = lambda **g: build.ecs.update_service(  # noqa: E731
        cluster="E", service="E-web", **g)["service"]["deployments"]
    for unchanged in ({"desiredCount": 2}, {"taskDefinition": "E-web:1"},
                      {"deploymentConfiguration": {"maximumPercent": 150}},
                      {"enableExecuteCommand": True}):
        assert [d["id"] for d in update(**unchanged)] == [old], unchanged
    endpoint.advance(90)
    assert build.described()["runningCount"] == 2
    new = update(taskDefinition=build.definition(taskRoleArn=ROLE))
    assert [d["status"] for d in new] == ["PRIMARY", "ACTIVE"] and new[1]["id"] == old
    endpoint.advance(40)
    shown = build.described()
    assert [d["status"] for d in shown["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert shown["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    endpoint.advance(140)  # in two steps, since maximumPercent lets one task more in at a time
    shown = build.described()
    assert [(d["id"], d["rolloutState"]) for d in shown["deployments"]] == [
        (new[0]["id"], "COMPLETED")]
    assert shown["taskDefinition"].endswith(":2")
    assert update(forceNewDeployment=True)[0]["id"] != new[0]["id"]


def test_breaker_rolls_back(build: Builder, endpoint: Endpoint) -> None:
    old = build.running(deploymentConfiguration={
        "deploymentCircuitBreaker": {"enable": True, "rollback": True}})
    endpoint.fault(fault="unhealthy", service="ecs", match={"serviceName": "E-web"})
    build.ecs.update_service(cluster="E", service="E-web", taskDefinition=build.definition())
    endpoint.advance(2000)
    shown = build.described()
    record = build.ecs.list_service_deployments(cluster="E", service="E-web")[
        "serviceDeployments"][0]
    assert record["status"] == "ROLLBACK_SUCCESSFUL" and "circuit breaker" in record["statusReason"]
    # A waiter for "one deployment, running as desired" is satisfied: by the old revision.
    assert [d["id"] for d in shown["deployments"]] == [old["deployments"][0]["id"]]
    assert shown["taskDefinition"].endswith(":1") and shown["runningCount"] == 1
    stopped = build.ecs.list_tasks(cluster="E", desiredStatus="STOPPED")["taskArns"]
    task = build.ecs.describe_tasks(cluster="E", tasks=stopped[:1])["tasks"][0]
    assert task["stoppedReason"] == "Task failed container health checks"


def test_breaker_without_rollback_fails(build: Builder, endpoint: Endpoint) -> None:
    endpoint.fault(fault="unhealthy", service="ecs")
    shown = build.running(deploymentConfiguration={
        "deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    endpoint.advance(2000)
    shown = build.described()
    assert shown["deployments"][0]["rolloutState"] == "FAILED"
    assert shown["deployments"][0]["failedTasks"] == 3


def test_without_breaker_tasks_are_tried_for_ever(build: Builder,
                                                  endpoint: Endpoint) -> None:
    endpoint.fault(fault="unhealthy", service="ecs")
    build.running()
    endpoint.advance(3000)
    deployment = build.described()["deployments"][0]
    assert deployment["rolloutState"] == "IN_PROGRESS" and deployment["failedTasks"] > 3
    assert any("unable to consistently start" in e["message"] for e in build.described()["events"])


@pytest.mark.parametrize("container,reason", [
    ({"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/no:1"}, "CannotPullContainerError"),
    ({"logConfiguration": {"logDriver": "awslogs", "options": {
        "awslogs-group": "no", "awslogs-region": "us-east-1"}}}, "log group does not exist"),
    ({"secrets": [{"name": "A", "valueFrom": "/mettel/NO"}]}, "unable to pull secrets"),
])
def test_task_that_cannot_start_says_why(build: Builder, endpoint: Endpoint,
                                         container: dict[str, Any], reason: str) -> None:
    build.role()
    build.ecs.create_cluster(clusterName="E")
    full = {"name": "web", "image": "public.ecr.aws/nginx/nginx:1", **container}
    build.service(build.definition(containerDefinitions=[full], executionRoleArn="arn:aws:iam::"
                                   "123456789012:role/ecs_task_execution_role"))
    endpoint.advance(45)
    arns = build.ecs.list_tasks(cluster="E", desiredStatus="STOPPED")["taskArns"]
    task = build.ecs.describe_tasks(cluster="E", tasks=arns)["tasks"][0]
    assert task["stopCode"] == "TaskFailedToStart" and reason in task["stoppedReason"]


@pytest.mark.parametrize("member", ["taskRoleArn", "executionRoleArn"])
def test_without_its_role_no_task_is_made(build: Builder, endpoint: Endpoint, member: str) -> None:
    """https://github.com/boto/boto3/issues/1878"""
    given: dict[str, Any] = {member: ROLE}
    build.ecs.create_cluster(clusterName="E")
    build.service(build.definition(**given))
    endpoint.advance(45)
    told = [e["message"] for e in build.described()["events"] if "failed to launch" in e["message"]]
    assert len(told) == 2 and f"(error ECS was unable to assume the role '{ROLE}' that" in told[0]
    for status in ("RUNNING", "STOPPED"):
        assert build.ecs.list_tasks(cluster="E", desiredStatus=status)["taskArns"] == []
    build.role()
    endpoint.advance(200)
    assert build.described()["runningCount"] == 1


def test_tasks_hold_interfaces_and_instances(build: Builder, endpoint: Endpoint) -> None:
    """An interface holds its group, an instance its Cloud Map service, past the task's end."""
    group, discovery = build.group(), build.discovery(build.namespace())
    build.running(groups=[group], count=2, serviceRegistries=[{"registryArn": discovery["Arn"]}])
    held = lambda: build.ec2.describe_network_interfaces(  # noqa: E731
        Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"]
    instances = lambda: build.sd.list_instances(  # noqa: E731
        ServiceId=discovery["Id"])["Instances"]
    arns = build.ecs.list_tasks(cluster="E", serviceName="E-web")["taskArns"]
    tasks = build.ecs.describe_tasks(cluster="E", tasks=arns)["tasks"]
    details = {d["value"] for t in tasks for a in t["attachments"] for d in a["details"]
               if d["name"] == "networkInterfaceId"}
    assert details == {i["NetworkInterfaceId"] for i in held()} and len(details) == 2
    assert {i["Id"] for i in instances()} == {t["taskArn"].rpartition("/")[2] for t in tasks}
    remove = lambda: build.ec2.delete_security_group(GroupId=group)  # noqa: E731
    unlist = lambda: build.sd.delete_service(Id=discovery["Id"])  # noqa: E731
    assert (code_of(remove), code_of(unlist)) == ("DependencyViolation", "ResourceInUse")
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    endpoint.advance(45)
    assert build.described()["status"] == "INACTIVE"
    assert (code_of(remove), code_of(unlist)) == ("DependencyViolation", "ResourceInUse")
    endpoint.advance(20)
    assert (code_of(remove), code_of(unlist)) == ("", "")


def test_delete_needs_zero_or_force(build: Builder) -> None:
    build.running()
    remove = lambda: build.ecs.delete_service(cluster="E", service="E-web")  # noqa: E731
    assert "scaled above 0" in error_of(remove)[1]
    build.ecs.update_service(cluster="E", service="E-web", desiredCount=0)
    assert remove()["service"]["status"] == "DRAINING"


def test_batches_and_pages(build: Builder) -> None:
    build.ecs.create_cluster(clusterName="E")
    arn = build.definition()
    names = [f"s{i:02}" for i in range(12)]
    for name in names:
        build.service(arn, name, count=0)
    page = build.ecs.list_services(cluster="E")
    assert len(page["serviceArns"]) == 10  # the default page
    rest = build.ecs.list_services(cluster="E", nextToken=page["nextToken"])
    assert len(rest["serviceArns"]) == 2 and "nextToken" not in rest
    refused = (lambda: build.ecs.describe_services(cluster="E", services=names[:11]),
               lambda: build.ecs.describe_clusters(clusters=["c"] * 101),
               lambda: build.ecs.describe_tasks(cluster="E", tasks=["t"] * 101),
               lambda: build.ecs.list_services(cluster="E", nextToken="zz"))
    assert [code_of(one) for one in refused] == ["InvalidParameterException"] * 4
    answer = build.ecs.describe_services(cluster="E", services=["s00", "none"])
    assert answer["failures"][0]["reason"] == "MISSING" and len(answer["services"]) == 1


def test_a_stopped_task_is_replaced(build: Builder, endpoint: Endpoint) -> None:
    build.running()
    old = build.ecs.list_tasks(cluster="E")["taskArns"]
    build.ecs.stop_task(cluster="E", task=old[0], reason="by hand")
    endpoint.advance(60)
    new = build.ecs.list_tasks(cluster="E")["taskArns"]
    assert len(new) == 1 and new != old
    gone = build.ecs.describe_tasks(cluster="E", tasks=old)["tasks"][0]
    assert (gone["lastStatus"], gone["stopCode"], gone["stoppedReason"]) == (
        "STOPPED", "UserInitiated", "by hand")
