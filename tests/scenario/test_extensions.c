/*
 * Servers that keep what they sent: Salesforce for a day, by replay id; CometD
 * with its ack extension until a connect acknowledges it. Sessions and
 * connections are lost at any moment, and nothing is lost or doubled.
 */
#include "tests/scenario/watch.h"
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUICK "backoff = 50ms 200ms\nhalt-retry = 100ms\n"

static const char *const salesforce[] = {"--dialect", "salesforce", "--timeout", "60000", NULL};

/* the next message; it must have this text in it */
static void expect_message(struct wire *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void expect_message(struct wire *a, const char *format, ...)
{
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	char part[128];
	va_list ap;

	va_start(ap, format);
	vsnprintf(part, sizeof(part), format, ap);
	va_end(ap);
	if (!memmem(m->message.p, m->message.n, part, strlen(part)))
		fail_msg("heard %.*s and not %s", SLICE_ARG(m->message), part);
}

/* The server forgets us, and `between` is published before we are back. */
static void lose_session(struct world *w, struct wire *a, const char *between)
{
	fake_command(w->fake, "mark");
	if (between)
		fake_command(w->fake, "rule type=handshake hold");
	fake_command(w->fake, "expire");
	fake_await(w->fake, between ? "parked" : "handshake", NULL, 1);
	if (between) {
		fake_command(w->fake, "publish /event/E__e %s", between);
		fake_command(w->fake, "release");
	}
	wire_state(a, "demo", "connected");
}

/* ---- replay ---- */

static void replay_survives_lost_sessions(void **state)
{
	struct world *w = world_up(salesforce, QUICK);
	struct wire *a = world_peer(w, "a");

	(void)state;
	wire_ok(a, "subscribe", ",\"channel\":\"/event/E__e\"");
	for (int i = 0; i < 20; i += 4) {
		fake_await(w->fake, "held", NULL, 1);
		fake_command(w->fake, "publish /event/E__e %d", i);
		expect_message(a, "\"payload\":%d}", i);
		fake_command(w->fake, "publish /event/E__e %d", i + 1);
		char between[16];
		snprintf(between, sizeof(between), "%d", i + 2);
		/* i + 1 was received, or is on its way when the session is lost */
		lose_session(w, a, between);
		expect_message(a, "\"payload\":%d}", i + 1);
		expect_message(a, "\"payload\":%d}", i + 2);
		/* not earlier: replayed events come with the answer to the subscribe, new ones with the
		   answer to the connect, and two HTTP answers have no defined order */
		fake_command(w->fake, "publish /event/E__e %d", i + 3);
		expect_message(a, "\"payload\":%d}", i + 3);
	}
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	wire_close(a);
	world_free(w);
}

/* neither the id in the message nor the marker goes through a double: it would come again */
static void ids_of_64_bits(void **state)
{
	static const char *const ids[] = {"9007199254740993", "9007199254740995",
					  "9223372036854775807"};
	struct world *w = world_up(salesforce, QUICK);
	struct wire *a = world_peer(w, "a");

	(void)state;
	wire_ok(a, "subscribe", ",\"channel\":\"/event/E__e\"");
	for (int i = 0; i < 3; i++) {
		fake_await(w->fake, "held", NULL, 1);
		fake_command(w->fake, "publish /event/E__e {\"event\":{\"replayId\":%s}}", ids[i]);
		expect_message(a, "{\"replayId\":%s}", ids[i]);
		if (i < 2)
			lose_session(w, a, NULL);
	}
	wire_close(a);
	world_free(w);
}

static void stale_id_begins_with_all_that_is_retained(void **state)
{
	struct world *w = world_up(salesforce, QUICK);
	struct wire *a = world_peer(w, "a");

	(void)state;
	wire_ok(a, "subscribe", ",\"channel\":\"/event/E__e\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "publish /event/E__e 1");
	expect_message(a, "\"payload\":1}");
	fake_command(w->fake, "rule type=subscribe times=1 refuse "
			      "\"400::The replayId {1} you provided was invalid.\"");
	lose_session(w, a, "2");
	/* the fake retains everything, so it all comes again: better than to miss some of it */
	expect_message(a, "\"payload\":1}");
	expect_message(a, "\"payload\":2}");
	assert_true(world_log_has(w, "starts at another position"));
	wire_close(a);
	world_free(w);
}

static void stale_id_stops_where_that_is_wanted(void **state)
{
	struct world *w = world_up(salesforce, QUICK "replay-fallback = stop\n");
	struct wire *a = world_peer(w, "a");

	(void)state;
	wire_ok(a, "subscribe", ",\"channel\":\"/event/E__e\"");
	fake_await(w->fake, "held", NULL, 1);
	fake_command(w->fake, "publish /event/E__e 1");
	expect_message(a, "\"payload\":1}");
	fake_command(w->fake, "rule type=subscribe times=1 refuse "
			      "\"400::The replayId {1} you provided was invalid.\"");
	lose_session(w, a, NULL);
	const struct message *m = wire_expect(a, PROTOCOL_OP_SUBSCRIPTION);
	assert_false(m->ok);
	wire_close(a);
	world_free(w);
}

static void begins_with_what_was_retained(void **state)
{
	struct world *w = world_up(salesforce, QUICK "replay = all\n");
	struct wire *a = world_peer(w, "a");

	(void)state;
	fake_command(w->fake, "publish /event/E__e 1");
	wire_ok(a, "subscribe", ",\"channel\":\"/event/E__e\"");
	expect_message(a, "\"payload\":1}");
	wire_close(a);
	world_free(w);
}

/* ---- ack ---- */

#define ROUNDS 25
#define BURST 30

/* where the next round is cut: the same ones each time, from a generator of our own */
static unsigned next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* Receives messages `*received` to `to`, each once and in order. */
static void receive_until(struct wire *a, unsigned *received, unsigned to)
{
	for (; *received < to; ++*received)
		expect_message(a, "{\"data\":\"r%u-%u\",", *received / BURST, *received % BURST + 1);
}

/* Bursts are sent while connections are cut before, within and after them. */
static void cut_connections_lose_nothing(void **state)
{
	static const char *const cuts[] = {
		"cut", "cut all rst", "rule type=connect times=1 cut 300 reset",
		"rule type=connect times=1 close", "rule type=connect times=1 cut 40",
	};
	uint32_t seed = 4711;
	unsigned received = 0;
	char server[256];

	snprintf(server, sizeof(server), QUICK "transports = %s\n", (const char *)*state);
	struct world *w = world_up((const char *const[]){"--timeout", "60000", NULL}, server);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	for (unsigned round = 0; round < ROUNDS; round++) {
		const char *cut = cuts[next_random(&seed) % (sizeof(cuts) / sizeof(cuts[0]))];

		if (next_random(&seed) % 2)
			fake_command(w->fake, "%s", cut);
		fake_command(w->fake, "burst /r %d r%u", BURST, round);
		if (next_random(&seed) % 3 == 0)
			receive_until(a, &received, round * BURST + next_random(&seed) % BURST);
		fake_command(w->fake, "%s", cut);
	}
	receive_until(a, &received, ROUNDS * BURST);
	wire_assert_none(a, PROTOCOL_OP_MESSAGE);
	/* it was one session all the time, and it was cut */
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	assert_true(fake_count(w->fake, "accept", NULL) > ROUNDS / 2);
	wire_close(a);
	world_free(w);
}

/* ---- a configured ext ---- */

static void put_file(const struct world *w, const char *name, const char *text, char path[128])
{
	snprintf(path, 128, "%s/%s", w->dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

/* a program's own member wins; the handshake's comes from a file that is read each time */
static void ext_is_sent_with_each_request(void **state)
{
	struct world *w = world_new(NULL);
	char path[128], server[512];

	(void)state;
	put_file(w, "secret.ext", "{\"token\":\"canary-1\"}", path);
	snprintf(server, sizeof(server), QUICK "ext = handshake @%s\n"
		 "ext = publish {\"by\":\"bridge\",\"site\":7}\n", path);
	world_configure(w, NULL, server, NULL);
	fake_command(w->fake, "rule type=handshake times=all field ext {\"ack\":false}");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	wire_ok(a, "publish", ",\"channel\":\"/r\",\"data\":1,\"ext\":{\"by\":\"me\"}");
	expect_message(a, "\"ext\":{\"by\":\"me\",\"site\":7}");
	assert_true(fake_log_has(w->fake, "\"ext\":{\"token\":\"canary-1\","));
	put_file(w, "secret.ext", "{\"token\":\"canary-2\"}", path);
	lose_session(w, a, NULL);
	assert_true(fake_log_has(w->fake, "\"ext\":{\"token\":\"canary-2\","));
	/* the failure is reported without the content of the file */
	put_file(w, "secret.ext", "canary-3", path);
	lose_session(w, a, NULL);
	assert_true(world_log_has(w, "there is no JSON object where one must be"));
	assert_false(world_log_has(w, "canary"));
	wire_close(a);
	world_free(w);
}

/* Puts another file in the place of `path`, and waits until the daemon has read that one. */
static void replace_file(const struct world *w, const char *path, const char *text)
{
	char new_path[128];

	put_file(w, "new", text, new_path);
	int watch = watch_open(new_path, IN_CLOSE_NOWRITE);
	assert_int_equal(rename(new_path, path), 0);
	assert_true(watch_wait(watch, wire_now() + SCENARIO_DEADLINE_MS));
	close(watch);
}

static void a_changed_ext_file_is_read_again(void **state)
{
	struct world *w = world_new(NULL);
	char path[128], server[1024];

	(void)state;
	put_file(w, "publish.ext", "{\"token\":\"canary-1\"}", path);
	/* files are looked at as the session turns: that keeps it turning */
	snprintf(server, sizeof(server), QUICK "ext = publish @%s\next = connect @%s\n"
		 "ext = subscribe @%s\nkeep-alive = 100ms\n", path, path, path);
	world_configure(w, NULL, server, NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	assert_true(fake_log_has(w->fake, "\"subscription\":\"/r\",\"ext\":{\"token\":\"canary-1\"}"));
	assert_true(fake_log_has(w->fake, "\"timeout\":0},\"ext\":{\"token\":\"canary-1\""));
	wire_ok(a, "publish", ",\"channel\":\"/r\",\"data\":1");
	assert_true(fake_log_has(w->fake, "\"data\":1,\"ext\":{\"token\":\"canary-1\"}"));
	replace_file(w, path, "{\"token\":\"canary-2\"}");
	wire_ok(a, "publish", ",\"channel\":\"/r\",\"data\":2");
	assert_true(fake_log_has(w->fake, "\"data\":2,\"ext\":{\"token\":\"canary-2\"}"));
	assert_false(world_log_has(w, "canary"));
	wire_close(a);
	world_free(w);
}

static void fields_are_sent_with_each_request(void **state)
{
	static const char *const transports[] = {"websocket", "long-polling"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char server[512];

		snprintf(server, sizeof(server), QUICK "transports = %s\n"
			 "fields = handshake {\"h\":{\"id\":1}}\nfields = connect {\"c\":[2]}\n"
			 "fields = subscribe {\"s\":3}\nfields = publish {\"p\":4}\n", transports[i]);
		struct world *w = world_up(NULL, server);
		struct wire *a = world_peer(w, "a");
		wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
		wire_ok(a, "publish", ",\"channel\":\"/r\",\"data\":1,\"ext\":{\"by\":\"me\"}");
		assert_true(fake_log_has(w->fake, "],\"h\":{\"id\":1},\"ext\":{"));
		assert_true(fake_log_has(w->fake, "\"advice\":{\"timeout\":0},\"c\":[2],\"ext\":{"));
		assert_true(fake_log_has(w->fake, "\"subscription\":\"/r\",\"s\":3"));
		assert_true(fake_log_has(w->fake, "\"data\":1,\"p\":4,\"ext\":{\"by\":\"me\"}"));
		wire_close(a);
		world_free(w);
	}
}

/* ---- bytes ---- */

/* A file goes up in pieces and comes down to another program, which puts it together again. */
static void bytes_go_up_and_down(void **state)
{
	struct world *w = world_up(NULL, QUICK "binary = yes\n");
	struct wire *a = world_peer(w, "a");
	static const char marker[] = "\"ext\":{\"binary\":{}}", z85[] = "\"data\":\"0h&M\"";
	static const char answer[] = ",\"binary\":{\"data\":\"AKdO\",\"last\":true}}";
	char path[128], *out, *err;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/bytes", w->dir);
	f = fopen(path, "we");
	assert_non_null(f);
	for (int i = 0; i < 70000; i++)
		fputc(i * 167 % 256, f);
	assert_int_equal(fclose(f), 0);
	wire_ok(a, "subscribe", ",\"channel\":\"/r\"");
	assert_int_equal(world_command(w, &out, &err, "cometctl", "pub", "/r", "--binary", path, NULL),
			 0);
	free(out);
	free(err);
	for (int i = 0; i < 3; i++) {
		const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
		size_t wanted = i < 2 ? 32768 : 70000 - 2 * 32768;
		const char *last = i < 2 ? ",\"last\":false}" : ",\"last\":true}";

		/* other Bayeux clients get Z85 */
		assert_non_null(memmem(m->message.p, m->message.n, marker, strlen(marker)));
		assert_true(message_has(m, PROTOCOL_FIELD_BINARY));
		assert_int_equal(m->binary.n, strlen("{\"data\":\"\"") + (wanted + 2) / 3 * 4 +
					      strlen(last));
		assert_memory_equal(m->binary.p + m->binary.n - strlen(last), last, strlen(last));
	}
	/* the first bytes of the file, as others read base64 */
	wire_ok(a, "publish", ",\"channel\":\"/r\",\"binary\":{\"data\":\"AKdO\"}");
	const struct message *m = wire_expect(a, PROTOCOL_OP_MESSAGE);
	assert_true(slice_eq(m->binary, SLICE("{\"data\":\"AKdO\",\"last\":true}")));
	assert_non_null(memmem(m->message.p, m->message.n, z85, strlen(z85)));
	/* and so does the answer to a call */
	m = wire_ask(a, "call", ",\"channel\":\"/service/echo\",\"binary\":{\"data\":\"AKdO\"}");
	assert_true(m->ok);
	assert_non_null(memmem(m->result.p, m->result.n, z85, strlen(z85)));
	assert_non_null(memmem(m->result.p, m->result.n, answer, strlen(answer)));
	wire_close(a);
	world_free(w);
}

/* ---- a quiet session ---- */

static void an_idle_session_sends_keep_alives(void **state)
{
	struct world *w = world_up(NULL, QUICK "keep-alive = 100ms\n");
	struct wire *a = world_peer(w, "a");

	(void)state;
	wire_ok(a, "subscribe", ",\"channel\":\"/**\"");
	fake_await(w->fake, "publish", "/service/keep-alive", 3);
	/* and no peer receives the answer */
	wire_ok(a, "publish", ",\"channel\":\"/r\",\"data\":\"mine\"");
	expect_message(a, "\"mine\"");
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	wire_close(a);
	world_free(w);
}

/* ---- time ---- */

/* the daemon hands the clock on the wall down: today's date, and not that of a monotonic clock */
static void messages_carry_their_send_time(void **state)
{
	char before[32], after[32];
	time_t now = time(NULL);

	(void)state;
	strftime(before, sizeof(before), " %Y ", gmtime(&now));
	struct world *w = world_up(NULL, QUICK "timestamp = yes\n");
	struct wire *a = world_peer(w, "a");
	now = time(NULL);
	strftime(after, sizeof(after), " %Y ", gmtime(&now));
	assert_true(fake_log_has(w->fake, "\"timestamp\":\""));
	assert_true(fake_log_has(w->fake, before) || fake_log_has(w->fake, after));
	wire_close(a);
	world_free(w);
}

/* the server's clock is an hour fast: status shows that, and connects are held as usual */
static void the_servers_clock_is_in_the_status(void **state)
{
	char server[256], *out, *err;

	snprintf(server, sizeof(server), QUICK "timesync = yes\ntransports = %s\n",
		 (const char *)*state);
	struct world *w = world_new((const char *const[]){"--timeout", "300", NULL});
	fake_command(w->fake, "set timesync 3600000");
	world_configure(w, NULL, server, NULL);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	fake_await(w->fake, "connect", NULL, 4);
	assert_int_equal(world_command(w, &out, &err, "cometctl", "status", NULL), 0);
	const char *told = strstr(out, "its clock is ");
	long offset, lag;
	assert_non_null(told);
	assert_int_equal(sscanf(told, "its clock is %ld ms fast, a message takes %ld ms",
				&offset, &lag), 2);
	/* how exact it is depends on the machine's haste: test_session_time */
	assert_in_range(offset, 3600000 - SCENARIO_DEADLINE_MS, 3600000 + SCENARIO_DEADLINE_MS);
	assert_in_range(lag, 0, SCENARIO_DEADLINE_MS);
	free(out);
	free(err);
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay_survives_lost_sessions),
		cmocka_unit_test(ids_of_64_bits),
		cmocka_unit_test(stale_id_begins_with_all_that_is_retained),
		cmocka_unit_test(stale_id_stops_where_that_is_wanted),
		cmocka_unit_test(begins_with_what_was_retained),
		cmocka_unit_test_prestate(cut_connections_lose_nothing, "long-polling"),
		cmocka_unit_test_prestate(cut_connections_lose_nothing, "websocket"),
		cmocka_unit_test(ext_is_sent_with_each_request),
		cmocka_unit_test(a_changed_ext_file_is_read_again),
		cmocka_unit_test(fields_are_sent_with_each_request),
		cmocka_unit_test(bytes_go_up_and_down),
		cmocka_unit_test(an_idle_session_sends_keep_alives),
		cmocka_unit_test(messages_carry_their_send_time),
		cmocka_unit_test_prestate(the_servers_clock_is_in_the_status, "long-polling"),
		cmocka_unit_test_prestate(the_servers_clock_is_in_the_status, "websocket"),
	};

	return scenario_run("extensions", tests, NULL, NULL);
}
