/*
 * hub/outbox, its ceilings: bytes, blobs and spans are bounded exactly; control
 * frames are never dropped, they push messages out or end the peer.
 */
#include "tests/unit/outbox_world.h"

#include <stdlib.h>

static void test_large_message(void **state)
{
	struct world *w = world_new(2000);

	(void)state;
	/* taken, since the queue is empty */
	push(w, 0, 5000);
	assert_int_equal(w->o.lost, 0);
	/* waits, and may go for what comes later */
	push(w, 0, 10);
	push_control(w, 10);
	/* would not fit even if the other went: lost alone */
	push(w, 0, 5000);
	assert_string_equal(story(w), "lost1:1 1.2 c0 lost1:1 ");
	world_free(w);

	/* nor beside one that is on its way and cannot go */
	w = world_new(2000);
	push(w, 0, 1500);
	write_some(w, 1, 100);
	push_elsewhere(w, 0);
	push(w, 0, 10);
	push(w, 0, 1000);
	assert_string_equal(story(w), "1.1 1.3 lost1:1 ");
	world_free(w);
}

static void test_large_begun_does_not_block_replies(void **state)
{
	struct world *w = world_new(2000);

	(void)state;
	push(w, 0, 5000);
	write_some(w, 1, 100);
	push_control(w, 10);
	push(w, 0, 100);
	assert_false(w->o.overrun);
	assert_string_equal(story(w), "1.1 c0 lost1:1 ");
	push_control(w, 5000);
	write_some(w, 1, 100);
	push_control(w, 10);
	assert_false(w->o.overrun);
	drain(w);
	world_free(w);
}

static void test_replies_push_messages_out(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push(w, 0, 1000);
	push_elsewhere(w, 0);
	push(w, 0, 1000);
	push_control(w, 1500);
	assert_string_equal(story(w), "lost1:1 1.3 c0 ");
	world_free(w);
}

static void test_replies_past_the_ceiling_overrun(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push_control(w, 1600);
	push_control(w, 1600);
	assert_false(w->o.overrun);
	w->wakes = 0;
	push_control(w, 10);
	assert_true(w->o.overrun);
	assert_int_equal(w->wakes, 1);
	w->control--;
	drain(w);
	/* from now on nothing is kept */
	push(w, 0, 10);
	assert_int_equal(w->o.lost, 1);
	drain(w);
	world_free(w);
}

static void test_disconnect_at_the_first_loss(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push_as(w, 0, 1000, OUTBOX_DISCONNECT);
	push_elsewhere(w, 0);
	push(w, 0, 1000);
	push_elsewhere(w, 0);
	assert_false(w->o.overrun);
	push(w, 0, 1000);
	assert_true(w->o.overrun);
	drain(w);
	world_free(w);

	/* merged with others, the strictest counts; and a message that is lost on arrival */
	w = world_new(3000);
	push(w, 0, 1000);
	write_some(w, 1, 1);
	push_as(w, 0, 2500, OUTBOX_DISCONNECT);
	assert_true(w->o.overrun);
	drain(w);
	world_free(w);
}

/* what reads fast enough loses nothing for the reply that happens to go first */
static void test_reply_in_front_is_no_loss(void **state)
{
	struct world *w = world_new(1000);

	(void)state;
	push_control(w, 10);
	push(w, 0, 1000);
	assert_string_equal(story(w), "c0 1.1 ");
	world_free(w);
}

/* a short span may keep a large blob in memory: blobs are counted, however few bytes of each are queued */
static void test_blobs_have_a_ceiling(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	w->o.n_blobs_max = 3;
	for (unsigned i = 0; i < 5; i++) {
		push(w, 0, 10);
		push_elsewhere(w, 0);
		push(w, 0, 10);
		new_blob(w);
	}
	assert_int_equal(w->o.n_blobs, 3);
	assert_int_equal(w->o.n_spans, 6);
	assert_string_equal(story(w), "lost1:4 1.7 1.9 1.10 1.12 1.13 1.15 ");
	assert_int_equal(w->o.n_blobs, 0);
	world_free(w);
}

static void test_spans_have_a_ceiling(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	w->o.n_spans_max = 4;
	for (unsigned i = 0; i < 6; i++) {
		push(w, 0, 10);
		push_elsewhere(w, 0);
	}
	push(w, 0, 10);
	push(w, 0, 10);
	assert_int_equal(w->o.n_spans, 4);
	push_control(w, 10);
	assert_int_equal(w->o.n_spans, 4);
	assert_string_equal(story(w), "lost1:4 1.9 1.11 1.13 1.14 c0 ");
	for (unsigned i = 0; i < 4; i++) {
		push_control(w, 10);
		push_elsewhere(w, 0);
	}
	assert_false(w->o.overrun);
	push_control(w, 10);
	assert_true(w->o.overrun);
	w->control--;
	drain(w);
	world_free(w);
}

