/* SPDX-License-Identifier: MIT */
#ifndef BERTH_JOBUSER_H
#define BERTH_JOBUSER_H

/*
 * Whom a job's scripts run as, and the directories that are theirs. The host config's "user" names
 * one user for all jobs, or a list of which each job has one to itself while it runs.
 *
 * `config` claims a user for the job and writes down which, in the job's own directory (the
 * runner's TMPDIR, root's, mode 0700: out of the scripts' reach); the stages read it there, and
 * `cleanup` gives the user back. So a claim says nothing about AWS or an environment, and lives no
 * longer than its job: one whose directory or whose runner is gone counts for nothing.
 *
 * What is true of a user from a list while no job has claimed it: no process of it lives, and it
 * owns no file in /tmp, /var/tmp, /run/lock or /dev/shm, no message queue, no semaphore. That is
 * made so when the user is given back, and once more when it is claimed.
 *
 * Directories, all root's but the innermost:
 *
 *     buildsDir/<user>/<project>[-protected]/   checkouts; only the running job's are the user's,
 *     cacheDir/<user>/<project>[-protected]/    those of other projects are shut (0700, root's)
 *     buildsDir/<user>/tmp/<job>/               TMPDIR; HOME is in it; gone with the job
 */

#include "executor/base/process.h"
#include "executor/hostconfig.h"

struct jobuser {
    char *name; /* NULL: the user that berth itself runs as */
    struct process_user ids;
    char *builds_dir;
    char *cache_dir;
    char *tmp_dir; /* NULL with no name: the runner's own */
    bool sandbox;
    bool alone; /* nobody but this job runs as it: it is one of a list */
    int record; /* held open while the job may start anything as the user; else -1 */
};
#define JOBUSER_INIT                                                                               \
    {                                                                                              \
        .name = NULL, .record = -1                                                                 \
    }
#define _cleanup_jobuser_ _cleanup_(jobuser_release)

/*
 * For config: claims a user for the job in `directory`, makes its directories, and writes down what
 * jobuser_of_job() then reads. ERR_HOST if all users are taken, or none can be used.
 */
int jobuser_claim(const struct hostconfig *h, const char *directory, struct jobuser *ret,
                  struct err *err);
/*
 * For the stages: what config has claimed. `h` may be NULL for who needs no directories where there
 * is no user; it is then read only if config has noted nothing. ERR_HOST if the host config names a
 * user but none is claimed: whatever was to run must not, for it would run as root.
 */
int jobuser_of_job(const struct hostconfig *h, struct jobuser *ret, struct err *err);
/* For cleanup: ends all that runs as the job's user, removes what it has left and gives it back.
 * Fine to call again. The names of what was ended are added to *left, which may be NULL. */
int jobuser_end(const char *directory, struct strlist *left, struct err *err);
void jobuser_release(struct jobuser *user);

/*
 * Whether scripts are kept from the credentials that deploy. -1 with ERR_HOST says why they are not
 * and what to do about it.
 */
int jobuser_check_isolation(const struct hostconfig *h, struct err *err);

/* The job's own directory, which the runner has made, from TMPDIR; NULL if there is none. */
const char *jobuser_directory(void);

#endif
