/* SPDX-License-Identifier: MIT */
#include "executor/script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/base/random.h"
#include "executor/base/usernamespace.h"
#include "executor/sandbox.h"

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

/* What of that is the job user's own instead. */
static const char *const of_user[] = { "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR" };

static bool is_one_of(const char *entry, const char *const *names, size_t n)
{
    size_t len = strcspn(entry, "=");
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == len && strncmp(entry, names[i], len) == 0)
            return true;
    return false;
}

static bool is_allowed(const char *entry, const struct jobuser *user)
{
    if (user != NULL && user->name != NULL && is_one_of(entry, of_user, ARRAY_SIZE(of_user)))
        return false;
    return str_starts(entry, "LC_") || is_one_of(entry, allowed, ARRAY_SIZE(allowed));
}

/* "http://name:password@proxy:3128" is a credential of the host's; the proxy without it is not. */
static void add_entry(const char *entry, struct strlist *env)
{
    size_t name = strcspn(entry, "=");
    bool proxy = name >= 6 && strncasecmp(entry + name - 6, "_proxy", 6) == 0;
    const char *value = entry[name] == '=' ? entry + name + 1 : "";
    const char *scheme = strstr(value, "://");
    const char *host = scheme != NULL ? scheme + 3 : value;
    const char *at = memrchr(host, '@', strcspn(host, "/"));
    if (proxy && at != NULL)
        strlist_addf(env, "%.*s%s", (int)(host - entry), entry, at + 1);
    else
        strlist_add(env, entry);
}

