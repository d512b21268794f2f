/* Adds, changes and removes servers, one at a time, to match the configuration. */
#include "servers/servers.h"

#include "auth/auth.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "servers/extensions.h"
#include "upstream/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct server {
	struct list link;               /* servers::list */
	struct servers *all;
	struct upstream *upstream;
	/* its extensions or NULL; freed after the session that uses them. later_plugins are those of a new session
	   that has not started yet */
	struct plugin_chain *plugins, *later_plugins;
	bool outdated;                  /* applying changed options failed; the next reload tries again */
	bool leaving;                   /* removed from the configuration, and disconnecting */
	bool stopped;
};

struct servers {
	struct servers_parts parts;
	const struct config *config;
	struct list list;
	/* of the servers_apply() at hand; NULL: none */
	void (*note)(void *ctx, const struct config_difference *d);
	void *note_ctx;
	bool stopping;
};

/* ---- making one ---- */

/* Makes the credential source, unless it is a file or an extension. 0 or a negative errno. */
static int make_source(const struct servers *all, const struct config_server *c, struct auth_source **ret)
{
	if (c->credential_command)
		return auth_command_new(all->parts.loop, c->credential_command, c->credential_timeout, ret);
	if (!c->oauth)
		return 0;
	struct auth_oauth_options oauth = c->oauth->options;
	oauth.timeout = c->credential_timeout;
	oauth.http = &c->upstream.http;
	return auth_oauth_new(all->parts.loop, all->parts.curl, &oauth, ret);
}

/* `source`: the one of an extension, of which this takes ownership; or NULL. */
static int make_auth(const struct servers *all, const struct config_server *c, struct auth_source *source,
		     struct auth **ret)
{
	struct auth_options options = c->auth;
	int r = 0;

	if (c->auth.kind == AUTH_NONE)
		return 0;
	if (!source)
		r = make_source(all, c, &source);
	if (r)
		return r;
	options.name = c->name;
	options.source = source;
	options.backoff_min = c->upstream.session.backoff_min;
	options.backoff_max = c->upstream.session.backoff_max;
	return auth_new(all->parts.loop, &options, ret);
}

static void on_changed(void *ctx)
{
	struct server *s = ctx;

	wake_up(&s->all->parts.changed);
}

/* Adds to the options what is not in the configuration. The caller frees *plugins, also on failure. */
static int make_options(struct server *s, const struct config_server *c, struct upstream_options *o,
			struct plugin_chain **plugins, struct fault *why)
{
	struct auth_source *source = NULL;      /* an extension */

	*o = c->upstream;
	o->name = c->name;
	o->changed = (struct wake){on_changed, s};
	o->store = s->all->parts.store;
	o->fingerprint = config_fingerprint(c);
	int r = extensions_make(s->all->parts.loop, c, why, plugins);
	if (r == 0)
		r = extensions_credential(*plugins, c, why, &source);
	if (r == 0)
		r = make_auth(s->all, c, source, &o->auth);
	if (r == 0 && *plugins)
		o->session.hooks = plugin_chain_hooks(*plugins);
	return r;
}

static void warn_of_certificate(const struct config_server *c)
{
	const struct http_options *http = &c->upstream.http;

	if (http->insecure)
		log_msg(LOG_L_WARNING, LOG_FIELDS({"server", slice_of(c->name)}),
			http->pin ? "tls-insecure: the certificate is not checked, only its key (tls-pin)"
				  : "tls-insecure: the certificate is not checked; an attacker on "
				    "the network can impersonate this server");
}

static void server_free(struct server *s)
{
	upstream_free(s->upstream);
	plugin_chain_free(s->later_plugins);
	plugin_chain_free(s->plugins);
	list_remove(&s->link);
	free(s);
}

static int add(struct servers *all, const struct config_server *c, struct fault *why,
	       struct server **ret)
{
	struct server *s = calloc(1, sizeof(*s));
	struct upstream_options options;

	if (!s)
		return -ENOMEM;
	s->all = all;
	list_append(&all->list, &s->link);
	int r = make_options(s, c, &options, &s->plugins, why);
	if (r == 0)
		r = upstream_new(all->parts.loop, all->parts.curl, all->parts.hub, &options, why,
				 &s->upstream);
	if (r) {
		server_free(s);
		return r;
	}
	warn_of_certificate(c);
	*ret = s;
	return 0;
}

static void on_exchanged(void *ctx)
{
	struct server *s = ctx;

	plugin_chain_free(s->plugins);
	s->plugins = TAKE(s->later_plugins);
}

/* Replaces the session of a server by one with new options. */
static int exchange(struct server *s, const struct config_server *c, struct fault *why)
{
	struct plugin_chain *plugins = NULL;
	struct upstream_options options;
	int r = make_options(s, c, &options, &plugins, why);

	if (r == 0)
		r = upstream_exchange(s->upstream, &options, on_exchanged, s, why);
	if (r) {
		plugin_chain_free(plugins);
		return r;
	}
	plugin_chain_free(s->later_plugins);
	s->later_plugins = plugins;
	warn_of_certificate(c);
	return 0;
}

/* ---- following the configuration ---- */

static struct server *find(const struct servers *all, const char *name)
{
	LIST_EACH(s, &all->list, struct server, link)
		if (strcmp(upstream_name(s->upstream), name) == 0)
			return s;
	return NULL;
}

