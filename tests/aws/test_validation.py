"""Inputs that the models forbid, for every action that berth calls, and patterns."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from . import patterns, wire
from .build import signed
from .endpoint import Endpoint
from .registry import MODEL_NAMES, service_find

SIGNING = {model: signing for signing, model in MODEL_NAMES.items()}
ACTIONS = [(SIGNING.get(line.split()[0], line.split()[0]), line.split()[1]) for line in (
    Path(__file__).parents[2] / "drivers" / "aws" / "actions.txt").read_text().splitlines()
    if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def connection(aws_server: Endpoint) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(aws_server.url.removeprefix("http://"), timeout=10)
    yield opened
    opened.close()


def ask(connection: http.client.HTTPConnection, service: str, action: str,
        members: dict[str, Any]) -> tuple[int, str]:
    model = wire.model_load(service)
    if "jsonVersion" in model.metadata:
        body, headers = json.dumps(members), {
            "Content-Type": f"application/x-amz-json-{model.metadata['jsonVersion']}",
            "X-Amz-Target": f"{model.metadata['targetPrefix']}.{action}"}
    else:
        body = urlencode({"Action": action, "Version": model.api_version, **members})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers = signed(f"{connection.host}:{connection.port}", service, headers, body)
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


# A REST action is its path: what its members may be is in test_route53.py.
@pytest.mark.parametrize("service,action", [
    (service, action) for service, action in ACTIONS
    if wire.model_load(service).protocol != "rest-xml"])
def test_every_action_checks_its_input(connection: http.client.HTTPConnection, service: str,
                                       action: str) -> None:
    behaviour = service_find(service)
    assert behaviour is not None
    status, text = ask(connection, service, action, {"Nonsense": "1"})
    assert status == 400 and "Nonsense" in text
    assert (behaviour.invalid if service != "ec2" else "UnknownParameter") in text
    shape = wire.model_load(service).operation_model(action).input_shape
    if shape is None or not shape.required_members:
        return
    status, text = ask(connection, service, action, {})
    first = shape.required_members[0]
    assert status == 400 and first.lower() in text.lower(), text
    assert (behaviour.invalid if service != "ec2" else "MissingParameter") in text


LIMITS = [  # service, action, members, what the answer holds
    ("ecs", "ListClusters", {"maxResults": "x"}, "SerializationException"),
    ("ecs", "ListClusters", {"maxResults": True}, "SerializationException"),
    ("ecs", "DescribeClusters", {"clusters": "E"}, "SerializationException"),
    ("ecs", "CreateService", {"serviceName": "a", "launchType": "MOON"}, "enum value set"),
    ("ecs", "CreateService", {"serviceName": "a", "networkConfiguration": {
        "awsvpcConfiguration": {"subnets": [], "securityGroup": []}}}, "securityGroup'"),
    ("logs", "CreateLogGroup", {"logGroupName": "a" * 513}, "length less than or equal to 512"),
    ("logs", "CreateLogGroup", {"logGroupName": "a b"}, "regular expression"),
    ("logs", "CreateLogGroup", {"logGroupName": ""}, "length greater than or equal to 1"),
    ("logs", "DescribeLogGroups", {"limit": 51}, "value less than or equal to 50"),
    ("logs", "TagResource", {"resourceArn": "a", "tags": {"ä:ö": "€"}}, "regular expression"),
    ("logs", "TagResource", {"resourceArn": "a", "tags": {"äö": "x", "\n": "x"}}, "pattern"),
    ("ecr", "CreateRepository", {"repositoryName": "Upper"}, "regular expression"),
    ("ecr", "BatchGetImage", {"repositoryName": "aa", "imageIds": []}, "length greater"),
    ("ssm", "GetParameters", {"Names": [f"/{i}" for i in range(11)]}, "less than or equal to 10"),
    ("iam", "GetRole", {"RoleName": "a" * 65}, "less than or equal to 64"),
    ("iam", "ListRoles", {"MaxItems": "x"}, "must be a number"),
    ("iam", "ListRoles", {"MaxItems": "1001"}, "less than or equal to 1000"),
    ("ec2", "DescribeVpcs", {"VpcIds.1": "vpc-0"}, "UnknownParameter"),
    ("ec2", "DescribeVpcs", {"MaxResults": "4"}, "InvalidParameterValue"),
    ("ec2", "DescribeVpcs", {"DryRun": "maybe"}, "true or false"),
    ("sts", "AssumeRole", {"RoleArn": "short", "RoleSessionName": "ab"}, "greater than or equal"),
]


@pytest.mark.parametrize("service,action,members,holds", LIMITS)
def test_limits_of_the_models(connection: http.client.HTTPConnection, service: str, action: str,
                              members: dict[str, Any], holds: str) -> None:
    status, text = ask(connection, service, action, members)
    assert status == 400 and holds in text


def _patterns(shape: Any, seen: set[str]) -> Iterator[str]:
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    if "pattern" in shape.metadata:
        yield shape.metadata["pattern"]
    parts = {"structure": lambda: shape.members.values(), "list": lambda: [shape.member],
             "map": lambda: [shape.key, shape.value]}.get(shape.type_name, list)()
    for part in parts:
        yield from _patterns(part, seen)


def test_every_pattern_is_understood() -> None:
    found = {pattern for service, action in ACTIONS for pattern in _patterns(
        wire.model_load(service).operation_model(action).input_shape, set())}
    assert len(found) > 30
    for pattern in found:
        patterns.compiled(pattern)


@pytest.mark.parametrize("pattern,good,bad", [
    (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", "Größe ٣ x", "a;b"), (r"\p{Lu}+", "ÄB", "äb"),
    (r"\w+", "a_1", "ä"), ("[a-z]+", "a", "a\n"), (r"\p{Alnum}[\p{Punct}]", "a-", "-a")])
def test_patterns_of_java(pattern: str, good: str, bad: str) -> None:
    assert patterns.satisfies(pattern, good) and not patterns.satisfies(pattern, bad)
    assert isinstance(patterns.compiled(pattern), re.Pattern)
