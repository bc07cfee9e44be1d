/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/answers.h"

FUZZ_ANSWERS(PROTOCOL_REST_XML)
