/*
 * What the client engine remembers from one connection to the next: how long to
 * wait, the states of servers; and the words for all of it.
 */
#include "tests/unit/testing.h"

#include "tests/unit/engine_play.h"

#include "libclient/error.h"
#include "protocol/protocol.h"

#include <stdio.h>
#include <string.h>

/* how long the engine waits after its n-th failure in a row, at least and at most */
static void test_pauses(void **state)
{
	static const struct { unsigned low, high; } pause[] = {
		{50, 100}, {100, 200}, {200, 400}, {400, 800}, {800, 1600}, {1600, 3200},
		{2500, 5000}, {2500, 5000}, {2500, 5000}};

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct engine *e;
		uint64_t now = 0;

		assert_int_equal(engine_new(seed * 77777, &e), 0);
		assert_true(engine_wants_connection(e, now));
		assert_int_equal(engine_deadline(e), 0);
		for (size_t i = 0; i < sizeof(pause) / sizeof(*pause); i++) {
			struct engine_item item;

			engine_disconnected(e, now, COMETD_E_NO_DAEMON);
			while (engine_next(e, now, &item) == 0)
				;
			uint64_t then = engine_deadline(e);
			assert_in_range(then - now, pause[i].low, pause[i].high);
			assert_false(engine_wants_connection(e, then - 1));
			assert_true(engine_wants_connection(e, then));
			now = then;
		}
		engine_connect_now(e);
		assert_true(engine_wants_connection(e, now));
		engine_free(e);
	}
}

static void drain(struct play *p)
{
	struct engine_item item;

	while (engine_next(p->engine, p->now, &item) == 0)
		;
}

/* sends `said` at once and `last` (or NULL) 6 seconds later */
static uint64_t pause_after(struct play *p, const char *said, const char *last)
{

	assert_int_equal(engine_connected(p->engine, p->now), 0);
	engine_written(p->engine, play_output(p).n);
	play_say(p, said);
	drain(p);
	p->now += 6000;
	if (last)
		play_say(p, last);
	drain(p);
	engine_disconnected(p->engine, p->now, COMETD_E_DISCONNECTED);
	drain(p);
	return engine_deadline(p->engine) - p->now;
}

static void test_pause_hints(void **state)
{
	struct play p = {.chunk = SIZE_MAX};

	(void)state;
	assert_int_equal(engine_new(3, &p.engine), 0);
	for (int i = 0; i < 10; i++)
		engine_disconnected(p.engine, 0, COMETD_E_NO_DAEMON);
#define CLOSING(more) "{'op':'closing','code':'shutdown','reason':''" more "}"
#define GREETING(id) "{'op':'reply','id':" #id ",'ok':true,'result':{'version':1}}"
	/* the daemon knows when it comes back */
	assert_in_range(pause_after(&p, CLOSING(",'retry_in':300"), NULL), 300, 400);
	/* but not for longer than we like, and the hint is for once */
	assert_in_range(pause_after(&p, CLOSING(",'retry_in':99999"), NULL), 2500, 5000);
	assert_in_range(pause_after(&p, CLOSING(""), NULL), 2500, 5000);
	/* One that served: the daemon may be restarting, and its socket is still there. Once, ... */
	assert_int_equal(pause_after(&p, GREETING(4), NULL), 0);
	engine_disconnected(p.engine, p.now, COMETD_E_NO_DAEMON);
	assert_in_range(engine_deadline(p.engine) - p.now, 100, 200);
	for (int i = 0; i < 10; i++)
		engine_disconnected(p.engine, p.now, COMETD_E_NO_DAEMON);
	assert_int_equal(pause_after(&p, GREETING(5), CLOSING("")), 0);
	/* ... and not when the next connection ends before it has served, or the daemon asks for a pause */
	assert_in_range(pause_after(&p, CLOSING(""), NULL), 100, 200);
	assert_in_range(pause_after(&p, GREETING(7), CLOSING(",'retry_in':300")), 300, 400);
	assert_in_range(pause_after(&p, GREETING(8), "{'op':'closing','code':'overflow','reason':''}"),
			50, 100);
	engine_free(p.engine);
}

