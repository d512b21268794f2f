/*
 * Decides which batch is next, on which lane, and which requests it contains. Invariants: a handshake and a
 * connect travel alone; nothing follows a batch that must be answered first; channels leave publishes most of
 * the time, and so do the publishes of busy peers to those of others; peers take turns while each keeps its
 * order; a batch that could not be written leaves no trace.
 *
 * Keep-alive messages are for servers with CometD's activity extension, which end a session that sends only connects
 * for too long, as it does when all peers only subscribe. None is sent while other requests are in flight. The
 * channel is a service channel, so no other client receives them.
 */
#include "bayeux/session_core.h"

#include "base/errors.h"

#include <errno.h>

/* requests in one batch, whatever their size */
#define REQUESTS_MAX 512u
/* a batch that takes longer delays no other peer: what waits goes on the lanes of calls */
#define SLOW_MS 1000u
/* on so many lanes of calls there may be channels at a time, so that calls keep the others */
#define CHANNEL_LANES 2u
/* so many times in_flight_max may be in flight when light publishes are counted: one of each local process */
#define LIGHT_TIMES 4u
/* a batch below twice this size that the server finds too large is sent again message by message, because
   a single one may be too large */
#define BATCH_MIN 1024u
/* so many times as long as it takes the server, other requests have it to themselves: after channels, and
   after the publishes of busy peers */
#define CHANNEL_PAUSE_TIMES 10u
#define PUBLISH_PAUSE_TIMES 5u
/* after a shortage of memory: when to try again */
#define KEEP_ALIVE_AGAIN_MS 1000u

void batch_init(struct session *s)
{
	const struct session_options *o = &s->o;
	struct commands *c = &s->commands;
	c->batch_max = o->batch_max;
	backoff_init(&c->backoff, o->backoff_min, o->backoff_max);
	bulk_pace_init(&c->channel_pace, CHANNEL_PAUSE_TIMES);
	bulk_pace_init(&c->publish_pace, PUBLISH_PAUSE_TIMES);
	publishes_init(&s->publishes, &s->pending, o->queue_max, o->network_delay, &c->backoff);
}

/* ---- what failures and answers mean for the next batches ---- */

uint64_t batch_failed(struct session *s, bool *ret_first)
{
	*ret_first = backoff_fresh(&s->commands.backoff);
	return backoff_next(&s->commands.backoff, &s->jitter);
}

void batch_too_large(struct session *s, const struct exchange *x)
{
	s->commands.batch_max = x->bytes / 2;
	s->commands.batch_doubt = true;
	if (s->commands.batch_max < BATCH_MIN)
		s->commands.isolate_left = x->n_sent;
}

void batch_answered(struct session *s, const struct exchange *x)
{
	/* a batch near the size limit was answered: the assumed limit is right */
	if (x->bytes >= s->commands.batch_max - s->commands.batch_max / 4)
		s->commands.batch_doubt = false;
	backoff_reset(&s->commands.backoff);
}

/* ---- a batch of one: handshake, connect, disconnect ---- */

static enum session_lane lane_of(enum session_batch_kind kind)
{
	return kind == SESSION_BATCH_HANDSHAKE || kind == SESSION_BATCH_CONNECT
		? SESSION_LANE_CONNECT : SESSION_LANE_COMMAND;
}

static int open_exchange(struct session *s, uint64_t now, enum session_batch_kind kind,
			 enum session_transport transport, size_t requests, struct exchange **ret)
{
	const struct session_batch batch = {
		.lane = lane_of(kind), .kind = kind, .transport = transport, .requests = requests,
		.url = course_url(s)};
	int r = pending_reserve(&s->pending, requests);
	if (r == 0)
		r = exchange_new(&s->exchanges, &batch, ret);
	if (r)
		return r;
	(*ret)->sent_at = (*ret)->received_at = now;
	(*ret)->credential = login_credential(&s->login);
	return 0;
}

/* The text is written: from here on nothing fails. */
static void close_exchange(struct session *s, struct exchange *x, size_t bytes,
			   struct session_batch *ret)
{
	exchange_sent(x, bytes);
	if (x->batch.kind != SESSION_BATCH_CONNECT)
		s->commands.quiet_since = x->sent_at;
	if (x->batch.transport == SESSION_WEBSOCKET)
		link_open_websocket(&s->link);
	*ret = x->batch;
}

