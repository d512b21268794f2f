/*
 * The acknowledgement extension: numbers as sent by the server, acknowledged only when
 * all events were delivered; repeats after a lost connect are recognized by their text.
 * Conversations after bayeux.md 5.1.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#define OFFER "< handshake long-polling [%,'ext':{'ack':true}}]"
#define AGREED(ack)                                                                                \
	"> reply connect [{'clientId':'c1','minimumVersion':'1.0','supportedConnectionTypes':"     \
	"['long-polling'],'channel':'/meta/handshake','successful':true,'ext':{'ack':" ack "}"
#define ACK_PROBE(n) "< connect long-polling [%'advice':{'timeout':0},'ext':{'ack':" #n "}}]"
#define ACK(n) "< connect long-polling [{%'long-polling','ext':{'ack':" #n "}}]"
#define BATCH(n) "{'channel':'/meta/connect','successful':true,'ext':{'ack':" #n "}}]"
#define ACK_UP                                                                                     \
	"> start", "< state handshaking", OFFER, AGREED("true") "}]", "< state connecting",        \
		ACK_PROBE(0), "> reply connect [" BATCH(1), "< state connected", ACK(1)

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.ack = true;
	return 0;
}

static int setup_websocket(void **state)
{
	setup(state);
	options.transports[0] = SESSION_WEBSOCKET;
	return 0;
}

static void batches_are_acknowledged(void **state)
{
	(void)state;
	PLAY(&options, ACK_UP, "> reply connect [{'data':'m1','channel':'/r'}," BATCH(2),
	     "< message /r 'm1'", ACK(2), "> wait 30000", "> reply connect [" BATCH(3), ACK(3));
}

static void numbers_are_the_servers_own(void **state)
{
	(void)state;
	PLAY(&options, ACK_UP, "> wait 200",
	"> reply connect [" BATCH(12.0), ACK(12.0), "> wait 200",
	     "> reply connect [" BATCH(3), ACK(3), "> wait 200",
	     "> reply connect [{'channel':'/meta/connect','successful':true,'ext':{'ack':'4'}}]",
	     ACK(3), "> wait 200",
	     "> reply connect [{'channel':'/meta/connect','successful':true,'ext':{}}]", ACK(3),
	     "> wait 200", "> reply connect [{'channel':'/meta/connect','successful':true}]",
	     ACK(3));
}

static void a_lost_response_comes_again_without_a_gap(void **state)
{
	(void)state;
	PLAY(&options, ACK_UP, "> fail connect broken", "< state unconnected: cut", "> sleep 9000",
	     "< +800..1200", ACK_PROBE(1), "> reply connect [{'data':1,'channel':'/r'}," BATCH(2),
	     "< message /r 1", "< state connected", ACK(2));
	/* lost commands lose no events, which only come with the connect */
	PLAY(&options, ACK_UP, "> publish 1 /a 9000 1", "< commands %", "> fail command broken",
	     "< outcome 1 unknown%");
	/* a session that is gone takes its unacknowledged messages with it */
	PLAY(&options, ACK_UP,
	     "> reply connect [{'channel':'/meta/connect','successful':false,'error':'402::x'}]",
	     "< state unconnected gap%", "> sleep 9000", "< +1000..1000",
	     "< state handshaking gap%",
	     OFFER, AGREED("true") "}]", "< state connecting gap%", ACK_PROBE(0),
	     "> reply connect [" BATCH(1), "< state connected gap", ACK(1));
}

static void without_agreement_nothing_is_acknowledged(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", OFFER, HANDSHAKE_OK, "< state connecting",
	     PROBE, CONNECT_OK, "< state connected", CONNECT, "> fail connect broken",
	     "< state unconnected gap: cut");
	PLAY(&options, "> start", "< state handshaking", OFFER, AGREED("false") "}]",
	     "< state connecting", PROBE);
	PLAY(&options, "> start", "< state handshaking", OFFER, AGREED("{'enabled':false}") "}]",
	     "< state connecting", PROBE);
}

