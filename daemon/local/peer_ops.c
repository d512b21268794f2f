/*
 * One handler for each op of the local wire. Every request with an id gets exactly one reply; a frame that cannot
 * be answered closes the connection, with a reason.
 */
#include "local/peer_ops.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/log.h"
#include "local/wire_in.h"
#include "local/wire_out.h"
#include "protocol/json_write.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define STATUS_MAX (6u << 20)   /* ceiling of one status reply: some 10,000 peers, and their channels */
/* the pause after making it, as a multiple of the time it took: at most a tenth of all time goes into it */
#define STATUS_PAUSE 10
/* result of an op: the request is to be handled again later */
enum { OPS_E_LATER = 1 };
#define HELLO_REPLY_MAX (256u << 10)
#define CONFIG_REPLY_MAX (8u << 20)

typedef int op_handler(struct peer_ops *ops, struct peer *p, const struct message *m);

/* `result`: raw object or SLICE_NULL. */
static void reply(struct peer_ops *ops, struct peer *p, const struct message *m, struct slice result)
{
	const struct hub_answer done = {.result = result};

	hub_reply(ops->hub, peer_member(p), m->id, &done);
}

static void put_limits(struct json_write *w, const struct peer_ops *ops)
{
	json_key(w, "limits");
	json_object_begin(w);
	json_key(w, "request");
	json_put_u64(w, PROTOCOL_REQUEST_MAX);
	json_key(w, "frame");
	json_put_u64(w, PROTOCOL_FRAME_MAX);
	json_key(w, "subscriptions");
	json_put_u64(w, ops->limits.subscriptions_max);
	json_key(w, "requests");
	json_put_u64(w, ops->limits.requests_max);
	json_key(w, "outbox");
	json_put_u64(w, ops->outbox_max);
	json_object_end(w);
}

/* the identity from the kernel, not what the peer claims */
static void put_identity(struct json_write *w, struct peer *p)
{
	const struct identity *who = peer_identity(p);

	json_key(w, "identity");
	json_object_begin(w);
	json_key(w, "uid");
	json_put_u64(w, who->uid);
	json_key(w, "gid");
	json_put_u64(w, who->gid);
	json_key(w, "pid");
	json_put_i64(w, who->pid);
	json_object_end(w);
}

static void put_servers(struct json_write *w, struct peer_ops *ops)
{
	uint64_t now = loop_now(ops->loop), unix_ms = clock_unix_ms();

	json_key(w, "servers");
	json_array_begin(w);
	for (struct hub_server *s = hub_next_server(ops->hub, NULL); s;
	     s = hub_next_server(ops->hub, s)) {
		json_object_begin(w);
		wire_out_server(s, true, now, unix_ms, w);
		json_object_end(w);
	}
	json_array_end(w);
}

static int put_hello_result(struct peer_ops *ops, struct peer *p, struct buf *out)
{
	struct json_write w;

	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "version");
	json_put_u64(&w, PROTOCOL_VERSION_MAX);
	json_key(&w, "versions");
	json_array_begin(&w);
	json_put_u64(&w, PROTOCOL_VERSION_MIN);
	json_put_u64(&w, PROTOCOL_VERSION_MAX);
	json_array_end(&w);
	put_limits(&w, ops);
	put_identity(&w, p);
	put_servers(&w, ops);
	json_object_end(&w);
	return json_write_done(&w);
}

/* The reply is queued first: it has the state of every server, and events report only later changes. */
static int greet(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	CLEANUP(buf_fini) struct buf result;

	buf_init(&result, HELLO_REPLY_MAX);
	int r = put_hello_result(ops, p, &result);
	if (r)
		return r;
	if (message_has(m, PROTOCOL_FIELD_NAME))
		peer_set_name(p, m->name);
	reply(ops, p, m, buf_slice(&result));
	r = hub_add_member(ops->hub, peer_member(p));
	if (r == 0)
		peer_set_hello_done(p);
	return r;
}

