/*
 * Calls: to which call an event is the answer, by our id or by its channel, and answers
 * to calls that have ended.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include "bayeux/publish.h"

#include <stdio.h>

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

/* a call on that channel, sent and taken by the server */
#define CALLED(cookie, channel, ms)                                                                \
	"> call " #cookie " " channel " " #ms " " #cookie, "< commands %",                         \
		"> reply command [{'channel':'" channel "','successful':true}]"
/* events, by a reply to the connect */
#define CAME(...)                                                                                  \
	"> wait 200", "> reply connect [" __VA_ARGS__ ",{'channel':'/meta/connect','successful':true}]"
#define LATE(channel) "< note an answer on " channel " came when its call was over"

static void calls_are_answered(void **state)
{
	(void)state;
	PLAY(&options, UP, "> call 1 /service/echo 9000 'x'", "< commands %",
	     /* the answer with our id, before the reply */
	     "> reply command [{'data':'x','channel':'/service/echo','id':'4'},"
	     "{'channel':'/service/echo','id':'4','successful':true}]",
	     "< outcome 1 ok 'x'",
	     /* answers without id go to the oldest on that channel, through the connect */
	     "> call 2 /service/noid 9000 2", "< commands %",
	     "> reply command [{'channel':'/service/noid','id':'5','successful':true}]",
	     "> call 3 /service/noid 9000 3", "< commands %",
	     "> reply command [{'channel':'/service/noid','id':'6','successful':true}]",
	     "> reply connect [{'data':'two','channel':'/service/noid'},"
	     "{'data':'three','channel':'/service/noid'},{'data':'more','channel':'/service/noid'},"
	     "{'channel':'/meta/connect','id':'3','successful':true}]",
	     "< outcome 2 ok 'two'", "< outcome 3 ok 'three'", "< message /service/noid 'more'",
	     CONNECT,
	     /* refused, delivered but not answered, not even replied to */
	     "> call 4 /service/x 9000 4", "< commands %",
	     "> reply command [{'channel':'/service/x','id':'8','successful':false,"
	     "'error':'404::x'}]",
	     "< outcome 4 refused: refused by the server", "> call 5 /service/x 500 5",
	     "< commands %",
	     "> reply command [{'channel':'/service/x','id':'9','successful':true}]",
	     "> sleep 9000",
	     "< +500..500", "< outcome 5 timeout%", "> call 6 /service/x 500 6", "< commands %",
	     "> sleep 9000", "< +500..500", "< outcome 6 unknown%");
}

/*
 * Servers add data to their replies (CometD, Faye and cometd-nodejs-server by extensions). It is the
 * publisher's alone, in time or too late; without `successful` or with another channel it is an event.
 */
static void replies_with_data_are_no_events(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /j 9000 1", "< commands %",
	     "> reply command [{'channel':'/j','id':'4','successful':true,'data':{'token':'t1'}}]",
	     "< outcome 1 ok {'token':'t1'}", "> publish 2 /j 9000 1", "< commands %",
	     "> reply command [{'channel':'/j','id':'5','successful':false,'error':'403::no',"
	     "'data':null}]",
	     "< outcome 2 refused: refused by the server null", "> publish 3 /j 9000 1",
	     "< commands %",
	     "> reply command [{'channel':'/j','id':'6','data':'an event of Faye'},"
	     "{'channel':'/k','id':'6','successful':true,'data':'of another channel'},"
	     "{'channel':'/j','successful':true,'data':'without id'},"
	     "{'channel':'/j','id':'x','successful':true,'data':'of another publisher'},"
	     "{'channel':'/j','id':'6','successful':true,'data':'reply'}]",
	     "< message /j 'an event of Faye'", "< message /k 'of another channel'",
	     "< message /j 'without id'", "< message /j 'of another publisher'",
	     "< outcome 3 ok 'reply'", "> publish 4 /j 500 1", "< commands %", "> sleep 900",
	     "< +500..500", "< outcome 4 unknown%",
	     CAME("{'channel':'/j','id':'7','successful':true,'data':'late'},"
		  "{'channel':'/j','id':'7','data':'late, but an event'}"),
	     "< message /j 'late, but an event'", CONNECT);
}

/* The remote calls of CometD: `successful` is the service's success or failure. */
static void a_service_may_fail(void **state)
{
	(void)state;
	PLAY(&options, UP, "> call 1 /service/r 9000 1", "< commands %",
	     "> reply command [{'data':{'why':'no'},'channel':'/service/r','id':'4',"
	     "'successful':false},{'channel':'/service/r','id':'4','successful':true}]",
	     "< outcome 1 refused: the service answered with a failure {'why':'no'}",
	     "> call 2 /service/r 9000 2", "< commands %",
	     "> reply command [{'data':5,'channel':'/service/r','id':'5','successful':true}]",
	     "< outcome 2 ok 5");
}

