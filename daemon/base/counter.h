/*
 * Counters are members of the struct they count for. A constant table has their names
 * and meanings, so that status and metrics print all of them in one loop and none is
 * left out.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stddef.h>
#include <stdint.h>

struct counter {
	const char *name;       /* "received" */
	const char *help;       /* "messages received from the server" */
	size_t offset;          /* of a uint64_t in the counting struct */
};

static inline uint64_t counter_get(const struct counter *c, const void *base)
{
	return *(const uint64_t *)(const void *)((const char *)base + c->offset);
}

#endif
