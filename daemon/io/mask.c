/*
 * Owns copies of secrets, and a filter of their runs, so that a text without any
 * of them, which is nearly every text, is looked through once and quickly.
 * Guarantees that JSON stays the JSON that it was, and that nothing by which a
 * message is understood is touched. Must never know where a secret comes from.
 */
#include "io/mask.h"

#include "base/errors.h"
#include "io/mask_decode.h"
#include "protocol/buf.h"
#include "protocol/json_read.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILTER_BITS 17

/* What comes first goes first. Cookies, of which a server may send any number, push out no others. */
struct ring {
	char *secrets[MASK_SECRETS_MAX];
	size_t lengths[MASK_SECRETS_MAX];
	unsigned n, oldest;
};

struct mask {
	struct ring ours, cookies;
	struct ring client_id;          /* one, with and without its escapes */
	unsigned n_short;               /* of ours: shorter than a run */
	uint64_t filter[(1u << FILTER_BITS) / 64];
};

int mask_new(struct mask **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void forget(struct mask *m, struct ring *r, unsigned i)
{
	if (r->secrets[i]) {
		m->n_short -= r->lengths[i] < MASK_RUN;
		explicit_bzero(r->secrets[i], r->lengths[i]);
	}
	free(r->secrets[i]);
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < MASK_SECRETS_MAX; i++) {
		forget(m, &m->ours, i);
		forget(m, &m->cookies, i);
		forget(m, &m->client_id, i);
	}
	explicit_bzero(m, sizeof(*m));
	free(m);
}

/* --- what is secret --- */

static unsigned bit_of(uint64_t run)
{
	return (unsigned)(run * 0x9e3779b97f4a7c15u >> (64 - FILTER_BITS));
}

static void fill_filter(struct mask *m, const struct ring *r)
{
	for (unsigned k = 0; k < r->n; k++) {
		uint64_t run = 0;

		for (size_t i = 0; i < r->lengths[k]; i++) {
			run = run << 8 | (unsigned char)r->secrets[k][i];
			if (i + 1 >= MASK_RUN)
				m->filter[bit_of(run) / 64] |= UINT64_C(1) << bit_of(run) % 64;
		}
	}
}

static bool is_kept(const struct ring *r, struct slice secret)
{
	for (unsigned i = 0; i < r->n; i++)
		if (slice_eq(slice_make(r->secrets[i], r->lengths[i]), secret))
			return true;
	return false;
}

/* Takes ownership of `copy`, of n bytes; one shorter than `min` is not kept. */
static void keep(struct mask *m, struct ring *r, char *copy, size_t n, size_t min)
{
	unsigned at = r->n < MASK_SECRETS_MAX ? r->n : r->oldest;

	if (n < min || is_kept(r, slice_make(copy, n))) {
		explicit_bzero(copy, n);
		free(copy);
		return;
	}
	if (r->n < MASK_SECRETS_MAX)
		r->n++;
	else
		r->oldest = (r->oldest + 1) % MASK_SECRETS_MAX;
	forget(m, r, at);
	r->secrets[at] = copy;
	r->lengths[at] = n;
	m->n_short += n < MASK_RUN;
	memset(m->filter, 0, sizeof(m->filter));
	fill_filter(m, &m->ours);
	fill_filter(m, &m->cookies);
	fill_filter(m, &m->client_id);
}

/* With or without its escapes: the length that counts is that of the result. */
static int keep_as(struct mask *m, struct ring *r, struct slice secret, size_t min, unsigned decode)
{
	char *copy = malloc(secret.n + 1);
	size_t n = 0;

	if (!copy)
		return -ENOMEM;
	while (secret.n) {
		struct mask_unit u = mask_decode(secret, decode);

		memcpy(copy + n, u.bytes, u.n);
		n += u.n;
		secret = slice_drop(secret, u.length);
	}
	keep(m, r, copy, n, min);
	return 0;
}

static int add(struct mask *m, struct ring *r, struct slice secret, size_t min, unsigned decode)
{
	int error = keep_as(m, r, secret, min, decode);

	return error ? error : keep_as(m, r, secret, min, decode | MASK_PERCENT);
}

int mask_add(struct mask *m, struct slice secret)
{
	return add(m, &m->ours, secret, MASK_SHORT, 0);
}

int mask_add_cookie(struct mask *m, struct slice value)
{
	size_t n = 0;

	while (n < value.n && !strchr(";\r\n", value.p[n]))
		n++;
	return add(m, &m->cookies, slice_take(value, n), MASK_RUN, 0);
}

