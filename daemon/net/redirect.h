/*
 * Whether the redirect in an answer is followed. What is sent again has all the
 * secrets of the first time, in its headers, its cookies and, as ext and clientId,
 * in its body; so there is one rule for all of them: never to another host. Pure.
 */
#ifndef NET_REDIRECT_H
#define NET_REDIRECT_H

#include "net/http_options.h"

/* one after the other; then it is taken for a loop */
#define REDIRECTS_MAX 5

/* Whether this status sends elsewhere. */
bool redirect_is(unsigned status);
/*
 * Whether the request to `from`, answered by `status`, is made again to `to` (both absolute; `to`
 * is whatever the server said) after `hops` that were made already. The same port of the same host
 * will do, and another one where TLS begins and proves the host; TLS never ends. 303 asks for a GET,
 * which carries no message. If not, `why` says it, without queries, which may hold secrets.
 */
bool redirect_allowed(enum http_redirects policy, const char *from, const char *to, unsigned status,
		      unsigned hops, char *why, size_t why_size);
/* `url` without its query, for people; "?" for what is no address. Returns `to`. */
const char *redirect_name(const char *url, char *to, size_t size);

#endif
