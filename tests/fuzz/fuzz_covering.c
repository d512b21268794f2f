/*
 * A session whose wanted patterns overlap, and a server that sends one copy for
 * each subscription that matches, so that only patterns no other covers should be
 * subscribed. Each line is one step, by its first byte: a pattern is wanted or
 * not any more, the server answers correctly, wrongly or not at all.
 *
 * The model of the server records what it accepted. While it is left alone it
 * comes to rest after a bounded number of batches, and then it has a subscription
 * for each wanted pattern, by itself or by one that covers it, none that is
 * not wanted and none that another covers; and what it has is what the session
 * reports as active. As long as it answers well, no unsubscribe takes from a wanted
 * pattern what delivers its messages, not even until the next batch.
 */
#include "bayeux/session.h"
#include "tests/fuzz/bayeux_server.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/covering";

enum { CHANNELS = 10, TURN_MAX = 1000, STEPS_MAX = 300, REST_MAX = 200 };

static const char *const channels[CHANNELS] = {
	"/a", "/a/b", "/a/*", "/a/**", "/a/b/c", "/a/b/*", "/b", "/**", "/*", "/a/b/**"};

struct play {
	struct session *session;
	struct server server;
	uint64_t now;
	bool wanted[CHANNELS];
	bool refused[CHANNELS];         /* refused by itself since it is wanted, finally */
	bool agreed;                    /* the session knows all that the server has */
};

static void ignore_wake(void *ctx)
{
	(void)ctx;
}

/* ---- the model of patterns ---- */

/* "/a/" of "/a/ *" and "/a/ **": what every channel that matches begins with */
static struct slice stem(struct slice pattern)
{
	while (pattern.n && pattern.p[pattern.n - 1] == '*')
		pattern.n--;
	return pattern;
}

/* Whether every channel that matches `narrow` matches `broad`, which is another pattern. */
static bool covers(const char *broad, const char *narrow)
{
	struct slice b = slice_of(broad), n = slice_of(narrow), rest;

	if (slice_eq(b, n) || stem(b).n == b.n || !slice_starts(n, stem(b)))
		return false;
	if (b.n - stem(b).n == 2)
		return true;
	/* one segment, which is no "**" */
	rest = slice_drop(n, stem(b).n);
	return !memchr(rest.p, '/', rest.n) && !slice_eq(rest, SLICE("**"));
}

static bool is_covered(const struct play *p, const char *channel)
{
	for (int i = 0; i < CHANNELS; i++)
		if (server_has(&p->server, slice_of(channels[i])) && covers(channels[i], channel))
			return true;
	return false;
}

static void check_at_rest(const struct play *p)
{
	for (int i = 0; i < CHANNELS; i++) {
		struct slice name = slice_of(channels[i]);
		bool has = server_has(&p->server, name), covered = is_covered(p, channels[i]);
		enum session_channel_status status = session_channel(p->session, name);

		FUZZ_CHECK((status != SESSION_CHANNEL_NONE) == p->wanted[i]);
		FUZZ_CHECK(!has || p->wanted[i]);
		FUZZ_CHECK(!has || !covered);
		if (p->wanted[i] && status != SESSION_CHANNEL_REFUSED)
			FUZZ_CHECK(has || covered);
		if (p->wanted[i])
			FUZZ_CHECK((status == SESSION_CHANNEL_ACTIVE) == (has || covered));
	}
}

/* whether the batch has a message on this meta channel for the channel */
static bool has_command(struct slice batch, const char *meta, const char *channel)
{
	char text[64];

	snprintf(text, sizeof(text), "\"subscription\":\"%s\"", channel);
	for (struct slice rest = batch; rest.n;) {
		const char *end = memchr(rest.p, '}', rest.n);
		struct slice one = slice_take(rest, end ? (size_t)(end - rest.p) + 1 : rest.n);

		if (memmem(one.p, one.n, meta, strlen(meta)) && memmem(one.p, one.n, text, strlen(text)))
			return true;
		rest = slice_drop(rest, one.n);
	}
	return false;
}

/* by the server's subscriptions but those that this batch ends */
static bool is_served(const struct play *p, int channel, struct slice batch)
{
	for (int i = 0; i < CHANNELS; i++)
		if ((i == channel || covers(channels[i], channels[channel])) &&
		    server_has(&p->server, slice_of(channels[i])) &&
		    !has_command(batch, "/meta/unsubscribe", channels[i]))
			return true;
	return false;
}

static void check_batch(const struct play *p, struct slice batch)
{
	if (!p->agreed || !memmem(batch.p, batch.n, "/meta/unsubscribe", 17))
		return;
	for (int i = 0; i < CHANNELS; i++)
		if (p->wanted[i] && !p->refused[i] && is_served(p, i, SLICE_NULL))
			FUZZ_CHECK(is_served(p, i, batch));
}

/* ---- turns ---- */

static void handle_events(struct play *p)
{
	struct session_event e;
	unsigned n = 0;

	while (session_next(p->session, p->now, &e) == 0) {
		FUZZ_CHECK(++n < TURN_MAX);
		if (e.kind == SESSION_EVENT_ABORT)
			server_forget(&p->server, e.batch);
	}
}

