/*
 * Wanted channels: which requests are sent while changes and replies race, refusals, how
 * each result is reported; and the covering sets for servers that send one copy per
 * matching subscription.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#define SUBSCRIBED(id)                                                                             \
	"> reply command [{'channel':'/meta/subscribe','id':'" #id "','successful':true}]"
#define UNSUBSCRIBED(id)                                                                           \
	"> reply command [{'channel':'/meta/unsubscribe','id':'" #id "','successful':true}]"
#define SUBSCRIBE(channel)                                                                         \
	"< commands long-polling [{'channel':'/meta/subscribe',%'subscription':'" channel "'}]"
#define UNSUBSCRIBE(channel)                                                                       \
	"< commands long-polling [{'channel':'/meta/unsubscribe',%'subscription':'" channel "'}]"

#define W_UP                                                                                       \
	"> start", "< state handshaking", "< handshake websocket %",                               \
		"> frame [{'minimumVersion':'1.0','clientId':'c1','supportedConnectionTypes':"     \
		"['websocket'],'channel':'/meta/handshake','successful':true}]",                   \
		"< state connecting", "< connect websocket %",                                     \
		"> frame [{'channel':'/meta/connect','successful':true}]", "< state connected",    \
		"< connect websocket %"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

static int setup_covering(void **state)
{
	setup(state);
	options.overlap = SESSION_OVERLAP_COVERING;
	return 0;
}

static void wanting_is_idempotent(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), "> want /a", SUBSCRIBED(4),
	     "< channel /a active", "> want /a", "> unwant /b", "> unwant /a", UNSUBSCRIBE("/a"),
	     "> unwant /a", UNSUBSCRIBED(5), "> wait 20000");
}

static void wanting_races_with_replies(void **state)
{
	(void)state;
	/* given up while asked: asked, then given back */
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), "> unwant /a", SUBSCRIBED(4),
	     UNSUBSCRIBE("/a"),
	     /* wanted again while given back */
	     "> want /a", UNSUBSCRIBED(5), SUBSCRIBE("/a"), SUBSCRIBED(6), "< channel /a active",
	     /* there and back again while the lane is busy: nothing to do */
	     "> want /b", SUBSCRIBE("/b"), "> unwant /a", "> want /a",
	     "< channel /a active", SUBSCRIBED(7), "< channel /b active");
	/* wanted again while the earlier subscribe is in flight */
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), "> unwant /a", "> want /a", SUBSCRIBED(4),
	     "< channel /a active");
	/* CometD Java refuses to unsubscribe a channel that is gone: so it is */
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), SUBSCRIBED(4), "< channel /a active",
	     "> unwant /a", UNSUBSCRIBE("/a"),
	     "> reply command [{'channel':'/meta/unsubscribe','id':'5','successful':false,"
	     "'error':'400::channel_missing'}]",
	     "> want /a", SUBSCRIBE("/a"));
	/* cut off: it is unknown whether it arrived */
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), "> unwant /a", "> fail command broken",
	     "< state connected gap", "> sleep 9000", "< +800..1200",
	     UNSUBSCRIBE("/a"), "> want /a",
	     "> fail command broken", "< state connected gap", "> sleep 9000", "< +1200..1800",
	     SUBSCRIBE("/a"),
	     /* this one did not arrive, the one before may have */
	     "> unwant /a", "> fail command not-sent", "> sleep 9000", "< +1800..2700",
	     UNSUBSCRIBE("/a"));
	/* surely never subscribed: nothing to give back */
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), "> unwant /a", "> fail command not-sent",
	     "> wait 9000");
}

static void refusals_are_reported_once(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /deny", SUBSCRIBE("/deny"),
	     "> reply command [{'channel':'/meta/subscribe','id':'4','subscription':'/deny',"
	     "'error':'403:denied_by_security_policy:subscribe_denied','successful':false}]",
	     "< channel /deny refused: refused by the server", "> want /deny", "> wait 20000",
	     /* a new session is a new question */
	     CONNECT_OK, CONNECT,
	     "> reply connect [{'channel':'/meta/connect','successful':false,'error':'402::x'}]",
	     "< state unconnected gap%", "< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK,
	     "< state connecting gap%", PROBE, SUBSCRIBE("/deny"), SUBSCRIBED(8),
	     "< channel /deny active");
	/* given up and wanted again is a new question too */
	PLAY(&options, UP, "> want /deny", SUBSCRIBE("/deny"),
	     "> reply command [{'channel':'/meta/subscribe','id':'4','successful':false,"
	     "'error':'403::subscribe_denied'}]",
	     "< channel /deny refused%", "> unwant /deny", "> want /deny", SUBSCRIBE("/deny"));
}

