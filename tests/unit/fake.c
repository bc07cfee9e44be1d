/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake.h"

#include <stdio.h>
#include <time.h>

#define THINGS_MAX 2048
#define EVENTS_MAX 65536

static struct {
    uv_mutex_t mutex; /* guards everything */
    struct fake_thing things[THINGS_MAX];
    size_t n_things;
    struct fake_event events[EVENTS_MAX];
    size_t n_events;
    unsigned now, writes, at_once, most_at_once;
} cloud;

enum err_class fake_begin_fails;
const char *fake_newer;
void (*fake_on_write)(unsigned n);

static struct cancel *to_cancel;
static unsigned cancel_at;

static void cancel_on_write(unsigned n)
{
    if (n == cancel_at)
        cancel_set(to_cancel);
}

void fake_cancel_at(struct cancel *cancel, unsigned n)
{
    to_cancel = cancel;
    cancel_at = n;
    fake_on_write = cancel_on_write;
}

void fake_fail(const char *what, const char *name)
{
    fprintf(stderr, "fake cloud: %s: %s\n", what, name);
    abort();
}

static struct fake_thing *find(const char *name)
{
    for (size_t i = 0; i < cloud.n_things; i++)
        if (strcmp(cloud.things[i].name, name) == 0)
            return &cloud.things[i];
    if (cloud.n_things == THINGS_MAX)
        fake_fail("too many things", name);
    struct fake_thing *t = &cloud.things[cloud.n_things++];
    *t = (struct fake_thing){ .there = false };
    snprintf(t->name, sizeof(t->name), "%s", name);
    return t;
}

static struct fake_thing *thing_of(const struct resource *r)
{
    char name[64];
    snprintf(name, sizeof(name), "%s/%s", r->type->name, r->name);
    return find(name);
}

static size_t event_begin(enum fake_op op, const char *name, size_t n)
{
    if (cloud.n_events == EVENTS_MAX)
        fake_fail("too many events", name);
    struct fake_event *e = &cloud.events[cloud.n_events];
    *e = (struct fake_event){ .op = op, .n = n, .begin = ++cloud.now };
    snprintf(e->name, sizeof(e->name), "%s", name);
    return cloud.n_events++;
}

static void event_end(size_t event)
{
    cloud.events[event].end = ++cloud.now;
}

static void take(struct fake_thing *t)
{
    if (t->in_use)
        fake_fail("two threads have", t->name);
    t->in_use = true;
}

static void pass_time(double seconds)
{
    struct timespec span = { .tv_sec = 0, .tv_nsec = (long)(seconds * 1e9) };
    nanosleep(&span, NULL);
}

static void show(struct resource *r, const struct fake_thing *t)
{
    bool there = t->there && !t->hidden;
    resource_set_have(r, there ? json_dup(t->state) : NULL);
    cJSON_Delete(r->tags);
    r->tags = there ? json_dup(t->tags) : NULL;
    _cleanup_free_ char *rev = xasprintf("%s:%u", r->name, t->revision);
    _cleanup_free_ char *id = xasprintf("id-%s", r->name);
    resource_set_output(r, "Rev", there ? rev : NULL);
    resource_set_output(r, "Id", there ? id : NULL);
    json_put_int(r->memo, "looks", t->looks_left);
    json_put_bool(r->memo, "broken", t->broken);
}

static void look_at(struct resource *r, struct fake_thing *t)
{
    t->observed++;
    if (t->looks_left > 0)
        t->looks_left--;
    if (t->relapse > 0 && t->observed == t->relapse)
        t->looks_left = 1;
    if (t->going > 0 && --t->going == 0)
        t->there = false;
    if (t->vanish > 0 && t->observed == t->vanish)
        t->there = false;
    if (t->miss > 0 && t->observed == t->miss)
        t->hidden = true;
    show(r, t);
    t->hidden = false;
}

