# SPDX-License-Identifier: MIT
"""Grafana's users: made once, by secrets that nobody reads, with folders of their own."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from aws.build import until
from runner import Result
from world import PROJECT_ID, World

from grafana.server import Fault, Grafana

JOB, PLAN = "grafana_user_creation_branches", "plan-grafana_user_creation_branches"
ADMIN_PASSWORD = "example-gf_security_admin_password"
NAME = "8527fec8.mettel-automation.net"
USER, SYSTEM = 1, 2
LISTS = {
    "GRAFANA_ADMIN_USER": "admin", "GRAFANA_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "GRAFANA_USER_NAME": "Ed Itor, Vi Ewer,Vi Other",
    "GRAFANA_USER_EMAIL": "ed@example.com,vi@example.com,other@example.com",
    "GRAFANA_USER_LOGIN": "ed,vi,other",
    "GRAFANA_USER_PASSWORD": "ed's $secret,vi/secret+1,\u00f6ther-secret",
    "GRAFANA_USER_ROLE": "editor,viewer,Viewer",
    "GRAFANA_USER_COMPANY": ",Big \u00c9cole Co|123|,Titan America",
}
MAIN = {("Editor", 2)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    with Grafana(tmp_path_factory.mktemp("grafana"), ADMIN_PASSWORD) as started:
        yield started


@pytest.fixture
def grafana(server: Grafana) -> Grafana:
    server.reset()
    return server


@pytest.fixture
def site(world: World, grafana: Grafana) -> World:
    """A world whose host trusts the Grafana of the tests, and reaches it by a proxy."""
    (world.directory / "grafana.pem").write_bytes(grafana.certificate.read_bytes())
    world.config["grafana"] = {"caFile": "grafana.pem"}
    world.write_config()
    world.proxy = grafana.proxy
    return world


def run(world: World, job: str = JOB, code: int = 0, **rest: Any) -> Result:
    environ = world.environ() | {"HTTPS_PROXY": world.proxy, "NO_PROXY": "127.0.0.1"}
    result = world.job(job, **{"environ": environ} | rest)
    assert result.exit_code == code, result.log
    return result


def configure(world: World, **members: Any) -> None:
    """Change the spec's grafana; None takes a member out."""
    spec = world.spec()
    spec["grafana"] = {k: v for k, v in (spec["grafana"] | members).items() if v is not None}
    world.write_spec(spec)


def add_user(world: World, **members: Any) -> None:
    spec = world.spec()
    spec["grafana"]["users"].append({
        "name": "Bob", "email": "bob@example.com", "login": "bob",
        "password": "/mettel/GRAFANA_ADA_PASSWORD", "role": "viewer", "company": "Bob's",
        } | members)
    world.write_spec(spec)


def by_lists(world: World, **changes: str) -> dict[str, Any]:
    configure(world, administrator=None, users=None)
    return {"variables": LISTS | changes}


def roles(grafana: Grafana) -> dict[str, str]:
    state = grafana.state
    return {state.users[n].login: role for n, role in state.members.items()}


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


def test_folders_are_found_and_their_permissions_set_whole(site: World, grafana: Grafana) -> None:
    state = grafana.state
    stranger = state.add_user("stranger", "a password", "s@example.com", role="Viewer")
    state.add_folder("main", "abc")
    state.add_folder("example-networks", items=[{"role": "Viewer", "permission": 1},
                                                {"userId": stranger.id, "permission": 4}])
    run(site)
    assert {f.title for f in state.folders.values()} == {"main", "example-networks"}
    assert state.folders["abc"].items is not None and state.permissions("main") == MAIN
    assert state.permissions("example-networks") == MAIN | {("ada", 1)}


