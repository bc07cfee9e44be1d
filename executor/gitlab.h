/* SPDX-License-Identifier: MIT */
#ifndef BERTH_GITLAB_H
#define BERTH_GITLAB_H

/*
 * GitLab's REST API, as far as a sweep needs it: which branches a project has.
 *
 * What is not listed will be destroyed, so that nothing counts as a list but what is proved to be
 * the whole of one. Requests go to the host config's gitlab.url alone, with the token of the file
 * that it names: to no other host, whatever an answer says, and into no log.
 *
 * A struct gitlab is used by one thread at a time; it belongs to who opened it.
 */

#include "executor/base/clock.h"
#include "executor/base/strmap.h"
#include "executor/hostconfig.h"

struct gitlab;

/* All branches of a project. */
struct branches {
    struct strlist names;
    struct strmap by_name;
};
#define _cleanup_branches_ _cleanup_(branches_release)
void branches_init(struct branches *b);
bool branches_have(const struct branches *b, const char *name);
void branches_release(struct branches *b);

/* Whether the host config says where GitLab is. */
bool gitlab_is_configured(const struct hostconfig *h);
/*
 * Reads the token. ERR_HOST if others than root (or than who runs us) could read or replace it, or
 * if it would cross the network in clear. cancel outlives the result; the caller frees *ret.
 */
int gitlab_open(const struct hostconfig *h, struct cancel *cancel, struct gitlab **ret,
                struct err *err);
void gitlab_free(struct gitlab *g);
static inline void gitlab_freep(struct gitlab **g)
{
    gitlab_free(*g);
}

/* Adds all branches of a project to *ret, which is initialised. Fails unless the list is whole;
 * *ret then holds a part of it, if anything, and is only good for being released. */
int gitlab_branches(struct gitlab *g, int64_t project, struct branches *ret, struct err *err);
/* Whether GitLab says of one branch, asked for by its name, that there is none. */
int gitlab_branch_is_gone(struct gitlab *g, int64_t project, const char *branch, bool *ret,
                          struct err *err);

#endif
