/*
 * The rules: parsing, matching, and counting their use. A removed rule is freed when
 * the server ends, because an exchange may still refer to it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/fake/channel.h"
#include "tests/fake/codec.h"
#include "tests/fake/rule.h"
#include "tests/fake/words.h"

static void set_text(char **field, char *owned)
{
	free(*field);
	*field = owned;
}

/* key=value before the actions; false when the word is not such a pair */
static bool parse_match(struct rule *r, const char *word, const char **ret_error)
{
	const char *value = strchr(word, '=');
	size_t n = value ? (size_t)(value - word) : 0;
	struct slice key = slice_make(word, n);

	if (!value)
		return false;
	value++;
	if (slice_eq(key, SLICE("transport"))) {
		r->transport = strcmp(value, "lp") == 0	  ? TRANSPORT_LP
			       : strcmp(value, "ws") == 0 ? TRANSPORT_WS
							  : TRANSPORT_NONE;
	} else if (slice_eq(key, SLICE("type"))) {
		set_text(&r->type, strcmp(value, "any") == 0 ? NULL : xstrdup(value));
	} else if (slice_eq(key, SLICE("channel"))) {
		set_text(&r->channel, xstrdup(value));
	} else if (slice_eq(key, SLICE("client"))) {
		r->client = (unsigned)strtoul(value, NULL, 10);
	} else if (slice_eq(key, SLICE("skip"))) {
		r->skip = strtoul(value, NULL, 10);
	} else if (slice_eq(key, SLICE("times"))) {
		r->times = strcmp(value, "all") == 0 ? 0 : strtoul(value, NULL, 10);
	} else {
		*ret_error = "unknown match";
	}
	return true;
}

static void add_edit(struct rule *r, char *name, char *value)
{
	r->edits = xrealloc(r->edits, (r->edits_n + 1) * sizeof(*r->edits));
	r->edits[r->edits_n++] = (struct edit){name, value};
}

static void add_header(struct rule *r, const char *line)
{
	struct text t = {NULL, 0, 0};

	text_printf(&t, "%s%s\r\n", r->send_options.headers ? r->send_options.headers : "", line);
	set_text(&r->send_options.headers, t.p);
}

/* actions of one word */
static bool parse_flag(struct rule *r, const char *word)
{
	struct send_options *m = &r->send_options;
	const struct {
		const char *word;
		bool *flag;
	} flags[] = {
		{"hold", &m->hold}, {"silent", &m->silent}, {"close", &m->close},
		{"reset", &m->reset}, {"gzip", &m->gzip}, {"ping", &m->ping},
		{"binary", &m->binary}, {"masked", &m->masked}, {"rsv1", &m->rsv1},
		{"bad-utf8", &m->bad_utf8}, {"wrong-key", &m->wrong_key},
		{"drop", &r->drop}, {"twice", &r->twice},
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(word, flags[i].word) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

/* actions with one number */
static bool parse_numbered(struct rule *r, const char *word, struct words *l,
			   const char **ret_error)
{
	static const char *const words[] = {
		"delay", "status", "cut", "cut-head", "chunk", "fragment", "ws-close",
	};
	struct send_options *m = &r->send_options;
	size_t i = 0;
	long n = 0;

	while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i], word) != 0)
		i++;
	if (i == sizeof(words) / sizeof(words[0]))
		return false;
	if (!words_number(l, &n)) {
		*ret_error = "a number is missing";
		return true;
	}
	if (strcmp(word, "delay") == 0) {
		m->delay = n;
	} else if (strcmp(word, "status") == 0) {
		m->status = (int)n;
		r->effect = false;
	} else if (strcmp(word, "cut") == 0 || strcmp(word, "cut-head") == 0) {
		m->cut_body = word[3] == '\0';
		m->cut_head = !m->cut_body;
		m->cut_at = (size_t)n;
	} else if (strcmp(word, "chunk") == 0) {
		m->chunk = (size_t)n;
	} else if (strcmp(word, "fragment") == 0) {
		m->fragment = (size_t)n;
	} else {
		m->ws_close = (int)n;
	}
	return true;
}

