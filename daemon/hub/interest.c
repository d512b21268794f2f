/*
 * Interests by pattern, and from which position on each is complete. The session wants a
 * pattern exactly as long as there is an interest in it.
 */
#include "hub/interest.h"

#include "bayeux/channel.h"
#include "hub/internal.h"
#include "hub/subscription.h"

#include <errno.h>
#include <stdlib.h>

struct interest *interest_find(const struct hub_server *server, struct slice pattern)
{
	struct strmap_node *found = strmap_get(&server->interests, pattern);

	return found ? STRMAP_OF(found, struct interest, by_pattern) : NULL;
}

int interest_new(struct hub_server *server, struct slice pattern, uint64_t member, struct interest **ret)
{
	struct interest *w = malloc(sizeof(*w) + pattern.n);
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct interest){.complete_from = INTEREST_INACTIVE};
	list_init(&w->holders);
	memcpy(w->pattern, pattern.p, pattern.n);
	r = strmap_put(&server->interests, slice_make(w->pattern, pattern.n), &w->by_pattern);
	if (r) {
		free(w);
		return r;
	}
	r = session_want(server->session, pattern, member);
	if (r) {
		strmap_remove(&server->interests, &w->by_pattern);
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void interest_free(struct hub_server *server, struct interest *w)
{
	interest_interrupted(server, w);
	session_unwant(server->session, w->by_pattern.key);
	strmap_remove(&server->interests, &w->by_pattern);
	outcome_forget(&w->refusal);
	free(w);
}

/* ---- coverage ---- */

void interest_confirmed(struct hub_server *server, struct interest *w, bool waited)
{
	if (w->complete_from != INTEREST_INACTIVE)
		return;
	if (waited || server->uninterrupted_from > server->seq)
		server->seq++;
	w->complete_from = server->seq;
}

/* A member at the newest position may miss something, one at a later position does not. */
static void interrupt(struct hub_server *server)
{
	server->uninterrupted_from = server->seq + 1;
}

void interest_interrupted(struct hub_server *server, struct interest *w)
{
	if (w->complete_from == INTEREST_INACTIVE)
		return;
	interrupt(server);
	w->complete_from = INTEREST_INACTIVE;
}

static void interrupt_all(struct hub_server *server, bool stay_active)
{
	struct strmap_node *node;

	for (node = strmap_first(&server->interests); node; node = strmap_after(&server->interests, node)) {
		struct interest *w = STRMAP_OF(node, struct interest, by_pattern);
		bool was_active = w->complete_from != INTEREST_INACTIVE;

		interest_interrupted(server, w);
		if (was_active && stay_active)
			w->complete_from = server->uninterrupted_from;
		/* the gap is reported to all */
		LIST_EACH(s, &w->holders, struct subscription, of_interest)
			s->brought_from = 0;
	}
}

void interest_position_changed(struct hub_server *server)
{
	interrupt(server);
	interrupt_all(server, true);
}

void interest_state_changed(struct hub_server *server, const struct session_info *info)
{
	bool new_session = info->generation != server->generation;

	server->generation = info->generation;
	if (new_session || (info->state == SESSION_CONNECTED && info->gap))
		interrupt_all(server, !new_session);
}

static bool is_complete(const struct hub_server *server, struct slice pattern, uint64_t seq)
{
	const struct interest *w = interest_find(server, pattern);

	return w && w->complete_from != INTEREST_INACTIVE && w->complete_from <= seq;
}

/* The pattern `dir` + `tail`. */
static bool is_pattern_complete(const struct hub_server *server, struct slice dir, struct slice tail, uint64_t seq)
{
	char text[PROTOCOL_CHANNEL_MAX + sizeof("/**")];

	memcpy(text, dir.p, dir.n);
	memcpy(text + dir.n, tail.p, tail.n);
	return is_complete(server, slice_make(text, dir.n + tail.n), seq);
}

bool interest_covers(const struct hub_server *server, struct slice pattern, uint64_t seq)
{
	struct slice dir = pattern;

	if (channel_is_service(pattern) || pattern.n > PROTOCOL_CHANNEL_MAX)
		return false;
	if (is_complete(server, pattern, seq))
		return true;
	if (channel_has_filter(pattern))
		return false;
	if (!channel_is_wild(pattern) && is_pattern_complete(server, channel_parent(pattern), SLICE("/*"), seq))
		return true;
	while (dir.n > 0) {
		dir = channel_parent(dir);
		if (is_pattern_complete(server, dir, SLICE("/**"), seq))
			return true;
	}
	return false;
}
