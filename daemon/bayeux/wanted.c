/*
 * The table of wanted channels. Whatever order changes and replies arrive in, the
 * requests to the server converge to what is wanted, and each change of a wanted
 * channel's status is reported once.
 *
 * Everything goes through ripple(): after any change of one record it looks at
 * that record and, when patterns may cover each other, at those above and below.
 */
#include "bayeux/wanted.h"

#include "bayeux/channel.h"
#include "bayeux/saved.h"
#include "protocol/protocol.h"

#include <errno.h>
#include <stdlib.h>

/* tries that are answered as if there were no session, although there is, until they are refused */
#define SESSION_UNKNOWN_MAX 3u

void wanted_init(struct wanted_table *t, struct pending *pending, struct jitter *jitter,
		 uint64_t backoff_min, uint64_t backoff_max)
{
	*t = (struct wanted_table){.pending = pending, .jitter = jitter, .later_at = UINT64_MAX,
				   .backoff_min = backoff_min, .backoff_max = backoff_max,
				   .unclaimed_until = UINT64_MAX};
	strmap_init(&t->map);
	strmap_init(&t->askers);
	list_init(&t->all);
	list_init(&t->turns);
	list_init(&t->later);
	list_init(&t->news);
	list_init(&t->unclaimed);
}

static struct slice name(const struct wanted *w)
{
	return w->node.key;
}

static void settle(struct wanted_table *t, struct wanted *w)
{
	pending_remove(t->pending, &w->request.pending);
	request_leave(&w->request);
}

/* ---- who asks, and whose turn it is ---- */

static int asker_get(struct wanted_table *t, uint64_t peer, struct asker **ret)
{
	struct strmap_node *found = strmap_get(&t->askers, strmap_number(&peer));
	if (found) {
		*ret = STRMAP_OF(found, struct asker, by_peer);
		return 0;
	}
	struct asker *a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct asker){.peer = peer};
	list_init(&a->waiting);
	list_init(&a->turn);
	int r = strmap_put(&t->askers, strmap_number(&a->peer), &a->by_peer);
	if (r)
		free(a);
	else
		*ret = a;
	return r;
}

static void asker_drop(struct wanted_table *t, struct asker *a)
{
	if (a->n)
		return;
	strmap_remove(&t->askers, &a->by_peer);
	free(a);
}

static void enter_queue(struct wanted_table *t, struct wanted *w)
{
	list_append(&w->asker->waiting, &w->link);
	if (!list_linked(&w->asker->turn))
		list_append(&t->turns, &w->asker->turn);
}

/* Also from `later`. */
static void leave_queue(struct wanted_table *t, struct wanted *w)
{
	list_remove(&w->link);
	t->n_renewed -= w->renewed;
	w->renewed = false;
	if (list_empty(&w->asker->waiting))
		list_remove(&w->asker->turn);
}

struct wanted *wanted_next(const struct wanted_table *t, bool renewed)
{
	if (renewed && t->n_renewed == 0)
		return NULL;
	LIST_EACH(a, &t->turns, struct asker, turn) {
		struct wanted *w = LIST_FIRST(&a->waiting, struct wanted, link);
		if (w->renewed || !renewed)
			return w;
	}
	return NULL;
}

struct wanted *wanted_next_beside(const struct wanted_table *t, const struct exchanges *all,
				  const struct wanted *last)
{
	if (last)
		return LIST_FIRST(&last->asker->waiting, struct wanted, link);
	LIST_EACH(a, &t->turns, struct asker, turn)
		if (!exchange_find(all, a->batch))
			return LIST_FIRST(&a->waiting, struct wanted, link);
	return NULL;
}

void wanted_take(struct wanted_table *t, struct wanted *w, struct list *batch)
{
	list_remove(&w->link);
	list_append(batch, &w->link);
	t->n_renewed -= w->renewed;
	list_remove(&w->asker->turn);
	if (!list_empty(&w->asker->waiting))
		list_append(&t->turns, &w->asker->turn);
}

void wanted_put_back(struct wanted_table *t, struct list *batch)
{
	while (!list_empty(batch)) {
		struct wanted *w = LIST_OF(batch->prev, struct wanted, link);
		list_remove(&w->link);
		list_prepend(&w->asker->waiting, &w->link);
		t->n_renewed += w->renewed;
		list_remove(&w->asker->turn);
		list_prepend(&t->turns, &w->asker->turn);
	}
}

