/*
 * The session over long-polling, when things go wrong: every rule of bayeux.md
 * 0, 4.4 and 4.7 as a conversation.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include "bayeux/publish.h"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

/* ---- handshake ---- */

static void handshake_is_retried_with_growing_pauses(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE, "> want /a",
	     "> fail connect not-sent", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     "< state handshaking%", HANDSHAKE,
	     /* no reply at all */
	     "> sleep 99000", "< +10000..10000", "< abort connect",
	     "< state unconnected: the server did not answer in time: %", "> sleep 99000",
	     "< +960..1440", "< state handshaking%", HANDSHAKE,
	     "> fail connect broken status=503", "< state unconnected%", "> sleep 99000",
	     "< +1152..1728", "< state handshaking%", HANDSHAKE,
	     /* a proxy's page, an empty body, an empty array */
	     "> reply connect <html>busy</html>",
	     "< state unconnected: HTML instead of JSON: a login page or a proxy%",
	     "< note left out of an answer, because it is not Bayeux: all%", "> sleep 99000", "< +1382..2074",
	     "< state handshaking%", HANDSHAKE, "> reply connect []",
	     "< state unconnected: the response contains no reply", "> sleep 99000", "< +1658..2490",
	     "< state handshaking%", HANDSHAKE, "> reply connect  ",
	     "< state unconnected: the response contains no reply", "> sleep 99000", "< +1990..2990",
	     "< state handshaking%", HANDSHAKE,
	     /* the server asks for a longer pause */
	     "> fail connect broken retry=20000", "< state unconnected%", "> sleep 99000",
	     "< +20000..20000", "< state handshaking%", HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting%", PROBE, "< commands %/meta/subscribe%'/a'%");
}

static void refused_handshake_is_retried(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','id':'1','successful':false,"
	     "'error':'402:version:Missing required parameter',"
	     "'advice':{'reconnect':'handshake'}}]",
	     "< state unconnected: handshake refused: 402 Missing required parameter",
	     "> sleep 9000", "< +800..1200", "< state handshaking%", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','successful':false,'error':'busy',"
	     "'advice':{'reconnect':'retry','interval':5000}}]",
	     "< state unconnected: handshake refused: busy", "> sleep 9000", "< +6200..6800",
	     "< state handshaking%", HANDSHAKE,
	     /* neither advice nor error, nor clientId */
	     "> reply connect [{'channel':'/meta/handshake','successful':true}]",
	     "< state unconnected: handshake refused", "> sleep 9000", "< +1152..1728",
	     "< state handshaking%", HANDSHAKE);
}

static void none_halts_and_is_tried_again_much_later(void **state)
{
	(void)state;
#define DENIED                                                                                     \
	"> reply connect [{'channel':'/meta/handshake','successful':false,'error':"                \
	"'403::Handshake denied','ext':{'sfdc':{'failureReason':'401::Authentication invalid'}},"  \
	"'advice':{'reconnect':'none'}}]",                                                         \
		"< state halted: handshake refused: 401::Authentication invalid"
	PLAY(&options, "> publish 1 /a 40000 1", "> start", "< state handshaking",
	HANDSHAKE, DENIED,
	     "> sleep 99000", "< +24000..36000", "< state handshaking%", HANDSHAKE, DENIED,
	     "> sleep 99000", "< +1000..16000", "< outcome 1 not-sent%", "> sleep 99000",
	     "< +20000..54000", "< state handshaking%", HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting%", PROBE);
}

static void no_common_transport_halts(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','successful':true,'clientId':'c1',"
	     "'supportedConnectionTypes':['websocket','callback-polling']}]",
	     "< state halted: no transport in common: the server offers "
	     "['websocket','callback-polling']",
	     "> sleep 99000", "< +24000..36000", "< state handshaking%", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','successful':true,'clientId':'c1',"
	     "'supportedConnectionTypes':['long-polling'],'advice':{'reconnect':'none'}}]",
	     "< state halted: the server forbids to connect");
}

