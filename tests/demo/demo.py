#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plays the whole pipeline of the example for one branch, as GitLab and its runner would, on an AWS
endpoint and a registry of this machine's, and shows what came of it.

The first pipeline, a second one in which one module has changed, the deploy of an unchanged
environment and of a changed cpu, and `destroy-branches`; what boto3 finds in AWS each time; at the
end each job's result, how long it took and how many calls it cost.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "runner")]

import found  # noqa: E402
from aws.endpoint import Endpoint  # noqa: E402
from grafana.server import Grafana  # noqa: E402
from registry import Registry  # noqa: E402
from gitlabci import PipelineJob  # noqa: E402
from pipeline import Project, Row  # noqa: E402
from specfile import spec_read  # noqa: E402

BRANCH = "dev/feature/login"
ENVIRONMENT = "automation-8527fec8"
# What the endpoint's account keeps as /mettel/GF_SECURITY_ADMIN_PASSWORD.
GRAFANA_PASSWORD = "example-gf_security_admin_password"
TERRAFORM = ("terraform", "tofu")
FIRST, SECOND, UNCHANGED, CPU = 101, 102, 103, 104
# Where the pages stay that the jobs leave (docs/report.md).
PAGES = ROOT / "build" / "demo"
KEEP_PAGE = ("[ ! -e berth-report.html ] || "
             f"cp berth-report.html '{PAGES}'/$CI_JOB_NAME-$CI_PIPELINE_ID.html")
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, PLAIN = ("\033[1m", "\033[0m") if COLOURED else ("", "")


def repositories_of(spec: dict[str, Any]) -> dict[str, str]:
    """Of each service, the repository of its module."""
    return {name: spec["modules"][service["module"]].get("repository",
                                                         f"automation-{service['module']}")
            for name, service in spec["services"].items()}


class DemoError(Exception):
    """What the demo was to show is not so."""


@dataclass(frozen=True)
class Cost:
    row: Row
    reads: int
    writes: int
    label: str


class Demo:
    def __init__(self, endpoint: Endpoint, grafana: Grafana, project: Project) -> None:
        self.aws = endpoint
        self.grafana = grafana
        self.project = project
        self.costs: list[Cost] = []

    # -- what people do ----------------------------------------------------------------------------

    def pipeline(self, number: int, label: str) -> None:
        self.say(f"pipeline {number}: {label}")
        for row in self.project.run(number, self.begin, self.can_be_played):
            self.end(row, label)
        failed = [cost.row.name for cost in self.costs if cost.row.status != "success"]
        if failed:
            raise DemoError(f"pipeline {number} is red: {', '.join(failed)}")

    def can_be_played(self, job: PipelineJob) -> bool:
        """Terraform is the one program that Debian has no package of."""
        can = not job.name.startswith("terraform-") or any(map(shutil.which, TERRAFORM))
        if not can:
            self.say(f"{job.name} is left out: this machine has no {' or '.join(TERRAFORM)}")
        return can

    def job(self, name: str, number: int, label: str, of: str = "") -> None:
        """One job by hand; where the pipeline has none of that name, in the way of `of`."""
        job = replace(self.project.job(of or name), name=name)
        self.begin(job)
        row = self.project.play(job, number)
        self.end(row, label)
        if row.status != "success":
            raise DemoError(f"job '{name}' of pipeline {number} is red")

    def begin(self, job: PipelineJob) -> None:
        self.say(f"{job.stage}: {job.name}")
        self.aws.record_clear()

    def end(self, row: Row, label: str) -> None:
        calls = self.aws.calls()
        writes = sum(call["write"] for call in calls)
        self.costs.append(Cost(row, len(calls) - writes, writes, label))

    def change(self, path: str, old: str, new: str) -> None:
        file = self.project.directory / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    # -- what is there then ------------------------------------------------------------------------

    def check_digests(self, pipeline: int) -> dict[str, str]:
        """Every task runs the very image of its module that this pipeline has tagged, new or not."""
        images = found.images(self.aws, f"{ENVIRONMENT}-{pipeline}")
        tasks = found.tasks(self.aws, ENVIRONMENT).values()
        wanted = {f"{ENVIRONMENT}-{service}": images.get(repository) for service, repository
                  in repositories_of(spec_read(self.project.directory)).items()}
        others = {task.service for task in tasks if task.digest != wanted[task.service]}
        if others or not tasks:
            raise DemoError(f"not the images of pipeline {pipeline}: {', '.join(sorted(others))}")
        return images

    def show_services(self) -> None:
        self.say("what boto3 finds: services, and the images that their tasks run")
        tasks = found.tasks(self.aws, ENVIRONMENT).values()
        for service in found.services(self.aws, ENVIRONMENT):
            name = service["serviceName"]
            digests = {task.digest for task in tasks if task.service == name}
            print(f"  {name:<46}{service['runningCount']} of {service['desiredCount']}  "
                  f"{', '.join(digests)}")

    def show_grafana(self) -> None:
        self.say("what Grafana has")
        state = self.grafana.state
        for user in state.users.values():
            print(f"  {state.members.get(user.id, 'no member'):<8}{user.login}")
        for folder in state.folders.values():
            print(f"  folder  {folder.title}")

    def show_counts(self, when: str) -> None:
        self.say(f"what boto3 finds {when}")
        for what, number in found.counts(self.aws, ENVIRONMENT).items():
            print(f"  {what}: {number}")

    def show_second(self, before: dict[str, found.Task], first: dict[str, str]) -> None:
        """One image is another, and the tasks of one service; all others are those that were."""
        images, now = self.check_digests(SECOND), found.tasks(self.aws, ENVIRONMENT)
        built = sorted(name for name, digest in images.items() if digest != first[name])
        again = sorted({task.service for arn, task in now.items() if arn not in before})
        self.say("what boto3 finds: what the second pipeline has built and restarted")
        print(f"  images: {', '.join(built)}\n  services: {', '.join(again)}")
        if built != ["automation-notifier"] or again != [f"{ENVIRONMENT}-notifier"]:
            raise DemoError("only the notifier has changed")

    def show_costs(self) -> None:
        self.say("what it cost")
        print(f"{'':<50}{'':<10}{'seconds':>8}{'reads':>8}{'writes':>8}")
        last = 0
        for cost in self.costs:
            if cost.row.pipeline != last:
                print(f"pipeline {cost.row.pipeline}: {cost.label}")
            last = cost.row.pipeline
            print(f"  {cost.row.name:<48}{cost.row.status:<10}{cost.row.seconds:>8.1f}"
                  f"{cost.reads:>8}{cost.writes:>8}")

    def show_pages(self) -> None:
        self.say("the pages that the jobs have left, to be opened in a browser")
        for page in sorted(PAGES.glob("*.html"), key=lambda path: path.stat().st_mtime):
            print(f"  {page}")

    def say(self, text: str) -> None:
        print(f"\n{BOLD}==> {text}{PLAIN}", flush=True)


