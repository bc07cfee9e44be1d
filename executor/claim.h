/* SPDX-License-Identifier: MIT */
#ifndef BERTH_CLAIM_H
#define BERTH_CLAIM_H

/*
 * Which jobs run as which users now: a file for each in <lockDir>/jobs, root's, and one in the
 * job's own directory (the record). All are read and written under one lock, held by whoever has a
 * struct claims open; the kernel frees it with its holder.
 *
 * A claim is alive while its record is there and either the runner that made it is, or a stage
 * holds the record. Ending a job begins with unlinking the record, so that no stage can start
 * anything any more, and ends when no stage holds it.
 */

#include "executor/base/json.h"
#include "executor/base/process.h"

#define CLAIM_RECORD "berth-user.json"

struct claims {
    char *path;
    int fd;
    cJSON *list; /* the claims that are alive, as written; "file" is the name of each */
};
#define CLAIMS_INIT                                                                                \
    {                                                                                              \
        .path = NULL, .fd = -1                                                                     \
    }
#define _cleanup_claims_ _cleanup_(claims_release)

/* Takes the lock and reads. What is left of jobs that are no more is ended (claim_end). */
int claims_open(const char *path, struct claims *ret, struct err *err);
void claims_release(struct claims *c);

/* How many jobs other than that in `directory` (may be NULL) run as a user. */
size_t claims_count(const struct claims *c, const char *user, const char *directory);
/*
 * Writes the claim and then the record. `claim` has the members user, uid, gid, exclusive, builds,
 * cache, tmp and sandbox; added are directory, runner and started, the process that berth was
 * started by.
 */
int claim_write(const struct claims *c, const char *directory, cJSON *claim, struct err *err);
/* Writes the record alone: of a job that has no user. */
int claim_note(const char *directory, const cJSON *note, struct err *err);
/*
 * Ends a job: what runs as its user, what it has left behind, its record, its claim. Where other
 * jobs run as the same user, only what its TMPDIR marks. ERR_HOST if something will not go; the
 * claim then stays.
 */
int claim_end(const struct claims *c, const cJSON *claim, struct strlist *left, struct err *err);
/* The claim of the job in `directory`, or NULL. */
const cJSON *claims_find(const struct claims *c, const char *directory);

#endif