static void turn(struct play *p)
{
	struct session_batch batch;
	struct buf out;
	unsigned n = 0;

	buf_init(&out, 1u << 20);
	handle_events(p);
	while (session_take_batch(p->session, p->now, &out, &batch) == 0) {
		FUZZ_CHECK(++n < TURN_MAX);
		check_batch(p, buf_slice(&out));
		server_sent(&p->server, batch.id, buf_slice(&out));
		buf_clear(&out);
		handle_events(p);
	}
	buf_fini(&out);
}

static void feed(struct play *p, uint64_t id, struct slice text)
{
	if (session_feed(p->session, p->now, id, text) == 0)
		handle_events(p);
	server_forget(&p->server, id);
	session_batch_end(p->session, p->now, id);
}

/* `lost`: the server handled it, but its answer does not arrive. */
static void answer(struct play *p, size_t which, enum server_answer how, bool lost)
{
	const struct session_failure broken = {.kind = SESSION_BROKEN, .reason = SLICE("broken")};
	const struct server_exchange *x = &p->server.exchanges[which];
	uint64_t id = x->id;
	struct buf out;

	p->agreed = p->agreed && how == SERVER_OK && !lost;
	for (int i = 0; i < CHANNELS; i++)
		p->refused[i] |= how == SERVER_REFUSED &&
				 has_command(slice_make(x->text, x->n), "/meta/subscribe", channels[i]);

	buf_init(&out, 1u << 20);
	server_answer(&p->server, x, how, &out);
	FUZZ_CHECK(buf_putc(&out, ']') == 0);
	if (lost) {
		server_forget(&p->server, id);
		session_batch_failed(p->session, p->now, id, &broken);
	} else {
		feed(p, id, buf_slice(&out));
	}
	buf_fini(&out);
}

static void pass_time(struct play *p)
{
	uint64_t at = session_deadline(p->session);

	p->now = at == UINT64_MAX || at < p->now ? p->now + 1000 : at;
	session_tick(p->session, p->now);
}

/* ---- rest ---- */

static bool is_connect(const struct server_exchange *x)
{
	return memmem(x->text, x->n, "/meta/connect", 13);
}

/* The first exchange that a server would not hold; n_exchanges when there is none. */
static size_t first_command(const struct server *s)
{
	size_t i = 0;

	while (i < s->n_exchanges && is_connect(&s->exchanges[i]))
		i++;
	return i;
}

/* Answers everything at once and well, connects when they are due, until nothing is left to do. */
static void rest(struct play *p)
{
	unsigned n = 0, connects = 0;

	while (connects < 8) {
		size_t i = first_command(&p->server);

		FUZZ_CHECK(++n < REST_MAX);
		if (i < p->server.n_exchanges) {
			answer(p, i, SERVER_OK, false);
			connects = 0;
		} else if (p->server.n_exchanges) {
			p->now += 25000;
			answer(p, 0, SERVER_OK, false);
			connects++;
		} else {
			pass_time(p);
		}
		session_tick(p->session, p->now);
		turn(p);
	}
	check_at_rest(p);
	p->agreed = true;
}

/* ---- steps ---- */

static void want(struct play *p, bool want, struct slice letters)
{
	for (size_t i = 0; i < letters.n; i++) {
		int c = letters.p[i] - 'a';

		if (c < 0 || c >= CHANNELS || p->wanted[c] == want)
			continue;
		p->wanted[c] = want;
		p->refused[c] = false;
		if (want)
			FUZZ_CHECK(session_want(p->session, slice_of(channels[c]), 0) == 0);
		else
			session_unwant(p->session, slice_of(channels[c]));
	}
}

static void step(struct play *p, struct slice line)
{
	static const char answers[] = "kfbu";
	const char *how = memchr(answers, line.p[0], strlen(answers));
	size_t n = p->server.n_exchanges;

	if (line.p[0] == '+' || line.p[0] == '-')
		want(p, line.p[0] == '+', slice_drop(line, 1));
	else if (line.p[0] == 't')
		pass_time(p);
	else if (line.p[0] == '.')
		rest(p);
	else if (how && n)
		answer(p, line.n > 1 ? n - 1 : 0, (enum server_answer)(how - answers), false);
	else if ((line.p[0] == '!' || line.p[0] == '?') && n)
		answer(p, line.n > 1 ? n - 1 : 0, line.p[0] == '!' ? SERVER_OK : SERVER_REFUSED,
		       true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice rest_of = slice_make(data, n);
	struct play p = {.now = 1000000, .agreed = true};
	struct session_options o;

	session_options_default(&o);
	o.transports[0] = SESSION_LONG_POLLING;
	o.n_transports = 1;
	o.overlap = SESSION_OVERLAP_COVERING;
	o.seed = 1;
	FUZZ_CHECK(session_new(&o, (struct wake){ignore_wake, NULL}, &p.session) == 0);
	session_start(p.session, p.now);
	turn(&p);
	for (int steps = 0; rest_of.n && steps < STEPS_MAX; steps++) {
		const char *end = memchr(rest_of.p, '\n', rest_of.n);
		struct slice line = slice_take(rest_of, end ? (size_t)(end - rest_of.p) : rest_of.n);

		if (line.n) {
			step(&p, line);
			turn(&p);
		}
		rest_of = slice_drop(rest_of, line.n + 1);
	}
	rest(&p);
	server_forget(&p.server, 0);
	session_free(p.session);
	return 0;
}
