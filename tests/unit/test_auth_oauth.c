/*
 * auth/oauth with a token server controlled by the test: the forms of all grants, the
 * answers, all failures, and that no error message has a secret in it.
 */
#include "auth/auth.h"
#include "auth/oauth.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "tests/unit/rsa_key.h"
#include "tests/unit/testing.h"
#include "tests/unit/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "cl1ent s3cret&x"
#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define OK HEAD("200 OK") "Content-Type: application/json\r\n\r\n"

struct world {
	struct loop *loop;
	struct curl_loop *curl;
	struct wire *wire;
	struct wire_conn *conn;         /* of the request in flight */
	struct http_options http;
	struct auth_oauth_options o;
	struct auth_source *source;
	uint64_t now;                   /* a clock that does not advance: no deadline passes by itself */
	char dir[32], path[3][64], url[128];
	/* the result of a fetch */
	bool done;
	char token[AUTH_SECRET_MAX + 1];
	struct fault why;
	uint64_t lifetime, retry_after;
};

static void on_fetched(void *ctx, const struct auth_fetched *f)
{
	struct world *w = ctx;

	w->done = true;
	snprintf(w->token, sizeof(w->token), "%s", f->secret ? f->secret->text : "");
	fault_set(&w->why, "%s", f->why ? f->why : "");
	w->lifetime = f->secret ? f->secret->lifetime : 0;
	w->retry_after = f->retry_after;
}

static const char *put_file(struct world *w, int i, const char *text)
{
	char next[80];

	snprintf(w->path[i], sizeof(w->path[i]), "%s/%d", w->dir, i);
	snprintf(next, sizeof(next), "%s.x", w->path[i]);
	FILE *f = fopen(next, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(next, w->path[i]), 0);
	return w->path[i];
}

static void quiet(void *ctx, const struct log_line *line)
{
	(void)ctx;
	(void)line;
}

