/* Changes of consumers for a store: see consumer_changes.h. */
#include "hub/consumer_changes.h"

#include "hub/consumer.h"
#include "hub/internal.h"
#include "hub/request.h"
#include "hub/subscription.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX (8u << 20)
/* the answer to it has to be taken first */
#define NOT_TAKEN UINT64_MAX

void consumer_changes_init(struct consumer_changes *changes)
{
	*changes = (struct consumer_changes){.on = false};
	list_init(&changes->ended);
	buf_init(&changes->patterns, PATTERNS_MAX);
}

void consumer_changes_fini(struct consumer_changes *changes)
{
	LIST_EACH_SAFE(c, &changes->ended, struct consumer, of_server)
		free(c);
	free(changes->reported);
	buf_fini(&changes->patterns);
}

void hub_store_consumers(struct hub_server *server, struct wake changed)
{
	struct consumer_changes *changes = &server->changes;

	changes->on = true;
	changes->wake = changed;
	consumer_changes_restored(server);
	/* of before the server was removed and added again: the store has the messages still */
	changes->trim_taken = changes->trimmed;
	changes->n_marks = 0;
}

/* ---- what has changed ---- */

void consumer_changed(struct consumer *c)
{
	struct consumer_changes *changes = &c->server->changes;

	if (!changes->on)
		return;
	c->changed = true;
	wake_up(&changes->wake);
}

bool consumer_changes_end(struct consumer *c)
{
	struct consumer_changes *changes = &c->server->changes;

	if (!changes->on)
		return false;
	list_append(&changes->ended, &c->of_server);
	wake_up(&changes->wake);
	return true;
}

void consumer_changes_trimmed(struct hub_server *server, uint64_t seq)
{
	server->changes.trimmed = seq;
}

void consumer_changes_restored(struct hub_server *server)
{
	server->changes.entries_taken = server->changes.entries_stored = hub_log_end(&server->durable);
}

uint64_t consumer_changes_limit(const struct hub_server *server)
{
	return server->changes.on ? server->changes.entries_stored : hub_log_end(&server->durable);
}

bool hub_durable_waits(const struct hub_server *server)
{
	return server->changes.on && server->changes.entries_stored < hub_log_end(&server->durable) &&
		!hub_log_empty(&server->durable);
}

/* ---- acks ---- */

bool consumer_changes_await(struct consumer *c)
{
	const struct consumer_changes *changes = &c->server->changes;

	return changes->on && (c->changed || c->change > changes->stored);
}

void consumer_changes_delay(struct consumer *c, struct request *ack)
{
	request_delay(ack, &c->acks, c->changed ? NOT_TAKEN : c->change);
}

static void answer_acks(struct consumer *c, uint64_t stored)
{
	LIST_EACH_SAFE(r, &c->acks, struct request, of_reader)
		if (r->target <= stored) {
			request_release(r);
			request_reply(r, &(struct hub_answer){0});
		}
}

/* ---- taking them ---- */

static bool take_ended(struct consumer_changes *changes, struct hub_durable_change *ret)
{
	struct consumer *c = LIST_FIRST(&changes->ended, struct consumer, of_server);

	if (!c)
		return false;
	list_remove(&c->of_server);
	changes->reported = c;
	*ret = (struct hub_durable_change){
		.kind = HUB_DURABLE_ENDED, .consumer = {.name = slice_of(c->name), .uid = c->self.identity.uid},
	};
	return true;
}

static int put_patterns(const struct consumer *c, struct buf *out)
{
	int r = 0;

	buf_clear(out);
	LIST_EACH(s, &c->self.subscriptions, struct subscription, of_member)
		if (r == 0)
			r = buf_printf(out, "%llu %.*s\n", (unsigned long long)s->from, SLICE_ARG(s->pattern));
	return r;
}

static bool take_consumer(struct hub_server *server, struct hub_durable_change *ret)
{
	struct consumer_changes *changes = &server->changes;

	LIST_EACH(c, &server->consumers, struct consumer, of_server) {
		/* without memory later */
		if (!c->changed || put_patterns(c, &changes->patterns))
			continue;
		c->changed = false;
		c->change = changes->taken + 1;
		LIST_EACH(r, &c->acks, struct request, of_reader)
			if (r->target == NOT_TAKEN)
				r->target = c->change;
		*ret = (struct hub_durable_change){
			.kind = HUB_DURABLE_CONSUMER,
			.consumer = {slice_of(c->name), c->self.identity.uid, c->acked, c->lost,
				     buf_slice(&changes->patterns)},
		};
		return true;
	}
	return false;
}

static bool take_message(struct hub_server *server, struct hub_durable_change *ret)
{
	struct consumer_changes *changes = &server->changes;
	const struct hub_log *log = &server->durable;
	const struct hub_log_entry *e;

	if (changes->entries_taken < hub_log_oldest(log))
		changes->entries_taken = hub_log_oldest(log);
	if (changes->entries_taken == hub_log_end(log))
		return false;
	e = hub_log_at(log, changes->entries_taken++);
	*ret = (struct hub_durable_change){
		.kind = HUB_DURABLE_MESSAGE, .seq = e->seq, .time = e->time, .channel = hub_log_channel_of(e),
		.filtered = e->filtered, .frame = slice_make(buf_slice(&e->blob->buf).p + e->offset, e->n),
	};
	return true;
}

static bool take_trim(struct consumer_changes *changes, struct hub_durable_change *ret)
{
	if (changes->trim_taken >= changes->trimmed)
		return false;
	changes->trim_taken = changes->trimmed;
	*ret = (struct hub_durable_change){.kind = HUB_DURABLE_TRIM, .seq = changes->trimmed};
	return true;
}

bool hub_next_durable_change(struct hub_server *server, struct hub_durable_change *ret)
{
	struct consumer_changes *changes = &server->changes;

	free(changes->reported);
	changes->reported = NULL;
	if (!take_ended(changes, ret) && !take_consumer(server, ret) && !take_message(server, ret) &&
	    !take_trim(changes, ret))
		return false;
	changes->taken++;
	return true;
}

uint64_t hub_durable_taken(struct hub_server *server)
{
	struct consumer_changes *changes = &server->changes;
	size_t room = sizeof(changes->marks) / sizeof(changes->marks[0]);
	size_t at = changes->n_marks < room ? changes->n_marks++ : room - 1;

	changes->marks[at].changes = changes->taken;
	changes->marks[at].entries = changes->entries_taken;
	return changes->taken;
}

/* ---- they are stored ---- */

void hub_durable_stored(struct hub_server *server, uint64_t taken)
{
	struct consumer_changes *changes = &server->changes;
	size_t n = 0;

	if (taken > changes->stored)
		changes->stored = taken;
	while (n < changes->n_marks && changes->marks[n].changes <= changes->stored)
		changes->entries_stored = changes->marks[n++].entries;
	changes->n_marks -= n;
	memmove(&changes->marks[0], &changes->marks[n], changes->n_marks * sizeof(changes->marks[0]));
	LIST_EACH(c, &server->consumers, struct consumer, of_server) {
		answer_acks(c, changes->stored);
		if (c->holder)
			wake_up(&c->holder->outbox.wake);
	}
}

void hub_rewrite_durable(struct hub_server *server)
{
	struct consumer_changes *changes = &server->changes;

	LIST_EACH(c, &server->consumers, struct consumer, of_server)
		c->changed = true;
	changes->entries_taken = hub_log_oldest(&server->durable);
	wake_up(&changes->wake);
}