static void wanted_free(struct wanted_table *t, struct wanted *w)
{
	settle(t, w);
	leave_queue(t, w);
	strmap_remove(&t->map, &w->node);
	list_remove(&w->all);
	list_remove(&w->news);
	list_remove(&w->unclaimed);
	w->asker->n--;
	asker_drop(t, w->asker);
	free(w);
}

void wanted_fini(struct wanted_table *t)
{
	LIST_EACH_SAFE(w, &t->all, struct wanted, all)
		wanted_free(t, w);
	strmap_fini(&t->map);
	strmap_fini(&t->askers);
}

struct wanted *wanted_find(const struct wanted_table *t, struct slice channel)
{
	struct strmap_node *node = strmap_get(&t->map, channel);
	return node ? STRMAP_OF(node, struct wanted, node) : NULL;
}

/* ---- who covers whom ---- */

/* A subscription in doubt is unsubscribed, but not relied on. */
static bool is_on(const struct wanted *w)
{
	return w->upstream == WANTED_ON && !w->doubt;
}

/* whether the server sends, or is asked or about to be asked to send, what `w` matches */
static bool is_relied_on(const struct wanted *w)
{
	bool soon = list_linked(&w->request.link) || backoff_fresh(&w->backoff);
	return w->wanted && w->upstream != WANTED_REFUSED && (is_on(w) || soon);
}

static bool is_on_and_wanted(const struct wanted *w)
{
	return w->wanted && is_on(w);
}

/* the pattern `dir` + `tail`, if it is another record than `w` */
static struct wanted *find_pattern(const struct wanted_table *t, const struct wanted *w,
				   struct slice dir, struct slice tail)
{
	char text[PROTOCOL_CHANNEL_MAX + 4];
	if (dir.n + tail.n > sizeof(text))
		return NULL;
	memcpy(text, dir.p, dir.n);
	memcpy(text + dir.n, tail.p, tail.n);
	struct wanted *found = wanted_find(t, slice_make(text, dir.n + tail.n));
	return found != w ? found : NULL;
}

/* The "**" patterns above a name are few: walks them, nearest first, leaving out `w` itself. */
static struct wanted *next_above(const struct wanted_table *t, const struct wanted *w,
				 struct slice *dir, bool *done)
{
	while (!*done) {
		*dir = channel_parent(*dir);
		*done = dir->n == 0;
		struct wanted *above = find_pattern(t, w, *dir, SLICE("/**"));
		if (above)
			return above;
	}
	return NULL;
}

static bool is_covered(const struct wanted_table *t, const struct wanted *w,
		       bool (*by)(const struct wanted *))
{
	if (!t->covering)
		return false;
	struct wanted *star = channel_is_wild(name(w))
		? NULL : find_pattern(t, w, channel_parent(name(w)), SLICE("/*"));
	if (star && by(star))
		return true;
	struct slice dir = name(w);
	bool done = false;
	for (struct wanted *above; (above = next_above(t, w, &dir, &done));)
		if (by(above))
			return true;
	return false;
}

/* whether a channel covered by `w` would lose messages if `w` were unsubscribed now */
static bool has_dependents(const struct wanted_table *t, const struct wanted *w)
{
	if (!t->covering || !channel_is_wild(name(w)))
		return false;
	LIST_EACH(c, &t->all, struct wanted, all)
		if (c != w && c->wanted && !is_on(c) && c->upstream != WANTED_REFUSED &&
		    channel_covers(name(w), name(c)) && !is_covered(t, c, is_on_and_wanted))
			return true;
	return false;
}

/* ---- what to request, what to report ---- */

bool wanted_subscribes(const struct wanted_table *t, const struct wanted *w)
{
	bool missing = w->upstream == WANTED_NONE || (w->upstream == WANTED_ON && w->doubt);
	return missing && w->wanted && !is_covered(t, w, is_relied_on);
}

static bool wants_unsubscribe(const struct wanted_table *t, const struct wanted *w)
{
	if (w->upstream != WANTED_ON)
		return false;
	return w->wanted ? is_covered(t, w, is_on_and_wanted) : !has_dependents(t, w);
}

