/*
 * The replay extension of Salesforce: where each subscribe begins, byte by byte, and that
 * a marker moves only with delivered events. Conversations after bayeux.md 5.7.
 */
#include "tests/unit/testing.h"

#include "bayeux/ext_replay.h"

#include "tests/unit/session_play.h"

#include <errno.h>

#define OFFER                                                                                      \
	"< handshake long-polling [{'channel':'/meta/handshake','id':'%','version':'1.0',"         \
	"'minimumVersion':'1.0','supportedConnectionTypes':['long-polling'],"                      \
	"'ext':{'replay':true}}]"
#define AGREED(replay)                                                                             \
	"> reply connect [{'ext':{'replay':" replay ",'payload.format':true},"                     \
	"'minimumVersion':'1.0','clientId':'c1','supportedConnectionTypes':['long-polling'],"      \
	"'channel':'/meta/handshake','version':'1.0','successful':true}]"
#define CONNECT "< connect long-polling [{%}]"
#define CONNECT_OK "> reply connect [{'clientId':'c1','channel':'/meta/connect','successful':true}]"
#define UP_WITH(replay)                                                                            \
	"> start", "< state handshaking", OFFER, AGREED(replay), "< state connecting", CONNECT,    \
		CONNECT_OK, "< state connected", CONNECT
#define UP UP_WITH("true")
#define SUBSCRIBE(channel, id)                                                                     \
	"< commands long-polling [{'channel':'/meta/subscribe','id':'%','clientId':'c1',"          \
	"'subscription':'" channel "','ext':{'replay':{'" channel "':" id "}}}]"
#define SUBSCRIBED(channel)                                                                        \
	"> reply command [{'channel':'/meta/subscribe','subscription':'" channel                   \
	"','successful':true}]", "< channel " channel " active"
#define REFUSED(channel, error)                                                                    \
	"> reply command [{'channel':'/meta/subscribe','subscription':'" channel                   \
	"','error':'" error "','successful':false}]"
#define STALE(channel) REFUSED(channel, "400::The replayId {7} you provided was invalid. Provide")
#define EVENT(channel, id)                                                                         \
	"{'clientId':'c1','data':{'event':{'createdDate':'d','replayId':" id "}},"                 \
	"'channel':'" channel "'}"
#define HEARD(channel) "< message " channel " %"
/* the connect brings these events */
#define COMES(events) "> wait 200", "> reply connect [" events ",{'clientId':'c1','channel':"      \
	"'/meta/connect','successful':true}]"
/* the server forgets us: handshake, connect, and what was wanted is asked for again */
#define LOST                                                                                       \
	"> wait 200",                                                                              \
	"> reply connect [{'channel':'/meta/connect','successful':false,'advice':{'reconnect':"    \
	"'handshake','interval':0},'error':'403::Unknown client'}]", "< state unconnected gap%"
#define BACK                                                                                       \
	"> sleep 9000", "< +0..2000", "< state handshaking gap%", OFFER, AGREED("true"),           \
		"< state connecting gap%", CONNECT

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.replay = SESSION_REPLAY_NEW;
	options.replay_fallback = SESSION_REPLAY_FALLBACK_ALL;
	return 0;
}

/* A service may answer late: what the connect brings meanwhile is kept for one second at most. */
static void a_slow_call_delays_events_a_moment(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     "> call 1 /service/slow 20000 1", "< commands %", COMES(EVENT("/e", "5")), CONNECT,
	     "> sleep 9000", "< +800..800", HEARD("/e"), COMES(EVENT("/e", "6")), HEARD("/e"), CONNECT,
	     /* a command that is answered soon keeps the order meanwhile */
	     "> peer 1", "> publish 2 /p 9000 2", "< commands %", COMES(EVENT("/e", "8")), CONNECT,
	     "> reply command [" EVENT("/e", "7") ",{'channel':'/p','successful':true}]",
	     "< outcome 2 ok", "< message /e {'event':{'createdDate':'d','replayId':7}}",
	     "< message /e {'event':{'createdDate':'d','replayId':8}}",
	     "> reply call1 [{'channel':'/service/slow','id':'5','successful':true},"
	     "{'channel':'/service/slow','data':3},{'clientId':'c1','data':{'event':{'replayId':9}},"
	     "'channel':'/e'}]", "< outcome 1 ok%", HEARD("/e"),
	     /* the marker moves on */
	     LOST, "< state handshaking gap%", OFFER, AGREED("true"), "< state connecting gap%", CONNECT,
	     SUBSCRIBE("/e", "9"));
}

