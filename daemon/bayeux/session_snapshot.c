/*
 * Saves what another process needs to go on with the session at the server, as a JSON object, and goes on with it.
 * Each part of the session writes and reads a value of its own. A snapshot that is not exactly as it was written is
 * refused, and the session is then as if there had been none.
 */
#include "bayeux/ext_ack.h"
#include "bayeux/ext_replay.h"
#include "bayeux/saved.h"
#include "bayeux/session_core.h"

#include "base/errors.h"
#include "protocol/json_write.h"

#include <errno.h>

/* of the format: another one is refused */
#define VERSION 1u
/* channels that no peer has asked for again are unsubscribed after this time */
#define UNCLAIMED_MS 30000u
/* The ids of this process begin about so far after the saved one, because the earlier process may have used
   some since; the number is random so that two processes that began with one snapshot do not use the same. */
#define ID_STRIDE (1ull << 41)
#define ID_MAX (UINT64_MAX / 2)

enum { FIELD_VERSION, FIELD_CLIENT, FIELD_ID, FIELD_GENERATION, FIELD_GAP, FIELD_COURSE, FIELD_WANTED, FIELD_REPLAY,
       FIELD_ACK, FIELDS };
static const char *const names[] = {
	[FIELD_VERSION] = "version", [FIELD_CLIENT] = "clientId", [FIELD_ID] = "id",
	[FIELD_GENERATION] = "generation", [FIELD_GAP] = "gap", [FIELD_COURSE] = "course",
	[FIELD_WANTED] = "channels", [FIELD_REPLAY] = "replay", [FIELD_ACK] = "ack",
};

/* ---- saving ---- */

uint64_t session_changes(const struct session *s)
{
	uint64_t events = s->exts.replay || s->exts.ack ? s->counts.received + ext_ack_delivered(s->exts.ack) : 0;
	uint64_t changes = report_generation(&s->report) + s->counts.handshakes + s->counts.connects +
			   s->counts.failures + events + wanted_changes(&s->wanted);
	/* it may end without another change */
	return changes << 3 | report_state(&s->report);
}

int session_save(struct session *s, uint64_t now, struct buf *out, uint64_t *ret_until)
{
	CLEANUP(buf_fini) struct buf ack;
	struct json_write w;
	buf_init_secret(&ack, out->max);
	if (!course_has_session(s) || report_state(&s->report) == SESSION_DISCONNECTING)
		return SESSION_E_NONE;
	int r = inbox_settle(&s->inbox);
	if (r == 0)
		r = ext_ack_save(s->exts.ack, !inbox_keeps(&s->inbox), &ack);
	if (r)
		return r;
	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, names[FIELD_VERSION]), json_put_u64(&w, VERSION);
	json_key(&w, names[FIELD_CLIENT]), json_put_text(&w, buf_slice(&s->client_id));
	json_key(&w, names[FIELD_ID]), json_put_u64(&w, pending_next_id(&s->pending));
	json_key(&w, names[FIELD_GENERATION]), json_put_u64(&w, report_generation(&s->report));
	json_key(&w, names[FIELD_GAP]), json_put_bool(&w, report_gap_is_due(&s->report));
	json_key(&w, names[FIELD_COURSE]);
	*ret_until = course_save(s, now, &w);
	json_key(&w, names[FIELD_WANTED]), wanted_save(&s->wanted, &w);
	json_key(&w, names[FIELD_REPLAY]), ext_replay_save(s->exts.replay, &w);
	json_key(&w, names[FIELD_ACK]), json_put_raw(&w, buf_slice(&ack));
	json_object_end(&w);
	return json_write_done(&w);
}

/* ---- restoring ---- */

void snapshot_drop_unclaimed(struct session *s)
{
	const struct wanted *w;
	while ((w = wanted_unclaimed(&s->wanted))) {
		ext_replay_unwant(s->exts.replay, w->node.key);
		wanted_unwant(&s->wanted, w->node.key);
	}
	s->wanted.unclaimed_until = SESSION_NEVER;
	inbox_release(&s->inbox);
}

static int restore_client_id(struct session *s, const struct json_value *v)
{
	char text[CLIENT_ID_MAX + 1];
	struct slice id;
	int r = saved_text(v, text, sizeof(text), &id);
	if (r == 0)
		r = id.n ? buf_put(&s->client_id, id) : SAVED_E_INVALID;
	explicit_bzero(text, sizeof(text));
	return r;
}

static int restore_channels(struct session *s, uint64_t now, const struct json_value *v, bool exact)
{
	int r = wanted_restore(&s->wanted, v, exact, now + UNCLAIMED_MS);
	if (r)
		return r;
	LIST_EACH(w, &s->wanted.unclaimed, struct wanted, unclaimed)
		if (r == 0)
			r = ext_replay_want(s->exts.replay, w->node.key);
	return r;
}

static int restore(struct session *s, uint64_t now, const struct json_field *f, bool exact)
{
	uint64_t version, id, generation;
	bool gap;
	int r = saved_u64(&f[FIELD_VERSION].value, VERSION, &version);
	if (r == 0 && version != VERSION)
		r = SAVED_E_INVALID;
	if (r == 0)
		r = saved_u64(&f[FIELD_ID].value, ID_MAX, &id);
	if (r == 0)
		r = saved_u64(&f[FIELD_GENERATION].value, UINT64_MAX / 2, &generation);
	if (r == 0)
		r = saved_bool(&f[FIELD_GAP].value, &gap);
	if (r == 0)
		r = course_restore(s, now, &f[FIELD_COURSE].value);
	if (r == 0)
		r = restore_client_id(s, &f[FIELD_CLIENT].value);
	/* the markers before the channels, which otherwise begin without */
	if (r == 0)
		r = ext_replay_restore(s->exts.replay, &f[FIELD_REPLAY].value);
	if (r == 0)
		r = restore_channels(s, now, &f[FIELD_WANTED].value, exact);
	if (r == 0)
		r = ext_replay_restored(s->exts.replay, &f[FIELD_REPLAY].value);
	if (r == 0)
		r = ext_ack_restore(s->exts.ack, &f[FIELD_ACK].value);
	if (r)
		return r;
	pending_skip(&s->pending, id + jitter_apply(&s->jitter, ID_STRIDE));
	report_restore(&s->report, generation, gap);
	return 0;
}

/* The markers stay: they belong to the server, not to the session, and are only used for channels that are wanted. */
static void undo(struct session *s)
{
	snapshot_drop_unclaimed(s);
	wanted_restore_undo(&s->wanted);
	buf_clear(&s->client_id);
	course_init(s);
}

int session_restore(struct session *s, uint64_t now, struct slice snapshot, bool exact)
{
	struct json_field f[FIELDS] = {{.name = NULL}};
	for (int i = 0; i < FIELDS; i++)
		f[i].name = names[i];
	const struct json_value all = {JSON_OBJECT, snapshot};
	int r = saved_object(&all, f, FIELDS);
	if (r == 0)
		r = restore(s, now, f, exact);
	if (r)
		undo(s);
	return r > 0 ? SESSION_E_NOT_RESUMABLE : r;
}
