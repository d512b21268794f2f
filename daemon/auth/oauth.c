/*
 * Owns the requests to a token server, and the newest refresh token. A request ends
 * within its deadline, follows no redirect, and sends no cookie of another server. No
 * error text contains a secret, even if the token server repeats one.
 */
#include "auth/oauth.h"

#include "auth/file_sync.h"
#include "auth/jwt.h"
#include "auth/secret_file.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/strmap.h"
#include "net/form.h"
#include "net/http_post.h"
#include "protocol/json_read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

#define ANSWER_MAX (64u << 10)
#define FORM_MAX (128u << 10)
#define KEY_MAX (32u << 10)
#define TEXT_MAX 1024
/* of it is kept, without any part of a secret */
#define REASON_MAX 255
#define HEADER_MAX (AUTH_SECRET_MAX / 3 * 4 + 64)

struct oauth {
	struct auth_source source;
	struct loop *loop;
	struct curl_loop *curl;
	struct http_client *client;
	struct http_post *post;         /* while a request is in flight */
	struct loop_timer *deadline;
	enum oauth_grant grant;
	enum oauth_client_auth client_auth;
	uint64_t jwt_lifetime, timeout;
	char *url, *client_id, *secret_path, *refresh_path;
	char *key_path, *key_id, *issuer, *subject, *audience;
	struct buf fixed;               /* the fields that every form contains */
	struct auth_secret reading, access;
	struct auth_secret refresh;     /* the newest one; n is 0 before the first */
	uint64_t refresh_read;          /* the hash of the one in the file; 0: not read yet */
	struct auth_secret refresh_new;
	struct file_sync *sync;         /* of the refresh token written last */
	char header[HEADER_MAX];        /* of the request in flight; empty: none */
	struct fault why;
};

