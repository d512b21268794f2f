/*
 * Converts the text of an option to the member of a struct: one setter for each type
 * of value. A rejected value changes nothing. An error names the fault and a valid
 * value, and contains no text that may be a secret.
 */
#include "config/kinds.h"

#include "auth/ext_place.h"
#include "bayeux/channel.h"
#include "bayeux/fields.h"
#include "config/extension_option.h"
#include "config/value.h"
#include "net/cookies.h"
#include "net/http_client.h"
#include "net/url.h"
#include "net/ws_upgrade.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A number in the row's range, or the row's word. */
static int ranged(const struct config_row *row, const char *text,
		  bool (*parse)(const char *text, uint64_t *ret), struct fault *why,
		  uint64_t *ret)
{
	const struct config_option *o = &row->option;
	const char *word = o->word ? o->word : "";
	uint64_t n, min, max;

	if (o->word && strcmp(text, o->word) == 0) {
		*ret = row->word_value;
		return 0;
	}
	if (!parse(text, &n))
		return config_wrong(why, "\"%s\" is not a valid %s%s%s; for example: %s", text,
			     /* without a parse function, the duration is a part of the value */
			     row->kind->parse ? o->type : "duration",
			     o->word ? " or " : "", word, o->example);
	if (o->min && parse(o->min, &min) && parse(o->max, &max) && (n < min || n > max))
		return config_wrong(why, "%s is out of range: %s to %s%s%s", text, o->min, o->max,
			     o->word ? ", or " : "", word);
	*ret = n;
	return 0;
}

static int set_number(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	uint64_t n = 0;
	int r = ranged(row, text, row->kind->parse, why, &n);

	if (r == 0 && row->kind->size == sizeof(uint64_t))
		*(uint64_t *)to = n;
	else if (r == 0)
		*(uint32_t *)to = (uint32_t)n;
	return r;
}

static int set_yes_no(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	(void)row;
	return config_yes_no(text, to) ? 0 : config_wrong(why, "\"%s\" must be yes or no", text);
}

/* the member at `to` is a const char * or a char * */
static int put_text(void *to, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*(char **)to);
	*(char **)to = copy;
	return 0;
}

static int set_text(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	(void)row;
	(void)why;
	return put_text(to, text);
}

/* "systemd:NAME": a credential that systemd passes to the service. */
static int set_credential_path(void *to, const char *name, struct fault *why)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return config_wrong(why, "\"%s\" is not a name of a credential, as in LoadCredential=", name);
	snprintf(path, sizeof(path), "%s/%s",
		 directory ? directory : CONFIG_CREDENTIALS, name);
	return put_text(to, path);
}

static int set_path(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	(void)row;
	if (strncmp(text, "systemd:", 8) == 0)
		return set_credential_path(to, text + 8, why);
	if (text[0] != '/')
		return config_wrong(why, "\"%s\" is not an absolute path", text);
	return put_text(to, text);
}

static int set_socket_path(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	if (text[0] == '@')
		return config_wrong(why, "an abstract socket has no permissions; use a path");
	return set_path(row, to, text, why);
}

static int set_group(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct group *group;
	uint64_t gid;

	(void)row;
	errno = 0;
	group = getgrnam(text);
	if (group)
		*(gid_t *)to = group->gr_gid;
	else if (config_number(text, &gid) && gid < (gid_t)-1)
		*(gid_t *)to = (gid_t)gid;
	else
		return config_wrong(why, "the group \"%s\" does not exist", text);
	return 0;
}

static int set_choice(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	const char *known = row->option.type;
	size_t n = strlen(text);

	for (unsigned i = 0; *known; i++) {
		size_t len = strcspn(known, ",");

		if (len == n && memcmp(known, text, n) == 0) {
			*(unsigned *)to = (unsigned)row->word_value + i;
			return 0;
		}
		known += len;
		known += strspn(known, ", ");
	}
	return config_wrong(why, "\"%s\" is not one of: %s", text, row->option.type);
}

static int transport_of(const char *name, size_t n, struct fault *why)
{
	for (int t = 0; t < SESSION_TRANSPORTS; t++) {
		const char *known = session_transport_name((enum session_transport)t);

		if (strlen(known) == n && memcmp(name, known, n) == 0)
			return t;
	}
	config_wrong(why, "\"%.*s\" is not a transport; use websocket or long-polling", (int)n, name);
	return -1;
}

