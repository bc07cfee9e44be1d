/* SPDX-License-Identifier: MIT */
#include "executor/engine/engine.h"

struct diff {
    bool whole;
    struct strbuf path;
    cJSON *changes; /* NULL until something differs */
};

static void note_change(struct diff *d, const cJSON *from, const cJSON *to)
{
    if (d->changes == NULL)
        d->changes = cJSON_CreateArray();
    cJSON *change = json_push(d->changes, cJSON_CreateObject());
    json_put_str(change, "path", d->path.buf);
    if (from != NULL)
        json_put(change, "from", json_dup(from));
    if (to != NULL)
        json_put(change, "to", json_dup(to));
}

static void cut_path(struct diff *d, size_t len)
{
    if (d->path.len > len) {
        d->path.len = len;
        d->path.buf[len] = '\0';
    }
}

static void compare(struct diff *d, const cJSON *want, const cJSON *have);

static void compare_objects(struct diff *d, const cJSON *want, const cJSON *have)
{
    size_t len = d->path.len;
    const cJSON *item;
    cJSON_ArrayForEach (item, want) {
        json_path_key(&d->path, item->string);
        compare(d, item, json_get(have, item->string));
        cut_path(d, len);
    }
    if (!d->whole)
        return;
    cJSON_ArrayForEach (item, have) {
        if (json_get(want, item->string) != NULL)
            continue;
        json_path_key(&d->path, item->string);
        note_change(d, item, NULL);
        cut_path(d, len);
    }
}

static void compare_arrays(struct diff *d, const cJSON *want, const cJSON *have)
{
    if (json_count(want) != json_count(have)) {
        note_change(d, have, want);
        return;
    }
    size_t len = d->path.len, i = 0;
    const cJSON *a = want->child, *b = have->child;
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        json_path_index(&d->path, i++);
        compare(d, a, b);
        cut_path(d, len);
    }
}

static void compare(struct diff *d, const cJSON *want, const cJSON *have)
{
    if (cJSON_IsObject(want) && cJSON_IsObject(have) && !ref_is(want))
        compare_objects(d, want, have);
    else if (cJSON_IsArray(want) && cJSON_IsArray(have))
        compare_arrays(d, want, have);
    else if (ref_is(want) || !json_equal(want, have))
        note_change(d, have, want);
}

cJSON *diff_values(const cJSON *want, const cJSON *have, bool whole)
{
    struct diff d = { .whole = whole, .path = STRBUF_INIT };
    compare(&d, want, have);
    strbuf_release(&d.path);
    return d.changes;
}
