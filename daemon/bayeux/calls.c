/*
 * Matches answers with calls, also after a call has ended. An answer is delivered to
 * the call it belongs to or not at all, as far as the server makes that possible. The memory
 * of ended calls is bounded.
 */
#include "bayeux/calls.h"

#include "bayeux/channel.h"
#include "bayeux/publish.h"

#include <stdlib.h>

/* A channel whose calls are answered by id. */
struct answered {
	struct strmap_node node;
	struct list link;
	char channel[];
};

void calls_init(struct calls *c, uint64_t guess)
{
	*c = (struct calls){.guess = guess};
	list_init(&c->ended);
	list_init(&c->by_id);
	strmap_init(&c->by_id_map);
}

static void forget_call(struct calls *c, struct publish *call)
{
	list_remove(&call->link);
	c->n_ended--;
	free(call);
}

static void forget_channel(struct calls *c, struct answered *a)
{
	strmap_remove(&c->by_id_map, &a->node);
	list_remove(&a->link);
	free(a);
}

void calls_reset(struct calls *c)
{
	LIST_EACH_SAFE(call, &c->ended, struct publish, link)
		forget_call(c, call);
	LIST_EACH_SAFE(a, &c->by_id, struct answered, link)
		forget_channel(c, a);
	c->session++;
}

void calls_fini(struct calls *c)
{
	calls_reset(c);
	strmap_fini(&c->by_id_map);
}

void calls_keep(struct calls *c, struct publish *call, uint64_t now)
{
	if (call->session != c->session) {
		free(call);
		return;
	}
	/* the payload may be large, and only the channel is still of use */
	struct publish *less = realloc(call, sizeof(*call) + call->channel.n);
	if (less)
		call = less;
	call->channel.p = call->mem;
	call->over_at = now;
	list_append(&c->ended, &call->link);
	if (++c->n_ended > CALLS_ENDED_MAX)
		forget_call(c, LIST_FIRST(&c->ended, struct publish, link));
}

/* Without memory the next answer without id is guessed at, as before the first one. */
static void answered_by_id(struct calls *c, struct slice channel)
{
	if (strmap_get(&c->by_id_map, channel))
		return;
	struct answered *a = malloc(sizeof(*a) + channel.n);
	if (!a)
		return;
	memcpy(a->channel, channel.p, channel.n);
	if (strmap_put(&c->by_id_map, slice_make(a->channel, channel.n), &a->node)) {
		free(a);
		return;
	}
	list_append(&c->by_id, &a->link);
	if (c->by_id_map.n > CALLS_CHANNELS_MAX)
		forget_channel(c, LIST_FIRST(&c->by_id, struct answered, link));
}

static struct publish *find_ended(const struct calls *c, uint64_t id)
{
	LIST_EACH(call, &c->ended, struct publish, link)
		if (call->request.pending.id == id)
			return call;
	return NULL;
}

bool calls_is_late_reply(const struct calls *c, const struct envelope *e)
{
	uint64_t id;
	const struct publish *pub = pending_id(e->id, &id) ? find_ended(c, id) : NULL;
	return pub && !pub->call && slice_eq(pub->channel, e->channel);
}

static bool is_waiting(const struct publish *call)
{
	return call->call && (call->delivered || call->request.exchange);
}

static enum calls_match match_id(struct calls *c, const struct publishes *p,
				 const struct envelope *e, struct publish **ret)
{
	struct pending_node *node = pending_find_text(p->pending, e->id);
	struct request *r = node ? PENDING_OF(node, struct request, pending) : NULL;
	const struct publish *over;
	uint64_t id;
	if (r && r->kind == REQUEST_PUBLISH && is_waiting(publish_of(r))) {
		*ret = publish_of(r);
		answered_by_id(c, e->channel);
		return CALLS_ANSWER;
	}
	over = !r && pending_id(e->id, &id) ? find_ended(c, id) : NULL;
	if (!over || !over->call)
		return CALLS_NONE;
	answered_by_id(c, e->channel);
	return CALLS_LATE;
}

/* The oldest call on that channel, of those that wait, or of those over since then or later. */
static struct publish *oldest(const struct list *list, struct slice channel, uint64_t since)
{
	struct publish *found = NULL;
	LIST_EACH(call, list, struct publish, link)
		if (call->call && call->over_at >= since && slice_eq(call->channel, channel) &&
		    (!found || call->request.pending.id < found->request.pending.id))
			found = call;
	return found;
}

static enum calls_match match_channel(struct calls *c, const struct publishes *p,
				      struct slice channel, uint64_t now, struct publish **ret)
{
	struct publish *over = oldest(&c->ended, channel, now > c->guess ? now - c->guess : 0);
	struct publish *call = oldest(&p->sent, channel, 0);
	if (strmap_get(&c->by_id_map, channel) || (!over && !call))
		return CALLS_NONE;
	if (over && (!call || over->request.pending.id < call->request.pending.id)) {
		forget_call(c, over);
		return CALLS_LATE;
	}
	*ret = call;
	return CALLS_ANSWER;
}

/*
 * Only on service channels, where only the server sends messages. On a broadcast
 * channel of Faye our own publish comes back as an event with our id.
 */
enum calls_match calls_match(struct calls *c, const struct publishes *p, const struct envelope *e,
			     uint64_t now, struct publish **ret)
{
	if (!channel_is_service(e->channel))
		return CALLS_NONE;
	return e->id.n ? match_id(c, p, e, ret) : match_channel(c, p, e->channel, now, ret);
}
