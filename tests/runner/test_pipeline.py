# SPDX-License-Identifier: MIT
"""A played pipeline: which jobs are played, in which order, and how each is given to the runner."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import Host
from pipeline import Project, Row

TEXT = """
stages: [one, two, three]
variables: { SHARED: all }
second: { stage: two, script: [echo "second $SHARED $OWN", 'echo "its $CI_JOB_STAGE"'],
          variables: { OWN: mine } }
other: { stage: two, script: [echo other] }
first: { stage: one, script: [echo first] }
third: { stage: three, script: [echo third] }
by-hand: { stage: two, when: manual, script: [echo by-hand], variables: { GIT_STRATEGY: none } }
elsewhere: { stage: one, script: [echo elsewhere], rules: [{ if: $CI_COMMIT_BRANCH == "x" }] }
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """On a host whose executors run scripts and no more; `job` takes them for berth's."""
    host = Host(tmp_path)
    (host.project / ".gitlab-ci.yml").write_text(TEXT)
    job = tmp_path / "job"
    job.write_text("import os, sys\nos.execv(sys.executable, [sys.executable, "
                   f"{str(Path(__file__).with_name('job'))!r}, *sys.argv[1:], '--executors', "
                   f"{str(host.executors)!r}, '--retry-pause', '0'])\n")
    monkeypatch.setattr("pipeline.JOB", job)
    return Project(host.project, "dev/feature/login", {}, dict(os.environ, TMPDIR=str(host.temp)))


def log_of(project: Project, name: str, tmp_path: Path) -> tuple[Row, str]:
    path = tmp_path / "log"
    with path.open("w") as file:
        row = project.play(project.job(name), 7, file)
    return row, path.read_text()


def test_jobs_come_stage_by_stage(project: Project) -> None:
    begun: list[str] = []
    rows = list(project.run(7, lambda job: begun.append(job.name)))
    assert [(row.name, row.status, row.pipeline) for row in rows] == [
        (name, "success", 7) for name in ("first", "second", "other", "third")]
    assert begun == [row.name for row in rows]
    assert all(row.seconds > 0 for row in rows)


def test_a_job_has_its_script_variables_and_stage(project: Project, tmp_path: Path) -> None:
    row, log = log_of(project, "second", tmp_path)
    assert row.status == "success"
    assert "\nsecond all mine\n" in log
    assert '\n$ echo "its $CI_JOB_STAGE"\nits two\n' in log


def test_a_job_may_want_no_sources(project: Project, tmp_path: Path) -> None:
    _, log = log_of(project, "by-hand", tmp_path)
    assert "Skipping Git repository setup" in log and "\nby-hand\n" in log


def test_jobs_may_be_left_out(project: Project) -> None:
    rows = project.run(7, wanted=lambda job: job.stage != "two")
    assert [row.name for row in rows] == ["first", "third"]


def test_a_red_job_ends_the_pipeline_with_its_stage(project: Project) -> None:
    file = project.directory / ".gitlab-ci.yml"
    file.write_text(file.read_text().replace("echo \"second", "exit 3; echo \""))
    assert [(row.name, row.status) for row in project.run(7)] == [
        ("first", "success"), ("second", "failed"), ("other", "success")]


def test_one_that_may_fail_does_not(project: Project) -> None:
    file = project.directory / ".gitlab-ci.yml"
    file.write_text(file.read_text().replace("[echo first]", "[exit 3], allow_failure: true"))
    assert [(row.name, row.status) for row in project.run(7)][::3] == [
        ("first", "failed"), ("third", "success")]


def test_a_job_that_cannot_be_played_is_red(project: Project, tmp_path: Path) -> None:
    project.environ = {**project.environ, "BERTH_CONFIG": "/nowhere"}
    project.directory = tmp_path / "project"
    job = project.job("first")
    subprocess.run(["rm", "-r", project.directory], check=True)
    assert project.play(job, 7).status == "failed"
