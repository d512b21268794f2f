/*
 * The built-in extensions of a session, which of them are in effect, and what is done for messages that the
 * session may have missed: a server with replay sends them again, else a gap is reported.
 */
#include "bayeux/ext_ack.h"
#include "bayeux/ext_replay.h"
#include "bayeux/ext_timesync.h"
#include "bayeux/fields.h"
#include "bayeux/session_core.h"

#include <errno.h>

/* markers kept in memory; more channels than this are not resumed */
#define MARKERS_MAX 100000u

static int make_replay(const struct session_options *o, struct ext **ret)
{
	struct replay_store *store;
	int r = replay_store_new(MARKERS_MAX, &store);
	return r ? r : ext_replay_new(o->replay, o->replay_fallback, store, ret);
}

/* SESSION_EXTS for those that have none */
static enum session_ext ext_of(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_HANDSHAKE:
		return SESSION_EXT_HANDSHAKE;
	case REQUEST_CONNECT:
		return SESSION_EXT_CONNECT;
	case REQUEST_SUBSCRIBE:
		return SESSION_EXT_SUBSCRIBE;
	case REQUEST_PUBLISH:
		return SESSION_EXT_PUBLISH;
	default:
		return SESSION_EXTS;
	}
}

const struct ext_fixed *exts_fixed(const struct session *s, enum request_kind kind)
{
	enum session_ext ext = ext_of(kind);
	return ext == SESSION_EXTS ? NULL : &s->fixed[ext];
}

int exts_write_fields(const struct session *s, enum request_kind kind, struct buf *out)
{
	enum session_ext ext = ext_of(kind);
	return ext == SESSION_EXTS ? 0 : fields_write(&s->fields[ext], out);
}

int session_set_ext(struct session *s, enum session_ext kind, struct slice object)
{
	return ext_fixed_set(&s->fixed[kind], object);
}

int session_set_fields(struct session *s, enum session_ext kind, struct slice object)
{
	const char *name;
	int r = fields_set(&s->fields[kind], object, &name);
	return r == FIELDS_E_RESERVED ? -EINVAL : r;
}

void exts_free(struct session *s)
{
	for (int i = 0; i < SESSION_EXTS; i++) {
		ext_fixed_fini(&s->fixed[i]);
		ext_fixed_fini(&s->fields[i]);
	}
	ext_free_all(&s->exts.chain);
}

int exts_make(struct session *s)
{
	struct exts *x = &s->exts;
	int r = s->o.ack ? ext_ack_new(&x->ack) : 0;
	if (r == 0 && s->o.replay != SESSION_REPLAY_OFF)
		r = make_replay(&s->o, &x->replay);
	if (r == 0 && s->o.timesync)
		r = ext_timesync_new(&x->timesync);
	/* replay after ack, which looks at events, too: see ext_replay.h */
	struct ext *const in_order[] = {x->ack, x->replay, x->timesync};
	for (int i = 0; i < 3; i++)
		if (in_order[i])
			ext_add(&x->chain, in_order[i]);
	return r;
}

void exts_note_commands(struct session *s, uint64_t now, const struct exchange *without)
{
	const struct exchange *last = NULL;
	if (!s->exts.replay)
		return;
	LIST_EACH(x, &s->exchanges.list, struct exchange, link)
		if (x != without && x->batch.transport == SESSION_LONG_POLLING && exchange_of_commands(x))
			last = x;
	if (ext_replay_commands(s->exts.replay, now, last ? last->sent_at : SESSION_NEVER))
		inbox_release(&s->inbox);
}

/* ---- messages that may have been missed ---- */

bool exts_ack_in_effect(const struct session *s)
{
	return ext_ack_in_effect(s->exts.ack);
}

void exts_missed(struct session *s)
{
	if (!exts_ack_in_effect(s))
		report_gap(&s->report);
}

/*
 * With replay the server repeats events after the last one received when the channels are subscribed
 * again. It is not required to do so within a session, so the gap is reported, too.
 */
void exts_have_repeated(struct session *s)
{
	if (report_state(&s->report) == SESSION_CONNECTED && ext_replay_repeats(s->exts.replay))
		wanted_repeat(&s->wanted);
}

void exts_lost_answer(struct session *s)
{
	/* from now on: the next connect may bring what is newer than what got lost */
	if (!exts_ack_in_effect(s))
		ext_replay_missed(s->exts.replay);
}

void exts_lost_connection(struct session *s)
{
	if (!exts_ack_in_effect(s))
		report_gap_later(&s->report);
	exts_lost_answer(s);
}

void exts_lost_messages(struct session *s)
{
	exts_missed(s);
	exts_lost_answer(s);
	exts_have_repeated(s);
}
