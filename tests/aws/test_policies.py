"""Policies: who may do what to which resource, once callers are held to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .build import ROLE, Builder, code_of, error_of
from .endpoint import ACCOUNT, REGION, ROLE_ARN, Endpoint
from .permissions import TABLES
from .policy import Question, verdict
from .test_validation import ACTIONS

USER = f"arn:aws:iam::{ACCOUNT}:user/berth"


@pytest.fixture
def build(endpoint: Endpoint) -> Builder:
    return Builder(endpoint)


def allow(endpoint: Endpoint, *statements: Any) -> None:
    """Hold the tests' user to these statements; a string is an action on everything."""
    endpoint.enforce_on(USER, {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": s, "Resource": "*"} if isinstance(s, str)
        else {"Effect": "Allow", **s} for s in statements]})


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def test_every_action_of_berth_has_its_resources() -> None:
    free = {("sts", "AssumeRoleWithWebIdentity"), ("sts", "GetCallerIdentity")}
    assert [a for a in ACTIONS if a[1] not in TABLES[a[0]] and a not in free] == []


def test_denials_in_each_services_words(endpoint: Endpoint) -> None:
    allow(endpoint, "s3:*")
    for service, action, code, status in (
            ("ecs", "list_clusters", "AccessDeniedException", 400),
            ("iam", "list_roles", "AccessDenied", 403),
            ("ec2", "describe_vpcs", "UnauthorizedOperation", 403),
            ("servicediscovery", "list_namespaces", "AccessDeniedException", 400),
            ("route53", "list_hosted_zones", "AccessDenied", 403)):
        got = error_of(getattr(endpoint.client(service), action))
        assert (got[0], got[2]) == (code, status)
        assert f"User: {USER} is not authorized to perform: {service}:" in got[1]
    assert endpoint.client("sts").get_caller_identity()["Arn"] == USER
    endpoint.enforce(False)
    assert code_of(endpoint.client("ecs").list_clusters) == ""


def test_resources(endpoint: Endpoint) -> None:
    allow(endpoint, {"Action": ["ecs:*Cluster"], "Resource": arn("ecs", "cluster/automation-*")},
          {"Action": "logs:CreateLogGroup", "Resource": arn("logs", "log-group:automation-*:*")},
          {"Action": "ssm:GetParameters", "Resource": arn("ssm", "parameter/mettel/*")},
          {"Action": "iam:GetRole", "Resource": ROLE_ARN})
    ecs, logs, ssm = (endpoint.client(name) for name in ("ecs", "logs", "ssm"))
    iam = endpoint.client("iam")
    assert code_of(lambda: ecs.create_cluster(clusterName="automation-1")) == ""
    assert code_of(lambda: ecs.create_cluster(clusterName="other")) == "AccessDeniedException"
    assert code_of(lambda: ecs.delete_cluster(cluster="automation-1")) == ""
    assert code_of(lambda: logs.create_log_group(logGroupName="automation-1")) == ""
    assert error_of(lambda: logs.create_log_group(logGroupName="x"))[1].startswith(
        f"User: {USER} is not authorized to perform: logs:CreateLogGroup on resource: "
        + arn("logs", "log-group:x:log-stream: because no identity-based policy allows"))
    assert code_of(lambda: ssm.get_parameters(Names=["/mettel/SLACK_URL"])) == ""
    assert code_of(lambda: ssm.get_parameters(Names=["/mettel/SLACK_URL", "/x"])) == \
        "AccessDeniedException"
    assert code_of(lambda: iam.get_role(RoleName="berth-deploy")) == ""
    assert code_of(lambda: iam.get_role(RoleName="other")) == "AccessDenied"


