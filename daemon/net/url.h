/*
 * Parses the URL of a Bayeux server into the parts that libcurl and the WebSocket
 * upgrade need. Both transports use the same address, so ws:// is the same as
 * http:// here, and wss:// the same as https://.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>

struct url {
	char *http;        /* the whole URL, with http:// or https:// */
	char *host;        /* without brackets, for matching cookies */
	char *authority;   /* the value of "Host:": the host, and the port unless it is the default */
	char *target;      /* path and query; at least "/" */
	bool secure;
};

/* why a URL is invalid */
enum url_fault {
	URL_E_SYNTAX = 1,
	URL_E_SCHEME,      /* none of http, https, ws, wss */
	URL_E_CREDENTIALS, /* user:password@ would be written to logs */
	URL_E_RELATIVE,    /* "//host/path" could be a path of this host, or another host */
};
/* a text for people: "is not a URL" */
const char *url_fault_text(int fault);

/* 0, a fault, -ENOMEM. On success the caller must call url_fini(). */
int url_parse(const char *text, struct url *ret);
/*
 * The same for a URL that may be relative to `base`: "/path" replaces the path of `base`; "path" is
 * appended to it, whether or not it ends in "/"; "../path" is relative to it in the same way. The query
 * of `base` is kept unless `text` has one.
 */
int url_resolve(const struct url *base, const char *text, struct url *ret);
/* Appends "/" and `segment` to the path of `base`, and keeps its query. 0, -ENOMEM. */
int url_append(const struct url *base, const char *segment, struct url *ret);
/* Accepts a zeroed struct. */
void url_fini(struct url *u);
/* Whether the host is this machine: localhost, 127.0.0.0/8 or ::1. */
bool url_is_local(const struct url *u);

#endif
