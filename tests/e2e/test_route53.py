# SPDX-License-Identifier: MIT
"""DNS records: batches of one, owners' records, what is foreign, what goes, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from world import BRANCH, ENVIRONMENT, PROJECT_ID, World
from zones import ZONE, zone_id

OWN = f"8527fec8.{ZONE}"
OWNER = (f'"heritage=berth,Environment={ENVIRONMENT},berth:project={PROJECT_ID},'
         f'berth:ref={BRANCH},berth:name=%s"')
RECORDS: dict[str, Any] = {
    "web": {"name": "${SUBDOMAIN}." + ZONE, "type": "A", "values": ["192.0.2.2", "192.0.2.1"]},
    "all": {"name": "*.${SUBDOMAIN}." + ZONE, "type": "CNAME", "ttl": 60,
            "values": ["${SUBDOMAIN}." + ZONE]},
    "mail": {"name": "mail-${SUBDOMAIN}." + ZONE, "type": "MX", "values": ["10 mx.example.com"]},
    "text": {"name": "${SUBDOMAIN}." + ZONE, "type": "TXT", "values": ['say "hi" ' + "x" * 300]},
    "six": {"name": "${SUBDOMAIN}." + ZONE, "type": "AAAA", "values": ["2001:db8::1"]},
}


@pytest.fixture
def small(ready: World) -> World:
    """No services, and records of every sort."""
    ready.keep_services()
    write(ready, RECORDS)
    return ready


def write(world: World, records: dict[str, Any], **rest: Any) -> None:
    world.write_spec({**world.spec(), "records": records, **rest})


def limit(world: World, **limits: Any) -> None:
    world.config["projects"][str(PROJECT_ID)]["limits"] = {"ephemeral": limits}
    world.write_config()


def listed(world: World, zone: str | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """What boto3 finds in the zone, by name (as people write it) and type."""
    pages = world.aws.client("route53").get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone or zone_id(world))
    return {(r["Name"].replace("\\052", "*").rstrip("."), r["Type"]): r for p in pages
            for r in p["ResourceRecordSets"] if r["Type"] not in ("NS", "SOA")}


def values(record: dict[str, Any]) -> list[str]:
    return sorted(v["Value"] for v in record["ResourceRecords"])


def put(world: World, name: str, kind: str = "A", *given: str, action: str = "UPSERT",
        zone: str | None = None, **rest: Any) -> None:
    """By somebody else's hand."""
    world.aws.client("route53").change_resource_record_sets(
        HostedZoneId=zone or zone_id(world), ChangeBatch={"Changes": [{
            "Action": action, "ResourceRecordSet": {
                "Name": name, "Type": kind, "TTL": 300,
                "ResourceRecords": [{"Value": v} for v in given or ("198.51.100.7",)], **rest}}]})


def batches(world: World) -> list[list[tuple[str, str, str]]]:
    """The batches that berth has sent: action, name and type of each change."""
    return [[(c["Action"], c["ResourceRecordSet"]["Name"], c["ResourceRecordSet"]["Type"])
             for c in call["input"]["ChangeBatch"]["Changes"]]
            for call in world.aws.calls("route53", "ChangeResourceRecordSets")]


def test_records_come_with_their_owners_in_one_batch(small: World) -> None:
    small.deploy()
    assert len(batches(small)) == 1
    found = listed(small)
    owners = {"web": f"_berth-a.{OWN}", "all": f"_berth-cname.*.{OWN}", "text": f"_berth-txt.{OWN}",
              "mail": f"_berth-mx.mail-8527fec8._zone.{OWN}", "six": f"_berth-aaaa.{OWN}"}
    for label, name in owners.items():
        assert values(found.pop((name, "TXT"))) == [OWNER % label]
    assert values(found[OWN, "A"]) == ["192.0.2.1", "192.0.2.2"] and found[OWN, "A"]["TTL"] == 300
    assert found[f"*.{OWN}", "CNAME"]["TTL"] == 60
    assert values(found[f"mail-{OWN}", "MX"]) == ["10 mx.example.com"]
    [text] = values(found[OWN, "TXT"])
    assert text.replace('" "', "") == '"say \\"hi\\" ' + "x" * 300 + '"'
    assert len(found) == 5


