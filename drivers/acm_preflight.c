/* SPDX-License-Identifier: MIT */
/*
 * Before the first write: the certificates that the spec names by their ARNs can be used (those
 * that it names by a domain are looked up anyway), and the names that lead to the load balancer
 * are those of a certificate that it presents.
 */
#include "drivers/acm.h"

#include "drivers/aws/together.h"
#include "drivers/route53.h"

/* A certificate by its ARN. */
struct named {
    const char *arn; /* the listener's */
    const char *path;
    struct session *session;
    bool asked;
    cJSON *output;
    struct err err;
};

struct certificates {
    struct preflight *p;
    struct named *named;
    size_t n;
    cJSON *names;   /* of all certificates that HTTPS listeners present */
    bool unknown;   /* there are others, whose names are not known */
    bool presented; /* there is any */
    bool changes;   /* of a listener */
};

static void add_names(struct certificates *c, const cJSON *names)
{
    const cJSON *name;
    c->unknown = c->unknown || names == NULL;
    cJSON_ArrayForEach (name, names)
        json_push_str(c->names, name->valuestring);
}

static void add_named(struct certificates *c, const char *arn, const struct resource *listener)
{
    c->named = xrealloc_array(c->named, c->n + 1, sizeof(*c->named));
    c->named[c->n++] = (struct named){ .arn = arn,
                                       .path = resource_origin(listener),
                                       .session = c->p->session,
                                       .asked = preflight_concerns(listener) };
}

/* A certificate as a listener wants it: an ARN, or a reference to a lookup, which knows its names
 * unless it found nothing, which the plan says. */
static void add_certificate(struct certificates *c, const cJSON *value,
                            const struct resource *listener)
{
    static const char start[] = "${acm.certificate/", end[] = ".CertificateArn}";
    const char *template = ref_is(value) ? cJSON_GetStringValue(value->child) : NULL;
    if (cJSON_IsString(value)) {
        add_named(c, value->valuestring, listener);
    } else if (str_starts(template != NULL ? template : "", start)) {
        _cleanup_free_ char *address =
            xstrndup(template + strlen("${"), strlen(template) - strlen("${") - strlen(end));
        const struct resource *lookup = graph_find(c->p->g, address);
        add_names(c, lookup != NULL ? json_get(lookup->memo, "names") : NULL);
    } else {
        c->unknown = true;
    }
}

static void find_certificates(struct certificates *c)
{
    for (size_t i = 0; i < c->p->g->n; i++) {
        const struct resource *r = c->p->g->v[i];
        const cJSON *first = json_get(r->want, "CertificateArn"), *other;
        if (!str_eq(r->type->name, "alb.listener") || first == NULL)
            continue;
        c->presented = true;
        c->changes = c->changes || preflight_concerns(r);
        add_certificate(c, first, r);
        cJSON_ArrayForEach (other, json_get(r->want, "Certificates"))
            add_certificate(c, other, r);
    }
}

/* "arn:aws:acm:us-east-1:123456789012:certificate/x": whether it is of that region. */
static bool is_of_region(const char *arn, const char *region)
{
    _cleanup_free_ char *middle = xasprintf(":acm:%s:", region);
    return strstr(arn, middle) != NULL;
}

static bool is_of_iam(const char *arn)
{
    return strstr(arn, ":iam:") != NULL;
}

static int named_run(void *context, struct err *err)
{
    struct named *n = context;
    (void)err; /* each has its own */
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "CertificateArn", n->arn);
    aws_call(n->session, "acm", "DescribeCertificate", input, &n->output, &n->err);
    return 0;
}

/* Asks for all where a name may turn out not to be covered, else for those of changed listeners. */
static void look(struct certificates *c, bool all)
{
    struct together_task *tasks = xcalloc(c->n + 1, sizeof(*tasks));
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct named *one = &c->named[i];
        one->asked = (one->asked || all) && !is_of_iam(one->arn) &&
                     is_of_region(one->arn, session_region(c->p->session));
        if (one->asked)
            tasks[n++] = (struct together_task){ named_run, one };
    }
    _cleanup_err_ struct err err = ERR_INIT;
    together_run(tasks, n, &err);
    free(tasks);
}