static void add_user(const struct jobuser *user, struct strlist *env)
{
    strlist_addf(env, "HOME=%s/home", user->tmp_dir);
    strlist_addf(env, "TMPDIR=%s", user->tmp_dir);
    strlist_addf(env, "USER=%s", user->name);
    strlist_addf(env, "LOGNAME=%s", user->name);
    strlist_add(env, "SHELL=/bin/bash");
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

void script_environment(const struct jobuser *user, const cJSON *outputs, struct strlist *ret)
{
    for (char **entry = environ; *entry != NULL; entry++)
        if (is_allowed(*entry, user))
            add_entry(*entry, ret);
    if (user != NULL && user->name != NULL)
        add_user(user, ret);
    if (getenv("PATH") == NULL)
        strlist_add(ret, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    add_outputs(outputs, ret);
}

/* Not to be ended itself in the middle, by the news that its guard has died (guard.h). */
static size_t end_undisturbed(double grace, struct strlist *left)
{
    sigset_t orphaned, before;
    sigemptyset(&orphaned);
    sigaddset(&orphaned, PROCESS_ORPHANED);
    sigprocmask(SIG_BLOCK, &orphaned, &before);
    size_t alive = process_end_descendants(grace, left);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return alive;
}

static void end_leftovers(const char *of, const struct process_end *end)
{
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    size_t alive = end_undisturbed(end->orphaned ? 0 : GRACE, &left);
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    for (size_t i = 0; i < left.n; i++)
        strbuf_addf(&names, "%s%s", i > 0 ? ", " : "", left.v[i]);
    if (left.n > 0)
        log_warn("%s has left %zu process%s running, which %s ended: %s", of, left.n,
                 left.n == 1 ? "" : "es", left.n == 1 ? "was" : "were", names.buf);
    if (alive > 0)
        log_warn("%zu of them could not be ended; they may keep this job from finishing", alive);
}

/* Copies the script behind a first command that closes the descriptor it comes by, so that no other
 * program gets it; on the script's own first line, which is a comment, so that lines keep their
 * numbers. */
static int copy_script(int from, int to)
{
    static const char first[] = "exec 9<&-; ";
    _Static_assert(PROCESS_HANDED_FD == 9, "the first command closes it");
    if (write(to, first, sizeof(first) - 1) != (ssize_t)sizeof(first) - 1)
        return -1;
    ssize_t n;
    while ((n = sendfile(to, from, NULL, (size_t)1 << 30)) > 0)
        ;
    return (int)n;
}

/*
 * The runner's script is its own, mode 0700, in a directory that is, too. So the job's user gets a
 * copy in memory, which is sealed: nobody can change it any more, and it is gone with its readers.
 */
static int hand_over(const char *path, int *ret, struct err *err)
{
    _cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot read the script '%s'", path);
    _cleanup_close_ int to = memfd_create("script", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (to < 0 || copy_script(from, to) < 0 ||
        fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot hand the script over");
    *ret = fcntl(to, F_DUPFD_CLOEXEC, PROCESS_HANDED_FD + 1);
    return *ret >= 0 ? 0 : err_set_errno(err, ERR_HOST, errno, "cannot hand the script over");
}

/* Runs it as the user, if there is one, and ends what it leaves. `of` names it where that is told.
 */
static int run_as(const struct jobuser *user, const struct script_tool *tool,
                  const struct strlist *env, const char *of, struct process_end *ret,
                  struct err *err)
{
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    _cleanup_close_ int namespace = -1;
    bool in_namespace = tool->namespace_root && user->name != NULL;
    if (in_namespace && usernamespace_make(&user->ids, user->name, &namespace, err) < 0)
        return -1;
    if (user->sandbox)
        sandbox_argv(user, &words);
    for (char *const *word = tool->argv; *word != NULL; word++)
        strlist_add(&words, *word);
    const struct process process = {
        .file = words.v[0],
        .argv = words.v,
        .env = env->v,
        .directory = tool->directory != NULL ? tool->directory : user->tmp_dir,
        .user = user->name != NULL ? &user->ids : NULL,
        .handed = tool->handed,
        .out = tool->out,
        .errors = tool->errors,
        .death_signal = SIGKILL,
        .forward = tool->cancel == NULL,
        .group = user->sandbox,
        .seconds = tool->seconds,
        .namespace = in_namespace ? namespace : 0,
        .cancel = tool->cancel,
    };
    process_adopt_orphans();
    if (process_run(&process, ret, err) < 0)
        return -1;
    end_leftovers(of, ret);
    return 0;
}

/* The last of two entries with one name would not count, for getenv(3) takes the first. */
static void override_environment(const struct strlist *over, struct strlist *env)
{
    for (size_t i = 0; over != NULL && i < over->n; i++) {
        size_t name = strcspn(over->v[i], "=") + 1;
        size_t at = 0;
        while (at < env->n && strncmp(env->v[at], over->v[i], name) != 0)
            at++;
        if (at == env->n) {
            strlist_add(env, over->v[i]);
            continue;
        }
        free(env->v[at]);
        env->v[at] = xstrdup(over->v[i]);
    }
}

/* Within a sandbox it is another program that does not find it. */
static int check_program(const char *name, struct err *err)
{
    _cleanup_free_ char *path =
        strchr(name, '/') != NULL ? xstrdup(name) : process_find_program(name);
    if (path == NULL || (*path == '/' && access(path, F_OK) < 0))
        return err_set(err, ERR_NOT_FOUND, "there is no program '%s'%s", name,
                       path == NULL ? " in PATH" : "");
    return 0;
}

/*
 * What is handed over is nobody else's, but any process of the user could read it from the program.
 * One that forks and ends without pause is never seen by who looks for leftovers; killing all that
 * the user has at once ends it too. Where the user has other jobs as well, theirs must live.
 */
static int clear_user(const struct jobuser *user, struct err *err)
{
    _cleanup_strlist_ struct strlist left = STRLIST_INIT;
    if (!user->alone)
        return 0;
    size_t alive = process_kill_user(&user->ids, &left);
    if (alive > 0)
        return err_set(err, ERR_HOST,
                       "%zu processes of user '%s' cannot be killed: nothing secret is handed to a "
                       "program beside them",
                       alive, user->name);
    return 0;
}

/*
 * A program does what the files in HOME say, which a script can write: buildah and podman run the
 * program that ~/.config/containers/registries.conf names as a credential helper. So what is handed
 * something has an empty one, made when nothing runs any more that could write there. TMPDIR's own
 * place is root's, and what is in it goes with the job.
 */
static int make_home(const struct jobuser *user, struct strlist *env, struct err *err)
{
    _cleanup_free_ char *name = random_name("home-", 8);
    _cleanup_close_ int tmp = -1, home = -1;
    if (user->name == NULL)
        return 0; /* berth's own, like all that its scripts read */
    if (file_open_dir(user->tmp_dir, &tmp, err) < 0)
        return -1;
    if (mkdirat(tmp, name, 0700) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot make a directory in '%s'",
                             user->tmp_dir);
    if (file_open_dir_beneath(tmp, name, &home, err) < 0)
        return -1;
    if (fchown(home, user->ids.uid, user->ids.gid) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot hand a directory in '%s' over",
                             user->tmp_dir);
    strlist_addf(env, "HOME=%s/%s", user->tmp_dir, name);
    return 0;
}

int script_run_tool(const struct jobuser *user, const struct script_tool *tool,
                    struct process_end *ret, struct err *err)
{
    _cleanup_strlist_ struct strlist env = STRLIST_INIT, home = STRLIST_INIT;
    if (check_program(tool->argv[0], err) < 0 ||
        (tool->handed != 0 && (clear_user(user, err) < 0 || make_home(user, &home, err) < 0)))
        return -1;
    script_environment(user, NULL, &env);
    override_environment(&home, &env);
    if (tool->namespace_root && user->name != NULL)
        usernamespace_environment(&user->ids, &env);
    override_environment(tool->env, &env);
    _cleanup_free_ char *of = xasprintf("'%s'", tool->argv[0]);
    return run_as(user, tool, &env, of, ret, err);
}

int script_run(const char *path, const cJSON *outputs, struct process_end *ret, struct err *err)
{
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    _cleanup_close_ int memory = -1;
    /* bash would end with 127 for it, as if the job had asked for a command that is not there. */
    if (access(path, R_OK) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot read the runner's script '%s'", path);
    if (jobuser_of_job(NULL, &user, err) < 0 ||
        (user.name != NULL && hand_over(path, &memory, err) < 0))
        return -1;
    script_environment(&user, outputs, &env);
    char *const argv[] = { (char *)"bash", (char *)(user.name != NULL ? "/dev/fd/9" : path), NULL };
    const struct script_tool bash = { .argv = argv, .handed = user.name != NULL ? memory : 0 };
    if (run_as(&user, &bash, &env, "the script", ret, err) < 0)
        return err_wrap(err, user.sandbox ? "a script needs bwrap, env and bash in PATH"
                                          : "a script needs bash in PATH");
    return 0;
}
