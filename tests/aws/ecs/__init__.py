"""Amazon ECS on Fargate: a model of its own, since moto's starts no task and completes nothing.

  model        what there is: clusters, task definitions, services, deployments, tasks
  definitions  task definitions: validation, AWS's additions, revisions
  clusters, services, tasks, deployments, tags: the API's actions
  scheduler    the service scheduler: deployments, rolling replacement, the circuit breaker
  instances    container instances, and where there is room on them
  lifecycle    a task from PROVISIONING to STOPPED, its interface and its Cloud Map instance
  logging      the log groups that come about by running tasks
"""

from . import clusters, definitions, deployments, instances, services, tags, tasks  # noqa: F401
from .model import ACTIONS

__all__ = ["ACTIONS"]
