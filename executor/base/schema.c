/* SPDX-License-Identifier: MIT */
#include "executor/base/schema.h"

#include <math.h>
#include <regex.h>

#include "executor/base/near.h"
#include "executor/base/redact.h"

/* A pattern of the schema, compiled once for all values that it is for. */
struct pattern {
    struct pattern *next;
    const char *text; /* the schema's */
    bool valid;
    regex_t compiled;
};

/* What a check knows: the whole schema (for $ref), where it is, and what it has found. */
struct check {
    const cJSON *root;
    bool outputs; /* whether there may be any */
    struct strbuf path;
    struct schema_problems *problems;
    struct pattern *patterns; /* those that have been met */
};

static void check_value(struct check *c, const cJSON *schema, const cJSON *value);

void schema_problem_vadd(struct schema_problems *p, const char *path, const char *fmt, va_list ap)
{
    if (p->n == SCHEMA_PROBLEMS_MAX) {
        p->unlisted++;
        return;
    }
    p->v = xrealloc_array(p->v, p->n + 1, sizeof(*p->v));
    p->v[p->n].path = xstrdup(path);
    p->v[p->n++].message = xvasprintf(fmt, ap);
}

void schema_problem_add(struct schema_problems *p, const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    schema_problem_vadd(p, path, fmt, ap);
    va_end(ap);
}

static void problem(struct check *c, const char *fmt, ...) _printf_(2, 3);
static void problem(struct check *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    schema_problem_vadd(c->problems, c->path.buf, fmt, ap);
    va_end(ap);
}

/* Follows "$ref": "#/$defs/name" as often as it stands there. */
static const cJSON *follow_ref(const cJSON *root, const cJSON *schema)
{
    const char *ref;
    while ((ref = json_str(schema, "$ref")) != NULL && str_starts(ref, "#/"))
        schema = json_at(root, ref + 2);
    return schema;
}

static const char *type_of(const cJSON *value)
{
    if (cJSON_IsObject(value))
        return "object";
    if (cJSON_IsArray(value))
        return "array";
    if (cJSON_IsString(value))
        return "string";
    if (cJSON_IsBool(value))
        return "boolean";
    if (cJSON_IsNumber(value))
        return "number";
    return "null";
}

static bool is_type(const cJSON *value, const char *type)
{
    if (str_eq(type, "integer"))
        return cJSON_IsNumber(value) && value->valuedouble == floor(value->valuedouble);
    return str_eq(type_of(value), type);
}

/* Whether the value has (one of) the schema's type(s); a schema without a type takes any. */
static bool fits_type(const cJSON *schema, const cJSON *value)
{
    const cJSON *type = json_get(schema, "type");
    if (cJSON_IsString(type))
        return is_type(value, type->valuestring);
    const cJSON *one;
    cJSON_ArrayForEach (one, type)
        if (is_type(value, one->valuestring))
            return true;
    return type == NULL;
}