static void continues_after_the_last_event(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "6") "," EVENT("/e", "9007199254740993")), HEARD("/e"), HEARD("/e"),
	     CONNECT, LOST, BACK, SUBSCRIBE("/e", "9007199254740993"), SUBSCRIBED("/e"),
	     "> reply connect [" EVENT("/e", "'18446744073709551615'")
	     ",{'channel':'/meta/connect','successful':true}]",
	     HEARD("/e"), "< state connected gap", CONNECT, LOST, BACK,
	     SUBSCRIBE("/e", "18446744073709551615"));
}

/* events of a lost connect are requested again, before newer ones are delivered */
static void a_lost_connect_is_repeated(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "5")), HEARD("/e"), CONNECT, "> wait 200", "> fail connect broken",
	     "< state unconnected gap: cut", "> sleep 9000", "< +0..2000",
	     CONNECT, "> reply connect [" EVENT("/e", "7") ",{'clientId':'c1','channel':"
	     "'/meta/connect','successful':true}]",
	     "< state connected gap", CONNECT, SUBSCRIBE("/e", "5"),
	     "> reply command [" EVENT("/e", "6") "," EVENT("/e", "7")
	     ",{'channel':'/meta/subscribe','subscription':'/e','successful':true}]",
	     "< channel /e active", "< message /e {'event':{'createdDate':'d','replayId':6}}",
	     "< message /e {'event':{'createdDate':'d','replayId':7}}", "> wait 200",
	     "> fail connect broken", "< state unconnected gap: cut", "> sleep 9000",
	     /* 7 came before: that the server is there again is sure only with the next connect */
	     "< +0..4000", CONNECT, CONNECT_OK, "< state connected gap", CONNECT,
	     SUBSCRIBE("/e", "5"));
}

/* ---- two lanes, and no order between them ---- */

#define E(id) EVENT("/e", id)
#define TOLD(id) "< message /e {'event':{'createdDate':'d','replayId':" id "}}"
#define DONE "{'clientId':'c1','channel':'/meta/connect','successful':true}"
#define ON_E "{'channel':'/meta/subscribe','subscription':'/e','successful':true}"
/* 5 was delivered, the session is lost, and the next one subscribes after it */
#define ASKED                                                                                      \
	UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("5")), TOLD("5"),        \
		CONNECT, LOST, BACK, SUBSCRIBE("/e", "5")
#define HANDSHAKEN                                                                                 \
	"< state handshaking gap%", OFFER, AGREED("true"), "< state connecting gap%", CONNECT
/* the session is lost again, later, so that nothing is hurried */
#define LOST_AGAIN LOST, "> sleep 20000", "< +0..9000", HANDSHAKEN

static void new_events_wait_for_replayed_ones(void **state)
{
	(void)state;
	PLAY(&options, ASKED, "> reply connect [" E("8") "," DONE "]", "< state connected gap",
	     CONNECT, "> wait 200", "> reply connect [" E("9") "," DONE "]", CONNECT,
	     "> reply command [" E("6") "," E("7") "," ON_E "]", "< channel /e active", TOLD("6"),
	     TOLD("7"), TOLD("8"), TOLD("9"), LOST_AGAIN, SUBSCRIBE("/e", "9"));
	/* the first of them with the connect, the others with the answer, which arrives first */
	PLAY(&options, ASKED, "> reply connect [" E("6") "," E("10") "," DONE "]",
	     "< state connected gap", CONNECT,
	     "> reply command [" ON_E "," E("7") "," E("9") "]", "< channel /e active", TOLD("6"),
	     TOLD("7"), TOLD("9"), TOLD("10"));
	/* all of them with the connect, after the answer */
	PLAY(&options, ASKED, "> reply command [" ON_E "]", "< channel /e active",
	     "> reply connect [" E("6") "," E("7") "," DONE "]", TOLD("6"), TOLD("7"),
	     "< state connected gap", CONNECT);
	/* ids of different length, and beyond 64 bits */
	PLAY(&options, ASKED, "> reply connect [" E("10000000000000000000000") "," DONE "]",
	     "< state connected gap", CONNECT,
	     "> reply command [" E("'09'") "," E("18446744073709551615") "," ON_E "]",
	     "< channel /e active", "< message /e %'09'}}", TOLD("18446744073709551615"),
	     TOLD("10000000000000000000000"));
}

