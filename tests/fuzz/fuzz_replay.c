/*
 * The order of retained events, and the markers in memory, under any sequence of what a session reports:
 * subscribes asked, answered, lost, put off; texts that begin and end; events with any ids; new
 * sessions. Each line is one step, by its first byte.
 *
 * Every event ends in one way: it is delivered at once, it is held and delivered once later, or it is
 * dropped because its id is not beyond what was seen or asked for. Nothing stays held once all
 * subscribes are answered and no answer to commands is awaited.
 */
#include "bayeux/replay_order.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/replay";

enum { CHANNELS = 3, IDS = 100, STEPS_MAX = 400, HELD_MAX = 400 };

static const char *const channels[CHANNELS] = {"/a", "/b?x>1", "/c"};

struct play {
	struct replay_order order;
	struct replay_store *store;
	uint64_t text;
	unsigned wants[CHANNELS];
	unsigned held[CHANNELS][IDS];   /* copies to be delivered */
	unsigned left[CHANNELS][IDS];   /* that may still be delivered: their turn had come already */
	int seen[CHANNELS];             /* the highest id that came or was asked for */
};

static struct slice name_of(int c)
{
	return slice_of(channels[c]);
}

static struct replay_id id_of(int n)
{
	struct replay_id id;

	snprintf(id.text, sizeof(id.text), "%d", n);
	return id;
}

static void deliver(struct play *p, int c, int n)
{
	struct replay_id id = id_of(n);
	const struct replay_id *newest;

	replay_order_delivered(&p->order, name_of(c), &id);
	newest = replay_order_newest(&p->order, name_of(c));
	if (newest) {
		FUZZ_CHECK(replay_id_is(newest));
		FUZZ_CHECK(p->store->put(p->store, name_of(c), newest) == 0);
	}
}

static void take(struct play *p, int c, int n)
{
	struct replay_id id = id_of(n);
	char raw[64];
	int r;

	snprintf(raw, sizeof(raw), "{\"c\":%d,\"i\":%d}", c, n);
	r = replay_order_event(&p->order, name_of(c), &id, slice_of(raw));
	FUZZ_CHECK(r == 0 || r == REPLAY_HELD || r == REPLAY_DUPLICATE);
	FUZZ_CHECK(r != REPLAY_DUPLICATE || n <= p->seen[c]);
	if (n > p->seen[c])
		p->seen[c] = n;
	if (r == REPLAY_HELD)
		p->held[c][n]++;
	if (r == 0)
		deliver(p, c, n);
}

static void deliver_released(struct play *p, struct slice array)
{
	const char *at = array.p, *end = array.p + array.n;
	int c, n;

	FUZZ_CHECK(array.p[0] == '[' && end[-1] == ']');
	while ((at = memchr(at, '{', (size_t)(end - at)))) {
		FUZZ_CHECK(sscanf(at, "{\"c\":%d,\"i\":%d}", &c, &n) == 2);
		FUZZ_CHECK(c >= 0 && c < CHANNELS && n >= 0 && n < IDS);
		FUZZ_CHECK(p->held[c][n] + p->left[c][n] > 0);
		p->held[c][n] ? p->held[c][n]-- : p->left[c][n]--;
		deliver(p, c, n);
		at++;
	}
}

static void release(struct play *p)
{
	struct buf out;

	buf_init(&out, 1u << 20);
	do {
		buf_clear(&out);
		FUZZ_CHECK(replay_order_release(&p->order, &out) == 0);
		if (buf_len(&out)) {
			FUZZ_CHECK(buf_putc(&out, 0) == 0);
			deliver_released(p, slice_take(buf_slice(&out), buf_len(&out) - 1));
		}
	} while (buf_len(&out));
	buf_fini(&out);
}

/* What is held need not be delivered: it will be sent again, or no channel of it is wanted. */
static void forget_held(struct play *p, int c)
{
	for (int n = 0; n < IDS; n++) {
		p->left[c][n] += p->held[c][n];
		p->held[c][n] = 0;
	}
}

/* A handshake is sent; perhaps another server answers it, once what was ready is delivered. */
static void begin_session(struct play *p, bool elsewhere)
{
	replay_order_restart(&p->order);
	for (int c = 0; c < CHANNELS; c++)
		forget_held(p, c);
	if (!elsewhere)
		return;
	release(p);
	replay_order_reset(&p->order);
	p->store->reset(p->store, &(const struct replay_id){"-1"});
	for (int c = 0; c < CHANNELS; c++)
		p->seen[c] = -1;
}

