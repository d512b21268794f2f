/*
 * The session over a WebSocket, and the choice between it and long-polling: pipelined
 * commands, a lost reply that blocks no other, the end of a socket and the result of
 * each batch on it, fallback and return.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#define W_HANDSHAKE                                                                                \
	"< handshake websocket [%'supportedConnectionTypes':['websocket','long-polling']}]"
#define W_HANDSHAKE_OK                                                                             \
	"> frame [{'minimumVersion':'1.0','clientId':'c1','supportedConnectionTypes':"             \
	"['websocket','long-polling'],'advice':{'interval':0,'timeout':30000,'reconnect':"         \
	"'retry'},'channel':'/meta/handshake','version':'1.0','successful':true}]"
#define W_PROBE                                                                                    \
	"< connect websocket [{'channel':'/meta/connect','id':'%','clientId':'c1',"                \
	"'connectionType':'websocket','advice':{'timeout':0}}]"
#define W_CONNECT                                                                                  \
	"< connect websocket [{'channel':'/meta/connect','id':'%','clientId':'c1',"                \
	"'connectionType':'websocket'}]"
#define W_CONNECT_OK "> frame [{'channel':'/meta/connect','successful':true}]"
#define W_START                                                                                    \
	"> start", "< state handshaking", W_HANDSHAKE, W_HANDSHAKE_OK, "< state connecting", W_PROBE
#define W_UP W_START, W_CONNECT_OK, "< state connected", W_CONNECT

#define L_HANDSHAKE                                                                                \
	"< handshake long-polling [%'supportedConnectionTypes':['long-polling','websocket']}]"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.transports[0] = SESSION_WEBSOCKET;
	options.transports[1] = SESSION_LONG_POLLING;
	options.n_transports = 2;
	return 0;
}

static void commands_are_pipelined(void **state)
{
	(void)state;
	/* a quarter, one, is kept for peers that wait for each outcome */
	options.in_flight_max = 5;
	PLAY(&options, "> want /a", W_START, "< commands websocket [{%'subscription':'/a'}]",
	     "> publish 1 /a 9000 1", "< commands websocket [{%'data':1}]",
	     "> publish 2 /a 9000 2", "< commands websocket [{%'data':2}]", W_CONNECT_OK,
	     "< state connected", W_CONNECT,
	     /* one more, then there are five without reply */
	     "> publish 3 /a 9000 3", "< commands websocket [{%'data':3}]", "> publish 4 /a 9000 4",
	     "> publish 5 /a 9000 5",
	     /* Faye: the event has our id and comes first */
	     "> frame [{'channel':'/a','data':1,'id':'4'}]", "< message /a 1",
	     "> frame [{'id':'4','clientId':'c1','channel':'/a','successful':true}]",
	     "< outcome 1 ok", "< commands websocket [{%'data':4}]",
	     "> frame [{'channel':'/meta/subscribe','id':'3','successful':true},"
	     "{'channel':'/a','id':'7','successful':true}]",
	     "< channel /a active", "< outcome 3 ok", "< commands websocket [{%'data':5}]");
}

static void a_missing_reply_blocks_no_other_request(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> publish 1 /a 5000 1", "< commands %", "> publish 2 /a 9000 2",
	     "< commands %", "> frame [{'channel':'/a','id':'5','successful':true}]",
	     "< outcome 2 ok", "> sleep 9000", "< +5000..5000", "< outcome 1 unknown%",
	     /* its reply comes too late to mean anything */
	     "> frame [{'channel':'/a','id':'4','successful':true}]", "> publish 3 /a 9000 3",
	     "< commands %");
	/* a subscribe is asked once more, then reported, then asked after pauses */
	PLAY(&options, W_UP, "> want /a", "< commands %", "> sleep 99000", "< +10000..10000",
	     "< commands %", "> frame []", "> sleep 99000", "< +10000..10000",
	     "< channel /a pending: the server does not answer the subscribe", "> sleep 9000",
	     "< +800..1200", "< commands %",
	     "> frame [{'channel':'/meta/subscribe','id':'6','successful':true}]",
	     "< channel /a active");
}

static void only_the_connect_ends_the_socket(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> publish 1 /a 99000 1", "< commands %", "> sleep 99000",
	     "< +40000..40000", "< abort connect",
	     "< state unconnected gap: the server did not answer in time: %", "< outcome 1 unknown%",
	     /* input of the closed socket is ignored */
	     "> frame [{'channel':'/a','data':1}]", "> closed broken", "> sleep 9000",
	     "< +800..1200", W_PROBE, W_CONNECT_OK, "< state connected gap", W_CONNECT);
}

