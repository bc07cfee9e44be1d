/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_NEAR_H
#define BERTH_BASE_NEAR_H

/*
 * "Did you mean": the known word nearest to one that is not known. Every message that suggests
 * something decides so here.
 *
 *     struct near near = NEAR_INIT("memroy");
 *     near_try(&near, "memory");
 *     if (near.word != NULL) ...
 */

#include "executor/base/json.h"

struct near {
    const char *wrong;
    const char *word;  /* the best so far, as it was given; NULL if none is near */
    unsigned distance; /* of that, or one more than what still counts as near */
};
#define NEAR_INIT(wrong_word)                                                                      \
    {                                                                                              \
        .wrong = (wrong_word), .word = NULL, .distance = near_limit(wrong_word) + 1                \
    }

/* How many wrong letters a word of that length may have. */
unsigned near_limit(const char *wrong);
/* Considers one known word; the first of equally near ones stays. */
void near_try(struct near *near, const char *known);
/* Considers every key of an object. */
void near_try_keys(struct near *near, const cJSON *object);

#endif
