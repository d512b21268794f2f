/*
 * An answer counts as an upgrade only when it fulfils all that RFC 6455 requires, so that a proxy's page is never
 * read as frames.
 */
#include "net/ws_upgrade.h"

#include "net/http_text.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

bool ws_subprotocol_valid(const char *name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (const char *p = name; *p; p++)
		if (!strchr(others, *p) && !(*p >= '0' && *p <= '9') &&
		    !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z'))
			return false;
	return *name && strlen(name) <= WS_SUBPROTOCOL_MAX;
}

int ws_key(char ret[WS_KEY_SIZE])
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	EVP_EncodeBlock((unsigned char *)ret, random, sizeof(random));
	return 0;
}

int ws_accept(const char *key, char ret[WS_ACCEPT_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[128];
	int n = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	unsigned len;

	if (!EVP_Digest(text, (size_t)n, digest, &len, EVP_sha1(), NULL))
		return -ENOMEM;
	EVP_EncodeBlock((unsigned char *)ret, digest, 20);
	return 0;
}

/* --- the request --- */

static int put_line(struct buf *out, int before, const char *name, struct slice value)
{
	if (before || value.n == 0)
		return before;
	return buf_printf(out, "%s: %.*s\r\n", name, SLICE_ARG(value));
}

int ws_request_put(struct buf *out, const struct ws_request *r)
{
	int e = buf_printf(out, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
			   "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: %s\r\n",
			   r->url->target, r->url->authority, r->key);

	e = put_line(out, e, "Sec-WebSocket-Protocol", slice_of(r->offer->subprotocol));
	e = put_line(out, e, "Sec-WebSocket-Extensions",
		     slice_of(r->offer->deflate ? WS_DEFLATE_OFFER : ""));
	e = put_line(out, e, "User-Agent", slice_of(r->user_agent));
	e = put_line(out, e, "Cookie", r->cookies);
	for (const struct curl_slist *h = r->headers; !e && h; h = h->next)
		e = buf_printf(out, "%s\r\n", h->data);
	return e ? e : buf_put_str(out, "\r\n");
}

/* --- the answer --- */

/* takes one line, without its end, from the front of *rest; false when there is no whole one */
static bool take_line(struct slice *rest, struct slice *ret)
{
	const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

	if (!end)
		return false;
	*ret = slice_take(*rest, (size_t)(end - rest->p));
	*rest = slice_drop(*rest, ret->n + 1);
	if (ret->n > 0 && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return true;
}

/* "Name: value"; false for a line that is none */
static bool split(struct slice line, struct slice *name, struct slice *value)
{
	const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;

	if (!colon || colon == line.p)
		return false;
	*name = slice_take(line, (size_t)(colon - line.p));
	*value = http_trim(slice_drop(line, name->n + 1));
	return true;
}

/* whether the comma-separated list has this word */
static bool has_word(struct slice list, const char *word)
{
	while (list.n > 0) {
		const char *comma = memchr(list.p, ',', list.n);
		struct slice item = comma ? slice_take(list, (size_t)(comma - list.p)) : list;

		if (http_is(http_trim(item), word))
			return true;
		list = slice_drop(list, item.n + 1);
	}
	return false;
}

static bool parse_status(struct slice line, unsigned *ret)
{
	unsigned status = 0;

	/* "HTTP/1.1 101 …" */
	if (line.n < 12 || !slice_starts(line, SLICE("HTTP/1.")) || line.p[8] != ' ')
		return false;
	for (int i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return false;
		status = status * 10 + (unsigned)(line.p[i] - '0');
	}
	*ret = status;
	return status >= 100 && (line.n == 12 || line.p[12] == ' ');
}

static uint64_t parse_seconds(struct slice s)
{
	uint64_t n = 0;

	if (s.n == 0)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(s.p[i] - '0');
		if (n > HTTP_RETRY_AFTER_MAX_S)
			n = HTTP_RETRY_AFTER_MAX_S;
	}
	return n * 1000;
}

/* what the headers of one answer have */
struct seen {
	bool upgrade, connection, accept, extension, other_protocol;
};

/* One that was offered, once. */
static void see_extension(struct seen *s, struct slice value, bool offered,
			  struct ws_deflate_terms *terms)
{
	if (value.n > 0 && (!offered || terms->agreed || !ws_deflate_parse(value, terms)))
		s->extension = true;
}

static void see(struct seen *s, struct slice name, struct slice value, const char *accept,
		const struct ws_offer *offer, struct ws_answer *a)
{
	if (http_is(name, "upgrade"))
		s->upgrade |= has_word(value, "websocket");
	else if (http_is(name, "connection"))
		s->connection |= has_word(value, "upgrade");
	else if (http_is(name, "sec-websocket-accept"))
		s->accept = slice_eq(value, slice_of(accept));
	else if (http_is(name, "sec-websocket-extensions"))
		see_extension(s, value, offer->deflate, &a->deflate);
	else if (http_is(name, "sec-websocket-protocol"))
		s->other_protocol |= !offer->subprotocol ||
				     !slice_eq(value, slice_of(offer->subprotocol));
	else if (http_is(name, "location"))
		a->location = value;
	else if (http_is(name, "retry-after"))
		a->retry_after = parse_seconds(value);
}

static const char *judge(const struct seen *s)
{
	if (!s->upgrade || !s->connection)
		return "the server switched to something that is not a WebSocket";
	if (!s->accept)
		return "the server did not prove that it speaks WebSocket (Sec-WebSocket-Accept)";
	if (s->extension)
		return "the server uses a WebSocket extension that was not offered";
	/* saying none is no refusal: CometD and Faye do so, and speak Bayeux */
	if (s->other_protocol)
		return "the server speaks a WebSocket subprotocol that was not offered";
	return NULL;
}

/* one header, from its status line to the blank line */
static int parse_one(struct slice *rest, const char *accept, const struct ws_offer *offer,
		     struct ws_answer *a)
{
	struct seen seen = {0};
	struct slice line, name, value;

	if (!take_line(rest, &line)) {
		struct slice begun = slice_take(*rest, 7);

		/* garbage need not have lines */
		return memcmp("HTTP/1.", begun.n ? begun.p : "", begun.n) == 0 ? WS_E_MORE
										: WS_E_GARBAGE;
	}
	if (!parse_status(line, &a->status))
		return WS_E_GARBAGE;
	while (take_line(rest, &line)) {
		if (line.n == 0) {
			a->fault = a->status == 101 ? judge(&seen) : NULL;
			return 0;
		}
		if (split(line, &name, &value))
			see(&seen, name, value, accept, offer, a);
	}
	return WS_E_MORE;
}

int ws_answer_parse(struct slice text, const char *accept, const struct ws_offer *offer,
		    struct ws_answer *ret)
{
	struct slice rest = text;
	struct ws_answer a;
	int r;

	do {
		a = (struct ws_answer){0};
		r = parse_one(&rest, accept, offer, &a);
		if (r)
			return r;
	} while (a.status < 200 && a.status != 101);
	a.length = text.n - rest.n;
	*ret = a;
	return 0;
}

bool ws_answer_next_cookie(struct slice *at, struct slice *ret)
{
	struct slice line, name;

	while (take_line(at, &line))
		if (split(line, &name, ret) && http_is(name, "set-cookie"))
			return true;
	*at = SLICE_NULL;
	return false;
}
