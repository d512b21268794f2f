/* Readers: see reader.h. A portion is bounded by entries and bytes, whatever the log holds. */
#include "hub/reader.h"

#include "bayeux/channel.h"
#include "hub/consumer.h"
#include "hub/internal.h"
#include "hub/request.h"
#include "hub/subscription.h"

#include <errno.h>
#include <stdlib.h>

/* looked at, and pushed, in one portion */
#define PORTION_ENTRIES 256
#define PORTION_BYTES (64u << 10)
/* With at most so many subscriptions to single channels, the reader goes from one message of theirs to the
   next one; with more, it looks at each message. */
#define JUMP_MAX 64
#define NONE UINT64_MAX

struct reader *reader_find(const struct member *m, const struct hub_server *server)
{
	LIST_EACH(r, &m->readers, struct reader, of_member)
		if (r->server == server)
			return r;
	return NULL;
}

int reader_get(struct hub *h, struct member *m, struct hub_server *server, struct reader **ret)
{
	struct reader *r = reader_find(m, server);

	if (!r) {
		r = malloc(sizeof(*r));
		if (!r)
			return -ENOMEM;
		*r = (struct reader){
			.hub = h, .member = m, .server = server,
			.cursor = server->seq + 1, .all_from = server->seq + 1, .gone_from = NONE,
		};
		list_init(&r->catching_up);
		list_init(&r->requests);
		list_append(&m->readers, &r->of_member);
		m->is_apart = true;
		list_append(&server->readers, &r->of_server);
	}
	*ret = r;
	return 0;
}

static void end_catching_up(struct reader *r)
{
	LIST_EACH_SAFE(s, &r->catching_up, struct subscription, of_reader)
		list_remove(&s->of_reader);
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	end_catching_up(r);
	LIST_EACH_SAFE(request, &r->requests, struct request, of_reader)
		request_release(request);
	list_remove(&r->of_member);
	r->member->is_apart = !list_empty(&r->member->readers);
	list_remove(&r->of_server);
	free(r);
}

/* ---- what it is to read ---- */

/* The number of the first message of the channel with this seq or a higher one. */
static uint64_t first_of_channel(const struct hub_log *log, struct slice channel, uint64_t seq)
{
	const struct hub_log_channel *c = hub_log_channel(log, channel);
	uint64_t at;

	if (!c || hub_log_at(log, c->newest)->seq < seq)
		return NONE;
	for (at = c->newest; at != c->oldest; at -= hub_log_at(log, at)->previous)
		if (hub_log_at(log, at - hub_log_at(log, at)->previous)->seq < seq)
			break;
	return at;
}

/* Other subscriptions of the member have received what precedes the cursor. */
static void go_back(struct reader *r, uint64_t seq)
{
	LIST_EACH(s, &r->member->subscriptions, struct subscription, of_member)
		if (s->server == r->server && s->read_to < r->cursor)
			s->read_to = r->cursor;
	if (r->all_from < r->cursor)
		r->all_from = r->cursor;
	r->cursor = seq;
}

/* The log has no messages from `seq` up to `last` any more. */
static void note_gone(struct reader *r, uint64_t seq, uint64_t last)
{
	if (r->gone_from == NONE || r->gone_to < last)
		r->gone_to = last;
	if (seq < r->gone_from)
		r->gone_from = seq;
}

void reader_cover(struct reader *r, struct subscription *s, uint64_t from, bool created, bool counted)
{
	const struct hub_log *log = &r->server->log;
	uint64_t received = s->from > r->cursor ? s->from : r->cursor;

	if (!created && from >= received)
		return;
	if (from < hub_log_first(log)) {
		if (counted)
			note_gone(r, from, hub_log_first(log) - 1);
		from = hub_log_first(log);
	}
	if (from < r->cursor)
		go_back(r, from);
	s->from = from;
	s->read_to = 0;
	s->at = first_of_channel(log, s->pattern, from);
	list_remove(&s->of_reader);
	list_append(&r->catching_up, &s->of_reader);
}

void reader_delay_answer(struct reader *r, struct request *request)
{
	request_delay(request, &r->requests, r->server->seq);
}

