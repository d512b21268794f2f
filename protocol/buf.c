/*
 * Growable byte queues. A buf never exceeds its ceiling, a failed append changes
 * nothing, and moving bytes costs amortized constant time per byte as long as
 * the ceiling is not reached.
 */
#include "protocol/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* first allocation; small, since most bufs hold one short frame */
#define BUF_MIN 256
/* an empty buf keeps at most this much, so that a burst does not pin memory */
#define BUF_KEEP (64u << 10)

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_init_secret(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max, .secret = true};
}

/* Only bytes up to the tail can hold a secret: later ones were never written or are wiped already. */
static void wipe(struct buf *b, size_t start, size_t end)
{
	if (b->secret && end > start)
		explicit_bzero(b->mem + start, end - start);
}

void buf_fini(struct buf *b)
{
	wipe(b, 0, b->tail);
	free(b->mem);
	*b = (struct buf){.max = b->max, .secret = b->secret};
}

static void move_to_front(struct buf *b)
{
	if (b->head == 0)
		return;
	memmove(b->mem, b->mem + b->head, buf_len(b));
	wipe(b, buf_len(b), b->tail);
	b->tail -= b->head;
	b->head = 0;
}

/*
 * Allocates memory for at least `need` bytes, doubled so that many small appends
 * stay cheap, and one byte more for the NUL that vsnprintf writes.
 */
static int grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_MIN;
	char *mem;

	while (cap < need)
		cap = cap > SIZE_MAX / 4 ? need : cap * 2;
	if (cap > b->max)
		cap = b->max;
	/* realloc() would leave a copy of a secret in freed memory */
	mem = b->secret ? malloc(cap + 1) : realloc(b->mem, cap + 1);
	if (!mem)
		return -ENOMEM;
	if (b->secret && b->mem) {
		memcpy(mem, b->mem, b->tail);
		wipe(b, 0, b->tail);
		free(b->mem);
	}
	b->mem = mem;
	b->cap = cap;
	return 0;
}

int buf_room(struct buf *b, size_t n, char **ret)
{
	size_t len = buf_len(b);
	int r;

	/* the ceiling may have been lowered below the current length */
	if (len > b->max || n > b->max - len)
		return -EMSGSIZE;
	if (!b->mem || b->cap - b->tail < n) {
		/* move only if that copies no more than was consumed, or there is no other room */
		if (b->head >= len || b->tail + n > b->max)
			move_to_front(b);
		if (!b->mem || b->cap - b->tail < n) {
			r = grow(b, b->tail + n);
			if (r)
				return r;
		}
	}
	*ret = b->mem + b->tail;
	return 0;
}

void buf_grown(struct buf *b, size_t n)
{
	assert(n <= b->cap - b->tail);
	b->tail += n;
}

int buf_put(struct buf *b, struct slice s)
{
	char *to;
	int r;

	if (s.n == 0)
		return 0;
	r = buf_room(b, s.n, &to);
	if (r)
		return r;
	memcpy(to, s.p, s.n);
	buf_grown(b, s.n);
	return 0;
}

int buf_put_str(struct buf *b, const char *s)
{
	return buf_put(b, slice_of(s));
}

int buf_putc(struct buf *b, char c)
{
	return buf_put(b, slice_make(&c, 1));
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	char *to;
	int n, r;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	r = buf_room(b, (size_t)n, &to);
	if (r)
		return r;
	va_start(ap, format);
	vsnprintf(to, (size_t)n + 1, format, ap);
	va_end(ap);
	buf_grown(b, (size_t)n);
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->head += n;
	if (b->head == b->tail)
		buf_clear(b);
}

void buf_truncate(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	wipe(b, b->head + n, b->tail);
	b->tail = b->head + n;
}

void buf_clear(struct buf *b)
{
	if (b->cap > BUF_KEEP)
		buf_fini(b);
	wipe(b, 0, b->tail);
	b->head = b->tail = 0;
}
