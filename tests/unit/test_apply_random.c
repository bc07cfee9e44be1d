/* SPDX-License-Identifier: MIT */
/*
 * Random graphs of 500 resources, from seeds, in random states of the cloud and with random
 * failures, against an oracle of the rules of order. The oracle knows the graph and the events,
 * nothing of the engine's workings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

#define N         500
#define N_ORPHANS 20

static uint64_t seed;

/* xorshift64*: https://doi.org/10.1145/2845077 */
static unsigned draw(unsigned below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (unsigned)((seed * 0x2545F4914F6CDD1DULL) >> 33) % below;
}

static const char *const types[] = { "net.group", "store.box", "ecs.task", "ecs.service" };
static char names[N][64]; /* "type/E-rI" */

static void behave(struct fake_thing *t, bool with_failures)
{
    t->looks = draw(3) == 0 ? (int)draw(4) : 0;
    t->busy = draw(20) == 0 ? 2 : 0;
    t->lazy = draw(10) == 0;
    t->delay = draw(10) == 0 ? 0.001 : 0;
    if (with_failures && draw(40) == 0)
        t->fail = ERR_FAILED;
    if (with_failures && draw(60) == 0)
        t->broken = true;
}

static void add_needs(struct strbuf *text, unsigned i, const char *key)
{
    strbuf_addf(text, ",\"%s\":[", key);
    unsigned n = i > 0 ? draw(3) : 0;
    for (unsigned j = 0; j < n; j++) {
        unsigned other = draw(i);
        strbuf_addf(text, "%s\"%.*s/r%u\"", j > 0 ? "," : "", (int)strcspn(names[other], "/"),
                    names[other], other);
    }
    strbuf_addc(text, ']');
}

/* Resource i may need those before it; the text is shuffled by starting somewhere in it. */
static void make_text(struct strbuf *text, bool with_failures)
{
    _cleanup_free_ char **items = xcalloc(N, sizeof(char *));
    for (unsigned i = 0; i < N; i++) {
        const char *type = types[draw(ARRAY_SIZE(types))];
        snprintf(names[i], sizeof(names[i]), "%s/E-r%u", type, i);
        struct strbuf item = STRBUF_INIT;
        strbuf_addf(&item, "{\"type\":\"%s\",\"label\":\"r%u\",\"want\":{\"V\":%u}", type, i,
                    draw(2));
        add_needs(&item, i, "needs");
        add_needs(&item, i, "exists");
        strbuf_addc(&item, '}');
        items[i] = strbuf_detach(&item);
        unsigned there = draw(3);
        if (there > 0)
            fake_put(names[i], there == 1 ? "{\"V\":0}" : "{\"V\":1}", true);
        behave(fake_thing(names[i]), with_failures);
    }
    unsigned start = draw(N);
    for (unsigned i = 0; i < N; i++) {
        strbuf_addf(text, "%s%s", i > 0 ? "," : "[", items[(start + i) % N]);
        free(items[(start + i) % N]);
    }
    strbuf_addc(text, ']');
}

static void put_orphans(void)
{
    for (unsigned i = 0; i < N_ORPHANS; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/E-orphan%u", types[draw(2) ? 0 : 2 + draw(2)], i);
        struct fake_thing *t = fake_put(name, "{}", true);
        t->gone_after = (int)draw(3);
        t->busy = (int)draw(2);
    }
}

static const char *thing_name(const struct resource *r)
{
    static char name[2][64];
    static unsigned turn;
    turn ^= 1;
    snprintf(name[turn], sizeof(name[turn]), "%s/%s", r->type->name, r->name);
    return name[turn];
}

static const struct fake_event *first_write(const struct resource *r)
{
    const struct fake_event *e = fake_first(FAKE_CREATE, thing_name(r));
    return e != NULL ? e : fake_first(FAKE_UPDATE, thing_name(r));
}

/* The write that succeeded is the last one: those before it were answered ERR_BUSY. */
static const struct fake_event *last_write(const struct resource *r)
{
    const struct fake_event *e = fake_last(FAKE_UPDATE, thing_name(r));
    return e != NULL ? e : fake_last(FAKE_CREATE, thing_name(r));
}

