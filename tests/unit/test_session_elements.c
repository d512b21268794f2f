/*
 * Messages are read one by one: what cannot be read costs only itself, over both
 * transports, with acknowledgements and with replay; a text comes in any cuts,
 * and what came before it broke off is neither lost nor doubled.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include <stdio.h>
#include <stdlib.h>

#define W_CONNECT "< connect websocket [{'channel':'/meta/connect','id':'%','clientId':'c1',%}]"
#define W_UP                                                                                       \
	"> start", "< state handshaking", "< handshake websocket %",                               \
		"> frame [{'minimumVersion':'1.0','clientId':'c1','supportedConnectionTypes':"     \
		"['websocket'],'channel':'/meta/handshake','successful':true}]",                   \
		"< state connecting", "< connect websocket %",                                     \
		"> frame [{'channel':'/meta/connect','successful':true}]", "< state connected",    \
		W_CONNECT

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

static int setup_websocket(void **state)
{
	setup(state);
	options.transports[0] = SESSION_WEBSOCKET;
	return 0;
}

#define GOOD(n) "{'channel':'/r','data':" #n "}"
#define CONNECTED "{'channel':'/meta/connect','successful':true}"
#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

static void a_bad_element_costs_only_itself(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /r", "< commands %",
	     "> reply connect [" GOOD(1) ",{'channel':'/m','data':'half \\ud83d'}," GOOD(2)
	     ",{'data':NaN,'channel':'\\/m\\/n'}," GOOD(3) ",{'channel':'/m','data':'\xff'},"
	     GOOD(4) ",{'channel':'/m','data':" DEEP "}," GOOD(5)
	     ",{'channel':'/m','data':'\x01'}," GOOD(6) ",{'data':tru}," GOOD(7) "," CONNECTED "]",
	     "< message /r 1", "< lost unreadable /m: not UTF-8", "< message /r 2",
	     "< lost unreadable /m/n: not JSON", "< message /r 3", "< lost unreadable /m: not UTF-8",
	     "< message /r 4", "< lost unreadable /m: nested too deeply", "< message /r 5",
	     "< lost unreadable /m: not JSON", "< message /r 6", "< lost unreadable: not JSON",
	     "< message /r 7", CONNECT);
}

static void a_bad_element_costs_only_itself_on_a_websocket(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> frame [" GOOD(1) ",{'channel':'/m','data':'half \\ud83d'}," GOOD(2) "]",
	     "< message /r 1", "< lost unreadable /m: not UTF-8", "< message /r 2",
	     "> frame [{'channel':'/m','data':" DEEP "}]", "< lost unreadable /m: nested too deeply",
	     "> frame [" GOOD(3) "]", "< message /r 3");
}

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void a_message_above_the_limit_is_skipped(void **state)
{
	(void)state;
	options.message_max = 300;
	PLAY(&options, UP, "> reply connect [" GOOD(1) ",{'data':'"
	     HUNDRED HUNDRED HUNDRED "','channel':'/m'}"
	     "," GOOD(2) "," CONNECTED "]",
	     "< message /r 1", "< lost too-large /m: larger than max-message", "< message /r 2",
	     CONNECT);
	/* and an answer of any size arrives when its messages are below it */
	PLAY(&options, UP, "> late connect [" GOOD(1) "," GOOD(2) "," GOOD(3), "< message /r 1",
	     "< message /r 2", "< message /r 3", "> late connect ," GOOD(4) "," GOOD(5) ",{'channel'",
	     "< message /r 4", "< message /r 5", "> reply connect :'/r','data':6}," CONNECTED "]",
	     "< message /r 6", CONNECT);
}

static void a_byte_order_mark_and_a_comment(void **state)
{
	(void)state;
	PLAY(&options, UP, "> reply connect \xef\xbb\xbf[" GOOD(1) "," CONNECTED "]", "< message /r 1",
	     CONNECT);
	PLAY(&options, UP, "> reply connect /*[" GOOD(1) "," CONNECTED "]*/", "< message /r 1",
	     CONNECT);
}

