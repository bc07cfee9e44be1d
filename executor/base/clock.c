/* SPDX-License-Identifier: MIT */
#include "executor/base/clock.h"

#include <stdio.h>

double clock_now(void)
{
    return (double)uv_hrtime() / 1e9;
}

void clock_basic_date(time_t t, char *buf, size_t size)
{
    struct tm tm;
    gmtime_r(&t, &tm);
    if (strftime(buf, size, "%Y%m%dT%H%M%SZ", &tm) == 0 && size > 0)
        buf[0] = '\0';
}

void clock_iso_date(time_t t, char *buf, size_t size)
{
    struct tm tm;
    gmtime_r(&t, &tm);
    if (strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0 && size > 0)
        buf[0] = '\0';
}

const char *clock_span(double seconds, char *buf, size_t size)
{
    if (seconds < 60)
        snprintf(buf, size, "%.1f s", seconds);
    else
        snprintf(buf, size, "%d min %d s", (int)seconds / 60, (int)seconds % 60);
    return buf;
}

void cancel_init(struct cancel *c)
{
    uv_mutex_init(&c->mutex);
    uv_cond_init(&c->cond);
    c->set = false;
}

void cancel_release(struct cancel *c)
{
    uv_cond_destroy(&c->cond);
    uv_mutex_destroy(&c->mutex);
}

void cancel_set(struct cancel *c)
{
    uv_mutex_lock(&c->mutex);
    c->set = true;
    uv_cond_broadcast(&c->cond);
    uv_mutex_unlock(&c->mutex);
}

bool cancel_is_set(struct cancel *c)
{
    uv_mutex_lock(&c->mutex);
    bool set = c->set;
    uv_mutex_unlock(&c->mutex);
    return set;
}

int cancel_sleep(struct cancel *c, double seconds)
{
    double deadline = clock_now() + seconds;
    uv_mutex_lock(&c->mutex);
    while (!c->set) {
        double left = deadline - clock_now();
        if (left <= 0)
            break;
        uv_cond_timedwait(&c->cond, &c->mutex, (uint64_t)(left * 1e9));
    }
    bool set = c->set;
    uv_mutex_unlock(&c->mutex);
    return set ? -1 : 0;
}
