/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_RESOURCE_H
#define BERTH_DRIVERS_RESOURCE_H

/*
 * The model that engine and drivers share: resources, the graph they form, and references between
 * them.
 *
 * Wanted and observed state are JSON in the shape and field names of the AWS API. There is no
 * struct per kind of resource, hence one diff, one plan printer and one report.
 *
 * Who owns what: the graph owns its resources, a resource owns all its members. Drivers fill `want`
 * and needs in want(), before anything runs; `have`, `tags`, `outputs`, `memo` in discover(),
 * observe(), create() and update(), when the resource is theirs alone. Another resource's outputs
 * may be read when that one is ready, which is what a NEED_READY says; they do not change after
 * that. Of one that merely exists (NEED_EXISTS) read nothing but what references have put into
 * `target`: it may be with another thread at the same time.
 *
 * A reference is a value known only when another resource is there. It has one reserved form, the
 * object {"${}": TEMPLATE}; TEMPLATE is text with ${ADDRESS.OUTPUT} in it, a literal "${" written
 * as "$${". A template that is exactly one reference becomes the output's JSON value itself, so an
 * output may be an array; any other template becomes a string.
 */

#include <uv.h>

#include "drivers/aws/client.h"
#include "executor/base/json.h"
#include "executor/base/strmap.h"

struct driver;
struct graph;
struct resource;

enum scope {
    SCOPE_ENVIRONMENT, /* owned by one environment, proved by its tags */
    SCOPE_ACCOUNT,     /* shared by all branches: created if missing, updated only where
                          context.update_account, never removed */
    SCOPE_CHILD,       /* its parent's: the scope of the resource of type `parent` that it needs */
    SCOPE_LOOKUP,      /* only looked up, never written: a VPC, an image. Finding nothing is an
                          error only if something selected needs it; see resource_set_missing() */
};

enum replace {
    REPLACE_REFUSE, /* an immutable field that differs is the user's error */
    /* Under a second name; the old one is removed when all that used it uses the new one. Its
     * immutable fields refer to nothing but lookups. */
    REPLACE_CREATE_FIRST,
    /* What uses the old one lets go of it or is removed, the old one is removed, the new one is
     * created, and what used it comes back. */
    REPLACE_REMOVE_FIRST,
};

enum readiness {
    READY,
    WAITING, /* not yet; `why` says what for */
    FAILED,  /* and will not recover by waiting; `why` says the reason */
};

enum type_flags {
    TYPE_WHOLE = 1,       /* members of `have` that `want` lacks are differences too */
    TYPE_VERIFY_LAST = 2, /* observed and judged once more at the very end of an apply */
    TYPE_APPLICATION = 4, /* runs the user's code: not getting ready is ERR_UNHEALTHY, the user's */
    TYPE_PRECIOUS = 8,    /* holds data or an address: removed only where limits.allowReplace lists
                             the type's name or its driver's, or in a teardown */
    TYPE_GOES_WITH_PARENT = 16, /* a child that AWS removes with its parent: where that is removed,
                                   nothing is asked for it */
};

/*
 * A kind of resource. All functions are called on worker threads, for different resources at the
 * same time, block, and neither retry, sleep nor print.
 */
struct resource_type {
    const char *name;     /* "ecs.service" */
    const char *singular; /* "service", as log lines say it */
    const char *plural;   /* "services" */
    enum scope scope;
    enum replace replace;
    unsigned flags;
    unsigned batch;  /* how many resources one observe() takes; 0: any number */
    double deadline; /* seconds until a create, update or removal must be done; 0: 1200 */
    const char *const *immutable; /* NULL-ended JSON paths in want; or NULL */
    const char *const *sets;  /* NULL-ended members of want whose order means nothing; or NULL */
    const char *const *after; /* NULL-ended names of types observed before this one; or NULL */
    const char *parent;       /* SCOPE_CHILD: the name of its parent's type ("iam.role") */
    /* NULL-ended names of types: while this is there, those of them that it needs cannot be
     * removed, so it is replaced with them. A child is bound to its parent anyway. NULL: none. */
    const char *const *bound;
    /*
     * NULL-ended names of types: what a run removes of them must be gone before one of this type is
     * removed. A child goes before its parent anyway. NULL: none; whatever has no such order goes
     * at the same time.
     */
    const char *const *gone_first;
    /*
     * NULL-ended names of outputs that update() leaves as they are (an id, an ARN without a
     * revision). A reference to any other output of a resource that will be updated is known only
     * after that. NULL: update() may change every output.
     */
    const char *const *stable;

