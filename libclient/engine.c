/*
 * The client side of the protocol: hello, incoming frames, the pauses between
 * connections. Each frame is delivered once, even if memory runs out while it is
 * read. An invalid frame ends the connection.
 */
#include "libclient/engine.h"

#include "libclient/durable.h"
#include "libclient/error.h"
#include "libclient/event.h"
#include "libclient/outgoing.h"
#include "libclient/repeated.h"
#include "libclient/resume.h"
#include "libclient/servers.h"
#include "protocol/frame.h"
#include "protocol/json_read.h"
#include "protocol/message.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* long enough for a daemon that is starting: with socket activation we are connected before it reads */
#define GREETING_MS 10000
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 5000
/* a connection that lasted this long resets the pauses between attempts */
#define GOOD_MS 5000

struct engine {
	enum engine_state state;
	struct outgoing outgoing;
	struct servers servers;
	struct frame_reader in;
	struct buf own_frames;       /* frames made here from replies; read before `in` */
	size_t own_frame_size;       /* of the one read last */
	struct slice text;           /* of the current frame, not delivered yet; p NULL: none */
	struct message message;      /* decoded from the last text */
	struct buf texts;            /* its names */
	char name[PROTOCOL_NAME_MAX + 1];
	uint64_t hello_id;
	uint64_t greeting_deadline;
	uint64_t up_since;           /* of the current or last connection */
	bool was_up;                 /* that connection got its reply to hello */
	uint64_t failures;
	int error;                   /* why the last connection ended, or will */
	char why[256];               /* the daemon's reason, or "" */
	uint64_t retry_hint;         /* from `closing`; UINT64_MAX: none */
	uint64_t retry_at;
	unsigned pauses;             /* since the last good connection */
	uint64_t random;
	bool up_due, up_gap, down_due, down_reported;
	int64_t reported_retry;
};

int engine_new(uint64_t seed, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	servers_init(&e->servers);
	outgoing_init(&e->outgoing, &e->servers);
	frame_reader_init(&e->in, PROTOCOL_FRAME_MAX);
	buf_init(&e->own_frames, 2 * PROTOCOL_FRAME_MAX);
	/* no name is longer than its frame */
	buf_init(&e->texts, PROTOCOL_FRAME_MAX + 4096);
	message_init(&e->message, PROTOCOL_OPS_END);
	e->random = seed | 1;
	e->retry_hint = UINT64_MAX;
	*ret = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	message_fini(&e->message);
	buf_fini(&e->texts);
	buf_fini(&e->own_frames);
	frame_reader_fini(&e->in);
	servers_fini(&e->servers);
	outgoing_fini(&e->outgoing);
	free(e);
}

void engine_set_name(struct engine *e, const char *name)
{
	struct slice cut = slice_take(slice_of(name ? name : ""), PROTOCOL_NAME_MAX);

	/* the name of a program may be longer, and must not end within a character */
	cut = slice_take(cut, utf8_whole(cut));
	if (!utf8_valid(cut))
		cut = SLICE("");
	memcpy(e->name, cut.p, cut.n);
	e->name[cut.n] = '\0';
}

enum engine_state engine_state(const struct engine *e)
{
	return e->state;
}

int engine_error(const struct engine *e)
{
	return e->error;
}

uint64_t engine_failures(const struct engine *e)
{
	return e->failures;
}

int engine_server_state(const struct engine *e, const char *server)
{
	return e->state == ENGINE_UP ? servers_state(&e->servers, server) : COMETD_E_DISCONNECTED;
}

static struct slice consumer_of(const struct engine *e, const struct server *server)
{
	return durable_name(&e->outgoing.wanted, &e->servers, server);
}

struct slice engine_consumer(const struct engine *e, const char *server)
{
	return consumer_of(e, servers_find(&e->servers, slice_of(server)));
}

/* The connection cannot be used any more; the driver drops it. */
static void give_up(struct engine *e, int error, struct slice why)
{
	size_t n = why.n < sizeof(e->why) ? why.n : sizeof(e->why) - 1;

	/* never cut within a character */
	while (n > 0 && n < why.n && (why.p[n] & 0xc0) == 0x80)
		n--;
	if (n)
		memcpy(e->why, why.p, n);
	e->why[n] = '\0';
	e->state = ENGINE_BROKEN;
	e->error = error;
}

