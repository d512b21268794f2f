/*
 * Owns one request and its easy handle. A request is sent at most once, and "not sent" is reported only
 * when it is certain. The delivered answer is complete, inflated and within its size limit; the body of an
 * error is cut at a lower limit. At most two pieces of a pulled answer are held.
 *
 * libcurl sends a POST again, up to five times, when a reused connection is closed
 * before an answer (Curl_retry_request in lib/transfer.c, seen in 7.88). This must
 * not happen: the server may have processed the request, so a publish would be
 * duplicated. CURLOPT_PREREQFUNCTION is called before each sending and rejects the
 * second one. As a consequence, a request sent on a connection that is just being
 * closed ends as "broken"; to make this rare, connections that were idle for longer
 * than idle_max are not reused.
 *
 * Redirects are followed here, because libcurl does not support the rules of
 * net/redirect.h: it would turn a POST into a GET, and send headers and body to any
 * host.
 */
#include "net/http_post.h"

#include "base/errors.h"
#include "base/log.h"
#include "net/http_text.h"
#include "net/inflate.h"
#include "net/redirect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* When this many bytes are held, libcurl is paused. One callback of libcurl delivers at most 16 KB. */
#define HELD_MAX (64u << 10)
/* accepted bytes on the wire for each byte of a body: a chunk of one byte takes six, plus a reserve */
#define OVERHEAD_MAX 16

enum coding { CODING_NONE, CODING_GZIP, CODING_UNKNOWN };

struct http_post {
	struct curl_loop *loop;
	struct http_client *client;
	struct curl_transfer transfer;
	void (*done)(void *ctx, const struct http_result *r);
	void (*active)(void *ctx);       /* or NULL */
	void (*ready)(void *ctx);        /* answers are pulled; or NULL */
	void *ctx;

	/* the request in flight; the answer is kept until the next one */
	struct curl_slist *headers;
	struct buf request, answer;
	bool forms;                      /* request and answer are not JSON, and secret */
	size_t header_bytes;
	size_t raw_bytes;                /* of the body as received: compressed, in chunks */
	unsigned long long length;       /* Content-Length */
	unsigned status;                 /* of the last header received, also an interim one or a proxy's */
	bool cut;                        /* the body of an error was cut */
	bool set_cookies;                /* an answer set cookies; there may be too many now */
	unsigned sendings;               /* how often libcurl started to send it */
	unsigned hops;                   /* redirects followed */
	const char *too_large;           /* the message for the exceeded limit; or NULL */
	bool garbled;                    /* the answer has an invalid status */
	/* an answer that is pulled */
	enum coding coding;
	struct inflater inflater;
	struct buf held;                 /* bytes of the body that were not pulled yet */
	struct buf giving;               /* bytes being pulled; separate, so that arriving bytes do not move them */
	size_t given;                    /* how many of them the last call returned */
	size_t body_bytes;               /* bytes of the body received, without the overhead */
	char *piece;                     /* HTTP_PIECE_MAX bytes, while inflating */
	bool full;                       /* the inflater may have more output */
	bool paused;                     /* libcurl is paused */
	bool ended;                      /* `result` is returned after the held bytes */
	struct http_result result;
	char logged_redirect[128];       /* the target of the redirect that was logged last */
	struct fault error;             /* libcurl writes here, too */
};

/* --- callbacks of libcurl --- */

