/*
 * The limits of a conversation: how long each kind of reply is waited for, what
 * the server is asked to hold and allow, and how large a text may leave.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.network_delay = 5000;
	options.request_timeout = 2000;
	return 0;
}

static void every_reply_has_its_deadline(void **state)
{
	(void)state;
	/* the handshake */
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE, "> sleep 99000",
	     "< +2000..2000", "< abort connect",
	     "< state unconnected: the server did not answer in time: %");
	/* a connect that must return at once, and one that is held: CometD advised 30 s */
	PLAY(&options, START, "> sleep 99000", "< +5000..5000", "< abort connect",
	     "< state unconnected gap: the server did not answer in time: %");
	PLAY(&options, UP, "> sleep 99000", "< +35000..35000", "< abort connect",
	     "< state unconnected gap: the server did not answer in time: %");
	/* commands */
	PLAY(&options, UP, "> publish 1 /a 60000 1", "< commands %", "> sleep 99000",
	     "< +2000..2000", "< abort command", "< state connected gap",
	     "< outcome 1 unknown: sent, but the reply was lost", "> want /b", "> sleep 99000",
	     "< +800..1200", "< commands %'subscription':'/b'%", "> sleep 99000",
	     "< +2000..2000", "< abort command", "< state connected gap", "> sleep 99000",
	     "< +1200..1800", "< commands %'subscription':'/b'%");
}

static void without_one_the_delay_counts(void **state)
{
	(void)state;
	options.request_timeout = 0;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE, "> sleep 99000",
	     "< +5000..5000", "< abort connect",
	     "< state unconnected: the server did not answer in time: %");
	PLAY(&options, UP, "> publish 1 /a 60000 1", "< commands %", "> sleep 99000",
	     "< +5000..5000", "< abort command", "< state connected gap", "< outcome 1 unknown%");
}

/* As long as bytes come, the answer is awaited; then as long as at first. */
static void a_deadline_measures_silence(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 34999", "> heard connect", "> wait 4999", "> heard connect",
	     "> sleep 99000", "< +5000..5000", "< abort connect",
	     "< state unconnected gap: the server did not answer in time: it sent nothing for 5 s "
	     "after the 30 s that it may hold a connect; if it holds longer, raise network-delay");
	/* what comes early makes no deadline earlier */
	PLAY(&options, UP, "> heard connect", "> sleep 99000", "< +35000..35000", "< abort connect",
	     "< state unconnected gap: %");
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE, "> wait 1999", "> heard connect",
	     "> sleep 99000", "< +2000..2000", "< abort connect",
	     "< state unconnected: the server did not answer in time: it sent nothing for 2 s "
	     "(request-timeout)");
	/* commands; a publish has its own deadline, whatever comes */
	PLAY(&options, UP, "> publish 1 /a 3000 1", "< commands %", "> wait 1999", "> heard command",
	     "> sleep 99000", "< +1001..1001", "< outcome 1 unknown: sent, but the server did not reply in time",
	     "> sleep 99000", "< +999..999", "< abort command", "< state connected gap");
	/* of another exchange, or of none */
	PLAY(&options, UP, "> publish 1 /a 60000 1", "< commands %", "> wait 1999", "> heard connect",
	     "> heard websocket", "> sleep 99000", "< +1..1", "< abort command",
	     "< state connected gap", "< outcome 1 unknown%");
}

#define WS_UP \
	"> start", "< state handshaking", "< handshake %", \
	"> frame [{'clientId':'c1','channel':'/meta/handshake','successful':true," \
	"'advice':{'timeout':30000}}]", "< state connecting%", "< connect %", \
	"> frame [{'channel':'/meta/connect','successful':true}]", "< state connected", \
	"< connect %"

/* On a WebSocket the reply may come after whatever else comes. */
static void any_data_counts_on_a_websocket(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	PLAY(&options, WS_UP, "> wait 34999", "> heard websocket", "> wait 4999", "> heard websocket",
	     "> sleep 99000", "< +5000..5000", "< abort connect", "< state unconnected gap: %");
	/* a subscribe is not awaited for ever because events come: 10 times 2 s */
	PLAY(&options, WS_UP, "> want /b", "< commands %", "> wait 1900", "> heard websocket",
	     "> wait 1900", "> heard websocket", "> wait 1900", "> heard websocket",
	     "> wait 1900", "> heard websocket", "> wait 1900", "> heard websocket",
	     "> wait 1900", "> heard websocket", "> wait 1900", "> heard websocket",
	     "> wait 1900", "> heard websocket", "> wait 1900", "> heard websocket",
	     "> wait 1900", "> heard websocket", "> sleep 99000", "< +1000..1000",
	     "< commands %'subscription':'/b'%");
}

static void deadlines_on_a_websocket(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	PLAY(&options, "> start", "< state handshaking", "< handshake %", "> sleep 99000",
	     "< +2000..2000", "< abort connect",
	     "< state unconnected: the server did not answer in time: %", "> sleep 99000",
	     "< +800..1200", "< state handshaking%", "< handshake %",
	     "> frame [{'clientId':'c1','channel':'/meta/handshake','successful':true,"
	     "'advice':{'timeout':30000}}]",
	     "< state connecting%", "< connect %",
	     "> frame [{'channel':'/meta/connect','successful':true}]", "< state connected",
	     "< connect %", "> want /b", "< commands %", "> sleep 99000",
	     "< +2000..2000", "< commands %'subscription':'/b'%",
	     "> frame [{'channel':'/meta/subscribe','subscription':'/b','successful':true}]",
	     "< channel /b active",
	     /* a publish has its own: some servers never reply to one */
	     "> publish 1 /a 9000 1", "< commands %", "> sleep 99000", "< +9000..9000",
	     "< outcome 1 unknown%");
}

