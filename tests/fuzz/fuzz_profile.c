/* SPDX-License-Identifier: MIT */
/* AWS's shared files: the same text as config and as credentials. What a profile leads to is not
 * followed: a credential_process is a command. */
#include "drivers/aws/creds.h"
#include "drivers/aws/profile.h"
#include "executor/base/log.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("config", data, size);
    setenv("AWS_CONFIG_FILE", path, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    _cleanup_secret_json_ cJSON *profiles = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (profiles_read(&profiles, &err) < 0) {
        fuzz_require_message(&err);
        return 0;
    }
    const cJSON *profile, *value;
    cJSON_ArrayForEach (profile, profiles) {
        fuzz_require(cJSON_IsObject(profile), "a profile is an object");
        cJSON_ArrayForEach (value, profile)
            fuzz_require(cJSON_IsString(value) && strpbrk(value->valuestring, "\n") == NULL,
                         "a value is one line");
    }
    return 0;
}