static int before_sending(void *ctx, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
	struct http_post *p = ctx;

	(void)peer_ip;
	(void)own_ip;
	(void)peer_port;
	(void)own_port;
	return p->sendings++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static bool is_error(const struct http_post *p)
{
	return p->status >= 400;
}

/* Whether this answer is pulled. */
static bool is_pulled(const struct http_post *p)
{
	return p->ready && p->status == 200;
}

static size_t body_max(const struct http_post *p)
{
	if (is_pulled(p))
		return SIZE_MAX;
	return is_error(p) && p->answer.max > HTTP_ERROR_MAX ? HTTP_ERROR_MAX : p->answer.max;
}

/* Records that the body exceeds its limit. Returns 0, which makes libcurl end the transfer. */
static size_t body_too_large(struct http_post *p)
{
	if (is_error(p))
		p->cut = true;
	else
		p->too_large = "the answer is too large (max-message)";
	return 0;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": three digits; 0 if there are none. libcurl 8.14 reads 2000 as 200, 7.88
   does not. */
static unsigned read_status(const char *line, size_t n)
{
	const char *blank = memchr(line, ' ', n);
	struct slice s = blank ? slice_drop(slice_make(line, n), (size_t)(blank - line) + 1) : SLICE_NULL;
	unsigned status = 0;

	if (s.n < 4 || !memchr(" \r\n", s.p[3], 3))
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(s.p[i] - '0');
	}
	return status;
}

/* `name` is the rest of a header line, with its CR and LF. */
static enum coding coding_of(struct slice name)
{
	while (name.n && (name.p[name.n - 1] == '\r' || name.p[name.n - 1] == '\n'))
		name.n--;
	name = http_trim(name);
	if (name.n == 0 || http_is(name, "identity"))
		return CODING_NONE;
	return http_is(name, "gzip") || http_is(name, "x-gzip") ? CODING_GZIP : CODING_UNKNOWN;
}

/* Evaluates a header line, which ends in CR LF. 0, -ENOMEM, -EBADMSG. */
static int read_line(struct http_post *p, const char *line, size_t n)
{
	if (n > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		p->status = read_status(line, n);
		p->length = 0;
		p->garbled = p->status == 0;
		p->coding = CODING_NONE;
		return p->garbled ? -EBADMSG : 0;
	} else if (n > 17 && strncasecmp(line, "Content-Encoding:", 17) == 0) {
		p->coding = coding_of(slice_make(line + 17, n - 17));
	} else if (n > 15 && strncasecmp(line, "Content-Length:", 15) == 0) {
		p->length = strtoull(line + 15, NULL, 10);
	} else if (n > 11 && strncasecmp(line, "Set-Cookie:", 11) == 0) {
		p->set_cookies = true;
		/* if there is no memory to mask a secret, fail the request rather than leak it */
		return http_client_hide_cookie(p->client, slice_make(line + 11, n - 11));
	}
	return 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct http_post *p = ctx;

	n *= size;
	p->header_bytes += n;
	if (p->header_bytes > HTTP_HEADER_MAX) {
		p->too_large = "the header of the answer is too large";
		return 0;
	}
	if (read_line(p, data, n))
		return 0;
	if (p->sendings == 0 && http_client_is_proxy_refusal(p->transfer.easy, data))
		return 0;
	/* the header has ended: do not read a body that is too large anyway */
	if (data[0] == '\r' && p->length > body_max(p))
		return body_too_large(p);
	return n;
}

/* Stores a piece of an answer until it is pulled. */
static size_t hold(struct http_post *p, struct slice data)
{
	if (p->coding == CODING_UNKNOWN) {
		p->too_large = "the answer has an unsupported Content-Encoding, which was not requested";
		return 0;
	}
	if (buf_len(&p->held) && buf_len(&p->held) + data.n > HELD_MAX) {
		p->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (buf_put(&p->held, data))
		return 0;
	p->body_bytes += data.n;
	p->ready(p->ctx);
	return data.n;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct http_post *p = ctx;

	if (is_pulled(p))
		return hold(p, slice_make(data, n * size));
	size_t room = body_max(p) - buf_len(&p->answer);

	n *= size;
	if (buf_put(&p->answer, slice_make(data, n < room ? n : room)))
		return 0;
	return n > room ? body_too_large(p) : n;
}

/*
 * CURLOPT_DEBUGFUNCTION. No other callback receives chunk extensions and compressed
 * data without output, and a server may send any amount of either.
 */
static int on_trace(CURL *easy, curl_infotype type, char *data, size_t n, void *ctx)
{
	struct http_post *p = ctx;

	(void)easy;
	(void)data;
	if (type == CURLINFO_DATA_IN)
		p->raw_bytes += n;
	if (p->active && (type == CURLINFO_DATA_IN || type == CURLINFO_HEADER_IN ||
			  type == CURLINFO_DATA_OUT))
		p->active(p->ctx);
	return 0;
}

/* CURLOPT_XFERINFOFUNCTION: libcurl calls it after some reads, and it can end the transfer. */
static int on_progress(void *ctx, curl_off_t down_max, curl_off_t down, curl_off_t up_max,
		       curl_off_t up)
{
	struct http_post *p = ctx;
	size_t raw = p->raw_bytes > HTTP_HEADER_MAX ? p->raw_bytes - HTTP_HEADER_MAX : 0;
	/* a pulled body has no limit, but its overhead has one */
	bool overhead = is_pulled(p) && raw / OVERHEAD_MAX > p->body_bytes;

	(void)down_max;
	(void)down;
	(void)up_max;
	(void)up;
	/* the overhead of a body may be as large as the body */
	if (!overhead && raw / 2 <= body_max(p))
		return 0;
	if (overhead)
		p->too_large = "the answer is too large: nearly all of it is chunk headers";
	else
		body_too_large(p);
	return 1;
}

/* --- the end of a request --- */

static uint64_t retry_after(CURL *easy)
{
	curl_off_t s = 0;

	if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &s) || s <= 0)
		return 0;
	return (s > HTTP_RETRY_AFTER_MAX_S ? HTTP_RETRY_AFTER_MAX_S : (uint64_t)s) * 1000;
}

