/* SPDX-License-Identifier: MIT */
/*
 * Folders of Grafana, and who sees what is in them.
 * https://grafana.com/docs/grafana/latest/developers/http_api/folder/,
 * https://grafana.com/docs/grafana/latest/developers/http_api/folder_permissions/
 */
#include <inttypes.h>

#include "drivers/aws/digest.h"
#include "drivers/grafana.h"
#include "executor/base/log.h"

/* "The uid can have a maximum length of 40 characters"; letters, digits, '-' and '_' alone. */
#define UID_MAX   40
#define UID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
/* "the default is 1000" for the most folders that one page has. */
#define PAGE       1000
#define PAGES_MAX  10
#define HASH_BYTES 16
/* Folders that berth has not made, of which it asks who may see them: a request for each. */
#define LOOKED_AT_MAX 100

enum permission_level { MAY_VIEW = 1, MAY_EDIT = 2 };

static void keep(const cJSON *folders, cJSON *ret)
{
    const cJSON *folder;
    cJSON_ArrayForEach (folder, folders) {
        cJSON *kept = cJSON_CreateObject();
        json_put_str(kept, "title", json_str(folder, "title"));
        json_put_str(kept, "uid", json_str(folder, "uid"));
        json_push(ret, kept);
    }
}

/* The folders at the root, of what GET /api/folders tells of each what matters here; the caller
 * owns *ret. */
static int read_folders(struct grafana *g, cJSON **ret, struct err *err)
{
    _cleanup_json_ cJSON *all = cJSON_CreateArray();
    for (unsigned page = 1; page <= PAGES_MAX; page++) {
        _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
        _cleanup_free_ char *path = xasprintf("/api/folders?limit=%d&page=%u", PAGE, page);
        if (grafana_call(g, "GET", path, NULL, &answer, err) < 0)
            return err_wrap(err, "the folders");
        if (answer.response.status != 200)
            return grafana_refuse(g, &answer, err);
        if (!cJSON_IsArray(answer.body))
            return err_set(err, ERR_FAILED, "Grafana's list of folders is none");
        size_t n = json_count(answer.body);
        keep(answer.body, all);
        if (n < PAGE) {
            *ret = steal_ptr(&all);
            return 0;
        }
    }
    return err_set(err, ERR_USER,
                   "Grafana has %d folders at its root, or more: berth reads no more of them, and "
                   "cannot tell which are missing; delete what nobody needs",
                   PAGE * PAGES_MAX);
}

/*
 * The uid of a folder that berth makes: its title, where that can be one. Of our own choice, so
 * that two jobs do not make two folders of one title, which later versions of Grafana allow, and so
 * that it is known again: those that people make get one from Grafana. The caller frees it.
 */
static char *uid_of(const char *title)
{
    if (strlen(title) <= UID_MAX && strspn(title, UID_CHARS) == strlen(title))
        return xstrdup(title);
    _cleanup_free_ char *hash = digest_text(title, HASH_BYTES);
    return xasprintf("berth-%s", hash);
}

/* A folder is the one of that title; else of its uid, whose title somebody has changed. */
static const char *find_uid(const cJSON *folders, const char *name)
{
    _cleanup_free_ char *uid = uid_of(name);
    const cJSON *folder = json_find(folders, "title", name);
    if (folder == NULL)
        folder = json_find(folders, "uid", uid);
    return json_str(folder, "uid");
}

static int create_folder(struct grafana *g, const char *name, char **ret_uid, struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    _cleanup_json_ cJSON *body = cJSON_CreateObject();
    _cleanup_free_ char *chosen = uid_of(name);
    json_put_str(body, "title", name);
    json_put_str(body, "uid", chosen);
    if (grafana_call(g, "POST", "/api/folders", body, &answer, err) < 0)
        return -1;
    int status = answer.response.status;
    const char *uid = json_str(answer.body, "uid");
    if (status == 200 && uid != NULL) {
        *ret_uid = xstrdup(uid);
        grafana_say_change(g, "created", "the folder '%s'", name);
        return 0;
    }
    if (status != 409 && status != 412)
        return status == 200 ? err_set(err, ERR_FAILED, "Grafana does not say the folder's uid")
                             : grafana_refuse(g, &answer, err);
    /* Somebody was faster, or an answer was lost. */
    _cleanup_json_ cJSON *folders = NULL;
    if (read_folders(g, &folders, err) < 0)
        return -1;
    if (find_uid(folders, name) == NULL)
        return grafana_refuse(g, &answer, err);
    *ret_uid = xstrdup(find_uid(folders, name));
    return 0;
}

