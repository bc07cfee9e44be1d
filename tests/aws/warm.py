# SPDX-License-Identifier: MIT
"""What every call of a service needs and none changes: models, routes, moto's applications.

All of it is read and put together when the first call needs it, and kept. A saved state is forked again
for each test, and what it does not have by then, each of its forks makes anew: for most of them that
costs more than their calls. So it is made before the first state is saved, once.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import wire
from .identity import ACCESS_KEY
from .patterns import compiled
from .registry import MODEL_NAMES, MODULES, service_find
from .sigv4 import scope_regions

if TYPE_CHECKING:
    from .dispatch import Dispatcher

# What berth calls: "service Action", one a line, services by the names of their models.
ACTIONS = Path(__file__).resolve().parents[2] / "drivers" / "aws" / "actions.txt"
# A call that changes nothing, and that moto carries out, for each service whose answers it makes.
READS = {"acm": "ListCertificates", "cloudformation": "ListStacks", "ec2": "DescribeVpcs",
         "ecr": "DescribeRepositories", "ecs": "ListClusters",
         "elasticache": "DescribeCacheClusters", "elasticloadbalancing": "DescribeLoadBalancers",
         "iam": "ListRoles", "logs": "DescribeLogGroups", "monitoring": "DescribeAlarms",
         "route53": "ListHostedZones", "secretsmanager": "ListSecrets",
         "servicediscovery": "ListNamespaces", "sns": "ListTopics", "ssm": "DescribeParameters",
         "sts": "GetCallerIdentity"}


@functools.lru_cache(None)
def warm(dispatcher: Dispatcher) -> None:
    """Nothing that a call could see is different after it."""
    for service, action in READS.items():
        service_find(service)
        scope_regions(service)
        with contextlib.suppress(NotImplementedError):
            dispatcher.forward(request_make(service, action), "1")
    for pattern in set(patterns_used()):
        compiled(pattern)


def request_make(service: str, action: str) -> wire.Request:
    """A request without members, as far as moto reads it."""
    model = wire.model_load(service)
    headers = {"host": f"{service}.us-east-1.amazonaws.com", "authorization":
               f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20250101/us-east-1/{service}/aws4_request"}
    target, body, method = "/", b"", "POST"
    if model.protocol == "rest-xml":
        http = model.operation_model(action).http
        target, method = http["requestUri"], http["method"]
    elif "targetPrefix" in model.metadata and model.protocol == "json":
        headers["x-amz-target"] = f"{model.metadata['targetPrefix']}.{action}"
        headers["content-type"] = f"application/x-amz-json-{model.metadata['jsonVersion']}"
        body = b"{}"
    else:
        headers["content-type"] = "application/x-www-form-urlencoded"
        body = f"Action={action}&Version={model.api_version}".encode()
    return wire.Request(method, target, headers, body, access_key=ACCESS_KEY, service=service,
                        action=action)


def patterns_used() -> Iterator[str]:
    """Those that the inputs of berth's calls have to be like."""
    signing = {model: name for name, model in MODEL_NAMES.items()}
    for line in ACTIONS.read_text().splitlines():
        name, _, action = line.partition(" ")
        if action and not line.startswith("#") and signing.get(name, name) in MODULES:
            shape = wire.model_load(signing.get(name, name)).operation_model(action).input_shape
            yield from patterns_of(shape, set())


def patterns_of(shape: Any, seen: set[str]) -> Iterator[str]:
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    if shape.metadata.get("pattern"):
        yield shape.metadata["pattern"]
    inner = {"structure": lambda: shape.members.values(), "list": lambda: [shape.member],
             "map": lambda: [shape.key, shape.value]}.get(shape.type_name, lambda: [])
    for one in inner():
        yield from patterns_of(one, seen)
