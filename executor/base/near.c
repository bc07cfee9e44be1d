/* SPDX-License-Identifier: MIT */
#include "executor/base/near.h"

#include <strings.h>

unsigned near_limit(const char *wrong)
{
    return (unsigned)strlen(wrong) / 3 + 1;
}

void near_try(struct near *near, const char *known)
{
    /* A word in the wrong case or cut short is as near as one wrong letter. */
    unsigned distance = strcasecmp(known, near->wrong) == 0 ? 0
                        : *near->wrong != '\0' && str_starts(known, near->wrong)
                            ? 1
                            : str_distance(near->wrong, known, near->distance);
    if (distance >= near->distance)
        return;
    near->distance = distance;
    near->word = known;
}

void near_try_keys(struct near *near, const cJSON *object)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, object)
        near_try(near, member->string);
}
