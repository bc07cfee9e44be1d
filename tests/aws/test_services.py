"""Cloud Map, security groups, ECR, IAM, Logs, STS: what plain moto does otherwise."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest

from .build import Builder, code_of, error_of
from .clock import DURATIONS
from .endpoint import ACCESS_KEY, ROLE_ARN, SECRET_KEY, Endpoint


@pytest.fixture
def build(endpoint: Endpoint) -> Builder:
    return Builder(endpoint)


# --- Cloud Map ---

def test_namespace_is_made_in_its_time(build: Builder) -> None:
    build.endpoint.speed(0.001)  # however busy the machine is
    create = lambda **g: build.sd.create_private_dns_namespace(  # noqa: E731
        Name="E.local", Vpc=build.vpc, **g)
    operation = create(CreatorRequestId="mine")["OperationId"]
    status = lambda: build.sd.get_operation(  # noqa: E731
        OperationId=operation)["Operation"]["Status"]
    assert status() == "SUBMITTED"
    with pytest.raises(build.sd.exceptions.DuplicateRequest) as caught:
        create()
    assert caught.value.response["DuplicateOperationId"] == operation
    assert build.sd.list_namespaces()["Namespaces"] == []
    build.endpoint.advance(DURATIONS["cloudmap.submitted"] + 1)
    assert status() == "PENDING"
    assert build.sd.list_namespaces()["Namespaces"] == []
    build.endpoint.advance(DURATIONS["cloudmap.namespace"])
    assert status() == "SUCCESS"
    identifier = build.sd.list_namespaces()["Namespaces"][0]["Id"]
    with pytest.raises(build.sd.exceptions.NamespaceAlreadyExists) as caught:
        create()
    assert caught.value.response["NamespaceId"] == identifier
    assert caught.value.response["CreatorRequestId"] == "mine"


def test_namespaces_share_a_vpc_and_have_zones(build: Builder, endpoint: Endpoint) -> None:
    first, second = build.namespace("A.local"), build.namespace("B.local")
    zones = lambda: {z["Name"]: z["Config"]["PrivateZone"] for z in endpoint.client(  # noqa: E731
        "route53").list_hosted_zones()["HostedZones"]}
    assert {"A.local.", "B.local."} <= zones().keys() and zones()["A.local."]
    zone = build.sd.get_namespace(Id=first)["Namespace"]["Properties"]["DnsProperties"]
    assert not zone["HostedZoneId"].startswith("/")
    build.sd.delete_namespace(Id=first)
    endpoint.advance(60)
    assert "A.local." not in zones() and first != second
    found = build.sd.list_namespaces(Filters=[{"Name": "NAME", "Values": ["B.local"]}])
    assert [n["Id"] for n in found["Namespaces"]] == [second]


def test_discovery_services_are_filtered_paged_and_unique(build: Builder) -> None:
    first, second = build.namespace("A.local"), build.namespace("B.local")
    mine = [build.discovery(first, f"s{i}") for i in range(3)]
    build.discovery(second, "s0")
    listed = build.sd.list_services(Filters=[{"Name": "NAMESPACE_ID", "Values": [first]}],
                                    MaxResults=2)
    assert [s["Name"] for s in listed["Services"]] == ["s0", "s1"] and listed["NextToken"]
    summary = listed["Services"][0]
    assert "NamespaceId" not in summary and "NamespaceId" not in summary["DnsConfig"]
    with pytest.raises(build.sd.exceptions.ServiceAlreadyExists) as caught:
        build.discovery(first, "S1")
    assert caught.value.response["ServiceId"] == mine[1]["Id"]
    assert caught.value.response["ServiceArn"] == mine[1]["Arn"]
    assert code_of(lambda: build.discovery("ns-none", "x")) == "NamespaceNotFound"
    assert code_of(lambda: build.sd.delete_namespace(Id=first)) == "ResourceInUse"
    for service in mine:
        build.sd.delete_service(Id=service["Id"])
    assert code_of(lambda: build.sd.delete_service(Id=mine[0]["Id"])) == "ServiceNotFound"
    assert code_of(lambda: build.sd.delete_namespace(Id=first)) == ""


def test_discovery_update_takes_time(build: Builder, endpoint: Endpoint) -> None:
    service = build.discovery(build.namespace())
    build.sd.update_service(Id=service["Id"], Service={
        "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 60}]}})
    ttl = lambda: build.sd.get_service(  # noqa: E731
        Id=service["Id"])["Service"]["DnsConfig"]["DnsRecords"][0]["TTL"]
    assert ttl() == 10
    endpoint.advance(10)
    assert ttl() == 60


def test_discovery_tags(build: Builder) -> None:
    arn = build.discovery(build.namespace())["Arn"]
    build.sd.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert build.sd.list_tags_for_resource(ResourceARN=arn)["Tags"] == [
        {"Key": "a", "Value": "b"}]
    gone = lambda: build.sd.list_tags_for_resource(ResourceARN=arn + "x")  # noqa: E731
    assert code_of(gone) == "ResourceNotFoundException"


# --- security groups ---

def rule(port: int = 80, **source: Any) -> dict[str, Any]:
    given = source or {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **given}


def test_group_in_use_by_another_groups_rule(build: Builder) -> None:
    one, other = build.group("one"), build.group("other")
    pair = rule(UserIdGroupPairs=[{"GroupId": one}])
    build.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[pair])
    assert code_of(lambda: build.ec2.delete_security_group(GroupId=one)) == "DependencyViolation"
    build.ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[pair])
    assert code_of(lambda: build.ec2.delete_security_group(GroupId=one)) == ""
    assert code_of(lambda: build.ec2.delete_security_group(GroupId=one)) == "InvalidGroup.NotFound"


def test_default_group_stays(build: Builder) -> None:
    default = build.ec2.describe_security_groups(Filters=[
        {"Name": "vpc-id", "Values": [build.vpc]}])["SecurityGroups"][0]["GroupId"]
    assert code_of(lambda: build.ec2.delete_security_group(GroupId=default)) == "CannotDelete"


def test_authorize_is_all_or_nothing(build: Builder) -> None:
    group = build.group()
    authorize = lambda *rules: build.ec2.authorize_security_group_ingress(  # noqa: E731
        GroupId=group, IpPermissions=list(rules))
    answer = authorize(rule(80), rule(81))
    assert [r["FromPort"] for r in answer["SecurityGroupRules"]] == [80, 81]
    assert code_of(lambda: authorize(rule(82), rule(80))) == "InvalidPermission.Duplicate"
    ports = [p["FromPort"] for p in build.ec2.describe_security_groups(
        GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]]
    assert sorted(ports) == [80, 81]
    egress = lambda: build.ec2.authorize_security_group_egress(  # noqa: E731
        GroupId=group, IpPermissions=[{"IpProtocol": "-1",
                                       "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    assert code_of(egress) == "InvalidPermission.Duplicate"  # the default one


BAD_RULES = [
    ({"IpProtocol": "xyz", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, "InvalidParameterValue"),
    ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, "InvalidParameterValue"),
    ({"IpProtocol": "tcp", "FromPort": 9, "ToPort": 1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
     "InvalidParameterValue"),
    (rule(IpRanges=[{"CidrIp": "1.2.3.4"}]), "InvalidParameterValue"),
    (rule(UserIdGroupPairs=[{"GroupId": "sg-00000000"}]), "InvalidGroup.NotFound"),
    ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}, "MissingParameter"),
]


@pytest.mark.parametrize("given,code", BAD_RULES)
def test_rule_refused(build: Builder, given: dict[str, Any], code: str) -> None:
    group = build.group()
    assert code_of(lambda: build.ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[given])) == code


def test_group_created_with_tags_and_egress(build: Builder) -> None:
    create = lambda **g: build.ec2.create_security_group(**{  # noqa: E731
        "GroupName": "E", "Description": "d", "VpcId": build.vpc, "TagSpecifications": [{
            "ResourceType": "security-group", "Tags": [{"Key": "a", "Value": "b"}]}], **g})
    made = create()
    assert made["Tags"] == [{"Key": "a", "Value": "b"}]
    shown = build.ec2.describe_security_groups(GroupIds=[made["GroupId"]])["SecurityGroups"][0]
    assert shown["IpPermissionsEgress"][0]["IpProtocol"] == "-1" and shown["Tags"] == made["Tags"]
    rows = [({}, "InvalidGroup.Duplicate"), ({"VpcId": "vpc-00000000"}, "InvalidVpcID.NotFound"),
            ({"GroupName": "sg-x"}, "InvalidParameterValue"),
            ({"GroupName": "F", "Description": "ä"}, "InvalidParameterValue")]
    for change, code in rows:
        assert code_of(lambda: create(**change)) == code, change


def test_ec2_pages_and_filters(build: Builder) -> None:
    for i in range(6):
        build.group(f"g{i}")
    mine = [{"Name": "group-name", "Values": ["g?"]}]
    page = build.ec2.describe_security_groups(Filters=mine, MaxResults=5)
    assert len(page["SecurityGroups"]) == 5
    rest = build.ec2.describe_security_groups(Filters=mine, MaxResults=5,
                                              NextToken=page["NextToken"])
    assert len(rest["SecurityGroups"]) == 1 and "NextToken" not in rest
    unchecked = build.endpoint.client_as("ec2", ACCESS_KEY, SECRET_KEY, parameter_validation=False)
    for bad in ({"MaxResults": 4}, {"Filters": [{"Name": "nonsense", "Values": ["a"]}]}):
        call = lambda: unchecked.describe_security_groups(**bad)  # noqa: B023, E731
        assert code_of(call) == "InvalidParameterValue", bad


# --- ECR ---

def test_digest_is_the_manifests_and_tags_move(endpoint: Endpoint) -> None:
    ecr = endpoint.client("ecr")
    ecr.create_repository(repositoryName="web")
    assert code_of(lambda: ecr.create_repository(
        repositoryName="web")) == "RepositoryAlreadyExistsException"
    one, two = (endpoint.put_image("web", ["latest", text], text) for text in ("one", "two"))
    got = ecr.batch_get_image(repositoryName="web", imageIds=[
        {"imageTag": "latest"}, {"imageTag": "one"}, {"imageTag": "no"}, {"imageDigest": "x"}])
    assert [i["imageId"]["imageDigest"] for i in got["images"]] == [two, one]
    assert one == "sha256:" + hashlib.sha256(got["images"][1]["imageManifest"].encode()
                                             ).hexdigest()
    assert [f["failureCode"] for f in got["failures"]] == ["ImageNotFound", "InvalidImageDigest"]
    manifest = got["images"][0]["imageManifest"]
    put = lambda **g: ecr.put_image(**{  # noqa: E731
        "repositoryName": "web", "imageManifest": manifest, "imageTag": "one", **g})
    assert code_of(lambda: put(imageTag="two")) == "ImageAlreadyExistsException"
    ecr.put_image_tag_mutability(repositoryName="web", imageTagMutability="IMMUTABLE")
    assert code_of(put) == "ImageTagAlreadyExistsException"
    assert code_of(lambda: put(imageManifest="{")) == "InvalidParameterException"
    missing = json.loads(manifest)
    missing["layers"][0]["digest"] = "sha256:" + "0" * 64
    assert code_of(lambda: put(imageManifest=json.dumps(missing))) == "LayersNotFoundException"
    assert code_of(lambda: put(imageTag="new", imageDigest=one)) == \
        "ImageDigestDoesNotMatchException"
    assert code_of(lambda: ecr.delete_repository(
        repositoryName="web")) == "RepositoryNotEmptyException"


def test_ecr_keeps_what_a_list_of_images_refers_to(endpoint: Endpoint) -> None:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageFailure.html"""
    ecr = endpoint.client("ecr")
    ecr.create_repository(repositoryName="web")
    digest = endpoint.put_image("web", ["arm", "other"])
    endpoint.put_list("web", ["all"], [digest])
    delete = lambda *tags: [  # noqa: E731
        f["failureCode"] for f in ecr.batch_delete_image(
            repositoryName="web", imageIds=[{"imageTag": tag} for tag in tags])["failures"]]
    assert delete("other") == []
    assert delete("arm", "none") == ["ImageReferencedByManifestList", "ImageNotFound"]
    assert delete("all", "arm") == []
    assert ecr.list_images(repositoryName="web")["imageIds"] == []