static const char *type_words(const char *type)
{
    static const char *const words[][2] = {
        { "object", "an object" }, { "array", "an array" },         { "string", "a string" },
        { "number", "a number" },  { "integer", "a whole number" }, { "boolean", "true or false" },
        { "null", "null" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(words[i][0], type) == 0)
            return words[i][1];
    return type;
}

static void add_expected(struct strbuf *out, const char *type)
{
    const char *words = type_words(type);
    if (strstr(out->buf, words) != NULL)
        return;
    if (out->len > 0)
        strbuf_adds(out, " or ");
    strbuf_adds(out, words);
}

static void expected_types(struct check *c, const cJSON *schema, struct strbuf *out)
{
    schema = follow_ref(c->root, schema);
    const cJSON *option;
    cJSON_ArrayForEach (option, json_get(schema, "anyOf"))
        expected_types(c, option, out);
    const cJSON *type = json_get(schema, "type");
    if (cJSON_IsString(type))
        add_expected(out, type->valuestring);
    const cJSON *one;
    if (cJSON_IsArray(type))
        cJSON_ArrayForEach (one, type)
            add_expected(out, one->valuestring);
}

#define VALUE_LENGTH 57 /* what a message shows of a value */

/* The value as a message shows it, cut where it is long: of a secret not even a part. */
static char *shown(const cJSON *value)
{
    if (cJSON_IsObject(value) || cJSON_IsArray(value))
        return xstrdup(type_words(type_of(value)));
    _cleanup_json_ cJSON *safe = redact_json_copy(value);
    _cleanup_free_ char *text = json_print(safe);
    return redact_short(text, VALUE_LENGTH);
}

static void wrong_type(struct check *c, const cJSON *schema, const cJSON *value)
{
    _cleanup_strbuf_ struct strbuf expected = STRBUF_INIT;
    expected_types(c, schema, &expected);
    _cleanup_free_ char *is = shown(value);
    problem(c, "must be %s, is %s", expected.buf, is);
}

static void check_enum(struct check *c, const cJSON *options, const cJSON *value)
{
    _cleanup_strbuf_ struct strbuf list = STRBUF_INIT;
    const cJSON *option;
    cJSON_ArrayForEach (option, options) {
        if (json_equal(option, value))
            return;
        _cleanup_free_ char *text = json_print(option);
        strbuf_addf(&list, "%s%s", list.len > 0 ? ", " : "", text);
    }
    _cleanup_free_ char *is = shown(value);
    problem(c, "must be %s%s, is %s", json_count(options) > 1 ? "one of " : "", list.buf, is);
}

static void check_number(struct check *c, const cJSON *schema, const cJSON *value)
{
    const cJSON *min = json_get(schema, "minimum");
    const cJSON *max = json_get(schema, "maximum");
    if (min != NULL && value->valuedouble < min->valuedouble)
        problem(c, "must be at least %.15g, is %.15g", min->valuedouble, value->valuedouble);
    if (max != NULL && value->valuedouble > max->valuedouble)
        problem(c, "must be at most %.15g, is %.15g", max->valuedouble, value->valuedouble);
}

/* Lengths count characters, not bytes (JSON Schema validation 6.3.1). */
static int64_t utf8_length(const char *s)
{
    int64_t n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static const struct pattern *pattern_of(struct check *c, const char *text)
{
    struct pattern *p = c->patterns;
    while (p != NULL && p->text != text)
        p = p->next;
    if (p != NULL)
        return p;
    p = xcalloc(1, sizeof(*p));
    p->text = text;
    p->valid = regcomp(&p->compiled, text, REG_EXTENDED | REG_NOSUB) == 0;
    p->next = c->patterns;
    c->patterns = p;
    return p;
}

static void patterns_free(struct pattern *patterns)
{
    for (struct pattern *p = patterns, *next; p != NULL; p = next) {
        next = p->next;
        if (p->valid)
            regfree(&p->compiled);
        free(p);
    }
}

static bool matches(struct check *c, const char *pattern, const char *s)
{
    const struct pattern *p = pattern_of(c, pattern);
    return p->valid && regexec(&p->compiled, s, 0, NULL, 0) == 0;
}

static void check_string(struct check *c, const cJSON *schema, const cJSON *value)
{
    int64_t len = utf8_length(value->valuestring);
    int64_t min = json_int(schema, "minLength", 0);
    int64_t max = json_int(schema, "maxLength", INT64_MAX);
    const char *pattern = json_str(schema, "pattern");
    if (len < min && len == 0)
        problem(c, "must not be empty");
    else if (len < min)
        problem(c, "must have at least %lld characters, has %lld", (long long)min, (long long)len);
    if (len > max)
        problem(c, "must have at most %lld characters, has %lld", (long long)max, (long long)len);
    if (pattern != NULL && !matches(c, pattern, value->valuestring)) {
        _cleanup_free_ char *is = shown(value);
        problem(c, "must match %s, is %s", pattern, is);
    }
}

static void check_array(struct check *c, const cJSON *schema, const cJSON *value)
{
    int64_t n = (int64_t)json_count(value);
    int64_t min = json_int(schema, "minItems", 0);
    int64_t max = json_int(schema, "maxItems", INT64_MAX);
    if (n < min)
        problem(c, "must have at least %lld item%s", (long long)min, min == 1 ? "" : "s");
    if (n > max)
        problem(c, "must have at most %lld item%s, has %lld", (long long)max, max == 1 ? "" : "s",
                (long long)n);
    const cJSON *items = json_get(schema, "items");
    const cJSON *item;
    size_t i = 0, keep = c->path.len;
    if (items != NULL) {
        cJSON_ArrayForEach (item, value) {
            json_path_index(&c->path, i++);
            check_value(c, items, item);
            strbuf_cut(&c->path, keep);
        }
    }
}

static void unknown_key(struct check *c, const cJSON *properties, const cJSON *member)
{
    struct near near = NEAR_INIT(member->string);
    near_try_keys(&near, properties);
    if (near.word != NULL)
        problem(c, "unknown key; did you mean '%s'?", near.word);
    else
        problem(c, "unknown key");
}

/* The schema for a member: by name, by pattern, else additionalProperties. */
static const cJSON *member_schema(struct check *c, const cJSON *schema, const cJSON *member)
{
    const cJSON *found = json_get(json_get(schema, "properties"), member->string);
    if (found != NULL)
        return found;
    const cJSON *pattern;
    cJSON_ArrayForEach (pattern, json_get(schema, "patternProperties"))
        if (matches(c, pattern->string, member->string))
            return pattern;
    return json_get(schema, "additionalProperties");
}

static void refuse_member(struct check *c, const cJSON *schema, const cJSON *member)
{
    const cJSON *patterns = json_get(schema, "patternProperties");
    if (patterns != NULL && patterns->child != NULL)
        problem(c, "a name here must match %s", patterns->child->string);
    else
        unknown_key(c, json_get(schema, "properties"), member);
}

static void check_object(struct check *c, const cJSON *schema, const cJSON *value)
{
    const cJSON *key;
    cJSON_ArrayForEach (key, json_get(schema, "required"))
        if (json_get(value, key->valuestring) == NULL)
            problem(c, "'%s' is missing", key->valuestring);

    size_t keep = c->path.len;
    const cJSON *member;
    cJSON_ArrayForEach (member, value) {
        const cJSON *sub = member_schema(c, schema, member);
        json_path_key(&c->path, member->string);
        if (cJSON_IsFalse(sub))
            refuse_member(c, schema, member);
        else if (cJSON_IsObject(sub))
            check_value(c, sub, member);
        strbuf_cut(&c->path, keep);
    }
}

/*
 * anyOf: the problems of the one alternative whose type fits, so that a message speaks of what the
 * writer meant, instead of listing what every alternative would have wanted.
 */
static void check_any(struct check *c, const cJSON *options, const cJSON *value)
{
    struct schema_problems *all = c->problems;
    struct schema_problems best = SCHEMA_PROBLEMS_INIT;
    bool fits = false;
    const cJSON *option;
    cJSON_ArrayForEach (option, options) {
        const cJSON *schema = follow_ref(c->root, option);
        if (!fits_type(schema, value))
            continue;
        struct schema_problems found = SCHEMA_PROBLEMS_INIT;
        c->problems = &found;
        check_value(c, schema, value);
        c->problems = all;
        if (!fits || found.n < best.n) {
            schema_problems_release(&best);
            best = found;
        } else {
            schema_problems_release(&found);
        }
        fits = true;
    }
    for (size_t i = 0; i < best.n; i++) {
        all->v = xrealloc_array(all->v, all->n + 1, sizeof(*all->v));
        all->v[all->n++] = best.v[i];
    }
    all->unlisted += best.unlisted;
    free(best.v);
}

static bool any_fits(const cJSON *root, const cJSON *options, const cJSON *value)
{
    const cJSON *option;
    cJSON_ArrayForEach (option, options)
        if (fits_type(follow_ref(root, option), value))
            return true;
    return options == NULL;
}

static bool takes_outputs(const cJSON *root, const cJSON *schema)
{
    const cJSON *option;
    cJSON_ArrayForEach (option, json_get(schema, "anyOf"))
        if (json_bool(follow_ref(root, option), "outputs", false))
            return true;
    return json_bool(schema, "outputs", false);
}

static void check_value(struct check *c, const cJSON *schema, const cJSON *value)
{
    schema = follow_ref(c->root, schema);
    if (c->outputs && json_get(value, SCHEMA_OUTPUT) != NULL) {
        if (!takes_outputs(c->root, schema))
            problem(c, "must be known before anything is made, so it cannot be an output of a "
                       "resource");
        return;
    }
    const cJSON *any = json_get(schema, "anyOf");
    if (!fits_type(schema, value) || !any_fits(c->root, any, value)) {
        wrong_type(c, schema, value);
        return;
    }
    const cJSON *options = json_get(schema, "enum");
    if (options != NULL)
        check_enum(c, options, value);
    if (any != NULL)
        check_any(c, any, value);
    if (cJSON_IsNumber(value))
        check_number(c, schema, value);
    else if (cJSON_IsString(value))
        check_string(c, schema, value);
    else if (cJSON_IsArray(value))
        check_array(c, schema, value);
    else if (cJSON_IsObject(value))
        check_object(c, schema, value);
}

static void check(struct check *c, const cJSON *schema, const cJSON *value)
{
    check_value(c, schema, value);
    strbuf_release(&c->path);
    patterns_free(c->patterns);
}

void schema_check_part(const cJSON *root, const cJSON *schema, const cJSON *value,
                       struct schema_problems *problems)
{
    check(&(struct check){ .root = root, .path = STRBUF_INIT, .problems = problems }, schema,
          value);
}

void schema_check(const cJSON *schema, const cJSON *value, struct schema_problems *problems)
{
    schema_check_part(schema, schema, value, problems);
}

void schema_check_expanded(const cJSON *schema, const cJSON *value,
                           struct schema_problems *problems)
{
    check(
        &(struct check){
            .root = schema, .outputs = true, .path = STRBUF_INIT, .problems = problems },
        schema, value);
}

void schema_problems_release(struct schema_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        free(problems->v[i].path);
        free(problems->v[i].message);
    }
    free(problems->v);
    *problems = (struct schema_problems)SCHEMA_PROBLEMS_INIT;
}

int schema_problems_to_err(const struct schema_problems *problems, enum err_class class,
                           const char *file, const char *text, struct err *err)
{
    if (problems->n == 0)
        return 0;
    _cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
    size_t shown = problems->n < SCHEMA_PROBLEMS_SHOWN ? problems->n : SCHEMA_PROBLEMS_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const struct schema_problem *p = &problems->v[i];
        strbuf_addf(&all, "%s%s:%u: ", i > 0 ? "\n" : "", file, json_line_of(text, p->path));
        if (*p->path != '\0')
            strbuf_addf(&all, "%s: ", p->path);
        strbuf_adds(&all, p->message);
    }
    size_t more = problems->n - shown + problems->unlisted;
    if (more > 0)
        strbuf_addf(&all, "\n%s: %zu more of this kind; correct these first", file, more);
    return err_set(err, class, "%s", all.buf);
}
