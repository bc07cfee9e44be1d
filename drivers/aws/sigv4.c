/* SPDX-License-Identifier: MIT */
#include "drivers/aws/sigv4.h"

#include <ctype.h>
#include <stdio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <strings.h>

#include "executor/base/clock.h"

#define HASH_LEN  32
#define ALGORITHM "AWS4-HMAC-SHA256"

static int hash_hex(const void *data, size_t len, struct strbuf *out, struct err *err)
{
    unsigned char hash[HASH_LEN];
    if (EVP_Digest(data, len, hash, NULL, EVP_sha256(), NULL) != 1)
        return err_set(err, ERR_BUG, "cannot hash a request: OpenSSL refuses SHA-256");
    strbuf_add_hex(out, hash, sizeof(hash));
    return 0;
}

static int hmac(const void *key, size_t key_len, const char *text, unsigned char *ret,
                struct err *err)
{
    unsigned len = HASH_LEN;
    if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), ret,
             &len) == NULL)
        return err_set(err, ERR_BUG, "cannot sign a request: OpenSSL refuses HMAC");
    return 0;
}

/* Takes the last segment off a path of canonical segments. */
static void cut_segment(struct strbuf *path, size_t start)
{
    while (path->len > start && path->buf[--path->len] != '/')
        ;
    path->buf[path->len] = '\0';
}

/* Every service but S3 takes the path normalised (RFC 3986, section 6) and encoded once more,
 * segment by segment. */
static void add_path(struct strbuf *out, const char *path)
{
    size_t start = out->len;
    bool slash = true; /* whether the path ends with one */
    strbuf_reserve(out, 1);
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        bool dot = len == 1 && path[0] == '.', dots = len == 2 && memcmp(path, "..", 2) == 0;
        if (dots)
            cut_segment(out, start);
        if (len > 0 && !dot && !dots) {
            strbuf_addc(out, '/');
            strbuf_add_percent(out, path, len);
        }
        path += len;
        slash = *path == '/' || len == 0 || ((dot || dots) && *path == '\0');
        if (*path == '/')
            path++;
    }
    if (slash || out->len == start)
        strbuf_addc(out, '/');
}

struct parameter {
    char *name, *value;
};

/* By name, then by value, in byte order of the encoded forms. */
static int compare_parameters(const void *a, const void *b)
{
    const struct parameter *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->value, y->value);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes what is encoded and encodes it anew, so that "%2a", "*" and "%2A" become the same. */
static char *encode_anew(const char *s, size_t len)
{
    _cleanup_strbuf_ struct strbuf raw = STRBUF_INIT;
    for (size_t i = 0; i < len; i++) {
        int high = s[i] == '%' && i + 2 < len ? hex_value(s[i + 1]) : -1;
        int low = high >= 0 ? hex_value(s[i + 2]) : -1;
        if (low >= 0) {
            strbuf_addc(&raw, (char)(high * 16 + low));
            i += 2;
        } else {
            strbuf_addc(&raw, s[i]);
        }
    }
    struct strbuf encoded = STRBUF_INIT;
    strbuf_add_percent(&encoded, raw.buf, raw.len);
    return strbuf_detach(&encoded);
}

static void add_query(struct strbuf *out, const char *query)
{
    struct parameter *list = NULL;
    size_t n = 0;
    for (const char *p = query != NULL ? query : ""; *p != '\0';) {
        size_t len = strcspn(p, "&");
        size_t name = strcspn(p, "=&");
        if (len > 0) {
            list = xrealloc_array(list, n + 1, sizeof(*list));
            size_t value = name < len ? name + 1 : len;
            list[n++] =
                (struct parameter){ encode_anew(p, name), encode_anew(p + value, len - value) };
        }
        p += len;
        if (*p == '&')
            p++;
    }
    if (n > 1)
        qsort(list, n, sizeof(*list), compare_parameters);
    for (size_t i = 0; i < n; i++) {
        strbuf_addf(out, "%s%s=%s", i ? "&" : "", list[i].name, list[i].value);
        free(list[i].name);
        free(list[i].value);
    }
    free(list);
}

static int compare_headers(const void *a, const void *b)
{
    const struct sigv4_header *const *x = a, *const *y = b;
    int order = strcasecmp((*x)->name, (*y)->name);
    if (order != 0)
        return order;
    return (*x > *y) -
           (*x < *y); /* the values of one name stay in the order in which they are sent */
}

