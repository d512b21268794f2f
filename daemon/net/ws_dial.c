/*
 * A stream until the upgrade on it is answered. Only a valid answer makes it a WebSocket; the answer's cookies are
 * in the jar then; and everything together takes no longer than the connect timeout.
 */
#include "net/ws_dial.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "net/cookies.h"
#include "net/redirect.h"
#include "net/ws_upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ws_dial {
	struct loop *loop;
	struct http_client *client;
	const struct url *url;
	struct ws_offer offer;
	struct stream *stream;
	struct loop_timer *deadline;
	struct buf request, answer;
	bool connected;
	char accept[WS_ACCEPT_SIZE];
	char reason[256];                /* room for those that have something in them */
	void (*done)(void *ctx, struct ws_dialled *d);
	void *ctx;
};

/* --- the end --- */

static void fail(struct ws_dial *d, struct ws_dialled *result, const char *reason)
{
	result->reason = reason;
	loop_timer_stop(d->deadline);
	stream_watch(d->stream, 0);
	d->done(d->ctx, result);
}

static void fail_with(struct ws_dial *d, const char *reason)
{
	struct ws_dialled nothing = {0};

	fail(d, &nothing, reason);
}

static void succeed(struct ws_dial *d, const struct ws_answer *a)
{
	struct ws_dialled result = {
		.stream = d->stream, .rest = d->answer, .deflate = a->deflate};

	d->stream = NULL;
	buf_consume(&result.rest, a->length);
	buf_init(&d->answer, 0);
	loop_timer_stop(d->deadline);
	d->done(d->ctx, &result);
}

/*
 * With 404 and similar ones there is no WebSocket at this address. Rejected credentials, a busy or a broken server
 * leave that open.
 */
static bool is_unsupported(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
	case 408:
	case 425:
	case 429:
		return false;
	}
	return status < 500;
}

/* An upgrade is not redirected: the administrator configures the right URL. */
static void add_location(struct ws_dial *d, struct slice location)
{
	char url[512], name[128];
	size_t n = strlen(d->reason);

	snprintf(url, sizeof(url), "%.*s", SLICE_ARG(slice_take(location, sizeof(url) - 1)));
	snprintf(d->reason + n, sizeof(d->reason) - n, ", which leads to %s: upgrades are not redirected",
		 redirect_name(url, name, sizeof(name)));
}

static void refused(struct ws_dial *d, const struct ws_answer *a)
{
	struct ws_dialled result = {
		.unsupported = a->fault || is_unsupported(a->status),
		.http_status = a->status,
		.retry_after = a->retry_after,
	};

	snprintf(d->reason, sizeof(d->reason), "the server answered HTTP %u to the upgrade",
		 a->status);
	if (redirect_is(a->status))
		add_location(d, a->location);
	fail(d, &result, a->fault ? a->fault : d->reason);
}

/* --- the answer --- */

static void take_cookies(struct ws_dial *d, struct slice header)
{
	struct slice cookie;
	unsigned n = 0;

	while (n++ < COOKIES_TAKEN_MAX && ws_answer_next_cookie(&header, &cookie))
		/* what cannot be hidden is not used */
		if (http_client_hide_cookie(d->client, cookie) == 0)
			cookies_take(stream_easy(d->stream), d->url, cookie, clock_unix_ms());
	if (n > 1)
		http_client_limit_cookies(d->client, stream_easy(d->stream));
}

static void answered(struct ws_dial *d, const struct ws_answer *a)
{
	take_cookies(d, slice_take(buf_slice(&d->answer), a->length));
	if (a->status == 101 && !a->fault)
		succeed(d, a);
	else
		refused(d, a);
}

static void read_answer(struct ws_dial *d)
{
	struct ws_answer a;
	int r = stream_read(d->stream, &d->answer, HTTP_HEADER_MAX - buf_len(&d->answer));
	int parsed;

	if (r == -EAGAIN)
		return;
	parsed = ws_answer_parse(buf_slice(&d->answer), d->accept, &d->offer, &a);
	if (parsed == 0)
		answered(d, &a);
	else if (parsed == WS_E_GARBAGE)
		fail(d, &(struct ws_dialled){.unsupported = true},
		     "the server answered the upgrade with something that is not HTTP");
	else if (r)
		fail_with(d, r == -EPIPE ? stream_reason(d->stream) : "out of memory");
	else if (buf_len(&d->answer) == HTTP_HEADER_MAX)
		fail_with(d, "the header of the answer is too large");
}

