/*
 * Publishes and calls. Each has one outcome, reported in the order in which outcomes become known; the bytes
 * held stay below the ceiling, with a share for every peer; and peers take turns while each keeps its own
 * order.
 */
#include "bayeux/publish.h"

#include "base/errors.h"

#include <errno.h>
#include <stdlib.h>

void publishes_init(struct publishes *p, struct pending *pending, size_t max, uint64_t guess,
		    const struct backoff *pause)
{
	*p = (struct publishes){.pending = pending, .pause = *pause};
	shares_init(&p->shares, max);
	list_init(&p->light);
	list_init(&p->bulk);
	list_init(&p->kept_back);
	p->back_at = UINT64_MAX;
	list_init(&p->sent);
	list_init(&p->done);
	calls_init(&p->calls, guess);
}

static size_t *count_of(const struct publish *pub)
{
	const struct exchange *x = pub->request.exchange;
	if (!x || x->batch.transport != SESSION_LONG_POLLING)
		return NULL;
	return x->batch.lane == SESSION_LANE_COMMAND ? &pub->share->on_command
						     : &pub->share->on_call;
}

static void leave_exchange(struct publish *pub)
{
	size_t *count = count_of(pub);
	if (count)
		--*count;
	request_leave(&pub->request);
}

/* Removes it from its list. A peer with nothing waiting gets no turn. */
static void leave_list(struct publish *pub)
{
	list_remove(&pub->link);
	if (pub->share && list_empty(&pub->share->waiting))
		list_remove(&pub->share->turn);
}

static void take_out(struct publishes *p, struct publish *pub)
{
	leave_exchange(pub);
	pending_remove(p->pending, &pub->request.pending);
	leave_list(pub);
	shares_give_back(&p->shares, pub->share, pub->bytes);
}

/* whether the server may still answer it although its outcome was already reported */
static bool may_be_answered(const struct publish *pub)
{
	return pub->outcome == SESSION_OUTCOME_TIMEOUT || pub->outcome == SESSION_OUTCOME_UNKNOWN;
}

void publishes_free_done(struct publishes *p, uint64_t now)
{
	struct publish *pub = TAKE(p->reported);
	if (!pub)
		return;
	take_out(p, pub);
	if (may_be_answered(pub))
		calls_keep(&p->calls, pub, now);
	else
		free(pub);
}

void publishes_fini(struct publishes *p)
{
	publishes_end_waiting(p, "");
	list_splice(&p->done, &p->sent);
	if (p->reported)
		list_append(&p->done, &p->reported->link);
	LIST_EACH_SAFE(pub, &p->done, struct publish, link) {
		take_out(p, pub);
		free(pub);
	}
	p->reported = NULL;
	shares_fini(&p->shares);
	calls_fini(&p->calls);
}

static struct slice copy(char **to, struct slice s)
{
	struct slice at = s.p ? slice_make(*to, s.n) : SLICE_NULL;
	if (s.n)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return at;
}

static struct list *turns_of(struct publishes *p, const struct share *share)
{
	if (share->back_at)
		return &p->kept_back;
	return share->busy ? &p->bulk : &p->light;
}

/* The peer has something waiting: queue it for its turn, or keep it back. */
static void give_turn(struct publishes *p, struct share *share)
{
	if (list_linked(&share->turn))
		return;
	list_append(turns_of(p, share), &share->turn);
	if (share->back_at && share->back_at < p->back_at)
		p->back_at = share->back_at;
}

static size_t find_suspect(const struct publishes *p, uint64_t peer)
{
	size_t i = 0;
	while (i < p->n_suspects && p->suspects[i].peer != peer)
		i++;
	return i;
}

/* A share does not outlive its last publish, but the pause of its peer does. */
static void resume_pause(const struct publishes *p, struct share *share)
{
	size_t i = find_suspect(p, share->peer);
	if (i == p->n_suspects || share->back_at || !list_empty(&share->waiting))
		return;
	share->back_at = p->suspects[i].back_at;
	share->back_for = SHARE_BACK_TIME;
}

/* The peer has so many publishes under way now: its turn is among others like it. */
static void set_open(struct publishes *p, struct share *share, size_t n)
{
	const struct list *before = turns_of(p, share);
	share->n_open = n;
	share->busy = n > 1 || (n == 1 && share->busy);
	if (!list_linked(&share->turn) || turns_of(p, share) == before)
		return;
	list_remove(&share->turn);
	give_turn(p, share);
}

/* It is answered, or given up. */
static void close_one(struct publishes *p, struct publish *pub)
{
	p->ended = true;
	p->light_ended |= !pub->share->busy;
	set_open(p, pub->share, pub->share->n_open - 1);
}

