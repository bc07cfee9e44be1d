/* SPDX-License-Identifier: MIT */
#include "executor/console.h"

#include "drivers/common.h"

/*
 * Paths behind the console's host. In braces stands what is put in: {region}, {account}, {name}, or
 * an output of the resource, a text of what is wanted, or an output of what it needs, in this
 * order; {alias.Output} is another resource's. A sign before the name says how: as it stands, "/"
 * and ":" left alone; {%...} all encoded; {$...} as CloudWatch wants it, which has '$' for '%' and
 * encodes twice; {/...} only what is behind the last slash.
 */
struct page {
    const char *type;
    const char *path;
};

static const struct page pages[] = {
    { "acm.certificate", "acm/home?region={region}#/certificates/{/CertificateArn}" },
    { "alb.listener", "ec2/home?region={region}#ELBListenerV2:listenerArn={ListenerArn}" },
    { "alb.load_balancer",
      "ec2/home?region={region}#LoadBalancer:loadBalancerArn={LoadBalancerArn}" },
    { "alb.rule", "ec2/home?region={region}#ListenerRuleDetails:ruleArn={RuleArn}" },
    { "alb.target_group", "ec2/home?region={region}#TargetGroup:targetGroupArn={TargetGroupArn}" },
    { "cloudformation.shared_stack",
      "cloudformation/home?region={region}#/stacks/stackinfo?stackId={%StackId}" },
    { "cloudformation.stack",
      "cloudformation/home?region={region}#/stacks/stackinfo?stackId={%StackId}" },
    { "cloudmap.namespace", "cloudmap/home/namespaces/{Id}?region={region}" },
    { "cloudmap.service", "cloudmap/home/namespaces/{discovery.Id}/services/{Id}?region={region}" },
    { "cloudwatch.alarm", "cloudwatch/home?region={region}#alarmsV2:alarm/{%name}" },
    { "cloudwatch.dashboard", "cloudwatch/home?region={region}#dashboards/dashboard/{%name}" },
    { "ec2.subnets", "vpcconsole/home?region={region}#subnets:VpcId={network.VpcId}" },
    { "ec2.vpc", "vpcconsole/home?region={region}#VpcDetails:VpcId={VpcId}" },
    { "ecr.image", "ecr/repositories/private/{account}/{repositoryName}/_/image/{Digest}/details"
                   "?region={region}" },
    { "ecr.repository", "ecr/repositories/private/{account}/{name}?region={region}" },
    { "ecs.cluster", "ecs/v2/clusters/{name}/services?region={region}" },
    { "ecs.service",
      "ecs/v2/clusters/{cluster.ClusterName}/services/{name}/health?region={region}" },
    { "ecs.task_definition", "ecs/v2/task-definitions/{name}?region={region}" },
    { "elasticache.cluster", "elasticache/home?region={region}#/{Engine}/{name}" },
    { "elasticache.replication_group", "elasticache/home?region={region}#/{Engine}/{name}" },
    { "elasticache.subnet_group", "elasticache/home?region={region}#/subnet-groups/{name}" },
    { "iam.role", "iam/home#/roles/details/{%name}?section=permissions" },
    { "iam.role_policy", "iam/home#/roles/details/{%RoleName}?section=permissions" },
    { "logs.group", "cloudwatch/home?region={region}#logsV2:log-groups/log-group/{$name}" },
    { "logs.metric_filter",
      "cloudwatch/home?region={region}#logsV2:log-groups/log-group/{$LogGroupName}" },
    { "route53.records", "route53/v2/hostedzones?region={region}#ListRecordSets/{Id}" },
    { "route53.zone", "route53/v2/hostedzones?region={region}#ListRecordSets/{Id}" },
    { "security_group", "ec2/home?region={region}#SecurityGroup:groupId={GroupId}" },
};

/* https://docs.amazonaws.cn/en_us/aws/latest/userguide/accessing.html and
 * https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/signing-into-govcloud.html */
static const char *console_domain(const char *region)
{
    const char *partition = arn_partition(region);
    if (str_eq(partition, "aws-cn"))
        return "console.amazonaws.cn";
    return str_eq(partition, "aws-us-gov") ? "console.amazonaws-us-gov.com"
                                           : "console.aws.amazon.com";
}

static const char *output_of_needs(const struct resource *r, const char *output)
{
    for (size_t i = 0; i < r->n_needs; i++) {
        const struct resource *other = r->needs[i].resource;
        const char *value = other != NULL ? json_str(other->outputs, output) : NULL;
        if (value != NULL)
            return value;
    }
    return NULL;
}

/* What stands for a word of a path; NULL if there is none. */
static const char *value_of(const struct resource *r, const char *word)
{
    const struct context *c = &r->graph->context;
    const char *dot = strchr(word, '.');
    if (str_eq(word, "region"))
        return c->region;
    if (str_eq(word, "account"))
        return c->account;
    if (str_eq(word, "name"))
        return r->name;
    if (dot != NULL) {
        _cleanup_free_ char *alias = xstrndup(word, (size_t)(dot - word));
        return resource_output(r->graph, alias, dot + 1);
    }
    const char *value = json_str(r->outputs, word);
    if (value == NULL)
        value = json_str(r->want, word);
    return value != NULL ? value : output_of_needs(r, word);
}

static void add_plain(struct strbuf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '/' || *value == ':')
            strbuf_addc(out, *value);
        else
            strbuf_add_percent(out, value, 1);
    }
}

static void add_for_cloudwatch(struct strbuf *out, const char *value)
{
    _cleanup_strbuf_ struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
    strbuf_add_percent(&once, value, strlen(value));
    strbuf_add_percent(&twice, once.buf, once.len);
    for (const char *p = twice.buf; *p != '\0'; p++)
        strbuf_addc(out, *p == '%' ? '$' : *p);
}

/* A word in braces, `len` long; false if nothing stands for it. */
static bool add_word(const struct resource *r, const char *word, size_t len, struct strbuf *out)
{
    char sign = strchr("%$/", *word) != NULL ? *word : '\0';
    _cleanup_free_ char *bare = xstrndup(word + (sign != '\0'), len - (sign != '\0'));
    const char *value = value_of(r, bare);
    if (value == NULL || *value == '\0')
        return false;
    const char *slash = sign == '/' ? strrchr(value, '/') : NULL;
    if (sign == '$')
        add_for_cloudwatch(out, value);
    else if (sign == '%')
        strbuf_add_percent(out, value, strlen(value));
    else
        add_plain(out, slash != NULL ? slash + 1 : value);
    return true;
}

static char *expand(const struct resource *r, const char *path)
{
    const char *region = r->graph->context.region;
    _cleanup_strbuf_ struct strbuf link = STRBUF_INIT;
    strbuf_addf(&link, "https://%s.%s/", region, console_domain(region));
    for (const char *p = path; *p != '\0'; p++) {
        if (*p != '{') {
            strbuf_addc(&link, *p);
            continue;
        }
        size_t len = strcspn(p + 1, "}");
        if (!add_word(r, p + 1, len, &link))
            return NULL;
        p += len + 1;
    }
    return strbuf_detach(&link);
}

char *console_link(const struct resource *r)
{
    if (r->have == NULL || r->graph->context.region == NULL)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        if (str_eq(pages[i].type, r->type->name))
            return expand(r, pages[i].path);
    return NULL;
}
