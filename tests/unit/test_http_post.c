/*
 * net/curl_loop, http_client and http_post: the content of a request, which connection it
 * uses, and that nothing is sent twice or lost.
 */
#include "base/log.h"
#include "net/http_post.h"
#include "tests/unit/http_world.h"
#include "tests/unit/testing.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the request --- */

static void test_request(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"X-Token: s3cret", "X-Other: 1"};
	struct wire_conn *c;
	const char *request;

	w->options.headers = (struct strings){headers, 2};
	make(w);
	start(w);
	assert_int_equal(http_post_start(w->post, "http://127.0.0.1/", SLICE("x")), -EBUSY);
	c = wire_accept(w->wire);
	request = wire_request(c);
	assert_ptr_equal(strstr(request, "POST /cometd HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, "\r\nContent-Type: application/json;charset=UTF-8\r\n"));
	assert_non_null(strstr(request, "\r\nUser-Agent: cometd-bridge/"));
	assert_non_null(strstr(request, "\r\nX-Token: s3cret\r\n"));
	assert_non_null(strstr(request, "\r\nX-Other: 1\r\n"));
	assert_non_null(strstr(request, "\r\nAccept-Encoding: "));
	assert_non_null(strstr(request, "gzip"));
	assert_null(strstr(request, "Expect"));
	assert_non_null(strstr(request, "\r\n\r\n[{\"id\":\"1\"}]"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
}

/* a body beyond the size for which curl would ask "Expect: 100-continue" */
static void test_large_request(void **state)
{
	struct world *w = *state;
	size_t n = 3u << 20;
	char *body = malloc(n);
	struct wire_conn *c;
	const char *request;

	memset(body, 'x', n);
	make(w);
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"),
					 slice_make(body, n)), 0);
	memset(body, 'y', n); /* it was copied */
	c = wire_accept(w->wire);
	request = wire_request(c);
	assert_null(strstr(request, "Expect"));
	assert_int_equal(strspn(strstr(request, "\r\n\r\n") + 4, "x"), n);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	free(body);
}

static void test_header_file(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/test-http-post-XXXXXX", fifo[64];
	struct wire_conn *c;

	close(mkstemp(path));
	w->options.header_file = path;
	write_file(path, "Authorization: Bearer one\r\n\n  \n");
	make(w);
	start(w);
	c = wire_accept(w->wire);
	assert_non_null(strstr(wire_request(c), "\r\nAuthorization: Bearer one\r\n"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");

	/* read again for each request */
	write_file(path, "Authorization: Bearer two");
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nAuthorization: Bearer two\r\n"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");

	/* an invalid header is never sent, and the secret in it never logged */
	write_file(path, "X: 1\nBearer three\n");
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"), SLICE("[]")), -EINVAL);
	assert_non_null(strstr(http_post_reason(w->post), ":2: this is not a header"));
	assert_null(strstr(http_post_reason(w->post), "three"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"), SLICE("[]")), -ENOENT);
	assert_non_null(strstr(http_post_reason(w->post), path));
	/* a fifo without a writer does not stop the daemon */
	snprintf(fifo, sizeof(fifo), "%s", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/"), SLICE("[]")), -EINVAL);
	unlink(fifo);
	assert_int_equal(wire_count(w->wire), 1);
}

static const char *the_credential(void *ctx)
{
	return ctx;
}

static unsigned lines_logged;

static void count_line(void *ctx, const struct log_line *line)
{
	(void)ctx;
	assert_null(strstr(line->text, "one"));
	lines_logged++;
}

/* The header of the credential is sent once, with the credential. */
static void test_header_file_and_credential(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/test-http-post-XXXXXX", credential[] = "Authorization: Bearer two";
	const char *request;
	struct wire_conn *c;

	close(mkstemp(path));
	w->options.header_file = path;
	write_file(path, "authorization:Bearer one\nX-Author: me\n");
	make(w);
	http_client_set_credential(w->client, (struct http_credential){the_credential, credential});
	log_set_sink(count_line, NULL);
	for (int i = 0; i < 2; i++) {
		start(w);
		if (i == 0)
			c = wire_accept(w->wire);
		request = wire_request(c);
		assert_null(strstr(request, "one"));
		assert_non_null(strstr(request, "\r\nX-Author: me\r\n"));
		assert_non_null(strstr(request, "\r\nAuthorization: Bearer two\r\n"));
		wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
		assert_answered(w, 200, "[]");
	}
	log_set_sink(NULL, NULL);
	assert_int_equal(lines_logged, 1);
	unlink(path);
}

static void test_header_valid(void **state)
{
	(void)state;
	assert_true(http_header_valid("Authorization: Bearer x"));
	assert_true(http_header_valid("X-1:y\tz"));
	assert_false(http_header_valid(""));
	assert_false(http_header_valid(": x"));
	assert_false(http_header_valid("X"));
	assert_false(http_header_valid("X:"));
	assert_false(http_header_valid("X: \t"));
	assert_false(http_header_valid("X Y: z"));
	assert_false(http_header_valid("X: a\r\nY: b"));
	assert_false(http_header_valid("X: \x01"));
	assert_false(http_header_valid("content-length: 3"));
	assert_false(http_header_valid("sec-websocket-key: 3"));
}

/* --- connections --- */

static void test_refused(void **state)
{
	struct world *w = *state;

	make(w);
	start(w);
	wire_free(w->wire); /* no server listens there now */
	w->wire = NULL;
	assert_failed(w, HTTP_NOT_SENT, "Connection refused");
	w->wire = wire_new(w->loop);
	w->done = false;
	assert_int_equal(http_post_start(w->post, "http://host.invalid/", SLICE("[]")), 0);
	assert_failed(w, HTTP_NOT_SENT, "resolve");
	w->done = false;
	assert_int_equal(http_post_start(w->post, "ftp://127.0.0.1/", SLICE("[]")), 0);
	assert_failed(w, HTTP_NOT_SENT, "");
}

/*
 * A name server that does not answer: libcurl asks it in a thread, and aborting must not
 * wait for that thread. This getaddrinfo() replaces libc's.
 */
static pthread_mutex_t resolver = PTHREAD_MUTEX_INITIALIZER;
static volatile bool resolving;

__attribute__((visibility("default")))
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");

	if (name && strcmp(name, "hang.test") == 0) {
		resolving = true;
		pthread_mutex_lock(&resolver);
		resolving = false;
		pthread_mutex_unlock(&resolver);
		return EAI_AGAIN;
	}
	return real(name, service, hints, ret);
}

static void test_abort_resolving(void **state)
{
	struct world *w = *state;

	make(w);
	pthread_mutex_lock(&resolver);
	assert_int_equal(http_post_start(w->post, "http://hang.test/", SLICE("[]")), 0);
	while (!resolving)
		assert_int_equal(loop_turn(w->loop, false), 0);
	/* would never return, for this thread holds what the other waits for */
	http_post_abort(w->post);
	assert_true(resolving);
	pthread_mutex_unlock(&resolver);
	while (resolving)
		assert_int_equal(loop_turn(w->loop, false), 0);
	wire_settle(w->loop);
	assert_int_equal(w->dones, 0);
}

static void test_abort(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	/* silence: only an abort ends it */
	wire_settle(w->loop);
	assert_false(w->done);
	http_post_abort(w->post);
	wire_gone(c);
	http_post_abort(w->post);
	/* in the middle of an answer */
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 100\r\n\r\n[{\"channel\"");
	wire_settle(w->loop);
	http_post_abort(w->post);
	wire_gone(c);
	/* at once */
	start(w);
	http_post_abort(w->post);
	wire_settle(w->loop);
	assert_int_equal(w->dones, 0);
	/* the post can be used again, and nothing is left of the truncated answer */
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
}

static void test_keep_alive(void **state)
{
	struct world *w = *state;
	struct wire_conn *c = begin(w);

	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	start(w);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 3\r\n\r\n[ ]");
	assert_answered(w, 200, "[ ]");
	assert_int_equal(wire_count(w->wire), 1);
	/* the server closes between two requests: curl sees it and takes a fresh connection */
	wire_close(c);
	wire_settle(w->loop);
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	assert_int_equal(wire_count(w->wire), 2);
}

/*
 * The trap: the server reads the request from a connection used before, perhaps
 * acts on it, and dies without a byte. curl alone would send it again.
 */
static void test_never_sent_twice(void **state)
{
	struct world *w = *state;

	for (int reset = 0; reset < 2; reset++) {
		struct wire_conn *c = begin(w);

		wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
		assert_answered(w, 200, "[]");
		start(w);
		assert_non_null(strstr(wire_request(c), "[{\"id\":\"1\"}]"));
		if (reset)
			wire_reset(c);
		else
			wire_close(c);
		assert_failed(w, HTTP_BROKEN, "closed before an answer");
		wire_settle(w->loop);
		/* a connection may have been opened, but nothing was sent on it */
		while (wire_count(w->wire) > (unsigned)reset * 2 + 1) {
			c = wire_accept(w->wire);
			wire_gone(c);
			assert_int_equal(wire_heard(c).n, 0);
			break;
		}
		unmake(w);
	}
}

/* two lanes of one client: a held answer on one does not delay the other */
static void test_two_lanes(void **state)
{
	struct world *w = *state;
	struct world other = {0};
	struct wire_conn *held = begin(w), *c;

	assert_int_equal(http_post_new(w->curl, w->client, on_done, &other, &other.post), 0);
	assert_int_equal(http_post_start(other.post, wire_url(w->wire, "http", "/"), SLICE("[]")), 0);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &other.done);
	assert_false(w->done);
	wire_say(held, OK_HEAD "Content-Length: 3\r\n\r\n[1]");
	assert_answered(w, 200, "[1]");
	http_post_free(other.post);
}

static void free_in_done(void *ctx, const struct http_result *r)
{
	struct world *w = ctx;

	on_done(ctx, r);
	http_post_free(w->post);
	w->post = NULL;
}

static void test_free_in_done(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	assert_int_equal(http_client_new(&w->options, &w->client), 0);
	assert_int_equal(http_post_new(w->curl, w->client, free_in_done, w, &w->post), 0);
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	wire_settle(w->loop);
}

/* --- cookies --- */

static void test_cookies(void **state)
{
	struct world *w = *state;
	struct world other = {0};
	struct wire_conn *c = begin(w);

	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=one; Path=/; HttpOnly\r\n"
			    "Set-Cookie: elsewhere=x; Path=/other\r\n"
			    "Set-Cookie: gone=x; Max-Age=0\r\n"
			    "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nCookie: BAYEUX_BROWSER=one\r\n"));
	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=two; Path=/\r\nContent-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nCookie: BAYEUX_BROWSER=two\r\n"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");

	/* another lane of the client has them, another client of the same host has not */
	assert_int_equal(http_post_new(w->curl, w->client, on_done, &other, &other.post), 0);
	assert_int_equal(http_post_start(other.post, wire_url(w->wire, "http", "/"), SLICE("[]")), 0);
	assert_non_null(strstr(wire_request(c), "BAYEUX_BROWSER=two"));
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &other.done);
	http_post_free(other.post);

	assert_int_equal(http_client_new(&w->options, &other.client), 0);
	assert_int_equal(http_post_new(w->curl, other.client, on_done, &other, &other.post), 0);
	other.done = false;
	assert_int_equal(http_post_start(other.post, wire_url(w->wire, "http", "/"), SLICE("[]")), 0);
	assert_null(strstr(wire_request(c), "Cookie"));
	wire_say(c, OK_HEAD "Set-Cookie: BAYEUX_BROWSER=other; Path=/\r\nContent-Length: 2\r\n\r\n[]");
	wire_until(w->loop, &other.done);
	http_post_free(other.post);
	http_client_free(other.client);
	start(w);
	assert_non_null(strstr(wire_request(c), "\r\nCookie: BAYEUX_BROWSER=two\r\n"));
}

