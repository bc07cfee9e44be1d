# SPDX-License-Identifier: MIT
"""The pipeline template and the example that includes it.

Three witnesses: gitlab-ci-local for how GitLab reads it, berth's own dispatch for what it takes the
jobs for, and the list of the pipeline's jobs, written from the requirements.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitlabci import Condition, PipelineError, load_jobs, pipeline_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "examples" / "mettel"
TEMPLATE = "config/gitlab-ci.yml"
GITLAB_CI_LOCAL = ROOT / "build/npm/node_modules/gitlab-ci-local/dist/index.js"

PYTHON = ["bruin-bridge", "last-contact-report", "notifier"]
IMAGES = [*PYTHON, "service-affecting-monitor", "service-outage-monitor", "service-outage-triage",
          "sites-monitor", "t7-bridge", "velocloud-bridge", "nats-server", "metrics-prometheus",
          "metrics-grafana"]
STAGES = ["validation", "unit_test", "basic_infra", "build", "deploy", "grafana_user_creation"]
# Stage, act, kind of environment by name; of any branch and tag, then of those with an environment.
ANYWHERE = {
    **{f"{m}-linter": ("validation", f"lint {m} -") for m in PYTHON},
    **{f"terraform-validate-{d}": ("validation", f"terraform {d} -")
       for d in ("basic-infra", "network-resources", "dev")},
    **{f"{m}-test": ("unit_test", f"coverage {m} -") for m in PYTHON},
}
EVERY_ENVIRONMENT = {
    "basic-infra": ("basic_infra", "basic-infra - -"),
    **{f"{m}-build": ("build", f"image {m} -") for m in IMAGES},
}


def of_kind(suffix: str, kind: str) -> dict[str, tuple[str, str]]:
    return {
        f"check-ecs-resources-{suffix}": ("basic_infra", f"capacity - {kind}"),
        f"deploy-{suffix}": ("deploy", f"deploy - {kind}"),
        f"destroy-{suffix}": ("deploy", f"destroy - {kind}"),
        f"grafana_user_creation_{suffix}": ("grafana_user_creation", f"grafana - {kind}"),
    }


BRANCHES, MASTER = of_kind("branches", "ephemeral"), of_kind("master", "production")
ALL = ANYWHERE | EVERY_ENVIRONMENT | BRANCHES | MASTER
PIPELINES = [
    ({"CI_COMMIT_BRANCH": "dev/feature/login"}, ANYWHERE | EVERY_ENVIRONMENT | BRANCHES),
    ({"CI_COMMIT_BRANCH": "dev/fix/JIRA-12"}, ANYWHERE | EVERY_ENVIRONMENT | BRANCHES),
    ({"CI_COMMIT_BRANCH": "master"}, ANYWHERE | EVERY_ENVIRONMENT | MASTER),
    ({"CI_COMMIT_BRANCH": "feature/login"}, ANYWHERE),
    ({"CI_COMMIT_BRANCH": "my-dev/feature"}, ANYWHERE),
    ({"CI_COMMIT_TAG": "v1"}, ANYWHERE),
    ({"CI_MERGE_REQUEST_IID": "7"}, {}),
]


@pytest.fixture(scope="module")
def jobs() -> dict[str, dict[str, Any]]:
    return load_jobs(EXAMPLE, {"platform/berth": ROOT})


def test_its_jobs_are_those_of_the_pipeline(jobs: dict[str, dict[str, Any]]) -> None:
    assert {name: job["stage"] for name, job in jobs.items()} == {n: s for n, (s, _) in ALL.items()}
    stages = [job["stage"] for job in jobs.values()]
    assert list(dict.fromkeys(stages)) == STAGES


@pytest.mark.parametrize(("variables", "expected"), PIPELINES)
def test_which_pipeline_has_which_jobs(
        jobs: dict[str, dict[str, Any]], variables: dict[str, str],
        expected: dict[str, Any]) -> None:
    found = list(pipeline_of(jobs, variables))
    assert {job.name for job in found} == set(expected)
    for job in found:
        by_hand = job.name.startswith("destroy-")
        assert (job.when, job.allow_failure) == (
            ("manual", True) if by_hand else ("on_success", False))


def test_berth_takes_each_job_for_what_it_is(jobs: dict[str, Any], tmp_path: Path) -> None:
    spec = EXAMPLE / ".berth" / "environment.json"
    done = subprocess.run([build_dispatched(tmp_path), spec, *jobs], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert dict(zip(jobs, done.stdout.splitlines(), strict=True)) == {
        name: act for name, (_, act) in ALL.items()}


def build_dispatched(directory: Path) -> Path:
    packages = ("libuv", "libcjson")
    flags = {flag: subprocess.run(["pkg-config", flag, *packages], check=True, capture_output=True,
                                  text=True).stdout.split() for flag in ("--cflags", "--libs")}
    program = directory / "dispatched"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", f"-I{ROOT}", *flags["--cflags"],
         "-o", program, ROOT / "tests/runner/dispatched.c", ROOT / "build/libberth-small.a",
         *flags["--libs"], "-lpthread", "-lm"], check=True)
    return program


def test_all_of_it_is_for_berths_runner(jobs: dict[str, Any]) -> None:
    assert {tuple(job["tags"]) for job in jobs.values()} == {("berth",)}


@pytest.mark.parametrize("kind", ["branches", "master"])
def test_an_environment_in_gitlab(jobs: dict[str, Any], kind: str) -> None:
    deploy, destroy = jobs[f"deploy-{kind}"], jobs[f"destroy-{kind}"]
    assert deploy["environment"] == {
        "name": "$CI_COMMIT_REF_NAME", "url": "$BERTH_URL", "on_stop": f"destroy-{kind}"}
    assert deploy["artifacts"]["reports"]["dotenv"] == "berth.env"
    assert destroy["environment"] == {"name": "$CI_COMMIT_REF_NAME", "action": "stop"}
    assert destroy["variables"]["GIT_STRATEGY"] == "none" and destroy["needs"] == []
    # GitLab starts an on_stop job only where both are in the pipeline, so by the same rules.
    assert deploy["rules"] == destroy["rules"]
    groups = {job.get("resource_group") for job in (deploy, destroy)}
    assert len(groups) == 1 and "$CI_COMMIT_REF" in groups.pop()


def test_nothing_else_is_held_by_the_group_or_moves_the_environment(jobs: dict[str, Any]) -> None:
    for name, job in jobs.items():
        if not name.startswith(("deploy-", "destroy-")):
            assert "resource_group" not in job
            assert job.get("environment", {}).get("action", "access") in ("access", "prepare")


def test_who_leaves_a_report_of_an_environment(jobs: dict[str, Any]) -> None:
    """By docs/report.md: those, and no others, whose files would be missing."""
    reporting = {name for name, (_, act) in ALL.items()
                 if act.split()[0] in ("basic-infra", "deploy", "destroy")}
    assert reporting == {name for name, job in jobs.items() if "berth-report.html" in
                         job.get("artifacts", {}).get("paths", [])}
    for artifacts in (jobs[name]["artifacts"] for name in reporting):
        assert artifacts["reports"]["terraform"] == "berth-plan.json"
        assert artifacts["when"] == "always" and artifacts["expose_as"] == "berth report"
        assert artifacts["paths"] == ["berth-report.html", "berth-report.json"]


def test_reports(jobs: dict[str, Any]) -> None:
    test = jobs["notifier-test"]
    pattern = test["coverage"].strip("/")
    for line in ("Required test coverage of 80% reached. Total coverage: 97.50%",
                 "FAIL Required test coverage of 80% not reached. Total coverage: 18.84%"):
        found = re.search(pattern, line)
        assert found is not None and float(found[1]) in (97.5, 18.84)
    assert test["artifacts"]["reports"]["coverage_report"] == {
        "coverage_format": "cobertura", "path": "coverage.xml"}
    linter = jobs["notifier-linter"]["artifacts"]
    assert linter == {"when": "always", "reports": {"codequality": "gl-code-quality-report.json"}}


def test_a_module_is_three_lines() -> None:
    text = (EXAMPLE / ".gitlab-ci.yml").read_text()
    assert len(re.findall(r"(?m)^notifier-", text)) == 3
    assert len(text.splitlines()) < 45


# -- How GitLab reads it ---------------------------------------------------------------------------


def node_major() -> int:
    node = shutil.which("node")
    if node is None:
        return 0
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    return int(version.lstrip("v").partition(".")[0])


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a checkout in which the template is a file of its own: gitlab-ci-local would
    fetch it from GitLab."""
    if node_major() < 20:
        pytest.skip("gitlab-ci-local needs Node.js 20, which this machine does not have")
    if not GITLAB_CI_LOCAL.exists():
        pytest.skip("'make deps' could not install gitlab-ci-local")
    project = tmp_path_factory.mktemp("local") / "project"
    shutil.copytree(EXAMPLE, project)
    shutil.copy(ROOT / TEMPLATE, project / "template.yml")
    main = project / ".gitlab-ci.yml"
    text, n = re.subn(r"- project: .*\n +file: .*\n", "- local: template.yml\n", main.read_text())
    assert n == 1
    main.write_text(text)
    git(project, "init", "--quiet")
    git(project, "remote", "add", "origin", "git@gitlab.example.com:mettel/automation.git")
    git(project, "add", "--all")
    return project


