/* SPDX-License-Identifier: MIT */
#include "executor/base/schemas.h"

/* The assembler copies the file in and ends it with a NUL. */
#define EMBED(symbol, file)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #symbol "\n" #symbol ":\n"                                                  \
            ".incbin \"" file "\"\n"                                                               \
            ".byte 0\n"                                                                            \
            ".popsection\n")

EMBED(schema_environment, "config/environment.schema.json");
EMBED(schema_host, "config/host.schema.json");