static void closing_settles_all_that_was_on_it(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> want /a", "< commands %", "> publish 1 /a 99000 1", "< commands %",
	     "> call 2 /service/x 99000 2", "< commands %",
	     "> frame [{'channel':'/service/x','id':'6','successful':true}]", "> closed broken",
	     "< state unconnected gap: cut", "< outcome 1 unknown%", "> publish 3 /a 99000 3",
	     "> sleep 9000", "< +800..1200", W_PROBE,
	     /* not even opened: nothing on it was sent */
	     "> closed not-sent", "> sleep 9000", "< +960..1440", W_PROBE, W_CONNECT_OK,
	     "< state connected gap", W_CONNECT, "< commands websocket [{%'/a'},{%'data':3}]",
	     /* the call was delivered and the session lives */
	     "> frame [{'channel':'/service/x','id':'6','data':'yes'}]", "< outcome 2 ok 'yes'",
	     /* batches not sent keep their order */
	     "> publish 4 /a 99000 4", "< commands %", "> publish 5 /a 99000 5", "< commands %",
	     "> closed not-sent", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     W_PROBE,
	     W_CONNECT_OK, "< state connected", W_CONNECT,
	     "< commands websocket [{%'/a'},{%'data':3},{%'data':4},{%'data':5}]");
	/* between two connects */
	PLAY(&options, W_UP, W_CONNECT_OK, "> closed broken", "< state unconnected gap: cut",
	     "> sleep 9000", "< +800..1200", W_PROBE);
	/* what is no Bayeux closes it too */
	PLAY(&options, W_UP, "> frame [{", "< abort connect", "< state unconnected gap: %",
	     "< note left out of an answer, because it is not Bayeux: all%", "> sleep 9000", "< +800..1200", W_PROBE);
}

static void the_largest_was_too_large(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> publish 1 /a 99000 1", "< commands %",
	     "> publish 2 /a 99000 'xxxxxxxxxxxxxxxxxxxxxxxx'", "< commands %",
	     "> publish 3 /a 99000 3", "< commands %",
	     "> frame [{'channel':'/a','id':'4','successful':true}]", "< outcome 1 ok",
	     "> closed too-large", "< state unconnected gap: cut",
	     "< outcome 2 refused: too large for the server",
	     /* messages after it were not read */
	     "> sleep 9000", "< +800..1200", W_PROBE, W_CONNECT_OK, "< state connected%", W_CONNECT,
	     "< commands %'data':3}]");
	/* what was in front of it may have happened; the rest goes again, in its order */
	PLAY(&options, W_UP, "> publish 1 /a 99000 1", "< commands %", "> publish 2 /a 99000 2",
	     "< commands %", "> publish 3 /a 99000 'xxxxxxxxxxxxxxxxxxxxxxxx'", "< commands %",
	     "> publish 4 /a 99000 4", "< commands %", "> publish 5 /a 99000 5", "< commands %",
	     "> closed too-large", "< state unconnected gap: cut", "< outcome 3 refused%",
	     "< outcome 2 unknown%", "< outcome 1 unknown%", "> sleep 9000", "< +800..1200", W_PROBE,
	     W_CONNECT_OK, "< state connected%", W_CONNECT, "< commands %'data':4},{%'data':5}]");
	/* a batch of several goes again in pieces */
	PLAY(&options, "> publish 1 /a 99000 1", "> publish 2 /a 99000 2", "> publish 3 /a 99000 3",
	     W_START, "< commands websocket [{%'data':1},{%'data':2},{%'data':3}]",
	     "> closed too-large", "< state unconnected gap: cut", "> sleep 9000", "< +800..1200",
	     W_PROBE, W_CONNECT_OK, "< state connected%", W_CONNECT, "< commands %'data':1}]",
	     "> frame [{'channel':'/a','successful':true}]", "< outcome 1 ok",
	     "< commands %'data':2}]", "> frame [{'channel':'/a','successful':true}]",
	     "< outcome 2 ok", "< commands %'data':3}]");
}

#define SENT(n) "> publish " #n " /a 99000 " #n, "< commands %"
#define PUBLISH(n) "> publish " #n " /a 99000 " #n
#define TAKEN(n) "> frame [{'channel':'/a','successful':true}]", "< outcome " #n " ok"
#define TOO_LARGE(reason, pause)                                                                   \
	"> closed too-large", "< state unconnected gap: " reason, "> sleep 9000", pause, W_PROBE,  \
		W_CONNECT_OK, "< state connected%", W_CONNECT