/* "websocket, long-polling": an order of preference, so none twice */
static int set_transports(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct session_options *o = to;
	enum session_transport list[SESSION_TRANSPORTS];
	unsigned seen = 0;
	size_t n = 0;

	(void)row;
	for (;;) {
		size_t len;
		int t;

		text += strspn(text, " \t");
		len = strcspn(text, ", \t");
		t = transport_of(text, len, why);
		if (t < 0)
			return CONFIG_E_INVALID;
		if (seen & 1u << t)
			return config_wrong(why, "%.*s is listed twice", (int)len, text);
		seen |= 1u << t;
		list[n++] = (enum session_transport)t;
		text += len;
		text += strspn(text, " \t");
		if (!*text)
			break;
		if (*text++ != ',')
			return config_wrong(why, "transports are separated by commas");
	}
	memcpy(o->transports, list, n * sizeof(list[0]));
	o->n_transports = n;
	return 0;
}

static int set_url(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct strings *urls = to;
	struct url url;
	int r = url_parse(text, &url);

	(void)row;
	/* without the text, which may contain a password */
	if (r > 0)
		return config_wrong(why, "it %s", url_fault_text(r));
	if (r < 0)
		return r;
	url_fini(&url);
	if (urls->n == CONFIG_URLS_MAX)
		return config_wrong(why, "a server has at most %d urls", CONFIG_URLS_MAX);
	for (size_t i = 0; i < urls->n; i++)
		if (strcmp(urls->v[i], text) == 0)
			return config_wrong(why, "the same value is set twice");
	return strings_append(urls, text);
}

/* What follows the first word and blanks; *ret_word is its place in `words`, or -1. */
static const char *after_word(const char *text, const char *const *words, int n_words, int *ret_word)
{
	size_t n = strcspn(text, " \t");

	*ret_word = -1;
	for (int i = 0; i < n_words; i++)
		if (strlen(words[i]) == n && memcmp(words[i], text, n) == 0)
			*ret_word = i;
	return text + n + strspn(text + n, " \t");
}

/* Sets the file "@/path" of an option, which may be set only once in this form. */
static int set_file(const struct config_row *row, const char **to, const char *text, struct fault *why)
{
	if (*to)
		return config_wrong(why, "a file is set twice");
	return set_path(row, to, text + 1, why);
}

static int check_endpoint(const struct config_row *row, const char *text, struct fault *why)
{
	struct url base, url;
	/* the base does not matter: an invalid path is invalid with each of them */
	int r = url_parse("http://h/", &base);

	if (r)
		return r;
	r = url_resolve(&base, text, &url);
	url_fini(&base);
	/* without the text: there may be a password in it */
	if (r > 0)
		return config_wrong(why, "it %s; for example: %s", url_fault_text(r), row->option.example);
	if (r == 0)
		url_fini(&url);
	return r;
}

const char *const config_endpoint_names[ENDPOINTS] = {
	[ENDPOINT_HANDSHAKE] = "handshake", [ENDPOINT_CONNECT] = "connect", [ENDPOINT_SUBSCRIBE] = "subscribe",
	[ENDPOINT_PUBLISH] = "publish", [ENDPOINT_DISCONNECT] = "disconnect", [ENDPOINT_WEBSOCKET] = "websocket",
};

static int set_endpoint(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct endpoint_options *o = to;
	int kind;
	const char *url = after_word(text, config_endpoint_names, ENDPOINTS, &kind);

	if (kind < 0 || !*url)
		return config_wrong(why, "it is not handshake, connect, subscribe, publish, disconnect or websocket "
				    "and a URL; for example: %s", row->option.example);
	if (o->urls[kind])
		return config_wrong(why, "%s is set twice", config_endpoint_names[kind]);
	int r = check_endpoint(row, url, why);
	return r ? r : put_text(&o->urls[kind], url);
}

static int set_header(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct http_options *o = to;

	if (text[0] == '@')
		return set_file(row, &o->header_file, text, why);
	/* never the value: it may be a secret */
	if (!http_header_valid(text))
		return config_wrong(why, "it is not of the form \"Name: value\", or is a header that the daemon sets itself");
	return strings_append(&o->headers, text);
}

static int set_url_return(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	static const char *const words[] = {"wait", "break", "never"};
	struct session_options *o = to;
	int word;
	const char *rest = after_word(text, words, 3, &word);
	uint64_t after = UINT64_MAX;

	if (word < 0 || (word == 2) != !*rest)
		return config_wrong(why, "it must be never, or wait or break and a duration; for example: %s",
				    row->option.example);
	int r = word == 2 ? 0 : ranged(row, rest, config_duration, why, &after);
	if (r)
		return r;
	o->url_return = word == 1 ? SESSION_URL_BREAK : SESSION_URL_WAIT;
	o->url_retry = after;
	return 0;
}

