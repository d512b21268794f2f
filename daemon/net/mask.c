/*
 * Keeps hashes of the secrets' runs, and a filter of them, so that a text without a secret, the usual case,
 * is scanned once and quickly. The secrets themselves are not kept, so a replaced token does not stay in
 * memory: the hashes are keyed with a random number of this process. (An attacker with the key could still
 * try all runs of 8 bytes; finding a part of a secret requires this.) Masking keeps the structure of JSON,
 * and changes no routing field.
 */
#include "net/mask.h"

#include "base/errors.h"
#include "base/strmap.h"
#include "net/mask_decode.h"
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

struct secret {
	uint64_t hash;                  /* of the whole secret */
	size_t length;
	uint64_t *runs;                 /* value_of() each, sorted; NULL if it is shorter than a run */
	size_t n_runs;
};

/* Secrets in order of arrival. Cookies have a ring of their own, because a server may send any number of them
   and must not displace other secrets. */
struct ring {
	struct secret secrets[MASK_SECRETS_MAX];
	unsigned n, oldest;
};

struct mask {
	struct ring ours, cookies;
	struct ring client_id;          /* one id, as received and decoded */
	unsigned n_short;               /* secrets in `ours` that are shorter than a run */
	uint64_t key;                   /* of the filter; strmap_hash() has its own */
	uint64_t filter[(1u << FILTER_BITS) / 64];
};

int mask_new(struct mask **ret)
{
	struct mask *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->key = strmap_hash(slice_make(&m, sizeof(m)));
	*ret = m;
	return 0;
}

static void forget(struct mask *m, struct secret *s)
{
	m->n_short -= s->length > 0 && s->length < MASK_RUN;
	free(s->runs);
	*s = (struct secret){.hash = 0};
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < MASK_SECRETS_MAX; i++) {
		forget(m, &m->ours.secrets[i]);
		forget(m, &m->cookies.secrets[i]);
		forget(m, &m->client_id.secrets[i]);
	}
	free(m);
}

/* --- secrets --- */

static unsigned bit_of(const struct mask *m, uint64_t run)
{
	return (unsigned)((run ^ m->key) * 0x9e3779b97f4a7c15u >> (64 - FILTER_BITS));
}

/* The value stored for a run: the number of its bit in the filter, and a hash. */
static uint64_t value_of(uint64_t run, unsigned bit)
{
	uint64_t bytes = htobe64(run);

	_Static_assert(sizeof(bytes) == MASK_RUN, "a run is one number");
	return (uint64_t)bit << (64 - FILTER_BITS) |
	       strmap_hash(slice_make(&bytes, sizeof(bytes))) >> FILTER_BITS;
}

static void fill_filter(struct mask *m, const struct ring *r)
{
	for (unsigned k = 0; k < r->n; k++)
		for (size_t i = 0; i < r->secrets[k].n_runs; i++) {
			uint64_t bit = r->secrets[k].runs[i] >> (64 - FILTER_BITS);

			m->filter[bit / 64] |= UINT64_C(1) << bit % 64;
		}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorts the runs: this allows a binary search, and does not reveal their order in the secret. */
static int make_runs(const struct mask *m, struct slice secret, struct secret *ret)
{
	uint64_t run = 0;

	if (secret.n < MASK_RUN)
		return 0;
	ret->n_runs = secret.n - MASK_RUN + 1;
	ret->runs = calloc(ret->n_runs, sizeof(*ret->runs));
	if (!ret->runs)
		return -ENOMEM;
	for (size_t i = 0; i < secret.n; i++) {
		run = run << 8 | (unsigned char)secret.p[i];
		if (i + 1 >= MASK_RUN)
			ret->runs[i + 1 - MASK_RUN] = value_of(run, bit_of(m, run));
	}
	qsort(ret->runs, ret->n_runs, sizeof(*ret->runs), compare);
	return 0;
}

static bool is_kept(const struct ring *r, const struct secret *s)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->secrets[i].hash == s->hash && r->secrets[i].length == s->length)
			return true;
	return false;
}

