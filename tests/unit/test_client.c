/*
 * Calls of the library over a real socket, against a daemon that follows a script:
 * what they send and bring, and which of them make no sense.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- blocking ---------------------------------------------------------- */

static void test_blocking(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO),
		D_SUBSCRIBE(2, "/a"),
		{D_HEAR, "{'op':'publish','id':3,'channel':'/a','data':{'n':1},'timeout'", 0},
		/* what comes ahead of a reply waits for cometd_next */
		D_MESSAGE(1, "/a", "{'n':1}"), D_OK(3),
		{D_HEAR, "{'op':'publish','id':4", 0}, D_REFUSE(4, "refused", "403::no"),
		{D_HEAR, "{'op':'call','id':5,'channel':'/service/x','data':7", 0},
		{D_SAY, "{'op':'reply','id':5,'ok':true,'result':{'message':{'data':[8]}}}", 0},
		{D_HEAR, "{'op':'status','id':6}", 0},
		{D_SAY, "{'op':'reply','id':6,'ok':true,'result':{'pid':1}}", 0},
		{D_HEAR, "{'op':'ping','id':7}", 0}, D_OK(7),
		{D_HEAR, "{'op':'unsubscribe','id':8,'channel':'/a'}", 0}, D_OK(8),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	const struct cometd_result *r;
	const struct cometd_event *e;

	(void)state;
	assert_int_equal(cometd_is_connected(c), 0);
	assert_int_equal(cometd_get_state(c, NULL), COMETD_E_DISCONNECTED);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_is_connected(c), 1);
	assert_int_equal(cometd_get_state(c, "demo"), COMETD_STATE_CONNECTED);
	assert_int_equal(cometd_wait_state(c, NULL, COMETD_STATE_CONNECTED, 0), 0);
	assert_int_equal(cometd_wait_state(c, "x", COMETD_STATE_CONNECTED, 0),
			 COMETD_E_UNKNOWN_SERVER);
	assert_int_equal(cometd_wait_state(c, NULL, COMETD_STATE_OFF, 0), COMETD_E_TIMEOUT);
	assert_int_equal(cometd_subscribe(c, NULL, "/a", 0, DEFAULT, &r), 0);
	assert_int_equal(r->pending, 0);
	assert_int_equal(cometd_publish(c, NULL, "/a", "{\"n\":1}", 7, DEFAULT, NULL), 0);
	assert_int_equal(cometd_publish(c, NULL, "/a", "2", 1, DEFAULT, &r), COMETD_E_REFUSED);
	assert_int_equal(r->error, COMETD_E_REFUSED);
	assert_string_equal(r->text, "403::no");
	assert_int_equal(cometd_call(c, NULL, "/service/x", "7", 1, DEFAULT, &r), 0);
	assert_text(r->data, r->data_len, "[8]");
	assert_text(r->message, r->message_len, "{\"data\":[8]}");
	assert_int_equal(cometd_status(c, DEFAULT, &r), 0);
	assert_text(r->json, r->json_len, "{\"pid\":1}");
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	assert_int_equal(cometd_unsubscribe(c, NULL, "/a", DEFAULT, NULL), 0);
	assert_int_equal(next(c, COMETD_EVENT_UP)->gap, 0);
	assert_string_equal(next(c, COMETD_EVENT_STATE)->server, "demo");
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_string_equal(e->channel, "/a");
	assert_text(e->data, e->data_len, "{\"n\":1}");
	assert_int_equal(cometd_next(c, 0, &e), COMETD_E_TIMEOUT);
	cometd_free(c);
	daemon_end(d);
}

/* All outcomes are in: a failure without a callback is not lost, one with a callback is its own. */
static void test_flush(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO), {D_HEAR, "'id':2", 0}, {D_HEAR, "'id':3", 0}, {D_HEAR, "'id':4", 0},
		D_OK(2), D_REFUSE(4, "refused", "no"), {D_WAIT, 0, 0}, D_REFUSE(3, "not-sent", "away"),
		{D_HEAR, "'id':5", 0}, D_REFUSE(5, "denied", "no"),
		{D_HEAR, "'id':6", 0}, D_OK(6), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct log log = {.c = new_client(d)};
	struct cometd *c = log.c;

	(void)state;
	assert_int_equal(cometd_flush(c, 0), 0);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(cometd_publish_async(c, NULL, "/a", "1", 1, DEFAULT, NULL, NULL), 0);
	assert_int_equal(cometd_flush(c, 1), COMETD_E_TIMEOUT);
	daemon_go(d);
	assert_true(cometd_flush(c, 20 * SEC) == COMETD_E_REFUSED);
	assert_int_equal(cometd_flush(c, 0), 0);
	assert_int_equal(cometd_publish_async(c, NULL, "/a", "1", 1, DEFAULT, on_result, &log), 0);
	assert_int_equal(cometd_flush(c, 20 * SEC), 0);
	assert_int_equal(log.n, 1);
	assert_int_equal(cometd_call_async(c, NULL, "/service/a", "1", 1, DEFAULT, NULL, NULL), 0);
	assert_int_equal(cometd_flush(c, 20 * SEC), 0);
	cometd_free(c);
	daemon_end(d);
}