static const char *why(struct http_post *p, CURLcode code)
{
	if (p->too_large)
		return p->too_large;
	if (p->garbled)
		return "the answer does not begin with a valid HTTP status";
	if (p->sendings > 1)
		return "the connection was closed before an answer";
	http_client_describe_failure(p->transfer.easy, code, &p->error);
	return p->error.text;
}

static bool is_tunnelled(struct http_post *p)
{
	char *scheme = NULL;

	return !curl_easy_getinfo(p->transfer.easy, CURLINFO_SCHEME, &scheme) && scheme &&
	       strcasecmp(scheme, "https") == 0;
}

/* Explains a status that may come from the proxy. */
static const char *remark(struct http_post *p, unsigned status)
{
	if (!http_client_options(p->client)->proxy || fault_is_set(&p->error))
		return p->error.text;
	/* without a tunnel the answer may come from the server or from the proxy */
	if (status >= 502 && status <= 504 && !is_tunnelled(p))
		fault_set(&p->error, "HTTP status %u from the server or its proxy",
			  status);
	else if (status == 407)
		return HTTP_PROXY_REFUSED;
	return p->error.text;
}

/* Logs each target only once in a row, because every request is redirected. */
static void log_redirect(struct http_post *p, const char *from, const char *to)
{
	char old[sizeof(p->logged_redirect)], new[sizeof(p->logged_redirect)];

	redirect_name(to, new, sizeof(new));
	if (strcmp(new, p->logged_redirect) == 0)
		return;
	strcpy(p->logged_redirect, new);
	mask_text(http_client_mask(p->client), new, strlen(new));
	log_msg(LOG_L_NOTICE,
		LOG_FIELDS({"from", slice_of(redirect_name(from, old, sizeof(old)))},
			   {"to", slice_of(new)}),
		"the server redirects requests; change url to the new address to avoid that");
}

static void clear_pulled(struct http_post *p)
{
	buf_clear(&p->held);
	buf_clear(&p->giving);
	inflater_fini(&p->inflater);
	free(TAKE(p->piece));
	p->given = p->body_bytes = 0;
	p->coding = CODING_NONE;
	p->full = p->paused = p->ended = false;
}

/* Frees the easy handle, too: libcurl 8.14 keeps the sent headers, which contain secrets, in the handle until
   its next request. */
static void end_request(struct http_post *p)
{
	curl_loop_remove(&p->transfer);
	curl_easy_cleanup(TAKE(p->transfer.easy));
	http_client_free_headers(TAKE(p->headers));
	buf_clear(&p->request);
}

/* Clears the state of one sending, but keeps the request. */
static void clear_answer(struct http_post *p)
{
	buf_clear(&p->answer);
	clear_pulled(p);
	p->header_bytes = 0;
	p->raw_bytes = 0;
	p->length = 0;
	p->status = 0;
	p->cut = false;
	p->garbled = false;
	p->sendings = 0;
	p->too_large = NULL;
	fault_clear(&p->error);
}

/* Starts the same request at the target of a redirect. False if the answer is not a redirect, or if it is not
   followed, which p->error explains then. */
static bool follow_redirect(struct http_post *p, unsigned status)
{
	CURL *easy = p->transfer.easy;
	char *from = NULL, *to = NULL;

	if (!redirect_is(status) || curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &to) || !to ||
	    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &from) || !from ||
	    !redirect_allowed(http_client_options(p->client)->redirects, from, to, status, p->hops,
			      &p->error))
		return false;
	log_redirect(p, from, to);
	p->hops++;
	if (curl_easy_setopt(easy, CURLOPT_URL, to)) {
		fault_set(&p->error, "out of memory");
		return false;
	}
	curl_loop_remove(&p->transfer);
	clear_answer(p);
	if (curl_loop_add(p->loop, &p->transfer)) {
		fault_set(&p->error, "out of memory");
		return false;
	}
	return true;
}