def test_an_unchanged_zone_costs_three_reads(small: World) -> None:
    """The zone, what lies beneath the environment's name, and the one name beside it; a zone of
    hundreds of records does not make it more."""
    zone = zone_id(small)
    for batch in range(2):
        small.aws.client("route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{
                "Action": "CREATE", "ResourceRecordSet": {
                    "Name": f"{batch}{i:03x}.{ZONE}", "Type": "A", "TTL": 1,
                    "ResourceRecords": [{"Value": "192.0.2.9"}]}} for i in range(400)]})
    small.deploy()
    small.aws.record_clear()
    result = small.deploy()
    assert "nothing to do" in result.log.lower() and small.writes() == []
    assert [r for r in small.reads() if r.startswith("route53")] == [
        "route53.ListHostedZonesByName"] + 2 * ["route53.ListResourceRecordSets"]


# Each on top of those before it; None removes.
CHANGES: list[tuple[str, dict[str, Any] | None, list[tuple[str, str, str]]]] = [
    ("web", {"ttl": 60}, [("UPSERT", OWN, "A")]),
    ("web", {"values": ["192.0.2.3"]}, [("UPSERT", OWN, "A")]),
    ("all", {"ttl": None}, [("UPSERT", f"*.{OWN}", "CNAME")]),  # back to the default
    ("all", {"type": "A", "values": ["192.0.2.5"]},
     [("DELETE", f"\\052.{OWN}.", "CNAME"), ("DELETE", f"_berth-cname.\\052.{OWN}.", "TXT"),
      ("CREATE", f"*.{OWN}", "A"), ("CREATE", f"_berth-a.*.{OWN}", "TXT")]),
    ("six", {"name": "v6.${SUBDOMAIN}." + ZONE},
     [("DELETE", f"{OWN}.", "AAAA"), ("DELETE", f"_berth-aaaa.{OWN}.", "TXT"),
      ("CREATE", f"v6.{OWN}", "AAAA"), ("CREATE", f"_berth-aaaa.v6.{OWN}", "TXT")]),
    ("mail", None, [("DELETE", f"mail-{OWN}.", "MX"),
                    ("DELETE", f"_berth-mx.mail-8527fec8._zone.{OWN}.", "TXT")]),
]


def test_each_change_is_one_batch(small: World) -> None:
    small.deploy()
    records = dict(RECORDS)
    for label, change, expected in CHANGES:
        merged = records[label] | change if change else None
        records = {k: v for k, v in (records | {label: merged}).items() if v}
        records[label] = {k: v for k, v in merged.items() if v} if merged else {}
        records = {k: v for k, v in records.items() if v}
        write(small, records)
        small.aws.record_clear()
        small.deploy()
        assert batches(small) == [expected]
        assert [w for w in small.writes() if not w.startswith("route53")] in (
            [], ["ecs.TagResource"])
    planned = small.berth_json("plan")["resources"]
    assert [r["address"] for r in planned if r["action"] != "none"] == []


@pytest.mark.parametrize("hand", ["values", "deleted", "owner"])
def test_what_is_changed_by_hand_is_put_back(small: World, hand: str) -> None:
    small.deploy()
    wanted = listed(small)
    if hand == "values":
        put(small, OWN)
    elif hand == "deleted":
        put(small, OWN, "A", "192.0.2.1", "192.0.2.2", action="DELETE")
    else:
        put(small, f"_berth-a.{OWN}", "TXT", (OWNER % "web")[:-4] + 'me"')
    assert listed(small) != wanted
    small.deploy()
    assert listed(small) == wanted


