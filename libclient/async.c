/*
 * The non-blocking half of <cometd-bridge.h>: settings, requests with a callback,
 * and the functions for an event loop. Only cometd_process() runs callbacks; no
 * call waits.
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
	handle_free_given(c);
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
	unsigned flags;
	int timeout_ms;
	cometd_result_fn fn;
	void *user;
	struct past past;
};

static int submit(struct cometd *c, const struct order *o, const struct request_parts *parts)
{
	int timeout = o->timeout_ms == COMETD_TIMEOUT_DEFAULT ? PROTOCOL_TIMEOUT_DEFAULT_MS
							      : o->timeout_ms;
	struct request *r;

	if (c->free_pending)
		return COMETD_E_CLOSED;
	if (timeout < 1 || timeout > PROTOCOL_TIMEOUT_MAX_MS)
		return COMETD_E_INVALID;
	int error = request_new(o->op, parts, &r);
	if (error)
		return error;
	r->flags = o->flags;
	r->past = o->past;
	r->deadline = socket_now() + (uint64_t)timeout;
	r->fn = o->fn;
	r->user = o->user;
	bool sends = !request_repeatable(r);
	error = engine_request(c->engine, r);
	if (!error && sends)
		c->unacknowledged++;
	/* wakes the loop even if the application forgets to ask for the timeout */
	if (!error && engine_has_output(c->engine))
		socket_watch(&c->socket, c->socket.in, !c->write_failed);
	return error;
}

static int submit_channel(struct cometd *c, const struct order *o, const char *server,
			  const char *channel)
{
	if (!channel)
		return COMETD_E_INVALID;
	return submit(c, o, &(struct request_parts){.server = slice_of(server),
						    .channel = slice_of(channel)});
}

static bool all_zero(const unsigned char *p, size_t n)
{
	while (n > 0 && *p == 0)
		p++, n--;
	return n == 0;
}

/* Converts to the struct of this version of the library, which may differ from the program's header. */
static int adopt(const void *given, size_t least, void *ret, size_t known)
{
	size_t size;

	if (!given)
		return COMETD_E_INVALID;
	memcpy(&size, given, sizeof(size));
	if (size < least)
		return COMETD_E_INVALID;
	if (size > known && !all_zero((const unsigned char *)given + known, size - known))
		return COMETD_E_INVALID;
	memset(ret, 0, known);
	memcpy(ret, given, size < known ? size : known);
	return 0;
}

/* of the first header: fields that came later may be missing */
#define SUBSCRIPTION_SIZE_MIN (offsetof(struct cometd_subscription, seq) + sizeof(uint64_t))

/* A consumer has a position of its own, and what it gets waits in the daemon. */
static bool durable_ok(const struct cometd_subscription *s)
{
	return !s->durable || (!s->history && !s->epoch && !s->since && !s->flags);
}

static int read_past(const struct cometd_subscription *s, struct past *ret)
{
	struct position since = position_of(slice_of(s->epoch), s->seq);

	if (!durable_ok(s))
		return COMETD_E_INVALID;
	if (s->epoch && (!position_known(&since) || !utf8_valid(slice_of(s->epoch))))
		return COMETD_E_INVALID;
	if ((s->epoch != NULL) + (s->history != 0) + (s->since != 0) > 1)
		return COMETD_E_INVALID;
	*ret = (struct past){.kind = s->epoch ? PAST_SINCE : s->history ? PAST_HISTORY :
				     s->since ? PAST_TIME : PAST_NONE,
			     .history = s->history, .time = s->since, .since = since};
	return 0;
}

int cometd_subscribe_with_async(struct cometd *c, const char *server, const char *channel,
				const struct cometd_subscription *subscription, int timeout_ms,
				cometd_result_fn fn, void *user)
{
	struct order o = {PROTOCOL_OP_SUBSCRIBE, 0, timeout_ms, fn, user, {0}};
	struct cometd_subscription s;
	int error = adopt(subscription, SUBSCRIPTION_SIZE_MIN, &s, sizeof(s));

	if (error || s.flags & ~(COMETD_LISTEN_ONLY | COMETD_DISCONNECT_IF_SLOW))
		return COMETD_E_INVALID;
	o.flags = s.flags;
	error = read_past(&s, &o.past);
	if (error || !channel)
		return COMETD_E_INVALID;
	return submit(c, &o, &(struct request_parts){.server = slice_of(server), .channel = slice_of(channel),
						     .durable = slice_of(s.durable)});
}

int cometd_subscribe_async(struct cometd *c, const char *server, const char *channel,
			   unsigned flags, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct cometd_subscription s = {.size = sizeof(s), .flags = flags};

	return cometd_subscribe_with_async(c, server, channel, &s, timeout_ms, fn, user);
}

int cometd_unsubscribe_async(struct cometd *c, const char *server, const char *channel,
			     int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_UNSUBSCRIBE, 0, timeout_ms, fn, user, {0}};

	return submit_channel(c, &o, server, channel);
}

/* ---- durable consumers ------------------------------------------------- */

