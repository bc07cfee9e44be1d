"""Signatures: recomputed from the bytes that were received.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html for
what must be signed; https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting
for what is refused. Each service's page of common errors has the codes, e.g.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html (JSON),
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html (query),
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (EC2).
"""

from __future__ import annotations

import calendar
import functools
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from botocore.utils import normalize_url_path

from .errors import AwsError
from .identity import Key, keys_of
from .wire import Request, data_read, model_load, protocol_of
from .world import World

SKEW_SECONDS = 300  # "within five minutes of the AWS system time"
# What is wrong: (JSON code, status), (query code, status), (EC2 code, status), message.
REFUSALS = {
    "missing": (("MissingAuthenticationTokenException", 400), ("MissingAuthenticationToken", 403),
                ("MissingAuthenticationToken", 403), "Request is missing Authentication Token"),
    "incomplete": (("IncompleteSignatureException", 400), ("IncompleteSignature", 400),
                   ("IncompleteSignature", 400), ""),
    "unknown": (("UnrecognizedClientException", 400), ("InvalidClientTokenId", 403),
                ("AuthFailure", 401), "The security token included in the request is invalid."),
    "expired": (("ExpiredTokenException", 400), ("ExpiredToken", 403), ("RequestExpired", 400),
                "The security token included in the request is expired"),
    "wrong": (("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403),
              ("AuthFailure", 401), "The request signature we calculated does not match the "
              "signature you provided. Check your AWS Secret Access Key and signing method. "
              "Consult the service documentation for details."),
}
EC2_MESSAGE = "AWS was not able to validate the provided access credentials"
STAMP = re.compile(r"(\d{8})T(\d{6})Z")


def refusal(request: Request, kind: str, message: str = "") -> AwsError:
    """The error of a kind, as the request's service words it."""
    json_form, query_form, ec2_form, text = REFUSALS[kind]
    protocol = protocol_of(request)
    code, status = {"json": json_form, "ec2": ec2_form}.get(protocol, query_form)
    if protocol == "ec2" and code == "AuthFailure":
        message = EC2_MESSAGE
    elif protocol == "ec2" and code == "RequestExpired":
        message = "Request has expired."
    return AwsError(code, message or text, status)


@dataclass
class Authorization:
    """The parts of an Authorization header."""

    access_key: str
    date: str
    region: str
    service: str
    signed: list[str]
    signature: str


def authorization_read(request: Request) -> Authorization:
    """The header's parts, and a date beside it; AWS lists all that is missing at once."""
    header = request.headers.get("authorization", "")
    scheme, parts = header.partition(" ")[0], request.authorization
    missing = [f"Authorization header requires '{name}' parameter."
               for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if "x-amz-date" not in request.headers and "date" not in request.headers:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a "
                       "'Date' header.")
    if scheme != "AWS4-HMAC-SHA256" or missing:
        raise refusal(request, "incomplete", " ".join(missing + [f"Authorization={scheme}"]))
    scope = parts["Credential"].split("/")
    if len(scope) != 5:
        raise refusal(request, "incomplete", "Credential must have exactly 5 slash-delimited "
                      f"elements, e.g. keyid/date/region/service/term, got '{parts['Credential']}'")
    if scope[4] != "aws4_request":
        raise refusal(request, "wrong", "Credential should be scoped with a valid terminator: "
                      f"'aws4_request', not '{scope[4]}'.")
    return Authorization(*scope[:4], parts["SignedHeaders"].split(";"), parts["Signature"])


@functools.lru_cache(None)
def scope_regions(service: str) -> frozenset[str]:
    """The regions that a signature for a service may name: a global service's own one, of each
    partition, else all that there are. JuliaCloud/AWS.jl#565, aws/aws-sdk-php#732.
    """
    prefix = str(model_load(service).metadata["endpointPrefix"])
    found: set[str] = set()
    for partition in data_read("endpoints")["partitions"]:
        given = partition["services"].get(prefix, {})
        if given.get("isRegionalized", True):
            found.update(partition["regions"])
        else:
            own = given["endpoints"][given["partitionEndpoint"]]
            found.add(own["credentialScope"]["region"])
    return frozenset(found)


def stamp_of(request: Request) -> str:
    """When the request says that it was signed, as in X-Amz-Date."""
    text = request.headers.get("x-amz-date", "")
    if not text:
        try:
            text = parsedate_to_datetime(request.headers["date"]).strftime("%Y%m%dT%H%M%SZ")
        except (ValueError, TypeError):
            text = ""
    if not STAMP.fullmatch(text):
        raise refusal(request, "incomplete", "Date must be in ISO-8601 'basic format'. Got "
                      f"'{text}'. See http://en.wikipedia.org/wiki/ISO_8601")
    return text


def signature_check(world: World, request: Request) -> Key:
    """The key that signed the request; AwsError in the service's format if none did."""
    given = authorization_read(request)
    stamp = stamp_of(request)
    key = keys_of(world).find(given.access_key)
    if key is None or not key.active:
        raise refusal(request, "unknown")
    if request.headers.get("x-amz-security-token") != key.token:
        raise refusal(request, "unknown")
    if key.expired:
        raise refusal(request, "expired")
    if given.date != stamp[:8]:
        raise refusal(request, "wrong", "Date in Credential scope does not match YYYYMMDD from "
                      f"ISO-8601 version of date from HTTP: '{given.date}' != '{stamp[:8]}', from "
                      f"'{stamp}'.")
    if given.region not in scope_regions(given.service):
        raise refusal(request, "wrong", "Credential should be scoped to a valid region, not "
                      f"'{given.region}'. ")
    _skew_check(request, stamp)
    _coverage_check(request, given)
    if not hmac.compare_digest(signature_of(request, given, stamp, key), given.signature):
        raise refusal(request, "wrong")
    return key


def _skew_check(request: Request, stamp: str) -> None:
    """By the real clock: clients do not know the virtual one."""
    at, now = _seconds(stamp), time.time()
    if abs(at - now) <= SKEW_SECONDS:
        return
    edge = now + (SKEW_SECONDS if at > now else -SKEW_SECONDS)
    here, limit = (time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(t)) for t in (now, edge))
    if at > now:
        raise refusal(request, "wrong", f"Signature not yet current: {stamp} is still later than "
                      f"{limit} ({here} + 5 min.)")
    raise refusal(request, "wrong", f"Signature expired: {stamp} is now earlier than {limit} "
                  f"({here} - 5 min.)")


