/*
 * Checks options that depend on each other, in one server and between servers, and whether the files that
 * they name can be read. An error in one option names its line, any other error the line where the server
 * begins.
 */
#include "config/check.h"

#include "base/errors.h"
#include "config/extension_option.h"
#include "config/oauth.h"
#include "config/option.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static void freep(char **s)
{
	free(*s);
}

static const char *place_of(const char *section, const struct config_source *sources, const char *option,
			    const char *otherwise)
{
	size_t i;

	return sources && config_row_find(section, option, &i) && sources[i].place ? sources[i].place : otherwise;
}

const char *config_place(const struct config_server *s, const char *option)
{
	return place_of("server", s->sources, option, s->place);
}

#define warn_of(r, s, option, ...) config_report_add(r, false, config_place(s, option), __VA_ARGS__)

/* Whether the user of this process, which is the user of the daemon, can read the file. If not, adds a warning. */
static bool check_readable(struct config_report *r, const char *place, const char *option,
			   const char *path)
{
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
		return true;
	/* systemd provides its credentials only to the service */
	if (strncmp(path, CONFIG_CREDENTIALS, strlen(CONFIG_CREDENTIALS)) == 0 && !getenv("CREDENTIALS_DIRECTORY"))
		return false;
	if (errno != EACCES) {
		config_report_add(r, false, place, "%s %s: %m", option, path);
		return false;
	}
	const struct passwd *user = getpwuid(geteuid());
	const char *name = user ? user->pw_name : "the user of the daemon";
	config_report_add(r, false, place, "%s %s: the user %s cannot read it; make %s its owner (chown), or allow its "
		"group to read it (chgrp, chmod 0640), and its directory to be searched", option, path,
		name, name);
	return false;
}

static void check_file(struct config_report *r, const char *place, const char *option, const char *path)
{
	if (path)
		check_readable(r, place, option, path);
}

static void check_secret_file(struct config_report *r, const char *place, const char *option, const char *path)
{
	struct stat st;

	if (path && check_readable(r, place, option, path) && stat(path, &st) == 0 &&
	    st.st_mode & S_IROTH)
		config_report_add(r, false, place, "%s %s: the file is readable for all users; run chmod o-r", option, path);
}

