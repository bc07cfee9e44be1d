/* SPDX-License-Identifier: MIT */
/*
 * Users of Grafana and their roles in the administrator's organization.
 * https://grafana.com/docs/grafana/latest/developers/http_api/admin/,
 * https://grafana.com/docs/grafana/latest/developers/http_api/org/
 */
#include <inttypes.h>

#include "drivers/grafana.h"

static int read_members(struct grafana *g, struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    if (grafana_call(g, "GET", "/api/org/users", NULL, &answer, err) < 0)
        return err_wrap(err, "the users of the organization");
    if (answer.response.status != 200)
        return grafana_refuse(g, &answer, err);
    if (!cJSON_IsArray(answer.body))
        return err_set(err, ERR_FAILED, "Grafana's list of the organization's users is none");
    json_freep(&g->members);
    g->members = steal_ptr(&answer.body);
    return 0;
}

static const cJSON *find_member(const struct grafana *g, const struct grafana_user *u)
{
    const cJSON *member;
    cJSON_ArrayForEach (member, g->members) {
        const char *login = json_str(member, "login");
        if (u->id != 0 ? json_int(member, "userId", 0) == u->id
                       : login != NULL && strcasecmp(login, u->login) == 0)
            return member;
    }
    return NULL;
}

/* Who has that login or e-mail; *ret is NULL if nobody has, else the caller's.
 * https://grafana.com/docs/grafana/latest/developers/http_api/user/ */
static int look_up(struct grafana *g, const char *login_or_email, cJSON **ret, struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/api/users/lookup?loginOrEmail=");
    strbuf_add_percent(&path, login_or_email, strlen(login_or_email));
    if (grafana_call(g, "GET", path.buf, NULL, &answer, err) < 0)
        return -1;
    int status = answer.response.status;
    if (status != 200 && status != 404)
        return grafana_refuse(g, &answer, err);
    *ret = status == 200 ? steal_ptr(&answer.body) : NULL;
    return 0;
}

static int take_id(struct grafana_user *u, const cJSON *object, const char *member, struct err *err)
{
    u->id = json_int(object, member, 0);
    if (u->id > 0)
        return 0;
    u->id = 0;
    return err_set(err, ERR_FAILED, "Grafana does not say its id");
}

/*
 * A user is there already, Grafana says, and means the login or the e-mail: 412, "User with email
 * '...' or username '...' already exists", in all versions; 409 is what it ought to be.
 */
static int find_existing(struct grafana *g, struct grafana_user *u,
                         const struct rest_answer *refused, struct err *err)
{
    _cleanup_json_ cJSON *by_login = NULL, *by_email = NULL;
    if (look_up(g, u->login, &by_login, err) < 0)
        return -1;
    const char *login = json_str(by_login, "login");
    if (login != NULL && strcasecmp(login, u->login) == 0)
        return take_id(u, by_login, "id", err);
    if (look_up(g, u->email, &by_email, err) < 0)
        return -1;
    if (json_str(by_email, "login") != NULL)
        return err_set(err, ERR_USER,
                       "the e-mail '%s' is that of the login '%s' in Grafana; give it one of its "
                       "own, or name that login",
                       u->email, json_str(by_email, "login"));
    return grafana_refuse(g, refused, err);
}

static int create_user(struct grafana *g, struct grafana_user *u, struct err *err)
{
    if (grafana_secret_value(g, &u->password, err) < 0)
        return -1;
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    _cleanup_json_ cJSON *body = cJSON_CreateObject();
    json_put_str(body, "name", u->name);
    json_put_str(body, "email", u->email);
    json_put_str(body, "login", u->login);
    json_put_str(body, "password", u->password.value);
    if (grafana_call(g, "POST", "/api/admin/users", body, &answer, err) < 0)
        return -1;
    int status = answer.response.status;
    if (status == 412 || status == 409)
        return find_existing(g, u, &answer, err);
    if (status != 200) {
        grafana_refuse(g, &answer, err);
        if (status == 400)
            err->class = ERR_USER; /* "Password is missing or too short", say */
        return -1;
    }
    if (take_id(u, answer.body, "id", err) < 0)
        return -1;
    grafana_say_change(g, "created", "the user '%s' (%s, %s)", u->login, u->name, u->email);
    return 0;
}

