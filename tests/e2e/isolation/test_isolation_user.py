# SPDX-License-Identifier: MIT
"""Whom scripts run as, how the host is set up for it, and what is said where it is not."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobhost import SECRET, JobHost, output, run_account_tool


# Who scripts are.

def test_every_stage_runs_as_the_user(host: JobHost, users: list[str]) -> None:
    log = output(host, "echo id=$(id -un):$(id -Gn)", after_script="echo after=$(id -un)")
    assert f"id={users[0]}:{users[0]}\n" in log and f"after={users[0]}\n" in log
    assert "Created fresh repository." in log


def test_groups_of_the_user_are_not_given(host: JobHost, users: list[str]) -> None:
    subprocess.run(["usermod", "-aG", "adm", users[0]], check=True)
    try:
        assert f"groups={users[0]}\n" in output(host, "echo groups=$(id -Gn)")
    finally:
        subprocess.run(["gpasswd", "-d", users[0], "adm"], check=True, stdout=subprocess.DEVNULL)


def test_there_is_no_way_back_to_root(host: JobHost) -> None:
    log = output(host, "grep -E '^(NoNewPrivs|Cap(Prm|Eff|Amb)|Uid|Gid)' /proc/self/status; "
                       "ulimit -c; umask; grep . /proc/keys || echo no keys")
    assert re.search(r"NoNewPrivs:\s+1", log)
    assert len(re.findall(r"Cap(?:Prm|Eff|Amb):\s+0{16}\n", log)) == 3
    assert re.search(r"Uid:\s+([1-9]\d*)\s+\1\s+\1\s+\1\n", log)
    assert "\n0\n0022\n" in log


def test_git_works_in_a_checkout_and_again(host: JobHost) -> None:
    script = "git status --short; git log -1 --format=%s; git config --global user.name me"
    for _ in range(2):
        assert "Snapshot of the project directory" in output(host, script)


def test_home_and_tmpdir_are_the_jobs_own_and_gone_with_it(host: JobHost) -> None:
    log = output(host, "echo home=$HOME tmp=$TMPDIR; touch ~/x $TMPDIR/y; mkdir ~/ro; touch ~/ro/z; "
                       "chmod 500 ~/ro; pwd -P")
    home, tmp = re.search(r"home=(\S+) tmp=(\S+)", log).groups()  # type: ignore[union-attr]
    assert home.startswith(tmp + "/")
    assert not Path(tmp).exists()


def test_the_scripts_text(host: JobHost) -> None:
    """Nearly 2 MB of it, with its line numbers, and no trace of how it came."""
    script = host.script("#!/bin/bash\n" + f": {'x' * 100}\n" * 20000 + "echo line=$LINENO\nset -x\n:\n"
                         "set +x\nls /proc/self/fd; exit 7\n")
    with host.stage(script) as process:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 1 and host.code() == 7
    assert "line=20002\n" in out
    assert out.split()[1:] == ["0", "1", "2", "3"]  # 3 is ls's own
    assert err == "+ :\n+ set +x\n"


def test_exit_codes_and_signals(host: JobHost) -> None:
    assert host.play("fails", script="exit 42").script_exit_code == 42
    assert host.play("fails", script="kill -KILL $$").script_exit_code == 137


# How the host is set up.

@pytest.mark.parametrize(("user", "message"), [
    ("no-such-user-at-all", "there is no user"), ("root", "is root"), ("nobody", "one of the system's own"),
    ("www-data", "one of the system's own"), (["nobody"], "one of the system's own"),
])
def test_users_that_cannot_be(host: JobHost, user: str | list[str], message: str) -> None:
    host.config["user"] = user
    result = host.play("plain")
    assert result.exit_code == 2 and message in result.log, result.log


@pytest.mark.parametrize(("options", "message"), [
    (["--shell", "/bin/bash"], "can log in"), (["--gid", "root"], "which may do more than"),
    (["--gid", "disk"], "its group|group of user"), (["--gid", "docker"], "'docker', which may do more"),
    (["--non-unique", "--uid"], "are one and the same"),
])
def test_accounts_that_must_not_be(host: JobHost, users: list[str], options: list[str],
                                   message: str) -> None:
    """A user in the list that can be used with one that cannot."""
    if options[-1] == "docker":
        docker = subprocess.run(["groupadd", "--system", "docker"], capture_output=True).returncode == 0
    if options[-1] == "--uid":
        options = [*options, str(pwd.getpwnam(users[0]).pw_uid)]
    name = f"{users[0]}-x"
    run_account_tool("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", *options, name)
    try:
        host.config["user"] = [users[0], name]
        result = host.play("plain")
    finally:
        run_account_tool("userdel", name)
        if options[-1] == "docker" and docker:
            run_account_tool("groupdel", "docker")
    assert result.exit_code == 2 and re.search(message, result.log), result.log


def test_a_lock_directory_that_others_can_replace(host: JobHost) -> None:
    """It is refused before anything runs, whatever its own mode is."""
    above = host.directory / "above"
    above.mkdir()
    host.config["lockDir"] = str(above / "locks")
    assert host.play("plain").exit_code == 0
    for mode in (0o777, 0o775):
        above.chmod(mode)
        result = host.play("plain")
        assert result.exit_code == 2 and f"'{above}' above it is user 0's" in result.log, result.log
    above.chmod(0o1777)
    assert host.play("plain").exit_code == 0


def test_config_again(host: JobHost, users: list[str]) -> None:
    """By a runner that tries again in the same directory: the job has one user, and gives one back."""
    with host.stage(host.script("id -un\n")) as process:
        out, _ = process.communicate(timeout=30)
        for _ in range(3):
            host.call("config")
        assert [path.parent.name for path in host.claims()] == users[:1] == [out.strip()]
    assert not host.claims()


def test_a_stage_without_a_claim_runs_nothing(host: JobHost) -> None:
    """config_exec is missing in config.toml, or the job is over: else the script would be root's."""
    script = host.script("id -u\n")
    with host.stage(script, claim=False) as process:
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 2 and "no user has been claimed" in out
    assert not re.search(r"(?m)^\d+$", out)


