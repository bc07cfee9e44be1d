"""Security groups: their rules, and who keeps them from being deleted.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html and its kin;
https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule

from ..registry import Call, Raw
from .common import (ACTIONS, backend, dry_run, filtered, page_of, refuse, tag_check, tags_of,
                     tags_show)

TEXT = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]"
GROUP_TEXT = re.compile(TEXT + "{1,255}")
# https://github.com/aws-cloudformation/cfn-lint/issues/173
RULE_TEXT = re.compile(TEXT + "{0,255}")
PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}
# What each list of an IpPermission holds: its members, and a rule's member for the source.
SOURCES = {"IpRanges": "CidrIp", "Ipv6Ranges": "CidrIpv6", "UserIdGroupPairs": "GroupId",
           "PrefixListIds": "PrefixListId"}
FILTERS = {  # of DescribeSecurityGroups: a group's values for a filter
    "group-id": lambda g: [g.id], "group-name": lambda g: [g.name],
    "vpc-id": lambda g: [g.vpc_id], "description": lambda g: [g.description],
    "owner-id": lambda g: [g.owner_id], "tag-key": lambda g: [t["key"] for t in g.get_tags()],
    "tag-value": lambda g: [t["value"] for t in g.get_tags()],
    "ip-permission.cidr": lambda g: [r.ip_range.get("CidrIp") for r in g.ingress_rules],
    "ip-permission.group-id": lambda g: [r.source_group.get("GroupId") for r in g.ingress_rules],
    "egress.ip-permission.group-id":
        lambda g: [r.source_group.get("GroupId") for r in g.egress_rules],
    "ip-permission.from-port": lambda g: [str(r.from_port) for r in g.ingress_rules],
    "ip-permission.to-port": lambda g: [str(r.to_port) for r in g.ingress_rules],
    "ip-permission.protocol": lambda g: [r.ip_protocol for r in g.ingress_rules],
}


def group_get(call: Call) -> SecurityGroup:
    ec2 = backend(call.account, call.region)
    name = call.input.get("GroupId")
    if name is None and "GroupName" not in call.input:
        raise refuse("MissingParameter", "The request must contain the parameter GroupName or "
                     "GroupId")
    if name is not None and not re.fullmatch(r"sg-[0-9a-f]{8,17}", name):
        raise refuse("InvalidGroupId.Malformed", f"Invalid id: \"{name}\" (expecting \"sg-...\")")
    group = (ec2.get_security_group_from_id(name) if name is not None
             else ec2.get_security_group_from_name(call.input["GroupName"]))
    if group is None:
        raise refuse("InvalidGroup.NotFound", f"The security group "
                     f"'{name or call.input['GroupName']}' does not exist")
    return group  # type: ignore[no-any-return]


@ACTIONS.action("CreateSecurityGroup")
def create_group(call: Call) -> dict[str, Any]:
    given, ec2 = call.input, backend(call.account, call.region)
    name, vpc = given["GroupName"], given.get("VpcId", ec2.default_vpc.id)
    if vpc not in ec2.vpcs:
        raise refuse("InvalidVpcID.NotFound", f"The vpc ID '{vpc}' does not exist")
    for member, text in (("groupName", name), ("groupDescription", given["Description"])):
        if not GROUP_TEXT.fullmatch(text) or (member == "groupName" and text.startswith("sg-")):
            raise refuse("InvalidParameterValue", f"Value ({text}) for parameter {member} is "
                         "invalid. Character sets beyond ASCII are not supported.")
    if any(group.name == name for group in ec2.groups[vpc].values()):
        raise refuse("InvalidGroup.Duplicate",
                     f"The security group '{name}' already exists for VPC '{vpc}'")
    tags = tags_of(given, "security-group")
    dry_run(call)
    group = ec2.create_security_group(name, given["Description"], vpc_id=vpc, tags=tags)
    return {"GroupId": group.id, "SecurityGroupArn": group.arn, "Tags": tags_show(group)}


@ACTIONS.action("CreateTags")
def create_tags(call: Call) -> Raw:
    for tag in call.input.get("Tags", []):
        tag_check(tag)
    return call.forward()


@ACTIONS.action("DeleteSecurityGroup")
def delete_group(call: Call) -> dict[str, Any]:
    """Refused while an interface is in the group or another group's rule names it."""
    ec2, group = backend(call.account, call.region), group_get(call)
    if group.is_default or group.name == "default":
        raise refuse("CannotDelete", f"the specified group: \"{group.id}\" name: \"default\" "
                     "cannot be deleted by a user")
    held = any(group in eni.group_set for eni in ec2.enis.values())
    named = any(rule.source_group.get("GroupId") == group.id
                for other in every_group(ec2) if other is not group
                for rule in other.ingress_rules + other.egress_rules)
    if held or named:
        raise refuse("DependencyViolation", f"resource {group.id} has a dependent object")
    dry_run(call)
    ec2.delete_security_group(group_id=group.id)
    ec2.tags.pop(group.id, None)  # DescribeTags would still tell of them
    return {"Return": True, "GroupId": group.id}


