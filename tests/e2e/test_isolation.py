# SPDX-License-Identifier: MIT
"""What a job's script cannot reach when the host config names a user for it: one test for each way.

As root, with users made for the tests and removed after them. The secret that a script must not find
is in the environment of the runner's programs, as an administrator's AWS_SECRET_ACCESS_KEY would be.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "runner"), str(ROOT / "tests" / "e2e")]

from runner import start_job  # noqa: E402
from jobhost import JobHost, make_users, remove_users  # noqa: E402

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCY-of-the-host"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run scripts as another user")


@pytest.fixture(scope="module")
def users() -> Iterator[list[str]]:
    names = make_users(2)
    yield names
    remove_users(names)


@pytest.fixture
def host(users: list[str]) -> Iterator[JobHost]:
    host = JobHost(users)
    host.environ |= {"AWS_SECRET_ACCESS_KEY": SECRET}
    yield host
    host.remove()


def output(host: JobHost, script: str, **more: Any) -> str:
    """What a job's script has said, in a job that succeeded; without its commands, which the runner
    says."""
    result = host.play("look", script=script, **more)
    assert result.exit_code == 0, result.log
    assert SECRET not in result.log
    return re.sub(r"(?m)^\$ .*\n", "", result.log)


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


# What scripts cannot read.

def test_environment(host: JobHost) -> None:
    host.environ |= {"https_proxy": "http://name:pass-word@proxy.example.com:3128"}
    log = output(host, "tr '\\0' '\\n' < /proc/$$/environ; env")
    assert "https_proxy=http://proxy.example.com:3128\n" in log and "pass-word" not in log
    assert not re.search(r"(?m)^(AWS_|JOB_RESPONSE_FILE|BERTH_CONFIG)", log)


LOOK_AT_PROCESSES = r"""
parent=$$; n=0
while [ "$parent" -gt 1 ]; do
    parent=$(awk '/^PPid/ { print $2 }' /proc/$parent/status)
    [ "$(stat -c %u /proc/$parent)" = 0 ] || continue
    for what in environ mem maps fd/0 cwd/response.json root/etc/shadow; do
        head -c 1000000 /proc/$parent/$what > $TMPDIR/got 2>/dev/null || :
        ! grep -a 'of-the''-host' $TMPDIR/got || echo read=$what
    done
    ! ls /proc/$parent/fd > /dev/null 2>&1 || echo read=fd
    n=$((n + 1))
done
echo looked=$n
"""


def test_proc_of_berth_and_the_runner(host: JobHost) -> None:
    log = output(host, LOOK_AT_PROCESSES)
    assert int(re.search(r"looked=(\d+)", log)[1]) >= 2  # type: ignore[index]
    assert "read=" not in log


PTRACE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
parent, tried = os.getppid(), 0
while parent > 1:
    with open(f"/proc/{parent}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    if fields["Uid"].split()[0] == "0":
        tried += 1
        for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
            if libc.ptrace(request, parent, None, None) == 0:
                print("attached")
        buffer = ctypes.create_string_buffer(8)
        iov = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
        if libc.process_vm_readv(parent, iov, 1, iov, 1, 0) >= 0:
            print("read memory")
        try:
            os.kill(parent, 0)
            print("may signal")
        except PermissionError:
            pass
    parent = int(fields["PPid"])
print("tried", tried)
"""


def test_ptrace(host: JobHost) -> None:
    (host.project / "look.py").write_text(PTRACE)
    log = output(host, f"{shutil.which('python3', path='/usr/bin:/bin')} look.py")
    assert re.search(r"tried [2-9]", log), log
    assert "attached" not in log and "read memory" not in log and "may signal" not in log


def test_descriptors(host: JobHost) -> None:
    secret = host.directory / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    script = host.script("ls /proc/$$/fd > $TMPDIR/fds; sed s/^/fd=/ $TMPDIR/fds\n"
                         "bash -c 'cat <&77' 2>&1\nls -l /proc/self/fd\ntrue\n")
    with open(secret) as file, host.stage(script, inherit=os.dup2(file.fileno(), 77)) as process:
        os.close(77)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and SECRET not in out
    # 255 is where bash itself keeps the script, closed for whatever it starts.
    assert set(re.findall(r"fd=(\d+)", out)) <= {"0", "1", "2", "255"}
    assert not re.search(r"(?m) (9|77) -> ", out)


