/*
 * Owns the cookies of one client and a copy of its options. Header values are
 * secrets: no message written here contains one.
 */
#include "net/http_client.h"

#include "base/errors.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "net/cookies.h"
#include "net/http_text.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* seconds without data until the kernel sends the first keepalive probe, and between probes */
#define KEEPALIVE_IDLE 30L
#define KEEPALIVE_INTERVAL 10L

struct http_client {
	CURLSH *share;
	struct cookies_known known;      /* the cookies in it */
	struct http_options o;           /* all pointers are ours */
	struct http_credential credential;
	struct mask *mask;               /* the secrets among headers and cookies */
	bool warned;                     /* that a file contains the credential's header */
};

_Static_assert(FAULT_MAX >= CURL_ERROR_SIZE, "a fault can be the error buffer of libcurl");

/* --- headers --- */

/* where the lines of a file are appended */
struct http_lines {
	struct curl_slist **list;
	const char *credential;          /* a header line that replaces one of the same name; or NULL */
	struct fault *why;
};

static int append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* Whether this line has the name of the credential's header. Only the credential is sent then: of two
   headers with one name, some servers use the first and others the last. */
static bool is_overruled(struct http_client *c, const char *line, const char *credential,
			 const char *path)
{
	size_t n = strcspn(line, ":") + 1;

	if (!credential || strncasecmp(line, credential, n) != 0)
		return false;
	if (!c->warned)
		log_msg(LOG_L_WARNING,
			LOG_FIELDS({"file", slice_of(path)}, {"header", slice_make(line, n - 1)}),
			"ignoring a header of this file, because the credential is sent in it");
	c->warned = true;
	return true;
}

/* Appends each line of the text that is not blank. */
static int append_lines(struct http_client *c, struct http_lines *to, char *text, const char *path)
{
	unsigned number = 0;
	int r;

	for (char *line; (line = strsep(&text, "\n"));) {
		line[strcspn(line, "\r")] = 0;
		number++;
		if (!line[strspn(line, " \t")])
			continue;
		if (!http_header_valid(line))
			return fault_fail(to->why, -EINVAL, "%s:%u: this is not a header \"Name: value\"",
					  path, number);
		r = mask_add_header(c->mask, line);
		if (!r && !is_overruled(c, line, to->credential, path))
			r = append(to->list, line);
		if (r)
			return r;
	}
	return 0;
}

/* Reads a secret from a file and appends NUL; call buf_fini() in any case. */
static int read_secret(const char *path, struct buf *text, struct fault *why)
{
	int r;

	buf_init_secret(text, HTTP_HEADER_FILE_MAX + FILE_READ_EXTRA);
	r = file_read(path, text);
	if (r == 0)
		r = buf_putc(text, 0);
	if (r)
		fault_set(why, "%s: %s", path, strerror(-r));
	return r;
}

static int append_file(struct http_client *c, struct http_lines *to, const char *path)
{
	CLEANUP(buf_fini) struct buf text;
	int r = read_secret(path, &text, to->why);

	return r ? r : append_lines(c, to, text.mem + text.head, path);
}

/* Whether a header of the configuration is a secret, judged by its name. */
static bool is_secret(const char *line)
{
	static const char *const signs[] = {"auth", "cookie", "token", "secret", "key"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		const char *sign = strcasestr(line, signs[i]);

		if (sign && sign < strchr(line, ':'))
			return true;
	}
	return false;
}

static int append_fixed(const struct http_client *c, struct curl_slist **list)
{
	int r = 0;

	for (size_t i = 0; !r && i < c->o.headers.n; i++) {
		r = append(list, c->o.headers.v[i]);
		if (!r && is_secret(c->o.headers.v[i]))
			r = mask_add_header(c->mask, c->o.headers.v[i]);
	}
	return r;
}

int http_client_headers(struct http_client *c, struct curl_slist **list, struct fault *why)
{
	const char *credential =
		c->credential.header ? c->credential.header(c->credential.ctx) : NULL;
	struct http_lines to = {list, credential, why};
	int r;

	fault_set(why, "out of memory");
	r = append_fixed(c, list);
	if (!r && c->o.header_file)
		r = append_file(c, &to, c->o.header_file);
	if (!r && credential)
		r = mask_add_header(c->mask, credential);
	return r || !credential ? r : append(list, credential);
}

struct mask *http_client_mask(const struct http_client *c)
{
	return c->mask;
}