/* As a subscribe is written: after the marker, or after an id from the input. */
static void ask(struct play *p, int c, int n)
{
	struct replay_id id = id_of(n < IDS - 2 ? n : n - IDS);

	if (n % 2 == 0 && p->store->get(p->store, name_of(c), &id))
		id = id_of(-1);
	replay_order_begin(&p->order, name_of(c), &id);
	replay_order_asked(&p->order, name_of(c), &id);
	if (replay_id_is(&id) && atoi(id.text) > p->seen[c])
		p->seen[c] = atoi(id.text);
}

static void want(struct play *p, int c, bool more)
{
	if (more) {
		FUZZ_CHECK(replay_order_want(&p->order, name_of(c)) == 0);
		p->wants[c]++;
	} else if (p->wants[c]) {
		bool last = replay_order_unwant(&p->order, name_of(c));

		FUZZ_CHECK(last == (--p->wants[c] == 0));
		if (last) {
			forget_held(p, c);
			p->store->forget(p->store, name_of(c));
		}
	}
}

/* "e0 17 18 19": the first digit is the channel */
static void events(struct play *p, int c, struct slice rest)
{
	while (rest.n) {
		int n = 0;

		for (; rest.n && rest.p[0] >= '0' && rest.p[0] <= '9'; rest = slice_drop(rest, 1))
			n = (n * 10 + rest.p[0] - '0') % IDS;
		take(p, c, n);
		rest = slice_drop(rest, 1);
	}
}

static void step(struct play *p, struct slice line)
{
	int c = line.n > 1 ? (unsigned char)line.p[1] % CHANNELS : 0;
	int n = line.n > 2 ? (unsigned char)line.p[2] % IDS : 0;

	switch (line.p[0]) {
	case '+':
	case '-':
		want(p, c, line.p[0] == '+');
		break;
	case 'c':
		replay_order_connect(&p->order);
		break;
	case 'b':
	case 'B':
	case 'S':
		replay_order_busy(&p->order, line.p[0] != 'B', line.p[0] == 'S');
		break;
	case '?':
		ask(p, c, n);
		break;
	case '!':
		replay_order_answered(&p->order, name_of(c));
		break;
	case 'u':
	case 'U':
		replay_order_subscribe_lost(&p->order, name_of(c), line.p[0] == 'U');
		break;
	case 'l':
		replay_order_lost(&p->order);
		break;
	case 's':
		replay_order_stale(&p->order, name_of(c));
		break;
	case 'm':
	case 'r':
		begin_session(p, line.p[0] == 'm');
		break;
	case 't':
		replay_order_text(&p->order, ++p->text);
		break;
	case 'e':
		events(p, c, slice_drop(line, 3));
		break;
	case '.':
		replay_order_settle(&p->order);
		release(p);
		break;
	}
}

static void check_rest(struct play *p)
{
	for (int c = 0; c < CHANNELS; c++)
		ask(p, c, 0);
	replay_order_text(&p->order, ++p->text);
	replay_order_busy(&p->order, false, false);
	for (int c = 0; c < CHANNELS; c++)
		replay_order_answered(&p->order, name_of(c));
	replay_order_settle(&p->order);
	release(p);
	FUZZ_CHECK(p->order.held == 0);
	for (int c = 0; c < CHANNELS; c++)
		for (int n = 0; n < IDS; n++)
			FUZZ_CHECK(p->held[c][n] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice rest = slice_make(data, n);
	struct play p = {.seen = {-1, -1, -1}};

	FUZZ_CHECK(replay_store_new(2, &p.store) == 0);
	replay_order_init(&p.order, HELD_MAX);
	for (int steps = 0; rest.n && steps < STEPS_MAX; steps++) {
		const char *end = memchr(rest.p, '\n', rest.n);
		struct slice line = slice_take(rest, end ? (size_t)(end - rest.p) : rest.n);

		if (line.n)
			step(&p, line);
		rest = slice_drop(rest, line.n + 1);
	}
	check_rest(&p);
	replay_order_fini(&p.order);
	replay_store_free(p.store);
	return 0;
}
