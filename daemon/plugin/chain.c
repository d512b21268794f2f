/*
 * Passes each message through the extensions of a server. If an extension fails, its
 * changes are undone and the message continues; if the extension has the flag
 * COMETD_EXTENSION_REQUIRED, the message is deleted instead, where that is allowed.
 */
#include "plugin/chain.h"

#include "base/clock.h"
#include "base/fault.h"
#include "plugin/instance.h"
#include "plugin/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plugin_chain {
	struct loop *loop;
	char *server;
	struct plugin_instance **v;
	size_t n;
	struct plugin_message message;
};

/* ---- a message ---- */

/* What is wrong with the result of a hook; NULL: it is valid and allowed. */
static const char *verdict_fault(int r, const struct hook_message *m)
{
	if (r == COMETD_EXTENSION_DELETE && !m->may_delete)
		return "it deletes a message that must not be deleted";
	if (r == COMETD_EXTENSION_DELETE || r == COMETD_EXTENSION_PASS)
		return NULL;
	return r < 0 && r > -4096 ? strerror(-r) : "it returned an unknown verdict";
}

/* Calls the hook of one extension. 0, HOOK_DELETE, -ENOMEM. */
static int call_hook(struct plugin_chain *c, struct plugin_instance *x, const struct hook_message *m)
{
	int (*hook)(void *self, struct cometd_extension_message *m) =
		m->incoming ? x->table->incoming : x->table->outgoing;
	uint64_t since = clock_boot_ms();

	if (!hook || x->disabled)
		return 0;
	plugin_message_show(&c->message);
	int r = hook(x->self, &c->message.shown);
	plugin_report_time(x, since, m->incoming ? "incoming" : "outgoing");
	if (c->message.short_of_memory)
		return -ENOMEM;
	const char *fault = c->message.fault ? c->message.fault : verdict_fault(r, m);
	if (fault) {
		plugin_report_failure(x, m, fault);
		bool required = x->table->flags & COMETD_EXTENSION_REQUIRED;
		return required && m->may_delete ? HOOK_DELETE : 0;
	}
	x->failures = 0;
	plugin_message_keep(&c->message);
	return r == COMETD_EXTENSION_DELETE ? HOOK_DELETE : 0;
}

static int see(void *ctx, const struct hook_message *m, struct hook_change *ret)
{
	struct plugin_chain *c = ctx;
	int r = 0;

	plugin_message_begin(&c->message, m);
	for (size_t i = 0; i < c->n && r == 0; i++)
		r = call_hook(c, c->v[m->incoming ? c->n - 1 - i : i], m);
	int changed = plugin_message_end(&c->message, ret);
	return r ? r : changed;
}

static const char *disabled(void *ctx, size_t i)
{
	const struct plugin_chain *c = ctx;

	for (size_t at = 0; at < c->n; at++)
		if (c->v[at]->disabled && i-- == 0)
			return c->v[at]->name;
	return NULL;
}

struct session_hooks plugin_chain_hooks(struct plugin_chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i]->table->outgoing || c->v[i]->table->incoming)
			return (struct session_hooks){see, c, disabled};
	return (struct session_hooks){NULL, NULL, NULL};
}

/* ---- credentials ---- */

int plugin_chain_credential(struct plugin_chain *c, const char *name, uint64_t timeout, struct fault *why,
			    struct auth_source **ret)
{
	const char *fault = "this server has no such extension";

	for (size_t i = 0; i < c->n; i++) {
		struct plugin_instance *x = c->v[i];

		if (strcmp(x->name, name) != 0)
			continue;
		if (x->table->credential && !x->source)
			return plugin_source_new(x, timeout, ret);
		fault = x->source ? "its credential is used already" : "it supplies no credential";
		break;
	}
	return fault_fail(why, PLUGIN_E_UNFIT, "%s", fault);
}

/* ---- life ---- */

int plugin_chain_new(struct loop *loop, const char *server, struct plugin_chain **ret)
{
	CLEANUP(plugin_chain_freep) struct plugin_chain *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	plugin_message_init(&c->message);
	c->loop = loop;
	c->server = strdup(server);
	if (!c->server)
		return -ENOMEM;
	*ret = TAKE(c);
	return 0;
}

int plugin_chain_add(struct plugin_chain *c, struct plugin *p, const char *name,
		     struct slice config, struct fault *why)
{
	struct plugin_instance **v = realloc(c->v, (c->n + 1) * sizeof(*v));
	int r;

	if (!v) {
		plugin_free(p);
		return -ENOMEM;
	}
	c->v = v;
	r = plugin_instance_new(c->loop, c->server, p, name, config, why, &v[c->n]);
	if (r == 0)
		c->n++;
	return r;
}

void plugin_chain_free(struct plugin_chain *c)
{
	if (!c)
		return;
	while (c->n)
		plugin_instance_free(c->v[--c->n]);
	plugin_message_fini(&c->message);
	free(c->v);
	free(c->server);
	free(c);
}
