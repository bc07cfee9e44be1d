"""What AWS refuses and moto accepts, a test for each row of `refused`; and what AWS does not refuse
but does otherwise than moto: lists, what comes late, what the record says.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .build import TRUST, Builder, code_of, error_of
from .endpoint import Endpoint
from .refused import Row, cloudformation, cloudmap, cloudwatch, ec2, ecs, others

AWS = shutil.which("aws", path=str(Path(__file__).parents[2] / "build" / "awscli" / "bin")) \
    or shutil.which("aws")
ROWS = [*cloudformation.ROWS, *ecs.ROWS, *ec2.ROWS, *cloudmap.ROWS, *cloudwatch.ROWS,
        *others.ROWS]


@pytest.fixture
def build(endpoint: Endpoint) -> Builder:
    return Builder(endpoint)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_refused(endpoint: Endpoint, row: Row) -> None:
    """By the last of its calls alone: the ones before it are carried out."""
    build = Builder(endpoint, checked=False)
    code, message, _ = error_of(lambda: row.call(build))
    assert code == row.code, f"{message} (see {row.source})"
    refused = [call["code"] for call in endpoint.record() if call["status"] >= 400]
    assert refused == ([row.code] if row.code else [])


def test_a_rule_is_there_once() -> None:
    rules = [(row.source, row.rule) for row in ROWS]
    assert len(set(rules)) == len(rules) > 200
    assert all(row.source.startswith("https://") for row in ROWS)


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


# --- lists ---

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


def test_the_tagging_api_knows_what_was_there_before_time_passed(build: Builder,
                                                                 endpoint: Endpoint) -> None:
    endpoint.speed("instant")
    tags = [{"key": "Environment", "value": "E"}]
    arn = build.ecs.create_cluster(clusterName="E", tags=tags)["cluster"]["clusterArn"]
    endpoint.speed(60)
    found = endpoint.client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "Environment", "Values": ["E"]}])["ResourceTagMappingList"]
    assert [r["ResourceARN"] for r in found] == [arn]


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


@pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed")
def test_the_aws_cli(endpoint: Endpoint) -> None:
    def aws(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(AWS), "--endpoint-url", endpoint.url, "--output", "json", *words],
                              capture_output=True, text=True, timeout=120, env={
                                  **endpoint.environ(), "AWS_MAX_ATTEMPTS": "1"})
    made = aws("ecs", "create-cluster", "--cluster-name", "cli")
    assert json.loads(made.stdout)["cluster"]["status"] == "ACTIVE", made.stderr
    vpcs = json.loads(aws("ec2", "describe-vpcs", "--filters",
                          "Name=tag:Name,Values=mettel-automation-vpc-dev").stdout)["Vpcs"]
    assert [v["CidrBlock"] for v in vpcs] == ["10.2.0.0/16"]
    assert "NoSuchEntity" in aws("iam", "get-role", "--role-name", "none").stderr
    assert error_of(lambda: endpoint.client("ecs").list_clusters())[2] == 200
