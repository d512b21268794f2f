/*
 * Keeps copies of events that have to wait, and the ids that were delivered. An event is
 * dropped only if its id was seen in the same piece, or if a subscribe began after it.
 * Limits affect the order, never an event: what does not fit is delivered at once, and
 * the marker does not move.
 */
#include "bayeux/replay_order.h"

#include "bayeux/channel.h"

#include <errno.h>
#include <stdlib.h>

/* pieces stored per channel: an older event that is repeated is delivered again */
#define PIECES 32u
/* the same while the server is asked to repeat from an earlier position */
#define PIECES_WAITING 1024u
/* after more lost subscribes in a row, events are no longer held until an answer arrives */
#define LOST_SUBSCRIBES_MAX 4u
/* bytes released at a time, unless a single event is larger */
#define RELEASE_MAX (256u << 10)

struct piece {
	struct replay_id first, last;
	uint64_t text;
	bool alone;                     /* whether events are missing between it and the next one is not
					   known */
};

struct held {
	struct list link;               /* line::held by id, or replay_order::ready */
	struct replay_id id;
	uint64_t text;
	size_t n;
	char raw[];
};

struct line {
	struct strmap_node node;
	struct list link;               /* replay_order::lines */
	struct list answered;           /* replay_order::answered */
	struct list held;
	uint64_t answered_text;         /* the one with the answer; valid while in `answered` */
	unsigned wants;
	bool waits;                     /* the answer to a subscribe is awaited */
	bool open;                      /* … but events are not held */
	bool late;                      /* an answer was lost since the subscribe */
	bool asked, first;              /* subscribed in this session; and for the first time */
	unsigned lost_in_a_row;         /* subscribes */
	/* the id after which the last subscribe began; and the newest delivered; "" for none */
	struct replay_id begin_after, newest;
	struct replay_id stale;         /* the id after which the server refused to begin; "" for none */
	/*
	 * the id after which the next subscribe begins, or began, while the server repeats events
	 * that were delivered already; "" for the newest
	 */
	struct replay_id rewound;
	bool counts;                    /* events received since then follow `rewound` without a hole */
	struct replay_id seen;          /* the newest event received since then; "" for none */
	struct piece *pieces;           /* oldest first */
	size_t n_pieces, pieces_cap;
	char channel[];
};

void replay_order_init(struct replay_order *o, size_t held_max)
{
	*o = (struct replay_order){.held_max = held_max};
	strmap_init(&o->map);
	list_init(&o->lines);
	list_init(&o->answered);
	list_init(&o->ready);
}

static struct line *find(const struct replay_order *o, struct slice channel)
{
	struct strmap_node *node = strmap_get(&o->map, channel);
	return node ? STRMAP_OF(node, struct line, node) : NULL;
}

static void drop(struct replay_order *o, struct list *events)
{
	LIST_EACH_SAFE(h, events, struct held, link) {
		o->held -= h->n;
		list_remove(&h->link);
		free(h);
	}
}

static void line_free(struct replay_order *o, struct line *l)
{
	drop(o, &l->held);
	strmap_remove(&o->map, &l->node);
	list_remove(&l->link);
	list_remove(&l->answered);
	free(l->pieces);
	free(l);
}

void replay_order_fini(struct replay_order *o)
{
	LIST_EACH_SAFE(l, &o->lines, struct line, link)
		line_free(o, l);
	drop(o, &o->ready);
	strmap_fini(&o->map);
}

/* ---- what is known ---- */

/* "-2" (all that is retained) is a position before all events; "-1" (new events) is none */
static bool is_place(const struct replay_id *id)
{
	return replay_id_is(id) || strcmp(id->text, "-2") == 0;
}

static bool is_further(const struct replay_id *a, const struct replay_id *b)
{
	return replay_id_is(a) && (!replay_id_is(b) || replay_id_compare(a, b) > 0);
}

static bool is_ahead(const struct line *l, const struct replay_id *place)
{
	for (size_t i = 0; i < l->n_pieces; i++)
		if (is_further(&l->pieces[i].last, place))
			return true;
	return false;
}

static void rewind_after(struct replay_order *o, struct line *l, const struct replay_id *place)
{
	l->rewound = *place;
	l->counts = false;
	l->seen = (struct replay_id){""};
	o->rewound = true;
}

/* A removed piece looks like a gap, which was reported before; it is not filled by repeats. */
static void forget_pieces(struct line *l, size_t n)
{
	if (n > l->n_pieces)
		n = l->n_pieces;
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (is_place(&l->rewound) && is_further(&l->pieces[i].last, &l->rewound))
			l->rewound = l->pieces[i].last;
	l->n_pieces -= n;
	memmove(l->pieces, l->pieces + n, l->n_pieces * sizeof(l->pieces[0]));
}

