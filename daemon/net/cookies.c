/*
 * Reads and writes the cookies of the easy handle's share in the Netscape format, the
 * only one that libcurl exports. A cookie set by the upgrade replaces one of the same
 * name set by a POST, because both get the same domain, path and host-only flag.
 */
#include "net/cookies.h"

#include "base/errors.h"
#include "base/strmap.h"
#include "net/http_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* a line of the Netscape format: domain, tail match, path, secure, expires, name, value */
struct cookie {
	char *domain, *tail, *path, *secure, *expires, *name, *value;
};

static bool parse_line(char *line, struct cookie *ret)
{
	char **fields[] = {&ret->domain, &ret->tail, &ret->path, &ret->secure, &ret->expires,
			   &ret->name, &ret->value};

	if (strncmp(line, "#HttpOnly_", 10) == 0)
		line += 10;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		*fields[i] = strsep(&line, "\t");
		if (!*fields[i])
			return false;
	}
	return !line;
}

/* Whether the host is the domain or a subdomain of it. */
static bool is_below(const char *host, const char *domain)
{
	size_t h = strlen(host), d = strlen(domain);

	if (h < d || strcasecmp(host + h - d, domain) != 0)
		return false;
	return h == d || host[h - d - 1] == '.';
}

static bool is_address(const char *host)
{
	return strchr(host, ':') || host[strspn(host, "0123456789.")] == 0;
}

static bool domain_matches(const struct cookie *c, const char *host)
{
	const char *domain = c->domain[0] == '.' ? c->domain + 1 : c->domain;

	if (strcmp(c->tail, "TRUE") == 0 && !is_address(host))
		return is_below(host, domain);
	return strcasecmp(host, domain) == 0;
}

/* RFC 6265, 5.1.4; `path` has no query */
static bool path_matches(const char *cookie, struct slice path)
{
	size_t n = strlen(cookie);

	if (!slice_starts(path, slice_of(cookie)))
		return false;
	return path.n == n || (n > 0 && cookie[n - 1] == '/') || path.p[n] == '/';
}

static struct slice path_of(const struct url *u)
{
	return slice_make(u->target, strcspn(u->target, "?"));
}

static bool matches(const struct cookie *c, const struct url *u, uint64_t unix_ms)
{
	uint64_t expires = strtoull(c->expires, NULL, 10);

	return domain_matches(c, u->host) && path_matches(c->path, path_of(u)) &&
	       (u->secure || strcmp(c->secure, "TRUE") != 0) &&
	       (expires == 0 || expires > unix_ms / 1000);
}

static void slist_freep(struct curl_slist **l)
{
	curl_slist_free_all(*l);
}

int cookies_for(CURL *easy, const struct url *url, uint64_t unix_ms, struct buf *out)
{
	CLEANUP(slist_freep) struct curl_slist *lines = NULL;
	size_t sent = 0;

	if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines))
		return -ENOMEM;
	for (struct curl_slist *l = lines; l; l = l->next) {
		struct cookie c;
		size_t n;
		int r;

		if (!parse_line(l->data, &c) || !matches(&c, url, unix_ms))
			continue;
		n = strlen(c.name) + strlen(c.value) + 3;
		if (sent + n > COOKIES_SENT_MAX)
			continue;
		r = buf_printf(out, "%s%s=%s", sent ? "; " : "", c.name, c.value);
		if (r)
			return r;
		sent += n;
	}
	return 0;
}

/* The identity of the cookie of this line, without its value: domain, tail match, path, name. */
static uint64_t identity(const char *line)
{
	static const bool counts[] = {true, true, true, false, false, true};
	uint64_t id = 0;

	if (strncmp(line, "#HttpOnly_", 10) == 0)
		line += 10;
	for (size_t i = 0; i < sizeof(counts); i++) {
		size_t n = strcspn(line, "\t");

		if (counts[i])
			id = id * 31 + strmap_hash(slice_make(line, n));
		line += line[n] ? n + 1 : n;
	}
	return id;
}

static bool is_known(const struct cookies_known *known, uint64_t id)
{
	for (size_t i = 0; i < known->n; i++)
		if (known->ids[i] == id)
			return true;
	return false;
}

/* Adds to *kept, up to its capacity, the cookies that were known before (or those that were not), and stores
   them again if the jar was emptied. */
static int keep(CURL *easy, const struct curl_slist *lines, const struct cookies_known *known,
		bool were_known, bool emptied, struct cookies_known *kept)
{
	for (const struct curl_slist *l = lines; l && kept->n < COOKIES_MAX; l = l->next) {
		uint64_t id = identity(l->data);

		if (is_known(known, id) != were_known)
			continue;
		if (emptied && curl_easy_setopt(easy, CURLOPT_COOKIELIST, l->data))
			return -ENOMEM;
		kept->ids[kept->n++] = id;
	}
	return 0;
}

