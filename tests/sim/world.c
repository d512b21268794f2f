/*
 * The drivers are played by the world: it moves bytes between the library and the hub, as many at a time as the
 * script says, and calls ticks when their time has come.
 */
#include "tests/sim/world.h"

#include "bayeux/channel.h"
#include "hub/hub.h"
#include "libclient/engine.h"
#include "libclient/request.h"
#include "local/wire_in.h"
#include "local/wire_out.h"
#include "protocol/frame.h"
#include "protocol/json_write.h"
#include "protocol/message.h"
#include "tests/unit/session_model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define PUBLISHES_MAX 4096
#define NEVER UINT64_MAX
/* a missing message is reported this long after a later one was received, at the latest (ms) */
#define GRACE 20000
/* Once connected, a program renews its subscriptions, and the daemon those at the server: a gap that is reported at
   the beginning counts that much longer (ms). */
#define RENEWAL 2000
/* how long the channels of a program that left stay subscribed, where they do (ms) */
#define LINGER 5000
#define ALL_BYTES SIZE_MAX
#define READ_MS 100
/* some messages, so that slow readers lose some */
#define OUTBOX_BYTES 1100
/* the number of messages is what limits */
#define HISTORY_BYTES (1 << 20)

/* what the server sent */
struct sent {
	uint64_t number;                /* the data of the message */
	unsigned channel;               /* index in model_channels; the concrete name is in `name` */
	char name[16];
	uint64_t at;
	uint64_t missing_since;         /* the server had no subscription for it since then; NEVER: it had one */
	uint64_t seq;                   /* in the hub; 0: it did not get there */
};

/* of one program and one message */
struct due {
	unsigned expected;              /* a bit for each of its subscriptions that brings the message */
	bool received, excused;
	uint64_t noticed;               /* when a later message was received; 0: not yet */
};

struct program {
	struct world *world;
	unsigned number;
	struct engine *engine;
	struct member member;
	bool connected, greeted;
	struct frame_reader in;         /* of the daemon */
	size_t read_max;                /* bytes, each READ_MS */
	size_t readable;                /* of these now, until `reads_at` */
	uint64_t reads_at;
	bool wants[MODEL_CHANNELS], confirmed[MODEL_CHANNELS];
	bool wanted[MODEL_CHANNELS];    /* at some time: what is under way arrives after an unsubscribe */
	struct due due[PUBLISHES_MAX];
	size_t newest;                  /* received, as an index plus 1 */
	uint64_t gap_at;                /* the last report of a gap */
	unsigned published;
};

/* who waits for the result of a request */
struct ask {
	struct program *program;
	unsigned channel;
	unsigned cookie;                /* of a publish */
	bool subscribes;
	bool current;                   /* the program has not ended since */
};

struct world {
	struct model model;
	const struct world_script *script;
	struct world_counts *counts;
	struct hub *hub;
	struct hub_server *server;
	uint64_t unix_base;
	struct sent sent[PUBLISHES_MAX];
	size_t n_sent;
	uint64_t epoch;                 /* of the daemon */
	uint64_t uncovered[MODEL_CHANNELS];     /* since when the server does not send these; NEVER: it does */
	struct program programs[WORLD_PROGRAMS];
	struct ask asks[2 * WORLD_ACTIONS + 64];
	size_t n_asks;
	signed char outcome[MODEL_PUBLISHES];
	unsigned cookies;
};

static void broken(const struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
static void broken(const struct world *w, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "at %" PRIu64 " ms: ", w->model.now - 1000000);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	_Exit(1);
}

/* The order in maps is that of a random key: here always the same one. */
ssize_t __wrap_getrandom(void *to, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t n, unsigned flags)
{
	(void)flags;
	memset(to, 7, n);
	return (ssize_t)n;
}