def test_many_folders_and_users_are_read_by_the_page(site: World, grafana: Grafana) -> None:
    """Nine full pages and a last one; 10,000 folders are more than berth looks through."""
    state = grafana.state
    for i in range(9998):
        state.add_folder(f"team {i}")
    state.add_folder("main", "on-the-last-page")
    for i in range(5000):
        state.add_user(f"user-{i}", "a password", f"{i}@example.com", role="Viewer")
    ada = state.add_user("ada", "a password", "a@example.com", role="Viewer")
    log = run(site).log
    assert "of 9998 folders that berth has not made it has looked at 100" in log
    assert state.permissions("main") == MAIN and state.folders["on-the-last-page"].items
    assert state.permissions("example-networks") == MAIN | {("ada", 1)}
    assert state.find("ada") is ada and len(state.folders) == 10000
    asked = [r for r in grafana.requests if "/permissions" in str(r)]
    assert 100 <= len(asked) <= 110
    grafana.requests.clear()
    log = run(site, code=USER).log
    assert "Grafana has 10000 folders at its root, or more: berth reads no more of them" in log
    assert grafana.writes() == []


# --- who has moved ---

def move_ada(world: World, **members: Any) -> None:
    spec = world.spec()
    [ada] = [u for u in spec["grafana"]["users"] if u["login"] == "ada"]
    changed = {k: v for k, v in (ada | members).items() if v is not None}
    ada.clear()
    ada.update(changed)
    world.write_spec(spec)


def test_who_moves_leaves_the_old_companys_folder(site: World, grafana: Grafana) -> None:
    """Of which nobody else is left, in the spec; who is not in it keeps what he sees."""
    run(site)
    state = grafana.state
    stranger = state.add_user("stranger", "a password", "s@example.com", role="Viewer")
    items = state.folders["example-networks"].items
    assert items is not None
    items.append({"userId": stranger.id, "permission": 1})
    move_ada(site, company="Titan Am\u00e9rica")
    said = "closed the folder 'example-networks' to 'ada', whom the spec has elsewhere"
    assert f"would have {said}" in run(site, PLAN).log
    assert state.permissions("example-networks") == MAIN | {("ada", 1), ("stranger", 1)}
    assert said in run(site).log
    assert state.permissions("example-networks") == MAIN | {("stranger", 1)}
    assert state.permissions("titan-am\u00e9rica") == MAIN | {("ada", 1)}
    grafana.requests.clear()
    assert "nothing to do" in run(site).log and grafana.writes() == []
    move_ada(site, role="editor", company=None)  # also of a title that no uid can be
    run(site)
    assert state.permissions("titan-am\u00e9rica") == MAIN


def test_only_folders_as_berth_made_them_are_closed(site: World, grafana: Grafana) -> None:
    """What somebody has made or changed is his: it is said where berth knows of it."""
    run(site)
    state = grafana.state
    ada = state.find("ada")
    assert ada is not None
    view = {"userId": ada.id, "permission": 1}
    edit = {"role": "Editor", "permission": 2}
    state.add_folder("reports", items=[edit, view])  # with a uid of Grafana's
    state.add_folder("shared", items=[edit, view, {"role": "Viewer", "permission": 1}])
    state.add_folder("drafts", items=[edit])
    state.folders["example-networks"].items = [edit, view, {"role": "Viewer", "permission": 1}]
    move_ada(site, company="Titan")
    log = run(site).log
    assert "WARNING: the folder 'example-networks' can be seen by 'ada', whom the spec has " \
        "elsewhere: somebody has changed its permissions, so it is left as it is" in log
    assert "WARNING: the folder 'reports' can be seen by 'ada', whom the spec has elsewhere: " \
        "berth has not made it, so it is left as it is; see to it in Grafana" in log
    assert "the folder 'shared'" not in log and "the folder 'drafts'" not in log
    assert state.permissions("reports") == MAIN | {("ada", 1)}
    assert state.permissions("example-networks") == MAIN | {("ada", 1), ("Viewer", 1)}


def test_a_folder_that_cannot_be_closed(site: World, grafana: Grafana) -> None:
    run(site)
    move_ada(site, company="Titan")
    grafana.faults = [Fault("/api/folders/example-networks/permissions", "POST", status=400,
                            body='{"message": "no"}')]
    log = run(site, code=SYSTEM).log
    assert "the folder 'example-networks': Grafana answers 400: no" in log
    assert grafana.state.permissions("titan") == MAIN | {("ada", 1)}


