/* SPDX-License-Identifier: MIT */
#include "drivers/aws/record.h"

void record_init(struct record *r)
{
    *r = (struct record){ 0 };
    uv_mutex_init(&r->mutex);
}

void record_release(struct record *r)
{
    free(r->calls);
    strlist_release(&r->names);
    uv_mutex_destroy(&r->mutex);
}

/* A copy of the name, or NULL for NULL, that stays where it is: the list's array may move, its
 * strings do not. */
static const char *name_intern(struct record *r, const char *name)
{
    if (name == NULL)
        return NULL;
    for (size_t i = 0; i < r->names.n; i++)
        if (strcmp(r->names.v[i], name) == 0)
            return r->names.v[i];
    strlist_add(&r->names, name);
    return r->names.v[r->names.n - 1];
}

void record_add(struct record *r, const struct call_record *call)
{
    uv_mutex_lock(&r->mutex);
    if (r->n == r->alloc) {
        r->alloc = r->alloc ? r->alloc * 2 : 64;
        r->calls = xrealloc_array(r->calls, r->alloc, sizeof(*r->calls));
    }
    struct call_record *copy = &r->calls[r->n++];
    *copy = *call;
    copy->service = name_intern(r, call->service);
    copy->action = name_intern(r, call->action);
    copy->code = name_intern(r, call->code);
    copy->subject = name_intern(r, call->subject);
    uv_mutex_unlock(&r->mutex);
}

static int compare_start(const void *a, const void *b)
{
    const struct call_record *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

size_t record_copy(struct record *r, struct call_record **ret)
{
    uv_mutex_lock(&r->mutex);
    size_t n = r->n;
    struct call_record *copy = NULL;
    if (n > 0) {
        copy = xmalloc(n * sizeof(*copy));
        memcpy(copy, r->calls, n * sizeof(*copy));
    }
    uv_mutex_unlock(&r->mutex);
    if (n > 0)
        qsort(copy, n, sizeof(*copy), compare_start);
    *ret = copy;
    return n;
}