int publish_new(struct publishes *p, uint64_t id, const struct publish_request *req)
{
	size_t bytes = sizeof(struct publish) + req->channel.n + req->data.n + req->ext.n;
	struct share *share;
	if (pending_reserve(p->pending, 1) < 0)
		return -ENOMEM;
	int r = shares_take(&p->shares, req->peer, bytes, &share);
	if (r)
		return r;
	struct publish *pub = malloc(bytes);
	if (!pub) {
		shares_give_back(&p->shares, share, bytes);
		return -ENOMEM;
	}
	*pub = (struct publish){
		.cookie = req->cookie, .call = req->call, .share = share, .bytes = bytes};
	request_init(&pub->request, REQUEST_PUBLISH);
	char *at = pub->mem;
	pub->channel = copy(&at, req->channel);
	pub->data = copy(&at, req->data);
	pub->ext = copy(&at, req->ext);
	pending_put(p->pending, &pub->request.pending, id, req->deadline);
	resume_pause(p, share);
	list_append(&share->waiting, &pub->link);
	set_open(p, share, share->n_open + 1);
	give_turn(p, share);
	return 0;
}

/* ---- whose turn it is ---- */

struct publish *publishes_next(const struct publishes *p, bool bulk)
{
	const struct list *turns = bulk ? &p->bulk : &p->light;
	if (list_empty(turns))
		return NULL;
	const struct share *share = LIST_FIRST(turns, struct share, turn);
	return LIST_FIRST(&share->waiting, struct publish, link);
}

static struct publish *next_of(const struct list *turns, bool call)
{
	LIST_EACH(share, turns, struct share, turn) {
		struct publish *pub = LIST_FIRST(&share->waiting, struct publish, link);
		if (pub->call == call && share->on_call == 0 && (!call || share->on_command == 0))
			return pub;
	}
	return NULL;
}

struct publish *publishes_next_command(const struct publishes *p, bool bulk)
{
	return next_of(bulk ? &p->bulk : &p->light, false);
}

struct publish *publishes_next_call(const struct publishes *p)
{
	struct publish *pub = next_of(&p->light, true);
	return pub ? pub : next_of(&p->bulk, true);
}

static struct publish *next_idle(const struct list *turns)
{
	LIST_EACH(share, turns, struct share, turn)
		if (share->on_call == 0 && share->on_command == 0)
			return LIST_FIRST(&share->waiting, struct publish, link);
	return NULL;
}

struct publish *publishes_next_idle(const struct publishes *p)
{
	struct publish *pub = next_idle(&p->light);
	return pub ? pub : next_idle(&p->bulk);
}

void publish_sent(struct publishes *p, struct publish *pub, struct exchange *x)
{
	struct share *share = pub->share;
	leave_list(pub);
	list_append(&p->sent, &pub->link);
	if (list_linked(&share->turn)) {
		list_remove(&share->turn);
		give_turn(p, share);
	}
	pub->session = p->calls.session;
	request_enter(&pub->request, x);
	size_t *count = count_of(pub);
	if (count)
		++*count;
}

void publish_unsent(struct publishes *p, struct publish *pub)
{
	struct list *before = &pub->share->waiting;
	leave_exchange(pub);
	list_remove(&pub->link);
	LIST_EACH(other, &pub->share->waiting, struct publish, link) {
		if (other->request.pending.id > pub->request.pending.id)
			break;
		before = &other->link;
	}
	list_insert_after(before, &pub->link);
	give_turn(p, pub->share);
	if (pub->share->back_at)
		return;
	/* it has not had its turn */
	list_remove(&pub->share->turn);
	list_prepend(turns_of(p, pub->share), &pub->share->turn);
}

void publish_keep_back(struct publishes *p, struct publish *pub, uint64_t until,
		       enum share_back why)
{
	struct share *share = pub->share;
	share->back_at = until;
	share->back_for = why;
	if (!list_linked(&share->turn))
		return;
	list_remove(&share->turn);
	give_turn(p, share);
}

static void go_on(struct publishes *p, struct share *share)
{
	share->back_at = 0;
	share->back_for = SHARE_BACK_NOTHING;
	list_remove(&share->turn);
	give_turn(p, share);
}

void publishes_go_on(struct publishes *p, enum share_back why)
{
	LIST_EACH_SAFE(share, &p->kept_back, struct share, turn)
		if (share->back_for == why)
			go_on(p, share);
}

void publishes_peer_left(struct publishes *p, uint64_t peer)
{
	struct share *share = shares_of(&p->shares, peer);
	if (!share || list_empty(&share->waiting))
		return;
	share->left = p->any_left = true;
}

bool publishes_suspects(const struct publishes *p, uint64_t peer)
{
	size_t i = find_suspect(p, peer);
	return i < p->n_suspects && p->suspects[i].left > 0;
}