int http_client_hide_cookie(struct http_client *c, struct slice set_cookie)
{
	const char *equals = set_cookie.n ? memchr(set_cookie.p, '=', set_cookie.n) : NULL;

	if (!equals)
		return 0;
	return mask_add_cookie(c->mask, http_trim(slice_drop(set_cookie, (size_t)(equals - set_cookie.p) + 1)));
}

int http_client_limit_cookies(struct http_client *c, CURL *easy)
{
	return cookies_limit(easy, &c->known);
}

void http_client_free_headers(struct curl_slist *list)
{
	for (struct curl_slist *line = list; line; line = line->next)
		explicit_bzero(line->data, strlen(line->data));
	curl_slist_free_all(list);
}

/* --- the proxy's credential --- */

/* libcurl expects user and password percent-encoded */
static int put_escaped(struct buf *out, CURL *easy, struct slice text)
{
	char *escaped = curl_easy_escape(easy, text.p, (int)text.n);
	int r;

	if (!escaped)
		return -ENOMEM;
	r = buf_put_str(out, escaped);
	explicit_bzero(escaped, strlen(escaped));
	curl_free(escaped);
	return r;
}

static int set_login(CURL *easy, const char *user, size_t user_size, const char *password)
{
	CLEANUP(buf_fini) struct buf login;
	int r;

	buf_init_secret(&login, 6 * HTTP_HEADER_FILE_MAX);
	r = put_escaped(&login, easy, slice_make(user, user_size));
	if (!r)
		r = buf_putc(&login, ':');
	/* curl_easy_escape() treats the length 0 as "use strlen()" */
	if (!r && *password)
		r = put_escaped(&login, easy, slice_of(password));
	if (!r)
		r = buf_putc(&login, 0);
	if (!r && curl_easy_setopt(easy, CURLOPT_PROXYUSERPWD, buf_slice(&login).p))
		r = -ENOMEM;
	return r;
}

int http_client_proxy_login(const struct http_client *c, CURL *easy, struct fault *why)
{
	CLEANUP(buf_fini) struct buf text;
	char *login;
	size_t user;
	int r;

	buf_init(&text, 0);
	if (!c->o.proxy_login_file)
		return 0;
	fault_set(why, "out of memory");
	r = read_secret(c->o.proxy_login_file, &text, why);
	if (r)
		return r;
	login = text.mem + text.head;
	login[strcspn(login, "\r\n")] = 0;
	r = mask_add_login(c->mask, slice_of(login));
	if (r)
		return r;
	user = strcspn(login, ":");
	if (user == 0 || !login[user])
		return fault_fail(why, -EINVAL, "%s: the first line is not \"user:password\"",
				  c->o.proxy_login_file);
	return set_login(easy, login, user, login + user + 1);
}

void http_client_set_credential(struct http_client *c, struct http_credential credential)
{
	c->credential = credential;
}

/* --- life --- */

/* The share is used by one thread, so it needs no locks. */
static int make_jar(CURLSH **ret)
{
	CURLSH *share = curl_share_init();

	if (!share)
		return -ENOMEM;
	if (curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE)) {
		curl_share_cleanup(share);
		return -ENOMEM;
	}
	*ret = share;
	return 0;
}

