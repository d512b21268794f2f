/*
 * The HTTP options of one server (headers, TLS, proxy, limits), and checks of their
 * values.
 */
#ifndef NET_HTTP_OPTIONS_H
#define NET_HTTP_OPTIONS_H

#include "base/fault.h"
#include "base/strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* the oldest accepted TLS version */
enum http_tls { HTTP_TLS_1_2, HTTP_TLS_1_3 };

/* which redirects are followed: net/redirect.h */
enum http_redirects { HTTP_REDIRECTS_NEVER, HTTP_REDIRECTS_SAME_HOST };

struct http_options {
	struct strings headers;          /* "Name: value" */
	const char *header_file;         /* such lines, read again for every request, so that a
	                                    renewed credential is used at once; or NULL */
	const char *ca_file;             /* PEM; NULL: the certificates of the system */
	bool insecure;                   /* accept any certificate */
	enum http_tls tls_min;
	const char *cert_file;           /* PEM, the client certificate; NULL: none */
	const char *key_file;            /* PEM, its private key; NULL: it is in cert_file, too */
	const char *pin;                 /* http_pin_valid(); the server's key must be one of
	                                    these, even if `insecure` is set; NULL: any */
	const char *proxy;               /* http_proxy_fault(); NULL: none; the environment is
	                                    ignored */
	const char *proxy_ca_file;       /* PEM, for an https:// proxy; NULL: those of the system */
	const char *proxy_login_file;    /* "user:password" for it, read for every request; or NULL */
	const char *no_proxy;            /* http_no_proxy_valid(): hosts reached without it; or NULL */
	enum http_redirects redirects;
	const char *user_agent;
	uint64_t connect_timeout;        /* ms, for name, connection, TLS and upgrade (10 s) */
	size_t body_max;                 /* bytes of an answer's body, inflated (16 MiB) */
	unsigned idle_max;               /* s; a connection that was idle for longer is not reused (4) */
};
void http_options_default(struct http_options *o);
/* Copies all of `from` to *to, with commas in place of the blanks in no_proxy; call http_options_fini() in
   any case. 0 or -ENOMEM. */
int http_options_copy(const struct http_options *from, struct http_options *to);
void http_options_fini(struct http_options *o);

/* Whether `line` may be sent as a header: it has a name, a colon and a value, no control character, and is
   not one that the daemon sets itself (Host, Content-Length, Upgrade, …). */
bool http_header_valid(const char *line);

/* Whether `text` is a list of public key hashes in libcurl's format: "sha256//…", separated by ";". */
bool http_pin_valid(const char *text);

/* What is wrong with the address of a proxy, which has the format "http://host:port" or "https://host:port";
   NULL: it is valid. The text does not contain the address, which may contain a password. */
const char *http_proxy_fault(const char *text);

/* Whether `text` is a list of hosts, domains (".example.com") and networks ("10.0.0.0/8"),
   separated by commas or blanks, or "*". If not, `why` contains the invalid item and its fault. */
bool http_no_proxy_valid(const char *text, struct fault *why);

#endif
