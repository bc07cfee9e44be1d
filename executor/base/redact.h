/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_REDACT_H
#define BERTH_BASE_REDACT_H

/*
 * The redactor, which stands before every sink: what it knows as a secret becomes [MASKED].
 *
 * A secret is found as it is and in whatever it may have been written as: with any of its bytes
 * escaped (reading.h), quoted for a shell, SQL or CSV, broken over lines, coloured, in UTF-16, and
 * in what runs of digits stand for (redact_digits.h), in which all of this holds again. What was
 * cut short cannot be found: who shortens foreign text redacts it before. docs/runner-host.md lists
 * what is found, and what is not.
 *
 * The time that it takes does not depend on the number of encodings a secret may have: it is the
 * text that is decoded, not the secret encoded. It grows with the text's length: what is decoded of
 * a text is at most 64 times as long and 1 MB, beyond which only what the text itself says in
 * digits is looked at, not what that says in digits again.
 *
 * Values shorter than REDACT_MIN bytes are not secrets: replacing them would destroy ordinary text.
 * GitLab masks none below eight (https://docs.gitlab.com/ci/variables/#mask-a-cicd-variable).
 * Thread-safe. The registry keeps copies of its own until redact_release().
 */

#include <cjson/cJSON.h>

#include "executor/base/str.h"

#define REDACT_MIN 6

/* NULL and short ones are ignored. The lines of one that has several are secrets, too. */
void redact_add(const char *secret);
/* The password of "https://user:PASSWORD@host/path", as it is there and decoded; a proxy needs no
 * scheme (https://curl.se/libcurl/c/CURLOPT_PROXY.html). What holds none is ignored. */
void redact_add_url(const char *url);
/* Replaces in place. Text of several lines is best given whole: a secret may go over two of them.
 */
void redact(struct strbuf *text);
/* A copy without secrets. The caller frees it. */
char *redact_copy(const char *text);
/* Likewise, on one line: where a sentence of several lines stands within another. */
char *redact_line(const char *text);
/* Likewise, of at most `max` bytes and "...": what a line has room for. */
char *redact_short(const char *text, size_t max);
/*
 * Replaces in all strings, names and numbers of a tree, each by itself, so that its text is JSON
 * still: a number becomes a string, a list whose items together say a secret one of one string,
 * and of names that are the same then the second ends with " (2)". What is to be printed as JSON
 * goes through here before: in its text everything is escaped once more than it was. The tree must
 * be the caller's alone.
 */
void redact_json(cJSON *json);
/* The same of a copy, which is the caller's. */
cJSON *redact_json_copy(const cJSON *json);
/* Forgets all secrets. No other thread may be in here. */
void redact_release(void);

#endif
