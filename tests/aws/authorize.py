"""Whether a call is allowed by the policies of who makes it: off until /_berth/enforce says so.

Held to policies is every principal, or those that are named: by those that IAM has for the user or
role, or by one that the test gives. With "log" the file of that name gets a line for each decision
that is not like one before: which action was allowed by which statements (none: it was denied), and
what "for" says of who asks.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html for the words.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from . import wire
from .errors import AwsError
from .identity import Key, iam_of, keys_of
from .permissions import (BEHALF, BEHALF_ARNS, CREATED, EC2_KINDS, FREE, LINKED_ROLES, PREFIXES,
                          TABLES, TAGGING, passed_roles)
from .policy import Question, allowing, as_list, document_read, verdict
from .registry import Call
from .resources import tags_of

if TYPE_CHECKING:
    from .world import World

# Actions that take tags for what they create, for which there is an action besides.
CREATES = ("Create", "Register", "Run", "PutMetricAlarm", "PutDashboard")


class Enforcement:
    """Who is held to policies."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.everyone = False
        self.named: dict[str, list[dict[str, Any]] | None] = {}
        self.linked: set[str] = set()  # services whose service-linked role is there
        self.log = self.asks_for = ""
        self.logged: set[str] = set()

    def configure(self, given: dict[str, Any]) -> None:
        """{"on": bool} for everyone, or {"principal": ARN, "policy": document or none}; "log" with
        "for"."""
        self.log, self.asks_for = given.get("log", self.log), given.get("for", "")
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

    def note(self, statements: list[dict[str, Any]], question: Question) -> None:
        """Log which statements allow an action."""
        sids = [s.get("Sid", "") for s in allowing(statements, question)]
        line = json.dumps([question.action, sids, self.asks_for])
        if not self.log or line in self.logged:
            return
        self.logged.add(line)
        with open(self.log, "a") as file:  # other processes do so, too
            os.write(file.fileno(), line.encode() + b"\n")


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
    linked = LINKED_ROLES.get((call.service, call.action), "")
    if key is None:
        return
    statements = enforcement.statements(key, call.account)
    if statements is None:
        enforcement.linked.add(linked)
        return
    asker = Asker(call, key, statements, enforcement)
    prefix = PREFIXES.get(call.service, call.service)
    tags = request_tags(call)
    resources = arns_of(call)
    for number, arn in enumerate(resources):
        # "ec2:CreateSecurityGroup" checks a VPC, too, which does not get the tags.
        asker.ask(f"{prefix}:{call.action}", arn,
                  {} if call.service == "ec2" and number else tags)
    if tags and call.action.startswith(CREATES) and call.action != "CreateTags":
        extra = {f"{prefix}:createaction": [call.action]}
        asker.ask(TAGGING[call.service], created_arn(call, resources[0]), tags, extra)
    for role, service in passed_roles(call.service, call.action, call.input):
        asker.ask("iam:PassRole", role, {}, {"iam:passedtoservice": [service]})
    for action in BEHALF.get((call.service, call.action), ()):
        asker.ask(action, BEHALF_ARNS.get(action, "*"), {})
    for action, arn in stack_asks(call):
        asker.ask(action, arn, {})
    if linked and not has_linked_role(call, linked):
        asker.link(linked)


def has_linked_role(call: Call, service: str) -> bool:
    """Whether the service's role is there: made by a call of that service, or by somebody."""
    enforcement: Enforcement = call.world.store(Enforcement, call.account, "aws")
    path = f"/aws-service-role/{service}/"
    return service in enforcement.linked or any(
        role.path == path for role in iam_of(call.account).roles.values())


def stack_asks(call: Call) -> list[tuple[str, str]]:
    """What CloudFormation does to make or remove a stack's topic, with its caller's permissions."""
    if call.service != "cloudformation" or call.action not in ("CreateStack", "DeleteStack"):
        return []
    from .cloudformation.model import CloudFormation
    name, body = str(call.input["StackName"]), str(call.input.get("TemplateBody", ""))
    for stack in call.store(CloudFormation).stacks.values():
        if call.action == "DeleteStack" and name in (stack.name, stack.id):
            name, body = stack.name, stack.version.body
    if "AWS::SNS::Topic" not in body:
        return []
    topic = f"arn:aws:sns:{call.region}:{call.account}:{name}-Topic"
    if call.action == "DeleteStack":
        return [("sns:DeleteTopic", topic), ("sns:Unsubscribe", "*")]
    made = ("CreateTopic", "TagResource", "GetTopicAttributes", "Subscribe")
    return [(f"sns:{action}", topic) for action in made] + [("sns:GetSubscriptionAttributes", "*")]


