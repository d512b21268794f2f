/*
 * Extensions in shared objects: what is not loaded and what is said then, what
 * they may read and change, that one which fails leaves no trace and is named,
 * credentials in all the ways they come, and the end of it all in order.
 */
#include "tests/unit/testing.h"

#include "base/log.h"
#include "bayeux/ext.h"
#include "bayeux/ext_ack.h"
#include "plugin_chain.h"
#include "plugin_config.h"
#include "plugin_wish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	struct loop *loop;
	struct plugin_chain *chain;
	struct list reserved;
	char log[65536];
} world;

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

static unsigned count_in_log(const char *text)
{
	unsigned n = 0;

	for (const char *p = world.log; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static void assert_log(const char *text)
{
	if (!strstr(world.log, text))
		fail_msg("not in the log: %s\n%s", text, world.log);
}

static int setup(void **state)
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

static int teardown(void **state)
{
	(void)state;
	plugin_chain_free(world.chain);
	ext_free_all(&world.reserved);
	loop_free(world.loop);
	log_set_sink(NULL, NULL);
	return 0;
}

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/.libs/%s.so", getenv("top_builddir"), name);
	return path;
}

static int add(const char *module, const char *name, const char *config, char *why)
{
	struct plugin *p;
	int r = plugin_load(path_of(module), why, &p);

	return r ? r : plugin_chain_add(world.chain, p, name, slice_of(config), why);
}

static void must_add(const char *module, const char *name, const char *config)
{
	char why[PLUGIN_WHY_MAX] = "";

	if (add(module, name, config, why))
		fail_msg("%s: %s", module, why);
}

/* ---- loading ---- */

static void what_is_not_loaded(void **state)
{
	static const struct {
		const char *module, *why;
	} cases[] = {
		{"plugin-abi", "version 2 of the interface, and this daemon has version 1"},
		{"plugin-small", "its table is too small"},
		{"plugin-mute", "no function cometd_bridge_extension()"},
		{"plugin-null", "returned nothing"},
		{"plugin-idle", "no outgoing(), incoming() or credential()"},
		{"plugin-nowhere", "No such file"},
	};
	char why[PLUGIN_WHY_MAX], path[64] = "/tmp/test-plugin-XXXXXX";
	struct plugin *p = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(plugin_load(path_of(cases[i].module), why, &p), PLUGIN_E_UNFIT);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: \"%s\"", cases[i].module, why);
	}
	assert_int_equal(plugin_load("/tmp", why, &p), PLUGIN_E_UNFIT);
	assert_non_null(strstr(why, "no file"));
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(plugin_load(path, why, &p), PLUGIN_E_UNFIT);
	assert_non_null(strstr(why, "file too short"));
	assert_int_equal(fchmod(fd, 0666), 0);
	assert_int_equal(plugin_load(path, why, &p), PLUGIN_E_UNFIT);
	assert_non_null(strstr(why, "everybody may write"));
	close(fd);
	unlink(path);
	assert_null(p);
}

static void what_an_instance_says(void **state)
{
	char why[PLUGIN_WHY_MAX] = "";

	(void)state;
	assert_int_equal(add("plugin-good", "a", "refuse", why), PLUGIN_E_UNFIT);
	assert_string_equal(why, "as told");
	assert_int_equal(add("plugin-good", "a", "refuse silently", why), PLUGIN_E_UNFIT);
	assert_string_equal(why, "its create() failed: Permission denied");
	assert_null(plugin_chain_hooks(world.chain).see);
	assert_int_equal(count_in_log("destroyed"), 0);
}

