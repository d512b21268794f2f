/*
 * The acknowledgement extension: the number of the last batch whose events were all
 * delivered, and a mark of each event delivered since. It acknowledges only numbers
 * that the server has sent: with a higher one the server would delete events we never
 * got. An event that the server repeats after a lost connect is not delivered twice.
 * Repeats come in the same order, but an application may have removed some from the
 * server's queue, so counting them instead would drop as many new events. A mark is a
 * hash whose key only this session and its snapshots have: a publisher cannot construct a
 * message that is taken for a repeat.
 */
#include "bayeux/ext_ack.h"

#include "base/errors.h"
#include "base/strmap.h"
#include "bayeux/saved.h"
#include "bayeux/z85.h"

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
	uint64_t key[2];        /* of the marks */
	struct buf marks;       /* of the events delivered since `done`, in order */
	size_t known;           /* the first `known` of them may be repeated … */
	size_t at;              /* … except those before `at`, which were repeated or skipped */
	/* the first `passed` of them are acknowledged by the next connect; one on the way may still bring them */
	size_t passed;
	uint64_t delivered;     /* ext_ack_delivered() */
	uint64_t safe;          /* ext_ack_hold() */
	/* a number that waits for `safe`, with what was delivered when it came; "" for none */
	struct held {
		struct batch_number number;
		uint64_t delivered;
		size_t marks;
	} held;
	/* the last snapshot has marks of events that the server repeats until it is sent a number that names them */
	bool marks_saved;
	bool ignored;           /* a newer number came while one was held: its events come again */
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
static uint64_t mark_of(const struct ext_ack *a, const struct envelope *e)
{
	return strmap_hash_keyed(a->key, e->raw) + e->size;
}

/* Which of the marks that may come again the event has; marks_n() for none. */
static size_t find_repeat(const struct ext_ack *a, const struct envelope *e)
{
	const char *marks = buf_slice(&a->marks).p;
	uint64_t mark = a->at < a->known ? mark_of(a, e) : 0, other;
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
	uint64_t mark = mark_of(a, e);
	a->delivered++;
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
	a->known = a->at = a->passed = a->held.marks = 0;
}

