/* SPDX-License-Identifier: MIT */

/*
 * The yardstick for what a stage costs: forks bash on a script, waits, and ends with its code.
 * `forkbash SCRIPT STAGE`, as the runner would call it.
 */

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: forkbash SCRIPT STAGE\n");
        return 2;
    }
    pid_t pid = fork();
    if (pid == 0) {
        execlp("bash", "bash", argv[1], (char *)NULL);
        _exit(127);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