    /*
     * Called once per run before observe(): finds what is there and ours whether wanted or not, and
     * in whatever state; in a teardown nothing is wanted, and there may be no lookups to go by.
     * Adds what is not wanted with graph_found(). May also fill in resources of the graph that
     * it happens to read, setting their `observed`. NULL: only wanted ones are looked at. Whether
     * what was found is ours is decided by its tags; a child is reported only if its parent is
     * wanted, or found and resource_is_ours(), and counts as ours.
     */
    int (*discover)(struct session *s, struct graph *g, struct err *err);
    /*
     * Reads n resources, n <= batch: sets `have` (normalised like `want`; NULL: absent), `tags`
     * and `outputs`. Absence is no error. Also polled while waiting, then without discover().
     */
    int (*observe)(struct session *s, struct resource *const *r, size_t n, struct err *err);
    /*
     * Pure: is what observe(), create() or update() left in the resource ready for use? Never
     * called when `have` is NULL. NULL function: being there is being ready.
     */
    enum readiness (*judge)(const struct resource *r, struct strbuf *why);
    /*
     * From r->target (want with every reference resolved). ERR_EXISTS makes the engine look again
     * and go on from what is there. May leave `have` NULL: the engine then observes, as it does
     * after an update() that sets it to NULL.
     */
    int (*create)(struct session *s, struct resource *r, struct err *err);
    /* Brings r->have to r->target; r->changes says what differs. */
    int (*update)(struct session *s, struct resource *r, struct err *err);
    /*
     * Asks for the removal, one attempt: absent is success. ERR_BUSY, with the blocker named,
     * makes the engine try again until the deadline. The engine then observes until absent.
     * create() and update() may answer ERR_BUSY too, with the same effect.
     */
    int (*remove)(struct session *s, struct resource *r, struct err *err);
    /*
     * Before anything is removed, for all that goes at the same time: makes the rest quick, where
     * the context is a teardown, or keeps it quiet. One that is so removed already gets NULL for
     * `have`. A failure is a warning. NULL: nothing to do.
     */
    int (*wind_down)(struct session *s, struct resource *r, struct err *err);
    /*
     * Pure: what the resource, whose removal was asked for and which is still there, waits for:
     * "DRAINING, 2 of 3 tasks left". NULL, or no text: nothing is known.
     */
    void (*leaving)(const struct resource *r, struct strbuf *why);
    /*
     * Pure, before the removal: what makes something anew a while after r is gone, as Container
     * Insights does a log group, for people; NULL: nothing does. A teardown looks once more after
     * that while. NULL function: nothing does.
     */
    const char *(*echo)(const struct resource *r);
    /*
     * Makes r no longer use `other`, which it needs and which is about to be removed and created
     * anew; update() brings it back after that. Sets `have` to what is there then, or to NULL: the
     * engine then observes. Whatever is not of the types in `lets_go_of` (NULL-ended names; or
     * NULL) AWS lets go all the same.
     */
    const char *const *lets_go_of;
    int (*let_go)(struct session *s, struct resource *r, const struct resource *other,
                  struct err *err);
    /* REPLACE_CREATE_FIRST: the name of the new one, made from the immutable fields in r->target,
     * so that every run finds the same. Pure; the caller owns it. */
    char *(*second_name)(const struct resource *r);
    /*
     * Makes ours what is there under the name of a wanted resource and has nobody's ownership tags:
     * writes those of tags_wanted(), beside what tags it has. NULL: it is nobody's in that sense.
     */
    int (*adopt)(struct session *s, struct resource *r, struct err *err);
    /*
     * After a run that was cancelled, where the host's administrator has it so (onCancel): brings
     * back what there was of r before this run's first write to it, unless somebody else has
     * written since. Called for each that is wanted, whatever became of it; asks, and leaves it to
     * observe() and judge() to tell whether it has come about: absent, where it was not there
     * before, or ready. Says in `what` what was done ("it goes back to 'notifier:6'"), or why it is
     * left where *ret_done stays false ("..."); neither where this run has written nothing. NULL:
     * what was done stays.
     */
    int (*take_back)(struct session *s, struct resource *r, struct strbuf *what, bool *ret_done,
                     struct err *err);
    /*
     * After a run in which r failed, before anything is taken back: adds to `explanation`
     * (drivers/explanation.h) what those read who ask why, and a better cause than r's error where
     * there is one. Calls AWS, to read; what cannot be read is said in a line. Of the graph it
     * only reads, other resources too: several are explained at the same time. NULL: the error
     * says all.
     */
    void (*explain)(struct session *s, const struct resource *r, cJSON *explanation);
};

