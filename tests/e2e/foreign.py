# SPDX-License-Identifier: MIT
"""What looks like an environment's and is not: names that begin alike, tags that nearly fit.

Of each kind that an environment has: one whose name begins with the environment's and that has no
tags, and one whose name is the environment's and a digit more, with tags of another project's.
"""

from __future__ import annotations

import json
from typing import Any

from world import BRANCH, World

TOPIC = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
METRIC = {"Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Threshold": 1.0, "Period": 60,
          "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1}
BODY = json.dumps({"widgets": []})
CHECK = {"Protocol": "HTTP", "Port": 80, "TargetType": "ip"}


def near(environment: str) -> dict[str, str]:
    """Tags as berth's, of the project next door."""
    return {"Environment": environment, "berth:project": "78", "berth:ref": BRANCH,
            "berth:name": "notifier"}


def listed(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: k, value: v} for k, v in tags.items()]


class Foreign:
    """Plants them, for one environment."""

    def __init__(self, world: World, environment: str) -> None:
        self.world, self.environment = world, environment
        self.plain, self.close = f"{environment}-mine", f"{environment}9"
        self.tags = near(environment)
        ec2 = world.aws.client("ec2")
        self.vpc = ec2.describe_vpcs(Filters=[
            {"Name": "tag:Name", "Values": ["mettel-automation-vpc-dev"]}])["Vpcs"][0]["VpcId"]
        self.subnets = {kind: [s["SubnetId"] for s in ec2.describe_subnets(Filters=[
            {"Name": "tag:Name", "Values": [f"mettel-automation-{kind}-subnet-*-dev"]},
        ])["Subnets"]] for kind in ("private", "public")}

    def client(self, service: str) -> Any:
        return self.world.aws.client(service)

    def plant(self) -> None:
        self.network()
        self.ecs()
        self.balancing()
        self.cache()
        self.logs_and_alarms()
        self.names()
        self.stacks()

    def network(self) -> None:
        ec2 = self.client("ec2")
        for name, tags in ((self.plain, {}), (f"{self.close}-notifier", self.tags)):
            given = {"TagSpecifications": [{"ResourceType": "security-group",
                                            "Tags": listed(tags)}]} if tags else {}
            ec2.create_security_group(GroupName=name, Description="x", VpcId=self.vpc, **given)

    def ecs(self) -> None:
        """Clusters, and families of task definitions."""
        ecs = self.client("ecs")
        tags = listed(self.tags, "key", "value")
        ecs.create_cluster(clusterName=self.plain)
        ecs.create_cluster(clusterName=self.close, tags=tags)
        container = {"name": "x", "image": "busybox", "memory": 64}
        for family, given in ((self.plain, {}), (f"{self.environment}-notifier-x", {}),
                              (f"{self.close}-notifier", {"tags": tags})):
            ecs.register_task_definition(family=family, containerDefinitions=[container], **given)

    def balancing(self) -> None:
        elb = self.client("elbv2")
        for name, given in ((self.plain, {}), (self.close, {"Tags": listed(self.tags)})):
            group = elb.create_target_group(Name=f"{name}-t", VpcId=self.vpc, **CHECK,
                                            **given)["TargetGroups"][0]["TargetGroupArn"]
            balancer = elb.create_load_balancer(
                Name=name, Subnets=self.subnets["public"],
                **given)["LoadBalancers"][0]["LoadBalancerArn"]
            elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[
                {"Type": "forward", "TargetGroupArn": group}])

    def cache(self) -> None:
        cache = self.client("elasticache")
        for name, given in ((self.plain, {}), (self.close, {"Tags": listed(self.tags)})):
            cache.create_cache_subnet_group(
                CacheSubnetGroupName=f"{name}-redis-subnet", CacheSubnetGroupDescription="x",
                SubnetIds=self.subnets["private"], **given)
            cache.create_cache_cluster(
                CacheClusterId=name, Engine="redis", EngineVersion="5.0.4", NumCacheNodes=1,
                CacheNodeType="cache.m4.large", CacheSubnetGroupName=f"{name}-redis-subnet",
                **given)

    def logs_and_alarms(self) -> None:
        logs, watch = self.client("logs"), self.client("cloudwatch")
        insights = "/aws/ecs/containerinsights/{}/performance"
        for name, tags in ((self.plain, {}), (self.close, self.tags)):
            logs.create_log_group(logGroupName=name, **({"tags": tags} if tags else {}))
            logs.create_log_group(logGroupName=insights.format(name))
            given = {"Tags": listed(tags)} if tags else {}
            watch.put_metric_alarm(AlarmName=f"{name}-running-tasks-notifier", **METRIC, **given)
            watch.put_dashboard(DashboardName=f"cluster-{name}", DashboardBody=BODY, **given)

    def names(self) -> None:
        """Namespaces with a service each, and records of the public zone."""
        sd, route53 = self.client("servicediscovery"), self.client("route53")
        for name, given in ((self.plain, {}), (self.close, {"Tags": listed(self.tags)})):
            made = sd.create_private_dns_namespace(Name=f"{name}.local", Vpc=self.vpc, **given)
            operation = sd.get_operation(OperationId=made["OperationId"])["Operation"]
            sd.create_service(Name=f"notifier-{name}", NamespaceId=operation["Targets"][
                "NAMESPACE"], DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]}, **given)
        [zone] = route53.list_hosted_zones_by_name(
            DNSName="mettel-automation.net")["HostedZones"]
        subdomain = self.environment.removeprefix("automation-")
        owner = ",".join(["heritage=berth"] + [f"{k}={v}" for k, v in self.tags.items()])
        records = [(f"mine.{subdomain}", "A", "203.0.113.7"), (f"{subdomain}9", "A", "203.0.113.8"),
                   (f"_berth-a.{subdomain}9", "TXT", f'"{owner}"')]
        route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": [
            {"Action": "CREATE", "ResourceRecordSet": {
                "Name": f"{name}.mettel-automation.net", "Type": kind, "TTL": 60,
                "ResourceRecords": [{"Value": value}]}} for name, kind, value in records]})

    def stacks(self) -> None:
        api = self.client("cloudformation")
        for name, given in ((self.plain, {}), (self.close, {"Tags": listed(self.tags)})):
            api.create_stack(StackName=f"SnsTopicMetTelAutomationAlarms-{name}",
                             TemplateBody=json.dumps(TOPIC), **given)

    def images(self) -> None:
        """Tags of images that begin like the branch's."""
        for tag in (f"{self.close}", f"{self.close}-1001", self.plain):
            self.world.aws.put_image("automation-notifier", [tag], content=tag)
