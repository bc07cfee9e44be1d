# SPDX-License-Identifier: MIT
"""Each field of load balancer, Redis and DNS records, changed alone: what is planned, and
which calls are made.

The fields are those of the schema in config/: one that is added there needs a row here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import policed
from balanced import ipv6_give
from world import PROJECT_ID, ROOT, Endpoint, World
from zones import ZONE, zone_id

SCHEMA = json.loads((ROOT / "config" / "environment.schema.json").read_text())
KINDS = ("loadBalancer", "redis", "records")
Spec = dict[str, Any]
OWN, BENEATH = f"${{SUBDOMAIN}}.{ZONE}", f"8527fec8.{ZONE}"
TOKEN = "/mettel/REDIS_TOKEN"
VALKEY = {"engine": "valkey", "engineVersion": "8.0", "cacheNodeType": "cache.t4g.micro",
          "replicas": 1}


def resolve(schema: Any) -> Any:
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def fields(schema: Any, path: str) -> Iterator[str]:
    """The paths of all that is no object of named members; `*` stands for a name of the spec's."""
    schema = resolve(schema)
    members = {**schema.get("properties", {}),
               **{"*": one for one in schema.get("patternProperties", {}).values()}}
    inside = schema.get("anyOf", []) + ([schema["items"]] if "items" in schema else [])
    for name, member in members.items():
        yield from fields(member, f"{path}/{name}")
    for one in inside:
        yield from fields(one, path)
    if not members and not inside:
        yield path


def options(schema: Any) -> Iterator[Any]:
    schema = resolve(schema)
    yield schema
    for one in schema.get("anyOf", []) + ([schema["items"]] if "items" in schema else []):
        yield from options(one)


def pattern(path: str) -> str:
    """The path of a spec's member as `fields` has it."""
    at, found = SCHEMA, []
    for step in (step for step in path.split("/") if not step.startswith("#")):
        for one in options(at):
            named, others = one.get("properties", {}), one.get("patternProperties", {})
            if step in named or others:
                found.append(step if step in named else "*")
                at = named[step] if step in named else next(iter(others.values()))
                break
        else:
            raise KeyError(f"{path}: {step}")
    return "/".join(found)


