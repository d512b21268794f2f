/*
 * The members and servers of the hub, by id and by name. Removing one removes all its
 * subscriptions, interests and requests. Requests of members are in ops.c, events of
 * sessions in events.c.
 */
#include "hub/hub.h"

#include "hub/consumer.h"
#include "hub/history.h"
#include "hub/internal.h"
#include "hub/kept.h"
#include "hub/reader.h"
#include "hub/request.h"
#include "hub/send.h"
#include "hub/subscription.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int hub_new(const struct hub_options *o, const struct hub_encoder *encoder, struct hub **ret)
{
	struct hub *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->options = *o;
	h->encoder = encoder;
	strmap_init(&h->members);
	strmap_init(&h->servers);
	strmap_init(&h->cookies);
	list_init(&h->member_list);
	list_init(&h->server_list);
	chunk_init(&h->chunk);
	*ret = h;
	return 0;
}

static void server_free(struct hub *h, struct hub_server *s)
{
	strmap_remove(&h->servers, &s->by_name);
	strmap_fini(&s->interests);
	hub_log_fini(&s->log);
	hub_log_fini(&s->durable);
	chunk_fini(&s->durable_chunk);
	consumer_changes_fini(&s->changes);
	chunk_fini(&s->chunk);
	trie_free(s->filtered);
	trie_free(s->trie);
	free(s);
}

void hub_set_options(struct hub *h, const struct hub_options *o)
{
	h->options = *o;
}

void hub_free(struct hub *h)
{
	struct strmap_node *node;

	if (!h)
		return;
	assert(list_empty(&h->member_list) && list_empty(&h->server_list));
	while ((node = strmap_first(&h->servers)))
		server_free(h, STRMAP_OF(node, struct hub_server, by_name));
	strmap_fini(&h->members);
	strmap_fini(&h->servers);
	strmap_fini(&h->cookies);
	chunk_fini(&h->chunk);
	free(h);
}

void hub_stats(const struct hub *h, struct hub_stats *ret)
{
	*ret = h->stats;
	ret->members = h->members.n;
	ret->subscriptions = 0;
	LIST_EACH(m, &h->member_list, struct member, link)
		ret->subscriptions += m->n_subscriptions;
}

/* ---- servers ---- */

static int server_new(struct hub *h, struct slice name, struct hub_server **ret)
{
	struct hub_server *s = calloc(1, sizeof(*s) + name.n);
	int r;

	if (!s)
		return -ENOMEM;
	list_init(&s->link);
	list_init(&s->requests);
	list_init(&s->crowd);
	list_init(&s->kept);
	list_init(&s->lingering);
	strmap_init(&s->interests);
	chunk_init(&s->chunk);
	hub_log_init(&s->log);
	list_init(&s->consumers);
	hub_log_init(&s->durable);
	hub_log_set_limits(&s->durable, &(struct hub_log_limits){HUB_DURABLE_BYTES, HUB_LOG_COUNT_MAX, UINT64_MAX});
	chunk_init(&s->durable_chunk);
	consumer_changes_init(&s->changes);
	list_init(&s->readers);
	memcpy(s->name, name.p, name.n);
	r = trie_new(&s->trie);
	if (!r)
		r = trie_new(&s->filtered);
	if (!r)
		r = strmap_put(&h->servers, slice_make(s->name, name.n), &s->by_name);
	if (r) {
		trie_free(s->filtered);
		trie_free(s->trie);
		free(s);
		return r;
	}
	s->epoch = strmap_hash(name);
	*ret = s;
	return 0;
}

int hub_add_server(struct hub *h, struct slice name, bool is_default, struct session *session,
		   struct hub_server **ret)
{
	struct strmap_node *known = strmap_get(&h->servers, name);
	struct hub_server *s;
	int r;

	if (known) {
		s = STRMAP_OF(known, struct hub_server, by_name);
		if (s->session)
			return -EEXIST;
	} else {
		r = server_new(h, name, &s);
		if (r)
			return r;
	}
	s->session = session;
	s->is_default = is_default;
	s->grace = (struct grace){0};
	s->generation = 0;
	list_append(&h->server_list, &s->link);
	*ret = s;
	return 0;
}

