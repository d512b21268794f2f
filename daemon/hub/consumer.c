/* Consumers and the log of what waits for them: see consumer.h. */
#include "hub/consumer.h"

#include "hub/internal.h"
#include "hub/request.h"
#include "hub/send.h"
#include "hub/subscription.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* looked at, and pushed, in one portion */
#define PORTION_ENTRIES 256
#define PORTION_BYTES (64u << 10)

struct consumer *consumer_find(const struct hub_server *server, struct slice name)
{
	LIST_EACH(c, &server->consumers, struct consumer, of_server)
		if (slice_eq(slice_of(c->name), name))
			return c;
	return NULL;
}

struct consumer *consumer_held(const struct member *m, const struct hub_server *server)
{
	LIST_EACH(c, &m->consumers, struct consumer, of_holder)
		if (c->server == server)
			return c;
	return NULL;
}

/* ---- what it wants ---- */

struct match {
	const struct consumer *consumer;
	uint64_t seq;
	bool found;
};

static void match_subscription(void *ctx, struct subscription *s)
{
	struct match *m = ctx;

	m->found |= s->from <= m->seq;
}

static void match_filtered(void *ctx, struct trie_entry *e)
{
	struct subscription *s = LIST_OF(e, struct subscription, by_channel);
	struct match *m = ctx;

	if (s->member == &m->consumer->self)
		match_subscription(m, s);
}

static bool wants(const struct consumer *c, const struct hub_log_entry *e)
{
	struct match m = {.consumer = c, .seq = e->seq};
	struct slice channel = hub_log_channel_of(e);

	if (!channel.n) {
		/* it may be any */
		LIST_EACH(s, &c->self.subscriptions, struct subscription, of_member)
			match_subscription(&m, s);
		return m.found;
	}
	subscription_each_match(&c->self, c->server, channel, match_subscription, &m);
	if (e->filtered)
		trie_collect(c->server->filtered, channel, match_filtered, &m);
	return m.found;
}

/* Goes to the first entry that it wants and has not acknowledged. */
static void advance(struct consumer *c)
{
	const struct hub_log *log = &c->server->durable;

	c->narrowed = false;
	for (; c->needed < hub_log_end(log); c->needed++) {
		const struct hub_log_entry *e = hub_log_at(log, c->needed);

		if (e->seq > c->acked && wants(c, e))
			return;
	}
}

static void forget_oldest(struct hub_server *server)
{
	consumer_changes_trimmed(server, hub_log_at(&server->durable, hub_log_oldest(&server->durable))->seq);
	hub_log_drop_oldest(&server->durable);
}

/* Drops what no consumer needs. */
static void drop_acknowledged(struct hub_server *server)
{
	uint64_t needed = hub_log_end(&server->durable);

	LIST_EACH(c, &server->consumers, struct consumer, of_server)
		if (c->needed < needed)
			needed = c->needed;
	while (hub_log_oldest(&server->durable) < needed)
		forget_oldest(server);
}

/* ---- losses ---- */

static void add_loss(struct hub_loss *loss, uint64_t seq)
{
	if (loss->count++ == 0)
		loss->first = seq;
	loss->last = seq;
}

/* `sent`: the present holder has it. */
static void lose(struct consumer *c, uint64_t seq, bool sent)
{
	c->dropped++;
	add_loss(&c->lost, seq);
	consumer_changed(c);
	if (sent)
		return;
	add_loss(&c->unreported, seq);
	if (c->holder)
		wake_up(&c->holder->outbox.wake);
}

/* The oldest entry exceeds a limit. */
static void drop_oldest(struct hub_server *server)
{
	struct hub_log *log = &server->durable;
	uint64_t number = hub_log_oldest(log);
	const struct hub_log_entry *e = hub_log_at(log, number);

	LIST_EACH(c, &server->consumers, struct consumer, of_server) {
		if (c->narrowed)
			advance(c);
		if (c->needed != number)
			continue;
		lose(c, e->seq, c->holder && c->cursor > number);
		c->needed++;
		advance(c);
	}
	forget_oldest(server);
}

void consumers_trim(struct hub_server *server, uint64_t now)
{
	while (hub_log_exceeds(&server->durable, now))
		drop_oldest(server);
}

/* ---- appending ---- */

/* Copied into a blob with nothing else in it, so that a short message does not hold the frames of others. */
static int copy_text(struct hub_server *server, struct slice text, struct chunk_frame *ret)
{
	struct buf *out;
	int r = chunk_begin(&server->durable_chunk, text.n, &out);

	return r ? r : chunk_end(&server->durable_chunk, buf_put(out, text), ret);
}

