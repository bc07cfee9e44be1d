"""Credentials that a host finds without being given any: EC2's metadata service, ECS's container
credentials. On the same port as AWS, so that AWS_EC2_METADATA_SERVICE_ENDPOINT and
AWS_CONTAINER_CREDENTIALS_FULL_URI can point here.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from . import policy
from .identity import Key, keys_of, role_named
from .registry import Raw
from .wire import Request

if TYPE_CHECKING:
    from .world import World

TOKEN = "/latest/api/token"
ROLES = "/latest/meta-data/iam/security-credentials/"
CONTAINER = "/v2/credentials/"
PREFIXES = ("/latest/", CONTAINER)
TTL = "x-aws-ec2-metadata-token-ttl-seconds"
LONGEST_TTL = 21600
SESSION_SECONDS = 6 * 3600
REGION, ZONE, INSTANCE = "us-east-1", "us-east-1a", "i-1234567890abcdef0"


class Host:
    """The instance and the containers that the metadata speaks of; set under /_berth/host."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account = world, account
        self.role: str | None = "berth-deploy"
        self.tokens: dict[str, float] = {}  # with the real times of their ends
        self.containers: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, Key] = {}

    def configure(self, given: dict[str, Any]) -> dict[str, Any]:
        """{"role": the instance's, or null} and/or {"container": role, "token": to be sent}."""
        if "role" in given:
            self.role = given["role"]
        if "container" not in given:
            return {}
        name = self.world.uuid()
        self.containers[name] = {"role": given["container"], "token": given.get("token")}
        return {"path": CONTAINER + name}

    def session(self, role_name: str, session_name: str, service: str) -> tuple[Any, Key] | None:
        """The role's credentials: the same ones until they are about to end, as AWS has it.

        None if there is no such role, or if it does not trust the service.
        """
        role = role_named(self.account, role_name)
        if role is None or policy.verdict(
                policy.document_read(role.assume_role_policy_document),
                policy.Question("sts:AssumeRole", role.arn, {}, {"Service": {service}})) != "Allow":
            return None
        key = self.sessions.get(session_name)
        if key is None or key.ends is None or key.ends < time.time() + 300:
            key = keys_of(self.world).session(role, session_name, SESSION_SECONDS)
            self.sessions[session_name] = key
        return role, key


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def text(status: int, body: str, *headers: tuple[str, str]) -> Raw:
    return Raw(status, [("Content-Type", "text/plain"), *headers], body.encode())


def shown(status: int, body: dict[str, Any]) -> Raw:
    return Raw(status, [("Content-Type", "application/json")], json.dumps(body).encode())


def answer(world: World, request: Request) -> Raw:
    from .world import ACCOUNT
    host = world.store(Host, ACCOUNT, "aws")
    if request.path.startswith(CONTAINER):
        return _container(host, request)
    if request.path == TOKEN:
        return _token(host, request)
    token = request.headers.get("x-aws-ec2-metadata-token", "")
    if request.method != "GET" or host.tokens.get(token, 0) < time.time():
        return text(401, "401 - Unauthorized")  # version 1, without a token, is switched off
    return _instance(host, request.path)


def _token(host: Host, request: Request) -> Raw:
    """PUT only, with a lifetime, and not through a proxy."""
    if request.method != "PUT":
        return text(405, "405 - Method Not Allowed")
    if "x-forwarded-for" in request.headers:
        return text(403, "403 - Forbidden")
    given = request.headers.get(TTL, "")
    if not given.isdigit() or not 1 <= int(given) <= LONGEST_TTL:
        return text(400, "400 - Bad Request")
    token = "AQAEA" + host.world.hex(48) + "=="
    host.tokens[token] = time.time() + int(given)
    return text(200, token, (TTL, given))


def _instance(host: Host, path: str) -> Raw:
    plain = {"/latest/meta-data/placement/region": REGION,
             "/latest/meta-data/placement/availability-zone": ZONE,
             "/latest/meta-data/instance-id": INSTANCE}
    if path in plain:
        return text(200, plain[path])
    if path == "/latest/dynamic/instance-identity/document":
        return shown(200, {"accountId": host.account, "region": REGION, "instanceId": INSTANCE,
                           "availabilityZone": ZONE, "version": "2017-09-30"})
    if host.role and path in (ROLES, ROLES.rstrip("/")):
        return text(200, host.role)
    found = (host.session(host.role, INSTANCE, "ec2.amazonaws.com")
             if host.role and path == ROLES + host.role else None)
    if found is None:
        return text(404, "404 - Not Found")
    key = found[1]
    assert key.ends is not None
    return shown(200, {"Code": "Success", "LastUpdated": stamp(key.ends - SESSION_SECONDS),
                       "Type": "AWS-HMAC", "AccessKeyId": key.id, "SecretAccessKey": key.secret,
                       "Token": key.token, "Expiration": stamp(key.ends)})


def _container(host: Host, request: Request) -> Raw:
    name = request.path.removeprefix(CONTAINER)
    container = host.containers.get(name)
    if container is None or request.method != "GET":
        return shown(400, {"code": "InvalidIdInRequest", "HTTPErrorCode": 400,
                           "message": f"CredentialsV2Request: Credentials for '{name}' not found"})
    if container["token"] is not None and request.headers.get("authorization") != \
            container["token"]:
        return shown(401, {"code": "AccessDenied", "HTTPErrorCode": 401,
                           "message": "the authorization token is missing or wrong"})
    found = host.session(container["role"], name, "ecs-tasks.amazonaws.com")
    if found is None:
        return shown(400, {"code": "NoIdInRequest", "HTTPErrorCode": 400,
                           "message": f"the role '{container['role']}' cannot be assumed"})
    role, key = found
    assert key.ends is not None
    return shown(200, {"RoleArn": role.arn, "AccessKeyId": key.id, "Token": key.token,
                       "SecretAccessKey": key.secret, "Expiration": stamp(key.ends)})