def test_ecr_pages_and_token(endpoint: Endpoint) -> None:
    ecr = endpoint.client("ecr")
    for i in range(3):
        ecr.create_repository(repositoryName=f"web/{i}")
    page = ecr.describe_repositories(maxResults=2)
    assert len(page["repositories"]) == 2 and page["nextToken"]
    assert code_of(lambda: ecr.describe_repositories(
        repositoryNames=["web/0", "no"])) == "RepositoryNotFoundException"
    token = ecr.get_authorization_token()["authorizationData"][0]
    assert 11 * 3600 < token["expiresAt"].timestamp() - time.time() < 13 * 3600


# --- Logs ---

@pytest.fixture
def logs(endpoint: Endpoint) -> Any:
    client = endpoint.client("logs")
    client.create_log_group(logGroupName="E", tags={"a": "b"})
    return client


def put_filter(logs: Any, **given: Any) -> Any:
    return logs.put_metric_filter(**{
        "logGroupName": "E", "filterName": "f", "filterPattern": "Exception",
        "metricTransformations": [{"metricName": "m", "metricNamespace": "n",
                                   "metricValue": "1", "defaultValue": 0.0}], **given})


def test_metric_filter_is_replaced_not_doubled(logs: Any) -> None:
    put_filter(logs)
    put_filter(logs, filterPattern="ERROR")
    found = logs.describe_metric_filters(logGroupName="E")["metricFilters"]
    assert [f["filterPattern"] for f in found] == ["ERROR"]
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 1
    assert code_of(lambda: put_filter(logs, logGroupName="no")) == "ResourceNotFoundException"
    logs.delete_metric_filter(logGroupName="E", filterName="f")
    assert code_of(lambda: logs.delete_metric_filter(
        logGroupName="E", filterName="f")) == "ResourceNotFoundException"


