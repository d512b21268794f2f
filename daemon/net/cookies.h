/*
 * What libcurl does not do with the cookies of a client: sends and accepts them in a
 * WebSocket upgrade, sets those from the configuration or a file, and limits their
 * number. `easy` is any handle of the client.
 */
#ifndef NET_COOKIES_H
#define NET_COOKIES_H

#include "net/url.h"
#include "protocol/buf.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/* a longer cookie is ignored, as libcurl does */
#define COOKIE_MAX 4096
/* the maximum length of a "Cookie:" header; cookies that do not fit are left out, as libcurl does */
#define COOKIES_SENT_MAX 8190
/* a full jar accepts no new names, so that a server that sets a new one in each answer cannot exhaust memory */
#define COOKIES_MAX 150
/* from one answer, as libcurl does */
#define COOKIES_TAKEN_MAX 50

/*
 * Appends "a=b; c=d": the cookies that match this URL by domain, path and Secure and have not
 * expired. Appends nothing when there are none. 0, -ENOMEM, -EMSGSIZE.
 */
int cookies_for(CURL *easy, const struct url *url, uint64_t unix_ms, struct buf *out);

/*
 * Stores the cookie of a Set-Cookie header received from this URL. Ignores what browsers ignore
 * (another domain, Secure over a plain connection, no name). 0 or -ENOMEM.
 */
int cookies_take(CURL *easy, const struct url *url, struct slice set_cookie, uint64_t unix_ms);

/* The cookies in the jar after the last answer: a hash of domain, path and name of each. All zero at the
   beginning. The order in which libcurl lists a jar does not show which cookies are new (since 8.x, a
   cookie with a new value is the last one). Private to cookies.c. */
struct cookies_known {
	uint64_t ids[COOKIES_MAX];
	size_t n;
};
/* Keeps at most COOKIES_MAX cookies in the jar, the known ones first: a session is bound to one of them.
   Call it after an answer that set cookies. 0 or -ENOMEM. */
int cookies_limit(CURL *easy, struct cookies_known *known);

/* Whether `text` is a cookie in the format of the configuration: "NAME=VALUE" or "NAME=VALUE; Path=/x". */
bool cookies_valid(const char *text);
/* Stores such a cookie for the host of this URL only, and for TLS only if the URL uses TLS. 0 or -ENOMEM. */
int cookies_preset(CURL *easy, const struct url *url, const char *text, uint64_t unix_ms);

/*
 * Appends the cookies that have an expiry date in the future, one per line, in the Netscape
 * format. Session cookies are left out. 0, -ENOMEM, -EMSGSIZE.
 */
int cookies_write(CURL *easy, uint64_t unix_ms, struct buf *out);
/* The same with session cookies, for a session that goes on in another process. */
int cookies_write_all(CURL *easy, uint64_t unix_ms, struct buf *out);
/* Stores the cookie of a line in that format if it matches the host of one of these URLs and has not
   expired. 0; COOKIES_E_NONE if the line is not in that format; -ENOMEM. */
enum { COOKIES_E_NONE = 1 };
int cookies_read(CURL *easy, const struct url *const *urls, size_t n_urls, const char *line,
		 uint64_t unix_ms);
/* The same, session cookies included. */
int cookies_read_all(CURL *easy, const struct url *const *urls, size_t n_urls, const char *line, uint64_t unix_ms);

#endif