/* What the course of the session has due now goes out alone. */
static int take_due(struct session *s, uint64_t now, struct buf *out, struct session_batch *ret)
{
	static const struct {
		enum request_kind request;
		enum session_batch_kind batch;
	} kinds[] = {
		[DUE_HANDSHAKE] = {REQUEST_HANDSHAKE, SESSION_BATCH_HANDSHAKE},
		[DUE_CONNECT] = {REQUEST_CONNECT, SESSION_BATCH_CONNECT},
		[DUE_DISCONNECT] = {REQUEST_DISCONNECT, SESSION_BATCH_DISCONNECT},
	};
	enum session_due due = course_due(s, now);
	size_t start = buf_len(out);
	struct exchange *x = NULL;
	if (due == DUE_NOTHING)
		return SESSION_E_NONE;
	struct request *request = link_request(&s->link, kinds[due].request);
	struct outgoing m = {.kind = request->kind, .id = pending_next_id(&s->pending)};
	int r = open_exchange(s, now, kinds[due].batch, course_transport(s, now), 1, &x);
	if (r == 0)
		r = write_message(s, now, &m, '[', out);
	if (r == 0)
		r = buf_putc(out, ']');
	if (r) {
		buf_truncate(out, start);
		exchange_free(x);
		return r;
	}
	pending_put(&s->pending, &request->pending, m.id, course_reply_deadline(s, now));
	request_enter(request, x);
	close_exchange(s, x, buf_len(out) - start, ret);
	course_sent(s, now);
	return 0;
}

/* ---- a batch of commands ---- */

struct plan {
	enum session_lane lane;
	bool aside;                     /* on a lane of calls, because the batch of commands is slow */
	struct list batch;              /* wanted::link: its channels */
	size_t channels;                /* so many */
	size_t publishes;               /* which are part of the exchange already */
	size_t bulk;                    /* of the publishes */
	bool has_call;                  /* whose answer comes when its service has it */
	bool suspect;                   /* the only one in it is of a suspect */
	size_t subscribes;              /* of the channels */
	size_t room;                    /* further requests allowed */
	size_t channel_room;            /* further channels allowed, unless they are renewed */
	size_t channel_bytes;           /* as well */
	size_t bulk_room;               /* bulk publishes allowed */
	size_t start;                   /* of the batch in out */
	uint64_t id;                    /* for the next subscribe: publishes have theirs */
};

enum { PLAN_DELETED = SESSION_E_NONE + 1 };

/* 0, SESSION_E_NONE (the batch is full), PLAN_DELETED, -errno */
static int plan_message(struct session *s, uint64_t now, struct plan *plan, struct outgoing *m,
			struct buf *out)
{
	bool first = plan->channels + plan->publishes == 0;
	size_t before = buf_len(out);
	if (plan->room == 0)
		return SESSION_E_NONE;
	int r = write_message(s, now, m, first ? '[' : ',', out);
	if (r == -EMSGSIZE && !first)
		return SESSION_E_NONE;
	if (r == HOOK_DELETE)
		return PLAN_DELETED;
	/* with the bracket that closes it */
	size_t bytes = buf_len(out) + 1 - plan->start;
	if (r == 0 && !first && (bytes > s->commands.batch_max || bytes > s->o.sent_max)) {
		buf_truncate(out, before);
		return SESSION_E_NONE;
	}
	if (r == 0 && bytes > s->o.sent_max && m->kind == REQUEST_PUBLISH) {
		buf_truncate(out, before);
		return -EMSGSIZE;
	}
	plan->room--;
	return r;
}

/* What becomes of the other channels is not foreseen here: so only as the first of a batch. */
static int delete_subscribe(struct session *s, const struct plan *plan, struct wanted *w)
{
	if (plan->channels == 0) {
		wanted_deleted(&s->wanted, w, HOOK_DELETED);
		s->counts.deleted++;
	}
	return SESSION_E_NONE;
}

static bool has_lanes(const struct session *s)
{
	return link_transport(&s->link) == SESSION_LONG_POLLING;
}

/* how many requests the next batch of commands may have, if `max` may be in flight on a WebSocket */
static size_t room_below(const struct session *s, size_t max)
{
	if (s->commands.isolate_left)
		return 1;
	if (link_transport(&s->link) == SESSION_LONG_POLLING)
		return REQUESTS_MAX;
	/* the connect does not count: it is always there */
	size_t in_flight = s->exchanges.n_requests - (link_connect(&s->link) != NULL);
	size_t room = in_flight < max ? max - in_flight : 0;
	return room < REQUESTS_MAX ? room : REQUESTS_MAX;
}

