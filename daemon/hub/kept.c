/*
 * The subscriptions that have no member. Each holds an interest, and an interest has at
 * most one of them.
 */
#include "hub/kept.h"

#include "hub/internal.h"
#include "hub/subscription.h"

#include <string.h>

static int keep(struct hub_server *server, struct slice pattern)
{
	struct interest *interest = interest_find(server, pattern);
	struct subscription *s = interest ? interest->kept : NULL;
	int r;

	if (s) {
		s->listed = true;
		return 0;
	}
	r = subscription_new(server, NULL, pattern, &s);
	if (r)
		return r;
	r = subscription_want(s);
	if (r) {
		subscription_free(s);
		return r;
	}
	s->listed = true;
	list_append(&server->kept, &s->of_member);
	return 0;
}

int hub_set_kept(struct hub_server *server, const struct strings *patterns)
{
	LIST_EACH(s, &server->kept, struct subscription, of_member)
		s->listed = false;
	for (size_t i = 0; i < patterns->n; i++) {
		int r = keep(server, slice_of(patterns->v[i]));

		if (r)
			return r;
	}
	LIST_EACH_SAFE(s, &server->kept, struct subscription, of_member)
		if (!s->listed)
			subscription_free(s);
	return 0;
}

int kept_want_all(const struct hub_server *server, struct session *session)
{
	LIST_EACH(s, &server->kept, struct subscription, of_member) {
		int r = session_want(session, s->pattern, 0);

		if (r)
			return r;
	}
	return 0;
}

void kept_end_all(struct hub_server *server)
{
	LIST_EACH_SAFE(s, &server->kept, struct subscription, of_member)
		subscription_free(s);
}

const struct subscription *hub_next_kept(const struct hub_server *server, const struct subscription *after,
					 struct hub_kept *ret)
{
	const struct list *next = after ? after->of_member.next : server->kept.next;
	const struct subscription *s = LIST_OF(next, struct subscription, of_member);

	if (next == &server->kept)
		return NULL;
	*ret = (struct hub_kept){s->pattern, session_channel(server->session, s->pattern),
				 s->interest->refusal.text};
	return s;
}

bool hub_is_kept(const struct hub_server *server, struct slice pattern, bool *ret_refused)
{
	const struct interest *interest = interest_find(server, pattern);

	if (!interest || !interest->kept)
		return false;
	*ret_refused = interest->kept->refused;
	return true;
}
