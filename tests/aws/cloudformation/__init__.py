"""AWS CloudFormation: a model of its own. moto's stacks take no time, never fail and never roll back.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/Welcome.html
Stacks are created, updated, rolled back and deleted on the clock, one resource after the other,
with events for each. What they make is real: topics and subscriptions are moto's.

  model      what there is: stacks, their events, request tokens
  template   templates: JSON and YAML, parameters, functions, what AWS refuses of them
  kinds      the types of resources that this endpoint knows
  lifecycle  operations: which resource when, rollback, cleaning up
  stacks     the API's actions
"""

from . import stacks  # noqa: F401
from .model import ACTIONS

__all__ = ["ACTIONS"]
