/*
 * Rules: for messages that match, what the server answers and how it sends it. The
 * grammar is in README.md; a rule is parsed from the text after the word `rule` of a
 * control command.
 */
#ifndef FAKE_RULE_H
#define FAKE_RULE_H

#include "tests/fake/json.h"
#include "tests/fake/send_options.h"
#include "tests/fake/server.h"

/* the properties of a message that rules can match */
struct subject {
	enum transport transport;
	const char *type;		/* handshake … disconnect, event, upgrade */
	const char *channel;		/* of a subscribe: the subscription; may be NULL */
	unsigned client;		/* number of the session, 0 = none */
	struct slice raw;		/* the message, for placeholders */
	const char *client_id;		/* for placeholders; may be NULL */
};

/* a change of one field of the server's own message */
struct edit {
	char *name;
	char *value;			/* NULL = leave it out */
};

struct rule {
	struct list link;
	unsigned id;
	bool removed;			/* an exchange may still refer to it */

	/* what it matches */
	enum transport transport;
	char *type;			/* NULL = any */
	char *channel;			/* pattern; NULL = any */
	unsigned client;		/* 0 = any */
	unsigned long skip;		/* does not apply to the first `skip` that match */
	unsigned long times;		/* 0 = without end */
	unsigned long matched;

	/* what it does */
	bool effect;			/* the message takes effect nevertheless */
	bool drop;			/* no answer to the message */
	bool twice;
	bool refused;
	char *error;			/* of a refusal; NULL = the dialect's own */
	char *reply;			/* raw messages instead of the answer; placeholders */
	struct edit *edits;
	size_t edits_n;
	struct send_options send_options;
};

/* NULL, and why in *ret_error (static text), when it is no rule */
struct rule *rule_add(struct server *s, const char *line, const char **ret_error);
/* id 0 removes all; false when there is none with that id */
bool rule_remove(struct server *s, unsigned id);
/* The first rule that matches and has uses left; counts and journals it. */
const struct rule *rule_match(struct server *s, const struct subject *subject);
/* what the rule wants sent exactly so; both may be NULL */
void rule_edit(const struct rule *r, struct object *message);
/*
 * $id and any other $name are replaced by that field of the message as raw JSON
 * (null when missing), ${name} by its text without quotes, $clientId by the
 * session's id, $reply by the server's own answer.
 */
void rule_expand(const char *pattern, const struct subject *subject, struct slice reply,
		 struct text *ret);
void rules_fini(struct server *s);

#endif