def every_group(ec2: Any) -> list[SecurityGroup]:
    return [group for groups in ec2.groups.values() for group in groups.values()]


def rule_source(rule: SecurityGroupRule) -> str | None:
    """Where a rule's traffic comes from or goes to: a CIDR, a group or a prefix list."""
    source = (rule.ip_range.get("CidrIp") or rule.ip_range.get("CidrIpv6")
              or rule.source_group.get("GroupId") or rule.prefix_list_id)
    return str(source) if source else None


def rule_key(rule: SecurityGroupRule) -> tuple[Any, ...]:
    """What makes two rules the same: the description does not."""
    return rule.ip_protocol, rule.from_port, rule.to_port, rule_source(rule)


def rules_of(call: Call, group: SecurityGroup, egress: bool) -> list[SecurityGroupRule]:
    """The single rules that a call's IpPermissions (or its older members) describe."""
    ec2 = backend(call.account, call.region)
    permissions = call.input.get("IpPermissions") or []
    if not permissions and ("CidrIp" in call.input or "IpProtocol" in call.input):
        permissions = [{**{m: call.input[m] for m in ("IpProtocol", "FromPort", "ToPort")
                           if m in call.input},
                        "IpRanges": [{"CidrIp": call.input.get("CidrIp")}]}]
    if not permissions:
        raise refuse("MissingParameter", "The request must contain the parameter ipPermissions")
    rules = []
    for permission in permissions:
        permission = {**permission, "IpProtocol": protocol_of(permission)}
        ports_check(permission)
        before = len(rules)
        for member, key in SOURCES.items():
            for source in permission.get(member, []):
                rules.append(rule_make(ec2, group, permission, member, key, source, egress))
        if len(rules) == before:
            raise refuse("MissingParameter", "Missing source specification: include source "
                         "security group, CIDR, or prefix list information")
    return rules


def protocol_of(permission: dict[str, Any]) -> str:
    text = str(permission.get("IpProtocol", "")).lower()
    text = PROTOCOLS.get(text, text)
    if text not in ("tcp", "udp", "icmp", "icmpv6", "-1") and not (
            text.isdigit() and int(text) <= 255):
        raise refuse("InvalidParameterValue", f"Invalid value '{text}' for IP protocol. Unknown "
                     "protocol.")
    return text


def ports_check(permission: dict[str, Any]) -> None:
    """tcp and udp need a range; for icmp the two are type and code, -1 for all."""
    protocol = permission["IpProtocol"]
    low, high = permission.get("FromPort"), permission.get("ToPort")
    if protocol in ("tcp", "udp"):
        if low is None or high is None:
            raise refuse("InvalidParameterValue", "Invalid value for portRange. Must specify both "
                         "from and to ports with TCP/UDP.")
        if not 0 <= low <= 65535 or not 0 <= high <= 65535:
            raise refuse("InvalidParameterValue", f"Invalid value '{low}-{high}' for portRange.")
        if low > high:
            raise refuse("InvalidParameterValue", f"Invalid TCP/UDP port range ({low}:{high})")
    elif protocol in ("icmp", "icmpv6") and (low is None or high is None):
        raise refuse("InvalidParameterValue", "ICMP code (-1) without type is not valid.")