static enum session_channel_status status_of(const struct wanted_table *t, const struct wanted *w)
{
	if (!w->wanted)
		return SESSION_CHANNEL_NONE;
	if (is_on(w) || is_covered(t, w, is_on))
		return SESSION_CHANNEL_ACTIVE;
	return w->upstream == WANTED_REFUSED ? SESSION_CHANNEL_REFUSED : SESSION_CHANNEL_PENDING;
}

/* `deferred`: its subscribe failed temporarily. */
static void report(struct wanted_table *t, struct wanted *w, bool deferred, const struct envelope *e,
		   const char *text)
{
	if (deferred) {
		w->deferred_before = w->deferred;
		w->deferred = true;
	}
	w->envelope = e;
	w->text = text;
	list_remove(&w->news);
	list_append(&t->news, &w->news);
}

/* A change back to pending is not reported by itself: the session's state or a text reports it. */
static void compare(struct wanted_table *t, struct wanted *w, const struct envelope *e,
		    const char *text)
{
	enum session_channel_status status = status_of(t, w);
	if (status == w->reported)
		return;
	w->reported = status;
	if (status == SESSION_CHANNEL_ACTIVE || status == SESSION_CHANNEL_REFUSED)
		report(t, w, false, e, status == SESSION_CHANNEL_REFUSED ? text : "");
	else
		list_remove(&w->news);
}

static void consider(struct wanted_table *t, struct wanted *w, const struct envelope *e,
		     const char *text)
{
	compare(t, w, e, text);
	bool ask = wanted_subscribes(t, w) || wants_unsubscribe(t, w);
	if (ask && !list_linked(&w->link))
		enter_queue(t, w);
	else if (!ask)
		leave_queue(t, w);
}

static bool is_over(const struct wanted *w)
{
	return !w->wanted && (w->upstream == WANTED_NONE || w->upstream == WANTED_REFUSED);
}

static void consider_above(struct wanted_table *t, struct wanted *w)
{
	struct wanted *star = find_pattern(t, w, channel_parent(name(w)), SLICE("/*"));
	struct slice dir = name(w);
	bool done = false;
	if (star)
		consider(t, star, NULL, "");
	for (struct wanted *above; (above = next_above(t, w, &dir, &done));)
		consider(t, above, NULL, "");
}

static void ripple(struct wanted_table *t, struct wanted *w, const struct envelope *e,
		   const char *text)
{
	t->changes++;
	consider(t, w, e, text);
	if (t->covering) {
		if (channel_is_wild(name(w)))
			LIST_EACH(c, &t->all, struct wanted, all)
				if (c != w && channel_covers(name(w), name(c)))
					consider(t, c, NULL, "");
		consider_above(t, w);
	}
	if (is_over(w))
		wanted_free(t, w);
}

/* ---- wanted channels ---- */

static int wanted_new(struct wanted_table *t, struct slice channel, struct asker *asker,
		      struct wanted **ret)
{
	struct wanted *w = malloc(sizeof(*w) + channel.n);
	if (!w)
		return -ENOMEM;
	*w = (struct wanted){.asker = asker, .reported = SESSION_CHANNEL_PENDING};
	request_init(&w->request, REQUEST_SUBSCRIBE);
	backoff_init(&w->backoff, t->backoff_min, t->backoff_max);
	list_init(&w->link);
	list_init(&w->news);
	list_init(&w->unclaimed);
	memcpy(w->channel, channel.p, channel.n);
	int r = strmap_put(&t->map, slice_make(w->channel, channel.n), &w->node);
	if (r) {
		free(w);
		return r;
	}
	list_append(&t->all, &w->all);
	asker->n++;
	*ret = w;
	return 0;
}

static int wanted_make(struct wanted_table *t, struct slice channel, uint64_t peer,
		       struct wanted **ret)
{
	struct asker *asker;
	int r = asker_get(t, peer, &asker);
	if (r)
		return r;
	r = wanted_new(t, channel, asker, ret);
	asker_drop(t, asker);
	return r;
}

