/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ELASTICACHE_H
#define BERTH_DRIVERS_ELASTICACHE_H

/*
 * What the files of the driver share. An environment has at most one Redis: a cluster of one node
 * (elasticache_cluster.c) or, for what AWS offers there alone, a replication group
 * (elasticache_group.c). Both have nodes that are described, judged, created and changed alike:
 * elasticache_node.c. elasticache.c says what the spec wants.
 *
 * In `want` and `have` stand members of the API, and a few of berth's own that are never sent:
 * MinimumEngineVersion (AWS upgrades in place, a replication group also from Redis to Valkey, and
 * never back: immutable where the present version is newer than the wanted one, or Valkey's and the
 * wanted one Redis's), AuthTokenEnabled and AuthTokenVersion.
 */

#include "drivers/resource.h"

#define ELASTICACHE_SUBNET_GROUP "elasticache.subnet_group/redis"
#define ELASTICACHE_TOKEN        "elasticache.auth_token/redis" /* output Version */
#define ELASTICACHE_TOKEN_TAG    "berth:auth-token" /* which version of the secret is in force */

extern const struct resource_type elasticache_subnet_group_type;
extern const struct resource_type elasticache_cluster_type;
extern const struct resource_type elasticache_group_type;
extern const struct resource_type elasticache_token_type;

/* The name of what belongs to this environment, as ElastiCache stores names: in lower case. The
 * caller frees it. */
char *elasticache_name(const struct graph *g, const char *suffix);

/* Orders versions by their numbers; what one of them leaves open ("6.x", "7.1" of "7.1.0") is
 * equal. Below, at or above 0. */
int version_compare(const char *a, const char *b);

/* Adds to `have` what a cluster says of its node, in the form of `want`: a version that the wanted
 * one leaves open is the wanted one, what is being changed is as it will be. */
void node_form(const struct resource *r, const cJSON *cluster, cJSON *have);
/*
 * Takes note of the state ("available", "modifying"...), and whose it is by the tags of `arn`. A
 * resource that is not available does not tell its tags; it is then whose the subnet group is that
 * it is in. `source` is its type as DescribeEvents calls it: where the state is a failure, the last
 * event is the reason.
 */
int node_take(struct session *s, struct resource *r, const char *status, const char *arn,
              const char *subnet_group, const char *source, struct err *err);
/* Whether what is being deleted, or was never created right, counts as absent: where it is wanted,
 * and is to be created anew once it is gone. */
bool node_is_absent(const struct resource *r);
/* Sets `have` (taken) of what AWS has just been asked to create, with its answer's status. */
void node_created(struct resource *r, cJSON *tags, const char *status, const char *arn);
/* The members of `names` that differ between target and have, as an input's beginning, or NULL. The
 * caller owns it. */
cJSON *node_changes(const struct resource *r, const char *const *names);
/* From now on the resource is ready only once these members have the target's values. */
void node_expect(struct resource *r, const cJSON *changes);
enum readiness node_judge(const struct resource *r, struct strbuf *why);
/* Looks again if it is not known to be available; ERR_BUSY unless it is. */
int node_must_be_available(struct session *s, struct resource *r, struct err *err);
/*
 * Clears the way for a create(): asks for the removal of what was never created right, ERR_BUSY
 * until the name is free.
 */
int node_make_way(struct session *s, struct resource *r, struct err *err);
/* Passes on why a create failed; a service-linked role that is missing as in linked_role.h. */
int node_move_error(struct resource *r, struct err *failure, struct err *err);
/* Calls a Delete, unless it has been called already. ERR_BUSY says what it is in that AWS does not
 * delete it in. */
int node_remove(struct session *s, struct resource *r, const char *action, const char *member,
                struct err *err);
void node_leaving(const struct resource *r, struct strbuf *why);

/* A cluster's own tags, where observing has taken it for its subnet group's owner's: what is to be
 * adopted bears them itself. While it is not available nobody is told them, and it has none. */
int elasticache_read_tags(struct session *s, struct resource *r, struct err *err);
/* The adopt() of what ElastiCache tags. */
int elasticache_adopt(struct session *s, struct resource *r, struct err *err);

/* The lookup of the version of the secret that redis.authToken names. */
int token_want(struct graph *g, const char *secret, struct err *err);
/* The secret's value, known to the redactor from then on, and what the tag is to say of it. The
 * caller frees both. */
int token_read(struct session *s, const struct graph *g, char **ret_value, char **ret_version,
               struct err *err);

#endif
