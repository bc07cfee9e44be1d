# SPDX-License-Identifier: MIT
"""What boto3 finds of an environment in AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aws.endpoint import Endpoint

COUNTED = [
    ("ecs", "list_clusters", "clusterArns", "its clusters"),
    ("ec2", "describe_security_groups", "SecurityGroups", "its security groups"),
    ("servicediscovery", "list_services", "Services", "its Cloud Map services"),
    ("logs", "describe_log_groups", "logGroups", "its log groups"),
    ("ecr", "describe_repositories", "repositories", "repositories"),
    ("iam", "list_roles", "Roles", "roles"),
]


@dataclass(frozen=True)
class Task:
    """A running task: whose, and the digest of the image that it runs."""

    service: str
    digest: str


def everything(endpoint: Endpoint, service: str, action: str, member: str, **of: Any) -> list[Any]:
    pages = endpoint.client(service).get_paginator(action).paginate(**of)
    return list(pages.build_full_result()[member])


def services(endpoint: Endpoint, environment: str) -> list[dict[str, Any]]:
    arns = sorted(everything(endpoint, "ecs", "list_services", "serviceArns", cluster=environment))
    found: list[dict[str, Any]] = []
    for i in range(0, len(arns), 10):
        found += endpoint.client("ecs").describe_services(
            cluster=environment, services=arns[i:i + 10])["services"]
    return found


def tasks(endpoint: Endpoint, environment: str) -> dict[str, Task]:
    """By their ARN."""
    arns = everything(endpoint, "ecs", "list_tasks", "taskArns", cluster=environment)
    found = {}
    for i in range(0, len(arns), 100):
        described = endpoint.client("ecs").describe_tasks(
            cluster=environment, tasks=arns[i:i + 100])
        for task in described["tasks"]:
            found[task["taskArn"]] = Task(task["group"].removeprefix("service:"),
                                          task["containers"][0]["image"].partition("@")[2])
    return found


def images(endpoint: Endpoint, tag: str) -> dict[str, str]:
    """The digest of the image with that tag, by its repository."""
    found = {}
    for repository in everything(endpoint, "ecr", "describe_repositories", "repositories"):
        name = repository["repositoryName"]
        for image in everything(endpoint, "ecr", "describe_images", "imageDetails",
                                repositoryName=name):
            if tag in image.get("imageTags", []):
                found[name] = image["imageDigest"]
    return found


def counts(endpoint: Endpoint, environment: str) -> dict[str, int]:
    found = {}
    for service, action, member, what in COUNTED:
        there = everything(endpoint, service, action, member)
        if what.startswith("its"):
            there = [x for x in there if environment in json.dumps(x, default=str)]
        found[what] = len(there)
    return found
