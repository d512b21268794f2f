/*
 * Copies of events and results that outlive the bytes they were read from: for
 * cometd_next() and for the blocking calls.
 */
#ifndef LIBCLIENT_COPY_H
#define LIBCLIENT_COPY_H

#include <cometd-bridge.h>

#include <stddef.h>

struct kept {
	struct kept *next;
	size_t size;
	struct cometd_event event;
};

/* A copy in one allocation, its strings included; free(). 0 or -ENOMEM. */
int copy_event(const struct cometd_event *event, struct kept **ret);
int copy_result(const struct cometd_result *result, struct cometd_result **ret);

#endif
