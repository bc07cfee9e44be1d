/* SPDX-License-Identifier: MIT */
/* Names and texts as DNS and Route 53 have them. */
#include "drivers/route53.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "drivers/common.h"

#define LABEL_MAX  63
#define STRING_MAX 255 /* bytes in one of the strings of a TXT record */

/* The character that "\ooo" at `at` stands for, or -1 if that is none.
 * https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html */
static int octal(const char *at)
{
    if (at[0] != '\\')
        return -1;
    int value = 0;
    for (int i = 1; i <= 3; i++) {
        if (at[i] < '0' || at[i] > '7')
            return -1;
        value = value * 8 + (at[i] - '0');
    }
    return value > 0 && value < 256 ? value : -1;
}

char *dns_name(const char *text)
{
    struct strbuf name = STRBUF_INIT;
    while (*text != '\0') {
        int c = octal(text);
        text += c < 0 ? 1 : 4;
        strbuf_addc(&name, (char)tolower(c < 0 ? (unsigned char)text[-1] : c));
    }
    if (name.len > 0 && name.buf[name.len - 1] == '.')
        strbuf_cut(&name, name.len - 1);
    return strbuf_detach(&name);
}

bool dns_name_in(const char *name, const char *zone)
{
    size_t n = strlen(name), z = strlen(zone);
    if (n <= z)
        return strcmp(name, zone) == 0;
    return name[n - z - 1] == '.' && strcmp(name + n - z, zone) == 0;
}

static bool label_is_valid(const char *label, size_t len, bool first)
{
    if (first && len == 1 && *label == '*')
        return true;
    return len > 0 && len <= LABEL_MAX &&
           strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") >= len;
}

int dns_name_check(const char *path, const char *name, struct err *err)
{
    if (name_check(path, "a DNS name", name, 255, err) < 0)
        return -1;
    for (const char *at = name;;) {
        size_t len = strcspn(at, ".");
        if (!label_is_valid(at, len, at == name))
            return err_set(err, ERR_USER,
                           "%s: '%s' is no DNS name: between its dots are 1 to 63 letters, digits, "
                           "'-' or '_' each; the first part may be '*'",
                           path, name);
        if (at[len] == '\0')
            return 0;
        at += len + 1;
    }
}

char *dns_txt_write(const char *text)
{
    struct strbuf value = STRBUF_INIT;
    size_t n = 0; /* bytes in this string */
    strbuf_addc(&value, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++, n++) {
        if (n == STRING_MAX) {
            strbuf_adds(&value, "\" \"");
            n = 0;
        }
        if (*p == '"' || *p == '\\')
            strbuf_addf(&value, "\\%c", *p);
        else if (*p < ' ' || *p > '~')
            strbuf_addf(&value, "\\%03o", *p);
        else
            strbuf_addc(&value, (char)*p);
    }
    strbuf_addc(&value, '"');
    return strbuf_detach(&value);
}

char *dns_txt_read(const char *value)
{
    struct strbuf text = STRBUF_INIT;
    bool inside = false;
    while (*value != '\0') {
        int c = octal(value);
        if (!inside || *value == '"') {
            inside = *value == '"' ? !inside : inside;
            value++;
        } else if (c >= 0) {
            strbuf_addc(&text, (char)c);
            value += 4;
        } else {
            value += *value == '\\' && value[1] != '\0';
            strbuf_addc(&text, *value++);
        }
    }
    return strbuf_detach(&text);
}

char *dns_address(const char *text)
{
    static const int families[] = { AF_INET, AF_INET6 };
    unsigned char address[sizeof(struct in6_addr)];
    char canonical[INET6_ADDRSTRLEN];
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        if (inet_pton(families[i], text, address) == 1 &&
            inet_ntop(families[i], address, canonical, sizeof(canonical)) != NULL)
            return xstrdup(canonical);
    return NULL;
}

char *route53_zone_label(const char *zone, const char *id, bool private)
{
    if (id != NULL)
        return xasprintf("%s (%s)", zone, id);
    return xasprintf("%s%s", zone, private ? " (private)" : "");
}

bool dns_label_is_own(const char *label, size_t len, const char *subdomain)
{
    size_t n = strlen(subdomain);
    if (len < n || strncmp(label + len - n, subdomain, n) != 0)
        return false;
    return len == n || label[len - n - 1] == '-';
}

/* The longest zone of the limits' that the name lies in, NULL if none; the caller frees it. */
static char *zone_of_limits(const char *name, const cJSON *limits)
{
    char *longest = NULL;
    const cJSON *limit;
    cJSON_ArrayForEach (limit, json_get(limits, "zones")) {
        _cleanup_free_ char *zone = dns_name(limit->valuestring);
        if (!dns_name_in(name, zone) || (longest != NULL && strlen(longest) >= strlen(zone)))
            continue;
        free(longest);
        longest = steal_ptr(&zone);
    }
    return longest;
}

char *route53_zone_name(const cJSON *record, const cJSON *limits, const char *subdomain)
{
    const char *given = json_str(record, "zone"), *text = json_str(record, "name");
    if (given != NULL)
        return dns_name(given);
    if (text == NULL)
        return NULL;
    _cleanup_free_ char *name = dns_name(text);
    char *zone = zone_of_limits(name, limits);
    if (zone != NULL)
        return zone;
    const char *dot = strchr(name, '.');
    for (const char *at = name; dot != NULL; at = dot + 1, dot = strchr(at, '.'))
        if (dns_label_is_own(at, (size_t)(dot - at), subdomain))
            return xstrdup(dot + 1);
    dot = strchr(name, '.');
    return xstrdup(dot != NULL ? dot + 1 : name);
}
