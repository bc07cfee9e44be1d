/* SPDX-License-Identifier: MIT */
/*
 * What all drivers ask of IAM, in one place, since an administrator reads it as one. The page of
 * a table is that of its service in the Service Authorization Reference; a row that is there
 * for another reason says so.
 *
 * What berth looks for in every environment, because a spec may have dropped it, is always there:
 * reads. What creates, changes and removes is there if the spec wants a resource of the kind.
 */
#include "drivers/permission.h"

#include "drivers/ecr.h"
#include "drivers/ecs_secrets.h"
#include "drivers/route53.h"

/* Actions that know no resource, from all drivers in one statement. */
#define LOOK "Look"

/* Calls f with each wanted resource of a type. */
static void each_wanted(const struct graph *g, const char *type, struct strlist *ret,
                        void (*f)(const struct resource *r, struct strlist *ret))
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->want != NULL && str_eq(g->v[i]->type->name, type))
            f(g->v[i], ret);
}

static void add_once(struct strlist *list, const char *name)
{
    if (name != NULL && !strlist_has(list, name))
        strlist_add(list, name);
}

static void add_name(const struct resource *r, struct strlist *ret)
{
    add_once(ret, r->name);
}

/* --- acm: list_awscertificatemanager.html ---------------------------------------------------- */

const struct permission acm_permissions[] = {
    { .sid = LOOK, .actions = "acm:ListCertificates", .resources = "*", .when = "acm.certificate" },
    { .sid = "Certificate",
      .actions = "acm:DescribeCertificate",
      .resources = "acm:certificate/*",
      .when = "acm.certificate alb.listener" },
    { .sid = NULL },
};

/* --- cloudformation: list_awscloudformation.html ---------------------------------------------- */

#define STACKS "cloudformation.stack cloudformation.shared_stack"

static void own_stacks(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "cloudformation.stack", ret, add_name);
}

static void all_stacks(const struct graph *g, struct strlist *ret)
{
    own_stacks(g, ret);
    each_wanted(g, "cloudformation.shared_stack", ret, add_name);
}

/* Stacks with a topic in them, such as the one that comes with berth. */
static void add_topic_stack(const struct resource *r, struct strlist *ret)
{
    const char *body = json_str(r->memo, "body");
    if (body != NULL && strstr(body, "AWS::SNS::Topic") != NULL)
        add_once(ret, r->name);
}

static void topic_stacks(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "cloudformation.stack", ret, add_topic_stack);
}

/* What a stack is made of is made with the permissions of who asks for the stack: what else a
 * template of the repository's needs is not here. For topics see "handlers" in
 * https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html */
const struct permission cloudformation_permissions[] = {
    /* Stacks that the spec has dropped: list_amazonresourcegrouptaggingapi.html. */
    { .sid = LOOK, .actions = "tag:GetResources", .resources = "*" },
    { .sid = "StackLook",
      .actions = "cloudformation:DescribeStacks",
      .resources = "cloudformation:stack/${NAME}/*",
      .when = STACKS,
      .names = all_stacks },
    { .sid = "StackLook",
      .actions = "cloudformation:DescribeStackEvents cloudformation:GetTemplate",
      .resources = "cloudformation:stack/${NAME}/*",
      .when = "cloudformation.stack",
      .names = own_stacks },
    { .sid = "StackCreate",
      .actions = "cloudformation:CreateStack cloudformation:TagResource",
      .resources = "cloudformation:stack/${NAME}/*",
      .flags = PERMIT_NEW,
      .when = "cloudformation.stack",
      .names = own_stacks },
    { .sid = "StackChange",
      .actions = "cloudformation:UpdateStack cloudformation:DeleteStack",
      .resources = "cloudformation:stack/${NAME}/*",
      .flags = PERMIT_OURS,
      .when = "cloudformation.stack",
      .names = own_stacks },
    { .sid = "TopicMake",
      .actions = "sns:CreateTopic sns:TagResource sns:GetTopicAttributes sns:Subscribe "
                 "sns:DeleteTopic",
      .resources = "sns:${NAME}-*",
      .when = "cloudformation.stack",
      .names = topic_stacks },
    { .sid = "TopicSubscription",
      .actions = "sns:GetSubscriptionAttributes sns:Unsubscribe",
      .resources = "*",
      .when = "cloudformation.stack",
      .names = topic_stacks },
    /* A topic that is not given a name has its stack's, and more. */
    { .sid = "TopicLook",
      .actions = "sns:ListSubscriptionsByTopic",
      .resources = "sns:${NAME}-*",
      .when = STACKS,
      .names = all_stacks },
    { .sid = NULL },
};

