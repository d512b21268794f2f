/*
 * What the options of one server become: session, client, transports, credentials, cookies. It is made, exchanged
 * and freed as a whole, so that no part of it works with other options than the rest.
 */
#ifndef UPSTREAM_PARTS_H
#define UPSTREAM_PARTS_H

#include "auth/auth.h"
#include "net/cookie_jar.h"
#include "upstream/ext_files.h"
#include "upstream/sites.h"

struct upstream_options;

struct parts {
	struct session *session;
	struct http_client *client;
	struct cookie_jar *cookies;
	struct auth *auth;              /* NULL: none */
	struct sites *sites;
	struct ext_files ext_files;
	char *subprotocol;              /* or NULL */
	uint64_t fingerprint;           /* of the options */
};

/* Those who use the parts; all must outlive them. */
struct parts_users {
	struct loop *loop;
	struct curl_loop *curl;
	const char *name;               /* of the server */
	struct wake session;            /* of the session */
	struct transport_events transports;
};

/* Takes o->auth over, also on failure, and copies the rest. Nothing is sent, and no file is read but those that
   the client needs. 0, -ENOMEM, -EINVAL with words in *why. */
int parts_new(const struct parts_users *users, const struct upstream_options *o, struct fault *why,
	      struct parts **ret);
/* Ends what is under way, without a callback, and writes the cookies. NULL is fine. */
void parts_free(struct parts *p);

#endif
