/*
 * Owns the one instance of everything and the order in which it comes and
 * goes. Start: loop, hub, servers, then the socket, so that whoever gets in
 * finds all servers there. Stop: the socket closes, peers are told and drained,
 * sessions say goodbye, the loop ends; after three seconds it ends anyway.
 * Must never decide what a message means.
 */
#include "daemon.h"

#include "auth/auth.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "hub/hub.h"
#include "local/introspect.h"
#include "local/listener.h"
#include "local/peer.h"
#include "local/peer_ops.h"
#include "net/curl_loop.h"
#include "plugin_config.h"
#include "systemd.h"
#include "upstream/upstream.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 3000
#define FULL_RETRY_MS 1000      /* when a peer that found no place should try again */
#define PEERS_REFUSED_MAX 16    /* told "too-many" at the same time; beyond them just closed */

struct server {
	struct list link;               /* daemon::servers */
	struct daemon *daemon;
	struct upstream *upstream;
	struct plugin_chain *plugins;   /* its extensions, which end behind it; or NULL */
	bool stopped;
};

struct daemon {
	const struct config *config;
	struct loop *loop;
	struct curl_loop *curl;
	struct hub *hub;
	struct work_queue *work;        /* of the peers */
	struct introspect introspect;
	struct peer_ops ops;
	struct list servers;
	struct listener *listeners[SYSTEMD_SOCKETS_MAX];
	size_t n_listeners;
	struct list peers;              /* peer_link() */
	size_t n_peers;
	struct loop_signal *sigterm, *sigint, *sighup;
	struct loop_timer *watchdog, *stop_timer;
	struct loop_timer *held;        /* log lines were held back */
	struct loop_hook status;        /* the status line is to be told anew */
	struct loop_hook farewell;      /* the peers are to be told that it ends */
	bool stopping;
};

/* ---- peers ---- */

static void stop_when_empty(struct daemon *d)
{
	if (!d->stopping || d->n_peers)
		return;
	LIST_EACH(s, &d->servers, struct server, link)
		if (!s->stopped)
			return;
	loop_stop(d->loop);
}

static void on_peer_closed(void *ctx, struct peer *p)
{
	struct daemon *d = LIST_OF(ctx, struct daemon, ops);

	list_remove(peer_link(p));
	d->n_peers--;
	stop_when_empty(d);
}

static void on_accepted(void *ctx, int fd)
{
	struct daemon *d = ctx;
	struct peer_handler handler = peer_ops_handler(&d->ops);
	struct peer *p;

	handler.closed = on_peer_closed;
	if (d->n_peers >= d->config->peers_max + PEERS_REFUSED_MAX) {
		close(fd);
		return;
	}
	int r = peer_new(d->work, fd, &handler, &d->config->peer, &p);
	if (r) {
		log_msg(LOG_L_WARNING, LOG_FIELDS({"error", slice_of(strerror(-r))}),
			"a connection could not be served");
		close(fd);
		return;
	}
	list_append(&d->peers, peer_link(p));
	if (++d->n_peers > d->config->peers_max)
		peer_close(p, PROTOCOL_E_TOO_MANY, SLICE("peers-max is reached"), FULL_RETRY_MS);
}

/* ---- what the manager is told ---- */

static void tell_status(void *ctx)
{
	struct daemon *d = ctx;
	char line[512];
	size_t n = 0;

	LIST_EACH(s, &d->servers, struct server, link) {
		struct session_info info;

		session_info(upstream_session(s->upstream), &info);
		int k = snprintf(line + n, sizeof(line) - n, "%s%s: %s", n ? ", " : "",
				 upstream_name(s->upstream), session_state_name(info.state));
		if (k < 0 || (size_t)k >= sizeof(line) - n)
			break;   /* the rest does not fit one line; status shows all */
		n += (size_t)k;
	}
	line[n] = 0;
	systemd_status(line);
}

static void on_server_changed(void *ctx)
{
	struct server *s = ctx;

	loop_at_end(s->daemon->loop, &s->daemon->status);
}

static void on_watchdog(void *ctx)
{
	struct daemon *d = ctx;

	/* this timer fires only when the loop comes round: progress, not mere life */
	systemd_watchdog();
	loop_timer_at(d->watchdog, loop_now(d->loop) + systemd_watchdog_interval());
}

/* ---- log lines held back ---- */

static void on_lines_held(void *ctx)
{
	struct daemon *d = ctx;

	loop_timer_at(d->held, log_held_until());
}

static void on_held_over(void *ctx)
{
	log_report_held(false);
	on_lines_held(ctx);
}

/* ---- stop ---- */

static void on_server_stopped(void *ctx)
{
	struct server *s = ctx;

	s->stopped = true;
	stop_when_empty(s->daemon);
}