int cometd_ack_async(struct cometd *c, const char *server, const char *epoch, uint64_t seq, int timeout_ms,
		     cometd_result_fn fn, void *user)
{
	struct slice name = engine_consumer(c->engine, server);
	const struct order o = {PROTOCOL_OP_ACK, 0, timeout_ms, fn, user,
				{.since = position_of(slice_of(epoch), seq)}};

	if (epoch && !position_known(&o.past.since))
		return COMETD_E_INVALID;
	if (!name.p)
		return COMETD_E_NOT_SUBSCRIBED;
	return submit(c, &o, &(struct request_parts){.server = slice_of(server), .durable = name});
}

int cometd_consumers_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_CONSUMERS, 0, timeout_ms, fn, user, {0}};

	return submit(c, &o, &(struct request_parts){.binary = false});
}

int cometd_forget_async(struct cometd *c, const char *server, const char *durable, int timeout_ms,
			cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_FORGET, 0, timeout_ms, fn, user, {0}};

	if (!durable)
		return COMETD_E_INVALID;
	return submit(c, &o, &(struct request_parts){.server = slice_of(server), .durable = slice_of(durable)});
}

/* ---- messages ---------------------------------------------------------- */

/* of the first header: fields that came later may be missing */
#define MESSAGE_SIZE_MIN (offsetof(struct cometd_message, binary_meta_len) + sizeof(size_t))

/* The `binary` object of the wire for the bytes of a message. */
static int put_binary(const struct cometd_message *m, struct buf *out)
{
	const struct binary b = {m->binary, m->binary_len, m->binary_more,
				 slice_make(m->binary_meta, m->binary_meta_len)};
	int error = m->binary_meta ? cometd_json_parse(m->binary_meta, m->binary_meta_len, NULL) : 0;

	return error ? error : binary_write(&b, out);
}

static int submit_message(struct cometd *c, const struct order *o, const char *server,
			  const char *channel, const struct cometd_message *given)
{
	struct request_parts parts = {.server = slice_of(server), .channel = slice_of(channel)};
	struct cometd_message m;
	struct buf object;
	int error = adopt(given, MESSAGE_SIZE_MIN, &m, sizeof(m));

	if (error || !channel || !m.data == !m.binary)
		return COMETD_E_INVALID;
	buf_init(&object, PROTOCOL_REQUEST_MAX);
	parts.binary = m.binary != NULL;
	parts.ext = slice_make(m.ext, m.ext_len);
	if (parts.binary)
		error = put_binary(&m, &object);
	parts.data = parts.binary ? buf_slice(&object) : slice_make(m.data, m.data_len);
	if (!error)
		error = submit(c, o, &parts);
	buf_fini(&object);
	return error;
}

static struct cometd_message only_data(const char *data, size_t len)
{
	return (struct cometd_message){.size = sizeof(struct cometd_message), .data = data,
				       .data_len = len};
}

int cometd_publish_message_async(struct cometd *c, const char *server, const char *channel,
				 const struct cometd_message *message, int timeout_ms,
				 cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_PUBLISH, 0, timeout_ms, fn, user, {0}};

	return submit_message(c, &o, server, channel, message);
}

int cometd_publish_async(struct cometd *c, const char *server, const char *channel,
			 const char *data, size_t len, int timeout_ms, cometd_result_fn fn,
			 void *user)
{
	const struct cometd_message m = only_data(data, len);

	return cometd_publish_message_async(c, server, channel, &m, timeout_ms, fn, user);
}

int cometd_call_message_async(struct cometd *c, const char *server, const char *channel,
			      const struct cometd_message *message, int timeout_ms,
			      cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_CALL, 0, timeout_ms, fn, user, {0}};

	return submit_message(c, &o, server, channel, message);
}

int cometd_call_async(struct cometd *c, const char *server, const char *channel, const char *data,
		      size_t len, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct cometd_message m = only_data(data, len);

	return cometd_call_message_async(c, server, channel, &m, timeout_ms, fn, user);
}

/* ---- the daemon itself ------------------------------------------------- */

int cometd_status_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_STATUS, 0, timeout_ms, fn, user, {0}};

	return submit(c, &o, &(struct request_parts){.binary = false});
}

int cometd_status_detail_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_STATUS, REQUEST_DETAIL, timeout_ms, fn, user, {0}};

	return submit(c, &o, &(struct request_parts){.binary = false});
}

int cometd_reload_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_RELOAD, 0, timeout_ms, fn, user, {0}};

	return submit(c, &o, &(struct request_parts){.binary = false});
}

int cometd_config_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_CONFIG, 0, timeout_ms, fn, user, {0}};

	return submit(c, &o, &(struct request_parts){.binary = false});
}

int cometd_ping_async(struct cometd *c, int timeout_ms, cometd_result_fn fn, void *user)
{
	const struct order o = {PROTOCOL_OP_PING, 0, timeout_ms, fn, user, {0}};

	return submit(c, &o, &(struct request_parts){.binary = false});
}

int cometd_cancel(struct cometd *c, cometd_result_fn fn, void *user)
{
	return engine_cancel(c->engine, fn, user);
}
