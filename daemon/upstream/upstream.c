/*
 * Drives one server's session and its transports at the end of each turn: pieces of texts in, events
 * to the hub, batches out, ticks when due. Every batch of the session ends in exactly one of end,
 * failed or closed, unless the session aborts it; no server uses more than its share of a turn.
 */
#include "upstream/upstream.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/log.h"
#include "upstream/durable.h"
#include "upstream/pace.h"
#include "upstream/parts.h"
#include "upstream/resume.h"
#include "upstream/position.h"
#include "upstream/server_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a timer that comes this late did not run: the machine slept, and the link is suspect */
#define SUSPEND_MS 30000
/* the timer comes at least so often, for one that is far away notices no sleep */
#define TICK_MS 30000
/* The share of one server in one turn of the loop: the rest waits for the next turn, after the shares of
   the other sources. A bounded number of events, too, in case that the clock does not move. */
#define TURN_US 5000
#define TURN_BYTES (1u << 20)
#define TURN_EVENTS 4096
/* the share while the loop is interactive: a request for the server waits for two turns of the others, its
   reply included */
#define TURN_SHORT_US 60
#define TURN_SHORT_MAX_US 500
/* while reading is paused, how often to look whether it may go on, in ms */
#define PAUSE_TICK 2
/* how long to leave memory to come back */
#define SHORTAGE_MS 100
/* the largest publish there can be, and the message around it */
#define BATCH_MAX (PROTOCOL_REQUEST_MAX + (64u << 10))

/* what was done in one turn */
struct turn {
	uint64_t number;                /* loop_turns() */
	uint64_t began, share;          /* clock_mono_us(), and for how long */
	uint64_t worked;                /* clock_work_us() at its end */
	bool spent;                     /* the share was used up */
	size_t bytes;                   /* pieces of texts, inflated */
	unsigned events;
	bool aborted;                   /* an exchange was aborted, possibly that of the current piece */
};