def rule_make(ec2: Any, group: SecurityGroup, permission: dict[str, Any], member: str, key: str,
              source: dict[str, Any], egress: bool) -> SecurityGroupRule:
    ranges, pair, prefix = {}, {}, None
    if not RULE_TEXT.fullmatch(source.get("Description", "")):
        raise refuse("InvalidParameterValue", "Invalid rule description. Valid descriptions are "
                     "strings less than 256 characters from the following set:  a-zA-Z0-9. "
                     "_-:/()#,@[]+=&;{}!$*")
    if member == "UserIdGroupPairs":
        other = ec2.get_security_group_from_id(source.get("GroupId", ""))
        if other is None and "GroupName" in source:
            other = ec2.get_security_group_from_name(source["GroupName"], group.vpc_id)
        if other is None:
            raise refuse("InvalidGroup.NotFound", "The security group "
                         f"'{source.get('GroupId') or source.get('GroupName')}' does not exist")
        # No peering connects the VPCs here: https://github.com/ansible/ansible/pull/28876
        if other.vpc_id != group.vpc_id:
            raise refuse("InvalidGroup.NotFound", "You have specified two resources that belong to "
                         "different networks.")
        pair = {"UserId": ec2.account_id, "GroupId": other.id,
                **({"Description": source["Description"]} if "Description" in source else {})}
    elif member == "PrefixListIds":
        prefix = source
    else:
        ranges = {**source, key: cidr_of(source.get(key))}
    protocol = permission["IpProtocol"]
    rule = SecurityGroupRule(ec2, protocol if protocol in ("tcp", "udp", "icmp", "icmpv6", "-1")
                             else "-1", group.id, permission.get("FromPort", -1),
                             permission.get("ToPort", -1), ranges, pair, prefix, is_egress=egress)
    rule.ip_protocol = protocol
    return rule


def cidr_of(text: str | None) -> str:
    """AWS refuses what is no CIDR, and sets host bits to 0 (API_AuthorizeSecurityGroupIngress)."""
    try:
        if text is None or "/" not in text:
            raise ValueError
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise refuse("InvalidParameterValue", f"CIDR block {text} is malformed") from None


def authorize(egress: bool) -> Callable[[Call], dict[str, Any]]:
    def action(call: Call) -> dict[str, Any]:
        """All of the rules, or none."""
        group = group_get(call)
        present = group.egress_rules if egress else group.ingress_rules
        known = {rule_key(rule) for rule in present}
        rules = rules_of(call, group, egress)
        for rule in rules:
            if rule_key(rule) in known:
                raise refuse("InvalidPermission.Duplicate", "the specified rule \"peer: "
                             f"{rule_source(rule)}, {rule.ip_protocol}, from port: "
                             f"{rule.from_port}, to port: {rule.to_port}, ALLOW\" already exists")
            known.add(rule_key(rule))
        if len(present) + len(rules) > 60:
            raise refuse("RulesPerSecurityGroupLimitExceeded",
                         "The maximum number of rules per security group has been reached.")
        tags = tags_of(call.input, "security-group-rule")
        dry_run(call)
        for rule in rules:
            rule.add_tags(tags)
            present.append(rule)
        return {"Return": True, "SecurityGroupRules": [rule_show(rule) for rule in rules]}
    return action


def revoke(egress: bool) -> Callable[[Call], dict[str, Any]]:
    def action(call: Call) -> dict[str, Any]:
        group = group_get(call)
        present = group.egress_rules if egress else group.ingress_rules
        if call.input.get("SecurityGroupRuleIds"):
            keys = set(call.input["SecurityGroupRuleIds"])
            gone = [rule for rule in present if rule.id in keys]
        else:
            wanted = {rule_key(rule) for rule in rules_of(call, group, egress)}
            keys = wanted
            gone = [rule for rule in present if rule_key(rule) in wanted]
        if len(gone) != len(keys):
            raise refuse("InvalidPermission.NotFound",
                         "The specified rule does not exist in this security group.")
        dry_run(call)
        for rule in gone:
            present.remove(rule)
        return {"Return": True, "RevokedSecurityGroupRules": [
            {k: v for k, v in rule_show(rule).items() if k != "Tags"} for rule in gone]}
    return action


for _direction in ("Ingress", "Egress"):
    ACTIONS.action(f"AuthorizeSecurityGroup{_direction}")(authorize(_direction == "Egress"))
    ACTIONS.action(f"RevokeSecurityGroup{_direction}")(revoke(_direction == "Egress"))


