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
#include <stdint.h>
#include <time.h>
#include <uv.h>

double clock_now(void); /* monotonic, seconds */
/* Writes a UTC date as 20060102T150405Z (basic) or 2006-01-02T15:04:05Z into buf of 21+ bytes. */
void clock_basic_date(time_t t, char *buf, size_t size);
void clock_iso_date(time_t t, char *buf, size_t size);
/* Reads 2006-01-02T15:04:05Z, as clock_iso_date() writes it; 0 or -1. */
int clock_read_iso_date(const char *text, time_t *ret);
/* "1.2 s", "3 min 4 s": for people; buf of 32+ bytes is enough. Returns buf. */
const char *clock_span(double seconds, char *buf, size_t size);
/* Likewise in the largest unit of which there is one: "45 min", "71 h", "12 days". */
const char *clock_age(double seconds, char *buf, size_t size);
/* Reads a span as people configure it, in seconds: "90m", "72h", "3d", "2w"; 0, or -1 for anything
 * else, nothing and more than a hundred years. */
int clock_read_span(const char *text, int64_t *ret);

struct cancel {
    uv_mutex_t mutex;
    uv_cond_t cond;
    bool set;
    double since;        /* clock_now() when it was set */
    uv_async_t *watcher; /* cancel_watch() */
};

void cancel_init(struct cancel *c);
void cancel_release(struct cancel *c);
void cancel_set(struct cancel *c); /* from any thread, never from a signal handler */
bool cancel_is_set(struct cancel *c);
double cancel_since(struct cancel *c); /* clock_now() when it was set; 0: it is not */
/* Sleeps; returns 0 after the whole span, -1 as soon as the cancel is set. */
int cancel_sleep(struct cancel *c, double seconds);
/* Has `watcher` sent as soon as the cancel is set, also if it is already: for who waits in a loop
 * of libuv. One at a time; NULL before the watcher is closed: no more. */
void cancel_watch(struct cancel *c, uv_async_t *watcher);

#endif
