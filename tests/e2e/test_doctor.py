# SPDX-License-Identifier: MIT
"""`berth doctor` on a host that is set up right but for one thing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from jobhost import make_users, processes_of, remove_users
from world import BUILD, ROOT, World

SCHEMA = ROOT / "config" / "host.schema.json"
PROGRAMS = BUILD.resolve() / "libexec" / "berth"
CUSTOM = {"graceful_kill_timeout": "90", "config_exec_timeout": "30", "prepare_exec_timeout": "120",
          "cleanup_exec_timeout": "60"} | {
              f"{name}_exec": f'"{PROGRAMS / name}"'
              for name in ("config", "prepare", "run", "cleanup")}


class Host:
    """A runner host: GitLab Runner's file, programs in PATH, the services around it."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.custom = dict(CUSTOM)
        self.runner = {"name": '"berth"', "executor": '"custom"', "shell": '"bash"'}
        self.top = "shutdown_timeout = 90\n"
        self.path = directory / "config.toml"
        self.mode = 0o600
        self.bin = directory / "bin"
        self.bin.mkdir()
        (self.bin / "gitlab-runner").write_text("#!/bin/sh\necho Version: 18.3.0\n")
        (self.bin / "gitlab-runner").chmod(0o755)
        # Building an image takes its time, for each of these tests.
        (self.bin / "buildah").symlink_to("gitlab-runner")
        # Nobody listens there: it was free a moment ago.
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        self.environ = world.environ() | {
            "PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(directory),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}"}

    def write(self) -> None:
        def lines(table: dict[str, str]) -> str:
            return "".join(f"  {key} = {value}\n" for key, value in table.items())
        self.path.write_text(f"{self.top}[[runners]]\n{lines(self.runner)}"
                             f"  [runners.custom]\n{lines(self.custom)}")
        self.path.chmod(self.mode)
        self.world.write_config()

    def examine(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BUILD / "bin" / "berth", "doctor", f"--runner-config={self.path}", *arguments],
            capture_output=True, text=True, env=self.environ, timeout=60)


