/*
 * A chain of extensions, the shared objects of tests/unit/plugin_module.c, and
 * what they and the chain wrote to the log.
 */
#ifndef TESTS_PLUGIN_WORLD_H
#define TESTS_PLUGIN_WORLD_H

#include "tests/unit/testing.h"

#include "base/loop.h"
#include "bayeux/hooks.h"
#include "plugin/chain.h"

struct plugin_world {
	struct loop *loop;
	struct plugin_chain *chain;     /* of server "demo" */
	struct list reserved;
	char log[65536];                /* "text name=value …" of each line */
};
extern struct plugin_world world;

/* for cmocka: an empty chain, and ack as the bridge's own extension */
int plugin_world_setup(void **state);
int plugin_world_teardown(void **state);
#define PLUGIN_TEST(name)                                                                          \
	cmocka_unit_test_setup_teardown(name, plugin_world_setup, plugin_world_teardown)

unsigned count_in_log(const char *text);
void assert_log(const char *text);

/* of a shared object; until the next call */
const char *path_of(const char *name);
/* Loads it and makes an instance of it; result and words as of plugin_chain_add(). */
int add(const char *module, const char *name, const char *config, struct fault *why);
void must_add(const char *module, const char *name, const char *config);

/* One message through the chain; what became of it as "VERDICT DATA EXT", until the next call. */
const char *pass(enum hook_kind kind, bool incoming, const char *channel, const char *data,
		 const char *ext);
const char *publish(const char *channel, const char *data, const char *ext);
const char *event(const char *channel, const char *data, const char *ext);
#define UNTOUCHED "as it was  "

#endif