static void test_states_remembered(void **state)
{
	struct play p = {.chunk = SIZE_MAX};
	struct engine_item item;

	(void)state;
	assert_int_equal(engine_new(3, &p.engine), 0);
	assert_int_equal(engine_server_state(p.engine, NULL), COMETD_E_DISCONNECTED);
	assert_int_equal(engine_connected(p.engine, 0), 0);
	play_say(&p, "{'op':'reply','id':1,'ok':true,'result':{'version':1,'servers':["
		"{'server':'a','state':'connecting','since':1,'gap':false},"
		"{'server':'b','default':true,'state':'off','since':1,'gap':false}]}}");
	while (engine_next(p.engine, 0, &item) == 0)
		;
	assert_int_equal(engine_server_state(p.engine, "a"), COMETD_STATE_CONNECTING);
	assert_int_equal(engine_server_state(p.engine, NULL), COMETD_STATE_OFF);
	assert_int_equal(engine_server_state(p.engine, "c"), COMETD_E_UNKNOWN_SERVER);
	play_say(&p, "{'op':'state','server':'b','state':'connected','since':2,'gap':false}");
	while (engine_next(p.engine, 0, &item) == 0)
		;
	assert_int_equal(engine_server_state(p.engine, "b"), COMETD_STATE_CONNECTED);
	assert_int_equal(engine_server_state(p.engine, NULL), COMETD_STATE_CONNECTED);
	engine_disconnected(p.engine, 0, COMETD_E_DISCONNECTED);
	assert_int_equal(engine_server_state(p.engine, "b"), COMETD_E_DISCONNECTED);
	engine_free(p.engine);
}

/* A daemon that lists too many servers, with names longer than allowed. */
static void test_many_servers(void **state)
{
	static char text[64 * 1024];
	size_t n = (size_t)sprintf(text, "{\"op\":\"reply\",\"id\":1,\"ok\":true,\"result\":"
				   "{\"version\":1,\"servers\":[");
	struct play p = {.chunk = SIZE_MAX};
	struct engine_item item;
	int told = 0;

	(void)state;
	for (int i = 0; i < 300; i++)
		n += (size_t)sprintf(text + n, "{\"server\":\"%0*d\",\"state\":\"off\",\"since\":1,"
				     "\"gap\":false},", i < 10 ? 100 : 3, i);
	strcpy(text + n - 1, "]}}");
	assert_int_equal(engine_new(3, &p.engine), 0);
	assert_int_equal(engine_connected(p.engine, 0), 0);
	n = strlen(text);
	play_feed(&p, (char[]){0, (char)(n >> 16), (char)(n >> 8), (char)n}, 4);
	play_feed(&p, text, n);
	while (engine_next(p.engine, 0, &item) == 0)
		told += item.event.type == COMETD_EVENT_STATE;
	/* the ten long names are reported, but not stored */
	assert_int_equal(told, 10 + 256);
	assert_int_equal(engine_server_state(p.engine, "265"), COMETD_STATE_OFF);
	assert_int_equal(engine_server_state(p.engine, "266"), COMETD_E_UNKNOWN_SERVER);
	engine_free(p.engine);
}

/* Each number has words and a name of its own. */
static void test_words(void **state)
{
	int named = 0;

	(void)state;
	for (int i = 0; i > -200; i--) {
		assert_non_null(cometd_strerror(i));
		named += strcmp(cometd_error_name(i), "unknown") != 0;
		for (int j = 0; j > i; j--)
			if (strcmp(cometd_error_name(i), "unknown"))
				assert_string_not_equal(cometd_error_name(i), cometd_error_name(j));
	}
	assert_int_equal(named, 35);
	for (int s = COMETD_STATE_OFF; s <= COMETD_STATE_DISCONNECTING; s++)
		assert_int_equal(cometd_state_of(cometd_state_name(s)), s);
	assert_int_equal(cometd_state_of("daydreaming"), COMETD_STATE_UNKNOWN);
	assert_int_equal(cometd_state_of(NULL), COMETD_STATE_UNKNOWN);
	for (int e = 0; e <= PROTOCOL_ERRORS_END; e++)
		assert_true(error_of_protocol(e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_pause_hints),
		cmocka_unit_test(test_states_remembered),
		cmocka_unit_test(test_many_servers),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
