/*
 * Starts and stops everything in order. Start: loop, hub, servers, then the socket, so that all servers
 * exist when the first local program connects. Stop: the socket is closed, sessions disconnect, output to peers
 * is flushed, the loop ends; after three seconds it ends in any case. Also reloads the configuration on request.
 */
#include "daemon.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "config/diff.h"
#include "config/dump.h"
#include "hub/hub.h"
#include "local/introspect.h"
#include "local/listener.h"
#include "local/peer.h"
#include "local/peer_ops.h"
#include "local/wire_out.h"
#include "net/curl_loop.h"
#include "protocol/json_write.h"
#include "protocol/utf8.h"
#include "servers/extensions.h"
#include "servers/servers.h"
#include "state.h"
#include "systemd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 3000
/* for a slow disk: after it, servers begin with new positions, or the last ones are not kept */
#define STATE_START_MS 5000
#define STATE_STOP_MS 3000
#define FULL_RETRY_MS 1000      /* when a peer that is one too many should try again */
#define RELOAD_RESULT_MAX (1u << 20)
#define PEERS_REFUSED_MAX 16    /* connections closed with "too-many" at a time; others are just closed */

struct daemon {
	struct config *config;
	const char *path;               /* of the configuration file */
	struct fault fault;             /* why the last reload failed */
	struct loop *loop;
	struct curl_loop *curl;
	struct hub *hub;
	struct work_queue *work;        /* of the peers and listeners */
	struct introspect introspect;
	struct peer_ops ops;
	struct store *store;
	struct state_log state_log;
	struct servers *servers;
	struct listener *listeners[SYSTEMD_SOCKETS_MAX];
	size_t n_listeners;
	struct list peers;              /* peer_link() */
	size_t n_peers;
	struct loop_signal *sigterm, *sigint, *sighup;
	struct loop_timer *watchdog, *stop_timer;
	struct loop_timer *held;        /* log lines were held back */
	struct loop_hook status;        /* sends the status line to systemd */
	struct loop_hook closing;       /* closes all peers when the daemon stops */
	bool stopping, servers_stopped;
};

/* ---- peers ---- */

static void stop_when_empty(struct daemon *d)
{
	if (d->stopping && d->servers_stopped && !d->n_peers)
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

/* ---- status for the service manager ---- */

static void send_status(void *ctx)
{
	struct daemon *d = ctx;
	struct store_info store;
	char line[512];

	store_info(d->store, &store);
	if (fault_is_set(&d->fault))
		snprintf(line, sizeof(line), "the last reload failed: %.400s", d->fault.text);
	else if (store.state == STORE_FAILING)
		snprintf(line, sizeof(line), "the state cannot be written: %.400s", store.reason);
	else
		servers_states(d->servers, line, sizeof(line));
	systemd_status(line);
}

static void on_server_changed(void *ctx)
{
	struct daemon *d = ctx;

	loop_at_end(d->loop, &d->status);
}

static void on_store_changed(void *ctx)
{
	struct daemon *d = ctx;

	state_log_changes(&d->state_log, d->store);
	loop_at_end(d->loop, &d->status);
}

static void on_watchdog(void *ctx)
{
	struct daemon *d = ctx;

	/* the loop calls this, so a blocked loop misses the watchdog */
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

static void on_servers_stopped(void *ctx)
{
	struct daemon *d = ctx;

	d->servers_stopped = true;
	stop_when_empty(d);
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

/* The sessions have reported the requests that were not sent; what is still pending now has an unknown outcome. */
static void close_peers(void *ctx)
{
	struct daemon *d = ctx;

	hub_end_requests(d->hub, SLICE("the daemon stops before an answer was received"));
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
	bool restart = signo == SIGTERM && systemd_restarts();
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"signal", slice_of(strsignal(signo))}),
		restart ? "stopping for a restart" : "stopping");
	systemd_stopping();
	close_listeners(d);
	servers_stop(d->servers, restart);
	loop_at_end(d->loop, &d->closing);
	loop_timer_at(d->stop_timer, loop_now(d->loop) + STOP_TIMEOUT_MS);
}

/* ---- start ---- */

