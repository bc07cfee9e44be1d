/* SPDX-License-Identifier: MIT */
#include "executor/usage.h"

#include <stdio.h>
#include <string.h>

bool usage_asked(int argc, char **argv, const char *synopsis, const char *what)
{
    if (argc != 2 || strcmp(argv[1], "--help") != 0)
        return false;
    printf("usage: %s\n\n%s\n\nberth-executor(8) is the manual.\n", synopsis, what);
    return true;
}
