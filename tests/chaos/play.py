# SPDX-License-Identifier: MIT
"""Plays one case on a world of its own: the job with what goes wrong, the job again, the end."""

from __future__ import annotations

import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.options import Options
from contract.repository import VARIABLES_FILE
from contract.variables import RUNNER_TOKEN
from world import BUILD, ENVIRONMENT, World

from .cases import ENDS, Case, Disturbance, disturbances_of, rule_of
from .judge import (judge_disturbed, judge_end, judge_fault, judge_unhealthy, last_error)
from .rare import ADOPT, Ended, adopt_run
from .scenes import MASTER, PIPELINE, Recorded
from .state import differences, state_of

JOB_SECONDS = 150.0  # no job of these takes a tenth of it; one that hangs is a failure

# What a cancelled job says of a service that it has as it was before.
TAKEN_BACK = re.compile(r"service '([\w-]+)' is taken back: it goes back to '([\w-]+:\d+)'")
NO_WAY_BACK = "nothing is taken back: the removal of"

# Runs `run` as it is, after telling the endpoint which process group to end at which call: by bash
# itself, for curl takes as much of the processor as the stage.
WRAPPER = """#!/bin/bash
if [ "${@: -1}" = build_script ]; then
    body="{\\"n\\": $KILL_N, \\"when\\": \\"$KILL_WHEN\\", \\"pgid\\": $$}"
    host=${AWS_ENDPOINT_URL#http://}
    exec 3<>"/dev/tcp/${host/://}" || exit 2
    printf 'POST /_berth/kill HTTP/1.1\\r\\nHost: %%s\\r\\nContent-Length: %%d\\r\\n\\r\\n%%s' \\
        "$host" "${#body}" "$body" >&3
    read -r -t 60 _ status _ <&3
    exec 3>&-
    [ "$status" = 200 ] || exit 2
fi
exec "%s/run" "$@"
"""


@dataclass
class Verdict:
    """Whether the case came about, and what did not hold. LOGS are of all its jobs."""

    met: bool = True
    broken: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)


def executors_make(directory: Path) -> Path:
    """What the runner calls, with a `run` that can be ended at a call."""
    real = BUILD / "libexec" / "berth"
    executors = directory / "executors"
    executors.mkdir()
    for name in ("config", "prepare", "cleanup"):
        (executors / name).symlink_to(real / name)
    run = executors / "run"
    run.write_text(WRAPPER % real)
    run.chmod(run.stat().st_mode | stat.S_IXUSR)
    return executors


def checkout_make(world: World) -> None:
    """What an earlier job has left on the host.

    Its jobs take it as it is (GIT_STRATEGY): where the sources come from is not what goes wrong
    here, and git takes more of the processor than the job's programs do.
    """
    path = world.directory / world.config["buildsDir"] / RUNNER_TOKEN / "0" / Options.project_path
    shutil.copytree(world.project, path, ignore=shutil.ignore_patterns(VARIABLES_FILE))


