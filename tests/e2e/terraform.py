# SPDX-License-Identifier: MIT
"""An environment as the Terraform AWS provider makes it: other calls than berth's, in other shapes.

What it sends is by its documentation, https://registry.terraform.io/providers/hashicorp/aws/latest:
"Managed by Terraform" describes what must be described; a security group comes with AWS's rule for
all egress, which is taken away and made again; what is optional is mostly sent with its default;
attributes and retention are set by calls of their own; and everything is tagged with Environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import mettel
from world import ENVIRONMENT as E
from world import World

TAGS = {"Environment": E}
PASCAL = [{"Key": k, "Value": v} for k, v in TAGS.items()]
CAMEL = [{"key": k, "value": v} for k, v in TAGS.items()]
DESCRIPTION = "Managed by Terraform"
SERVICES = ("nats-server", "metrics-grafana")
TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  OperatorEmail:
    Type: String
Resources:
  AlarmTopic:
    Type: AWS::SNS::Topic
    Properties:
      Subscription:
        - Endpoint: !Ref OperatorEmail
          Protocol: email
Outputs:
  TopicARN:
    Value: !Ref AlarmTopic
"""
WIDGET = {"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6, "properties": {
    "title": "Tasks", "region": "us-east-1", "view": "timeSeries", "stat": "Sum", "period": 300,
    "metrics": [["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", E]]}}


def write_spec(world: World) -> None:
    """The spec of what is made here: somebody who adopts writes what there is."""
    world.keep_services(*SERVICES)
    spec = world.spec()
    directory = world.spec_path.parent
    (directory / "alarms.yml").write_text(TEMPLATE)
    (directory / "dashboard.json").write_text(json.dumps({"widgets": [WIDGET]}))
    del spec["stacks"]["notifications"]["builtin"]
    spec["stacks"]["notifications"]["template"] = "alarms.yml"
    spec["dashboards"] = {"cluster": "dashboard.json"}
    world.write_spec(spec)


