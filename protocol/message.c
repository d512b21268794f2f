/*
 * Converts between the JSON of one frame and struct message by the tables of
 * protocol.h, so a new row needs no new code. A decoded message has every field
 * its op requires, each of its type, and from a peer none its op does not have.
 */
#include "protocol/frame.h"
#include "protocol/json_read.h"
#include "protocol/json_write.h"
#include "protocol/message.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum type { U64, BOOL, STRING, STRINGS, OBJECT, ANY };

static const char *const type_words[] = {
	[U64] = "must be a whole number",
	[BOOL] = "must be true or false",
	[STRING] = "must be a string",
	[STRINGS] = "must be an array of strings",
	[OBJECT] = "must be an object",
	[ANY] = "",
};

#define FIELD_ROW(symbol, member, name, type, meaning)                                             \
	{name, type, offsetof(struct message, member)},
static const struct {
	const char *name;
	enum type type;
	size_t offset;   /* of the member */
} field_table[] = {PROTOCOL_FIELDS(FIELD_ROW)};

#define OP_ROW(symbol, name, who, required, optional, meaning) {name, who, required, optional},
static const struct {
	const char *name;
	unsigned who;
	uint64_t required, optional;
} op_table[] = {PROTOCOL_OPS(OP_ROW)};

/* the keys of a frame: the fields, then "op" */
#define JSON_ROW(symbol, member, name, type, meaning) {name, {0}, {0}, sizeof(name) - 1},
static const struct json_field json_table[] = {
	PROTOCOL_FIELDS(JSON_ROW)
	{"op", {0}, {0}, 2},
};
#define OP_FIELD PROTOCOL_FIELDS_END
#define JSON_FIELDS (PROTOCOL_FIELDS_END + 1)

_Static_assert(PROTOCOL_FIELDS_END <= 64, "a has-bit for each field");

const char *protocol_op_name(enum protocol_op op)
{
	return (unsigned)op < PROTOCOL_OPS_END ? op_table[op].name : NULL;
}

const char *protocol_field_name(enum protocol_field f)
{
	return (unsigned)f < PROTOCOL_FIELDS_END ? field_table[f].name : NULL;
}

void message_init(struct message *m, enum protocol_op op)
{
	*m = (struct message){.op = op};
	/* decoded texts are never longer than the frame they came in */
	buf_init(&m->scratch, PROTOCOL_FRAME_MAX);
}

void message_fini(struct message *m)
{
	buf_fini(&m->scratch);
}

static struct slice *slice_member(struct message *m, unsigned f)
{
	return (struct slice *)((char *)m + field_table[f].offset);
}

static uint64_t *u64_member(struct message *m, unsigned f)
{
	return (uint64_t *)((char *)m + field_table[f].offset);
}

static bool *bool_member(struct message *m, unsigned f)
{
	return (bool *)((char *)m + field_table[f].offset);
}

/* where to write the description of a failure to decode */
struct decoder {
	struct message *m;
	char *why;
	size_t why_size;
};

/* The description is truncated where it does not fit, never within a character. */
__attribute__((format(printf, 3, 4)))
static int refuse(const struct decoder *d, enum message_fault fault, const char *format, ...)
{
	va_list ap;
	int n;

	if (d->why_size == 0)
		return fault;
	va_start(ap, format);
	n = vsnprintf(d->why, d->why_size, format, ap);
	va_end(ap);
	if (n < 0)
		d->why[0] = '\0';
	else if ((size_t)n >= d->why_size)
		d->why[utf8_whole(slice_make(d->why, d->why_size - 1))] = '\0';
	return fault;
}

/* a name from the frame, shortened for the description */
static struct slice brief(struct slice name)
{
	return slice_take(name, utf8_whole(slice_take(name, 40)));
}

static int is_string(void *ctx, const struct json_value *value)
{
	(void)ctx;
	return value->kind == JSON_STRING ? 0 : MESSAGE_E_FIELD;
}

/* 0; MESSAGE_E_FIELD if `value` is not of the type of field f; or a negative errno */
static int decode_field(struct message *m, unsigned f, const struct json_value *value)
{
	int r = 0;

	switch (field_table[f].type) {
	case U64:
		r = json_u64(value, u64_member(m, f));
		break;
	case BOOL:
		r = !json_is_bool(value);
		*bool_member(m, f) = value->kind == JSON_TRUE;
		break;
	case STRING:
		r = json_text(value, &m->scratch, slice_member(m, f));
		break;
	case STRINGS:
		r = value->kind != JSON_ARRAY ? MESSAGE_E_FIELD :
						json_read_array(value->raw, is_string, NULL);
		*slice_member(m, f) = value->raw;
		break;
	case OBJECT:
		r = value->kind != JSON_OBJECT;
		*slice_member(m, f) = value->raw;
		break;
	case ANY:
		*slice_member(m, f) = value->raw;
		break;
	}
	if (r == 0)
		m->has |= 1ull << f;
	return r > 0 ? MESSAGE_E_FIELD : r;
}