#define D_BYTES(seq, binary)                                                                       \
	{D_SAY, "{'op':'message','server':'demo','seq':" #seq ",'message':{'channel':'/a','data':" \
		"{'data':'xK#0@zV'},'ext':{'binary':{}}},'binary':" binary "}", 0}

/* Events are kept for cometd_next, and so are their bytes, whatever they are. */
static void test_bytes(void **state)
{
	static char large[40000];
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO),
		{D_HEAR, ",'binary':{'data':'AP8K','last':false,'meta':[1]}}", 0},
		D_BYTES(1, "{'data':'aGVsbG8=','last':true}"),
		D_BYTES(2, "{'data':'AP8K','last':false,'meta':{'n':9007199254740993}}"),
		D_BYTES(3, "{'data':'','last':true}"), D_BYTES(4, "{'error':'it is no Z85'}"),
		D_BYTES(5, "{'data':'a'}"), D_BYTES(6, "{}"), {D_SAY, large, 0},
		D_OK(2), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	const struct cometd_message piece = {.size = sizeof(piece), .binary = "\0\xff\n",
		.binary_len = 3, .binary_more = 1, .binary_meta = "[1]", .binary_meta_len = 3};
	const struct cometd_event *e;

	(void)state;
	/* the names of an event do not move when its bytes are appended after them */
	int n = snprintf(large, sizeof(large), "{'op':'message','server':'demo','seq':7,'message':"
			 "{'channel':'/large'},'binary':{'data':'");
	memset(large + n, 'A', 32000);
	strcpy(large + n + 32000, "'}}");
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_publish_message(c, NULL, "/a", &piece, DEFAULT, NULL), 0);
	next(c, COMETD_EVENT_UP);
	next(c, COMETD_EVENT_STATE);
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_text(e->binary, e->binary_len, "hello");
	assert_text(e->data, e->data_len, "{\"data\":\"xK#0@zV\"}");
	assert_string_equal(e->channel, "/a");
	assert_int_equal(e->binary_more, 0);
	assert_null(e->binary_meta);
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_int_equal(e->binary_len, 3);
	assert_memory_equal(e->binary, "\0\xff\n", 3);
	assert_int_equal(e->binary_more, 1);
	assert_text(e->binary_meta, e->binary_meta_len, "{\"n\":9007199254740993}");
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_non_null(e->binary);
	assert_int_equal(e->binary_len, 0);
	for (int i = 4; i <= 6; i++) {
		e = next(c, COMETD_EVENT_MESSAGE);
		assert_null(e->binary);
		assert_text(e->data, e->data_len, "{\"data\":\"xK#0@zV\"}");
	}
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_int_equal(e->binary_len, 24000);
	assert_string_equal(e->channel, "/large");
	assert_string_equal(e->server, "demo");
	cometd_free(c);
	daemon_end(d);
}