static bool grow(struct line *l)
{
	size_t cap = l->pieces_cap ? 2 * l->pieces_cap : 8;
	struct piece *pieces = realloc(l->pieces, cap * sizeof(*pieces));
	if (!pieces)
		return false;
	l->pieces = pieces;
	l->pieces_cap = cap;
	return true;
}

/* The newest piece of this text, when the id continues after it. Texts may be interleaved. */
static struct piece *piece_before(struct line *l, const struct replay_id *id, uint64_t text)
{
	for (size_t i = l->n_pieces; i > 0 && i + 4 > l->n_pieces; i--) {
		struct piece *p = &l->pieces[i - 1];
		if (p->text == text)
			return !p->alone && replay_id_compare(id, &p->last) > 0 ? p : NULL;
	}
	return NULL;
}

/* A double comes later if it comes: events of one text make one piece, as far as they go on. */
static void note(struct line *l, const struct replay_id *id, uint64_t text, bool alone)
{
	struct piece *before = alone ? NULL : piece_before(l, id, text);
	if (before) {
		before->last = *id;
		return;
	}
	size_t most = l->waits || is_place(&l->rewound) ? PIECES_WAITING : PIECES;
	if (l->n_pieces >= most)
		forget_pieces(l, l->n_pieces - most + 1);
	if (l->n_pieces == l->pieces_cap && !grow(l))
		forget_pieces(l, 1);
	if (l->n_pieces < l->pieces_cap)
		l->pieces[l->n_pieces++] = (struct piece){*id, *id, text, alone};
}

static bool is_known(const struct line *l, const struct replay_id *id)
{
	if (replay_id_is(&l->begin_after) && replay_id_compare(id, &l->begin_after) <= 0)
		return true;
	for (size_t i = 0; i < l->n_pieces; i++)
		if (replay_id_compare(id, &l->pieces[i].first) >= 0 &&
		    replay_id_compare(id, &l->pieces[i].last) <= 0)
			return true;
	return false;
}

static bool holds(const struct replay_order *o, const struct line *l)
{
	return !l->open && (l->waits || (o->busy && !o->slow));
}

/* The last id delivered before that text; or the oldest that is stored. */
static void rewind_to(struct replay_order *o, struct line *l, uint64_t text)
{
	const struct piece *since = NULL, *before = NULL;
	for (size_t i = 0; i < l->n_pieces; i++) {
		const struct piece *p = &l->pieces[i];
		if (p->text >= text)
			since = p;
		else if (!before || replay_id_compare(&p->last, &before->last) > 0)
			before = p;
	}
	if (since)
		rewind_after(o, l, before ? &before->last : is_place(&l->begin_after) ? &l->begin_after
									  : &l->pieces[0].last);
}

/* ---- delivery of held events ---- */

/* Events in `ready` count as delivered: none of them is lost. */
static void make_ready(struct replay_order *o, struct line *l)
{
	LIST_EACH(h, &l->held, struct held, link)
		note(l, &h->id, h->text, false);
	list_splice(&o->ready, &l->held);
}

static void make_open(struct replay_order *o, struct line *l)
{
	l->open = o->opened = true;
	make_ready(o, l);
}

int replay_order_release(struct replay_order *o, struct buf *out)
{
	size_t start = buf_len(out);
	int r = 0;
	LIST_EACH_SAFE(h, &o->ready, struct held, link) {
		bool first = buf_len(out) == start;
		size_t before = buf_len(out);
		if (!first && before - start + h->n > RELEASE_MAX)
			break;
		r = buf_putc(out, first ? '[' : ',');
		if (r == 0)
			r = buf_put(out, slice_make(h->raw, h->n));
		/* the end must fit, too */
		if (r == 0)
			r = buf_putc(out, ']');
		buf_truncate(out, r ? before : buf_len(out) - 1);
		if (r)
			break;
		o->held -= h->n;
		list_remove(&h->link);
		free(h);
	}
	/* there was room for it a moment ago */
	return buf_len(out) > start ? buf_putc(out, ']') : r;
}

/* ---- wanted channels ---- */

static bool has_filter(struct slice channel)
{
	return channel_bare(channel).n != channel.n;
}

int replay_order_want(struct replay_order *o, struct slice channel)
{
	struct line *l = find(o, channel);
	if (l) {
		l->wants++;
		return 0;
	}
	l = calloc(1, sizeof(*l) + channel.n + 1);
	if (!l)
		return -ENOMEM;
	memcpy(l->channel, channel.p, channel.n);
	int r = strmap_put(&o->map, slice_make(l->channel, channel.n), &l->node);
	if (r) {
		free(l);
		return r;
	}
	l->wants = 1;
	list_init(&l->held);
	list_init(&l->answered);
	list_append(&o->lines, &l->link);
	o->filtered += has_filter(channel);
	return 0;
}

