/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_SESSION_H
#define BERTH_DRIVERS_AWS_SESSION_H

/*
 * What a session consists of: known to the files that open, use and free it, not to drivers.
 * Everything but `account`, `principal`, `silent` and `created` is set before the first call and
 * stays.
 */

#include <stdatomic.h>

#include "drivers/aws/client.h"
#include "drivers/aws/created.h"
#include "drivers/aws/credentials.h"
#include "drivers/aws/record.h"

struct session {
    char *region;
    struct cancel *cancel; /* the caller's */
    struct record record;

    session_answer answer; /* who answers instead of AWS, or NULL */
    void *context;

    struct session *home; /* of a session for another region: whose credentials, rates and record
                           * it uses; else NULL */
    struct transport *transport; /* these four: NULL in a fake */
    struct rates *rates;
    struct credentials *host;        /* the runner host's own */
    struct credentials *credentials; /* what calls are signed with: the role's, or host's again */

    struct created created;   /* what this session created a moment ago */
    atomic_bool role_changed; /* whether it created or changed an IAM role */

    uv_mutex_t mutex;
    struct strlist silent; /* guarded by mutex: the regions that were waited for in vain */
    /* Guarded by mutex; once set they stay. */
    char *account;
    char *principal; /* the ARN of the role that is assumed, or as GetCallerIdentity names it */
};

/* That no answer came from a region in the time that a session for it had. Thread-safe. */
void session_note_silence(struct session *home, const char *region);

#endif