static size_t less(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* A connect acknowledges the events of the first marks: from now on the server does not repeat them. */
static void forget_passed(struct ext_ack *a)
{
	size_t n = a->passed;
	buf_consume(&a->marks, n * sizeof(uint64_t));
	a->known = less(a->known, n);
	a->at = less(a->at, n);
	a->held.marks = less(a->held.marks, n);
	a->passed = 0;
}

/* ---- numbers ---- */

static void restart(struct ext_ack *a)
{
	a->on = false;
	a->done = (struct batch_number){"0"};
	a->coming = (struct batch_number){""};
	a->awaited = 0;
	a->held = (struct held){.marks = 0};
	a->ignored = false;
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
	forget_passed(a);
	if (a->held.number.digits[0] || a->ignored) {
		/* less is acknowledged than was read */
		a->ignored = false;
		expect_repeats(a);
	}
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

/* ---- numbers that wait ---- */

uint64_t ext_ack_delivered(const struct ext *x)
{
	return x ? LIST_OF(x, const struct ext_ack, ext)->delivered : 0;
}

bool ext_ack_is_held(const struct ext *x)
{
	return x && LIST_OF(x, const struct ext_ack, ext)->held.number.digits[0];
}

bool ext_ack_hold(struct ext *x, uint64_t safe)
{
	if (!x)
		return false;
	struct ext_ack *a = ack_of(x);
	a->safe = safe;
	if (!ext_ack_is_held(x) || a->held.delivered > safe)
		return false;
	a->done = a->held.number;
	a->passed = a->held.marks;
	a->held = (struct held){.marks = 0};
	return true;
}

/*
 * All events of the batch were delivered. If a snapshot has marks of them, the number counts as delivered, too: it
 * waits for another snapshot, because with that one a process would take a later event that looks alike for a repeat.
 * While an older number waits, a newer one is ignored: the older is sent
 * sooner, and the server repeats what it does not name.
 */
static void batch_is_delivered(struct ext_ack *a)
{
	a->delivered += a->marks_saved;
	if (a->held.number.digits[0]) {
		a->ignored = true;
	} else if (a->delivered > a->safe) {
		a->held = (struct held){a->coming, a->delivered, marks_n(a)};
		a->ignored = false;
	} else {
		a->done = a->coming;
		a->ignored = false;
		expect_none(a);
	}
	a->coming = (struct batch_number){""};
}

/* ---- over a restart of the process ---- */

/* What waits for safe hands is in them as soon as this is. */
static int write_saved(struct ext_ack *a, bool with_marks, struct buf *out)
{
	CLEANUP(buf_fini) struct buf bytes;
	bool held = a->held.number.digits[0];
	size_t from = held ? a->held.marks : a->passed, n = with_marks ? marks_n(a) - from : 0;
	const char *digits = held ? a->held.number.digits : a->done.digits;
	if (n > EXT_ACK_SAVED_MAX)
		n = EXT_ACK_SAVED_MAX;
	buf_init_secret(&bytes, sizeof(a->key) + n * sizeof(uint64_t));
	a->marks_saved = n > 0;
	if (n == 0)
		return buf_put_str(out, digits);
	int r = buf_put(&bytes, slice_make((const char *)a->key, sizeof(a->key)));
	if (r == 0)
		r = buf_put(&bytes, slice_make(buf_slice(&a->marks).p + from * sizeof(uint64_t), n * sizeof(uint64_t)));
	if (r == 0)
		r = buf_printf(out, "{\"batch\":%s,\"marks\":\"", digits);
	if (r == 0)
		r = z85_encode(buf_slice(&bytes), out);
	return r ? r : buf_put_str(out, "\"}");
}

bool ext_ack_saved_marks(const struct ext *x)
{
	return x && LIST_OF(x, const struct ext_ack, ext)->marks_saved;
}

int ext_ack_save(struct ext *x, bool with_marks, struct buf *out)
{
	if (!ext_ack_in_effect(x))
		return buf_put_str(out, "null");
	return write_saved(ack_of(x), with_marks, out);
}

static int restore_marks(struct ext_ack *a, const struct json_value *v)
{
	CLEANUP(buf_fini) struct buf bytes;
	buf_init_secret(&bytes, sizeof(a->key) + EXT_ACK_SAVED_MAX * sizeof(uint64_t));
	if (v->kind != JSON_STRING)
		return SAVED_E_INVALID;
	int r = z85_decode(slice_make(v->raw.p + 1, v->raw.n - 2), &bytes);
	struct slice key = slice_take(buf_slice(&bytes), sizeof(a->key));
	struct slice marks = slice_drop(buf_slice(&bytes), key.n);
	if (r > 0 || r == -EMSGSIZE || (r == 0 && (key.n < sizeof(a->key) || !marks.n || marks.n % sizeof(uint64_t))))
		return SAVED_E_INVALID;
	if (r == 0)
		r = buf_put(&a->marks, marks);
	if (r)
		return r;
	memcpy(a->key, key.p, key.n);
	a->marks_saved = true;
	expect_repeats(a);
	return 0;
}

int ext_ack_restore(struct ext *x, const struct json_value *v)
{
	struct json_field f[] = {{.name = "batch"}, {.name = "marks"}};
	struct batch_number done;
	bool marks = v->kind == JSON_OBJECT;
	if (v->kind == JSON_NULL)
		return 0;
	int r = x ? 0 : SAVED_E_INVALID;
	if (r == 0 && marks)
		r = saved_object(v, f, 2);
	if (r == 0 && !number_of(marks ? &f[0].value : v, &done))
		r = SAVED_E_INVALID;
	if (r)
		return r;
	restart(ack_of(x));
	r = marks ? restore_marks(ack_of(x), &f[1].value) : 0;
	if (r)
		return r;
	ack_of(x)->done = done;
	ack_of(x)->on = true;
	return 0;
}

/* ---- texts ---- */

static void text(struct ext *x, uint64_t number)
{
	ack_of(x)->text = number;
}

static void settled(struct ext *x)
{
	struct ext_ack *a = ack_of(x);
	a->coming_complete |= a->text == a->coming_text;
	if (a->coming.digits[0] && a->coming_complete && a->awaited == 0)
		batch_is_delivered(a);
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
	strmap_new_key(a->key);
	a->safe = UINT64_MAX;
	restart(a);
	*ret = &a->ext;
	return 0;
}
