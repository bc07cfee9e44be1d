/* SPDX-License-Identifier: MIT */
#include "drivers/acm.h"
#include "drivers/alb.h"
#include "drivers/aws/together.h"
#include "drivers/common.h"

/*
 * Listeners, known by their port. They need the load balancer's ARN alone, and so are made while
 * that is still being provisioned. The default certificate is "CertificateArn"; those beyond it,
 * which have calls of their own, are "Certificates".
 */

/* What a listener has that is not made with AWS's console:
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html */
#define SSL_POLICY "ELBSecurityPolicy-2016-08"

static const struct resource *balancer_of(const struct graph *g)
{
    return graph_find_name(g, &alb_balancer_type, g->context.environment);
}

static int certificates_read(struct session *s, const char *arn, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject(), *all = NULL;
    json_put_str(input, "ListenerArn", arn);
    if (aws_call_all(s, "elbv2", "DescribeListenerCertificates", input, "Certificates", &all, err) <
        0)
        return -1;
    cJSON *others = cJSON_CreateArray();
    const cJSON *one;
    cJSON_ArrayForEach (one, all)
        if (!json_bool(one, "IsDefault", false))
            json_push_str(others, json_str(one, "CertificateArn"));
    *ret = others;
    return 0;
}

/* What DescribeListeners does not tell. */
struct details {
    struct session *s;
    const cJSON *listener;
    cJSON *certificates, *rules;
};

static int read_certificates(void *context, struct err *err)
{
    struct details *d = context;
    if (!str_eq(json_str(d->listener, "Protocol"), "HTTPS"))
        return 0;
    return certificates_read(d->s, json_str(d->listener, "ListenerArn"), &d->certificates, err);
}

static int read_rules(void *context, struct err *err)
{
    struct details *d = context;
    return alb_rules_read(d->s, json_str(d->listener, "ListenerArn"), &d->rules, err);
}

/* Two domains may be wanted that one certificate covers, or one that the default covers: it is
 * there once, and both are. */
static cJSON *certificates_as_wanted(const cJSON *others, const char *first, const cJSON *wanted)
{
    cJSON *list = cJSON_CreateArray();
    const cJSON *arn;
    cJSON_ArrayForEach (arn, wanted)
        if (cJSON_IsString(arn) &&
            (str_eq(arn->valuestring, first) || json_array_has(others, arn->valuestring)))
            json_push(list, json_dup(arn));
    cJSON_ArrayForEach (arn, others)
        if (!str_eq(arn->valuestring, first) && !json_array_has(list, arn->valuestring))
            json_push(list, json_dup(arn));
    return list;
}

/* Takes `certificates`, those of an HTTPS listener beyond its default one; or NULL. */
static void listener_take(struct resource *r, const cJSON *listener, cJSON *certificates)
{
    static const char *const members[] = { "LoadBalancerArn", "Port", "Protocol", "SslPolicy",
                                           NULL };
    cJSON *have = json_pick(listener, members);
    if (certificates != NULL) {
        _cleanup_json_ cJSON *wanted =
            ref_resolve(r->graph, json_get(r->want, "Certificates"), NULL);
        const char *first = json_str_at(listener, "Certificates/0/CertificateArn");
        json_put(have, "Certificates", certificates_as_wanted(certificates, first, wanted));
        json_put_str(have, "CertificateArn", first);
        cJSON_Delete(certificates);
    }
    json_put(have, "DefaultActions",
             alb_actions_normal(r->graph, json_get(listener, "DefaultActions"),
                                json_get(r->want, "DefaultActions")));
    resource_set_have(r, have);
    resource_set_output(r, "ListenerArn", json_str(listener, "ListenerArn"));
    r->observed = true;
}

