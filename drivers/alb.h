/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ALB_H
#define BERTH_DRIVERS_ALB_H

/*
 * What the files of the load balancer's driver share: what a spec asks for (alb.c, alb_listener.c,
 * alb_rule.c, alb_group.c), the load balancer (alb_balancer.c), its listeners, their rules, target
 * groups, the actions of listeners and rules (alb_action.c), attributes and tags
 * (alb_attributes.c).
 *
 * Wanted and observed state are AWS's inputs, with attributes as an object of strings under
 * "Attributes". An environment has at most one load balancer. Listeners are known by their port,
 * rules by their tag berth:name, target groups by that tag as well, since one that was replaced has
 * a second name.
 */

#include "drivers/resource.h"

/* Outputs LoadBalancerArn, DNSName, CanonicalHostedZoneId. */
#define ALB_BALANCER "alb.load_balancer/loadBalancer"

extern const struct resource_type alb_balancer_type;
extern const struct resource_type alb_listener_type; /* output ListenerArn */
extern const struct resource_type alb_rule_type;     /* output RuleArn */
extern const struct resource_type alb_group_type;    /* output TargetGroupArn */

/* Each adds its own to the graph; `balancer` is the spec's loadBalancer. */
int alb_groups_want(struct graph *g, const cJSON *spec, const cJSON *balancer, struct err *err);
int alb_listeners_want(struct graph *g, const cJSON *balancer, struct err *err);
int alb_rules_want(struct graph *g, const cJSON *balancer, struct err *err);

/*
 * Has a resource wait for whatever forwards to a target group of the spec: until then "the target
 * group does not have an associated load balancer", and ECS refuses it. ERR_USER, beginning with
 * `path`, if there is no such group, or nothing forwards to it.
 */
int alb_need_group(struct resource *r, const cJSON *spec, const char *path, const char *group,
                   struct err *err);

/* A listener's or rule's actions, as AWS takes them, from the spec's action. The caller owns
 * *ret. ERR_USER names an unknown target group. */
int alb_actions_make(const cJSON *balancer, const cJSON *action, const char *path, cJSON **ret,
                     struct err *err);
/*
 * ERR_USER, beginning with `path`, for a redirect that leads a listener's requests to where they
 * came from: AWS refuses it, "creates a loop". API_RedirectActionConfig: "You must modify at least
 * one of the following components to avoid a redirect loop: protocol, port, hostname, or path".
 */
int alb_actions_check_loop(const cJSON *actions, const char *protocol, int64_t port,
                           const char *path, struct err *err);
/* What AWS answers in the form that alb_actions_make() gives; the order of target groups is that of
 * `wanted` (may be NULL). The caller owns it. */
cJSON *alb_actions_normal(const struct graph *g, const cJSON *actions, const cJSON *wanted);
/* The protocol of the spec's listener, which is named by its port: "HTTP" or "HTTPS". */
const char *alb_listener_protocol(const cJSON *listener);
/* Whether the spec's action forwards to the group. */
bool alb_action_forwards(const cJSON *action, const char *group);

/* Whose attributes: their defaults and their calls. */
struct alb_attributes;
extern const struct alb_attributes alb_balancer_attributes;
extern const struct alb_attributes alb_group_attributes;

/* AWS's defaults with what the spec gives over them, all as strings; ERR_USER, beginning with
 * `path`, for an unknown key. The caller owns *ret. */
int alb_attributes_make(const struct alb_attributes *kind, const cJSON *given, const char *path,
                        cJSON **ret, struct err *err);
/* What is set now; an attribute that AWS does not tell of has its default. */
int alb_attributes_read(struct session *s, const struct alb_attributes *kind, const char *arn,
                        cJSON **ret, struct err *err);
/* Sets those that differ from `have` (NULL: what a new resource has). No call if none does. */
int alb_attributes_write(struct session *s, const struct alb_attributes *kind, const char *arn,
                         const cJSON *want, const cJSON *have, struct err *err);

/* The tags of any number of resources by their ARNs: an object of objects, without those that are
 * gone. The caller owns *ret. */
int alb_tags_read(struct session *s, const cJSON *arns, cJSON **ret, struct err *err);
/* Adds to load balancers and target groups, as AWS describes them, their "Tags" and "Attributes",
 * in calls at the same time; to what is gone neither. */
int alb_details_read(struct session *s, cJSON *things, struct err *err);
/* Every target group whose name begins with the environment's. The caller owns *ret. */
int alb_groups_read(struct session *s, const struct graph *g, cJSON **ret, struct err *err);
/* Leaves one, with its details, for the discover() of target groups; takes it. */
void alb_group_leave(struct graph *g, cJSON *group);
/* A listener's rules but for the default one, each with what it is called as "Label". The caller
 * owns *ret. */
int alb_rules_read(struct session *s, const char *listener, cJSON **ret, struct err *err);
/* Where discover() of listeners leaves them for that of rules, which then needs no call. */
#define ALB_MEMO_RULES "rules"
/*
 * After a create call, which succeeds for what is there already with the same settings, whoever
 * made it: ERR_EXISTS unless the resource has our tags. Sets r->tags if it has.
 */
int alb_check_created(struct session *s, struct resource *r, const char *arn, struct err *err);

/* How elbv2 is told tags. */
extern const struct tag_call alb_tag_call;

#endif
