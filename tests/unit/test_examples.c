/*
 * The programs of libclient/examples, against a daemon that follows a script.
 */
#include "tests/unit/testing.h"

#include "tests/unit/cometctl_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path_of(const char *variable, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/libclient/examples/%s", top(variable), name);
	return path;
}

static void test_example_subscribe(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(SUBSCRIBED, D_SUBSCRIBE(3, "/b"), {D_HANGUP, 0, 0},
					       D_GREET(4, ""), D_SUBSCRIBE(5, "/a"),
					       D_SUBSCRIBE(6, "/b"), D_MESSAGE(2, "/b", "2"), END));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_builddir", "subscribe"), daemon_path(d), "/a /b");
	read_until(&r, "/b 2\n");
	kill(r.pid, SIGTERM);
	finish(&r);
	assert_string_equal(r.text[0], "/a 1\n/b 2\n");
	assert_non_null(strstr(r.text[1], "the daemon is back, messages may have been missed\n"));
	daemon_end(d);
}

/* Killed before its acknowledgement arrives: what it printed comes again, and is marked. */
static void test_examples_workers(void **state)
{
	static const char *const examples[][3] = {
		{"top_builddir", "worker", "again: /a 1\n/a 2\n"}, {"top_srcdir", "worker.py", "again: /a 1\n/a 2\n"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct daemon *d = daemon_start(SCRIPT(
			{D_ACCEPT, 0, 0}, {D_HEAR, "'hello'", 0},
			{D_SAY, "{'op':'reply','id':1,'ok':true,'result':{'version':1,'servers':[{'server':'demo',"
				"'default':true,'state':'connected','since':1,'gap':false,'epoch':'e1','seq':9}]}}", 0},
			{D_HEAR, "jobs", 0},
			{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':[{'channel':'/a','ok':true}],"
				"'acked':4,'redelivered':5}}", 0},
			D_MESSAGE(5, "/a", "1"), {D_HEAR, "ack", 0}, D_MESSAGE(6, "/a", "2"),
			{D_MAY_LEAVE, 0, 0}, {D_HANGUP, 0, 0}));
		struct run r;

		start_program(&r, path_of(examples[i][0], examples[i][1]), daemon_path(d), "jobs /a");
		read_until(&r, "/a 2\n");
		kill(r.pid, SIGKILL);
		finish(&r);
		assert_string_equal(r.text[0], examples[i][2]);
		daemon_end(d);
	}
}

static void test_example_publish(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, "'channel':'/a','data':[1]"), D_OK(2),
					       END, GREET, PUB(2, ""), D_REFUSE(2, "refused", "no"),
					       END));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_builddir", "publish"), daemon_path(d), "/a [1]");
	finish(&r);
	assert_int_equal(r.status, 0);
	start_program(&r, path_of("top_builddir", "publish"), daemon_path(d), "/a [1]");
	finish(&r);
	assert_int_equal(WEXITSTATUS(r.status), 1);
	assert_string_equal(r.text[1], "refused by the server: no\n");
	daemon_end(d);
}

static void test_example_python(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(
		{D_ACCEPT, 0, 0}, {D_HEAR, "'hello'", 0}, {D_HEAR, "['/a', '/b']", 0}, D_OK(1),
		D_OK(2),
		D_MESSAGE(1, "/a", "{'n':1}"),
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye'}", 0}, END));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_srcdir", "subscribe.py"), daemon_path(d), "/a /b");
	finish(&r);
	assert_string_equal(r.text[0], "/a {\"n\": 1}\n");
	assert_string_equal(r.text[1], "bye\n");
	assert_int_equal(WEXITSTATUS(r.status), 1);
	daemon_end(d);
}

/* A subscription that the server ends, ends the program; a refusal for the moment does not. */
static void test_examples_refused(void **state)
{
	static const struct {
		const char *top, *name, *error;
	} examples[] = {
		{"top_builddir", "subscribe", "/a: 403::limit\n/a: 403::no\n"},
		{"top_srcdir", "subscribe.py", "/a 403::limit\n/a 403::no\n"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct daemon *d = daemon_start(SCRIPT(
			{D_ACCEPT, 0, 0}, {D_HEAR, "'hello'", 0},
			{D_SAY, "{'op':'reply','id':1,'ok':true,'result':{'version':1,'servers':[]}}", 0},
			{D_HEAR, "/a", 0}, D_OK(2),
			{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':true,"
				"'pending':true,'error':{'code':'refused','message':'403::limit'}}", 0},
			{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':false,"
				"'error':{'code':'refused','message':'403::no'}}", 0}, END));
		struct run r;

		start_program(&r, path_of(examples[i].top, examples[i].name), daemon_path(d), "/a");
		finish(&r);
		assert_int_equal(WEXITSTATUS(r.status), 1);
		assert_string_equal(r.text[1], examples[i].error);
		daemon_end(d);
	}
}

/* The examples in README, header and manual: each with its messages, and without a descriptor left. */
static void test_example_in_documents(void **state)
{
	static const struct {
		const char *name, *channel, *subscription, *output;
	} documents[] = {
		{"README.md", "/orders/eu", "/orders/*", "/orders/eu {\"id\":1}\n"},
		{"cometd-bridge.h", "/prices/eur", "/prices/eur", "/prices/eur {\"id\":1}\n"},
		{"cometd-bridge.3", "/prices/eur", "/prices/eur", "/prices/eur {\"id\":1}\n"},
	};
	char program[4096], subscribe[256], message[256], args[64];

	(void)state;
	snprintf(program, sizeof(program), "%s/tests/unit/documented", top("top_builddir"));
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct run r;

		snprintf(subscribe, sizeof(subscribe),
			 "{'op':'subscribe','id':2,'channel':'%s'}", documents[i].subscription);
		snprintf(message, sizeof(message),
			 "{'op':'message','server':'demo','seq':1,'message':{'channel':'%s',"
			 "'data':{'id':1}}}", documents[i].channel);
		struct daemon *d = daemon_start(SCRIPT(
			GREET, {D_HEAR, subscribe, 0},
			{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':[]}}", 0},
			{D_SAY, message, 0}, END));
		start_program(&r, program, daemon_path(d), documents[i].name);
		read_until(&r, documents[i].output);
		kill(r.pid, SIGTERM);
		finish(&r);
		daemon_end(d);

		snprintf(args, sizeof(args), "%s nofile", documents[i].name);
		start_program(&r, program, "/nowhere", args);
		finish(&r);
		assert_true(WIFEXITED(r.status));
		assert_int_equal(WEXITSTATUS(r.status), 0);
	}
}

/* The chat subscribes and publishes from two processes: either may come first. */
static void test_example_shell(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(GREET, END, {D_UNLISTEN, 0, 0}));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_srcdir", "chat.sh"), daemon_path(d), "/a me");
	close_input(&r);
	finish(&r);
	assert_int_equal(WEXITSTATUS(r.status), 3);
	daemon_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_subscribe),
		cmocka_unit_test(test_examples_workers),
		cmocka_unit_test(test_example_publish),
		cmocka_unit_test(test_example_python),
		cmocka_unit_test(test_examples_refused),
		cmocka_unit_test(test_example_in_documents),
		cmocka_unit_test(test_example_shell),
	};

	find_cometctl_first();
	signal(SIGPIPE, SIG_IGN);
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
