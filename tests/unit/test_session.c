/*
 * The session over long-polling, as it should go: handshake, connect, channels,
 * publishes, events, the end. Conversations after bayeux.md, appendix A.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

static void session_comes_up(void **state)
{
	(void)state;
	PLAY(&options, UP,
	     /* held, then again */
	     "> wait 30000",
	     "> reply connect [{'channel':'/meta/connect','id':'3','successful':true}]", CONNECT,
	     /* an event ends the hold, and the next connect follows at once */
	     "> wait 10000",
	     "> reply connect [{'data':{'from':'d'},'channel':'/pp'},"
	     "{'channel':'/meta/connect','id':'4','successful':true}]",
	     "< message /pp {'from':'d'}", CONNECT);
}

static void channels_go_before_publishes(void **state)
{
	(void)state;
	PLAY(&options, "> want /a/b", "> want /c/*", "> publish 1 /a/b 60000 {'k':1} {'q':1}",
	     "> publish 2 /x 60000 2", START,
	     "< commands long-polling ["
	     "{'channel':'/meta/subscribe','id':'%','clientId':'c1','subscription':'/a/b'},"
	     "{'channel':'/meta/subscribe','id':'%','clientId':'c1','subscription':'/c/*'},"
	     "{'channel':'/a/b','id':'1','clientId':'c1','data':{'k':1},'ext':{'q':1}},"
	     "{'channel':'/x','id':'2','clientId':'c1','data':2}]",
	     CONNECT_OK, "< state connected", CONNECT,
	     /* events come before the replies */
	     "> reply command [{'ext':{'q':1},'data':{'k':1},'channel':'/a/b'},"
	     "{'channel':'/meta/subscribe','id':'5','subscription':'/a/b','successful':true},"
	     "{'channel':'/meta/subscribe','id':'6','subscription':'/c/*','successful':true},"
	     "{'channel':'/a/b','id':'1','successful':true},{'channel':'/x','id':'2',"
	     "'successful':true}]",
	     "< message /a/b {'k':1}", "< channel /a/b active", "< channel /c/* active",
	     "< outcome 1 ok", "< outcome 2 ok");
}

static void queued_requests_are_sent_as_one_batch(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 1",
	     "< commands long-polling [{'channel':'/a','id':'4','clientId':'c1','data':1}]",
	     "> publish 2 /a 9000 2", "> publish 3 /a 9000 3", "> want /w",
	     "> reply command [{'channel':'/a','id':'4','successful':true}]", "< outcome 1 ok",
	     "< commands long-polling [{'channel':'/meta/subscribe',%'subscription':'/w'},"
	     "{'channel':'/a',%'data':2},{'channel':'/a',%'data':3}]",
	     /* one is refused; replies in any order */
	     "> reply command [{'channel':'/a','id':'6','successful':true},"
	     "{'channel':'/a','id':'5','successful':false,'error':'403::publish_denied'},"
	     "{'channel':'/meta/subscribe','id':'7','subscription':'/w','successful':true}]",
	     "< outcome 3 ok", "< outcome 2 refused: refused by the server", "< channel /w active");
}

static void own_id_on_an_event_is_no_reply(void **state)
{
	(void)state;
	/* Faye: the event has the publisher's id, and our publish is still unanswered */
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %",
	     "> reply connect [{'channel':'/meta/connect','id':'3','clientId':'c1',"
	     "'successful':true},"
	     "{'channel':'/a','data':1,'id':'4'}]",
	     "< message /a 1", CONNECT,
	     "> reply command [{'channel':'/a','id':'4','clientId':'c1','successful':true}]",
	     "< outcome 1 ok");
}

static void falsy_data_is_data(void **state)
{
	(void)state;
	PLAY(&options, UP,
	     "> reply connect [{'data':null,'channel':'/a'},{'data':0,'channel':'/a/'},"
	     "{'data':'','channel':'/a'},{'data':false,'channel':'/a','successful':true},"
	     "{'channel':'/a','id':'77'},{'channel':'/meta/connect','id':'3','successful':true}]",
	     "< message /a null", "< message /a 0", "< message /a ''", "< message /a false",
	     "< note message without data on /a left out", CONNECT);
}

static void odd_connect_ids_are_tolerated(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 200",
	     "> reply connect [{'channel':'/meta/connect','id':3,'successful':true}]", CONNECT,
	     "> wait 200", "> reply connect [{'channel':'/meta/connect','successful':true}]",
	     CONNECT, "> wait 200",
	     /* of another connect: ignored, and ours is unanswered */
	     "> reply connect [{'channel':'/meta/connect','id':'3','successful':true}]",
	     "< state unconnected gap: the response contains no reply", "> sleep 2000", "< +800..1200",
	     PROBE);
}

static void disconnect_is_sent(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %", "> publish 2 /a 9000 2",
	     "> stop", "< state disconnecting", "< outcome 2 not-sent: the session%",
	     "> publish 3 /a 9000 3", "< outcome 3 not-sent: the session%",
	     /* after requests in flight */
	     "> reply command [{'channel':'/a','id':'4','successful':true}]", "< outcome 1 ok",
	     "< disconnect long-polling [{'channel':'/meta/disconnect','id':'%','clientId':'c1'}]",
	     /* CometD answers the held connect with "none"; that is no news */
	     "> reply connect [{'channel':'/meta/connect','id':'3','successful':true,"
	     "'advice':{'reconnect':'none'}}]",
	     "> reply command [{'channel':'/meta/disconnect','id':'7','successful':true}]",
	     "< state off gap", "> wait 100000",
	     /* and again */
	     "> start", "< state handshaking gap",
	     HANDSHAKE, HANDSHAKE_OK, "< state connecting gap",
	     PROBE, CONNECT_OK, "< state connected gap", CONNECT);
}

static void disconnect_has_a_deadline(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %", "> stop",
	     "< state disconnecting", "> sleep 9000", "< +1000..1000", "< abort command",
	     "< outcome 1 unknown: sent%", "< disconnect %", "> sleep 9000", "< +1000..1000",
	     "< abort all", "< state off gap", "> wait 99999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(session_comes_up, setup),
		cmocka_unit_test_setup(channels_go_before_publishes, setup),
		cmocka_unit_test_setup(queued_requests_are_sent_as_one_batch, setup),
		cmocka_unit_test_setup(own_id_on_an_event_is_no_reply, setup),
		cmocka_unit_test_setup(falsy_data_is_data, setup),
		cmocka_unit_test_setup(odd_connect_ids_are_tolerated, setup),
		cmocka_unit_test_setup(disconnect_is_sent, setup),
		cmocka_unit_test_setup(disconnect_has_a_deadline, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
