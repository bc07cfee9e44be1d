# SPDX-License-Identifier: MIT
"""After `basic-infra` and `deploy-branches`, boto3 finds MetTel's environment, and nothing else."""

from __future__ import annotations

import re
from collections import Counter

import pytest

import mettel
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World


@pytest.fixture
def deployed(ready: World) -> World:
    ready.result = ready.deploy()  # type: ignore[attr-defined]
    return ready


def tags_of(listed: list[dict[str, str]]) -> dict[str, str]:
    return {tag.get("key") or tag["Key"]: tag.get("value") or tag["Value"] for tag in listed}


def is_ours(tags: dict[str, str], name: str) -> bool:
    return tags.items() >= {"Environment": ENVIRONMENT, "berth:project": str(PROJECT_ID),
                            "berth:ref": BRANCH, "berth:name": name}.items()


def test_everything_is_there(deployed: World) -> None:
    check_repositories_and_roles(deployed)
    check_cluster(deployed)
    for name, expected in mettel.SERVICES.items():
        check_service(deployed, name, expected)
        check_definition(deployed, name, expected)
        check_security_group(deployed, name, expected)
    check_discovery(deployed)
    check_tags(deployed)
    check_logs(deployed)
    check_redis(deployed)
    check_records(deployed)
    check_stack(deployed)
    assert f"Job succeeded" in deployed.result.log


def check_repositories_and_roles(world: World) -> None:
    repositories = world.aws.client("ecr").describe_repositories()["repositories"]
    assert {r["repositoryName"] for r in repositories} == set(mettel.REPOSITORIES)
    iam = world.aws.client("iam")
    for role, (principal, policy) in mettel.ROLES.items():
        found = iam.get_role(RoleName=role)["Role"]
        statement = found["AssumeRolePolicyDocument"]["Statement"][0]
        assert statement["Principal"] == {"Service": principal}
        assert iam.list_role_policies(RoleName=role)["PolicyNames"] == [policy]
    document = iam.get_role_policy(RoleName="ecs_task_execution_role",
                                   PolicyName="ecs_execution_role_policy")["PolicyDocument"]
    assert "ecr:BatchGetImage" in document["Statement"][0]["Action"]


def check_cluster(world: World) -> None:
    ecs = world.aws.client("ecs")
    cluster = ecs.describe_clusters(clusters=[ENVIRONMENT], include=["TAGS", "SETTINGS"])["clusters"][0]
    assert cluster["status"] == "ACTIVE"
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    tags = tags_of(cluster["tags"])
    assert is_ours(tags, ENVIRONMENT) or is_ours(tags, "cluster")
    assert tags["berth:pipeline"] == str(world.pipeline)
    arns = ecs.get_paginator("list_services").paginate(cluster=ENVIRONMENT).build_full_result()
    assert len(arns["serviceArns"]) == len(mettel.SERVICES)


def check_service(world: World, name: str, expected: mettel.Service) -> None:
    service = world.service(name)
    assert service["status"] == "ACTIVE"
    assert service["runningCount"] == service["desiredCount"] == expected.count
    assert service["launchType"] == "FARGATE"
    assert [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]
    assert service["deploymentConfiguration"]["deploymentCircuitBreaker"] == {
        "enable": True, "rollback": True}
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    assert network["assignPublicIp"] == "DISABLED"
    ec2 = world.aws.client("ec2")
    subnets = ec2.describe_subnets(SubnetIds=network["subnets"])["Subnets"]
    assert {s["CidrBlock"] for s in subnets} == {"10.2.11.0/24", "10.2.12.0/24"}
    assert is_ours(tags_of(service["tags"]), name)


def check_definition(world: World, name: str, expected: mettel.Service) -> None:
    definition = world.definition(name)
    assert definition["family"] == f"{ENVIRONMENT}-{name}"
    assert (definition["cpu"], definition["memory"]) == (str(expected.cpu), str(expected.memory))
    assert definition["requiresCompatibilities"] == ["FARGATE"]
    for role in ("executionRoleArn", "taskRoleArn"):
        assert definition[role].endswith(":role/ecs_task_execution_role")
    [container] = definition["containerDefinitions"]
    assert container["name"] == (expected.container or name)
    repository = expected.repository or f"automation-{name}"
    assert re.fullmatch(rf"\d+\.dkr\.ecr\.us-east-1\.amazonaws\.com/{repository}@sha256:[0-9a-f]{{64}}",
                        container["image"])
    assert {p["containerPort"] for p in container["portMappings"]} == set(expected.ports)
    common = set() if expected.plain else {"PYTHONUNBUFFERED", "NATS_SERVER1"}
    assert {e["name"] for e in container["environment"]} == expected.environment | common
    assert {s["name"] for s in container.get("secrets", [])} == expected.secrets
    health = container["healthCheck"]
    assert f"localhost:{expected.health_port}{expected.health_path}" in health["command"][1]
    assert (health["interval"], health["timeout"], health["retries"], health["startPeriod"]) == (
        expected.interval, 5, expected.retries, 30)
    assert container["logConfiguration"] == {"logDriver": "awslogs", "options": {
        "awslogs-group": ENVIRONMENT, "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": ENVIRONMENT}}


