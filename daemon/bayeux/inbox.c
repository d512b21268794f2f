/*
 * Reads texts: finds each element, parses it, and counts it as delivered when the next one is asked for. A message
 * that cannot be read becomes an envelope that says why. Events that extensions release are read as a text of
 * their own, when there is no other input.
 */
#include "bayeux/inbox.h"

#include "bayeux/channel.h"
#include "bayeux/ext_ack.h"
#include "bayeux/ext_replay.h"
#include "bayeux/own_segment.h"
#include "protocol/json_read.h"
#include "protocol/utf8.h"

#include <stdio.h>
#include <errno.h>
#include <stdlib.h>

/* some events at a time, or a single one of any size */
#define RELEASED_MAX (2u << 30)

static void init_text(struct text *t, size_t max)
{
	list_init(&t->link);
	elements_init(&t->elements, max);
}

void inbox_init(struct inbox *b, const struct session_options *o, const struct exts *exts,
		const struct buf *client_id)
{
	*b = (struct inbox){.o = o, .exts = exts, .client_id = client_id, .next_number = 1};
	list_init(&b->texts);
	envelope_batch_init(&b->parsed);
	buf_init(&b->hidden, 0);
	buf_init(&b->masked, 0);
	buf_init(&b->channel, 8 * GLIMPSE_TEXT);
	buf_init(&b->released, RELEASED_MAX);
	init_text(&b->released_text, RELEASED_MAX);
}

void inbox_fini(struct inbox *b)
{
	envelope_batch_fini(&b->parsed);
	buf_fini(&b->hidden);
	buf_fini(&b->masked);
	buf_fini(&b->channel);
	buf_fini(&b->released);
	elements_fini(&b->released_text.elements);
	LIST_EACH_SAFE(t, &b->texts, struct text, link)
		inbox_remove(b, t);
}

/* ---- texts ---- */

struct text *inbox_find(const struct inbox *b, uint64_t batch)
{
	LIST_EACH(t, &b->texts, struct text, link)
		if (t->batch == batch)
			return t;
	return NULL;
}

struct text *inbox_of_connect(const struct inbox *b)
{
	LIST_EACH(t, &b->texts, struct text, link)
		if (t->replied)
			return t;
	return NULL;
}

/* Makes this text the current one. */
static void enter_text(struct inbox *b, struct text *t)
{
	b->text = t;
	b->state = INBOX_NEXT;
	if (t != &b->released_text)
		ext_text(&b->exts->chain, t->number);
}

static struct text *begin_text(struct inbox *b, uint64_t now, uint64_t batch, bool of_link)
{
	struct text *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	init_text(t, b->o->message_max);
	t->batch = batch;
	t->of_link = of_link;
	t->number = b->next_number++;
	t->message_at = t->progress_at = now;
	list_append(&b->texts, &t->link);
	return t;
}

int inbox_feed(struct inbox *b, uint64_t now, uint64_t batch, bool of_link, struct slice piece)
{
	struct text *t = inbox_find(b, batch);
	if (!t)
		t = begin_text(b, now, batch, of_link);
	if (!t)
		return -ENOMEM;
	elements_feed(&t->elements, piece);
	t->fed_at = now;
	enter_text(b, t);
	return 0;
}

void inbox_remove(struct inbox *b, struct text *t)
{
	if (t == b->text)
		b->text = NULL;
	list_remove(&t->link);
	elements_fini(&t->elements);
	free(t);
}

void inbox_forget(struct inbox *b, struct text *t)
{
	inbox_remove(b, t);
	ext_ack_lost(b->exts->ack);
}

void inbox_remove_abandoned(struct inbox *b, bool (*is_awaited)(const void *ctx, uint64_t batch), const void *ctx)
{
	LIST_EACH_SAFE(t, &b->texts, struct text, link)
		if (t != b->text && !is_awaited(ctx, t->batch))
			inbox_remove(b, t);
}

/* ---- time ---- */

/* The answer to the connect, or a text on the WebSocket: others have deadlines of their own. */
static bool must_go_on(const struct text *t)
{
	/* no server holds a connect in the middle of a message */
	return !t->ended && (t->replied || (t->of_link && elements_inside(&t->elements)));
}

/*
 * Bytes alone are no answer: a server that sends white space for ever, or one endless message, would
 * otherwise keep the session up without a message. A gateway may pad while a connect is held.
 */
