/* SPDX-License-Identifier: MIT */
#include "drivers/aws/created.h"

#include <strings.h>

/* How long AWS may take to know everywhere what it has created, seconds. */
#define FRESH 90.0
/* Shorter strings are words ("tcp"), not names. */
#define NAME_MIN 6

struct created_name {
    char *text;
    double when;
};

void created_init(struct created *c)
{
    *c = (struct created){ 0 };
    uv_mutex_init(&c->mutex);
}

void created_release(struct created *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->names[i].text);
    free(c->names);
    uv_mutex_destroy(&c->mutex);
}

/* With the mutex held. Forgets by the way what is no longer fresh. */
static struct created_name *name_find(struct created *c, const char *text, double now)
{
    struct created_name *found = NULL;
    for (size_t i = 0; i < c->n;) {
        if (now - c->names[i].when > FRESH) {
            free(c->names[i].text);
            c->names[i] = c->names[--c->n];
            continue;
        }
        if (strcmp(c->names[i].text, text) == 0)
            found = &c->names[i];
        i++;
    }
    return found;
}

static bool is_name(const cJSON *value)
{
    return cJSON_IsString(value) && strlen(value->valuestring) >= NAME_MIN;
}

/* Whether the member's name is one of what identifies a thing: ...Id, ...Arn, ...Name. */
static bool is_identity(const cJSON *member)
{
    if (member->string == NULL || !is_name(member))
        return false;
    size_t len = strlen(member->string);
    const char *end = member->string + len;
    return strcasecmp(member->string, "id") == 0 || strcasecmp(member->string, "arn") == 0 ||
           strcasecmp(member->string, "name") == 0 || (len > 2 && strcmp(end - 2, "Id") == 0) ||
           (len > 3 && strcmp(end - 3, "Arn") == 0) || (len > 4 && strcmp(end - 4, "Name") == 0);
}

/* With the mutex held. A name that stood in a Create's input or output is fresh, unless it is what
 * the new thing was made in: that stands in the input as ...Id or ...Arn. */
static void learn_names(struct created *c, const cJSON *value, bool input, double now)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        if (is_identity(child) && (!input || str_ends(child->string, "ame"))) {
            struct created_name *known = name_find(c, child->valuestring, now);
            if (known == NULL) {
                c->names = xrealloc_array(c->names, c->n + 1, sizeof(*c->names));
                known = &c->names[c->n++];
                known->text = xstrdup(child->valuestring);
            }
            known->when = now;
        } else if (!input && cJSON_IsObject(child)) {
            learn_names(c, child, false, now);
        }
    }
}

/* With the mutex held. Some answers are lists: CreateLoadBalancer's is one of a single load
 * balancer. What lists within that name is not new. */
static void learn_lists(struct created *c, const cJSON *output, double now)
{
    const cJSON *list, *item;
    cJSON_ArrayForEach (list, output)
        if (cJSON_IsArray(list))
            cJSON_ArrayForEach (item, list)
                learn_names(c, item, false, now);
}

static void forget_names(struct created *c, const cJSON *value, double now)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        struct created_name *known = is_name(child) ? name_find(c, child->valuestring, now) : NULL;
        if (known != NULL) {
            free(known->text);
            *known = c->names[--c->n];
        }
        forget_names(c, child, now);
    }
}

void created_learn(struct created *c, const char *action, const cJSON *input, const cJSON *output,
                   double now)
{
    bool creates = str_starts(action, "Create") || str_starts(action, "Register");
    bool deletes = str_starts(action, "Delete") || str_starts(action, "Deregister");
    if (!creates && !deletes)
        return;
    uv_mutex_lock(&c->mutex);
    if (creates) {
        learn_names(c, input, true, now);
        learn_names(c, output, false, now);
        learn_lists(c, output, now);
    } else {
        forget_names(c, input, now);
    }
    uv_mutex_unlock(&c->mutex);
}

static bool any_name(struct created *c, const cJSON *value, double now)
{
    if (is_name(value) && name_find(c, value->valuestring, now) != NULL)
        return true;
    const cJSON *child;
    cJSON_ArrayForEach (child, value)
        if (any_name(c, child, now))
            return true;
    return false;
}

bool created_names(struct created *c, const cJSON *input, double now)
{
    uv_mutex_lock(&c->mutex);
    bool found = c->n > 0 && any_name(c, input, now);
    uv_mutex_unlock(&c->mutex);
    return found;
}
