/*
 * The address of a Bayeux server, taken apart once: what curl dials, and what
 * a WebSocket upgrade says in its first lines. Both transports live at the same
 * address, so ws:// means http:// here, and wss:// means https://.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>

struct url {
	char *http;        /* whole, with http:// or https:// */
	char *host;        /* without brackets: cookies are matched by it */
	char *authority;   /* host, and the port when it is not the scheme's own: for "Host:" */
	char *target;      /* path and query; at least "/" */
	bool secure;
};

/* what is wrong with a URL */
enum url_fault {
	URL_E_SYNTAX = 1,
	URL_E_SCHEME,      /* none of http, https, ws, wss */
	URL_E_CREDENTIALS, /* user:password@ would get into logs: a header file is the place */
	URL_E_RELATIVE,    /* "//host/path": a path of this host, or another host? */
};
/* words for people: "is no URL" */
const char *url_fault_text(int fault);

/* 0, a fault, -ENOMEM. On success url_fini() is due. */
int url_parse(const char *text, struct url *ret);
/*
 * The same for a URL that may be written relative to `base`: "/path" begins at the root of its host;
 * "path" continues the path of `base`, whether or not that ends in "/"; "../path" goes up from there.
 * The query of `base` stays, unless `text` has one.
 */
int url_resolve(const struct url *base, const char *text, struct url *ret);
/* `base` with "/" and `segment` at the end of its path, and its query behind them. 0, -ENOMEM. */
int url_append(const struct url *base, const char *segment, struct url *ret);
/* A zeroed one is fine. */
void url_fini(struct url *u);
/* Whether it is on this machine: localhost, 127.0.0.0/8 or ::1. */
bool url_is_local(const struct url *u);

#endif
