/*
 * The library over a real socket, against a daemon that follows a script:
 * blocking and non-blocking, reconnection, deadlines, freeing where it hurts.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_daemon.h"

#include <cometd-bridge.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEC 1000
#define DEFAULT COMETD_TIMEOUT_DEFAULT

static struct cometd *new_client(struct daemon *d)
{
	struct cometd *c;

	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_set_socket(c, daemon_path(d)), 0);
	assert_int_equal(cometd_set_name(c, "test"), 0);
	return c;
}

static const struct cometd_event *next(struct cometd *c, enum cometd_event_type type)
{
	const struct cometd_event *event;

	assert_int_equal(cometd_next(c, 20 * SEC, &event), 0);
	assert_int_equal(event->type, type);
	return event;
}

#define assert_text(p, n, text)                                                                    \
	do {                                                                                       \
		assert_non_null(p);                                                                \
		assert_int_equal(n, strlen(text));                                                 \
		assert_memory_equal(p, text, n);                                                   \
	} while (0)

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
	/* the names of an event stay where they are when its bytes come behind them */
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
	assert_string_equal(cometd_get_socket(c), COMETD_SOCKET_DEFAULT);
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

/* Of a program built with a newer header: what it does not use does no harm, what it uses does. */
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

/* ---- no daemon --------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct cometd *c;
	int error = cometd_new(&c);

	if (!error)
		error = cometd_set_socket(c, path);
	if (!error)
		error = cometd_connect(c, 20 * SEC);
	cometd_free(c);
	return error;
}

static void test_nobody_there(void **state)
{
	static const struct daemon_step script[] = {{D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	char file[] = "/tmp/cometd-bridge-file-XXXXXX";
	int fd = mkstemp(file), status;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(connect_to("/nonexistent/sock"), COMETD_E_NO_DAEMON);
	assert_int_equal(connect_to(file), COMETD_E_NO_DAEMON);
	assert_int_equal(connect_to("/tmp"), COMETD_E_NO_DAEMON);
	/* as somebody whom the permissions keep out */
	assert_int_equal(chmod(daemon_path(d), 0), 0);
	pid_t child = fork();
	if (child == 0)
		_exit((getuid() == 0 && setuid(65534)) || connect_to(daemon_path(d)) !=
			COMETD_E_NO_PERMISSION);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	unlink(file);
	daemon_end(d);
}

static void test_unfriendly_daemons(void **state)
{
	static const struct daemon_step script[] = {
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, D_REFUSE(1, "bad-version", "2 to 3"),
		{D_HEAR_END, 0, 0},
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0},
		{D_SAY, "{'op':'closing','code':'too-many','reason':'full'}", 0},
		{D_HEAR_END, 0, 0},
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, {D_SAY_RAW, "HTTP/1.1 400", 12},
		{D_HEAR_END, 0, 0},
		{D_ACCEPT, 0, 0}, {D_HANGUP, 0, 0},
		{D_END, 0, 0}};
	struct daemon *d = daemon_start(script);

	(void)state;
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_VERSION);
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_TOO_MANY);
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_PROTOCOL);
	assert_int_equal(connect_to(daemon_path(d)), COMETD_E_DISCONNECTED);
	daemon_end(d);
}

/* ---- deadlines --------------------------------------------------------- */

