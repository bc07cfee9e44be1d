/* SPDX-License-Identifier: MIT */
/*
 * Who is wanted: from the spec's "grafana", or from CI/CD variables. What is wrong with it is found
 * before the first call.
 */
#include "drivers/grafana.h"

#include <ctype.h>
#include <limits.h>
#include <locale.h>
#include <wchar.h>
#include <wctype.h>

#include "drivers/route53.h"
#include "executor/base/log.h"
#include "executor/base/utf8.h"

#define LISTS   "GRAFANA_USER_*"
#define BLANKS  " \t\r\n"
#define OF_LIST 6

enum list { LIST_NAME, LIST_EMAIL, LIST_LOGIN, LIST_PASSWORD, LIST_ROLE, LIST_COMPANY };

static const char *const list_names[OF_LIST] = {
    [LIST_NAME] = "GRAFANA_USER_NAME",   [LIST_EMAIL] = "GRAFANA_USER_EMAIL",
    [LIST_LOGIN] = "GRAFANA_USER_LOGIN", [LIST_PASSWORD] = "GRAFANA_USER_PASSWORD",
    [LIST_ROLE] = "GRAFANA_USER_ROLE",   [LIST_COMPANY] = "GRAFANA_USER_COMPANY",
};

static const char *variable(const struct grafana *g, const char *name)
{
    return g->request->lookup != NULL ? g->request->lookup(g->request->variables, name) : NULL;
}