def test_files(host: JobHost) -> None:
    credentials = host.directory / "credentials"
    credentials.write_text(SECRET)
    credentials.chmod(0o600)
    config = host.environ["BERTH_CONFIG"]
    log = output(host, f"cat {credentials} {config} /etc/shadow && echo got; "
                       f"ls {host.runner_tmp}/*/ && echo got; ls {host.locks}/jobs && echo got; true")
    assert "\ngot\n" not in log and log.count("Permission denied") >= 4


def test_command_lines_hold_no_secret(host: JobHost) -> None:
    script = """parent=$$
        while [ "$parent" -gt 1 ]; do
            tr '\\0' ' ' < /proc/$parent/cmdline; echo
            parent=$(awk '/^PPid/ { print $2 }' /proc/$parent/status)
        done; echo done"""
    log = output(host, script, masked={"WORD": "open-sesame"})
    assert "libexec/berth/run" in log and "[MASKED]" not in log


# Other jobs.

def test_another_jobs_directories(host: JobHost, users: list[str]) -> None:
    """While it runs: its checkout, its temporary files, its processes. Then its user is free."""
    with start_job(**host.options("first", script=f"umask 0; echo {SECRET[:9]}-mine > secret; pwd > "
                                  "$TMPDIR/where; touch $TMPDIR/ready; while :; do sleep 0.05; done",
                                  job_id=1)) as first:
        first.wait_stage("build_script")
        ready = wait_for(lambda: list(host.builds.glob("*/tmp/*/ready")))[0]
        where = (ready.parent / "where").read_text().strip()
        log = output(host, f"id -un; cat {where}/secret {ready} && echo got; ls {where} && echo got; "
                           f"ls {ready.parent} && echo got; kill -0 {first.pgid} && echo got; true", job_id=2)
        assert users[1] in log and "\ngot\n" not in log and "-mine" not in log
        first.cancel("abort")
        first.wait(30)
    assert users[0] in output(host, "id -un")


def test_an_earlier_job_of_another_project(host: JobHost) -> None:
    where = re.search(r"at=(\S+)", output(host, "echo mine > secret; echo at=$PWD"))[1]  # type: ignore[index]
    log = output(host, f"cat {where}/secret && echo got; true", project_id=78)
    assert "\ngot\n" not in log and "Permission denied" in log
    assert "mine" in output(host, "git status --short --ignored; cat secret || echo mine")


def test_branches_do_not_share_a_checkout_with_protected_ones(host: JobHost) -> None:
    plain = re.search(r"at=(\S+)", output(host, "echo at=$PWD"))[1]  # type: ignore[index]
    log = output(host, f"echo at=$PWD; ls {plain} && echo got; true", ref="master", protected=True)
    assert "/77-protected/" in log and "\ngot\n" not in log


def test_a_checkout_elsewhere_is_not_read(host: JobHost) -> None:
    """CI_PROJECT_DIR is the job's to set; the spec of another job's checkout is not its own."""
    other = host.builds / "other"
    (other / ".berth").mkdir(parents=True)
    (other / ".berth" / "environment.json").write_text('{ "modules": { "notifier": {} } }')
    result = host.play("notifier-test", variables={"CI_PROJECT_DIR": str(other)})
    assert "does not lie beneath" in result.log


def test_no_user_is_left(host: JobHost, users: list[str]) -> None:
    host.config["user"] = users[:1]
    with start_job(**host.options("first", script="touch $TMPDIR/ready; while :; do sleep 0.05; done",
                                  job_id=1)) as first:
        wait_for(lambda: list(host.builds.glob("*/tmp/*/ready")))
        result = host.play("second", job_id=2)
        assert result.exit_code == 2 and "all 1 users are taken by jobs that run now" in result.log
        first.cancel("abort")
        first.wait(30)
    assert host.play("third").exit_code == 0


# What is left behind.

LEAVE = r"""
cat > $TMPDIR/leave <<'END'
trap '' TERM INT HUP
while :; do sleep 0.3; done
END
chmod +x $TMPDIR/leave
"""


LEAVERS = """
bash $TMPDIR/leave &
setsid bash $TMPDIR/leave &
(setsid bash -c '(bash $TMPDIR/leave &)' &)
env -i setsid bash $TMPDIR/leave < /dev/null > /dev/null 2>&1 &
sleep 0.1
"""


def test_processes_end_with_their_stage(host: JobHost, users: list[str]) -> None:
    log = output(host, LEAVE + LEAVERS, after_script="ps -U $(id -u) -o args= | grep -c lea[v]e || :")
    assert re.search(r"has left [4-9] processes running", log)
    assert re.search(r"(?m)^0$", log), log
    assert processes_of(users) == []