def test_tags_in_requests_and_on_resources(build: Builder, endpoint: Endpoint) -> None:
    mine = {"StringLike": {"aws:RequestTag/Environment": "automation-*"}}
    theirs = {"StringLike": {"aws:ResourceTag/Environment": "automation-*"}}
    free = build.group("free")
    tagging = {"Action": "ec2:CreateTags", "Resource": "*", "Condition": {
        "StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["Environment"]}}}
    allow(endpoint, {"Action": "ec2:CreateSecurityGroup", "Condition": mine,
                     "Resource": arn("ec2", "security-group/*")},
          {"Action": "ec2:CreateSecurityGroup", "Resource": arn("ec2", "vpc/*")}, tagging,
          {"Action": "ec2:DeleteSecurityGroup", "Resource": "*", "Condition": theirs})

    def create(name: str, **tags: str) -> Any:
        specification = [{"ResourceType": "security-group", "Tags": [
            {"Key": k, "Value": v} for k, v in tags.items()]}]
        return build.ec2.create_security_group(
            GroupName=name, Description="d", VpcId=build.vpc,
            **({"TagSpecifications": specification} if tags else {}))
    denied = "UnauthorizedOperation"
    assert code_of(lambda: create("a")) == denied
    assert code_of(lambda: create("a", Environment="other")) == denied
    assert code_of(lambda: create("a", Environment="automation-1", More="x")) == denied
    made = create("a", Environment="automation-1")["GroupId"]
    assert code_of(lambda: build.ec2.create_tags(
        Resources=[made], Tags=[{"Key": "Environment", "Value": "x"}])) == denied
    assert code_of(lambda: build.ec2.delete_security_group(GroupId=free)) == denied
    assert code_of(lambda: build.ec2.delete_security_group(GroupId=made)) == ""


def test_pass_role(build: Builder, endpoint: Endpoint) -> None:
    build.role()
    register = "ecs:RegisterTaskDefinition"
    allow(endpoint, register)
    make = lambda: build.definition(executionRoleArn=ROLE)  # noqa: E731
    code, message, status = error_of(make)
    assert (code, status) == ("AccessDeniedException", 400)
    assert f"iam:PassRole on resource: {ROLE}" in message
    pass_to = lambda service: {  # noqa: E731
        "Action": "iam:PassRole", "Resource": ROLE,
        "Condition": {"StringEquals": {"iam:PassedToService": service}}}
    allow(endpoint, register, pass_to("ec2.amazonaws.com"))
    assert code_of(make) == "AccessDeniedException"
    allow(endpoint, register, pass_to("ecs-tasks.amazonaws.com"))
    assert code_of(make) == "" and code_of(build.definition) == ""


def test_policies_of_a_role_count_for_its_sessions(endpoint: Endpoint) -> None:
    iam, sts = endpoint.client("iam"), endpoint.client("sts")
    iam.put_role_policy(RoleName="berth-deploy", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ecs:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "ecs:CreateCluster", "Resource": "*"}]}))
    keys = sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="berth-77-1")["Credentials"]
    endpoint.enforce_on(ROLE_ARN)
    client = lambda name: endpoint.client_as(  # noqa: E731
        name, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert code_of(client("ecs").list_clusters) == ""
    code, message, _ = error_of(lambda: client("ecs").create_cluster(clusterName="a"))
    assert code == "AccessDeniedException" and "explicit deny" in message
    assert code_of(client("ec2").describe_vpcs) == "UnauthorizedOperation"
    assert code_of(endpoint.client("ec2").describe_vpcs) == ""  # another principal
    endpoint.enforce()
    assert code_of(endpoint.client("ec2").describe_vpcs) == "UnauthorizedOperation"


def test_a_sessions_own_policy_limits_it(endpoint: Endpoint) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session"""
    iam, sts = endpoint.client("iam"), endpoint.client("sts")

    def document(*statements: dict[str, Any]) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="berth-deploy", PolicyName="p", PolicyDocument=document(
        {"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}))
    endpoint.enforce_on(ROLE_ARN)
    given = {"RoleArn": ROLE_ARN, "RoleSessionName": "berth-77-1"}
    keys = sts.assume_role(**given, Policy=document(
        {"Effect": "Allow", "Action": ["ecs:List*", "ec2:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "ecs:ListServices", "Resource": "*"}))["Credentials"]
    ecs, ec2 = (endpoint.client_as(name, keys["AccessKeyId"], keys["SecretAccessKey"],
                                   keys["SessionToken"]) for name in ("ecs", "ec2"))
    assert code_of(ecs.list_clusters) == ""
    message = error_of(lambda: ecs.create_cluster(clusterName="a"))[1]
    assert "because no session policy allows the ecs:CreateCluster action" in message
    message = error_of(lambda: ecs.list_services(cluster="a"))[1]
    assert "with an explicit deny in a session policy" in message
    assert code_of(ec2.describe_vpcs) == "UnauthorizedOperation"  # the role's own do not allow it
    assert code_of(lambda: sts.assume_role(**given, Policy="{")) == "MalformedPolicyDocument"


def test_what_a_service_asks_in_its_callers_name(build: Builder, endpoint: Endpoint) -> None:
    """Cloud Map of Route 53 and EC2; and the role that the first load balancer makes."""
    discovery, elb = endpoint.client("servicediscovery"), endpoint.client("elbv2")
    subnets = [s["SubnetId"] for s in build.ec2.describe_subnets(Filters=[
        {"Name": "tag:Name", "Values": ["*-public-subnet-*-dev"]}])["Subnets"]]
    own = ["servicediscovery:CreatePrivateDnsNamespace", "route53:CreateHostedZone",
           "route53:GetHostedZone", "route53:ListHostedZonesByName", "ec2:Describe*"]
    make = lambda: discovery.create_private_dns_namespace(  # noqa: E731
        Name="a.local", Vpc=build.vpc)
    for missing in own:
        allow(endpoint, *(action for action in own if action != missing))
        code, message, _ = error_of(make)
        assert code == "AccessDeniedException"
        assert f"perform: {missing.partition('*')[0]}" in message
    allow(endpoint, *own)
    assert code_of(make) == ""
    balancer = lambda name: error_of(  # noqa: E731
        lambda: elb.create_load_balancer(Name=name, Subnets=subnets))
    rights = ["elasticloadbalancing:CreateLoadBalancer", "ec2:Describe*"]
    linked = {"Action": "iam:CreateServiceLinkedRole", "Resource": "*", "Condition": {
        "StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}}}
    allow(endpoint, *rights)
    assert "iam:CreateServiceLinkedRole" in balancer("a")[1]
    allow(endpoint, *rights, linked)
    assert balancer("a")[0] == ""
    allow(endpoint, *rights)
    assert balancer("b")[0] == ""  # the role is there by now


def test_ecs_goes_without_its_role_until_there_is_a_service(build: Builder,
                                                            endpoint: Endpoint) -> None:
    """Who may not have the role made gets a cluster, and no service: awslabs/fargatecli#35."""
    definition = build.definition()
    rights = ["ecs:*", "ec2:*", "iam:PassRole"]
    allow(endpoint, *rights)
    assert code_of(lambda: build.ecs.create_cluster(clusterName="E")) == ""
    code, message, status = error_of(lambda: build.service(definition))
    assert (code, status) == ("InvalidParameterException", 400)
    assert message == ("Unable to assume the service linked role. Please verify that the ECS "
                       "service linked role exists.")
    allow(endpoint, *rights, {"Action": "iam:CreateServiceLinkedRole", "Resource": "*"})
    assert code_of(lambda: build.service(definition)) == ""
    allow(endpoint, *rights)
    assert code_of(lambda: build.service(definition, "E-more")) == ""  # the role is there by now


def test_records_by_their_names(endpoint: Endpoint) -> None:
    """In lower case, without the last dot, what is no letter of a host's name as an escape."""
    route53 = endpoint.client("route53")
    zone = route53.list_hosted_zones()["HostedZones"][0]["Id"]
    key = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    allow(endpoint, {"Action": "route53:ChangeResourceRecordSets", "Resource": "*", "Condition": {
        "ForAllValues:StringLike": {key: ["\\052.1.mettel-automation.net", "a.*"]}}})

    def change(*names: str) -> str:
        return code_of(lambda: route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [
                {"Action": "UPSERT", "ResourceRecordSet": {
                    "Name": name, "Type": "A", "TTL": 60,
                    "ResourceRecords": [{"Value": "192.0.2.1"}]}} for name in names]}))
    assert change("*.1.mettel-automation.net", "A.mettel-automation.net.") == ""
    assert change("a.mettel-automation.net", "b.mettel-automation.net") == "AccessDenied"


