/*
 * io/upstream with everything below it, against the scripted Bayeux server of
 * tests/fake. A member of the hub stands for all local processes. Waiting turns
 * the loop and asks the server what it saw; nothing here sleeps for a result.
 */
#include "io/upstream.h"
#include "base/clock.h"
#include "base/log.h"
#include "protocol/frame.h"
#include "tests/fake/fake.h"
#include "tests/unit/testing.h"
#include "tests/unit/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world {
	struct fake *fake;
	struct loop *loop;
	struct curl_loop *curl;
	struct hub *hub;
	struct upstream *u;
	struct upstream_options o;
	struct member member;
	struct frame_reader in;
	struct buf heard;                /* frames of the member, a line each */
	struct buf log;                  /* every line logged, with its fields */
	bool stopped;
	unsigned changes;
	char url[64], why[256];
	const char *urls[2];
};

static void on_log(void *ctx, const struct log_line *line)
{
	struct world *w = ctx;

	buf_printf(&w->log, "<%d> %s", line->level, line->text);
	for (size_t i = 0; i < line->n_fields; i++)
		buf_printf(&w->log, " %s=%.*s", line->fields[i].name, SLICE_ARG(line->fields[i].value));
	buf_put_str(&w->log, "\n");
}

static void on_change(void *ctx)
{
	struct world *w = ctx;

	w->changes++;
}

static void on_stopped(void *ctx)
{
	struct world *w = ctx;

	assert_false(w->stopped);
	w->stopped = true;
}

static int start_with(void **state, const char *const *fake_options)
{
	static const struct hub_options hub = {.subscriptions_max = 100, .requests_max = 20000,
					       .message_max = 16u << 20};
	struct world *w = calloc(1, sizeof(*w));

	if (!w || loop_new(&w->loop) || curl_loop_new(w->loop, &w->curl) || hub_new(&hub, &w->hub))
		return -1;
	w->fake = fake_start(fake_options);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/cometd", (unsigned)fake_port(w->fake));
	buf_init(&w->heard, 256u << 20);
	buf_init(&w->log, 64u << 20);
	frame_reader_init(&w->in, PROTOCOL_FRAME_MAX);
	outbox_init(&w->member.outbox, 64u << 20, (struct wake){NULL, NULL});
	if (hub_add_member(w->hub, &w->member))
		return -1;
	upstream_options_default(&w->o);
	w->o.name = "one";
	w->o.is_default = true;
	w->urls[0] = w->url;
	w->o.urls = w->urls;
	w->o.n_urls = 1;
	w->o.changed = (struct wake){on_change, w};
	w->o.session.backoff_min = 20;
	w->o.session.backoff_max = 200;
	w->o.session.halt_retry = 50;
	log_set_sink(on_log, w);
	log_set_level(LOG_L_DEBUG);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	/* no held connect ends by itself */
	static const char *const options[] = {"--timeout", "60000", "--max-interval", "60000", NULL};

	return start_with(state, options);
}

/* nothing is due for minutes */
static int setup_patient(void **state)
{
	static const char *const options[] = {"--timeout", "600000", "--max-interval", "60000", NULL};

	return start_with(state, options);
}

static int teardown(void **state)
{
	struct world *w = *state;

	upstream_free(w->u);
	hub_remove_member(w->hub, &w->member);
	outbox_fini(&w->member.outbox);
	frame_reader_fini(&w->in);
	hub_free(w->hub);
	curl_loop_free(w->curl);
	loop_free(w->loop);
	log_set_sink(NULL, NULL);
	fake_stop(w->fake);
	buf_fini(&w->heard);
	buf_fini(&w->log);
	free(w);
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

static void use(struct world *w, enum session_transport first, size_t n)
{
	w->o.session.transports[0] = first;
	w->o.session.transports[1] = SESSION_LONG_POLLING;
	w->o.session.n_transports = n;
}

static void start(struct world *w)
{
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, w->why, sizeof(w->why), &w->u), 0);
	upstream_start(w->u);
}

/* --- waiting --- */

static bool seen(struct world *w, const char *kind, const char *channel, unsigned long n)
{
	wire_settle(w->loop);
	return fake_count(w->fake, kind, channel) >= n;
}