static void advice_of_a_good_handshake_may_be_odd_or_missing(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     /* cometd#2057: successful, but "handshake" */
	     "> reply connect [{'channel':'/meta/handshake','successful':true,'clientId':'c1',"
	     "'advice':{'reconnect':'handshake','interval':0}}]",
	     "< state connecting", PROBE,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'403::Unknown client','advice':{'reconnect':'handshake','interval':0}}]",
	     "< state unconnected%: connect refused: 403 Unknown client",
	     "< note the server forgot the session right after the handshake%", "> sleep 9000",
	     "< +1000..1000", "< state handshaking%", HANDSHAKE,
	     /* Salesforce: no advice in the reply, and the old one is forgotten (cometd#722) */
	     "> reply connect [{'channel':'/meta/handshake','successful':true,'clientId':'c1'}]",
	     "< state connecting%", PROBE,
	     "> reply connect [{'clientId':'c1','advice':{'interval':0,'timeout':110000,"
	     "'reconnect':'retry'},'channel':'/meta/connect','successful':true}]",
	     "< state connected gap", CONNECT,
	     /* held as advised, and given up ten seconds later */
	     "> wait 119999", "> sleep 9000", "< +1..1", "< abort connect",
	     "< state unconnected gap: the server did not answer in time: %");
}

/* ---- connect ---- */

static void lost_session_is_made_again(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a", "< commands %'/a'%",
	     "> reply command [{'channel':'/meta/subscribe','id':'4','successful':true}]",
	     "< channel /a active", "> wait 30000", CONNECT_OK, CONNECT, "> publish 1 /a 9000 1",
	     "< commands %",
	     "> reply connect [{'advice':{'interval':0,'reconnect':'handshake'},"
	     "'channel':'/meta/connect','error':'402::session_unknown','successful':false}]",
	     "< state unconnected gap: connect refused: 402 session_unknown",
	     /* replies to requests in flight are accepted for a moment */
	     "> reply command [{'channel':'/a','id':'6','successful':false,"
	     "'error':'402::session_unknown'}]",
	     /* it was not taken, and goes to the new session */
	     "> publish 2 /a 9000 2", "> sleep 9000", "< +250..250",
	     "< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%", PROBE,
	     "< commands %/meta/subscribe%'/a'%'data':1%'data':2%", CONNECT_OK,
	     "< state connected gap", CONNECT,
	     "> reply command [{'channel':'/meta/subscribe','id':'10','successful':true},"
	     "{'channel':'/a','id':'6','successful':true},"
	     "{'channel':'/a','id':'7','successful':true}]",
	     "< channel /a active", "< outcome 1 ok", "< outcome 2 ok");
}

static void unknown_session_needs_no_advice(void **state)
{
	(void)state;
#define LOST(error)                                                                                \
	"> wait 30000", CONNECT_OK, CONNECT,                                                       \
		"> reply connect [{'channel':'/meta/connect','successful':false,'error':'" error   \
		"'}]",                                                                             \
		"< state unconnected gap: connect refused%", AGAIN
	PLAY(&options, UP,
	     "> wait 30000", CONNECT_OK, CONNECT,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::session_unknown'}]",
	     "< state unconnected%: connect refused: 402 session_unknown", AGAIN,
	     LOST("401:c1:Unknown client"), LOST("403::Unknown client"));
}

static void handshakes_that_lead_nowhere_get_rarer(void **state)
{
	(void)state;
#define IN_VAIN(a, b)                                                                              \
	"> sleep 99000", "< +" #a ".." #b, "< state handshaking%", HANDSHAKE, HANDSHAKE_OK,        \
		"< state connecting%", PROBE,                                                      \
		"> reply connect [{'channel':'/meta/connect','successful':false,"                  \
		"'error':'402::x','advice':{'reconnect':'handshake'}}]",                           \
		"< state unconnected%", "< note %"
	PLAY(&options, START,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::x','advice':{'reconnect':'handshake'}}]",
	     "< state unconnected%", "< note %", IN_VAIN(1000, 1000), IN_VAIN(1000, 1440),
	     IN_VAIN(1152, 1728),
	     IN_VAIN(1382, 2074), IN_VAIN(1658, 2490),
	     /* a first connect that succeeds is no proof yet */
	     "> sleep 99000", "< +1990..2990", "< state handshaking%", HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting%", PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::x','advice':{'reconnect':'handshake'}}]",
	     "< state unconnected%", "> sleep 99000", "< +2388..3588", "< state handshaking%",
	     HANDSHAKE, HANDSHAKE_OK, "< state connecting%", PROBE, CONNECT_OK,
	     "< state connected gap", CONNECT,
	     /* one that was held is */
	     "> wait 30000", CONNECT_OK, CONNECT,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::x','advice':{'reconnect':'handshake'}}]",
	     "< state unconnected%", "< state handshaking%", HANDSHAKE);
}

/* A server that is back after an outage and asks for a handshake gets it at once, whatever pause the
   outage has led to; one that goes on asking is met with growing pauses. */