uint64_t inbox_deadline(const struct inbox *b, const struct text *t, uint64_t hold)
{
	if (t->ended)
		return UINT64_MAX;
	uint64_t at = t->progress_at + hold + b->o->network_delay;
	uint64_t silent = t->fed_at + b->o->network_delay;
	return silent < at && must_go_on(t) ? silent : at;
}

struct text *inbox_first_due(const struct inbox *b, uint64_t hold)
{
	struct text *first = NULL;
	LIST_EACH(t, &b->texts, struct text, link)
		if (!first || inbox_deadline(b, t, hold) < inbox_deadline(b, first, hold))
			first = t;
	return first;
}

struct slice inbox_explain_stall(const struct inbox *b, uint64_t now, const struct text *t,
				 char text[REPORT_TEXT_MAX])
{
	if (must_go_on(t) && t->fed_at + b->o->network_delay <= now)
		return SLICE("the answer broke off in the middle");
	snprintf(text, REPORT_TEXT_MAX,
		 "the server sent bytes, but no complete message for %g s; if it holds a connect longer, "
		 "raise network-delay", (double)(now - t->message_at) / 1000);
	return slice_of(text);
}

/* A piece was read to its end. */
static void note_piece(struct text *t, uint64_t now)
{
	if (!elements_inside(&t->elements) || t->elements.too_large)
		return;
	uint64_t at = t->message_at + t->elements.size;
	if (at > now)
		at = now;
	if (at > t->progress_at)
		t->progress_at = at;
}

int inbox_end(struct inbox *b, struct text *t)
{
	ext_text(&b->exts->chain, t->number);
	return elements_end(&t->elements) ? INBOX_TEXT_FAULT : INBOX_TEXT_END;
}

/* ---- one element ---- */

/* The client id must not be visible, and channels that begin with it must not change with each session. */
static int hide_client_id(struct inbox *b, struct slice *text)
{
	struct slice id = buf_slice(b->client_id);
	struct buf *hidden = &b->hidden;
	if (!b->o->expand_client_id || !own_segment_possible(id) || !own_segment_found(*text, id))
		return 0;
	buf_fini(hidden);
	/* in the worst case, four bytes grow to thirteen */
	buf_init(hidden, 4 * text->n);
	int r = own_segment_replace(*text, id, OWN_SEGMENT, hidden);
	if (r == 0)
		*text = buf_slice(hidden);
	return r;
}

/* Replies of a server may repeat a secret; the data of events is passed on unchanged. */
static bool may_contain_secrets(const struct envelope *e)
{
	return e->kind != ENVELOPE_EVENT || e->successful == JSON_FALSE || e->error.n;
}

/* Reads a copy, for the bytes are the driver's. */
static int read_masked(struct inbox *b, struct slice raw)
{
	char *copy;
	buf_fini(&b->masked);
	buf_init(&b->masked, raw.n);
	int r = buf_room(&b->masked, raw.n, &copy);
	if (r)
		return r;
	memcpy(copy, raw.p, raw.n);
	buf_grown(&b->masked, raw.n);
	b->o->mask(b->o->mask_ctx, copy, raw.n);
	return envelope_parse(&b->parsed, buf_slice(&b->masked));
}

/* Stores its name, decoded, in b->channel if it is valid. 0, -ENOMEM. */
static int channel_of(struct inbox *b, const struct glimpse *g, struct slice *ret)
{
	struct json_value v = {JSON_STRING, glimpse_channel(g)};
	struct slice name = SLICE_NULL;
	char *copy;
	int r = v.raw.n ? hide_client_id(b, &v.raw) : 0;
	buf_clear(&b->channel);
	/* as written and decoded, so that nothing moves */
	if (r == 0)
		r = buf_room(&b->channel, 2 * v.raw.n, &copy);
	if (r)
		return r;
	if (v.raw.n)
		memcpy(copy, v.raw.p, v.raw.n);
	buf_grown(&b->channel, v.raw.n);
	v.raw = buf_slice(&b->channel);
	if (json_text(&v, &b->channel, &name))
		return 0;
	name = channel_normal(name);
	if (utf8_valid(name) && (channel_is_meta(name) || channel_check_name(name) == 0))
		*ret = name;
	return 0;
}

