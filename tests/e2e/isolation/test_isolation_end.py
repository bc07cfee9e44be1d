# SPDX-License-Identifier: MIT
"""What is left of a job when it is over: nothing."""

from __future__ import annotations

import fcntl
import os
import platform
import pwd
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobhost import LEAVE, JobHost, command_of, cwd_of, output, processes, processes_of
from runner import start_job
from waiting import until


# What is left behind.

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


def test_a_script_that_kills_all_it_can(host: JobHost, users: list[str]) -> None:
    """Again and again, whoever comes to end it as its user, and from outside of its group."""
    script = "setsid bash -c \"trap '' TERM; while :; do kill -9 -1; done\" & sleep 30"
    result = host.play("kills", script=script)
    assert result.script_exit_code == 137 and result.failure_reason == "script_failure", result.log
    assert processes_of(users) == [] and not host.claims()
    assert users[0] in output(host, "id -un")


KEYS = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
KEYCTL, ADD_KEY = 250, 248
rings = [-4, -5, libc.syscall(KEYCTL, 22, -1, -2)]  # the user's, its session's, its persistent one
for ring in rings:
    content = ctypes.create_string_buffer(400)
    if sys.argv[1] == "add":
        added = libc.syscall(ADD_KEY, b"user", b"left-%d" % ring, b"something", 9, ring)
        print("added", added > 0)
    print("keys", libc.syscall(KEYCTL, 11, ring, content, 400) // 4)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="system calls are named by number")
def test_key_rings_of_the_user_are_emptied(host: JobHost, users: list[str]) -> None:
    host.config["user"] = users[:1]
    (host.project / "keys.py").write_text(KEYS)
    python = shutil.which("python3", path="/usr/bin:/bin")
    log = output(host, f"{python} keys.py look; {python} keys.py add")
    if "added True" not in log:
        pytest.skip("this kernel has no key rings for us")
    assert re.findall(r"keys (\d+)", log)[:3] == ["0"] * 3, log
    assert re.findall(r"keys (\d+)", log)[3:] == ["1"] * 3, log
    assert re.findall(r"keys (-?\d+)", output(host, f"{python} keys.py look")) == ["0"] * 3


def test_a_big_tree_holds_nobody_up(host: JobHost, users: list[str]) -> None:
    """While one job's files are removed, another job comes and goes."""
    with start_job(**host.options("big", script="mkdir ~/big; cd ~/big; seq 1 40000 | xargs touch",
                                  job_id=1)) as big:
        remover = until(lambda: [pid for pid, name in processes() if name == "rm" and
                                    str(host.builds / users[0]) in command_of(pid)])[0]
        os.kill(remover, signal.SIGSTOP)
        try:
            assert users[1] in output(host, "id -un", job_id=2)
            assert [path.parent.name for path in host.claims()] == users[:1]
        finally:
            os.kill(remover, signal.SIGCONT)
        assert big.wait(60).exit_code == 0
    assert not host.claims() and not list(host.builds.glob("*/tmp/*"))


def test_what_a_writer_of_claims_has_left_goes(host: JobHost, users: list[str]) -> None:
    """One that was killed, or whose host went down, while it wrote."""
    output(host, ":")
    stray = host.locks / "jobs" / users[0] / ".1-2.json.berth-4711"
    for text in ("", '{"user": "x"'):
        stray.write_text(text)
        broken = stray.with_name("1-2.json")
        broken.write_text(text)
        output(host, ":")
        assert not stray.exists() and not broken.exists()


@pytest.mark.parametrize("whom", ["group", "run"])
def test_berth_is_killed(host: JobHost, users: list[str], whom: str) -> None:
    """SIGKILL to a stage, then the runner's cleanup; run alone takes its script with it."""
    script = LEAVE + "env -i setsid bash $TMPDIR/leave < /dev/null > /dev/null 2>&1 & " \
        "touch $TMPDIR/ready; while :; do sleep 0.05; done"
    with start_job(**host.options("killed", script=script)) as running:
        stage = running.wait_stage("build_script")
        until(lambda: list(host.builds.glob("*/tmp/*/ready")))
        (os.killpg if whom == "group" else os.kill)(stage.pid, signal.SIGKILL)
        result = running.wait(30)
    assert result.failure_reason == "runner_system_failure"
    assert processes_of(users) == []
    assert not list(host.builds.glob("*/tmp/*")) and not host.claims()


def test_the_runner_died_and_the_next_job_cleans_up(host: JobHost, users: list[str]) -> None:
    host.config["user"] = users[:1]
    job = subprocess.Popen(
        [sys.executable, "-c", host.program("died", LEAVE + "env -i setsid bash $TMPDIR/leave &"
                                            "touch $TMPDIR/ready; while :; do sleep 0.05; done")],
        start_new_session=True, env={**os.environ, **host.environ},
    )
    try:
        until(lambda: list(host.builds.glob("*/tmp/*/ready")))
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
    assert not list(host.builds.glob("*/tmp/*")) and not host.claims()


def test_the_runner_died_while_its_job_waited_for_a_user(host: JobHost, users: list[str]) -> None:
    """Whoever takes the place of the parent, init, never ends: the user would be gone for good."""
    host.config["user"] = users[:1]
    output(host, ":")
    job = host.runner_tmp / "custom-executor1"
    job.mkdir(mode=0o700)
    shutil.copy(host.response(job), job / "response.json")
    lock = os.open(host.locks / "jobs" / users[0], os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    runner = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])",
         host.programs / "config"], env=host.stage_environ(job), cwd=job, stderr=subprocess.PIPE,
        text=True)
    try:
        until(lambda: any(re.search(rf"-> FLOCK .* {pid} ", Path("/proc/locks").read_text())
                             for pid, name in processes() if name == "config"))
    finally:
        runner.kill()
        runner.wait()
        os.close(lock)
    assert runner.stderr is not None
    with runner.stderr:
        assert "the runner has ended while its job waited" in runner.stderr.read()
    assert not host.claims()


def test_one_user_for_all_jobs(host: JobHost, users: list[str]) -> None:
    """The end of one leaves the other alone; what the last has left goes."""
    host.config["user"] = users[0]
    wait = "touch $TMPDIR/ready; until test -e $TMPDIR/go; do sleep 0.05; done"
    with start_job(**host.options("first", script=wait, job_id=1)) as first:
        ready = until(lambda: list(host.builds.glob("*/tmp/*/ready")))[0]
        output(host, "id -un", job_id=2)
        assert ready.exists() and processes_of(users) != []
        (ready.parent / "go").touch()
        assert first.wait(30).exit_code == 0
    assert processes_of(users) == [] and not list(host.builds.glob("*/tmp/*"))
