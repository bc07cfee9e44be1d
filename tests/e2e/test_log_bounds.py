# SPDX-License-Identifier: MIT
"""A job's log has room for its last line, whatever containers write: GitLab Runner takes 4 MiB
(output_limit in config.toml) and nothing behind them."""

from __future__ import annotations

import re

import boto3

from aws.identity import ACCESS_KEY, SECRET_KEY
from contract.trace import LIMIT
from test_verdict import last, section, sections
from world import ENVIRONMENT, World

NAMES = ("notifier", "t7-bridge", "sites-monitor")
ELSEWHERE = "eu-west-1"


def fail_with_long_logs(world: World) -> None:
    """Three services crash after sixty lines that are four times as long when they are shown; the
    log of one is in another region than the environment."""
    world.keep_services(*NAMES)
    spec = world.spec()
    spec["services"]["t7-bridge"]["taskDefinition"] = {"containerDefinitions": [{
        "name": "t7-bridge", "logConfiguration": {"options": {"awslogs-region": ELSEWHERE}}}]}
    world.write_spec(spec)
    elsewhere = boto3.client("logs", region_name=ELSEWHERE, endpoint_url=world.aws.url,
                             aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
    elsewhere.create_log_group(logGroupName=ENVIRONMENT)
    binary = "\x1b" * 15000
    lines = [f"line {n} {binary}" for n in range(60)] + ["the end of it"]
    world.aws.fault(service="ecs", fault="crash", code=3)
    world.aws.fault(service="ecs", fault="writes", message="\n".join(lines))


def test_long_logs_and_one_that_is_elsewhere(ready: World) -> None:
    fail_with_long_logs(ready)
    result = ready.job()
    assert result.exit_code == 1
    assert len(result.raw_log) < LIMIT / 8
    assert re.match(r"3 services failed; service '[a-z0-9-]+': its container '", last(result))
    logs = {title: lines for title, lines in sections(result).items() if "the last 50" in title}
    assert len(logs) == 2
    for lines in logs.values():
        assert re.match(r"\(\d\d lines before the following left out", lines[0])
        assert lines[-1] == "the end of it" and len(lines) > 10
        assert all(len(line) < 2100 for line in lines)
    # berth has no session there; whoever reads this may.
    [line] = section(result, "the log of container 't7-bridge'")
    assert re.fullmatch(
        rf"it is in region '{ELSEWHERE}', another than the environment's: aws logs get-log-events "
        rf"--region {ELSEWHERE} --log-group-name '\S+' --log-stream-name '\S+/t7-bridge/[0-9a-f]+'",
        line)
    assert len(ready.aws.calls(action="GetLogEvents")) == len(logs)
