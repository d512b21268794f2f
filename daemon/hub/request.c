/*
 * Pending requests. Each is in all its lists and maps or in none. A subscribe gets
 * exactly one reply, when its last channel is answered. The cost of answering a
 * channel depends only on the requests for that channel.
 */
#include "hub/request.h"

#include "hub/consumer.h"
#include "hub/internal.h"
#include "hub/subscription.h"

#include <errno.h>
#include <stdlib.h>

/* The server's reply to a subscribe is passed on up to this size: PROTOCOL_CHANNELS_MAX of them
   fit into one frame. */
#define SUBSCRIBED_MAX (64u << 10)

/* Copies the channels to after the items, so that they live as long as the request. */
static void make_items(struct request *r, const struct slice *channels, size_t n)
{
	r->channels = (struct hub_channel_outcome *)&r->items[n];
	char *text = (char *)&r->channels[n];

	for (size_t i = 0; i < n; i++) {
		struct request_item *item = &r->items[i];

		r->channels[i] = (struct hub_channel_outcome){.channel = slice_make(text, channels[i].n)};
		*item = (struct request_item){.request = r, .answer = &r->channels[i]};
		memcpy(text, channels[i].p, channels[i].n);
		text += channels[i].n;
		list_init(&item->of_subscription);
	}
	r->n_items = r->n_waiting = n;
}

int request_new(struct hub *h, struct member *member, struct hub_server *server, uint64_t id,
		const struct slice *channels, size_t n_channels, struct request **ret)
{
	size_t size = sizeof(struct request) + n_channels * (sizeof(struct request_item) +
							     sizeof(struct hub_channel_outcome));
	struct request *r;
	int e;

	for (size_t i = 0; i < n_channels; i++)
		size += channels[i].n;
	r = malloc(size);
	if (!r)
		return -ENOMEM;
	*r = (struct request){.hub = h, .member = member, .id = id};
	make_items(r, channels, n_channels);
	e = strmap_put(&member->requests, strmap_number(&r->id), &r->by_id);
	if (e) {
		free(r);
		return e;
	}
	list_init(&r->of_reader);
	list_append(&server->requests, &r->of_server);
	h->stats.requests++;
	*ret = r;
	return 0;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_items; i++) {
		list_remove(&r->items[i].of_subscription);
		outcome_forget(&r->channels[i].outcome);
	}
	if (r->cookie)
		strmap_remove(&r->hub->cookies, &r->by_cookie);
	strmap_remove(&r->member->requests, &r->by_id);
	list_remove(&r->of_server);
	list_remove(&r->of_reader);
	if (r->consumer && --r->consumer->n_opening == 0)
		wake_up(&r->member->outbox.wake);
	r->hub->stats.requests--;
	free(r);
}

void request_reply(struct request *r, const struct hub_answer *answer)
{
	hub_reply(r->hub, r->member, r->id, answer);
	request_free(r);
}

bool hub_tag_in_use(const struct member *member, uint64_t tag)
{
	return strmap_get(&member->requests, strmap_number(&tag));
}

int request_cookie(struct request *r)
{
	int e;

	r->cookie = r->hub->last_cookie + 1;
	e = strmap_put(&r->hub->cookies, strmap_number(&r->cookie), &r->by_cookie);
	if (e)
		r->cookie = 0;
	else
		r->hub->last_cookie++;
	return e;
}

struct request *request_by_cookie(const struct hub *h, uint64_t cookie)
{
	struct strmap_node *found = strmap_get(&h->cookies, strmap_number(&cookie));

	return found ? STRMAP_OF(found, struct request, by_cookie) : NULL;
}

/* ---- the channels of a subscribe ---- */

void request_wait(struct request_item *item, struct subscription *s)
{
	item->subscription = s;
	list_append(&s->waiting, &item->of_subscription);
}

void request_answer(struct request_item *item, const struct hub_outcome *outcome)
{
	list_remove(&item->of_subscription);
	item->subscription = NULL;
	item->request->n_waiting--;
	/* without memory the result and the code must do */
	(void)outcome_keep(outcome, outcome->result == HUB_OK ? SUBSCRIBED_MAX : SIZE_MAX,
			   &item->answer->outcome);
}

/* A subscribe fails with the first channel that failed; the answer lists all channels. */
void request_finish(struct request *r)
{
	struct hub_answer answer = {.channels = r->channels, .n_channels = r->n_items};

	if (r->n_waiting > 0 || list_linked(&r->of_reader))
		return;
	if (r->consumer) {
		answer.durable = true;
		answer.acked = r->consumer->acked;
		answer.redelivered = r->consumer->redelivered;
	}
	for (size_t i = 0; i < r->n_items && answer.outcome.result != HUB_FAILED; i++)
		if (r->channels[i].outcome.result == HUB_FAILED)
			answer.outcome = r->channels[i].outcome;
	request_reply(r, &answer);
}

void request_answer_all(struct subscription *s, const struct hub_outcome *outcome)
{
	while (!list_empty(&s->waiting)) {
		struct request_item *item = LIST_OF(s->waiting.next, struct request_item,
						    of_subscription);

		request_answer(item, outcome);
		request_finish(item->request);
	}
}

void request_delay(struct request *r, struct list *requests, uint64_t target)
{
	r->target = target;
	list_append(requests, &r->of_reader);
}

void request_release(struct request *r)
{
	list_remove(&r->of_reader);
}

void request_replace(struct request *r, struct slice channel, const struct hub_outcome *outcome)
{
	for (size_t i = 0; i < r->n_items; i++) {
		struct hub_outcome *o = &r->channels[i].outcome;

		if (r->items[i].subscription || o->result == HUB_FAILED ||
		    !slice_eq(r->channels[i].channel, channel))
			continue;
		outcome_forget(o);
		(void)outcome_keep(outcome, SIZE_MAX, o);
	}
}

void request_postpone(struct request *r)
{
	const struct hub_outcome pending = {.result = HUB_PENDING};

	if (r->n_items == 0)
		return;
	for (size_t i = 0; i < r->n_items; i++) {
		struct request_item *item = &r->items[i];

		if (!item->subscription)
			continue;
		item->subscription->pending = true;
		request_answer(item, &pending);
	}
	request_finish(r);
}
