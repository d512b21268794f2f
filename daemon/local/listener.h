/*
 * One listening Unix socket: created at a path, or passed by the service manager. It passes accepted
 * connections to its owner.
 *
 * At the path only an unused socket of this user is replaced. Abstract names are refused, because they have no
 * permissions. No process can connect before mode and group are set.
 */
#ifndef LOCAL_LISTENER_H
#define LOCAL_LISTENER_H

#include "base/fault.h"
#include "local/work_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct listener;

/* Takes over `fd`: connected, non-blocking, close-on-exec. */
typedef void listener_accepted(void *ctx, int fd);

struct listener_options {
	const char *path;       /* absolute, at most 107 bytes */
	mode_t mode;            /* of the socket: 0660 */
	gid_t group;            /* of the socket; (gid_t)-1: as it comes */
};

enum listener_result {
	LISTENER_E_RUNNING = 1, /* another process serves this path */
	LISTENER_E_REFUSED,     /* what lies there, or the directory, is not to be touched */
};

/*
 * Opens the socket at options->path. Accepting takes its share of `work`, which must outlive it. 0; a
 * listener_result; or a negative errno; whenever it is not 0, `why` holds one line for people that names
 * the path and what is there.
 */
int listener_open(struct work_queue *work, const struct listener_options *options,
		  listener_accepted *accepted, void *ctx, struct fault *why,
		  struct listener **ret);
/*
 * Serves a listening socket that was handed over; it is the listener's from now on, and is closed
 * but not unlinked at its end: who made it still has it. On failure the fd is the caller's. 0 or a
 * negative errno.
 */
int listener_adopt(struct work_queue *work, int fd, listener_accepted *accepted, void *ctx,
		   struct listener **ret);

/*
 * No more accepting: the socket is closed, and its path removed if it is still ours. NULL is fine.
 */
void listener_free(struct listener *l);

/* The path it serves; of a socket that was passed, its address in the kernel. Lives as long as l. */
const char *listener_path(const struct listener *l);
struct listener_counters {
	uint64_t accepted;
	uint64_t paused;        /* how often accepting paused for want of descriptors or memory */
};
const struct listener_counters *listener_counters(const struct listener *l);

#endif
