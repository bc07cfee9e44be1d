/* SPDX-License-Identifier: MIT */
#include "executor/base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "executor/base/str.h"

char *random_name(const char *prefix, size_t bytes)
{
    _cleanup_free_ unsigned char *data = xmalloc(bytes);
    struct strbuf name = STRBUF_INIT;
    ssize_t n;
    do /* it waits where the host has just started, and a signal ends that */
        n = getrandom(data, bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)bytes)
        host_exit("berth: the kernel gives no random numbers\n");
    strbuf_adds(&name, prefix);
    strbuf_add_hex(&name, data, bytes);
    return strbuf_detach(&name);
}