/* --- ec2: list_amazonec2.html ---------------------------------------------------------------- */

const struct permission ec2_permissions[] = {
    { .sid = LOOK,
      .actions = "ec2:DescribeVpcs ec2:DescribeSubnets",
      .resources = "*",
      .when = "ec2.vpc ec2.subnets" },
    { .sid = NULL },
};

static void add_vpc_ids(const struct resource *r, struct strlist *ret)
{
    const cJSON *id;
    cJSON_ArrayForEach (id, json_get(r->want, "VpcIds"))
        add_once(ret, cJSON_GetStringValue(id));
}

static void vpc_ids(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "ec2.vpc", ret, add_vpc_ids);
}

/* The values of the tag Name that the VPC is looked up by. */
static void add_vpc_names(const struct resource *r, struct strlist *ret)
{
    const cJSON *filter = json_find(json_get(r->want, "Filters"), "Name", "tag:Name");
    const cJSON *value;
    cJSON_ArrayForEach (value, json_get(filter, "Values"))
        add_once(ret, cJSON_GetStringValue(value));
}

static void vpc_names(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "ec2.vpc", ret, add_vpc_names);
}

/* Any VPC, where neither an id nor a name says which. */
static void vpc_any(const struct graph *g, struct strlist *ret)
{
    _cleanup_strlist_ struct strlist known = STRLIST_INIT;
    vpc_ids(g, &known);
    vpc_names(g, &known);
    if (known.n == 0)
        strlist_add(ret, "*");
}

const struct permission security_group_permissions[] = {
    { .sid = LOOK, .actions = "ec2:DescribeSecurityGroups", .resources = "*", .when = "ec2.vpc" },
    /* Who holds a group that cannot be removed. */
    { .sid = LOOK,
      .actions = "ec2:DescribeNetworkInterfaces",
      .resources = "*",
      .when = "security_group" },
    { .sid = "FirewallCreate",
      .actions = "ec2:CreateSecurityGroup",
      .resources = "ec2:security-group/*",
      .flags = PERMIT_NEW,
      .when = "security_group" },
    { .sid = "FirewallTag",
      .actions = "ec2:CreateTags",
      .resources = "ec2:security-group/*",
      .flags = PERMIT_NEW,
      .when = "security_group",
      .condition = "StringEquals ec2:CreateAction CreateSecurityGroup" },
    { .sid = "FirewallVpc",
      .actions = "ec2:CreateSecurityGroup",
      .resources = "ec2:vpc/${NAME}",
      .when = "security_group",
      .names = vpc_ids },
    { .sid = "FirewallVpc",
      .actions = "ec2:CreateSecurityGroup",
      .resources = "ec2:vpc/*",
      .when = "security_group",
      .condition = "StringLike aws:ResourceTag/Name ${NAME}",
      .names = vpc_names },
    { .sid = "FirewallVpc",
      .actions = "ec2:CreateSecurityGroup",
      .resources = "ec2:vpc/${NAME}",
      .when = "security_group",
      .names = vpc_any },
    { .sid = "FirewallChange",
      .actions = "ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupIngress "
                 "ec2:DeleteSecurityGroup",
      .resources = "ec2:security-group/*",
      .flags = PERMIT_OURS,
      .when = "security_group" },
    { .sid = NULL },
};

/* --- ecr: list_amazonelasticcontainerregistry.html ------------------------------------------- */

static void repositories(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "ecr.repository", ret, add_name);
}