def git(project: Path, *arguments: str) -> None:
    who = {f"GIT_{role}_{what}": "x@example.com" for role in ("AUTHOR", "COMMITTER")
           for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=project, check=True,
                   env=os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull})


def gitlab_ci_local(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["node", "--require", Path(__file__).parent / "set_union.cjs", GITLAB_CI_LOCAL, *arguments],
        cwd=project, env=os.environ | {"HOME": str(project.parent)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_gitlab_reads_it_so(jobs: dict[str, Any], local: Path) -> None:
    """And it is valid by GitLab's own schema of the file, which gitlab-ci-local checks."""
    git(local, "checkout", "--quiet", "-b", "any")
    git(local, "commit", "--quiet", "--allow-empty", "-m", "none")
    done = gitlab_ci_local(local, "--preview")
    assert "json schema validated" in done.stderr
    expanded = yaml.safe_load(done.stdout)
    assert expanded.pop("stages") == [".pre", *STAGES, ".post"]
    ours = {name: {k: v for k, v in job.items() if v != {}} for name, job in jobs.items()}
    assert {name: job for name, job in expanded.items() if name[0] != "."} == ours


@pytest.mark.parametrize("branch", ["dev/feature/login", "master"])
def test_gitlab_has_these_jobs_in_a_pipeline(
        jobs: dict[str, Any], local: Path, branch: str) -> None:
    git(local, "checkout", "--quiet", "-B", branch)
    git(local, "commit", "--quiet", "--allow-empty", "-m", "none")
    done = gitlab_ci_local(local, "--list-json", "--no-json-schema-validation")
    listed = json.loads(done.stdout[done.stdout.index("["):])
    theirs = {job["name"]: (job["stage"], job["when"], job["allow_failure"])
              for job in listed if job["when"] != "never"}
    ours = {job.name: (job.stage, job.when, job.allow_failure)
            for job in pipeline_of(jobs, {"CI_COMMIT_BRANCH": branch})}
    assert theirs == ours


# -- Our reading of such files ---------------------------------------------------------------------


@pytest.mark.parametrize(("text", "holds"), [
    ('$A', True), ('$EMPTY', False), ('$NONE', False), ('$NONE == null', True),
    ('$A == "a"', True), ("$A != 'a'", False), ('$A =~ /^A/', False), ('$A =~ /^A/i', True),
    ('$A !~ /b/', True), (r'$PATH =~ /^dev\/(feature|fix)/', True), ('$NONE =~ /x/', False),
    ('$A == "x" || $A && $EMPTY == ""', True), ('($A || $A) && $NONE', False),
    ('$NONE && $NONE || $A', True), ('$NONE && ($NONE || $A)', False),
])
def test_conditions(text: str, holds: bool) -> None:
    variables = {"A": "a", "EMPTY": "", "PATH": "dev/fix/1"}
    assert Condition(text, variables).holds() is holds


@pytest.mark.parametrize("text", ["$A ==", "($A", "$A $A", "a", "$A ~ /x/", ")"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(PipelineError):
        Condition(text, {"A": "a"}).holds()


def write(directory: Path, text: str) -> Path:
    (directory / ".gitlab-ci.yml").write_text("stages: [one]\n" + text)
    return directory


def test_merging(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text(
        ".b: { stage: one, script: [b], variables: { A: '1', B: '1' }, tags: [x, y] }\n"
        ".c: { variables: { B: '2' }, rules: [{ if: $A }] }\n")
    found = load_jobs(write(tmp_path, "include: { local: base.yml }\n"
                            ".c: { tags: [z] }\n"
                            "j: { extends: [.b, .c],\n"
                            "     rules: [!reference [.c, rules], { if: $B }] }\n"
                            "k: { extends: j, script: [!reference [.b, script], k] }\n"), {})
    assert found["j"] == {"stage": "one", "script": ["b"], "variables": {"A": "1", "B": "2"},
                          "tags": ["z"], "rules": [{"if": "$A"}, {"if": "$B"}]}
    assert found["k"]["script"] == ["b", "k"]


@pytest.mark.parametrize(("text", "message"), [
    ("j: { stage: one, script: [x], imagined: 1 }", "'imagined' is not known"),
    ("j: { stage: two, script: [x] }", "its stage 'two'"),
    ("j: { stage: one }", "no script"),
    ("j: { extends: .none }", "not there"),
    ("j: { extends: j, script: [x] }", "or itself"),
    ("j: { stage: one, script: [!reference [.x, script]] }", "names nothing"),
    ("j: { stage: one, script: [x], rules: [{ changes: [x] }] }", "'changes' of a rule"),
    ("include: { remote: x }", "cannot include"),
])
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PipelineError, match=re.escape(message)):
        load_jobs(write(tmp_path, text + "\n"), {})


def test_the_template_with_other_branches(tmp_path: Path) -> None:
    """As docs/pipeline.md has it: what a repository writes anew reaches all jobs that use it."""
    (tmp_path / ".gitlab-ci.yml").write_text(
        "include: [{ project: platform/berth, file: /config/gitlab-ci.yml }]\n"
        ".berth-on-branches: { rules: [{ if: $CI_COMMIT_BRANCH =~ /^feature-/ }] }\n"
        "deploy-master: { when: manual }\n"
        "notifier-build: { extends: .berth-build }\n")
    found = load_jobs(tmp_path, {"platform/berth": ROOT})
    names = {job.name for job in pipeline_of(found, {"CI_COMMIT_BRANCH": "feature-x"})}
    assert names == {"basic-infra", "notifier-build", *BRANCHES}
    assert not list(pipeline_of(found, {"CI_COMMIT_BRANCH": "dev/feature/login"}))
    master = {job.name: job.when for job in pipeline_of(found, {"CI_COMMIT_BRANCH": "master"})}
    assert master["deploy-master"] == "manual" and "notifier-build" in master
