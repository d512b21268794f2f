/*
 * The set of wanted channels, in the order in which they were subscribed. A channel
 * of a server is in it once.
 */
#include "libclient/wanted.h"

#include <errno.h>
#include <stdlib.h>

void wanted_init(struct wanted_set *w)
{
	*w = (struct wanted_set){.last = &w->first};
}

void wanted_fini(struct wanted_set *w)
{
	while (w->first) {
		struct wanted_channel *wanted = w->first;

		w->first = wanted->next;
		free(wanted);
	}
	wanted_init(w);
}

static bool same_server(struct slice a, struct slice b)
{
	return !a.p == !b.p && slice_eq(a, b);
}

struct wanted_channel *wanted_find(const struct wanted_set *w, struct slice server,
				   struct slice channel)
{
	for (struct wanted_channel *wanted = w->first; wanted; wanted = wanted->next)
		if (slice_eq(wanted->channel, channel) && same_server(wanted->server, server))
			return wanted;
	return NULL;
}

static struct slice keep(char **p, struct slice s)
{
	struct slice kept = slice_make(*p, s.n);

	if (!s.p)
		return SLICE_NULL;
	memcpy(*p, s.p, s.n);
	*p += s.n;
	return kept;
}

int wanted_add(struct wanted_set *w, struct slice server, struct slice channel, struct slice durable,
	       struct wanted_channel **ret)
{
	struct wanted_channel *wanted = malloc(sizeof(*wanted) + server.n + channel.n + durable.n);

	if (!wanted)
		return -ENOMEM;
	*wanted = (struct wanted_channel){.serial = ++w->serial};
	char *p = wanted->mem;
	wanted->server = keep(&p, server);
	wanted->channel = keep(&p, channel);
	wanted->durable = keep(&p, durable);
	*w->last = wanted;
	w->last = &wanted->next;
	w->n++;
	w->n_durable += durable.p != NULL;
	*ret = wanted;
	return 0;
}

void wanted_set_past(struct wanted_set *w, struct wanted_channel *wanted, const struct past *past)
{
	w->n_past -= wanted->past.kind != PAST_NONE;
	w->n_past += past->kind != PAST_NONE;
	wanted->past = *past;
}

void wanted_remove(struct wanted_set *w, struct slice server, struct slice channel, uint64_t serial)
{
	struct wanted_channel *gone = wanted_find(w, server, channel);
	struct wanted_channel **at = &w->first;

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
	w->n_past -= gone->past.kind != PAST_NONE;
	w->n_durable -= gone->durable.p != NULL;
	free(gone);
}

void wanted_replay_all(struct wanted_set *w)
{
	for (struct wanted_channel *wanted = w->first; wanted; wanted = wanted->next) {
		wanted->replay = true;
		wanted->asked = 0;
	}
	w->cursor = w->first;
}

void wanted_replay(struct wanted_set *w, struct wanted_channel *wanted)
{
	wanted->replay = true;
	w->cursor = w->first;
}

struct wanted_channel *wanted_next(struct wanted_set *w)
{
	while (w->cursor && !w->cursor->replay)
		w->cursor = w->cursor->next;
	return w->cursor;
}
