/* SPDX-License-Identifier: MIT */
/* What certificates, VPCs, security groups and load balancers ask of IAM: see permission.h. */
#include "drivers/permission.h"

/* --- acm: list_awscertificatemanager.html ---------------------------------------------------- */

const struct permission acm_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "acm:ListCertificates",
      .resources = "*",
      .when = "acm.certificate",
      .uses = PERMIT_ADOPTS },
    { .sid = "Certificate",
      .actions = "acm:DescribeCertificate",
      .resources = "acm:certificate/*",
      .when = "acm.certificate alb.listener",
      .uses = PERMIT_ADOPTS },
    { .sid = NULL },
};

/* --- ec2: list_amazonec2.html ---------------------------------------------------------------- */

const struct permission ec2_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "ec2:DescribeVpcs ec2:DescribeSubnets",
      .resources = "*",
      .when = "ec2.vpc ec2.subnets",
      .uses = PERMIT_ADOPTS },
    { .sid = NULL },
};

static void add_vpc_ids(const struct resource *r, struct strlist *ret)
{
    const cJSON *id;
    cJSON_ArrayForEach (id, json_get(r->want, "VpcIds"))
        permission_add_once(ret, cJSON_GetStringValue(id));
}

static void vpc_ids(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "ec2.vpc", ret, add_vpc_ids);
}

/* The values of the tag Name that the VPC is looked up by. */
static void add_vpc_names(const struct resource *r, struct strlist *ret)
{
    const cJSON *filter = json_find(json_get(r->want, "Filters"), "Name", "tag:Name");
    const cJSON *value;
    cJSON_ArrayForEach (value, json_get(filter, "Values"))
        permission_add_once(ret, cJSON_GetStringValue(value));
}

static void vpc_names(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "ec2.vpc", ret, add_vpc_names);
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
    { .sid = PERMIT_LOOK,
      .actions = "ec2:DescribeSecurityGroups",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    /* Who holds a group that cannot be removed. */
    { .sid = PERMIT_LOOK,
      .actions = "ec2:DescribeNetworkInterfaces",
      .resources = "*",
      .when = "security_group",
      .uses = PERMIT_REMOVES },
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
    { .sid = "FirewallAdopt",
      .actions = "ec2:CreateTags",
      .resources = "ec2:security-group/*",
      .flags = PERMIT_NEW,
      .when = "security_group",
      .uses = PERMIT_ADOPT_ONLY },
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
      .actions = "ec2:AuthorizeSecurityGroupIngress",
      .resources = "ec2:security-group/*",
      .flags = PERMIT_OURS,
      .when = "security_group" },
    { .sid = "FirewallChange",
      .actions = "ec2:RevokeSecurityGroupIngress ec2:RevokeSecurityGroupEgress "
                 "ec2:DeleteSecurityGroup",
      .resources = "ec2:security-group/*",
      .flags = PERMIT_OURS,
      .when = "security_group",
      .uses = PERMIT_REMOVES },
    { .sid = NULL },
};

/* --- alb: list_awselasticloadbalancingv2.html ------------------------------------------------ */

#define ALB_PARTS                                                                                  \
    "elasticloadbalancing:listener/app/${E}/* elasticloadbalancing:listener-rule/app/${E}/*"
#define ALB_ALL                                                                                    \
    "elasticloadbalancing:loadbalancer/app/${E}/* " ALB_PARTS                                      \
    " elasticloadbalancing:targetgroup/${E}-*/*"

