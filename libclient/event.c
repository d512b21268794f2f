/*
 * Converts messages of the wire to the structs of the application. Names are
 * NUL-terminated copies; payloads are the received bytes, unchanged.
 */
#include "libclient/event.h"

#include "libclient/binary.h"
#include "libclient/error.h"
#include "protocol/json_read.h"

#include <errno.h>

/* ---- names into C strings ---------------------------------------------- */

#define TEXTS_MAX 7

/* Collected first and copied in one go, since a buf moves when it grows. */
struct texts {
	size_t n;
	struct {
		struct slice from;
		const char **to;
	} v[TEXTS_MAX];
};

static void texts_add(struct texts *t, struct slice from, const char **to)
{
	if (from.p) {
		t->v[t->n].from = from;
		t->v[t->n++].to = to;
	}
}

/* `extra`: bytes of room to keep after the texts. 0 or -ENOMEM */
static int texts_copy(const struct texts *t, size_t extra, struct buf *out)
{
	size_t size = 0;
	char *p;

	buf_clear(out);
	for (size_t i = 0; i < t->n; i++)
		size += t->v[i].from.n + 1;
	if (size + extra == 0)
		return 0;
	int r = buf_room(out, size + extra, &p);
	if (r)
		return -ENOMEM;
	buf_grown(out, size);
	for (size_t i = 0; i < t->n; i++) {
		size_t n = t->v[i].from.n;

		memcpy(p, t->v[i].from.p, n);
		p[n] = '\0';
		*t->v[i].to = p;
		p += n + 1;
	}
	return 0;
}

/* ---- events ------------------------------------------------------------ */

/* channel and data of a Bayeux message; neither has to be there */
static int read_bayeux(struct slice raw, struct buf *scratch, struct slice *ret_channel,
		       struct slice *ret_data)
{
	struct json_field f[] = {{.name = "channel"}, {.name = "data"}};
	int r = raw.p ? json_read_object(raw, f, 2, false, NULL) : JSON_E_SHAPE;

	*ret_channel = *ret_data = SLICE_NULL;
	if (r < 0)
		return -ENOMEM;
	if (r > 0)
		return 0;
	*ret_data = f[1].value.raw;
	return json_text(&f[0].value, scratch, ret_channel) < 0 ? -ENOMEM : 0;
}

static void copy_numbers(const struct message *m, struct cometd_event *e)
{
	e->seq = m->seq;
	e->since = m->since;
	e->generation = m->generation;
	e->retry_in = -1;
	if (message_has(m, PROTOCOL_FIELD_RETRY_IN))
		e->retry_in = m->retry_in > INT64_MAX ? INT64_MAX : (int64_t)m->retry_in;
	e->gap = m->gap;
	e->count = m->count;
	e->first = m->first;
	e->last = m->last;
	/* it is not known how many are lost between two positions */
	if (m->op == PROTOCOL_OP_LOST && m->count == 0)
		e->gap = 1;
}

static enum cometd_event_type type_of(enum protocol_op op)
{
	switch ((int)op) {
	case PROTOCOL_OP_MESSAGE: return COMETD_EVENT_MESSAGE;
	case PROTOCOL_OP_STATE: return COMETD_EVENT_STATE;
	case PROTOCOL_OP_SUBSCRIPTION: return COMETD_EVENT_SUBSCRIPTION;
	case PROTOCOL_OP_LOST: return COMETD_EVENT_LOST;
	}
	return 0;
}

/* the error of a subscription event: an object; of a lost event: a code alone */
static int read_error(const struct message *m, struct buf *scratch, struct cometd_event *e,
		      struct slice *ret_text)
{
	struct message_error error;

	*ret_text = SLICE_NULL;
	if (m->op == PROTOCOL_OP_LOST)
		e->error = error_of_protocol(protocol_error_of(m->code));
	if (m->op != PROTOCOL_OP_SUBSCRIPTION || (m->ok && !m->pending))
		return 0;
	e->pending = m->pending;
	e->error = COMETD_E_REFUSED;
	if (!message_has(m, PROTOCOL_FIELD_ERROR))
		return 0;
	int r = message_get_error(m->error, scratch, &error);
	if (r < 0)
		return -ENOMEM;
	if (r == 0) {
		e->error = error_of_protocol(error.code);
		*ret_text = error.message;
	}
	return 0;
}

static int set_event_binary(struct slice object, struct buf *texts, struct cometd_event *e)
{
	struct binary b;
	int r = binary_read(object, texts, &b);

	if (r)
		return r;
	e->binary = b.bytes;
	e->binary_len = b.n;
	e->binary_more = b.more;
	e->binary_meta = b.meta.p;
	e->binary_meta_len = b.meta.n;
	return 0;
}

