"""Load balancers, their listeners and target groups, and certificates, as AWS has them.

What plain moto does otherwise (run with BERTH_PLAIN_MOTO=1 to see these fail): it copies load
balancers and listeners, knows no health, no deletion protection, no pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .build import Builder, code_of, error_of
from .endpoint import Endpoint


class Balanced(Builder):
    """A load balancer with what it needs, in few words."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.elb, self.acm = endpoint.client("elbv2"), endpoint.client("acm")
        self.public = [s["SubnetId"] for s in self.ec2.describe_subnets(Filters=[
            {"Name": "tag:Name", "Values": ["mettel-automation-public-subnet-*-dev"]},
        ])["Subnets"]]
        [self.certificate] = [c["CertificateArn"] for c in self.acm.list_certificates()[
            "CertificateSummaryList"]]

    def balancer(self, name: str = "E", **given: Any) -> dict[str, Any]:
        return dict(self.elb.create_load_balancer(**{
            "Name": name, "Subnets": self.public, **given})["LoadBalancers"][0])

    def target_group(self, name: str = "E-web", **given: Any) -> str:
        return str(self.elb.create_target_group(**{
            "Name": name, "Protocol": "HTTP", "Port": 80, "VpcId": self.vpc, "TargetType": "ip",
            "HealthCheckIntervalSeconds": 10, "HealthyThresholdCount": 2, **given,
        })["TargetGroups"][0]["TargetGroupArn"])

    def listener(self, balancer: str, action: dict[str, Any], port: int = 80, **given: Any) -> str:
        return str(self.elb.create_listener(**{
            "LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port,
            "DefaultActions": [action], **given})["Listeners"][0]["ListenerArn"])

    def attached(self) -> tuple[str, str, str]:
        """The ARNs of a load balancer, its listener, and the group that this forwards to."""
        balancer, group = self.balancer()["LoadBalancerArn"], self.target_group()
        return balancer, self.listener(balancer, forward(group)), group

    def health(self, group: str) -> list[tuple[str, str]]:
        return [(t["TargetHealth"]["State"], t["TargetHealth"].get("Reason", "")) for t in
                self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]]

    def state(self, name: str = "E") -> dict[str, str]:
        return dict(self.elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]["State"])


def forward(*groups: str) -> dict[str, Any]:
    if len(groups) == 1:
        return {"Type": "forward", "TargetGroupArn": groups[0]}
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": [
        {"TargetGroupArn": g, "Weight": 1} for g in groups]}}


FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}


@pytest.fixture
def b(endpoint: Endpoint) -> Balanced:
    return Balanced(endpoint)


def test_a_load_balancer_is_provisioned_for_minutes(b: Balanced) -> None:
    made = b.balancer()
    assert made["State"] == {"Code": "provisioning"} == b.state()
    assert made["CanonicalHostedZoneId"] and made["DNSName"].endswith(".elb.amazonaws.com")
    b.endpoint.advance(60)
    assert b.state()["Code"] == "provisioning"
    b.endpoint.advance(90)
    assert b.state() == {"Code": "active"}


def test_a_load_balancer_may_fail(b: Balanced) -> None:
    b.endpoint.fault(service="elasticloadbalancing", fault="failed", message="no addresses left")
    b.balancer()
    b.endpoint.advance(200)
    assert b.state() == {"Code": "failed", "Reason": "no addresses left"}


def test_creating_the_same_again_gives_what_is_there(b: Balanced) -> None:
    """"If you attempt to create multiple load balancers with the same settings, each call
    succeeds": whoever asks."""
    first = b.balancer(Tags=[{"Key": "owner", "Value": "one"}])
    again = b.balancer(Tags=[{"Key": "owner", "Value": "two"}])
    assert first["LoadBalancerArn"] == again["LoadBalancerArn"]
    assert code_of(lambda: b.balancer(Scheme="internal")) == "DuplicateLoadBalancerName"
    [tags] = b.elb.describe_tags(ResourceArns=[first["LoadBalancerArn"]])["TagDescriptions"]
    assert tags["Tags"] == [{"Key": "owner", "Value": "one"}]
    assert b.target_group() == b.target_group()
    assert code_of(lambda: b.target_group(Port=81)) == "DuplicateTargetGroupName"
    arn = first["LoadBalancerArn"]
    assert b.listener(arn, FIXED) == b.listener(arn, FIXED)
    assert code_of(lambda: b.listener(arn, forward(b.target_group()))) == "DuplicateListener"