static int fake_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    (void)s;
    uv_mutex_lock(&cloud.mutex);
    if (r[0]->type->batch > 0 && n > r[0]->type->batch)
        fake_fail("more than a batch", r[0]->type->name);
    size_t event = event_begin(FAKE_OBSERVE, n == 1 ? thing_of(r[0])->name : r[0]->type->name, n);
    for (size_t i = 0; i < n; i++)
        take(thing_of(r[i]));
    uv_mutex_unlock(&cloud.mutex);
    pass_time(0.0002);
    uv_mutex_lock(&cloud.mutex);
    const struct fake_thing *denied = NULL;
    for (size_t i = 0; i < n; i++) {
        struct fake_thing *t = thing_of(r[i]);
        if (t->unreadable)
            denied = t;
        else
            look_at(r[i], t);
        t->in_use = false;
    }
    event_end(event);
    uv_mutex_unlock(&cloud.mutex);
    return denied != NULL ? err_set(err, ERR_DENIED, "fake:Read: '%s'", denied->name) : 0;
}

static int discover_type(struct graph *g, const struct resource_type *type)
{
    uv_mutex_lock(&cloud.mutex);
    size_t event = event_begin(FAKE_DISCOVER, type->name, 0), n = cloud.n_things;
    for (size_t i = 0; i < n; i++) {
        const char *slash = strchr(cloud.things[i].name, '/');
        size_t len = (size_t)(slash - cloud.things[i].name);
        if (cloud.things[i].there && strlen(type->name) == len &&
            strncmp(cloud.things[i].name, type->name, len) == 0)
            graph_found(g, type, NULL, slash + 1);
    }
    event_end(event);
    uv_mutex_unlock(&cloud.mutex);
    return 0;
}

static enum readiness fake_judge(const struct resource *r, struct strbuf *why)
{
    if (json_bool(r->memo, "broken", false)) {
        strbuf_adds(why, "it is broken");
        return FAILED;
    }
    int64_t looks = json_int(r->memo, "looks", 0);
    if (looks > 0)
        strbuf_addf(why, "%d more looks", (int)looks);
    return looks > 0 ? WAITING : READY;
}

/* Begins a write; returns its event, the thing in *ret. */
static size_t write_begin(enum fake_op op, const struct resource *r, struct fake_thing **ret)
{
    uv_mutex_lock(&cloud.mutex);
    struct fake_thing *t = thing_of(r);
    take(t);
    size_t event = event_begin(op, t->name, 1);
    unsigned n = ++cloud.writes;
    if (++cloud.at_once > cloud.most_at_once)
        cloud.most_at_once = cloud.at_once;
    uv_mutex_unlock(&cloud.mutex);
    if (fake_on_write != NULL)
        fake_on_write(n);
    pass_time(t->delay);
    uv_mutex_lock(&cloud.mutex);
    *ret = t;
    return event;
}

static int write_end(size_t event, struct fake_thing *t, int status)
{
    event_end(event);
    t->in_use = false;
    cloud.at_once--;
    uv_mutex_unlock(&cloud.mutex);
    return status;
}

static int write_fails(struct fake_thing *t, struct err *err)
{
    if (t->busy > 0) {
        t->busy--;
        return err_set(err, ERR_BUSY, "'%s' is in use by something", t->name);
    }
    if (t->fail != ERR_NONE)
        return err_set(err, t->fail, "fake:Write: '%s' fails", t->name);
    return 0;
}

static void store(struct resource *r, struct fake_thing *t)
{
    if (ref_in(r->target))
        fake_fail("an unresolved reference", t->name);
    cJSON_Delete(t->state);
    cJSON_Delete(t->tags);
    t->state = json_dup(r->target);
    t->tags = tags_wanted(r->graph, r->label);
    t->there = true;
    t->revision++;
    t->looks_left = t->looks;
    show(r, t);
}

static int fake_create(struct session *s, struct resource *r, struct err *err)
{
    (void)s;
    struct fake_thing *t;
    size_t event = write_begin(FAKE_CREATE, r, &t);
    if (write_fails(t, err) < 0)
        return write_end(event, t, -1);
    if (t->race) {
        t->race = false;
        cJSON_Delete(t->state);
        t->state = json_dup(t->racer);
        if (t->tags == NULL)
            t->tags = tags_wanted(r->graph, r->label);
        t->there = true;
    }
    if (t->there)
        return write_end(event, t, err_set(err, ERR_EXISTS, "'%s' exists", t->name));
    store(r, t);
    if (t->lazy) {
        resource_set_have(r, NULL);
        t->hidden = true;
    }
    return write_end(event, t, 0);
}

