/*
 * A session that goes on in another process. Every conversation of the other tests is restored after each of its
 * steps (session_restart.h); here is what the restored session does, and what becomes of snapshots that are damaged.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESUMING "< state unconnected%going on with the session of before the restart"
#define SUBSCRIBE(channel) "< commands long-polling [{'channel':'/meta/subscribe',%'subscription':'" channel "'}]"
#define SUBSCRIBED(channel)                                                                        \
	"> reply command [{'channel':'/meta/subscribe','subscription':'" channel "','successful':true}]", \
		"< channel " channel " active"
#define UP_WITH_A                                                                                  \
	"> want /a", START, SUBSCRIBE("/a"), SUBSCRIBED("/a"), CONNECT_OK, "< state connected", CONNECT
#define UNKNOWN                                                                                    \
	"> reply connect [{'channel':'/meta/connect','successful':false,'error':'402::unknown'," \
	"'advice':{'reconnect':'handshake'}}]"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

static int setup_ack(void **state)
{
	setup(state);
	options.ack = true;
	return 0;
}

/* ---- what a restored session does ---- */

static void it_waits_for_its_peers_and_resumes(void **state)
{
	(void)state;
	PLAY(&options, UP_WITH_A, "> want /b", SUBSCRIBE("/b"), SUBSCRIBED("/b"), "> restart 100", "> start", RESUMING,
	     "> want /a", "> wait 1000", "> want /b", PROBE, CONNECT_OK,
	     /* without acknowledgements messages may be lost */
	     "< state connected gap", "< channel /a active", "< channel /b active", CONNECT);
	/* what no peer wants again is kept for a while */
	PLAY(&options, UP_WITH_A, "> restart 100", "> start", RESUMING, "> sleep 9000", "< +2000..2000", PROBE,
	     CONNECT_OK, "< state connected gap", "< channel /a active", CONNECT, "> sleep 29000", "< +28000..28000",
	     "< commands long-polling [{'channel':'/meta/unsubscribe',%'/a'}]");
	PLAY(&options, UP_WITH_A, "> restart 100", "> start", RESUMING, "> sleep 9000", "< +2000..2000", PROBE,
	     CONNECT_OK, "< state connected gap", "< channel /a active", CONNECT, "> want /a",
	     "> wait 29000", "> unwant /a", "< commands long-polling [{'channel':'/meta/unsubscribe',%'/a'}]");
	/* with none it does not wait */
	PLAY(&options, UP, "> restart 100", "> start", RESUMING, PROBE, CONNECT_OK, "< state connected gap", CONNECT);
}

static void what_was_not_confirmed_is_subscribed(void **state)
{
	(void)state;
	PLAY(&options, UP_WITH_A, "> want /b", SUBSCRIBE("/b"), "> want /c", "> restart 100", "> want /a", "> want /b",
	     "> want /c", "> want /d", "> start", RESUMING, PROBE, CONNECT_OK, "< state connected gap",
	     "< channel /a active", CONNECT,
	     "< commands long-polling [{%'/c'},{%'/d'},{%'/b'}]");
	/* an unsubscribe on the way may have had its effect or not */
	PLAY(&options, UP_WITH_A, "> unwant /a", "< commands long-polling [{'channel':'/meta/unsubscribe',%'/a'}]",
	     "> restart 100", "> start", RESUMING, PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     "< commands long-polling [{'channel':'/meta/unsubscribe',%'/a'}]");
	PLAY(&options, UP_WITH_A, "> unwant /a", "< commands long-polling [{'channel':'/meta/unsubscribe',%'/a'}]",
	     "> restart 100", "> want /a", "> start", RESUMING, PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     SUBSCRIBE("/a"), SUBSCRIBED("/a"));
}

