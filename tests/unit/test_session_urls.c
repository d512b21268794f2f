/*
 * The session with a server of several URLs: when one is given up, where it
 * goes on, and how it comes back. A second connection to the same place never
 * counts as a new session unless it is one.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

static struct session_options options;
static const char *const urls[] = {"http://a/", "http://b/", "http://c/"};

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.urls = urls;
	options.n_urls = 2;
	return 0;
}

/* the lines of session_lines.h at another URL */
#define SHAKE_AT(at) "< handshake long-polling" at " [%'supportedConnectionTypes':['long-polling']}]"
#define PROBE_AT(at) "< connect long-polling" at " [%'advice':{'timeout':0}}]"
#define CONNECT_AT(at) "< connect long-polling" at " [%'connectionType':'long-polling'}]"
#define BACK_AT(at)                                                                                \
	"< state handshaking%", SHAKE_AT(at), HANDSHAKE_OK, "< state connecting%", PROBE_AT(at),   \
	CONNECT_OK, "< state connected gap", CONNECT_AT(at)
#define HELD(at) "> wait 30000", CONNECT_OK, CONNECT_AT(at)
#define HELD_5(at) HELD(at), HELD(at), HELD(at), HELD(at), HELD(at)
#define LOSE "> fail connect not-sent", "< state unconnected%"
#define LOSE_AGAIN(from_to) "> sleep 9000", from_to, PROBE, "> fail connect not-sent"
/* three failures in a row give the first URL up */
#define GIVE_UP                                                                                    \
	"> fail connect broken", "< state unconnected gap: cut", LOSE_AGAIN("< +800..1200"),       \
		LOSE_AGAIN("< +960..1440")

static void the_second_url_is_used(void **state)
{
	(void)state;
	PLAY(&options, UP, GIVE_UP, BACK_AT("@1"),
	     /* and a single failure is no reason to use another one */
	     HELD("@1"), "> fail connect broken", "< state unconnected gap: cut",
	     "> sleep 9000", "< +800..1200", PROBE_AT("@1"), CONNECT_OK, "< state connected gap", CONNECT_AT("@1"));
}

static void nothing_listens_at_the_start(void **state)
{
	(void)state;
	/* a round of all of them, a pause, the next round */
	options.url_failures = 1;
	options.n_urls = 3;
#define DEAD(at) SHAKE_AT(at), "> fail connect not-sent", "< state unconnected: cut"
#define AT_ONCE "< state handshaking: cut"
	PLAY(&options, "> start", "< state handshaking", DEAD(""), AT_ONCE, DEAD("@1"), AT_ONCE,
	     DEAD("@2"), "> sleep 9000", "< +800..1200", AT_ONCE, DEAD(""), AT_ONCE, DEAD("@1"),
	     AT_ONCE, DEAD("@2"), "> sleep 9000", "< +960..1440", AT_ONCE, SHAKE_AT(""));
}

static void a_refusal_is_no_failure_of_the_url(void **state)
{
	(void)state;
	options.url_failures = 1;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','successful':false,'error':'403::no'}]",
	     "< state unconnected: handshake refused: 403 no", "> sleep 9000", "< +1000..1200",
	     "< state handshaking%", HANDSHAKE, "> fail connect broken status=401",
	     "< state unconnected: cut", "> sleep 9000", "< +960..1440", "< state handshaking%",
	     HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','successful':false,'error':'403::no',"
	     "'advice':{'reconnect':'none'}}]",
	     "< state halted: handshake refused: 403 no", "> sleep 99000", "< +24000..36000",
	     "< state handshaking%", HANDSHAKE);
}

static void not_found_means_the_next_url(void **state)
{
	(void)state;
	/* a 5xx and its Retry-After speak for one server alone */
	options.url_failures = 1;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> fail connect broken status=503 retry=60000", "< state unconnected: cut",
	     "< state handshaking: cut", SHAKE_AT("@1"), HANDSHAKE_OK, "< state connecting%",
	     PROBE_AT("@1"), CONNECT_OK, "< state connected", CONNECT_AT("@1"));
}

static void all_transports_have_their_turn(void **state)
{
	(void)state;
	options.n_transports = 2;
	options.transports[0] = SESSION_WEBSOCKET;
	options.transports[1] = SESSION_LONG_POLLING;
	options.url_failures = 2;
	PLAY(&options, "> start", "< state handshaking", "< handshake websocket [%",
	     "> closed not-sent", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     "< state handshaking: cut", "< handshake websocket [%", "> closed not-sent",
	     "< state unconnected: cut", "< state handshaking: cut", "< handshake long-polling [%",
	     "> fail connect not-sent", "< state unconnected: cut", "< state handshaking: cut",
	     /* both of them again at the next */
	     "< handshake websocket@1 [%", "> closed not-sent unsupported",
	     "< state unconnected: cut", "< state handshaking: cut",
	     "< handshake long-polling@1 [%", "> fail connect not-sent", "< state unconnected: cut",
	     "> sleep 9000", "< +960..1440", "< state handshaking: cut",
	     "< handshake websocket [%");
}

