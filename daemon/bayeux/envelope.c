/*
 * Parses a text of the server in one pass into a view per message. A malformed element
 * is skipped without affecting the others. The session's clientId can be left out of
 * what is passed on.
 */
#include "bayeux/envelope.h"

#include "bayeux/channel.h"

#include <errno.h>
#include <stdlib.h>

enum field {
	CHANNEL, ID, CLIENT_ID, SUBSCRIPTION, SUCCESSFUL, ERROR, DATA, ADVICE, EXT,
	CONNECTION_TYPES, MINIMUM_VERSION, X_MESSAGES, FIELDS
};

void envelope_batch_init(struct envelope_batch *b)
{
	*b = (struct envelope_batch){0};
	buf_init(&b->scratch, 0);
}

void envelope_batch_fini(struct envelope_batch *b)
{
	buf_fini(&b->scratch);
	free(b->items);
	envelope_batch_init(b);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Removes `member`, and the comma next to it, from `raw`. */
static void cut_member(struct envelope *e, struct slice member)
{
	size_t from = (size_t)(member.p - e->raw.p), to = from + member.n, comma = from;
	while (is_space(e->raw.p[comma - 1]))
		comma--;
	if (e->raw.p[comma - 1] == ',') {
		from = comma - 1;
	} else {
		while (is_space(e->raw.p[to]))
			to++;
		if (e->raw.p[to] == ',')
			to++;
	}
	e->pieces[0] = slice_take(e->raw, from);
	e->pieces[1] = slice_drop(e->raw, to);
	e->n_pieces = 2;
}

/* the text of a string, nothing for any other value */
static int text_of(struct envelope_batch *b, const struct json_field *f, struct slice *ret)
{
	int r = json_text(&f->value, &b->scratch, ret);
	return r < 0 ? r : 0;
}

/* Servers that answer with numbers for ids or arrays for errors are still understood. */
static int text_or_raw(struct envelope_batch *b, const struct json_field *f, struct slice *ret)
{
	if (f->value.kind == JSON_STRING)
		return text_of(b, f, ret);
	if (f->value.kind != JSON_ABSENT && f->value.kind != JSON_NULL)
		*ret = f->value.raw;
	return 0;
}

static struct slice raw_if(const struct json_field *f, enum json_kind kind)
{
	return f->value.kind == kind ? f->value.raw : SLICE_NULL;
}

/* Only true is success, also as a string (cometd-twisted); null counts as missing, anything else as
   failure. */
static enum json_kind successful_of(const struct json_value *v)
{
	if (v->kind == JSON_STRING && slice_eq(v->raw, SLICE("\"true\"")))
		return JSON_TRUE;
	if (v->kind == JSON_ABSENT || v->kind == JSON_NULL)
		return JSON_ABSENT;
	return v->kind == JSON_TRUE ? JSON_TRUE : JSON_FALSE;
}

static enum envelope_kind kind_of(const struct envelope *e)
{
	if (channel_is_meta(e->channel))
		return ENVELOPE_META;
	if (e->data.p)
		return ENVELOPE_EVENT;
	return e->successful != JSON_ABSENT ? ENVELOPE_REPLY : ENVELOPE_UNKNOWN;
}

static int texts_of(struct envelope_batch *b, const struct json_field *f, struct envelope *e)
{
	int r = text_of(b, &f[CHANNEL], &e->channel);
	if (r == 0)
		r = text_or_raw(b, &f[ID], &e->id);
	if (r == 0)
		r = text_of(b, &f[CLIENT_ID], &e->client_id);
	if (r == 0)
		r = text_of(b, &f[SUBSCRIPTION], &e->subscription);
	if (r == 0)
		r = text_or_raw(b, &f[ERROR], &e->error);
	if (r == 0)
		r = text_of(b, &f[MINIMUM_VERSION], &e->minimum_version);
	return r;
}

static int view_of(struct envelope_batch *b, const struct json_element *element,
		   const struct json_field *f, struct envelope *e)
{
	*e = (struct envelope){.raw = element->value.raw, .n_pieces = 1};
	int r = texts_of(b, f, e);
	if (r)
		return r;
	e->pieces[0] = e->raw;
	if (f[CLIENT_ID].value.kind != JSON_ABSENT)
		cut_member(e, f[CLIENT_ID].member);
	e->data = f[DATA].value.kind != JSON_ABSENT ? f[DATA].value.raw : SLICE_NULL;
	e->advice = raw_if(&f[ADVICE], JSON_OBJECT);
	e->ext = raw_if(&f[EXT], JSON_OBJECT);
	e->connection_types = raw_if(&f[CONNECTION_TYPES], JSON_ARRAY);
	e->successful = successful_of(&f[SUCCESSFUL].value);
	json_u64(&f[X_MESSAGES].value, &e->x_messages);
	e->kind = kind_of(e);
	if (e->kind != ENVELOPE_META)
		e->channel = channel_normal(e->channel);
	return 0;
}

static int grow(struct envelope_batch *b)
{
	size_t cap = b->cap ? 2 * b->cap : 8;
	struct envelope *items = realloc(b->items, cap * sizeof(*items));
	if (!items)
		return -ENOMEM;
	b->items = items;
	b->cap = cap;
	return 0;
}

static int take_element(void *ctx, const struct json_element *element,
			const struct json_field *fields)
{
	struct envelope_batch *b = ctx;
	/* other programs might use the other value of a key that occurs twice */
	if (element->value.kind != JSON_OBJECT || element->duplicate ||
	    fields[CHANNEL].value.kind != JSON_STRING) {
		b->skipped++;
		return 0;
	}
	int r = b->n == b->cap ? grow(b) : 0;
	if (r == 0)
		r = view_of(b, element, fields, &b->items[b->n]);
	if (r == 0)
		b->n++;
	return r;
}

/* Decoded strings are never longer than the whole text: with that much room from the start, scratch
   does not move, and the views of earlier messages stay valid. */
static int make_scratch(struct buf *scratch, struct slice text)
{
	char *room;
	if (text.n == 0 || !memchr(text.p, '\\', text.n))
		return 0;
	if (scratch->max < text.n) {
		buf_fini(scratch);
		buf_init(scratch, text.n);
	}
	return buf_room(scratch, text.n, &room);
}

int envelope_parse(struct envelope_batch *b, struct slice text)
{
	struct json_field f[FIELDS] = {
		[CHANNEL] = {.name = "channel"},
		[ID] = {.name = "id"},
		[CLIENT_ID] = {.name = "clientId"},
		[SUBSCRIPTION] = {.name = "subscription"},
		[SUCCESSFUL] = {.name = "successful"},
		[ERROR] = {.name = "error"},
		[DATA] = {.name = "data"},
		[ADVICE] = {.name = "advice"},
		[EXT] = {.name = "ext"},
		[CONNECTION_TYPES] = {.name = "supportedConnectionTypes"},
		[MINIMUM_VERSION] = {.name = "minimumVersion"},
		[X_MESSAGES] = {.name = "x-messages"},
	};
	b->n = 0;
	b->skipped = 0;
	buf_clear(&b->scratch);
	int r = make_scratch(&b->scratch, text);
	if (r == 0)
		r = json_read_objects(text, f, FIELDS, take_element, b);
	if (r)
		b->n = 0;
	return r;
}

struct envelope_error envelope_error_parse(struct slice error)
{
	struct envelope_error e = {.text = error};
	if (error.n < 4 || error.p[3] != ':')
		return e;
	unsigned code = 0;
	for (size_t i = 0; i < 3; i++) {
		if (error.p[i] < '0' || error.p[i] > '9')
			return e;
		code = code * 10 + (unsigned)(error.p[i] - '0');
	}
	struct slice rest = slice_drop(error, 4);
	const char *colon = rest.n ? memchr(rest.p, ':', rest.n) : NULL;
	e.code = code;
	e.args = colon ? slice_take(rest, (size_t)(colon - rest.p)) : SLICE_NULL;
	e.text = colon ? slice_drop(rest, e.args.n + 1) : rest;
	return e;
}
