"""Deletion: what takes its time on AWS, what holds what, and what comes back or is left.

Each rule's source stands with the behaviour. With BERTH_PLAIN_MOTO=1 these fail.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from .build import Builder, code_of, error_of
from .clock import DURATIONS
from .endpoint import Endpoint
from .test_elb import Balanced

INSIGHTS = "/aws/ecs/containerinsights/E/performance"


@pytest.fixture
def build(endpoint: Endpoint) -> Builder:
    endpoint.speed(0.001)  # time goes on where a test says so
    return Builder(endpoint)


@pytest.fixture
def b(endpoint: Endpoint) -> Balanced:
    endpoint.speed(0.001)
    return Balanced(endpoint)


def seconds(*names: str) -> float:
    """A little more than these take one after the other."""
    return sum(DURATIONS[name] for name in names) + 1


def holders(build: Builder, group: str) -> list[str]:
    """What says of itself that it is in the security group."""
    return [i["Description"] for i in build.ec2.describe_network_interfaces(
        Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"]]


# --- ECS ---

def balanced_service(b: Balanced) -> str:
    """The ARN of the target group of a steady service of one task."""
    _, _, target_group = b.attached()
    b.running(loadBalancers=[{"targetGroupArn": target_group, "containerName": "web",
                              "containerPort": 5000}])
    b.endpoint.advance(60)
    return target_group


def test_a_service_drains_as_long_as_its_targets_do(b: Balanced) -> None:
    """Its task runs on meanwhile, and is counted."""
    balanced_service(b)
    b.ecs.delete_service(cluster="E", service="E-web", force=True)
    b.endpoint.advance(290)
    seen = b.described()
    assert (seen["status"], seen["desiredCount"], seen["runningCount"]) == ("DRAINING", 0, 1)
    assert any("has begun draining connections on 1 tasks" in e["message"] for e in seen["events"])
    assert b.ecs.list_services(cluster="E")["serviceArns"] == []
    b.endpoint.advance(30)
    seen = b.described()
    assert (seen["status"], seen["runningCount"]) == ("INACTIVE", 0)


def test_no_delay_no_draining(b: Balanced) -> None:
    target_group = balanced_service(b)
    b.elb.modify_target_group_attributes(TargetGroupArn=target_group, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}])
    b.ecs.delete_service(cluster="E", service="E-web", force=True)
    b.endpoint.advance(seconds("service.schedule", "task.deactivating"))
    assert b.described()["status"] == "INACTIVE"


def test_what_gets_no_requests_does_not_drain(b: Balanced) -> None:
    """The load balancer is gone: its targets are unused."""
    balanced_service(b)
    [arn] = [x["LoadBalancerArn"] for x in b.elb.describe_load_balancers()["LoadBalancers"]]
    b.elb.delete_load_balancer(LoadBalancerArn=arn)
    b.ecs.delete_service(cluster="E", service="E-web", force=True)
    b.endpoint.advance(seconds("service.schedule", "task.deactivating"))
    assert b.described()["status"] == "INACTIVE"


def test_a_service_with_two_deployments_takes_force(build: Builder) -> None:
    build.running()
    build.ecs.update_service(cluster="E", service="E-web", taskDefinition=build.definition(),
                             desiredCount=0)
    remove = lambda **given: build.ecs.delete_service(  # noqa: E731
        cluster="E", service="E-web", **given)
    assert "deployments are active" in error_of(remove)[1]
    assert remove(force=True)["service"]["status"] == "DRAINING"


def test_a_security_group_is_held_until_the_interfaces_are_gone(build: Builder) -> None:
    """Longer than the service is there, and the task."""
    group = build.group()
    build.running(groups=[group])
    [interface] = holders(build, group)
    assert interface.startswith("arn:aws:ecs:us-east-1:123456789012:attachment/")
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    build.endpoint.advance(seconds("service.schedule", "task.deactivating", "task.stopping",
                                   "task.deprovisioning"))
    assert build.described()["status"] == "INACTIVE"
    assert build.ecs.list_tasks(cluster="E", desiredStatus="STOPPED")["taskArns"]
    remove = lambda: build.ec2.delete_security_group(GroupId=group)  # noqa: E731
    assert code_of(remove) == "DependencyViolation" and holders(build, group)
    build.endpoint.advance(seconds("task.interface"))
    assert holders(build, group) == [] and code_of(remove) == ""


def test_a_family_is_listed_until_its_last_revision_is_deleted(build: Builder) -> None:
    arn = build.definition()
    families = lambda **given: build.ecs.list_task_definition_families(  # noqa: E731
        **given)["families"]
    build.ecs.deregister_task_definition(taskDefinition=arn)
    assert (families(), families(status="ACTIVE")) == (["E-web"], [])
    build.ecs.delete_task_definitions(taskDefinitions=[arn])
    build.endpoint.advance(3600)
    assert families() == []


def test_what_is_started_by_hand_keeps_the_cluster(build: Builder) -> None:
    build.ecs.create_cluster(clusterName="E")
    task = build.ecs.run_task(
        cluster="E", taskDefinition=build.definition(), launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": build.subnets}})["tasks"][0]
    build.endpoint.advance(60)
    remove = lambda: build.ecs.delete_cluster(cluster="E")  # noqa: E731
    assert code_of(remove) == "ClusterContainsTasksException"
    build.ecs.stop_task(cluster="E", task=task["taskArn"])
    assert code_of(remove) == "ClusterContainsTasksException"
    build.endpoint.advance(60)
    assert code_of(remove) == ""


def test_the_tags_of_a_group_go_with_it(build: Builder) -> None:
    group = build.group()
    build.ec2.create_tags(Resources=[group], Tags=[{"Key": "a", "Value": "b"}])
    assert [t["ResourceId"] for t in build.ec2.describe_tags(Filters=[
        {"Name": "key", "Values": ["a"]}])["Tags"]] == [group]
    build.ec2.delete_security_group(GroupId=group)
    assert build.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}])["Tags"] == []


# --- logs that are written late ---

def log_groups(build: Builder, prefix: str = INSIGHTS) -> list[dict[str, Any]]:
    return list(build.logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"])


def insights(build: Builder) -> None:
    """A cluster that Container Insights watches, with a steady service in it."""
    build.ecs.create_cluster(clusterName="E",
                             settings=[{"name": "containerInsights", "value": "enabled"}])
    build.service(build.definition())
    build.endpoint.advance(90 + DURATIONS["insights.write"])


def test_container_insights_makes_a_log_group_of_its_own(build: Builder) -> None:
    insights(build)
    [group] = log_groups(build)
    assert group["retentionInDays"] == 1
    assert build.logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {}
    build.ecs.create_cluster(clusterName="other")
    build.endpoint.advance(90)
    assert len(log_groups(build, "/aws/ecs/containerinsights/")) == 1


def test_container_insights_writes_once_more(build: Builder) -> None:
    """What is deleted too early comes back; in the end nothing does."""
    insights(build)
    build.logs.delete_log_group(logGroupName=INSIGHTS)
    assert log_groups(build) == []
    build.endpoint.advance(seconds("insights.write"))
    assert len(log_groups(build)) == 1  # for it still watches
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    build.endpoint.advance(seconds("service.schedule", "task.deactivating", "task.stopping",
                                   "task.deprovisioning"))
    build.ecs.delete_cluster(cluster="E")
    build.logs.delete_log_group(logGroupName=INSIGHTS)
    build.endpoint.advance(seconds("insights.write"))
    assert len(log_groups(build)) == 1  # the last minute's
    build.logs.delete_log_group(logGroupName=INSIGHTS)
    build.endpoint.advance(600)
    assert log_groups(build) == []


def test_a_log_driver_that_may_creates_its_group_anew(build: Builder) -> None:
    """Only for as long as its container runs."""
    build.role()
    container = {"name": "web", "image": "public.ecr.aws/nginx/nginx:1", "logConfiguration": {
        "logDriver": "awslogs", "options": {
            "awslogs-group": "late", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "x",
            "awslogs-create-group": "true"}}}
    build.ecs.create_cluster(clusterName="E")
    build.service(build.definition(
        containerDefinitions=[container],
        executionRoleArn="arn:aws:iam::123456789012:role/ecs_task_execution_role"))
    build.endpoint.advance(60)
    assert len(log_groups(build, "late")) == 1
    build.logs.delete_log_group(logGroupName="late")
    build.endpoint.advance(seconds("logs.write"))
    [group] = log_groups(build, "late")
    assert "retentionInDays" not in group
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    build.endpoint.advance(60)
    build.logs.delete_log_group(logGroupName="late")
    build.endpoint.advance(600)
    assert log_groups(build, "late") == []


# --- Elastic Load Balancing ---

def test_a_target_group_is_in_use_a_moment_longer(b: Balanced) -> None:
    balancer, _, group = b.attached()
    remove = lambda: b.elb.delete_target_group(TargetGroupArn=group)  # noqa: E731
    assert code_of(remove) == "ResourceInUse"
    b.elb.delete_load_balancer(LoadBalancerArn=balancer)
    assert code_of(remove) == "ResourceInUse"
    b.endpoint.advance(seconds("elb.detach"))
    assert code_of(remove) == ""


# --- Cloud Map ---

def test_a_namespace_goes_in_its_time_and_but_once(build: Builder) -> None:
    namespace = build.namespace()
    operation = build.sd.delete_namespace(Id=namespace)["OperationId"]
    with pytest.raises(build.sd.exceptions.DuplicateRequest) as caught:
        build.sd.delete_namespace(Id=namespace)
    assert caught.value.response["DuplicateOperationId"] == operation
    assert build.sd.get_namespace(Id=namespace)
    build.endpoint.advance(seconds("cloudmap.submitted", "cloudmap.namespace"))
    assert code_of(lambda: build.sd.get_namespace(Id=namespace)) == "NamespaceNotFound"
    zones = build.client("route53").list_hosted_zones()["HostedZones"]
    assert "E.local." not in {zone["Name"] for zone in zones}


def test_a_discovery_service_is_held_by_what_runs(build: Builder) -> None:
    """Its instances stay a little longer than the tasks."""
    namespace = build.namespace()
    discovery = build.discovery(namespace)
    build.running(serviceRegistries=[{"registryArn": discovery["Arn"]}])
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    remove = lambda: build.sd.delete_service(Id=discovery["Id"])  # noqa: E731
    build.endpoint.advance(seconds("service.schedule", "task.deactivating", "task.stopping",
                                   "task.deprovisioning"))
    assert build.described()["status"] == "INACTIVE" and code_of(remove) == "ResourceInUse"
    build.endpoint.advance(seconds("task.deregister"))
    assert code_of(remove) == ""
    assert code_of(lambda: build.sd.delete_namespace(Id=namespace)) == ""


# --- CloudFormation, SNS ---

def stack_template(*topics: str) -> str:
    resources: dict[str, Any] = {topic: {"Type": "AWS::SNS::Topic"} for topic in topics}
    resources["Mail"] = {"Type": "AWS::SNS::Subscription", "Properties": {
        "TopicArn": {"Ref": topics[0]}, "Protocol": "email", "Endpoint": "ops@example.com"}}
    return json.dumps({"Resources": resources})


def test_a_stack_deleted_while_it_is_created_leaves_nothing(endpoint: Endpoint) -> None:
    endpoint.speed(0.001)
    api, sns = endpoint.client("cloudformation"), endpoint.client("sns")
    stack = api.create_stack(StackName="S", TemplateBody=stack_template("A", "B", "C"))["StackId"]
    endpoint.advance(DURATIONS["stack.resource"] + 1)
    assert len(sns.list_topics()["Topics"]) == 1
    api.delete_stack(StackName="S")
    endpoint.advance(300)
    seen = api.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    assert (seen, sns.list_topics()["Topics"]) == ("DELETE_COMPLETE", [])
    states = [e["ResourceStatus"] for e in api.describe_stack_events(StackName=stack)[
        "StackEvents"] if e["ResourceType"] == "AWS::CloudFormation::Stack"]
    assert states == ["DELETE_COMPLETE", "DELETE_IN_PROGRESS", "CREATE_IN_PROGRESS"]


@pytest.mark.parametrize("confirmed,left", [(False, 1), (True, 0)])
def test_a_pending_subscription_outlives_its_topic(endpoint: Endpoint, confirmed: bool,
                                                   left: int) -> None:
    endpoint.speed(0.001)
    api, sns = endpoint.client("cloudformation"), endpoint.client("sns")
    api.create_stack(StackName="S", TemplateBody=stack_template("A"))
    endpoint.advance(60)
    [topic] = [t["TopicArn"] for t in sns.list_topics()["Topics"]]
    if confirmed:
        assert endpoint.confirm("ops@example.com") == 1
    api.delete_stack(StackName="S")
    endpoint.advance(60)
    assert sns.list_topics()["Topics"] == []
    assert code_of(lambda: sns.list_subscriptions_by_topic(TopicArn=topic)) == "NotFound"
    assert len(sns.list_subscriptions()["Subscriptions"]) == left
    endpoint.advance(49 * 3600)
    assert sns.list_subscriptions()["Subscriptions"] == []
