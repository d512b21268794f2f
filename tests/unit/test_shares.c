/*
 * The shares of peers in the publish queue: peers that use as much as they can, in any
 * order, leave enough for the next one.
 */
#include "tests/unit/testing.h"

#include "bayeux/session.h"
#include "bayeux/publish.h"

#include <errno.h>

#define MAX 100000u
#define GREEDY 200

static struct shares shares;
static struct share *share[GREEDY];
static size_t held[GREEDY];

static int setup(void **state)
{
	(void)state;
	shares_init(&shares, MAX);
	for (int i = 0; i < GREEDY; i++)
		held[i] = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < GREEDY; i++)
		if (held[i])
			shares_give_back(&shares, share[i], held[i]);
	assert_int_equal(shares.held, 0);
	assert_int_equal(shares.by_peer.n, 0);
	shares_fini(&shares);
	return 0;
}

static bool take(unsigned i, size_t n)
{
	int r = shares_take(&shares, i, n, &share[i]);

	if (r) {
		assert_int_equal(r, SESSION_E_FULL);
		return false;
	}
	held[i] += n;
	assert_int_equal(share[i]->held, held[i]);
	return true;
}

/* as much as it gets, whatever the sizes of its pieces */
static void take_all(unsigned i)
{
	for (size_t n = MAX; n > 0; n /= 2)
		while (take(i, n))
			;
}

static void give_back(unsigned i, size_t n)
{
	held[i] -= n;
	shares_give_back(&shares, share[i], n);
}

static void a_single_peer_leaves_more_than_half(void **state)
{
	(void)state;
	take_all(0);
	assert_in_range(held[0], MAX * 38 / 100, MAX * 39 / 100);
	assert_false(take(0, 1));
	give_back(0, 10);
	assert_true(take(0, 10));
	assert_false(take(0, 1));
}

/* none of them gives anything back: the server is away */
static void each_finds_room(void **state)
{
	(void)state;
	for (unsigned n = 0; n < GREEDY; n++) {
		take_all(n);
		assert_true(held[n] > 0);
		assert_true(shares.max - shares.held > MAX / (n + 2));
	}
}

/* They take turns at giving back and taking, and change their places in that. */
static void order_does_not_matter(void **state)
{
	const unsigned n = 7;
	unsigned random = 1;

	(void)state;
	for (int turn = 0; turn < 2000; turn++) {
		unsigned i = (random = random * 1103515245u + 12345u) >> 16;

		if (held[i % n] && i & 64)
			give_back(i % n, i & 128 ? held[i % n] : (held[i % n] + 1) / 2);
		take_all(i / 256 % n);
		assert_true(shares.max - shares.held > MAX / (n + 1));
	}
	/* one that holds little is not shut out by those who hold much */
	assert_true(take(n, MAX / (n + 2) / (n + 2)));
}

static void what_cannot_fit_is_refused(void **state)
{
	(void)state;
	assert_false(take(0, MAX + 1));
	assert_false(take(0, SIZE_MAX));
	assert_int_equal(shares.by_peer.n, 0);
	assert_true(take(0, 1));
	assert_false(take(0, SIZE_MAX));
	assert_false(take(0, MAX));
}

static void without_memory_nothing_changes(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = shares_take(&shares, 0, 10, &share[0]);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(shares.held, 0);
			assert_int_equal(shares.by_peer.n, 0);
			continue;
		}
		assert_int_equal(shares.held, 10);
		shares_give_back(&shares, share[0], 10);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* A flood of one peer delays each of a hundred others by one publish. */
static void a_flood_waits_for_its_turn(void **state)
{
	enum { PEERS = 100, FLOOD = 500 };
	struct publishes p;
	struct pending pending;
	struct exchanges all;
	struct exchange *x;
	const struct session_batch batch = {.id = 1, .lane = SESSION_LANE_COMMAND};
	uint64_t id = 0, last = 0;

	(void)state;
	pending_init(&pending);
	publishes_init(&p, &pending, 16 << 20, 0, &(struct backoff){0});
	exchanges_init(&all);
	assert_int_equal(exchange_new(&all, &batch, &x), 0);
	x->kept = true;
	for (unsigned i = 0; i < FLOOD + PEERS - 1; i++) {
		const struct publish_request request = {.channel = SLICE("/a"), .data = SLICE("1"),
						  .deadline = 1, .peer = i < FLOOD ? 0 : i};
		assert_int_equal(publish_new(&p, ++id, &request), 0);
	}
	for (unsigned i = 0; i < FLOOD + PEERS - 1; i++) {
		bool bulk = i >= PEERS - 1;
		struct publish *pub = publishes_next(&p, bulk);
		assert_non_null(pub);
		/* one of each other peer is light; then the flood in its order */
		assert_int_equal(publish_is_bulk(pub), bulk);
		assert_int_equal(pub->request.pending.id, bulk ? ++last : FLOOD + 1 + i);
		publish_sent(&p, pub, x);
	}
	assert_null(publishes_next(&p, false));
	assert_null(publishes_next(&p, true));
	publishes_fini(&p);
	exchange_free(x);
	pending_fini(&pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_single_peer_leaves_more_than_half),
		T(each_finds_room),
		T(order_does_not_matter),
		T(what_cannot_fit_is_refused),
		T(without_memory_nothing_changes),
		cmocka_unit_test(a_flood_waits_for_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
