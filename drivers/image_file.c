/* SPDX-License-Identifier: MIT */
/*
 * Which images a Dockerfile builds on. It is read for that alone, and by the builder for all else:
 * none of the programs that build says it without building. What is not understood here is told as
 * unknown, and then nothing is skipped.
 * https://docs.docker.com/reference/dockerfile/
 */
#include "drivers/image.h"

#include <ctype.h>

/* Bounds for what a repository may have us keep. An argument's value may hold others' twice, and so
 * on: no image's name is anywhere near as long (distribution/reference, 255 characters). */
#define EXPANDED_MAX ((size_t)4096)
#define NAMES_MAX    1000 /* of arguments, of stages, of images */

/* What is known while reading. */
struct reader {
    const cJSON *given; /* build arguments */
    cJSON *args;        /* declared before the first FROM, with their values */
    size_t n_args;
    struct strlist names; /* of the stages, in lower case */
    struct image_file *file;
    bool staged; /* there was a FROM */
};

static void set_unknown(struct image_file *file, const char *word, const char *what)
{
    if (file->unknown == NULL)
        file->unknown = xasprintf("what '%s' %s", word, what);
}

/* "${NAME}", "${NAME:-word}", "$NAME" at *at, behind the '$': its value into *text, and *at moves
 * on. False if it has none, or another form. */
static bool expand_one(const struct reader *r, const char **at, struct strbuf *text)
{
    bool braces = **at == '{';
    const char *name = *at + braces;
    size_t len = 0;
    while (isalnum((unsigned char)name[len]) || name[len] == '_')
        len++;
    _cleanup_free_ char *key = xstrndup(name, len);
    const char *value = json_str(r->args, key);
    const char *end = name + len;
    if (braces && str_starts(end, ":-")) {
        size_t rest = strcspn(end, "}$");
        if (value == NULL || *value == '\0')
            strbuf_add(text, end + 2, rest - 2);
        else
            strbuf_adds(text, value);
        end += rest;
        value = NULL;
    } else if (len == 0 || value == NULL) {
        return false;
    }
    if (braces && *end != '}')
        return false;
    if (value != NULL)
        strbuf_adds(text, value);
    *at = end + braces;
    return true;
}

/* An image's name as it stands there, with arguments put in and without quotes. False also if that
 * is too long. */
static bool expand(const struct reader *r, const char *word, struct strbuf *text)
{
    while (*word != '\0' && text->len <= EXPANDED_MAX) {
        if (*word == '$') {
            word++;
            if (!expand_one(r, &word, text))
                return false;
        } else if (*word == '"' || *word == '\'') {
            word++;
        } else {
            strbuf_addc(text, *word++);
        }
    }
    return text->len > 0 && text->len <= EXPANDED_MAX;
}