static int adopt_sockets(struct daemon *d, struct fault *why)
{
	int fds[SYSTEMD_SOCKETS_MAX];
	int n = systemd_sockets(fds, SYSTEMD_SOCKETS_MAX, why);

	if (n < 0)
		return n;
	if (fault_is_set(why))
		log_msg(LOG_L_WARNING, LOG_FIELDS({"sockets", slice_of(why->text)}),
			"ignoring some of the sockets passed by systemd");
	for (int i = 0; i < n; i++) {
		int r = listener_adopt(d->work, fds[i], on_accepted, d,
				       &d->listeners[d->n_listeners]);
		if (r) {
			while (i < n)
				close(fds[i++]);
			fault_set(why, "the socket passed by systemd: %s", strerror(-r));
			return r;
		}
		d->n_listeners++;
	}
	return 0;
}

static int listen_somewhere(struct daemon *d, struct fault *why)
{
	int r = adopt_sockets(d, why);

	if (r || d->n_listeners)
		return r;
	r = listener_open(d->work, &d->config->listener, on_accepted, d, why,
			  &d->listeners[0]);
	if (r == 0)
		d->n_listeners = 1;
	return r > 0 ? -EADDRINUSE : r;
}

/* ---- reading the configuration again ---- */

/* What a reload changes, for the log and the reply to the reload request. */
struct changes {
	struct json_write out;
	struct fault failed;    /* what is not in effect, and why */
};

static const char *const effects[] = {
	[CONFIG_NEW_SESSION] = "new-session", [CONFIG_LIVE] = "used",       [CONFIG_RESTART] = "restart",
	[CONFIG_ADDED] = "added",             [CONFIG_REMOVED] = "removed",
};

static void log_option(const struct config_difference *d)
{
	/* there are no more lines than options */
	log_msg_limited_by_caller(LOG_L_NOTICE,
				  LOG_FIELDS({"server", slice_of(d->server)}, {"option", slice_of(d->option)},
					     {"place", slice_of(d->place ? d->place : "default")}),
				  d->change == CONFIG_RESTART
					  ? "an option has changed; restart the daemon to use it"
					  : "an option has changed");
}

static void put_member(struct json_write *w, const char *key, const char *text)
{
	if (!text)
		return;
	json_key(w, key);
	json_put_str(w, text);
}

static void on_difference(void *ctx, const struct config_difference *d)
{
	struct changes *changes = ctx;

	if (d->option)
		log_option(d);
	if (d->change == CONFIG_FAILED) {
		fault_set(&changes->failed, "%s", d->reason);
		return;
	}
	json_object_begin(&changes->out);
	put_member(&changes->out, "server", d->server);
	put_member(&changes->out, "option", d->option);
	put_member(&changes->out, "place", d->place);
	put_member(&changes->out, "effect", effects[d->change]);
	json_object_end(&changes->out);
}

static void use_limits(struct daemon *d)
{
	d->ops.limits = d->config->hub;
	d->ops.outbox_max = d->config->peer.outbox_max;
}

static void follow(struct daemon *d, struct config *now, struct changes *changes)
{
	struct config *old = d->config;

	config_diff_bridge(old, now, on_difference, changes);
	d->config = now;
	log_set_level(now->log_level);
	hub_set_options(d->hub, &now->hub);
	use_limits(d);
	servers_apply(d->servers, now, on_difference, changes);
	config_free(old);
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"config", slice_of(d->path)}), "the configuration was reloaded");
}

static void log_report(const struct config_report *report)
{
	for (size_t i = 0; i < report->n_warnings; i++)
		log_msg_limited_by_caller(LOG_L_WARNING, LOG_FIELDS({"warning", slice_of(report->warnings[i])}),
					  "a warning about the configuration");
	for (size_t i = 0; i < report->n_errors; i++)
		log_msg_limited_by_caller(LOG_L_ERROR, LOG_FIELDS({"fault", slice_of(report->errors[i])}),
					  "the configuration has an error");
}

/* A configuration with an error changes nothing; its first error is written to changes->failed. */
static void read_again(struct daemon *d, struct changes *changes)
{
	struct config_report report;
	struct config *now = NULL;

	config_report_init(&report);
	int r = config_load(d->path, &report, &now);
	if (r == 0)
		extensions_check(now, &report);
	log_report(&report);
	if (r == 0 && !config_report_has_errors(&report)) {
		follow(d, now, changes);
	} else {
		const char *why = report.n_errors ? report.errors[0] : strerror(r < 0 ? -r : ENOMEM);

		config_free(now);
		log_msg(LOG_L_ERROR, LOG_FIELDS({"config", slice_of(d->path)}),
			"the reload failed; the daemon keeps the previous configuration");
		fault_set(&changes->failed, "%s", why);
	}
	config_report_fini(&report);
}

