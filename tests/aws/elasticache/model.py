"""What there is in ElastiCache, in one account and region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, Service, paged

if TYPE_CHECKING:
    from ..world import World

# https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/CommonErrors.html
ACTIONS = Service("elasticache", exclusive=True, throttle=("Throttling", 400),
                  invalid="ValidationError")
Tags = list[dict[str, str]]
# The versions that can be asked for, and the full ones that clusters then say they have: from 6.0
# on AWS chooses the patch, https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html
VERSIONS = {
    "redis": {**{v: v for v in ("3.2.6", "3.2.10", "4.0.10", "5.0.0", "5.0.3", "5.0.4", "5.0.5",
                                "5.0.6")},
              "6.0": "6.0.5", "6.x": "6.2.6", "6.2": "6.2.6", "7.0": "7.0.7", "7.1": "7.1.0"},
    "valkey": {"7.2": "7.2.6", "8.0": "8.0.1", "8.1": "8.1.0"},
    "memcached": {"1.6.22": "1.6.22"},
}
NEWEST = {"redis": "7.1", "valkey": "8.1", "memcached": "1.6.22"}


@dataclass
class SubnetGroup:
    """A subnet group; `fields` as the API gives it."""

    fields: dict[str, Any]
    tags: Tags

    @property
    def name(self) -> str:
        return str(self.fields["CacheSubnetGroupName"])


@dataclass
class Cluster:
    """A cluster, maybe a replication group's member; `fields` as the API gives it."""

    fields: dict[str, Any]
    port: int
    subnet_group: SubnetGroup
    tags: Tags
    interfaces: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.fields["CacheClusterId"])

    @property
    def status(self) -> str:
        return str(self.fields["CacheClusterStatus"])


@dataclass
class Group:
    """A replication group of one shard; `wanted` is what its members are made like."""

    fields: dict[str, Any]
    wanted: dict[str, Any]
    tags: Tags
    members: list[Cluster] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)  # those that clients may give, newest first

    @property
    def name(self) -> str:
        return str(self.fields["ReplicationGroupId"])

    @property
    def status(self) -> str:
        return str(self.fields["Status"])


class Cache:
    """All of ElastiCache in an account and region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.subnet_groups: dict[str, SubnetGroup] = {}
        # Names of parameter groups, and their families.
        self.parameter_groups = {f"default.{family}": family for family in families()}
        self.clusters: dict[str, Cluster] = {}
        self.groups: dict[str, Group] = {}
        self.events: list[dict[str, Any]] = []

    def now(self) -> float:
        return round(self.world.clock.now(), 3)

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:elasticache:{self.region}:{self.account}:{kind}:{name}"

    def note(self, kind: str, name: str, message: str) -> None:
        """An event, as DescribeEvents tells it; KIND is cache-cluster or replication-group."""
        self.events.append({"SourceType": kind, "SourceIdentifier": name, "Message": message,
                            "Date": self.now()})

    def subnet_group(self, name: str) -> SubnetGroup:
        if name.lower() not in self.subnet_groups:
            raise AwsError("CacheSubnetGroupNotFoundFault",
                           f"Cache Subnet Group {name} does not exist.")
        return self.subnet_groups[name.lower()]

    def cluster(self, name: str) -> Cluster:
        if name.lower() not in self.clusters:
            raise AwsError("CacheClusterNotFound", f"CacheCluster not found: {name}", 404)
        return self.clusters[name.lower()]

    def group(self, name: str) -> Group:
        if name.lower() not in self.groups:
            raise AwsError("ReplicationGroupNotFoundFault",
                           f"ReplicationGroup {name} not found.", 404)
        return self.groups[name.lower()]


def family_of(engine: str, version: str) -> str:
    """The family of parameter groups: redis5.0, redis6.x, redis7, valkey8."""
    parts = version.split(".")
    if engine == "redis" and int(parts[0]) == 6:
        return "redis6.x"
    if engine == "valkey" or engine == "redis" and int(parts[0]) > 6:
        return engine + parts[0]
    return engine + ".".join(parts[:2])


def families() -> set[str]:
    return {family_of(engine, full) for engine, versions in VERSIONS.items()
            for full in versions.values()}


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def store_of(call: Call) -> Cache:
    return call.store(Cache)


def refuse(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def mismatch(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def tags_check(tags: Tags) -> Tags:
    if len(tags) > 50:
        raise AwsError("TagQuotaPerResourceExceeded", "The request cannot be processed because it "
                       "would cause the resource to have more than the allowed number of tags.")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise refuse("Tag keys starting with 'aws:' are reserved for internal use.")
    return [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in tags]


def page_of(items: list[Any], call: Call) -> tuple[list[Any], dict[str, str]]:
    """A page: "Default: 100, Constraints: minimum 20; maximum 100"."""
    size = call.input.get("MaxRecords", 100)
    if not 20 <= size <= 100:
        raise refuse(f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
    return paged(items, call, "MaxRecords", "Marker", 100, 100, refuse)