/* The last one first; and nothing that one asked for comes behind that. */
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
		{"tenant", "tenant", PLUGIN_DIRECTORY "/tenant.so", "", NULL},
		{"tenant \t a b ", "tenant", PLUGIN_DIRECTORY "/tenant.so", "a b ", NULL},
		{"/x/y.so {\"a\":1}", "y", "/x/y.so", "{\"a\":1}", NULL},
		{"/x/y @/etc/z", "y", "/x/y", "@/etc/z", "/etc/z"},
		{"a-b_2.so", "a-b_2.so", PLUGIN_DIRECTORY "/a-b_2.so.so", "", NULL},
	};
	static const char *const bad[] = {
		"../tenant", "a/b", ".so", "/x/.so", "/x/", "a:b", "tenant @file", "tenant @",
		"-x", "0123456789012345678901234567890123456789012345678901234567890123x",
	};
	struct plugin_wish w;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(plugin_wish_parse(good[i].line, &w));
		assert_string_equal(w.name, good[i].name);
		assert_string_equal(w.path, good[i].path);
		assert_string_equal(w.config, good[i].config);
		assert_true(!w.file == !good[i].file);
		if (w.file)
			assert_string_equal(w.file, good[i].file);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!plugin_wish_parse(bad[i], &w))
			fail_msg("\"%s\" was taken", bad[i]);
}

/* What is wrong is told before anything runs, with the place in the configuration; and what an
   extension says when it is made, too. */
static void servers(void **state)
{
	char good[600], refusing[600], other[600], nowhere[] = "nowhere", why[1024] = "";
	char *fine[] = {good}, *wrong[] = {good, other, nowhere}, *refused[] = {good, refusing};
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
	plugin_config_check(&config, &report);
	assert_false(config_report_has_errors(&report));
	s.extensions = (struct config_strings){wrong, 3};
	plugin_config_check(&config, &report);
	assert_int_equal(report.n_errors, 2);
	assert_string_equal(report.errors[0], "/etc/x.conf:7: [server demo]: extension plugin-good: "
					      "/nowhere/at/all: No such file or directory");
	assert_string_equal(report.errors[1], "/etc/x.conf:7: [server demo]: extension nowhere: "
			    PLUGIN_DIRECTORY "/nowhere.so: No such file or directory");
	config_report_fini(&report);
	s.extensions = (struct config_strings){refused, 2};
	assert_int_equal(plugin_config_make(world.loop, &s, why, sizeof(why), &chain), -EINVAL);
	assert_string_equal(why, "/etc/x.conf:7: [server demo]: extension plugin-good: as told");
	s.extensions = (struct config_strings){fine, 1};
	assert_int_equal(plugin_config_make(world.loop, &s, why, sizeof(why), &chain), 0);
	assert_int_equal(plugin_config_credential(chain, &s, why, sizeof(why), &source), 0);
	assert_null(source);
	s.credential.extension = nowhere;
	assert_int_equal(plugin_config_credential(chain, &s, why, sizeof(why), &source), -EINVAL);
	assert_string_equal(why, "/etc/x.conf:7: [server demo]: credential-extension nowhere: it is "
				 "no extension of this server");
	plugin_chain_free(chain);
	/* a server without any costs nothing */
	s.extensions.n = 0;
	chain = NULL;
	assert_int_equal(plugin_config_make(world.loop, &s, why, sizeof(why), &chain), 0);
	assert_null(chain);
}

/* ---- messages ---- */

