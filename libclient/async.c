/*
 * Owns the non-blocking half of <cometd-bridge.h>: settings, requests with a
 * callback, and what a loop needs. Guarantees that no call here waits or calls
 * back, but cometd_process(). Must never know any loop.
 */
#include "libclient/handle.h"

#include "libclient/binary.h"
#include "libclient/request.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

/* ---- settings ---------------------------------------------------------- */

int cometd_set_socket(struct cometd *c, const char *path)
{
	char *copy = NULL;

	if (path && !socket_path_ok(path))
		return COMETD_E_INVALID;
	if (path && !(copy = strdup(path)))
		return COMETD_E_NOMEM;
	free(c->path);
	c->path = copy;
	return 0;
}

const char *cometd_get_socket(const struct cometd *c)
{
	return socket_path(c->path);
}

int cometd_set_name(struct cometd *c, const char *name)
{
	struct slice s = slice_of(name ? name : program_invocation_short_name);

	if (name && (s.n == 0 || s.n > PROTOCOL_NAME_MAX || !utf8_valid(s)))
		return COMETD_E_INVALID;
	engine_set_name(c->engine, s.p);
	return 0;
}

void cometd_set_listener(struct cometd *c, cometd_event_fn fn, void *user)
{
	c->listener = fn;
	c->listener_user = user;
}

/* ---- for any loop ------------------------------------------------------ */

int cometd_get_fd(const struct cometd *c)
{
	return c->socket.epoll;
}

int cometd_get_events(const struct cometd *c)
{
	(void)c;
	return POLLIN;
}

int cometd_get_timeout(const struct cometd *c)
{
	uint64_t deadline = engine_deadline(c->engine), now;

	if (c->listener && c->first)
		return 0;
	if (!c->listener && c->kept_bytes >= COMETD_MAX_BACKLOG)
		return -1;
	if (c->item_waits)
		return 0;
	if (deadline == UINT64_MAX)
		return -1;
	now = socket_now();
	if (deadline <= now)
		return 0;
	return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

int cometd_process(struct cometd *c)
{
	if (c->depth)
		return COMETD_E_IN_CALLBACK;
	handle_forget_given(c);
	return handle_turn(c);
}

int cometd_is_connected(const struct cometd *c)
{
	return engine_state(c->engine) == ENGINE_UP;
}

int cometd_connection_error(const struct cometd *c)
{
	return cometd_is_connected(c) ? 0 : engine_error(c->engine);
}

int cometd_get_state(const struct cometd *c, const char *server)
{
	return engine_server_state(c->engine, server);
}

/* ---- requests ---------------------------------------------------------- */

/* What all requests have in common. */
struct order {
	enum protocol_op op;
	const char *server, *channel;
	struct slice data;
	unsigned flags;
	int timeout_ms;
	cometd_result_fn fn;
	void *user;
	bool binary;                /* data is the object of bytes */
};

static int submit(struct cometd *c, const struct order *o)
{
	int timeout = o->timeout_ms == COMETD_TIMEOUT_DEFAULT ? PROTOCOL_TIMEOUT_DEFAULT_MS
							      : o->timeout_ms;
	struct request *r;

	if (c->doomed)
		return COMETD_E_CLOSED;
	if (timeout < 1 || timeout > PROTOCOL_TIMEOUT_MAX_MS)
		return COMETD_E_INVALID;
	int error = request_new(o->op, slice_of(o->server), slice_of(o->channel), o->data, &r);
	if (error)
		return error;
	r->flags = o->flags;
	r->binary = o->binary;
	r->deadline = socket_now() + (uint64_t)timeout;
	r->fn = o->fn;
	r->user = o->user;
	error = engine_request(c->engine, r);
	/* wakes the loop even if the application forgets to ask for the timeout */
	if (!error && engine_has_output(c->engine))
		socket_watch(&c->socket, c->socket.in, !c->mute);
	return error;
}

int cometd_subscribe_async(struct cometd *c, const char *server, const char *channel,
			   unsigned flags, int timeout_ms, cometd_result_fn fn, void *user)
{
	if (!channel || flags & ~(COMETD_LISTEN_ONLY | COMETD_DISCONNECT_IF_SLOW))
		return COMETD_E_INVALID;
	return submit(c, &(struct order){PROTOCOL_OP_SUBSCRIBE, server, channel, SLICE_NULL, flags,
					 timeout_ms, fn, user, false});
}

int cometd_unsubscribe_async(struct cometd *c, const char *server, const char *channel,
			     int timeout_ms, cometd_result_fn fn, void *user)
{
	if (!channel)
		return COMETD_E_INVALID;
	return submit(c, &(struct order){PROTOCOL_OP_UNSUBSCRIBE, server, channel, SLICE_NULL, 0,
					 timeout_ms, fn, user, false});
}

static int submit_data(struct cometd *c, const struct order *o)
{
	return o->channel && o->data.p ? submit(c, o) : COMETD_E_INVALID;
}

int cometd_publish_async(struct cometd *c, const char *server, const char *channel,
			 const char *data, size_t len, int timeout_ms, cometd_result_fn fn,
			 void *user)
{
	return submit_data(c, &(struct order){PROTOCOL_OP_PUBLISH, server, channel,
					      slice_make(data, len), 0, timeout_ms, fn, user, false});
}

int cometd_publish_binary_async(struct cometd *c, const char *server, const char *channel,
				const struct cometd_binary *binary, int timeout_ms,
				cometd_result_fn fn, void *user)
{
	struct buf object;

	buf_init(&object, PROTOCOL_REQUEST_MAX);
	int error = binary_write(binary, &object);
	if (!error)
		error = submit_data(c, &(struct order){PROTOCOL_OP_PUBLISH, server, channel,
						       buf_slice(&object), 0, timeout_ms, fn, user,
						       true});
	buf_fini(&object);
	return error;
}

int cometd_call_async(struct cometd *c, const char *server, const char *channel, const char *data,
		      size_t len, int timeout_ms, cometd_result_fn fn, void *user)
{
	return submit_data(c, &(struct order){PROTOCOL_OP_CALL, server, channel,
					      slice_make(data, len), 0, timeout_ms, fn, user, false});
}

int cometd_status_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	return submit(c, &(struct order){.op = PROTOCOL_OP_STATUS, .timeout_ms = timeout_ms,
					 .fn = fn, .user = user});
}

int cometd_ping_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	return submit(c, &(struct order){.op = PROTOCOL_OP_PING, .timeout_ms = timeout_ms,
					 .fn = fn, .user = user});
}

int cometd_cancel(struct cometd *c, cometd_result_fn fn, void *user)
{
	return engine_cancel(c->engine, fn, user);
}