static void back_with_the_next_handshake(void **state)
{
	(void)state;
	PLAY(&options, UP, GIVE_UP, BACK_AT("@1"), HELD("@1"),
	     /* an early one stays */
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::session_unknown','advice':{'reconnect':'handshake'}}]",
	     "< state unconnected gap: connect refused: 402 session_unknown", BACK_AT("@1"),
	     HELD_5("@1"), HELD_5("@1"),
	     /* a session that works is left alone; the next handshake goes to the first */
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::session_unknown','advice':{'reconnect':'handshake'}}]",
	     "< state unconnected gap: connect refused: 402 session_unknown", BACK_AT(""));
}

static void back_at_any_price(void **state)
{
	(void)state;
	options.url_return = SESSION_URL_BREAK;
	PLAY(&options, UP, GIVE_UP, BACK_AT("@1"), HELD_5("@1"), HELD("@1"), HELD("@1"), HELD("@1"),
	     HELD("@1"), "> wait 30000", CONNECT_OK, "< state unconnected gap: going back to the first URL", BACK_AT(""));
}

static void a_stopped_session_begins_with_the_first(void **state)
{
	(void)state;
	PLAY(&options, UP, GIVE_UP, BACK_AT("@1"), "> stop", "< state disconnecting%",
	     "< disconnect long-polling@1 %",
	     "> reply command [{'channel':'/meta/disconnect','successful':true}]", "< abort all",
	     "< state off%", "> start", BACK_AT(""));
}

/* a server's answer must not determine where credentials are sent */
static void other_hosts_are_noted_once(void **state)
{
	(void)state;
	options.n_urls = 1;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'clientId':'c1','supportedConnectionTypes':['long-polling'],"
	     "'advice':{'hosts':['http://evil/'],'timeout':30000},'channel':'/meta/handshake',"
	     "'successful':true}]",
	     "< state connecting", "< note the server advises other hosts%", PROBE,
	     "> reply connect [{'channel':'/meta/connect','successful':true,"
	     "'advice':{'hosts':['http://evil/'],'timeout':30000}}]",
	     "< state connected", CONNECT, "> fail connect broken", "< state unconnected%",
	     "> sleep 9000", "< +800..1200", PROBE,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::x','advice':{'reconnect':'handshake','hosts':['http://evil/']}}]",
	     "> sleep 9000", "< +0..200", "< state handshaking%", HANDSHAKE);
}

static void a_shared_session_moves(void **state)
{
	(void)state;
	options.url_shared = true;
	/* with the same clientId, and nothing is subscribed again */
	PLAY(&options, "> want /a", START, "< commands %", CONNECT_OK, "< state connected", CONNECT,
	     "> reply command [{'channel':'/meta/subscribe','id':'3','subscription':'/a',"
	     "'successful':true}]",
	     "< channel /a active", LOSE, LOSE_AGAIN("< +800..1200"), LOSE_AGAIN("< +960..1440"),
	     "< connect long-polling@1 [{'channel':'/meta/connect','id':'%','clientId':'c1',"
	     "'connectionType':'long-polling','advice':{'timeout':0}}]",
	     CONNECT_OK, "< state connected", CONNECT_AT("@1"));
}

static void a_shared_session_may_be_lost(void **state)
{
	(void)state;
	options.url_shared = true;
	PLAY(&options, UP, LOSE, LOSE_AGAIN("< +800..1200"), LOSE_AGAIN("< +960..1440"),
	     PROBE_AT("@1"),
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::session_unknown','advice':{'reconnect':'handshake'}}]",
	     BACK_AT("@1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_second_url_is_used, setup),
		cmocka_unit_test_setup(nothing_listens_at_the_start, setup),
		cmocka_unit_test_setup(a_refusal_is_no_failure_of_the_url, setup),
		cmocka_unit_test_setup(not_found_means_the_next_url, setup),
		cmocka_unit_test_setup(all_transports_have_their_turn, setup),
		cmocka_unit_test_setup(back_with_the_next_handshake, setup),
		cmocka_unit_test_setup(back_at_any_price, setup),
		cmocka_unit_test_setup(a_stopped_session_begins_with_the_first, setup),
		cmocka_unit_test_setup(other_hosts_are_noted_once, setup),
		cmocka_unit_test_setup(a_shared_session_moves, setup),
		cmocka_unit_test_setup(a_shared_session_may_be_lost, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