/* One message through the chain; what became of it as "VERDICT DATA EXT". */
static const char *pass(enum hook_kind kind, bool incoming, const char *channel, const char *data,
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

static const char *publish(const char *channel, const char *data, const char *ext)
{
	return pass(HOOK_PUBLISH, false, channel, data, ext);
}

static const char *event(const char *channel, const char *data, const char *ext)
{
	return pass(HOOK_EVENT, true, channel, data, ext);
}

#define UNTOUCHED "as it was  "

static void verdicts_and_changes(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	assert_string_equal(publish("/pass", "1", NULL), UNTOUCHED);
	assert_string_equal(publish("/delete", "1", NULL), "deleted  ");
	assert_string_equal(event("/delete", "1", NULL), "deleted  ");
	assert_string_equal(pass(HOOK_SUBSCRIBE, false, "/delete", NULL, NULL), "deleted  ");
	assert_string_equal(publish("/data", "1", NULL), "changed {\"n\":9007199254740993} ");
	assert_string_equal(event("/data", "1", "{}"), "changed {\"n\":9007199254740993} ");
	assert_string_equal(publish("/twist", "1", "{\"z\":1}"),
			    "changed [2,3] {\"z\":1,\"d\":2,\"e\\\"\\\\\":2}");
	assert_int_equal(count_in_log("failed"), 0);
}

static void members_of_ext(void **state)
{
	static const struct {
		const char *is, *becomes;
	} cases[] = {
		{NULL, "{\"trace\":\"a\"}"},
		{"{}", "{\"trace\":\"a\"}"},
		{"{ \n}", "{ \n\"trace\":\"a\"}"},
		{"{\"x\":{\"trace\":1}}", "{\"x\":{\"trace\":1},\"trace\":\"a\"}"},
		{"{\"x\" : 1 , \"trace\" : \"b\", \"y\":2}",
		 "{\"x\" : 1 , \"trace\" : \"ba\", \"y\":2}"},
		{"{\"tr\\u0061ce\":\"\"}", "{\"tr\\u0061ce\":\"a\"}"},
	};
	char expected[128];

	(void)state;
	must_add("plugin-good", "a", "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(expected, sizeof(expected), "changed  %s", cases[i].becomes);
		assert_string_equal(event("/trace", "1", cases[i].is), expected);
	}
}

/* Out in their order, in the other way round; the next one sees what the one before left. */
static void the_order(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "a");
	must_add("plugin-good", "b", "b");
	must_add("plugin-good", "c", "c");
	assert_string_equal(publish("/trace", "1", NULL), "changed  {\"trace\":\"abc\"}");
	assert_string_equal(event("/trace", "1", NULL), "changed  {\"trace\":\"cba\"}");
}

static void fields_are_read(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	assert_string_equal(publish("/read", "{\"d\":1.50}", "{\"e\":2}"), UNTOUCHED);
	assert_log("channel=\"/read\" id=\"7\" data={\"d\":1.50} ext={\"e\":2} x=[1, 2] nothing=- "
		   "6 0 7");
	world.log[0] = '\0';
	assert_string_equal(pass(HOOK_CONNECT, true, "/read", NULL, NULL), UNTOUCHED);
	assert_log("data=- ext=- x=[1, 2] nothing=- 2 1 7");
}

/* The log says each time what was wrong, and who it was; nothing of it is in the message. */
static void faults_are_contained(void **state)
{
	static const struct {
		const char *channel, *reason;
	} cases[] = {
		{"/fail", "Input/output error"},
		{"/odd", "no verdict"},
		{"/misuse/garbage-data", "data that it sets is no JSON"},
		{"/misuse/two-values", "data that it sets is no JSON"},
		{"/misuse/inject-data", "data that it sets is no JSON"},
		{"/misuse/inject-same", "data that it sets is no JSON"},
		{"/misuse/no-value", "data that it sets is no JSON"},
		{"/misuse/bad-utf8", "data that it sets is no JSON"},
		{"/misuse/deep-data", "nests too deeply"},
		{"/misuse/garbage-ext", "in ext is no JSON"},
		{"/misuse/inject-ext", "in ext is no JSON"},
		{"/misuse/close-ext", "in ext is no JSON"},
		{"/misuse/deep-ext", "nests too deeply"},
		{"/misuse/no-name", "the name that it sets in ext is none"},
		{"/misuse/bad-name", "the name that it sets in ext is none"},
		{"/misuse/reserved", "belongs to a built-in extension"},
		{"/misuse/too-much", "too much in ext"},
		{"/misuse/too-often", "too much in ext"},
	};

	(void)state;
	must_add("plugin-good", "culprit", "");
	must_add("plugin-good", "witness", "w");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256];

		world.log[0] = '\0';
		assert_string_equal(event("/pass", "1", NULL), UNTOUCHED);
		if (strcmp(publish(cases[i].channel, "1", NULL), UNTOUCHED) != 0)
			fail_msg("%s: %s", cases[i].channel,
				 publish(cases[i].channel, "1", NULL));
		snprintf(line, sizeof(line), "goes without it server=demo extension=culprit "
					     "channel=%s reason=", cases[i].channel);
		assert_log(line);
		assert_log(cases[i].reason);
	}
	assert_int_equal(count_in_log("disabled"), 0);
}

