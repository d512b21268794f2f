/*
 * Credentials by OAuth 2.0 (RFC 6749): a source that asks a token server. It sends
 * one form over HTTP and never follows a redirect; of the answer only the tokens
 * and the lifetime count, "instance_url" and the like are not looked at: where the
 * Bayeux server is, the configuration says.
 */
#ifndef AUTH_OAUTH_H
#define AUTH_OAUTH_H

#include "auth/source.h"
#include "net/curl_loop.h"
#include "net/http_options.h"

#include <stdbool.h>

enum oauth_grant {
	OAUTH_CLIENT_CREDENTIALS,       /* 4.4: by client_id and secret alone */
	OAUTH_REFRESH_TOKEN,            /* 6: by a token that somebody once obtained */
	OAUTH_JWT_BEARER,               /* RFC 7523: by a signed assertion */
};
/* how the client shows its secret; the values follow the words of client-auth */
enum oauth_client_auth { OAUTH_BASIC, OAUTH_BODY };

/* Files are read for each request, so that what was renewed is used. NULL: none. */
struct auth_oauth_options {
	const char *url;                /* of the token server: http(s)://… */
	enum oauth_grant grant;
	enum oauth_client_auth client_auth;
	const char *client_id;
	const char *secret_file;
	const char *refresh_file;       /* of OAUTH_REFRESH_TOKEN; a token that replaces it is written there */
	struct strings parameters;      /* more of the form: "name=value" */
	/* of OAUTH_JWT_BEARER; without issuer it is client_id, without subject the issuer, without
	   audience the url */
	const char *jwt_key_file, *jwt_key_id, *jwt_issuer, *jwt_subject, *jwt_audience;
	uint64_t jwt_lifetime;          /* ms */
	uint64_t timeout;               /* ms, of one request */
	/* TLS, proxy and connect timeout are taken from it; headers are not. To a url that is not
	   encrypted, which can only be of this machine, no proxy leads. */
	const struct http_options *http;
};

/* Copies what it needs of `o`. 0 or -ENOMEM. */
int auth_oauth_new(struct loop *loop, struct curl_loop *curl, const struct auth_oauth_options *o,
		   struct auth_source **ret);

#endif
