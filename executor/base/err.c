/* SPDX-License-Identifier: MIT */
#include "executor/base/err.h"

#include <string.h>

#include "executor/base/redact.h"

struct class_info {
    const char *name;
    enum blame blame;
    const char *words;
};

static const struct class_info class_info[] = {
#define ERR_CLASS_INFO(name, blame, words) [name] = { #name, blame, words },
    ERR_CLASS_MAP(ERR_CLASS_INFO)
#undef ERR_CLASS_INFO
};

int err_set(struct err *err, enum err_class class, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    char *safe = redact_copy(message); /* which may be made of what is in *err */
    err_release(err);
    err->class = class;
    err->message = safe;
    return -1;
}

int err_set_errno(struct err *err, enum err_class class, int sys_errno, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    return err_set(err, class, "%s: %s", message, strerror(sys_errno));
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *context = xvasprintf(fmt, ap);
    va_end(ap);
    _cleanup_free_ char *message = xasprintf("%s: %s", context, err->message ? err->message : "");
    free(err->message);
    err->message = redact_copy(message);
    return -1;
}

int err_move(struct err *to, struct err *from)
{
    err_release(to);
    *to = *from;
    *from = (struct err)ERR_INIT;
    return -1;
}

void err_copy(struct err *to, const struct err *from)
{
    char *message = from->message ? xstrdup(from->message) : NULL;
    err_release(to);
    *to = *from;
    to->message = message;
}

void err_release(struct err *err)
{
    free(err->message);
    *err = (struct err)ERR_INIT;
}

const char *err_class_name(enum err_class class)
{
    return class_info[class].name + strlen("ERR_");
}

const char *err_class_words(enum err_class class)
{
    return class_info[class].words;
}

enum blame err_blame(const struct err *err)
{
    return class_info[err->class].blame;
}