const struct permission ecr_permissions[] = {
    /* All of them, where one that is asked for is missing. */
    { .sid = "RepositoryLook",
      .actions = "ecr:DescribeRepositories",
      .resources = "ecr:repository/*",
      .when = "ecr.repository" },
    { .sid = "Repository",
      .actions = "ecr:CreateRepository",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.repository",
      .names = repositories },
    { .sid = "Repository",
      .actions = "ecr:BatchGetImage",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.image",
      .names = repositories },
    { .sid = "Repository",
      .actions = "ecr:BatchGetImage",
      .resources = "ecr:repository/${NAME}",
      .when = "ecs.task_definition",
      .names = ecr_named_repositories },
    { .sid = "Repository",
      .actions = "ecr:PutImageScanningConfiguration ecr:PutImageTagMutability",
      .resources = "ecr:repository/${NAME}",
      .flags = PERMIT_SHARED,
      .when = "ecr.repository",
      .names = repositories },
    { .sid = NULL },
};

/* --- iam: list_awsidentityandaccessmanagementiam.html ---------------------------------------- */

static void roles(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "iam.role", ret, add_name);
}

const struct permission iam_permissions[] = {
    { .sid = "Role",
      .actions = "iam:GetRole iam:CreateRole",
      .resources = "iam::role/${NAME}",
      .when = "iam.role",
      .names = roles },
    { .sid = "Role",
      .actions = "iam:GetRolePolicy iam:PutRolePolicy",
      .resources = "iam::role/${NAME}",
      .when = "iam.role_policy",
      .names = roles },
    { .sid = "Role",
      .actions = "iam:UpdateAssumeRolePolicy iam:UpdateRole",
      .resources = "iam::role/${NAME}",
      .flags = PERMIT_SHARED,
      .when = "iam.role",
      .names = roles },
    { .sid = NULL },
};

/* --- logs: list_amazoncloudwatchlogs.html ---------------------------------------------------- */

/* A group is checked as "log-group:NAME:log-stream:" by most actions and by its own ARN where an
 * ARN is given: elastic/apm-aws-lambda#526. */
