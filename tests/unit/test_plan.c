/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake.h"

static int set_up(void **state)
{
    (void)state;
    fake_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_release();
    return 0;
}

static const struct engine_options options = { .workers = 2 };

static struct graph *observed(const char *text)
{
    struct err err = ERR_INIT;
    struct graph *g = fake_graph(text);
    if (engine_observe(NULL, g, &options, &err) < 0)
        fail_msg("%s", err.message);
    return g;
}

static struct plan_counts plan(struct graph *g, const struct selection *selection)
{
    struct err err = ERR_INIT;
    struct plan_counts counts;
    if (engine_plan(g, selection, &counts, &err) < 0)
        fail_msg("%s", err.message);
    return counts;
}

static void assert_counts(struct plan_counts c, unsigned create, unsigned update,
                          unsigned to_remove, unsigned keep, unsigned wait)
{
    assert_int_equal(c.create, create);
    assert_int_equal(c.update, update);
    assert_int_equal(c.remove, to_remove);
    assert_int_equal(c.keep, keep);
    assert_int_equal(c.wait, wait);
    assert_int_equal(c.replace, 0);
}

static void assert_action(const struct graph *g, const char *address, enum action action)
{
    const struct resource *r = graph_find(g, address);
    assert_non_null(r);
    assert_int_equal(r->action, action);
}

static void assert_refused(const char *text, const struct selection *selection,
                           enum err_class class, const char *message)
{
    struct graph *g = observed(text);
    _cleanup_err_ struct err err = ERR_INIT;
    struct plan_counts counts = { .create = 99 };
    assert_int_equal(engine_plan(g, selection, &counts, &err), -1);
    assert_string_equal(err.message, message);
    assert_string_equal(err_class_name(err.class), err_class_name(class));
    assert_int_equal(counts.create, 99);
    graph_free(g);
}

static void test_each_action(void **state)
{
    (void)state;
    fake_put("net.group/E-same", "{\"P\":1,\"Server\":\"x\"}", true);
    fake_put("net.group/E-other", "{\"P\":1}", true);
    fake_put("net.group/E-old", "{}", true);
    fake_put("net.group/E-slow", "{}", true)->looks_left = 5;
    struct graph *g = observed("[{\"type\":\"net.group\",\"label\":\"new\"},"
                               " {\"type\":\"net.group\",\"label\":\"same\",\"want\":{\"P\":1}},"
                               " {\"type\":\"net.group\",\"label\":\"other\",\"want\":{\"P\":2}},"
                               " {\"type\":\"net.group\",\"label\":\"slow\"}]");
    assert_counts(plan(g, NULL), 1, 1, 1, 1, 1);
    assert_action(g, "net.group/new", ACTION_CREATE);
    assert_action(g, "net.group/same", ACTION_NONE);
    assert_action(g, "net.group/other", ACTION_UPDATE);
    assert_action(g, "net.group/E-old", ACTION_REMOVE);
    const struct resource *slow = graph_find(g, "net.group/slow");
    assert_true(slow->wait);
    assert_string_equal(slow->waiting_for, "4 more looks");
    _cleanup_free_ char *changes = json_print(graph_find(g, "net.group/other")->changes);
    assert_string_equal(changes, "[{\"path\":\"P\",\"from\":1,\"to\":2}]");
    assert_counts(plan(g, NULL), 1, 1, 1, 1, 1); /* again, the same */
    graph_free(g);
}

/* An application that is ready and as it is wanted, which another run may take back. */
static void what_may_not_stay_so_is_looked_at_again(void **state)
{
    (void)state;
    fake_put("ecs.service/E-a", "{\"P\":1}", true);
    struct graph *g = observed("[{\"type\":\"ecs.service\",\"label\":\"a\",\"want\":{\"P\":1}}]");
    struct resource *app = graph_find(g, "ecs.service/a");
    assert_counts(plan(g, NULL), 0, 0, 0, 1, 0);
    json_put_str(app->memo, RESOURCE_UNSETTLED, "another is at it");
    assert_counts(plan(g, NULL), 0, 0, 0, 0, 1);
    assert_string_equal(app->waiting_for, "another is at it");
    graph_free(g);
}

static void test_whole_types_see_what_is_too_much(void **state)
{
    (void)state;
    fake_put("ecs.task/E-t", "{\"Cpu\":1,\"Extra\":2}", true);
    struct graph *g = observed("[{\"type\":\"ecs.task\",\"label\":\"t\",\"want\":{\"Cpu\":1}}]");
    plan(g, NULL);
    assert_action(g, "ecs.task/t", ACTION_UPDATE);
    graph_free(g);
}

#define PAIR                                                                                       \
    "[{\"type\":\"ecs.service\",\"label\":\"s\",\"want\":{\"A\":{\"${}\":\"${net.group/"           \
    "g.%s}\"}}},"                                                                                  \
    " {\"type\":\"net.group\",\"label\":\"g\",\"want\":{\"P\":2}}]"