def test_decisions_are_logged(endpoint: Endpoint, tmp_path: Path) -> None:
    """Each once, with the statements that allow it, which are more than the first that does; and
    for whom it was. So is what somebody asked the simulator, and may not."""
    one = {"Effect": "Allow", "Action": "ecs:List*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [
        {**one, "Sid": "A"}, {**one, "Sid": "B", "Action": "ecs:ListClusters"},
        {**one, "Sid": "C", "Resource": arn("ecs", "cluster/x")},
        {**one, "Sid": "D", "Action": "iam:SimulatePrincipalPolicy"}]}
    log = tmp_path / "log"
    endpoint.enforce_on(USER, policy, log=str(log), asks_for="one")
    ecs = endpoint.client("ecs")
    assert code_of(ecs.list_clusters) == code_of(ecs.list_clusters) == ""
    assert code_of(lambda: ecs.list_task_definitions()) == ""
    assert code_of(lambda: ecs.describe_clusters()) == "AccessDeniedException"
    endpoint.enforce_on(USER, policy, log=str(log), asks_for="two")
    assert code_of(ecs.list_clusters) == ""
    assert [json.loads(line) for line in log.read_text().splitlines()] == [
        ["ecs:ListClusters", ["A", "B"], "one"], ["ecs:ListTaskDefinitions", ["A"], "one"],
        ["ecs:DescribeClusters", [], "one"], ["ecs:ListClusters", ["A", "B"], "two"]]
    endpoint.client("iam").simulate_principal_policy(
        PolicySourceArn=USER, ActionNames=["ecs:ListClusters", "iam:PassRole"])
    assert [json.loads(line) for line in log.read_text().splitlines()][4:] == [
        ["iam:SimulatePrincipalPolicy", ["D"], "two"], ["iam:PassRole", [], "two"]]


