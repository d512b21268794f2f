/* Reads files that contain one secret. */
#ifndef AUTH_SECRET_FILE_H
#define AUTH_SECRET_FILE_H

#include "auth/answer.h"
#include "base/fault.h"

/* Reads a file of one line. 0; or -1 with the path and the reason in *why. Wipe *ret in any
   case. */
int auth_read_line(const char *path, struct auth_secret *ret, struct fault *why);
/* Reads the whole file, of at most `max` bytes. Call buf_fini() for *out in any case, which wipes it. */
int auth_read_file(const char *path, size_t max, struct buf *out, struct fault *why);

#endif
