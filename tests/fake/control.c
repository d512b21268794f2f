/*
 * The control connection and its commands. Each command gets one answer, in order;
 * while an `await` waits, later commands wait, too. Nothing here blocks the server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <event2/bufferevent.h>
#include <event2/buffer.h>
#include "tests/fake/conn.h"
#include "tests/fake/control.h"
#include "tests/fake/deliver.h"
#include "tests/fake/route.h"
#include "tests/fake/words.h"
#include "tests/fake/ws.h"

struct control {
	struct server *server;
	struct bufferevent *bev;
	struct event *deadline;		/* of the current await */
	bool waiting;
	char *wait_kind;
	char *wait_channel;
	unsigned long wait_count;
};

static void answer(struct control *ctl, const char *line)
{
	evbuffer_add_printf(bufferevent_get_output(ctl->bev), "%s\n", line);
}

static void answer_number(struct control *ctl, unsigned long n)
{
	evbuffer_add_printf(bufferevent_get_output(ctl->bev), "ok %lu\n", n);
}

/* NULL = ok */
static void answer_result(struct control *ctl, const char *error)
{
	if (error)
		evbuffer_add_printf(bufferevent_get_output(ctl->bev), "error %s\n", error);
	else
		answer(ctl, "ok");
}

/* ---- what the server does ---- */

static void publish(struct server *s, const char *channel, const char *data)
{
	struct text message = {NULL, 0, 0};

	text_printf(&message, "{\"data\":%s}", data);
	deliver_broadcast(s, channel, text_view(&message), NULL);
	text_fini(&message);
}

static void cmd_publish(struct control *ctl, struct words *w)
{
	char *channel = words_next(w), *data = words_json(w);

	if (data) {
		publish(ctl->server, channel, data);
		deliver_flush_all(ctl->server);
	}
	answer_result(ctl, data ? NULL : "publish CHANNEL JSON");
	free(channel);
	free(data);
}

static void cmd_burst(struct control *ctl, struct words *w)
{
	char *channel = words_next(w), *prefix = NULL;
	struct text data = {NULL, 0, 0};
	long count = 0, size = 0;

	if (words_number(w, &count) && (prefix = words_next(w))) {
		words_number(w, &size);
		for (long i = 1; i <= count; i++) {
			text_clear(&data);
			text_printf(&data, "\"%s-%ld", prefix, i);
			while (data.n < (size_t)size + 1)
				text_printf(&data, "%*s", (int)((size_t)size + 1 - data.n), "");
			text_puts(&data, "\"");
			publish(ctl->server, channel, data.p);
		}
		deliver_flush_all(ctl->server);
	}
	answer_result(ctl, prefix ? NULL : "burst CHANNEL COUNT PREFIX [BYTES]");
	text_fini(&data);
	free(channel);
	free(prefix);
}

/* deliver SESSION MESSAGE: sends any message to one session */
static void cmd_deliver(struct control *ctl, struct words *w)
{
	struct session *s = NULL;
	char *message = NULL, *channel;
	long number = 0;

	if (words_number(w, &number) && (message = words_json(w)))
		s = session_numbered(ctl->server, (unsigned)number);
	if (s) {
		channel = json_text(json_member(slice_of(message), "channel"));
		session_queue(s, channel ? channel : "-", xstrdup(message), NULL);
		deliver_flush(s);
		free(channel);
	}
	answer_result(ctl, s ? NULL : "deliver SESSION MESSAGE: no such session or no JSON");
	free(message);
}

static void cmd_welcome(struct control *ctl, struct words *w)
{
	char *channel = words_next(w), *data = words_json(w);
	struct text t = {NULL, 0, 0};

	if (data) {
		text_printf(&t, "{\"channel\":\"%s\",\"data\":%s}", channel, data);
		name_list_add(&ctl->server->welcome, t.p);
	} else if (channel && strcmp(channel, "none") == 0) {
		name_list_fini(&ctl->server->welcome);
	}
	answer_result(ctl, data || !ctl->server->welcome.n ? NULL : "welcome CHANNEL JSON | none");
	text_fini(&t);
	free(channel);
	free(data);
}

/* ends the named session, or all of them */
static void end_sessions(struct control *ctl, struct words *w, const char *kind)
{
	struct server *s = ctl->server;
	struct session *one;
	unsigned long n = 0;
	long number = 0;

	if (words_number(w, &number)) {
		one = session_numbered(s, (unsigned)number);
		if (one)
			deliver_end_session(one, kind);
		n = one != NULL;
	} else {
		for (; (one = LIST_FIRST(&s->sessions, struct session, link)); n++)
			deliver_end_session(one, kind);
	}
	answer_number(ctl, n);
}

