/*
 * The replay extension. The marker of each wanted channel is the event after which the
 * next subscribe begins. A marker moves only forward, and only when its event and those
 * before it were delivered. Every subscribe states where to begin, not only the first.
 * Ids are passed on unchanged.
 */
#include "bayeux/ext_replay.h"

#include "bayeux/channel.h"
#include "bayeux/replay_order.h"
#include "bayeux/saved.h"

#include <errno.h>
#include <stdlib.h>

/* events kept until their subscribe is answered, beyond one text */
#define HELD_MAX (4u << 20)
/* how long they wait for the answer to commands, which may bring older ones: a call may be answered much later */
#define HOLD_MS 1000u

static const struct replay_id only_new = {"-1"}, all_retained = {"-2"};

struct ext_replay {
	struct ext ext;
	struct replay_store *store;
	struct replay_order order;
	enum session_replay start;
	enum session_replay_fallback fallback;
	bool on;                        /* the server of the present session has it */
	bool lags;                      /* events were delivered while no marker could move */
	bool repeat_due;                /* an answer got lost: the next subscribes repeat what was in it */
	uint64_t hold_until;            /* events are kept for answers to commands */
};

static struct ext_replay *replay_of(struct ext *x)
{
	return LIST_OF(x, struct ext_replay, ext);
}

void ext_replay_move(struct ext *x, struct ext *from)
{
	struct ext_replay *a = replay_of(x), *b = replay_of(from);
	struct replay_store *store = a->store;
	if (a->start != b->start)
		return;
	a->store = b->store;
	b->store = store;
}

/* the channel's name at Salesforce, without "?filter" */
static struct slice plain(struct slice channel)
{
	return channel_bare(channel);
}

/*
 * The name under which a channel is kept: with its filter, because the server sends an event once for
 * each filter. A name without filter means the wanted channel with one.
 */
static struct slice name_of(const struct ext_replay *a, struct slice channel)
{
	return replay_order_name(&a->order, channel);
}

static const struct replay_id *start_of(const struct ext_replay *a)
{
	return a->start == SESSION_REPLAY_ALL ? &all_retained : &only_new;
}

/* ---- over a restart of the process ---- */

struct saving {
	const struct ext_replay *replay;
	struct json_write *w;
	bool any;               /* a piece was written */
};

static void save_piece(void *ctx, const struct replay_id *first, const struct replay_id *last)
{
	struct saving *saving = ctx;
	if (!saving->any)
		json_key(saving->w, "known"), json_array_begin(saving->w);
	saving->any = true;
	json_put_str(saving->w, first->text);
	json_put_str(saving->w, last->text);
}

static void save_marker(void *ctx, struct slice channel, const struct replay_id *marker)
{
	struct saving *saving = ctx;
	struct replay_id id = *marker;
	replay_order_begin(&saving->replay->order, channel, &id);
	json_object_begin(saving->w);
	json_key(saving->w, "channel"), json_put_text(saving->w, channel);
	json_key(saving->w, "after"), json_put_str(saving->w, id.text);
	saving->any = false;
	replay_order_save(&saving->replay->order, channel, &id, save_piece, saving);
	if (saving->any)
		json_array_end(saving->w);
	json_object_end(saving->w);
}

void ext_replay_save(const struct ext *x, struct json_write *w)
{
	const struct ext_replay *a = x ? LIST_OF(x, const struct ext_replay, ext) : NULL;
	struct saving saving = {a, w, false};
	if (!a) {
		json_put_null(w);
		return;
	}
	json_object_begin(w);
	json_key(w, "on"), json_put_bool(w, a->on);
	json_key(w, "markers");
	json_array_begin(w);
	a->store->each(a->store, save_marker, &saving);
	json_array_end(w);
	json_object_end(w);
}

/* Each marker is gone through three times: nothing changes unless all are valid, and channels are wanted later. */
struct restoring {
	struct ext_replay *replay;
	enum { RESTORE_CHECK, RESTORE_MARKERS, RESTORE_PIECES } step;
	/* of the marker in hand */
	struct slice channel;
	struct replay_id first;         /* of a piece whose end follows; "" for none */
};

