/*
 * The log of a server: order, channels, limits and memory. A random test compares it with
 * a plain list.
 */
#include "hub/log.h"
#include "hub/chunk.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LIMIT {SIZE_MAX, HUB_LOG_COUNT_MAX, UINT64_MAX}

struct world {
	struct hub_log log;
	struct chunk chunk;
	uint64_t seq;
};

static void open_world(struct world *w, size_t bytes, size_t count, uint64_t age)
{
	*w = (struct world){.seq = 0};
	hub_log_init(&w->log);
	chunk_init(&w->chunk);
	hub_log_set_limits(&w->log, &(struct hub_log_limits){bytes, count, age});
}

static void close_world(struct world *w)
{
	hub_log_fini(&w->log);
	chunk_fini(&w->chunk);
}

static void trim(struct world *w, uint64_t now)
{
	while (hub_log_exceeds(&w->log, now))
		hub_log_drop_oldest(&w->log);
}

/* A frame of n bytes, each the last digit of its seq. */
static int append(struct world *w, const char *channel, size_t n, uint64_t now)
{
	struct hub_log_item item = {.seq = w->seq + 1, .channel = slice_of(channel)};
	struct chunk_frame frame;
	struct buf *out;
	char *room;
	int r = n ? chunk_begin(&w->chunk, n, &out) : 0;

	if (r)
		return r;
	if (n) {
		r = buf_room(out, n, &room);
		if (!r) {
			memset(room, (int)('0' + item.seq % 10), n);
			buf_grown(out, n);
		}
		r = chunk_end(&w->chunk, r, &frame);
		if (r)
			return r;
		item.blob = frame.blob;
		item.offset = frame.offset;
		item.n = frame.n;
	}
	w->seq++;
	return hub_log_append(&w->log, &item, now);
}

static void assert_frame(const struct hub_log *log, uint64_t number, uint64_t seq)
{
	const struct hub_log_entry *e = hub_log_at(log, number);

	assert_int_equal(e->seq, seq);
	for (size_t i = 0; e->blob && i < e->n; i++)
		assert_int_equal(blob_at(e->blob, e->offset)[i], '0' + seq % 10);
}

static void test_entries_by_seq(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, SIZE_MAX, HUB_LOG_COUNT_MAX, UINT64_MAX);
	assert_true(hub_log_empty(&w.log));
	assert_int_equal(hub_log_first(&w.log), 1);
	assert_int_equal(hub_log_find(&w.log, 0), hub_log_end(&w.log));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(append(&w, i % 3 ? "/a" : "/b/c", 100, 0), 0);
		w.seq += i % 2;         /* a message without a receiver is not logged */
	}
	for (uint64_t i = 0, seq = 1; i < 1000; i++) {
		assert_frame(&w.log, i, seq);
		assert_int_equal(hub_log_find(&w.log, seq), i);
		seq++;
		if (i % 2)
			assert_int_equal(hub_log_find(&w.log, seq++), i + 1);
	}
	assert_int_equal(hub_log_find(&w.log, w.seq + 1), hub_log_end(&w.log));
	assert_null(hub_log_channel(&w.log, SLICE("/c")));
	close_world(&w);
}

static void test_entries_by_time(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, SIZE_MAX, HUB_LOG_COUNT_MAX, UINT64_MAX);
	assert_int_equal(hub_log_find_time(&w.log, 0), hub_log_end(&w.log));
	/* three at each tenth millisecond */
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(append(&w, "/a", 10, 1000 + i / 3 * 10), 0);
	assert_int_equal(hub_log_find_time(&w.log, 0), 0);
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(hub_log_find_time(&w.log, 1000 + i * 10), i * 3);
		assert_int_equal(hub_log_find_time(&w.log, 1001 + i * 10), i * 3 + 3);
	}
	assert_int_equal(hub_log_find_time(&w.log, UINT64_MAX), hub_log_end(&w.log));
	close_world(&w);
}

/* The last ones of a channel are found without a look at the others. */
static void test_a_channel(void **state)
{
	struct hub_log_channel *c;
	struct world w;
	uint64_t at;

	(void)state;
	open_world(&w, SIZE_MAX, HUB_LOG_COUNT_MAX, UINT64_MAX);
	for (int i = 1; i <= 1000; i++)
		assert_int_equal(append(&w, i % 100 ? "/often" : "/rare", 10, 0), 0);
	c = hub_log_channel(&w.log, SLICE("/rare"));
	assert_int_equal(c->n, 10);
	at = c->newest;
	for (uint64_t seq = 1000; seq > 100; seq -= 100) {
		assert_int_equal(hub_log_at(&w.log, at)->seq, seq);
		at -= hub_log_at(&w.log, at)->previous;
	}
	assert_int_equal(at, c->oldest);
	assert_int_equal(hub_log_at(&w.log, at)->previous, 0);
	at += hub_log_at(&w.log, at)->next;
	assert_int_equal(hub_log_at(&w.log, at)->seq, 200);
	for (int i = 0; i < 100; i++)
		hub_log_drop_oldest(&w.log);
	assert_int_equal(hub_log_first(&w.log), 101);
	assert_int_equal(c->n, 9);
	assert_int_equal(hub_log_at(&w.log, c->oldest)->seq, 200);
	assert_int_equal(hub_log_at(&w.log, c->oldest)->previous, 0);
	close_world(&w);
}