/* --- permissions ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "Permissions cannot be set for Admins - they always have access to everything"; what a folder has
 * from the one it lies in is not its own. */
static void add_permission(const cJSON *item, struct strlist *ret)
{
    int64_t level = json_int(item, "permission", 0);
    int64_t user = json_int(item, "userId", 0), team = json_int(item, "teamId", 0);
    const char *role = json_str(item, "role");
    _cleanup_free_ char *text = NULL;
    if (json_bool(item, "inherited", false) || str_eq(role, "Admin"))
        return;
    if (user != 0)
        text = xasprintf("user %" PRId64 ": %" PRId64, user, level);
    else if (team != 0)
        text = xasprintf("team %" PRId64 ": %" PRId64, team, level);
    else
        text = xasprintf("role %s: %" PRId64, role != NULL ? role : "", level);
    if (!strlist_has(ret, text))
        strlist_add(ret, text);
}

void grafana_permission_texts(const cJSON *list, struct strlist *ret)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, list)
        add_permission(item, ret);
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare);
}

static bool are_equal(const cJSON *a, const cJSON *b)
{
    _cleanup_strlist_ struct strlist x = STRLIST_INIT, y = STRLIST_INIT;
    grafana_permission_texts(a, &x);
    grafana_permission_texts(b, &y);
    bool equal = x.n == y.n;
    for (size_t i = 0; equal && i < x.n; i++)
        equal = str_eq(x.v[i], y.v[i]);
    return equal;
}

static bool sees(const struct grafana_user *u, const char *folder)
{
    return str_eq(u->folder, folder);
}

static void add_viewer(cJSON *items, int64_t id)
{
    cJSON *viewer = json_push(items, cJSON_CreateObject());
    json_put_int(viewer, "userId", id);
    json_put_int(viewer, "permission", MAY_VIEW);
}

/* The beginning of what POST /api/folders/:uid/permissions takes; the caller owns it. */
static cJSON *for_editors(void)
{
    cJSON *items = cJSON_CreateArray();
    cJSON *editors = json_push(items, cJSON_CreateObject());
    json_put_str(editors, "role", "Editor");
    json_put_int(editors, "permission", MAY_EDIT);
    return items;
}

/* Editors edit, the company's viewers view; the caller owns it. */
static cJSON *wanted_permissions(const struct grafana *g, const char *folder)
{
    cJSON *items = for_editors();
    for (size_t i = 0; i < g->n_users; i++) {
        const struct grafana_user *u = &g->users[i];
        if (sees(u, folder) && u->id != 0)
            add_viewer(items, u->id);
    }
    return items;
}

/* In a plan, users who are still to be created have no id yet. */
static bool lacks_ids(const struct grafana *g, const char *folder)
{
    for (size_t i = 0; i < g->n_users; i++)
        if (sees(&g->users[i], folder) && g->users[i].id == 0)
            return g->request->plan;
    return false;
}

/* The caller frees it. */
static char *permissions_path(const char *uid)
{
    struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/api/folders/");
    strbuf_add_percent(&path, uid, strlen(uid));
    strbuf_adds(&path, "/permissions");
    return strbuf_detach(&path);
}

static int read_permissions(struct grafana *g, const char *path, cJSON **ret, struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    if (grafana_call(g, "GET", path, NULL, &answer, err) < 0)
        return -1;
    if (answer.response.status != 200)
        return grafana_refuse(g, &answer, err);
    if (!cJSON_IsArray(answer.body))
        return err_set(err, ERR_FAILED, "Grafana's list of permissions is none");
    *ret = steal_ptr(&answer.body);
    return 0;
}