def test_a_folder_of_others_that_cannot_be_read(site: World, grafana: Grafana) -> None:
    grafana.state.add_folder("reports", "theirs")
    grafana.faults = [Fault("/api/folders/theirs/permissions", "GET", status=400,
                            body='{"message": "no"}')]
    assert "WARNING: cannot tell who sees the folder 'reports', which berth has not made: Grafana " \
        "answers 400: no" in run(site).log
    assert grafana.state.permissions("main") == MAIN


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


# --- waiting ---

def test_it_is_waited_for(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/health", times=2, status=503, body="<html>503</html>"),
                      Fault("/api/health", drop=True)]
    grafana.state.healthy = False
    threading.Timer(2, setattr, (grafana.state, "healthy", True)).start()
    log = run(site).log
    assert "more: the load balancer has no healthy Grafana behind it (503)" in log
    assert "ada" in roles(grafana)


def test_the_wait_has_an_end(site: World, grafana: Grafana) -> None:
    configure(site, timeout=1)
    grafana.state.healthy = False
    log = run(site, code=USER).log
    assert f"Grafana at 'https://{NAME}/' is not there after 1 s" in log
    assert "(503)" in log and grafana.writes() == []


@pytest.mark.parametrize("case, said, code", [
    ("refused", "nobody takes the connection", SYSTEM),
    ("untrusted", "its certificate is not valid", SYSTEM),
])
def test_why_it_is_not_there(site: World, grafana: Grafana, case: str, said: str,
                             code: int) -> None:
    configure(site, timeout=1, url=grafana.url)
    if case == "untrusted":
        del site.config["grafana"]
        site.write_config()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        if case == "refused":
            configure(site, url=f"https://127.0.0.1:{unused.getsockname()[1]}")
        assert said in run(site, code=code).log
    assert grafana.writes() == []


def test_a_cancelled_wait_ends(site: World, grafana: Grafana) -> None:
    grafana.state.healthy = False
    environ = site.environ() | {"HTTPS_PROXY": site.proxy, "NO_PROXY": "127.0.0.1"}
    with site.start(JOB, environ=environ) as job:
        until(lambda: grafana.requests, 300)
        job.cancel("abort")
        result = job.wait(300)
    assert "cancelled while waiting for" in result.log
    assert grafana.writes() == []


def test_a_cancelled_job_goes_on_where_it_ended(site: World, grafana: Grafana) -> None:
    """A Grafana that does not answer is waited for no longer; what was done stays."""
    grafana.faults = [Fault("/api/folders*", "GET", delay=60)]
    environ = site.environ() | {"HTTPS_PROXY": site.proxy, "NO_PROXY": "127.0.0.1"}
    with site.start(JOB, environ=environ) as job:
        until(lambda: [r for r in grafana.requests if r.path.startswith("/api/folders")], 300)
        job.cancel("abort")
        result = job.wait(300)
    assert result.status == "canceled" and "cancelled while waiting for" in result.log, result.log
    assert "created the user 'ada'" in result.log
    assert "ada" in roles(grafana) and grafana.state.folders == {}
    grafana.requests.clear()
    run(site)
    assert all(w.startswith("POST /api/folders") for w in grafana.writes())
    assert grafana.state.permissions("example-networks") == MAIN | {("ada", 1)}


# --- failures ---

def test_a_wrong_administrator(site: World, grafana: Grafana) -> None:
    grafana.state.users[1].password = "another password"
    log = run(site, code=USER).log
    assert "does not know the administrator 'admin'" in log
    assert "grafana.administrator.password ('/mettel/GF_SECURITY_ADMIN_PASSWORD')" in log
    # Grafana locks a login after five wrong attempts.
    assert len(grafana.requests) == 2
    log = run(site, code=USER, **by_lists(site, GRAFANA_ADMIN_PASSWORD="no longer right")).log
    assert "the CI/CD variable GRAFANA_ADMIN_PASSWORD" in log


def test_an_administrator_of_too_little(site: World, grafana: Grafana) -> None:
    grafana.state.users[1].server_admin = False
    log = run(site, code=USER).log
    assert "does not let 'admin' do this (403" in log