static void what_is_not_allowed(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	assert_string_equal(pass(HOOK_CONNECT, false, "/delete", NULL, NULL), UNTOUCHED);
	assert_log("reason=it deletes what may not be deleted");
	assert_string_equal(pass(HOOK_PUBLISH, true, "/data", NULL, NULL), UNTOUCHED);
	assert_log("reason=it sets data where that is not allowed");
	assert_string_equal(pass(HOOK_PUBLISH, true, "/trace", NULL, NULL), UNTOUCHED);
	assert_log("reason=it sets ext where that is not allowed");
	assert_string_equal(pass(HOOK_SUBSCRIBE, false, "/data", NULL, NULL), UNTOUCHED);
	assert_int_equal(count_in_log("it sets data"), 2);
}

static void sizes(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	const char *is = publish("/big", "1", "{\"z\":1}");
	assert_int_equal(strlen(is), strlen("changed  {\"z\":1,\"big\":}") +
				     COMETD_EXTENSION_EXT_MAX - 3);
	/* all of them together */
	must_add("plugin-good", "b", "");
	assert_int_equal(strlen(publish("/big", "1", "{\"z\":1}")), strlen(is));
	assert_log("extension=b channel=/big reason=it sets too much in ext");
}

/* A pointer from another call is good for nothing, and harms nobody. */
static void a_message_ends_with_its_call(void **state)
{
	(void)state;
	must_add("plugin-good", "a", "");
	publish("/misuse/kept", "1", NULL);
	assert_string_equal(publish("/misuse/kept", "1", NULL),
			    "changed  {\"trace\":\"x\",\"a\":1}");
}

static void assert_disabled(size_t i, const char *name)
{
	struct session_hooks hooks = plugin_chain_hooks(world.chain);
	const char *is = hooks.disabled(hooks.ctx, i);

	assert_string_equal(is ? is : "none", name ? name : "none");
}

static void who_fails_again_and_again(void **state)
{
	(void)state;
	must_add("plugin-good", "bad", "b");
	must_add("plugin-good", "good", "g");
	for (int i = 0; i < COMETD_EXTENSION_FAILURES_MAX - 1; i++)
		event("/fail", "1", NULL);
	event("/pass", "1", NULL);
	/* both count, and are in the log, each for itself */
	for (int i = 0; i < COMETD_EXTENSION_FAILURES_MAX - 1; i++)
		event("/fail", "1", NULL);
	assert_int_equal(count_in_log("disabled"), 0);
	assert_disabled(0, NULL);
	assert_string_equal(event("/trace", "1", NULL), "changed  {\"trace\":\"gb\"}");
	for (int i = 0; i < COMETD_EXTENSION_FAILURES_MAX; i++)
		event("/fail", "1", NULL);
	assert_int_equal(count_in_log("failed 10 times in a row, and is disabled"), 2);
	assert_disabled(0, "bad");
	assert_disabled(1, "good");
	assert_disabled(2, NULL);
	assert_string_equal(event("/trace", "1", NULL), UNTOUCHED);
	assert_string_equal(event("/delete", "1", NULL), UNTOUCHED);
}

/* Nothing passes without it, whatever that costs. */
static void required_ones(void **state)
{
	(void)state;
	must_add("plugin-required", "seal", "");
	for (int i = 0; i < 2 * COMETD_EXTENSION_FAILURES_MAX; i++)
		assert_string_equal(publish("/fail", "1", NULL), "deleted  ");
	assert_string_equal(event("/misuse/garbage-data", "1", NULL), "deleted  ");
	assert_string_equal(pass(HOOK_CONNECT, false, "/fail", NULL, NULL), UNTOUCHED);
	assert_int_equal(count_in_log("disabled"), 0);
	assert_log("at a message, which is deleted server=demo extension=seal");
}