static void parse_redirect(struct rule *r, struct words *l, const char **ret_error)
{
	struct text t = {NULL, 0, 0};
	long status = 0;
	char *url = words_number(l, &status) ? words_next(l) : NULL;

	if (!url) {
		*ret_error = "redirect wants a status and a URL";
		return;
	}
	text_printf(&t, "Location: %s", url);
	add_header(r, t.p);
	r->send_options.status = (int)status;
	r->effect = false;
	text_fini(&t);
	free(url);
}

/* actions with text; those that take the rest of the line are the last ones */
static void parse_texted(struct rule *r, const char *word, struct words *l, const char **ret_error)
{
	struct send_options *m = &r->send_options;
	char *text;

	if (strcmp(word, "reply") == 0) {
		set_text(&r->reply, words_rest(l));
		r->effect = strstr(r->reply, "$reply");
	} else if (strcmp(word, "body") == 0) {
		set_text(&m->body, words_rest(l));
		r->effect = strstr(m->body, "$reply");
	} else if (strcmp(word, "html") == 0) {
		set_text(&m->body, xstrdup("<html><body><h1>Welcome</h1></body></html>"));
		add_header(r, "Content-Type: text/html");
		r->effect = false;
	} else if (strcmp(word, "refuse") == 0) {
		set_text(&r->error, words_next(l));
		r->refused = true;
		r->effect = false;
	} else if (strcmp(word, "redirect") == 0) {
		parse_redirect(r, l, ret_error);
	} else if (strcmp(word, "reason") == 0) {
		set_text(&m->ws_reason, words_next(l));
	} else if (strcmp(word, "header") == 0 && (text = words_next(l))) {
		add_header(r, text);
		free(text);
	} else if (strcmp(word, "raw") == 0) {
		struct text bytes = {NULL, 0, 0};

		set_text(&m->raw, words_next(l));
		if (!m->raw || !codec_hex(m->raw, &bytes))
			*ret_error = "raw wants hexadecimal bytes";
		text_fini(&bytes);
	} else if (strcmp(word, "omit") == 0 && (text = words_next(l))) {
		add_edit(r, text, NULL);
	} else if (strcmp(word, "advice") == 0 && (text = words_json(l))) {
		add_edit(r, xstrdup("advice"), text);
	} else if (strcmp(word, "field") == 0) {
		char *name = words_next(l);

		text = name ? words_json(l) : NULL;
		if (text)
			add_edit(r, name, text);
		else
			*ret_error = "field wants a name and a JSON value";
		if (!text)
			free(name);
	} else {
		*ret_error = "unknown action, or its text is missing";
	}
}

static const char *parse(struct rule *r, const char *text)
{
	struct words l = {text};
	const char *error = NULL, *effect = NULL;
	bool acting = false;
	char *word;

	while (!error && (word = words_next(&l))) {
		if (strcmp(word, "effect=yes") == 0 || strcmp(word, "effect=no") == 0)
			effect = word[7] == 'y' ? "yes" : "no";
		else if (acting || !parse_match(r, word, &error)) {
			acting = true;
			if (!parse_flag(r, word) && !parse_numbered(r, word, &l, &error))
				parse_texted(r, word, &l, &error);
		}
		free(word);
	}
	if (effect)
		r->effect = effect[0] == 'y';
	return error ? error : acting ? NULL : "no action";
}

/* a rule with an action of one transport applies only to that transport */
static void imply_transport(struct rule *r)
{
	const struct send_options *m = &r->send_options;
	bool upgrade = r->type && strcmp(r->type, "upgrade") == 0;

	if (r->transport || upgrade)
		return;
	if (m->status || m->headers || m->cut_body || m->cut_head || m->chunk || m->gzip)
		r->transport = TRANSPORT_LP;
	else if (m->ws_close || m->fragment || m->ping || m->binary || m->masked || m->rsv1 ||
		 m->bad_utf8)
		r->transport = TRANSPORT_WS;
}

