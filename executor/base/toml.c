/* SPDX-License-Identifier: MIT */
#include "executor/base/toml.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "executor/base/utf8.h"

struct reader {
    const char *text, *p; /* NUL-terminated */
    cJSON *root, *table;  /* the table that keys go into; root's */
    struct strlist seen;  /* the tables that have had their header, by path */
    unsigned depth;
    struct err *err;
};

static int read_value(struct reader *r, cJSON **ret);

static int fail(struct reader *r, const char *what)
{
    unsigned line = 1;
    for (const char *p = r->text; p < r->p; p++)
        line += *p == '\n';
    return err_set(r->err, ERR_INVALID, "line %u: %s", line, what);
}

static void skip_blank(struct reader *r)
{
    r->p += strspn(r->p, " \t");
}

/* Blanks, comments and line ends. */
static void skip_lines(struct reader *r)
{
    for (;;) {
        r->p += strspn(r->p, " \t\r\n");
        if (*r->p != '#')
            return;
        r->p += strcspn(r->p, "\n");
    }
}

static int end_line(struct reader *r)
{
    skip_blank(r);
    if (*r->p == '#')
        r->p += strcspn(r->p, "\n");
    if (*r->p == '\r' && r->p[1] == '\n')
        r->p++;
    if (*r->p != '\0' && *r->p != '\n')
        return fail(r, "something behind the value");
    return 0;
}

