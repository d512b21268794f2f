/*
 * Owns one extension of one server from create() to destroy(). None of its functions
 * is called after destroy(). Its log lines contain its name and are limited.
 */
#include "plugin/instance.h"

#include "base/clock.h"
#include "base/fault.h"
#include "plugin/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- its log ---- */

static void host_log(const struct cometd_extension_host *host, enum cometd_extension_level level,
		     const char *text)
{
	struct plugin_instance *x = plugin_instance_of(host);

	if (level < COMETD_EXTENSION_ERROR)
		level = COMETD_EXTENSION_ERROR;
	if (level > COMETD_EXTENSION_DEBUG)
		level = COMETD_EXTENSION_DEBUG;
	LOG(&x->log, (enum log_level)level, FIELDS(x), "%s", text);
}

/* ---- call_later() ---- */

struct plugin_later {
	struct list link;
	struct plugin_instance *x;
	struct loop_timer *timer;
	void (*fn)(void *self, void *arg);
	void *arg;
};

static void later_free(struct plugin_later *l)
{
	list_remove(&l->link);
	l->x->n_later--;
	loop_timer_free(l->timer);
	free(l);
}

static void on_later(void *ctx)
{
	struct plugin_later l = *(struct plugin_later *)ctx;
	uint64_t since = clock_boot_ms();

	later_free(ctx);
	l.fn(l.x->self, l.arg);
	plugin_report_time(l.x, since, "call_later");
}

static int host_call_later(const struct cometd_extension_host *host, uint32_t ms,
			   void (*fn)(void *self, void *arg), void *arg)
{
	struct plugin_instance *x = plugin_instance_of(host);
	struct plugin_later *l;

	if (x->n_later == COMETD_EXTENSION_LATER_MAX)
		return -ENOSPC;
	l = malloc(sizeof(*l));
	if (!l)
		return -ENOMEM;
	*l = (struct plugin_later){.x = x, .fn = fn, .arg = arg};
	int r = loop_timer_new(x->loop, on_later, l, &l->timer);
	if (r) {
		free(l);
		return r;
	}
	list_append(&x->later, &l->link);
	x->n_later++;
	loop_timer_at(l->timer, loop_now(x->loop) + ms);
	return 0;
}

/* ---- life ---- */

static const struct cometd_extension_host host_template = {
	.size = sizeof(struct cometd_extension_host),
	.field = plugin_message_field,
	.ext = plugin_message_ext,
	.set_ext = plugin_message_set_ext,
	.set_data = plugin_message_set_data,
	.log = host_log,
	.call_later = host_call_later,
	.credential_ready = plugin_source_ready,
	.credential_failed = plugin_source_failed,
};

/* `config` is followed by a NUL, as the interface requires. */
static int create(struct plugin_instance *x, const char *config, size_t n, struct fault *why)
{
	int r;

	fault_clear(why);
	r = x->table->create(&x->host, x->server, config, n, &x->self, why->text,
			     sizeof(why->text));
	why->text[sizeof(why->text) - 1] = '\0';
	if (r == -ENOMEM)
		return r;
	if (r && !fault_is_set(why))
		fault_set(why, "its create() failed: %s", strerror(abs(r)));
	x->made = r == 0;
	return r ? PLUGIN_E_UNFIT : 0;
}

DEFINE_FREEP(plugin_instance, plugin_instance_free)

static int make(struct plugin_instance *x, const char *name, struct slice config, struct fault *why)
{
	char *text = malloc(config.n + 1);

	x->name = strdup(name);
	int r = text && x->name ? 0 : -ENOMEM;
	if (r == 0) {
		memcpy(text, config.n ? config.p : "", config.n);
		text[config.n] = '\0';
		r = create(x, text, config.n, why);
	}
	/* it may contain a secret */
	if (text)
		explicit_bzero(text, config.n);
	free(text);
	return r;
}

int plugin_instance_new(struct loop *loop, const char *server, struct plugin *p, const char *name,
			struct slice config, struct fault *why, struct plugin_instance **ret)
{
	CLEANUP(plugin_instance_freep) struct plugin_instance *x = calloc(1, sizeof(*x));

	if (!x) {
		plugin_free(p);
		return -ENOMEM;
	}
	x->host = host_template;
	x->loop = loop;
	x->server = server;
	x->plugin = p;
	x->table = plugin_table(p);
	list_init(&x->later);
	int r = make(x, name, config, why);
	if (r)
		return r;
	*ret = TAKE(x);
	return 0;
}

void plugin_instance_free(struct plugin_instance *x)
{
	if (!x)
		return;
	LIST_EACH_SAFE(l, &x->later, struct plugin_later, link)
		later_free(l);
	if (x->made)
		x->table->destroy(x->self);
	/* destroy() may have called call_later() */
	LIST_EACH_SAFE(l, &x->later, struct plugin_later, link)
		later_free(l);
	plugin_free(x->plugin);
	free(x->name);
	free(x);
}