const struct permission logs_permissions[] = {
    { .sid = LOOK, .actions = "logs:DescribeLogGroups", .resources = "*" },
    { .sid = "LogLook",
      .actions = "logs:ListTagsForResource logs:DescribeMetricFilters",
      .resources = "logs:log-group:${E} logs:log-group:${E}:*" },
    { .sid = "LogCreate",
      .actions = "logs:CreateLogGroup logs:TagResource",
      .resources = "logs:log-group:${E} logs:log-group:${E}:*",
      .flags = PERMIT_NEW,
      .when = "logs.group" },
    { .sid = "LogChange",
      .actions = "logs:PutRetentionPolicy logs:DeleteRetentionPolicy logs:DeleteLogGroup",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.group" },
    { .sid = "LogChange",
      .actions = "logs:PutMetricFilter logs:DeleteMetricFilter",
      .resources = "logs:log-group:${E}:*",
      .flags = PERMIT_OURS,
      .when = "logs.metric_filter" },
    { .sid = NULL },
};

/* --- cloudmap: list_awscloudmap.html --------------------------------------------------------- */

const struct permission cloudmap_permissions[] = {
    { .sid = LOOK,
      .actions = "servicediscovery:ListNamespaces servicediscovery:ListServices "
                 "servicediscovery:ListTagsForResource",
      .resources = "*" },
    { .sid = LOOK,
      .actions = "servicediscovery:GetOperation servicediscovery:ListOperations",
      .resources = "*",
      .when = "cloudmap.namespace" },
    { .sid = "DiscoveryCreate",
      .actions = "servicediscovery:CreatePrivateDnsNamespace servicediscovery:TagResource",
      .resources = "*",
      .flags = PERMIT_NEW,
      .when = "cloudmap.namespace" },
    /* "Required permissions" of CreatePrivateDnsNamespace, which makes a hosted zone:
     * https://docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-api-permissions-ref.html */
    { .sid = LOOK,
      .actions = "ec2:DescribeRegions ec2:DescribeVpcs route53:CreateHostedZone "
                 "route53:ListHostedZonesByName",
      .resources = "*",
      .when = "cloudmap.namespace" },
    { .sid = "HostedZone",
      .actions = "route53:GetHostedZone",
      .resources = "route53:::hostedzone/*",
      .when = "cloudmap.namespace" },
    { .sid = "DiscoveryServiceCreate",
      .actions = "servicediscovery:CreateService",
      .resources = "servicediscovery:service/*",
      .flags = PERMIT_NEW,
      .when = "cloudmap.service" },
    { .sid = "DiscoveryChange",
      .actions = "servicediscovery:UpdatePrivateDnsNamespace servicediscovery:DeleteNamespace",
      .resources = "servicediscovery:namespace/* servicediscovery:service/*",
      .flags = PERMIT_OURS,
      .when = "cloudmap.namespace" },
    /* In our namespace. The rights on Route 53's health checks that the page above lists are for
     * public namespaces. */
    { .sid = "DiscoveryChange",
      .actions = "servicediscovery:CreateService servicediscovery:UpdateService "
                 "servicediscovery:DeleteService servicediscovery:ListInstances "
                 "servicediscovery:DeregisterInstance",
      .resources = "servicediscovery:namespace/* servicediscovery:service/*",
      .flags = PERMIT_OURS,
      .when = "cloudmap.service" },
    { .sid = NULL },
};

/* --- cloudwatch: list_amazoncloudwatch.html -------------------------------------------------- */

#define DASHBOARDS "cloudwatch::dashboard/*-${E}"

/* PutMetricAlarm sets tags of a new alarm only. Dashboards are held to their names: the reference
 * has no conditions for them. */
const struct permission cloudwatch_permissions[] = {
    { .sid = LOOK,
      .actions = "cloudwatch:DescribeAlarms cloudwatch:ListDashboards",
      .resources = "*" },
    { .sid = "MonitorLook",
      .actions = "cloudwatch:GetDashboard cloudwatch:ListTagsForResource",
      .resources = "cloudwatch:alarm:${E}-* " DASHBOARDS },
    { .sid = "AlarmCreate",
      .actions = "cloudwatch:PutMetricAlarm cloudwatch:TagResource",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_NEW,
      .when = "cloudwatch.alarm" },
    { .sid = "AlarmChange",
      .actions = "cloudwatch:PutMetricAlarm cloudwatch:TagResource cloudwatch:DeleteAlarms",
      .resources = "cloudwatch:alarm:${E}-*",
      .flags = PERMIT_OURS,
      .when = "cloudwatch.alarm" },
    { .sid = "Dashboard",
      .actions = "cloudwatch:PutDashboard cloudwatch:TagResource cloudwatch:DeleteDashboards",
      .resources = DASHBOARDS,
      .when = "cloudwatch.dashboard" },
    { .sid = NULL },
};

/* --- alb: list_awselasticloadbalancingv2.html ------------------------------------------------ */

#define ALB_ALL                                                                                    \
    "elasticloadbalancing:loadbalancer/app/${E}/* elasticloadbalancing:listener/app/${E}/* "       \
    "elasticloadbalancing:listener-rule/app/${E}/* elasticloadbalancing:targetgroup/${E}-*/*"

const struct permission alb_permissions[] = {
    { .sid = LOOK,
      .actions = "elasticloadbalancing:DescribeLoadBalancers "
                 "elasticloadbalancing:DescribeTargetGroups elasticloadbalancing:DescribeTags",
      .resources = "*" },
    { .sid = LOOK,
      .actions = "elasticloadbalancing:DescribeLoadBalancerAttributes "
                 "elasticloadbalancing:DescribeListeners "
                 "elasticloadbalancing:DescribeListenerCertificates "
                 "elasticloadbalancing:DescribeRules",
      .resources = "*",
      .when = "alb.load_balancer" },
    { .sid = LOOK,
      .actions = "elasticloadbalancing:DescribeTargetGroupAttributes "
                 "elasticloadbalancing:DescribeTargetHealth",
      .resources = "*",
      .when = "alb.target_group" },
    /* What CreateLoadBalancer, CreateTargetGroup, SetSubnets and SetIpAddressType ask of EC2 in the
     * caller's name:
     * https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html */
    { .sid = LOOK,
      .actions = "ec2:DescribeAccountAttributes ec2:DescribeAddresses "
                 "ec2:DescribeInternetGateways ec2:DescribeSecurityGroups ec2:DescribeSubnets "
                 "ec2:DescribeVpcs",
      .resources = "*",
      .when = "alb.load_balancer" },
    { .sid = LOOK,
      .actions = "ec2:DescribeInternetGateways ec2:DescribeVpcs",
      .resources = "*",
      .when = "alb.target_group" },
    { .sid = "BalancerCreate",
      .actions = "elasticloadbalancing:CreateLoadBalancer elasticloadbalancing:CreateListener "
                 "elasticloadbalancing:AddTags",
      .resources = ALB_ALL,
      .flags = PERMIT_NEW,
      .when = "alb.load_balancer" },
    { .sid = "BalancerCreate",
      .actions = "elasticloadbalancing:CreateRule",
      .resources = ALB_ALL,
      .flags = PERMIT_NEW,
      .when = "alb.rule" },
    { .sid = "BalancerCreate",
      .actions = "elasticloadbalancing:CreateTargetGroup elasticloadbalancing:AddTags",
      .resources = ALB_ALL,
      .flags = PERMIT_NEW,
      .when = "alb.target_group" },
    { .sid = "BalancerChange",
      .actions = "elasticloadbalancing:ModifyLoadBalancerAttributes "
                 "elasticloadbalancing:SetIpAddressType elasticloadbalancing:SetSecurityGroups "
                 "elasticloadbalancing:SetSubnets elasticloadbalancing:DeleteLoadBalancer "
                 "elasticloadbalancing:ModifyListener elasticloadbalancing:DeleteListener "
                 "elasticloadbalancing:AddListenerCertificates "
                 "elasticloadbalancing:RemoveListenerCertificates",
      .resources = ALB_ALL,
      .flags = PERMIT_OURS,
      .when = "alb.load_balancer" },
    { .sid = "BalancerChange",
      .actions = "elasticloadbalancing:ModifyRule elasticloadbalancing:DeleteRule "
                 "elasticloadbalancing:SetRulePriorities",
      .resources = ALB_ALL,
      .flags = PERMIT_OURS,
      .when = "alb.rule" },
    { .sid = "BalancerChange",
      .actions = "elasticloadbalancing:ModifyTargetGroup "
                 "elasticloadbalancing:ModifyTargetGroupAttributes "
                 "elasticloadbalancing:DeleteTargetGroup",
      .resources = ALB_ALL,
      .flags = PERMIT_OURS,
      .when = "alb.target_group" },
    { .sid = "BalancerLinkedRole",
      .actions = "iam:CreateServiceLinkedRole",
      .resources = "iam::role/aws-service-role/elasticloadbalancing.amazonaws.com/*",
      .when = "alb.load_balancer",
      .condition = "StringEquals iam:AWSServiceName elasticloadbalancing.amazonaws.com" },
    { .sid = NULL },
};

/* --- elasticache: list_amazonelasticache.html ------------------------------------------------ */

/* A replication group's nodes are "<group>-001" and so on. */
#define CACHE_ALL                                                                                  \
    "elasticache:cluster:${E} elasticache:cluster:${E}-* elasticache:replicationgroup:${E} "       \
    "elasticache:subnetgroup:${E}-redis-subnet"
#define CACHES "elasticache.cluster elasticache.replication_group"

static void add_parameter_group(const struct resource *r, struct strlist *ret)
{
    add_once(ret, json_str(r->want, "CacheParameterGroupName"));
}

static void parameter_groups(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "elasticache.cluster", ret, add_parameter_group);
    each_wanted(g, "elasticache.replication_group", ret, add_parameter_group);
}