#define DENIED(id)                                                                                 \
	"> reply command [{'channel':'/meta/subscribe','id':'" #id "','successful':false,"         \
	"'error':'403::subscribe_denied'}]"

static void a_refused_one_is_asked_again(void **state)
{
	(void)state;
	PLAY(&options, UP, "> again /deny", "> want /deny", SUBSCRIBE("/deny"), "> again /deny", DENIED(4),
	     "< channel /deny refused%", "> again /deny", SUBSCRIBE("/deny"), "> again /deny", DENIED(5),
	     "< channel /deny refused%", "> again /deny", SUBSCRIBE("/deny"), SUBSCRIBED(6),
	     "< channel /deny active", "> again /deny", "> unwant /deny", UNSUBSCRIBE("/deny"));
	/* there will be no session */
	options.on_disconnect = SESSION_STOP;
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), SUBSCRIBED(4), "< channel /a active",
	     "> reply connect [{'channel':'/meta/disconnect','successful':true}]", "< abort all",
	     "< state halted%", "< channel /a refused%", "> again /a", "< channel /a refused%", "> again /b");
}

/* What is temporary by its code or its words, and what is final. */
static void limits_pass_and_denials_do_not(void **state)
{
	(void)state;
#define ASKED(error)                                                                               \
	"> want /t", SUBSCRIBE("/t"),                                                              \
		"> reply command [{'channel':'/meta/subscribe','subscription':'/t',"               \
		"'successful':false,'error':'" error "'}]"
#define TEMPORARY(error)                                                                           \
	PLAY(&options, UP, ASKED(error), "< channel /t pending: the server refuses it for now",    \
	     "> sleep 9000", "< +800..1200", SUBSCRIBE("/t"))
#define FINAL(error)                                                                               \
	PLAY(&options, UP, ASKED(error), "< channel /t refused: refused by the server",            \
	     "> wait 30000", CONNECT_OK, CONNECT, "> wait 30000")
	TEMPORARY("403::limit");
	TEMPORARY("403:/t:Subscription limit exceeded");
	TEMPORARY("403::LIMIT_EXCEEDED");
	TEMPORARY("413::Too many subscriptions");
	TEMPORARY("too_many_subscribers");
	TEMPORARY("408::x");
	TEMPORARY("429::x");
	TEMPORARY("500::x");
	TEMPORARY("503::x");
	TEMPORARY("403::Please try again later");
	TEMPORARY("403::service temporarily down");
	FINAL("403::denied");
	FINAL("403:denied_by_security_policy:subscribe_denied");
	FINAL("403::limited to administrators");
	FINAL("403::unlimited");
	FINAL("404::unknown channel, retry elsewhere");
	FINAL("400::try again");
	FINAL("405:/t:Invalid channel");
	FINAL("no");
}

/* A refusal in a later session is one as at first: it comes, stays, and goes. */
static void refused_in_a_later_session(void **state)
{
	(void)state;
#define LATER_REFUSED(id, error)                                                                   \
	"> reply command [{'channel':'/meta/subscribe','id':'" #id "','successful':false,"         \
	"'error':'" error "'}]"
	PLAY(&options, UP, "> want /t", SUBSCRIBE("/t"), SUBSCRIBED(4), "< channel /t active",
	     "> wait 30000", CONNECT_OK, CONNECT,
	     "> reply connect [{'channel':'/meta/connect','successful':false,'error':'402::x'}]",
	     "< state unconnected gap%", "< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%", PROBE, SUBSCRIBE("/t"),
	     CONNECT_OK, "< state connected gap", CONNECT, LATER_REFUSED(8, "403::limit"),
	     "< channel /t pending: the server refuses it for now", "> sleep 9000", "< +800..1200",
	     SUBSCRIBE("/t"), LATER_REFUSED(10, "403::limit"), "< channel /t pending%",
	     "> sleep 9000", "< +1200..1800", SUBSCRIBE("/t"), SUBSCRIBED(11),
	     "< channel /t active");
}

