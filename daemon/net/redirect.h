/*
 * Decides whether a redirect is followed. The repeated request contains the same
 * secrets (headers, cookies, ext and clientId in the body), so it is never sent to
 * another host. Pure.
 */
#ifndef NET_REDIRECT_H
#define NET_REDIRECT_H

#include "base/fault.h"
#include "net/http_options.h"

/* redirects in a row; one more counts as a loop */
#define REDIRECTS_MAX 5

/* Whether this status is a redirect. */
bool redirect_is(unsigned status);
/*
 * Whether the request to `from`, answered by `status`, is repeated to `to` after `hops` redirects. Both
 * URLs are absolute; `to` is not checked yet. Allowed are the same host and port, and another port of the
 * host if the redirect leads from http to https; never from https to http. A 303 is not followed: it asks
 * for a GET, which has no body. If not allowed, `why` contains the reason, without queries, which may be
 * secret.
 */
bool redirect_allowed(enum http_redirects policy, const char *from, const char *to, unsigned status,
		      unsigned hops, struct fault *why);
/* Writes `url` without its query to `to`, or "?" for an invalid URL. Returns `to`. */
const char *redirect_name(const char *url, char *to, size_t size);

#endif