static void an_answer_to_something_else_may_bring_older_ones(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("5")),
	     TOLD("5"), CONNECT, "> want /f", SUBSCRIBE("/f", "-1"), COMES(E("8")), CONNECT,
	     "> reply command [" E("6") ",{'channel':'/meta/subscribe','subscription':'/f',"
	     "'successful':true}]", "< channel /f active", TOLD("6"), TOLD("8"));
	/* and may get lost with them: then they are had once more, and nothing twice */
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("5")),
	     TOLD("5"), CONNECT, "> want /f", SUBSCRIBE("/f", "-1"), COMES(E("8")), CONNECT,
	     "> fail command broken", "< state connected gap", "> sleep 9000", "< +0..2000",
	     "< commands long-polling [{%'/f':-1}}},{%'/e':5}}}]",
	     "> reply command [" E("6") "," E("8") "," ON_E ",{'channel':'/meta/subscribe',"
	     "'subscription':'/f','successful':true}]", "< channel /e active",
	     "< channel /f active", TOLD("6"), TOLD("8"));
}

static void repeats_are_not_delivered_twice(void **state)
{
	(void)state;
	/* the answer got lost: the server replays twice, now on the one lane, now on the other */
	PLAY(&options, ASKED, "> reply connect [" E("6") "," DONE "]", "< state connected gap",
	     CONNECT, "> fail command broken", "< state connected gap", "> sleep 9000",
	     "< +0..2000", SUBSCRIBE("/e", "5"),
	     "> reply command [" E("6") "," E("7") "," ON_E "]", "< channel /e active", TOLD("6"),
	     TOLD("7"), "> wait 200",
	     "> reply connect [" E("6") "," E("7") "," E("5") "," E("8") "," DONE "]", TOLD("8"),
	     CONNECT, LOST, HANDSHAKEN, SUBSCRIBE("/e", "5"));
}

/* the connect may be held for minutes: its events are not waited for */
static void late_events_are_delivered_late(void **state)
{
	(void)state;
	PLAY(&options, ASKED, "> reply command [" E("8") "," E("9") "," ON_E "]",
	     "< channel /e active", TOLD("8"), TOLD("9"),
	     "> reply connect [" E("6") "," E("7") "," DONE "]", TOLD("6"), TOLD("7"),
	     "< state connected gap", CONNECT, LOST_AGAIN, SUBSCRIBE("/e", "9"));
	/* and when it gets lost, that is asked for, and what came meanwhile is known */
	PLAY(&options, ASKED, "> reply command [" E("8") "," E("9") "," ON_E "]",
	     "< channel /e active", TOLD("8"), TOLD("9"), "> fail connect broken",
	     "< state unconnected gap: cut", "> sleep 9000", "< +0..4000", CONNECT, CONNECT_OK,
	     "< state connected gap", CONNECT, SUBSCRIBE("/e", "5"),
	     "> reply command [" E("6") "," E("7") "," E("8") "," E("9") "," ON_E "]",
	     "< channel /e active", TOLD("6"), TOLD("7"));
}

/* the pending answer may have been sent before the loss, so it does not count */
static void a_loss_while_asking_is_asked_for_again(void **state)
{
	(void)state;
	PLAY(&options, ASKED, CONNECT_OK, "< state connected gap", CONNECT, "> wait 200",
	     "> fail connect broken", "< state unconnected gap: cut",
	     "> reply command [" E("6") "," ON_E "]", "< channel /e active", "> sleep 9000",
	     "< +0..4000", CONNECT,
	     "> reply connect [" E("8") "," DONE "]", "< state connected gap", CONNECT,
	     SUBSCRIBE("/e", "5"), "> reply command [" E("6") "," E("7") "," E("8") "," ON_E "]",
	     "< channel /e active", TOLD("6"), TOLD("7"), TOLD("8"));
}

/* Events delivered meanwhile do not cancel a repeat, which may be lost again. */
static void a_repetition_may_get_lost(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("5")),
	     TOLD("5"), CONNECT, "> wait 200", "> fail connect broken",
	     "< state unconnected gap: cut", "> sleep 9000", "< +0..2000", CONNECT,
	     "> reply connect [" E("9") "," DONE "]", "< state connected gap", CONNECT,
	     SUBSCRIBE("/e", "5"), "> reply command [" ON_E "]", "< channel /e active", TOLD("9"),
	     LOST, HANDSHAKEN, SUBSCRIBE("/e", "5"), SUBSCRIBED("/e"),
	     "> reply connect [" E("6") "," DONE "]", TOLD("6"), "< state connected gap", CONNECT,
	     LOST, BACK, SUBSCRIBE("/e", "6"), SUBSCRIBED("/e"),
	     "> reply connect [" E("7") "," E("9") "," DONE "]", TOLD("7"),
	     "< state connected gap", CONNECT, LOST_AGAIN, SUBSCRIBE("/e", "9"));
	/* nor does the marker that is kept */
	options.replay = SESSION_REPLAY_RESUME;
	PLAY(&options, ASKED, "> reply command [" E("9") "," ON_E "]", "< channel /e active",
	     TOLD("9"), "> fail connect broken", "< state unconnected gap: cut", "> unwant /e",
	     "> sleep 9000", "< +0..4000", CONNECT, CONNECT_OK, "< state connected gap", CONNECT,
	     "< commands %", "> reply command [{'channel':'/meta/unsubscribe','subscription':"
	     "'/e','successful':true}]", "> want /e", SUBSCRIBE("/e", "5"));
}

