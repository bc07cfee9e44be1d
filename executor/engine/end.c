/* SPDX-License-Identifier: MIT */
/* What drivers tidy up when all else is done. */
#include "executor/engine/internal.h"

void engine_end(struct session *s, struct graph *g, const struct engine_options *o,
                struct strlist *ret_done)
{
    for (size_t i = 0; g->drivers[i] != NULL; i++) {
        if (o->cancel != NULL && cancel_is_set(o->cancel))
            return;
        if (g->drivers[i]->end != NULL)
            g->drivers[i]->end(s, g, ret_done);
    }
}