static void print_world(struct world *w)
{
	struct session_info info;

	fake_print_log(w->fake);
	print_error("%.*s", SLICE_ARG(slice_take(buf_slice(&w->log), 10000)));
	print_error("heard %.*s", SLICE_ARG(slice_take(buf_slice(&w->heard), 3000)));
	session_info(upstream_session(w->u), &info);
	print_error("state %s, %.*s\n", session_state_name(info.state), SLICE_ARG(info.reason));
}

#define UNTIL(condition)                                                                    \
	do {                                                                                \
		uint64_t end_ = clock_real() + 60;                                          \
		while (!(condition)) {                                                      \
			if (clock_real() > end_) {                                          \
				print_world(w);                                             \
				fail_msg("waited in vain for " #condition);                 \
			}                                                                   \
		}                                                                           \
	} while (0)

static uint64_t clock_real(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

static void await(struct world *w, const char *kind, const char *channel, unsigned long n)
{
	UNTIL(seen(w, kind, channel, n));
}

static struct session_info info_of(struct world *w)
{
	struct session_info info;

	session_info(upstream_session(w->u), &info);
	return info;
}

/* of the last trouble; the log does not serve, for each of its call sites has a limit */
static bool is_reason(struct world *w, const char *text)
{
	struct slice reason = info_of(w).reason;

	return reason.n && memmem(reason.p, reason.n, text, strlen(text));
}

static bool is_in(struct world *w, enum session_state state)
{
	wire_settle(w->loop);
	return info_of(w).state == state;
}

static void until_connected(struct world *w)
{
	UNTIL(is_in(w, SESSION_CONNECTED));
}

/* --- the member --- */

static void take_frames(struct world *w)
{
	struct slice body;
	struct iovec iov;
	size_t n, room;
	char *to;

	while (assert_int_equal(outbox_peek(&w->member.outbox, &iov, 1, &n), 0), n > 0) {
		for (size_t took = 0; took < iov.iov_len; took += room) {
			assert_int_equal(frame_room(&w->in, iov.iov_len - took, &to, &room), 0);
			memcpy(to, (char *)iov.iov_base + took, room);
			frame_filled(&w->in, room);
			while (frame_next(&w->in, &body) == 0) {
				assert_int_equal(buf_put(&w->heard, body), 0);
				assert_int_equal(buf_putc(&w->heard, '\n'), 0);
			}
		}
		outbox_advance(&w->member.outbox, iov.iov_len);
	}
}

static bool has(const struct buf *b, const char *text)
{
	struct slice s = buf_slice(b);

	return s.n && memmem(s.p, s.n, text, strlen(text));
}

static bool heard(struct world *w, const char *text)
{
	assert_int_equal(loop_turn(w->loop, false), 0);
	take_frames(w);
	return has(&w->heard, text);
}

static void hear(struct world *w, const char *text)
{
	UNTIL(heard(w, text));
}

static unsigned count(const struct buf *b, const char *text)
{
	struct slice s = buf_slice(b);
	unsigned n = 0;

	for (const char *p; s.n && (p = memmem(s.p, s.n, text, strlen(text))); n++)
		s = slice_drop(s, (size_t)(p - s.p) + strlen(text));
	return n;
}

static void ask(struct world *w, const char *json)
{
	struct message m;
	char why[128];

	assert_int_equal(message_decode(slice_of(json), PROTOCOL_FROM_PEER, &m, why, sizeof(why)), 0);
	switch (m.op) {
	case PROTOCOL_OP_SUBSCRIBE:
		assert_int_equal(hub_subscribe(w->hub, &w->member, &m), 0);
		break;
	case PROTOCOL_OP_PUBLISH:
		assert_int_equal(hub_publish(w->hub, &w->member, &m, loop_now(w->loop)), 0);
		break;
	case PROTOCOL_OP_CALL:
		assert_int_equal(hub_call(w->hub, &w->member, &m, loop_now(w->loop)), 0);
		break;
	default:
		fail_msg("not an op of the hub");
	}
	message_fini(&m);
}

static void subscribe(struct world *w, const char *channel)
{
	char text[128], active[160];

	snprintf(text, sizeof(text), "{\"op\":\"subscribe\",\"id\":1,\"channel\":\"%s\"}", channel);
	ask(w, text);
	snprintf(active, sizeof(active), "{\"op\":\"reply\",\"id\":1,\"ok\":true");
	hear(w, active);
}

/* a member that had to be cut off is replaced by a new one, as a peer would come again */
static void replace_member(struct world *w)
{
	hub_remove_member(w->hub, &w->member);
	outbox_fini(&w->member.outbox);
	outbox_init(&w->member.outbox, 64u << 20, (struct wake){NULL, NULL});
	assert_int_equal(hub_add_member(w->hub, &w->member), 0);
	frame_reader_fini(&w->in);
	frame_reader_init(&w->in, PROTOCOL_FRAME_MAX);
	buf_clear(&w->heard);
	subscribe(w, "/a");
}

/* --- both transports carry everything --- */

static void converse(struct world *w)
{
	start(w);
	subscribe(w, "/a/*");
	until_connected(w);
	await(w, "held", NULL, 1);
	fake_command(w->fake, "publish /a/b {\"k\":12345678901234567890, \"z\":null}");
	hear(w, "\"data\":{\"k\":12345678901234567890");
	ask(w, "{\"op\":\"publish\",\"id\":2,\"channel\":\"/c\",\"data\":[1]}");
	hear(w, "\"id\":2,\"ok\":true");
	ask(w, "{\"op\":\"call\",\"id\":3,\"channel\":\"/service/echo\",\"data\":\"x\"}");
	hear(w, "\"id\":3,\"ok\":true");
	assert_int_equal(fake_count(w->fake, "handshake", NULL), 1);
	assert_int_equal(fake_count(w->fake, "subscribe", "/a/*"), 1);
	assert_int_equal(fake_count(w->fake, "publish", "/c"), 1);
	assert_int_equal(fake_number(w->fake, "max-concurrent-connects"), 1);
	assert_true(w->changes > 0);
	upstream_stop(w->u, on_stopped, w);
	assert_false(w->stopped);
	wire_until(w->loop, &w->stopped);
	assert_int_equal(fake_count(w->fake, "disconnect", NULL), 1);
	assert_int_equal(info_of(w).state, SESSION_OFF);
}

static void test_longpoll(void **state)
{
	struct world *w = *state;

	use(w, SESSION_LONG_POLLING, 1);
	converse(w);
	assert_int_equal(fake_count(w->fake, "upgrade", NULL), 0);
}

static void test_websocket(void **state)
{
	struct world *w = *state;

	use(w, SESSION_WEBSOCKET, 1);
	converse(w);
	assert_int_equal(fake_count(w->fake, "upgrade", NULL), 1);
	/* all of it on one connection */
	assert_int_equal(fake_count(w->fake, "accept", NULL), 1);
}

static void test_fallback(void **state)
{
	struct world *w = *state;

	fake_command(w->fake, "ws off 404");
	use(w, SESSION_WEBSOCKET, 2);
	converse(w);
	assert_int_equal(fake_count(w->fake, "refused", NULL), 1);
}

/* --- servers that come, go and lie --- */

static const char *const troubles[] = {
	"status 400", "status 401", "status 404", "status 413", "status 500",
	"status 503 header \"Retry-After: 0\"", "html", "redirect 302 http://127.0.0.1:1/", "close", "reset",
	"cut 10", "cut-head 5", "raw 00", "body [{", "body {}", "body []", "body nonsense", "drop",
	"body [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
};

/* each spoils one handshake and one connect; then all is well, by itself */
static void test_troubles(void **state)
{
	struct world *w = *state;

	use(w, SESSION_LONG_POLLING, 1);
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		fake_command(w->fake, "rule type=handshake %s", troubles[i]);
		fake_command(w->fake, "rule type=connect %s", troubles[i]);
		fake_command(w->fake, "mark");
		start(w);
		UNTIL(seen(w, "rule", NULL, 2));
		until_connected(w);
		await(w, "held", NULL, 1);
		assert_true(info_of(w).failures >= 1);
		upstream_free(w->u);
		w->u = NULL;
	}
}

static const char *const ws_troubles[] = {
	"close", "reset", "ws-close 1000", "ws-close 1001", "ws-close 1011 reason gone", "binary", "masked",
	"rsv1", "bad-utf8", "cut 5", "body nonsense",
};

static void test_ws_troubles(void **state)
{
	struct world *w = *state;

	use(w, SESSION_WEBSOCKET, 1);
	for (size_t i = 0; i < sizeof(ws_troubles) / sizeof(ws_troubles[0]); i++) {
		fake_command(w->fake, "rule type=connect transport=ws %s", ws_troubles[i]);
		fake_command(w->fake, "mark");
		start(w);
		UNTIL(seen(w, "rule", NULL, 1));
		until_connected(w);
		await(w, "held", NULL, 1);
		upstream_free(w->u);
		w->u = NULL;
	}
}

static void restart_twice(struct world *w)
{
	start(w);
	subscribe(w, "/a");
	for (int i = 1; i <= 2; i++) {
		char text[32];

		until_connected(w);
		await(w, "held", NULL, 1);
		fake_kill(w->fake);
		UNTIL(is_in(w, SESSION_UNCONNECTED));
		fake_restart(w->fake);
		await(w, "subscribe", "/a", 1);
		until_connected(w);
		await(w, "held", NULL, 1);
		fake_command(w->fake, "publish /a {\"round\":%d}", i);
		snprintf(text, sizeof(text), "{\"round\":%d}", i);
		hear(w, text);
	}
	assert_true(has(&w->heard, "\"gap\":true"));
}

static void test_restart_longpoll(void **state)
{
	use(*state, SESSION_LONG_POLLING, 1);
	restart_twice(*state);
}

static void test_restart_websocket(void **state)
{
	use(*state, SESSION_WEBSOCKET, 1);
	restart_twice(*state);
}

/* nobody there at the start, and much later somebody is */
static void test_late_server(void **state)
{
	struct world *w = *state;

	fake_command(w->fake, "stop-listening");
	start(w);
	UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).failures >= 3);
	assert_true(is_reason(w, "Connection refused"));
	fake_command(w->fake, "listen");
	until_connected(w);
}

