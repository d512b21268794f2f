/*
 * auth/auth with a clock that the test sets: the next credential is fetched before the
 * current one expires, whatever its lifetime and whether source or option sets it; and
 * memory of a file is freed.
 */
#include "auth/auth.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BORN 1000
#define BACKOFF_MIN 60

struct world {
	struct loop *loop;
	struct auth *auth;
	struct auth_source source;
	struct auth_waiter waiter;
	unsigned fetches, got;
};

static int source_fetch(struct auth_source *s, struct fault *why)
{
	(void)why;
	LIST_OF(s, struct world, source)->fetches++;
	return 0;
}

static void source_free(struct auth_source *s)
{
	(void)s;
}

static const struct auth_source_type source_type = {source_fetch, source_free};

static void on_reported(void *ctx, const char *why)
{
	struct world *w = ctx;

	w->got += why == NULL;
}

static void quiet(void *ctx, const struct log_line *line)
{
	(void)ctx;
	(void)line;
}

static void turn_at(struct world *w, uint64_t ms)
{
	clock_fake(1, ms);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(loop_turn(w->loop, false), 0);
}

static void world_open(struct world *w, struct auth_options *o)
{
	*w = (struct world){.source.type = &source_type};
	log_set_sink(quiet, NULL);
	clock_fake(1, BORN);
	assert_int_equal(loop_new(&w->loop), 0);
	auth_waiter_init(&w->waiter, on_reported, w);
	o->name = "demo";
	o->backoff_min = BACKOFF_MIN;
	o->backoff_max = 1000;
	if (!o->file)
		o->source = &w->source;
	assert_int_equal(auth_new(w->loop, o, &w->auth), 0);
	auth_get(w->auth, &w->waiter);
	turn_at(w, BORN);
}

static void world_close(struct world *w)
{
	auth_free(w->auth);
	loop_free(w->loop);
	clock_fake(UINT64_MAX, UINT64_MAX);
}

static void answer(struct world *w, uint64_t lifetime)
{
	struct auth_secret secret = {.text = "token", .n = 5, .lifetime = lifetime};
	struct auth_fetched f = {.secret = &secret};

	w->source.fetched(w->source.ctx, &f);
}

static void the_next_one_is_fetched_before_the_end(void **state)
{
	static const struct { uint64_t reported, configured, fetch_after; } table[] = {
		{100000, 0, 90000},
		/* the lifetime from the source takes precedence over the configured one */
		{100000, 5000, 90000},
		{0, 100000, 90000},
		/* of a long life, five minutes are early enough */
		{7200000, 0, 7200000 - 300000},
		{2900000, 0, 2610000},
		/* one that ends at once is not fetched all the time */
		{1, 0, BACKOFF_MIN},
		{BACKOFF_MIN, 0, BACKOFF_MIN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct auth_options o = {.kind = AUTH_BEARER, .lifetime = table[i].configured};
		struct world w;

		world_open(&w, &o);
		assert_int_equal(w.fetches, 1);
		answer(&w, table[i].reported);
		assert_int_equal(w.got, 1);
		turn_at(&w, BORN + table[i].fetch_after - 1);
		assert_int_equal(w.fetches, 1);
		turn_at(&w, BORN + table[i].fetch_after);
		assert_int_equal(w.fetches, 2);
		world_close(&w);
	}
}

static void what_has_no_end_is_kept(void **state)
{
	struct auth_options o = {.kind = AUTH_HEADER, .header = "X-Key"};
	struct world w;

	(void)state;
	world_open(&w, &o);
	answer(&w, 0);
	turn_at(&w, BORN + 1000ull * 3600 * 24 * 365);
	assert_int_equal(w.fetches, 1);
	assert_string_equal(auth_header(w.auth), "X-Key: token");
	world_close(&w);
}

/* Otherwise a long-running daemon would run out of descriptors by reading a rotated token. */
static void a_file_is_closed_again(void **state)
{
	char path[] = "/tmp/test-auth-XXXXXX";
	struct auth_options o = {.kind = AUTH_BEARER, .file = path};
	int fd = mkstemp(path), before, after;
	struct world w;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "one", 3), 3);
	world_open(&w, &o);
	assert_int_equal(w.got, 1);
	before = dup(fd);
	close(before);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(write(fd, "+", 1), 1);
		assert_non_null(auth_header(w.auth));
	}
	assert_string_equal(auth_header(w.auth), "Authorization: Bearer one+++++");
	after = dup(fd);
	close(after);
	assert_int_equal(after, before);
	close(fd);
	unlink(path);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_one_is_fetched_before_the_end),
		cmocka_unit_test(what_has_no_end_is_kept),
		cmocka_unit_test(a_file_is_closed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