/* Until it is known which size the server accepts, there is one batch at a time, so that none is lost
   with another. The result is kept. */
static void smaller_batches_are_tried_one_by_one(void **state)
{
	(void)state;
	PLAY(&options, PUBLISH(1), PUBLISH(2), PUBLISH(3), PUBLISH(4), PUBLISH(5), W_START,
	     "< commands websocket [{%'data':1},{%'data':2},{%'data':3},{%'data':4},{%'data':5}]",
	     TOO_LARGE("cut", "< +800..1200"), "< commands %'data':1}]", TAKEN(1),
	     "< commands %'data':2}]", TAKEN(2), "< commands %'data':3}]", TAKEN(3),
	     "< commands %'data':4}]", TAKEN(4), "< commands %'data':5}]", PUBLISH(6), PUBLISH(7),
	     PUBLISH(8), TAKEN(5),
	     /* two are less than half of five; the server accepts them, so the next are sent */
	     "< commands %[{%'data':6},{%'data':7}]", TAKEN(6), "< commands %'data':8}]", SENT(9));
	/* a server that does not answer is not waited for without limit */
	PLAY(&options, PUBLISH(1), PUBLISH(2), W_START, "< commands websocket [{%},{%}]",
	     TOO_LARGE("cut", "< +800..1200"), "< commands %'data':1}]", "> wait 9999",
	     "> sleep 9000", "< +1..1", "< commands %'data':2}]");
}

static void a_probe_on_the_socket_overtakes(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> probe", W_PROBE,
	     /* the answer to the older one is ignored */
	     "> frame [{'channel':'/meta/connect','id':'3','successful':true}]",
	     "> frame [{'channel':'/meta/connect','id':'4','successful':true}]", W_CONNECT);
}

/* ---- the choice ---- */

/* An event proves that the link works, as it does over long-polling, although the held connect has no
   reply yet. */
static void an_event_resets_the_pause(void **state)
{
	(void)state;
#define CUT "> closed broken", "< state unconnected%"
#define GONE(a, b) "> sleep 9000", "< +" #a ".." #b, W_PROBE, "> closed not-sent"
#define FORGOTTEN                                                                                  \
	"> frame [{'channel':'/meta/connect','successful':false,'error':'402::x',"                 \
	"'advice':{'reconnect':'handshake'}}]"
#define LINKED                                                                                     \
	"< handshake websocket %", W_HANDSHAKE_OK, "< state connecting%", W_PROBE, W_CONNECT_OK,   \
		"< state connected%", W_CONNECT
	options.n_transports = 1;
	PLAY(&options, "> start", "< state handshaking", LINKED, CUT, GONE(800, 1200),
	     GONE(960, 1440), "> sleep 9000", "< +1152..1728", W_PROBE, FORGOTTEN,
	     "< abort all", "< state handshaking%", LINKED,
	     "> frame [{'channel':'/a','data':1}]", "< message /a 1",
	     CUT, "> sleep 9000", "< +800..1200", W_PROBE);
}

static void unsupported_falls_back_at_once(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", W_HANDSHAKE,
	     "> closed not-sent unsupported status=400", "< state unconnected: cut",
	     "< state handshaking: cut", L_HANDSHAKE, HANDSHAKE_OK, "< state connecting: cut",
	     PROBE,
	     CONNECT_OK, "< state connected", CONNECT);
	/* in the connect loop: a new session, which the other transport begins */
	PLAY(&options, W_UP, "> closed broken", "< state unconnected gap: cut", "> sleep 9000",
	     "< +800..1200", W_PROBE, "> closed not-sent unsupported status=404",
	     "> sleep 9000", "< +1..1000", "< state handshaking gap%", L_HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting gap%", PROBE);
}

#define CUT_AGAIN(a, b)                                                                            \
	"> closed broken", "< state unconnected gap: cut", "> sleep 9000", "< +" #a ".." #b,       \
		W_PROBE, W_CONNECT_OK, "< state connected gap", W_CONNECT

