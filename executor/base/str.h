/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_STR_H
#define BERTH_BASE_STR_H

/*
 * Memory and strings.
 *
 * Out of memory ends the process with the system-failure exit code (oom_exit): berth's programs are
 * short-lived and stateless, so the next run of the job converges. Every other error is a struct
 * err.
 *
 * A strbuf is always a NUL-terminated string: `buf` is never NULL, even right after STRBUF_INIT,
 * and `buf[len] == 0`. It never grows beyond STRBUF_CEILING; what would make it larger ends the
 * process, so whoever reads foreign bytes checks the size before (http, files and pipes have limits
 * of their own, far below the ceiling).
 *
 * Ownership is shown by cleanup attributes: `_cleanup_free_ char *p = NULL;`. A value leaves its
 * scope with steal_ptr().
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STRBUF_CEILING ((size_t)256 << 20)

#define _cleanup_(f)     __attribute__((cleanup(f)))
#define _cleanup_free_   _cleanup_(freep)
#define _cleanup_close_  _cleanup_(closep)
#define _cleanup_strbuf_ _cleanup_(strbuf_release)
#define _printf_(a, b)   __attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))

/* Hands the value of a pointer over and leaves NULL behind: `*ret_x = steal_ptr(&x);` */
#define steal_ptr(p)                                                                               \
    __extension__({                                                                                \
        __typeof__(*(p)) _stolen = *(p);                                                           \
        *(p) = NULL;                                                                               \
        _stolen;                                                                                   \
    })

struct strbuf {
    size_t len;
    size_t alloc;
    char *buf;
};

extern char strbuf_slopbuf[1];
#define STRBUF_INIT                                                                                \
    {                                                                                              \
        .len = 0, .alloc = 0, .buf = strbuf_slopbuf                                                \
    }

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *ptr, size_t size);
void *xrealloc_array(void *ptr, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
/* A formatted string of its own; the caller frees it. */
char *xasprintf(const char *fmt, ...) _printf_(1, 2);
char *xvasprintf(const char *fmt, va_list ap) _printf_(1, 0);
/* Says "out of memory" on stderr and ends the process with the system-failure exit code. */
void oom_exit(void) __attribute__((noreturn));
/* Likewise for what the host lacks and nobody can do without. `message` is a line. */
void host_exit(const char *message) __attribute__((noreturn));

void freep(void *p);  /* frees *(void **)p */
void closep(int *fd); /* closes *fd unless it is negative; keeps errno */

/* Life cycle. */
void strbuf_init(struct strbuf *sb);
void strbuf_release(struct strbuf *sb);         /* frees; sb is empty and usable again */
void strbuf_reset(struct strbuf *sb);           /* len = 0, keeps the memory */
void strbuf_cut(struct strbuf *sb, size_t len); /* len, which must not be more than it was */
/* The string, which is the caller's to free; sb is empty again. */
char *strbuf_detach(struct strbuf *sb);

/* Growing. */
void strbuf_reserve(struct strbuf *sb, size_t extra);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) _printf_(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) _printf_(2, 0);
/* Appends s percent-encoded as RFC 3986 has it: all but A-Z a-z 0-9 - . _ ~ as %XX, upper case. */
void strbuf_add_percent(struct strbuf *sb, const char *s, size_t len);
void strbuf_add_hex(struct strbuf *sb, const unsigned char *data, size_t len);

/* Tests and lookups on plain strings. NULL equals NULL only. */
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Whether s matches a shell pattern of * and ? where * also spans '/', as GitLab's wildcards do. */
bool str_glob(const char *pattern, const char *s);
/* The number of single-character edits between a and b, at most `limit` + 1. */
unsigned str_distance(const char *a, const char *b, unsigned limit);
/* A whole decimal number with nothing around it, within min and max; 0 or -1. */
int str_to_int64(const char *s, int64_t min, int64_t max, int64_t *ret);

/* A list of strings that owns its strings; v is NULL-terminated unless it is NULL. */
struct strlist {
    char **v;
    size_t n;
};
#define STRLIST_INIT                                                                               \
    {                                                                                              \
        .v = NULL, .n = 0                                                                          \
    }
#define _cleanup_strlist_ _cleanup_(strlist_release)
void strlist_add(struct strlist *l, const char *s);
void strlist_addf(struct strlist *l, const char *fmt, ...) _printf_(2, 3);
bool strlist_has(const struct strlist *l, const char *s);
void strlist_release(struct strlist *l);

#endif
