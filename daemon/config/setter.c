/*
 * Owns how the text of an option becomes the member of a struct: one setter for
 * each type of value. Guarantees that a refused value changes nothing, that what
 * is wrong is said together with what would be right, and that no text that may
 * hold a secret is repeated. Must never know which options there are
 * (option.c), files or lines.
 */
#include "config/setter.h"

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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int config_wrong(struct config_why *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why->text, sizeof(why->text), format, ap);
	va_end(ap);
	return CONFIG_E_INVALID;
}

/* A number in the row's range, or the row's word. */
static int ranged(const struct config_row *row, const char *text,
		  bool (*parse)(const char *text, uint64_t *ret), struct config_why *why,
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
		return config_wrong(why, "\"%s\" is no %s%s%s; for example: %s", text, o->type,
			     o->word ? " nor " : "", word, o->example);
	if (o->min && parse(o->min, &min) && parse(o->max, &max) && (n < min || n > max))
		return config_wrong(why, "%s is out of range: %s to %s%s%s", text, o->min, o->max,
			     o->word ? ", or " : "", word);
	*ret = n;
	return 0;
}

static int set_size(const struct config_row *row, void *to, const char *text,
		    struct config_why *why)
{
	uint64_t n = 0;
	int r = ranged(row, text, config_size, why, &n);

	if (r == 0)
		*(size_t *)to = (size_t)n;
	return r;
}

static int set_number(const struct config_row *row, void *to, const char *text,
		      struct config_why *why)
{
	uint64_t n = 0;
	int r = ranged(row, text, config_number, why, &n);

	if (r == 0)
		*(size_t *)to = (size_t)n;
	return r;
}

static int set_duration(const struct config_row *row, void *to, const char *text,
			struct config_why *why)
{
	return ranged(row, text, config_duration, why, to);
}

static int set_mode(const struct config_row *row, void *to, const char *text,
		    struct config_why *why)
{
	uint64_t n = 0;
	int r = ranged(row, text, config_mode, why, &n);

	if (r == 0)
		*(mode_t *)to = (mode_t)n;
	return r;
}

static int set_yes_no(const struct config_row *row, void *to, const char *text,
		      struct config_why *why)
{
	(void)row;
	return config_yes_no(text, to) ? 0 : config_wrong(why, "\"%s\" is neither yes nor no", text);
}

static int put_text(void *to, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*(char **)to);
	*(char **)to = copy;
	return 0;
}

static int set_text(const struct config_row *row, void *to, const char *text,
		    struct config_why *why)
{
	(void)row;
	(void)why;
	return put_text(to, text);
}

static int set_path(const struct config_row *row, void *to, const char *text,
		    struct config_why *why)
{
	(void)row;
	if (text[0] != '/')
		return config_wrong(why, "\"%s\" is no absolute path", text);
	return put_text(to, text);
}

static int set_socket_path(const struct config_row *row, void *to, const char *text,
			   struct config_why *why)
{
	if (text[0] == '@')
		return config_wrong(why, "abstract sockets have no permissions; name a path");
	return set_path(row, to, text, why);
}

static int set_group(const struct config_row *row, void *to, const char *text,
		     struct config_why *why)
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
		return config_wrong(why, "there is no group \"%s\"", text);
	return 0;
}

static int set_choice(const struct config_row *row, void *to, const char *text,
		      struct config_why *why)
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
	return config_wrong(why, "\"%s\" is none of: %s", text, row->option.type);
}

static int transport_of(const char *name, size_t n, struct config_why *why)
{
	for (int t = 0; t < SESSION_TRANSPORTS; t++) {
		const char *known = session_transport_name((enum session_transport)t);

		if (strlen(known) == n && memcmp(name, known, n) == 0)
			return t;
	}
	config_wrong(why, "\"%.*s\" is no transport; there are websocket and long-polling", (int)n, name);
	return -1;
}

/* "websocket, long-polling": an order of preference, so none twice */
static int set_transports(const struct config_row *row, void *to, const char *text,
			  struct config_why *why)
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
			return config_wrong(why, "%.*s is named twice", (int)len, text);
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

static int set_url(const struct config_row *row, void *to, const char *text,
		   struct config_why *why)
{
	struct strings *urls = to;
	struct url url;
	int r = url_parse(text, &url);

	(void)row;
	/* without the text: there may be a password in it */
	if (r > 0)
		return config_wrong(why, "it %s", url_fault_text(r));
	if (r < 0)
		return r;
	url_fini(&url);
	if (urls->n == CONFIG_URLS_MAX)
		return config_wrong(why, "a server has at most %d of them", CONFIG_URLS_MAX);
	for (size_t i = 0; i < urls->n; i++)
		if (strcmp(urls->v[i], text) == 0)
			return config_wrong(why, "the same value is set twice");
	return strings_append(urls, text);
}

static int set_endpoint(const struct config_row *row, void *to, const char *text,
			struct config_why *why)
{
	struct url base, url;
	/* any base will do: what is wrong with a path is wrong with each of them */
	int r = url_parse("http://h/", &base);

