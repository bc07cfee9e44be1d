# SPDX-License-Identifier: MIT
"""Secrets come out nowhere, whatever fails: the hard cases.

Every test of this directory has canaries (canary.py); here they are made to come by where a secret
could get out: AWS's own words, a service's environment, debug lines, temporary files, a crash.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

import canary
from canary import CANARY, VALUE, VARIABLE
from executorhost import Host
from runner import Variable
from waiting import wait_for_call
from world import BRANCH, BUILD, ENVIRONMENT, PROJECT_ID, World

ROLE_ARN = "arn:aws:iam::123456789012:role/berth-deploy"


def every_way(secret: str) -> str:
    """What an error of AWS's could hold of what it was sent, and what a proxy may make of it."""
    plain = secret.encode()
    return " ".join([
        f"Value '{secret}' at 'containerDefinitions.1.member.environment' failed to satisfy",
        json.dumps(secret), json.dumps(json.dumps({"value": secret})), quote(secret, safe=""),
        quote_plus(secret), quote(quote(secret, safe=""), safe=""), html.escape(secret),
        f"https://user:{quote(secret, safe='')}@example.com/", plain.hex(), plain.hex().upper(),
        *[base64.b64encode(b"-" * n + plain + b"-").decode() for n in range(3)],
        *[base64.urlsafe_b64encode(b"-" * n + plain + b"-").decode() for n in range(3)],
        base64.b64encode(base64.b64encode(plain)).decode(), base64.b32encode(plain).decode(),
        base64.b64encode(f"echo {secret}".encode("utf-16-le")).decode(), plain.hex(" "),
        plain.hex(":").upper(), ", ".join(f"0x{byte:02x}" for byte in plain), str(list(plain)),
        base64.encodebytes(plain * 5).decode(), secret[:9] + "\n      " + secret[9:]])


def spoken(world: World, service: str, action: str, message: str) -> None:
    world.aws.clear_faults()
    world.aws.fault(service=service, action=action, fault="error", code="InvalidParameterException",
                    message=message, status=400)


def files_with_canaries(directory: Path) -> list[str]:
    found = []
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            found += [str(path.relative_to(directory)) for form in canary.WATCH.forms if form in data]
    return found


def test_what_aws_says_of_a_masked_variable(ready: World) -> None:
    """As a role's session, with debug lines, a masked variable in a service's environment."""
    world = ready.unpoliced()
    world.keep_services("notifier")
    spec = world.spec()
    spec["services"]["notifier"].setdefault("environment", {})["OPEN"] = "${%s}" % VARIABLE
    world.write_spec(spec)
    world.config["projects"][str(PROJECT_ID)]["ephemeral"]["roleArn"] = ROLE_ARN
    world.write_config()
    tmp = world.directory / "tmp"
    tmp.mkdir()
    debug = {"environ": world.environ() | {"BERTH_DEBUG": "1", "TMPDIR": str(tmp)}}
    plan = world.job("plan", **debug)
    assert plan.exit_code == 0 and f"'${{{VARIABLE}}}'" in plan.log, plan.log
    assert "debug: " in plan.log
    spoken(world, "ecs", "RegisterTaskDefinition", every_way(VALUE))
    failed = world.job(**debug)
    assert failed.exit_code == 2
    told = [line for line in failed.log.splitlines() if "Value '[MASKED]' at" in line]
    assert told and all(line.count("[MASKED]") >= 22 for line in told), failed.log
    world.aws.clear_faults()
    service = {"match": {"serviceName": f"{ENVIRONMENT}-notifier"}}
    line = re.sub(r"\n *", "", every_way(VALUE))  # each of the log's lines stands alone
    world.aws.record_clear()
    parted = f"half of it is {VALUE[:20]}\n{VALUE[20:]} in the next event"
    world.aws.fault(fault="writes", message=f"the environment: {line}\n{parted}", **service)
    world.aws.fault(fault="crash", code=1, **service)
    crashed = world.job(**debug)
    assert crashed.exit_code == 1
    assert re.search(r"the environment: Value '\[MASKED\]'(.*\[MASKED\]){19}", crashed.log), \
        crashed.log
    assert "half of it is [MASKED] in the next event" in crashed.log
    world.aws.clear_faults()
    world.deploy(**debug)
    sent = {c["action"] for c in world.aws.record() if CANARY in json.dumps(c["input"])}
    assert sent == {"RegisterTaskDefinition"}
    [definition] = world.definition("notifier")["containerDefinitions"]
    assert {"name": "OPEN", "value": VALUE} in definition["environment"]
    assert files_with_canaries(tmp) == []
    assert files_with_canaries(world.directory / "locks") == []


