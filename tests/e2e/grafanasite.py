# SPDX-License-Identifier: MIT
"""A Grafana of the tests' own behind an environment's name, for the tests of its users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runner import Result
from world import World

from grafana.server import Grafana

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
