/*
 * Loads and makes the extensions of a server. Errors that can be found without running an extension are reported
 * before the daemon starts. The configuration of an extension may contain a secret and is wiped after use.
 */
#include "base/fault.h"
#include "servers/extensions.h"

#include "base/file.h"
#include "config/check.h"
#include "config/extension_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* the maximum size of the configuration of one extension */
#define CONFIG_TEXT_MAX (64u << 10)

/* Reads the configuration of an extension. 0; PLUGIN_E_UNFIT with the reason in `why`; -ENOMEM. */
static int read_config(const struct extension_option *option, struct buf *text, struct fault *why)
{
	int r = option->file ? file_read(option->file, text) : buf_put_str(text, option->config);

	if (r == 0 || r == -ENOMEM)
		return r;
	fault_set(why, "%.256s: %s", option->file ? option->file : "its configuration",
		  strerror(-r));
	return PLUGIN_E_UNFIT;
}

/* Parses a line of the option, reads the configuration and loads the shared object. */
static int load(const char *line, struct extension_option *option, struct buf *text, struct fault *why,
		struct plugin **ret)
{
	const char *fault = extension_option_parse(line, option);
	int r;

	if (fault) {
		fault_set(why, "%s", fault);
		return PLUGIN_E_UNFIT;
	}
	r = read_config(option, text, why);
	return r ? r : plugin_load(option->path, why, ret);
}

/* Where the option is set; for several extensions, where the server begins. */
static const char *place_of(const struct config_server *s)
{
	return s->extensions.n == 1 ? config_place(s, "extension") : s->place;
}

static void check_secret(const struct config_server *s, const struct extension_option *option,
			 struct config_report *report)
{
	struct stat st;

	if (option->file && stat(option->file, &st) == 0 && st.st_mode & S_IROTH)
		config_report_add(report, false, place_of(s), "extension %s %s: the file is readable for all "
				  "users; run chmod o-r", option->name, option->file);
}

static void check_one(const struct config_server *s, const char *line,
		      struct config_report *report)
{
	struct fault why = {0};
	struct extension_option option = {.name = ""};
	struct plugin *p = NULL;
	struct buf text;

	buf_init_secret(&text, CONFIG_TEXT_MAX + FILE_READ_EXTRA);
	int r = load(line, &option, &text, &why, &p);
	if (r)
		config_report_add(report, true, place_of(s), "[server %s]: extension %s: %s", s->name,
				  option.name, r > 0 ? why.text : strerror(-r));
	else
		check_secret(s, &option, report);
	buf_fini(&text);
	plugin_free(p);
}

void extensions_check(const struct config *c, struct config_report *report)
{
	LIST_EACH(s, &c->servers, struct config_server, link)
		for (size_t i = 0; i < s->extensions.n; i++)
			check_one(s, s->extensions.v[i], report);
}

static int add(struct plugin_chain *chain, const char *line, struct extension_option *option, struct fault *why)
{
	struct plugin *p;
	struct buf text;

	buf_init_secret(&text, CONFIG_TEXT_MAX + FILE_READ_EXTRA);
	int r = load(line, option, &text, why, &p);
	if (r == 0)
		r = plugin_chain_add(chain, p, option->name, buf_slice(&text), why);
	buf_fini(&text);
	return r;
}

/* Puts the place before the reason in *why; returns a negative errno. */
static int report_failure(const struct config_server *s, const char *option, const char *name, int r,
			  struct fault *why)
{
	fault_set(why, "%s: [server %s]: %s %s: %s", s->place, s->name, option, name,
		  r > 0 ? why->text : strerror(-r));
	return r > 0 ? -EINVAL : r;
}

int extensions_make(struct loop *loop, const struct config_server *s, struct fault *why, struct plugin_chain **ret)
{
	CLEANUP(plugin_chain_freep) struct plugin_chain *chain = NULL;
	struct extension_option option = {.name = ""};
	int r = s->extensions.n ? plugin_chain_new(loop, s->name, &chain) : 0;

	for (size_t i = 0; i < s->extensions.n && r == 0; i++)
		r = add(chain, s->extensions.v[i], &option, why);
	if (r)
		return report_failure(s, "extension", option.name, r, why);
	*ret = TAKE(chain);
	return 0;
}

int extensions_credential(struct plugin_chain *c, const struct config_server *s, struct fault *why,
			  struct auth_source **ret)
{
	if (!s->credential_extension)
		return 0;
	int r = plugin_chain_credential(c, s->credential_extension, s->credential_timeout, why, ret);
	return r ? report_failure(s, "credential-extension", s->credential_extension, r, why) : 0;
}
