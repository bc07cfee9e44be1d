# SPDX-License-Identifier: MIT
"""A Grafana that is not there, does not answer, or refuses."""

from __future__ import annotations

import socket
import threading

import pytest

from aws.build import until
from grafanasite import JOB, MAIN, NAME, SYSTEM, USER, add_user, by_lists, configure, roles, run
from grafanasite import grafana, server, site  # noqa: F401
from world import World

from grafana.server import Fault, Grafana

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


def test_it_goes_away_and_comes_back(site: World, grafana: Grafana) -> None:
    """Its task is replaced: the load balancer answers for it far longer than any other failure
    would be borne."""
    grafana.faults = [Fault("/api/admin/users", "POST", times=12, status=502, body="<html>"),
                      Fault("/api/folders*", "GET", times=8, status=503, body="<html>")]
    log = run(site).log
    assert f"waiting for Grafana at 'https://{NAME}/', " in log
    assert "more: Grafana answers 502: no reason given" in log
    assert roles(grafana) == {"admin": "Admin", "operations": "Editor", "ada": "Viewer"}
    assert grafana.state.permissions("example-networks") == MAIN | {("ada", 1)}


def test_it_goes_away_and_stays_away(site: World, grafana: Grafana) -> None:
    """Of which no second user has to learn."""
    configure(site, timeout=2)
    grafana.faults = [Fault("/api/admin/users", "POST", times=99, status=504, body="<html>")]
    log = run(site, code=USER).log
    assert f"Grafana at 'https://{NAME}/' is not there after 2 s; see that its service is " \
        "healthy: Grafana answers 504: no reason given" in log.splitlines()[-2]
    tried = [r.body["login"] for r in grafana.requests if r.path == "/api/admin/users"]
    assert len(tried) > 2 and set(tried) == {"operations"}


def test_a_plan_waits_for_nobody(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/org/users", times=99, status=502)]
    log = run(site, f"plan-{JOB}", code=SYSTEM).log
    assert "502" in log and "waiting for" not in log and len(grafana.requests) < 20


def test_who_asks_too_often_stops(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/admin/users", "POST", times=99, status=429,
                            headers={"Retry-After": "3600"})]
    log = run(site, code=SYSTEM).log
    assert "Grafana answers 429" in log and grafana.writes() == ["POST /api/admin/users"]


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


def test_what_grafana_refuses(site: World, grafana: Grafana) -> None:
    lists = by_lists(site, GRAFANA_USER_PASSWORD="abc,vi-secret,other-secret")
    grafana.faults = [Fault("/api/admin/users", status=400,
                            body='{"message": "the password abc is too short"}')]
    log = run(site, code=USER, **lists).log
    assert "its reason is not shown: it holds a password" in log
    assert "vi" in roles(grafana)


def test_an_answer_that_comes_late(site: World, grafana: Grafana) -> None:
    """It is waited for as long as one answer may take, a few times, and then nothing more is asked:
    what was done before stays done, and the next job goes on."""
    configure(site, timeout=1)
    grafana.faults = [Fault("/api/folders", "POST", times=99, delay=20)]
    log = run(site, code=SYSTEM).log
    said = (f"Grafana at 'https://{NAME}/' has not answered 'POST /api/folders' within 1 s, tried "
            "3 times: see its service's log, cpu and memory, and run the job again, which goes on "
            "where this one ended")
    assert said in log.splitlines()[-2] and "milliseconds" not in log
    assert grafana.writes().count("POST /api/folders") == 3  # of two folders
    assert "created the user 'ada'" in log and "ada" in roles(grafana)
    grafana.faults = []
    run(site)
    assert grafana.state.permissions("example-networks") == MAIN | {("ada", 1)}


def test_health_that_is_told_late(site: World, grafana: Grafana) -> None:
    configure(site, timeout=1)
    grafana.faults = [Fault("/api/health", times=99, delay=20)]
    log = run(site, code=USER).log
    assert f"Grafana at 'https://{NAME}/' is not there after 1 s; see that its service is " \
        "healthy: it has not answered within 1 s" in log.splitlines()[-2]
    assert grafana.writes() == []
