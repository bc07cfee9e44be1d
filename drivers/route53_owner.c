/* SPDX-License-Identifier: MIT */
/*
 * Records bear no tags, so a TXT record beside each says whose it is, in the manner of external-dns
 * (https://kubernetes-sigs.github.io/external-dns/latest/docs/registry/txt/): a name of its own,
 * since nothing may stand beside a CNAME, and one for each type.
 */
#include "drivers/route53.h"

#include <ctype.h>

#define PREFIX   "_berth-"
#define OUTSIDE  "_zone" /* what stands for the zone in owners of names that are not ours alone */
#define HERITAGE "heritage=berth"

char *record_key(const char *name, const char *type)
{
    return xasprintf("%s %s", name, type);
}

void record_key_split(const char *key, char **ret_name, char **ret_type)
{
    size_t len = strcspn(key, " ");
    *ret_name = xstrndup(key, len);
    *ret_type = xstrdup(key + len + (key[len] == ' '));
}

char *owner_root(const struct graph *g, const char *zone)
{
    return xasprintf("%s.%s", g->context.subdomain, zone);
}

char *owner_name(const struct graph *g, const char *zone, const char *key)
{
    _cleanup_free_ char *name = NULL, *type = NULL;
    record_key_split(key, &name, &type);
    for (char *p = type; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    _cleanup_free_ char *root = owner_root(g, zone);
    if (dns_name_in(name, root))
        return xasprintf(PREFIX "%s.%s", type, name);
    size_t inner = strlen(name) - strlen(zone); /* "www." of "www.example.net"; 0 at the apex */
    return xasprintf(PREFIX "%s.%.*s" OUTSIDE ".%s", type, (int)inner, name, root);
}

char *owner_key(const struct graph *g, const char *zone, const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL || !str_starts(name, PREFIX))
        return NULL;
    _cleanup_free_ char *type =
        xstrndup(name + strlen(PREFIX), (size_t)(dot - name) - strlen(PREFIX));
    for (char *p = type; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    const char *whose = dot + 1;
    _cleanup_free_ char *root = owner_root(g, zone);
    _cleanup_free_ char *outside = xasprintf(OUTSIDE ".%s", root);
    if (!dns_name_in(whose, outside))
        return dns_name_in(whose, root) ? record_key(whose, type) : NULL;
    _cleanup_free_ char *meant =
        xasprintf("%.*s%s", (int)(strlen(whose) - strlen(outside)), whose, zone);
    return record_key(meant, type);
}

char *owner_text(const struct graph *g, const char *label)
{
    _cleanup_json_ cJSON *tags = tags_wanted(g, label);
    struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, HERITAGE);
    const cJSON *tag;
    cJSON_ArrayForEach (tag, tags) /* neither keys nor values hold a comma */
        strbuf_addf(&text, ",%s=%s", tag->string, tag->valuestring);
    return strbuf_detach(&text);
}

cJSON *owner_tags(const char *text)
{
    if (!str_starts(text, HERITAGE ","))
        return NULL;
    cJSON *tags = cJSON_CreateObject();
    for (const char *at = text + strlen(HERITAGE); *at == ',';) {
        at++;
        size_t len = strcspn(at, ","), key = strcspn(at, "=");
        if (key < len) {
            _cleanup_free_ char *name = xstrndup(at, key);
            _cleanup_free_ char *value = xstrndup(at + key + 1, len - key - 1);
            json_put_str(tags, name, value);
        }
        at += len;
    }
    return tags;
}

bool owner_is_us(const struct graph *g, const char *text)
{
    static const char *const keys[] = { "Environment", "berth:project", "berth:ref" };
    _cleanup_json_ cJSON *said = owner_tags(text);
    _cleanup_json_ cJSON *ours = tags_wanted(g, "");
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!str_eq(json_str(said, keys[i]), json_str(ours, keys[i])))
            return false;
    return true;
}
