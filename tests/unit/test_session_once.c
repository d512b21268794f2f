/*
 * Each message of the server is delivered exactly once, over cuts, slow disks and kills at any point. The server here
 * keeps its messages until they are acknowledged, or retains them with ids, as servers do. The disk has what was
 * delivered together with the session's snapshot, written some time ago: a process that is killed goes on from there.
 */
#include "tests/unit/testing.h"

#include "bayeux/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 4000
#define STEPS 1000

enum mode { ACK_POLLING, ACK_WEBSOCKET, REPLAY_POLLING };

/* what a process that begins now finds on the disk */
struct disk {
	struct buf snapshot;
	bool delivered[MESSAGES];
	uint64_t counted;               /* session_delivered() of the process that wrote it */
	bool any;
};

struct run {
	enum mode mode;
	uint64_t random, seed, now;
	struct session_options o;
	struct session *s;
	unsigned kills, cuts, repeats_sent, held;
	/* the server */
	unsigned sent;                  /* messages, numbered from 0 */
	unsigned batch_of[MESSAGES];    /* in which it was queued */
	unsigned acked, first, batch;   /* first: of those that it still keeps */
	bool queued[MESSAGES];          /* with replay: to be written next */
	bool subscribed;
	/* the answer that is being read, over HTTP or in frames */
	struct buf answer;
	size_t read, ends[64], n_ends, frame;
	uint64_t answered;              /* its batch */
	bool answering;
	/* the commands' answer */
	bool subscribing;
	uint64_t commands;
	struct buf reply;
	/* this process */
	bool delivered[MESSAGES];
	struct disk disk, writing;
};

static unsigned roll(struct run *r, unsigned n)
{
	r->random = r->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->random >> 33) % n;
}

#define REQUIRE(r, condition, ...)                                                                 \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error(__VA_ARGS__);                                                  \
			fail_msg("mode %d, seed %" PRIu64 ": %s", (r)->mode, (r)->seed, #condition); \
		}                                                                                  \
	} while (0)

/* Neighbours look alike with acknowledgements: they are counted, and not compared. */
static unsigned content(const struct run *r, unsigned message)
{
	return r->mode == REPLAY_POLLING ? 3 * message + 1 : message / 3;
}

/* ---- what is delivered ---- */

static unsigned next_expected(const struct run *r)
{
	unsigned i = 0;

	while (i < r->sent && r->delivered[i])
		i++;
	return i;
}

static void deliver(struct run *r, const struct session_event *e)
{
	struct slice data = e->envelope->data;
	const char *digits = data.p[0] == '{' ? (const char *)memmem(data.p, data.n, "Id\":", 4) + 4 : data.p;
	unsigned got = (unsigned)strtoul(digits, NULL, 10), message = next_expected(r);

	if (r->mode == REPLAY_POLLING)
		message = got / 3;
	REQUIRE(r, message < r->sent, "%u of %u\n", message, r->sent);
	REQUIRE(r, got == content(r, message), "got %u, expected %u (message %u)\n", got, content(r, message), message);
	REQUIRE(r, !r->delivered[message], "message %u twice\n", message);
	r->delivered[message] = true;
}

static void take_events(struct run *r)
{
	struct session_event e;
	int result;

	while ((result = session_next(r->s, r->now, &e)) == 0)
		if (e.kind == SESSION_EVENT_MESSAGE)
			deliver(r, &e);
		else if (e.kind == SESSION_EVENT_ABORT)
			r->answering = r->subscribing = false;
	assert_int_equal(result, SESSION_E_NONE);
}

/* One event, and perhaps the process ends before it asks for the next. */
static void take_some_events(struct run *r)
{
	struct session_event e;

	for (unsigned n = roll(r, 3); n && session_next(r->s, r->now, &e) == 0; n--)
		if (e.kind == SESSION_EVENT_MESSAGE)
			deliver(r, &e);
		else if (e.kind == SESSION_EVENT_ABORT)
			r->answering = r->subscribing = false;
}

/* ---- the disk ---- */