/*
 * For light publishes: a peer has only one of them under way, so many peers that call a service that never
 * answers leave room for the others.
 */
static size_t command_room(const struct session *s)
{
	return room_below(s, LIGHT_TIMES * (size_t)s->o.in_flight_max);
}

static size_t channel_room(const struct session *s)
{
	return room_below(s, s->o.in_flight_max);
}

/* A part of what may be in flight on a WebSocket is kept for channels. */
static size_t bulk_room(const struct session *s)
{
	size_t room = channel_room(s);
	size_t kept = has_lanes(s) || s->commands.isolate_left ? 0 : s->o.in_flight_max / 4;
	return room > kept ? room - kept : 0;
}

/* the next light or bulk publish for the lane of commands */
static struct publish *next_command(const struct session *s, bool bulk)
{
	return has_lanes(s) ? publishes_next_command(&s->publishes, bulk)
			    : publishes_next(&s->publishes, bulk);
}

static bool has_command(const struct session *s)
{
	return next_command(s, false) || next_command(s, true);
}

/* Light and bulk publishes alternate while both may be sent. */
static struct publish *next_planned(const struct session *s, const struct plan *plan)
{
	bool may_bulk = plan->bulk < plan->bulk_room;
	bool bulk = may_bulk && plan->bulk * 2 <= plan->publishes;
	struct publish *pub = next_command(s, bulk);
	if (!pub && (bulk || may_bulk))
		pub = next_command(s, !bulk);
	return pub;
}

/* A suspect has a batch to itself. */
static bool may_share(const struct session *s, const struct plan *plan, const struct publish *pub)
{
	return plan->channels + plan->publishes == 0 ||
	       (!plan->suspect && !publishes_suspects(&s->publishes, pub->share->peer));
}

/* A batch on a lane of calls belongs to one peer: the one whose call is first; or to channels. */
static struct publish *next_on_lane(const struct session *s, const struct plan *plan,
				    const struct exchange *x)
{
	if (plan->lane == SESSION_LANE_COMMAND) {
		struct publish *pub = next_planned(s, plan);
		return pub && may_share(s, plan, pub) ? pub : NULL;
	}
	if (plan->channels)
		return NULL;
	if (plan->publishes == 0)
		return plan->aside ? publishes_next_idle(&s->publishes)
				   : publishes_next_call(&s->publishes);
	struct request *last = LIST_OF(x->requests.prev, struct request, link);
	return LIST_FIRST(&publish_of(last)->share->waiting, struct publish, link);
}

/*
 * Neither channels nor publishes may shut the others out: while publishes are sent, channels go at
 * their pace, and have half of a batch where publishes wait. Ahead of all publishes go only the
 * channels that are subscribed for the first time in a session.
 */
static void limit_channels(const struct session *s, uint64_t now, struct plan *plan)
{
	bool apart = s->o.publish_apart && link_transport(&s->link) == SESSION_LONG_POLLING;
	bool waits = has_command(s);
	plan->channel_room = channel_room(s);
	plan->channel_bytes = SIZE_MAX;
	if (waits && !apart)
		plan->channel_room = (plan->channel_room + 1) / 2,
		plan->channel_bytes = s->commands.batch_max / 2;
	if ((waits || bulk_pace_applies(&s->commands.channel_pace, now)) &&
	    plan->channel_room > s->commands.channel_pace.room)
		plan->channel_room = s->commands.channel_pace.room;
	if (bulk_pace_at(&s->commands.channel_pace) > now)
		plan->channel_room = 0;
}

/* Bulk publishes go at their pace while light ones are sent. */
static void limit_publishes(const struct session *s, uint64_t now, struct plan *plan)
{
	bool applies = next_command(s, false) || bulk_pace_applies(&s->commands.publish_pace, now);
	plan->bulk_room = bulk_room(s);
	if (applies && plan->bulk_room > s->commands.publish_pace.room)
		plan->bulk_room = s->commands.publish_pace.room;
	if (bulk_pace_at(&s->commands.publish_pace) > now)
		plan->bulk_room = 0;
}

/* whether channels that are not renewed may be in it */
static bool may_plan(const struct plan *plan, const struct buf *out)
{
	return plan->channels < plan->channel_room &&
	       (plan->channels == 0 || buf_len(out) - plan->start < plan->channel_bytes);
}

/* not the one in the making */
static bool has_channels(const struct exchange *x)
{
	return x && x->bytes > 0 && exchange_of_commands(x) && x->batch.kind != SESSION_BATCH_PUBLISH;
}