void engine_give_up(struct engine *e, int error, const char *words)
{
	give_up(e, error, slice_of(words));
}

/* ---- connections ------------------------------------------------------- */

bool engine_wants_connection(const struct engine *e, uint64_t now)
{
	return e->state == ENGINE_DOWN && now >= e->retry_at;
}

void engine_connect_now(struct engine *e)
{
	e->retry_at = 0;
}

static void discard_input(struct engine *e)
{
	message_fini(&e->message);
	message_init(&e->message, PROTOCOL_OPS_END);
	e->text = SLICE_NULL;
	e->own_frame_size = 0;
	buf_clear(&e->own_frames);
	frame_reader_fini(&e->in);
	frame_reader_init(&e->in, PROTOCOL_FRAME_MAX);
}

int engine_connected(struct engine *e, uint64_t now)
{
	int r = outgoing_hello(&e->outgoing, slice_of(e->name[0] ? e->name : NULL), &e->hello_id);

	if (r)
		return r;
	e->state = ENGINE_GREETING;
	e->greeting_deadline = now + GREETING_MS;
	e->error = 0;
	return 0;
}

/* xorshift: good enough to spread processes over time */
static uint64_t below(struct engine *e, uint64_t n)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 7;
	e->random ^= e->random << 17;
	return e->random % n;
}

/*
 * The first attempt after a good connection needs no pause, unless the daemon asked for one: when the
 * daemon restarts, systemd keeps the socket open and queues our new connection. Later attempts wait.
 */
static bool may_return_at_once(const struct engine *e)
{
	return e->was_up && e->pauses == 0 && e->retry_hint == UINT64_MAX &&
	       (e->error == COMETD_E_SHUTDOWN || e->error == COMETD_E_DISCONNECTED);
}

static uint64_t next_pause(struct engine *e)
{
	uint64_t full = PAUSE_FIRST_MS << (e->pauses < 6 ? e->pauses : 6);
	bool at_once = may_return_at_once(e);

	e->pauses++;
	if (at_once)
		return 0;
	if (e->retry_hint < PAUSE_MAX_MS)
		return e->retry_hint + below(e, PAUSE_FIRST_MS);
	if (full > PAUSE_MAX_MS)
		full = PAUSE_MAX_MS;
	return full / 2 + below(e, full / 2 + 1);
}

void engine_disconnected(struct engine *e, uint64_t now, int error)
{
	if (e->was_up && now - e->up_since >= GOOD_MS)
		e->pauses = 0;
	if (e->state != ENGINE_BROKEN) {
		e->error = error;
		e->why[0] = '\0';
	}
	e->state = ENGINE_DOWN;
	e->failures++;
	uint64_t pause = next_pause(e);
	e->was_up = false;
	e->retry_hint = UINT64_MAX;
	e->retry_at = now + pause;
	discard_input(e);
	outgoing_lost(&e->outgoing);
	if (!e->down_reported) {
		e->down_due = e->down_reported = true;
		e->reported_retry = (int64_t)pause;
	}
}

/* ---- bytes ------------------------------------------------------------- */

int engine_room(struct engine *e, size_t want, char **ret, size_t *ret_n)
{
	return frame_room(&e->in, want, ret, ret_n);
}

void engine_filled(struct engine *e, size_t n)
{
	frame_filled(&e->in, n);
}

int engine_output(struct engine *e, uint64_t now, struct slice *ret)
{
	int r = 0;

	if (e->state == ENGINE_UP)
		r = outgoing_fill(&e->outgoing, now);
	*ret = e->state == ENGINE_BROKEN ? SLICE_NULL : buf_slice(&e->outgoing.out);
	return ret->n ? 0 : r;
}

void engine_written(struct engine *e, size_t n)
{
	outgoing_written(&e->outgoing, n);
}

bool engine_has_output(const struct engine *e)
{
	const struct outgoing *o = &e->outgoing;

	if (e->state == ENGINE_UP && outgoing_ready(o))
		return true;
	return (e->state == ENGINE_UP || e->state == ENGINE_GREETING) && buf_len(&o->out) > 0;
}

/* ---- time -------------------------------------------------------------- */