static void repeated_failure_falls_back(void **state)
{
	(void)state;
	/* a proxy that cuts what it should hold: to resume again and again is no success */
	PLAY(&options, W_UP, CUT_AGAIN(800, 1200), CUT_AGAIN(800, 1200), "> closed broken",
	     "< state unconnected gap: cut", "< state handshaking gap%", L_HANDSHAKE);
	PLAY(&options, "> start", "< state handshaking", W_HANDSHAKE, "> closed not-sent",
	     "< state unconnected: cut", "> sleep 9000", "< +800..1200", "< state handshaking%",
	     W_HANDSHAKE, "> closed broken", "< state unconnected: cut", "> sleep 9000",
	     "< +960..1440", "< state handshaking%", W_HANDSHAKE, "> closed not-sent",
	     "< state unconnected: cut", "> sleep 9000", "< +1152..1728", "< state handshaking%",
	     L_HANDSHAKE,
	     /* not there either: so it was the server, not the transport */
	     "> fail connect not-sent", "< state unconnected: cut", "> sleep 9000",
	     "< +1382..2074", "< state handshaking%", W_HANDSHAKE);
	PLAY(&options, W_UP, "> closed broken", "< state unconnected gap: cut", "> sleep 9000",
	     "< +800..1200", W_PROBE, "> closed broken", "> sleep 9000", "< +960..1440", W_PROBE,
	     /* away is not the same as failing: as long as there is hope to resume */
	     "> closed not-sent", "> sleep 9000", "< +1152..1728", W_PROBE, "> closed broken",
	     "< state handshaking gap%", L_HANDSHAKE);
}

static void a_sticky_one_is_kept(void **state)
{
	(void)state;
	options.transport_sticky = true;
	PLAY(&options, W_UP, "> wait 5000", W_CONNECT_OK, W_CONNECT, CUT_AGAIN(800, 1200),
	     CUT_AGAIN(800, 1200), CUT_AGAIN(800, 1200), "> closed broken",
	     "< state unconnected gap: cut", "> sleep 9000", "< +800..1200", W_PROBE,
	     "> closed not-sent unsupported status=404", "> sleep 9000", "< +960..1440", W_PROBE);
	/* one that never worked is left as ever, and not tried again */
	options.transport_retry = UINT64_MAX;
	PLAY(&options, "> start", "< state handshaking", W_HANDSHAKE, "> closed not-sent unsupported",
	     "< state unconnected: cut", "< state handshaking: cut", L_HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting: cut", PROBE, CONNECT_OK, "< state connected", CONNECT,
	     "> wait 30000", CONNECT_OK, CONNECT);
}

#define L_UP                                                                                       \
	"> start", "< state handshaking", W_HANDSHAKE, "> closed not-sent unsupported",            \
		"< state unconnected: cut", "< state handshaking: cut", L_HANDSHAKE, HANDSHAKE_OK, \
		"< state connecting: cut", PROBE, CONNECT_OK, "< state connected", CONNECT

static void the_better_one_is_tried_again(void **state)
{
	(void)state;
	options.transport_retry = 20000;
	PLAY(&options, L_UP, "> wait 20000", CONNECT_OK,
	     /* same session, new transport; commands stay where they are until it works */
	     W_PROBE, "> publish 1 /a 9000 1", "< commands long-polling %", W_CONNECT_OK, W_CONNECT,
	     "> reply command [{'channel':'/a','id':'6','successful':true}]", "< outcome 1 ok",
	     "> publish 2 /a 9000 2", "< commands websocket %");
	/* it does not: the session continues without a report */
	PLAY(&options, L_UP, "> wait 20000", CONNECT_OK, W_PROBE,
	     "> closed not-sent unsupported", PROBE, CONNECT_OK, CONNECT, "> wait 10000",
	     CONNECT_OK,
	     CONNECT, "> wait 10000", CONNECT_OK, W_PROBE,
	     /* it opens, but does not answer */
	     "> sleep 99000", "< +10000..10000", "< abort connect", "< state connected gap", PROBE,
	     CONNECT_OK, CONNECT);
}