static int fake_update(struct session *s, struct resource *r, struct err *err)
{
    (void)s;
    struct fake_thing *t;
    size_t event = write_begin(FAKE_UPDATE, r, &t);
    if (cJSON_GetArraySize(r->changes) == 0)
        fake_fail("an update without a change", t->name);
    if (write_fails(t, err) < 0)
        return write_end(event, t, -1);
    store(r, t);
    return write_end(event, t, 0);
}

static int fake_remove(struct session *s, struct resource *r, struct err *err)
{
    (void)s;
    struct fake_thing *t;
    size_t event = write_begin(FAKE_REMOVE, r, &t);
    if (write_fails(t, err) < 0)
        return write_end(event, t, -1);
    t->going = t->gone_after;
    t->there = t->gone_after > 0;
    return write_end(event, t, 0);
}

int fake_let_go(struct session *s, struct resource *r, const struct resource *other,
                struct err *err)
{
    (void)s, (void)other;
    struct fake_thing *t;
    size_t event = write_begin(FAKE_LET_GO, r, &t);
    if (write_fails(t, err) < 0)
        return write_end(event, t, -1);
    json_put_str(t->state, "Uses", "nothing");
    show(r, t);
    return write_end(event, t, 0);
}

int fake_wind_down(struct session *s, struct resource *r, struct err *err)
{
    (void)s;
    struct fake_thing *t;
    size_t event = write_begin(FAKE_WIND_DOWN, r, &t);
    if (write_fails(t, err) < 0)
        return write_end(event, t, -1);
    t->there = !t->quick;
    show(r, t);
    return write_end(event, t, 0);
}

static int fake_begin(struct session *s, struct graph *g, struct err *err)
{
    (void)s, (void)g;
    uv_mutex_lock(&cloud.mutex);
    event_end(event_begin(FAKE_BEGIN, "store", 0));
    uv_mutex_unlock(&cloud.mutex);
    if (fake_begin_fails != ERR_NONE)
        return err_set(err, fake_begin_fails, "fake:Begin: fails");
    return 0;
}

static int fake_overtaken(struct session *s, const struct graph *g, char **ret, struct err *err)
{
    (void)s, (void)g;
    if (str_eq(fake_newer, ""))
        return err_set(err, ERR_DENIED, "fake:Newer: fails");
    *ret = fake_newer != NULL ? xstrdup(fake_newer) : NULL;
    return 0;
}

void fake_init(void)
{
    memset(&cloud, 0, sizeof(cloud));
    uv_mutex_init(&cloud.mutex);
    fake_begin_fails = ERR_NONE;
    fake_newer = NULL;
    fake_on_write = NULL;
}

void fake_release(void)
{
    for (size_t i = 0; i < cloud.n_things; i++) {
        cJSON_Delete(cloud.things[i].state);
        cJSON_Delete(cloud.things[i].tags);
        cJSON_Delete(cloud.things[i].racer);
    }
    uv_mutex_destroy(&cloud.mutex);
}

struct fake_thing *fake_thing(const char *name)
{
    return find(name);
}

struct fake_thing *fake_put(const char *name, const char *state, bool ours)
{
    struct fake_thing *t = find(name);
    struct graph *g = fake_graph("[]");
    t->there = true;
    t->revision = 1;
    cJSON_Delete(t->state);
    cJSON_Delete(t->tags);
    t->state = cJSON_Parse(state);
    t->tags = ours ? tags_wanted(g, "x") : cJSON_CreateObject();
    graph_free(g);
    return t;
}

size_t fake_events(struct fake_event **ret)
{
    uv_mutex_lock(&cloud.mutex);
    size_t n = cloud.n_events;
    *ret = xcalloc(n + 1, sizeof(**ret));
    memcpy(*ret, cloud.events, n * sizeof(**ret));
    uv_mutex_unlock(&cloud.mutex);
    return n;
}

static bool is_event(const struct fake_event *e, enum fake_op op, const char *name)
{
    return e->op == op && (name == NULL || strcmp(e->name, name) == 0);
}

size_t fake_count(enum fake_op op, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < cloud.n_events; i++)
        n += is_event(&cloud.events[i], op, name);
    return n;
}

const struct fake_event *fake_first(enum fake_op op, const char *name)
{
    for (size_t i = 0; i < cloud.n_events; i++)
        if (is_event(&cloud.events[i], op, name))
            return &cloud.events[i];
    return NULL;
}