/* --- the request --- */

static void send_request(struct ws_dial *d)
{
	int r = stream_write(d->stream, &d->request);

	if (r == -EPIPE)
		fail_with(d, stream_reason(d->stream));
	else if (stream_watch(d->stream, LOOP_READ | (r == -EAGAIN ? LOOP_WRITE : 0)))
		fail_with(d, "out of memory");
}

static void on_ready(void *ctx, unsigned events)
{
	struct ws_dial *d = ctx;

	if ((events & LOOP_WRITE) && buf_len(&d->request) > 0)
		send_request(d);
	else
		read_answer(d);
}

static void on_connected(void *ctx, const char *failure)
{
	struct ws_dial *d = ctx;

	if (failure) {
		fail_with(d, failure);
		return;
	}
	d->connected = true;
	send_request(d);
}

static void on_deadline(void *ctx)
{
	struct ws_dial *d = ctx;

	fail_with(d, d->connected ? "the server did not answer the upgrade in time"
				  : "connecting took too long");
}

/* --- life --- */

static void slist_freep(struct curl_slist **l)
{
	http_client_free_headers(*l);
}

/* Written before connecting: what is wrong with a header file is known at once. */
static int prepare(struct ws_dial *d, struct fault *why)
{
	CLEANUP(slist_freep) struct curl_slist *headers = NULL;
	CLEANUP(buf_fini) struct buf cookies;
	struct ws_request request = {.url = d->url, .offer = &d->offer};
	char key[WS_KEY_SIZE];
	int r;

	buf_init_secret(&cookies, HTTP_HEADER_MAX);
	r = ws_key(key);
	if (!r)
		r = ws_accept(key, d->accept);
	if (!r)
		r = cookies_for(stream_easy(d->stream), d->url, clock_unix_ms(), &cookies);
	if (!r)
		r = http_client_headers(d->client, &headers, why);
	if (r)
		return r;
	request.key = key;
	request.user_agent = http_client_options(d->client)->user_agent;
	request.cookies = buf_slice(&cookies);
	request.headers = headers;
	return ws_request_put(&d->request, &request);
}

static int start(struct ws_dial *d, struct curl_loop *curl, struct fault *why)
{
	struct stream_events events = {.connected = on_connected, .ready = on_ready, .ctx = d};
	int r = loop_timer_new(d->loop, on_deadline, d, &d->deadline);

	if (!r)
		r = stream_new(d->loop, curl, d->client, d->url->http, &events, why,
			       &d->stream);
	if (!r)
		r = prepare(d, why);
	if (!r)
		loop_timer_at(d->deadline,
			      loop_now(d->loop) + http_client_options(d->client)->connect_timeout);
	return r;
}

int ws_dial_new(struct loop *loop, struct curl_loop *curl, struct http_client *client,
		const struct url *url, const struct ws_offer *offer,
		void (*done)(void *ctx, struct ws_dialled *d), void *ctx, struct fault *why,
		struct ws_dial **ret)
{
	struct ws_dial *d = calloc(1, sizeof(*d));
	int r;

	fault_set(why, "out of memory");
	if (!d)
		return -ENOMEM;
	d->loop = loop;
	d->client = client;
	d->url = url;
	d->offer = *offer;
	d->done = done;
	d->ctx = ctx;
	buf_init_secret(&d->request, 2 * HTTP_HEADER_MAX);
	buf_init(&d->answer, HTTP_HEADER_MAX);
	r = start(d, curl, why);
	if (r) {
		ws_dial_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void ws_dial_free(struct ws_dial *d)
{
	if (!d)
		return;
	loop_timer_free(d->deadline);
	stream_free(d->stream);
	buf_fini(&d->request);
	buf_fini(&d->answer);
	free(d);
}