def test_everything_outside_its_directories_goes(host: JobHost, users: list[str]) -> None:
    output(host, "mkdir -p /tmp/berth-left.$$/a; chmod 0 /tmp/berth-left.$$/a; touch /dev/shm/berth-$$ "
                 "/var/tmp/berth-$$; ipcmk -M 4096; ipcmk -S 1; ipcmk -Q")
    uids = [pwd.getpwnam(name).pw_uid for name in users]
    for directory in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock"):
        for entry in os.scandir(directory):
            assert entry.stat(follow_symlinks=False).st_uid not in uids, entry.path
    for kind in ("shm", "sem", "msg"):
        lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
        column = lines[0].split().index("uid")
        assert not [line for line in lines[1:] if int(line.split()[column]) in uids]


@pytest.mark.parametrize("whom", ["group", "run"])
def test_berth_is_killed(host: JobHost, users: list[str], whom: str) -> None:
    """SIGKILL to a stage, then the runner's cleanup; run alone takes its script with it."""
    script = LEAVE + "env -i setsid bash $TMPDIR/leave < /dev/null > /dev/null 2>&1 & " \
        "touch $TMPDIR/ready; while :; do sleep 0.05; done"
    with start_job(**host.options("killed", script=script)) as running:
        stage = running.wait_stage("build_script")
        wait_for(lambda: list(host.builds.glob("*/tmp/*/ready")))
        (os.killpg if whom == "group" else os.kill)(stage.pid, signal.SIGKILL)
        result = running.wait(30)
    assert result.failure_reason == "runner_system_failure"
    assert processes_of(users) == []
    assert not list(host.builds.glob("*/tmp/*")) and not list((host.locks / "jobs").iterdir())


def test_the_runner_died_and_the_next_job_cleans_up(host: JobHost, users: list[str]) -> None:
    host.config["user"] = users[:1]
    job = subprocess.Popen(
        [sys.executable, "-c", host.program("died", LEAVE + "env -i setsid bash $TMPDIR/leave &"
                                            "touch $TMPDIR/ready; while :; do sleep 0.05; done")],
        start_new_session=True, env={**os.environ, **host.environ},
    )
    try:
        wait_for(lambda: list(host.builds.glob("*/tmp/*/ready")))
    finally:
        job.kill()
        job.wait()
    stages = [pid for pid, name in processes() if name == "run" and cwd_of(pid).startswith(str(host.runner_tmp))]
    assert len(stages) == 2
    for pid in stages:
        os.kill(pid, signal.SIGKILL)
    assert processes_of(users) != []
    assert "clean" in output(host, f"ps -U {users[0]} -o args= | grep lea[v]e || echo cle''an")
    assert processes_of(users) == []
    assert not list(host.builds.glob("*/tmp/*")) and not list((host.locks / "jobs").iterdir())


def test_one_user_for_all_jobs(host: JobHost, users: list[str]) -> None:
    """The end of one leaves the other alone; what the last has left goes."""
    host.config["user"] = users[0]
    wait = "touch $TMPDIR/ready; until test -e $TMPDIR/go; do sleep 0.05; done"
    with start_job(**host.options("first", script=wait, job_id=1)) as first:
        ready = wait_for(lambda: list(host.builds.glob("*/tmp/*/ready")))[0]
        output(host, "id -un", job_id=2)
        assert ready.exists() and processes_of(users) != []
        (ready.parent / "go").touch()
        assert first.wait(30).exit_code == 0
    assert processes_of(users) == [] and not list(host.builds.glob("*/tmp/*"))


# How the host is set up.

@pytest.mark.parametrize(("user", "message"), [
    ("no-such-user-at-all", "there is no user"), ("root", "can log in|is root"),
    (["nobody", "root"], None),
])
def test_users_that_cannot_be(host: JobHost, user: str | list[str], message: str | None) -> None:
    host.config["user"] = user
    result = host.play("plain")
    assert (result.exit_code == 2) == (message is not None), result.log
    assert message is None or re.search(message, result.log)


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


# The sandbox.

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is missing")


@pytest.fixture
def sandbox(host: JobHost, monkeypatch: pytest.MonkeyPatch) -> JobHost:
    """The repository that the tests serve must not lie in /tmp, which scripts cannot see."""
    monkeypatch.setattr(tempfile, "tempdir", str(host.directory))
    host.config["sandbox"] = "bubblewrap"
    return host


