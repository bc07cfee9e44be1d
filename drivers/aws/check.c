/* SPDX-License-Identifier: MIT */
#include "drivers/aws/check.h"

#include <inttypes.h>
#include <math.h>

#include "executor/base/json.h"
#include "executor/base/near.h"

static int value_check(const struct shape *shape, const cJSON *value, struct strbuf *path,
                       struct err *err);

static const char *path_text(const struct strbuf *path)
{
    if (path->len == 0)
        return "input";
    return path->buf[0] == '.' ? path->buf + 1 : path->buf;
}

static void path_cut(struct strbuf *path, size_t len)
{
    if (path->len > len) {
        path->len = len;
        path->buf[len] = '\0';
    }
}

static int wrong_type(const struct strbuf *path, const char *wanted, const cJSON *value,
                      struct err *err)
{
    const char *is = cJSON_IsNull(value)     ? "null"
                     : cJSON_IsBool(value)   ? "a boolean"
                     : cJSON_IsNumber(value) ? "a number"
                     : cJSON_IsString(value) ? "a string"
                     : cJSON_IsArray(value)  ? "a list"
                                             : "an object";
    return err_set(err, ERR_INVALID, "%s: must be %s, is %s", path_text(path), wanted, is);
}

/* The member whose name is nearest to a wrong one, or NULL if none is near. */
static const char *nearest_member(const struct shape *shape, const char *name)
{
    struct near near = NEAR_INIT(name);
    for (size_t i = 0; i < shape->count; i++)
        near_try(&near, shape_members[shape->first + i].name);
    return near.word;
}

static int unknown_member(const struct shape *shape, const cJSON *value, const struct strbuf *path,
                          struct err *err)
{
    const char *nearest = nearest_member(shape, value->string);
    const char *in = path->len > 0 ? path_text(path) : "";
    const char *colon = path->len > 0 ? ": " : "";
    if (nearest != NULL)
        return err_set(err, ERR_INVALID, "%s%sunknown member '%s' (did you mean '%s'?)", in, colon,
                       value->string, nearest);
    return err_set(err, ERR_INVALID, "%s%sunknown member '%s'", in, colon, value->string);
}

/* A required token need not be there: whoever sends the request fills it in. */
static int required_check(const struct shape *shape, const cJSON *value, const struct strbuf *path,
                          struct err *err)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = &shape_members[shape->first + i];
        if ((member->flags & MEMBER_REQUIRED) && !(member->flags & MEMBER_TOKEN) &&
            json_get(value, member->name) == NULL)
            return err_set(err, ERR_INVALID, "%s%s'%s' is missing",
                           path->len > 0 ? path_text(path) : "", path->len > 0 ? ": " : "",
                           member->name);
    }
    return 0;
}

static int structure_check(const struct shape *shape, const cJSON *value, struct strbuf *path,
                           struct err *err)
{
    if (value != NULL && !cJSON_IsObject(value))
        return wrong_type(path, "an object", value, err);
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        const struct shape_member *member = member_find(shape, child->string);
        if (member == NULL)
            return unknown_member(shape, child, path, err);
        size_t len = path->len;
        json_path_key(path, child->string);
        if (value_check(&shapes[member->shape], child, path, err) < 0)
            return -1;
        path_cut(path, len);
    }
    if ((shape->flags & SHAPE_UNION) && json_count(value) != 1)
        return err_set(err, ERR_INVALID, "%s: must have exactly one member, has %zu",
                       path_text(path), json_count(value));
    return required_check(shape, value, path, err);
}

static int limits_check(const struct shape *shape, double n, const char *what,
                        const struct strbuf *path, struct err *err)
{
    if ((shape->flags & SHAPE_HAS_MIN) && n < (double)shape->min)
        return err_set(err, ERR_INVALID, "%s: %s must be at least %" PRId64 ", is %.15g",
                       path_text(path), what, shape->min, n);
    if ((shape->flags & SHAPE_HAS_MAX) && n > (double)shape->max)
        return err_set(err, ERR_INVALID, "%s: %s must be at most %" PRId64 ", is %.15g",
                       path_text(path), what, shape->max, n);
    return 0;
}