def write_host_config(path: Path, more: Mapping[str, Any]) -> None:
    """config/berth.json, whose paths are relative to it, with members of this machine's."""
    text = (ROOT / "config/berth.json").read_text()
    text = text.replace('"../build/', f'"{ROOT}/build/')
    members = "".join(f',\n    "{key}": {json.dumps(value)}' for key, value in more.items())
    path.write_text(re.sub(r"\n}\s*$", members + "\n}\n", text))
    path.chmod(0o644)


def play(demo: Demo) -> None:
    demo.pipeline(FIRST, "from nothing")
    images, tasks = demo.check_digests(FIRST), found.tasks(demo.aws, ENVIRONMENT)
    demo.show_services()
    demo.show_grafana()
    written = len(demo.grafana.writes())
    demo.change("notifier/notifier/slack.py", "LIMIT = 40000", "LIMIT = 39000")
    demo.pipeline(SECOND, "the notifier's source has changed")
    demo.show_second(tasks, images)
    if len(demo.grafana.writes()) > written:
        raise DemoError("Grafana's users were there already")
    demo.job("deploy-branches", UNCHANGED, "nothing has changed")
    demo.change(".berth/environment.json", '"module": "notifier",',
                '"module": "notifier", "cpu": 512, "memory": 1024,')
    demo.job("plan", CPU, "the notifier's cpu has changed", of="deploy-branches")
    demo.job("deploy-branches", CPU, "the notifier's cpu has changed")
    demo.show_counts("now")
    demo.job("destroy-branches", CPU, "the notifier's cpu has changed")
    demo.show_counts("after that")


def main() -> int:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="berth-demo-")))
        directory.chmod(0o755)
        shutil.rmtree(PAGES, ignore_errors=True)
        PAGES.mkdir(parents=True)
        endpoint = stack.enter_context(Endpoint())
        shutil.copytree(ROOT / "config/examples/mettel", directory / "project")
        registry = stack.enter_context(Registry(endpoint.url))
        grafana = stack.enter_context(Grafana(directory, GRAFANA_PASSWORD))
        write_host_config(directory / "berth.json", {
            "registry": {"certificates": registry.certificates},
            "grafana": {"caFile": str(grafana.certificate)}})
        # The environment's own name leads to Grafana by way of this proxy, and nothing else does.
        environ = os.environ | endpoint.environ() | {
            "BERTH_CONFIG": str(directory / "berth.json"), "HTTPS_PROXY": grafana.proxy,
            "NO_PROXY": "127.0.0.1"}
        demo = Demo(endpoint, grafana, Project(
            directory / "project", BRANCH, {"platform/berth": ROOT}, environ, after=KEEP_PAGE))
        print(f"AWS is played at {endpoint.url}, its registry by docker-registry "
              f"at {registry.host}, Grafana at {grafana.url}; nothing leaves this machine.")
        try:
            play(demo)
        except DemoError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
        finally:
            demo.show_costs()
            demo.show_pages()
    return 0


if __name__ == "__main__":
    sys.exit(main())
