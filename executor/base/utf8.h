/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_UTF8_H
#define BERTH_BASE_UTF8_H

/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */

#include "executor/base/str.h"

/* How many bytes the character at s[0] has, of at most `len`; 0 if there is none. */
size_t utf8_char(const char *s, size_t len);
/* The code point of a character of `n` bytes. */
uint32_t utf8_code_point(const char *s, size_t n);
/* The index of the first byte that begins no character; len if all is UTF-8. */
size_t utf8_valid(const char *s, size_t len);
/*
 * Makes text safe to show, in place: whatever could steer a terminal, end a line or reorder what a
 * reader sees is written as an escape, "\x1b", "\u202e": control characters but for the tabulator,
 * marks of direction and other invisible characters (Unicode's Cc, Cf and line separators as far as
 * terminals act on them, https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing), and
 * bytes that are not UTF-8.
 */
void utf8_make_visible(struct strbuf *text);
/* How many of the first bytes, in whole characters, take at most `most` bytes when they are shown
 * that way. */
size_t utf8_cut(const char *s, size_t len, size_t most);

#endif