/* An unsubscribe may have followed. */
static void of_a_killed_process_all_is_subscribed_again(void **state)
{
	(void)state;
	PLAY(&options, UP_WITH_A, "> killed 100", "> want /a", "> start", RESUMING, PROBE, CONNECT_OK,
	     "< state connected gap", CONNECT, SUBSCRIBE("/a"), SUBSCRIBED("/a"));
	/* what is not wanted again is unsubscribed later, if it was subscribed */
	PLAY(&options, UP_WITH_A, "> killed 100", "> start", RESUMING, "> sleep 9000", "< +2000..2000", PROBE, CONNECT_OK,
	     "< state connected gap", CONNECT, SUBSCRIBE("/a"), SUBSCRIBED("/a"), "> sleep 29000", "< +28000..28000",
	     "< commands long-polling [{'channel':'/meta/unsubscribe',%'/a'}]");
}

static void it_is_left_without_a_disconnect(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /p 9000 1", "< commands %", "> publish 2 /q 9000 2", "> leave", "< abort all",
	     "< state off gap%", "< outcome 2 not-sent%", "< outcome 1 unknown%");
	PLAY(&options, "> leave", "> start", "< state handshaking", HANDSHAKE, "> leave", "< abort all", "< state off");
}

static void a_lost_session_is_made_again(void **state)
{
	(void)state;
	PLAY(&options, UP_WITH_A, "> restart 100", "> want /a", "> start", RESUMING, PROBE, UNKNOWN,
	     "< state handshaking gap: connect refused: 402 unknown", HANDSHAKE,
	     HANDSHAKE_OK, "< state connecting gap: connect refused: 402 unknown", PROBE, SUBSCRIBE("/a"), CONNECT_OK,
	     "< state connected gap", CONNECT, SUBSCRIBED("/a"));
	/* the time of the server's advice (30 s) and 10 s have passed; the clock of the process counts from another time */
	PLAY(&options, "> clock 1700000000000", UP_WITH_A, "> restart 40001", "> want /a", "> start",
	     "< state unconnected gap: the session of before the restart is too old",
	     "< state handshaking gap%", HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%", PROBE, SUBSCRIBE("/a"));
	PLAY(&options, "> clock 1700000000000", UP, "> restart 40000", "> start", RESUMING, PROBE);
	/* a clock that was set back proves nothing */
	PLAY(&options, "> clock 1700000000000", UP, "> restart 100", "> clock 1600000000000", "> start", RESUMING, PROBE);
	PLAY(&options, UP, "> restart 100", "> start", RESUMING, PROBE, "> fail connect broken",
	     "< state unconnected gap: cut", "> sleep 9000",
	     "< +800..1200", PROBE, CONNECT_OK, "< state connected gap", CONNECT);
}

static void without_a_session_there_is_nothing(void **state)
{
	(void)state;
	PLAY(&options, "> restart 100", "< nothing to go on with", "> start", "< state handshaking", HANDSHAKE,
	     "> restart 100", "< nothing to go on with");
	PLAY(&options, UP, "> stop", "< state disconnecting%",
	     "< disconnect%", "> restart 1", "< nothing to go on with");
}

#define OFFER "< handshake long-polling [%,'ext':{'ack':true}}]"
#define ACK_PROBE(n) "< connect long-polling [%'advice':{'timeout':0},'ext':{'ack':" #n "}}]"
#define ACK(n) "< connect long-polling [{%'long-polling','ext':{'ack':" #n "}}]"
#define BATCH(n) "{'channel':'/meta/connect','successful':true,'ext':{'ack':" #n "}}]"
#define ACK_UP                                                                                     \
	"> start", "< state handshaking", OFFER,                                                   \
		"> reply connect [{'clientId':'c1','minimumVersion':'1.0','supportedConnectionTypes':" \
		"['long-polling'],'channel':'/meta/handshake','successful':true,'ext':{'ack':true}}]", \
		"< state connecting", ACK_PROBE(0), "> reply connect [" BATCH(1), "< state connected", ACK(1)

static void with_acknowledgements_nothing_is_lost(void **state)
{
	(void)state;
	PLAY(&options, ACK_UP, "> reply connect [{'data':1,'channel':'/r'}," BATCH(2), "< message /r 1", ACK(2),
	     "> restart 100", "> start", RESUMING, ACK_PROBE(2),
	     "> reply connect [{'data':2,'channel':'/r'}," BATCH(3), "< message /r 2", "< state connected", ACK(3));
	/* a batch that was not read whole comes again whole; what was delivered of it is known */
	PLAY(&options, ACK_UP, "> late connect [{'data':1,'channel':'/r'},{'data':2,'chan", "< message /r 1", "> restart 100",
	     "> start", RESUMING, ACK_PROBE(1), "> reply connect [{'data':1,'channel':'/r'},{'data':2,'channel':'/r'}," BATCH(3),
	     "< message /r 2", "< state connected", ACK(3));
	PLAY(&options, ACK_UP, "> late connect [{'data':1,'channel':'/r'}," BATCH(2), "< message /r 1", "> restart 100",
	     "> start", RESUMING, ACK_PROBE(1), "> reply connect [{'data':1,'channel':'/r'}," BATCH(3), "< state connected",
	     ACK(3), "> reply connect [{'data':1,'channel':'/r'}," BATCH(4), "< message /r 1", ACK(4));
	/* also by a third process, and each as often as it was sent */
	PLAY(&options, ACK_UP, "> late connect [{'data':1,'channel':'/r'},{'data':1,'channel':'/r'},", "< message /r 1",
	     "< message /r 1", "> killed 100", "> start", RESUMING, ACK_PROBE(1), "> killed 100", "> start", RESUMING, ACK_PROBE(1),
	     "> late connect [{'data':1,'channel':'/r'},", "> killed 100", "> start", RESUMING, ACK_PROBE(1),
	     "> reply connect [{'data':1,'channel':'/r'},{'data':1,'channel':'/r'},{'data':1,'channel':'/r'}," BATCH(3),
	     "< message /r 1", "< state connected", ACK(3));
	/* and a gap that was not reported yet is not forgotten */
	PLAY(&options, ACK_UP, UNKNOWN, "< state unconnected gap%", "> sleep 9000", "< +1000..1000",
	     "< state handshaking gap%", OFFER,
	     "> reply connect [{'clientId':'c2','supportedConnectionTypes':"
	     "['long-polling'],'channel':'/meta/handshake','successful':true,'ext':{'ack':true}}]",
	     "< state connecting gap%", ACK_PROBE(0), "> restart 100", "> start", "< state unconnected gap%", ACK_PROBE(0),
	     "> reply connect [" BATCH(1), "< state connected gap", ACK(1));
}

static void over_a_websocket(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	options.transports[1] = SESSION_LONG_POLLING;
	options.n_transports = 2;
	PLAY(&options, "> start", "< state handshaking", "< handshake websocket%",
	     "> frame [{'clientId':'c1','minimumVersion':'1.0','supportedConnectionTypes':['websocket','long-polling'],"
	     "'channel':'/meta/handshake','successful':true,'ext':{'ack':true}}]",
	     "< state connecting", "< connect websocket%'ack':0}}]", "> frame [" BATCH(1), "< state connected",
	     "< connect websocket%'ack':1}}]", "> frame [{'data':1,'channel':'/r'}]", "< message /r 1", "> restart 100",
	     "> start", RESUMING, "< connect websocket [%'c1'%'timeout':0},'ext':{'ack':1}}]",
	     "> frame [{'data':1,'channel':'/r'}]", "> frame [{'data':2,'channel':'/r'}]", "< message /r 2",
	     "> frame [" BATCH(2), "< state connected", "< connect websocket%'ack':2}}]");
	/* on the one it fell back to, and not again at once to the one that does not work */
	PLAY(&options, "> start", "< state handshaking", "< handshake websocket%", "> closed not-sent unsupported",
	     "< state unconnected: cut", "< state handshaking: cut", "< handshake long-polling%", HANDSHAKE_OK,
	     "< state connecting: cut", PROBE, CONNECT_OK, "< state connected", CONNECT, "> restart 100", "> start", RESUMING,
	     PROBE, CONNECT_OK, "< state connected gap", CONNECT);
}

static void at_another_url(void **state)
{
	static const char *const urls[] = {"http://a/", "http://b/"};
	(void)state;
	options.urls = urls;
	options.n_urls = 2;
	options.url_failures = 1;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE, "> fail connect not-sent", "< state unconnected: cut",
	     "< state handshaking: cut",
	     "< handshake long-polling@1 %", HANDSHAKE_OK, "< state connecting: cut", "< connect long-polling@1 %",
	     CONNECT_OK, "< state connected", "< connect long-polling@1 %", "> restart 100", "> start", RESUMING,
	     "< connect long-polling@1 %'c1'%", CONNECT_OK, "< state connected gap", "< connect long-polling@1 %");
}