def test_environment_variables_have_their_values(deployed: World) -> None:
    [container] = deployed.definition("bruin-bridge")["containerDefinitions"]
    values = {e["name"]: e["value"] for e in container["environment"]}
    assert values["NATS_SERVER1"] == f"nats://nats-server-{ENVIRONMENT}.{ENVIRONMENT}.local:4222"
    assert values["BRUIN_BASE_URL"] == "https://bruin-api.example.com/api"
    [secret] = container["secrets"]
    assert secret["valueFrom"].endswith(":parameter/mettel/BRUIN_CLIENT_SECRET")


def check_security_group(world: World, name: str, expected: mettel.Service) -> None:
    ec2 = world.aws.client("ec2")
    [group] = ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"{ENVIRONMENT}-{name}"]}])["SecurityGroups"]
    rules = {(p["IpProtocol"], p.get("FromPort"), p.get("ToPort"), r["CidrIp"])
             for p in group["IpPermissions"] for r in p["IpRanges"]}
    sources = {"vpc": mettel.VPC_CIDR["ephemeral"], mettel.ANYWHERE: mettel.ANYWHERE}
    assert rules == {("tcp", port, port, sources[source])
                     for port, source in expected.ports.items()} | {("icmp", 8, -1, mettel.ANYWHERE)}
    assert [p["IpProtocol"] for p in group["IpPermissionsEgress"]] == ["-1"]
    assert is_ours(tags_of(group["Tags"]), name)
    service = world.service(name)
    assert service["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"] == [group["GroupId"]]


def check_discovery(world: World) -> None:
    cloudmap = world.aws.client("servicediscovery")
    [namespace] = [n for n in cloudmap.list_namespaces()["Namespaces"]
                   if n["Name"] == f"{ENVIRONMENT}.local"]
    listed = cloudmap.get_paginator("list_services").paginate(
        Filters=[{"Name": "NAMESPACE_ID", "Values": [namespace["Id"]]}]).build_full_result()["Services"]
    names = {f"{s.discovery or name}-{ENVIRONMENT}" for name, s in mettel.SERVICES.items()
             if s.discovery is not None}
    assert {s["Name"] for s in listed} == names and len(names) == 12
    for service in listed:
        assert service["DnsConfig"]["RoutingPolicy"] == "MULTIVALUE"
        assert service["DnsConfig"]["DnsRecords"] == [{"Type": "A", "TTL": 10}]
        assert service["HealthCheckCustomConfig"] == {"FailureThreshold": 1}
    registries = {s["serviceRegistries"][0]["registryArn"]
                  for _, s in world.services() if s["serviceRegistries"]}
    assert registries == {s["Arn"] for s in listed}


def check_tags(world: World) -> None:
    """Whatever AWS lets one tag is found by the environment's tag: so many of each kind."""
    mappings = world.aws.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(
        TagFilters=[{"Key": "Environment", "Values": [ENVIRONMENT]}]).build_full_result()
    parts = [m["ResourceARN"].split(":", 5) for m in mappings["ResourceTagMappingList"]]
    kinds = Counter(f"{p[2]} {p[5].replace(':', '/').split('/')[0]}" if p[2] != "sns" else p[2]
                    for p in parts)
    assert kinds == {
        "ec2 security-group": len(mettel.SERVICES) + 2, "servicediscovery namespace": 1,
        "servicediscovery service": 12, "logs log-group": 1, "ecs cluster": 1,
        "ecs service": len(mettel.SERVICES), "ecs task-definition": len(mettel.SERVICES),
        "ecs task": sum(s.count for s in mettel.SERVICES.values()),
        "elasticache cluster": 1, "elasticache subnetgroup": 1,
        "elasticloadbalancing loadbalancer": 1, "elasticloadbalancing listener": 2,
        "elasticloadbalancing targetgroup": 2, "cloudformation stack": 1, "sns": 1,
        "cloudwatch alarm": len(mettel.SERVICES) + len(mettel.LOG_METRICS)}


def check_logs(world: World) -> None:
    logs = world.aws.client("logs")
    [group] = logs.describe_log_groups(logGroupNamePrefix=ENVIRONMENT)["logGroups"]
    assert group["retentionInDays"] == 30
    filters = logs.describe_metric_filters(logGroupName=ENVIRONMENT)["metricFilters"]
    assert {(f["filterPattern"], f["metricTransformations"][0]["metricName"]) for f in filters} == {
        ('": ERROR"', f"ErrorsMessagesDetectedInServices-{ENVIRONMENT}"),
        ("Exception", f"ExceptionMessagesDetectedInServices-{ENVIRONMENT}")}