/* "1s 60s" */
static int set_backoff(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct session_options *o = to;
	size_t n = strcspn(text, " \t");
	const char *rest = text + n + strspn(text + n, " \t");
	char first[32];
	uint64_t least = 0, most = 0;

	if (n >= sizeof(first) || !*rest)
		return config_wrong(why, "it is not two durations, the first and the longest pause; for example: %s",
				    row->option.example);
	snprintf(first, sizeof(first), "%.*s", (int)n, text);
	int r = ranged(row, first, config_duration, why, &least);
	if (r == 0)
		r = ranged(row, rest, config_duration, why, &most);
	if (r)
		return r;
	if (least > most)
		return config_wrong(why, "the first pause, %s, is longer than the longest one, %s", first, rest);
	o->backoff_min = least;
	o->backoff_max = most;
	return 0;
}

/* Fields that the daemon sets itself; secrets among them do not belong into the configuration. */
static const char *const form_fields[] = {
	"grant_type", "client_id", "client_secret", "refresh_token", "assertion",
};

static int set_parameter(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	size_t n = strcspn(text, "=");

	/* without the value, which may be a secret by mistake */
	if (n == 0 || !text[n])
		return config_wrong(why, "it is not of the form name=value; for example: %s",
				    row->option.example);
	for (size_t i = 0; i < sizeof(form_fields) / sizeof(form_fields[0]); i++)
		if (strlen(form_fields[i]) == n && memcmp(text, form_fields[i], n) == 0)
			return config_wrong(why, "%s is set by the daemon", form_fields[i]);
	return strings_append(to, text);
}

static int set_extension(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct extension_option option;
	const char *fault = extension_option_parse(text, &option);

	/* without the text: the extension's configuration may contain a secret */
	if (fault)
		return config_wrong(why, "%s; for example: %s", fault, row->option.example);
	return strings_append(to, text);
}

static int set_subscribe(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	int fault = channel_check_pattern(slice_of(text));

	if (fault)
		return config_wrong(why, "\"%s\" is not a channel or pattern: it %s; for example: %s", text,
				    channel_fault_text(fault), row->option.example);
	if (!channel_has_filter(slice_of(text)) && strstr(text, ", /"))
		return config_wrong(why, "\"%s\": set the option several times, once for each channel", text);
	if (channel_is_service(slice_of(text)))
		return config_wrong(why, "\"%s\": a channel below /service/ has no subscribers at the server, which "
				    "sends its messages to the session anyway", text);
	return strings_append(to, text);
}

static int set_extension_name(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	if (!extension_name_valid(slice_of(text)))
		return config_wrong(why, "\"%s\" is not a name of an extension; for example: %s", text,
				    row->option.example);
	return put_text(to, text);
}

static int set_cookie(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct cookie_jar_options *o = to;

	if (text[0] == '@')
		return set_file(row, &o->preset_file, text, why);
	/* never the value: it may be a secret */
	if (!cookies_valid(text))
		return config_wrong(why, "it is not NAME=VALUE, optionally followed by \"; Path=/x\"; the value "
				  "must not contain blanks, commas, semicolons or quotation marks");
	return strings_append(&o->presets, text);
}

static const char *const ext_kinds[SESSION_EXTS] = {
	[SESSION_EXT_HANDSHAKE] = "handshake", [SESSION_EXT_CONNECT] = "connect",
	[SESSION_EXT_SUBSCRIBE] = "subscribe", [SESSION_EXT_PUBLISH] = "publish",
};

/* "handshake …": what follows, or NULL with *why. */
static const char *after_kind(const struct config_row *row, const char *text, struct fault *why, int *ret_kind)
{
	const char *rest = after_word(text, ext_kinds, SESSION_EXTS, ret_kind);

	if (*ret_kind >= 0 && *rest)
		return rest;
	config_wrong(why, "it must be handshake, connect, subscribe or publish, followed by a JSON object; for "
		     "example: %s", row->option.example);
	return NULL;
}

/* The error does not contain the text, which may be a secret. */
static int no_object(struct fault *why)
{
	return config_wrong(why, "it is not a JSON object, has a key twice, or has more than %d members",
			    EXT_FIXED_MEMBERS_MAX);
}

