"""What exists before the first deployment: networks, a zone, a certificate, the secrets.

Two VPCs, each with two public and two private subnets in us-east-1a and us-east-1b, with Name tags,
and with an internet gateway;
the public zone; an issued wildcard certificate; the parameters that the services' secrets name;
a role that host configurations may assume.
"""

from __future__ import annotations

import json

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT

from .world import World

REGION = "us-east-1"
ZONE = "mettel-automation.net"
NETWORKS = {"10.1": "production", "10.2": "dev"}
SUBNETS = {  # third octet: (kind, zone)
    1: ("public", "1a"), 2: ("public", "1b"), 11: ("private", "1a"), 12: ("private", "1b"),
}
SECRETS = ("BRUIN_CLIENT_SECRET", "SLACK_URL", "EMAIL_ACC_PWD", "T7_TOKEN",
           "VELOCLOUD_CREDENTIALS", "GF_SECURITY_ADMIN_PASSWORD", "GRAFANA_OPERATIONS_PASSWORD",
           "GRAFANA_ADA_PASSWORD")


def moto_reset() -> None:
    """Empty all of moto, and make its next ids those of every other reset."""
    from moto.moto_api._internal import mock_random
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    mock_random.seed(20191201)


def plant(world: World) -> None:
    """Make all that is presumed, in the account and region of the examples."""
    from moto.moto_api._internal import mock_random

    plant_networks()
    plant_zone(world)
    plant_secrets()
    plant_role()
    plant_gateways()
    # Not the ids that stand above, which the same seed again would give to other resources.
    mock_random.seed(20191202)


def plant_networks() -> None:
    from moto.ec2.models import ec2_backends

    ec2 = ec2_backends[ACCOUNT][REGION]
    for prefix, name in NETWORKS.items():
        vpc = ec2.create_vpc(f"{prefix}.0.0/16",
                             tags=[{"Key": "Name", "Value": f"mettel-automation-vpc-{name}"}])
        vpc.enable_dns_support, vpc.enable_dns_hostnames = True, True
        for octet, (kind, zone) in SUBNETS.items():
            ec2.create_subnet(
                vpc.id, f"{prefix}.{octet}.0/24", availability_zone=f"us-east-{zone}",
                tags={"subnet": {"Name": f"mettel-automation-{kind}-subnet-{zone}-{name}"}})


def plant_gateways() -> None:
    """The VPCs' ways to the internet."""
    from moto.ec2.models import ec2_backends

    ec2 = ec2_backends[ACCOUNT][REGION]
    for vpc in list(ec2.vpcs):
        ec2.attach_internet_gateway(ec2.create_internet_gateway().id, vpc)


def plant_zone(world: World) -> None:
    from . import acm
    from moto.route53 import route53_backends

    route53_backends[ACCOUNT]["aws"].create_hosted_zone(
        ZONE + ".", private_zone=False, caller_reference="berth-seed")
    acm.plant(world, ACCOUNT, REGION, f"*.{ZONE}")


def plant_role() -> None:
    """berth-deploy, which anybody in the account may assume, and instances and tasks have."""
    from moto.iam.models import iam_backends

    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {
            "AWS": f"arn:aws:iam::{ACCOUNT}:root",
            "Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}}]}
    iam_backends[ACCOUNT]["aws"].create_role(
        role_name="berth-deploy", assume_role_policy_document=json.dumps(trust), path="/",
        permissions_boundary=None, description="", tags=[], max_session_duration="3600")


def plant_secrets() -> None:
    """As parameters and, under the same names, in Secrets Manager: a task may name either."""
    from moto.secretsmanager.models import secretsmanager_backends
    from moto.ssm.models import ssm_backends

    ssm = ssm_backends[ACCOUNT][REGION]
    for name in SECRETS:
        ssm.put_parameter(
            name=f"/mettel/{name}", description="", value=f"example-{name.lower()}",
            parameter_type="SecureString", allowed_pattern="", keyid="alias/aws/ssm",
            overwrite=False, tags=[], data_type="text", tier="Standard", policies=None)
        secretsmanager_backends[ACCOUNT][REGION].create_secret(
            name=f"/mettel/{name}", secret_string=f"example-{name.lower()}", secret_binary=None,
            description="", tags=[], kms_key_id=None, client_request_token="",
            replica_regions=[], force_overwrite=False)