static int write_permissions(struct grafana *g, const char *path, const cJSON *items,
                             struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    _cleanup_json_ cJSON *body = cJSON_CreateObject();
    json_put(body, "items", json_dup(items));
    if (grafana_call(g, "POST", path, body, &answer, err) < 0)
        return -1;
    return answer.response.status == 200 ? 0 : grafana_refuse(g, &answer, err);
}

static void say_permissions(struct grafana *g, const char *folder)
{
    _cleanup_strbuf_ struct strbuf who = STRBUF_INIT;
    for (size_t i = 0; i < g->n_users; i++)
        if (sees(&g->users[i], folder) && (g->users[i].id != 0 || g->request->plan))
            strbuf_addf(&who, "%s '%s'", who.len > 0 ? "," : ", to be seen by", g->users[i].login);
    grafana_say_change(g, "kept", "the folder '%s' for Editors%s", folder, who.buf);
}

static int set_permissions(struct grafana *g, const char *folder, const char *uid, struct err *err)
{
    _cleanup_free_ char *path = permissions_path(uid);
    _cleanup_json_ cJSON *wanted = wanted_permissions(g, folder), *have = NULL;
    if (read_permissions(g, path, &have, err) < 0)
        return -1;
    if (are_equal(wanted, have) && !lacks_ids(g, folder))
        return 0;
    if (!g->request->plan && write_permissions(g, path, wanted, err) < 0)
        return -1;
    say_permissions(g, folder);
    return 0;
}

static int make_folder(struct grafana *g, const cJSON *folders, const char *name, struct err *err)
{
    const char *there = find_uid(folders, name);
    _cleanup_free_ char *uid = there != NULL ? xstrdup(there) : NULL;
    if (uid == NULL && g->request->plan) {
        grafana_say_change(g, "created", "the folder '%s'", name);
        say_permissions(g, name);
        return 0;
    }
    if (uid == NULL && create_folder(g, name, &uid, err) < 0)
        return -1;
    return set_permissions(g, name, uid, err);
}

/* --- folders of companies that no viewer has any more ------------------------------------- */

static const char *login_of(const struct grafana *g, int64_t id)
{
    for (size_t i = 0; id != 0 && i < g->n_users; i++)
        if (g->users[i].id == id)
            return g->users[i].login;
    return NULL;
}

/* The list, which is_as_written(), without the users that the spec has elsewhere, whose logins are
 * added to *gone: those it knows, and no others. The caller owns it. */
static cJSON *without_gone(const struct grafana *g, const cJSON *list, struct strbuf *gone)
{
    cJSON *items = for_editors();
    const cJSON *item;
    cJSON_ArrayForEach (item, list) {
        int64_t user = json_int(item, "userId", 0);
        const char *login = login_of(g, user);
        if (user == 0 || json_bool(item, "inherited", false))
            continue;
        if (login == NULL)
            add_viewer(items, user);
        else
            strbuf_addf(gone, "%s'%s'", gone->len > 0 ? ", " : "", login);
    }
    return items;
}

/* Whether all that the list says is what berth writes: Editors edit, users view. */
static bool is_as_written(const cJSON *list)
{
    bool editors = false;
    _cleanup_strlist_ struct strlist texts = STRLIST_INIT;
    grafana_permission_texts(list, &texts);
    for (size_t i = 0; i < texts.n; i++) {
        const char *colon = strchr(texts.v[i], ':');
        if (str_eq(texts.v[i], "role Editor: 2"))
            editors = true;
        else if (!str_starts(texts.v[i], "user ") || !str_eq(colon, ": 1"))
            return false;
    }
    return editors;
}

/* Who has moved to another company may see the old one's folder no longer. One that is not berth's
 * own may have been the company's all the same, if its list looks like one of berth's: berth takes
 * folders by their titles, which people change. */
