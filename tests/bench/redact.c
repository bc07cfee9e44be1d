/* SPDX-License-Identifier: MIT */
/*
 * redact RUNS SECRET... <TEXT: prints how long the text is, and the least processor time that each
 * of two things took in so many runs: to count its bytes by their values, and to redact it.
 */
#include <stdio.h>
#include <time.h>

#include "executor/base/redact.h"

#define ROUNDS 16

static double processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What a look at every byte takes that no compiler makes one at many bytes; often enough to be
 * measured. */
static void count_bytes(struct strbuf *text)
{
    static volatile size_t counts[256];
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < text->len; i++)
            counts[(unsigned char)text->buf[i]]++;
}

static double least_time(void (*work)(struct strbuf *text), const struct strbuf *text, int runs)
{
    double least = 0;
    for (int i = 0; i < runs; i++) {
        _cleanup_strbuf_ struct strbuf copy = STRBUF_INIT;
        strbuf_add(&copy, text->buf, text->len);
        double begin = processor_time();
        work(&copy);
        double took = processor_time() - begin;
        least = i == 0 || took < least ? took : least;
    }
    return least;
}

int main(int argc, char **argv)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    char chunk[1 << 16];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), stdin)) > 0;)
        strbuf_add(&text, chunk, n);
    int runs = argc > 1 ? atoi(argv[1]) : 1;
    for (int i = 2; i < argc; i++)
        redact_add(argv[i]);
    printf("%zu %.9f %.9f\n", text.len, least_time(count_bytes, &text, runs) / ROUNDS,
           least_time(redact, &text, runs));
    redact_release();
    return 0;
}