static int see_unreadable(struct inbox *b, const struct element *element, int fault)
{
	struct envelope *e = &b->unreadable;
	struct glimpse whole;
	const struct glimpse *g = element->glimpse;
	if (!g) {
		glimpse_init(&whole);
		glimpse_feed(&whole, element->raw);
		g = &whole;
	}
	struct slice id = glimpse_replay_id(g);
	*e = (struct envelope){.kind = ENVELOPE_UNREADABLE, .raw = element->raw,
			       .size = element->size,
			       .successful = g->successful ? JSON_TRUE : JSON_ABSENT};
	memcpy(b->replay_id, id.n ? id.p : "", id.n);
	e->replay_id = slice_make(b->replay_id, id.n);
	b->loss = element->glimpse ? SESSION_LOSS_TOO_LARGE : SESSION_LOSS_UNREADABLE;
	e->error = element->glimpse ? SLICE("larger than max-message")
				    : slice_of(json_fault_text(fault));
	b->message = e;
	return channel_of(b, g, &e->channel);
}

/* Reads the element. 0: b->message is set; SESSION_E_NONE: it is not a message; -ENOMEM. */
static int read_element(struct inbox *b, const struct element *element)
{
	struct slice raw = element->raw;
	/* a number or an array is no message, whether it is readable or not */
	if (raw.p[0] != '{') {
		b->text->skipped++;
		return SESSION_E_NONE;
	}
	if (element->glimpse)
		return see_unreadable(b, element, 0);
	int r = hide_client_id(b, &raw);
	if (r == 0)
		r = envelope_parse(&b->parsed, raw);
	if (r == 0 && b->o->mask && b->parsed.n && may_contain_secrets(b->parsed.items))
		r = read_masked(b, raw);
	if (r > 0)
		return see_unreadable(b, element, r);
	if (r < 0)
		return r;
	b->text->skipped += b->parsed.skipped;
	b->message = b->parsed.items;
	return b->parsed.n ? 0 : SESSION_E_NONE;
}

/* The piece was read to its end; the text, perhaps, too. */
static int end_piece(struct inbox *b, uint64_t now, struct text *t, bool fault)
{
	b->text = NULL;
	if (t == &b->released_text) {
		buf_clear(&b->released);
		return SESSION_E_NONE;
	}
	if (fault)
		return INBOX_TEXT_FAULT;
	note_piece(t, now);
	return t->ended ? inbox_end(b, t) : SESSION_E_NONE;
}

/* Finds and reads the next element of the piece, or ends the piece. See inbox_next(). */
static int next_element(struct inbox *b, uint64_t now, struct text **ret_text)
{
	struct text *t = b->text;
	if (b->state == INBOX_NEXT) {
		int r = elements_next(&t->elements, &b->element);
		if (r < 0)
			return r;
		*ret_text = t;
		if (r)
			return end_piece(b, now, t, r == ELEMENTS_FAULT);
		b->state = INBOX_FOUND;
	}
	int r = read_element(b, &b->element);
	if (r == 0)
		t->message_at = t->progress_at = now;
	if (r >= 0)
		b->state = r ? INBOX_NEXT : INBOX_READ;
	return r;
}

/* What extensions kept for a while becomes a text to be read. 0 or -errno. */
static int take_released(struct inbox *b)
{
	int r = buf_len(&b->released) ? 0 : ext_replay_release(b->exts->replay, &b->released);
	if (r)
		return r;
	if (buf_len(&b->released) == 0) {
		b->release_due = false;
		return 0;
	}
	elements_begin(&b->released_text.elements);
	elements_feed(&b->released_text.elements, buf_slice(&b->released));
	enter_text(b, &b->released_text);
	return 0;
}

int inbox_settle(struct inbox *b)
{
	int r = b->text && b->state == INBOX_DELIVERED ? ext_replay_delivered(b->exts->replay, b->message) : 0;
	if (r == 0 && b->text && b->state == INBOX_DELIVERED)
		b->state = INBOX_KEPT;
	return r;
}

bool inbox_keeps(const struct inbox *b)
{
	return buf_len(&b->released) || ext_replay_keeps(b->exts->replay);
}

int inbox_next(struct inbox *b, uint64_t now, struct envelope **ret, struct text **ret_text)
{
	int r = b->text ? 0 : take_released(b);
	if (r || !b->text)
		return r ? r : SESSION_E_NONE;
	/* the caller asks for the next message, so it is done with the one before */
	r = inbox_settle(b);
	if (r)
		return r;
	if (b->state == INBOX_KEPT)
		b->state = INBOX_NEXT;
	if (b->state != INBOX_READ)
		r = next_element(b, now, ret_text);
	if (r == 0)
		*ret = b->message;
	return r;
}

void inbox_handled(struct inbox *b)
{
	bool is_event = b->message->kind == ENVELOPE_EVENT || b->message->kind == ENVELOPE_UNREADABLE;
	b->state = is_event && b->state != INBOX_KEPT ? INBOX_DELIVERED : INBOX_KEPT;
}
