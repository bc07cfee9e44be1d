# SPDX-License-Identifier: MIT
"""A runner host with a project and an AWS account, for the end-to-end tests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "runner")]

from aws.endpoint import Endpoint  # noqa: E402
from runner import Result, RunningJob, make_options, run_job  # noqa: E402

import mettel  # noqa: E402
import policed  # noqa: E402
from specfile import SPEC, spec_read  # noqa: E402

BUILD = ROOT / os.environ.get("BERTH_BUILD", "build")
EXAMPLE = ROOT / "config" / "examples" / "mettel"
BRANCH = "dev/feature/login"
ENVIRONMENT = "automation-8527fec8"
FIX, FIX_ENVIRONMENT = "dev/fix/JIRA-12", "automation-36763184"
PROJECT_ID = 77
# The job timeout of the project: a job that waits for what never comes ends red, and soon.
JOB_SECONDS = 300


def environment_of(branch: str) -> str:
    """The environment's name as the requirements have it: sha256 of the branch's name."""
    if branch == "master":
        return "automation-master"
    return "automation-" + hashlib.sha256(branch.encode()).hexdigest()[:8]


def network_named(kind: str) -> dict[str, Any]:
    """The spec's `network` for the account's VPC that is named so."""
    return {"vpc": {"tag:Name": f"mettel-automation-vpc-{kind}"},
            "privateSubnets": {"tag:Name": f"mettel-automation-private-subnet-*-{kind}"},
            "publicSubnets": {"tag:Name": f"mettel-automation-public-subnet-*-{kind}"}}


class World:
    """Deploys the example, or a changed copy of it, on an endpoint."""

    def __init__(self, endpoint: Endpoint, directory: Path) -> None:
        self.aws = endpoint
        self.directory = directory
        self.project = directory / "project"
        shutil.copytree(EXAMPLE, self.project)
        self.config_path = directory / "berth.json"
        self.config: dict[str, Any] = {
            "projects": {str(PROJECT_ID): {
                "prefix": "automation",
                "production": {"refs": ["master"], "region": "us-east-1"},
                "ephemeral": {"refs": ["dev/feature*", "dev/fix*"], "region": "us-east-1"},
            }},
            "allowUnisolatedProduction": True,
            "poll": {"first": 0.05, "max": 0.5, "last": 0},
            "buildsDir": "builds", "cacheDir": "cache", "lockDir": "locks",
        }
        self.write_config()
        self.pipeline = 1000
        self.police = policed.Police(self) if policed.WANTED else None

    def unpoliced(self) -> World:
        """What the jobs may do is for the test to say."""
        self.police = None
        return self

    # -- the files people write --------------------------------------------------------------------

    def write_config(self) -> None:
        self.config_path.write_text(json.dumps(self.config))

    @property
    def spec_path(self) -> Path:
        return self.project / SPEC

    def spec(self) -> dict[str, Any]:
        return spec_read(self.project)

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        self.spec_path.write_text(json.dumps(spec, indent=2))

    def keep_services(self, *names: str) -> None:
        """A small environment: these services, without their dependencies on others."""
        spec = self.spec()
        spec["services"] = {name: spec["services"][name] for name in names}
        for service in [spec["serviceDefaults"], *spec["services"].values()]:
            if "dependsOn" in service:
                service["dependsOn"] = [d for d in service["dependsOn"] if d in names]
        running = spec["alarms"].get("runningTasks")
        if isinstance(running, dict):
            running["services"] = {k: v for k, v in running.get("services", {}).items()
                                   if k in names}
        modules = {service["module"] for service in spec["services"].values()}
        spec["modules"] = {k: v for k, v in spec["modules"].items() if k in modules}
        self.write_spec(spec)

    def allow_replace(self, *names: str) -> None:
        limits = {"ephemeral": {"allowReplace": list(names)}} if names else {}
        self.config["projects"][str(PROJECT_ID)]["limits"] = limits
        self.write_config()

    def move(self, kind: str) -> None:
        """To the VPC of the account's that is named so."""
        self.write_spec(self.spec() | {"network": network_named(kind)})

    # -- what they do ------------------------------------------------------------------------------

    def environ(self) -> dict[str, str]:
        host = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CI_", "BERTH_"))}
        return host | self.aws.environ() | {"BERTH_CONFIG": str(self.config_path)} | \
            (self.police.environ() if self.police else {})

    def options(self, job: str, ref: str = BRANCH, **rest: Any) -> dict[str, Any]:
        self.pipeline += 1
        if self.police:
            self.police.hold("production" if ref == "master" else "ephemeral")
        return {"job": job, "ref": ref, "project": self.project, "pipeline": self.pipeline,
                "message": f"commit of pipeline {self.pipeline}",
                "executors": BUILD / "libexec" / "berth", "environ": self.environ(),
                "retry_pause": 0, "timeout": JOB_SECONDS} | rest

    def job(self, job: str = "deploy-branches", ref: str = BRANCH, **rest: Any) -> Result:
        return run_job(**self.options(job, ref, **rest))

    def start(self, job: str = "deploy-branches", ref: str = BRANCH, **rest: Any) -> RunningJob:
        return RunningJob(make_options(**self.options(job, ref, **rest)))

    def deploy(self, ref: str = BRANCH, **rest: Any) -> Result:
        """A deploy that must succeed."""
        job = "deploy-master" if ref == "master" else "deploy-branches"
        result = self.job(job, ref, protected=ref == "master", **rest)
        assert result.exit_code == 0, result.log
        return result

    def berth(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        if self.police and arguments[0] != "iam-policy":
            self.police.hold("production" if "--ref=master" in arguments else "ephemeral")
        done = subprocess.run([BUILD / "bin" / "berth", *arguments], capture_output=True, text=True,
                              env=self.environ(), cwd=self.project, timeout=120)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def given_variables(self) -> list[str]:
        variables = json.loads((self.project / "ci-variables.json").read_text())
        return [f"--var={key}={value}" for key, value in variables.items()]

    def berth_json(self, command: str, *arguments: str, ref: str = BRANCH) -> Any:
        return json.loads(self.berth(command, "--json", f"--project={PROJECT_ID}", f"--ref={ref}",
                                     *self.given_variables(), *arguments).stdout)

    def basic_infra(self) -> None:
        result = self.job("basic-infra")
        assert result.exit_code == 0, result.log

    def put_images(self, tag: str = "automation-master", content: str = "1") -> None:
        for repository in self.aws.client("ecr").describe_repositories()["repositories"]:
            self.aws.put_image(repository["repositoryName"], [tag], content=content)

    def prepare(self) -> None:
        """Repositories, roles and images: all that a branch finds when it is deployed."""
        self.basic_infra()
        self.put_images()
        self.aws.record_clear()

    # -- what boto3 sees ---------------------------------------------------------------------------

    def writes(self) -> list[str]:
        return [f"{c['service']}.{c['action']}" for c in self.aws.calls(writes=True)]

    def reads(self) -> list[str]:
        return [f"{c['service']}.{c['action']}" for c in self.aws.calls(writes=False)]

    def service(self, name: str, environment: str = ENVIRONMENT) -> dict[str, Any]:
        found = self.aws.client("ecs").describe_services(
            cluster=environment, services=[f"{environment}-{name}"], include=["TAGS"])
        return found["services"][0]

    def services(self, environment: str = ENVIRONMENT) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in mettel.SERVICES:
            yield name, self.service(name, environment)

    def definition(self, name: str, environment: str = ENVIRONMENT) -> dict[str, Any]:
        return self.aws.client("ecs").describe_task_definition(
            taskDefinition=self.service(name, environment)["taskDefinition"], include=["TAGS"]
        )["taskDefinition"]


@contextlib.contextmanager
def spawned(endpoint: Endpoint, prepared: str, directory: Path,
            make: Callable[[World], None]) -> Iterator[Endpoint]:
    """An endpoint of its own, with a saved state "deployed": what `make` leaves of the example."""
    endpoint.restore(prepared)
    with endpoint.spawn() as own:
        world = World(own, directory)
        make(world)
        world.deploy()
        own.record_clear()
        own.save("deployed")
        yield own
