/* SPDX-License-Identifier: MIT */
#include "drivers/aws/together.h"
#include "drivers/capacity.h"
#include "drivers/security_group.h"

/*
 * How many of a kind an account may have in a region: those there are, those that come, and the
 * quota. Service Quotas lists what applies to the account; "if the applied quota value is not
 * available for a quota, the quota is not retrieved"
 * (https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html),
 * and not everybody may ask: then the default that AWS documents stands in. Hosted zones are
 * Route 53's own affair: GetAccountLimit tells both numbers.
 */

struct ceiling {
    const char *name;  /* as the report says it */
    const char *types; /* of what eats from it, each between blanks */
    const char *count; /* member of what is wanted that says how many it is; NULL: one */
    /* How those there are counted: a paged call and its list, of which only items count whose
     * `only` is `value`, each for as many as its `each` says. NULL: counted elsewhere. */
    const char *service, *action, *input, *list;
    const char *only, *value, *each;
    const char *quotas, *code; /* of Service Quotas; NULL: not asked for */
    double usual;              /* AWS's documented default */
};

/* The lists of Service Quotas that are asked for, by service code. */
enum { QUOTA_FARGATE, QUOTA_VPC };
static const char *const quota_services[] = { [QUOTA_FARGATE] = "fargate",
                                              [QUOTA_VPC] = "vpc",
                                              "elasticloadbalancing",
                                              "AWSCloudMap",
                                              "elasticache" };
#define QUOTA_SERVICES ARRAY_SIZE(quota_services)

static const struct ceiling ceilings[];
static const size_t ceilings_n;
#define CEILINGS_MAX 16

static const char *const vcpu_codes[CAPACITY_KINDS] = {
    [CAPACITY_ON_DEMAND] = "L-3032A538",
    [CAPACITY_SPOT] = "L-36FBB829",
};

struct counting {
    struct session *session;
    const struct ceiling *ceiling;
    double used, wanted, limit; /* limit: what the count itself told; 0: nothing */
    const char *origin;         /* where the spec asks for the first that comes */
    struct err failure;
};

struct listing {
    struct session *session;
    const char *service;
    cJSON *quotas; /* NULL: none came */
    struct err failure;
};

struct capacity_ceilings {
    bool whole;
    struct counting counts[CEILINGS_MAX];
    size_t n;
    struct listing lists[QUOTA_SERVICES];
    size_t n_lists;
    const struct graph *g;
};

/* Of one security group, "inbound or outbound"; outbound there is one for all.
 * https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html */
#define RULES_CODE  "L-0EA8095F"
#define RULES_USUAL 60

static bool eats(const struct ceiling *c, const struct resource *r)
{
    _cleanup_free_ char *word = xasprintf(" %s ", r->type->name);
    return strstr(c->types, word) != NULL;
}

/* Counts those that come; whether the run is concerned with any. */
static bool count_wanted(struct counting *count, const struct graph *g, bool whole)
{
    const struct ceiling *c = count->ceiling;
    int64_t sum = 0;
    bool any = false;
    for (size_t i = 0; i < g->n; i++) {
        const struct resource *r = g->v[i];
        if (r->want == NULL || !eats(c, r))
            continue;
        int64_t then = c->count != NULL ? json_int(r->want, c->count, 1) : 1;
        int64_t now = c->count != NULL ? json_int(r->have, c->count, 1) : 1;
        any |= whole;
        if (!capacity_is_new(r, whole))
            then -= r->have != NULL && (whole || r->action == ACTION_UPDATE) ? now : then;
        if (then > 0 && count->origin == NULL)
            count->origin = resource_origin(r);
        sum += then > 0 ? then : 0;
    }
    count->wanted = (double)sum;
    return any || sum > 0;
}

static void list_want(struct capacity_ceilings *c, struct session *s, const char *service)
{
    for (size_t i = 0; i < c->n_lists; i++)
        if (c->lists[i].service == service)
            return;
    c->lists[c->n_lists++] = (struct listing){ .session = s, .service = service };
}

/* How many rules a security group will have that the run makes or changes; 0: it does neither. */
static size_t rules_of(const struct resource *r, bool whole)
{
    bool acts = capacity_is_new(r, whole) || (!whole && r->action != ACTION_NONE);
    if (r->want == NULL || !str_eq(r->type->name, "security_group") || !acts)
        return 0;
    _cleanup_json_ cJSON *rules = ref_resolve(r->graph, json_get(r->want, "IpPermissions"), NULL);
    _cleanup_json_ cJSON *tuples = security_group_tuples(rules);
    return json_count(tuples);
}

static bool has_many_rules(const struct graph *g, bool whole)
{
    for (size_t i = 0; i < g->n; i++)
        if (rules_of(g->v[i], whole) > RULES_USUAL)
            return true;
    return false;
}

