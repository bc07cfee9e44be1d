/* SPDX-License-Identifier: MIT */
/*
 * The programs that jobs need besides their scripts: each does the least that a job would ask of
 * it, as the user whom scripts run as. Jobs that need one that is missing fail, and say so; a host
 * that has no such jobs needs no such program. So nothing here is more than a warning.
 */
#include <stdlib.h>

#include "executor/doctor.h"
#include "executor/doctor_bench.h"

static void check(struct doctor *d, const struct doctor_bench *b, const struct tool_driver *driver)
{
    const struct tool_job job = doctor_bench_job(b);
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_free_ char *works = NULL;
    bool good = driver->attempt(&job, &works, &err) == 0;
    if (good && b->user.name != NULL)
        doctor_note(d, SYMPTOM_OK, driver->setting, NULL, "%s as user '%s'", works, b->user.name);
    else if (good)
        doctor_note(d, SYMPTOM_OK, driver->setting, NULL, "%s", works);
    if (good)
        return;
    _cleanup_free_ char *cure =
        xasprintf("if jobs are to need it, install it (%s), or name another "
                  "one as '%s' in the host config",
                  driver->package, driver->setting);
    doctor_note(d, SYMPTOM_WARN, driver->setting, cure, "%s", err.message);
}

void doctor_tools(struct doctor *d)
{
    const char *tmp = getenv("TMPDIR");
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_doctor_bench_ struct doctor_bench bench = DOCTOR_BENCH_INIT;
    _cleanup_free_ char *directory =
        xasprintf("%s/berth-doctor-XXXXXX", tmp != NULL && *tmp == '/' ? tmp : "/tmp");
    if (doctor_bench_init(&bench, d->host.json, directory, &err) < 0) {
        doctor_note(d, SYMPTOM_WARN, "tools", "see what is said of the user, and of the disk",
                    "none was tried: %s", err.message);
        return;
    }
    for (const struct tool_driver *const *driver = tool_drivers; *driver != NULL; driver++)
        if ((*driver)->attempt != NULL)
            check(d, &bench, *driver);
}
