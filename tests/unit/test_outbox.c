/*
 * hub/outbox: frames are sent completely and in order, with any partial writes; dropped
 * messages are reported exactly, before the next message of their server.
 */
#include "tests/unit/outbox_world.h"

static void test_burst_is_one_piece(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		push(w, 0, 10);
	assert_int_equal(w->o.n_spans, 1);
	assert_int_equal(n_pieces(w), 1);
	assert_true(w->wakes > 0);
	/* a new span each: after a frame that this peer does not get, another server, another blob,
	   a reply */
	push_elsewhere(w, 0);
	push(w, 0, 10);
	push(w, 1, 10);
	new_blob(w);
	push(w, 1, 10);
	push_control(w, 10);
	push_control(w, 10);
	assert_int_equal(n_pieces(w), 5);
	drain(w);
	assert_int_equal(w->n_messages, 53);
	world_free(w);
}

/* else a peer that has begun a piece holds all of it, and nothing of it can be dropped */
static void test_pieces_stay_small(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		push(w, 0, 1000);
	assert_in_range(w->o.n_spans, 6, 8);
	drain(w);
	world_free(w);
}

static void test_oldest_are_dropped_and_reported(void **state)
{
	struct world *w = world_new(3200);

	(void)state;
	push_control(w, 10);
	for (unsigned i = 0; i < 5; i++) {
		push(w, 0, 800);
		push_control(w, 10);
	}
	assert_string_equal(story(w), "c0 c1 c2 lost1:2 1.3 c3 1.4 c4 1.5 c5 ");
	world_free(w);
}

static void test_loss_of_two_servers(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		push(w, 0, 800);
		push(w, 1, 800);
	}
	assert_string_equal(story(w), "lost2:2 2.3 lost1:3 1.4 2.4 ");
	world_free(w);
}

static void test_begun_is_never_dropped(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push(w, 0, 1000);
	assert_int_equal(write_some(w, 1, 7), 7);
	new_blob(w);
	for (unsigned i = 0; i < 3; i++) {
		push_elsewhere(w, 0);
		push(w, 0, 1000);
	}
	assert_string_equal(story(w), "1.1 lost1:2 1.7 ");
	world_free(w);
}

/* a loss between two frames that are adjacent in memory must be reported between them */
static void test_loss_keeps_neighbours_apart(void **state)
{
	struct world *w = world_new(3000);
	size_t n[2];

	(void)state;
	for (w->seq[0] = 1; w->seq[0] <= 3; w->seq[0] += 2)
		n[w->seq[0] / 2] = encode_event(w, 0, 100);
	for (w->seq[0] = 1; w->seq[0] <= 3; w->seq[0]++)
		due(w, 0);
	outbox_push_message(&w->o, w->blob, 0, n[0], names[0], 1, OUTBOX_DROP_OLDEST);
	write_some(w, 1, 1);
	outbox_push_message(&w->o, w->blob, 0, n[0], names[0], 2, OUTBOX_DROP_OLDEST);
	w->o.bytes_max = n[0] + n[1];
	outbox_push_message(&w->o, w->blob, n[0], n[1], names[0], 3, OUTBOX_DROP_OLDEST);
	assert_string_equal(story(w), "1.1 lost1:1 1.3 ");
	world_free(w);
}

static void test_too_large_is_lost_in_its_place(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push(w, 0, 10);
	push_lost(w, 0);
	push_lost(w, 0);
	push(w, 0, 10);
	push_lost(w, 0);
	assert_string_equal(story(w), "1.1 lost1:2 1.4 lost1:1 ");
	push_lost(w, 0);
	assert_false(outbox_empty(&w->o));
	assert_string_equal(story(w), "1.1 lost1:2 1.4 lost1:1 lost1:1 ");
	world_free(w);
}

/* asked for its bytes, but the socket took none: the loss goes on growing in one frame */
static void test_notice_is_removed(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		push_lost(w, 0);
		assert_int_equal(n_pieces(w), 1);
		assert_int_equal(w->o.n_spans, 1);
	}
	push(w, 0, 10);
	assert_int_equal(n_pieces(w), 2);
	push_lost(w, 0);
	assert_int_equal(n_pieces(w), 3);
	assert_string_equal(story(w), "lost1:5 1.6 lost1:1 ");
	world_free(w);
}

static void test_begun_notice_stays(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push_lost(w, 0);
	assert_int_equal(write_some(w, 1, 3), 3);
	push_lost(w, 0);
	push(w, 0, 10);
	assert_string_equal(story(w), "lost1:1 lost1:1 1.3 ");
	world_free(w);
}