static void the_server_may_lack_one(void **state)
{
	(void)state;
	/* handshake over a WebSocket, but only long-polling listed: the socket has done its part */
	PLAY(&options, "> start", "< state handshaking", W_HANDSHAKE,
	     "> frame [{'clientId':'c1','supportedConnectionTypes':['long-polling'],"
	     "'channel':'/meta/handshake','successful':true}]",
	     "< abort all", "< state connecting", PROBE);
	options.transport_retry = 1000;
	/* a server that lacked it has it after a restart: the session goes on over it */
	PLAY(&options, "> start", "< state handshaking", W_HANDSHAKE,
	     "> closed not-sent unsupported", "< state unconnected: cut",
	     "< state handshaking: cut",
	     L_HANDSHAKE,
	     "> reply connect [{'clientId':'c1','supportedConnectionTypes':['long-polling'],"
	     "'channel':'/meta/handshake','successful':true}]",
	     "< state connecting: cut", PROBE, CONNECT_OK, "< state connected",
	     CONNECT, "> wait 2000",
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::session_unknown'}]",
	     "< state unconnected gap%", "< state handshaking gap%",
	     "< handshake long-polling [%'supportedConnectionTypes':['websocket','long-polling']}]",
	     HANDSHAKE_OK, "< state connecting gap%", W_PROBE);
	/* after a fallback to a server without WebSocket there is nothing to try */
	PLAY(&options, "> start", "< state handshaking", W_HANDSHAKE,
	     "> closed not-sent unsupported", "< state unconnected: cut",
	     "< state handshaking: cut",
	     L_HANDSHAKE,
	     "> reply connect [{'clientId':'c1','supportedConnectionTypes':['long-polling'],"
	     "'channel':'/meta/handshake','successful':true}]",
	     "< state connecting: cut", PROBE, CONNECT_OK, "< state connected", CONNECT,
	     "> wait 30000", CONNECT_OK, CONNECT,
	     /* nor when a new handshake is due */
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::session_unknown'}]",
	     "< state unconnected gap%", "< state handshaking gap%",
	     "< handshake long-polling [%'supportedConnectionTypes':['websocket',"
	     "'long-polling']}]");
}

static void a_kick_over_the_socket(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> frame [{'channel':'/meta/disconnect','successful':true}]",
	     "< state unconnected gap: the server ended the session",
	     "> frame [{'advice':{'reconnect':'none'},'channel':'/meta/connect','id':'3',"
	     "'successful':true}]",
	     "> sleep 9000", "< +1000..1200", "< abort all", "< state handshaking gap%",
	     W_HANDSHAKE);
	/* Faye closes without an answer */
	PLAY(&options, W_UP, "> closed broken", "< state unconnected gap: cut", "> sleep 9000",
	     "< +800..1200", W_PROBE,
	     "> frame [{'channel':'/meta/connect','id':'4','successful':false,"
	     "'error':'401:c1:Unknown client','advice':{'reconnect':'handshake'}}]",
	     /* at once, but for the distance to the handshake before it */
	     "> sleep 9000", "< +0..200", "< abort all", "< state handshaking gap%",
	     W_HANDSHAKE);
}

static void disconnect_over_the_socket(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> publish 1 /a 9000 1", "< commands %", "> stop",
	     "< state disconnecting", "< disconnect websocket %",
	     "> frame [{'channel':'/meta/connect','id':'3','successful':true,"
	     "'advice':{'reconnect':'none'}}]",
	     "> frame [{'channel':'/meta/disconnect','id':'5','successful':true}]", "< abort all",
	     "< state off gap", "< outcome 1 unknown%");
	PLAY(&options, W_UP, "> stop", "< state disconnecting", "< disconnect websocket %",
	     "> closed broken", "< abort all", "< state off gap");
	PLAY(&options, "> start", "< state handshaking", W_HANDSHAKE, "> stop", "< abort all",
	     "< state off", "> wait 99999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(commands_are_pipelined, setup),
		cmocka_unit_test_setup(a_missing_reply_blocks_no_other_request, setup),
		cmocka_unit_test_setup(only_the_connect_ends_the_socket, setup),
		cmocka_unit_test_setup(closing_settles_all_that_was_on_it, setup),
		cmocka_unit_test_setup(the_largest_was_too_large, setup),
		cmocka_unit_test_setup(smaller_batches_are_tried_one_by_one, setup),
		cmocka_unit_test_setup(a_probe_on_the_socket_overtakes, setup),
		cmocka_unit_test_setup(an_event_resets_the_pause, setup),
		cmocka_unit_test_setup(unsupported_falls_back_at_once, setup),
		cmocka_unit_test_setup(repeated_failure_falls_back, setup),
		cmocka_unit_test_setup(a_sticky_one_is_kept, setup),
		cmocka_unit_test_setup(the_better_one_is_tried_again, setup),
		cmocka_unit_test_setup(the_server_may_lack_one, setup),
		cmocka_unit_test_setup(a_kick_over_the_socket, setup),
		cmocka_unit_test_setup(disconnect_over_the_socket, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