/*
 * Room for all decoded texts at once: scratch must not move under the first
 * view of it when the second text comes.
 */
static int reserve_texts(struct message *m, const struct json_field *fields)
{
	size_t n = 0;
	bool escaped = false;
	char *room;

	for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++) {
		struct slice raw = fields[f].value.raw;

		if (field_table[f].type != STRING || raw.n == 0)
			continue;
		n += raw.n;
		escaped = escaped || memchr(raw.p, '\\', raw.n);
	}
	return escaped ? buf_room(&m->scratch, n, &room) : 0;
}

/* Finds the row of the op, or PROTOCOL_OPS_END. */
static int decode_op(struct message *m, const struct json_value *value)
{
	struct slice name;
	unsigned op = 0;
	int r = json_text(value, &m->scratch, &name);

	if (r)
		return r;
	while (op < PROTOCOL_OPS_END && !slice_eq(name, slice_of(op_table[op].name)))
		op++;
	m->op = op;
	buf_clear(&m->scratch);
	return 0;
}

static int check_op(const struct decoder *d, const struct json_value *value, unsigned from)
{
	int r = decode_op(d->m, value);

	if (r < 0)
		return r;
	if (value->kind == JSON_ABSENT)
		return refuse(d, MESSAGE_E_FIELD, "field \"op\" is missing");
	if (r > 0)
		return refuse(d, MESSAGE_E_FIELD, "field \"op\" %s", type_words[STRING]);
	if (d->m->op == PROTOCOL_OPS_END) {
		struct slice name = brief(slice_make(value->raw.p + 1, value->raw.n - 2));

		return refuse(d, MESSAGE_E_OP, "op \"%.*s\" is unknown", SLICE_ARG(name));
	}
	if (!(op_table[d->m->op].who & from))
		return refuse(d, MESSAGE_E_OP, "op \"%s\" comes from the other side only",
			      op_table[d->m->op].name);
	return 0;
}

/* every field but id, which is decoded already */
static int decode_fields(const struct decoder *d, const struct json_field *fields, bool id_is_bad)
{
	const char *op = op_table[d->m->op].name;
	uint64_t known = op_table[d->m->op].required | op_table[d->m->op].optional;
	bool open = op_table[d->m->op].who & PROTOCOL_OPEN;
	int r;

	for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++) {
		const char *name = field_table[f].name;

		if (fields[f].value.kind == JSON_ABSENT) {
			if (op_table[d->m->op].required >> f & 1)
				return refuse(d, MESSAGE_E_FIELD, "%s: field \"%s\" is missing", op,
					      name);
			continue;
		}
		if (!(known >> f & 1)) {
			if (open)
				continue;
			return refuse(d, MESSAGE_E_FIELD, "%s: field \"%s\" has no place here", op,
				      name);
		}
		r = f != PROTOCOL_FIELD_ID ? decode_field(d->m, f, &fields[f].value) :
		    id_is_bad ? MESSAGE_E_FIELD : 0;
		if (r < 0)
			return r;
		if (r)
			return refuse(d, MESSAGE_E_FIELD, "%s: field \"%s\" %s", op, name,
				      type_words[field_table[f].type]);
	}
	return 0;
}

int message_decode(struct slice text, unsigned from, struct message *m, char *why, size_t why_size)
{
	/* what the daemon wraps around a server's message may be deeper than a request */
	unsigned depth = from & PROTOCOL_FROM_DAEMON ? JSON_DEPTH_MAX : PROTOCOL_DEPTH_MAX;
	struct decoder d = {.why = why, .why_size = why_size};
	struct json_field fields[JSON_FIELDS];
	struct slice unknown = SLICE_NULL;
	int r, id;

	message_init(m, PROTOCOL_OPS_END);
	d.m = m;
	memcpy(fields, json_table, sizeof(fields));
	r = json_read_object_within(text, depth, fields, JSON_FIELDS, true, &unknown);
	if (r > 0 && r != JSON_E_UNKNOWN)
		return refuse(&d, MESSAGE_E_FRAME, "%s", json_fault_text(r));
	if (r < 0)
		return r;
	/* read first, because a bad request gets its reply, too */
	id = fields[PROTOCOL_FIELD_ID].value.kind == JSON_ABSENT ? 0 :
	     decode_field(m, PROTOCOL_FIELD_ID, &fields[PROTOCOL_FIELD_ID].value);
	r = check_op(&d, &fields[OP_FIELD].value, from);
	if (r)
		return r;
	if (unknown.p && !(op_table[m->op].who & PROTOCOL_OPEN)) {
		unknown = brief(unknown);
		return refuse(&d, MESSAGE_E_FIELD, "%s: field \"%.*s\" is unknown",
			      op_table[m->op].name, SLICE_ARG(unknown));
	}
	r = reserve_texts(m, fields);
	return r ? r : decode_fields(&d, fields, id != 0);
}

struct strings {
	struct buf *scratch;
	struct slice *at;
	size_t n, max;
};