static bool is_of(const char *arn, const char *service)
{
    return str_starts(arn, "arn:") && strstr(arn, service) != NULL;
}

/* Parameters by their names without the slash that begins them, as their ARNs have them. */
static void add_parameter(const struct resource *r, struct strlist *ret)
{
    static const char kind[] = ":parameter/";
    if (is_of(r->name, ":secretsmanager:"))
        return;
    const char *at = str_starts(r->name, "arn:") ? strstr(r->name, kind) : NULL;
    const char *name = at != NULL ? at + strlen(kind) : r->name;
    add_once(ret, *name == '/' ? name + 1 : name);
}

static void token_parameters(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "elasticache.auth_token", ret, add_parameter);
}

/* What follows "secret:" in its ARN, which ends with a hyphen and six characters that a secret's
 * name lacks: https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html */
static void add_secret(const struct resource *r, struct strlist *ret)
{
    static const char kind[] = ":secret:";
    const char *at = is_of(r->name, ":secretsmanager:") ? strstr(r->name, kind) : NULL;
    if (at == NULL)
        return;
    add_once(ret, at + strlen(kind));
    strlist_addf(ret, "%s-??????", at + strlen(kind));
}

static void token_secrets(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "elasticache.auth_token", ret, add_secret);
}

/* What the reference lists as dependent actions on network interfaces ElastiCache does by its
 * service-linked role; AWS's AmazonElastiCacheFullAccess has none of them either:
 * https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonElastiCacheFullAccess.html
 */
