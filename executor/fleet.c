/* SPDX-License-Identifier: MIT */
#include "executor/fleet.h"

#include <inttypes.h>

#include "drivers/ecs.h"
#include "drivers/tagged.h"
#include "executor/base/log.h"

static const char *const kinds[] = { "production", "ephemeral" };

/* --- where --- */

static void add_place(struct fleet *f, const char *region, const char *role_arn)
{
    for (size_t i = 0; i < f->n_places; i++)
        if (str_eq(f->places[i].region, region) && str_eq(f->places[i].role_arn, role_arn))
            return;
    f->places = xrealloc_array(f->places, f->n_places + 1, sizeof(*f->places));
    f->places[f->n_places++] = (struct place){ .region = region, .role_arn = role_arn };
}

static void find_places(struct fleet *f, const struct hostconfig *h, int64_t project)
{
    const cJSON *one;
    cJSON_ArrayForEach (one, json_get(h->json, "projects")) {
        int64_t id;
        if (str_to_int64(one->string, 1, INT64_MAX, &id) < 0 || (project != 0 && id != project))
            continue;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
            const cJSON *kind = json_get(one, kinds[i]);
            if (kind != NULL)
                add_place(f, json_str(kind, "region"), json_str(kind, "roleArn"));
        }
    }
}

static const struct place *place_of(const struct fleet *f, const struct environment *e)
{
    for (size_t i = 0; i < f->n_places; i++)
        if (str_eq(f->places[i].region, e->region) && str_eq(f->places[i].role_arn, e->role_arn))
            return &f->places[i];
    return NULL;
}

/* --- who --- */

/* Two roles may see one account. */
static struct fleet_item *find_item(const struct fleet *f, const struct place *place,
                                    int64_t project, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        struct fleet_item *item = &f->v[i];
        if (item->project == project && str_eq(item->name, name) &&
            str_eq(item->place->region, place->region) &&
            str_eq(item->place->account, place->account))
            return item;
    }
    return NULL;
}

/* The item that a resource with these tags is of, or NULL if it is none of a project that is asked
 * for. Of the refs that its resources tell, any will do: identifying it proves it. */
static struct fleet_item *item_of(struct fleet *f, const struct hostconfig *h, int64_t only,
                                  const struct place *place, const cJSON *tags)
{
    int64_t project;
    const char *name = json_str(tags, "Environment"), *id = json_str(tags, "berth:project");
    if (name == NULL || id == NULL || str_to_int64(id, 1, INT64_MAX, &project) < 0 ||
        hostconfig_project(h, project) == NULL || (only != 0 && only != project))
        return NULL;
    struct fleet_item *item = find_item(f, place, project, name);
    if (item == NULL) {
        f->v = xrealloc_array(f->v, f->n + 1, sizeof(*f->v));
        item = &f->v[f->n++];
        *item = (struct fleet_item){ .name = xstrdup(name), .project = project, .place = place };
    }
    const char *ref = json_str(tags, "berth:ref");
    if (item->ref == NULL && ref != NULL)
        item->ref = tag_text(ref);
    return item;
}

void fleet_identify(struct fleet_item *item, const struct fleet *f, const struct hostconfig *h)
{
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    _cleanup_err_ struct err refused = ERR_INIT;
    if (item->ref == NULL) {
        item->why = xstrdup("its tags do not tell its branch");
        return;
    }
    if (environment_of_branch(item->project, item->ref, h, &e, &refused) < 0) {
        item->why = xstrdup(refused.message);
        return;
    }
    const struct place *own = place_of(f, &e);
    if (!str_eq(e.name, item->name)) {
        item->why = xasprintf("its branch's environment is '%s' by the host config", e.name);
    } else if (own != NULL && own->account == NULL) {
        item->why = xstrdup("whether this is the account that it would be in by the host config "
                            "cannot be told");
    } else if (own == NULL || !str_eq(own->region, item->place->region) ||
               !str_eq(own->account, item->place->account)) {
        item->why = xasprintf("by the host config it would be in %s of account %s", e.region,
                              own != NULL ? own->account : "another");
    } else {
        item->place = own;
        item->environment = e;
        e = (struct environment)ENVIRONMENT_INIT;
    }
}

/* --- what AWS tells --- */

/* What is being looked at. */
struct search {
    struct fleet *f;
    const struct hostconfig *h;
    int64_t project; /* 0: all */
    const struct place *place;
    struct session *s;
};

static void take_cluster(const struct search *q, const cJSON *cluster)
{
    if (str_eq(json_str(cluster, "status"), "INACTIVE"))
        return;
    _cleanup_json_ cJSON *tags = tags_from_list(json_get(cluster, "tags"), "key", "value");
    if (!str_eq(json_str(tags, "Environment"), json_str(cluster, "clusterName")))
        return;
    struct fleet_item *item = item_of(q->f, q->h, q->project, q->place, tags);
    if (item == NULL)
        return;
    item->has_cluster = true;
    item->pipeline = ecs_pipeline_read(tags);
    if (ecs_expiry_read(tags, &item->expires) < 0)
        item->expires = 0;
}

