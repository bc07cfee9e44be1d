/* SPDX-License-Identifier: MIT */
#include "drivers/preflight.h"

#include <stdarg.h>

bool preflight_concerns(const struct resource *r)
{
    return r->action == ACTION_CREATE || r->action == ACTION_UPDATE || r->action == ACTION_REPLACE;
}

static void add_problem(struct preflight *p, enum err_class class, const char *text)
{
    if (p->problems.class == ERR_NONE)
        err_set(&p->problems, class, "%s", text);
    else
        err_set(&p->problems, p->problems.class, "%s\n%s", p->problems.message, text);
}

void preflight_problem(struct preflight *p, enum err_class class, const char *path, const char *fmt,
                       ...)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "%s: ", path);
    va_list ap;
    va_start(ap, fmt);
    strbuf_vaddf(&text, fmt, ap);
    va_end(ap);
    add_problem(p, class, text.buf);
}

void preflight_unknown(struct preflight *p, const char *what, const struct err *failure)
{
    _cleanup_free_ char *text = xasprintf("cannot find out %s: %s", what, failure->message);
    if (failure->class == ERR_INVALID || failure->class == ERR_BUG)
        add_problem(p, failure->class, text);
    else if (failure->class != ERR_CANCELLED) /* which the run itself says */
        graph_warn(p->g, "%s; goes on without", text);
}