static void end_request(struct request *r, struct slice why)
{
	struct member *member = r->member;
	struct hub *h = r->hub;
	uint64_t id = r->id;

	if (r->n_items > 0) {
		request_release(r);
		request_postpone(r);
		return;
	}
	request_free(r);
	hub_refuse(h, member, id, PROTOCOL_E_UNKNOWN_OUTCOME, why);
}

/* Whether the channel counts for the member of this subscription. */
static bool is_first_holder(const struct subscription *s)
{
	return s->interest && s->interest->holders.next == &s->of_interest;
}

/* First what is kept, then what consumers want, then in the order in which the members came and subscribed. */
static int want_all(struct hub *h, const struct hub_server *server, struct session *session)
{
	int r = kept_want_all(server, session);

	if (!r)
		r = consumers_want_all(server, session);
	if (r)
		return r;
	LIST_EACH(m, &h->member_list, struct member, link)
		LIST_EACH(s, &m->subscriptions, struct subscription, of_member) {
			bool wants = s->server == server && is_first_holder(s);

			r = wants ? session_want(session, s->pattern, m->id) : 0;
			if (r)
				return r;
		}
	return 0;
}

static void unwant_all(const struct hub_server *server, struct session *session)
{
	struct strmap_node *node;

	for (node = strmap_first(&server->interests); node; node = strmap_after(&server->interests, node))
		if (session_channel(session, node->key) != SESSION_CHANNEL_NONE)
			session_unwant(session, node->key);
}

int hub_set_session(struct hub *h, struct hub_server *server, struct session *session)
{
	int r = want_all(h, server, session);

	if (r) {
		unwant_all(server, session);
		return r;
	}
	server->session = session;
	LIST_EACH_SAFE(request, &server->requests, struct request, of_server)
		if (request->n_items == 0 && !list_linked(&request->of_reader))
			end_request(request, SLICE("the session was ended because its options "
						   "changed, and no answer came"));
		else if (!session_is_up(session))
			request_postpone(request);
	return 0;
}

void hub_set_default(struct hub_server *server, bool is_default)
{
	server->is_default = is_default;
}

void hub_set_grace(struct hub_server *server, uint64_t ms)
{
	server->grace.max = ms;
}

static void end_subscription(struct hub *h, struct subscription *s, const struct hub_outcome *why)
{
	struct chunk_frame frame;
	int r;

	/* a pending request reports it by its reply */
	if (list_empty(&s->waiting)) {
		r = send_encode_subscription(h, s->server, s->pattern, why, &frame);
		send_frame(s->member, r, &frame);
	}
	request_answer_all(s, why);
	reader_fail(s, why);
	subscription_free(s);
}

void hub_end_requests(struct hub *h, struct slice why)
{
	LIST_EACH(server, &h->server_list, struct hub_server, link)
		LIST_EACH_SAFE(r, &server->requests, struct request, of_server)
			end_request(r, why);
}

void hub_remove_server(struct hub *h, struct hub_server *server)
{
	const struct hub_outcome gone = {
		.result = HUB_FAILED, .code = PROTOCOL_E_UNKNOWN_SERVER,
		.text = SLICE("taken out of the configuration"),
	};

	LIST_EACH(m, &h->member_list, struct member, link)
		LIST_EACH_SAFE(s, &m->subscriptions, struct subscription, of_member)
			if (s->server == server)
				end_subscription(h, s, &gone);
	LIST_EACH(c, &server->consumers, struct consumer, of_server)
		LIST_EACH_SAFE(s, &c->self.subscriptions, struct subscription, of_member)
			end_subscription(h, s, &gone);
	consumers_end_all(server);
	kept_end_all(server);
	LIST_EACH_SAFE(r, &server->requests, struct request, of_server)
		end_request(r, SLICE("the server was taken out of the configuration"));
	assert(trie_empty(server->trie) && trie_empty(server->filtered) && server->interests.n == 0);
	/* a member in its crowd would count for no other server */
	hub_crowd_dismiss(server);
	hub_set_paused(server, false, 0);
	LIST_EACH_SAFE(reader, &server->readers, struct reader, of_server)
		reader_free(reader);
	history_clear(server);
	list_remove(&server->link);
	server->session = NULL;
}