struct upstream {
	char *name;
	struct loop *loop;
	struct curl_loop *curl;
	struct hub *hub;
	struct hub_server *server;
	struct parts *parts;            /* in use */
	struct parts *next;             /* take their place when the session has ended; or NULL */
	bool started;                   /* a session that takes the place of another is started, too */
	struct auth_waiter waiter;
	struct loop_timer *timer;
	uint64_t timer_at;
	bool tick_due;                  /* the timer fired */
	struct turn turn;
	struct pace pace;
	uint64_t piece_of;              /* the batch of the piece fed last */
	struct loop_hook hook;          /* end of the turn: pull and send */
	struct buf out;
	struct server_log log;
	struct position position;
	struct resume resume;
	struct durable durable;
	uint64_t save_at;               /* when resume_save() is due */
	struct wake changed;
	void (*exchanged)(void *ctx);   /* due when the next parts are in use */
	void *exchanged_ctx;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

void upstream_options_default(struct upstream_options *o)
{
	struct websocket_options websocket;

	*o = (struct upstream_options){.name = "default",
				       .durable = {HUB_DURABLE_BYTES, HUB_LOG_COUNT_MAX, UINT64_MAX}};
	session_options_default(&o->session);
	http_options_default(&o->http);
	websocket_options_default(&websocket);
	o->websocket_ping = websocket.ping_interval;
}

/* ---- events of the session ---- */

static void note_state(struct upstream *u)
{
	struct session_info info;

	session_info(u->parts->session, &info);
	wake_up(&u->changed);
	if (server_log_state(&u->log, loop_now(u->loop), &info) && info.state == SESSION_HANDSHAKING) {
		ext_files_read(&u->parts->ext_files, u->parts->session);
		cookie_jar_preset(u->parts->cookies);
	}
}

static void log_when_due(struct upstream *u)
{
	struct session_info info;

	if (server_log_due(&u->log) > loop_now(u->loop))
		return;
	session_info(u->parts->session, &info);
	server_log_tick(&u->log, loop_now(u->loop), &info);
}

static void log_failure(struct upstream *u, const struct server_failure *f)
{
	struct session_info info;

	session_info(u->parts->session, &info);
	server_log_failure(&u->log, &info, f);
}

/* If the disk is full or too slow, positions begin a new epoch. The next message needs one that is not on the disk yet. */
static void reserve_position(struct upstream *u)
{
	const struct session_event state = {.kind = SESSION_EVENT_STATE};

	if (!position_reserve(&u->position))
		return;
	log_msg(LOG_L_WARNING, LOG_FIELDS({"server", slice_of(u->name)}),
		"positions could not be reserved in the state directory: earlier ones are not valid any more");
	hub_handle_event(u->hub, u->server, &state, loop_now(u->loop), clock_unix_ms());
}

static void log_channel(struct upstream *u, const struct session_event *event)
{
	bool refused = false;
	bool kept = hub_is_kept(u->server, event->channel, &refused);

	/* a kept one is asked in each session, and may be refused in each */
	if (event->status != SESSION_CHANNEL_REFUSED || !refused)
		server_log_channel(&u->log, event, kept);
}

static void take_event(struct upstream *u, const struct session_event *event)
{
	if (event->kind == SESSION_EVENT_ABORT) {
		/* the piece in hand goes away with the turn: the rest of it is looked at now */
		u->turn.aborted = true;
		sites_abort(u->parts->sites, event->batch);
		return;
	}
	if (event->kind == SESSION_EVENT_NOTE) {
		server_log_note(&u->log, loop_now(u->loop), event->text);
		return;
	}
	if (event->kind == SESSION_EVENT_UNAUTHORIZED) {
		if (event->text.n)
			auth_invalidate(u->parts->auth);
		auth_get(u->parts->auth, &u->waiter);
		return;
	}
	if (event->kind == SESSION_EVENT_LOST)
		server_log_lost(&u->log, event);
	if (event->kind == SESSION_EVENT_STATE)
		note_state(u);
	if (event->kind == SESSION_EVENT_CHANNEL)
		log_channel(u, event);
	if (event->kind == SESSION_EVENT_MESSAGE || event->kind == SESSION_EVENT_LOST)
		reserve_position(u);
	hub_handle_event(u->hub, u->server, event, loop_now(u->loop), clock_unix_ms());
	if (durable_waits(&u->durable))
		resume_hold(&u->resume, u->parts);
}

/* Whether the share of this turn is used up. */
static bool is_spent(const struct upstream *u)
{
	return u->turn.events >= u->turn.share * TURN_EVENTS / TURN_US ||
	       u->turn.bytes >= TURN_BYTES || clock_mono_us() - u->turn.began >= u->turn.share;
}

/*
 * How many microseconds of this turn the server may use. While the loop is interactive, as many as all others used
 * since its last turn, which includes what writing its messages to many receivers costs: so the others keep half
 * of their rate.
 */
static uint64_t share_of_turn(const struct upstream *u)
{
	if (!loop_is_interactive(u->loop))
		return TURN_US;
	uint64_t share = u->turn.spent ? clock_work_us() - u->turn.worked : 0;
	if (share < TURN_SHORT_US)
		return TURN_SHORT_US;
	return share < TURN_SHORT_MAX_US ? share : TURN_SHORT_MAX_US;
}

/* This may be called more than once in a turn. */
static void begin_turn(struct upstream *u)
{
	if (u->turn.number == loop_turns(u->loop) && u->turn.share)
		return;
	u->turn = (struct turn){.number = loop_turns(u->loop), .share = share_of_turn(u),
				.began = clock_mono_us()};
}

static void end_turn(struct upstream *u, bool spent)
{
	u->turn.spent = spent;
	if (spent)
		u->turn.worked = clock_work_us();
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

	while (!is_spent(u) || u->turn.aborted || u->stopped || u->next) {
		r = session_next(u->parts->session, loop_now(u->loop), &event);
		if (r)
			return r < 0 ? r : 0;
		u->turn.events++;
		take_event(u, &event);
	}
	return PULL_SPENT;
}

/* ---- events of the transports ---- */

/* One with much to do does not delay the others, and what is to be written. */
static void come_round(struct upstream *u)
{
	if (u->turn.spent)
		loop_at_end_last(u->loop, &u->hook);
	else
		loop_at_end(u->loop, &u->hook);
}

static void on_credential(void *ctx, const char *why)
{
	struct upstream *u = ctx;
	uint64_t now = loop_now(u->loop);

	if (why)
		session_not_yet_authorized(u->parts->session, now, slice_of(why));
	else
		session_authorized(u->parts->session, now);
	come_round(u);
}

static const struct session_failure short_of_memory = {
	.kind = SESSION_BROKEN, .reason = {"out of memory", 13}};

static void on_ready(void *ctx)
{
	come_round(ctx);
}

static void on_received(void *ctx, uint64_t batch)
{
	struct upstream *u = ctx;

	session_bytes_arrived(u->parts->session, loop_now(u->loop), batch);
}

/* There is no memory for the bytes that arrived: abort the exchange. The server sends its messages again,
   or the gap is reported. */
static void give_up_text(struct upstream *u, uint64_t batch)
{
	uint64_t now = loop_now(u->loop);

	session_discard_text(u->parts->session);
	if (batch) {
		sites_abort(u->parts->sites, batch);
		session_batch_failed(u->parts->session, now, batch, &short_of_memory);
	} else {
		/* after an unreadable text messages would be missing unnoticed: open a new WebSocket */
		sites_abort_websocket(u->parts->sites);
		session_closed(u->parts->session, now, &short_of_memory);
	}
}

/* ---- the end of the turn ---- */

/* Whether there may be more to send. */
static bool send_one(struct upstream *u)
{
	struct fault why;
	struct session_batch batch;
	uint64_t now = loop_now(u->loop);

	fault_clear(&why);
	buf_clear(&u->out);
	if (session_take_batch(u->parts->session, now, &u->out, &batch))
		return false;
	int r = transport_send(sites_transport(u->parts->sites, &batch), &batch, buf_slice(&u->out), &why);
	if (r) {
		struct session_failure f = {.kind = SESSION_NOT_SENT,
					    .reason = slice_of(fault_is_set(&why) ? why.text : strerror(-r))};
		struct server_failure masked;
		/* this batch alone: what else is on a WebSocket may have arrived, and would be
		   sent again if it were reported as not sent */
		session_batch_failed(u->parts->session, now, batch.id, server_log_mask(&u->log, &f, &masked));
		log_failure(u, &masked);
	}
	return true;
}

static bool is_off(const struct upstream *u)
{
	struct session_info info;

	session_info(u->parts->session, &info);
	return info.state == SESSION_OFF;
}

/*
 * The session has ended, and all its events were handled: the next parts take the place of its parts. The old
 * cookies are written before the new jar reads the file. 0 or -ENOMEM: tried again.
 */
static int exchange(struct upstream *u)
{
	struct parts *old = u->parts;
	int r = hub_set_session(u->hub, u->server, u->next->session);

	if (r)
		return r;
	session_succeed(u->next->session, old->session);
	auth_cancel(&u->waiter);
	u->parts = TAKE(u->next);
	resume_exchanged(&u->resume);
	server_log_set_mask(&u->log, http_client_mask(u->parts->client));
	parts_free(old);
	cookie_jar_load(u->parts->cookies);
	if (u->started)
		session_start(u->parts->session, loop_now(u->loop));
	come_round(u);
	return 0;
}

static void report_exchanged(struct upstream *u)
{
	void (*exchanged)(void *ctx) = u->exchanged;

	if (!exchanged || u->next)
		return;
	u->exchanged = NULL;
	exchanged(u->exchanged_ctx);
}

static void tell_stopped(struct upstream *u)
{
	void (*stopped)(void *ctx) = u->stopped;

	if (!stopped || u->next || !is_off(u))
		return;
	u->stopped = NULL;
	stopped(u->stopped_ctx);
}

/* `least`: ms that must pass at least, `most`: at most */
static void set_timer(struct upstream *u, uint64_t least, uint64_t most)
{
	uint64_t now = loop_now(u->loop), at = session_deadline(u->parts->session);

	if (hub_deadline(u->server) < at)
		at = hub_deadline(u->server);
	if (server_log_due(&u->log) < at)
		at = server_log_due(&u->log);
	if (u->save_at < at)
		at = u->save_at;
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

	if (is_spent(u) || pace_is_paused(&u->pace, now) || sites_next(u->parts->sites, &in))
		return false;
	u->turn.bytes += in.piece.n;
	switch (in.kind) {
	case TRANSPORT_PIECE:
		u->piece_of = in.batch;
		if (session_feed(u->parts->session, now, in.batch, in.piece))
			give_up_text(u, in.batch);
		break;
	case TRANSPORT_TEXT_END:
		session_text_end(u->parts->session, now);
		break;
	case TRANSPORT_END:
		session_batch_end(u->parts->session, now, in.batch);
		break;
	case TRANSPORT_FAILED:
		session_batch_failed(u->parts->session, now, in.batch, server_log_mask(&u->log, in.failure, &masked));
		log_failure(u, &masked);
		break;
	case TRANSPORT_CLOSED:
		session_closed(u->parts->session, now, server_log_mask(&u->log, in.failure, &masked));
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
	sites_hold(u->parts->sites);
	session_tick(u->parts->session, now);
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
		if (r < 0 && session_has_text(u->parts->session))
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

/* Saves what another process needs to go on. */
static void save(struct upstream *u)
{
	uint64_t now = loop_now(u->loop), deadline;
	uint64_t at = resume_due(&u->resume, u->parts, now, durable_is_due(&u->durable));

	if (at <= now && durable_put(&u->durable, now, clock_unix_ms())) {
		at = now + SHORTAGE_MS;
	} else if (at <= now) {
		resume_save(&u->resume, u->parts, now);
		at = UINT64_MAX;
	}
	deadline = durable_deadline(&u->durable, now);
	u->save_at = at < deadline ? at : deadline;
}

static void on_turn_end(void *ctx)
{
	struct upstream *u = ctx;
	int r;

	session_wall_clock(u->parts->session, loop_now(u->loop), clock_unix_ms());
	ext_files_refresh(&u->parts->ext_files, u->parts->session, loop_now(u->loop));
	pace_settle(&u->pace, loop_now(u->loop));
	begin_turn(u);
	durable_settle(&u->durable, loop_now(u->loop));
	resume_settle(&u->resume, u->parts, durable_waits(&u->durable));
	r = work(u);
	end_turn(u, r == PULL_SPENT);
	buf_clear(&u->out);
	cookie_jar_touch(u->parts->cookies);
	log_when_due(u);
	if (r == 0 && u->next && is_off(u))
		r = exchange(u);
	save(u);
	set_timer(u, r < 0 ? SHORTAGE_MS : 0,
		  r == PULL_SPENT ? 0 : r < 0 ? SHORTAGE_MS : u->pace.paused ? PAUSE_TICK : UINT64_MAX);
	report_exchanged(u);
	tell_stopped(u);
}

static void on_timer(void *ctx)
{
	struct upstream *u = ctx;
	uint64_t now = loop_now(u->loop);

	if (now - u->timer_at > SUSPEND_MS) {
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", slice_of(u->name)}),
			"the machine was suspended: checking the connection");
		session_probe(u->parts->session, now);
	}
	u->tick_due = true;
	come_round(u);
}

static void on_wake(void *ctx)
{
	come_round(ctx);
}

/* ---- birth and death ---- */

DEFINE_FREEP(upstream, upstream_free)

static int make_parts(struct upstream *u, const struct upstream_options *o, struct fault *why,
		      struct parts **ret)
{
	const struct parts_users users = {
		.loop = u->loop, .curl = u->curl, .name = u->name, .session = {on_wake, u},
		.transports = {on_ready, on_received, u},
	};
	struct fault reason = {0};
	int r = parts_new(&users, o, &reason, ret);

	if (r)
		fault_set(why, "server %s: %s", o->name, fault_is_set(&reason) ? reason.text : strerror(-r));
	return r;
}

/* Puts the server into the hub. */
static int make(struct upstream *u, const struct upstream_options *o, struct fault *why)
{
	int r = make_parts(u, o, why, &u->parts);

	if (r)
		return r;
	cookie_jar_load(u->parts->cookies);
	/* before the hub wants channels */
	resume_init(&u->resume, o->store, u->name, (struct wake){on_wake, u});
	resume_restore(&u->resume, u->parts, loop_now(u->loop));
	server_log_init(&u->log, u->name, http_client_mask(u->parts->client));
	r = loop_timer_new(u->loop, on_timer, u, &u->timer);
	if (r == 0)
		r = hub_add_server(u->hub, slice_of(u->name), o->is_default, u->parts->session,
				   &u->server);
	if (r)
		return fault_fail(why, r, "server %s: %s", o->name, strerror(-r));
	pace_init(&u->pace, u->server);
	hub_set_grace(u->server, o->grace);
	hub_set_history(u->server, &o->history, loop_now(u->loop));
	hub_set_durable(u->server, &o->durable, loop_now(u->loop));
	position_init(&u->position, o->store, u->server);
	r = durable_init(&u->durable, o->store, u->hub, u->server, loop_now(u->loop), (struct wake){on_wake, u});
	if (r)
		return fault_fail(why, r, "server %s: %s", o->name, strerror(-r));
	hub_set_linger(u->server, o->linger);
	r = hub_set_kept(u->server, &o->subscribe);
	return r ? fault_fail(why, r, "server %s: %s", o->name, strerror(-r)) : 0;
}

int upstream_new(struct loop *loop, struct curl_loop *curl, struct hub *hub,
		 const struct upstream_options *o, struct fault *why,
		 struct upstream **ret)
{
	CLEANUP(upstream_freep) struct upstream *u = calloc(1, sizeof(*u));

	if (!u) {
		auth_free(o->auth);
		return -ENOMEM;
	}
	auth_waiter_init(&u->waiter, on_credential, u);
	u->loop = loop;
	u->curl = curl;
	u->hub = hub;
	u->changed = o->changed;
	/* the handshake may have a secret in its ext */
	buf_init_secret(&u->out, BATCH_MAX);
	loop_hook_init(&u->hook, on_turn_end, u);
	u->name = strdup(o->name);
	if (!u->name) {
		auth_free(o->auth);
		return -ENOMEM;
	}
	int r = make(u, o, why);
	if (r)
		return r;
	*ret = TAKE(u);
	return 0;
}

void upstream_start(struct upstream *u)
{
	u->started = true;
	session_start(u->parts->session, loop_now(u->loop));
	come_round(u);
}

void upstream_set_default(struct upstream *u, bool is_default)
{
	hub_set_default(u->server, is_default);
}

void upstream_set_grace(struct upstream *u, uint64_t ms)
{
	hub_set_grace(u->server, ms);
	/* a loss that was not reported may be due now */
	come_round(u);
}

void upstream_set_history(struct upstream *u, const struct hub_log_limits *limits)
{
	hub_set_history(u->server, limits, loop_now(u->loop));
	/* for another deadline */
	come_round(u);
}

void upstream_set_durable(struct upstream *u, const struct hub_log_limits *limits)
{
	hub_set_durable(u->server, limits, loop_now(u->loop));
	/* for another deadline */
	come_round(u);
}

void upstream_set_linger(struct upstream *u, uint64_t ms)
{
	hub_set_linger(u->server, ms);
	/* what stays may end now */
	come_round(u);
}

int upstream_set_subscribe(struct upstream *u, const struct strings *patterns)
{
	return hub_set_kept(u->server, patterns);
}

int upstream_exchange(struct upstream *u, const struct upstream_options *o,
		      void (*exchanged)(void *ctx), void *ctx, struct fault *why)
{
	struct parts *next;
	int r = make_parts(u, o, why, &next);

	if (r)
		return r;
	parts_free(u->next);
	u->next = next;
	u->exchanged = exchanged;
	u->exchanged_ctx = ctx;
	upstream_set_default(u, o->is_default);
	upstream_set_grace(u, o->grace);
	upstream_set_history(u, &o->history);
	upstream_set_durable(u, &o->durable);
	session_stop_because(u->parts->session, loop_now(u->loop),
			     SLICE("its options changed; a new session follows"));
	return 0;
}

static void begin_stop(struct upstream *u, void (*stopped)(void *ctx), void *ctx)
{
	parts_free(TAKE(u->next));
	u->exchanged = NULL;
	u->started = false;
	u->stopped = stopped;
	u->stopped_ctx = ctx;
	/* before the hooks of the caller, which ends what has no outcome then; so not as one with much to do */
	loop_hook_cancel(&u->hook);
	loop_at_end(u->loop, &u->hook);
}

void upstream_stop(struct upstream *u, void (*stopped)(void *ctx), void *ctx)
{
	begin_stop(u, stopped, ctx);
	session_stop(u->parts->session, loop_now(u->loop));
}

void upstream_leave(struct upstream *u, void (*stopped)(void *ctx), void *ctx)
{
	begin_stop(u, stopped, ctx);
	uint64_t now = loop_now(u->loop);
	/* the next process does not get these messages from the server again */
	if (durable_put(&u->durable, now, clock_unix_ms()) == 0 && resume_leave(&u->resume, u->parts, now))
		session_leave(u->parts->session, loop_now(u->loop));
	else
		session_stop(u->parts->session, loop_now(u->loop));
}

void upstream_remove(struct upstream *u, void (*stopped)(void *ctx), void *ctx)
{
	session_stop_because(u->parts->session, loop_now(u->loop),
			     SLICE("taken out of the configuration"));
	upstream_stop(u, stopped, ctx);
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	loop_hook_cancel(&u->hook);
	auth_cancel(&u->waiter);
	loop_timer_free(u->timer);
	durable_fini(&u->durable, loop_now(u->loop));
	position_fini(&u->position);
	resume_fini(&u->resume);
	if (u->server)
		hub_remove_server(u->hub, u->server);
	parts_free(u->parts);
	parts_free(u->next);
	/* the hub may have woken us when it removed the server */
	loop_hook_cancel(&u->hook);
	buf_fini(&u->out);
	free(u->name);
	free(u);
}

const char *upstream_name(const struct upstream *u)
{
	return u->name;
}

const struct session *upstream_session(const struct upstream *u)
{
	return u->parts->session;
}
