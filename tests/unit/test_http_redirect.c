/*
 * Redirects: which are followed, with what, and that what is secret goes to no
 * host but the one that was asked.
 */
#include "base/log.h"
#include "net/http_post.h"
#include "net/redirect.h"
#include "tests/unit/http_world.h"
#include "tests/unit/testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NEVER HTTP_REDIRECTS_NEVER
#define SAME HTTP_REDIRECTS_SAME_HOST

/* --- the rules --- */

static const struct {
	enum http_redirects policy;
	const char *from, *to;
	unsigned status, hops;
	const char *objection;          /* NULL: followed */
} rules[] = {
	{SAME, "http://h/a", "http://h/b?c", 301, 0, NULL},
	{SAME, "http://h/a", "http://H/b", 302, 0, NULL},
	{SAME, "http://h:80/a", "http://h/b", 307, 4, NULL},
	{SAME, "https://h:8443/a", "https://h:8443/a/", 308, 0, NULL},
	{SAME, "http://h/a", "https://h/a", 301, 0, NULL},
	{SAME, "http://h:8080/a", "https://h:8443/a", 301, 0, NULL},
	{SAME, "http://[::1]/a", "HTTP://[::1]/b", 301, 0, NULL},
	{NEVER, "http://h/a", "http://h/b", 307, 0, "leads to http://h/b: redirects are not followed"},
	{NEVER, "http://h/a", "http://h/b?token=s3cret", 307, 0, "leads to http://h/b: redirects"},
	{SAME, "http://h/a", "http://h/b", 303, 0, "GET"},
	{SAME, "http://h/a", "http://h/b", 302, 5, "too many redirects"},
	{SAME, "http://h/a", "http://other/a", 307, 0, "another host"},
	{SAME, "http://h/a", "http://h.evil.example/a", 307, 0, "another host"},
	{SAME, "http://h/a", "http://h:8080/a", 307, 0, "another host"},
	{SAME, "https://h/a", "https://h:8443/a", 307, 0, "another host"},
	{SAME, "http://h/a", "https://other/a", 307, 0, "another host"},
	{SAME, "https://h/a", "http://h/a", 307, 0, "not encrypted"},
	{SAME, "https://h/a", "http://other/a", 307, 0, "not encrypted"},
	{SAME, "http://h/a", "file:///etc/passwd", 307, 0, "not an http or https URL"},
	{SAME, "http://h/a", "gopher://h/x", 307, 0, "not an http or https URL"},
	{SAME, "http://h/a", "ws://h/x", 307, 0, "not an http or https URL"},
	{SAME, "http://h/a", "http://me:s3cret@h/x", 307, 0, "not an http or https URL"},
	{SAME, "http://h/a", "http://h@other/x", 307, 0, "not an http or https URL"},
	{SAME, "http://h/a", "http://", 307, 0, "not an http or https URL"},
	{SAME, "http://h/a", "http://h/\r\nX: s3cret", 307, 0, "not an http or https URL"},
	{SAME, "http://h/a", "", 307, 0, "not an http or https URL"},
};

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct fault why = {0};
		bool allowed = redirect_allowed(rules[i].policy, rules[i].from, rules[i].to,
						rules[i].status, rules[i].hops, &why);

		if (allowed != !rules[i].objection ||
		    (rules[i].objection && !strstr(why.text, rules[i].objection)) ||
		    strstr(why.text, "s3cret"))
			fail_msg("%s to %s: %s", rules[i].from, rules[i].to, allowed ? "followed" : why.text);
	}
	for (unsigned status = 100; status < 600; status++)
		assert_int_equal(redirect_is(status), status == 301 || status == 302 || status == 303 ||
						      status == 307 || status == 308);
}

/* --- what is sent --- */

static void say_redirect(struct wire_conn *c, unsigned status, const char *to)
{
	char answer[512];

	snprintf(answer, sizeof(answer), "HTTP/1.1 %u Elsewhere\r\nLocation: %s\r\nContent-Length: 6\r\n"
		 "\r\n<html>", status, to);
	wire_say(c, answer);
}

