/*
 * io/outage: what the log gets to read of a server that is lost, back, or both all the time. The
 * session is played by its session_info; time is a number.
 */
#include "tests/unit/testing.h"
#include "upstream/outage.h"

#include <stdio.h>

#define S 1000u
#define MIN (60u * S)
#define HOUR (60u * MIN)

static struct {
	struct outage outage;
	struct session_info info;
	uint64_t now;
	struct outage_line line;
	unsigned lines;
} w;

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	outage_init(&w.outage);
	w.now = 5000;
	w.info = (struct session_info){.state = SESSION_OFF, .retry_at = UINT64_MAX};
	return 0;
}

/* The next line, or NULL. */
static const char *look(void)
{
	w.line.text[0] = '\0';
	if (!outage_look(&w.outage, w.now, &w.info, &w.line))
		return NULL;
	w.lines++;
	return w.line.text;
}

#define LOGS(expected) assert_string_equal(look(), expected)
#define LOGS_NOTHING() assert_null(look())

static void be(enum session_state state)
{
	bool was_down = w.info.state != SESSION_CONNECTED && w.info.state != SESSION_OFF;
	bool down = state != SESSION_CONNECTED && state != SESSION_OFF;

	if (!was_down || !down)
		w.info.since = w.now;
	if (!was_down && down)
		w.info.tries = 0;
	w.info.losses += w.info.state == SESSION_CONNECTED && down;
	w.info.state = state;
	w.info.retry_at = UINT64_MAX;
	w.info.reason = state == SESSION_CONNECTED ? SLICE_NULL : w.info.reason;
}

static void try_it(void)
{
	w.info.state = SESSION_HANDSHAKING;
	w.info.tries++;
}

static void lose(const char *reason, uint64_t retry_in)
{
	be(SESSION_UNCONNECTED);
	w.info.reason = slice_of(reason);
	w.info.retry_at = retry_in == UINT64_MAX ? retry_in : w.now + retry_in;
}

static void come_up(void)
{
	be(SESSION_HANDSHAKING);
	LOGS_NOTHING();
	try_it();
	be(SESSION_CONNECTED);
	LOGS("connected");
}

static void test_one_outage(void **state)
{
	(void)state;
	come_up();
	assert_int_equal(w.line.level, LOG_L_NOTICE);
	w.now += HOUR;
	lose("Connection reset by peer", 0);
	LOGS("connection lost: Connection reset by peer; trying again now");
	assert_int_equal(w.line.level, LOG_L_WARNING);
	try_it();
	LOGS_NOTHING();
	w.now += 10 * S;
	lose("Connection refused", 4 * S);
	LOGS("not connected for 10 s (1 try): Connection refused; trying again in 4 s");
	for (int i = 0; i < 100; i++) {
		try_it();
		LOGS_NOTHING();
		w.now += 4 * S;
		lose("Connection refused", 60 * S);
		LOGS_NOTHING();
	}
	try_it();
	be(SESSION_CONNECTED);
	LOGS("connected again after 6 min 50 s (102 tries)");
	LOGS_NOTHING();
	be(SESSION_DISCONNECTING);
	LOGS_NOTHING();
	be(SESSION_OFF);
	LOGS("session ended");
	LOGS_NOTHING();
}

static void test_never_there(void **state)
{
	(void)state;
	be(SESSION_UNCONNECTED);
	w.info.reason = SLICE("waiting for credentials");
	LOGS_NOTHING();
	w.now += 2 * S;
	lose("the token server refused: invalid_client", UINT64_MAX);
	LOGS("cannot connect: the token server refused: invalid_client");
	w.now += 26 * HOUR;
	try_it();
	be(SESSION_HALTED);
	w.info.reason = SLICE("handshake refused: 403 no");
	w.info.retry_at = w.now + 90 * MIN;
	LOGS("not connected for 1 d 2 h (1 try): handshake refused: 403 no; trying again in 1 h 30 min");
	w.info.reason = SLICE("stop");
	w.info.retry_at = UINT64_MAX;
	LOGS("not connected for 1 d 2 h (1 try): stop; not tried again before the daemon is restarted");
	be(SESSION_CONNECTED);
	LOGS("connected after 1 d 2 h (1 try)");
}

/* A session that the server forgets is lost, though it is back before anyone looks. */
static void test_lost_within_a_turn(void **state)
{
	(void)state;
	come_up();
	w.now += 5 * S;
	be(SESSION_HANDSHAKING);
	w.info.reason = SLICE("connect refused: 402 unknown client");
	LOGS("connection lost: connect refused: 402 unknown client; trying again now");
	try_it();
	be(SESSION_CONNECTED);
	LOGS("connected again after 0 ms (1 try)");
	w.now += 7 * S;
	w.info.losses++;
	w.info.since = w.now;
	LOGS("connected again after 0 ms (1 try); in the last 7 s it was lost 1 time, and away for 0 ms "
	     "in all, last because: connect refused: 402 unknown client");
}

/* Lost and back every two seconds for a day: the number of lines in any hour. */
static void test_flapping(void **state)
{
	uint64_t at[400];
	unsigned begin = 0;

	(void)state;
	come_up();
	at[0] = w.now;
	for (unsigned i = 0; i < 43200; i++) {
		unsigned before = w.lines;

		w.now += S;
		if (w.info.state == SESSION_CONNECTED)
			lose(i % 3 ? "Connection refused" : "Connection reset by peer", 2 * S);
		else
			be(SESSION_CONNECTED);
		look();
		if (w.lines == before)
			continue;
		assert_true(w.lines <= sizeof(at) / sizeof(at[0]));
		at[w.lines - 1] = w.now;
		while (at[begin] + HOUR <= w.now)
			begin++;
		assert_true(w.lines - begin <= 12);
	}
	assert_true(w.lines > 60);
	/* what was omitted is in the next line, whenever that may be */
	for (unsigned i = 0; i < 8; i++) {
		w.now += S;
		lose("Connection refused", 2 * S);
		look();
		w.now += S;
		be(SESSION_CONNECTED);
		look();
	}
	w.now = outage_due(&w.outage);
	assert_true(w.now < UINT64_MAX);
	assert_non_null(look());
	assert_non_null(strstr(w.line.text, "connected again after 1 s"));
	assert_non_null(strstr(w.line.text, " it was lost "));
	assert_non_null(strstr(w.line.text, "last because: Connection re"));
	assert_true(outage_due(&w.outage) == UINT64_MAX);
	LOGS_NOTHING();
}

/* Always another reason, and notes at each try: the loss and the return still have their line. */
static void test_reasons_that_change(void **state)
{
	char reason[64];
	unsigned notes = 0;

	(void)state;
	come_up();
	w.now += HOUR;
	lose("HTTP status 500", S);
	assert_non_null(look());
	w.lines = 0;
	for (unsigned i = 0; i < 3600; i++) {
		w.now += S;
		snprintf(reason, sizeof(reason), "HTTP status 500, request %u", i);
		lose(reason, S);
		look();
		notes += outage_may_note(&w.outage, w.now);
	}
	assert_true(w.lines + notes <= 10);
	assert_true(w.lines > 3);
	be(SESSION_CONNECTED);
	LOGS("connected again after 1 h (0 tries)");
	lose("HTTP status 502", S);
	LOGS("connection lost: HTTP status 502; trying again in 1 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_outage, setup),
		cmocka_unit_test_setup(test_never_there, setup),
		cmocka_unit_test_setup(test_lost_within_a_turn, setup),
		cmocka_unit_test_setup(test_flapping, setup),
		cmocka_unit_test_setup(test_reasons_that_change, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
