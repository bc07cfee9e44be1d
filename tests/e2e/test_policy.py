# SPDX-License-Identifier: MIT
"""`berth iam-policy`: what it prints is enough for the jobs, and no more.

A sample of what `make policy` does with all end-to-end tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws.endpoint import ACCOUNT, REGION
from aws.identity import JOBS_KEY, JOBS_SECRET
from policed import Police
from world import ENVIRONMENT, World

LIMIT = 6144  # characters of a managed policy; IAM does not count white space


@pytest.fixture
def policed(ready: World) -> World:
    ready.police = Police(ready)
    return ready


def policy(world: World, *arguments: str) -> str:
    return world.berth("iam-policy", f"--account={ACCOUNT}", *arguments).stdout


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


# --- the command ---

@pytest.mark.parametrize("kind", ["production", "ephemeral"])
def test_iam_takes_what_is_printed(world: World, kind: str) -> None:
    """Part by part; moto checks a document's grammar as IAM does."""
    made = json.loads(policy(world, f"--kind={kind}", "--json"))
    assert made["schema"] == "berth-iam-policy/1" and made["kind"] == kind
    count = len(made["policies"])
    assert count > 1 and any(f"it takes {count} policies" in w for w in made["warnings"])
    iam = world.aws.client("iam")
    for number, one in enumerate(made["policies"], 1):
        text = policy(world, f"--kind={kind}", f"--part={number}")
        assert json.loads(text) == one["document"]
        assert one["size"] == len("".join(text.split())) <= LIMIT
        assert one["name"] == f"berth-automation-{kind}-{number}"
        iam.create_policy(PolicyName=one["name"], PolicyDocument=text)
    sids = [s["Sid"] for p in made["policies"] for s in p["document"]["Statement"]]
    assert len(sids) == len(set(sids))
    text = json.dumps(made["policies"])
    assert ("iam:UpdateRole" in text) == (kind == "production")
    assert ("automation-master" in text) == (kind == "production")
    assert ("automation-????????" in text) == (kind == "ephemeral")


def test_mistakes_in_the_command(world: World) -> None:
    for arguments, message in (
            ((), "'--kind production' or '--kind ephemeral'"),
            (("--kind=staging",), "there is no kind 'staging'"),
            (("--kind=ephemeral", "--part=9"), "there is no part 9: it takes"),
            (("--kind=ephemeral", "x"), "there is nothing that 'x' could be")):
        assert message in world.berth("iam-policy", *arguments, code=1).stderr
    said = world.berth("iam-policy", "--kind=ephemeral")
    assert "names no 'roleArn'" in said.stderr and ":ACCOUNT:cluster/" in said.stdout
    world.config["projects"]["77"]["ephemeral"]["roleArn"] = "arn:aws-cn:iam::210987654321:role/x"
    world.write_config()
    said = world.berth("iam-policy", "--kind=ephemeral")
    assert "roleArn" not in said.stderr
    assert f"arn:aws-cn:ecs:{REGION}:210987654321:cluster/automation-????????" in said.stdout


def test_images_of_the_account_that_is_given(world: World) -> None:
    """By its number and by its name in a spec; those of others are not berth's to look at."""
    registry = "dkr.ecr.us-east-1.amazonaws.com"
    spec = world.spec()
    for service, account in (("notifier", ACCOUNT), ("t7-bridge", "${ACCOUNT_ID}"),
                             ("sites-monitor", "210987654321")):
        spec["services"][service].pop("module")
        spec["services"][service]["image"] = f"{account}.{registry}/images/{service}:1"
    world.write_spec(spec)
    text = policy(world, "--kind=ephemeral")
    assert arn("ecr", "repository/images/notifier") in text
    assert arn("ecr", "repository/images/t7-bridge") in text
    assert "images/sites-monitor" not in text


# --- enough ---

def test_a_policy_is_enough(policed: World) -> None:
    """From nothing, unchanged, changed, a service less."""
    policed.keep_services("metrics-grafana", "notifier")
    policed.deploy()
    policed.deploy()
    spec = policed.spec()
    spec["services"]["metrics-grafana"]["memory"] = 2048
    del spec["services"]["notifier"]
    spec["logs"]["retentionInDays"] = 7
    policed.write_spec(spec)
    policed.aws.record_clear()
    policed.deploy()
    assert {"ecs.UpdateService", "ecs.DeleteService", "ec2.DeleteSecurityGroup",
            "logs.PutRetentionPolicy", "ecs.TagResource"} <= set(policed.writes())