static int read_clusters(const struct search *q, struct err *err)
{
    _cleanup_json_ cJSON *arns = NULL;
    if (aws_call_all(q->s, "ecs", "ListClusters", NULL, "clusterArns", &arns, err) < 0)
        return -1;
    while (arns->child != NULL) {
        _cleanup_json_ cJSON *clusters = NULL;
        if (ecs_clusters_describe(q->s, arns, &clusters, err) < 0)
            return -1;
        const cJSON *cluster;
        cJSON_ArrayForEach (cluster, clusters)
            take_cluster(q, cluster);
    }
    return 0;
}

/* The ids of the projects that are asked for. */
static cJSON *project_ids(const struct search *q)
{
    cJSON *ids = cJSON_CreateArray();
    const cJSON *one;
    cJSON_ArrayForEach (one, json_get(q->h->json, "projects")) {
        int64_t id;
        if (str_to_int64(one->string, 1, INT64_MAX, &id) == 0 &&
            (q->project == 0 || q->project == id))
            json_push_str(ids, one->string);
    }
    return ids;
}

/* Revisions that were deregistered, and their tags, stay for good: they tell of every environment
 * that there has ever been.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html */
static bool is_history(const char *arn)
{
    return strstr(arn, ":task-definition/") != NULL;
}

static int read_index(const struct search *q, struct err *err)
{
    _cleanup_json_ cJSON *ids = project_ids(q);
    const cJSON *id;
    /* One at a time: a filter takes 20 values. */
    cJSON_ArrayForEach (id, ids) {
        _cleanup_json_ cJSON *found = NULL;
        if (tagged_find(q->s, "berth:project", id->valuestring, NULL, &found, err) < 0)
            return -1;
        const cJSON *one;
        cJSON_ArrayForEach (one, found) {
            if (is_history(json_str(one, "ResourceARN")))
                continue;
            struct fleet_item *item =
                item_of(q->f, q->h, q->project, q->place, json_get(one, "Tags"));
            if (item != NULL && item->place == q->place) /* another role sees the same again */
                item->tagged++;
        }
    }
    return 0;
}

static int read_place(struct search *q, struct place *place, const char *session_name,
                      struct cancel *cancel, struct err *err)
{
    _cleanup_(session_freep) struct session *s = NULL;
    const struct session_options options = {
        .region = place->region,
        .role_arn = place->role_arn,
        .session_name = session_name,
        .rates = json_get(q->h->json, "rates"),
        .cancel = cancel,
    };
    const char *account;
    if (session_open(&options, &s, err) < 0 || session_account(s, &account, err) < 0)
        return -1;
    place->account = xstrdup(account);
    q->place = place;
    q->s = s;
    return read_clusters(q, err) < 0 || read_index(q, err) < 0 ? -1 : 0;
}

static int compare_items(const void *a, const void *b)
{
    const struct fleet_item *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (order == 0)
        order = strcmp(x->place->region, y->place->region);
    return order != 0 ? order : strcmp(x->place->account, y->place->account);
}

int fleet_find(const struct hostconfig *h, int64_t project, const char *session_name,
               struct cancel *cancel, struct fleet *ret, struct err *err)
{
    _cleanup_fleet_ struct fleet f = FLEET_INIT;
    struct search q = { .f = &f, .h = h, .project = project };
    find_places(&f, h, project);
    for (size_t i = 0; i < f.n_places; i++) {
        struct place *place = &f.places[i];
        if (read_place(&q, place, session_name, cancel, &place->err) == 0)
            continue;
        if (place->err.class == ERR_CANCELLED)
            return err_move(err, &place->err);
        err_wrap(&place->err, "the environments in %s%s%s", place->region,
                 place->role_arn != NULL ? " as " : "",
                 place->role_arn != NULL ? place->role_arn : "");
        log_warn("not all are known: %s", place->err.message);
    }
    for (size_t i = 0; i < f.n; i++) {
        fleet_identify(&f.v[i], &f, h);
        if (f.v[i].environment.time_to_live == 0)
            f.v[i].expires = 0;
    }
    if (f.n > 0)
        qsort(f.v, f.n, sizeof(*f.v), compare_items);
    *ret = f;
    f = (struct fleet)FLEET_INIT;
    return 0;
}

int fleet_verdict(const struct fleet *f, struct err *err)
{
    for (size_t i = 0; i < f->n_places; i++) {
        if (f->places[i].err.class == ERR_NONE)
            continue;
        err_copy(err, &f->places[i].err);
        return -1;
    }
    return 0;
}

cJSON *fleet_unread_to_json(const struct fleet *f)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < f->n_places; i++) {
        const struct place *place = &f->places[i];
        if (place->err.class == ERR_NONE)
            continue;
        cJSON *item = json_push(list, cJSON_CreateObject());
        json_put_str(item, "region", place->region);
        json_put_str(item, "roleArn", place->role_arn);
        json_put_str(item, "error", place->err.message);
    }
    return list;
}

void fleet_release(struct fleet *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->v[i].name);
        free(f->v[i].ref);
        free(f->v[i].why);
        environment_release(&f->v[i].environment);
    }
    for (size_t i = 0; i < f->n_places; i++) {
        free(f->places[i].account);
        err_release(&f->places[i].err);
    }
    free(f->v);
    free(f->places);
    *f = (struct fleet)FLEET_INIT;
}
