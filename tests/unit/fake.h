/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_FAKE_H
#define BERTH_TESTS_FAKE_H

/*
 * A cloud in memory, and drivers for it, for tests of the engine: no network, no session.
 *
 * There is one cloud at a time, from fake_init() to fake_release(). What a test wants is a JSON
 * array of resources as fake_want() describes; what happens to a thing is set in its struct. Every
 * call of a driver is an event with the moments of its begin and its end, counted over all calls,
 * so that tests can ask what happened before what. A driver function that is called for a
 * resource that another thread has aborts the test.
 */

#include "executor/engine/engine.h"

enum fake_op {
    FAKE_OBSERVE,
    FAKE_CREATE,
    FAKE_UPDATE,
    FAKE_REMOVE,
    FAKE_LET_GO,
    FAKE_WIND_DOWN,
    FAKE_DISCOVER,
    FAKE_BEGIN
};

struct fake_event {
    enum fake_op op;
    char name[64]; /* "type/name" of the resource; the type or driver where there is none */
    size_t n;      /* how many resources the call was for */
    unsigned begin, end;
};

/* A thing in the cloud, there or not, and how it behaves. */
struct fake_thing {
    char name[64];      /* "type/name" */
    bool there, hidden; /* hidden: observe() does not see it yet */
    cJSON *state, *tags;
    unsigned revision; /* outputs: Rev, and Id, which stays */
    int looks;         /* how many observe() calls after a write until it is ready */
    int looks_left;
    int busy;       /* how many create, update or remove calls answer ERR_BUSY */
    int gone_after; /* how many observe() calls after remove() until it is gone */
    int going;
    bool race; /* create() finds that somebody has just created it, as `racer` */
    cJSON *racer;
    enum err_class fail; /* what writing answers; ERR_NONE: it succeeds */
    bool broken;         /* written, judge() says FAILED */
    double delay;        /* seconds that writing takes */
    int relapse;         /* at the n-th observe() it is not ready once more; 0: never */
    int vanish;          /* at the n-th observe() it is gone for good; 0: never */
    int miss;            /* at the n-th observe() it is not found, once; 0: never */
    int observed;
    bool quick;      /* winding it down removes it */
    bool lazy;       /* create() leaves `have` NULL */
    bool unreadable; /* observe() is denied */
    bool in_use;     /* a thread has it */
};

extern struct resource_type fake_lookup, fake_group, fake_repo, fake_policy, fake_box, fake_shelf,
    fake_task, fake_service;
/* "net" (lookup, group), "store" (repo, policy, box, shelf), "ecs" (task, service) */
extern const struct driver *const fake_drivers[];
extern enum err_class fake_begin_fails;
extern const char *fake_newer; /* who has begun to deploy; "": nobody may know */

void fake_init(void);
void fake_release(void);

/* What most tests run with: many workers, and looks that follow each other at once. */
extern struct cancel fake_cancel;
extern const struct engine_options fake_options;
extern cJSON *fake_limits; /* the host config's, or NULL */
/* For cmocka: a cloud, and a cancel that is not set. */
int fake_set_up(void **state);
/* Likewise, where a new Kind takes a new box, the old one first, or a new group beside the old one;
 * fake_limits allow that. */
int fake_set_up_replacing(void **state);
int fake_tear_down(void **state);

/* A graph of what the text asks for, linked: [{"type": "net.group", "label": "a", "name": "E-a",
 * "needs": ["net.group/b"], "exists": ["store.box/c"], "want": {...}}, ...]; `name` is "E-<label>"
 * unless given. Fails the test on an error. */
struct graph *fake_graph(const char *text);
int fake_graph_try(const char *text, struct graph **ret, struct err *err);
/* The thing "type/name", made absent and well-behaved if it is not known. */
struct fake_thing *fake_thing(const char *name);
/* For types that a test has replaced. Letting go of another takes the member "Uses" away. */
int fake_let_go(struct session *s, struct resource *r, const struct resource *other,
                struct err *err);
int fake_wind_down(struct session *s, struct resource *r, struct err *err);
/* "E-<label>-<Kind>" */
char *fake_second_name(const struct resource *r);
/* Puts a thing there: state as JSON text; ours or nobody's. */
struct fake_thing *fake_put(const char *name, const char *state, bool ours);

size_t fake_events(struct fake_event **ret);          /* a copy that the caller frees */
size_t fake_count(enum fake_op op, const char *name); /* NULL: any */
/* The first such event; NULL: there was none. Valid until the next event. */
const struct fake_event *fake_first(enum fake_op op, const char *name);
const struct fake_event *fake_last(enum fake_op op, const char *name);
void fake_forget_events(void);
/* How many create, update and remove calls were under way at once, at most. */
unsigned fake_most_at_once(void);
/* Called at the beginning of the n-th write (from 1), on the worker; NULL: never. */
extern void (*fake_on_write)(unsigned n);
/* Has fake_on_write set `cancel` at the n-th write. */
void fake_cancel_at(struct cancel *cancel, unsigned n);

/* Observes and plans; fails the test if that fails. */
void fake_plan(struct graph *g);
/* That, and applies it; the result of the apply. */
int fake_bring_up(struct graph *g, const struct engine_options *options, struct err *err);
/* What the text asks for, there as it should be. */
struct graph *fake_up(const char *text);
size_t fake_writes(void); /* how many create, update and remove calls there were */
/* The last op_a of `a` has ended before the first op_b of `b` begins. */
void fake_assert_before(enum fake_op op_a, const char *a, enum fake_op op_b, const char *b);
void fake_assert_progress(const struct graph *g, const char *address, enum progress progress);

/* For the files of the fake: every driver's want(), and the end of a test that it cannot play. */
int fake_want(struct graph *g, const cJSON *spec, struct err *err);
_Noreturn void fake_fail(const char *what, const char *name);

#endif