static int listeners_read(struct session *s, const struct graph *g, cJSON **ret, struct err *err)
{
    const struct resource *balancer = balancer_of(g);
    const char *arn = balancer ? json_str(balancer->outputs, "LoadBalancerArn") : NULL;
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "LoadBalancerArn", arn);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (arn == NULL ||
        aws_call_all(s, "elbv2", "DescribeListeners", input, "Listeners", ret, &failure) < 0) {
        if (failure.class != ERR_NONE && failure.class != ERR_NOT_FOUND)
            return err_move(err, &failure);
        *ret = cJSON_CreateArray();
    }
    return 0;
}

/* Of each listener its certificates and its rules, all at once; the rules are for alb_rule.c. */
static int listeners_take(struct session *s, struct graph *g, const cJSON *listeners,
                          struct err *err)
{
    size_t n = (size_t)cJSON_GetArraySize(listeners), i = 0;
    _cleanup_free_ struct details *details = xcalloc(n + 1, sizeof(*details));
    _cleanup_free_ struct together_task *tasks = xcalloc(2 * n + 1, sizeof(*tasks));
    const cJSON *listener;
    cJSON_ArrayForEach (listener, listeners) {
        details[i] = (struct details){ .s = s, .listener = listener };
        tasks[2 * i] = (struct together_task){ read_certificates, &details[i] };
        tasks[2 * i + 1] = (struct together_task){ read_rules, &details[i] };
        i++;
    }
    int status = together_run(tasks, 2 * n, err);
    for (i = 0; i < n; i++) {
        if (status < 0) {
            cJSON_Delete(details[i].certificates);
            cJSON_Delete(details[i].rules);
            continue;
        }
        _cleanup_free_ char *port = xasprintf("%d", (int)json_int(details[i].listener, "Port", 0));
        struct resource *r = graph_found(g, &alb_listener_type, port, port);
        listener_take(r, details[i].listener, details[i].certificates);
        json_put(r->memo, ALB_MEMO_RULES, details[i].rules);
    }
    return status;
}

static int listener_discover(struct session *s, struct graph *g, struct err *err)
{
    const struct resource *balancer = balancer_of(g);
    resources_mark_observed(g, &alb_listener_type);
    if (balancer == NULL || balancer->have == NULL || !resource_is_ours(balancer))
        return 0;
    _cleanup_json_ cJSON *listeners = NULL;
    if (listeners_read(s, g, &listeners, err) < 0)
        return -1;
    return listeners_take(s, g, listeners, err);
}

static const cJSON *of_port(const cJSON *listeners, const char *name)
{
    const cJSON *listener;
    cJSON_ArrayForEach (listener, listeners) {
        _cleanup_free_ char *port = xasprintf("%d", (int)json_int(listener, "Port", 0));
        if (str_eq(port, name))
            return listener;
    }
    return NULL;
}