def test_log_group_rules(logs: Any) -> None:
    assert code_of(lambda: logs.put_retention_policy(
        logGroupName="E", retentionInDays=31)) == "InvalidParameterException"
    logs.put_retention_policy(logGroupName="E", retentionInDays=30)
    group = logs.describe_log_groups(logGroupNamePrefix="E")["logGroups"][0]
    assert group["retentionInDays"] == 30 and group["arn"] == group["logGroupArn"] + ":*"
    tags = lambda arn: logs.list_tags_for_resource(resourceArn=arn)["tags"]  # noqa: E731
    assert tags(group["logGroupArn"]) == {"a": "b"}
    # The model's pattern of an ARN has no asterisk; Terraform trims it for this reason.
    assert code_of(lambda: tags(group["arn"])) == "InvalidParameterException"
    assert code_of(lambda: logs.create_log_group(
        logGroupName="a b")) == "InvalidParameterException"
    assert code_of(lambda: logs.create_log_group(
        logGroupName="E")) == "ResourceAlreadyExistsException"


@pytest.fixture
def events(logs: Any) -> list[str]:
    """Five events in two streams, in the order of time."""
    now = int(time.time() * 1000)
    for stream, times in (("a", (1, 3, 5)), ("b", (2, 4))):
        logs.create_log_stream(logGroupName="E", logStreamName=stream)
        logs.put_log_events(logGroupName="E", logStreamName=stream, logEvents=[
            {"timestamp": now + i, "message": f"e{i}"} for i in times])
    return [f"e{i}" for i in range(1, 6)]


