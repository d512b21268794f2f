/*
 * A credential source that runs a program. The arguments are not passed through a
 * shell. No error text contains output of the program, which may be secret.
 */
#include "auth/source.h"

#include "auth/helper.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

struct command {
	struct auth_source source;
	struct loop *loop;
	uint64_t timeout;
	char *words;                    /* argv points into it */
	const char *argv[WORDS_MAX + 1];
	struct helper *helper;          /* while the program runs */
	struct auth_secret secret;
};

static void on_done(void *ctx, const struct helper_result *r)
{
	struct command *c = ctx;
	struct auth_fetched f = {.secret = NULL};
	struct fault why;
	const char *fault = NULL;

	/* does not contain stderr: "set -x" and "curl -v" print secrets there */
	fault_set(&why, "%s: %s%s", c->argv[0], r->reason,
		  r->errors.n ? "; run it by hand to see its standard error" : "");
	if (r->outcome == HELPER_DONE)
		fault = auth_answer_parse(r->output, &c->secret);
	if (fault)
		fault_set(&why, "the output of %s: %s", c->argv[0], fault);
	if (r->outcome == HELPER_DONE && !fault)
		f.secret = &c->secret;
	else
		f.why = why.text;
	c->source.fetched(c->source.ctx, &f);
	auth_secret_wipe(&c->secret);
	helper_free(TAKE(c->helper));
}

static int command_fetch(struct auth_source *s, struct fault *why)
{
	struct command *c = LIST_OF(s, struct command, source);
	const struct helper_options o = {
		.argv = c->argv, .output_max = AUTH_SECRET_MAX + 4096, .timeout = c->timeout};

	int r = helper_new(c->loop, &o, on_done, c, &c->helper);
	if (r)
		fault_set(why, "%s: it cannot be run: %s", c->argv[0], strerror(-r));
	return r;
}

static void command_free(struct auth_source *s)
{
	struct command *c = LIST_OF(s, struct command, source);

	helper_free(c->helper);
	auth_secret_wipe(&c->secret);
	free(c->words);
	free(c);
}

static const struct auth_source_type command_type = {command_fetch, command_free};

int auth_command_new(struct loop *loop, const char *words, uint64_t timeout,
		     struct auth_source **ret)
{
	struct command *c = calloc(1, sizeof(*c));
	size_t n = 0;

	if (!c)
		return -ENOMEM;
	c->source.type = &command_type;
	c->loop = loop;
	c->timeout = timeout;
	c->words = strdup(words);
	if (!c->words) {
		free(c);
		return -ENOMEM;
	}
	char *rest = c->words;
	for (char *word; n < WORDS_MAX && (word = strsep(&rest, " \t"));)
		if (*word)
			c->argv[n++] = word;
	*ret = &c->source;
	return 0;
}
