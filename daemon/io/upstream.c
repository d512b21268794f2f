/*
 * Owns one server's session, its transports, and the moments when they are
 * moved, all at the end of a turn: pieces of texts in, events to the hub, batches
 * out, ticks when due. Guarantees that every batch the session gave out ends in
 * exactly one of its end, failed or closed, or was aborted by the session itself;
 * and that no server takes more than its share of a turn. Never looks into a
 * text, nor logs one.
 */
#include "io/upstream.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "io/ext_files.h"
#include "io/sites.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* a timer that comes this late did not run: the machine slept, and the link is suspect */
#define SUSPEND_MS 30000
/* the timer comes at least so often, for one that is far away notices no sleep */
#define TICK_MS 30000
/* The share of one server in one turn of the loop: what is left waits for the next, and the other
   sources have theirs in between. */
#define TURN_MS 5
#define TURN_BYTES (1u << 20)
#define TURN_EVENTS 4096
/* ms that reading waits for receivers at once, and that must be left for it to begin */
#define PAUSE_MAX 1000
#define PAUSE_LEAST 10
/* a receiver whose socket took nothing for so long is not waited for; and how often to look */
#define PAUSE_STALLED 200
#define PAUSE_TICK 2
/* bytes a millisecond that make a pause cost nothing */
#define PAUSE_FREE (16u << 10)
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
	bool aborted;                   /* an exchange was, perhaps the one whose piece is in hand */
};

/* reading waits for receivers that fall behind */
struct pace {
	bool paused;
	uint64_t settled_at;            /* the credit is as it was then */
	uint64_t progress_at;           /* a receiver took something */
	uint64_t credit;                /* ms */
	uint64_t total;                 /* ms of all pauses */
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
	enum session_state state;       /* as logged last */
	uint64_t masked_generation;     /* whose client id is masked */
	char trouble[128];              /* the reason logged since it was connected last */
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

#define FIELDS(u) LOG_FIELDS({"server", slice_of((u)->name)})

/* ---- what the session tells ---- */

/* A server that is down for a week is tried ten thousand times, and is one line of the log. */
static bool is_known_trouble(struct upstream *u, struct slice reason)
{
	struct slice known = slice_of(u->trouble);

	reason = slice_take(reason, sizeof(u->trouble) - 1);
	if (known.n && slice_eq(known, reason))
		return true;
	snprintf(u->trouble, sizeof(u->trouble), "%.*s", SLICE_ARG(reason));
	return false;
}

static enum log_level level_of(struct upstream *u, const struct session_info *info)
{
	switch (info->state) {
	case SESSION_UNCONNECTED:
	case SESSION_HALTED:
		/* no failure yet; one of the credential's source is logged there, with its reason */
		if (slice_eq(info->reason, SLICE("waiting for credentials")))
			return LOG_L_DEBUG;
		return is_known_trouble(u, info->reason) ? LOG_L_DEBUG : LOG_L_WARNING;
	case SESSION_CONNECTED:
		u->trouble[0] = 0;
		return LOG_L_NOTICE;
	case SESSION_OFF:
		return LOG_L_NOTICE;
	default:
		return LOG_L_DEBUG;
	}
}

/* Whoever knows it can end the session, or read along; a server may repeat it in any error. */
static void mask_client_id(struct upstream *u, const struct session_info *info)
{
	if (info->generation != u->masked_generation &&
	    mask_set_client_id(http_client_mask(u->client), info->client_id) == 0)
		u->masked_generation = info->generation;
}

static void log_state(struct upstream *u)
{
	struct session_info info;

	session_info(u->session, &info);
	wake_up(&u->changed);
	mask_client_id(u, &info);
	if (info.state == u->state)
		return;
	u->state = info.state;
	if (info.state == SESSION_HANDSHAKING) {
		ext_files_read(&u->ext_files, u->session);
		cookie_jar_preset(u->cookies);
	}
	enum log_level level = level_of(u, &info);
	log_msg(level,
		LOG_FIELDS({"server", slice_of(u->name)},
			   {"transport", slice_of(session_transport_name(info.transport))},
			   {info.reason.n ? "reason" : NULL, info.reason}),
		"%s", session_state_name(info.state));
}

/* The names of channels in it are the server's words, which mask_messages() leaves. */
static void log_note(struct upstream *u, struct slice note)
{
	char text[CURL_ERROR_SIZE];

	note = slice_take(note, sizeof(text));
	memcpy(text, note.p, note.n);
	mask_text(http_client_mask(u->client), text, note.n);
	log_msg(LOG_L_WARNING, FIELDS(u), "%.*s", (int)note.n, text);
}

/*
 * A channel that the server refuses, once however many hold it, and once for a refusal that lasts.
 * The words are the server's and may repeat what we sent.
 */
static void log_refusal(struct upstream *u, const struct session_event *event)
{
	char text[CURL_ERROR_SIZE];
	struct slice why = event->text;
	bool refused = event->status == SESSION_CHANNEL_REFUSED;

	if (event->status == SESSION_CHANNEL_ACTIVE || event->repeated)
		return;
	if (event->envelope && event->envelope->error.n)
		why = event->envelope->error;
	why = slice_take(why, sizeof(text));
	memcpy(text, why.p, why.n);
	mask_text(http_client_mask(u->client), text, why.n);
	log_msg(LOG_L_WARNING,
		LOG_FIELDS({"server", slice_of(u->name)}, {"channel", event->channel}),
		"%s: %.*s", refused ? "the server refuses the channel, which its subscribers lose"
				    : "the channel is not subscribed yet, and asked for again",
		(int)why.n, text);
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
		log_note(u, event->text);
		return;
	}
	if (event->kind == SESSION_EVENT_UNAUTHORIZED) {
		if (event->text.n)
			auth_invalidate(u->auth);
		auth_get(u->auth, &u->waiter);
		return;
	}
	if (event->kind == SESSION_EVENT_LOST)
		log_msg(LOG_L_WARNING,
			LOG_FIELDS({"server", slice_of(u->name)}, {"channel", event->channel}),
			"a message is left out: %.*s", SLICE_ARG(event->text));
	if (event->kind == SESSION_EVENT_STATE)
		log_state(u);
	if (event->kind == SESSION_EVENT_CHANNEL)
		log_refusal(u, event);
	hub_take(u->hub, u->server, event, loop_now(u->loop), clock_unix_ms());
}