struct capacity_ceilings *capacity_ceilings_new(struct session *s, const struct graph *g,
                                                bool whole, bool fargate)
{
    struct capacity_ceilings *c = xcalloc(1, sizeof(*c));
    c->whole = whole;
    c->g = g;
    if (fargate)
        list_want(c, s, quota_services[QUOTA_FARGATE]);
    if (has_many_rules(g, whole))
        list_want(c, s, quota_services[QUOTA_VPC]);
    for (size_t i = 0; i < ceilings_n; i++) {
        struct counting *count = &c->counts[c->n];
        *count = (struct counting){ .session = s, .ceiling = &ceilings[i] };
        if (!count_wanted(count, g, whole))
            continue;
        c->n++;
        for (size_t j = 0; ceilings[i].code != NULL && j < QUOTA_SERVICES; j++)
            if (str_eq(quota_services[j], ceilings[i].quotas))
                list_want(c, s, quota_services[j]);
    }
    return c;
}

void capacity_ceilings_free(struct capacity_ceilings *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        err_release(&c->counts[i].failure);
    for (size_t i = 0; i < c->n_lists; i++) {
        cJSON_Delete(c->lists[i].quotas);
        err_release(&c->lists[i].failure);
    }
    free(c);
}

/* https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetAccountLimit.html */
static int zones_count(struct counting *count, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    _cleanup_json_ cJSON *output = NULL;
    json_put_str(input, "Type", "MAX_HOSTED_ZONES_BY_OWNER");
    if (aws_call(count->session, "route53", "GetAccountLimit", input, &output, err) < 0)
        return -1;
    count->used = (double)json_int(output, "Count", 0);
    count->limit = (double)json_int(json_get(output, "Limit"), "Value", 0);
    return 0;
}

static int things_count(struct counting *count, struct err *err)
{
    const struct ceiling *c = count->ceiling;
    _cleanup_json_ cJSON *input = NULL;
    _cleanup_json_ cJSON *list = NULL;
    if (json_parse(c->input, strlen(c->input), JSON_PLAIN, &input, err) < 0 ||
        aws_call_all(count->session, c->service, c->action, input, c->list, &list, err) < 0)
        return -1;
    const cJSON *item;
    cJSON_ArrayForEach (item, list)
        if (c->only == NULL || str_eq(json_str(item, c->only), c->value))
            count->used += c->each != NULL ? (double)json_int(item, c->each, 1) : 1;
    return 0;
}

/* What cannot be asked is no failure, the other numbers decide; what is asked wrongly is. */
static int tolerate(struct err *failure, struct err *err)
{
    if (failure->class == ERR_CANCELLED || failure->class == ERR_INVALID ||
        failure->class == ERR_BUG)
        return err_move(err, failure);
    return 0;
}

static int count_used(void *context, struct err *err)
{
    struct counting *count = context;
    int r = count->ceiling->list == NULL ? zones_count(count, &count->failure)
                                         : things_count(count, &count->failure);
    return r < 0 ? tolerate(&count->failure, err) : 0;
}

static int list_quotas(void *context, struct err *err)
{
    struct listing *l = context;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ServiceCode", l->service);
    json_put_int(input, "MaxResults", 100);
    int r = aws_call_all(l->session, "servicequotas", "ListServiceQuotas", input, "Quotas",
                         &l->quotas, &l->failure);
    return r < 0 ? tolerate(&l->failure, err) : 0;
}

size_t capacity_ceilings_tasks(struct capacity_ceilings *c, struct together_task *tasks, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_lists && n < max; i++)
        tasks[n++] = (struct together_task){ list_quotas, &c->lists[i] };
    for (size_t i = 0; i < c->n && n < max; i++)
        if (c->counts[i].ceiling->action != NULL)
            tasks[n++] = (struct together_task){ count_used, &c->counts[i] };
    return n;
}

/* The quota that applies; negative where it is not known. */
static double quota_find(const struct capacity_ceilings *c, const char *service, const char *code)
{
    for (size_t i = 0; code != NULL && i < c->n_lists; i++) {
        if (!str_eq(c->lists[i].service, service))
            continue;
        const cJSON *value = json_get(json_find(c->lists[i].quotas, "QuotaCode", code), "Value");
        if (cJSON_IsNumber(value))
            return value->valuedouble;
    }
    return -1;
}

double capacity_quota_vcpu(const struct capacity_ceilings *c, enum capacity_kind kind)
{
    return quota_find(c, quota_services[QUOTA_FARGATE], vcpu_codes[kind]);
}

