/* Consumers and their messages come back from a store: see hub.h. */
#include "hub/hub.h"

#include "bayeux/channel.h"
#include "hub/consumer.h"
#include "hub/internal.h"
#include "hub/subscription.h"

#include <errno.h>
#include <string.h>

/* "SEQ PATTERN", the first line of `text`, which is taken out of it. False: it is none. */
static bool take_line(struct slice *text, uint64_t *ret_from, struct slice *ret_pattern)
{
	const char *end = memchr(text->p, '\n', text->n);
	size_t n = end ? (size_t)(end - text->p) : 0, at = 0;
	uint64_t from = 0;

	for (; at < n && at < 19 && text->p[at] >= '0' && text->p[at] <= '9'; at++)
		from = 10 * from + (uint64_t)(text->p[at] - '0');
	if (at == 0 || at + 1 >= n || text->p[at] != ' ')
		return false;
	*ret_from = from;
	*ret_pattern = slice_make(text->p + at + 1, n - at - 1);
	*text = slice_drop(*text, n + 1);
	return true;
}

static int restore_pattern(struct consumer *c, struct slice pattern, uint64_t from)
{
	struct subscription *s;
	int r;

	if (channel_check_pattern(pattern) || channel_is_service(pattern) ||
	    subscription_find(&c->self, c->server, pattern))
		return -EINVAL;
	r = subscription_new(c->server, &c->self, pattern, &s);
	if (r)
		return r;
	s->from = from;
	return subscription_want(s);
}

int hub_restore_consumer(struct hub *h, struct hub_server *server, const struct hub_consumer_saved *saved)
{
	const struct identity owner = {.uid = saved->uid};
	struct slice patterns = saved->patterns, pattern;
	struct consumer *c = NULL;
	uint64_t from;
	int r;

	if (saved->name.n == 0 || consumer_find(server, saved->name))
		return -EINVAL;
	r = consumer_new(h, server, saved->name, &owner, &c);
	while (r == 0 && patterns.n)
		r = take_line(&patterns, &from, &pattern) ? restore_pattern(c, pattern, from) : -EINVAL;
	if (r == 0) {
		c->acked = saved->acked;
		c->sent = saved->lost.last > saved->acked ? saved->lost.last : saved->acked;
		c->lost = saved->lost;
		c->dropped = saved->lost.count;
		c->changed = false;
	} else if (c) {
		consumer_free(c);
	}
	return r;
}

int hub_restore_message(struct hub_server *server, const struct hub_durable_change *message, uint64_t now)
{
	const struct hub_log *log = &server->durable;
	bool newer = hub_log_empty(log) || hub_log_at(log, hub_log_end(log) - 1)->seq < message->seq;
	int r = newer && message->seq <= server->seq ? consumers_restore(server, message, now) : -EINVAL;

	if (r == 0)
		consumer_changes_restored(server);
	return r;
}
