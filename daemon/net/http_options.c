/*
 * Checks and copies HTTP options. An accepted text cannot end a header line early,
 * and libcurl does not interpret it in another way than documented.
 */
#include "base/fault.h"
#include "net/http_options.h"

#include "net/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_options_default(struct http_options *o)
{
	*o = (struct http_options){
		.user_agent = "cometd-bridge/" PACKAGE_VERSION,
		.connect_timeout = 10000,
		.body_max = 16u << 20,
		.idle_max = 4,
	};
}

/* --- checks --- */

/* Whether the daemon or libcurl sets this header itself; a second one could contradict it. */
static bool is_ours(const char *line, size_t name)
{
	static const char *const ours[] = {
		"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection",
		"Upgrade", "Expect", "Accept-Encoding",
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strlen(ours[i]) == name && strncasecmp(line, ours[i], name) == 0)
			return true;
	return name >= 14 && strncasecmp(line, "Sec-WebSocket-", 14) == 0;
}

bool http_header_valid(const char *line)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t name = strspn(line, token);

	if (name == 0 || line[name] != ':' || is_ours(line, name))
		return false;
	/* libcurl interprets "Name:" as a request to omit the header */
	if (!line[name + 1 + strspn(line + name + 1, " \t")])
		return false;
	for (const char *p = line + name; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return false;
	return true;
}

/* One hash: 32 bytes in base64, so 43 digits and a "=". */
static bool is_pin(const char *text, size_t n)
{
	static const char digits[] = "+/0123456789"
				     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return n == 8 + 44 && memcmp(text, "sha256//", 8) == 0 &&
	       strspn(text + 8, digits) == 43 && text[8 + 43] == '=';
}

bool http_pin_valid(const char *text)
{
	for (;; text++) {
		size_t n = strcspn(text, ";");

		if (!is_pin(text, n))
			return false;
		text += n;
		if (!*text)
			return true;
	}
}

const char *http_proxy_fault(const char *text)
{
	struct url url;
	const char *port;
	bool bare;
	int r;

	if (strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0)
		return "must begin with http:// or https://";
	r = url_parse(text, &url);
	if (r == URL_E_CREDENTIALS)
		return "must not contain a user or password; put user:password into a file and name it with "
		       "proxy-credential-file";
	if (r)
		return r < 0 ? strerror(-r) : url_fault_text(r);
	bare = strcmp(url.target, "/") == 0;
	url_fini(&url);
	if (!bare)
		return "must end after the port";
	/* libcurl's default port for an http:// proxy is 1080, which is unexpected: require a port */
	port = strrchr(text, ':');
	return strspn(port + 1, "0123456789/") == strlen(port + 1) && port[1] != '/'
		       ? NULL : "must name the port";
}

/* "10.0.0.0/8", "fd00::/8" */
static bool is_network(const char *text, size_t address)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char copy[INET6_ADDRSTRLEN];
	const char *bits = text + address + 1;
	size_t digits = strspn(bits, "0123456789");
	unsigned long max;

	if (address >= sizeof(copy))
		return false;
	memcpy(copy, text, address);
	copy[address] = 0;
	max = inet_pton(AF_INET, copy, bytes) == 1 ? 32 : inet_pton(AF_INET6, copy, bytes) == 1 ? 128 : 0;
	return max && digits > 0 && digits < 4 && !bits[digits] && strtoul(bits, NULL, 10) <= max;
}

/* What is wrong with one item of the list; NULL: it is valid. */
static const char *host_fault(const char *item)
{
	static const char name[] = "-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned char bytes[sizeof(struct in6_addr)];

	if (strstr(item, "://"))
		return "is a URL; write the host without http://";
	if (strchr(item, '/'))
		return is_network(item, strcspn(item, "/")) ? NULL
		       : "is not a network; for example: 10.0.0.0/8";
	if (strchr(item, '*'))
		return "has a \"*\"; .example.com means all hosts below example.com";
	if (item[0] == '[')
		return "has brackets; write the IPv6 address without them";
	if (strchr(item, ':'))
		return inet_pton(AF_INET6, item, bytes) == 1 ? NULL
		       : "names a port; a host is reached without the proxy on all ports or on none";
	return item[strspn(item, name)] ? "is not a host, domain or network" : NULL;
}

bool http_no_proxy_valid(const char *text, struct fault *why)
{
	if (strcmp(text, "*") == 0)
		return true;
	for (size_t n; text += strspn(text, ", \t"), *text; text += n) {
		char item[256];
		const char *fault;

		n = strcspn(text, ", \t");
		snprintf(item, sizeof(item), "%.*s", (int)(n < sizeof(item) ? n : sizeof(item)), text);
		fault = n < sizeof(item) ? host_fault(item) : "is too long";
		if (fault) {
			fault_set(why, "\"%.100s\" %s", item, fault);
			return false;
		}
	}
	return true;
}

/* --- copies --- */

/* the members that are a string */
static const size_t texts[] = {
	offsetof(struct http_options, header_file),
	offsetof(struct http_options, ca_file), offsetof(struct http_options, cert_file),
	offsetof(struct http_options, key_file), offsetof(struct http_options, pin),
	offsetof(struct http_options, proxy), offsetof(struct http_options, proxy_ca_file),
	offsetof(struct http_options, proxy_login_file), offsetof(struct http_options, no_proxy),
	offsetof(struct http_options, user_agent),
};
#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

static const char **text_at(struct http_options *o, size_t i)
{
	return (const char **)(void *)((char *)o + texts[i]);
}

static int copy_texts(struct http_options *o)
{
	const char *from[N_TEXTS];

	/* set all to NULL first, so that after a failure http_options_fini() frees only copies */
	for (size_t i = 0; i < N_TEXTS; i++) {
		from[i] = *text_at(o, i);
		*text_at(o, i) = NULL;
	}
	for (size_t i = 0; i < N_TEXTS; i++) {
		*text_at(o, i) = from[i] ? strdup(from[i]) : NULL;
		if (from[i] && !*text_at(o, i))
			return -ENOMEM;
	}
	return 0;
}

/* Blanks become commas: libcurl 7.88 accepts either as separator; 8.14 accepts commas only and ignores
   everything after a blank. Both accept several commas in a row. */
static void separate_by_commas(char *hosts)
{
	for (; hosts && *hosts; hosts++)
		if (*hosts == ' ' || *hosts == '\t')
			*hosts = ',';
}

int http_options_copy(const struct http_options *from, struct http_options *to)
{
	int r;

	*to = *from;
	to->headers = (struct strings){0};
	r = copy_texts(to);
	if (!r)
		separate_by_commas((char *)to->no_proxy);
	if (!r)
		r = strings_copy(&from->headers, &to->headers);
	return r;
}

void http_options_fini(struct http_options *o)
{
	strings_fini(&o->headers);
	for (size_t i = 0; i < N_TEXTS; i++)
		free((char *)*text_at(o, i));
}
