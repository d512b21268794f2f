/*
 * Owns requests and wanted channels, and writes them as frames. Guarantees:
 * each request ends exactly once; a publish or call of which the daemon may
 * have seen the whole frame is never written a second time; subscriptions go
 * ahead of whatever waited; count and bytes of requests stay under
 * their ceilings. Must never know sockets, nor what a reply says.
 */
#include "libclient/outgoing.h"

#include "libclient/error.h"
#include "protocol/message.h"

#include <errno.h>

/* Enough for one good send; what waits longer waits as requests, which can still be taken back. */
#define OUT_ENOUGH (64 << 10)
/*
 * The daemon answers a publish or call at its deadline, and knows better than
 * we what became of it: wait that much longer for its word.
 */
#define GRACE_MS 1000

void outgoing_init(struct outgoing *o)
{
	*o = (struct outgoing){.next_id = 1, .expiry = UINT64_MAX};
	wants_init(&o->wants);
	buf_init(&o->out, OUT_ENOUGH + PROTOCOL_REQUEST_MAX + PROTOCOL_PREFIX);
}

static void free_all(struct request_list *l)
{
	while (l->first) {
		struct request *r = l->first;

		request_remove(l, r);
		request_free(r);
	}
}

void outgoing_fini(struct outgoing *o)
{
	free_all(&o->queue);
	free_all(&o->flight);
	free_all(&o->done);
	wants_fini(&o->wants);
	buf_fini(&o->out);
}

/* ---- the end of a request ---------------------------------------------- */

/* The daemon will not give another answer: what ended so is no longer wanted. */
static bool is_final(int error)
{
	return error == COMETD_E_REFUSED || error == COMETD_E_DENIED ||
	       error == COMETD_E_BAD_CHANNEL;
}

static void forget_want(struct outgoing *o, const struct request *r, int error)
{
	if (r->op == PROTOCOL_OP_SUBSCRIBE && error && (r->serial || is_final(error)))
		wants_remove(&o->wants, r->server, r->channel, r->serial);
}

static bool is_subscribing(const struct request_list *l, const struct want *want)
{
	for (const struct request *r = l->first; r; r = r->next)
		if (r->op == PROTOCOL_OP_SUBSCRIBE && slice_eq(r->channel, want->channel) &&
		    !r->server.p == !want->server.p && slice_eq(r->server, want->server))
			return true;
	return false;
}

static void end_want(struct outgoing *o, struct slice server, struct slice channel)
{
	struct want *want = wants_find(&o->wants, server, channel);

	if (want && !want->asked && !is_subscribing(&o->flight, want) &&
	    !is_subscribing(&o->queue, want))
		wants_remove(&o->wants, server, channel, want->serial);
}

void outgoing_refused(struct outgoing *o, struct slice server, bool is_default,
		      struct slice channel, int error)
{
	if (!is_final(error))
		return;
	end_want(o, server, channel);
	if (is_default)
		end_want(o, SLICE_NULL, channel);
}

void outgoing_end(struct outgoing *o, struct request_list *from, struct request *r, int error)
{
	forget_want(o, r, error);
	request_remove(from, r);
	o->bytes -= r->size;
	request_free(r);
}

static void finish(struct outgoing *o, struct request_list *from, struct request *r, int error)
{
	forget_want(o, r, error);
	request_remove(from, r);
	r->error = error;
	request_append(&o->done, r);
}

static void finish_all(struct outgoing *o, struct request_list *from, int error)
{
	while (from->first)
		finish(o, from, from->first, error);
}

void outgoing_fail_all(struct outgoing *o, int error)
{
	finish_all(o, &o->flight, error);
	finish_all(o, &o->queue, error);
}

static int forget_callbacks(struct request_list *l, cometd_result_fn fn, void *user)
{
	int n = 0;

	for (struct request *r = l->first; r; r = r->next)
		if (r->fn && r->fn == fn && r->user == user) {
			r->fn = NULL;
			n++;
		}
	return n;
}

int outgoing_cancel(struct outgoing *o, cometd_result_fn fn, void *user)
{
	return forget_callbacks(&o->queue, fn, user) + forget_callbacks(&o->flight, fn, user) +
	       forget_callbacks(&o->done, fn, user);
}

static uint64_t expiry_of(const struct request *r)
{
	return r->id && request_tells_deadline(r) ? r->deadline + GRACE_MS : r->deadline;
}

static void expire_at(struct outgoing *o, uint64_t when)
{
	if (when < o->expiry)
		o->expiry = when;
}

/* ---- the beginning of a request ---------------------------------------- */

