/*
 * Owns the set of wanted channels, in the order of asking. Guarantees that a
 * channel of a server is in it once. Must never know what a connection is.
 */
#include "libclient/want.h"

#include <errno.h>
#include <stdlib.h>

void wants_init(struct wants *w)
{
	*w = (struct wants){.last = &w->first};
}

void wants_fini(struct wants *w)
{
	while (w->first) {
		struct want *want = w->first;

		w->first = want->next;
		free(want);
	}
	wants_init(w);
}

static bool same_server(struct slice a, struct slice b)
{
	return !a.p == !b.p && slice_eq(a, b);
}

struct want *wants_find(const struct wants *w, struct slice server, struct slice channel)
{
	for (struct want *want = w->first; want; want = want->next)
		if (slice_eq(want->channel, channel) && same_server(want->server, server))
			return want;
	return NULL;
}

int wants_add(struct wants *w, struct slice server, struct slice channel, unsigned flags,
	      struct want **ret)
{
	struct want *want = wants_find(w, server, channel);

	if (!want) {
		want = malloc(sizeof(*want) + server.n + channel.n);
		if (!want)
			return -ENOMEM;
		*want = (struct want){.serial = ++w->serial};
		memcpy(want->mem, channel.p, channel.n);
		want->channel = slice_make(want->mem, channel.n);
		if (server.p) {
			memcpy(want->mem + channel.n, server.p, server.n);
			want->server = slice_make(want->mem + channel.n, server.n);
		}
		*w->last = want;
		w->last = &want->next;
		w->n++;
	}
	want->flags = flags;
	*ret = want;
	return 0;
}

void wants_remove(struct wants *w, struct slice server, struct slice channel, uint64_t serial)
{
	struct want *gone = wants_find(w, server, channel);
	struct want **at = &w->first;

	if (!gone || (serial && gone->serial != serial))
		return;
	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	if (w->last == &gone->next)
		w->last = at;
	if (w->cursor == gone)
		w->cursor = gone->next;
	w->n--;
	free(gone);
}

void wants_replay_all(struct wants *w)
{
	for (struct want *want = w->first; want; want = want->next) {
		want->replay = true;
		want->asked = 0;
	}
	w->cursor = w->first;
}

void wants_replay(struct wants *w, struct want *want)
{
	want->replay = true;
	w->cursor = w->first;
}

struct want *wants_next(struct wants *w)
{
	while (w->cursor && !w->cursor->replay)
		w->cursor = w->cursor->next;
	return w->cursor;
}

struct want *wants_asked(const struct wants *w, uint64_t id)
{
	for (struct want *want = w->first; want; want = want->next)
		if (want->asked == id)
			return want;
	return NULL;
}
