/*
 * A chain of extensions in a loop of its own, with its log.
 */
#include "tests/unit/plugin_world.h"

#include "base/fault.h"
#include "base/log.h"
#include "bayeux/ext.h"
#include "bayeux/ext_ack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plugin_world world;

static void sink(void *ctx, const struct log_line *line)
{
	size_t n = strlen(world.log);

	(void)ctx;
	n += (size_t)snprintf(world.log + n, sizeof(world.log) - n, "%s", line->text);
	for (size_t i = 0; i < line->n_fields; i++)
		n += (size_t)snprintf(world.log + n, sizeof(world.log) - n, " %s=%.*s",
				      line->fields[i].name, SLICE_ARG(line->fields[i].value));
	snprintf(world.log + n, sizeof(world.log) - n, "\n");
}

unsigned count_in_log(const char *text)
{
	unsigned n = 0;

	for (const char *p = world.log; (p = strstr(p, text)); p++)
		n++;
	return n;
}

void assert_log(const char *text)
{
	if (!strstr(world.log, text))
		fail_msg("not in the log: %s\n%s", text, world.log);
}

int plugin_world_setup(void **state)
{
	struct ext *ack;

	(void)state;
	memset(&world, 0, sizeof(world));
	list_init(&world.reserved);
	if (loop_new(&world.loop) || ext_ack_new(&ack))
		return -1;
	ext_add(&world.reserved, ack);
	log_set_sink(sink, NULL);
	return plugin_chain_new(world.loop, "demo", &world.chain);
}

int plugin_world_teardown(void **state)
{
	(void)state;
	plugin_chain_free(world.chain);
	ext_free_all(&world.reserved);
	loop_free(world.loop);
	log_set_sink(NULL, NULL);
	return 0;
}

const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/.libs/%s.so", getenv("top_builddir"), name);
	return path;
}

int add(const char *module, const char *name, const char *config, struct fault *why)
{
	struct plugin *p;
	int r = plugin_load(path_of(module), why, &p);

	return r ? r : plugin_chain_add(world.chain, p, name, slice_of(config), why);
}

void must_add(const char *module, const char *name, const char *config)
{
	struct fault why = {0};

	if (add(module, name, config, &why))
		fail_msg("%s: %s", module, why.text);
}

const char *pass(enum hook_kind kind, bool incoming, const char *channel, const char *data,
		 const char *ext)
{
	static char result[200000];
	struct session_hooks hooks = plugin_chain_hooks(world.chain);
	struct hook_change change = {SLICE_NULL, SLICE_NULL};
	bool event = kind == HOOK_EVENT, publish = kind == HOOK_PUBLISH && !incoming;
	char text[512];

	snprintf(text, sizeof(text), "{\"channel\":\"%s\",\"x\":[1, 2],\"id\":\"7\"}", channel);
	const struct hook_message m = {
		.kind = kind, .incoming = incoming, .may_change = event || !incoming,
		.may_delete = event || publish || kind == HOOK_SUBSCRIBE,
		.channel = slice_of(channel), .id = SLICE("7"), .data = slice_of(data),
		.ext = slice_of(ext), .text = slice_of(text), .reserved = &world.reserved};
	int r = hooks.see(hooks.ctx, &m, &change);
	snprintf(result, sizeof(result), "%s %.*s %.*s",
		 r == 0 ? "as it was" : r == HOOK_CHANGED ? "changed" : r == HOOK_DELETE ? "deleted"
		 : strerror(-r), SLICE_ARG(change.data), SLICE_ARG(change.ext));
	return result;
}

const char *publish(const char *channel, const char *data, const char *ext)
{
	return pass(HOOK_PUBLISH, false, channel, data, ext);
}

const char *event(const char *channel, const char *data, const char *ext)
{
	return pass(HOOK_EVENT, true, channel, data, ext);
}
