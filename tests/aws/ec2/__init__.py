"""EC2: security groups that are in use, and network interfaces. The rest is moto's."""

from . import groups, networks  # noqa: F401
from .common import ACTIONS, backend
from .networks import group_default, group_vpc, has_gateway, interface_create, interface_delete, \
    interface_groups, subnet_find, subnet_vpc

__all__ = ["ACTIONS", "backend", "group_default", "group_vpc", "has_gateway", "interface_create",
           "interface_delete", "interface_groups", "subnet_find", "subnet_vpc"]
