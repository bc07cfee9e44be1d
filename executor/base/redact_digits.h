/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_REDACT_DIGITS_H
#define BERTH_BASE_REDACT_DIGITS_H

/*
 * Bytes that were written as digits: base64 with either alphabet, base32 in one case
 * (https://www.rfc-editor.org/rfc/rfc4648#section-4 to 6), hexadecimal, and numbers from 0 to 255.
 * And bytes among which there are others that nobody sees: NULs, as in UTF-16, and what colours a
 * terminal.
 *
 * A run is all that a decoder could read in one go. Where in it the first digit of some text stands
 * nobody knows, so a run has as many meanings (phases) as digits can lie differently in bytes.
 *
 * struct digits owns its memory, which runs share one after the other, and points nowhere: places
 * are offsets into the text that the run was found in.
 */

#include <stdint.h>

#include "executor/base/str.h"

struct encoding;

struct digits {
    const struct encoding *encoding;
    unsigned char *value;
    uint32_t *from, *to; /* where each digit stands: a text is shorter than STRBUF_CEILING */
    size_t n, room;
    bool apart; /* something is between two bytes: a blank, a comma, a colour, a NUL */
};
#define DIGITS_INIT                                                                                \
    {                                                                                              \
        .n = 0                                                                                     \
    }

struct range {
    size_t from, to;
};

/* Kinds of runs: an encoding, and how it may be broken. The first ones can be in a text of plain
 * bytes (reading.h) alone; those from there up to DIGITS_KINDS_UNSEEN are texts without what nobody
 * sees, and need no digits. */
#define DIGITS_KINDS        12
#define DIGITS_KINDS_PLAIN  6
#define DIGITS_KINDS_UNSEEN 8

/* Once, before anything else here. */
void digits_init(void);
/* The next run of a kind from *at on that may hold `least` bytes, and in *at where to go on; false
 * if there is none. */
bool digits_next(struct digits *d, size_t kind, const char *text, size_t len, size_t least,
                 size_t *at);
unsigned digits_phases(const struct digits *d);
/* What the run stands for from its digit `phase` on; *ret is overwritten. */
void digits_decode(const struct digits *d, unsigned phase, struct strbuf *ret);
/* Where those of the decoded bytes stand in the text, digits that they share with others included.
 */
struct range digits_place(const struct digits *d, unsigned phase, struct range bytes);
void digits_release(struct digits *d);

#endif
