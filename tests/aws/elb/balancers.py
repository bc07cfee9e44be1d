"""Load balancers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
"""

from __future__ import annotations

from typing import Any

from .. import ec2
from ..errors import AwsError
from ..registry import Call
from .attributes import BALANCER, attributes_show, attributes_update
from .health import groups_check
from .model import ACTIONS, Balancer, Elb, configuration, name_check, page_of, refuse, store_of, \
    tags_check

PER_REGION = 50  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/
#                  load-balancer-limits.html
# The hosted zone of every application load balancer in a region:
# https://docs.aws.amazon.com/general/latest/gr/elb.html
ZONES = {"us-east-1": "Z35SXDOTRQ7X7K", "us-east-2": "Z3AADJGX6KTTL2",
         "us-west-2": "Z1H1FL5HABSF5", "eu-west-1": "Z32O12XQLNTSW2"}


def subnets_check(elb: Elb, given: dict[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """The VPC and the zones of the subnets: one in each of at least two zones."""
    names = given.get("Subnets") or [m["SubnetId"] for m in given.get("SubnetMappings", [])]
    if not names:
        raise refuse("At least one subnet must be specified")
    zones, vpcs = {}, set()
    for name in names:
        subnet = ec2.subnet_find(elb.account, elb.region, name)
        if subnet is None:
            raise AwsError("SubnetNotFound", f"The subnet ID '{name}' does not exist")
        if subnet.availability_zone in zones:
            raise configuration("A load balancer cannot be attached to multiple subnets in the "
                                "same Availability Zone")
        zones[subnet.availability_zone] = name
        vpcs.add(subnet.vpc_id)
    if len(zones) < 2:
        raise refuse("At least two subnets in two different Availability Zones must be specified")
    if len(vpcs) > 1:
        raise AwsError("InvalidSubnet", "Subnets must be in the same VPC")
    return vpcs.pop(), [{"ZoneName": zone, "SubnetId": name, "LoadBalancerAddresses": []}
                        for zone, name in zones.items()]


def groups_of(elb: Elb, vpc: str, names: list[str]) -> list[str]:
    for name in names:
        found = ec2.group_vpc(elb.account, elb.region, name)
        if found is None:
            raise AwsError("InvalidSecurityGroup", f"The security group '{name}' does not exist")
        if found != vpc:
            raise configuration("One or more security groups are invalid")
    return names or [ec2.group_default(elb.account, elb.region, vpc)]


def _same(balancer: Balancer, fields: dict[str, Any]) -> bool:
    """Whether a create call asks for what is there: its tags do not count."""
    def essence(of: dict[str, Any]) -> Any:
        return (sorted(z["SubnetId"] for z in of["AvailabilityZones"]),
                sorted(of["SecurityGroups"]), of["Scheme"], of["Type"], of["IpAddressType"])
    return bool(essence(balancer.fields) == essence(fields))


def ip_type_check(elb: Elb, kind: str, zones: list[dict[str, Any]]) -> None:
    """Dual stack needs subnets with IPv6 addresses: "You must specify subnets with an associated
    IPv6 CIDR block", API_SetIpAddressType."""
    for zone in zones if kind != "ipv4" else []:
        subnet = ec2.subnet_find(elb.account, elb.region, zone["SubnetId"])
        if not getattr(subnet, "ipv6_cidr_block_associations", None):
            raise AwsError("InvalidSubnet", "You must specify subnets with an associated "
                           f"IPv6 CIDR block: '{zone['SubnetId']}'")


@ACTIONS.action("CreateLoadBalancer")
def create(call: Call) -> dict[str, Any]:
    """"Each call succeeds" that asks for the same settings under a name, whoever made it."""
    elb, given = store_of(call), call.input
    name = given["Name"]
    name_check("Load balancer", name)
    if given.get("Type", "application") != "application":
        raise configuration("This endpoint knows application load balancers alone")
    tags = tags_check(given.get("Tags", []))
    vpc, zones = subnets_check(elb, given)
    ip_type_check(elb, given.get("IpAddressType", "ipv4"), zones)
    fields = {
        "LoadBalancerName": name, "Scheme": given.get("Scheme", "internet-facing"),
        "Type": "application", "IpAddressType": given.get("IpAddressType", "ipv4"),
        "VpcId": vpc, "AvailabilityZones": zones,
        "SecurityGroups": groups_of(elb, vpc, given.get("SecurityGroups", []))}
    # https://github.com/openshift/installer/issues/1110
    if fields["Scheme"] == "internet-facing" and not ec2.has_gateway(elb.account, elb.region, vpc):
        raise AwsError("InvalidSubnet", f"VPC {vpc} has no internet gateway")
    there = next((b for b in elb.balancers.values() if b.name == name), None)
    if there is not None:
        if not _same(there, fields):
            raise AwsError("DuplicateLoadBalancerName", f"A load balancer with the same name "
                           f"'{name}' exists, but with different settings")
        return {"LoadBalancers": [there.fields]}
    if len(elb.balancers) >= PER_REGION:
        raise AwsError("TooManyLoadBalancers", "The maximum number of load balancers has been "
                       "reached")
    return {"LoadBalancers": [_make(elb, fields, tags).fields]}


def _make(elb: Elb, fields: dict[str, Any], tags: dict[str, str]) -> Balancer:
    name, prefix = fields["LoadBalancerName"], ""
    if fields["Scheme"] == "internal":
        prefix = "internal-"
    arn = elb.arn("loadbalancer", "app", name)
    fields.update({
        "LoadBalancerArn": arn, "CreatedTime": elb.world.clock.now(),
        "CanonicalHostedZoneId": ZONES.get(elb.region, "Z35SXDOTRQ7X7K"),
        "DNSName": f"{prefix}{name}-{elb.world.digits(10)}.{elb.region}.elb.amazonaws.com",
        "State": {"Code": "provisioning"}})
    balancer = Balancer(arn, fields, tags, dict(BALANCER), [])
    elb.balancers[arn] = balancer
    interfaces_make(elb, balancer)
    clock = elb.world.clock
    clock.after(clock.duration("elb.provisioning"), lambda: _provisioned(elb, balancer))
    return balancer


def _provisioned(elb: Elb, balancer: Balancer) -> None:
    fault = elb.world.faults.found("failed", "elasticloadbalancing",
                                   LoadBalancerName=balancer.name)
    if fault is None:
        balancer.fields["State"] = {"Code": "active"}
    else:
        balancer.fields["State"] = {"Code": "failed", "Reason": fault.get(
            "message", "Insufficient free addresses in the subnets to create the load balancer")}


def interfaces_make(elb: Elb, balancer: Balancer) -> None:
    """One in each subnet, with the load balancer's groups."""
    identity = balancer.arn.partition(":loadbalancer/")[2]
    for zone in balancer.fields["AvailabilityZones"]:
        interface = ec2.interface_create(elb.account, elb.region, zone["SubnetId"],
                                         balancer.fields["SecurityGroups"], f"ELB {identity}",
                                         owner="amazon-elb")
        balancer.interfaces.append(interface.id)


def _interfaces_go(elb: Elb, names: list[str]) -> None:
    """They outlive what they were for, by up to minutes: hashicorp/terraform#3758."""
    def gone() -> None:
        for name in names:
            ec2.interface_delete(elb.account, elb.region, name)

    clock = elb.world.clock
    clock.after(clock.duration("elb.interface"), gone)


@ACTIONS.action("DescribeLoadBalancers")
def describe(call: Call) -> dict[str, Any]:
    elb, given = store_of(call), call.input
    found = list(elb.balancers.values())
    if len(given.get("Names", [])) > 20 or len(given.get("LoadBalancerArns", [])) > 20:
        raise refuse("Cannot describe more than 20 load balancers by name or ARN")
    for arn in given.get("LoadBalancerArns", []):
        elb.balancer(arn)
    for name in given.get("Names", []):
        if all(b.name != name for b in found):
            raise AwsError("LoadBalancerNotFound", f"Load balancers '[{name}]' not found")
    if given.get("LoadBalancerArns"):
        found = [b for b in found if b.arn in given["LoadBalancerArns"]]
    if given.get("Names"):
        found = [b for b in found if b.name in given["Names"]]
    page, more = page_of(found, call)
    return {"LoadBalancers": [b.fields for b in page], **more}


@ACTIONS.action("DeleteLoadBalancer")
def delete(call: Call) -> dict[str, Any]:
    """"If it does not exist or has already been deleted, the call succeeds"; listeners go too."""
    elb = store_of(call)
    balancer = elb.balancers.get(call.input["LoadBalancerArn"])
    if balancer is None:
        return {}
    if balancer.attributes["deletion_protection.enabled"] == "true":
        raise AwsError("OperationNotPermitted", f"Load balancer '{balancer.arn}' cannot be "
                       "deleted because deletion protection is enabled")
    used = [g for g in elb.groups.values() if balancer in elb.users(g)]
    del elb.balancers[balancer.arn]
    groups_check(elb, used)
    _interfaces_go(elb, balancer.interfaces)
    return {}


@ACTIONS.action("SetSecurityGroups")
def set_groups(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    balancer = elb.balancer(call.input["LoadBalancerArn"])
    if not call.input["SecurityGroups"]:
        raise refuse("At least one security group must be specified")
    groups = groups_of(elb, balancer.fields["VpcId"], call.input["SecurityGroups"])
    balancer.fields["SecurityGroups"] = groups
    for name in balancer.interfaces:
        ec2.interface_groups(elb.account, elb.region, name, groups)
    return {"SecurityGroupIds": groups}


@ACTIONS.action("SetSubnets")
def set_subnets(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    balancer = elb.balancer(call.input["LoadBalancerArn"])
    vpc, zones = subnets_check(elb, call.input)
    if vpc != balancer.fields["VpcId"]:
        raise AwsError("InvalidSubnet", "Subnets must be in the load balancer's VPC")
    balancer.fields["AvailabilityZones"] = zones
    _interfaces_go(elb, balancer.interfaces)
    balancer.interfaces = []
    interfaces_make(elb, balancer)
    return {"AvailabilityZones": zones, "IpAddressType": balancer.fields["IpAddressType"]}


@ACTIONS.action("SetIpAddressType")
def set_ip_type(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    balancer, kind = elb.balancer(call.input["LoadBalancerArn"]), call.input["IpAddressType"]
    ip_type_check(elb, kind, balancer.fields["AvailabilityZones"])
    balancer.fields["IpAddressType"] = kind
    return {"IpAddressType": kind}


@ACTIONS.action("DescribeLoadBalancerAttributes")
def describe_attributes(call: Call) -> dict[str, Any]:
    balancer = store_of(call).balancer(call.input["LoadBalancerArn"])
    return {"Attributes": attributes_show(balancer.attributes)}


@ACTIONS.action("ModifyLoadBalancerAttributes")
def modify_attributes(call: Call) -> dict[str, Any]:
    balancer = store_of(call).balancer(call.input["LoadBalancerArn"])
    attributes_update("Load balancer", balancer.attributes, call.input["Attributes"])
    return {"Attributes": attributes_show(balancer.attributes)}
