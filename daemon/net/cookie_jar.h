/*
 * Presets cookies of one server from the configuration, and saves its persistent
 * cookies in a file. The cookies in memory belong to the HTTP client.
 *
 * A file that cannot be read, parsed or written only causes a warning in the log:
 * the session works without it.
 *
 * Session cookies (those without an expiry date) are not saved. CometD binds a
 * session to one of them (BAYEUX_BROWSER): a new session with the cookie of an older
 * session that still exists would count as a second one of the same browser
 * (bayeux.md 0, 14), and the server would not hold its connects. They are part of the snapshot of a session that goes
 * on in another process.
 */
#ifndef NET_COOKIE_JAR_H
#define NET_COOKIE_JAR_H

#include "base/loop.h"
#include "net/http_client.h"
#include "net/url.h"

struct cookie_jar_options {
	struct strings presets;          /* cookies_valid(), for each host of the server */
	const char *preset_file;         /* more presets, one per line, or NULL */
	const char *path;                /* the file that cookies are saved in, or NULL */
};

struct cookie_jar;

/* Copies `o` and `server`, the name used in the log; the client must outlive the jar. 0 or -ENOMEM. */
int cookie_jar_new(struct loop *loop, struct http_client *client, const char *server,
		   const struct cookie_jar_options *o, struct cookie_jar **ret);
/* Adds one of the server's URLs, which must outlive the jar. 0 or -ENOMEM. */
int cookie_jar_add_url(struct cookie_jar *j, const struct url *url);
/* Loads the cookies from the file that have not expired and match one of the URLs. */
void cookie_jar_load(struct cookie_jar *j);
/* Saves changed cookies first. All functions below accept NULL. */
void cookie_jar_free(struct cookie_jar *j);

/* Call it before each handshake. Sets the preset cookies the first time, and again only when their file
   has changed, so that a value the server has replaced since is kept. */
void cookie_jar_preset(struct cookie_jar *j);
/* Appends all cookies, also session cookies, as lines of text: a secret. 0, -ENOMEM, -EMSGSIZE. */
int cookie_jar_export(struct cookie_jar *j, struct buf *out);
/* Adds the cookies of such a text that match one of the URLs; lines that are none are left out. 0 or -ENOMEM. */
int cookie_jar_import(struct cookie_jar *j, struct slice text);
/* Call it when cookies may have changed: they are compared soon, and saved if they differ. */
void cookie_jar_touch(struct cookie_jar *j);

#endif
