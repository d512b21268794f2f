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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
