/*
 * "I have output": the one hook by which the pure core tells the driver above
 * it to come and pull. It may be called from anywhere and often; the driver
 * only notes it and pulls at the end of the turn, never from inside the call.
 */
#ifndef BASE_WAKE_H
#define BASE_WAKE_H

struct wake {
	void (*fn)(void *ctx);
	void *ctx;
};

static inline void wake_up(const struct wake *w)
{
	if (w->fn)
		w->fn(w->ctx);
}

#endif
