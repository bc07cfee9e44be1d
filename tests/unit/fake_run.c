/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

struct cancel fake_cancel;
cJSON *fake_limits;
const struct engine_options fake_options = {
    .workers = 8, .poll_first = 0.002, .poll_max = 0.01, .cancel = &fake_cancel
};

static const struct resource_type *type_named(const char *name)
{
    for (size_t i = 0; fake_drivers[i] != NULL; i++)
        for (const struct resource_type *const *t = fake_drivers[i]->types; *t != NULL; t++)
            if (str_eq((*t)->name, name))
                return *t;
    fake_fail("no such type", name);
    return NULL;
}

static int need_all(struct resource *r, const cJSON *needs, enum need_kind kind, struct err *err)
{
    const cJSON *need;
    cJSON_ArrayForEach (need, needs)
        if (resource_need(r, need->valuestring, kind, err) < 0)
            return -1;
    return 0;
}

static int add_item(struct graph *g, const cJSON *item, struct err *err)
{
    const char *label = json_str(item, "label");
    _cleanup_free_ char *name =
        json_str(item, "name") ? xstrdup(json_str(item, "name")) : xasprintf("E-%s", label);
    _cleanup_free_ char *origin = xasprintf("things.%s", label);
    cJSON *want = json_get(item, "want") ? json_dup(json_get(item, "want")) : cJSON_CreateObject();
    struct resource *r;
    if (graph_add(g, type_named(json_str(item, "type")), label, name, origin, want, &r, err) < 0)
        return -1;
    if (need_all(r, json_get(item, "needs"), NEED_READY, err) < 0)
        return -1;
    return need_all(r, json_get(item, "exists"), NEED_EXISTS, err);
}

/* Adds everything, whichever driver's it is: the order in the text is then the graph's. */
int fake_want(struct graph *g, const cJSON *spec, struct err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, spec)
        if (add_item(g, item, err) < 0)
            return -1;
    return 0;
}

int fake_graph_try(const char *text, struct graph **ret, struct err *err)
{
    struct context context = { .environment = "E",
                               .kind = "ephemeral",
                               .ref = "dev/feature/x",
                               .project = 77,
                               .spec_dir = -1 };
    _cleanup_json_ cJSON *spec = NULL;
    if (json_parse(text, strlen(text), JSON_PLAIN, &spec, err) < 0)
        return -1;
    struct graph *g = graph_new(&context);
    if (engine_want(g, fake_drivers, spec, err) < 0) {
        graph_free(g);
        return -1;
    }
    *ret = g;
    return 0;
}

struct graph *fake_graph(const char *text)
{
    struct err err = ERR_INIT;
    struct graph *g = NULL;
    if (fake_graph_try(text, &g, &err) < 0)
        fake_fail("not a graph", err.message);
    return g;
}

char *fake_second_name(const struct resource *r)
{
    return xasprintf("E-%s-%s", r->label, json_str(r->target, "Kind"));
}

int fake_set_up(void **state)
{
    (void)state;
    fake_init();
    cancel_init(&fake_cancel);
    return 0;
}

int fake_set_up_replacing(void **state)
{
    static const char *const kind[] = { "Kind", NULL };
    fake_limits = cJSON_Parse("{\"allowReplace\":[\"store\"]}");
    fake_box.replace = REPLACE_REMOVE_FIRST;
    fake_group.replace = REPLACE_CREATE_FIRST;
    fake_group.immutable = kind;
    fake_group.second_name = fake_second_name;
    return fake_set_up(state);
}

int fake_tear_down(void **state)
{
    (void)state;
    json_freep(&fake_limits);
    fake_limits = NULL;
    fake_release();
    cancel_release(&fake_cancel);
    return 0;
}

void fake_plan(struct graph *g)
{
    struct err err = ERR_INIT;
    struct plan_counts counts;
    if (engine_observe(NULL, g, &fake_options, &err) < 0 || engine_plan(g, NULL, &counts, &err) < 0)
        fail_msg("%s", err.message);
}

int fake_bring_up(struct graph *g, const struct engine_options *options, struct err *err)
{
    fake_plan(g);
    return engine_apply(NULL, g, options, err);
}

struct graph *fake_up(const char *text)
{
    struct err err = ERR_INIT;
    struct graph *g = fake_graph(text);
    if (fake_bring_up(g, &fake_options, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

size_t fake_writes(void)
{
    return fake_count(FAKE_CREATE, NULL) + fake_count(FAKE_UPDATE, NULL) +
           fake_count(FAKE_REMOVE, NULL);
}

void fake_assert_before(enum fake_op op_a, const char *a, enum fake_op op_b, const char *b)
{
    const struct fake_event *first = fake_last(op_a, a), *second = fake_first(op_b, b);
    assert_non_null(first);
    assert_non_null(second);
    if (first->end >= second->begin)
        fail_msg("%s does not end before %s begins", a, b);
}

void fake_assert_progress(const struct graph *g, const char *address, enum progress progress)
{
    const struct resource *r = graph_find(g, address);
    assert_non_null(r);
    if (r->progress != progress)
        fail_msg("%s: progress %d, expected %d (%s)", address, r->progress, progress,
                 r->error.message ? r->error.message : "no error");
}