def test_a_policy_is_enough_for_infra(world: World) -> None:
    """Of an ephemeral branch in an empty account, and of production, which also changes it."""
    world.police = Police(world)
    world.basic_infra()
    iam = world.aws.client("iam")
    iam.update_assume_role_policy(RoleName="ecs_role", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole"}]}))
    result = world.job("basic-infra", "master", protected=True)
    assert result.exit_code == 0, result.log
    trust = iam.get_role(RoleName="ecs_role")["Role"]["AssumeRolePolicyDocument"]
    assert "ecs.amazonaws.com" in json.dumps(trust)


def test_a_policy_is_enough_without_a_cache(policed: World) -> None:
    """Which is looked for: a spec that had one may have lost it."""
    policed.keep_services("notifier")
    spec = policed.spec()
    del spec["redis"]
    policed.write_spec(spec)
    assert policed.police is not None
    policed.police.standing = ()
    policed.deploy()
    assert "elasticache.DescribeCacheClusters" in policed.reads()
    policed.police.without = {("CacheLook", "elasticache:DescribeCacheClusters")}
    result = policed.job("deploy-branches", retry_pause=0)
    assert result.exit_code == 2, result.log
    assert "allow 'elasticache:DescribeCacheClusters' on" in result.log


# --- and no more ---

def denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"), code
        return True
    return False


def test_nothing_else_is_allowed(policed: World) -> None:
    """Of another environment, of production, of nobody's; nor is anything made ours by a tag."""
    ecs, ec2 = policed.aws.client("ecs"), policed.aws.client("ec2")
    ours = [{"key": "Environment", "value": ENVIRONMENT}, {"key": "berth:project", "value": "77"}]
    ecs.create_cluster(clusterName="automation-master", tags=ours)
    ecs.create_cluster(clusterName="automation-87654321")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [
        "mettel-automation-vpc-production"]}])["Vpcs"][0]["VpcId"]
    foreign = ec2.create_security_group(GroupName="x", Description="x", VpcId=vpc)["GroupId"]
    zone = policed.aws.client("route53").list_hosted_zones()["HostedZones"][0]["Id"]
    assert policed.police is not None
    policed.police.hold("ephemeral")
    jobs = lambda name: policed.aws.client_as(name, JOBS_KEY, JOBS_SECRET)  # noqa: E731
    ecs, ec2 = jobs("ecs"), jobs("ec2")
    tags = [{"Key": t["key"], "Value": t["value"]} for t in ours]
    record = {"Name": "www.mettel-automation.net", "Type": "A", "TTL": 60,
              "ResourceRecords": [{"Value": "192.0.2.1"}]}
    for call in (
            lambda: ecs.delete_cluster(cluster="automation-master"),
            lambda: ecs.delete_cluster(cluster="automation-87654321"),
            lambda: ecs.tag_resource(resourceArn=arn("ecs", "cluster/automation-master"),
                                     tags=ours),
            lambda: ecs.create_cluster(clusterName="automation-11111111"),
            lambda: ecs.create_cluster(clusterName="automation-11111111", tags=[
                {"key": "Environment", "value": "automation-master"}, ours[1]]),
            lambda: ecs.create_cluster(clusterName="other", tags=ours),
            lambda: ecs.list_services(cluster="automation-master"),
            lambda: ecs.register_task_definition(
                family=f"{ENVIRONMENT}-x", containerDefinitions=[{"name": "x", "image": "x"}],
                tags=ours, taskRoleArn=f"arn:aws:iam::{ACCOUNT}:role/ecs_role"),
            lambda: ec2.create_tags(Resources=[foreign], Tags=tags),
            lambda: ec2.delete_security_group(GroupId=foreign),
            lambda: ec2.create_security_group(
                GroupName="y", Description="y", VpcId=vpc, TagSpecifications=[
                    {"ResourceType": "security-group", "Tags": tags}]),
            lambda: jobs("route53").change_resource_record_sets(
                HostedZoneId=zone, ChangeBatch={"Changes": [
                    {"Action": "UPSERT", "ResourceRecordSet": record}]}),
            lambda: jobs("iam").update_role(RoleName="ecs_role"),
            lambda: jobs("ssm").get_parameters(Names=["/mettel/T7_TOKEN"])):
        assert denied(call)
    assert not denied(lambda: ecs.create_cluster(clusterName="automation-11111111", tags=[
        {"key": "Environment", "value": "automation-11111111"}, ours[1]]))


@pytest.mark.parametrize("sid,action,resource", [
    ("ClusterCreate", "ecs:CreateCluster", arn("ecs", f"cluster/{ENVIRONMENT}")),
    ("ClusterCreate", "ecs:RegisterTaskDefinition",
     arn("ecs", f"task-definition/{ENVIRONMENT}-notifier:*")),
    ("FirewallTag", "ec2:CreateTags", arn("ec2", "security-group/*")),
    ("Look", "servicediscovery:ListNamespaces", "")])
def test_an_action_less(policed: World, sid: str, action: str, resource: str) -> None:
    """The job is red, and says what it lacks, on what, and what to do."""
    policed.keep_services("notifier")
    assert policed.police is not None
    policed.police.without = {(sid, action)}
    result = policed.job("deploy-branches", retry_pause=0)
    assert result.exit_code == 2, result.log
    where = f"allow '{action}'" + (f" on '{resource}'" if resource else "")
    assert where in result.log and "'berth iam-policy' prints the policy" in result.log
    assert "user/berth-jobs is not authorized to perform" in result.log


def test_a_role_that_may_not_be_passed(policed: World) -> None:
    """It is asked before the first write."""
    policed.keep_services("notifier")
    assert policed.police is not None
    policed.police.without = {("TaskRole", "iam:PassRole")}
    result = policed.job("deploy-branches", retry_pause=0)
    assert result.exit_code == 2 and "no policy allows 'iam:PassRole'" in result.log, result.log
    assert f"arn:aws:iam::{ACCOUNT}:role/ecs_task_execution_role" in result.log
    policed.aws.expect_no_writes()
