# SPDX-License-Identifier: MIT
"""The end of a failed container's log, where the container writes to another region than the
environment's: awslogs-region,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
"""

from __future__ import annotations

import re
from typing import Any

import boto3

from aws.identity import ACCESS_KEY, SECRET_KEY
from test_verdict import fails, sections
from world import World

USER = 1
ELSEWHERE = "eu-west-1"
READ, DENIED, AWAY = "t7-bridge", "notifier", "sites-monitor"
WRITTEN = "what it has written"


def logs_there(world: World) -> Any:
    return boto3.client("logs", region_name=ELSEWHERE, endpoint_url=world.aws.url,
                        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)


def group_of(name: str) -> str:
    return f"far/{name}"


def write_elsewhere(world: World) -> None:
    """Have each of three services write to a group of its own in the other region, and crash."""
    world.keep_services(READ, DENIED, AWAY)
    spec = world.spec()
    for name in (READ, DENIED, AWAY):
        spec["services"][name]["taskDefinition"] = {"containerDefinitions": [{
            "name": name, "logConfiguration": {"options": {
                "awslogs-region": ELSEWHERE, "awslogs-group": group_of(name),
                "awslogs-stream-prefix": "of"}}}]}
        logs_there(world).create_log_group(logGroupName=group_of(name))
    world.write_spec(spec)
    world.aws.fault(service="ecs", fault="crash", code=3)
    world.aws.fault(service="ecs", fault="writes", message=f"first\n{WRITTEN}")


def refuse_two(world: World) -> None:
    """One group may not be read, and who answers for the other one never does."""
    world.aws.fault(service="logs", action="GetLogEvents", match={"logGroupName": group_of(DENIED)},
                    fault="error", status=400, code="AccessDeniedException", message="not today")
    world.aws.fault(service="logs", action="GetLogEvents", match={"logGroupName": group_of(AWAY)},
                    fault="reset")


def stream_in(world: World, name: str, title: str) -> str:
    """The stream that boto3 finds in the other region for the task that a section is about."""
    [task] = re.findall(r"\(task ([0-9a-f]+)\)", title)
    names = {stream["logStreamName"] for stream in logs_there(world).describe_log_streams(
        logGroupName=group_of(name))["logStreams"]}
    stream = f"of/{name}/{task}"
    assert stream in names
    return stream


def test_logs_in_another_region(ready: World) -> None:
    write_elsewhere(ready)
    refuse_two(ready)
    result = fails(ready, USER, r"3 services failed; service '\S+': its container '\S+' exits with "
                   r"3, again and again \(\d+ tasks\)(; see the end of its log)?")
    found = {name: (title, lines) for title, lines in sections(result).items()
             for name in (READ, DENIED, AWAY) if f" of container '{name}' (task " in title}
    title, lines = found[READ]
    assert title.startswith("the last 2 lines of ") and title.endswith(f" in region '{ELSEWHERE}'")
    assert lines == ["first", WRITTEN]
    for name, why in ((DENIED, r"not today \(AccessDeniedException, request \S+\)"),
                      (AWAY, r"after \d tries: .+")):
        title, [unread, command] = found[name]
        assert re.fullmatch(
            rf"cannot read its log in region '{ELSEWHERE}': logs:GetLogEvents: {why}", unread)
        assert command == (
            f"to read it yourself: aws logs get-log-events --region '{ELSEWHERE}' "
            f"--log-group-name '{group_of(name)}' "
            f"--log-stream-name '{stream_in(ready, name, title)}'")
    # Nothing else is lost by it.
    assert sum(title.startswith("events of service ") for title in sections(result)) == 3
