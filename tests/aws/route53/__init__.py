"""Route 53: records, batches of changes, and changes on their way to the name servers.

https://docs.aws.amazon.com/Route53/latest/APIReference/Welcome.html. Zones are moto's, what is in
them is ours: moto deletes records whose values do not match, takes values that no record can have,
and knows no change that is not in sync.
"""

from . import batches, zones
from .model import ACTIONS

__all__ = ["ACTIONS", "batches", "zones"]