static void on_stop_timeout(void *ctx)
{
	struct daemon *d = ctx;

	log_msg(LOG_L_WARNING, LOG_FIELDS({"peers", SLICE("some")}),
		"stopped before all connections and sessions were closed");
	loop_stop(d->loop);
}

static void close_listeners(struct daemon *d)
{
	while (d->n_listeners)
		listener_free(d->listeners[--d->n_listeners]);
}

/* Behind what the sessions had to say of what was not sent: of the rest, nobody will know more. */
static void say_farewell(void *ctx)
{
	struct daemon *d = ctx;

	hub_end_requests(d->hub, SLICE("the daemon stops, and no answer came"));
	for (struct list *at = d->peers.next, *next; at != &d->peers; at = next) {
		next = at->next;
		peer_close(peer_of_link(at), PROTOCOL_E_SHUTDOWN, SLICE("the daemon stops"),
			   0);
	}
	stop_when_empty(d);
}

static void on_stop_signal(void *ctx, int signo)
{
	struct daemon *d = ctx;

	if (d->stopping)
		return;
	d->stopping = true;
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"signal", slice_of(strsignal(signo))}), "stopping");
	systemd_stopping();
	close_listeners(d);
	LIST_EACH(s, &d->servers, struct server, link)
		upstream_stop(s->upstream, on_server_stopped, s);
	loop_at_end(d->loop, &d->farewell);
	loop_timer_at(d->stop_timer, loop_now(d->loop) + STOP_TIMEOUT_MS);
}

/* ---- start ---- */

/* The source of its credential that is neither a file nor an extension. 0 or a negative errno. */
static int make_source(struct daemon *d, const struct config_server *c, struct auth_source **ret)
{
	struct auth_oauth_options oauth = c->oauth;

	if (c->credential_command)
		return auth_command_new(d->loop, c->credential_command, c->credential_timeout, ret);
	if (!oauth.url)
		return 0;
	oauth.timeout = c->credential_timeout;
	oauth.http = &c->upstream.http;
	return auth_oauth_new(d->loop, d->curl, &oauth, ret);
}

/* `source`: of an extension, taken over; or NULL. */
static int make_auth(struct daemon *d, const struct config_server *c, struct auth_source *source,
		     struct auth **ret)
{
	struct auth_options options = c->auth;
	int r = 0;

	if (c->auth.kind == AUTH_NONE)
		return 0;
	if (!source)
		r = make_source(d, c, &source);
	if (r)
		return r;
	options.name = c->name;
	options.source = source;
	options.backoff_min = c->upstream.session.backoff_min;
	options.backoff_max = c->upstream.session.backoff_max;
	return auth_new(d->loop, &options, ret);
}

static int add_server(struct daemon *d, const struct config_server *c, char *why, size_t why_size)
{
	struct server *s = calloc(1, sizeof(*s));
	struct upstream_options options = c->upstream;
	struct auth_source *source = NULL;      /* an extension */

	if (!s)
		return -ENOMEM;
	s->daemon = d;
	options.name = c->name;
	options.changed = (struct wake){on_server_changed, s};
	int r = plugin_config_make(d->loop, c, why, why_size, &s->plugins);
	if (r == 0)
		r = plugin_config_credential(s->plugins, c, why, why_size, &source);
	if (r == 0)
		r = make_auth(d, c, source, &options.auth);
	if (r == 0 && s->plugins)
		options.session.hooks = plugin_chain_hooks(s->plugins);
	if (r == 0)
		r = upstream_new(d->loop, d->curl, d->hub, &options, why, why_size, &s->upstream);
	if (r) {
		plugin_chain_free(s->plugins);
		free(s);
		return r;
	}
	list_append(&d->servers, &s->link);
	if (c->upstream.http.insecure)
		log_msg(LOG_L_WARNING, LOG_FIELDS({"server", slice_of(c->name)}),
			c->upstream.http.pin ? "tls-insecure: the certificate is not checked, only its key "
				     "(tls-pin)"
				   : "tls-insecure: the certificate is not checked; an attacker on "
				     "the network can impersonate this server");
	return 0;
}

static int adopt_sockets(struct daemon *d, char *why, size_t why_size)
{
	int fds[SYSTEMD_SOCKETS_MAX];
	int n = systemd_sockets(fds, SYSTEMD_SOCKETS_MAX, why, why_size);

	if (n < 0)
		return n;
	if (*why)
		log_msg(LOG_L_WARNING, LOG_FIELDS({"sockets", slice_of(why)}),
			"ignoring some of the sockets passed by systemd");
	for (int i = 0; i < n; i++) {
		int r = listener_adopt(d->loop, fds[i], on_accepted, d,
				       &d->listeners[d->n_listeners]);
		if (r) {
			while (i < n)
				close(fds[i++]);
			snprintf(why, why_size, "the socket handed over: %s", strerror(-r));
			return r;
		}
		d->n_listeners++;
	}
	return 0;
}