static void cmd_expire(struct control *ctl, struct words *w)
{
	end_sessions(ctl, w, "expired");
}

static void cmd_kick(struct control *ctl, struct words *w)
{
	end_sessions(ctl, w, "kicked");
}

static void cmd_freeze(struct control *ctl, struct words *w)
{
	(void)w;
	conn_freeze(ctl->server, true);
	answer(ctl, "ok");
}

static void cmd_thaw(struct control *ctl, struct words *w)
{
	(void)w;
	conn_freeze(ctl->server, false);
	answer(ctl, "ok");
}

/* a ping on each WebSocket */
static void cmd_ping(struct control *ctl, struct words *w)
{
	(void)w;
	LIST_EACH(c, &ctl->server->conns, struct conn, link)
		if (c->transport == TRANSPORT_WS)
			ws_ping(c);
	answer(ctl, "ok");
}

/* drip BYTES MS | off */
static void cmd_drip(struct control *ctl, struct words *w)
{
	long n = 0, ms = 0;
	bool drips = words_number(w, &n) && words_number(w, &ms) && n > 0 && ms > 0;
	char *word = drips ? NULL : words_next(w);
	bool off = word && strcmp(word, "off") == 0;

	if (drips || off)
		conn_drip(ctl->server, (size_t)n, drips ? ms : 0);
	answer_result(ctl, drips || off ? NULL : "drip BYTES MS | off");
	free(word);
}

static void cmd_stop_listening(struct control *ctl, struct words *w)
{
	(void)w;
	conn_stop_listening(ctl->server);
	answer(ctl, "ok");
}

static void cmd_listen(struct control *ctl, struct words *w)
{
	int r = conn_listen(ctl->server, ctl->server->port);

	(void)w;
	answer_result(ctl, r < 0 ? strerror(-r) : NULL);
}

/* cut [all|idle|lp|ws] [rst] */
static void cmd_cut(struct control *ctl, struct words *w)
{
	unsigned long n = 0;
	bool reset = false, idle = false;
	enum transport only = TRANSPORT_NONE;
	char *word;

	while ((word = words_next(w))) {
		reset = reset || strcmp(word, "rst") == 0;
		idle = idle || strcmp(word, "idle") == 0;
		if (strcmp(word, "lp") == 0)
			only = TRANSPORT_LP;
		else if (strcmp(word, "ws") == 0)
			only = TRANSPORT_WS;
		free(word);
	}
	LIST_EACH_SAFE(c, &ctl->server->conns, struct conn, link) {
		if ((only && c->transport != only) ||
		    (idle && (c->busy || c->transport == TRANSPORT_WS)))
			continue;
		conn_close(c, reset);
		n++;
	}
	answer_number(ctl, n);
}

/* ---- rules ---- */

static void cmd_rule(struct control *ctl, struct words *w)
{
	const char *error = NULL;
	struct rule *r = rule_add(ctl->server, w->p, &error);

	if (r)
		answer_number(ctl, r->id);
	else
		answer_result(ctl, error);
}

static void cmd_unrule(struct control *ctl, struct words *w)
{
	long id = 0;
	bool one = words_number(w, &id);

	answer_result(ctl, rule_remove(ctl->server, one ? (unsigned)id : 0) ? NULL
									    : "no such rule");
}

static void cmd_release(struct control *ctl, struct words *w)
{
	(void)w;
	answer_number(ctl, exchange_release(ctl->server));
}

/* ---- settings ---- */

static void replace(char **field, char *owned)
{
	free(*field);
	*field = owned;
}

/* the next connect reply of each session carries the advice again */
static void readvise(struct server *s)
{
	LIST_EACH(one, &s->sessions, struct session, link)
		one->readvise = true;
}

static void cmd_advice(struct control *ctl, struct words *w)
{
	char *json = words_json(w), *word = json ? NULL : words_next(w);

	if (json || (word && strcmp(word, "default") == 0)) {
		replace(&ctl->server->set.advice, json);
		readvise(ctl->server);
	}
	answer_result(ctl, json || word ? NULL : "advice JSON | default");
	free(word);
}

static void cmd_types(struct control *ctl, struct words *w)
{
	replace(&ctl->server->set.types, words_json(w));
	answer(ctl, "ok");
}

/* on, or off with a status of its own */
static void switch_transport(struct control *ctl, struct words *w, int *off, int status)
{
	char *word = words_next(w);
	long n = status;

	words_number(w, &n);
	if (word && (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)) {
		*off = word[1] == 'n' ? 0 : (int)n;
		answer(ctl, "ok");
	} else {
		answer_result(ctl, "on | off [STATUS]");
	}
	free(word);
}