static void put(struct run *r)
{
	uint64_t until;
	struct disk *d = &r->writing;

	buf_clear(&d->snapshot);
	int result = session_save(r->s, r->now, &d->snapshot, &until);
	if (result == SESSION_E_NONE)
		return;
	assert_int_equal(result, 0);
	memcpy(d->delivered, r->delivered, sizeof(d->delivered));
	d->counted = session_delivered(r->s);
	d->any = true;
}

static void commit(struct run *r)
{
	if (!r->writing.any)
		return;
	buf_clear(&r->disk.snapshot);
	assert_int_equal(buf_put(&r->disk.snapshot, buf_slice(&r->writing.snapshot)), 0);
	memcpy(r->disk.delivered, r->writing.delivered, sizeof(r->disk.delivered));
	r->disk.any = true;
	r->writing.any = false;
	session_hold_ack(r->s, r->writing.counted);
}

static void begin(struct run *r)
{
	assert_int_equal(session_new(&r->o, (struct wake){0}, &r->s), 0);
	session_wall_clock(r->s, r->now, r->now);
	if (r->disk.any)
		assert_int_equal(session_restore(r->s, r->now, buf_slice(&r->disk.snapshot), false), 0);
	memcpy(r->delivered, r->disk.delivered, sizeof(r->delivered));
	session_hold_ack(r->s, 0);
	assert_int_equal(session_want(r->s, SLICE("/e"), 1), 0);
	session_start(r->s, r->now);
	take_events(r);
}

static void kill_process(struct run *r)
{
	if (!r->disk.any)
		return;
	r->kills++;
	session_free(r->s);
	r->answering = r->subscribing = r->writing.any = false;
	r->now += roll(r, 200);
	begin(r);
}

/* ---- the server ---- */

static void put_message(struct run *r, struct buf *out, unsigned i)
{
	if (r->mode == REPLAY_POLLING)
		buf_printf(out, "{\"channel\":\"/e\",\"data\":{\"event\":{\"replayId\":%u}}}", content(r, i));
	else
		buf_printf(out, "{\"channel\":\"/e\",\"data\":%u}", content(r, i));
}

/* Over a WebSocket, messages come one by one. */
static void end_message(struct run *r, bool last)
{
	bool frames = r->mode == ACK_WEBSOCKET;

	if (frames || last)
		buf_putc(&r->answer, ']');
	else
		buf_putc(&r->answer, ',');
	if (frames || last)
		r->ends[r->n_ends++] = buf_len(&r->answer);
	if (frames && !last)
		buf_putc(&r->answer, '[');
}

static void begin_answer(struct run *r, uint64_t batch)
{
	buf_clear(&r->answer);
	buf_putc(&r->answer, '[');
	r->read = r->n_ends = r->frame = 0;
	r->answered = r->mode == ACK_WEBSOCKET ? 0 : batch;
	r->answering = true;
}

static void forget_acknowledged(struct run *r, unsigned ack)
{
	REQUIRE(r, ack < r->batch, "%u\n", ack);
	for (; r->first < r->sent && r->batch_of[r->first] <= ack; r->first++)
		REQUIRE(r, r->disk.delivered[r->first], "message %u is not on the disk yet\n", r->first);
	if (ack < r->batch - 1 && r->first < r->sent)
		r->repeats_sent++;
}

static void answer_connect(struct run *r, struct slice text, uint64_t batch)
{
	const char *ack = memmem(text.p, text.n, "\"ack\":", 6);

	begin_answer(r, batch);
	if (r->mode != REPLAY_POLLING)
		forget_acknowledged(r, (unsigned)strtoul(ack + 6, NULL, 10));
	for (unsigned i = r->first, n = 0; i < r->sent && n < 50; i++) {
		if (r->mode == REPLAY_POLLING && !r->queued[i])
			continue;
		r->queued[i] = false;
		put_message(r, &r->answer, i);
		end_message(r, false);
		n++;
	}
	buf_printf(&r->answer, "{\"channel\":\"/meta/connect\",\"successful\":true");
	if (r->mode != REPLAY_POLLING)
		buf_printf(&r->answer, ",\"ext\":{\"ack\":%u}", r->batch);
	buf_printf(&r->answer, "}");
	r->batch++;
	end_message(r, true);
}