#define CHECK(w, condition)                                                                        \
	do {                                                                                       \
		if (!(condition))                                                                  \
			broken(w, "%s:%d: %s", __FILE__, __LINE__, #condition);                    \
	} while (0)

static uint64_t unix_ms(const struct world *w)
{
	return 1700000000000 + w->model.now;
}

/* ---- what each program is entitled to ---- */

/* Which of the subscriptions bring the channel: a bit for each. */
static unsigned matching(const bool channels[MODEL_CHANNELS], const char *name)
{
	unsigned found = 0;

	for (unsigned c = 0; c < MODEL_CHANNELS; c++)
		if (channels[c] && channel_matches(slice_of(model_channels[c]), slice_of(name)))
			found |= 1u << c;
	return found;
}

static void expect(struct world *w, size_t k)
{
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++) {
		struct program *p = &w->programs[i];

		p->due[k].expected = matching(p->confirmed, w->sent[k].name);
		/* the report of an interruption counts till its end */
		p->due[k].excused = w->sent[k].missing_since != NEVER &&
			p->gap_at + RENEWAL >= w->sent[k].missing_since;
	}
}

/* What it no longer asks for need not arrive. */
static void expect_less(struct program *p, unsigned channel)
{
	for (size_t k = 0; k < p->world->n_sent; k++)
		if (!p->due[k].received)
			p->due[k].expected &= ~(1u << channel);
}

/* Messages sent since then may be missing. */
static void excuse_gap(struct program *p)
{
	const struct world *w = p->world;

	p->gap_at = w->model.now;
	for (size_t k = 0; k < w->n_sent; k++)
		if (!p->due[k].received)
			p->due[k].excused = true;
}

/* What matches the pattern may be missing. */
static void excuse_channel(struct program *p, const char *pattern)
{
	const struct world *w = p->world;

	for (size_t k = 0; k < w->n_sent; k++)
		if (!p->due[k].received && channel_matches(slice_of(pattern), slice_of(w->sent[k].name)))
			p->due[k].excused = true;
}

static void excuse_lost(struct program *p, uint64_t first, uint64_t last, uint64_t count)
{
	const struct world *w = p->world;
	uint64_t n = 0;

	w->counts->lost += count;
	for (size_t k = 0; k < w->n_sent; k++) {
		if (w->sent[k].seq < first || w->sent[k].seq > last || p->due[k].received)
			continue;
		/* of those that a gap has reported, some were never for it */
		n += p->due[k].expected && !p->due[k].excused;
		p->due[k].excused = true;
	}
	CHECK(w, count >= n && count <= last - first + 1);
}

static void receive(struct program *p, uint64_t number)
{
	struct world *w = p->world;
	size_t k = 0;

	while (k < w->n_sent && w->sent[k].number != number)
		k++;
	CHECK(w, k < w->n_sent && matching(p->wanted, w->sent[k].name));
	if (p->due[k].received)
		broken(w, "program %u got %s %" PRIu64 " twice", p->number, w->sent[k].name, number);
	if (k < p->newest)
		broken(w, "program %u got %s %" PRIu64 " after a later one", p->number, w->sent[k].name, number);
	p->due[k].received = true;
	p->newest = k + 1;
	w->counts->received++;
	while (k-- > 0)
		if (p->due[k].expected && !p->due[k].received && !p->due[k].noticed)
			p->due[k].noticed = w->model.now;
}

static void check_program(struct program *p, bool end)
{
	const struct world *w = p->world;
	struct session_info info;
	bool healthy;

	session_info(w->model.s, &info);
	healthy = info.state == SESSION_CONNECTED && engine_state(p->engine) == ENGINE_UP && p->read_max == ALL_BYTES;
	for (size_t k = 0; k < w->n_sent; k++) {
		struct due *d = &p->due[k];

		if (!d->expected || d->received || d->excused)
			continue;
		if (end || (d->noticed && w->model.now - d->noticed > GRACE))
			broken(w, "program %u: %s %" PRIu64 " (seq %" PRIu64 "), sent at %" PRIu64 ", is missing and not reported",
			       p->number, w->sent[k].name, w->sent[k].number, w->sent[k].seq,
			       w->sent[k].at - 1000000);
		if (d->noticed && !healthy)
			d->noticed = w->model.now;
	}
}

/* ---- the server's side ---- */

static void note_coverage(struct world *w)
{
	for (unsigned c = 0; c < MODEL_CHANNELS; c++) {
		bool covered = w->model.session && w->model.subscribed[c];

		if (covered)
			w->uncovered[c] = NEVER;
		else if (w->uncovered[c] == NEVER)
			w->uncovered[c] = w->model.now;
	}
}

