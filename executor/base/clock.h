/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_CLOCK_H
#define BERTH_BASE_CLOCK_H

/*
 * Time, and sleeping that a cancel ends.
 *
 * All spans are seconds in a double on CLOCK_MONOTONIC. The wall clock is used only where a
 * protocol or a person needs a date. A struct cancel is shared by every thread of a run: once
 * set it stays set, and everyone who sleeps on it wakes up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <uv.h>

double clock_now(void); /* monotonic, seconds */
/* Writes a UTC date as 20060102T150405Z (basic) or 2006-01-02T15:04:05Z into buf of 21+ bytes. */
void clock_basic_date(time_t t, char *buf, size_t size);
void clock_iso_date(time_t t, char *buf, size_t size);
/* "1.2 s", "3 min 4 s": for people; buf of 32+ bytes is enough. Returns buf. */
const char *clock_span(double seconds, char *buf, size_t size);

struct cancel {
    uv_mutex_t mutex;
    uv_cond_t cond;
    bool set;
};

void cancel_init(struct cancel *c);
void cancel_release(struct cancel *c);
void cancel_set(struct cancel *c); /* from any thread, never from a signal handler */
bool cancel_is_set(struct cancel *c);
/* Sleeps; returns 0 after the whole span, -1 as soon as the cancel is set. */
int cancel_sleep(struct cancel *c, double seconds);

#endif
