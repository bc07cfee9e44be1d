/* SPDX-License-Identifier: MIT */
/* The commands that are about all environments of a host's projects. */
#include "executor/command.h"

#include <unistd.h>

#include "executor/exitcode.h"
#include "executor/list.h"
#include "executor/sweep.h"
#include "executor/watch.h"

/* A project that somebody names has to be one. */
static int check_project(const struct hostconfig *h, struct err *err)
{
    if (asked.project == 0 || hostconfig_project(h, asked.project) != NULL)
        return 0;
    return err_set(err, ERR_USER, "'%s' has no project %lld", h->path, (long long)asked.project);
}

static int list(const struct hostconfig *h, struct cancel *cancel, struct err *err)
{
    _cleanup_list_ struct list found = LIST_INIT;
    const struct list_request request = {
        .host = h, .project = asked.project, .session_name = "berth-list", .cancel = cancel
    };
    if (list_make(&request, &found, err) < 0)
        return -1;
    int r = list_verdict(&found, err);
    if (asked.json) {
        command_print_json(list_to_json(&found, r < 0 ? err : NULL));
        asked.json = false; /* a program gets one JSON text: the error is in it */
        return r;
    }
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    list_to_text(&found, time(NULL), &text);
    command_print_text(&text);
    return r;
}

static int sweep(const struct hostconfig *h, struct cancel *cancel, struct err *err)
{
    if (asked.yes && asked.dry_run)
        return err_set(err, ERR_USER, "'--dry-run' only says what '--yes' does: give one of them");
    _cleanup_free_ char *who = xasprintf("a 'berth sweep' (process %d)", getpid());
    _cleanup_sweep_ struct sweep s = SWEEP_INIT;
    const struct sweep_request request = { .host = h,
                                           .project = asked.project,
                                           .who = who,
                                           .session_name = "berth-sweep",
                                           .cancel = cancel };
    int r = sweep_all(&s, &request, asked.yes, err);
    if (!asked.json || s.v == NULL)
        return r;
    command_print_json(sweep_to_json(&s, r < 0 ? err : NULL));
    asked.json = false; /* a program gets one JSON text: the error is in it */
    return r;
}

/* Until it is done or somebody interrupts it. */
static int run(int (*command)(const struct hostconfig *, struct cancel *, struct err *),
               const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    if (command_takes_none(arguments, &err) < 0 || command_read_host(&h, &err) < 0 ||
        check_project(&h, &err) < 0)
        return command_fail(&err);
    struct cancel cancel;
    cancel_init(&cancel);
    struct watch *watch = watch_start(&cancel, exitcode_system_failure());
    int r = command(&h, &cancel, &err);
    watch_stop(watch);
    cancel_release(&cancel);
    return r < 0 ? command_fail(&err) : 0;
}

int command_list(const struct strlist *arguments)
{
    return run(list, arguments);
}

int command_sweep(const struct strlist *arguments)
{
    return run(sweep, arguments);
}