static void slow_ones_are_named(void **state)
{
	(void)state;
	must_add("plugin-good", "snail", "");
	event("/pass", "1", NULL);
	assert_int_equal(count_in_log("took"), 0);
	event("/slow", "1", NULL);
	assert_log("incoming() of an extension took ");
	assert_log("ms, and everybody waited server=demo extension=snail");
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

/* One that talks too much is cut off, and nobody else is; and nobody forges a line. */
static void talking_too_much(void **state)
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

/* Each allocation of ours fails once: then the message is to be shown again, and nobody is
   blamed for it. */
static void memory_is_short(void **state)
{
	struct plugin *p;
	char why[PLUGIN_WHY_MAX] = "";
	unsigned failed = 0;

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = plugin_load(path_of("plugin-good"), why, &p);

		if (r == 0)
			r = plugin_chain_add(world.chain, p, "a", SLICE("a"), why);
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

/* ---- credentials ---- */

static struct {
	char secret[64], why[AUTH_WHY_MAX];
	uint64_t lifetime;
	unsigned told;
} got;

static void on_fetched(void *ctx, const struct auth_fetched *f)
{
	assert_ptr_equal(ctx, &got);
	got.told++;
	snprintf(got.secret, sizeof(got.secret), "%.60s", f->secret ? f->secret->text : "");
	got.lifetime = f->secret ? f->secret->lifetime : 0;
	snprintf(got.why, sizeof(got.why), "%s", f->why ? f->why : "");
}

/* Fetches until it is told, or says why there is no fetching. */
static void fetch(const char *config)
{
	char why[PLUGIN_WHY_MAX] = "";
	struct auth_source *s;

	must_add("plugin-good", config, config);
	assert_int_equal(plugin_chain_credential(world.chain, config, 30, why, &s), 0);
	s->fetched = on_fetched;
	s->ctx = &got;
	memset(&got, 0, sizeof(got));
	if (auth_source_fetch(s, got.why) == 0) {
		/* never from within the question */
		assert_int_equal(got.told, 0);
		while (!got.told)
			assert_int_equal(loop_turn(world.loop, true), 0);
	}
	/* what comes too late comes to nobody */
	for (unsigned turns = 0; turns < 100 && !strstr(world.log, "ready") &&
				 strcmp(config, "too late") == 0; turns++)
		loop_turn(world.loop, true);
	assert_true(got.told <= 1);
	auth_source_free(s);
}

static void credentials(void **state)
{
	static const struct {
		const char *config, *secret, *why;
	} cases[] = {
		{"now", "token", ""},
		{"later", "token", ""},
		{"never", "", "extension never gave no credential in time"},
		{"too late", "", "extension too late gave no credential in time"},
		{"two lines", "", "the credential of extension two lines: it has more than one line, "
				  "or a control character"},
		{"empty", "", "the credential of extension empty: it is empty"},
		{"failed", "", "extension failed: closed today"},
		{"error", "", "extension error: Permission denied"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world.log[0] = '\0';
		fetch(cases[i].config);
		assert_string_equal(got.secret, cases[i].secret);
		assert_string_equal(got.why, cases[i].why);
		assert_int_equal(got.lifetime, *cases[i].secret ? 60000 : 0);
	}
	world.log[0] = '\0';
	fetch("now");
	assert_log("ready: 0");
	assert_log("ready: -114");
	assert_null(strstr(world.log, "token"));
}

static void whose_credential(void **state)
{
	char why[PLUGIN_WHY_MAX];
	struct auth_source *s, *again;

	(void)state;
	must_add("plugin-good", "a", "now");
	assert_int_equal(plugin_chain_credential(world.chain, "b", 30, why, &s), PLUGIN_E_UNFIT);
	assert_string_equal(why, "it is no extension of this server");
	assert_int_equal(plugin_chain_credential(world.chain, "a", 30, why, &s), 0);
	assert_int_equal(plugin_chain_credential(world.chain, "a", 30, why, &again), PLUGIN_E_UNFIT);
	assert_string_equal(why, "its credential is used already");
	auth_source_free(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_loaded),
		TEST(what_an_instance_says),
		TEST(the_end),
		TEST(lines),
		TEST(servers),
		TEST(verdicts_and_changes),
		TEST(members_of_ext),
		TEST(the_order),
		TEST(fields_are_read),
		TEST(faults_are_contained),
		TEST(what_is_not_allowed),
		TEST(sizes),
		TEST(a_message_ends_with_its_call),
		TEST(who_fails_again_and_again),
		TEST(required_ones),
		TEST(slow_ones_are_named),
		TEST(calling_back),
		TEST(talking_too_much),
		TEST(memory_is_short),
		TEST(credentials),
		TEST(whose_credential),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