uint64_t engine_deadline(const struct engine *e)
{
	uint64_t deadline = e->outgoing.expiry;

	if (e->outgoing.done.first || e->up_due || e->down_due || e->text.p ||
	    e->state == ENGINE_BROKEN)
		return 0;
	if (e->state == ENGINE_DOWN && e->retry_at < deadline)
		deadline = e->retry_at;
	if (e->state == ENGINE_GREETING && e->greeting_deadline < deadline)
		deadline = e->greeting_deadline;
	return deadline;
}

void engine_tick(struct engine *e, uint64_t now)
{
	outgoing_expire(&e->outgoing, now);
	if (e->state == ENGINE_GREETING && now >= e->greeting_deadline)
		give_up(e, COMETD_E_TIMEOUT, SLICE("the daemon did not reply to hello"));
}

/* ---- requests ---------------------------------------------------------- */

int engine_request(struct engine *e, struct request *r)
{
	return outgoing_add(&e->outgoing, r, e->state == ENGINE_UP);
}

int engine_cancel(struct engine *e, cometd_result_fn fn, void *user)
{
	return outgoing_cancel(&e->outgoing, fn, user);
}

void engine_fail_all(struct engine *e, int error)
{
	outgoing_fail_all(&e->outgoing, error);
}

/* ---- frames of the daemon ---------------------------------------------- */

/* the frame was handled and has nothing for the application */
#define NOTHING 1

static int on_refused_greeting(struct engine *e)
{
	struct message_error error = {.code = PROTOCOL_E_INTERNAL};
	struct buf scratch;
	int r = 0;

	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	if (message_has(&e->message, PROTOCOL_FIELD_ERROR))
		r = message_get_error(e->message.error, &scratch, &error);
	if (r >= 0)
		give_up(e, error_of_protocol(error.code), error.message);
	buf_fini(&scratch);
	return r < 0 ? -ENOMEM : NOTHING;
}

static int read_window(const struct json_value *limits, uint64_t *ret)
{
	struct json_field requests = {.name = "requests"};
	int r = limits->kind == JSON_OBJECT ?
		json_read_object(limits->raw, &requests, 1, false, NULL) : 1;

	if (!r)
		json_u64(&requests.value, ret); /* unchanged where the daemon sent none */
	return r < 0 ? -ENOMEM : 0;
}

static int on_greeting(struct engine *e, uint64_t now)
{
	struct json_field f[] = {{.name = "version"}, {.name = "servers"}, {.name = "limits"}};
	uint64_t version, window = COMETD_MAX_REQUESTS;

	if (!e->message.ok)
		return on_refused_greeting(e);
	int r = e->message.result.p ? json_read_object(e->message.result, f, 3, false, NULL) : 1;
	if (r < 0)
		return -ENOMEM;
	if (r > 0 || json_u64(&f[0].value, &version) || version < PROTOCOL_VERSION_MIN ||
	    version > PROTOCOL_VERSION_MAX) {
		give_up(e, COMETD_E_VERSION, SLICE_NULL);
		return NOTHING;
	}
	if (read_window(&f[2].value, &window))
		return -ENOMEM;
	r = f[1].value.kind == JSON_ARRAY ?
		servers_replace(&e->servers, f[1].value.raw, &e->own_frames) : 0;
	if (r == -ENOMEM)
		return r;
	if (r) {
		give_up(e, COMETD_E_PROTOCOL, SLICE("an invalid reply to hello"));
		return NOTHING;
	}
	e->state = ENGINE_UP;
	e->up_since = now;
	e->was_up = true;
	e->up_due = true;
	e->up_gap = resume_begin(&e->outgoing.wanted, &e->servers);
	e->down_reported = false;
	outgoing_up(&e->outgoing, window);
	return NOTHING;
}

/* The reply to a repeated subscribe belongs to no request. NOTHING also if the request has ended. */
static int on_repeated(struct engine *e)
{
	int r = repeated_reply(&e->outgoing, &e->message, &e->own_frames);

	if (r == -ENOMEM)
		return r;
	if (r)
		give_up(e, COMETD_E_PROTOCOL, SLICE("an error that is too large"));
	return NOTHING;
}

