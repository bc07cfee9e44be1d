# SPDX-License-Identifier: MIT
"""JOB_RESPONSE_FILE: the server's answer as the runner writes it again (common/spec, Job;
executors/custom/custom.go, createJobResponseFile)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import Any

from .options import Options, Variable
from .repository import GIT_DEPTH, Repository
from .variables import job_token

SURROGATES = re.compile("[\ud800-\udfff]")
GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def go_json(value: Any) -> str:
    """encoding/json: `<`, `>` and `&` escaped, what is no UTF-8 as U+FFFD, no blanks."""
    text = json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=False)
    text = SURROGATES.sub(r"\\ufffd", text)
    for plain, escaped in GO_ESCAPES.items():
        text = text.replace(plain, escaped)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def job_info(options: Options) -> dict[str, Any]:
    name = options.project_path.rpartition("/")[2]
    return {
        "name": options.job,
        "stage": options.stage,
        "pipeline_id": options.pipeline,
        "project_id": options.project_id,
        "project_name": name,
        "project_full_path": options.project_path,
        "namespace_id": 3,
        "root_namespace_id": 3,
        "organization_id": 1,
        "instance_id": "1",
        "instance_uuid": "5b7bbe5c-9d9a-4a21-8b4a-5d3a7f3f8b10",
        "user_id": 12,
        "time_in_queue_seconds": 0.31,
        "project_jobs_running_on_instance_runners_count": "0",
        "queue_size": 0,
        "queue_depth": 0,
    }


def git_info(options: Options, repository: Repository) -> dict[str, Any]:
    return {
        "repo_url": str(repository.path),
        "repo_object_format": "sha1",
        "ref": repository.ref,
        "sha": repository.sha,
        "before_sha": "0" * 40,
        "ref_type": options.ref_type,
        "refspecs": list(repository.refspecs),
        "depth": GIT_DEPTH,
        "protected": options.protected,
    }


def step(name: str, script: Sequence[str], timeout: int, when: str, allow: bool) -> dict[str, Any]:
    return {
        "name": name, "script": list(script), "timeout": timeout,
        "when": when, "allow_failure": allow,
    }


def steps(options: Options) -> list[dict[str, Any]]:
    result = [step("script", options.script, options.timeout, "on_success", False)]
    if options.after_script:
        result.append(step("after_script", options.after_script, options.timeout, "always", True))
    return result


def artifacts(options: Options) -> list[dict[str, Any]] | None:
    if not options.artifacts:
        return None
    return [
        {
            "name": "", "untracked": False, "paths": list(options.artifacts), "exclude": None,
            "when": options.artifacts_when, "artifact_type": "archive",
            "artifact_format": "zip", "expire_in": "",
        }
    ]


def services(options: Options) -> list[dict[str, Any]] | None:
    names = ("name", "alias", "command", "entrypoint", "ports", "variables", "pull_policy")
    empty = {"executor_opts": {"docker": {}, "kubernetes": {}}}
    return [
        {name: service.get(name) for name in names} | empty for service in options.services
    ] or None


def job_response(
    options: Options, repository: Repository, variables: Sequence[Variable]
) -> dict[str, Any]:
    """The whole skeleton; slices that are empty are null, as Go writes them."""
    return {
        "id": options.job_id,
        "token": job_token(options),
        "allow_git_fetch": options.allow_git_fetch,
        "job_info": job_info(options),
        "git_info": git_info(options, repository),
        "runner_info": {"uuid": "0f5f1a3e", "timeout": options.timeout},
        "inputs": {},
        "variables": [vars(v) for v in variables] or None,
        "steps": steps(options),
        "image": {
            "name": options.image, "alias": "", "command": None, "entrypoint": None,
            "ports": None, "variables": None, "pull_policy": None,
            "executor_opts": {"docker": {}, "kubernetes": {}},
        },
        "services": services(options),
        "artifacts": artifacts(options),
        "cache": None,
        "credentials": [
            {"type": "registry", "url": "registry.gitlab.example.com",
             "username": "gitlab-ci-token", "password": job_token(options)}
        ],
        "dependencies": None,
        "features": {
            "trace_sections": True,
            "token_mask_prefixes": ["glpat-", "gldt-", "glrt-", "glcbt-"],
            "failure_reasons": [
                "unknown_failure", "script_failure", "runner_system_failure",
                "job_execution_timeout", "configuration_error", "job_canceled",
            ],
            "two_phase_job_commit": True,
        },
        **({"run": list(options.run)} if options.run else {}),
        "policy_options": {"execution_policy_job": False, "policy_name": ""},
        "suspend_options": {},
    }


def write_response(path: str, response: dict[str, Any]) -> None:
    """One line, for the runner's own user alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(go_json(response) + "\n")


def services_variable(options: Options) -> str:
    """custom.go, getCIJobServicesEnv: empty when there are none."""
    if not options.services:
        return ""
    entries = []
    for service in options.services:
        aliases = (service.get("alias") or "").replace(",", " ").split()
        entry = {
            "name": service.get("name", ""), "alias": (aliases + [""])[0],
            "entrypoint": service.get("entrypoint"), "command": service.get("command"),
        }
        if service.get("variables"):
            entry["variables"] = service["variables"]
        entries.append(entry)
    return go_json(entries)