static char *lower(const char *text)
{
    char *copy = xstrdup(text);
    for (char *p = copy; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

static bool is_stage(const struct reader *r, const char *name)
{
    _cleanup_free_ char *small = lower(name);
    int64_t number;
    return strlist_has(&r->names, small) ||
           (r->staged && str_to_int64(name, 0, (int64_t)r->names.n, &number) == 0);
}

static void add_base(struct reader *r, const char *word)
{
    _cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
    if (!expand(r, word, &name))
        set_unknown(r->file, word, "is");
    else if (!is_stage(r, name.buf) && !str_eq(name.buf, "scratch") &&
             !strlist_has(&r->file->bases, name.buf))
        strlist_add(&r->file->bases, name.buf);
}

/* The next word of an instruction; *at moves behind it. NULL at the end; the caller frees it. */
static char *next_word(const char **at)
{
    *at += strspn(*at, " \t");
    size_t len = strcspn(*at, " \t");
    if (len == 0)
        return NULL;
    char *word = xstrndup(*at, len);
    *at += len;
    return word;
}

/* FROM [--platform=...] IMAGE [AS NAME] */
static void read_from(struct reader *r, const char *rest)
{
    _cleanup_free_ char *word = next_word(&rest);
    while (word != NULL && str_starts(word, "--")) {
        free(word);
        word = next_word(&rest);
    }
    if (word == NULL)
        return;
    r->staged = false; /* a number is a stage's where it is copied from, but not here */
    add_base(r, word);
    _cleanup_free_ char *as = next_word(&rest), *name = next_word(&rest);
    _cleanup_free_ char *small = as != NULL && strcasecmp(as, "AS") == 0 && name != NULL
                                     ? lower(name)
                                     : xasprintf("%zu", r->names.n);
    strlist_add(&r->names, small);
    r->staged = true;
}

static void split(const char *rest, struct strlist *ret)
{
    for (;;) {
        _cleanup_free_ char *word = next_word(&rest);
        if (word == NULL)
            return;
        strlist_add(ret, word);
    }
}

/* ARG NAME[=DEFAULT]; those within stages mean nothing to FROM. */
static void read_arg(struct reader *r, const char *rest)
{
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    split(rest, &words);
    for (size_t i = 0; i < words.n && !r->staged && r->n_args <= NAMES_MAX; i++, r->n_args++) {
        char *word = words.v[i];
        size_t len = strcspn(word, "=");
        const char *otherwise = word[len] == '=' ? word + len + 1 : NULL;
        word[len] = '\0';
        _cleanup_strbuf_ struct strbuf value = STRBUF_INIT;
        const char *given = json_str(r->given, word);
        if (given == NULL && otherwise != NULL && expand(r, otherwise, &value))
            given = value.buf;
        json_put_str(r->args, word, given);
    }
}

/* COPY --from=IMAGE, and RUN --mount=type=bind,from=IMAGE,... */
static void read_options(struct reader *r, const char *rest)
{
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    split(rest, &words);
    for (size_t i = 0; i < words.n && str_starts(words.v[i], "--"); i++) {
        const char *word = words.v[i];
        const char *from = str_starts(word, "--mount=") ? strstr(word, "from=") : NULL;
        if (str_starts(word, "--from="))
            from = word + strlen("--");
        if (from == NULL)
            continue;
        from += strlen("from=");
        _cleanup_free_ char *name = xstrndup(from, strcspn(from, ","));
        add_base(r, name);
    }
}

/* What a variable may hold is not known: it may be an ENV's. */
static void read_add(struct reader *r, const char *rest)
{
    _cleanup_strlist_ struct strlist words = STRLIST_INIT;
    split(rest, &words);
    for (size_t i = 0; i < words.n; i++)
        if (!str_starts(words.v[i], "--") &&
            (strchr(words.v[i], '$') != NULL || strstr(words.v[i], "://") != NULL ||
             str_starts(words.v[i], "git@")))
            set_unknown(r->file, words.v[i], "has");
}

static void read_instruction(struct reader *r, const char *line)
{
    _cleanup_free_ char *word = next_word(&line);
    if (word == NULL)
        return;
    if (strcasecmp(word, "FROM") == 0)
        read_from(r, line);
    else if (strcasecmp(word, "ARG") == 0)
        read_arg(r, line);
    else if (strcasecmp(word, "COPY") == 0 || strcasecmp(word, "RUN") == 0)
        read_options(r, line);
    else if (strcasecmp(word, "ADD") == 0)
        read_options(r, line), read_add(r, line);
}

/* "# escape=`" at the top: what continues a line. */
static char escape_of(const char *text)
{
    static const char directive[] = "escape=";
    while (*text == '#') {
        const char *word = text + 1 + strspn(text + 1, " \t");
        if (strncasecmp(word, directive, strlen(directive)) == 0)
            return word[strlen(directive)];
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return '\\';
}

/* One instruction, its lines joined, comments and empty lines among them left out. Where the text
 * goes on, or NULL. */
static const char *read_line(const char *text, char escape, struct strbuf *line)
{
    strbuf_reset(line);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n"), end = len;
        const char *next = text + len + (text[len] == '\n');
        while (end > 0 && strchr(" \t\r", text[end - 1]) != NULL)
            end--;
        bool empty = end == 0 || text[strspn(text, " \t")] == '#';
        bool goes_on = !empty && text[end - 1] == escape;
        if (!empty)
            strbuf_add(line, text, end - goes_on);
        text = next;
        if (!goes_on && !(empty && line->len > 0))
            return text;
        if (!empty)
            strbuf_addc(line, ' ');
    }
    return line->len > 0 ? text : NULL;
}

static bool has_too_many(const struct reader *r)
{
    return r->n_args > NAMES_MAX || r->names.n > NAMES_MAX || r->file->bases.n > NAMES_MAX;
}

void image_file_read(const char *text, const cJSON *args, struct image_file *ret)
{
    _cleanup_json_ cJSON *known = cJSON_CreateObject();
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    struct reader r = { .given = args, .args = known, .names = STRLIST_INIT, .file = ret };
    *ret = (struct image_file){ .bases = STRLIST_INIT };
    text += str_starts(text, "\xef\xbb\xbf") ? 3 : 0; /* a byte order mark */
    char escape = escape_of(text);
    while (!has_too_many(&r) && *text != '\0' && (text = read_line(text, escape, &line)) != NULL)
        read_instruction(&r, line.buf);
    if (has_too_many(&r) && ret->unknown == NULL)
        ret->unknown = xasprintf("all that it builds on, for it names more than %d", NAMES_MAX);
    strlist_release(&r.names);
}

void image_file_release(struct image_file *file)
{
    strlist_release(&file->bases);
    free(file->unknown);
}