/* Since when no subscription at the server includes the channel; NEVER when one does. */
static uint64_t missing_since(const struct world *w, const char *name)
{
	uint64_t since = 0;

	for (unsigned c = 0; c < MODEL_CHANNELS; c++) {
		if (!channel_matches(slice_of(model_channels[c]), slice_of(name)))
			continue;
		if (w->uncovered[c] == NEVER)
			return NEVER;
		if (w->uncovered[c] > since)
			since = w->uncovered[c];
	}
	return since;
}

static void server_publishes(struct world *w, unsigned channel)
{
	const char *pattern = model_channels[channel];
	struct sent *s = &w->sent[w->n_sent];

	if (w->n_sent == PUBLISHES_MAX)
		return;
	snprintf(s->name, sizeof(s->name), "%.*s%s", (int)strcspn(pattern, "*"), pattern,
		 strchr(pattern, '*') ? "y" : "");
	note_coverage(w);
	s->at = w->model.now;
	s->missing_since = missing_since(w, s->name);
	s->channel = channel;
	s->number = channel ? 1000000000 + w->model.other + 1 : w->model.seq + 1;
	expect(w, w->n_sent++);
	w->counts->messages++;
	model_publish(&w->model, channel);
}

static void note_seq(struct world *w, const struct session_event *e)
{
	uint64_t number = strtoull(e->envelope->data.p, NULL, 10);

	for (size_t k = 0; k < w->n_sent; k++)
		if (w->sent[k].number == number)
			w->sent[k].seq = hub_server_seq(w->server);
}

static void on_session_event(struct model *m, const struct session_event *e)
{
	struct world *w = m->ctx;

	hub_handle_event(w->hub, w->server, e, m->now, unix_ms(w));
	if (e->kind == SESSION_EVENT_MESSAGE)
		note_seq(w, e);
}

/* ---- the daemon ---- */

static void start_daemon(struct world *w)
{
	const struct hub_options ho = {.subscriptions_max = 64, .requests_max = 64, .message_max = 1 << 20};
	const struct hub_log_limits history = {.bytes = HISTORY_BYTES, .count = 40, .age = 60000};
	struct session_options o;

	session_options_default(&o);
	o.seed = w->script->seed + 1;
	o.transport_retry = 20000;
	o.in_flight_max = 8;
	o.batch_max = 400;
	CHECK(w, session_new(&o, (struct wake){0}, &w->model.s) == 0);
	CHECK(w, hub_new(&ho, &wire_out_encoder, &w->hub) == 0);
	CHECK(w, hub_add_server(w->hub, SLICE("s"), true, w->model.s, &w->server) == 0);
	/* no other daemon has this epoch */
	hub_set_position(w->server, ++w->epoch, 0);
	hub_set_history(w->server, &history, w->model.now);
	hub_set_linger(w->server, w->script->seed & 4 ? LINGER : 0);
	session_start(w->model.s, w->model.now);
	model_pull(&w->model);
}

static void drop(struct program *p);

static void kill_daemon(struct world *w)
{
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++)
		drop(&w->programs[i]);
	hub_remove_server(w->hub, w->server);
	hub_free(w->hub);
	session_free(w->model.s);
	model_disconnect(&w->model);
	for (size_t k = 0; k < w->n_sent; k++)
		w->sent[k].seq = 0;
}

/* ---- a local connection, seen by the daemon ---- */

static void greet(struct program *p, const struct message *m)
{
	struct world *w = p->world;
	struct hub_answer answer = {{0}, .call = false};
	struct json_write j;
	struct buf out;

	buf_init(&out, 1 << 16);
	json_write_init(&j, &out);
	json_object_begin(&j);
	json_key(&j, "version");
	json_put_u64(&j, 1);
	json_key(&j, "servers");
	json_array_begin(&j);
	json_object_begin(&j);
	wire_out_server(w->server, true, w->model.now, unix_ms(w), &j);
	json_object_end(&j);
	json_array_end(&j);
	json_object_end(&j);
	CHECK(w, json_write_done(&j) == 0);
	answer.result = buf_slice(&out);
	hub_reply(w->hub, &p->member, m->id, &answer);
	buf_fini(&out);
	CHECK(w, hub_add_member(w->hub, &p->member) == 0);
	p->greeted = true;
}

