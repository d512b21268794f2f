/* Files that hold one secret. */
#ifndef AUTH_SECRET_FILE_H
#define AUTH_SECRET_FILE_H

#include "auth/answer.h"

/* Reads a file of one line. 0; or -1 with words in `why` (AUTH_WHY_MAX bytes) that tell the path, and
   *ret is to be wiped all the same. */
int auth_read_line(const char *path, struct auth_secret *ret, char *why);
/* The same of all of it into `out`, of at most `max` bytes, which is to be wiped. */
int auth_read_file(const char *path, size_t max, struct buf *out, char *why);

#endif
