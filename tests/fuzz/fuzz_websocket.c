/*
 * Any bytes as what a server sends on an open WebSocket. The connection is in
 * memory: this file replaces net/ws_dial.h and net/stream.h. The first byte selects whether
 * compression was agreed, how much the connection accepts at once, and whether we send
 * texts.
 *
 * However the bytes are divided, the texts and the end are the same; the end is reported
 * once, and last; we only send masked frames that RFC 6455 allows.
 */
#include "base/fault.h"
#include "net/websocket.h"
#include "net/ws_dial.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/websocket";

enum { INPUTS_MAX = 1 << 20, OUT_MAX = 1 << 22, WRITES = 7 };

/* ---- the connection ---- */

struct stream {
	struct slice left;              /* what the server still sends; then it is over */
	size_t chunk;                   /* bytes of one read at most */
	bool slow;                      /* takes few bytes at a time, and blocks in between */
	bool blocked;
	unsigned watched;
	struct stream_events events;
	struct buf out;
};

struct ws_dial {
	void (*done)(void *ctx, struct ws_dialled *d);
	void *ctx;
};

static struct stream stream;
static struct ws_dial dial;

int ws_dial_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
		const struct url *url, const struct ws_offer *offer,
		void (*done)(void *ctx, struct ws_dialled *d), void *ctx, struct fault *why,
		struct ws_dial **ret)
{
	(void)loop, (void)curl, (void)client, (void)url, (void)offer, (void)why;
	dial = (struct ws_dial){done, ctx};
	*ret = &dial;
	return 0;
}

void ws_dial_free(struct ws_dial *d)
{
	(void)d;
}

void stream_free(struct stream *s)
{
	(void)s;
}

void stream_take_over(struct stream *s, const struct stream_events *events)
{
	s->events = *events;
}

int stream_read(struct stream *s, struct buf *in, size_t max)
{
	size_t n = s->left.n < s->chunk ? s->left.n : s->chunk;
	char *to;

	if (n > max)
		n = max;
	if (n > in->max - buf_len(in))
		n = in->max - buf_len(in);
	if (s->left.n == 0)
		return -EPIPE;
	if (n == 0)
		return -EAGAIN;
	FUZZ_CHECK(buf_room(in, n, &to) == 0);
	memcpy(to, s->left.p, n);
	buf_grown(in, n);
	s->left = slice_drop(s->left, n);
	return 0;
}

int stream_write(struct stream *s, struct buf *out)
{
	size_t n = buf_len(out);

	if (s->slow && n > WRITES)
		n = WRITES;
	if (s->slow && s->blocked)
		n = 0;
	s->blocked = !s->blocked;
	FUZZ_CHECK(buf_put(&s->out, slice_take(buf_slice(out), n)) == 0);
	buf_consume(out, n);
	return buf_len(out) ? -EAGAIN : 0;
}

const char *stream_reason(const struct stream *s)
{
	(void)s;
	return "the server closed the connection";
}

int stream_watch(struct stream *s, unsigned events)
{
	s->watched = events;
	return 0;
}

/* ---- what came ---- */

struct outcome {
	uint64_t sum;                   /* of all whole texts */
	unsigned texts, closes;
	unsigned close_code;
	bool unreadable;
};

static uint64_t add(uint64_t sum, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		sum = (sum ^ (unsigned char)s.p[i]) * 1099511628211u;
	return sum;
}

/* All that is there now. */
static void take_all(struct websocket *ws, struct outcome *o, uint64_t *sum)
{
	struct websocket_input in;
	unsigned n = 0;

	while (websocket_next(ws, &in) == 0) {
		FUZZ_CHECK(++n < INPUTS_MAX && o->closes == 0);
		if (in.kind == WEBSOCKET_PIECE) {
			*sum = add(*sum, in.piece);
		} else if (in.kind == WEBSOCKET_TEXT_END) {
			o->texts++;
			o->sum = *sum = add(*sum, SLICE("\n"));
		} else {
			o->closes++;
			o->close_code = in.end->close_code;
			o->unreadable = in.end->unreadable;
			FUZZ_CHECK(in.end->opened && in.end->reason.n > 0);
		}
	}
}

