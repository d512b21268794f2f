/*
 * Any conversation with a session: each line is something that happens, by its
 * first byte, and a text for it. Whatever a server sends at any time: the output is
 * JSON, every publish and call ends once, freed texts are not accessed, and neither events
 * nor batches are endless.
 */
#include "bayeux/session.h"
#include "protocol/json_read.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/session";

enum { PUBLISHES_MAX = 64, BATCHES_MAX = 64, TURN_MAX = 10000 };

struct play {
	struct session *s;
	uint64_t now;
	bool websocket;                 /* the last batch went there */
	uint64_t batches[BATCHES_MAX];  /* of HTTP, not ended yet */
	size_t n_batches;
	unsigned published, ended[PUBLISHES_MAX];
};

static void ignore_wake(void *ctx)
{
	(void)ctx;
}

static int ignore(void *ctx, const struct json_value *value)
{
	(void)ctx;
	(void)value;
	return 0;
}

static void forget_batch(struct play *p, uint64_t id)
{
	for (size_t i = 0; i < p->n_batches; i++)
		if (p->batches[i] == id || id == 0)
			p->batches[i--] = p->batches[--p->n_batches];
}

static void take_event(struct play *p, const struct session_event *e)
{
	if (e->kind == SESSION_EVENT_OUTCOME) {
		FUZZ_CHECK(e->cookie < p->published);
		FUZZ_CHECK(++p->ended[e->cookie] == 1);
	} else if (e->kind == SESSION_EVENT_MESSAGE) {
		FUZZ_CHECK(json_read_object(e->envelope->raw, NULL, 0, false, NULL) == 0);
	} else if (e->kind == SESSION_EVENT_ABORT) {
		forget_batch(p, e->batch);
	} else if (e->kind == SESSION_EVENT_UNAUTHORIZED) {
		session_authorized(p->s, p->now);
	}
	FUZZ_CHECK(e->kind == SESSION_EVENT_MESSAGE || utf8_valid(e->text));
}

static void take_events(struct play *p)
{
	struct session_event e;
	unsigned n = 0;

	while (session_next(p->s, p->now, &e) == 0) {
		FUZZ_CHECK(++n < TURN_MAX);
		take_event(p, &e);
	}
}

/* A turn as a driver does it. */
static void turn(struct play *p)
{
	struct session_batch batch;
	struct buf out;
	unsigned n = 0;

	buf_init(&out, 1u << 20);
	take_events(p);
	while (session_take_batch(p->s, p->now, &out, &batch) == 0) {
		FUZZ_CHECK(++n < TURN_MAX && batch.requests > 0);
		FUZZ_CHECK(json_read_array(buf_slice(&out), ignore, NULL) == 0);
		p->websocket = batch.transport == SESSION_WEBSOCKET;
		if (!p->websocket) {
			FUZZ_CHECK(p->n_batches < BATCHES_MAX);
			p->batches[p->n_batches++] = batch.id;
		}
		buf_clear(&out);
		take_events(p);
	}
	buf_fini(&out);
}

/* one of the exchanges under way; 0 over a WebSocket, or when there is none */
static uint64_t exchange(const struct play *p, unsigned which)
{
	return p->websocket || !p->n_batches ? 0 : p->batches[which % p->n_batches];
}

/* from a copy, so that sanitizers detect a later access */
static void feed(struct play *p, uint64_t batch, struct slice text)
{
	char *copy = malloc(text.n + 1);

	FUZZ_CHECK(copy);
	memcpy(copy, text.p, text.n);
	if (session_feed(p->s, p->now, batch, slice_make(copy, text.n)) == 0)
		take_events(p);
	free(copy);
	/* one message in three goes on with the next */
	if (batch == 0 && text.n % 3)
		session_text_end(p->s, p->now);
}

