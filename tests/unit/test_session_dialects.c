/*
 * Conversations with servers other than current CometD Java: Faye, Lyrion, older and
 * unusual ones (bayeux.md 1.11, 8 and appendix A). Missing, duplicate or mistyped fields
 * must neither end a session nor be misinterpreted.
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

/* ---- Faye ---- */

#define FAYE_UP                                                                                    \
	"> start", "< state handshaking", HANDSHAKE,                                               \
		"> reply connect [{'id':'1','channel':'/meta/handshake','successful':true,"        \
		"'version':'1.0','supportedConnectionTypes':['long-polling',"                      \
		"'cross-origin-long-polling','callback-polling','websocket','eventsource',"        \
		"'in-process'],'clientId':'c1','advice':{'reconnect':'retry','interval':0,"        \
		"'timeout':60000}}]",                                                              \
		"< state connecting", PROBE,                                                       \
		"> reply connect [{'id':'2','clientId':'c1','channel':'/meta/connect',"            \
		"'successful':true,'advice':{'reconnect':'retry','interval':0,'timeout':60000}}]", \
		"< state connected", CONNECT

static void faye_refuses_in_its_own_numbers(void **state)
{
	(void)state;
	/* 402 is a missing parameter there, and no reason to doubt the session */
	PLAY(&options, FAYE_UP, "> want /a.b", "< commands %",
	     "> reply command [{'id':'4','clientId':'c1','channel':'/meta/subscribe','successful':"
	     "false,'error':'405:/a.b:Invalid channel','subscription':'/a.b'}]",
	     "< channel /a.b refused: refused by the server", "> publish 1 /b 9000 1",
	     "< commands %",
	     "> reply command [{'id':'5','clientId':'c1','channel':'/b','successful':false,"
	     "'error':'402:data:Missing required parameter'}]",
	     "< outcome 1 refused: refused by the server",
	     /* held longer than CometD does, and the reply comes in front of its events */
	     "> wait 65000",
	     "> reply connect [{'id':'3','clientId':'c1','channel':'/meta/connect','successful':true,"
	     "'advice':{'reconnect':'retry','interval':0,'timeout':60000}},{'channel':'/a',"
	     "'data':{'k':1},'id':'9','ext':{'q':1}}]",
	     "< message /a {'k':1}", CONNECT);
}

static void faye_forgets_a_session(void **state)
{
	(void)state;
	/* the error names our client id: the reason must not */
	PLAY(&options, FAYE_UP,
	     "> reply connect [{'id':'3','channel':'/meta/connect','successful':false,"
	     "'error':'401:c1:Unknown client','advice':{'reconnect':'handshake'}}]",
	     "< state unconnected gap: connect refused: 401 Unknown client", "> sleep 9000",
	     "< +0..1000", "< state handshaking gap%", HANDSHAKE);
	/* noticed by a publish, which has no advice */
	PLAY(&options, FAYE_UP, "> want /a", "< commands %",
	     "> reply command [{'id':'4','channel':'/meta/subscribe','successful':false,"
	     "'error':'401:c1:Unknown client','subscription':'/a'}]",
	     "< abort connect", "< state connected gap",
	     "< channel /a pending: the server forgot the session", PROBE,
	     "> reply connect [{'id':'5','channel':'/meta/connect','successful':false,"
	     "'error':'401:c1:Unknown client'}]",
	     "< state unconnected gap: connect refused: 401 Unknown client");
	/* and the handshake itself: its advice has no interval */
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'id':'1','channel':'/meta/handshake','successful':false,"
	     "'error':'301:callback-polling:Connection types not supported',"
	     "'advice':{'reconnect':'handshake'}}]",
	     "< state unconnected: handshake refused: 301 Connection types not supported",
	     "> sleep 9000", "< +800..1200", "< state handshaking%", HANDSHAKE);
}

/* ---- Lyrion, cometd-nodejs-server, cometd-twisted ---- */

static void replies_without_ids_and_codes(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','version':'1.0',"
	     "'supportedConnectionTypes':['long-polling','streaming'],'clientId':'c1',"
	     "'successful':true,'advice':{'reconnect':'retry','interval':0,'timeout':60000}}]",
	     "< state connecting", PROBE,
	     "> reply connect [{'channel':'/meta/connect','clientId':'c1','successful':true,"
	     "'timestamp':'Sat, 21 Nov 2026 10:00:00 GMT','advice':{'interval':5}}]",
	     "< state connected", "> sleep 100", "< +5..5", CONNECT, "> want /s/x",
	     "< commands %'/s/x'}]", "> want /s/y",
	     "> reply command [{'channel':'/meta/subscribe','clientId':'c1','successful':true,"
	     "'subscription':'/s/x'}]",
	     "< channel /s/x active", "< commands %'/s/y'}]",
	     "> reply command [{'channel':'/meta/subscribe','clientId':'c1','successful':false,"
	     "'subscription':'/s/y','error':'no such channel'}]",
	     "< channel /s/y refused: refused by the server",
	     "> reply connect [{'channel':'/meta/connect','clientId':null,'successful':false,"
	     "'error':'invalid clientId','advice':{'reconnect':'handshake','interval':0}}]",
	     "< state unconnected gap: connect refused: invalid clientId");
}

