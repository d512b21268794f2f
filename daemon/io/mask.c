/*
 * Owns copies of secrets, and a filter of their runs, so that a text without any
 * of them, which is nearly every text, is looked through once and quickly.
 * Guarantees that JSON stays the JSON that it was. Must never know where a secret
 * comes from.
 */
#include "io/mask.h"

#include "base/errors.h"
#include "protocol/buf.h"
#include "protocol/json_read.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILTER_BITS 17

struct mask {
	char *secrets[MASK_SECRETS_MAX];
	size_t lengths[MASK_SECRETS_MAX];
	unsigned n, oldest;
	uint64_t filter[(1u << FILTER_BITS) / 64];
};

int mask_new(struct mask **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void forget(struct mask *m, unsigned i)
{
	if (m->secrets[i])
		explicit_bzero(m->secrets[i], m->lengths[i]);
	free(m->secrets[i]);
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->n; i++)
		forget(m, i);
	explicit_bzero(m, sizeof(*m));
	free(m);
}

/* --- what is secret --- */

static unsigned bit_of(const char *run)
{
	uint64_t bytes;

	_Static_assert(sizeof(bytes) == MASK_RUN, "a run is one number");
	memcpy(&bytes, run, sizeof(bytes));
	return (unsigned)(bytes * 0x9e3779b97f4a7c15u >> (64 - FILTER_BITS));
}

static void fill_filter(struct mask *m)
{
	memset(m->filter, 0, sizeof(m->filter));
	for (unsigned k = 0; k < m->n; k++)
		for (size_t i = 0; i + MASK_RUN <= m->lengths[k]; i++) {
			unsigned bit = bit_of(m->secrets[k] + i);

			m->filter[bit / 64] |= UINT64_C(1) << bit % 64;
		}
}

static bool is_kept(const struct mask *m, struct slice word)
{
	for (unsigned i = 0; i < m->n; i++)
		if (slice_eq(slice_make(m->secrets[i], m->lengths[i]), word))
			return true;
	return false;
}

static int keep(struct mask *m, struct slice word)
{
	unsigned at = m->n < MASK_SECRETS_MAX ? m->n : m->oldest;

	if (word.n < MASK_RUN || is_kept(m, word))
		return 0;
	char *copy = malloc(word.n);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, word.p, word.n);
	if (m->n < MASK_SECRETS_MAX)
		m->n++;
	else
		m->oldest = (m->oldest + 1) % MASK_SECRETS_MAX;
	forget(m, at);
	m->secrets[at] = copy;
	m->lengths[at] = word.n;
	fill_filter(m);
	return 0;
}

/* A run with a quotation mark or an escape in it would, overwritten, be other JSON. */
static bool separates(char c)
{
	return c == ' ' || c == '\t' || c == '"' || c == '\\';
}

int mask_add(struct mask *m, struct slice secret)
{
	int r = 0;

	while (secret.n && !r) {
		struct slice word = secret;

		word.n = 0;
		while (word.n < secret.n && !separates(secret.p[word.n]))
			word.n++;
		r = keep(m, word);
		secret = slice_drop(secret, word.n + 1);
	}
	return r;
}

/* "Basic dXNlcjpwYXNz" */
static int add_password(struct mask *m, struct slice base64)
{
	CLEANUP(buf_wipe) struct buf text;
	char *to;
	int n, r;

	buf_init(&text, base64.n);
	r = buf_room(&text, base64.n, &to);
	if (r)
		return r;
	n = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)base64.p, (int)base64.n);
	const char *colon = n > 0 ? memchr(to, ':', (size_t)n) : NULL;
	/* it counts the padding as bytes of value 0 */
	while (colon && n > 0 && !to[n - 1])
		n--;
	return colon ? mask_add(m, slice_make(colon + 1, (size_t)(to + n - colon) - 1)) : 0;
}

int mask_add_header(struct mask *m, const char *line)
{
	static const char basic[] = "Basic ";
	const char *value = strchr(line, ':') + 1;
	int r;

	value += strspn(value, " \t");
	r = mask_add(m, slice_of(value));
	if (!r && strncasecmp(value, basic, sizeof(basic) - 1) == 0)
		r = add_password(m, slice_of(value + sizeof(basic) - 1));
	return r;
}

/* --- the strings of a JSON text --- */

/* The next value that is a string, without its quotation marks; false when there is none. */
static bool next_string(struct slice *rest, struct slice *ret)
{
	while (rest->n) {
		const char *quote = memchr(rest->p, '"', rest->n);
		size_t end = 0, behind;

		if (!quote)
			break;
		struct slice s = slice_drop(*rest, (size_t)(quote - rest->p) + 1);
		while (end < s.n && s.p[end] != '"')
			end += s.p[end] == '\\' ? 2 : 1;
		if (end >= s.n)
			break;
		behind = end + 1;
		while (behind < s.n && strchr(" \t\r\n", s.p[behind]))
			behind++;
		*rest = slice_drop(s, end + 1);
		*ret = slice_take(s, end);
		if (behind >= s.n || s.p[behind] != ':')
			return true;
	}
	return false;
}

int mask_add_json(struct mask *m, struct slice json)
{
	struct slice string;
	int r = 0;

	while (!r && next_string(&json, &string))
		r = mask_add(m, string);
	return r;
}

/* --- texts --- */

static bool is_secret(const struct mask *m, const char *run)
{
	unsigned bit = bit_of(run);

	if (!(m->filter[bit / 64] >> bit % 64 & 1))
		return false;
	for (unsigned i = 0; i < m->n; i++)
		if (memmem(m->secrets[i], m->lengths[i], run, MASK_RUN))
			return true;
	return false;
}

static bool is_inside(const char *text, size_t i, size_t n)
{
	return i < n && (text[i] & 0xc0) == 0x80;
}

/* whole characters only: half of one would make the text no UTF-8 */
static void overwrite(char *text, size_t n, size_t start, size_t end)
{
	while (start < end && is_inside(text, start, n))
		start++;
	while (end > start && is_inside(text, end, n))
		end--;
	memset(text + start, '*', end - start);
}

void mask_text(const struct mask *m, char *text, size_t n)
{
	size_t start = 0, end = 0;

	for (size_t i = 0; m->n && i + MASK_RUN <= n; i++) {
		if (!is_secret(m, text + i))
			continue;
		if (i > end) {
			overwrite(text, n, start, end);
			start = i;
		}
		end = i + MASK_RUN;
	}
	overwrite(text, n, start, end);
}

struct messages {
	const struct mask *mask;
	char *text;
	const char *begin;
};

static int mask_message(void *ctx, const struct json_element *e, const struct json_field *fields)
{
	const struct messages *all = ctx;
	struct slice rest = e->value.raw, string;
	bool has_data = fields[0].value.kind != JSON_ABSENT;
	bool failed = fields[1].value.kind == JSON_FALSE || fields[2].value.kind != JSON_ABSENT;

	if (has_data && !failed)
		return 0;
	while (next_string(&rest, &string))
		mask_text(all->mask, all->text + (string.p - all->begin), string.n);
	return 0;
}

void mask_messages(const struct mask *m, char *text, size_t n)
{
	struct json_field fields[] = {{.name = "data"}, {.name = "successful"}, {.name = "error"}};
	struct messages all = {m, text, text};
	bool found = false;

	for (size_t i = 0; m->n && !found && i + MASK_RUN <= n; i++)
		found = is_secret(m, text + i);
	if (found)
		json_read_objects(slice_make(text, n), fields, 3, mask_message, &all);
}