static int append(struct hub_server *server, struct slice channel, bool filtered, const struct chunk_frame *frame,
		  uint64_t now)
{
	struct hub_log_item item = {.seq = server->seq, .channel = channel, .filtered = filtered};
	struct slice text = slice_make(buf_slice(&frame->blob->buf).p + frame->offset, frame->n);
	struct chunk_frame copy;
	int r = hub_log_is_off(&server->durable) ? -ENOMEM : copy_text(server, text, &copy);

	if (r)
		return r;
	item.blob = copy.blob;
	item.offset = copy.offset;
	item.n = copy.n;
	return hub_log_append(&server->durable, &item, now);
}

/* The newest entry. */
static void note_appended(struct consumer *c)
{
	const struct hub_log *log = &c->server->durable;
	uint64_t number = hub_log_end(log) - 1;

	if (c->needed == number || c->narrowed)
		advance(c);
	if (consumer_can_read(c))
		wake_up(&c->holder->outbox.wake);
}

void consumers_append(struct hub_server *server, struct slice channel, bool filtered, const struct chunk_frame *frame,
		      uint64_t now)
{
	const struct hub_log_entry lost = {.seq = server->seq};

	if (frame && append(server, channel, filtered, frame, now) == 0) {
		LIST_EACH(c, &server->consumers, struct consumer, of_server)
			note_appended(c);
		drop_acknowledged(server);
		consumers_trim(server, now);
		return;
	}
	/* without the message, all may have wanted it */
	LIST_EACH(c, &server->consumers, struct consumer, of_server)
		if (wants(c, &lost))
			lose(c, server->seq, false);
}

int consumers_restore(struct hub_server *server, const struct hub_durable_change *message, uint64_t now)
{
	struct hub_log_item item = {.seq = message->seq, .channel = message->channel, .filtered = message->filtered};
	struct chunk_frame copy;
	int r = copy_text(server, message->frame, &copy);

	if (r)
		return r;
	item.blob = copy.blob;
	item.offset = copy.offset;
	item.n = copy.n;
	r = hub_log_append(&server->durable, &item, message->time);
	if (r)
		return r;
	LIST_EACH(c, &server->consumers, struct consumer, of_server) {
		/* it may have been sent by the earlier process */
		if (c->sent < message->seq)
			c->sent = message->seq;
		note_appended(c);
	}
	consumers_trim(server, now);
	return 0;
}

void consumers_note_gap(struct hub *h, struct hub_server *server, uint64_t now)
{
	struct chunk_frame frame;

	if (list_empty(&server->consumers))
		return;
	/* the report has a position of its own, so that it can be acknowledged */
	server->seq++;
	consumers_append(server, SLICE_NULL, false, send_encode_interruption(h, server, &frame) ? NULL : &frame, now);
}

/* ---- the holder ---- */

static void attach(struct consumer *c, struct member *holder)
{
	c->holder = holder;
	c->cursor = c->needed;
	c->redelivered = c->sent;
	c->unreported = c->lost;
	c->room = 0;
	list_append(&holder->consumers, &c->of_holder);
}

void consumer_detach(struct consumer *c)
{
	c->holder = NULL;
	list_remove(&c->of_holder);
	if (list_empty(&c->self.subscriptions))
		consumer_forget(c);
}

void consumer_await(struct consumer *c, struct member *holder, struct request *request)
{
	if (!c->holder)
		attach(c, holder);
	request->consumer = c;
	c->n_opening++;
}

void consumer_acknowledge(struct consumer *c, uint64_t seq)
{
	if (seq <= c->acked)
		return;
	c->acked = seq;
	consumer_changed(c);
	if (c->lost.last <= seq)
		c->lost = (struct hub_loss){0};
	advance(c);
	if (c->cursor < c->needed)
		c->cursor = c->needed;
	drop_acknowledged(c->server);
}

static void report_losses(struct consumer *c)
{
	const struct hub_loss loss = c->unreported;

	c->unreported = (struct hub_loss){0};
	if (!loss.count)
		return;
	outbox_push_expired(&c->holder->outbox, c->server->by_name.key, &loss);
	if (loss.last > c->sent)
		c->sent = loss.last;
}

bool consumer_can_read(const struct consumer *c)
{
	return c->holder && c->n_opening == 0 &&
		(c->unreported.count || c->cursor < consumer_changes_limit(c->server)) &&
		outbox_has_room(&c->holder->outbox, c->room);
}

