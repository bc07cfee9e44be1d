/* SPDX-License-Identifier: MIT */
#include "drivers/permission.h"

#include "drivers/secret.h"

void permission_add_once(struct strlist *list, const char *name)
{
    if (name != NULL && !strlist_has(list, name))
        strlist_add(list, name);
}

void permission_add_name(const struct resource *r, struct strlist *ret)
{
    permission_add_once(ret, r->name);
}

/* Parameters by their names without the slash that begins them, as their ARNs have them. */
void permission_add_parameter(struct strlist *ret, const char *secret)
{
    if (secret_is_in_manager(secret))
        return;
    const char *name = secret_parameter_name(secret);
    permission_add_once(ret, *name == '/' ? name + 1 : name);
}

/* What follows "secret:" in its ARN, which ends with a hyphen and six characters that a secret's
 * name lacks: https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html */
void permission_add_secret(struct strlist *ret, const char *secret)
{
    static const char kind[] = ":secret:";
    const char *at = secret_is_in_manager(secret) ? strstr(secret, kind) : NULL;
    if (at == NULL)
        return;
    permission_add_once(ret, at + strlen(kind));
    _cleanup_free_ char *whole = xasprintf("%s-??????", at + strlen(kind));
    permission_add_once(ret, whole);
}

void permission_each_wanted(const struct graph *g, const char *type, struct strlist *ret,
                            void (*f)(const struct resource *r, struct strlist *ret))
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->want != NULL && str_eq(g->v[i]->type->name, type))
            f(g->v[i], ret);
}