static void held_events_are_released(void **state)
{
	(void)state;
	/* a new session has it sent again */
	PLAY(&options, ASKED, "> reply connect [" E("7") "," DONE "]", "< state connected gap",
	     CONNECT, LOST, "> sleep 20000", "< +0..9000", "< abort all", HANDSHAKEN,
	     SUBSCRIBE("/e", "5"),
	     "> reply command [" E("6") "," E("7") "," ON_E "]", "< channel /e active", TOLD("6"),
	     TOLD("7"));
	/* a server that is busy, or refuses, or does not answer */
	PLAY(&options, ASKED, "> reply connect [" E("7") "," DONE "]", "< state connected gap",
	     CONNECT, REFUSED("/e", "503::busy"), "< channel /e pending: the server refuses it for now",
	     TOLD("7"));
	PLAY(&options, ASKED, "> reply connect [" E("7") "," DONE "]", "< state connected gap",
	     CONNECT, REFUSED("/e", "403::no"), "< channel /e refused: refused by the server",
	     TOLD("7"));
	/* it is not wanted any more, except by a pattern */
	PLAY(&options, ASKED, "> reply connect [" E("7") "," DONE "]", "< state connected gap",
	     CONNECT, "> unwant /e", TOLD("7"));
}

static void a_filter_keeps_the_other_markers(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /topic/T?A=1", "< commands long-polling [%{'/topic/T':-1}}}]",
	     "> want /topic/T", "> reply command [{'channel':'/meta/subscribe','subscription':"
	     "'/topic/T?A=1','successful':true}]", "< channel /topic/T?A=1 active",
	     "< commands long-polling [%{'/topic/T':-1}}}]", SUBSCRIBED("/topic/T"),
	     /* a copy for each filter is one event */
	     COMES(EVENT("/topic/T", "5") "," EVENT("/topic/T", "5")), HEARD("/topic/T"), CONNECT,
	     "> unwant /topic/T?A=1", "< commands long-polling [{'channel':'/meta/unsubscribe',%}]",
	     "> reply command [{'channel':'/meta/unsubscribe','subscription':'/topic/T?A=1',"
	     "'successful':true}]", LOST, BACK, "< commands long-polling [%{'/topic/T':5}}}]");
}

/* where the server names an event as it was subscribed to, it sends one to each, each in its time */
static void each_filter_has_its_own(void **state)
{
	(void)state;
#define ON_T(filter)                                                                               \
	"{'channel':'/meta/subscribe','subscription':'/topic/T" filter "','successful':true}"
	PLAY(&options, UP, "> want /topic/T?A=1", "< commands long-polling [%{'/topic/T':-1}}}]",
	     "> want /topic/T", "> reply command [" ON_T("?A=1") "]",
	     "< channel /topic/T?A=1 active", "< commands long-polling [%{'/topic/T':-1}}}]",
	     "> reply command [" ON_T("") "]", "< channel /topic/T active",
	     COMES(EVENT("/topic/T?A=1", "5") "," EVENT("/topic/T", "5") ","
	     EVENT("/topic/T", "6")), HEARD("/topic/T?A=1"), HEARD("/topic/T"), HEARD("/topic/T"),
	     CONNECT, LOST, BACK,
	     "< commands long-polling [%'/topic/T?A=1'%{'/topic/T':5}}}%{'/topic/T':6}}}]",
	     "> reply command [" EVENT("/topic/T?A=1", "6") "," ON_T("?A=1") "," ON_T("") "]",
	     "< channel /topic/T?A=1 active", "< channel /topic/T active", HEARD("/topic/T?A=1"));
}

