/* Requests that name a consumer: see consumer_ops.h. */
#include "hub/consumer_ops.h"

#include "hub/internal.h"
#include "hub/reader.h"
#include "hub/request.h"
#include "hub/subscription.h"

#include <string.h>

/* ---- subscribe ---- */

static bool is_name(struct slice name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	for (size_t i = 0; i < name.n; i++)
		if (!memchr(allowed, name.p[i], sizeof(allowed) - 1))
			return false;
	return name.n > 0 && name.n <= PROTOCOL_NAME_MAX;
}

static bool is_subscribed(const struct member *member, const struct hub_server *server)
{
	LIST_EACH(s, &member->subscriptions, struct subscription, of_member)
		if (s->server == server)
			return true;
	return false;
}

/* A connection has either subscriptions of its own at a server or those of one consumer. */
static int check_member(const struct member *member, const struct hub_server *server, struct slice durable,
			struct refusal *no)
{
	const struct consumer *held = consumer_held(member, server);

	if (held && !slice_eq(slice_of(held->name), durable))
		return refusal_set(no, PROTOCOL_E_BAD_REQUEST,
			      "this connection holds the consumer \"%s\" of the server; use another connection, or "
			      "\"durable\":\"%s\"", held->name, held->name);
	if (durable.p && !is_name(durable))
		return refusal_set(no, PROTOCOL_E_BAD_REQUEST,
			      "\"durable\" must have 1 to %d letters, digits, \".\", \"_\" and \"-\"", PROTOCOL_NAME_MAX);
	if (durable.p && is_subscribed(member, server))
		return refusal_set(no, PROTOCOL_E_BAD_REQUEST,
			      "this connection has other subscriptions at the server; use another one for a consumer");
	return 0;
}

static int check_owner(const struct member *member, const struct consumer *c, bool root_may, struct refusal *no)
{
	uid_t uid = member->identity.uid, owner = c->self.identity.uid;

	if (uid == owner || (root_may && uid == 0))
		return 0;
	return refusal_set(no, PROTOCOL_E_DENIED, "the consumer \"%s\" belongs to another user (uid %u)", c->name,
		      (unsigned)owner);
}

static int check_holder(const struct member *member, const struct consumer *c, struct refusal *no)
{
	if (!c->holder || c->holder == member)
		return 0;
	return refusal_set(no, PROTOCOL_E_IN_USE, "another connection holds the consumer \"%s\" (process %d)", c->name,
		      (int)c->holder->identity.pid);
}

static size_t count(const struct hub_server *server)
{
	size_t n = 0;

	LIST_EACH(c, &server->consumers, struct consumer, of_server)
		n++;
	return n;
}

int consumer_open(struct hub *h, const struct member *member, struct hub_server *server, struct slice durable,
		  struct consumer **ret, bool *ret_new, struct refusal *no)
{
	int r = check_member(member, server, durable, no);

	*ret = NULL;
	*ret_new = false;
	if (r || !durable.p)
		return r;
	*ret = consumer_find(server, durable);
	if (*ret) {
		r = check_owner(member, *ret, false, no);
		return r ? r : check_holder(member, *ret, no);
	}
	if (count(server) >= CONSUMERS_MAX)
		return refusal_set(no, PROTOCOL_E_TOO_MANY,
			      "the server has %u consumers, the most that are allowed; \"forget\" removes one",
			      CONSUMERS_MAX);
	r = consumer_new(h, server, durable, &member->identity, ret);
	*ret_new = r == 0;
	return r;
}

/* ---- ack ---- */

static int check_ack(const struct member *member, const struct hub_server *server, struct slice name, uint64_t seq,
		     struct consumer **ret, struct refusal *no)
{
	*ret = consumer_held(member, server);
	if (!*ret || !slice_eq(slice_of((*ret)->name), name))
		return refusal_set(no, PROTOCOL_E_UNKNOWN_CONSUMER, "this connection does not hold the consumer \"%.*s\"",
			      SLICE_ARG(refusal_name(name)));
	if (seq > (*ret)->sent)
		return refusal_set(no, PROTOCOL_E_BAD_REQUEST,
			      "message %llu was not sent to the consumer \"%s\", only those up to %llu",
			      (unsigned long long)seq, (*ret)->name, (unsigned long long)(*ret)->sent);
	return 0;
}

/* The answer means that the acknowledgement survives the daemon, as far as anything does. */
static int acknowledge(struct hub *h, struct member *member, struct hub_server *server, const uint64_t *tag,
		       struct consumer *c, uint64_t seq)
{
	struct request *request = NULL;
	int r = tag ? request_new(h, member, server, *tag, NULL, 0, &request) : 0;

	if (r)
		return r;
	consumer_acknowledge(c, seq);
	if (!tag)
		return 0;
	if (consumer_changes_await(c))
		consumer_changes_delay(c, request);
	else
		request_reply(request, &(struct hub_answer){0});
	return 0;
}

int hub_ack(struct hub *h, struct member *member, const uint64_t *tag, struct slice server, struct slice name,
	    uint64_t seq)
{
	struct hub_server *of;
	struct consumer *c;
	struct refusal no;
	int r = refusal_check_request(h, member, tag, server, &of, &no);

	if (!r)
		r = check_ack(member, of, name, seq, &c, &no);
	if (!r && tag)
		r = refusal_check_room(h, member, &no);
	if (!r)
		r = acknowledge(h, member, of, tag, c, seq);
	return refusal_conclude(h, member, tag, r, &no);
}

/* ---- forget ---- */

static void forget(struct consumer *c)
{
	const struct hub_outcome ended = {
		.result = HUB_FAILED, .code = PROTOCOL_E_UNKNOWN_CONSUMER,
		.text = SLICE("the consumer was removed before the server answered"),
	};

	LIST_EACH_SAFE(s, &c->self.subscriptions, struct subscription, of_member)
		request_answer_all(s, &ended);
	consumer_forget(c);
}

int hub_forget(struct hub *h, struct member *member, uint64_t tag, struct slice server, struct slice name)
{
	struct consumer *c = NULL;
	struct hub_server *of;
	struct refusal no;
	int r = refusal_check_request(h, member, &tag, server, &of, &no);

	if (!r)
		c = consumer_find(of, name);
	if (!r && !c)
		r = refusal_set(&no, PROTOCOL_E_UNKNOWN_CONSUMER, "the server has no consumer \"%.*s\"",
			   SLICE_ARG(refusal_name(name)));
	if (!r)
		r = check_owner(member, c, true, &no);
	if (!r)
		r = check_holder(member, c, &no);
	if (!r) {
		forget(c);
		hub_reply(h, member, tag, &(struct hub_answer){0});
	}
	return refusal_conclude(h, member, &tag, r, &no);
}