static int set_ext(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct upstream_options *o = to;
	struct ext_fixed parsed;
	int kind;
	const char *object = after_kind(row, text, why, &kind);

	if (!object)
		return CONFIG_E_INVALID;
	if (o->ext[kind] || o->ext_files[kind])
		return config_wrong(why, "%s is set twice", ext_kinds[kind]);
	if (object[0] == '@')
		return set_file(row, &o->ext_files[kind], object, why);
	ext_fixed_init(&parsed);
	int r = ext_fixed_set(&parsed, slice_of(object));
	ext_fixed_fini(&parsed);
	if (r == -EINVAL)
		return no_object(why);
	return r ? r : put_text(&o->ext[kind], object);
}

static int set_fields(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct upstream_options *o = to;
	struct ext_fixed parsed;
	const char *name = NULL;
	int kind;
	const char *object = after_kind(row, text, why, &kind);

	if (!object)
		return CONFIG_E_INVALID;
	if (o->fields[kind])
		return config_wrong(why, "%s is set twice", ext_kinds[kind]);
	ext_fixed_init(&parsed);
	int r = fields_set(&parsed, slice_of(object), &name);
	ext_fixed_fini(&parsed);
	if (r == -EINVAL)
		return no_object(why);
	if (r == FIELDS_E_RESERVED)
		return config_wrong(why, "\"%s\" is set by the daemon; %s", name,
				    strcmp(name, "ext") == 0 ? "use the option ext" : "choose another name");
	return r ? r : put_text(&o->fields[kind], object);
}

/* what follows `word` and blanks; NULL when it is another word */
static const char *after(const char *text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(text, word, n) != 0 || (text[n] != ' ' && text[n] != '\t'))
		return NULL;
	return text + n + strspn(text + n, " \t");
}

static bool is_header_name(const char *name)
{
	char line[128];

	snprintf(line, sizeof(line), "%s: x", name);
	return strlen(name) <= 100 && !strchr(name, ':') && http_header_valid(line);
}

/* "header NAME", "ext NAME/NAME": where the credential goes */
static int set_credential(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct auth_options *c = to;
	const char *header = after(text, "header"), *path = after(text, "ext");

	if (strcmp(text, "bearer") == 0 || strcmp(text, "basic") == 0) {
		c->kind = text[1] == 'e' ? AUTH_BEARER : AUTH_BASIC;
		return 0;
	}
	if (!header && !path)
		return config_wrong(why, "it is not one of: %s", row->option.type);
	if (header && !is_header_name(header))
		return config_wrong(why, "\"header\" must be followed by the name of a header that "
				    "the daemon does not set itself");
	if (path && !ext_path_valid(path))
		return config_wrong(why, "\"ext\" must be followed by at most %d names, separated by "
				    "\"/\", without quotation marks", EXT_PATH_DEPTH_MAX);
	c->kind = header ? AUTH_HEADER : AUTH_EXT;
	return put_text(&c->header, header ? header : path);
}

static int set_command(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	(void)row;
	/* without the text, because the arguments may be secret */
	if (text[0] != '/')
		return config_wrong(why, "a command must begin with an absolute path");
	if (strpbrk(text, "\"'`|;&<>$*?\\"))
		return config_wrong(why, "the command is not run by a shell, and quoting is not supported; put it "
				  "into a script");
	return put_text(to, text);
}

static int set_token_url(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	struct url url;
	bool safe;
	int r = url_parse(text, &url);

	(void)row;
	/* without the text: there may be a password in it */
	if (r > 0)
		return config_wrong(why, "it %s", url_fault_text(r));
	if (r < 0)
		return r;
	safe = url.secure || url_is_local(&url);
	url_fini(&url);
	if (strncasecmp(text, "http", 4) != 0)
		return config_wrong(why, "it must begin with https://; a token server does not use WebSocket");
	if (!safe)
		return config_wrong(why, "it must begin with https://, or be on this machine (127.0.0.1); otherwise an "
				    "attacker on the network could read the secrets");
	return put_text(to, text);
}

/* `what` it is not, unless it is valid. */
static int set_valid(const struct config_row *row, void *to, const char *text, struct fault *why, bool valid,
		     const char *what)
{
	if (!valid)
		return config_wrong(why, "it is not %s; for example: %s", what, row->option.example);
	return put_text(to, text);
}

static int set_subprotocol(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	return set_valid(row, to, text, why, ws_subprotocol_valid(text), "a name of a subprotocol");
}