static void credentials_come_first(void **state)
{
	(void)state;
	options.credentials = true;
	PLAY(&options, "> start", "< state unconnected: waiting for credentials", "< unauthorized", "> authorized",
	     "< state handshaking%", HANDSHAKE, HANDSHAKE_OK, "< state connecting%", PROBE, CONNECT_OK, "< state connected",
	     CONNECT, "> restart 100", "> start", "< state unconnected gap: waiting for credentials", "< unauthorized",
	     "> wait 5000", "> authorized", PROBE, CONNECT_OK, "< state connected gap", CONNECT);
}

static void markers_go_along(void **state)
{
	(void)state;
	options.replay = SESSION_REPLAY_NEW;
#define R_OFFER "< handshake long-polling [%,'ext':{'replay':true}}]"
#define R_AGREED                                                                                   \
	"> reply connect [{'clientId':'c1','supportedConnectionTypes':['long-polling'],"           \
	"'channel':'/meta/handshake','successful':true,'ext':{'replay':true}}]"
#define R_SUBSCRIBE(from) "< commands long-polling [%'/e','ext':{'replay':{'/e':" #from "}}}]"
#define EVENT(n) "{'channel':'/e','data':{'event':{'replayId':" #n "}}}"
#define R_UP                                                                                       \
	"> want /e", "> start", "< state handshaking", R_OFFER, R_AGREED, "< state connecting", PROBE, \
		R_SUBSCRIBE(-1), CONNECT_OK, "< state connected", CONNECT, SUBSCRIBED("/e"),        \
		"> reply connect [" EVENT(5) ",{'channel':'/meta/connect','successful':true}]",      \
		"< message /e {'event':{'replayId':5}}", CONNECT
	/* what was on the way to the process that is gone is repeated */
	PLAY(&options, R_UP, "> restart 100", "> want /e", "> start", RESUMING, PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     R_SUBSCRIBE(5));
	/* in a new session, too */
	PLAY(&options, R_UP, "> restart 100", "> want /e", "> start", RESUMING, PROBE, UNKNOWN,
	     "< state handshaking gap%", R_OFFER, R_AGREED, "< state connecting gap%", PROBE, R_SUBSCRIBE(5));
	/* what was delivered while an older one may still come is known, too, and the hole before it is not forgotten */
	PLAY(&options, R_UP, "> fail connect broken", "< state unconnected gap: cut", "> sleep 9000", "< +800..1200", PROBE,
	     "> reply connect [" EVENT(9) ",{'channel':'/meta/connect','successful':true}]", "< state connected gap%", CONNECT,
	     R_SUBSCRIBE(5), SUBSCRIBED("/e"), "< message /e {'event':{'replayId':9}}", "> killed 100", "> want /e", "> start",
	     RESUMING, PROBE, CONNECT_OK, "< state connected gap", CONNECT, R_SUBSCRIBE(5),
	     "> reply connect [" EVENT(5) "," EVENT(7) "," EVENT(9) ",{'channel':'/meta/connect','successful':true}]",
	     CONNECT, SUBSCRIBED("/e"), "< message /e {'event':{'replayId':7}}");
	/* a channel that no peer wants again begins with new events when it is wanted later */
	PLAY(&options, R_UP, "> restart 100", "> start", RESUMING, "> sleep 9000", "< +2000..2000", PROBE,
	     CONNECT_OK, "< state connected gap", CONNECT, R_SUBSCRIBE(5), SUBSCRIBED("/e"), "> sleep 29000",
	     "< +28000..28000", "< commands long-polling [{'channel':'/meta/unsubscribe',%'/e'}]",
	     "> reply command [{'channel':'/meta/unsubscribe','subscription':'/e','successful':true}]", "> want /e",
	     R_SUBSCRIBE(-1));
}