/* Whether this turn has had its share; then the others have theirs. */
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

	session_heard(u->session, loop_now(u->loop), batch);
}

/* A failure as it may be told: the reason may be the server's own words. */
struct told {
	struct session_failure failure;
	char reason[CURL_ERROR_SIZE];
};

static const struct session_failure *tell(struct upstream *u, const struct session_failure *f,
					  struct told *to)
{
	struct slice reason = slice_take(f->reason, sizeof(to->reason));

	to->failure = *f;
	memcpy(to->reason, reason.n ? reason.p : "", reason.n);
	to->failure.reason = slice_make(to->reason, reason.n);
	mask_text(http_client_mask(u->client), to->reason, reason.n);
	log_msg(LOG_L_INFO,
		LOG_FIELDS({"server", slice_of(u->name)}, {"reason", to->failure.reason}),
		"an exchange failed");
	return &to->failure;
}

/* There is no memory for what came: the exchange is given up. What is missed that way comes again
   or is reported. */
static void give_up_text(struct upstream *u, uint64_t batch)
{
	uint64_t now = loop_now(u->loop);

	session_forget_text(u->session);
	if (batch) {
		sites_abort(u->sites, batch);
		session_batch_failed(u->session, now, batch, &short_of_memory);
	} else {
		/* a text that cannot be read is a hole in the pipe: better a new one */
		sites_abort_websocket(u->sites);
		session_closed(u->session, now, &short_of_memory);
	}
}

/* ---- the pace of the receivers ---- */

/*
 * Pauses are paid from a credit, which grows by a millisecond for each one without a pause: so
 * they last PAUSE_MAX at once and half of the time in all, at most, however slow a receiver is.
 * What the receivers take meanwhile is added to the credit, a millisecond for PAUSE_FREE bytes:
 * receivers that take that much on average are waited for as long as they need, also when they
 * take it in bursts.
 */