static void handle_frame(struct program *p, struct slice body)
{
	struct world *w = p->world;
	struct message m;
	char why[160];

	int r = message_decode(body, PROTOCOL_FROM_PEER, &m, why, sizeof(why));
	CHECK(w, r >= 0);
	if (r > 0)
		hub_refuse(w->hub, &p->member, m.id, PROTOCOL_E_BAD_REQUEST, slice_of(why));
	else if (m.op == PROTOCOL_OP_HELLO)
		greet(p, &m);
	else
		CHECK(w, wire_in_request(w->hub, &p->member, &m,
						    &(struct wire_in_time){w->model.now, 0}) == 0);
	message_fini(&m);
}

static void connect_program(struct program *p)
{
	CHECK(p->world, engine_connected(p->engine, p->world->model.now) == 0);
	p->member = (struct member){.id = 0};
	outbox_init(&p->member.outbox, OUTBOX_BYTES, wire_out_lost, (struct wake){0});
	frame_reader_init(&p->in, PROTOCOL_REQUEST_MAX);
	p->connected = true;
	p->greeted = false;
}

static void drop(struct program *p)
{
	if (!p->connected)
		return;
	if (p->greeted)
		hub_member_left(p->world->hub, &p->member, p->world->model.now);
	outbox_fini(&p->member.outbox);
	frame_reader_fini(&p->in);
	p->connected = p->greeted = false;
	engine_disconnected(p->engine, p->world->model.now, COMETD_E_DISCONNECTED);
}

/* Up to `max` bytes from the library to the daemon. Whether there were some. */
static bool write_some(struct program *p, size_t max)
{
	struct slice out, body;
	size_t room;
	char *to;

	if (engine_output(p->engine, p->world->model.now, &out) || !out.n)
		return false;
	CHECK(p->world, frame_room(&p->in, out.n < max ? out.n : max, &to, &room) == 0);
	room = room < out.n ? room : out.n;
	room = room < max ? room : max;
	memcpy(to, out.p, room);
	frame_filled(&p->in, room);
	engine_written(p->engine, room);
	while (frame_next(&p->in, &body) == 0)
		handle_frame(p, body);
	return true;
}

/* Up to `max` bytes from the daemon to the library. How many there were. */
static size_t read_some(struct program *p, size_t max)
{
	struct iovec iov;
	size_t n, room;
	char *to;

	CHECK(p->world, outbox_peek(&p->member.outbox, &iov, 1, &n) == 0);
	if (n == 0 || max == 0)
		return 0;
	n = iov.iov_len < max ? iov.iov_len : max;
	CHECK(p->world, engine_room(p->engine, n, &to, &room) == 0);
	n = n < room ? n : room;
	memcpy(to, iov.iov_base, n);
	engine_filled(p->engine, n);
	outbox_advance(&p->member.outbox, n);
	return n;
}

/* ---- a program ---- */

static struct ask *new_ask(struct program *p, unsigned channel, bool subscribes)
{
	struct world *w = p->world;
	struct ask *a = &w->asks[w->n_asks++];

	CHECK(w, w->n_asks < sizeof(w->asks) / sizeof(w->asks[0]));
	*a = (struct ask){.program = p, .channel = channel, .subscribes = subscribes, .current = true};
	return a;
}

static void on_result(struct cometd *c, const struct cometd_result *r, void *user)
{
	(void)c, (void)r, (void)user;
}

static int index_of(const char *channel)
{
	for (int c = 0; c < MODEL_CHANNELS; c++)
		if (strcmp(model_channels[c], channel) == 0)
			return c;
	return -1;
}

static void take_publish(struct world *w, const struct ask *a, const struct cometd_result *r)
{
	unsigned cookie = a->cookie;

	CHECK(w, w->outcome[cookie] < 0);
	w->outcome[cookie] = 1;
	if (r->error == 0)
		CHECK(w, w->model.processed[cookie] == 1);
	else if (r->error == COMETD_E_REFUSED)
		CHECK(w, w->model.refused[cookie] == 1 && w->model.processed[cookie] == 0);
	else if (r->error == COMETD_E_NOT_SENT)
		CHECK(w, w->model.refused[cookie] == 0 && w->model.processed[cookie] == 0);
}