static void on_done(void *ctx, CURLcode code)
{
	struct http_post *p = ctx;
	struct http_result result = {.outcome = HTTP_ANSWERED};
	long status = 0;

	curl_easy_getinfo(p->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	result.status = (unsigned)status;
	if (p->set_cookies)
		http_client_limit_cookies(p->client, p->transfer.easy);
	p->set_cookies = false;
	/* before the request was sent, only a proxy can have answered */
	if (p->cut && p->sendings)
		code = CURLE_OK;
	if (!code) {
		fault_clear(&p->error);
		if (follow_redirect(p, result.status))
			return;
	}
	result.retry_after = retry_after(p->transfer.easy);
	if (code) {
		/* the server that redirected the request may have processed it */
		result.outcome = p->sendings + p->hops == 0 ? HTTP_NOT_SENT : HTTP_BROKEN;
		result.unreadable = p->too_large;
		result.reason = slice_of(why(p, code));
	} else {
		result.body = buf_slice(&p->answer);
		result.reason = slice_of(remark(p, result.status));
	}
	end_request(p);
	if (!p->ready) {
		p->done(p->ctx, &result);
		return;
	}
	p->result = result;
	p->ended = true;
	p->ready(p->ctx);
}

/* --- an answer that is pulled --- */

/* Ends the answer and ignores the rest of it. */
static int break_off(struct http_post *p, const char *why, struct http_result *ret)
{
	end_request(p);
	clear_pulled(p);
	*ret = (struct http_result){.outcome = HTTP_BROKEN, .unreadable = true, .status = p->status,
				    .reason = slice_of(why)};
	return HTTP_E_DONE;
}

/* 0: *ret is set, and empty if more input is needed. INFLATE_E_BROKEN, -ENOMEM. */
static int inflate_piece(struct http_post *p, struct slice *ret)
{
	struct slice in = buf_slice(&p->giving);
	size_t n = 0;
	int r = 0;

	if (!p->inflater.made)
		r = inflater_init(&p->inflater, INFLATE_GZIP);
	if (!p->piece)
		p->piece = malloc(HTTP_PIECE_MAX);
	if (r || !p->piece)
		return -ENOMEM;
	r = inflater_step(&p->inflater, &in, p->piece, HTTP_PIECE_MAX, &n);
	if (r)
		return r;
	buf_consume(&p->giving, buf_len(&p->giving) - in.n);
	p->full = n == HTTP_PIECE_MAX;
	*ret = slice_make(p->piece, n);
	return 0;
}

/* The next piece of the held bytes; empty if there is none. */
static int next_piece(struct http_post *p, struct slice *ret)
{
	*ret = SLICE_NULL;
	buf_consume(&p->giving, p->given);
	p->given = 0;
	if (buf_len(&p->giving) == 0) {
		struct buf empty = p->giving;

		p->giving = p->held;
		p->held = empty;
	}
	if (p->coding == CODING_GZIP)
		return buf_len(&p->giving) || p->full ? inflate_piece(p, ret) : 0;
	*ret = slice_take(buf_slice(&p->giving), HTTP_PIECE_MAX);
	p->given = ret->n;
	return 0;
}

bool http_post_holds(const struct http_post *p)
{
	return buf_len(&p->held) || buf_len(&p->giving) || p->full || p->paused || p->ended;
}

int http_post_next(struct http_post *p, struct slice *ret_piece, struct http_result *ret_result)
{
	for (;;) {
		int r = next_piece(p, ret_piece);

		if (r)
			return break_off(p, r < 0 ? "out of memory"
						  : "the answer cannot be inflated", ret_result);
		if (ret_piece->n)
			return 0;
		/* this input inflated to nothing */
		if (buf_len(&p->held) || buf_len(&p->giving))
			continue;
		if (!p->paused)
			break;
		p->paused = false;
		/* libcurl delivers the bytes it kept from within this call */
		if (curl_easy_pause(p->transfer.easy, CURLPAUSE_CONT))
			return break_off(p, "out of memory", ret_result);
		if (buf_len(&p->held) == 0)
			break;
	}
	if (!p->ended)
		return HTTP_E_NONE;
	if (p->result.outcome == HTTP_ANSWERED && p->inflater.made && !p->inflater.whole)
		return break_off(p, "the compressed answer ended too early", ret_result);
	*ret_result = p->result;
	clear_pulled(p);
	return HTTP_E_DONE;
}

/* --- life --- */

static bool set_request(struct http_post *p, CURL *easy)
{
	return !curl_easy_setopt(easy, CURLOPT_POST, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) &&
	       !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, p->error.text) &&
	       !curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_sending) &&
	       !curl_easy_setopt(easy, CURLOPT_PREREQDATA, p) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERDATA, p) &&
	       !curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_trace) &&
	       !curl_easy_setopt(easy, CURLOPT_DEBUGDATA, p) &&
	       !curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) &&
	       !curl_easy_setopt(easy, CURLOPT_XFERINFODATA, p) &&
	       !curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
}