struct hub_server *hub_find_server(struct hub *h, struct slice name)
{
	struct strmap_node *found;

	if (name.p) {
		found = strmap_get(&h->servers, name);
		if (found && STRMAP_OF(found, struct hub_server, by_name)->session)
			return STRMAP_OF(found, struct hub_server, by_name);
		return NULL;
	}
	LIST_EACH(s, &h->server_list, struct hub_server, link)
		if (s->is_default)
			return s;
	return NULL;
}

struct hub_server *hub_next_server(struct hub *h, struct hub_server *after)
{
	struct list *next = after ? after->link.next : h->server_list.next;

	return next == &h->server_list ? NULL : LIST_OF(next, struct hub_server, link);
}

struct slice hub_server_name(const struct hub_server *s)
{
	return s->by_name.key;
}

bool hub_server_is_default(const struct hub_server *s)
{
	return s->is_default;
}

struct session *hub_server_session(const struct hub_server *s)
{
	return s->session;
}

uint64_t hub_server_seq(const struct hub_server *s)
{
	return s->seq;
}

void hub_server_position(const struct hub_server *s, struct hub_position *ret)
{
	*ret = server_position(s);
}

void hub_set_position(struct hub_server *s, uint64_t epoch, uint64_t seq)
{
	s->epoch = epoch;
	if (seq != s->seq) {
		s->seq = s->begin = seq;
		history_clear(s);
	}
	interest_position_changed(s);
}

void hub_begin_epoch(struct hub_server *s, uint64_t epoch)
{
	s->epoch = epoch;
}

uint64_t hub_server_left_out(const struct hub_server *s)
{
	return s->left_out;
}

/* ---- members ---- */

int hub_add_member(struct hub *h, struct member *m)
{
	int r;

	list_init(&m->subscriptions);
	list_init(&m->readers);
	list_init(&m->consumers);
	list_init(&m->hit);
	list_init(&m->crowded);
	m->dismissed_at = UINT64_MAX;
	strmap_init(&m->by_pattern);
	strmap_init(&m->requests);
	m->n_subscriptions = 0;
	m->consumer = NULL;
	m->is_apart = false;
	m->id = h->last_member + 1;
	r = strmap_put(&h->members, strmap_number(&m->id), &m->by_id);
	if (r) {
		m->id = 0;
		return r;
	}
	h->last_member++;
	list_append(&h->member_list, &m->link);
	return 0;
}

static void free_requests(struct member *m)
{
	struct strmap_node *node, *next;

	for (node = strmap_first(&m->requests); node; node = next) {
		next = strmap_after(&m->requests, node);
		request_free(STRMAP_OF(node, struct request, by_id));
	}
}

void hub_member_left(struct hub *h, struct member *m, uint64_t now)
{
	if (m->id == 0)
		return;
	free_requests(m);
	kept_linger(m, now);
	hub_remove_member(h, m);
}

void hub_remove_member(struct hub *h, struct member *m)
{
	if (m->id == 0)
		return;
	/* requests first: they wait for subscriptions */
	free_requests(m);
	LIST_EACH_SAFE(c, &m->consumers, struct consumer, of_holder)
		consumer_detach(c);
	LIST_EACH_SAFE(s, &m->subscriptions, struct subscription, of_member)
		subscription_free(s);
	LIST_EACH_SAFE(r, &m->readers, struct reader, of_member)
		reader_free(r);
	LIST_EACH(server, &h->server_list, struct hub_server, link)
		session_peer_left(server->session, m->id);
	strmap_fini(&m->requests);
	strmap_fini(&m->by_pattern);
	strmap_remove(&h->members, &m->by_id);
	list_remove(&m->link);
	list_remove(&m->crowded);
	m->id = 0;
}

struct member *hub_find_member(struct hub *h, uint64_t id)
{
	struct strmap_node *found = strmap_get(&h->members, strmap_number(&id));

	return found ? STRMAP_OF(found, struct member, by_id) : NULL;
}

struct member *hub_next_member(struct hub *h, struct member *after)
{
	struct list *next = after ? after->link.next : h->member_list.next;

	return next == &h->member_list ? NULL : LIST_OF(next, struct member, link);
}