static int fill_event(const struct message *m, struct slice json, struct buf *scratch,
		      struct buf *texts, struct cometd_event *ret)
{
	struct cometd_event e = {.type = type_of(m->op), .json = json.p, .json_len = json.n};
	struct slice channel = m->channel, data = SLICE_NULL, text;
	struct texts t = {0};
	int r = 0;

	copy_numbers(m, &e);
	if (m->op == PROTOCOL_OP_MESSAGE) {
		e.message = m->message.p;
		e.message_len = m->message.n;
		r = read_bayeux(m->message, scratch, &channel, &data);
		e.data = data.p;
		e.data_len = data.n;
		if (!channel.p)
			channel = SLICE("");
	}
	if (!r)
		r = read_error(m, scratch, &e, &text);
	if (r)
		return r;
	/* empty: a subscription at the default server whose name is not known */
	texts_add(&t, m->server.n ? m->server : SLICE_NULL, &e.server);
	texts_add(&t, channel, &e.channel);
	texts_add(&t, m->state, &e.state_name);
	texts_add(&t, m->reason, &e.reason);
	texts_add(&t, m->transport, &e.transport);
	texts_add(&t, text, &e.text);
	texts_add(&t, m->epoch.n ? m->epoch : SLICE_NULL, &e.epoch);
	r = texts_copy(&t, m->binary.n, texts);
	if (!r)
		r = set_event_binary(m->binary, texts, &e);
	if (r)
		return r;
	if (m->op == PROTOCOL_OP_STATE)
		e.state = cometd_state_of(e.state_name);
	if (e.error && !e.text)
		e.text = cometd_strerror(e.error);
	*ret = e;
	return 0;
}

int event_of_message(const struct message *m, struct slice json, struct buf *texts,
		     struct cometd_event *ret)
{
	struct buf scratch;

	if (!type_of(m->op))
		return EVENT_E_NONE;
	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	int r = fill_event(m, json, &scratch, texts, ret);
	buf_fini(&scratch);
	return r;
}

/* ---- results ----------------------------------------------------------- */

void event_result_of_error(int error, struct cometd_result *ret)
{
	*ret = (struct cometd_result){.error = error, .text = error ? cometd_strerror(error) : ""};
}

static void set_message(struct cometd_result *res, struct slice message, struct slice data)
{
	res->message = message.p;
	res->message_len = message.n;
	res->data = data.p;
	res->data_len = data.n;
}

/* The server's own reply to a publish or subscribe, where the daemon passed it on. */
static int set_reply(struct cometd_result *res, const struct json_field *bayeux,
		     struct buf *scratch)
{
	struct slice channel, data = SLICE_NULL;

	if (bayeux->value.kind != JSON_OBJECT)
		return 0;
	int r = read_bayeux(bayeux->value.raw, scratch, &channel, &data);
	set_message(res, bayeux->value.raw, data);
	return r;
}

struct row {
	struct cometd_result *result;
	struct buf *scratch;
};

/* the row of the only channel in the reply to a subscribe */
static int read_row(void *ctx, const struct json_element *element, const struct json_field *f)
{
	struct row *row = ctx;

	(void)element;
	row->result->pending = f[0].value.kind == JSON_TRUE;
	row->result->gap = f[2].value.kind == JSON_TRUE;
	json_u64(&f[3].value, &row->result->seq);
	return set_reply(row->result, &f[1], row->scratch);
}

static int fill_subscribed(struct slice result, struct buf *scratch, struct cometd_result *res)
{
	struct json_field channels = {.name = "channels"};
	struct json_field f[] = {{.name = "pending"}, {.name = "bayeux"}, {.name = "gap"}, {.name = "seq"}};
	struct row row = {res, scratch};
	int r = json_read_object(result, &channels, 1, false, NULL);

	if (!r && channels.value.kind == JSON_ARRAY)
		r = json_read_objects(channels.value.raw, f, 4, read_row, &row);
	return r < 0 ? -ENOMEM : 0;
}

struct rows {
	const struct slice *channels;
	size_t n;
	struct event_outcome *outcomes;
};

static int read_outcome(void *ctx, const struct json_element *element, const struct json_field *f)
{
	struct rows *rows = ctx;
	struct slice channel;
	uint64_t seq = 0;
	struct buf scratch;

	(void)element;
	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	int r = json_text(&f[0].value, &scratch, &channel);
	json_u64(&f[3].value, &seq);
	for (size_t i = 0; !r && i < rows->n; i++)
		if (slice_eq(rows->channels[i], channel))
			rows->outcomes[i] = (struct event_outcome){
				.ok = f[2].value.kind == JSON_ABSENT,
				.pending = f[1].value.kind == JSON_TRUE,
				.seq = seq, .error = f[2].value.raw};
	buf_fini(&scratch);
	return r < 0 ? r : 0;
}