class Asker:
    """Asks the caller's policies, and raises the service's error where they do not allow."""

    def __init__(self, call: Call, key: Key, statements: list[dict[str, Any]],
                 enforcement: Enforcement) -> None:
        self.call, self.key, self.statements = call, key, statements
        self.enforcement = enforcement

    def link(self, service: str) -> None:
        """Have the service's role made."""
        arn = f"arn:aws:iam::{self.call.account}:role/aws-service-role/{service}/"
        try:
            self.ask("iam:CreateServiceLinkedRole", arn + "AWSServiceRole", {},
                     {"iam:awsservicename": [service]})
        except AwsError:
            # "if the user [...] doesn't have permissions to create the service-linked role, it
            # isn't created": https://docs.aws.amazon.com/AmazonECS/latest/APIReference/
            # API_CreateCluster.html; then services cannot be, says create_service().
            if self.call.service != "ecs":
                raise
            return
        self.enforcement.linked.add(service)

    def ask(self, action: str, arn: str, tags: dict[str, str],
            extra: dict[str, list[str]] | None = None) -> None:
        call, key = self.call, self.key
        user = [key.owner.rpartition("/")[2]] if ":user/" in key.owner else []
        context = {"aws:principalarn": [key.owner], "aws:principalaccount": [call.account],
                   "aws:requestedregion": [call.region], "aws:securetransport": ["false"],
                   "aws:username": user, **service_context(call), **(extra or {})}
        if tags:
            context["aws:tagkeys"] = list(tags)
        for name, value in tags.items():
            context[f"aws:requesttag/{name}".lower()] = [value]
        for name, value in tags_of(call.world, call.account, call.region, arn).items():
            context[f"aws:resourcetag/{name}".lower()] = [value]
            context[f"{call.service}:resourcetag/{name}".lower()] = [value]
        question = Question(action, arn, context)
        found = verdict(self.statements, question)
        self.enforcement.note(self.statements, question)
        if found != "Allow":
            raise denied(call, key, action, arn, explicit=found == "Deny")
        limit = "Allow" if key.limits is None else verdict(key.limits, question)
        if limit != "Allow":
            raise denied(call, key, action, arn, explicit=limit == "Deny", kind="session")


def service_context(call: Call) -> dict[str, list[str]]:
    """The condition keys that a service has of its own."""
    context: dict[str, list[str]] = {}
    if "cluster" in call.input and call.service == "ecs":
        context["ecs:cluster"] = [arn_of(call, "cluster/{cluster}", "cluster",
                                         call.input["cluster"])]
    if call.action == "ChangeResourceRecordSets":
        # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/
        # specifying-conditions-route53.html
        changes = call.input["ChangeBatch"]["Changes"]
        sets = [change["ResourceRecordSet"] for change in changes]
        key = "route53:changeresourcerecordsets"
        context[key + "normalizedrecordnames"] = [normal_name(s["Name"]) for s in sets]
        context[key + "recordtypes"] = [s["Type"] for s in sets]
        context[key + "actions"] = [change["Action"] for change in changes]
    return context


def normal_name(name: str) -> str:
    """In lower case, without the last dot, with escapes but for a-z, 0-9, -, _ and the dots."""
    name = re.sub(r"\\(\d{3})", lambda m: chr(int(m.group(1), 8)), name.lower().rstrip("."))
    return re.sub(r"[^a-z0-9._-]", lambda m: f"\\{ord(m.group()):03o}", name)


def denied(call: Call, key: Key, action: str, arn: str, explicit: bool,
           kind: str = "identity-based") -> AwsError:
    text = f"User: {key.arn} is not authorized to perform: {action}"
    text += f" on resource: {arn}" if arn != "*" else ""
    article = "an" if kind == "identity-based" else "a"
    text += (f" with an explicit deny in {article} {kind} policy" if explicit else
             f" because no {kind} policy allows the {action} action")
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
        optional, template = template.endswith("?"), template.rstrip("?")
        members = re.findall(r"\{([\w.]+)\}", template)
        member = members[-1] if members else ""
        given = values_of(call.input, member) if member else []
        if not given and not optional:
            name = "default" if member in ("cluster", "clusters", "clusterName") else "*"
            arns.append(arn_of(call, template, member, name))
        arns += [arn_of(call, template, member, str(value)) for value in given]
    return arns


def values_of(given: dict[str, Any], member: str) -> list[Any]:
    """The values of a member; of "List.Member" those of each item of the list."""
    name, _, inner = member.partition(".")
    if given.get(name) is None:
        return []
    return [item[inner] if inner else item for item in as_list(given[name])]


def created_arn(call: Call, first: str) -> str:
    """The ARN of what a call creates, which gets the tags."""
    template = CREATED.get((call.service, call.action))
    if template is None or template == "*":
        return template or first
    # A listener's is its load balancer's with another kind, a rule's its listener's.
    kind, member = re.findall(r"^([\w-]+)/\{(\w+)\}", template)[0]
    head, _, rest = str(call.input[member]).rpartition(":")
    return f"{head}:{kind}/{rest.partition('/')[2]}/*"


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
    region = "" if call.service == "iam" or text.startswith("dashboard/") else call.region
    service = "cloudwatch" if call.service == "monitoring" else call.service
    return f"arn:aws:{service}:{region}:{call.account}:{text}"


def _path_of(call: Call, name: str) -> str:
    roles = iam_of(call.account).roles.values()
    return next((role.path for role in roles if role.name == name), "/")