void replay_order_save(const struct replay_order *o, struct slice channel, const struct replay_id *marker,
		       void (*fn)(void *ctx, const struct replay_id *first, const struct replay_id *last), void *ctx)
{
	const struct line *l = find(o, channel);
	for (size_t i = 0; l && i < l->n_pieces; i++)
		if (is_further(&l->pieces[i].last, marker))
			fn(ctx, &l->pieces[i].first, &l->pieces[i].last);
}

void replay_order_restored(struct replay_order *o, struct slice channel, const struct replay_id *marker)
{
	struct line *l = find(o, channel);
	if (l)
		l->begin_after = *marker;
}

/* There may be a hole before it, so the next subscribes begin after the marker until it was passed. */
void replay_order_restored_piece(struct replay_order *o, struct slice channel, const struct replay_id *first,
				 const struct replay_id *last)
{
	struct line *l = find(o, channel);
	if (!l)
		return;
	note(l, first, o->text, true);
	if (l->n_pieces)
		l->pieces[l->n_pieces - 1].last = *last;
	if (is_place(&l->begin_after))
		rewind_after(o, l, &l->begin_after);
}

/* A pattern may still want what is held. */
bool replay_order_unwant(struct replay_order *o, struct slice channel)
{
	struct line *l = find(o, channel);
	if (!l)
		return true;
	if (--l->wants)
		return false;
	make_ready(o, l);
	o->filtered -= has_filter(channel);
	line_free(o, l);
	return true;
}

struct slice replay_order_name(const struct replay_order *o, struct slice channel)
{
	if (o->filtered && !find(o, channel))
		LIST_EACH(l, &o->lines, struct line, link)
			if (slice_eq(channel_bare(slice_of(l->channel)), channel))
				return slice_of(l->channel);
	return channel;
}

/* ---- what is sent ---- */

/*
 * No answer is awaited: everything that the server has sent until now has arrived. Only events
 * delivered before the server repeats them may be newer.
 */
static void catch_up(struct line *l)
{
	if (is_further(&l->seen, &l->rewound))
		l->rewound = l->seen;
	l->counts = true;
	if (!is_ahead(l, &l->rewound))
		l->rewound = (struct replay_id){""};
}

static void catch_all_up(struct replay_order *o)
{
	if (o->busy || !o->rewound)
		return;
	o->rewound = false;
	LIST_EACH(l, &o->lines, struct line, link) {
		if (is_place(&l->rewound) && !l->waits)
			catch_up(l);
		if (is_place(&l->rewound))
			o->rewound = true;
	}
}

void replay_order_connect(struct replay_order *o)
{
	o->connect_text = o->text;
	catch_all_up(o);
}

void replay_order_busy(struct replay_order *o, bool busy, bool slow)
{
	if (busy && !o->busy)
		o->command_text = o->text;
	o->busy = busy;
	o->slow = slow;
	/* called for each answer, mostly with nothing to do, and there may be many lines */
	if ((busy && !slow) || (!o->held && !o->opened))
		return;
	o->opened &= busy;
	LIST_EACH(l, &o->lines, struct line, link) {
		if (!l->waits && !busy)
			l->open = false;
		if (!holds(o, l))
			make_ready(o, l);
	}
}

void replay_order_asked(struct replay_order *o, struct slice channel,
			const struct replay_id *begin_after)
{
	struct line *l = find(o, channel);
	if (!l)
		return;
	l->begin_after = *begin_after;
	if (is_place(begin_after))
		rewind_after(o, l, begin_after);
	/* what comes first in a session cannot be left from an earlier subscribe */
	l->counts = l->first = !l->asked;
	l->asked = true;
	l->waits = true;
	l->late = false;
	l->open = l->lost_in_a_row > LOST_SUBSCRIBES_MAX;
	list_remove(&l->answered);
}

void replay_order_answered(struct replay_order *o, struct slice channel)
{
	struct line *l = find(o, channel);
	if (!l)
		return;
	l->lost_in_a_row = 0;
	if (l->late)
		return;
	list_remove(&l->answered);
	list_append(&o->answered, &l->answered);
	l->answered_text = o->text;
}

void replay_order_subscribe_lost(struct replay_order *o, struct slice channel, bool later)
{
	struct line *l = find(o, channel);
	if (l && l->waits && (++l->lost_in_a_row > LOST_SUBSCRIBES_MAX || later))
		make_open(o, l);
}

void replay_order_lost(struct replay_order *o)
{
	uint64_t text = o->busy && o->command_text < o->connect_text ? o->command_text
								      : o->connect_text;
	LIST_EACH(l, &o->lines, struct line, link) {
		l->waits = l->late = true;
		if (!is_place(&l->rewound))
			rewind_to(o, l, text);
		else
			rewind_after(o, l, &l->rewound);
	}
}

