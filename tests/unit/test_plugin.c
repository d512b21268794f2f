/*
 * Extensions in shared objects: which are not loaded and the error messages, their
 * configuration, the functions they may call, and the order in which they end.
 */
#include "tests/unit/plugin_world.h"

#include "base/clock.h"
#include "base/fault.h"
#include "config/extension_option.h"
#include "servers/extensions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- loading ---- */

static void what_is_not_loaded(void **state)
{
	static const struct {
		const char *module, *why;
	} cases[] = {
		{"plugin-abi", "version 2 of the interface, and this daemon has version 1"},
		{"plugin-small", "its table is too small"},
		{"plugin-mute", "no function cometd_bridge_extension()"},
		{"plugin-null", "returned NULL"},
		{"plugin-idle", "no outgoing(), incoming() or credential()"},
		{"plugin-nowhere", "No such file"},
	};
	char path[64] = "/tmp/test-plugin-XXXXXX";
	struct fault why;
	struct plugin *p = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(plugin_load(path_of(cases[i].module), &why, &p), PLUGIN_E_UNFIT);
		if (!strstr(why.text, cases[i].why))
			fail_msg("%s: \"%s\"", cases[i].module, why.text);
	}
	assert_int_equal(plugin_load("/tmp", &why, &p), PLUGIN_E_UNFIT);
	assert_non_null(strstr(why.text, "not a regular file"));
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(plugin_load(path, &why, &p), PLUGIN_E_UNFIT);
	assert_non_null(strstr(why.text, "file too short"));
	assert_int_equal(fchmod(fd, 0666), 0);
	assert_int_equal(plugin_load(path, &why, &p), PLUGIN_E_UNFIT);
	assert_non_null(strstr(why.text, "is writable for all users"));
	close(fd);
	unlink(path);
	assert_null(p);
}

static void lines_of_an_instance(void **state)
{
	struct fault why = {0};

	(void)state;
	assert_int_equal(add("plugin-good", "a", "refuse", &why), PLUGIN_E_UNFIT);
	assert_string_equal(why.text, "refused as configured");
	assert_int_equal(add("plugin-good", "a", "refuse silently", &why), PLUGIN_E_UNFIT);
	assert_string_equal(why.text, "its create() failed: Permission denied");
	assert_null(plugin_chain_hooks(world.chain).see);
	assert_int_equal(count_in_log("destroyed"), 0);
}

/* The last one is freed first; afterwards none of its callbacks is called. */
static void the_end(void **state)
{
	(void)state;
	must_add("plugin-good", "first", "");
	must_add("plugin-good", "second", "");
	must_add("plugin-required", "third", "");
	plugin_chain_free(world.chain);
	world.chain = NULL;
	for (int i = 0; i < 3; i++)
		loop_turn(world.loop, false);
	assert_string_equal(world.log, "destroyed server=demo extension=third\n"
				       "destroyed server=demo extension=second\n"
				       "destroyed server=demo extension=first\n");
}

/* ---- lines of configuration ---- */

static void lines(void **state)
{
	static const struct {
		const char *line, *name, *path, *config, *file;
	} good[] = {
		{"tenant", "tenant", EXTENSION_DIRECTORY "/tenant.so", "", NULL},
		{"tenant \t a b ", "tenant", EXTENSION_DIRECTORY "/tenant.so", "a b ", NULL},
		{"/x/y.so {\"a\":1}", "y", "/x/y.so", "{\"a\":1}", NULL},
		{"/x/y @/etc/z", "y", "/x/y", "@/etc/z", "/etc/z"},
		{"a-b_2.so", "a-b_2.so", EXTENSION_DIRECTORY "/a-b_2.so.so", "", NULL},
	};
	static const char *const bad[] = {
		"../tenant", "a/b", ".so", "/x/.so", "/x/", "a:b", "tenant @file", "tenant @",
		"-x", "0123456789012345678901234567890123456789012345678901234567890123x",
	};
	struct extension_option w;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(extension_option_parse(good[i].line, &w));
		assert_string_equal(w.name, good[i].name);
		assert_string_equal(w.path, good[i].path);
		assert_string_equal(w.config, good[i].config);
		assert_true(!w.file == !good[i].file);
		if (w.file)
			assert_string_equal(w.file, good[i].file);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!extension_option_parse(bad[i], &w))
			fail_msg("\"%s\" was taken", bad[i]);
}

/* Errors are reported before the daemon runs, with the line in the configuration; also the messages of an
   extension when it is created. */
