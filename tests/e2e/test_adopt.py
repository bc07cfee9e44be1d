# SPDX-License-Identifier: MIT
"""berth adopt: an environment that was made by other means becomes berth's, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import terraform
import unowned
from policed import Police, actions_for
from world import BRANCH, ENVIRONMENT, PROJECT_ID, World


def adopt(world: World, *arguments: str, code: int | None = 0) -> Any:
    done = world.unpoliced().berth("adopt", "--json", f"--project={PROJECT_ID}", f"--ref={BRANCH}",
                                   *world.given_variables(), *arguments, code=code)
    return json.loads(done.stdout)


def text(world: World, *arguments: str) -> tuple[str, str]:
    done = world.unpoliced().berth("adopt", f"--ref={BRANCH}", *world.given_variables(), *arguments)
    return done.stdout, done.stderr


def changes(world: World) -> list[str]:
    return [r["address"] for r in world.berth_json("plan")["resources"] if r["action"] != "none"]


def test_a_terraform_like_environment_is_adopted_and_plans_nothing(ready: World) -> None:
    ready.deploy()
    assert changes(ready) == []
    unowned.strip(ready)
    # The VPC that a namespace is in, and what a stack has passed on, are no claims.
    assert set(unowned.arns(ready)) <= {"servicediscovery", "sns"}
    assert ready.berth("plan", f"--ref={BRANCH}", *ready.given_variables(), code=None).returncode
    ready.aws.record_clear()
    plan = adopt(ready)
    assert ready.writes() == [] and plan["schema"] == "berth-adopt/1" and plan["own"] == 0
    assert {r["action"] for r in plan["resources"]} == {"adopt"} and plan["strays"] == []
    types = {r["type"] for r in plan["resources"]}
    assert types == {
        "alb.load_balancer", "alb.target_group", "cloudformation.stack", "cloudmap.namespace",
        "cloudwatch.alarm", "cloudwatch.dashboard", "ecs.cluster", "ecs.service",
        "ecs.task_definition", "elasticache.cluster", "elasticache.subnet_group", "logs.group",
        "route53.records", "security_group"}

    done = adopt(ready, "--yes")
    assert done["succeeded"] and all(r["adopted"] for r in done["resources"])
    assert len(done["resources"]) == len(plan["resources"])
    kinds = {w.partition(".")[2] for w in ready.writes()}
    assert kinds == {"AddTags", "AddTagsToResource", "ChangeResourceRecordSets", "CreateTags",
                     "TagResource", "UpdateStack"}
    # One call for each, and records in one batch of their zone.
    assert len(ready.writes()) == len(done["resources"])
    assert changes(ready) == []
    ready.aws.record_clear()
    log = ready.deploy().log
    assert "nothing to do" in log and ready.writes() == []
    again = adopt(ready, "--yes")
    assert again["resources"] == [] and again["own"] == len(done["resources"])


def test_the_printed_policy_is_enough_and_no_more(ready: World) -> None:
    ready.keep_services("notifier")
    ready.deploy()
    unowned.strip(ready)
    ready.police = Police(ready, "adopt")
    ready.police.without = {("FirewallAdopt", "ec2:CreateTags")}
    command = ("adopt", "--json", "--yes", f"--ref={BRANCH}", *ready.given_variables())
    done = json.loads(ready.berth(*command, code=2).stdout)
    assert "ec2:CreateTags" in done["error"]
    left = {r["type"] for r in done["resources"] if not r["adopted"]}
    assert left == {"security_group"}
    ready.police.without = set()
    done = json.loads(ready.berth(*command).stdout)
    assert done["succeeded"] and {r["type"] for r in done["resources"]} == left
    actions = actions_for(ready, "ephemeral", "adopt")
    assert "ec2:CreateTags" in actions
    assert not [a for a in actions - {"ec2:CreateTags"} if ":Create" in a or ":Delete" in a]


def deployments(world: World) -> dict[str, str]:
    return {name: world.service(name)["deployments"][0]["id"] for name in terraform.SERVICES}


def test_what_terraform_made_is_adopted_and_goes_on(ready: World) -> None:
    """Other calls, other shapes, the same environment: nothing of it is made anew."""
    terraform.write_spec(ready)
    terraform.Terraform(ready).apply()
    before = deployments(ready)
    refused = ready.berth("plan", f"--ref={BRANCH}", *ready.given_variables(), code=1)
    assert "in the way of environment" in refused.stderr
    ready.aws.record_clear()
    done = adopt(ready, "--yes")
    assert done["succeeded"] and done["strays"] == []
    assert {r["action"] for r in done["resources"]} == {"adopt"}
    assert len(ready.writes()) == len(done["resources"])
    plan = {r["address"]: r for r in ready.berth_json("plan")["resources"] if r["action"] != "none"}
    # Terraform passes no tags on to tasks unless it is told to.
    assert {address: sorted(c["path"] for c in r["changes"]) for address, r in plan.items()} == {
        f"ecs.service/{name}": ["enableECSManagedTags", "propagateTags"]
        for name in terraform.SERVICES}
    ready.aws.record_clear()
    ready.deploy()
    assert set(ready.writes()) <= {"ecs.UpdateService", "ecs.TagResource"}
    assert deployments(ready) == before
    assert changes(ready) == []


def test_nothing_there_is_nothing_to_adopt(ready: World) -> None:
    out, said = text(ready, "--yes")
    assert out == f"{ENVIRONMENT}: 0 to adopt, 0 its own already, 0 left alone\n"
    assert ready.writes() == []


def test_what_is_anothers_is_named_and_left(three: World) -> None:
    unowned.strip(three)
    aws = three.aws
    [group] = aws.client("ec2").describe_security_groups(Filters=[
        {"Name": "group-name", "Values": [f"{ENVIRONMENT}-notifier"]}])["SecurityGroups"]
    aws.client("ec2").create_tags(Resources=[group["GroupId"]], Tags=[
        {"Key": "Environment", "Value": "automation-36763184"}])
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{ENVIRONMENT}"
    aws.client("logs").tag_resource(resourceArn=arn, tags={"berth:project": "78"})
    aws.client("logs").create_log_group(logGroupName="elsewhere", tags={"Environment": ENVIRONMENT})
    out, said = text(three)
    assert "nothing is adopted without '--yes'" in said
    assert (f"leave   security group '{ENVIRONMENT}-notifier': it has the tag "
            "Environment=automation-36763184\n") in out
    assert f"leave   log group '{ENVIRONMENT}': it has the tag berth:project=78" in out
    assert "log-group:elsewhere: it has the tag Environment=" in out
    assert f"adopt   service '{ENVIRONMENT}-notifier'\n" in out
    three.aws.record_clear()
    out, _ = text(three, "--yes")
    assert f"adopted service '{ENVIRONMENT}-notifier'\n" in out
    [group] = aws.client("ec2").describe_security_groups(GroupIds=[group["GroupId"]])[
        "SecurityGroups"]
    assert {t["Key"] for t in group["Tags"]} == {"Environment", "Name"}
    assert aws.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]["berth:project"] == \
        "78"
    assert "logs.TagResource" not in three.writes()


def test_a_record_of_another_stays_anothers(three: World) -> None:
    [(zone, record)] = unowned.owner_records(three, ENVIRONMENT)
    record["ResourceRecords"] = [{"Value": '"heritage=berth,Environment=automation-36763184,'
                                           'berth:project=77,berth:ref=dev/fix/JIRA-12"'}]
    three.aws.client("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [
            {"Action": "UPSERT", "ResourceRecordSet": record}]})
    three.aws.record_clear()
    done = adopt(three, "--yes")
    assert three.writes() == []
    [left] = done["resources"]
    assert left["type"] == "route53.records" and left["action"] == "leave"
    assert "automation-36763184" in left["why"]


def test_one_that_fails_does_not_stop_the_others(three: World) -> None:
    unowned.strip(three)
    three.aws.fault(service="ec2", action="CreateTags", fault="error",
                    code="UnauthorizedOperation", message="no", status=403)
    done = adopt(three, "--yes", code=2)
    assert not done["succeeded"] and "UnauthorizedOperation" in done["error"]
    failed = {r["type"] for r in done["resources"] if not r["adopted"]}
    assert failed == {"security_group"}
    three.aws.clear_faults()
    assert adopt(three, "--yes")["succeeded"]
    assert changes(three) == []


def test_a_cache_is_adopted_by_tags_of_its_own(three: World) -> None:
    """Elsewhere its subnet group tells whose it is, also where its own tags could not be written."""
    unowned.strip(three)
    cache = three.aws.client("elasticache")
    [cluster] = cache.describe_cache_clusters(CacheClusterId=ENVIRONMENT)["CacheClusters"]
    three.aws.fault(service="elasticache", action="AddTagsToResource", fault="error", status=400,
                    match={"ResourceName": cluster["ARN"]}, code="InvalidCacheClusterState",
                    message="not now")
    done = adopt(three, "--yes", code=2)
    assert {r["type"] for r in done["resources"] if not r["adopted"]} == {"elasticache.cluster"}
    three.aws.clear_faults()
    [again] = adopt(three)["resources"]
    assert again["type"] == "elasticache.cluster" and again["action"] == "adopt"
    assert adopt(three, "--yes")["succeeded"]
    tags = cache.list_tags_for_resource(ResourceName=cluster["ARN"])["TagList"]
    assert {"Key": "berth:ref", "Value": BRANCH} in tags
    assert adopt(three)["resources"] == []


def test_a_stack_that_takes_its_tags_back_says_why(three: World) -> None:
    """CloudFormation passes them on to what the stack holds, which somebody has to be allowed."""
    unowned.strip(three)
    three.aws.fault(fault="failed", service="cloudformation", message="not authorized",
                    match={"LogicalResourceId": "AlarmTopic"})
    done = adopt(three, "--yes", code=2)
    [failed] = [r for r in done["resources"] if not r["adopted"]]
    assert failed["type"] == "cloudformation.stack"
    assert ("UPDATE_ROLLBACK_COMPLETE: AlarmTopic (AWS::SNS::Topic) UPDATE_FAILED: not authorized"
            in failed["error"])
    three.aws.clear_faults()
    assert adopt(three, "--yes")["succeeded"]
    assert changes(three) == []


def test_two_answers_at_once_are_none(three: World) -> None:
    done = three.berth("adopt", f"--ref={BRANCH}", "--plan", "--yes", code=None)
    assert done.returncode == 1 and "give one of them" in done.stderr