/* ---- snapshots that are damaged ---- */

/* Takes the next batch, and answers it unless `reply` is NULL. */
static void converse(struct session *s, const char *reply)
{
	struct session_event e;
	struct session_batch b;
	struct buf out;
	buf_init(&out, 1 << 20);
	while (session_next(s, 1000000, &e) == 0)
		;
	assert_int_equal(session_take_batch(s, 1000000, &out, &b), 0);
	if (reply) {
		assert_int_equal(session_feed(s, 1000000, b.id, slice_of(reply)), 0);
		while (session_next(s, 1000000, &e) == 0)
			;
		session_batch_end(s, 1000000, b.id);
	}
	while (session_next(s, 1000000, &e) == 0)
		;
	buf_fini(&out);
}

/* The snapshot of a session with everything in it. */
static void make_snapshot(struct buf *ret)
{
	struct session *s;
	uint64_t until;
	options.ack = true;
	options.replay = SESSION_REPLAY_NEW;
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	assert_int_equal(session_want(s, SLICE("/a"), 1), 0);
	assert_int_equal(session_want(s, SLICE("/b/**"), 1), 0);
	session_start(s, 1000000);
	converse(s, "[{\"channel\":\"/meta/handshake\",\"successful\":true,\"clientId\":\"c\\u0022\","
		    "\"ext\":{\"ack\":true,\"replay\":true}}]");
	converse(s, "[{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":7}}]");
	converse(s, NULL);
	converse(s, "[{\"channel\":\"/meta/subscribe\",\"subscription\":\"/a\",\"successful\":true}]");
	buf_init(ret, SESSION_SNAPSHOT_MAX);
	assert_int_equal(session_save(s, 1000000, ret, &until), 0);
	assert_int_equal(until, 1000000 + 60000 + 10000);
	session_free(s);
}

