/*
 * Positions of the wanted channels, from one connection to the next. Each message is
 * given to the application once, and in ascending order of seq, except for the past of
 * a channel that is subscribed while others of the server are live.
 */
#include "libclient/resume.h"

struct past resume_past(const struct wanted_channel *wanted)
{
	if (wanted->past.kind != PAST_NONE || !wanted->held || wanted->durable.p || !position_known(&wanted->from))
		return wanted->past;
	return (struct past){.kind = PAST_SINCE, .since = wanted->from};
}

/* ---- connections ------------------------------------------------------- */

/* All up to here was given to the application, or precedes what is subscribed now. */
static struct position reached(const struct server *server)
{
	struct position p = server->newest;

	if (same_epoch(&p, &server->given) && server->given.seq > p.seq)
		p.seq = server->given.seq;
	return p;
}

/* Where a channel continues that is accepted now. Its confirmation may precede messages of others that the daemon still
   reads from its log: so it counts for this channel alone. */
static struct position begin_of(const struct wanted_channel *wanted, const struct server *server)
{
	struct position p = server->newest;

	if (!wanted->complete_from || !position_known(&p))
		return reached(server);
	p.seq = wanted->complete_from;
	if (same_epoch(&p, &server->given) && server->given.seq > p.seq)
		p.seq = server->given.seq;
	return p;
}

bool resume_begin(struct wanted_set *w, struct servers *s)
{
	bool gap = false;

	for (struct wanted_channel *wanted = w->first; wanted; wanted = wanted->next) {
		struct server *server = servers_find(s, wanted->server);

		if (!server || !position_known(&server->newest))
			wanted->from = (struct position){.seq = 0};
		if (!wanted->held || (server && position_known(&wanted->from) &&
				      same_epoch(&wanted->from, &server->newest)))
			continue;
		gap = true;
		if (server)
			server->gap_reported = true;
	}
	return gap;
}

void resume_accepted(struct wanted_set *w, struct wanted_channel *wanted, const struct server *server)
{
	static const struct past none;
	const struct position unknown = {.seq = 0};

	wanted->from = server ? begin_of(wanted, server) : unknown;
	wanted->complete_from = 0;
	if (!wanted->held)
		wanted->start = wanted->past.kind == PAST_NONE ? wanted->from : wanted->past.since;
	wanted_set_past(w, wanted, &none);
	wanted->repeated = false;
	wanted->held = true;
}

void resume_forget(struct wanted_set *w, struct wanted_channel *wanted)
{
	static const struct past none;

	wanted_set_past(w, wanted, &none);
	wanted->repeated = false;
	wanted->from = (struct position){.seq = 0};
}

/* A position that belongs to the current or last connection is newer than any other. */
static void advance(struct wanted_channel *wanted, const struct server *server)
{
	if (!position_known(&server->given))
		return;
	if (same_epoch(&wanted->from, &server->given)) {
		if (server->given.seq > wanted->from.seq)
			wanted->from = server->given;
	} else if (same_epoch(&server->given, &server->newest)) {
		wanted->from = server->given;
	}
}

void resume_end(struct wanted_set *w, const struct servers *s)
{
	for (struct wanted_channel *wanted = w->first; wanted; wanted = wanted->next) {
		const struct server *server = servers_find(s, wanted->server);

		if (wanted->past.kind != PAST_NONE)
			wanted->repeated = true;
		else if (wanted->held && server)
			advance(wanted, server);
	}
}

/* ---- messages ---------------------------------------------------------- */

/* As the daemon matches them: a last segment * is one segment, ** one or more. */
static bool matches(struct slice pattern, struct slice channel)
{
	size_t stars = 0;

	while (stars < 2 && stars < pattern.n && pattern.p[pattern.n - 1 - stars] == '*')
		stars++;
	struct slice parent = slice_take(pattern, pattern.n - stars);
	struct slice rest = slice_drop(channel, parent.n);
	if (stars == 0 || parent.n == 0 || parent.p[parent.n - 1] != '/')
		return slice_eq(pattern, channel);
	return slice_starts(channel, parent) && rest.n > 0 &&
	       (stars == 2 || !memchr(rest.p, '/', rest.n));
}

static bool concerns(const struct wanted_channel *wanted, const struct server *server,
		     struct slice channel)
{
	bool its = wanted->server.p ? slice_eq(wanted->server, slice_of(server->name)) :
				      server->is_default;

	return its && matches(wanted->channel, channel);
}

/* The past of a channel has reached this message. */
static void reach(struct wanted_set *w, struct wanted_channel *wanted, const struct position *at)
{
	struct past past = {.kind = PAST_SINCE, .since = *at};

	if (wanted->past.kind != PAST_SINCE || !same_epoch(&wanted->past.since, at) ||
	    wanted->past.since.seq < at->seq)
		wanted_set_past(w, wanted, &past);
}

/*
 * While a past is read: a message that also matches a channel without a past was, if it is not newer
 * than what was given, given to the application before the connection was lost. What matches only
 * channels with a past shows how far that was read.
 */
static bool note_past(struct wanted_set *w, const struct server *server, struct slice channel,
		      const struct position *at)
{
	bool old = same_epoch(&server->given, at) && at->seq <= server->given.seq;
	bool live = false, repeated = false;

	for (struct wanted_channel *wanted = w->first; wanted; wanted = wanted->next) {
		if (!concerns(wanted, server, channel))
			continue;
		if (wanted->past.kind != PAST_NONE)
			repeated |= wanted->repeated;
		else if (!old || !same_epoch(&wanted->start, at) || wanted->start.seq < at->seq)
			live = true;
	}
	for (struct wanted_channel *wanted = live ? NULL : w->first; wanted; wanted = wanted->next)
		if (wanted->past.kind != PAST_NONE && concerns(wanted, server, channel))
			reach(w, wanted, at);
	return !(old && live && repeated);
}

static void give(struct server *server, const struct position *at)
{
	if (!same_epoch(&server->given, at) || server->given.seq < at->seq)
		server->given = *at;
}

bool resume_message(struct wanted_set *w, struct server *server, struct slice channel, uint64_t seq)
{
	struct position at = server->newest;

	if (!position_known(&at))
		return true;
	at.seq = seq;
	if (w->n_past > 0 && !note_past(w, server, channel, &at))
		return false;
	give(server, &at);
	return true;
}

void resume_loss(struct server *server, uint64_t last)
{
	struct position at = server->newest;

	if (!position_known(&at))
		return;
	at.seq = last;
	give(server, &at);
}