static void answer_handshake(struct run *r, uint64_t batch)
{
	begin_answer(r, batch);
	buf_printf(&r->answer,
		   "{\"channel\":\"/meta/handshake\",\"successful\":true,\"clientId\":\"c1\",\"minimumVersion\":\"1.0\",\"supportedConnectionTypes\":"
		   "[\"long-polling\",\"websocket\"],\"ext\":{\"%s\":true}}", r->mode == REPLAY_POLLING ? "replay" : "ack");
	end_message(r, true);
}

/* Without acknowledgements, each answer brings what is queued. */
static void compose_reply(struct run *r)
{
	buf_clear(&r->reply);
	buf_printf(&r->reply, "[{\"channel\":\"/meta/subscribe\",\"subscription\":\"/e\",\"successful\":true}");
	for (unsigned i = 0; r->mode == REPLAY_POLLING && i < r->sent; i++)
		if (r->queued[i]) {
			buf_putc(&r->reply, ',');
			put_message(r, &r->reply, i);
			r->queued[i] = false;
		}
	buf_putc(&r->reply, ']');
}

/* Everything retained after that id comes once more. */
static void subscribe(struct run *r, struct slice text, uint64_t batch)
{
	const char *after = memmem(text.p, text.n, "\"/e\":", 5);
	long id = after ? strtol(after + 5, NULL, 10) : -1;

	for (unsigned i = 0; r->mode == REPLAY_POLLING && i < r->sent; i++)
		r->queued[i] |= id == -2 || (id >= 0 && content(r, i) > (unsigned)id);
	r->subscribed = r->subscribing = true;
	r->commands = r->mode == ACK_WEBSOCKET ? 0 : batch;
	compose_reply(r);
}

