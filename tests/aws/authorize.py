"""Whether a call is allowed by the policies of who makes it: off until /_berth/enforce says so.

Held to policies is every principal, or those that are named: by those that IAM has for the user or
role, or by one that the test gives.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html for the words.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from . import wire
from .errors import AwsError
from .identity import Key, iam_of, keys_of
from .permissions import EC2_KINDS, FREE, PREFIXES, TABLES, TAGGING, passed_roles
from .policy import Question, as_list, document_read, verdict
from .registry import Call
from .resources import tags_of

if TYPE_CHECKING:
    from .world import World


class Enforcement:
    """Who is held to policies."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.everyone = False
        self.named: dict[str, list[dict[str, Any]] | None] = {}

    def configure(self, given: dict[str, Any]) -> None:
        """{"on": bool} for everyone, or {"principal": ARN, "policy": document or none}."""
        if "principal" in given:
            document = given.get("policy")
            self.named[given["principal"]] = document_read(json.dumps(document)) \
                if document else None
        else:
            self.everyone = bool(given["on"])
            if not self.everyone:
                self.named.clear()

    def statements(self, key: Key, account: str) -> list[dict[str, Any]] | None:
        """What the caller is held to; None if it is not held to anything."""
        if key.owner in self.named:
            given = self.named[key.owner]
            return policies_of(account, key.owner) if given is None else given
        return policies_of(account, key.owner) if self.everyone else None


def policies_of(account: str, arn: str) -> list[dict[str, Any]]:
    """The statements of all of a role's or user's policies in IAM."""
    iam = iam_of(account)
    holders = [h for h in [*iam.roles.values(), *iam.users.values()] if h.arn == arn]
    holders += [g for g in iam.groups.values() if any(u.arn == arn for u in g.users)]
    statements = []
    for holder in holders:
        inline = holder.policies
        texts = [p["policy_document"] if isinstance(p, dict) else p
                 for p in (inline.values() if isinstance(inline, dict) else inline)]
        texts += [p.document for p in holder.managed_policies.values()]
        for text in texts:
            statements += document_read(text)
    return statements


def authorize(call: Call) -> None:
    """Raise the service's error if the caller's policies do not allow the call."""
    if (call.service, call.action) in FREE:
        return
    key = keys_of(call.world).find(call.access_key)
    enforcement: Enforcement = call.world.store(Enforcement, call.account, "aws")
    if key is None:
        return
    statements = enforcement.statements(key, call.account)
    if statements is None:
        return
    prefix = PREFIXES.get(call.service, call.service)
    tags = request_tags(call)
    resources = arns_of(call)
    for arn in resources:
        _ask(call, key, statements, f"{prefix}:{call.action}", arn, tags)
    if tags and call.action.startswith(("Create", "Register", "Run")) and \
            call.action != "CreateTags":
        extra = {f"{prefix}:createaction": [call.action]}
        _ask(call, key, statements, TAGGING[call.service], resources[0], tags, extra)
    for role, service in passed_roles(call.service, call.action, call.input):
        _ask(call, key, statements, "iam:PassRole", role, {},
             {"iam:passedtoservice": [service]})


def _ask(call: Call, key: Key, statements: list[dict[str, Any]], action: str, arn: str,
         tags: dict[str, str], extra: dict[str, list[str]] | None = None) -> None:
    context = {"aws:principalarn": [key.owner], "aws:principalaccount": [call.account],
               "aws:requestedregion": [call.region], "aws:securetransport": ["false"],
               "aws:username": [key.owner.rpartition("/")[2]] if ":user/" in key.owner else [],
               **(extra or {})}
    if tags:
        context["aws:tagkeys"] = list(tags)
    for name, value in tags.items():
        context[f"aws:requesttag/{name}".lower()] = [value]
    if "cluster" in call.input and call.service == "ecs":
        context["ecs:cluster"] = [arn_of(call, "cluster/{cluster}", "cluster",
                                         call.input["cluster"])]
    for name, value in tags_of(call.world, call.account, call.region, arn).items():
        context[f"aws:resourcetag/{name}".lower()] = [value]
        context[f"{call.service}:resourcetag/{name}".lower()] = [value]
    found = verdict(statements, Question(action, arn, context))
    if found != "Allow":
        raise denied(call, key, action, arn, explicit=found == "Deny")


def denied(call: Call, key: Key, action: str, arn: str, explicit: bool) -> AwsError:
    text = f"User: {key.arn} is not authorized to perform: {action}"
    text += f" on resource: {arn}" if arn != "*" else ""
    text += (" with an explicit deny in an identity-based policy" if explicit else
             f" because no identity-based policy allows the {action} action")
    protocol = wire.model_load(call.service).protocol
    if protocol == "json":
        return AwsError("AccessDeniedException", text, 400)
    if protocol == "ec2":
        return AwsError("UnauthorizedOperation", "You are not authorized to perform this "
                        f"operation. {text}. Encoded authorization failure message: "
                        f"{call.world.hex(64)}", 403)
    return AwsError("AccessDenied", text, 403)


# --- which resources, with which tags ---

def request_tags(call: Call) -> dict[str, str]:
    """The tags that a call brings, whatever the service calls them."""
    given = call.input
    sets = [given.get("tags"), given.get("Tags")]
    sets += [s.get("Tags") for s in given.get("TagSpecifications", [])]
    tags: dict[str, str] = {}
    for one in sets:
        if isinstance(one, dict):
            tags.update(one)
        for tag in one if isinstance(one, list) else []:
            tags[tag.get("Key", tag.get("key", ""))] = tag.get("Value", tag.get("value", ""))
    return tags


def arns_of(call: Call) -> list[str]:
    """The ARNs that the call is checked against; one that nobody can name if it is not known."""
    templates = TABLES.get(call.service, {}).get(call.action)
    if templates is None:
        return [f"arn:aws:{call.service}:::unknown-to-this-endpoint"]
    arns: list[str] = []
    for template in (templates,) if isinstance(templates, str) else templates:
        members = re.findall(r"\{(\w+)\}", template)
        if not members or call.input.get(members[-1]) is None:
            last = f"{{{members[-1]}}}" if members else ""
            name = "default" if last in ("{cluster}", "{clusters}", "{clusterName}") else "*"
            arns.append(arn_of(call, template, members[-1] if members else "", name))
            continue
        for value in as_list(call.input[members[-1]]):
            arns.append(arn_of(call, template, members[-1], str(value)))
    return arns


def arn_of(call: Call, template: str, member: str, value: str) -> str:
    """One ARN: TEMPLATE with VALUE for its last member."""
    if value.startswith("arn:"):
        return value
    if template == "*":
        return "*"
    if call.service == "ec2" and member == "Resources":
        template = f"{EC2_KINDS.get(value.partition('-')[0], '*')}/{{Resources}}"
    if call.service == "iam" and member == "RoleName":
        value = call.input.get("Path", _path_of(call, value)).lstrip("/") + value
    if call.service == "ssm":
        value = value.lstrip("/")
    cluster = str(call.input.get("cluster", "default")).rpartition("/")[2]
    text = template.replace(f"{{{member}}}", value).replace("{cluster}", cluster)
    text = re.sub(r"\{(\w+)\}", lambda m: str(call.input.get(m.group(1), "*")), text)
    if call.service == "route53":
        return f"arn:aws:route53:::{text}"
    region = "" if call.service == "iam" else call.region
    return f"arn:aws:{call.service}:{region}:{call.account}:{text}"


def _path_of(call: Call, name: str) -> str:
    roles = iam_of(call.account).roles.values()
    return next((role.path for role in roles if role.name == name), "/")