/* A reply that cannot be read is as one that did not come. */
static void an_unreadable_reply_does_not_hang(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %",
	     "> reply command [{'channel':'/a','id':'4','successful':true,'x':NaN}]",
	     "< note a reply on /a cannot be read, and is left out",
	     "< outcome 1 unknown: sent, but the reply was lost");
	PLAY(&options, UP, "> reply connect [" GOOD(1) ",{'channel':'/meta/connect','successful':true,"
	     "'x':NaN}]",
	     "< message /r 1", "< note a reply on /meta/connect cannot be read, and is left out",
	     "< state unconnected gap: the reply could not be read", "> sleep 9000",
	     "< +800..1200", PROBE);
}

/* ---- cuts ---- */

static void the_texts_of_both_lanes_take_turns(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %", "> late connect [" GOOD(1) ",{'chan",
	     "< message /r 1", "> late command [{'channel':'/r','da", "> late connect nel':'/r','data':2}",
	     "< message /r 2", "> reply command ta':3},{'channel':'/a','id':'4','successful':true}]",
	     "< message /r 3", "< outcome 1 ok", "> reply connect ," CONNECTED "]", CONNECT);
}

/* Messages after the connect's reply in the same text are handled before the next connect is sent. */
static void the_next_connect_waits_for_the_end(void **state)
{
	(void)state;
	PLAY(&options, W_UP, "> part [{'channel':'/meta/connect','successful':true}",
	     "> part ," GOOD(1), "< message /r 1", "> frame ]", W_CONNECT);
	/* … but not for ever */
	PLAY(&options, W_UP, "> part [{'channel':'/meta/connect','successful':true}", "> sleep 60000",
	     "< +10000..10000", "< abort %",
	     "< state unconnected gap: the answer broke off in the middle");
}

/* A server may hold a connect after some messages of its answer, but not within one. */
static void a_message_must_go_on(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 200", "> late connect [" GOOD(1) ",", "< message /r 1", "> sleep 60000",
	     "< +39800..39800", "< abort connect", "< state unconnected gap: the server did not answer%");
	PLAY(&options, UP, "> wait 200", "> late connect [" GOOD(1) ",{'chan", "< message /r 1",
	     "> sleep 60000", "< +10000..10000", "< abort connect",
	     "< state unconnected gap: the answer broke off in the middle");
	options.transports[0] = SESSION_WEBSOCKET;
	PLAY(&options, W_UP, "> part [{'chan", "> sleep 60000", "< +10000..10000", "< abort %",
	     "< state unconnected gap: the answer broke off in the middle");
}

/* A gateway may send white space while the server holds a connect, but bytes without messages keep no session
   up for ever, nor do those of a message that does not end. */
static void bytes_alone_are_no_answer(void **state)
{
	(void)state;
#define PAD(ms) "> wait " #ms, "> heard connect", "> late connect \t"
#define NOTHING "the server sent bytes, but no complete message for 40%"
	PLAY(&options, UP, PAD(9000), PAD(9000), PAD(9000), "> wait 9000", "> reply connect  [" CONNECTED "]",
	     CONNECT, PAD(5000), PAD(9000), PAD(9000), PAD(9000), PAD(9000), "> sleep 60000",
	     "< +4000..4000", "< abort connect", "< state unconnected gap: " NOTHING);
	/* each message proves that there is a server */
	PLAY(&options, UP, "> late connect [", PAD(9000), PAD(9000), PAD(9000), "> wait 9000",
	     "> heard connect", "> late connect " GOOD(1) ",", "< message /r 1", PAD(9000), PAD(9000), PAD(9000), PAD(9000),
	     "> sleep 60000", "< +4000..4000", "< abort connect", "< state unconnected gap: " NOTHING);
#define DRIP(ms) "> wait " #ms, "> heard connect", "> late connect x"
	PLAY(&options, UP, "> late connect [{'channel':'/r','data':'", DRIP(9000), DRIP(9000), DRIP(9000),
	     DRIP(9000), "> sleep 60000", "< +4028..4028", "< abort connect",
	     "< state unconnected gap: " NOTHING);
	/* over a WebSocket, and for commands */
	PLAY(&options, UP, "> publish 1 /a 99000 1", "< commands %", "> late command [",
	     "> wait 9000", "> heard command", "> late command \t", "> wait 9000", "> heard command",
	     "> reply connect [" CONNECTED "]", CONNECT, "> late command \t", "> wait 9000",
	     "> heard command", "> late command \t", "> wait 9000", "> heard command", "> late command \t",
	     "> sleep 60000", "< +4000..4000", "< abort command", "< state connected gap",
	     "< outcome 1 unknown%");
	options.transports[0] = SESSION_WEBSOCKET;
#define W_PAD "> wait 9000", "> heard websocket", "> part \t"
	PLAY(&options, W_UP, "> part [", W_PAD, W_PAD, W_PAD, W_PAD, "> sleep 60000", "< +34000..34000",
	     "< abort %", "< state unconnected gap: the server sent bytes, but no complete message for 70%");
}

/* A kilobyte a second is enough, and does not help one that is too large. */
static void a_large_message_takes_its_time(void **state)
{
	(void)state;
	static char piece[9001 + sizeof("> late connect ")];
	const char *part = piece;
	struct session_options o = options;
	o.message_max = 80000;
#define SLOW part, "> wait 9000", "> heard connect"
	memset(piece, 'x', sizeof(piece) - 1);
	memcpy(piece, "> late connect ", strlen("> late connect "));
	const char *const script[] = {
		UP, "> late connect [{'channel':'/r','data':'", SLOW, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW,
		SLOW, SLOW, SLOW, SLOW, "> sleep 60000", "< +4000..5000", "< abort connect",
		"< state unconnected gap: the server sent bytes, but no complete message for 103%", NULL};
	play(&o, script);
	o.message_max = 80000000;
	const char *const good[] = {
		UP, "> late connect [{'channel':'/r','data':'", SLOW, SLOW, SLOW, SLOW, SLOW, SLOW, SLOW,
		SLOW, SLOW, SLOW, SLOW, SLOW, "> late connect '}", "< message /r 'x%", NULL};
	play(&o, good);
}

/* Truncated after the reply: messages after it may be missed. */
static void an_answer_is_cut_after_its_reply(void **state)
{
	(void)state;
	PLAY(&options, UP, "> wait 200", "> late connect [" CONNECTED "," GOOD(1), "< message /r 1",
	     "> fail connect broken", "< state connected gap", CONNECT);
}

static void a_disconnect_waits_for_its_reason(void **state)
{
	(void)state;
	(void)state;
	PLAY(&options, UP, "> late connect [{'channel':'/meta/disconnect'}", "> reply connect ]",
	     "< state unconnected gap: the server ended the session");
	/* the connect's reply after it reports the same */
	PLAY(&options, UP, "> late connect [{'channel':'/meta/disconnect'},", "> late connect "
	     "{'channel':'/meta/connect','successful':true,'advice':{'reconnect':'none'}}",
	     "< abort connect", "< state unconnected gap: the server ended the session");
}

/* ---- with acknowledgements ---- */

#define OFFER "< handshake long-polling [%,'ext':{'ack':true}}]"
#define AGREED                                                                                     \
	"> reply connect [{'clientId':'c1','minimumVersion':'1.0','supportedConnectionTypes':"     \
	"['long-polling'],'channel':'/meta/handshake','successful':true,'ext':{'ack':true}}]"
#define ACK_PROBE(n) "< connect long-polling [%'advice':{'timeout':0},'ext':{'ack':" #n "}}]"
#define ACK(n) "< connect long-polling [{%'long-polling','ext':{'ack':" #n "}}]"
#define BATCH(n) "{'channel':'/meta/connect','successful':true,'ext':{'ack':" #n "}}]"
#define ACK_UP                                                                                     \
	"> start", "< state handshaking", OFFER, AGREED, "< state connecting", ACK_PROBE(0),       \
		"> reply connect [" BATCH(1), "< state connected", ACK(1)
#define BAD "{'channel':'/m','data':'half \\ud83d'}"

static void acknowledgements_move_past_it(void **state)
{
	(void)state;
	options.ack = true;
	PLAY(&options, ACK_UP, "> reply connect [" GOOD(1) "," BAD "," GOOD(2) "," BATCH(2),
	     "< message /r 1", "< lost unreadable /m: not UTF-8", "< message /r 2", ACK(2));
}

/* Cut before the reply was seen: the server sends all again, and nothing doubles, not even a loss. */
static void an_answer_that_was_cut_comes_again(void **state)
{
	(void)state;
	options.ack = true;
	PLAY(&options, ACK_UP, "> late connect [" GOOD(1) "," BAD "," GOOD(2) ",{'channel':'/r',",
	     "< message /r 1", "< lost unreadable /m: not UTF-8", "< message /r 2",
	     "> fail connect broken", "< state unconnected: cut", "> sleep 9000", "< +800..1200",
	     ACK_PROBE(1), "> reply connect [" GOOD(1) "," BAD "," GOOD(2) "," GOOD(3) "," BATCH(2),
	     "< message /r 3", "< state connected", ACK(2));
	/* the reply in front of the events does not acknowledge those that did not come */
	PLAY(&options, ACK_UP, "> wait 200", "> late connect [{'channel':'/meta/connect',"
	     "'successful':true,'ext':{'ack':2}}," GOOD(1), "< message /r 1", "> fail connect broken",
	     ACK(1), "> reply connect [" GOOD(1) "," GOOD(2) "," BATCH(2), "< message /r 2", ACK(2));
}

/* The end of another answer does not complete the one with the number. */
static void another_answer_does_not_acknowledge(void **state)
{
	(void)state;
	options.ack = true;
	PLAY(&options, ACK_UP, "> wait 200", "> publish 1 /a 9000 1", "< commands %",
	     "> late connect [{'channel':'/meta/connect','successful':true,'ext':{'ack':2}}",
	     "> reply command [{'channel':'/a','id':'4','successful':true}]", "< outcome 1 ok",
	     "> fail connect broken", ACK(1));
}

/* ---- with replay ---- */

#define R_HANDSHAKE "< handshake long-polling [%,'ext':{'replay':true}}]"
#define R_AGREED                                                                                   \
	"> reply connect [{'clientId':'c1','minimumVersion':'1.0','supportedConnectionTypes':"     \
	"['long-polling'],'channel':'/meta/handshake','successful':true,'ext':{'replay':true}}]"
#define R_UP                                                                                       \
	"> want /e", "> start", "< state handshaking", R_HANDSHAKE, R_AGREED, "< state connecting", \
		PROBE, "< commands long-polling [%'ext':{'replay':{'/e':-1}}}]", CONNECT_OK,       \
		"< state connected", CONNECT,                                                     \
		"> reply command [{'channel':'/meta/subscribe','subscription':'/e',"               \
		"'successful':true}]",                                                             \
		"< channel /e active"
#define EVENT(n) "{'data':{'event':{'replayId':" #n "}},'channel':'/e'}"
#define BAD_EVENT(n) "{'data':{'event':{'replayId':" #n "},'x':'\\ud83d'},'channel':'/e'}"
#define R_AGAIN(n)                                                                                 \
	"> reply connect [{'channel':'/meta/connect','successful':false,'error':'402::x',"         \
	"'advice':{'reconnect':'handshake'}}]",                                                    \
		"< state unconnected gap%", "> sleep 9000", "< +%", "< state handshaking gap%",    \
		R_HANDSHAKE, R_AGREED, "< state connecting gap%", PROBE,                           \
		"< commands long-polling [%'ext':{'replay':{'/e':" #n "}}}]"

static void the_marker_moves_past_it(void **state)
{
	(void)state;
	options.replay = SESSION_REPLAY_NEW;
	PLAY(&options, R_UP, "> reply connect [" EVENT(1) "," BAD_EVENT(2) "," CONNECTED "]",
	     "< message /e %", "< lost unreadable /e: not UTF-8", CONNECT, R_AGAIN(2),
	     /* a repeat of it is not reported once more */
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/e','successful':true},"
	     BAD_EVENT(2) "," EVENT(3) "]",
	     "< channel /e active", "< message /e {'event':{'replayId':3}}");
	/* without an id the next event moves it */
	PLAY(&options, R_UP, "> reply connect [" EVENT(1) ",{'channel':'/e','data':NaN}," EVENT(3) ","
	     CONNECTED "]", "< message /e %", "< lost unreadable /e: not JSON", "< message /e %",
	     CONNECT, R_AGAIN(3));
}

static void what_came_before_a_cut_counts(void **state)
{
	(void)state;
	options.replay = SESSION_REPLAY_NEW;
	PLAY(&options, R_UP, "> late connect [" EVENT(1) "," EVENT(2) ",{'data':{'ev",
	     "< message /e %", "< message /e %", "> fail connect broken", "< state unconnected gap: cut",
	     "> sleep 9000", "< +800..1200", PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     "< commands long-polling [%'ext':{'replay':{'/e':%}}}]",
	     "> reply command [" EVENT(1) "," EVENT(2) "," EVENT(3) ",{'channel':'/meta/subscribe',"
	     "'subscription':'/e','successful':true}]", "< channel /e active",
	     "< message /e {'event':{'replayId':3}}");
}

/* ---- what is broken is not asked for again and again ---- */

/* A server whose answer to each subscribe is broken, while all its connects are good. */
static void drive(struct session *s, uint64_t now, unsigned *subscribes)
{
	static const char *const handshake =
		"[{\"clientId\":\"c1\",\"minimumVersion\":\"1.0\",\"channel\":\"/meta/handshake\","
		"\"supportedConnectionTypes\":[\"long-polling\"],\"successful\":true,"
		"\"advice\":{\"timeout\":500},\"ext\":{\"replay\":true}}]";
	static const char *const connect = "[{\"channel\":\"/meta/connect\",\"successful\":true}]";
	static const char *const broken =
		"[{\"channel\":\"/meta/subscribe\",\"subscription\":\"/e\",\"successful\":true},"
		"{\"channel\":\"/e\",\"data\":{\"event\":{\"replayId\":1}}} oops";
	struct session_batch b;
	struct session_event e;
	struct buf out;
	buf_init(&out, 1 << 16);
	session_tick(s, now);
	while (session_next(s, now, &e) == 0)
		;
	while (session_take_batch(s, now, &out, &b) == 0) {
		bool subscribe = b.kind == SESSION_BATCH_SUBSCRIBE;
		*subscribes += subscribe;
		assert_int_equal(session_feed(s, now, b.id, slice_of(
			b.kind == SESSION_BATCH_HANDSHAKE ? handshake
			: subscribe ? broken : connect)), 0);
		session_batch_end(s, now, b.id);
		while (session_next(s, now, &e) == 0)
			;
		buf_clear(&out);
	}
	buf_fini(&out);
}

static void a_broken_answer_is_met_with_growing_pauses(void **state)
{
	struct session *s;
	unsigned subscribes = 0;
	(void)state;
	options.replay = SESSION_REPLAY_NEW;
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	assert_int_equal(session_want(s, SLICE("/e"), 0), 0);
	session_start(s, 1000);
	for (uint64_t now = 1000; now < 37000; now += 50)
		drive(s, now, &subscribes);
	/* 1, 2, 4, 8, 16 s between them, with jitter */
	assert_in_range(subscribes, 3, 8);
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_bad_element_costs_only_itself, setup),
		cmocka_unit_test_setup(a_bad_element_costs_only_itself_on_a_websocket, setup_websocket),
		cmocka_unit_test_setup(a_message_above_the_limit_is_skipped, setup),
		cmocka_unit_test_setup(a_byte_order_mark_and_a_comment, setup),
		cmocka_unit_test_setup(an_unreadable_reply_does_not_hang, setup),
		cmocka_unit_test_setup(the_texts_of_both_lanes_take_turns, setup),
		cmocka_unit_test_setup(the_next_connect_waits_for_the_end, setup_websocket),
		cmocka_unit_test_setup(a_message_must_go_on, setup),
		cmocka_unit_test_setup(bytes_alone_are_no_answer, setup),
		cmocka_unit_test_setup(a_large_message_takes_its_time, setup),
		cmocka_unit_test_setup(an_answer_is_cut_after_its_reply, setup),
		cmocka_unit_test_setup(a_disconnect_waits_for_its_reason, setup),
		cmocka_unit_test_setup(acknowledgements_move_past_it, setup),
		cmocka_unit_test_setup(an_answer_that_was_cut_comes_again, setup),
		cmocka_unit_test_setup(another_answer_does_not_acknowledge, setup),
		cmocka_unit_test_setup(the_marker_moves_past_it, setup),
		cmocka_unit_test_setup(what_came_before_a_cut_counts, setup),
		cmocka_unit_test_setup(a_broken_answer_is_met_with_growing_pauses, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