static void test_deadlines(void **state)
{
	static const struct daemon_step script[] = {
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, {D_WAIT, 0, 0},
		{D_SAY, "{'op':'reply','id':1,'ok':true,'result':{'version':1}}", 0},
		{D_HEAR, "ping", 0}, {D_HEAR, "publish", 0}, {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	const struct cometd_result *r;

	(void)state;
	assert_int_equal(cometd_connect(c, 30), COMETD_E_TIMEOUT);
	/* never left this process */
	assert_int_equal(cometd_publish(c, NULL, "/a", "1", 1, 30, &r), COMETD_E_NOT_SENT);
	assert_non_null(r);
	daemon_go(d);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_ping(c, 30), COMETD_E_TIMEOUT);
	assert_int_equal(cometd_publish(c, NULL, "/a", "1", 1, 30, NULL), COMETD_E_UNKNOWN_OUTCOME);
	cometd_free(c);
	daemon_end(d);
}

static void ignore_alarm(int signo)
{
	(void)signo;
}

static void test_interrupted(void **state)
{
	static const struct daemon_step script[] = {
		{D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct sigaction action = {.sa_handler = ignore_alarm};
	struct itimerval often = {{0, 10000}, {0, 10000}}, never = {0};
	struct cometd *c = new_client(d);

	(void)state;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	int error = cometd_connect(c, COMETD_FOREVER);
	setitimer(ITIMER_REAL, &never, NULL);
	assert_int_equal(error, COMETD_E_INTERRUPTED);
	cometd_free(c);
	daemon_end(d);
}

/* ---- reconnection ------------------------------------------------------ */

static void test_daemon_restarts(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, D_DEMO), D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1"),
		{D_HEAR, "{'op':'publish','id':3", 0},
		{D_UNLISTEN, 0, 0}, {D_HANGUP, 0, 0}, {D_WAIT, 0, 0}, {D_LISTEN, 0, 0},
		D_GREET(4, D_DEMO), D_SUBSCRIBE(5, "/a"),
		{D_HEAR, "{'op':'publish','id':6,'channel':'/late'", 0}, D_OK(6),
		D_MESSAGE(1, "/a", "2"),
		/* told to come back at once */
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye','retry_in':0}", 0},
		{D_HANGUP, 0, 0},
		D_GREET(7, ""), D_SUBSCRIBE(8, "/a"), {D_HEAR, "ping", 0}, D_OK(9),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	const struct cometd_event *e;
	int fd = cometd_get_fd(c);

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	assert_int_equal(cometd_subscribe(c, NULL, "/a", 0, DEFAULT, NULL), 0);
	assert_int_equal(cometd_publish(c, NULL, "/a", "9", 1, DEFAULT, NULL),
			 COMETD_E_UNKNOWN_OUTCOME);
	next(c, COMETD_EVENT_UP), next(c, COMETD_EVENT_STATE);
	assert_memory_equal(next(c, COMETD_EVENT_MESSAGE)->data, "1", 1);
	assert_int_equal(next(c, COMETD_EVENT_DOWN)->error, COMETD_E_DISCONNECTED);
	daemon_go(d);
	/* waits for the new daemon, as it never left */
	assert_int_equal(cometd_publish(c, NULL, "/late", "9", 1, DEFAULT, NULL), 0);
	e = next(c, COMETD_EVENT_UP);
	assert_int_equal(e->gap, 1);
	next(c, COMETD_EVENT_STATE);
	assert_memory_equal(next(c, COMETD_EVENT_MESSAGE)->data, "2", 1);
	e = next(c, COMETD_EVENT_DOWN);
	assert_int_equal(e->error, COMETD_E_SHUTDOWN);
	assert_string_equal(e->text, "bye");
	assert_in_range(e->retry_in, 0, 100);
	next(c, COMETD_EVENT_UP);
	assert_int_equal(cometd_get_fd(c), fd);
	assert_int_equal(cometd_ping(c, DEFAULT), 0);
	cometd_free(c);
	daemon_end(d);
}

/* The daemon accepts nobody for the moment: that is no reason to give up. */
static void test_busy(void **state)
{
	static const struct daemon_step script[] = {
		{D_WAIT, 0, 0}, {D_ACCEPT_ALL, 0, 0}, {D_MEET, 0, 0},
		D_GREET(1, ""), {D_HEAR_END, 0, 0},
		{D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	int fds[64], n = 0;

	(void)state;
	while (n < 64 && (fds[n] = daemon_connect(d)) >= 0)
		n++;
	assert_in_range(n, 1, 63);
	assert_int_equal(cometd_connect(c, 100), COMETD_E_TIMEOUT);
	assert_int_equal(cometd_connection_error(c), COMETD_E_BUSY);
	daemon_go(d);
	daemon_await(d);
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	while (n > 0)
		close(fds[--n]);
	cometd_free(c);
	daemon_end(d);
}

/*
 * The daemon is gone when we write: no signal, its last words are read all the
 * same, and what did not leave goes to its successor.
 */
static void test_write_after_end(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), {D_WAIT, 0, 0},
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye','retry_in':0}", 0},
		{D_HANGUP, 0, 0}, {D_MEET, 0, 0},
		D_GREET(3, ""), {D_HEAR, "{'op':'publish','id':4,'channel':'/a','data':1", 0},
		D_OK(4),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	daemon_go(d);
	daemon_await(d);
	assert_int_equal(cometd_publish(c, NULL, "/a", "1", 1, DEFAULT, NULL), 0);
	next(c, COMETD_EVENT_UP);
	assert_int_equal(next(c, COMETD_EVENT_DOWN)->error, COMETD_E_SHUTDOWN);
	assert_int_equal(next(c, COMETD_EVENT_UP)->gap, 1);
	cometd_free(c);
	daemon_end(d);
}

/* Nothing of ours is inherited by what the application executes. */
static void test_close_on_exec(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd *c = new_client(d);
	int checked = 0;

	(void)state;
	assert_int_equal(cometd_connect(c, 20 * SEC), 0);
	for (int fd = 3; fd < 100; fd++) {
		int flags = fcntl(fd, F_GETFD);
		char link[64], to[64] = "";

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (flags < 0 || readlink(link, to, sizeof(to) - 1) < 0 ||
		    !(strstr(to, "socket:") || strstr(to, "eventpoll")))
			continue;
		assert_true(flags & FD_CLOEXEC);
		checked++;
	}
	/* the epoll instance, our socket, and the two of the scripted daemon */
	assert_true(checked >= 4);
	cometd_free(c);
	daemon_end(d);
}

/* ---- any loop ---------------------------------------------------------- */

struct log {
	struct cometd *c;
	char text[4096];
	int n;
	int free_at;               /* in the callback of this number, free the handle */
	int unsubscribe_at;
};

static void note(struct log *log, const char *what)
{
	strncat(log->text, what, sizeof(log->text) - strlen(log->text) - 1);
	strncat(log->text, " ", sizeof(log->text) - strlen(log->text) - 1);
	log->n++;
	/* nothing here may wait or turn again */
	assert_int_equal(cometd_process(log->c), COMETD_E_IN_CALLBACK);
	assert_int_equal(cometd_ping(log->c, 10), COMETD_E_IN_CALLBACK);
	assert_int_equal(cometd_connect(log->c, 10), COMETD_E_IN_CALLBACK);
	assert_int_equal(cometd_wait(log->c, 10), COMETD_E_IN_CALLBACK);
	if (log->n == log->free_at)
		cometd_free(log->c);
	if (log->n == log->unsubscribe_at)
		assert_int_equal(cometd_unsubscribe_async(log->c, NULL, "/a", DEFAULT, NULL, NULL),
				 0);
}

static void on_event(struct cometd *c, const struct cometd_event *e, void *user)
{
	static const char *const names[] = {"?", "message", "state", "subscription", "lost", "up",
	"down"};

	assert_ptr_equal(c, ((struct log *)user)->c);
	note(user, names[e->type]);
}

static void on_result(struct cometd *c, const struct cometd_result *r, void *user)
{
	assert_ptr_equal(c, ((struct log *)user)->c);
	note(user, cometd_error_name(r->error));
}

/* a loop that knows nothing but a descriptor and a timeout */
static int loop_until(struct log *log, int n)
{
	int r = 0;

	while (!r && log->n < n) {
		struct pollfd p = {.fd = cometd_get_fd(log->c),
				   .events = (short)cometd_get_events(log->c)};
		int timeout = cometd_get_timeout(log->c);

		assert_true(poll(&p, 1, timeout < 0 ? 20 * SEC : timeout) >= 0);
		r = cometd_process(log->c);
	}
	return r;
}

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
		/* it may be gone before the daemon said or heard all: only the end matters */
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

/* ---- drop by drop ------------------------------------------------------- */

static bool dripping;

ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);

/* our own reads, a byte each while it drips; the scripted daemon never asks for more */
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	return __real_recv(fd, p, dripping && n > 1024 ? 1 : n, flags);
}

#define MORE(seq, data) {D_WAIT, 0, 0}, D_MESSAGE(seq, "/a", data)

/*
 * Wherever within a turn a message ends, it is told, though nothing comes
 * behind it to wake anybody.
 */
static void drip(bool listen)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), MORE(1, "1"), MORE(2, "12"), MORE(3, "123"), MORE(4, "1234"),
		MORE(5, "12345"), MORE(6, "123456"), MORE(7, "1234567"), MORE(8, "12345678"),
		MORE(9, "123456789"), MORE(1, "1234567890"), MORE(1, "12345678901"),
		MORE(1, "123456789012"), MORE(1, "1234567890123"), MORE(1, "12345678901234"),
		MORE(1, "123456789012345"), MORE(1, "1234567890123456"),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct log log = {.c = new_client(d)};

	dripping = true;
	if (listen)
		cometd_set_listener(log.c, on_event, &log);
	assert_int_equal(cometd_connect(log.c, 20 * SEC), 0);
	if (!listen)
		next(log.c, COMETD_EVENT_UP);
	for (int i = 1; i <= 16; i++) {
		daemon_go(d);
		if (listen)
			assert_int_equal(loop_until(&log, i + 1), 0);
		else
			assert_int_equal(next(log.c, COMETD_EVENT_MESSAGE)->data_len, i);
	}
	cometd_free(log.c);
	dripping = false;
	daemon_end(d);
}

