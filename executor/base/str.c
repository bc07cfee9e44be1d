/* SPDX-License-Identifier: MIT */
#include "executor/base/str.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

char strbuf_slopbuf[1];

void host_exit(const char *message)
{
    ssize_t ignored = write(STDERR_FILENO, message, strlen(message));
    (void)ignored;
    /* The runner's name for "not the job's fault"; 2 where nobody says otherwise. */
    const char *code = getenv("SYSTEM_FAILURE_EXIT_CODE");
    int64_t value = 2;
    if (code != NULL)
        (void)str_to_int64(code, 1, 255, &value);
    _exit((int)value);
}

void oom_exit(void)
{
    host_exit("berth: out of memory\n");
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (p == NULL)
        oom_exit();
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (p == NULL)
        oom_exit();
    return p;
}

void *xrealloc(void *ptr, size_t size)
{
    void *p = realloc(ptr, size ? size : 1);
    if (p == NULL)
        oom_exit();
    return p;
}

void *xrealloc_array(void *ptr, size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size)
        oom_exit();
    return xrealloc(ptr, n * size);
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = xmalloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *xvasprintf(const char *fmt, va_list ap)
{
    struct strbuf sb = STRBUF_INIT;
    strbuf_vaddf(&sb, fmt, ap);
    return strbuf_detach(&sb);
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = xvasprintf(fmt, ap);
    va_end(ap);
    return s;
}

void freep(void *p)
{
    free(*(void **)p);
}

void closep(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

void strbuf_init(struct strbuf *sb)
{
    *sb = (struct strbuf)STRBUF_INIT;
}

void strbuf_release(struct strbuf *sb)
{
    if (sb->alloc > 0)
        free(sb->buf);
    strbuf_init(sb);
}

void strbuf_reset(struct strbuf *sb)
{
    sb->len = 0;
    if (sb->alloc > 0)
        sb->buf[0] = '\0';
}

void strbuf_cut(struct strbuf *sb, size_t len)
{
    sb->len = len;
    if (sb->alloc > 0)
        sb->buf[len] = '\0';
}

char *strbuf_detach(struct strbuf *sb)
{
    char *s = sb->alloc > 0 ? sb->buf : xstrdup("");
    strbuf_init(sb);
    return s;
}

void strbuf_reserve(struct strbuf *sb, size_t extra)
{
    if (extra >= STRBUF_CEILING || sb->len + extra >= STRBUF_CEILING)
        oom_exit();
    size_t need = sb->len + extra + 1;
    if (need <= sb->alloc)
        return;
    size_t alloc = sb->alloc * 2 > need ? sb->alloc * 2 : need;
    if (alloc < 64)
        alloc = 64;
    char *old = sb->alloc > 0 ? sb->buf : NULL;
    sb->buf = xrealloc(old, alloc);
    sb->alloc = alloc;
    sb->buf[sb->len] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
    if (len == 0)
        return;
    strbuf_reserve(sb, len);
    memcpy(sb->buf + sb->len, data, len);
    sb->len += len;
    sb->buf[sb->len] = '\0';
}

void strbuf_adds(struct strbuf *sb, const char *s)
{
    strbuf_add(sb, s, strlen(s));
}

void strbuf_addc(struct strbuf *sb, char c)
{
    strbuf_add(sb, &c, 1);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        oom_exit();
    strbuf_reserve(sb, (size_t)len);
    vsnprintf(sb->buf + sb->len, (size_t)len + 1, fmt, ap);
    sb->len += (size_t)len;
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    strbuf_vaddf(sb, fmt, ap);
    va_end(ap);
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void strbuf_add_percent(struct strbuf *sb, const char *s, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (is_unreserved(c)) {
            strbuf_addc(sb, (char)c);
        } else {
            char escaped[3] = { '%', digits[c >> 4], digits[c & 15] };
            strbuf_add(sb, escaped, sizeof(escaped));
        }
    }
}

void strbuf_add_hex(struct strbuf *sb, const unsigned char *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        char pair[2] = { digits[data[i] >> 4], digits[data[i] & 15] };
        strbuf_add(sb, pair, sizeof(pair));
    }
}

bool str_eq(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return s != NULL && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    if (s == NULL)
        return false;
    size_t len = strlen(s);
    size_t tail = strlen(suffix);
    return len >= tail && strcmp(s + len - tail, suffix) == 0;
}

bool str_glob(const char *pattern, const char *s)
{
    /* Two positions suffice: a later '*' makes every earlier choice final, so this is linear in
     * practice and never exponential, whatever the pattern. */
    const char *star = NULL;
    const char *mark = NULL;
    while (*s != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            mark = s;
        } else if (*pattern == '?' || *pattern == *s) {
            pattern++;
            s++;
        } else if (star != NULL) {
            pattern = star;
            s = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned low = a < b ? a : b;
    return low < c ? low : c;
}

unsigned str_distance(const char *a, const char *b, unsigned limit)
{
    size_t na = strlen(a);
    size_t nb = strlen(b);
    size_t gap = na > nb ? na - nb : nb - na;
    if (gap > limit || nb > 255)
        return limit + 1;
    unsigned row[256];
    for (size_t j = 0; j <= nb; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[nb] > limit ? limit + 1 : row[nb];
}

int str_to_int64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    if (!(*s == '-' || (*s >= '0' && *s <= '9')))
        return -1;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(s, &end, 10);
    if (errno != 0 || end == s || *end != '\0' || value < min || value > max)
        return -1;
    *ret = value;
    return 0;
}

void strlist_add(struct strlist *l, const char *s)
{
    l->v = xrealloc_array(l->v, l->n + 2, sizeof(*l->v));
    l->v[l->n++] = xstrdup(s);
    l->v[l->n] = NULL;
}

void strlist_addf(struct strlist *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *s = xvasprintf(fmt, ap);
    va_end(ap);
    strlist_add(l, s);
}

bool strlist_has(const struct strlist *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i], s) == 0)
            return true;
    return false;
}

void strlist_release(struct strlist *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct strlist)STRLIST_INIT;
}
