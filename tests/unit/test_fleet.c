/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/ecs.h"
#include "executor/list.h"
#include "executor/sweep.h"
#include "tests/unit/host.h"

#define NOW   1790000000
#define LOGIN "automation-8527fec8" /* of dev/feature/login */

static const char host_json[] =
    "{ \"projects\": { \"77\": { \"prefix\": \"automation\","
    "\"production\": { \"refs\": [\"master\"], \"region\": \"us-east-1\","
    "                  \"roleArn\": \"arn:aws:iam::123456789012:role/p\" },"
    "\"ephemeral\": { \"refs\": [\"dev/*\"], \"region\": \"us-east-1\","
    "                 \"timeToLive\": \"72h\" } } } }";

static struct place places[] = {
    { .region = "us-east-1",
      .role_arn = "arn:aws:iam::123456789012:role/p",
      .account = (char *)"123456789012" },
    { .region = "us-east-1", .account = (char *)"123456789012" },
    { .region = "eu-west-1", .account = (char *)"123456789012" },
};
static const struct fleet fleet = { .places = places, .n_places = 3 };

static int read_host(void **state)
{
    (void)state;
    return host_read(host_json);
}

static struct fleet_item item_of(const char *name, const char *ref, size_t place)
{
    struct fleet_item item = {
        .name = (char *)name, .project = 77, .ref = (char *)ref, .place = &places[place]
    };
    fleet_identify(&item, &fleet, &host);
    return item;
}

static void release(struct fleet_item *item)
{
    environment_release(&item->environment);
    free(item->why);
}

static void an_environment_is_whose_the_host_config_says(void **state)
{
    (void)state;
    static const struct {
        const char *name, *ref;
        size_t place;
        const char *kind, *why;
    } cases[] = {
        { LOGIN, "dev/feature/login", 1, "ephemeral", NULL },
        { LOGIN, "dev/feature/login", 0, "ephemeral", NULL }, /* another role, the same account */
        { "automation-master", "master", 1, "production", NULL },
        { LOGIN, "dev/feature/login", 2, NULL, "by the host config it would be in us-east-1" },
        { LOGIN, "dev/feature/other", 1, NULL, "its branch's environment is 'automation-" },
        { "automation-master", "dev/feature/login", 1, NULL, "'" LOGIN "' by the host config" },
        { LOGIN, "feature/login", 1, NULL, "gets no environment" },
        { LOGIN, NULL, 1, NULL, "its tags do not tell its branch" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fleet_item item = item_of(cases[i].name, cases[i].ref, cases[i].place);
        if (cases[i].kind != NULL) {
            assert_string_equal(item.environment.kind, cases[i].kind);
            assert_string_equal(item.environment.name, cases[i].name);
            assert_null(item.why);
        } else {
            assert_null(item.environment.name);
            assert_non_null(strstr(item.why, cases[i].why));
        }
        release(&item);
    }
    /* From now on it is in the place of its own role. */
    struct fleet_item item = item_of(LOGIN, "dev/feature/login", 0);
    assert_ptr_equal(item.place, &places[1]);
    release(&item);
}

static void a_sweep_needs_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name, *ref;
        bool listed; /* whether GitLab is asked */
        const char *branch;
        time_t expires;
        enum sweep_reason reason;
        const char *why;
    } cases[] = {
        { LOGIN, "dev/feature/login", true, "master", 0, SWEEP_GONE, "its branch is gone" },
        { LOGIN, "dev/feature/login", true, "dev/feature/login", 0, SWEEP_KEEP,
          "its branch is there" },
        { LOGIN, "dev/feature/login", true, "dev/feature/logi", 0, SWEEP_GONE, "gone" },
        { LOGIN, "dev/feature/login", true, "dev/feature/login", NOW, SWEEP_OVER,
          "its time to live was over at 2026-09-21T" },
        { LOGIN, "dev/feature/login", true, "dev/feature/login", NOW + 1, SWEEP_KEEP, "there" },
        { LOGIN, "dev/feature/login", false, NULL, NOW - 9, SWEEP_OVER, "over at" },
        { LOGIN, "dev/feature/login", false, NULL, 0, SWEEP_KEEP, "time to live is not over" },
        { "automation-master", "master", true, "main", NOW - 9, SWEEP_KEEP, "it is production" },
        { LOGIN, "feature/login", true, "main", NOW - 9, SWEEP_KEEP, "gets no environment" },
        { LOGIN, "dev/fix/x", true, "main", NOW - 9, SWEEP_KEEP, "its branch's environment is" },
        { LOGIN, NULL, true, "main", NOW - 9, SWEEP_KEEP, "do not tell its branch" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fleet_item item = item_of(cases[i].name, cases[i].ref, 1);
        item.expires = cases[i].expires;
        _cleanup_branches_ struct branches branches;
        branches_init(&branches);
        if (cases[i].listed) {
            strlist_add(&branches.names, cases[i].branch);
            strmap_add(&branches.by_name, branches.names.v[0], branches.names.v[0]);
        }
        _cleanup_free_ char *why = NULL;
        assert_int_equal(sweep_decide(&item, cases[i].listed ? &branches : NULL, NOW, &why),
                         cases[i].reason);
        if (strstr(why, cases[i].why) == NULL)
            fail_msg("'%s' instead of '%s'", why, cases[i].why);
        release(&item);
    }
}

