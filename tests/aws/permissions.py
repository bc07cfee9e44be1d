"""What AWS checks for each action: the ARNs of the resources, and the actions besides.

From the Service Authorization Reference,
https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html (Amazon ECS, EC2,
AWS Cloud Map, ...). An ARN is a template: {member} is a member of the input, one ARN for each
of a list; a member that is an ARN already is taken as it is. "*": the action has no resource.
A resource that ends with "?" is checked only where the call names it. An action that is not here is
denied to whoever is held to policies.
"""

from __future__ import annotations

from typing import Any

Table = dict[str, str | tuple[str, ...]]

ECS: Table = {
    "CreateCluster": "cluster/{clusterName}", "DescribeClusters": "cluster/{clusters}",
    **dict.fromkeys(("DeleteCluster", "UpdateCluster", "UpdateClusterSettings",
                     "PutClusterCapacityProviders"), "cluster/{cluster}"),
    "CreateService": "service/{cluster}/{serviceName}",
    "DescribeServices": "service/{cluster}/{services}",
    **dict.fromkeys(("UpdateService", "DeleteService", "ListServiceDeployments"),
                    "service/{cluster}/{service}"),
    "DescribeServiceDeployments": "{serviceDeploymentArns}",
    "DescribeServiceRevisions": "{serviceRevisionArns}",
    "StopServiceDeployment": "{serviceDeploymentArn}",
    "DescribeContainerInstances": "container-instance/{cluster}/{containerInstances}",
    **dict.fromkeys(("ListContainerInstances", "RegisterContainerInstance"), "cluster/{cluster}"),
    "DescribeTasks": "task/{cluster}/{tasks}", "StopTask": "task/{cluster}/{task}",
    "RegisterTaskDefinition": "task-definition/{family}:*",
    "RunTask": "task-definition/{taskDefinition}",
    "DeleteTaskDefinitions": "task-definition/{taskDefinitions}",
    **dict.fromkeys(("TagResource", "UntagResource", "ListTagsForResource"), "{resourceArn}"),
    **dict.fromkeys(("ListClusters", "ListServices", "ListTasks", "ListTaskDefinitions",
                     "ListTaskDefinitionFamilies", "DescribeTaskDefinition",
                     "DeregisterTaskDefinition"), "*"),
}
EC2: Table = {
    "CreateSecurityGroup": ("security-group/*", "vpc/{VpcId}"),
    **dict.fromkeys(("DeleteSecurityGroup", "AuthorizeSecurityGroupIngress",
                     "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress",
                     "RevokeSecurityGroupEgress"), "security-group/{GroupId}"),
    **dict.fromkeys(("CreateTags", "DeleteTags"), "{Resources}"),
    **dict.fromkeys(("DescribeAvailabilityZones", "DescribeNetworkInterfaces",
                     "DescribeSecurityGroupRules", "DescribeSecurityGroups", "DescribeSubnets",
                     "DescribeVpcs"), "*"),
}
CLOUDMAP: Table = {
    "CreateService": ("service/*", "namespace/{NamespaceId}"),
    **dict.fromkeys(("DeleteNamespace", "GetNamespace", "UpdatePrivateDnsNamespace"),
                    "namespace/{Id}"),
    **dict.fromkeys(("DeleteService", "GetService", "UpdateService"), "service/{Id}"),
    **dict.fromkeys(("RegisterInstance", "DeregisterInstance", "GetInstance", "ListInstances",
                     "GetInstancesHealthStatus", "UpdateInstanceCustomHealthStatus"),
                    "service/{ServiceId}"),
    **dict.fromkeys(("TagResource", "UntagResource", "ListTagsForResource"), "{ResourceARN}"),
    **dict.fromkeys(("CreatePrivateDnsNamespace", "DiscoverInstances", "GetOperation",
                     "ListNamespaces", "ListOperations", "ListServices"), "*"),
}
ECR: Table = {
    "GetAuthorizationToken": "*", "DescribeRepositories": "repository/{repositoryNames}",
    **dict.fromkeys(("BatchCheckLayerAvailability", "BatchDeleteImage", "BatchGetImage",
                     "CreateRepository", "DeleteLifecyclePolicy", "DeleteRepository",
                     "DescribeImages", "GetLifecyclePolicy", "GetRepositoryPolicy", "ListImages",
                     "PutImage", "PutImageScanningConfiguration", "PutImageTagMutability",
                     "PutLifecyclePolicy", "SetRepositoryPolicy", "InitiateLayerUpload",
                     "UploadLayerPart", "CompleteLayerUpload",
                     "GetDownloadUrlForLayer"), "repository/{repositoryName}"),
    **dict.fromkeys(("TagResource", "UntagResource", "ListTagsForResource"), "{resourceArn}"),
}
IAM: Table = {
    "ListRoles": "*", "SimulatePrincipalPolicy": "{PolicySourceArn}",
    "CreateServiceLinkedRole": "role/aws-service-role/{AWSServiceName}/*",
    **dict.fromkeys(("CreateRole", "DeleteRole", "DeleteRolePolicy", "GetRole", "GetRolePolicy",
                     "ListAttachedRolePolicies", "ListRolePolicies", "ListRoleTags",
                     "PutRolePolicy", "TagRole", "UntagRole", "UpdateAssumeRolePolicy",
                     "UpdateRole"), "role/{RoleName}"),
}
# As seen in denials, e.g. elastic/apm-aws-lambda#526: a group is checked as its streams.
LOGS: Table = {
    "DescribeLogGroups": "log-group::log-stream:", "GetLogEvents":
        "log-group:{logGroupName}:log-stream:{logStreamName}",
    **dict.fromkeys(("CreateLogGroup", "DeleteLogGroup", "DeleteMetricFilter",
                     "DeleteRetentionPolicy", "DescribeLogStreams", "DescribeMetricFilters",
                     "FilterLogEvents", "PutMetricFilter", "PutRetentionPolicy"),
                    "log-group:{logGroupName}:log-stream:"),
    **dict.fromkeys(("TagResource", "UntagResource", "ListTagsForResource"), "{resourceArn}"),
}
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticache.html
ELASTICACHE: Table = {
    "CreateCacheCluster": ("cluster:{CacheClusterId}", "subnetgroup:{CacheSubnetGroupName}?",
                           "parametergroup:{CacheParameterGroupName}?"),
    "ModifyCacheCluster": ("cluster:{CacheClusterId}",
                           "parametergroup:{CacheParameterGroupName}?"),
    **dict.fromkeys(("DeleteCacheCluster", "DescribeCacheClusters"), "cluster:{CacheClusterId}"),
    "CreateReplicationGroup": ("replicationgroup:{ReplicationGroupId}",
                               "subnetgroup:{CacheSubnetGroupName}?",
                               "parametergroup:{CacheParameterGroupName}?"),
    "ModifyReplicationGroup": ("replicationgroup:{ReplicationGroupId}",
                               "parametergroup:{CacheParameterGroupName}?"),
    **dict.fromkeys(("DecreaseReplicaCount", "DeleteReplicationGroup",
                     "DescribeReplicationGroups", "IncreaseReplicaCount"),
                    "replicationgroup:{ReplicationGroupId}"),
    **dict.fromkeys(("CreateCacheSubnetGroup", "DeleteCacheSubnetGroup",
                     "DescribeCacheSubnetGroups", "ModifyCacheSubnetGroup"),
                    "subnetgroup:{CacheSubnetGroupName}"),
    **dict.fromkeys(("AddTagsToResource", "ListTagsForResource", "RemoveTagsFromResource"),
                    "{ResourceName}"),
    "DescribeEvents": "*",
}
# .../list_awselasticloadbalancingv2.html
ELB: Table = {
    "CreateLoadBalancer": "loadbalancer/app/{Name}/*", "CreateTargetGroup": "targetgroup/{Name}/*",
    **dict.fromkeys(("CreateListener", "DeleteLoadBalancer", "ModifyLoadBalancerAttributes",
                     "SetIpAddressType", "SetSecurityGroups", "SetSubnets"), "{LoadBalancerArn}"),
    **dict.fromkeys(("AddListenerCertificates", "CreateRule", "DeleteListener", "ModifyListener",
                     "ModifyListenerAttributes", "RemoveListenerCertificates"), "{ListenerArn}"),
    **dict.fromkeys(("DeleteRule", "ModifyRule"), "{RuleArn}"),
    **dict.fromkeys(("DeleteTargetGroup", "DeregisterTargets", "ModifyTargetGroup",
                     "ModifyTargetGroupAttributes", "RegisterTargets"), "{TargetGroupArn}"),
    **dict.fromkeys(("AddTags", "RemoveTags"), "{ResourceArns}"),
    "SetRulePriorities": "{RulePriorities.RuleArn}",
    **dict.fromkeys(("DescribeListenerAttributes", "DescribeListenerCertificates",
                     "DescribeListeners", "DescribeLoadBalancerAttributes",
                     "DescribeLoadBalancers", "DescribeRules", "DescribeTags",
                     "DescribeTargetGroupAttributes", "DescribeTargetGroups",
                     "DescribeTargetHealth"), "*"),
}
# .../list_amazonroute53.html
ROUTE53: Table = {
    **dict.fromkeys(("ChangeResourceRecordSets", "ListResourceRecordSets"),
                    "hostedzone/{HostedZoneId}"),
    "GetHostedZone": "hostedzone/{Id}", "GetChange": "change/{Id}",
    **dict.fromkeys(("GetAccountLimit", "ListHostedZones", "ListHostedZonesByName"), "*"),
}
# .../list_awscloudformation.html
CLOUDFORMATION: Table = {
    "ListStacks": "*",
    **dict.fromkeys(("CreateStack", "DeleteStack", "DescribeStackEvents", "DescribeStacks",
                     "GetTemplate", "ListStackResources", "UpdateStack",
                     "UpdateTerminationProtection"), "stack/{StackName}/*"),
}
# .../list_amazoncloudwatch.html; dashboards are of no region.
CLOUDWATCH: Table = {
    **dict.fromkeys(("DescribeAlarms", "ListDashboards"), "*"),
    "PutMetricAlarm": "alarm:{AlarmName}", "SetAlarmState": "alarm:{AlarmName}",
    **dict.fromkeys(("DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions"),
                    "alarm:{AlarmNames}"),
    **dict.fromkeys(("GetDashboard", "PutDashboard"), "dashboard/{DashboardName}"),
    "DeleteDashboards": "dashboard/{DashboardNames}",
    **dict.fromkeys(("TagResource", "UntagResource", "ListTagsForResource"), "{ResourceARN}"),
}
TABLES: dict[str, Table] = {
    "cloudformation": CLOUDFORMATION, "sns": {"ListSubscriptionsByTopic": "{TopicArn}"},
    "acm": {"DescribeCertificate": "{CertificateArn}", "ListCertificates": "*"},
    "elasticache": ELASTICACHE, "elasticloadbalancing": ELB,
    "ecs": ECS, "ec2": EC2, "servicediscovery": CLOUDMAP, "ecr": ECR, "iam": IAM, "logs": LOGS,
    "monitoring": CLOUDWATCH, "route53": ROUTE53,
    "servicequotas": dict.fromkeys(("GetServiceQuota", "ListServiceQuotas"), "*"),
    "ssm": {"GetParameters": "parameter/{Names}", "DescribeParameters": "*",
            "ListTagsForResource": "parameter/{ResourceId}"},
    "secretsmanager": dict.fromkeys(("DescribeSecret", "GetResourcePolicy", "GetSecretValue"),
                                    "secret:{SecretId}"),
    "sts": {"AssumeRole": "{RoleArn}"},
    "tagging": {"GetResources": "*"},
}
# Where actions are not named after the signing name.
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
# Anyone may ask who they are: "No permissions are required to perform this operation."
FREE = {("sts", "GetCallerIdentity"), ("sts", "AssumeRoleWithWebIdentity")}
# Tags in a create call need this action too, on what is created.
TAGGING = {"ecs": "ecs:TagResource", "ec2": "ec2:CreateTags", "ecr": "ecr:TagResource",
           "elasticache": "elasticache:AddTagsToResource", "logs": "logs:TagResource",
           "iam": "iam:TagRole", "cloudformation": "cloudformation:TagResource",
           "monitoring": "cloudwatch:TagResource",
           "servicediscovery": "servicediscovery:TagResource",
           "elasticloadbalancing": "elasticloadbalancing:AddTags"}