/* SESSION_TRACE=1 shows this, too. */
static void trace(const struct program *p, const char *what, const char *text, int error, unsigned long long n)
{
	if (getenv("SESSION_TRACE"))
		fprintf(stderr, "%9" PRIu64 " program %u: %s %s, error %d, %llu\n", p->world->model.now - 1000000,
			p->number, what, text ? text : "", error, n);
}

static void take_result(struct program *p, const struct engine_item *item)
{
	struct ask *a = item->user;

	trace(p, "result", item->result.pending ? "pending" : "", item->result.error, a ? a->channel : 0);

	if (!a || !a->current || a->program != p)
		return;
	if (a->cookie != UINT32_MAX && !a->subscribes)
		take_publish(p->world, a, &item->result);
	else if (a->subscribes && item->result.error == 0)
		p->confirmed[a->channel] = p->wants[a->channel] && !item->result.pending;
}

static void take_event(struct program *p, const struct cometd_event *e)
{
	static const char *const names[] = {"", "message", "state", "subscription", "lost", "up", "down"};
	int c;

	trace(p, names[e->type], e->data ? e->data : e->channel ? e->channel : e->state_name, e->error,
	      e->gap ? 1 : e->count);
	switch (e->type) {
	case COMETD_EVENT_MESSAGE:
		receive(p, strtoull(e->data, NULL, 10));
		break;
	case COMETD_EVENT_LOST:
		if (e->count)
			excuse_lost(p, e->first, e->last, e->count);
		else if (e->channel)
			excuse_channel(p, e->channel);
		else
			excuse_gap(p);
		p->world->counts->gaps += e->count == 0;
		break;
	case COMETD_EVENT_SUBSCRIPTION:
		c = index_of(e->channel);
		CHECK(p->world, c >= 0);
		/* what was missed while the server refused it is reported by that */
		excuse_channel(p, e->channel);
		p->confirmed[c] = p->wants[c] && e->error == 0;
		break;
	case COMETD_EVENT_STATE:
	case COMETD_EVENT_UP:
		if (e->gap)
			excuse_gap(p);
		/* each state until it is connected has it */
		p->world->counts->gaps += e->gap && (e->type == COMETD_EVENT_UP || e->state == COMETD_STATE_CONNECTED);
		break;
	case COMETD_EVENT_DOWN:
		break;
	}
}

/* Whether the connection is still good. */
static bool take_items(struct program *p)
{
	struct engine_item item;
	int r;

	while ((r = engine_next(p->engine, p->world->model.now, &item)) == 0) {
		if (item.is_result && item.fn)
			take_result(p, &item);
		else if (!item.is_result)
			take_event(p, &item.event);
	}
	CHECK(p->world, r == ENGINE_E_IDLE || r == ENGINE_E_BROKEN);
	return r == ENGINE_E_IDLE;
}

static void ask(struct program *p, enum protocol_op op, const struct request_parts *parts, struct ask *a)
{
	struct request *r;

	CHECK(p->world, request_new(op, parts, &r) == 0);
	r->deadline = p->world->model.now + 60000;
	r->fn = on_result;
	r->user = a;
	/* too many at a time are refused here */
	if (engine_request(p->engine, r))
		a->current = false;
}

static void change_subscription(struct program *p, unsigned channel)
{
	const struct request_parts parts = {.channel = slice_of(model_channels[channel])};
	struct ask *a;

	p->wants[channel] = !p->wants[channel];
	p->wanted[channel] = true;
	a = new_ask(p, channel, p->wants[channel]);
	a->cookie = UINT32_MAX;
	if (!p->wants[channel]) {
		p->confirmed[channel] = false;
		expect_less(p, channel);
		/* the answer to an earlier subscribe says nothing any more */
		for (size_t i = 0; i + 1 < p->world->n_asks; i++)
			if (p->world->asks[i].program == p && p->world->asks[i].channel == channel &&
			    p->world->asks[i].cookie == UINT32_MAX)
				p->world->asks[i].current = false;
	}
	ask(p, p->wants[channel] ? PROTOCOL_OP_SUBSCRIBE : PROTOCOL_OP_UNSUBSCRIBE, &parts, a);
}

