"""Networks, which exist before and are only looked up, and network interfaces.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html
"""

from __future__ import annotations

import ipaddress
import itertools
from typing import Any

from moto.ec2.models.elastic_network_interfaces import NetworkInterface

from ..registry import Call
from .common import ACTIONS, backend, filtered, page_of, refuse, tags_show


def subnet_vpc(account: str, region: str, name: str) -> str | None:
    subnet = subnet_find(account, region, name)
    return str(subnet.vpc_id) if subnet else None


def subnet_find(account: str, region: str, name: str) -> Any:
    zones = backend(account, region).subnets.values()
    return next((zone[name] for zone in zones if name in zone), None)


def has_gateway(account: str, region: str, vpc: str) -> bool:
    """Whether an internet gateway is attached to a VPC."""
    return any(gateway.vpc is not None and gateway.vpc.id == vpc
               for gateway in backend(account, region).internet_gateways.values())


def group_vpc(account: str, region: str, name: str) -> str | None:
    group = backend(account, region).get_security_group_from_id(name)
    return group.vpc_id if group else None


def group_default(account: str, region: str, vpc: str) -> str:
    return str(backend(account, region).get_default_security_group(vpc).id)


def interface_groups(account: str, region: str, name: str, groups: list[str]) -> None:
    """Give an interface other security groups."""
    ec2 = backend(account, region)
    ec2.enis[name].group_set[:] = [ec2.get_security_group_from_id(g) for g in groups]


def interface_create(account: str, region: str, subnet: str, groups: list[str],
                     description: str, owner: str = "amazon-ecs") -> NetworkInterface:
    """An interface of OWNER, a task's: it holds its security groups until it is deleted."""
    ec2 = backend(account, region)
    taken = {eni.private_ip_address for eni in ec2.enis.values() if eni.subnet.id == subnet}
    network = ipaddress.ip_network(ec2.get_subnet(subnet).cidr_block)
    # The first four addresses of a subnet, and its last, are AWS's:
    # https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
    address = next(str(a) for a in itertools.islice(network.hosts(), 3, None)
                   if str(a) not in taken)
    interface = ec2.create_network_interface(subnet, address, group_ids=groups,
                                             description=description)
    interface.status = "in-use"
    interface.requester_managed = True
    interface.requester_id = f"{account}:ecs" if owner == "amazon-ecs" else owner
    return interface  # type: ignore[no-any-return]


def interface_delete(account: str, region: str, name: str) -> None:
    ec2 = backend(account, region)
    if name in ec2.enis:
        ec2.delete_network_interface(name)


@ACTIONS.action("DescribeVpcs")
def describe_vpcs(call: Call) -> dict[str, Any]:
    given, ec2 = call.input, backend(call.account, call.region)
    for name in given.get("VpcIds", []):
        if name not in ec2.vpcs:
            raise refuse("InvalidVpcID.NotFound", f"The vpc ID '{name}' does not exist")
    vpcs = [v for v in ec2.vpcs.values() if v.id in given.get("VpcIds", [v.id])]
    vpcs = filtered(vpcs, given.get("Filters", []), {
        "vpc-id": lambda v: [v.id], "cidr": lambda v: [v.cidr_block],
        "cidr-block-association.cidr-block": lambda v: [v.cidr_block],
        "is-default": lambda v: [str(bool(v.is_default)).lower()],
        "state": lambda v: [v.state], "tag-key": lambda v: [t["key"] for t in v.get_tags()]})
    page, more = page_of(vpcs, call)
    return {"Vpcs": [vpc_show(vpc) for vpc in page], **more}


def vpc_show(vpc: Any) -> dict[str, Any]:
    sets = vpc.get_cidr_block_association_set()
    return {"VpcId": vpc.id, "CidrBlock": vpc.cidr_block, "State": vpc.state,
            "IsDefault": bool(vpc.is_default), "OwnerId": vpc.owner_id,
            "InstanceTenancy": vpc.instance_tenancy, "DhcpOptionsId": "default",
            "CidrBlockAssociationSet": [
                {"AssociationId": s["association_id"], "CidrBlock": s["cidr_block"],
                 "CidrBlockState": {"State": "associated"}} for s in sets],
            "Tags": tags_show(vpc)}


