/* SPDX-License-Identifier: MIT */
#ifndef BERTH_GUARD_H
#define BERTH_GUARD_H

/*
 * What a stage starts must end with it, even if the stage's program is killed with SIGKILL: by the
 * runner, which kills the whole process group, or for want of memory. Else it would hold the job's
 * log open, and the runner would wait for it for as long as the job may last (GitLab Runner reads
 * both pipes to their ends).
 *
 * So the program is two processes. The guard is the one that the runner has started: it passes
 * signals on, waits, and ends as the worker does. The worker does the work, in a process group of
 * its own; what it starts is in the runner's group, for its signals. Each is told when the other
 * has died, and both adopt orphans: whichever is left ends all that there is. Killing both at
 * one moment takes someone who looks for them; then there is still cleanup.
 */

/*
 * Splits the program. Returns in the worker; the guard never comes back. It ends with `killed` when
 * the worker is killed; and with `signalled` where the worker ends with 0 although a signal came: a
 * script that had it with the group may have ended before the worker heard of it. Call it before
 * anything else is started or opened.
 */
void guard_start(int killed, int signalled);

#endif