int cookies_limit(CURL *easy, struct cookies_known *known)
{
	CLEANUP(slist_freep) struct curl_slist *lines = NULL;
	struct cookies_known kept = {.n = 0};
	size_t n = 0;
	bool full;
	int r;

	if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines))
		return -ENOMEM;
	for (struct curl_slist *l = lines; l; l = l->next)
		n++;
	full = n > COOKIES_MAX;
	/* libcurl cannot remove a single cookie: remove all and put some back */
	if (full && curl_easy_setopt(easy, CURLOPT_COOKIELIST, "ALL"))
		return -ENOMEM;
	r = keep(easy, lines, known, true, full, &kept);
	if (!r)
		r = keep(easy, lines, known, false, full, &kept);
	if (!r)
		*known = kept;
	return r;
}

/* --- Set-Cookie --- */

/* the parsed header; its slices point into the header */
struct set_cookie {
	struct slice name, value, domain, path;
	bool secure, http_only, has_max_age;
	uint64_t expires;                /* seconds since 1970; 0: a session cookie */
};

/* Returns the part of *rest before the first `at`, and removes both from *rest. */
static struct slice cut(struct slice *rest, char at)
{
	const char *p = rest->n ? memchr(rest->p, at, rest->n) : NULL;
	struct slice piece = p ? slice_take(*rest, (size_t)(p - rest->p)) : *rest;

	*rest = p ? slice_drop(*rest, piece.n + 1) : SLICE_NULL;
	return http_trim(piece);
}

/* Copies `s`, cut to 63 bytes, which every valid value fits into. */
static const char *text_of(struct slice s, char to[64])
{
	s = slice_take(s, 63);
	if (s.n)
		memcpy(to, s.p, s.n);
	to[s.n] = 0;
	return to;
}

static uint64_t max_age(struct slice value, uint64_t now)
{
	char text[64];
	long long s = strtoll(text_of(value, text), NULL, 10);

	/* 1 is in the past, which deletes the cookie */
	return s <= 0 ? 1 : now + (uint64_t)(s > INT32_MAX ? INT32_MAX : s);
}

static uint64_t expiry(struct slice value)
{
	char text[64];
	time_t t = curl_getdate(text_of(value, text), NULL);

	/* an invalid date counts as none */
	return t == -1 ? 0 : t <= 0 ? 1 : (uint64_t)t;
}

static void take_attribute(struct set_cookie *c, struct slice attribute, uint64_t now)
{
	struct slice name = cut(&attribute, '='), value = http_trim(attribute);

	if (http_is(name, "domain") && value.n > 0)
		c->domain = value.p[0] == '.' ? slice_drop(value, 1) : value;
	else if (http_is(name, "path") && value.n > 0 && value.p[0] == '/')
		c->path = value;
	else if (http_is(name, "secure"))
		c->secure = true;
	else if (http_is(name, "httponly"))
		c->http_only = true;
	else if (http_is(name, "max-age") && value.n > 0) {
		c->expires = max_age(value, now);
		c->has_max_age = true;
	} else if (http_is(name, "expires") && !c->has_max_age)
		c->expires = expiry(value);
}

/* the request's path without its last segment (RFC 6265, 5.1.4) */
static struct slice default_path(const struct url *u)
{
	struct slice path = path_of(u);

	while (path.n > 1 && path.p[path.n - 1] != '/')
		path.n--;
	return path.n > 1 ? slice_take(path, path.n - 1) : SLICE("/");
}

static bool is_acceptable(const struct set_cookie *c, const struct url *u)
{
	char domain[256];

	if (c->name.n == 0 || (c->secure && !u->secure))
		return false;
	if (!c->domain.p || http_is(c->domain, u->host))
		return true;
	if (c->domain.n >= sizeof(domain) || is_address(u->host))
		return false;
	memcpy(domain, c->domain.p, c->domain.n);
	domain[c->domain.n] = 0;
	/* a domain of one label ("com") would match unrelated hosts */
	return strchr(domain, '.') && is_below(u->host, domain);
}