/* Without blanks around it, and with every run of blanks inside as one. */
static void add_header_value(struct strbuf *out, const char *value)
{
    while (*value == ' ' || *value == '\t')
        value++;
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    for (size_t i = 0; i < len; i++) {
        bool blank = value[i] == ' ' || value[i] == '\t';
        if (!blank)
            strbuf_addc(out, value[i]);
        else if (value[i - 1] != ' ' && value[i - 1] != '\t')
            strbuf_addc(out, ' ');
    }
}

static void add_lower(struct strbuf *out, const char *s)
{
    for (; *s != '\0'; s++)
        strbuf_addc(out, (char)tolower((unsigned char)*s));
}

/* The canonical headers into `lines`, their names into `names`; repeated ones are joined. */
static void add_headers(const struct sigv4_request *request, struct strbuf *lines,
                        struct strbuf *names)
{
    size_t n = request->n_headers;
    _cleanup_free_ const struct sigv4_header **sorted = xcalloc(n + 1, sizeof(*sorted));
    for (size_t i = 0; i < n; i++)
        sorted[i] = &request->headers[i];
    qsort(sorted, n, sizeof(*sorted), compare_headers);
    for (size_t i = 0; i < n; i++) {
        bool again = i > 0 && strcasecmp(sorted[i]->name, sorted[i - 1]->name) == 0;
        if (!again) {
            if (i > 0) {
                strbuf_addc(lines, '\n');
                strbuf_addc(names, ';');
            }
            add_lower(lines, sorted[i]->name);
            add_lower(names, sorted[i]->name);
        }
        strbuf_addc(lines, again ? ',' : ':');
        add_header_value(lines, sorted[i]->value);
    }
    strbuf_addc(lines, '\n');
}

static int derive_key(const struct sigv4_key *key, const char *date, unsigned char *ret,
                      struct err *err)
{
    _cleanup_free_ char *start = xasprintf("AWS4%s", key->secret_key);
    unsigned char step[HASH_LEN];
    int r = -1;
    if (hmac(start, strlen(start), date, step, err) == 0 &&
        hmac(step, HASH_LEN, key->region, step, err) == 0 &&
        hmac(step, HASH_LEN, key->service, step, err) == 0 &&
        hmac(step, HASH_LEN, "aws4_request", ret, err) == 0)
        r = 0;
    OPENSSL_cleanse(start, strlen(start));
    OPENSSL_cleanse(step, sizeof(step));
    return r;
}

static int add_canonical(const struct sigv4_request *request, struct strbuf *out,
                         struct strbuf *names, struct err *err)
{
    _cleanup_strbuf_ struct strbuf lines = STRBUF_INIT;
    add_headers(request, &lines, names);
    strbuf_addf(out, "%s\n", request->method);
    add_path(out, request->path);
    strbuf_addc(out, '\n');
    add_query(out, request->query);
    strbuf_addf(out, "\n%s\n%s\n", lines.buf, names->buf);
    return hash_hex(request->body, request->body_len, out, err);
}

int sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key, char **ret,
               char **ret_canonical, char **ret_to_sign, struct err *err)
{
    char time[32], date[16];
    clock_basic_date(key->time, time, sizeof(time));
    snprintf(date, sizeof(date), "%.8s", time);

    _cleanup_strbuf_ struct strbuf canonical = STRBUF_INIT, names = STRBUF_INIT,
                                   to_sign = STRBUF_INIT, signature = STRBUF_INIT;
    if (add_canonical(request, &canonical, &names, err) < 0)
        return -1;
    _cleanup_free_ char *scope =
        xasprintf("%s/%s/%s/aws4_request", date, key->region, key->service);
    strbuf_addf(&to_sign, ALGORITHM "\n%s\n%s\n", time, scope);
    if (hash_hex(canonical.buf, canonical.len, &to_sign, err) < 0)
        return -1;

    unsigned char signing_key[HASH_LEN], mac[HASH_LEN];
    int r = derive_key(key, date, signing_key, err);
    if (r == 0)
        r = hmac(signing_key, sizeof(signing_key), to_sign.buf, mac, err);
    OPENSSL_cleanse(signing_key, sizeof(signing_key));
    if (r < 0)
        return -1;
    strbuf_add_hex(&signature, mac, sizeof(mac));
    if (ret_canonical != NULL)
        *ret_canonical = strbuf_detach(&canonical);
    if (ret_to_sign != NULL)
        *ret_to_sign = strbuf_detach(&to_sign);
    *ret = xasprintf(ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s", key->access_key,
                     scope, names.buf, signature.buf);
    return 0;
}
