/* SPDX-License-Identifier: MIT */
/* What DNS records and Cloud Map ask of IAM: see permission.h. */
#include "drivers/permission.h"

#include "drivers/route53.h"

/* --- route53: list_amazonroute53.html -------------------------------------------------------- */

/* A name as ...NormalizedRecordNames has it: everything but a-z, 0-9, '-', '_' and '.' in octal. */
static void add_normal_name(struct strlist *ret, const char *name)
{
    _cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '.' || *p == '-' || *p == '_' || (*p >= '0' && *p <= '9') ||
            (*p >= 'a' && *p <= 'z'))
            strbuf_addc(&out, *p);
        else
            strbuf_addf(&out, "\\%03o", (unsigned char)*p);
    }
    permission_add_once(ret, out.buf);
}

/* The environment's own part of a zone, where the records are that say whose a record is, too; and
 * what the spec wants outside of it. */
static void add_record_names(const struct resource *r, struct strlist *ret)
{
    _cleanup_free_ char *zone = xstrndup(r->name, strcspn(r->name, " "));
    _cleanup_free_ char *root = owner_root(r->graph, zone);
    permission_add_once(ret, root);
    _cleanup_free_ char *below = xasprintf("*.%s", root);
    permission_add_once(ret, below);
    const cJSON *record;
    cJSON_ArrayForEach (record, json_get(r->want, "Records")) {
        _cleanup_free_ char *name = NULL, *type = NULL;
        record_key_split(record->string, &name, &type);
        if (!dns_name_in(name, root))
            add_normal_name(ret, name);
    }
}

static void record_names(const struct graph *g, struct strlist *ret)
{
    permission_each_wanted(g, "route53.records", ret, add_record_names);
}

const struct permission route53_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "route53:ListHostedZonesByName",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    { .sid = "HostedZone",
      .actions = "route53:ListResourceRecordSets",
      .resources = "route53:::hostedzone/*",
      .uses = PERMIT_LOOKS },
    { .sid = "HostedZone",
      .actions = "route53:GetHostedZone",
      .resources = "route53:::hostedzone/*",
      .when = "route53.zone",
      .uses = PERMIT_LOOKS },
    { .sid = "RecordLook",
      .actions = "route53:GetChange",
      .resources = "route53:::change/*",
      .when = "route53.records",
      .uses = PERMIT_REMOVES | PERMIT_ADOPTS },
    { .sid = "RecordChange",
      .actions = "route53:ChangeResourceRecordSets",
      .resources = "route53:::hostedzone/*",
      .when = "route53.records",
      .condition = "ForAllValues:StringLike "
                   "route53:ChangeResourceRecordSetsNormalizedRecordNames ${NAME}",
      .names = record_names,
      .uses = PERMIT_REMOVES | PERMIT_ADOPTS },
    { .sid = NULL },
};

/* --- cloudmap: list_awscloudmap.html --------------------------------------------------------- */

const struct permission cloudmap_permissions[] = {
    { .sid = PERMIT_LOOK,
      .actions = "servicediscovery:ListNamespaces servicediscovery:ListServices "
                 "servicediscovery:ListTagsForResource servicediscovery:GetOperation "
                 "servicediscovery:ListOperations",
      .resources = "*",
      .uses = PERMIT_LOOKS },
    { .sid = "DiscoveryCreate",
      .actions = "servicediscovery:CreatePrivateDnsNamespace",
      .resources = "*",
      .flags = PERMIT_NEW,
      .when = "cloudmap.namespace" },
    { .sid = "DiscoveryCreate",
      .actions = "servicediscovery:TagResource",
      .resources = "*",
      .flags = PERMIT_NEW,
      .when = "cloudmap.namespace",
      .uses = PERMIT_ADOPTS },
    /* "Required permissions" of CreatePrivateDnsNamespace, which makes a hosted zone:
     * https://docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-api-permissions-ref.html */
    { .sid = PERMIT_LOOK,
      .actions = "ec2:DescribeRegions ec2:DescribeVpcs route53:CreateHostedZone "
                 "route53:ListHostedZonesByName",
      .resources = "*",
      .when = "cloudmap.namespace" },
    { .sid = "HostedZone",
      .actions = "route53:GetHostedZone",
      .resources = "route53:::hostedzone/*",
      .when = "cloudmap.namespace" },
    { .sid = "DiscoveryServiceCreate",
      .actions = "servicediscovery:CreateService",
      .resources = "servicediscovery:service/*",
      .flags = PERMIT_NEW,
      .when = "cloudmap.service" },
    { .sid = "DiscoveryChange",
      .actions = "servicediscovery:UpdatePrivateDnsNamespace",
      .resources = "servicediscovery:namespace/* servicediscovery:service/*",
      .flags = PERMIT_OURS,
      .when = "cloudmap.namespace" },
    { .sid = "DiscoveryChange",
      .actions = "servicediscovery:DeleteNamespace",
      .resources = "servicediscovery:namespace/* servicediscovery:service/*",
      .flags = PERMIT_OURS,
      .when = "cloudmap.namespace",
      .uses = PERMIT_REMOVES },
    /* In our namespace. The rights on Route 53's health checks that the page above lists are for
     * public namespaces. */
    { .sid = "DiscoveryChange",
      .actions = "servicediscovery:CreateService servicediscovery:UpdateService",
      .resources = "servicediscovery:namespace/* servicediscovery:service/*",
      .flags = PERMIT_OURS,
      .when = "cloudmap.service" },
    { .sid = "DiscoveryChange",
      .actions = "servicediscovery:DeleteService servicediscovery:ListInstances "
                 "servicediscovery:DeregisterInstance",
      .resources = "servicediscovery:namespace/* servicediscovery:service/*",
      .flags = PERMIT_OURS,
      .when = "cloudmap.service",
      .uses = PERMIT_REMOVES },
    { .sid = NULL },
};
