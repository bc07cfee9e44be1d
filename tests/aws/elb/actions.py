"""What a listener or a rule does with a request: checked, completed, and shown as AWS does.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html
"""

from __future__ import annotations

import copy
from typing import Any

from ..errors import AwsError
from .model import Balancer, Elb, refuse, targets_of

REDIRECT = {"Protocol": "#{protocol}", "Port": "#{port}", "Host": "#{host}", "Path": "/#{path}",
            "Query": "#{query}"}
CONFIGS = {"forward": "ForwardConfig", "redirect": "RedirectConfig",
           "fixed-response": "FixedResponseConfig"}


def actions_make(elb: Elb, balancer: Balancer, given: list[dict[str, Any]],
                 ) -> list[dict[str, Any]]:
    """GIVEN with AWS's defaults, or the error: exactly one final action, of a known kind."""
    if len(given) != 1:
        raise refuse("You must specify exactly one of: forward, redirect, fixed-response")
    action = copy.deepcopy(given[0])
    kind = action["Type"]
    if kind not in CONFIGS:
        raise AwsError("InvalidLoadBalancerAction", f"The action type '{kind}' is not valid with "
                       "this endpoint")
    if kind == "forward":
        _forward(elb, balancer, action)
    elif CONFIGS[kind] not in action:
        raise refuse(f"A {CONFIGS[kind]} must be specified for an action of type '{kind}'")
    if kind == "redirect":
        action["RedirectConfig"] = {**REDIRECT, **action["RedirectConfig"]}
    return [action]


def _forward(elb: Elb, balancer: Balancer, action: dict[str, Any]) -> None:
    """TargetGroupArn and ForwardConfig say the same where there is one target group."""
    config = action.setdefault("ForwardConfig", {})
    single = action.pop("TargetGroupArn", None)
    targets = config.get("TargetGroups") or ([{"TargetGroupArn": single}] if single else [])
    if not targets:
        raise refuse("A target group ARN must be specified")
    if single and [t["TargetGroupArn"] for t in targets] != [single]:
        raise refuse("TargetGroupArn and ForwardConfig must name the same target group")
    if len(targets) > 5:
        raise AwsError("TooManyTargetGroups", "A forward action has at most 5 target groups")
    for target in targets:
        group = elb.group(target["TargetGroupArn"])
        if any(user is not balancer for user in elb.users(group)):
            raise AwsError("TargetGroupAssociationLimit", "The following target groups cannot be "
                           f"associated with more than one load balancer: {group.arn}")
        if group.fields["VpcId"] != balancer.fields["VpcId"]:
            raise AwsError("InvalidConfigurationRequest", "The target group is not in the load "
                           "balancer's VPC")
        if not 0 <= target.setdefault("Weight", 1) <= 999:
            raise refuse("A weight must be between 0 and 999")
    config["TargetGroups"] = targets
    config.setdefault("TargetGroupStickinessConfig", {}).setdefault("Enabled", False)


def loop_check(action: dict[str, Any], protocol: str, port: int) -> None:
    """A redirect to where the request came to would go on for ever: another query is no other
    place, https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/
    API_RedirectActionConfig.html."""
    config = action.get("RedirectConfig")
    if config is None:
        return
    to = {"Protocol": protocol, "Port": str(port)}
    if all(config[m] in (REDIRECT[m], to.get(m)) for m in REDIRECT if m != "Query"):
        raise AwsError("InvalidLoadBalancerAction", "The redirect configuration is not valid "
                       "because it creates a loop.")


def actions_show(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shown = copy.deepcopy(actions)
    for action in shown:
        names = targets_of(action)
        if len(names) == 1:
            action["TargetGroupArn"] = names[0]
    return shown
