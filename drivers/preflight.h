/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_PREFLIGHT_H
#define BERTH_DRIVERS_PREFLIGHT_H

/*
 * What would go wrong with a plan, found out before anything is written.
 *
 * After a plan that changes something every driver that has a preflight() is asked once, all of
 * them at the same time. Each has a struct preflight of its own, which is one thread's; the graph
 * is planned, and nobody changes it meanwhile. A check looks at what the plan creates or changes,
 * and calls AWS only for that, to read. It fails nothing by itself: it says problems, and all
 * problems of all drivers are told at once.
 */

#include "drivers/resource.h"

struct preflight {
    struct session *session;
    struct graph *g;
    struct err problems; /* one per line, the class is the first's; ERR_NONE: there are none */
};

/* Whether the plan creates, changes or replaces it: what is not so is not asked about. */
bool preflight_concerns(const struct resource *r);

/*
 * Says a problem: what, why, what to do. `path` is where in the spec it comes from
 * ("services.notifier.secrets.TOKEN"); the class decides the exit code if it is the first.
 */
void preflight_problem(struct preflight *p, enum err_class class, const char *path, const char *fmt,
                       ...) _printf_(4, 5);

/*
 * A call of a check failed; `what` is what it was to find out ("whether the parameters exist").
 * That a check cannot be made is no problem of the plan's: it is said once, as a warning, and the
 * deploy goes on. Only a call that AWS refuses as wrong is a problem, for it is berth's own.
 */
void preflight_unknown(struct preflight *p, const char *what, const struct err *failure);

#endif