static void events_of_the_handshake_are_acknowledged(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", OFFER,
	     AGREED("{'batch':1,'enabled':true}") ",'x-messages':2},"
	     "{'data':'hi','channel':'/hello'},{'data':'hi2','channel':'/hello'}]",
	     "< state connecting", "< message /hello 'hi'", "< message /hello 'hi2'", ACK_PROBE(1));
}

/* ---- over a WebSocket events and the reply that ends their batch come apart ---- */

#define W_OFFER "< handshake websocket [%,'ext':{'ack':true}}]"
#define W_AGREED(ack)                                                                              \
	"> frame [{'clientId':'c1','minimumVersion':'1.0','supportedConnectionTypes':"             \
	"['websocket'],'channel':'/meta/handshake','successful':true,'ext':{'ack':" ack "}"
#define W_PROBE(n) "< connect websocket [%'advice':{'timeout':0},'ext':{'ack':" #n "}}]"
#define W_ACK(n) "< connect websocket [{%'websocket','ext':{'ack':" #n "}}]"
#define W_BATCH(n) "> frame [" BATCH(n)
#define W_EVENT(n) "> frame [{'data':" #n ",'channel':'/r'}]"
#define W_UP                                                                                       \
	"> start", "< state handshaking", W_OFFER, W_AGREED("true") "}]", "< state connecting",    \
		W_PROBE(0), W_BATCH(1), "< state connected", W_ACK(1)

static void repeats_are_left_out(void **state)
{
	(void)state;
	PLAY(&options, W_UP, W_EVENT(1), "< message /r 1", W_EVENT(2), "< message /r 2",
	     "> closed broken", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     W_PROBE(1),
	     /* the two again, and cut again in the middle */
	     W_EVENT(1), "> closed broken", "> sleep 9000", "< +1200..1800", W_PROBE(1), W_EVENT(1),
	     W_EVENT(2), W_EVENT(3), "< message /r 3", W_BATCH(3), "< state connected", W_ACK(3),
	     W_EVENT(4), "< message /r 4", W_BATCH(4), W_ACK(4));
	/* reply and end of the socket in one turn: what was committed is not repeated */
	PLAY(&options, W_UP, W_EVENT(1), "< message /r 1", W_BATCH(2), W_ACK(2), "> closed broken",
	     "< state unconnected: cut", "> sleep 9000", "< +800..1200", W_PROBE(2), W_EVENT(2),
	     "< message /r 2", W_BATCH(3), "< state connected", W_ACK(3));
}

/* An application of the server may remove queued events: the others and new ones must be delivered. */
static void repeats_may_be_fewer(void **state)
{
	(void)state;
	PLAY(&options, W_UP, W_EVENT(1), "< message /r 1", W_EVENT(2), "< message /r 2",
	     "> closed broken", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     W_PROBE(1),
	     /* without the first, and cut again */
	     W_EVENT(2), W_EVENT(3), "< message /r 3", "> closed broken", "> sleep 9000",
	     "< +1200..1800", W_PROBE(1),
	     /* only the newest */
	     W_EVENT(3), W_EVENT(4), "< message /r 4", W_EVENT(5), "< message /r 5", W_BATCH(3),
	     "< state connected", W_ACK(3));
	/* none of them */
	PLAY(&options, W_UP, W_EVENT(1), "< message /r 1", W_EVENT(2), "< message /r 2",
	     "> closed broken", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     W_PROBE(1), W_EVENT(3), "< message /r 3", W_EVENT(4), "< message /r 4", W_BATCH(3),
	     "< state connected", W_ACK(3));
}

/* Events may be identical: each is delivered as often as the server sends it. */
static void repeats_that_look_alike_are_counted(void **state)
{
	(void)state;
	PLAY(&options, W_UP, W_EVENT(1), "< message /r 1", W_EVENT(1), "< message /r 1",
	     "> closed broken", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     W_PROBE(1), W_EVENT(1), W_EVENT(1), W_EVENT(1), "< message /r 1", W_BATCH(3),
	     "< state connected", W_ACK(3));
}