static int listen_somewhere(struct daemon *d, char *why, size_t why_size)
{
	int r = adopt_sockets(d, why, why_size);

	if (r || d->n_listeners)
		return r;
	r = listener_open(d->loop, &d->config->listener, on_accepted, d, why, why_size,
			  &d->listeners[0]);
	if (r == 0)
		d->n_listeners = 1;
	return r > 0 ? -EADDRINUSE : r;
}

static void on_hangup_signal(void *ctx, int signo)
{
	(void)ctx;
	log_msg(LOG_L_WARNING, LOG_FIELDS({"signal", slice_of(strsignal(signo))}),
		"the configuration is not read again while the daemon runs; restart it to use a "
		"changed one");
}

static int make_timers(struct daemon *d)
{
	int r = loop_signal_new(d->loop, SIGTERM, on_stop_signal, d, &d->sigterm);

	if (r == 0)
		r = loop_signal_new(d->loop, SIGINT, on_stop_signal, d, &d->sigint);
	if (r == 0)
		r = loop_signal_new(d->loop, SIGHUP, on_hangup_signal, d, &d->sighup);
	if (r == 0)
		r = loop_timer_new(d->loop, on_stop_timeout, d, &d->stop_timer);
	if (r == 0)
		r = loop_timer_new(d->loop, on_watchdog, d, &d->watchdog);
	if (r == 0)
		r = loop_timer_new(d->loop, on_held_over, d, &d->held);
	if (r == 0)
		log_on_held((struct wake){on_lines_held, d});
	if (r == 0 && systemd_watchdog_interval())
		loop_timer_at(d->watchdog, loop_now(d->loop));
	return r;
}

static int build(struct daemon *d, char *why, size_t why_size)
{
	int r = loop_new(&d->loop);

	if (r == 0)
		r = curl_loop_new(d->loop, &d->curl);
	if (r == 0)
		r = hub_new(&d->config->hub, &d->hub);
	if (r == 0)
		r = work_queue_new(d->loop, &d->work);
	if (r == 0)
		r = make_timers(d);
	if (r)
		return r;
	d->introspect = (struct introspect){d->loop, d->hub, clock_unix_ms(), &d->ops.departures};
	d->ops.loop = d->loop;
	d->ops.hub = d->hub;
	d->ops.introspect = &d->introspect;
	d->ops.limits = d->config->hub;
	d->ops.outbox_max = d->config->peer.outbox_max;
	r = peer_ops_init(&d->ops);
	if (r)
		return r;
	LIST_EACH(c, &d->config->servers, struct config_server, link) {
		r = add_server(d, c, why, why_size);
		if (r)
			return r;
	}
	return listen_somewhere(d, why, why_size);
}

DEFINE_FREEP(daemon, daemon_free)

int daemon_new(const struct config *config, struct daemon **ret, char *why, size_t why_size)
{
	CLEANUP(daemon_freep) struct daemon *d = calloc(1, sizeof(*d));

	snprintf(why, why_size, "%s", "");
	if (!d)
		return -ENOMEM;
	d->config = config;
	list_init(&d->servers);
	list_init(&d->peers);
	loop_hook_init(&d->status, tell_status, d);
	loop_hook_init(&d->farewell, say_farewell, d);
	int r = build(d, why, why_size);
	if (r) {
		if (!*why)
			snprintf(why, why_size, "%s", strerror(-r));
		return r;
	}
	*ret = TAKE(d);
	return 0;
}

int daemon_run(struct daemon *d)
{
	LIST_EACH(s, &d->servers, struct server, link)
		upstream_start(s->upstream);
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"socket", slice_of(listener_path(d->listeners[0]))}),
		"serving");
	systemd_ready(NULL);
	return loop_run(d->loop);
}

void daemon_free(struct daemon *d)
{
	if (!d)
		return;
	close_listeners(d);
	while (!list_empty(&d->peers))
		peer_abort(peer_of_link(d->peers.next));
	LIST_EACH_SAFE(s, &d->servers, struct server, link) {
		upstream_free(s->upstream);
		plugin_chain_free(s->plugins);
		list_remove(&s->link);
		free(s);
	}
	loop_hook_cancel(&d->farewell);
	loop_hook_cancel(&d->status);
	log_on_held((struct wake){NULL, NULL});
	log_report_held(true);
	loop_timer_free(d->held);
	loop_timer_free(d->watchdog);
	loop_timer_free(d->stop_timer);
	loop_signal_free(d->sighup);
	loop_signal_free(d->sigint);
	loop_signal_free(d->sigterm);
	peer_ops_fini(&d->ops);
	work_queue_free(d->work);
	hub_free(d->hub);
	curl_loop_free(d->curl);
	loop_free(d->loop);
	free(d);
}