static void cmd_ws(struct control *ctl, struct words *w)
{
	switch_transport(ctl, w, &ctl->server->set.ws_off, 404);
}

static void cmd_lp(struct control *ctl, struct words *w)
{
	switch_transport(ctl, w, &ctl->server->set.lp_off, 405);
}

static void cmd_require_header(struct control *ctl, struct words *w)
{
	char *name = words_next(w), *value = words_rest(w);
	bool off = name && strcmp(name, "off") == 0;

	if (off) {
		free(name);
		name = NULL;
	}
	replace(&ctl->server->set.header_name, name);
	replace(&ctl->server->set.header_value, value);
	answer(ctl, "ok");
}

static void cmd_route(struct control *ctl, struct words *w)
{
	char *type = words_next(w), *path = words_next(w);
	bool off = type && strcmp(type, "off") == 0;

	if (off)
		routes_fini(ctl->server);
	answer_result(ctl, off || (type && path && route_add(ctl->server, type, path))
				   ? NULL : "route TYPE PATH | off");
	free(type);
	free(path);
}

static bool set_number(struct server *s, const char *name, long n)
{
	if (strcmp(name, "timeout") == 0)
		s->set.timeout = n;
	else if (strcmp(name, "interval") == 0)
		s->set.interval = n;
	else if (strcmp(name, "max-interval") == 0)
		s->set.max_interval = n;
	else if (strcmp(name, "ws-max-message") == 0)
		s->set.ws_max_message = (size_t)n;
	else if (strcmp(name, "timesync") == 0)
		s->set.timesync = true, s->set.ahead = n;
	else
		return false;
	readvise(s);
	return true;
}

static bool set_flag(struct server *s, const char *name, const char *value)
{
	bool on = value && strcmp(value, "on") == 0;

	if (!on && (!value || strcmp(value, "off") != 0))
		return false;
	if (strcmp(name, "ack") == 0)
		s->set.ack = on;
	else if (strcmp(name, "timesync") == 0)
		s->set.timesync = on;
	else if (strcmp(name, "duplicates") == 0)
		s->set.duplicates = on;
	else if (strcmp(name, "echo") == 0)
		s->set.echo = on;
	else if (strcmp(name, "advise-max-interval") == 0)
		s->set.advise_max_interval = on;
	else
		return false;
	return true;
}

static void cmd_set(struct control *ctl, struct words *w)
{
	char *name = words_next(w), *word = NULL;
	long n = 0;
	bool done;

	if (name && words_number(w, &n))
		done = set_number(ctl->server, name, n);
	else
		done = name && set_flag(ctl->server, name, word = words_next(w));
	answer_result(ctl, done ? NULL : "no such setting, or no value for it");
	free(name);
	free(word);
}

/* ---- queries ---- */

static void cmd_sessions(struct control *ctl, struct words *w)
{
	unsigned long n = 0;

	(void)w;
	LIST_EACH(s, &ctl->server->sessions, struct session, link)
		n++;
	answer_number(ctl, n);
}

static void cmd_connections(struct control *ctl, struct words *w)
{
	unsigned long n = 0;

	(void)w;
	LIST_EACH(c, &ctl->server->conns, struct conn, link)
		n++;
	answer_number(ctl, n);
}

static void cmd_subscriptions(struct control *ctl, struct words *w)
{
	struct evbuffer *out = bufferevent_get_output(ctl->bev);

	(void)w;
	evbuffer_add_printf(out, "ok");
	LIST_EACH(s, &ctl->server->sessions, struct session, link)
		for (size_t i = 0; i < s->subscriptions.n; i++)
			evbuffer_add_printf(out, " %u:%s", s->number, s->subscriptions.names[i]);
	evbuffer_add_printf(out, "\n");
}

static void cmd_max_connects(struct control *ctl, struct words *w)
{
	(void)w;
	answer_number(ctl, ctl->server->max_connects);
}

static void cmd_mark(struct control *ctl, struct words *w)
{
	(void)w;
	journal_mark(&ctl->server->journal);
	answer(ctl, "ok");
}

static void cmd_count(struct control *ctl, struct words *w)
{
	char *kind = words_next(w), *channel = words_next(w);

	if (!kind)
		answer_result(ctl, "count KIND [CHANNEL]");
	else if (ctl->server->journal.overflowed)
		answer_result(ctl, "the journal has overflowed since the mark");
	else
		answer_number(ctl, journal_count(&ctl->server->journal, kind, channel));
	free(kind);
	free(channel);
}

