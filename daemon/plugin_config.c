/*
 * Owns the way from the option "extension" to what runs. Guarantees that what can
 * be told without running an extension is told before anything starts, and
 * that its configuration, which may hold a secret, is wiped. Must never know what
 * an extension does.
 */
#include "plugin_config.h"

#include "io/file.h"
#include "plugin_wish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* of the configuration of one extension */
#define CONFIG_TEXT_MAX (64u << 10)

/* Its configuration into `text`. 0; PLUGIN_E_UNFIT with words; -ENOMEM. */
static int read_config(const struct plugin_wish *wish, struct buf *text, char *why)
{
	int r = wish->file ? file_read(wish->file, text) : buf_put_str(text, wish->config);

	if (r == 0 || r == -ENOMEM)
		return r;
	snprintf(why, PLUGIN_WHY_MAX, "%.256s: %s", wish->file ? wish->file : "its configuration",
		 strerror(-r));
	return PLUGIN_E_UNFIT;
}

/* What a line of the option says, the shared object, and its configuration. */
static int load(const char *line, struct plugin_wish *wish, struct buf *text, char *why,
		struct plugin **ret)
{
	const char *fault = plugin_wish_parse(line, wish);
	int r;

	if (fault) {
		snprintf(why, PLUGIN_WHY_MAX, "%s", fault);
		return PLUGIN_E_UNFIT;
	}
	r = read_config(wish, text, why);
	return r ? r : plugin_load(wish->path, why, ret);
}

static void check_secret(const struct config_server *s, const struct plugin_wish *wish,
			 struct config_report *report)
{
	struct stat st;

	if (wish->file && stat(wish->file, &st) == 0 && st.st_mode & S_IROTH)
		config_report_add(report, false, s->place, "extension %s %s: everybody may read it",
				  wish->name, wish->file);
}

static void check_one(const struct config_server *s, const char *line,
		      struct config_report *report)
{
	char why[PLUGIN_WHY_MAX] = "";
	struct plugin_wish wish = {.name = ""};
	struct plugin *p = NULL;
	struct buf text;

	buf_init_secret(&text, CONFIG_TEXT_MAX + FILE_READ_EXTRA);
	int r = load(line, &wish, &text, why, &p);
	if (r)
		config_report_add(report, true, s->place, "[server %s]: extension %s: %s", s->name,
				  wish.name, r > 0 ? why : strerror(-r));
	else
		check_secret(s, &wish, report);
	buf_fini(&text);
	plugin_free(p);
}

void plugin_config_check(const struct config *c, struct config_report *report)
{
	LIST_EACH(s, &c->servers, struct config_server, link)
		for (size_t i = 0; i < s->extensions.n; i++)
			check_one(s, s->extensions.v[i], report);
}

static int add(struct plugin_chain *chain, const char *line, struct plugin_wish *wish, char *why)
{
	struct plugin *p;
	struct buf text;

	buf_init_secret(&text, CONFIG_TEXT_MAX + FILE_READ_EXTRA);
	int r = load(line, wish, &text, why, &p);
	if (r == 0)
		r = plugin_chain_add(chain, p, wish->name, buf_slice(&text), why);
	buf_fini(&text);
	return r;
}

/* What is passed up; the words are ours when there are none. */
static int told(const struct config_server *s, const char *option, const char *name, int r,
		const char *reason, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s: [server %s]: %s %s: %s", s->place, s->name, option, name,
		 r > 0 ? reason : strerror(-r));
	return r > 0 ? -EINVAL : r;
}

int plugin_config_make(struct loop *loop, const struct config_server *s, char *why,
		       size_t why_size, struct plugin_chain **ret)
{
	CLEANUP(plugin_chain_freep) struct plugin_chain *chain = NULL;
	struct plugin_wish wish = {.name = ""};
	char reason[PLUGIN_WHY_MAX] = "";
	int r = s->extensions.n ? plugin_chain_new(loop, s->name, &chain) : 0;

	for (size_t i = 0; i < s->extensions.n && r == 0; i++)
		r = add(chain, s->extensions.v[i], &wish, reason);
	if (r)
		return told(s, "extension", wish.name, r, reason, why, why_size);
	*ret = TAKE(chain);
	return 0;
}

int plugin_config_credential(struct plugin_chain *c, const struct config_server *s, char *why,
			     size_t why_size, struct auth_source **ret)
{
	const struct config_credential *from = &s->credential;
	char reason[PLUGIN_WHY_MAX] = "";

	if (!from->extension)
		return 0;
	int r = plugin_chain_credential(c, from->extension, from->timeout, reason, ret);
	return r ? told(s, "credential-extension", from->extension, r, reason, why, why_size) : 0;
}
