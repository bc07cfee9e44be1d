/* SPDX-License-Identifier: MIT */
#include "executor/checkout.h"

#include "executor/base/file.h"
#include "executor/jobuser.h"

/* The project directory relative to buildsDir; NULL if it does not lie beneath it. */
static const char *relative_to(const char *builds_dir, const char *project_dir)
{
    size_t len = strlen(builds_dir);
    if (project_dir == NULL || strncmp(project_dir, builds_dir, len) != 0 ||
        project_dir[len] != '/')
        return NULL;
    return project_dir + len + 1;
}

int checkout_open(const struct hostconfig *h, int *ret_fd, struct err *err)
{
    _cleanup_jobuser_ struct jobuser user = JOBUSER_INIT;
    if (jobuser_of_job(h, &user, err) < 0)
        return -1;
    const char *builds_dir = user.builds_dir;
    const char *project_dir = getenv("CUSTOM_ENV_CI_PROJECT_DIR");
    const char *relative = relative_to(builds_dir, project_dir);
    if (relative == NULL)
        return err_set(err, ERR_USER,
                       "the project directory '%s' does not lie beneath '%s', where this job's "
                       "checkouts lie; is CI_PROJECT_DIR or GIT_CLONE_PATH set by the job?",
                       project_dir != NULL ? project_dir : "", builds_dir);
    _cleanup_close_ int builds = -1;
    if (file_open_dir(builds_dir, &builds, err) < 0)
        return -1;
    return file_open_dir_beneath(builds, relative, ret_fd, err);
}

int checkout_read_spec(const struct hostconfig *h, cJSON **ret, struct err *err)
{
    const char *spec = json_str(h->json, "spec");
    if (spec == NULL)
        spec = HOSTCONFIG_SPEC;
    _cleanup_close_ int fd = -1;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (checkout_open(h, &fd, err) < 0 ||
        file_read_beneath(fd, spec, JSON_FILE_MAX, &text, err) < 0)
        return -1;
    if (json_parse(text.buf, text.len, JSON_COMMENTS, ret, err) < 0) {
        err->class = ERR_USER;
        return err_wrap(err, "%s", spec);
    }
    return 0;
}
