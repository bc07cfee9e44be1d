/* SPDX-License-Identifier: MIT */
#include "drivers/aws/timestamp.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The offset behind the time in seconds; text is at its sign, its 'Z' or its end. */
static int parse_offset(const char *text, long *ret)
{
    if (strcmp(text, "Z") == 0 || *text == '\0') {
        *ret = 0;
        return 0;
    }
    struct tm tm = { 0 };
    if (*text != '+' && *text != '-')
        return -1;
    const char *end = strptime(text + 1, "%H:%M", &tm);
    if (end == NULL || *end != '\0')
        return -1;
    *ret = (tm.tm_hour * 60L + tm.tm_min) * 60 * (*text == '-' ? -1 : 1);
    return 0;
}

int timestamp_parse_iso(const char *text, double *ret)
{
    struct tm tm = { 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL)
        return -1;
    double fraction = 0, unit = 0.1;
    if (*rest == '.')
        for (rest++; isdigit((unsigned char)*rest); rest++, unit /= 10)
            fraction += (*rest - '0') * unit;
    long offset;
    if (parse_offset(rest, &offset) < 0)
        return -1;
    *ret = (double)(timegm(&tm) - offset) + fraction;
    return 0;
}

int timestamp_parse_http(const char *text, double *ret)
{
    struct tm tm = { 0 };
    const char *rest = strptime(text, "%a, %d %b %Y %H:%M:%S", &tm);
    if (rest == NULL || strcmp(rest, " GMT") != 0)
        return -1;
    *ret = (double)timegm(&tm);
    return 0;
}
