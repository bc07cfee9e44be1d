/* SPDX-License-Identifier: MIT */

/*
 * config: claims the user that the job's scripts run as, and tells the runner, as JSON on the
 * standard output, where this job's repositories and caches lie. The runner parses all of that
 * output, so every word for people goes to the standard error (GitLab Runner,
 * executors/custom/custom.go, dynamicConfig).
 */

#include <stdio.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/base/version.h"
#include "executor/exitcode.h"
#include "executor/joblog.h"
#include "executor/jobuser.h"
#include "executor/usage.h"

/* The runner writes these paths into shell scripts, quoted for Go and not for the shell. */
static int add_directory(cJSON *out, const char *member, const struct hostconfig *h,
                         const char *key, const char *path, struct err *err)
{
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789._/-";
    if (path[strspn(path, harmless)] != '\0')
        return err_set(err, ERR_HOST,
                       "%s: %s is '%s'; the runner writes it into shell scripts, so it must be "
                       "made of letters, digits and . _ - / only",
                       h->path, key, path);
    json_put_str(out, member, path);
    return 0;
}

static int print_config(const struct hostconfig *h, struct err *err)
{
    _cleanup_json_ cJSON *out = cJSON_CreateObject();
    cJSON *driver = json_put_object(out, "driver");
    json_put_str(driver, "name", "berth");
    json_put_str(driver, "version", BERTH_VERSION);
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    if (jobuser_claim(h, jobuser_directory(), &user, err) < 0 ||
        add_directory(out, "builds_dir", h, "buildsDir", user.builds_dir, err) < 0 ||
        add_directory(out, "cache_dir", h, "cacheDir", user.cache_dir, err) < 0)
        return -1;
    /* Shared by this host's jobs: the runner then gives each of the jobs that run at the same time
     * a directory of its own beneath it. */
    json_put_bool(out, "builds_dir_is_shared", true);
    _cleanup_free_ char *text = json_print(out);
    if (printf("%s\n", text) < 0 || fflush(stdout) != 0)
        return err_set(err, ERR_HOST, "cannot write the configuration to the standard output");
    return 0;
}

int main(int argc, char **argv)
{
    if (usage_asked(argc, argv, "config",
                    "Says to GitLab Runner what berth is and where builds go, as JSON."))
        return 0;
    process_hide();
    exitcode_on_signals();
    joblog_init(STDERR_FILENO);
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    if (exitcode_clear(&err) < 0 || hostconfig_read(&h, &err) < 0 || print_config(&h, &err) < 0)
        return joblog_failure(&err);
    return 0;
}