static int on_result(struct engine *e, struct request *r, struct engine_item *ret)
{
	struct server *server = servers_find(&e->servers, r->server);

	if (r->op == PROTOCOL_OP_SUBSCRIBE && r->durable.p && e->message.ok &&
	    durable_attached(server, r->durable, e->message.result))
		return -ENOMEM;
	if (event_result_of_reply(&e->message, r->op, &e->texts, &ret->result))
		return -ENOMEM;
	ret->is_result = true;
	ret->sends = !request_repeatable(r);
	ret->fn = r->fn;
	ret->user = r->user;
	servers_reach(server, ret->result.seq);
	if (r->op == PROTOCOL_OP_SUBSCRIBE)
		outgoing_confirmed(&e->outgoing, r->server, false, r->channel, !ret->result.pending, ret->result.seq);
	outgoing_end(&e->outgoing, &e->outgoing.flight, r, ret->result.error);
	return 0;
}

static int on_reply(struct engine *e, uint64_t now, struct engine_item *ret)
{
	uint64_t id = e->message.id;
	struct request *request = request_find(&e->outgoing.flight, id);
	int r;

	if (e->state == ENGINE_GREETING)
		return id == e->hello_id ? on_greeting(e, now) : NOTHING;
	r = request ? on_result(e, request, ret) : on_repeated(e);
	if (r >= 0)
		outgoing_replied(&e->outgoing);
	return r;
}

static int on_closing(struct engine *e)
{
	const struct message *m = &e->message;

	give_up(e, error_of_protocol(protocol_error_of(m->code)), m->reason);
	if (message_has(m, PROTOCOL_FIELD_RETRY_IN))
		e->retry_hint = m->retry_in;
	return NOTHING;
}

/* An application learns once for each connection and server that messages may be missing. */
static int note_gap(struct server *server)
{
	if (server->gap_reported)
		return NOTHING;
	server->gap_reported = true;
	return 0;
}

/* Whether the event is new to the application: as far as the consumer concerned, all others are. */
static bool note_durable(struct server *server, struct cometd_event *event)
{
	bool redelivered = false, new = true;

	if (event->type == COMETD_EVENT_MESSAGE)
		new = durable_message(server, event->seq, &redelivered);
	else if (event->count > 0)
		new = durable_loss(server, event->last);
	event->redelivered = redelivered;
	return new;
}

/* The position of a message or loss, and with it where the channels continue. */
static int note_position(struct engine *e, struct cometd_event *event)
{
	struct server *server = servers_find(&e->servers, slice_of(event->server ? event->server : ""));
	bool durable = consumer_of(e, server).p != NULL;

	if (!server)
		return 0;
	if (durable && !note_durable(server, event))
		return NOTHING;
	if (event->type == COMETD_EVENT_LOST && event->count == 0 && !durable)
		return event->channel ? 0 : note_gap(server);
	if (event->type == COMETD_EVENT_MESSAGE &&
	    !resume_message(&e->outgoing.wanted, server, slice_of(event->channel), event->seq))
		return NOTHING;
	if (event->type == COMETD_EVENT_LOST)
		resume_loss(server, event->last);
	if (position_known(&server->newest))
		event->epoch = server->newest.epoch;
	return 0;
}

static int note_state(struct engine *e, struct cometd_event *event)
{
	const struct position newest = position_of(slice_of(event->epoch ? event->epoch : ""), event->seq);
	int r = servers_note(&e->servers, event->server, event->state, &newest);

	event->is_default = servers_is_default(&e->servers, event->server);
	return r;
}

static void note_subscription(struct engine *e, const struct cometd_event *event)
{
	struct slice server = slice_of(event->server ? event->server : ""), channel = slice_of(event->channel);
	bool is_default = servers_is_default(&e->servers, event->server);

	servers_reach(servers_find(&e->servers, server), event->error ? 0 : event->seq);
	outgoing_confirmed(&e->outgoing, server, is_default, channel, !event->error, event->seq);
	if (event->error && !event->pending)
		outgoing_refused(&e->outgoing, server, is_default, channel, event->error);
}

static int on_event(struct engine *e, struct engine_item *ret)
{
	struct cometd_event *event = &ret->event;
	int r = event_of_message(&e->message, e->text, &e->texts, event);

	if (r)
		return r;
	switch (event->type) {
	case COMETD_EVENT_SUBSCRIPTION:
		note_subscription(e, event);
		return 0;
	case COMETD_EVENT_STATE:
		return note_state(e, event);
	case COMETD_EVENT_MESSAGE:
	case COMETD_EVENT_LOST:
		return note_position(e, event);
	case COMETD_EVENT_UP:
	case COMETD_EVENT_DOWN:
		break;
	}
	return 0;
}

