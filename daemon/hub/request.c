/*
 * Pending requests. Each is in all its lists and maps or in none. A subscribe gets
 * exactly one reply, when its last channel is answered. The cost of answering a
 * channel depends only on the requests for that channel.
 */
#include "hub/request.h"

#include "hub/internal.h"
#include "hub/send.h"
#include "hub/subscription.h"
#include "protocol/json_write.h"

#include <errno.h>
#include <stdlib.h>

static struct slice key_of(const uint64_t *number)
{
	return slice_make(number, sizeof(*number));
}

/* Copies the channels to after the items, so that they live as long as the request. */
static void make_items(struct request *r, const struct slice *channels, size_t n)
{
	char *text = (char *)&r->items[n];

	for (size_t i = 0; i < n; i++) {
		struct request_item *item = &r->items[i];

		*item = (struct request_item){.request = r};
		item->channel = slice_make(text, channels[i].n);
		memcpy(text, channels[i].p, channels[i].n);
		text += channels[i].n;
		list_init(&item->of_subscription);
	}
	r->n_items = r->n_waiting = n;
}

int request_new(struct hub *h, struct member *member, struct hub_server *server, uint64_t id,
		const struct slice *channels, size_t n_channels, struct request **ret)
{
	size_t size = sizeof(struct request) + n_channels * sizeof(struct request_item);
	struct request *r;
	int e;

	for (size_t i = 0; i < n_channels; i++)
		size += channels[i].n;
	r = malloc(size);
	if (!r)
		return -ENOMEM;
	*r = (struct request){.hub = h, .member = member, .id = id};
	make_items(r, channels, n_channels);
	e = strmap_put(&member->requests, key_of(&r->id), &r->by_id);
	if (e) {
		free(r);
		return e;
	}
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
		free((char *)r->items[i].detail.p);
	}
	if (r->cookie)
		strmap_remove(&r->hub->cookies, &r->by_cookie);
	strmap_remove(&r->member->requests, &r->by_id);
	list_remove(&r->of_server);
	r->hub->stats.requests--;
	free(r);
}

bool hub_tag_in_use(const struct member *member, uint64_t tag)
{
	return strmap_get(&member->requests, key_of(&tag));
}

int request_cookie(struct request *r)
{
	int e;

	r->cookie = r->hub->last_cookie + 1;
	e = strmap_put(&r->hub->cookies, key_of(&r->cookie), &r->by_cookie);
	if (e)
		r->cookie = 0;
	else
		r->hub->last_cookie++;
	return e;
}

struct request *request_by_cookie(const struct hub *h, uint64_t cookie)
{
	struct strmap_node *found = strmap_get(&h->cookies, key_of(&cookie));

	return found ? STRMAP_OF(found, struct request, by_cookie) : NULL;
}

/* ---- the channels of a subscribe ---- */

void request_wait(struct request_item *item, struct subscription *s)
{
	item->subscription = s;
	list_append(&s->waiting, &item->of_subscription);
}

void request_answer(struct request_item *item, enum request_answer answer,
		    enum protocol_error code, struct slice detail)
{
	char *copy = NULL;

	list_remove(&item->of_subscription);
	item->subscription = NULL;
	item->answer = answer;
	item->code = code;
	item->request->n_waiting--;
	if (detail.n > 0)
		copy = malloc(detail.n);
	if (!copy)
		/* without memory the code must do */
		return;
	memcpy(copy, detail.p, detail.n);
	item->detail = slice_make(copy, detail.n);
}

static int put_error(struct buf *out, const struct request_item *item)
{
	if (item->detail.n > 0)
		return buf_put(out, item->detail);
	return message_put_error(out, item->code,
				 item->code == PROTOCOL_E_NOT_SUBSCRIBED ?
				 SLICE("unsubscribed before the server answered") : SLICE(""),
				 SLICE_NULL);
}

static int put_item(struct json_write *w, const struct request_item *item)
{
	struct buf error;
	int r = 0;

	buf_init(&error, PROTOCOL_FRAME_MAX);
	json_object_begin(w);
	json_key(w, "channel");
	json_put_text(w, item->channel);
	if (item->answer == REQUEST_FAILED) {
		r = put_error(&error, item);
		json_key(w, "error");
		if (!r)
			json_put_raw(w, buf_slice(&error));
	} else {
		json_key(w, item->answer == REQUEST_OK ? "ok" : "pending");
		json_put_bool(w, true);
		if (item->detail.n > 0)
			json_key(w, "bayeux"), json_put_raw(w, item->detail);
	}
	json_object_end(w);
	buf_fini(&error);
	return r;
}

/* {"channels":[…]} */
static int put_result(struct buf *out, const struct request *r)
{
	struct json_write w;
	int e = 0, done;

	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "channels");
	json_array_begin(&w);
	for (size_t i = 0; i < r->n_items && !e; i++)
		e = put_item(&w, &r->items[i]);
	json_array_end(&w);
	json_object_end(&w);
	done = json_write_done(&w);
	return e ? e : done;
}

/* The reply fails with the error of the first channel that failed; the result lists all channels. */
static int put_first_error(struct buf *out, const struct request *r)
{
	for (size_t i = 0; i < r->n_items; i++)
		if (r->items[i].answer == REQUEST_FAILED)
			return put_error(out, &r->items[i]);
	return 0;
}

void request_reply(struct request *r, int failed, struct slice result, struct slice error)
{
	struct member *member = r->member;
	struct hub *h = r->hub;
	uint64_t id = r->id;

	request_free(r);
	if (failed == -EMSGSIZE)
		hub_refuse(h, member, id, PROTOCOL_E_TOO_LARGE, SLICE("the answer is too large"));
	else if (failed)
		hub_refuse(h, member, id, PROTOCOL_E_INTERNAL, SLICE("out of memory"));
	else
		send_reply(h, member, id, result, error);
}

void request_finish(struct request *r)
{
	struct buf result, error;
	int e;

	if (r->n_waiting > 0)
		return;
	buf_init(&result, PROTOCOL_FRAME_MAX);
	buf_init(&error, PROTOCOL_FRAME_MAX);
	e = put_result(&result, r);
	if (!e)
		e = put_first_error(&error, r);
	request_reply(r, e, buf_slice(&result), buf_slice(&error));
	buf_fini(&error);
	buf_fini(&result);
}

void request_answer_all(struct subscription *s, enum request_answer answer,
			enum protocol_error code, struct slice detail)
{
	while (!list_empty(&s->waiting)) {
		struct request_item *item = LIST_OF(s->waiting.next, struct request_item,
						    of_subscription);

		request_answer(item, answer, code, detail);
		request_finish(item->request);
	}
}

void request_postpone(struct request *r)
{
	if (r->n_items == 0)
		return;
	for (size_t i = 0; i < r->n_items; i++) {
		struct request_item *item = &r->items[i];

		if (item->answer != REQUEST_WAITING)
			continue;
		item->subscription->pending = true;
		request_answer(item, REQUEST_PENDING, 0, SLICE_NULL);
	}
	request_finish(r);
}
