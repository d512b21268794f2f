/*
 * Sessions with their subscriptions, queues and expiry timers. A session exists as
 * long as there is a reference to it, removed or not. Nothing is sent from here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include "tests/fake/channel.h"
#include "tests/fake/session.h"

void random_name(char *ret, size_t n)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
	unsigned char bytes[64] = {0};

	if (getrandom(bytes, n, 0) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		ret[i] = letters[bytes[i] % 32];
	ret[n] = '\0';
}

struct session *session_new(struct server *server, event_callback_fn on_expired)
{
	struct session *s = xcalloc(1, sizeof(*s));
	char name[33];

	random_name(name, 20);
	s->server = server;
	s->refs = 1;
	s->number = ++server->last_session;
	s->id = xcalloc(1, 40);
	snprintf(s->id, 40, "%u%s", s->number, name);
	s->batch = 1;
	s->interval = -1;
	list_init(&s->queue);
	s->expiry = event_new(server->base, -1, 0, on_expired, s);
	if (!s->expiry)
		abort();
	session_ref(s);
	list_append(&server->sessions, &s->link);
	return s;
}

struct session *session_find(const struct server *server, const char *client_id)
{
	LIST_EACH(s, &server->sessions, struct session, link)
		if (client_id && strcmp(s->id, client_id) == 0)
			return s;
	return NULL;
}

struct session *session_numbered(const struct server *server, unsigned number)
{
	LIST_EACH(s, &server->sessions, struct session, link)
		if (s->number == number)
			return s;
	return NULL;
}

struct session *session_ref(struct session *s)
{
	s->refs++;
	return s;
}

void session_unref(struct session *s)
{
	if (!s || --s->refs)
		return;
	LIST_EACH_SAFE(q, &s->queue, struct queued, link)
		queued_free(q);
	name_list_fini(&s->subscriptions);
	event_free(s->expiry);
	free(s->browser);
	free(s->id);
	free(s);
}

void session_remove(struct session *s)
{
	if (s->removed)
		return;
	s->removed = true;
	session_stop_expiry(s);
	list_remove(&s->link);
	session_unref(s);
}

unsigned session_matches(const struct session *s, const char *channel)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->subscriptions.n; i++)
		n += channel_matches(s->subscriptions.names[i], channel);
	return n;
}

void session_queue(struct session *s, const char *channel, char *text, const struct rule *rule)
{
	struct queued *q = xcalloc(1, sizeof(*q));

	q->channel = xstrdup(channel);
	q->text = text;
	q->batch = s->batch;
	q->rule = rule;
	list_append(&s->queue, &q->link);
}

void queued_free(struct queued *q)
{
	list_remove(&q->link);
	free(q->channel);
	free(q->text);
	free(q);
}

void session_acknowledge(struct session *s, unsigned long batch)
{
	LIST_EACH_SAFE(q, &s->queue, struct queued, link)
		if (q->batch <= batch)
			queued_free(q);
}

void session_start_expiry(struct session *s)
{
	long interval = s->interval >= 0 ? s->interval : s->server->set.interval;
	struct timeval tv = msec(interval + s->server->set.max_interval);

	if (!s->removed)
		event_add(s->expiry, &tv);
}

void session_stop_expiry(struct session *s)
{
	event_del(s->expiry);
}
