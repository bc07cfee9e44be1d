/* SPDX-License-Identifier: MIT */
/* Coverage reports: what a repository's tools have written, or what somebody wants them to have. */
#include "drivers/coverage.h"
#include "tests/fuzz/fuzz.h"

static void require_sane(const struct coverage_report *r, enum counter counter)
{
    struct count total = coverage_count(r->totals, counter);
    fuzz_require(total.covered <= total.valid, "no more is covered than there is");
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    coverage_percent(&total, 8000, &text);
    double shown = strtod(text.buf, NULL);
    fuzz_require(shown >= 0 && shown <= 100, "a percentage is one");
    fuzz_require(coverage_suffices(&total, 8000) == (total.valid == 0 || shown >= 80),
                 "what is shown is on the side of the minimum that decides");
    const struct coverage_file *worst[3];
    size_t n = coverage_worst(r, counter, worst, 3);
    fuzz_require(n <= r->n, "a file is listed once");
    for (size_t i = 0; i < n && i < 3; i++)
        coverage_missed_lines(worst[i], 4, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    if (coverage_parse((const char *)data, size, &r, &err) < 0) {
        fuzz_require_message(&err);
        fuzz_require(err.class == ERR_USER, "a report is its job's");
        return 0;
    }
    require_sane(&r, r.usual);
    for (int counter = 0; counter < COUNTERS; counter++)
        require_sane(&r, (enum counter)counter);
    for (size_t i = 1; i < r.n; i++)
        fuzz_require(strcmp(r.files[i - 1].name, r.files[i].name) < 0, "a file is there once");
    return 0;
}