static void judge_found(struct preflight *p, const struct named *n, const cJSON *certificate)
{
    const char *status = json_str(certificate, "Status");
    if (!str_eq(status, "ISSUED"))
        preflight_problem(p, ERR_USER, n->path, "the certificate '%s' is %s, not ISSUED; %s",
                          n->arn, status != NULL ? status : "in no state",
                          acm_status_remedy(status));
    else if (acm_is_over(certificate))
        preflight_problem(p, ERR_USER, n->path,
                          "the certificate '%s' has run out; renew it, or name another", n->arn);
}

static void judge_named(struct certificates *c, const struct named *n)
{
    struct preflight *p = c->p;
    const char *region = session_region(p->session);
    const cJSON *certificate = json_get(n->output, "Certificate");
    add_names(c, json_get(certificate, "SubjectAlternativeNames"));
    if (!is_of_iam(n->arn) && !is_of_region(n->arn, region))
        preflight_problem(p, ERR_USER, n->path,
                          "the certificate '%s' is not of %s, where the load balancer is, which "
                          "takes none from elsewhere; name one of %s",
                          n->arn, region, region);
    else if (n->err.class == ERR_NOT_FOUND)
        preflight_problem(p, ERR_USER, n->path,
                          "there is no certificate '%s'; correct it, or name the domain", n->arn);
    else if (n->err.class != ERR_NONE)
        preflight_unknown(p, "whether the certificates that the spec names can be used", &n->err);
    else if (certificate != NULL)
        judge_found(p, n, certificate);
}

static bool is_to_balancer(const cJSON *record)
{
    const cJSON *target = json_at(record, "AliasTarget/DNSName");
    return ref_is(target) && str_eq(cJSON_GetStringValue(target->child), "${loadBalancer.DNSName}");
}

static void judge_record(struct certificates *c, const cJSON *record)
{
    _cleanup_free_ char *name = NULL, *type = NULL;
    record_key_split(record->string, &name, &type);
    if (acm_names_cover(c->names, name))
        return;
    _cleanup_json_ cJSON *tags = owner_tags(json_str(record, "Owner"));
    const char *label = json_str(tags, "berth:name");
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "records");
    if (label != NULL)
        json_path_key(&path, label);
    preflight_problem(c->p, ERR_USER, path.buf,
                      "'%s' leads to the load balancer, none of whose certificates covers that "
                      "name, so that no client would trust it; add one that does to the HTTPS "
                      "listener, or change the name",
                      name);
}

/* Calls `judge_record` for those that lead to the load balancer; whether there are any, and the
 * plan changes them or a listener. */
static bool each_record(struct certificates *c, bool judged)
{
    bool any = false;
    for (size_t i = 0; i < c->p->g->n; i++) {
        const struct resource *r = c->p->g->v[i];
        if (r->type != &route53_records_type || (!c->changes && !preflight_concerns(r)))
            continue;
        const cJSON *record;
        cJSON_ArrayForEach (record, json_get(r->want, "Records")) {
            if (!is_to_balancer(record))
                continue;
            any = true;
            if (judged)
                judge_record(c, record);
        }
    }
    return any;
}

void acm_certificates_preflight(struct preflight *p)
{
    struct certificates c = { .p = p, .names = cJSON_CreateArray() };
    find_certificates(&c);
    look(&c, each_record(&c, false));
    for (size_t i = 0; i < c.n; i++)
        judge_named(&c, &c.named[i]);
    if (c.presented && !c.unknown)
        each_record(&c, true);
    for (size_t i = 0; i < c.n; i++) {
        json_freep(&c.named[i].output);
        err_release(&c.named[i].err);
    }
    free(c.named);
    json_freep(&c.names);
}