/* A publish may be slow as well: after a second, others go on beside it, each peer in its own order. */
static void a_slow_publish_delays_its_peer(void **state)
{
	(void)state;
#define SUBSCRIBED(lane, channel)                                                                  \
	"> reply " lane " [{'channel':'/meta/subscribe','subscription':'" channel                  \
		"','successful':true}]", "< channel " channel " active"
	PLAY(&options, UP, "> peer 1", "> publish 1 /slow 9000 1", "< commands %'data':1}]",
	     "> publish 2 /a 9000 2", "> peer 2", "> publish 3 /a 9000 3", "> publish 4 /a 9000 4",
	     "> want /c", "> sleep 9000", "< +1000..1000", "< commands %'/c'}]",
	     "< commands %'data':3%'data':4}]", "> reply call2 [{'channel':'/a','id':'6','successful':true},"
	     "{'channel':'/a','id':'7','successful':true}]", "< outcome 3 ok", "< outcome 4 ok",
	     SUBSCRIBED("call1", "/c"),
	     "> reply commands [{'channel':'/slow','successful':true}]", "< outcome 1 ok",
	     "< commands %'data':2}]");
	/* channels wait for earlier ones of the same peer */
	PLAY(&options, UP, "> want /c", "< commands %'/c'}]", "> want /d", "> peer 2",
	     "> publish 3 /a 9000 3", "> sleep 9000", "< +1000..1000", "< commands %'data':3}]",
	     SUBSCRIBED("commands", "/c"), "> sleep 9000", "< +%", "< commands %'/d'}]");
}

/* The server may answer a subscribe late: after a second, the channels of others go beside it, those of each peer in
   a batch of their own. They leave lanes to calls. */
static void slow_channels_delay_their_peer(void **state)
{
	(void)state;
	PLAY(&options, UP, "> peer 1", "> want /slow", "< commands %'/slow'}]", "> want /slow2",
	     "> peer 2", "> want /a", "> want /b", "> peer 3", "> want /c", "> sleep 9000",
	     "< +1000..1000", "< commands %'/a'}%'/b'}]", "< commands %'/c'}]",
	     "> peer 4", "> want /d", "> call 4 /service/x 9000 4", "< commands %'data':4}]",
	     SUBSCRIBED("call2", "/c"), "< commands %'/d'}]",
	     SUBSCRIBED("commands", "/slow"), "< commands %'/slow2'}]");
}

/* Over long-polling the service holds the HTTP response: its caller waits, and keeps its order; other peers
   do not wait, unless all lanes of calls are busy, and then only with calls. */
static void a_slow_call_delays_its_caller(void **state)
{
	(void)state;
#define SLOW(peer, cookie)                                                                         \
	"> peer " #peer, "> call " #cookie " /service/slow 9000 " #cookie, "< commands %"
#define TAKEN(channel) "> reply commands [{'channel':'" channel "','successful':true}]"
#define ANSWERED(lane, id, cookie)                                                                 \
	"> reply call" #lane " [{'channel':'/service/slow','id':'" #id "','data':7},"              \
		"{'channel':'/service/slow','id':'" #id "','successful':true}]",                   \
		"< outcome " #cookie " ok 7"
	PLAY(&options, UP, SLOW(1, 1), "> publish 2 /a 9000 2", "> call 3 /service/slow 9000 3",
	     "> peer 2", "> publish 4 /b 9000 4", "< commands %'data':4}]", TAKEN("/b"),
	     "< outcome 4 ok", "> want /c", "< commands %'/c'}]",
	     "> reply commands [{'channel':'/meta/subscribe','subscription':'/c','successful':true}]",
	     "< channel /c active", "> wait 8000", ANSWERED(1, 4, 1),
	     /* a call waits for what its peer published before it */
	     "< commands %'data':2}]", TAKEN("/a"), "< outcome 2 ok", "< commands %'data':3}]");
	PLAY(&options, UP, SLOW(1, 1), SLOW(2, 2), SLOW(3, 3), SLOW(4, 4), "> peer 5",
	     "> call 5 /service/slow 9000 5", "> peer 6", "> publish 6 /a 9000 6",
	     "< commands %'data':6}]", TAKEN("/a"), "< outcome 6 ok", ANSWERED(3, 6, 3),
	     "< commands %'data':5}]", ANSWERED(3, 8, 5),
	     /* a lane that is silent ends by itself, and its peer goes on */
	     "> peer 1", "> publish 7 /a 90000 7", "> sleep 20000", "< +9000..9000",
	     "< outcome 1 unknown%", "< outcome 4 unknown%", "< outcome 2 unknown%",
	     "< commands %'data':7}]");
	/* what a caller publishes right after it goes along */
	PLAY(&options, UP, "> publish 1 /p 9000 1", "< commands %", "> call 2 /service/slow 9000 2",
	     "> publish 3 /q 9000 3", TAKEN("/p"), "< outcome 1 ok",
	     "< commands %'data':2%'data':3}]");
}

