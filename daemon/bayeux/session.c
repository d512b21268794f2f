/*
 * The public functions of the session, except for events: creating and freeing it,
 * wanted channels and publishes, time. Nothing is sent while an event is still to be
 * reported. Reactions to replies and failures are in session_course.c.
 */
#include "bayeux/ext_ack.h"
#include "bayeux/ext_replay.h"
#include "bayeux/session_core.h"

#include "base/errors.h"
#include "bayeux/ext_timesync.h"

#include <errno.h>
#include <stdlib.h>

/* what a publish has around its channel, data and ext at least */
#define PUBLISH_LEAST (sizeof("[{'channel':'','id':'1','clientId':'','data':}]") - 1)
/* after a shortage of memory: when to look again */
#define SHORTAGE_MS 100u
/* on a WebSocket with other traffic, the reply to a subscribe is awaited this many times as long as on a
   silent one */
#define WEBSOCKET_REPLY_TIMES 10u

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = {
		[SESSION_OFF] = "off",
		[SESSION_HANDSHAKING] = "handshaking",
		[SESSION_CONNECTING] = "connecting",
		[SESSION_CONNECTED] = "connected",
		[SESSION_UNCONNECTED] = "unconnected",
		[SESSION_HALTED] = "halted",
		[SESSION_DISCONNECTING] = "disconnecting",
	};
	return names[state];
}

/* ---- birth and death ---- */

void session_options_default(struct session_options *o)
{
	*o = (struct session_options){
		.transports = {SESSION_WEBSOCKET, SESSION_LONG_POLLING},
		.n_transports = 2,
		.overlap = SESSION_OVERLAP_AUTO,
		.network_delay = 10000,
		.backoff_min = 1000,
		.backoff_max = 60000,
		.halt_retry = 30000,
		.transport_retry = 300000,
		.transport_failures = 3,
		.url_failures = 3,
		.url_retry = 300000,
		.batch_max = 32u << 10,
		.sent_max = SIZE_MAX,
		.queue_max = 16u << 20,
		.message_max = 16u << 20,
		.ack = true,
		.replay = SESSION_REPLAY_NEW,
		.replay_fallback = SESSION_REPLAY_FALLBACK_ALL,
		.in_flight_max = 256,
		.keep_alive_channel = "/service/keep-alive",
		.seed = 1,
	};
}

static void init_tools(struct session *s)
{
	const struct session_options *o = &s->o;
	jitter_init(&s->jitter, o->seed);
	login_init(&s->login, o);
	course_init(s);
	pending_init(&s->pending);
	exchanges_init(&s->exchanges);
	batch_init(s);
	wanted_init(&s->wanted, &s->pending, &s->jitter, o->backoff_min, o->backoff_max);
	inbox_init(&s->inbox, o, &s->exts, &s->client_id);
	buf_init(&s->client_id, CLIENT_ID_MAX);
	list_init(&s->exts.chain);
}

DEFINE_FREEP(session, session_free)

int session_new(const struct session_options *o, struct wake wake, struct session **ret)
{
	CLEANUP(session_freep) struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->o = *o;
	s->wake = wake;
	init_tools(s);
	int r = exts_make(s);
	if (r)
		return r;
	*ret = TAKE(s);
	return 0;
}

static void free_exchanges(struct session *s)
{
	LIST_EACH_SAFE(x, &s->exchanges.list, struct exchange, link) {
		x->kept = true;
		LIST_EACH_SAFE(r, &x->requests, struct request, link)
			request_leave(r);
		exchange_free(x);
	}
}

void session_free(struct session *s)
{
	if (!s)
		return;
	free_exchanges(s);
	link_fini(&s->link, &s->pending);
	publishes_fini(&s->publishes);
	wanted_fini(&s->wanted);
	pending_fini(&s->pending);
	exts_free(s);
	inbox_fini(&s->inbox);
	buf_fini(&s->changed_text);
	buf_fini(&s->client_id);
	free(s);
}

/* ---- life ---- */

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void session_start(struct session *s, uint64_t now)
{
	if (report_state(&s->report) != SESSION_OFF)
		return;
	course_start(s, now);
	wake_up(&s->wake);
}

static const char stopped[] = "the session with the server was stopped";

void session_stop(struct session *s, uint64_t now)
{
	if (report_state(&s->report) == SESSION_OFF || report_state(&s->report) == SESSION_DISCONNECTING)
		return;
	giveup_waiting(s, stopped);
	course_stop(s, now);
	wake_up(&s->wake);
}

void session_leave(struct session *s, uint64_t now)
{
	if (report_state(&s->report) == SESSION_OFF)
		return;
	giveup_waiting(s, stopped);
	course_off(s, now);
	wake_up(&s->wake);
}

void session_stop_because(struct session *s, uint64_t now, struct slice why)
{
	if (report_state(&s->report) != SESSION_OFF)
		report_set_reason(&s->report, "%.*s", SLICE_ARG(why));
	session_stop(s, now);
}

