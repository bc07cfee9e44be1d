/* SPDX-License-Identifier: MIT */
/* Which format a report has: what it begins with tells. */
#include "drivers/coverage.h"

bool coverage_is_data(const char *text, size_t len)
{
    size_t n = strlen(COVERAGE_DATA_MAGIC);
    return len >= n && memcmp(text, COVERAGE_DATA_MAGIC, n) == 0;
}

static bool begins(const char *text, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

/* Blanks, line ends and a byte order mark. */
static size_t skip_blanks(const char *text, size_t len)
{
    size_t at = begins(text, len, "\xef\xbb\xbf") ? 3 : 0;
    while (at < len && memchr(" \t\r\n", text[at], 4) != NULL)
        at++;
    return at;
}

static int parse(const char *text, size_t len, struct coverage_report *r, struct err *err)
{
    size_t at = skip_blanks(text, len);
    if (at == len)
        return err_set(err, ERR_USER, "is empty");
    if (text[at] == '<')
        return coverage_parse_xml(text + at, len - at, r, err);
    if (text[at] == '{')
        return coverage_parse_json(text + at, len - at, r, err);
    if (text[at] == '#' || begins(text + at, len - at, "TN:") || begins(text + at, len - at, "SF:"))
        return coverage_parse_lcov(text + at, len - at, r, err);
    return err_set(err, ERR_USER,
                   "is no coverage report that is known: it is neither XML (Cobertura, JaCoCo) nor "
                   "JSON ('coverage json') nor lcov's format");
}

int coverage_parse(const char *text, size_t len, struct coverage_report *ret, struct err *err)
{
    _cleanup_coverage_report_ struct coverage_report r = COVERAGE_REPORT_INIT;
    if (parse(text, len, &r, err) < 0 || coverage_finish(&r, err) < 0)
        return -1;
    *ret = r;
    r = (struct coverage_report)COVERAGE_REPORT_INIT;
    return 0;
}