/* Adds a secret unless it is shorter than `min`. 0 or -ENOMEM. */
static int keep(struct mask *m, struct ring *r, struct slice secret, size_t min)
{
	unsigned at = r->n < MASK_SECRETS_MAX ? r->n : r->oldest;
	struct secret s = {.hash = strmap_hash(secret), .length = secret.n};

	/* each request adds the same secrets again */
	if (secret.n < min || is_kept(r, &s))
		return 0;
	if (make_runs(m, secret, &s))
		return -ENOMEM;
	if (r->n < MASK_SECRETS_MAX)
		r->n++;
	else
		r->oldest = (r->oldest + 1) % MASK_SECRETS_MAX;
	forget(m, &r->secrets[at]);
	r->secrets[at] = s;
	m->n_short += secret.n < MASK_RUN;
	memset(m->filter, 0, sizeof(m->filter));
	fill_filter(m, &m->ours);
	fill_filter(m, &m->cookies);
	fill_filter(m, &m->client_id);
	return 0;
}

/* Decodes the secret and adds the result; `min` applies to the decoded length. */
static int keep_as(struct mask *m, struct ring *r, struct slice secret, size_t min, unsigned decode)
{
	size_t n = 0, size = secret.n + 1;
	char *copy = malloc(size);
	int error;

	if (!copy)
		return -ENOMEM;
	while (secret.n) {
		struct mask_unit u = mask_decode(secret, decode);

		memcpy(copy + n, u.bytes, u.n);
		n += u.n;
		secret = slice_drop(secret, u.length);
	}
	error = keep(m, r, slice_make(copy, n), min);
	explicit_bzero(copy, size);
	free(copy);
	return error;
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
		forget(m, &before.secrets[i]);
	return r;
}

/* Adds the password. If it is short, also adds it with the end of "user:", so that it is found where the server
   repeats both. */
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
	CLEANUP(buf_fini) struct buf base64;
	char *to;
	int r;

	buf_init_secret(&base64, login.n / 3 * 4 + 8);
	r = buf_room(&base64, base64.max, &to);
	if (r)
		return r;
	buf_grown(&base64, base64.max);
	int n = EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)login.p, (int)login.n);
	r = mask_add(m, slice_make(to, (size_t)n));
	return r ? r : add_password(m, login);
}

/* Adds the password of a Basic credential ("dXNlcjpwYXNz"). */
static int add_basic(struct mask *m, struct slice base64)
{
	CLEANUP(buf_fini) struct buf text;
	char *to;
	int n, r;

	buf_init_secret(&text, base64.n);
	r = buf_room(&text, base64.n, &to);
	if (r)
		return r;
	buf_grown(&text, base64.n);
	n = EVP_DecodeBlock((unsigned char *)to, (const unsigned char *)base64.p, (int)base64.n);
	/* EVP_DecodeBlock() counts the padding as bytes of value 0 */
	while (n > 0 && !to[n - 1])
		n--;
	return n > 0 ? add_password(m, slice_make(to, (size_t)n)) : 0;
}

/* The length of "Bearer " or another scheme before the secret; 0 if there is none. */
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