/* A daemon that the user runs, as soon as there is a directory for its socket. */
static void assert_own_daemon_preferred(struct cometd *c)
{
	char dir[] = "/tmp/test-client-XXXXXX", own[64];

	assert_non_null(mkdtemp(dir));
	setenv("XDG_RUNTIME_DIR", dir, 1);
	assert_string_equal(cometd_get_socket(c), COMETD_SOCKET_DEFAULT);
	snprintf(own, sizeof(own), "%s/cometd-bridge", dir);
	assert_int_equal(mkdir(own, 0700), 0);
	snprintf(own, sizeof(own), "%s/cometd-bridge/bridge.sock", dir);
	assert_string_equal(cometd_get_socket(c), own);
	setenv("COMETD_BRIDGE_SOCKET", "/somewhere", 1);
	assert_string_equal(cometd_get_socket(c), "/somewhere");
	unsetenv("COMETD_BRIDGE_SOCKET");
	unsetenv("XDG_RUNTIME_DIR");
	snprintf(own, sizeof(own), "%s/cometd-bridge", dir);
	assert_int_equal(rmdir(own), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_bad_arguments(void **state)
{
	char path[200];
	struct cometd *c;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_set_socket(c, path), COMETD_E_INVALID);
	assert_int_equal(cometd_set_socket(c, ""), COMETD_E_INVALID);
	path[107] = '\0';
	assert_int_equal(cometd_set_socket(c, path), 0);
	assert_string_equal(cometd_get_socket(c), path);
	assert_int_equal(cometd_set_socket(c, NULL), 0);
	setenv("COMETD_BRIDGE_SOCKET", "/somewhere", 1);
	assert_string_equal(cometd_get_socket(c), "/somewhere");
	unsetenv("COMETD_BRIDGE_SOCKET");
	unsetenv("XDG_RUNTIME_DIR");
	assert_string_equal(cometd_get_socket(c), COMETD_SOCKET_DEFAULT);
	assert_own_daemon_preferred(c);
	assert_int_equal(cometd_set_name(c, ""), COMETD_E_INVALID);
	assert_int_equal(cometd_set_name(c, "\377"), COMETD_E_INVALID);
	assert_int_equal(cometd_set_name(c, path), COMETD_E_INVALID);
	assert_int_equal(cometd_set_name(c, NULL), 0);
	assert_int_equal(cometd_publish_async(c, NULL, "/a", "{", 1, DEFAULT, NULL, NULL),
			 COMETD_E_JSON);
	assert_int_equal(cometd_publish_async(c, NULL, NULL, "1", 1, DEFAULT, NULL, NULL),
			 COMETD_E_INVALID);
	assert_int_equal(cometd_publish_async(c, NULL, "/a", NULL, 0, DEFAULT, NULL, NULL),
			 COMETD_E_INVALID);
	assert_int_equal(cometd_publish_async(c, NULL, "/a", "1", 1, 0, NULL, NULL),
			 COMETD_E_INVALID);
	assert_int_equal(cometd_publish_async(c, NULL, "/a", "1", 1, 3600001, NULL, NULL),
			 COMETD_E_INVALID);
	assert_int_equal(cometd_subscribe_async(c, NULL, "/a", 4, DEFAULT, NULL, NULL),
			 COMETD_E_INVALID);
	assert_int_equal(cometd_unsubscribe_async(c, NULL, "/a", DEFAULT, NULL, NULL),
			 COMETD_E_NOT_SUBSCRIBED);
	cometd_free(c);
	cometd_free(NULL);
}

/* What one call gave may be given to the next: the usual echo. */
static void test_given_socket_is_used(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO), {D_HEAR, "ping", 0}, D_MESSAGE(1, "/a", "{'n':1}"),
		D_MESSAGE(2, "/b", "{'n':2}"), D_OK(2),
		{D_HEAR, "{'op':'call','id':3,'server':'demo','channel':'/a','data':{'n':1},", 0},
		{D_SAY, "{'op':'reply','id':3,'ok':true,'result':{'message':{'data':[8]}}}", 0},
		{D_HEAR, "{'op':'publish','id':4,'channel':'/c','data':[8],", 0}, D_OK(4),
		{D_HEAR, "{'op':'subscribe','id':5,'server':'demo','channel':'/b'}", 0}, D_OK(5),
		{D_HEAR, "ping", 0},
		{D_SAY, "{'op':'state','server':'demo','state':'off','since':1,'gap':false}", 0},
		D_OK(6), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	const struct cometd_result *r;
	const struct cometd_event *e;

	(void)state;
	/* after a blocking call they are copies, which the next call frees */
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	next(c, COMETD_EVENT_UP), next(c, COMETD_EVENT_STATE);
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_int_equal(cometd_call(c, e->server, e->channel, e->data, e->data_len, DEFAULT, &r), 0);
	assert_int_equal(cometd_publish(c, NULL, "/c", r->data, r->data_len, DEFAULT, NULL), 0);
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_int_equal(cometd_subscribe(c, e->server, e->channel, 0, DEFAULT, NULL), 0);
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	e = next(c, COMETD_EVENT_STATE);
	assert_int_equal(cometd_wait_state(c, e->server, COMETD_STATE_OFF, DEFAULT), 0);
	cometd_free(c);
	daemon_end(d);
}