static void a_server_that_is_back_is_not_kept_waiting(void **state)
{
	(void)state;
#define DOWN(a, b) "> fail connect not-sent", "> sleep 9000", "< +" #a ".." #b, PROBE
#define FORGOTTEN                                                                                  \
	"> reply connect [{'channel':'/meta/connect','successful':false,"                          \
	"'error':'402::session_unknown','advice':{'reconnect':'handshake','interval':0}}]"
	PLAY(&options, UP, "> wait 30000", CONNECT_OK, CONNECT, "> fail connect broken",
	     "< state unconnected gap: cut", "> sleep 9000", "< +800..1200", PROBE,
	     DOWN(960, 1440), DOWN(1152, 1728), DOWN(1382, 2074), FORGOTTEN,
	     "< state handshaking gap: connect refused: 402 session_unknown", HANDSHAKE,
	     HANDSHAKE_OK, "< state connecting gap%", PROBE, FORGOTTEN,
	     "< state unconnected gap%", "< note the server forgot the session right after%",
	     /* no connect was good since */
	     "> sleep 9000", "< +1990..2990", "< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting gap%", PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     FORGOTTEN, "< state unconnected gap%", "> sleep 9000", "< +2388..3588",
	     "< state handshaking gap%", HANDSHAKE);
}

/* A connection that lasted longer than the coming pause ends the growth of the pauses, also when it is
   cut before the server answered a held connect; a shorter one does not. */
static void a_connection_that_lasted_resets_the_pause(void **state)
{
	(void)state;
#define BACK                                                                                       \
	"< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%", PROBE,     \
		CONNECT_OK, "< state connected gap", CONNECT
	PLAY(&options, UP, "> fail connect broken", "< state unconnected gap: cut",
	     "> sleep 9000", "< +800..1200", PROBE, DOWN(960, 1440), DOWN(1152, 1728), FORGOTTEN,
	     BACK, "> wait 1000", "> fail connect broken", "< state unconnected gap: cut",
	     "> sleep 9000", "< +1658..2490", PROBE, FORGOTTEN,
	     "> sleep 9000", "< +1990..2990", BACK, "> wait 5000", "> fail connect broken", "< state unconnected gap: cut",
	     "> sleep 9000", "< +800..1200", PROBE);
}

static void short_outage_is_resumed(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a", "< commands %",
	     "> reply command [{'channel':'/meta/subscribe','id':'4','successful':true}]",
	     "< channel /a active", "> fail connect broken", "< state unconnected gap: cut",
	     "> publish 1 /a 60000 1", "> sleep 9000", "< +800..1200", PROBE,
	     "> fail connect not-sent", "> sleep 9000", "< +960..1440", PROBE, CONNECT_OK,
	     /* the same session: nothing is subscribed again */
	     "< state connected gap",
	     CONNECT, "< commands long-polling [{'channel':'/a'%'data':1}]",
	     "> wait 1", "> fail connect not-sent", "< state unconnected: cut", "> sleep 9000",
	     "< +800..1200", PROBE, CONNECT_OK, "< state connected", CONNECT);
}

/* The state stays while a session is resumed; why that fails is reported when it is new, and once. */
static void reasons_of_a_failed_resume(void **state)
{
#define BUSY                                                                                       \
	"> reply connect [{'channel':'/meta/connect','successful':false,'error':'500::busy',"      \
	"'advice':{'reconnect':'retry','interval':0}}]"
	(void)state;
	PLAY(&options, UP, "> fail connect broken", "< state unconnected gap: cut", "> sleep 9000",
	     "< +800..1200", PROBE, BUSY, "< state unconnected gap: connect refused: 500 busy",
	     "> sleep 9000", "< +960..1440", PROBE, BUSY, "> sleep 9000", "< +1152..1728", PROBE,
	     "> fail connect not-sent", "< state unconnected gap: cut", "> sleep 9000",
	     "< +1382..2074", PROBE, CONNECT_OK, "< state connected gap", CONNECT);
#undef BUSY
}