/* --- nothing twice, nothing lost --- */

/*
 * One batch cannot be sent, for want of memory, while another on the same
 * WebSocket waits for its reply: that other one has arrived and is not sent again.
 */
static void test_neighbour(void **state)
{
	struct world *w = *state;
	bool more = true;

	use(w, SESSION_WEBSOCKET, 1);
	start(w);
	until_connected(w);
	await(w, "held", NULL, 1);
	for (unsigned n = 0; more; n++) {
		fake_command(w->fake, "mark");
		fake_command(w->fake, "rule type=publish channel=/first hold");
		ask(w, "{\"op\":\"publish\",\"id\":1,\"channel\":\"/first\",\"data\":1}");
		await(w, "parked", NULL, 1);
		ask(w, "{\"op\":\"publish\",\"id\":2,\"channel\":\"/second\",\"data\":2}");
		testing_fail_allocation(n);
		for (int i = 0; i < 5; i++)
			assert_int_equal(loop_turn(w->loop, false), 0);
		more = testing_allocation_failed();
		fake_command(w->fake, "release");
		/* a member whose reply finds no memory is cut off */
		UNTIL((heard(w, "\"id\":1,") && heard(w, "\"id\":2,")) || w->member.outbox.overrun);
		assert_int_equal(fake_count(w->fake, "publish", "/first"), 1);
		assert_in_range(fake_count(w->fake, "publish", "/second"), 0, 1);
		until_connected(w);
		replace_member(w);
	}
}

