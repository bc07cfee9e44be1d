/* SPDX-License-Identifier: MIT */
#ifndef BERTH_ADOPT_H
#define BERTH_ADOPT_H

/*
 * `berth adopt`: an environment that was made by other means becomes berth's. What is there under
 * the name of something that the spec wants, and is nobody's, gets the environment's ownership tags
 * beside those it has. Nothing else is written, and what bears another environment's tags, or
 * CloudFormation's, is named and left.
 *
 * Call after deploy_observe(), whatever conflict that found. An adoption refers to the graph, which
 * outlives it; it owns everything else.
 */

#include "executor/engine/engine.h"

struct adopt_item {
    struct resource *r;
    bool take;      /* is nobody's: it will be adopted, or was */
    char *why;      /* it is left; or NULL */
    bool adopted;   /* and was then seen to be ours */
    struct err err; /* why it could not be */
};

struct adoption {
    const struct graph *g;
    struct adopt_item *v; /* all that is there and not ours, in the graph's order */
    size_t n;
    unsigned ours;         /* how many are ours already */
    struct strlist strays; /* ARNs of what has the tag Environment and no name that we know */
};
#define ADOPTION_INIT                                                                              \
    {                                                                                              \
        .strays = STRLIST_INIT                                                                     \
    }
#define _cleanup_adoption_ _cleanup_(adoption_release)

/* Decides what is to be adopted; reads the tags of what was only taken for ours, and what else the
 * tagging API knows of the environment. */
int adopt_look(struct session *s, struct graph *g, struct adoption *ret, struct err *err);
/* How many are to be adopted. */
size_t adopt_count(const struct adoption *a);
/*
 * Writes the tags, and waits until each resource is seen to be ours. One that fails does not stop
 * the others; the first failure is the error.
 */
int adopt_carry_out(struct session *s, const struct engine_options *o, struct adoption *a,
                    struct err *err);
void adopt_to_text(const struct adoption *a, struct strbuf *out);
/* Schema "berth-adopt/1", documented in docs/json.md; the caller owns it. */
cJSON *adopt_to_json(const struct adoption *a, const struct err *failure);
void adoption_release(struct adoption *a);

#endif