/* People ask how long a server is away, not how long the present try takes. */
static void an_outage_is_one_period(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE, "> wait 40",
	     "> fail connect not-sent", "< state unconnected: cut", "> wait 2000",
	     "< state handshaking: cut", HANDSHAKE, "> wait 60", "> period",
	     "< period handshaking of 2100 ms, tries 2, losses 0", HANDSHAKE_OK,
	     "< state connecting%", PROBE, CONNECT_OK, "< state connected", CONNECT, "> wait 30",
	     "> period", "< period connected of 30 ms, tries 2, losses 0",
	     "> fail connect broken", "< state unconnected gap: cut", "> wait 1500", PROBE,
	     "> fail connect not-sent", "> wait 1500", PROBE, "> wait 250", "> period",
	     "< period unconnected of 3250 ms, tries 2, losses 1", CONNECT_OK,
	     "< state connected gap", CONNECT, "> wait 7", "> period",
	     "< period connected of 7 ms, tries 2, losses 1", "> stop",
	     "< state disconnecting%", "< disconnect %", "> wait 2500", "< abort %", "< state off%",
	     "> period", "< period off of 500 ms, tries 0, losses 1");
}

static void resuming_ends_with_the_window(void **state)
{
	(void)state;
#define FAIL(a, b)                                                                                 \
	"> sleep 99000", "< +" #a ".." #b, PROBE, "> fail connect not-sent"
	/* the server names no maxInterval: its timeout and ten seconds */
	PLAY(&options, UP, "> fail connect not-sent", "< state unconnected%", FAIL(800, 1200),
	     FAIL(960, 1440), FAIL(1152, 1728), FAIL(1382, 2074), FAIL(1658, 2490),
	     FAIL(1990, 2990), FAIL(2388, 3588), FAIL(2860, 4310), FAIL(3430, 5170),
	     FAIL(4000, 6000), FAIL(4000, 6000), FAIL(4000, 6000), "> sleep 99000",
	     "< +4000..6000", "< state %", HANDSHAKE);
	/* it does */
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','successful':true,'clientId':'c1',"
	     "'advice':{'maxInterval':2000,'timeout':1000}}]",
	     "< state connecting", PROBE, CONNECT_OK, "< state connected", CONNECT,
	     "> fail connect not-sent", "< state unconnected%", FAIL(800, 1200),
	     FAIL(960, 1440), "> sleep 9000", "< +1152..1728",
	     "< state handshaking%", HANDSHAKE);
	/* an option does */
	options.resume_window = 500;
	PLAY(&options, UP, "> fail connect not-sent", "< state unconnected%", "> sleep 9000",
	     "< +800..1200", "< state handshaking%", HANDSHAKE);
}

static void late_responses_are_ignored(void **state)
{
	(void)state;
	PLAY(&options, UP, "> sleep 99000", "< +40000..40000", "< abort connect",
	     "< state unconnected gap%",
	     "> reply connect [{'channel':'/a','data':1},{'channel':'/meta/connect','id':'3',"
	     "'successful':true}]",
	     "> fail connect broken", "> sleep 9000", "< +800..1200", PROBE);
}

static void empty_replies_at_once_do_not_spin(void **state)
{
	(void)state;
#define EMPTY(ms) CONNECT_OK, "> sleep 9000", "< +" #ms ".." #ms, CONNECT
	PLAY(&options, UP, EMPTY(50), EMPTY(100), EMPTY(200), EMPTY(400), EMPTY(800), EMPTY(1000),
	     EMPTY(1000),
	     /* with an event the next follows at once */
	     "> reply connect [{'channel':'/a','data':1},{'channel':'/meta/connect',"
	     "'successful':true}]",
	     "< message /a 1", CONNECT, EMPTY(50),
	     /* and after a hold too */
	     "> wait 100", CONNECT_OK, CONNECT, EMPTY(50));
}

static void interval_is_kept_and_asked_about(void **state)
{
	(void)state;
#define SLOW CONNECT_OK, "> sleep 9000", "< +2000..2000", CONNECT
	PLAY(&options, UP,
	     "> reply connect [{'advice':{'multiple-clients':true,'interval':2000,"
	     "'reconnect':'retry'},'channel':'/meta/connect','successful':true}]",
	     "< note the server holds another session with the same cookie instead of this one "
	     "(multiple-clients)",
	     "> sleep 9000", "< +2000..2000", CONNECT, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW,
	     CONNECT_OK, "> sleep 9000", "< +2000..2000",
	     "< connect %'advice':{}}]", SLOW,
	     /* the other session went: the interval goes with its advice */
	     "> reply connect [{'advice':{'interval':0,'timeout':30000,'reconnect':'retry'},"
	     "'channel':'/meta/connect','successful':true}]",
	     "> sleep 9000", "< +1000..1000", CONNECT,
	     /* absurd ones are bounded */
	     "> reply connect [{'advice':{'interval':-5},'channel':'/meta/connect',"
	     "'successful':true}]",
	     "> sleep 9000", "< +1000..1000", CONNECT,
	     "> reply connect [{'advice':{'interval':1e99},'channel':'/meta/connect',"
	     "'successful':true}]",
	     "> sleep 9999999", "< +3600000..3600000", CONNECT);
}

