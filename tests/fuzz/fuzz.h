/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_FUZZ_H
#define BERTH_TESTS_FUZZ_H

/*
 * What the fuzz targets share. A target is one file, fuzz_NAME.c, that feeds a parser with
 * LLVMFuzzerTestOneInput(); its corpus is corpus/NAME, its dictionary, if it has one, NAME.dict.
 * The Makefile finds it by its name (docs/testing.md). https://llvm.org/docs/LibFuzzer.html
 */

#include <stddef.h>
#include <stdint.h>

#include "executor/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory of this process in memory (or TMPDIR), removed when it ends; with subdirectories. */
const char *fuzz_directory(void);
/* Makes the file `name` in it hold the bytes, and returns its path, which stays valid. */
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);
/* Copies a file of the source tree there under another name. */
void fuzz_copy(const char *from, const char *name);

/* Ends the run as a finding: "what" must always hold. */
void fuzz_require(bool holds, const char *what);
/* What a parser that has said no must have said: a class and one line or more for people. */
void fuzz_require_message(const struct err *err);

#endif