static int on_hello(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	if (peer_hello_done(p)) {
		peer_close(p, PROTOCOL_E_HELLO_TWICE, SLICE("hello came a second time"), 0);
		return 0;
	}
	if (m->version < PROTOCOL_VERSION_MIN) {
		hub_refuse(ops->hub, peer_member(p), m->id, PROTOCOL_E_BAD_VERSION,
			   SLICE("this daemon speaks version 1"));
		peer_close(p, PROTOCOL_E_BAD_VERSION, SLICE("no common version"), 0);
		return 0;
	}
	return greet(ops, p, m);
}

static int on_request(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	const struct wire_in_time now = {loop_now(ops->loop), clock_unix_ms()};

	return wire_in_request(ops->hub, peer_member(p), m, &now);
}

static int make_status(struct peer_ops *ops, bool detail)
{
	struct status_cache *cache = &ops->status[detail];
	uint64_t begin = clock_work_us();
	struct blob *answer;
	int r = blob_new(STATUS_MAX, &answer);

	if (r)
		return r;
	r = introspect_status(ops->introspect, detail, &answer->buf);
	if (r == 0)
		r = buf_putc(&answer->buf, '}');
	if (r) {
		blob_unref(answer);
		return r;
	}
	blob_unref(cache->answer);
	cache->answer = answer;
	cache->turn = loop_turns(ops->loop);
	cache->due = loop_now(ops->loop) + (clock_work_us() - begin) * STATUS_PAUSE / 1000;
	loop_timer_at(cache->timer, cache->due);
	return 0;
}

/* All requests that had to wait are handled again; the first of them makes the answer. */
static void on_status_due(void *ctx)
{
	struct status_cache *cache = ctx;
	struct hub *hub = cache->ops->hub;

	cache->answer = blob_unref(cache->answer);
	for (struct member *m = hub_next_member(hub, NULL); m; m = hub_next_member(hub, m))
		peer_retry(peer_of_member(m));
}

static int on_status(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	bool detail = message_has(m, PROTOCOL_FIELD_DETAIL) && m->detail;
	struct status_cache *cache = &ops->status[detail];
	bool usable = cache->answer && (peer_is_retried(p) || cache->turn == loop_turns(ops->loop));
	int r = 0;

	if (!usable && loop_now(ops->loop) < cache->due)
		return OPS_E_LATER;
	if (!usable)
		r = make_status(ops, detail);
	if (r == -EMSGSIZE) {
		hub_refuse(ops->hub, peer_member(p), m->id, PROTOCOL_E_TOO_LARGE,
			   SLICE("too many peers for one status"));
		return 0;
	}
	if (r)
		return r;
	wire_out_shared_reply(ops->hub, peer_member(p), m->id, cache->answer);
	return 0;
}

/* ---- consumers ---- */

static void put_consumer(struct json_write *w, const struct hub_server *server, const struct hub_consumer *c)
{
	struct hub_subscription s;

	json_object_begin(w);
	json_key(w, "server"), json_put_text(w, hub_server_name(server));
	json_key(w, "durable"), json_put_text(w, c->name);
	json_key(w, "uid"), json_put_u64(w, c->uid);
	json_key(w, "channels");
	json_array_begin(w);
	for (const struct subscription *at = NULL; (at = hub_next_subscription(c->subscriptions, at, &s));)
		json_put_text(w, s.pattern);
	json_array_end(w);
	json_key(w, "acked"), json_put_u64(w, c->acked);
	json_key(w, "newest"), json_put_u64(w, c->newest);
	json_key(w, "waiting"), json_put_u64(w, c->waiting);
	json_key(w, "lost"), json_put_u64(w, c->dropped);
	if (c->held) {
		json_key(w, "held"), json_put_bool(w, true);
		json_key(w, "pid"), json_put_i64(w, c->pid);
	}
	json_object_end(w);
}