	if (r)
		return r;
	r = url_resolve(&base, text, &url);
	url_fini(&base);
	/* without the text: there may be a password in it */
	if (r > 0)
		return config_wrong(why, "it %s; for example: %s", url_fault_text(r),
				    row->option.example);
	if (r < 0)
		return r;
	url_fini(&url);
	return put_text(to, text);
}

static int set_header(const struct config_row *row, void *to, const char *text,
		      struct config_why *why)
{
	(void)row;
	/* never the value: it may be a secret */
	if (!http_header_valid(text))
		return config_wrong(why, "it is not of the form \"Name: value\", or is a header that the daemon sets itself");
	return strings_append(to, text);
}

/* What the form says already, or may not say from here: a file cannot be read by everybody. */
static const char *const form_fields[] = {
	"grant_type", "client_id", "client_secret", "refresh_token", "assertion", "scope", "audience",
};

static int set_parameter(const struct config_row *row, void *to, const char *text,
			 struct config_why *why)
{
	size_t n = strcspn(text, "=");

	/* without the value, which should be no secret, and may be one */
	if (n == 0 || !text[n])
		return config_wrong(why, "it is not of the form name=value; for example: %s",
				    row->option.example);
	for (size_t i = 0; i < sizeof(form_fields) / sizeof(form_fields[0]); i++)
		if (strlen(form_fields[i]) == n && memcmp(text, form_fields[i], n) == 0)
			return config_wrong(why, "%s has an option of its own", form_fields[i]);
	return strings_append(to, text);
}

static int set_extension(const struct config_row *row, void *to, const char *text,
			 struct config_why *why)
{
	struct extension_option option;
	const char *fault = extension_option_parse(text, &option);

	/* never the text: there may be a secret in its configuration */
	if (fault)
		return config_wrong(why, "%s; for example: %s", fault, row->option.example);
	return strings_append(to, text);
}

static int set_extension_name(const struct config_row *row, void *to, const char *text,
			      struct config_why *why)
{
	if (!extension_name_valid(slice_of(text)))
		return config_wrong(why, "\"%s\" is no name of an extension; for example: %s", text,
				    row->option.example);
	return put_text(to, text);
}

static int set_cookie(const struct config_row *row, void *to, const char *text,
		      struct config_why *why)
{
	(void)row;
	/* never the value: it may be a secret */
	if (!cookies_valid(text))
		return config_wrong(why, "it is not NAME=VALUE, optionally followed by \"; Path=/x\"; the value "
				  "must not contain blanks, commas, semicolons or quotation marks");
	return strings_append(to, text);
}

/* never the text: it may hold a secret */
static int no_object(struct config_why *why)
{
	return config_wrong(why, "it is not a JSON object, has a key twice, or has more than %d members",
			    EXT_FIXED_MEMBERS_MAX);
}

static int set_ext(const struct config_row *row, void *to, const char *text,
		   struct config_why *why)
{
	struct ext_fixed parsed;
	int r;

	(void)row;
	ext_fixed_init(&parsed);
	r = ext_fixed_set(&parsed, slice_of(text));
	ext_fixed_fini(&parsed);
	if (r == -EINVAL)
		return no_object(why);
	return r ? r : put_text(to, text);
}

static int set_fields(const struct config_row *row, void *to, const char *text,
		      struct config_why *why)
{
	struct ext_fixed parsed;
	const char *name = NULL;
	int r;

	(void)row;
	ext_fixed_init(&parsed);
	r = fields_set(&parsed, slice_of(text), &name);
	ext_fixed_fini(&parsed);
	if (r == -EINVAL)
		return no_object(why);
	if (r == FIELDS_E_RESERVED)
		return config_wrong(why, "\"%s\" is set by the daemon; %s", name,
				    strcmp(name, "ext") == 0 ? "use the options for ext"
							     : "choose another name");
	return r ? r : put_text(to, text);
}

/* what stands behind `word` and blanks; NULL when it is another word */
static const char *behind(const char *text, const char *word)
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
static int set_credential(const struct config_row *row, void *to, const char *text,
			  struct config_why *why)
{
	struct auth_options *c = to;
	const char *header = behind(text, "header"), *path = behind(text, "ext");

	if (strcmp(text, "bearer") == 0 || strcmp(text, "basic") == 0) {
		c->kind = text[1] == 'e' ? AUTH_BEARER : AUTH_BASIC;
		return 0;
	}
	if (!header && !path)
		return config_wrong(why, "it is none of: %s", row->option.type);
	if (header && !is_header_name(header))
		return config_wrong(why, "\"header\" must be followed by the name of a header that "
				    "the daemon does not set itself");
	if (path && !ext_path_valid(path))
		return config_wrong(why, "\"ext\" must be followed by at most %d names, separated by "
				    "\"/\", without quotation marks", EXT_PATH_DEPTH_MAX);
	c->kind = header ? AUTH_HEADER : AUTH_EXT;
	return put_text(&c->header, header ? header : path);
}

