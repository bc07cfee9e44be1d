/* SPDX-License-Identifier: MIT */
#include "executor/sweep.h"

#include <inttypes.h>

#include "drivers/ecs.h"
#include "executor/base/log.h"
#include "executor/destroy.h"

/* --- deciding --- */

static char *over_since(time_t expires)
{
    char date[32];
    clock_iso_date(expires, date, sizeof(date));
    return xasprintf("its time to live was over at %s", date);
}

enum sweep_reason sweep_decide(const struct fleet_item *item, const struct branches *branches,
                               time_t now, char **ret_why)
{
    if (item->environment.name == NULL) {
        *ret_why = xstrdup(item->why);
        return SWEEP_KEEP;
    }
    if (!str_eq(item->environment.kind, "ephemeral")) {
        *ret_why = xasprintf("it is %s", item->environment.kind);
        return SWEEP_KEEP;
    }
    if (branches != NULL && !branches_have(branches, item->ref)) {
        *ret_why = xstrdup("its branch is gone");
        return SWEEP_GONE;
    }
    if (item->expires > 0 && item->expires <= now) {
        *ret_why = over_since(item->expires);
        return SWEEP_OVER;
    }
    *ret_why = xstrdup(branches != NULL ? "its branch is there" : "its time to live is not over");
    return SWEEP_KEEP;
}

/* Nothing would ever be swept, which is not what somebody means who sweeps. */
static int check_config(const struct hostconfig *h, struct err *err)
{
    const cJSON *project;
    cJSON_ArrayForEach (project, json_get(h->json, "projects"))
        if (json_str_at(project, "ephemeral/timeToLive") != NULL)
            return 0;
    if (gitlab_is_configured(h))
        return 0;
    return err_set(err, ERR_HOST,
                   "'%s' tells no reason to sweep anything: give it \"gitlab\", to ask which "
                   "branches there are, or a kind \"ephemeral\" a \"timeToLive\"",
                   h->path);
}

static bool has_ephemeral(const struct sweep *s, int64_t project)
{
    for (size_t i = 0; i < s->fleet.n; i++)
        if (s->fleet.v[i].project == project && str_eq(s->fleet.v[i].environment.kind, "ephemeral"))
            return true;
    return false;
}

static void keep_all(struct sweep *s, int64_t project)
{
    for (size_t i = 0; i < s->n; i++) {
        struct sweep_item *item = &s->v[i];
        if (item->item->project != project)
            continue;
        item->reason = SWEEP_KEEP;
        item->why = xstrdup("which branches there are is not known");
    }
}

static void decide_all(struct sweep *s, int64_t project, const struct branches *branches)
{
    time_t now = time(NULL);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].item->project == project)
            s->v[i].reason = sweep_decide(s->v[i].item, branches, now, &s->v[i].why);
}

/* One project: whatever GitLab answers that is not the whole list keeps all that it has. */
static int decide_project(struct sweep *s, int64_t project, struct err *err)
{
    if (s->gitlab == NULL || !has_ephemeral(s, project)) {
        decide_all(s, project, NULL);
        return 0;
    }
    _cleanup_branches_ struct branches branches;
    _cleanup_err_ struct err failure = ERR_INIT;
    branches_init(&branches);
    if (gitlab_branches(s->gitlab, project, &branches, &failure) == 0) {
        decide_all(s, project, &branches);
        return 0;
    }
    if (failure.class == ERR_CANCELLED)
        return err_move(err, &failure);
    keep_all(s, project);
    log_warn("nothing of project %" PRId64 " is swept: %s", project, failure.message);
    if (s->refused.class == ERR_NONE) {
        err_move(&s->refused, &failure);
        err_wrap(&s->refused, "nothing is swept where the branches are not known");
    }
    return 0;
}

static struct errand_request errand_of(const struct sweep *s, const struct fleet_item *item)
{
    const struct sweep_request *q = s->request;
    return (struct errand_request){
        .host = q->host,
        .environment = &item->environment,
        .project = item->project,
        .ref = item->ref,
        .who = q->who,
        .session_name = q->session_name,
        .cancel = q->cancel,
    };
}

/* The index of the tagging API has what is long gone: only its own Describe tells whether anything
 * of an environment without a cluster is there. One that cannot be looked at may be there, and
 * keeps nobody from the others: if it is to be swept, that will fail and say why. */
