/*
 * Drives a handle of <cometd-bridge.h> in a libevent loop. Header only, so
 * that the library itself needs no libevent; link -levent_core. C99 or C++.
 *
 *     struct cometd_libevent glue;
 *
 *     cometd_libevent_attach(&glue, c, base);
 *     ... cometd_publish_async(c, ...); cometd_libevent_update(&glue); ...
 *     event_base_dispatch(base);
 *     cometd_libevent_detach(&glue);
 *     cometd_free(c);
 *
 * Within callbacks of the library no update is needed. A callback may free the
 * handle, which also detaches it.
 */
#ifndef COMETD_BRIDGE_LIBEVENT_H
#define COMETD_BRIDGE_LIBEVENT_H

#include <cometd-bridge.h>

#include <event2/event.h>

#include <string.h>

/* no warning about functions that are not called, also where this header is the file being compiled
   or is precompiled */
#ifdef __GNUC__
#define COMETD_LIBEVENT_INLINE static inline __attribute__((__unused__))
#else
#define COMETD_LIBEVENT_INLINE static inline
#endif

/* Must stay at the same address from attach to detach. Private to cometd-bridge-libevent.h. */
struct cometd_libevent {
	struct cometd *c;           /* NULL: detached, or freed by a callback */
	struct event *ready, *later;
};

/* Sets the timer to the handle's next deadline: call it after library calls outside of callbacks. */
COMETD_LIBEVENT_INLINE void cometd_libevent_update(struct cometd_libevent *g)
{
	struct timeval tv;
	int ms;

	if (!g->c)
		return;
	ms = cometd_get_timeout(g->c);
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	if (ms < 0)
		event_del(g->later);
	else
		event_add(g->later, &tv);
}

/* Detaches the handle without freeing it. May be called twice. */
COMETD_LIBEVENT_INLINE void cometd_libevent_detach(struct cometd_libevent *g)
{
	if (g->ready)
		event_free(g->ready);
	if (g->later)
		event_free(g->later);
	memset(g, 0, sizeof(*g));
}

COMETD_LIBEVENT_INLINE void cometd_libevent_process_(evutil_socket_t fd, short what, void *arg)
{
	struct cometd_libevent *g = (struct cometd_libevent *)arg;

	(void)fd;
	(void)what;
	if (cometd_process(g->c) == COMETD_E_CLOSED)
		cometd_libevent_detach(g);
	else
		cometd_libevent_update(g);
}

/* 0, or COMETD_E_NOMEM and nothing is attached. The handle begins to connect when the loop runs. */
COMETD_LIBEVENT_INLINE int cometd_libevent_attach(struct cometd_libevent *g, struct cometd *c,
						  struct event_base *base)
{
	memset(g, 0, sizeof(*g));
	g->ready = event_new(base, cometd_get_fd(c), EV_READ | EV_PERSIST,
			     cometd_libevent_process_, g);
	g->later = event_new(base, -1, 0, cometd_libevent_process_, g);
	if (!g->ready || !g->later || event_add(g->ready, NULL)) {
		cometd_libevent_detach(g);
		return COMETD_E_NOMEM;
	}
	g->c = c;
	cometd_libevent_update(g);
	return 0;
}

#undef COMETD_LIBEVENT_INLINE

#endif
