/*
 * Owns the shape of the status answer. Guarantees that every server and every
 * greeted peer is in it. Must never know who asks, nor any secret.
 */
#include "local/introspect.h"

#include "base/clock.h"
#include "base/errors.h"
#include "local/peer.h"
#include "local/wire_out.h"
#include "protocol/json_write.h"
#include "protocol/utf8.h"

#include <unistd.h>

/* No channels are listed beyond this size of the answer, so that as many peers fit as without them. */
#define DETAIL_MAX (2u << 20)

static void put_u64(struct json_write *w, const char *key, uint64_t n)
{
	json_key(w, key);
	json_put_u64(w, n);
}

static void put_timesync(struct json_write *w, const struct session_timesync *t)
{
	json_key(w, "timesync");
	json_object_begin(w);
	put_u64(w, "samples", t->samples);
	put_u64(w, "lag", t->lag);
	json_key(w, "offset");
	json_put_i64(w, t->offset);
	json_object_end(w);
}

static void put_disabled(struct json_write *w, const struct session *session)
{
	const char *name = session_disabled_hook(session, 0);

	if (!name)
		return;
	json_key(w, "disabled_extensions");
	json_array_begin(w);
	for (size_t i = 0; (name = session_disabled_hook(session, i)); i++)
		json_put_str(w, name);
	json_array_end(w);
}

/* that reading from it waits for receivers whose outbox fills, and how long it did */
static void put_paused(struct json_write *w, const struct hub_server *server)
{
	uint64_t total;
	bool paused = hub_server_paused(server, &total);

	if (total)
		put_u64(w, "paused_ms", total);
	if (!paused)
		return;
	json_key(w, "paused");
	json_array_begin(w);
	json_put_str(w, "receivers");
	json_array_end(w);
}

/* with the server's reason if it does not accept it */
static void put_kept_channel(struct json_write *w, const struct hub_kept *kept)
{
	json_object_begin(w);
	json_key(w, "channel");
	json_put_text(w, kept->pattern);
	if (kept->status != SESSION_CHANNEL_ACTIVE) {
		json_key(w, kept->status == SESSION_CHANNEL_REFUSED ? "refused" : "pending");
		json_put_bool(w, true);
	}
	if (kept->refusal.n) {
		json_key(w, "reason");
		json_put_text(w, kept->refusal);
	}
	json_object_end(w);
}

/* the channels that the option subscribe keeps */
static void put_kept(struct json_write *w, const struct hub_server *server)
{
	const struct subscription *s = NULL;
	struct hub_kept kept;

	if (!hub_next_kept(server, NULL, &kept))
		return;
	json_key(w, "kept");
	json_array_begin(w);
	while ((s = hub_next_kept(server, s, &kept)) && buf_len(w->out) <= DETAIL_MAX)
		put_kept_channel(w, &kept);
	json_array_end(w);
	if (s) {
		json_key(w, "more_kept");
		json_put_bool(w, true);
	}
}

static void put_server(struct json_write *w, struct hub_server *server, uint64_t now,
		       uint64_t unix_ms)
{
	struct session_info info;

	session_info(hub_server_session(server), &info);
	json_object_begin(w);
	wire_out_server(server, false, now, unix_ms, w);
	put_u64(w, "channels", info.wanted);
	if (info.timesync.samples)
		put_timesync(w, &info.timesync);
	put_u64(w, "received", info.counts.received);
	put_u64(w, "published", info.counts.published);
	put_u64(w, "handshakes", info.counts.handshakes);
	put_u64(w, "connects", info.counts.connects);
	put_u64(w, "failures", info.counts.failures);
	put_u64(w, "left_out", hub_server_left_out(server));
	put_u64(w, "tries", info.tries);
	put_u64(w, "losses", info.losses);
	put_u64(w, "deleted", info.counts.deleted);
	put_u64(w, "late_answers", info.counts.late_answers);
	put_kept(w, server);
	if (hub_server_lingering(server))
		put_u64(w, "lingering", hub_server_lingering(server));
	put_paused(w, server);
	put_disabled(w, hub_server_session(server));
	json_object_end(w);
}

static void put_counters(struct json_write *w, const struct counter *table, const void *base)
{
	for (const struct counter *c = table; c->name; c++)
		put_u64(w, c->name, counter_get(c, base));
}

/* why nothing is read from it at present */
static void put_suspended(struct json_write *w, const struct peer *p)
{
	unsigned bits = peer_suspended(p);

	if (!bits)
		return;
	json_key(w, "paused");
	json_array_begin(w);
	for (const struct peer_suspend_name *n = peer_suspend_table; n->name; n++)
		if (bits & n->bit)
			json_put_str(w, n->name);
	json_array_end(w);
}

static void put_channel(struct json_write *w, const struct hub_subscription *s)
{
	json_object_begin(w);
	json_key(w, "server");
	json_put_text(w, s->server);
	json_key(w, "channel");
	json_put_text(w, s->pattern);
	if (s->pending) {
		json_key(w, "pending");
		json_put_bool(w, true);
	}
	json_object_end(w);
}