/* with everything of the first time, and its own cookies */
static void test_followed(void **state)
{
	static const unsigned statuses[] = {301, 302, 307, 308};
	static const char *const headers[] = {"Authorization: Bearer s3cret", "X-Tenant: north"};
	struct world *w = *state;
	struct wire_conn *c;

	w->options.redirects = SAME;
	w->options.headers = (struct strings){headers, 2};
	c = begin(w);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		const char *request;
		char to[32];

		snprintf(to, sizeof(to), "/elsewhere/%u", statuses[i]);
		wire_say(c, "HTTP/1.1 103 Early Hints\r\nSet-Cookie: route=a; Path=/\r\n\r\n");
		say_redirect(c, statuses[i], to);
		request = wire_request(c);
		assert_non_null(strstr(request, to));
		assert_ptr_equal(strstr(request, "POST /elsewhere/"), request);
		assert_non_null(strstr(request, "\r\nAuthorization: Bearer s3cret\r\n"));
		assert_non_null(strstr(request, "\r\nX-Tenant: north\r\n"));
		assert_non_null(strstr(request, "\r\n\r\n[{\"id\":\"1\"}]"));
		assert_false(w->done);
		wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
		assert_answered(w, 200, "[]");
		/* the next request goes to the original URL again */
		start(w);
		assert_non_null(strstr(wire_request(c), "POST /cometd "));
	}
	assert_int_equal(wire_count(w->wire), 1);
	assert_int_equal(w->dones, 4);
}

/* a cookie of the redirect goes along, by the rules of cookies */
static void test_cookie(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	w->options.redirects = SAME;
	c = begin(w);
	wire_say(c, "HTTP/1.1 307 Elsewhere\r\nLocation: /b\r\nSet-Cookie: route=a; Path=/\r\n"
		    "Content-Length: 0\r\n\r\n");
	assert_non_null(strstr(wire_request(c), "\r\nCookie: route=a\r\n"));
}

/* No connection is made; the answer and its reason are reported. */
static void assert_refused(struct world *w, unsigned status, const char *to, const char *why)
{
	struct wire_conn *c = begin(w);
	unsigned connections = wire_count(w->wire);

	say_redirect(c, status, to);
	assert_failed(w, HTTP_ANSWERED, why);
	assert_int_equal(w->result.status, status);
	wire_settle(w->loop);
	assert_int_equal(wire_count(w->wire), connections);
	unmake(w);
	wire_close(c);
}

static void test_refused(void **state)
{
	struct world *w = *state;
	char other[64];

	/* the same server by another name is another host */
	snprintf(other, sizeof(other), "http://localhost:%u/cometd", wire_port(w->wire));
	assert_refused(w, 307, "/x", "redirects are not followed");
	w->options.redirects = SAME;
	assert_refused(w, 307, other, "another host");
	assert_refused(w, 302, "file:///etc/passwd", "not an http or https URL");
	assert_refused(w, 302, "ftp://127.0.0.1/", "not an http or https URL");
	assert_refused(w, 302, "//localhost/", "another host");
	assert_refused(w, 303, "/x", "GET");
	/* 300 and 304 are answers like any other; so is one that names no place */
	assert_refused(w, 304, "/x", "");
	assert_refused(w, 300, "/x", "");
}

static void test_loop(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;
	unsigned requests = 0;

	w->options.redirects = SAME;
	c = begin(w);
	for (; requests < REDIRECTS_MAX; requests++) {
		say_redirect(c, 302, "/cometd");
		wire_request(c);
		assert_false(w->done);
	}
	say_redirect(c, 302, "/cometd");
	assert_failed(w, HTTP_ANSWERED, "too many redirects");
	/* the count starts again */
	start(w);
	wire_request(c);
	say_redirect(c, 302, "/x");
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
}

