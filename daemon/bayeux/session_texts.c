/*
 * The texts that are being read, each with its own reading position: over
 * long-polling, the answers of several lanes arrive at the same time, in
 * interleaved pieces. Their contents do not matter here.
 */
#include "bayeux/session_core.h"

#include <errno.h>
#include <stdlib.h>

struct text *text_find(const struct session *s, uint64_t batch)
{
	LIST_EACH(t, &s->texts, struct text, link)
		if (t->batch == batch)
			return t;
	return NULL;
}

struct text *text_of_connect(const struct session *s)
{
	LIST_EACH(t, &s->texts, struct text, link)
		if (t->replied)
			return t;
	return NULL;
}

/* The answer to the connect, or a text on the WebSocket: others have deadlines of their own. */
bool text_must_go_on(const struct session *s, const struct text *t)
{
	if (t->ended)
		return false;
	/* no server holds a connect in the middle of a message */
	const struct exchange *x = t->batch ? exchange_find(&s->exchanges, t->batch) : NULL;
	bool of_link = t->batch == 0 || (x && x->batch.lane == SESSION_LANE_CONNECT);
	return t->replied || (of_link && elements_inside(&t->elements));
}

/*
 * Bytes alone are no answer: a server that sends white space for ever, or one endless message, would
 * otherwise keep the session up without a message. A gateway may pad while a connect is held.
 */
uint64_t text_deadline(const struct session *s, const struct text *t)
{
	if (t->ended)
		return SESSION_NEVER;
	uint64_t at = t->progress_at + connect_hold(s) + s->o.network_delay;
	uint64_t silent = t->fed_at + s->o.network_delay;
	return silent < at && text_must_go_on(s, t) ? silent : at;
}

struct text *text_first_due(const struct session *s)
{
	struct text *first = NULL;
	LIST_EACH(t, &s->texts, struct text, link)
		if (!first || text_deadline(s, t) < text_deadline(s, first))
			first = t;
	return first;
}

void text_note_message(struct text *t, uint64_t now)
{
	t->message_at = t->progress_at = now;
}

void text_note_piece(struct text *t, uint64_t now)
{
	if (!elements_inside(&t->elements) || t->elements.too_large)
		return;
	uint64_t at = t->message_at + t->elements.size;
	if (at > now)
		at = now;
	if (at > t->progress_at)
		t->progress_at = at;
}

int text_new(size_t max, uint64_t batch, struct text **ret)
{
	struct text *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	list_init(&t->link);
	t->batch = batch;
	elements_init(&t->elements, max);
	*ret = t;
	return 0;
}

void text_free(struct text *t)
{
	if (!t)
		return;
	list_remove(&t->link);
	elements_fini(&t->elements);
	free(t);
}

bool text_has_ended(const struct session *s, uint64_t batch)
{
	const struct text *t = text_find(s, batch);
	return t && t->ended;
}
