/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVECALL_H
#define BERTH_DRIVECALL_H

/*
 * Calls `drive`, the program beside the running one that does what drivers do. It alone links the
 * AWS client and holds credentials, so that every other stage costs what bash costs. It reads the
 * job response and the host config itself; what it says goes straight into the job log.
 */

#include "executor/base/json.h"

enum drive_mode {
    DRIVE_CHECK, /* may this job act on this branch? No credentials, no network */
    DRIVE_RUN,
};

/*
 * 0, or the code for the caller to exit with: drive's own, or the system-failure code when it
 * crashed, could not be started, or was told to stop; the log then says so.
 */
int drive_call(enum drive_mode mode);
/* Notes for drive when this stage began. Call it before the stage's script has run. */
void drive_note_beginning(void);
/* For drive: what its caller has noted, in nanoseconds of CLOCK_REALTIME_COARSE; else now. */
int64_t drive_beginning(void);
/* Removes what an earlier stage may have put where outputs are read from. */
void drive_outputs_clear(void);
/* What `drive run` has put out: an object of strings, or NULL. The caller owns it. */
cJSON *drive_outputs_read(void);

#endif
