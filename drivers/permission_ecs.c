/* SPDX-License-Identifier: MIT */
/* What images, roles, services and tasks ask of IAM: see permission.h. */
#include "drivers/permission.h"

#include "drivers/ecr.h"
#include "drivers/ecs_secrets.h"

/* --- ecr: list_amazonelasticcontainerregistry.html ------------------------------------------- */

static void repositories(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "ecr.repository", ret, permission_add_name);
}

const struct permission ecr_permissions[] = {
    /* All of them, where one that is asked for is missing. */
    { .sid = "RepositoryLook",
      .actions = "ecr:DescribeRepositories",
      .resources = "ecr:repository/*",
      .when = "ecr.repository",
      .uses = PERMIT_LOOKS },
    { .sid = "Repository",
      .actions = "ecr:CreateRepository ecr:TagResource",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.repository",
      .names = repositories },
    { .sid = "Repository",
      .actions = "ecr:ListImages",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.repository",
      .names = repositories,
      .uses = PERMIT_LOOKS },
    { .sid = "Repository",
      .actions = "ecr:BatchDeleteImage",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.repository",
      .names = repositories,
      .uses = PERMIT_REMOVES },
    { .sid = "Repository",
      .actions = "ecr:BatchGetImage",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.repository",
      .names = repositories,
      .uses = PERMIT_ADOPTS },
    /* <module>-build: a builder pushes with a token of berth's role, by
     * https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html */
    { .sid = PERMIT_LOOK,
      .actions = "ecr:GetAuthorizationToken",
      .resources = "*",
      .when = "ecr.repository" },
    { .sid = "Image",
      .actions = "ecr:BatchCheckLayerAvailability ecr:CompleteLayerUpload ecr:InitiateLayerUpload "
                 "ecr:PutImage ecr:UploadLayerPart",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.repository",
      .names = repositories },
    /* Whose a repository is, before a build, and what its tags are on; and the layers of an image
     * to build on, by
     * https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html */
    { .sid = "Repository",
      .actions = "ecr:DescribeImages ecr:GetDownloadUrlForLayer ecr:ListTagsForResource",
      .resources = "ecr:repository/${NAME}",
      .when = "ecr.repository",
      .names = repositories },
    { .sid = "Repository",
      .actions = "ecr:BatchGetImage",
      .resources = "ecr:repository/${NAME}",
      .when = "ecs.task_definition",
      .names = ecr_named_repositories,
      .uses = PERMIT_ADOPTS },
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
    permission_each_wanted(g, "iam.role", ret, permission_add_name);
}

const struct permission iam_permissions[] = {
    { .sid = "Role",
      .actions = "iam:GetRole",
      .resources = "iam::role/${NAME}",
      .when = "iam.role",
      .names = roles,
      .uses = PERMIT_ADOPTS },
    { .sid = "Role",
      .actions = "iam:CreateRole",
      .resources = "iam::role/${NAME}",
      .when = "iam.role",
      .names = roles },
    { .sid = "Role",
      .actions = "iam:GetRolePolicy",
      .resources = "iam::role/${NAME}",
      .when = "iam.role_policy",
      .names = roles,
      .uses = PERMIT_ADOPTS },
    { .sid = "Role",
      .actions = "iam:PutRolePolicy",
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

/* --- ecs: list_amazonelasticcontainerservice.html -------------------------------------------- */

/* The name, or NULL if IAM would take it for more than one: neither roles nor secrets have such
 * names, and a spec must not have itself allowed all of them. */
static const char *literal(const char *name)
{
    return name != NULL && strpbrk(name, "*?$") == NULL ? name : NULL;
}

/* What follows "role/" in the ARN of a role that tasks get. */
static void add_passed(const struct resource *r, const char *member, struct strlist *ret)
{
    static const char kind[] = ":role/";
    const cJSON *arn = json_get(r->want, member);
    if (cJSON_IsString(arn)) {
        const char *at = strstr(arn->valuestring, kind);
        permission_add_once(ret, literal(at != NULL ? at + strlen(kind) : NULL));
    }
    for (size_t i = 0; ref_is(arn) && i < r->n_needs; i++) {
        const struct resource *role = r->needs[i].resource;
        if (role != NULL && str_eq(role->type->name, "iam.role") &&
            strstr(arn->child->valuestring, role->address) != NULL)
            permission_add_once(ret, literal(role->name));
    }
}

static void add_task_roles(const struct resource *r, struct strlist *ret)
{
    add_passed(r, "executionRoleArn", ret);
    add_passed(r, "taskRoleArn", ret);
}

static void task_roles(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "ecs.task_definition", ret, add_task_roles);
}

/* Of the spec's own roles there is a row already. */
static void add_other_roles(const struct resource *r, struct strlist *ret)
{
    _cleanup_strlist_ struct strlist all = STRLIST_INIT;
    add_task_roles(r, &all);
    for (size_t i = 0; i < all.n; i++) {
        _cleanup_free_ char *address = xasprintf("iam.role/%s", all.v[i]);
        if (graph_find(r->graph, address) == NULL)
            permission_add_once(ret, all.v[i]);
    }
}

static void other_roles(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "ecs.task_definition", ret, add_other_roles);
}