int wanted_want(struct wanted_table *t, struct slice channel, uint64_t peer)
{
	struct wanted *w = wanted_find(t, channel);
	if (w && w->wanted) {
		list_remove(&w->unclaimed);
		return 0;
	}
	int r = w ? 0 : wanted_make(t, channel, peer, &w);
	if (r)
		return r;
	w->wanted = true;
	w->deferred = false;
	w->reported = SESSION_CHANNEL_PENDING;
	t->n++;
	ripple(t, w, NULL, "");
	return 0;
}

void wanted_ask_again(struct wanted_table *t, struct slice channel)
{
	struct wanted *w = wanted_find(t, channel);
	w->upstream = WANTED_NONE;
	w->reported = SESSION_CHANNEL_PENDING;
	list_remove(&w->news);
	ripple(t, w, NULL, "");
}

void wanted_unwant(struct wanted_table *t, struct slice channel)
{
	struct wanted *w = wanted_find(t, channel);
	if (!w || !w->wanted)
		return;
	w->wanted = false;
	list_remove(&w->unclaimed);
	t->n--;
	ripple(t, w, NULL, "");
}

enum session_channel_status wanted_status(const struct wanted_table *t, struct slice channel)
{
	const struct wanted *w = wanted_find(t, channel);
	return w ? status_of(t, w) : SESSION_CHANNEL_NONE;
}

bool wanted_is_deferred(const struct wanted_table *t, struct slice channel)
{
	const struct wanted *w = wanted_find(t, channel);
	return w && w->deferred && status_of(t, w) == SESSION_CHANNEL_PENDING;
}

void wanted_reset(struct wanted_table *t, bool covering)
{
	t->covering = covering;
	t->restored = false;
	t->changes++;
	t->later_at = UINT64_MAX;
	LIST_EACH_SAFE(w, &t->all, struct wanted, all) {
		settle(t, w);
		leave_queue(t, w);
		list_remove(&w->news);
		w->upstream = WANTED_NONE;
		w->reported = SESSION_CHANNEL_PENDING;
		w->again = w->doubt = w->repeat = w->deferred = false;
		w->unknown_replies = 0;
		backoff_reset(&w->backoff);
		if (is_over(w))
			wanted_free(t, w);
	}
	LIST_EACH(w, &t->all, struct wanted, all)
		consider(t, w, NULL, "");
	LIST_EACH(a, &t->turns, struct asker, turn)
		LIST_EACH(w, &a->waiting, struct wanted, link)
			w->renewed = true, t->n_renewed++;
}

/* ---- asking and being answered ---- */

void wanted_sent(struct wanted *w, struct exchange *x)
{
	bool subscribe = w->request.kind == REQUEST_SUBSCRIBE;
	list_remove(&w->link);
	w->upstream = subscribe ? WANTED_SUBSCRIBING : WANTED_UNSUBSCRIBING;
	w->renewed = false;
	w->asker->batch = x->batch.id;
	request_enter(&w->request, x);
}

void wanted_accepted(struct wanted_table *t, struct wanted *w, const struct envelope *e)
{
	settle(t, w);
	w->doubt = w->repeat && w->upstream == WANTED_SUBSCRIBING;
	w->again = w->repeat = w->deferred = false;
	w->unknown_replies = 0;
	backoff_reset(&w->backoff);
	w->upstream = w->upstream == WANTED_SUBSCRIBING ? WANTED_ON : WANTED_NONE;
	ripple(t, w, e, "");
}

/* A refused unsubscribe means that there is no subscription, as with CometD Java (bayeux.md 1.6). */
void wanted_refused(struct wanted_table *t, struct wanted *w, const struct envelope *e,
		    const char *text)
{
	settle(t, w);
	w->again = w->doubt = w->deferred = false;
	w->unknown_replies = 0;
	backoff_reset(&w->backoff);
	w->upstream = w->upstream == WANTED_SUBSCRIBING ? WANTED_REFUSED : WANTED_NONE;
	ripple(t, w, e, text);
}

void wanted_deleted(struct wanted_table *t, struct wanted *w, const char *text)
{
	w->again = w->doubt = w->deferred = false;
	w->upstream = WANTED_REFUSED;
	ripple(t, w, NULL, text);
}