@pytest.mark.parametrize("given,code,words", [
    ({"Name": "a" * 33}, "ValidationError", "longer than '32'"),
    ({"Name": "a_b"}, "ValidationError", "alphanumeric"),
    ({"Name": "-a"}, "ValidationError", "hyphen"),
    ({"Name": "internal-a"}, "ValidationError", "internal-"),
    ({"Subnets": []}, "ValidationError", "subnet"),
    ({"Subnets": ["subnet-1"]}, "SubnetNotFound", "subnet-1"),
    ({"SecurityGroups": ["sg-00000000"]}, "InvalidSecurityGroup", "sg-00000000"),
    ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "ValidationError", "aws:"),
    ({"Tags": [{"Key": "x", "Value": "1"}] * 2}, "DuplicateTagKeys", "more than once"),
])
def test_what_a_load_balancer_cannot_be(b: Balanced, given: dict[str, Any], code: str,
                                        words: str) -> None:
    found = error_of(lambda: b.balancer(**given))
    assert found[0] == code and words in found[1]


def test_the_internet_is_behind_a_gateway(b: Balanced) -> None:
    """openshift/installer#1110."""
    ec2 = b.ec2
    [gateway] = ec2.describe_internet_gateways(Filters=[
        {"Name": "attachment.vpc-id", "Values": [b.vpc]}])["InternetGateways"]
    ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=b.vpc)
    assert error_of(b.balancer)[:2] == (
        "InvalidSubnet", f"VPC {b.vpc} has no internet gateway")
    assert b.balancer(Scheme="internal")["Scheme"] == "internal"


def test_it_needs_two_zones_and_one_vpc(b: Balanced) -> None:
    assert "two different Availability Zones" in error_of(
        lambda: b.balancer(Subnets=b.public[:1]))[1]
    assert code_of(lambda: b.balancer(Subnets=b.public + b.subnets)) == \
        "InvalidConfigurationRequest"


@pytest.mark.parametrize("given,words", [
    ({"Name": "E-" + "a" * 31}, "longer than '32'"), ({"VpcId": "vpc-1"}, "vpc-1"),
    ({"HealthCheckTimeoutSeconds": 10}, "greater than the timeout"),
    ({"HealthCheckPath": "x"}, "'/'"), ({"Matcher": {"HttpCode": "999"}}, "200-499"),
    ({"HealthCheckPort": "x"}, "traffic-port"), ({"Protocol": "TCP"}, "HTTP"),
])
def test_what_a_target_group_cannot_be(b: Balanced, given: dict[str, Any], words: str) -> None:
    found = error_of(lambda: b.target_group(**given))
    assert found[0] == "ValidationError" and words in found[1]


def test_defaults_of_a_target_group(b: Balanced) -> None:
    made = b.elb.create_target_group(Name="x", Protocol="HTTP", Port=80, VpcId=b.vpc)
    [group] = made["TargetGroups"]
    assert (group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"],
            group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]) == (30, 5, 5, 2)
    assert group["HealthCheckPort"] == "traffic-port" and group["Matcher"] == {"HttpCode": "200"}
    attributes = b.elb.describe_target_group_attributes(
        TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "300"} in attributes


