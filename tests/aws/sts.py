"""STS: who calls, and sessions of roles that exist.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .errors import AwsError
from .registry import Call, Service

if TYPE_CHECKING:
    from .world import World

ACTIONS = Service("sts", throttle=("Throttling", 400), invalid="ValidationError")
SESSION = re.compile(r"[\w+=,.@-]{2,64}")


class Sessions:
    """The access keys that AssumeRole gave out."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account = world, account
        self.keys: dict[str, dict[str, Any]] = {}

    def principal(self, access_key: str) -> str:
        """The ARN behind an access key; a key that is not known is the account's user."""
        if access_key in self.keys:
            return str(self.keys[access_key]["arn"])
        return f"arn:aws:iam::{self.account}:user/berth"


def sessions_of(call: Call) -> Sessions:
    return call.world.store(Sessions, call.account, "aws")


@ACTIONS.action("GetCallerIdentity")
def get_caller_identity(call: Call) -> dict[str, Any]:
    session = sessions_of(call).keys.get(call.access_key)
    return {"Account": call.account, "Arn": call.principal,
            "UserId": session["id"] if session else "AIDAIOSFODNN7EXAMPLE"}


def role_find(call: Call, arn: str) -> Any:
    from moto.iam.models import iam_backends
    roles = iam_backends[call.account]["aws"].roles.values()
    return next((role for role in roles if role.arn == arn), None)


def session_create(call: Call, role: Any, extra: dict[str, Any]) -> dict[str, Any]:
    """Keys of a session, and the answer that hands them out."""
    name, seconds = call.input["RoleSessionName"], call.input.get("DurationSeconds", 3600)
    if not SESSION.fullmatch(name):
        raise AwsError("ValidationError", f"Value '{name}' at 'roleSessionName' failed to satisfy "
                       "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*")
    longest = int(getattr(role, "max_session_duration", None) or 3600)
    if not 900 <= seconds <= longest:
        raise AwsError("ValidationError", "The requested DurationSeconds exceeds the "
                       "MaxSessionDuration set for this role.")
    world = call.world
    key = "ASIA" + world.hex(16).upper()
    arn = f"arn:aws:sts::{call.account}:assumed-role/{role.name}/{name}"
    # Credentials live in the clients' time, which is the real one.
    ends = datetime.now(timezone.utc).timestamp() + seconds
    credentials = {"AccessKeyId": key, "SecretAccessKey": world.hex(40),
                   "SessionToken": "FwoGZXIvYXdzE" + world.hex(120),
                   "Expiration": datetime.fromtimestamp(int(ends), timezone.utc)}
    sessions_of(call).keys[key] = {"arn": arn, "id": f"{role.id}:{name}", "ends": ends,
                                   "token": credentials["SessionToken"]}
    return {"Credentials": credentials, "PackedPolicySize": 0, **extra,
            "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{name}", "Arn": arn}}


@ACTIONS.action("AssumeRole")
def assume_role(call: Call) -> dict[str, Any]:
    role = role_find(call, call.input["RoleArn"])
    if role is None:
        raise AwsError("AccessDenied", f"User: {call.principal} is not authorized to perform: "
                       f"sts:AssumeRole on resource: {call.input['RoleArn']}", 403)
    return session_create(call, role, {})


@ACTIONS.action("AssumeRoleWithWebIdentity")
def assume_role_with_web_identity(call: Call) -> dict[str, Any]:
    """The token must be a JWT in its time; https://datatracker.ietf.org/doc/html/rfc7519"""
    claims = _claims(call.input["WebIdentityToken"])
    role = role_find(call, call.input["RoleArn"])
    if role is None:
        raise AwsError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity",
                       403)
    return session_create(call, role, {
        "SubjectFromWebIdentityToken": claims.get("sub", ""), "Provider": claims.get("iss", ""),
        "Audience": claims.get("aud", "")})


def _claims(token: str) -> dict[str, Any]:
    import base64
    import json
    import time
    try:
        part = token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        raise AwsError("InvalidIdentityToken",
                       "The ID Token provided is not a valid JWT. (You may see this error if you "
                       "sent an Access Token)") from None
    if claims.get("exp", 0) < time.time():
        raise AwsError("ExpiredTokenException", "Token expired: current date/time must be before "
                       "the expiration date/time")
    return claims
