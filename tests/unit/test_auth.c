/*
 * auth/auth: answers of sources, one fetch for all callers, renewal in time, pauses after
 * failures, and files that change.
 */
#include "auth/auth.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "tests/unit/testing.h"
#include "tests/unit/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- answers --- */

static struct auth_secret secret;

static void answers(void **state)
{
	static const struct {
		const char *text, *secret, *fault;
		uint64_t lifetime;
	} cases[] = {
		{"token", "token", NULL, 0},
		{" \r\ntoken with blank \n", "token with blank", NULL, 0},
		{"{\"token\":\"t\"}", "t", NULL, 0},
		{"\n{\"access_token\":\"a\\u0062\",\"expires_in\":90,\"x\":[]}", "ab", NULL, 90000},
		{"{\"token\":\"t\",\"access_token\":\"a\",\"expires_in\":\"1.5\"}", "t", NULL, 1500},
		{"{\"token\":\"t\",\"expires_in\":-1}", "t", NULL, 0},
		{"{\"token\":\"t\",\"expires_in\":1e300}", "t", NULL, 366ull * 24 * 3600 * 1000},
		{"{\"token\":\"t\",\"expires_in\":null}", "t", NULL, 0},
		{"", NULL, "it is empty", 0},
		{" \n", NULL, "it is empty", 0},
		{"one\ntwo", NULL, "it has more than one line, or a control character", 0},
		{"{\"token\":\"a\\nb\"}", NULL, "it has more than one line, or a control character", 0},
		{"{\"token\":\"\"}", NULL, "it is empty", 0},
		{"{\"token\":7}", NULL, "the JSON has no \"token\" and no \"access_token\"", 0},
		{"{}", NULL, "the JSON has no \"token\" and no \"access_token\"", 0},
		{"{\"token\":\"t\"", NULL, "not JSON", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *fault = auth_answer_parse(slice_of(cases[i].text), &secret);

		if (cases[i].fault) {
			assert_non_null(fault);
			assert_string_equal(fault, cases[i].fault);
			continue;
		}
		assert_null(fault);
		assert_string_equal(secret.text, cases[i].secret);
		assert_int_equal(secret.lifetime, cases[i].lifetime);
	}
}

static void headers(void **state)
{
	char line[64], large[AUTH_SECRET_MAX + 2];

	(void)state;
	assert_null(auth_answer_parse(SLICE("Aladdin:open sesame"), &secret));
	assert_null(auth_answer_header(AUTH_BASIC, NULL, &secret, line, sizeof(line)));
	assert_string_equal(line, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	assert_null(auth_answer_header(AUTH_BEARER, NULL, &secret, line, sizeof(line)));
	assert_string_equal(line, "Authorization: Bearer Aladdin:open sesame");
	assert_null(auth_answer_header(AUTH_HEADER, "X-Key", &secret, line, sizeof(line)));
	assert_string_equal(line, "X-Key: Aladdin:open sesame");
	/* exactly as much room as it needs, and one byte less */
	assert_null(auth_answer_header(AUTH_BASIC, NULL, &secret, line, 50));
	assert_non_null(auth_answer_header(AUTH_BASIC, NULL, &secret, line, 49));
	assert_non_null(auth_answer_header(AUTH_BEARER, NULL, &secret, line, 41));
	assert_null(auth_answer_parse(SLICE("nobody"), &secret));
	assert_non_null(auth_answer_header(AUTH_BASIC, NULL, &secret, line, sizeof(line)));
	memset(large, 'x', sizeof(large));
	assert_null(auth_answer_parse(slice_make(large, AUTH_SECRET_MAX), &secret));
	assert_non_null(auth_answer_parse(slice_make(large, AUTH_SECRET_MAX + 1), &secret));
	auth_secret_wipe(&secret);
	assert_int_equal(secret.text[0], 0);
}

/* --- struct auth, with a source and a clock controlled by the test --- */

struct world {
	struct loop *loop;
	struct auth *auth;
	struct auth_source source;
	struct auth_waiter one, two;
	unsigned fetches, got, failures;
	bool freed, notified, refuses;
	struct fault why;
};

static int source_fetch(struct auth_source *s, struct fault *why)
{
	struct world *w = LIST_OF(s, struct world, source);

	w->fetches++;
	w->notified = true;
	fault_set(why, "cannot");
	return w->refuses ? -1 : 0;
}

static void source_free(struct auth_source *s)
{
	LIST_OF(s, struct world, source)->freed = true;
}

static const struct auth_source_type source_type = {source_fetch, source_free};

static void answer(struct world *w, const char *text, uint64_t lifetime, const char *why)
{
	struct auth_fetched f = {.secret = text ? &secret : NULL, .why = why};

	if (text)
		assert_null(auth_answer_parse(slice_of(text), &secret));
	secret.lifetime = lifetime;
	w->source.fetched(w->source.ctx, &f);
}

static void on_reported(void *ctx, const char *why)
{
	struct world *w = ctx;

	w->notified = true;
	w->got += why == NULL;
	w->failures += why != NULL;
	if (why)
		fault_set(&w->why, "%s", why);
}

static void until_reported(struct world *w)
{
	w->notified = false;
	wire_until(w->loop, &w->notified);
}

/* Lets time pass until the source is asked or the caller gets a result; returns the ms passed. */
static uint64_t pass_until_reported(struct world *w)
{
	uint64_t begun = clock_boot_ms();

	w->notified = false;
	while (!w->notified) {
		clock_fake(clock_unix_ms(), clock_boot_ms() + 1);
		assert_true(clock_boot_ms() - begun < 10000);
		assert_int_equal(loop_turn(w->loop, false), 0);
	}
	return clock_boot_ms() - begun;
}

static struct auth_options options_of(struct world *w)
{
	return (struct auth_options){.name = "demo", .kind = AUTH_BEARER, .source = &w->source,
				     .backoff_min = 60, .backoff_max = 180};
}

static unsigned warnings;

static void count(void *ctx, const struct log_line *line)
{
	(void)ctx;
	warnings += line->level <= LOG_L_WARNING;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_sink(count, NULL);
	warnings = 0;
	clock_fake(1, 1000);
	w->source.type = &source_type;
	auth_waiter_init(&w->one, on_reported, w);
	auth_waiter_init(&w->two, on_reported, w);
	assert_int_equal(loop_new(&w->loop), 0);
	struct auth_options o = options_of(w);
	assert_int_equal(auth_new(w->loop, &o, &w->auth), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	auth_free(w->auth);
	assert_true(w->freed);
	loop_free(w->loop);
	log_set_sink(NULL, NULL);
	clock_fake(UINT64_MAX, UINT64_MAX);
	free(w);
	return 0;
}

static void one_fetch_for_all(void **state)
{
	struct world *w = *state;

	wire_settle(w->loop);
	assert_int_equal(w->fetches, 0);
	assert_null(auth_header(w->auth));
	auth_get(w->auth, &w->one);
	auth_get(w->auth, &w->one);
	auth_get(w->auth, &w->two);
	until_reported(w);
	assert_int_equal(w->fetches, 1);
	answer(w, "t1", 0, NULL);
	assert_int_equal(w->got, 2);
	assert_string_equal(auth_header(w->auth), "Authorization: Bearer t1");
	/* it is valid: there is no fetch, and the waiter is not called from within auth_get() */
	auth_get(w->auth, &w->one);
	assert_int_equal(w->got, 2);
	until_reported(w);
	assert_int_equal(w->got, 3);
	assert_int_equal(w->fetches, 1);
	/* after a reject another one is fetched; until then the old one is sent */
	auth_invalidate(w->auth);
	auth_get(w->auth, &w->one);
	until_reported(w);
	assert_int_equal(w->fetches, 2);
	assert_string_equal(auth_header(w->auth), "Authorization: Bearer t1");
	answer(w, "t2", 0, NULL);
	assert_string_equal(auth_header(w->auth), "Authorization: Bearer t2");
	assert_int_equal(w->got, 4);
}

static void the_next_before_the_end(void **state)
{
	struct world *w = *state;

	auth_get(w->auth, &w->one);
	until_reported(w);
	answer(w, "t1", 200, NULL);
	assert_in_range(pass_until_reported(w), 180, 199);
	assert_int_equal(w->fetches, 2);
	/* a waiter that is added during the fetch gets the old one, and starts no other fetch */
	answer(w, "t2", 100000, NULL);
	assert_string_equal(auth_header(w->auth), "Authorization: Bearer t2");
	assert_int_equal(w->got, 1);
	/* a lifetime of "0 seconds" does not make it fetch all the time */
	auth_invalidate(w->auth);
	auth_get(w->auth, &w->one);
	until_reported(w);
	answer(w, "t3", 1, NULL);
	assert_int_equal(pass_until_reported(w), 60);
}

/* The pauses of a source that fails for a long time. */
static void a_failure_is_logged_once(void **state)
{
	static const struct {
		const char *why;
		unsigned warnings;
	} steps[] = {{"no luck", 1}, {"no luck", 1}, {"worse", 2}, {"no luck", 3}, {"no luck", 3},
		     {NULL, 3},      {"no luck", 4}};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		auth_invalidate(w->auth);
		auth_get(w->auth, &w->one);
		pass_until_reported(w);
		answer(w, steps[i].why ? NULL : "t", 0, steps[i].why);
		assert_int_equal(warnings, steps[i].warnings);
	}
}

static void failures_are_followed_by_pauses(void **state)
{
	static const unsigned pauses[] = {0, 60, 90, 135, 180};
	struct world *w = *state;

	auth_get(w->auth, &w->one);
	until_reported(w);
	for (unsigned i = 1; i <= 4; i++) {
		answer(w, NULL, 0, "no luck");
		assert_int_equal(w->failures, i);
		assert_string_equal(w->why.text, "no luck");
		/* asking again does not shorten the pause */
		auth_get(w->auth, &w->two);
		auth_cancel(&w->two);
		wire_settle(w->loop);
		assert_int_equal(w->fetches, i);
		/* a fifth shorter or longer at most */
		assert_in_range(pass_until_reported(w), pauses[i] * 4 / 5, pauses[i] * 6 / 5);
		assert_int_equal(w->fetches, i + 1);
	}
	/* a fetch that cannot be started, and a secret that cannot be sent as a header, are failures, too */
	w->refuses = true;
	answer(w, NULL, 0, "no luck");
	pass_until_reported(w);
	assert_string_equal(w->why.text, "cannot");
	w->refuses = false;
	pass_until_reported(w);
	answer(w, "t", 0, NULL);
	assert_int_equal(w->got, 1);
}

/* an overloaded server requests a pause that is longer than ours would be */
static void a_source_asks_for_a_pause(void **state)
{
	struct world *w = *state;
	struct auth_fetched f = {.why = "busy", .retry_after = 150};

	auth_get(w->auth, &w->one);
	until_reported(w);
	w->source.fetched(w->source.ctx, &f);
	assert_int_equal(pass_until_reported(w), 150);
	assert_int_equal(w->fetches, 2);
	/* a short one shortens nothing */
	f.retry_after = 1;
	w->source.fetched(w->source.ctx, &f);
	assert_in_range(pass_until_reported(w), 72, 108);
}

static void cancelled(void **state)
{
	struct world *w = *state;

	auth_get(w->auth, &w->one);
	auth_cancel(&w->one);
	until_reported(w);
	answer(w, "t", 0, NULL);
	assert_int_equal(w->got, 0);
}

static void put(const char *path, const char *text)
{
	char next[64];

	snprintf(next, sizeof(next), "%s.new", path);
	FILE *f = fopen(next, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(next, path), 0);
}

static void files(void **state)
{
	struct world *w = *state;
	char dir[] = "/tmp/test-auth-XXXXXX", path[64];
	struct auth_options o = options_of(w);
	struct auth *a;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/token", dir);
	o.source = NULL;
	o.file = path;
	assert_int_equal(auth_new(w->loop, &o, &a), 0);
	auth_get(a, &w->one);
	until_reported(w);
	assert_int_equal(w->failures, 1);
	assert_non_null(strstr(w->why.text, "/token: No such file"));
	put(path, "{\"token\":\"t1\"}");
	pass_until_reported(w);
	assert_int_equal(w->got, 1);
	assert_string_equal(auth_header(a), "Authorization: Bearer t1");
	/* a changed file is read at its next use; if it is invalid, the old credential stays */
	put(path, "t2\n");
	assert_string_equal(auth_header(a), "Authorization: Bearer t2");
	put(path, "");
	assert_string_equal(auth_header(a), "Authorization: Bearer t2");
	unlink(path);
	assert_string_equal(auth_header(a), "Authorization: Bearer t2");
	auth_invalidate(a);
	auth_get(a, &w->one);
	until_reported(w);
	auth_cancel(&w->one);
	assert_int_equal(w->failures, 2);
	auth_free(a);
	rmdir(dir);
}

static void short_of_memory(void **state)
{
	struct world *w = *state;
	struct auth_options o = options_of(w);
	struct auth *a;

	clock_fake(UINT64_MAX, UINT64_MAX);     /* a real program takes its time */
	o.source = NULL;
	o.file = "x";
	FAIL_EACH_ALLOCATION {
		if (auth_command_new(w->loop, "/bin/echo  two words", 15000, &o.source))
			continue;
		if (auth_new(w->loop, &o, &a))
			continue;
		auth_get(a, &w->one);
		while (w->one.link.next != &w->one.link)
			until_reported(w);
		assert_string_equal(auth_header(a), "Authorization: Bearer two words");
		auth_free(a);
	}
}

#define AUTH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(headers),
		AUTH_TEST(one_fetch_for_all),
		AUTH_TEST(the_next_before_the_end),
		AUTH_TEST(a_failure_is_logged_once),
		AUTH_TEST(failures_are_followed_by_pauses),
		AUTH_TEST(a_source_asks_for_a_pause),
		AUTH_TEST(cancelled),
		AUTH_TEST(files),
		AUTH_TEST(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