static void kicks_lead_back_after_a_pause(void **state)
{
	(void)state;
	/* in the connect's own array, as the activity extension does it */
	PLAY(&options, UP,
	     "> reply connect [{'channel':'/meta/disconnect','successful':true},"
	     "{'advice':{'interval':0,'reconnect':'none'},'channel':'/meta/connect','id':'3',"
	     "'error':'402::session_unknown','successful':false}]",
	     "< state unconnected%: the server ended the session", "> sleep 9000",
	     "< +1000..1200", AGAIN);
	/* Salesforce */
	PLAY(&options, UP,
	     "> reply connect [{'channel':'/meta/disconnect'},{'clientId':'c1','advice':"
	     "{'interval':0,'reconnect':'none'},'channel':'/meta/connect','id':'3',"
	     "'error':'401::Authentication invalid','successful':false}]",
	     "< state unconnected%: the server ended the session", "> sleep 9000",
	     "< +1000..1200", AGAIN);
	/* with the response to a publish, whose reply still counts; the connect gets "none" */
	PLAY(&options, UP, "> publish 1 /service/kick 9000 1", "< commands %",
	     "> reply command [{'channel':'/meta/disconnect','successful':true},"
	     "{'channel':'/service/kick','id':'4','successful':true}]",
	     "< outcome 1 ok", "< abort connect",
	     "< state unconnected%: the server ended the session", "> sleep 9000", "< +1000..1200", AGAIN);
	/* only the connect gets it */
	PLAY(&options, UP,
	     "> reply connect [{'advice':{'reconnect':'none'},'channel':'/meta/connect','id':'3',"
	     "'successful':true}]",
	     "< state unconnected%: the server ended the session", "> sleep 9000",
	     "< +1000..1200", AGAIN);
}

static void doubt_is_settled_by_a_probe(void **state)
{
	(void)state;
#define UNKNOWN(id) "{'channel':'/a','id':'" #id "','successful':false,'error':'402::session_unknown'}"
#define DOUBTED "< abort connect", "< state connected gap", PROBE
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %",
	     "> reply command [" UNKNOWN(4) "]", DOUBTED, CONNECT_OK, CONNECT,
	     /* repeated several times in a working session it is a refusal */
	     "< commands %'data':1%", "> reply command [" UNKNOWN(4) "]", "> wait 300",
	     CONNECT_OK, CONNECT, "< commands %'data':1%", "> reply command [" UNKNOWN(4) "]",
	     "> wait 300", CONNECT_OK, CONNECT, "< commands %'data':1%",
	     "> reply command [" UNKNOWN(4) "]", "< outcome 1 refused: refused by the server",
	     /* a mere denial is no doubt */
	     "> publish 2 /a 9000 2", "< commands %",
	     "> reply command [{'channel':'/a','successful':false,"
	     "'error':'403:denied_by_security_policy:publish_denied'}]",
	     "< outcome 2 refused: refused by the server",
	     /* nor is a second one so soon a reason to ask again */
	     "> publish 3 /a 9000 3", "< commands %",
	     "> reply command [{'channel':'/a','successful':false,"
	     "'error':'403::Unknown client'}]",
	     "< outcome 3 refused: refused by the server", "> wait 1000",
	     "> publish 4 /a 9000 4", "< commands %",
	     "> reply command [{'channel':'/a','successful':false,"
	     "'error':'401:c1:Unknown client'}]",
	     DOUBTED);
	/* the publishes that discover a forgotten session were not taken: they go to the next one, in
	   their order, and others of the same peer after them */
	PLAY(&options, UP, "> publish 1 /b 9000 0", "< commands %", "> publish 2 /a 9000 2",
	     "> publish 3 /a 200 3", "> publish 4 /a 9000 4",
	     "> reply command [{'channel':'/b','id':'4','successful':true}]", "< outcome 1 ok",
	     "< commands %", "> publish 5 /a 9000 5",
	     "> reply command [" UNKNOWN(5) "," UNKNOWN(6) "," UNKNOWN(7) "]", DOUBTED,
	     "> sleep 9000", "< +200..200", "< outcome 3 not-sent%",
	     "> reply connect [{'advice':{'interval':0,'reconnect':'handshake'},"
	     "'channel':'/meta/connect','error':'402::session_unknown','successful':false}]",
	     "< state unconnected gap%", "> sleep 9000", "< +800..800", "< state handshaking gap%",
	     HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%", PROBE,
	     "< commands %'data':2%'data':4%'data':5%");
	/* however often: each time the session was lost indeed */
