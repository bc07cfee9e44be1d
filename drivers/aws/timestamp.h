/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_TIMESTAMP_H
#define BERTH_DRIVERS_AWS_TIMESTAMP_H

/*
 * The dates of AWS's protocols, as seconds since 1970 in a double.
 */

/* ISO 8601, "2006-01-02T15:04:05[.123][Z|+01:00]"; 0 or -1. */
int timestamp_parse_iso(const char *text, double *ret);
/* An HTTP header's, "Mon, 02 Jan 2006 15:04:05 GMT"; 0 or -1. */
int timestamp_parse_http(const char *text, double *ret);

#endif
