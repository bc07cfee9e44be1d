"""What AWS has just created and does not find yet: the fault "newborn" of `faults`.

Reads of a new group, role, repository, ... may miss it for seconds, as their APIs say: e.g.
https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html (eventual consistency).
Creating it again is refused all the same: only those who ask for it miss it, also those who make
something for it (boto/boto3#620, hashicorp/terraform-provider-aws#15214).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import AwsError

if TYPE_CHECKING:
    from .registry import Call
    from .world import World


@dataclass
class Kind:
    """A kind of resource: how it is created, named by other calls, missed and listed."""

    service: str
    create: str
    name: str  # a member of the create call's input or, with a dot, of its answer
    members: tuple[str, ...]  # of other calls' inputs, which name it
    error: tuple[str, str, int]
    # Of answers: the member, and its name in it; none where it is in there by its ARN.
    lists: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)  # of members that have another error's


KINDS = [
    Kind("iam", "CreateRole", "RoleName", ("RoleName",),
         ("NoSuchEntity", "The role with name {} cannot be found.", 404)),
    Kind("ec2", "CreateSecurityGroup", ".GroupId", ("GroupId", "GroupIds", "Resources"),
         ("InvalidGroup.NotFound", "The security group '{}' does not exist", 400),
         {"SecurityGroups": "GroupId"}),
    Kind("ecr", "CreateRepository", "repositoryName", ("repositoryName", "repositoryNames"),
         ("RepositoryNotFoundException", "The repository with name '{}' does not exist", 400),
         {"repositories": "repositoryName"}),
    Kind("ecs", "CreateCluster", "clusterName", ("cluster",),
         ("ClusterNotFoundException", "Cluster not found.", 400), {"clusters": "clusterName", "clusterArns": ""}),
    Kind("ecs", "CreateService", "serviceName", ("service",),
         ("ServiceNotFoundException", "Service not found.", 400), {"services": "serviceName", "serviceArns": ""}),
    Kind("logs", "CreateLogGroup", "logGroupName", ("logGroupName", "resourceArn"),
         ("ResourceNotFoundException", "The specified log group does not exist.", 400),
         {"logGroups": "logGroupName"}),
    Kind("elasticache", "CreateCacheSubnetGroup", "CacheSubnetGroupName",
         ("CacheSubnetGroupName",),
         ("CacheSubnetGroupNotFoundFault", "Cache Subnet Group {} does not exist.", 400),
         {"CacheSubnetGroups": "CacheSubnetGroupName"}),
    Kind("elasticache", "CreateCacheCluster", "CacheClusterId", ("CacheClusterId",),
         ("CacheClusterNotFound", "CacheCluster not found: {}", 404),
         {"CacheClusters": "CacheClusterId"}),
    Kind("elasticache", "CreateReplicationGroup", "ReplicationGroupId", ("ReplicationGroupId",),
         ("ReplicationGroupNotFoundFault", "ReplicationGroup {} not found.", 404),
         {"ReplicationGroups": "ReplicationGroupId"}),
    # https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/elbv2 reads a new
    # listener and target group again for minutes.
    Kind("elasticloadbalancing", "CreateLoadBalancer", "LoadBalancers.0.LoadBalancerArn",
         ("LoadBalancerArn", "LoadBalancerArns", "ResourceArns"),
         ("LoadBalancerNotFound", "Load balancer '{}' not found", 400),
         {"LoadBalancers": "LoadBalancerArn"}),
    Kind("elasticloadbalancing", "CreateListener", "Listeners.0.ListenerArn",
         ("ListenerArn", "ListenerArns", "ResourceArns"),
         ("ListenerNotFound", "Listener '{}' not found", 400), {"Listeners": "ListenerArn"}),
    Kind("elasticloadbalancing", "CreateTargetGroup", "TargetGroups.0.TargetGroupArn",
         ("TargetGroupArn", "TargetGroupArns", "ResourceArns"),
         ("TargetGroupNotFound", "Target group '{}' not found", 400),
         {"TargetGroups": "TargetGroupArn"}),
    Kind("servicediscovery", "CreateService", "Service.Id", ("Id", "ServiceId",
                                                                     "ResourceARN"),
         ("ServiceNotFound", "Service not found with id: {}.", 400), {"Services": "Id"},
         {"ResourceARN": "ResourceNotFoundException"}),
]


def short(name: str) -> str:
    """What a name and an ARN of a thing have in common."""
    if ":log-group:" in name:
        return name.partition(":log-group:")[2]
    return name.rpartition("/")[2] if name.startswith("arn:") else name


class Newborns:
    """What is not found yet, and until which virtual time."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world = world
        self.until: dict[tuple[str, str, str], float] = {}

    def hidden(self, kind: Kind, name: str) -> bool:
        key = (kind.service, kind.create, short(name))
        hides = self.until.get(key, 0) > self.world.clock.now()
        self.world.faults.missed |= hides
        return hides

    def refuse(self, call: Call) -> None:
        """Raise the service's not-found error if the call names something too new."""
        for kind in KINDS:
            if not self.until or kind.service != call.service or call.action == kind.create:
                continue
            for member in kind.members:
                names = call.input.get(member, [])
                for name in names if isinstance(names, list) else [names]:
                    if self.hidden(kind, name):
                        code, message, status = kind.error
                        raise AwsError(kind.codes.get(member, code), message.format(name), status)

    def answer(self, call: Call, output: dict[str, Any]) -> dict[str, Any]:
        """Note what the call has created, and leave out of its answer what is too new."""
        for kind in KINDS:
            if kind.service != call.service:
                continue
            if kind.create == call.action:
                self._born(kind, call, output)
            elif self.until and not call.action.startswith("Create"):
                output = self._without(kind, call, output)
        return output

    def _born(self, kind: Kind, call: Call, output: dict[str, Any]) -> None:
        seconds = self.world.faults.seconds("newborn", kind.service, kind.create, call.input)
        if seconds:
            value: Any = output if "." in kind.name else call.input
            for part in kind.name.lstrip(".").split("."):
                value = value[0] if part == "0" else value.get(part, "default")
            # Asked for once more with the same token, or by its name, it is no newer than it was.
            self.until.setdefault((kind.service, kind.create, short(value)),
                                  self.world.clock.now() + seconds)

    def _without(self, kind: Kind, call: Call, output: dict[str, Any]) -> dict[str, Any]:
        for member, name in kind.lists.items():
            items = output.get(member)
            if not isinstance(items, list):
                continue
            kept = [i for i in items if not self.hidden(kind, i[name] if name else i)]
            if len(kept) < len(items):
                output = {**output, member: kept}
                if "failures" in output:
                    gone = [i for i in items if i not in kept]
                    arn = member.removesuffix("s") + "Arn"
                    output["failures"] = output["failures"] + [
                        {"arn": i[arn], "reason": "MISSING"} for i in gone]
        return output


def is_new_role(world: World, account: str, arn: str) -> bool:
    """Whether IAM has not told other services of a role yet; IAM is called in a region of its own."""
    role = next(kind for kind in KINDS if kind.create == "CreateRole")
    return any(store.hidden(role, arn) for store in world.stores(Newborns, account))