const struct permission elasticache_permissions[] = {
    { .sid = "CacheLook",
      .actions = "elasticache:DescribeCacheClusters elasticache:DescribeCacheSubnetGroups "
                 "elasticache:DescribeReplicationGroups elasticache:ListTagsForResource",
      .resources = CACHE_ALL },
    { .sid = LOOK, .actions = "elasticache:DescribeEvents", .resources = "*", .when = CACHES },
    { .sid = "CacheCreate",
      .actions = "elasticache:CreateCacheSubnetGroup elasticache:AddTagsToResource",
      .resources = CACHE_ALL,
      .flags = PERMIT_NEW,
      .when = CACHES },
    { .sid = "CacheCreate",
      .actions = "elasticache:CreateCacheCluster",
      .resources = CACHE_ALL,
      .flags = PERMIT_NEW,
      .when = "elasticache.cluster" },
    { .sid = "CacheCreate",
      .actions = "elasticache:CreateReplicationGroup",
      .resources = CACHE_ALL,
      .flags = PERMIT_NEW,
      .when = "elasticache.replication_group" },
    { .sid = "CacheParameters",
      .actions = "elasticache:CreateCacheCluster elasticache:ModifyCacheCluster",
      .resources = "elasticache:parametergroup:${NAME}",
      .when = "elasticache.cluster",
      .names = parameter_groups },
    { .sid = "CacheParameters",
      .actions = "elasticache:CreateReplicationGroup elasticache:ModifyReplicationGroup",
      .resources = "elasticache:parametergroup:${NAME}",
      .when = "elasticache.replication_group",
      .names = parameter_groups },
    { .sid = "CacheChange",
      .actions = "elasticache:ModifyCacheSubnetGroup elasticache:DeleteCacheSubnetGroup",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = CACHES },
    { .sid = "CacheChange",
      .actions = "elasticache:ModifyCacheCluster elasticache:DeleteCacheCluster",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = "elasticache.cluster" },
    { .sid = "CacheChange",
      .actions = "elasticache:ModifyReplicationGroup elasticache:IncreaseReplicaCount "
                 "elasticache:DecreaseReplicaCount elasticache:DeleteReplicationGroup",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = "elasticache.replication_group" },
    /* The version of the AUTH token is kept as a tag. */
    { .sid = "CacheChange",
      .actions = "elasticache:AddTagsToResource",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = "elasticache.auth_token" },
    { .sid = "CacheToken",
      .actions = "ssm:GetParameters",
      .resources = "ssm:parameter/${NAME}",
      .when = "elasticache.auth_token",
      .names = token_parameters },
    { .sid = "CacheSecret",
      .actions = "secretsmanager:DescribeSecret secretsmanager:GetSecretValue",
      .resources = "secretsmanager:secret:${NAME}",
      .when = "elasticache.auth_token",
      .names = token_secrets },
    { .sid = "CacheLinkedRole",
      .actions = "iam:CreateServiceLinkedRole",
      .resources = "iam::role/aws-service-role/elasticache.amazonaws.com/*",
      .when = CACHES,
      .condition = "StringEquals iam:AWSServiceName elasticache.amazonaws.com" },
    { .sid = NULL },
};

/* --- route53: list_amazonroute53.html -------------------------------------------------------- */

