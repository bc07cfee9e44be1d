/* SPDX-License-Identifier: MIT */
/* References between resources: making, resolving, and turning them into needs and an order. */
#include "drivers/resource.h"
#include "executor/base/schema.h"

cJSON *ref_new(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *template = xvasprintf(fmt, ap);
    va_end(ap);
    cJSON *ref = cJSON_CreateObject();
    json_put_str(ref, SCHEMA_OUTPUT, template);
    return ref;
}

static const char *template_of(const cJSON *value)
{
    const cJSON *only = cJSON_IsObject(value) ? value->child : NULL;
    if (only == NULL || only->next != NULL || strcmp(only->string, SCHEMA_OUTPUT) != 0)
        return NULL;
    return cJSON_GetStringValue(only);
}

bool ref_is(const cJSON *value)
{
    return template_of(value) != NULL;
}

bool ref_in(const cJSON *value)
{
    if (ref_is(value))
        return true;
    const cJSON *item;
    cJSON_ArrayForEach (item, value)
        if (ref_in(item))
            return true;
    return false;
}

/* A piece of a template: literal text, or a reference without its "${" and "}". */
struct piece {
    bool reference;
    const char *text;
    size_t len;
};

/* Cuts the next piece off *p; false at the end. An unclosed "${" is a reference up to the end. */
static bool next_piece(const char **p, struct piece *ret)
{
    const char *at = *p;
    if (*at == '\0')
        return false;
    if (str_starts(at, "$${")) {
        *ret = (struct piece){ false, at + 1, 2 };
        *p = at + 3;
    } else if (str_starts(at, "${")) {
        size_t len = strcspn(at + 2, "}");
        *ret = (struct piece){ true, at + 2, len };
        *p = at + 2 + len + (at[2 + len] == '}');
    } else {
        size_t len = 1 + strcspn(at + 1, "$");
        *ret = (struct piece){ false, at, len };
        *p = at + len;
    }
    return true;
}

/* Splits ADDRESS.OUTPUT at its last dot: outputs have none, labels may. */
static bool split_piece(const struct piece *piece, char **ret_address, char **ret_output)
{
    const char *dot = memrchr(piece->text, '.', piece->len);
    if (dot == NULL || dot == piece->text || dot + 1 == piece->text + piece->len)
        return false;
    *ret_address = xstrndup(piece->text, (size_t)(dot - piece->text));
    *ret_output = xstrndup(dot + 1, piece->len - (size_t)(dot + 1 - piece->text));
    return true;
}

static bool is_stable(const struct resource_type *type, const char *output)
{
    for (const char *const *s = type->stable; s != NULL && *s != NULL; s++)
        if (strcmp(*s, output) == 0)
            return true;
    return false;
}

/* Whether an action that is still to come may change the output. */
static bool may_change(const struct resource *r, const char *output)
{
    if (r->action == ACTION_NONE || (r->action == ACTION_UPDATE && is_stable(r->type, output)))
        return false;
    return r->progress == PROGRESS_PENDING || r->progress == PROGRESS_RUNNING;
}

/* The value of one reference; NULL while it is not known. */
static const cJSON *piece_value(const struct graph *g, const struct piece *piece)
{
    _cleanup_free_ char *address = NULL, *output = NULL;
    if (!split_piece(piece, &address, &output))
        return NULL;
    const struct resource *r = graph_find(g, address);
    if (r == NULL || may_change(r, output))
        return NULL;
    return json_get(r->outputs, output);
}

static void add_value(struct strbuf *sb, const cJSON *value)
{
    if (cJSON_IsString(value)) {
        strbuf_adds(sb, value->valuestring);
        return;
    }
    _cleanup_free_ char *text = json_print(value);
    strbuf_adds(sb, text);
}

/* The template's value, or NULL while a part of it is not known. */
static cJSON *template_value(const struct graph *g, const char *template)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    struct piece piece;
    const char *p = template;
    while (next_piece(&p, &piece)) {
        if (!piece.reference) {
            strbuf_add(&text, piece.text, piece.len);
            continue;
        }
        const cJSON *value = piece_value(g, &piece);
        if (value == NULL)
            return NULL;
        if (piece.text == template + 2 && *p == '\0')
            return json_dup(value);
        add_value(&text, value);
    }
    return cJSON_CreateString(text.buf);
}

static cJSON *resolve(const struct graph *g, const cJSON *value, bool *known)
{
    const char *template = template_of(value);
    if (template != NULL) {
        cJSON *resolved = template_value(g, template);
        if (resolved != NULL)
            return resolved;
        *known = false;
        return json_dup(value);
    }
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return json_dup(value);
    cJSON *copy = cJSON_IsObject(value) ? cJSON_CreateObject() : cJSON_CreateArray();
    const cJSON *item;
    cJSON_ArrayForEach (item, value) {
        cJSON *resolved = resolve(g, item, known);
        if (cJSON_IsObject(value))
            cJSON_AddItemToObject(copy, item->string, resolved);
        else
            json_push(copy, resolved);
    }
    return copy;
}

cJSON *ref_resolve(const struct graph *g, const cJSON *value, bool *ret_known)
{
    bool known = true;
    cJSON *copy = value != NULL ? resolve(g, value, &known) : NULL;
    if (ret_known != NULL)
        *ret_known = known;
    return copy;
}

