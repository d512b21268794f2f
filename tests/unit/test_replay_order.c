/*
 * The order of retained events: what is held and released, which repeats are recognized,
 * the effect of the limits; and a random server that answers on two lanes, in any order,
 * and loses answers.
 */
#include "tests/unit/testing.h"

#include "bayeux/replay_order.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define C SLICE("/e")

static struct replay_id id_of(uint64_t n)
{
	struct replay_id id = {""};
	snprintf(id.text, sizeof(id.text), "%" PRIu64, n);
	return id;
}

static int take(struct replay_order *o, uint64_t n)
{
	struct replay_id id = id_of(n);
	return replay_order_event(o, C, &id, slice_of(id.text));
}

static void told(struct replay_order *o, uint64_t n)
{
	struct replay_id id = id_of(n);
	replay_order_delivered(o, C, &id);
}

static void asked(struct replay_order *o, const char *behind)
{
	struct replay_id id = {""};
	snprintf(id.text, sizeof(id.text), "%s", behind);
	replay_order_asked(o, C, &id);
}

static void assert_released(struct replay_order *o, const char *wanted)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	assert_int_equal(replay_order_release(o, &out), 0);
	assert_true(buf_putc(&out, '\0') == 0);
	assert_string_equal(buf_slice(&out).p, wanted);
	buf_fini(&out);
}

static void ids_compare_as_numbers(void **state)
{
	static const char *const rising[] = {
		"0", "1", "007", "9", "10", "9007199254740992", "9007199254740993",
		"18446744073709551615", "18446744073709551616", "99999999999999999999999"};
	(void)state;
	for (size_t i = 0; i < sizeof(rising) / sizeof(rising[0]); i++)
		for (size_t j = 0; j < sizeof(rising) / sizeof(rising[0]); j++) {
			struct replay_id a = {""}, b = {""};
			strcpy(a.text, rising[i]);
			strcpy(b.text, rising[j]);
			int r = replay_id_compare(&a, &b);
			assert_int_equal((r > 0) - (r < 0), (i > j) - (i < j));
		}
	struct replay_id padded = {"000"}, zero = {"0"};
	assert_int_equal(replay_id_compare(&padded, &zero), 0);
	assert_false(replay_id_is(&(struct replay_id){"-1"}));
	assert_false(replay_id_is(&(struct replay_id){""}));
	assert_true(replay_id_is(&zero));
}

static void more_than_the_ceiling_is_delivered_at_once(void **state)
{
	struct replay_order o;
	(void)state;
	replay_order_init(&o, 4);
	assert_int_equal(replay_order_want(&o, C), 0);
	asked(&o, "5");
	assert_int_equal(take(&o, 30), REPLAY_HELD);
	assert_int_equal(take(&o, 20), REPLAY_HELD);
	replay_order_settle(&o);
	/* four bytes are not too many */
	assert_released(&o, "");
	assert_int_equal(take(&o, 10), REPLAY_HELD);
	assert_int_equal(take(&o, 20), REPLAY_DUPLICATE);
	replay_order_settle(&o);
	assert_released(&o, "[10,20,30]");
	assert_int_equal(o.held, 0);
	assert_int_equal(take(&o, 40), 0);
	told(&o, 40);
	/* the marker stays until the answer is there, so that nothing is skipped */
	assert_null(replay_order_newest(&o, C));
	assert_int_equal(take(&o, 15), 0);
	told(&o, 15);
	assert_int_equal(take(&o, 15), REPLAY_DUPLICATE);
	replay_order_answered(&o, C);
	assert_string_equal(replay_order_newest(&o, C)->text, "40");
	replay_order_settle(&o);
	replay_order_fini(&o);
}

static void much_is_released_in_parts(void **state)
{
	struct replay_order o;
	struct buf out;
	size_t total = 0, parts = 0;
	static char text[1000];
	(void)state;
	memset(text, '7', sizeof(text));
	buf_init(&out, 1 << 20);
	replay_order_init(&o, 8 << 20);
	assert_int_equal(replay_order_want(&o, C), 0);
	asked(&o, "-2");
	for (uint64_t n = 1; n <= 1000; n++) {
		struct replay_id id = id_of(n);
		assert_int_equal(replay_order_event(&o, C, &id, slice_make(text, sizeof(text))),
				 REPLAY_HELD);
	}
	replay_order_answered(&o, C);
	replay_order_settle(&o);
	while (replay_order_release(&o, &out) == 0 && buf_len(&out)) {
		assert_in_range(buf_len(&out), 1002, 300000);
		total += (buf_len(&out) - 1) / 1001;
		parts++;
		buf_clear(&out);
	}
	assert_int_equal(total, 1000);
	assert_in_range(parts, 2, 10);
	/* what does not fit into the buffer at all stays */
	asked(&o, "-2");
	assert_int_equal(take(&o, 123456789), REPLAY_HELD);
	assert_true(replay_order_unwant(&o, C));
	buf_fini(&out);
	buf_init(&out, 10);
	assert_int_equal(replay_order_release(&o, &out), -EMSGSIZE);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
	assert_released(&o, "[123456789]");
	replay_order_fini(&o);
}