static int close_folder(struct grafana *g, const char *title, const char *uid, bool own,
                        struct err *err)
{
    _cleanup_free_ char *path = permissions_path(uid);
    _cleanup_json_ cJSON *have = NULL, *items = NULL;
    _cleanup_strbuf_ struct strbuf gone = STRBUF_INIT;
    if (read_permissions(g, path, &have, err) < 0)
        return -1;
    items = without_gone(g, have, &gone);
    bool as_written = is_as_written(have);
    if (gone.len == 0 || (!own && !as_written))
        return 0;
    if (!own) {
        log_warn("the folder '%s' can be seen by %s, whom the spec has elsewhere: berth has not "
                 "made it, so it is left as it is; see to it in Grafana",
                 title, gone.buf);
        return 0;
    }
    if (!as_written) {
        log_warn("the folder '%s' can be seen by %s, whom the spec has elsewhere: somebody has "
                 "changed its permissions, so it is left as it is; see to it in Grafana",
                 title, gone.buf);
        return 0;
    }
    if (!g->request->plan && write_permissions(g, path, items, err) < 0)
        return -1;
    grafana_say_change(g, "closed", "the folder '%s' to %s, whom the spec has elsewhere", title,
                       gone.buf);
    return 0;
}

/* --- all of them ------------------------------------------------------------------------- */

/* A failure of one folder is its own, unless all would fail of it. */
static int note(struct grafana *g, const char *folder, struct err *failure, struct err *err)
{
    if (grafana_is_fatal(g, failure))
        return err_move(err, failure);
    grafana_fail(g, failure, "the folder '%s': %s", folder, failure->message);
    return 0;
}

/* What berth has not made is none of its failures either. */
static int look_at_other(struct grafana *g, const char *title, const char *uid, struct err *err)
{
    _cleanup_err_ struct err failure = ERR_INIT;
    if (close_folder(g, title, uid, false, &failure) == 0)
        return 0;
    if (grafana_is_fatal(g, &failure))
        return err_move(err, &failure);
    log_warn("cannot tell who sees the folder '%s', which berth has not made: %s", title,
             failure.message);
    return 0;
}

/* Only what berth has made is closed; *others counts what it has not. */
static int close_if_left(struct grafana *g, const cJSON *folder, const struct strlist *wanted,
                         size_t *others, struct err *err)
{
    const char *title = json_str(folder, "title"), *uid = json_str(folder, "uid");
    if (title == NULL || uid == NULL || strlist_has(wanted, title))
        return 0;
    _cleanup_free_ char *own = uid_of(title);
    if (!str_eq(uid, own))
        return ++*others <= LOOKED_AT_MAX ? look_at_other(g, title, uid, err) : 0;
    _cleanup_err_ struct err failure = ERR_INIT;
    return close_folder(g, title, uid, true, &failure) < 0 ? note(g, title, &failure, err) : 0;
}

static int close_left(struct grafana *g, const cJSON *folders, const struct strlist *wanted,
                      struct err *err)
{
    size_t others = 0;
    const cJSON *folder;
    cJSON_ArrayForEach (folder, folders)
        if (close_if_left(g, folder, wanted, &others, err) < 0)
            return -1;
    if (others > LOOKED_AT_MAX)
        log_info("of %zu folders that berth has not made it has looked at %d: who has moved may "
                 "see others still",
                 others, LOOKED_AT_MAX);
    return 0;
}

int grafana_make_folders(struct grafana *g, struct err *err)
{
    _cleanup_strlist_ struct strlist names = STRLIST_INIT;
    _cleanup_json_ cJSON *folders = NULL;
    strlist_add(&names, GRAFANA_MAIN_FOLDER);
    for (size_t i = 0; i < g->n_users; i++)
        if (g->users[i].folder != NULL && !strlist_has(&names, g->users[i].folder))
            strlist_add(&names, g->users[i].folder);
    if (read_folders(g, &folders, err) < 0)
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        _cleanup_err_ struct err failure = ERR_INIT;
        if (make_folder(g, folders, names.v[i], &failure) < 0 &&
            note(g, names.v[i], &failure, err) < 0)
            return -1;
    }
    return close_left(g, folders, &names, err);
}