/* Whether channels may go beside the batch of commands under way: the other lanes are for calls, too. */
static bool may_overtake(const struct session *s)
{
	unsigned n = 0;
	if (!exchange_on_lane(&s->exchanges, SESSION_LANE_COMMAND))
		return true;
	for (unsigned lane = SESSION_LANE_CALL; lane < SESSION_LANES; lane++)
		n += has_channels(exchange_on_lane(&s->exchanges, (enum session_lane)lane));
	return n < CHANNEL_LANES;
}

/* whether the batch of commands under way has channels; they may be those that the server answers late */
static bool has_channels_under_way(const struct session *s)
{
	return has_channels(exchange_on_lane(&s->exchanges, SESSION_LANE_COMMAND));
}

/* Beside others, a batch has the channels of one peer: if the server answers them late, only that peer waits. */
static struct wanted *next_channel(const struct session *s, const struct plan *plan,
				   const struct buf *out)
{
	struct wanted *last = list_empty(&plan->batch) ? NULL
						       : LIST_OF(plan->batch.prev, struct wanted, link);
	if (plan->lane == SESSION_LANE_COMMAND || !has_channels_under_way(s))
		return wanted_next(&s->wanted, !may_plan(plan, out));
	return may_plan(plan, out) ? wanted_next_beside(&s->wanted, &s->exchanges, last) : NULL;
}

/* While requests go one by one, those of channels and publishes alternate. */
static bool has_turn(const struct session *s, uint64_t now, const struct plan *plan)
{
	bool publishes_first = s->commands.isolate_left && s->commands.isolate_left % 2 == 0 &&
			       next_planned(s, plan);
	if (s->commands.channels_at > now)
		return false;
	return plan->lane == SESSION_LANE_COMMAND ? !publishes_first : plan->aside && may_overtake(s);
}

static int plan_channels(struct session *s, uint64_t now, struct plan *plan, struct buf *out)
{
	if (!has_turn(s, now, plan))
		return 0;
	for (struct wanted *w; (w = next_channel(s, plan, out));) {
		/* decided once, so that the recorded request is the one that is sent */
		w->request.kind = wanted_subscribes(&s->wanted, w) ? REQUEST_SUBSCRIBE
								   : REQUEST_UNSUBSCRIBE;
		struct outgoing m = {
			.kind = w->request.kind, .id = plan->id, .subscription = w->node.key,
		};
		int r = plan_message(s, now, plan, &m, out);
		if (r == PLAN_DELETED)
			return delete_subscribe(s, plan, w);
		if (r)
			return r;
		wanted_take(&s->wanted, w, &plan->batch);
		plan->channels++;
		plan->subscribes += m.kind == REQUEST_SUBSCRIBE;
		plan->id++;
	}
	return 0;
}

static int plan_publishes(struct session *s, uint64_t now, struct plan *plan, struct exchange *x,
			  struct buf *out)
{
	for (struct publish *pub; (pub = next_on_lane(s, plan, x));) {
		struct outgoing m = {
			.kind = REQUEST_PUBLISH, .id = pub->request.pending.id,
			.channel = pub->channel, .data = pub->data, .ext = pub->ext,
		};
		int r = plan_message(s, now, plan, &m, out);
		if (r == PLAN_DELETED) {
			publish_done(&s->publishes, pub, SESSION_REFUSED, NULL, HOOK_DELETED);
			s->counts.deleted++;
			continue;
		}
		if (r == -EMSGSIZE) {
			publish_done(&s->publishes, pub, SESSION_OUTCOME_TOO_LARGE, NULL,
				     "with all that goes with it, it is larger than what is "
				     "sent to this server");
			continue;
		}
		if (r)
			return r;
		plan->suspect = publishes_suspects(&s->publishes, pub->share->peer);
		plan->bulk += publish_is_bulk(pub);
		plan->has_call |= pub->call;
		publish_sent(&s->publishes, pub, x);
		plan->publishes++;
	}
	return 0;
}

static enum session_batch_kind kind_of(const struct plan *plan)
{
	if (plan->publishes)
		return plan->channels ? SESSION_BATCH_MIXED : SESSION_BATCH_PUBLISH;
	if (plan->subscribes == plan->channels)
		return SESSION_BATCH_SUBSCRIBE;
	return plan->subscribes ? SESSION_BATCH_CHANNELS : SESSION_BATCH_UNSUBSCRIBE;
}