static void busy_servers_are_asked_again(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /t", SUBSCRIBE("/t"),
	     "> reply command [{'channel':'/meta/subscribe','id':'4','successful':false,"
	     "'error':'403:denied_by_security_policy:subscribe_denied','ext':{'sfdc':"
	     "{'failureReason':'503::Server is too busy'}}}]",
	     "< channel /t pending: the server refuses it for now", "> sleep 9000", "< +800..1200",
	     SUBSCRIBE("/t"),
	     "> reply command [{'channel':'/meta/subscribe','id':'5','successful':false,"
	     "'error':'500:/t:Internal server error'}]",
	     "< channel /t pending: the server refuses it for now", "> sleep 9000", "< +1200..1800",
	     SUBSCRIBE("/t"), SUBSCRIBED(6), "< channel /t active");
	/* not wanted any more */
	PLAY(&options, UP, "> want /t", SUBSCRIBE("/t"),
	     "> reply command [{'channel':'/meta/subscribe','id':'4','successful':false,"
	     "'error':'503::x'}]",
	     "< channel /t pending%", "> unwant /t", "> wait 20000");
	/* the session may be lost: cometd-nodejs-server sends no subscription in this reply */
	PLAY(&options, UP, "> want /t", SUBSCRIBE("/t"),
	     "> reply command [{'id':'4','channel':'/meta/subscribe','successful':false,"
	     "'error':'402::session_unknown'}]",
	     "< abort connect", "< state connected gap",
	     "< channel /t pending: the server forgot the session", PROBE);
}

/* A server may refuse in the words of one that forgot us: when connects go well, it is a refusal. */
static void a_refusal_may_sound_like_a_lost_session(void **state)
{
	(void)state;
#define UNAUTHORIZED(channel) "'channel':'" channel "','successful':false,'error':'401::x'}]"
#define DOUBTED "< abort connect", "< state connected gap"
#define DISOWN                                                                                     \
	"> reply command [{'subscription':'/t'," UNAUTHORIZED("/meta/subscribe"), DOUBTED,         \
		"< channel /t pending: the server forgot the session", PROBE, CONNECT_OK, CONNECT
	PLAY(&options, UP, "> want /t", SUBSCRIBE("/t"), DISOWN, "> sleep 9000", "< +800..1200",
	     SUBSCRIBE("/t"), "> wait 500", DISOWN, "> sleep 9000", "< +1200..1800",
	     SUBSCRIBE("/t"), "> wait 700", DISOWN, "> sleep 9000", "< +1800..2700",
	     SUBSCRIBE("/t"), "> wait 1000",
	     "> reply command [{'subscription':'/t'," UNAUTHORIZED("/meta/subscribe"),
	     "< channel /t refused: refused by the server");
	/* who publishes where it must not does not cost the others their connect each time */
#define REFUSED(n)                                                                                 \
	"> publish " #n " /a 9000 1", "< commands %", "> reply command [{" UNAUTHORIZED("/a"),     \
		"< outcome " #n " refused%"
#define REFUSED_AND_DOUBTED(n)                                                                     \
	"> publish " #n " /a 9000 1", "< commands %", "> reply command [{" UNAUTHORIZED("/a"),     \
		DOUBTED, PROBE, CONNECT_OK, CONNECT, "< commands %",                       \
		"> reply command [{" UNAUTHORIZED("/a"), "< outcome " #n " refused%"
	PLAY(&options, UP, REFUSED_AND_DOUBTED(1), REFUSED(2), "> wait 1201",
	     REFUSED_AND_DOUBTED(3), "> wait 1199", REFUSED(4), "> wait 602",
	     REFUSED_AND_DOUBTED(5), "> wait 1799", REFUSED(6));
}

static void replies_without_id_are_understood(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), "> want /b", "> publish 1 /p 9000 1",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/a',"
	     "'successful':true}]",
	     "< channel /a active", "< commands %",
	     "> reply command [{'channel':'/p','successful':true},"
	     "{'channel':'/meta/subscribe','subscription':'/b','error':'403::no'}]",
	     "< outcome 1 ok", "< channel /b refused: refused by the server");
}