/* It is refused, and the session is as if there had been none. */
static void expect_refused(struct slice snapshot)
{
	struct session_info info;
	struct session_event e;
	struct session *s;
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	if (session_restore(s, 1000000, snapshot, true) != SESSION_E_NOT_RESUMABLE)
		fail_msg("restored: %.*s", SLICE_ARG(snapshot));
	session_start(s, 1000000);
	assert_int_equal(session_next(s, 1000000, &e), 0);
	session_info(s, &info);
	assert_int_equal(info.state, SESSION_HANDSHAKING);
	assert_int_equal(info.wanted, 0);
	assert_int_equal(info.generation, 0);
	assert_false(info.gap);
	session_free(s);
}

static void garbage_is_refused(void **state)
{
	static const struct { const char *was, *is; } edits[] = {
		{"\"version\":1", "\"version\":0"}, {"\"version\":1", "\"version\":2"}, {"\"version\":1", "\"version\":\"1\""},
		{"\"version\":1,", ""}, {"{\"version\"", "{\"more\":1,\"version\""}, {"{\"version\":1", "{\"version\":1,\"version\":1"},
		{"\"clientId\":\"c\\\"\"", "\"clientId\":\"\""}, {"\"clientId\":\"c\\\"\"", "\"clientId\":\"a\\u0000b\""},
		{"\"clientId\":\"c\\\"\"", "\"clientId\":7"}, {"\"id\":", "\"id\":-"}, {"\"id\":", "\"id\":1844674407370955161"},
		{"\"generation\":1", "\"generation\":1.5"}, {"\"generation\":1", "\"generation\":null"},
		{"\"gap\":false", "\"gap\":0"}, {"\"gap\":false", "\"gap\":\"false\""},
		{"\"url\":\"\"", "\"url\":\"http://elsewhere/\""}, {"\"url\":\"\"", "\"url\":[]"},
		{"long-polling", "websocket"}, {"long-polling", "pigeon"}, {"\"transport\":\"long-polling\"", "\"transport\":1"},
		{"\"timeout\":60000", "\"timeout\":99999999"}, {"\"timeout\":60000", "\"timeout\":true"},
		{"\"maxInterval\":0", "\"maxInterval\":1e3"}, {"\"alive\":", "\"alive\":0."}, {"\"offered\":", "\"offered\":9999999999"},
		{"\"covering\":", "\"covering\":0,\"x\":"}, {"[\"/a\"]", "{}"}, {"[\"/a\"]", "[\"/meta/x\"]"},
		{"[\"/a\"]", "[\"a\"]"}, {"[\"/a\"]", "[1]"}, {"[\"/a\"]", "[[\"/a\"]]"}, {"[\"/a\"]", "[\"/a\",\"/a\"]"},
		{"[\"/a\"]", "[\"/b/**\"]"}, {"[\"/a\"]", "[\"/\\u0001\"]"}, {"\"left\":[]", "\"right\":[]"},
		{"\"markers\":[", "\"markers\":[{},"}, {"\"after\":\"-1\"", "\"after\":\"-3\""}, {"\"after\":\"-1\"", "\"after\":\"\""},
		{"\"after\":\"-1\"", "\"after\":-1"}, {"\"after\":\"-1\"", "\"after\":\"123456789012345678901234567\""},
		{"\"on\":true", "\"on\":1"}, {"\"ack\":7", "\"ack\":\"7\""}, {"\"ack\":7", "\"ack\":1111111111111111111111111111"},
		{"\"ack\":7", "\"acks\":7"}, {"\"ack\":7}", "\"ack\":7}x"}, {"\"course\":{", "\"course\":[{"},
	};
	struct buf good, bad;
	struct session *s;
	(void)state;
	make_snapshot(&good);
	struct slice text = buf_slice(&good);
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	assert_int_equal(session_restore(s, 1000000, text, true), 0);
	session_free(s);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		size_t n = strlen(edits[i].was);
		const char *at = memmem(text.p, text.n, edits[i].was, n);
		if (!at)
			fail_msg("no %s in %.*s", edits[i].was, SLICE_ARG(text));
		buf_init(&bad, SESSION_SNAPSHOT_MAX);
		assert_int_equal(buf_put(&bad, slice_take(text, (size_t)(at - text.p))), 0);
		assert_int_equal(buf_put_str(&bad, edits[i].is), 0);
		assert_int_equal(buf_put(&bad, slice_drop(text, (size_t)(at - text.p) + n)), 0);
		expect_refused(buf_slice(&bad));
		buf_fini(&bad);
	}
	for (size_t n = 0; n < text.n; n++)
		expect_refused(slice_take(text, n));
	buf_fini(&good);
}