static void test_drop_by_drop(void **state)
{
	(void)state;
	drip(false);
	drip(true);
}

/* Nobody takes the events: the library stops reading, says so, and loses nothing. */
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

/* ---- JSON -------------------------------------------------------------- */

static int count_element(void *user, const struct cometd_json *element)
{
	int *n = user;

	++*n;
	return element->kind == COMETD_JSON_NULL ? 42 : 0;
}

static void test_json(void **state)
{
	static const char text[] = " {\"a\":\"\\u00e9\\n\", \"n\":18446744073709551615,"
				   " \"l\":[1,2,null,3]} ";
	struct cometd_json v, m;
	char buf[8];
	uint64_t n;
	size_t len;
	int count = 0;

	(void)state;
	assert_int_equal(cometd_json_parse(text, strlen(text), &v), 0);
	assert_int_equal(v.kind, COMETD_JSON_OBJECT);
	assert_ptr_equal(v.json, text + 1);
	assert_int_equal(cometd_json_get(&v, "a", &m), 0);
	assert_int_equal(cometd_json_text(&m, buf, sizeof(buf), &len), 0);
	assert_string_equal(buf, "\303\251\n");
	assert_int_equal(len, 3);
	assert_int_equal(cometd_json_text(&m, buf, 2, NULL), 0);
	assert_string_equal(buf, "\303");
	assert_int_equal(cometd_json_u64(&m, &n), COMETD_E_JSON);
	assert_int_equal(cometd_json_get(&v, "n", &m), 0);
	assert_int_equal(cometd_json_u64(&m, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(cometd_json_text(&m, buf, sizeof(buf), NULL), COMETD_E_JSON);
	assert_int_equal(cometd_json_get(&v, "l", &m), 0);
	assert_int_equal(cometd_json_each(&m, count_element, &count), 42);
	assert_int_equal(count, 3);
	assert_int_equal(cometd_json_each(&v, count_element, &count), COMETD_E_JSON);
	assert_int_equal(cometd_json_get(&v, "x", &m), 0);
	assert_int_equal(m.kind, COMETD_JSON_NONE);
	assert_int_equal(cometd_json_get(&m, "x", &m), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("{} {}", 5, &v), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("1,2", 3, NULL), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("", 0, NULL), COMETD_E_JSON);
	assert_int_equal(cometd_json_parse("0", 1, &v), 0);
	assert_int_equal(v.kind, COMETD_JSON_NUMBER);
	FAIL_EACH_ALLOCATION {
		int error = cometd_json_parse(text, strlen(text), &v);

		if (error)
			assert_int_equal(error, COMETD_E_NOMEM);
	}
}

/* ---- descriptors and memory -------------------------------------------- */

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int count_descriptors(void **state)
{
	*state = (void *)(long)descriptors();
	return 0;
}

static int same_descriptors(void **state)
{
	return descriptors() == (int)(long)*state ? 0 : -1;
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, count_descriptors, same_descriptors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_blocking), TEST(test_bytes), TEST(test_bad_arguments),
		TEST(test_bad_messages), TEST(test_newer_message), TEST(test_nobody_there),
		TEST(test_unfriendly_daemons), TEST(test_deadlines), TEST(test_interrupted),
		TEST(test_daemon_restarts), TEST(test_busy), TEST(test_write_after_end),
		TEST(test_close_on_exec), TEST(test_any_loop), TEST(test_free_in_callbacks),
		TEST(test_free_under_blocking_call), TEST(test_cancel), TEST(test_large),
		TEST(test_drop_by_drop), TEST(test_backlog), TEST(test_listener_later),
		TEST(test_json),
		TEST(test_no_memory),
	};

	/* a hang is a failure, too */
	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
