/* Reads and replaces small files, such as secrets and lists of headers. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "protocol/buf.h"

#include <stdbool.h>
#include <sys/stat.h>

/* the maximum of `out` must be larger than the largest accepted file by this much */
#define FILE_READ_EXTRA 4096

/*
 * Appends the regular file `path` to `out`, whose maximum limits its size. 0; -ENOMEM; -EMSGSIZE; -EINVAL
 * if it is not a regular file; or the errno of opening or reading it. On failure `out` may contain a part of
 * it.
 */
int file_read(const char *path, struct buf *out);

/*
 * Replaces the content of `path` by `text` atomically, also if the daemon is killed; the mode is 0600. Does not
 * wait for the disk: use auth/file_sync.h if the file must survive a power failure. The directory must be writable;
 * the file "PATH.new" exists briefly. 0, or the errno of writing.
 */
int file_replace(const char *path, struct slice text);

/* Whether both are the same file and it was not written to in between. */
bool file_same(const struct stat *a, const struct stat *b);

#endif