def test_events_are_read_forward_to_where_the_token_stays(endpoint: Endpoint, logs: Any,
                                                          events: list[str]) -> None:
    endpoint.pages(2)
    got, token = [], None
    while True:
        given = {"nextToken": token} if token else {"startFromHead": True}
        page = logs.get_log_events(logGroupName="E", logStreamName="a", **given)
        got += [e["message"] for e in page["events"]]
        assert len(page["events"]) <= 2
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert got == ["e1", "e3", "e5"]
    last = logs.get_log_events(logGroupName="E", logStreamName="a")
    assert [e["message"] for e in last["events"]] == ["e3", "e5"]
    first = logs.get_log_events(logGroupName="E", logStreamName="a",
                                nextToken=last["nextBackwardToken"])
    assert [e["message"] for e in first["events"]] == ["e1"]


def test_events_of_all_streams_and_streams_in_pages(endpoint: Endpoint, logs: Any,
                                                    events: list[str]) -> None:
    endpoint.pages(2)
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName="E"))
    assert [len(p["events"]) for p in pages] == [2, 2, 1]
    assert [e["message"] for p in pages for e in p["events"]] == events
    one = logs.filter_log_events(logGroupName="E", filterPattern="e4")["events"]
    assert [(e["message"], e["logStreamName"]) for e in one] == [("e4", "b")]
    endpoint.pages(1)
    newest = {"logGroupName": "E", "orderBy": "LastEventTime", "descending": True}
    pages = list(logs.get_paginator("describe_log_streams").paginate(**newest))
    assert [s["logStreamName"] for p in pages for s in p["logStreams"]] == ["a", "b"]
    assert len(pages) == 2


