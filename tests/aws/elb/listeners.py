"""Listeners.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html
"""

from __future__ import annotations

import copy
from typing import Any

from ..errors import AwsError
from ..registry import Call
from .actions import actions_make, actions_show, loop_check
from .attributes import LISTENER, attributes_show, attributes_update
from .certificates import certificate_check
from .health import groups_check, groups_named
from .model import ACTIONS, Balancer, Elb, Listener, Rule, page_of, refuse, store_of, \
    tags_check

# What a listener gets that is not made with the console:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
POLICY = "ELBSecurityPolicy-2016-08"
POLICIES = {POLICY, "ELBSecurityPolicy-TLS-1-2-2017-01", "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
            "ELBSecurityPolicy-TLS-1-1-2017-01", "ELBSecurityPolicy-FS-2018-06",
            "ELBSecurityPolicy-FS-1-2-2019-08", "ELBSecurityPolicy-FS-1-2-Res-2020-10",
            "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06",
            "ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
            "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", "ELBSecurityPolicy-TLS13-1-1-2021-06",
            "ELBSecurityPolicy-TLS13-1-0-2021-06",
            "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"}


def settings_make(elb: Elb, given: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Protocol, port and policy with AWS's defaults, and the certificate, or the error."""
    protocol, port = given.get("Protocol"), given.get("Port")
    if protocol not in ("HTTP", "HTTPS"):
        raise AwsError("UnsupportedProtocol", f"Protocol '{protocol}' is not supported by "
                       "application load balancers: HTTP, HTTPS")
    if port is None:
        raise refuse("A port must be specified")
    certificates = [c["CertificateArn"] for c in given.get("Certificates", [])]
    if protocol == "HTTP":
        if certificates or "SslPolicy" in given:
            raise refuse("A certificate cannot be specified for HTTP listeners")
        return {"Protocol": protocol, "Port": port}, None
    if len(certificates) != 1:
        raise refuse("A certificate must be specified for HTTPS listeners" if not certificates
                     else "You must specify exactly one certificate")
    certificate_check(elb, certificates[0])
    policy = given.get("SslPolicy", POLICY)
    if policy not in POLICIES:
        raise AwsError("SSLPolicyNotFound", f"SSL policy '{policy}' not found")
    return {"Protocol": protocol, "Port": port, "SslPolicy": policy}, certificates[0]


@ACTIONS.action("CreateListener")
def create(call: Call) -> dict[str, Any]:
    elb, given = store_of(call), call.input
    balancer = elb.balancer(given["LoadBalancerArn"])
    tags = tags_check(given.get("Tags", []))
    fields, certificate = settings_make(elb, given)
    actions = actions_make(elb, balancer, given["DefaultActions"])
    loop_check(actions[0], fields["Protocol"], fields["Port"])
    there = next((one for one in balancer.listeners if one.fields["Port"] == fields["Port"]), None)
    if there is not None:
        if (there.fields, there.certificate, there.actions) != (fields, certificate, actions):
            raise AwsError("DuplicateListener", "A listener already exists on this port for this "
                           f"load balancer '{balancer.arn}'")
        return {"Listeners": [listener_show(there)]}
    if len(balancer.listeners) >= 50:
        raise AwsError("TooManyListeners", "You've reached the limit on the number of listeners "
                       "per load balancer")
    listener = Listener(elb.child_arn(balancer.arn, "listener", "loadbalancer"), balancer, fields,
                        certificate, tags, dict(LISTENER), copy.deepcopy(given))
    listener.rules.append(Rule(elb.child_arn(listener.arn, "listener-rule", "listener"),
                               "default", [], actions, {}))
    balancer.listeners.append(listener)
    groups_check(elb, groups_named(elb, actions))
    return {"Listeners": [listener_show(listener)]}


def listener_show(listener: Listener) -> dict[str, Any]:
    shown = {"ListenerArn": listener.arn, "LoadBalancerArn": listener.balancer.arn,
             **listener.fields, "DefaultActions": actions_show(listener.actions)}
    if listener.certificate:
        shown["Certificates"] = [{"CertificateArn": listener.certificate}]
        shown["MutualAuthentication"] = {"Mode": "off"}
    return shown


@ACTIONS.action("DescribeListeners")
def describe(call: Call) -> dict[str, Any]:
    elb, given = store_of(call), call.input
    if "ListenerArns" in given:
        found = [elb.listener(arn) for arn in given["ListenerArns"]]
    elif "LoadBalancerArn" in given:
        found = elb.balancer(given["LoadBalancerArn"]).listeners
    else:
        raise refuse("You must specify either listener ARNs or a load balancer ARN")
    page, more = page_of(found, call)
    return {"Listeners": [listener_show(one) for one in page], **more}


@ACTIONS.action("ModifyListener")
def modify(call: Call) -> dict[str, Any]:
    """What is not given stays; a listener that becomes HTTP loses policy and certificates."""
    elb, given = store_of(call), call.input
    listener = elb.listener(given["ListenerArn"])
    full: dict[str, Any] = dict(listener.fields)
    if listener.certificate:
        full["Certificates"] = [{"CertificateArn": listener.certificate}]
    full.update({m: given[m] for m in ("Protocol", "Port", "SslPolicy", "Certificates")
                 if m in given})
    if full["Protocol"] == "HTTP":
        full = {m: v for m, v in full.items() if m in given or m in ("Protocol", "Port")}
    fields, certificate = settings_make(elb, full)
    others = [one for one in listener.balancer.listeners if one is not listener]
    if any(one.fields["Port"] == fields["Port"] for one in others):
        raise AwsError("DuplicateListener", "A listener already exists on this port for this load "
                       f"balancer '{listener.balancer.arn}'")
    actions = listener.actions
    if "DefaultActions" in given:
        actions = actions_make(elb, listener.balancer, given["DefaultActions"])
    loop_check(actions[0], fields["Protocol"], fields["Port"])
    touched = groups_named(elb, listener.actions) + groups_named(elb, actions)
    listener.fields, listener.certificate = fields, certificate
    if certificate is None:
        listener.certificates = []
    elif certificate in listener.certificates:
        listener.certificates.remove(certificate)
    listener.rules[0].actions = actions
    groups_check(elb, touched)
    return {"Listeners": [listener_show(listener)]}


@ACTIONS.action("DeleteListener")
def delete(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    listener = elb.listener(call.input["ListenerArn"])
    listener_remove(elb, listener.balancer, listener)
    return {}


def listener_remove(elb: Elb, balancer: Balancer, listener: Listener) -> None:
    balancer.listeners.remove(listener)
    groups_check(elb, [g for rule in listener.rules for g in groups_named(elb, rule.actions)])


@ACTIONS.action("DescribeListenerAttributes")
def describe_attributes(call: Call) -> dict[str, Any]:
    listener = store_of(call).listener(call.input["ListenerArn"])
    return {"Attributes": attributes_show(listener.attributes)}


@ACTIONS.action("ModifyListenerAttributes")
def modify_attributes(call: Call) -> dict[str, Any]:
    listener = store_of(call).listener(call.input["ListenerArn"])
    attributes_update("Listener", listener.attributes, call.input["Attributes"])
    return {"Attributes": attributes_show(listener.attributes)}