def test_what_passes_is_tried_again(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/admin/users", times=2, status=502, body="<html>"),
                      Fault("/api/org/users", status=504),
                      Fault("/api/org/users/*", drop=True),
                      Fault("/api/folders", "POST", status=502, after=True),
                      Fault("/api/admin/users", "POST", status=502, after=True, times=1),
                      Fault("/api/folders/*", "POST", status=429)]
    run(site)
    assert roles(grafana) == {"admin": "Admin", "operations": "Editor", "ada": "Viewer"}
    assert grafana.state.permissions("example-networks") == MAIN | {("ada", 1)}
    assert len(grafana.state.folders) == 2


def test_what_does_not_pass_ends(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/org/users", times=99, status=502)]
    log = run(site, code=SYSTEM).log
    assert "502" in log and len(grafana.requests) < 20


def test_what_is_not_grafana(site: World, grafana: Grafana) -> None:
    html = {"Content-Type": "text/html"}
    grafana.faults = [Fault("/api/org/users", status=200, body="<html>sign in</html>",
                            headers=html)]
    assert "answers what is not JSON" in run(site, code=SYSTEM).log
    assert grafana.writes() == []


def test_redirects_are_not_followed(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/org/users", status=302,
                            headers={"Location": grafana.url + "elsewhere"})]
    log = run(site, code=USER).log
    assert "sends elsewhere (302" in log
    assert [r.path for r in grafana.requests] == ["/api/health", "/api/org/users"]


def test_one_user_stops_none_of_the_others(site: World, grafana: Grafana) -> None:
    add_user(site, login="bob", email="taken@example.com")
    add_user(site, login="eve", email="eve@example.com", password="/mettel/NO_SUCH")
    grafana.state.add_user("other", "a password", "taken@example.com", role="Viewer")
    log = run(site, code=USER).log
    assert "grafana.users[2]: the user 'bob': the e-mail 'taken@example.com' is that of the " \
           "login 'other'" in log
    assert "grafana.users[3].password: there is no parameter '/mettel/NO_SUCH' in us-east-1" in log
    assert "(of the user 'eve')" in log
    assert roles(grafana)["operations"] == "Editor"
    assert grafana.state.permissions("example-networks") == MAIN | {("ada", 1)}
    assert grafana.state.find("eve") is None


def test_what_failed_before_the_end_is_told_too(site: World, grafana: Grafana) -> None:
    """The folders cannot be read: that ends the job, but not what is known of the users."""
    add_user(site, login="bob", email="taken@example.com")
    grafana.state.add_user("other", "a password", "taken@example.com", role="Viewer")
    grafana.faults = [Fault("/api/folders*", "GET", times=99, status=403, body='{"message": "no"}')]
    log = run(site, code=USER).log
    assert "the e-mail 'taken@example.com' is that of the login 'other'" in log
    assert "does not let 'admin' do this (403: no)" in log.splitlines()[-2]


def test_one_folder_stops_none_of_the_others(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/folders/main/permissions", "POST", status=400,
                            body='{"message": "two\\nlines"}'), Fault("/api/health", delay=1)]
    log = run(site, code=SYSTEM).log
    assert "the folder 'main': Grafana answers 400: two lines" in log
    assert grafana.state.permissions("example-networks") == MAIN | {("ada", 1)}


def test_what_grafana_refuses(site: World, grafana: Grafana) -> None:
    lists = by_lists(site, GRAFANA_USER_PASSWORD="abc,vi-secret,other-secret")
    grafana.faults = [Fault("/api/admin/users", status=400,
                            body='{"message": "the password abc is too short"}')]
    log = run(site, code=USER, **lists).log
    assert "its reason is not shown: it holds a password" in log
    assert "vi" in roles(grafana)


# --- settings ---

@pytest.mark.parametrize("changes, said", [
    ({"GRAFANA_USER_ROLE": "editor,viewer"},
     "GRAFANA_USER_NAME 3, GRAFANA_USER_EMAIL 3, GRAFANA_USER_LOGIN 3, GRAFANA_USER_PASSWORD 3, "
     "GRAFANA_USER_ROLE 2, GRAFANA_USER_COMPANY 3"),
    ({"GRAFANA_ADMIN_USER": "a:b"}, "a login cannot hold a colon"),
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