@pytest.mark.parametrize("condition,context,allowed", [
    ({"StringEquals": {"k": ["a", "b"]}}, {"k": ["b"]}, True),
    ({"StringEquals": {"k": "a"}}, {}, False),
    ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
    ({"StringNotEquals": {"k": "a"}}, {}, True),
    ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": ["b"]}, False),
    ({"StringLike": {"K": "a-?"}}, {"k": ["a-1"]}, True),
    ({"StringLike": {"k": "a-?"}}, {"k": ["a-12"]}, False),
    ({"ForAnyValue:StringEquals": {"k": ["a"]}}, {"k": ["b", "a"]}, True),
    ({"ForAllValues:StringEquals": {"k": ["a"]}}, {"k": ["b", "a"]}, False),
    ({"ForAllValues:StringEquals": {"k": ["a"]}}, {}, True),
    ({"Null": {"k": "true"}}, {}, True), ({"Null": {"k": "true"}}, {"k": ["a"]}, False),
    ({"Bool": {"k": True}}, {"k": ["true"]}, True),
    ({"NumericLessThan": {"k": 5}}, {"k": ["4"]}, True),
    ({"StringLike": {"k": "${aws:username}-*"}}, {"k": ["me-1"], "aws:username": ["me"]}, True),
    ({"StringLike": {"k": "${aws:username}*"}}, {"k": ["1"]}, False),
    ({"Sometimes": {"k": "a"}}, {"k": ["a"]}, False)])
def test_conditions(condition: dict[str, Any], context: dict[str, list[str]],
                    allowed: bool) -> None:
    statement = {"Effect": "Allow", "Action": "ecs:*", "Resource": "*", "Condition": condition}
    question = Question("ecs:ListClusters", "*", context)
    assert (verdict([statement], question) == "Allow") == allowed