#define LOST_IT                                                                                    \
	"> reply command [" UNKNOWN(4) "]", "< abort connect", "< state connected gap", PROBE,     \
		FORGOTTEN, "< state unconnected gap%", "> sleep 9000", "< +%",                     \
		"< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%",    \
		PROBE, "< commands %'data':1%", CONNECT_OK, "< state connected gap", CONNECT
	PLAY(&options, UP, "> publish 1 /a 90000 1", "< commands %", LOST_IT, LOST_IT, LOST_IT, LOST_IT,
	     "> reply command [{'channel':'/a','id':'4','successful':true}]", "< outcome 1 ok");
}

static void probe_on_demand(void **state)
{
	(void)state;
	PLAY(&options, UP, "> probe", "< abort connect", "< state connected gap", PROBE, "> probe",
	     CONNECT_OK, CONNECT, "> fail connect broken", "< state unconnected gap: cut",
	     /* the network is back: no need to wait */
	     "> probe", PROBE, "> fail connect broken", "> wait 1", "> probe", PROBE, CONNECT_OK,
	     "< state connected gap", CONNECT);
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE, "> probe",
	     "> fail connect not-sent", "< state unconnected: cut", "> probe",
	     "< state handshaking%", HANDSHAKE);
}

/* ---- commands ---- */

static void outcomes_of_a_lost_batch(void **state)
{
	(void)state;
#define THREE                                                                                      \
	"> publish 1 /a 9000 1", "< commands %", "> publish 2 /a 9000 2",                          \
		"> reply command [{'channel':'/a','id':'4','successful':true}]", "< outcome 1 ok", \
		"< commands %'data':2%", "> publish 3 /a 9000 3", "> publish 4 /a 1500 4"
	/* may have arrived: never again */
	PLAY(&options, UP, THREE, "> fail command broken", "< state connected gap",
	     "< outcome 2 unknown%", "> sleep 9000", "< +800..1200",
	     "< commands %'data':3%'data':4%");
	PLAY(&options, UP, THREE, "> reply command []", "< outcome 2 unknown%");
	/* truncated after a success status, or lost by a proxy: events may have been in it; a 500 is
	   the server's answer */
	PLAY(&options, UP, THREE, "> fail command broken status=200", "< state connected gap",
	     "< outcome 2 unknown%");
	PLAY(&options, UP, THREE, "> fail command broken status=502", "< state connected gap",
	     "< outcome 2 unknown%");
	PLAY(&options, UP, THREE, "> fail command broken status=504", "< state connected gap",
	     "< outcome 2 unknown%");
	PLAY(&options, UP, THREE, "> fail command broken status=503", "< state connected gap",
	     "< outcome 2 unknown%");
	PLAY(&options, UP, THREE, "> fail command broken status=503 retry=500",
	     "< outcome 2 unknown%");
	PLAY(&options, UP, THREE, "> fail command broken status=500", "< outcome 2 unknown%");
	PLAY(&options, UP, THREE, "> sleep 9000", "< +1500..1500", "< outcome 4 not-sent%",
	     "> sleep 99000", "< +7500..7500", "< outcome 2 unknown%", "< outcome 3 not-sent%");
	/* surely did not: again, in order, while there is time */
	PLAY(&options, UP, THREE, "> fail command not-sent", "> sleep 9000", "< +800..1200",
	     "< commands %'data':2%'data':3%'data':4%", "> fail command not-sent",
	     "> sleep 9000", "< +300..700", "< outcome 4 not-sent%", "> sleep 9000", "< +100..1500",
	     "< commands %'data':2%'data':3%");
	/* without a reply for one of them */
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %", "> publish 2 /a 9000 2",
	     "> publish 3 /a 9000 3", "> reply command [{'channel':'/a','successful':true}]",
	     "< outcome 1 ok", "< commands %'data':2%'data':3%",
	     "> reply command [{'channel':'/a','id':'6','successful':true}]", "< outcome 3 ok",
	     "< outcome 2 unknown%");
}