/* what systemd allows as the name of a credential */
static int set_file_name(const struct config_row *row, void *to, const char *text,
			 struct config_why *why)
{
	(void)row;
	if (strchr(text, '/') || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return config_wrong(why, "\"%s\" is no name of a credential, as LoadCredential= has them",
			     text);
	return put_text(to, text);
}

static int set_command(const struct config_row *row, void *to, const char *text,
		       struct config_why *why)
{
	(void)row;
	/* without the text: its arguments may tell something */
	if (text[0] != '/')
		return config_wrong(why, "a command begins with an absolute path");
	if (strpbrk(text, "\"'`|;&<>$*?\\"))
		return config_wrong(why, "there is no shell and no quoting; put such a command into a "
				  "script");
	return put_text(to, text);
}

static int set_token_url(const struct config_row *row, void *to, const char *text,
			 struct config_why *why)
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
		return config_wrong(why, "a token server speaks https, and no WebSocket");
	if (!safe)
		return config_wrong(why, "the secrets for it would be read on the way: it must "
				    "begin with https://, or be on this machine (127.0.0.1)");
	return put_text(to, text);
}

static int set_service(const struct config_row *row, void *to, const char *text,
		       struct config_why *why)
{
	struct slice channel = slice_of(text);
	int fault = channel_check_name(channel);

	if (fault)
		return config_wrong(why, "\"%s\": a channel %s", text, channel_fault_text(fault));
	if (!channel_is_service(channel))
		return config_wrong(why, "%s is not below /service/, so subscribers receive it; for example: %s", text,
				    row->option.example);
	memcpy(to, text, channel.n + 1);
	return 0;
}

static int set_subprotocol(const struct config_row *row, void *to, const char *text,
			   struct config_why *why)
{
	if (!ws_subprotocol_valid(text))
		return config_wrong(why, "it is not a name of a subprotocol; for example: %s",
				    row->option.example);
	return put_text(to, text);
}

static int set_pin(const struct config_row *row, void *to, const char *text,
		   struct config_why *why)
{
	if (!http_pin_valid(text))
		return config_wrong(why, "it is not the hash of a public key; for example: %s",
			     row->option.example);
	return put_text(to, text);
}

static int set_proxy(const struct config_row *row, void *to, const char *text,
		     struct config_why *why)
{
	const char *fault = http_proxy_fault(text);

	/* without the text: there may be a password in it */
	if (fault)
		return config_wrong(why, "it %s; for example: %s", fault, row->option.example);
	return put_text(to, text);
}

static int set_no_proxy(const struct config_row *row, void *to, const char *text,
			struct config_why *why)
{
	(void)row;
	if (!http_no_proxy_valid(text, why->text, sizeof(why->text)))
		return CONFIG_E_INVALID;
	return put_text(to, text);
}

/* --- what a member owns --- */

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

const struct config_kind config_kind_size = {set_size, NULL};
const struct config_kind config_kind_number = {set_number, NULL};
const struct config_kind config_kind_duration = {set_duration, NULL};
const struct config_kind config_kind_mode = {set_mode, NULL};
const struct config_kind config_kind_yes_no = {set_yes_no, NULL};
const struct config_kind config_kind_text = {set_text, fini_text};
const struct config_kind config_kind_path = {set_path, fini_text};
const struct config_kind config_kind_socket_path = {set_socket_path, fini_text};
const struct config_kind config_kind_group = {set_group, NULL};
const struct config_kind config_kind_choice = {set_choice, NULL};
const struct config_kind config_kind_transports = {set_transports, NULL};
const struct config_kind config_kind_url = {set_url, fini_strings};
const struct config_kind config_kind_endpoint = {set_endpoint, fini_text};
const struct config_kind config_kind_header = {set_header, fini_strings};
const struct config_kind config_kind_parameter = {set_parameter, fini_strings};
const struct config_kind config_kind_extension = {set_extension, fini_strings};
const struct config_kind config_kind_extension_name = {set_extension_name, fini_text};
const struct config_kind config_kind_cookie = {set_cookie, fini_strings};
const struct config_kind config_kind_ext = {set_ext, fini_text};
const struct config_kind config_kind_fields = {set_fields, fini_text};
const struct config_kind config_kind_credential = {set_credential, fini_credential};
const struct config_kind config_kind_file_name = {set_file_name, fini_text};
const struct config_kind config_kind_command = {set_command, fini_text};
const struct config_kind config_kind_token_url = {set_token_url, fini_text};
const struct config_kind config_kind_service = {set_service, NULL};
const struct config_kind config_kind_subprotocol = {set_subprotocol, fini_text};
const struct config_kind config_kind_pin = {set_pin, fini_text};
const struct config_kind config_kind_proxy = {set_proxy, fini_text};
const struct config_kind config_kind_no_proxy = {set_no_proxy, fini_text};