static void many_channels_go_in_chunks(void **state)
{
	(void)state;
	options.batch_max = 200;
	PLAY(&options, "> want /a", "> want /b", "> want /c", "> publish 1 /p 9000 1", START,
	     "< commands long-polling [{%'/a'},{%'/b'}]",
	     "> reply command [{'channel':'/meta/subscribe','id':'4','successful':true},"
	     "{'channel':'/meta/subscribe','id':'5','successful':true}]",
	     "< channel /a active", "< channel /b active",
	     "< commands long-polling [{%'/c'},{%'data':1}]");
}

/* They go to different places: one kind after the other, each with its own answer. */
static void publishes_go_apart(void **state)
{
	(void)state;
	options.publish_apart = true;
	PLAY(&options, UP, "> want /a", SUBSCRIBE("/a"), "> publish 1 /p 9000 1", "> want /b",
	     "> unwant /a", SUBSCRIBED(4),
	     "< commands long-polling [{%'/b'},{%unsubscribe%'/a'}]", "> want /c",
	     "> reply command [{'channel':'/meta/subscribe','id':'6','successful':true},"
	     "{'channel':'/meta/unsubscribe','id':'7','successful':true}]",
	     "< channel /b active", "< commands long-polling [{%'data':1}]",
	     "> publish 2 /p 9000 2", "> wait 1",
	     "> reply command [{'channel':'/p','id':'5','successful':true}]",
	     "< outcome 1 ok", "< commands long-polling [{%'/c'}]", SUBSCRIBED(9),
	     "< channel /c active", "< commands long-polling [{%'data':2}]");
}

/* Channels and publishes that wait share a batch, so that neither shuts the other out. */
static void channels_and_publishes_share(void **state)
{
	(void)state;
#define BUSY "> publish 1 /p 9000 1", "< commands %"
#define FREE "> reply command [{'channel':'/p','successful':true}]", "< outcome 1 ok"
	/* by size */
	options.batch_max = 400;
	PLAY(&options, UP, BUSY, "> want /c1", "> want /c2", "> want /c3", "> want /c4", "> want /c5",
	     "> publish 2 /q 9000 2", "> publish 3 /q 9000 3", FREE,
	     "< commands long-polling [{%'/c1'},{%'/c2'},{%'/c3'},{%'data':2},{%'data':3}]",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/c1','successful':true},"
	     "{'channel':'/meta/subscribe','subscription':'/c2','successful':true},"
	     "{'channel':'/meta/subscribe','subscription':'/c3','successful':true},"
	     "{'channel':'/q','id':'5','successful':true},{'channel':'/q','id':'6',"
	     "'successful':true}]", "< channel /c1 active", "< channel /c2 active",
	     "< channel /c3 active", "< outcome 2 ok", "< outcome 3 ok", "> wait 1",
	     "< commands long-polling [{%'/c4'},{%'/c5'}]");
	/* one by one, in turns */
	options.batch_max = 1;
	PLAY(&options, UP, BUSY, "> want /c1", "> want /c2", "> publish 2 /q 9000 2",
	     "> publish 3 /q 9000 3", FREE, "< commands %'/c1'%",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/c1','successful':true}]",
	     "< channel /c1 active", "< commands %'data':2%", "> wait 1",
	     "> reply command [{'channel':'/q','successful':true}]", "< outcome 2 ok",
	     "< commands %'/c2'%",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/c2','successful':true}]",
	     "< channel /c2 active", "< commands %'data':3%");
	/* in a new session what is wanted goes first, all of it */
	options.batch_max = 400;
	PLAY(&options, "> want /c1", "> want /c2", "> want /c3", "> want /c4", "> want /c5",
	     "> publish 2 /q 9000 2", START, "< commands long-polling [{%'/c1'},{%'/c2'},{%'/c3'},"
	     "{%'/c4'},{%'/c5'}]");
}

/* Replies to the n-th batch of channels, which are N to M. */
#define C(n) "{'channel':'/meta/subscribe','subscription':'/c" #n "','successful':true}"
#define ACTIVE(n) "< channel /c" #n " active"
#define PUBLISHED(cookie) "> publish " #cookie " /q 9000 " #cookie, "< commands %'data':" #cookie "}]", \
		"> reply command [{'channel':'/q','successful':true}]", "< outcome " #cookie " ok"

/* A batch with channels that took long is followed by none for ten times as long, while one publishes;
   it is the time by which it took longer than a publish that counts. */
