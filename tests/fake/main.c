/*
 * The command line of fake-bayeux. Runs the server until SIGTERM, SIGINT or the end
 * of the control connection, then frees everything.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/fake/conn.h"
#include "tests/fake/control.h"
#include "tests/fake/deliver.h"
#include "tests/fake/route.h"
#include "tests/fake/front.h"

struct options {
	long port;
	long control;
	const char *cert;
	const char *key;
	bool demo;
};

static int usage(void)
{
	fputs("usage: fake-bayeux [--port N] [--control FD] [--dialect cometd|faye|salesforce]\n"
	      "                   [--timeout MS] [--interval MS] [--max-interval MS]\n"
	      "                   [--tls CERT KEY] [--demo]\n", stderr);
	return 2;
}

/* the default times of each real server, where the command line sets none */
static void set_defaults(struct settings *set)
{
	static const struct {
		long timeout, max_interval;
	} of[] = {
		[DIALECT_COMETD] = {30000, 10000},
		[DIALECT_FAYE] = {60000, 120000},
		[DIALECT_SALESFORCE] = {110000, 40000},
	};

	if (set->timeout < 0)
		set->timeout = of[set->dialect].timeout;
	if (set->max_interval < 0)
		set->max_interval = of[set->dialect].max_interval;
}

static bool parse_dialect(const char *name, enum dialect *ret)
{
	static const char *const names[] = {"cometd", "faye", "salesforce"};

	for (int i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum dialect)i;
			return true;
		}
	}
	return false;
}

static bool parse_options(int argc, char **argv, struct settings *set, struct options *o)
{
	static const struct option longs[] = {
		{"port", required_argument, NULL, 'p'},
		{"control", required_argument, NULL, 'c'},
		{"dialect", required_argument, NULL, 'd'},
		{"timeout", required_argument, NULL, 't'},
		{"interval", required_argument, NULL, 'i'},
		{"max-interval", required_argument, NULL, 'm'},
		{"tls", required_argument, NULL, 's'},
		{"demo", no_argument, NULL, 'D'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		long n = optarg ? strtol(optarg, NULL, 10) : 0;

		if (c == 'p' && n >= 0 && n <= 65535)
			o->port = n;
		else if (c == 'c')
			o->control = n;
		else if (c == 't')
			set->timeout = n;
		else if (c == 'i')
			set->interval = n;
		else if (c == 'm')
			set->max_interval = n;
		else if (c == 'D')
			o->demo = true;
		else if (c == 's' && optind < argc)
			o->cert = optarg, o->key = argv[optind++];
		else if (c != 'd' || !parse_dialect(optarg, &set->dialect))
			return false;
	}
	set_defaults(set);
	return optind == argc;
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

/* ---- the demo ---- */

static void print_note(const struct note *note)
{
	if (strcmp(note->kind, "session") == 0)
		fprintf(stderr, "server: a session began (%s), number %u\n",
			transport_name(note->transport), note->client);
	else if (strcmp(note->kind, "subscribe") == 0 || strcmp(note->kind, "publish") == 0 ||
		 strcmp(note->kind, "unsubscribe") == 0)
		fprintf(stderr, "server: session %u: %s %s\n", note->client, note->kind,
			note->channel);
	else if (strcmp(note->kind, "gone") == 0 || strcmp(note->kind, "expired") == 0)
		fprintf(stderr, "server: session %u: %s\n", note->client, note->kind);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	static unsigned long count;
	struct server *s = arg;
	struct text message = {NULL, 0, 0};

	(void)fd;
	(void)what;
	text_printf(&message, "{\"data\":{\"tick\":%lu}}", ++count);
	deliver_broadcast(s, "/demo/clock", text_view(&message), NULL);
	deliver_flush_all(s);
	text_fini(&message);
}

static struct event *start_demo(struct server *s)
{
	struct event *tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	struct timeval second = msec(1000);

	if (!tick)
		abort();
	s->journal.listener = print_note;
	event_add(tick, &second);
	return tick;
}

/* ---- start and stop ---- */

static void server_init(struct server *s)
{
	s->base = event_base_new();
	if (!s->base)
		abort();
	s->on_accept = front_accept;
	list_init(&s->conns);
	list_init(&s->closed_conns);
	list_init(&s->sessions);
	list_init(&s->exchanges);
	list_init(&s->rules);
	list_init(&s->routes);
}

static void server_fini(struct server *s)
{
	conn_end(s);
	LIST_EACH_SAFE(x, &s->exchanges, struct exchange, link)
		exchange_free(x);
	LIST_EACH_SAFE(one, &s->sessions, struct session, link)
		session_remove(one);
	rules_fini(s);
	routes_fini(s);
	journal_fini(&s->journal);
	name_list_fini(&s->channels);
	name_list_fini(&s->welcome);
	name_list_fini(&s->replay_channels);
	name_list_fini(&s->replay_events);
	free(s->set.advice);
	free(s->set.types);
	free(s->set.header_name);
	free(s->set.header_value);
	event_base_free(s->base);
	libevent_global_shutdown();
}

static int serve(struct server *s, const struct options *o)
{
	struct event *signals[2], *tick = NULL;
	struct control *ctl = NULL;
	int r = conn_listen(s, (uint16_t)o->port);

	if (r < 0) {
		fprintf(stderr, "fake-bayeux: cannot listen on 127.0.0.1:%ld: %s\n", o->port,
			strerror(-r));
		return 1;
	}
	signals[0] = evsignal_new(s->base, SIGTERM, on_signal, s->base);
	signals[1] = evsignal_new(s->base, SIGINT, on_signal, s->base);
	for (int i = 0; i < 2; i++)
		if (!signals[i] || event_add(signals[i], NULL) < 0)
			abort();
	if (o->control >= 0)
		ctl = control_new(s, (int)o->control);
	if (o->demo)
		tick = start_demo(s);
	printf("listening %u\n", s->port);
	fflush(stdout);
	event_base_dispatch(s->base);
	control_free(ctl);
	if (tick)
		event_free(tick);
	event_free(signals[0]);
	event_free(signals[1]);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {.control = -1};
	struct server s = {
		.set = {
			.timeout = -1, .max_interval = -1, .ws_max_message = 65536,
			.ack = true, .echo = true,
		},
	};
	int r = 1;

	if (!parse_options(argc, argv, &s.set, &o))
		return usage();
	signal(SIGPIPE, SIG_IGN);
	server_init(&s);
	if (!o.cert || conn_use_tls(&s, o.cert, o.key))
		r = serve(&s, &o);
	server_fini(&s);
	return r;
}