static void test_known_after_apply(void **state)
{
    (void)state;
    static const struct {
        const char *output;
        enum action action;
    } cases[] = { { "Id", ACTION_NONE }, { "Rev", ACTION_UPDATE } };
    fake_put("net.group/E-g", "{\"P\":1}", true);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fake_put("ecs.service/E-s", i == 0 ? "{\"A\":\"id-E-g\"}" : "{\"A\":\"E-g:1\"}", true);
        _cleanup_free_ char *text = xasprintf(PAIR, cases[i].output);
        struct graph *g = observed(text);
        plan(g, NULL);
        assert_action(g, "net.group/g", ACTION_UPDATE);
        assert_action(g, "ecs.service/s", cases[i].action);
        if (cases[i].action == ACTION_UPDATE)
            assert_true(ref_in(json_at(graph_find(g, "ecs.service/s")->changes, "0/to")));
        graph_free(g);
    }
    /* Absent altogether: created after it. */
    fake_thing("net.group/E-g")->there = false;
    fake_thing("ecs.service/E-s")->there = false;
    _cleanup_free_ char *text = xasprintf(PAIR, "Id");
    struct graph *g = observed(text);
    assert_counts(plan(g, NULL), 2, 0, 0, 0, 0);
    graph_free(g);
}

static void test_immutable_members(void **state)
{
    (void)state;
    fake_put("store.box/E-b", "{\"Kind\":\"old\",\"KindOf\":1}", true);
    assert_refused(
        "[{\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":\"new\",\"KindOf\":2}}]", NULL,
        ERR_USER,
        "things.b: box 'E-b' cannot be changed in place: 'Kind' is \"old\" and should become "
        "\"new\", which AWS allows only in a new one; set it back to \"old\", or remove 'E-b' "
        "and run the job again");
    struct graph *g = observed("[{\"type\":\"store.box\",\"label\":\"b\","
                               "  \"want\":{\"Kind\":\"old\",\"KindOf\":2}}]");
    assert_counts(plan(g, NULL), 0, 1, 0, 0, 0);
    graph_free(g);
}

static void test_all_problems_at_once(void **state)
{
    (void)state;
    fake_put("store.box/E-a", "{\"Kind\":{\"X\":[1]}}", true);
    fake_put("store.box/E-b", "{}", true);
    assert_refused(
        "[{\"type\":\"store.box\",\"label\":\"a\",\"want\":{\"Kind\":{\"X\":[2]}}},"
        " {\"type\":\"store.box\",\"label\":\"b\",\"want\":{\"Kind\":1}}]",
        NULL, ERR_USER,
        "things.a: box 'E-a' cannot be changed in place: 'Kind.X[0]' is 1 and should become 2, "
        "which AWS allows only in a new one; set it back to 1, or remove 'E-a' and run the job "
        "again\n"
        "things.b: box 'E-b' cannot be changed in place: 'Kind' is nothing and should become 1, "
        "which AWS allows only in a new one; set it back to nothing, or remove 'E-b' and run the "
        "job again");
}

static void test_shared_resources(void **state)
{
    (void)state;
    static const char text[] =
        "[{\"type\":\"store.repo\",\"label\":\"r\",\"want\":{\"P\":2}},"
        " {\"type\":\"store.policy\",\"label\":\"p\",\"needs\":[\"store.repo/r\"],"
        "  \"want\":{\"P\":2}},"
        " {\"type\":\"store.repo\",\"label\":\"new\"}]";
    fake_put("store.repo/E-r", "{\"P\":1}", false);
    fake_put("store.policy/E-p", "{\"P\":1}", false);
    fake_put("store.repo/E-unwanted", "{}", true);
    struct graph *g = observed(text);
    struct plan_counts counts = plan(g, NULL);
    assert_counts(counts, 1, 0, 0, 0, 0); /* what differs is not as wanted... */
    assert_int_equal(counts.leave, 2);    /* ...and not this run's business */
    assert_string_equal(graph_find(g, "store.repo/r")->note,
                        "shared; differs, updated by basic-infra on production");
    assert_string_equal(graph_find(g, "store.policy/p")->note,
                        "shared; differs, updated by basic-infra on production");
    g->context.update_account = true;
    assert_counts(plan(g, NULL), 1, 2, 0, 0, 0);
    assert_null(graph_find(g, "store.repo/E-unwanted"));
    graph_free(g);
}

static void test_precious_orphans_need_leave(void **state)
{
    (void)state;
    fake_put("store.box/E-old", "{}", true);
    fake_put("store.shelf/E-old", "{}", true);
    assert_refused("[]", NULL, ERR_REFUSED,
                   "box 'E-old' is no longer wanted, but holds data or an address and IS NOT "
                   "REMOVED unless the host config lists 'store.box' in "
                   "limits.ephemeral.allowReplace: declare it again, or ask the host's "
                   "administrator");
    _cleanup_json_ cJSON *limits = cJSON_Parse("{\"allowReplace\":[\"store\"]}");
    struct graph *g = observed("[]");
    g->context.limits = limits;
    assert_counts(plan(g, NULL), 0, 0, 2, 0, 0);
    graph_free(g);
}

