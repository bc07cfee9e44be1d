"""Identity tokens: RS256, checked as STS checks them; and an issuer for tests.

https://datatracker.ietf.org/doc/html/rfc7519, https://datatracker.ietf.org/doc/html/rfc7515
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
STS knows an issuer by an IAM OIDC provider, and its keys by fetching them. Here a test registers
the key (POST /_berth/issuer); with audiences it is an OIDC provider as well.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .errors import AwsError
from .identity import iam_of

if TYPE_CHECKING:
    from .world import World


@dataclass
class Known:
    """An issuer that a test has registered."""

    key: Any
    audiences: list[str] = field(default_factory=list)


class Issuers:
    """By the name that providers and condition keys have: the URL without its scheme."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.known: dict[str, Known] = {}

    def add(self, given: dict[str, Any]) -> None:
        key = serialization.load_pem_public_key(given["key"].encode())
        self.known[issuer_name(given["url"])] = Known(key, list(given.get("audiences", [])))


def issuer_name(url: str) -> str:
    return url.partition("://")[2].rstrip("/") or url


def invalid(message: str) -> AwsError:
    return AwsError("InvalidIdentityToken", message)


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token_check(world: World, account: str, token: str) -> tuple[dict[str, Any], str]:
    """The claims of a token that STS would take, and the ARN of its provider."""
    try:
        head, body, signature = token.split(".")
        header, claims, signed = json.loads(_decode(head)), json.loads(_decode(body)), _decode(
            signature)
        name = issuer_name(claims["iss"])
    except (ValueError, KeyError, TypeError):
        raise invalid("The ID Token provided is not a valid JWT. (You may see this error if you "
                      "sent an Access Token)") from None
    issuer = world.store(Issuers, account, "aws").known.get(name)
    provider = f"arn:aws:iam::{account}:oidc-provider/{name}"
    registered = iam_of(account).open_id_providers.get(provider)
    audiences = list(issuer.audiences) if issuer else []
    audiences += list(registered.client_id_list or []) if registered else []
    if registered is None and not audiences:
        raise invalid(f"No OpenIDConnect provider found in your account for {claims['iss']}")
    if issuer is None or header.get("alg") != "RS256":
        raise invalid("Couldn't retrieve verification key from your identity provider, please "
                      "reference AssumeRoleWithWebIdentity documentation for requirements")
    try:
        issuer.key.verify(signed, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise invalid("The signature of the ID Token is not its issuer's") from None
    _claims_check(claims, audiences)
    return claims, provider


def _claims_check(claims: dict[str, Any], audiences: list[str]) -> None:
    given = claims.get("aud", [])
    if not set(given if isinstance(given, list) else [given]) & set(audiences):
        raise invalid("Incorrect token audience")
    now = time.time()
    if not isinstance(claims.get("exp"), (int, float)) or not isinstance(
            claims.get("iat"), (int, float)):
        raise invalid("Missing a required claim: exp and iat must be numbers")
    if claims["exp"] < now:
        raise AwsError("ExpiredTokenException", f"Token expired: current date/time {int(now)} "
                       f"must be before the expiration date/time {int(claims['exp'])}")
    if claims["iat"] > now + 300 or claims.get("nbf", 0) > now + 300:
        raise invalid("The ID Token is not valid yet")


class Issuer:
    """An issuer with a key of its own: what a test signs tokens with."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.private = rsa.generate_private_key(65537, 2048)

    @property
    def public(self) -> str:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def token(self, **claims: Any) -> str:
        """A token for an hour, issued now; CLAIMS go over the defaults."""
        now = int(time.time())
        full = {"iss": self.url, "iat": now, "nbf": now, "exp": now + 3600, **claims}
        parts = ".".join(_encode(json.dumps(part).encode())
                         for part in ({"alg": "RS256", "typ": "JWT"}, full))
        signature = self.private.sign(parts.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{parts}.{_encode(signature)}"
