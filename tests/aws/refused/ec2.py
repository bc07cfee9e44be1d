"""Amazon EC2: security groups and the network that they are in."""

from __future__ import annotations

from typing import Any

from ..build import Builder
from . import AWS, EC2, Row, twice

LIMITS = AWS + "vpc/latest/userguide/amazon-vpc-limits.html"
TAGS = AWS + "AWSEC2/latest/UserGuide/Using_Tags.html"
ERRORS = AWS + "AWSEC2/latest/APIReference/errors-overview.html"
DESCRIBED = "https://github.com/aws-cloudformation/cfn-lint/issues/173"
VALUE = "InvalidParameterValue"


def rule(**given: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
            "IpRanges": [{"CidrIp": "10.0.0.0/8"}], **given}


def allow(*rules: dict[str, Any]) -> Any:
    return lambda b: b.ec2.authorize_security_group_ingress(
        GroupId=b.group(), IpPermissions=list(rules))


def group(**given: Any) -> Any:
    return lambda b: b.ec2.create_security_group(**{
        "GroupName": "a", "Description": "d", "VpcId": b.vpc, **given})


def tagged(*tags: dict[str, str]) -> Any:
    return group(TagSpecifications=[{"ResourceType": "security-group", "Tags": list(tags)}])


def rule_again(build: Builder) -> Any:
    name = build.group()
    for _ in range(2):
        build.ec2.authorize_security_group_ingress(GroupId=name, IpPermissions=[rule()])


def rule_never_there(build: Builder) -> Any:
    return build.ec2.revoke_security_group_ingress(GroupId=build.group(), IpPermissions=[rule()])


def held(build: Builder) -> Any:
    name = build.group()
    build.running(groups=[name])
    return build.ec2.delete_security_group(GroupId=name)


def held_after_its_service(build: Builder) -> Any:
    name = build.group()
    build.running(groups=[name])
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    return build.ec2.delete_security_group(GroupId=name)


