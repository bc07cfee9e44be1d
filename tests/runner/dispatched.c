/* SPDX-License-Identifier: MIT */
/*
 * For test_gitlabci.py: what berth takes jobs for. `dispatched SPEC NAME...` prints a line for each
 * name: the act, what of it, and the kind of environment that the name is for, or "-".
 */
#include <stdio.h>

#include "executor/dispatch.h"

static int print_job(const char *name, const struct hostconfig *h, const cJSON *spec)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_dispatch_ struct dispatch d = DISPATCH_INIT;
    if (dispatch_job(name, h, spec, &d, &err) < 0) {
        fprintf(stderr, "%s: %s\n", name, err.message);
        return 1;
    }
    printf("%s %s %s\n", act_name(d.act), d.part != NULL ? d.part : "-",
           d.branch_kind != NULL ? d.branch_kind : "-");
    return 0;
}

int main(int argc, char **argv)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_json_ cJSON *spec = NULL;
    const struct hostconfig h = { .path = "none" };
    if (argc < 2 || json_read(argv[1], JSON_COMMENTS, &spec, NULL, &err) < 0) {
        fprintf(stderr, "dispatched: %s\n", err.message != NULL ? err.message : "SPEC NAME...");
        return 2;
    }
    int code = 0;
    for (int i = 2; i < argc; i++)
        code |= print_job(argv[i], &h, spec);
    return code;
}