def test_records_go_when_the_spec_has_none(small: World) -> None:
    """With the zone in the limits, which say where to look; other people's records stay."""
    limit(small, zones=[ZONE])
    put(small, f"other.{OWN}")
    small.deploy()
    write(small, {})
    small.aws.record_clear()
    small.deploy()
    assert len(batches(small)) == 1
    assert set(listed(small)) == {(f"other.{OWN}", "A")}


def private_zone(world: World, name: str = ZONE) -> str:
    """A private hosted zone of that name; its id."""
    [vpc] = world.aws.client("ec2").describe_vpcs(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-vpc-dev"]}])["Vpcs"]
    made = world.aws.client("route53").create_hosted_zone(
        Name=name, CallerReference=f"private-{name}", HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc["VpcId"]})
    return str(made["HostedZone"]["Id"].rpartition("/")[2])


def test_records_go_from_a_private_zone_too(small: World) -> None:
    """Of a zone in the limits, public and private are looked into: one more read, no more."""
    limit(small, zones=[ZONE])
    private = private_zone(small)
    write(small, {"web": {**RECORDS["web"], "private": True}, "six": RECORDS["six"]})
    small.deploy()
    assert set(listed(small, private)) == {(OWN, "A"), (f"_berth-a.{OWN}", "TXT")}
    put(small, f"other.{OWN}", zone=private)
    write(small, {})
    small.aws.record_clear()
    small.deploy()
    assert set(listed(small, private)) == {(f"other.{OWN}", "A")}
    assert listed(small) == {}
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []
    assert [r for r in small.reads() if r.startswith("route53")] == [
        "route53.ListHostedZonesByName"] + 2 * ["route53.ListResourceRecordSets"]


def test_records_go_from_a_zone_that_was_named_by_its_id(small: World) -> None:
    """Where several have its name, and the limits list it."""
    limit(small, zones=[ZONE])
    route53 = small.aws.client("route53")
    twin = route53.create_hosted_zone(Name=ZONE, CallerReference="twin")["HostedZone"]["Id"]
    bare = twin.rpartition("/")[2]
    write(small, {"web": {**RECORDS["web"], "zoneId": bare}})
    small.deploy()
    assert set(listed(small, bare)) == {(OWN, "A"), (f"_berth-a.{OWN}", "TXT")}
    write(small, {})
    small.deploy()
    assert listed(small, bare) == {}


def many(n: int, **rest: Any) -> dict[str, Any]:
    return {f"n{i}": {"name": f"n{i}." + "${SUBDOMAIN}." + ZONE, "type": "A",
                      "values": ["192.0.2.1"], **rest} for i in range(n)}


def test_what_one_batch_does_not_hold_comes_in_several(small: World) -> None:
    """More than Route 53 takes at once (the endpoint refuses it): in as few batches as need be,
    also where the answer of one is lost, or the run ends between two."""
    write(small, many(300))
    small.aws.fault(service="route53", action="ChangeResourceRecordSets", fault="lost", nth=2)
    small.deploy()
    found = listed(small)
    assert len(found) == 600
    for batch in batches(small):
        names = {name for action, name, kind in batch if kind == "A"}
        assert {f"_berth-a.{name}" for name in names} == {n for _, n, k in batch if k == "TXT"}
    small.aws.clear_faults()
    small.aws.record_clear()
    write(small, many(300, ttl=60))
    small.deploy()
    assert [len(batch) for batch in batches(small)] == [300]
    write(small, many(300, type="CNAME", values=["x.example.com"]))
    small.aws.fault(service="route53", action="ChangeResourceRecordSets", fault="error", nth=2,
                    code="AccessDenied", message="no", status=403)
    result = small.job()
    assert result.exit_code != 0 and "batch 2 of 3" in result.log
    small.aws.clear_faults()
    small.deploy()
    kinds = [kind for name, kind in listed(small) if not name.startswith("_berth-")]
    assert kinds == 300 * ["CNAME"] and len(listed(small)) == 600
    planned = small.berth_json("plan")["resources"]
    assert [r["address"] for r in planned if r["action"] != "none"] == []


