/* What must hold between the OAuth options of a server: what is missing is named with what needs it. */
#include "config/oauth.h"

#include <stdlib.h>

struct given {
	bool set;
	const char *option;
};

/* The first option there is, or NULL. */
static const char *first_of(const struct given *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (options[i].set)
			return options[i].option;
	return NULL;
}
#define FIRST_OF(...)                                                                              \
	first_of((const struct given[]){__VA_ARGS__},                                              \
		 sizeof((const struct given[]){__VA_ARGS__}) / sizeof(struct given))

static const char *refresh_option(const struct auth_oauth_options *o)
{
	return FIRST_OF({o->refresh_file != NULL, "oauth-refresh-token-file"},
			{o->refresh_save, "oauth-refresh-token-save"});
}

static const char *jwt_option(const struct auth_oauth_options *o)
{
	return FIRST_OF({o->jwt_key_file != NULL, "oauth-jwt-key"},
			{o->jwt_key_id != NULL, "oauth-jwt-key-id"},
			{o->jwt_issuer != NULL, "oauth-jwt-issuer"},
			{o->jwt_subject != NULL, "oauth-jwt-subject"},
			{o->jwt_audience != NULL, "oauth-jwt-audience"});
}

static const char *secret_option(const struct auth_oauth_options *o)
{
	return o->secret_file ? "oauth-client-secret-file" : NULL;
}

static void check_alone(struct config_report *r, const struct config_server *s)
{
	const struct auth_oauth_options *o = &s->oauth;
	const char *other = FIRST_OF({o->client_id != NULL, "oauth-client-id"},
				     {o->scope != NULL, "oauth-scope"},
				     {o->audience != NULL, "oauth-audience"},
				     {o->parameters.n > 0, "oauth-parameter"},
				     {o->grant != OAUTH_CLIENT_CREDENTIALS, "oauth-grant"},
				     {o->client_auth != OAUTH_BASIC, "oauth-client-auth"});

	other = other ? other : secret_option(o);
	other = other ? other : refresh_option(o);
	other = other ? other : jwt_option(o);
	if (other)
		config_server_error(r, s, "%s needs an oauth-token-url", other);
}

static void check_client(struct config_report *r, const struct config_server *s)
{
	const struct auth_oauth_options *o = &s->oauth;

	if (secret_option(o) && !o->client_id)
		config_server_error(r, s, "%s needs an oauth-client-id", secret_option(o));
}

static void check_grant(struct config_report *r, const struct config_server *s)
{
	const struct auth_oauth_options *o = &s->oauth;
	const char *missing = NULL;

	switch (o->grant) {
	case OAUTH_CLIENT_CREDENTIALS:
		missing = FIRST_OF({!o->client_id, "an oauth-client-id"},
				   {!secret_option(o), "an oauth-client-secret-file"});
		break;
	case OAUTH_REFRESH_TOKEN:
		missing = FIRST_OF({!o->refresh_file, "an oauth-refresh-token-file"},
				   {!o->client_id, "an oauth-client-id"});
		break;
	case OAUTH_JWT_BEARER:
		missing = FIRST_OF({!o->jwt_key_file, "an oauth-jwt-key"},
				   {!o->jwt_issuer && !o->client_id,
				    "an oauth-jwt-issuer or oauth-client-id"});
		break;
	}
	if (missing)
		config_server_error(r, s, "this oauth-grant needs %s", missing);
	if (o->grant != OAUTH_REFRESH_TOKEN && refresh_option(o))
		config_server_error(r, s, "%s is for oauth-grant = refresh-token",
				    refresh_option(o));
	if (o->grant != OAUTH_JWT_BEARER && jwt_option(o))
		config_server_error(r, s, "%s is for oauth-grant = jwt-bearer", jwt_option(o));
}

void config_check_oauth(struct config_report *r, const struct config_server *s)
{
	const struct auth_oauth_options *o = &s->oauth;

	if (!o->url) {
		check_alone(r, s);
		return;
	}
	if (s->auth.kind == AUTH_BASIC)
		config_server_error(r, s, "a token of oauth-token-url is no user:password; leave out "
				    "credential = basic");
	check_client(r, s);
	check_grant(r, s);
}
