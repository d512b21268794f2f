/*
 * Copies changes of the hub into the store. What the hub gives out is forgotten by it, so after a failure in between
 * everything is put once more.
 */
#include "upstream/durable.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

/* how often to look whether the disk has failed while a commit is awaited */
#define FAILURE_MS 500u

/* ---- restoring ---- */

struct restoring {
	struct hub *hub;
	struct hub_server *server;
	uint64_t now, unix_ms;
	unsigned left_out;
};

/* What cannot be used is left out. 0 or -ENOMEM. */
static int note_result(struct restoring *restoring, int r)
{
	restoring->left_out += r != 0 && r != -ENOMEM;
	return r == -ENOMEM ? r : 0;
}

static int restore_consumer(void *ctx, const struct store_consumer *c)
{
	struct restoring *restoring = ctx;
	const struct hub_consumer_saved saved = {
		.name = c->name, .uid = (uid_t)c->uid, .acked = c->acked,
		.lost = {.count = c->lost, .first = c->lost_first, .last = c->lost_last, .expired = true},
		.patterns = c->patterns,
	};

	return note_result(restoring, hub_restore_consumer(restoring->hub, restoring->server, &saved));
}

static int restore_message(void *ctx, const struct store_message *m)
{
	struct restoring *restoring = ctx;
	uint64_t age = m->unix_ms < restoring->unix_ms ? restoring->unix_ms - m->unix_ms : 0;
	const struct hub_durable_change message = {
		.kind = HUB_DURABLE_MESSAGE, .seq = m->seq, .time = age < restoring->now ? restoring->now - age : 0,
		.channel = m->channel, .filtered = m->filtered, .frame = m->frame,
	};

	return note_result(restoring, hub_restore_message(restoring->server, &message, restoring->now));
}

static int restore(struct store *store, struct hub *hub, struct hub_server *server, uint64_t now)
{
	struct restoring restoring = {hub, server, now, clock_unix_ms(), 0};
	struct slice name = hub_server_name(server);
	int r = store_each_consumer(store, name, restore_consumer, &restoring);

	if (r == 0)
		r = store_each_message(store, name, restore_message, &restoring);
	store_release(store, name);
	if (restoring.left_out)
		log_msg(LOG_L_ERROR, LOG_FIELDS({"server", name}),
			"consumers or messages of before the restart that cannot be used are left out: %u", restoring.left_out);
	return r;
}

/* ---- putting ---- */

static int put_change(const struct durable *d, const struct hub_durable_change *c, uint64_t now, uint64_t unix_ms,
		      uint64_t *ret_write)
{
	struct slice server = hub_server_name(d->server);
	const struct store_message message = {c->seq, unix_ms - (now - c->time), c->channel, c->frame, c->filtered};
	const struct hub_consumer_saved *saved = &c->consumer;
	const struct store_consumer consumer = {saved->name, saved->uid, saved->acked, saved->lost.count,
						saved->lost.first, saved->lost.last, saved->patterns};

	switch (c->kind) {
	case HUB_DURABLE_MESSAGE:
		return store_put_message(d->store, server, &message, ret_write);
	case HUB_DURABLE_CONSUMER:
		return store_put_consumer(d->store, server, &consumer, ret_write);
	case HUB_DURABLE_ENDED:
		return store_end_consumer(d->store, server, saved->name, ret_write);
	case HUB_DURABLE_TRIM:
		return store_trim_messages(d->store, server, c->seq, ret_write);
	}
	return 0;
}

/* 0 or -ENOMEM: then everything is to be put again. */
static int put_all(struct durable *d, uint64_t now, uint64_t unix_ms)
{
	struct hub_durable_change change;
	uint64_t write = 0;
	int r = d->clears ? store_clear(d->store, hub_server_name(d->server), &write) : 0;

	while (r == 0 && hub_next_durable_change(d->server, &change))
		r = put_change(d, &change, now, unix_ms, &write);
	d->clears = r != 0;
	d->changed = r != 0;
	if (r) {
		hub_rewrite_durable(d->server);
		return r;
	}
	if (write) {
		d->write = write;
		d->taken = hub_durable_taken(d->server);
	}
	return 0;
}

/* The disk does not work: messages are delivered from memory, and put when it works again. */
static void deliver_all(struct durable *d)
{
	struct hub_durable_change change;

	while (hub_next_durable_change(d->server, &change))
		;
	d->changed = false;
	d->write = 0;
	hub_durable_stored(d->server, hub_durable_taken(d->server));
}

int durable_put(struct durable *d, uint64_t now, uint64_t unix_ms)
{
	if (!d->store)
		return 0;
	if (!store_is_volatile(d->store) || d->clears)
		return put_all(d, now, unix_ms);
	deliver_all(d);
	return 0;
}

/* ---- events ---- */

static void on_change(void *ctx)
{
	struct durable *d = ctx;

	d->changed = true;
	if (d->store)
		wake_up(&d->wake);
}

static void on_commit(void *ctx)
{
	struct durable *d = ctx;

	if (d->write && store_committed(d->store) >= d->write)
		wake_up(&d->wake);
}

/* The first transaction after a failure has all of it, so that no snapshot is in the file without its messages. */
static void on_rewrite(void *ctx)
{
	struct durable *d = ctx;

	hub_rewrite_durable(d->server);
	d->clears = true;
	if (put_all(d, d->seen_at, clock_unix_ms()))
		wake_up(&d->wake);
}

void durable_settle(struct durable *d, uint64_t now)
{
	if (!d->store)
		return;
	d->seen_at = now;
	if (store_is_volatile(d->store)) {
		if (!d->clears)
			deliver_all(d);
		return;
	}
	if (!d->write || store_committed(d->store) < d->write)
		return;
	d->write = 0;
	hub_durable_stored(d->server, d->taken);
}

bool durable_waits(const struct durable *d)
{
	return d->store && hub_durable_waits(d->server) && !store_is_volatile(d->store);
}

bool durable_is_due(const struct durable *d)
{
	return d->store && !d->write && (d->changed || hub_durable_waits(d->server));
}

uint64_t durable_deadline(const struct durable *d, uint64_t now)
{
	return d->store && d->write ? now + FAILURE_MS : UINT64_MAX;
}

/* ---- life ---- */

int durable_init(struct durable *d, struct store *store, struct hub *hub, struct hub_server *server, uint64_t now,
		 struct wake wake)
{
	struct store_info info = {.state = STORE_MEMORY};

	*d = (struct durable){.server = server, .wake = wake, .seen_at = now};
	list_init(&d->commits.link);
	list_init(&d->rewrites.link);
	if (store)
		store_info(store, &info);
	if (info.state == STORE_MEMORY)
		return 0;
	hub_store_consumers(server, (struct wake){on_change, d});
	int r = restore(store, hub, server, now);
	if (r)
		return r;
	d->store = store;
	store_listen(store, &d->commits, on_commit, d);
	store_listen_rewrite(store, &d->rewrites, on_rewrite, d);
	return 0;
}

void durable_fini(struct durable *d, uint64_t now)
{
	if (!d->store)
		return;
	/* acknowledgements of the last turn; without memory, their messages are delivered once more */
	durable_put(d, now, clock_unix_ms());
	store_unlisten(&d->commits);
	store_unlisten(&d->rewrites);
	d->store = NULL;
}