static void memory_fails(void **state)
{
	unsigned failed = 0;
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct replay_order o;
		struct buf out;
		int r;
		replay_order_init(&o, 100);
		buf_init(&out, 100);
#define TWICE(call) (r = (call)) == -ENOMEM ? (failed++, r = (call)) : 0
		TWICE(replay_order_want(&o, C));
		assert_int_equal(r, 0);
		asked(&o, "-1");
		TWICE(take(&o, 2));
		assert_int_equal(r, REPLAY_HELD);
		TWICE(take(&o, 1));
		assert_int_equal(r, REPLAY_HELD);
		replay_order_answered(&o, C);
		replay_order_settle(&o);
		TWICE(replay_order_release(&o, &out));
		assert_int_equal(r, 0);
		assert_true(slice_eq(buf_slice(&out), SLICE("[1,2]")));
		buf_fini(&out);
		replay_order_fini(&o);
	}
	assert_in_range(failed, 4, 6);
}

/* ---- a server with one queue, and two lanes that drain it ---- */

#define EVENTS 400u
#define QUEUE (4 * EVENTS)

struct answer {
	bool open, subscribes;
	bool drained;                   /* it is on its way */
	unsigned n;
	uint64_t ids[QUEUE];
};

struct server {
	struct replay_order o;
	uint64_t made, marker;
	uint64_t queue[QUEUE];
	unsigned queued;
	struct answer connect, command;
	bool repeat;                    /* subscribe once more when commands may go */
	bool sparing;                   /* an answer has a few events, and not all that wait */
	bool purges;                    /* a subscribe replaces what waits */
	bool forgets;                   /* sessions */
	bool calls;                     /* commands are slow, and nothing is held for them any more */
	unsigned heard[EVENTS + 1], last, late;
	uint64_t draws;
	unsigned unlucky;               /* one of so many answers to commands gets lost */
	unsigned slow;                  /* so long on the way */
};

static unsigned draw(struct server *v, unsigned n)
{
	v->draws = v->draws * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(v->draws >> 33) % n;
}

static void hear(struct server *v, uint64_t n)
{
	const struct replay_id *newest;
	v->heard[n]++;
	v->late += n < v->last;
	v->last = n > v->last ? (unsigned)n : v->last;
	told(&v->o, n);
	newest = replay_order_newest(&v->o, C);
	if (newest && strtoull(newest->text, NULL, 10) > v->marker)
		v->marker = strtoull(newest->text, NULL, 10);
}

static void look(struct server *v, struct answer *a)
{
	struct buf out;
	for (unsigned i = 0; i < a->n; i++)
		if (take(&v->o, a->ids[i]) == 0)
			hear(v, a->ids[i]);
	if (a->subscribes)
		replay_order_answered(&v->o, C);
	if (a == &v->command)
		replay_order_busy(&v->o, false, false);
	replay_order_settle(&v->o);
	buf_init(&out, 1 << 20);
	while (replay_order_release(&v->o, &out) == 0 && buf_len(&out)) {
		assert_int_equal(buf_putc(&out, '\0'), 0);
		for (char *p = (char *)buf_slice(&out).p; *p && *p != ']';)
			hear(v, strtoull(p + 1, &p, 10));
		buf_clear(&out);
	}
	buf_fini(&out);
	*a = (struct answer){0};
}

static void lose(struct server *v, struct answer *a)
{
	if (a->subscribes)
		replay_order_subscribe_lost(&v->o, C, false);
	replay_order_lost(&v->o);
	if (a == &v->command)
		replay_order_busy(&v->o, false, false);
	*a = (struct answer){0};
	v->repeat = true;
}

