/*
 * Requests and wanted channels, and the frames written for them. Each request ends
 * exactly once. A publish or call is never sent a second time if the daemon may
 * have received the whole frame. Wanted channels are sent before queued requests.
 */
#include "libclient/outgoing.h"

#include "libclient/chain.h"
#include "libclient/error.h"
#include "libclient/resume.h"
#include "protocol/message.h"

#include <errno.h>

/* Enough for one large send; the rest waits as requests, which can still be cancelled. */
#define OUT_ENOUGH (64 << 10)
/*
 * The daemon answers a publish or call at its deadline, and its answer is more exact
 * than ours (not sent, or outcome unknown): wait this much longer for it.
 */
#define GRACE_MS 1000

void outgoing_init(struct outgoing *o, struct servers *servers)
{
	*o = (struct outgoing){.servers = servers, .next_id = 1, .expiry = UINT64_MAX};
	wanted_init(&o->wanted);
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
	wanted_fini(&o->wanted);
	buf_fini(&o->out);
}

/* ---- the end of a request ---------------------------------------------- */

/* Trying again would give the same answer, so the channel is no longer wanted. */
static bool is_final(int error)
{
	return error == COMETD_E_REFUSED || error == COMETD_E_DENIED ||
	       error == COMETD_E_BAD_CHANNEL;
}

static void remove_ended(struct outgoing *o, const struct request *r, int error)
{
	if (r->op == PROTOCOL_OP_SUBSCRIBE && error && (r->serial || is_final(error)))
		wanted_remove(&o->wanted, r->server, r->channel, r->serial);
}

static bool is_subscribing(const struct request_list *l, const struct wanted_channel *wanted)
{
	for (const struct request *r = l->first; r; r = r->next)
		if (r->op == PROTOCOL_OP_SUBSCRIBE && slice_eq(r->channel, wanted->channel) &&
		    !r->server.p == !wanted->server.p && slice_eq(r->server, wanted->server))
			return true;
	return false;
}

static void end_wanted(struct outgoing *o, struct slice server, struct slice channel)
{
	struct wanted_channel *wanted = wanted_find(&o->wanted, server, channel);

	if (wanted && !wanted->asked && !is_subscribing(&o->flight, wanted) &&
	    !is_subscribing(&o->queue, wanted))
		wanted_remove(&o->wanted, server, channel, wanted->serial);
}

void outgoing_accepted(struct outgoing *o, struct wanted_channel *wanted)
{
	resume_accepted(&o->wanted, wanted, servers_find(o->servers, wanted->server));
}

void outgoing_confirmed(struct outgoing *o, struct slice server, bool is_default, struct slice channel,
			bool confirmed, uint64_t seq)
{
	struct wanted_channel *wanted = wanted_find(&o->wanted, server, channel);

	if (!wanted && is_default)
		wanted = wanted_find(&o->wanted, SLICE_NULL, channel);
	if (!wanted)
		return;
	wanted->unconfirmed = !confirmed;
	wanted->complete_from = confirmed ? seq : 0;
	/* it is complete from now on */
	if (confirmed && wanted->held && !wanted->asked && wanted->past.kind == PAST_NONE)
		outgoing_accepted(o, wanted);
}

void outgoing_refused(struct outgoing *o, struct slice server, bool is_default,
		      struct slice channel, int error)
{
	if (!is_final(error))
		return;
	end_wanted(o, server, channel);
	if (is_default)
		end_wanted(o, SLICE_NULL, channel);
}

/* Its past was given; for a channel that was wanted before, another request waits for that. */
static void accept_ended(struct outgoing *o, const struct request *r)
{
	struct wanted_channel *wanted = wanted_find(&o->wanted, r->server, r->channel);

	if (wanted && (wanted->serial == r->serial || wanted->past.kind == PAST_NONE))
		outgoing_accepted(o, wanted);
}

void outgoing_end(struct outgoing *o, struct request_list *from, struct request *r, int error)
{
	if (r->op == PROTOCOL_OP_SUBSCRIBE && !error && from == &o->flight)
		accept_ended(o, r);
	remove_ended(o, r, error);
	request_remove(from, r);
	o->bytes -= r->size;
	request_free(r);
}

