/*
 * Subscriptions of members. Each record is in all its lists and maps or in none. An
 * interest exists exactly as long as it has a holder.
 */
#include "hub/subscription.h"

#include "bayeux/channel.h"
#include "hub/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- what it wants from the server ---- */

int subscription_want(struct subscription *s)
{
	struct interest *w;
	int r;

	w = interest_find(s->server, s->pattern);
	if (!w) {
		r = interest_new(s->server, s->pattern, s->member->id, &w);
		if (r)
			return r;
	}
	list_append(&w->holders, &s->of_interest);
	w->n_holders++;
	s->interest = w;
	return 0;
}

void subscription_unwant(struct subscription *s)
{
	struct interest *w = s->interest;

	if (!w)
		return;
	s->interest = NULL;
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
	s->pattern = slice_drop(make_key(s->key, server, pattern), sizeof(server));
	r = strmap_put(&member->by_pattern, slice_make(s->key, sizeof(server) + pattern.n),
		       &s->by_pattern);
	if (r) {
		free(s);
		return r;
	}
	list_append(&member->subscriptions, &s->of_member);
	member->n_subscriptions++;
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
	trie_remove(&s->entry);
	list_remove(&s->of_member);
	trie_remove(&s->by_channel);
	s->member->n_subscriptions--;
	strmap_remove(&s->member->by_pattern, &s->by_pattern);
	free(s);
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
