/* SPDX-License-Identifier: MIT */
#include "executor/base/clock.h"

#include <stdio.h>

#include "executor/base/str.h"

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

int clock_read_iso_date(const char *text, time_t *ret)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end == NULL || *end != '\0')
        return -1;
    /* strptime() takes blanks and missing zeroes, and timegm() the 31st of April. */
    char again[32];
    time_t t = timegm(&tm);
    clock_iso_date(t, again, sizeof(again));
    if (!str_eq(again, text))
        return -1;
    *ret = t;
    return 0;
}

const char *clock_span(double seconds, char *buf, size_t size)
{
    if (seconds < 60)
        snprintf(buf, size, "%.1f s", seconds);
    else
        snprintf(buf, size, "%d min %d s", (int)seconds / 60, (int)seconds % 60);
    return buf;
}

const char *clock_age(double seconds, char *buf, size_t size)
{
    double minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (minutes < 100)
        snprintf(buf, size, "%d min", (int)minutes);
    else if (hours < 100)
        snprintf(buf, size, "%d h", (int)hours);
    else
        snprintf(buf, size, "%.0f days", days < 1e6 ? (double)(int)days : 1e6);
    return buf;
}

int clock_read_span(const char *text, int64_t *ret)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
    static const int64_t most = (int64_t)100 * 365 * 86400;
    size_t len = strlen(text);
    for (size_t i = 0; len > 0 && i < ARRAY_SIZE(units); i++) {
        if (text[len - 1] != units[i].unit)
            continue;
        _cleanup_free_ char *number = xstrndup(text, len - 1);
        int64_t n;
        if (str_to_int64(number, 1, most / units[i].seconds, &n) < 0)
            return -1;
        *ret = n * units[i].seconds;
        return 0;
    }
    return -1;
}

void cancel_init(struct cancel *c)
{
    uv_mutex_init(&c->mutex);
    uv_cond_init(&c->cond);
    c->set = false;
    c->since = 0;
    c->watcher = NULL;
}

void cancel_release(struct cancel *c)
{
    uv_cond_destroy(&c->cond);
    uv_mutex_destroy(&c->mutex);
}

void cancel_set(struct cancel *c)
{
    uv_mutex_lock(&c->mutex);
    c->since = c->set ? c->since : clock_now();
    c->set = true;
    uv_cond_broadcast(&c->cond);
    if (c->watcher != NULL)
        uv_async_send(c->watcher);
    uv_mutex_unlock(&c->mutex);
}

bool cancel_is_set(struct cancel *c)
{
    uv_mutex_lock(&c->mutex);
    bool set = c->set;
    uv_mutex_unlock(&c->mutex);
    return set;
}

double cancel_since(struct cancel *c)
{
    uv_mutex_lock(&c->mutex);
    double since = c->since;
    uv_mutex_unlock(&c->mutex);
    return since;
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

void cancel_watch(struct cancel *c, uv_async_t *watcher)
{
    uv_mutex_lock(&c->mutex);
    c->watcher = watcher;
    if (c->set && watcher != NULL)
        uv_async_send(watcher);
    uv_mutex_unlock(&c->mutex);
}
