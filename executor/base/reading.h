/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_READING_H
#define BERTH_BASE_READING_H

/*
 * What a place in a text may stand for, whoever wrote it there: the byte itself, and what it is the
 * escape of in JSON and C ("\n", "\u00e9", "\x41", "\"", at any depth of strings within strings),
 * in URLs and forms ("%41", "%2541", "+"), in XML and HTML ("&lt;", "&#60;", "&amp;lt;"). Several
 * readings hold at once: which is meant is for the reader to know, and a reader who looks for
 * something takes the one that fits.
 */

#include <stdbool.h>
#include <stddef.h>

struct reading {
    unsigned char bytes[4]; /* a character in UTF-8 */
    unsigned n;
    size_t end; /* where the text goes on */
};

/* As many as one place can have. */
#define READINGS_MAX 8

/* The bytes that begin an escape, end a line, or are not seen. */
extern const bool reading_special[256];
/* Whether this byte has one reading, itself. Inline: it is asked of every byte of every line. */
static inline bool reading_is_plain(char c)
{
    return !reading_special[(unsigned char)c];
}
/* All readings of what stands at `at`, which is before `len`; how many there are, the plain one
 * first. */
size_t reading_all(const char *text, size_t len, size_t at, struct reading ret[READINGS_MAX]);
/* Where the text goes on behind the end of a line, where a long text was broken, and the next
 * one's indentation; 0 if the reading is none. */
size_t reading_skip_line(const char *text, size_t len, const struct reading *reading);
/* Where it goes on behind what steers a terminal, "\033[1;31m"; 0 if the reading is none. */
size_t reading_skip_control(const char *text, size_t len, const struct reading *reading);
/* Where it goes on behind a NUL, as UTF-16 has one beside each ASCII character; 0 if it is none. */
size_t reading_skip_nul(const char *text, size_t len, const struct reading *reading);

#endif
