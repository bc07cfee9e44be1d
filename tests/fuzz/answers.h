/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_FUZZ_ANSWERS_H
#define BERTH_TESTS_FUZZ_ANSWERS_H

/*
 * Answers of AWS in one wire protocol. An input's first line says to which action they belong,
 * "ecs DescribeServices"; any other line stands for some action. The rest is the answer's body,
 * read as a success and as an error.
 */

#include "drivers/aws/protocol.h"
#include "tests/fuzz/fuzz.h"

int fuzz_answer(enum protocol_id id, const uint8_t *data, size_t size);

#define FUZZ_ANSWERS(id)                                                                           \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                   \
    {                                                                                              \
        return fuzz_answer(id, data, size);                                                        \
    }

#endif