/* 0 or -ENOMEM */
static int make_easy(struct http_post *p)
{
	CURL *easy;

	if (http_client_easy(p->client, &easy))
		return -ENOMEM;
	if (!set_request(p, easy)) {
		curl_easy_cleanup(easy);
		return -ENOMEM;
	}
	p->transfer.easy = easy;
	return 0;
}

int http_post_new(struct curl_loop *loop, struct http_client *client,
		  void (*done)(void *ctx, const struct http_result *r), void *ctx,
		  struct http_post **ret)
{
	struct http_post *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->client = client;
	p->done = done;
	p->ctx = ctx;
	curl_transfer_init(&p->transfer, NULL, on_done, p);
	/* the ext field of a handshake may contain a secret */
	buf_init_secret(&p->request, SIZE_MAX / 2);
	buf_init(&p->answer, http_client_options(client)->body_max);
	buf_init(&p->held, 2 * HELD_MAX);
	buf_init(&p->giving, 2 * HELD_MAX);
	*ret = p;
	return 0;
}

void http_post_on_activity(struct http_post *p, void (*active)(void *ctx))
{
	p->active = active;
}

void http_post_stream(struct http_post *p, void (*ready)(void *ctx))
{
	p->ready = ready;
}

void http_post_forms(struct http_post *p)
{
	p->forms = true;
	buf_init_secret(&p->answer, p->answer.max);
}

void http_post_free(struct http_post *p)
{
	if (!p)
		return;
	http_post_abort(p);
	buf_fini(&p->request);
	buf_fini(&p->answer);
	buf_fini(&p->held);
	buf_fini(&p->giving);
	inflater_fini(&p->inflater);
	free(p->piece);
	free(p);
}

/* --- a request --- */

static void clear(struct http_post *p)
{
	end_request(p);
	clear_answer(p);
	p->hops = 0;
}

static int set_headers(struct http_post *p)
{
	/* Faye rejects other content types (bayeux.md 3.1). An empty Expect prevents libcurl from
	   waiting for "100 Continue", which few servers send */
	const char *const fixed[] = {
		p->forms ? "Content-Type: application/x-www-form-urlencoded"
			 : "Content-Type: application/json;charset=UTF-8",
		"Expect:"};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		struct curl_slist *longer = curl_slist_append(p->headers, fixed[i]);

		if (!longer)
			return -ENOMEM;
		p->headers = longer;
	}
	return http_client_headers(p->client, &p->headers, &p->error);
}

/* libcurl inflates an answer that is not pulled, in every coding it supports. A pulled answer is inflated
   here, because libcurl does not limit the output of one read. */
static bool set_coding(struct http_post *p, CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, p->ready ? "gzip" : "") ||
	       curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, p->ready ? 0L : 1L);
}

int http_post_start(struct http_post *p, const char *url, struct slice body)
{
	int r;

	if (p->transfer.loop)
		return -EBUSY;
	clear(p);
	r = make_easy(p);
	if (r)
		return r;
	CURL *easy = p->transfer.easy;
	r = http_client_proxy_login(p->client, easy, &p->error);
	if (!r)
		r = set_headers(p);
	if (!r)
		r = buf_put(&p->request, body);
	if (r)
		return r;
	if (curl_easy_setopt(easy, CURLOPT_URL, url) || set_coding(p, easy) ||
	    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, p->headers) ||
	    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.n ? buf_slice(&p->request).p : "") ||
	    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n))
		return -ENOMEM;
	return curl_loop_add(p->loop, &p->transfer);
}

const char *http_post_reason(const struct http_post *p)
{
	return fault_is_set(&p->error) ? p->error.text : "out of memory";
}

void http_post_abort(struct http_post *p)
{
	end_request(p);
	/* the caller may still use the last piece: its memory stays until the next start */
	p->paused = p->ended = false;
}