/* ---- messages ---------------------------------------------------------- */

static int try_message(struct cometd *c, struct cometd_message m)
{
	int error = cometd_call_message_async(c, NULL, "/a", &m, DEFAULT, NULL, NULL);

	assert_int_equal(cometd_publish_message_async(c, NULL, "/a", &m, DEFAULT, NULL, NULL), error);
	return error;
}

#define MESSAGE(...) ((struct cometd_message){.size = sizeof(struct cometd_message), __VA_ARGS__})
#define JSON(field, text) .field = text, .field##_len = sizeof(text) - 1

static void test_bad_messages(void **state)
{
	static char large[4 << 20];
	struct cometd *c;

	(void)state;
	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_publish_message_async(c, NULL, "/a", NULL, DEFAULT, NULL, NULL),
			 COMETD_E_INVALID);
	assert_int_equal(try_message(c, (struct cometd_message){JSON(data, "1")}), COMETD_E_INVALID);
	assert_int_equal(try_message(c, MESSAGE(JSON(ext, "{}"))), COMETD_E_INVALID);
	assert_int_equal(try_message(c, MESSAGE(JSON(data, "1"), JSON(binary, "x"))),
			 COMETD_E_INVALID);
	assert_int_equal(try_message(c, MESSAGE(JSON(data, "1,2"))), COMETD_E_JSON);
	assert_int_equal(try_message(c, MESSAGE(JSON(data, "1"), JSON(ext, "[]"))), COMETD_E_JSON);
	assert_int_equal(try_message(c, MESSAGE(JSON(data, "1"), JSON(ext, ""))), COMETD_E_JSON);
	assert_int_equal(try_message(c, MESSAGE(JSON(data, "1"), JSON(ext, "{},\"x\":{}"))),
			 COMETD_E_JSON);
	assert_int_equal(try_message(c, MESSAGE(JSON(binary, "x"), JSON(binary_meta, "1,2"))),
			 COMETD_E_JSON);
	assert_int_equal(try_message(c, MESSAGE(JSON(binary, large))), COMETD_E_TOO_LARGE);
	assert_int_equal(try_message(c, MESSAGE(JSON(data, "1"), JSON(ext, large))),
			 COMETD_E_TOO_LARGE);
	assert_int_equal(try_message(c, MESSAGE(JSON(data, "1"), JSON(ext, "{}"))), 0);
	cometd_free(c);
}

/* A program built with a newer header: unused new fields are accepted, used ones are an error. */
static void test_newer_message(void **state)
{
	struct {
		struct cometd_message known;
		size_t unknown;
	} newer = {MESSAGE(JSON(data, "1")), 0};
	struct cometd *c;

	(void)state;
	newer.known.size = sizeof(newer);
	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_publish_message_async(c, NULL, "/a", &newer.known, DEFAULT, NULL,
						      NULL), 0);
	newer.unknown = 1;
	assert_int_equal(cometd_publish_message_async(c, NULL, "/a", &newer.known, DEFAULT, NULL,
						      NULL), COMETD_E_INVALID);
	cometd_free(c);
}

static void test_no_memory(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct cometd *c = NULL;
		int error = cometd_new(&c);

		if (!error)
			error = cometd_set_socket(c, "/nonexistent/sock");
		if (!error)
			error = cometd_subscribe_async(c, NULL, "/a", 0, DEFAULT, NULL, NULL);
		if (error)
			assert_int_equal(error, COMETD_E_NOMEM);
		cometd_free(c);
	}
}

/* ---- durable consumers ------------------------------------------------- */

