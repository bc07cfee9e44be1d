# SPDX-License-Identifier: MIT
"""Which jobs a pipeline has, by a repository's .gitlab-ci.yml: as GitLab reads it, as far as our
template and the example go. What is not known here is an error, not ignored.

    jobs = load_jobs(project, {"platform/berth": ROOT})
    for job in pipeline_of(jobs, {"CI_COMMIT_BRANCH": "dev/feature/login"}):
        ...

Includes and extends are deep merges in which lists are replaced, `!reference` comes after them, and
a job without `when` takes that of its rule (https://docs.gitlab.com/ci/yaml/). The test compares it
with gitlab-ci-local.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GLOBAL = {"include", "stages", "variables", "default", "workflow"}
JOB = {
    "extends", "stage", "tags", "script", "before_script", "after_script", "rules", "when",
    "allow_failure", "interruptible", "artifacts", "coverage", "environment", "needs", "variables",
    "resource_group", "timeout", "retry",
}
RULE = {"if", "when", "allow_failure", "variables"}
EXTENDS_MAX = 11  # https://docs.gitlab.com/ci/yaml/#extends


class PipelineError(Exception):
    """GitLab would refuse it, or does what is not played here."""


@dataclass(frozen=True)
class Reference:
    path: tuple[str, ...]


class Loader(yaml.SafeLoader):
    pass


Loader.add_constructor("!reference", lambda loader, node: Reference(
    tuple(loader.construct_sequence(node))))


@dataclass(frozen=True)
class PipelineJob:
    """One job in a pipeline. `when` is "on_success" or "manual"; `keys` all that it is made of."""

    name: str
    stage: str
    when: str
    allow_failure: bool
    script: tuple[str, ...]
    variables: Mapping[str, str]
    keys: Mapping[str, Any]


def merge(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merge(below.get(key), value) for key, value in above.items()}
    return above


def load_document(path: Path, project: Path, projects: Mapping[str, Path]) -> dict[str, Any]:
    """One file with what it includes: the file's own keys are merged over those."""
    with path.open(encoding="utf-8") as file:
        document = yaml.load(file, Loader)  # noqa: S506 - a SafeLoader
    included: dict[str, Any] = {}
    includes = document.get("include", [])
    for include in includes if isinstance(includes, list) else [includes]:
        if set(include) == {"local"}:
            root, name = project, include["local"]
        elif set(include) == {"project", "file"} and include["project"] in projects:
            root, name = projects[include["project"]], include["file"]
        else:
            raise PipelineError(f"{path.name}: cannot include {include}")
        included = merge(included, load_document(root / name.lstrip("/"), root, projects))
    return merge(included, {k: v for k, v in document.items() if k != "include"})


def extend(document: Mapping[str, Any], name: str, depth: int = 0) -> dict[str, Any]:
    """A job merged over what it extends."""
    if depth > EXTENDS_MAX:
        raise PipelineError(f"'{name}': extends more than {EXTENDS_MAX} levels, or itself")
    if name not in document:
        raise PipelineError(f"'{name}' is extended, but not there")
    own = document[name]
    bases = own.get("extends", [])
    merged: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        merged = merge(merged, extend(document, base, depth + 1))
    return merge(merged, {key: value for key, value in own.items() if key != "extends"})


def resolve(value: Any, jobs: Mapping[str, Any], depth: int = 0) -> Any:
    """References replaced by what they name; in a list, a list's items take its place."""
    if depth > 10:
        raise PipelineError("references more than 10 levels deep")
    if isinstance(value, Reference):
        found: Any = jobs
        for key in value.path:
            if not isinstance(found, Mapping) or key not in found:
                raise PipelineError(f"!reference {list(value.path)} names nothing")
            found = found[key]
        return resolve(found, jobs, depth + 1)
    if isinstance(value, dict):
        return {key: resolve(item, jobs, depth) for key, item in value.items()}
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            resolved = resolve(item, jobs, depth)
            items += resolved if isinstance(item, Reference | list) else [resolved]
        return items
    return value