static int is_there(const struct sweep *s, const struct fleet_item *item, bool *ret,
                    struct err *err)
{
    _cleanup_destroy_ struct destroy d = DESTROY_INIT;
    *ret = true;
    if (item->has_cluster || item->environment.name == NULL)
        return 0;
    const struct errand_request errand = errand_of(s, item);
    _cleanup_err_ struct err failure = ERR_INIT;
    if (destroy_look(&d, &errand, &failure) == 0)
        *ret = destroy_has_work(&d);
    else if (failure.class == ERR_CANCELLED)
        return err_move(err, &failure);
    else
        log_warn("what is left of '%s' cannot be told: %s", item->name, failure.message);
    return 0;
}

static int take_fleet(struct sweep *s, struct err *err)
{
    s->v = xcalloc(s->fleet.n + 1, sizeof(*s->v));
    for (size_t i = 0; i < s->fleet.n; i++) {
        bool there;
        if (is_there(s, &s->fleet.v[i], &there, err) < 0)
            return -1;
        if (there)
            s->v[s->n++].item = &s->fleet.v[i];
    }
    return 0;
}

int sweep_look(struct sweep *s, const struct sweep_request *q, struct err *err)
{
    s->request = q;
    if (check_config(q->host, err) < 0 ||
        (gitlab_is_configured(q->host) && gitlab_open(q->host, q->cancel, &s->gitlab, err) < 0) ||
        fleet_find(q->host, q->project, q->session_name, q->cancel, &s->fleet, err) < 0 ||
        take_fleet(s, err) < 0)
        return -1;
    const cJSON *project;
    cJSON_ArrayForEach (project, json_get(q->host->json, "projects")) {
        int64_t id;
        if (str_to_int64(project->string, 1, INT64_MAX, &id) == 0 &&
            (q->project == 0 || q->project == id) && decide_project(s, id, err) < 0)
            return -1;
    }
    return 0;
}

size_t sweep_count(const struct sweep *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->v[i].reason != SWEEP_KEEP;
    return n;
}

/* --- doing --- */

/* One that is being swept. */
struct sweeping {
    const struct sweep *sweep;
    const struct sweep_item *item;
    bool began; /* its first removals are done */
};

/* A time to live stands on the cluster. Once that is removed nobody uses what comes back, unless a
 * deploy has made another cluster. */
static bool is_still_over(const struct sweeping *w, const struct graph *g)
{
    const struct resource *cluster = graph_find_name(g, &ecs_cluster_type, w->item->item->name);
    time_t expires;
    if (cluster == NULL || cluster->have == NULL)
        return w->began;
    return ecs_expiry_read(cluster->tags, &expires) == 0 && expires <= time(NULL);
}

/* With the lock held: a push, or a deploy, may have come before it, or meanwhile. */
static int confirm(void *asker, const struct graph *g, bool *ret, struct err *err)
{
    const struct sweeping *w = asker;
    const struct fleet_item *item = w->item->item;
    if (w->item->reason == SWEEP_OVER) {
        *ret = is_still_over(w, g);
        return 0;
    }
    return gitlab_branch_is_gone(w->sweep->gitlab, item->project, item->ref, ret, err);
}

static void spare(struct sweep_item *item)
{
    item->result = SWEEP_SPARED;
    log_info("'%s' is kept: it is in use again%s", item->item->name,
             item->removed > 0 ? "; deploy its branch to make it whole" : "");
}

static int destroy_one(const struct sweep *s, struct sweep_item *item,
                       const struct errand_request *errand, struct err *err)
{
    _cleanup_destroy_ struct destroy d = DESTROY_INIT;
    struct sweeping sweeping = { .sweep = s, .item = item };
    bool confirmed = false;
    if (destroy_check(errand->host, errand->project, errand->environment, err) < 0)
        return -1;
    errand_begin(&d.errand, errand);
    if (errand_lock(&d.errand, err) < 0 || destroy_look(&d, errand, err) < 0 ||
        confirm(&sweeping, d.graph, &confirmed, err) < 0)
        return -1;
    if (!confirmed) {
        spare(item);
        return 0;
    }
    destroy_say_plan(&d);
    d.confirm = confirm;
    d.asker = &sweeping;
    sweeping.began = true;
    int r = destroy_has_work(&d) ? destroy_carry_out(&d, err) : 0;
    item->removed = d.removed;
    if (r < 0)
        return -1;
    if (d.spared) {
        spare(item);
        return 0;
    }
    destroy_say_verdict(&d);
    item->result = SWEEP_DESTROYED;
    return 0;
}