static void check_program(struct config_report *r, const struct config_server *s)
{
	CLEANUP(freep) char *path = NULL;

	if (!s->credential_command)
		return;
	path = strndup(s->credential_command, strcspn(s->credential_command, " \t"));
	if (path && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		warn_of(r, s, "credential-command", "credential-command %s: %m", path);
}

static void check_files(struct config_report *r, const struct config_server *s)
{
	const struct http_options *http = &s->upstream.http;
	const struct {
		const char *option, *path;
	} secrets[] = {
		{http->key_file ? "tls-key" : "tls-cert", http->key_file ? http->key_file : http->cert_file},
		{"ext", s->upstream.ext_files[SESSION_EXT_HANDSHAKE]}, {"ext", s->upstream.ext_files[SESSION_EXT_CONNECT]},
		{"ext", s->upstream.ext_files[SESSION_EXT_SUBSCRIBE]}, {"ext", s->upstream.ext_files[SESSION_EXT_PUBLISH]},
		{"header", http->header_file}, {"cookie", s->upstream.cookies.preset_file},
		{"credential-file", s->auth.file}, {"proxy-credential-file", http->proxy_login_file},
	};

	check_file(r, config_place(s, "tls-ca"), "tls-ca", http->ca_file);
	check_file(r, config_place(s, "proxy-tls-ca"), "proxy-tls-ca", http->proxy_ca_file);
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		check_secret_file(r, config_place(s, secrets[i].option), secrets[i].option, secrets[i].path);
	check_program(r, s);
}

static void check_oauth_files(struct config_report *r, const struct config_oauth *o)
{
	const struct {
		const char *option, *path;
	} secrets[] = {{"client-secret-file", o->options.secret_file}, {"refresh-token-file", o->options.refresh_file},
		       {"jwt-key", o->options.jwt_key_file}};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		check_secret_file(r, place_of("oauth", o->sources, secrets[i].option, o->place), secrets[i].option,
				  secrets[i].path);
}

/* Servers name sections that may be after them. */
static void find_oauth(struct config_report *r, struct config *c, struct config_server *s)
{
	LIST_EACH(o, &c->oauths, struct config_oauth, link)
		if (s->oauth_name && strcmp(o->name, s->oauth_name) == 0)
			s->oauth = o;
	if (s->oauth_name && !s->oauth)
		config_report_add(r, true, config_place(s, "oauth"), "oauth: there is no section [oauth %.100s]",
				  s->oauth_name);
	if (s->oauth && s->auth.kind == AUTH_BASIC)
		config_server_error(r, s, "a token of oauth cannot be sent as user:password; remove credential = basic");
}

/* The file is created with the first cookie. Only the daemon can check whether the directory is writable, because
   it runs as another user. */
static void check_cookie_jar(struct config_report *r, const struct config *c,
			     const struct config_server *s)
{
	CLEANUP(freep) char *copy = NULL;
	struct stat st;

	if (!s->upstream.cookies.path)
		return;
	LIST_EACH(other, &c->servers, struct config_server, link) {
		if (other == s)
			break;
		if (other->upstream.cookies.path && strcmp(other->upstream.cookies.path, s->upstream.cookies.path) == 0)
			config_server_error(r, s, "cookie-jar %s is used by [server %s]; each server needs its own",
					    s->upstream.cookies.path, other->name);
	}
	copy = strdup(s->upstream.cookies.path);
	if (copy && (stat(dirname(copy), &st) || !S_ISDIR(st.st_mode)))
		warn_of(r, s, "cookie-jar", "cookie-jar %s: the directory does not exist", s->upstream.cookies.path);
}

/* There must be exactly one source, or neither a source nor a kind. A source without a kind is for Bearer tokens. */
static void check_credential(struct config_report *r, struct config_server *s)
{
	struct auth_options *c = &s->auth;
	const struct {
		const char *value, *option;
	} sources[] = {{c->file, "credential-file"},
		       {s->credential_command, "credential-command"},
		       {s->credential_extension, "credential-extension"},
		       {s->oauth_name, "oauth"}};
	const char *chosen = NULL;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (sources[i].value && chosen)
			config_server_error(r, s, "%s and %s are both set; a credential has only one source", chosen,
				     sources[i].option);
		if (sources[i].value)
			chosen = sources[i].option;
	}
	if (!chosen && c->kind != AUTH_NONE)
		config_server_error(r, s, "a credential needs a source: credential-file, "
			    "credential-command, credential-extension or "
			    "oauth");
	if (chosen && c->kind == AUTH_NONE)
		c->kind = AUTH_BEARER;
	if (c->kind == AUTH_NONE && (s->upstream.session.on_disconnect == SESSION_REFRESH ||
				     s->upstream.session.on_none == SESSION_REFRESH))
		config_server_error(r, s, "refresh needs a credential that can be fetched again");
}

/* Of two headers with one name, some servers use the first and others the last. */
static void check_credential_header(struct config_report *r, const struct config_server *s)
{
	const char *name = s->auth.kind == AUTH_HEADER ? s->auth.header
							     : "Authorization";
	size_t n = strlen(name);

	if (s->auth.kind == AUTH_NONE || s->auth.kind == AUTH_EXT)
		return;
	for (size_t i = 0; i < s->upstream.http.headers.n; i++)
		if (strncasecmp(s->upstream.http.headers.v[i], name, n) == 0 && s->upstream.http.headers.v[i][n] == ':')
			config_server_error(r, s, "the option header and the credential both set %s; "
					    "remove one of them", name);
}

static void check_extension(struct config_report *r, const struct config_server *s)
{
	const char *name = s->credential_extension;
	struct extension_option option;

	for (size_t i = 0; i < s->extensions.n; i++)
		if (name && !extension_option_parse(s->extensions.v[i], &option) &&
		    strcmp(option.name, name) == 0)
			return;
	if (name)
		config_server_error(r, s, "credential-extension names %s, but there is no "
				    "\"extension = %s\"", name, name);
}

