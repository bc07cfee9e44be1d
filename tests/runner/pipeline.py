# SPDX-License-Identifier: MIT
"""Plays GitLab for one pipeline: the jobs that a repository's .gitlab-ci.yml has for a branch,
stage by stage, each by `tests/runner/job`, one after the other. What is by hand is left to `play`.

The job's log goes to where this program's goes; what came of it is in the row that is returned.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitlabci import PipelineJob, load_jobs, pipeline_of

JOB = Path(__file__).with_name("job")


@dataclass(frozen=True)
class Row:
    """What came of one job. `status` is GitLab's: "success", "failed", "canceled"."""

    pipeline: int
    name: str
    stage: str
    status: str
    seconds: float


@dataclass
class Project:
    """A repository at GitLab: its directory, the branch, where the projects are that it includes
    files of, and the environment of the runner on whose host its jobs are played."""

    directory: Path
    ref: str
    includes: Mapping[str, Path]
    environ: Mapping[str, str]
    protected: bool = False
    after: str = ""  # a script that every job ends with

    def jobs(self) -> list[PipelineJob]:
        jobs = load_jobs(self.directory, self.includes)
        return list(pipeline_of(jobs, {"CI_COMMIT_BRANCH": self.ref}))

    def job(self, name: str) -> PipelineJob:
        return next(job for job in self.jobs() if job.name == name)

    def play(self, job: PipelineJob, pipeline: int, output: Any = None) -> Row:
        """One job of a pipeline; its log goes to `output`, or to ours."""
        with tempfile.TemporaryDirectory(prefix="berth-pipeline-") as directory:
            result = Path(directory) / "result.json"
            command: list[str | Path] = [
                sys.executable, JOB, "--job", job.name, "--stage", job.stage, "--ref", self.ref,
                "--pipeline", str(pipeline), "--project", self.directory, "--json", result]
            for number, item in enumerate(job.script):
                script = Path(directory) / f"script{number}"
                script.write_text(item)
                command += ["--script", script]
            if self.after:
                script = Path(directory) / "after"
                script.write_text(self.after)
                command += ["--after-script", script]
            command += [f"--var={key}={value}" for key, value in job.variables.items()]
            command += ["--protected"] if self.protected else []
            start = time.monotonic()
            subprocess.run(command, env=dict(self.environ), check=False, stdout=output)
            seconds = time.monotonic() - start
            status = json.loads(result.read_text())["status"] if result.exists() else "failed"
        return Row(pipeline, job.name, job.stage, status, seconds)

    def run(self, pipeline: int, before: Callable[[PipelineJob], None] = lambda job: None,
            wanted: Callable[[PipelineJob], bool] = lambda job: True) -> Iterator[Row]:
        """A whole pipeline, or the jobs of it that are `wanted`, up to the stage in which a job
        fails; `before` is called before each job. As at GitLab the other jobs of that stage are
        played."""
        failed = ""
        for job in filter(wanted, self.jobs()):
            if job.when == "manual" or (failed and job.stage != failed):
                continue
            before(job)
            row = self.play(job, pipeline)
            if row.status != "success" and not job.allow_failure:
                failed = job.stage
            yield row
