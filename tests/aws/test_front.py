"""The front: wire format, faults, record, clock, kills, parallel connections, the process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ConnectionClosedError, EndpointConnectionError

from .build import Builder, arn_of, code_of, error_of, signed
from .endpoint import ACCESS_KEY, SECRET_KEY, Endpoint

ECS = "AmazonEC2ContainerServiceV20141113."
JSON = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": ECS + "ListClusters"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def wire(endpoint: Endpoint) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=10)
    yield connection
    connection.close()


def ask_raw(wire: http.client.HTTPConnection, headers: dict[str, str], body: str,
            service: str = "ecs") -> tuple[int, str, bytes]:
    """Send a request, signed for a service ("": not at all), and give what comes back."""
    if service:
        headers = signed(f"{wire.host}:{wire.port}", service, headers, body)
    wire.request("POST", "/", body, headers)
    answer = wire.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read()


def ask(wire: http.client.HTTPConnection, headers: dict[str, str], body: str = "{}",
        service: str = "ecs") -> tuple[int, str, str]:
    status, kind, content = ask_raw(wire, headers, body, service)
    return status, kind, content.decode()


def test_one_connection_carries_many_calls(wire: http.client.HTTPConnection,
                                           endpoint: Endpoint) -> None:
    for _ in range(3):
        status, kind, body = ask(wire, JSON)
        assert (status, kind, json.loads(body)) == (
            200, "application/x-amz-json-1.1", {"clusterArns": []})
    assert len({call["connection"] for call in endpoint.record()}) == 1


WRONG = [  # signed for, headers, body, status, what the answer holds
    ("ecs", {**JSON, "X-Amz-Target": ECS + "Nothing"}, "{}", 400, "UnknownOperationException"),
    ("ecs", {**JSON, "X-Amz-Target": "Whatever.ListClusters"}, "{}", 400,
     "UnknownOperationException"),
    ("ecs", JSON, "{", 400, "SerializationException"),
    ("ec2", FORM, "Action=Nothing&Version=2016-11-15", 400,
     "<Response><Errors><Error><Code>InvalidAction</Code>"),
    ("iam", FORM, "Action=Nothing&Version=2010-05-08", 400, "<Code>InvalidAction</Code>"),
    ("iam", FORM, "Action=ListRoles&Version=1999-01-01", 400, "<Code>InvalidAction</Code>"),
    ("elasticloadbalancing", FORM,
     "Action=ModifyIpPools&Version=2015-12-01&LoadBalancerArn=x", 400, "<Code>"),
]


@pytest.mark.parametrize("service,headers,body,status,holds", WRONG)
def test_refused_in_the_services_own_format(wire: http.client.HTTPConnection, service: str,
                                            headers: dict[str, str], body: str, status: int,
                                            holds: str) -> None:
    got = ask(wire, headers, body, service)
    assert got[0] == status and holds in got[2] and "html" not in got[1]


def test_action_that_nobody_knows_is_no_html(endpoint: Endpoint) -> None:
    ecs, sd = endpoint.client("ecs"), endpoint.client("servicediscovery")
    assert code_of(lambda: ecs.list_account_settings()) == "UnknownOperationException"
    assert code_of(lambda: sd.get_service_attributes(
        ServiceId="srv-1")) == "UnknownOperationException"


THROTTLES = [("ecs", "list_clusters", "ThrottlingException", 400),
             ("ec2", "describe_vpcs", "RequestLimitExceeded", 503),
             ("iam", "list_roles", "Throttling", 400),
             ("logs", "describe_log_groups", "ThrottlingException", 400),
             ("servicediscovery", "list_namespaces", "ThrottlingException", 400),
             ("ecr", "describe_repositories", "ThrottlingException", 400),
             ("route53", "list_hosted_zones", "Throttling", 400)]


@pytest.mark.parametrize("service,action,code,status", THROTTLES)
def test_throttled_in_the_services_own_way(endpoint: Endpoint, service: str,
                                           action: str, code: str, status: int) -> None:
    endpoint.fault(fault="throttle", service=service, times=1)
    call = getattr(endpoint.client(service), action)
    assert error_of(call)[::2] == (code, status)
    assert code_of(call) == ""


def create(endpoint: Endpoint, name: str) -> Any:
    return endpoint.client("ecs").create_cluster(clusterName=name)


def clusters(endpoint: Endpoint) -> list[str]:
    return [arn.rpartition("/")[2] for arn in endpoint.client("ecs").list_clusters()[
        "clusterArns"]]


@pytest.mark.parametrize("fault,done", [("reset", False), ("lost", True), ("truncated", True)])
def test_answers_that_do_not_arrive(endpoint: Endpoint, fault: str, done: bool,
                                    ) -> None:
    endpoint.fault(fault=fault, action="CreateCluster", nth=2)
    create(endpoint, "first")
    with pytest.raises(BotoCoreError):
        create(endpoint, "second")
    create(endpoint, "third")
    assert ("second" in clusters(endpoint)) == done
    struck = [c["fault"] for c in endpoint.calls(action="CreateCluster")]
    assert struck == [None, fault, None]


def test_an_empty_answer_is_cut_short_too(endpoint: Endpoint) -> None:
    """An action without output answers nothing at all: half of that would be all of it."""
    endpoint.fault(fault="truncated", action="CreateLogGroup")
    logs = endpoint.client("logs")
    with pytest.raises(BotoCoreError):
        logs.create_log_group(logGroupName="E")
    assert [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]] == ["E"]


def test_faults_from_a_file(tmp_path: Path) -> None:
    rules = tmp_path / "faults.json"
    rules.write_text(json.dumps([{"fault": "throttle", "service": "ecs", "to": 2}]))
    server = Endpoint(speed="instant", seed=False)
    server.arguments += ["--faults", str(rules)]
    with server:
        codes = [code_of(server.client("ecs").list_clusters) for _ in range(3)]
    assert codes == ["ThrottlingException", "ThrottlingException", ""]


def test_expect_100_is_answered(endpoint: Endpoint) -> None:
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        headers = signed(f"{host}:{port}", "ecs", JSON, "{}")
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(["POST / HTTP/1.1", "Expect: 100-continue",
                            "Content-Length: 2", *lines, "", ""])
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_garbage(endpoint: Endpoint, wire: http.client.HTTPConnection) -> None:
    endpoint.fault(fault="garbage", times=1)
    body = json.dumps({"clusterName": "E"})
    target = ECS + "CreateCluster"
    got = ask_raw(wire, {**JSON, "X-Amz-Target": target}, body)
    assert got[0] == 200 and not got[2].startswith((b"{", b"<"))
    assert clusters(endpoint) == ["E"]


def test_faults_choose_their_calls(endpoint: Endpoint) -> None:
    endpoint.fault(fault="error", code="ClientException", message="Too many concurrent attempts",
                   action="CreateCluster", match={"clusterName": "b"})
    assert code_of(lambda: create(endpoint, "a")) == ""
    assert error_of(lambda: create(endpoint, "b"))[:2] == (
        "ClientException", "Too many concurrent attempts")
    endpoint.clear_faults()
    assert code_of(lambda: create(endpoint, "b")) == ""
    endpoint.fault(fault="http", status=503, action="ListClusters", from_=2, to=3)
    got = [error_of(lambda: endpoint.client("ecs").list_clusters())[2] for _ in range(4)]
    assert got == [200, 503, 503, 200]
    endpoint.clear_faults()
    endpoint.fault(fault="throttle", probability=0.5, seed=7)
    first = [code_of(lambda: clusters(endpoint)) for _ in range(12)]
    assert 0 < sum(map(bool, first)) < 12
    endpoint.clear_faults()
    endpoint.fault(fault="slow", seconds=0.2, times=1)
    start = time.monotonic()
    clusters(endpoint)
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("again", [False, True])
def test_connections_are_refused_for_a_while(endpoint: Endpoint, again: bool) -> None:
    create(endpoint, "E")
    endpoint.fault(fault="refused", seconds=2, times=1)
    with pytest.raises(ConnectionClosedError):
        clusters(endpoint)
    start = time.monotonic()
    with pytest.raises(EndpointConnectionError):
        clusters(endpoint)
    while time.monotonic() - start < 30:
        with contextlib.suppress(EndpointConnectionError):
            clusters(endpoint)
            break
        time.sleep(0.02)
    assert clusters(endpoint) == ["E"] and 0.2 < time.monotonic() - start


def test_refused_again_while_none_is_accepted(endpoint: Endpoint) -> None:
    """By a call that was under way: what comes afterwards is as good as ever."""
    create(endpoint, "E")
    clients = [endpoint.client_as("ecs", ACCESS_KEY, SECRET_KEY) for _ in range(2)]
    endpoint.control("POST", "latency", {"seconds": 1.0})
    endpoint.fault(fault="refused", seconds=0.1, times=2)
    callers = [threading.Thread(target=end_awaited, args=(one,)) for one in clients]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    endpoint.clear_faults()
    endpoint.control("POST", "latency", {"seconds": 0})
    assert clusters(endpoint) == ["E"]


def end_awaited(ecs: Any) -> None:
    """Of a call's connection, before there is an answer."""
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        ecs.list_clusters()