static void check_proxy(struct config_report *r, const struct config_server *s)
{
	if (s->upstream.http.no_proxy && !s->upstream.http.proxy)
		config_server_error(r, s, "no-proxy needs a proxy");
	if (s->upstream.http.proxy_login_file && !s->upstream.http.proxy)
		config_server_error(r, s, "proxy-credential-file needs a proxy");
	if (s->upstream.http.proxy_ca_file && (!s->upstream.http.proxy || strncmp(s->upstream.http.proxy, "https://", 8) != 0))
		config_server_error(r, s, "proxy-tls-ca needs a proxy with https://");
}

static bool has_scheme(const char *url, const char *http, const char *ws)
{
	return strncasecmp(url, http, strlen(http)) == 0 || strncasecmp(url, ws, strlen(ws)) == 0;
}

/* If the first url uses TLS, warns about another one that sends the credential without it. */
static void check_tls(struct config_report *r, const struct config_server *s, const char *option,
		      const char *what, const char *url)
{
	if (has_scheme(s->upstream.urls.v[0], "https://", "wss://") && has_scheme(url, "http://", "ws://"))
		warn_of(r, s, option,
			"[server %s]: %s does not use TLS, but the first url does: an attacker on the network can "
			"read what is sent to it", s->name, what);
}

/* Checks url, and url-for of each kind. */
static void check_urls(struct config_report *r, const struct config_server *s)
{
	if (s->upstream.urls.n == 0) {
		config_server_error(r, s, "it has no url; add one, as in url = https://example.com/cometd");
		return;
	}
	for (size_t i = 1; i < s->upstream.urls.n; i++)
		check_tls(r, s, "", "a later url", s->upstream.urls.v[i]);
	for (int i = 0; i < ENDPOINTS; i++) {
		if (!s->upstream.endpoints.urls[i])
			continue;
		char what[64];
		snprintf(what, sizeof(what), "url-for = %s", config_endpoint_names[i]);
		check_tls(r, s, "url-for", what, s->upstream.endpoints.urls[i]);
		if (s->upstream.urls.n > 1 && strstr(s->upstream.endpoints.urls[i], "://"))
			config_server_error(r, s, "%s would be the same address for each url; with several urls "
					   "write a path", what);
	}
}

/* Warns about options of a transport that is not used. */
static void check_transports(struct config_report *r, const struct config_server *s)
{
	const struct {
		bool set;
		enum session_transport of;
		const char *option;
	} rows[] = {
		{s->upstream.endpoints.urls[ENDPOINT_WEBSOCKET], SESSION_WEBSOCKET, "url-for"},
		{s->upstream.websocket_protocol, SESSION_WEBSOCKET, "websocket-protocol"},
		{s->upstream.websocket_compression, SESSION_WEBSOCKET, "websocket-compression"},
		{s->upstream.endpoints.append != ENDPOINT_APPEND_NOTHING, SESSION_LONG_POLLING, "url-append-type"},
	};

	if (s->upstream.session.n_transports == SESSION_TRANSPORTS)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].set && rows[i].of != s->upstream.session.transports[0])
			warn_of(r, s, rows[i].option,
				"[server %s]: %s has no effect: %s is not among the transports", s->name,
				rows[i].option, session_transport_name(rows[i].of));
}

static void check_server(struct config_report *r, struct config_server *s)
{
	if (s->upstream.http.key_file && !s->upstream.http.cert_file)
		config_server_error(r, s, "tls-key needs a tls-cert");
	check_proxy(r, s);
	check_urls(r, s);
	check_transports(r, s);
	check_files(r, s);
	check_credential(r, s);
	check_credential_header(r, s);
	check_extension(r, s);
}

void config_check(struct config *c, const char *path, struct config_report *report)
{
	const char *chosen = NULL;

	if (list_empty(&c->servers)) {
		config_report_add(report, true, path, "there is no section [server NAME]; add at least one");
		return;
	}
	LIST_EACH(o, &c->oauths, struct config_oauth, link) {
		config_check_oauth(report, o);
		check_oauth_files(report, o);
	}
	LIST_EACH(s, &c->servers, struct config_server, link) {
		check_server(report, s);
		find_oauth(report, c, s);
		check_cookie_jar(report, c, s);
		if (!s->upstream.is_default)
			continue;
		if (chosen)
			config_server_error(report, s, "it cannot be the default server, because [server %s] is", chosen);
		chosen = s->name;
	}
	if (!chosen)
		LIST_FIRST(&c->servers, struct config_server, link)->upstream.is_default = true;
}
