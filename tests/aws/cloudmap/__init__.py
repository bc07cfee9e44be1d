"""AWS Cloud Map: a model of its own. moto allows one namespace per VPC and ignores all filters.

https://docs.aws.amazon.com/cloud-map/latest/api/API_CreatePrivateDnsNamespace.html and its kin.
Namespaces, updates and instances are operations that take time: SUBMITTED, PENDING, SUCCESS.

  model       what there is, and the operations that change it
  namespaces, services, instances, operations (with tags): the API's actions
"""

from . import namespaces, operations, services  # noqa: F401
from .instances import instance_deregister, instance_register, service_exists
from .model import ACTIONS

__all__ = ["ACTIONS", "instance_deregister", "instance_register", "service_exists"]