def test_https_needs_a_certificate_that_is_issued(b: Balanced) -> None:
    arn = b.balancer()["LoadBalancerArn"]

    def https(*certificates: str, **given: Any) -> Callable[[], Any]:
        return lambda: b.listener(arn, FIXED, 443, Protocol="HTTPS", Certificates=[
            {"CertificateArn": c} for c in certificates], **given)

    assert "certificate must be specified" in error_of(https())[1]
    assert code_of(https(b.certificate + "0")) == "CertificateNotFound"
    pending = b.acm.request_certificate(DomainName="new.example.com")["CertificateArn"]
    assert code_of(https(pending)) == "UnsupportedCertificate"
    b.endpoint.advance(130)
    assert code_of(https(pending, SslPolicy="x")) == "SSLPolicyNotFound"
    listener = https(pending)()
    [shown] = b.elb.describe_listeners(ListenerArns=[listener])["Listeners"]
    assert shown["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    assert shown["Certificates"] == [{"CertificateArn": pending}]
    assert code_of(lambda: b.acm.delete_certificate(CertificateArn=pending)) == \
        "ResourceInUseException"
    b.elb.add_listener_certificates(ListenerArn=listener, Certificates=[
        {"CertificateArn": b.certificate}])
    found = b.elb.describe_listener_certificates(ListenerArn=listener)["Certificates"]
    assert found == [{"CertificateArn": pending, "IsDefault": True},
                     {"CertificateArn": b.certificate, "IsDefault": False}]
    assert code_of(lambda: b.elb.remove_listener_certificates(
        ListenerArn=listener, Certificates=[{"CertificateArn": pending}])) == \
        "OperationNotPermitted"
    b.elb.modify_listener(ListenerArn=listener, Protocol="HTTP")
    [plain] = b.elb.describe_listeners(ListenerArns=[listener])["Listeners"]
    assert "Certificates" not in plain and "SslPolicy" not in plain


def test_actions_are_completed(b: Balanced) -> None:
    arn, group = b.balancer()["LoadBalancerArn"], b.target_group()
    b.listener(arn, {"Type": "redirect", "RedirectConfig": {
        "Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}})
    b.listener(arn, forward(group), 8080)
    redirect, single = b.elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    assert redirect["DefaultActions"][0]["RedirectConfig"] == {
        "Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}",
        "Query": "#{query}", "StatusCode": "HTTP_301"}
    assert single["DefaultActions"] == [{
        "Type": "forward", "TargetGroupArn": group, "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": group, "Weight": 1}],
            "TargetGroupStickinessConfig": {"Enabled": False}}}]
    loop = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_302", "Port": "81"}}
    assert code_of(lambda: b.listener(arn, loop, 81)) == "InvalidLoadBalancerAction"
    other = b.balancer("E2")["LoadBalancerArn"]
    assert code_of(lambda: b.listener(other, forward(group))) == "TargetGroupAssociationLimit"


def test_rules_have_priorities_that_may_be_exchanged(b: Balanced) -> None:
    _, listener, group = b.attached()

    def rule(priority: int, path: str) -> str:
        return str(b.elb.create_rule(
            ListenerArn=listener, Priority=priority, Actions=[forward(group)],
            Conditions=[{"Field": "path-pattern", "Values": [path]}])["Rules"][0]["RuleArn"])

    first, second = rule(1, "/a"), rule(2, "/b")
    assert code_of(lambda: rule(1, "/c")) == "PriorityInUse"
    assert code_of(lambda: b.elb.set_rule_priorities(RulePriorities=[
        {"RuleArn": first, "Priority": 2}])) == "PriorityInUse"
    b.elb.set_rule_priorities(RulePriorities=[{"RuleArn": first, "Priority": 2},
                                              {"RuleArn": second, "Priority": 1}])
    rules = b.elb.describe_rules(ListenerArn=listener)["Rules"]
    assert [(r["Priority"], r["RuleArn"]) for r in rules[:2]] == [("1", second), ("2", first)]
    assert rules[2]["Priority"] == "default" and rules[2]["IsDefault"]
    assert rules[0]["Conditions"] == [{"Field": "path-pattern", "Values": ["/b"],
                                       "PathPatternConfig": {"Values": ["/b"]}}]
    assert code_of(lambda: b.elb.delete_rule(RuleArn=rules[2]["RuleArn"])) == \
        "OperationNotPermitted"
    b.elb.delete_rule(RuleArn=first)
    assert code_of(lambda: b.elb.describe_rules(RuleArns=[first])) == "RuleNotFound"


def test_a_group_in_use_is_not_deleted(b: Balanced) -> None:
    balancer, listener, group = b.attached()
    assert code_of(lambda: b.elb.delete_target_group(TargetGroupArn=group)) == "ResourceInUse"
    b.elb.delete_listener(ListenerArn=listener)
    assert code_of(lambda: b.elb.delete_target_group(TargetGroupArn=group)) == "ResourceInUse"
    b.endpoint.advance(15)
    b.elb.delete_target_group(TargetGroupArn=group)
    assert code_of(lambda: b.elb.describe_target_groups(Names=["E-web"])) == "TargetGroupNotFound"
    b.elb.delete_load_balancer(LoadBalancerArn=balancer)
    b.elb.delete_load_balancer(LoadBalancerArn=balancer)


def test_deletion_protection_and_interfaces(b: Balanced) -> None:
    security = b.group("E-inbound")
    arn = b.balancer(SecurityGroups=[security])["LoadBalancerArn"]
    protect = "deletion_protection.enabled"
    b.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": protect, "Value": "true"}])
    assert code_of(lambda: b.elb.delete_load_balancer(LoadBalancerArn=arn)) == \
        "OperationNotPermitted"
    b.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": protect, "Value": "false"}])
    b.elb.delete_load_balancer(LoadBalancerArn=arn)
    assert code_of(lambda: b.elb.describe_load_balancers(Names=["E"])) == "LoadBalancerNotFound"
    held = b.ec2.describe_network_interfaces(Filters=[
        {"Name": "group-id", "Values": [security]}])["NetworkInterfaces"]
    assert len(held) == 2 and held[0]["Description"].startswith("ELB app/E/")
    assert held[0]["RequesterId"] == "amazon-elb"
    assert code_of(lambda: b.ec2.delete_security_group(GroupId=security)) == "DependencyViolation"
    b.endpoint.advance(70)
    b.ec2.delete_security_group(GroupId=security)


@pytest.mark.parametrize("key,value", [
    ("no.such.key", "1"), ("idle_timeout.timeout_seconds", "0"),
    ("idle_timeout.timeout_seconds", "x"), ("routing.http2.enabled", "yes"),
    ("routing.http.desync_mitigation_mode", "x")])
def test_attributes_are_checked(b: Balanced, key: str, value: str) -> None:
    arn = b.balancer()["LoadBalancerArn"]
    assert code_of(lambda: b.elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}])) == \
        "InvalidConfigurationRequest"