static void servers(void **state)
{
	char good[600], refusing[600], other[600], nowhere[] = "nowhere";
	struct fault why = {0};
	const char *const fine[] = {good}, *const wrong[] = {good, other, nowhere},
			  *const refused[] = {good, refusing};
	char demo[] = "demo", place[] = "/etc/x.conf:7";
	struct config_server s = {.name = demo, .place = place, .extensions = {fine, 1}};
	struct plugin_chain *chain = NULL;
	struct auth_source *source = NULL;
	struct config_report report;
	struct config config;

	(void)state;
	snprintf(good, sizeof(good), "%s a", path_of("plugin-good"));
	snprintf(refusing, sizeof(refusing), "%s refuse", path_of("plugin-good"));
	snprintf(other, sizeof(other), "%s @/nowhere/at/all", path_of("plugin-good"));
	list_init(&config.servers);
	list_append(&config.servers, &s.link);
	config_report_init(&report);
	extensions_check(&config, &report);
	assert_false(config_report_has_errors(&report));
	s.extensions = (struct strings){wrong, 3};
	extensions_check(&config, &report);
	assert_int_equal(report.n_errors, 2);
	assert_string_equal(report.errors[0], "/etc/x.conf:7: [server demo]: extension plugin-good: "
					      "/nowhere/at/all: No such file or directory");
	assert_string_equal(report.errors[1], "/etc/x.conf:7: [server demo]: extension nowhere: "
			    EXTENSION_DIRECTORY "/nowhere.so: No such file or directory");
	config_report_fini(&report);
	s.extensions = (struct strings){refused, 2};
	assert_int_equal(extensions_make(world.loop, &s, &why, &chain), -EINVAL);
	assert_string_equal(why.text, "/etc/x.conf:7: [server demo]: extension plugin-good: refused as configured");
	s.extensions = (struct strings){fine, 1};
	assert_int_equal(extensions_make(world.loop, &s, &why, &chain), 0);
	assert_int_equal(extensions_credential(chain, &s, &why, &source), 0);
	assert_null(source);
	s.credential_extension = nowhere;
	assert_int_equal(extensions_credential(chain, &s, &why, &source), -EINVAL);
	assert_string_equal(why.text, "/etc/x.conf:7: [server demo]: credential-extension nowhere: this "
				 "server has no such extension");
	plugin_chain_free(chain);
	/* a server without any costs nothing */
	s.extensions.n = 0;
	chain = NULL;
	assert_int_equal(extensions_make(world.loop, &s, &why, &chain), 0);
	assert_null(chain);
}

/* ---- at work ---- */

static void slow_ones_are_named(void **state)
{
	(void)state;
	must_add("plugin-good", "snail", "");
	/* no time passes, on the slowest machine */
	clock_fake(0, 0);
	event("/pass", "1", NULL);
	clock_fake(UINT64_MAX, UINT64_MAX);
	assert_int_equal(count_in_log("took"), 0);
	event("/slow", "1", NULL);
	assert_log("incoming() of an extension took ");
	assert_log("ms and blocked the daemon server=demo extension=snail");
}

static void calling_back(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "many");
	assert_log("16 calls, then -28");
	while (count_in_log("called back") < COMETD_EXTENSION_LATER_MAX)
		assert_int_equal(loop_turn(world.loop, true), 0);
	for (int i = 0; i < 3; i++)
		loop_turn(world.loop, false);
	assert_int_equal(count_in_log("called back"), COMETD_EXTENSION_LATER_MAX);
}

/* The log limit of one extension does not affect others, and none can forge a line. */
static void logging_too_much(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	for (int i = 0; i < 50; i++)
		event("/chatter", "1", NULL);
	assert_int_equal(count_in_log("chatter\\x0a<3>forged server=demo extension=a\n"), 20);
	must_add("plugin-good", "b", "");
	event("/chatter", "1", NULL);
	assert_int_equal(count_in_log("chatter\\x0a<3>forged server=demo extension=b\n"), 1);
}

/* Each allocation of ours fails once: then the message is shown again, which does not count as a failure
   of the extension. */
static void memory_is_short(void **state)
{
	struct plugin *p;
	struct fault why = {0};
	unsigned failed = 0;

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = plugin_load(path_of("plugin-good"), &why, &p);

		if (r == 0)
			r = plugin_chain_add(world.chain, p, "a", SLICE("a"), &why);
		assert_true(r == 0 || r == -ENOMEM);
		failed += r != 0;
	}
	assert_in_range(failed, 3, 30);
	failed = 0;
	FAIL_EACH_ALLOCATION {
		const char *is = event("/trace/twist", "1", NULL);

		failed += strstr(is, "Cannot allocate") != NULL;
		assert_true(strstr(is, "Cannot allocate") || strstr(is, "\"a\""));
	}
	assert_in_range(failed, 1, 30);
	assert_int_equal(count_in_log("failed"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLUGIN_TEST(what_is_not_loaded),
		PLUGIN_TEST(lines_of_an_instance),
		PLUGIN_TEST(the_end),
		PLUGIN_TEST(lines),
		PLUGIN_TEST(servers),
		PLUGIN_TEST(calling_back),
		PLUGIN_TEST(logging_too_much),
		PLUGIN_TEST(slow_ones_are_named),
		PLUGIN_TEST(memory_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