void publishes_prove(struct publishes *p, uint64_t peer)
{
	size_t i = find_suspect(p, peer);
	if (i == p->n_suspects)
		return;
	backoff_reset(&p->suspects[i].backoff);
	p->suspects[i].back_at = 0;
	if (p->suspects[i].left)
		p->suspects[i].left--;
}

static struct suspect *suspect(struct publishes *p, uint64_t peer)
{
	size_t i = find_suspect(p, peer);
	struct suspect found = {.peer = peer, .backoff = p->pause};
	if (i < p->n_suspects)
		found = p->suspects[i];
	else if (i < PUBLISH_SUSPECTS_MAX)
		p->n_suspects++;
	else
		i = 0;
	/* the last one, to be removed */
	struct suspect *last = &p->suspects[p->n_suspects - 1];
	memmove(&p->suspects[i], &p->suspects[i + 1], (size_t)(last - &p->suspects[i]) * sizeof(*last));
	found.needed = found.needed ? 4 * found.needed : 1;
	if (found.needed > PUBLISH_PROOFS_MAX)
		found.needed = PUBLISH_PROOFS_MAX;
	found.left = found.needed;
	*last = found;
	return last;
}

void publishes_suspect(struct publishes *p, uint64_t peer)
{
	suspect(p, peer);
}

void publishes_suspect_alone(struct publishes *p, struct publish *pub, uint64_t now, uint64_t least,
			     struct jitter *jitter)
{
	struct suspect *found = suspect(p, pub->share->peer);
	uint64_t pause = backoff_next(&found->backoff, jitter);
	found->back_at = now + (pause > least ? pause : least);
	publish_keep_back(p, pub, found->back_at, SHARE_BACK_TIME);
}

static void cut_short(struct publishes *p, struct list *turns, uint64_t deadline)
{
	LIST_EACH_SAFE(share, turns, struct share, turn) {
		if (!share->left)
			continue;
		share->left = false;
		LIST_EACH_SAFE(pub, &share->waiting, struct publish, link) {
			struct pending_node *node = &pub->request.pending;
			if (pub->call) {
				publish_done(p, pub, SESSION_OUTCOME_NOT_SENT, NULL,
					     "the caller is gone");
			} else if (node->deadline > deadline) {
				pending_remove(p->pending, node);
				pending_put(p->pending, node, node->id, deadline);
			}
		}
	}
}

void publishes_tick(struct publishes *p, uint64_t now)
{
	if (p->any_left) {
		p->any_left = false;
		cut_short(p, &p->light, now + SESSION_LEFT_MS);
		cut_short(p, &p->bulk, now + SESSION_LEFT_MS);
		cut_short(p, &p->kept_back, now + SESSION_LEFT_MS);
	}
	if (now < p->back_at)
		return;
	p->back_at = UINT64_MAX;
	LIST_EACH_SAFE(share, &p->kept_back, struct share, turn) {
		if (share->back_at <= now)
			go_on(p, share);
		else if (share->back_at < p->back_at)
			p->back_at = share->back_at;
	}
}

static void end_all(struct publishes *p, struct list *turns, const char *text)
{
	while (!list_empty(turns)) {
		struct share *share = LIST_FIRST(turns, struct share, turn);
		LIST_EACH_SAFE(pub, &share->waiting, struct publish, link)
			publish_done(p, pub, SESSION_OUTCOME_NOT_SENT, NULL, text);
	}
}

void publishes_end_waiting(struct publishes *p, const char *text)
{
	end_all(p, &p->light, text);
	end_all(p, &p->bulk, text);
	end_all(p, &p->kept_back, text);
}

/* ---- what becomes of it ---- */

void publish_delivered(struct publishes *p, struct publish *pub)
{
	leave_exchange(pub);
	pub->delivered = true;
	close_one(p, pub);
}

void publish_done(struct publishes *p, struct publish *pub, enum session_outcome outcome,
		  const struct envelope *e, const char *text)
{
	leave_exchange(pub);
	pending_remove(p->pending, &pub->request.pending);
	leave_list(pub);
	if (!pub->delivered)
		close_one(p, pub);
	list_append(&p->done, &pub->link);
	pub->outcome = outcome;
	pub->envelope = e;
	pub->text = text;
}

const struct publish *publishes_next_done(struct publishes *p)
{
	p->reported = LIST_FIRST(&p->done, struct publish, link);
	if (p->reported)
		list_remove(&p->reported->link);
	return p->reported;
}

struct publish *publish_in_flight(const struct publishes *p, struct slice channel)
{
	LIST_EACH(pub, &p->sent, struct publish, link)
		if (pub->request.exchange && slice_eq(pub->channel, channel))
			return pub;
	return NULL;
}
