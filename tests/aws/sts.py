"""STS: who calls, and sessions of roles whose trust policies allow it.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from . import jwt, policy
from .errors import AwsError
from .identity import Key, keys_of, role_named
from .registry import Call, Service

ACTIONS = Service("sts", throttle=("Throttling", 400), invalid="ValidationError")
SESSION = re.compile(r"[\w+=,.@-]{2,64}")
CHAINED_SECONDS = 3600  # "role chaining limits your ... session to a maximum of one hour"


@ACTIONS.action("GetCallerIdentity")
def get_caller_identity(call: Call) -> dict[str, Any]:
    key = keys_of(call.world).find(call.access_key)
    assert key is not None  # it has signed this request
    return {"Account": call.account, "Arn": key.arn, "UserId": key.user_id}


def trusts(call: Call, role: Any, action: str, principals: dict[str, set[str]],
           context: dict[str, list[str]]) -> bool:
    """Whether a role's trust policy lets these principals take it on."""
    statements = policy.document_read(role.assume_role_policy_document)
    question = policy.Question(action, role.arn, context, principals)
    return policy.verdict(statements, question) == "Allow"


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
    key = keys_of(call.world).session(role, name, seconds, limits_of(call))
    return {"Credentials": credentials_show(key), "PackedPolicySize": 0, **extra,
            "AssumedRoleUser": {"AssumedRoleId": key.user_id, "Arn": key.arn}}


def limits_of(call: Call) -> list[dict[str, Any]] | None:
    """The session policy: what the session may is what it and the role's policies both allow.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
    """
    if "Policy" not in call.input:
        return None
    try:
        return policy.document_read(call.input["Policy"])
    except (ValueError, AttributeError):
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json") from None


def credentials_show(key: Key) -> dict[str, Any]:
    assert key.ends is not None
    return {"AccessKeyId": key.id, "SecretAccessKey": key.secret, "SessionToken": key.token,
            "Expiration": datetime.fromtimestamp(key.ends, timezone.utc)}


@ACTIONS.action("AssumeRole")
def assume_role(call: Call) -> dict[str, Any]:
    """The trust policy must name the caller, its role or user, or the whole account."""
    arn, key = call.input["RoleArn"], keys_of(call.world).find(call.access_key)
    assert key is not None
    role = role_named(call.account, arn) if arn.startswith("arn:") else None
    principals = {"AWS": {key.arn, key.owner, call.account, f"arn:aws:iam::{call.account}:root"}}
    context = {"aws:principalarn": [key.owner], "aws:principalaccount": [call.account],
               "sts:rolesessionname": [call.input["RoleSessionName"]]}
    if "ExternalId" in call.input:
        context["sts:externalid"] = [call.input["ExternalId"]]
    if role is None or not trusts(call, role, "sts:AssumeRole", principals, context):
        raise AwsError("AccessDenied", f"User: {key.arn} is not authorized to perform: "
                       f"sts:AssumeRole on resource: {arn}", 403)
    if key.token is not None and call.input.get("DurationSeconds", 0) > CHAINED_SECONDS:
        raise AwsError("ValidationError", "The requested DurationSeconds exceeds the 1 hour "
                       "session limit for roles assumed by role chaining.")
    return session_create(call, role, {})


@ACTIONS.action("AssumeRoleWithWebIdentity")
def assume_role_with_web_identity(call: Call) -> dict[str, Any]:
    """The token must be an issuer's whom the account knows; the trust policy sees its claims."""
    claims, provider = jwt.token_check(call.world, call.account, call.input["WebIdentityToken"])
    role = role_named(call.account, call.input["RoleArn"])
    issuer = jwt.issuer_name(claims["iss"])
    context = {f"{issuer}:{name}".lower(): [str(v) for v in policy.as_list(value)]
               for name, value in claims.items()}
    context["sts:rolesessionname"] = [call.input["RoleSessionName"]]
    if role is None or not trusts(call, role, "sts:AssumeRoleWithWebIdentity",
                                  {"Federated": {provider}}, context):
        raise AwsError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity",
                       403)
    return session_create(call, role, {
        "SubjectFromWebIdentityToken": claims.get("sub", ""), "Provider": provider,
        "Audience": str(policy.as_list(claims["aud"])[0])})
