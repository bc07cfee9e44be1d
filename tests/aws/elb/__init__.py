"""Elastic Load Balancing (application load balancers): a model of its own.

moto makes copies of load balancers and listeners, knows no target's health, and deletes what is
protected. https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/

  model      what there is: load balancers, listeners, rules, target groups, targets
  balancers, listeners, certificates, rules, groups, attributes, tags: the API's actions
  actions    what listeners and rules do with a request: checked, completed, shown
  health     targets: registered by hand or by ECS, from initial to healthy, draining
"""

from . import balancers, certificates, groups, listeners, rules, tags  # noqa: F401
from .health import drain_seconds, group_problem, target_deregister, target_register
from .model import ACTIONS

__all__ = ["ACTIONS", "drain_seconds", "group_problem", "target_deregister", "target_register"]
