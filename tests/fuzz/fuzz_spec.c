/* SPDX-License-Identifier: MIT */
/*
 * The spec, whole: its schema, overlays and defaults, variables, the host config's limits, and what
 * every driver wants of it.
 */
#include "drivers/resource.h"
#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/deploy.h"
#include "tests/fuzz/fuzz.h"

#define SPEC       "project/" HOSTCONFIG_SPEC
#define PROJECT_ID 77 /* as in limits_json */

static struct hostconfig host;
static int checkout = -1;

static const char limits_json[] =
    "{\"projects\": {\"77\": {\"prefix\": \"automation\","
    "  \"ephemeral\": {\"refs\": [\"*\"], \"region\": \"us-east-1\"},"
    "  \"limits\": {\"ephemeral\": {\"zones\": [\"*.net\"], \"roles\": [\"ecs_*\"],"
    "    \"secrets\": [\"/mettel/*\"], \"maxTasks\": 50,"
    "    \"vpc\": {\"tag:Name\": \"mettel-automation-vpc-dev\"}, \"stackCapabilities\": []}}}}}";

static void set_up(void)
{
    _cleanup_err_ struct err err = ERR_INIT;
    host.path = xstrdup("/etc/berth/berth.json");
    host.dir = xstrdup("/etc/berth");
    fuzz_require(json_parse(limits_json, strlen(limits_json), JSON_PLAIN, &host.json, &err) == 0,
                 "it is JSON");
    static const char *const policies[] = { "ecs-execution.json", "ecs-service.json",
                                            "ecs-tasks-trust.json", "ecs-trust.json" };
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        _cleanup_free_ char *from =
            xasprintf("config/examples/mettel/.berth/policies/%s", policies[i]);
        _cleanup_free_ char *to = xasprintf("project/.berth/policies/%s", policies[i]);
        fuzz_copy(from, to);
    }
    fuzz_file(SPEC, NULL, 0);
    _cleanup_free_ char *dir = xasprintf("%s/project", fuzz_directory());
    fuzz_require(file_open_dir(dir, &checkout, &err) == 0, "the project can be opened");
}

static const char *variable(void *context, const char *name)
{
    (void)context;
    if (str_starts(name, "X"))
        return NULL;
    return str_starts(name, "T") ? "${ENVIRONMENT} $${redis.host}" : "value";
}

static bool is_masked(void *context, const char *name)
{
    (void)context;
    return str_ends(name, "SECRET");
}

static void check_graph(const struct graph *g)
{
    for (size_t i = 0; i < g->n; i++)
        fuzz_require(g->v[i]->name != NULL && g->v[i]->type != NULL, "a resource has a name");
}

static void resolve(struct deploy *d, const char *kind, const cJSON *limits, struct err *err)
{
    struct environment e = {
        .name = xstrdup("automation-8527fec8"),
        .subdomain = xstrdup("8527fec8"),
        .kind = kind,
        .prefix = "automation",
        .region = "us-east-1",
        .limits = limits,
    };
    const struct deploy_request request = {
        .errand = {
            .host = &host,
            .environment = &e,
            .project = PROJECT_ID,
            .pipeline = 12,
            .ref = "dev/feature/login",
        },
        .sha = "0123456789012345678901234567890123456789",
        .lookup = variable,
        .is_masked = is_masked,
    };
    if (deploy_resolve(d, &request, err) == 0)
        check_graph(d->graph);
    else
        fuzz_require_message(err);
    environment_release(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (checkout < 0)
        set_up();
    fuzz_file(SPEC, data, size);
    const cJSON *limits = json_at(host.json, "projects/77/limits/ephemeral");
    for (int production = 0; production < 2; production++) {
        _cleanup_deploy_ struct deploy d = DEPLOY_INIT;
        _cleanup_err_ struct err err = ERR_INIT;
        if (deploy_read_spec(&d, &host, checkout, &err) < 0) {
            fuzz_require_message(&err);
            break;
        }
        resolve(&d, production ? "production" : "ephemeral", production ? NULL : limits, &err);
    }
    redact_release();
    return 0;
}
