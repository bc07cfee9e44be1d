/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_TERRAFORM_H
#define BERTH_DRIVERS_TERRAFORM_H

/*
 * The parts of `terraform-validate-<name>`: which directory the name means, and what the answers of
 * terraform (or OpenTofu, which says the same) come to.
 */

#include "drivers/tool.h"

/*
 * The directory, relative to the checkout: the spec's terraform.<name>.path; else the directory of
 * that path; else the one directory of that name anywhere beneath the root. ERR_USER if there is
 * none, or more than one. The caller frees *ret.
 */
int terraform_find_directory(const struct tool_job *job, char **ret, struct err *err);

/* Adds the directories from `directory` downwards that hold Terraform files written as JSON,
 * sorted; not below hidden ones. ERR_USER if there are too many files. */
int terraform_find_json(int checkout, const char *directory, struct strlist *ret, struct err *err);

/* What `terraform validate -json` comes to. */
struct terraform_verdict {
    struct strlist errors;   /* the user's: "infra/main.tf:3:5: Summary: detail" */
    struct strlist warnings; /* likewise */
    bool whole;              /* providers and modules were there: nothing was left unchecked */
};
#define TERRAFORM_VERDICT_INIT                                                                     \
    {                                                                                              \
        .whole = false                                                                             \
    }
#define _cleanup_terraform_verdict_ _cleanup_(terraform_verdict_release)

/*
 * Pure. `directory` is what files are relative to; `initialized`: whether `terraform init` went
 * well. What is only wrong because a provider or a module could not be fetched is no error of the
 * user's; then the verdict is not whole. -1 if the text is not what terraform says (ERR_HOST).
 */
int terraform_judge(const char *validate, size_t len, const char *directory, bool initialized,
                    struct terraform_verdict *ret, struct err *err);
/* Likewise of a directory that nothing was fetched for: adds the errors in its JSON files alone. */
int terraform_judge_json(const char *validate, size_t len, const char *directory,
                         struct strlist *ret_errors, struct err *err);
void terraform_verdict_release(struct terraform_verdict *verdict);
/* Whether `terraform fmt` says where a file's syntax is wrong: "on main.tf line 3". */
bool terraform_names_a_line(const char *words);
/* The first "Error: ..." of what terraform says to people, with the text below it, as one line; the
 * caller frees it. NULL if there is none. */
char *terraform_first_error(const char *words);
/* Whether init failed not for want of an answer, but for what the registry has answered. */
bool terraform_is_answered(const char *words);

#endif
