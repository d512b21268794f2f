/*
 * Syncs a file to the disk without blocking the loop: fsync() may take seconds, or
 * never return.
 */
#ifndef AUTH_FILE_SYNC_H
#define AUTH_FILE_SYNC_H

#include "base/loop.h"

struct file_sync;

/*
 * Starts to sync the file at `path`, then its directory. The loop calls done(ctx, error) once: 0, or a
 * negative errno, and the file may be lost if the machine loses power. Returns 0, or a negative errno and
 * done() is not called.
 */
int file_sync_new(struct loop *loop, const char *path, void (*done)(void *ctx, int error), void *ctx,
		  struct file_sync **ret);
/* No done() follows, but the sync continues. Accepts NULL. */
void file_sync_free(struct file_sync *s);

#endif