static void wanted_advice_is_sent(void **state)
{
	(void)state;
	options.wanted_timeout = 45000;
	options.wanted_interval = 500;
	PLAY(&options, "> start", "< state handshaking",
	     "< handshake % [%'supportedConnectionTypes':['long-polling'],"
	     "'advice':{'timeout':45000,'interval':500}}]",
	     HANDSHAKE_OK, "< state connecting",
	     "< connect % [%'connectionType':'long-polling','advice':{'timeout':0,'interval':500}}]",
	     CONNECT_OK, "< state connected",
	     "< connect % [%'connectionType':'long-polling',"
	     "'advice':{'timeout':45000,'interval':500}}]",
	     /* the longer of what was wanted and what is advised is waited for */
	     "> sleep 99000", "< +50000..50000", "< abort connect", "< state unconnected%");
	options.wanted_timeout = 7000;
	options.wanted_interval = 0;
	PLAY(&options, "> start", "< state handshaking", "< handshake % [%'advice':{'timeout':7000}}]",
	     HANDSHAKE_OK, "< state connecting", PROBE, CONNECT_OK, "< state connected",
	     "< connect % [%'advice':{'timeout':7000}}]", "> sleep 99000", "< +35000..35000",
	     "< abort connect", "< state unconnected%");
	options.wanted_timeout = 0;
	options.wanted_interval = 70;
	PLAY(&options, "> start", "< state handshaking", "< handshake % [%'advice':{'interval':70}}]",
	     HANDSHAKE_OK, "< state connecting", "< connect %", CONNECT_OK, "< state connected",
	     "< connect % [%'advice':{'interval':70}}]");
}

#define TEN "1234567890"

static void texts_are_cut_to_the_limit(void **state)
{
	(void)state;
	/* [{"channel":"/a","id":"4","clientId":"c1","data":""}] and what is in "" */
	options.sent_max = 53 + 30;
	PLAY(&options, UP, "> publish 1 /a 60000 '" TEN TEN TEN "'",
	     "< commands % [{'channel':'/a','id':'4','clientId':'c1','data':'" TEN TEN TEN "'}]",
	     /* one byte more with all that goes with it, and surely more */
	     "> publish 2 /a 60000 '" TEN TEN TEN "1'", "> publish 3 /a 60000 '" TEN TEN TEN TEN "'",
	     "< too large", "> publish 4 /a 60000 4",
	     "> reply command [{'channel':'/a','id':'4','successful':true}]", "< outcome 1 ok",
	     "< commands % [{'channel':'/a','id':'%','clientId':'c1','data':4}]",
	     "< outcome 2 too-large: with all that goes with it%");
	/* two that would fit alone leave alone */
	options.sent_max = 140;
	PLAY(&options, "> publish 1 /a 60000 '" TEN TEN "'", "> publish 2 /a 60000 '" TEN TEN "'",
	     "> publish 3 /a 60000 3", START, "< commands % [{%'" TEN TEN "'}]", CONNECT_OK,
	     "< state connected", CONNECT,
	     "> reply command [{'channel':'/a','id':'1','successful':true}]", "< outcome 1 ok",
	     "< commands % [{%'" TEN TEN "'},{%'data':3}]");
}

/* What a peer published before it left is done, but does not hold its room for an hour. */
static void a_peer_disconnects(void **state)
{
	(void)state;
	PLAY(&options, "> peer 1", "> publish 1 /a 3600000 1", "> call 2 /service/x 3600000 2",
	     "> publish 3 /a 5000 3", "> peer 2", "> publish 4 /a 3600000 4", "> left 1", "> left 9",
	     "> sleep 90000", "< +0..0", "< outcome 2 not-sent: the caller is gone",
	     "> sleep 90000", "< +5000..5000", "< outcome 3 not-sent%", "> sleep 90000",
	     "< +25000..25000", "< outcome 1 not-sent%", "> sleep 90000");
	PLAY(&options, UP, "> publish 9 /p 9000 9", "< commands %", "> peer 1",
	     "> publish 1 /a 3600000 1", "> publish 2 /a 3600000 2", "> left 1",
	     "> reply command [{'channel':'/p','successful':true}]", "< outcome 9 ok",
	     "< commands %'data':1%'data':2%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_reply_has_its_deadline, setup),
		cmocka_unit_test_setup(without_one_the_delay_counts, setup),
		cmocka_unit_test_setup(deadlines_on_a_websocket, setup),
		cmocka_unit_test_setup(a_deadline_measures_silence, setup),
		cmocka_unit_test_setup(any_data_counts_on_a_websocket, setup),
		cmocka_unit_test_setup(wanted_advice_is_sent, setup),
		cmocka_unit_test_setup(texts_are_cut_to_the_limit, setup),
		cmocka_unit_test_setup(a_peer_disconnects, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
