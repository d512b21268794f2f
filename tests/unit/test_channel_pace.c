/*
 * The pace of channels beside publishes, against a server that needs the same time
 * for each message: both get on, publishes with most of the time, however far away
 * the server is and however long it needs.
 */
#include "tests/unit/testing.h"

#include "bayeux/channel_pace.h"

#define MS 200000u

struct counts {
	uint64_t channels, publishes;
	uint64_t longest;               /* ms that a publish took */
};

/*
 * One publishes, and waits for each reply; others always have channels to subscribe. The server is
 * `distance` ms away and needs `us` microseconds for a message; one exchange at a time, as over
 * long-polling.
 */
static struct counts run(uint64_t ms, uint64_t distance, uint64_t us)
{
	struct counts n = {0};
	struct channel_pace p;
	uint64_t batch = 1, now_us = 0, asked_us = 0;

	channel_pace_init(&p);
	while (now_us / 1000 < ms) {
		uint64_t now = now_us / 1000;
		size_t channels = channel_pace_at(&p) <= now ? p.room : 0;

		channel_pace_sent(&p, now, batch, channels, true);
		now_us += distance * 1000 + (channels + 1) * us;
		now = now_us / 1000;
		if (p.channels.id == batch)
			channel_pace_ended(&p, now, &p.channels);
		if (p.publishes.id == batch)
			channel_pace_ended(&p, now, &p.publishes);
		assert_int_equal(p.channels.id + p.publishes.id, 0);
		batch++;
		n.publishes++;
		n.channels += channels;
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

			/* more than half of what one would publish alone */
			assert_true(n.publishes * alone * 5 >= MS * 1000 * 3);
			/* of a server near by channels have a tenth of the time, at least; of one
			   far away, half as many as it answers batches */
			if (distances[d] * 1000 <= costs[c])
				assert_true(n.channels * costs[c] * 10 >= MS * 1000);
			else
				assert_true(n.channels * alone * 2 >= MS * 1000);
		}
}

/* The first batches are small, for nothing is known of the server. */
static void a_slow_server_delays_few(void **state)
{
	(void)state;
	assert_in_range(run(60000, 0, 1000).longest, 1, 20);
	assert_in_range(run(60000, 0, 100).longest, 1, 30);
}

static void without_publishes_nothing_waits(void **state)
{
	struct channel_pace p;

	(void)state;
	channel_pace_init(&p);
	for (uint64_t now = 1; now < 100; now++) {
		assert_in_range(channel_pace_at(&p), 0, now);
		assert_false(channel_pace_applies(&p, now));
		channel_pace_sent(&p, now, now, 10, false);
		channel_pace_ended(&p, now + 10, &p.channels);
	}
}

/* A server that needs half a second for a batch with channels, however many: small batches would only make
   more of them. So 192 channels need six batches, not 192. */
static void small_batches_must_help(void **state)
{
	struct channel_pace p;
	uint64_t now = 1000, id = 1;
	size_t waiting = 192;
	unsigned batches = 0;

	(void)state;
	channel_pace_init(&p);
	while (waiting) {
		size_t sent = waiting < p.room ? waiting : p.room;

		channel_pace_sent(&p, now, id++, sent, true);
		waiting -= sent;
		batches++;
		channel_pace_ended(&p, now + 500, &p.channels);
		now = channel_pace_at(&p);
		assert_in_range(now, 1000, 1000 + batches * 1500);
		channel_pace_sent(&p, now, id++, 0, true);
		channel_pace_ended(&p, now, &p.publishes);
	}
	assert_in_range(batches, 1, 6);
}

/* What is never answered holds nothing up for ever. */
static void an_answer_that_never_comes(void **state)
{
	struct channel_pace p;

	(void)state;
	channel_pace_init(&p);
	channel_pace_sent(&p, 5, 1, 10, true);
	assert_int_equal(channel_pace_at(&p), 5 + CHANNEL_PACE_PUBLISHING_MS);
	/* nor for long, when it comes late */
	channel_pace_sent(&p, 100005, 2, 0, true);
	channel_pace_ended(&p, 100005, &p.channels);
	assert_int_equal(channel_pace_at(&p), 100005 + CHANNEL_PACE_PAUSE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_get_on),
		cmocka_unit_test(a_slow_server_delays_few),
		cmocka_unit_test(without_publishes_nothing_waits),
		cmocka_unit_test(small_batches_must_help),
		cmocka_unit_test(an_answer_that_never_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
