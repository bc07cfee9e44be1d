/* SPDX-License-Identifier: MIT */
#include "executor/base/json.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor/base/utf8.h"

__attribute__((constructor)) static void json_set_hooks(void)
{
    cJSON_Hooks hooks = { .malloc_fn = xmalloc, .free_fn = free };
    cJSON_InitHooks(&hooks);
}

static void line_and_column(const char *text, size_t offset, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            (*line)++;
            *column = 1;
        } else {
            (*column)++;
        }
    }
}

static int syntax_error(const char *text, size_t offset, const char *what, struct err *err)
{
    unsigned line, column;
    line_and_column(text, offset, &line, &column);
    return err_set(err, ERR_INVALID, "line %u, column %u: %s", line, column, what);
}

/* JSON is UTF-8 (RFC 8259, 8.1); what is not would go to AWS, which refuses it without a reason. */
static int check_utf8(const char *text, size_t len, struct err *err)
{
    size_t valid = utf8_valid(text, len);
    if (valid < len)
        return syntax_error(text, valid, "not UTF-8; save the file in that encoding", err);
    return 0;
}

/* Overwrites the comment at text[i] with blanks, keeping line ends; returns the index behind it, 0
 * if it has no end. */
static size_t blank_comment(char *text, size_t i, size_t len)
{
    bool block = text[i + 1] == '*';
    text[i] = text[i + 1] = ' ';
    for (i += 2; i < len; i++) {
        if (block && text[i] == '*' && i + 1 < len && text[i + 1] == '/') {
            text[i] = text[i + 1] = ' ';
            return i + 2;
        }
        if (!block && text[i] == '\n')
            return i;
        if (text[i] != '\n')
            text[i] = ' ';
    }
    return block ? 0 : i;
}

/* The index behind the string that begins at text[i]; len if it has no end. */
static size_t skip_string(const char *text, size_t i, size_t len)
{
    for (i++; i < len && text[i] != '"'; i++)
        if (text[i] == '\\')
            i++;
    return i < len ? i + 1 : len;
}

/* cJSON takes an escape that is not of four hexadecimal digits for a NUL, and so a string's end. */
static int check_escapes(const char *text, size_t start, size_t end, struct err *err)
{
    for (size_t i = start; i + 1 < end; i++) {
        if (text[i] != '\\')
            continue;
        if (text[++i] != 'u')
            continue;
        size_t digits = 0;
        while (digits < 4 && i + 1 + digits < end && isxdigit((unsigned char)text[i + 1 + digits]))
            digits++;
        if (digits < 4)
            return syntax_error(text, i - 1,
                                "not valid JSON: '\\u' without four hexadecimal digits", err);
        if (memcmp(text + i + 1, "0000", 4) == 0)
            return syntax_error(text, i - 1, "a string must not hold a NUL", err);
    }
    return 0;
}