/* What a run is about. Strings live as long as the graph. */
struct context {
    const char *environment; /* "automation-8527fec8" */
    const char *subdomain;   /* "8527fec8" */
    const char *kind;        /* "production" or "ephemeral" */
    const char *prefix;      /* "automation" */
    const char *ref;         /* the branch */
    const char *region;
    const char *account;
    int64_t project;      /* GitLab's project id */
    int64_t pipeline;     /* 0: none (the command line) */
    const char *run;      /* what tells this run from all others; or NULL */
    bool takes_back;      /* what it has written, if it is cancelled */
    int64_t time_to_live; /* seconds that the environment lives without a deploy; 0: no limit */
    bool update_account;  /* shared resources may be updated: basic-infra on production */
    bool teardown;        /* nothing is wanted: all that is ours goes; there may be no spec */
    const cJSON *limits;  /* the host config's, for this kind; or NULL */
    /* An object in which a type's discover() keeps, under a name of its own, what it needs to know
     * when the same run looks again; NULL: there is one look. */
    cJSON *notes;
    int spec_dir; /* descriptor of the directory the spec lies in; -1: none */
};

enum need_kind {
    NEED_READY,  /* starts when the other is ready */
    NEED_EXISTS, /* starts as soon as the other is there */
};

struct need {
    struct resource *resource; /* NULL until graph_link() */
    enum need_kind kind;
    char *address; /* as it was asked for */
};

enum action { ACTION_NONE, ACTION_CREATE, ACTION_UPDATE, ACTION_REPLACE, ACTION_REMOVE };

enum progress {
    PROGRESS_PENDING,
    PROGRESS_RUNNING,  /* with a worker */
    PROGRESS_SETTLING, /* written; awaited */
    PROGRESS_DONE,
    PROGRESS_FAILED,
    PROGRESS_SKIPPED, /* not tried: something it needs failed, or the run was cancelled */
};

/* What became of a removal that was none: somebody else had done it, or it is not this run's. */
#define REMOVAL_GONE "gone already"
#define REMOVAL_LEFT "left alone"

/* In a resource's memo: true where it is AWS's affair, not the application's, that a resource with
 * TYPE_APPLICATION is not ready. */
#define RESOURCE_BLAMELESS "blameless"
/* In a resource's memo: why what is there, even if it is as wanted, may not be so for long. */
#define RESOURCE_UNSETTLED "unsettled"
/* In a resource's memo: true once this run has asked for its removal. */
#define RESOURCE_REMOVING "removing"
/* In a resource's memo: since when it is there, in seconds since 1970, where its kind tells. */
#define RESOURCE_CREATED "created"
/* In a resource's memo: true where update() has had AWS begin one of several steps, and ends with
 * ERR_BUSY to be called for the next. */
#define RESOURCE_BEGUN "begun"
/* In a resource's memo: true once what this run has begun of it does not go on: it is taken back,
 * or another has taken over. */
#define RESOURCE_RECALLED "recalled"

