# SPDX-License-Identifier: MIT
"""What `berth doctor` says of the users that scripts run as, and of the sandbox."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobhost import SECRET, JobHost, run_account_tool


def examine(host: JobHost) -> str:
    """Of AWS there is nothing here, which is said, too."""
    host.write_config()
    done = subprocess.run(
        [host.programs.parents[1] / "bin" / "berth", "doctor", f"--runner-config={host.directory}/none"],
        env={**host.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, capture_output=True, text=True,
        timeout=60)
    return done.stdout


def test_users_that_are_right(host: JobHost, users: list[str]) -> None:
    text = examine(host)
    for user in users:
        assert f"ok    user: scripts run as '{user}', who cannot read the host's secrets" in text
    assert "ok    lockDir:" in text and "FAIL  user:" not in text and "FAIL  sandbox:" not in text
    assert "allowUnisolatedProduction" not in text


def test_a_secret_that_a_user_can_read(host: JobHost, users: list[str]) -> None:
    secret = host.directory / "credentials"
    secret.write_text(SECRET)
    secret.chmod(0o644)
    host.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(secret)
    text = examine(host)
    for user in users:
        assert f"FAIL  user: user '{user}' can read '{secret}', which holds AWS credentials" in text


def test_users_that_are_one(host: JobHost, users: list[str]) -> None:
    name = f"{users[0]}-y"
    run_account_tool("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin",
                     "--non-unique", "--uid", str(pwd.getpwnam(users[0]).pw_uid), name)
    try:
        host.config["user"] = [users[0], "www-data", name]
        text = examine(host)
    finally:
        run_account_tool("userdel", name)
    assert f"FAIL  user: the users '{users[0]}' and '{name}' are one and the same" in text
    assert "FAIL  user: user 'www-data' is one of the system's own" in text


def test_a_user_who_lingers(host: JobHost, users: list[str]) -> None:
    directory = Path("/var/lib/systemd/linger")
    missing = [path for path in (directory, directory.parent) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / users[0]).touch()
    try:
        text = examine(host)
    finally:
        (directory / users[0]).unlink()
        for path in missing:
            path.rmdir()
    assert f"FAIL  user: user '{users[0]}' lingers: " in text
    assert f"run 'loginctl disable-linger {users[0]}'" in text and f"'{users[1]}' lingers" not in text


@pytest.mark.skipif(any(Path(f"/etc/cron.{name}").exists() for name in ("allow", "deny")),
                    reason="this host says who may use cron")
def test_a_user_who_may_use_cron(host: JobHost, users: list[str]) -> None:
    tools = host.directory / "tools"
    tools.mkdir()
    (tools / "crontab").symlink_to("/bin/true")
    host.environ["PATH"] = f"{tools}:{host.environ['PATH']}"
    assert f"warn  user: user '{users[1]}' may use 'crontab'; run 'echo {users[1]} >>/etc/cron.deny'" \
        in examine(host)


def test_a_lock_directory_that_others_can_replace(host: JobHost) -> None:
    above = host.directory / "above"
    (above / "locks").mkdir(parents=True)
    above.chmod(0o777)
    host.config["lockDir"] = str(above / "locks")
    assert "FAIL  lockDir: others can put something else in the place of" in examine(host)


@pytest.mark.parametrize(("bwrap", "line"), [
    ("works", "ok    sandbox: "), ("exit 1", "FAIL  sandbox: "), (None, "FAIL  sandbox: there is no 'bwrap'"),
])
def test_the_sandbox(host: JobHost, users: list[str], bwrap: str | None, line: str) -> None:
    if bwrap == "works" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is missing")
    host.config["sandbox"] = "bubblewrap"
    tools = host.directory / "tools"
    tools.mkdir()
    if bwrap is None:
        host.environ["PATH"] = str(tools)
    elif bwrap != "works":
        (tools / "bwrap").write_text(f"#!/bin/sh\ntest $(id -un) = {users[0]} && {bwrap}\n")
        (tools / "bwrap").chmod(0o755)
        host.environ["PATH"] = f"{tools}:{host.environ['PATH']}"
    text = examine(host)
    assert line in text
    if bwrap is not None:
        assert f"as user '{users[0]}'" in text


@pytest.mark.parametrize(("change", "line"), [
    ({"allowUnisolatedProduction": True}, "warn  allowUnisolatedProduction: jobs act on production even where"),
    ({"sandbox": "bubblewrap", "user": None}, "FAIL  sandbox: 'sandbox' needs 'user'"),
])
def test_settings(host: JobHost, change: dict[str, Any], line: str) -> None:
    host.config = {key: value for key, value in (host.config | change).items() if value is not None}
    assert line in examine(host)
