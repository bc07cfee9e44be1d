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

char *base64_text(const char *text)
{
    size_t len = strlen(text);
    char *code = xmalloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)code, (const unsigned char *)text, (int)len);
    return code;
}
