/* SPDX-License-Identifier: MIT */
/* Tasks of a complete deployment that are replaced while a run lasts: who asks for their health. */
#include "tests/unit/ecsscript.h"

#include <setjmp.h>
#include <cmocka.h>

#include "drivers/ecs.h"

#define COMPLETE(running, events)                                                                  \
    "{\"services\":[{\"serviceName\":\"" NAME "\",\"status\":\"ACTIVE\",\"desiredCount\":2,"       \
    "\"runningCount\":" running                                                                    \
    ",\"deployments\":[{\"id\":\"d2\",\"status\":\"PRIMARY\",\"createdAt\":100,"                   \
    "\"rolloutState\":\"COMPLETED\",\"runningCount\":" running                                     \
    ",\"taskDefinition\":\"x/f:2\"}],\"events\":[" events "]}]}"
#define RUNS(id, containers) TASK(id, "d2", ",\"containers\":[" containers "]")
#define IS(name, health)     "{\"name\":\"" name "\",\"healthStatus\":\"" health "\"}"
#define LONG_AGO             STARTED("9", "101")

static const char definitions[] = "{\"containerDefinitions\":["
                                  "{\"name\":\"api\",\"healthCheck\":{\"command\":[\"CMD\"]}},"
                                  "{\"name\":\"plain\"},"
                                  "{\"name\":\"side\",\"essential\":false,\"healthCheck\":{}}]}";
static const char unchecked[] = "{\"containerDefinitions\":[{\"name\":\"api\"}]}";

static size_t lists_of_running(const struct script *t)
{
    size_t n = 0;
    for (size_t i = 0; i < script_count(t, "ecs:ListTasks"); i++)
        n += json_get(script_input(t, "ecs:ListTasks", i), "desiredStatus") == NULL;
    return n;
}

/* The first look, at the first of the services, is followed by one at the second. */
static void what_was_replaced_has_to_be_healthy(void **state)
{
    (void)state;
    static const struct {
        const char *looks[2], *definitions, *tasks;
        enum readiness readiness;
        const char *why;
        size_t asked; /* for running tasks' health */
    } cases[] = {
        /* Nobody replaced any of late. */
        { { COMPLETE("2", LONG_AGO), COMPLETE("2", LONG_AGO) }, definitions, NULL, READY, "", 0 },
        { { COMPLETE("2", ""), COMPLETE("2", "") }, definitions, NULL, READY, "", 0 },
        /* ECS tells of one, though all ran at both looks. */
        { { COMPLETE("2", LONG_AGO), COMPLETE("2", STARTED("1", "500") "," LONG_AGO) },
          definitions,
          RUNS("1", IS("api", "HEALTHY")) "," RUNS("2", IS("api", "UNKNOWN")),
          WAITING,
          "1 of 2 tasks are healthy",
          1 },
        { { COMPLETE("2", ""), COMPLETE("2", STARTED("1", "500")) },
          definitions,
          RUNS("1", IS("api", "HEALTHY")) "," RUNS("2", IS("plain", "UNKNOWN")),
          WAITING,
          "1 of 2 tasks are healthy",
          1 },
        /* One was missing at the first look, and its events are not there yet. */
        { { COMPLETE("1", LONG_AGO), COMPLETE("2", LONG_AGO) },
          definitions,
          RUNS("1", IS("api", "UNHEALTHY")) "," RUNS("2", IS("api", "HEALTHY")),
          WAITING,
          "1 of 2 tasks are healthy",
          1 },
        /* Containers without a check, and those that may end, have no say. */
        { { COMPLETE("1", LONG_AGO), COMPLETE("2", STARTED("1", "500")) },
          definitions,
          RUNS("1", IS("api", "HEALTHY") "," IS("plain", "UNKNOWN")) "," RUNS(
              "2", IS("side", "UNHEALTHY") "," IS("api", "HEALTHY")),
          READY,
          "",
          1 },
        { { COMPLETE("1", LONG_AGO), COMPLETE("2", LONG_AGO) }, unchecked, NULL, READY, "", 0 },
        /* Not before they run. */
        { { COMPLETE("1", LONG_AGO), COMPLETE("1", LONG_AGO) },
          definitions,
          NULL,
          WAITING,
          "1 of 2 tasks of 'f:2' run",
          0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *tasks =
            xasprintf("{\"tasks\":[%s]}", cases[i].tasks ? cases[i].tasks : "");
        const struct script_row rows[] = {
            { .call = "ecs:DescribeServices", .answer = cases[i].looks[0] },
            { .call = "ecs:DescribeServices", .answer = cases[i].looks[1] },
            { .call = "ecs:ListTasks", .answer = "{\"taskArns\":[\"a\"]}" },
            { .call = "ecs:DescribeTasks", .answer = tasks },
            { 0 },
        };
        struct script t;
        script_open(&t, script_spec, rows);
        struct resource *r = script_resource(&t, SERVICE);
        resource_set_have(script_resource(&t, DEFINITION), cJSON_Parse(cases[i].definitions));
        script_observe(&t, SERVICE);
        script_observe(&t, SERVICE);
        _cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
        assert_int_equal(r->type->judge(r, &why), cases[i].readiness);
        assert_string_equal(why.buf, cases[i].why);
        assert_int_equal(lists_of_running(&t), cases[i].asked);
        script_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_replaced_has_to_be_healthy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