void wanted_end(struct wanted_table *t, const char *text)
{
	LIST_EACH(w, &t->all, struct wanted, all)
		w->upstream = WANTED_REFUSED;
	LIST_EACH(w, &t->all, struct wanted, all)
		consider(t, w, NULL, text);
}

static void ask_later(struct wanted_table *t, struct wanted *w, uint64_t now)
{
	w->retry_at = now + backoff_next(&w->backoff, t->jitter);
	leave_queue(t, w);
	list_append(&t->later, &w->link);
	if (w->retry_at < t->later_at)
		t->later_at = w->retry_at;
}

void wanted_deferred(struct wanted_table *t, struct wanted *w, uint64_t now,
		     const struct envelope *e, const char *text)
{
	bool subscribing = w->upstream == WANTED_SUBSCRIBING;
	settle(t, w);
	/* an earlier try that was cut off may have arrived all the same */
	w->doubt |= !subscribing;
	w->upstream = w->doubt ? WANTED_ON : WANTED_NONE;
	ask_later(t, w, now);
	if (subscribing && w->wanted)
		report(t, w, true, e, text);
	ripple(t, w, NULL, "");
}

static unsigned unknown_replies(const struct wanted *w, uint64_t connects)
{
	return w->unknown_replies + (w->unknown_replies == 0 || connects > w->unknown_after);
}

bool wanted_session_is_known(const struct wanted *w, uint64_t connects)
{
	return unknown_replies(w, connects) > SESSION_UNKNOWN_MAX;
}

void wanted_session_unknown(struct wanted_table *t, struct wanted *w, uint64_t now, uint64_t connects,
		      const struct envelope *e)
{
	w->unknown_replies = unknown_replies(w, connects);
	w->unknown_after = connects;
	wanted_deferred(t, w, now, e, "the server forgot the session");
}

void wanted_broken(struct wanted_table *t, struct wanted *w, bool sent)
{
	settle(t, w);
	w->doubt |= w->upstream == WANTED_UNSUBSCRIBING || sent;
	w->upstream = w->doubt ? WANTED_ON : WANTED_NONE;
	ripple(t, w, NULL, "");
}

void wanted_failed(struct wanted_table *t, struct wanted *w, uint64_t now, const char *text)
{
	ask_later(t, w, now);
	if (w->wanted)
		report(t, w, true, NULL, text);
	wanted_broken(t, w, true);
}

void wanted_unanswered(struct wanted_table *t, struct wanted *w, uint64_t now)
{
	if (w->again && w->wanted)
		wanted_failed(t, w, now, "the server does not answer the subscribe");
	else
		w->again = true, wanted_broken(t, w, true);
}

void wanted_repeat(struct wanted_table *t)
{
	LIST_EACH(w, &t->all, struct wanted, all) {
		w->doubt |= w->wanted && w->upstream == WANTED_ON;
		w->repeat = w->upstream == WANTED_SUBSCRIBING;
	}
	LIST_EACH(w, &t->all, struct wanted, all)
		consider(t, w, NULL, "");
}

static unsigned copies_by(const struct wanted *w)
{
	return w && w->upstream != WANTED_NONE && w->upstream != WANTED_REFUSED;
}

unsigned wanted_copies(const struct wanted_table *t, struct slice channel)
{
	struct slice dir = channel;
	bool done = false;
	if (!t->covering)
		return 1;
	unsigned n = copies_by(wanted_find(t, channel)) +
		     copies_by(find_pattern(t, NULL, channel_parent(channel), SLICE("/*")));
	for (struct wanted *above; (above = next_above(t, NULL, &dir, &done));)
		n += copies_by(above);
	return n ? n : 1;
}

/* ---- over a restart of the process ---- */

enum saved { SAVED_ON, SAVED_UNSURE, SAVED_WAITS, SAVED_LEFT, SAVED_KINDS };
static const char *const saved_names[] = {
	[SAVED_ON] = "subscribed",
	[SAVED_UNSURE] = "unsure",      /* wanted; the server may have it */
	[SAVED_WAITS] = "waiting",      /* wanted; the server does not have it */
	[SAVED_LEFT] = "left",          /* not wanted; the server may have it */
};

