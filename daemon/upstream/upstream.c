/*
 * Drives one server's session and its transports at the end of each turn: pieces of texts in, events
 * to the hub, batches out, ticks when due. Every batch of the session ends in exactly one of end,
 * failed or closed, unless the session aborts it; no server uses more than its share of a turn.
 */
#include "upstream/upstream.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "upstream/ext_files.h"
#include "upstream/pace.h"
#include "upstream/server_log.h"
#include "upstream/sites.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* a timer that comes this late did not run: the machine slept, and the link is suspect */
#define SUSPEND_MS 30000
/* the timer comes at least so often, for one that is far away notices no sleep */
#define TICK_MS 30000
/* The share of one server in one turn of the loop: the rest waits for the next turn, after the shares of
   the other sources. */
#define TURN_MS 5
#define TURN_BYTES (1u << 20)
#define TURN_EVENTS 4096
/* while reading is paused, how often to look whether it may go on, in ms */
#define PAUSE_TICK 2
/* how long to leave memory to come back */
#define SHORTAGE_MS 100
/* the largest publish there can be, and the message around it */
#define BATCH_MAX (PROTOCOL_REQUEST_MAX + (64u << 10))

/* what was done in one turn */
struct turn {
	uint64_t number;                /* loop_turns() */
	uint64_t began;                 /* clock_boot_ms() */
	size_t bytes;                   /* pieces of texts, inflated */
	unsigned events;
	bool aborted;                   /* an exchange was aborted, possibly that of the current piece */
};