static bool contains(struct slice text, const char *part)
{
	return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static void answer_commands(struct run *r)
{
	r->subscribing = false;
	assert_int_equal(session_feed(r->s, r->now, r->commands, buf_slice(&r->reply)), 0);
	take_events(r);
	if (r->commands)
		session_batch_end(r->s, r->now, r->commands);
	else
		session_text_end(r->s, r->now);
}

static void send_batches(struct run *r)
{
	struct session_batch b;
	struct buf out;

	buf_init(&out, 1 << 20);
	take_events(r);
	while (session_take_batch(r->s, r->now, &out, &b) == 0) {
		struct slice text = buf_slice(&out);
		if (b.kind == SESSION_BATCH_CONNECT)
			answer_connect(r, text, b.id);
		else if (b.kind == SESSION_BATCH_HANDSHAKE)
			answer_handshake(r, b.id);
		else if (contains(text, "/meta/subscribe"))
			subscribe(r, text, b.id);
		buf_clear(&out);
		take_events(r);
	}
	buf_fini(&out);
}

/* A piece of the answer arrives, perhaps its end. */
static void receive(struct run *r)
{
	size_t end = r->ends[r->frame], n = roll(r, 200) + 1;

	if (!r->answering)
		return;
	if (n > end - r->read || roll(r, 4) == 0)
		n = end - r->read;
	struct slice piece = slice_make(buf_slice(&r->answer).p + r->read, n);
	assert_int_equal(session_feed(r->s, r->now, r->answered, piece), 0);
	r->read += n;
	take_some_events(r);
	/* a snapshot in the middle of a piece */
	if (roll(r, 3) == 0)
		put(r);
	take_events(r);
	if (!r->answering || r->read < end)
		return;
	r->answering = ++r->frame < r->n_ends;
	if (r->answered)
		session_batch_end(r->s, r->now, r->answered);
	else
		session_text_end(r->s, r->now);
}

static void cut(struct run *r)
{
	const struct session_failure f = {.kind = SESSION_BROKEN, .reason = SLICE("cut")};

	if (!r->answering)
		return;
	r->cuts++;
	r->answering = false;
	if (r->answered) {
		session_batch_failed(r->s, r->now, r->answered, &f);
	} else {
		r->subscribing = false;
		session_closed(r->s, r->now, &f);
	}
}

static void publish(struct run *r)
{
	for (unsigned n = roll(r, 4); n && r->sent < MESSAGES && (r->mode == REPLAY_POLLING || r->sent - r->first < 20) && r->subscribed; n--) {
		r->batch_of[r->sent] = r->batch;
		r->queued[r->sent++] = true;
	}
}

static void pass_time(struct run *r)
{
	uint64_t at = session_deadline(r->s);
	struct session_info info;

	session_info(r->s, &info);
	if (!r->answering && info.state == SESSION_CONNECTED && at > r->now && at <= r->now + SESSION_HOLD_MS)
		r->held++;
	/* the server answers at once, so no deadline of a request matters */
	if (at > r->now && at <= r->now + 5000)
		r->now = at;
	session_tick(r->s, r->now);
}

static void step(struct run *r)
{
	unsigned what = roll(r, 100);

	if (what < 40)
		receive(r);
	else if (what < 60)
		publish(r);
	else if (what < 70)
		put(r);
	else if (what < 80)
		commit(r);
	else if (what < 82)
		kill_process(r);
	else if (what < 85)
		cut(r);
	else if (what < 92 && r->subscribing)
		answer_commands(r);
	else
		pass_time(r);
	send_batches(r);
}

/* Without faults, all that was sent arrives. */
static void finish(struct run *r)
{
	for (unsigned i = 0; i < 20000 && next_expected(r) < r->sent; i++) {
		receive(r);
		if (r->subscribing)
			answer_commands(r);
		put(r);
		commit(r);
		if (!r->answering)
			pass_time(r);
		send_batches(r);
	}
	REQUIRE(r, next_expected(r) == r->sent, "%u of %u\n", next_expected(r), r->sent);
}

static void run_init(struct run *r, enum mode mode, uint64_t seed)
{
	*r = (struct run){.mode = mode, .seed = seed, .random = seed * 7919 + 1, .now = 1000000, .batch = 1};
	session_options_default(&r->o);
	r->o.transports[0] = mode == ACK_WEBSOCKET ? SESSION_WEBSOCKET : SESSION_LONG_POLLING;
	r->o.n_transports = 1;
	r->o.ack = mode != REPLAY_POLLING;
	r->o.replay = mode == REPLAY_POLLING ? SESSION_REPLAY_ALL : SESSION_REPLAY_OFF;
	buf_init(&r->answer, 1 << 20);
	buf_init(&r->reply, 1 << 20);
	buf_init(&r->disk.snapshot, 1 << 20);
	buf_init(&r->writing.snapshot, 1 << 20);
}

static void run_fini(struct run *r)
{
	session_free(r->s);
	buf_fini(&r->answer);
	buf_fini(&r->reply);
	buf_fini(&r->disk.snapshot);
	buf_fini(&r->writing.snapshot);
}

/* $ONCE_RUNS, or 60 */
static unsigned runs(void)
{
	const char *value = getenv("ONCE_RUNS");

	return value ? (unsigned)strtoul(value, NULL, 10) : 60;
}

static void run_mode(enum mode mode)
{
	const unsigned n = runs();
	struct run *r = malloc(sizeof(*r));
	unsigned kills = 0, cuts = 0, repeats = 0, messages = 0, held = 0;

	assert_non_null(r);
	for (uint64_t seed = 0; seed < n; seed++) {
		run_init(r, mode, seed);
		begin(r);
		for (unsigned i = 0; i < STEPS; i++)
			step(r);
		finish(r);
		kills += r->kills, cuts += r->cuts, repeats += r->repeats_sent, messages += r->sent, held += r->held;
		run_fini(r);
	}
	print_message("%u messages, %u kills, %u cuts, %u repeated batches, %u held connects\n", messages, kills, cuts,
		      repeats, held);
	assert_true(kills > n && cuts > n && messages > 30 * n);
	assert_true(mode == REPLAY_POLLING || (repeats > n && held > n / 2));
	free(r);
}

static void with_acknowledgements_over_long_polling(void **state)
{
	(void)state;
	run_mode(ACK_POLLING);
}

static void with_acknowledgements_over_a_websocket(void **state)
{
	(void)state;
	run_mode(ACK_WEBSOCKET);
}

static void with_replay(void **state)
{
	(void)state;
	run_mode(REPLAY_POLLING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_acknowledgements_over_long_polling),
		cmocka_unit_test(with_acknowledgements_over_a_websocket),
		cmocka_unit_test(with_replay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
