/*
 * cometctl reload and cometctl config: the daemon reads its configuration again, or prints it.
 */
#include "cometctl.h"

#include <stdlib.h>
#include <string.h>

/* Room for a path, a line number and a name. */
#define TEXT_MAX 4400

static bool field(const struct cometd_json *object, const char *name, char *out)
{
	struct cometd_json v;

	return !cometd_json_get(object, name, &v) && !cometd_json_text(&v, out, TEXT_MAX, NULL);
}

static const char *words_of(const char *effect)
{
	static const struct {
		const char *effect, *words;
	} all[] = {
		{"used", "in effect"}, {"new-session", "its server gets a new session"},
		{"restart", "in effect after a restart of the daemon"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(all[i].effect, effect))
			return all[i].words;
	return effect;
}

/* "demo: header (/etc/…:7): its server gets a new session" */
static int print_change(void *user, const struct cometd_json *change)
{
	bool *any = user;
	char text[TEXT_MAX];

	*any = true;
	if (field(change, "server", text)) {
		print_name(stdout, text);
		fputs(": ", stdout);
	}
	if (field(change, "option", text)) {
		print_name(stdout, text);
		fputs(" (", stdout);
		print_name(stdout, field(change, "place", text) ? text : "default");
		fputs("): ", stdout);
	}
	print_name(stdout, field(change, "effect", text) ? words_of(text) : "changed");
	putchar('\n');
	return 0;
}

static void print_changes(const struct cometd_json *result)
{
	struct cometd_json changes;
	bool any = false;

	if (cometd_json_get(result, "changes", &changes)) {
		puts("many changes; the log of the daemon lists them");
		return;
	}
	cometd_json_each(&changes, print_change, &any);
	if (!any)
		puts("nothing changed");
}

static int print_config(const struct cometd_json *result)
{
	struct cometd_json config;
	size_t size = result->len + 1, len;
	char *text;

	if (cometd_json_get(result, "config", &config))
		return complain("no configuration", COMETD_E_PROTOCOL, NULL);
	text = malloc(size);
	if (!text)
		return complain("no configuration", COMETD_E_NOMEM, NULL);
	int error = cometd_json_text(&config, text, size, &len);
	for (char *line = text, *end; !error && *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		print_name(stdout, line);
		putchar('\n');
	}
	free(text);
	return error ? complain("no configuration", error, NULL) : EXIT_OK;
}

static int ask(struct ctl *ctl, const char *what,
	       int (*request)(struct cometd *c, int timeout_ms, const struct cometd_result **ret),
	       struct cometd_json *ret)
{
	const struct cometd_result *result = NULL;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int error = request(ctl->c, ctl_left(ctl, 1), &result);
	if (!error && !result)
		error = COMETD_E_NOMEM;
	if (!error && !result->json)
		error = COMETD_E_PROTOCOL;
	if (!error)
		error = cometd_json_parse(result->json, result->json_len, ret);
	return error ? complain(what, error, result) : EXIT_OK;
}

static int print_raw(const struct cometd_json *result)
{
	print_json(stdout, result->json, result->len);
	putchar('\n');
	return EXIT_OK;
}

int cmd_reload(struct ctl *ctl)
{
	struct cometd_json result = {0};
	int code = ask(ctl, "reload", cometd_reload, &result);

	if (code)
		return code;
	if (ctl->json)
		return print_raw(&result);
	print_changes(&result);
	return EXIT_OK;
}

int cmd_config(struct ctl *ctl)
{
	struct cometd_json result = {0};
	int code = ask(ctl, "no configuration", cometd_config, &result);

	if (code)
		return code;
	return ctl->json ? print_raw(&result) : print_config(&result);
}
