/* SPDX-License-Identifier: MIT */
/* The host config: an administrator's file, so that a slip of the pen is told and not obeyed. */
#include "executor/environment.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("berth.json", data, size);
    setenv("BERTH_CONFIG", path, 1);
    _cleanup_hostconfig_ struct hostconfig host = HOSTCONFIG_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (hostconfig_read(&host, &err) < 0) {
        fuzz_require_message(&err);
        return 0;
    }
    static const char *const keys[] = { "buildsDir", "cacheDir", "lockDir" };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        _cleanup_free_ char *dir = hostconfig_path(&host, keys[i], "x");
        fuzz_require(*dir == '/' && strstr(dir, "/../") == NULL, "a path is absolute and plain");
    }
    static const char *const refs[] = { "master", "dev/feature/login", "release-1" };
    for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
        _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
        _cleanup_err_ struct err refusal = ERR_INIT;
        if (environment_of_branch(77, refs[i], &host, &e, &refusal) < 0)
            fuzz_require_message(&refusal);
        else
            fuzz_require(strlen(e.name) <= 32, "a load balancer can have the environment's name");
    }
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    dispatch_job("ship-it", &host, NULL, &d, &err);
    return 0;
}
