/*
 * What all requests to one server share: cookies, headers, TLS checks, proxy and
 * connect timeout. Each session has its own client: CometD binds a session to a
 * cookie, so two sessions with the same cookies would replace each other
 * (bayeux.md 0, 13 and 14).
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/fault.h"
#include "net/http_options.h"
#include "net/mask.h"
#include "protocol/buf.h"

#include <curl/curl.h>

/* the maximum size of an answer's header; a larger one fails the request */
#define HTTP_HEADER_MAX (64u << 10)
/* the maximum size of a header file */
#define HTTP_HEADER_FILE_MAX (64u << 10)

struct http_client;

/* Copies all of `o`. 0, -ENOMEM, -EINVAL for an invalid header. */
int http_client_new(const struct http_options *o, struct http_client **ret);
/* All easy handles made with it must have been freed. */
void http_client_free(struct http_client *c);
const struct http_options *http_client_options(const struct http_client *c);

/*
 * Creates an easy handle with the client's options: cookies, TLS, proxy, user agent, connect
 * timeout, keepalive, http and https only, no redirects, no signals. 0 or -ENOMEM.
 */
int http_client_easy(struct http_client *c, CURL **ret);

/*
 * Sets the proxy credential from its file, which is read again. Call it before each request
 * starts. On failure *why contains the reason. 0, -ENOMEM, -EINVAL
 * for an invalid file, or the errno of reading it.
 */
int http_client_proxy_login(const struct http_client *c, CURL *easy, struct fault *why);

/* the message for an answer 407 */
#define HTTP_PROXY_REFUSED "the proxy answered 407: proxy-credential-file is missing or wrong"

/* Rewrites what libcurl wrote into its error buffer, *why, as a message for people: it is never empty, contains the
   system's error of a failed connection or the proxy's status, and is the same for equal failures. */
void http_client_describe_failure(CURL *easy, CURLcode code, struct fault *why);

/* Whether this header line ends the header of an answer by which a proxy refuses a tunnel. The caller must
   end the transfer then: libcurl 7.88 would read the body in one call for as long as data arrives. */
bool http_client_is_proxy_refusal(CURL *easy, const char *line);

/* The source of the credential's header line, which may differ for each request. The line is valid until
   the next call; NULL: none now. */
struct http_credential {
	const char *(*header)(void *ctx);
	void *ctx;
};
void http_client_set_credential(struct http_client *c, struct http_credential credential);

/*
 * Appends the configured headers, those of the header file (read again) and the current credential
 * to *list. A header of the file with the same name as the credential's is left out. On failure
 * *why names the file or line. 0, -ENOMEM, -EINVAL (invalid header), or
 * the errno of reading the file. The caller frees *list in any case, with
 * http_client_free_headers(), which overwrites it.
 */
int http_client_headers(struct http_client *c, struct curl_slist **list, struct fault *why);
void http_client_free_headers(struct curl_slist *list);

/* The secrets among the headers and cookies sent: they are masked in every text received from the server. */
struct mask *http_client_mask(const struct http_client *c);
/* Adds the cookie of this Set-Cookie header to the masked secrets. 0 or -ENOMEM. */
int http_client_hide_cookie(struct http_client *c, struct slice set_cookie);
/* Call it after an answer that set cookies: removes new cookies if there are more than COOKIES_MAX.
   `easy` is any handle of this client. 0 or -ENOMEM. */
int http_client_limit_cookies(struct http_client *c, CURL *easy);

#endif