/* Of this server, or of all. */
static int put_consumers(struct hub *hub, const struct hub_server *only, struct buf *out)
{
	struct hub_consumer c;
	struct json_write w;

	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "consumers");
	json_array_begin(&w);
	for (struct hub_server *s = hub_next_server(hub, NULL); s; s = hub_next_server(hub, s))
		for (const struct consumer *at = NULL; (!only || s == only) && (at = hub_next_consumer(s, at, &c));)
			put_consumer(&w, s, &c);
	json_array_end(&w);
	json_object_end(&w);
	return json_write_done(&w);
}

static int on_consumers(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	CLEANUP(buf_fini) struct buf result;
	struct hub_server *only = NULL;

	if (message_has(m, PROTOCOL_FIELD_SERVER)) {
		only = hub_find_server(ops->hub, m->server);
		if (!only) {
			hub_refuse(ops->hub, peer_member(p), m->id, PROTOCOL_E_UNKNOWN_SERVER, SLICE("no such server"));
			return 0;
		}
	}
	buf_init(&result, STATUS_MAX);
	int r = put_consumers(ops->hub, only, &result);
	if (r == -EMSGSIZE) {
		hub_refuse(ops->hub, peer_member(p), m->id, PROTOCOL_E_TOO_LARGE,
			   SLICE("too many channels for one reply; name a server"));
		return 0;
	}
	if (r == 0)
		reply(ops, p, m, buf_slice(&result));
	return r;
}

/* ---- for administrators ---- */

/* Refuses a request of another user. */
static bool check_administrator(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	uid_t uid = peer_identity(p)->uid;
	struct fault why;

	if (uid == 0 || uid == geteuid())
		return true;
	fault_set(&why, "only root and the user of the daemon (uid %u) may do this",
		  (unsigned)geteuid());
	hub_refuse(ops->hub, peer_member(p), m->id, PROTOCOL_E_DENIED, slice_of(why.text));
	return false;
}

static int on_reload(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	CLEANUP(buf_fini) struct buf result;
	struct fault why = {0};

	buf_init(&result, CONFIG_REPLY_MAX);
	if (!check_administrator(ops, p, m))
		return 0;
	int r = ops->admin.reload(ops->admin.ctx, &result, &why);
	if (r == 0)
		reply(ops, p, m, buf_slice(&result));
	else if (r > 0)
		hub_refuse(ops->hub, peer_member(p), m->id, PROTOCOL_E_BAD_CONFIG, slice_of(why.text));
	return r < 0 ? r : 0;
}

static int put_config(struct peer_ops *ops, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text;
	struct json_write w;

	buf_init_secret(&text, CONFIG_REPLY_MAX);
	int r = ops->admin.config(ops->admin.ctx, &text);
	if (r)
		return r;
	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "config");
	json_put_text(&w, buf_slice(&text));
	json_object_end(&w);
	return json_write_done(&w);
}

static int on_config(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	CLEANUP(buf_fini) struct buf result;

	buf_init_secret(&result, CONFIG_REPLY_MAX);
	if (!check_administrator(ops, p, m))
		return 0;
	int r = put_config(ops, &result);
	if (r == 0)
		reply(ops, p, m, buf_slice(&result));
	else if (r == -EMSGSIZE)
		hub_refuse(ops->hub, peer_member(p), m->id, PROTOCOL_E_TOO_LARGE,
			   SLICE("the configuration does not fit into a reply"));
	return r == -EMSGSIZE ? 0 : r;
}

static int on_ping(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	reply(ops, p, m, SLICE_NULL);
	return 0;
}

static op_handler *const handlers[PROTOCOL_OPS_END] = {
	[PROTOCOL_OP_HELLO] = on_hello,
	[PROTOCOL_OP_SUBSCRIBE] = on_request,
	[PROTOCOL_OP_UNSUBSCRIBE] = on_request,
	[PROTOCOL_OP_PUBLISH] = on_request,
	[PROTOCOL_OP_CALL] = on_request,
	[PROTOCOL_OP_ACK] = on_request,
	[PROTOCOL_OP_CONSUMERS] = on_consumers,
	[PROTOCOL_OP_FORGET] = on_request,
	[PROTOCOL_OP_STATUS] = on_status,
	[PROTOCOL_OP_RELOAD] = on_reload,
	[PROTOCOL_OP_CONFIG] = on_config,
	[PROTOCOL_OP_PING] = on_ping,
};

