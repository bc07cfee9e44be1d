#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Deploys the example on a local AWS endpoint, as GitLab Runner would, and shows what came of it.

`basic-infra`, images, `deploy-branches`, the same in a later pipeline, a changed cpu, and what boto3
finds in AWS then; `destroy-branches`, and what it finds after that; how long each part took and how
many calls it cost.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from aws.endpoint import Endpoint  # noqa: E402

BRANCH = "dev/feature/login"
ENVIRONMENT = "automation-8527fec8"
BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")


class Demo:
    def __init__(self, endpoint: Endpoint, project: Path) -> None:
        self.aws = endpoint
        self.project = project
        self.rows: list[tuple[str, float, int, int]] = []
        self.pipeline = 100

    def job(self, name: str, label: str = "") -> None:
        """One job, played by tests/runner/job; its log goes to the terminal as it is."""
        self.pipeline += 1
        command = [sys.executable, ROOT / "tests/runner/job", "--job", name, "--ref", BRANCH,
                   "--pipeline", str(self.pipeline), "--project", self.project]
        self.say(f"{name}, pipeline {self.pipeline}" + (f": {label}" if label else ""))
        self.timed(name + (f" ({label})" if label else ""), lambda: subprocess.run(
            command, env=os.environ | self.aws.environ(), check=True))

    def put_images(self) -> None:
        self.say("images: one for each repository, put with boto3, tagged automation-master")

        def put() -> None:
            for repository in self.aws.client("ecr").describe_repositories()["repositories"]:
                self.aws.put_image(repository["repositoryName"], ["automation-master"])

        self.timed("images (boto3)", put)

    def change_cpu(self) -> None:
        path = self.project / ".berth/environment.json"
        before = path.read_text()
        after = before.replace('"module": "notifier",', '"module": "notifier", "cpu": 512, "memory": 1024,')
        assert after != before
        path.write_text(after)

    def timed(self, what: str, action) -> None:  # type: ignore[no-untyped-def]
        self.aws.record_clear()
        start = time.monotonic()
        action()
        calls = self.aws.calls()
        writes = sum(call["write"] for call in calls)
        self.rows.append((what, time.monotonic() - start, len(calls) - writes, writes))

    def say(self, text: str) -> None:
        print(f"\n{BOLD}==> {text}{PLAIN}", flush=True)

    def show_found(self, when: str) -> None:
        self.say(f"what boto3 finds {when}")
        if self.aws.client("ecs").list_clusters()["clusterArns"]:
            self.show_services()
        self.show_counts()

    def show_services(self) -> None:
        ecs = self.aws.client("ecs")
        names = ecs.get_paginator("list_services").paginate(cluster=ENVIRONMENT).build_full_result()
        arns = sorted(names["serviceArns"])
        print(f"cluster {ENVIRONMENT}: {len(arns)} services")
        for i in range(0, len(arns), 10):
            for service in ecs.describe_services(cluster=ENVIRONMENT, services=arns[i:i + 10])["services"]:
                print(f"  {service['serviceName']:<46} {service['status']}  running "
                      f"{service['runningCount']} of {service['desiredCount']}  "
                      f"{service['taskDefinition'].rsplit('/', 1)[1]}")

    def show_counts(self) -> None:
        for service, action, member, what in COUNTED:
            found = self.aws.client(service).get_paginator(action).paginate().build_full_result()[member]
            mine = [x for x in found if ENVIRONMENT in json.dumps(x, default=str)] if what.startswith("its") else found
            print(f"  {what}: {len(mine)}")

    def show_costs(self) -> None:
        self.say("what it cost")
        print(f"{'':<44}{'seconds':>8}{'reads':>8}{'writes':>8}")
        for what, seconds, reads, writes in self.rows:
            print(f"{what:<44}{seconds:>8.1f}{reads:>8}{writes:>8}")


COUNTED = [
    ("ecs", "list_clusters", "clusterArns", "its clusters"),
    ("ec2", "describe_security_groups", "SecurityGroups", "its security groups"),
    ("servicediscovery", "list_services", "Services", "its Cloud Map services"),
    ("logs", "describe_log_groups", "logGroups", "its log groups"),
    ("ecr", "describe_repositories", "repositories", "repositories"),
    ("iam", "list_roles", "Roles", "roles"),
]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="berth-demo-") as directory, Endpoint() as endpoint:
        project = Path(directory) / "project"
        shutil.copytree(ROOT / "config/examples/mettel", project)
        demo = Demo(endpoint, project)
        print(f"AWS is played by tests/aws/serve at {endpoint.url}; nothing leaves this machine.")
        demo.job("basic-infra")
        demo.put_images()
        demo.job("deploy-branches", "from nothing")
        demo.job("deploy-branches", "nothing changed")
        demo.change_cpu()
        demo.job("plan", "notifier's cpu changed")
        demo.job("deploy-branches", "notifier's cpu changed")
        demo.show_found("now")
        demo.job("destroy-branches")
        demo.show_found("after that")
        demo.show_costs()
    return 0


if __name__ == "__main__":
    sys.exit(main())
