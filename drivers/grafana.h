/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_GRAFANA_H
#define BERTH_DRIVERS_GRAFANA_H

/*
 * Who may use an environment's Grafana: users, their roles in the organization, and who sees which
 * folder. No resources of AWS's, and no part of a deploy: a job of its own, which waits until
 * Grafana answers, reads what is there, and writes what differs.
 *
 * A user that is there keeps name, e-mail and password. A viewer sees the folder of its company;
 * the folder "main" is kept for Editors and Admins. Of a folder that the spec implies the whole
 * list of permissions is the spec's: what else it holds goes. One of berth's making that it no
 * longer implies loses the users that the spec has elsewhere; all else of it is left as it is.
 *
 * A user who cannot be made as wanted stops none of the others. Passwords are read only of those
 * who are to be created, and are known to the redactor before they are sent.
 */

#include "drivers/aws/retry.h"
#include "drivers/resource.h"
#include "drivers/rest.h"

#define GRAFANA_MAIN_FOLDER "main"

/* What a run is made of. Everything is the caller's and outlives it. */
struct grafana_request {
    const struct graph *graph; /* of the environment: what its spec wants */
    const char *(*lookup)(void *context, const char *name); /* the job's variables */
    void *variables;
    const char *ca_file; /* the host config's grafana.caFile; or NULL */
    double poll_first;   /* seconds before the second look; 0: 2 */
    double poll_max;     /* the longest pause between two looks; 0: 15 */
    bool plan;           /* say what would be changed, and change nothing */
    struct cancel *cancel;
};

/* A value that stands in a variable of the job, or that a secret holds. */
struct grafana_secret {
    char *origin; /* the spec's member that names it, or the variable */
    char *secret; /* where it is; NULL: */
    char *value;  /* what it is, once it is known */
};

struct grafana_user {
    char *origin; /* "grafana.users[1]", "user 2 of the lists GRAFANA_USER_*" */
    char *name;
    char *email;
    char *login;
    struct grafana_secret password;
    const char *role; /* in the organization, "Editor" or "Viewer" */
    char *folder;     /* a viewer's; else NULL */
    int64_t id;       /* in Grafana; 0: not known */
};

struct grafana {
    const struct grafana_request *request;
    struct session *session; /* the caller's */
    struct rest *rest;       /* NULL before grafana_await() */
    char *url;
    double timeout; /* seconds that Grafana has to come up; one answer takes no more either */
    char *login;    /* the administrator's */
    struct grafana_secret password;
    struct grafana_user *users;
    size_t n_users;
    cJSON *members;          /* of the organization, as GET /api/org/users has them */
    bool hopeless;           /* the last answer is what every other request would get */
    unsigned changes;        /* writes that were carried out, or would be */
    struct strlist shorts;   /* passwords that are too short for the redactor */
    struct strlist failures; /* what is not as wanted and why, a line each */
    enum err_class class;    /* of the first of them */
};

/*
 * Reads who is wanted, from the spec and the job's variables, without a call. What is wrong is
 * ERR_USER: all of it for the lists, the first for the rest. The caller frees *ret.
 */
int grafana_new(const struct grafana_request *request, struct grafana **ret, struct err *err);
void grafana_free(struct grafana *g);
static inline void grafana_freep(struct grafana **g)
{
    grafana_free(*g);
}
/*
 * Once: reads the administrator's password and waits until Grafana answers, which it says every 30
 * seconds. A plan looks once: *ret_there says whether Grafana was there.
 */
int grafana_await(struct grafana *g, struct session *s, bool *ret_there, struct err *err);
/* Makes users, roles and folders as wanted, or says what it would do, and says the verdict. */
int grafana_work(struct grafana *g, struct err *err);
/* What a plan says of a Grafana that is not there. */
void grafana_say_absent(const struct grafana *g);

/* --- what the files of the driver share -------------------------------------------------- */

/* Sends a request, again as long as that helps. *ret is the caller's, also after a failure; 401,
 * 403 and redirects are failures that concern all there is. */
int grafana_call(struct grafana *g, const char *method, const char *path, const cJSON *body,
                 struct rest_answer *ret, struct err *err);
/* For an answer that the caller does not expect: what Grafana says to it; -1. */
int grafana_refuse(const struct grafana *g, const struct rest_answer *answer, struct err *err);
/* Why Grafana refuses something; no secret in it. The caller frees it. */
char *grafana_reason(const struct grafana *g, const struct rest_answer *answer);
/* The secret's value, read if it is not known yet; secret->value's. */
int grafana_secret_value(struct grafana *g, struct grafana_secret *secret, struct err *err);
/* Whether an error ends the run, because all that follows would meet with it, too. */
bool grafana_is_fatal(const struct grafana *g, const struct err *err);
/* Notes that something is not as wanted and why; the first such error decides the run's class. */
void grafana_fail(struct grafana *g, const struct err *err, const char *fmt, ...) _printf_(3, 4);
/* Says what was done, "created user 'x'", or what would be. */
void grafana_say_change(struct grafana *g, const char *verb, const char *fmt, ...) _printf_(3, 4);

/* Who is wanted; in grafana_settings.c. */
int grafana_read_settings(struct grafana *g, struct err *err);
/* Whether the users of a spec's "grafana" can be; ERR_USER. */
int grafana_check_users(const cJSON *config, struct err *err);
/* The items of a comma-separated list, without the blanks around them; "" has one, empty. */
void grafana_split(const char *text, struct strlist *ret);
/* The folder of a company: its name in lower case, with hyphens for blanks, up to a '|'; "" if
 * nothing is left of it. The caller frees it. */
char *grafana_folder_name(const char *company);

/* Creates users and sets their roles; in grafana_users.c. */
int grafana_make_users(struct grafana *g, struct err *err);
/* Creates folders and sets their permissions; in grafana_folders.c. */
int grafana_make_folders(struct grafana *g, struct err *err);
/* Of a list of a folder's permissions, as Grafana tells or takes them: those that count, one text
 * each, sorted ("role Editor: 2", "user 7: 1"). */
void grafana_permission_texts(const cJSON *list, struct strlist *ret);

#endif
