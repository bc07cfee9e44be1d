/* SPDX-License-Identifier: MIT */
/* What caches and their tokens ask of IAM: see permission.h. */
#include "drivers/permission.h"

/* --- elasticache: list_amazonelasticache.html ------------------------------------------------ */

/* A replication group's nodes are "<group>-001" and so on. */
#define CACHE_ALL                                                                                  \
    "elasticache:cluster:${E} elasticache:cluster:${E}-* elasticache:replicationgroup:${E} "       \
    "elasticache:subnetgroup:${E}-redis-subnet"
#define CACHES "elasticache.cluster elasticache.replication_group"

static void add_parameter_group(const struct resource *r, struct strlist *ret)
{
    permission_add_once(ret, json_str(r->want, "CacheParameterGroupName"));
}

static void parameter_groups(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "elasticache.cluster", ret, add_parameter_group);
    permission_each_wanted(g, "elasticache.replication_group", ret, add_parameter_group);
}

static void add_parameter(const struct resource *r, struct strlist *ret)
{
    permission_add_parameter(ret, r->name);
}

static void token_parameters(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "elasticache.auth_token", ret, add_parameter);
}

static void add_secret(const struct resource *r, struct strlist *ret)
{
    permission_add_secret(ret, r->name);
}

static void token_secrets(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "elasticache.auth_token", ret, add_secret);
}

/* What the reference lists as dependent actions on network interfaces ElastiCache does by its
 * service-linked role; AWS's AmazonElastiCacheFullAccess has none of them either:
 * https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonElastiCacheFullAccess.html
 */
const struct permission elasticache_permissions[] = {
    { .sid = "CacheLook",
      .actions = "elasticache:DescribeCacheSubnetGroups elasticache:DescribeReplicationGroups "
                 "elasticache:ListTagsForResource",
      .resources = CACHE_ALL,
      .uses = PERMIT_LOOKS },
    /* With a cache all of the region's are counted by jobs, capacity.c: they may look at this one
     * then. */
    { .sid = "CacheLook",
      .actions = "elasticache:DescribeCacheClusters",
      .resources = CACHE_ALL,
      .unless = CACHES,
      .uses = PERMIT_LOOKS },
    { .sid = PERMIT_LOOK,
      .actions = "elasticache:DescribeEvents",
      .resources = "*",
      .when = CACHES,
      .uses = PERMIT_LOOKS },
    { .sid = "CacheCreate",
      .actions = "elasticache:CreateCacheSubnetGroup",
      .resources = CACHE_ALL,
      .flags = PERMIT_NEW,
      .when = CACHES },
    { .sid = "CacheCreate",
      .actions = "elasticache:AddTagsToResource",
      .resources = CACHE_ALL,
      .flags = PERMIT_NEW,
      .when = CACHES,
      .uses = PERMIT_ADOPTS },
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
      .actions = "elasticache:ModifyCacheSubnetGroup",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = CACHES },
    { .sid = "CacheChange",
      .actions = "elasticache:DeleteCacheSubnetGroup",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = CACHES,
      .uses = PERMIT_REMOVES },
    { .sid = "CacheChange",
      .actions = "elasticache:ModifyCacheCluster",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = "elasticache.cluster" },
    { .sid = "CacheChange",
      .actions = "elasticache:DeleteCacheCluster",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = "elasticache.cluster",
      .uses = PERMIT_REMOVES },
    { .sid = "CacheChange",
      .actions = "elasticache:ModifyReplicationGroup elasticache:IncreaseReplicaCount "
                 "elasticache:DecreaseReplicaCount",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = "elasticache.replication_group" },
    { .sid = "CacheChange",
      .actions = "elasticache:DeleteReplicationGroup",
      .resources = CACHE_ALL,
      .flags = PERMIT_OURS,
      .when = "elasticache.replication_group",
      .uses = PERMIT_REMOVES },
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
      .names = token_parameters,
      .uses = PERMIT_ADOPTS },
    { .sid = "CacheSecret",
      .actions = "secretsmanager:DescribeSecret secretsmanager:GetSecretValue",
      .resources = "secretsmanager:secret:${NAME}",
      .when = "elasticache.auth_token",
      .names = token_secrets,
      .uses = PERMIT_ADOPTS },
    { .sid = "CacheLinkedRole",
      .actions = "iam:CreateServiceLinkedRole",
      .resources = "iam::role/aws-service-role/elasticache.amazonaws.com/*",
      .when = CACHES,
      .condition = "StringEquals iam:AWSServiceName elasticache.amazonaws.com" },
    { .sid = NULL },
};
