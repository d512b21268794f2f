/*
 * Owns the credential of one server, and decides when to fetch it. There is one fetch
 * at a time, and a pause after each failed one. A failed fetch does not remove the
 * credential in use.
 */
#include "auth/auth.h"

#include "auth/ext_place.h"
#include "auth/secret_file.h"
#include "base/backoff.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* a new one is fetched when a tenth of the lifetime is left, but at most this long before the end */
#define EARLY_MAX_MS 300000u
#define LINE_MAX_BYTES (AUTH_SECRET_MAX / 3 * 4 + 512)
#define NEVER UINT64_MAX

struct auth {
	struct loop *loop;
	char *name, *header, *path;     /* path: of the file; NULL if there is a source */
	enum auth_kind kind;
	struct auth_source *source;
	uint64_t lifetime;
	struct backoff backoff;
	struct jitter jitter;

	struct list waiters;
	struct loop_timer *timer;       /* for the next fetch: at the end of a pause, or before expiry */
	struct loop_hook hook;          /* calls waiters, or starts a fetch, from the loop */
	bool starting;                  /* the hook starts a fetch */
	bool fetching;
	bool pausing;                   /* after a failure */
	uint64_t good_until;            /* 0: there is none, or it was rejected */
	struct stat seen;               /* the file, when it was last read */
	char line[LINE_MAX_BYTES];      /* the header; empty: no credential was fetched yet */
	char made[LINE_MAX_BYTES];      /* the header being made */
	struct auth_secret secret;      /* the secret being read */
	struct fault why;
	struct fault logged;            /* the failure logged last, since the last success */
};

/* --- the result of a fetch --- */

static void notify_waiters(struct auth *a, const char *why)
{
	struct list called;

	/* a separate list: a waiter that waits again in its callback must not be called again now */
	list_init(&called);
	while (!list_empty(&a->waiters)) {
		struct list *first = a->waiters.next;

		list_remove(first);
		list_append(&called, first);
	}
	while (!list_empty(&called)) {
		struct auth_waiter *w = LIST_OF(called.next, struct auth_waiter, link);

		list_remove(&w->link);
		if (why)
			list_append(&a->waiters, &w->link);
		w->fn(w->ctx, why);
	}
}

/* A failure that repeats is logged only once. */
static enum log_level level_of(struct auth *a, const char *why)
{
	if (strncmp(a->logged.text, why, sizeof(a->logged.text) - 1) == 0)
		return LOG_L_DEBUG;
	fault_set(&a->logged, "%s", why);
	return LOG_L_WARNING;
}

static void failed(struct auth *a, const char *why, uint64_t retry_after)
{
	uint64_t pause = backoff_next(&a->backoff, &a->jitter);
	enum log_level level = level_of(a, why);

	a->fetching = false;
	a->pausing = true;
	if (pause < retry_after)
		pause = retry_after;
	loop_timer_at(a->timer, loop_now(a->loop) + pause);
	log_msg(level, LOG_FIELDS({"server", slice_of(a->name)}, {"reason", slice_of(why)}),
		"no new credential");
	notify_waiters(a, why);
}

/* Makes this secret the current credential. NULL, or what is wrong with it. */
static const char *use_secret(struct auth *a, const struct auth_secret *s)
{
	const char *fault = auth_answer_header(a->kind, a->header, s, a->made, sizeof(a->made));
	uint64_t life = s->lifetime ? s->lifetime : a->lifetime;

	if (!fault)
		memcpy(a->line, a->made, sizeof(a->line));
	explicit_bzero(a->made, sizeof(a->made));
	if (fault)
		return fault;
	a->good_until = life ? loop_now(a->loop) + life : NEVER;
	return NULL;
}

/* When to fetch the next credential, before this one expires. A source that reports a very short lifetime is not
   used more often than one that fails. */
static uint64_t refresh_at(const struct auth *a)
{
	uint64_t now = loop_now(a->loop);

	if (a->good_until == NEVER)
		return NEVER;
	uint64_t life = a->good_until - now;
	uint64_t early = life / 10 < EARLY_MAX_MS ? life / 10 : EARLY_MAX_MS;
	return now + (life - early > a->backoff.min ? life - early : a->backoff.min);
}

static void succeeded(struct auth *a)
{
	a->fetching = a->pausing = false;
	fault_clear(&a->logged);
	backoff_reset(&a->backoff);
	loop_timer_at(a->timer, refresh_at(a));
	log_msg(LOG_L_DEBUG, LOG_FIELDS({"server", slice_of(a->name)}), "a credential was fetched");
	notify_waiters(a, NULL);
}

static void on_fetched(void *ctx, const struct auth_fetched *f)
{
	struct auth *a = ctx;
	const char *fault = f->secret ? use_secret(a, f->secret) : f->why;

	if (fault)
		failed(a, fault, f->retry_after);
	else
		succeeded(a);
}

/* --- files --- */