/* Out of order, and among other messages of the channel: the id decides. */
static void ids_are_exact(void **state)
{
	(void)state;
	PLAY(&options, UP, CALLED(1, "/service/r", 9000), CALLED(2, "/service/r", 9000),
	     CAME("{'channel':'/service/r','id':'5','data':'two'},"
		  "{'channel':'/service/r','data':'news'},"
		  "{'channel':'/service/r','id':4,'data':'one'},"
		  "{'channel':'/service/r','id':'77','data':'not ours'}"),
	     "< outcome 2 ok 'two'", "< message /service/r 'news'", "< outcome 1 ok 'one'",
	     "< message /service/r 'not ours'", CONNECT);
}

/* A late answer of an ended call is delivered neither to the next call nor to a subscriber. */
static void late_answers_are_left_out(void **state)
{
	(void)state;
	PLAY(&options, UP, CALLED(1, "/service/r", 500), "> sleep 900", "< +500..500",
	     "< outcome 1 timeout%", CALLED(2, "/service/r", 9000),
	     CAME("{'channel':'/service/r','id':'4','data':'late'},"
		  "{'channel':'/service/r','id':'4','data':'and again'},"
		  "{'channel':'/service/r','id':'5','data':'two'}"),
	     LATE("/service/r"), LATE("/service/r"), "< outcome 2 ok 'two'", CONNECT,
	     /* also when the server never acknowledged the call */
	     "> call 3 /service/r 500 3", "< commands %", "> sleep 900", "< +500..500",
	     "< outcome 3 unknown%", CAME("{'channel':'/service/r','id':'7','data':'late'}"),
	     LATE("/service/r"), CONNECT);
}

/* Without ids, the call that is over keeps its turn on the channel, for ten seconds. */
static void late_answers_without_id_go_to_no_other_call(void **state)
{
	(void)state;
	PLAY(&options, UP, CALLED(1, "/service/x", 500), "> sleep 900", "< +500..500",
	     "< outcome 1 timeout%", CALLED(2, "/service/x", 99000),
	     CALLED(3, "/service/y", 99000),
	     CAME("{'channel':'/service/y','data':'three'},{'channel':'/service/x','data':'late'},"
		  "{'channel':'/service/x','data':'two'},{'channel':'/service/x','data':'more'}"),
	     "< outcome 3 ok 'three'", LATE("/service/x"), "< outcome 2 ok 'two'",
	     "< message /service/x 'more'", CONNECT,
	     /* it does not come at all: its turn passes */
	     CALLED(4, "/service/x", 500), "> sleep 900", "< +500..500", "< outcome 4 timeout%",
	     "> wait 10001", CALLED(5, "/service/x", 9000),
	     CAME("{'channel':'/service/x','data':'five'}"), "< outcome 5 ok 'five'", CONNECT,
	     /* the turn is that of the sending, not of the end */
	     CALLED(6, "/service/x", 9000), CALLED(7, "/service/x", 100), "> sleep 900",
	     "< +100..100", "< outcome 7 timeout%",
	     CAME("{'channel':'/service/x','data':'six'},{'channel':'/service/x','data':'late'}"),
	     "< outcome 6 ok 'six'", LATE("/service/x"), CONNECT);
}

/* A channel once answered by id: what comes without is no answer. */
static void pushes_between_answers_stay_messages(void **state)
{
	(void)state;
	PLAY(&options, UP, CALLED(1, "/service/r", 9000),
	     CAME("{'channel':'/service/r','id':'4','data':1}"), "< outcome 1 ok 1", CONNECT,
	     CALLED(2, "/service/r", 9000), CAME("{'channel':'/service/r','data':'push'}"),
	     "< message /service/r 'push'", CONNECT,
	     CAME("{'channel':'/service/r','id':'6','data':2}"), "< outcome 2 ok 2", CONNECT);
}

