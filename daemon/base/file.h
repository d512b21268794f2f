/* A small file, read or replaced whole: a secret, a list of headers. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "protocol/buf.h"

#include <stdbool.h>
#include <sys/stat.h>

/* what `out` must be able to hold beyond the largest file that is welcome */
#define FILE_READ_EXTRA 4096

/*
 * Appends all of the regular file `path` to `out`, whose ceiling limits it. 0; -ENOMEM; -EMSGSIZE;
 * -EINVAL for what is no regular file; or why it could not be opened or read. On failure `out` has
 * part of it.
 */
int file_read(const char *path, struct buf *out);

/*
 * Replaces the content of `path` by `text` atomically, also if the daemon is killed; the mode is 0600.
 * It does not wait for the disk: what must survive a power failure needs auth/file_sync.h. The
 * directory must be writable, and briefly has a file "PATH.new".
 * 0, or why it could not be written.
 */
int file_replace(const char *path, struct slice text);

/* Whether both are the same file and it was not written to in between. */
bool file_same(const struct stat *a, const struct stat *b);

#endif
