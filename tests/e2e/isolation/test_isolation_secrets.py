# SPDX-License-Identifier: MIT
"""What a job's script cannot reach: one test for each way."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys

import pytest

import canary
from jobhost import ROOT, SECRET, JobHost, output
from runner import start_job
from waiting import until


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
    tried = re.search(r"tried (\d+)", log)
    assert tried and int(tried[1]) >= 2, log
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
        ready = until(lambda: list(host.builds.glob("*/tmp/*/ready")))[0]
        where = (ready.parent / "where").read_text().strip()
        log = output(host, f"id -un; cat {where}/secret {ready} && echo got; ls {where} && echo got; "
                           f"ls {ready.parent} && echo got; kill -0 {first.pgid} && echo got; true", job_id=2)
        assert users[1] in log and "\ngot\n" not in log and "-mine" not in log
        first.cancel("abort")
        first.wait(30)
    assert users[0] in output(host, "id -un")


def test_the_checkouts_directory_is_its_users_alone(host: JobHost, users: list[str]) -> None:
    """Also after a script has opened it to all, to lay something before a later job's feet."""
    output(host, "cd $CI_PROJECT_DIR/../../../..; pwd; while test -O .; do chmod 777 .; cd ..; done")
    checkouts = host.builds / users[0] / "77"
    cache = host.directory / "cache" / users[0] / "77"
    assert stat.S_IMODE(checkouts.stat().st_mode) == 0o777
    log = output(host, f"stat -c 'mode=%a %U' {checkouts} {cache} $TMPDIR ~; umask 0; touch ../open")
    assert re.findall(r"mode=(.*)", log) == [f"700 {users[0]}"] * 4
    for above in (host.builds, host.builds / users[0], host.builds / users[0] / "tmp", cache.parent):
        assert above.stat().st_uid == 0 and stat.S_IMODE(above.stat().st_mode) & 0o022 == 0
    for user in users:
        seen = subprocess.run(["find", checkouts, "-name", "open"], user=user, group=user, extra_groups=[],
                              capture_output=True, text=True)
        assert seen.stdout.endswith("/open\n") == (user == users[0]), seen


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
        until(lambda: list(host.builds.glob("*/tmp/*/ready")))
        result = host.play("second", job_id=2)
        assert result.exit_code == 2 and "all 1 users are taken by jobs that run now" in result.log
        first.cancel("abort")
        first.wait(30)
    assert host.play("third").exit_code == 0


# The metadata service is the host's firewall's to shut.

METADATA = """
import http.server, pathlib, subprocess, sys, threading

class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response_only(200)
        self.end_headers()
        self.wfile.write(b"SecretAccessKey-of-the-" + b"instance")

    def log_message(self, *arguments):
        pass

for command in (["ip", "link", "set", "lo", "up"], ["ip", "addr", "add", "169.254.169.254/32", "dev", "lo"]):
    subprocess.run(command, check=True)
if sys.argv[1]:
    subprocess.run(["nft", "--file", "-"], input=sys.argv[1], text=True, check=True)
server = http.server.HTTPServer(("169.254.169.254", 80), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(subprocess.run(["curl", "-s", "http://169.254.169.254/"], capture_output=True, text=True).stdout)
"""


def rules(users: list[str]) -> str:
    """As docs/runner-host.md has them, for these users."""
    found = re.search(r"(?s)```nft\n(.*?)```", (ROOT / "docs" / "runner-host.md").read_text())
    assert found and "169.254.169.254" in found[1] and "fd00:ec2::254" in found[1]
    return re.sub(r'"berth-job0", "berth-job1"', ", ".join(f'"{name}"' for name in users), found[1])


def play_beside_a_metadata_service(host: JobHost, firewall: str) -> str:
    """In a network of its own, where there is such a service: what root gets of it, then the job."""
    script = "curl -s -m 5 http://169.254.169.254/latest/meta-data/iam/ || echo re''fused"
    program = METADATA + host.program("look", script)
    done = subprocess.run(["unshare", "--net", sys.executable, "-c", program, firewall],
                          env={**os.environ, **host.environ}, capture_output=True, text=True, timeout=60)
    if done.returncode != 0 and not firewall:
        pytest.skip(f"there is no network to play with here: {done.stderr.strip().splitlines()[-1:]}")
    assert done.returncode == 0, done.stderr
    log = re.sub(r"(?m)^\$ .*\n", "", done.stdout)
    assert log.startswith("SecretAccessKey-of-the-instance\n") and "Job succeeded" in log, log
    return log.partition("\n")[2]


@pytest.mark.skipif(None in (shutil.which("nft"), shutil.which("unshare"), shutil.which("curl")),
                    reason="nft, unshare or curl is missing")
def test_the_metadata_service(host: JobHost, users: list[str]) -> None:
    """Open to scripts as the host is; shut by the rule for the host's firewall, but not for root."""
    assert "of-the-instance" in play_beside_a_metadata_service(host, "")
    log = play_beside_a_metadata_service(host, rules(users))
    assert "of-the-instance" not in log and "\nrefused\n" in log


def test_what_leaks_in_a_process_of_its_own_is_found(host: JobHost) -> None:
    """The watch (canary.py), where the runner is a program that a test can kill."""
    program = host.program("leaks", f'printf "%s\\n" "${canary.VARIABLE}"')
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **host.environ},
                   capture_output=True, check=True, timeout=60)
    host.remove()
    assert canary.WATCH.take()