static int add_want(struct outgoing *o, struct request *r)
{
	struct want *want = wants_find(&o->wants, r->server, r->channel);

	if (want) {
		want->flags = r->flags;
		return 0;
	}
	if (o->wants.n >= COMETD_MAX_SUBSCRIPTIONS)
		return COMETD_E_TOO_MANY;
	if (wants_add(&o->wants, r->server, r->channel, r->flags, &want))
		return COMETD_E_NOMEM;
	r->serial = want->serial;
	return 0;
}

static void cancel_subscribes(struct outgoing *o, struct slice server, struct slice channel)
{
	for (struct request *r = o->queue.first, *next; r; r = next) {
		next = r->next;
		if (r->op == PROTOCOL_OP_SUBSCRIBE && slice_eq(r->channel, channel) &&
		    !r->server.p == !server.p && slice_eq(r->server, server))
			finish(o, &o->queue, r, COMETD_E_CANCELLED);
	}
}

static int drop_want(struct outgoing *o, struct request *r)
{
	if (!wants_find(&o->wants, r->server, r->channel))
		return COMETD_E_NOT_SUBSCRIBED;
	wants_remove(&o->wants, r->server, r->channel, 0);
	return 0;
}

int outgoing_add(struct outgoing *o, struct request *r, bool up)
{
	int error = 0;

	if (o->queue.n + o->flight.n + o->done.n >= COMETD_MAX_REQUESTS ||
	    o->bytes + r->size > COMETD_MAX_REQUEST_BYTES)
		error = COMETD_E_TOO_MANY;
	else if (r->op == PROTOCOL_OP_SUBSCRIBE)
		error = add_want(o, r);
	else if (r->op == PROTOCOL_OP_UNSUBSCRIBE)
		error = drop_want(o, r);
	if (error) {
		request_free(r);
		return error;
	}
	o->bytes += r->size;
	request_append(&o->queue, r);
	expire_at(o, expiry_of(r));
	/* no daemon holds it, so there is nobody to ask */
	if (r->op == PROTOCOL_OP_UNSUBSCRIBE && !up) {
		cancel_subscribes(o, r->server, r->channel);
		finish(o, &o->queue, r, 0);
	}
	return 0;
}

/* ---- frames ------------------------------------------------------------ */

static void set_text(struct message *m, enum protocol_field f, struct slice *member, struct slice s)
{
	if (s.p) {
		*member = s;
		m->has |= 1ull << f;
	}
}

static void set_id(struct outgoing *o, struct message *m)
{
	m->id = o->next_id;
	m->has |= PROTOCOL_F(ID);
}

static void set_flags(struct message *m, unsigned flags)
{
	if (flags & COMETD_LISTEN_ONLY) {
		m->upstream = false;
		m->has |= PROTOCOL_F(UPSTREAM);
	}
	if (flags & REQUEST_DETAIL) {
		m->detail = true;
		m->has |= PROTOCOL_F(DETAIL);
	}
	if (flags & COMETD_DISCONNECT_IF_SLOW)
		set_text(m, PROTOCOL_FIELD_OVERFLOW, &m->overflow, SLICE("disconnect"));
}

int outgoing_hello(struct outgoing *o, struct slice name, uint64_t *ret_id)
{
	struct message m;

	buf_clear(&o->out);
	o->written = 0;
	message_init(&m, PROTOCOL_OP_HELLO);
	set_id(o, &m);
	m.version = PROTOCOL_VERSION_MAX;
	m.has |= PROTOCOL_F(VERSION);
	set_text(&m, PROTOCOL_FIELD_NAME, &m.name, name);
	int r = message_encode(&m, &o->out);
	message_fini(&m);
	if (r)
		return -ENOMEM;
	*ret_id = o->next_id++;
	return 0;
}

static int write_want(struct outgoing *o, struct want *want)
{
	struct message m;

	message_init(&m, PROTOCOL_OP_SUBSCRIBE);
	set_id(o, &m);
	set_text(&m, PROTOCOL_FIELD_SERVER, &m.server, want->server);
	set_text(&m, PROTOCOL_FIELD_CHANNEL, &m.channel, want->channel);
	set_flags(&m, want->flags);
	int r = message_encode(&m, &o->out);
	message_fini(&m);
	if (r)
		return r;
	want->asked = o->next_id++;
	want->replay = false;
	o->unanswered++;
	return 0;
}