int event_outcomes(const struct message *m, const struct slice *channels, size_t n,
		   struct event_outcome *ret)
{
	struct json_field f[] = {{.name = "channel"}, {.name = "pending"}, {.name = "error"}, {.name = "seq"}};
	struct rows rows = {channels, n, ret};
	struct json_value v;

	/* a channel that is not listed has the outcome of the whole request */
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct event_outcome){.ok = m->ok, .error = m->error};
	int r = json_read_member(m->result, "channels", &v);
	if (!r && v.kind == JSON_ARRAY)
		r = json_read_objects(v.raw, f, 4, read_outcome, &rows);
	return r < 0 ? -ENOMEM : 0;
}

static int set_error(struct slice raw, struct buf *scratch, struct buf *texts,
		     struct cometd_result *res)
{
	struct message_error error;
	struct texts t = {0};
	struct slice channel, data = SLICE_NULL;
	int r = message_get_error(raw, scratch, &error);

	if (r < 0)
		return -ENOMEM;
	if (r > 0) {
		event_result_of_error(COMETD_E_INTERNAL, res);
		return 0;
	}
	res->error = error_of_protocol(error.code);
	res->text = cometd_strerror(res->error);
	if (error.message.n)
		texts_add(&t, error.message, &res->text);
	r = texts_copy(&t, 0, texts);
	if (!r && error.bayeux.p)
		r = read_bayeux(error.bayeux, scratch, &channel, &data);
	if (!r && error.bayeux.p)
		set_message(res, error.bayeux, data);
	return r;
}

static int set_result_binary(struct slice object, struct buf *texts, struct cometd_result *res)
{
	const struct texts none = {0};
	struct binary b;
	int r = texts_copy(&none, object.n, texts);

	if (!r)
		r = binary_read(object, texts, &b);
	if (r)
		return r;
	res->binary = b.bytes;
	res->binary_len = b.n;
	res->binary_more = b.more;
	res->binary_meta = b.meta.p;
	res->binary_meta_len = b.meta.n;
	return 0;
}

/* the result of a call: the message that answered, and its bytes where it has some */
static int fill_answer(struct slice result, struct buf *scratch, struct buf *texts,
		       struct cometd_result *res)
{
	struct json_field f[] = {{.name = "message"}, {.name = "binary"}};
	struct slice channel, data = SLICE_NULL;
	int r = json_read_object(result, f, 2, false, NULL);

	if (!r)
		r = read_bayeux(f[0].value.raw, scratch, &channel, &data);
	if (!r) {
		set_message(res, f[0].value.raw, data);
		r = set_result_binary(f[1].value.raw, texts, res);
	}
	return r < 0 ? r : 0;
}

static int fill_published(struct slice result, struct buf *scratch, struct cometd_result *res)
{
	struct json_field bayeux = {.name = "bayeux"};
	int r = json_read_object(result, &bayeux, 1, false, NULL);

	if (!r)
		r = set_reply(res, &bayeux, scratch);
	return r < 0 ? r : 0;
}

static int fill_ok(const struct message *m, enum protocol_op op, struct buf *scratch,
		   struct buf *texts, struct cometd_result *res)
{
	if (!m->result.p)
		return 0;
	res->json = m->result.p;
	res->json_len = m->result.n;
	if (op == PROTOCOL_OP_SUBSCRIBE)
		return fill_subscribed(m->result, scratch, res);
	if (op == PROTOCOL_OP_CALL)
		return fill_answer(m->result, scratch, texts, res);
	if (op == PROTOCOL_OP_PUBLISH)
		return fill_published(m->result, scratch, res);
	return 0;
}

/* The subscription ended at the daemon already: success for unsubscribe, cancelled for subscribe. */
static void resolve_not_subscribed(enum protocol_op op, struct cometd_result *res)
{
	if (res->error != COMETD_E_NOT_SUBSCRIBED)
		return;
	if (op == PROTOCOL_OP_UNSUBSCRIBE)
		event_result_of_error(0, res);
	else if (op == PROTOCOL_OP_SUBSCRIBE)
		event_result_of_error(COMETD_E_CANCELLED, res);
}

int event_result_of_reply(const struct message *m, enum protocol_op op, struct buf *texts,
			  struct cometd_result *ret)
{
	struct cometd_result res;
	struct buf scratch;
	int r;

	event_result_of_error(m->ok ? 0 : COMETD_E_INTERNAL, &res);
	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	if (m->ok)
		r = fill_ok(m, op, &scratch, texts, &res);
	else
		r = m->error.p ? set_error(m->error, &scratch, texts, &res) : 0;
	buf_fini(&scratch);
	if (r)
		return -ENOMEM;
	resolve_not_subscribed(op, &res);
	*ret = res;
	return 0;
}
