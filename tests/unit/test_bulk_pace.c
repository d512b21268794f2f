/*
 * The pace of bulk requests beside light ones, against a server that needs the same time
 * for each message: both make progress, light ones with most of the time, however far away
 * the server is and however long it needs.
 */
#include "tests/unit/testing.h"

#include "bayeux/bulk_pace.h"

#define MS 200000u
#define PAUSE_TIMES 10u

struct counts {
	uint64_t bulk, light;
	uint64_t longest;               /* ms that a light request took */
};

/*
 * One sends a light request, and the next one when it is answered; others always have bulk requests. The
 * server is `distance` ms away and needs `us` microseconds for a message; one exchange at a time, as over
 * long-polling.
 */
static struct counts run(uint64_t ms, uint64_t distance, uint64_t us)
{
	struct counts n = {0};
	struct bulk_pace p;
	uint64_t batch = 1, now_us = 0, asked_us = 0;

	bulk_pace_init(&p, PAUSE_TIMES);
	while (now_us / 1000 < ms) {
		uint64_t now = now_us / 1000;
		size_t bulk = bulk_pace_at(&p) <= now ? p.room : 0;

		bulk_pace_sent(&p, now, batch, bulk, true, true);
		now_us += distance * 1000 + (bulk + 1) * us;
		now = now_us / 1000;
		if (p.bulk.id == batch)
			bulk_pace_ended(&p, now, &p.bulk);
		if (p.light.id == batch)
			bulk_pace_ended(&p, now, &p.light);
		assert_int_equal(p.bulk.id + p.light.id, 0);
		bulk_pace_note_light(&p, now);
		batch++;
		n.light++;
		n.bulk += bulk;
		if (now - asked_us / 1000 > n.longest)
			n.longest = now - asked_us / 1000;
		asked_us = now_us;
	}
	return n;
}

static void both_get_on(void **state)
{
	static const uint64_t distances[] = {0, 1, 20, 300}, costs[] = {10, 100, 1000, 20000, 500000};

	(void)state;
	for (unsigned d = 0; d < 4; d++)
		for (unsigned c = 0; c < 5; c++) {
			uint64_t alone = distances[d] * 1000 + costs[c];
			struct counts n = run(MS, distances[d], costs[c]);

			/* more than half of what one would send alone */
			assert_true(n.light * alone * 5 >= MS * 1000 * 3);
			/* of a server near by bulk requests have a fifteenth of the time, at least; of
			   one far away, half as many as it answers batches */
			if (distances[d] * 1000 <= costs[c])
				assert_true(n.bulk * costs[c] * 15 >= MS * 1000);
			else
				assert_true(n.bulk * alone * 2 >= MS * 1000);
		}
}

/* The first batches are small, for nothing is known of the server. */
static void a_slow_server_delays_few(void **state)
{
	(void)state;
	assert_in_range(run(60000, 0, 1000).longest, 1, 20);
	assert_in_range(run(60000, 0, 100).longest, 1, 30);
}

static void without_light_ones_nothing_waits(void **state)
{
	struct bulk_pace p;

	(void)state;
	bulk_pace_init(&p, PAUSE_TIMES);
	for (uint64_t now = 1; now < 100; now++) {
		assert_in_range(bulk_pace_at(&p), 0, now);
		assert_false(bulk_pace_applies(&p, now));
		bulk_pace_sent(&p, now, now, 10, false, true);
		bulk_pace_ended(&p, now + 10, &p.bulk);
	}
}

