/*
 * local/peer_ops over a socketpair: the reply to hello, the reply to each op, that each
 * request with an id gets one, and the log of rejected peers. In all texts a single
 * quote means a double quote.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "local/peer_ops.h"
#include "local/wire_out.h"
#include "protocol/frame.h"
#include "tests/unit/session_double.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNIX_MS 1700000000000u
#define HELLO "{'op':'hello','id':1,'version':1,'name':'tester'}"
#define CLOSING(code, why) "{'op':'closing','reason':'" why "','code':'" code "'}\n"
#define REFUSED(id, code, why)                                                                     \
	"{'op':'reply','id':" #id ",'ok':false,'error':{'code':'" code "','message':'" why "'}}\n"

struct world {
	struct loop *loop;
	struct work_queue *work;
	struct hub *hub;
	struct store *store;
	struct hub_server *server;
	struct session session;
	struct introspect introspect;
	struct peer_ops ops;
	struct peer *peer;
	int fd;                         /* the other end; -1: hung up */
	struct frame_reader heard;
	char log[1024];                 /* "message{field=value,…}" of each line */
};

/* when the handler closes a peer, no callback reports it: the test must not use the peer then */
static void on_closed(void *ctx, struct peer *p)
{
	struct world *w = ctx;

	(void)p;
	w->peer = NULL;
}

static struct peer_handler ops_handler;

static bool on_frame(void *ctx, struct peer *p, struct slice body)
{
	struct world *w = ctx;

	return ops_handler.frame(&w->ops, p, body);
}

static void on_loss(void *ctx, struct peer *p)
{
	struct world *w = ctx;

	ops_handler.loss(&w->ops, p);
}

static void on_gone(void *ctx, struct peer *p)
{
	struct world *w = ctx;

	ops_handler.gone(&w->ops, p);
}

static void on_log(void *ctx, const struct log_line *line)
{
	struct world *w = ctx;
	size_t n = strlen(w->log);

	n += (size_t)snprintf(w->log + n, sizeof(w->log) - n, "%u %s", (unsigned)line->level, line->text);
	for (size_t i = 0; i < line->n_fields; i++)
		n += (size_t)snprintf(w->log + n, sizeof(w->log) - n, " %s=%.*s", line->fields[i].name,
				      SLICE_ARG(line->fields[i].value));
	snprintf(w->log + n, sizeof(w->log) - n, "\n");
}

