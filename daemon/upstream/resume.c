/*
 * Writes and reads the snapshots in the store: that of the session with the cookies of its server, which a session is
 * bound to, and the options it was made with.
 */
#include "upstream/resume.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/log.h"
#include "bayeux/saved.h"
#include "protocol/json_write.h"

#include <errno.h>

#define VERSION 1u
/* the pause between two snapshots: this, and a second more for each so many bytes of the last one */
#define SAVE_MS 1000u
#define SAVE_BYTES (256u << 10)
/* the same, in ms, for one that an acknowledgement waits for: a large one must not be written all the time */
#define HELD_BYTES (16u << 10)
#define COOKIES_TEXT_MAX (2u << 20)

enum { FIELD_VERSION, FIELD_OPTIONS, FIELD_EXACT, FIELD_COOKIES, FIELD_SESSION, FIELDS };
static const char *const names[] = {
	[FIELD_VERSION] = "version", [FIELD_OPTIONS] = "options", [FIELD_EXACT] = "exact",
	[FIELD_COOKIES] = "cookies", [FIELD_SESSION] = "session",
};

static bool is_committed(const struct resume *r)
{
	return !r->write || store_committed(r->store) >= r->write;
}

static void on_commit(void *ctx)
{
	struct resume *r = ctx;

	if (r->write && is_committed(r))
		wake_up(&r->committed);
}

void resume_init(struct resume *r, struct store *store, const char *server, struct wake committed)
{
	struct store_info info = {.state = STORE_MEMORY};

	if (store)
		store_info(store, &info);
	*r = (struct resume){.store = info.state == STORE_MEMORY ? NULL : store, .server = server,
			     .changes = UINT64_MAX, .committed = committed};
	list_init(&r->listener.link);
	if (r->store)
		store_listen(r->store, &r->listener, on_commit, r);
}

void resume_fini(struct resume *r)
{
	if (r->store)
		store_unlisten(&r->listener);
	r->store = NULL;
}

void resume_exchanged(struct resume *r)
{
	r->changes = UINT64_MAX;
	r->at = r->held_at = r->write = r->saved = r->safe = 0;
	r->holds = false;
}

/* ---- what may be acknowledged ---- */

void resume_hold(struct resume *r, const struct parts *parts)
{
	if (!r->store || r->holds || store_is_volatile(r->store))
		return;
	r->holds = true;
	session_hold_ack(parts->session, r->safe);
}

void resume_settle(struct resume *r, const struct parts *parts, bool more)
{
	if (!r->store)
		return;
	if (r->write && is_committed(r)) {
		r->safe = r->saved;
		r->write = 0;
		more |= session_snapshot_is_partial(parts->session);
	} else if (!store_is_volatile(r->store)) {
		return;
	} else {
		more = false;
	}
	r->holds &= more;
	session_hold_ack(parts->session, r->holds ? r->safe : UINT64_MAX);
}

/* ---- saving ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* 0; SESSION_E_NONE: there is no session; -errno. */
static int write_snapshot(const struct parts *parts, uint64_t now, bool exact, struct buf *out, uint64_t *ret_until)
{
	CLEANUP(buf_fini) struct buf cookies, session;
	struct json_write w;

	buf_init_secret(&cookies, COOKIES_TEXT_MAX);
	buf_init_secret(&session, SESSION_SNAPSHOT_MAX);
	int r = session_save(parts->session, now, &session, ret_until);
	if (r == 0)
		r = cookie_jar_export(parts->cookies, &cookies);
	if (r)
		return r;
	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, names[FIELD_VERSION]), json_put_u64(&w, VERSION);
	json_key(&w, names[FIELD_OPTIONS]), json_put_u64(&w, parts->fingerprint);
	json_key(&w, names[FIELD_EXACT]), json_put_bool(&w, exact);
	json_key(&w, names[FIELD_COOKIES]), json_put_text(&w, buf_slice(&cookies));
	json_key(&w, names[FIELD_SESSION]), json_put_raw(&w, buf_slice(&session));
	json_object_end(&w);
	return json_write_done(&w);
}

/* There is no session that a later process could go on with. */
static void forget(struct resume *r)
{
	uint64_t write;

	if (r->stored && store_put_session(r->store, slice_of(r->server), NULL, &write) == 0)
		r->stored = false;
}

static void note_write(struct resume *r, const struct parts *parts, uint64_t write)
{
	r->write = write;
	r->saved = session_delivered(parts->session);
	if (session_snapshot_is_partial(parts->session))
		resume_hold(r, parts);
}