struct resource {
    /* Set when added, unchanged after. */
    struct graph *graph;
    size_t index; /* in graph->v */
    const struct resource_type *type;
    char *label;   /* as the spec calls it: "notifier" */
    char *name;    /* as AWS calls it: "automation-8527fec8-notifier"; see graph_rename() */
    char *address; /* "ecs.service/notifier", unique in the graph */
    char *origin;  /* where in the spec it comes from, a JSON path ("services.notifier"); or "" */
    struct need *needs;
    size_t n_needs;
    cJSON *want;     /* NULL: not wanted */
    double deadline; /* seconds until it must be as wanted; 0: its type's */

    /* Filled in by the driver. */
    cJSON *have;    /* NULL: absent */
    cJSON *tags;    /* object of strings; NULL where the kind has none */
    cJSON *outputs; /* object; never NULL */
    cJSON *memo;    /* object, the driver's notes within a run (operation ids...); never NULL.
                       "foreign", an array of texts, says what of it is not ours, where that is not
                       the whole */
    bool observed;

    /* The engine's. */
    cJSON *target;  /* want, resolved; valid in create() and update() */
    cJSON *changes; /* array of {"path", "from", "to"}; NULL before the plan */
    enum action action;
    const char *note; /* why the action is what it is, where that is not plain; static; or NULL */
    bool selected;    /* whether the job may act on it */
    bool wait;        /* unchanged, but not ready: apply awaits it */
    enum progress progress;
    struct err error;
    cJSON *explanation;             /* why it failed, see drivers/explanation.h; or NULL */
    char *waiting_for;              /* what judge() said last; or NULL */
    const char *instead;            /* what became of a removal that was none, static; or NULL */
    bool unseen;                    /* the last look was refused and passed over: nobody knows */
    double started, written, ended; /* clock_now(); 0: not (yet) */
    bool uncertain;                 /* a write has failed, and AWS may have carried it out */
    bool recalling;                 /* after a cancel, it is to be again what it was: awaited */
    atomic_bool throttled;          /* AWS has answered the worker's last call with a throttle */
};

/*
 * While types are being observed, workers add what they find. `v` and `n` may be read without the
 * mutex all the same: `v` never moves, and `n` grows after `v` holds the resource.
 */
struct graph {
    struct context context;
    const struct driver *const *drivers; /* NULL-ended; set by engine_want() */
    struct resource **v;                 /* in the order added, wanted ones first */
    _Atomic size_t n;
    struct strmap by_address, by_name; /* the same, "type/label" and "type/name" */
    struct resource **order; /* the wanted ones, each after all it needs; set by graph_link() */
    size_t n_order;
    struct strlist warnings;   /* for the log, in order; see graph_warn() */
    unsigned n_foreign;        /* in a teardown: what has a name of ours, and is not ours */
    _Atomic unsigned n_unseen; /* in a teardown: what berth may not look into; each is warned of */
    cJSON *capacity;           /* the spec's limits of what all environments run; or NULL */
    cJSON *grafana;            /* the spec's users of Grafana; or NULL */
    struct {
        char *alias;
        char *address;
    } * aliases;
    size_t n_aliases;
    uv_mutex_t mutex; /* guards adding, and warnings */
};

struct graph *graph_new(const struct context *context);
void graph_free(struct graph *g);
static inline void graph_freep(struct graph **g)
{
    graph_free(*g);
}

/*
 * Adds a wanted resource. Takes `want`. Two with one address are an ERR_USER that names `origin`.
 * *ret (may be NULL) is the graph's.
 */
int graph_add(struct graph *g, const struct resource_type *type, const char *label,
              const char *name, const char *origin, cJSON *want, struct resource **ret,
              struct err *err);
/* Adds, or finds by type and name, a resource that exists but may be unwanted. `label` may be NULL
 * (the name serves), and is not used if a wanted one has it. Thread-safe. */
struct resource *graph_found(struct graph *g, const struct resource_type *type, const char *label,
                             const char *name);
/* For discover(): a wanted resource of its type is there under another name, by which it is known
 * from now on. */