# --- IAM, STS ---

@pytest.mark.parametrize("document", [
    "not json", "{}", '{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}',
    '{"Statement": [{"Effect": "Yes", "Action": "sts:AssumeRole", "Principal": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Principal": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*",'
    ' "Principal": "*"}]}',
    '{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
    ' "Principal": {"Service": "ecs"}}]}',
])
def test_trust_policy_refused(endpoint: Endpoint, document: str) -> None:
    iam = endpoint.client("iam")
    assert code_of(lambda: iam.create_role(
        RoleName="r", AssumeRolePolicyDocument=document)) == "MalformedPolicyDocument"


def test_role_life(build: Builder, endpoint: Endpoint) -> None:
    iam = endpoint.client("iam")
    build.role()
    assert code_of(build.role) == "EntityAlreadyExists"
    iam.attach_role_policy(RoleName="ecs_task_execution_role", PolicyArn="arn:aws:iam::aws:policy/"
                           "service-role/AmazonECSTaskExecutionRolePolicy")
    assert code_of(lambda: iam.delete_role(RoleName="ecs_task_execution_role")) == "DeleteConflict"
    assert code_of(lambda: iam.get_role(RoleName="no")) == "NoSuchEntity"


def test_assumed_role_shows_its_session(endpoint: Endpoint) -> None:
    sts = endpoint.client("sts")
    keys = sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="berth-77-1")["Credentials"]
    mine = endpoint.client_as("sts", keys["AccessKeyId"], keys["SecretAccessKey"],
                              keys["SessionToken"])
    arn = mine.get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/berth-deploy/berth-77-1"
    assert endpoint.record()[-1]["principal"] == arn
    assert error_of(lambda: sts.assume_role(
        RoleArn=ROLE_ARN + "x", RoleSessionName="ss"))[::2] == ("AccessDenied", 403)
    assert code_of(lambda: sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="s!"
                                           )) == "ValidationError"
