/*
 * The acknowledgement extension: the number of the last batch whose events were all
 * delivered, and a mark of each event delivered since. It acknowledges only numbers
 * that the server has sent: with a higher one the server would delete events we never
 * got. An event that the server repeats after a lost connect is not delivered twice.
 * Repeats come in the same order, but an application may have removed some from the
 * server's queue, so counting them instead would drop as many new events.
 */
#include "bayeux/ext_ack.h"

#include "base/strmap.h"
#include "bayeux/saved.h"

#include <errno.h>
#include <stdlib.h>

/* events of one batch that get a mark; repeats of further ones are delivered: better than losing events */
#define MARKS_MAX (1u << 20)

struct batch_number {
	char digits[24];        /* as the server wrote it; "" for none */
};

struct ext_ack {
	struct ext ext;
	bool on;
	struct batch_number done;      /* what the next connect acknowledges */
	/* becomes `done` when the text that carried it, or the awaited events, were delivered */
	struct batch_number coming;
	/* the text being read; the one with `coming`, and whether it is complete: another text may
	   end while it is read */
	uint64_t text, coming_text;
	bool coming_complete;
	/* events that belong to the handshake's batch and are still to come */
	uint64_t awaited;
	struct buf marks;       /* of the events delivered since `done`, in order */
	size_t known;           /* the first `known` of them may be repeated … */
	size_t at;              /* … except those before `at`, which were repeated or skipped */
};

static struct ext_ack *ack_of(struct ext *x)
{
	return LIST_OF(x, struct ext_ack, ext);
}

bool ext_ack_in_effect(const struct ext *x)
{
	return x && LIST_OF(x, const struct ext_ack, ext)->on;
}

/* ---- repeats ---- */

static size_t marks_n(const struct ext_ack *a)
{
	return buf_len(&a->marks) / sizeof(uint64_t);
}

/* Only the beginning of a too large event is available. */
static uint64_t mark_of(const struct envelope *e)
{
	return strmap_hash(e->raw) + e->size;
}

/* Which of the marks that may come again the event has; marks_n() for none. */
static size_t find_repeat(const struct ext_ack *a, const struct envelope *e)
{
	const char *marks = buf_slice(&a->marks).p;
	uint64_t mark = a->at < a->known ? mark_of(e) : 0, other;
	for (size_t i = a->at; i < a->known; i++) {
		memcpy(&other, marks + i * sizeof(other), sizeof(other));
		if (other == mark)
			return i;
	}
	return marks_n(a);
}

/* Room for the mark that `taken` puts there, which must not fail. */
static int look_at_event(struct ext_ack *a, const struct envelope *e)
{
	char *room;
	if (find_repeat(a, e) < marks_n(a))
		return EXT_DROP;
	return buf_room(&a->marks, sizeof(uint64_t), &room) == -ENOMEM ? -ENOMEM : 0;
}

static void count_event(struct ext_ack *a, const struct envelope *e)
{
	size_t repeat = find_repeat(a, e);
	if (a->awaited > 0)
		a->awaited--;
	if (repeat < marks_n(a)) {
		a->at = repeat + 1;
		return;
	}
	uint64_t mark = mark_of(e);
	/* beyond the ceiling it has none */
	(void)buf_put(&a->marks, slice_make((const char *)&mark, sizeof(mark)));
}

static void expect_repeats(struct ext_ack *a)
{
	a->known = marks_n(a);
	a->at = 0;
}

static void expect_none(struct ext_ack *a)
{
	buf_clear(&a->marks);
	a->known = a->at = 0;
}

/* ---- numbers ---- */

static void restart(struct ext_ack *a)
{
	a->on = false;
	a->done = (struct batch_number){"0"};
	a->coming = (struct batch_number){""};
	a->awaited = 0;
	expect_none(a);
}

static int outgoing(struct ext *x, const struct ext_request *request, struct buf *out)
{
	struct ext_ack *a = ack_of(x);
	if (request->kind == REQUEST_HANDSHAKE) {
		restart(a);
		return buf_put_str(out, "true");
	}
	if (request->kind != REQUEST_CONNECT || !a->on)
		return 0;
	if (a->awaited > 0) {
		/* the handshake's events did not all come: have them again, skip those that did */
		a->awaited = 0;
		a->coming = (struct batch_number){""};
		expect_repeats(a);
	}
	return buf_put_str(out, a->done.digits);
}