class Terraform:
    """Makes it, one resource after the other; ids are kept by name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client = world.aws.client
        ec2 = self.client("ec2")
        [vpc] = ec2.describe_vpcs(Filters=[
            {"Name": "tag:Name", "Values": ["mettel-automation-vpc-dev"]}])["Vpcs"]
        self.vpc, self.cidr = vpc["VpcId"], vpc["CidrBlock"]
        self.groups: dict[str, str] = {}
        self.targets: dict[str, str] = {}

    def subnets(self, kind: str) -> list[dict[str, Any]]:
        return self.client("ec2").describe_subnets(Filters=[{
            "Name": "tag:Name", "Values": [f"mettel-automation-{kind}-subnet-*-dev"]}])["Subnets"]

    def subnet_ids(self, kind: str) -> list[str]:
        return sorted((s["SubnetId"] for s in self.subnets(kind)), reverse=True)

    def apply(self) -> None:
        self.make_cluster()
        self.make_logs()
        self.make_discovery()
        for name in SERVICES:
            self.make_service_group(name)
        self.make_redis()
        self.make_balancer()
        self.make_record()
        self.make_alarms(self.make_stack())
        for name in SERVICES:
            self.make_service(name, self.make_definition(name))

    def make_cluster(self) -> None:
        self.client("ecs").create_cluster(
            clusterName=E, settings=[{"name": "containerInsights", "value": "enabled"}], tags=CAMEL)

    def make_logs(self) -> None:
        logs = self.client("logs")
        logs.create_log_group(logGroupName=E, tags=TAGS, logGroupClass="STANDARD")
        logs.put_retention_policy(logGroupName=E, retentionInDays=30)
        for metric, pattern in zip(mettel.LOG_METRICS, ('": ERROR"', "Exception")):
            logs.put_metric_filter(
                logGroupName=E, filterName=f"{metric}-{E}", filterPattern=pattern,
                metricTransformations=[{
                    "metricName": f"{metric}-{E}", "metricNamespace": "LogMetrics",
                    "metricValue": "1", "defaultValue": 0.0, "unit": "None"}])

    def make_discovery(self) -> None:
        cloudmap = self.client("servicediscovery")
        operation = cloudmap.create_private_dns_namespace(
            Name=f"{E}.local", Vpc=self.vpc, Tags=PASCAL,
            CreatorRequestId="terraform-20191201")["OperationId"]
        status = "PENDING"
        while status in ("SUBMITTED", "PENDING"):
            found = cloudmap.get_operation(OperationId=operation)["Operation"]
            status = found["Status"]
        assert status == "SUCCESS", found
        namespace = found["Targets"]["NAMESPACE"]
        # The provider still names the namespace where AWS has deprecated it.
        self.registry = cloudmap.create_service(
            Name=f"nats-server-{E}", CreatorRequestId="terraform-20191202", Tags=PASCAL,
            DnsConfig={"NamespaceId": namespace, "RoutingPolicy": "MULTIVALUE",
                       "DnsRecords": [{"TTL": 10, "Type": "A"}]},
            HealthCheckCustomConfig={"FailureThreshold": 1})["Service"]["Arn"]

    def make_group(self, name: str, *rules: tuple[str, int, int, list[str]]) -> None:
        ec2 = self.client("ec2")
        group = ec2.create_security_group(
            GroupName=f"{E}-{name}", Description=DESCRIPTION, VpcId=self.vpc, TagSpecifications=[
                {"ResourceType": "security-group", "Tags": PASCAL}])["GroupId"]
        everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
        for protocol, first, last, sources in rules:
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{
                "IpProtocol": protocol, "FromPort": first, "ToPort": last,
                "IpRanges": [{"CidrIp": s} for s in sources]}])
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[
            everything[0] | {"FromPort": 0, "ToPort": 0}])
        self.groups[name] = group

    def make_service_group(self, name: str) -> None:
        ports = mettel.SERVICES[name].ports
        # A protocol may be sent by its number.
        self.make_group(name, ("1", 8, -1, ["0.0.0.0/0"]), *(
            ("6", port, port, [self.cidr if source == mettel.VPC else source])
            for port, source in reversed(ports.items())))

    def make_redis(self) -> None:
        cache = self.client("elasticache")
        self.make_group("redis-sg", *(("tcp", 6379, 6379, [s["CidrBlock"]])
                                      for s in self.subnets("private")))
        cache.create_cache_subnet_group(
            CacheSubnetGroupName=f"{E}-redis-subnet", CacheSubnetGroupDescription=DESCRIPTION,
            SubnetIds=self.subnet_ids("private"), Tags=PASCAL)
        cache.create_cache_cluster(
            CacheClusterId=E, Engine="redis", EngineVersion="5.0.4", NumCacheNodes=1, Port=6379,
            CacheNodeType="cache.m4.large", CacheParameterGroupName="default.redis5.0",
            CacheSubnetGroupName=f"{E}-redis-subnet", SecurityGroupIds=[self.groups["redis-sg"]],
            AZMode="single-az", AutoMinorVersionUpgrade=True, Tags=PASCAL)
        cache.get_waiter("cache_cluster_available").wait(
            CacheClusterId=E, WaiterConfig={"Delay": 0, "MaxAttempts": 1000})

    def make_target_group(self, name: str, port: int, check: Mapping[str, Any]) -> None:
        elb = self.client("elbv2")
        [group] = elb.create_target_group(
            Name=f"{E}-{name}", Port=port, Protocol="HTTP", VpcId=self.vpc, TargetType="ip",
            ProtocolVersion="HTTP1", HealthCheckEnabled=True, HealthCheckProtocol="HTTP",
            Matcher={"HttpCode": "200"}, Tags=PASCAL, **check)["TargetGroups"]
        self.targets[name] = group["TargetGroupArn"]
        self.set_attributes("target_group", "TargetGroupArn", group["TargetGroupArn"], {
            "deregistration_delay.timeout_seconds": "300", "slow_start.duration_seconds": "0",
            "load_balancing.algorithm.type": "round_robin", "stickiness.enabled": "false",
            "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "86400"})

    def set_attributes(self, kind: str, member: str, arn: str, values: Mapping[str, str]) -> None:
        call = getattr(self.client("elbv2"), f"modify_{kind}_attributes")
        call(**{member: arn}, Attributes=[{"Key": k, "Value": v} for k, v in values.items()])

    def make_balancer(self) -> None:
        elb = self.client("elbv2")
        offices = list(mettel.OFFICES)
        self.make_group("inbound", ("icmp", 8, -1, ["0.0.0.0/0"]), ("tcp", 443, 443, offices),
                        ("tcp", 80, 80, offices[::-1]), ("tcp", 8222, 8222, ["203.0.113.0/28"]))
        [balancer] = elb.create_load_balancer(
            Name=E, Subnets=self.subnet_ids("public"), SecurityGroups=[self.groups["inbound"]],
            Scheme="internet-facing", Type="application", IpAddressType="ipv4", Tags=PASCAL
        )["LoadBalancers"]
        self.balancer = balancer
        self.set_attributes("load_balancer", "LoadBalancerArn", balancer["LoadBalancerArn"], {
            "deletion_protection.enabled": "false", "idle_timeout.timeout_seconds": "60",
            "routing.http2.enabled": "true", "access_logs.s3.enabled": "false",
            "routing.http.drop_invalid_header_fields.enabled": "false"})
        elb.get_waiter("load_balancer_available").wait(
            LoadBalancerArns=[balancer["LoadBalancerArn"]],
            WaiterConfig={"Delay": 0, "MaxAttempts": 1000})
        self.make_target_group("mts-grafana", 3000, {
            "HealthCheckPath": "/api/health", "HealthCheckPort": "3000",
            "HealthCheckIntervalSeconds": 30, "HealthCheckTimeoutSeconds": 3,
            "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2})
        self.make_target_group("frontend", 80, {
            "HealthCheckPath": "/", "HealthCheckPort": "traffic-port",
            "HealthCheckIntervalSeconds": 30, "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 5, "UnhealthyThresholdCount": 2})
        self.make_listeners(balancer["LoadBalancerArn"])

    def make_listeners(self, balancer: str) -> None:
        elb = self.client("elbv2")
        [certificate] = [c["CertificateArn"] for c in self.client("acm").list_certificates()[
            "CertificateSummaryList"] if c["DomainName"] == f"*.{mettel.ZONE}"]
        elb.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=[{
            "Order": 1, "Type": "redirect", "RedirectConfig": {
                "StatusCode": "HTTP_301", "Port": "443", "Protocol": "HTTPS", "Host": "#{host}",
                "Path": "/#{path}", "Query": "#{query}"}}], Tags=PASCAL)
        elb.create_listener(
            LoadBalancerArn=balancer, Port=443, Protocol="HTTPS", Tags=PASCAL,
            SslPolicy="ELBSecurityPolicy-2016-08", Certificates=[{"CertificateArn": certificate}],
            DefaultActions=[{"Order": 1, "Type": "forward",
                             "TargetGroupArn": self.targets["mts-grafana"]}])

    def make_record(self) -> None:
        route53 = self.client("route53")
        [zone] = [z["Id"] for z in route53.list_hosted_zones()["HostedZones"]
                  if z["Name"] == f"{mettel.ZONE}."]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={
            "Comment": DESCRIPTION, "Changes": [{"Action": "UPSERT", "ResourceRecordSet": {
                "Name": f"{E.partition('-')[2]}.{mettel.ZONE}", "Type": "A", "AliasTarget": {
                    "DNSName": self.balancer["DNSName"],
                    "HostedZoneId": self.balancer["CanonicalHostedZoneId"],
                    "EvaluateTargetHealth": True}}}]})

    def make_stack(self) -> str:
        stacks = self.client("cloudformation")
        name = mettel.STACK.format(E)
        stacks.create_stack(StackName=name, TemplateBody=TEMPLATE, Tags=PASCAL, Parameters=[
            {"ParameterKey": "OperatorEmail", "ParameterValue": mettel.OPERATOR}])
        stacks.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 1000})
        [stack] = stacks.describe_stacks(StackName=name)["Stacks"]
        return stack["Outputs"][0]["OutputValue"]

    def make_alarm(self, name: str, description: str, topic: str, dimensions: Mapping[str, str],
                   **metric: Any) -> None:
        self.client("cloudwatch").put_metric_alarm(
            AlarmName=f"{E}-{name}", AlarmDescription=description, ActionsEnabled=True,
            AlarmActions=[topic], TreatMissingData="missing", Tags=PASCAL,
            Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()], **metric)

    def make_alarms(self, topic: str) -> None:
        for name, metric in zip(("errors", "exceptions"), mettel.LOG_METRICS):
            self.make_alarm(name, f"{name.capitalize()} in the logs of {E}", topic, {},
                            MetricName=f"{metric}-{E}", **mettel.LOG_ALARM)
        for name in SERVICES:
            self.make_alarm(f"running-tasks-{name}", f"Running tasks of service {name} of {E}",
                            topic, {"ServiceName": f"{E}-{name}", "ClusterName": E},
                            **mettel.RUNNING_TASKS)
        backwards = {"widgets": [dict(reversed(WIDGET.items()))]}
        self.client("cloudwatch").put_dashboard(
            DashboardName=f"cluster-{E}", DashboardBody=json.dumps(backwards, indent=4))

    def image(self, repository: str) -> str:
        ecr = self.client("ecr")
        [found] = ecr.describe_images(repositoryName=repository, imageIds=[
            {"imageTag": "automation-master"}])["imageDetails"]
        return (f"{found['registryId']}.dkr.ecr.us-east-1.amazonaws.com/{repository}@"
                f"{found['imageDigest']}")

    def container(self, name: str) -> dict[str, Any]:
        """As the template of a file: what is empty is there, what AWS adds is not, no order."""
        service = mettel.SERVICES[name]
        own = self.world.spec()["services"][name]["environment"]
        return {
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-stream-prefix": E, "awslogs-region": "us-east-1", "awslogs-group": E}},
            "secrets": [{"valueFrom": f"arn:aws:ssm:us-east-1:123456789012:parameter/mettel/{s}",
                         "name": s} for s in sorted(service.secrets)],
            "environment": [{"value": v, "name": k} for k, v in reversed(own.items()) if v],
            "portMappings": [{"containerPort": port} for port in service.ports],
            "healthCheck": {
                "startPeriod": 30, "retries": service.retries, "timeout": 5,
                "interval": service.interval, "command": [
                    "CMD-SHELL", f"curl -f http://localhost:{service.health_port}"
                                 f"{service.health_path} || exit 1"]},
            "image": self.image(service.repository), "name": service.container or name}

    def make_definition(self, name: str) -> str:
        role = self.client("iam").get_role(RoleName="ecs_task_execution_role")["Role"]["Arn"]
        service = mettel.SERVICES[name]
        return self.client("ecs").register_task_definition(
            family=f"{E}-{name}", networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
            cpu=str(service.cpu), memory=str(service.memory), executionRoleArn=role,
            taskRoleArn=role, containerDefinitions=[self.container(name)], tags=CAMEL,
        )["taskDefinition"]["taskDefinitionArn"]

    def make_service(self, name: str, definition: str) -> None:
        given: dict[str, Any] = {}
        if name == "nats-server":
            given["serviceRegistries"] = [{"registryArn": self.registry}]
        else:
            given["loadBalancers"] = [{"containerPort": 3000, "containerName": "grafana",
                                       "targetGroupArn": self.targets["mts-grafana"]}]
        ecs = self.client("ecs")
        ecs.create_service(
            cluster=E, serviceName=f"{E}-{name}", taskDefinition=definition, desiredCount=1,
            launchType="FARGATE", platformVersion="LATEST", schedulingStrategy="REPLICA",
            clientToken=f"terraform-{name}", enableECSManagedTags=False, tags=CAMEL,
            deploymentController={"type": "ECS"}, deploymentConfiguration={
                "maximumPercent": 200, "minimumHealthyPercent": 100,
                "deploymentCircuitBreaker": {"enable": True, "rollback": True}},
            networkConfiguration={"awsvpcConfiguration": {
                "assignPublicIp": "DISABLED", "securityGroups": [self.groups[name]],
                "subnets": self.subnet_ids("private")}}, **given)
        ecs.get_waiter("services_stable").wait(
            cluster=E, services=[f"{E}-{name}"], WaiterConfig={"Delay": 0, "MaxAttempts": 1000})