static void put_channels(struct json_write *w, const struct member *m)
{
	const struct subscription *s = NULL;
	struct hub_subscription info;

	json_key(w, "channels");
	json_array_begin(w);
	while ((s = hub_next_subscription(m, s, &info)) && buf_len(w->out) <= DETAIL_MAX)
		put_channel(w, &info);
	json_array_end(w);
	if (s) {
		json_key(w, "more_channels");
		json_put_bool(w, true);
	}
}

static void put_peer(struct json_write *w, struct member *m, bool detail, uint64_t now,
		     uint64_t unix_ms)
{
	const struct peer *p = peer_of_member(m);
	const struct identity *who = &m->identity;

	json_object_begin(w);
	put_u64(w, "peer", m->id);
	json_key(w, "name");
	json_put_text(w, peer_name(p));
	put_u64(w, "uid", who->uid);
	put_u64(w, "gid", who->gid);
	json_key(w, "pid");
	json_put_i64(w, who->pid);
	put_u64(w, "since", clock_before(unix_ms, now - peer_since(p)));
	put_u64(w, "subscriptions", m->n_subscriptions);
	put_u64(w, "requests", m->requests.n);
	put_u64(w, "queued_bytes", m->outbox.bytes);
	put_u64(w, "queued_peak", m->outbox.bytes_peak);
	put_u64(w, "behind", hub_behind(m));
	put_u64(w, "delivered", m->outbox.delivered);
	put_u64(w, "lost", m->outbox.lost);
	put_counters(w, peer_counter_table, peer_counters(p));
	put_suspended(w, p);
	if (who->start_time)
		put_u64(w, "start_time", who->start_time);
	if (who->unit) {
		json_key(w, "unit");
		json_put_text(w, slice_of(who->unit));
	}
	if (detail)
		put_channels(w, m);
	json_object_end(w);
}

static void put_departed(struct json_write *w, const struct departed *d)
{
	json_object_begin(w);
	put_u64(w, "peer", d->peer);
	json_key(w, "name");
	json_put_str(w, d->name);
	put_u64(w, "uid", d->uid);
	json_key(w, "pid");
	json_put_i64(w, d->pid);
	put_u64(w, "since", d->since);
	put_u64(w, "until", d->until);
	put_u64(w, "delivered", d->delivered);
	put_u64(w, "lost", d->lost);
	if (d->unit[0]) {
		json_key(w, "unit");
		json_put_str(w, d->unit);
	}
	json_object_end(w);
}

static void put_reload(struct json_write *w, const struct introspect *i)
{
	json_key(w, "reload");
	json_object_begin(w);
	put_u64(w, "at", i->reloaded);
	json_key(w, "ok");
	json_put_bool(w, !i->reload_fault);
	if (i->reload_fault) {
		json_key(w, "error");
		json_put_str(w, i->reload_fault);
	}
	json_object_end(w);
}

/* A text that may contain a path, which may be not UTF-8 and is left out then; or NULL. */
static void put_path_text(struct json_write *w, const char *key, const char *text)
{
	if (!text || !utf8_valid(slice_of(text)))
		return;
	json_key(w, key);
	json_put_str(w, text);
}

/* whether what must survive a restart is written */
static void put_store(struct json_write *w, const struct store *store)
{
	struct store_info info;

	store_info(store, &info);
	json_key(w, "store");
	json_object_begin(w);
	put_path_text(w, "state", store_state_name(info.state));
	put_path_text(w, "directory", info.directory);
	put_path_text(w, "reason", info.reason);
	put_path_text(w, "moved", info.moved);
	json_object_end(w);
}

int introspect_status(const struct introspect *i, bool detail, struct buf *out)
{
	uint64_t now = loop_now(i->loop), unix_ms = clock_unix_ms();
	struct json_write w;

	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "version");
	json_put_str(&w, PACKAGE_VERSION);
	json_key(&w, "pid");
	json_put_i64(&w, getpid());
	put_u64(&w, "started", i->started);
	if (i->reloaded)
		put_reload(&w, i);
	put_store(&w, i->store);
	json_key(&w, "servers");
	json_array_begin(&w);
	for (struct hub_server *s = hub_next_server(i->hub, NULL); s; s = hub_next_server(i->hub, s))
		put_server(&w, s, now, unix_ms);
	json_array_end(&w);
	json_key(&w, "peers");
	json_array_begin(&w);
	for (struct member *m = hub_next_member(i->hub, NULL); m; m = hub_next_member(i->hub, m))
		put_peer(&w, m, detail, now, unix_ms);
	json_array_end(&w);
	json_key(&w, "departed");
	json_array_begin(&w);
	const struct departed *d;
	for (size_t k = 0; (d = departures_get(i->departures, k)); k++)
		put_departed(&w, d);
	json_array_end(&w);
	json_object_end(&w);
	return json_write_done(&w);
}