static bool is_id(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool is_marker(const char *text)
{
	return strcmp(text, only_new.text) == 0 || strcmp(text, all_retained.text) == 0 || is_id(text);
}

static int restore_piece(void *ctx, const struct json_value *v)
{
	struct restoring *restoring = ctx;
	struct replay_id id = {""};
	struct slice text;
	int r = saved_text(v, id.text, sizeof(id.text), &text);
	if (r == 0 && !is_id(id.text))
		r = SAVED_E_INVALID;
	if (r)
		return r;
	if (!restoring->first.text[0]) {
		restoring->first = id;
		return 0;
	}
	if (restoring->step == RESTORE_PIECES)
		replay_order_restored_piece(&restoring->replay->order, restoring->channel, &restoring->first, &id);
	restoring->first = (struct replay_id){""};
	return 0;
}

static int restore_pieces(struct restoring *restoring, const struct json_value *v)
{
	if (!v->raw.p)
		return 0;
	if (v->kind != JSON_ARRAY)
		return SAVED_E_INVALID;
	restoring->first = (struct replay_id){""};
	int r = json_read_array(v->raw, restore_piece, restoring);
	return r == 0 && restoring->first.text[0] ? SAVED_E_INVALID : r;
}

static int restore_marker(void *ctx, const struct json_value *v)
{
	struct restoring *restoring = ctx;
	struct ext_replay *a = restoring->replay;
	struct json_field f[] = {{.name = "channel"}, {.name = "after"}, {.name = "known"}};
	char name[PROTOCOL_CHANNEL_MAX + 1];
	struct slice text;
	struct replay_id id = {""};
	int r = saved_object(v, f, 3);
	if (r == 0)
		r = saved_channel(&f[0].value, name, &restoring->channel);
	if (r == 0)
		r = saved_text(&f[1].value, id.text, sizeof(id.text), &text);
	if (r == 0 && !is_marker(id.text))
		r = SAVED_E_INVALID;
	if (r == 0 && restoring->step == RESTORE_MARKERS)
		return a->store->put(a->store, restoring->channel, &id);
	if (r == 0 && restoring->step == RESTORE_PIECES)
		replay_order_restored(&a->order, restoring->channel, &id);
	return r ? r : restore_pieces(restoring, &f[2].value);
}

int ext_replay_restore(struct ext *x, const struct json_value *v)
{
	struct json_field f[] = {{.name = "on"}, {.name = "markers"}};
	struct restoring restoring = {.replay = x ? replay_of(x) : NULL, .step = RESTORE_CHECK};
	bool on = false;
	if (v->kind == JSON_NULL)
		return 0;
	int r = x ? saved_object(v, f, 2) : SAVED_E_INVALID;
	if (r == 0)
		r = saved_bool(&f[0].value, &on);
	if (r == 0 && f[1].value.kind != JSON_ARRAY)
		r = SAVED_E_INVALID;
	if (r == 0)
		r = json_read_array(f[1].value.raw, restore_marker, &restoring);
	restoring.step = RESTORE_MARKERS;
	if (r == 0)
		r = json_read_array(f[1].value.raw, restore_marker, &restoring);
	if (r == 0)
		replay_of(x)->on = on;
	return r > 0 ? SAVED_E_INVALID : r;
}

int ext_replay_restored(struct ext *x, const struct json_value *v)
{
	struct json_value markers;
	if (!x || v->kind == JSON_NULL)
		return 0;
	struct restoring restoring = {.replay = replay_of(x), .step = RESTORE_PIECES};
	int r = json_read_member(v->raw, "markers", &markers);
	return r ? r : json_read_array(markers.raw, restore_marker, &restoring);
}

bool ext_replay_keeps(const struct ext *x)
{
	return x && LIST_OF(x, const struct ext_replay, ext)->order.held > 0;
}

/* ---- wanted channels ---- */

/* A marker exists as long as the channel is wanted; events move it, and never create one. */
int ext_replay_want(struct ext *x, struct slice channel)
{
	if (!x)
		return 0;
	struct ext_replay *a = replay_of(x);
	struct replay_id id;
	int r = replay_order_want(&a->order, channel);
	if (r)
		return r;
	r = a->store->get(a->store, channel, &id);
	if (r == REPLAY_STORE_NONE)
		r = a->store->put(a->store, channel, start_of(a));
	if (r)
		replay_order_unwant(&a->order, channel);
	return r;
}

/* Events sent while the channel is not wanted are not missed, except with "resume". */
void ext_replay_unwant(struct ext *x, struct slice channel)
{
	if (!x)
		return;
	struct ext_replay *a = replay_of(x);
	struct replay_id id = *start_of(a);
	int r = a->store->get(a->store, channel, &id);
	replay_order_begin(&a->order, channel, &id);
	if (!replay_order_unwant(&a->order, channel))
		return;
	if (a->start != SESSION_REPLAY_RESUME)
		a->store->forget(a->store, channel);
	else if (r == 0)
		a->store->put(a->store, channel, &id);
}

/* ---- out ---- */

static int write_marker(struct ext_replay *a, struct slice channel, struct buf *out)
{
	struct replay_id id = *start_of(a);
	struct json_write w;
	int r = a->store->get(a->store, channel, &id);
	if (r >= 0)
		r = buf_putc(out, '{');
	if (r)
		return r;
	replay_order_begin(&a->order, channel, &id);
	json_write_init(&w, out);
	json_put_text(&w, plain(channel));
	r = json_write_done(&w);
	if (r == 0)
		r = buf_printf(out, ":%s}", id.text);
	if (r == 0)
		replay_order_asked(&a->order, channel, &id);
	return r;
}

static int outgoing(struct ext *x, const struct ext_request *request, struct buf *out)
{
	struct ext_replay *a = replay_of(x);
	if (request->kind == REQUEST_HANDSHAKE) {
		a->on = false;
		replay_order_restart(&a->order);
		return buf_put_str(out, "true");
	}
	if (request->kind == REQUEST_CONNECT)
		replay_order_connect(&a->order);
	if (request->kind != REQUEST_SUBSCRIBE || !a->on)
		return 0;
	return write_marker(a, request->channel, out);
}

/* ---- in ---- */

/* The digits of a number or a string; false for anything else. */
static bool digits_of(const struct json_value *v, struct replay_id *ret)
{
	struct slice s = v->raw;
	if (v->kind == JSON_STRING)
		s = slice_make(s.p + 1, s.n - 2);
	else if (v->kind != JSON_NUMBER)
		return false;
	if (s.n == 0 || s.n >= sizeof(ret->text))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	*ret = (struct replay_id){""};
	memcpy(ret->text, s.p, s.n);
	return true;
}

enum { WITHOUT_ID = 1 };

/* data.event.replayId. 0, WITHOUT_ID, -ENOMEM */
static int id_of(const struct envelope *e, struct replay_id *ret)
{
	struct json_value event, v = {0};
	if (e->kind == ENVELOPE_UNREADABLE) {
		v = (struct json_value){JSON_NUMBER, e->replay_id};
		return digits_of(&v, ret) ? 0 : WITHOUT_ID;
	}
	int r = json_read_member(e->data, "event", &event);
	if (r == 0)
		r = json_read_member(event.raw, "replayId", &v);
	return r ? r : digits_of(&v, ret) ? 0 : WITHOUT_ID;
}

static int handshake_reply(struct ext_replay *a, const struct envelope *e)
{
	struct json_value v;
	int r = json_read_member(e->ext, "replay", &v);
	if (r == 0)
		a->on = v.kind == JSON_TRUE;
	a->repeat_due = false;
	return r;
}

/* An event that was delivered before, or has to wait, is dropped here. */
static int event(struct ext_replay *a, const struct envelope *e)
{
	struct replay_id id;
	int r = a->on ? id_of(e, &id) : WITHOUT_ID;
	if (r)
		return r < 0 ? r : 0;
	r = replay_order_event(&a->order, name_of(a, e->channel), &id, e->raw);
	return r > 0 ? EXT_DROP : r;
}

/* It is not held back for the order: it is reported as lost once, as soon as it comes. */
static int unreadable(struct ext_replay *a, const struct envelope *e)
{
	struct replay_id id;
	if (!a->on || id_of(e, &id))
		return 0;
	return replay_order_is_delivered(&a->order, name_of(a, e->channel), &id) ? EXT_DROP : 0;
}

static int incoming(struct ext *x, enum ext_moment moment, const struct envelope *e,
		    struct ext_time at)
{
	struct ext_replay *a = replay_of(x);
	(void)at;
	if (moment == EXT_HANDSHAKE_REPLY)
		return handshake_reply(a, e);
	if (moment == EXT_UNREADABLE)
		return unreadable(a, e);
	return moment == EXT_EVENT ? event(a, e) : 0;
}

/* Moves the marker to the newest event delivered, unless older ones may still arrive. */
static int advance(struct ext_replay *a, struct slice channel)
{
	const struct replay_id *newest = replay_order_newest(&a->order, channel);
	struct replay_id old;
	int r = newest ? a->store->get(a->store, channel, &old) : REPLAY_STORE_NONE;
	if (r)
		return r < 0 ? r : 0;
	bool forward = !replay_id_is(&old) || replay_id_compare(newest, &old) > 0;
	return forward ? a->store->put(a->store, channel, newest) : 0;
}

int ext_replay_delivered(struct ext *x, const struct envelope *e)
{
	if (!x)
		return 0;
	struct ext_replay *a = replay_of(x);
	struct replay_id id;
	int r = a->on ? id_of(e, &id) : WITHOUT_ID;
	if (r)
		return r < 0 ? r : 0;
	if (e->kind == ENVELOPE_UNREADABLE)
		replay_order_left_out(&a->order, name_of(a, e->channel), &id);
	else
		replay_order_delivered(&a->order, name_of(a, e->channel), &id);
	a->lags |= a->order.busy;
	return advance(a, name_of(a, e->channel));
}

int ext_replay_answered(struct ext *x, struct slice channel)
{
	if (!x)
		return 0;
	struct ext_replay *a = replay_of(x);
	replay_order_answered(&a->order, channel);
	return advance(a, channel);
}

void ext_replay_subscribe_lost(struct ext *x, struct slice channel, bool later)
{
	if (x)
		replay_order_subscribe_lost(&replay_of(x)->order, channel, later);
}

void ext_replay_missed(struct ext *x)
{
	if (!x || !replay_of(x)->on)
		return;
	replay_of(x)->repeat_due = true;
	replay_order_lost(&replay_of(x)->order);
}

bool ext_replay_repeats(struct ext *x)
{
	bool due = x && replay_of(x)->repeat_due;
	if (due)
		replay_of(x)->repeat_due = false;
	return due;
}

/* One server's ids mean nothing to another, and would keep from us what has smaller ones. */
void ext_replay_moved(struct ext *x)
{
	if (!x)
		return;
	struct ext_replay *a = replay_of(x);
	a->store->reset(a->store, start_of(a));
	replay_order_reset(&a->order);
}

static int advance_one(void *ctx, struct slice channel)
{
	return advance(ctx, channel);
}

bool ext_replay_commands(struct ext *x, uint64_t now, uint64_t sent_at)
{
	struct ext_replay *a = replay_of(x);
	bool busy = sent_at != UINT64_MAX, slow = busy && now - sent_at >= HOLD_MS;
	a->hold_until = busy && !slow ? sent_at + HOLD_MS : UINT64_MAX;
	if (a->on) {
		replay_order_busy(&a->order, busy, slow);
		/* without memory, the next time: until then a marker is too far back, which costs a repetition */
		if (!busy && a->lags)
			a->lags = replay_order_each(&a->order, advance_one, a) < 0;
	}
	return !busy || slow;
}

uint64_t ext_replay_hold_until(const struct ext *x)
{
	return x ? LIST_OF(x, const struct ext_replay, ext)->hold_until : UINT64_MAX;
}

static void text(struct ext *x, uint64_t number)
{
	replay_order_text(&replay_of(x)->order, number);
}

static void settled(struct ext *x)
{
	replay_order_settle(&replay_of(x)->order);
}

int ext_replay_release(struct ext *x, struct buf *out)
{
	return x ? replay_order_release(&replay_of(x)->order, out) : 0;
}

/* "400::The replayId {N} you provided was invalid. …": it is older than what is retained */
int ext_replay_refused(struct ext *x, struct slice channel, const struct envelope *e)
{
	if (!x)
		return 0;
	struct ext_replay *a = replay_of(x);
	struct envelope_error error = envelope_error_parse(e->error);
	struct replay_id id;
	if (!a->on || a->fallback == SESSION_REPLAY_STOP || error.code != 400 ||
	    !error.text.n || !memmem(error.text.p, error.text.n, "replayId", 8))
		return 0;
	int r = a->store->get(a->store, channel, &id);
	/* the subscribe had no id, so another one does not help */
	if (r == REPLAY_STORE_NONE || id.text[0] == '-')
		return 0;
	if (r == 0)
		r = a->store->put(a->store, channel,
				  a->fallback == SESSION_REPLAY_FALLBACK_ALL ? &all_retained
									     : &only_new);
	if (r)
		return r;
	replay_order_stale(&a->order, channel);
	return EXT_REPLAY_AGAIN;
}

static void replay_free(struct ext *x)
{
	replay_order_fini(&replay_of(x)->order);
	replay_store_free(replay_of(x)->store);
	free(replay_of(x));
}

static const struct ext_ops ops = {
	.key = "replay", .outgoing = outgoing, .incoming = incoming, .text = text, .settled = settled,
	.free = replay_free,
};

int ext_replay_new(enum session_replay start, enum session_replay_fallback fallback,
		   struct replay_store *store, struct ext **ret)
{
	struct ext_replay *a = calloc(1, sizeof(*a));
	if (!a) {
		replay_store_free(store);
		return -ENOMEM;
	}
	a->ext.ops = &ops;
	list_init(&a->ext.link);
	a->store = store;
	replay_order_init(&a->order, HELD_MAX);
	a->start = start;
	a->fallback = fallback;
	a->hold_until = UINT64_MAX;
	*ret = &a->ext;
	return 0;
}