static int add_string(void *ctx, const struct json_value *value)
{
	struct strings *s = ctx;
	int r;

	if (s->n == s->max)
		return MESSAGE_E_FIELD;
	r = json_text(value, s->scratch, &s->at[s->n]);
	if (r == 0)
		s->n++;
	return r > 0 ? MESSAGE_E_FIELD : r;
}

int message_strings(struct slice raw, struct buf *scratch, struct slice *ret, size_t max,
		    size_t *ret_n)
{
	struct strings s = {scratch, ret, 0, max};
	char *room;
	int r = 0;

	/* all at once, so that scratch does not move under the first of them */
	if (raw.n && memchr(raw.p, '\\', raw.n))
		r = buf_room(scratch, raw.n, &room);
	if (r == 0)
		r = json_read_array(raw, add_string, &s);
	if (r == 0)
		*ret_n = s.n;
	return r > 0 ? MESSAGE_E_FIELD : r;
}

static void write_field(struct json_write *w, const struct message *m, unsigned f)
{
	/* the members are only read; the cast avoids a second set of accessors */
	struct message *members = (struct message *)m;

	json_key(w, field_table[f].name);
	switch (field_table[f].type) {
	case U64:
		json_put_u64(w, *u64_member(members, f));
		break;
	case BOOL:
		json_put_bool(w, *bool_member(members, f));
		break;
	case STRING:
		json_put_text(w, *slice_member(members, f));
		break;
	case STRINGS:
	case OBJECT:
	case ANY:
		json_put_raw(w, *slice_member(members, f));
		break;
	}
}

/* the maximum size of a frame with this op that the other side accepts */
static size_t limit_of(enum protocol_op op)
{
	if (op_table[op].who & PROTOCOL_FROM_DAEMON)
		return PROTOCOL_FRAME_MAX;
	return op == PROTOCOL_OP_HELLO ? PROTOCOL_HELLO_MAX : PROTOCOL_REQUEST_MAX;
}

int message_encode(const struct message *m, struct buf *out)
{
	struct json_write w;
	size_t mark;
	int r = frame_begin(out, &mark);

	if (r)
		return r;
	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "op"), json_put_str(&w, op_table[m->op].name);
	for (unsigned f = 0; f < PROTOCOL_FIELDS_END; f++)
		if (message_has(m, f))
			write_field(&w, m, f);
	json_object_end(&w);
	r = json_write_done(&w);
	if (r == 0)
		return frame_end(out, mark, limit_of(m->op));
	buf_truncate(out, mark);
	return r;
}

/* appends all of it or nothing; the caller made room */
static void append(struct buf *out, struct slice s)
{
	if (s.n == 0)
		return;
	memcpy(out->mem + out->tail, s.p, s.n);
	buf_grown(out, s.n);
}

/* digits of 2^64-1 */
#define DIGITS_MAX 20

/* snprintf() would cost a third of the whole delivery of a message */
static struct slice decimal(uint64_t n, char digits[static DIGITS_MAX])
{
	size_t at = DIGITS_MAX;

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return slice_make(digits + at, DIGITS_MAX - at);
}

/*
 * The hot path: each message that comes from a server passes here once. One
 * check of the room, then copies, in the order and spelling of message_encode.
 */
int message_encode_event(struct buf *out, struct slice server, uint64_t seq,
			 const struct slice *pieces, size_t n_pieces, struct slice binary)
{
	const struct slice head = SLICE("{\"op\":\"message\",\"server\":\"");
	const struct slice middle = SLICE("\",\"seq\":"), last = SLICE(",\"message\":");
	const struct slice before_binary = binary.n ? SLICE(",\"binary\":") : SLICE_NULL;
	char digits[DIGITS_MAX], *room;
	const struct slice number = decimal(seq, digits);
	size_t n = head.n + server.n + middle.n + number.n + last.n + 1, mark;
	int r;

	n += before_binary.n + binary.n;
	for (size_t i = 0; i < n_pieces; i++)
		n += pieces[i].n;
	if (n > PROTOCOL_FRAME_MAX)
		return -EMSGSIZE;
	r = buf_room(out, PROTOCOL_PREFIX + n, &room);
	if (r)
		return r;
	r = frame_begin(out, &mark);
	if (r)
		return r;
	append(out, head);
	append(out, server);
	append(out, middle);
	append(out, number);
	append(out, last);
	for (size_t i = 0; i < n_pieces; i++)
		append(out, pieces[i]);
	append(out, before_binary);
	append(out, binary);
	append(out, SLICE("}"));
	return frame_end(out, mark, PROTOCOL_FRAME_MAX);
}

int message_encode_reply_head(struct buf *out, uint64_t id, size_t rest)
{
	size_t mark;
	int r = frame_begin(out, &mark);

	if (r)
		return r;
	r = buf_printf(out, "{\"op\":\"reply\",\"id\":%llu,\"ok\":true,\"result\":",
		       (unsigned long long)id);
	if (r) {
		buf_truncate(out, mark);
		return r;
	}
	return frame_end_early(out, mark, rest, PROTOCOL_FRAME_MAX);
}
