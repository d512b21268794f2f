/*
 * The identity of a member, from the kernel, not from what the member claims. The layer that has the connection fills it in.
 */
#ifndef HUB_IDENTITY_H
#define HUB_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

struct identity {
	uid_t uid;
	gid_t gid;
	pid_t pid;                      /* 0: none in our namespace */
	bool complete;                  /* the rest was asked for; what is unknown stays 0, NULL */
	gid_t *groups;                  /* supplementary ones; owned; NULL: none or unknown */
	size_t n_groups;
	uint64_t start_time;            /* of the process, in clock ticks since boot */
	char *unit;                     /* its systemd unit; owned */
};

static inline void identity_fini(struct identity *i)
{
	free(i->groups);
	free(i->unit);
	*i = (struct identity){0};
}

#endif