void reader_fail(const struct subscription *s, const struct hub_outcome *why)
{
	struct reader *r = reader_find(s->member, s->server);

	if (!r)
		return;
	LIST_EACH(request, &r->requests, struct request, of_reader)
		request_replace(request, s->pattern, why);
}

/* ---- matching ---- */

/* What a message means for the member. */
struct match {
	const struct member *member;
	uint64_t seq;
	bool any, received, wanted;
	enum outbox_overflow policy;
};

static void match_subscription(struct match *m, const struct subscription *s)
{
	m->any = true;
	if (s->from > m->seq)
		return;
	if (s->read_to > m->seq) {
		m->received = true;
		return;
	}
	m->wanted = true;
	if (s->overflow > m->policy)
		m->policy = s->overflow;
}

static void match_each(void *ctx, struct subscription *s)
{
	match_subscription(ctx, s);
}

static void match_filtered(void *ctx, struct trie_entry *e)
{
	const struct subscription *s = LIST_OF(e, struct subscription, by_channel);
	struct match *m = ctx;

	if (s->member == m->member)
		match_subscription(m, s);
}

/* Whether the member is to get the message. A channel that is unknown may be any. */
static bool is_wanted(const struct reader *r, uint64_t seq, struct slice channel, bool filtered,
		      struct match *ret)
{
	*ret = (struct match){.member = r->member, .seq = seq};
	if (channel.n) {
		subscription_each_match(r->member, r->server, channel, match_each, ret);
		if (filtered)
			trie_collect(r->server->filtered, channel, match_filtered, ret);
	} else {
		LIST_EACH(s, &r->member->subscriptions, struct subscription, of_member)
			if (s->server == r->server)
				match_subscription(ret, s);
	}
	return ret->wanted && !ret->received;
}

/* ---- losses ---- */

void reader_note_dropped(struct reader *r, uint64_t seq, struct slice channel, bool filtered)
{
	struct match m;

	if (seq < r->cursor)
		return;
	r->cursor = seq + 1;
	if (!is_wanted(r, seq, channel, filtered, &m))
		return;
	if (r->dropped.count++ == 0)
		r->dropped.first = seq;
	r->dropped.last = seq;
	if (m.policy == OUTBOX_DISCONNECT)
		outbox_overrun(&r->member->outbox);
}

/* They precede all that is to be read. */
static void push_losses(struct reader *r)
{
	struct hub_loss loss = r->dropped;

	if (r->gone_from != NONE) {
		loss.count += r->gone_to - r->gone_from + 1;
		if (r->dropped.count == 0 || r->gone_from < loss.first)
			loss.first = r->gone_from;
		if (r->gone_to > loss.last)
			loss.last = r->gone_to;
	}
	r->gone_from = NONE;
	r->dropped = (struct hub_loss){0};
	if (loss.count > 0)
		outbox_push_expired(&r->member->outbox, r->server->by_name.key, &loss);
}

/* ---- reading ---- */

/* Whether the messages that are to be read before all_from are those of a few channels. */
static bool can_jump(const struct reader *r)
{
	size_t n = 0;

	if (hub_log_has_unknown(&r->server->log))
		return false;
	LIST_EACH(s, &r->catching_up, struct subscription, of_reader)
		if (++n > JUMP_MAX || channel_is_wild(s->pattern) || channel_has_filter(s->pattern))
			return false;
	return true;
}

/* The next message of the channel of this subscription, at `number` or after it. */
static uint64_t next_of(const struct hub_log *log, struct subscription *s, uint64_t number)
{
	/* it was dropped, and the ones before it */
	if (s->at < hub_log_oldest(log))
		s->at = first_of_channel(log, s->pattern, 0);
	while (s->at < number) {
		uint32_t next = hub_log_at(log, s->at)->next;

		s->at = next ? s->at + next : NONE;
	}
	return s->at;
}

/* The number of the next message to look at: not before `number`. */
static uint64_t jump(const struct reader *r, uint64_t number)
{
	const struct hub_log *log = &r->server->log;
	uint64_t next = NONE, all = hub_log_find(log, r->all_from);

	LIST_EACH(s, &r->catching_up, struct subscription, of_reader) {
		uint64_t at = next_of(log, s, number);

		next = at < next ? at : next;
	}
	return next < all ? next : number < all ? all : number;
}

