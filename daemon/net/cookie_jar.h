/*
 * The cookies of one server that are older than the process, or outlive it: those
 * that the configuration presets, and those that are kept in a file. The jar itself
 * is the client's.
 *
 * A file that is no jar, or cannot be read or written, is a warning in the log and
 * never a failure: without it a session begins as the first one did.
 *
 * The session's cookies, which have no end, are not kept. CometD binds a session to
 * such a one (BAYEUX_BROWSER): a new session that came with the one of an old session
 * which still lives would be its second (bayeux.md 0, 14), and not be held.
 */
#ifndef NET_COOKIE_JAR_H
#define NET_COOKIE_JAR_H

#include "base/loop.h"
#include "net/http_client.h"
#include "net/url.h"

struct cookie_jar_options {
	struct strings presets;          /* cookies_valid(), for each host of the server */
	const char *preset_file;         /* more of them, one a line, or NULL */
	const char *path;                /* where cookies are kept, or NULL */
};

struct cookie_jar;

/* Copies `o`, and `server`, its name in the log; the client must stay. 0 or -ENOMEM. */
int cookie_jar_new(struct loop *loop, struct http_client *client, const char *server,
		   const struct cookie_jar_options *o, struct cookie_jar **ret);
/* One of the server's URLs, which must stay. 0 or -ENOMEM. */
int cookie_jar_add_url(struct cookie_jar *j, const struct url *url);
/* Takes from the file what has not ended and belongs to the URLs. */
void cookie_jar_load(struct cookie_jar *j);
/* Writes what has changed. NULL is fine, as for all of these. */
void cookie_jar_free(struct cookie_jar *j);

/* Before a handshake: presets, at first and when their file has changed since. What a server made
   of a preset cookie in between is its own. */
void cookie_jar_preset(struct cookie_jar *j);
/* There may be other cookies now: soon they are compared and, if so, written. */
void cookie_jar_touch(struct cookie_jar *j);

#endif