@ACTIONS.action("DescribeSubnets")
def describe_subnets(call: Call) -> dict[str, Any]:
    given, ec2 = call.input, backend(call.account, call.region)
    subnets = [s for zone in ec2.subnets.values() for s in zone.values()]
    known = {subnet.id for subnet in subnets}
    for name in given.get("SubnetIds", []):
        if name not in known:
            raise refuse("InvalidSubnetID.NotFound", f"The subnet ID '{name}' does not exist")
    subnets = [s for s in subnets if s.id in given.get("SubnetIds", [s.id])]
    subnets = filtered(subnets, given.get("Filters", []), {
        "subnet-id": lambda s: [s.id], "vpc-id": lambda s: [s.vpc_id],
        "availability-zone": lambda s: [s.availability_zone], "state": lambda s: [s.state],
        "availability-zone-id": lambda s: [s.availability_zone_id],
        "cidr-block": lambda s: [s.cidr_block], "cidr": lambda s: [s.cidr_block],
        "default-for-az": lambda s: [str(s.default_for_az).lower()],
        "map-public-ip-on-launch": lambda s: [str(s.map_public_ip_on_launch).lower()],
        "tag-key": lambda s: [t["key"] for t in s.get_tags()]})
    page, more = page_of(subnets, call)
    taken = [eni.subnet.id for eni in ec2.enis.values()]
    return {"Subnets": [subnet_show(s, taken.count(s.id)) for s in page], **more}


def subnet_show(subnet: Any, taken: int) -> dict[str, Any]:
    region = subnet.ec2_backend.region_name
    size = ipaddress.ip_network(subnet.cidr_block).num_addresses
    return {"SubnetId": subnet.id, "VpcId": subnet.vpc_id, "CidrBlock": subnet.cidr_block,
            "SubnetArn": f"arn:aws:ec2:{region}:{subnet.owner_id}:subnet/{subnet.id}",
            "State": subnet.state, "OwnerId": subnet.owner_id,
            "AvailabilityZone": subnet.availability_zone,
            "AvailabilityZoneId": subnet.availability_zone_id,
            "AvailableIpAddressCount": size - 5 - taken,
            "DefaultForAz": str(subnet.default_for_az).lower() == "true",
            "MapPublicIpOnLaunch": str(subnet.map_public_ip_on_launch).lower() == "true",
            "Tags": tags_show(subnet)}


# --- network interfaces ---

@ACTIONS.action("DescribeNetworkInterfaces")
def describe_interfaces(call: Call) -> dict[str, Any]:
    given, ec2 = call.input, backend(call.account, call.region)
    interfaces = list(ec2.enis.values())
    for name in given.get("NetworkInterfaceIds", []):
        if name not in ec2.enis:
            raise refuse("InvalidNetworkInterfaceID.NotFound",
                         f"The networkInterface ID '{name}' does not exist")
    if "NetworkInterfaceIds" in given:
        interfaces = [i for i in interfaces if i.id in given["NetworkInterfaceIds"]]
    interfaces = filtered(interfaces, given.get("Filters", []), {
        "group-id": lambda i: [g.id for g in i.group_set],
        "group-name": lambda i: [g.name for g in i.group_set],
        "network-interface-id": lambda i: [i.id], "subnet-id": lambda i: [i.subnet.id],
        "vpc-id": lambda i: [i.vpc_id], "description": lambda i: [i.description],
        "status": lambda i: [i.status], "requester-id": lambda i: [i.requester_id],
        "requester-managed": lambda i: [str(i.requester_managed).lower()],
        "availability-zone": lambda i: [i.availability_zone],
        "private-ip-address": lambda i: [i.private_ip_address],
        "addresses.private-ip-address": lambda i: [i.private_ip_address],
        "interface-type": lambda i: [i.interface_type]})
    page, more = page_of(interfaces, call)
    return {"NetworkInterfaces": [interface_show(i) for i in page], **more}


def interface_show(interface: NetworkInterface) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "NetworkInterfaceId": interface.id, "Description": interface.description,
        "Status": interface.status, "InterfaceType": interface.interface_type,
        "SubnetId": interface.subnet.id, "VpcId": interface.vpc_id,
        "AvailabilityZone": interface.availability_zone, "OwnerId": interface.owner_id,
        "RequesterId": interface.requester_id, "RequesterManaged": interface.requester_managed,
        "MacAddress": interface.mac_address, "SourceDestCheck": interface.source_dest_check,
        "PrivateIpAddress": interface.private_ip_address,
        "PrivateIpAddresses": [{"Primary": True,
                                "PrivateIpAddress": interface.private_ip_address}],
        "Groups": [{"GroupId": g.id, "GroupName": g.name} for g in interface.group_set],
        "TagSet": tags_show(interface)}
    if interface.requester_managed:
        owner = interface.requester_id
        owner = "amazon-ecs" if owner.endswith(":ecs") else owner
        shown["Attachment"] = {"AttachmentId": "ela-attach-" + interface.id[4:],
                               "DeleteOnTermination": False, "DeviceIndex": 1,
                               "InstanceOwnerId": owner, "Status": "attached"}
    return shown