static void test_limits(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, SIZE_MAX, 5, 1000);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(append(&w, "/a", 10, 100 * (uint64_t)i), 0);
		trim(&w, 100 * (uint64_t)i);
	}
	assert_int_equal(hub_log_first(&w.log), 4);
	assert_int_equal(hub_log_deadline(&w.log), 300 + 1000 + 101);
	trim(&w, 1300);
	assert_int_equal(hub_log_first(&w.log), 4);
	trim(&w, 1301);
	assert_int_equal(hub_log_first(&w.log), 5);
	trim(&w, 5000);
	assert_true(hub_log_empty(&w.log));
	assert_int_equal(hub_log_first(&w.log), 9);
	assert_true(hub_log_deadline(&w.log) == UINT64_MAX);
	hub_log_forget(&w.log, 20);
	assert_int_equal(hub_log_first(&w.log), 21);
	/* unlimited */
	hub_log_set_limits(&w.log, &(struct hub_log_limits)NO_LIMIT);
	w.seq = 20;
	assert_int_equal(append(&w, "/a", 10, 5000), 0);
	assert_true(hub_log_deadline(&w.log) == UINT64_MAX);
	assert_false(hub_log_exceeds(&w.log, UINT64_MAX - 1));
	hub_log_set_limits(&w.log, &(struct hub_log_limits){0});
	assert_true(hub_log_is_off(&w.log));
	trim(&w, 5000);
	assert_true(hub_log_empty(&w.log));
	close_world(&w);
}

/* All memory that is held because of the log is counted, and nothing of it is left in the end. */
static void test_bytes(void **state)
{
	const size_t max = 200000;
	size_t held, most = 0;
	struct world w;

	(void)state;
	open_world(&w, max, HUB_LOG_COUNT_MAX, UINT64_MAX);
	for (int i = 0; i < 20000; i++) {
		char channel[40];

		snprintf(channel, sizeof(channel), "/channel/%d", rand() % 500);
		assert_int_equal(append(&w, channel, rand() % 50 ? (size_t)rand() % 400
								 : (size_t)rand() % 40000, 0), 0);
		trim(&w, 0);
		held = 0;
		for (uint64_t at = hub_log_oldest(&w.log); at < hub_log_end(&w.log); at++) {
			const struct hub_log_entry *e = hub_log_at(&w.log, at);

			held += sizeof(*e);
			if (e->blob && (at == hub_log_oldest(&w.log) || hub_log_at(&w.log, at - 1)->blob != e->blob))
				held += sizeof(*e->blob) + e->blob->buf.cap;
		}
		assert_true(held <= max);
		most = held > most ? held : most;
		assert_true(w.log.bytes <= max);
		assert_true(w.log.bytes >= held);
		assert_true(w.log.bytes <= held + 500 * (sizeof(struct hub_log_channel) + 12));
	}
	assert_true(most > max / 2);
	while (!hub_log_empty(&w.log))
		hub_log_drop_oldest(&w.log);
	assert_int_equal(w.log.bytes, 0);
	assert_int_equal(w.log.channels.n, 0);
	close_world(&w);
}

/* A message larger than the limit is not kept, and nothing before it. */
static void test_one_too_large(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 100000, HUB_LOG_COUNT_MAX, UINT64_MAX);
	assert_int_equal(append(&w, "/a", 10, 0), 0);
	assert_int_equal(append(&w, "/a", 200000, 0), 0);
	trim(&w, 0);
	assert_true(hub_log_empty(&w.log));
	assert_int_equal(hub_log_first(&w.log), 3);
	assert_int_equal(append(&w, "/a", 10, 0), 0);
	trim(&w, 0);
	assert_false(hub_log_empty(&w.log));
	close_world(&w);
}

/* one without a frame, and one without a channel */
static void test_incomplete_entries(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, SIZE_MAX, HUB_LOG_COUNT_MAX, UINT64_MAX);
	assert_int_equal(append(&w, "/a", 0, 0), 0);
	assert_int_equal(append(&w, "/a", 10, 0), 0);
	assert_int_equal(append(&w, "", 10, 0), 0);
	assert_int_equal(append(&w, "/a", 0, 0), 0);
	assert_null(hub_log_at(&w.log, 0)->blob);
	assert_null(hub_log_at(&w.log, 2)->channel);
	assert_int_equal(hub_log_at(&w.log, 3)->previous, 2);
	while (!hub_log_empty(&w.log))
		hub_log_drop_oldest(&w.log);
	assert_int_equal(w.log.bytes, 0);
	close_world(&w);
}

/* An entry is there completely, or everything is as before. */
static void test_no_memory(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, SIZE_MAX, HUB_LOG_COUNT_MAX, UINT64_MAX);
	FAIL_EACH_ALLOCATION {
		size_t before = (size_t)(hub_log_end(&w.log) - hub_log_oldest(&w.log));
		char channel[20];
		int r = 0;

		for (int i = 0; r == 0 && i < 70; i++) {
			snprintf(channel, sizeof(channel), "/%u/%d", fail_at_, i);
			r = append(&w, channel, 10, 0);
			if (r)
				assert_int_equal(r, -ENOMEM);
			else
				before++;
			assert_int_equal(hub_log_end(&w.log) - hub_log_oldest(&w.log), before);
		}
	}
	for (uint64_t at = hub_log_oldest(&w.log); at < hub_log_end(&w.log); at++)
		assert_frame(&w.log, at, hub_log_at(&w.log, at)->seq);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_by_seq),
		cmocka_unit_test(test_entries_by_time),
		cmocka_unit_test(test_a_channel),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_one_too_large),
		cmocka_unit_test(test_incomplete_entries),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