def check_stack(world: World) -> None:
    [stack] = world.aws.client("cloudformation").describe_stacks()["Stacks"]
    assert stack["StackName"] == mettel.STACK.format(ENVIRONMENT)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert [(p["ParameterKey"], p["ParameterValue"]) for p in stack["Parameters"]] == [
        ("OperatorEmail", mettel.OPERATOR)]
    sns = world.aws.client("sns")
    [topic] = sns.list_topics()["Topics"]
    assert [(o["OutputKey"], o["OutputValue"]) for o in stack["Outputs"]] == [
        ("TopicARN", topic["TopicArn"])]
    [subscription] = sns.list_subscriptions_by_topic(TopicArn=topic["TopicArn"])["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", mettel.OPERATOR)
    assert is_ours(tags_of(stack["Tags"]), "notifications")


def check_redis(world: World) -> None:
    cache, ec2 = world.aws.client("elasticache"), world.aws.client("ec2")
    [cluster] = cache.describe_cache_clusters(ShowCacheNodeInfo=True)["CacheClusters"]
    assert cluster["CacheClusterId"] == ENVIRONMENT
    assert cluster.items() >= mettel.REDIS_CLUSTER.items()
    assert cluster["CacheParameterGroup"]["CacheParameterGroupName"] == mettel.REDIS_PARAMETERS
    endpoint = cluster["CacheNodes"][0]["Endpoint"]
    assert endpoint["Port"] == mettel.REDIS_PORT
    [subnets] = cache.describe_cache_subnet_groups()["CacheSubnetGroups"]
    assert subnets["CacheSubnetGroupName"] == cluster["CacheSubnetGroupName"] \
        == f"{ENVIRONMENT}-redis-subnet"
    ids = [s["SubnetIdentifier"] for s in subnets["Subnets"]]
    assert {s["CidrBlock"] for s in ec2.describe_subnets(SubnetIds=ids)["Subnets"]} \
        == mettel.PRIVATE_CIDRS
    [group] = ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"{ENVIRONMENT}-redis-sg"]}])["SecurityGroups"]
    assert [g["SecurityGroupId"] for g in cluster["SecurityGroups"]] == [group["GroupId"]]
    assert {(p["IpProtocol"], p["FromPort"], p["ToPort"], r["CidrIp"])
            for p in group["IpPermissions"] for r in p["IpRanges"]} == {
                ("tcp", mettel.REDIS_PORT, mettel.REDIS_PORT, cidr) for cidr in mettel.PRIVATE_CIDRS}
    for arn in (cluster["ARN"], subnets["ARN"]):
        assert is_ours(tags_of(cache.list_tags_for_resource(ResourceName=arn)["TagList"]), "redis")
    assert is_ours(tags_of(group["Tags"]), "redis-sg")
    named = {name: [e["value"] for c in world.definition(name)["containerDefinitions"]
                    for e in c["environment"] if e["name"] == "REDIS_HOSTNAME"]
             for name in mettel.SERVICES}
    assert {name: hosts for name, hosts in named.items() if hosts} == {
        "service-outage-monitor": [endpoint["Address"]], "sites-monitor": [endpoint["Address"]]}


def test_nats_is_healthy_before_the_others_start(ready: World) -> None:
    """boto3's description of nats-server, taken by the endpoint's record of the calls: no other
    service is created before a DescribeServices has seen nats-server's deployment complete."""
    ready.deploy()
    created = [c for c in ready.aws.calls(service="ecs", action="CreateService")]
    assert created[0]["input"]["serviceName"] == f"{ENVIRONMENT}-nats-server"
    independent = {f"{ENVIRONMENT}-{name}" for name in ("nats-server",)}
    polls = [c for c in ready.aws.calls(service="ecs", action="DescribeServices")
             if c["start"] > created[0]["end"]]
    for call in created[1:]:
        assert call["input"]["serviceName"] not in independent
        assert polls and polls[0]["end"] <= call["start"]


def check_records(world: World) -> None:
    route53 = world.aws.client("route53")
    [zone] = route53.list_hosted_zones_by_name(DNSName=mettel.ZONE)["HostedZones"]
    name = f"{ENVIRONMENT.removeprefix('automation-')}.{mettel.ZONE}."
    [balancer] = world.aws.client("elbv2").describe_load_balancers(
        Names=[ENVIRONMENT])["LoadBalancers"]
    found = {(r["Name"], r["Type"]): r for r in route53.list_resource_record_sets(
        HostedZoneId=zone["Id"])["ResourceRecordSets"] if r["Type"] not in ("NS", "SOA")}
    assert found.pop((name, "A")) == {"Name": name, "Type": "A", "AliasTarget": {
        "HostedZoneId": balancer["CanonicalHostedZoneId"], "EvaluateTargetHealth": True,
        "DNSName": balancer["DNSName"].lower() + "."}}
    [owner] = found.pop((f"_berth-a.{name}", "TXT"))["ResourceRecords"]
    said = dict(part.split("=", 1) for part in owner["Value"].strip('"').split(","))
    assert said.pop("heritage") == "berth" and is_ours(said, "environment")
    assert found == {}


def test_the_url_is_an_output(deployed: World) -> None:
    result = deployed.deploy(script=['echo "URL=$BERTH_URL"'])
    assert f"URL=https://{ENVIRONMENT.removeprefix('automation-')}.{mettel.ZONE}/" in result.log
