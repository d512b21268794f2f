/*
 * Any conversation of the client's engine with a daemon: each line is something
 * that happens, by its first byte, and a text for it. Whatever a daemon sends: the
 * output is complete frames of valid JSON, every request ends once, and the engine comes
 * to rest.
 */
#include "libclient/engine.h"
#include "libclient/request.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/engine";

enum { REQUESTS_MAX = 64, TURN_MAX = 10000 };

struct play {
	struct engine *e;
	uint64_t now;
	bool connected;
	struct frame_reader out;
	unsigned asked, ended[REQUESTS_MAX];
};

static void on_result(struct cometd *c, const struct cometd_result *result, void *user)
{
	(void)c;
	(void)result;
	(void)user;
}

static void lose(struct play *p)
{
	p->connected = false;
	engine_disconnected(p->e, p->now, COMETD_E_DISCONNECTED);
	frame_reader_fini(&p->out);
	frame_reader_init(&p->out, PROTOCOL_REQUEST_MAX);
}

static int take_items(struct play *p)
{
	struct engine_item item;
	unsigned n = 0;
	int r;

	while ((r = engine_next(p->e, p->now, &item)) == 0) {
		FUZZ_CHECK(++n < TURN_MAX);
		if (item.is_result && item.fn)
			FUZZ_CHECK(++*(unsigned *)item.user == 1);
	}
	FUZZ_CHECK(r == ENGINE_E_IDLE || r == ENGINE_E_BROKEN);
	return r;
}

static void check_frames(struct play *p)
{
	struct slice body;
	int r;

	while ((r = frame_next(&p->out, &body)) == 0) {
		struct message m;
		char why[160];

		FUZZ_CHECK(message_decode(body, PROTOCOL_FROM_PEER, &m, why, sizeof(why)) == 0);
		message_fini(&m);
	}
	FUZZ_CHECK(r == FRAME_E_AGAIN);
}

static void take_output(struct play *p)
{
	struct slice out;
	unsigned n = 0;

	while (p->connected && engine_output(p->e, p->now, &out) == 0 && out.n) {
		char *to;
		size_t room;

		FUZZ_CHECK(++n < TURN_MAX);
		FUZZ_CHECK(frame_room(&p->out, out.n, &to, &room) == 0);
		if (room > out.n)
			room = out.n;
		memcpy(to, out.p, room);
		frame_filled(&p->out, room);
		engine_written(p->e, room);
		check_frames(p);
	}
}

static void turn(struct play *p)
{
	if (take_items(p) == ENGINE_E_BROKEN && p->connected) {
		lose(p);
		take_items(p);
	}
	if (!p->connected && engine_wants_connection(p->e, p->now))
		p->connected = engine_connected(p->e, p->now) == 0;
	take_output(p);
}

static void feed(struct play *p, struct slice bytes)
{
	while (bytes.n && p->connected && engine_state(p->e) != ENGINE_BROKEN) {
		char *to;
		size_t n;

		FUZZ_CHECK(engine_room(p->e, bytes.n, &to, &n) == 0);
		if (n > bytes.n)
			n = bytes.n;
		memcpy(to, bytes.p, n);
		engine_filled(p->e, n);
		bytes = slice_drop(bytes, n);
	}
}

static void say(struct play *p, struct slice text)
{
	const char prefix[] = {0, 0, (char)(text.n >> 8), (char)text.n};

	if (text.n >= 1u << 16)
		return;
	feed(p, slice_make(prefix, sizeof(prefix)));
	feed(p, text);
}

static void ask(struct play *p, enum protocol_op op, struct slice channel, struct slice data)
{
	struct request_parts parts = {.channel = channel, .data = data};
	struct request *r;

	if (p->asked == REQUESTS_MAX || request_new(op, &parts, &r))
		return;
	r->deadline = p->now + 5000;
	r->fn = on_result;
	r->user = &p->ended[p->asked];
	if (engine_request(p->e, r) == 0)
		p->asked++;
}

static void happen(struct play *p, char what, struct slice text)
{
	uint64_t deadline = engine_deadline(p->e);

	switch (what) {
	case '<':
		say(p, text);
		break;
	case 'r':       /* raw bytes */
		feed(p, text);
		break;
	case 'l':
		if (p->connected)
			lose(p);
		break;
	case 't':
		p->now = deadline == UINT64_MAX || deadline < p->now ? p->now + 1000 : deadline;
		engine_tick(p->e, p->now);
		break;
	case '+':
		ask(p, PROTOCOL_OP_SUBSCRIBE, text, SLICE_NULL);
		break;
	case '-':
		ask(p, PROTOCOL_OP_UNSUBSCRIBE, text, SLICE_NULL);
		break;
	case 'p':
		ask(p, PROTOCOL_OP_PUBLISH, SLICE("/x"), text);
		break;
	case 'c':
		ask(p, PROTOCOL_OP_CALL, SLICE("/service/x"), text);
		break;
	case '?':
		ask(p, PROTOCOL_OP_PING, SLICE_NULL, SLICE_NULL);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct play p = {.now = 1000000};
	struct slice rest = slice_make(data, n);

	FUZZ_CHECK(engine_new(1, &p.e) == 0);
	frame_reader_init(&p.out, PROTOCOL_REQUEST_MAX);
	turn(&p);
	while (rest.n) {
		const char *end = memchr(rest.p, '\n', rest.n);
		struct slice line = slice_take(rest, end ? (size_t)(end - rest.p) : rest.n);

		if (line.n)
			happen(&p, line.p[0], slice_drop(line, 1));
		turn(&p);
		rest = slice_drop(rest, line.n + 1);
	}
	engine_fail_all(p.e, COMETD_E_DISCONNECTED);
	take_items(&p);
	for (unsigned i = 0; i < p.asked; i++)
		FUZZ_CHECK(p.ended[i] == 1);
	frame_reader_fini(&p.out);
	engine_free(p.e);
	return 0;
}
