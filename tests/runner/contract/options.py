# SPDX-License-Identifier: MIT
"""What one job is: everything that GitLab's server and the runner's config.toml would say of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
EXECUTORS = REPOSITORY / "build" / "libexec" / "berth"
PROJECT = REPOSITORY / "config" / "examples" / "mettel"
HOST_CONFIG = REPOSITORY / "config" / "berth.json"

CANCEL_KINDS = ("canceling", "abort", "timeout")


class UsageError(Exception):
    """The job cannot be played as asked; no executable has been started."""


@dataclass(frozen=True)
class Variable:
    """One entry of the job response's `variables` (common/spec, Variable)."""

    key: str
    value: str
    public: bool = False
    file: bool = False
    masked: bool = False
    raw: bool = False


@dataclass
class Options:
    """One job on one runner host. Times are seconds; `environ` is the host's whole environment."""

    job: str
    ref: str
    ref_type: str = "branch"
    protected: bool = False
    project: Path = PROJECT
    project_id: int = 77
    project_path: str = "mettel/automation"
    default_branch: str = "master"
    pipeline: int = 1001
    job_id: int = 5001
    mr: int | None = None
    message: str = "Snapshot of the project directory"
    stage: str = "test"
    script: Sequence[str] = (":",)
    after_script: Sequence[str] = ()
    artifacts: Sequence[str] = ()
    artifacts_when: str = "on_success"
    variables: Sequence[Variable] = ()
    services: Sequence[Mapping[str, Any]] = ()
    run: Sequence[Mapping[str, Any]] = ()  # the `run:` keyword, instead of a script
    image: str = ""
    allow_git_fetch: bool = True
    timeout: int = 3600

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    executors: Path = EXECUTORS
    # The executables with their arguments, config.toml's …_exec and …_args, instead of a directory.
    commands: Mapping[str, Sequence[str]] | None = None
    builds_dir: str | None = None  # None: a directory of our own; "": not in config.toml
    cache_dir: str | None = None
    keep: bool = False
    concurrent: int | None = None  # CI_CONCURRENT_ID; None: the first that no other job has
    retry_pause: float = 3.0  # common/build.go, PreparationRetryInterval
    attempt_pause: float = 5.0  # the first pause between attempts of one stage
    graceful_kill_timeout: float = 60.0  # the runner's own default is 600
    force_kill_timeout: float = 10.0  # common/const.go, DefaultProcess…ForceKillTimeout
    exec_timeout: float = 3600.0  # config_, prepare_ and cleanup_exec_timeout
    build_finish_timeout: float = 300.0  # common/build.go, WaitForBuildFinishTimeout
    cancel_after: float | None = None
    cancel_kind: str = "canceling"


def host_environment(options: Options) -> dict[str, str]:
    """The environment the runner itself was started in, with the host config named in it."""
    environ = dict(options.environ)
    environ.setdefault("BERTH_CONFIG", str(HOST_CONFIG))
    return environ