static bool save(struct resume *r, const struct parts *parts, uint64_t now, bool exact)
{
	CLEANUP(buf_fini) struct buf text;
	struct store_session session;
	uint64_t write;

	buf_init_secret(&text, 2 * SESSION_SNAPSHOT_MAX);
	int error = write_snapshot(parts, now, exact, &text, &session.until);
	session.snapshot = buf_slice(&text);
	if (error == 0)
		error = store_put_session(r->store, slice_of(r->server), &session, &write);
	r->stored |= error == 0;
	r->changes = session_changes(parts->session);
	r->at = now + SAVE_MS + buf_len(&text) / SAVE_BYTES * 1000;
	r->held_at = now + buf_len(&text) / HELD_BYTES;
	if (error == 0)
		note_write(r, parts, write);
	/* an old one must not be used after this one could not be written */
	if (error)
		forget(r);
	return error == 0;
}

uint64_t resume_due(const struct resume *r, const struct parts *parts, uint64_t now, bool urgent)
{
	if (!r->store)
		return UINT64_MAX;
	if (r->left)
		return urgent ? now : UINT64_MAX;
	urgent |= session_ack_is_held(parts->session) && r->saved != session_delivered(parts->session);
	if (r->changes == session_changes(parts->session) && !urgent)
		return UINT64_MAX;
	if (!urgent)
		return later(now, r->at);
	/* the commit of the one before wakes us */
	return is_committed(r) ? later(now, r->held_at) : UINT64_MAX;
}

void resume_save(struct resume *r, const struct parts *parts, uint64_t now)
{
	if (!r->left && r->changes != session_changes(parts->session))
		save(r, parts, now, false);
}

bool resume_leave(struct resume *r, const struct parts *parts, uint64_t now)
{
	if (!r->store || store_is_volatile(r->store))
		return false;
	r->left = save(r, parts, now, true);
	return r->left;
}

/* ---- restoring ---- */

static int import_cookies(const struct parts *parts, const struct json_value *v)
{
	CLEANUP(buf_fini) struct buf scratch;
	struct slice text;

	buf_init_secret(&scratch, COOKIES_TEXT_MAX);
	int r = v->kind == JSON_STRING ? json_text(v, &scratch, &text) : SAVED_E_INVALID;
	return r ? r : cookie_jar_import(parts->cookies, text);
}

/* 0 or the reason why not, in words. */
static const char *restore(const struct parts *parts, uint64_t now, struct slice snapshot)
{
	const struct json_value all = {JSON_OBJECT, snapshot};
	struct json_field f[FIELDS] = {{.name = NULL}};
	uint64_t version = 0, options = 0;
	bool exact = false;

	for (int i = 0; i < FIELDS; i++)
		f[i].name = names[i];
	int r = saved_object(&all, f, FIELDS);
	if (r == 0)
		r = saved_u64(&f[FIELD_VERSION].value, UINT64_MAX, &version);
	if (r == 0)
		r = saved_u64(&f[FIELD_OPTIONS].value, UINT64_MAX, &options);
	if (r == 0)
		r = saved_bool(&f[FIELD_EXACT].value, &exact);
	if (r == 0 && version != VERSION)
		return "it was saved by another version of cometd-bridge";
	if (r == 0 && options != parts->fingerprint)
		return "options of the server have changed";
	if (r == 0 && f[FIELD_SESSION].value.kind != JSON_OBJECT)
		r = SAVED_E_INVALID;
	if (r == 0)
		r = session_restore(parts->session, now, f[FIELD_SESSION].value.raw, exact);
	if (r == 0)
		r = import_cookies(parts, &f[FIELD_COOKIES].value);
	return r == 0 ? NULL : r < 0 ? "out of memory" : "it cannot be read";
}

void resume_restore(struct resume *r, const struct parts *parts, uint64_t now)
{
	struct slice server = slice_of(r->server);
	uint64_t unix_ms = clock_unix_ms();
	struct store_session session;

	if (!r->store)
		return;
	r->stored = store_session(r->store, server, 0, &session);
	if (!store_session(r->store, server, unix_ms, &session)) {
		forget(r);
		return;
	}
	session_wall_clock(parts->session, now, unix_ms);
	const char *why = restore(parts, now, session.snapshot);
	if (!why && session_snapshot_is_partial(parts->session))
		resume_hold(r, parts);
	if (!why) {
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", server}), SESSION_RESUMES);
		return;
	}
	log_msg(LOG_L_NOTICE, LOG_FIELDS({"server", server}, {"reason", slice_of(why)}),
		"the session of before the restart cannot be continued; a new one is made");
	forget(r);
}