static void settle_pause(struct upstream *u)
{
	struct pace *p = &u->pace;
	uint64_t now = loop_now(u->loop), ms = now - p->settled_at;

	p->settled_at = now;
	if (!p->paused) {
		p->credit = p->credit + ms < PAUSE_MAX ? p->credit + ms : PAUSE_MAX;
		return;
	}
	uint64_t taken = hub_crowd_progress(u->server);
	p->total += ms;
	if (taken)
		p->progress_at = now;
	uint64_t credit = p->credit + taken / PAUSE_FREE;
	credit = credit > ms ? credit - ms : 0;
	p->credit = credit < PAUSE_MAX ? credit : PAUSE_MAX;
	if (p->credit == 0 || now - p->progress_at >= PAUSE_STALLED)
		hub_crowd_dismiss(u->server);
	p->paused = hub_is_crowded(u->server);
	hub_set_paused(u->server, p->paused, p->total);
}

/* Whether nothing is read at the moment. */
static bool is_paused(struct upstream *u)
{
	struct pace *p = &u->pace;

	if (p->paused || !hub_is_crowded(u->server))
		return p->paused;
	if (p->credit < PAUSE_LEAST) {
		hub_crowd_dismiss(u->server);
		return false;
	}
	p->paused = true;
	p->progress_at = loop_now(u->loop);
	hub_crowd_progress(u->server);
	hub_set_paused(u->server, true, p->total);
	return true;
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
		struct told told;
		/* this batch alone: what else is on a WebSocket may have arrived, and would be
		   sent again if it were said not to */
		session_batch_failed(u->session, now, batch.id, tell(u, &f, &told));
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
	if (at != UINT64_MAX && at > now + TICK_MS)
		at = now + TICK_MS;
	if (at > now && at - now > most)
		at = now + most;
	if (at < now + least)
		at = now + least;
	u->timer_at = at;
	loop_timer_at(u->timer, at);
}

/* One thing that the transports have. False when there is none, or it has to wait. */
static bool take_input(struct upstream *u)
{
	uint64_t now = loop_now(u->loop);
	struct transport_input in;
	struct told told;

	if (is_spent(u) || is_paused(u) || sites_next(u->sites, &in))
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
		session_batch_failed(u->session, now, in.batch, tell(u, in.failure, &told));
		break;
	case TRANSPORT_CLOSED:
		session_closed(u->session, now, tell(u, in.failure, &told));
		break;
	}
	return true;
}

static void tick(struct upstream *u)
{
	uint64_t now = loop_now(u->loop);

	u->tick_due = false;
	/* what waits because of us is no silence */
	sites_hold(u->sites);
	session_tick(u->session, now);
	hub_tick(u->hub, u->server, now, clock_unix_ms());
}

/*
 * Moves what there is, until nothing is left or the turn has had its share: first what the session
 * has to report, then what is to be sent, then the next piece of what came. Time passes for the
 * session after what came in the same turn: that came in time. 0, PULL_SPENT, -ENOMEM.
 */
static int work(struct upstream *u)
{
	for (;;) {
		int r = pull(u);

		/* without memory, and with a piece in hand: it has to go */
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
	settle_pause(u);
	/* this may run more than once in a turn */
	if (u->turn.number != loop_turns(u->loop) || u->turn.began == 0)
		u->turn = (struct turn){.number = loop_turns(u->loop), .began = clock_boot_ms()};
	r = work(u);
	buf_clear(&u->out);
	cookie_jar_touch(u->cookies);
	set_timer(u, r < 0 ? SHORTAGE_MS : 0,
		  r == PULL_SPENT ? 0 : u->pace.paused ? PAUSE_TICK : UINT64_MAX);
	tell_stopped(u);
}

static void on_timer(void *ctx)
{
	struct upstream *u = ctx;
	uint64_t now = loop_now(u->loop);

	if (now - u->timer_at > SUSPEND_MS) {
		log_msg(LOG_L_NOTICE, FIELDS(u), "the machine slept: the link is probed");
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

	if (!o->path && !o->preset_file && !o->n_presets)
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
	int r = sites_new(o->urls, o->n_urls, &o->endpoints, &u->sites);

	if (r > 0) {
		*why = url_fault_text(r);
		return -EINVAL;
	}
	if (r == 0)
		r = http_client_new(&o->http, &u->client);
	if (r == -EINVAL)
		*why = "a header is not of the form \"Name: value\", or is not yours to set";
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
	if (r == 0)
		hub_set_patience(u->server, o->patience);
	return r;
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
	buf_init(&u->out, BATCH_MAX);
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