def test_wrong_rules_are_refused(endpoint: Endpoint) -> None:
    for rule, text in (
            ({"fault": "nonsense"}, "unknown fault 'nonsense'"),
            ({"fault": "lost", "acton": "x"}, "unknown member of a fault: acton"),
            ({"fault": "lost", "service": "elbv2"}, "no service signs as 'elbv2' here"),
            ({"fault": "lost", "service": "ecs", "action": "CreateServcie"},
             "no action 'CreateServcie' of ecs"),
            ({"fault": "lost", "service": "ecs", "action": "CreateRole"},
             "no action 'CreateRole' of ecs"),
            ({"fault": "newborn", "action": "CreateServcie"}, "no action 'CreateServcie'")):
        with pytest.raises(ValueError, match=text):
            endpoint.control("POST", "faults", rule)


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_at_a_call(endpoint: Endpoint, when: str) -> None:
    """A process group that makes call after call dies at its second."""
    script = ("import boto3\necs = boto3.client('ecs')\n"
              "for name in 'abc': ecs.create_cluster(clusterName=name)\n")
    child = subprocess.Popen([sys.executable, "-c", "input()\n" + script],
                             stdin=subprocess.PIPE, env=endpoint.environ(),
                             start_new_session=True)
    endpoint.kill_at(2, when, child.pid)
    child.communicate(b"\n", timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert clusters(endpoint) == (["a"] if when == "before" else ["a", "b"])


def test_a_process_group_is_told_to_end_during_a_call(endpoint: Endpoint) -> None:
    """It hears of it while it waits for the answer, which it gets."""
    script = ("import boto3, signal, sys\nheard = []\n"
              "signal.signal(signal.SIGTERM, lambda *_: heard.append(len(made)))\nmade = []\n"
              "ecs = boto3.client('ecs')\n"
              "for name in 'abc': made.append(ecs.create_cluster(clusterName=name))\n"
              "sys.exit(0 if heard == [1] else 1)\n")
    child = subprocess.Popen([sys.executable, "-c", "input()\n" + script],
                             stdin=subprocess.PIPE, env=endpoint.environ(),
                             start_new_session=True)
    endpoint.kill_at(2, "during", child.pid)
    child.communicate(b"\n", timeout=60)
    assert child.returncode == 0 and clusters(endpoint) == ["a", "b", "c"]


def test_record_says_what_was_called(endpoint: Endpoint) -> None:
    create(endpoint, "E")
    code_of(lambda: endpoint.client("ec2").describe_vpcs(VpcIds=["vpc-0"]))
    first, second = endpoint.record()
    assert (first["n"], first["service"], first["action"], first["write"]) == (
        1, "ecs", "CreateCluster", True)
    assert first["input"] == {"clusterName": "E"} and first["status"] == 200
    assert first["principal"].startswith("arn:aws:iam::") and first["bytes_in"] > 0
    assert 0 <= first["end"] - first["start"] < 5000
    assert (second["write"], second["status"], second["code"]) == (
        False, 400, "InvalidVpcID.NotFound")
    assert endpoint.calls(writes=True) == [first]
    endpoint.record_clear()
    assert endpoint.record() == []


def test_reset_makes_the_same_world_again(endpoint: Endpoint) -> None:
    def seen() -> tuple[Any, ...]:
        build = Builder(endpoint)
        create(endpoint, "E")
        zones = endpoint.client("route53").list_hosted_zones()["HostedZones"]
        certificates = endpoint.client("acm").list_certificates(
            CertificateStatuses=["ISSUED"])["CertificateSummaryList"]
        value = endpoint.client("ssm").get_parameter(Name="/mettel/SLACK_URL")["Parameter"]
        return (build.vpc, build.subnets, build.group(), [z["Name"] for z in zones],
                [c["DomainName"] for c in certificates], bool(value["Value"]))
    first = seen()
    endpoint.reset()
    assert clusters(endpoint) == []
    assert seen() == first
    assert first[3:] == (["mettel-automation.net."], ["*.mettel-automation.net"], True)
    assert len(first[1]) == 2


def test_snapshots_compare_worlds(endpoint: Endpoint) -> None:
    def make(order: int) -> dict[str, Any]:
        build = Builder(endpoint)
        groups = [build.group(name) for name in ("a", "b")[::order]][::order]
        build.ec2.authorize_security_group_ingress(GroupId=groups[0], IpPermissions=[
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": groups[1]}]}])
        discovery = build.discovery(build.namespace())
        if order < 0:
            build.definition()
        build.running(groups=[groups[0]], serviceRegistries=[{"registryArn": discovery["Arn"]}])
        return endpoint.snapshot()
    first = make(1)
    endpoint.reset()
    second = make(-1)
    assert first == second and len(first["services"]) == 1
    endpoint.client("ecs").tag_resource(resourceArn=arn_of("service", "E/E-web"),
                                        tags=[{"key": "a", "value": "b"}])
    assert endpoint.snapshot() != second


def test_sixteen_connections_at_once(endpoint: Endpoint) -> None:
    codes: list[str] = []
    ec2 = endpoint.client_as("ec2", ACCESS_KEY, SECRET_KEY, max_pool_connections=16)
    vpc = ec2.describe_vpcs()["Vpcs"][-1]["VpcId"]

    def work(number: int) -> None:
        for i in range(5):
            name = "same" if i == 0 else f"g-{number}-{i}"
            codes.append(code_of(lambda: ec2.create_security_group(
                GroupName=name, Description="d", VpcId=vpc)))
            ec2.describe_security_groups()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(codes) == [""] * 65 + ["InvalidGroup.Duplicate"] * 15
    assert len({call["connection"] for call in endpoint.record()}) > 8
    numbers = [call["n"] for call in endpoint.record()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_simple_reads_are_quick(endpoint: Endpoint,
                                wire: http.client.HTTPConnection) -> None:
    ask(wire, JSON)
    endpoint.record_clear()
    for _ in range(50):
        ask(wire, JSON)
    # The quickest: what else the machine does can only add to it.
    assert min(c["end"] - c["start"] for c in endpoint.record()) < 3.0


def test_the_process_starts_empty_instantly_and_ends_on_sigterm() -> None:
    server = Endpoint(speed="instant", seed=False, latency_ms=50)
    server.start()
    try:
        assert server.client("route53").list_hosted_zones()["HostedZones"] == []
        ec2 = server.client("ec2")
        assert all("Tags" not in v or not v["Tags"] for v in ec2.describe_vpcs()["Vpcs"])
        sd = server.client("servicediscovery")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        operation = sd.create_private_dns_namespace(Name="x.local", Vpc=vpc)["OperationId"]
        assert sd.get_operation(OperationId=operation)["Operation"]["Status"] == "SUCCESS"
        # Milliseconds since 1970 in a double are exact to some 0.0002: a call that took 50 may say 49.9998.
        assert all(c["end"] - c["start"] > 49.999 for c in server.record())
        assert server.process is not None
        pid = server.process.pid
    finally:
        assert server.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