/* whether publishes must wait for the batch after this one */
static bool must_follow(const struct session *s, const struct plan *plan)
{
	return plan->channels && s->o.publish_apart && link_transport(&s->link) == SESSION_LONG_POLLING;
}

/* Nothing is sent: put all back. */
static void cancel(struct session *s, struct plan *plan, struct exchange *x)
{
	wanted_put_back(&s->wanted, &plan->batch);
	x->kept = true;
	while (!list_empty(&x->requests)) {
		struct request *r = LIST_OF(x->requests.prev, struct request, link);
		publish_unsent(&s->publishes, publish_of(r));
	}
	exchange_free(x);
}

/* Calls have lanes of their own over long-polling, on which they delay no other request. What was sent together
   with a call is not timed, because the exchange may last as long as the service takes. */
static void note_pace(struct session *s, uint64_t now, const struct plan *plan,
		      const struct exchange *x)
{
	if (plan->lane != SESSION_LANE_COMMAND && plan->channels == 0) {
		if (plan->aside)
			bulk_pace_note_light(&s->commands.channel_pace, now);
		return;
	}
	bulk_pace_sent(&s->commands.channel_pace, now, x->batch.id, plan->channels,
		       plan->publishes || has_command(s), !plan->has_call);
	bulk_pace_sent(&s->commands.publish_pace, now, x->batch.id, plan->has_call ? 0 : plan->bulk,
		       next_command(s, false),
		       plan->publishes && !plan->has_call && !s->commands.channel_pace.bulk.id);
}

/* The batch is written: its channels leave their queue, in the order of the plan. */
static void commit(struct session *s, uint64_t now, struct plan *plan, struct exchange *x)
{
	bool websocket = x->batch.transport == SESSION_WEBSOCKET;
	/* on long-polling the HTTP exchange has the deadline, for all of them together */
	uint64_t deadline = websocket ? now + request_time(s) : SESSION_NEVER;
	if (!websocket) {
		exts_note_commands(s, now, NULL);
		x->deadline = now + request_time(s);
	}
	x->batch.kind = kind_of(plan);
	x->batch.requests = plan->channels + plan->publishes;
	/* they are written in front of the publishes */
	struct list publishes = LIST_INIT(publishes);
	list_splice(&publishes, &x->requests);
	for (struct wanted *w; (w = LIST_FIRST(&plan->batch, struct wanted, link));) {
		pending_put(&s->pending, &w->request.pending, pending_next_id(&s->pending), deadline);
		wanted_sent(w, x);
	}
	list_splice(&x->requests, &publishes);
	note_pace(s, now, plan, x);
	if (s->commands.isolate_left)
		s->commands.isolate_left--;
}

static int take_commands(struct session *s, uint64_t now, enum session_lane lane, struct buf *out,
			 struct session_batch *ret)
{
	struct plan plan = {.lane = lane, .room = command_room(s), .start = buf_len(out), 
			    .id = pending_next_id(&s->pending)};
	struct exchange *x = NULL;
	int r = open_exchange(s, now, SESSION_BATCH_MIXED, link_transport(&s->link), plan.room, &x);
	if (r)
		return r;
	x->batch.lane = lane;
	plan.aside = lane != SESSION_LANE_COMMAND && !publishes_next_call(&s->publishes);
	list_init(&plan.batch);
	limit_channels(s, now, &plan);
	limit_publishes(s, now, &plan);
	r = plan_channels(s, now, &plan, out);
	if (r == 0 && !must_follow(s, &plan))
		r = plan_publishes(s, now, &plan, x, out);
	bool full = r == 0 || r == SESSION_E_NONE;
	if (full && plan.channels + plan.publishes)
		r = buf_putc(out, ']');
	else if (full)
		r = SESSION_E_NONE;
	if (r) {
		buf_truncate(out, plan.start);
		cancel(s, &plan, x);
		return r;
	}
	commit(s, now, &plan, x);
	close_exchange(s, x, buf_len(out) - plan.start, ret);
	return 0;
}

/* until when the next batch waits for an answer to those before; 0: not at all */
static uint64_t doubt_ends(const struct session *s)
{
	uint64_t end = 0;
	if (!s->commands.batch_doubt)
		return 0;
	LIST_EACH(x, &s->exchanges.list, struct exchange, link)
		if (exchange_of_commands(x) && !x->answered)
			end = later_of(end, x->sent_at + request_time(s));
	return end;
}