static void sweep_one(struct sweep *s, struct sweep_item *item)
{
    const struct errand_request errand = errand_of(s, item->item);
    if (cancel_is_set(s->request->cancel)) {
        item->result = SWEEP_FAILED;
        err_set(&item->err, ERR_CANCELLED, "cancelled before it was its turn");
        return;
    }
    log_info("sweeping '%s' of '%s': %s", item->item->name, item->item->ref, item->why);
    if (destroy_one(s, item, &errand, &item->err) == 0)
        return;
    item->result = SWEEP_FAILED;
    log_warn("'%s' is not swept: %s", item->item->name, item->err.message);
}

void sweep_carry_out(struct sweep *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].reason != SWEEP_KEEP)
            sweep_one(s, &s->v[i]);
}

int sweep_verdict(const struct sweep *s, struct err *err)
{
    unsigned failed = 0;
    const struct sweep_item *first = NULL;
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].result != SWEEP_FAILED)
            continue;
        first = failed++ == 0 ? &s->v[i] : first;
    }
    if (first != NULL) {
        err_copy(err, &first->err);
        return err_wrap(err, "%u environment%s could not be swept; '%s'", failed,
                        failed == 1 ? "" : "s", first->item->name);
    }
    if (s->refused.class == ERR_NONE)
        return fleet_verdict(&s->fleet, err);
    err_copy(err, &s->refused);
    return -1;
}

/* --- saying --- */

void sweep_say(const struct sweep *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct fleet_item *item = s->v[i].item;
        log_info("%s %s%s%s%s: %s", s->v[i].reason == SWEEP_KEEP ? "keep " : "sweep", item->name,
                 item->ref != NULL ? " of '" : "", item->ref != NULL ? item->ref : "",
                 item->ref != NULL ? "'" : "", s->v[i].why);
    }
    size_t n = sweep_count(s);
    log_info("%zu to sweep, %zu to keep", n, s->n - n);
}

int sweep_all(struct sweep *s, const struct sweep_request *q, bool writes, struct err *err)
{
    if (sweep_look(s, q, err) < 0)
        return -1;
    sweep_say(s);
    if (writes)
        sweep_carry_out(s);
    if (sweep_verdict(s, err) < 0)
        return -1;
    if (cancel_is_set(q->cancel))
        return err_set(err, ERR_CANCELLED, "cancelled: run it again to go on");
    if (!writes && sweep_count(s) > 0)
        log_info("this was a dry run: nothing was changed");
    return 0;
}

static cJSON *item_to_json(const struct sweep_item *item)
{
    static const char *const reasons[] = {
        [SWEEP_KEEP] = "keep", [SWEEP_GONE] = "branch gone", [SWEEP_OVER] = "time over"
    };
    static const char *const results[] = { [SWEEP_NONE] = "none",
                                           [SWEEP_DESTROYED] = "destroyed",
                                           [SWEEP_SPARED] = "spared",
                                           [SWEEP_FAILED] = "failed" };
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "environment", item->item->name);
    json_put_int(json, "project", item->item->project);
    json_put_str(json, "ref", item->item->ref);
    json_put_str(json, "account", item->item->place->account);
    json_put_str(json, "region", item->item->place->region);
    json_put_bool(json, "sweep", item->reason != SWEEP_KEEP);
    json_put_str(json, "reason", reasons[item->reason]);
    json_put_str(json, "why", item->why);
    json_put_str(json, "result", results[item->result]);
    json_put_int(json, "removed", item->removed);
    json_put_str(json, "error", item->err.message);
    return json;
}

cJSON *sweep_to_json(const struct sweep *s, const struct err *failure)
{
    cJSON *json = cJSON_CreateObject();
    json_put_str(json, "schema", "berth-sweep/1");
    json_put_bool(json, "succeeded", failure == NULL);
    if (failure != NULL)
        json_put_str(json, "error", failure->message);
    cJSON *list = json_put_array(json, "environments");
    for (size_t i = 0; i < s->n; i++)
        json_push(list, item_to_json(&s->v[i]));
    json_put(json, "unread", fleet_unread_to_json(&s->fleet));
    return json;
}

void sweep_release(struct sweep *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->v[i].why);
        err_release(&s->v[i].err);
    }
    free(s->v);
    gitlab_free(s->gitlab);
    err_release(&s->refused);
    fleet_release(&s->fleet);
    *s = (struct sweep)SWEEP_INIT;
}
