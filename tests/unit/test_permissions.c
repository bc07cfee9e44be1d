/* SPDX-License-Identifier: MIT */
/* What the drivers ask of IAM: nothing that they call is missing, and nothing else is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>

#include "drivers/aws/shapes.h"
#include "drivers/driver.h"

/* Actions that berth could call, and does not: a policy need not have them. Who begins to call
 * one gives its driver's table a row, and takes it from here. */
static const char *const uncalled[] = {
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:DeleteTags",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeSecurityGroupRules",
    "ecr:DeleteLifecyclePolicy",
    "ecr:DeleteRepository",
    "ecr:GetLifecyclePolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:PutLifecyclePolicy",
    "ecr:SetRepositoryPolicy",
    "ecr:UntagResource",
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "ecs:ListServiceDeployments",
    "ecs:ListTagsForResource",
    "ecs:RunTask",
    "ecs:StopServiceDeployment",
    "ecs:UntagResource",
    "ecs:UpdateCluster",
    "elasticache:RemoveTagsFromResource",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:DescribeListenerAttributes",
    "elasticloadbalancing:ModifyListenerAttributes",
    "elasticloadbalancing:RegisterTargets",
    "elasticloadbalancing:RemoveTags",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:ListRoleTags",
    "iam:ListRoles",
    "iam:TagRole",
    "iam:UntagRole",
    "logs:DescribeLogStreams",
    "logs:FilterLogEvents",
    "logs:UntagResource",
    "servicediscovery:DiscoverInstances",
    "servicediscovery:GetInstance",
    "servicediscovery:GetInstancesHealthStatus",
    "servicediscovery:GetNamespace",
    "servicediscovery:GetService",
    "servicediscovery:RegisterInstance",
    "servicediscovery:UntagResource",
    "servicediscovery:UpdateInstanceCustomHealthStatus",
    "ssm:ListTagsForResource",
    /* Called with the runner's own credentials, or by anyone. */
    "sts:AssumeRole",
    "sts:AssumeRoleWithWebIdentity",
    "sts:GetCallerIdentity",
};

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; at != NULL && (at = strstr(at, word)) != NULL; at++)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static const struct permission *row_with(const char *action)
{
    for (const struct driver *const *d = drivers; *d != NULL; d++)
        for (const struct permission *p = (*d)->permissions; p != NULL && p->sid != NULL; p++)
            if (has_word(p->actions, action))
                return p;
    return NULL;
}

/* The services whose actions are not named after their signing name. */
static const char *prefix_of(const struct service *service)
{
    static const char *const prefixes[][2] = { { "monitoring", "cloudwatch" },
                                               { "tagging", "tag" } };
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (str_eq(service->signing, prefixes[i][0]))
            return prefixes[i][1];
    return service->signing;
}

static void every_action_is_in_a_table(void **state)
{
    (void)state;
    const struct service *service;
    unsigned missing = 0;
    for (size_t i = 0; (service = service_at(i)) != NULL; i++) {
        for (size_t j = 0; j < service->n; j++) {
            char action[128];
            snprintf(action, sizeof(action), "%s:%s", prefix_of(service),
                     service->operations[j].name);
            bool none = false;
            for (size_t k = 0; k < ARRAY_SIZE(uncalled); k++)
                none = none || str_eq(uncalled[k], action);
            if ((row_with(action) != NULL) == none) {
                print_error("%s is %s\n", action,
                            none ? "in a driver's permissions, and said not to be called here"
                                 : "in no driver's permissions (drivers/permission_*.c)");
                missing++;
            }
        }
    }
    assert_int_equal(missing, 0);
}

static bool is_type(const char *name, size_t len)
{
    for (const struct driver *const *d = drivers; *d != NULL; d++)
        for (const struct resource_type *const *t = (*d)->types; *t != NULL; t++)
            if (strlen((*t)->name) == len && strncmp((*t)->name, name, len) == 0)
                return true;
    return false;
}

/* "Sid: a-z, A-Z, 0-9"; every driver has a table, and no row depends on a type that is none. */
static void tables_are_sound(void **state)
{
    (void)state;
    for (const struct driver *const *d = drivers; *d != NULL; d++) {
        assert_non_null((*d)->permissions);
        for (const struct permission *p = (*d)->permissions; p->sid != NULL; p++) {
            for (const char *c = p->sid; *c != '\0'; c++)
                assert_true(isalnum((unsigned char)*c));
            assert_non_null(strchr(p->actions, ':'));
            assert_non_null(p->resources);
            for (const char *w = p->when; w != NULL && *w != '\0';) {
                size_t len = strcspn(w, " ");
                if (!is_type(w, len))
                    fail_msg("%s %s: there is no type '%.*s'", (*d)->name, p->sid, (int)len, w);
                w += len + strspn(w + len, " ");
            }
            bool named = strstr(p->resources, "${NAME}") != NULL ||
                         (p->condition != NULL && strstr(p->condition, "${NAME}") != NULL);
            assert_true(!named || p->names != NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_is_in_a_table),
        cmocka_unit_test(tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