static enum session_lane free_call_lane(const struct session *s)
{
	unsigned lane = SESSION_LANE_CALL;
	if (!has_lanes(s))
		return SESSION_LANES;
	while (lane < SESSION_LANES && exchange_on_lane(&s->exchanges, (enum session_lane)lane))
		lane++;
	return (enum session_lane)lane;
}

/* of a new session at once, before all publishes */
static uint64_t channels_at(const struct session *s)
{
	bool beside = has_channels_under_way(s);
	bool renewed = !beside && wanted_next(&s->wanted, true);
	if (!wanted_waits(&s->wanted) || (!renewed && channel_room(s) == 0))
		return SESSION_NEVER;
	if (beside && !wanted_next_beside(&s->wanted, &s->exchanges, NULL))
		return SESSION_NEVER;
	return later_of(s->commands.channels_at,
			 renewed ? 0 : bulk_pace_at(&s->commands.channel_pace));
}

static uint64_t publishes_at(const struct session *s)
{
	if (next_command(s, false))
		return 0;
	return next_command(s, true) && bulk_room(s) ? bulk_pace_at(&s->commands.publish_pace) : SESSION_NEVER;
}

/* The lane on which something waits to go out, and when it may, or SESSION_LANES. */
static enum session_lane ready_lane(const struct session *s, uint64_t *ret_at)
{
	const struct exchange *x = exchange_on_lane(&s->exchanges, SESSION_LANE_COMMAND);
	enum session_lane lane = free_call_lane(s);
	uint64_t channels = may_overtake(s) ? channels_at(s) : SESSION_NEVER;
	uint64_t publishes = x ? SESSION_NEVER : publishes_at(s);
	*ret_at = 0;
	if (!x && (channels == 0 || publishes == 0))
		return SESSION_LANE_COMMAND;
	if (lane != SESSION_LANES && publishes_next_call(&s->publishes))
		return lane;
	if (x && publishes_next_idle(&s->publishes))
		channels = 0;
	uint64_t at = channels < publishes ? channels : publishes;
	if (at == SESSION_NEVER)
		return SESSION_LANES;
	*ret_at = x ? later_of(at, x->sent_at + SLOW_MS) : at;
	return x ? lane : SESSION_LANE_COMMAND;
}

uint64_t batch_commands_at(const struct session *s)
{
	uint64_t at;
	if (!report_is_up(&s->report) || command_room(s) == 0 || ready_lane(s, &at) == SESSION_LANES)
		return SESSION_NEVER;
	return later_of(at, later_of(s->commands.at, doubt_ends(s)));
}

/* An exchange ends in several places, and others follow at the same time: so it is looked up here. */
static void time_exchange(struct session *s, uint64_t now, struct bulk_pace *pace,
			  struct timed_batch *batch)
{
	if (batch->id && !exchange_find(&s->exchanges, batch->id))
		bulk_pace_ended(pace, now, batch);
}

static void time_exchanges(struct session *s, uint64_t now, struct bulk_pace *pace, bool *ended)
{
	time_exchange(s, now, pace, &pace->bulk);
	time_exchange(s, now, pace, &pace->light);
	if (*ended)
		bulk_pace_note_light(pace, now);
	*ended = false;
}

/* ---- which is next ---- */

int batch_take(struct session *s, uint64_t now, struct buf *out, struct session_batch *ret)
{
	uint64_t at;
	time_exchanges(s, now, &s->commands.channel_pace, &s->publishes.ended);
	time_exchanges(s, now, &s->commands.publish_pace, &s->publishes.light_ended);
	int r = take_due(s, now, out, ret);
	if (r == SESSION_E_NONE && batch_commands_at(s) <= now)
		r = take_commands(s, now, ready_lane(s, &at), out, ret);
	return r;
}

/* ---- keep-alive messages ---- */

uint64_t batch_keep_alive_at(const struct session *s)
{
	if (!s->o.keep_alive || !report_is_up(&s->report) || publishes_wait(&s->publishes))
		return SESSION_NEVER;
	return s->commands.quiet_since + s->o.keep_alive;
}

void batch_keep_alive(struct session *s, uint64_t now)
{
	const struct publish_request request = {
		.channel = slice_of(s->o.keep_alive_channel), .data = SLICE("{}"),
		.deadline = now + s->o.network_delay};
	if (batch_keep_alive_at(s) > now)
		return;
	if (publish_new(&s->publishes, pending_next_id(&s->pending), &request))
		s->commands.quiet_since = now - s->o.keep_alive + KEEP_ALIVE_AGAIN_MS;
}