static void fail(struct play *p, struct slice how)
{
	struct session_failure f = {.kind = SESSION_BROKEN, .reason = how};
	uint64_t batch = exchange(p, 0);

	if (how.n) {
		f.kind = (unsigned char)how.p[0] % 3;
		f.unsupported = how.p[0] & 4;
		f.unreadable = how.p[0] & 8;
		f.http_status = how.p[0] & 16 ? 401 : how.p[0] & 32 ? 503 : 0;
		f.reason = utf8_valid(how) ? how : SLICE("x");
	}
	if (batch) {
		forget_batch(p, batch);
		session_batch_failed(p->s, p->now, batch, &f);
	} else {
		session_closed(p->s, p->now, &f);
	}
}

static void publish(struct play *p, bool call)
{
	if (p->published == PUBLISHES_MAX ||
	    session_publish(p->s, p->now, call ? SLICE("/service/x") : SLICE("/x/y"),
			    SLICE("{\"a\":1}"), SLICE_NULL, call, p->now + 10000, 0,
			    p->published))
		return;
	p->published++;
}

static struct slice channel_of(struct slice text)
{
	static const char *const channels[] = {"/x/y", "/x/*", "/x/**", "/z"};

	return slice_of(channels[text.n % 4]);
}

static void happen(struct play *p, char what, struct slice text)
{
	uint64_t deadline = session_deadline(p->s);

	switch (what) {
	case '<':       /* the newest exchange, '(' the oldest */
	case '(':
		feed(p, exchange(p, what == '(' ? 0 : (unsigned)p->n_batches - 1), text);
		break;
	case '.':
	case ')':
		if (p->n_batches) {
			uint64_t id = p->batches[what == ')' ? 0 : p->n_batches - 1];
			forget_batch(p, id);
			session_batch_end(p->s, p->now, id);
		}
		break;
	case '!':
		fail(p, text);
		break;
	case 't':
		p->now = deadline == UINT64_MAX || deadline < p->now ? p->now + 1000 : deadline;
		session_tick(p->s, p->now);
		break;
	case 'p':
	case 'c':
		publish(p, what == 'c');
		break;
	case '+':
		session_want(p->s, channel_of(text), 0);
		break;
	case '-':
		session_unwant(p->s, channel_of(text));
		break;
	case 's':
		session_stop(p->s, p->now);
		break;
	}
}

static struct session *make(unsigned char how)
{
	struct session_options o;
	struct session *s;

	session_options_default(&o);
	o.transports[0] = how & 1 ? SESSION_LONG_POLLING : SESSION_WEBSOCKET;
	o.transports[1] = how & 1 ? SESSION_WEBSOCKET : SESSION_LONG_POLLING;
	o.n_transports = how & 2 ? 1 : 2;
	o.replay = how & 4 ? SESSION_REPLAY_RESUME : SESSION_REPLAY_OFF;
	o.timesync = o.binary = how & 8;
	o.expand_client_id = how & 16;
	o.credentials = how & 32;
	o.overlap = how & 64 ? SESSION_OVERLAP_AUTO : SESSION_OVERLAP_COVERING;
	o.seed = 1;
	FUZZ_CHECK(session_new(&o, (struct wake){ignore_wake, NULL}, &s) == 0);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct play p = {.now = 1000000, .s = make(n ? data[0] : 0)};
	struct slice rest = slice_drop(slice_make(data, n), 1);

	session_want(p.s, SLICE("/x/y"), 0);
	session_start(p.s, p.now);
	turn(&p);
	while (rest.n) {
		const char *end = memchr(rest.p, '\n', rest.n);
		struct slice line = slice_take(rest, end ? (size_t)(end - rest.p) : rest.n);

		if (line.n)
			happen(&p, line.p[0], slice_drop(line, 1));
		turn(&p);
		rest = slice_drop(rest, line.n + 1);
	}
	session_stop(p.s, p.now);
	for (int i = 0; i < 3; i++) {
		turn(&p);
		p.now += 60000;
		session_tick(p.s, p.now);
	}
	turn(&p);
	for (unsigned i = 0; i < p.published; i++)
		FUZZ_CHECK(p.ended[i] == 1);
	session_free(p.s);
	return 0;
}
