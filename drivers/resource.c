/* SPDX-License-Identifier: MIT */
#include "drivers/driver.h"

#include "executor/base/near.h"

/* What "did you mean" may differ in. */
/*
 * Room for resources, of which a specification may use half. The array is never moved, since others
 * read it while it grows; what is not used of it costs address space, not memory.
 */
#define GRAPH_MAX ((size_t)1 << 20)

struct graph *graph_new(const struct context *context)
{
    struct graph *g = xcalloc(1, sizeof(*g));
    g->context = *context;
    g->v = xcalloc(GRAPH_MAX, sizeof(struct resource *));
    strmap_init(&g->by_address);
    strmap_init(&g->by_name);
    uv_mutex_init(&g->mutex);
    return g;
}

static void resource_free(struct resource *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n_needs; i++)
        free(r->needs[i].address);
    free(r->needs);
    free(r->label);
    free(r->name);
    free(r->address);
    free(r->origin);
    cJSON_Delete(r->want);
    cJSON_Delete(r->have);
    cJSON_Delete(r->tags);
    cJSON_Delete(r->outputs);
    cJSON_Delete(r->memo);
    cJSON_Delete(r->target);
    cJSON_Delete(r->changes);
    cJSON_Delete(r->explanation);
    err_release(&r->error);
    free(r->waiting_for);
    free(r);
}

void graph_free(struct graph *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->n; i++)
        resource_free(g->v[i]);
    strmap_release(&g->by_address);
    strmap_release(&g->by_name);
    free(g->v);
    free(g->order);
    for (size_t i = 0; i < g->n_aliases; i++) {
        free(g->aliases[i].alias);
        free(g->aliases[i].address);
    }
    free(g->aliases);
    strlist_release(&g->warnings);
    cJSON_Delete(g->capacity);
    cJSON_Delete(g->grafana);
    uv_mutex_destroy(&g->mutex);
    free(g);
}

/* Makes the resource known under its name; where another had the name, in its place. */
static void index_name(struct graph *g, struct resource *r)
{
    _cleanup_free_ char *key = xasprintf("%s/%s", r->type->name, r->name);
    strmap_add(&g->by_name, key, r);
}

/* Called with the mutex. The number grows last, as readers without the mutex rely on. */
static void append(struct graph *g, struct resource *r)
{
    size_t n = g->n;
    if (n == GRAPH_MAX)
        oom_exit();
    r->index = n;
    g->v[n] = r;
    strmap_add(&g->by_address, r->address, r);
    index_name(g, r);
    g->n = n + 1;
}

static struct resource *resource_new(struct graph *g, const struct resource_type *type,
                                     const char *label, const char *name, const char *origin)
{
    struct resource *r = xcalloc(1, sizeof(*r));
    r->graph = g;
    r->type = type;
    r->label = xstrdup(label);
    r->name = xstrdup(name);
    r->address = xasprintf("%s/%s", type->name, label);
    r->origin = xstrdup(origin);
    r->outputs = cJSON_CreateObject();
    r->memo = cJSON_CreateObject();
    return r;
}

static struct resource *find_name(const struct graph *g, const struct resource_type *type,
                                  const char *name)
{
    _cleanup_free_ char *key = xasprintf("%s/%s", type->name, name);
    struct resource *r = strmap_get(&g->by_name, key);
    return r != NULL && strcmp(r->name, name) == 0 ? r : NULL; /* it may have been renamed */
}

/* A wanted one may have the label under another name: an address is nobody's twice. */
static void address_make_unique(struct resource *r)
{
    for (unsigned i = 1; strmap_get(&r->graph->by_address, r->address) != NULL; i++) {
        free(r->address);
        r->address = i == 1 ? xasprintf("%s/%s", r->type->name, r->name)
                            : xasprintf("%s/%s#%u", r->type->name, r->name, i);
    }
}

int graph_add(struct graph *g, const struct resource_type *type, const char *label,
              const char *name, const char *origin, cJSON *want, struct resource **ret,
              struct err *err)
{
    struct resource *r = resource_new(g, type, label, name, origin ? origin : "");
    r->want = want;
    if (g->n >= GRAPH_MAX / 2) {
        err_set(err, ERR_USER, "%s: more than %zu resources; split the specification",
                resource_origin(r), GRAPH_MAX / 2);
        resource_free(r);
        return -1;
    }
    uv_mutex_lock(&g->mutex);
    struct resource *same = strmap_get(&g->by_address, r->address);
    if (same == NULL)
        same = find_name(g, type, name);
    if (same == NULL)
        append(g, r);
    uv_mutex_unlock(&g->mutex);
    if (same != NULL) {
        err_set(err, ERR_USER, "%s: there is already a %s '%s' (named '%s'), from %s: rename one",
                *r->origin ? r->origin : r->address, type->singular, same->label, same->name,
                *same->origin ? same->origin : same->address);
        resource_free(r);
        return -1;
    }
    if (ret != NULL)
        *ret = r;
    return 0;
}

struct resource *graph_found(struct graph *g, const struct resource_type *type, const char *label,
                             const char *name)
{
    uv_mutex_lock(&g->mutex);
    struct resource *r = find_name(g, type, name);
    if (r == NULL) {
        r = resource_new(g, type, label ? label : name, name, "");
        address_make_unique(r);
        append(g, r);
    }
    uv_mutex_unlock(&g->mutex);
    return r;
}

/* Moves an object of one resource to another, and leaves an empty one. */
static void resource_take(cJSON **to, cJSON **from)
{
    cJSON_Delete(*to);
    *to = *from;
    *from = cJSON_CreateObject();
}