@functools.lru_cache(64)
def _seconds(stamp: str) -> int:
    return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


def _coverage_check(request: Request, given: Authorization) -> None:
    """Host and every x-amz- header must be signed, and every signed header must be there."""
    if "host" not in given.signed:
        raise refusal(request, "wrong", "'Host' or ':authority' must be a 'SignedHeader' in the "
                      "AWS Authorization.")
    loose = [name for name in request.headers
             if name.startswith("x-amz-") and name not in given.signed]
    if loose:
        raise refusal(request, "wrong", "There were headers present in the request which were not "
                      f"signed: {', '.join(loose)}")
    if any(name not in request.headers for name in given.signed):
        raise refusal(request, "wrong")


def signature_of(request: Request, given: Authorization, stamp: str, key: Key) -> str:
    """What the signature should be, from the very bytes of the request."""
    digest = hashlib.sha256(request.body).hexdigest()
    if request.headers.get("x-amz-content-sha256", digest) != digest:
        raise refusal(request, "wrong")
    path, _, query = request.target.partition("?")
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n"
                      for name in sorted(given.signed))
    canonical = "\n".join((
        request.method, quote(normalize_url_path(path), safe="/~"), _query_sorted(query), headers,
        ";".join(sorted(given.signed)), digest))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp,
                      f"{given.date}/{given.region}/{given.service}/aws4_request",
                      hashlib.sha256(canonical.encode()).hexdigest()))
    signing = _signing_key(key.secret, given.date, given.region, given.service)
    return hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()


def _query_sorted(query: str) -> str:
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else []
    return "&".join(f"{name}={value}" for name, value in pairs)


@functools.lru_cache(64)
def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