static void report_one(const struct capacity_ceilings *c, const struct counting *count,
                       cJSON *report)
{
    const struct ceiling *ceiling = count->ceiling;
    if (count->failure.class != ERR_NONE) {
        capacity_note(report, "cannot find out how many %s there are, which is not checked: %s",
                      ceiling->name, count->failure.message);
        return;
    }
    double limit = count->limit > 0 ? count->limit : quota_find(c, ceiling->quotas, ceiling->code);
    const char *source = limit >= 0 ? "the account's quota" : "AWS's default";
    if (limit < 0)
        limit = ceiling->usual;
    if (capacity_line(report, ceiling->name, count->used, count->wanted, limit, source) ||
        count->wanted == 0)
        return;
    _cleanup_free_ char *code =
        ceiling->code != NULL ? xasprintf(" (code %s)", ceiling->code) : xstrdup("");
    capacity_problem(report, count->origin, BLAME_SYSTEM,
                     "%s more of %s are wanted and %s are there, of %s that %s allows%s; remove an "
                     "environment that nobody needs, or ask AWS for a higher quota",
                     capacity_number(count->wanted), ceiling->name, capacity_number(count->used),
                     capacity_number(limit), source, code);
}

static void report_rules(const struct capacity_ceilings *c, const struct resource *r, cJSON *report)
{
    size_t rules = rules_of(r, c->whole);
    double limit = quota_find(c, quota_services[QUOTA_VPC], RULES_CODE);
    if (rules <= RULES_USUAL || (double)rules <= limit)
        return;
    capacity_problem(report, resource_origin(r), BLAME_SYSTEM,
                     "security group '%s' would have %zu rules, and %s allows %s (code " RULES_CODE
                     "); name fewer sources, or ask AWS for a higher quota",
                     r->name, rules, limit >= 0 ? "the account's quota" : "AWS's default",
                     capacity_number(limit >= 0 ? limit : RULES_USUAL));
}

static void note_failures(const struct capacity_ceilings *c, cJSON *report)
{
    _cleanup_strbuf_ struct strbuf services = STRBUF_INIT;
    const struct err *first = NULL;
    for (size_t i = 0; i < c->n_lists; i++) {
        if (c->lists[i].failure.class == ERR_NONE)
            continue;
        strbuf_addf(&services, "%s%s", first != NULL ? ", " : "", c->lists[i].service);
        if (first == NULL)
            first = &c->lists[i].failure;
    }
    if (first != NULL)
        capacity_note(report,
                      "Service Quotas tells nothing of %s, so AWS's documented defaults count (%s)",
                      services.buf, first->message);
}

void capacity_ceilings_report(const struct capacity_ceilings *c, size_t clusters, cJSON *report)
{
    note_failures(c, report);
    for (size_t i = 0; i < c->n; i++) {
        struct counting count = c->counts[i];
        if (count.ceiling->action == NULL)
            count.used = (double)clusters;
        report_one(c, &count, report);
    }
    for (size_t i = 0; i < c->g->n; i++)
        report_rules(c, c->g->v[i], report);
}

/*
 * The defaults:
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
 * https://docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-limits.html
 * https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/quota-limits.html
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
 * https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
 */
static const struct ceiling ceilings[] = {
    { .name = "load balancers",
      .types = " alb.load_balancer ",
      .service = "elbv2",
      .action = "DescribeLoadBalancers",
      .input = "{\"PageSize\":400}",
      .list = "LoadBalancers",
      .only = "Type",
      .value = "application",
      .quotas = "elasticloadbalancing",
      .code = "L-53DA6B97",
      .usual = 50 },
    { .name = "target groups",
      .types = " alb.target_group ",
      .service = "elbv2",
      .action = "DescribeTargetGroups",
      .input = "{\"PageSize\":400}",
      .list = "TargetGroups",
      .quotas = "elasticloadbalancing",
      .code = "L-B22855CB",
      .usual = 3000 },
    { .name = "Cloud Map namespaces",
      .types = " cloudmap.namespace ",
      .service = "servicediscovery",
      .action = "ListNamespaces",
      .input = "{\"MaxResults\":100}",
      .list = "Namespaces",
      .quotas = "AWSCloudMap",
      .code = "L-0FE3F50E",
      .usual = 50 },
    /* "When you create a namespace, we automatically create an Amazon Route 53 hosted zone." */
    { .name = "hosted zones",
      .types = " cloudmap.namespace ",
      .service = "route53",
      .action = "GetAccountLimit",
      .usual = 500 },
    { .name = "security groups",
      .types = " security_group ",
      .service = "ec2",
      .action = "DescribeSecurityGroups",
      .input = "{\"MaxResults\":1000}",
      .list = "SecurityGroups",
      .quotas = "vpc",
      .code = "L-E79EC296",
      .usual = 2500 },
    { .name = "ElastiCache nodes",
      .types = " elasticache.cluster elasticache.replication_group ",
      .count = "NumCacheClusters",
      .service = "elasticache",
      .action = "DescribeCacheClusters",
      .input = "{\"MaxRecords\":100}",
      .list = "CacheClusters",
      .each = "NumCacheNodes",
      .quotas = "elasticache",
      .code = "L-DFE45DF3",
      .usual = 300 },
    /* Counted with what runs in them. */
    { .name = "ECS clusters", .types = " ecs.cluster ", .usual = 10000 },
};
static const size_t ceilings_n = ARRAY_SIZE(ceilings);
_Static_assert(ARRAY_SIZE(ceilings) <= CEILINGS_MAX, "a row that is not counted");