static void test_burst(void **state)
{
	struct world *w = *state;
	size_t at = 0;

	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
	fake_command(w->fake, "burst /a 10000 m");
	hear(w, "\"m-10000\"");
	assert_int_equal(count(&w->heard, "\"data\":\"m-"), 10000);
	for (int i = 1; i <= 10000; i++) {
		struct slice rest = slice_drop(buf_slice(&w->heard), at);
		char text[16];
		const char *p;

		snprintf(text, sizeof(text), "\"m-%d\"", i);
		p = memmem(rest.p, rest.n, text, strlen(text));
		assert_non_null(p);
		at += (size_t)(p - rest.p);
	}
}

/* --- the clock --- */

static void test_suspend(void **state)
{
	struct world *w = *state;
	uint64_t base = clock_boot_ms();

	clock_fake(1700000000000, base);
	start(w);
	UNTIL(is_in(w, SESSION_CONNECTED));
	await(w, "held", NULL, 1);
	fake_command(w->fake, "mark");
	/* a long wait in which the loop ran is no sleep */
	for (int i = 1; i <= 4; i++) {
		clock_fake(1700000000000, base + (uint64_t)i * 10000);
		wire_settle(w->loop);
	}
	assert_int_equal(fake_count(w->fake, "connect", NULL), 0);
	assert_false(has(&w->log, "slept"));
	/* a leap is, though nothing was due so soon */
	clock_fake(1700000000000, base + 40000 + 70000);
	await(w, "connect", NULL, 1);
	assert_true(has(&w->log, "slept"));
	UNTIL(is_in(w, SESSION_CONNECTED));
	assert_int_equal(info_of(w).generation, 1);
}