static void a_server_that_lost_count_is_not_second_guessed(void **state)
{
	(void)state;
	PLAY(&options, W_UP, W_EVENT(1), "< message /r 1", "> wait 200",
	     "> frame [{'channel':'/meta/connect','successful':true}]", W_ACK(1),
	     /* no skip: a repeat is better than a loss */
	     W_EVENT(2), "< message /r 2");
}

static void a_probe_that_overtakes_repeats_nothing(void **state)
{
	(void)state;
	PLAY(&options, W_UP, W_EVENT(1), "< message /r 1", "> probe", W_PROBE(1),
	     /* the reply to the older connect was on its way already */
	     "> frame [{'channel':'/meta/connect','id':'3','successful':true,'ext':{'ack':2}}]",
	     W_EVENT(1), W_EVENT(2), "< message /r 2",
	     "> frame [{'channel':'/meta/connect','id':'4','successful':true,'ext':{'ack':3}}]",
	     W_ACK(3));
}

static void handshake_events_are_waited_for(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", W_OFFER,
	     W_AGREED("{'batch':1,'enabled':true}") ",'x-messages':2}]", "< state connecting",
	     W_EVENT(1), "< message /r 1", W_EVENT(2), "< message /r 2", W_PROBE(1));
	/* but not for ever: then they all come again, and the one that came is left out */
	PLAY(&options, "> start", "< state handshaking", W_OFFER,
	     W_AGREED("{'batch':1,'enabled':true}") ",'x-messages':2}]", "< state connecting",
	     W_EVENT(1), "< message /r 1", "> sleep 9000", "< +2000..2000", W_PROBE(0), W_EVENT(1),
	     W_EVENT(2), "< message /r 2", W_BATCH(2), "< state connected", W_ACK(2));
}

/* ---- what is not in safe hands yet ---- */

static void it_waits_until_all_is_safe(void **state)
{
	(void)state;
	PLAY(&options, ACK_UP, "> hold", "> reply connect [{'data':1,'channel':'/r'}," BATCH(2), "< message /r 1",
	     "> wait 1500", "> hold", ACK(2),
	     /* with nothing new there is nothing to wait for */
	     "> wait 200", "> reply connect [" BATCH(3), ACK(3),
	     /* commands go meanwhile, and what needs no disk any more waits no longer */
	     "> reply connect [{'data':2,'channel':'/r'}," BATCH(4), "< message /r 2", "> publish 1 /a 9000 1", "< commands %",
	     "> release", ACK(4), "> reply connect [{'data':3,'channel':'/r'}," BATCH(5), "< message /r 3", ACK(5));
}

static void a_slow_disk_makes_the_server_repeat(void **state)
{
	(void)state;
	PLAY(&options, ACK_UP, "> hold", "> reply connect [{'data':1,'channel':'/r'},{'data':1,'channel':'/r'}," BATCH(2),
	     "< message /r 1", "< message /r 1", "> sleep 9000", "< +2000..2000", ACK(1),
	     /* what looks alike and is new is delivered; the older number goes first */
	     "> reply connect [{'data':1,'channel':'/r'},{'data':1,'channel':'/r'},{'data':1,'channel':'/r'}," BATCH(3),
	     "< message /r 1", "> sleep 9000", "< +2000..2000", ACK(1),
	     "> reply connect [{'data':1,'channel':'/r'},{'data':1,'channel':'/r'},{'data':1,'channel':'/r'}," BATCH(4),
	     "> hold", ACK(2), "> reply connect [{'data':1,'channel':'/r'}," BATCH(5), "> hold", ACK(5),
	     "> reply connect [{'data':1,'channel':'/r'}," BATCH(6), "< message /r 1", "> release", ACK(6));
	/* it becomes safe while the server repeats */
	PLAY(&options, ACK_UP, "> hold", "> reply connect [{'data':1,'channel':'/r'}," BATCH(2), "< message /r 1",
	     "> sleep 9000", "< +2000..2000", ACK(1), "> hold", "> late connect [{'data':1,'channel':'/r'},",
	     "> fail connect broken", "< state unconnected: cut", "> sleep 9000", "< +800..1200", ACK_PROBE(2),
	     "> reply connect [{'data':1,'channel':'/r'}," BATCH(3), "< message /r 1", "< state connected", "> hold", ACK(3));
}