/* Refuses what cJSON would accept but should not, and blanks comments in place. */
static int prepare_text(char *text, size_t len, enum json_flags flags, struct err *err)
{
    size_t depth = 0;
    for (size_t i = 0; i < len;) {
        char c = text[i];
        if (c == '"') {
            size_t end = skip_string(text, i, len);
            if (check_escapes(text, i, end, err) < 0)
                return -1;
            i = end;
            continue;
        }
        if (c == '/' && (flags & JSON_COMMENTS) && i + 1 < len &&
            (text[i + 1] == '/' || text[i + 1] == '*')) {
            size_t end = blank_comment(text, i, len);
            if (end == 0)
                return syntax_error(text, i, "a comment without its '*/'", err);
            i = end;
            continue;
        }
        if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
            return syntax_error(text, i, "nested too deeply", err);
        if ((c == '}' || c == ']') && depth > 0)
            depth--;
        i++;
    }
    return 0;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A key that stands twice in the object, or NULL. Sorted, since an object may have 100,000. */
static const char *duplicate_key(const cJSON *object)
{
    size_t n = json_count(object), i = 0;
    _cleanup_free_ const char **keys = xcalloc(n, sizeof(*keys));
    const cJSON *child;
    cJSON_ArrayForEach (child, object)
        keys[i++] = child->string;
    qsort(keys, n, sizeof(*keys), compare_strings);
    for (i = 1; i < n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return keys[i];
    return NULL;
}

/* What cJSON lets pass and is wrong: a key that stands twice in one object, a number that no double
 * holds. NULL if there is nothing; else *path names it. */
static const char *find_fault(const cJSON *value, struct strbuf *path)
{
    size_t i = 0;
    const cJSON *child;
    const char *twice = cJSON_IsObject(value) ? duplicate_key(value) : NULL;
    if (twice != NULL) {
        json_path_key(path, twice);
        return "stands there twice";
    }
    if (cJSON_IsNumber(value) && !isfinite(value->valuedouble))
        return "is too large for a number";
    cJSON_ArrayForEach (child, value) {
        size_t keep = path->len;
        if (cJSON_IsObject(value))
            json_path_key(path, child->string);
        else
            json_path_index(path, i++);
        const char *fault = find_fault(child, path);
        if (fault != NULL)
            return fault;
        strbuf_cut(path, keep);
    }
    return NULL;
}

int json_parse(const char *text, size_t len, enum json_flags flags, cJSON **ret, struct err *err)
{
    const char *nul = memchr(text, '\0', len);
    if (nul != NULL)
        return syntax_error(text, (size_t)(nul - text), "a NUL byte", err);
    _cleanup_free_ char *copy = xstrndup(text, len);
    if (check_utf8(copy, len, err) < 0 || prepare_text(copy, len, flags, err) < 0)
        return -1;

    const char *end = NULL;
    _cleanup_json_ cJSON *value = cJSON_ParseWithLengthOpts(copy, len + 1, &end, true);
    if (value == NULL) {
        size_t offset = end != NULL ? (size_t)(end - copy) : 0;
        return syntax_error(copy, offset < len ? offset : len, "not valid JSON", err);
    }
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    const char *fault = find_fault(value, &path);
    if (fault != NULL)
        return err_set(err, ERR_INVALID, "line %u: %s %s", json_line_of(copy, path.buf),
                       path.len > 0 ? path.buf : "the value", fault);
    *ret = steal_ptr(&value);
    return 0;
}

static int read_whole(const char *path, struct strbuf *text, struct err *err)
{
    /* O_NONBLOCK: a FIFO would keep us until somebody writes to it. */
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_HOST, errno,
                             "cannot open '%s'", path);
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_HOST, "'%s' is not a regular file", path);
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        strbuf_add(text, chunk, (size_t)n);
        if (text->len > JSON_FILE_MAX)
            return err_set(err, ERR_INVALID, "'%s' is larger than %zu bytes", path, JSON_FILE_MAX);
    }
    if (n < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot read '%s'", path);
    return 0;
}

int json_read(const char *path, enum json_flags flags, cJSON **ret, char **ret_text,
              struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (read_whole(path, &text, err) < 0)
        return -1;
    if (json_parse(text.buf, text.len, flags, ret, err) < 0)
        return err_wrap(err, "%s", path);
    if (ret_text != NULL)
        *ret_text = strbuf_detach(&text);
    return 0;
}

static bool key_is_plain(const char *key)
{
    for (const char *p = key; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || strchr(".[\"\\", *p) != NULL)
            return false;
    return *key != '\0';
}

void json_path_key(struct strbuf *path, const char *key)
{
    if (path->len > 0)
        strbuf_addc(path, '.');
    if (key_is_plain(key)) {
        strbuf_adds(path, key);
        return;
    }
    _cleanup_json_ cJSON *string = cJSON_CreateString(key);
    _cleanup_free_ char *quoted = json_print(string);
    strbuf_adds(path, quoted);
}

size_t json_path_quoted(const char *step)
{
    size_t n = 1;
    while (step[n] != '\0' && step[n] != '"')
        n += step[n] == '\\' && step[n + 1] != '\0' ? 2 : 1;
    return n + (step[n] == '"');
}

void json_path_index(struct strbuf *path, size_t i)
{
    strbuf_addf(path, "[%zu]", i);
}

cJSON *json_get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

cJSON *json_at(const cJSON *value, const char *steps)
{
    const cJSON *at = value;
    while (at != NULL && *steps != '\0') {
        size_t n = strcspn(steps, "/");
        _cleanup_free_ char *step = xstrndup(steps, n);
        int64_t index;
        if (!cJSON_IsArray(at))
            at = json_get(at, step);
        else
            at = str_to_int64(step, 0, INT32_MAX, &index) == 0 ? cJSON_GetArrayItem(at, (int)index)
                                                               : NULL;
        steps += n + (steps[n] == '/');
    }
    return (cJSON *)at;
}