/* one lane: only events after the subscribe wait for its answer */
static void on_a_websocket_too(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	PLAY(&options, "> start", "< state handshaking", "< handshake websocket %",
	     "> frame [{'ext':{'replay':true},'clientId':'c1','supportedConnectionTypes':"
	     "['websocket'],'channel':'/meta/handshake','successful':true}]", "< state connecting",
	     "< connect websocket %", "> frame [" DONE "]", "< state connected",
	     "< connect websocket %", "> want /e", "< commands websocket [%{'/e':-1}}}]",
	     "> frame [" E("5") "]", "> frame [" ON_E "]", "< channel /e active", TOLD("5"),
	     "> publish 1 /p 9000 1", "< commands websocket %", "> frame [" E("6") "]", TOLD("6"));
}

static void starts_at_the_configured_event(void **state)
{
	(void)state;
	options.replay = SESSION_REPLAY_ALL;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-2"), SUBSCRIBED("/e"), LOST, BACK,
	     SUBSCRIBE("/e", "-2"));
	options.replay = SESSION_REPLAY_RESUME;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT, "> unwant /e",
	     "< commands long-polling [{'channel':'/meta/unsubscribe',%}]",
	     "> reply command [{'channel':'/meta/unsubscribe','subscription':'/e',"
	     "'successful':true}]",
	     "> want /e", SUBSCRIBE("/e", "7"));
}

/* an answer to a connect that is given up may have older events than those delivered */
static void what_was_given_up_is_asked_for(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("5")),
	     TOLD("5"), CONNECT, "> publish 1 /p 9000 1", "< commands %",
	     "> reply command [" E("8") ",{'channel':'/p','successful':true},"
	     "{'channel':'/meta/disconnect','successful':true}]",
	     "< outcome 1 ok", "< abort connect",
	     "< state unconnected gap: the server ended the session", "> sleep 9000", "< +0..2000",
	     HANDSHAKEN, SUBSCRIBE("/e", "5"),
	     "> reply command [" E("7") "," E("8") "," ON_E "]", "< channel /e active", TOLD("7"),
	     TOLD("8"), CONNECT_OK, "< state connected gap", CONNECT);
}

static void a_new_interest_starts_again(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT, "> unwant /e",
	     "< commands long-polling [{'channel':'/meta/unsubscribe',%}]",
	     /* what was under way does not move a marker that is gone */
	     COMES(EVENT("/e", "8")), HEARD("/e"), CONNECT,
	     "> reply command [{'channel':'/meta/unsubscribe','subscription':'/e',"
	     "'successful':true}]",
	     "> want /e", SUBSCRIBE("/e", "-1"));
	/* wanted again before the unsubscribe was sent: as if it had been wanted all the time */
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), "> want /e", "> unwant /e",
	     "> want /e", SUBSCRIBED("/e"), COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT, LOST,
	     BACK, SUBSCRIBE("/e", "7"));
}

static void a_filter_is_no_part_of_the_name(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /topic/T?A=1",
	     "< commands long-polling [%'subscription':'/topic/T?A=1','ext':{'replay':"
	     "{'/topic/T':-1}}}]",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/topic/T?A=1',"
	     "'successful':true}]", "< channel /topic/T?A=1 active",
	     COMES(EVENT("/topic/T", "5")), HEARD("/topic/T"), CONNECT, LOST, BACK,
	     "< commands long-polling [%'ext':{'replay':{'/topic/T':5}}}]");
}

static void ids_that_are_none_move_nothing(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT,
	     COMES(EVENT("/e", "-3") "," EVENT("/e", "1e3") "," EVENT("/e", "true") ","
	     EVENT("/e", "''") "," EVENT("/e", "'8;'") ","
	     EVENT("/e", "123456789012345678901234") ",{'channel':'/e','data':{'event':9}},"
	     "{'channel':'/e','data':null},{'channel':'/f','data':{'event':{'replayId':10}}}"),
	     HEARD("/e"), HEARD("/e"), HEARD("/e"), HEARD("/e"), HEARD("/e"), HEARD("/e"),
	     HEARD("/e"), HEARD("/e"), HEARD("/f"), CONNECT, LOST, BACK, SUBSCRIBE("/e", "7"));
}

static void without_agreement_nothing_is_asked(void **state)
{
	static const char *const plain =
		"< commands long-polling [{'channel':'/meta/subscribe','id':'%','clientId':'c1',"
		"'subscription':'/e'}]";
	(void)state;
	PLAY(&options, UP_WITH("false"), "> want /e", plain);
	PLAY(&options, UP_WITH("{}"), "> want /e", plain);
	/* and the agreement is one session's */
	PLAY(&options, UP, LOST, "> sleep 9000", "< +0..2000", "< state handshaking gap%", OFFER,
	     AGREED("null"), "< state connecting gap%", CONNECT, "> want /e", plain);
}