/* --- nothing is lost on the way --- */

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void fail_to_connect(struct world *w, const char *url, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		w->done = false;
		assert_int_equal(http_post_start(w->post, url, SLICE("[]")), 0);
		while (!w->done)
			assert_int_equal(loop_turn(w->loop, true), 0);
		assert_int_equal(w->result.outcome, HTTP_NOT_SENT);
	}
}

static void test_many_refusals(void **state)
{
	struct world *w = *state;
	char url[64];
	unsigned fds;
	size_t bytes;
	int fd;

	make(w);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", wire_refusing_port(&fd));
	fail_to_connect(w, url, 100);
	fds = count_fds();
	bytes = mallinfo2().uordblks;
	fail_to_connect(w, url, 10000);
	assert_int_equal(count_fds(), fds);
	/* zero under a sanitizer, which counts elsewhere and finds leaks by itself */
	assert_in_range(mallinfo2().uordblks, 0, bytes + 65536);
	close(fd);
}

static void test_each_allocation(void **state)
{
	struct world *w = *state;
	static const char *const headers[] = {"X: y"};

	w->options.headers = (struct strings){headers, 1};
	w->options.proxy = "";
	w->options.no_proxy = "x";
	w->options.ca_file = "/nowhere";
	w->options.cert_file = "/nowhere";
	w->options.key_file = "/nowhere";
	w->options.pin = "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=";
	FAIL_EACH_ALLOCATION {
		struct http_client *client = NULL;
		struct http_post *post = NULL;
		struct curl_loop *curl = NULL;
		int r = curl_loop_new(w->loop, &curl);

		if (!r)
			r = http_client_new(&w->options, &client);
		if (!r)
			r = http_post_new(curl, client, on_done, w, &post);
		if (!r)
			r = http_post_start(post, "http://127.0.0.1:1/", SLICE("[]"));
		if (r)
			assert_int_equal(r, -ENOMEM);
		http_post_free(post);
		http_client_free(client);
		curl_loop_free(curl);
	}
}

