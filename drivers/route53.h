/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_ROUTE53_H
#define BERTH_DRIVERS_ROUTE53_H

/*
 * DNS records. All that an environment has in one hosted zone is one resource, so that it changes
 * in one batch, which Route 53 carries out whole or not at all; in several where it would be too
 * large. Its value is
 *
 *     {"Records": {"8527fec8.example.net A": {"TTL": 300, "ResourceRecords": ["192.0.2.1"],
 *                                            "Owner": "heritage=berth,Environment=..."}}}
 *
 * by name and type ("the record's key"), with AliasTarget in place of the first two for an alias.
 * Beside each record stands a TXT record, the owner's, whose text is "Owner".
 *
 * Names are in lower case, without the final dot, and with '*' where Route 53 writes \052.
 *
 * Files: route53.c has the driver and what a spec wants, route53_name.c names and texts,
 * route53_owner.c the owners' records, route53_zone.c the hosted zones, route53_records.c what is
 * read and written, route53_batch.c the batches of changes.
 */

#include "drivers/resource.h"

extern const struct resource_type route53_zone_type;
extern const struct resource_type route53_records_type;

/* --- names and texts --- */

/* A name as Route 53 writes it or a spec has it, in our form. The caller frees it. */
char *dns_name(const char *text);
/* Whether a name is `zone` or lies in it. */
bool dns_name_in(const char *name, const char *zone);
/* ERR_USER, beginning with `path`, where a name is none that a record can have. */
int dns_name_check(const char *path, const char *name, struct err *err);
/* Text as the value of a TXT record: quoted, in strings of at most 255 bytes. The caller frees it.
 * https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat */
char *dns_txt_write(const char *text);
/* And back. The caller frees it. */
char *dns_txt_read(const char *value);

/* An address of version 4 or 6 in its one canonical form, the caller's to free; NULL if it is none.
 */
char *dns_address(const char *text);

/*
 * The hosted zone that a record of a spec lies in: the one it names, else the longest of the
 * limits' that its name lies in, else what stands behind the subdomain in its name ("x-8527fec8."
 * counts as well), else behind its first dot. `limits` may be NULL. The caller frees it; NULL if
 * the record has no name.
 */
char *route53_zone_name(const cJSON *record, const cJSON *limits, const char *subdomain);
/* Whether a label of a name is the subdomain, or ends in '-' and the subdomain: names that no other
 * environment has. */
bool dns_label_is_own(const char *label, size_t len, const char *subdomain);

/*
 * How a zone is called: by its name, and what tells it from others of that name, its id (or NULL)
 * or that it is private. The caller frees it.
 */
char *route53_zone_label(const char *zone, const char *id, bool private);

/* --- batches --- */

/*
 * The batches of changes, each an array, that bring the records r->have to `target`, an object of
 * records or NULL for none, in the hosted zone of that name. In r->memo, "sets" are the records as
 * they were read, by key. The caller owns it.
 */
cJSON *route53_batches(const struct resource *r, const char *zone, const cJSON *target);

/* The changes, an array, that put the owner's record beside each of the records of these keys,
 * which r wants. The caller owns it. */
cJSON *route53_owner_changes(const struct resource *r, const char *zone, const cJSON *keys);

/* --- owners --- */

/* "8527fec8.example.net A". The caller frees it. */
char *record_key(const char *name, const char *type);
/* A key's two halves; the caller frees them. */
void record_key_split(const char *key, char **ret_name, char **ret_type);

/*
 * The name of the TXT record that says whose a record is: _berth-<type> beneath its name, or, where
 * the name does not lie beneath the environment's own, <subdomain>.<zone>, beneath what the name
 * would be if _zone.<subdomain>.<zone> were the zone. So one listing of the environment's own name
 * finds all that it owns. The caller frees it.
 */
char *owner_name(const struct graph *g, const char *zone, const char *key);
/* The key of the record that the owner's record of that name speaks of; NULL if it is none. The
 * caller frees it. */
char *owner_key(const struct graph *g, const char *zone, const char *name);
/* The environment's own name in a zone, "8527fec8.example.net"; the caller frees it. */
char *owner_root(const struct graph *g, const char *zone);
/* The text that says that the record a spec calls `label` is ours; the caller frees it. */
char *owner_text(const struct graph *g, const char *label);
/* The tags in a text, the caller's to free; NULL if it is not one of berth's. */
cJSON *owner_tags(const char *text);
/* Whether a text says that the record is this environment's. */
bool owner_is_us(const struct graph *g, const char *text);

/* The URL of the first record that leads to the load balancer, or NULL; the caller frees it. */
char *route53_url(const struct graph *g);

#endif