static void rule_free(struct rule *r)
{
	for (size_t i = 0; i < r->edits_n; i++) {
		free(r->edits[i].name);
		free(r->edits[i].value);
	}
	free(r->edits);
	free(r->type);
	free(r->channel);
	free(r->error);
	free(r->reply);
	free(r->send_options.body);
	free(r->send_options.raw);
	free(r->send_options.headers);
	free(r->send_options.ws_reason);
	free(r);
}

struct rule *rule_add(struct server *s, const char *line, const char **ret_error)
{
	struct rule *r = xcalloc(1, sizeof(*r));
	const char *error;

	r->times = 1;
	r->effect = true;
	error = parse(r, line);
	if (error) {
		rule_free(r);
		*ret_error = error;
		return NULL;
	}
	imply_transport(r);
	r->id = ++s->last_rule;
	list_append(&s->rules, &r->link);
	return r;
}

bool rule_remove(struct server *s, unsigned id)
{
	bool found = id == 0;

	LIST_EACH(r, &s->rules, struct rule, link) {
		if (id == 0 || r->id == id) {
			found = true;
			r->removed = true;
		}
	}
	return found;
}

static bool matches(const struct rule *r, const struct subject *m)
{
	if (r->removed || (r->transport && r->transport != m->transport) ||
	    (r->client && r->client != m->client))
		return false;
	/* events and upgrades are not requests: they match only by name */
	if (r->type ? strcmp(r->type, m->type) != 0
		    : strcmp(m->type, "event") == 0 || strcmp(m->type, "upgrade") == 0)
		return false;
	return !r->channel || (m->channel && channel_matches(r->channel, m->channel));
}

const struct rule *rule_match(struct server *s, const struct subject *m)
{
	char id[16];

	LIST_EACH(r, &s->rules, struct rule, link) {
		if (!matches(r, m) || ++r->matched <= r->skip)
			continue;
		if (r->times && r->matched - r->skip == r->times)
			r->removed = true;
		snprintf(id, sizeof(id), "%u", r->id);
		journal_add(&s->journal, &(struct note){
			.kind = "rule", .channel = id, .transport = m->transport,
			.client = m->client, .text = m->type,
		});
		return r;
	}
	return NULL;
}

void rule_edit(const struct rule *r, struct object *message)
{
	for (size_t i = 0; r && i < r->edits_n; i++) {
		if (r->edits[i].value)
			object_set_raw(message, r->edits[i].name, r->edits[i].value);
		else
			object_omit(message, r->edits[i].name);
	}
}

static void expand_name(struct slice name, bool bare, const struct subject *subject,
			struct slice reply, struct text *ret)
{
	char *key = xslicedup(name), *text = NULL;

	if (strcmp(key, "reply") == 0) {
		text_slice(ret, reply);
	} else if (strcmp(key, "clientId") == 0 && subject->client_id) {
		if (bare)
			text_puts(ret, subject->client_id);
		else
			text_quote(ret, subject->client_id);
	} else {
		struct slice value = json_member(subject->raw, key);

		if (bare)
			text_puts(ret, (text = json_text(value)) ? text : "");
		else
			text_slice(ret, value.p ? value : SLICE("null"));
	}
	free(text);
	free(key);
}

void rule_expand(const char *p, const struct subject *subject, struct slice reply,
		 struct text *ret)
{
	text_add(ret, NULL, 0);
	while (*p) {
		bool bare = p[0] == '$' && p[1] == '{';
		const char *name = p + 1 + bare;
		size_t n = 0;

		while (isalpha((unsigned char)name[n]))
			n++;
		if (*p != '$' || n == 0 || (bare && name[n] != '}')) {
			text_add(ret, p++, 1);
			continue;
		}
		expand_name(slice_make(name, n), bare, subject, reply, ret);
		p = name + n + bare;
	}
}

void rules_fini(struct server *s)
{
	LIST_EACH_SAFE(r, &s->rules, struct rule, link) {
		list_remove(&r->link);
		rule_free(r);
	}
}