static void pass(struct world *w, uint64_t ms)
{
	w->now += ms;
	clock_fake(1700000000000 + w->now, w->now);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_sink(quiet, NULL);
	if (!w)
		return -1;
	pass(w, 1000);
	if (loop_new(&w->loop) || curl_loop_new(w->loop, &w->curl))
		return -1;
	w->wire = wire_new(w->loop);
	http_options_default(&w->http);
	/* libcurl's clock goes on */
	w->http.connect_timeout = 3600000;
	strcpy(w->dir, "/tmp/test-oauth-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->url, sizeof(w->url), "%s", wire_url(w->wire, "http", "/token?x=1"));
	w->o = (struct auth_oauth_options){
		.url = w->url, .client_id = "me:1", .secret_file = put_file(w, 0, SECRET "\n"),
		.timeout = 15000, .http = &w->http};
	*state = w;
	return 0;
}

static void forget_source(struct world *w)
{
	auth_source_free(w->source);
	w->source = NULL;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[64];

	forget_source(w);
	wire_free(w->wire);
	curl_loop_free(w->curl);
	loop_free(w->loop);
	log_set_sink(NULL, NULL);
	clock_fake(UINT64_MAX, UINT64_MAX);
	snprintf(command, sizeof(command), "rm -r %s", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static void make(struct world *w)
{
	assert_int_equal(auth_oauth_new(w->loop, w->curl, &w->o, &w->source), 0);
	w->source->fetched = on_fetched;
	w->source->ctx = w;
}

/* A fetch begins; its request. */
static const char *ask(struct world *w)
{
	struct fault why = {0};

	if (!w->source)
		make(w);
	w->done = false;
	if (auth_source_fetch(w->source, &why))
		fail_msg("%s", why.text);
	w->conn = wire_accept(w->wire);
	return wire_request(w->conn);
}

static void answer(struct world *w, const char *text)
{
	wire_say(w->conn, text);
	wire_said(w->conn);
	wire_close(w->conn);
	wire_until(w->loop, &w->done);
}

static const char *body_of(const char *request)
{
	return strstr(request, "\r\n\r\n") + 4;
}

/* --- forms --- */

static void client_credentials(void **state)
{
	struct world *w = *state;
	static const char *const more[] = {"scope=read write", "audience=https://a/", "resource=a b", "x=",
					  "y"};

	w->o.parameters = (struct strings){more, 5};
	const char *request = ask(w);
	assert_ptr_equal(strstr(request, "POST /token?x=1 HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
	assert_non_null(strstr(request, "\r\nAccept: application/json\r\n"));
	/* base64 of me%3A1:cl1ent+s3cret%26x */
	assert_non_null(strstr(request, "\r\nAuthorization: Basic "
					"bWUlM0ExOmNsMWVudCtzM2NyZXQlMjZ4\r\n"));
	assert_string_equal(body_of(request), "grant_type=client_credentials&scope=read+write&"
					      "audience=https%3A%2F%2Fa%2F&resource=a+b&x=&y=");
	answer(w, OK "{\"access_token\":\"t1\",\"token_type\":\"bearer\",\"expires_in\":60,"
		     "\"instance_url\":\"http://elsewhere\"}");
	assert_string_equal(w->token, "t1");
	assert_int_equal(w->lifetime, 60000);
	/* the other way of client authentication; the secret is read again */
	forget_source(w);
	w->o.client_auth = OAUTH_BODY;
	w->o.parameters.n = 2;
	ask(w);
	answer(w, OK "{\"access_token\":\"t2\"}");
	put_file(w, 0, "new");
	request = ask(w);
	assert_null(strstr(request, "Authorization"));
	assert_string_equal(body_of(request), "grant_type=client_credentials&scope=read+write&"
					      "audience=https%3A%2F%2Fa%2F&client_id=me%3A1&"
					      "client_secret=new");
	answer(w, OK "{\"access_token\":\"t3\"}");
	assert_string_equal(w->token, "t3");
	assert_int_equal(w->lifetime, 0);
}

static void refresh_token(void **state)
{
	struct world *w = *state;

	w->o.grant = OAUTH_REFRESH_TOKEN;
	w->o.client_auth = OAUTH_BODY;
	w->o.secret_file = NULL;
	w->o.refresh_file = put_file(w, 1, "{r1}\n");
	assert_string_equal(body_of(ask(w)), "grant_type=refresh_token&client_id=me%3A1&"
					     "refresh_token=%7Br1%7D");
	answer(w, OK "{\"access_token\":\"t\",\"refresh_token\":\"r2\"}");
	/* the one that replaced it, also when the file is gone */
	assert_non_null(strstr(ask(w), "&refresh_token=r2"));
	answer(w, OK "{\"access_token\":\"t\"}");
	unlink(w->path[1]);
	assert_non_null(strstr(ask(w), "&refresh_token=r2"));
	answer(w, HEAD("400 Bad") "\r\n{\"error\":\"invalid_grant\"}");
	/* the administrator has replaced the file: its token is used */
	put_file(w, 1, "r9");
	assert_non_null(strstr(ask(w), "&refresh_token=r9"));
	answer(w, OK "{\"access_token\":\"t\"}");
}

static void refresh_token_saved(void **state)
{
	struct world *w = *state;
	char text[32] = "";
	struct stat st;

	w->o.grant = OAUTH_REFRESH_TOKEN;
	w->o.refresh_file = put_file(w, 1, "r1");
	ask(w);
	answer(w, OK "{\"access_token\":\"t\",\"refresh_token\":\"r2\"}");
	FILE *f = fopen(w->path[1], "re");
	assert_non_null(f);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, f), 2);
	fclose(f);
	assert_string_equal(text, "r2");
	assert_int_equal(stat(w->path[1], &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* as after a restart */
	forget_source(w);
	assert_non_null(strstr(ask(w), "refresh_token=r2"));
	/* it cannot be written: kept in memory all the same */
	char directory[96];
	snprintf(directory, sizeof(directory), "%s.new", w->path[1]);
	assert_int_equal(mkdir(directory, 0700), 0);
	answer(w, OK "{\"access_token\":\"t\",\"refresh_token\":\"r3\"}");
	assert_string_equal(w->token, "t");
	assert_non_null(strstr(ask(w), "refresh_token=r3"));
	answer(w, OK "{\"access_token\":\"t\"}");
}

static void jwt_bearer(void **state)
{
	struct world *w = *state;
	struct fault why;

	w->o.grant = OAUTH_JWT_BEARER;
	w->o.client_id = w->o.secret_file = NULL;
	w->o.jwt_issuer = "me";
	w->o.jwt_lifetime = 120000;
	w->o.jwt_key_file = put_file(w, 1, "");
	make(w);
	assert_int_not_equal(auth_source_fetch(w->source, &why), 0);
	assert_non_null(strstr(why.text, "/1: it is not a private key"));
	put_file(w, 1, key_pem);
	const char *request = ask(w);
	assert_null(strstr(request, "Authorization"));
	/* {"alg":"RS256","typ":"JWT"}.{"iss":"me","sub":"me","aud":"http … */
	assert_non_null(strstr(request, "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3A"
					"grant-type%3Ajwt-bearer&assertion="
					"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9."
					"eyJpc3MiOiJtZSIsInN1YiI6Im1lIiwiYXVkIjoiaHR0c"));
	char first[4096], *signature = strrchr(request, '.');
	snprintf(first, sizeof(first), "%s", signature);
	/* a server that repeats it has it masked */
	char text[8192];
	snprintf(text, sizeof(text), HEAD("400 Bad") "\r\n{\"error\":\"invalid_grant\","
		 "\"error_description\":\"%s\"}", strstr(request, "assertion="));
	answer(w, text);
	assert_non_null(strstr(w->why.text, "invalid_grant: assertion=****"));
	assert_null(strstr(w->why.text, "eyJ"));
	/* never the same twice */
	assert_string_not_equal(strrchr(ask(w), '.'), first);
	answer(w, OK "{\"access_token\":\"t\"}");
}

/* --- what goes wrong --- */

static void refusals(void **state)
{
	static const struct {
		const char *answer, *why;
	} cases[] = {
		{HEAD("400 Bad Request") "\r\n{\"error\":\"invalid_grant\","
		 "\"error_description\":\"expired \\u00fcber\"}",
		 "the token server refused: invalid_grant: expired \xc3\xbc" "ber (HTTP 400)"},
		{HEAD("401 Unauthorized") "\r\n{\"error\":\"invalid_client\"}",
		 "the token server refused: invalid_client (HTTP 401)"},
		{HEAD("200 OK") "\r\n{\"error\":\"bad\",\"access_token\":7}",
		 "the token server refused: bad (HTTP 200)"},
		{HEAD("500 Oops") "\r\n<html>", "the token server answered HTTP 500"},
		{HEAD("400 Bad") "\r\n{\"error\":", "the token server answered HTTP 400"},
		{HEAD("302 Found") "Location: http://127.0.0.1:1/\r\n\r\n",
		 "the token server answered HTTP 302, a redirect, which is not followed"},
		{OK "", "the token server's answer: not JSON"},
		{OK "{}", "the token server's answer: it has no \"access_token\""},
		{OK "{\"access_token\":\"\"}", "the token server's answer: it is empty"},
		{OK "{\"access_token\":\"t\",\"token_type\":\"mac\"}",
		 "the token server's answer: its \"token_type\" is not \"Bearer\""},
		{OK "{\"access_token\":\"t\",\"refresh_token\":\"a\\nb\"}",
		 "the token server's answer: it has more than one line, or a control character"},
		{"garbage\r\n\r\n", "the token server: "},
		{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "the token server: "},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(w);
		answer(w, cases[i].answer);
		assert_string_equal(w->token, "");
		size_t n = strlen(cases[i].why);
		if (cases[i].why[n - 1] == ' ' ? strncmp(w->why.text, cases[i].why, n) || !w->why.text[n]
					       : strcmp(w->why.text, cases[i].why))
			fail_msg("\"%s\" is not \"%s\"", w->why.text, cases[i].why);
	}
	ask(w);
	answer(w, HEAD("429 Slow down") "Retry-After: 7\r\n\r\n");
	assert_int_equal(w->retry_after, 7000);
}

/* the sent secrets, in each encoding in which a server may repeat them */
static void echoes(void **state)
{
	static const char *const texts[] = {
		"bWUlM0ExOmNsMWVudCtzM2NyZXQ", "client_secret=cl1ent-s3cret-9%2F8", "cl1ent-s3cret-9",
		"cl1ent-s3cret-9\\/8", "cl1ent-s3...",
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[512];

		put_file(w, 0, i ? "cl1ent-s3cret-9/8" : SECRET);
		ask(w);
		snprintf(text, sizeof(text), HEAD("400 Bad") "\r\n{\"error\":\"no\","
			 "\"error_description\":\"you said %s\"}", texts[i]);
		answer(w, text);
		assert_non_null(strstr(w->why.text, "refused: no: you said "));
		assert_non_null(strstr(w->why.text, "********"));
		assert_null(strstr(w->why.text, "bWUl"));
		assert_null(strstr(w->why.text, "s3cret"));
	}
}

/* the refresh token lives longer than any other, and is no less a secret */
static void echo_of_a_refresh_token(void **state)
{
	struct world *w = *state;

	w->o.grant = OAUTH_REFRESH_TOKEN;
	w->o.refresh_file = put_file(w, 1, "r3fresh-t0ken");
	ask(w);
	answer(w, HEAD("400 Bad") "\r\n{\"error\":\"no\","
	       "\"error_description\":\"r3fresh-t0ken is unknown\"}");
	assert_non_null(strstr(w->why.text, "******** is unknown"));
	assert_null(strstr(w->why.text, "r3fresh"));
}

static void large_answers(void **state)
{
	struct world *w = *state;
	size_t n = 4u << 20;
	char *text = malloc(n + 1);

	memset(text, 'x', n);
	text[n] = 0;
	ask(w);
	wire_say(w->conn, OK "{\"access_token\":\"");
	wire_say(w->conn, text);
	wire_until(w->loop, &w->done);
	wire_close(w->conn);
	assert_string_equal(w->why.text, "the token server: the answer is too large (max-message)");
	free(text);
}

static void no_answer(void **state)
{
	struct world *w = *state;

	ask(w);
	wire_say(w->conn, OK "{\"access_token\":");
	pass(w, w->o.timeout - 1);
	wire_settle(w->loop);
	assert_false(w->done);
	pass(w, 1);
	wire_until(w->loop, &w->done);
	assert_string_equal(w->why.text, "the token server did not answer in time");
	/* the connection is gone, and so is the request with its secrets */
	wire_gone(w->conn);
	wire_close(w->conn);
	/* no server listens */
	wire_free(w->wire);
	struct fault why;
	w->done = false;
	assert_int_equal(auth_source_fetch(w->source, &why), 0);
	wire_until(w->loop, &w->done);
	w->wire = wire_new(w->loop);
	assert_string_equal(w->why.text, "the token server: Connection refused");
}

static void missing_files(void **state)
{
	struct world *w = *state;
	struct fault why;

	make(w);
	unlink(w->path[0]);
	assert_int_not_equal(auth_source_fetch(w->source, &why), 0);
	assert_non_null(strstr(why.text, "/0: No such file"));
	put_file(w, 0, "one\ntwo");
	assert_int_not_equal(auth_source_fetch(w->source, &why), 0);
	assert_non_null(strstr(why.text, "/0: it has more than one line"));
	assert_null(strstr(why.text, "two"));
	put_file(w, 0, "whole");
	ask(w);
	answer(w, OK "{\"access_token\":\"t\"}");
	assert_string_equal(w->token, "t");
}

/* --- with struct auth --- */

struct waiting {
	struct auth_waiter waiter;
	bool notified;
};

static void on_reported(void *ctx, const char *why)
{
	struct waiting *w = ctx;

	assert_null(why);
	w->notified = true;
}

static void one_request_for_all(void **state)
{
	struct world *w = *state;
	struct waiting waiting[5] = {0};
	struct auth *auth;

	make(w);
	struct auth_options o = {.name = "demo", .kind = AUTH_BEARER, .source = w->source,
				 .backoff_min = 20, .backoff_max = 60};
	assert_int_equal(auth_new(w->loop, &o, &auth), 0);
	w->source = NULL;
	for (int i = 0; i < 5; i++) {
		auth_waiter_init(&waiting[i].waiter, on_reported, &waiting[i]);
		auth_get(auth, &waiting[i].waiter);
	}
	struct wire_conn *c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK "{\"access_token\":\"t\",\"expires_in\":1}");
	wire_said(c);
	wire_close(c);
	for (int i = 0; i < 5; i++)
		wire_until(w->loop, &waiting[i].notified);
	assert_int_equal(wire_count(w->wire), 1);
	assert_string_equal(auth_header(auth), "Authorization: Bearer t");
	/* the next one comes by itself, before its end */
	pass(w, 999);
	c = wire_accept(w->wire);
	wire_request(c);
	assert_string_equal(auth_header(auth), "Authorization: Bearer t");
	auth_free(auth);
	wire_gone(c);
	wire_close(c);
}

static void short_of_memory(void **state)
{
	struct world *w = *state;
	static const char *const more[] = {"scope=a", "x=y"};
	struct fault why;

	w->o.grant = OAUTH_REFRESH_TOKEN;
	w->o.refresh_file = put_file(w, 1, "r1");
	w->o.parameters = (struct strings){more, 2};
	/* without a server, because its allocations would fail, too */
	wire_free(w->wire);
	w->wire = NULL;
	FAIL_EACH_ALLOCATION {
		w->done = false;
		if (auth_oauth_new(w->loop, w->curl, &w->o, &w->source))
			continue;
		w->source->fetched = on_fetched;
		w->source->ctx = w;
		if (auth_source_fetch(w->source, &why) == 0)
			wire_settle(w->loop);
		forget_source(w);
	}
}

#define OAUTH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OAUTH_TEST(client_credentials),
		OAUTH_TEST(refresh_token),
		OAUTH_TEST(refresh_token_saved),
		OAUTH_TEST(jwt_bearer),
		OAUTH_TEST(refusals),
		OAUTH_TEST(echoes),
		OAUTH_TEST(echo_of_a_refresh_token),
		OAUTH_TEST(large_answers),
		OAUTH_TEST(no_answer),
		OAUTH_TEST(missing_files),
		OAUTH_TEST(one_request_for_all),
		OAUTH_TEST(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