@pytest.mark.parametrize("before", [112, 124, 136])
def test_where_a_line_of_the_plan_is_cut(ready: World, before: int) -> None:
    """The line of a value ends within the secret that the value holds."""
    world = ready.unpoliced()
    world.keep_services("notifier")
    world.deploy()
    spec = world.spec()
    spec["services"]["notifier"]["taskDefinition"] = {"containerDefinitions": [
        {"name": "notifier", "command": ["sh", "-c", "y" * before + "${%s}" % VARIABLE]}]}
    world.write_spec(spec)
    said = Variable("CI_COMMIT_SHA", "z" * (before - 50) + VALUE, raw=True)
    plan = world.job("plan", variables=[said])
    [line] = [line for line in plan.log.splitlines() if "yyyy" in line]
    [warning] = [line for line in plan.log.splitlines() if "CI_COMMIT_SHA" in line]
    assert "y[MASKED]" in line and "z[MASKED]" in warning, line + warning
    assert "kAnAry" not in line + warning


def test_a_token_in_what_sts_says(world: World) -> None:
    """The token that stands for the host, which AWS might repeat."""
    header = base64.urlsafe_b64encode(b'{"alg":"RS256"}').decode().rstrip("=")
    token = f"{header}.{CANARY}e30.{CANARY}c2ln-_x"
    file = world.directory / "token"
    file.write_text(token + "\n")
    world.aws.fault(service="sts", action="AssumeRoleWithWebIdentity", fault="error", status=400,
                    code="InvalidIdentityToken", message=f"no such token: {every_way(token)}")
    environ = {k: v for k, v in world.environ().items() if not k.startswith("AWS_ACCESS")}
    done = subprocess.run(
        [BUILD / "bin" / "berth", "plan", "--json", f"--ref={BRANCH}", *world.given_variables()],
        env=environ | {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": ROLE_ARN},
        cwd=world.project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    told = json.loads(done.stdout)["message"]
    assert "no such token" in told and told.count("[MASKED]") >= 22
    assert "no such token" in done.stderr


def abort_during_a_call(world: World, command: list[Any]) -> int:
    """The status that the process ends with, which a crash has ended while it held credentials."""
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    process = subprocess.Popen(command, env=world.environ(), cwd=world.project,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE,
                                                                     (limit[1], limit[1])))
    wait_for_call(world, "DescribeClusters")
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stdout is not None
    canary.WATCH.look(process.stdout.read(), "what it said")
    process.stdout.close()
    return status


def test_a_crash_leaves_no_core(ready: World) -> None:
    world = ready.unpoliced()
    world.keep_services("notifier")
    world.aws.fault(service="ecs", action="DescribeClusters", fault="slow", seconds=5)
    status = abort_during_a_call(world, [BUILD / "bin" / "berth", "plan", f"--ref={BRANCH}",
                                         *world.given_variables()])
    assert os.WTERMSIG(status) == signal.SIGABRT and not os.WCOREDUMP(status)
    assert not list(world.project.glob("core*"))


@pytest.mark.parametrize("leak", [
    'printf "%s\\n" "$CUSTOM_ENV_CANARY_MASKED"',
    'printf "the value is %s" "$CUSTOM_ENV_CANARY_MASKED" | base64 -w 20',
    'printf "%s" "$CUSTOM_ENV_CANARY_MASKED" | od -An -v -tx1',
    'printf "%s" "$CUSTOM_ENV_CANARY_MASKED" | base64 | base64',
    'printf "%s" "$CUSTOM_ENV_CANARY_MASKED" | base32',
    'printf "%s" "$CUSTOM_ENV_CANARY_MASKED" | iconv -t UTF-16LE',
    'printf "%s" "$CUSTOM_ENV_CANARY_MASKED" | iconv -t UTF-16LE | base64 -w 0',
    'printf "%s" "$CUSTOM_ENV_CANARY_MASKED" | sed "s/[a-z]/&\\x1b[31m/g"',
    'printf "BERTH_X=%s\\n" "$CUSTOM_ENV_CANARY_MASKED" > "$CUSTOM_ENV_CI_PROJECT_DIR/berth.env"',
])
def test_a_program_that_leaks_is_found(tmp_path: Path, leak: str) -> None:
    """The watch itself, by a `drive` that prints what it must not."""
    host = Host(tmp_path)
    host.put_drive(f'[ "$1" = run ] || exit 0\n{leak}\n')
    host.play("deploy-branches")
    assert canary.WATCH.take()


@pytest.mark.parametrize("form", sorted(canary.forms(VALUE), key=len), ids=range(len(
    canary.forms(VALUE))))
def test_the_watch_knows_a_form(form: bytes) -> None:
    watch = canary.Watch([CANARY])
    watch.look(b"a " + form + b" b", "a text")
    assert watch.take(), form