/* ---- what was sent ---- */

static size_t length_of(struct slice frame, size_t *ret_header)
{
	const unsigned char *p = (const unsigned char *)frame.p;
	size_t n = p[1] & 127, bytes = n == 126 ? 2 : n == 127 ? 8 : 0;

	FUZZ_CHECK(frame.n >= 2 + bytes + 4);
	if (bytes)
		n = 0;
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | p[2 + i];
	FUZZ_CHECK(n > (bytes == 2 ? 125 : bytes == 8 ? 65535 : 0) || bytes == 0);
	*ret_header = 2 + bytes + 4;
	return n;
}

/* Whole frames, but for the last one. */
static void check_sent(struct slice out, bool compressed)
{
	bool closed = false;

	while (out.n >= 14) {
		unsigned first = (unsigned char)out.p[0], op = first & 15;
		size_t header, n = length_of(out, &header);

		FUZZ_CHECK(!closed && (first & 0x80) && (out.p[1] & 0x80));
		FUZZ_CHECK((first & 0x30) == 0 && (!(first & 0x40) || (compressed && op == 1)));
		FUZZ_CHECK(op == 1 || op == 8 || op == 9 || op == 10);
		FUZZ_CHECK(op == 1 || n <= 125);
		closed = op == 8;
		out = slice_drop(out, header + n);
	}
}

/* ---- a run ---- */

static void ignore(void *ctx)
{
	(void)ctx;
}

static struct loop *the_loop(void)
{
	static struct loop *loop;

	if (!loop)
		FUZZ_CHECK(loop_new(&loop) == 0);
	return loop;
}

static void play(struct slice bytes, size_t chunk, unsigned how, struct outcome *ret)
{
	const struct websocket_events events = {.ready = ignore, .received = ignore};
	struct ws_dialled dialled = {.stream = &stream};
	struct websocket_options o;
	struct websocket *ws;
	struct fault why;
	uint64_t sum = 0;
	unsigned n = 0;

	stream = (struct stream){.left = bytes, .chunk = chunk, .slow = how & 2};
	buf_init(&stream.out, OUT_MAX);
	websocket_options_default(&o);
	o.compression = how & 1;
	FUZZ_CHECK(websocket_new(the_loop(), NULL, NULL, NULL, &o, &events, &why, &ws) == 0);
	if (how & 1)
		dialled.deflate = (struct ws_deflate_terms){
			.agreed = true, .bits_in = 15, .bits_out = 15};
	buf_init(&dialled.rest, 1 << 16);
	dial.done(dial.ctx, &dialled);
	while (ret->closes == 0) {
		/* as long as anything comes or can leave */
		FUZZ_CHECK(++n < INPUTS_MAX);
		take_all(ws, ret, &sum);
		if (ret->closes)
			break;
		if (how & 4 && n < 4)
			websocket_send(ws, SLICE("[{\"channel\":\"/a\",\"data\":{\"text\":\"aaaaaaa\"}}]"));
		FUZZ_CHECK(loop_turn(the_loop(), false) == 0);
		if (stream.events.ready)
			stream.events.ready(stream.events.ctx, LOOP_READ | LOOP_WRITE);
	}
	websocket_free(ws);
	FUZZ_CHECK(loop_turn(the_loop(), false) == 0);
	check_sent(buf_slice(&stream.out), how & 1);
	buf_fini(&stream.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice bytes = slice_drop(slice_make(data, n), 1);
	unsigned how = n ? data[0] : 0;
	struct outcome whole = {0}, cut = {0};

	play(bytes, SIZE_MAX, how, &whole);
	play(bytes, 1 + (how >> 3) % 4, how, &cut);
	FUZZ_CHECK(whole.texts == cut.texts && whole.sum == cut.sum);
	FUZZ_CHECK(whole.unreadable == cut.unreadable);
	return 0;
}
