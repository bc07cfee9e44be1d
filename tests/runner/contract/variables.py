# SPDX-License-Identifier: MIT
"""The job's variables: the server's, the runner's, their order and expansion.

common/build.go, GetAllVariables; common/spec/variables.go. For one key the last occurrence counts.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from .options import Options, UsageError, Variable
from .repository import GIT_DEPTH, VARIABLES_FILE, Repository

SERVER = "https://gitlab.example.com"
RUNNER_VERSION = "19.4.0"
RUNNER_REVISION = "5a2a2e0d"
RUNNER_TOKEN = "k9XpLw2Rt"  # as common/helpers, ShortenToken leaves it
RUNNER_NAME = "berth-host"
REFERENCE = re.compile(
    r"\$(?:\{([^}]*)\}|([*#$@!?\-0-9])|([A-Za-z_][A-Za-z0-9_]*))"
)


def lookup(variables: Sequence[Variable], key: str, tmp_dir: str = "") -> str:
    """The effective value; of a file variable the path, where one is known."""
    for variable in reversed(variables):
        if variable.key == key:
            return f"{tmp_dir}/{key}" if variable.file and tmp_dir else variable.value
    return ""


def expand(variables: Sequence[Variable], tmp_dir: str) -> list[Variable]:
    """variables.go, Expand: one pass of Go's os.Expand over each value that is not raw; `$$` is
    `$`, the shell's special parameters are empty."""

    def replace(match: re.Match[str]) -> str:
        special = match[2]
        if special is not None:
            return "$" if special == "$" else ""
        return lookup(variables, match[1] if match[1] is not None else match[3], tmp_dir)

    return [
        v if v.raw or "$" not in v.value else
        Variable(v.key, REFERENCE.sub(replace, v.value), v.public, v.file, v.masked)
        for v in variables
    ]


def slug(text: str) -> str:
    """CI_COMMIT_REF_SLUG: lower case, 63 characters, everything but 0-9 and a-z a dash."""
    return re.sub(r"[^a-z0-9]", "-", text.lower())[:63].strip("-")


def project_variables(options: Options) -> list[Variable]:
    """The project's settings, of its ci-variables.json; protected ones are for protected refs."""
    path = options.project / VARIABLES_FILE
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return list(read_variables(document, options.protected))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"'{path}': {error}") from error


def read_variables(document: dict[str, object], protected_ref: bool) -> Iterable[Variable]:
    known = {"value", "masked", "file", "protected", "raw"}
    for key, entry in document.items():
        fields = entry if isinstance(entry, dict) else {"value": entry}
        unknown = set(fields) - known
        if unknown:
            raise ValueError(f"variable '{key}': unknown key '{min(unknown)}'")
        if not isinstance(fields.get("value"), str):
            raise ValueError(f"variable '{key}': its value must be a string")
        if fields.get("protected") and not protected_ref:
            continue
        flags = {name: bool(fields.get(name)) for name in ("file", "masked", "raw")}
        yield Variable(key, fields["value"], **flags)


def commit_facts(options: Options, repository: Repository) -> dict[str, str]:
    facts = {
        "CI_COMMIT_SHA": repository.sha,
        "CI_COMMIT_SHORT_SHA": repository.sha[:8],
        "CI_COMMIT_BEFORE_SHA": "0" * 40,
        "CI_COMMIT_REF_NAME": options.ref,
        "CI_COMMIT_REF_SLUG": slug(options.ref),
        "CI_COMMIT_REF_PROTECTED": "true" if options.protected else "false",
        "CI_COMMIT_MESSAGE": options.message,
        "CI_COMMIT_TITLE": options.message.partition("\n")[0],
        "CI_COMMIT_TIMESTAMP": "2020-01-01T00:00:00+00:00",
        "CI_DEFAULT_BRANCH": options.default_branch,
    }
    if options.mr is not None:
        facts["CI_MERGE_REQUEST_IID"] = str(options.mr)
        facts["CI_MERGE_REQUEST_REF_PATH"] = f"refs/merge-requests/{options.mr}/head"
        facts["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"] = options.ref
        facts["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] = options.default_branch
    elif options.ref_type == "tag":
        facts["CI_COMMIT_TAG"] = options.ref
    else:
        facts["CI_COMMIT_BRANCH"] = options.ref
    return facts


def project_facts(options: Options) -> dict[str, str]:
    namespace, _, name = options.project_path.rpartition("/")
    return {
        "CI_PROJECT_ID": str(options.project_id),
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_TITLE": name,
        "CI_PROJECT_PATH": options.project_path,
        "CI_PROJECT_PATH_SLUG": slug(options.project_path),
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_ROOT_NAMESPACE": namespace.partition("/")[0],
        "CI_PROJECT_URL": f"{SERVER}/{options.project_path}",
        "CI_PROJECT_VISIBILITY": "private",
    }


def job_facts(options: Options) -> dict[str, str]:
    source = "merge_request_event" if options.mr is not None else "push"
    pipeline_url = f"{SERVER}/{options.project_path}/-/pipelines/{options.pipeline}"
    return {
        "CI_PIPELINE_ID": str(options.pipeline),
        "CI_PIPELINE_IID": str(options.pipeline),
        "CI_PIPELINE_URL": pipeline_url,
        "CI_PIPELINE_SOURCE": source,
        "CI_JOB_ID": str(options.job_id),
        "CI_JOB_URL": f"{SERVER}/{options.project_path}/-/jobs/{options.job_id}",
        "CI_JOB_NAME": options.job,
        "CI_JOB_NAME_SLUG": slug(options.job),
        "CI_JOB_STAGE": options.stage,
        "CI_NODE_TOTAL": "1",
    }


def server_facts() -> dict[str, str]:
    host = SERVER.partition("://")[2]
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_SERVER_URL": SERVER,
        "CI_SERVER_HOST": host,
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_VERSION": "19.4.0-ee",
        "CI_API_V4_URL": f"{SERVER}/api/v4",
        "CI_RUNNER_ID": "7",
        "CI_RUNNER_DESCRIPTION": RUNNER_NAME,
        "CI_RUNNER_TAGS": '["berth"]',
        "GITLAB_USER_ID": "12",
        "GITLAB_USER_LOGIN": "ops",
        "GITLAB_USER_NAME": "MetTel Automation",
        "GITLAB_USER_EMAIL": "ops@example.com",
        "GIT_DEPTH": str(GIT_DEPTH),
    }