/* A name as ...NormalizedRecordNames has it: everything but a-z, 0-9, '-', '_' and '.' in octal. */
static void add_normal_name(struct strlist *ret, const char *name)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '.' || *p == '-' || *p == '_' || (*p >= '0' && *p <= '9') ||
            (*p >= 'a' && *p <= 'z'))
            strbuf_addc(&out, *p);
        else
            strbuf_addf(&out, "\\%03o", (unsigned char)*p);
    }
    add_once(ret, out.buf);
}

/* The environment's own part of a zone, where the records are that say whose a record is, too; and
 * what the spec wants outside of it. */
static void add_record_names(const struct resource *r, struct strlist *ret)
{
    _cleanup_free_ char *zone = xstrndup(r->name, strcspn(r->name, " "));
    _cleanup_free_ char *root = owner_root(r->graph, zone);
    add_once(ret, root);
    _cleanup_free_ char *below = xasprintf("*.%s", root);
    add_once(ret, below);
    const cJSON *record;
    cJSON_ArrayForEach (record, json_get(r->want, "Records")) {
        _cleanup_free_ char *name = NULL, *type = NULL;
        record_key_split(record->string, &name, &type);
        if (!dns_name_in(name, root))
            add_normal_name(ret, name);
    }
}

static void record_names(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "route53.records", ret, add_record_names);
}

const struct permission route53_permissions[] = {
    { .sid = LOOK,
      .actions = "route53:ListHostedZonesByName",
      .resources = "*",
      .when = "route53.zone" },
    { .sid = "HostedZone",
      .actions = "route53:ListResourceRecordSets",
      .resources = "route53:::hostedzone/*",
      .when = "route53.zone" },
    { .sid = "HostedZone",
      .actions = "route53:GetHostedZone",
      .resources = "route53:::hostedzone/*",
      .when = "route53.zone" },
    { .sid = "RecordLook",
      .actions = "route53:GetChange",
      .resources = "route53:::change/*",
      .when = "route53.records" },
    { .sid = "RecordChange",
      .actions = "route53:ChangeResourceRecordSets",
      .resources = "route53:::hostedzone/*",
      .when = "route53.records",
      .condition = "ForAllValues:StringLike "
                   "route53:ChangeResourceRecordSetsNormalizedRecordNames ${NAME}",
      .names = record_names },
    { .sid = NULL },
};

/* --- ecs: list_amazonelasticcontainerservice.html -------------------------------------------- */

/* What follows "role/" in the ARN of a role that tasks get. */
static void add_passed(const struct resource *r, const char *member, struct strlist *ret)
{
    static const char kind[] = ":role/";
    const cJSON *arn = json_get(r->want, member);
    if (cJSON_IsString(arn)) {
        const char *at = strstr(arn->valuestring, kind);
        add_once(ret, at != NULL ? at + strlen(kind) : NULL);
    }
    for (size_t i = 0; ref_is(arn) && i < r->n_needs; i++) {
        const struct resource *role = r->needs[i].resource;
        if (role != NULL && str_eq(role->type->name, "iam.role") &&
            strstr(arn->child->valuestring, role->address) != NULL)
            add_once(ret, role->name);
    }
}

static void add_task_roles(const struct resource *r, struct strlist *ret)
{
    add_passed(r, "executionRoleArn", ret);
    add_passed(r, "taskRoleArn", ret);
}

static void task_roles(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "ecs.task_definition", ret, add_task_roles);
}

/* Of the spec's own roles there is a row already. */
static void add_other_roles(const struct resource *r, struct strlist *ret)
{
    _cleanup_strlist_ struct strlist all = STRLIST_INIT;
    add_task_roles(r, &all);
    for (size_t i = 0; i < all.n; i++) {
        _cleanup_free_ char *address = xasprintf("iam.role/%s", all.v[i]);
        if (graph_find(r->graph, address) == NULL)
            add_once(ret, all.v[i]);
    }
}

static void other_roles(const struct graph *g, struct strlist *ret)
{
    each_wanted(g, "ecs.task_definition", ret, add_other_roles);
}