static void channels_leave_time_for_publishes(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /q 9000 1", "< commands %", "> wait 40",
	     "> reply command [{'channel':'/q','successful':true}]", "< outcome 1 ok",
	     "> publish 1 /q 9000 1", "< commands %", "> wait 40",
	     "> reply command [{'channel':'/q','successful':true}]", "< outcome 1 ok",
	     "> want /c1", "< commands %'/c1'}]", "> want /c2", "> wait 50",
	     "> reply command [" C(1) "]", ACTIVE(1),
	     PUBLISHED(2), "> wait 19", PUBLISHED(3), "> wait 19", PUBLISHED(4), "> wait 19",
	     PUBLISHED(5), "> wait 19", PUBLISHED(6), "> wait 19", PUBLISHED(7), "> wait 5",
	     "> wait 1", "< commands %'/c2'}]", "> want /c3", "> reply command [" C(2) "]",
	     ACTIVE(2), PUBLISHED(8), "> wait 1", "< commands %'/c3'}]");
	/* over a WebSocket, too, one at a time */
	options.transports[0] = SESSION_WEBSOCKET;
	PLAY(&options, W_UP, "> publish 1 /q 9000 1", "< commands %",
	     "> frame [{'channel':'/q','id':'4','successful':true}]", "< outcome 1 ok",
	     "> want /c1", "< commands %'/c1'}]", "> want /c2", "> want /c3",
	     "> publish 2 /q 9000 2", "< commands %'data':2}]", "> wait 10",
	     "> frame [" C(1) ",{'channel':'/q','id':'6','successful':true}]", ACTIVE(1),
	     "< outcome 2 ok", "> publish 3 /q 9000 3", "< commands %'data':3}]", "> wait 100",
	     "> wait 1", "< commands websocket [{%'/c2'}]");
}

/* The publishes of a peer that sends many pause in the same way while another waits for each of its own. */
static void bulk_leaves_time_for_light_publishes(void **state)
{
	(void)state;
#define LIGHT(cookie, reply)                                                                       \
	"> peer 2", "> publish " #cookie " /q 9000 " #cookie, "< commands %'data':" #cookie "}]",  \
		reply "[{'channel':'/q','successful':true}]", "< outcome " #cookie " ok"
#define BULK(n) "> peer 1", "> publish " #n " /p 9000 " #n
#define PAUSE(reply) LIGHT(2, reply), "> wait 19", LIGHT(3, reply), "> wait 6", LIGHT(4, reply), "> wait 1"
#define P_OK "{'channel':'/p','successful':true}"
	PLAY(&options, UP, LIGHT(1, "> reply command "), BULK(11), "< commands %'data':11}]", BULK(12),
	     BULK(13), "> reply command [" P_OK "]", "< outcome 11 ok", "< commands %'data':12}%'data':13}]",
	     BULK(14), "> wait 5", "> reply command [" P_OK "," P_OK "]", "< outcome 12 ok",
	     "< outcome 13 ok", PAUSE("> reply command "), "< commands %'data':14}]");
	options.transports[0] = SESSION_WEBSOCKET;
	PLAY(&options, W_UP, LIGHT(1, "> frame "), BULK(11), "< commands %'data':11}]", BULK(12),
	     "< commands %'data':12}]", BULK(13), "> wait 5", "> frame [" P_OK "," P_OK "]",
	     "< outcome 11 ok", "< outcome 12 ok", PAUSE("> frame "), "< commands %'data':13}]");
	/* a call that its service does not answer delays nothing */
	PLAY(&options, W_UP, LIGHT(1, "> frame "), BULK(11), "< commands %'data':11}]", "> call 12 /s 9000 12",
	     "< commands %'data':12}]", BULK(13), "< commands %'data':13}]");
}

/* Requests of a busy peer that the server never answers leave room for those of others. */
static void bulk_leaves_room_for_light_publishes(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	options.in_flight_max = 4;
	PLAY(&options, W_UP, "> peer 1", "> call 11 /s 9000 11", "< commands %'data':11}]", "> call 12 /s 9000 12",
	     "< commands %'data':12}]", "> call 13 /s 9000 13", "< commands %'data':13}]",
	     "> call 14 /s 9000 14", LIGHT(1, "> frame "), LIGHT(2, "> frame "));
}