struct upstream {
	char *name;
	struct ext_files ext_files;
	struct loop *loop;
	struct hub *hub;
	struct hub_server *server;
	struct session *session;
	struct http_client *client;
	struct cookie_jar *cookies;     /* NULL: none but the session's */
	struct auth *auth;              /* NULL: none */
	struct auth_waiter waiter;
	struct sites *sites;
	char *subprotocol;              /* or NULL */
	struct loop_timer *timer;
	uint64_t timer_at;
	bool tick_due;                  /* the timer fired */
	struct turn turn;
	struct pace pace;
	uint64_t piece_of;              /* the batch of the piece fed last */
	struct loop_hook hook;          /* end of the turn: pull and send */
	struct buf out;
	struct server_log log;
	struct wake changed;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

void upstream_options_default(struct upstream_options *o)
{
	struct websocket_options websocket;

	*o = (struct upstream_options){.name = "default"};
	session_options_default(&o->session);
	http_options_default(&o->http);
	websocket_options_default(&websocket);
	o->websocket_ping = websocket.ping_interval;
}

/* ---- what the session tells ---- */

static void note_state(struct upstream *u)
{
	struct session_info info;

	session_info(u->session, &info);
	wake_up(&u->changed);
	if (server_log_state(&u->log, loop_now(u->loop), &info) && info.state == SESSION_HANDSHAKING) {
		ext_files_read(&u->ext_files, u->session);
		cookie_jar_preset(u->cookies);
	}
}

static void log_when_due(struct upstream *u)
{
	struct session_info info;

	if (server_log_due(&u->log) > loop_now(u->loop))
		return;
	session_info(u->session, &info);
	server_log_tick(&u->log, loop_now(u->loop), &info);
}

static void log_failure(struct upstream *u, const struct server_failure *f)
{
	struct session_info info;

	session_info(u->session, &info);
	server_log_failure(&u->log, &info, f);
}

static void take_event(struct upstream *u, const struct session_event *event)
{
	if (event->kind == SESSION_EVENT_ABORT) {
		/* the piece in hand goes away with the turn: the rest of it is looked at now */
		u->turn.aborted = true;
		sites_abort(u->sites, event->batch);
		return;
	}
	if (event->kind == SESSION_EVENT_NOTE) {
		server_log_note(&u->log, loop_now(u->loop), event->text);
		return;
	}
	if (event->kind == SESSION_EVENT_UNAUTHORIZED) {
		if (event->text.n)
			auth_invalidate(u->auth);
		auth_get(u->auth, &u->waiter);
		return;
	}
	if (event->kind == SESSION_EVENT_LOST)
		server_log_lost(&u->log, event);
	if (event->kind == SESSION_EVENT_STATE)
		note_state(u);
	if (event->kind == SESSION_EVENT_CHANNEL)
		server_log_channel(&u->log, event);
	hub_handle_event(u->hub, u->server, event, loop_now(u->loop), clock_unix_ms());
}

/* Whether the share of this turn is used up. */
static bool is_spent(const struct upstream *u)
{
	return u->turn.events >= TURN_EVENTS || u->turn.bytes >= TURN_BYTES ||
	       clock_boot_ms() - u->turn.began >= TURN_MS;
}

enum { PULL_SPENT = 1 };

/*
 * 0: the session has nothing more to report; PULL_SPENT; -ENOMEM. When it stops, all it has to report
 * is wanted at once, whatever the share: the daemon then ends the requests that have no outcome as
 * unknown, although most of them were never sent.
 */
static int pull(struct upstream *u)
{
	struct session_event event;
	int r = 0;

	while (!is_spent(u) || u->turn.aborted || u->stopped) {
		r = session_next(u->session, loop_now(u->loop), &event);
		if (r)
			return r < 0 ? r : 0;
		u->turn.events++;
		take_event(u, &event);
	}
	return PULL_SPENT;
}

/* ---- what the transports tell ---- */

static void come_round(struct upstream *u)
{
	loop_at_end(u->loop, &u->hook);
}

static void on_credential(void *ctx, const char *why)
{
	struct upstream *u = ctx;
	uint64_t now = loop_now(u->loop);

	if (why)
		session_not_yet_authorized(u->session, now, slice_of(why));
	else
		session_authorized(u->session, now);
	come_round(u);
}

static const struct session_failure short_of_memory = {
	.kind = SESSION_BROKEN, .reason = {"out of memory", 13}};

static void on_ready(void *ctx)
{
	come_round(ctx);
}

static void on_heard(void *ctx, uint64_t batch)
{
	struct upstream *u = ctx;

	session_bytes_arrived(u->session, loop_now(u->loop), batch);
}

/* There is no memory for the bytes that arrived: abort the exchange. The server sends its messages again,
   or the gap is reported. */
static void give_up_text(struct upstream *u, uint64_t batch)
{
	uint64_t now = loop_now(u->loop);

	session_discard_text(u->session);
	if (batch) {
		sites_abort(u->sites, batch);
		session_batch_failed(u->session, now, batch, &short_of_memory);
	} else {
		/* after an unreadable text messages would be missing unnoticed: open a new WebSocket */
		sites_abort_websocket(u->sites);
		session_closed(u->session, now, &short_of_memory);
	}
}

/* ---- the end of the turn ---- */

/* Whether there may be more to send. */
static bool send_one(struct upstream *u)
{
	char why[CURL_ERROR_SIZE] = "";
	struct session_batch batch;
	uint64_t now = loop_now(u->loop);

	buf_clear(&u->out);
	if (session_take_batch(u->session, now, &u->out, &batch))
		return false;
	int r = transport_send(sites_transport(u->sites, &batch), &batch, buf_slice(&u->out), why);
	if (r) {
		struct session_failure f = {.kind = SESSION_NOT_SENT,
					    .reason = slice_of(*why ? why : strerror(-r))};
		struct server_failure masked;
		/* this batch alone: what else is on a WebSocket may have arrived, and would be
		   sent again if it were said not to */
		session_batch_failed(u->session, now, batch.id, server_log_mask(&u->log, &f, &masked));
		log_failure(u, &masked);
	}
	return true;
}

static void tell_stopped(struct upstream *u)
{
	struct session_info info;
	void (*stopped)(void *ctx) = u->stopped;

	if (!stopped)
		return;
	session_info(u->session, &info);
	if (info.state != SESSION_OFF)
		return;
	u->stopped = NULL;
	stopped(u->stopped_ctx);
}

/* `least`: ms that must pass at least, `most`: at most */
static void set_timer(struct upstream *u, uint64_t least, uint64_t most)
{
	uint64_t now = loop_now(u->loop), at = session_deadline(u->session);

	if (hub_deadline(u->server) < at)
		at = hub_deadline(u->server);
	if (server_log_due(&u->log) < at)
		at = server_log_due(&u->log);
	if (at != UINT64_MAX && at > now + TICK_MS)
		at = now + TICK_MS;
	if (at > now && at - now > most)
		at = now + most;
	if (at < now + least)
		at = now + least;
	u->timer_at = at;
	loop_timer_at(u->timer, at);
}

/* Handles one input of the transports. False when there is none, or it must wait. */
static bool take_input(struct upstream *u)
{
	uint64_t now = loop_now(u->loop);
	struct transport_input in;
	struct server_failure masked;

	if (is_spent(u) || pace_is_paused(&u->pace, now) || sites_next(u->sites, &in))
		return false;
	u->turn.bytes += in.piece.n;
	switch (in.kind) {
	case TRANSPORT_PIECE:
		u->piece_of = in.batch;
		if (session_feed(u->session, now, in.batch, in.piece))
			give_up_text(u, in.batch);
		break;
	case TRANSPORT_TEXT_END:
		session_text_end(u->session, now);
		break;
	case TRANSPORT_END:
		session_batch_end(u->session, now, in.batch);
		break;
	case TRANSPORT_FAILED:
		session_batch_failed(u->session, now, in.batch, server_log_mask(&u->log, in.failure, &masked));
		log_failure(u, &masked);
		break;
	case TRANSPORT_CLOSED:
		session_closed(u->session, now, server_log_mask(&u->log, in.failure, &masked));
		log_failure(u, &masked);
		break;
	}
	return true;
}

static void tick(struct upstream *u)
{
	uint64_t now = loop_now(u->loop);

	u->tick_due = false;
	/* the server is not silent while we do not read */
	sites_hold(u->sites);
	session_tick(u->session, now);
	hub_tick(u->hub, u->server, now, clock_unix_ms());
}

/*
 * Works until nothing is left or the share of the turn is used up: first the reports of the session, then
 * what is to be sent, then the next piece of input. Deadlines are checked after the input of the same turn,
 * which arrived in time. 0, PULL_SPENT, -ENOMEM.
 */
static int work(struct upstream *u)
{
	for (;;) {
		int r = pull(u);

		/* without memory, the current piece must be dropped */
		if (r < 0 && session_has_text(u->session))
			give_up_text(u, u->piece_of);
		else if (r)
			return r;
		else if (take_input(u) || send_one(u))
			continue;
		else if (u->tick_due)
			tick(u);
		else
			return is_spent(u) ? PULL_SPENT : 0;
	}
}

static void on_turn_end(void *ctx)
{
	struct upstream *u = ctx;
	int r;

	session_wall_clock(u->session, loop_now(u->loop), clock_unix_ms());
	ext_files_refresh(&u->ext_files, u->session, loop_now(u->loop));
	pace_settle(&u->pace, loop_now(u->loop));
	/* this may run more than once in a turn */
	if (u->turn.number != loop_turns(u->loop) || u->turn.began == 0)
		u->turn = (struct turn){.number = loop_turns(u->loop), .began = clock_boot_ms()};
	r = work(u);
	buf_clear(&u->out);
	cookie_jar_touch(u->cookies);
	log_when_due(u);
	set_timer(u, r < 0 ? SHORTAGE_MS : 0,
		  r == PULL_SPENT ? 0 : u->pace.paused ? PAUSE_TICK : UINT64_MAX);
	tell_stopped(u);
}

static void on_timer(void *ctx)
{
	struct upstream *u = ctx;
	uint64_t now = loop_now(u->loop);

	if (now - u->timer_at > SUSPEND_MS) {
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", slice_of(u->name)}),
			"the machine was suspended: checking the connection");
		session_probe(u->session, now);
	}
	u->tick_due = true;
	come_round(u);
}