/* A failure of one user is its own, unless all would fail of it. What is wrong with a secret begins
 * with where it is named. */
static int note(struct grafana *g, const struct grafana_user *u, struct err *failure,
                struct err *err)
{
    if (grafana_is_fatal(g, failure))
        return err_move(err, failure);
    if (str_starts(failure->message, u->origin))
        grafana_fail(g, failure, "%s (of the user '%s')", failure->message, u->login);
    else
        grafana_fail(g, failure, "%s: the user '%s': %s", u->origin, u->login, failure->message);
    return 0;
}

/* Whoever is not in the organization may be in another, or nowhere. */
static int create_missing(struct grafana *g, bool *ret_created, struct err *err)
{
    for (size_t i = 0; i < g->n_users; i++) {
        struct grafana_user *u = &g->users[i];
        const cJSON *member = find_member(g, u);
        _cleanup_err_ struct err failure = ERR_INIT;
        if (member == NULL && g->request->plan) {
            grafana_say_change(g, "created", "the user '%s' (%s, %s) as %s", u->login, u->name,
                               u->email, u->role);
            continue;
        }
        int r =
            member != NULL ? take_id(u, member, "userId", &failure) : create_user(g, u, &failure);
        *ret_created = *ret_created || (member == NULL && r == 0);
        if (r < 0 && note(g, u, &failure, err) < 0)
            return -1;
    }
    return 0;
}

/* `member` NULL: not in the organization yet, where users are not put into it by themselves
 * ([users] auto_assign_org). */
static int set_role(struct grafana *g, struct grafana_user *u, const cJSON *member, struct err *err)
{
    _cleanup_rest_answer_ struct rest_answer answer = REST_ANSWER_INIT;
    _cleanup_json_ cJSON *body = cJSON_CreateObject();
    _cleanup_free_ char *path =
        member == NULL ? xstrdup("/api/org/users") : xasprintf("/api/org/users/%" PRId64, u->id);
    json_put_str(body, "role", u->role);
    if (member == NULL)
        json_put_str(body, "loginOrEmail", u->login);
    if (grafana_call(g, member == NULL ? "POST" : "PATCH", path, body, &answer, err) < 0)
        return -1;
    return answer.response.status == 200 ? 0 : grafana_refuse(g, &answer, err);
}

/* An Admin's role is more than a spec can give, and is somebody's decision: it stays. */
static int correct_role(struct grafana *g, struct grafana_user *u, struct err *err)
{
    const cJSON *member = find_member(g, u);
    const char *role = member != NULL ? json_str(member, "role") : NULL;
    if (str_eq(role, u->role) || str_eq(role, "Admin"))
        return 0;
    if (!g->request->plan && set_role(g, u, member, err) < 0)
        return err_wrap(err, "the role %s", u->role);
    if (member == NULL)
        grafana_say_change(g, "added", "the user '%s' to the organization as %s", u->login,
                           u->role);
    else
        grafana_say_change(g, "made", "the user '%s' %s, who was %s", u->login, u->role,
                           role != NULL ? role : "nothing");
    return 0;
}

int grafana_make_users(struct grafana *g, struct err *err)
{
    bool created = false;
    if (read_members(g, err) < 0 || create_missing(g, &created, err) < 0 ||
        (created && read_members(g, err) < 0))
        return -1;
    for (size_t i = 0; i < g->n_users; i++) {
        struct grafana_user *u = &g->users[i];
        _cleanup_err_ struct err failure = ERR_INIT;
        if (u->id != 0 && correct_role(g, u, &failure) < 0 && note(g, u, &failure, err) < 0)
            return -1;
    }
    return 0;
}
