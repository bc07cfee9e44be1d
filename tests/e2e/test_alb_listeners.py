# SPDX-License-Identifier: MIT
"""Listeners' rules and certificates, as boto3 finds them."""

from __future__ import annotations

from typing import Any

import pytest

from balanced import Balanced, change, put, put_rules, rule, writes
from balanced import small, small_saved  # noqa: F401
from world import World


def names(world: World) -> dict[str, str]:
    seen = Balanced(world)
    return {priority: seen.tags(found["RuleArn"]).get("berth:name", "")
            for priority, found in seen.rules().items()}


def test_the_order_of_a_conditions_values_means_nothing(small: World) -> None:
    put_rules(small, api=rule(10, host=["b.example.com", "a.example.com", "b.example.com"]))
    small.deploy()
    [found] = Balanced(small).rules().values()
    assert sorted(found["Conditions"][0]["Values"]) == ["a.example.com", "b.example.com"]
    Balanced(small).elb.modify_rule(RuleArn=found["RuleArn"], Conditions=[{
        "Field": "host-header", "HostHeaderConfig": {
            "Values": ["b.example.com", "a.example.com"]}}])
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


def test_rules_come_change_and_go(small: World) -> None:
    put_rules(small, api=rule(10, host=["api.example.com", "*.api.example.com"], path="/v1/*"),
              beta=rule(20, header={"X-Beta": "yes"}))
    small.deploy()
    seen = Balanced(small).rules()
    assert names(small) == {"10": "443/api", "20": "443/beta"}
    fields = {c["Field"]: c for c in seen["10"]["Conditions"]}
    assert set(fields["host-header"]["Values"]) == {"api.example.com", "*.api.example.com"}
    assert fields["path-pattern"]["Values"] == ["/v1/*"]
    assert seen["20"]["Conditions"][0]["HttpHeaderConfig"] == {
        "HttpHeaderName": "X-Beta", "Values": ["yes"]}
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []
    put_rules(small, api=rule(10, path="/v2/*"))
    small.deploy()
    assert writes(small) == ["ModifyRule", "DeleteRule"]
    assert [c["Values"] for c in Balanced(small).rules()["10"]["Conditions"]] == [["/v2/*"]]


def test_priorities_are_exchanged_without_collision(small: World) -> None:
    paths = {"a": "/a", "b": "/b", "c": "/c"}
    put_rules(small, **{n: rule(i, path=p) for i, (n, p) in enumerate(paths.items(), 1)})
    small.deploy()
    before = {n: r for r, n in names(small).items()}
    assert before == {"443/a": "1", "443/b": "2", "443/c": "3"}
    arns = {seen["RuleArn"] for seen in Balanced(small).rules().values()}
    put_rules(small, **{n: rule(i % 3 + 1, path=p) for i, (n, p) in enumerate(paths.items(), 1)})
    small.aws.record_clear()
    small.deploy()
    assert names(small) == {"1": "443/c", "2": "443/a", "3": "443/b"}
    assert {seen["RuleArn"] for seen in Balanced(small).rules().values()} == arns
    assert set(writes(small)) == {"SetRulePriorities"}
    put_rules(small, new=rule(1, path="/new"), c=rule(2, path="/c"))
    small.deploy()
    assert names(small) == {"1": "443/new", "2": "443/c"}
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


def test_a_rules_lost_answer_makes_no_second_rule(small: World) -> None:
    put_rules(small, a=rule(1, path="/a"))
    small.aws.fault(service="elasticloadbalancing", action="CreateRule", nth=1, fault="lost")
    small.deploy()
    assert names(small) == {"1": "443/a"}


# -- certificates ----------------------------------------------------------------------------------

def request(world: World, domain: str, **given: Any) -> str:
    made = world.aws.client("acm").request_certificate(DomainName=domain, **given)
    world.aws.advance(130)
    return made["CertificateArn"]


def test_two_domains_may_have_one_certificate(small: World) -> None:
    """One that covers both, or the default one: it is named once, and nothing is to do after it."""
    one = request(small, "a.example.org", SubjectAlternativeNames=["b.example.org"])
    change(small, put("loadBalancer", "listeners", "443", "certificates",
                      value=["a.example.org", "b.example.org", "x.mettel-automation.net"]))
    small.deploy()
    found = Balanced(small).elb.describe_listener_certificates(
        ListenerArn=Balanced(small).listeners()[443]["ListenerArn"])["Certificates"]
    assert [c["CertificateArn"] for c in found if not c["IsDefault"]] == [one]
    small.aws.record_clear()
    small.deploy()
    assert small.writes() == []


def test_the_newest_issued_certificate_is_taken(small: World) -> None:
    newest = request(small, "mettel-automation.net",
                     SubjectAlternativeNames=["*.mettel-automation.net"])
    small.aws.fault(service="acm", fault="unvalidated")
    request(small, "*.mettel-automation.net")
    small.aws.clear_faults()
    request(small, "*.mettel-automation.com")
    small.aws.pages(1)
    small.aws.record_clear()
    small.deploy()
    assert writes(small) == ["ModifyListener"]
    small.aws.pages(None)
    listener = Balanced(small).listeners()[443]
    assert listener["Certificates"] == [{"CertificateArn": newest}]


def test_further_certificates_come_and_go(small: World) -> None:
    arn = request(small, "shop.example.com")
    request(small, "*.example.org")
    change(small, put("loadBalancer", "listeners", "443", "certificates",
                      value=[arn, "www.example.org"]))
    small.deploy()
    elb, listener = small.aws.client("elbv2"), Balanced(small).listeners()[443]["ListenerArn"]
    found = elb.describe_listener_certificates(ListenerArn=listener)["Certificates"]
    assert len(found) == 3 and arn in {c["CertificateArn"] for c in found}
    small.aws.record_clear()
    change(small, put("loadBalancer", "listeners", "443", "certificates", value=None))
    small.deploy()
    assert writes(small) == ["RemoveListenerCertificates"]
    assert len(elb.describe_listener_certificates(ListenerArn=listener)["Certificates"]) == 1


@pytest.mark.parametrize("faulty,words", [
    (True, "is PENDING_VALIDATION; add the DNS record"),
    (False, "no certificate of ACM in us-east-1 covers 'new.example.com'")])
def test_a_certificate_that_cannot_be_used_is_named(small: World, faulty: bool, words: str) -> None:
    if faulty:
        small.aws.fault(service="acm", fault="unvalidated")
        request(small, "new.example.com")
    change(small, put("loadBalancer", "certificate", value="new.example.com"))
    small.aws.record_clear()
    result = small.job()
    assert result.exit_code == 1 and words in result.log
    assert small.writes() == []


def test_an_arn_that_is_none_is_the_users_error(small: World) -> None:
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
    change(small, put("loadBalancer", "certificate", value=arn))
    small.aws.record_clear()
    result = small.job()
    assert result.exit_code == 1 and f"there is no certificate '{arn}'" in result.log
    assert small.writes() == []
