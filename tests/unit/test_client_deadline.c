/*
 * The client engine and time: each wait ends at engine_deadline(), because the
 * application sleeps until then; only a connection that lasted resets the pauses; and
 * the actual pause is reported.
 */
#include "tests/unit/testing.h"

#include "tests/unit/engine_play.h"

#define GREETING(id) "{'op':'reply','id':" #id ",'ok':true,'result':{'version':1}}"

static void drain(struct play *p)
{
	struct engine_item item;

	while (engine_next(p->engine, p->now, &item) == 0)
		;
}

static void test_a_daemon_that_does_not_greet(void **state)
{
	struct play p = {.chunk = SIZE_MAX, .now = 1000};
	struct engine_item item;
	uint64_t end;

	(void)state;
	assert_int_equal(engine_new(3, &p.engine), 0);
	assert_int_equal(engine_connected(p.engine, p.now), 0);
	engine_written(p.engine, play_output(&p).n);
	end = engine_deadline(p.engine);
	assert_in_range(end, p.now + 1, p.now + 60000);
	engine_tick(p.engine, end - 1);
	assert_int_equal(engine_state(p.engine), ENGINE_GREETING);
	engine_tick(p.engine, end);
	assert_int_equal(engine_state(p.engine), ENGINE_BROKEN);
	assert_int_equal(engine_error(p.engine), COMETD_E_TIMEOUT);
	/* and the deadline makes the caller get it at once */
	assert_int_equal(engine_deadline(p.engine), 0);
	assert_int_equal(engine_next(p.engine, end, &item), ENGINE_E_BROKEN);
	engine_free(p.engine);
}

/* else a daemon that ends each connection at once is asked ten times a second, by each client */
static void test_only_what_lasts_is_good(void **state)
{
	struct play p = {.chunk = SIZE_MAX, .now = 1000000};

	(void)state;
	assert_int_equal(engine_new(3, &p.engine), 0);
	for (unsigned i = 0; i < 8; i++)
		engine_disconnected(p.engine, p.now, COMETD_E_NO_DAEMON);
	drain(&p);
	assert_int_equal(engine_connected(p.engine, p.now), 0);
	engine_written(p.engine, play_output(&p).n);
	play_say(&p, GREETING(1));
	drain(&p);
	assert_int_equal(engine_state(p.engine), ENGINE_UP);
	p.now += 1000;
	engine_disconnected(p.engine, p.now, COMETD_E_DISCONNECTED);
	drain(&p);
	assert_in_range(engine_deadline(p.engine) - p.now, 2500, 5000);
	engine_free(p.engine);
}

static void test_the_pause_is_reported(void **state)
{
	struct play p = {.chunk = SIZE_MAX, .now = 5000};
	struct engine_item item;

	(void)state;
	assert_int_equal(engine_new(3, &p.engine), 0);
	engine_disconnected(p.engine, p.now, COMETD_E_NO_DAEMON);
	assert_int_equal(engine_next(p.engine, p.now, &item), 0);
	assert_int_equal(item.event.type, COMETD_EVENT_DOWN);
	assert_int_equal(item.event.error, COMETD_E_NO_DAEMON);
	assert_int_equal(item.event.retry_in, engine_deadline(p.engine) - p.now);
	engine_free(p.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_daemon_that_does_not_greet),
		cmocka_unit_test(test_only_what_lasts_is_good),
		cmocka_unit_test(test_the_pause_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
