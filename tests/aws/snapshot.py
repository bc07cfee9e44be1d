"""A comparable description of everything in an account, taken with boto3 alone.

Ids, ARNs and times are replaced by the names of what they stand for, so that two worlds that came
about differently, or at different times, are equal if and only if they hold the same things.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .endpoint import Endpoint

# Members that say when, by whom or for how long something was done, or are ids of its history.
HISTORY = {"createdAt", "updatedAt", "registeredAt", "deregisteredAt", "registeredBy", "createdBy",
           "creationTime", "CreateDate", "CreatorRequestId", "imagePushedAt", "events", "RoleId",
           "currentServiceDeployment", "currentServiceRevisions", "RoleLastUsed", "id", "revision",
           "rolloutStateReason", "failedTasks", "version", "ResponseMetadata", "statistics",
           "CacheClusterCreateTime", "CacheNodeCreateTime", "ReplicationGroupCreateTime",
           "AuthTokenLastModifiedDate", "CallerReference", "storedBytes", "Id", "HostedZoneId",
           "AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp",
           "StateTransitionedTimestamp", "LastModified", "requiresAttributes", "LastUpdatedTime",
           "StackId", "StackStatusReason", "CreatedTime", "CreatedAt", "IssuedAt", "NotBefore",
           "NotAfter"}
REVISION = re.compile(r"(task-definition/[\w-]+):\d+")
BALANCER = re.compile(r"\b((?:app|targetgroup)/[\w-]+)(?:/[0-9a-f]{16})+")
BALANCER_NAME = re.compile(r"-\d{10}(\.[a-z0-9-]+\.elb\.)")
UUID = re.compile(r"(:certificate/|:stack/[\w-]+/)[0-9a-f-]{36}")
TOPIC = re.compile(r"(:sns:.*)-[A-Z2-7]{12}\b(:[0-9a-f-]{36})?")
ID = re.compile(r"(?:sg|subnet|vpc|srv|ns|eni)-[a-z0-9]+")


def _in_order(items: list[Any]) -> list[Any]:
    """Sorted, whatever they are: the order of a list in an answer says nothing."""
    if len(items) < 2:
        return items
    if all(isinstance(item, str) for item in items):
        return sorted(items, key=json.encoder.encode_basestring_ascii)
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str))


class Snapshot:
    """Takes one description; with an environment, only of what carries its name."""

    def __init__(self, endpoint: Endpoint, environment: str | None = None) -> None:
        self.endpoint = endpoint
        self.environment = environment
        self.names: dict[str, str] = {}
        self.definitions: dict[str, Any] = {}  # the newest ones, by ARN
        self.listed: dict[tuple[str, str], list[Any]] = {}  # what has been listed whole
        self.cleaned: dict[str, str] = {}  # what `named` has made of a text, once all names are known

    def client(self, service: str) -> Any:
        return self.endpoint.client(service)

    def take(self) -> dict[str, Any]:
        parts = {name: dict(getattr(self, name)()) for name in (
            "networks", "security_groups", "namespaces", "discovery", "log_groups", "roles",
            "repositories", "caches", "certificates", "target_groups", "load_balancers",
            "clusters", "task_definitions", "services", "zones", "stacks", "topics", "alarms",
            "dashboards")}
        return {name: {key: self.clean(value) for key, value in sorted(part.items())
                       if self.environment is None or self.environment in key}
                for name, part in parts.items() if name != "networks"}

    def clean(self, value: Any) -> Any:
        """Without history, and with names in the place of ids."""
        if isinstance(value, dict):
            return {k: self.clean(v) for k, v in sorted(value.items()) if k not in HISTORY}
        if isinstance(value, (list, tuple)):
            return _in_order([self.clean(v) for v in value])
        if isinstance(value, str):
            found = self.cleaned.get(value)
            if found is None:
                found = self.cleaned[value] = self.named(value)
            return found
        return value

    def named(self, text: str) -> str:
        if "-" not in text and "/" not in text:  # no id, no ARN
            return text
        text = REVISION.sub(r"\1", text)
        # Load balancers, what belongs to them, and their DNS names.
        text = BALANCER.sub(r"\1", text)
        text = BALANCER_NAME.sub(r"\1", text)
        text = UUID.sub(r"\1", text)
        text = TOPIC.sub(r"\1", text)
        return ID.sub(lambda found: self.names.get(found.group(), found.group()), text)

    def pages(self, service: str, action: str, member: str, **given: Any) -> list[Any]:
        if not given and (service, action) in self.listed:
            return self.listed[service, action]
        items = [item for page in self.client(service).get_paginator(action).paginate(**given)
                 for item in page[member]]
        if not given:
            self.listed[service, action] = items
        return items

    def tags(self, service: str, arn: str) -> Any:
        """Of one resource, as its own service says."""
        if service == "elbv2":
            return self.client(service).describe_tags(ResourceArns=[arn])["TagDescriptions"][0][
                "Tags"]
        return self.client(service).list_tags_for_resource(ResourceARN=arn)["Tags"]

    # --- one of each kind ---

    def networks(self) -> Iterator[tuple[str, Any]]:
        for kind, member, key in (("describe_vpcs", "Vpcs", "VpcId"),
                                  ("describe_subnets", "Subnets", "SubnetId")):
            for one in self.pages("ec2", kind, member):
                tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
                name = tags.get("Name", one["CidrBlock"])
                self.names[one[key]] = f"<{name}>"
                yield name, one

    def security_groups(self) -> Iterator[tuple[str, Any]]:
        groups = list(self.pages("ec2", "describe_security_groups", "SecurityGroups"))
        for group in groups:
            key = f"{self.names.get(group['VpcId'], group['VpcId'])}/{group['GroupName']}"
            self.names[group["GroupId"]] = f"<{key}>"
        for group in groups:
            yield self.names[group["GroupId"]][1:-1], group

    def namespaces(self) -> Iterator[tuple[str, Any]]:
        for one in self.pages("servicediscovery", "list_namespaces", "Namespaces"):
            self.names[one["Id"]] = f"<{one['Name']}>"
            tags = self.tags("servicediscovery", one["Arn"])
            yield one["Name"], {**one, "Tags": tags}

    def discovery(self) -> Iterator[tuple[str, Any]]:
        sd = self.client("servicediscovery")
        for one in self.pages("servicediscovery", "list_services", "Services"):
            full = sd.get_service(Id=one["Id"])["Service"]
            space = self.names.get(full["NamespaceId"], full["NamespaceId"])
            key = f"{full['Name']}@{space}"
            self.names[one["Id"]] = f"<{key}>"
            tags = self.tags("servicediscovery", one["Arn"])
            yield key, {**full, "Tags": tags}

    def log_groups(self) -> Iterator[tuple[str, Any]]:
        logs = self.client("logs")
        for group in self.pages("logs", "describe_log_groups", "logGroups"):
            filters = list(self.pages("logs", "describe_metric_filters", "metricFilters",
                                      logGroupName=group["logGroupName"]))
            tags = logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"]
            yield group["logGroupName"], {**group, "tags": tags, "filters": filters}

    def roles(self) -> Iterator[tuple[str, Any]]:
        iam = self.client("iam")
        for role in self.pages("iam", "list_roles", "Roles"):
            name = role["RoleName"]
            inline = {policy: iam.get_role_policy(RoleName=name, PolicyName=policy)[
                "PolicyDocument"] for policy in iam.list_role_policies(RoleName=name)[
                    "PolicyNames"]}
            attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
            tags = iam.list_role_tags(RoleName=name)["Tags"]
            yield name, {**role, "inline": inline, "attached": attached, "Tags": tags}

    def repositories(self) -> Iterator[tuple[str, Any]]:
        ecr = self.client("ecr")
        for one in self.pages("ecr", "describe_repositories", "repositories"):
            images = list(self.pages("ecr", "describe_images", "imageDetails",
                                     repositoryName=one["repositoryName"]))
            tags = ecr.list_tags_for_resource(resourceArn=one["repositoryArn"])["tags"]
            yield one["repositoryName"], {**one, "tags": tags, "images": images}

    def caches(self) -> Iterator[tuple[str, Any]]:
        cache = self.client("elasticache")
        for action, member, name, given in (
                ("describe_cache_subnet_groups", "CacheSubnetGroups", "CacheSubnetGroupName", {}),
                ("describe_replication_groups", "ReplicationGroups", "ReplicationGroupId", {}),
                ("describe_cache_clusters", "CacheClusters", "CacheClusterId",
                 {"ShowCacheNodeInfo": True})):
            for one in self.pages("elasticache", action, member, **given):
                steady = one.get("Status", one.get("CacheClusterStatus", "available"))
                tags = cache.list_tags_for_resource(ResourceName=one["ARN"])["TagList"] \
                    if steady == "available" else []
                yield f"{member}/{one[name]}", {**one, "Tags": tags}

    def certificates(self) -> Iterator[tuple[str, Any]]:
        for one in self.pages("acm", "list_certificates", "CertificateSummaryList"):
            yield f"{one['DomainName']}/{one['Status']}", one

    def target_groups(self) -> Iterator[tuple[str, Any]]:
        elb = self.client("elbv2")
        for one in self.pages("elbv2", "describe_target_groups", "TargetGroups"):
            arn = one["TargetGroupArn"]
            health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
            yield one["TargetGroupName"], {
                **one, "Tags": self.tags("elbv2", arn),
                "attributes": elb.describe_target_group_attributes(TargetGroupArn=arn)[
                    "Attributes"],
                "targets": [(t["Target"]["Port"], t["TargetHealth"]["State"]) for t in health
                            if t["TargetHealth"]["State"] != "draining"]}

    def load_balancers(self) -> Iterator[tuple[str, Any]]:
        elb = self.client("elbv2")
        for one in self.pages("elbv2", "describe_load_balancers", "LoadBalancers"):
            arn = one["LoadBalancerArn"]
            yield one["LoadBalancerName"], {
                **one, "Tags": self.tags("elbv2", arn), "listeners": list(self._listeners(arn)),
                "attributes": elb.describe_load_balancer_attributes(LoadBalancerArn=arn)[
                    "Attributes"]}

    def _listeners(self, balancer: str) -> Iterator[Any]:
        elb = self.client("elbv2")
        for one in self.pages("elbv2", "describe_listeners", "Listeners",
                              LoadBalancerArn=balancer):
            arn = one["ListenerArn"]
            certificates = elb.describe_listener_certificates(ListenerArn=arn)["Certificates"]
            attributes = elb.describe_listener_attributes(ListenerArn=arn)["Attributes"]
            rules = list(self.pages("elbv2", "describe_rules", "Rules", ListenerArn=arn))
            yield {**one, "certificates": certificates, "attributes": attributes,
                   "rules": [{**r, "Tags": self.tags("elbv2", r["RuleArn"])} for r in rules],
                   "Tags": self.tags("elbv2", arn)}

    def clusters(self) -> Iterator[tuple[str, Any]]:
        arns = list(self.pages("ecs", "list_clusters", "clusterArns"))
        if arns:
            for one in self.client("ecs").describe_clusters(
                    clusters=arns, include=["TAGS", "SETTINGS"])["clusters"]:
                yield one["clusterName"], one

    def task_definitions(self) -> Iterator[tuple[str, Any]]:
        """The newest revision of each family: how many there were is history."""
        ecs = self.client("ecs")
        for family in self.pages("ecs", "list_task_definition_families", "families",
                                 status="ACTIVE"):
            answer = ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
            self.definitions[answer["taskDefinition"]["taskDefinitionArn"]] = answer
            yield family, {**answer["taskDefinition"], "tags": answer.get("tags", [])}

    def services(self) -> Iterator[tuple[str, Any]]:
        """Each with its definition's content, its tasks' images, and how many run."""
        ecs = self.client("ecs")
        for cluster in self.pages("ecs", "list_clusters", "clusterArns"):
            arns = list(self.pages("ecs", "list_services", "serviceArns", cluster=cluster))
            for start in range(0, len(arns), 10):
                for one in ecs.describe_services(cluster=cluster, services=arns[start:start + 10],
                                                 include=["TAGS"])["services"]:
                    runs = self.definitions.get(one["taskDefinition"]) or \
                        ecs.describe_task_definition(taskDefinition=one["taskDefinition"])
                    yield (f"{one['clusterArn'].rpartition('/')[2]}/{one['serviceName']}",
                           {**one, "runs": runs["taskDefinition"]["containerDefinitions"]})

    def stacks(self) -> Iterator[tuple[str, Any]]:
        api = self.client("cloudformation")
        for one in self.pages("cloudformation", "describe_stacks", "Stacks"):
            name = one["StackName"]
            template = api.get_template(StackName=name)["TemplateBody"]
            yield name, {**one, "CreationTime": None, "template": template}

    def topics(self) -> Iterator[tuple[str, Any]]:
        for one in self.pages("sns", "list_topics", "Topics"):
            arn = one["TopicArn"]
            yield self.named(arn), {"subscriptions": list(self.pages(
                "sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn))}

    def zones(self) -> Iterator[tuple[str, Any]]:
        for zone in self.pages("route53", "list_hosted_zones", "HostedZones"):
            records = list(self.pages("route53", "list_resource_record_sets",
                                      "ResourceRecordSets", HostedZoneId=zone["Id"]))
            yield zone["Name"].rstrip("."), {
                "private": zone["Config"]["PrivateZone"],
                "records": [r for r in records if r["Type"] not in ("NS", "SOA")]}

    def alarms(self) -> Iterator[tuple[str, Any]]:
        for one in self.pages("cloudwatch", "describe_alarms", "MetricAlarms"):
            tags = self.tags("cloudwatch", one["AlarmArn"])
            yield one["AlarmName"], {**one, "Tags": tags}

    def dashboards(self) -> Iterator[tuple[str, Any]]:
        cloudwatch = self.client("cloudwatch")
        for one in self.pages("cloudwatch", "list_dashboards", "DashboardEntries"):
            body = cloudwatch.get_dashboard(DashboardName=one["DashboardName"])["DashboardBody"]
            tags = self.tags("cloudwatch", one["DashboardArn"])
            yield one["DashboardName"], {"body": json.loads(body), "Tags": tags}