def test_lists_have_pages_and_limits(b: Balanced) -> None:
    for name in ("a", "b", "c"):
        b.balancer(name)
        b.target_group(name)
    page = b.elb.describe_load_balancers(PageSize=2)
    assert len(page["LoadBalancers"]) == 2 and page["NextMarker"]
    rest = b.elb.describe_load_balancers(Marker=page["NextMarker"])["LoadBalancers"]
    assert [one["LoadBalancerName"] for one in rest] == ["c"]
    b.endpoint.pages(1)
    assert len(b.elb.describe_target_groups()["TargetGroups"]) == 1
    b.endpoint.pages(None)
    arn = rest[0]["LoadBalancerArn"]
    assert code_of(lambda: b.elb.describe_tags(ResourceArns=[arn] * 21)) == "ValidationError"
    assert len(b.elb.describe_tags(ResourceArns=[arn] * 20)["TagDescriptions"]) == 20


def test_targets_get_healthy_after_their_checks_and_drain(b: Balanced) -> None:
    _, listener, group = b.attached()
    target = {"Id": "10.2.1.9", "Port": 80}
    b.elb.register_targets(TargetGroupArn=group, Targets=[target])
    assert b.health(group) == [("initial", "Elb.RegistrationInProgress")]
    b.endpoint.advance(21)
    assert b.health(group) == [("healthy", "")]
    b.elb.deregister_targets(TargetGroupArn=group, Targets=[target])
    assert b.health(group) == [("draining", "Target.DeregistrationInProgress")]
    b.endpoint.advance(200)
    assert len(b.health(group)) == 1
    b.endpoint.advance(110)
    assert b.health(group) == []


def test_targets_without_a_listener_are_unused(b: Balanced) -> None:
    balancer, group = b.balancer()["LoadBalancerArn"], b.target_group()
    b.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "10.2.1.9"}])
    assert b.health(group) == [("unused", "Target.NotInUse")]
    b.listener(balancer, forward(group))
    b.endpoint.advance(21)
    assert b.health(group) == [("healthy", "")]
    b.elb.delete_load_balancer(LoadBalancerArn=balancer)
    assert b.health(group) == [("unused", "Target.NotInUse")]


def test_unhealthy_targets_have_a_reason(b: Balanced) -> None:
    _, _, group = b.attached()
    b.endpoint.fault(service="elasticloadbalancing", fault="unhealthy", code="Target.Timeout")
    b.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "10.2.1.9"}])
    b.endpoint.advance(21)
    assert b.health(group) == [("unhealthy", "Target.Timeout")]
    b.endpoint.clear_faults()
    b.endpoint.advance(21)
    assert b.health(group) == [("healthy", "")]


# --- with ECS ---

def balancers(group: str) -> list[dict[str, Any]]:
    return [{"targetGroupArn": group, "containerName": "web", "containerPort": 5000}]


