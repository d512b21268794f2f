/*
 * What a server's administrator may say of HTTP: headers, TLS, proxy, limits. And
 * what may be said there at all.
 */
#ifndef NET_HTTP_OPTIONS_H
#define NET_HTTP_OPTIONS_H

#include "base/strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* the oldest TLS that is spoken */
enum http_tls { HTTP_TLS_1_2, HTTP_TLS_1_3 };

/* whether an answer may send a request elsewhere: net/redirect.h */
enum http_redirects { HTTP_REDIRECTS_NEVER, HTTP_REDIRECTS_SAME_HOST };

struct http_options {
	struct strings headers;          /* "Name: value" */
	const char *header_file;         /* lines like those, read again for every request, so that
	                                    a renewed credential is used at once; or NULL */
	const char *ca_file;             /* PEM; NULL: the certificates of the system */
	bool insecure;                   /* any certificate will do */
	enum http_tls tls_min;
	const char *cert_file;           /* PEM, shown to a server that asks; NULL: none */
	const char *key_file;            /* PEM, of that; NULL: it is in cert_file, too */
	const char *pin;                 /* http_pin_valid(); the server's key must be one of
	                                    these, whatever `insecure` says; NULL: any */
	const char *proxy;               /* http_proxy_fault(); NULL: none; what the environment
	                                    says is not asked */
	const char *proxy_ca_file;       /* PEM, of an https:// proxy; NULL: those of the system */
	const char *proxy_login_file;    /* "user:password" for it, read for every request; or NULL */
	const char *no_proxy;            /* http_no_proxy_valid(): hosts reached without it; or NULL */
	enum http_redirects redirects;
	const char *user_agent;
	uint64_t connect_timeout;        /* ms, for name, connection, TLS and upgrade (10 s) */
	size_t body_max;                 /* of an answer, inflated (16 MiB) */
	unsigned idle_max;               /* s a connection may idle and be used again (4) */
};
void http_options_default(struct http_options *o);
/* Copies all of `from` to *to, with commas in place of the blanks in no_proxy; call http_options_fini() in
   any case. 0 or -ENOMEM. */
int http_options_copy(const struct http_options *from, struct http_options *to);
void http_options_fini(struct http_options *o);

/* Whether `line` may be sent as a header: a name, a colon, no control character, and none of
   those that are ours to say (Host, Content-Length, Upgrade, …). */
bool http_header_valid(const char *line);

/* Whether `text` names public keys as curl does: "sha256//…", several separated by ";". */
bool http_pin_valid(const char *text);

/* What is wrong with the address of a proxy, in words that do not repeat it; NULL: nothing. It is
   "http://host:port" or "https://host:port". */
const char *http_proxy_fault(const char *text);

/* Whether `text` is a list of hosts, domains (".example.com") and networks ("10.0.0.0/8"),
   separated by commas or blanks, or "*". If not, `why` says what to write instead. */
bool http_no_proxy_valid(const char *text, char *why, size_t why_size);

#endif
