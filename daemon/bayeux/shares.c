/*
 * Accounts how much of the publish queue each peer uses. The ceiling is never exceeded,
 * and no peer can use the part that others need.
 */
#include "bayeux/shares.h"

#include "base/errors.h"
#include "bayeux/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void shares_init(struct shares *s, size_t max)
{
	*s = (struct shares){.max = max};
	strmap_init(&s->by_peer);
}

void shares_fini(struct shares *s)
{
	assert(s->held == 0);
	strmap_fini(&s->by_peer);
}

struct share *shares_of(const struct shares *s, uint64_t peer)
{
	struct strmap_node *found = strmap_get(&s->by_peer, strmap_number(&peer));
	return found ? STRMAP_OF(found, struct share, by_peer) : NULL;
}

/* whether a peer may come to hold so much, when so much is left then */
static bool is_fair(const struct shares *s, size_t held, size_t left)
{
	return held <= (uint64_t)left * left / s->max;
}

static int share_new(struct shares *s, uint64_t peer, struct share **ret)
{
	struct share *share = malloc(sizeof(*share));
	if (!share)
		return -ENOMEM;
	*share = (struct share){.peer = peer};
	list_init(&share->waiting);
	list_init(&share->turn);
	int r = strmap_put(&s->by_peer, strmap_number(&share->peer), &share->by_peer);
	if (r)
		free(share);
	else
		*ret = share;
	return r;
}

int shares_take(struct shares *s, uint64_t peer, size_t n, struct share **ret)
{
	struct share *share = shares_of(s, peer);
	size_t left = s->max - s->held;
	if (n > left || !is_fair(s, (share ? share->held : 0) + n, left - n))
		return SESSION_E_FULL;
	int r = share ? 0 : share_new(s, peer, &share);
	if (r)
		return r;
	share->held += n;
	s->held += n;
	*ret = share;
	return 0;
}

void shares_give_back(struct shares *s, struct share *share, size_t n)
{
	s->held -= n;
	share->held -= n;
	if (share->held)
		return;
	list_remove(&share->turn);
	strmap_remove(&s->by_peer, &share->by_peer);
	free(share);
}