static int unknown_address(const struct resource *r, const char *address, struct err *err)
{
    const char *near = graph_nearest(r->graph, address);
    if (near != NULL)
        return err_set(err, ERR_USER, "%s: refers to '%s', which there is not; did you mean '%s'?",
                       resource_origin(r), address, near);
    return err_set(err, ERR_USER,
                   "%s: refers to '%s', which there is not: correct the name or declare it",
                   resource_origin(r), address);
}

static bool has_need(const struct resource *r, const char *address)
{
    const struct resource *other = graph_find(r->graph, address);
    for (size_t i = 0; i < r->n_needs; i++)
        if (strcmp(r->needs[i].address, address) == 0 ||
            (other != NULL && graph_find(r->graph, r->needs[i].address) == other))
            return true;
    return false;
}

/* Adds a need for every reference in the value, unless there is one of its own for it. */
static int need_references(struct resource *r, const cJSON *value, struct err *err)
{
    const char *p = template_of(value);
    if (p == NULL) {
        const cJSON *item;
        cJSON_ArrayForEach (item, value)
            if (need_references(r, item, err) < 0)
                return -1;
        return 0;
    }
    struct piece piece;
    while (next_piece(&p, &piece)) {
        _cleanup_free_ char *address = NULL, *output = NULL;
        if (!piece.reference)
            continue;
        if (!split_piece(&piece, &address, &output))
            return err_set(err, ERR_USER, "%s: '${%.*s}' is not of the form ${name.output}",
                           resource_origin(r), (int)piece.len, piece.text);
        if (!has_need(r, address) && resource_need(r, address, NEED_READY, err) < 0)
            return -1;
    }
    return 0;
}

/* Looks every need's resource up; two needs for one become one. */
static int link_needs(struct resource *r, struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_needs; i++) {
        struct need need = r->needs[i];
        need.resource = graph_find(r->graph, need.address);
        if (need.resource == NULL)
            return unknown_address(r, need.address, err);
        size_t j = 0;
        while (j < n && r->needs[j].resource != need.resource)
            j++;
        if (j == n) {
            r->needs[n++] = need;
            continue;
        }
        if (need.kind == NEED_READY)
            r->needs[j].kind = NEED_READY;
        free(need.address);
        /* The rest is still to be looked at: close the gap now, so that an error leaves no hole. */
        memmove(&r->needs[i], &r->needs[i + 1], (r->n_needs - i - 1) * sizeof(r->needs[0]));
        r->n_needs--;
        i--;
    }
    return 0;
}

/* Names the circle at the end of a path whose last member needs `again`, a member before it. */
static int circle_error(struct resource *const *path, size_t depth, const struct resource *again,
                        struct err *err)
{
    size_t first = 0;
    while (path[first] != again)
        first++;
    _cleanup_strbuf_ struct strbuf circle = STRBUF_INIT;
    for (size_t i = first + 1; i < depth; i++)
        strbuf_addf(&circle, "%s, which needs ", path[i]->address);
    return err_set(err, ERR_USER, "%s: %s needs %s%s: a circle, in which nothing can be first",
                   resource_origin(again), again->address, circle.buf, again->address);
}

/* A walk along needs, deepest first, with a stack of its own: a spec may make it long. */
struct walk {
    struct graph *g;
    struct resource **path;
    size_t *next; /* of each member of the path, the need to follow next */
    size_t depth;
    char *state; /* by index: 0 not seen, 1 on the path, 2 placed */
};

static void enter(struct walk *w, struct resource *r)
{
    w->state[r->index] = 1;
    w->path[w->depth] = r;
    w->next[w->depth++] = 0;
}

static int place(struct walk *w, struct resource *from, struct err *err)
{
    enter(w, from);
    while (w->depth > 0) {
        struct resource *r = w->path[w->depth - 1];
        if (w->next[w->depth - 1] == r->n_needs) {
            w->state[r->index] = 2;
            w->g->order[w->g->n_order++] = r;
            w->depth--;
            continue;
        }
        struct resource *other = r->needs[w->next[w->depth - 1]++].resource;
        if (w->state[other->index] == 1)
            return circle_error(w->path, w->depth, other, err);
        if (w->state[other->index] == 0)
            enter(w, other);
    }
    return 0;
}

static int find_order(struct graph *g, struct err *err)
{
    size_t n = g->n;
    _cleanup_free_ struct resource **path = xcalloc(n + 1, sizeof(struct resource *));
    _cleanup_free_ size_t *next = xcalloc(n + 1, sizeof(*next));
    _cleanup_free_ char *state = xcalloc(n + 1, 1);
    struct walk w = { .g = g, .path = path, .next = next, .state = state };
    free(g->order);
    g->order = xcalloc(n + 1, sizeof(struct resource *));
    g->n_order = 0;
    for (size_t i = 0; i < n; i++)
        if (state[i] == 0 && place(&w, g->v[i], err) < 0)
            return -1;
    return 0;
}

int graph_link(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->n; i++)
        if (need_references(g->v[i], g->v[i]->want, err) < 0 || link_needs(g->v[i], err) < 0)
            return -1;
    return find_order(g, err);
}
