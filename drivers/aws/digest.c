/* SPDX-License-Identifier: MIT */
#include "drivers/aws/digest.h"

#include <openssl/evp.h>

#include "executor/base/str.h"

char *digest_text(const char *text, size_t bytes)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) != 1)
        oom_exit(); /* SHA-256 of bytes in memory fails for want of memory alone */
    _cleanup_strbuf_ struct strbuf hex = STRBUF_INIT;
    strbuf_add_hex(&hex, digest, bytes < len ? bytes : len);
    return strbuf_detach(&hex);
}

char *digest_base64(const void *data, size_t len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    if (EVP_Digest(data, len, digest, &digest_len, EVP_sha256(), NULL) != 1)
        oom_exit();
    char *code = xmalloc((digest_len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)code, digest, (int)digest_len);
    return code;
}

char *base64_text(const char *text)
{
    size_t len = strlen(text);
    char *code = xmalloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)code, (const unsigned char *)text, (int)len);
    return code;
}

/* SHA-256 fails for want of memory alone. */
struct digest *digest_new(void)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
        oom_exit();
    return (struct digest *)md;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
    if (EVP_DigestUpdate((EVP_MD_CTX *)d, data, len) != 1)
        oom_exit();
}

char *digest_end(struct digest *d)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex((EVP_MD_CTX *)d, digest, &len) != 1)
        oom_exit();
    _cleanup_strbuf_ struct strbuf hex = STRBUF_INIT;
    strbuf_add_hex(&hex, digest, len);
    return strbuf_detach(&hex);
}

void digest_free(struct digest *d)
{
    EVP_MD_CTX_free((EVP_MD_CTX *)d);
}

char *base64_plain(const char *text)
{
    size_t len = strlen(text);
    _cleanup_free_ char *plain = xcalloc(1, len + 1);
    if (len % 4 != 0 || len > STRBUF_CEILING ||
        EVP_DecodeBlock((unsigned char *)plain, (const unsigned char *)text, (int)len) < 0)
        return NULL;
    return steal_ptr(&plain);
}