static int set_pin(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	return set_valid(row, to, text, why, http_pin_valid(text), "the hash of a public key");
}

static int set_proxy(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	const char *fault = http_proxy_fault(text);

	/* without the text: there may be a password in it */
	if (fault)
		return config_wrong(why, "it %s; for example: %s", fault, row->option.example);
	return put_text(to, text);
}

static int set_no_proxy(const struct config_row *row, void *to, const char *text, struct fault *why)
{
	(void)row;
	if (!http_no_proxy_valid(text, why))
		return CONFIG_E_INVALID;
	return put_text(to, text);
}

/* --- freeing members --- */

static void fini_text(void *to)
{
	char **text = to;

	free(*text);
	*text = NULL;
}

static void fini_strings(void *to)
{
	strings_fini(to);
}

static void fini_credential(void *to)
{
	struct auth_options *c = to;

	fini_text(&c->header);
	c->kind = AUTH_NONE;
}

static void fini_endpoints(void *to)
{
	struct endpoint_options *o = to;

	for (int i = 0; i < ENDPOINTS; i++)
		fini_text(&o->urls[i]);
}

static void fini_headers(void *to)
{
	struct http_options *o = to;

	strings_fini(&o->headers);
	fini_text(&o->header_file);
}

static void fini_cookies(void *to)
{
	struct cookie_jar_options *o = to;

	strings_fini(&o->presets);
	fini_text(&o->preset_file);
}

static void fini_ext(void *to)
{
	struct upstream_options *o = to;

	for (int i = 0; i < SESSION_EXTS; i++) {
		fini_text(&o->ext[i]);
		fini_text(&o->ext_files[i]);
	}
}

static void fini_fields(void *to)
{
	struct upstream_options *o = to;

	for (int i = 0; i < SESSION_EXTS; i++)
		fini_text(&o->fields[i]);
}

const struct config_kind config_kind_size = {set_number, NULL, sizeof(size_t), config_size};
const struct config_kind config_kind_number = {set_number, NULL, sizeof(size_t), config_number};
const struct config_kind config_kind_duration = {set_number, NULL, sizeof(uint64_t), config_duration};
const struct config_kind config_kind_mode = {set_number, NULL, sizeof(mode_t), config_mode};
const struct config_kind config_kind_yes_no = {.set = set_yes_no, .size = sizeof(bool)};
const struct config_kind config_kind_group = {.set = set_group, .size = sizeof(gid_t)};
const struct config_kind config_kind_choice = {.set = set_choice, .size = sizeof(unsigned)};
const struct config_kind config_kind_transports = {.set = set_transports};
const struct config_kind config_kind_url_return = {.set = set_url_return};
const struct config_kind config_kind_backoff = {.set = set_backoff};
const struct config_kind config_kind_text = {.set = set_text, .fini = fini_text};
const struct config_kind config_kind_path = {.set = set_path, .fini = fini_text};
const struct config_kind config_kind_socket_path = {.set = set_socket_path, .fini = fini_text};
const struct config_kind config_kind_url = {.set = set_url, .fini = fini_strings};
const struct config_kind config_kind_endpoint = {.set = set_endpoint, .fini = fini_endpoints};
const struct config_kind config_kind_header = {.set = set_header, .fini = fini_headers};
const struct config_kind config_kind_parameter = {.set = set_parameter, .fini = fini_strings};
const struct config_kind config_kind_extension = {.set = set_extension, .fini = fini_strings};
const struct config_kind config_kind_subscribe = {.set = set_subscribe, .fini = fini_strings};
const struct config_kind config_kind_extension_name = {.set = set_extension_name, .fini = fini_text};
const struct config_kind config_kind_cookie = {.set = set_cookie, .fini = fini_cookies};
const struct config_kind config_kind_ext = {.set = set_ext, .fini = fini_ext};
const struct config_kind config_kind_fields = {.set = set_fields, .fini = fini_fields};
const struct config_kind config_kind_credential = {.set = set_credential, .fini = fini_credential};
const struct config_kind config_kind_command = {.set = set_command, .fini = fini_text};
const struct config_kind config_kind_token_url = {.set = set_token_url, .fini = fini_text};
const struct config_kind config_kind_subprotocol = {.set = set_subprotocol, .fini = fini_text};
const struct config_kind config_kind_pin = {.set = set_pin, .fini = fini_text};
const struct config_kind config_kind_proxy = {.set = set_proxy, .fini = fini_text};
const struct config_kind config_kind_no_proxy = {.set = set_no_proxy, .fini = fini_text};