static int listener_observe(struct session *s, struct resource *const *r, size_t n, struct err *err)
{
    _cleanup_json_ cJSON *listeners = NULL;
    if (listeners_read(s, r[0]->graph, &listeners, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const cJSON *listener = of_port(listeners, r[i]->name);
        r[i]->observed = true;
        if (listener == NULL) {
            resource_set_have(r[i], NULL);
            continue;
        }
        struct details d = { .s = s, .listener = listener };
        if (read_certificates(&d, err) < 0)
            return -1;
        listener_take(r[i], listener, d.certificates);
    }
    return 0;
}

/* What CreateListener and ModifyListener have in common. */
static cJSON *listener_input(const struct resource *r)
{
    static const char *const members[] = { "Port", "Protocol", "SslPolicy", "DefaultActions",
                                           NULL };
    cJSON *input = json_pick(r->target, members);
    if (json_get(r->target, "CertificateArn") != NULL)
        json_copy(json_push(json_put_array(input, "Certificates"), cJSON_CreateObject()), r->target,
                  "CertificateArn");
    return input;
}

/* Says what to do about a certificate: AWS's words for one that is not validated yet are about
 * its domain and key. */
static int certificate_error(const struct resource *r, struct err *err, struct err *failure)
{
    bool missing = str_eq(failure->aws_code, "CertificateNotFound");
    if (!missing && !str_eq(failure->aws_code, "UnsupportedCertificate"))
        return err_move(err, failure);
    return err_set(err, ERR_USER,
                   "%s: AWS does not take the certificate '%s' (%s); it must be in this region "
                   "and issued: validate or renew it in ACM, or name another",
                   resource_origin(r), json_str(r->target, "CertificateArn"), failure->message);
}

static int certificates_call(struct session *s, const struct resource *r, const char *action,
                             const cJSON *list, const cJSON *others, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *certificates = json_put_array(input, "Certificates");
    const cJSON *arn;
    cJSON_ArrayForEach (arn, list)
        if (!json_array_has(others, arn->valuestring) &&
            json_find(certificates, "CertificateArn", arn->valuestring) == NULL)
            json_put_str(json_push(certificates, cJSON_CreateObject()), "CertificateArn",
                         arn->valuestring);
    if (json_count(certificates) == 0)
        return 0;
    json_put_str(input, "ListenerArn", json_str(r->outputs, "ListenerArn"));
    return aws_call(s, "elbv2", action, input, NULL, err);
}

/* Adds what is missing before it takes away what is too much. */
static int certificates_bring(struct session *s, const struct resource *r, struct err *err)
{
    const cJSON *want = json_get(r->target, "Certificates");
    const cJSON *have = json_get(r->have, "Certificates");
    if (certificates_call(s, r, "AddListenerCertificates", want, have, err) < 0)
        return -1;
    if (!str_eq(json_str(r->target, "Protocol"), "HTTPS"))
        return 0; /* they went with the protocol */
    _cleanup_json_ cJSON *kept = want ? json_dup(want) : cJSON_CreateArray();
    json_push_str(kept, json_str(r->target, "CertificateArn"));
    return certificates_call(s, r, "RemoveListenerCertificates", have, kept, err);
}

static int listener_create(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = listener_input(r), *output = NULL;
    _cleanup_json_ cJSON *tags = tags_wanted(r->graph, r->label);
    json_copy(input, r->target, "LoadBalancerArn");
    json_put(input, "Tags", tags_to_list(tags, "Key", "Value"));
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call(s, "elbv2", "CreateListener", input, &output, &failure) < 0)
        return certificate_error(r, err, &failure);
    resource_set_output(r, "ListenerArn", json_str_at(output, "Listeners/0/ListenerArn"));
    if (certificates_bring(s, r, err) < 0)
        return err_wrap(err, "the further certificates of '%s'", r->name);
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int listener_update(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *want = json_dup(r->target), *have = json_dup(r->have);
    cJSON_DeleteItemFromObjectCaseSensitive(want, "Certificates");
    cJSON_DeleteItemFromObjectCaseSensitive(have, "Certificates");
    if (!json_equal(want, have)) {
        _cleanup_json_ cJSON *input = listener_input(r);
        json_put_str(input, "ListenerArn", json_str(r->outputs, "ListenerArn"));
        _cleanup_err_ struct err failure = ERR_INIT;
        if (aws_call(s, "elbv2", "ModifyListener", input, NULL, &failure) < 0)
            return certificate_error(r, err, &failure);
    }
    if (certificates_bring(s, r, err) < 0)
        return -1;
    resource_set_have(r, json_dup(r->target));
    return 0;
}

static int listener_remove(struct session *s, struct resource *r, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "ListenerArn", json_str(r->outputs, "ListenerArn"));
    return aws_call(s, "elbv2", "DeleteListener", input, NULL, err);
}

static int certificate_push(struct graph *g, const cJSON *certificate, const char *origin,
                            cJSON *list, struct err *err)
{
    cJSON *arn = acm_certificate_want(g, certificate->valuestring, origin, err);
    if (arn == NULL)
        return -1;
    json_push(list, arn);
    return 0;
}