void graph_rename(struct resource *r, const char *name);
/*
 * Splits what is there off a resource that is to be created anew: the result, not wanted, has its
 * name, `have`, tags, outputs and memo; r has none of them and is called second_name, which is
 * taken. Not while others use the graph.
 */
struct resource *graph_split(struct resource *r, char *second_name);
/* Drops, and frees, every resource that is not to be kept; what is not wanted then stands behind
 * the rest, in the drivers' order of types and by name, whoever found it first. Not while others
 * use the graph. */
void graph_keep(struct graph *g, bool (*is_kept)(const struct resource *r));
/* By address ("ecs.service/notifier") or alias; NULL if there is none. */
struct resource *graph_find(const struct graph *g, const char *address);
/* By type and AWS name; NULL if there is none. */
struct resource *graph_find_name(const struct graph *g, const struct resource_type *type,
                                 const char *name);
/* Lets specs write ${alias.output} for a resource: graph_alias(g, "redis",
 * "elasticache.cluster/redis"). */
void graph_alias(struct graph *g, const char *alias, const char *address);
/* A line for the log, said once. Thread-safe. */
void graph_warn(struct graph *g, const char *fmt, ...) _printf_(2, 3);

/*
 * Says that r starts after the resource at `address` (or alias), which may be added later: that it
 * exists is checked by graph_link(). Of two needs for one resource NEED_READY counts; a reference
 * is a NEED_READY unless a need of its own says NEED_EXISTS.
 */
int resource_need(struct resource *r, const char *address, enum need_kind kind, struct err *err);
/*
 * After every driver has added its own: turns references in every want into needs, refuses
 * references to nothing (ERR_USER, with the origin and the nearest known name) and circles (named
 * member by member).
 */
int graph_link(struct graph *g, struct err *err);

/* A reference: ref_new("${security_group/%s.GroupId}", label). The caller owns it. */
cJSON *ref_new(const char *fmt, ...) _printf_(1, 2);
bool ref_is(const cJSON *value);
/* Whether a value holds a reference anywhere. */
bool ref_in(const cJSON *value);
/*
 * A copy of `value` with every reference resolved whose output is there and will not be changed by
 * an action that is still to come; the others stay. The caller owns it. *ret_known, where asked
 * for: nothing stayed.
 */
cJSON *ref_resolve(const struct graph *g, const cJSON *value, bool *ret_known);

void resource_set_output(struct resource *r, const char *output, const char *value);
void resource_set_have(struct resource *r, cJSON *have); /* takes it; NULL: absent */
/* The known address or alias nearest to one that is not known; NULL if none is near. */
const char *graph_nearest(const struct graph *g, const char *address);
/* What a message about it begins with: its origin, or its address where it has none. */
const char *resource_origin(const struct resource *r);
/* For an absent lookup: what was looked for and what to do, said if something needs it: "no image
 * in repository 'x' tagged 'y' or 'z': run x-build". */
void resource_set_missing(struct resource *r, const char *fmt, ...) _printf_(2, 3);
/* A string output of another resource, NULL while it has none. */
const char *resource_output(const struct graph *g, const char *address, const char *output);

/*
 * The tags that say whose a resource is: Environment, berth:project, berth:ref, berth:name (the
 * label), as an object. What tags cannot hold of ref and label stands in quoted-printable's manner
 * (=XX), cut to 256 characters. The caller owns it.
 */
cJSON *tags_wanted(const struct graph *g, const char *label);
/* The text that a tag's value stands for; NULL where it is not known whole. The caller frees it. */
char *tag_text(const char *value);
/* An object of tags as the list an API wants: [{key_name: k, value_name: v}, ...]; and back. */
cJSON *tags_to_list(const cJSON *tags, const char *key_name, const char *value_name);
cJSON *tags_from_list(const cJSON *list, const char *key_name, const char *value_name);
/* Whether r->tags are those of this graph's environment, project and ref, and not passed on by a
 * CloudFormation stack that holds it. */
bool resource_is_ours(const struct resource *r);
/* The same of tags alone, of something other than a stack that is no resource of the graph's. */
bool tags_are_ours(const struct graph *g, const cJSON *tags);

#endif
