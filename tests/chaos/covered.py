# SPDX-License-Identifier: MIT
"""Which of the actions that berth can call no scene calls: each needs a reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

DRIVERS = Path(__file__).resolve().parents[2] / "drivers"
QUOTED = re.compile(r'"(\w+)"')
# As the record names a service that actions.txt calls otherwise.
NAMES = {"elbv2": "elasticloadbalancing"}

BUILDS = "an image's build, which takes a builder, root and a registry: tests/e2e/test_image.py"
INSTANCES = "services on instances of one's own: tests/e2e/test_capacity.py"
UNPLAYED = {
    "ecr.DescribeImages": BUILDS,
    "ecr.GetAuthorizationToken": BUILDS,
    "ecr.ListTagsForResource": BUILDS,
    "ecr.PutImage": BUILDS,
    "ecs.DescribeContainerInstances": INSTANCES,
    "ecs.ListContainerInstances": INSTANCES,
    "elasticache.DescribeEvents": "why a cache has failed: tests/e2e/test_elasticache.py",
    "logs.GetLogEvents": "what a task has written that has ended, which the `unhealthy` cases ask "
                         "for; its own failures: tests/e2e/test_verdict.py",
    "sts.AssumeRoleWithWebIdentity": "a host's credentials: tests/unit/test_credentials.c",
}


def actions_called() -> set[str]:
    """Of actions.txt, those that a driver names beside their service: the others it only could."""
    words = [set(QUOTED.findall(path.read_text())) for path in DRIVERS.rglob("*.c")
             if not path.name.startswith("permission")]
    found = set()
    for line in (DRIVERS / "aws" / "actions.txt").read_text().splitlines():
        service, _, action = line.partition(" ")
        if any({service, action} <= some for some in words):
            found.add(f"{NAMES.get(service, service)}.{action}")
    return found


def gaps(played: Iterable[str]) -> Iterator[str]:
    """What is wrong with the list above, given all calls of all scenes."""
    played, called = set(played), actions_called()
    for action in sorted(called - played - set(UNPLAYED)):
        yield f"no scene calls {action}, and tests/chaos/covered.py has no reason"
    for action in sorted(set(UNPLAYED) & played):
        yield f"a scene calls {action}, for which tests/chaos/covered.py has a reason not to"
    for action in sorted(set(UNPLAYED) - called):
        yield f"no driver calls {action}, which tests/chaos/covered.py has a reason for"
