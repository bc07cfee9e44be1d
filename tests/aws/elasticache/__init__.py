"""Amazon ElastiCache: a model of its own. moto has no endpoints, and nothing there takes time.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/Welcome.html
Clusters and replication groups are creating, available, modifying, deleting on the clock; their
network interfaces hold their security groups until a little after they are gone.

  model     what there is: subnet groups, parameter groups, clusters, replication groups, events
  checks    what AWS refuses: names, node types, versions, windows, tokens
  nodes     clusters' lives and the interfaces they have, for clusters and replication groups
  subnet_groups, parameter_groups, clusters, groups, tags: the API's actions
"""

from . import clusters, groups, parameter_groups, subnet_groups, tags  # noqa: F401
from .model import ACTIONS

__all__ = ["ACTIONS"]