static int fail(struct oauth *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the reason of a failure to o->why, with secrets masked. Returns -1. */
static int fail(struct oauth *o, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* masked before it is cut, because a part of a secret could not be found */
	mask_text(http_client_mask(o->client), text, strlen(text));
	struct slice brief = slice_take(slice_of(text), REASON_MAX);
	fault_set(&o->why, "%.*s", (int)utf8_whole(brief), brief.p);
	return -1;
}

static int mask(struct oauth *o, struct slice secret)
{
	return mask_add(http_client_mask(o->client), secret);
}

/* --- client authentication --- */

/* Makes o->header of "ID:SECRET", each encoded (RFC 6749 2.3.1). */
static int put_basic(struct oauth *o, struct slice secret)
{
	CLEANUP(buf_fini) struct buf pair;
	int r;

	buf_init_secret(&pair, AUTH_SECRET_MAX);
	r = form_put_text(&pair, slice_of(o->client_id));
	if (!r)
		r = buf_putc(&pair, ':');
	if (!r)
		r = form_put_text(&pair, secret);
	if (!r && auth_answer_line(buf_slice(&pair), &o->reading))
		r = -EMSGSIZE;
	if (!r && auth_answer_header(AUTH_BASIC, NULL, &o->reading, o->header, HEADER_MAX))
		r = -EMSGSIZE;
	auth_secret_wipe(&o->reading);
	return r;
}

static int put_client(struct oauth *o, struct buf *form)
{
	struct slice secret;
	int r = 0;

	if (o->secret_path && auth_read_line(o->secret_path, &o->reading, &o->why))
		return -1;
	secret = slice_make(o->reading.text, o->secret_path ? o->reading.n : 0);
	r = mask(o, secret);
	if (!r && secret.n && o->client_auth == OAUTH_BASIC) {
		struct auth_secret copy = o->reading;

		r = put_basic(o, slice_make(copy.text, copy.n));
		auth_secret_wipe(&copy);
		return r ? fail(o, "%s: %s", o->secret_path, strerror(-r)) : 0;
	}
	if (!r && o->client_id)
		r = form_put(form, "client_id", slice_of(o->client_id));
	if (!r && secret.n)
		r = form_put(form, "client_secret", secret);
	return r ? fail(o, "the form: %s", strerror(-r)) : 0;
}

/* --- the grant --- */

/* Uses the token of the file if the file has changed since it was read, otherwise the last one from the server. */
static int choose_refresh(struct oauth *o)
{
	uint64_t hash;

	if (auth_read_line(o->refresh_path, &o->reading, &o->why))
		return o->refresh.n ? 0 : -1;
	hash = strmap_hash(slice_make(o->reading.text, o->reading.n));
	if (hash != o->refresh_read)
		o->refresh = o->reading;
	o->refresh_read = hash;
	return 0;
}

static int put_refresh(struct oauth *o, struct buf *form)
{
	struct slice token;
	int r = choose_refresh(o);

	auth_secret_wipe(&o->reading);
	if (r)
		return r;
	token = slice_make(o->refresh.text, o->refresh.n);
	r = mask(o, token);
	if (!r)
		r = form_put(form, "refresh_token", token);
	return r ? fail(o, "the form: %s", strerror(-r)) : 0;
}

static int put_assertion(struct oauth *o, struct buf *form)
{
	CLEANUP(buf_fini) struct buf key, token;
	char id[33];
	uint64_t random[2];
	const struct auth_jwt jwt = {
		.key_id = o->key_id, .issuer = o->issuer, .subject = o->subject,
		.audience = o->audience, .id = id, .issued = clock_unix_ms() / 1000,
		.lifetime = o->jwt_lifetime / 1000};
	const char *fault;

	buf_init_secret(&token, FORM_MAX / 4);
	if (auth_read_file(o->key_path, KEY_MAX, &key, &o->why))
		return -1;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return fail(o, "cannot get random numbers: %s", strerror(errno));
	snprintf(id, sizeof(id), "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
	fault = auth_jwt_put(&jwt, buf_slice(&key), &token);
	if (fault)
		return fail(o, "%s: %s", o->key_path, fault);
	if (mask(o, buf_slice(&token)) || form_put(form, "assertion", buf_slice(&token)))
		return fail(o, "out of memory");
	return 0;
}

static int put_form(struct oauth *o, struct buf *form)
{
	int r;

	o->header[0] = 0;
	if (buf_put(form, buf_slice(&o->fixed)))
		return fail(o, "out of memory");
	r = put_client(o, form);
	auth_secret_wipe(&o->reading);
	if (!r && o->grant == OAUTH_REFRESH_TOKEN)
		r = put_refresh(o, form);
	if (!r && o->grant == OAUTH_JWT_BEARER)
		r = put_assertion(o, form);
	return r;
}

/* --- the answer of the token server --- */

/* Decodes the string; returns it unchanged if there is no memory. */
static struct slice text_of(const struct json_value *v, struct buf *scratch)
{
	struct slice text = SLICE_NULL;

	return v->kind != JSON_STRING || json_text(v, scratch, &text) ? v->raw : text;
}

/* Whether the answer is an error (RFC 6749 5.2); if so, writes it to o->why. */
static bool is_error(struct oauth *o, const struct http_result *r)
{
	struct json_field fields[] = {{.name = "error"}, {.name = "error_description"}};
	CLEANUP(buf_fini) struct buf code, words;

	buf_init_secret(&code, TEXT_MAX);
	buf_init_secret(&words, ANSWER_MAX);
	if (json_read_object(r->body, fields, 2, false, NULL) ||
	    fields[0].value.kind != JSON_STRING)
		return false;
	struct slice description = text_of(&fields[1].value, &words);
	fail(o, "the token server refused: %.*s%s%.*s (HTTP %u)",
	     SLICE_ARG(slice_take(text_of(&fields[0].value, &code), 200)),
	     description.n ? ": " : "", SLICE_ARG(slice_take(description, 600)), r->status);
	return true;
}

static void log_unwritten(struct oauth *o, int error, const char *what)
{
	log_msg(LOG_L_ERROR,
		LOG_FIELDS({"file", slice_of(o->refresh_path)}, {"error", slice_of(strerror(-error))}),
		"%s", what);
}

static void on_synced(void *ctx, int error)
{
	struct oauth *o = ctx;

	file_sync_free(TAKE(o->sync));
	if (error)
		log_unwritten(o, error, "the new refresh token may not be on the disk; if the machine loses "
			      "power, the file has no valid token");
}

/* The server accepts only the new token from now on, so it must be on the disk. Waiting for the disk would block
   all sessions, so it is synced in the background. */
static int write_refresh(struct oauth *o, struct slice token)
{
	int r = file_replace(o->refresh_path, token);

	if (r)
		return r;
	file_sync_free(TAKE(o->sync));
	r = file_sync_new(o->loop, o->refresh_path, on_synced, o, &o->sync);
	if (r)
		on_synced(o, r);
	return 0;
}

static void keep_refresh(struct oauth *o)
{
	struct slice token = slice_make(o->refresh_new.text, o->refresh_new.n);
	int r;

	o->refresh = o->refresh_new;
	r = write_refresh(o, token);
	if (r)
		log_unwritten(o, r, "the new refresh token cannot be written; after a restart the file has no "
			      "valid token");
	else
		o->refresh_read = strmap_hash(token);
}

/* 0: the token is in o->access. Otherwise the reason is in o->why. */
static int judge(struct oauth *o, const struct http_result *r)
{
	const char *fault;

	if (r->outcome != HTTP_ANSWERED)
		return fail(o, "the token server: %.*s", SLICE_ARG(r->reason));
	/* some servers send errors with status 200 */
	if (is_error(o, r))
		return -1;
	if (r->status != 200)
		return fail(o, "the token server answered HTTP %u%s", r->status,
			    r->status / 100 == 3 ? ", a redirect, which is not followed" : "");
	fault = auth_answer_token(r->body, &o->access, &o->refresh_new);
	if (fault)
		return fail(o, "the token server's answer: %s", fault);
	if (o->refresh_new.n && o->grant == OAUTH_REFRESH_TOKEN)
		keep_refresh(o);
	return 0;
}

static void finish(struct oauth *o)
{
	loop_timer_stop(o->deadline);
	http_post_free(TAKE(o->post));
	explicit_bzero(o->header, sizeof(o->header));
}

static void on_done(void *ctx, const struct http_result *r)
{
	struct oauth *o = ctx;
	struct auth_fetched f = {.retry_after = r->retry_after};

	if (judge(o, r))
		f.why = o->why.text;
	else
		f.secret = &o->access;
	finish(o);
	o->source.fetched(o->source.ctx, &f);
	auth_secret_wipe(&o->access);
	auth_secret_wipe(&o->refresh_new);
}

static void on_deadline(void *ctx)
{
	struct oauth *o = ctx;
	const struct auth_fetched f = {.why = "the token server did not answer in time"};

	finish(o);
	o->source.fetched(o->source.ctx, &f);
}

/* --- the request --- */

static int start(struct oauth *o, struct slice form)
{
	int r = http_post_new(o->curl, o->client, on_done, o, &o->post);

	if (r)
		return fail(o, "%s", strerror(-r));
	http_post_forms(o->post);
	r = http_post_start(o->post, o->url, form);
	if (r)
		return fail(o, "the token server: %s", http_post_reason(o->post));
	loop_timer_at(o->deadline, loop_now(o->loop) + o->timeout);
	return 0;
}

static int oauth_fetch(struct auth_source *s, struct fault *why)
{
	struct oauth *o = LIST_OF(s, struct oauth, source);
	CLEANUP(buf_fini) struct buf form;
	int r;

	buf_init_secret(&form, FORM_MAX);
	r = put_form(o, &form);
	if (!r)
		r = start(o, buf_slice(&form));
	if (r) {
		finish(o);
		*why = o->why;
	}
	return r;
}

/* --- life --- */

static void oauth_free(struct auth_source *s)
{
	struct oauth *o = LIST_OF(s, struct oauth, source);
	char *const owned[] = {o->url, o->client_id, o->secret_path, o->refresh_path, o->key_path,
			       o->key_id, o->issuer, o->subject, o->audience};

	http_post_free(o->post);
	file_sync_free(o->sync);
	http_client_free(o->client);
	loop_timer_free(o->deadline);
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	buf_fini(&o->fixed);
	explicit_bzero(o, sizeof(*o));
	free(o);
}

static const struct auth_source_type oauth_type = {oauth_fetch, oauth_free};

static const char *basic_header(void *ctx)
{
	struct oauth *o = ctx;

	return o->header[0] ? o->header : NULL;
}

static int make_client(struct oauth *o, const struct http_options *from)
{
	static const char *const headers[] = {"Accept: application/json"};
	struct http_options http;
	int r;

	/* copied one by one: other options of the Bayeux server, such as redirects, do not apply here */
	http_options_default(&http);
	http.headers = (struct strings){headers, 1};
	http.ca_file = from->ca_file;
	http.insecure = from->insecure;
	http.tls_min = from->tls_min;
	http.cert_file = from->cert_file;
	http.key_file = from->key_file;
	http.pin = from->pin;
	http.connect_timeout = from->connect_timeout;
	http.body_max = ANSWER_MAX;
	if (strncasecmp(o->url, "http:", 5) != 0) {
		http.proxy = from->proxy;
		http.proxy_ca_file = from->proxy_ca_file;
		http.proxy_login_file = from->proxy_login_file;
		http.no_proxy = from->no_proxy;
	}
	r = http_client_new(&http, &o->client);
	if (!r)
		http_client_set_credential(o->client, (struct http_credential){basic_header, o});
	return r;
}

static int put_fixed(struct oauth *o, const struct auth_oauth_options *from)
{
	static const char *const grants[] = {
		[OAUTH_CLIENT_CREDENTIALS] = "client_credentials",
		[OAUTH_REFRESH_TOKEN] = "refresh_token",
		[OAUTH_JWT_BEARER] = "urn:ietf:params:oauth:grant-type:jwt-bearer"};
	int r = form_put(&o->fixed, "grant_type", slice_of(grants[from->grant]));

	for (size_t i = 0; !r && i < from->parameters.n; i++) {
		const char *value = strchr(from->parameters.v[i], '=');
		struct slice name = slice_of(from->parameters.v[i]);

		name.n = value ? (size_t)(value - name.p) : name.n;
		r = buf_putc(&o->fixed, '&');
		if (!r)
			r = form_put_text(&o->fixed, name);
		if (!r)
			r = buf_putc(&o->fixed, '=');
		if (!r && value)
			r = form_put_text(&o->fixed, slice_of(value + 1));
	}
	return r;
}

static const char *first_of(const char *a, const char *b)
{
	return a ? a : b;
}

static int copy_texts(struct oauth *o, const struct auth_oauth_options *from)
{
	const char *issuer = first_of(from->jwt_issuer, from->client_id);
	const struct {
		const char *from;
		char **to;
	} texts[] = {{from->url, &o->url}, {from->client_id, &o->client_id},
		     {from->refresh_file, &o->refresh_path}, {from->jwt_key_file, &o->key_path},
		     {from->jwt_key_id, &o->key_id}, {issuer, &o->issuer},
		     {first_of(from->jwt_subject, issuer), &o->subject},
		     {first_of(from->jwt_audience, from->url), &o->audience}};
	int r = auth_copy(from->secret_file, &o->secret_path);

	for (size_t i = 0; !r && i < sizeof(texts) / sizeof(texts[0]); i++)
		r = auth_copy(texts[i].from, texts[i].to);
	return r;
}

int auth_oauth_new(struct loop *loop, struct curl_loop *curl, const struct auth_oauth_options *from,
		   struct auth_source **ret)
{
	struct oauth *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->source.type = &oauth_type;
	o->loop = loop;
	o->curl = curl;
	o->grant = from->grant;
	o->client_auth = from->client_auth;
	o->jwt_lifetime = from->jwt_lifetime;
	o->timeout = from->timeout;
	buf_init(&o->fixed, FORM_MAX / 2);
	r = copy_texts(o, from);
	if (!r)
		r = put_fixed(o, from);
	if (!r)
		r = loop_timer_new(loop, on_deadline, o, &o->deadline);
	if (!r)
		r = make_client(o, from->http);
	if (r) {
		oauth_free(&o->source);
		return r;
	}
	*ret = &o->source;
	return 0;
}
