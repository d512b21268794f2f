/*
 * Time in the session: the timestamp of each message, and the estimate of the server's
 * clock, where configured. The script sets the time of day.
 */
#include "tests/unit/testing.h"

#include "bayeux/ext_timesync.h"
#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include <errno.h>
#include <stdio.h>

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

static void each_message_carries_its_send_time(void **state)
{
	(void)state;
	options.timestamp = true;
	PLAY(&options, "> clock 1795233276123", "> want /a", "> start", "< state handshaking",
	     "< handshake long-polling [{%,'timestamp':'Sat, 21 Nov 2026 03:54:36 GMT'}]",
	     HANDSHAKE_OK, "< state connecting",
	     "< connect long-polling [{%,'timestamp':'Sat, 21 Nov 2026 03:54:36 GMT'}]",
	     "< commands long-polling [{'channel':'/meta/subscribe',%,"
	     "'timestamp':'Sat, 21 Nov 2026 03:54:36 GMT'}]",
	     /* the clock is set forward and back */
	     "> clock 784111777100", CONNECT_OK, "< state connected",
	     "< connect long-polling [{%,'timestamp':'Sun, 06 Nov 1994 08:49:37 GMT'}]",
	     "> publish 1 /a 9000 1 {'x':1}", "> wait 900",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/a',"
	     "'successful':true}]",
	     "< channel /a active",
	     "< commands long-polling [{'channel':'/a',%,'data':1,"
	     "'timestamp':'Sun, 06 Nov 1994 08:49:38 GMT','ext':{'x':1}}]");
}

/* ---- the server's clock ---- */

static int setup_timesync(void **state)
{
	setup(state);
	options.timesync = true;
	return 0;
}

#define SYNC(tc, l, o) "'ext':{'timesync':{'tc':" #tc ",'l':" #l ",'o':" #o "}}}]"
#define ASKS(tc, l, o) "< handshake long-polling [{%," SYNC(tc, l, o)
#define PROBES(tc, l, o) "< connect long-polling [{%'advice':{'timeout':0}," SYNC(tc, l, o)
#define CONNECTS(tc, l, o) "< connect long-polling [{%'long-polling'," SYNC(tc, l, o)
#define ANSWER(tc, ts, p)                                                                          \
	"> reply connect [{'channel':'/meta/connect','successful':true,'ext':{'timesync':{'tc':"   \
	#tc ",'ts':" #ts ",'p':" #p ",'a':0}}}]"
#define HANDSHAKE_ANSWER(tc, ts, p)                                                                \
	"> reply connect [{'minimumVersion':'1.0','clientId':'c1','advice':{'timeout':30000},"     \
	"'channel':'/meta/handshake','successful':true,"                                           \
	"'ext':{'timesync':{'tc':" #tc ",'ts':" #ts ",'p':" #p ",'a':0}}}]"
/* there and back in 40 ms, looked at 100 ms ahead of us in the middle of it */
#define TIMED                                                                                      \
	"> clock 5000000", "> start", "< state handshaking", ASKS(5000000, 0, 0), "> wait 40",     \
		HANDSHAKE_ANSWER(5000000, 5000120, 0), "< state connecting",                       \
		PROBES(5000040, 20, 100)

static void the_servers_clock_is_measured(void **state)
{
	(void)state;
	PLAY(&options, TIMED, "> wait 20",
	     /* a shorter way is believed; the lag is the mean of 20 and 5 */
	     ANSWER(5000040, 5000150, 10), "< state connected", CONNECTS(5000060, 13, 105),
	     /* held for long, and still 20 ms each way; the best is 5 ms */
	     "> wait 29040", ANSWER(5000060, 5000000, 29000), CONNECTS(5029100, 15, 105),
	     /* an answer without timesync confirms our estimate */
	     "> wait 1000", CONNECT_OK, CONNECTS(5030100, 15, 105));
}

static void the_clock_on_the_wall_is_set(void **state)
{
	(void)state;
	/* back by an hour while the connect is held: the server is that much further ahead */
	PLAY(&options, TIMED, "> wait 10", "> clock 1400050", "> wait 10",
	     ANSWER(5000040, 5000150, 0), "< state connected", CONNECTS(1400060, 15, 3600100));
	/* and forth */
	PLAY(&options, TIMED, "> clock 5001040", CONNECT_OK, "< state connected",
	     CONNECTS(5001040, 20, -900));
}

static void odd_answers_are_none(void **state)
{
	(void)state;
	PLAY(&options, TIMED, "> wait 200", ANSWER(5000041, 6000000, 0), "< state connected",
	     CONNECTS(5000240, 20, 100), "> wait 200", ANSWER(5000240, '6000000', 0),
	     CONNECTS(5000440, 20, 100), "> wait 200", ANSWER(5000440, 6000000, -1),
	     CONNECTS(5000640, 20, 100), "> wait 200", ANSWER(5000640, 6000000, 301),
	     CONNECTS(5000840, 20, 100), "> wait 200", ANSWER(5000840, 9007199254740993, 0),
	     CONNECTS(5001040, 20, 100), "> wait 200", ANSWER(5001040, 1.5, 0),
	     CONNECTS(5001240, 20, 100), "> wait 200",
	     "> reply connect [{'channel':'/meta/connect','successful':true,'ext':{'timesync':1}}]",
	     CONNECTS(5001440, 20, 100), "> wait 200",
	     "> reply connect [{'channel':'/meta/connect','successful':true,'ext':{'timesync':"
	     "{'tc':5001440,'ts':1,'p':0,'ts':2}}}]",
	     CONNECTS(5001640, 20, 100),
	     /* a server may count its ms a little differently: no way takes less than no time */
	     "> wait 200", ANSWER(5001640, 5001645, 201), CONNECTS(5001840, 10, 5));
}