/* Whichever byte is wrong: refused, or a session that can be used. */
static void odd_bytes_do_no_damage(void **state)
{
	static const char odd[] = {'\0', '"', '\\', '{', '9', '\x80'};
	struct buf good;
	(void)state;
	make_snapshot(&good);
	struct slice text = buf_slice(&good);
	char *copy = malloc(text.n);
	assert_non_null(copy);
	for (size_t i = 0; i < text.n * sizeof(odd); i++) {
		struct session_event e;
		struct session *s;
		memcpy(copy, text.p, text.n);
		copy[i / sizeof(odd)] = odd[i % sizeof(odd)];
		assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
		session_restore(s, 1000000, slice_make(copy, text.n), true);
		session_start(s, 1000000);
		while (session_next(s, 1000000, &e) == 0)
			;
		session_tick(s, 1040000);
		session_stop(s, 1040000);
		while (session_next(s, 1040000, &e) == 0)
			;
		session_free(s);
	}
	free(copy);
	buf_fini(&good);
}

static void other_options_refuse_it(void **state)
{
	static const char *const urls[] = {"http://a/"};
	struct buf good;
	(void)state;
	make_snapshot(&good);
	options.ack = false;
	expect_refused(buf_slice(&good));
	options.ack = true;
	options.replay = SESSION_REPLAY_OFF;
	expect_refused(buf_slice(&good));
	options.replay = SESSION_REPLAY_NEW;
	options.transports[0] = SESSION_WEBSOCKET;
	expect_refused(buf_slice(&good));
	options.transports[0] = SESSION_LONG_POLLING;
	options.urls = urls;
	options.n_urls = 1;
	expect_refused(buf_slice(&good));
	buf_fini(&good);
}

