/*
 * The subscriptions that have no member. Each holds an interest, and an interest has at
 * most one of them.
 */
#include "hub/kept.h"

#include "hub/internal.h"

/* ---- by configuration ---- */

/* It lingers, and the configuration keeps it now. */
static void adopt(struct subscription *s)
{
	s->lingers = false;
	s->server->n_lingering--;
	list_remove(&s->of_member);
	list_append(&s->server->kept, &s->of_member);
}

static int keep(struct hub_server *server, struct slice pattern)
{
	struct interest *interest = interest_find(server, pattern);
	struct subscription *s = interest ? interest->kept : NULL;
	int r;

	if (s) {
		if (s->lingers)
			adopt(s);
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

static int want_list(const struct list *list, struct session *session)
{
	LIST_EACH(s, list, struct subscription, of_member) {
		int r = session_want(session, s->pattern, 0);

		if (r)
			return r;
	}
	return 0;
}

int kept_want_all(const struct hub_server *server, struct session *session)
{
	int r = want_list(&server->kept, session);

	return r ? r : want_list(&server->lingering, session);
}

void kept_end_all(struct hub_server *server)
{
	LIST_EACH_SAFE(s, &server->kept, struct subscription, of_member)
		subscription_free(s);
	LIST_EACH_SAFE(s, &server->lingering, struct subscription, of_member)
		kept_end(s);
}

/* ---- for a time ---- */

void kept_end(struct subscription *s)
{
	s->server->n_lingering--;
	subscription_free(s);
}

static struct subscription *first_to_end(const struct hub_server *server)
{
	return LIST_FIRST(&server->lingering, struct subscription, of_member);
}

static void begin_to_linger(struct subscription *s, uint64_t now)
{
	struct hub_server *server = s->server;

	if (server->n_lingering >= KEPT_LINGERING_MAX)
		kept_end(first_to_end(server));
	subscription_leave_member(s);
	s->lingers = true;
	s->left_at = now;
	list_append(&server->lingering, &s->of_member);
	server->n_lingering++;
}

void kept_linger(struct member *m, uint64_t now)
{
	LIST_EACH_SAFE(s, &m->subscriptions, struct subscription, of_member)
		if (s->server->linger && s->interest && s->interest->n_holders == 1)
			begin_to_linger(s, now);
}

void kept_taken_over(struct interest *interest)
{
	if (interest->kept && interest->kept->lingers)
		kept_end(interest->kept);
}

uint64_t kept_deadline(const struct hub_server *server)
{
	const struct subscription *s = first_to_end(server);

	return s ? s->left_at + server->linger : UINT64_MAX;
}

void kept_tick(struct hub_server *server, uint64_t now)
{
	while (kept_deadline(server) <= now)
		kept_end(first_to_end(server));
}

void hub_set_linger(struct hub_server *server, uint64_t ms)
{
	server->linger = ms;
}

size_t hub_server_lingering(const struct hub_server *server)
{
	return server->n_lingering;
}

/* ---- for status and the log ---- */

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

	if (!interest || !interest->kept || interest->kept->lingers)
		return false;
	*ret_refused = interest->kept->refused;
	return true;
}