/* The server takes what it has into an answer; a subscribe queues what it replays first. */
static void drain(struct server *v, struct answer *a, uint64_t behind)
{
	if (a->subscribes && v->purges)
		v->queued = 0;
	if (a->subscribes)
		for (uint64_t n = behind + 1; n <= v->made && v->queued < QUEUE; n++)
			v->queue[v->queued++] = n;
	a->n = v->queued;
	if (v->sparing && a->n > 3)
		a->n = 3;
	memcpy(a->ids, v->queue, a->n * sizeof(a->ids[0]));
	v->queued -= a->n;
	memmove(v->queue, v->queue + a->n, v->queued * sizeof(a->ids[0]));
	a->drained = true;
}

static void subscribe(struct server *v)
{
	struct replay_id id = id_of(v->marker);
	replay_order_begin(&v->o, C, &id);
	replay_order_asked(&v->o, C, &id);
	replay_order_busy(&v->o, true, false);
	v->command = (struct answer){.open = true, .subscribes = true};
	v->repeat = false;
	drain(v, &v->command, strtoull(id.text, NULL, 10));
}

/* The session is lost, and with it what waits and what is on its way. */
static void forget(struct server *v)
{
	if (v->connect.open || v->command.open)
		replay_order_lost(&v->o);
	v->connect = v->command = (struct answer){0};
	v->queued = 0;
	replay_order_restart(&v->o);
	v->repeat = true;
}

static void step(struct server *v, bool losses)
{
	if (losses && v->forgets && draw(v, 40) == 0)
		forget(v);
	if (v->made < EVENTS && draw(v, 9) == 0)
		v->queue[v->queued++] = ++v->made;
	if (!v->connect.open) {
		replay_order_connect(&v->o);
		v->connect.open = true;
	} else if (!v->connect.drained && v->queued && draw(v, 2)) {
		drain(v, &v->connect, 0);
	}
	if (!v->command.open && (v->repeat || draw(v, 8) == 0)) {
		if (v->repeat) {
			subscribe(v);
		} else {
			v->command.open = true;
			replay_order_busy(&v->o, true, false);
		}
	} else if (v->command.open && !v->command.drained && (!v->calls || draw(v, 20) == 0)) {
		drain(v, &v->command, 0);
	} else if (v->command.open && v->calls && draw(v, 10) == 0) {
		replay_order_busy(&v->o, true, true);
	}
	for (int lane = 0; lane < 2; lane++) {
		struct answer *a = lane ? &v->command : &v->connect;
		if (!a->drained || draw(v, lane ? v->slow : 2))
			continue;
		if (losses && draw(v, lane ? v->unlucky : 6) == 0)
			lose(v, a);
		else
			look(v, a);
	}
}

static void play_server(uint64_t seed, bool losses)
{
	struct server *v = calloc(1, sizeof(*v));
	assert_non_null(v);
	v->draws = seed;
	v->unlucky = 1 + (unsigned)seed % 7;
	if (v->unlucky == 1)
		v->unlucky = 2;
	v->slow = 2 + (unsigned)seed % 60;
	v->purges = seed % 2;
	v->calls = seed % 4 > 1;
	v->sparing = v->purges && seed % 5 < 3;
	v->forgets = v->sparing && seed % 11 < 5;
	replay_order_init(&v->o, 1 << 20);
	assert_int_equal(replay_order_want(&v->o, C), 0);
	subscribe(v);
	for (unsigned i = 0; i < 90000 && (i < 9000 || v->queued || v->command.open || v->repeat); i++)
		step(v, losses && i < 5000);
	for (unsigned n = 1; n <= EVENTS; n++)
		if (v->heard[n] != 1)
			fail_msg("seed %" PRIu64 ": %u was heard %u times", seed, n, v->heard[n]);
	replay_order_fini(&v->o);
	free(v);
}

/* REPLAY_RUNS=n plays so many */
static void every_event_is_delivered_once(void **state)
{
	const char *runs = getenv("REPLAY_RUNS");
	uint64_t last = runs ? strtoull(runs, NULL, 10) : 300;
	(void)state;
	assert_true(last > 0);
	for (uint64_t seed = 1; seed <= last; seed++)
		play_server(seed, seed % 3 != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_compare_as_numbers),
		cmocka_unit_test(more_than_the_ceiling_is_delivered_at_once),
		cmocka_unit_test(much_is_released_in_parts),
		cmocka_unit_test(memory_fails),
		cmocka_unit_test(every_event_is_delivered_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