/* Finds the next string value, without its quotation marks; false if there is none. */
static bool next_string(struct slice *rest, struct slice *ret)
{
	while (rest->n) {
		const char *quote = memchr(rest->p, '"', rest->n);
		size_t end = 0, after;

		if (!quote)
			break;
		struct slice s = slice_drop(*rest, (size_t)(quote - rest->p) + 1);
		while (end < s.n && s.p[end] != '"')
			end += s.p[end] == '\\' ? 2 : 1;
		if (end >= s.n)
			break;
		after = end + 1;
		while (after < s.n && strchr(" \t\r\n", s.p[after]))
			after++;
		*rest = slice_drop(s, end + 1);
		*ret = slice_take(s, end);
		if (after >= s.n || s.p[after] != ':')
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

static bool ring_has(const struct ring *r, uint64_t value)
{
	for (unsigned i = 0; i < r->n; i++) {
		const struct secret *s = &r->secrets[i];

		if (s->n_runs && bsearch(&value, s->runs, s->n_runs, sizeof(value), compare))
			return true;
	}
	return false;
}

static bool is_secret(const struct mask *m, uint64_t run)
{
	unsigned bit = bit_of(m, run);
	uint64_t value;

	if (!(m->filter[bit / 64] >> bit % 64 & 1))
		return false;
	value = value_of(run, bit);
	return ring_has(&m->ours, value) || ring_has(&m->cookies, value) ||
	       ring_has(&m->client_id, value);
}

static bool is_inside(const char *text, size_t i, size_t n)
{
	return i < n && (text[i] & 0xc0) == 0x80;
}

/* Overwrites only whole characters, so that the text remains valid UTF-8. */
static void overwrite(char *text, size_t n, size_t start, size_t end)
{
	while (start < end && is_inside(text, start, n))
		start++;
	while (end > start && is_inside(text, end, n))
		end--;
	memset(text + start, '*', end - start);
}

/* The last decoded bytes of a text, and the position of each in the text. */
enum { LAST = 16 };
struct scan {
	const struct mask *m;
	char *text;
	size_t n;
	uint64_t run;
	size_t count;                   /* bytes so far */
	char bytes[LAST];
	size_t at[LAST];
	size_t start, end;              /* the range to overwrite, as far as it is known */
};

/* Adds a range to overwrite. */
static void add_range(struct scan *s, size_t start, size_t end)
{
	if (start > s->end) {
		overwrite(s->text, s->n, s->start, s->end);
		s->start = start;
	}
	/* a short secret may be found before a run that contains it */
	if (start < s->start)
		s->start = start;
	if (end > s->end)
		s->end = end;
}

static bool is_of_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Looks for short secrets, which match whole words only; the last word ended before `end`. */
static void find_short(struct scan *s, size_t end)
{
	const struct ring *r = &s->m->ours;

	for (unsigned i = 0; i < r->n; i++) {
		size_t n = r->secrets[i].length;
		char last[MASK_RUN];

		if (n >= MASK_RUN || n > s->count ||
		    (n < s->count && is_of_word(s->bytes[(s->count - n - 1) % LAST])))
			continue;
		for (size_t k = 0; k < n; k++)
			last[k] = s->bytes[(s->count - n + k) % LAST];
		if (strmap_hash(slice_make(last, n)) == r->secrets[i].hash)
			add_range(s, s->at[(s->count - n) % LAST], end);
	}
}

/* Handles one decoded byte, which the text contains from `at` to `end`. */
static void scan_byte(struct scan *s, char byte, size_t at, size_t end)
{
	if (s->m->n_short && !is_of_word(byte))
		find_short(s, at);
	s->bytes[s->count % LAST] = byte;
	s->at[s->count++ % LAST] = at;
	s->run = s->run << 8 | (unsigned char)byte;
	if (s->count >= MASK_RUN && is_secret(s->m, s->run))
		add_range(s, s->at[(s->count - MASK_RUN) % LAST], end);
}

static void scan(const struct mask *m, char *text, size_t n, unsigned decode)
{
	struct scan s = {.m = m, .text = text, .n = n};

	for (size_t i = 0; i < n;) {
		struct mask_unit u = mask_decode(slice_make(text + i, n - i), decode);

		for (unsigned k = 0; k < u.n; k++)
			scan_byte(&s, u.bytes[k], i, i + u.length);
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

/* Whether the text may contain a secret; a quick check before it is parsed. */
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

enum { DATA, SUCCESSFUL, ERROR, ROUTING };
/* From ROUTING on: routing fields are never masked, because a password equal to "handshake" must not change
   how a message is parsed. */
static const struct json_field message_fields[] = {
	[DATA] = {.name = "data"}, [SUCCESSFUL] = {.name = "successful"}, [ERROR] = {.name = "error"},
	[ROUTING] = {.name = "channel"}, {.name = "subscription"}, {.name = "id"}, {.name = "clientId"},
	{.name = "advice"}, {.name = "supportedConnectionTypes"}, {.name = "version"},
	{.name = "minimumVersion"}, {.name = "timestamp"},
};
enum { FIELDS = sizeof(message_fields) / sizeof(message_fields[0]) };

static bool is_in_routing_field(const struct json_field *fields, const char *p)
{
	for (int i = ROUTING; i < FIELDS; i++) {
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
		if (!is_in_routing_field(fields, string.p))
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
