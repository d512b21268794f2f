/*
 * A credential source that uses OAuth 2.0 (RFC 6749): it posts a form to a token
 * server, and does not follow redirects. Of the answer it uses only the tokens and the
 * lifetime; "instance_url" and similar members are ignored, because the configuration
 * sets the URL of the Bayeux server.
 */
#ifndef AUTH_OAUTH_H
#define AUTH_OAUTH_H

#include "auth/source.h"
#include "net/curl_loop.h"
#include "net/http_options.h"

#include <stdbool.h>

enum oauth_grant {
	OAUTH_CLIENT_CREDENTIALS,       /* 4.4: client id and secret only */
	OAUTH_REFRESH_TOKEN,            /* 6: a refresh token that was obtained before */
	OAUTH_JWT_BEARER,               /* RFC 7523: a signed assertion */
};
/* how the client sends its secret, in the order of the values of client-auth */
enum oauth_client_auth { OAUTH_BASIC, OAUTH_BODY };

/* Files are read for each request, so that new contents are used. NULL: none. */
struct auth_oauth_options {
	const char *url;                /* of the token server: http(s)://… */
	enum oauth_grant grant;
	enum oauth_client_auth client_auth;
	const char *client_id;
	const char *secret_file;
	const char *refresh_file;       /* for OAUTH_REFRESH_TOKEN; a new token from the server is written to it */
	struct strings parameters;      /* more form fields: "name=value" */
	/* for OAUTH_JWT_BEARER; the default of issuer is client_id, of subject the issuer, of
	   audience the url */
	const char *jwt_key_file, *jwt_key_id, *jwt_issuer, *jwt_subject, *jwt_audience;
	uint64_t jwt_lifetime;          /* ms */
	uint64_t timeout;               /* ms, of one request */
	/* for TLS, proxy and connect timeout; its headers are not sent. An http:// url, which must be on
	   this machine, is reached without a proxy. */
	const struct http_options *http;
};

/* Copies what it needs of `o`. 0 or -ENOMEM. */
int auth_oauth_new(struct loop *loop, struct curl_loop *curl, const struct auth_oauth_options *o,
		   struct auth_source **ret);

#endif