/* SAVED_KINDS: there is nothing to be saved of it. */
static enum saved saved_kind(const struct wanted *w)
{
	bool somehow = w->upstream != WANTED_NONE && w->upstream != WANTED_REFUSED;
	if (w->wanted && !w->doubt && (w->upstream == WANTED_ON || w->upstream == WANTED_RESTORED))
		return SAVED_ON;
	if (w->wanted)
		return somehow ? SAVED_UNSURE : w->upstream == WANTED_NONE ? SAVED_WAITS : SAVED_KINDS;
	return somehow ? SAVED_LEFT : SAVED_KINDS;
}

void wanted_save(const struct wanted_table *t, struct json_write *out)
{
	json_object_begin(out);
	json_key(out, "covering"), json_put_bool(out, t->covering);
	for (int kind = 0; kind < SAVED_KINDS; kind++) {
		json_key(out, saved_names[kind]);
		json_array_begin(out);
		LIST_EACH(w, &t->all, struct wanted, all)
			if (saved_kind(w) == (enum saved)kind)
				json_put_text(out, name(w));
		json_array_end(out);
	}
	json_object_end(out);
}

struct restoring {
	struct wanted_table *t;
	enum saved kind;
	bool exact;
};

static int restore_channel(void *ctx, struct slice channel)
{
	const struct restoring *restoring = ctx;
	struct wanted_table *t = restoring->t;
	enum saved kind = restoring->kind;
	struct wanted *w;
	if (wanted_find(t, channel))
		return SAVED_E_INVALID;
	int r = wanted_make(t, channel, 0, &w);
	if (r)
		return r;
	w->wanted = kind != SAVED_LEFT;
	w->doubt = kind == SAVED_UNSURE || kind == SAVED_LEFT || (kind == SAVED_ON && !restoring->exact);
	w->upstream = kind == SAVED_WAITS ? WANTED_NONE : WANTED_RESTORED;
	t->restored |= w->upstream == WANTED_RESTORED;
	t->n += w->wanted;
	if (w->wanted)
		list_append(&t->unclaimed, &w->unclaimed);
	return 0;
}

int wanted_restore(struct wanted_table *t, const struct json_value *v, bool exact, uint64_t unclaimed_until)
{
	struct json_field f[1 + SAVED_KINDS] = {{.name = "covering"}};
	for (int kind = 0; kind < SAVED_KINDS; kind++)
		f[1 + kind].name = saved_names[kind];
	int r = saved_object(v, f, 1 + SAVED_KINDS);
	if (r == 0)
		r = saved_bool(&f[0].value, &t->covering);
	for (int kind = 0; r == 0 && kind < SAVED_KINDS; kind++) {
		struct restoring restoring = {t, (enum saved)kind, exact};
		r = saved_channels(&f[1 + kind].value, restore_channel, &restoring);
	}
	if (r)
		return r;
	t->unclaimed_until = unclaimed_until;
	LIST_EACH(w, &t->all, struct wanted, all)
		consider(t, w, NULL, "");
	return 0;
}

void wanted_restore_undo(struct wanted_table *t)
{
	LIST_EACH_SAFE(w, &t->all, struct wanted, all)
		wanted_free(t, w);
	t->n = 0;
	t->covering = t->restored = false;
}

void wanted_proven(struct wanted_table *t)
{
	if (!t->restored)
		return;
	t->restored = false;
	LIST_EACH(w, &t->all, struct wanted, all)
		if (w->upstream == WANTED_RESTORED)
			w->upstream = WANTED_ON;
	LIST_EACH(w, &t->all, struct wanted, all)
		consider(t, w, NULL, "");
}

/* ---- time and news ---- */

bool wanted_tick(struct wanted_table *t, uint64_t now)
{
	if (now < t->later_at)
		return false;
	bool any = false;
	t->later_at = UINT64_MAX;
	LIST_EACH_SAFE(w, &t->later, struct wanted, link) {
		if (w->retry_at <= now) {
			list_remove(&w->link);
			enter_queue(t, w);
			any = true;
		} else if (w->retry_at < t->later_at) {
			t->later_at = w->retry_at;
		}
	}
	return any;
}

const struct wanted *wanted_next_news(struct wanted_table *t)
{
	struct wanted *w = LIST_FIRST(&t->news, struct wanted, news);
	if (w)
		list_remove(&w->news);
	return w;
}
