/* SPDX-License-Identifier: MIT */
#include "executor/script.h"

#include <errno.h>
#include <unistd.h>

#include "executor/base/log.h"

/* Seconds that what a script leaves running gets between SIGTERM and SIGKILL. */
#define GRACE 5.0
/* execve(2) takes no longer string (MAX_ARG_STRLEN): one too long would fail the whole script. */
#define ENTRY_MAX     ((size_t)128 << 10)
#define OUTPUT_PREFIX "BERTH_"

extern char **environ;

/*
 * What of the host's environment a script gets to see. No AWS_*, no CUSTOM_ENV_*, no
 * JOB_RESPONSE_FILE. The proxies and certificates are how a host reaches GitLab at all: without
 * them get_sources could not clone.
 */
static const char *const allowed[] = {
    "PATH",       "HOME",        "USER",      "LOGNAME",       "SHELL",
    "TERM",       "TZ",          "TMPDIR",    "LANG",          "LANGUAGE",
    "http_proxy", "https_proxy", "no_proxy",  "HTTP_PROXY",    "HTTPS_PROXY",
    "NO_PROXY",   "all_proxy",   "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
};

static bool is_allowed(const char *entry)
{
    size_t len = strcspn(entry, "=");
    if (str_starts(entry, "LC_"))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
        if (strlen(allowed[i]) == len && strncmp(entry, allowed[i], len) == 0)
            return true;
    return false;
}

static bool is_output_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return str_starts(name, OUTPUT_PREFIX) && name[strspn(name, letters)] == '\0';
}

static void add_outputs(const cJSON *outputs, struct strlist *env)
{
    size_t n = 0;
    const cJSON *output;
    cJSON_ArrayForEach (output, outputs) {
        const char *value = cJSON_GetStringValue(output);
        if (!is_output_name(output->string) || value == NULL)
            log_warn("the output '%s' is not handed to the script: it must be a string, and its "
                     "name made of " OUTPUT_PREFIX " and capitals",
                     output->string);
        else if (strlen(output->string) + strlen(value) + 2 > ENTRY_MAX)
            log_warn("the output '%s' is not handed to the script: it is too long", output->string);
        else if (n == OUTPUTS_MAX)
            log_warn("the output '%s' is not handed to the script: there are more than %d",
                     output->string, OUTPUTS_MAX);
        else
            strlist_addf(env, "%s=%s", output->string, value), n++;
    }
}

void script_environment(const cJSON *outputs, struct strlist *ret)
{
    for (char **entry = environ; *entry != NULL; entry++)
        if (is_allowed(*entry))
            strlist_add(ret, *entry);
    if (getenv("PATH") == NULL)
        strlist_add(ret, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    add_outputs(outputs, ret);
}

static void end_leftovers(void)
{
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    size_t alive = process_end_descendants(GRACE, &left);
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; i < left.n; i++)
        strbuf_addf(&names, "%s%s", i > 0 ? ", " : "", left.v[i]);
    if (left.n > 0)
        log_warn("the script has left %zu process%s running, which %s ended: %s", left.n,
                 left.n == 1 ? "" : "es", left.n == 1 ? "was" : "were", names.buf);
    if (alive > 0)
        log_warn("%zu of them could not be ended; they may keep this job from finishing", alive);
}

int script_run(const char *path, const cJSON *outputs, struct process_end *ret, struct err *err)
{
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    script_environment(outputs, &env);
    char *const argv[] = { (char *)"bash", (char *)path, NULL };
    /* bash would end with 127 for it, as if the job had asked for a command that is not there. */
    if (access(path, R_OK) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot read the runner's script '%s'", path);
    const struct process bash = { .file = "bash", .argv = argv, .env = env.v, .forward = true };
    process_adopt_orphans();
    if (process_run(&bash, ret, err) < 0)
        return err_wrap(err, "a script needs bash in PATH");
    end_leftovers();
    return 0;
}
