"""IAM's simulator: what a user's or role's policies say of actions on resources.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import json
from typing import Any

from .authorize import Enforcement, policies_of
from .errors import AwsError
from .identity import iam_of, keys_of
from .policy import Question, document_read, verdict
from .registry import Call

EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", None: "implicitDeny"}


def statements_of(call: Call, arn: str) -> list[dict[str, Any]]:
    """What a principal is held to; one of the tests' own that is held to nothing may do all."""
    enforcement: Enforcement = call.world.store(Enforcement, call.account, "aws")
    caller = keys_of(call.world).owned_by(arn)
    iam = iam_of(call.account)
    known = any(h.arn == arn for h in [*iam.roles.values(), *iam.users.values()])
    if caller is not None:
        held = enforcement.statements(caller, call.account)
        return EVERYTHING if held is None else held
    if not known:
        raise AwsError("NoSuchEntity", f"The principal {arn} cannot be found.", 404)
    return policies_of(call.account, arn)


def contexts(given: dict[str, Any]) -> dict[str, list[str]]:
    return {entry["ContextKeyName"].lower(): entry["ContextKeyValues"]
            for entry in given.get("ContextEntries", [])}


def simulate(call: Call) -> dict[str, Any]:
    """A result for each action on each resource."""
    given = call.input
    statements = list(statements_of(call, given["PolicySourceArn"]))
    for text in given.get("PolicyInputList", []):
        try:
            statements += document_read(text)
        except json.JSONDecodeError:
            raise AwsError("InvalidInput", "Policy document is not valid JSON") from None
    results = []
    for action in given["ActionNames"]:
        for arn in given.get("ResourceArns") or ["*"]:
            question = Question(action, arn, contexts(given))
            found = verdict(statements, question)
            # Who asks of itself does not try what it may not, so that this is the denial.
            if found != "Allow" and keys_of(call.world).owned_by(given["PolicySourceArn"]):
                call.world.store(Enforcement, call.account, "aws").note(statements, question)
            results.append({"EvalActionName": action, "EvalResourceName": arn,
                            "EvalDecision": DECISIONS[found], "MissingContextValues": []})
    limit, start = given.get("MaxItems", 100), int(given.get("Marker") or 0)
    limit = min(limit, call.world.page_size or limit)
    more = start + limit < len(results)
    return {"EvaluationResults": results[start:start + limit], "IsTruncated": more,
            **({"Marker": str(start + limit)} if more else {})}