def test_directories_out_of_the_users_reach(host: JobHost) -> None:
    host.directory.chmod(0o700)
    result = host.play("plain")
    assert result.exit_code == 2 and "reachable" in result.log, result.log
    assert "build_script" not in [stage.name for stage in result.stages]


@pytest.mark.parametrize(("change", "message"), [
    ({"user": None}, "scripts run as root and can read"), ({}, None),
    ({"mode": 0o644}, "scripts can read the host config"),
    ({"user": None, "allowUnisolatedProduction": True}, None),
])
def test_production_takes_isolation(host: JobHost, change: dict[str, Any], message: str | None) -> None:
    host.config |= {key: value for key, value in change.items() if key != "mode"}
    host.config = {key: value for key, value in host.config.items() if value is not None}
    host.mode = change.get("mode", 0o600)
    result = host.play("deploy-master", ref="master", protected=True)
    refused = "no job acts on production from this host" in result.log
    assert refused == (message is not None), result.log
    assert message is None or (message in result.log and result.exit_code == 2)
    if change:
        assert "WARNING: scripts" in result.log
        assert "no job acts" not in host.play("deploy-branches").log


def test_not_root(host: JobHost, users: list[str]) -> None:
    """berth as an ordinary user: scripts run as it, prepare says so; a 'user' it cannot give."""
    account = pwd.getpwnam(users[1])
    host.config.pop("user")
    host.write_config(0o644)
    tmp = host.directory / "job"
    tmp.mkdir()
    shutil.copy(host.response(tmp), tmp / "response.json")
    for path in (host.directory, tmp, tmp / "response.json", Path(host.environ["BERTH_CONFIG"])):
        os.chown(path, account.pw_uid, account.pw_gid)
    environ = {**host.stage_environ(tmp), "HOME": str(tmp)}

    def call(*command: str | Path) -> tuple[int, str]:
        done = subprocess.run(command, env=environ, cwd=tmp, user=account.pw_uid, group=account.pw_gid,
                              extra_groups=[], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr

    code, out = call(host.programs / "prepare")
    assert code == 0 and "scripts run as the runner's own user" in out, out
    script = tmp / "script"
    script.write_text("cat /proc/$PPID/environ /proc/$PPID/mem && echo got\nls /proc/$PPID/fd && echo got\n"
                      "kill -9 $BASHPID\n")
    code, out = call(host.programs / "run", script, "get_sources")
    assert code == 1 and "got" not in out and SECRET not in out and "Permission denied" in out
    host.config["user"] = users
    host.write_config(0o644)
    code, out = call(host.programs / "config")
    assert code == 2 and "only root can run scripts as another one" in out
