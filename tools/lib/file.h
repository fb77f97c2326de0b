/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_FILE_H
#define FL_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* What is true until the next boot only. */
#define FL_RUN_DIR "/run/fairlead"

/*
 * Read a whole regular file, at most `limit` bytes. On success returns 0; *text is NUL-terminated
 * (the NUL is not counted in *len, which may be NULL) and belongs to the caller. On failure returns
 * -errno and touches nothing; -EFBIG means longer than the limit, -EISDIR and -EINVAL that it is
 * not a regular file.
 */
int fl_file_read(const char *path, size_t limit, char **text, size_t *len);

/*
 * Replace a file so that after a crash at any point, of the program or the machine, either the old
 * or the new content is there, whole: write PATH.tmp, fsync, rename, fsync the directory. Returns 0
 * or -errno. When it fails before the rename the old file is untouched and no .tmp is left; when
 * only the directory's fsync fails the new content is in place but may not survive a power cut.
 * Two writers of one path must keep each other out, since they share the name of the .tmp.
 */
int fl_file_write(const char *path, const void *data, size_t len, mode_t mode);

/*
 * Write into a file that is there, in one write(): what /proc/sys and /sys want. Returns 0 or -errno;
 * -EIO means that only part of it was taken.
 */
int fl_file_put(const char *path, const char *text);

/* Remove a file, durably: unlink and fsync the directory. A file that is not there is no error. */
int fl_file_remove(const char *path);

/* mkdir -p; directories that are there already keep their mode. Returns 0 or -errno. */
int fl_file_mkdirs(const char *path, mode_t mode);

#endif
