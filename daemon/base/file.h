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
 * Puts `text` into the place of `path`, whole or not at all, also when the daemon dies meanwhile;
 * nobody else may read it (0600). It waits for no disk: what must outlive the machine's power needs
 * auth/file_sync.h. The directory must be writable, and has "PATH.new" for a moment.
 * 0, or why it could not be written.
 */
int file_replace(const char *path, struct slice text);

/* Whether it is the same file at two looks, and nobody has written to it in between. */
bool file_same(const struct stat *a, const struct stat *b);

#endif
