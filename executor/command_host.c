/* SPDX-License-Identifier: MIT */
/* The commands that look at no environment: names, policies, the host itself. */
#include "executor/command.h"

#include <stdio.h>

#include "executor/base/file.h"
#include "executor/base/log.h"
#include "executor/base/process.h"
#include "executor/doctor.h"
#include "executor/environment.h"
#include "executor/exitcode.h"
#include "executor/iampolicy.h"

static int name_branch(const char *branch, struct err *err)
{
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    int64_t project;
    if (command_read_host(&h, err) < 0 || command_find_project(&h, &project, err) < 0 ||
        environment_of_branch(project, branch, &h, &e, err) < 0)
        return -1;
    if (asked.json) {
        cJSON *json = cJSON_CreateObject();
        json_put_str(json, "schema", "berth-name/1");
        json_put_str(json, "environment", e.name);
        json_put_str(json, "subdomain", e.subdomain);
        json_put_str(json, "kind", e.kind);
        json_put_str(json, "region", e.region);
        json_put_str(json, "ref", branch);
        json_put_int(json, "project", project);
        command_print_json(json);
    } else {
        printf("%s\n", e.name);
    }
    return 0;
}

int command_name(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    if (arguments->n != 1) {
        err_set(&err, ERR_USER, "one branch is needed: berth name [--project N] BRANCH");
        return command_fail(&err);
    }
    return name_branch(arguments->v[0], &err) < 0 ? command_fail(&err) : 0;
}

int command_iam_policy(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_hostconfig_ struct hostconfig h = HOSTCONFIG_INIT;
    _cleanup_close_ int dir = -1;
    _cleanup_iampolicy_ struct iampolicy policy = IAMPOLICY_INIT;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    struct iampolicy_request q = {
        .host = &h,
        .kind = asked.kind,
        .purpose = asked.purpose,
        .account = asked.account,
        .vars = &asked.vars,
    };
    if (command_takes_none(arguments, &err) < 0)
        return command_fail(&err);
    if (command_read_host(&h, &err) < 0 || command_find_project(&h, &q.project, &err) < 0 ||
        file_open_dir(asked.dir != NULL ? asked.dir : ".", &dir, &err) < 0)
        return command_fail(&err);
    q.checkout = dir;
    if (iampolicy_make(&q, &policy, &err) < 0 ||
        iampolicy_to_text(&policy, asked.part, &text, &err) < 0)
        return command_fail(&err);
    for (size_t i = 0; i < policy.warnings.n; i++)
        log_warn("%s", policy.warnings.v[i]);
    if (asked.json)
        command_print_json(iampolicy_to_json(&policy));
    else
        command_print_text(&text);
    return 0;
}

/* `make install` puts the programs for jobs beside the directory of the commands. */
static char *programs_directory(void)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_free_ char *own = NULL;
    if (process_own_directory(&own, &ignored) < 0)
        return xstrdup("/usr/local/libexec/berth");
    char *slash = strrchr(own, '/');
    return xasprintf("%.*s/libexec/berth", slash != NULL ? (int)(slash - own) : 0, own);
}

int command_doctor(const struct strlist *arguments)
{
    _cleanup_err_ struct err err = ERR_INIT;
    _cleanup_doctor_ struct doctor doctor = DOCTOR_INIT;
    if (command_takes_none(arguments, &err) < 0)
        return command_fail(&err);
    if (asked.config != NULL)
        setenv("BERTH_CONFIG", asked.config, 1);
    _cleanup_free_ char *programs = programs_directory();
    doctor_examine(&doctor, asked.runner_config != NULL ? asked.runner_config : RUNNER_CONFIG,
                   programs);
    if (asked.json) {
        command_print_json(doctor_to_json(&doctor));
    } else {
        _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
        doctor_to_text(&doctor, &text);
        command_print_text(&text);
    }
    return doctor_has_failed(&doctor) ? exitcode_build_failure() : 0;
}