/* Where an empty one says nothing, as one that somebody has cleared in GitLab. */
static const char *filled_variable(const struct grafana *g, const char *name)
{
    const char *value = variable(g, name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* Without the blanks around it; the caller frees it. */
static char *trimmed(const char *text, size_t len)
{
    while (len > 0 && strchr(BLANKS, *text) != NULL) {
        text++;
        len--;
    }
    while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
        len--;
    return xstrndup(text, len);
}

void grafana_split(const char *text, struct strlist *ret)
{
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        _cleanup_free_ char *item = trimmed(at, len);
        strlist_add(ret, item);
        at += len;
        if (*at == '\0')
            return;
    }
}

/* In lower case as Unicode has it, whatever locale the host is set to. */
static void add_lower(struct strbuf *to, const char *text)
{
    locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = unicode != (locale_t)0 ? uselocale(unicode) : (locale_t)0;
    mbstate_t state = { 0 }, out = { 0 };
    while (*text != '\0') {
        wchar_t c;
        char bytes[MB_LEN_MAX];
        size_t n = unicode != (locale_t)0 ? mbrtowc(&c, text, strlen(text), &state) : 0;
        if (n == 0 || n > strlen(text)) {
            memset(&state, 0, sizeof(state));
            strbuf_addc(to, (char)tolower((unsigned char)*text++));
            continue;
        }
        strbuf_add(to, bytes, wcrtomb(bytes, (wchar_t)towlower((wint_t)c), &out));
        text += n;
    }
    if (unicode != (locale_t)0) {
        uselocale(before);
        freelocale(unicode);
    }
}

char *grafana_folder_name(const char *company)
{
    _cleanup_free_ char *name = trimmed(company, strcspn(company, "|"));
    _cleanup_strbuf_ struct strbuf folder = STRBUF_INIT;
    add_lower(&folder, name);
    for (size_t i = 0; i < folder.len; i++)
        if (strchr(BLANKS, folder.buf[i]) != NULL)
            folder.buf[i] = '-';
    return strbuf_detach(&folder);
}

/* --- what is common to both sources ------------------------------------------------------ */

static int check_text(const char *origin, const char *member, const char *text, struct err *err)
{
    if (text == NULL || *text == '\0')
        return err_set(err, ERR_USER, "%s: the %s is empty", origin, member);
    if (utf8_valid(text, strlen(text)) != strlen(text))
        return err_set(err, ERR_USER, "%s: the %s is not UTF-8", origin, member);
    for (const char *p = text; *p != '\0'; p++)
        if (iscntrl((unsigned char)*p))
            return err_set(err, ERR_USER, "%s: the %s has a control character", origin, member);
    return 0;
}

static int take_role(struct grafana_user *u, const char *role, struct err *err)
{
    if (role != NULL && strcasecmp(role, "editor") == 0)
        u->role = "Editor";
    else if (role != NULL && strcasecmp(role, "viewer") == 0)
        u->role = "Viewer";
    else
        return err_set(err, ERR_USER, "%s: the role of '%s' is '%s': it must be editor or viewer",
                       u->origin, u->login, role != NULL ? role : "");
    return 0;
}

static int take_company(struct grafana_user *u, const char *company, struct err *err)
{
    if (!str_eq(u->role, "Viewer"))
        return 0;
    u->folder = grafana_folder_name(company != NULL ? company : "");
    if (*u->folder == '\0')
        return err_set(err, ERR_USER,
                       "%s: the viewer '%s' has no company, whose folder it would see: name one",
                       u->origin, u->login);
    if (str_eq(u->folder, GRAFANA_MAIN_FOLDER))
        return err_set(err, ERR_USER,
                       "%s: the folder of '%s' would be '" GRAFANA_MAIN_FOLDER
                       "', which is kept for editors: call the company otherwise",
                       u->origin, u->login);
    return check_text(u->origin, "company", u->folder, err);
}

/* Grafana compares logins and e-mails without regard to case: https://grafana.com/docs/grafana/
 * latest/setup-grafana/configure-security/configure-authentication/grafana/ */
static int check_unique(const struct grafana *g, const struct grafana_user *u, struct err *err)
{
    for (size_t i = 0; i < g->n_users; i++) {
        const struct grafana_user *other = &g->users[i];
        bool login = strcasecmp(other->login, u->login) == 0;
        if (login || strcasecmp(other->email, u->email) == 0)
            return err_set(err, ERR_USER, "%s: %s has the %s '%s' already: give each its own",
                           u->origin, other->origin, login ? "login" : "e-mail",
                           login ? u->login : u->email);
    }
    return 0;
}

static void secret_release(struct grafana_secret *secret)
{
    free(secret->origin);
    free(secret->secret);
    free(secret->value);
}

static void user_release(struct grafana_user *u)
{
    free(u->origin);
    free(u->name);
    free(u->email);
    free(u->login);
    free(u->folder);
    secret_release(&u->password);
}

/* Takes a user, whose texts are filled in, or releases it. */
static int add_user(struct grafana *g, struct grafana_user *u, const char *role,
                    const char *company, struct err *err)
{
    if (check_text(u->origin, "login", u->login, err) < 0 ||
        check_text(u->origin, "name", u->name, err) < 0 ||
        check_text(u->origin, "e-mail", u->email, err) < 0 || take_role(u, role, err) < 0 ||
        take_company(u, company, err) < 0 || check_unique(g, u, err) < 0) {
        user_release(u);
        return -1;
    }
    g->users = xrealloc_array(g->users, g->n_users + 1, sizeof(*g->users));
    g->users[g->n_users++] = *u;
    return 0;
}

/* --- from the spec ----------------------------------------------------------------------- */

/* A member that is known before anything is deployed. */
static int known(const cJSON *object, const char *path, const char *member, char **ret,
                 struct err *err)
{
    const cJSON *value = json_get(object, member);
    if (value != NULL && !cJSON_IsString(value))
        return err_set(err, ERR_USER,
                       "%s.%s: cannot come from a resource, whose outputs this job does not read",
                       path, member);
    *ret = value != NULL ? xstrdup(value->valuestring) : NULL;
    return 0;
}

static int read_user(struct grafana *g, const cJSON *user, size_t i, struct err *err)
{
    struct grafana_user u = { .origin = xasprintf("grafana.users[%zu]", i) };
    _cleanup_free_ char *company = NULL;
    if (known(user, u.origin, "name", &u.name, err) < 0 ||
        known(user, u.origin, "email", &u.email, err) < 0 ||
        known(user, u.origin, "login", &u.login, err) < 0 ||
        known(user, u.origin, "password", &u.password.secret, err) < 0 ||
        known(user, u.origin, "company", &company, err) < 0) {
        user_release(&u);
        return -1;
    }
    u.password.origin = xasprintf("%s.password", u.origin);
    return add_user(g, &u, json_str(user, "role"), company, err);
}

static int read_users(struct grafana *g, const cJSON *users, struct err *err)
{
    size_t i = 0;
    const cJSON *user;
    cJSON_ArrayForEach (user, users)
        if (read_user(g, user, i++, err) < 0)
            return -1;
    return 0;
}

int grafana_check_users(const cJSON *config, struct err *err)
{
    struct grafana *g = xcalloc(1, sizeof(*g));
    int r = read_users(g, json_get(config, "users"), err);
    grafana_free(g);
    return r;
}

/* --- from the lists ---------------------------------------------------------------------- */

static bool has_lists(const struct grafana *g)
{
    for (size_t i = 0; i < OF_LIST; i++)
        if (filled_variable(g, list_names[i]) != NULL)
            return true;
    return false;
}

static int check_lengths(const struct grafana *g, const struct strlist *lists, struct err *err)
{
    _cleanup_strbuf_ struct strbuf counts = STRBUF_INIT;
    bool same = true;
    for (size_t i = 0; i < OF_LIST; i++) {
        bool there = variable(g, list_names[i]) != NULL;
        same = same && there && lists[i].n == lists[0].n;
        strbuf_addf(&counts, "%s%s ", i > 0 ? ", " : "", list_names[i]);
        if (there)
            strbuf_addf(&counts, "%zu", lists[i].n);
        else
            strbuf_adds(&counts, "is not set");
    }
    if (same)
        return 0;
    return err_set(err, ERR_USER,
                   "the comma-separated lists of users must all be of one length, an item for each "
                   "user: %s",
                   counts.buf);
}

static int read_listed(struct grafana *g, const struct strlist *lists, size_t i, struct err *err)
{
    const char *password = lists[LIST_PASSWORD].v[i];
    struct grafana_user u = {
        .origin = xasprintf("user %zu of the lists " LISTS, i + 1),
        .name = xstrdup(lists[LIST_NAME].v[i]),
        .email = xstrdup(lists[LIST_EMAIL].v[i]),
        .login = xstrdup(lists[LIST_LOGIN].v[i]),
        .password = { .origin = xstrdup(list_names[LIST_PASSWORD]), .value = xstrdup(password) },
    };
    redact_add(password);
    if (*password == '\0') {
        err_set(err, ERR_USER, "%s: the password of '%s' is empty", u.origin, u.login);
        user_release(&u);
        return -1;
    }
    if (strlen(password) < REDACT_MIN)
        strlist_add(&g->shorts, password);
    return add_user(g, &u, lists[LIST_ROLE].v[i], lists[LIST_COMPANY].v[i], err);
}

static int read_lists(struct grafana *g, struct err *err)
{
    struct strlist lists[OF_LIST] = { 0 };
    for (size_t i = 0; i < OF_LIST; i++)
        if (variable(g, list_names[i]) != NULL)
            grafana_split(variable(g, list_names[i]), &lists[i]);
    int r = check_lengths(g, lists, err);
    for (size_t i = 0; r == 0 && i < lists[0].n; i++)
        r = read_listed(g, lists, i, err);
    for (size_t i = 0; i < OF_LIST; i++)
        strlist_release(&lists[i]);
    return r;
}

/* --- the rest ---------------------------------------------------------------------------- */

static int check_url(const char *url, struct err *err)
{
    static const char https[] = "https://";
    if (!str_starts(url, https))
        return err_set(err, ERR_USER,
                       "grafana.url: must begin with https://, is '%s': passwords go there", url);
    const char *host = url + strlen(https);
    if (*host == '/' || *host == ':' || *host == '\0' ||
        strspn(url, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/-") !=
            strlen(url))
        return err_set(
            err, ERR_USER,
            "grafana.url: must be https://, a name, and maybe a port and a path, is '%s'", url);
    return 0;
}

static int read_url(struct grafana *g, const cJSON *config, struct err *err)
{
    if (known(config, "grafana", "url", &g->url, err) < 0)
        return -1;
    if (g->url != NULL)
        return check_url(g->url, err);
    g->url = route53_url(g->request->graph);
    if (g->url == NULL)
        return err_set(err, ERR_USER,
                       "grafana: nothing says where Grafana answers: the spec has no record that "
                       "leads to the load balancer; set grafana.url");
    return 0;
}

/* A colon ends the login: https://www.rfc-editor.org/rfc/rfc7617#section-2 */
static int read_administrator(struct grafana *g, const cJSON *config, struct err *err)
{
    static const char path[] = "grafana.administrator";
    const cJSON *administrator = json_get(config, "administrator");
    if (known(administrator, path, "login", &g->login, err) < 0 ||
        known(administrator, path, "password", &g->password.secret, err) < 0)
        return -1;
    const char *login = filled_variable(g, "GRAFANA_ADMIN_USER");
    const char *password = filled_variable(g, "GRAFANA_ADMIN_PASSWORD");
    const char *login_origin =
        g->login != NULL ? "grafana.administrator.login" : "GRAFANA_ADMIN_USER";
    if (g->login == NULL && login != NULL)
        g->login = xstrdup(login);
    if (g->password.secret != NULL) {
        g->password.origin = xstrdup("grafana.administrator.password");
    } else if (password != NULL) {
        g->password.origin = xstrdup("GRAFANA_ADMIN_PASSWORD");
        g->password.value = xstrdup(password);
        redact_add(password);
        if (strlen(password) < REDACT_MIN)
            strlist_add(&g->shorts, password);
    }
    if (g->login == NULL || g->password.origin == NULL)
        return err_set(err, ERR_USER,
                       "grafana.administrator: there is no %s for Grafana's administrator: name it "
                       "in the spec, or set the CI/CD variable %s",
                       g->login == NULL ? "login" : "password",
                       g->login == NULL ? "GRAFANA_ADMIN_USER" : "GRAFANA_ADMIN_PASSWORD");
    if (strchr(g->login, ':') != NULL)
        return err_set(err, ERR_USER, "%s: a login cannot hold a colon", login_origin);
    return check_text(login_origin, "login", g->login, err);
}

int grafana_read_settings(struct grafana *g, struct err *err)
{
    const cJSON *config = g->request->graph->grafana;
    const cJSON *users = json_get(config, "users");
    g->timeout = (double)json_int(config, "timeout", 600);
    if (read_url(g, config, err) < 0 || read_administrator(g, config, err) < 0)
        return -1;
    if (users == NULL && !has_lists(g))
        return err_set(err, ERR_USER,
                       "grafana: nothing says who Grafana's users are: name them in grafana.users, "
                       "or set the CI/CD variables GRAFANA_USER_NAME, _EMAIL, _LOGIN, _PASSWORD, "
                       "_ROLE and _COMPANY");
    if (users != NULL && has_lists(g))
        log_warn("the spec names Grafana's users, so the CI/CD variables " LISTS " do not count");
    return users != NULL ? read_users(g, users, err) : read_lists(g, err);
}

void grafana_free(struct grafana *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->n_users; i++)
        user_release(&g->users[i]);
    free(g->users);
    secret_release(&g->password);
    rest_free(g->rest);
    free(g->url);
    free(g->login);
    json_freep(&g->members);
    strlist_release(&g->shorts);
    strlist_release(&g->failures);
    free(g);
}