static void program_publishes(struct program *p)
{
	struct world *w = p->world;
	char data[16];
	struct ask *a;
	int n;

	if (w->cookies == MODEL_PUBLISHES)
		return;
	n = snprintf(data, sizeof(data), "%u", w->cookies);
	const struct request_parts parts = {.channel = SLICE("/pub"), .data = slice_make(data, (size_t)n)};

	a = new_ask(p, 0, false);
	a->cookie = w->cookies++;
	w->outcome[a->cookie] = -1;
	ask(p, PROTOCOL_OP_PUBLISH, &parts, a);
	if (!a->current)
		w->outcome[a->cookie] = 1;
}

static void start_program(struct program *p)
{
	CHECK(p->world, engine_new(p->world->script->seed + p->number, &p->engine) == 0);
	p->read_max = ALL_BYTES;
}

static void end_program(struct program *p)
{
	struct world *w = p->world;
	unsigned number = p->number;

	drop(p);
	engine_free(p->engine);
	for (size_t i = 0; i < w->n_asks; i++)
		if (w->asks[i].program == p) {
			w->asks[i].current = false;
			if (w->asks[i].cookie != UINT32_MAX && !w->asks[i].subscribes)
				w->outcome[w->asks[i].cookie] = 1;
		}
	memset(p, 0, sizeof(*p));
	p->world = w;
	p->number = number;
	start_program(p);
}

/* Whether anything was read. */
static bool read_slowly(struct program *p, uint64_t now)
{
	size_t n;

	if (now >= p->reads_at || p->read_max == ALL_BYTES) {
		p->readable = p->read_max;
		p->reads_at = now + READ_MS;
	}
	n = read_some(p, p->readable);
	p->readable -= n;
	return n > 0;
}

/* Moves what there is to be moved. Whether anything was. */
static bool turn(struct program *p)
{
	uint64_t now = p->world->model.now;
	bool moved = false;

	if (!take_items(p)) {
		drop(p);
		take_items(p);
		moved = true;
	}
	if (!p->connected && engine_wants_connection(p->engine, now)) {
		connect_program(p);
		moved = true;
	}
	if (!p->connected)
		return moved;
	moved |= write_some(p, SIZE_MAX);
	if (p->connected && p->greeted && hub_can_read(&p->member)) {
		hub_read(&p->member);
		moved = true;
	}
	if (p->connected && read_slowly(p, now))
		moved = true;
	if (p->connected && p->member.outbox.overrun) {
		drop(p);
		moved = true;
	}
	return moved;
}

static void cut(struct program *p, unsigned n)
{
	if (!p->connected)
		return;
	if (engine_state(p->engine) != ENGINE_BROKEN) {
		write_some(p, n + 1);
		read_some(p, n);
	}
	if (p->connected)
		take_items(p);
	drop(p);
	p->world->counts->faults++;
}

/* ---- time ---- */

static void turn_all(struct world *w)
{
	bool moved = true;

	for (unsigned rounds = 0; moved; rounds++) {
		CHECK(w, rounds < 100000);
		moved = false;
		for (unsigned i = 0; i < WORLD_PROGRAMS; i++)
			moved |= turn(&w->programs[i]);
		model_pull(&w->model);
	}
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++)
		check_program(&w->programs[i], false);
	note_coverage(w);
}

static bool waits_to_read(const struct program *p)
{
	return p->connected && p->read_max > 0 && p->read_max != ALL_BYTES && !outbox_empty(&p->member.outbox);
}

static uint64_t next_time(const struct world *w)
{
	uint64_t at = model_next(&w->model), hub = hub_deadline(w->server);

	at = hub < at ? hub : at;
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++) {
		uint64_t engine = engine_deadline(w->programs[i].engine);

		at = engine < at ? engine : at;
		if (waits_to_read(&w->programs[i]) && w->programs[i].reads_at < at)
			at = w->programs[i].reads_at;
	}
	return at;
}