static void another_session_starts_again(void **state)
{
	(void)state;
	PLAY(&options, TIMED,
	     "> reply connect [{'channel':'/meta/connect','successful':false,'error':'402::x',"
	     "'advice':{'reconnect':'handshake'}}]",
	     "< state unconnected gap%", "< note the server forgot%", "> sleep 9000", "< +960..960", "< state handshaking gap%",
	     ASKS(5001000, 20, 100), "> wait 60", HANDSHAKE_ANSWER(5001000, 4001030, 0),
	     "< state connecting gap%", PROBES(5001060, 30, -1000000));
}

/* ---- the measurements themselves ---- */

static struct envelope answer_of(struct envelope_batch *b, uint64_t tc, uint64_t ts)
{
	static char text[256];
	snprintf(text, sizeof(text), "[{\"channel\":\"/meta/connect\",\"ext\":{\"timesync\":"
		 "{\"tc\":%llu,\"ts\":%llu,\"p\":0}}}]", (unsigned long long)tc,
		 (unsigned long long)ts);
	assert_int_equal(envelope_parse(b, slice_of(text)), 0);
	return b->items[0];
}

/* Asks at `sent`, and is answered at `now`; both clocks of ours are the same. */
static void measure(struct ext *x, uint64_t sent, uint64_t now, uint64_t ts)
{
	const struct ext_request request = {.kind = REQUEST_CONNECT, .at = {sent, sent}};
	struct envelope_batch b;
	struct buf out;
	struct list chain;
	list_init(&chain);
	ext_add(&chain, x);
	buf_init(&out, 256);
	envelope_batch_init(&b);
	assert_int_equal(ext_write(&chain, NULL, &request, SLICE_NULL, &out), 0);
	struct envelope e = answer_of(&b, sent, ts);
	assert_int_equal(ext_incoming(&chain, EXT_CONNECT_REPLY, &e, (struct ext_time){now, now}),
			 0);
	list_remove(&x->link);
	envelope_batch_fini(&b);
	buf_fini(&out);
}

static void ten_measurements_are_remembered(void **state)
{
	struct session_timesync known;
	struct ext *x;
	(void)state;
	assert_int_equal(ext_timesync_new(&x), 0);
	ext_timesync_estimate(x, (struct ext_time){0, 0}, &known);
	assert_int_equal(known.samples, 0);
	measure(x, 1000, 1002, 1501);
	for (unsigned i = 1; i <= 10; i++) {
		ext_timesync_estimate(x, (struct ext_time){7, 7}, &known);
		assert_int_equal(known.samples, i);
		assert_int_equal(known.offset, 500);
		measure(x, 1000 + 100 * i, 1040 + 100 * i, 1070 + 100 * i);
	}
	/* the first and best one is forgotten */
	ext_timesync_estimate(x, (struct ext_time){7, 7}, &known);
	assert_int_equal(known.samples, 10);
	assert_int_equal(known.lag, 20);
	assert_int_equal(known.offset, 50);
	x->ops->free(x);
}

static void memory_fails(void **state)
{
	unsigned failed = 0;
	struct envelope_batch b;
	(void)state;
	envelope_batch_init(&b);
	struct envelope e = answer_of(&b, 100, 3000);
	FAIL_EACH_ALLOCATION {
		const struct ext_request request = {.kind = REQUEST_CONNECT, .at = {100, 100}};
		const struct ext_time at = {200, 200};
		struct session_timesync known;
		struct list chain;
		struct buf out;
		struct ext *x;
		list_init(&chain);
		buf_init(&out, 256);
		if (ext_timesync_new(&x)) {
			failed++;
			continue;
		}
		ext_add(&chain, x);
		int r = ext_write(&chain, NULL, &request, SLICE_NULL, &out);
		failed += r == -ENOMEM;
		if (r)
			r = ext_write(&chain, NULL, &request, SLICE_NULL, &out);
		assert_int_equal(r, 0);
		r = ext_incoming(&chain, EXT_CONNECT_REPLY, &e, at);
		failed += r == -ENOMEM;
		if (r)
			r = ext_incoming(&chain, EXT_CONNECT_REPLY, &e, at);
		assert_int_equal(r, 0);
		ext_timesync_estimate(x, at, &known);
		assert_int_equal(known.samples, 1);
		assert_int_equal(known.offset, 2850);
		ext_free_all(&chain);
		buf_fini(&out);
	}
	assert_int_equal(failed, 2);
	envelope_batch_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_message_carries_its_send_time, setup),
		cmocka_unit_test_setup(the_servers_clock_is_measured, setup_timesync),
		cmocka_unit_test_setup(the_clock_on_the_wall_is_set, setup_timesync),
		cmocka_unit_test_setup(odd_answers_are_none, setup_timesync),
		cmocka_unit_test_setup(another_session_starts_again, setup_timesync),
		cmocka_unit_test(ten_measurements_are_remembered),
		cmocka_unit_test(memory_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
