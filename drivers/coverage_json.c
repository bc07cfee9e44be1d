/* SPDX-License-Identifier: MIT */
/* What "coverage json" writes: https://coverage.readthedocs.io/en/latest/commands/cmd_json.html */
#include "drivers/coverage.h"

static int read_number(const cJSON *summary, const char *key, const char *path, uint64_t *ret,
                       struct err *err)
{
    int64_t n = json_int(summary, key, -1);
    if (n < 0 || n > COVERAGE_COUNT_MAX)
        return err_set(err, ERR_USER, "is wrong: %s.%s is not a number of lines or branches", path,
                       key);
    *ret = (uint64_t)n;
    return 0;
}

static int read_count(const cJSON *summary, const char *path, const char *covered,
                      const char *valid, struct count *ret, struct err *err)
{
    return read_number(summary, covered, path, &ret->covered, err) < 0
               ? -1
               : read_number(summary, valid, path, &ret->valid, err);
}

/* The numbers of branches are there if branches were measured. */
static int read_summary(const cJSON *summary, const char *path, struct count counts[COUNTERS],
                        struct err *err)
{
    if (read_count(summary, path, "covered_lines", "num_statements", &counts[COUNTER_LINE], err) <
        0)
        return -1;
    return json_get(summary, "num_branches") == NULL
               ? 0
               : read_count(summary, path, "covered_branches", "num_branches",
                            &counts[COUNTER_BRANCH], err);
}

/* "executed_lines" and "missing_lines" are the statements, those excluded left out. */
static int read_lines(const cJSON *member, const char *key, uint32_t covered,
                      struct coverage_file *file, struct err *err)
{
    const cJSON *line;
    cJSON_ArrayForEach (line, json_get(member, key)) {
        double n = cJSON_IsNumber(line) ? line->valuedouble : -1;
        if (!(n >= 0 && n <= INT32_MAX))
            return err_set(err, ERR_USER, "is wrong: '%s' of '%s' holds what is not a line", key,
                           file->name);
        struct coverage_item item = { .line = (uint32_t)n, .covered = covered, .valid = 1 };
        coverage_item_add(&file->lines, &item);
    }
    return 0;
}

static int read_file(const cJSON *member, struct coverage_report *r, struct err *err)
{
    struct coverage_file *file;
    if (coverage_file_add(r, member->string, strlen(member->string), &file, err) < 0)
        return -1;
    _cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "files");
    json_path_key(&path, member->string);
    strbuf_adds(&path, ".summary");
    if (read_summary(json_get(member, "summary"), path.buf, file->counts, err) < 0 ||
        read_lines(member, "executed_lines", 1, file, err) < 0)
        return -1;
    return read_lines(member, "missing_lines", 0, file, err);
}

int coverage_parse_json(const char *text, size_t len, struct coverage_report *r, struct err *err)
{
    _cleanup_json_ cJSON *json = NULL;
    _cleanup_err_ struct err wrong = ERR_INIT;
    if (len > COVERAGE_JSON_MAX)
        return err_set(err, ERR_USER,
                       "has %zu MiB, and a JSON report is read up to %zu MiB: have it written as "
                       "XML ('coverage xml')",
                       len >> 20, COVERAGE_JSON_MAX >> 20);
    if (json_parse(text, len, JSON_PLAIN, &json, &wrong) < 0)
        return err_set(err, ERR_USER, "is not JSON: %s", wrong.message);
    const cJSON *totals = json_get(json, "totals");
    if (!cJSON_IsObject(totals) || !cJSON_IsObject(json_get(json, "files")))
        return err_set(err, ERR_USER,
                       "is JSON, but not what 'coverage json' writes: it has no 'totals' and "
                       "'files'");
    r->writer = "coverage.py";
    r->usual = COUNTER_LINE_AND_BRANCH;
    r->totals_told[COUNTER_LINE] = r->totals_told[COUNTER_BRANCH] = true;
    if (read_summary(totals, "totals", r->totals, err) < 0)
        return -1;
    const cJSON *member;
    cJSON_ArrayForEach (member, json_get(json, "files")) {
        if (read_file(member, r, err) < 0)
            return -1;
    }
    return 0;
}
