/*
 * What all requests to one server have in common: its cookies, its headers, how
 * TLS is checked, how long connecting may take. One client per session, never
 * shared: CometD binds a session to a cookie, and two sessions with one jar throw
 * each other out (bayeux.md 0, 13 and 14).
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "net/http_options.h"
#include "net/mask.h"
#include "protocol/buf.h"

#include <curl/curl.h>

/* the header of an answer is cut off here: a million header lines must end */
#define HTTP_HEADER_MAX (64u << 10)
/* a file of headers may be this large */
#define HTTP_HEADER_FILE_MAX (64u << 10)

struct http_client;

/* Copies all of `o`. 0, -ENOMEM, -EINVAL for a header that is none. */
int http_client_new(const struct http_options *o, struct http_client **ret);
/* All easy handles made with it must be gone. */
void http_client_free(struct http_client *c);
const struct http_options *http_client_options(const struct http_client *c);

/*
 * A new easy handle with everything of the client set: jar, TLS, proxy, user agent, connect
 * timeout, keepalive, http and https only, no redirects, no signals. 0 or -ENOMEM.
 */
int http_client_easy(struct http_client *c, CURL **ret);

/*
 * Has the handle say to the proxy what its file of credentials says now; for every request
 * before it starts. `why` (of CURL_ERROR_SIZE bytes) says what is wrong with the file. 0,
 * -ENOMEM, -EINVAL, or why the file could not be read.
 */
int http_client_proxy_login(const struct http_client *c, CURL *easy, char *why);

/* what to do about an answer 407 */
#define HTTP_PROXY_REFUSED "the proxy answered 407: proxy-credential-file is missing or wrong"

/* Makes `text` (of CURL_ERROR_SIZE bytes), what curl wrote into its error buffer, fit for people:
   never empty, with what the system said to a connection that failed or what the proxy answered,
   and the same each time. */
void http_client_complete(CURL *easy, CURLcode code, char *text);

/* Whether this header line is the last one of a proxy's refusal of a tunnel. What lies behind it is
   not to be read: libcurl 7.88 goes on with it, and lets nothing else happen, as long as any comes. */
bool http_client_refused(CURL *easy, const char *line);

/* Who has a header line that may be another one for each request: a credential. The line lives
   until the next call; NULL: none now. */
struct http_credential {
	const char *(*header)(void *ctx);
	void *ctx;
};
void http_client_set_credential(struct http_client *c, struct http_credential credential);

/*
 * Adds the configured headers to *list, those of the files and the credential as they are now; one
 * of a file that has the name of the credential's is left out.
 * `why` (of CURL_ERROR_SIZE bytes) says which file or line is at fault. 0, -ENOMEM, -EINVAL (no
 * header), or why the file could not be read; the caller frees *list in any case, by
 * http_client_free_headers(), which wipes it.
 */
int http_client_headers(struct http_client *c, struct curl_slist **list, char *why);
void http_client_free_headers(struct curl_slist *list);

/* The secrets among what was sent so: what a server repeats of them is masked before it is told. */
struct mask *http_client_mask(const struct http_client *c);
/* So is the cookie of this Set-Cookie, which will be sent. 0 or -ENOMEM. */
int http_client_hide_cookie(struct http_client *c, struct slice set_cookie);
/* Call it after an answer that set cookies: removes new cookies from a jar that has become too full.
   `easy` is any handle of this client. 0 or -ENOMEM. */
int http_client_limit_cookies(struct http_client *c, CURL *easy);

#endif