def rule_show(rule: SecurityGroupRule) -> dict[str, Any]:
    """A single rule, as SecurityGroupRule in the API."""
    shown: dict[str, Any] = {
        "SecurityGroupRuleId": rule.id, "GroupId": rule.group_id, "GroupOwnerId": rule.owner_id,
        "IsEgress": rule.is_egress, "IpProtocol": rule.ip_protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port, "Tags": tags_show(rule)}
    if rule.ip_range.get("CidrIp"):
        shown["CidrIpv4"] = rule.ip_range["CidrIp"]
    if rule.ip_range.get("CidrIpv6"):
        shown["CidrIpv6"] = rule.ip_range["CidrIpv6"]
    if rule.source_group:
        shown["ReferencedGroupInfo"] = {"GroupId": rule.source_group["GroupId"],
                                        "UserId": rule.owner_id}
    description = rule.ip_range.get("Description") or rule.source_group.get("Description")
    if description:
        shown["Description"] = description
    return shown


def permissions_show(rules: list[SecurityGroupRule]) -> list[dict[str, Any]]:
    """Rules of one protocol and range together, as DescribeSecurityGroups gives them."""
    views: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rule in rules:
        view = views.setdefault((rule.ip_protocol, rule.from_port, rule.to_port), {
            "IpProtocol": rule.ip_protocol, "IpRanges": [], "Ipv6Ranges": [],
            "UserIdGroupPairs": [], "PrefixListIds": []})
        if rule.from_port is not None and rule.ip_protocol != "-1":
            view["FromPort"], view["ToPort"] = rule.from_port, rule.to_port
        if rule.ip_range.get("CidrIp"):
            view["IpRanges"].append(rule.ip_range)
        elif rule.ip_range.get("CidrIpv6"):
            view["Ipv6Ranges"].append(rule.ip_range)
        elif rule.source_group:
            view["UserIdGroupPairs"].append(rule.source_group)
        elif rule.prefix_list_id:
            view["PrefixListIds"].append({"PrefixListId": rule.prefix_list_id})
    return list(views.values())


def group_show(group: SecurityGroup) -> dict[str, Any]:
    return {"GroupId": group.id, "GroupName": group.name, "Description": group.description,
            "VpcId": group.vpc_id, "OwnerId": group.owner_id, "SecurityGroupArn": group.arn,
            "IpPermissions": permissions_show(group.ingress_rules),
            "IpPermissionsEgress": permissions_show(group.egress_rules),
            "Tags": tags_show(group)}


@ACTIONS.action("DescribeSecurityGroups")
def describe_groups(call: Call) -> dict[str, Any]:
    given, ec2 = call.input, backend(call.account, call.region)
    if "MaxResults" in given and ("GroupIds" in given or "GroupNames" in given):
        raise refuse("InvalidParameterCombination", "The parameter MaxResults cannot be used with "
                     "the parameter SecurityGroupIds")
    groups = every_group(ec2)
    for member, attribute in (("GroupIds", "id"), ("GroupNames", "name")):
        if member in given:
            for name in given[member]:
                if all(getattr(group, attribute) != name for group in groups):
                    raise refuse("InvalidGroup.NotFound",
                                 f"The security group '{name}' does not exist")
            groups = [g for g in groups if getattr(g, attribute) in given[member]]
    groups = filtered(groups, given.get("Filters", []), FILTERS)
    page, more = page_of(groups, call)
    return {"SecurityGroups": [group_show(group) for group in page], **more}


@ACTIONS.action("DescribeSecurityGroupRules")
def describe_rules(call: Call) -> dict[str, Any]:
    given, ec2 = call.input, backend(call.account, call.region)
    rules = [r for g in every_group(ec2) for r in g.ingress_rules + g.egress_rules]
    for name in given.get("SecurityGroupRuleIds", []):
        if all(rule.id != name for rule in rules):
            raise refuse("InvalidSecurityGroupRuleId.NotFound",
                         f"The security group rule ID '{name}' does not exist")
    if "SecurityGroupRuleIds" in given:
        rules = [rule for rule in rules if rule.id in given["SecurityGroupRuleIds"]]
    rules = filtered(rules, given.get("Filters", []), {
        "group-id": lambda r: [r.group_id], "security-group-rule-id": lambda r: [r.id]})
    page, more = page_of(rules, call)
    return {"SecurityGroupRules": [rule_show(rule) for rule in page], **more}