static void check_need(const struct resource *r, const struct need *need)
{
    const struct resource *other = need->resource;
    const struct fake_event *mine = first_write(r), *its = last_write(other);
    if (mine == NULL)
        return;
    if (other->progress != PROGRESS_DONE && need->kind == NEED_READY)
        fail_msg("%s was written though %s is not done", r->address, other->address);
    if (its != NULL && its->end >= mine->begin)
        fail_msg("%s was written before what it needs, %s", r->address, other->address);
    if (need->kind == NEED_READY && its != NULL && other->ended > r->started)
        fail_msg("%s started before what it needs, %s, was ready", r->address, other->address);
}

/* Whether the resource had to fail or to be left alone; by the rules, from what the cloud does. */
static bool is_doomed(const struct resource *r)
{
    return r->progress == PROGRESS_FAILED || r->progress == PROGRESS_SKIPPED;
}

static void check_verdict(const struct resource *r)
{
    const struct fake_thing *t = fake_thing(thing_name(r));
    bool needs_doomed = false;
    for (size_t i = 0; i < r->n_needs; i++)
        needs_doomed = needs_doomed || is_doomed(r->needs[i].resource);
    bool changes = r->action != ACTION_NONE;
    bool fails = (changes && t->fail != ERR_NONE) || ((changes || r->wait) && t->broken);
    enum progress expected = PROGRESS_DONE;
    if (changes && needs_doomed && first_write(r) == NULL)
        expected = PROGRESS_SKIPPED;
    else if (fails)
        expected = PROGRESS_FAILED;
    if (r->progress != expected)
        fail_msg("%s: progress %d, expected %d: %s", r->address, r->progress, expected,
                 r->error.message ? r->error.message : "");
}

static unsigned last_build_event(const struct graph *g)
{
    unsigned last = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct fake_event *e = g->v[i]->want != NULL ? last_write(g->v[i]) : NULL;
        if (e != NULL && e->end > last)
            last = e->end;
    }
    return last;
}

/* By the types alone: a child before its parent, and what a type names before it. */
static bool goes_first(const struct resource_type *type, const struct resource_type *later)
{
    const char *const *name = later->gone_first;
    while (name != NULL && *name != NULL && strcmp(*name, type->name) != 0)
        name++;
    bool child = type->parent != NULL && strcmp(type->parent, later->name) == 0;
    return child || (name != NULL && *name != NULL);
}

static void check_removals(const struct graph *g, int status)
{
    unsigned built = last_build_event(g);
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->want != NULL)
            continue;
        const struct fake_event *e = fake_first(FAKE_REMOVE, thing_name(r));
        assert_true((e != NULL) == (status == 0));
        if (e == NULL)
            continue;
        assert_true(e->begin > built);
        assert_false(fake_thing(thing_name(r))->there);
        for (size_t j = 0; j < g->n; j++) {
            const struct resource *other = g->v[j];
            if (other->want == NULL && goes_first(other->type, r->type))
                assert_true(fake_last(FAKE_REMOVE, thing_name(other))->end < e->begin);
        }
    }
}

static const struct engine_options options = { .workers = 6,
                                               .poll_first = 0.001,
                                               .poll_max = 0.004 };

static void run_seed(uint64_t s, bool with_failures)
{
    seed = s * 0x9E3779B97F4A7C15ULL + 1;
    fake_init();
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    make_text(&text, with_failures);
    put_orphans();
    struct graph *g = fake_graph(text.buf);
    _cleanup_err_ struct err err = ERR_INIT;
    struct plan_counts counts;
    assert_int_equal(engine_observe(NULL, g, &options, &err), 0);
    assert_int_equal(engine_plan(g, NULL, &counts, &err), 0);
    int status = engine_apply(NULL, g, &options, &err);
    if (!with_failures && status < 0)
        fail_msg("seed %u: %s", (unsigned)s, err.message);
    for (size_t i = 0; i < g->n; i++) {
        if (g->v[i]->want == NULL)
            continue;
        for (size_t j = 0; j < g->v[i]->n_needs; j++)
            check_need(g->v[i], &g->v[i]->needs[j]);
        check_verdict(g->v[i]);
    }
    check_removals(g, status);
    graph_free(g);
    fake_release();
}

static void test_everything_succeeds(void **state)
{
    (void)state;
    for (uint64_t s = 1; s <= 4; s++)
        run_seed(s, false);
}

static void test_some_fail(void **state)
{
    (void)state;
    for (uint64_t s = 11; s <= 16; s++)
        run_seed(s, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_succeeds),
        cmocka_unit_test(test_some_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