const char *json_str(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(json_get(object, key));
}

const char *json_str_at(const cJSON *value, const char *steps)
{
    return cJSON_GetStringValue(json_at(value, steps));
}

bool json_bool(const cJSON *object, const char *key, bool otherwise)
{
    const cJSON *item = json_get(object, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

int64_t json_int(const cJSON *object, const char *key, int64_t otherwise)
{
    const cJSON *item = json_get(object, key);
    if (!cJSON_IsNumber(item))
        return otherwise;
    double d = item->valuedouble;
    /* 2^53: beyond it a double no longer holds every whole number. */
    if (!(fabs(d) <= 9007199254740992.0) || d != floor(d))
        return otherwise;
    return (int64_t)d;
}

size_t json_count(const cJSON *array)
{
    return array != NULL ? (size_t)cJSON_GetArraySize(array) : 0;
}

cJSON *json_find(const cJSON *array, const char *key, const char *value)
{
    cJSON *item;
    cJSON_ArrayForEach (item, array)
        if (str_eq(json_str(item, key), value))
            return item;
    return NULL;
}

bool json_array_has(const cJSON *array, const char *string)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, array)
        if (str_eq(cJSON_GetStringValue(item), string))
            return true;
    return false;
}

bool json_equal(const cJSON *a, const cJSON *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return cJSON_Compare(a, b, true);
}

cJSON *json_put(cJSON *object, const char *key, cJSON *item)
{
    if (json_get(object, key) != NULL)
        cJSON_ReplaceItemInObjectCaseSensitive(object, key, item);
    else
        cJSON_AddItemToObject(object, key, item);
    return item;
}

cJSON *json_push(cJSON *array, cJSON *item)
{
    cJSON_AddItemToArray(array, item);
    return item;
}

cJSON *json_put_str(cJSON *object, const char *key, const char *value)
{
    return value != NULL ? json_put(object, key, cJSON_CreateString(value)) : NULL;
}

cJSON *json_put_strf(cJSON *object, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *value = xvasprintf(fmt, ap);
    va_end(ap);
    return json_put_str(object, key, value);
}

cJSON *json_put_int(cJSON *object, const char *key, int64_t value)
{
    return json_put(object, key, cJSON_CreateNumber((double)value));
}

cJSON *json_put_bool(cJSON *object, const char *key, bool value)
{
    return json_put(object, key, cJSON_CreateBool(value));
}

cJSON *json_put_object(cJSON *object, const char *key)
{
    return json_put(object, key, cJSON_CreateObject());
}

cJSON *json_put_array(cJSON *object, const char *key)
{
    return json_put(object, key, cJSON_CreateArray());
}

cJSON *json_push_str(cJSON *array, const char *value)
{
    return json_push(array, cJSON_CreateString(value));
}

void json_copy(cJSON *to, const cJSON *from, const char *key)
{
    const cJSON *item = json_get(from, key);
    if (item != NULL)
        json_put(to, key, json_dup(item));
}

cJSON *json_dup(const cJSON *value)
{
    return value != NULL ? cJSON_Duplicate(value, true) : NULL;
}

struct sort_entry {
    const char *key;
    cJSON *item;
};

static int compare_entries(const void *a, const void *b)
{
    const struct sort_entry *x = a;
    const struct sort_entry *y = b;
    return strcmp(x->key ? x->key : "", y->key ? y->key : "");
}

void json_sort(cJSON *array, const char *key)
{
    size_t n = json_count(array);
    if (n < 2)
        return;
    _cleanup_free_ struct sort_entry *entries = xcalloc(n, sizeof(*entries));
    for (size_t i = 0; i < n; i++) {
        cJSON *item = cJSON_DetachItemFromArray(array, 0);
        entries[i].item = item;
        entries[i].key = key != NULL ? json_str(item, key) : cJSON_GetStringValue(item);
    }
    qsort(entries, n, sizeof(*entries), compare_entries);
    for (size_t i = 0; i < n; i++)
        json_push(array, entries[i].item);
}

char *json_print(const cJSON *value)
{
    return cJSON_PrintUnformatted(value);
}

char *json_print_pretty(const cJSON *value)
{
    return cJSON_Print(value);
}

void json_freep(cJSON **value)
{
    cJSON_Delete(*value);
}
