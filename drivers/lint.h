/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_LINT_H
#define BERTH_DRIVERS_LINT_H

/*
 * What a linter has said, read and told again. pycodestyle, flake8 and ruff (with the output format
 * "concise") say a finding in one line, `path:line:column: CODE text`. Pure: no I/O.
 */

#include "drivers/tool.h"

/* In the project's directory, where GitLab's jobs name it (artifacts:reports:codequality). */
#define LINT_REPORT "gl-code-quality-report.json"

struct lint_finding {
    char *path; /* relative to the project's root */
    unsigned line, column;
    char *code; /* "E501" */
    char *text; /* "line too long (131 > 120 characters)" */
};

struct lint_findings {
    struct lint_finding *v;
    size_t n;
};
#define LINT_FINDINGS_INIT                                                                         \
    {                                                                                              \
        .v = NULL, .n = 0                                                                          \
    }
#define _cleanup_lint_findings_ _cleanup_(lint_findings_release)

/* Adds what the lines of a linter's output tell of; what is no finding is passed over. */
void lint_read(const char *output, struct lint_findings *ret);
void lint_findings_release(struct lint_findings *findings);
/*
 * GitLab's report (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format).
 * A fingerprint does not change with the line that a finding stands in, so that GitLab does not
 * take it for a new one when something above it grows; of findings that are alike otherwise the
 * first, second and so on differ. The caller owns it.
 */
cJSON *lint_to_code_quality(const struct lint_findings *findings);
/* Whether a text of setup.cfg's kind has the option ("max-line-length") in what the program reads
 * of it: the section of its name, or, for pycodestyle where there is none, [pep8]. */
bool lint_config_sets(const char *text, const char *program, const char *option);

#endif