/* HTTPS: the listener's certificate, else the load balancer's, and those beyond it. */
static int secure_make(struct graph *g, const cJSON *balancer, const cJSON *listener,
                       const char *origin, cJSON *want, struct err *err)
{
    const cJSON *first = json_get(listener, "certificate");
    if (first == NULL)
        first = json_get(balancer, "certificate");
    if (first == NULL)
        return err_set(err, ERR_USER,
                       "%s: HTTPS needs a certificate: name one by its ARN or domain as "
                       "'certificate', here or in loadBalancer",
                       origin);
    const char *policy = json_str(listener, "sslPolicy");
    json_put_str(want, "SslPolicy", policy ? policy : SSL_POLICY);
    cJSON *arn = acm_certificate_want(g, first->valuestring, origin, err);
    if (arn == NULL)
        return -1;
    json_put(want, "CertificateArn", arn);
    cJSON *others = json_put_array(want, "Certificates");
    const cJSON *other;
    cJSON_ArrayForEach (other, json_get(listener, "certificates"))
        if (certificate_push(g, other, origin, others, err) < 0)
            return -1;
    return 0;
}

const char *alb_listener_protocol(const cJSON *listener)
{
    const char *protocol = json_str(listener, "protocol");
    if (protocol != NULL)
        return protocol;
    return str_eq(listener->string, "443") ? "HTTPS" : "HTTP";
}

static int listener_want(struct graph *g, const cJSON *balancer, const cJSON *listener,
                         struct err *err)
{
    _cleanup_free_ char *origin = xasprintf("loadBalancer.listeners.%s", listener->string);
    _cleanup_free_ char *path = xasprintf("%s.defaultAction", origin);
    const char *protocol = alb_listener_protocol(listener);
    int64_t port = 0;
    if (str_to_int64(listener->string, 1, 65535, &port) < 0)
        return err_set(err, ERR_USER, "%s: a listener is named by its port, 1 to 65535", origin);
    _cleanup_json_ cJSON *want = cJSON_CreateObject();
    json_put(want, "LoadBalancerArn", ref_new("${%s.LoadBalancerArn}", ALB_BALANCER));
    json_put_int(want, "Port", port);
    json_put_str(want, "Protocol", protocol);
    if (str_eq(protocol, "HTTPS") && secure_make(g, balancer, listener, origin, want, err) < 0)
        return -1;
    cJSON *actions = NULL;
    if (alb_actions_make(balancer, json_get(listener, "defaultAction"), path, &actions, err) < 0)
        return -1;
    json_put(want, "DefaultActions", actions);
    if (alb_actions_check_loop(actions, protocol, port, path, err) < 0)
        return -1;
    struct resource *r = NULL;
    if (graph_add(g, &alb_listener_type, listener->string, listener->string, origin,
                  steal_ptr(&want), &r, err) < 0)
        return -1;
    return resource_need(r, ALB_BALANCER, NEED_EXISTS, err);
}

int alb_listeners_want(struct graph *g, const cJSON *balancer, struct err *err)
{
    const cJSON *listener;
    cJSON_ArrayForEach (listener, json_get(balancer, "listeners"))
        if (listener_want(g, balancer, listener, err) < 0)
            return -1;
    return 0;
}

static const char *const listener_immutable[] = { "LoadBalancerArn", "Port", NULL };
static const char *const listener_stable[] = { "ListenerArn", NULL };
static const char *const after_balancer[] = { "alb.load_balancer", "alb.target_group",
                                              "acm.certificate", NULL };

const struct resource_type alb_listener_type = {
    .name = "alb.listener",
    .singular = "listener",
    .plural = "listeners",
    .scope = SCOPE_CHILD,
    .replace = REPLACE_REMOVE_FIRST,
    .flags = TYPE_WHOLE | TYPE_GOES_WITH_PARENT,
    .immutable = listener_immutable,
    .stable = listener_stable,
    .after = after_balancer,
    .parent = "alb.load_balancer",
    .discover = listener_discover,
    .observe = listener_observe,
    .create = listener_create,
    .update = listener_update,
    .remove = listener_remove,
};