/* its 402 to a subscribe does not name the channel */
static void node_omits_the_subscription(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a", "< commands %",
	     "> reply command [{'id':'4','channel':'/meta/subscribe','successful':false,"
	     "'error':'402::session_unknown'}]",
	     "< abort connect", "< state connected gap",
	     "< channel /a pending: the server forgot the session", PROBE);
}

/* errors as lists, truth as text, ids as numbers */
static void values_of_other_types(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','id':1,'successful':'false',"
	     "'error':[601,'login required'],'advice':'retry'}]",
	     "< state unconnected: handshake refused: [601,'login required']", "> sleep 9000",
	     "< +800..1200", "< state handshaking%", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','id':2,'successful':'true',"
	     "'clientId':'c1','error':[],'supportedConnectionTypes':'long-polling'}]",
	     "< state connecting%", PROBE,
	     "> reply connect {'channel':'/meta/connect','id':3,'successful':'true','error':''}",
	     "< state connected", CONNECT, "> publish 1 /a 9000 1", "< commands %",
	     "> reply command {'channel':'/a','id':5,'successful':'true','error':null}",
	     "< outcome 1 ok", "> publish 2 /a 9000 1", "< commands %",
	     "> reply command [{'channel':'/a','id':6,'successful':'false','error':{'code':7}}]",
	     "< outcome 2 refused: refused by the server");
}

/* ---- CometD of all ages ---- */

static void older_cometd(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','version':'1.0beta','authSuccessful':"
	     "true,'minimumVersion':'0.9','clientId':'c1','supportedConnectionTypes':"
	     "['long-polling','callback-polling'],'json-comment-filtered':false,'successful':true,"
	     "'timestamp':'x','unknown':{}}]",
	     "< state connecting", PROBE,
	     "> reply connect [{'channel':'/meta/connect','successful':true,'connectionId':'/x'}]",
	     "< state connected", CONNECT,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::Unknown client','advice':{'reconnect':'handshake','interval':500}}]",
	     "< state unconnected gap: connect refused: 402 Unknown client", "> sleep 9000",
	     "< +500..1200", "< state handshaking gap%", HANDSHAKE);
}

/* ---- invalid messages ---- */

static void elements_that_are_nothing(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 200",
	     "> reply connect [null,5,'x',[],{},{'channel':7},{'id':'3','successful':true},"
	     "{'channel':'/meta/unheard-of','successful':true},{'channel':'/a','data':1},"
	     "{'channel':'/meta/connect','id':'3','successful':true}]",
	     "< message /a 1", "< note left out of an answer, because it is not Bayeux: 7 elements", CONNECT);
}

/* The first reply counts, whatever the second contains. */
static void replies_that_come_twice(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a", "< commands %",
	     "> reply command [{'channel':'/meta/subscribe','id':'4','subscription':'/a',"
	     "'successful':true},{'channel':'/meta/subscribe','id':'4','subscription':'/a',"
	     "'successful':false,'error':'403::no'}]",
	     "< channel /a active", "> publish 1 /b 9000 1", "< commands %",
	     "> reply command [{'channel':'/b','id':'5','successful':true},"
	     "{'channel':'/b','id':'5','successful':false,'error':'402::session_unknown'}]",
	     "< outcome 1 ok", "> wait 200",
	     "> reply connect [{'channel':'/meta/connect','id':'3','successful':true},"
	     "{'channel':'/meta/connect','id':'3','successful':false,'error':'402::x',"
	     "'advice':{'reconnect':'handshake'}},{'channel':'/meta/handshake','id':'1',"
	     "'successful':false,'advice':{'reconnect':'none'}}]",
	     CONNECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(faye_refuses_in_its_own_numbers, setup),
		cmocka_unit_test_setup(faye_forgets_a_session, setup),
		cmocka_unit_test_setup(replies_without_ids_and_codes, setup),
		cmocka_unit_test_setup(node_omits_the_subscription, setup),
		cmocka_unit_test_setup(values_of_other_types, setup),
		cmocka_unit_test_setup(older_cometd, setup),
		cmocka_unit_test_setup(elements_that_are_nothing, setup),
		cmocka_unit_test_setup(replies_that_come_twice, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