void graph_rename(struct resource *r, const char *name)
{
    if (strcmp(r->name, name) == 0)
        return;
    uv_mutex_lock(&r->graph->mutex);
    free(r->name);
    r->name = xstrdup(name);
    index_name(r->graph, r);
    uv_mutex_unlock(&r->graph->mutex);
}

struct resource *graph_split(struct resource *r, char *second_name)
{
    struct graph *g = r->graph;
    struct resource *old = resource_new(g, r->type, r->name, r->name, "");
    free(r->name);
    r->name = second_name;
    old->have = steal_ptr(&r->have);
    old->tags = steal_ptr(&r->tags);
    resource_take(&old->outputs, &r->outputs);
    resource_take(&old->memo, &r->memo);
    old->observed = true;
    uv_mutex_lock(&g->mutex);
    address_make_unique(old);
    append(g, old);
    index_name(g, r);
    uv_mutex_unlock(&g->mutex);
    return old;
}

static size_t type_rank(const struct graph *g, const struct resource_type *type)
{
    size_t rank = 0;
    for (size_t i = 0; g->drivers != NULL && g->drivers[i] != NULL; i++)
        for (const struct resource_type *const *t = g->drivers[i]->types; *t != NULL; t++, rank++)
            if (*t == type)
                return rank;
    return rank;
}

/* What is wanted stands in the order in which it was added. */
static int compare_found(const void *a, const void *b)
{
    const struct resource *one = *(struct resource *const *)a;
    const struct resource *other = *(struct resource *const *)b;
    if (one->want != NULL || other->want != NULL)
        return one->want != NULL && other->want != NULL ? (one->index > other->index) * 2 - 1
                                                        : (one->want == NULL) * 2 - 1;
    size_t rank = type_rank(one->graph, one->type), rank_other = type_rank(one->graph, other->type);
    if (rank != rank_other)
        return rank < rank_other ? -1 : 1;
    return strcmp(one->name, other->name);
}

void graph_keep(struct graph *g, bool (*is_kept)(const struct resource *r))
{
    size_t n = g->n;
    qsort(g->v, n, sizeof(*g->v), compare_found);
    strmap_release(&g->by_address);
    strmap_release(&g->by_name);
    strmap_init(&g->by_address);
    strmap_init(&g->by_name);
    g->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct resource *r = g->v[i];
        if (is_kept(r))
            append(g, r);
        else
            resource_free(r);
    }
}

static const char *address_of_alias(const struct graph *g, const char *alias)
{
    for (size_t i = 0; i < g->n_aliases; i++)
        if (strcmp(g->aliases[i].alias, alias) == 0)
            return g->aliases[i].address;
    return alias;
}

struct resource *graph_find(const struct graph *g, const char *address)
{
    return strmap_get(&g->by_address, address_of_alias(g, address));
}

struct resource *graph_find_name(const struct graph *g, const struct resource_type *type,
                                 const char *name)
{
    return find_name(g, type, name);
}

void graph_alias(struct graph *g, const char *alias, const char *address)
{
    for (size_t i = 0; i < g->n_aliases; i++) {
        if (strcmp(g->aliases[i].alias, alias) == 0) {
            free(g->aliases[i].address);
            g->aliases[i].address = xstrdup(address);
            return;
        }
    }
    g->aliases = xrealloc_array(g->aliases, g->n_aliases + 1, sizeof(*g->aliases));
    g->aliases[g->n_aliases].alias = xstrdup(alias);
    g->aliases[g->n_aliases].address = xstrdup(address);
    g->n_aliases++;
}

void graph_warn(struct graph *g, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *line = xvasprintf(fmt, ap);
    va_end(ap);
    uv_mutex_lock(&g->mutex);
    if (!strlist_has(&g->warnings, line))
        strlist_add(&g->warnings, line);
    uv_mutex_unlock(&g->mutex);
}

const char *graph_nearest(const struct graph *g, const char *address)
{
    struct near near = NEAR_INIT(address);
    for (size_t i = 0; i < g->n_aliases; i++)
        near_try(&near, g->aliases[i].alias);
    for (size_t i = 0; i < g->n; i++)
        near_try(&near, g->v[i]->address);
    return near.word;
}

int resource_need(struct resource *r, const char *address, enum need_kind kind, struct err *err)
{
    if (strcmp(address, r->address) == 0)
        return err_set(err, ERR_USER, "%s: %s '%s' needs itself", resource_origin(r),
                       r->type->singular, r->label);
    for (size_t i = 0; i < r->n_needs; i++) {
        if (strcmp(r->needs[i].address, address) == 0) {
            if (kind == NEED_READY)
                r->needs[i].kind = NEED_READY;
            return 0;
        }
    }
    r->needs = xrealloc_array(r->needs, r->n_needs + 1, sizeof(*r->needs));
    r->needs[r->n_needs++] = (struct need){ .kind = kind, .address = xstrdup(address) };
    return 0;
}

const char *resource_origin(const struct resource *r)
{
    return *r->origin ? r->origin : r->address;
}

void resource_set_output(struct resource *r, const char *output, const char *value)
{
    if (value != NULL)
        json_put_str(r->outputs, output, value);
    else
        cJSON_DeleteItemFromObjectCaseSensitive(r->outputs, output);
}

void resource_set_have(struct resource *r, cJSON *have)
{
    if (r->have != have)
        cJSON_Delete(r->have);
    r->have = have;
}

void resource_set_missing(struct resource *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, ap);
    va_end(ap);
    json_put_str(r->memo, "missing", text);
}

const char *resource_output(const struct graph *g, const char *address, const char *output)
{
    const struct resource *r = graph_find(g, address);
    return r != NULL ? json_str(r->outputs, output) : NULL;
}