def members(path: str, value: Any) -> Iterator[str]:
    """The paths of all that is in a value."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from members(f"{path}/{name}", member)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from members(path, value[0])
    else:
        yield path


def put(spec: Any, path: str, value: Any) -> None:
    *way, last = path.split("/")
    for step in way:
        spec = spec.setdefault(step, {})
    spec[last] = value


LB, TG = "alb.load_balancer/loadBalancer", "alb.target_group/mts-grafana"
L80, L81, L443 = "alb.listener/80", "alb.listener/81", "alb.listener/443"
RULE, CACHE = "alb.rule/443/api", "elasticache.cluster/redis"
CACHES, RECORDS = "elasticache.replication_group/redis", "route53.records/mettel-automation.net"

LISTENERS = "loadBalancer/listeners"
DEFAULT, GROUP = f"{LISTENERS}/443/defaultAction", "loadBalancer/targetGroups/mts-grafana"
CHECK, ACTION = f"{GROUP}/healthCheck", f"{LISTENERS}/443/rules/api/action"
# The field, its value, the plan, the calls that write; None: AWS would refuse it here.
ROWS: list[tuple[str, Any, dict[str, str], list[str] | None]] = [
    ("loadBalancer/scheme", "internal",
     {LB: "replace", L80: "replace", L443: "replace", L81: "replace", RULE: "replace",
      RECORDS: "update"},
     ["DeleteRule", "DeleteListener", "DeleteListener", "DeleteListener", "DeleteLoadBalancer",
      "CreateLoadBalancer", "CreateListener", "CreateListener", "CreateListener", "CreateRule",
      "route53.ChangeResourceRecordSets"]),
    ("loadBalancer/ipAddressType", "dualstack",
     {LB: "update"},
     ["SetIpAddressType"]),
    ("loadBalancer/subnets", "private",
     {LB: "update"},
     ["SetSubnets"]),
    ("loadBalancer/allow", [{"port": [80, 443], "from": ["198.51.100.0/25"]}],
     {"security_group/inbound": "update"},
     ["ec2.RevokeSecurityGroupIngress"]),
    ("loadBalancer/certificate", "shop.example.com",
     {L443: "update"},
     ["ModifyListener"]),
    ("loadBalancer/attributes", {"idle_timeout.timeout_seconds": 120},
     {LB: "update"},
     ["ModifyLoadBalancerAttributes"]),
    (f"{LISTENERS}/81/protocol", "HTTPS",
     {L81: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/443/certificate", "shop.example.com",
     {L443: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/443/certificates", ["shop.example.com"],
     {L443: "update"},
     ["AddListenerCertificates"]),
    (f"{LISTENERS}/443/sslPolicy", "ELBSecurityPolicy-TLS13-1-2-2021-06",
     {L443: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/443/defaultAction/forward", "frontend",
     {L443: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/443/defaultAction/forward", {"mts-grafana": 9, "frontend": 1},
     {L443: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/443/defaultAction/stickiness", 60,
     {L443: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/80/defaultAction/redirect/protocol", "HTTP",
     {L80: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/80/defaultAction/redirect/port", 8443,
     {L80: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/80/defaultAction/redirect/host", "www.example.com",
     {L80: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/80/defaultAction/redirect/path", "/new",
     {L80: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/80/defaultAction/redirect/query", "a=b",
     {L80: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/80/defaultAction/redirect/statusCode", "HTTP_302",
     {L80: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/81/defaultAction/fixedResponse/statusCode", "410",
     {L81: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/81/defaultAction/fixedResponse/contentType", "text/html",
     {L81: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/81/defaultAction/fixedResponse/messageBody", "gone",
     {L81: "update"},
     ["ModifyListener"]),
    (f"{LISTENERS}/443/rules/api/priority", 20,
     {RULE: "update"},
     ["SetRulePriorities"]),
    (f"{LISTENERS}/443/rules/api/host", "api.example.com",
     {RULE: "update"},
     ["ModifyRule"]),
    (f"{LISTENERS}/443/rules/api/path", ["/v1/*", "/v2/*"],
     {RULE: "update"},
     ["ModifyRule"]),
    (f"{LISTENERS}/443/rules/api/method", "GET",
     {RULE: "update"},
     ["ModifyRule"]),
    (f"{LISTENERS}/443/rules/api/sourceIp", "198.51.100.0/25",
     {RULE: "update"},
     ["ModifyRule"]),
    (f"{LISTENERS}/443/rules/api/header", {"X-Beta": "yes"},
     {RULE: "update"},
     ["ModifyRule"]),
    (f"{ACTION}/forward", "frontend",
     {RULE: "update"},
     ["ModifyRule"]),
    (ACTION, {"forward": {"mts-grafana": 1, "frontend": 1}, "stickiness": 60},
     {RULE: "update"},
     ["ModifyRule"]),
    (ACTION, {"redirect": {"protocol": "HTTPS", "port": 443, "host": "www.example.com",
                           "path": "/new", "query": "a=b", "statusCode": "HTTP_301"}},
     {RULE: "update"},
     ["ModifyRule"]),
    (ACTION, {"fixedResponse": {"statusCode": "410", "contentType": "text/html",
                                "messageBody": "gone"}},
     {RULE: "update"},
     ["ModifyRule"]),
    (f"{GROUP}/protocol", "HTTPS",
     {TG: "replace", L443: "update", RULE: "update"},
     ["CreateTargetGroup", "ModifyListener", "ModifyRule", "DeleteTargetGroup"]),
    (f"{GROUP}/port", 3001,
     {TG: "replace", L443: "update", RULE: "update"},
     ["CreateTargetGroup", "ModifyListener", "ModifyRule", "DeleteTargetGroup"]),
    (f"{GROUP}/protocolVersion", "HTTP2",
     {TG: "replace", L443: "update", RULE: "update"},
     ["CreateTargetGroup", "ModifyListener", "ModifyRule", "DeleteTargetGroup"]),
    (f"{CHECK}/protocol", "HTTPS",
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{CHECK}/port", 3001,
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{CHECK}/path", "/",
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{CHECK}/interval", 10,
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{CHECK}/timeout", 7,
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{CHECK}/healthyThreshold", 3,
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{CHECK}/unhealthyThreshold", 3,
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{CHECK}/matcher", "200-299",
     {TG: "update"},
     ["ModifyTargetGroup"]),
    (f"{GROUP}/attributes", {"deregistration_delay.timeout_seconds": 5},
     {TG: "update"},
     ["ModifyTargetGroupAttributes"]),
    ("redis", VALKEY,
     {CACHES: "create", CACHE: "remove"},
     ["elasticache.CreateReplicationGroup", "elasticache.DeleteCacheCluster"]),
    ("redis/engineVersion", "5.0.6",
     {CACHE: "update"},
     ["elasticache.ModifyCacheCluster"]),
    ("redis/engineVersion", "5.0.3",
     {CACHE: "replace"},
     ["elasticache.DeleteCacheCluster", "elasticache.CreateCacheCluster"]),
    ("redis/cacheNodeType", "cache.m5.large",
     {CACHE: "update"},
     ["elasticache.ModifyCacheCluster"]),
    ("redis/cacheParameterGroupName", "mine",
     {CACHE: "update"},
     ["elasticache.ModifyCacheCluster"]),
    ("redis/port", 6380,
     {CACHE: "replace", "security_group/redis-sg": "update"},
     ["ec2.AuthorizeSecurityGroupIngress", "ec2.RevokeSecurityGroupIngress",
      "elasticache.DeleteCacheCluster", "elasticache.CreateCacheCluster"]),
    ("redis/autoMinorVersionUpgrade", False,
     {CACHES: "update"},
     ["elasticache.ModifyReplicationGroup"]),
    ("redis/preferredMaintenanceWindow", "mon:01:00-mon:02:00",
     {CACHE: "update"},
     ["elasticache.ModifyCacheCluster"]),
    ("redis/snapshotRetentionLimit", 3,
     {CACHE: "update"},
     ["elasticache.ModifyCacheCluster"]),
    ("redis/snapshotWindow", "07:00-08:00",
     {CACHE: "update"},
     ["elasticache.ModifyCacheCluster"]),
    ("redis/replicas", 2,
     {CACHES: "update"},
     ["elasticache.IncreaseReplicaCount"]),
    ("redis/automaticFailoverEnabled", True,
     {CACHES: "update"},
     ["elasticache.ModifyReplicationGroup"]),
    ("redis/multiAZEnabled", True,
     {CACHES: "update"},
     ["elasticache.ModifyReplicationGroup"]),
    ("redis/transitEncryptionEnabled", True,
     {CACHES: "replace"},
     ["elasticache.DeleteReplicationGroup", "elasticache.CreateReplicationGroup"]),
    ("redis/atRestEncryptionEnabled", False,
     {CACHES: "replace"},
     ["elasticache.DeleteReplicationGroup", "elasticache.CreateReplicationGroup"]),
    ("redis/authToken", TOKEN,
     {CACHES: "replace"},
     ["elasticache.DeleteReplicationGroup", "elasticache.CreateReplicationGroup"]),
    ("records/web/name", f"www.{OWN}",
     {RECORDS: "update"},
     ["route53.ChangeResourceRecordSets"]),
    ("records/web", {"name": f"${{SUBDOMAIN}}.{BENEATH}", "zone": BENEATH, "type": "A",
                     "values": ["192.0.2.1"]},
     {RECORDS: "update", "route53.records/8527fec8.mettel-automation.net": "create"},
     ["route53.ChangeResourceRecordSets", "route53.ChangeResourceRecordSets"]),
    ("records/web/private", True,
     {RECORDS: "update", "route53.records/mettel-automation.net (private)": "create"},
     ["route53.ChangeResourceRecordSets", "route53.ChangeResourceRecordSets"]),
    # Of all records of the zone at once; of some alone it is refused, see test_route53.py.
    ("records/web/zoneId", zone_id,
     {},
     []),
    ("records/web/type", "TXT",
     {RECORDS: "update"},
     ["route53.ChangeResourceRecordSets"]),
    ("records/web/values", ["192.0.2.3"],
     {RECORDS: "update"},
     ["route53.ChangeResourceRecordSets"]),
    ("records/web/ttl", 60,
     {RECORDS: "update"},
     ["route53.ChangeResourceRecordSets"]),
    ("records/environment/evaluateTargetHealth", False,
     {RECORDS: "update"},
     ["route53.ChangeResourceRecordSets"]),
    ("records/web", {"name": f"web.{OWN}", "alias": "loadBalancer"},
     {RECORDS: "update"},
     ["route53.ChangeResourceRecordSets"]),
    ("records/environment/alias", {"DNSName": "x.cloudfront.net", "HostedZoneId": "Z2FDTNDATAQYW2"},
     {RECORDS: "update"},
     None),
]


def environment(world: World) -> None:
    """No services, but all that rows change."""
    world.keep_services()
    spec = world.spec()
    spec["loadBalancer"]["listeners"]["81"] = {"defaultAction": {"fixedResponse": {}}}
    spec["loadBalancer"]["listeners"]["443"]["rules"] = {
        "api": {"priority": 10, "action": {"forward": "mts-grafana"}, "path": "/api/*"}}
    spec["records"]["web"] = {"name": f"web.{OWN}", "type": "A", "values": ["192.0.2.1"]}
    world.write_spec(spec)
    world.config["projects"][str(PROJECT_ID)]["limits"] = {
        "ephemeral": {"allowReplace": ["alb", "elasticache"]}}
    world.write_config()


def surroundings(world: World) -> None:
    """What rows name, and others have made."""
    client = world.aws.client
    for name, also in ((f"*.{ZONE}", f"*.{BENEATH}"), ("shop.example.com", BENEATH)):
        client("acm").request_certificate(DomainName=name, SubjectAlternativeNames=[also])
    world.aws.advance(130)
    client("elasticache").create_cache_parameter_group(
        CacheParameterGroupName="mine", CacheParameterGroupFamily="redis5.0", Description="x")
    client("ssm").put_parameter(Name=TOKEN, Value="A-token-of-redis-1", Type="SecureString")
    client("route53").create_hosted_zone(Name=BENEATH, CallerReference="beneath")
    [vpc] = client("ec2").describe_vpcs(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-vpc-dev"]}])["Vpcs"]
    ipv6_give(client("ec2"), vpc["VpcId"])
    client("route53").create_hosted_zone(
        Name=ZONE, CallerReference="private", HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc["VpcId"]})


def planned(world: World) -> dict[str, str]:
    return {r["address"]: r["action"] for r in world.berth_json("plan")["resources"]
            if r["action"] != "none"}


Accounts = Callable[[bool], Endpoint]


@pytest.fixture(scope="module")
def accounts(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory
             ) -> Iterator[Accounts]:
    """The environment, deployed, in an account of its own: with a cluster or a group."""
    made: dict[bool, Endpoint] = {}

    def account(replicated: bool) -> Endpoint:
        if replicated not in made:
            with policed.shared():
                endpoint.restore(prepared)
                made[replicated] = endpoint.spawn()
                world = World(made[replicated], tmp_path_factory.mktemp("start"))
                surroundings(world)
                environment(world)
                if replicated:
                    world.write_spec({**world.spec(), "redis": VALKEY})
                world.berth_json("apply")
                made[replicated].save("start")
        made[replicated].restore("start")
        return made[replicated]
    yield account
    for one in made.values():
        one.stop()


REPLICATED = {f"redis/{name}" for name in (
    "replicas", "automaticFailoverEnabled", "multiAZEnabled", "transitEncryptionEnabled",
    "atRestEncryptionEnabled", "authToken", "autoMinorVersionUpgrade")}
# What a field cannot be changed without.
WITH = {"redis/multiAZEnabled": ("redis/automaticFailoverEnabled", True),
        "redis/authToken": ("redis/transitEncryptionEnabled", True),
        "records/web/zoneId": ("records/environment/zoneId", zone_id),
        "records/web/type": ("records/web/values", ['"x"'])}
ALL = os.environ.get("BERTH_KILL") == "all"
ALONE = {"loadBalancer/ipAddressType"}  # fields whose calls no other test makes


def test_every_field_has_a_row() -> None:
    known = {name for kind in KINDS for name in fields(SCHEMA["properties"][kind], kind)}
    tested = {pattern(one) for path, value, *_ in ROWS for one in members(path, value)}
    assert tested == known


def changed(accounts: Accounts, tmp_path: Any, path: str, value: Any) -> World:
    replicated = path in REPLICATED
    world = World(accounts(replicated), tmp_path)
    environment(world)
    spec = world.spec()
    if replicated:
        spec["redis"] = dict(VALKEY)
    for where, what in ((path, value), *([WITH[path]] if path in WITH else [])):
        put(spec, where, what(world) if callable(what) else what)
    world.write_spec(spec)
    world.aws.record_clear()
    return world


@pytest.mark.parametrize("row", range(len(ROWS)), ids=[row[0] for row in ROWS])
def test_a_field_is_changed(accounts: Accounts, tmp_path: Any, row: int) -> None:
    """The plan of each; carried out for some of them, with BERTH_KILL=all for each."""
    path, value, plan, calls = ROWS[row]
    world = changed(accounts, tmp_path, path, value)
    assert planned(world) == plan
    if calls is None or not (ALL or row % 8 == 0 or path in ALONE):
        return
    world.berth_json("apply")
    found = [w.removeprefix("elasticloadbalancing.") for w in world.writes()]
    assert sorted(found) == sorted(calls)
    assert planned(world) == {}
