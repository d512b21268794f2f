/*
 * Subscriptions of members. Each record is in all its lists and maps or in none. An
 * interest exists exactly as long as it has a holder.
 */
#include "hub/subscription.h"

#include "bayeux/channel.h"
#include "hub/consumer.h"
#include "hub/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- what it wants from the server ---- */

/* A number that is no member's, for what is kept. */
static uint64_t asker_of(const struct subscription *s)
{
	return s->member ? s->member->id : 0;
}

int subscription_want(struct subscription *s)
{
	struct interest *w;
	int r;

	w = interest_find(s->server, s->pattern);
	if (!w) {
		r = interest_new(s->server, s->pattern, asker_of(s), &w);
		if (r)
			return r;
	} else {
		/* one that is kept may be refused */
		session_ask_again(s->server->session, s->pattern);
	}
	list_append(&w->holders, &s->of_interest);
	w->n_holders++;
	if (!s->member)
		w->kept = s;
	s->interest = w;
	return 0;
}

void subscription_unwant(struct subscription *s)
{
	struct interest *w = s->interest;

	if (!w)
		return;
	s->interest = NULL;
	if (w->kept == s)
		w->kept = NULL;
	list_remove(&s->of_interest);
	if (--w->n_holders == 0)
		interest_free(s->server, w);
}

/* ---- subscriptions ---- */

/* Server and pattern in one key; a removed server's address is not used again (see hub_server). */
static struct slice make_key(char *key, const struct hub_server *server, struct slice pattern)
{
	memcpy(key, &server, sizeof(server));
	memcpy(key + sizeof(server), pattern.p, pattern.n);
	return slice_make(key, sizeof(server) + pattern.n);
}

struct subscription *subscription_find(const struct member *member, const struct hub_server *server,
				       struct slice pattern)
{
	char key[sizeof(server) + PROTOCOL_CHANNEL_MAX];
	struct strmap_node *found;

	if (pattern.n == 0 || pattern.n > PROTOCOL_CHANNEL_MAX)
		return NULL;
	found = strmap_get(&member->by_pattern, make_key(key, server, pattern));
	return found ? STRMAP_OF(found, struct subscription, by_pattern) : NULL;
}

static int enter_member(struct subscription *s)
{
	struct member *m = s->member;
	int r = strmap_put(&m->by_pattern, slice_make(s->key, sizeof(s->server) + s->pattern.n), &s->by_pattern);

	if (r)
		return r;
	list_append(&m->subscriptions, &s->of_member);
	m->n_subscriptions++;
	if (m->consumer)
		consumer_changed(m->consumer);
	return 0;
}

static void leave_member(struct subscription *s)
{
	if (!s->member)
		return;
	s->member->n_subscriptions--;
	if (s->member->consumer) {
		s->member->consumer->narrowed = true;
		consumer_changed(s->member->consumer);
	}
	strmap_remove(&s->member->by_pattern, &s->by_pattern);
	list_remove(&s->of_member);
	s->member = NULL;
}

void subscription_leave_member(struct subscription *s)
{
	assert(list_empty(&s->waiting) && s->interest && !s->interest->kept);
	leave_member(s);
	s->pending = s->postponed = false;
	s->interest->kept = s;
}

int subscription_new(struct hub_server *server, struct member *member, struct slice pattern,
		     struct subscription **ret)
{
	struct subscription *s = malloc(sizeof(*s) + sizeof(server) + pattern.n);
	int r;

	if (!s)
		return -ENOMEM;
	*s = (struct subscription){.member = member, .server = server};
	trie_entry_init(&s->entry);
	list_init(&s->of_interest);
	trie_entry_init(&s->by_channel);
	list_init(&s->waiting);
	list_init(&s->of_member);
	list_init(&s->of_reader);
	s->from = server->seq + 1;
	s->pattern = slice_drop(make_key(s->key, server, pattern), sizeof(server));
	r = member ? enter_member(s) : 0;
	if (r) {
		free(s);
		return r;
	}
	r = trie_add(server->trie, pattern, &s->entry);
	if (!r && channel_has_filter(pattern))
		r = trie_add(server->filtered, channel_bare(pattern), &s->by_channel);
	if (r) {
		subscription_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void subscription_free(struct subscription *s)
{
	if (!s)
		return;
	assert(list_empty(&s->waiting));
	subscription_unwant(s);
	list_remove(&s->of_reader);
	trie_remove(&s->entry);
	trie_remove(&s->by_channel);
	list_remove(&s->of_member);
	leave_member(s);
	free(s);
}

/* The member's subscription of the pattern `dir` + `tail`. */
static void call_matching(const struct member *member, const struct hub_server *server, struct slice dir,
			  struct slice tail, void (*each)(void *ctx, struct subscription *s), void *ctx)
{
	char text[PROTOCOL_CHANNEL_MAX];
	struct subscription *s;

	if (dir.n + tail.n > sizeof(text))
		return;
	memcpy(text, dir.p, dir.n);
	memcpy(text + dir.n, tail.p, tail.n);
	s = subscription_find(member, server, slice_make(text, dir.n + tail.n));
	if (s)
		each(ctx, s);
}

void subscription_each_match(const struct member *member, const struct hub_server *server, struct slice channel,
			     void (*each)(void *ctx, struct subscription *s), void *ctx)
{
	struct slice dir = channel_parent(channel);
	size_t depth = 0;

	if (channel.n == 0 || channel.p[0] != '/')
		return;
	call_matching(member, server, channel, SLICE(""), each, ctx);
	call_matching(member, server, dir, SLICE("/*"), each, ctx);
	for (size_t i = 0; i < dir.n; i++)
		depth += dir.p[i] == '/';
	for (;; dir = channel_parent(dir), depth--) {
		/* no pattern has more segments */
		if (depth < PROTOCOL_SEGMENTS_MAX)
			call_matching(member, server, dir, SLICE("/**"), each, ctx);
		if (dir.n == 0)
			return;
	}
}

const struct subscription *hub_next_subscription(const struct member *m, const struct subscription *after,
						 struct hub_subscription *ret)
{
	const struct list *next = after ? after->of_member.next : m->subscriptions.next;
	const struct subscription *s = LIST_OF(next, struct subscription, of_member);

	if (next == &m->subscriptions)
		return NULL;
	*ret = (struct hub_subscription){s->server->by_name.key, s->pattern, s->pending};
	return s;
}