int http_client_new(const struct http_options *o, struct http_client **ret)
{
	struct http_client *c;
	int r;

	for (size_t i = 0; i < o->headers.n; i++)
		if (!http_header_valid(o->headers.v[i]))
			return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	r = http_options_copy(o, &c->o);
	if (!r)
		r = mask_new(&c->mask);
	if (!r)
		r = make_jar(&c->share);
	if (r) {
		http_client_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	mask_free(c->mask);
	curl_share_cleanup(c->share);
	http_options_fini(&c->o);
	free(c);
}

const struct http_options *http_client_options(const struct http_client *c)
{
	return &c->o;
}

/* --- options of every request --- */

/* Each setopt that copies a string may run out of memory; none fails for another reason. */
static bool set_identity(CURL *easy, const struct http_options *o)
{
	return !curl_easy_setopt(easy, CURLOPT_SSLCERT, o->cert_file) &&
	       /* by default libcurl looks for the key in the certificate file */
	       (!o->key_file || !curl_easy_setopt(easy, CURLOPT_SSLKEY, o->key_file)) &&
	       /* otherwise OpenSSL asks on the terminal for the password of an encrypted key, which
	          blocks the daemon */
	       !curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
}

/* Makes OpenSSL overwrite decrypted data, which may contain a token, as soon as it was read. */
static CURLcode cleanse_plaintext(CURL *easy, void *ssl_ctx, void *unused)
{
	(void)easy;
	(void)unused;
	SSL_CTX_set_options(ssl_ctx, SSL_OP_CLEANSE_PLAINTEXT);
	return CURLE_OK;
}

static bool set_security(CURL *easy, const struct http_options *o)
{
	long oldest = o->tls_min == HTTP_TLS_1_3 ? CURL_SSLVERSION_TLSv1_3
						 : CURL_SSLVERSION_TLSv1_2;

	/* the result is ignored: this fails if libcurl uses another TLS library */
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, cleanse_plaintext);
	return !curl_easy_setopt(easy, CURLOPT_SSLVERSION, oldest) &&
	       (!o->cert_file || set_identity(easy, o)) &&
	       (!o->pin || !curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, o->pin)) &&
	       !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L) &&
	       (!o->ca_file || !curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file)) &&
	       !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
	       !curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
}

/* The proxy's certificate is always checked: tls-insecure applies to the server only. */
static bool set_proxy(CURL *easy, const struct http_options *o)
{
	/* "" means no proxy, even if the environment names one */
	return !curl_easy_setopt(easy, CURLOPT_PROXY, o->proxy ? o->proxy : "") &&
	       !curl_easy_setopt(easy, CURLOPT_NOPROXY, o->no_proxy ? o->no_proxy : "") &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
	       (!o->proxy_ca_file ||
		!curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, o->proxy_ca_file)) &&
	       /* no server headers to the proxy; the default, set explicitly because they contain secrets */
	       !curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
}

static bool set_connection(CURL *easy, const struct http_options *o)
{
	return !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
	       /* otherwise an abort blocks the daemon until the resolver thread ends */
	       !curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout) &&
	       !curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE) &&
	       !curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL) &&
	       !curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)o->idle_max) &&
	       (!o->user_agent || !curl_easy_setopt(easy, CURLOPT_USERAGENT, o->user_agent));
}

static bool set_jar(CURL *easy, CURLSH *share)
{
	return !curl_easy_setopt(easy, CURLOPT_SHARE, share) &&
	       /* an empty name turns on the cookie engine without a file */
	       !curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
}

int http_client_easy(struct http_client *c, CURL **ret)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return -ENOMEM;
	if (!set_security(easy, &c->o) || !set_connection(easy, &c->o) ||
	    !set_proxy(easy, &c->o) || !set_jar(easy, c->share)) {
		curl_easy_cleanup(easy);
		return -ENOMEM;
	}
	*ret = easy;
	return 0;
}

bool http_client_is_proxy_refusal(CURL *easy, const char *line)
{
	long proxy = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
	return (line[0] == '\r' || line[0] == '\n') && proxy >= 300;
}

static bool is_untrusted(const char *text)
{
	return strstr(text, "self-signed") || strstr(text, "self signed") || strstr(text, "issuer");
}

void http_client_describe_failure(CURL *easy, CURLcode code, struct fault *why)
{
	long os_errno = 0, proxy = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
	if (proxy == 407) {
		fault_set(why, HTTP_PROXY_REFUSED);
		return;
	}
	if (proxy >= 300) {
		fault_set(why, "the proxy answered %ld", proxy);
		return;
	}
	/* libcurl's own texts for these two contain a duration, so equal failures would look different */
	if (code == CURLE_OPERATION_TIMEDOUT) {
		fault_set(why, "connecting took too long");
	} else if (code == CURLE_COULDNT_CONNECT) {
		curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
		fault_set(why, "%s",
			  os_errno ? strerror((int)os_errno) : "the connection could not be made");
	} else if (code == CURLE_SSL_CONNECT_ERROR && strstr(why->text, "wrong version number")) {
		fault_set(why, "the server does not use TLS at this port: its url may have to begin with http:// "
			  "or ws://");
	} else if (!fault_is_set(why)) {
		fault_set(why, "%s", curl_easy_strerror(code));
	} else if (code == CURLE_PEER_FAILED_VERIFICATION && is_untrusted(why->text)) {
		fault_set(why, "%s; tls-ca can name other certificates to trust", why->text);
	}
}