def named(build: Builder) -> Any:
    first, second = build.group("a"), build.group("b")
    build.ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=[
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": second}]}])
    return build.ec2.delete_security_group(GroupId=second)


def default(build: Builder) -> Any:
    found = build.ec2.describe_security_groups(Filters=[
        {"Name": "vpc-id", "Values": [build.vpc]}, {"Name": "group-name", "Values": ["default"]}])
    return build.ec2.delete_security_group(GroupId=found["SecurityGroups"][0]["GroupId"])


def foreign(build: Builder) -> Any:
    """A rule that names a group of another VPC."""
    vpc = next(v["VpcId"] for v in build.ec2.describe_vpcs()["Vpcs"] if v["VpcId"] != build.vpc)
    other = group(VpcId=vpc)(build)["GroupId"]
    return allow(rule(IpRanges=[], UserIdGroupPairs=[{"GroupId": other}]))(build)


def described(text: str) -> Any:
    """A rule with a description."""
    return allow(rule(IpRanges=[{"CidrIp": "10.0.0.0/8", "Description": text}]))


MANY = [{"Key": f"k{i}", "Value": "v"} for i in range(51)]

ROWS = [
    Row("a group made twice", ERRORS, twice(lambda b: b.group()), "InvalidGroup.Duplicate"),
    Row("a VPC that is not there", ERRORS, group(VpcId="vpc-12345678"), "InvalidVpcID.NotFound"),
    Row("a group's name is no id", EC2 + "CreateSecurityGroup.html", group(GroupName="sg-a"),
        VALUE),
    Row("a group's name is at most 255 long", EC2 + "CreateSecurityGroup.html",
        group(GroupName="a" * 256), VALUE),
    Row("characters of a description", EC2 + "CreateSecurityGroup.html", group(Description="ä"),
        VALUE),
    Row("a description", EC2 + "CreateSecurityGroup.html",
        lambda b: b.ec2.create_security_group(GroupName="a", VpcId=b.vpc), "MissingParameter"),
    Row("a tag's key is not AWS's own", TAGS, tagged({"Key": "aws:a", "Value": "b"}), VALUE),
    Row("a tag's key is at most 128 long", TAGS, tagged({"Key": "a" * 129, "Value": ""}), VALUE),
    Row("a tag's value is at most 256 long", TAGS, tagged({"Key": "a", "Value": "b" * 257}), VALUE),
    Row("at most 50 tags", ERRORS, tagged(*MANY), "TagLimitExceeded"),
    Row("at most 50 tags, with those that are there", ERRORS, lambda b: b.ec2.create_tags(
        Resources=[tagged(*MANY[1:])(b)["GroupId"]], Tags=MANY[:1]), "TagLimitExceeded"),
    Row("tags of another kind", EC2 + "TagSpecification.html", group(TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]), VALUE),
    Row("tags of what is not there", EC2 + "CreateTags.html", lambda b: b.ec2.create_tags(
        Resources=["sg-12345678"], Tags=[{"Key": "a", "Value": "b"}]), "InvalidGroup.NotFound"),
    Row("a rule made twice", ERRORS, rule_again, "InvalidPermission.Duplicate"),
    Row("two equal rules in one call", ERRORS, allow(rule(), rule()),
        "InvalidPermission.Duplicate"),
    Row("a rule that never was", ERRORS, rule_never_there, "InvalidPermission.NotFound"),
    Row("a protocol", EC2 + "IpPermission.html", allow(rule(IpProtocol="xyz")), VALUE),
    Row("ports of tcp", EC2 + "IpPermission.html",
        allow({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}), VALUE),
    Row("ports in their order", EC2 + "IpPermission.html", allow(rule(FromPort=90)), VALUE),
    Row("ports that there are", EC2 + "IpPermission.html", allow(rule(ToPort=65536)), VALUE),
    Row("a CIDR's length", EC2 + "IpRange.html",
        allow(rule(IpRanges=[{"CidrIp": "10.0.0.1/33"}])), VALUE),
    Row("a CIDR's address", EC2 + "IpRange.html", allow(rule(IpRanges=[{"CidrIp": "10.0/8"}])),
        VALUE),
    Row("bits beyond a CIDR's length are cut off", EC2 + "IpRange.html",
        allow(rule(IpRanges=[{"CidrIp": "10.0.0.1/8"}])), ""),
    Row("a source", EC2 + "IpPermission.html", allow(rule(IpRanges=[])), "MissingParameter"),
    Row("a source group that is not there", ERRORS, allow(rule(IpRanges=[], UserIdGroupPairs=[
        {"GroupId": "sg-12345678"}])), "InvalidGroup.NotFound"),
    Row("a source group of another VPC", "https://github.com/ansible/ansible/issues/45782", foreign,
        "InvalidGroup.NotFound"),
    *(Row(f"a rule's description: {what}", DESCRIBED, described(text), code)
      for what, text, code in (("characters", "its own's -> it", VALUE), ("length", "a" * 256, VALUE),
                               ("as long as it can be", "a" * 255, ""))),
    Row("60 rules", LIMITS, allow(rule(IpRanges=[
        {"CidrIp": f"10.{i}.0.0/16"} for i in range(61)])), "RulesPerSecurityGroupLimitExceeded"),
    Row("rules of a group that is not there", ERRORS,
        lambda b: b.ec2.authorize_security_group_ingress(
            GroupId="sg-12345678", IpPermissions=[rule()]), "InvalidGroup.NotFound"),
    Row("a group that tasks have", EC2 + "DeleteSecurityGroup.html", held, "DependencyViolation"),
    Row("a group whose tasks only just end", EC2 + "DeleteSecurityGroup.html",
        held_after_its_service, "DependencyViolation"),
    Row("a group that another one names", EC2 + "DeleteSecurityGroup.html", named,
        "DependencyViolation"),
    Row("a VPC's default group", ERRORS, default, "CannotDelete"),
    Row("a group that never was", ERRORS,
        lambda b: b.ec2.delete_security_group(GroupId="sg-12345678"), "InvalidGroup.NotFound"),
    Row("an id that is none", ERRORS, lambda b: b.ec2.delete_security_group(GroupId="web"),
        "InvalidGroupId.Malformed"),
    Row("a subnet that is not there", ERRORS,
        lambda b: b.ec2.describe_subnets(SubnetIds=["subnet-12345678"]),
        "InvalidSubnetID.NotFound"),
    Row("a VPC to describe that is not there", ERRORS,
        lambda b: b.ec2.describe_vpcs(VpcIds=["vpc-12345678"]), "InvalidVpcID.NotFound"),
    Row("an interface that is not there", ERRORS,
        lambda b: b.ec2.describe_network_interfaces(NetworkInterfaceIds=["eni-12345678"]),
        "InvalidNetworkInterfaceID.NotFound"),
    Row("pages and ids together", EC2 + "DescribeSecurityGroups.html",
        lambda b: b.ec2.describe_security_groups(GroupIds=[b.group()], MaxResults=5),
        "InvalidParameterCombination"),
    *(Row(f"{action}: {what}", EC2 + page + ".html",
          lambda b, a=action, g=given: getattr(b.ec2, a)(**g), code)
      for action, page in (
          ("describe_security_groups", "DescribeSecurityGroups"),
          ("describe_security_group_rules", "DescribeSecurityGroupRules"),
          ("describe_subnets", "DescribeSubnets"), ("describe_vpcs", "DescribeVpcs"),
          ("describe_network_interfaces", "DescribeNetworkInterfaces"))
      for what, given, code in (
          ("pages of less than 5", {"MaxResults": 4}, VALUE),
          ("a token that is none", {"NextToken": "x"}, "InvalidNextToken"),
          ("a filter that is none", {"Filters": [{"Name": "no-such", "Values": ["x"]}]}, VALUE))),
]