/* Reports what became of a server as a whole. */
static void note_server(const struct servers *all, const char *name, enum config_change change, const char *reason)
{
	const struct config_difference d = {.server = name, .change = change, .reason = reason};

	if (change == CONFIG_FAILED)
		log_msg(LOG_L_ERROR, LOG_FIELDS({"server", slice_of(name)}, {"reason", slice_of(reason)}),
			"the changed configuration of this server cannot be used");
	else
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", slice_of(name)}),
			change == CONFIG_ADDED ? "added to the configuration" : "removed from the configuration");
	if (all->note)
		all->note(all->note_ctx, &d);
}

struct following {
	const struct servers *all;
	bool new_session;
};

static void on_difference(void *ctx, const struct config_difference *d)
{
	struct following *f = ctx;

	f->new_session |= d->change == CONFIG_NEW_SESSION;
	f->all->note(f->all->note_ctx, d);
}

static void follow(struct server *s, const struct config_server *old, const struct config_server *now)
{
	struct following f = {s->all, s->outdated};
	struct fault why = {0};

	config_diff_server(old, now, on_difference, &f);
	int r = f.new_session ? exchange(s, now, &why) : 0;
	s->outdated = r != 0;
	if (r)
		note_server(s->all, now->name, CONFIG_FAILED, fault_is_set(&why) ? why.text : strerror(-r));
	upstream_set_grace(s->upstream, now->upstream.grace);
	upstream_set_history(s->upstream, &now->upstream.history);
	upstream_set_durable(s->upstream, &now->upstream.durable);
	upstream_set_linger(s->upstream, now->upstream.linger);
	r = upstream_set_subscribe(s->upstream, &now->upstream.subscribe);
	if (r)
		note_server(s->all, now->name, CONFIG_FAILED, "out of memory for the option subscribe");
	upstream_set_default(s->upstream, now->upstream.is_default);
}

static void add_and_start(struct servers *all, const struct config_server *c)
{
	struct fault why = {0};
	struct server *s;
	int r = add(all, c, &why, &s);

	note_server(all, c->name, r ? CONFIG_FAILED : CONFIG_ADDED, fault_is_set(&why) ? why.text : strerror(-r));
	if (r == 0)
		upstream_start(s->upstream);
}

static bool all_have_stopped(const struct servers *all)
{
	LIST_EACH(s, &all->list, struct server, link)
		if (!s->stopped)
			return false;
	return true;
}

/* A server of the same name may have been added to the configuration again. */
static void on_left(void *ctx)
{
	struct server *s = ctx;
	struct servers *all = s->all;
	const struct config_server *c = config_find_server(all->config, upstream_name(s->upstream));

	server_free(s);
	if (all->stopping && all_have_stopped(all))
		wake_up(&all->parts.stopped);
	else if (!all->stopping && c)
		add_and_start(all, c);
	wake_up(&all->parts.changed);
}

static void leave(struct server *s)
{
	note_server(s->all, upstream_name(s->upstream), CONFIG_REMOVED, NULL);
	s->leaving = true;
	upstream_remove(s->upstream, on_left, s);
}

void servers_apply(struct servers *all, const struct config *now,
		   void (*changed)(void *ctx, const struct config_difference *d), void *ctx)
{
	const struct config *old = all->config;

	all->config = now;
	all->note = changed;
	all->note_ctx = ctx;
	LIST_EACH(s, &all->list, struct server, link) {
		const char *name = upstream_name(s->upstream);
		const struct config_server *before = config_find_server(old, name);
		const struct config_server *c = config_find_server(now, name);

		if (!s->leaving && c && before)
			follow(s, before, c);
		else if (!s->leaving && !c)
			leave(s);
	}
	LIST_EACH(c, &now->servers, struct config_server, link)
		if (!find(all, c->name))
			add_and_start(all, c);
	all->note = NULL;
	wake_up(&all->parts.changed);
}

/* ---- life ---- */

DEFINE_FREEP(servers, servers_free)

int servers_new(const struct servers_parts *parts, const struct config *config, struct fault *why,
		struct servers **ret)
{
	CLEANUP(servers_freep) struct servers *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->parts = *parts;
	all->config = config;
	list_init(&all->list);
	LIST_EACH(c, &config->servers, struct config_server, link) {
		struct server *s;
		int r = add(all, c, why, &s);

		if (r)
			return r;
	}
	*ret = TAKE(all);
	return 0;
}

void servers_start(struct servers *all)
{
	LIST_EACH(s, &all->list, struct server, link)
		upstream_start(s->upstream);
}

static void on_stopped(void *ctx)
{
	struct server *s = ctx;

	s->stopped = true;
	if (all_have_stopped(s->all))
		wake_up(&s->all->parts.stopped);
}

void servers_stop(struct servers *all, bool restart)
{
	all->stopping = true;
	LIST_EACH(s, &all->list, struct server, link)
		if (!s->leaving)
			(restart ? upstream_leave : upstream_stop)(s->upstream, on_stopped, s);
}

void servers_free(struct servers *all)
{
	if (!all)
		return;
	LIST_EACH_SAFE(s, &all->list, struct server, link)
		server_free(s);
	free(all);
}

void servers_states(const struct servers *all, char *line, size_t size)
{
	size_t n = 0;

	LIST_EACH(s, &all->list, struct server, link) {
		struct session_info info;

		session_info(upstream_session(s->upstream), &info);
		int k = snprintf(line + n, size - n, "%s%s: %s", n ? ", " : "", upstream_name(s->upstream),
				 session_state_name(info.state));
		if (k < 0 || (size_t)k >= size - n)
			break;   /* the rest does not fit; `cometctl status` shows all */
		n += (size_t)k;
	}
	line[n] = 0;
}
