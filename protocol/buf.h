/*
 * Growable bytes with a ceiling, which is set when the buf is made: no queue of
 * bytes is unbounded. Consuming from the front is cheap; memory is freed when the
 * buf becomes empty after a burst.
 */
#ifndef PROTOCOL_BUF_H
#define PROTOCOL_BUF_H

#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *mem;
	size_t head;   /* first live byte */
	size_t tail;   /* after the last live byte */
	size_t cap;    /* of mem */
	size_t max;    /* ceiling of tail - head */
	bool secret;   /* bytes that are dropped are overwritten */
};

/* Makes an empty buf that never holds more than `max` bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);
/* The same for what may be a secret: bytes are overwritten when they are consumed, when the buffer
   is moved, and before its memory is freed. */
void buf_init_secret(struct buf *b, size_t max);
/* Frees the memory; the buf is empty and usable with the same ceiling. */
void buf_fini(struct buf *b);

static inline size_t buf_len(const struct buf *b) { return b->tail - b->head; }
/* the live bytes; valid until the next call that changes the buf */
static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->mem ? b->mem + b->head : NULL, b->tail - b->head};
}

/*
 * Makes room for `n` more bytes at the end; *ret points at them. Report with
 * buf_grown() how many were written. 0, -ENOMEM, or -EMSGSIZE beyond the ceiling.
 */
int buf_room(struct buf *b, size_t n, char **ret);
void buf_grown(struct buf *b, size_t n);

/*
 * Append. All of it or nothing. 0, -ENOMEM, or -EMSGSIZE beyond the ceiling;
 * buf_printf also -EINVAL for what the format cannot express.
 */
int buf_put(struct buf *b, struct slice s);
int buf_put_str(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drop `n` bytes from the front; n <= buf_len(). */
void buf_consume(struct buf *b, size_t n);
/* Cut back to the first `n` live bytes, to undo an append; n <= buf_len(). */
void buf_truncate(struct buf *b, size_t n);
void buf_clear(struct buf *b);

#endif