static void pass_time(struct world *w, uint64_t ms)
{
	uint64_t end = w->model.now + ms;
	unsigned still = 0;

	turn_all(w);
	while (w->model.now < end) {
		uint64_t before = w->model.now, at = next_time(w);

		model_step(&w->model, at < end ? at : end);
		if (hub_deadline(w->server) <= w->model.now)
			hub_tick(w->hub, w->server, w->model.now, unix_ms(w));
		for (unsigned i = 0; i < WORLD_PROGRAMS; i++)
			engine_tick(w->programs[i].engine, w->model.now);
		turn_all(w);
		still = w->model.now == before ? still + 1 : 0;
		CHECK(w, still < 1000);
	}
}

/* ---- the script ---- */

static void act(struct world *w, const struct world_action *a)
{
	struct program *p = &w->programs[a->program % WORLD_PROGRAMS];

	switch ((enum world_action_kind)a->kind) {
	case WORLD_PUBLISH:
		server_publishes(w, a->n % MODEL_CHANNELS);
		return;
	case WORLD_SUBSCRIBE:
		change_subscription(p, a->n % MODEL_CHANNELS);
		return;
	case WORLD_SEND:
		program_publishes(p);
		return;
	case WORLD_CUT:
		cut(p, a->n);
		return;
	case WORLD_READ:
		p->read_max = a->n == 255 ? ALL_BYTES : a->n;
		break;
	case WORLD_END:
		end_program(p);
		break;
	case WORLD_RESTART:
		kill_daemon(w);
		start_daemon(w);
		break;
	case WORLD_EXPIRE:
		model_expire(&w->model);
		break;
	case WORLD_KICK:
		model_kick(&w->model);
		break;
	case WORLD_CLOSE:
		model_close_socket(&w->model);
		break;
	case WORLD_WEBSOCKET:
		w->model.no_websocket = !w->model.no_websocket;
		return;
	case WORLD_TROUBLE:
		w->model.trouble = a->n;
		break;
	}
	w->counts->faults++;
}

/* Nothing goes wrong any more: all that is due must be there, or have been reported. */
static void settle(struct world *w)
{
	w->model.trouble = 0;
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++)
		w->programs[i].read_max = ALL_BYTES;
	pass_time(w, 200000);
	for (unsigned c = 0; c < MODEL_CHANNELS; c++)
		server_publishes(w, c);
	pass_time(w, 30000);
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++) {
		const struct program *p = &w->programs[i];

		CHECK(w, engine_state(p->engine) == ENGINE_UP);
		for (unsigned c = 0; c < MODEL_CHANNELS; c++)
			CHECK(w, p->confirmed[c] == p->wants[c]);
		check_program(&w->programs[i], true);
		/* the last ones were sent when all was well; the queue may still be too small for them */
		for (size_t k = w->n_sent - MODEL_CHANNELS; k < w->n_sent; k++)
			if (matching(p->wants, w->sent[k].name) ? !p->due[k].received && !p->due[k].excused
							     : p->due[k].received)
				broken(w, "program %u: %s %" PRIu64 " (seq %" PRIu64 "), the last one, was %sreceived",
				       p->number, w->sent[k].name, w->sent[k].number, w->sent[k].seq,
				       p->due[k].received ? "" : "not ");
	}
	for (unsigned i = 0; i < w->cookies; i++)
		CHECK(w, w->outcome[i] >= 0);
}

void world_play(const struct world_script *script, struct world_counts *counts)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	model_init(&w->model, script->seed);
	w->model.ctx = w;
	w->model.tell = on_session_event;
	w->model.ack = script->seed & 1;
	w->model.no_websocket = script->seed & 2;
	w->script = script;
	w->counts = counts;
	start_daemon(w);
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++) {
		w->programs[i].world = w;
		w->programs[i].number = i;
		start_program(&w->programs[i]);
	}
	for (size_t i = 0; i < script->n; i++) {
		pass_time(w, script->actions[i].pause);
		act(w, &script->actions[i]);
		turn_all(w);
	}
	settle(w);
	for (unsigned i = 0; i < WORLD_PROGRAMS; i++) {
		drop(&w->programs[i]);
		engine_free(w->programs[i].engine);
	}
	kill_daemon(w);
	model_fini(&w->model);
	free(w);
	counts->runs++;
}
