"""Certificates of AWS Certificate Manager: requested, validated after a while, expired.

moto gives no pages, and its certificates' states do not follow the endpoint's clock.
https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import AwsError
from .registry import Call, Service, paged

if TYPE_CHECKING:
    from .world import World

ACTIONS = Service("acm", exclusive=True, throttle=("ThrottlingException", 400),
                  invalid="ValidationException")
# https://docs.aws.amazon.com/acm/latest/userguide/acm-certificate-characteristics.html
VALID = 395 * 86400.0
TIMEOUT = 72 * 3600.0  # then an unvalidated one is VALIDATION_TIMED_OUT
# "By default, this is RSA_1024 and RSA_2048" (Filters.keyTypes of ListCertificates).
LISTED_KEYS = ("RSA_1024", "RSA_2048")


@dataclass
class Certificate:
    """A certificate; `fields` as DescribeCertificate gives it."""

    arn: str
    fields: dict[str, Any]
    tags: list[dict[str, str]] = field(default_factory=list)


class Acm:
    """All of ACM in an account and region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.certificates: dict[str, Certificate] = {}

    def request(self, domain: str, names: list[str], key: str = "RSA_2048") -> Certificate:
        now = self.world.clock.now()
        arn = f"arn:aws:acm:{self.region}:{self.account}:certificate/{self.world.uuid()}"
        every = list(dict.fromkeys([domain, *names]))
        certificate = Certificate(arn, {
            "CertificateArn": arn, "DomainName": domain, "SubjectAlternativeNames": every,
            "Status": "PENDING_VALIDATION", "Type": "AMAZON_ISSUED", "KeyAlgorithm": key,
            "CreatedAt": now, "InUseBy": [], "RenewalEligibility": "INELIGIBLE",
            "DomainValidationOptions": [{"DomainName": one, "ValidationMethod": "DNS",
                                         "ValidationStatus": "PENDING_VALIDATION"}
                                        for one in every]})
        self.certificates[arn] = certificate
        return certificate

    def issue(self, certificate: Certificate) -> None:
        now, fields = self.world.clock.now(), certificate.fields
        fields.update(Status="ISSUED", IssuedAt=now, NotBefore=now, NotAfter=now + VALID)
        for one in fields["DomainValidationOptions"]:
            one["ValidationStatus"] = "SUCCESS"

    def status(self, certificate: Certificate) -> str:
        fields, now = certificate.fields, self.world.clock.now()
        if fields["Status"] == "ISSUED" and fields["NotAfter"] <= now:
            fields["Status"] = "EXPIRED"
        if fields["Status"] == "PENDING_VALIDATION" and fields["CreatedAt"] + TIMEOUT <= now:
            fields["Status"] = "VALIDATION_TIMED_OUT"
        return str(fields["Status"])


def status_of(world: World, account: str, region: str, arn: str) -> str | None:
    """The status of a certificate; None if there is none of that ARN."""
    acm = world.store(Acm, account, region)
    return acm.status(acm.certificates[arn]) if arn in acm.certificates else None


def plant(world: World, account: str, region: str, domain: str) -> None:
    """An issued certificate, from before the first deployment."""
    acm = world.store(Acm, account, region)
    acm.issue(acm.request(domain, []))


@ACTIONS.action("RequestCertificate")
def request(call: Call) -> dict[str, Any]:
    """Validated a while later; never while the state "unvalidated" holds for its DomainName."""
    acm, given = call.store(Acm), call.input
    certificate = acm.request(given["DomainName"], given.get("SubjectAlternativeNames", []),
                              given.get("KeyAlgorithm", "RSA_2048"))
    certificate.tags = given.get("Tags", [])

    def validated() -> None:
        held = call.world.faults.found("unvalidated", "acm", DomainName=given["DomainName"])
        if held is None and acm.status(certificate) == "PENDING_VALIDATION":
            acm.issue(certificate)

    call.world.clock.after(call.world.clock.duration("acm.validation"), validated)
    return {"CertificateArn": certificate.arn}


def _find(call: Call) -> Certificate:
    found = call.store(Acm).certificates.get(call.input["CertificateArn"])
    if found is None:
        raise AwsError("ResourceNotFoundException", "Could not find certificate "
                       f"{call.input['CertificateArn']}.")
    return found


@ACTIONS.action("DescribeCertificate")
def describe(call: Call) -> dict[str, Any]:
    certificate = _find(call)
    call.store(Acm).status(certificate)
    used = _users(call, certificate.arn)
    return {"Certificate": {**certificate.fields, "InUseBy": used,
                            "RenewalEligibility": "ELIGIBLE" if used else "INELIGIBLE"}}


def _users(call: Call, arn: str) -> list[str]:
    """The load balancers that present it."""
    from .elb.model import Elb
    return [b.arn for b in call.store(Elb).balancers.values()
            if any(arn in (one.certificate, *one.certificates) for one in b.listeners)]


@ACTIONS.action("ListCertificates")
def list_certificates(call: Call) -> dict[str, Any]:
    acm, given = call.store(Acm), call.input
    found = list(acm.certificates.values())
    if given.get("CertificateStatuses"):
        found = [c for c in found if acm.status(c) in given["CertificateStatuses"]]
    keys = given.get("Includes", {}).get("keyTypes") or LISTED_KEYS
    found = [c for c in found if c.fields["KeyAlgorithm"] in keys]
    page, more = paged(found, call, "MaxItems", "NextToken", 1000, 1000,
                       lambda text: AwsError("ValidationException", text))
    return {"CertificateSummaryList": [_summary(call, c) for c in page], **more}


def _summary(call: Call, certificate: Certificate) -> dict[str, Any]:
    """At most the first hundred names (API_CertificateSummary)."""
    fields = certificate.fields
    call.store(Acm).status(certificate)
    members = ("CertificateArn", "DomainName", "Status", "Type", "KeyAlgorithm", "CreatedAt",
               "IssuedAt", "NotBefore", "NotAfter")
    names = fields["SubjectAlternativeNames"]
    return {**{m: fields[m] for m in members if m in fields},
            "SubjectAlternativeNameSummaries": names[:100],
            "HasAdditionalSubjectAlternativeNames": len(names) > 100,
            "InUse": bool(_users(call, certificate.arn))}


@ACTIONS.action("DeleteCertificate")
def delete(call: Call) -> dict[str, Any]:
    certificate = _find(call)
    if _users(call, certificate.arn):
        raise AwsError("ResourceInUseException", f"Certificate {certificate.arn} in account "
                       f"{call.account} is in use.")
    del call.store(Acm).certificates[certificate.arn]
    return {}


@ACTIONS.action("ListTagsForCertificate")
def list_tags(call: Call) -> dict[str, Any]:
    return {"Tags": _find(call).tags}