@needs_bubblewrap
def test_sandbox(sandbox: JobHost, users: list[str]) -> None:
    log = output(sandbox, "id -un; touch here $TMPDIR/there ~/home /tmp/tmp && echo may=write; "
                          f"touch {sandbox.directory}/x /var/lib/x /run/lock/x /etc/x && echo may=all; "
                          "ls -d /proc/[0-9]* | wc -l; ls /tmp; git status --short")
    assert users[0] in log and "may=write" in log and "may=all" not in log
    assert int(re.search(r"(?m)^(\d+)$", log)[1]) < 12  # type: ignore[index]
    assert not list(Path("/tmp").glob("tmp"))


@needs_bubblewrap
def test_sandbox_exit_codes(sandbox: JobHost) -> None:
    assert sandbox.play("fails", script="exit 42").script_exit_code == 42
    assert sandbox.play("fails", script="kill -KILL $$").script_exit_code == 137


@needs_bubblewrap
def test_sandbox_last_byte_and_leftovers(sandbox: JobHost, users: list[str]) -> None:
    log = output(sandbox, LEAVE + "bash $TMPDIR/leave & exec > >(cat; sleep 0.2; echo the-end); seq 1 20000")
    assert "\n20000\nthe-end\n" in log
    assert processes_of(users) == []


@needs_bubblewrap
@pytest.mark.parametrize("whom", ["group", "run"])
def test_sandbox_sigterm_reaches_the_script_once(sandbox: JobHost, users: list[str], whom: str) -> None:
    script = sandbox.script("trap 'echo told; n=$((n + 1))' TERM\ntouch $TMPDIR/ready\n"
                            "until [ \"$n\" ]; do sleep 0.05; done\nsleep 0.3\nexit $((n + 6))\n")
    with sandbox.stage(script) as process:
        wait_for(lambda: list(sandbox.builds.glob("*/tmp/*/ready")))
        (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert (out.count("told\n"), process.returncode, sandbox.code()) == (1, 1, 7)


@needs_bubblewrap
def test_sandbox_is_killed(sandbox: JobHost, users: list[str]) -> None:
    with start_job(**sandbox.options("killed", script=LEAVE + "setsid bash $TMPDIR/leave & "
                                     "touch $TMPDIR/ready; sleep 60")) as running:
        stage = running.wait_stage("build_script")
        wait_for(lambda: list(sandbox.builds.glob("*/tmp/*/ready")))
        os.killpg(stage.pid, signal.SIGKILL)
        running.wait(30)
    assert processes_of(users) == []


def test_sandbox_without_bubblewrap(sandbox: JobHost) -> None:
    tools = sandbox.directory / "tools"
    tools.mkdir()
    for name in ("bash", "git", "env", "rm", "id"):
        (tools / name).symlink_to(shutil.which(name) or "")
    sandbox.environ["PATH"] = str(tools)
    result = sandbox.play("plain")
    assert result.exit_code == 2 and "there is no 'bwrap' in the runner's PATH" in result.log


# The metadata service is the host's firewall's to shut.

def test_the_rule_for_the_metadata_service_is_valid(users: list[str]) -> None:
    nft = shutil.which("nft")
    rules = re.search(r"(?s)```nft\n(.*?)```", (ROOT / "docs" / "runner-host.md").read_text())
    assert rules and "169.254.169.254" in rules[1] and "fd00:ec2::254" in rules[1]
    if nft is None:
        pytest.skip("nft is missing")
    text = re.sub(r'"berth-job0", "berth-job1"', ", ".join(f'"{name}"' for name in users), rules[1])
    assert users[0] in text
    done = subprocess.run([nft, "--check", "--file", "-"], input=text, capture_output=True, text=True)
    if "Operation not permitted" in done.stderr or "netlink" in done.stderr.lower():
        pytest.skip(f"nft cannot work here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr


def processes() -> list[tuple[int, str]]:
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            found.append((pid, stat.partition("(")[2].rpartition(")")[0]))
    return found


def cwd_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def processes_of(users: list[str]) -> list[tuple[int, str]]:
    uids = [pwd.getpwnam(name).pw_uid for name in users]
    found = []
    for pid, name in processes():
        try:
            if os.stat(f"/proc/{pid}").st_uid in uids:
                found.append((pid, name))
        except OSError:
            continue
    return found


def wait_for(look: Any) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it never came")
