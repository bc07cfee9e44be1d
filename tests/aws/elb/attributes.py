"""Attributes of load balancers, listeners and target groups: texts, each with its default.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html
"""

from __future__ import annotations

from .model import configuration

BALANCER = {
    "access_logs.s3.enabled": "false", "access_logs.s3.bucket": "", "access_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600", "connection_logs.s3.enabled": "false",
    "connection_logs.s3.bucket": "", "connection_logs.s3.prefix": "",
    "deletion_protection.enabled": "false", "idle_timeout.timeout_seconds": "60",
    "ipv6.deny_all_igw_traffic": "false", "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append", "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false", "zonal_shift.config.enabled": "false",
}
GROUP = {
    "deregistration_delay.timeout_seconds": "300", "stickiness.enabled": "false",
    "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "86400",
    "stickiness.app_cookie.cookie_name": "", "stickiness.app_cookie.duration_seconds": "86400",
    "slow_start.duration_seconds": "0", "load_balancing.algorithm.type": "round_robin",
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
LISTENER = {
    "routing.http.response.server.enabled": "true",
    "routing.http.response.strict_transport_security.header_value": "",
    "routing.http.response.x_content_type_options.header_value": "",
    "routing.http.response.x_frame_options.header_value": "",
    "routing.http.response.content_security_policy.header_value": "",
    "routing.http.response.access_control_allow_origin.header_value": "",
}
RANGES = {"idle_timeout.timeout_seconds": (1, 4000), "client_keep_alive.seconds": (60, 604800),
          "deregistration_delay.timeout_seconds": (0, 3600),
          "slow_start.duration_seconds": (0, 900),
          "stickiness.lb_cookie.duration_seconds": (1, 604800),
          "stickiness.app_cookie.duration_seconds": (1, 604800)}
CHOICES = {"routing.http.desync_mitigation_mode": {"monitor", "defensive", "strictest"},
           "routing.http.xff_header_processing.mode": {"append", "preserve", "remove"},
           "stickiness.type": {"lb_cookie", "app_cookie"},
           "load_balancing.algorithm.type": {"round_robin", "least_outstanding_requests",
                                             "weighted_random"},
           "load_balancing.cross_zone.enabled": {"true", "false",
                                                 "use_load_balancer_configuration"}}

# "Required if access logs are enabled"; the pages give no empty value a meaning.
NEVER_EMPTY = {"access_logs.s3.bucket", "connection_logs.s3.bucket",
               "stickiness.app_cookie.cookie_name"}


def attributes_show(attributes: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in attributes.items()]


def attributes_update(kind: str, attributes: dict[str, str], given: list[dict[str, str]]) -> None:
    """All of them, or none."""
    for one in given:
        key, value = one.get("Key", ""), one.get("Value", "")
        if key not in attributes:
            raise configuration(f"{kind} attribute key '{key}' is not recognized")
        least, most = RANGES.get(key, (None, None))
        if least is not None and not (value.isdigit() and least <= int(value) <= (most or 0)):
            raise configuration(f"'{key}' must be a value between '{least}' and '{most}' "
                                "inclusive")
        if not value and key in NEVER_EMPTY:
            raise configuration(f"The value of '{key}' cannot be empty")
        if key in CHOICES and value not in CHOICES[key] or \
                key.endswith("enabled") and key not in CHOICES and value not in ("true", "false"):
            raise configuration(f"'{value}' is not a valid value for '{key}'")
    attributes.update({one["Key"]: one.get("Value", "") for one in given})