#define CALL(peer)                                                                                 \
	"> peer " #peer, "> call 1" #peer " /s" #peer " 9000 1" #peer, "< commands %'data':1" #peer "}]"

/* Neither do many peers that call a service that never answers, one call each, block the publishes of another;
   channels wait, and all do when four times as many are in flight. */
static void light_calls_leave_room_for_light_publishes(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	options.in_flight_max = 2;
	PLAY(&options, W_UP, CALL(3), CALL(4), CALL(5), CALL(6), CALL(7), "> want /c1", "> sleep 1",
	     LIGHT(1, "> frame "), LIGHT(2, "> frame "), CALL(8), CALL(9), CALL(10), "> peer 11",
	     "> publish 99 /q 9000 99", "> wait 1", "> frame [{'channel':'/s3','successful':true}]",
	     "< commands %'data':99}]");
}

/* A peer alone never waits for itself, however it begins. */
static void bulk_alone_does_not_pause(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	PLAY(&options, W_UP, "> publish 1 /q 9000 1", "< commands %'data':1}]", "> publish 2 /q 9000 2",
	     "< commands %'data':2}]", "> publish 3 /q 9000 3", "< commands %'data':3}]", "> wait 10",
	     "> frame [{'channel':'/q','successful':true}]", "< outcome 1 ok", "> publish 4 /q 9000 4",
	     "< commands %'data':4}]");
}

/* Without publishes there is no pause, and after the last one it ends soon. One batch is under way at a time a
   second longer. */
static void channels_alone_do_not_pause(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /c1", "< commands %'/c1'}]", "> want /c2", "> wait 5000",
	     "> reply command [" C(1) "]", ACTIVE(1), "< commands %'/c2'}]", "> wait 5000",
	     "> reply command [" C(2) "]", ACTIVE(2), "> wait 1000", PUBLISHED(1), "> want /c3",
	     "< commands %'/c3'}]", "> want /c4", "> wait 900", "> reply command [" C(3) "]",
	     ACTIVE(3), "< commands %'/c4'}]", "> reply command [" C(4) "]", ACTIVE(4), PUBLISHED(2),
	     "> want /c5", "> wait 1", "< commands %'/c5'}]", "> want /c6", "> wait 10",
	     "> reply command [" C(5) "]", ACTIVE(5), "> sleep 1000", "< +89..89", "< commands %'/c6'}]");
}

/* … with their channels, too, in a new session as well. */
static void askers_take_turns(void **state)
{
	(void)state;
#define WANTS "> peer 1", "> want /1a", "> want /1b", "> want /1c", "> peer 2", "> want /2a", \
		"> peer 3", "> want /3a", "> want /3b"
#define IN_TURN "< commands %'/1a'%'/2a'%'/3a'%'/1b'%'/3b'%'/1c'}]"
	PLAY(&options, UP, "> want /c1", "< commands %'/c1'}]", WANTS, "> reply command [" C(1) "]",
	     ACTIVE(1), IN_TURN);
	PLAY(&options, WANTS, START, IN_TURN);
	/* a channel stays with who wanted it first; what was taken back has no turn */
	PLAY(&options, UP, "> want /c1", "< commands %'/c1'}]", WANTS, "> peer 4", "> want /1c",
	     "> unwant /1a", "> unwant /2a", "> reply command [" C(1) "]", ACTIVE(1),
	     "< commands %'/1b'},%'/3a'},%'/1c'},%'/3b'}]");
}

/* Peers take turns, each in its own order. */
static void peers_take_turns(void **state)
{
	(void)state;
	PLAY(&options, UP, BUSY, "> peer 1", "> publish 11 /q 9000 11", "> publish 12 /q 9000 12",
	     "> publish 13 /q 9000 13", "> peer 2", "> publish 21 /q 9000 21", "> peer 3",
	     "> publish 31 /q 9000 31", "> publish 32 /q 9000 32", FREE,
	     "< commands %'data':11%'data':21%'data':31%'data':12%'data':32%'data':13}]");
}

/* ---- covering ---- */

