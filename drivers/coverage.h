/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_COVERAGE_H
#define BERTH_DRIVERS_COVERAGE_H

/*
 * The gate of a module's tests: which report they have written, what it says, whether it is enough.
 *
 * A report is the job's: every number in it is checked when it is read, so that what is in a struct
 * coverage_report is within COVERAGE_COUNT_MAX and no more is covered than there is. Reading is one
 * pass; JSON alone is kept whole meanwhile, which takes up to some forty times its size.
 *
 * Parsers add files and lines as they come, also the same file several times; coverage_finish()
 * makes them one each, in the order of their names.
 */

#include "drivers/tool.h"
#include "executor/base/redact.h"

/* Bytes. */
#define COVERAGE_REPORT_MAX ((size_t)32 << 20)
/* JSON is kept whole while it is read, and takes some forty times its size: "coverage json" writes
 * some five bytes for each line, and from 7.6 on three times that (functions and classes). */
#define COVERAGE_JSON_MAX  ((size_t)4 << 20)
#define COVERAGE_FILES_MAX 100000
/* Of all files' names together: JaCoCo's consist of the groups' around them, each of which a report
 * says once. */
#define COVERAGE_NAMES_MAX COVERAGE_REPORT_MAX
#define COVERAGE_SHOWN     60          /* what a message shows of a report's text */
#define COVERAGE_COUNT_MAX 1000000000u /* so that sums times 10,000 fit 64 bits */

struct count {
    uint64_t covered, valid;
};

/* What is counted. The first three are what reports have numbers of. */
enum counter { COUNTER_LINE, COUNTER_BRANCH, COUNTER_INSTRUCTION, COUNTER_LINE_AND_BRANCH };
#define COUNTERS 3

/* A line, or the branches that leave it, or one of them. Two of one line and key are the same. */
struct coverage_item {
    uint64_t key; /* of the branch on its line; 0 where there is one number for them all */
    uint32_t line;
    uint32_t covered, valid;
};

struct coverage_items {
    struct coverage_item *v;
    size_t n, alloc;
};

struct coverage_file {
    char *name;
    struct coverage_items lines, branches;
    /* What the report says of the file where it does not say it line by line; else what
     * coverage_finish() finds in the items. */
    struct count counts[COUNTERS];
    size_t order; /* in which it came */
};

struct coverage_report {
    const char *writer;            /* who writes such reports, for people; static */
    enum counter usual;            /* what the writer itself calls the total */
    bool totals_told[COUNTERS];    /* the report has a total of its own for it */
    struct count totals[COUNTERS]; /* that, or the sum of the files' */
    struct coverage_file *files;
    size_t n, alloc;
    size_t names; /* bytes of the files' names, as they came */
};

/* A report that was found. The caller closes `fd` and frees `path`, by the cleanup attribute. */
struct coverage_source {
    char *path; /* beneath the checkout */
    int fd;     /* of a regular file */
    size_t size;
};
#define COVERAGE_REPORT_INIT                                                                       \
    {                                                                                              \
        .writer = NULL                                                                             \
    }
#define COVERAGE_SOURCE_INIT                                                                       \
    {                                                                                              \
        .path = NULL, .fd = -1                                                                     \
    }
#define _cleanup_coverage_report_ _cleanup_(coverage_report_release)
#define _cleanup_coverage_source_ _cleanup_(coverage_source_release)
void coverage_report_release(struct coverage_report *r);
void coverage_source_release(struct coverage_source *s);

/*
 * The module's report: what `pattern` names (a path, with * and ? and [] in its components), or,
 * where it is NULL, the usual names; in the module's directory `place` first, then in the
 * project's. Only what was written since `began` (nanoseconds of CLOCK_REALTIME) counts. ERR_USER
 * if there is none, or if several match a pattern. What else was there that would do is told in
 * *ret_passed_over.
 */
struct coverage_search {
    int checkout;
    const char *module, *place, *pattern;
    int64_t began;
};
int coverage_find(const struct coverage_search *search, struct coverage_source *ret,
                  struct strlist *ret_passed_over, struct err *err);

/* Whether a file that begins so is coverage.py's data file, an SQLite database, of which only
 * coverage.py can make a report. */
#define COVERAGE_DATA_MAGIC "SQLite format 3"
bool coverage_is_data(const char *text, size_t len);
/* Has coverage.py say as Cobertura XML what is in its data file. ERR_HOST if the host has no
 * coverage.py, ERR_USER in coverage.py's words if it cannot. */
int coverage_export(const struct tool_job *job, const char *path, struct strbuf *ret,
                    struct err *err);
/* struct tool_driver's: whether coverage.py is there. */
int coverage_attempt(const struct tool_job *job, char **ret, struct err *err);

/* Reads a report in whichever of the formats it is: the content tells, not the name. ERR_USER says
 * what is wrong with it, and begins with what comes behind the report's name. */
int coverage_parse(const char *text, size_t len, struct coverage_report *ret, struct err *err);
int coverage_parse_xml(const char *text, size_t len, struct coverage_report *r, struct err *err);
int coverage_parse_json(const char *text, size_t len, struct coverage_report *r, struct err *err);
int coverage_parse_lcov(const char *text, size_t len, struct coverage_report *r, struct err *err);

/* For the parsers. A whole number of at most `max`, nothing else: 0 or -1. */
int coverage_number(const char *text, size_t len, uint64_t max, uint64_t *ret);
/* The file is the report's, and stays where it is until the next is added. ERR_USER: too many, or
 * names too long. */
int coverage_file_add(struct coverage_report *r, const char *name, size_t len,
                      struct coverage_file **ret, struct err *err);
void coverage_item_add(struct coverage_items *items, const struct coverage_item *item);
/* Once all is there: each file once, each line once, totals where the report told none. ERR_USER
 * if it counts more covered than there is. */
int coverage_finish(struct coverage_report *r, struct err *err);

/* What is counted, of totals or of a file's counts. */
struct count coverage_count(const struct count counts[COUNTERS], enum counter counter);
const char *counter_words(enum counter counter); /* "lines and branches" */
/* The files in which something is missed, most of it first: at most `max` of them in *ret, the
 * number of all is returned. */
size_t coverage_worst(const struct coverage_report *r, enum counter counter,
                      const struct coverage_file **ret, size_t max);
/* Appends which lines are not covered, "3-5, 9", with those between them that are not code: at most
 * `max` ranges. */
void coverage_missed_lines(const struct coverage_file *file, size_t max, struct strbuf *text);

/* Whether that is enough, for a minimum in hundredths of a percent; exact. */
bool coverage_suffices(const struct count *count, unsigned minimum);
/* The percentage as people read it, "18.84", which never looks like more than it is: not like 100
 * if something is missed, nor like the minimum if that is not reached. Appends to *text. */
void coverage_percent(const struct count *count, unsigned minimum, struct strbuf *text);

extern const struct tool_driver coverage_tool;

#endif
