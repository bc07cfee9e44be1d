# SPDX-License-Identifier: MIT
"""Who sees which folder of Grafana: companies their own, and who moves no longer the old one."""

from __future__ import annotations

from typing import Any

from grafanasite import MAIN, PLAN, SYSTEM, USER, add_user, run
from grafanasite import grafana, server, site  # noqa: F401
from world import World

from grafana.server import Fault, Grafana

# --- what is there already ---

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


# --- failures ---

def test_one_folder_stops_none_of_the_others(site: World, grafana: Grafana) -> None:
    grafana.faults = [Fault("/api/folders/main/permissions", "POST", status=400,
                            body='{"message": "two\\nlines"}'), Fault("/api/health", delay=1)]
    log = run(site, code=SYSTEM).log
    assert "the folder 'main': Grafana answers 400: two lines" in log
    assert grafana.state.permissions("example-networks") == MAIN | {("ada", 1)}
