/* SPDX-License-Identifier: MIT */
#include "executor/engine/internal.h"

int engine_want(struct graph *g, const struct driver *const *taking_part, const cJSON *spec,
                struct err *err)
{
    g->drivers = taking_part;
    for (size_t i = 0; g->drivers[i] != NULL; i++)
        if (g->drivers[i]->want != NULL && g->drivers[i]->want(g, spec, err) < 0)
            return -1;
    return graph_link(g, err);
}

void engine_want_nothing(struct graph *g, const struct driver *const *taking_part)
{
    g->drivers = taking_part;
}