static void too_large_is_split_and_then_refused(void **state)
{
	(void)state;
#define X "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"
	PLAY(&options, START, "> publish 1 /a 9000 " X, "< commands %", "> publish 2 /a 9000 " X,
	     "> publish 3 /a 9000 3", "> publish 4 /a 9000 4", "> fail command too-large",
	     "< outcome 1 refused: too large for the server",
	     "< commands %" X "%'data':3%'data':4%",
	     "> fail command too-large", "< commands %" X "}]", "> fail command too-large",
	     "< outcome 2 refused: too large for the server",
	     "< commands long-polling [{'channel':'/a','id':'5',%'data':3}]",
	     "> reply command [{'channel':'/a','id':'5','successful':true}]", "< outcome 3 ok",
	     "< commands long-polling [{'channel':'/a','id':'6',%'data':4}]");
}

static void one_bad_message_is_found(void **state)
{
	(void)state;
	/* CometD Java answers 500 to a whole batch when it dislikes one name */
	PLAY(&options, "> want /a", "> want /b", START, "< commands %'/a'%'/b'%",
	     "> fail command broken status=500", "< commands long-polling [{%'/a'}]",
	     "> reply command [{'channel':'/meta/subscribe','id':'5','successful':true}]",
	     "< channel /a active", "< commands long-polling [{%'/b'}]",
	     "> fail command broken status=500",
	     "< channel /b pending: the server answers with an HTTP error",
	     /* it alone waits, longer each time; another channel does not */
	     "> want /c", "< commands %'/c'%", "> fail command broken status=500",
	     "< channel /c pending%", "> sleep 9000", "< +800..1200",
	     "< commands long-polling [{%'/b'}%");
	/* publishes have their turns meanwhile, and do not wait for the channels */
	PLAY(&options, "> want /a", "> want /b", "> want /c", START, "< commands %'/a'%'/b'%'/c'%",
	     "> publish 1 /p 9000 1", "> publish 2 /p 9000 2", "> fail command broken status=500",
	     "< commands long-polling [{%'/a'}]", "> fail command broken status=500",
	     "< channel /a pending%", "< commands long-polling [{%'data':1}]",
	     "> reply command [{'channel':'/p','successful':true}]", "< outcome 1 ok",
	     "< commands long-polling [{%'data':2}]",
	     "> reply command [{'channel':'/p','successful':true}]", "< outcome 2 ok",
	     "> sleep 9000", "< +800..1200", "< commands long-polling [{%'/b'%'/c'%}]");
}

/* A peer whose publishes make the server refuse whole batches costs the others one of them. */
static void a_bad_peer_is_sent_alone(void **state)
{
	(void)state;
#define BUSY "> peer 9", "> publish 9 /p 9000 9", "< commands %'data':9}]"
#define FREE "> reply command [{'channel':'/p','successful':true}]", "< outcome 9 ok"
#define ANSWERED(n) "> reply command [{'channel':'/a','successful':true}]", "< outcome " #n " ok"
	PLAY(&options, UP, BUSY, "> peer 1", "> publish 11 /a 9000 11", "> peer 2",
	     "> publish 21 /a 9000 21", FREE, "< commands %'data':11}%'data':21}]",
	     "> fail command broken status=500", "< outcome 11 unknown%", "< outcome 21 unknown%",
	     "> publish 22 /a 9000 22", "< commands %'data':22}]", ANSWERED(22),
	     /* alone, whatever goes before and after it */
	     BUSY, "> publish 91 /a 9000 91", "> peer 1", "> publish 12 /a 9000 12", "> peer 2",
	     "> publish 23 /a 9000 23", "> publish 24 /a 9000 24", FREE,
	     "< commands long-polling [{%'data':91}]", ANSWERED(91),
	     "< commands long-polling [{%'data':12}]", "> fail command broken status=500",
	     "< outcome 12 unknown%", "> wait 1", "< commands %'data':23}%'data':24}]",
	     "> fail command not-sent");
}

/* A peer whose publishes fail now and then must show more each time before it goes with others again; until
   then its pauses grow, and another peer has none. */
static void a_peer_that_fails_again_and_again_stays_alone(void **state)
{
	(void)state;
#define FAULT(n) "> fail command broken status=500", "< outcome " #n " unknown%"
#define PEER(n, first) "> peer " #n, "> publish " #first " /a 99000 " #first
	PLAY(&options, UP, PEER(1, 11), "< commands %'data':11}]", FAULT(11),
	     "> publish 12 /a 99000 12", "> sleep 9000", "< +800..1200", "< commands %'data':12}]",
	     FAULT(12), PEER(2, 21), "< commands %'data':21}]", ANSWERED(21), "> peer 1",
	     "> publish 13 /a 99000 13", "> sleep 9000", "< +1200..1800",
	     "< commands %'data':13}]", FAULT(13), "> publish 14 /a 99000 14", "> sleep 9000",
	     "< +1800..2700", "< commands %'data':14}]", ANSWERED(14),
	     /* three failures: sixteen must succeed, and one has */
	     BUSY, PEER(1, 15), "> publish 16 /a 99000 16", PEER(2, 22), FREE,
	     "< commands long-polling [{%'data':15}]", ANSWERED(15),
	     "< commands long-polling [{%'data':22}]", ANSWERED(22), "> wait 1",
	     "< commands long-polling [{%'data':16}]", ANSWERED(16));
}

