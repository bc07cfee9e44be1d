# SPDX-License-Identifier: MIT
"""MetTel's environment as plain data: what boto3 has to find after a deploy.

Written from the requirements, not from the spec in config/examples/mettel, so that a mistake in one
of them shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ANYWHERE, VPC = "0.0.0.0/0", "vpc"
REPOSITORIES = [
    "automation-nats-server", "automation-sites-monitor", "automation-last-contact-report",
    "automation-service-affecting-monitor", "automation-service-outage-monitor",
    "automation-service-outage-triage", "automation-velocloud-bridge", "automation-bruin-bridge",
    "automation-t7-bridge", "automation-notifier", "automation-metrics-dashboard/prometheus",
    "automation-metrics-dashboard/grafana",
]
ROLES = {
    "ecs_task_execution_role": ("ecs-tasks.amazonaws.com", "ecs_execution_role_policy"),
    "ecs_role": ("ecs.amazonaws.com", "ecs_service_role_policy"),
}
WEB = {5000: ANYWHERE, 9090: VPC}


@dataclass(frozen=True)
class Service:
    cpu: int = 256
    memory: int = 512
    count: int = 1
    ports: dict[int, str] = field(default_factory=lambda: dict(WEB))
    discovery: str | None = ""  # "": its own name
    repository: str = ""
    container: str = ""
    health_port: int = 5000
    health_path: str = "/_health"
    interval: int = 30
    retries: int = 3
    environment: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    plain: bool = False  # without PYTHONUNBUFFERED and NATS_SERVER1


def nats(port: int, **extra: object) -> Service:
    names = {"NATSCLUSTER", "PORT", "CLUSTER_MODE"} | set(extra.pop("more", ()))  # type: ignore
    return Service(memory=1024, ports={8222: ANYWHERE, 4222: VPC, port: VPC},
                   repository="automation-nats-server", health_port=8222, health_path="/varz",
                   interval=90, retries=5, environment=frozenset(names), plain=True)


RECIPIENT = frozenset({"LAST_CONTACT_RECIPIENT"})
CURRENT = RECIPIENT | {"CURRENT_ENVIRONMENT"}
REDIS = frozenset({"REDIS_HOSTNAME"})
SERVICES = {
    "bruin-bridge": Service(
        1024, 2048, 2, secrets=frozenset({"BRUIN_CLIENT_SECRET"}),
        environment=frozenset({"BRUIN_CLIENT_ID", "BRUIN_LOGIN_URL", "BRUIN_BASE_URL"})),
    "last-contact-report": Service(environment=RECIPIENT),
    "notifier": Service(ports={5000: ANYWHERE}, discovery=None,
                        secrets=frozenset({"SLACK_URL", "EMAIL_ACC_PWD"})),
    "service-affecting-monitor": Service(environment=CURRENT),
    "service-outage-monitor": Service(count=0, environment=CURRENT | REDIS),
    "service-outage-triage": Service(environment=CURRENT),
    "sites-monitor": Service(environment=RECIPIENT | REDIS | {"MONITORING_SECONDS"}),
    "t7-bridge": Service(environment=frozenset({"T7_BASE_URL"}), secrets=frozenset({"T7_TOKEN"})),
    "velocloud-bridge": Service(1024, 4096, 5, environment=frozenset({"VELOCLOUD_VERIFY_SSL"}),
                                secrets=frozenset({"VELOCLOUD_CREDENTIALS"})),
    "nats-server": nats(5222),
    "nats-server-1": nats(5223, more=["NATSROUTECLUSTER"]),
    "nats-server-2": nats(5224, more=["NATSROUTECLUSTER"]),
    "metrics-prometheus": Service(
        ports={9090: ANYWHERE}, discovery="prometheus", plain=True, health_port=9090,
        health_path="/-/healthy", repository="automation-metrics-dashboard/prometheus"),
    "metrics-grafana": Service(
        512, 1024, ports={3000: ANYWHERE}, discovery=None, plain=True, container="grafana",
        health_port=3000, health_path="/api/health",
        secrets=frozenset({"GF_SECURITY_ADMIN_PASSWORD"}),
        repository="automation-metrics-dashboard/grafana"),
}
# The Redis of an environment E: cluster E, subnet group E-redis-subnet, security group E-redis-sg.
REDIS_CLUSTER = {"Engine": "redis", "EngineVersion": "5.0.4", "CacheNodeType": "cache.m4.large",
                 "NumCacheNodes": 1, "CacheClusterStatus": "available"}
REDIS_PARAMETERS, REDIS_PORT = "default.redis5.0", 6379
PRIVATE_CIDRS = {"10.2.11.0/24", "10.2.12.0/24"}
ZONE = "mettel-automation.net"
VPC_CIDR = {"ephemeral": "10.2.0.0/16", "production": "10.1.0.0/16"}
PUBLIC_SUBNETS = {"ephemeral": {"10.2.1.0/24", "10.2.2.0/24"},
                  "production": {"10.1.1.0/24", "10.1.2.0/24"}}
OFFICES, OPERATORS = ("203.0.113.0/24", "198.51.100.0/25"), ("203.0.113.0/28",)
INBOUND = {("tcp", port, cidr) for port in (80, 443) for cidr in OFFICES} | {
    ("tcp", 8222, cidr) for cidr in OPERATORS} | {("icmp", 8, ANYWHERE)}
TARGET_GROUPS = {
    "mts-grafana": {
        "Protocol": "HTTP", "Port": 3000, "TargetType": "ip", "HealthCheckPath": "/api/health",
        "HealthCheckPort": "3000", "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 3, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200"}},
    "frontend": {"Protocol": "HTTP", "Port": 80, "TargetType": "ip"},
}
# The stack of an environment E: one topic, one subscription by e-mail that somebody has to confirm.
STACK, OPERATOR = "SnsTopicMetTelAutomationAlarms-{}", "ops@example.com"
# Alarms of an environment E, by their dimensions' values or their metric; all of them Sum.
RUNNING_TASKS = {"Namespace": "ECS/ContainerInsights", "MetricName": "RunningTaskCount",
                 "Statistic": "Sum", "ComparisonOperator": "LessThanOrEqualToThreshold",
                 "Threshold": 3.0, "Period": 300, "EvaluationPeriods": 2}
LOG_METRICS = ("ErrorsMessagesDetectedInServices", "ExceptionMessagesDetectedInServices")
LOG_ALARM = {"Namespace": "LogMetrics", "Statistic": "Sum", "Threshold": 5.0, "Period": 180,
             "ComparisonOperator": "GreaterThanOrEqualToThreshold", "EvaluationPeriods": 1}
# The widgets of the dashboard cluster-E: type, x, y, width, height; metric and statistic, or what
# messages are like.
WIDGETS = [("metric", 0, 0, 6, 6, ("RunningTaskCount", "Sum", 300)),
           ("metric", 6, 0, 6, 6, ("CpuUtilized", "Average", 300)),
           ("metric", 12, 0, 6, 6, ("MemoryUtilized", "Average", 300)),
           ("log", 0, 6, 24, 6, "like /Exception/"), ("log", 0, 12, 24, 6, "like /: ERROR/")]