static int write_request(struct outgoing *o, struct request *r, uint64_t now)
{
	struct message m;

	message_init(&m, r->op);
	set_id(o, &m);
	set_text(&m, PROTOCOL_FIELD_SERVER, &m.server, r->server);
	set_text(&m, PROTOCOL_FIELD_CHANNEL, &m.channel, r->channel);
	if (r->binary)
		set_text(&m, PROTOCOL_FIELD_BINARY, &m.binary, r->data);
	else
		set_text(&m, PROTOCOL_FIELD_DATA, &m.data, r->data);
	set_text(&m, PROTOCOL_FIELD_EXT, &m.ext, r->ext);
	set_flags(&m, r->flags);
	if (request_tells_deadline(r)) {
		m.timeout = r->deadline > now ? r->deadline - now : 1;
		m.has |= PROTOCOL_F(TIMEOUT);
	}
	int error = message_encode(&m, &o->out);
	message_fini(&m);
	if (error)
		return error;
	r->id = o->next_id++;
	r->end = o->written + buf_len(&o->out);
	o->unanswered++;
	return 0;
}

void outgoing_up(struct outgoing *o, uint64_t window)
{
	o->window = window ? window : 1;
	o->unanswered = 0;
	wants_replay_all(&o->wants);
	/* those whose first request still waits are asked for by it */
	for (struct request *r = o->queue.first; r; r = r->next) {
		struct want *want = r->op == PROTOCOL_OP_SUBSCRIBE ?
			wants_find(&o->wants, r->server, r->channel) : NULL;

		if (want)
			want->replay = false;
	}
}

void outgoing_replied(struct outgoing *o)
{
	if (o->unanswered > 0)
		o->unanswered--;
}

bool outgoing_ready(const struct outgoing *o)
{
	return (o->queue.first || o->wants.cursor) && o->unanswered < o->window;
}

static int write_first(struct outgoing *o, uint64_t now)
{
	struct request *request = o->queue.first;
	int r = write_request(o, request, now);

	if (r == -ENOMEM)
		return r;
	if (r) {
		finish(o, &o->queue, request, error_of_errno(r));
		return 0;
	}
	request_remove(&o->queue, request);
	request_append(&o->flight, request);
	return 0;
}

int outgoing_fill(struct outgoing *o, uint64_t now)
{
	int r = 0;

	while (!r && buf_len(&o->out) < OUT_ENOUGH && o->unanswered < o->window) {
		struct want *want = wants_next(&o->wants);

		if (want)
			r = write_want(o, want);
		else if (o->queue.first)
			r = write_first(o, now);
		else
			break;
	}
	return r;
}

void outgoing_written(struct outgoing *o, size_t n)
{
	buf_consume(&o->out, n);
	o->written += n;
}

/* ---- connections and time ---------------------------------------------- */

void outgoing_lost(struct outgoing *o)
{
	struct request_list again = {NULL, NULL, 0};

	while (o->flight.first) {
		struct request *r = o->flight.first;

		/* a frame of which the last byte is still here was not understood there */
		if (r->end <= o->written && !request_repeatable(r)) {
			finish(o, &o->flight, r, COMETD_E_UNKNOWN_OUTCOME);
			continue;
		}
		request_remove(&o->flight, r);
		r->id = 0;
		request_append(&again, r);
	}
	request_prepend_all(&o->queue, &again);
	buf_clear(&o->out);
	o->written = 0;
	o->expiry = UINT64_MAX;
	for (const struct request *r = o->queue.first; r; r = r->next)
		expire_at(o, expiry_of(r));
}

/*
 * A subscription without an answer is no failure: it stays wanted, and what
 * becomes of it is told by an event. Else a program that starts before the
 * daemon would have to ask again and again.
 */
static void leave_pending(struct outgoing *o, struct request *r)
{
	struct want *want = wants_find(&o->wants, r->server, r->channel);

	r->pending = want != NULL;
	if (!want)
		return;
	want->unconfirmed = true;
	if (r->id)
		want->asked = r->id;
	else
		wants_replay(&o->wants, want);
}

static int late(const struct request *r)
{
	if (r->op == PROTOCOL_OP_SUBSCRIBE)
		return r->pending ? 0 : COMETD_E_CANCELLED;
	if (request_repeatable(r))
		return COMETD_E_TIMEOUT;
	return r->id ? COMETD_E_UNKNOWN_OUTCOME : COMETD_E_NOT_SENT;
}

static void expire_list(struct outgoing *o, struct request_list *l, uint64_t now)
{
	for (struct request *r = l->first, *next; r; r = next) {
		next = r->next;
		if (expiry_of(r) > now) {
			expire_at(o, expiry_of(r));
			continue;
		}
		if (r->op == PROTOCOL_OP_SUBSCRIBE)
			leave_pending(o, r);
		finish(o, l, r, late(r));
	}
}

void outgoing_expire(struct outgoing *o, uint64_t now)
{
	if (now < o->expiry)
		return;
	o->expiry = UINT64_MAX;
	expire_list(o, &o->flight, now);
	expire_list(o, &o->queue, now);
}