static void a_stale_id_falls_back(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT, LOST, BACK, SUBSCRIBE("/e", "7"),
	     CONNECT_OK, "< state connected gap", CONNECT, STALE("/e"), "< state connected gap",
	     "< note /e starts at another position: 400::The replayId {7} you provided was invalid. Provide",
	     SUBSCRIBE("/e", "-2"), SUBSCRIBED("/e"), COMES(EVENT("/e", "9")), HEARD("/e"),
	     CONNECT,
	     /* the next time it is stale again, and so is the remedy */
	     LOST, BACK, SUBSCRIBE("/e", "9"), STALE("/e"), "< note /e starts at another position%",
	     SUBSCRIBE("/e", "-2"),
	     /* but once: what is no id cannot be stale */
	     STALE("/e"), "< channel /e refused: refused by the server");
	options.replay_fallback = SESSION_REPLAY_FALLBACK_NEW;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT, LOST, BACK, SUBSCRIBE("/e", "7"),
	     STALE("/e"), "< note %", SUBSCRIBE("/e", "-1"));
	options.replay_fallback = SESSION_REPLAY_STOP;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT, LOST, BACK, SUBSCRIBE("/e", "7"),
	     STALE("/e"), "< channel /e refused: refused by the server");
}

/* A stale marker is older than events delivered since: those are not delivered twice. */
static void events_delivered_before_a_fallback_are_known(void **state)
{
	(void)state;
	PLAY(&options, ASKED, "> reply command [" E("8") "," ON_E "]", "< channel /e active",
	     TOLD("8"), "> fail connect broken", "< state unconnected gap: cut", "> sleep 9000",
	     "< +0..4000", CONNECT, CONNECT_OK, "< state connected gap", CONNECT,
	     SUBSCRIBE("/e", "5"), STALE("/e"), "< state connected gap", "< note /e starts at another position%",
	     SUBSCRIBE("/e", "-2"),
	     "> reply command [" E("7") "," E("8") "," E("9") "," ON_E "]", "< channel /e active",
	     TOLD("7"), TOLD("9"), "> wait 200", "> reply connect [" DONE "]", CONNECT,
	     COMES(E("10")), TOLD("10"), CONNECT,
	     /* a server that restarted its ids does not know the old ones either */
	     LOST, HANDSHAKEN, SUBSCRIBE("/e", "10"), STALE("/e"), "< note /e starts at another position%",
	     SUBSCRIBE("/e", "-2"),
	     "> reply command [" E("8") "," E("9") "," E("11") "," ON_E "]",
	     "< channel /e active", TOLD("8"), TOLD("9"), TOLD("11"));
}

static void another_refusal_is_one(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "7")), HEARD("/e"), CONNECT, LOST, BACK, SUBSCRIBE("/e", "7"),
	     REFUSED("/e", "400::The channel you requested is invalid"),
	     "< channel /e refused: refused by the server");
}

/* The server is not reachable three times: the next URL is used, and a gap is reported. */
#define AWAY "> wait 200", "> fail connect not-sent", "< state unconnected%", AWAY_AGAIN, AWAY_AGAIN
#define AWAY_AGAIN "> sleep 9000", "< +0..9000", CONNECT, "> fail connect not-sent"
#define OFFER_AT(at) "< state handshaking gap%", "< handshake long-polling" at " [%'replay':true}}]"
#define UP_AT(at) OFFER_AT(at), AGREED("true"), "< state connecting gap%", CONNECT_AT(at)
#define CONNECT_AT(at) "< connect long-polling" at " [{%}]"
#define ASKS_AT(at, channel, id) "< commands long-polling" at " [%{'" channel "':" id "}}}]"

/* Ids of one server are not valid at another: after a larger id, all of the other's would be old. */
static void an_id_belongs_to_one_server(void **state)
{
	static const char *const urls[] = {"http://a/", "http://b/"};
	(void)state;
	options.urls = urls;
	options.n_urls = 2;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("700")),
	     TOLD("700"), CONNECT, AWAY, UP_AT("@1"), ASKS_AT("@1", "/e", "-1"), SUBSCRIBED("/e"),
	     "> reply connect [" E("5") "," DONE "]", TOLD("5"), "< state connected gap",
	     CONNECT_AT("@1"), LOST, "> sleep 9000", "< +0..2000", UP_AT("@1"),
	     ASKS_AT("@1", "/e", "5"));
	/* a server that was not reachable does not change the markers */
	options.url_failures = 1;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("700")),
	     TOLD("700"), CONNECT, "> wait 200", "> fail connect not-sent", "< state unconnected%",
	     OFFER_AT("@1"), "> fail connect not-sent", "< state unconnected%", "> sleep 9000",
	     "< +0..9000", UP_AT(""), SUBSCRIBE("/e", "700"));
	/* servers that share their sessions share their ids */
	options.url_shared = true;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"), COMES(E("700")),
	     TOLD("700"), CONNECT, "> wait 200", "> fail connect not-sent",
	     "< state unconnected: cut", CONNECT_AT("@1"),
	     "> reply connect [{'channel':'/meta/connect','successful':false,'advice':{'reconnect':"
	     "'handshake','interval':0},'error':'403::Unknown client'}]",
	     UP_AT("@1"), ASKS_AT("@1", "/e", "700"));
}