void replay_order_begin(const struct replay_order *o, struct slice channel,
			struct replay_id *marker)
{
	const struct line *l = find(o, channel);
	if (l && is_place(&l->rewound) && is_further(marker, &l->rewound))
		*marker = l->rewound;
}

static void forget_ids(struct line *l)
{
	l->n_pieces = 0;
	l->begin_after = l->newest = l->rewound = l->stale = (struct replay_id){""};
}

void replay_order_stale(struct replay_order *o, struct slice channel)
{
	struct line *l = find(o, channel);
	if (!l)
		return;
	l->stale = l->begin_after;
	l->begin_after = l->newest = l->rewound = (struct replay_id){""};
	l->asked = !l->first;
}

void replay_order_reset(struct replay_order *o)
{
	LIST_EACH(l, &o->lines, struct line, link)
		forget_ids(l);
}

void replay_order_restart(struct replay_order *o)
{
	catch_all_up(o);
	o->busy = o->slow = false;
	LIST_EACH(l, &o->lines, struct line, link) {
		drop(o, &l->held);
		list_remove(&l->answered);
		l->waits = l->open = l->late = l->asked = l->counts = false;
		l->lost_in_a_row = 0;
		l->seen = (struct replay_id){""};
	}
}

/* ---- events ---- */

static int hold(struct replay_order *o, struct line *l, const struct replay_id *id,
		struct slice raw)
{
	struct list *at = l->held.prev;
	int order = 1;
	/* nearly always the newest: from the end */
	while (at != &l->held) {
		order = replay_id_compare(id, &LIST_OF(at, struct held, link)->id);
		if (order >= 0)
			break;
		at = at->prev;
	}
	if (order == 0)
		return REPLAY_DUPLICATE;
	struct held *h = malloc(sizeof(*h) + raw.n);
	if (!h)
		return -ENOMEM;
	h->id = *id;
	h->text = o->text;
	h->n = raw.n;
	memcpy(h->raw, raw.p, raw.n);
	list_init(&h->link);
	list_insert_after(at, &h->link);
	o->held += h->n;
	return REPLAY_HELD;
}

int replay_order_event(struct replay_order *o, struct slice channel, const struct replay_id *id,
		      struct slice raw)
{
	struct line *l = find(o, channel);
	if (!l)
		return 0;
	/* older than an id that is no longer retained: the server restarted its ids */
	if (replay_id_is(&l->stale) && !is_further(id, &l->stale)) {
		l->n_pieces = 0;
		l->newest = l->stale = (struct replay_id){""};
	}
	if (l->counts && is_further(id, &l->seen))
		l->seen = *id;
	if (is_known(l, id))
		return REPLAY_DUPLICATE;
	return holds(o, l) ? hold(o, l, id, raw) : 0;
}

void replay_order_delivered(struct replay_order *o, struct slice channel, const struct replay_id *id)
{
	struct line *l = find(o, channel);
	if (!l)
		return;
	if (!is_known(l, id))
		note(l, id, o->text, false);
	if (!replay_id_is(&l->newest) || replay_id_compare(id, &l->newest) > 0)
		l->newest = *id;
}

/* While older events are held, it gives no information about what comes before it. */
void replay_order_left_out(struct replay_order *o, struct slice channel,
			   const struct replay_id *id)
{
	struct line *l = find(o, channel);
	if (l && !holds(o, l))
		replay_order_delivered(o, channel, id);
	else if (l && !is_known(l, id))
		note(l, id, o->text, true);
}

const struct replay_id *replay_order_newest(const struct replay_order *o, struct slice channel)
{
	const struct line *l = find(o, channel);
	bool waits = o->busy || (l && l->waits && !list_linked(&l->answered));
	return l && !waits && replay_id_is(&l->newest) ? &l->newest : NULL;
}

int replay_order_each(const struct replay_order *o, int (*fn)(void *ctx, struct slice channel),
		      void *ctx)
{
	int r = 0;
	LIST_EACH(l, &o->lines, struct line, link)
		if (r == 0)
			r = fn(ctx, l->node.key);
	return r;
}

void replay_order_text(struct replay_order *o, uint64_t number)
{
	o->text = number;
}

bool replay_order_is_delivered(const struct replay_order *o, struct slice channel,
			  const struct replay_id *id)
{
	const struct line *l = find(o, channel);
	return l && is_known(l, id);
}

void replay_order_settle(struct replay_order *o)
{
	LIST_EACH_SAFE(l, &o->answered, struct line, answered) {
		if (l->answered_text != o->text)
			continue;
		list_remove(&l->answered);
		l->waits = l->open = false;
		if (!holds(o, l))
			make_ready(o, l);
	}
	if (o->held > o->held_max)
		LIST_EACH(l, &o->lines, struct line, link)
			if (!list_empty(&l->held))
				make_open(o, l);
	o->text++;
}
