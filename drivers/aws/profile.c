/* SPDX-License-Identifier: MIT */
#include "drivers/aws/profile.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <unistd.h>

#include "drivers/aws/creds.h"
#include "drivers/aws/creds_file.h"

#define FILE_MAX ((size_t)1 << 20)

/* What a file's lines are read into. */
struct reader {
    const char *path;
    bool config; /* sections are "[profile x]", but for "[default]" */
    cJSON *profiles;
    cJSON *section; /* NULL: one that is not a profile */
    unsigned line;
};

/* The user's home; root's in a service that systemd started without one. The caller frees it. */
static char *home_directory(void)
{
    const char *home = creds_env("HOME");
    if (home != NULL)
        return xstrdup(home);
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), &found) != 0 || found == NULL)
        return xstrdup("/");
    return xstrdup(found->pw_dir);
}

static char *file_path(const char *variable, const char *name)
{
    const char *path = creds_env(variable);
    _cleanup_free_ char *home = home_directory();
    if (path == NULL)
        return xasprintf("%s/.aws/%s", home, name);
    if (str_starts(path, "~/"))
        return xasprintf("%s%s", home, path + 1);
    return xstrdup(path);
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t len = strlen(s);
    while (len > 0 && isspace((unsigned char)s[len - 1]))
        s[--len] = '\0';
    return s;
}

static int read_section(struct reader *r, char *line, struct err *err)
{
    char *end = strchr(line, ']');
    if (end == NULL)
        return err_set(err, ERR_CREDENTIALS, "%s:%u: '[' without ']'", r->path, r->line);
    *end = '\0';
    char *name = trim(line + 1);
    bool profile = str_starts(name, "profile") && isspace((unsigned char)name[7]);
    if (profile)
        name = trim(name + 8);
    r->section = NULL;
    if (r->config && !profile && strcmp(name, "default") != 0)
        return 0; /* "[sso-session x]", "[services x]": not profiles */
    r->section = json_get(r->profiles, name);
    if (r->section == NULL)
        r->section = json_put_object(r->profiles, name);
    return 0;
}

static int read_line(struct reader *r, char *line, struct err *err)
{
    bool indented = isspace((unsigned char)*line);
    char *text = trim(line);
    if (*text == '\0' || *text == '#' || *text == ';')
        return 0;
    if (*text == '[' && !indented)
        return read_section(r, text, err);
    if (indented || r->section == NULL)
        return 0; /* a nested value, such as s3's */
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return err_set(err, ERR_CREDENTIALS, "%s:%u: neither a section nor 'key = value'", r->path,
                       r->line);
    *equals = '\0';
    char *value = trim(equals + 1);
    for (char *p = value; *p != '\0'; p++) /* a comment begins behind white space */
        if (isspace((unsigned char)*p) && (p[1] == '#' || p[1] == ';'))
            *p = '\0';
    char *key = trim(text);
    for (char *p = key; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    json_put_str(r->section, key, trim(value));
    return 0;
}

static int read_profiles(struct reader *r, struct err *err)
{
    _cleanup_free_ char *text = NULL;
    if (creds_file_text(r->path, FILE_MAX, &text, err) < 0) {
        if (err->class != ERR_NOT_FOUND)
            return -1;
        err_release(err);
        return 0;
    }
    size_t len = strlen(text);
    int result = 0;
    char *rest = text, *line;
    while (result == 0 && (line = strsep(&rest, "\n")) != NULL) {
        r->line++;
        result = read_line(r, line, err);
    }
    OPENSSL_cleanse(text, len);
    return result;
}

int profiles_read(cJSON **ret, struct err *err)
{
    _cleanup_free_ char *config = file_path("AWS_CONFIG_FILE", "config");
    _cleanup_free_ char *credentials = file_path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    _cleanup_secret_json_ cJSON *profiles = cJSON_CreateObject();
    struct reader first = { .path = config, .config = true, .profiles = profiles };
    struct reader second = { .path = credentials, .config = false, .profiles = profiles };
    if (read_profiles(&first, err) < 0 || read_profiles(&second, err) < 0)
        return -1;
    *ret = steal_ptr(&profiles);
    return 0;
}

char *profiles_files(void)
{
    _cleanup_free_ char *config = file_path("AWS_CONFIG_FILE", "config");
    _cleanup_free_ char *credentials = file_path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    return xasprintf("'%s' and '%s'", config, credentials);
}
