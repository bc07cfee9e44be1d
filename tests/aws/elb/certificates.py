"""The certificates of HTTPS listeners, which are ACM's.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
"""

from __future__ import annotations

from typing import Any

from .. import acm
from ..errors import AwsError
from ..registry import Call
from .model import ACTIONS, Elb, Listener, page_of, refuse, store_of


def certificate_check(elb: Elb, arn: str) -> None:
    """It must be there and issued; one that waits for its validation is "unsupported"."""
    if ":server-certificate/" in arn:  # IAM's
        return
    status = acm.status_of(elb.world, elb.account, elb.region, arn)
    if status is None:
        raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found")
    if status != "ISSUED":
        raise AwsError("UnsupportedCertificate", f"The certificate '{arn}' must have a "
                       "fully-qualified domain name, a supported signature, and a supported key "
                       "size.")


def _https(listener: Listener) -> Listener:
    if listener.certificate is None:
        raise refuse("Certificates cannot be specified for HTTP listeners")
    return listener


@ACTIONS.action("DescribeListenerCertificates")
def describe(call: Call) -> dict[str, Any]:
    """The default one, and the others."""
    listener = store_of(call).listener(call.input["ListenerArn"])
    found = [{"CertificateArn": listener.certificate, "IsDefault": True}] \
        if listener.certificate else []
    found += [{"CertificateArn": arn, "IsDefault": False} for arn in listener.certificates]
    page, more = page_of(found, call)
    return {"Certificates": page, **more}


@ACTIONS.action("AddListenerCertificates")
def add(call: Call) -> dict[str, Any]:
    """"If the certificate in already in the certificate list, the call is successful"."""
    elb = store_of(call)
    listener = _https(elb.listener(call.input["ListenerArn"]))
    names = [c["CertificateArn"] for c in call.input["Certificates"]]
    for name in names:
        certificate_check(elb, name)
    new = [n for n in names if n not in listener.certificates and n != listener.certificate]
    if len(listener.certificates) + len(new) > 25:
        raise AwsError("TooManyCertificates", "You've reached the limit on the number of "
                       "certificates per load balancer")
    listener.certificates += new
    return {"Certificates": [{"CertificateArn": n, "IsDefault": False} for n in names]}


@ACTIONS.action("RemoveListenerCertificates")
def remove(call: Call) -> dict[str, Any]:
    listener = _https(store_of(call).listener(call.input["ListenerArn"]))
    names = [c["CertificateArn"] for c in call.input["Certificates"]]
    if listener.certificate in names:
        raise AwsError("OperationNotPermitted", "The default certificate cannot be removed")
    listener.certificates = [n for n in listener.certificates if n not in names]
    return {}
