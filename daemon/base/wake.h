/*
 * The callback by which the core signals to its driver that there is output to fetch.
 * It may be called at any time and repeatedly; the driver only notes it and fetches at
 * the end of the turn, never from inside the call.
 */
#ifndef BASE_WAKE_H
#define BASE_WAKE_H

/* Private to wake.c. */
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