static int on_message(struct engine *e, uint64_t now, struct engine_item *ret)
{
	if (e->message.op == PROTOCOL_OP_REPLY)
		return on_reply(e, now, ret);
	if (e->message.op == PROTOCOL_OP_CLOSING)
		return on_closing(e);
	if (e->state == ENGINE_UP)
		return on_event(e, ret);
	give_up(e, COMETD_E_PROTOCOL, SLICE("the first frame of the daemon is not the reply to hello"));
	return NOTHING;
}

/* Reads e->text. 0 with an item, NOTHING, or -ENOMEM and then it may be read again. */
static int read_text(struct engine *e, uint64_t now, struct engine_item *ret)
{
	char why[160] = "";
	int r;

	message_fini(&e->message);
	r = message_decode(e->text, PROTOCOL_FROM_DAEMON, &e->message, why, sizeof(why));
	if (r < 0)
		return -ENOMEM;
	/* an event of a newer daemon, or a row of the reply to hello that makes no valid event */
	if (r == MESSAGE_E_OP || (r && e->own_frame_size))
		return NOTHING;
	if (r) {
		give_up(e, COMETD_E_PROTOCOL, slice_of(why));
		return NOTHING;
	}
	r = on_message(e, now, ret);
	return r > 0 ? NOTHING : r;
}

/* The next text: our own frames first, because they are older. */
static int next_text(struct engine *e)
{
	struct slice s;

	buf_consume(&e->own_frames, e->own_frame_size);
	e->own_frame_size = 0;
	s = buf_slice(&e->own_frames);
	if (s.n) {
		const unsigned char *p = (const unsigned char *)s.p;
		size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

		e->text = slice_make(s.p + PROTOCOL_PREFIX, n);
		e->own_frame_size = PROTOCOL_PREFIX + n;
		return 0;
	}
	int r = frame_next(&e->in, &e->text);
	if (r == 0)
		return 0;
	e->text = SLICE_NULL;
	if (r == FRAME_E_AGAIN)
		return ENGINE_E_IDLE;
	give_up(e, COMETD_E_PROTOCOL, SLICE("a frame of invalid length"));
	return ENGINE_E_BROKEN;
}

/* ---- results and events for the application ---------------------------- */

bool engine_next_result(struct engine *e, struct engine_item *ret)
{
	struct request *r = e->outgoing.done.first;

	if (!r)
		return false;
	ret->is_result = true;
	ret->sends = !request_repeatable(r);
	event_result_of_error(r->error, &ret->result);
	ret->result.pending = r->pending;
	ret->fn = r->fn;
	ret->user = r->user;
	if (r->op == PROTOCOL_OP_SUBSCRIBE)
		outgoing_confirmed(&e->outgoing, r->server, false, r->channel, !ret->result.pending, ret->result.seq);
	outgoing_end(&e->outgoing, &e->outgoing.done, r, 0);
	return true;
}

static bool next_connection_event(struct engine *e, struct engine_item *ret)
{
	if (e->down_due) {
		e->down_due = false;
		ret->event = (struct cometd_event){
			.type = COMETD_EVENT_DOWN, .error = e->error, .retry_in = e->reported_retry,
			.text = e->why[0] ? e->why : cometd_strerror(e->error)};
		return true;
	}
	if (e->up_due) {
		e->up_due = false;
		ret->event = (struct cometd_event){
			.type = COMETD_EVENT_UP, .gap = e->up_gap, .retry_in = -1};
		return true;
	}
	return false;
}

int engine_next(struct engine *e, uint64_t now, struct engine_item *ret)
{
	int r;

	*ret = (struct engine_item){0};
	for (;;) {
		if (engine_next_result(e, ret) || next_connection_event(e, ret))
			return 0;
		if (e->state == ENGINE_BROKEN)
			return ENGINE_E_BROKEN;
		if (!e->text.p) {
			r = next_text(e);
			if (r)
				return r;
		}
		r = read_text(e, now, ret);
		if (r < 0)
			return r;
		e->text = SLICE_NULL;
		if (r == 0)
			return 0;
	}
}
