/* SPDX-License-Identifier: MIT */
/* GitLab Runner's config.toml, as `berth doctor` reads it. */
#include "executor/base/toml.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ cJSON *json = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (toml_parse((const char *)data, size, &json, &err) < 0) {
        fuzz_require_message(&err);
        return 0;
    }
    _cleanup_free_ char *text = json_print(json);
    fuzz_require(text != NULL && *text == '{', "a document is an object");
    return 0;
}
