/*
 * The last messages of a channel are linked in the log. Those of patterns are found by one
 * walk back over all messages, for all patterns of the request; each channel is compared
 * with the patterns once.
 */
#include "hub/past.h"

#include "bayeux/channel.h"
#include "hub/internal.h"

static bool is_one_channel(struct slice pattern)
{
	return !channel_is_wild(pattern) && !channel_has_filter(pattern);
}

static uint64_t of_channel(struct hub *h, const struct hub_server *server, struct slice channel, uint64_t n)
{
	const struct hub_log *log = &server->log;
	const struct hub_log_channel *c = hub_log_channel(log, channel);
	uint64_t at;

	if (!c || n == 0)
		return server->seq + 1;
	if (n >= c->n)
		return hub_log_at(log, c->oldest)->seq;
	for (at = c->newest; n > 1; n--) {
		at -= hub_log_at(log, at)->previous;
		h->stats.read_entries++;
	}
	return hub_log_at(log, at)->seq;
}

static bool matches(struct slice pattern, const struct hub_log_entry *e)
{
	struct slice channel = e->channel->by_name.key;

	return channel_matches(pattern, channel) ||
		(e->filtered && channel_has_filter(pattern) && slice_eq(channel_bare(pattern), channel));
}

/* the patterns that are looked for */
struct search {
	const struct hub_channels *patterns;
	uint64_t missing[PROTOCOL_CHANNELS_MAX];        /* messages not found yet; 0: the pattern is done */
	size_t n_open;
	uint64_t walk;
	uint64_t *found;
};

/* The message is one of those looked for, or its channel is marked as one that no pattern matches. */
static void compare(struct search *s, const struct hub_log_entry *e)
{
	bool any = false;

	for (size_t i = 0; i < s->patterns->n; i++) {
		if (s->missing[i] == 0 || !matches(s->patterns->names[i], e))
			continue;
		any = true;
		s->found[i] = e->seq;
		if (--s->missing[i] == 0)
			s->n_open--;
	}
	if (!any && !e->filtered)
		e->channel->walk = s->walk;
}

void past_of_history(struct hub *h, struct hub_server *server, const struct hub_channels *patterns, uint64_t n,
		     uint64_t *ret)
{
	struct hub_log *log = &server->log;
	struct search s = {.patterns = patterns, .walk = hub_log_walk(log), .found = ret};

	for (size_t i = 0; i < patterns->n; i++) {
		bool one = is_one_channel(patterns->names[i]);

		ret[i] = one ? of_channel(h, server, patterns->names[i], n) : server->seq + 1;
		s.missing[i] = one ? 0 : n;
		s.n_open += s.missing[i] > 0;
	}
	for (uint64_t at = hub_log_end(log); s.n_open > 0 && at > hub_log_oldest(log); at--) {
		const struct hub_log_entry *e = hub_log_at(log, at - 1);

		h->stats.read_entries++;
		if (e->channel && (e->filtered || e->channel->walk != s.walk))
			compare(&s, e);
	}
}
