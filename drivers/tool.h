/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_TOOL_H
#define BERTH_DRIVERS_TOOL_H

/*
 * A tool driver does a job that is not about resources: it lints, gates a test's coverage, builds
 * an image, validates Terraform files. Adding one is a file in drivers/ and a line in registry.c.
 *
 * Whatever reads what a repository holds, or runs what it says, is a program that runs as the job's
 * user: a driver asks for it with tool_run() and judges how it ended. What a driver itself reads of
 * the checkout it opens beneath `checkout` without following links, bounded in size
 * (executor/base/file.h), and takes for hostile.
 */

#include "drivers/resource.h"
#include "executor/base/clock.h"

/* A program to run. All is the caller's. */
struct tool_call {
    char *const *argv;         /* NULL-ended; argv[0] is looked up in PATH */
    const char *directory;     /* beneath the checkout; NULL: the checkout itself */
    const struct strlist *env; /* NAME=VALUE on top of a script's environment; NULL: nothing. The
                                  job's user can read it: no secrets */
    int handed;       /* a descriptor that the program finds as PROCESS_HANDED_FD, or 0 for none */
    unsigned seconds; /* how long it may take; then it is ended. 0: as long as the job */
    bool capture;     /* its standard output goes to tool_end.out instead of the job log */
    bool capture_errors; /* its standard error goes to tool_end.errors, likewise */
    bool keep_errors; /* instead of both: all goes to the job log, and tool_end.errors has the end
                         of its standard error, TOOL_KEPT bytes and maybe some more */
#define TOOL_KEPT 8192
    /* It runs as root of a user namespace, with no more rights than the job's user has. Where jobs
     * run as berth itself it runs as that. */
    bool namespace_root;
};

/* How it ended. `out` and `errors` hold at most TOOL_OUTPUT_MAX bytes each. */
#define TOOL_OUTPUT_MAX ((size_t)64 << 20)
struct tool_end {
    int code;   /* the exit code; 128 + n where signal n ended it */
    int signal; /* that signal, or 0 */
    struct strbuf out, errors;
};
#define TOOL_END_INIT                                                                              \
    {                                                                                              \
        .out = STRBUF_INIT, .errors = STRBUF_INIT                                                  \
    }
#define _cleanup_tool_end_ _cleanup_(tool_end_release)

/* What a tool driver works with. Everything is the caller's. */
struct tool_job {
    const char *part;    /* the module, or the directory, that the job's name holds */
    bool plan;           /* "plan-...": say what would be done, write nothing outside the host */
    const cJSON *module; /* the spec's object for the module `part`; NULL if it is none */
    /* The spec, checked against its schema: resolved for this branch where the driver
     * `needs_environment`, else as it is written, with overlays and ${variables} in it. NULL if
     * there is none, which can be where the name alone says what the job is. */
    const cJSON *spec;
    const cJSON *host; /* the host config */
    int checkout;      /* descriptor of the project's directory */
    const char *path;  /* its path, for messages and tools: never opened by name */
    const char *tmp;   /* a directory of the job's user's, gone with the job; likewise */
    /*
     * When the stage of the job's script began, in nanoseconds of CLOCK_REALTIME_COARSE, which
     * files are dated by. Sources, caches and artifacts of other jobs, also those that bring their
     * own dates along, were in the checkout before that; what the script has written is newer.
     */
    int64_t began;
    struct cancel *cancel;
    /* Where the driver `needs_environment`, else NULL: */
    const struct context *context;
    struct session *session;
    void *runner; /* tool_run()'s */
    /* A variable of the job, as its author may have set it, or NULL. */
    const char *(*variable)(const struct tool_job *job, const char *name);
    int (*run)(const struct tool_job *job, const struct tool_call *call, struct tool_end *ret,
               struct err *err);
};

struct tool_driver {
    const char *name; /* the act's: "lint", "coverage", "image", "terraform" */
    /*
     * For `berth doctor`; NULL where the host needs nothing for it. Does with the host's program
     * the least of what a job would, in job->checkout, an empty directory of the job's user's: 0,
     * and in *ret what works, the caller's. ERR_NOT_FOUND where the host has no such program.
     */
    int (*attempt)(const struct tool_job *job, char **ret, struct err *err);
    const char *setting;    /* what in the host config names the program: "tools.linter" */
    const char *package;    /* what to install: "Debian's package 'pycodestyle'" */
    bool needs_environment; /* works in a branch's environment, and so with an AWS session */
    /*
     * Does the job and says in the log what came of it. ERR_USER for what the job's author has to
     * mend, ERR_HOST for what the host lacks, ERR_CANCELLED. A line of a message that begins with a
     * path of the spec ("modules.notifier.path: ...") gets the file and the line in front.
     */
    int (*work)(const struct tool_job *job, struct err *err);
};

/* Every tool driver, NULL-ended. */
extern const struct tool_driver *const tool_drivers[];
const struct tool_driver *tool_driver_find(const char *name);

/*
 * The program to run for a task: the words that the host config has for it in "tools.<name>", else
 * the first of `otherwise` (NULL-ended names of programs) that is in PATH, else the first of all.
 * Added to *ret.
 */
void tool_words(const struct tool_job *job, const char *name, const char *const *otherwise,
                struct strlist *ret);
/* How long a program may take, for tool_call.seconds: the host config's "tools.seconds", else
 * TOOL_SECONDS. */
#define TOOL_SECONDS 600
unsigned tool_seconds(const struct tool_job *job);
/*
 * The module's directory, relative to the checkout: its "path", else its name. ERR_USER where it is
 * no directory, leads out of the checkout, or goes through a link. The caller frees *ret.
 */
int tool_module_directory(const struct tool_job *job, char **ret, struct err *err);
/*
 * Runs a program as the job's user to its end, and ends what it leaves running. What it ended with
 * is the caller's to judge. ERR_NOT_FOUND if the host has no such program; ERR_TIMEOUT if it took
 * longer than it may, and was ended; ERR_CANCELLED if the job was cancelled meanwhile; ERR_HOST if
 * it cannot be started. *ret is written in no such case but those of a program that was ended: what
 * it had said until then. One program at a time.
 */
int tool_run(const struct tool_job *job, const struct tool_call *call, struct tool_end *ret,
             struct err *err);
void tool_end_release(struct tool_end *end);
/* The last line that a program has said, on standard error if it has said anything there: most
 * often why it has ended. Of at most TOOL_LINE_MAX bytes; the caller frees it. */
#define TOOL_LINE_MAX 300
char *tool_last_line(const struct tool_end *end);
/*
 * For struct tool_driver's attempt: runs `words` and `arguments` (NULL-ended) beside a file of that
 * name and text (may be NULL). ERR_HOST where the program does not end with 0.
 */
int tool_attempt(const struct tool_job *job, const struct strlist *words,
                 const char *const *arguments, const char *file, const char *text, char **ret,
                 struct err *err);

#endif