def check_job(name: str, job: Mapping[str, Any], stages: list[str]) -> None:
    unknown = set(job) - JOB
    if unknown:
        raise PipelineError(f"'{name}': '{min(unknown)}' is not known here")
    if "script" not in job:
        raise PipelineError(f"'{name}': there is no script")
    if job.get("stage", "test") not in stages:
        raise PipelineError(f"'{name}': its stage '{job.get('stage', 'test')}' is none of {stages}")
    for rule in job.get("rules", []):
        if set(rule) - RULE:
            raise PipelineError(f"'{name}': '{min(set(rule) - RULE)}' of a rule is not known here")


def load_jobs(project: Path, projects: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Every job of the repository's .gitlab-ci.yml, expanded, in the order of its stages."""
    document = load_document(project / ".gitlab-ci.yml", project, projects)
    names = [name for name in document if name not in GLOBAL]
    extended = {name: extend(document, name) for name in names}
    jobs = {name: resolve(extended[name], extended) for name in names if name[0] != "."}
    stages = document["stages"]
    for name, job in jobs.items():
        check_job(name, job, stages)
        job["variables"] = document.get("variables", {}) | job.get("variables", {})
    return dict(sorted(jobs.items(), key=lambda item: stages.index(item[1]["stage"])))


def pipeline_of(jobs: Mapping[str, Mapping[str, Any]], variables: Mapping[str, str]
                ) -> Iterator[PipelineJob]:
    """The jobs that a pipeline with these predefined variables has."""
    for name, job in jobs.items():
        rule = matching_rule(job, variables)
        when = None if rule is None else rule.get("when", job.get("when", "on_success"))
        if rule is None or when == "never":
            continue
        script = [*job.get("before_script", []), *job["script"]]
        yield PipelineJob(
            name, job["stage"], when, rule.get("allow_failure", job.get("allow_failure", False)),
            tuple(script), job["variables"] | rule.get("variables", {}), job)


def matching_rule(job: Mapping[str, Any], variables: Mapping[str, str]) -> Mapping[str, Any] | None:
    if "rules" not in job:
        return {}
    for rule in job["rules"]:
        if "if" not in rule or Condition(rule["if"], variables).holds():
            return rule
    return None


class Condition:
    """`rules:if` (https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions): && before
    ||, parentheses, comparisons; a variable that is not there is null, an empty one is false."""

    TOKEN = re.compile(
        r"\s*(?:(\$\w+)|\"([^\"]*)\"|'([^']*)'|/((?:\\.|[^/\\])+)/(i?)|"
        r"(==|!=|=~|!~|&&|\|\||\(|\)|null))"
    )

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._tokens: list[tuple[str, Any]] = []
        end = 0
        while text[end:].strip():
            match = self.TOKEN.match(text, end)
            if match is None:
                raise PipelineError(f"'{text}': cannot be read at '{text[end:]}'")
            self._tokens.append(self._token(match))
            end = match.end()

    def holds(self) -> bool:
        value = bool(self._either())
        if self._tokens:
            raise PipelineError(f"a condition goes on with '{self._tokens[0][1]}'")
        return value

    def _token(self, match: re.Match[str]) -> tuple[str, Any]:
        variable, double, single, pattern, flag, operator = match.groups()
        if variable:
            return "value", self._variables.get(variable[1:])
        if pattern is not None:
            return "pattern", re.compile(pattern, re.IGNORECASE if flag else 0)
        if operator == "null":
            return "value", None
        return ("operator", operator) if operator else ("value", double or single or "")

    def _next(self, *operators: str) -> str | None:
        if self._tokens and self._tokens[0] in [("operator", o) for o in operators]:
            return self._tokens.pop(0)[1]
        return None

    def _either(self) -> Any:
        value = self._both()
        while self._next("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._comparison()
        while self._next("&&"):
            other = self._comparison()
            value = value and other
        return value

    def _comparison(self) -> Any:
        left = self._operand()
        operator = self._next("==", "!=", "=~", "!~")
        if operator is None:
            return left
        right = self._operand()
        if operator in ("==", "!="):
            return (left == right) is (operator == "==")
        found = left is not None and right.search(left) is not None
        return found is (operator == "=~")

    def _operand(self) -> Any:
        if self._next("("):
            value = self._either()
            if not self._next(")"):
                raise PipelineError("a condition lacks a ')'")
            return value
        if not self._tokens or self._tokens[0][0] == "operator":
            raise PipelineError("a condition lacks a value")
        return self._tokens.pop(0)[1]
