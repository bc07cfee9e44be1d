"""What AWS refuses and moto accepts, one row each, and the AWS CLI, against the endpoint.

The parts: twice the same (idempotency and duplicates), what something else still needs
(dependencies), lists (pages and batches), inputs (validation), what comes late.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from .build import TRUST, Builder, code_of, error_of
from .endpoint import ACCOUNT, Endpoint

Row = Callable[[Builder], Any]


@pytest.fixture
def build(endpoint: Endpoint) -> Builder:
    return Builder(endpoint)


def unchecked(build: Builder, service: str) -> Any:
    """A client that leaves it to the endpoint to find mistakes."""
    from .endpoint import ACCESS_KEY, SECRET_KEY
    return build.endpoint.client_as(service, ACCESS_KEY, SECRET_KEY, parameter_validation=False)


def twice(call: Row) -> Row:
    def run(build: Builder) -> Any:
        call(build)
        return call(build)
    return run


# --- twice the same ---

def service_again(build: Builder) -> Any:
    build.running()
    return build.service(build.definition(), count=2)


def namespace_again(build: Builder) -> Any:
    build.namespace()
    return build.sd.create_private_dns_namespace(Name="E.local", Vpc=build.vpc)


def discovery_again(build: Builder) -> Any:
    namespace = build.namespace()
    build.discovery(namespace)
    return build.discovery(namespace)


def rule_again(build: Builder) -> Any:
    group = build.group()
    for _ in range(2):
        build.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
             "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}])


def linked_role_again(build: Builder) -> Any:
    iam = build.endpoint.client("iam")
    for _ in range(2):
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")


def repository_again(build: Builder) -> Any:
    ecr = build.endpoint.client("ecr")
    for _ in range(2):
        ecr.create_repository(repositoryName="automation-notifier")


TWICE = [
    (service_again, "InvalidParameterException"), (namespace_again, "NamespaceAlreadyExists"),
    (discovery_again, "ServiceAlreadyExists"), (rule_again, "InvalidPermission.Duplicate"),
    (twice(lambda b: b.group()), "InvalidGroup.Duplicate"),
    (twice(lambda b: b.role()), "EntityAlreadyExists"), (linked_role_again, "InvalidInput"),
    (repository_again, "RepositoryAlreadyExistsException"),
    (twice(lambda b: b.logs.create_log_group(logGroupName="E")),
     "ResourceAlreadyExistsException"),
    (twice(lambda b: b.ecs.create_cluster(clusterName="E")), ""),
    (twice(lambda b: b.definition()), ""),
]


@pytest.mark.parametrize("call,code", TWICE)
def test_twice_the_same(build: Builder, call: Row, code: str) -> None:
    assert code_of(lambda: call(build)) == code


def test_what_is_made_twice_stays_one(build: Builder) -> None:
    tags = [{"key": "a", "value": "b"}]
    build.ecs.create_cluster(clusterName="E", tags=tags)
    again = build.ecs.create_cluster(clusterName="E")["cluster"]
    assert again["tags"] == tags
    build.logs.create_log_group(logGroupName="E")
    for pattern in ("one", "two"):
        build.logs.put_metric_filter(
            logGroupName="E", filterName="f", filterPattern=pattern, metricTransformations=[
                {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}])
    found = build.logs.describe_metric_filters(logGroupName="E")["metricFilters"]
    assert [f["filterPattern"] for f in found] == ["two"]
    given = {"definition": build.definition(), "clientToken": "one"}
    first, second = (build.service(**given) for _ in range(2))
    assert first["serviceArn"] == second["serviceArn"]


# --- what something else still needs ---

def group_held(build: Builder) -> Any:
    group = build.group()
    build.running(groups=[group])
    return build.ec2.delete_security_group(GroupId=group)


def group_named(build: Builder) -> Any:
    first, second = build.group("a"), build.group("b")
    build.ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=[
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": second}]}])
    return build.ec2.delete_security_group(GroupId=second)


def default_group(build: Builder) -> Any:
    group = build.ec2.describe_security_groups(Filters=[
        {"Name": "vpc-id", "Values": [build.vpc]},
        {"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]["GroupId"]
    return build.ec2.delete_security_group(GroupId=group)


def cluster_with_services(build: Builder) -> Any:
    build.running()
    return build.ecs.delete_cluster(cluster="E")


def cluster_with_tasks(build: Builder) -> Any:
    build.ecs.create_cluster(clusterName="E")
    build.ecs.run_task(cluster="E", taskDefinition=build.definition(), launchType="FARGATE",
                       networkConfiguration={"awsvpcConfiguration": {"subnets": build.subnets}})
    return build.ecs.delete_cluster(cluster="E")


def namespace_with_services(build: Builder) -> Any:
    namespace = build.namespace()
    build.discovery(namespace)
    return build.sd.delete_namespace(Id=namespace)


def discovery_with_instances(build: Builder) -> Any:
    service = build.discovery(build.namespace())
    build.running(serviceRegistries=[{"registryArn": service["Arn"]}])
    return build.sd.delete_service(Id=service["Id"])


def repository_with_images(build: Builder) -> Any:
    ecr = build.endpoint.client("ecr")
    ecr.create_repository(repositoryName="aa")
    build.endpoint.put_image("aa", "latest")
    return ecr.delete_repository(repositoryName="aa")


def role_with_policy(build: Builder) -> Any:
    build.role()
    iam, name = build.endpoint.client("iam"), "ecs_task_execution_role"
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
    return iam.delete_role(RoleName=name)


def service_scaled(build: Builder) -> Any:
    build.running()
    return build.ecs.delete_service(cluster="E", service="E-web")


def service_draining(build: Builder) -> Any:
    build.running()
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    return build.service(build.definition())


def service_gone(build: Builder) -> Any:
    build.running()
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    build.endpoint.advance(120)
    return build.ecs.update_service(cluster="E", service="E-web", desiredCount=1)


def service_in_a_gone_cluster(build: Builder) -> Any:
    build.ecs.create_cluster(clusterName="E")
    build.ecs.delete_cluster(cluster="E")
    return build.service(build.definition())


NEEDED = [
    (group_held, "DependencyViolation"), (group_named, "DependencyViolation"),
    (default_group, "CannotDelete"), (cluster_with_services, "ClusterContainsServicesException"),
    (cluster_with_tasks, "ClusterContainsTasksException"),
    (namespace_with_services, "ResourceInUse"), (discovery_with_instances, "ResourceInUse"),
    (repository_with_images, "RepositoryNotEmptyException"), (role_with_policy, "DeleteConflict"),
    (service_scaled, "InvalidParameterException"), (service_draining, "InvalidParameterException"),
    (service_gone, "ServiceNotActiveException"),
    (service_in_a_gone_cluster, "ClusterNotFoundException"),
]


@pytest.mark.parametrize("call,code", NEEDED)
def test_what_something_else_needs(build: Builder, call: Row, code: str) -> None:
    assert code_of(lambda: call(build)) == code


# --- lists ---

BATCHES = [
    (lambda b: b.ecs.describe_services(cluster="E", services=[f"s{i}" for i in range(11)]),
     "InvalidParameterException"),
    (lambda b: b.ecs.describe_clusters(clusters=[f"c{i}" for i in range(101)]),
     "InvalidParameterException"),
    (lambda b: b.ecs.describe_tasks(cluster="E", tasks=[f"{i:032x}" for i in range(101)]),
     "InvalidParameterException"),
    (lambda b: b.ecs.run_task(cluster="E", taskDefinition=b.definition(), count=11,
                              launchType="FARGATE"), "InvalidParameterException"),
    (lambda b: b.ecs.list_services(cluster="E", maxResults=101), "InvalidParameterException"),
    (lambda b: b.ecs.list_services(cluster="E", nextToken="x"), "InvalidParameterException"),
    (lambda b: unchecked(b, "ec2").describe_security_groups(MaxResults=4), "InvalidParameterValue"),
    (lambda b: b.ec2.describe_security_groups(NextToken="x"), "InvalidNextToken"),
    (lambda b: b.ec2.describe_vpcs(Filters=[{"Name": "no-such", "Values": ["x"]}]),
     "InvalidParameterValue"),
    (lambda b: unchecked(b, "ssm").get_parameters(Names=[f"/{i}" for i in range(11)]),
     "ValidationException"),
    (lambda b: b.logs.describe_log_groups(limit=51), "InvalidParameterException"),
    (lambda b: b.sd.list_services(Filters=[{"Name": "NAMESPACE_ID", "Values": ["a", "b"]}]),
     "InvalidInput"),
]


@pytest.mark.parametrize("call,code", BATCHES)
def test_pages_and_batches(build: Builder, call: Row, code: str) -> None:
    build.ecs.create_cluster(clusterName="E")
    assert code_of(lambda: call(build)) == code


def test_pages_as_small_as_a_test_wants(build: Builder, endpoint: Endpoint) -> None:
    for name in ("a", "b", "c"):
        build.ecs.create_cluster(clusterName=name)
        build.group(name)
        build.logs.create_log_group(logGroupName=name)
        endpoint.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        endpoint.client("ecr").create_repository(repositoryName=f"r/{name}")
    endpoint.pages(1)
    lists = [("ecs", "list_clusters", "clusterArns"),
             ("ec2", "describe_security_groups", "SecurityGroups"),
             ("ec2", "describe_subnets", "Subnets"), ("logs", "describe_log_groups", "logGroups"),
             ("iam", "list_roles", "Roles"), ("ecr", "describe_repositories", "repositories"),
             ("ssm", "describe_parameters", "Parameters")]
    for service, action, member in lists:
        client = endpoint.client(service)
        first = getattr(client, action)()
        assert len(first[member]) == 1, (service, action)
        pages = list(client.get_paginator(action).paginate())
        assert len(pages) >= 3 and sum(len(p[member]) for p in pages) >= 3, (service, action)


def test_what_is_gone_is_not_listed(build: Builder, endpoint: Endpoint) -> None:
    build.running()
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    assert build.ecs.list_services(cluster="E")["serviceArns"] == []
    assert build.described()["status"] == "DRAINING"
    endpoint.advance(120)
    assert build.described()["status"] == "INACTIVE"
    build.ecs.delete_cluster(cluster="E")
    assert build.ecs.list_clusters()["clusterArns"] == []
    found = build.ecs.describe_clusters(clusters=["E", "F"])
    assert [c["status"] for c in found["clusters"]] == ["INACTIVE"]
    assert [f["reason"] for f in found["failures"]] == ["MISSING"]


# --- inputs ---

def container(**given: Any) -> list[dict[str, Any]]:
    return [{"name": "web", "image": "nginx", **given}]


INPUTS = [
    (lambda b: b.definition(cpu="512", memory="512"), "ClientException"),
    (lambda b: b.definition(networkMode="bridge"), "ClientException"),
    (lambda b: b.definition(containerDefinitions=[]), "ClientException"),
    (lambda b: b.definition(containerDefinitions=container(essential=False)), "ClientException"),
    (lambda b: b.definition(containerDefinitions=container(image="")), "ClientException"),
    (lambda b: b.definition(family="a b"), "ClientException"),
    (lambda b: b.ecs.register_task_definition(
        family="f", networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
        containerDefinitions=container()), "ClientException"),
    (lambda b: b.service(b.definition(), networkConfiguration={}), "InvalidParameterException"),
    (lambda b: b.service(b.definition(), count=-1), "InvalidParameterException"),
    (lambda b: b.service(b.definition(), name="a b"), "InvalidParameterException"),
    (lambda b: b.service(b.definition(), groups=["sg-12345678"]), "InvalidParameterException"),
    (lambda b: b.service(b.definition(), serviceRegistries=[{"registryArn": "arn:x"}]),
     "InvalidParameterException"),
    (lambda b: b.service(b.definition(), loadBalancers=[
        {"targetGroupArn": "arn:x", "containerName": "web", "containerPort": 5000}]),
     "InvalidParameterException"),
    (lambda b: b.service("E-none"), "ClientException"),
    (lambda b: b.ecs.create_cluster(clusterName="a b"), "InvalidParameterException"),
    (lambda b: b.ec2.create_security_group(GroupName="a", Description="d", VpcId="vpc-12345678"),
     "InvalidVpcID.NotFound"),
    (lambda b: b.ec2.create_security_group(GroupName="sg-a", Description="d", VpcId=b.vpc),
     "InvalidParameterValue"),
    (lambda b: b.ec2.create_security_group(GroupName="a", Description="ä", VpcId=b.vpc),
     "InvalidParameterValue"),
    (lambda b: b.ec2.authorize_security_group_ingress(GroupId=b.group(), IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [
            {"CidrIp": "10.0.0.1/33"}]}]), "InvalidParameterValue"),
    (lambda b: b.ec2.authorize_security_group_ingress(GroupId=b.group(), IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 90, "ToPort": 80, "IpRanges": [
            {"CidrIp": "10.0.0.0/8"}]}]), "InvalidParameterValue"),
    (lambda b: b.endpoint.client("iam").create_role(
        RoleName="r", AssumeRolePolicyDocument="{}"), "MalformedPolicyDocument"),
    (lambda b: b.logs.create_log_group(logGroupName="a b"), "InvalidParameterException"),
    (lambda b: (b.logs.create_log_group(logGroupName="E"),
                b.logs.put_retention_policy(logGroupName="E", retentionInDays=31)),
     "InvalidParameterException"),
    (lambda b: b.logs.put_metric_filter(logGroupName="none", filterName="f", filterPattern="",
                                        metricTransformations=[{
                                            "metricName": "m", "metricNamespace": "n",
                                            "metricValue": "1"}]), "ResourceNotFoundException"),
    (lambda b: b.sd.create_private_dns_namespace(Name="a.local", Vpc="vpc-12345678"),
     "InvalidInput"),
    (lambda b: b.discovery("ns-none"), "NamespaceNotFound"),
    (lambda b: b.endpoint.client("ecr").create_repository(repositoryName="Upper"),
     "InvalidParameterException"),
    (lambda b: b.endpoint.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/none", RoleSessionName="ab"), "AccessDenied"),
    (lambda b: b.endpoint.client("secretsmanager").describe_secret(SecretId="none"),
     "ResourceNotFoundException"),
]


@pytest.mark.parametrize("call,code", INPUTS)
def test_inputs(build: Builder, call: Row, code: str) -> None:
    build.ecs.create_cluster(clusterName="E")
    assert code_of(lambda: call(build)) == code


# --- what comes late ---

def test_what_is_new_is_not_found_yet(build: Builder, endpoint: Endpoint) -> None:
    endpoint.speed(0.001)
    endpoint.fault(fault="newborn", seconds=10)
    iam, ecr = endpoint.client("iam"), endpoint.client("ecr")
    group = build.group()
    build.role()
    ecr.create_repository(repositoryName="aa")
    build.ecs.create_cluster(clusterName="E")
    reads: list[tuple[Callable[[], Any], str]] = [
        (lambda: build.ec2.describe_security_groups(GroupIds=[group]), "InvalidGroup.NotFound"),
        (lambda: iam.get_role(RoleName="ecs_task_execution_role"), "NoSuchEntity"),
        (lambda: ecr.describe_repositories(repositoryNames=["aa"]),
         "RepositoryNotFoundException"),
        (lambda: build.ecs.list_services(cluster="E"), "ClusterNotFoundException")]
    assert [code_of(read) for read, _ in reads] == [code for _, code in reads]
    assert build.ecs.describe_clusters(clusters=["E"])["failures"][0]["reason"] == "MISSING"
    named = [{"Name": "group-name", "Values": ["E-web"]}]
    assert build.ec2.describe_security_groups(Filters=named)["SecurityGroups"] == []
    assert code_of(lambda: build.group()) == "InvalidGroup.Duplicate"
    endpoint.advance(11)
    assert [code_of(read) for read, _ in reads] == ["", "", "", ""]


def test_the_tagging_api_lags(build: Builder, endpoint: Endpoint) -> None:
    tagging = endpoint.client("resourcegroupstaggingapi")
    wanted = [{"Key": "Environment", "Values": ["E"]}]

    def found(**given: Any) -> list[str]:
        pages = tagging.get_paginator("get_resources").paginate(**given)
        return [r["ResourceARN"] for p in pages for r in p["ResourceTagMappingList"]]
    endpoint.speed(0.001)
    arn = build.ecs.create_cluster(clusterName="E", tags=[
        {"key": "Environment", "value": "E"}])["cluster"]["clusterArn"]
    assert found(TagFilters=wanted) == []
    endpoint.advance(61)
    assert found(TagFilters=wanted, ResourceTypeFilters=["ecs:cluster"]) == [arn]
    assert found(TagFilters=wanted, ResourceTypeFilters=["ecs:service"]) == []
    build.ecs.untag_resource(resourceArn=arn, tagKeys=["Environment"])
    assert found(TagFilters=wanted) == [arn]
    endpoint.advance(61)
    assert found(TagFilters=wanted) == []
    assert arn in found()  # "previously tagged"


# --- who looks ---

def test_the_record_counts_tries(build: Builder, endpoint: Endpoint) -> None:
    endpoint.fault(fault="throttle", action="CreateCluster", to=2)
    for _ in range(3):
        code_of(lambda: build.ecs.create_cluster(clusterName="E"))
    assert [c["attempt"] for c in endpoint.calls("ecs", "CreateCluster")] == [1, 2, 3]
    endpoint.expect("ecs", "CreateCluster", times=3, attempts=3, clusterName="E")
    with pytest.raises(AssertionError):
        endpoint.expect("ecs", "CreateCluster", times=1)
    with pytest.raises(AssertionError):
        endpoint.expect_no_writes()
    endpoint.record_clear()
    build.ecs.list_clusters()
    endpoint.expect_no_writes()
    call = endpoint.record()[0]
    assert call["principal"].endswith(":user/berth") and call["invocation"]
    assert call["bytes_in"] == 2 and call["bytes_out"] > 10 and call["end"] >= call["start"]


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_aws_cli(endpoint: Endpoint) -> None:
    def aws(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["aws", "--endpoint-url", endpoint.url, "--output", "json", *words],
                              capture_output=True, text=True, timeout=120, env={
                                  **endpoint.environ(), "AWS_MAX_ATTEMPTS": "1"})
    made = aws("ecs", "create-cluster", "--cluster-name", "cli")
    assert json.loads(made.stdout)["cluster"]["status"] == "ACTIVE", made.stderr
    vpcs = json.loads(aws("ec2", "describe-vpcs", "--filters",
                          "Name=tag:Name,Values=mettel-automation-vpc-dev").stdout)["Vpcs"]
    assert [v["CidrBlock"] for v in vpcs] == ["10.2.0.0/16"]
    assert "NoSuchEntity" in aws("iam", "get-role", "--role-name", "none").stderr
    assert error_of(lambda: endpoint.client("ecs").list_clusters())[2] == 200
