/*
 * A test double of the session, without a server. Its functions behave as documented in
 * bayeux/session.h.
 */
#include "protocol/protocol.h"
#include "tests/unit/session_double.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct double_wish {
	struct list link;
	enum session_channel_status status;
	uint64_t peer;
	char channel[PROTOCOL_CHANNEL_MAX + 1];
};

void session_double_init(struct session *s)
{
	*s = (struct session){.up = true};
	s->info.retry_at = UINT64_MAX;
	list_init(&s->wishes);
}

void session_double_fini(struct session *s)
{
	assert_true(list_empty(&s->wishes));
}

void session_double_drop(struct session *s)
{
	LIST_EACH_SAFE(w, &s->wishes, struct double_wish, link) {
		list_remove(&w->link);
		free(w);
	}
}

static struct double_wish *find(const struct session *s, struct slice channel)
{
	LIST_EACH(w, &s->wishes, struct double_wish, link)
		if (slice_eq(slice_of(w->channel), channel))
			return w;
	return NULL;
}

static void note(struct session *s, char sign, struct slice channel)
{
	size_t n = strlen(s->asked);

	snprintf(s->asked + n, sizeof(s->asked) - n, "%c%.*s ", sign, SLICE_ARG(channel));
}

void session_double_set(struct session *s, const char *channel, enum session_channel_status status)
{
	struct double_wish *w = find(s, slice_of(channel));

	assert_non_null(w);
	w->status = status;
}

bool session_double_wants(const struct session *s, const char *channel)
{
	return find(s, slice_of(channel));
}

uint64_t session_double_peer(const struct session *s, const char *channel)
{
	const struct double_wish *w = find(s, slice_of(channel));

	assert_non_null(w);
	return w->peer;
}

const char *session_double_asked(struct session *s)
{
	static char copy[sizeof(s->asked)];

	memcpy(copy, s->asked, sizeof(copy));
	s->asked[0] = '\0';
	return copy;
}

/* ---- what the hub calls ---- */

int session_want(struct session *s, struct slice channel, uint64_t peer)
{
	struct double_wish *w;

	if (find(s, channel))
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	assert_true(channel.n < sizeof(w->channel));
	memcpy(w->channel, channel.p, channel.n);
	w->status = SESSION_CHANNEL_PENDING;
	w->peer = peer;
	list_append(&s->wishes, &w->link);
	note(s, '+', channel);
	return 0;
}

void session_ask_again(struct session *s, struct slice channel)
{
	struct double_wish *w = find(s, channel);

	if (!w || w->status != SESSION_CHANNEL_REFUSED)
		return;
	w->status = SESSION_CHANNEL_PENDING;
	note(s, '+', channel);
}

void session_unwant(struct session *s, struct slice channel)
{
	struct double_wish *w = find(s, channel);

	assert_non_null(w);
	note(s, '-', channel);
	list_remove(&w->link);
	free(w);
}

enum session_channel_status session_channel(const struct session *s, struct slice channel)
{
	const struct double_wish *w = find(s, channel);

	return w ? w->status : SESSION_CHANNEL_NONE;
}

bool session_channel_is_deferred(const struct session *s, struct slice channel)
{
	return s->deferred && slice_eq(channel, slice_of(s->deferred)) &&
	       session_channel(s, channel) == SESSION_CHANNEL_PENDING;
}

bool session_is_up(const struct session *s)
{
	return s->up;
}

void session_peer_left(struct session *s, uint64_t peer)
{
	s->left = peer;
}

int session_publish(struct session *s, uint64_t now, struct slice channel, struct slice data,
		    struct slice ext, bool call, uint64_t deadline, uint64_t peer,
		    uint64_t cookie)
{
	(void)now;
	if (s->publish_result)
		return s->publish_result;
	s->published++;
	snprintf(s->publish, sizeof(s->publish), "%.*s %.*s %.*s", SLICE_ARG(channel),
		 SLICE_ARG(data), (int)ext.n, ext.p ? ext.p : "");
	s->call = call;
	s->deadline = deadline;
	s->peer = peer;
	s->cookie = cookie;
	return 0;
}

void session_info(const struct session *s, struct session_info *ret)
{
	*ret = s->info;
}

const char *session_disabled_hook(const struct session *s, size_t i)
{
	(void)s;
	(void)i;
	return NULL;
}

const char *session_state_name(enum session_state state)
{
	return state == SESSION_CONNECTED ? "connected" : "unconnected";
}

const char *session_transport_name(enum session_transport t)
{
	return t == SESSION_WEBSOCKET ? "websocket" : "long-polling";
}
