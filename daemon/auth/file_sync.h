/*
 * Brings what was written into a file to the disk while the loop goes on: a disk
 * may take seconds for it, or for ever, and everybody would wait.
 */
#ifndef AUTH_FILE_SYNC_H
#define AUTH_FILE_SYNC_H

#include "base/loop.h"

struct file_sync;

/*
 * Begins with the file that is at `path` now, and then its directory. done(ctx, error) follows from
 * the loop, once: 0, or why it is not certain to be there when the machine loses its power. 0, or a
 * negative errno and no done().
 */
int file_sync_new(struct loop *loop, const char *path, void (*done)(void *ctx, int error), void *ctx,
		  struct file_sync **ret);
/* No done() follows; what was begun goes on. NULL is fine. */
void file_sync_free(struct file_sync *s);

#endif
