/* SPDX-License-Identifier: MIT */
#include "drivers/aws/creds_process.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESS_TIMEOUT 60.0
#define OUTPUT_MAX      ((size_t)64 << 10)
/* How often a running program is looked away from to see whether the run is cancelled, ms. */
#define CANCEL_POLL 200

extern char **environ;

static const struct creds_names process_names;

/* Starts the command with its output in a pipe; stdin is empty, stderr is ours. */
static int process_start(const char *command, pid_t *ret_pid, int *ret_fd, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set_errno(err, ERR_HOST, errno, "cannot make a pipe");
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, pipe_signal;
    sigemptyset(&none);
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    char shell[] = "sh", option[] = "-c";
    char *argv[] = { shell, option, (char *)command, NULL };
    int r = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (r != 0) {
        close(fds[0]);
        return err_set_errno(err, ERR_CREDENTIALS, r, "cannot run '%s'", command);
    }
    *ret_fd = fds[0];
    return 0;
}

/* Reads until the end of file; -1 when the time is over, the run cancelled, or the output too long.
 */
static int read_output(int fd, struct cancel *cancel, struct strbuf *output, struct err *err)
{
    double deadline = clock_now() + PROCESS_TIMEOUT;
    for (;;) {
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        int ready = poll(&poller, 1, CANCEL_POLL);
        if (cancel_is_set(cancel))
            return err_set(err, ERR_CANCELLED, "cancelled while the credential_process ran");
        if (clock_now() > deadline)
            return err_set(err, ERR_CREDENTIALS, "the credential_process took longer than %.0f s",
                           PROCESS_TIMEOUT);
        if (ready <= 0)
            continue;
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n == 0)
            return 0;
        if (n > 0)
            strbuf_add(output, chunk, (size_t)n);
        OPENSSL_cleanse(chunk, sizeof(chunk));
        if (output->len > OUTPUT_MAX)
            return err_set(err, ERR_CREDENTIALS,
                           "the credential_process printed more than %zu "
                           "bytes",
                           OUTPUT_MAX);
    }
}

/* Reaps the program, having killed its process group if it is not wanted any more. */
static int process_end(pid_t pid, bool stop, struct err *err)
{
    int status = 0;
    if (stop)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return stop ? -1 : err_set_errno(err, ERR_HOST, errno, "cannot wait for a program");
    if (stop)
        return -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_CREDENTIALS, "the credential_process ended with %s %d",
                       WIFSIGNALED(status) ? "signal" : "exit code",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return 0;
}

int creds_process_parse(const char *output, size_t len, struct creds *ret, struct err *err)
{
    _cleanup_secret_json_ cJSON *json = NULL;
    if (json_parse(output, len, JSON_PLAIN, &json, err) < 0) {
        err->class = ERR_CREDENTIALS;
        return err_wrap(err, "the credential_process's output");
    }
    if (json_int(json, "Version", 0) != 1)
        return err_set(err, ERR_CREDENTIALS,
                       "the credential_process's output must be "
                       "{\"Version\": 1, ...}");
    return creds_from_json(json, &process_names, ret, err);
}

int creds_process_get(const char *command, struct cancel *cancel, struct creds *ret,
                      struct err *err)
{
    pid_t pid;
    int fd = -1;
    if (process_start(command, &pid, &fd, err) < 0)
        return -1;
    _cleanup_strbuf_ struct strbuf output = STRBUF_INIT;
    int r = read_output(fd, cancel, &output, err);
    close(fd);
    if (process_end(pid, r < 0, err) < 0)
        r = -1;
    if (r == 0)
        r = creds_process_parse(output.buf, output.len, ret, err);
    OPENSSL_cleanse(output.buf, output.len);
    return r;
}

static const struct creds_names process_names = {
    .access_key = "AccessKeyId",
    .secret_key = "SecretAccessKey",
    .token = "SessionToken",
    .expires = "Expiration",
};