void session_succeed(struct session *s, struct session *before)
{
	report_succeed(&s->report, &before->report);
	s->counts = before->counts;
	course_succeed(s, before);
}

void session_hold_ack(struct session *s, uint64_t safe)
{
	if (ext_ack_hold(s->exts.ack, safe))
		wake_up(&s->wake);
}

bool session_ack_is_held(const struct session *s)
{
	return ext_ack_is_held(s->exts.ack);
}

bool session_snapshot_is_partial(const struct session *s)
{
	return ext_ack_saved_marks(s->exts.ack);
}

uint64_t session_delivered(const struct session *s)
{
	return ext_ack_delivered(s->exts.ack);
}

void session_probe(struct session *s, uint64_t now)
{
	course_probe(s, now);
	wake_up(&s->wake);
}

void session_authorized(struct session *s, uint64_t now)
{
	if (!login_is_requested(&s->login))
		return;
	course_credentials_came(s, now);
	wake_up(&s->wake);
}

void session_not_yet_authorized(struct session *s, uint64_t now, struct slice why)
{
	(void)now;
	if (!login_waits(&s->login))
		return;
	report_set_reason(&s->report, "waiting for credentials: %.*s", SLICE_ARG(why));
	/* a source that fails for a week fails in the same words each time: they are no news */
	report_new_reason(&s->report);
	wake_up(&s->wake);
}

void session_wall_clock(struct session *s, uint64_t now, uint64_t unix_ms)
{
	s->unix_ahead = unix_ms - now;
}

/* ---- channels and publishes ---- */

static bool is_wanted(const struct session *s, struct slice channel)
{
	return wanted_status(&s->wanted, channel) != SESSION_CHANNEL_NONE;
}

int session_want(struct session *s, struct slice channel, uint64_t peer)
{
	if (is_wanted(s, channel)) {
		wanted_want(&s->wanted, channel, peer);
		course_claimed(s);
		wake_up(&s->wake);
		return 0;
	}
	int r = ext_replay_want(s->exts.replay, channel);
	if (r)
		return r;
	r = wanted_want(&s->wanted, channel, peer);
	if (r) {
		ext_replay_unwant(s->exts.replay, channel);
		return r;
	}
	if (course_is_ended(s))
		course_refuse(s);
	wake_up(&s->wake);
	return 0;
}

void session_ask_again(struct session *s, struct slice channel)
{
	if (wanted_status(&s->wanted, channel) != SESSION_CHANNEL_REFUSED)
		return;
	wanted_ask_again(&s->wanted, channel);
	if (course_is_ended(s))
		course_refuse(s);
	wake_up(&s->wake);
}

void session_unwant(struct session *s, struct slice channel)
{
	if (is_wanted(s, channel))
		ext_replay_unwant(s->exts.replay, channel);
	inbox_release(&s->inbox);
	wanted_unwant(&s->wanted, channel);
	wake_up(&s->wake);
}

enum session_channel_status session_channel(const struct session *s, struct slice channel)
{
	return wanted_status(&s->wanted, channel);
}

bool session_channel_is_deferred(const struct session *s, struct slice channel)
{
	return wanted_is_deferred(&s->wanted, channel);
}

bool session_is_up(const struct session *s)
{
	return report_is_up(&s->report);
}

int session_publish(struct session *s, uint64_t now, struct slice channel, struct slice data,
		    struct slice ext, bool call, uint64_t deadline, uint64_t peer,
		    uint64_t cookie)
{
	const struct publish_request request = {channel, data, ext, call, deadline, peer, cookie};
	(void)now;
	if (channel.n + data.n + ext.n > s->o.sent_max - PUBLISH_LEAST)
		return SESSION_E_TOO_LARGE;
	int r = publish_new(&s->publishes, pending_next_id(&s->pending), &request);
	if (r)
		return r;
	if (report_state(&s->report) == SESSION_DISCONNECTING)
		giveup_waiting(s, stopped);
	else if (course_is_ended(s))
		course_refuse(s);
	wake_up(&s->wake);
	return 0;
}

void session_peer_left(struct session *s, uint64_t peer)
{
	publishes_peer_left(&s->publishes, peer);
	wake_up(&s->wake);
}

/* ---- output ---- */

int session_take_batch(struct session *s, uint64_t now, struct buf *out, struct session_batch *ret)
{
	if (input_waits(s) || report_state(&s->report) == SESSION_OFF)
		return SESSION_E_NONE;
	ext_text(&s->exts.chain, inbox_next_number(&s->inbox));
	int r = batch_take(s, now, out, ret);
	s->short_until = r < 0 ? now + SHORTAGE_MS : 0;
	return r;
}

/* ---- time ---- */

static uint64_t exchange_deadline(const struct session *s)
{
	struct exchange *x = exchange_first_due(&s->exchanges, NULL);
	return x ? x->deadline : SESSION_NEVER;
}

