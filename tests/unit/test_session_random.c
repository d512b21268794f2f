/*
 * Conservation under random faults: whatever network and server do,
 *
 *  - each publish has exactly one outcome, and it is true: "ok" was applied by the
 *    server, "not sent" never reached it, and nothing was applied twice;
 *  - each event of an exchange that is still awaited is delivered once, in order, also
 *    (except for rare races) when the server sends a copy for each subscription that
 *    matches; and missing events are reported by `gap`;
 *  - with acknowledgements an existing session loses and repeats nothing;
 *  - once the faults end, the server knows exactly the wanted channels, or those
 *    of them that no other covers;
 *  - no second has more than a fixed number of batches.
 *
 * A failing run prints its seed; SESSION_SEED=n repeats only that run, SESSION_RUNS=n
 * sets the number of runs.
 */
#include "tests/unit/testing.h"

#include "bayeux/channel.h"
#include "tests/unit/session_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct check {
	uint64_t seed;
	unsigned published;
	signed char outcome[MODEL_PUBLISHES];   /* -1 none yet */
	bool wanted[MODEL_CHANNELS];
	uint64_t told_events;
	uint64_t last_seq, last_other;
	unsigned others, doubled;
	bool gap_told, heard_since, hole, connected;
	uint64_t hole_at;
	bool covering;
	uint64_t second, batches_then, stimuli;
};

#define CHECK(c, condition)                                                                        \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("SESSION_SEED=%" PRIu64 ": %s", (c)->seed, #condition);           \
	} while (0)

/*
 * Events on /steady have consecutive numbers. Missing ones must be reported by a gap:
 * before, with the next "connected", or when the loss of the response with the missing
 * ones is noticed.
 */
static void take_steady(struct model *m, struct check *c, uint64_t seq)
{
	CHECK(c, seq > c->last_seq);
	bool excused = c->gap_told && (c->connected || !c->heard_since);
	if (c->last_seq && seq != c->last_seq + 1 && !excused && !c->hole) {
		c->hole = true;
		c->hole_at = m->now;
	}
	c->heard_since = true;
	c->last_seq = seq;
}

static void take_state(struct model *m, struct check *c)
{
	struct session_info info;
	session_info(m->s, &info);
	c->connected = info.state == SESSION_CONNECTED;
	if (!c->connected)
		return;
	if (info.gap)
		c->hole = c->heard_since = false;
	else if (c->heard_since)
		c->gap_told = false;
	c->gap_told |= info.gap;
}

static void check_hole(struct model *m, struct check *c)
{
	/* with acknowledgements only the end of a session makes one, and that is known at once */
	uint64_t patience = m->ack ? 0 : 15000;
	if (!c->connected)
		c->hole_at = m->now;
	CHECK(c, !c->hole || m->now - c->hole_at <= patience);
}

static void take_outcome(struct model *m, struct check *c, const struct session_event *e)
{
	unsigned cookie = (unsigned)e->cookie;
	CHECK(c, cookie < c->published && c->outcome[cookie] < 0);
	c->outcome[cookie] = (signed char)e->outcome;
	switch (e->outcome) {
	case SESSION_OK:
		CHECK(c, m->processed[cookie] == 1);
		break;
	case SESSION_REFUSED:
		CHECK(c, m->refused[cookie] == 1 && m->processed[cookie] == 0);
		break;
	case SESSION_OUTCOME_NOT_SENT:
		CHECK(c, m->refused[cookie] == 0 && m->processed[cookie] == 0);
		break;
	case SESSION_OUTCOME_UNKNOWN:
		break;
	case SESSION_OUTCOME_TOO_LARGE:
	case SESSION_OUTCOME_TIMEOUT:
		CHECK(c, !"a publish cannot time out, and there is no limit");
	}
}

static void take_message(struct model *m, struct check *c, const struct session_event *e)
{
	uint64_t seq = strtoull(e->envelope->data.p, NULL, 10);
	c->told_events++;
	if (slice_eq(e->channel, SLICE("/steady"))) {
		take_steady(m, c, seq);
	} else {
		/* a connect's response may be overtaken by the end of the change that doubled it */
		CHECK(c, seq > c->last_other || (m->copies && seq == c->last_other));
		c->others++;
		c->doubled += seq == c->last_other;
		c->last_other = seq;
	}
}

static void take_event(struct model *m, const struct session_event *e)
{
	struct check *c = m->ctx;
	switch (e->kind) {
	case SESSION_EVENT_MESSAGE:
		take_message(m, c, e);
		break;
	case SESSION_EVENT_OUTCOME:
		take_outcome(m, c, e);
		break;
	case SESSION_EVENT_STATE:
		take_state(m, c);
		break;
	case SESSION_EVENT_CHANNEL:
	case SESSION_EVENT_ABORT:
	case SESSION_EVENT_LOST:
	case SESSION_EVENT_NOTE:
	case SESSION_EVENT_UNAUTHORIZED:
		break;
	}
}

/* ---- stimuli ---- */

static void publish(struct model *m, struct check *c)
{
	char data[16];
	if (c->published == MODEL_PUBLISHES)
		return;
	int n = snprintf(data, sizeof(data), "%u", c->published);
	c->outcome[c->published] = -1;
	if (session_publish(m->s, m->now, SLICE("/pub"), slice_make(data, (size_t)n), SLICE_NULL,
			    false, m->now + 100 + model_random(m, 20000), 0, c->published) == 0)
		c->published++;
}