static int add_code_point(struct reader *r, size_t digits, struct strbuf *out)
{
    uint32_t code = 0;
    for (size_t i = 0; i < digits; i++, r->p++) {
        if (!isxdigit((unsigned char)*r->p))
            return fail(r, "not a hexadecimal digit");
        char c = (char)tolower((unsigned char)*r->p);
        code = code << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return fail(r, "an escape that is no character");
    if (code < 0x80) {
        strbuf_addc(out, (char)code);
        return 0;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    strbuf_addc(out, (char)((0xff00u >> (more + 1) & 0xff) | code >> (6 * more)));
    while (more-- > 0)
        strbuf_addc(out, (char)(0x80 | (code >> (6 * more) & 0x3f)));
    return 0;
}

/* What follows a backslash. */
static int read_escape(struct reader *r, bool lines, struct strbuf *out)
{
    static const char letters[] = "btnfr\"\\", meant[] = "\b\t\n\f\r\"\\";
    char c = *r->p;
    const char *known = c != '\0' ? strchr(letters, c) : NULL;
    if (known != NULL) {
        strbuf_addc(out, meant[known - letters]);
        r->p++;
        return 0;
    }
    if (c == 'u' || c == 'U') {
        r->p++;
        return add_code_point(r, c == 'u' ? 4 : 8, out);
    }
    if (lines && r->p[strspn(r->p, " \t\r")] == '\n') { /* the line goes on in the next */
        r->p += strspn(r->p, " \t\r\n");
        return 0;
    }
    return fail(r, "an unknown escape");
}

/* A string in its quotes, '"' with escapes or '\'' without, one or three of them. */
static int read_string(struct reader *r, bool may_have_lines, struct strbuf *out)
{
    char quote = *r->p;
    bool lines = r->p[1] == quote && r->p[2] == quote;
    if (lines && !may_have_lines)
        return fail(r, "a key has one line");
    r->p += lines ? 3 : 1;
    if (lines)
        r->p += *r->p == '\n' ? 1 : r->p[0] == '\r' && r->p[1] == '\n' ? 2 : 0;
    for (;;) {
        char c = *r->p;
        if (c == '\0' || (c == '\n' && !lines))
            return fail(r, "a string without its end");
        if (c == quote && (!lines || (r->p[1] == quote && r->p[2] == quote))) {
            /* Up to two more quotes belong to the string. */
            for (int n = 0; lines && n < 2 && r->p[3] == quote; n++, r->p++)
                strbuf_addc(out, quote);
            r->p += lines ? 3 : 1;
            return 0;
        }
        r->p++;
        if (c == '\\' && quote == '"') {
            if (read_escape(r, lines, out) < 0)
                return -1;
        } else if (c != '\r' || *r->p != '\n') {
            strbuf_addc(out, c);
        }
    }
}

static int read_key(struct reader *r, struct strbuf *out)
{
    strbuf_reset(out);
    if (*r->p == '"' || *r->p == '\'')
        return read_string(r, false, out);
    for (; isalnum((unsigned char)*r->p) || *r->p == '_' || *r->p == '-'; r->p++)
        strbuf_addc(out, *r->p);
    return out->len > 0 ? 0 : fail(r, "a key is missing");
}

/* The table `key` within `table`, made if it is not there; of an array of tables the last one. */
static cJSON *enter(cJSON *table, const char *key)
{
    cJSON *child = json_get(table, key);
    if (child == NULL)
        return json_put_object(table, key);
    if (cJSON_IsArray(child))
        child = cJSON_GetArrayItem(child, cJSON_GetArraySize(child) - 1);
    return cJSON_IsObject(child) ? child : NULL;
}

/* Reads "a.b.c" up to its last part: *ret_table is a.b, and *last is c. */
static int read_path(struct reader *r, cJSON *table, cJSON **ret_table, struct strbuf *last)
{
    for (unsigned depth = 0;; depth++) {
        skip_blank(r);
        if (read_key(r, last) < 0)
            return -1;
        skip_blank(r);
        if (*r->p != '.')
            break;
        r->p++;
        table = enter(table, last->buf);
        if (table == NULL || depth >= JSON_DEPTH_MAX)
            return fail(r, table == NULL ? "this is a value, not a table" : "nested too deeply");
    }
    *ret_table = table;
    return 0;
}

static int read_pair(struct reader *r, cJSON *table)
{
    _cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
    cJSON *within = NULL, *value = NULL;
    if (read_path(r, table, &within, &key) < 0)
        return -1;
    if (*r->p != '=')
        return fail(r, "'=' is missing behind the key");
    r->p++;
    skip_blank(r);
    if (json_get(within, key.buf) != NULL)
        return fail(r, "this key stands there twice");
    if (read_value(r, &value) < 0)
        return -1;
    json_put(within, key.buf, value);
    return 0;
}

static int read_array(struct reader *r, cJSON **ret)
{
    _cleanup_json_ cJSON *array = cJSON_CreateArray();
    r->p++;
    for (;;) {
        skip_lines(r);
        if (*r->p == ']')
            break;
        cJSON *value = NULL;
        if (read_value(r, &value) < 0)
            return -1;
        json_push(array, value);
        skip_lines(r);
        if (*r->p != ',' && *r->p != ']')
            return fail(r, "an array without its ']'");
        r->p += *r->p == ',';
    }
    r->p++;
    *ret = steal_ptr(&array);
    return 0;
}

static int read_inline_table(struct reader *r, cJSON **ret)
{
    _cleanup_json_ cJSON *table = cJSON_CreateObject();
    r->p++;
    skip_blank(r);
    while (*r->p != '}') {
        if (read_pair(r, table) < 0)
            return -1;
        skip_blank(r);
        if (*r->p != ',' && *r->p != '}')
            return fail(r, "a table without its '}'");
        r->p += *r->p == ',';
        skip_blank(r);
    }
    r->p++;
    *ret = steal_ptr(&table);
    return 0;
}

/* A number without its underscores; dates, infinities and "nan" stay text. */
static int read_number(struct reader *r, const char *word, cJSON **ret)
{
    _cleanup_strbuf_ struct strbuf digits = STRBUF_INIT;
    for (const char *p = word; *p != '\0'; p++)
        if (*p != '_')
            strbuf_addc(&digits, *p);
    char *end = NULL;
    const char *s = digits.buf;
    bool binary = str_starts(s, "0b"), octal = str_starts(s, "0o");
    errno = 0;
    double n = binary || octal ? (double)strtoull(s + 2, &end, binary ? 2 : 8) : strtod(s, &end);
    if (*s == '\0' || *end != '\0' || errno != 0 || !isfinite(n))
        return fail(r, "neither a string, number, date, true nor false");
    *ret = cJSON_CreateNumber(n);
    return 0;
}

static bool is_date(const char *s)
{
    size_t digits = strspn(s, "0123456789");
    return (digits == 4 && s[4] == '-') || (digits == 2 && s[2] == ':');
}

static int read_word(struct reader *r, cJSON **ret)
{
    size_t n = strspn(r->p, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-_.:");
    if (is_date(r->p) && r->p[n] == ' ' && is_date(r->p + n + 1)) /* its time, behind a blank */
        n += 1 + strspn(r->p + n + 1, "0123456789:.+-Z");
    _cleanup_free_ char *word = xstrndup(r->p, n);
    const char *unsigned_word = word + (*word == '+' || *word == '-');
    if (str_eq(word, "true") || str_eq(word, "false"))
        *ret = cJSON_CreateBool(*word == 't');
    else if (is_date(word) || str_eq(unsigned_word, "inf") || str_eq(unsigned_word, "nan"))
        *ret = cJSON_CreateString(word);
    else if (read_number(r, word, ret) < 0)
        return -1;
    r->p += n;
    return 0;
}

static int read_nested(struct reader *r, cJSON **ret)
{
    if (r->depth >= JSON_DEPTH_MAX)
        return fail(r, "nested too deeply");
    r->depth++;
    int result = *r->p == '[' ? read_array(r, ret) : read_inline_table(r, ret);
    r->depth--;
    return result;
}

static int read_value(struct reader *r, cJSON **ret)
{
    if (*r->p == '[' || *r->p == '{')
        return read_nested(r, ret);
    if (*r->p != '"' && *r->p != '\'')
        return read_word(r, ret);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (read_string(r, true, &text) < 0)
        return -1;
    *ret = cJSON_CreateString(text.buf);
    return 0;
}

/* "[[a.b]]": one more table of the array a.b. */
static int begin_item(struct reader *r, cJSON *parent, const char *key)
{
    cJSON *array = json_get(parent, key);
    if (array == NULL)
        array = json_put_array(parent, key);
    if (!cJSON_IsArray(array))
        return fail(r, "this is no array of tables");
    r->table = json_push(array, cJSON_CreateObject());
    return 0;
}

/* "[a.b]", which may stand there once; each table of an array is another one. */
static int begin_table(struct reader *r, cJSON *parent, const char *key)
{
    cJSON *table = cJSON_IsArray(json_get(parent, key)) ? NULL : enter(parent, key);
    if (table == NULL)
        return fail(r, "this is a value, not a table");
    _cleanup_free_ char *identity = xasprintf("%p", (void *)table);
    if (strlist_has(&r->seen, identity))
        return fail(r, "this table stands there twice");
    strlist_add(&r->seen, identity);
    r->table = table;
    return 0;
}

static int read_header(struct reader *r)
{
    bool item = r->p[1] == '[';
    r->p += item ? 2 : 1;
    _cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
    cJSON *parent = NULL;
    if (read_path(r, r->root, &parent, &key) < 0)
        return -1;
    if (*r->p != ']' || (item && r->p[1] != ']'))
        return fail(r, "a table's name without its ']'");
    r->p += item ? 2 : 1;
    return item ? begin_item(r, parent, key.buf) : begin_table(r, parent, key.buf);
}

static int read_document(struct reader *r)
{
    for (skip_lines(r); *r->p != '\0'; skip_lines(r)) {
        if ((*r->p == '[' ? read_header(r) : read_pair(r, r->table)) < 0 || end_line(r) < 0)
            return -1;
    }
    return 0;
}

int toml_parse(const char *text, size_t len, cJSON **ret, struct err *err)
{
    if (memchr(text, '\0', len) != NULL || utf8_valid(text, len) < len)
        return err_set(err, ERR_INVALID, "not UTF-8 text");
    _cleanup_free_ char *copy = xstrndup(text, len);
    _cleanup_json_ cJSON *root = cJSON_CreateObject();
    struct reader r = { .text = copy, .p = copy, .root = root, .table = root, .err = err };
    int result = read_document(&r);
    strlist_release(&r.seen);
    if (result == 0)
        *ret = steal_ptr(&root);
    return result;
}