uint64_t session_deadline(const struct session *s)
{
	if (input_waits(s) || s->publishes.any_left)
		return 0;
	const struct pending_node *first = pending_first(&s->pending);
	const struct text *text = inbox_first_due(&s->inbox, connect_hold(s));
	uint64_t at = earliest(course_deadline(s), batch_commands_at(s));
	at = earliest(at, exchange_deadline(s));
	at = earliest(at, text ? inbox_deadline(&s->inbox, text, connect_hold(s)) : SESSION_NEVER);
	at = earliest(at, ext_replay_hold_until(s->exts.replay));
	at = earliest(at, s->wanted.later_at);
	at = earliest(at, s->wanted.unclaimed_until);
	at = earliest(at, s->publishes.back_at);
	at = earliest(at, batch_keep_alive_at(s));
	if (first)
		at = earliest(at, first->deadline);
	return at < s->short_until ? s->short_until : at;
}

/*
 * Deadlines measure silence. Deadlines are not moved at each read, which would touch up to 256 of them: a
 * deadline that has passed is checked against the time of the last bytes.
 */
static void expire_exchanges(struct session *s, uint64_t now)
{
	struct exchange *x;
	while ((x = exchange_first_due(&s->exchanges, NULL)) && x->deadline <= now) {
		/* not while the session is being stopped */
		if (report_state(&s->report) != SESSION_DISCONNECTING && x->received_at + request_time(s) > now)
			x->deadline = x->received_at + request_time(s);
		else
			loss_by_deadline(s, now, x);
	}
}

/* When a request whose deadline passed is given up, considering the bytes that arrived meanwhile. */
static uint64_t later_deadline(const struct session *s, const struct request *r)
{
	const struct exchange *x = r->exchange;
	bool websocket = x && x->batch.transport == SESSION_WEBSOCKET;
	switch (r->kind) {
	case REQUEST_CONNECT:
		return link_received_at(&s->link, x) + s->o.network_delay;
	case REQUEST_HANDSHAKE:
		return link_received_at(&s->link, x) + request_time(s);
	case REQUEST_SUBSCRIBE:
	case REQUEST_UNSUBSCRIBE:
		/* a lost reply must be noticed even though events keep arriving */
		if (websocket)
			return earliest(link_received_at(&s->link, x) + request_time(s),
					x->sent_at + WEBSOCKET_REPLY_TIMES * request_time(s));
		return 0;
	default:
		return 0;
	}
}

static void expire_text(struct session *s, uint64_t now)
{
	struct text *t = inbox_first_due(&s->inbox, connect_hold(s));
	if (t && t != inbox_text(&s->inbox) && inbox_deadline(&s->inbox, t, connect_hold(s)) <= now)
		input_text_stalled(s, now, t);
}

static void expire_requests(struct session *s, uint64_t now)
{
	struct pending_node *first;
	while ((first = pending_first(&s->pending)) && first->deadline <= now) {
		struct request *r = PENDING_OF(first, struct request, pending);
		uint64_t later = later_deadline(s, r);
		if (later > now) {
			pending_remove(&s->pending, first);
			pending_put(&s->pending, first, first->id, later);
		} else {
			loss_of_request(s, now, r);
		}
	}
}

void session_bytes_arrived(struct session *s, uint64_t now, uint64_t batch)
{
	struct exchange *x = batch ? exchange_find(&s->exchanges, batch) : NULL;
	struct text *t = inbox_find(&s->inbox, batch);
	if (t)
		t->fed_at = now;
	if (x)
		x->received_at = now;
	else if (batch == 0)
		link_websocket_received(&s->link, now);
}

void session_tick(struct session *s, uint64_t now)
{
	expire_exchanges(s, now);
	expire_text(s, now);
	expire_requests(s, now);
	if (ext_replay_hold_until(s->exts.replay) <= now)
		exts_note_commands(s, now, NULL);
	wanted_tick(&s->wanted, now);
	if (s->wanted.unclaimed_until <= now)
		snapshot_drop_unclaimed(s);
	publishes_tick(&s->publishes, now);
	batch_keep_alive(s, now);
	course_tick(s, now);
	wake_up(&s->wake);
}

/* ---- what people want to know ---- */

void session_info(const struct session *s, struct session_info *ret)
{
	*ret = (struct session_info){
		.transport = link_transport(&s->link),
		.client_id = buf_slice(&s->client_id),
		.wanted = s->wanted.n,
		.counts = s->counts,
	};
	report_info(&s->report, ret);
	course_info(s, ret);
	if (s->exts.timesync)
		ext_timesync_estimate(s->exts.timesync, session_time(s, 0), &ret->timesync);
}

const char *session_disabled_hook(const struct session *s, size_t i)
{
	return s->o.hooks.disabled ? s->o.hooks.disabled(s->o.hooks.ctx, i) : NULL;
}
