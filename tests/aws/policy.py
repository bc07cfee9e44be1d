"""IAM's policy language: whether a document allows or denies one request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
A condition operator that is not known here makes its statement allow nothing and deny everything.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Test = Callable[[str, str], bool]


@dataclass
class Question:
    """One request as policies see it. CONTEXT: condition keys, in lower case, with their values."""

    action: str
    resource: str
    context: dict[str, list[str]] = field(default_factory=dict)
    principals: dict[str, set[str]] = field(default_factory=dict)  # "AWS": the caller's ARNs, ...


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def document_read(text: str) -> list[dict[str, Any]]:
    """The statements of a policy, which IAM may have URL-encoded."""
    document = json.loads(unquote(text) if text.startswith("%7B") else text)
    return as_list(document.get("Statement", []))


@functools.lru_cache(1024)
def _pattern(text: str, fold: bool) -> re.Pattern[str]:
    expression = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if fold else 0))


def like(pattern: str, value: str, fold: bool = False) -> bool:
    """IAM's wildcards: * is any characters, ? is one."""
    return bool(_pattern(str(pattern), fold).fullmatch(str(value)))


def verdict(statements: list[dict[str, Any]], question: Question) -> str | None:
    """"Deny" if any statement denies, else "Allow" if one allows, else None."""
    found = None
    for statement in statements:
        effect = statement.get("Effect")
        if not _applies(statement, question, effect == "Deny"):
            continue
        if effect == "Deny":
            return "Deny"
        found = "Allow"
    return found


def allowing(statements: list[dict[str, Any]], question: Question) -> list[dict[str, Any]]:
    """The statements that allow it, each for itself."""
    return [s for s in statements if s.get("Effect") == "Allow" and _applies(s, question, False)]


def _applies(statement: dict[str, Any], question: Question, deny: bool) -> bool:
    if not _named(statement, "Action", question.action, fold=True):
        return False
    if ("Resource" in statement or "NotResource" in statement) and not _named(
            statement, "Resource", question.resource):
        return False
    if "Principal" in statement and not _principal(statement["Principal"], question):
        return False
    if "NotPrincipal" in statement and _principal(statement["NotPrincipal"], question):
        return False
    return all(_condition(operator, key, as_list(values), question, deny)
               for operator, keys in statement.get("Condition", {}).items()
               for key, values in keys.items())


def _named(statement: dict[str, Any], member: str, value: str, fold: bool = False) -> bool:
    if member in statement:
        return any(like(p, value, fold) for p in as_list(statement[member]))
    return not any(like(p, value, fold) for p in as_list(statement.get("Not" + member, "*")))


def _principal(given: Any, question: Question) -> bool:
    """By equality: a principal has no wildcards but a lone *."""
    if given == "*":
        return True
    for kind, names in given.items():
        known = question.principals.get(kind, set())
        if any(name in known or (name == "*" and known) for name in as_list(names)):
            return True
    return False


# --- conditions ---

def _number(test: Callable[[float, float], bool]) -> Test:
    return lambda want, have: test(float(have), float(want))


OPERATORS: dict[str, Test] = {
    "StringEquals": lambda want, have: want == have,
    "StringEqualsIgnoreCase": lambda want, have: want.lower() == have.lower(),
    "StringLike": lambda want, have: like(want, have),
    "ArnEquals": lambda want, have: like(want, have),
    "ArnLike": lambda want, have: like(want, have),
    "Bool": lambda want, have: want.lower() == have.lower(),
    "NumericEquals": _number(lambda have, want: have == want),
    "NumericLessThan": _number(lambda have, want: have < want),
    "NumericLessThanEquals": _number(lambda have, want: have <= want),
    "NumericGreaterThan": _number(lambda have, want: have > want),
    "NumericGreaterThanEquals": _number(lambda have, want: have >= want),
}
NEGATED = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike",
           "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase", "ArnNotEquals": "ArnEquals",
           "ArnNotLike": "ArnLike", "NumericNotEquals": "NumericEquals"}


def _condition(operator: str, key: str, values: list[Any], question: Question,
               unknown: bool) -> bool:
    """One line of a condition; UNKNOWN is the answer for an operator that is not known here."""
    qualifier, _, name = operator.rpartition(":")
    optional = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    have = question.context.get(key.lower(), [])
    if name == "Null":
        return all((str(v).lower() == "true") == (not have) for v in values)
    if name not in OPERATORS and name not in NEGATED:
        return unknown
    if not have:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/
        # reference_policies_condition-single-vs-multi-valued-context-keys.html
        return optional or qualifier == "ForAllValues" or (name in NEGATED and not qualifier)
    test = OPERATORS[NEGATED.get(name, name)]
    want = [_variables(str(v), question) for v in values]
    fits = [any(test(w, h) for w in want) != (name in NEGATED) for h in have]
    return any(fits) if qualifier == "ForAnyValue" else all(fits)


def _variables(text: str, question: Question) -> str:
    """${aws:username} and its like; one that has no value matches nothing."""
    def value(found: re.Match[str]) -> str:
        values = question.context.get(found.group(1).lower(), [])
        return values[0] if len(values) == 1 else "\0"
    return re.sub(r"\$\{([\w:/-]+)\}", value, text)
