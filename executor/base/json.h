/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_JSON_H
#define BERTH_BASE_JSON_H

/*
 * cJSON made safe. cJSON on its own looks keys up without regard to case, accepts duplicate keys,
 * trailing garbage, NULs that cut strings short, and a thousand levels of nesting; json_parse()
 * refuses all of these, and the getters here are case-sensitive and tell wrong types from absent
 * members. Use cJSON's own constructors to build values and its cJSON_ArrayForEach to walk them.
 *
 * cJSON's memory hooks are set before main() to xmalloc and free: no constructor returns NULL, and
 * printed text is freed with free().
 *
 * Getters accept NULL objects and return pointers into the tree, which the tree owns.
 *
 * A "path" is what messages and json_line_of() use: keys and indexes joined as
 * `services.notifier.ports[1].from`; a key that holds a dot, a bracket, a blank, a quote, a
 * backslash or a control character is written as a JSON string: `a."b.c"`.
 */

#include <cjson/cJSON.h>

#include "executor/base/err.h"

#define _cleanup_json_ _cleanup_(json_freep)

enum json_flags {
    JSON_PLAIN = 0,
    JSON_COMMENTS = 1, /* accept // and block comments, as in files that people write */
};

#define JSON_DEPTH_MAX 64
#define JSON_FILE_MAX  ((size_t)4 << 20)

/*
 * Parses exactly one value. Errors are ERR_INVALID and name line and column; the caller wraps them
 * with the file's name. The caller owns *ret.
 */
int json_parse(const char *text, size_t len, enum json_flags flags, cJSON **ret, struct err *err);
/* Reads a whole file (at most JSON_FILE_MAX bytes) and parses it; on success *ret_text, where asked
 * for, is the text for json_line_of(), the caller's to free. Errors name the file: `path:line:
 * message`. A file that cannot be read is ERR_NOT_FOUND if absent, else ERR_HOST. */
int json_read(const char *path, enum json_flags flags, cJSON **ret, char **ret_text,
              struct err *err);

/* The 1-based line where the value at `path` begins in a text that json_parse() accepts; where the
 * path leaves the text, the line of the deepest part of it that is there. */
unsigned json_line_of(const char *text, const char *path);
/* Where the value at `path` begins in a text that json_parse() accepts, and how many bytes it has
 * there: for numbers that a double does not hold. NULL if the path leaves the text; a key that is
 * written there with needless escapes is not found. */
const char *json_text_at(const char *text, const char *path, size_t *ret_len);
/* Appends ".key" or "[i]" to a path, quoting the key where needed. */
void json_path_key(struct strbuf *path, const char *key);
void json_path_index(struct strbuf *path, size_t i);
/* The length of the quoted key at the beginning of a path, with its quotes. */
size_t json_path_quoted(const char *step);

/* Reading. */
cJSON *json_get(const cJSON *object, const char *key); /* the member, or NULL; null is a member */
/* Follows keys separated by '/': json_at(service, "deployments/0/id"). NULL where a step fails. */
cJSON *json_at(const cJSON *value, const char *steps);
const char *json_str(const cJSON *object, const char *key);     /* NULL unless a string */
const char *json_str_at(const cJSON *value, const char *steps); /* likewise, by json_at() */
bool json_bool(const cJSON *object, const char *key, bool otherwise);
/* A whole number within int64 that a double holds exactly; `otherwise` if absent or not one. */
int64_t json_int(const cJSON *object, const char *key, int64_t otherwise);
size_t json_count(const cJSON *array); /* 0 for NULL */
/* The item of an array of objects whose member `key` is the string `value`, or NULL. */
cJSON *json_find(const cJSON *array, const char *key, const char *value);
bool json_array_has(const cJSON *array, const char *string);
/* Equal in value; the order of members does not count, the order of array items does. */
bool json_equal(const cJSON *a, const cJSON *b);

/* Building. All take ownership of `item` and return it. */
cJSON *json_put(cJSON *object, const char *key, cJSON *item); /* replaces a member of that name */
cJSON *json_push(cJSON *array, cJSON *item);
cJSON *json_put_str(cJSON *object, const char *key, const char *value); /* NULL value: no member */
cJSON *json_put_strf(cJSON *object, const char *key, const char *fmt, ...) _printf_(3, 4);
cJSON *json_put_int(cJSON *object, const char *key, int64_t value);
cJSON *json_put_bool(cJSON *object, const char *key, bool value);
cJSON *json_put_object(cJSON *object, const char *key);
cJSON *json_put_array(cJSON *object, const char *key);
cJSON *json_push_str(cJSON *array, const char *value);
/* Copies a member, if there, from one object to another. */
void json_copy(cJSON *to, const cJSON *from, const char *key);
cJSON *json_dup(const cJSON *value); /* NULL gives NULL; the caller owns it */

/*
 * Merges `over` into `base`, as overlays and a spec's "taskDefinition" do: objects member by
 * member, null removes the member, arrays whose items all have a "name" item by item under that
 * name, every other value whole. `over` is not changed.
 */
void json_merge(cJSON *base, const cJSON *over);
/* Sorts an array of objects by a string member, or of strings (key NULL), in byte order. */
void json_sort(cJSON *array, const char *key);

/* Compact or indented text; the caller frees it. */
char *json_print(const cJSON *value);
char *json_print_pretty(const cJSON *value);
void json_freep(cJSON **value);

#endif