int mask_set_client_id(struct mask *m, struct slice id)
{
	struct ring before = m->client_id;
	int r;

	m->client_id = (struct ring){.n = 0};
	r = add(m, &m->client_id, id, MASK_RUN, 0);
	for (unsigned i = 0; i < before.n; i++)
		forget(m, &before, i);
	return r;
}

/* The password; and so much before it that one which is short is found where the user stands by it. */
static int add_password(struct mask *m, struct slice login)
{
	const char *colon = login.n ? memchr(login.p, ':', login.n) : NULL;
	size_t user, before;
	int r;

	if (!colon)
		return 0;
	user = (size_t)(colon - login.p) + 1;
	r = mask_add(m, slice_drop(login, user));
	before = user < MASK_RUN ? user : MASK_RUN - 1;
	if (!r && login.n > user && login.n - user + before >= MASK_RUN)
		r = mask_add(m, slice_drop(login, user - before));
	return r;
}

int mask_add_login(struct mask *m, struct slice login)
{
	CLEANUP(buf_wipe) struct buf base64;
	char *to;
	int r;

	buf_init(&base64, login.n / 3 * 4 + 8);
	r = buf_room(&base64, base64.max, &to);
	if (r)
		return r;
	int n = EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)login.p, (int)login.n);
	r = mask_add(m, slice_make(to, (size_t)n));
	return r ? r : add_password(m, login);
}

/* "dXNlcjpwYXNz" */
static int add_basic(struct mask *m, struct slice base64)
{
	CLEANUP(buf_wipe) struct buf text;
	char *to;
	int n, r;

	buf_init(&text, base64.n);
	r = buf_room(&text, base64.n, &to);
	if (r)
		return r;
	n = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)base64.p, (int)base64.n);
	/* it counts the padding as bytes of value 0 */
	while (n > 0 && !to[n - 1])
		n--;
	return n > 0 ? add_password(m, slice_make(to, (size_t)n)) : 0;
}

/* "Bearer " before what is secret; 0 when there is none */
static size_t scheme_of(const char *value)
{
	size_t n = 0;

	while (isalpha((unsigned char)value[n]))
		n++;
	return n && value[n] == ' ' ? n + strspn(value + n, " ") : 0;
}

int mask_add_header(struct mask *m, const char *line)
{
	const char *value = strchr(line, ':') + 1;
	const char *authorization = strcasestr(line, "authorization");
	size_t scheme = 0;
	int r;

	value += strspn(value, " \t");
	if (authorization && authorization < value)
		scheme = scheme_of(value);
	r = mask_add(m, slice_of(value + scheme));
	if (!r && strncasecmp(value, "Basic ", 6) == 0)
		r = add_basic(m, slice_of(value + scheme));
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
		r = add(m, &m->ours, string, MASK_RUN, MASK_JSON);
	return r;
}

/* --- texts --- */

static bool has_secrets(const struct mask *m)
{
	return m->ours.n + m->cookies.n + m->client_id.n > 0;
}

static bool ring_has(const struct ring *r, const void *run)
{
	for (unsigned i = 0; i < r->n; i++)
		if (memmem(r->secrets[i], r->lengths[i], run, MASK_RUN))
			return true;
	return false;
}

