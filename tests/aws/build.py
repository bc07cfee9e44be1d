"""Small things to make in an endpoint, for its own tests and for others'."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from .endpoint import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, Endpoint

ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecs_task_execution_role"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    "Action": "sts:AssumeRole"}]})


def error_of(function: Callable[[], Any]) -> tuple[str, str, int]:
    """The code, message and HTTP status with which a call is refused."""
    try:
        function()
    except ClientError as error:
        given = error.response["Error"]
        return (given["Code"], given.get("Message", ""),
                error.response["ResponseMetadata"]["HTTPStatusCode"])
    return "", "", 200


def code_of(function: Callable[[], Any]) -> str:
    return error_of(function)[0]


def signed(host: str, service: str, headers: dict[str, str], body: str = "",
           key: tuple[str, ...] = (ACCESS_KEY, SECRET_KEY)) -> dict[str, str]:
    """The headers of a POST to /, signed by botocore; KEY is its id, its secret and its token."""
    request = AWSRequest("POST", f"http://{host}/", dict(headers), body.encode())
    SigV4Auth(Credentials(*key), service, REGION).add_auth(request)
    return {**dict(request.headers.items()), "Host": host}


def until(seen: Callable[[], Any], seconds: float = 20) -> Any:
    """Poll until SEEN gives something; for what takes time without `advance`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = seen()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


class Builder:
    """Makes the usual things in the usual network, with as few words as possible.

    Without CHECKED, botocore sends what it is given as it is.
    """

    def __init__(self, endpoint: Endpoint, name: str = "E", checked: bool = True) -> None:
        self.endpoint, self.name = endpoint, name
        self.client = endpoint.client if checked else endpoint.unchecked
        self.ecs, self.ec2 = self.client("ecs"), self.client("ec2")
        self.sd, self.logs = self.client("servicediscovery"), self.client("logs")
        self.vpc = self.ec2.describe_vpcs(Filters=[
            {"Name": "tag:Name", "Values": ["mettel-automation-vpc-dev"]}])["Vpcs"][0]["VpcId"]
        self.subnets = [s["SubnetId"] for s in self.ec2.describe_subnets(Filters=[
            {"Name": "tag:Name", "Values": ["mettel-automation-private-subnet-*-dev"]},
        ])["Subnets"]]

    def group(self, name: str = "E-web") -> str:
        return str(self.ec2.create_security_group(
            GroupName=name, Description="a group", VpcId=self.vpc)["GroupId"])

    def role(self) -> None:
        self.client("iam").create_role(RoleName="ecs_task_execution_role",
                                       AssumeRolePolicyDocument=TRUST)

    def namespace(self, name: str = "E.local") -> str:
        operation = self.sd.create_private_dns_namespace(Name=name, Vpc=self.vpc)["OperationId"]
        self.endpoint.advance(60)
        return str(self.sd.get_operation(OperationId=operation)["Operation"]["Targets"][
            "NAMESPACE"])

    def discovery(self, namespace: str, name: str = "web-E") -> dict[str, Any]:
        return dict(self.sd.create_service(
            Name=name, NamespaceId=namespace,
            DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]},
            HealthCheckCustomConfig={"FailureThreshold": 1})["Service"])

    def definition(self, family: str = "E-web", health: bool = True, **given: Any) -> str:
        """Register a Fargate task definition; GIVEN goes over the defaults."""
        container: dict[str, Any] = {"name": "web", "image": "public.ecr.aws/nginx/nginx:1",
                                     "portMappings": [{"containerPort": 5000}]}
        if health:
            container["healthCheck"] = {"command": ["CMD", "true"]}
        full = {"family": family, "networkMode": "awsvpc", "cpu": "256", "memory": "512",
                "requiresCompatibilities": ["FARGATE"], "containerDefinitions": [container],
                **given}
        return str(self.ecs.register_task_definition(**full)["taskDefinition"][
            "taskDefinitionArn"])

    def service(self, definition: str, name: str = "E-web", groups: list[str] | None = None,
                count: int = 1, **given: Any) -> dict[str, Any]:
        network = {"subnets": self.subnets, "securityGroups": groups or []}
        launch = {} if "capacityProviderStrategy" in given else {"launchType": "FARGATE"}
        return dict(self.ecs.create_service(**{
            "cluster": self.name, "serviceName": name, "taskDefinition": definition,
            "desiredCount": count, **launch,
            "networkConfiguration": {"awsvpcConfiguration": network}, **given})["service"])

    def described(self, name: str = "E-web") -> dict[str, Any]:
        return dict(self.ecs.describe_services(cluster=self.name, services=[name])["services"][0])

    def running(self, name: str = "E-web", **given: Any) -> dict[str, Any]:
        """A cluster with a service in it that is steady."""
        self.ecs.create_cluster(clusterName=self.name)
        self.service(self.definition(), name, **given)
        self.endpoint.advance(90)
        return self.described(name)


def arn_of(kind: str, name: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/{name}"
