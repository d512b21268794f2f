/*
 * The sign of life of a session that is quiet: after so long with nothing but
 * connects, and never otherwise.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include <errno.h>
#include <stdio.h>

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.keep_alive = 5000;
	snprintf(options.keep_alive_channel, sizeof(options.keep_alive_channel), "/service/k");
	return 0;
}

#define ALIVE                                                                                      \
	"< commands long-polling [{'channel':'/service/k','id':'%','clientId':'c1','data':{}}]"
#define ALIVE_OK                                                                                   \
	"> reply command [{'channel':'/service/k','successful':true}]", "< outcome 0 ok"

static void a_quiet_session_says_that_it_lives(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 4000", CONNECT_OK, CONNECT, "> sleep 20000", "< +1000..1000",
	     ALIVE, "> wait 2000", ALIVE_OK, "> sleep 20000", "< +3000..3000", ALIVE,
	     /* a refusal is a sign of life like any other */
	     "> reply command [{'channel':'/service/k','successful':false,'error':'403::x'}]",
	     "< outcome 0 refused%", "> sleep 20000", "< +5000..5000", ALIVE);
}

static void no_keep_alive_while_requests_are_sent(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 4000", "> publish 1 /a 9000 1", "< commands %'/a'%",
	     "> reply command [{'channel':'/a','successful':true}]", "< outcome 1 ok",
	     "> wait 4000", "> want /b", "< commands %'/b'%",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/b',"
	     "'successful':true}]", "< channel /b active", "> wait 4999", "> sleep 1", "< +1..1",
	     ALIVE);
}

static void no_keep_alive_without_a_session(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 4000", "> fail connect not-sent", "< state unconnected%",
	     "> sleep 1500", "< +800..1200", PROBE, "> wait 3000", CONNECT_OK, "< state connected%",
	     CONNECT, "> sleep 10", "< +0..0", ALIVE, ALIVE_OK,
	     "> stop", "< state disconnecting", "< disconnect %", "> wait 1999");
	options.keep_alive = 0;
	PLAY(&options, UP, "> wait 35000");
}

static bool is_due(struct session *s, uint64_t now)
{
	session_tick(s, now);
	return session_deadline(s) <= now;
}

/* without memory the keep-alive message is sent a little later */
static void memory_fails(void **state)
{
	(void)state;
	static const char hello[] = "[{\"channel\":\"/meta/handshake\",\"successful\":true,"
				    "\"clientId\":\"c1\"}]";
	struct session *s;
	struct session_event e;
	struct session_batch b;
	struct buf out;
	buf_init(&out, 1 << 16);
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	session_start(s, 0);
	while (session_next(s, 0, &e) == 0)
		;
	assert_int_equal(session_take_batch(s, 0, &out, &b), 0);
	assert_int_equal(session_feed(s, 0, b.id, slice_of(hello)), 0);
	while (session_next(s, 0, &e) == 0)
		;
	session_batch_end(s, 0, b.id);
	while (session_next(s, 0, &e) == 0)
		;
	assert_int_equal(session_take_batch(s, 0, &out, &b), 0);
	testing_fail_allocation(0);
	assert_false(is_due(s, 5000));
	assert_true(testing_allocation_failed());
	assert_int_equal(session_deadline(s), 6000);
	assert_true(is_due(s, 6000));
	session_free(s);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_quiet_session_says_that_it_lives, setup),
		cmocka_unit_test_setup(no_keep_alive_while_requests_are_sent, setup),
		cmocka_unit_test_setup(no_keep_alive_without_a_session, setup),
		cmocka_unit_test_setup(memory_fails, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
