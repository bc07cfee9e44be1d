"""Saved states, further servers, and how the processes end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from .build import Builder
from .endpoint import Endpoint


def clusters(endpoint: Endpoint) -> list[str]:
    return [arn.rpartition("/")[2] for arn in endpoint.client("ecs").list_clusters()[
        "clusterArns"]]


def create(endpoint: Endpoint, name: str) -> None:
    endpoint.client("ecs").create_cluster(clusterName=name)


def test_a_saved_state_comes_back_whole(endpoint: Endpoint) -> None:
    build = Builder(endpoint, "first")
    build.running()
    endpoint.speed(0.001)
    before, record, now = endpoint.snapshot(), len(endpoint.record()), endpoint.now()
    endpoint.save()
    for name in ("second", "third"):
        assert clusters(endpoint) == ["first"]
        create(endpoint, name)
        build.ecs.update_service(cluster="first", service="E-web", desiredCount=3)
        endpoint.advance(90)
        assert build.described()["runningCount"] == 3
        endpoint.fault(fault="throttle")
        start = time.monotonic()
        endpoint.restore()
        assert time.monotonic() - start < 10
    assert endpoint.now() == pytest.approx(now, abs=1)
    assert len(endpoint.record()) >= record
    assert endpoint.snapshot() == before


def test_states_have_names_and_nest(endpoint: Endpoint) -> None:
    endpoint.save("empty")
    create(endpoint, "a")
    endpoint.save("one")
    create(endpoint, "b")
    endpoint.restore("one")
    assert clusters(endpoint) == ["a"]
    endpoint.restore("empty")
    assert clusters(endpoint) == []
    create(endpoint, "c")
    endpoint.save("empty")
    create(endpoint, "d")
    endpoint.restore("empty")
    assert clusters(endpoint) == ["c"]
    with pytest.raises(ValueError, match="no state has been saved"):
        endpoint.restore("never saved")
    assert clusters(endpoint) == ["c"]


def test_a_server_for_each_test(endpoint: Endpoint) -> None:
    create(endpoint, "shared")
    with endpoint.spawn() as one, endpoint.spawn() as two:
        create(one, "one")
        create(two, "two")
        one.save()
        create(one, "more")
        one.restore()
        assert [clusters(e) for e in (endpoint, one, two)] == [
            ["shared"], ["shared", "one"], ["shared", "two"]]
    with pytest.raises(OSError):
        one.now()
    assert clusters(endpoint) == ["shared"]


def children(pid: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(process.name), *children(int(process.name))]
    return found


@pytest.mark.parametrize("how,code", [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_all_processes_end_with_the_root(how: signal.Signals, code: int) -> None:
    server = Endpoint()
    server.start()
    server.save()
    other = server.spawn()
    assert server.process is not None and other.now()
    pids = children(server.process.pid)
    assert len(pids) == 3
    os.kill(server.process.pid, how)
    assert server.process.wait(10) == code
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.01)
    server.stop()