static bool is_secret(const struct mask *m, uint64_t run)
{
	uint64_t bytes = htobe64(run);

	_Static_assert(sizeof(bytes) == MASK_RUN, "a run is one number");
	if (!(m->filter[bit_of(run) / 64] >> bit_of(run) % 64 & 1))
		return false;
	return ring_has(&m->ours, &bytes) || ring_has(&m->cookies, &bytes) ||
	       ring_has(&m->client_id, &bytes);
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

/* The last bytes of a text as it is meant, and where each is written. */
enum { LAST = 16 };
struct scan {
	const struct mask *m;
	char *text;
	size_t n;
	uint64_t run;
	size_t count;                   /* bytes so far */
	char bytes[LAST];
	size_t at[LAST];
	size_t start, end;              /* to be overwritten, once it is clear where it ends */
};

static void found(struct scan *s, size_t start, size_t end)
{
	if (start > s->end) {
		overwrite(s->text, s->n, s->start, s->end);
		s->start = start;
	}
	/* a run may begin before the short one in it */
	if (start < s->start)
		s->start = start;
	if (end > s->end)
		s->end = end;
}

static bool is_of_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Short ones are found as whole words alone, of which one ended before `end`. */
static void find_short(struct scan *s, size_t end)
{
	const struct ring *r = &s->m->ours;

	for (unsigned i = 0; i < r->n; i++) {
		size_t n = r->lengths[i], k = 0;

		if (n >= MASK_RUN || n > s->count)
			continue;
		while (k < n && s->bytes[(s->count - n + k) % LAST] == r->secrets[i][k])
			k++;
		if (k == n && (n == s->count || !is_of_word(s->bytes[(s->count - n - 1) % LAST])))
			found(s, s->at[(s->count - n) % LAST], end);
	}
}

static void take(struct scan *s, char byte, size_t at, size_t end)
{
	if (s->m->n_short && !is_of_word(byte))
		find_short(s, at);
	s->bytes[s->count % LAST] = byte;
	s->at[s->count++ % LAST] = at;
	s->run = s->run << 8 | (unsigned char)byte;
	if (s->count >= MASK_RUN && is_secret(s->m, s->run))
		found(s, s->at[(s->count - MASK_RUN) % LAST], end);
}

static void scan(const struct mask *m, char *text, size_t n, unsigned decode)
{
	struct scan s = {.m = m, .text = text, .n = n};

	for (size_t i = 0; i < n;) {
		struct mask_unit u = mask_decode(slice_make(text + i, n - i), decode);

		for (unsigned k = 0; k < u.n; k++)
			take(&s, u.bytes[k], i, i + u.length);
		i += u.length;
	}
	if (m->n_short)
		find_short(&s, n);
	overwrite(text, n, s.start, s.end);
}

void mask_text(const struct mask *m, char *text, size_t n)
{
	if (!has_secrets(m))
		return;
	scan(m, text, n, MASK_JSON | MASK_PERCENT);
	scan(m, text, n, 0);
}

/* --- messages --- */

/* whether it is worth a closer look */
static bool may_have(const struct mask *m, struct slice text)
{
	uint64_t run = 0;
	size_t count = 0;

	while (text.n && !m->n_short) {
		struct mask_unit u = mask_decode(text, MASK_JSON | MASK_PERCENT);

		for (unsigned k = 0; k < u.n; k++) {
			run = run << 8 | (unsigned char)u.bytes[k];
			if (++count >= MASK_RUN && is_secret(m, run))
				return true;
		}
		text = slice_drop(text, u.length);
	}
	return m->n_short > 0;
}

struct messages {
	const struct mask *mask;
	char *text;
	const char *begin;
};

enum { DATA, SUCCESSFUL, ERROR, MEANS };
/* By what follows these a message is understood. They are not told, or are ours: a password
   "handshake" must not make another message of it. */
static const struct json_field message_fields[] = {
	[DATA] = {.name = "data"}, [SUCCESSFUL] = {.name = "successful"}, [ERROR] = {.name = "error"},
	[MEANS] = {.name = "channel"}, {.name = "subscription"}, {.name = "id"}, {.name = "clientId"},
	{.name = "advice"}, {.name = "supportedConnectionTypes"}, {.name = "version"},
	{.name = "minimumVersion"}, {.name = "timestamp"},
};
enum { FIELDS = sizeof(message_fields) / sizeof(message_fields[0]) };

static bool is_meant(const struct json_field *fields, const char *p)
{
	for (int i = MEANS; i < FIELDS; i++) {
		struct slice raw = fields[i].value.raw;

		if (fields[i].value.kind != JSON_ABSENT && p >= raw.p && p < raw.p + raw.n)
			return true;
	}
	return false;
}

static int mask_message(void *ctx, const struct json_element *e, const struct json_field *fields)
{
	const struct messages *all = ctx;
	struct slice rest = e->value.raw, string;
	bool has_data = fields[DATA].value.kind != JSON_ABSENT;
	bool failed = fields[SUCCESSFUL].value.kind == JSON_FALSE ||
		      fields[ERROR].value.kind != JSON_ABSENT;

	if (has_data && !failed)
		return 0;
	while (next_string(&rest, &string))
		if (!is_meant(fields, string.p))
			scan(all->mask, all->text + (string.p - all->begin), string.n,
			     MASK_JSON | MASK_PERCENT);
	return 0;
}

void mask_messages(const struct mask *m, char *text, size_t n)
{
	struct json_field fields[FIELDS];
	struct messages all = {m, text, text};

	memcpy(fields, message_fields, sizeof(fields));
	if (has_secrets(m) && may_have(m, slice_make(text, n)))
		json_read_objects(slice_make(text, n), fields, FIELDS, mask_message, &all);
}
