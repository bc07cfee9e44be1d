"""Route 53: what plain moto does otherwise. With BERTH_PLAIN_MOTO=1 nearly all of this fails."""

from __future__ import annotations

import http.client
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .build import code_of, error_of
from .endpoint import ACCESS_KEY, REGION, SECRET_KEY, Endpoint

ZONE = "mettel-automation.net"


class Zone:
    """The seed's public zone, and the calls in few words."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.client = endpoint, endpoint.client("route53")
        self.id = self.client.list_hosted_zones_by_name(DNSName=ZONE)["HostedZones"][0]["Id"]

    def change(self, *changes: tuple[str, dict[str, Any]]) -> Any:
        return self.client.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={
            "Changes": [{"Action": a, "ResourceRecordSet": r} for a, r in changes]})

    def refused(self, *changes: tuple[str, dict[str, Any]]) -> str:
        code, message, status = error_of(lambda: self.change(*changes))
        assert (code, status) == ("InvalidChangeBatch", 400), (code, message)
        return message

    def records(self, **given: Any) -> list[dict[str, Any]]:
        listed = self.client.list_resource_record_sets(HostedZoneId=self.id, **given)
        return list(listed["ResourceRecordSets"])

    def names(self, **given: Any) -> list[tuple[str, str]]:
        return [(r["Name"], r["Type"]) for r in self.records(**given)]


def record(name: str = "a", kind: str = "A", *values: str, **given: Any) -> dict[str, Any]:
    return {"Name": f"{name}.{ZONE}" if name else ZONE, "Type": kind, "TTL": 60,
            "ResourceRecords": [{"Value": v} for v in values or ("192.0.2.1",)], **given}


@pytest.fixture
def zone(endpoint: Endpoint) -> Zone:
    return Zone(endpoint)


def test_a_batch_is_all_or_nothing(zone: Zone) -> None:
    zone.change(("CREATE", record()))
    text = zone.refused(("CREATE", record("b")), ("CREATE", record()))
    assert text == (f"[Tried to create resource record set [name='a.{ZONE}.', type='A'] "
                    "but it already exists]")
    assert (f"b.{ZONE}.", "A") not in zone.names()
    # One change sees what those before it did.
    zone.change(("DELETE", record()), ("CREATE", record("a", "CNAME", "x.example.com")))
    assert (f"a.{ZONE}.", "CNAME") in zone.names()
    zone.refused(("CREATE", record()), ("DELETE", record("a", "CNAME", "x.example.com")))


def test_a_delete_takes_the_exact_values(zone: Zone) -> None:
    zone.change(("CREATE", record("a", "A", "192.0.2.1", "192.0.2.2")))
    what = f"[Tried to delete resource record set [name='a.{ZONE}.', type='A'] but "
    differ = what + "the values provided do not match the current values]"
    assert zone.refused(("DELETE", record("a", "A", "192.0.2.1"))) == differ
    assert zone.refused(("DELETE", record("a", "A", "192.0.2.1", "192.0.2.2", TTL=61))) == differ
    zone.change(("DELETE", record("a", "A", "192.0.2.2", "192.0.2.1")))
    assert zone.refused(("DELETE", record())) == what + "it was not found]"


def test_an_address_keeps_its_first_spelling(zone: Zone) -> None:
    zone.change(("CREATE", record("a", "AAAA", "2001:0db8::a")))
    zone.change(("UPSERT", record("a", "AAAA", "2001:db8::a", "2001:db8::b", TTL=61)))
    [found] = [r for r in zone.records() if r["Type"] == "AAAA"]
    assert [v["Value"] for v in found["ResourceRecords"]] == ["2001:0db8::a", "2001:db8::b"]
    assert found["TTL"] == 61


REFUSED = {
    "apex": (record("", "CNAME", "x.example.com"), "is not permitted at apex in zone"),
    "zone": ({**record(), "Name": "a.example.org"},
             "RRSet with DNS name a.example.org. is not permitted in zone mettel-automation.net."),
    "label": (record("b" * 64), f"(Domain label is too long) encountered with '{'b' * 64}'"),
    "nothing": (record("b."), f"DomainLabelEmpty (Domain label is empty) encountered with 'b..{ZONE}'"),
    "address": (record("b", "A", "not-an-ip"),
                "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with "
                "'not-an-ip'"),
    "version": (record("b", "AAAA", "192.0.2.1"), "not a valid IPv6 address"),
    "quotes": (record("b", "TXT", "plain"), "should be enclosed in quotation marks"),
    "fields": (record("b", "MX", "mail.example.com"), "wrong number of fields"),
    "twice": (record("b", "A", "192.0.2.1", "192.0.2.1"), "Duplicate Resource Record"),
    "beside": (record("a", "CNAME", "x.example.com"), "is not permitted as it conflicts with other "
               "records with the same DNS name in zone mettel-automation.net."),
    "cname": (record("c", "A"), "is not permitted because a conflicting RRSet of type CNAME with "
              "the same DNS name already exists in zone mettel-automation.net."),
    "target": ({"Name": f"b.{ZONE}", "Type": "A", "AliasTarget": {
        "HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "no.us-east-1.elb.amazonaws.com",
        "EvaluateTargetHealth": True}}, "Tried to create an alias that targets "
        "no.us-east-1.elb.amazonaws.com., type A in zone Z35SXDOTRQ7X7K, but that target was not"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_record_can_be(zone: Zone, name: str) -> None:
    zone.change(("CREATE", record("a")), ("CREATE", record("c", "CNAME", "x.example.com")))
    before = zone.records()
    given, text = REFUSED[name]
    assert text in zone.refused(("UPSERT", given))
    assert zone.records() == before


def test_a_record_has_values_or_a_target(zone: Zone) -> None:
    alias = {"HostedZoneId": "Z1", "DNSName": "x.example.com", "EvaluateTargetHealth": False}
    for given, found in ((record(AliasTarget=alias), "more than one"),
                         ({"Name": f"a.{ZONE}", "Type": "A"}, "none")):
        code, message, _ = error_of(lambda: zone.change(("CREATE", given)))
        assert code == "InvalidInput" and f"but found {found} in Change with [Action=CREATE" in \
            message


def test_an_alias_is_checked_against_the_load_balancer(zone: Zone) -> None:
    subnets = zone.endpoint.client("ec2").describe_subnets(Filters=[
        {"Name": "tag:Name", "Values": ["mettel-automation-public-subnet-*-dev"]}])["Subnets"]
    [balancer] = zone.endpoint.client("elbv2").create_load_balancer(
        Name="web", Subnets=[s["SubnetId"] for s in subnets])["LoadBalancers"]
    target = {"HostedZoneId": balancer["CanonicalHostedZoneId"],
              "DNSName": balancer["DNSName"].upper(), "EvaluateTargetHealth": True}
    alias = {"Name": f"b.{ZONE}", "Type": "A", "AliasTarget": target}
    other = {**alias, "AliasTarget": {**target, "HostedZoneId": "Z0"}}
    assert "does not lie within the target zone" in zone.refused(("CREATE", other))
    zone.change(("CREATE", alias))
    [shown] = [r for r in zone.records() if r["Name"] == f"b.{ZONE}."]
    assert shown["AliasTarget"] == {**target, "DNSName": balancer["DNSName"].lower() + "."}
    assert "TTL" not in shown and "ResourceRecords" not in shown


def test_names_are_lower_case_and_escaped(zone: Zone) -> None:
    zone.change(("CREATE", record("*.UPPER")))
    [shown] = zone.records(StartRecordName=f"*.upper.{ZONE}", MaxItems="1")
    assert shown["Name"] == f"\\052.upper.{ZONE}."
    zone.change(("DELETE", record("\\052.upper")))


def test_lists_begin_where_they_are_told(zone: Zone) -> None:
    """By reversed labels: what lies beneath a name follows it."""
    for name in ("a", "b", "x.a", "0"):
        zone.change(("CREATE", record(name)))
    zone.change(("CREATE", record("a", "TXT", '"x"')))
    behind = [(f"a.{ZONE}.", "TXT"), (f"x.a.{ZONE}.", "A"), (f"b.{ZONE}.", "A")]
    assert zone.names(StartRecordName=f"a.{ZONE}", StartRecordType="CNAME") == behind
    assert zone.names(StartRecordName=f"a0.{ZONE}") == behind[2:]
    first = zone.client.list_resource_record_sets(
        HostedZoneId=zone.id, StartRecordName=f"a.{ZONE}", StartRecordType="TXT", MaxItems="1")
    assert (first["IsTruncated"], first["NextRecordName"], first["NextRecordType"]) == (
        True, f"x.a.{ZONE}.", "A")
    assert code_of(lambda: zone.records(StartRecordType="A")) == "InvalidInput"
    zone.endpoint.pages(2)
    paged = zone.client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone.id)
    pages = [len(p["ResourceRecordSets"]) for p in paged]
    assert pages == [2, 2, 2, 1]


def test_zones_are_listed_from_a_name_on(zone: Zone) -> None:
    for number, name in enumerate(("b.example.com", "example.com", ZONE)):
        zone.client.create_hosted_zone(Name=name, CallerReference=str(number))
    names = lambda **g: [z["Name"] for z in zone.client.list_hosted_zones_by_name(  # noqa: E731
        **g)["HostedZones"]]
    assert names(DNSName="b.example.com") == ["b.example.com.", f"{ZONE}.", f"{ZONE}."]
    assert names(DNSName="a.example.com", MaxItems="1") == ["b.example.com."]
    assert names() == ["example.com.", "b.example.com.", f"{ZONE}.", f"{ZONE}."]
    assert error_of(lambda: zone.client.get_hosted_zone(Id="Z0")) == (
        "NoSuchHostedZone", "No hosted zone found with ID: Z0", 404)


def test_a_change_arrives_in_its_time(zone: Zone) -> None:
    change = zone.change(("CREATE", record()))["ChangeInfo"]
    status = lambda: zone.client.get_change(Id=change["Id"])["ChangeInfo"]["Status"]  # noqa: E731
    assert change["Status"] == status() == "PENDING"
    assert zone.names(StartRecordName=f"a.{ZONE}")[0] == (f"a.{ZONE}.", "A")  # at once
    zone.endpoint.advance(60)
    assert status() == "INSYNC"
    assert code_of(lambda: zone.client.get_change(Id="C0")) == "NoSuchChange"


def test_a_zone_with_records_stays(zone: Zone) -> None:
    zone.change(("CREATE", record()))
    assert code_of(lambda: zone.client.delete_hosted_zone(Id=zone.id)) == "HostedZoneNotEmpty"
    zone.change(("DELETE", record()))
    assert code_of(lambda: zone.client.delete_hosted_zone(Id=zone.id)) == ""


def test_batches_have_limits(zone: Zone) -> None:
    many = [("UPSERT", record(f"n{i}")) for i in range(501)]
    assert "limit of 1000 exceeded" in zone.refused(*many)
    zone.change(*many[:500])


def test_the_account_may_make_five_calls_a_second(zone: Zone) -> None:
    zone.endpoint.fault(service="route53", fault="throttle", rate=5)
    codes = [code_of(lambda: zone.client.get_hosted_zone(Id=zone.id)) for _ in range(12)]
    assert codes[:5] == [""] * 5 and "Throttling" in codes[5:]


def test_a_zone_may_be_busy_with_the_change_before(zone: Zone) -> None:
    zone.endpoint.fault(service="route53", action="ChangeResourceRecordSets", to=1, fault="error",
                        code="PriorRequestNotComplete", status=400)
    assert code_of(lambda: zone.change(("CREATE", record()))) == "PriorRequestNotComplete"
    zone.change(("CREATE", record()))


# --- what the XML itself has to be ---

NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
ROOT = "ChangeResourceRecordSetsRequest"
RECORD = (f"<Name>x.{ZONE}</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord>"
          "<Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>")
BODY = (f'<{ROOT} xmlns="{NAMESPACE}"><ChangeBatch><Changes><Change><Action>UPSERT</Action>'
        f"<ResourceRecordSet>{RECORD}</ResourceRecordSet></Change></Changes></ChangeBatch></{ROOT}>")


@pytest.mark.parametrize("old,new,code", [
    ("", "", ""),
    (ROOT, "Foo", "MalformedInput"),
    (NAMESPACE, "urn:x", "InvalidInput"),
    (f' xmlns="{NAMESPACE}"', "", "InvalidInput"),
    (RECORD, RECORD.partition("<ResourceRecord>")[0] + "</ResourceRecords>", "InvalidInput"),
    ("<TTL>60</TTL>", "<TTL>60</TTL><Nonsense>1</Nonsense>", "InvalidInput"),
    ("<TTL>60</TTL>", "<TTL>60</TTL><TTL>61</TTL>", "InvalidInput"),
    ("<ResourceRecord>", "<Item>", "InvalidInput"),
    (BODY, BODY[:-9], "InvalidInput"),
], ids=["right", "root", "namespace", "no namespace", "empty", "unknown", "twice", "item", "no XML"])
def test_the_xml_of_a_request(zone: Zone, old: str, new: str, code: str) -> None:
    body = BODY.replace(old, new).replace(old.replace("<", "</"), new.replace("<", "</"))
    path = f"/2013-04-01{zone.id}/rrset/"
    host = zone.endpoint.url.removeprefix("http://")
    request = AWSRequest("POST", f"http://{host}{path}", {}, body.encode())
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "route53", REGION).add_auth(request)
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("POST", path, body, {**dict(request.headers.items()), "Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert (answer.status == 200) == (code == "") and f"<Code>{code}</Code>" in text + "<Code></Code>"
    assert ((f"x.{ZONE}.", "A") in zone.names()) == (code == "")