class Player:
    """Plays the cases of one scene; its endpoint is at the scene's start."""

    def __init__(self, world: World, recorded: Recorded) -> None:
        self.world, self.recorded = world, recorded
        self.executors = executors_make(world.directory)
        self.cpu = 0.0  # of the endpoint's processes, each of which lives for one case
        world.write_spec(recorded.spec)
        world.config = recorded.config
        world.write_config()
        checkout_make(world)
        self.began = self.revisions() if self.takes_back() else {}
        world.aws.record_clear()
        world.aws.save("start")

    def play(self, case: Case) -> Verdict:
        self.world.aws.restore("start")
        verdict = Verdict()
        try:
            if case.fault == "random":
                self.play_random(case, verdict)
            elif case.fault in ENDS:
                self.play_end(case, verdict)
            else:
                self.play_fault(case, verdict)
        except Exception as error:  # noqa: BLE001 - a case that broke down has not held
            verdict.broken.append(f"{type(error).__name__}: {error}")
        self.cpu += float(self.world.aws.control("GET", "health")["cpu"])
        return verdict

    def run(self, verdict: Verdict, end: tuple[str, int] | None = None,
            job: str | None = None) -> Ended:
        if self.recorded.scene.job == ADOPT:
            result = adopt_run(self.world)
        else:
            result = self.run_job(end, job or self.recorded.scene.job)
        verdict.logs.append(result.log)
        return result

    def run_job(self, end: tuple[str, int] | None, job: str) -> Ended:
        environ = self.world.environ()
        ref = self.recorded.scene.ref
        rest: dict[str, Any] = {"variables": {"GIT_STRATEGY": "none"}, "concurrent": 0,
                                "ref": ref, "protected": ref == MASTER}
        if end is not None:
            environ |= {"KILL_WHEN": end[0], "KILL_N": str(end[1])}
            rest["executors"] = self.executors
        with self.world.start(job, pipeline=PIPELINE, environ=environ, **rest) as running:
            result = running.wait(JOB_SECONDS)
        return Ended(result.exit_code, result.log)

    def met(self, *faults: str) -> bool:
        return any(call["fault"] in faults for call in self.world.aws.record("fault"))

    def play_fault(self, case: Case, verdict: Verdict) -> None:
        aws, made = self.world.aws, self.recorded.made
        rule = rule_of(case)
        aws.fault(**rule)
        if case.fault == "unhealthy":
            result = self.run(verdict)
            verdict.broken += judge_unhealthy(case, result)
        else:
            result = self.run(verdict)
            verdict.met = self.met(rule["fault"])
            if verdict.met:
                verdict.broken += judge_fault(case, result)
        self.converge(result, verdict, settle=case.fault == "newborn")

    def play_end(self, case: Case, verdict: Verdict) -> None:
        when = ENDS[case.fault]
        result = self.run(verdict, (when, case.n))
        verdict.met = self.met("kill", "cancel")
        if verdict.met:
            verdict.broken += judge_end(when, result, self.seconds_since_end())
            if when == "during" and self.takes_back():
                verdict.broken += self.not_taken_back(result)
        self.converge(result, verdict)

    def takes_back(self) -> bool:
        return bool(self.recorded.config.get("onCancel") == "rollback")

    def revisions(self) -> dict[str, str]:
        """Of each service that is there, which revision of its task definition it is to run."""
        ecs = self.world.aws.client("ecs")
        names = ecs.list_services(cluster=ENVIRONMENT, maxResults=100)["serviceArns"]
        found = [ecs.describe_services(cluster=ENVIRONMENT, services=[name])["services"][0]
                 for name in names]
        return {service["serviceName"].removeprefix(f"{ENVIRONMENT}-"):
                service["taskDefinition"].rpartition("/")[2] for service in found}

    def not_taken_back(self, result: Ended) -> Iterator[str]:
        """Services that the cancelled job has changed, and that are not what they were before, or
        of which its log does not say so. Once a removal has begun there is no way back."""
        aws, told, now = self.world.aws, dict(TAKEN_BACK.findall(result.log)), self.revisions()
        if NO_WAY_BACK in result.log and aws.calls("ecs", "DeleteService"):
            return
        changed = {call["input"]["service"] for call in aws.calls("ecs", "UpdateService")
                   if "taskDefinition" in call["input"]}
        for name, before in self.began.items():
            if f"{ENVIRONMENT}-{name}" not in changed:
                continue
            if now[name] != before:
                yield f"'{name}' is to run '{now[name]}', not '{before}' as before"
            if told.get(name) != before:
                yield f"'{name}' is said to go back to '{told.get(name)}', not to '{before}'"

    def seconds_since_end(self) -> float:
        ends = [call["start"] for call in self.world.aws.record("fault", "start")
                if call["fault"] == "cancel"]
        return time.time() - ends[0] / 1000 if ends else 0.0

    def play_random(self, case: Case, verdict: Verdict) -> None:
        for disturbance in disturbances_of(case.n, self.recorded.made):
            verdict.logs.append(f"--- {disturbance}\n")
            result = self.run_disturbed(disturbance, verdict)
            verdict.broken += judge_disturbed(disturbance, result)
            if result.exit_code == 0:
                break
        newborn = any(rule["fault"] == "newborn" for d in disturbances_of(
            case.n, self.recorded.made) for rule in d.rules)
        self.converge(result, verdict, settle=newborn)

    def run_disturbed(self, disturbance: Disturbance, verdict: Verdict) -> Ended:
        self.world.aws.clear_faults()
        for rule in disturbance.rules:
            self.world.aws.fault(**rule)
        return self.run(verdict, disturbance.end)

    def converge(self, result: Ended, verdict: Verdict, settle: bool = False) -> None:
        """Unless the job was green it runs again, undisturbed, or the scene's next one does anyway;
        the end is to be as recorded.

        SETTLE: what is new is found first, however long that takes.
        """
        self.world.aws.clear_faults()
        after = "the job was green"
        if result.exit_code != 0 or self.recorded.scene.then:
            if settle:
                self.world.aws.advance(3000)
            after = "the next job was green"
            again = self.run(verdict, job=self.recorded.scene.ends_in)
            if again.exit_code != 0:
                verdict.broken.append(f"the next job failed, too: {last_error(again)}")
                return
        verdict.broken += (f"{after}, but {line}" for line in self.differences())

    def differences(self) -> Iterator[str]:
        found = state_of(self.world.aws, self.recorded.before)
        return differences(found, self.recorded.end)
