/*
 * Classifies a reply by its fields: success, unknown session, temporary refusal, rejected
 * credentials. Servers differ in error codes and texts; the differences are handled only here.
 */
#include "bayeux/reply.h"

#include <string.h>
#include <strings.h>

bool reply_is_ok(const struct envelope *e)
{
	return e->successful == JSON_TRUE || (e->successful == JSON_ABSENT && e->error.n == 0);
}

static bool contains(struct slice s, const char *word)
{
	size_t n = strlen(word);
	for (; s.n >= n; s = slice_drop(s, 1))
		if (strncasecmp(s.p, word, n) == 0)
			return true;
	return false;
}

bool reply_is_session_unknown(const struct envelope *e)
{
	struct envelope_error error = envelope_error_parse(e->error);
	if (error.code == 402)
		return !contains(error.text, "parameter");
	/* Lyrion has no codes */
	if (error.code == 0)
		return contains(error.text, "invalid clientid");
	return error.code == 401 || (error.code == 403 && contains(error.text, "unknown client"));
}

int reply_failure_reason(const struct envelope *e, struct slice *ret)
{
	struct json_field sfdc = {.name = "sfdc"}, reason = {.name = "failureReason"};
	*ret = SLICE_NULL;
	int r = e->ext.p ? json_read_object(e->ext, &sfdc, 1, false, NULL) : 0;
	if (r == 0 && sfdc.value.kind == JSON_OBJECT)
		r = json_read_object(sfdc.value.raw, &reason, 1, false, NULL);
	if (r == 0 && reason.value.kind == JSON_STRING)
		*ret = slice_make(reason.value.raw.p + 1, reason.value.raw.n - 2);
	return r < 0 ? r : 0;
}

bool reply_rejects_credentials(const struct envelope *e, struct slice reason)
{
	struct envelope_error error = envelope_error_parse(reason.n ? reason : e->error);
	if (error.code != 401 && error.code != 403)
		return false;
	return !contains(error.text, "unknown client") && !contains(error.text, "limit exceeded");
}

enum advice_reconnect reply_reconnect(const struct envelope *e)
{
	unsigned code = envelope_error_parse(e->error).code;
	return code == 401 || code == 402 || code == 403 ? ADVICE_HANDSHAKE : ADVICE_RETRY;
}

/* whether `word` is at the front of `s`, and no part of a longer word but its plural; a space in
   it also matches "_" and "-" */
static bool starts_with_word(struct slice s, const char *word)
{
	size_t n = strlen(word);
	if (s.n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool separator = word[i] == ' ' && (s.p[i] == '_' || s.p[i] == '-');
		if (!separator && strncasecmp(s.p + i, word + i, 1) != 0)
			return false;
	}
	s = slice_drop(s, n);
	if (s.n && s.p[0] == 's')
		s = slice_drop(s, 1);
	return s.n == 0 || s.p[0] < 'a' || s.p[0] > 'z';
}

/* the words of a limit, or of a server that is not ready */
static bool asks_to_come_later(struct slice text)
{
	static const char *const words[] = {
		"limit", "quota", "exceeded", "too many", "rate limited", "throttled", "busy",
		"overloaded", "later", "try again", "retry", "temporary", "temporarily",
		"unavailable", "not ready", "starting",
	};
	bool inside = false;
	for (; text.n; text = slice_drop(text, 1)) {
		bool letter = (text.p[0] >= 'a' && text.p[0] <= 'z') ||
			      (text.p[0] >= 'A' && text.p[0] <= 'Z');
		for (size_t i = 0; !inside && i < sizeof(words) / sizeof(words[0]); i++)
			if (starts_with_word(text, words[i]))
				return true;
		inside = letter;
	}
	return false;
}

static bool is_temporary_error(struct slice error)
{
	struct envelope_error e = envelope_error_parse(error);
	if (e.code >= 500 || e.code == 408 || e.code == 429)
		return true;
	return e.code != 400 && e.code != 404 && asks_to_come_later(e.text);
}

bool reply_is_temporary(const struct envelope *e, struct slice reason)
{
	return is_temporary_error(e->error) || is_temporary_error(reason);
}
