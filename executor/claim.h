/* SPDX-License-Identifier: MIT */
#ifndef BERTH_CLAIM_H
#define BERTH_CLAIM_H

/*
 * Which jobs run as a user now: a file for each in <lockDir>/jobs/<user>, root's, and one in the
 * job's own directory (the record). All of one user's are read and written under the user's lock, a
 * flock(2) on that directory, held by whoever has a struct claims open; the kernel frees it with
 * its holder. So that the end of a job which has left a million files holds up those who want to be
 * its user, and nobody else.
 *
 * A claim is alive while its record is there and either the runner that made it is, or a stage
 * holds the record. Ending a job begins with unlinking the record, so that no stage can start
 * anything any more, and ends when no stage holds it.
 */

#include "executor/base/json.h"
#include "executor/base/process.h"

#define CLAIM_RECORD "berth-user.json"

/* The claims on one user, as written; the member "file" is the name of each. */
struct claims {
    char *jobs; /* <lockDir>/jobs */
    char *path; /* the user's directory in it */
    int fd;     /* -1: not open */
    cJSON *alive;
    cJSON *dead; /* of jobs that are no more, and have not been ended */
};
#define CLAIMS_INIT                                                                                \
    {                                                                                              \
        .fd = -1                                                                                   \
    }
#define _cleanup_claims_ _cleanup_(claims_release)

/*
 * Takes the user's lock, and reads. `jobs` is <lockDir>/jobs; ERR_HOST if somebody else could write
 * there, or in place of it. The first waits for whoever has the lock; the second returns without
 * it, and with ret->fd -1.
 */
int claims_open(const char *jobs, const char *user, struct claims *ret, struct err *err);
int claims_try(const char *jobs, const char *user, struct claims *ret, struct err *err);
void claims_release(struct claims *c);

/* Ends what is left of the dead (claim_end). One that will not go is said, and counts as alive: its
 * user stays out of use. */
void claims_end_dead(struct claims *c);
/* The same for every user that nobody is at work on. */
void claims_sweep(const char *jobs);

/* How many jobs other than that in `directory` (may be NULL) run as the user. */
size_t claims_count(const struct claims *c, const char *directory);
/*
 * Writes the claim and then the record. `claim` has the members user, uid, gid, builds, cache, tmp
 * and sandbox; added are directory, jobs, runner and started. `runner` is the process that berth
 * was started by, from before there was anything to wait for: ERR_HOST if it has died since, for
 * whoever has become the parent then may live on for ever, and the claim with it.
 */
int claim_write(const struct claims *c, const char *directory, pid_t runner, cJSON *claim,
                struct err *err);
/* Writes the record alone: of a job that has no user. */
int claim_note(const char *directory, const cJSON *note, struct err *err);
/*
 * Ends a job: what runs as its user, what it has left behind, its record, its claim. Where other
 * jobs run as the same user, only what its TMPDIR marks. ERR_HOST if something will not go; the
 * claim then stays.
 */
int claim_end(const struct claims *c, const cJSON *claim, struct strlist *left, struct err *err);
/* The claim of the job in `directory`, alive or dead, or NULL. */
const cJSON *claims_find(const struct claims *c, const char *directory);

#endif