static void change_wish(struct model *m, struct check *c)
{
	unsigned i = 1 + (unsigned)model_random(m, MODEL_CHANNELS - 1);
	struct slice channel = slice_of(model_channels[i]);
	c->wanted[i] = !c->wanted[i];
	if (c->wanted[i])
		assert_int_equal(session_want(m->s, channel, 0), 0);
	else
		session_unwant(m->s, channel);
}

static void stimulate(struct model *m, struct check *c, bool stormy)
{
	unsigned what = (unsigned)model_random(m, 1000);
	c->stimuli++;
	if (what < 400)
		/* mostly on /steady */
		model_publish(m, (unsigned)model_random(m, what < 270 ? 1 : MODEL_CHANNELS));
	else if (what < 750)
		publish(m, c);
	else if (what < 900)
		change_wish(m, c);
	else if (!stormy)
		return;
	else if (what < 920)
		model_expire(m);
	else if (what < 930)
		model_kick(m);
	else if (what < 960)
		model_close_socket(m);
	else if (what < 970)
		session_probe(m->s, m->now);
	else if (what < 980)
		m->no_websocket = !m->no_websocket;
}

static void count_batches(struct model *m, struct check *c)
{
	if (m->now / 1000 == c->second)
		return;
	/* a publish or event may cost a batch and a connect; the rest is what silence costs */
	CHECK(c, m->batches - c->batches_then <= 15 + 4 * c->stimuli);
	c->second = m->now / 1000;
	c->batches_then = m->batches;
	c->stimuli = 0;
}

/* Plays `ms` of simulated time, with a stimulus every `pause` or so (0: none). */
static void play_time(struct model *m, struct check *c, uint64_t ms, uint64_t pause, bool stormy)
{
	uint64_t end = m->now + ms, next = pause ? m->now + model_random(m, pause) : UINT64_MAX;
	unsigned still = 0;
	while (m->now < end) {
		uint64_t before = m->now, at = model_next(m);
		at = at < next ? at : next;
		at = at < end ? at : end;
		if (at >= next) {
			m->now = next > m->now ? next : m->now;
			stimulate(m, c, stormy);
			model_pull(m);
			next = m->now + 1 + model_random(m, pause);
		}
		model_step(m, at);
		count_batches(m, c);
		check_hole(m, c);
		still = m->now == before ? still + 1 : 0;
		CHECK(c, still < 1000);
	}
}

static bool is_covered(const struct check *c, unsigned i)
{
	for (unsigned k = 0; k < MODEL_CHANNELS; k++)
		if (k != i && c->wanted[k] &&
		    channel_covers(slice_of(model_channels[k]), slice_of(model_channels[i])))
			return true;
	return false;
}

static void check_end(struct model *m, struct check *c)
{
	struct session_info info;
	session_info(m->s, &info);
	CHECK(c, info.state == SESSION_CONNECTED);
	CHECK(c, c->doubled <= 3 + c->others / 50);
	for (unsigned i = 0; i < c->published; i++)
		CHECK(c, c->outcome[i] >= 0);
	for (unsigned i = 0; i < MODEL_CHANNELS; i++) {
		CHECK(c, m->subscribed[i] == (c->wanted[i] && !(c->covering && is_covered(c, i))));
		CHECK(c, session_channel(m->s, slice_of(model_channels[i])) ==
				 (c->wanted[i] ? SESSION_CHANNEL_ACTIVE : SESSION_CHANNEL_NONE));
	}
}

static void one_run(uint64_t seed)
{
	struct model *m = malloc(sizeof(*m));
	struct check *c = calloc(1, sizeof(*c));
	struct session_options o;
	assert_non_null(m);
	assert_non_null(c);
	model_init(m, seed);
	c->seed = seed;
	m->ctx = c;
	m->tell = take_event;
	m->ack = seed & 1;
	m->no_websocket = seed & 2;
	session_options_default(&o);
	o.seed = seed + 1;
	o.transport_retry = 20000;
	c->covering = seed & 4;
	m->copies = c->covering;
	o.overlap = c->covering ? SESSION_OVERLAP_COVERING : SESSION_OVERLAP_EXACT;
	o.in_flight_max = 8;
	o.batch_max = 400;
	assert_int_equal(session_new(&o, (struct wake){0}, &m->s), 0);
	c->wanted[0] = true;
	assert_int_equal(session_want(m->s, slice_of(model_channels[0]), 0), 0);
	session_start(m->s, m->now);
	model_pull(m);
	for (int round = 0; round < 4; round++) {
		m->trouble = (unsigned)model_random(m, 250);
		play_time(m, c, 60000, 1 + model_random(m, 300), true);
		/* nothing goes through at all */
		m->trouble = 1000;
		play_time(m, c, 15000, 0, false);
		m->trouble = 0;
		play_time(m, c, 30000, 200, false);
	}
	/* without acknowledgements or copies all that was fed is delivered */
	if (!m->ack && !m->copies)
		CHECK(c, c->told_events == m->fed_events);
	play_time(m, c, 200000, 0, false);
	check_end(m, c);
	session_free(m->s);
	model_fini(m);
	free(m);
	free(c);
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);
	return value ? strtoull(value, NULL, 10) : otherwise;
}

static void nothing_is_lost_or_doubled(void **state)
{
	(void)state;
	uint64_t seed = environment("SESSION_SEED", 0);
	if (seed) {
		one_run(seed);
		return;
	}
	uint64_t runs = environment("SESSION_RUNS", 40);
	for (seed = 1; seed <= runs; seed++)
		one_run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_or_doubled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