/* What a preflight looks at of them. */
static void task_secrets(const struct graph *g, struct strlist *ret)
{
    _cleanup_json_ cJSON *secrets = ecs_secrets_collect(g, false);
    const cJSON *secret;
    cJSON_ArrayForEach (secret, secrets) {
        static const char kind[] = ":secret:";
        const char *id = json_str(secret, "id");
        if (!str_eq(json_str(secret, "kind"), "secret") || literal(id) == NULL)
            continue;
        const char *at = strstr(id, kind);
        const char *name = at != NULL ? at + strlen(kind) : id;
        permission_add_once(ret, name);
        _cleanup_free_ char *whole = xasprintf("%s-??????", name);
        permission_add_once(ret, whole);
    }
}

#define INSIDE  "ecs:cluster/${E} ecs:service/${E}/* ecs:task/${E}/*"
#define ECS_ALL "ecs:cluster/${E} ecs:service/${E}/* ecs:task-definition/${E}-*:*"

const struct permission ecs_permissions[] = {
    { .sid = "Inside",
      .actions = "ecs:DescribeServices",
      .resources = INSIDE,
      .uses = PERMIT_LOOKS },
    /* What is in the cluster beside services, and keeps it; capacity.c lists tasks, too. */
    { .sid = "Inside",
      .actions = "ecs:StopTask ecs:ListContainerInstances",
      .resources = INSIDE,
      .when = "ecs.cluster",
      .uses = PERMIT_REMOVES },
    { .sid = "ServiceList",
      .actions = "ecs:ListServices",
      .resources = "*",
      .condition = "ArnLike ecs:cluster arn:${P}:ecs:${R}:${A}:cluster/${E}",
      .uses = PERMIT_LOOKS },
    { .sid = PERMIT_LOOK,
      .actions = "ecs:ListTaskDefinitionFamilies",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    { .sid = PERMIT_LOOK,
      .actions = "ecs:DescribeTaskDefinition ecs:ListTaskDefinitions",
      .resources = "*",
      .when = "ecs.task_definition",
      .uses = PERMIT_LOOKS },
    { .sid = PERMIT_LOOK,
      .actions = "ecs:DeregisterTaskDefinition",
      .resources = "*",
      .when = "ecs.task_definition",
      .uses = PERMIT_REMOVES },
    { .sid = "ClusterCreate",
      .actions = "ecs:CreateCluster",
      .resources = ECS_ALL,
      .flags = PERMIT_NEW,
      .when = "ecs.cluster" },
    { .sid = "ClusterCreate",
      .actions = "ecs:TagResource",
      .resources = ECS_ALL,
      .flags = PERMIT_NEW,
      .when = "ecs.cluster ecs.service ecs.task_definition",
      .uses = PERMIT_ADOPTS },
    { .sid = "ClusterCreate",
      .actions = "ecs:CreateService",
      .resources = ECS_ALL,
      .flags = PERMIT_NEW,
      .when = "ecs.service" },
    { .sid = "ClusterCreate",
      .actions = "ecs:RegisterTaskDefinition",
      .resources = ECS_ALL,
      .flags = PERMIT_NEW,
      .when = "ecs.task_definition" },
    /* The pipeline's number is a tag of the cluster. */
    { .sid = "ClusterChange",
      .actions = "ecs:TagResource ecs:UpdateClusterSettings ecs:PutClusterCapacityProviders",
      .resources = ECS_ALL,
      .flags = PERMIT_OURS,
      .when = "ecs.cluster" },
    { .sid = "ClusterChange",
      .actions = "ecs:DeleteCluster",
      .resources = ECS_ALL,
      .flags = PERMIT_OURS,
      .when = "ecs.cluster",
      .uses = PERMIT_REMOVES },
    { .sid = "ClusterChange",
      .actions = "ecs:UpdateService",
      .resources = ECS_ALL,
      .flags = PERMIT_OURS,
      .when = "ecs.service" },
    { .sid = "ClusterChange",
      .actions = "ecs:DeleteService",
      .resources = ECS_ALL,
      .flags = PERMIT_OURS,
      .when = "ecs.service",
      .uses = PERMIT_REMOVES },
    { .sid = "ClusterChange",
      .actions = "ecs:DeleteTaskDefinitions",
      .resources = ECS_ALL,
      .flags = PERMIT_OURS,
      .when = "ecs.task_definition",
      .uses = PERMIT_REMOVES },
    /* https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html */
    { .sid = "TaskRole",
      .actions = "iam:PassRole",
      .resources = "iam::role/${NAME}",
      .when = "ecs.task_definition",
      .condition = "StringEquals iam:PassedToService ecs-tasks.amazonaws.com",
      .names = task_roles },
    /* What is asked before the first write, docs/preflight.md. Without these rows it is not asked,
     * and the job says so. */
    { .sid = PERMIT_LOOK,
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