/* --- stop --- */

/* a server that says nothing to the goodbye is not waited for, not longer than promised */
static void test_stop_unanswered(void **state)
{
	struct world *w = *state;
	uint64_t base;

	start(w);
	until_connected(w);
	fake_command(w->fake, "rule type=disconnect silent");
	base = clock_boot_ms();
	clock_fake(1700000000000, base);
	wire_settle(w->loop);
	upstream_stop(w->u, on_stopped, w);
	await(w, "disconnect", NULL, 1);
	clock_fake(1700000000000, base + 1999);
	wire_settle(w->loop);
	assert_false(w->stopped);
	clock_fake(1700000000000, base + 2000);
	wire_until(w->loop, &w->stopped);
}

static void test_stop_early(void **state)
{
	struct world *w = *state;

	/* before its start, while it connects, and twice */
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, w->why, sizeof(w->why), &w->u), 0);
	upstream_stop(w->u, on_stopped, w);
	wire_until(w->loop, &w->stopped);
	w->stopped = false;
	upstream_start(w->u);
	assert_int_equal(loop_turn(w->loop, false), 0);
	upstream_stop(w->u, on_stopped, w);
	wire_until(w->loop, &w->stopped);
	assert_int_equal(fake_count(w->fake, "disconnect", NULL), 0);
}

/* --- secrets --- */

static void test_log_keeps_secrets(void **state)
{
	static const char *const headers[] = {"Authorization: s3cret-token"};
	struct world *w = *state;
	w->o.http.headers = headers;
	w->o.http.n_headers = 1;
	fake_command(w->fake, "require-header Authorization s3cret-token");
	fake_command(w->fake, "rule type=connect skip=2 header \"Set-Cookie: BAYEUX_BROWSER=s3cret-cookie\" "
			      "status 500");
	start(w);
	subscribe(w, "/a");
	until_connected(w);
	await(w, "held", NULL, 1);
	fake_command(w->fake, "publish /a {\"k\":\"s3cret-data\"}");
	hear(w, "s3cret-data");
	ask(w, "{\"op\":\"publish\",\"id\":2,\"channel\":\"/s\",\"data\":\"s3cret-publish\"}");
	hear(w, "\"id\":2,\"ok\":true");
	fake_command(w->fake, "kick");
	UNTIL(is_in(w, SESSION_UNCONNECTED) || info_of(w).generation > 1);
	until_connected(w);
	fake_command(w->fake, "require-header Authorization other");
	fake_command(w->fake, "cut all rst");
	UNTIL(has(&w->log, "401") || is_in(w, SESSION_OFF));
	assert_true(buf_len(&w->log) > 0);
	assert_false(has(&w->log, "s3cret"));
	assert_false(has(&w->log, "clientId"));
	/* nor does any local process see the session's id */
	assert_false(has(&w->heard, "clientId"));
	/* each state is logged once, with its server */
	assert_true(has(&w->log, "connected server=one transport="));
	assert_true(count(&w->log, "> connected server=one") <= 4);
}

/* one warning for a server that stays away, however often it is tried */
static void test_log_trouble_once(void **state)
{
	struct world *w = *state;

	/* as in life, where the lines for debugging do not count */
	log_set_level(LOG_L_NOTICE);
	fake_command(w->fake, "stop-listening");
	use(w, SESSION_LONG_POLLING, 1);
	start(w);
	UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).failures >= 5);
	assert_int_equal(count(&w->log, "<4> unconnected server=one"), 1);
	fake_command(w->fake, "listen");
	until_connected(w);
	/* news again, as it was well meanwhile */
	fake_command(w->fake, "stop-listening");
	fake_command(w->fake, "cut all rst");
	UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).failures >= 8);
	assert_in_range(count(&w->log, "<4> unconnected server=one"), 2, 3);
}

/* --- what is refused at once --- */

static void test_refused_options(void **state)
{
	struct world *w = *state;
	static const char *const bad[] = {"no header"};

	w->urls[0] = "ftp://h/";
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, w->why, sizeof(w->why), &w->u),
			 -EINVAL);
	assert_non_null(strstr(w->why, "http://"));
	w->urls[0] = w->url;
	w->o.http.headers = bad;
	w->o.http.n_headers = 1;
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, w->why, sizeof(w->why), &w->u),
			 -EINVAL);
	assert_non_null(strstr(w->why, "header"));
	w->o.http.n_headers = 0;
	start(w);
	{
		struct upstream *twin = NULL;

		assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, w->why, sizeof(w->why), &twin),
				 -EEXIST);
		assert_null(twin);
	}
}