/* an event counts as delivered only when the driver calls session_next() again */
static void a_marker_waits_for_delivery(void **state)
{
	struct session *s;
	struct session_event event;
	struct session_batch batch;
	struct buf out;
	bool found = false;
	(void)state;
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	buf_init(&out, 1 << 16);
	session_want(s, SLICE("/e"), 0);
	session_start(s, 1);
	assert_int_equal(session_next(s, 1, &event), 0);
	assert_int_equal(session_take_batch(s, 1, &out, &batch), 0);
	assert_int_equal(session_feed(s, 1, batch.id, SLICE(
		"[{\"channel\":\"/meta/handshake\",\"clientId\":\"c\",\"successful\":true,"
		"\"supportedConnectionTypes\":[\"long-polling\"],\"ext\":{\"replay\":true}},"
		"{\"channel\":\"/e\",\"data\":{\"event\":{\"replayId\":1}}},"
		"{\"channel\":\"/e\",\"data\":{\"event\":{\"replayId\":2}}}]")), 0);
	for (int messages = 0; messages < 2;) {
		assert_int_equal(session_next(s, 1, &event), 0);
		messages += event.kind == SESSION_EVENT_MESSAGE;
	}
	/* the driver gives up while it has the second event */
	session_discard_text(s);
	session_batch_failed(s, 1, batch.id, &(struct session_failure){.kind = SESSION_BROKEN});
	session_batch_end(s, 1, batch.id);
	for (uint64_t now = 1; now < 60000 && !found; now += 100) {
		session_tick(s, now);
		while (session_next(s, now, &event) == 0)
			;
		buf_clear(&out);
		if (session_take_batch(s, now, &out, &batch) == 0)
			found = memmem(buf_slice(&out).p, buf_len(&out), "{\"replay\":{\"/e\":1}}", 19);
	}
	assert_true(found);
	buf_fini(&out);
	session_free(s);
}

static void memory_fails(void **state)
{
	static const char text[] =
		"[{\"channel\":\"/meta/handshake\",\"successful\":true,\"ext\":{\"replay\":true}},"
		"{\"channel\":\"/e\",\"data\":{\"event\":{\"replayId\":\"\\u0031\"}}},"
		"{\"channel\":\"/e\",\"data\":{\"event\":{\"replayId\":77}}},"
		"{\"channel\":\"/meta/subscribe\",\"error\":\"400::replayId\"}]";
	const struct ext_time never = {0};
	const struct ext_request subscribe = {REQUEST_SUBSCRIBE, SLICE("/e"), never};
	struct envelope_batch b;
	unsigned failed = 0;
	(void)state;
	envelope_batch_init(&b);
	assert_int_equal(envelope_parse(&b, slice_of(text)), 0);
	FAIL_EACH_ALLOCATION {
		struct replay_store *store;
		struct ext *x;
		struct buf out;
		int r[7] = {0};
		if (replay_store_new(9, &store) ||
		    ext_replay_new(SESSION_REPLAY_ALL, SESSION_REPLAY_FALLBACK_NEW, store, &x)) {
			failed++;
			continue;
		}
		buf_init(&out, 256);
		/* each is tried once more, and then it is as if it had not failed */
#define TWICE(i, call) (r[i] = (call)) == -ENOMEM ? (failed++, r[i] = (call)) : 0
		TWICE(0, ext_replay_want(x, SLICE("/e")));
		TWICE(1, x->ops->incoming(x, EXT_HANDSHAKE_REPLY, &b.items[0], never));
		TWICE(2, ext_replay_delivered(x, &b.items[1]));
		TWICE(3, ext_replay_delivered(x, &b.items[2]));
		TWICE(4, x->ops->outgoing(x, &subscribe, &out));
		for (int i = 0; i < 5; i++)
			assert_int_equal(r[i], 0);
		assert_true(slice_eq(buf_slice(&out), SLICE("{\"/e\":77}")));
		TWICE(5, ext_replay_refused(x, SLICE("/e"), &b.items[3]));
		assert_int_equal(r[5], EXT_REPLAY_AGAIN);
		buf_clear(&out);
		TWICE(6, x->ops->outgoing(x, &subscribe, &out));
		assert_true(slice_eq(buf_slice(&out), SLICE("{\"/e\":-1}")));
		buf_fini(&out);
		x->ops->free(x);
	}
	assert_in_range(failed, 5, 50);
	envelope_batch_fini(&b);
}