/* Answers a request that could not be read; without an id there is no reply, and a request
   without an outcome would be lost silently, so the connection is closed, with the reason. */
static void refuse_unread(struct peer_ops *ops, struct peer *p, const struct message *m,
			  enum protocol_error code, const char *why)
{
	if (peer_hello_done(p) && message_has(m, PROTOCOL_FIELD_ID))
		hub_refuse(ops->hub, peer_member(p), m->id, code, slice_of(why));
	else
		peer_close(p, code, slice_of(why), 0);
}

/* false: the request is to be handled again later */
static bool dispatch(struct peer_ops *ops, struct peer *p, const struct message *m)
{
	if (!peer_hello_done(p) && m->op != PROTOCOL_OP_HELLO) {
		peer_close(p, PROTOCOL_E_HELLO_REQUIRED, SLICE("the first frame must be hello"), 0);
		return true;
	}
	int r = handlers[m->op](ops, p, m);
	if (r == 0 || r == OPS_E_LATER)
		return r == 0;
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", (unsigned)peer_identity(p)->uid);
	log_msg(LOG_L_ERROR, LOG_FIELDS({"uid", slice_of(uid)}, {"peer", peer_name(p)}),
		"%s failed: %s", protocol_op_name(m->op), strerror(-r));
	peer_close(p, PROTOCOL_E_INTERNAL, SLICE("the daemon is out of memory"), 0);
	return true;
}

static bool on_frame(void *ctx, struct peer *p, struct slice body)
{
	struct peer_ops *ops = ctx;
	struct message m;
	char why[160];
	bool done = true;

	switch (message_decode(body, PROTOCOL_FROM_PEER, &m, why, sizeof(why))) {
	case 0:
		done = dispatch(ops, p, &m);
		break;
	case MESSAGE_E_FRAME:
		peer_close(p, PROTOCOL_E_BAD_FRAME, slice_of(why), 0);
		break;
	case MESSAGE_E_OP:
		refuse_unread(ops, p, &m, PROTOCOL_E_UNKNOWN_OP, why);
		break;
	case MESSAGE_E_FIELD:
		refuse_unread(ops, p, &m, PROTOCOL_E_BAD_REQUEST, why);
		break;
	default:
		peer_close(p, PROTOCOL_E_INTERNAL, SLICE("the daemon is out of memory"), 0);
		break;
	}
	message_fini(&m);
	return done;
}

static void on_gone(void *ctx, struct peer *p)
{
	struct peer_ops *ops = ctx;

	peer_log_end(&ops->departures, p, loop_now(ops->loop), clock_unix_ms());
	hub_member_left(ops->hub, peer_member(p), loop_now(ops->loop));
}

static void on_loss(void *ctx, struct peer *p)
{
	(void)ctx;
	peer_log_loss(p);
}

struct peer_handler peer_ops_handler(struct peer_ops *ops)
{
	return (struct peer_handler){
		.frame = on_frame, .loss = on_loss, .gone = on_gone, .ctx = ops};
}

int peer_ops_init(struct peer_ops *ops)
{
	int r = 0;

	for (int i = 0; i < 2; i++)
		ops->status[i] = (struct status_cache){.ops = ops};
	for (int i = 0; !r && i < 2; i++)
		r = loop_timer_new(ops->loop, on_status_due, &ops->status[i], &ops->status[i].timer);
	if (r)
		peer_ops_fini(ops);
	return r;
}

void peer_ops_fini(struct peer_ops *ops)
{
	for (int i = 0; i < 2; i++) {
		loop_timer_free(ops->status[i].timer);
		blob_unref(ops->status[i].answer);
		ops->status[i] = (struct status_cache){.ops = ops};
	}
}
