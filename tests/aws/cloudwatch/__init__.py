"""Amazon CloudWatch: alarms and dashboards, a model of its own.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/Welcome.html
moto takes whatever an alarm's members are, merges tags that AWS ignores, has new alarms be OK,
makes no pages, and finds nothing wrong with any dashboard that is JSON.

  model       what there is: alarms by region, dashboards of the whole account
  checks      what AWS refuses of an alarm
  bodies      what AWS says of a dashboard's body
  alarms, dashboards, tags: the API's actions
"""

from . import alarms, dashboards, tags  # noqa: F401
from .model import ACTIONS

__all__ = ["ACTIONS"]
