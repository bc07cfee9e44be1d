/* SPDX-License-Identifier: MIT */
#include "drivers/permission.h"

void permission_add_once(struct strlist *list, const char *name)
{
    if (name != NULL && !strlist_has(list, name))
        strlist_add(list, name);
}

void permission_add_name(const struct resource *r, struct strlist *ret)
{
    permission_add_once(ret, r->name);
}

void permission_each_wanted(const struct graph *g, const char *type, struct strlist *ret,
                            void (*f)(const struct resource *r, struct strlist *ret))
{
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]->want != NULL && str_eq(g->v[i]->type->name, type))
            f(g->v[i], ret);
}