static void memory_may_run_out(void **state)
{
	struct buf good;
	unsigned restored = 0;
	(void)state;
	make_snapshot(&good);
	FAIL_EACH_ALLOCATION {
		struct session *s = NULL;
		struct session_info info;
		struct buf again;
		uint64_t until;
		if (session_new(&options, (struct wake){0}, &s))
			continue;
		int r = session_restore(s, 1000000, buf_slice(&good), true);
		if (r) {
			assert_int_equal(r, -ENOMEM);
			session_info(s, &info);
			assert_int_equal(info.wanted, 0);
			assert_int_equal(info.client_id.n, 0);
			r = session_restore(s, 1000000, buf_slice(&good), true);
		}
		assert_int_equal(r, 0);
		session_info(s, &info);
		assert_int_equal(info.wanted, 2);
		assert_int_equal(info.generation, 1);
		buf_init(&again, SESSION_SNAPSHOT_MAX);
		r = session_save(s, 1000000, &again, &until);
		if (r) {
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(buf_len(&again), 0);
		}
		buf_fini(&again);
		session_free(s);
		restored++;
	}
	assert_true(restored > 10);
	/* no room for it */
	struct session *s;
	struct buf small;
	uint64_t until;
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	assert_int_equal(session_restore(s, 1000000, buf_slice(&good), true), 0);
	buf_init(&small, 100);
	assert_int_equal(session_save(s, 1000000, &small, &until), -EMSGSIZE);
	assert_int_equal(buf_len(&small), 0);
	buf_fini(&small);
	session_free(s);
	buf_fini(&good);
}

/* Ids of the earlier process are not used again, although it used some after it saved. */
static void ids_are_others(void **state)
{
	struct session *s[2];
	struct buf good, out[2];
	struct session_batch b;
	struct session_event e;
	uint64_t id[2];
	(void)state;
	make_snapshot(&good);
	for (unsigned i = 0; i < 2; i++) {
		options.seed = 100 + i;
		assert_int_equal(session_new(&options, (struct wake){0}, &s[i]), 0);
		assert_int_equal(session_restore(s[i], 1000000, buf_slice(&good), true), 0);
		session_start(s[i], 1000000);
		while (session_next(s[i], 1000000, &e) == 0)
			;
		buf_init(&out[i], 1 << 20);
		assert_int_equal(session_take_batch(s[i], 1002000, &out[i], &b), 0);
		const char *at = memmem(buf_slice(&out[i]).p, buf_len(&out[i]), "\"id\":\"", 6);
		assert_non_null(at);
		id[i] = strtoull(at + 6, NULL, 10);
		assert_true(id[i] > 1u << 30);
		session_free(s[i]);
		buf_fini(&out[i]);
	}
	assert_true(id[0] != id[1]);
	buf_fini(&good);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_waits_for_its_peers_and_resumes),
		TEST(what_was_not_confirmed_is_subscribed),
		TEST(of_a_killed_process_all_is_subscribed_again),
		TEST(it_is_left_without_a_disconnect),
		TEST(a_lost_session_is_made_again),
		TEST(without_a_session_there_is_nothing),
		cmocka_unit_test_setup(with_acknowledgements_nothing_is_lost, setup_ack),
		cmocka_unit_test_setup(over_a_websocket, setup_ack),
		TEST(at_another_url),
		TEST(credentials_come_first),
		TEST(markers_go_along),
		TEST(garbage_is_refused),
		TEST(odd_bytes_do_no_damage),
		TEST(other_options_refuse_it),
		TEST(memory_may_run_out),
		TEST(ids_are_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