def test_addresses_are_compared_as_such(small: World) -> None:
    """However somebody writes the same one; what is another one is changed."""
    write(small, {"six": {**RECORDS["six"], "values": ["2001:0db8:0::1", "2001:db8::2"]}})
    small.deploy()
    write(small, {"six": {**RECORDS["six"], "values": ["2001:DB8::2", "2001:db8::1"]}})
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []
    write(small, {"six": {**RECORDS["six"], "values": ["2001:DB8::2", "2001:db8::1"], "ttl": 60}})
    small.deploy()
    assert values(listed(small)[OWN, "AAAA"]) == ["2001:0db8:0::1", "2001:db8::2"]
    planned = small.berth_json("plan")["resources"]
    assert [r["address"] for r in planned if r["action"] != "none"] == []
    write(small, {"six": {**RECORDS["six"], "values": ["2001:db8::3"]}})
    small.deploy()
    assert values(listed(small)[OWN, "AAAA"]) == ["2001:db8::3"]


FOREIGN: dict[str, tuple[str, str, str]] = {
    "the same record": (OWN, "A", "198.51.100.7"),
    "a cname": (OWN, "CNAME", "x.example.com"),
    "beside a cname": (f"*.{OWN}", "TXT", '"x"'),
    "outside": (f"mail-{OWN}", "MX", "5 mx.example.org"),
    "another's owner": (f"_berth-a.{OWN}", "TXT", '"heritage=berth,Environment=other,'
                        'berth:project=5,berth:ref=x,berth:name=web"'),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_foreign_is_named_and_left_alone(small: World, case: str) -> None:
    name, kind, value = FOREIGN[case]
    put(small, name, kind, value)
    before = listed(small)
    small.aws.record_clear()
    result = small.job()
    assert result.exit_code == 1 and small.writes() == []
    claimed = case == "another's owner"
    assert f"DNS record '{f'{OWN} A' if claimed else f'{name} {kind}'}'" in result.log
    assert ("Environment=other" if claimed else "without our TXT record '_berth-") in result.log
    assert listed(small) == before


def test_what_others_have_at_the_name_stays(small: World) -> None:
    """Records of other types are not in the way, and not ours when ours go."""
    limit(small, zones=[ZONE])
    put(small, OWN, "CAA", '0 issue "ca.example.com"')
    small.deploy()
    write(small, {})
    small.deploy()
    assert set(listed(small)) == {(OWN, "CAA")}


@pytest.mark.parametrize("fault", ["lost", "truncated"])
def test_an_answer_that_is_lost_is_not_a_conflict(small: World, fault: str) -> None:
    small.aws.fault(service="route53", action="ChangeResourceRecordSets", fault=fault, times=1)
    small.deploy()
    found = listed(small)
    assert len(found) == 10
    small.aws.clear_faults()
    write(small, {k: v for k, v in RECORDS.items() if k != "six"})
    small.aws.fault(service="route53", action="ChangeResourceRecordSets", fault=fault, times=1)
    small.deploy()
    assert set(found) - set(listed(small)) == {(OWN, "AAAA"), (f"_berth-aaaa.{OWN}", "TXT")}


def test_a_busy_zone_and_a_throttled_account_are_waited_for(small: World) -> None:
    small.aws.fault(service="route53", action="ChangeResourceRecordSets", fault="error", times=2,
                    code="PriorRequestNotComplete", message="Please retry.", status=400)
    small.aws.fault(service="route53", action="ListResourceRecordSets", fault="throttle", times=1)
    small.deploy()
    small.aws.expect("route53", "ChangeResourceRecordSets", times=3)
    assert len(listed(small)) == 10


def test_an_invalid_record_changes_nothing(small: World) -> None:
    write(small, RECORDS | {"mail": {**RECORDS["mail"], "values": ["mx.example.com"]}})
    result = small.job()
    assert result.exit_code != 0 and "wrong number of fields" in result.log
    assert listed(small) == {}


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "zones": ({"name": "${SUBDOMAIN}.example.org", "type": "A", "values": ["192.0.2.1"]},
              {"zones": [ZONE]}, "records.web.name: this runner makes no records in the hosted zone "
              "'example.org' (the host config's projects.77.limits.ephemeral.zones)"),
    "zone": ({"name": "${SUBDOMAIN}.x." + ZONE, "zone": "x." + ZONE, "type": "A",
              "values": ["192.0.2.1"]}, {"zones": [ZONE]},
             "records.web.zone: this runner makes no records in the hosted zone 'x."),
    "own": ({"name": "www." + ZONE, "type": "A", "values": ["192.0.2.1"]}, {},
            "records.web.name: 'www.mettel-automation.net' is not this environment's own"),
    "apex": ({"name": ZONE, "zone": ZONE, "type": "A", "values": ["192.0.2.1"]}, {},
             "is not this environment's own"),
    "outside": ({"name": "${SUBDOMAIN}.a.net", "zone": "b.net", "type": "A",
                 "values": ["192.0.2.1"]}, {}, "does not lie in the hosted zone 'b.net'"),
    "address": ({"name": OWN, "type": "A", "values": ["x"]}, {}, "'x' is no IPv4 address"),
    "several": ({"name": OWN, "type": "CNAME", "values": ["x.net", "y.net"]}, {},
                "records.web.values: a CNAME has one value only"),
    "neither": ({"name": OWN, "type": "A"}, {}, "must have either 'alias' or 'values'"),
    "beside": ({"name": OWN, "type": "CNAME", "values": ["x.net"]}, {},
               "nothing may stand beside a CNAME"),
    "characters": ({"name": "a b." + OWN, "type": "A", "values": ["192.0.2.1"]}, {},
                   "'a b.8527fec8.mettel-automation.net' is no DNS name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_the_first_call(world: World, case: str) -> None:
    given, limits, text = REFUSED[case]
    if limits:
        limit(world, **limits)
    write(world, {"six": RECORDS["six"], "web": given})
    done = world.berth("plan", f"--project={PROJECT_ID}", f"--ref={BRANCH}",
                       *world.given_variables(), code=1)
    assert text in (done.stdout + done.stderr).replace("\n", " ")
    assert world.aws.record() == []


def test_a_zone_is_told_from_others_of_its_name(small: World) -> None:
    route53 = small.aws.client("route53")
    twin = route53.create_hosted_zone(Name=ZONE, CallerReference="twin")["HostedZone"]["Id"]
    result = small.job()
    assert result.exit_code == 1 and "there are 2 public hosted zones" in result.log
    assert "zoneId" in result.log
    bare = twin.rpartition("/")[2]
    write(small, {"web": {**RECORDS["web"], "zoneId": bare}})
    small.deploy()
    assert set(listed(small, bare)) == {(OWN, "A"), (f"_berth-a.{OWN}", "TXT")}
    write(small, {"web": {**RECORDS["web"], "private": True}})
    result = small.job()
    assert result.exit_code == 1 and "there is no private hosted zone" in result.log


def test_a_zone_is_not_taken_for_two(small: World) -> None:
    """Named by its id in some records, and by its name alone in others or in the limits."""
    bare = zone_id(small)
    by_id = {label: {**record, "zoneId": bare} for label, record in RECORDS.items()}
    write(small, RECORDS)
    small.deploy()
    wanted = listed(small)
    write(small, {**RECORDS, "mail": by_id["mail"]})
    small.aws.record_clear()
    result = small.job()
    assert result.exit_code == 1 and small.writes() == []
    assert "are one hosted zone; give either all of its records a 'zoneId', or none" in result.log
    limit(small, zones=[ZONE])
    write(small, by_id)
    small.deploy()
    assert small.writes() == [] and listed(small) == wanted