/* What a preflight looks at of them. */
static void task_secrets(const struct graph *g, struct strlist *ret)
{
    _cleanup_json_ cJSON *secrets = ecs_secrets_collect(g, false);
    const cJSON *secret;
    cJSON_ArrayForEach (secret, secrets) {
        static const char kind[] = ":secret:";
        const char *id = json_str(secret, "id");
        if (!str_eq(json_str(secret, "kind"), "secret"))
            continue;
        const char *at = strstr(id, kind);
        const char *name = at != NULL ? at + strlen(kind) : id;
        add_once(ret, name);
        _cleanup_free_ char *whole = xasprintf("%s-??????", name);
        add_once(ret, whole);
    }
}

#define ECS_ALL "ecs:cluster/${E} ecs:service/${E}/* ecs:task-definition/${E}-*:*"

const struct permission ecs_permissions[] = {
    { .sid = "ServiceLook", .actions = "ecs:DescribeServices", .resources = "ecs:service/${E}/*" },
    { .sid = "ServiceList",
      .actions = "ecs:ListServices",
      .resources = "*",
      .condition = "ArnLike ecs:cluster arn:${P}:ecs:${R}:${A}:cluster/${E}" },
    { .sid = LOOK, .actions = "ecs:ListTaskDefinitionFamilies", .resources = "*" },
    { .sid = LOOK,
      .actions = "ecs:DescribeTaskDefinition ecs:ListTaskDefinitions "
                 "ecs:DeregisterTaskDefinition",
      .resources = "*",
      .when = "ecs.task_definition" },
    { .sid = "ClusterCreate",
      .actions = "ecs:CreateCluster ecs:TagResource",
      .resources = ECS_ALL,
      .flags = PERMIT_NEW,
      .when = "ecs.cluster" },
    { .sid = "ClusterCreate",
      .actions = "ecs:CreateService ecs:TagResource",
      .resources = ECS_ALL,
      .flags = PERMIT_NEW,
      .when = "ecs.service" },
    { .sid = "ClusterCreate",
      .actions = "ecs:RegisterTaskDefinition ecs:TagResource",
      .resources = ECS_ALL,
      .flags = PERMIT_NEW,
      .when = "ecs.task_definition" },
    /* The pipeline's number is a tag of the cluster. */
    { .sid = "ClusterChange",
      .actions = "ecs:TagResource ecs:UpdateClusterSettings ecs:DeleteCluster",
      .resources = "ecs:cluster/${E} ecs:service/${E}/*",
      .flags = PERMIT_OURS,
      .when = "ecs.cluster" },
    { .sid = "ClusterChange",
      .actions = "ecs:UpdateService ecs:DeleteService",
      .resources = "ecs:cluster/${E} ecs:service/${E}/*",
      .flags = PERMIT_OURS,
      .when = "ecs.service" },
    /* https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html */
    { .sid = "TaskRole",
      .actions = "iam:PassRole",
      .resources = "iam::role/${NAME}",
      .when = "ecs.task_definition",
      .condition = "StringEquals iam:PassedToService ecs-tasks.amazonaws.com",
      .names = task_roles },
    /* What is asked before the first write, docs/preflight.md. Without these rows it is not asked,
     * and the job says so. */
    { .sid = LOOK,
      .actions = "ssm:DescribeParameters iam:SimulatePrincipalPolicy",
      .resources = "*",
      .when = "ecs.task_definition" },
    { .sid = "TaskSecret",
      .actions = "secretsmanager:DescribeSecret secretsmanager:GetResourcePolicy",
      .resources = "secretsmanager:secret:${NAME}",
      .when = "ecs.task_definition",
      .names = task_secrets },
    { .sid = "TaskRoleLook",
      .actions = "iam:GetRole",
      .resources = "iam::role/${NAME}",
      .when = "ecs.task_definition",
      .names = other_roles },
    { .sid = "ClusterLinkedRole",
      .actions = "iam:CreateServiceLinkedRole",
      .resources = "iam::role/aws-service-role/ecs.amazonaws.com/*",
      .when = "ecs.cluster",
      .condition = "StringEquals iam:AWSServiceName ecs.amazonaws.com" },
    { .sid = NULL },
};
