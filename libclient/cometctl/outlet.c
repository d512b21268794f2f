/*
 * Keeps what was printed and not written yet. It never waits, and what it writes
 * at once ends with a line, unless that line is longer than a pipe takes at once.
 */
#include "outlet.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int outlet_init(struct outlet *o)
{
	*o = (struct outlet){NULL, NULL, 0, 0};
	o->to = open_memstream(&o->text, &o->n);
	return o->to ? 0 : -errno;
}

void outlet_fini(struct outlet *o)
{
	fclose(o->to);
	free(o->text);
}

bool outlet_waits(const struct outlet *o)
{
	return o->written < o->n;
}

/* A pipe that is writable at all takes so much without waiting. */
static size_t next_piece(const struct outlet *o)
{
	const char *p = o->text + o->written;
	size_t left = o->n - o->written, n = left < PIPE_BUF ? left : PIPE_BUF;
	const char *end = memrchr(p, '\n', n);

	return end ? (size_t)(end - p) + 1 : n;
}

static bool writable(void)
{
	struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&p, 1, 0) == 1;
}

int outlet_write(struct outlet *o)
{
	if (fflush(o->to) || ferror(o->to))
		return -ENOMEM;
	while (outlet_waits(o) && writable()) {
		ssize_t n = write(STDOUT_FILENO, o->text + o->written, next_piece(o));

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		o->written += n > 0 ? (size_t)n : 0;
	}
	if (outlet_waits(o) || o->n == 0)
		return 0;
	/* from the start again: POSIX has the size follow the position */
	rewind(o->to);
	o->written = 0;
	return fflush(o->to) ? -ENOMEM : 0;
}