#define GOODBYE                                                                                    \
	"> stop the reason", "< state disconnecting%: the reason", "< disconnect %",            \
		"> reply command [{'channel':'/meta/disconnect','successful':true}]"
#define STOPPED GOODBYE, "< abort all", "< state off gap: the reason"
/* the successor's first session, with its gap */
#define SUCCEED(at)                                                                                \
	"> succeed /e" at, "> start", "< state handshaking gap", OFFER, AGREED("true"),            \
		"< state connecting gap", CONNECT

/* A session with other options continues after the last event delivered; at another server it begins as
   configured. The gap is reported in any case. */
static void a_successor_continues(void **state)
{
	static const char *const urls[] = {"http://a/", "http://b/"};
	(void)state;
	options.urls = urls;
	options.n_urls = 1;
	options.url_shared = true;
	PLAY(&options, UP, "> want /e", SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     COMES(EVENT("/e", "6")), HEARD("/e"), CONNECT, STOPPED, SUCCEED(""),
	     SUBSCRIBE("/e", "6"), SUBSCRIBED("/e"), CONNECT_OK, "< state connected gap", CONNECT,
	     COMES(EVENT("/e", "8")), HEARD("/e"), CONNECT, STOPPED, SUCCEED(" 1"),
	     SUBSCRIBE("/e", "-1"));
	/* one that never had a session has no gap to report */
	PLAY(&options, "> want /e", "> succeed /e", "> start", "< state handshaking", OFFER,
	     AGREED("true"), "< state connecting", CONNECT, SUBSCRIBE("/e", "-1"), SUBSCRIBED("/e"),
	     CONNECT_OK, "< state connected", CONNECT, "> wait 1000", "> period",
	     "< period connected of 1000 ms, tries 1, losses 0",
	     "> fail connect broken", "< state unconnected gap%", GOODBYE, "< state off gap: the reason", "> succeed /e",
	     "> period", "< period off of 0 ms, tries 0, losses 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_slow_call_delays_events_a_moment, setup),
		cmocka_unit_test_setup(continues_after_the_last_event, setup),
		cmocka_unit_test_setup(a_lost_connect_is_repeated, setup),
		cmocka_unit_test_setup(new_events_wait_for_replayed_ones, setup),
		cmocka_unit_test_setup(an_answer_to_something_else_may_bring_older_ones, setup),
		cmocka_unit_test_setup(repeats_are_not_delivered_twice, setup),
		cmocka_unit_test_setup(late_events_are_delivered_late, setup),
		cmocka_unit_test_setup(a_loss_while_asking_is_asked_for_again, setup),
		cmocka_unit_test_setup(a_repetition_may_get_lost, setup),
		cmocka_unit_test_setup(held_events_are_released, setup),
		cmocka_unit_test_setup(a_filter_keeps_the_other_markers, setup),
		cmocka_unit_test_setup(each_filter_has_its_own, setup),
		cmocka_unit_test_setup(on_a_websocket_too, setup),
		cmocka_unit_test_setup(starts_at_the_configured_event, setup),
		cmocka_unit_test_setup(what_was_given_up_is_asked_for, setup),
		cmocka_unit_test_setup(a_new_interest_starts_again, setup),
		cmocka_unit_test_setup(a_filter_is_no_part_of_the_name, setup),
		cmocka_unit_test_setup(ids_that_are_none_move_nothing, setup),
		cmocka_unit_test_setup(without_agreement_nothing_is_asked, setup),
		cmocka_unit_test_setup(a_stale_id_falls_back, setup),
		cmocka_unit_test_setup(events_delivered_before_a_fallback_are_known, setup),
		cmocka_unit_test_setup(another_refusal_is_one, setup),
		cmocka_unit_test_setup(an_id_belongs_to_one_server, setup),
		cmocka_unit_test_setup(a_marker_waits_for_delivery, setup),
		cmocka_unit_test_setup(a_successor_continues, setup),
		cmocka_unit_test_setup(memory_fails, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