/* False: there is no room for it now. */
static bool push(struct consumer *c, const struct hub_log_entry *e)
{
	struct outbox *outbox = &c->holder->outbox;

	c->room = e->n;
	if (!outbox_has_room(outbox, e->n))
		return false;
	c->room = 0;
	/* the outbox must not drop it */
	outbox_push_control(outbox, e->blob, e->offset, e->n);
	c->hub->stats.delivered_frames++;
	if (e->seq > c->sent)
		c->sent = e->seq;
	return true;
}

void consumer_read(struct consumer *c)
{
	const struct hub_log *log = &c->server->durable;
	uint64_t pushed = c->holder->outbox.bytes_pushed, limit = consumer_changes_limit(c->server);

	report_losses(c);
	if (c->cursor < hub_log_oldest(log))
		c->cursor = hub_log_oldest(log);
	for (size_t n = 0; n < PORTION_ENTRIES && c->cursor < limit &&
	     c->holder->outbox.bytes_pushed - pushed < PORTION_BYTES; n++) {
		const struct hub_log_entry *e = hub_log_at(log, c->cursor);

		if (e->seq > c->acked && wants(c, e) && !push(c, e))
			return;
		c->cursor++;
	}
}

/* ---- life ---- */

int consumer_new(struct hub *h, struct hub_server *server, struct slice name, const struct identity *owner,
		 struct consumer **ret)
{
	struct consumer *c = calloc(1, sizeof(*c) + name.n + 1);

	if (!c)
		return -ENOMEM;
	c->hub = h;
	c->server = server;
	memcpy(c->name, name.p, name.n);
	/* a number that no member has, for the session */
	c->self = (struct member){.id = ++h->last_member, .consumer = c, .is_apart = true};
	c->self.identity.uid = owner->uid;
	list_init(&c->self.subscriptions);
	list_init(&c->self.readers);
	list_init(&c->self.consumers);
	strmap_init(&c->self.by_pattern);
	c->acked = c->sent = server->seq;
	c->needed = c->cursor = hub_log_end(&server->durable);
	list_init(&c->of_holder);
	list_init(&c->acks);
	list_append(&server->consumers, &c->of_server);
	*ret = c;
	return 0;
}

/* All but its memory. */
static void end(struct consumer *c)
{
	struct hub_server *server = c->server;

	assert(c->n_opening == 0);
	LIST_EACH_SAFE(r, &c->acks, struct request, of_reader) {
		request_release(r);
		request_reply(r, &(struct hub_answer){0});
	}
	LIST_EACH_SAFE(s, &c->self.subscriptions, struct subscription, of_member)
		subscription_free(s);
	session_peer_left(server->session, c->self.id);
	strmap_fini(&c->self.by_pattern);
	list_remove(&c->of_holder);
	list_remove(&c->of_server);
	drop_acknowledged(server);
}

void consumer_free(struct consumer *c)
{
	end(c);
	free(c);
}

void consumer_forget(struct consumer *c)
{
	end(c);
	if (!consumer_changes_end(c))
		free(c);
}

void consumers_end_all(struct hub_server *server)
{
	LIST_EACH_SAFE(c, &server->consumers, struct consumer, of_server)
		consumer_free(c);
}

int consumers_want_all(const struct hub_server *server, struct session *session)
{
	LIST_EACH(c, &server->consumers, struct consumer, of_server)
		LIST_EACH(s, &c->self.subscriptions, struct subscription, of_member) {
			bool first = s->interest && s->interest->holders.next == &s->of_interest;
			int r = first ? session_want(session, s->pattern, c->self.id) : 0;

			if (r)
				return r;
		}
	return 0;
}

/* ---- for lists ---- */

void hub_set_durable(struct hub_server *server, const struct hub_log_limits *limits, uint64_t now)
{
	hub_log_set_limits(&server->durable, limits);
	consumers_trim(server, now);
}

const struct consumer *hub_next_consumer(const struct hub_server *server, const struct consumer *after,
					 struct hub_consumer *ret)
{
	const struct list *next = after ? after->of_server.next : server->consumers.next;
	const struct consumer *c = LIST_OF(next, struct consumer, of_server);

	if (next == &server->consumers)
		return NULL;
	uint64_t end = hub_log_end(&server->durable);

	*ret = (struct hub_consumer){
		.newest = c->needed < end ? hub_log_at(&server->durable, end - 1)->seq : c->acked, .held = c->holder,
		.name = slice_of(c->name), .uid = c->self.identity.uid, .acked = c->acked,
		.waiting = end - c->needed, .dropped = c->dropped,
		.pid = c->holder ? c->holder->identity.pid : 0, .subscriptions = &c->self,
	};
	return c;
}
