/* SPDX-License-Identifier: MIT */
#include "executor/sandbox.h"

/*
 * bwrap's own two processes must live through the signals that the script gets to end itself with;
 * so they start with those ignored (process.h, group), and env(1) sets them back for the script:
 * bash cannot trap what was ignored when it began.
 *
 * No --die-with-parent: the inner process would be killed as soon as the script has ended, and with
 * it the "tee" that still writes what the script has said. What stays is ended as everywhere.
 */
static const char *const before[] = {
    SANDBOX_PROGRAM,
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--tmpfs",
    "/tmp",
    "--tmpfs",
    "/var/tmp",
    NULL,
};
static const char *const after[] = { "--", "env", "--default-signal=TERM,INT,HUP", "--", NULL };

static void add_writable(const char *path, struct strlist *argv)
{
    strlist_add(argv, "--bind");
    strlist_add(argv, path);
    strlist_add(argv, path);
}

void sandbox_argv(const struct jobuser *user, struct strlist *argv)
{
    for (const char *const *word = before; *word != NULL; word++)
        strlist_add(argv, *word);
    add_writable(user->builds_dir, argv);
    add_writable(user->cache_dir, argv);
    add_writable(user->tmp_dir, argv);
    for (const char *const *word = after; *word != NULL; word++)
        strlist_add(argv, *word);
}