/* A light request every 500 ms leaves the bulk most of the time, and waits for one short batch at most. */
static void rare_light_ones_cost_little(void **state)
{
	enum { US = 100, ALL_US = 20000000 };
	struct bulk_pace p;
	uint64_t id = 1, bulk = 0, light_us = 1000000;

	(void)state;
	bulk_pace_init(&p, PAUSE_TIMES);
	for (uint64_t now_us = light_us, end = now_us + ALL_US; now_us < end;) {
		uint64_t now = now_us / 1000;
		bool light = now_us >= light_us;
		size_t n = bulk_pace_at(&p) <= now ? p.room : 0;

		if (n == 0 && !light) {
			now_us += 1000;
			continue;
		}
		if (light) {
			assert_in_range(now_us - light_us, 0, 10000);
			light_us = now_us + 500000;
		}
		bulk_pace_sent(&p, now, id++, n, light, true);
		now_us += (n + light) * US;
		bulk += n;
		if (p.bulk.id)
			bulk_pace_ended(&p, now_us / 1000, &p.bulk);
		if (p.light.id)
			bulk_pace_ended(&p, now_us / 1000, &p.light);
		if (light)
			bulk_pace_note_light(&p, now_us / 1000);
	}
	assert_true(bulk * US * 10 >= (uint64_t)ALL_US * 7);
}

/* A light request that the server answers after seconds does not make the bulk look cheap. */
static void one_late_answer_changes_nothing(void **state)
{
	struct bulk_pace p;

	(void)state;
	bulk_pace_init(&p, PAUSE_TIMES);
	bulk_pace_sent(&p, 1000, 1, 0, true, true);
	bulk_pace_ended(&p, 1001, &p.light);
	bulk_pace_sent(&p, 1001, 2, 0, true, true);
	bulk_pace_ended(&p, 9001, &p.light);
	bulk_pace_sent(&p, 9001, 3, 10, true, true);
	bulk_pace_ended(&p, 9003, &p.bulk);
	assert_in_range(bulk_pace_at(&p), 9003 + PAUSE_TIMES, 9003 + 3 * PAUSE_TIMES);
}

/* A server that needs half a second for a batch with bulk requests, however many: small batches would only make
   more of them. So 192 requests need six batches, not 192. */
static void small_batches_must_help(void **state)
{
	struct bulk_pace p;
	uint64_t now = 1000, id = 1;
	size_t waiting = 192;
	unsigned batches = 0;

	(void)state;
	bulk_pace_init(&p, PAUSE_TIMES);
	while (waiting) {
		size_t sent = waiting < p.room ? waiting : p.room;

		bulk_pace_sent(&p, now, id++, sent, true, true);
		waiting -= sent;
		batches++;
		bulk_pace_ended(&p, now + 500, &p.bulk);
		now = bulk_pace_at(&p);
		assert_in_range(now, 1000, 1000 + batches * 1500);
		bulk_pace_sent(&p, now, id++, 0, true, true);
		bulk_pace_ended(&p, now, &p.light);
	}
	assert_in_range(batches, 1, 6);
}

/* What is never answered holds nothing up for ever. */
static void an_answer_that_never_comes(void **state)
{
	struct bulk_pace p;

	(void)state;
	bulk_pace_init(&p, PAUSE_TIMES);
	bulk_pace_sent(&p, 5, 1, 10, true, true);
	assert_int_equal(bulk_pace_at(&p), 5 + BULK_PACE_LIGHT_MS);
	bulk_pace_note_light(&p, 900);
	assert_int_equal(bulk_pace_at(&p), 5 + BULK_PACE_PAUSE_MAX);
	/* nor for long, when it comes late */
	bulk_pace_sent(&p, 100005, 2, 0, true, true);
	bulk_pace_ended(&p, 100005, &p.bulk);
	assert_int_equal(bulk_pace_at(&p), 100005 + BULK_PACE_SOON_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_get_on),
		cmocka_unit_test(a_slow_server_delays_few),
		cmocka_unit_test(without_light_ones_nothing_waits),
		cmocka_unit_test(rare_light_ones_cost_little),
		cmocka_unit_test(one_late_answer_changes_nothing),
		cmocka_unit_test(small_batches_must_help),
		cmocka_unit_test(an_answer_that_never_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