/* False: there is no room for it now. */
static bool push(struct reader *r, const struct hub_log_entry *e, enum outbox_overflow policy)
{
	struct outbox *outbox = &r->member->outbox;
	struct slice name = r->server->by_name.key;

	if (!outbox_has_room(outbox, e->n)) {
		r->needed = e->n;
		return false;
	}
	r->needed = 0;
	if (e->blob) {
		outbox_push_message(outbox, e->blob, e->offset, e->n, name, e->seq, policy);
		r->hub->stats.delivered_frames++;
	} else {
		outbox_push_lost(outbox, name, e->seq);
	}
	return true;
}

/* Reads the entry; false: not now. `walk`: of the portion, in which a channel is looked up once if nothing
   matches it. */
static bool read_entry(struct reader *r, const struct hub_log_entry *e, uint64_t walk)
{
	struct hub_log_channel *c = e->channel;
	struct match m;

	r->hub->stats.read_entries++;
	if (c && c->walk == walk && !e->filtered)
		return true;
	if (is_wanted(r, e->seq, hub_log_channel_of(e), e->filtered, &m))
		return push(r, e, m.policy);
	if (c && !m.any && !e->filtered)
		c->walk = walk;
	return true;
}

static void answer_passed(struct reader *r)
{
	LIST_EACH_SAFE(request, &r->requests, struct request, of_reader) {
		if (request->target >= r->cursor)
			break;
		request_release(request);
		request_finish(request);
	}
}

static void finish(struct reader *r)
{
	r->cursor = r->server->seq + 1;
	answer_passed(r);
	reader_free(r);
}

static void read_portion(struct reader *r)
{
	struct hub_log *log = &r->server->log;
	uint64_t number = hub_log_find(log, r->cursor), walk = hub_log_walk(log);
	uint64_t pushed = r->member->outbox.bytes_pushed;
	bool jumps = can_jump(r);
	size_t n = 0;

	push_losses(r);
	while (n++ < PORTION_ENTRIES && number < hub_log_end(log) &&
	       r->member->outbox.bytes_pushed - pushed < PORTION_BYTES) {
		if (jumps && r->cursor < r->all_from)
			number = jump(r, number);
		if (number == hub_log_end(log))
			break;
		r->cursor = hub_log_at(log, number)->seq;
		answer_passed(r);
		if (!read_entry(r, hub_log_at(log, number), walk))
			break;
		r->cursor++;
		number++;
	}
	if (r->cursor >= r->all_from)
		end_catching_up(r);
	if (number == hub_log_end(log))
		finish(r);
	else
		answer_passed(r);
}

static bool is_ready(const struct reader *r)
{
	return !r->held && outbox_has_room(&r->member->outbox, r->needed);
}

void reader_hold(struct reader *r, bool held)
{
	r->held = held;
	if (held || r->cursor <= r->server->seq)
		return;
	push_losses(r);
	finish(r);
}

bool hub_can_read(const struct member *m)
{
	if (m->id == 0)
		return false;
	LIST_EACH(r, &m->readers, struct reader, of_member)
		if (is_ready(r))
			return true;
	LIST_EACH(c, &m->consumers, struct consumer, of_holder)
		if (consumer_can_read(c))
			return true;
	return false;
}

void hub_read(struct member *m)
{
	LIST_EACH(r, &m->readers, struct reader, of_member) {
		if (!is_ready(r))
			continue;
		/* the next portion is that of another server */
		list_remove(&r->of_member);
		list_append(&m->readers, &r->of_member);
		read_portion(r);
		return;
	}
	LIST_EACH(c, &m->consumers, struct consumer, of_holder) {
		if (!consumer_can_read(c))
			continue;
		list_remove(&c->of_holder);
		list_append(&m->consumers, &c->of_holder);
		consumer_read(c);
		return;
	}
}

uint64_t hub_behind(const struct member *m)
{
	uint64_t n = 0;

	LIST_EACH(r, &m->readers, struct reader, of_member)
		n += r->server->seq + 1 - r->cursor;
	return n;
}
