/*
 * A fake server, the upstream and hub connected to it, and everything that its member
 * received and that was logged.
 */
#include "tests/unit/upstream_world.h"

#include "base/log.h"
#include "local/wire_in.h"
#include "local/wire_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void on_stopped(void *ctx)
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

	if (!w || loop_new(&w->loop) || curl_loop_new(w->loop, &w->curl) || hub_new(&hub, &wire_out_encoder, &w->hub))
		return -1;
	w->fake = fake_start(fake_options);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/cometd", (unsigned)fake_port(w->fake));
	buf_init(&w->heard, 256u << 20);
	buf_init(&w->log, 64u << 20);
	frame_reader_init(&w->in, PROTOCOL_FRAME_MAX);
	outbox_init(&w->member.outbox, 64u << 20, wire_out_lost, (struct wake){NULL, NULL});
	if (hub_add_member(w->hub, &w->member))
		return -1;
	upstream_options_default(&w->o);
	w->o.name = "one";
	w->o.is_default = true;
	w->urls[0] = w->url;
	w->o.urls = (struct strings){w->urls, 1};
	w->o.changed = (struct wake){on_change, w};
	w->o.session.backoff_min = 20;
	w->o.session.backoff_max = 200;
	w->o.session.halt_retry = 50;
	log_set_sink(on_log, w);
	log_set_level(LOG_L_DEBUG);
	*state = w;
	return 0;
}

int upstream_world_setup(void **state)
{
	static const char *const options[] = {"--timeout", "60000", "--max-interval", "600000", NULL};

	return start_with(state, options);
}

int upstream_world_setup_patient(void **state)
{
	static const char *const options[] = {"--timeout", "600000", "--max-interval", "600000", NULL};

	return start_with(state, options);
}

int upstream_world_teardown(void **state)
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

void use(struct world *w, enum session_transport first, size_t n)
{
	w->o.session.transports[0] = first;
	w->o.session.transports[1] = SESSION_LONG_POLLING;
	w->o.session.n_transports = n;
}

void start(struct world *w)
{
	assert_int_equal(upstream_new(w->loop, w->curl, w->hub, &w->o, &w->why, &w->u), 0);
	upstream_start(w->u);
}

bool seen(struct world *w, const char *kind, const char *channel, unsigned long n)
{
	wire_settle(w->loop);
	return fake_count(w->fake, kind, channel) >= n;
}

void print_world(struct world *w)
{
	struct session_info info;

	fake_print_log(w->fake);
	print_error("%.*s", SLICE_ARG(slice_take(buf_slice(&w->log), 10000)));
	print_error("heard %.*s", SLICE_ARG(slice_take(buf_slice(&w->heard), 3000)));
	session_info(upstream_session(w->u), &info);
	print_error("state %s, %.*s\n", session_state_name(info.state), SLICE_ARG(info.reason));
}

uint64_t clock_real(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

void await(struct world *w, const char *kind, const char *channel, unsigned long n)
{
	UNTIL(seen(w, kind, channel, n));
}

struct session_info info_of(struct world *w)
{
	struct session_info info;

	session_info(upstream_session(w->u), &info);
	return info;
}

bool is_reason(struct world *w, const char *text)
{
	struct slice reason = info_of(w).reason;

	return reason.n && memmem(reason.p, reason.n, text, strlen(text));
}

bool is_in(struct world *w, enum session_state state)
{
	wire_settle(w->loop);
	return info_of(w).state == state;
}

void until_connected(struct world *w)
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

bool has(const struct buf *b, const char *text)
{
	struct slice s = buf_slice(b);

	return s.n && memmem(s.p, s.n, text, strlen(text));
}

bool heard(struct world *w, const char *text)
{
	assert_int_equal(loop_turn(w->loop, false), 0);
	take_frames(w);
	return has(&w->heard, text);
}

void hear(struct world *w, const char *text)
{
	UNTIL(heard(w, text));
}

unsigned count(const struct buf *b, const char *text)
{
	struct slice s = buf_slice(b);
	unsigned n = 0;

	for (const char *p; s.n && (p = memmem(s.p, s.n, text, strlen(text))); n++)
		s = slice_drop(s, (size_t)(p - s.p) + strlen(text));
	return n;
}

void ask(struct world *w, const char *json)
{
	struct message m;
	char why[128];

	assert_int_equal(message_decode(slice_of(json), PROTOCOL_FROM_PEER, &m, why, sizeof(why)), 0);
	assert_int_equal(wire_in_request(w->hub, &w->member, &m, &(struct wire_in_time){loop_now(w->loop), 0}), 0);
	message_fini(&m);
}

void subscribe(struct world *w, const char *channel)
{
	char text[128], active[160];

	snprintf(text, sizeof(text), "{\"op\":\"subscribe\",\"id\":1,\"channel\":\"%s\"}", channel);
	ask(w, text);
	snprintf(active, sizeof(active), "{\"op\":\"reply\",\"id\":1,\"ok\":true");
	hear(w, active);
}