#define SERVICES                                                                                   \
    "[{\"type\":\"net.lookup\",\"label\":\"image-a\"},"                                            \
    " {\"type\":\"net.group\",\"label\":\"shared\"},"                                              \
    " {\"type\":\"net.group\",\"label\":\"a\",\"needs\":[\"net.group/deep\"]},"                    \
    " {\"type\":\"net.group\",\"label\":\"deep\"},"                                                \
    " {\"type\":\"ecs.task\",\"label\":\"a\",\"needs\":[\"net.lookup/image-a\"]},"                 \
    " {\"type\":\"ecs.service\",\"label\":\"a\","                                                  \
    "  \"needs\":[\"ecs.task/a\",\"net.group/a\",\"net.group/shared\"]},"                          \
    " {\"type\":\"ecs.service\",\"label\":\"b\",\"needs\":[\"net.group/shared\"]}]"

static void test_a_service_and_what_only_it_needs(void **state)
{
    (void)state;
    static const struct selection selection = { .service = "a" };
    fake_put("net.lookup/E-image-a", "{}", true);
    fake_put("net.group/E-shared", "{}", true);
    fake_put("net.group/E-old", "{}", true);
    struct graph *g = observed(SERVICES);
    struct plan_counts counts = plan(g, &selection);
    assert_counts(counts, 4, 0, 0, 0 + 1, 0);
    assert_int_equal(counts.leave, 2);
    assert_action(g, "net.group/deep", ACTION_CREATE);
    assert_action(g, "ecs.service/b", ACTION_NONE);
    assert_string_equal(graph_find(g, "ecs.service/b")->note, "missing; not part of this job");
    assert_string_equal(graph_find(g, "net.group/E-old")->note,
                        "no longer wanted; not part of this job");
    assert_false(graph_find(g, "net.group/shared")->selected);
    graph_free(g);
}

static void test_what_is_missing_and_not_selected(void **state)
{
    (void)state;
    static const struct selection service = { .service = "a" }, unknown = { .service = "x" };
    static const char *const names[] = { "ecs", NULL }, *const wrong[] = { "ecz", NULL };
    static const struct selection ecs = { .drivers = names }, typo = { .drivers = wrong };
    fake_put("net.lookup/E-image-a", "{}", true);
    assert_refused(SERVICES, &service, ERR_USER,
                   "things.a: service 'a' needs group 'shared', which does not exist and is not "
                   "part of this job: run the job 'deploy' first");
    assert_refused(SERVICES, &ecs, ERR_USER,
                   "things.a: service 'a' needs group 'a', which does not exist and is not part of "
                   "this job: run the job 'deploy' first\n"
                   "things.a: service 'a' needs group 'shared', which does not exist and is not "
                   "part of this job: run the job 'deploy' first");
    assert_refused(SERVICES, &unknown, ERR_USER,
                   "services: there is no service 'x': declare it, or correct the job's name");
    assert_refused(SERVICES, &typo, ERR_USER, "there is no driver 'ecz': correct the job's name");
}

static void test_lookups_matter_to_those_who_need_them(void **state)
{
    (void)state;
    static const char *const names[] = { "net", NULL };
    static const struct selection net = { .drivers = names };
    struct graph *g = observed(SERVICES);
    assert_counts(plan(g, &net), 3, 0, 0, 0, 0);
    resource_set_missing(graph_find(g, "net.lookup/image-a"), "no image '%s': run a-build", "a");
    _cleanup_err_ struct err err = ERR_INIT;
    struct plan_counts counts;
    assert_int_equal(engine_plan(g, NULL, &counts, &err), -1);
    assert_int_equal(err.class, ERR_USER);
    assert_string_equal(err.message, "things.image-a: no image 'a': run a-build");
    graph_free(g);
    assert_refused(SERVICES, NULL, ERR_USER,
                   "things.image-a: there is no lookup 'E-image-a', which task definition 'a' "
                   "needs");
}

static void test_aliases_select_drivers(void **state)
{
    (void)state;
    static const char *const names[] = { "shop", NULL };
    static const struct selection shop = { .drivers = names };
    struct graph *g = observed("[{\"type\":\"store.repo\",\"label\":\"r\"},"
                               " {\"type\":\"net.group\",\"label\":\"g\"}]");
    assert_counts(plan(g, &shop), 1, 0, 0, 0, 0);
    graph_free(g);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_each_action),
        T(what_may_not_stay_so_is_looked_at_again),
        T(test_whole_types_see_what_is_too_much),
        T(test_known_after_apply),
        T(test_immutable_members),
        T(test_all_problems_at_once),
        T(test_shared_resources),
        T(test_precious_orphans_need_leave),
        T(test_a_service_and_what_only_it_needs),
        T(test_what_is_missing_and_not_selected),
        T(test_lookups_matter_to_those_who_need_them),
        T(test_aliases_select_drivers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