static void over_a_websocket_it_waits_too(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> hold", W_EVENT(1), "< message /r 1", W_BATCH(2), "> wait 1000",
	     /* it belongs to the next batch */
	     W_EVENT(2), "< message /r 2", "> sleep 9000", "< +1000..1000", W_ACK(1), W_EVENT(1), W_EVENT(2), W_EVENT(3),
	     "< message /r 3", W_BATCH(3), "> hold", W_ACK(2), W_EVENT(2), W_EVENT(3), W_BATCH(4), "> hold", W_ACK(4), W_EVENT(3),
	     "< message /r 3", W_BATCH(5), "> hold", W_ACK(5));
	PLAY(&options, W_UP, "> hold", W_EVENT(1), "< message /r 1", W_BATCH(2), "> closed broken",
	     "< state unconnected: cut", "> sleep 9000", "< +800..2000", W_PROBE(1), W_EVENT(1), W_EVENT(2),
	     "< message /r 2", W_BATCH(3), "< state connected", "> hold", W_ACK(2));
}

/* A snapshot in the middle of a batch: until another follows, what looks alike must not follow. */
static void a_partial_snapshot_is_replaced_first(void **state)
{
	(void)state;
	PLAY(&options, ACK_UP, "> hold", "> late connect [{'data':1,'channel':'/r'},", "< message /r 1", "> killed 100",
	     "> hold", "> start", "< state unconnected: going on with the session of before the restart", ACK_PROBE(1),
	     "> reply connect [{'data':1,'channel':'/r'}," BATCH(3), "< state connected", "> wait 1000", "> hold", ACK(3));
}

static void without_acknowledgements_nothing_waits(void **state)
{
	(void)state;
	options.ack = false;
	PLAY(&options, UP, "> hold", "> reply connect [{'data':1,'channel':'/r'},{'channel':'/meta/connect','successful':true}]",
	     "< message /r 1", CONNECT);
	options.replay = SESSION_REPLAY_NEW;
	PLAY(&options, "> start", "< state handshaking", "< handshake long-polling [%,'ext':{'replay':true}}]",
	     "> reply connect [{'clientId':'c1','supportedConnectionTypes':['long-polling'],"
	     "'channel':'/meta/handshake','successful':true,'ext':{'replay':true}}]",
	     "< state connecting", PROBE, CONNECT_OK, "< state connected", CONNECT, "> hold",
	     "> reply connect [{'channel':'/e','data':{'event':{'replayId':1}}},{'channel':'/meta/connect','successful':true}]",
	     "< message /e %", CONNECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(batches_are_acknowledged, setup),
		cmocka_unit_test_setup(numbers_are_the_servers_own, setup),
		cmocka_unit_test_setup(a_lost_response_comes_again_without_a_gap, setup),
		cmocka_unit_test_setup(without_agreement_nothing_is_acknowledged, setup),
		cmocka_unit_test_setup(events_of_the_handshake_are_acknowledged, setup),
		cmocka_unit_test_setup(repeats_are_left_out, setup_websocket),
		cmocka_unit_test_setup(repeats_may_be_fewer, setup_websocket),
		cmocka_unit_test_setup(repeats_that_look_alike_are_counted, setup_websocket),
		cmocka_unit_test_setup(a_server_that_lost_count_is_not_second_guessed,
				       setup_websocket),
		cmocka_unit_test_setup(a_probe_that_overtakes_repeats_nothing, setup_websocket),
		cmocka_unit_test_setup(handshake_events_are_waited_for, setup_websocket),
		cmocka_unit_test_setup(it_waits_until_all_is_safe, setup),
		cmocka_unit_test_setup(a_slow_disk_makes_the_server_repeat, setup),
		cmocka_unit_test_setup(over_a_websocket_it_waits_too, setup_websocket),
		cmocka_unit_test_setup(a_partial_snapshot_is_replaced_first, setup),
		cmocka_unit_test_setup(without_acknowledgements_nothing_waits, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