/* No answer comes from one session into the next: the first answer there is the first call's. */
static void a_new_session_has_no_open_calls(void **state)
{
	(void)state;
	PLAY(&options, UP, CALLED(1, "/service/x", 500), "> sleep 900", "< +500..500",
	     "< outcome 1 timeout%", CALLED(2, "/service/x", 99000),
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::session_unknown','advice':{'reconnect':'handshake'}}]",
	     "< state unconnected%", "> sleep 9000", "< +250..1200", "< state handshaking%",
	     "< outcome 2 timeout: the session was lost before the answer", HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting%", PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     CALLED(3, "/service/x", 9000), CAME("{'channel':'/service/x','data':3}"),
	     "< outcome 3 ok 3", CONNECT);
}

/* ---- what is remembered has a ceiling ---- */

/* One call that is sent, ends without an answer, and is reported. */
static void end_one(struct publishes *p, struct exchanges *all, uint64_t id, const char *channel)
{
	const struct session_batch batch = {.id = id, .lane = SESSION_LANE_COMMAND};
	const struct publish_request request = {slice_of(channel), SLICE("'payload'"), SLICE_NULL, true,
					  500, 0, id};
	struct exchange *x;

	assert_int_equal(publish_new(p, id, &request), 0);
	assert_int_equal(exchange_new(all, &batch, &x), 0);
	x->kept = true;
	struct publish *pub = publishes_next(p, false);
	publish_sent(p, pub, x);
	publish_delivered(p, pub);
	publish_done(p, pub, SESSION_OUTCOME_TIMEOUT, NULL, "");
	assert_ptr_equal(publishes_next_done(p), pub);
	publishes_free_done(p, 500);
	exchange_free(x);
}

static enum calls_match match(struct publishes *p, const char *channel, const char *id)
{
	const struct envelope e = {.kind = ENVELOPE_EVENT, .channel = slice_of(channel),
				   .id = slice_of(id)};
	struct publish *call;

	return calls_match(&p->calls, p, &e, 600, &call);
}

static void what_is_remembered_is_bounded(void **state)
{
	struct pending pending;
	struct exchanges all;
	struct publishes p;
	char channel[32], id[24];

	(void)state;
	pending_init(&pending);
	exchanges_init(&all);
	publishes_init(&p, &pending, 1 << 20, 1000, &(struct backoff){0});
	for (unsigned i = 1; i <= 2 * CALLS_CHANNELS_MAX; i++) {
		snprintf(channel, sizeof(channel), "/service/%u", i);
		snprintf(id, sizeof(id), "%u", i);
		end_one(&p, &all, i, channel);
		assert_int_equal(match(&p, channel, id), CALLS_LATE);
	}
	assert_int_equal(p.shares.held, 0);
	assert_int_equal(p.calls.n_ended, CALLS_ENDED_MAX);
	assert_int_equal(p.calls.by_id_map.n, CALLS_CHANNELS_MAX);
	assert_int_equal(match(&p, "/service/1", "1"), CALLS_NONE);
	assert_int_equal(match(&p, channel, id), CALLS_LATE);
	publishes_fini(&p);
	pending_fini(&pending);
}

/* Without memory to remember a channel, the answer is found all the same. */
static void no_memory_for_an_ended_call(void **state)
{
	struct pending pending;
	struct exchanges all;
	struct publishes p;

	(void)state;
	pending_init(&pending);
	exchanges_init(&all);
	publishes_init(&p, &pending, 1 << 20, 1000, &(struct backoff){0});
	end_one(&p, &all, 7, "/service/x");
	FAIL_EACH_ALLOCATION
		assert_int_equal(match(&p, "/service/x", "7"), CALLS_LATE);
	publishes_fini(&p);
	pending_fini(&pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(calls_are_answered, setup),
		cmocka_unit_test_setup(a_service_may_fail, setup),
		cmocka_unit_test_setup(a_slow_publish_delays_its_peer, setup),
		cmocka_unit_test_setup(slow_channels_delay_their_peer, setup),
		cmocka_unit_test_setup(a_slow_call_delays_its_caller, setup),
		cmocka_unit_test_setup(ids_are_exact, setup),
		cmocka_unit_test_setup(late_answers_are_left_out, setup),
		cmocka_unit_test_setup(late_answers_without_id_go_to_no_other_call, setup),
		cmocka_unit_test_setup(replies_with_data_are_no_events, setup),
		cmocka_unit_test_setup(pushes_between_answers_stay_messages, setup),
		cmocka_unit_test_setup(a_new_session_has_no_open_calls, setup),
		cmocka_unit_test(what_is_remembered_is_bounded),
		cmocka_unit_test(no_memory_for_an_ended_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
