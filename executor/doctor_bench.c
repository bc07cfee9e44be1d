/* SPDX-License-Identifier: MIT */
#include "executor/doctor_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/account.h"
#include "executor/base/file.h"
#include "executor/toolwork.h"
#include "executor/wipe.h"

void doctor_bench_release(struct doctor_bench *b)
{
    _cleanup_err_ struct err left = ERR_INIT;
    closep(&b->work_fd);
    closep(&b->directory_fd);
    if (b->directory != NULL)
        (void)wipe_tree(b->directory, &left);
    free(b->directory);
    free(b->work);
    jobuser_release(&b->user);
}

/* As jobuser_claim(), without a claim: what is tried here is no job. */
static int set_user(struct doctor_bench *b, struct err *err)
{
    const cJSON *setting = json_get(b->host, "user");
    const cJSON *first = cJSON_IsArray(setting) ? setting->child : setting;
    if (geteuid() != 0 || first == NULL)
        return 0;
    if (account_find(first->valuestring, &b->user.ids, err) < 0)
        return -1;
    b->user.name = xstrdup(first->valuestring);
    b->user.sandbox = json_str(b->host, "sandbox") != NULL;
    return 0;
}

/* A new directory of ours, which nobody but root and us can have put another in the place of: who
 * could, would be given what he likes. */
static int open_own(const char *directory, int *ret_fd, struct err *err)
{
    struct stat st;
    if (file_check_parents(directory, err) < 0)
        return -1;
    _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot open '%s'", directory);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_HOST, "'%s' is user %u's, who has put it there", directory,
                       (unsigned)st.st_uid);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int make_directory(struct doctor_bench *b, const char *template, struct err *err)
{
    _cleanup_free_ char *directory = xstrdup(template);
    if (mkdtemp(directory) == NULL)
        return err_set_errno(err, ERR_HOST, errno, "cannot make '%s'", directory);
    if (open_own(directory, &b->directory_fd, err) < 0) {
        (void)rmdir(directory);
        return -1;
    }
    b->directory = steal_ptr(&directory);
    return 0;
}

static int make_work(struct doctor_bench *b, struct err *err)
{
    b->work = xasprintf("%s/work", b->directory);
    if (fchmod(b->directory_fd, 0711) < 0 || mkdirat(b->directory_fd, "work", 0700) < 0 ||
        (b->user.name != NULL && fchownat(b->directory_fd, "work", b->user.ids.uid, b->user.ids.gid,
                                          AT_SYMLINK_NOFOLLOW) < 0))
        return err_set_errno(err, ERR_HOST, errno, "cannot make '%s'", b->work);
    b->user.builds_dir = xstrdup(b->work);
    b->user.cache_dir = xstrdup(b->work);
    b->user.tmp_dir = xstrdup(b->work);
    return file_open_dir(b->work, &b->work_fd, err);
}

int doctor_bench_init(struct doctor_bench *b, const cJSON *host, const char *directory,
                      struct err *err)
{
    b->host = host;
    return set_user(b, err) < 0 || make_directory(b, directory, err) < 0 ? -1 : make_work(b, err);
}

/* A job has a HOME and a TMPDIR that are there; here they are one. */
static int run(const struct tool_job *job, const struct tool_call *call, struct tool_end *ret,
               struct err *err)
{
    const struct doctor_bench *b = job->runner;
    _cleanup_strlist_ struct strlist env = STRLIST_INIT;
    struct tool_call tried = *call;
    strlist_addf(&env, "HOME=%s", b->work);
    strlist_addf(&env, "TMPDIR=%s", b->work);
    for (size_t i = 0; call->env != NULL && i < call->env->n; i++)
        strlist_add(&env, call->env->v[i]);
    tried.env = &env;
    return tool_run_as(&b->user, job, &tried, ret, err);
}

struct tool_job doctor_bench_job(const struct doctor_bench *b)
{
    return (struct tool_job){ .host = b->host,
                              .checkout = b->work_fd,
                              .path = b->work,
                              .tmp = b->work,
                              .runner = (void *)b,
                              .run = run };
}
