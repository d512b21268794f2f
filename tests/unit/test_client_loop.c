/*
 * The library in a loop: callbacks, freeing at critical moments, many events at once, and
 * events that the application does not read.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_test.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static void test_any_loop(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), D_SUBSCRIBE(2, "/a"), {D_HEAR, "'id':3", 0}, {D_HEAR, "'id':4", 0},
		D_OK(4), D_OK(3), D_MESSAGE(1, "/a", "1"), D_MESSAGE(2, "/a", "2"),
		{D_HEAR, "{'op':'unsubscribe','id':5,'channel':'/a'}", 0}, D_OK(5),
		{D_HEAR, "ping", 0}, D_OK(6),
		{D_HANGUP, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct log log = {.c = new_client(d), .unsubscribe_at = 5};

	(void)state;
	cometd_set_listener(log.c, on_event, &log);
	assert_int_equal(cometd_get_timeout(log.c), 0);
	assert_int_equal(cometd_get_events(log.c), POLLIN);
	assert_int_equal(cometd_subscribe_async(log.c, NULL, "/a", 0, DEFAULT, on_result, &log), 0);
	assert_int_equal(cometd_publish_async(log.c, NULL, "/a", "1", 1, DEFAULT, on_result, &log),
			 0);
	assert_int_equal(cometd_publish_async(log.c, NULL, "/a", "2", 1, DEFAULT, on_result, &log),
			 0);
	assert_int_equal(loop_until(&log, 6), 0);
	assert_string_equal(log.text, "up ok ok ok message message ");
	/* outside of callbacks: the descriptor alone must wake the loop */
	assert_int_equal(cometd_ping_async(log.c, DEFAULT, on_result, &log), 0);
	assert_int_equal(loop_until(&log, 8), 0);
	assert_string_equal(log.text, "up ok ok ok message message ok down ");
	cometd_free(log.c);
	daemon_end(d);
}

static void test_free_in_callbacks(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO), D_SUBSCRIBE(2, "/a"),
		{D_HEAR, "ping", 0}, D_MESSAGE(1, "/a", "1"), D_MESSAGE(2, "/a", "2"),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	static const char *const told[] = {
		"up closed closed ", "up state closed closed ", "up state ok closed ",
		"up state ok message closed "};

	(void)state;
	for (int at = 1; at <= 4; at++) {
		/* the client may close before the script is complete: only the end matters */
		struct daemon_step cut[16];
		struct daemon *d;
		struct log log = {.free_at = at};

		memcpy(cut, script, sizeof(script));
		if (at < 3)
			cut[3] = (struct daemon_step){D_HEAR_END, 0, 0}, cut[4].what = D_END;
		else if (at == 3)
			cut[5].what = D_END; /* the ping may or may not have left */
		d = daemon_start(cut);
		log.c = new_client(d);
		cometd_set_listener(log.c, on_event, &log);
		assert_int_equal(cometd_subscribe_async(log.c, NULL, "/a", 0, DEFAULT,
							on_result, &log), 0);
		assert_int_equal(cometd_ping_async(log.c, DEFAULT, on_result, &log), 0);
		assert_int_equal(loop_until(&log, 100), COMETD_E_CLOSED);
		assert_string_equal(log.text, told[at - 1]);
		daemon_end(d);
	}
}

static void free_it(struct cometd *c, const struct cometd_event *e, void *user)
{
	(void)user;
	if (e->type == COMETD_EVENT_MESSAGE)
		cometd_free(c);
}

static void test_free_under_blocking_call(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO), {D_HEAR, "ping", 0}, D_MESSAGE(1, "/a", "1"),
		{D_HEAR_END, 0, 0},
		{D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);

	(void)state;
	cometd_set_listener(c, free_it, NULL);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_ping(c, DEFAULT), COMETD_E_CLOSED);
	daemon_end(d);
}

static void test_cancel(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), {D_HEAR, "status", 0}, {D_HEAR, "ping", 0}, D_OK(2), D_OK(3),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct log log = {.c = new_client(d)};

	(void)state;
	assert_int_equal(cometd_status_async(log.c, DEFAULT, on_result, &log), 0);
	assert_int_equal(cometd_cancel(log.c, on_result, NULL), 0);
	assert_int_equal(cometd_cancel(log.c, on_result, &log), 1);
	assert_int_equal(cometd_ping(log.c, DEFAULT), 0);
	assert_int_equal(log.n, 0);
	cometd_free(log.c);
	daemon_end(d);
}

/* ---- much -------------------------------------------------------------- */

static void test_large(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""),
		{D_HEAR_SIZE, 0, (3 << 20) + 62}, D_OK(2), {D_SAY_BIG, 0, 15 << 20},
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	size_t n = 3 << 20;
	char *data = malloc(n);

	(void)state;
	assert_non_null(data);
	memset(data, '7', n);
	assert_int_equal(cometd_publish(c, NULL, "/a", data, n, DEFAULT, NULL), 0);
	assert_int_equal(cometd_publish(c, NULL, "/a", data, 5 << 20, DEFAULT, NULL),
			 COMETD_E_TOO_LARGE);
	next(c, COMETD_EVENT_UP);
	assert_int_equal(next(c, COMETD_EVENT_MESSAGE)->data_len, 15 << 20);
	free(data);
	cometd_free(c);
	daemon_end(d);
}

/* ---- ceilings ---------------------------------------------------------- */

/* The application does not read events: the library stops reading, reports it, and loses nothing. */
static void test_backlog(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), {D_HEAR, "ping", 0},
		{D_SAY_BIG, 0, 3 << 20}, {D_SAY_BIG, 0, 3 << 20}, {D_SAY_BIG, 0, 3 << 20},
		{D_SAY_BIG, 0, 3 << 20}, {D_SAY_BIG, 0, 3 << 20}, {D_SAY_BIG, 0, 3 << 20},
		D_OK(2), {D_HEAR, "'id':3", 0}, D_OK(3),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);

	(void)state;
	assert_int_equal(cometd_ping(c, DEFAULT), COMETD_E_BACKLOG);
	assert_int_equal(cometd_process(c), COMETD_E_BACKLOG);
	assert_int_equal(cometd_get_timeout(c), -1);
	/* and the loop may rest, though there is more to read */
	assert_int_equal(poll(&(struct pollfd){.fd = cometd_get_fd(c), .events = POLLIN}, 1, 0), 0);
	next(c, COMETD_EVENT_UP);
	for (unsigned i = 1; i <= 6; i++)
		assert_int_equal(next(c, COMETD_EVENT_MESSAGE)->seq, i);
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	cometd_free(c);
	daemon_end(d);
}

/* A listener set later gets what has waited, in order. */
static void test_listener_later(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO), {D_HEAR, "ping", 0}, D_MESSAGE(1, "/a", "1"), D_OK(2),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct log log = {.c = new_client(d)};
	const struct cometd_event *e;

	(void)state;
	assert_int_equal(cometd_ping(log.c, DEFAULT), 0);
	cometd_set_listener(log.c, on_event, &log);
	assert_int_equal(cometd_next(log.c, 0, &e), COMETD_E_INVALID);
	assert_int_equal(cometd_get_timeout(log.c), 0);
	assert_int_equal(cometd_process(log.c), 0);
	assert_string_equal(log.text, "up state message ");
	cometd_free(log.c);
	daemon_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_any_loop), TEST(test_free_in_callbacks),
		TEST(test_free_under_blocking_call), TEST(test_cancel), TEST(test_large),
		TEST(test_backlog), TEST(test_listener_later),
	};

	/* a hang is a failure, too */
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
