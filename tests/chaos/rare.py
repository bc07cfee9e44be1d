# SPDX-License-Identifier: MIT
"""What an environment seldom meets: what others have done to it, and environments that are not
berth's yet; for calls that no other scene knows."""

from __future__ import annotations

import json
from dataclasses import dataclass

from aws.endpoint import ACCOUNT
from balanced import ipv6_give
from world import BRANCH, ENVIRONMENT, World

ADOPT = "adopt"  # a scene's "job" that is a command
HERE = "here.${SUBDOMAIN}.mettel-automation.net"


def certificate(world: World, domain: str) -> str:
    arn = world.aws.client("acm").request_certificate(DomainName=domain)["CertificateArn"]
    world.aws.advance(130)
    return str(arn)


@dataclass(frozen=True)
class Ended:
    """How a job ended, or a command: all that is judged of it but what AWS has."""

    exit_code: int
    log: str


def adopt_run(world: World) -> Ended:
    """`berth adopt`; behind its last line is one that says how it ended, as the runner has it."""
    done = world.berth(ADOPT, "--yes", f"--ref={BRANCH}", *world.given_variables(), code=None)
    return Ended(done.returncode, f"{done.stdout}{done.stderr}ERROR: exit code {done.returncode}\n")


def secret_made(world: World) -> str:
    """One that its own policy lets the tasks read."""
    client = world.aws.client("secretsmanager")
    arn = client.create_secret(Name="rare", SecretString="x")["ARN"]
    client.put_resource_policy(SecretId=arn, ResourcePolicy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/ecs_task_execution_role"}}]}))
    return str(arn)


def make_rare(world: World) -> None:
    """With a secret of Secrets Manager's, a zone by its id, and two certificates of a listener."""
    secret = secret_made(world)
    spec = world.spec()
    spec["services"]["notifier"]["secrets"]["RARE"] = secret
    spec["services"]["notifier"]["discovery"] = True
    spec["loadBalancer"]["listeners"]["443"]["certificates"] = [
        certificate(world, "shop.example.com")]
    spec["records"]["here"] = {"name": HERE, "type": "A", "values": ["192.0.2.1"]}
    world.write_spec(spec)


def change_rare(world: World) -> None:
    """In place, like `change_rich`, and what somebody has changed by hand is put back."""
    spec = world.spec()
    spec["redis"]["snapshotRetentionLimit"] = 3
    spec["discovery"]["description"] = "who is where"
    spec["loadBalancer"]["ipAddressType"] = "dualstack"
    spec["loadBalancer"]["listeners"]["443"]["certificates"] = [certificate(world, "example.org")]
    spec["services"]["notifier"]["discovery"] = False
    spec["services"]["notifier"]["environment"] = {"HERE": "https://${records.here}/"}
    spec["services"]["t7-bridge"]["service"] = {"capacityProviderStrategy": [
        {"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
    spec["records"]["here"]["values"] = ["192.0.2.2"]
    zone = world.aws.client("route53").list_hosted_zones_by_name(
        DNSName="mettel-automation.net")["HostedZones"][0]["Id"].rpartition("/")[2]
    for record in spec["records"].values():
        record["zoneId"] = zone
    world.write_spec(spec)
    [balancer] = world.aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    ipv6_give(world.aws.client("ec2"), balancer["VpcId"])
    register_instance(world)
    move_cache(world)
    open_balancer(world)


def register_instance(world: World) -> None:
    """Of a Cloud Map service that is to go: it would not, with that in it."""
    client = world.aws.client("servicediscovery")
    [service] = [s for s in client.list_services()["Services"]
                 if s["Name"] == f"notifier-{ENVIRONMENT}"]
    client.register_instance(ServiceId=service["Id"], InstanceId="by-hand",
                             Attributes={"AWS_INSTANCE_IPV4": "10.2.11.99"})


def move_cache(world: World) -> None:
    """Its subnets are but one now."""
    cache = world.aws.client("elasticache")
    [group] = cache.describe_cache_subnet_groups()["CacheSubnetGroups"]
    [cluster] = cache.describe_cache_clusters()["CacheClusters"]
    cache.modify_cache_subnet_group(
        CacheSubnetGroupName=group["CacheSubnetGroupName"],
        SubnetIds=[subnet["SubnetIdentifier"] for subnet in group["Subnets"]
                   if subnet["SubnetAvailabilityZone"]["Name"]
                   == cluster["PreferredAvailabilityZone"]])


def open_balancer(world: World) -> None:
    """The load balancer has another security group."""
    elb, ec2 = world.aws.client("elbv2"), world.aws.client("ec2")
    [balancer] = elb.describe_load_balancers()["LoadBalancers"]
    other = ec2.create_security_group(GroupName="other", Description="x",
                                      VpcId=balancer["VpcId"])["GroupId"]
    elb.set_security_groups(LoadBalancerArn=balancer["LoadBalancerArn"], SecurityGroups=[other])


def change_token(world: World) -> None:
    """A rich environment's cache: another token, of Secrets Manager's, and a replica more."""
    arn = world.aws.client("secretsmanager").create_secret(
        Name="redis", SecretString="another-token-of-16-bytes")["ARN"]
    spec = world.spec()
    spec["redis"] |= {"authToken": arn, "replicas": 3}
    world.write_spec(spec)


def strew(world: World) -> None:
    """What a destroy has to take away that no deploy makes: a task, tags of images, and rules out
    of groups that keep each other."""
    service = world.service("t7-bridge")
    world.aws.client("ecs").run_task(
        cluster=ENVIRONMENT, taskDefinition=service["taskDefinition"], launchType="FARGATE",
        networkConfiguration=service["networkConfiguration"])
    world.aws.put_image("automation-t7-bridge", [ENVIRONMENT, f"{ENVIRONMENT}-7"])
    ec2 = world.aws.client("ec2")
    groups = {g["GroupName"].removeprefix(f"{ENVIRONMENT}-"): g["GroupId"]
              for g in ec2.describe_security_groups()["SecurityGroups"]}
    for one, other in (("t7-bridge", "inbound"), ("inbound", "t7-bridge")):
        ec2.authorize_security_group_egress(GroupId=groups[one], IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
             "UserIdGroupPairs": [{"GroupId": groups[other]}]}])
