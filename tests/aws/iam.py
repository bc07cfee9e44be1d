"""IAM: trust policies that are policies; pages. The rest is moto's.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from .errors import AwsError
from .identity import iam_of, keys_of, role_named
from .newborn import is_new_role
from .registry import Call, Raw, Service
from .simulate import simulate

ACTIONS = Service("iam", throttle=("Throttling", 400), invalid="ValidationError")
PRINCIPALS = {"AWS", "Service", "Federated", "CanonicalUser"}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
TRUST_SIZE, INLINE_SIZE = 2048, 10240
SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")


def malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", message)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def trust_check(call: Call, text: str) -> None:
    """Raise MalformedPolicyDocument unless TEXT is a policy that can be a role's trust policy."""
    try:
        document = json.loads(unquote(text) if text.startswith("%7B") else text)
    except ValueError:
        raise malformed("This policy contains invalid Json") from None
    if not isinstance(document, dict) or "Statement" not in document:
        raise malformed("Syntax errors in policy.")
    if set(document) - {"Version", "Id", "Statement"} or \
            document.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        raise malformed("Syntax errors in policy.")
    for statement in _list(document["Statement"]):
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise malformed("Syntax errors in policy.")
        if "Resource" in statement or "NotResource" in statement:
            raise malformed("Has prohibited field Resource")
        _actions_check(statement)
        _principal_check(call, statement)
    if size_of(text) > TRUST_SIZE:  # kubeflow/kubeflow#6687
        raise AwsError("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {TRUST_SIZE}", 409)


def size_of(document: str) -> int:
    """IAM does not count white space: reference_iam-quotas.html."""
    return len(re.sub(r"\s", "", unquote(document)))


def _actions_check(statement: dict[str, Any]) -> None:
    actions = _list(statement.get("Action", statement.get("NotAction", [])))
    if not actions:
        raise malformed("Missing required field Action")
    for action in actions:
        if not str(action).startswith("sts:") and action != "*":
            raise malformed("AssumeRole policy may only specify STS AssumeRole actions.")


def _principal_check(call: Call, statement: dict[str, Any]) -> None:
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if principal is None:
        raise malformed("Missing required field Principal")
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal or set(principal) - PRINCIPALS:
        raise malformed("Invalid principal in policy")
    for name in _list(principal.get("Service", [])):
        if not SERVICE.fullmatch(str(name)):
            raise malformed(f"Invalid principal in policy: \"SERVICE\":\"{name}\"")
    for name in _list(principal.get("AWS", [])):
        if not _is_known(call, str(name)):
            raise malformed(f"Invalid principal in policy: \"AWS\":\"{name}\"")


def _is_known(call: Call, principal: str) -> bool:
    """Whether a role or user of this account is there, and known to be: IAM keeps its unique id
    instead of its name (hashicorp/terraform-provider-aws#8905, hashicorp/terraform#7076)."""
    if not re.fullmatch(rf"arn:aws:iam::{call.account}:(role|user)/.+", principal):
        return True
    users = [user.arn for user in iam_of(call.account).users.values()]
    there = role_named(call.account, principal) or principal in users or \
        keys_of(call.world).owned_by(principal)
    return bool(there) and not is_new_role(call.world, call.account, principal)


@ACTIONS.action("CreateRole")
def create_role(call: Call) -> Raw:
    trust_check(call, call.input["AssumeRolePolicyDocument"])
    return call.forward()


@ACTIONS.action("UpdateAssumeRolePolicy")
def update_trust(call: Call) -> Raw:
    trust_check(call, call.input["PolicyDocument"])
    return call.forward()


@ACTIONS.action("PutRolePolicy")
def put_policy(call: Call) -> Raw:
    """All of a role's inline policies together have a limit: serverless/serverless#7643."""
    name, role = call.input["RoleName"], role_named(call.account, call.input["RoleName"])
    policies = {**(role.policies if role else {}),
                call.input["PolicyName"]: call.input["PolicyDocument"]}
    if sum(size_of(document) for document in policies.values()) > INLINE_SIZE:
        raise AwsError("LimitExceeded", f"Maximum policy size of {INLINE_SIZE} bytes exceeded for "
                       f"role {name}", 409)
    return call.forward()


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
LINKED = {"ecs.amazonaws.com": "AWSServiceRoleForECS",
          "elasticache.amazonaws.com": "AWSServiceRoleForElastiCache",
          "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing"}


@ACTIONS.action("CreateServiceLinkedRole")
def create_linked_role(call: Call) -> Raw:
    """One for each service; moto derives another name than AWS from the service's."""
    service, suffix = call.input["AWSServiceName"], call.input.get("CustomSuffix", "")
    roles = iam_of(call.account).roles.values()
    path = f"/aws-service-role/{service}/"
    wanted = LINKED.get(service, "") + (f"_{suffix}" if suffix else "")
    if wanted and any(role.path == path and role.name == wanted for role in roles):
        raise AwsError("InvalidInput", f"Service role name {wanted} has been taken in this "
                       "account, please try a different suffix.")
    raw = call.forward()
    made = next((r for r in roles if r.path == path and r.name != wanted), None)
    if raw.status >= 300 or not wanted or made is None:
        return raw
    body = raw.body.replace(made.name.encode(), wanted.encode())
    made.name = wanted
    return Raw(raw.status, raw.headers, body)


ACTIONS.action("SimulatePrincipalPolicy")(simulate)


def managed_policies_load(call: Call) -> Raw:
    """AWS's own policies are many: they are read when one is first named."""
    from moto.iam.models import AWSManagedPolicy, aws_managed_policies_data, iam_backends
    iam = iam_backends[call.account]["aws"]
    named = call.input.get("PolicyArn", "").startswith("arn:aws:iam::aws:policy/")
    if (named or call.action == "ListPolicies") and not iam.aws_managed_policies:
        iam.aws_managed_policies = [
            AWSManagedPolicy.from_data(name, call.account, "aws", data)
            for name, data in json.loads(aws_managed_policies_data).items()]
        iam.managed_policies.update({p.arn: p for p in iam.aws_managed_policies})
    return call.forward()


for _action in ("AttachRolePolicy", "DetachRolePolicy", "GetPolicy", "GetPolicyVersion",
                "ListPolicies", "ListPolicyVersions", "ListEntitiesForPolicy"):
    ACTIONS.action(_action)(managed_policies_load)


@ACTIONS.action("ListRolePolicies")
def list_role_policies(call: Call) -> dict[str, Any] | Raw:
    """Paged as AWS does, which moto does not."""
    from moto.iam.models import iam_backends
    roles = iam_backends[call.account]["aws"].roles.values()
    role = next((r for r in roles if r.name == call.input["RoleName"]), None)
    if role is None:
        return call.forward()
    names = sorted(role.policies)
    limit, start = call.input.get("MaxItems", 100), int(call.input.get("Marker") or 0)
    page, more = names[start:start + limit], start + limit < len(names)
    return {"PolicyNames": page, "IsTruncated": more,
            **({"Marker": str(start + limit)} if more else {})}
