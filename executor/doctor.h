/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DOCTOR_H
#define BERTH_DOCTOR_H

/*
 * `berth doctor`: looks at a runner host and says, a line for each thing it looked at, whether it
 * is as it should be, and what to do where it is not. It leaves nothing behind, and it looks as the
 * user who runs it: what only root may read, only root is told about.
 */

#include "executor/hostconfig.h"

enum symptom_level { SYMPTOM_OK, SYMPTOM_WARN, SYMPTOM_FAIL };

struct symptom {
    enum symptom_level level;
    char *subject; /* what was looked at: "config.toml", "clock" */
    char *found;   /* what there is */
    char *cure;    /* what to do; NULL if nothing */
};

struct doctor {
    struct symptom *v;
    size_t n;
    struct hostconfig host; /* empty while it cannot be read */
};
#define DOCTOR_INIT                                                                                \
    {                                                                                              \
        .n = 0                                                                                     \
    }
#define _cleanup_doctor_ _cleanup_(doctor_release)

/*
 * Looks at everything. `runner_config` is GitLab Runner's file, `programs` the directory of berth's
 * own. Nothing that is wrong ends it early.
 */
void doctor_examine(struct doctor *d, const char *runner_config, const char *programs);
/* The parts of it. */
void doctor_runner(struct doctor *d, const char *runner_config, const char *programs);
void doctor_host(struct doctor *d);
void doctor_user(struct doctor *d, const char *runner_config);
void doctor_tools(struct doctor *d);
void doctor_cache(struct doctor *d);
void doctor_aws(struct doctor *d);

/* The directory, or the nearest one above it that is there; the caller frees it. */
char *doctor_nearest_directory(const char *path);

/* Whether cron or at would take jobs of a user: one who is in `allow` where that is there, else one
 * who is not in `deny` where that is; else as `otherwise` says. crontab(1), at.allow(5). */
bool doctor_may_schedule(const char *allow, const char *deny, const char *name, bool otherwise);

/* Whether systemd's unit for a user's own services is masked in a directory of units. */
bool doctor_is_masked(const char *units, unsigned uid);

/* Notes one thing; "what there is" is formatted. cure may be NULL. */
void doctor_note(struct doctor *d, enum symptom_level level, const char *subject, const char *cure,
                 const char *fmt, ...) _printf_(5, 6);
bool doctor_has_failed(const struct doctor *d);
void doctor_to_text(const struct doctor *d, struct strbuf *out);
/* Schema "berth-doctor/1"; the caller owns it. */
cJSON *doctor_to_json(const struct doctor *d);
void doctor_release(struct doctor *d);

#endif
