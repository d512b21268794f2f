/*
 * The cookies of a client's jar, beside what libcurl does with them by itself:
 * for the WebSocket upgrade, for those that the configuration or a file brings
 * along, and against too many. `easy` is any handle of the client.
 */
#ifndef NET_COOKIES_H
#define NET_COOKIES_H

#include "net/url.h"
#include "protocol/buf.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/* one cookie is cut off here, as curl does */
#define COOKIE_MAX 4096
/* so long is a "Cookie:" header at most; what does not fit is left out, as by curl */
#define COOKIES_SENT_MAX 8190
/* a full jar accepts no new names, so a server that sets a new one with each answer cannot fill our memory */
#define COOKIES_MAX 150
/* from one answer, as by curl */
#define COOKIES_TAKEN_MAX 50

/*
 * Appends "a=b; c=d": the cookies that belong to this URL by domain, path, secure and
 * time of day. Appends nothing when there are none. 0, -ENOMEM, -EMSGSIZE.
 */
int cookies_for(CURL *easy, const struct url *url, uint64_t unix_ms, struct buf *out);

/*
 * Takes the value of a Set-Cookie header that came from this URL. What browsers would not
 * take (another domain, Secure over a plain connection, no name) is left out in silence.
 * 0 or -ENOMEM.
 */
int cookies_take(CURL *easy, const struct url *url, struct slice set_cookie, uint64_t unix_ms);

/* Which cookies were in the jar after the last answer: a hash of domain, path and name of each. All
   zero at the beginning. libcurl lists a jar in no order that could say so (since 8.x, a cookie with
   a new value is the last one). Private to cookies.c. */
struct cookies_known {
	uint64_t ids[COOKIES_MAX];
	size_t n;
};
/* Keeps at most COOKIES_MAX cookies in the jar, the known ones first: a session is bound to one of them.
   Call it after an answer that set cookies. 0 or -ENOMEM. */
int cookies_limit(CURL *easy, struct cookies_known *known);

/* Whether `text` is a cookie as a configuration has it: "NAME=VALUE" or "NAME=VALUE; Path=/x". */
bool cookies_valid(const char *text);
/* Puts such a one into the jar for the host of this URL alone, and for TLS alone if the URL has it.
   0 or -ENOMEM. */
int cookies_preset(CURL *easy, const struct url *url, const char *text, uint64_t unix_ms);

/*
 * Appends the cookies of the jar that have an end which is still to come, one a line, in the
 * Netscape format. Those without end are the session's. 0, -ENOMEM, -EMSGSIZE.
 */
int cookies_write(CURL *easy, uint64_t unix_ms, struct buf *out);
/* Puts a line of that format into the jar, if it could be sent to one of these
   URLs and its end is still to come. 0; COOKIES_E_NONE for what is no such line; -ENOMEM. */
enum { COOKIES_E_NONE = 1 };
int cookies_read(CURL *easy, const struct url *const *urls, size_t n_urls, const char *line,
		 uint64_t unix_ms);

#endif