const struct fake_event *fake_last(enum fake_op op, const char *name)
{
    for (size_t i = cloud.n_events; i-- > 0;)
        if (is_event(&cloud.events[i], op, name))
            return &cloud.events[i];
    return NULL;
}

void fake_forget_events(void)
{
    cloud.n_events = 0;
    cloud.writes = cloud.most_at_once = 0;
}

unsigned fake_most_at_once(void)
{
    return cloud.most_at_once;
}

#define DISCOVER(type)                                                                             \
    static int discover_##type(struct session *s, struct graph *g, struct err *err)                \
    {                                                                                              \
        (void)s, (void)err;                                                                        \
        return discover_type(g, &fake_##type);                                                     \
    }
DISCOVER(group)
DISCOVER(repo)
DISCOVER(box)
DISCOVER(shelf)
DISCOVER(task)
DISCOVER(service)

#define ACT                                                                                        \
    .observe = fake_observe, .judge = fake_judge, .create = fake_create, .update = fake_update,    \
    .remove = fake_remove

static const char *const stable_id[] = { "Id", NULL };
static const char *const immutable_kind[] = { "Kind", NULL };
static const char *const service_first[] = { "ecs.service", NULL };
static const char *const user_first[] = { "ecs.service", "ecs.task", NULL };
static const char *const after_task[] = { "ecs.task", "net.group", NULL };

struct resource_type fake_lookup = { .name = "net.lookup",
                                     .singular = "lookup",
                                     .plural = "lookups",
                                     .scope = SCOPE_LOOKUP,
                                     .observe = fake_observe };
struct resource_type fake_group = { .name = "net.group",
                                    .singular = "group",
                                    .plural = "groups",
                                    .scope = SCOPE_ENVIRONMENT,
                                    .stable = stable_id,
                                    .gone_first = user_first,
                                    .discover = discover_group,
                                    ACT };
struct resource_type fake_repo = { .name = "store.repo",
                                   .singular = "repository",
                                   .plural = "repositories",
                                   .scope = SCOPE_ACCOUNT,
                                   .discover = discover_repo,
                                   ACT };
struct resource_type fake_policy = { .name = "store.policy",
                                     .singular = "policy",
                                     .plural = "policies",
                                     .scope = SCOPE_CHILD,
                                     .parent = "store.repo",
                                     ACT };
struct resource_type fake_box = { .name = "store.box",
                                  .singular = "box",
                                  .plural = "boxes",
                                  .scope = SCOPE_ENVIRONMENT,
                                  .flags = TYPE_PRECIOUS,
                                  .immutable = immutable_kind,
                                  .discover = discover_box,
                                  ACT };
struct resource_type fake_shelf = { .name = "store.shelf",
                                    .singular = "shelf",
                                    .plural = "shelves",
                                    .scope = SCOPE_CHILD,
                                    .parent = "store.box",
                                    .discover = discover_shelf,
                                    ACT };
struct resource_type fake_task = { .name = "ecs.task",
                                   .singular = "task definition",
                                   .plural = "task definitions",
                                   .scope = SCOPE_ENVIRONMENT,
                                   .flags = TYPE_WHOLE,
                                   .gone_first = service_first,
                                   .discover = discover_task,
                                   ACT };
struct resource_type fake_service = { .name = "ecs.service",
                                      .singular = "service",
                                      .plural = "services",
                                      .scope = SCOPE_ENVIRONMENT,
                                      .flags = TYPE_VERIFY_LAST | TYPE_APPLICATION,
                                      .batch = 10,
                                      .after = after_task,
                                      .discover = discover_service,
                                      ACT };

static const struct resource_type *const net_types[] = { &fake_lookup, &fake_group, NULL };
static const struct resource_type *const store_types[] = { &fake_repo, &fake_policy, &fake_box,
                                                           &fake_shelf, NULL };
static const struct resource_type *const ecs_types[] = { &fake_task, &fake_service, NULL };
static const char *const store_aliases[] = { "shop", NULL };

static const struct driver net = { .name = "net", .types = net_types, .want = fake_want };
static const struct driver store_driver = {
    .name = "store", .aliases = store_aliases, .types = store_types, .begin = fake_begin
};
static const struct driver ecs = { .name = "ecs", .types = ecs_types, .overtaken = fake_overtaken };

const struct driver *const fake_drivers[] = { &net, &store_driver, &ecs, NULL };