static void on_wake(void *ctx)
{
	come_round(ctx);
}

/* ---- birth and death ---- */

/* what is said with each request of that kind */
static int set_members(struct session *s, enum session_ext kind, const struct upstream_options *o)
{
	int r = 0;

	if (o->ext[kind])
		r = session_set_ext(s, kind, slice_of(o->ext[kind]));
	if (r == 0 && o->fields[kind])
		r = session_set_fields(s, kind, slice_of(o->fields[kind]));
	return r;
}

static void mask_message(void *ctx, char *message, size_t n)
{
	struct upstream *u = ctx;

	mask_messages(http_client_mask(u->client), message, n);
}

static int make_session(struct upstream *u, const struct upstream_options *o)
{
	struct session_options session = o->session;

	session.credentials = u->auth != NULL;
	session.urls = sites_shown(u->sites);
	session.n_urls = sites_count(u->sites);
	session.message_max = o->http.body_max;
	session.mask = mask_message;
	session.mask_ctx = u;
	session.publish_apart = endpoints_publish_apart(&o->endpoints);
	if (getrandom(&session.seed, sizeof(session.seed), 0) != sizeof(session.seed))
		return -errno;
	int r = session_new(&session, (struct wake){on_wake, u}, &u->session);
	for (int i = 0; r == 0 && i < SESSION_EXTS; i++)
		r = set_members(u->session, (enum session_ext)i, o);
	return r;
}

static int make_transports(struct upstream *u, struct curl_loop *curl,
			   const struct upstream_options *o)
{
	const struct transport_events events = {on_ready, on_heard, u};
	struct transport_parts parts = {.loop = u->loop, .curl = curl, .client = u->client};

	websocket_options_default(&parts.websocket);
	parts.websocket.subprotocol = u->subprotocol;
	parts.websocket.compression = o->websocket_compression;
	parts.websocket.ping_interval = o->websocket_ping;
	return sites_open(u->sites, &parts, &events);
}