/* a header file that is not there keeps nobody from trying again */
static void test_header_file_missing(void **state)
{
	static const char *const files[] = {"/nowhere/at/all"};
	struct world *w = *state;

	w->o.http.header_files = files;
	w->o.http.n_header_files = 1;
	for (int kind = 0; kind < SESSION_TRANSPORTS; kind++) {
		use(w, (enum session_transport)kind, 1);
		start(w);
		UNTIL(is_in(w, SESSION_UNCONNECTED) && info_of(w).failures >= 3);
		assert_true(is_reason(w, "/nowhere/at/all"));
		assert_int_equal(fake_count(w->fake, "request", NULL), 0);
		upstream_free(w->u);
		w->u = NULL;
	}
}

/* --- memory --- */

static void test_each_allocation(void **state)
{
	struct world *w = *state;

	FAIL_EACH_ALLOCATION {
		struct upstream *u = NULL;
		int r = upstream_new(w->loop, w->curl, w->hub, &w->o, w->why, sizeof(w->why), &u);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		upstream_free(u);
	}
}

static bool is_subscribed(struct world *w)
{
	wire_settle(w->loop);
	return strstr(fake_command(w->fake, "subscriptions"), ":/a");
}

/*
 * Any one allocation fails while messages come in: whatever it was, the session
 * is well by itself, or is well again, and messages come.
 */
static void allocations_meanwhile(struct world *w, bool websocket)
{
	bool more = true;
	unsigned n;

	start(w);
	until_connected(w);
	for (n = 0; more; n++) {
		replace_member(w);
		until_connected(w);
		/* a burst reaches a connect that is held, and a subscription that is known */
		UNTIL(is_subscribed(w));
		fake_command(w->fake, "mark");
		fake_command(w->fake, "publish /a \"first\"");
		hear(w, "first");
		await(w, "held", NULL, websocket ? 0 : 1);
		fake_command(w->fake, "mark");
		fake_command(w->fake, "burst /a 3 x");
		fake_await(w->fake, "event", "/a", 3);
		/* written by the end of its turn: who answers again has done that */
		for (int i = 0; i < 2; i++)
			fake_count(w->fake, "event", NULL);
		testing_fail_allocation(n);
		for (int i = 0; i < 10; i++)
			assert_int_equal(loop_turn(w->loop, false), 0);
		more = testing_allocation_failed();
		until_connected(w);
	}
	assert_true(n > 1);
}

/* The same from the first handshake on, when nothing has its memory yet. */
static void allocations_opening(struct world *w)
{
	bool more = true;
	unsigned n;

	for (n = 0; more; n++) {
		start(w);
		testing_fail_allocation(n);
		until_connected(w);
		more = testing_allocation_failed();
		upstream_free(w->u);
		w->u = NULL;
	}
	assert_true(n > 10);
	assert_false(has(&w->log, "slept"));
}

static void test_opening_longpoll(void **state)
{
	use(*state, SESSION_LONG_POLLING, 1);
	allocations_opening(*state);
}

static void test_opening_websocket(void **state)
{
	use(*state, SESSION_WEBSOCKET, 1);
	allocations_opening(*state);
}

static void test_allocations_longpoll(void **state)
{
	use(*state, SESSION_LONG_POLLING, 1);
	allocations_meanwhile(*state, false);
}

static void test_allocations_websocket(void **state)
{
	use(*state, SESSION_WEBSOCKET, 1);
	allocations_meanwhile(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
		/* those that look at the log come first: each of its call sites has a limit */
		T(log_trouble_once), T(log_keeps_secrets),
		cmocka_unit_test_setup_teardown(test_suspend, setup_patient, teardown),
		T(longpoll), T(websocket), T(fallback), T(troubles), T(ws_troubles), T(restart_longpoll),
		T(restart_websocket), T(late_server), T(burst), T(neighbour), T(stop_unanswered), T(stop_early),
		T(refused_options),
		T(header_file_missing), T(each_allocation), T(allocations_longpoll),
		T(allocations_websocket), T(opening_longpoll), T(opening_websocket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
