/*
 * The blocking half of <cometd-bridge.h>: each call starts its non-blocking
 * counterpart and waits for the result.
 */
#include "libclient/handle.h"

#include "protocol/protocol.h"

#include <stdint.h>
#include <stdio.h>

static uint64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : socket_now() + (uint64_t)timeout_ms;
}

/* Waits for the descriptor or for what the library itself has to do. 0, TIMEOUT, INTERRUPTED. */
static int wait_until(struct cometd *c, uint64_t deadline)
{
	int own = cometd_get_timeout(c), r;
	uint64_t now = socket_now(), left = deadline > now ? deadline - now : 0;
	bool mine = deadline != UINT64_MAX && (own < 0 || left < (uint64_t)own);

	r = socket_wait(&c->socket, !mine ? own : left > INT32_MAX ? INT32_MAX : (int)left);
	if (r < 0)
		return COMETD_E_INTERRUPTED;
	return r == SOCKET_E_AGAIN && mine && socket_now() >= deadline ? COMETD_E_TIMEOUT : 0;
}

int cometd_wait(struct cometd *c, int timeout_ms)
{
	if (c->depth)
		return COMETD_E_IN_CALLBACK;
	handle_free_given(c);
	int r = wait_until(c, deadline_of(timeout_ms));
	return r ? r : handle_turn(c);
}

/* Runs turns and waits between them until done(c, ctx) is true. */
static int turn_until(struct cometd *c, bool (*done)(struct cometd *c, void *ctx), void *ctx,
		      uint64_t deadline)
{
	int r = handle_turn(c);

	while (!r && !done(c, ctx)) {
		r = wait_until(c, deadline);
		if (!r)
			r = handle_turn(c);
	}
	/* the backlog is full, but that does not concern a call that is done */
	return r == COMETD_E_BACKLOG && done(c, ctx) ? 0 : r;
}

/* ---- connection -------------------------------------------------------- */

static bool connected_or_failed(struct cometd *c, void *ctx)
{
	uint64_t *failures = ctx;

	if (engine_state(c->engine) == ENGINE_UP)
		return true;
	/* COMETD_E_BUSY is temporary: the daemon's listen queue is full */
	if (engine_failures(c->engine) != *failures && engine_error(c->engine) == COMETD_E_BUSY)
		*failures = engine_failures(c->engine);
	return engine_failures(c->engine) != *failures;
}

int cometd_connect(struct cometd *c, int timeout_ms)
{
	uint64_t failures = engine_failures(c->engine);

	if (c->depth)
		return COMETD_E_IN_CALLBACK;
	handle_free_given(c);
	engine_connect_now(c->engine);
	int r = turn_until(c, connected_or_failed, &failures, deadline_of(timeout_ms));
	if (r == COMETD_E_CLOSED)
		return r;
	return r ? r : cometd_connection_error(c);
}

int cometd_next(struct cometd *c, int timeout_ms, const struct cometd_event **ret)
{
	uint64_t deadline = deadline_of(timeout_ms);

	if (c->depth)
		return COMETD_E_IN_CALLBACK;
	if (c->listener)
		return COMETD_E_INVALID;
	for (;;) {
		int r = handle_turn_next(c, ret);

		if (r != COMETD_E_TIMEOUT)
			return r;
		r = wait_until(c, deadline);
		if (r)
			return r;
	}
}

struct wanted_state {
	char name[PROTOCOL_NAME_MAX + 2];   /* a copy: it may be what cometd_next() gave */
	const char *server;                 /* it, or NULL */
	int state;
	int now;
};

static bool in_state(struct cometd *c, void *ctx)
{
	struct wanted_state *w = ctx;

	w->now = cometd_get_state(c, w->server);
	return w->now == w->state || w->now == COMETD_E_UNKNOWN_SERVER;
}

int cometd_wait_state(struct cometd *c, const char *server, enum cometd_state state, int timeout_ms)
{
	struct wanted_state w = {.server = server ? w.name : NULL, .state = state};

	if (c->depth)
		return COMETD_E_IN_CALLBACK;
	/* a truncated name is one byte longer than allowed, so it still matches no server */
	snprintf(w.name, sizeof(w.name), "%s", server ? server : "");
	handle_free_given(c);
	int r = turn_until(c, in_state, &w, deadline_of(timeout_ms));
	if (r)
		return r;
	return w.now < 0 ? w.now : 0;
}