/* ceilings are those of one answer, and nothing of the first one is left in the last */
static void test_ceilings(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	w->options.redirects = SAME;
	w->options.body_max = 10;
	c = begin(w);
	say_redirect(c, 302, "/x");
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 10\r\n\r\n0123456789");
	assert_answered(w, 200, "0123456789");
	start(w);
	wire_request(c);
	wire_say(c, "HTTP/1.1 302 Elsewhere\r\nLocation: /x\r\nContent-Length: 11\r\n\r\n01234567890");
	assert_failed(w, HTTP_BROKEN, "the answer is too large");
}

/* a request that fails after a redirect may have arrived before it */
static void test_broken_after_redirect(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;
	char to[64];

	w->options.redirects = SAME;
	c = begin(w);
	snprintf(to, sizeof(to), "%s", wire_url(w->wire, "https", "/"));
	say_redirect(c, 302, to);
	c = wire_accept(w->wire);
	wire_hear_bytes(c, 1);
	wire_close(c);
	assert_failed(w, HTTP_BROKEN, "");
}

static void test_abort(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	w->options.redirects = SAME;
	c = begin(w);
	say_redirect(c, 302, "/x");
	wire_request(c);
	http_post_abort(w->post);
	wire_gone(c);
	assert_int_equal(w->dones, 0);
}

/* --- the log --- */

struct lines {
	unsigned n;
	char last[1024];
};

static void keep_line(void *ctx, const struct log_line *line)
{
	struct lines *l = ctx;
	int n = snprintf(l->last, sizeof(l->last), "%s", line->text);

	l->n++;
	for (size_t i = 0; i < line->n_fields; i++)
		n += snprintf(l->last + n, sizeof(l->last) - (size_t)n, " %s=%.*s", line->fields[i].name,
			      SLICE_ARG(line->fields[i].value));
}

/* once for each place, without what may be secret */
static void test_log(void **state)
{
	struct world *w = *state;
	struct lines lines = {0};
	struct wire_conn *c;

	w->options.redirects = SAME;
	log_set_sink(keep_line, &lines);
	c = begin(w);
	for (int i = 0; i < 3; i++) {
		say_redirect(c, 302, i < 2 ? "/x?token=s3cret" : "/y");
		wire_request(c);
		assert_int_equal(lines.n, i < 2 ? 1 : 2);
		assert_non_null(strstr(lines.last, "redirects requests"));
		assert_non_null(strstr(lines.last, i < 2 ? "/x" : "/y"));
		assert_null(strstr(lines.last, "s3cret"));
		wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
		assert_answered(w, 200, "[]");
		start(w);
		wire_request(c);
	}
	log_set_sink(NULL, NULL);
}

/* an allocation fails while the redirect is followed: the request fails or continues, and the result is
   reported */
static void test_allocations_meanwhile(void **state)
{
	struct world *w = *state;
	unsigned accepted = 0;
	bool more = true;

	w->options.redirects = SAME;
	make(w);
	for (unsigned n = 0; more; n++) {
		struct wire_conn *c;

		start(w);
		c = wire_accept(w->wire);
		accepted++;
		wire_request(c);
		wire_say(c, "HTTP/1.1 302 Elsewhere\r\nLocation: /x\r\nConnection: close\r\n"
			    "Content-Length: 0\r\n\r\n");
		wire_said(c);
		/* the server makes no allocation meanwhile */
		wire_deaf(c);
		wire_pause(w->wire, true);
		testing_fail_allocation(n);
		for (int i = 0; i < 20 && !w->done; i++)
			assert_int_equal(loop_turn(w->loop, false), 0);
		more = testing_allocation_failed();
		wire_listen(c);
		wire_pause(w->wire, false);
		wire_settle(w->loop);
		assert_true(!w->done || w->result.outcome != HTTP_ANSWERED || w->result.status == 302);
		assert_true(!w->done || w->reason[0]);
		http_post_abort(w->post);
		wire_gone(c);
		wire_close(c);
		for (; wire_count(w->wire) > accepted; accepted++)
			wire_close(wire_accept(w->wire));
	}
	assert_false(w->done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(rules), T(followed), T(cookie), T(refused), T(loop), T(ceilings), T(broken_after_redirect),
		T(abort), T(log), T(allocations_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
