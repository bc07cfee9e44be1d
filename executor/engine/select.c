/* SPDX-License-Identifier: MIT */
/* What a job may act on. */
#include "executor/engine/internal.h"

static bool names_driver(const char *const *names, const struct driver *driver)
{
    for (; *names != NULL; names++) {
        if (str_eq(*names, driver->name))
            return true;
        for (const char *const *a = driver->aliases; a != NULL && *a != NULL; a++)
            if (str_eq(*names, *a))
                return true;
    }
    return false;
}

static int check_drivers(const struct graph *g, const char *const *names, struct err *err)
{
    for (; *names != NULL; names++) {
        const char *one[] = { *names, NULL };
        bool found = false;
        for (size_t i = 0; g->drivers[i] != NULL && !found; i++)
            found = names_driver(one, g->drivers[i]);
        if (!found)
            return err_set(err, ERR_USER, "there is no driver '%s': correct the job's name",
                           *names);
    }
    return 0;
}

static bool is_service(const struct resource *r, const char *service)
{
    const struct driver *driver = engine_driver_of(r->graph, r->type);
    return r->want != NULL && driver != NULL && str_eq(driver->name, "ecs") &&
           str_eq(r->label, service);
}

/* Sets in[] for what is needed by the selected and by nothing else. Goes backwards through the
 * order, in which whoever needs a resource stands behind it. */
static void add_private_needs(const struct graph *g, bool *in)
{
    _cleanup_free_ bool *inside = xcalloc(g->n + 1, sizeof(bool));
    _cleanup_free_ bool *outside = xcalloc(g->n + 1, sizeof(bool));
    for (size_t i = g->n_order; i-- > 0;) {
        const struct resource *r = g->order[i];
        if (inside[r->index] && !outside[r->index])
            in[r->index] = true;
        for (size_t j = 0; j < r->n_needs; j++) {
            bool *needed_by = in[r->index] ? inside : outside;
            needed_by[r->needs[j].resource->index] = true;
        }
    }
}

static int select_service(const struct graph *g, const char *service, bool *in, struct err *err)
{
    bool found = false;
    for (size_t i = 0; i < g->n; i++) {
        in[i] = is_service(g->v[i], service);
        found = found || in[i];
    }
    if (!found)
        return err_set(err, ERR_USER,
                       "services: there is no service '%s': declare it, or correct the job's name",
                       service);
    add_private_needs(g, in);
    return 0;
}

int selection_apply(struct graph *g, const struct selection *selection, struct err *err)
{
    const char *const *names = selection != NULL ? selection->drivers : NULL;
    const char *service = selection != NULL ? selection->service : NULL;
    if (names != NULL && check_drivers(g, names, err) < 0)
        return -1;
    _cleanup_free_ bool *in = xcalloc(g->n + 1, sizeof(bool));
    if (service != NULL && select_service(g, service, in, err) < 0)
        return -1;
    for (size_t i = 0; i < g->n; i++) {
        struct resource *r = g->v[i];
        const struct driver *driver = engine_driver_of(g, r->type);
        r->selected = (names == NULL && service == NULL) || in[i] ||
                      (names != NULL && driver != NULL && names_driver(names, driver));
    }
    return 0;
}
