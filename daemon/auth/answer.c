/*
 * Parses answers and makes headers. A header is always valid, and no error text
 * contains a part of the secret.
 */
#include "auth/answer.h"

#include "base/errors.h"
#include "net/http_options.h"
#include "protocol/json_read.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LIFETIME_MAX_S (366.0 * 24 * 3600)

void auth_secret_wipe(struct auth_secret *s)
{
	explicit_bzero(s, sizeof(*s));
}

static const char *copy_secret(struct slice s, struct auth_secret *ret)
{
	if (s.n == 0)
		return "it is empty";
	if (s.n > AUTH_SECRET_MAX)
		return "it is too long";
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return "it has more than one line, or a control character";
	memcpy(ret->text, s.p, s.n);
	ret->text[s.n] = 0;
	ret->n = s.n;
	return NULL;
}

/* --- JSON --- */

/* Accepts a number, also in quotation marks, as some servers send it. */
static uint64_t lifetime_of(struct json_value v)
{
	double s;

	if (v.kind == JSON_STRING && v.raw.n > 2) {
		v.kind = JSON_NUMBER;
		v.raw = slice_make(v.raw.p + 1, v.raw.n - 2);
	}
	if (v.kind != JSON_NUMBER || json_double(&v, &s) || !(s > 0))
		return 0;
	return (uint64_t)((s < LIFETIME_MAX_S ? s : LIFETIME_MAX_S) * 1000);
}

static const char *copy_token(const struct json_value *v, struct auth_secret *ret)
{
	const char *fault = "out of memory";
	CLEANUP(buf_fini) struct buf scratch;
	struct slice token;

	buf_init_secret(&scratch, AUTH_SECRET_MAX);
	if (v->raw.n > AUTH_SECRET_MAX)
		return "it is too long";
	if (json_text(v, &scratch, &token) == 0)
		fault = copy_secret(token, ret);
	return fault;
}

static const char *parse_object(struct slice text, struct auth_secret *ret)
{
	struct json_field fields[] = {
		{.name = "token"}, {.name = "access_token"}, {.name = "expires_in"}};
	int r = json_read_object(text, fields, 3, false, NULL);
	const struct json_value *token = &fields[fields[0].value.kind == JSON_ABSENT].value;

	if (r)
		return r < 0 ? "out of memory" : json_fault_text(r);
	if (token->kind != JSON_STRING)
		return "the JSON has no \"token\" and no \"access_token\"";
	ret->lifetime = lifetime_of(fields[2].value);
	return copy_token(token, ret);
}

const char *auth_answer_parse(struct slice text, struct auth_secret *ret)
{
	text = slice_trim(text, " \t\r\n");
	ret->lifetime = 0;
	return text.n && text.p[0] == '{' ? parse_object(text, ret) : copy_secret(text, ret);
}

const char *auth_answer_line(struct slice text, struct auth_secret *ret)
{
	ret->lifetime = 0;
	return copy_secret(slice_trim(text, " \t\r\n"), ret);
}

/* --- answers of a token server --- */

/* Also accepts "BearerToken", which some servers send. */
static bool is_bearer(const struct json_value *type)
{
	return type->kind == JSON_STRING && strncasecmp(type->raw.p + 1, "bearer", 6) == 0;
}

const char *auth_answer_token(struct slice text, struct auth_secret *access,
			      struct auth_secret *refresh)
{
	struct json_field fields[] = {{.name = "access_token"}, {.name = "expires_in"},
				      {.name = "token_type"}, {.name = "refresh_token"}};
	int r = json_read_object(text, fields, 4, false, NULL);

	access->n = refresh->n = 0;
	if (r)
		return r < 0 ? "out of memory" : json_fault_text(r);
	if (fields[0].value.kind != JSON_STRING)
		return "it has no \"access_token\"";
	if (fields[2].value.kind != JSON_ABSENT && !is_bearer(&fields[2].value))
		return "its \"token_type\" is not \"Bearer\"";
	access->lifetime = lifetime_of(fields[1].value);
	const char *fault = copy_token(&fields[0].value, access);
	if (!fault && fields[3].value.kind == JSON_STRING)
		fault = copy_token(&fields[3].value, refresh);
	return fault;
}

/* --- the header --- */

static const char *put_basic(const struct auth_secret *s, char *to, size_t size)
{
	static const char begin[] = "Authorization: Basic ";
	size_t n = sizeof(begin) - 1;

	if (!strchr(s->text, ':'))
		return "it is not of the form \"user:password\"";
	if (n + (s->n + 2) / 3 * 4 + 1 > size)
		return "it is too long";
	memcpy(to, begin, n);
	EVP_EncodeBlock((unsigned char *)to + n, (const unsigned char *)s->text, (int)s->n);
	return NULL;
}

const char *auth_answer_header(enum auth_kind kind, const char *name, const struct auth_secret *s,
			       char *to, size_t size)
{
	int n;

	if (kind == AUTH_BASIC)
		return put_basic(s, to, size);
	if (kind == AUTH_EXT)
		return (size_t)snprintf(to, size, "%s", s->text) < size ? NULL : "it is too long";
	if (kind == AUTH_HEADER)
		n = snprintf(to, size, "%s: %s", name, s->text);
	else
		n = snprintf(to, size, "Authorization: Bearer %s", s->text);
	if (n < 0 || (size_t)n >= size)
		return "it is too long";
	return http_header_valid(to) ? NULL : "it cannot be sent as a header";
}