/* turns with allocation `n` failing; whether there was one */
static bool turn_failing(struct world *w, unsigned n)
{
	testing_fail_allocation(n);
	for (int i = 0; i < 20 && !w->done; i++)
		assert_int_equal(loop_turn(w->loop, false), 0);
	return testing_allocation_failed();
}

/*
 * An allocation fails while a request runs: it ends by failing, or goes on, and
 * the next one is well. The server makes no allocation meanwhile.
 */
static void test_allocations_meanwhile(void **state)
{
	struct world *w = *state;
	unsigned accepted = 0;
	bool more = true;

	make(w);
	for (unsigned n = 0; more; n++) {
		wire_pause(w->wire, true);
		start(w);
		more = turn_failing(w, n);
		wire_pause(w->wire, false);
		wire_settle(w->loop);
		for (; w->done && wire_count(w->wire) > accepted; accepted++)
			wire_close(wire_accept(w->wire));
		if (!w->done) {
			struct wire_conn *c = wire_accept(w->wire);

			accepted++;
			wire_request(c);
			wire_say(c, OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\n[]");
			more |= turn_failing(w, n);
			until_done(w);
			wire_gone(c);
			wire_close(c);
		}
		assert_true(w->result.outcome != HTTP_ANSWERED || strcmp(w->body, "[]") == 0);
		assert_true(w->result.outcome == HTTP_ANSWERED || w->reason[0]);
	}
	assert_int_equal(w->result.outcome, HTTP_ANSWERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(request), T(large_request), T(header_file), T(header_file_and_credential),
		T(header_valid), T(refused), T(abort), T(abort_resolving), T(keep_alive),
		T(never_sent_twice), T(two_lanes), T(free_in_done), T(cookies),
		T(many_refusals), T(each_allocation), T(allocations_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
