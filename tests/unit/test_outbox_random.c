/*
 * hub/outbox, anything in any order: the account is right at the end of each life
 * drawn by lot; memory that fails loses messages, never the account.
 */
#include "tests/unit/outbox_world.h"
#include "local/wire_out.h"

#include <errno.h>

/* of each kind: ten miss branches that forty take, twenty miss none */
#define LIVES 20

static void random_step(struct world *w)
{
	unsigned server = chance(SERVERS);

	switch (chance(12)) {
	case 0:
		if (chance(3))
			push_control(w, chance(60));
		else
			push_reply(w, chance(60));
		break;
	case 1:
		push_lost(w, server);
		break;
	case 2:
		push(w, server, chance(4) ? chance(2000) : chance(9000));
		break;
	case 3:
		push_elsewhere(w, server);
		break;
	case 4:
		new_blob(w);
		break;
	case 5:
		write_some(w, 1 + chance(4), chance(30));
		break;
	case 6:
		write_some(w, 1 + chance(64), chance(3000));
		break;
	case 7:
		write_some(w, 1 + chance(64), 0);
		break;
	default:
		for (unsigned i = chance(6); i > 0; i--)
			push(w, server, chance(100));
	}
}

static void check_ceilings(const struct world *w)
{
	assert_false(w->o.overrun);
	assert_true(w->o.bytes <= w->o.bytes_max + w->largest);
	assert_true(w->o.n_spans <= w->o.n_spans_max + SERVERS);
}

static void random_life(unsigned seed, bool poor)
{
	struct world *w = world_new(8000);

	set_seed(seed);
	w->logging = false;
	w->o.n_spans_max = 4 + chance(60);
	/* the account of a server is opened while there is memory: without it the peer ends */
	for (unsigned i = 0; i < SERVERS; i++)
		push_lost(w, i);
	for (unsigned i = 0; i < 3000; i++) {
		w->poor = poor;
		random_step(w);
		check_ceilings(w);
		/* replies that pile up, or find no memory, end a peer: read them in time */
		w->poor = false;
		while (w->o.control_bytes > 4000 || w->o.n_spans >= w->o.n_spans_max)
			write_some(w, 64, 500);
		if (i == 1500)
			drain(w);
	}
	drain(w);
	assert_true(w->n_lost > 0);
	assert_true(w->n_messages > 0);
	assert_true(w->n_lost_frames < w->n_lost);
	assert_int_equal(w->control_told, w->control);
	world_free(w);
}

static void test_random_runs_of_an_outbox(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= LIVES; i++)
		random_life(i, false);
}

static void test_random_runs_without_memory(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= LIVES; i++)
		random_life(1000 + i, true);
}

/* ---- no memory ---- */

static void test_no_memory(void **state)
{
	struct world *w = world_new(1 << 20);
	size_t offset = 0, n[2];

	(void)state;
	w->seq[0] = 1;
	n[0] = encode_event(w, 0, 10);
	w->seq[0] = 2;
	n[1] = encode_event(w, 0, 10);
	FAIL_EACH_ALLOCATION {
		struct outbox o;
		struct iovec iov[4];
		size_t pieces = 0;
		int r;

		outbox_init(&o, 1 << 20, wire_out_lost, (struct wake){NULL, NULL});
		outbox_push_message(&o, w->blob, offset, n[0], names[0], 1, OUTBOX_DROP_OLDEST);
		outbox_push_lost(&o, names[1], 1);
		outbox_push_message(&o, w->blob, n[0], n[1], names[0], 2, OUTBOX_DROP_OLDEST);
		r = outbox_peek(&o, iov, 4, &pieces);
		assert_true(r == 0 || (r == -ENOMEM && pieces == 0));
		/* the second server's account needs memory; without it the peer is given up */
		assert_true(o.overrun || o.lost_unreported == o.lost);
		assert_true(o.lost >= 1 && o.lost <= 3);
		outbox_fini(&o);
	}
	world_free(w);
}

static void test_no_memory_for_a_reply(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	/* the first span needs no memory */
	push_control(w, 10);
	new_blob(w);
	push_elsewhere(w, 0);
	testing_fail_allocation(0);
	outbox_push_control(&w->o, w->blob, 0, buf_len(&w->blob->buf));
	assert_true(testing_allocation_failed());
	assert_true(w->o.overrun);
	drain(w);
	world_free(w);
}

/* the loss is reported later, and does not count as reported before */
static void test_no_memory_for_a_notice(void **state)
{
	struct world *w = world_new(1 << 20);
	struct iovec iov[4];
	size_t n = 0;

	(void)state;
	push_lost(w, 0);
	for (unsigned i = 0; i < 2; i++) {
		testing_fail_allocation(i);
		assert_int_equal(outbox_peek(&w->o, iov, 4, &n), -ENOMEM);
		assert_true(testing_allocation_failed());
		assert_false(outbox_empty(&w->o));
	}
	assert_string_equal(story(w), "lost1:1 ");
	world_free(w);
}

static void test_no_memory_for_an_account(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push(w, 0, 10);
	testing_fail_allocation(0);
	outbox_push_lost(&w->o, names[1], 1);
	assert_true(testing_allocation_failed());
	/* it cannot be reported, so the peer is overrun; but it is counted */
	assert_true(w->o.overrun);
	assert_int_equal(w->o.lost, 1);
	w->n_lost = 1;
	drain(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_runs_of_an_outbox),
		cmocka_unit_test(test_random_runs_without_memory),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_for_a_reply),
		cmocka_unit_test(test_no_memory_for_a_notice),
		cmocka_unit_test(test_no_memory_for_an_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
