/*
 * Parses and combines URLs. No part of an accepted URL contains a blank, a control
 * character or credentials, so it may be written into a request and into a log.
 */
#include "net/url.h"

#include "base/errors.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *prefix, *http;
	bool secure;
} schemes[] = {
	{"http://", "http://", false},
	{"https://", "https://", true},
	{"ws://", "http://", false},
	{"wss://", "https://", true},
};

const char *url_fault_text(int fault)
{
	switch (fault) {
	case URL_E_SYNTAX:
		return "is not a URL";
	case URL_E_SCHEME:
		return "must begin with http://, https://, ws:// or wss://";
	case URL_E_CREDENTIALS:
		return "must not contain a user or password; use the option credential instead";
	case URL_E_RELATIVE:
		return "must be a URL or a path that does not begin with \"//\"";
	}
	return "is not usable";
}

void url_fini(struct url *u)
{
	free(u->http);
	free(u->host);
	free(u->authority);
	free(u->target);
	*u = (struct url){0};
}

static void curlu_freep(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_stringp(char **s)
{
	curl_free(*s);
}

static void freep(char **s)
{
	free(*s);
}

/* Replaces the scheme by one that libcurl supports: "ws://x" -> "http://x". */
static int set_http(const char *text, struct url *u)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncasecmp(text, schemes[i].prefix, n) != 0)
			continue;
		u->secure = schemes[i].secure;
		if (asprintf(&u->http, "%s%s", schemes[i].http, text + n) < 0) {
			u->http = NULL;
			return -ENOMEM;
		}
		return 0;
	}
	return URL_E_SCHEME;
}

/* Gets a part of the URL; *ret is NULL if there is none. 0 or -ENOMEM. */
static int get_part(CURLU *h, CURLUPart what, unsigned flags, char **ret)
{
	CURLUcode r = curl_url_get(h, what, ret, flags);

	if (r == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (r)
		*ret = NULL;
	return 0;
}

/* Copies the host without the brackets of an IPv6 address. */
static char *bare_host(const char *host)
{
	size_t n = strlen(host);

	if (n >= 2 && host[0] == '[' && host[n - 1] == ']')
		return strndup(host + 1, n - 2);
	return strdup(host);
}

static int split(CURLU *h, struct url *u)
{
	CLEANUP(curl_stringp) char *user = NULL, *password = NULL;
	CLEANUP(curl_stringp) char *host = NULL, *port = NULL, *path = NULL, *query = NULL;

	if (get_part(h, CURLUPART_USER, 0, &user) || get_part(h, CURLUPART_PASSWORD, 0, &password) ||
	    get_part(h, CURLUPART_HOST, 0, &host) || get_part(h, CURLUPART_PATH, 0, &path) ||
	    get_part(h, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT, &port) ||
	    get_part(h, CURLUPART_QUERY, 0, &query))
		return -ENOMEM;
	if (user || password)
		return URL_E_CREDENTIALS;
	if (!host || !host[0] || !path)
		return URL_E_SYNTAX;
	u->host = bare_host(host);
	if (asprintf(&u->authority, "%s%s%s", host, port ? ":" : "", port ? port : "") < 0)
		u->authority = NULL;
	if (asprintf(&u->target, "%s%s%s", path, query ? "?" : "", query ? query : "") < 0)
		u->target = NULL;
	return u->host && u->authority && u->target ? 0 : -ENOMEM;
}

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

bool url_is_local(const struct url *u)
{
	struct in_addr four;
	struct in6_addr six;

	if (inet_pton(AF_INET, u->host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, u->host, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	/* libcurl resolves this name itself, without a name server */
	return strcasecmp(u->host, "localhost") == 0;
}

int url_parse(const char *text, struct url *ret)
{
	CLEANUP(curlu_freep) CURLU *h = NULL;
	CLEANUP(url_fini) struct url u = {0};
	int r;

	/* other characters must be percent-encoded */
	if (!is_printable(text))
		return URL_E_SYNTAX;
	r = set_http(text, &u);
	if (r)
		return r;
	h = curl_url();
	if (!h)
		return -ENOMEM;
	if (curl_url_set(h, CURLUPART_URL, u.http, 0))
		return URL_E_SYNTAX;
	r = split(h, &u);
	if (r)
		return r;
	*ret = u;
	u = (struct url){0};
	return 0;
}

/* ---- URLs relative to a base ---- */

/* Parses the combined URL. */
static int finish(CURLU *h, struct url *ret)
{
	CLEANUP(curl_stringp) char *text = NULL;
	CURLUcode r = curl_url_get(h, CURLUPART_URL, &text, 0);

	if (r)
		return r == CURLUE_OUT_OF_MEMORY ? -ENOMEM : URL_E_SYNTAX;
	return url_parse(text, ret);
}

static int set(CURLU *h, CURLUPart what, const char *text)
{
	CURLUcode r = curl_url_set(h, what, text, 0);

	return r == CURLUE_OUT_OF_MEMORY ? -ENOMEM : r ? URL_E_SYNTAX : 0;
}

/* Appends "/" and `segment` to the path; no second "/" if the path ends in one. */
static int extend(CURLU *h, const char *segment)
{
	CLEANUP(curl_stringp) char *path = NULL;
	CLEANUP(freep) char *longer = NULL;
	int r = get_part(h, CURLUPART_PATH, 0, &path);
	size_t n = path ? strlen(path) : 0;

	if (r)
		return r;
	if (n && path[n - 1] == '/')
		n--;
	if (asprintf(&longer, "%.*s/%s", (int)n, path ? path : "", segment) < 0) {
		longer = NULL;
		return -ENOMEM;
	}
	return set(h, CURLUPART_PATH, longer);
}

/* Makes a handle for `base` without its fragment, which is never sent. */
static int open_base(const struct url *base, CURLU **ret)
{
	CURLU *h = curl_url();
	int r = h ? set(h, CURLUPART_URL, base->http) : -ENOMEM;

	if (r == 0)
		r = set(h, CURLUPART_FRAGMENT, NULL);
	if (r)
		curl_url_cleanup(h);
	else
		*ret = h;
	return r;
}

int url_append(const struct url *base, const char *segment, struct url *ret)
{
	CLEANUP(curlu_freep) CURLU *h = NULL;
	int r = open_base(base, &h);

	if (r == 0)
		r = extend(h, segment);
	return r ? r : finish(h, ret);
}

int url_resolve(const struct url *base, const char *text, struct url *ret)
{
	CLEANUP(curlu_freep) CURLU *h = NULL;
	CLEANUP(curl_stringp) char *query = NULL;
	int r;

	if (strstr(text, "://"))
		return url_parse(text, ret);
	if (strncmp(text, "//", 2) == 0)
		return URL_E_RELATIVE;
	if (!is_printable(text))
		return URL_E_SYNTAX;
	r = open_base(base, &h);
	if (r == 0)
		r = get_part(h, CURLUPART_QUERY, 0, &query);
	/* treat the path of `base` as a directory */
	if (r == 0 && text[0] != '?')
		r = extend(h, "");
	if (r == 0)
		r = set(h, CURLUPART_URL, text);
	if (r == 0 && query && !strchr(text, '?'))
		r = set(h, CURLUPART_QUERY, query);
	return r ? r : finish(h, ret);
}
