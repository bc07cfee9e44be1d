/* SPDX-License-Identifier: MIT */
/*
 * Finds a value in JSON text by walking the text along a path. cJSON keeps no positions, and no
 * number beyond what a double holds; whatever needs either is rare, so the text is simply read
 * again.
 */
#include <ctype.h>

#include "executor/base/json.h"

struct cursor {
    const char *p;
};

static void skip_blank(struct cursor *c)
{
    for (;;) {
        while (isspace((unsigned char)*c->p))
            c->p++;
        if (c->p[0] == '/' && c->p[1] == '/') {
            c->p += strcspn(c->p, "\n");
        } else if (c->p[0] == '/' && c->p[1] == '*') {
            const char *end = strstr(c->p + 2, "*/");
            c->p = end != NULL ? end + 2 : c->p + strlen(c->p);
        } else {
            return;
        }
    }
}

static void skip_string(struct cursor *c)
{
    for (c->p++; *c->p != '\0' && *c->p != '"'; c->p++)
        if (c->p[0] == '\\' && c->p[1] != '\0')
            c->p++;
    if (*c->p == '"')
        c->p++;
}

static void skip_value(struct cursor *c)
{
    size_t depth = 0;
    do {
        skip_blank(c);
        if (*c->p == '"') {
            skip_string(c);
            continue;
        }
        if (*c->p == '{' || *c->p == '[') {
            depth++;
            c->p++;
        } else if (*c->p == '}' || *c->p == ']') {
            if (depth == 0)
                return;
            depth--;
            c->p++;
        } else if (*c->p == ',' || *c->p == ':') {
            if (depth == 0)
                return;
            c->p++;
        } else {
            c->p += strcspn(c->p, ",:{}[]\"/ \t\r\n");
            if (*c->p == '/')
                c->p++;
        }
    } while (depth > 0 && *c->p != '\0');
}

/* Moves behind "key": in the object at the cursor; false if there is no such key. */
static bool enter_key(struct cursor *c, const char *key, size_t len)
{
    if (*c->p != '{')
        return false;
    c->p++;
    for (;;) {
        skip_blank(c);
        if (*c->p != '"')
            return false;
        const char *start = c->p + 1;
        skip_string(c);
        size_t found = (size_t)(c->p - start) - 1;
        skip_blank(c);
        if (*c->p == ':')
            c->p++;
        skip_blank(c);
        if (found == len && memcmp(start, key, len) == 0)
            return true;
        skip_value(c);
        skip_blank(c);
        if (*c->p != ',')
            return false;
        c->p++;
    }
}

static bool enter_index(struct cursor *c, unsigned long index)
{
    if (*c->p != '[')
        return false;
    c->p++;
    skip_blank(c);
    for (; index > 0; index--) {
        skip_value(c);
        skip_blank(c);
        if (*c->p != ',')
            return false;
        c->p++;
        skip_blank(c);
    }
    return *c->p != ']';
}

static bool enter_step(struct cursor *c, const char **path)
{
    const char *p = *path;
    skip_blank(c);
    if (*p == '[') {
        char *end = NULL;
        unsigned long index = strtoul(p + 1, &end, 10);
        *path = end + (*end == ']');
        return enter_index(c, index);
    }
    p += *p == '.';
    size_t n;
    if (*p == '"') {
        size_t quoted = json_path_quoted(p);
        *path = p + quoted;
        n = quoted - 2; /* compared as it is written there, escapes and all */
        p++;
    } else {
        n = strcspn(p, ".[");
        *path = p + n;
    }
    return enter_key(c, p, n);
}

const char *json_text_at(const char *text, const char *path, size_t *ret_len)
{
    struct cursor at = { text };
    skip_blank(&at);
    while (*path != '\0') {
        if (!enter_step(&at, &path))
            return NULL;
        skip_blank(&at);
    }
    struct cursor end = at;
    skip_value(&end);
    *ret_len = (size_t)(end.p - at.p);
    return at.p;
}

unsigned json_line_of(const char *text, const char *path)
{
    struct cursor at = { text };
    skip_blank(&at);
    struct cursor deepest = at;
    while (*path != '\0' && enter_step(&at, &path)) {
        skip_blank(&at);
        deepest = at;
    }
    unsigned line = 1;
    for (const char *p = text; p < deepest.p; p++)
        line += *p == '\n';
    return line;
}