static void test_the_ceiling_is_exact(void **state)
{
	struct world *w = world_new(1 << 20);
	size_t n;

	(void)state;
	push(w, 0, 1000);
	n = w->o.bytes;
	push_elsewhere(w, 0);
	w->o.bytes_max = 2 * n;
	push(w, 0, 1000);
	assert_int_equal(w->o.lost, 0);
	/* beside one that is on its way, too */
	write_some(w, 1, 1);
	push_elsewhere(w, 0);
	w->o.bytes_max--;
	push(w, 0, 1000);
	assert_int_equal(w->o.bytes, w->o.bytes_max);
	w->o.bytes_max--;
	push_elsewhere(w, 0);
	push(w, 0, 1000);
	assert_string_equal(story(w), "1.1 lost1:1 1.5 lost1:1 ");
	world_free(w);
}

/* ---- what a queue keeps alive ---- */

#define CHUNK (16u << 10)
#define CHUNKS 6000
#define BLOBS_AT_LEAST 64

/* Chunks as the hub fills them: some bytes for this peer, the rest for others. The test holds each of
   them, too, to see which ones the outbox still holds. */
struct chunks {
	struct world *w;
	struct blob *all[CHUNKS];
	size_t n;
};

static struct chunks *chunks_new(size_t bytes_max)
{
	struct chunks *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->w = world_new(bytes_max);
	c->w->logging = false;
	return c;
}

static void next_chunk(struct chunks *c)
{
	assert_true(c->n < CHUNKS);
	c->all[c->n++] = blob_ref(c->w->blob);
	new_blob(c->w);
}

static size_t bytes_held(const struct chunks *c)
{
	size_t held = 0;

	for (size_t i = 0; i < c->n; i++)
		held += c->all[i]->refs > 1 ? CHUNK : 0;
	return held;
}

static void chunks_free(struct chunks *c)
{
	while (c->n > 0)
		blob_unref(c->all[--c->n]);
	world_free(c->w);
	free(c);
}

/* One small message in each chunk: the ceiling in bytes is reached, and not another one before. */
static void test_small_spans_fill_the_queue(void **state)
{
	struct chunks *c = chunks_new(1 << 20);
	struct world *w = c->w;

	(void)state;
	while (w->o.lost == 0) {
		size_t before = w->o.bytes;

		push(w, c->n % 2, 300);
		encode_event(w, 2, 15000);
		next_chunk(c);
		assert_true(w->o.lost == 0 || before + 400 > w->o.bytes_max);
	}
	assert_true(w->o.bytes > w->o.bytes_max - CHUNK - 400);
	assert_true(bytes_held(c) <= 65 * CHUNK);
	drain(w);
	assert_int_equal(bytes_held(c), 0);
	assert_null(w->o.copies);
	chunks_free(c);
}

/* spans that take a good part of their chunk are not copied */
static void test_large_spans_stay_shared(void **state)
{
	struct chunks *c = chunks_new(4 << 20);
	struct world *w = c->w;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		push(w, 0, 9000);
		push(w, 0, 100);
		next_chunk(c);
	}
	assert_int_equal(bytes_held(c), 200 * CHUNK);
	assert_null(w->o.copies);
	drain(w);
	assert_int_equal(w->o.lost, 0);
	chunks_free(c);
}

/* copies of neighbours merge, but no loss and no reply slips to another place */
static void test_copies_keep_the_order(void **state)
{
	struct chunks *c = chunks_new(1 << 20);
	struct world *w = c->w;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		push(w, 0, 20);
		encode_event(w, 2, 10);
		push_as(w, 0, 20, i % 3 ? OUTBOX_DROP_OLDEST : OUTBOX_DISCONNECT);
		if (i % 5 == 0)
			push_lost(w, 0);
		if (i % 7 == 0)
			push_control(w, 10);
		if (i % 11 == 0)
			write_some(w, 1, 30);
		next_chunk(c);
	}
	assert_true(w->o.n_spans < 500);
	drain(w);
	assert_int_equal(w->n_messages, 600);
	assert_int_equal(w->control_told, w->control);
	chunks_free(c);
}

/* without memory for a copy the chunk is held, and their number has a ceiling of its own */
static void test_no_memory_for_copies(void **state)
{
	struct chunks *c = chunks_new(64 << 10);
	struct world *w = c->w;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		w->poor = i > 65;
		push(w, 0, 10);
		w->poor = false;
		encode_event(w, 2, 15000);
		next_chunk(c);
	}
	assert_in_range(w->o.n_blobs, BLOBS_AT_LEAST, w->o.n_blobs_max);
	drain(w);
	chunks_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_message),
		cmocka_unit_test(test_large_begun_does_not_block_replies),
		cmocka_unit_test(test_replies_push_messages_out),
		cmocka_unit_test(test_replies_past_the_ceiling_overrun),
		cmocka_unit_test(test_disconnect_at_the_first_loss),
		cmocka_unit_test(test_reply_in_front_is_no_loss),
		cmocka_unit_test(test_blobs_have_a_ceiling),
		cmocka_unit_test(test_spans_have_a_ceiling),
		cmocka_unit_test(test_the_ceiling_is_exact),
		cmocka_unit_test(test_small_spans_fill_the_queue),
		cmocka_unit_test(test_large_spans_stay_shared),
		cmocka_unit_test(test_copies_keep_the_order),
		cmocka_unit_test(test_no_memory_for_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
