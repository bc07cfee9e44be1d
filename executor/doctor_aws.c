/* SPDX-License-Identifier: MIT */
/* AWS as the host sees it: whether it is there, what time it has, and as whom it knows us. */
#include <math.h>
#include <time.h>

#include "drivers/aws/client.h"
#include "drivers/aws/credentials.h"
#include "drivers/aws/timestamp.h"
#include "executor/doctor.h"

#define TIMEOUT      5.0
#define IMDS_TIMEOUT 1.0
/* AWS takes signatures that are up to five minutes off; half of it is for the clock's further way.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html */
#define SKEW_FAIL 150.0
#define SKEW_WARN 10.0

static void check_clock(struct doctor *d, const struct http_response *response)
{
    const char *header = http_header(response, "date");
    double date;
    if (header == NULL || timestamp_parse_http(header, &date) < 0)
        return;
    double off = (double)time(NULL) - date;
    enum symptom_level level = fabs(off) > SKEW_FAIL   ? SYMPTOM_FAIL
                               : fabs(off) > SKEW_WARN ? SYMPTOM_WARN
                                                       : SYMPTOM_OK;
    if (level == SYMPTOM_OK)
        doctor_note(d, level, "clock", NULL, "as AWS's, to %.0f s", SKEW_WARN);
    else
        doctor_note(d, level, "clock",
                    "run a time service: 'apt-get install chrony' or 'timedatectl set-ntp true'",
                    "%.0f s %s AWS's; from five minutes on it takes no signature", fabs(off),
                    off > 0 ? "ahead of" : "behind");
}

/* Any answer will do, an error included. */
static bool reach(struct doctor *d, struct transport *t, const struct service *service,
                  bool *clock_known)
{
    const struct endpoint *endpoint = endpoint_find(t->endpoints, service);
    _cleanup_free_ char *url = xasprintf("%s/", endpoint->url);
    struct http_request request = { .method = "GET",
                                    .url = url,
                                    .connect_timeout = TIMEOUT,
                                    .timeout = 2 * TIMEOUT,
                                    .plain = endpoint->custom };
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (http_send(t->http, &request, &response, &err) < 0) {
        doctor_note(d, SYMPTOM_FAIL, "network",
                    "let the host out to it (HTTPS, or by a proxy: https_proxy in the runner's "
                    "service)",
                    "%s cannot be reached: %s", service->name, err.message);
        return false;
    }
    if (!*clock_known)
        check_clock(d, &response);
    *clock_known = true;
    return true;
}

static void check_network(struct doctor *d, struct transport *t)
{
    const struct service *service;
    size_t n = 0, reached = 0;
    bool clock_known = false;
    for (; (service = service_at(n)) != NULL; n++)
        reached += reach(d, t, service, &clock_known);
    if (reached == n)
        doctor_note(d, SYMPTOM_OK, "network", NULL, "all %zu AWS services of '%s' answer", n,
                    t->region);
}

/* True if the host has credentials of its own. */
static bool check_source(struct doctor *d, struct transport *t)
{
    const struct creds_context context = { .transport = t, .imds_timeout = IMDS_TIMEOUT };
    struct credentials *credentials = credentials_new(&context);
    _cleanup_creds_ struct creds creds = CREDS_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    bool good = credentials_get(credentials, &creds, &err) == 0;
    if (good)
        doctor_note(d, SYMPTOM_OK, "credentials", NULL, "from %s%s",
                    credentials_source(credentials),
                    creds.expires == 0 ? ", which do not expire: a role would be better" : "");
    else
        doctor_note(d, SYMPTOM_FAIL, "credentials", NULL, "%s", err.message);
    credentials_free(credentials);
    return good;
}

/* As whom the jobs of this kind act. */
static void check_identity(struct doctor *d, const char *project, const cJSON *of_kind,
                           struct cancel *cancel)
{
    const char *role = json_str(of_kind, "roleArn");
    _cleanup_free_ char *subject = xasprintf("project %s, %s", project, of_kind->string);
    const struct session_options options = { .region = json_str(of_kind, "region"),
                                             .role_arn = role,
                                             .session_name = "berth-doctor",
                                             .cancel = cancel };
    struct session *session = NULL;
    _cleanup_json_ cJSON *identity = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (session_open(&options, &session, &err) == 0 &&
        aws_call(session, "sts", "GetCallerIdentity", NULL, &identity, &err) == 0)
        doctor_note(d, SYMPTOM_OK, subject, NULL, "acts as '%s' in '%s'", json_str(identity, "Arn"),
                    options.region);
    else
        doctor_note(d, SYMPTOM_FAIL, subject,
                    role != NULL ? "let the role's trust policy name the host's own role, and that "
                                   "one have sts:AssumeRole on it"
                                 : "give the host valid credentials",
                    "%s", err.message);
    session_free(session);
}

static void check_identities(struct doctor *d, struct cancel *cancel)
{
    static const char *const kinds[] = { "production", "ephemeral" };
    const cJSON *project;
    cJSON_ArrayForEach (project, json_get(d->host.json, "projects")) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
            const cJSON *of_kind = json_get(project, kinds[i]);
            if (of_kind != NULL)
                check_identity(d, project->string, of_kind, cancel);
        }
    }
}

/* The regions of the host config, each once. */
static void list_regions(const cJSON *host, struct strlist *regions)
{
    const cJSON *project, *member;
    cJSON_ArrayForEach (project, json_get(host, "projects")) {
        cJSON_ArrayForEach (member, project) {
            const char *region = json_str(member, "region");
            if (region != NULL && !strlist_has(regions, region))
                strlist_add(regions, region);
        }
    }
}

void doctor_aws(struct doctor *d)
{
    _cleanup_strlist_ struct strlist regions = STRLIST_INIT;
    list_regions(d->host.json, &regions);
    struct cancel cancel;
    cancel_init(&cancel);
    bool known = false;
    for (size_t i = 0; i < regions.n; i++) {
        struct transport *t = NULL;
        _cleanup_err_ struct err err = ERR_INIT;
        if (transport_new(regions.v[i], NULL, &cancel, &t, &err) < 0) {
            doctor_note(d, SYMPTOM_FAIL, "network", "correct it", "%s", err.message);
            continue;
        }
        check_network(d, t);
        known = known || check_source(d, t);
        transport_free(t);
    }
    if (known)
        check_identities(d, &cancel);
    cancel_release(&cancel);
}
