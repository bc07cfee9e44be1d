# SPDX-License-Identifier: MIT
"""Dashboards from files of the repository."""

from __future__ import annotations

import json

import pytest

from monitored import BODY, alarms, body, change
from monitored import small  # noqa: F401
from world import ENVIRONMENT, World


# --- dashboards from files ---

def put_file(world: World, name: str, text: str) -> None:
    path = world.project / ".berth" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_file_has_its_variables_replaced_as_json(small: World) -> None:
    """Whatever a value holds stays a text; `$${` is CloudWatch's own `${`."""
    put_file(small, "boards/log.json", """// a comment
        { "widgets": [{ "type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {
            "markdown": "${ENVIRONMENT}: ${ODD} $${MAX} ${cloudwatch.alarm/cpu.Arn} ${logs.Arn}" } }] }""")
    change(small, dashboards={"log": "boards/log.json"})
    odd = 'a "quoted" \\ line\nand another'
    small.deploy(variables={"ODD": odd})
    [widget] = body(small, "log")["widgets"]
    group = f"arn:aws:logs:us-east-1:123456789012:log-group:{ENVIRONMENT}"
    assert widget["properties"]["markdown"] == (
        f"{ENVIRONMENT}: {odd} ${{MAX}} {alarms(small)['cpu']['AlarmArn']} {group}")
    small.aws.record_clear()
    small.deploy(variables={"ODD": odd})
    assert small.writes() == []


@pytest.mark.parametrize("text,says", [
    ('{ "widgets": [\n { "type": "text", }\n] }', "'b.json': line 2, column 21: not valid JSON"),
    ('{ "widgets": [],\n "start": "${NOWHERE}" }', "'b.json', line 2: start: unknown variable"),
    ('{ "widget": [] }', "it has no list of 'widgets'"),
    (None, "'b.json'"),
])
def test_a_file_that_is_wrong_is_named(small: World, text: str | None, says: str) -> None:
    if text is not None:
        put_file(small, "b.json", text)
    change(small, dashboards={"log": "b.json"})
    small.aws.record_clear()
    refused = small.job()
    assert refused.exit_code == 1 and "dashboards.log" in refused.log and says in refused.log
    assert small.writes() == []


def test_a_file_outside_the_repository_is_not_read(small: World) -> None:
    (small.directory / "secret.json").write_text(json.dumps(BODY))
    change(small, dashboards={"log": "../../secret.json"})
    assert small.job().exit_code == 1
    (small.project / ".berth" / "link.json").symlink_to(small.directory / "secret.json")
    change(small, dashboards={"log": "link.json"})
    assert small.job().exit_code == 1


def test_what_cloudwatch_says_of_widgets_is_shown(small: World) -> None:
    odd = {"widgets": [*BODY["widgets"], BODY["widgets"][0] | {"type": "hologram"}]}
    change(small, dashboards={"log": odd})
    log = small.deploy().log
    assert f"WARNING: dashboards.log: CloudWatch says of dashboard 'log-{ENVIRONMENT}': " \
           "/widgets/1/type: " in log
    assert body(small, "log") == odd


def test_a_body_that_cloudwatch_refuses_is_the_users_error(small: World) -> None:
    metric = BODY["widgets"][0] | {"type": "metric"}
    change(small, dashboards={"log": {"widgets": [metric]}})
    refused = small.job()
    assert refused.exit_code == 1
    assert "/widgets/0/properties" in refused.log and "required property 'metrics'" in refused.log