static void close_fdp(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* O_NONBLOCK: opening a fifo would block the daemon. */
static int read_text(struct auth *a, char *text, size_t size, size_t *ret_n)
{
	CLEANUP(close_fdp) int fd = open(a->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = 1;

	*ret_n = 0;
	if (fd < 0 || fstat(fd, &a->seen) < 0)
		return -errno;
	if (!S_ISREG(a->seen.st_mode))
		return -EINVAL;
	while (n > 0 && *ret_n < size) {
		n = read(fd, text + *ret_n, size - *ret_n);
		*ret_n += n > 0 ? (size_t)n : 0;
	}
	return n < 0 ? -errno : 0;
}

/* NULL, or what is wrong. */
static const char *read_file(struct auth *a)
{
	char text[AUTH_SECRET_MAX + 4096];
	const char *fault = NULL;
	size_t n;
	int r = read_text(a, text, sizeof(text), &n);

	if (r == 0) {
		fault = auth_answer_parse(slice_make(text, n), &a->secret);
		if (!fault)
			fault = use_secret(a, &a->secret);
	}
	explicit_bzero(text, sizeof(text));
	auth_secret_wipe(&a->secret);
	if (!r && !fault)
		return NULL;
	fault_set(&a->why, "%s: %s", a->path, r ? strerror(-r) : fault);
	return a->why.text;
}

static bool has_changed(const struct auth *a)
{
	struct stat st;

	return stat(a->path, &st) == 0 && !file_same(&st, &a->seen);
}

/* The line of the newest credential, or NULL. */
static const char *newest(struct auth *a)
{
	/* a failure is ignored: the file may be half written, and is read again with the next request */
	if (a->path && a->line[0] && has_changed(a))
		read_file(a);
	return a->line[0] ? a->line : NULL;
}

const char *auth_header(void *ctx)
{
	struct auth *a = ctx;

	return a->kind == AUTH_EXT ? NULL : newest(a);
}

bool auth_is_ext(const struct auth *a)
{
	return a->kind == AUTH_EXT;
}

int auth_put_ext(struct auth *a, struct slice object, struct buf *out)
{
	const char *secret = a->kind == AUTH_EXT ? newest(a) : NULL;

	return secret ? ext_place(object, a->header, slice_of(secret), out) : 0;
}

/* --- fetching --- */

static void on_hook(void *ctx)
{
	struct auth *a = ctx;
	const char *fault = NULL;

	if (!a->starting) {
		if (loop_now(a->loop) < a->good_until)
			notify_waiters(a, NULL);
		return;
	}
	a->starting = false;
	if (a->source) {
		if (auth_source_fetch(a->source, &a->why))
			failed(a, a->why.text, 0);
		return;
	}
	fault = read_file(a);
	if (fault)
		failed(a, fault, 0);
	else
		succeeded(a);
}

static void fetch(struct auth *a)
{
	if (a->fetching)
		return;
	a->fetching = a->starting = true;
	a->pausing = false;
	loop_timer_stop(a->timer);
	loop_at_end(a->loop, &a->hook);
}

static void on_timer(void *ctx)
{
	fetch(ctx);
}

void auth_get(struct auth *a, struct auth_waiter *w)
{
	if (!list_linked(&w->link))
		list_append(&a->waiters, &w->link);
	if (loop_now(a->loop) < a->good_until)
		loop_at_end(a->loop, &a->hook);
	else if (!a->pausing)
		fetch(a);
}

void auth_invalidate(struct auth *a)
{
	a->good_until = 0;
}

/* --- life --- */

static int make(struct auth *a, const struct auth_options *o)
{
	uint64_t seed;
	int r = auth_copy(o->name, &a->name);

	if (!r)
		r = auth_copy(o->header, &a->header);
	if (!r && !o->source)
		r = auth_copy(o->file, &a->path);
	if (!r)
		r = loop_timer_new(a->loop, on_timer, a, &a->timer);
	if (r)
		return r;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	jitter_init(&a->jitter, seed);
	backoff_init(&a->backoff, o->backoff_min, o->backoff_max);
	return 0;
}

DEFINE_FREEP(auth, auth_free)

int auth_new(struct loop *loop, const struct auth_options *o, struct auth **ret)
{
	CLEANUP(auth_freep) struct auth *a = calloc(1, sizeof(*a));

	if (!a) {
		auth_source_free(o->source);
		return -ENOMEM;
	}
	a->loop = loop;
	a->kind = o->kind;
	a->lifetime = o->lifetime;
	a->source = o->source;
	list_init(&a->waiters);
	loop_hook_init(&a->hook, on_hook, a);
	if (a->source) {
		a->source->fetched = on_fetched;
		a->source->ctx = a;
	}
	int r = make(a, o);
	if (r)
		return r;
	*ret = TAKE(a);
	return 0;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	loop_hook_cancel(&a->hook);
	loop_timer_free(a->timer);
	auth_source_free(a->source);
	free(a->name);
	free(a->header);
	free(a->path);
	explicit_bzero(a, sizeof(*a));
	free(a);
}