static int add_url(void *ctx, const struct url *url)
{
	return cookie_jar_add_url(ctx, url);
}

static int make_cookies(struct upstream *u, const struct cookie_jar_options *o)
{
	int r;

	if (!o->path && !o->preset_file && !o->presets.n)
		return 0;
	r = cookie_jar_new(u->loop, u->client, u->name, o, &u->cookies);
	if (r == 0)
		r = sites_each_url(u->sites, add_url, u->cookies);
	if (r == 0)
		cookie_jar_load(u->cookies);
	return r;
}

static int make(struct upstream *u, struct curl_loop *curl, const struct upstream_options *o,
		const char **why)
{
	int r = sites_new(o->urls.v, o->urls.n, &o->endpoints, &u->sites);

	if (r > 0) {
		*why = url_fault_text(r);
		return -EINVAL;
	}
	if (r == 0)
		r = http_client_new(&o->http, &u->client);
	if (r == 0)
		server_log_init(&u->log, u->name, http_client_mask(u->client));
	if (r == -EINVAL)
		*why = "a header is not of the form \"Name: value\", or is a header that the daemon sets itself";
	if (r == 0 && u->auth)
		http_client_set_credential(u->client, (struct http_credential){auth_header, u->auth});
	if (r == 0)
		r = make_cookies(u, &o->cookies);
	if (r == 0)
		r = make_session(u, o);
	if (r == 0)
		r = ext_files_secrets(&u->ext_files, o->ext[SESSION_EXT_HANDSHAKE], u->auth,
				      http_client_mask(u->client));
	if (r == 0)
		r = make_transports(u, curl, o);
	if (r == 0)
		r = loop_timer_new(u->loop, on_timer, u, &u->timer);
	if (r)
		return r;
	r = hub_add_server(u->hub, slice_of(u->name), o->is_default, u->session, &u->server);
	if (r)
		return r;
	hub_set_grace(u->server, o->patience);
	pace_init(&u->pace, u->server);
	return 0;
}

DEFINE_FREEP(upstream, upstream_free)

/* `text` may be NULL; false when there is no memory */
static bool copy(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return *ret || !text;
}

int upstream_new(struct loop *loop, struct curl_loop *curl, struct hub *hub,
		 const struct upstream_options *o, char *why, size_t why_size,
		 struct upstream **ret)
{
	CLEANUP(upstream_freep) struct upstream *u = calloc(1, sizeof(*u));
	const char *reason = NULL;

	if (!u) {
		auth_free(o->auth);
		return -ENOMEM;
	}
	u->auth = o->auth;
	auth_waiter_init(&u->waiter, on_credential, u);
	u->loop = loop;
	u->hub = hub;
	u->changed = o->changed;
	/* the handshake may have a secret in its ext */
	buf_init_secret(&u->out, BATCH_MAX);
	loop_hook_init(&u->hook, on_turn_end, u);
	bool copied = copy(o->name, &u->name) &&
		      ext_files_init(&u->ext_files, u->name, o->ext_files) == 0 &&
		      copy(o->websocket_protocol, &u->subprotocol);
	int r = copied ? make(u, curl, o, &reason) : -ENOMEM;
	if (r) {
		snprintf(why, why_size, "server %s: %s", o->name, reason ? reason : strerror(-r));
		return r;
	}
	*ret = TAKE(u);
	return 0;
}

void upstream_start(struct upstream *u)
{
	session_start(u->session, loop_now(u->loop));
	come_round(u);
}

void upstream_stop(struct upstream *u, void (*stopped)(void *ctx), void *ctx)
{
	u->stopped = stopped;
	u->stopped_ctx = ctx;
	session_stop(u->session, loop_now(u->loop));
	come_round(u);
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	loop_hook_cancel(&u->hook);
	if (u->sites)
		sites_close(u->sites);
	auth_cancel(&u->waiter);
	loop_timer_free(u->timer);
	if (u->server)
		hub_remove_server(u->hub, u->server);
	session_free(u->session);
	/* the hub's farewell may have woken us */
	loop_hook_cancel(&u->hook);
	cookie_jar_free(u->cookies);
	http_client_free(u->client);
	auth_free(u->auth);
	sites_free(u->sites);
	buf_fini(&u->out);
	ext_files_fini(&u->ext_files);
	free(u->subprotocol);
	free(u->name);
	free(u);
}

const char *upstream_name(const struct upstream *u)
{
	return u->name;
}

const struct session *upstream_session(const struct upstream *u)
{
	return u->session;
}
