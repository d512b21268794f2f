/*
 * Exchanges and the requests in them. A request is in at most one exchange, and the
 * count of requests in flight is exact.
 */
#include "bayeux/exchange.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void exchanges_init(struct exchanges *all)
{
	list_init(&all->list);
	all->n_requests = 0;
	all->next_batch = 1;
}

int exchange_new(struct exchanges *all, const struct session_batch *batch, struct exchange **ret)
{
	struct exchange *x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->home = all;
	x->batch = *batch;
	x->batch.id = all->next_batch;
	x->deadline = UINT64_MAX;
	x->kept = batch->transport == SESSION_LONG_POLLING;
	list_init(&x->requests);
	list_append(&all->list, &x->link);
	*ret = x;
	return 0;
}

void exchange_sent(struct exchange *x, size_t bytes)
{
	x->bytes = bytes;
	x->home->next_batch++;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	assert(list_empty(&x->requests));
	list_remove(&x->link);
	free(x);
}

struct exchange *exchange_find(const struct exchanges *all, uint64_t batch)
{
	LIST_EACH(x, &all->list, struct exchange, link)
		if (x->batch.id == batch)
			return x;
	return NULL;
}

struct exchange *exchange_on_lane(const struct exchanges *all, enum session_lane lane)
{
	LIST_EACH(x, &all->list, struct exchange, link)
		if (x->batch.lane == lane && x->batch.transport == SESSION_LONG_POLLING)
			return x;
	return NULL;
}

struct exchange *exchange_first_due(const struct exchanges *all, const struct exchange *without)
{
	struct exchange *first = NULL;
	LIST_EACH(x, &all->list, struct exchange, link)
		if (x != without && x->batch.transport == SESSION_LONG_POLLING &&
		    x->batch.lane != SESSION_LANE_CONNECT &&
		    (!first || x->deadline < first->deadline))
			first = x;
	return first;
}

void request_init(struct request *r, enum request_kind kind)
{
	*r = (struct request){.kind = kind};
	list_init(&r->link);
}

void request_enter(struct request *r, struct exchange *x)
{
	r->exchange = x;
	list_append(&x->requests, &r->link);
	x->n_sent++;
	x->home->n_requests++;
}

void request_leave(struct request *r)
{
	struct exchange *x = r->exchange;
	if (!x)
		return;
	r->exchange = NULL;
	list_remove(&r->link);
	x->home->n_requests--;
	if (list_empty(&x->requests) && !x->kept)
		exchange_free(x);
}