@pytest.fixture
def host(world: World, tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(world, tmp_path_factory.mktemp("host"))


def custom(**entries: str | None) -> Callable[[Host], None]:
    def change(host: Host) -> None:
        for key, value in entries.items():
            if value is None:
                del host.custom[key]
            else:
                host.custom[key] = value
    return change


def runner(**entries: str) -> Callable[[Host], None]:
    return lambda host: host.runner.update(entries)


def top(text: str) -> Callable[[Host], None]:
    return lambda host: setattr(host, "top", text)


def environ(**entries: str) -> Callable[[Host], None]:
    return lambda host: host.environ.update(entries)


def mode(host: Host) -> None:
    host.mode = 0o644


def no_runner_program(host: Host) -> None:
    (host.bin / "gitlab-runner").unlink()


def open_builds(host: Host) -> None:
    builds = host.world.directory / "builds"
    builds.mkdir(exist_ok=True)
    builds.chmod(0o777)


def project(**members: Any) -> Callable[[Host], None]:
    return lambda host: host.world.config["projects"]["77"]["ephemeral"].update(members)


def misspelt(host: Host) -> None:
    host.world.config["lockdir"] = "x"


FAILURES = {
    "no config_exec": (custom(config_exec=None), "runner 'berth': config_exec is not set; set "
                                                 f'config_exec = "{PROGRAMS}/config"'),
    "another's program": (custom(run_exec='"/bin/true"'), "which is not this berth's"),
    "a program that is gone": (custom(cleanup_exec='"/gone"'), "'/gone', which is not there"),
    "the default grace": (custom(graceful_kill_timeout=None),
                          "graceful_kill_timeout is 600, the runner's default"),
    "too little grace": (custom(graceful_kill_timeout="10"), "set graceful_kill_timeout = 90"),
    "another executor": (runner(executor='"shell"'), "no [[runners]] of"),
    "another shell": (runner(shell='"pwsh"'), 'set shell = "bash"'),
    "host config as a job's variable": (runner(environment='["BERTH_CONFIG=/x"]'),
                                        "environment sets 'BERTH_CONFIG'"),
    "a token for everyone": (mode, "run 'chmod 600"),
    "not TOML": (top("a = 1\na = 2\n"), "line 2: this key stands there twice"),
    "no gitlab-runner": (no_runner_program, "gitlab-runner: there is none in PATH"),
    "builds for everyone": (open_builds, "can be written by others than its owner"),
    "host config": (misspelt, "did you mean 'lockDir'?"),
    "no credentials": (environ(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""),
                       "credentials: no AWS credentials on this host"),
    "wrong credentials": (environ(AWS_SECRET_ACCESS_KEY="x" * 40), "project 77, ephemeral: "),
    "no such role": (project(roleArn="arn:aws:iam::123456789012:role/gone"),
                     "let the role's trust policy name the host's own role"),
    "no AWS": (environ(AWS_ENDPOINT_URL="http://127.0.0.1:1"), "network: ecs cannot be reached"),
}


def failures(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("FAIL")]


@pytest.mark.parametrize("name", FAILURES)
def test_one_thing_is_wrong(host: Host, name: str) -> None:
    change, words = FAILURES[name]
    change(host)
    host.write()
    done = host.examine()
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(words in line for line in failures(done.stdout)), done.stdout


def test_a_host_that_is_set_up_right(host: Host) -> None:
    host.write()
    done = host.examine()
    # Who runs this as root has no user for jobs here, and is told so.
    wrong = [line for line in failures(done.stdout) if not line.startswith("FAIL  user:")]
    assert wrong == [], done.stdout
    for line in ("ok    runner 'berth': hands its jobs to berth", "ok    clock:", "ok    bash:",
                 "ok    network: all", "ok    credentials: from the environment",
                 "ok    metadata service: jobs' scripts cannot reach it", "ok    disk:"):
        assert line in done.stdout
    assert "ok    gitlab-runner: Version: 18.3.0" in done.stdout


def test_warnings_are_no_failure(host: Host) -> None:
    custom(prepare_exec_timeout=None)(host)
    host.runner["builds_dir"] = '"/builds"'
    host.top = ""
    host.write()
    lines = host.examine().stdout.splitlines()
    assert any(line.startswith("warn  runner 'berth': prepare_exec_timeout is 3600") for line in lines)
    assert any(line.startswith("warn  runner 'berth': builds_dir is set") for line in lines)
    assert any(line.startswith("warn  config.toml: shutdown_timeout is 30") for line in lines)


def test_tools_that_jobs_may_need(host: Host) -> None:
    """Each is tried, and what does not work is a warning that says what to install."""
    (host.bin / "tf").symlink_to("gitlab-runner")
    (host.bin / "broken").write_text("#!/bin/sh\necho some line\necho no such module >&2\nexit 3\n")
    (host.bin / "broken").chmod(0o755)
    host.world.config["tools"] = {"linter": ["no-linter"], "terraform": [str(host.bin / "tf")],
                                  "coverage": [str(host.bin / "broken")]}
    host.write()
    done = host.examine()
    lines = done.stdout.splitlines()
    assert "warn  tools.linter: there is no program 'no-linter' in PATH; if jobs are to need it, " \
        "install it (Debian's package 'pycodestyle'), or name another one as 'tools.linter' in the " \
        "host config" in lines, done.stdout
    assert f"ok    tools.terraform: '{host.bin}/tf' works" in lines
    assert any(line.startswith(f"warn  tools.coverage: '{host.bin}/broken' does not work: it ended "
                               "with 3 and no such module; ") for line in lines), done.stdout
    assert "ok    builder: 'buildah' builds images" in lines
    host.world.config["builder"] = [str(host.bin / "broken")]
    host.write()
    assert "warn  builder: the host config's 'builder' is " in host.examine().stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be another user")
def test_a_builder_is_tried_as_the_user_of_jobs(host: Host) -> None:
    names = make_users(1)
    try:
        (host.bin / "buildah").unlink()
        host.world.config["user"] = names
        host.write()
        before = set(Path("/tmp").glob("berth-doctor-*"))
        done = host.examine()
        assert f"ok    builder: 'buildah' builds images as user '{names[0]}'" in done.stdout, \
            done.stdout
        assert set(Path("/tmp").glob("berth-doctor-*")) <= before
        assert processes_of(names) == []
    finally:
        remove_users(names)


def test_scripts_that_run_as_root(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root is told")
    host.write()
    assert any("FAIL  user: the host config names no user for jobs" in line
               for line in failures(host.examine().stdout))


@pytest.mark.skipif(os.geteuid() != 0 or '"user"' not in SCHEMA.read_text(),
                    reason="only root may be another user")
@pytest.mark.parametrize("user, words", [
    ("no-such-user", "there is no user 'no-such-user'"),
    ("root", "user 'root' is root"),
    (["nobody", "no-such-user"], "there is no user 'no-such-user'"),
    (["nobody", "no-such-user"], "user 'nobody' is one of the system's own"),
])
def test_a_user_that_will_not_do(host: Host, user: str | list[str], words: str) -> None:
    host.world.config["user"] = user
    host.write()
    done = host.examine()
    assert any(words in line for line in failures(done.stdout)), done.stdout


def test_a_metadata_service_that_scripts_can_reach(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        host.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = \
            f"http://127.0.0.1:{service.getsockname()[1]}"
        host.write()
        done = host.examine()
    assert done.returncode == 1
    assert any(line.startswith("FAIL  metadata service:") for line in failures(done.stdout))


def test_a_clock_that_is_wrong(host: Host) -> None:
    class Late(BaseHTTPRequestHandler):
        """Ten minutes ahead of us."""

        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", formatdate(time.time() + 600, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Late)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        host.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
        host.write()
        done = host.examine()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert any(line.startswith("FAIL  clock: ") and "behind AWS's" in line
               for line in failures(done.stdout)), done.stdout


def test_json(host: Host) -> None:
    host.write()
    report = json.loads(host.examine("--json").stdout)
    assert report["schema"] == "berth-doctor/1"
    assert {"level": "ok", "subject": "runner 'berth'", "found": "hands its jobs to berth"} \
        in report["checks"]
    assert report["healthy"] == all(check["level"] != "fail" for check in report["checks"])


def test_a_file_that_cannot_be_read(host: Host) -> None:
    done = host.examine()
    assert done.returncode == 1
    assert "FAIL  config.toml: cannot open" in done.stdout
    assert "--runner-config FILE" in done.stdout
