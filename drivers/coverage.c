/* SPDX-License-Identifier: MIT */
/*
 * <module>-test: after the script has run the tests, their coverage decides. What is said at the
 * end are pytest-cov's words (pytest_terminal_summary() in
 * https://github.com/pytest-dev/pytest-cov/blob/master/src/pytest_cov/plugin.py), so that what
 * people and GitLab's `coverage:` look for is the same whatever the tests are written in.
 */
#include "drivers/coverage.h"

#include <math.h>
#include <unistd.h>

#include "executor/base/file.h"
#include "executor/base/log.h"

#define MINIMUM    8000 /* hundredths of a percent */
#define WORST_MAX  10   /* files that are listed */
#define RANGES     12   /* of missed lines of each */
#define NAME_SHOWN 200  /* bytes of its name */

struct gate {
    const struct tool_job *job;
    const cJSON *settings; /* the spec's modules.<m>.coverage, or NULL */
    unsigned minimum;      /* hundredths of a percent */
};

/* The schema has checked that it is a number of 0 to 100. */
static int read_minimum(struct gate *g, struct err *err)
{
    const cJSON *value = json_get(g->settings, "minimum");
    g->minimum = MINIMUM;
    if (value == NULL)
        return 0;
    double hundredths = value->valuedouble * 100;
    if (!cJSON_IsNumber(value) || !(hundredths >= 0 && hundredths <= 10000) ||
        fabs(hundredths - round(hundredths)) > 1e-6)
        return err_set(err, ERR_USER,
                       "modules.%s.coverage.minimum: must be a percentage from 0 to 100 with at "
                       "most two decimals",
                       g->job->part);
    g->minimum = (unsigned)lround(hundredths);
    return 0;
}

/* "80", "80.5", "79.99" */
static void add_minimum(unsigned minimum, struct strbuf *text)
{
    strbuf_addf(text, "%u", minimum / 100);
    if (minimum % 100 != 0)
        strbuf_addf(text, minimum % 10 != 0 ? ".%02u" : ".%u",
                    minimum % 10 != 0 ? minimum % 100 : minimum % 100 / 10);
}

static int find(const struct gate *g, struct coverage_source *ret, struct err *err)
{
    _cleanup_free_ char *place = NULL;
    if (tool_module_directory(g->job, &place, err) < 0)
        return -1;
    const struct coverage_search search = {
        .checkout = g->job->checkout,
        .module = g->job->part,
        .place = str_eq(place, ".") ? "" : place,
        .pattern = json_str(g->settings, "report"),
        .began = g->job->began,
    };
    _cleanup_strlist_ struct strlist passed_over = STRLIST_INIT;
    if (coverage_find(&search, ret, &passed_over, err) < 0)
        return -1;
    for (size_t i = 0; i < passed_over.n; i++)
        log_info("'%s' is passed over: '%s' comes before it", passed_over.v[i], ret->path);
    return 0;
}

/* The report's text; of coverage.py's data file what coverage.py makes of it. */
static int read_source(const struct gate *g, const struct coverage_source *source,
                       struct strbuf *text, struct err *err)
{
    char head[sizeof(COVERAGE_DATA_MAGIC)];
    ssize_t n = pread(source->fd, head, sizeof(head), 0);
    if (n > 0 && coverage_is_data(head, (size_t)n))
        return coverage_export(g->job, source->path, text, err);
    if (source->size > COVERAGE_REPORT_MAX)
        return err_set(err, ERR_USER,
                       "'%s' has %zu MiB, and a report is read up to %zu MiB: have the tests "
                       "measure the module's own code only",
                       source->path, source->size >> 20, COVERAGE_REPORT_MAX >> 20);
    return file_read_open(source->fd, source->path, COVERAGE_REPORT_MAX, text, err);
}

static int read_report(const struct gate *g, const struct coverage_source *source,
                       struct coverage_report *ret, struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_err_ struct err wrong = ERR_INIT;
    if (read_source(g, source, &text, err) < 0)
        return -1;
    if (coverage_parse(text.buf, text.len, ret, &wrong) < 0)
        return err_set(err, wrong.class, "the report '%s' %s", source->path, wrong.message);
    return 0;
}

