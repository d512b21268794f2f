/* What must hold between the options of [oauth NAME]: what is missing is named with what needs it. */
#include "config/oauth.h"

#include <stdlib.h>

#define oauth_error(r, o, format, ...)                                                             \
	config_report_add(r, true, (o)->place, "[oauth %s]: " format, (o)->name, ##__VA_ARGS__)

/* The first of these options that is set, or NULL. */
static const char *jwt_option(const struct auth_oauth_options *o)
{
	return o->jwt_key_id ? "jwt-key-id" :
	       o->jwt_issuer ? "jwt-issuer" :
	       o->jwt_subject ? "jwt-subject" :
	       o->jwt_audience ? "jwt-audience" : NULL;
}

static const char *missing(const struct auth_oauth_options *o)
{
	if (!o->url)
		return "a token-url";
	if (o->grant == OAUTH_JWT_BEARER)
		return o->client_id || o->jwt_issuer ? NULL : "a client-id or jwt-issuer";
	if (!o->client_id)
		return "a client-id";
	return o->grant == OAUTH_CLIENT_CREDENTIALS && !o->secret_file ?
		       "a client-secret-file, refresh-token-file or jwt-key" : NULL;
}

void config_check_oauth(struct config_report *r, struct config_oauth *oauth)
{
	struct auth_oauth_options *o = &oauth->options;

	o->grant = o->jwt_key_file ? OAUTH_JWT_BEARER : o->refresh_file ? OAUTH_REFRESH_TOKEN : OAUTH_CLIENT_CREDENTIALS;
	if (missing(o))
		oauth_error(r, oauth, "it needs %s", missing(o));
	if (o->jwt_key_file && o->refresh_file)
		oauth_error(r, oauth, "jwt-key and refresh-token-file; a client has one of them");
	if (o->secret_file && !o->client_id)
		oauth_error(r, oauth, "client-secret-file needs a client-id");
	if (!o->jwt_key_file && jwt_option(o))
		oauth_error(r, oauth, "%s needs a jwt-key", jwt_option(o));
}