static void subscribe_durable(struct cometd *c)
{
	struct cometd_subscription s = {.size = sizeof(s), .durable = "jobs"};
	const char *const wrong[] = {"", "a/b", "a b", "\xc3\xa4",
		"0123456789012345678901234567890123456789012345678901234567890123x"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct cometd_subscription w = {.size = sizeof(w), .durable = wrong[i]};

		assert_int_equal(cometd_subscribe_with(c, NULL, "/a", &w, DEFAULT, NULL), COMETD_E_INVALID);
	}
	s.history = 1;
	assert_int_equal(cometd_subscribe_with(c, NULL, "/a", &s, DEFAULT, NULL), COMETD_E_INVALID);
	s.history = 0, s.since = 1;
	assert_int_equal(cometd_subscribe_with(c, NULL, "/a", &s, DEFAULT, NULL), COMETD_E_INVALID);
	s.since = 0, s.epoch = "e1";
	assert_int_equal(cometd_subscribe_with(c, NULL, "/a", &s, DEFAULT, NULL), COMETD_E_INVALID);
	s.epoch = NULL, s.flags = COMETD_LISTEN_ONLY;
	assert_int_equal(cometd_subscribe_with(c, NULL, "/a", &s, DEFAULT, NULL), COMETD_E_INVALID);
	s.flags = 0;
	assert_int_equal(cometd_subscribe_with(c, NULL, "/a", &s, DEFAULT, NULL), 0);
}

static void test_durable(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, "{'server':'demo','default':true,'state':'connected','since':1,'gap':false,'epoch':'e1','seq':9}"),
		{D_HEAR, "{'op':'subscribe','id':2,'channel':'/a','durable':'jobs'}", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':[{'channel':'/a','ok':true}],'acked':4,"
			"'redelivered':5}}", 0},
		D_MESSAGE(5, "/a", "1"), D_MESSAGE(6, "/a", "2"),
		{D_HEAR, "{'op':'ack','id':3,'server':'demo','durable':'jobs','seq':6}", 0},
		D_REFUSE(3, "internal", "the disk is full"),
		{D_HEAR, "{'op':'ack','id':4,'durable':'jobs','seq':6}", 0}, D_OK(4),
		{D_HEAR, "{'op':'consumers','id':5}", 0},
		{D_SAY, "{'op':'reply','id':5,'ok':true,'result':{'consumers':[]}}", 0},
		{D_HEAR, "{'op':'forget','id':6,'server':'demo','durable':'x'}", 0},
		D_REFUSE(6, "unknown-consumer", "no consumer x"),
		{D_HEAR, "{'op':'forget','id':7,'durable':'jobs'}", 0}, D_REFUSE(7, "in-use", "pid 7 has it"),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	const struct cometd_result *r;
	const struct cometd_event *e;

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_ack(c, NULL, NULL, 6, DEFAULT, NULL), COMETD_E_NOT_SUBSCRIBED);
	subscribe_durable(c);
	next(c, COMETD_EVENT_UP), next(c, COMETD_EVENT_STATE);
	assert_int_equal(next(c, COMETD_EVENT_MESSAGE)->redelivered, 1);
	e = next(c, COMETD_EVENT_MESSAGE);
	assert_int_equal(e->redelivered, 0);
	/* the event is an argument, and is freed by the call */
	assert_int_equal(cometd_ack(c, e->server, e->epoch, e->seq, DEFAULT, &r), COMETD_E_INTERNAL);
	assert_string_equal(r->text, "the disk is full");
	assert_int_equal(cometd_ack(c, NULL, "", 6, DEFAULT, NULL), COMETD_E_INVALID);
	assert_int_equal(cometd_ack(c, "other", NULL, 6, DEFAULT, NULL), COMETD_E_NOT_SUBSCRIBED);
	assert_int_equal(cometd_ack(c, NULL, "e0", 6, DEFAULT, NULL), COMETD_E_EXPIRED);
	assert_int_equal(cometd_ack(c, NULL, NULL, 6, DEFAULT, NULL), 0);
	assert_int_equal(cometd_consumers(c, DEFAULT, &r), 0);
	assert_text(r->json, r->json_len, "{\"consumers\":[]}");
	assert_int_equal(cometd_forget(c, "demo", "x", DEFAULT, &r), COMETD_E_UNKNOWN_CONSUMER);
	assert_int_equal(cometd_forget(c, NULL, "jobs", DEFAULT, &r), COMETD_E_IN_USE);
	assert_string_equal(r->text, "pid 7 has it");
	assert_int_equal(cometd_forget(c, NULL, "no/name", DEFAULT, &r), COMETD_E_INVALID);
	assert_int_equal(cometd_forget(c, NULL, NULL, DEFAULT, &r), COMETD_E_INVALID);
	cometd_free(c);
	daemon_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_blocking), TEST(test_durable), TEST(test_flush), TEST(test_bytes), TEST(test_given_socket_is_used), TEST(test_bad_arguments),
		TEST(test_bad_messages), TEST(test_newer_message), TEST(test_no_memory),
	};

	/* a hang is a failure, too */
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