static int items_check(const struct shape *shape, const cJSON *value, struct strbuf *path,
                       struct err *err)
{
    bool list = shape->kind == SHAPE_LIST;
    if (list ? !cJSON_IsArray(value) : !cJSON_IsObject(value))
        return wrong_type(path, list ? "a list" : "an object", value, err);
    if (limits_check(shape, (double)json_count(value), "the number of items", path, err) < 0)
        return -1;
    size_t i = 0, len = path->len;
    const cJSON *child;
    cJSON_ArrayForEach (child, value) {
        if (list)
            json_path_index(path, i++);
        else
            json_path_key(path, child->string);
        if (value_check(&shapes[shape->first], child, path, err) < 0)
            return -1;
        path_cut(path, len);
    }
    return 0;
}

/* A string's length in characters, not in bytes, as AWS counts it. */
static size_t utf8_length(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static int word_check(const struct shape *shape, const char *word, const struct strbuf *path,
                      struct err *err)
{
    if (shape->count == 0)
        return 0;
    _cleanup_strbuf_ struct strbuf words = STRBUF_INIT;
    for (size_t i = 0; i < shape->count; i++) {
        const char *known = shape_words[shape->first + i];
        if (strcmp(known, word) == 0)
            return 0;
        if (i < 12)
            strbuf_addf(&words, "%s'%s'", i ? ", " : "", known);
    }
    return err_set(err, ERR_INVALID, "%s: must be one of %s%s, is '%s'", path_text(path), words.buf,
                   shape->count > 12 ? ", ..." : "", word);
}

static int string_check(const struct shape *shape, const cJSON *value, const struct strbuf *path,
                        struct err *err)
{
    if (!cJSON_IsString(value))
        return wrong_type(path, "a string", value, err);
    if (limits_check(shape, (double)utf8_length(value->valuestring), "the length", path, err) < 0)
        return -1;
    return word_check(shape, value->valuestring, path, err);
}

static int number_check(const struct shape *shape, const cJSON *value, const struct strbuf *path,
                        struct err *err)
{
    if (!cJSON_IsNumber(value))
        return wrong_type(path, shape->kind == SHAPE_DOUBLE ? "a number" : "a whole number", value,
                          err);
    double n = value->valuedouble;
    if (!isfinite(n))
        return err_set(err, ERR_INVALID, "%s: must be a finite number", path_text(path));
    if (shape->kind == SHAPE_DOUBLE || shape->kind == SHAPE_TIMESTAMP)
        return limits_check(shape, n, "it", path, err);
    /* Beyond 2^53 a double no longer holds every whole number. */
    double most = shape->kind == SHAPE_INTEGER ? 2147483647.0 : 9007199254740991.0;
    if (n != floor(n) || fabs(n) > most)
        return err_set(err, ERR_INVALID, "%s: must be a whole number of at most %.0f, is %.17g",
                       path_text(path), most, n);
    return limits_check(shape, n, "it", path, err);
}

static int value_check(const struct shape *shape, const cJSON *value, struct strbuf *path,
                       struct err *err)
{
    switch (shape->kind) {
    case SHAPE_STRUCTURE:
        return structure_check(shape, value, path, err);
    case SHAPE_LIST:
    case SHAPE_MAP:
        return items_check(shape, value, path, err);
    case SHAPE_STRING:
    case SHAPE_BLOB:
        return string_check(shape, value, path, err);
    case SHAPE_BOOLEAN:
        return cJSON_IsBool(value) ? 0 : wrong_type(path, "true or false", value, err);
    case SHAPE_INTEGER:
    case SHAPE_LONG:
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
        return number_check(shape, value, path, err);
    default: /* SHAPE_DOCUMENT */
        return 0;
    }
}

int input_check(const struct shape *shape, const cJSON *input, struct err *err)
{
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    return structure_check(shape, input, &path, err);
}