/* What is sent as a subscribe is recorded as one, whatever the others in the batch change. */
static void what_is_planned_is_recorded(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a/*", SUBSCRIBE("/a/*"),
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/a/*',"
	     "'successful':false,'error':'503::busy'}]",
	     "< channel /a/* pending: the server refuses it for now", "> wait 400", BUSY, "> wait 900",
	     "> want /a/b", FREE,
	     "< commands long-polling [{%/meta/subscribe%'/a/*'},{%/meta/subscribe%'/a/b'}]",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/a/*',"
	     "'successful':true},{'channel':'/meta/subscribe','subscription':'/a/b',"
	     "'successful':true}]", "< channel /a/* active", "< channel /a/b active", "> sleep 9000",
	     "< +%", "< commands long-polling [{%/meta/unsubscribe%'/a/b'}]");
}

static void only_the_widest_is_asked_for(void **state)
{
	(void)state;
	PLAY(&options, "> want /a/b", "> want /a/*", "> want /a/**", "> want /c/d", START,
	     "< commands long-polling [{%'/a/**'},{%'/c/d'}]",
	     "> reply command [{'channel':'/meta/subscribe','id':'3','successful':true},"
	     "{'channel':'/meta/subscribe','id':'4','successful':true}]",
	     "< channel /a/** active", "< channel /a/b active", "< channel /a/* active",
	     "< channel /c/d active",
	     /* covered already */
	     "> want /a/b/c", "< channel /a/b/c active", "> unwant /a/b/c");
}

static void children_are_subscribed_before_the_parent_ends(void **state)
{
	(void)state;
	PLAY(&options, "> want /a/b", "> want /a/*", START, SUBSCRIBE("/a/*"), SUBSCRIBED(3),
	     "< channel /a/* active", "< channel /a/b active", "> unwant /a/*", SUBSCRIBE("/a/b"),
	     SUBSCRIBED(4), UNSUBSCRIBE("/a/*"), UNSUBSCRIBED(5),
	     /* and back: the parent is there before the child goes */
	     "> want /a/*", SUBSCRIBE("/a/*"), SUBSCRIBED(6), "< channel /a/* active",
	     UNSUBSCRIBE("/a/b"),
	     /* the parent goes while the child is being given back */
	     "> unwant /a/*", UNSUBSCRIBED(7), SUBSCRIBE("/a/b"), SUBSCRIBED(8),
	     UNSUBSCRIBE("/a/*"));
	/* the last one goes with its parent */
	PLAY(&options, "> want /a/b", "> want /a/*", START, SUBSCRIBE("/a/*"), SUBSCRIBED(3),
	     "< channel /a/* active", "< channel /a/b active", "> unwant /a/b", "> unwant /a/*",
	     UNSUBSCRIBE("/a/*"));
	/* the child of a parent that goes is refused: then the parent need not wait for it */
	PLAY(&options, "> want /a/b", "> want /a/*", START, SUBSCRIBE("/a/*"), SUBSCRIBED(3),
	     "< channel /a/* active", "< channel /a/b active", "> unwant /a/*", SUBSCRIBE("/a/b"),
	     "> reply command [{'channel':'/meta/subscribe','id':'4','successful':false,"
	     "'error':'403::no'}]",
	     UNSUBSCRIBE("/a/*"), UNSUBSCRIBED(5), "< channel /a/b refused%");
}

static void a_refused_parent_subscribes_its_children(void **state)
{
	(void)state;
	PLAY(&options, "> want /a/b", "> want /a/*", "> want /a/c", START, SUBSCRIBE("/a/*"),
	     "> reply command [{'channel':'/meta/subscribe','id':'3','successful':false,"
	     "'error':'403::no'}]",
	     "< channel /a/* refused: refused by the server",
	     "< commands long-polling [{%'/a/b'},{%'/a/c'}]");
	/* busy for the moment: the children do not wait */
	PLAY(&options, "> want /a/b", "> want /a/*", START, SUBSCRIBE("/a/*"),
	     "> reply command [{'channel':'/meta/subscribe','id':'3','successful':false,"
	     "'error':'503::busy'}]",
	     "< channel /a/* pending: the server refuses it for now", SUBSCRIBE("/a/b"), SUBSCRIBED(4),
	     "< channel /a/b active", "> sleep 9000", "< +800..1200", SUBSCRIBE("/a/*"),
	     SUBSCRIBED(5), "< channel /a/* active", UNSUBSCRIBE("/a/b"));
}

#define EVENTS(events) "> reply connect [" events "{'channel':'/meta/connect','successful':true}]"
#define A "{'channel':'/a/b','data':1},"
#define B "{'channel':'/a/b','data':2},"