static void world_open(struct world *w)
{
	struct hub_options limits = {8, 4, 1000};
	struct peer_handler handler = {on_frame, on_loss, on_gone, on_closed, w};
	struct peer_options options;
	int fds[2];

	*w = (struct world){.fd = -1};
	clock_fake(UNIX_MS, 5000);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(work_queue_new(w->loop, &w->work), 0);
	assert_int_equal(hub_new(&limits, &wire_out_encoder, &w->hub), 0);
	session_double_init(&w->session);
	w->session.info.since = 4000;
	assert_int_equal(hub_add_server(w->hub, SLICE("one"), true, &w->session, &w->server), 0);
	hub_set_position(w->server, 255, 0);
	assert_int_equal(store_new(w->loop, NULL, (struct wake){NULL, NULL}, &w->store), 0);
	w->introspect = (struct introspect){.loop = w->loop, .hub = w->hub, .store = w->store, .started = UNIX_MS - 77,
					    .departures = &w->ops.departures};
	w->ops = (struct peer_ops){w->loop, w->hub, &w->introspect, limits, .outbox_max = 1 << 16};
	assert_int_equal(peer_ops_init(&w->ops), 0);
	ops_handler = peer_ops_handler(&w->ops);
	assert_ptr_equal(ops_handler.ctx, &w->ops);
	peer_options_default(&options);
	options.outbox_max = 1 << 16;
	frame_reader_init(&w->heard, PROTOCOL_FRAME_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	w->fd = fds[1];
	assert_int_equal(peer_new(w->work, fds[0], &handler, &options, &w->peer), 0);
	log_set_sink(on_log, w);
}

static void settle(struct world *w)
{
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(loop_turn(w->loop, false), 0);
}

static void world_close(struct world *w)
{
	if (w->fd >= 0)
		close(w->fd);
	settle(w);
	assert_null(w->peer);
	assert_null(hub_next_member(w->hub, NULL));
	hub_remove_server(w->hub, w->server);
	session_double_fini(&w->session);
	hub_free(w->hub);
	store_free(w->store);
	frame_reader_fini(&w->heard);
	peer_ops_fini(&w->ops);
	work_queue_free(w->work);
	loop_free(w->loop);
	clock_fake(UINT64_MAX, UINT64_MAX);
}

/* ---- the other end ---- */

static void say(struct world *w, const char *body)
{
	char bytes[2048] = {0};
	size_t n = strlen(body);

	assert_true(n < sizeof(bytes) - PROTOCOL_PREFIX);
	bytes[2] = (char)(n >> 8);
	bytes[3] = (char)n;
	for (size_t i = 0; i < n; i++)
		bytes[PROTOCOL_PREFIX + i] = body[i] == '\'' ? '"' : body[i];
	assert_int_equal(send(w->fd, bytes, n + PROTOCOL_PREFIX, MSG_NOSIGNAL), n + PROTOCOL_PREFIX);
	settle(w);
}

/* all frames that came, one a line */
static const char *hear(struct world *w)
{
	static char text[1 << 16];
	struct slice body;
	size_t n = 0, room;
	ssize_t came;
	char *to;

	do {
		assert_int_equal(frame_room(&w->heard, 4096, &to, &room), 0);
		came = recv(w->fd, to, room, 0);
		if (came > 0)
			frame_filled(&w->heard, (size_t)came);
		while (frame_next(&w->heard, &body) == 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s\n", SLICE_ARG(body));
	} while (came > 0);
	text[n] = '\0';
	for (char *c = text; *c; c++)
		*c = *c == '"' ? '\'' : *c;
	leave_out_positions(text);
	return text;
}

#define assert_answered(w, body, expected)                                                         \
	do {                                                                                       \
		say(w, body);                                                                      \
		assert_string_equal(hear(w), expected);                                            \
	} while (0)

static void greet(struct world *w)
{
	world_open(w);
	say(w, HELLO);
	assert_non_null(strstr(hear(w), "'ok':true"));
}

/* ---- tests ---- */

#define SERVER                                                                                     \
	"'server':'one','default':true,'state':'unconnected','since':1699999999000,"              \
	"'gap':false,'generation':0,'epoch':'00000000000000ff','first':1,'seq':0"

static void test_hello_reply_is_complete(void **state)
{
	char expected[1024];
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, HELLO);
	snprintf(expected, sizeof(expected),
		 "{'op':'reply','id':1,'ok':true,'result':{'version':1,'versions':[1,1],"
		 "'limits':{'request':4194304,'frame':16777216,'subscriptions':8,'requests':4,"
		 "'outbox':65536},'identity':{'uid':%u,'gid':%u,'pid':%d},'servers':[{" SERVER
		 "}]}}\n", (unsigned)getuid(), (unsigned)getgid(), (int)getpid());
	assert_string_equal(hear(&w), expected);
	world_close(&w);
}

static void test_hello_comes_first_and_once(void **state)
{
	static const struct { const char *body, *answer; } table[] = {
		{"{'op':'ping','id':1}", CLOSING("hello-required", "the first frame must be hello")},
		{"{'op':'hello','id':1,'version':0}",
		 REFUSED(1, "bad-version", "this daemon speaks version 1")
		 CLOSING("bad-version", "no common version")},
		/* before hello the reason only names the fault */
		{"{'op':'nonsense','id':1}", CLOSING("unknown-op", "op \\'nonsense\\' is unknown")},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		world_open(&w);
		assert_answered(&w, table[i].body, table[i].answer);
		world_close(&w);
	}
	greet(&w);
	assert_answered(&w, HELLO, CLOSING("hello-twice", "hello came a second time"));
	world_close(&w);
}

static void test_unreadable_requests(void **state)
{
	struct world w;

	(void)state;
	greet(&w);
	assert_answered(&w, "{'op':'nonsense','id':2}",
			REFUSED(2, "unknown-op", "op \\'nonsense\\' is unknown"));
	assert_answered(&w, "{'op':'subscribe','id':3,'channel':7}",
			REFUSED(3, "bad-request",
				"subscribe: field \\'channel\\' must be a string"));
	/* without an id there can be no reply, so the connection is closed */
	assert_answered(&w, "{'op':'nonsense'}",
			CLOSING("unknown-op", "op \\'nonsense\\' is unknown"));
	world_close(&w);

	greet(&w);
	say(&w, "{'op':");
	assert_non_null(strstr(hear(&w), "'code':'bad-frame'"));
	world_close(&w);
}

static void test_each_op_arrives(void **state)
{
	struct world w;

	(void)state;
	greet(&w);
	assert_answered(&w, "{'op':'ping','id':2}", "{'op':'reply','id':2,'ok':true}\n");
	assert_answered(&w, "{'op':'subscribe','id':3,'channel':'/a'}", "");
	assert_string_equal(session_double_asked(&w.session), "+/a ");
	say(&w, "{'op':'unsubscribe','id':4,'channel':'/a'}");
	assert_non_null(strstr(hear(&w), "{'op':'reply','id':4,'ok':true}\n"));
	assert_string_equal(session_double_asked(&w.session), "-/a ");
	assert_answered(&w, "{'op':'publish','id':5,'channel':'/a','data':1,'timeout':30}", "");
	assert_int_equal(w.session.deadline, 5030);
	assert_false(w.session.call);
	assert_answered(&w, "{'op':'call','id':6,'channel':'/service/a','data':1}", "");
	assert_true(w.session.call);
	assert_int_equal(w.session.published, 2);
	world_close(&w);
}

static void test_status_is_complete(void **state)
{
	char expected[2048];
	struct world w;

	(void)state;
	greet(&w);
	assert_answered(&w, "{'op':'subscribe','id':3,'channels':['/a','/b'],'upstream':false}",
			"{'op':'reply','id':3,'ok':true,'result':{'channels':["
			"{'channel':'/a','ok':true},{'channel':'/b','ok':true}]}}\n");
	assert_answered(&w, "{'op':'publish','id':4,'channel':'/a','data':1}", "");
	w.session.info.wanted = 1;
	w.session.info.counts.received = 2;
	w.session.info.counts.published = 3;
	w.session.info.counts.handshakes = 4;
	w.session.info.counts.connects = 5;
	w.session.info.counts.failures = 6;
	w.session.info.tries = 12;
	w.session.info.losses = 13;
	w.session.info.counts.deleted = 7;
	w.session.info.counts.late_answers = 8;
	hub_set_paused(hub_find_server(w.hub, SLICE("one")), true, 12);
	w.session.info.timesync = (struct session_timesync){.samples = 9, .lag = 10, .offset = -11};
	clock_fake(UNIX_MS + 500, 5500);
	say(&w, "{'op':'status','id':5}");
	snprintf(expected, sizeof(expected),
		 "{'op':'reply','id':5,'ok':true,'result':{'version':'" PACKAGE_VERSION "',"
		 "'pid':%d,'started':1699999999923,'store':{'state':'memory'},'servers':[{" SERVER ",'channels':1,"
		 "'timesync':{'samples':9,'lag':10,'offset':-11},'received':2,'published':3,"
		 "'handshakes':4,'connects':5,'failures':6,'left_out':0,'tries':12,'losses':13,'deleted':7,'late_answers':8,"
		 "'paused_ms':12,'paused':['receivers']}],"
		 "'peers':[{'peer':1,'name':'tester','uid':%u,'gid':%u,'pid':%d,"
		 "'since':1700000000000,'subscriptions':2,'requests':1,'queued_bytes':0,",
		 (int)getpid(), (unsigned)getuid(), (unsigned)getgid(), (int)getpid());
	hear(&w);
	say(&w, "{'op':'status','id':5}");
	assert_memory_equal(hear(&w), expected, strlen(expected));
	/* who wants which channel */
	say(&w, "{'op':'status','id':7,'detail':true}");
	assert_non_null(strstr(hear(&w), "'channels':[{'server':'one','channel':'/a'},"
				"{'server':'one','channel':'/b'}]}],'departed':["));
	say(&w, "{'op':'status','id':8,'detail':false}");
	assert_null(strstr(hear(&w), "'channel':"));
	/* the machine thinks that it is 1970 */
	clock_fake(100, 5600);
	say(&w, "{'op':'status','id':5}");
	assert_non_null(strstr(hear(&w), "'since':0,'subscriptions':2"));
	world_close(&w);
}

static void test_status_shows_what_is_kept(void **state)
{
	const char *const patterns[] = {"/k/1", "/k/2", "/k/3"};
	const struct session_event refused = {
		.kind = SESSION_EVENT_CHANNEL, .channel = SLICE("/k/3"), .status = SESSION_CHANNEL_REFUSED,
		.text = SLICE("no"),
	};
	struct world w;

	(void)state;
	greet(&w);
	assert_int_equal(hub_set_kept(w.server, &(struct strings){patterns, 3}), 0);
	session_double_set(&w.session, "/k/1", SESSION_CHANNEL_ACTIVE);
	session_double_set(&w.session, "/k/3", SESSION_CHANNEL_REFUSED);
	hub_handle_event(w.hub, w.server, &refused, 0, 0);
	say(&w, "{'op':'status','id':5}");
	assert_non_null(strstr(hear(&w), "'kept':[{'channel':'/k/1'},{'channel':'/k/2','pending':true},"
				"{'channel':'/k/3','refused':true,'reason':'no'}]"));
	world_close(&w);
}

/* Each request is answered, or the connection is closed: without memory no peer waits forever. */
static void test_no_memory(void **state)
{
	static const char *const requests[] = {
		"{'op':'status','id':7}", "{'op':'ping','id':7}", "{'op':'nonsense','id':7}",
		"{'op':'publish','id':7,'channel':'/a/*','data':1}",
	};
	unsigned failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		FAIL_EACH_ALLOCATION {
			struct world w;
			const char *answer;

			testing_fail_allocation(UINT32_MAX);
			greet(&w);
			testing_fail_allocation(fail_at_);
			say(&w, requests[i]);
			answer = hear(&w);
			assert_true(!w.peer || strstr(answer, "'id':7") ||
				    strstr(answer, "'op':'closing'"));
			failed += strstr(w.log, " failed: Cannot allocate memory") != NULL;
			world_close(&w);
		}
	assert_true(failed > 0);
}

/* One answer for all who ask in a turn; made again at once when it is cheap. */
static void test_status_is_shared(void **state)
{
	struct world w;
	struct blob *first;

	(void)state;
	greet(&w);
	say(&w, "{'op':'status','id':2}");
	first = w.ops.status[0].answer;
	/* it took no time by this clock: forgotten as soon as the turn is over */
	assert_null(first);
	const char *answer = hear(&w);
	assert_non_null(strstr(answer, "{'op':'reply','id':2,'ok':true,'result':{'version':"));
	/* the request that is being handled waits for no other */
	assert_null(strstr(answer, "backlog"));
	/* expensive: requests in the meantime wait, and get a new one */
	w.ops.status[0].due = 5100;
	say(&w, "{'op':'status','id':3}");
	say(&w, "{'op':'ping','id':4}");
	assert_string_equal(hear(&w), "");
	assert_int_equal(peer_suspended(w.peer), PEER_SUSPEND_REPLY);
	loop_timer_at(w.ops.status[0].timer, 5100);
	clock_fake(UNIX_MS, 5099);
	settle(&w);
	assert_string_equal(hear(&w), "");
	clock_fake(UNIX_MS, 5100);
	settle(&w);
	assert_non_null(strstr(hear(&w), "{'op':'reply','id':3,'ok':true,'result':{'version':"));
	say(&w, "{'op':'ping','id':5}");
	assert_string_equal(hear(&w), "{'op':'reply','id':5,'ok':true}\n");
	assert_int_equal(peer_suspended(w.peer), 0);
	world_close(&w);
}

/* whom we sent away, and why; who goes by himself, or is there at the end, is no news */
static void test_rejected_peers_are_listed(void **state)
{
	char expected[128];
	struct world w;

	(void)state;
	greet(&w);
	say(&w, HELLO);
	/* with its user and unit where they are known, which depends on the machine */
	snprintf(expected, sizeof(expected), "%u connection closed uid=%u ", (unsigned)LOG_L_NOTICE,
		 (unsigned)getuid());
	assert_memory_equal(w.log, expected, strlen(expected));
	snprintf(expected, sizeof(expected), " pid=%d ", (int)getpid());
	assert_non_null(strstr(w.log, expected));
	assert_non_null(strstr(w.log, " peer=tester code=hello-twice\n"));
	world_close(&w);
	assert_ptr_equal(strchr(w.log, '\n'), w.log + strlen(w.log) - 1);

	greet(&w);
	world_close(&w);
	assert_string_equal(w.log, "");

	greet(&w);
	peer_close(w.peer, PROTOCOL_E_SHUTDOWN, SLICE("bye"), 0);
	assert_string_equal(w.log, "");
	world_close(&w);
}

/* Pushes messages that the other end does not read until some are dropped; how many there were. */
static unsigned overflow(struct world *w)
{
	static char text[8192];
	struct outbox *outbox = &peer_member(w->peer)->outbox;
	unsigned n = 0;

	memset(text, 'm', sizeof(text));
	while (outbox->lost == 0) {
		struct blob *blob;

		assert_int_equal(blob_new(sizeof(text), &blob), 0);
		assert_int_equal(buf_put(&blob->buf, slice_make(text, sizeof(text))), 0);
		outbox_push_message(outbox, blob, 0, sizeof(text), SLICE("one"), ++n, OUTBOX_DROP_OLDEST);
		blob_unref(blob);
		settle(w);
	}
	return n;
}

/* A process that reads too slowly stays in the log and in status when it is gone. */
static void test_slow_process_is_logged(void **state)
{
	static const char first[] = "a local process reads too slowly: messages for it are dropped uid=";
	char expected[256];
	struct world w;

	(void)state;
	greet(&w);
	unsigned pushed = overflow(&w);
	assert_non_null(strstr(w.log, first));
	assert_non_null(strstr(w.log, " peer=tester\n"));
	w.log[0] = '\0';
	/* once */
	overflow(&w);
	peer_member(w.peer)->outbox.lost = 0;
	overflow(&w);
	assert_string_equal(w.log, "");
	clock_fake(UNIX_MS + 60000, 65000);
	const struct departures *gone = &w.ops.departures;
	assert_null(departures_get(gone, 0));
	peer_close(w.peer, PROTOCOL_E_OVERFLOW, SLICE("the peer reads too slowly"), 0);
	const struct departed *d = departures_get(gone, 0);
	assert_non_null(d);
	assert_null(departures_get(gone, 1));
	/* the queue that was thrown away counts */
	assert_true(d->lost > 1 && d->delivered < pushed);
	assert_int_equal(d->peer, 1);
	assert_int_equal(d->until, UNIX_MS + 60000);
	snprintf(expected, sizeof(expected), "a local process that read too slowly was disconnected: "
		 "%" PRIu64 " messages for it were dropped, %" PRIu64 " delivered uid=", d->lost,
		 d->delivered);
	assert_non_null(strstr(w.log, expected));
	assert_non_null(strstr(w.log, " peer=tester code=overflow\n"));
	world_close(&w);
}

static void test_status_names_the_departed(void **state)
{
	struct world w;

	(void)state;
	greet(&w);
	w.ops.departures.ring[0] = (struct departed){
		.peer = 7, .name = "slow", .uid = 1000, .pid = 4711, .since = 5, .until = 6,
		.delivered = 8, .lost = 9,
	};
	w.ops.departures.n = 1;
	say(&w, "{'op':'status','id':5}");
	assert_non_null(strstr(hear(&w), "'departed':[{'peer':7,'name':'slow','uid':1000,'pid':4711,"
					 "'since':5,'until':6,'delivered':8,'lost':9}]"));
	world_close(&w);
}

/* The last of them, the newest first. */
static void test_ring_of_the_departed(void **state)
{
	struct world w;
	struct departures kept = {.n = 0};

	(void)state;
	for (unsigned n = 1; n <= DEPARTED_MAX + 2; n++) {
		greet(&w);
		w.ops.departures = kept;
		peer_member(w.peer)->outbox.lost = n;
		w.log[0] = '\0';
		world_close(&w);
		kept = w.ops.departures;
		assert_true(n > 20 || strstr(w.log, "a local process that read too slowly has disconnected"));
	}
	for (size_t i = 0; i < DEPARTED_MAX; i++)
		assert_int_equal(departures_get(&kept, i)->lost, DEPARTED_MAX + 2 - i);
	assert_null(departures_get(&kept, DEPARTED_MAX));
}

static int reload(void *ctx, struct buf *result, struct fault *why)
{
	const int *r = ctx;

	fault_set(why, "%s", *r > 0 ? "/f:1: wrong" : "");
	return *r ? *r : buf_put_str(result, "{\"changes\":[]}");
}

static int config(void *ctx, struct buf *text)
{
	const int *r = ctx;

	return *r < 0 ? *r : buf_put_str(text, "[bridge]\n");
}

static void administer(struct world *w, int *r)
{
	w->ops.admin = (struct peer_ops_admin){reload, config, r};
}

static void test_administrators(void **state)
{
	struct world w;
	int r = 0;

	(void)state;
	greet(&w);
	administer(&w, &r);
	assert_answered(&w, "{'op':'reload','id':2}", "{'op':'reply','id':2,'ok':true,'result':{'changes':[]}}\n");
	assert_answered(&w, "{'op':'config','id':3}",
			"{'op':'reply','id':3,'ok':true,'result':{'config':'[bridge]\\n'}}\n");
	r = 1;
	assert_answered(&w, "{'op':'reload','id':4}", REFUSED(4, "bad-config", "/f:1: wrong"));
	r = -EMSGSIZE;
	assert_answered(&w, "{'op':'config','id':5}",
			REFUSED(5, "too-large", "the configuration does not fit into a reply"));
	w.introspect.reloaded = UNIX_MS;
	w.introspect.reload_fault = "/f:1: wrong";
	say(&w, "{'op':'status','id':6}");
	assert_non_null(strstr(hear(&w), "'reload':{'at':1700000000000,'ok':false,'error':'/f:1: wrong'}"));
	world_close(&w);
	greet(&w);
	administer(&w, &r);
	r = -ENOMEM;
	assert_answered(&w, "{'op':'reload','id':2}", CLOSING("internal", "the daemon is out of memory"));
	world_close(&w);
}

/* Only root can make a connection of another user. */
static void test_other_users_are_no_administrators(void **state)
{
	struct world w;
	int r = 0;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(seteuid(65534), 0);
	greet(&w);
	assert_int_equal(seteuid(0), 0);
	administer(&w, &r);
	assert_answered(&w, "{'op':'reload','id':2}",
			REFUSED(2, "denied", "only root and the user of the daemon (uid 0) may do this"));
	assert_answered(&w, "{'op':'config','id':3}",
			REFUSED(3, "denied", "only root and the user of the daemon (uid 0) may do this"));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_reply_is_complete),
		cmocka_unit_test(test_hello_comes_first_and_once),
		cmocka_unit_test(test_unreadable_requests),
		cmocka_unit_test(test_each_op_arrives),
		cmocka_unit_test(test_status_is_complete),
		cmocka_unit_test(test_status_shows_what_is_kept),
		cmocka_unit_test(test_status_is_shared),
		cmocka_unit_test(test_rejected_peers_are_listed),
		cmocka_unit_test(test_slow_process_is_logged),
		cmocka_unit_test(test_status_names_the_departed),
		cmocka_unit_test(test_ring_of_the_departed),
		cmocka_unit_test(test_administrators),
		cmocka_unit_test(test_other_users_are_no_administrators),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