static bool all_acknowledged(struct cometd *c, void *ctx)
{
	(void)ctx;
	return c->unacknowledged == 0;
}

int cometd_flush(struct cometd *c, int timeout_ms)
{
	if (c->depth)
		return COMETD_E_IN_CALLBACK;
	handle_free_given(c);
	int r = turn_until(c, all_acknowledged, NULL, deadline_of(timeout_ms));
	if (r)
		return r;
	r = c->unreported_error;
	c->unreported_error = 0;
	return r;
}

/* ---- requests ---------------------------------------------------------- */

struct answer {
	bool here;
	int error;
};

static void on_result(struct cometd *c, const struct cometd_result *result, void *user)
{
	struct answer *answer = user;

	answer->here = true;
	answer->error = result->error;
	if (copy_result(result, &c->result))
		c->result = NULL;
}

static bool answered(struct cometd *c, void *ctx)
{
	(void)c;
	return ((struct answer *)ctx)->here;
}

static int begin(struct cometd *c, const struct cometd_result **ret)
{
	if (ret)
		*ret = NULL;
	return c->depth ? COMETD_E_IN_CALLBACK : 0;
}

/*
 * The arguments of the request may point into the previous result, so that is freed only now. The
 * request has a deadline of its own, so this waits without one.
 */
static int finish(struct cometd *c, int r, struct answer *answer, const struct cometd_result **ret)
{
	if (r != COMETD_E_IN_CALLBACK)
		handle_free_given(c);
	if (r)
		return r;
	r = turn_until(c, answered, answer, UINT64_MAX);
	if (r == COMETD_E_CLOSED)
		return r;
	if (r && !answer->here) {
		cometd_cancel(c, on_result, answer);
		return r;
	}
	if (ret)
		*ret = c->result;
	return answer->error;
}

int cometd_subscribe(struct cometd *c, const char *server, const char *channel, unsigned flags,
		     int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_subscribe_async(c, server, channel, flags, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_subscribe_with(struct cometd *c, const char *server, const char *channel,
			  const struct cometd_subscription *subscription, int timeout_ms,
			  const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_subscribe_with_async(c, server, channel, subscription, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_unsubscribe(struct cometd *c, const char *server, const char *channel, int timeout_ms,
		       const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_unsubscribe_async(c, server, channel, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_ack(struct cometd *c, const char *server, const char *epoch, uint64_t seq, int timeout_ms,
	       const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_ack_async(c, server, epoch, seq, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_consumers(struct cometd *c, int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_consumers_async(c, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_forget(struct cometd *c, const char *server, const char *durable, int timeout_ms,
		  const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_forget_async(c, server, durable, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_publish(struct cometd *c, const char *server, const char *channel, const char *data,
		   size_t len, int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_publish_async(c, server, channel, data, len, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_publish_message(struct cometd *c, const char *server, const char *channel,
			   const struct cometd_message *message, int timeout_ms,
			   const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_publish_message_async(c, server, channel, message, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_call(struct cometd *c, const char *server, const char *channel, const char *data,
		size_t len, int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_call_async(c, server, channel, data, len, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_call_message(struct cometd *c, const char *server, const char *channel,
			const struct cometd_message *message, int timeout_ms,
			const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_call_message_async(c, server, channel, message, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_status(struct cometd *c, int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_status_async(c, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_status_detail(struct cometd *c, int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_status_detail_async(c, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_reload(struct cometd *c, int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_reload_async(c, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_config(struct cometd *c, int timeout_ms, const struct cometd_result **ret)
{
	struct answer a = {0};
	int r = begin(c, ret);

	if (!r)
		r = cometd_config_async(c, timeout_ms, on_result, &a);
	return finish(c, r, &a, ret);
}

int cometd_ping(struct cometd *c, int timeout_ms)
{
	struct answer a = {0};
	int r = begin(c, NULL);

	if (!r)
		r = cometd_ping_async(c, timeout_ms, on_result, &a);
	return finish(c, r, &a, NULL);
}