/* Whatever answer it is that is none: the peer waits that asked, and no other. */
static void bad_answers_stop_no_other_peer(void **state)
{
	(void)state;
#define BAD(...)                                                                                   \
	PLAY(&options, UP, PEER(1, 11), "< commands %'data':11}]", __VA_ARGS__,                    \
	     "< outcome 11 unknown%", "> publish 12 /a 99000 12", "> sleep 9000", "< +800..1200",  \
	     "< commands %'data':12}]", __VA_ARGS__, "< outcome 12 unknown%",                      \
	     "> publish 13 /a 99000 13", PEER(2, 21), "< commands %'data':21}]", ANSWERED(21),     \
	     "> sleep 9000", "< +1200..1800", "< commands %'data':13}]")
	BAD("> fail command broken status=400");
	BAD("> fail command broken status=404");
	BAD("> fail command broken status=302");
	BAD("> fail command broken status=503 retry=10");
	BAD("> reply command []");
	BAD("> reply command {'channel':'/other','data':1}", "< message /other 1");
}

static void the_queue_has_a_ceiling(void **state)
{
	(void)state;
	/* a third of it is for one peer, and that is four */
	options.queue_max = 12 * sizeof(struct publish);
	PLAY(&options, "> publish 1 /a 100 1", "> publish 2 /a 9000 2", "> publish 3 /a 9000 3",
	     "> publish 4 /a 9000 4", "> publish 5 /a 9000 5", "< full", "> sleep 9000",
	     "< +100..100", "< outcome 1 not-sent%", "> publish 5 /a 9000 5",
	     "> publish 6 /a 9000 6", "< full");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(handshake_is_retried_with_growing_pauses, setup),
		cmocka_unit_test_setup(refused_handshake_is_retried, setup),
		cmocka_unit_test_setup(none_halts_and_is_tried_again_much_later, setup),
		cmocka_unit_test_setup(no_common_transport_halts, setup),
		cmocka_unit_test_setup(advice_of_a_good_handshake_may_be_odd_or_missing, setup),
		cmocka_unit_test_setup(lost_session_is_made_again, setup),
		cmocka_unit_test_setup(unknown_session_needs_no_advice, setup),
		cmocka_unit_test_setup(handshakes_that_lead_nowhere_get_rarer, setup),
		cmocka_unit_test_setup(a_server_that_is_back_is_not_kept_waiting, setup),
		cmocka_unit_test_setup(a_connection_that_lasted_resets_the_pause, setup),
		cmocka_unit_test_setup(short_outage_is_resumed, setup),
		cmocka_unit_test_setup(reasons_of_a_failed_resume, setup),
		cmocka_unit_test_setup(an_outage_is_one_period, setup),
		cmocka_unit_test_setup(resuming_ends_with_the_window, setup),
		cmocka_unit_test_setup(late_responses_are_ignored, setup),
		cmocka_unit_test_setup(empty_replies_at_once_do_not_spin, setup),
		cmocka_unit_test_setup(interval_is_kept_and_asked_about, setup),
		cmocka_unit_test_setup(kicks_lead_back_after_a_pause, setup),
		cmocka_unit_test_setup(doubt_is_settled_by_a_probe, setup),
		cmocka_unit_test_setup(probe_on_demand, setup),
		cmocka_unit_test_setup(outcomes_of_a_lost_batch, setup),
		cmocka_unit_test_setup(too_large_is_split_and_then_refused, setup),
		cmocka_unit_test_setup(one_bad_message_is_found, setup),
		cmocka_unit_test_setup(a_bad_peer_is_sent_alone, setup),
		cmocka_unit_test_setup(a_peer_that_fails_again_and_again_stays_alone, setup),
		cmocka_unit_test_setup(bad_answers_stop_no_other_peer, setup),
		cmocka_unit_test_setup(the_queue_has_a_ceiling, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