/* peer_ops_admin::reload */
static int reload(void *ctx, struct buf *result, struct fault *why)
{
	struct daemon *d = ctx;
	struct changes changes = {0};

	json_write_init(&changes.out, result);
	json_object_begin(&changes.out);
	json_key(&changes.out, "changes");
	json_array_begin(&changes.out);
	read_again(d, &changes);
	json_array_end(&changes.out);
	json_object_end(&changes.out);
	d->fault = changes.failed;
	if (!utf8_valid(slice_of(d->fault.text)))
		fault_set(&d->fault, "an error in a file whose name is not UTF-8; see the log");
	d->introspect.reloaded = clock_unix_ms();
	d->introspect.reload_fault = fault_is_set(&d->fault) ? d->fault.text : NULL;
	loop_at_end(d->loop, &d->status);
	*why = d->fault;
	/* more changes than fit into a reply are in the log */
	int r = json_write_done(&changes.out) ? buf_put_str(result, "{}") : 0;
	return fault_is_set(&d->fault) ? 1 : r;
}

/* peer_ops_admin::config */
static int dump(void *ctx, struct buf *text)
{
	struct daemon *d = ctx;

	return config_dump(d->config, text);
}

static void on_hangup_signal(void *ctx, int signo)
{
	struct daemon *d = ctx;
	CLEANUP(buf_fini) struct buf result;
	struct fault why;

	(void)signo;
	buf_init(&result, RELOAD_RESULT_MAX);
	if (!d->stopping)
		reload(d, &result, &why);
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

static int build(struct daemon *d, struct fault *why)
{
	int r = loop_new(&d->loop);

	if (r == 0)
		r = curl_loop_new(d->loop, &d->curl);
	if (r == 0)
		r = hub_new(&d->config->hub, &wire_out_encoder, &d->hub);
	if (r == 0)
		r = work_queue_new(d->loop, &d->work);
	if (r == 0)
		r = make_timers(d);
	if (r == 0)
		r = state_open(d->loop, (struct wake){on_store_changed, d}, &d->store);
	if (r)
		return r;
	const struct servers_parts parts = {.loop = d->loop, .curl = d->curl, .hub = d->hub, .store = d->store,
					    .changed = {on_server_changed, d}, .stopped = {on_servers_stopped, d}};
	d->introspect = (struct introspect){d->loop, d->hub, d->store, clock_unix_ms(), &d->ops.departures, 0, NULL};
	d->ops.loop = d->loop;
	d->ops.hub = d->hub;
	d->ops.introspect = &d->introspect;
	d->ops.admin = (struct peer_ops_admin){reload, dump, d};
	use_limits(d);
	r = peer_ops_init(&d->ops);
	if (r == 0)
		r = servers_new(&parts, d->config, why, &d->servers);
	if (r)
		return r;
	/* the first positions of the servers */
	store_flush(d->store, STATE_START_MS);
	return listen_somewhere(d, why);
}

DEFINE_FREEP(daemon, daemon_free)

int daemon_new(struct config *config, const char *path, struct daemon **ret, struct fault *why)
{
	CLEANUP(daemon_freep) struct daemon *d = calloc(1, sizeof(*d));

	fault_clear(why);
	if (!d) {
		config_free(config);
		return -ENOMEM;
	}
	d->config = config;
	d->path = path;
	list_init(&d->peers);
	loop_hook_init(&d->status, send_status, d);
	loop_hook_init(&d->closing, close_peers, d);
	int r = build(d, why);
	if (r) {
		if (!fault_is_set(why))
			fault_set_errno(why, r);
		return r;
	}
	*ret = TAKE(d);
	return 0;
}

int daemon_run(struct daemon *d)
{
	servers_start(d->servers);
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
	servers_free(d->servers);
	if (d->store)
		store_flush(d->store, STATE_STOP_MS);
	loop_hook_cancel(&d->closing);
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
	store_free(d->store);
	hub_free(d->hub);
	curl_loop_free(d->curl);
	loop_free(d->loop);
	config_free(d->config);
	free(d);
}