/* What counts: what the tool that wrote the report calls its total, unless the spec says it. */
static enum counter choose_counter(const struct gate *g, const struct coverage_report *report)
{
    static const char *const names[COUNTERS] = {
        [COUNTER_LINE] = "line",
        [COUNTER_BRANCH] = "branch",
        [COUNTER_INSTRUCTION] = "instruction",
    };
    const char *own = json_str(g->settings, "counter");
    for (size_t i = 0; own != NULL && i < COUNTERS; i++)
        if (str_eq(own, names[i]))
            return (enum counter)i;
    return report->usual;
}

/* All of nothing is no coverage: somebody has measured the wrong thing, or nothing. */
static int check_not_empty(const struct coverage_source *source, const struct coverage_report *r,
                           enum counter counter, struct err *err)
{
    if (coverage_count(r->totals, counter).valid > 0)
        return 0;
    return err_set(err, ERR_USER,
                   "the report '%s' (%s) tells of no %s: the tests have not measured any; see what "
                   "they are told to measure ('--cov' of pytest, 'source' in .coveragerc)",
                   source->path, r->writer, counter_words(counter));
}

static void say_file(const struct coverage_file *file, enum counter counter)
{
    struct count count = coverage_count(file->counts, counter);
    _cleanup_strbuf_ struct strbuf percent = STRBUF_INIT, lines = STRBUF_INIT;
    coverage_percent(&count, 0, &percent);
    coverage_missed_lines(file, RANGES, &lines);
    _cleanup_free_ char *name = redact_short(file->name, NAME_SHOWN);
    log_info("%6s%%  %s%s%s", percent.buf, name, lines.len > 0 ? ": lines " : "", lines.buf);
}

static void say_worst(const struct coverage_report *report, enum counter counter)
{
    const struct coverage_file *worst[WORST_MAX];
    size_t all = coverage_worst(report, counter, worst, WORST_MAX);
    if (all == 0)
        return;
    log_info("where most is missed:");
    for (size_t i = 0; i < all && i < WORST_MAX; i++)
        say_file(worst[i], counter);
    if (all > WORST_MAX)
        log_info("         and in %zu more files", all - WORST_MAX);
}

/*
 * The verdict. An error without a message: the log says it already, in words that have to be its
 * last line, as they are.
 */
static int judge(const struct gate *g, const struct coverage_report *report, enum counter counter,
                 struct err *err)
{
    struct count total = coverage_count(report->totals, counter);
    bool enough = coverage_suffices(&total, g->minimum);
    _cleanup_strbuf_ struct strbuf percent = STRBUF_INIT, minimum = STRBUF_INIT;
    coverage_percent(&total, g->minimum, &percent);
    add_minimum(g->minimum, &minimum);
    if (!enough)
        say_worst(report, counter);
    log_info("TOTAL %llu of %llu %s  %s%%", (unsigned long long)total.covered,
             (unsigned long long)total.valid, counter_words(counter), percent.buf);
    log_info("%sRequired test coverage of %s%% %sreached. Total coverage: %s%%",
             enough ? "" : "FAIL ", minimum.buf, enough ? "" : "not ", percent.buf);
    return enough ? 0 : err_set(err, ERR_USER, "%s", "");
}

static int work(const struct tool_job *job, struct err *err)
{
    struct gate g = { .job = job, .settings = json_get(job->module, "coverage") };
    _cleanup_coverage_source_ struct coverage_source source = COVERAGE_SOURCE_INIT;
    _cleanup_coverage_report_ struct coverage_report report = COVERAGE_REPORT_INIT;
    if (read_minimum(&g, err) < 0 || find(&g, &source, err) < 0 ||
        read_report(&g, &source, &report, err) < 0)
        return -1;
    enum counter counter = choose_counter(&g, &report);
    if (check_not_empty(&source, &report, counter, err) < 0)
        return -1;
    log_info("read '%s' (%s): %s of %zu file%s", source.path, report.writer, counter_words(counter),
             report.n, report.n == 1 ? "" : "s");
    return judge(&g, &report, counter, err);
}

const struct tool_driver coverage_tool = {
    .name = "coverage",
    .setting = "tools.coverage",
    .package = "Debian's package 'python3-coverage'; a script that writes a report needs none",
    .attempt = coverage_attempt,
    .work = work,
};