static void cmd_log(struct control *ctl, struct words *w)
{
	struct text t = {NULL, 0, 0};

	(void)w;
	text_add(&t, NULL, 0);
	answer_number(ctl, journal_write(&ctl->server->journal, &t));
	bufferevent_write(ctl->bev, t.p, t.n);
	text_fini(&t);
}

static void await_over(struct control *ctl)
{
	ctl->waiting = false;
	event_del(ctl->deadline);
	journal_cancel_await(&ctl->server->journal);
	free(ctl->wait_kind);
	free(ctl->wait_channel);
	ctl->wait_kind = ctl->wait_channel = NULL;
	/* continue with the commands after it */
	bufferevent_trigger(ctl->bev, EV_READ,
			    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void on_reached(void *arg)
{
	struct control *ctl = arg;

	await_over(ctl);
	answer(ctl, "ok");
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct control *ctl = arg;
	const struct journal *j = &ctl->server->journal;

	(void)fd;
	(void)what;
	evbuffer_add_printf(bufferevent_get_output(ctl->bev),
			    "error timed out: %lu of %lu %s %s\n",
			    journal_count(j, ctl->wait_kind, ctl->wait_channel), ctl->wait_count,
			    ctl->wait_kind, ctl->wait_channel ? ctl->wait_channel : "");
	await_over(ctl);
}

/* await KIND [CHANNEL] COUNT TIMEOUT_MS */
static void cmd_await(struct control *ctl, struct words *w)
{
	char *kind = words_next(w), *channel = NULL;
	long count = 0, timeout = 0;
	struct timeval tv;

	if (kind && !words_number(w, &count)) {
		channel = words_next(w);
		words_number(w, &count);
	}
	if (!count || !words_number(w, &timeout)) {
		answer_result(ctl, "await KIND [CHANNEL] COUNT TIMEOUT_MS");
		free(kind);
		free(channel);
		return;
	}
	tv = msec(timeout);
	ctl->wait_kind = kind;
	ctl->wait_channel = channel;
	ctl->wait_count = (unsigned long)count;
	ctl->waiting = true;
	event_add(ctl->deadline, &tv);
	journal_await(&ctl->server->journal, kind, channel, ctl->wait_count, on_reached, ctl);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	void (*run)(struct control *ctl, struct words *w);
} commands[] = {
	{"publish", cmd_publish}, {"burst", cmd_burst}, {"deliver", cmd_deliver},
	{"welcome", cmd_welcome}, {"expire", cmd_expire}, {"kick", cmd_kick},
	{"freeze", cmd_freeze}, {"thaw", cmd_thaw}, {"ping", cmd_ping}, {"drip", cmd_drip},
	 {"stop-listening", cmd_stop_listening},
	{"listen", cmd_listen}, {"cut", cmd_cut}, {"rule", cmd_rule}, {"unrule", cmd_unrule},
	{"release", cmd_release}, {"advice", cmd_advice}, {"types", cmd_types}, {"ws", cmd_ws},
	{"lp", cmd_lp}, {"require-header", cmd_require_header}, {"route", cmd_route},
	{"set", cmd_set},
	{"sessions", cmd_sessions}, {"connections", cmd_connections},
	{"subscriptions", cmd_subscriptions}, {"max-concurrent-connects", cmd_max_connects},
	{"mark", cmd_mark}, {"count", cmd_count}, {"log", cmd_log}, {"await", cmd_await},
};

static void run(struct control *ctl, const char *line)
{
	struct words w = {line};
	char *name = words_next(&w);

	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) == 0) {
			commands[i].run(ctl, &w);
			free(name);
			return;
		}
	}
	answer_result(ctl, "unknown command");
	free(name);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct control *ctl = arg;
	char *line;

	while (!ctl->waiting &&
	       (line = evbuffer_readln(bufferevent_get_input(bev), NULL, EVBUFFER_EOL_LF))) {
		run(ctl, line);
		free(line);
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct control *ctl = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		event_base_loopbreak(ctl->server->base);
}

struct control *control_new(struct server *s, int fd)
{
	struct control *ctl = xcalloc(1, sizeof(*ctl));

	ctl->server = s;
	evutil_make_socket_nonblocking(fd);
	ctl->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	ctl->deadline = event_new(s->base, -1, 0, on_deadline, ctl);
	if (!ctl->bev || !ctl->deadline)
		abort();
	bufferevent_setcb(ctl->bev, on_read, NULL, on_event, ctl);
	bufferevent_enable(ctl->bev, EV_READ | EV_WRITE);
	return ctl;
}

void control_free(struct control *ctl)
{
	if (!ctl)
		return;
	bufferevent_free(ctl->bev);
	event_free(ctl->deadline);
	free(ctl->wait_kind);
	free(ctl->wait_channel);
	free(ctl);
}
