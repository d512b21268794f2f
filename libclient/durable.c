/*
 * Which messages of a durable consumer were given to the application. A message is
 * left out only if this process gave it, and the daemon reports that it may have
 * delivered it: a number that the daemon uses again after a failure is a new message.
 */
#include "libclient/durable.h"

#include "protocol/json_read.h"

struct slice durable_name(const struct wanted_set *w, const struct servers *s, const struct server *server)
{
	if (!server || w->n_durable == 0)
		return SLICE_NULL;
	for (const struct wanted_channel *wanted = w->first; wanted; wanted = wanted->next)
		if (wanted->durable.p && servers_find(s, wanted->server) == server)
			return wanted->durable;
	return SLICE_NULL;
}

int durable_attached(struct server *server, struct slice name, struct slice result)
{
	struct json_field redelivered = {.name = "redelivered"};
	uint64_t seq = 0;
	int r = result.p ? json_read_object(result, &redelivered, 1, false, NULL) : 0;

	if (r < 0)
		return r;
	if (!server)
		return 0;
	if (!slice_eq(slice_of(server->consumer), name) || !same_epoch(&server->consumed, &server->newest)) {
		server->consumed = (struct position){.seq = 0};
		memcpy(server->consumer, name.p, name.n);
		server->consumer[name.n] = '\0';
	}
	if (json_u64(&redelivered.value, &seq) == 0)
		server->redelivered = seq;
	return 0;
}

bool durable_message(struct server *server, uint64_t seq, bool *ret_redelivered)
{
	bool given = position_known(&server->consumed) && seq <= server->consumed.seq;

	*ret_redelivered = seq <= server->redelivered;
	if (given && *ret_redelivered)
		return false;
	server->consumed = server->newest;
	server->consumed.seq = seq;
	return true;
}

bool durable_loss(struct server *server, uint64_t last)
{
	if (position_known(&server->consumed) && last <= server->consumed.seq)
		return false;
	server->consumed = server->newest;
	server->consumed.seq = last;
	return true;
}