static void test_abandon(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push(w, 0, 10);
	write_some(w, 1, 5);
	push_control(w, 10);
	push_elsewhere(w, 0);
	push(w, 0, 10);
	push_lost(w, 1);
	n_pieces(w);
	push_lost(w, 2);
	push(w, 2, 10);
	outbox_abandon(&w->o);
	w->control_told = w->control;
	push_control(w, 10);
	assert_string_equal(story(w), "1.1 lost1:1 lost2:1 lost3:2 c1 ");
	world_free(w);
}

/* a reply in two parts is one frame, cut anywhere, and is never abandoned in its middle */
static void test_reply_in_two_parts(void **state)
{
	size_t all = 1;

	(void)state;
	for (size_t cut = 0; cut < all; cut++) {
		struct world *w = world_new(1 << 20);
		struct iovec iov[2];
		size_t n;

		push_reply(w, 20);
		push_control(w, 10);
		push_reply(w, 30);
		assert_int_equal(w->o.n_replies, 2);
		assert_int_equal(outbox_peek(&w->o, iov, 2, &n), 0);
		assert_int_equal(n, 2);
		all = iov[0].iov_len + iov[1].iov_len;
		assert_int_equal(write_some(w, 2, cut), cut);
		outbox_abandon(&w->o);
		/* the first one goes on when it was begun, all others are thrown away */
		assert_string_equal(story(w), cut ? "c0 " : "");
		assert_int_equal(w->o.n_replies, 0);
		world_free(w);
	}
}

/* past the ceiling it ends the peer, as any other */
static void test_reply_that_finds_no_room(void **state)
{
	struct world *w = world_new(1000);

	(void)state;
	push_control(w, 1000);
	push_reply(w, 10);
	assert_true(w->o.overrun);
	assert_int_equal(w->o.n_replies, 0);
	assert_string_equal(story(w), "c0 ");
	world_free(w);
}

static void test_peak_and_wake(void **state)
{
	struct world *w = world_new(1 << 20);
	size_t peak;

	(void)state;
	assert_true(outbox_empty(&w->o));
	push(w, 0, 1000);
	assert_int_equal(w->wakes, 1);
	peak = w->o.bytes;
	drain(w);
	push(w, 0, 10);
	assert_int_equal(w->o.bytes_peak, peak);
	drain(w);
	outbox_overrun(&w->o);
	assert_true(w->o.overrun);
	assert_int_equal(w->wakes, 3);
	world_free(w);
}

/* without a wake-up a loss would be reported only with the next frame */
static void test_a_loss_wakes(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push_lost(w, 0);
	assert_int_equal(w->wakes, 1);
	drain(w);
	world_free(w);
}

/* one lost in the queue, one on arrival, and no message left to report them with */
static void test_losses_of_both_kinds(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push(w, 0, 1000);
	push_control(w, 2500);
	push_lost(w, 0);
	assert_string_equal(story(w), "c0 lost1:2 ");
	world_free(w);
}

/* with many calls for a few bytes each, each loss is reported once */
static void test_notices_are_made_once(void **state)
{
	struct world *w = world_new(1 << 20);
	struct iovec iov[1];
	size_t n;

	(void)state;
	push(w, 0, 10);
	push(w, 1, 10);
	w->wakes = 0;
	outbox_abandon(&w->o);
	assert_int_equal(w->wakes, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(outbox_peek(&w->o, iov, 1, &n), 0);
		assert_int_equal(n, 1);
		assert_int_equal(w->o.n_spans, 2);
	}
	assert_string_equal(story(w), "lost1:1 lost2:1 ");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_is_one_piece),
		cmocka_unit_test(test_pieces_stay_small),
		cmocka_unit_test(test_oldest_are_dropped_and_reported),
		cmocka_unit_test(test_loss_of_two_servers),
		cmocka_unit_test(test_begun_is_never_dropped),
		cmocka_unit_test(test_loss_keeps_neighbours_apart),
		cmocka_unit_test(test_too_large_is_lost_in_its_place),
		cmocka_unit_test(test_notice_is_removed),
		cmocka_unit_test(test_begun_notice_stays),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_reply_in_two_parts),
		cmocka_unit_test(test_reply_that_finds_no_room),
		cmocka_unit_test(test_peak_and_wake),
		cmocka_unit_test(test_a_loss_wakes),
		cmocka_unit_test(test_losses_of_both_kinds),
		cmocka_unit_test(test_notices_are_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
