/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <uv.h>

#include "executor/base/json.h"
#include "executor/base/log.h"

static const char mask[] = "[MASKED]";

static struct strlist secrets = STRLIST_INIT; /* longest first */
static uv_once_t once = UV_ONCE_INIT;
static uv_rwlock_t lock;

static void init_lock(void)
{
    uv_rwlock_init(&lock);
}

/* Keeps the list sorted by length, longest first: a secret that contains another is replaced
 * whole, and nothing of it stays behind. */
static void insert(const char *form)
{
    if (strlen(form) < REDACT_MIN || strlist_has(&secrets, form))
        return;
    strlist_add(&secrets, form);
    for (size_t i = secrets.n - 1; i > 0 && strlen(secrets.v[i]) > strlen(secrets.v[i - 1]); i--) {
        char *other = secrets.v[i - 1];
        secrets.v[i - 1] = secrets.v[i];
        secrets.v[i] = other;
    }
}

static void insert_json(const char *secret)
{
    _cleanup_json_ cJSON *string = cJSON_CreateString(secret);
    _cleanup_free_ char *text = json_print(string);
    text[strlen(text) - 1] = '\0';
    insert(text + 1);
}

static void insert_percent(const char *secret)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_add_percent(&text, secret, strlen(secret));
    insert(text.buf);
}

/* Base64 of the secret at each of its three possible offsets in a longer text: the characters that
 * depend on the secret alone. */
static void insert_base64(const char *secret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(secret);
    for (size_t skip = 0; skip < 3 && skip < len; skip++) {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        for (size_t i = skip; i + 3 <= len; i += 3) {
            const unsigned char *b = (const unsigned char *)secret + i;
            char quad[4] = { digits[b[0] >> 2], digits[(b[0] & 3) << 4 | b[1] >> 4],
                             digits[(b[1] & 15) << 2 | b[2] >> 6], digits[b[2] & 63] };
            strbuf_add(&text, quad, sizeof(quad));
        }
        if (text.len >= 8)
            insert(text.buf);
    }
}

void redact_add(const char *secret)
{
    if (secret == NULL || strlen(secret) < REDACT_MIN)
        return;
    uv_once(&once, init_lock);
    uv_rwlock_wrlock(&lock);
    insert(secret);
    insert_json(secret);
    insert_percent(secret);
    insert_base64(secret);
    uv_rwlock_wrunlock(&lock);
}

static void replace_all(struct strbuf *text, const char *secret)
{
    size_t len = strlen(secret);
    char *hit = memmem(text->buf, text->len, secret, len);
    if (hit == NULL)
        return;
    struct strbuf out = STRBUF_INIT;
    const char *from = text->buf;
    while (hit != NULL) {
        strbuf_add(&out, from, (size_t)(hit - from));
        strbuf_adds(&out, mask);
        from = hit + len;
        hit = memmem(from, text->len - (size_t)(from - text->buf), secret, len);
    }
    strbuf_add(&out, from, text->len - (size_t)(from - text->buf));
    strbuf_release(text);
    *text = out;
}

void redact(struct strbuf *text)
{
    uv_once(&once, init_lock);
    uv_rwlock_rdlock(&lock);
    for (size_t i = 0; i < secrets.n; i++)
        replace_all(text, secrets.v[i]);
    uv_rwlock_rdunlock(&lock);
}

void redact_release(void)
{
    strlist_release(&secrets);
}