static int store(CURL *easy, const struct set_cookie *c, const struct url *u)
{
	CLEANUP(buf_fini) struct buf line;
	bool tail = c->domain.p && !is_address(u->host);
	struct slice domain = tail ? c->domain : slice_of(u->host);
	int r;

	buf_init(&line, COOKIE_MAX * 2);
	r = buf_printf(&line, "%s%s%.*s\t%s\t%.*s\t%s\t%" PRIu64 "\t%.*s\t%.*s",
		       c->http_only ? "#HttpOnly_" : "", tail ? "." : "", SLICE_ARG(domain),
		       tail ? "TRUE" : "FALSE", SLICE_ARG(c->path), c->secure ? "TRUE" : "FALSE",
		       c->expires, SLICE_ARG(c->name), SLICE_ARG(c->value));
	if (!r)
		r = buf_putc(&line, 0);
	if (r)
		return r == -EMSGSIZE ? 0 : r;
	return curl_easy_setopt(easy, CURLOPT_COOKIELIST, buf_slice(&line).p) ? -ENOMEM : 0;
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

int cookies_take(CURL *easy, const struct url *url, struct slice set_cookie, uint64_t unix_ms)
{
	struct set_cookie c = {.path = default_path(url)};
	struct slice pair;

	/* a tab would shift the fields of the stored line; no valid cookie has any control character */
	if (set_cookie.n > COOKIE_MAX || has_control(set_cookie))
		return 0;
	pair = cut(&set_cookie, ';');
	if (!pair.n || !memchr(pair.p, '=', pair.n))
		return 0;
	c.name = cut(&pair, '=');
	c.value = http_trim(pair);
	while (set_cookie.n > 0)
		take_attribute(&c, cut(&set_cookie, ';'), unix_ms / 1000);
	return is_acceptable(&c, url) ? store(easy, &c, url) : 0;
}

/* --- cookies from the configuration or a file --- */

bool cookies_valid(const char *text)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t name = strspn(text, token), value;

	if (name == 0 || text[name] != '=' || strlen(text) > COOKIE_MAX || has_control(slice_of(text)))
		return false;
	text += name + 1;
	value = strcspn(text, ";");
	if (memchr(text, ' ', value) || memchr(text, ',', value) || memchr(text, '"', value))
		return false;
	text += value;
	if (!*text)
		return true;
	text++;
	text += strspn(text, " ");
	return strncasecmp(text, "Path=/", 6) == 0 && !strpbrk(text, "; ");
}

int cookies_preset(CURL *easy, const struct url *url, const char *text, uint64_t unix_ms)
{
	struct set_cookie c = {.path = SLICE("/"), .secure = url->secure};
	struct slice rest = slice_of(text), pair = cut(&rest, ';');

	c.name = cut(&pair, '=');
	c.value = pair;
	take_attribute(&c, rest, unix_ms / 1000);
	return store(easy, &c, url);
}

/* Whether the fields are plausible: the line may have been edited by hand, or damaged. */
static bool is_sound(const struct cookie *c)
{
	const char *const fields[] = {c->domain, c->path, c->name, c->value};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (has_control(slice_of(fields[i])))
			return false;
	/* in a header, the text after ";" would be another cookie, which is not masked */
	if (strchr(c->name, ';') || strchr(c->value, ';'))
		return false;
	return c->domain[0] && c->path[0] == '/' && c->name[0] && c->expires[0] &&
	       !c->expires[strspn(c->expires, "0123456789")];
}

/* Whether the cookie has not expired, and is persistent or belongs to a session that goes on. */
static bool lasts(const struct cookie *c, uint64_t unix_ms, bool session)
{
	uint64_t expires = strtoull(c->expires, NULL, 10);

	return expires > unix_ms / 1000 || (session && expires == 0);
}

static int write_lines(CURL *easy, uint64_t unix_ms, bool session, struct buf *out)
{
	CLEANUP(slist_freep) struct curl_slist *lines = NULL;
	int r = 0;

	if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines))
		return -ENOMEM;
	for (struct curl_slist *l = lines; l && !r; l = l->next) {
		size_t before = buf_len(out);
		struct cookie c;

		/* copied first: parse_line() changes the line */
		r = buf_printf(out, "%s\n", l->data);
		if (!r && (!parse_line(l->data, &c) || !lasts(&c, unix_ms, session)))
			buf_truncate(out, before);
	}
	return r;
}

int cookies_write(CURL *easy, uint64_t unix_ms, struct buf *out)
{
	return write_lines(easy, unix_ms, false, out);
}

int cookies_write_all(CURL *easy, uint64_t unix_ms, struct buf *out)
{
	return write_lines(easy, unix_ms, true, out);
}

static int read_line(CURL *easy, const struct url *const *urls, size_t n_urls, const char *line, uint64_t unix_ms,
		     bool session)
{
	char copy[2 * COOKIE_MAX];
	struct cookie c;

	if (strlen(line) >= sizeof(copy))
		return COOKIES_E_NONE;
	strcpy(copy, line);
	if (!parse_line(copy, &c) || !is_sound(&c))
		return COOKIES_E_NONE;
	if (!lasts(&c, unix_ms, session))
		return 0;
	for (size_t i = 0; i < n_urls; i++)
		if (domain_matches(&c, urls[i]->host))
			return curl_easy_setopt(easy, CURLOPT_COOKIELIST, line) ? -ENOMEM : 0;
	return 0;
}

int cookies_read(CURL *easy, const struct url *const *urls, size_t n_urls, const char *line,
		 uint64_t unix_ms)
{
	return read_line(easy, urls, n_urls, line, unix_ms, false);
}

int cookies_read_all(CURL *easy, const struct url *const *urls, size_t n_urls, const char *line, uint64_t unix_ms)
{
	return read_line(easy, urls, n_urls, line, unix_ms, true);
}
