# SPDX-License-Identifier: MIT
"""The load balancer: as asked for after a deploy, after a change of each field, and gone in the end.

boto3 is the witness throughout.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import mettel
from balanced import GRAFANA, Balanced, change, put, put_rules, rule, writes
from balanced import small, small_saved  # noqa: F401
from world import ENVIRONMENT, PROJECT_ID, World


def planned(world: World) -> dict[str, str]:
    return {r["address"]: r["action"] for r in world.berth_json("plan")["resources"]
            if r["action"] != "none"}


# -- what is there after a deploy ------------------------------------------------------------------

def test_boto3_finds_the_load_balancer(small: World) -> None:
    seen = Balanced(small)
    balancer = seen.balancer
    assert balancer["State"]["Code"] == "active" and balancer["Type"] == "application"
    assert balancer["Scheme"] == "internet-facing"
    ec2 = small.aws.client("ec2")
    subnets = ec2.describe_subnets(SubnetIds=[
        zone["SubnetId"] for zone in balancer["AvailabilityZones"]])["Subnets"]
    assert {s["CidrBlock"] for s in subnets} == mettel.PUBLIC_SUBNETS["ephemeral"]
    assert balancer["SecurityGroups"] == [seen.inbound()["GroupId"]]
    rules = {(p["IpProtocol"], p.get("FromPort"), r["CidrIp"])
             for p in seen.inbound()["IpPermissions"] for r in p["IpRanges"]}
    assert rules == mettel.INBOUND


def test_boto3_finds_listeners_and_target_groups(small: World) -> None:
    seen = Balanced(small)
    groups, listeners = seen.groups(), seen.listeners()
    assert set(listeners) == {80, 443}
    [redirect] = listeners[80]["DefaultActions"]
    assert redirect["RedirectConfig"].items() >= {
        "Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}.items()
    [forward] = listeners[443]["DefaultActions"]
    assert forward["TargetGroupArn"] == groups[GRAFANA]["TargetGroupArn"]
    [certificate] = small.aws.client("acm").list_certificates()["CertificateSummaryList"]
    assert listeners[443]["Protocol"] == "HTTPS"
    assert listeners[443]["Certificates"][0]["CertificateArn"] == certificate["CertificateArn"]
    assert set(groups) == {f"{ENVIRONMENT}-{name}" for name in mettel.TARGET_GROUPS}
    for name, expected in mettel.TARGET_GROUPS.items():
        found = groups[f"{ENVIRONMENT}-{name}"]
        assert found.items() >= expected.items()
    assert groups[f"{ENVIRONMENT}-frontend"]["LoadBalancerArns"] == []


def test_everything_has_its_tags(small: World) -> None:
    seen = Balanced(small)
    arns = {"loadBalancer": seen.balancer["LoadBalancerArn"]}
    arns |= {str(port): one["ListenerArn"] for port, one in seen.listeners().items()}
    arns |= {name.removeprefix(f"{ENVIRONMENT}-"): one["TargetGroupArn"]
             for name, one in seen.groups().items()}
    for name, arn in arns.items():
        tags = seen.tags(arn)
        assert tags["berth:name"] == name and tags["Environment"] == ENVIRONMENT
        assert tags["berth:project"] == str(PROJECT_ID)


def test_grafanas_tasks_are_healthy_in_their_group(small: World) -> None:
    assert Balanced(small).health() == ["healthy"]
    [balancer] = small.service("metrics-grafana")["loadBalancers"]
    assert (balancer["containerName"], balancer["containerPort"]) == ("grafana", 3000)


def test_nothing_to_do_writes_nothing(small: World) -> None:
    small.deploy()
    assert small.writes() == []
    elb = [r for r in small.reads() if r.startswith(("elasticloadbalancing.", "acm."))]
    assert len(elb) <= 13, sorted(elb)
    assert planned(small) == {}


# -- one field after the other ---------------------------------------------------------------------

def balancer_of(spec: dict[str, Any]) -> dict[str, Any]:
    return spec["loadBalancer"]


LB, TG, SERVICE = ("alb.load_balancer/loadBalancer", "alb.target_group/mts-grafana",
                   "ecs.service/metrics-grafana")
CHECK = ("loadBalancer", "targetGroups", "mts-grafana", "healthCheck")
# What is edited, the plan, and the calls that write: then back again, by the same calls.
TABLE: list[tuple[Callable[[dict[str, Any]], None], dict[str, str], list[str]]] = [
    (put("loadBalancer", "attributes", value={"idle_timeout.timeout_seconds": 120,
                                              "routing.http2.enabled": False}),
     {LB: "update"}, ["ModifyLoadBalancerAttributes"]),
    (put("loadBalancer", "allow", value=[{"port": [80, 443, 8222], "from": "anywhere"}]),
     {"security_group/inbound": "update"},
     ["ec2.AuthorizeSecurityGroupIngress", "ec2.RevokeSecurityGroupIngress"]),
    (put("loadBalancer", "subnets", value="private"), {LB: "update"}, ["SetSubnets"]),
    (put("loadBalancer", "listeners", "80", "defaultAction",
         value={"fixedResponse": {"statusCode": "410", "messageBody": "gone"}}),
     {"alb.listener/80": "update"}, ["ModifyListener"]),
    (put("loadBalancer", "listeners", "80", "defaultAction", "redirect", "statusCode",
         value="HTTP_302"), {"alb.listener/80": "update"}, ["ModifyListener"]),
    (put("loadBalancer", "listeners", "443", "sslPolicy",
         value="ELBSecurityPolicy-TLS13-1-2-2021-06"),
     {"alb.listener/443": "update"}, ["ModifyListener"]),
    (put("loadBalancer", "listeners", "443", "defaultAction", value={
        "forward": {"mts-grafana": 9, "frontend": 1}, "stickiness": 60}),
     {"alb.listener/443": "update"}, ["ModifyListener"]),
    (put("loadBalancer", "listeners", "80", value={
        "protocol": "HTTPS", "defaultAction": {"fixedResponse": {}}}),
     {"alb.listener/80": "update"}, ["ModifyListener"]),
    (put(*CHECK, "path", value="/"), {TG: "update"}, ["ModifyTargetGroup"]),
    (put(*CHECK, "port", value=3001), {TG: "update"}, ["ModifyTargetGroup"]),
    (put(*CHECK, "interval", value=10), {TG: "update"}, ["ModifyTargetGroup"]),
    (put(*CHECK, "timeout", value=7), {TG: "update"}, ["ModifyTargetGroup"]),
    (put(*CHECK, "healthyThreshold", value=3), {TG: "update"}, ["ModifyTargetGroup"]),
    (put(*CHECK, "unhealthyThreshold", value=3), {TG: "update"}, ["ModifyTargetGroup"]),
    (put(*CHECK, "matcher", value="200-299"), {TG: "update"}, ["ModifyTargetGroup"]),
    (put(*CHECK, "protocol", value="HTTPS"), {TG: "update"}, ["ModifyTargetGroup"]),
    (put("loadBalancer", "targetGroups", "mts-grafana", "attributes", value={
        "deregistration_delay.timeout_seconds": 5, "stickiness.enabled": True}),
     {TG: "update"}, ["ModifyTargetGroupAttributes"]),
    (put("services", "metrics-grafana", "loadBalancer", "healthCheckGracePeriodSeconds", value=60),
     {SERVICE: "update"}, ["ecs.UpdateService"]),
]


def state(world: World) -> dict[str, Any]:
    """All that boto3 sees, without what a deployment changes."""
    taken = world.aws.snapshot(ENVIRONMENT)
    return {k: taken[k] for k in ("security_groups", "target_groups", "load_balancers")}


@pytest.mark.parametrize("edit,plan,calls", TABLE,
                         ids=lambda v: v[0] if isinstance(v, list) else "")
def test_a_field_changes_in_place_and_goes_back(
        small: World, edit: Callable[[dict[str, Any]], None], plan: dict[str, str],
        calls: list[str]) -> None:
    before, spec = state(small), small.spec()
    changed = copy.deepcopy(spec)
    edit(changed)
    small.write_spec(changed)
    assert planned(small) == plan
    small.deploy()
    assert writes(small) == calls
    assert state(small) != before or plan == {SERVICE: "update"}
    small.write_spec(spec)
    small.aws.record_clear()
    small.deploy()
    assert writes(small) == calls
    assert state(small) == before
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


def test_logs_that_are_turned_off_keep_no_empty_bucket(small: World) -> None:
    """AWS has no empty bucket's or cookie's name, though it shows one where there is none."""
    change(small, put("loadBalancer", "attributes", value={
        "access_logs.s3.enabled": True, "access_logs.s3.bucket": "logs"}))
    change(small, put("loadBalancer", "targetGroups", "mts-grafana", "attributes", value={
        "stickiness.enabled": True, "stickiness.type": "app_cookie",
        "stickiness.app_cookie.cookie_name": "sid"}))
    small.deploy()
    assert Balanced(small).attributes()["access_logs.s3.bucket"] == "logs"
    change(small, put("loadBalancer", "attributes", value=None))
    change(small, put("loadBalancer", "targetGroups", "mts-grafana", "attributes", value=None))
    small.deploy()
    assert Balanced(small).attributes()["access_logs.s3.enabled"] == "false"
    assert Balanced(small).attributes(GRAFANA)["stickiness.type"] == "lb_cookie"
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


# -- target groups ---------------------------------------------------------------------------------

def test_a_target_group_is_replaced_under_a_second_name(small: World) -> None:
    change(small, put("loadBalancer", "targetGroups", "mts-grafana", "protocol", value="HTTPS"))
    plan = planned(small)
    assert plan[TG] == "replace"
    small.deploy()
    seen = Balanced(small)
    [name] = set(seen.groups()) - {f"{ENVIRONMENT}-frontend"}
    assert name != GRAFANA and len(name) == len(ENVIRONMENT) + 7
    assert seen.tags(seen.groups()[name]["TargetGroupArn"])["berth:name"] == "mts-grafana"
    assert seen.health(name) == ["healthy"]
    order = writes(small)
    assert order.index("CreateTargetGroup") < order.index("ModifyListener") < \
        order.index("ecs.UpdateService") < order.index("DeleteTargetGroup")
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []
    change(small, put("loadBalancer", "targetGroups", "mts-grafana", "port", value=3001))
    small.deploy()
    [second] = set(seen.groups()) - {f"{ENVIRONMENT}-frontend"}
    assert second not in (name, GRAFANA)


def test_listeners_and_target_groups_taken_out_go(small: World) -> None:
    def edit(spec: dict[str, Any]) -> None:
        del spec["services"]["metrics-grafana"]["loadBalancer"]
        del spec["loadBalancer"]["listeners"]["443"]
        spec["loadBalancer"]["targetGroups"] = {}

    change(small, edit)
    small.deploy()
    seen = Balanced(small)
    assert set(seen.listeners()) == {80} and seen.groups() == {}
    assert small.service("metrics-grafana")["loadBalancers"] == []
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


# -- the load balancer as a whole ------------------------------------------------------------------

def without_balancer(spec: dict[str, Any]) -> None:
    del spec["services"]["metrics-grafana"]["loadBalancer"], spec["loadBalancer"], spec["records"]


def allow_replace(world: World) -> None:
    kind = world.config["projects"][str(PROJECT_ID)]
    kind["limits"] = {"ephemeral": {"allowReplace": ["alb"]}}
    world.write_config()


def test_its_removal_is_guarded(small: World) -> None:
    change(small, without_balancer)
    result = small.job()
    assert result.exit_code == 1 and "IS NOT REMOVED" in result.log
    assert small.writes() == []
    allow_replace(small)
    small.deploy()
    assert small.aws.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert Balanced(small).groups() == {}
    groups = small.aws.client("ec2").describe_security_groups(Filters=[
        {"Name": "group-name", "Values": [f"{ENVIRONMENT}-inbound"]}])["SecurityGroups"]
    assert groups == []
    order = writes(small)
    assert order.index("ecs.UpdateService") < order.index("DeleteLoadBalancer")
    for later in ("DeleteTargetGroup", "ec2.DeleteSecurityGroup"):
        assert order.index("DeleteLoadBalancer") < order.index(later)


def test_deletion_protection_is_respected(small: World) -> None:
    change(small, put("loadBalancer", "attributes", value={"deletion_protection.enabled": True}))
    small.deploy()
    change(small, without_balancer)
    allow_replace(small)
    result = small.job()
    assert result.exit_code == 1 and "protected against deletion" in result.log
    assert Balanced(small).balancer["State"]["Code"] == "active"


def test_another_scheme_is_another_load_balancer(small: World) -> None:
    change(small, put("loadBalancer", "scheme", value="internal"))
    result = small.job()
    assert result.exit_code == 1 and "IS NOT REPLACED" in result.log
    allow_replace(small)
    old = Balanced(small).balancer["LoadBalancerArn"]
    small.deploy()
    seen = Balanced(small)
    assert seen.balancer["Scheme"] == "internal" and seen.balancer["LoadBalancerArn"] != old
    assert set(seen.listeners()) == {80, 443} and seen.health() == ["healthy"]
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


@pytest.mark.parametrize("late", [False, True], ids=["seen", "rolled back before it is seen"])
def test_unhealthy_targets_are_the_verdict(small: World, late: bool) -> None:
    small.aws.fault(service="elasticloadbalancing", fault="unhealthy")
    if late:
        small.aws.fault(service="ecs", action="UpdateService", fault="slow", seconds=3)
    change(small, put("services", "metrics-grafana", "cpu", value=1024))
    change(small, put("services", "metrics-grafana", "memory", value=2048))
    result = small.job()
    assert result.exit_code == 1
    assert "Health checks failed with these codes: [502]" in result.log
    assert "is unhealthy in (target-group" in result.log


def test_targets_taken_away_by_hand_are_noticed(small: World) -> None:
    seen = Balanced(small)
    arn = seen.groups()[GRAFANA]["TargetGroupArn"]
    [target] = seen.elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    seen.elb.deregister_targets(TargetGroupArn=arn, Targets=[target["Target"]])
    small.aws.advance(10)
    found = {r["address"]: r for r in small.berth_json("plan")["resources"]}[SERVICE]
    assert "0 of 1 targets are healthy" in str(found)


# -- what was changed by hand ----------------------------------------------------------------------

def test_what_was_changed_by_hand_is_put_back(small: World) -> None:
    seen, before = Balanced(small), state(small)
    arn, listeners = seen.balancer["LoadBalancerArn"], seen.listeners()
    group = seen.groups()[GRAFANA]["TargetGroupArn"]
    ec2 = small.aws.client("ec2")
    other = ec2.create_security_group(GroupName="by-hand", Description="x",
                                      VpcId=seen.balancer["VpcId"])["GroupId"]
    seen.elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[other])
    seen.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": "idle_timeout.timeout_seconds", "Value": "300"}])
    seen.elb.delete_listener(ListenerArn=listeners[80]["ListenerArn"])
    seen.elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=8080, DefaultActions=[
        {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}])
    seen.elb.create_rule(ListenerArn=listeners[443]["ListenerArn"], Priority=5, Actions=[
        {"Type": "forward", "TargetGroupArn": group}], Conditions=[
            {"Field": "path-pattern", "Values": ["/by-hand"]}])
    seen.elb.modify_target_group(TargetGroupArn=group, HealthCheckPath="/by-hand")
    small.deploy()
    ec2.delete_security_group(GroupId=other)
    assert state(small) == before
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


def test_every_list_is_read_to_its_last_page(small: World) -> None:
    put_rules(small, a=rule(1, path="/a"), b=rule(2, path="/b"))
    small.deploy()
    small.aws.pages(1)
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


@pytest.mark.parametrize("edit,words", [
    (put("services", "metrics-grafana", "loadBalancer", "targetGroup", value="mts-grafan"),
     "services.metrics-grafana.loadBalancer: there is no target group 'mts-grafan'; did you mean"),
    (put("services", "metrics-grafana", "loadBalancer", "targetGroup", value="frontend"),
     "no listener or rule forwards to target group 'frontend'"),
    (put("services", "metrics-grafana", "loadBalancer", "port", value=81),
     "81 is none of the service's ports"),
    (put("loadBalancer", "targetGroups", "a-name-that-is-long", value={}), "at most 32"),
    (put("loadBalancer", "attributes", value={"idle_timeout.seconds": 1}), "there is no attribute"),
    (put("loadBalancer", "listeners", "99999", value={"defaultAction": {"fixedResponse": {}}}),
     "1 to 65535"),
    (put("loadBalancer", "certificate", value=None), "HTTPS needs a certificate"),
    (put("loadBalancer", "allow", value=[{"port": 1, "from": "999.0.0.0/8"}]), "999.0.0.0/8"),
    (put(*CHECK, "timeout", value=30), "must be shorter than the interval"),
    (put("loadBalancer", "listeners", "80", "rules", value={
        "a": rule(1, path="/"), "b": rule(1, path="/b")}), "is also that of 'a'"),
    (put("loadBalancer", "listeners", "80", "rules", value={"a": rule(1)}), "needs a condition"),
])
def test_what_is_wrong_is_said_before_the_first_call(
        small: World, edit: Callable[[dict[str, Any]], None], words: str) -> None:
    change(small, edit)
    result = small.job()
    assert result.exit_code == 1 and words in result.log, result.log
    assert small.writes() == []


# -- from nothing: last, since going back to that state forgets the one above ---------------------

def test_a_load_balancer_that_fails_is_a_failure_at_once(ready: World) -> None:
    ready.keep_services("metrics-grafana")
    ready.aws.fault(service="elasticloadbalancing", fault="failed", message="no addresses left")
    result = ready.job()
    assert result.exit_code == 2
    assert f"load balancer '{ENVIRONMENT}' failed: no addresses left" in result.log


@pytest.mark.parametrize("kind", ["load_balancer", "target_group"])
def test_what_others_made_is_not_adopted(ready: World, kind: str) -> None:
    """AWS's create calls would: they succeed for what is there with the same settings."""
    ready.keep_services("metrics-grafana")
    elb, ec2 = ready.aws.client("elbv2"), ready.aws.client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.2.0.0/16"]}])["Vpcs"][0]
    public = [s["SubnetId"] for s in ec2.describe_subnets(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-public-subnet-*-dev"]}])["Subnets"]]
    if kind == "load_balancer":
        elb.create_load_balancer(Name=ENVIRONMENT, Subnets=public)
    else:
        elb.create_target_group(Name=f"{ENVIRONMENT}-frontend", Protocol="HTTP", Port=80,
                                VpcId=vpc["VpcId"], TargetType="ip")
    ready.aws.record_clear()
    result = ready.job()
    assert result.exit_code == 1 and "not its own" in result.log
    assert ready.writes() == []


def test_every_creations_answer_may_be_lost(ready: World) -> None:
    ready.keep_services("metrics-grafana")
    for action in ("CreateLoadBalancer", "CreateTargetGroup", "CreateListener",
                   "ModifyTargetGroupAttributes"):
        ready.aws.fault(service="elasticloadbalancing", action=action, nth=1, fault="lost")
    ready.deploy()
    assert len(Balanced(ready).groups()) == 2 and len(Balanced(ready).listeners()) == 2
    ready.aws.record_clear()
    ready.deploy()
    assert ready.writes() == []
