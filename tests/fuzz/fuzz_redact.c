/* SPDX-License-Identifier: MIT */
/* Whatever a text holds, read in all the ways in which it may say a secret. */
#include "executor/base/redact.h"
#include "tests/fuzz/fuzz.h"

static const char *const secrets[] = { "hunter2/K7+x\303\251!", "it's \"7\"\\n", "VVVVVVVVVVVV",
                                       "123456", "first line\n  second line" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        redact_add(secrets[i]);
    strbuf_add(&text, data, size);
    redact(&text);
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        fuzz_require(memmem(text.buf, text.len, secrets[i], strlen(secrets[i])) == NULL,
                     "a text that was redacted holds no secret");
    fuzz_require(memmem(text.buf, text.len, "[MASKED]", 8) != NULL ||
                     (text.len == size && memcmp(text.buf, data, size) == 0),
                 "what holds no secret is left as it is");
    redact_release();
    return 0;
}
