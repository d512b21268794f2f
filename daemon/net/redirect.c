/*
 * The rules for redirects: an allowed one stays at the same host, uses http or https,
 * and does not lead from https to http.
 */
#include "net/redirect.h"

#include "base/errors.h"
#include "base/fault.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool redirect_is(unsigned status)
{
	return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

/* Accepts only http and https; url_parse() also accepts ws and wss, for the configuration. */
static bool parse(const char *text, struct url *ret)
{
	return (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0) &&
	       url_parse(text, ret) == 0;
}

const char *redirect_name(const char *url, char *to, size_t size)
{
	CLEANUP(url_fini) struct url u = {0};

	if (parse(url, &u))
		snprintf(to, size, "%s%s%.*s", u.secure ? "https://" : "http://", u.authority,
			 (int)strcspn(u.target, "?"), u.target);
	else
		snprintf(to, size, "?");
	return to;
}

static bool is_same_host(const struct url *a, const struct url *b)
{
	if (a->secure == b->secure)
		return strcasecmp(a->authority, b->authority) == 0;
	return strcasecmp(a->host, b->host) == 0;
}

/* Why the redirect is not followed; NULL: it is allowed. */
static const char *objection(enum http_redirects policy, const struct url *from,
			     const struct url *to, unsigned status, unsigned hops)
{
	if (policy == HTTP_REDIRECTS_NEVER)
		return "redirects are not followed";
	if (status == 303)
		return "303 asks for a GET, which cannot carry the request";
	if (from->secure && !to->secure)
		return "the new address is not encrypted";
	if (!is_same_host(from, to))
		return "this is another host, to which no credential is sent";
	return hops >= REDIRECTS_MAX ? "too many redirects" : NULL;
}

bool redirect_allowed(enum http_redirects policy, const char *from, const char *to, unsigned status,
		      unsigned hops, struct fault *why)
{
	CLEANUP(url_fini) struct url a = {0}, b = {0};
	const char *against = "this is not an http or https URL";
	char name[128];

	if (parse(from, &a) && parse(to, &b))
		against = objection(policy, &a, &b, status, hops);
	if (against)
		fault_set(why, "HTTP status %u leads to %s: %s", status,
			  redirect_name(to, name, sizeof(name)), against);
	return !against;
}
