/*
 * Growable bytes with a ceiling. A buf cannot be made without one: whoever
 * makes a queue of bytes says at birth how large it may become. Consuming from
 * the front is cheap; memory goes back when the buf runs empty after a burst.
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
	size_t tail;   /* behind the last live byte */
	size_t cap;    /* of mem */
	size_t max;    /* ceiling of tail - head */
	bool secret;   /* what is no longer held is overwritten */
};

/* Makes an empty buf that never holds more than `max` bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);
/* The same for what may be a secret: its bytes are overwritten when it lets them go, also where it
   grows, and before its memory is freed. */
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
 * Room for `n` more bytes at the end: *ret points at them, and buf_grown() says
 * how many of them were written. 0, -ENOMEM, or -EMSGSIZE beyond the ceiling.
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
