/* SPDX-License-Identifier: MIT */
#include "drivers/acm.h"

#include <time.h>

#include "drivers/common.h"
#include "drivers/driver.h"

/*
 * One list of all certificates serves every lookup. ListCertificates leaves out all keys but RSA
 * of up to 2048 bits unless it is asked for them:
 * https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html
 */

static const struct resource_type certificate_type;

/* "*.example.com" covers "www.example.com", and itself, but not "a.b.example.com". */
static bool name_covers(const char *name, const char *domain)
{
    if (strcasecmp(name, domain) == 0)
        return true;
    const char *dot = strchr(domain, '.');
    return str_starts(name, "*.") && dot != NULL && *domain != '*' &&
           strcasecmp(name + 1, dot) == 0;
}

bool acm_names_cover(const cJSON *names, const char *domain)
{
    const cJSON *name;
    cJSON_ArrayForEach (name, names)
        if (cJSON_IsString(name) && name_covers(name->valuestring, domain))
            return true;
    return false;
}

/* A summary has the first hundred names only. */
static int covers(struct session *s, const cJSON *summary, const char *domain, bool *ret,
                  struct err *err)
{
    const char *first = json_str(summary, "DomainName");
    *ret = (first != NULL && name_covers(first, domain)) ||
           acm_names_cover(json_get(summary, "SubjectAlternativeNameSummaries"), domain);
    if (*ret || !json_bool(summary, "HasAdditionalSubjectAlternativeNames", false))
        return 0;
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *output = NULL;
    json_copy(input, summary, "CertificateArn");
    if (aws_call(s, "acm", "DescribeCertificate", input, &output, err) < 0)
        return -1;
    *ret = acm_names_cover(json_at(output, "Certificate/SubjectAlternativeNames"), domain);
    return 0;
}

/* When it became usable; imported ones are not issued. */
static double age_key(const cJSON *certificate)
{
    static const char *const members[] = { "IssuedAt", "ImportedAt", "CreatedAt" };
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (cJSON_IsNumber(json_get(certificate, members[i])))
            return json_get(certificate, members[i])->valuedouble;
    return 0;
}

static bool is_better(const cJSON *one, const cJSON *other)
{
    if (other == NULL || age_key(one) > age_key(other))
        return true;
    if (age_key(one) < age_key(other))
        return false;
    return strcmp(json_str(one, "CertificateArn"), json_str(other, "CertificateArn")) > 0;
}

const char *acm_status_remedy(const char *status)
{
    if (str_eq(status, "PENDING_VALIDATION"))
        return "add the DNS record that ACM shows for it, and run the job again when it is ISSUED";
    return str_eq(status, "EXPIRED") ? "renew it, or request another" : "request another";
}

bool acm_is_over(const cJSON *certificate)
{
    const cJSON *end = json_get(certificate, "NotAfter");
    return cJSON_IsNumber(end) && end->valuedouble < (double)time(NULL);
}

/* Its names, where the summary has them all. */
static void note_names(struct resource *r, const cJSON *summary)
{
    if (json_bool(summary, "HasAdditionalSubjectAlternativeNames", false))
        return;
    const cJSON *others = json_get(summary, "SubjectAlternativeNameSummaries");
    cJSON *names = json_put(r->memo, "names", others ? json_dup(others) : cJSON_CreateArray());
    json_push_str(names, json_str(summary, "DomainName"));
}

static void say_missing(struct resource *r, const char *region, const cJSON *unusable)
{
    if (unusable == NULL) {
        resource_set_missing(r,
                             "no certificate of ACM in %s covers '%s'; request one, and validate "
                             "it, or name another",
                             region, r->name);
        return;
    }
    const char *status = json_str(unusable, "Status");
    const char *remedy = acm_status_remedy(status);
    resource_set_missing(r,
                         "no certificate of ACM in %s that covers '%s' is issued: '%s' is %s; %s",
                         region, r->name, json_str(unusable, "CertificateArn"), status, remedy);
}

static int certificate_look(struct session *s, struct resource *r, const cJSON *all,
                            struct err *err)
{
    const cJSON *best = NULL, *unusable = NULL, *one;
    cJSON_ArrayForEach (one, all) {
        bool fits = false;
        if (covers(s, one, r->name, &fits, err) < 0)
            return -1;
        bool issued = str_eq(json_str(one, "Status"), "ISSUED");
        if (fits && issued && is_better(one, best))
            best = one;
        if (fits && !issued && is_better(one, unusable))
            unusable = one;
    }
    r->observed = true;
    if (best == NULL) {
        say_missing(r, session_region(s), unusable);
        return 0;
    }
    static const char *const members[] = { "CertificateArn", "DomainName", NULL };
    resource_set_have(r, json_pick(best, members));
    resource_set_output(r, "CertificateArn", json_str(best, "CertificateArn"));
    note_names(r, best);
    return 0;
}

static int certificate_observe(struct session *s, struct resource *const *r, size_t n,
                               struct err *err)
{
    static const char *const keys[] = { "RSA_1024",      "RSA_2048",     "RSA_3072",    "RSA_4096",
                                        "EC_prime256v1", "EC_secp384r1", "EC_secp521r1" };
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *all = NULL;
    cJSON *types = json_put_array(json_put_object(input, "Includes"), "keyTypes");
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        json_push_str(types, keys[i]);
    if (aws_call_all(s, "acm", "ListCertificates", input, "CertificateSummaryList", &all, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (certificate_look(s, r[i], all, err) < 0)
            return -1;
    return 0;
}

cJSON *acm_certificate_want(struct graph *g, const char *certificate, const char *origin,
                            struct err *err)
{
    if (str_starts(certificate, "arn:"))
        return cJSON_CreateString(certificate);
    _cleanup_free_ char *address = xasprintf("acm.certificate/%s", certificate);
    cJSON *want = cJSON_CreateObject();
    json_put_str(want, "DomainName", certificate);
    if (graph_find(g, address) != NULL)
        cJSON_Delete(want);
    else if (graph_add(g, &certificate_type, certificate, certificate, origin, want, NULL, err) < 0)
        return NULL;
    return ref_new("${%s.CertificateArn}", address);
}

static const struct resource_type certificate_type = {
    .name = "acm.certificate",
    .singular = "certificate",
    .plural = "certificates",
    .scope = SCOPE_LOOKUP,
    .observe = certificate_observe,
};

static const struct resource_type *const acm_types[] = { &certificate_type, NULL };

extern const struct driver acm_driver;
const struct driver acm_driver = {
    .name = "acm",
    .types = acm_types,
    .permissions = acm_permissions,
    .preflight = acm_certificates_preflight,
};