static void copies_of_a_change_are_left_out(void **state)
{
	(void)state;
	/* the child takes over: for a moment the server sends both their copies */
	PLAY(&options, "> want /a/b", "> want /a/*", START, SUBSCRIBE("/a/*"), SUBSCRIBED(3),
	     "< channel /a/* active", "< channel /a/b active", CONNECT_OK, "< state connected",
	     CONNECT, "> unwant /a/*", SUBSCRIBE("/a/b"), EVENTS(A A B B B B), "< message /a/b 1",
	     "< message /a/b 2", "< message /a/b 2", CONNECT, SUBSCRIBED(5), UNSUBSCRIBE("/a/*"),
	     EVENTS(A A), "< message /a/b 1", CONNECT, UNSUBSCRIBED(7),
	     /* afterwards two are two */
	     EVENTS(A A), "< message /a/b 1", "< message /a/b 1", CONNECT);
	/* servers that send one copy are believed */
	options.overlap = SESSION_OVERLAP_EXACT;
	PLAY(&options, "> want /a/b", "> want /a/*", START, "< commands %",
	     EVENTS(A A), "< message /a/b 1", "< message /a/b 1", "< state connected", CONNECT);
}

#define HANDSHAKE_OF(more)                                                                         \
	"> want /a/b", "> want /a/*", "> start", "< state handshaking", HANDSHAKE,                 \
		"> reply connect [{'channel':'/meta/handshake','successful':true,'clientId':'c1'," \
		more "}]",                                                                         \
		"< state connecting", PROBE

static void the_server_is_known_by_its_handshake(void **state)
{
	(void)state;
	/* cometd-nodejs-server: a copy for each subscription that matches */
	PLAY(&options, HANDSHAKE_OF("'supportedConnectionTypes':['long-polling']"),
	     SUBSCRIBE("/a/*"));
	PLAY(&options, HANDSHAKE_OF("'minimumVersion':'1.0','supportedConnectionTypes':"
				    "['long-polling']"),
	     "< commands long-polling [{%'/a/b'},{%'/a/*'}]");
	PLAY(&options, HANDSHAKE_OF("'supportedConnectionTypes':['long-polling','in-process']"),
	     "< commands long-polling [{%'/a/b'},{%'/a/*'}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(wanting_is_idempotent, setup),
		cmocka_unit_test_setup(wanting_races_with_replies, setup),
		cmocka_unit_test_setup(refusals_are_reported_once, setup),
		cmocka_unit_test_setup(a_refused_one_is_asked_again, setup),
		cmocka_unit_test_setup(limits_pass_and_denials_do_not, setup),
		cmocka_unit_test_setup(refused_in_a_later_session, setup),
		cmocka_unit_test_setup(busy_servers_are_asked_again, setup),
		cmocka_unit_test_setup(a_refusal_may_sound_like_a_lost_session, setup),
		cmocka_unit_test_setup(replies_without_id_are_understood, setup),
		cmocka_unit_test_setup(many_channels_go_in_chunks, setup),
		cmocka_unit_test_setup(publishes_go_apart, setup),
		cmocka_unit_test_setup(channels_and_publishes_share, setup),
		cmocka_unit_test_setup(channels_leave_time_for_publishes, setup),
		cmocka_unit_test_setup(bulk_leaves_time_for_light_publishes, setup),
		cmocka_unit_test_setup(bulk_leaves_room_for_light_publishes, setup),
		cmocka_unit_test_setup(light_calls_leave_room_for_light_publishes, setup),
		cmocka_unit_test_setup(bulk_alone_does_not_pause, setup),
		cmocka_unit_test_setup(channels_alone_do_not_pause, setup),
		cmocka_unit_test_setup(askers_take_turns, setup),
		cmocka_unit_test_setup(peers_take_turns, setup),
		cmocka_unit_test_setup(what_is_planned_is_recorded, setup_covering),
		cmocka_unit_test_setup(only_the_widest_is_asked_for, setup_covering),
		cmocka_unit_test_setup(children_are_subscribed_before_the_parent_ends, setup_covering),
		cmocka_unit_test_setup(a_refused_parent_subscribes_its_children,
				       setup_covering),
		cmocka_unit_test_setup(copies_of_a_change_are_left_out, setup_covering),
		cmocka_unit_test_setup(the_server_is_known_by_its_handshake, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