# ... which is not always the first of the resources above. Cloud Map's knows no resources.
CREATED = {("servicediscovery", "CreatePrivateDnsNamespace"): "*",
           ("servicediscovery", "CreateService"): "*",
           ("elasticloadbalancing", "CreateListener"): "listener/{LoadBalancerArn}/*",
           ("elasticloadbalancing", "CreateRule"): "listener-rule/{ListenerArn}/*"}
EC2_KINDS = {"sg": "security-group", "sgr": "security-group-rule", "vpc": "vpc",
             "subnet": "subnet", "eni": "network-interface"}
# What a service asks of others in its caller's name: "Required permissions".
# https://docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-api-permissions-ref.html
# https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html
BEHALF: dict[tuple[str, str], tuple[str, ...]] = {
    ("servicediscovery", "CreatePrivateDnsNamespace"): (
        "route53:CreateHostedZone", "route53:GetHostedZone", "route53:ListHostedZonesByName",
        "ec2:DescribeVpcs", "ec2:DescribeRegions"),
    ("elasticloadbalancing", "CreateLoadBalancer"): (
        "ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways",
        "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
    ("elasticloadbalancing", "CreateTargetGroup"): (
        "ec2:DescribeInternetGateways", "ec2:DescribeVpcs"),
    ("elasticloadbalancing", "SetIpAddressType"): ("ec2:DescribeSubnets",),
    ("elasticloadbalancing", "SetSubnets"): ("ec2:DescribeSubnets",),
}
BEHALF_ARNS = {"route53:GetHostedZone": "arn:aws:route53:::hostedzone/*"}
# The first of these calls in an account makes the service's role, in the caller's name.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html: "When
# you create a cluster or create or update a service".
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html
# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/using-service-linked-roles.html
LINKED_ROLES = {
    **dict.fromkeys([("ecs", "CreateCluster"), ("ecs", "CreateService"),
                     ("ecs", "UpdateService")], "ecs.amazonaws.com"),
    ("elasticloadbalancing", "CreateLoadBalancer"): "elasticloadbalancing.amazonaws.com",
    ("elasticache", "CreateCacheCluster"): "elasticache.amazonaws.com",
    ("elasticache", "CreateReplicationGroup"): "elasticache.amazonaws.com",
    ("elasticache", "CreateCacheSubnetGroup"): "elasticache.amazonaws.com",
}


def passed_roles(service: str, action: str, given: dict[str, Any]) -> list[tuple[str, str]]:
    """The roles that a call hands to a service, which takes iam:PassRole, and that service.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    if service != "ecs":
        return []
    if action in ("CreateService", "UpdateService"):
        return [(given["role"], "ecs.amazonaws.com")] if "role" in given else []
    source = given.get("overrides", {}) if action == "RunTask" else given
    if action not in ("RegisterTaskDefinition", "RunTask"):
        return []
    return [(source[member], "ecs-tasks.amazonaws.com")
            for member in ("taskRoleArn", "executionRoleArn") if source.get(member)]