const struct permission alb_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "elasticloadbalancing:DescribeLoadBalancers "
                 "elasticloadbalancing:DescribeTargetGroups elasticloadbalancing:DescribeTags",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    { .sid = PERMIT_LOOK,
      .actions = "elasticloadbalancing:DescribeLoadBalancerAttributes "
                 "elasticloadbalancing:DescribeListeners "
                 "elasticloadbalancing:DescribeListenerCertificates "
                 "elasticloadbalancing:DescribeRules",
      .resources = "*",
      .when = "alb.load_balancer",
      .uses = PERMIT_LOOKS },
    { .sid = PERMIT_LOOK,
      .actions = "elasticloadbalancing:DescribeTargetGroupAttributes "
                 "elasticloadbalancing:DescribeTargetHealth",
      .resources = "*",
      .when = "alb.target_group",
      .uses = PERMIT_LOOKS },
    /* What CreateLoadBalancer, CreateTargetGroup, SetSubnets and SetIpAddressType ask of EC2 in the
     * caller's name:
     * https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html */
    { .sid = PERMIT_LOOK,
      .actions = "ec2:DescribeAccountAttributes ec2:DescribeAddresses "
                 "ec2:DescribeInternetGateways ec2:DescribeSecurityGroups ec2:DescribeSubnets "
                 "ec2:DescribeVpcs",
      .resources = "*",
      .when = "alb.load_balancer" },
    { .sid = PERMIT_LOOK,
      .actions = "ec2:DescribeInternetGateways ec2:DescribeVpcs",
      .resources = "*",
      .when = "alb.target_group" },
    { .sid = "BalancerCreate",
      .actions = "elasticloadbalancing:CreateLoadBalancer elasticloadbalancing:CreateListener",
      .resources = ALB_ALL,
      .flags = PERMIT_NEW,
      .when = "alb.load_balancer" },
    { .sid = "BalancerCreate",
      .actions = "elasticloadbalancing:AddTags",
      .resources = ALB_ALL,
      .flags = PERMIT_NEW,
      .when = "alb.load_balancer alb.target_group",
      .uses = PERMIT_ADOPTS },
    { .sid = "BalancerCreate",
      .actions = "elasticloadbalancing:CreateRule",
      .resources = ALB_ALL,
      .flags = PERMIT_NEW,
      .when = "alb.rule" },
    { .sid = "BalancerCreate",
      .actions = "elasticloadbalancing:CreateTargetGroup",
      .resources = ALB_ALL,
      .flags = PERMIT_NEW,
      .when = "alb.target_group" },
    { .sid = "BalancerChange",
      .actions = "elasticloadbalancing:SetIpAddressType elasticloadbalancing:SetSecurityGroups "
                 "elasticloadbalancing:SetSubnets",
      .resources = ALB_ALL,
      .flags = PERMIT_OURS,
      .when = "alb.load_balancer" },
    { .sid = "BalancerChange",
      .actions = "elasticloadbalancing:ModifyLoadBalancerAttributes "
                 "elasticloadbalancing:DeleteLoadBalancer",
      .resources = ALB_ALL,
      .flags = PERMIT_OURS,
      .when = "alb.load_balancer",
      .uses = PERMIT_REMOVES },
    /* A part of the load balancer is the load balancer's, also what somebody has added by hand,
     * without tags. */
    { .sid = "BalancerPart",
      .actions = "elasticloadbalancing:ModifyListener "
                 "elasticloadbalancing:AddListenerCertificates "
                 "elasticloadbalancing:RemoveListenerCertificates",
      .resources = ALB_PARTS,
      .when = "alb.load_balancer" },
    { .sid = "BalancerPart",
      .actions = "elasticloadbalancing:DeleteListener elasticloadbalancing:DeleteRule",
      .resources = ALB_PARTS,
      .when = "alb.load_balancer",
      .uses = PERMIT_REMOVES },
    { .sid = "BalancerPart",
      .actions = "elasticloadbalancing:ModifyRule elasticloadbalancing:SetRulePriorities",
      .resources = ALB_PARTS,
      .when = "alb.rule" },
    { .sid = "BalancerChange",
      .actions = "elasticloadbalancing:ModifyTargetGroup",
      .resources = ALB_ALL,
      .flags = PERMIT_OURS,
      .when = "alb.target_group" },
    { .sid = "BalancerChange",
      .actions = "elasticloadbalancing:ModifyTargetGroupAttributes "
                 "elasticloadbalancing:DeleteTargetGroup",
      .resources = ALB_ALL,
      .flags = PERMIT_OURS,
      .when = "alb.target_group",
      .uses = PERMIT_REMOVES },
    { .sid = "BalancerLinkedRole",
      .actions = "iam:CreateServiceLinkedRole",
      .resources = "iam::role/aws-service-role/elasticloadbalancing.amazonaws.com/*",
      .when = "alb.load_balancer",
      .condition = "StringEquals iam:AWSServiceName elasticloadbalancing.amazonaws.com" },
    { .sid = NULL },
};