def test_a_service_needs_a_group_with_a_listener(b: Balanced) -> None:
    b.ecs.create_cluster(clusterName="E")
    definition, group = b.definition(), b.target_group()
    found = error_of(lambda: b.service(definition, loadBalancers=balancers(group)))
    assert found[0] == "InvalidParameterException"
    assert "does not have an associated load balancer" in found[1]
    balancer = b.balancer()["LoadBalancerArn"]
    b.listener(balancer, forward(group))
    assert b.service(definition, loadBalancers=balancers(group))["status"] == "ACTIVE"
    other = b.target_group("E-instances", TargetType="instance")
    b.listener(balancer, forward(other), 81)
    found = error_of(lambda: b.ecs.update_service(cluster="E", service="E-web",
                                                  loadBalancers=balancers(other)))
    assert "incompatible with the awsvpc network mode" in found[1]


def test_a_deployment_waits_for_its_targets(b: Balanced) -> None:
    _, _, group = b.attached()
    b.ecs.create_cluster(clusterName="E")
    b.service(b.definition(health=False), loadBalancers=balancers(group))
    b.endpoint.advance(45)
    assert b.described()["runningCount"] == 1
    assert b.health(group)[0][0] == "initial"
    assert b.described()["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    b.endpoint.advance(30)
    assert b.health(group) == [("healthy", "")]
    assert b.described()["deployments"][0]["rolloutState"] == "COMPLETED"


def test_unhealthy_targets_fail_the_deployment(b: Balanced) -> None:
    _, _, group = b.attached()
    b.ecs.create_cluster(clusterName="E")
    b.endpoint.fault(service="elasticloadbalancing", fault="unhealthy")
    b.service(b.definition(), loadBalancers=balancers(group), deploymentConfiguration={
        "deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    b.endpoint.advance(600)
    service = b.described()
    assert service["deployments"][0]["rolloutState"] == "FAILED"
    assert any("is unhealthy in (target-group" in e["message"] and "[502]" in e["message"]
               for e in service["events"])


def test_a_grace_period_keeps_unhealthy_tasks(b: Balanced) -> None:
    _, _, group = b.attached()
    b.ecs.create_cluster(clusterName="E")
    b.endpoint.fault(service="elasticloadbalancing", fault="unhealthy")
    b.service(b.definition(), loadBalancers=balancers(group), healthCheckGracePeriodSeconds=300)
    b.endpoint.advance(200)
    assert b.described()["deployments"][0]["failedTasks"] == 0
    b.endpoint.advance(200)
    assert b.described()["deployments"][0]["failedTasks"] > 0


def test_a_service_drains_for_the_deregistration_delay(b: Balanced) -> None:
    _, _, group = b.attached()
    b.running(loadBalancers=balancers(group))
    b.ecs.delete_service(cluster="E", service="E-web", force=True)
    b.endpoint.advance(120)
    assert b.described()["status"] == "DRAINING"
    assert b.health(group)[0][0] == "draining"
    b.endpoint.advance(200)
    assert b.described()["status"] == "INACTIVE"


# --- certificates ---

def test_certificates_have_pages_and_states(b: Balanced) -> None:
    b.endpoint.fault(service="acm", fault="unvalidated", match={"DomainName": "b.example.com"})
    arns = [b.acm.request_certificate(DomainName=f"{n}.example.com")["CertificateArn"]
            for n in ("a", "b")]
    ec = b.acm.request_certificate(DomainName="c.example.com", KeyAlgorithm="EC_prime256v1")
    b.endpoint.advance(200)

    def status(arn: str) -> str:
        return str(b.acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"])

    assert [status(arn) for arn in arns] == ["ISSUED", "PENDING_VALIDATION"]
    page = b.acm.list_certificates(MaxItems=2)
    assert len(page["CertificateSummaryList"]) == 2
    rest = b.acm.list_certificates(NextToken=page["NextToken"])["CertificateSummaryList"]
    assert [c["DomainName"] for c in rest] == ["b.example.com"]  # and no elliptic curves
    found = b.acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})
    assert [c["CertificateArn"] for c in found["CertificateSummaryList"]] == [ec["CertificateArn"]]
    b.endpoint.advance(4 * 86400)
    assert status(arns[1]) == "VALIDATION_TIMED_OUT"
    b.endpoint.advance(400 * 86400)
    assert status(arns[0]) == "EXPIRED"
    assert b.acm.list_certificates(CertificateStatuses=["ISSUED"])["CertificateSummaryList"] == []