static void finish(struct outgoing *o, struct request_list *from, struct request *r, int error)
{
	remove_ended(o, r, error);
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

static int clear_callbacks(struct request_list *l, cometd_result_fn fn, void *user)
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
	return clear_callbacks(&o->queue, fn, user) + clear_callbacks(&o->flight, fn, user) +
	       clear_callbacks(&o->done, fn, user);
}

static uint64_t expiry_of(const struct request *r)
{
	return r->id && request_sends_deadline(r) ? r->deadline + GRACE_MS : r->deadline;
}

static void expire_at(struct outgoing *o, uint64_t when)
{
	if (when < o->expiry)
		o->expiry = when;
}

/* ---- the beginning of a request ---------------------------------------- */

static int add_wanted(struct outgoing *o, struct request *r)
{
	struct wanted_channel *wanted = wanted_find(&o->wanted, r->server, r->channel);

	if (wanted) {
		/* the daemon decides whether it can become that of another consumer */
		wanted->flags = r->flags;
		return 0;
	}
	if (o->wanted.n >= COMETD_MAX_SUBSCRIPTIONS)
		return COMETD_E_TOO_MANY;
	if (wanted_add(&o->wanted, r->server, r->channel, r->durable, &wanted))
		return COMETD_E_NOMEM;
	wanted->flags = r->flags;
	r->serial = wanted->serial;
	wanted_set_past(&o->wanted, wanted, &r->past);
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

static int drop_wanted(struct outgoing *o, struct request *r)
{
	if (!wanted_find(&o->wanted, r->server, r->channel))
		return COMETD_E_NOT_SUBSCRIBED;
	wanted_remove(&o->wanted, r->server, r->channel, 0);
	return 0;
}

/*
 * An acknowledgement includes all earlier ones, so one that is not written yet can become that of the next
 * message. The program must not wait for either of them.
 */
static bool join_ack(struct outgoing *o, const struct request *r)
{
	struct request *last = o->queue.last;

	if (!last || last->op != PROTOCOL_OP_ACK || r->op != PROTOCOL_OP_ACK || last->fn || r->fn ||
	    !last->server.p != !r->server.p || !slice_eq(last->server, r->server) ||
	    !slice_eq(last->durable, r->durable) || !same_epoch(&last->past.since, &r->past.since))
		return false;
	if (r->past.since.seq > last->past.since.seq)
		last->past.since.seq = r->past.since.seq;
	last->deadline = r->deadline;
	return true;
}

int outgoing_add(struct outgoing *o, struct request *r, bool up)
{
	int error = 0;

	if (join_ack(o, r)) {
		request_free(r);
		return 0;
	}
	if (o->queue.n + o->flight.n + o->done.n >= COMETD_MAX_REQUESTS ||
	    o->bytes + r->size > COMETD_MAX_REQUEST_BYTES)
		error = COMETD_E_TOO_MANY;
	else if (r->op == PROTOCOL_OP_SUBSCRIBE)
		error = add_wanted(o, r);
	else if (r->op == PROTOCOL_OP_UNSUBSCRIBE)
		error = drop_wanted(o, r);
	if (error) {
		request_free(r);
		return error;
	}
	o->bytes += r->size;
	request_append(&o->queue, r);
	expire_at(o, expiry_of(r));
	/* without a connection no daemon holds the subscription: done at once */
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

/* Since the daemon was restarted without its state, the numbers are those of other messages. */
static bool is_outdated(const struct outgoing *o, const struct request *r)
{
	const struct server *server = r->op == PROTOCOL_OP_ACK ? servers_find(o->servers, r->server) : NULL;

	return server && position_known(&r->past.since) && !same_epoch(&r->past.since, &server->newest);
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
	set_text(&m, PROTOCOL_FIELD_DURABLE, &m.durable, r->durable);
	if (r->op == PROTOCOL_OP_ACK) {
		m.seq = r->past.since.seq;
		m.has |= PROTOCOL_F(SEQ);
	}
	if (r->flags & REQUEST_DETAIL) {
		m.detail = true;
		m.has |= PROTOCOL_F(DETAIL);
	}
	if (request_sends_deadline(r)) {
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
	wanted_replay_all(&o->wanted);
	/* a channel whose first subscribe is still queued is asked for by that */
	for (struct request *r = o->queue.first; r; r = r->next) {
		struct wanted_channel *wanted = r->op == PROTOCOL_OP_SUBSCRIBE ?
			wanted_find(&o->wanted, r->server, r->channel) : NULL;

		if (wanted && !position_known(&wanted->from))
			wanted->replay = false;
	}
}

void outgoing_replied(struct outgoing *o)
{
	if (o->unanswered > 0)
		o->unanswered--;
}

bool outgoing_ready(const struct outgoing *o)
{
	return (o->queue.first || o->wanted.cursor) && o->unanswered < o->window;
}

static void move_to_flight(struct outgoing *o, const struct request *last)
{
	struct request *r;

	do {
		r = o->queue.first;
		request_remove(&o->queue, r);
		request_append(&o->flight, r);
	} while (r != last);
}

/* The first of the queue failed, or what was written before it is written again. */
static int undo_first(struct outgoing *o, const struct chain_mark *mark, struct request *failed, int error)
{
	chain_restore(o, mark);
	for (struct request *r = o->queue.first; r && r->id; r = r->next)
		r->id = 0;
	if (error == -ENOMEM)
		return error;
	finish(o, &o->queue, failed, error_of_errno(error));
	return 0;
}

/*
 * Writes the first request. Subscribes with a past that follow each other are written together, so
 * that their past arrives in ascending order.
 */
static int write_first(struct outgoing *o, uint64_t now)
{
	const struct chain_mark mark = chain_mark(o);
	struct request *r = o->queue.first;
	bool more;

	if (is_outdated(o, r)) {
		finish(o, &o->queue, r, COMETD_E_EXPIRED);
		return 0;
	}
	for (;; r = r->next) {
		more = chain_continues(o, r);
		int error = r->op == PROTOCOL_OP_SUBSCRIBE ? chain_write_request(o, r, more) :
							     write_request(o, r, now);
		if (error)
			return undo_first(o, &mark, r, error);
		if (!more)
			break;
	}
	move_to_flight(o, r);
	return 0;
}

int outgoing_fill(struct outgoing *o, uint64_t now)
{
	int r = 0;

	while (!r && buf_len(&o->out) < OUT_ENOUGH && o->unanswered < o->window) {
		struct wanted_channel *wanted = wanted_next(&o->wanted);

		if (wanted)
			r = chain_write_wanted(o, wanted);
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

		/* the daemon cannot have handled a frame whose last byte is still here */
		if (r->end <= o->written && !request_repeatable(r)) {
			finish(o, &o->flight, r, COMETD_E_UNKNOWN_OUTCOME);
			continue;
		}
		request_remove(&o->flight, r);
		r->id = 0;
		request_append(&again, r);
	}
	request_prepend_all(&o->queue, &again);
	resume_end(&o->wanted, o->servers);
	buf_clear(&o->out);
	o->written = 0;
	o->expiry = UINT64_MAX;
	for (const struct request *r = o->queue.first; r; r = r->next)
		expire_at(o, expiry_of(r));
}

/*
 * A subscribe without an answer by its deadline does not fail: the channel stays
 * wanted, and an event reports the answer later. Otherwise a program that starts
 * before the daemon would have to repeat its subscribe.
 */
static void mark_pending(struct outgoing *o, struct request *r)
{
	struct wanted_channel *wanted = wanted_find(&o->wanted, r->server, r->channel);

	r->pending = wanted != NULL;
	if (!wanted)
		return;
	wanted->unconfirmed = true;
	if (r->id && wanted->past.kind == PAST_NONE && !wanted->held)
		outgoing_accepted(o, wanted);
	if (r->id)
		wanted->asked = r->id;
	else
		wanted_replay(&o->wanted, wanted);
}

static int timeout_error(const struct request *r)
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
			mark_pending(o, r);
		finish(o, l, r, timeout_error(r));
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
