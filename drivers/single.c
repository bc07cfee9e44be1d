/* SPDX-License-Identifier: MIT */
#include "drivers/single.h"

#include "drivers/common.h"

static int take(const struct single *one, struct session *s, struct resource *r, const cJSON *value,
                struct err *err)
{
    r->observed = true;
    return one->take(s, r, value, err);
}

int single_discover(const struct single *one, struct session *s, struct graph *g, const char *name,
                    struct err *err)
{
    resources_mark_observed(g, one->type);
    _cleanup_json_ cJSON *value = NULL;
    if (one->read(s, name, &value, err) < 0)
        return -1;
    if (value == NULL)
        return 0;
    return take(one, s, graph_found(g, one->type, one->label, name), value, err);
}

int single_observe(const struct single *one, struct session *s, struct resource *const *r, size_t n,
                   struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_json_ cJSON *value = NULL;
        if (one->read(s, r[i]->name, &value, err) < 0 || take(one, s, r[i], value, err) < 0)
            return -1;
    }
    return 0;
}