static bool number_of(const struct json_value *v, struct batch_number *ret)
{
	if (v->kind != JSON_NUMBER || v->raw.n >= sizeof(ret->digits))
		return false;
	*ret = (struct batch_number){""};
	memcpy(ret->digits, v->raw.p, v->raw.n);
	return true;
}

static void note_text(struct ext_ack *a)
{
	a->coming_text = a->text;
	a->coming_complete = false;
}

/* true, or {"enabled":true,"batch":N} when events come along with the handshake */
static int handshake_reply(struct ext_ack *a, const struct envelope *e)
{
	struct json_field f[] = {{.name = "enabled"}, {.name = "batch"}};
	struct json_value v;
	int r = json_read_member(e->ext, "ack", &v);
	if (r == 0 && v.kind == JSON_OBJECT)
		r = json_read_object(v.raw, f, 2, false, NULL);
	if (r < 0)
		return r;
	restart(a);
	note_text(a);
	a->on = v.kind == JSON_TRUE || (r == 0 && f[0].value.kind == JSON_TRUE);
	if (a->on && number_of(&f[1].value, &a->coming))
		a->awaited = e->x_messages;
	return 0;
}

static int connect_reply(struct ext_ack *a, const struct envelope *e)
{
	struct json_value v;
	int r = json_read_member(e->ext, "ack", &v);
	if (r < 0)
		return r;
	note_text(a);
	if (!number_of(&v, &a->coming))
		/* the server lost count: better a repeat than a skip that hides a message */
		expect_none(a);
	return 0;
}

static bool is_event(enum ext_moment moment)
{
	return moment == EXT_EVENT || moment == EXT_UNREADABLE;
}

static int incoming(struct ext *x, enum ext_moment moment, const struct envelope *e,
		    struct ext_time at)
{
	struct ext_ack *a = ack_of(x);
	(void)at;
	if (moment == EXT_HANDSHAKE_REPLY)
		return handshake_reply(a, e);
	if (a->on && moment == EXT_CONNECT_REPLY)
		return connect_reply(a, e);
	return a->on && is_event(moment) ? look_at_event(a, e) : 0;
}

static void accepted(struct ext *x, enum ext_moment moment, const struct envelope *e)
{
	struct ext_ack *a = ack_of(x);
	if (a->on && is_event(moment))
		count_event(a, e);
	/* its events came; its number does not count, so the server sends them again */
	else if (a->on && moment == EXT_STALE_REPLY)
		expect_repeats(a);
}

void ext_ack_lost(struct ext *x)
{
	if (!x)
		return;
	struct ext_ack *a = ack_of(x);
	/* the number of a text that was not read completely is not valid */
	a->coming = (struct batch_number){""};
	a->awaited = 0;
	expect_repeats(a);
}

/* Events of a batch that is not acknowledged are not known to another process: it delivers them again. */
void ext_ack_save(const struct ext *x, struct json_write *w)
{
	if (ext_ack_in_effect(x))
		json_put_raw(w, slice_of(LIST_OF(x, const struct ext_ack, ext)->done.digits));
	else
		json_put_null(w);
}

int ext_ack_restore(struct ext *x, const struct json_value *v)
{
	struct batch_number done;
	if (v->kind == JSON_NULL)
		return 0;
	if (!x || !number_of(v, &done))
		return SAVED_E_INVALID;
	restart(ack_of(x));
	ack_of(x)->done = done;
	ack_of(x)->on = true;
	return 0;
}

static void text(struct ext *x, uint64_t number)
{
	ack_of(x)->text = number;
}

static void settled(struct ext *x)
{
	struct ext_ack *a = ack_of(x);
	a->coming_complete |= a->text == a->coming_text;
	if (!a->coming.digits[0] || !a->coming_complete || a->awaited > 0)
		return;
	a->done = a->coming;
	a->coming = (struct batch_number){""};
	expect_none(a);
}

static void ack_free(struct ext *x)
{
	struct ext_ack *a = ack_of(x);
	buf_fini(&a->marks);
	free(a);
}

static const struct ext_ops ops = {
	.key = "ack", .outgoing = outgoing, .incoming = incoming, .accepted = accepted,
	.text = text, .settled = settled, .free = ack_free,
};

int ext_ack_new(struct ext **ret)
{
	struct ext_ack *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->ext.ops = &ops;
	list_init(&a->ext.link);
	buf_init(&a->marks, MARKS_MAX * sizeof(uint64_t));
	restart(a);
	*ret = &a->ext;
	return 0;
}