def job_token(options: Options) -> str:
    return f"glcbt-64_{options.job_id:08d}qW7nZrT4yUx"


def server_variables(options: Options, repository: Repository) -> list[Variable]:
    """The job response's `variables`: predefined first, then the project's, then the job's own.

    Keys may repeat: the first occurrence is then the server's (common/build.go, IsProtected)."""
    token = job_token(options)
    facts = server_facts() | job_facts(options) | project_facts(options)
    facts |= commit_facts(options, repository)
    result = [Variable(key, value, public=True) for key, value in facts.items()]
    result.append(Variable("CI_JOB_TOKEN", token, masked=True))
    result.append(Variable("CI_REPOSITORY_URL", str(repository.path)))
    return result + project_variables(options) + list(options.variables)


def runner_variables(
    options: Options, build_dir: str, root_dir: str, concurrent: int
) -> list[Variable]:
    """common/build.go, GetDefaultVariables: before the server's, which may override them. The two
    directories are empty until StartBuild has run, so in the config executable."""
    facts = {
        "CI_BUILDS_DIR": root_dir,
        "CI_PROJECT_DIR": build_dir,
        "CI_CONCURRENT_ID": str(concurrent),
        "CI_CONCURRENT_PROJECT_ID": str(concurrent),
        "CI_RUNNER_SHORT_TOKEN": RUNNER_TOKEN,
        "CI_SERVER": "yes",
        "CI_JOB_TIMEOUT": str(options.timeout),
    }
    if options.image:
        facts["CI_JOB_IMAGE"] = options.image
    return [Variable(key, value, public=True) for key, value in facts.items()]


def fixed_variables(build_dir: str) -> list[Variable]:
    """common/build.go, GetSharedEnvVariable and AppVersion.Variables: after the server's."""
    facts = {
        "CI_SHARED_ENVIRONMENT": "true",
        "CI_RUNNER_VERSION": RUNNER_VERSION,
        "CI_RUNNER_REVISION": RUNNER_REVISION,
        "CI_RUNNER_EXECUTABLE_ARCH": "linux/amd64",
        "RUNNER_TEMP_PROJECT_DIR": f"{build_dir}.tmp" if build_dir else "",
    }
    return [Variable(key, value, public=True) for key, value in facts.items()]


class ConcurrentSlot:
    """The runner's own number among jobs of one project on one host at one time
    (commands/builds_helper.go, buildsHelper.acquire): held as an abstract socket's name, which the
    kernel frees with its holder."""

    def __init__(self, project_id: int) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        for self.number in range(4096):
            try:
                self._socket.bind(f"\0berth-tests-runner-{project_id}-{self.number}")
                return
            except OSError:
                continue
        raise UsageError("too many jobs of one project at once")

    def release(self) -> None:
        self._socket.close()


def load_script(path: Path) -> list[str]:
    """A script file is one item of the job's `script`, however many lines it has."""
    try:
        return [path.read_text(encoding="utf-8", errors="surrogateescape")]
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {(error.strerror or '').lower()}") from error
