/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_FILE_H
#define BERTH_BASE_FILE_H

/*
 * Files whose path or content a job can choose. They are opened beneath a directory, without
 * following any symbolic link, so that no path leads out of it (openat2(2), RESOLVE_BENEATH).
 */

#include <sys/stat.h>

#include "executor/base/err.h"

/* Opens a directory for use as `dir` below; the caller closes *ret_fd. */
int file_open_dir(const char *path, int *ret_fd, struct err *err);
int file_open_dir_beneath(int dir, const char *path, int *ret_fd, struct err *err);
/* Makes a directory with the mode `last`, and those it lies in, where missing, with `above`. Only
 * for paths that no job can choose or write to. */
int file_make_directories(const char *path, unsigned above, unsigned last, struct err *err);
/*
 * Whether nobody but root and us can put something else in the place of `path`, which is there:
 * each directory above it is root's or ours, and either no others' to write or one in which only
 * owners remove (as /tmp, "sticky"); each link on the way, too. ERR_HOST says which is not.
 */
int file_check_parents(const char *path, struct err *err);
/* Reads a regular file of at most `max` bytes beneath dir and appends it to *text. Absent is
 * ERR_NOT_FOUND; anything else that keeps it from being read is ERR_USER: the path is the job's. */
int file_read_beneath(int dir, const char *path, size_t max, struct strbuf *text, struct err *err);
/* The same in two steps, for who has to look at a file before it is read: opens a regular file,
 * which the caller closes, and tells of it in *ret_stat; `path` of the second is for its messages.
 */
int file_open_beneath(int dir, const char *path, int *ret_fd, struct stat *ret_stat,
                      struct err *err);
int file_read_open(int fd, const char *path, size_t max, struct strbuf *text, struct err *err);
/* Writes a file beneath dir whole or not at all: a temporary file in the same directory, renamed.
 * ERR_HOST for a full or broken disk, else ERR_USER. */
int file_write_beneath(int dir, const char *path, const char *data, size_t len, unsigned mode,
                       struct err *err);

#endif