static void a_tag_tells_its_text(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text; /* NULL: not known */
    } cases[] = {
        { "dev/feature/login", "dev/feature/login" },
        { "dev/fix/a=2Cb", "dev/fix/a,b" },
        { "a=3Db", "a=b" },
        { "=C3=A4", "\xc3\xa4" },
        { "", "" },
        { "a=", NULL },
        { "a=2", NULL },
        { "a=2c", NULL },
        { "a=00b", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *text = tag_text(cases[i].value);
        assert_true(str_eq(text, cases[i].text));
    }
    _cleanup_strbuf_ struct strbuf cut = STRBUF_INIT;
    while (cut.len < 254)
        strbuf_addc(&cut, 'x');
    _cleanup_free_ char *text = tag_text(cut.buf);
    assert_null(text);
}

/* A type like any that the list does not know. */
static enum readiness judge(const struct resource *r, struct strbuf *why)
{
    strbuf_adds(why, json_str(r->memo, "says") ? json_str(r->memo, "says") : "");
    return json_bool(r->memo, "failed", false) ? FAILED : why->len > 0 ? WAITING : READY;
}

static const struct resource_type other_type = {
    .name = "other", .singular = "other", .plural = "others", .judge = judge
};

static struct resource *add(struct graph *g, const struct resource_type *type, const char *name)
{
    struct resource *r = graph_found(g, type, name, name);
    resource_set_have(r, cJSON_CreateObject());
    r->action = ACTION_REMOVE;
    return r;
}

static void the_worst_of_what_is_there_is_the_state(void **state)
{
    (void)state;
    static const struct context context = { .environment = LOGIN, .teardown = true };
    struct graph *g = graph_new(&context);
    struct list_item item = { .item = NULL };
#define STATE_IS(expected)                                                                         \
    do {                                                                                           \
        free(item.why);                                                                            \
        item = (struct list_item){ .item = NULL };                                                 \
        list_judge(g, &item);                                                                      \
        assert_int_equal(item.state, expected);                                                    \
    } while (0)
    struct resource *other = add(g, &other_type, "x");
    json_put_int(other->memo, RESOURCE_CREATED, 200);
    STATE_IS(LIST_LEFT);
    add(g, &ecs_cluster_type, LOGIN);
    STATE_IS(LIST_HALF);
    json_put_int(add(g, &ecs_service_type, LOGIN "-api")->memo, RESOURCE_CREATED, 100);
    struct resource *foreign = add(g, &other_type, "foreign");
    foreign->action = ACTION_NONE;
    json_put_int(foreign->memo, RESOURCE_CREATED, 1);
    /* A service that AWS has not told any deployment of is not ready. */
    STATE_IS(LIST_CHANGING);
    assert_int_equal(item.resources, 3);
    assert_int_equal(item.created, 100);
    json_put_bool(other->memo, "failed", true);
    json_put_str(other->memo, "says", "broken");
    STATE_IS(LIST_FAILED);
    assert_string_equal(item.why, "other 'x': broken");
    json_put_str(add(g, &other_type, "cache")->memo, "status", "deleting");
    STATE_IS(LIST_DELETING);
    assert_string_equal(item.why, "other 'cache'");
    free(item.why);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_environment_is_whose_the_host_config_says),
        cmocka_unit_test(a_sweep_needs_a_reason),
        cmocka_unit_test(a_tag_tells_its_text),
        cmocka_unit_test(the_worst_of_what_is_there_is_the_state),
    };
    return cmocka_run_group_tests(tests, read_host, host_release);
}
