/*
 * Owns every publish and call. Guarantees one outcome each, in the order in
 * which they became known, and that all that is alive stays under the ceiling,
 * with room for everybody. Must never know what failed, nor when to send.
 */
#include "bayeux/publish.h"

#include "base/errors.h"

#include <errno.h>
#include <stdlib.h>

void publishes_init(struct publishes *p, struct pending *pending, size_t max, uint64_t guess)
{
	*p = (struct publishes){.pending = pending};
	shares_init(&p->shares, max);
	list_init(&p->waiting);
	list_init(&p->sent);
	list_init(&p->done);
	calls_init(&p->calls, guess);
}

static void take_out(struct publishes *p, struct publish *pub)
{
	request_leave(&pub->request);
	pending_remove(p->pending, &pub->request.pending);
	list_remove(&pub->link);
	shares_give_back(&p->shares, pub->share, pub->bytes);
}

/* whether the server may still answer it, though the publisher has its outcome */
static bool may_be_answered(const struct publish *pub)
{
	return pub->outcome == SESSION_OUTCOME_TIMEOUT || pub->outcome == SESSION_OUTCOME_UNKNOWN;
}

void publishes_forget(struct publishes *p, uint64_t now)
{
	struct publish *pub = TAKE(p->told);
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
	list_splice(&p->done, &p->waiting);
	list_splice(&p->done, &p->sent);
	if (p->told)
		list_append(&p->done, &p->told->link);
	LIST_EACH_SAFE(pub, &p->done, struct publish, link) {
		take_out(p, pub);
		free(pub);
	}
	p->told = NULL;
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

int publish_new(struct publishes *p, uint64_t id, const struct publish_wish *wish)
{
	size_t bytes = sizeof(struct publish) + wish->channel.n + wish->data.n + wish->ext.n;
	struct share *share;
	if (pending_reserve(p->pending, 1) < 0)
		return -ENOMEM;
	int r = shares_take(&p->shares, wish->peer, bytes, &share);
	if (r)
		return r;
	struct publish *pub = malloc(bytes);
	if (!pub) {
		shares_give_back(&p->shares, share, bytes);
		return -ENOMEM;
	}
	*pub = (struct publish){
		.cookie = wish->cookie, .call = wish->call, .share = share, .bytes = bytes};
	request_init(&pub->request, REQUEST_PUBLISH);
	char *at = pub->mem;
	pub->channel = copy(&at, wish->channel);
	pub->data = copy(&at, wish->data);
	pub->ext = copy(&at, wish->ext);
	pending_put(p->pending, &pub->request.pending, id, wish->deadline);
	list_append(&p->waiting, &pub->link);
	return 0;
}

void publish_sent(struct publishes *p, struct publish *pub, struct exchange *x)
{
	list_remove(&pub->link);
	list_append(&p->sent, &pub->link);
	pub->session = p->calls.session;
	request_enter(&pub->request, x);
}

void publish_unsent(struct publishes *p, struct publish *pub)
{
	request_leave(&pub->request);
	list_remove(&pub->link);
	list_prepend(&p->waiting, &pub->link);
}

void publish_delivered(struct publish *pub)
{
	request_leave(&pub->request);
	pub->delivered = true;
}

void publish_done(struct publishes *p, struct publish *pub, enum session_outcome outcome,
		  const struct envelope *e, const char *text)
{
	request_leave(&pub->request);
	pending_remove(p->pending, &pub->request.pending);
	list_remove(&pub->link);
	list_append(&p->done, &pub->link);
	pub->outcome = outcome;
	pub->envelope = e;
	pub->text = text;
}

const struct publish *publishes_next_done(struct publishes *p)
{
	p->told = LIST_FIRST(&p->done, struct publish, link);
	if (p->told)
		list_remove(&p->told->link);
	return p->told;
}

struct publish *publish_in_flight(const struct publishes *p, struct slice channel)
{
	LIST_EACH(pub, &p->sent, struct publish, link)
		if (pub->request.exchange && slice_eq(pub->channel, channel))
			return pub;
	return NULL;
}
