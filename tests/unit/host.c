/* SPDX-License-Identifier: MIT */
#include "tests/unit/host.h"

struct hostconfig host;

int host_read(const char *json)
{
    _cleanup_err_ struct err err = ERR_INIT;
    host = (struct hostconfig){ .path = (char *)"/etc/berth/berth.json" };
    return json_parse(json, strlen(json), JSON_PLAIN, &host.json, &err);
}

int host_release(void **state)
{
    (void)state;
    json_freep(&host.json);
    return 0;
}
