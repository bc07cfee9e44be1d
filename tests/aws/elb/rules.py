"""Rules of listeners.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
"""

from __future__ import annotations

import copy
from typing import Any

from ..errors import AwsError
from ..registry import Call
from .actions import actions_make, actions_show
from .health import groups_check, groups_named
from .model import ACTIONS, Listener, Rule, page_of, refuse, store_of, tags_check

CONFIGS = {"host-header": "HostHeaderConfig", "path-pattern": "PathPatternConfig",
           "http-header": "HttpHeaderConfig", "query-string": "QueryStringConfig",
           "http-request-method": "HttpRequestMethodConfig", "source-ip": "SourceIpConfig"}
PLAIN = ("host-header", "path-pattern")  # these have Values of their own as well
VALUES_MAX = 5  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/
#                 load-balancer-limits.html


def conditions_make(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As AWS shows them: both forms of the values of a host or path."""
    conditions, count = [], 0
    if not given:
        raise refuse("At least one condition must be specified")
    for one in given:
        kind = one.get("Field", "")
        if kind not in CONFIGS:
            raise refuse(f"Condition field '{kind}' must be one of '[{', '.join(CONFIGS)}]'")
        config = copy.deepcopy(one.get(CONFIGS[kind], {}))
        if kind in PLAIN and one.get("Values") and not config:
            config = {"Values": list(one["Values"])}
        values = config.get("Values") or config.get("RegexValues")
        if not values:
            raise refuse("A condition value must be specified")
        if kind == "http-header" and "HttpHeaderName" not in config:
            raise refuse("An HTTP header name must be specified")
        count += len(values)
        shown = {"Field": kind, CONFIGS[kind]: config}
        if kind in PLAIN and "Values" in config:
            shown["Values"] = list(config["Values"])
        conditions.append(shown)
    if count > VALUES_MAX:
        raise refuse(f"Rules can have a maximum of '{VALUES_MAX}' condition values")
    return conditions


def rule_show(rule: Rule) -> dict[str, Any]:
    return {"RuleArn": rule.arn, "Priority": rule.priority,
            "Conditions": copy.deepcopy(rule.conditions), "IsDefault": rule.priority == "default",
            "Actions": actions_show(rule.actions), "Transforms": copy.deepcopy(rule.transforms)}


@ACTIONS.action("CreateRule")
def create(call: Call) -> dict[str, Any]:
    elb, given = store_of(call), call.input
    listener = elb.listener(given["ListenerArn"])
    conditions = conditions_make(given["Conditions"])
    actions = actions_make(elb, listener.balancer, given["Actions"])
    priority = str(given["Priority"])
    if any(rule.priority == priority for rule in listener.rules):
        raise AwsError("PriorityInUse", f"Priority '{priority}' is currently in use")
    if len(listener.rules) > 100:
        raise AwsError("TooManyRules", "You've reached the limit on the number of rules per load "
                       "balancer")
    rule = Rule(elb.child_arn(listener.arn, "listener-rule", "listener"), priority, conditions,
                actions, tags_check(given.get("Tags", [])), given.get("Transforms", []))
    listener.rules.append(rule)
    groups_check(elb, groups_named(elb, actions))
    return {"Rules": [rule_show(rule)]}


def _in_order(listener: Listener) -> list[Rule]:
    return sorted(listener.rules, key=lambda r: int(r.priority) if r.priority.isdigit()
                  else 1 << 20)


@ACTIONS.action("DescribeRules")
def describe(call: Call) -> dict[str, Any]:
    elb, given = store_of(call), call.input
    if "RuleArns" in given:
        found = [elb.rule(arn)[1] for arn in given["RuleArns"]]
    elif "ListenerArn" in given:
        found = _in_order(elb.listener(given["ListenerArn"]))
    else:
        raise refuse("You must specify either listener rule ARNs or a listener ARN")
    page, more = page_of(found, call)
    return {"Rules": [rule_show(rule) for rule in page], **more}


def _not_default(rule: Rule) -> None:
    if rule.priority == "default":
        raise AwsError("OperationNotPermitted",
                       f"Default rule '{rule.arn}' cannot be modified or deleted")


@ACTIONS.action("ModifyRule")
def modify(call: Call) -> dict[str, Any]:
    elb, given = store_of(call), call.input
    listener, rule = elb.rule(given["RuleArn"])
    _not_default(rule)
    conditions, actions = rule.conditions, rule.actions
    if "Conditions" in given:
        conditions = conditions_make(given["Conditions"])
    if "Actions" in given:
        actions = actions_make(elb, listener.balancer, given["Actions"])
    touched = groups_named(elb, rule.actions) + groups_named(elb, actions)
    rule.conditions, rule.actions = conditions, actions
    if given.get("ResetTransforms"):
        rule.transforms = []
    rule.transforms = given.get("Transforms", rule.transforms)
    groups_check(elb, touched)
    return {"Rules": [rule_show(rule)]}


@ACTIONS.action("DeleteRule")
def delete(call: Call) -> dict[str, Any]:
    elb = store_of(call)
    listener, rule = elb.rule(call.input["RuleArn"])
    _not_default(rule)
    listener.rules.remove(rule)
    groups_check(elb, groups_named(elb, rule.actions))
    return {}


@ACTIONS.action("SetRulePriorities")
def set_priorities(call: Call) -> dict[str, Any]:
    """All at once: rules may take each other's priority in one call."""
    elb = store_of(call)
    wanted = {one["RuleArn"]: str(one["Priority"]) for one in call.input["RulePriorities"]}
    found = [elb.rule(arn) for arn in wanted]
    for _, rule in found:
        _not_default(rule)
    for listener in {id(one): one for one, _ in found}.values():
        after = [wanted.get(rule.arn, rule.priority) for rule in listener.rules]
        taken = next((p for p in after if after.count(p) > 1), None)
        if taken is not None:
            raise AwsError("PriorityInUse", f"Priority '{taken}' is currently in use")
    for _, rule in found:
        rule.priority = wanted[rule.arn]
    return {"Rules": [rule_show(rule) for _, rule in found]}
