/*
 * A credential source that calls credential() of an extension. One request at a time,
 * which ends by an answer or by the timeout; an answer without a request is ignored.
 * The secret is wiped after it was passed on.
 */
#include "plugin/instance.h"

#include "base/clock.h"
#include "base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(COMETD_EXTENSION_SECRET_MAX == AUTH_SECRET_MAX, "as documented in the header");

struct plugin_source {
	struct auth_source source;
	struct plugin_instance *x;
	uint64_t timeout;
	struct loop_timer *timer;       /* the timeout */
	struct loop_hook hook;          /* reports the answer from the loop */
	bool waiting;
	struct auth_secret secret;
	struct fault why;               /* not set: there is a secret */
};

/* ---- the answer ---- */

static void report(void *ctx)
{
	struct plugin_source *s = ctx;
	bool failed = fault_is_set(&s->why);
	const struct auth_fetched f = {.secret = failed ? NULL : &s->secret,
				       .why = failed ? s->why.text : NULL};

	s->source.fetched(s->source.ctx, &f);
	auth_secret_wipe(&s->secret);
}

/* Ends the request; NULL if there is none. */
static struct plugin_source *end_request(const struct cometd_extension_host *host)
{
	struct plugin_source *s = plugin_instance_of(host)->source;

	if (!s || !s->waiting)
		return NULL;
	s->waiting = false;
	loop_timer_stop(s->timer);
	loop_at_end(s->x->loop, &s->hook);
	return s;
}

int plugin_source_ready(const struct cometd_extension_host *host, const char *secret, size_t n,
			uint64_t lifetime_ms)
{
	struct plugin_source *s;

	s = end_request(host);
	if (!s)
		return -EALREADY;
	fault_clear(&s->why);
	const char *fault = auth_answer_line(slice_make(secret, n), &s->secret);
	s->secret.lifetime = lifetime_ms;
	if (fault)
		fault_set(&s->why, "the credential of extension %s: %s", s->x->name,
			  fault);
	return 0;
}

int plugin_source_failed(const struct cometd_extension_host *host, const char *why)
{
	struct plugin_source *s = end_request(host);

	if (!s)
		return -EALREADY;
	fault_set(&s->why, "extension %s: %s", s->x->name, why);
	return 0;
}

static void on_timer(void *ctx)
{
	struct plugin_source *s = ctx;

	s->waiting = false;
	fault_set(&s->why, "extension %s supplied no credential in time", s->x->name);
	report(s);
}

/* ---- the request ---- */

static int fetch(struct auth_source *source, struct fault *why)
{
	struct plugin_source *s = LIST_OF(source, struct plugin_source, source);
	uint64_t since = clock_boot_ms();

	s->waiting = true;
	loop_timer_at(s->timer, loop_now(s->x->loop) + s->timeout);
	int r = s->x->table->credential(s->x->self);
	plugin_report_time(s->x, since, "credential");
	if (r == 0)
		return 0;
	s->waiting = false;
	loop_timer_stop(s->timer);
	loop_hook_cancel(&s->hook);
	auth_secret_wipe(&s->secret);
	fault_set(why, "extension %s: %s", s->x->name,
		  r < 0 && r > -4096 ? strerror(-r) : "its credential() failed");
	return -EIO;
}

static void source_free(struct auth_source *source)
{
	struct plugin_source *s = LIST_OF(source, struct plugin_source, source);

	s->x->source = NULL;
	loop_hook_cancel(&s->hook);
	loop_timer_free(s->timer);
	auth_secret_wipe(&s->secret);
	free(s);
}

int plugin_source_new(struct plugin_instance *x, uint64_t timeout, struct auth_source **ret)
{
	static const struct auth_source_type type = {fetch, source_free};
	struct plugin_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->source.type = &type;
	s->x = x;
	s->timeout = timeout;
	loop_hook_init(&s->hook, report, s);
	int r = loop_timer_new(x->loop, on_timer, s, &s->timer);
	if (r) {
		free(s);
		return r;
	}
	x->source = s;
	*ret = &s->source;
	return 0;
}
