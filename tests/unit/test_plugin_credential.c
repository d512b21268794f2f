/*
 * Credentials from extensions: at once, later, never, too late, and ones that cannot be
 * sent as a header.
 */
#include "tests/unit/plugin_world.h"

#include <stdio.h>
#include <string.h>

static struct {
	char secret[64];
	struct fault why;
	uint64_t lifetime;
	unsigned answers;
} got;

static void on_fetched(void *ctx, const struct auth_fetched *f)
{
	assert_ptr_equal(ctx, &got);
	got.answers++;
	snprintf(got.secret, sizeof(got.secret), "%.60s", f->secret ? f->secret->text : "");
	got.lifetime = f->secret ? f->secret->lifetime : 0;
	fault_set(&got.why, "%s", f->why ? f->why : "");
}

/* Fetches and waits for the result, or reports why it cannot. */
static void fetch(const char *config)
{
	struct fault why = {0};
	struct auth_source *s;

	must_add("plugin-good", config, config);
	assert_int_equal(plugin_chain_credential(world.chain, config, 30, &why, &s), 0);
	s->fetched = on_fetched;
	s->ctx = &got;
	memset(&got, 0, sizeof(got));
	if (auth_source_fetch(s, &got.why) == 0) {
		/* not called from within the fetch */
		assert_int_equal(got.answers, 0);
		while (!got.answers)
			assert_int_equal(loop_turn(world.loop, true), 0);
	}
	/* a result that arrives too late is ignored */
	for (unsigned turns = 0; turns < 100 && !strstr(world.log, "ready") &&
				 strcmp(config, "too late") == 0; turns++)
		loop_turn(world.loop, true);
	assert_true(got.answers <= 1);
	auth_source_free(s);
}

static void credentials(void **state)
{
	static const struct {
		const char *config, *secret, *why;
	} cases[] = {
		{"now", "token", ""},
		{"later", "token", ""},
		{"never", "", "extension never supplied no credential in time"},
		{"too late", "", "extension too late supplied no credential in time"},
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
		assert_string_equal(got.why.text, cases[i].why);
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
	struct fault why;
	struct auth_source *s, *again;

	(void)state;
	must_add("plugin-good", "a", "now");
	assert_int_equal(plugin_chain_credential(world.chain, "b", 30, &why, &s), PLUGIN_E_UNFIT);
	assert_string_equal(why.text, "this server has no such extension");
	assert_int_equal(plugin_chain_credential(world.chain, "a", 30, &why, &s), 0);
	assert_int_equal(plugin_chain_credential(world.chain, "a", 30, &why, &again), PLUGIN_E_UNFIT);
	assert_string_equal(why.text, "its credential is used already");
	auth_source_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLUGIN_TEST(credentials),
		PLUGIN_TEST(whose_credential),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
