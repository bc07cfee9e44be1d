# SPDX-License-Identifier: MIT
"""Grafana's users: made once, by secrets that nobody reads."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from grafanasite import (
    ADMIN_PASSWORD, LISTS, MAIN, NAME, PLAN, USER, add_user, by_lists, configure, roles, run,
)
from grafanasite import grafana, server, site  # noqa: F401
from world import PROJECT_ID, World

from grafana.server import Fault, Grafana

# --- what comes of it ---

def test_users_roles_and_folders(site: World, grafana: Grafana) -> None:
    done = run(site)
    state = grafana.state
    assert roles(grafana) == {"admin": "Admin", "operations": "Editor", "ada": "Viewer"}
    ada = state.find("ada")
    assert (ada.name, ada.email) == ("Ada Viewer", "ada@example.org")
    assert ada.password == "example-grafana_ada_password"
    assert {f.title for f in state.folders.values()} == {"main", "example-networks"}
    assert state.permissions("main") == MAIN
    assert state.permissions("example-networks") == MAIN | {("ada", 1)}
    assert f"Grafana at 'https://{NAME}/' is as the spec wants it: 2 users" in done.log
    # One list written whole for each folder.
    assert len([w for w in grafana.writes() if w.endswith("/permissions")]) == 2


def test_a_repeat_changes_nothing(site: World, grafana: Grafana) -> None:
    run(site)
    grafana.requests.clear()
    site.aws.record_clear()
    done = run(site)
    assert grafana.writes() == []
    assert "nothing to do" in done.log
    # Nobody is created, so nobody's password is read.
    read = [n for c in site.aws.calls(service="ssm") for n in c["input"]["Names"]]
    assert read == ["/mettel/GF_SECURITY_ADMIN_PASSWORD"]
    assert site.writes() == []


def test_the_lists_of_the_jobs_variables(site: World, grafana: Grafana) -> None:
    run(site, **by_lists(site))
    assert roles(grafana) == {"admin": "Admin", "ed": "Editor", "vi": "Viewer", "other": "Viewer"}
    state = grafana.state
    assert state.find("vi").name == "Vi Ewer" and state.find("ed").password == "ed's $secret"
    assert state.permissions("big-\u00e9cole-co") == MAIN | {("vi", 1)}
    assert state.permissions("titan-america") == MAIN | {("other", 1)}
    assert state.permissions("main") == MAIN
    grafana.requests.clear()
    run(site, **by_lists(site))
    assert grafana.writes() == []


def test_no_password_is_printed(site: World, grafana: Grafana) -> None:
    log = run(site).log + run(site, **by_lists(site)).log
    secrets = [ADMIN_PASSWORD, f"admin:{ADMIN_PASSWORD}", "example-grafana_ada_password",
               *LISTS["GRAFANA_USER_PASSWORD"].split(",")]
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""),
                     base64.b64encode(secret.encode()).decode()):
            assert form not in log


def test_the_script_is_told_where(site: World) -> None:
    done = run(site, script=["echo url=$BERTH_URL= changes=$BERTH_CHANGES="])
    assert f"url=https://{NAME}/= changes=7=" in done.log


def test_secrets_of_secrets_manager(site: World, grafana: Grafana) -> None:
    spec, manager = site.spec(), site.aws.client("secretsmanager")
    secrets = [spec["grafana"]["administrator"], *spec["grafana"]["users"]]
    for secret in secrets:
        secret["password"] = manager.describe_secret(SecretId=secret["password"])["ARN"]
    site.write_spec(spec)
    run(site)
    assert grafana.state.find("ada").password == "example-grafana_ada_password"


# --- what is there already ---

def test_an_existing_login_is_left_as_it_is(site: World, grafana: Grafana) -> None:
    grafana.state.add_user("Ada", "own password", "own@example.com", "Own", role="Viewer")
    run(site)
    ada = grafana.state.find("ada")
    assert (ada.name, ada.email, ada.password) == ("Own", "own@example.com", "own password")
    assert grafana.state.permissions("example-networks") == MAIN | {("Ada", 1)}


@pytest.mark.parametrize("status", [412, 409])
def test_a_login_outside_of_the_organization(site: World, grafana: Grafana, status: int) -> None:
    grafana.state.exists = status
    grafana.state.add_user("operations", "own password", "own@example.com")
    run(site)
    assert roles(grafana)["operations"] == "Editor"
    assert grafana.state.find("operations").password == "own password"


def test_new_users_are_put_into_the_organization(site: World, grafana: Grafana) -> None:
    grafana.state.auto_assign_org = False
    run(site)
    assert roles(grafana) == {"admin": "Admin", "operations": "Editor", "ada": "Viewer"}


def test_roles_are_corrected_but_an_admins(site: World, grafana: Grafana) -> None:
    grafana.state.add_user("operations", "a password", "o@example.com", role="Admin")
    grafana.state.add_user("ada", "a password", "a@example.com", role="Editor")
    run(site)
    assert roles(grafana) == {"admin": "Admin", "operations": "Admin", "ada": "Viewer"}


# --- plans ---

def test_a_plan_says_what_would_change(site: World, grafana: Grafana) -> None:
    grafana.state.add_user("ada", "a password", "a@example.com", role="Editor")
    log = run(site, PLAN).log
    assert grafana.writes() == []
    for line in ("would have created the user 'operations' (Operations, operations@example.com) "
                 "as Editor", "would have made the user 'ada' Viewer, who was Editor",
                 "would have created the folder 'main'",
                 "would have kept the folder 'example-networks' for Editors, to be seen by 'ada'"):
        assert line in log
    run(site)
    grafana.requests.clear()
    assert "0 changes" in run(site, "plan-grafana").log
    assert grafana.writes() == []


def test_a_plan_does_not_wait(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/health", times=99, status=503)]
    log = run(site, PLAN).log
    assert "is not there: the load balancer has no healthy Grafana behind it (503)" in log
    assert len(grafana.requests) == 1


# --- settings ---

@pytest.mark.parametrize("changes, said", [
    ({"GRAFANA_USER_ROLE": "editor,viewer"},
     "GRAFANA_USER_NAME 3, GRAFANA_USER_EMAIL 3, GRAFANA_USER_LOGIN 3, GRAFANA_USER_PASSWORD 3, "
     "GRAFANA_USER_ROLE 2, GRAFANA_USER_COMPANY 3"),
    ({"GRAFANA_ADMIN_USER": "a:b"}, "a login cannot hold a colon"),
    ({"GRAFANA_ADMIN_PASSWORD": ""}, "set the CI/CD variable GRAFANA_ADMIN_PASSWORD"),
    (dict.fromkeys((name for name in LISTS if "_USER_" in name), ""),
     "nothing says who Grafana's users are"),
])
def test_lists_that_cannot_be(site: World, grafana: Grafana, changes: dict[str, str],
                              said: str) -> None:
    assert said in run(site, code=USER, **by_lists(site, **changes)).log
    assert grafana.requests == [] and site.aws.calls() == []


def test_nobody_is_named(site: World, grafana: Grafana) -> None:
    configure(site, users=None)
    assert "nothing says who Grafana's users are" in run(site, code=USER).log
    configure(site, users=[], administrator=None)
    assert "set the CI/CD variable GRAFANA_ADMIN_USER" in run(site, code=USER).log
    assert grafana.requests == []


def test_limits(site: World, grafana: Grafana) -> None:
    configure(site, url="https://grafana.elsewhere.example/")
    site.config["projects"][str(PROJECT_ID)]["limits"] = {"ephemeral": {
        "zones": ["mettel-automation.net"], "secrets": ["/mettel/GRAFANA_*"]}}
    site.write_config()
    log = run(site, code=USER).log
    assert "grafana.administrator.password: this runner does not let" in log
    assert "sends no passwords to 'grafana.elsewhere.example'" in log
    assert "grafana.users[0]" not in log
    configure(site, url=f"https://{NAME}/")
    assert "sends no passwords" not in run(site, code=USER).log


def test_the_deploy_is_told_of_users_that_cannot_be(site: World) -> None:
    add_user(site, company="main")
    log = site.job("deploy-branches").log
    assert "grafana.users[2]: the folder of 'bob' would be 'main'" in log and site.writes() == []
